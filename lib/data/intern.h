/*
 * Texts to numbers: 0, 1, 2 ... in the order of their first use.
 *
 * Read next: field.h.
 */
#ifndef MEDVL_DATA_INTERN_H
#define MEDVL_DATA_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/text.h"

/* Valid when zeroed. */
struct medvl_intern {
    struct medvl_text bytes; /* all texts, one after another */
    size_t *ends;            /* of each, in bytes */
    int64_t count;
    size_t room;
    int64_t *slots; /* number plus 1; 0 is free */
    size_t slot_count;
};

/* The number of `text`, given to it now if need be; *out is `count` then. */
int medvl_intern_add(int64_t *out, struct medvl_intern *intern,
                     struct medvl_span text,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* The number, or -1 if it has none. */
int64_t medvl_intern_find(const struct medvl_intern *intern,
                          struct medvl_span text);

/* The text of a number; stays until the next add. */
struct medvl_span medvl_intern_text(const struct medvl_intern *intern,
                                    int64_t number);

void medvl_intern_release(struct medvl_intern *intern);

#endif
