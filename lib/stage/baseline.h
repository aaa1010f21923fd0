/*
 * Predictions that never saw the picture: what a trained model must beat.
 * The work of medvl-score(1) with --predict.
 *
 * Read next: check.h.
 */
#ifndef MEDVL_STAGE_BASELINE_H
#define MEDVL_STAGE_BASELINE_H

#include "lib/stage/loop.h"

struct medvl_baseline_options {
    const char *predict; /* "commonest" or "median-box" */
    const char *from;    /* records to learn from */
    const char *by;      /* fields, as above; NULL: one cell for all */

    void (*warn)(void *arg, const char *text);
    void *arg;
};

/*
 * The map behind medvl-score --predict: sets "prediction" to
 *
 *   commonest    the answer that most records of `from` in the same cell
 *                have, the first by its bytes among equals
 *   median-box   "[x0,y0,x1,y1]", each number the median of the cell's
 *                answers that hold a box (of an even count the mean of the
 *                middle two, rounded half up if all are whole); commonest
 *                where there are none
 *
 * The first accepted answer of a record counts.  A cell that `from` lacks
 * gets what all records would get, and is reported
 * through `warn`, once for all such.
 */
extern const struct medvl_map medvl_baseline_map;

#endif
