/*
 * Look over records before anything is trained on them: pictures, regions,
 * questions and answers, messages, ids and splits.  medvl-inspect --check
 * is its command; the kinds of findings are described in medvl-inspect(1).
 *
 * Read next: inspect.h.
 */
#ifndef MEDVL_STAGE_CHECK_H
#define MEDVL_STAGE_CHECK_H

#include "lib/stage/loop.h"

struct medvl_check_options {
    const char *root;  /* paths in records are below it; NULL: none */
    int64_t pixels;    /* limit of a picture; 0: MEDVL_PICTURE_PIXELS */
    int64_t *problems; /* set to the number of findings; or NULL */
};

/*
 * The batch's functions; options are struct medvl_check_options.
 *
 * Writes a line a finding, in the order of the records:
 *
 *   {"problem":KIND,"where":"file:line","id":ID,"detail":TEXT}
 *
 * with the id where it is a text, and without "where" for what concerns the
 * whole.  The last line counts: "records", "images", "problems" {KIND:
 * count}, "answers", "answer_types" and "splits" {text: count} of the most
 * frequent ten, of each how many differ ("answers_distinct", ...), and
 * "groups".
 *
 * Every picture is decoded, on all threads; one that records share, once
 * while they are near each other.  The same input gives the same lines
 * whatever the number of threads.  Memory is below 200 bytes a record, and
 * the pictures in hand.
 */
extern const struct medvl_batch medvl_check_batch;

#endif
