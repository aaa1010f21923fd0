/*
 * How an expression is read: by one reader for the translation and for the
 * check of what Oniguruma and PCRE2 understand otherwise without regard to
 * case.
 *
 * Read next: regex_translate.c.
 */
#ifndef MEDVL_TEXT_REGEX_PART_H
#define MEDVL_TEXT_REGEX_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/text.h"

/* Groups within each other, as in PCRE2. */
#define MEDVL_REGEX_GROUPS 250

struct medvl_regex_reader {
    struct medvl_span in;
    size_t at;
};

/* The byte `ahead` bytes on, or 0. */
static inline char peek(const struct medvl_regex_reader *r, size_t ahead)
{
    return r->at + ahead < r->in.size ? r->in.data[r->at + ahead] : 0;
}

static inline bool begins(const struct medvl_regex_reader *r,
                          const char *with)
{
    const size_t size = strlen(with);

    return r->in.size - r->at >= size &&
           memcmp(r->in.data + r->at, with, size) == 0;
}

/* What is read at the front, outside of a class or within one. */
struct medvl_regex_character {
    bool is_one;   /* a character as such; else an escape, or "\\" alone */
    uint32_t rune; /* that character, or 0 */
    size_t size;   /* its bytes; at least 1 */
};

/* MEDVL_EUNSUPPORTED: a number that Oniguruma takes for bytes, or none. */
int medvl_regex_character(struct medvl_regex_character *out,
                          const struct medvl_regex_reader *r, bool in_class,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Bytes of "{n}" (is_fixed), "{n,}", "{,m}" or "{n,m}" at the front; 0: it
 * is none, and a brace stands for itself.
 */
size_t medvl_regex_interval(const struct medvl_regex_reader *r,
                            bool *is_fixed);

/* MEDVL_EUNSUPPORTED with bytes [from, to) of the pattern, then `why`. */
int medvl_regex_refuse(const struct medvl_regex_reader *r, size_t from,
                       size_t to, const char *why,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append `pattern` as PCRE2 would have it. */
int medvl_regex_translate(struct medvl_text *out, struct medvl_span pattern,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Refuse by name an expression in which a difference would show.
 * MEDVL_EUNSUPPORTED: one is there.
 */
int medvl_regex_check_fold(struct medvl_span pattern,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
