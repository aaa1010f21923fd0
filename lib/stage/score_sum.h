/*
 * Measured records gathered as rows of numbers, and summed: each metric over
 * all of them and over each cell, with intervals.
 *
 * Read next: score_sum.c, then score.c.
 */
#ifndef MEDVL_STAGE_SCORE_SUM_H
#define MEDVL_STAGE_SCORE_SUM_H

#include "lib/data/intern.h"
#include "lib/stage/score_item.h"

/* Valid when zeroed. */
struct medvl_score_rows {
    struct medvl_score_row {
        int64_t cell, group, label;
        bool positive;
    } * items;
    double *values; /* rows x metrics; NaN: does not apply */
    bool *unparsed; /* rows x metrics */
    int64_t count;
    size_t room, value_room, unparsed_room;

    struct medvl_intern cells, groups, labels;
    int64_t lone; /* groups of one record, numbered downwards */
};

/*
 * Add a measured record.
 *
 *   cell    JSON that the records of its cell have in common
 *   group   JSON; records of one group are resampled together.  Empty or
 *           null: the record is a group of its own
 */
int medvl_score_rows_add(struct medvl_score_rows *rows,
                         const struct medvl_score_metrics *metrics,
                         const struct medvl_score_item *item,
                         struct medvl_span cell, struct medvl_span group,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_score_rows_release(struct medvl_score_rows *rows);

/*
 * The results: each metric over all rows, then, with `by`, over each cell
 * that has a value, in the order of the cells' bytes.
 *
 *   summary   its results are filled; they point into rows and metrics
 */
int medvl_score_rows_sum(struct medvl_score_summary *summary,
                         const struct medvl_score_rows *rows,
                         const struct medvl_score_metrics *metrics, bool by,
                         int64_t resamples, uint64_t seed,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
