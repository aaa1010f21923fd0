/*
 * Spans, buffers, UTF-8 and numbers.
 *
 * Read next: rng.c.
 */
#include "lib/base/text.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* ---- spans and buffers ----------------------------------------------- */

struct medvl_span medvl_span(const char *string)
{
    return (struct medvl_span){string, strlen(string)};
}

bool medvl_span_equal(struct medvl_span a, struct medvl_span b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

bool medvl_span_is(struct medvl_span span, const char *string)
{
    return medvl_span_equal(span, medvl_span(string));
}

int medvl_text_reserve(struct medvl_text *text, size_t more,
                       struct medvl_error *err)
{
    size_t need;

    if (!medvl_size_add(&need, text->size, more) ||
        !medvl_size_add(&need, need, 1))
        return medvl_no_memory(err);
    if (need <= text->capacity)
        return MEDVL_OK;
    if (need < 32)
        need = 32;
    return medvl_grow(&text->data, &text->capacity, need, 1, err);
}

int medvl_text_append(struct medvl_text *text, const void *data, size_t size,
                      struct medvl_error *err)
{
    const int rc = medvl_text_reserve(text, size, err);

    if (rc < 0)
        return rc;
    if (size)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
    return MEDVL_OK;
}

int medvl_text_puts(struct medvl_text *text, const char *string,
                    struct medvl_error *err)
{
    return medvl_text_append(text, string, strlen(string), err);
}

int medvl_text_putc(struct medvl_text *text, char byte,
                    struct medvl_error *err)
{
    return medvl_text_append(text, &byte, 1, err);
}

int medvl_text_printf(struct medvl_text *text, struct medvl_error *err,
                      const char *format, ...)
{
    va_list args, again;
    int length, rc;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        rc = medvl_fail(err, MEDVL_EARG, "the text cannot be formatted");
    else
        rc = medvl_text_reserve(text, (size_t)length, err);
    if (rc == MEDVL_OK) {
        vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
    return rc;
}

void medvl_text_clear(struct medvl_text *text)
{
    text->size = 0;
    if (text->data)
        text->data[0] = '\0';
}

void medvl_text_shrink(struct medvl_text *text)
{
    if (text->capacity > 1 << 20)
        medvl_text_release(text);
    else
        medvl_text_clear(text);
}

void medvl_text_release(struct medvl_text *text)
{
    medvl_free(text->data);
    *text = (struct medvl_text){0};
}

struct medvl_span medvl_text_span(const struct medvl_text *text)
{
    return (struct medvl_span){text->data, text->size};
}

/* ---- UTF-8 ----------------------------------------------------------- */

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

int medvl_utf8_decode(uint32_t *rune, const char *data, size_t size)
{
    const unsigned char *s = (const unsigned char *)data;
    uint32_t r;

    if (s[0] < 0x80) {
        *rune = s[0];
        return 1;
    }
    if (s[0] < 0xe0) {
        if (s[0] < 0xc2 || size < 2 || !is_tail(s[1]))
            return 0;
        *rune = (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
        return 2;
    }
    if (s[0] < 0xf0) {
        if (size < 3 || !is_tail(s[1]) || !is_tail(s[2]))
            return 0;
        r = (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 |
            (s[2] & 0x3f);
        if (r < 0x800 || (r >= 0xd800 && r < 0xe000))
            return 0;
        *rune = r;
        return 3;
    }
    if (s[0] > 0xf4 || size < 4 || !is_tail(s[1]) || !is_tail(s[2]) ||
        !is_tail(s[3]))
        return 0;
    r = (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 |
        (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
    if (r < 0x10000 || r > 0x10ffff)
        return 0;
    *rune = r;
    return 4;
}

int medvl_utf8_encode(char out[4], uint32_t rune)
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xc0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xe0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

static uint64_t load64(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return word;
}

/* ASCII goes by 32 bytes, then by 8; the rest by characters. */
size_t medvl_utf8_valid(const char *data, size_t size)
{
    const uint64_t high = 0x8080808080808080u;
    size_t at = 0;
    uint32_t rune;

    while (at < size) {
        int length;

        while (size - at >= 32 &&
               !((load64(data + at) | load64(data + at + 8) |
                  load64(data + at + 16) | load64(data + at + 24)) &
                 high))
            at += 32;
        while (size - at >= 8 && !(load64(data + at) & high))
            at += 8;
        while (at < size && (unsigned char)data[at] < 0x80)
            at++;
        while (at < size && (unsigned char)data[at] >= 0x80) {
            length = medvl_utf8_decode(&rune, data + at, size - at);
            if (!length)
                return at;
            at += (size_t)length;
        }
    }
    return size;
}

/* ---- numbers --------------------------------------------------------- */

static int not_number(struct medvl_error *err, struct medvl_span span,
                      const char *what)
{
    const int shown = span.size > 40 ? 40 : (int)span.size;

    return medvl_fail(err, MEDVL_EFORMAT, "\"%.*s\" is not %s", shown,
                      shown ? span.data : "", what);
}

static size_t digits(struct medvl_span span, size_t at)
{
    while (at < span.size && span.data[at] >= '0' && span.data[at] <= '9')
        at++;
    return at;
}

int medvl_parse_int(int64_t *out, struct medvl_span span,
                    int64_t low, int64_t high, struct medvl_error *err)
{
    const bool minus = span.size && span.data[0] == '-';
    bool fits = true;
    int64_t value = 0;
    size_t at;

    if (span.size == minus || digits(span, minus) != span.size)
        return not_number(err, span, "a whole number");
    for (at = minus; at < span.size && fits; at++) {
        const int64_t digit = span.data[at] - '0';

        fits = !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, minus ? -digit : digit, &value);
    }
    if (!fits || value < low || value > high)
        return medvl_fail(err, MEDVL_EARG, "%.*s is not in %lld..%lld",
                          span.size > 40 ? 40 : (int)span.size, span.data,
                          (long long)low, (long long)high);
    *out = value;
    return MEDVL_OK;
}

/*
 * The parts of a decimal: the bytes [0, whole) with the sign, the digits
 * after the point [point, fraction), the exponent [exponent, size).  False
 * when the span is not one.
 */
struct decimal {
    size_t whole, point, fraction, exponent;
};

static bool split_decimal(struct decimal *d, struct medvl_span span)
{
    const size_t first = span.size && span.data[0] == '-';
    size_t at;

    d->whole = digits(span, first);
    if (d->whole == first)
        return false;
    d->point = d->fraction = d->whole;
    if (d->whole < span.size && span.data[d->whole] == '.') {
        d->point = d->whole + 1;
        d->fraction = digits(span, d->point);
        if (d->fraction == d->point)
            return false;
    }
    d->exponent = at = d->fraction;
    if (at == span.size)
        return true;
    if (span.data[at] != 'e' && span.data[at] != 'E')
        return false;
    at++;
    d->exponent = at;
    if (at < span.size && (span.data[at] == '-' || span.data[at] == '+'))
        at++;
    return at < span.size && digits(span, at) == span.size;
}

/* The exponent at `at`; one out of every range is cut to a large one. */
static long long read_exponent(struct medvl_span span, size_t at)
{
    const bool minus = at < span.size && span.data[at] == '-';
    long long value = 0;

    if (at < span.size && (minus || span.data[at] == '+'))
        at++;
    for (; at < span.size; at++)
        if (value < 1000000000)
            value = 10 * value + (span.data[at] - '0');
    return minus ? -value : value;
}

/*
 * strtod of the decimal written without a point ("12.5e3" as "125e2"), so
 * that it means the same in every locale that an embedding program sets.
 */
static int read_decimal(double *out, struct medvl_span span,
                        const struct decimal *d, struct medvl_error *err)
{
    const size_t after = d->fraction - d->point;
    struct medvl_text text = {0};
    char small[64], *string = small;
    long long exponent;
    int rc;

    exponent = read_exponent(span, d->exponent) - (long long)after;
    if (d->whole + after + 24 <= sizeof(small)) {
        memcpy(small, span.data, d->whole);
        memcpy(small + d->whole, span.data + d->point, after);
        snprintf(small + d->whole + after, 24, "e%lld", exponent);
    } else {
        rc = medvl_text_append(&text, span.data, d->whole, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(&text, span.data + d->point, after, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_printf(&text, err, "e%lld", exponent);
        if (rc < 0) {
            medvl_text_release(&text);
            return rc;
        }
        string = text.data;
    }
    *out = strtod(string, NULL);
    medvl_text_release(&text);
    return MEDVL_OK;
}

int medvl_parse_real(double *out, struct medvl_span span,
                     double low, double high, struct medvl_error *err)
{
    struct decimal decimal;
    double value = 0;
    int rc;

    if (!split_decimal(&decimal, span))
        return not_number(err, span, "a number");
    rc = read_decimal(&value, span, &decimal, err);
    if (rc < 0)
        return rc;
    if (isinf(value) || value < low || value > high)
        return medvl_fail(err, MEDVL_EARG, "%.*s is not in %g..%g",
                          span.size > 40 ? 40 : (int)span.size, span.data,
                          low, high);
    *out = value;
    return MEDVL_OK;
}

/* The locale's decimal point, whatever its bytes, becomes '.'. */
static int with_point(char out[32])
{
    size_t from, to = 0;

    for (from = 0; out[from]; from++) {
        if (strchr("0123456789+-e", out[from]))
            out[to++] = out[from];
        else if (to && out[to - 1] != '.')
            out[to++] = '.';
    }
    out[to] = '\0';
    return (int)to;
}

/*
 * Tests go by bits or by size: threads that flush denormals take them for
 * zero, and a number must read the same whoever printed it.
 */
static bool same_bits(const void *a, const void *b, size_t size)
{
    return !memcmp(a, b, size);
}

/* A whole number of at most 2^53 is written as one; "-0" keeps its sign. */
static int format_whole(char out[32], double value)
{
    const double size = fabs(value);
    const double zero = 0;

    if ((size >= 1 && size <= 9007199254740992.0 && value == trunc(value)) ||
        same_bits(&value, &zero, sizeof(value)))
        return snprintf(out, 32, "%lld", (long long)value);
    return 0;
}

/*
 * Every decimal of 15 digits survives a double, so the shortest form is
 * %.15g without its zeros, or one of the next two.  Subnormals hold fewer
 * digits, so for them the search starts at one.
 */
int medvl_format_double(char out[32], double value)
{
    int precision = fabs(value) < DBL_MIN ? 1 : 15;
    double back;

    if (format_whole(out, value))
        return (int)strlen(out);
    for (; precision <= 17; precision++) {
        snprintf(out, 32, "%.*g", precision, value);
        back = strtod(out, NULL);
        if (same_bits(&back, &value, sizeof(value)))
            break;
    }
    return with_point(out);
}

/* The same with the 6 to 9 digits of a float. */
int medvl_format_float(char out[32], float value)
{
    int precision = fabsf(value) < FLT_MIN ? 1 : 6;
    float back;

    if (fabsf(value) >= 1 || same_bits(&value, &(float){0}, sizeof(value)))
        if (format_whole(out, (double)value))
            return (int)strlen(out);
    for (; precision <= 9; precision++) {
        snprintf(out, 32, "%.*g", precision, (double)value);
        back = strtof(out, NULL);
        if (same_bits(&back, &value, sizeof(value)))
            break;
    }
    return with_point(out);
}
