/*
 * The strict scan: see json_scan.h.
 *
 * One loop with a bit a level for "object or array", so depth costs no
 * stack.  Strings and runs of integers, which are most of a record, are
 * taken 16 bytes at a time where SSE2 is.
 *
 * Read next: json_string.h.
 */
#include "lib/base/json_scan.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base/json.h"

int medvl_json_scan_bad(const struct medvl_json_scan *s, const char *what)
{
    if (s->p >= s->end)
        return medvl_fail(s->err, MEDVL_EFORMAT,
                          "byte %zu: ends early, %s",
                          (size_t)(s->end - s->start) + 1, what);
    return medvl_fail(s->err, MEDVL_EFORMAT, "byte %zu: %s",
                      (size_t)(s->p - s->start) + 1, what);
}

static bool is_hex(char c)
{
    return medvl_json_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

int medvl_json_scan_escape(struct medvl_json_scan *s)
{
    s->escaped = true;
    s->p++;
    if (s->p >= s->end)
        return medvl_json_scan_bad(s, "in an escape");
    switch (*s->p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->p++;
        return MEDVL_OK;
    case 'u':
        for (int i = 0; i < 4; i++) {
            s->p++;
            if (s->p >= s->end || !is_hex(*s->p))
                return medvl_json_scan_bad(s, "\\u without four hex digits");
        }
        s->p++;
        return MEDVL_OK;
    default:
        return medvl_json_scan_bad(s, "unknown escape in a string");
    }
}

static int scan_digits(struct medvl_json_scan *s)
{
    if (s->p >= s->end || !medvl_json_digit(*s->p))
        return medvl_json_scan_bad(s, "expected a digit");
    do
        s->p++;
    while (s->p < s->end && medvl_json_digit(*s->p));
    return MEDVL_OK;
}

static int scan_number(struct medvl_json_scan *s)
{
    if (medvl_json_scan_is(s, '-'))
        s->p++;
    if (medvl_json_scan_is(s, '0')) {
        s->p++;
        if (s->p < s->end && medvl_json_digit(*s->p))
            return medvl_json_scan_bad(s, "number with a leading zero");
    } else if (scan_digits(s) < 0) {
        return MEDVL_EFORMAT;
    }
    if (medvl_json_scan_is(s, '.')) {
        s->p++;
        if (scan_digits(s) < 0)
            return MEDVL_EFORMAT;
    }
    if (medvl_json_scan_is(s, 'e') || medvl_json_scan_is(s, 'E')) {
        s->p++;
        if (medvl_json_scan_is(s, '+') || medvl_json_scan_is(s, '-'))
            s->p++;
        return scan_digits(s);
    }
    return MEDVL_OK;
}

static int scan_word(struct medvl_json_scan *s, const char *word, size_t size)
{
    if ((size_t)(s->end - s->p) < size || memcmp(s->p, word, size) != 0)
        return medvl_json_scan_bad(s, "not a JSON value");
    s->p += size;
    return MEDVL_OK;
}

static inline int scan_scalar(struct medvl_json_scan *s)
{
    if (s->p >= s->end)
        return medvl_json_scan_bad(s, "where a value should be");
    switch (*s->p) {
    case '"': return medvl_json_scan_string(s);
    case 't': return scan_word(s, "true", 4);
    case 'f': return scan_word(s, "false", 5);
    case 'n': return scan_word(s, "null", 4);
    case '-': return scan_number(s);
    default:
        if (medvl_json_digit(*s->p))
            return scan_number(s);
        return medvl_json_scan_bad(s, "not a JSON value");
    }
}

#ifdef __SSE2__
/*
 * In an array, at a digit: skip integers with "," or ", " between them, 16
 * bytes at a time, and return the start of the last one that was seen
 * begin.  In each block a bit a byte says digit, comma, space; the rules
 * "a comma follows a digit", "a space follows a comma" and "no digit
 * follows a number's leading zero" are shifts of those masks.  The first
 * byte that breaks one, or is anything else, ends it.
 */
static const char *skip_integers(const char *p, const char *end)
{
    const char *last = p;
    unsigned was_digit = 0, was_comma = 0, was_zero = 0;

    while (end - p >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)p);
        const __m128i d = _mm_sub_epi8(v, _mm_set1_epi8('0'));
        const unsigned digit = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(9)), d));
        const unsigned zero = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8('0')));
        const unsigned comma = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8(',')));
        const unsigned space = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8(' ')));
        const unsigned after_digit = digit << 1 | was_digit;
        const unsigned first = digit & ~after_digit;
        const unsigned lead = (zero & first) << 1 | was_zero;
        const unsigned stop = 0x10000u | ~(digit | comma | space) |
                              (comma & ~after_digit) |
                              (space & ~(comma << 1 | was_comma)) |
                              (digit & lead);
        const unsigned seen = first & ((stop & -stop) - 1);

        if (seen)
            last = p + 31 - __builtin_clz(seen);
        if ((stop & 0xffff) != 0)
            return last;
        was_digit = digit >> 15 & 1;
        was_comma = comma >> 15 & 1;
        was_zero = lead >> 16 & 1;
        p += 16;
    }
    return last;
}
#else
static const char *skip_integers(const char *p, const char *end)
{
    (void)end;
    return p;
}
#endif

