/*
 * Arrays of integers, which never become a tree: see json.h.
 *
 * Read next: json_write.c.
 */
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/json_scan.h"
#include "lib/base/mem.h"

/* One integer; a value past 2^40 stays there (and is out of any range). */
static int read_integer(int64_t *out, struct medvl_json_scan *s)
{
    const bool minus = medvl_json_scan_is(s, '-');
    int64_t value = 0;
    const char *from;

    s->p += minus;
    from = s->p;
    while (s->p < s->end && medvl_json_digit(*s->p)) {
        if (value < (int64_t)1 << 40)
            value = value * 10 + (*s->p - '0');
        s->p++;
    }
    if (s->p == from)
        return medvl_json_scan_bad(s, "expected an integer");
    if (*from == '0' && s->p - from > 1)
        return medvl_json_scan_bad(s, "number with a leading zero");
    if (medvl_json_scan_is(s, '.') || medvl_json_scan_is(s, 'e') ||
        medvl_json_scan_is(s, 'E'))
        return medvl_json_scan_bad(s, "number is no integer");
    *out = minus ? -value : value;
    return MEDVL_OK;
}

int medvl_json_read_ints(int32_t **items, size_t *count, size_t *capacity,
                         struct medvl_span span, int32_t low, int32_t high,
                         struct medvl_error *err)
{
    struct medvl_json_scan s = medvl_json_scan_begin(span, err);
    size_t n = *count;
    int64_t value = 0;

    medvl_json_scan_space(&s);
    if (!medvl_json_scan_is(&s, '['))
        return medvl_json_scan_bad(&s, "not an array of integers");
    s.p++;
    medvl_json_scan_space(&s);
    while (!medvl_json_scan_is(&s, ']')) {
        if (read_integer(&value, &s) < 0)
            return MEDVL_EFORMAT;
        if (value < low || value > high)
            return medvl_fail(err, MEDVL_EARG,
                              "element %zu: %lld is not in %d to %d",
                              n - *count, (long long)value, low, high);
        if (n - *count == MEDVL_JSON_INTS)
            return medvl_json_scan_bad(&s, "too many numbers");
        if (n == *capacity &&
            medvl_grow(items, capacity, n + 1, sizeof(**items), err) < 0)
            return MEDVL_ENOMEM;
        (*items)[n++] = (int32_t)value;
        medvl_json_scan_space(&s);
        if (medvl_json_scan_is(&s, ']'))
            break;
        if (!medvl_json_scan_is(&s, ','))
            return medvl_json_scan_bad(&s, "expected ',' or ']'");
        s.p++;
        medvl_json_scan_space(&s);
        if (medvl_json_scan_is(&s, ']'))
            return medvl_json_scan_bad(&s, "nothing after a comma");
    }
    s.p++;
    if (medvl_json_scan_end(&s) < 0)
        return MEDVL_EFORMAT;
    *count = n;
    return MEDVL_OK;
}

/* Write `value` at `out`; returns the length, at most 11. */
static size_t format_int32(char *out, int32_t value)
{
    char digits[12];
    size_t at = sizeof(digits);
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;

    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

int medvl_json_write_ints(struct medvl_text *out, const int32_t *items,
                          size_t count, struct medvl_error *err)
{
    size_t room;

    if (!medvl_size_mul(&room, count, 12) ||
        !medvl_size_add(&room, room, 2))
        return medvl_no_memory(err);
    if (medvl_text_reserve(out, room, err) < 0)
        return MEDVL_ENOMEM;
    out->data[out->size++] = '[';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            out->data[out->size++] = ',';
        out->size += format_int32(out->data + out->size, items[i]);
    }
    out->data[out->size++] = ']';
    out->data[out->size] = 0;
    return MEDVL_OK;
}
