/*
 * Predictions to metrics: see score.h.
 *
 * Each record is joined with the record that has its answer, measured
 * (score_item.h) and kept as a row of numbers; at the end the rows are
 * summed (score_sum.h).  The records themselves are not kept.
 *
 * Read next: score_item.h.
 */
#include "lib/stage/score.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/data/field.h"
#include "lib/data/intern.h"
#include "lib/stage/score_item.h"
#include "lib/stage/score_sum.h"

#define RESAMPLES    1000
#define REPORTED_MAX 20 /* ids named of each kind of trouble */
#define OFFERED_MAX  20 /* choices named when none is `positive` */

const char *const medvl_score_troubles[MEDVL_SCORE_TROUBLES] = {
    "missing", "extra", "double"};

struct medvl_score {
    const struct medvl_score_options *o;
    struct medvl_score_metrics metrics;
    struct medvl_fields by, group;
    struct medvl_want *had[MEDVL_FIELD_PATHS]; /* the fields of `by` */
    struct medvl_want *applied[MEDVL_SCORE_METRICS];
    struct medvl_score_item item; /* the record in work */
    struct medvl_record gold;     /* its reference */
    struct medvl_text text;

    const char *path;        /* of the first prediction */
    const char *base;        /* the file whose ids are looked for */
    bool paths;              /* they come from several files */
    struct medvl_intern ids; /* seen */
    struct medvl_score_rows rows;

    bool has_positive;           /* some record has that choice */
    struct medvl_intern offered; /* choices seen while none has */

    struct medvl_intern reference_ids;
    struct medvl_text *references; /* lines */
    size_t reference_room;
    bool *answered;

    struct medvl_score_summary summary;
    struct medvl_writer *per_record;
};

void medvl_score_free(struct medvl_score *s)
{
    if (!s)
        return;
    medvl_score_metrics_release(&s->metrics);
    medvl_fields_release(&s->by);
    medvl_fields_release(&s->group);
    medvl_score_item_release(&s->item);
    medvl_record_release(&s->gold);
    medvl_text_release(&s->text);
    medvl_intern_release(&s->ids);
    medvl_score_rows_release(&s->rows);
    medvl_intern_release(&s->offered);
    for (int64_t i = 0; i < s->reference_ids.count; i++)
        medvl_text_release(&s->references[i]);
    medvl_intern_release(&s->reference_ids);
    medvl_free(s->references);
    medvl_free(s->answered);
    medvl_free(s->summary.results);
    medvl_writer_free(s->per_record);
    medvl_free(s);
}

/* ---- what people are told --------------------------------------------- */

/* Where the predictions are. */
static const char *predictions(const struct medvl_score *s)
{
    return s->paths || !s->path ? "the predictions" : s->path;
}

/* `record` is the prediction, NULL where there is none at hand. */
static void complain(struct medvl_score *s, enum medvl_score_trouble kind,
                     const struct medvl_record *record, struct medvl_span id)
{
    const int size = id.size > 200 ? 200 : (int)id.size;
    char text[1000];

    if (++s->summary.trouble[kind] > REPORTED_MAX || !s->o->warn)
        return;
    if (kind == MEDVL_SCORE_MISSING)
        snprintf(text, sizeof(text), "%s: %.*s: missing from %s",
                 s->base, size, id.data, predictions(s));
    else if (kind == MEDVL_SCORE_EXTRA && !record)
        snprintf(text, sizeof(text), "%s: %.*s: extra, %s lacks it",
                 predictions(s), size, id.data, s->base);
    else if (kind == MEDVL_SCORE_EXTRA)
        snprintf(text, sizeof(text),
                 "%s:%" PRId64 ": %.*s: extra, %s lacks it", record->path,
                 record->line, size, id.data, s->base);
    else
        snprintf(text, sizeof(text),
                 "%s:%" PRId64 ": %.*s: another record has this id",
                 record->path, record->line, size, id.data);
    s->o->warn(s->o->arg, text);
}

/* Of the kinds before `end`. */
static void complain_rest(const struct medvl_score *s,
                          enum medvl_score_trouble end)
{
    for (int k = 0; k < (int)end && s->o->warn; k++) {
        const int64_t count = s->summary.trouble[k];
        char text[64];

        if (count <= REPORTED_MAX)
            continue;
        snprintf(text, sizeof(text), "%s: %" PRId64 " more",
                 medvl_score_troubles[k], count - REPORTED_MAX);
        s->o->warn(s->o->arg, text);
    }
}

