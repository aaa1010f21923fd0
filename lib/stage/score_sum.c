/*
 * Values summed by cell: see score_sum.h.
 *
 * Read next: score_table.c.
 */
#include "lib/stage/score_sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

void medvl_score_rows_release(struct medvl_score_rows *rows)
{
    medvl_free(rows->items);
    medvl_free(rows->values);
    medvl_free(rows->unparsed);
    medvl_intern_release(&rows->cells);
    medvl_intern_release(&rows->groups);
    medvl_intern_release(&rows->labels);
}

static int fill_row(struct medvl_score_row *row,
                    struct medvl_score_rows *rows,
                    const struct medvl_score_item *item,
                    struct medvl_span cell, struct medvl_span group,
                    struct medvl_error *err)
{
    int rc = medvl_intern_add(&row->cell, &rows->cells, cell, err);

    if (rc == MEDVL_OK && group.size && !medvl_span_is(group, "null"))
        rc = medvl_intern_add(&row->group, &rows->groups, group, err);
    else
        row->group = --rows->lone;
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&row->label, &rows->labels,
                              medvl_score_item_label(item), err);
    row->positive = item->positive >= 0 && item->right == item->positive;
    return rc;
}

int medvl_score_rows_add(struct medvl_score_rows *rows,
                         const struct medvl_score_metrics *metrics,
                         const struct medvl_score_item *item,
                         struct medvl_span cell, struct medvl_span group,
                         struct medvl_error *err)
{
    const size_t width = (size_t)metrics->count;
    const size_t at = (size_t)rows->count * width;
    int rc;

    rc = medvl_grow(&rows->items, &rows->room, (size_t)rows->count + 1,
                    sizeof(*rows->items), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&rows->values, &rows->value_room, at + width,
                        sizeof(*rows->values), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&rows->unparsed, &rows->unparsed_room, at + width,
                        sizeof(*rows->unparsed), err);
    if (rc == MEDVL_OK)
        rc = fill_row(&rows->items[rows->count], rows, item, cell, group,
                      err);
    if (rc < 0)
        return rc;
    memcpy(&rows->values[at], item->values, width * sizeof(*rows->values));
    memcpy(&rows->unparsed[at], item->unparsed,
           width * sizeof(*rows->unparsed));
    rows->count++;
    return MEDVL_OK;
}

/* ---- results ---------------------------------------------------------- */

/*
 * What summing takes, and room for the rows of one metric and cell, with
 * groups and labels numbered from 0.
 */
struct sum {
    const struct medvl_score_rows *rows;
    const struct medvl_score_metrics *metrics;
    int64_t resamples;
    uint64_t seed;

    double *value;
    int32_t *label;
    int64_t *group;
    int64_t *seen_group, *seen_label; /* number plus 1 */
    size_t group_room, label_room;
};

static int sum_open(struct sum *sum, const struct medvl_score_rows *rows,
                    struct medvl_error *err)
{
    const size_t count = (size_t)rows->count;

    sum->rows = rows;
    sum->group_room = (size_t)(rows->groups.count - rows->lone);
    sum->label_room = (size_t)rows->labels.count;
    sum->value = medvl_alloc(count, sizeof(*sum->value));
    sum->label = medvl_alloc(count, sizeof(*sum->label));
    sum->group = medvl_alloc(count, sizeof(*sum->group));
    sum->seen_group = medvl_alloc(sum->group_room, sizeof(int64_t));
    sum->seen_label = medvl_alloc(sum->label_room, sizeof(int64_t));
    return sum->value && sum->label && sum->group && sum->seen_group &&
                   sum->seen_label
               ? MEDVL_OK
               : medvl_no_memory(err);
}

static void sum_release(struct sum *sum)
{
    medvl_free(sum->value);
    medvl_free(sum->label);
    medvl_free(sum->group);
    medvl_free(sum->seen_group);
    medvl_free(sum->seen_label);
}

static int64_t dense(int64_t *seen, int64_t key, int64_t *count)
{
    if (!seen[key])
        seen[key] = ++*count;
    return seen[key] - 1;
}

/* Take the rows of the cell (-1: all) to which the metric applies. */
static void take_rows(struct medvl_stats_sample *sample, int64_t *unparsed,
                      struct sum *sum, int metric, int64_t cell)
{
    const struct medvl_score_rows *rows = sum->rows;
    const bool balanced = sum->metrics->items[metric].statistic ==
                          MEDVL_STATISTIC_BALANCED;
    int64_t n = 0, groups = 0, labels = 0;