/*
 * One value that is an object or array.  Bit d of `object` says what level
 * d is; `depth` counts the levels open around this one.
 */
static int scan_nested(struct medvl_json_scan *s, int depth)
{
    const int base = depth;
    uint64_t object[MEDVL_JSON_DEPTH / 64] = {0};
    bool fresh = true; /* at the start of a value */

    for (;;) {
        medvl_json_scan_space(s);
        if (fresh && (medvl_json_scan_is(s, '{') ||
                      medvl_json_scan_is(s, '['))) {
            const bool is_object = *s->p == '{';
            const uint64_t bit = (uint64_t)1 << (depth % 64);

            if (depth >= MEDVL_JSON_DEPTH)
                return medvl_json_scan_bad(s, "nested too deep");
            if (is_object)
                object[depth / 64] |= bit;
            else
                object[depth / 64] &= ~bit;
            depth++;
            s->p++;
            medvl_json_scan_space(s);
            fresh = !medvl_json_scan_is(s, is_object ? '}' : ']');
            if (fresh && is_object && medvl_json_scan_name(s) < 0)
                return MEDVL_EFORMAT;
            continue;
        }
        const bool is_object = object[(depth - 1) / 64] >> (depth - 1) % 64 & 1;

        if (fresh) {
            if (!is_object && s->p < s->end && medvl_json_digit(*s->p))
                s->p = skip_integers(s->p, s->end);
            if (scan_scalar(s) < 0)
                return MEDVL_EFORMAT;
            fresh = false;
        } else if (medvl_json_scan_is(s, is_object ? '}' : ']')) {
            s->p++;
            if (--depth == base)
                return MEDVL_OK;
        } else if (medvl_json_scan_is(s, ',')) {
            s->p++;
            medvl_json_scan_space(s);
            if (is_object && medvl_json_scan_name(s) < 0)
                return MEDVL_EFORMAT;
            fresh = true;
        } else {
            return medvl_json_scan_bad(s, is_object ? "expected ',' or '}'"
                                                    : "expected ',' or ']'");
        }
    }
}

int medvl_json_scan_value(struct medvl_json_scan *s, int depth)
{
    if (medvl_json_scan_is(s, '{') || medvl_json_scan_is(s, '['))
        return scan_nested(s, depth);
    return scan_scalar(s);
}

int medvl_json_scan_end(struct medvl_json_scan *s)
{
    medvl_json_scan_space(s);
    if (s->p < s->end)
        return medvl_json_scan_bad(s, "more bytes after the value");
    if (s->high) {
        const size_t size = (size_t)(s->end - s->start);
        const size_t valid = medvl_utf8_valid(s->start, size);

        if (valid < size) {
            s->p = s->start + valid;
            return medvl_json_scan_bad(s, "not UTF-8");
        }
    }
    return MEDVL_OK;
}

int medvl_json_check(struct medvl_span span, struct medvl_error *err)
{
    struct medvl_json_scan s = medvl_json_scan_begin(span, err);

    medvl_json_scan_space(&s);
    if (medvl_json_scan_value(&s, 0) < 0)
        return MEDVL_EFORMAT;
    return medvl_json_scan_end(&s);
}