/* Until some record has the positive choice, keep what the others offer. */
static int note_choices(struct medvl_score *s, struct medvl_error *err)
{
    const struct medvl_score_item *item = &s->item;
    int64_t number;
    int rc = MEDVL_OK;

    s->has_positive |= item->positive >= 0;
    if (!s->metrics.wants_auc || s->has_positive || !item->has_choices)
        return MEDVL_OK;
    for (size_t i = 0; i < item->choices.count && rc == MEDVL_OK &&
                       s->offered.count <= OFFERED_MAX;
         i++)
        rc = medvl_intern_add(&number, &s->offered,
                              medvl_text_span(&item->choices.items[i].text),
                              err);
    return rc;
}

/* auc needs a record with the positive choice: which could it have been? */
static int check_positive(struct medvl_score *s, struct medvl_error *err)
{
    const char *where = s->o->reference ? s->o->reference : predictions(s);
    int rc = MEDVL_OK;

    if (!s->metrics.wants_auc || s->has_positive || !s->rows.count)
        return MEDVL_OK;
    if (!s->offered.count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: auc: no record has \"choices\"", where);
    medvl_text_clear(&s->text);
    for (int64_t i = 0; i < s->offered.count && rc == MEDVL_OK; i++) {
        const struct medvl_span text = medvl_intern_text(&s->offered, i);

        if (i == OFFERED_MAX)
            rc = medvl_text_puts(&s->text, ", ...", err);
        else
            rc = medvl_text_printf(&s->text, err, "%s\"%.*s\"",
                                   i ? ", " : "",
                                   text.size > 100 ? 100 : (int)text.size,
                                   text.data);
    }
    return rc < 0 ? rc
                  : medvl_fail(err, MEDVL_EARG,
                               "%s: --positive: no record has the choice "
                               "\"%s\"; there are %s",
                               where, s->o->positive, s->text.data);
}

/* ---- records ---------------------------------------------------------- */

/* The record with the answers; NULL when the reference lacks the id. */
static int find_gold(const struct medvl_record **out, struct medvl_score *s,
                     const struct medvl_record *record, struct medvl_span id,
                     struct medvl_error *err)
{
    int64_t number;
    int rc;

    *out = record;
    if (!s->o->reference)
        return MEDVL_OK;
    *out = NULL;
    number = medvl_intern_find(&s->reference_ids, id);
    if (number < 0)
        return MEDVL_OK;
    rc = medvl_record_parse(&s->gold,
                            medvl_text_span(&s->references[number]), err);
    *out = &s->gold;
    return rc;
}

static int open_wants(struct medvl_score *s, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int i = 0; i < s->by.count && rc == MEDVL_OK; i++)
        rc = medvl_wants_add(&s->had[i], s->o->wants, err,
                             "--by '%s' found the field",
                             s->by.items[i].name.data);
    for (int m = 0; m < s->metrics.count && rc == MEDVL_OK; m++)
        if (s->metrics.items[m].lacks)
            rc = medvl_wants_add(&s->applied[m], s->o->wants, err,
                                 "--metrics '%s' had something to measure",
                                 s->metrics.items[m].name.data);
    return rc;
}

static int count_wants(struct medvl_score *s,
                       const struct medvl_record *gold,
                       struct medvl_error *err)
{
    struct medvl_span value;

    for (int i = 0; i < s->by.count; i++) {
        const int rc = medvl_fields_get(&value, &s->by, i, gold, err);

        if (rc < 0)
            return rc;
        medvl_want_count(s->had[i], value.size > 0, NULL);
    }
    for (int m = 0; m < s->metrics.count; m++)
        medvl_want_count(s->applied[m], !isnan(s->item.values[m]),
                         s->metrics.items[m].lacks);
    return MEDVL_OK;
}

/* Turn s->item, whose answers are `gold`'s, into a row. */
static int add_row(struct medvl_score *s, const struct medvl_record *gold,
                   struct medvl_error *err)
{
    struct medvl_span group = {0};
    int rc = medvl_score_item_measure(&s->item, &s->metrics, err);

