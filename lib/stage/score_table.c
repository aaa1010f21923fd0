/*
 * Files scored alike, side by side, as a table for people: see score.h.
 *
 * Read next: baseline.h.
 */
#include "lib/stage/score.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/* The result for a metric and the name of a cell; NULL: there is none. */
static const struct medvl_score_result *
find_result(const struct medvl_score *score, int metric,
            struct medvl_span cell)
{
    const struct medvl_score_summary *s = medvl_score_summary(score);

    for (size_t i = 0; i < s->count; i++)
        if (s->results[i].metric == metric &&
            medvl_span_equal(s->results[i].by, cell))
            return &s->results[i];
    return NULL;
}

/* Cells of the table, row after row; the first row is the head. */
struct table {
    struct medvl_text *cells;
    size_t count, room;
    size_t columns;
};

static int table_add(struct medvl_text **cell, struct table *table,
                     struct medvl_error *err)
{
    int rc = medvl_grow(&table->cells, &table->room, table->count + 1,
                        sizeof(*table->cells), err);

    if (rc < 0)
        return rc;
    *cell = &table->cells[table->count++];
    memset(*cell, 0, sizeof(**cell));
    return MEDVL_OK;
}

static int table_put(struct table *table, struct medvl_span text,
                     struct medvl_error *err)
{
    struct medvl_text *cell;
    int rc = table_add(&cell, table, err);

    return rc < 0 ? rc : medvl_text_append(cell, text.data, text.size, err);
}

/* {"kind":"side","plane":1} as "kind=side plane=1". */
static int table_put_cell(struct table *table, struct medvl_span name,
                          struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    struct medvl_text *cell;
    int rc = table_add(&cell, table, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&view, name, err);
    if (rc == MEDVL_OK && !view.count)
        rc = medvl_text_puts(cell, "all", err);
    for (size_t i = 0; i < view.count && rc == MEDVL_OK; i++) {
        const struct medvl_json_member *m = &view.members[i];

        if (i)
            rc = medvl_text_putc(cell, ' ', err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(cell, m->name.data, m->name.size, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_putc(cell, '=', err);
        if (rc == MEDVL_OK && m->value.data[0] == '"')
            rc = medvl_json_unescape(cell, m->value, err);
        else if (rc == MEDVL_OK)
            rc = medvl_text_append(cell, m->value.data, m->value.size, err);
    }
    medvl_json_view_release(&view);
    return rc;
}

static int table_put_result(struct table *table,
                            const struct medvl_score_result *r,
                            struct medvl_error *err)
{
    struct medvl_text *cell;
    int rc = table_add(&cell, table, err);

    if (rc < 0 || !r || isnan(r->interval.value))
        return rc < 0 ? rc : medvl_text_puts(cell, "-", err);
    rc = medvl_text_printf(cell, err, "%.3f", r->interval.value);
    if (rc == MEDVL_OK && !isnan(r->interval.low))
        rc = medvl_text_printf(cell, err, " [%.3f, %.3f]", r->interval.low,
                               r->interval.high);
    return rc;
}

/* n, once if all files agree. */
static int table_put_n(struct table *table, struct medvl_score *const *scores,
                       int count, int metric, struct medvl_span cell,
                       struct medvl_error *err)
{
    int64_t last = -1;
    struct medvl_text *text;
    int rc = table_add(&text, table, err);

    for (int i = 0; i < count && rc == MEDVL_OK; i++) {
        const struct medvl_score_result *r =
            find_result(scores[i], metric, cell);
        const int64_t n = r ? r->n : 0;

        if (n != last || i == 0)
            rc = medvl_text_printf(text, err, "%s%" PRId64, i ? "/" : "", n);
        last = n;
    }
    return rc;
}

static int table_put_row(struct table *table, struct medvl_score *const *scores,
                         int count, const struct medvl_score_result *of,
                         struct medvl_error *err)
{
    const struct medvl_span cell = of->by;
    const int metric = of->metric;
    int rc = table_put(table, medvl_span(of->name), err);

    if (rc == MEDVL_OK)
        rc = table_put_cell(table, cell, err);
    if (rc == MEDVL_OK)
        rc = table_put_n(table, scores, count, metric, cell, err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = table_put_result(table, find_result(scores[i], metric, cell),
                              err);
    return rc;
}

/*
 * A row for each result of the metric in file `at` that no file before it
 * has.
 */
static int table_put_rows(struct table *table,
                          struct medvl_score *const *scores, int count,
                          int metric, int at, struct medvl_error *err)
{
    const struct medvl_score_summary *s = medvl_score_summary(scores[at]);
    int rc = MEDVL_OK;

    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++) {
        const struct medvl_score_result *r = &s->results[i];
        bool had = r->metric != metric;

        for (int k = 0; k < at && !had; k++)
            had = find_result(scores[k], metric, r->by) != NULL;
        if (!had)
            rc = table_put_row(table, scores, count, r, err);
    }
    return rc;
}

static size_t width_of(const struct medvl_text *text)
{
    size_t width = 0;

    for (size_t i = 0; i < text->size; i++)
        width += (text->data[i] & 0xC0) != 0x80;
    return width;
}

static int table_print(struct medvl_text *out, const struct table *table,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t i = 0; i < table->count && rc == MEDVL_OK; i++) {
        const struct medvl_text *cell = &table->cells[i];
        const bool last = (i + 1) % table->columns == 0;
        size_t width = 0;

        for (size_t k = i % table->columns; k < table->count;
             k += table->columns)
            if (width_of(&table->cells[k]) > width)
                width = width_of(&table->cells[k]);
        rc = medvl_text_append(out, cell->data, cell->size, err);
        if (rc == MEDVL_OK)
            rc = last ? medvl_text_putc(out, '\n', err)
                      : medvl_text_printf(out, err, "%*s",
                                          (int)(width + 2 - width_of(cell)),
                                          "");
    }
    return rc;
}

/* What must not be overlooked: "model: exact: 3 unparsed". */
static int print_notes(struct medvl_text *out,
                       const struct medvl_score_summary *s, const char *name,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int k = 0; k < MEDVL_SCORE_TROUBLES && rc == MEDVL_OK; k++)
        if (s->trouble[k])
            rc = medvl_text_printf(out, err, "%s: %" PRId64 " %s\n", name,
                                   s->trouble[k], medvl_score_troubles[k]);
    for (size_t i = 0; i < s->count && rc == MEDVL_OK; i++)
        if (s->results[i].all && s->results[i].unparsed)
            rc = medvl_text_printf(out, err, "%s: %s: %" PRId64 " unparsed\n",
                                   name, s->results[i].name,
                                   s->results[i].unparsed);
    return rc;
}

