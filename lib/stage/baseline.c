/*
 * Image-free predictions: answers are counted and boxes gathered by cell,
 * cell 0 being all records; then each cell has one prediction.
 *
 * Read next: check.c.
 */
#include "lib/stage/baseline.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/field.h"
#include "lib/data/intern.h"
#include "lib/eval/grounding.h"

struct tally {
    int64_t cell, answer, count;
};

struct located {
    int64_t cell;
    struct medvl_box box;
};

struct baseline {
    const struct medvl_baseline_options *o;
    bool boxes; /* median-box */
    struct medvl_fields by;
    struct medvl_intern cells, answers;
    struct medvl_intern pairs; /* "cell answer" to a tally */
    struct tally *tallies;
    size_t tally_room;
    struct located *located;
    size_t located_count, located_room;
    bool whole;                     /* all coordinates are whole numbers */
    struct medvl_text *predictions; /* one a cell */
    struct medvl_text text;
    atomic_llong unseen; /* records whose cell is not there */
};

struct worker {
    struct baseline *baseline;
    struct medvl_fields by;
    struct medvl_text text;
};

static void baseline_free(void *arg)
{
    struct baseline *b = arg;
    const long long unseen = b ? atomic_load(&b->unseen) : 0;

    if (!b)
        return;
    if (unseen && b->o->warn) {
        char text[500];

        snprintf(text, sizeof(text),
                 "%lld records are in a cell that %.300s lacks: they got "
                 "what is commonest in all of it",
                 unseen, b->o->from);
        b->o->warn(b->o->arg, text);
    }
    for (int64_t i = 0; b->predictions && i < b->cells.count; i++)
        medvl_text_release(&b->predictions[i]);
    medvl_free(b->predictions);
    medvl_fields_release(&b->by);
    medvl_intern_release(&b->cells);
    medvl_intern_release(&b->answers);
    medvl_intern_release(&b->pairs);
    medvl_free(b->tallies);
    medvl_free(b->located);
    medvl_text_release(&b->text);
    medvl_free(b);
}

/* ---- learning --------------------------------------------------------- */

static int count_answer(struct baseline *b, int64_t cell, int64_t answer,
                        struct medvl_error *err)
{
    const int64_t before = b->pairs.count;
    int64_t pair;
    int rc;

    medvl_text_clear(&b->text);
    rc = medvl_text_printf(&b->text, err, "%" PRId64 " %" PRId64, cell,
                           answer);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&pair, &b->pairs, medvl_text_span(&b->text),
                              err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&b->tallies, &b->tally_room, (size_t)before + 1,
                        sizeof(*b->tallies), err);
    if (rc < 0)
        return rc;
    if (b->pairs.count > before)
        b->tallies[pair] = (struct tally){cell, answer, 0};
    b->tallies[pair].count++;
    return MEDVL_OK;
}

static int keep_box(struct baseline *b, int64_t cell,
                    const struct medvl_box *box, struct medvl_error *err)
{
    int rc = medvl_grow(&b->located, &b->located_room, b->located_count + 1,
                        sizeof(*b->located), err);

    if (rc == MEDVL_OK)
        b->located[b->located_count++] = (struct located){cell, *box};
    return rc;
}

static int learn_text(struct baseline *b, int64_t cell, const char *text,
                      struct medvl_error *err)
{
    struct medvl_box box;
    int64_t answer;
    int rc;

    rc = medvl_intern_add(&answer, &b->answers, medvl_span(text), err);
    if (rc == MEDVL_OK)
        rc = count_answer(b, 0, answer, err);
    if (rc == MEDVL_OK && cell)
        rc = count_answer(b, cell, answer, err);
    if (rc < 0 || !b->boxes || !medvl_box_parse(&box, medvl_span(text)))
        return rc;
    b->whole = b->whole && box.x0 == floor(box.x0) &&
               box.y0 == floor(box.y0) && box.x1 == floor(box.x1) &&
               box.y1 == floor(box.y1);
    rc = keep_box(b, 0, &box, err);
    if (rc == MEDVL_OK && cell)
        rc = keep_box(b, cell, &box, err);
    return rc;
}

