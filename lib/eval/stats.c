/*
 * Bootstrap by weights: a resample is how often each group was drawn, and
 * every statistic is taken with those weights.  So a mean costs a pass over
 * the groups, and AUC one over the items in an order sorted once.
 *
 * Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
 * chapters 8 and 13.
 *
 * Read next: ../stage/score.c.
 */
#include "lib/eval/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"

/* An item in order of value, for AUC. */
struct ranked {
    double value;
    int64_t group;
    bool positive;
};

struct work {
    enum medvl_statistic statistic;
    const struct medvl_stats_sample *sample;
    double *sums;          /* of values by group: mean */
    double *counts;        /* of items by group: mean */
    double *by_label;      /* twice `labels`: balanced */
    struct ranked *ranked; /* AUC */
    double *weights;       /* of groups */
    double *results;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

static void work_release(struct work *w)
{
    medvl_free(w->sums);
    medvl_free(w->counts);
    medvl_free(w->by_label);
    medvl_free(w->ranked);
    medvl_free(w->weights);
    medvl_free(w->results);
}

static int prepare(struct work *w, int64_t resamples, struct medvl_error *err)
{
    const struct medvl_stats_sample *s = w->sample;
    const size_t groups = (size_t)s->groups, count = (size_t)s->count;

    w->weights = medvl_alloc(groups, sizeof(double));
    w->results = medvl_alloc((size_t)resamples, sizeof(double));
    w->sums = medvl_alloc(groups, sizeof(double));
    w->counts = medvl_alloc(groups, sizeof(double));
    w->by_label = medvl_alloc((size_t)s->labels, 2 * sizeof(double));
    if (!w->weights || !w->results || !w->sums || !w->counts || !w->by_label)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        w->sums[s->group[i]] += s->value[i];
        w->counts[s->group[i]] += 1;
    }
    if (w->statistic != MEDVL_STATISTIC_AUC)
        return MEDVL_OK;
    w->ranked = medvl_alloc(count, sizeof(*w->ranked));
    if (!w->ranked)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count; i++)
        w->ranked[i] = (struct ranked){s->value[i], s->group[i],
                                       s->label[i] == 1};
    qsort(w->ranked, count, sizeof(*w->ranked), by_value);
    return MEDVL_OK;
}

static double mean(const struct work *w)
{
    double sum = 0, count = 0;

    for (int64_t g = 0; g < w->sample->groups; g++) {
        sum += w->weights[g] * w->sums[g];
        count += w->weights[g] * w->counts[g];
    }
    return count > 0 ? sum / count : NAN;
}

static double balanced(struct work *w)
{
    const struct medvl_stats_sample *s = w->sample;
    double *sums = w->by_label, *counts = w->by_label + s->labels;
    double sum = 0, present = 0;

    memset(sums, 0, (size_t)s->labels * 2 * sizeof(*sums));
    for (int64_t i = 0; i < s->count; i++) {
        const double weight = w->weights[s->group[i]];

        sums[s->label[i]] += weight * s->value[i];
        counts[s->label[i]] += weight;
    }
    for (int32_t k = 0; k < s->labels; k++)
        if (counts[k] > 0) {
            sum += sums[k] / counts[k];
            present++;
        }
    return present > 0 ? sum / present : NAN;
}

static double auc(const struct work *w)
{
    const int64_t count = w->sample->count;
    double below = 0, positives = 0, pairs = 0;
    int64_t i = 0;

    while (i < count) {
        const double value = w->ranked[i].value;
        double tied[2] = {0, 0};

        for (; i < count && w->ranked[i].value == value; i++)
            tied[w->ranked[i].positive] += w->weights[w->ranked[i].group];
        pairs += tied[1] * (below + tied[0] / 2);
        below += tied[0];
        positives += tied[1];
    }
    return below > 0 && positives > 0 ? pairs / (below * positives) : NAN;
}

static double evaluate(struct work *w)
{
    switch (w->statistic) {
    case MEDVL_STATISTIC_MEAN: return mean(w);
    case MEDVL_STATISTIC_BALANCED: return balanced(w);
    case MEDVL_STATISTIC_AUC: return auc(w);
    }
    return NAN;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double point(const double *sorted, int64_t count, double share)
{
    const double at = share * (double)(count - 1);
    const int64_t low = (int64_t)at;
    const double part = at - (double)low;

    if (low + 1 >= count)
        return sorted[count - 1];
    return sorted[low] + part * (sorted[low + 1] - sorted[low]);
}

static void resample(struct work *w, int64_t number, uint64_t seed)
{
    const int64_t groups = w->sample->groups;
    struct medvl_rng rng;

    memset(w->weights, 0, (size_t)groups * sizeof(*w->weights));
    medvl_rng_init(&rng, seed, MEDVL_PURPOSE_BOOTSTRAP, (uint64_t)number);
    for (int64_t g = 0; g < groups; g++)
        w->weights[medvl_rng_below(&rng, (uint64_t)groups)] += 1;
}

int medvl_stats_interval(struct medvl_interval *out,
                         enum medvl_statistic statistic,
                         const struct medvl_stats_sample *sample,
                         int64_t resamples, uint64_t seed,
                         struct medvl_error *err)
{
    struct work w = {.statistic = statistic, .sample = sample};
    int64_t defined = 0;
    int rc;

    *out = (struct medvl_interval){NAN, NAN, NAN};
    if (!sample->count)
        return MEDVL_OK;
    rc = prepare(&w, resamples, err);
    if (rc < 0)
        goto done;
    for (int64_t g = 0; g < sample->groups; g++)
        w.weights[g] = 1;
    out->value = evaluate(&w);
    for (int64_t i = 0; i < resamples && sample->groups > 1; i++) {
        resample(&w, i, seed);
        w.results[defined] = evaluate(&w);
        if (!isnan(w.results[defined]))
            defined++;
    }
    if (defined > 0 && defined * 2 >= resamples) {
        qsort(w.results, (size_t)defined, sizeof(*w.results), by_size);
        out->low = point(w.results, defined, 0.025);
        out->high = point(w.results, defined, 0.975);
    }
done:
    work_release(&w);
    return rc;
}