static int make_table(struct medvl_text *out, struct medvl_score *const *scores,
                      const char *const *names, int count,
                      struct medvl_error *err)
{
    const struct medvl_score_summary *first = medvl_score_summary(scores[0]);
    const int metrics = first->results[first->count - 1].metric + 1;
    struct table table = {.columns = (size_t)count + 3};
    int rc = table_put(&table, medvl_span("metric"), err);

    if (rc == MEDVL_OK)
        rc = table_put(&table, medvl_span("records"), err);
    if (rc == MEDVL_OK)
        rc = table_put(&table, medvl_span("n"), err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = table_put(&table, medvl_span(names[i]), err);
    for (int m = 0; m < metrics; m++)
        for (int i = 0; i < count && rc == MEDVL_OK; i++)
            rc = table_put_rows(&table, scores, count, m, i, err);
    if (rc == MEDVL_OK)
        rc = table_print(out, &table, err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = print_notes(out, medvl_score_summary(scores[i]), names[i], err);
    for (size_t i = 0; i < table.count; i++)
        medvl_text_release(&table.cells[i]);
    medvl_free(table.cells);
    return rc;
}

int medvl_score_table(struct medvl_text *out, const char *const *names,
                      const char *const *files, int count,
                      const struct medvl_score_options *options,
                      struct medvl_error *err)
{
    struct medvl_score **scores = medvl_alloc((size_t)count, sizeof(*scores));
    int rc = MEDVL_OK;

    if (!scores)
        return medvl_no_memory(err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_score_file(&scores[i], files[i], options, err);
    for (int i = 1; i < count && rc == MEDVL_OK && !options->reference; i++)
        medvl_score_compare(scores[i], scores[0]);
    if (rc == MEDVL_OK && count)
        rc = make_table(out, scores, names, count, err);
    for (int i = 0; i < count; i++)
        medvl_score_free(scores[i]);
    medvl_free(scores);
    return rc;
}