static int find_cell(int64_t *cell, struct medvl_text *text,
                     struct medvl_intern *cells, bool add,
                     struct medvl_fields *by,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    *cell = 0;
    medvl_text_clear(text);
    if (by->count)
        rc = medvl_fields_write(text, by, record, err);
    if (rc < 0 || !by->count)
        return rc;
    if (add)
        return medvl_intern_add(cell, cells, medvl_text_span(text), err);
    *cell = medvl_intern_find(cells, medvl_text_span(text));
    return MEDVL_OK;
}

static int learn(void *arg, struct medvl_record *record,
                 struct medvl_error *err)
{
    struct baseline *b = arg;
    struct medvl_json *answer = NULL;
    const struct medvl_json *first;
    int64_t cell;
    int rc = find_cell(&cell, &b->text, &b->cells, true, &b->by, record, err);

    if (rc == MEDVL_OK)
        rc = medvl_record_read(&answer, record, "answer", err);
    first = answer;
    if (medvl_json_type(answer) == MEDVL_JSON_ARRAY)
        first = medvl_json_first(answer);
    if (rc == MEDVL_OK && !answer)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"answer\": missing (--from names records that "
                        "have one)");
    if (rc == MEDVL_OK && !medvl_json_string(first))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"answer\": want a string or strings");
    if (rc == MEDVL_OK)
        rc = learn_text(b, cell, medvl_json_string(first), err);
    medvl_json_free(answer);
    return rc;
}

/* ---- what a cell says ------------------------------------------------- */

static bool comes_first(const struct baseline *b, int64_t a, int64_t c)
{
    const struct medvl_span x = medvl_intern_text(&b->answers, a);
    const struct medvl_span y = medvl_intern_text(&b->answers, c);
    const size_t size = x.size < y.size ? x.size : y.size;
    const int order = memcmp(x.data, y.data, size);

    return order ? order < 0 : x.size < y.size;
}

/* The commonest answer of every cell, into best[cell]. */
static void find_commonest(struct tally *best, const struct baseline *b)
{
    for (int64_t i = 0; i < b->pairs.count; i++) {
        const struct tally *t = &b->tallies[i];
        struct tally *mine = &best[t->cell];

        if (t->count > mine->count ||
            (t->count == mine->count &&
             comes_first(b, t->answer, mine->answer)))
            *mine = *t;
    }
}

static int by_cell(const void *a, const void *b)
{
    const struct located *x = a, *y = b;

    return (x->cell > y->cell) - (x->cell < y->cell);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count, bool whole)
{
    double middle;

    qsort(values, count, sizeof(*values), by_value);
    middle = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return whole ? floor(middle + 0.5) : middle;
}

static int print_box(struct medvl_text *out, const struct located *boxes,
                     size_t count, bool whole, double *scratch,
                     struct medvl_error *err)
{
    int rc = medvl_text_putc(out, '[', err);

    for (int k = 0; k < 4 && rc == MEDVL_OK; k++) {
        char number[32];

        for (size_t i = 0; i < count; i++) {
            const struct medvl_box *box = &boxes[i].box;
            const double sides[4] = {box->x0, box->y0, box->x1, box->y1};

            scratch[i] = sides[k];
        }
        medvl_format_double(number, median(scratch, count, whole));
        rc = medvl_text_printf(out, err, "%s%s", k ? "," : "", number);
    }
    return rc < 0 ? rc : medvl_text_putc(out, ']', err);
}

