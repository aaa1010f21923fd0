/*
 * The heads of the dense objective and their classes: the labels of
 * regions, drawn or not, the values of record fields.
 *
 * Read next: dense_class.c.
 */
#ifndef MEDVL_TRAIN_DENSE_CLASS_H
#define MEDVL_TRAIN_DENSE_CLASS_H

#include "lib/base/file.h"
#include "lib/train/dataset.h"

/* Which head is which; fields follow from MEDVL_DENSE_FIRST on. */
enum { MEDVL_DENSE_LABEL,
       MEDVL_DENSE_DRAWN,
       MEDVL_DENSE_FIRST,
       MEDVL_DENSE_FIELDS = 16, /* at most */
       MEDVL_DENSE_HEADS = MEDVL_DENSE_FIRST + MEDVL_DENSE_FIELDS };

struct medvl_dense_head {
    char *field; /* of a field's head; NULL: label, drawn */
    struct medvl_names classes;
    double weight;
};

struct medvl_dense_heads {
    struct medvl_dense_head items[MEDVL_DENSE_HEADS];
    int count;
};

void medvl_dense_heads_release(struct medvl_dense_heads *heads);

/* A head for each field of "plane,species". */
int medvl_dense_add_fields(struct medvl_dense_heads *heads,
                           const char *classes, double weight,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The classes that stand in the data, sorted by bytes, "none" first for
 * labels and drawn, so the order of records is no matter.
 */
int medvl_dense_collect(struct medvl_dense_heads *heads,
                        struct medvl_dataset *data,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The number of a class; -1: the head has no such. */
int medvl_dense_class(const struct medvl_dense_head *head, const char *name);

/* The value of a field as a C string in `out`: strings as they are, others
 * as JSON. */
int medvl_dense_value(struct medvl_text *out, const struct medvl_json *record,
                      const char *field,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

bool medvl_dense_drawn(const struct medvl_json *region);

#endif