    *unparsed = 0;
    memset(sum->seen_group, 0, sum->group_room * sizeof(*sum->seen_group));
    memset(sum->seen_label, 0, sum->label_room * sizeof(*sum->seen_label));
    for (int64_t i = 0; i < rows->count; i++) {
        const struct medvl_score_row *row = &rows->items[i];
        const int64_t at = i * sum->metrics->count + metric;
        const int64_t group = row->group < 0
                                  ? rows->groups.count - 1 - row->group
                                  : row->group;

        if ((cell >= 0 && row->cell != cell) || isnan(rows->values[at]))
            continue;
        sum->value[n] = rows->values[at];
        sum->group[n] = dense(sum->seen_group, group, &groups);
        sum->label[n] = row->positive;
        if (balanced)
            sum->label[n] = (int32_t)dense(sum->seen_label, row->label,
                                           &labels);
        *unparsed += rows->unparsed[at];
        n++;
    }
    *sample = (struct medvl_stats_sample){
        .value = sum->value,
        .label = sum->label,
        .group = sum->group,
        .count = n,
        .groups = groups,
        .labels = balanced ? (int32_t)labels : 2,
    };
}

/* A cell's number and name, to be sorted by name. */
struct cell {
    struct medvl_span name;
    int64_t number;
};

static int by_name(const void *a, const void *b)
{
    const struct medvl_span x = ((const struct cell *)a)->name;
    const struct medvl_span y = ((const struct cell *)b)->name;
    const size_t size = x.size < y.size ? x.size : y.size;
    const int order = memcmp(x.data, y.data, size);

    return order ? order : (x.size > y.size) - (x.size < y.size);
}

/* All rows first, then the cells by name. */
static int list_cells(struct cell **out, const struct medvl_score_rows *rows,
                      int64_t count, struct medvl_error *err)
{
    struct cell *cells = medvl_alloc((size_t)count + 1, sizeof(*cells));

    *out = cells;
    if (!cells)
        return medvl_no_memory(err);
    cells[0] = (struct cell){medvl_span("{}"), -1};
    for (int64_t c = 0; c < count; c++)
        cells[1 + c] = (struct cell){medvl_intern_text(&rows->cells, c), c};
    qsort(cells + 1, (size_t)count, sizeof(*cells), by_name);
    return MEDVL_OK;
}

static int add_result(struct medvl_score_summary *summary, struct sum *sum,
                      int metric, const struct cell *cell,
                      struct medvl_error *err)
{
    const struct medvl_score_metric *m = &sum->metrics->items[metric];
    struct medvl_score_result result = {
        .metric = metric,
        .name = m->name.data,
        .by = cell->name,
        .all = cell->number < 0,
    };
    struct medvl_stats_sample sample;
    int rc;

    take_rows(&sample, &result.unparsed, sum, metric, cell->number);
    result.n = sample.count;
    if (!result.all && !result.n)
        return MEDVL_OK;
    rc = medvl_stats_interval(&result.interval, m->statistic, &sample,
                              sum->resamples, sum->seed, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&summary->results, &summary->room,
                        summary->count + 1, sizeof(result), err);
    if (rc == MEDVL_OK)
        summary->results[summary->count++] = result;
    return rc;
}

int medvl_score_rows_sum(struct medvl_score_summary *summary,
                         const struct medvl_score_rows *rows,
                         const struct medvl_score_metrics *metrics, bool by,
                         int64_t resamples, uint64_t seed,
                         struct medvl_error *err)
{
    const int64_t count = by ? rows->cells.count : 0;
    struct sum sum = {
        .metrics = metrics, .resamples = resamples, .seed = seed};
    struct cell *cells = NULL;
    int rc = list_cells(&cells, rows, count, err);

    if (rc == MEDVL_OK)
        rc = sum_open(&sum, rows, err);
    for (int m = 0; m < metrics->count; m++)
        for (int64_t c = 0; c <= count && rc == MEDVL_OK; c++)
            rc = add_result(summary, &sum, m, &cells[c], err);
    sum_release(&sum);
    medvl_free(cells);
    return rc;
}
