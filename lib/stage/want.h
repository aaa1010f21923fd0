/*
 * What options name in the records, and whether any record of a run had it.
 *
 * A name that no record has is nearly always mistyped, and nothing else says
 * so: the stream that lacks what was asked for looks like one that is right.
 * So stages count, and commands warn when a run is over.
 *
 * Read next: fetch.h.
 */
#ifndef MEDVL_STAGE_WANT_H
#define MEDVL_STAGE_WANT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/status.h"

struct medvl_want;

/* Valid when zeroed.  Its owner outlives the run. */
struct medvl_wants {
    struct medvl_want *first;
    const char *noun; /* what is looked at; NULL: "record" */
};

/*
 * Add a want, which is the list's.
 *
 *   out     NULL when there is no list: nothing is counted then
 *   said    printf format of what, such as "--draw 'x' found a region"
 */
int medvl_wants_add(struct medvl_want **out, struct medvl_wants *wants,
                    struct medvl_error *err, const char *said, ...)
    MEDVL_PRINTF(4, 5) MEDVL_MUST_CHECK;

/*
 * Add one of which is told how many had it, where any did; said is what
 * follows "3 of 20", such as "flips were not made".
 */
int medvl_wants_add_tally(struct medvl_want **out, struct medvl_wants *wants,
                          struct medvl_error *err, const char *said, ...)
    MEDVL_PRINTF(4, 5) MEDVL_MUST_CHECK;

/*
 * A record had it, or had it not.  From any thread; a NULL want is fine.
 *
 *   why    what to say of a record that had it not, or NULL; of many the
 *          first in the order of bytes is kept
 */
void medvl_want_count(struct medvl_want *want, bool had, const char *why);

/* Call say(arg, text) for each that records were asked for and none had:
 * "--draw 'x' found a region in none of 20 records: WHY"; and for tallies. */
void medvl_wants_unmet(const struct medvl_wants *wants,
                       void (*say)(void *arg, const char *text), void *arg);

void medvl_wants_release(struct medvl_wants *wants);

#endif
