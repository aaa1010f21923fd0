/*
 * Statistics over scored records, with bootstrap intervals by group.
 *
 * Read next: ../build/layout.h.
 */
#ifndef MEDVL_EVAL_STATS_H
#define MEDVL_EVAL_STATS_H

#include <stdint.h>

#include "lib/base/status.h"

enum medvl_statistic {
    MEDVL_STATISTIC_MEAN,     /* of the values */
    MEDVL_STATISTIC_BALANCED, /* mean over the labels of their mean value */
    MEDVL_STATISTIC_AUC,      /* labels 0 and 1, values are scores */
};

/*
 * One item a record.  AUC is the share of pairs of a label 1 and a label 0
 * where the former's value is higher, ties counting one half; it is
 * undefined without both labels.
 */
struct medvl_stats_sample {
    const double *value;  /* finite */
    const int32_t *label; /* from 0, below `labels`; NULL for a mean */
    const int64_t *group; /* from 0, below `groups`: what is resampled */
    int64_t count;        /* items */
    int64_t groups;
    int32_t labels;
};

struct medvl_interval {
    double value;     /* over all items; NaN when undefined */
    double low, high; /* NaN when too few resamples define it */
};

/*
 * The statistic and its 95 % percentile bootstrap interval: `resamples`
 * times, as many groups as there are are drawn with replacement, and the
 * statistic is taken over their items; low and high are the 2.5 and 97.5 %
 * points, interpolated linearly.  Resamples that leave it undefined are
 * passed over; with more than half of those, and with a single group, which
 * says nothing of others, low and high are NaN.
 *
 *   resamples   at least 0; 0 leaves low and high NaN
 *
 * Resample r draws the same groups for every statistic over samples with
 * equally many groups, so differences between runs are paired.
 */
int medvl_stats_interval(struct medvl_interval *out,
                         enum medvl_statistic statistic,
                         const struct medvl_stats_sample *sample,
                         int64_t resamples, uint64_t seed,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
