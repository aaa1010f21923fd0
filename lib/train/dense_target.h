/*
 * What the dense objective wants of each patch and picture.
 *
 * Read next: dense_target.c.
 */
#ifndef MEDVL_TRAIN_DENSE_TARGET_H
#define MEDVL_TRAIN_DENSE_TARGET_H

#include "lib/train/dense_class.h"
#include "lib/train/loader.h"

/* Targets of a micro-batch: a class a patch, a class a picture and field. */
struct medvl_dense_targets {
    const struct medvl_frontend *frontend;
    int32_t *patch[2]; /* label, drawn: (pictures * P) */
    int32_t *field[MEDVL_DENSE_FIELDS];
    int32_t *cu;               /* (pictures + 1) */
    int64_t pictures, patches; /* patches of one picture */
    int64_t labelled;
};

/*
 * Those of a micro-batch; -1 where nothing is learned.  MEDVL_EFORMAT names
 * the record whose region is none, or whose label or value no head has.
 * On an error too, medvl_dense_targets_release must follow.
 */
int medvl_dense_targets_make(struct medvl_dense_targets *t,
                             const struct medvl_dense_heads *heads,
                             const struct medvl_frontend *frontend,
                             const struct medvl_microbatch *micro,
                             struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_dense_targets_release(struct medvl_dense_targets *t);

#endif