    medvl_text_clear(&s->text);
    if (rc == MEDVL_OK)
        rc = count_wants(s, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_write(&s->text, &s->by, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_get(&group, &s->group, 0, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_score_rows_add(&s->rows, &s->metrics, &s->item,
                                  medvl_text_span(&s->text), group, err);
    return rc < 0 ? rc : note_choices(s, err);
}

/* The last row's values as "scores" of the record, into the file. */
static int write_scores(struct medvl_score *s, struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &s->text};
    int rc;

    medvl_text_clear(&s->text);
    medvl_json_begin(&w, NULL, '{');
    for (int m = 0; m < s->metrics.count; m++) {
        const struct medvl_score_metric *metric = &s->metrics.items[m];

        if (!isnan(s->item.values[m]) &&
            metric->statistic != MEDVL_STATISTIC_AUC)
            medvl_json_put_number(&w, metric->name.data, s->item.values[m]);
    }
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "scores", medvl_text_span(&s->text),
                              err);
    medvl_text_clear(&s->text);
    if (rc == MEDVL_OK)
        rc = medvl_record_write(&s->text, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(s->per_record, s->text.data, s->text.size, err);
    return rc;
}

/* Score one prediction.  What fails is the record's fault. */
static int take(struct medvl_score *s, struct medvl_record *record,
                struct medvl_error *err)
{
    struct medvl_text id = {0};
    const struct medvl_record *gold = record;
    int64_t before = s->ids.count, number;
    int rc;

    if (!s->path)
        s->path = record->path;
    else if (strcmp(s->path, record->path) != 0)
        s->paths = true;
    rc = medvl_record_id(&id, record, err);
    if (rc == MEDVL_OK)
        rc = find_gold(&gold, s, record, medvl_text_span(&id), err);
    if (rc == MEDVL_OK && gold)
        rc = medvl_score_item_answer(&s->item, &s->metrics, gold, err);
    if (rc == MEDVL_OK && gold)
        rc = medvl_score_item_prediction(&s->item, &s->metrics, record, err);
    if (rc == MEDVL_OK && gold)
        rc = add_row(s, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&number, &s->ids, medvl_text_span(&id), err);
    if (rc == MEDVL_OK && gold == &s->gold)
        s->answered[medvl_intern_find(&s->reference_ids,
                                      medvl_text_span(&id))] = true;
    if (rc == MEDVL_OK && s->ids.count == before)
        complain(s, MEDVL_SCORE_DOUBLE, record, medvl_text_span(&id));
    if (rc == MEDVL_OK && !gold)
        complain(s, MEDVL_SCORE_EXTRA, record, medvl_text_span(&id));
    if (rc == MEDVL_OK && gold && s->per_record)
        rc = write_scores(s, record, err);
    medvl_text_release(&id);
    return rc;
}

/* Reference records without a prediction are wrong ones. */
static int take_missing(struct medvl_score *s, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < s->reference_ids.count && rc == MEDVL_OK; i++) {
        const struct medvl_span id = medvl_intern_text(&s->reference_ids, i);

        if (s->answered[i])
            continue;
        rc = medvl_record_parse(&s->gold, medvl_text_span(&s->references[i]),
                                err);
        if (rc == MEDVL_OK)
            rc = medvl_score_item_answer(&s->item, &s->metrics, &s->gold,
                                         err);
        medvl_score_item_missing(&s->item);
        if (rc == MEDVL_OK)
            rc = add_row(s, &s->gold, err);
        if (rc == MEDVL_OK && s->per_record)
            rc = write_scores(s, &s->gold, err);
        if (rc < 0)
            return medvl_context(err, "%s: %.*s", s->o->reference,
                                 id.size > 200 ? 200 : (int)id.size, id.data);
        complain(s, MEDVL_SCORE_MISSING, NULL, id);
    }
    return rc;
}

static int keep_reference(void *arg, struct medvl_record *record,
                          struct medvl_error *err)
{
    struct medvl_score *s = arg;
    const int64_t before = s->reference_ids.count;
    struct medvl_text id = {0};
    int64_t number;
    int rc = medvl_record_id(&id, record, err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->references, &s->reference_room,
                        (size_t)before + 1, sizeof(*s->references), err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&number, &s->reference_ids,
                              medvl_text_span(&id), err);
    medvl_text_release(&id);
    if (rc == MEDVL_OK && s->reference_ids.count == before)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"id\": an earlier record has it too");
    if (rc < 0)
        return rc;
    memset(&s->references[before], 0, sizeof(*s->references));
    return medvl_json_view_write(&s->references[before], &record->view, err);
}

static int open_files(struct medvl_score *s, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (s->o->reference) {
        rc = medvl_loop_each(s->o->reference, 0, keep_reference, s, err);
        if (rc == MEDVL_OK && !s->reference_ids.count)
            rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no records",
                            s->o->reference);
        if (rc < 0)
            return rc;
        s->answered = medvl_alloc((size_t)s->reference_ids.count,
                                  sizeof(*s->answered));
        if (!s->answered)
            return medvl_no_memory(err);
    }
    if (s->o->per_record)
        rc = medvl_writer_open(&s->per_record, s->o->per_record, ".tmp",
                               false, err);
    return rc;
}

