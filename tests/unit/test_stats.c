/*
 * Statistics and intervals, against the slow way: pairs counted one by one,
 * resamples written out item by item.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/rng.h"
#include "lib/eval/stats.h"

#define N      60
#define GROUPS 17

static struct medvl_error err;
static double value[N];
static int32_t label[N];
static int64_t group[N];

static const struct medvl_stats_sample SAMPLE = {
    .value = value,
    .label = label,
    .group = group,
    .count = N,
    .groups = GROUPS,
    .labels = 2,
};

/* Values with ties, higher for label 1; groups of unlike size. */
static int fill(void **state)
{
    struct medvl_rng rng;

    (void)state;
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < N; i++) {
        label[i] = i % 3 == 0;
        value[i] = (double)medvl_rng_below(&rng, 10) + 2 * label[i];
        group[i] = i < GROUPS ? i : (int64_t)medvl_rng_below(&rng, 6);
    }
    return 0;
}

static struct medvl_interval interval(enum medvl_statistic statistic,
                                      const struct medvl_stats_sample *sample,
                                      int64_t resamples, uint64_t seed)
{
    struct medvl_interval out;

    if (medvl_stats_interval(&out, statistic, sample, resamples, seed, &err) <
        0)
        fail_msg("%s", err.text);
    return out;
}

/* ---- the slow way ------------------------------------------------------ */

static double slow(enum medvl_statistic statistic, const int *items,
                   int count)
{
    double sum[2] = {0}, n[2] = {0}, pairs = 0;

    for (int i = 0; i < count; i++) {
        sum[label[items[i]]] += value[items[i]];
        n[label[items[i]]]++;
    }
    if (statistic == MEDVL_STATISTIC_MEAN)
        return count ? (sum[0] + sum[1]) / count : NAN;
    if (statistic == MEDVL_STATISTIC_BALANCED) {
        if (n[0] > 0 && n[1] > 0)
            return (sum[0] / n[0] + sum[1] / n[1]) / 2;
        return n[0] > 0 ? sum[0] / n[0] : sum[1] / n[1];
    }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count; k++)
            if (label[items[i]] == 1 && label[items[k]] == 0)
                pairs += value[items[i]] > value[items[k]]    ? 1
                         : value[items[i]] == value[items[k]] ? 0.5
                                                              : 0;
    return n[0] > 0 && n[1] > 0 ? pairs / (n[0] * n[1]) : NAN;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double slow_point(enum medvl_statistic statistic, double share,
                         int resamples, uint64_t seed)
{
    static double results[500];
    static int items[N * GROUPS];
    int defined = 0;
    double at;

    for (int r = 0; r < resamples; r++) {
        struct medvl_rng rng;
        int count = 0;

        medvl_rng_init(&rng, seed, MEDVL_PURPOSE_BOOTSTRAP, (uint64_t)r);
        for (int g = 0; g < GROUPS; g++) {
            const int64_t drawn = (int64_t)medvl_rng_below(&rng, GROUPS);

            for (int i = 0; i < N; i++)
                if (group[i] == drawn)
                    items[count++] = i;
        }
        results[defined] = slow(statistic, items, count);
        defined += !isnan(results[defined]);
    }
    qsort(results, (size_t)defined, sizeof(*results), ascending);
    at = share * (defined - 1);
    return results[(int)at] +
           (at - (int)at) * (results[(int)at + 1] - results[(int)at]);
}

static void every_statistic_agrees_with_the_slow_way(void **state)
{
    int all[N];

    (void)state;
    for (int i = 0; i < N; i++)
        all[i] = i;
    for (int s = MEDVL_STATISTIC_MEAN; s <= MEDVL_STATISTIC_AUC; s++) {
        const enum medvl_statistic statistic = (enum medvl_statistic)s;
        const struct medvl_interval got = interval(statistic, &SAMPLE, 400,
                                                   5);

        assert_true(fabs(got.value - slow(statistic, all, N)) < 1e-12);
        assert_true(fabs(got.low - slow_point(statistic, 0.025, 400, 5)) <
                    1e-12);
        assert_true(fabs(got.high - slow_point(statistic, 0.975, 400, 5)) <
                    1e-12);
        assert_true(got.low < got.value && got.value < got.high);
    }
}

static void groups_that_agree_within_widen_the_interval(void **state)
{
    static double same[400];
    static int64_t alone[400], together[400];
    struct medvl_stats_sample s = {.value = same, .count = 400};
    struct medvl_interval narrow, wide;

    (void)state;
    for (int i = 0; i < 400; i++) {
        same[i] = i / 20 % 2;
        alone[i] = i;
        together[i] = i / 20;
    }
    s.group = alone;
    s.groups = 400;
    narrow = interval(MEDVL_STATISTIC_MEAN, &s, 1000, 1);
    /* The standard error of 400 fair coins is 0.025. */
    assert_true(fabs(narrow.high - narrow.low - 2 * 1.96 * 0.025) < 0.015);
    s.group = together;
    s.groups = 20;
    wide = interval(MEDVL_STATISTIC_MEAN, &s, 1000, 1);
    assert_true(wide.value == narrow.value);
    assert_true(fabs(wide.high - wide.low - 2 * 1.96 * 0.1118) < 0.06);
}

static void the_seed_alone_decides(void **state)
{
    const struct medvl_interval a = interval(MEDVL_STATISTIC_AUC, &SAMPLE,
                                             200, 1);
    const struct medvl_interval b = interval(MEDVL_STATISTIC_AUC, &SAMPLE,
                                             200, 1);
    const struct medvl_interval c = interval(MEDVL_STATISTIC_AUC, &SAMPLE,
                                             200, 2);

    (void)state;
    assert_true(a.low == b.low && a.high == b.high);
    assert_true(a.low != c.low || a.high != c.high);
}

static void what_is_undefined_is_not_a_number(void **state)
{
    struct medvl_stats_sample s = SAMPLE;
    struct medvl_interval got;

    (void)state;
    s.count = 0;
    got = interval(MEDVL_STATISTIC_MEAN, &s, 100, 1);
    assert_true(isnan(got.value) && isnan(got.low));
    got = interval(MEDVL_STATISTIC_MEAN, &SAMPLE, 0, 1);
    assert_true(!isnan(got.value) && isnan(got.low) && isnan(got.high));
    s = SAMPLE;
    s.count = s.groups = 1;
    got = interval(MEDVL_STATISTIC_MEAN, &s, 100, 1);
    assert_true(got.value == value[0] && isnan(got.low) && isnan(got.high));
    memset(label, 0, sizeof(label));
    got = interval(MEDVL_STATISTIC_AUC, &SAMPLE, 100, 1);
    assert_true(isnan(got.value) && isnan(got.low));
    /* One group holds the only positive: a third of the draws lack it. */
    label[10] = 1;
    got = interval(MEDVL_STATISTIC_AUC, &SAMPLE, 100, 1);
    assert_true(!isnan(got.value) && !isnan(got.low));
}

#define CASE(f) cmocka_unit_test_setup(f, fill)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_statistic_agrees_with_the_slow_way),
        CASE(groups_that_agree_within_widen_the_interval),
        CASE(the_seed_alone_decides),
        CASE(what_is_undefined_is_not_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
