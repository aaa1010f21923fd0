/*
 * Regular expressions as tokenizer.json has them: written for Oniguruma,
 * run by PCRE2 in machine code.  What the two read otherwise is translated
 * ("$" ends a line, "\h" is a hexadecimal digit, "{1,3}+" is no possessive,
 * "\w" and "\s" hold other characters); what PCRE2 has no words for ("&&",
 * a class within a class) is refused by name.
 *
 * Without regard to case one character may equal two there ("st" is found
 * in U+FB06) and never here: an expression in which this can show is
 * refused, as are options in the middle of a branch.
 *
 * One thing stays different: PCRE2 10.42 has the characters of Unicode 14.
 *
 * Read next: part.h.
 */
#ifndef MEDVL_TEXT_REGEX_H
#define MEDVL_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/text.h"

struct medvl_regex; /* read-only, shared between threads */

/*
 * MEDVL_EFORMAT: not a regular expression.  MEDVL_EUNSUPPORTED: one that
 * cannot be translated, or of more than 64 KiB.
 */
int medvl_regex_new(struct medvl_regex **out, struct medvl_span pattern,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* These bytes as they are. */
int medvl_regex_new_literal(struct medvl_regex **out,
                            struct medvl_span bytes,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_regex_free(struct medvl_regex *regex);

/* Can a match be empty? */
bool medvl_regex_may_be_empty(const struct medvl_regex *regex);

/* One worker's memory for matching. */
struct medvl_regex_scratch;

int medvl_regex_scratch_new(struct medvl_regex_scratch **out,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_regex_scratch_free(struct medvl_regex_scratch *scratch);

/* A walk over the matches in one text: set `text`, zero the rest. */
struct medvl_matches {
    struct medvl_span text; /* UTF-8, checked by the caller */
    size_t start, end;      /* the match that was found */
    size_t search;
    size_t spent; /* work beyond one reading of the text */
    bool found;
};

/*
 * The next match: 1; 0 behind the last; MEDVL_EFORMAT when PCRE2 gives up
 * on the text, or has read it 64 times over without coming on, so that time
 * is the text's.  An empty match right behind another is passed over.
 */
int medvl_regex_next(const struct medvl_regex *regex,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_matches *matches,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