static int say_boxes(struct baseline *b, struct medvl_error *err)
{
    double *scratch = medvl_alloc(b->located_count, sizeof(*scratch));
    size_t i = 0;
    int rc = scratch ? MEDVL_OK : medvl_no_memory(err);

    if (b->located_count)
        qsort(b->located, b->located_count, sizeof(*b->located), by_cell);
    while (i < b->located_count && rc == MEDVL_OK) {
        const int64_t cell = b->located[i].cell;
        size_t end = i;

        while (end < b->located_count && b->located[end].cell == cell)
            end++;
        rc = print_box(&b->predictions[cell], &b->located[i], end - i,
                       b->whole, scratch, err);
        i = end;
    }
    medvl_free(scratch);
    return rc;
}

static int say_all(struct baseline *b, struct medvl_error *err)
{
    const size_t cells = (size_t)b->cells.count;
    struct tally *best = medvl_alloc(cells, sizeof(*best));
    int rc = MEDVL_OK;

    b->predictions = medvl_alloc(cells, sizeof(*b->predictions));
    if (!best || !b->predictions)
        rc = medvl_no_memory(err);
    if (rc == MEDVL_OK && b->boxes)
        rc = say_boxes(b, err);
    if (rc == MEDVL_OK)
        find_commonest(best, b);
    for (size_t c = 0; c < cells && rc == MEDVL_OK; c++) {
        const struct medvl_span text = medvl_intern_text(&b->answers,
                                                         best[c].answer);

        if (!b->predictions[c].size)
            rc = medvl_text_append(&b->predictions[c], text.data, text.size,
                                   err);
    }
    medvl_free(best);
    return rc;
}

/* ---- the map ---------------------------------------------------------- */

static int baseline_open(void **out, const void *options,
                         struct medvl_error *err)
{
    const struct medvl_baseline_options *o = options;
    struct baseline *b = medvl_alloc(1, sizeof(*b));
    int64_t all;
    int rc = MEDVL_OK;

    *out = NULL;
    if (!b)
        return medvl_no_memory(err);
    b->o = o;
    b->whole = true;
    b->boxes = strcmp(o->predict, "median-box") == 0;
    if (!b->boxes && strcmp(o->predict, "commonest") != 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "no baseline \"%s\": commonest, median-box",
                        o->predict);
    if (rc == MEDVL_OK)
        rc = medvl_fields_parse(&b->by, o->by, err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&all, &b->cells, medvl_span(""), err);
    if (rc == MEDVL_OK)
        rc = medvl_loop_each(o->from, 0, learn, b, err);
    if (rc == MEDVL_OK && !b->answers.count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no records", o->from);
    if (rc == MEDVL_OK)
        rc = say_all(b, err);
    if (rc < 0) {
        baseline_free(b);
        return rc;
    }
    *out = b;
    return MEDVL_OK;
}

static void worker_free(void *arg)
{
    struct worker *w = arg;

    if (!w)
        return;
    medvl_fields_release(&w->by);
    medvl_text_release(&w->text);
    medvl_free(w);
}

static int worker_open(void **out, void *stage, struct medvl_error *err)
{
    struct baseline *b = stage;
    struct worker *w = medvl_alloc(1, sizeof(*w));

    *out = w;
    if (!w)
        return medvl_no_memory(err);
    w->baseline = b;
    return medvl_fields_parse(&w->by, b->o->by, err);
}

static int predict(void *worker, struct medvl_record *record,
                   struct medvl_out *out, struct medvl_error *err)
{
    struct worker *w = worker;
    struct baseline *b = w->baseline;
    int64_t cell;
    int rc = find_cell(&cell, &w->text, &b->cells, false, &w->by, record,
                       err);

    if (rc < 0)
        return rc;
    if (cell < 0) {
        atomic_fetch_add(&b->unseen, 1);
        cell = 0;
    }
    rc = medvl_record_set_text(record, "prediction",
                               medvl_text_span(&b->predictions[cell]), err);
    return rc < 0 ? rc : medvl_out_write(out, record, err);
}

const struct medvl_map medvl_baseline_map = {
    .open = baseline_open,
    .worker = worker_open,
    .record = predict,
    .worker_free = worker_free,
    .free = baseline_free,
};
