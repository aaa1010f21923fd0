/*
 * Where records come from: how many there are of each source and licence.
 *
 * Read next: dataset.h.
 */
#ifndef MEDVL_TRAIN_ORIGIN_H
#define MEDVL_TRAIN_ORIGIN_H

#include "lib/data/intern.h"

/* Valid when zeroed. */
struct medvl_origins {
    struct medvl_intern keys; /* source, a zero byte, licence */
    int64_t *counts;          /* of each */
    size_t room;
};

struct medvl_origin {
    struct medvl_span source, license; /* empty: the record does not say */
    int64_t records;
};

/* Count a record (JSON) by its "source" and "license". */
int medvl_origins_add(struct medvl_origins *origins, struct medvl_span record,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * All of them by source, then licence, in the order of their bytes; freed by
 * the caller, the spans live as long as `origins` is not added to.
 */
int medvl_origins_list(struct medvl_origin **out,
                       const struct medvl_origins *origins,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_origins_release(struct medvl_origins *origins);

#endif
