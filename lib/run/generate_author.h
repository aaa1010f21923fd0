/*
 * Who said it: the entry of "provenance" that a prediction gets, and that a
 * part is known by.  Inside of generate.h.
 *
 * Read next: generate.c.
 */
#ifndef MEDVL_RUN_GENERATE_AUTHOR_H
#define MEDVL_RUN_GENERATE_AUTHOR_H

#include "lib/data/record.h"
#include "lib/model/checkpoint.h"
#include "lib/run/generate.h"

struct medvl_author {
    char name[600];   /* for people; two names of files fit */
    char model[33];   /* medvl_model_hash */
    char options[33]; /* hash of those that shape an answer */
};

/*
 * The name, by the folder's real path: RUN/step-N of a checkpoint,
 * ORG/NAME@REVISION of a snapshot in a hub's cache, else the last part.
 */
int medvl_author_of(struct medvl_author *out,
                    const struct medvl_generate_options *options,
                    const struct medvl_model *model,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Set provenance.FIELD. */
int medvl_author_sign(const struct medvl_author *author,
                      struct medvl_record *record, const char *field,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * May the record of a part stay?  Its provenance.FIELD is that of this
 * model and these options: else MEDVL_EARG, and MEDVL_EFORMAT where there
 * is none.  The model's name may be another, and is this author's from now
 * on, so that the whole has one.
 */
int medvl_author_check(struct medvl_author *author,
                       const struct medvl_record *done, const char *field,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
