/*
 * Strings: see json_string.h, and quote and unescape in json.h.
 *
 * Read next: json_view.c.
 */
#include "lib/base/json_string.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/base/json_scan.h"

/* ---- escapes read ---------------------------------------------------- */

/* Four hex digits that the scan has passed. */
static uint32_t hex4(const char *p)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value = value << 4 | (medvl_json_digit(p[i])
                                  ? (uint32_t)(p[i] - '0')
                                  : (uint32_t)((p[i] | 0x20) - 'a' + 10));
    return value;
}

/*
 * Decode the escape at *p (a backslash, form checked) and move past it.  A
 * surrogate that stands alone is returned as it is.
 */
static uint32_t read_escape(const char **p, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = *p + 1;
    const char *known;
    uint32_t rune, low;

    if (*at != 'u') {
        known = strchr(from, *at);
        *p = at + 1;
        return known ? (uint32_t)to[known - from] : (uint32_t)*at;
    }
    rune = hex4(at + 1);
    *p = at + 5;
    if (rune < 0xd800 || rune > 0xdbff || end - *p < 6 ||
        (*p)[0] != '\\' || (*p)[1] != 'u')
        return rune;
    low = hex4(*p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return rune;
    *p += 6;
    return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
}

static bool is_surrogate(uint32_t rune)
{
    return rune >= 0xd800 && rune <= 0xdfff;
}

/* As medvl_utf8_encode; a lone surrogate too, so that names compare. */
static size_t encode_any(char out[4], uint32_t rune)
{
    if (!is_surrogate(rune))
        return (size_t)medvl_utf8_encode(out, rune);
    out[0] = (char)(0xe0 | rune >> 12);
    out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[2] = (char)(0x80 | (rune & 0x3f));
    return 3;
}

/* \u0000 and lone surrogates are no text. */
static int refuse(uint32_t rune, struct medvl_error *err)
{
    if (rune && !is_surrogate(rune))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      rune ? "a lone surrogate is no text"
                           : "\\u0000 is no text");
}

int medvl_json_escape_check(const char **at, const char *end,
                            struct medvl_error *err)
{
    return refuse(read_escape(at, end), err);
}

int medvl_json_decode(struct medvl_text *out, struct medvl_span inside,
                      bool text, struct medvl_error *err)
{
    const char *p = inside.data;
    const char *const end = p + inside.size;

    if (medvl_text_reserve(out, inside.size, err) < 0)
        return MEDVL_ENOMEM;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        const size_t plain = (size_t)((slash ? slash : end) - p);

        memcpy(out->data + out->size, p, plain);
        out->size += plain;
        p += plain;
        if (slash) {
            const uint32_t rune = read_escape(&p, end);

            if (text && refuse(rune, err) < 0)
                return MEDVL_EFORMAT;
            out->size += encode_any(out->data + out->size, rune);
        }
    }
    out->data[out->size] = 0;
    return MEDVL_OK;
}

bool medvl_json_says(struct medvl_span inside, const char *name, size_t size)
{
    const char *p = inside.data;
    const char *const end = p + inside.size;
    const char *at = name;

    if (inside.size == size)
        return memcmp(p, name, size) == 0;
    if (inside.size < size || !memchr(p, '\\', inside.size))
        return false; /* an escape is longer than what it says */
    while (p < end) {
        char bytes[4];
        size_t n = 1;

        if (*p == '\\')
            n = encode_any(bytes, read_escape(&p, end));
        else
            bytes[0] = *p++;
        if (n > size - (size_t)(at - name) || memcmp(at, bytes, n) != 0)
            return false;
        at += n;
    }
    return (size_t)(at - name) == size;
}

int medvl_json_unescape(struct medvl_text *out, struct medvl_span span,
                        struct medvl_error *err)
{
    struct medvl_json_scan s = medvl_json_scan_begin(span, err);
    const size_t before = out->size;
    int rc;

    if (!medvl_json_scan_is(&s, '"'))
        return medvl_fail(err, MEDVL_EFORMAT, "not a string");
    if (medvl_json_scan_string(&s) < 0 || medvl_json_scan_end(&s) < 0)
        return MEDVL_EFORMAT;
    const struct medvl_span inside = {span.data + 1, span.size - 2};

    rc = medvl_json_decode(out, inside, true, err);
    if (rc < 0 && out->data) {
        out->size = before;
        out->data[before] = 0;
    }
    return rc;
}

/* ---- escapes written ------------------------------------------------- */

/* At a byte that a string cannot hold: its escape; returns the length. */
static size_t make_escape(char out[6], char byte)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    static const char hex[] = "0123456789abcdef";
    const char *known = byte ? strchr(from, byte) : NULL;

    out[0] = '\\';
    out[1] = known ? to[known - from] : 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = hex[byte >> 4 & 15];
    out[5] = hex[byte & 15];
    return known ? 2 : 6;
}

int medvl_json_quote(struct medvl_text *out, struct medvl_span data,
                     struct medvl_error *err)
{
    struct medvl_json_scan s = medvl_json_scan_begin(data, err);
    const size_t before = out->size;

    if (medvl_utf8_valid(s.start, data.size) < data.size)
        return medvl_fail(err, MEDVL_EFORMAT, "text is not UTF-8");
    if (medvl_text_reserve(out, data.size + 2, err) < 0)
        return MEDVL_ENOMEM;
    medvl_json_append(out, "\"", 1);
    for (;;) {
        const char *from = s.p;
        char escape[6];
        size_t size;

        medvl_json_scan_plain(&s);
        medvl_json_append(out, from, (size_t)(s.p - from));
        if (s.p >= s.end)
            break;
        size = make_escape(escape, *s.p++);
        if (medvl_text_reserve(out, (size_t)(s.end - s.p) + size + 1,
                               err) < 0) {
            out->size = before;
            out->data[before] = 0;
            return MEDVL_ENOMEM;
        }
        medvl_json_append(out, escape, size);
    }
    medvl_json_append(out, "\"", 1);
    out->data[out->size] = 0;
    return MEDVL_OK;
}
