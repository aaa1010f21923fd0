/*
 * What Oniguruma and PCRE2 understand otherwise without regard to case.
 *
 * Read next: regex_fold.c.
 */
#ifndef MEDVL_TEXT_REGEX_PART_H
#define MEDVL_TEXT_REGEX_PART_H

#include "lib/base/text.h"

/* Groups within each other, as in PCRE2. */
#define MEDVL_REGEX_GROUPS 250

/*
 * Refuse by name an expression in which a difference would show.
 * MEDVL_EUNSUPPORTED: one is there.
 */
int medvl_regex_check_fold(struct medvl_span pattern,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