static int score_new(struct medvl_score **out,
                     const struct medvl_score_options *options,
                     struct medvl_error *err)
{
    struct medvl_score *s = medvl_alloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->o = options;
    s->base = options->reference;
    rc = medvl_score_metrics_parse(&s->metrics, options, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_parse(&s->by, options->by, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_parse(&s->group,
                                options->group ? options->group : "group",
                                err);
    if (rc == MEDVL_OK)
        rc = open_wants(s, err);
    if (rc == MEDVL_OK)
        rc = open_files(s, err);
    if (rc < 0) {
        medvl_score_free(s);
        return rc;
    }
    *out = s;
    return MEDVL_OK;
}

/* Everything after the last record. */
static int conclude(struct medvl_score *s, struct medvl_error *err)
{
    const int64_t resamples = s->o->resamples ? s->o->resamples : RESAMPLES;
    int rc = take_missing(s, err);

    if (rc == MEDVL_OK)
        rc = check_positive(s, err);
    if (rc == MEDVL_OK)
        rc = medvl_score_rows_sum(&s->summary, &s->rows, &s->metrics,
                                  s->by.count > 0,
                                  resamples < 0 ? 0 : resamples,
                                  (uint64_t)s->o->seed, err);
    if (rc == MEDVL_OK)
        complain_rest(s, MEDVL_SCORE_TROUBLES);
    return rc;
}

static int publish(void *arg, struct medvl_error *err)
{
    struct medvl_score *s = arg;
    struct medvl_writer *writer = s->per_record;

    s->per_record = NULL;
    return writer ? medvl_writer_close(writer, err) : MEDVL_OK;
}

static int print_result(struct medvl_text *out, const struct medvl_score *s,
                        const struct medvl_score_result *r,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "metric", medvl_span(r->name));
    medvl_json_put_number(&w, "value", r->interval.value);
    medvl_json_put_number(&w, "low", r->interval.low);
    medvl_json_put_number(&w, "high", r->interval.high);
    medvl_json_put_int(&w, "n", r->n);
    medvl_json_put_raw(&w, "by", r->by);
    if (r->unparsed)
        medvl_json_put_int(&w, "unparsed", r->unparsed);
    for (int k = 0; k < MEDVL_SCORE_TROUBLES && r->all; k++)
        if (s->summary.trouble[k])
            medvl_json_put_int(&w, medvl_score_troubles[k],
                               s->summary.trouble[k]);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

/* ---- the sink --------------------------------------------------------- */

static int sink_open(void **out, const void *options, struct medvl_pool *pool,
                     struct medvl_error *err)
{
    struct medvl_score *s;
    int rc = score_new(&s, options, err);

    (void)pool;
    *out = s;
    return rc;
}

static int sink_record(void *arg, struct medvl_record *record,
                       struct medvl_out *out, struct medvl_error *err)
{
    int rc = take(arg, record, err);

    if (rc == MEDVL_EFORMAT || rc == MEDVL_EARG)
        return medvl_out_reject(out, record, err);
    return rc;
}

static int sink_finish(void *arg, struct medvl_out *out,
                       struct medvl_error *err)
{
    struct medvl_score *s = arg;
    int rc = conclude(s, err);

    for (size_t i = 0; i < s->summary.count && rc == MEDVL_OK; i++) {
        medvl_text_clear(&s->text);
        rc = print_result(&s->text, s, &s->summary.results[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_out_line(out, medvl_text_span(&s->text), err);
    }
    return rc;
}

static void sink_free(void *arg)
{
    medvl_score_free(arg);
}

const struct medvl_sink medvl_score_sink = {
    .open = sink_open,
    .record = sink_record,
    .finish = sink_finish,
    .publish = publish,
    .free = sink_free,
    .refuse_empty = true,
};

/* ---- one file --------------------------------------------------------- */

static int each_record(void *arg, struct medvl_record *record,
                       struct medvl_error *err)
{
    return take(arg, record, err);
}

int medvl_score_file(struct medvl_score **out, const char *file,
                     const struct medvl_score_options *options,
                     struct medvl_error *err)
{
    struct medvl_score *s;
    int rc = score_new(&s, options, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    rc = medvl_loop_each(file, 0, each_record, s, err);
    if (rc == MEDVL_OK && !s->ids.count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no records", file);
    if (rc == MEDVL_OK)
        rc = conclude(s, err);
    if (rc == MEDVL_OK)
        rc = publish(s, err);
    if (rc < 0) {
        medvl_score_free(s);
        return rc;
    }
    *out = s;
    return MEDVL_OK;
}

const struct medvl_score_summary *
medvl_score_summary(const struct medvl_score *score)
{
    return &score->summary;
}

void medvl_score_compare(struct medvl_score *score,
                         const struct medvl_score *first)
{
    score->base = predictions(first);
    for (int64_t i = 0; i < first->ids.count; i++) {
        const struct medvl_span id = medvl_intern_text(&first->ids, i);

        if (medvl_intern_find(&score->ids, id) < 0)
            complain(score, MEDVL_SCORE_MISSING, NULL, id);
    }
    for (int64_t i = 0; i < score->ids.count; i++) {
        const struct medvl_span id = medvl_intern_text(&score->ids, i);

        if (medvl_intern_find(&first->ids, id) < 0)
            complain(score, MEDVL_SCORE_EXTRA, NULL, id);
    }
    complain_rest(score, MEDVL_SCORE_DOUBLE);
}
