/*
 * The strict scan that the rest of json is built on: a place in some bytes
 * that moves over JSON values, with an error that names the byte.
 *
 * Read next: json_scan.c, then json_string.h.
 */
#ifndef MEDVL_BASE_JSON_SCAN_H
#define MEDVL_BASE_JSON_SCAN_H

#include <stdbool.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base/text.h"

struct medvl_json_scan {
    const char *start, *p, *end;
    const char *name_end; /* the closing quote of the last name */
    bool high;            /* a byte of 0x80 or more was seen */
    bool escaped;         /* the last string had an escape */
    struct medvl_error *err;
};

static inline struct medvl_json_scan
medvl_json_scan_begin(struct medvl_span span, struct medvl_error *err)
{
    struct medvl_json_scan s = {.err = err};

    s.start = span.size ? span.data : "";
    s.p = s.start;
    s.end = s.start + span.size;
    return s;
}

static inline void medvl_json_scan_space(struct medvl_json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
                             *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

/* Is the next byte `c`? */
static inline bool medvl_json_scan_is(const struct medvl_json_scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static inline bool medvl_json_digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

/*
 * The library's own, hidden so that a call costs what a static one does.
 *
 *   bad     MEDVL_EFORMAT: what is wrong at p, or missing there at the end
 *   escape  over an escape, from its backslash
 *   value   over one value that stands `depth` levels deep
 *   end     nothing but space may follow, and all of the bytes are UTF-8
 */
#pragma GCC visibility push(hidden)
int medvl_json_scan_bad(const struct medvl_json_scan *s, const char *what);
int medvl_json_scan_escape(struct medvl_json_scan *s) MEDVL_MUST_CHECK;
int medvl_json_scan_value(struct medvl_json_scan *s,
                          int depth) MEDVL_MUST_CHECK;
int medvl_json_scan_end(struct medvl_json_scan *s) MEDVL_MUST_CHECK;
#pragma GCC visibility pop

/*
 * Move over the bytes of a string that need no look: up to a quote, a
 * backslash, a control byte, or the end.
 */
static inline void medvl_json_scan_plain(struct medvl_json_scan *s)
{
    const char *p = s->p;
    unsigned high = 0;

#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);

    while (s->end - p >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)p);
        const __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
            _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        const unsigned mask = (unsigned)_mm_movemask_epi8(stop);

        high |= (unsigned)_mm_movemask_epi8(v);
        if (mask) {
            s->high |= high != 0;
            s->p = p + __builtin_ctz(mask);
            return;
        }
        p += 16;
    }
#endif
    while (p < s->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 32)
        high |= (unsigned char)*p++ & 0x80;
    s->high |= high != 0;
    s->p = p;
}

/* From a string's opening quote to after its closing one. */
static inline int medvl_json_scan_string(struct medvl_json_scan *s)
{
    s->escaped = false;
    s->p++;
    for (;;) {
        medvl_json_scan_plain(s);
        if (s->p >= s->end)
            return medvl_json_scan_bad(s, "in a string");
        if (*s->p == '"') {
            s->p++;
            return MEDVL_OK;
        }
        if (*s->p != '\\')
            return medvl_json_scan_bad(s, "control byte in a string");
        if (medvl_json_scan_escape(s) < 0)
            return MEDVL_EFORMAT;
    }
}

/* From a name's opening quote to after its colon. */
static inline int medvl_json_scan_name(struct medvl_json_scan *s)
{
    if (!medvl_json_scan_is(s, '"'))
        return medvl_json_scan_bad(s, "expected a name in double quotes");
    if (medvl_json_scan_string(s) < 0)
        return MEDVL_EFORMAT;
    s->name_end = s->p - 1;
    medvl_json_scan_space(s);
    if (!medvl_json_scan_is(s, ':'))
        return medvl_json_scan_bad(s, "expected ':' after a name");
    s->p++;
    return MEDVL_OK;
}

#endif
