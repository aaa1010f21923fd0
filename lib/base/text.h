/*
 * Bytes: borrowed spans, growing buffers, UTF-8 and strict numbers.
 *
 * Read next: rng.h.
 */
#ifndef MEDVL_BASE_TEXT_H
#define MEDVL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

/* Bytes that belong to someone else; not ended by a zero byte. */
struct medvl_span {
    const char *data;
    size_t size;
};

struct medvl_span medvl_span(const char *string);
bool medvl_span_is(struct medvl_span span, const char *string);
bool medvl_span_equal(struct medvl_span a, struct medvl_span b);

/*
 * A buffer that grows.  `data` is NULL while empty, else always followed by
 * a zero byte that `size` does not count.  Valid when zeroed.
 */
struct medvl_text {
    char *data;
    size_t size;
    size_t capacity;
};

/* Append; on MEDVL_ENOMEM the buffer is unchanged. */
int medvl_text_append(struct medvl_text *text, const void *data, size_t size,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_text_puts(struct medvl_text *text, const char *string,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_text_putc(struct medvl_text *text, char byte,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_text_printf(struct medvl_text *text, struct medvl_error *err,
                      const char *format, ...)
    MEDVL_PRINTF(3, 4) MEDVL_MUST_CHECK;

/* Room for `more` bytes past size (and the zero byte). */
int medvl_text_reserve(struct medvl_text *text, size_t more,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

void medvl_text_clear(struct medvl_text *text); /* size 0, memory kept */

/* Size 0; more than 1 MiB of memory, which few items need, is given back. */
void medvl_text_shrink(struct medvl_text *text);
void medvl_text_release(struct medvl_text *text);
struct medvl_span medvl_text_span(const struct medvl_text *text);

/*
 * Decode one UTF-8 character at `data` (size at least 1).  Returns its
 * length 1..4 and sets *rune; 0 when the bytes are not UTF-8 (overlong,
 * surrogate, above U+10FFFF, cut).
 */
int medvl_utf8_decode(uint32_t *rune, const char *data, size_t size);

/* Write `rune` (at most U+10FFFF, no surrogate) to out; returns 1..4. */
int medvl_utf8_encode(char out[4], uint32_t rune);

/* Offset of the first byte that is not UTF-8, or `size`.  Over 1 GB/s. */
size_t medvl_utf8_valid(const char *data, size_t size);

/*
 * The whole span as a decimal number; no space, no sign '+'.
 * MEDVL_EFORMAT when it is not one, MEDVL_EARG when outside [low, high].
 */
int medvl_parse_int(int64_t *out, struct medvl_span span,
                    int64_t low, int64_t high,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_parse_real(double *out, struct medvl_span span,
                     double low, double high,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The shortest decimal that reads back as the same double (or float), as
 * JSON writes it; returns the length.  Integers up to 2^53 have no point.
 * The value must be finite.
 */
int medvl_format_double(char out[32], double value);
int medvl_format_float(char out[32], float value);

#endif
