/*
 * Metrics over predictions: see score.h.
 *
 * Each record becomes one value a metric (NaN where the metric does not
 * apply), a group, a cell of --by and a label; the records themselves are
 * not kept.  At the end each metric is taken over all and over each cell.
 *
 * Read next: baseline.c.
 */
#include "lib/stage/score.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/data/field.h"
#include "lib/data/intern.h"
#include "lib/eval/answer.h"
#include "lib/eval/grounding.h"
#include "lib/eval/stats.h"
#include "lib/eval/textmetric.h"

#define METRICS_MAX  32
#define RESAMPLES    1000
#define BOX_SCALE    99
#define REPORTED_MAX 20 /* ids named of each kind of trouble */

enum kind {
    EXACT,
    ACCURACY,
    BALANCED,
    CLOSED,
    OPEN,
    F1,
    LLAVA_RECALL,
    LLAVA_PRECISION,
    LLAVA_F1,
    LLAVA_MATCH,
    AUC,
    IOU,
    KINDS,
    IOU_AT,
};

static const char *const KIND_NAMES[KINDS] = {
    "exact", "accuracy", "balanced_accuracy", "closed", "open", "f1",
    "llava_recall", "llava_precision", "llava_f1", "llava_match", "auc",
    "iou"};

struct metric {
    enum kind kind;
    struct medvl_text name;
    double threshold; /* IOU_AT */
};

/* The answer side of a record and the prediction, read as far as needed. */
struct item {
    struct medvl_text *answers; /* accepted ones, normalised */
    size_t count, made, capacity;
    bool closed, open;       /* answer_type */
    bool has_choices;        /* and then: */
    int64_t right;           /* the choice that is the answer */
    int64_t positive;        /* the choice that is `positive`, or -1 */
    struct medvl_box *boxes; /* of the answers that have one */
    size_t box_count, box_capacity;

    struct medvl_text raw, normal; /* the prediction */
    bool missing;                  /* there is none */
    int64_t chosen;                /* or -1 */
    bool has_box;
    struct medvl_box box;
    double logprob; /* of the positive choice */

    struct medvl_overlap overlap; /* best over the answers, each number */
};

/* One (metric, cell) of the result. */
struct result {
    int metric;
    int64_t cell; /* -1: all */
    struct medvl_interval interval;
    int64_t n, unparsed;
};

enum trouble {
    MISSING,
    EXTRA,
    DOUBLE,
    TROUBLES,
};

static const char *const TROUBLE_NAMES[TROUBLES] = {"missing", "extra",
                                                    "double"};

struct score {
    const struct medvl_score_options *o;
    struct metric metrics[METRICS_MAX];
    int metric_count;
    bool wants_text; /* some metric needs "prediction" */
    bool wants_auc, wants_boxes;
    enum medvl_answer_norm norm;
    double box_scale;
    struct medvl_text positive; /* normalised */
    struct medvl_fields by, group;

    struct item item;
    struct medvl_choices choices;
    struct medvl_text text;
    struct medvl_record gold; /* the reference record in work */

    struct medvl_intern ids;    /* seen */
    struct medvl_intern cells;  /* JSON of `by` */
    struct medvl_intern groups; /* JSON of the field */
    struct medvl_intern labels; /* the right answer, normalised */
    int64_t lone;               /* groups of one record, numbered downwards */

    struct row {
        int64_t cell, group, label;
        bool positive;
    } * rows;
    double *values;          /* rows x metrics; NaN: does not apply */
    unsigned char *doubtful; /* rows x metrics: unparsed */
    int64_t count;
    size_t row_room, value_room, doubtful_room;

    struct medvl_intern reference_ids;
    struct medvl_text *references; /* lines */
    size_t reference_room;
    bool *answered;

    int64_t trouble[TROUBLES];
    struct result *results;
    size_t result_count, result_room;
    struct medvl_writer *per_record;
};

static void score_free(void *arg)
{
    struct score *s = arg;

    if (!s)
        return;
    for (int i = 0; i < s->metric_count; i++)
        medvl_text_release(&s->metrics[i].name);
    medvl_text_release(&s->positive);
    medvl_fields_release(&s->by);
    medvl_fields_release(&s->group);
    for (size_t i = 0; i < s->item.made; i++)
        medvl_text_release(&s->item.answers[i]);
    medvl_free(s->item.answers);
    medvl_free(s->item.boxes);
    medvl_text_release(&s->item.raw);
    medvl_text_release(&s->item.normal);
    medvl_choices_release(&s->choices);
    medvl_text_release(&s->text);
    medvl_record_release(&s->gold);
    medvl_intern_release(&s->ids);
    medvl_intern_release(&s->cells);
    medvl_intern_release(&s->groups);
    medvl_intern_release(&s->labels);
    medvl_free(s->rows);
    medvl_free(s->values);
    medvl_free(s->doubtful);
    for (int64_t i = 0; i < s->reference_ids.count; i++)
        medvl_text_release(&s->references[i]);
    medvl_intern_release(&s->reference_ids);
    medvl_free(s->references);
    medvl_free(s->answered);
    medvl_free(s->results);
    medvl_writer_free(s->per_record);
    medvl_free(s);
}

/* ---- options ---------------------------------------------------------- */

static int unknown_metric(struct medvl_span name, struct medvl_error *err)
{
    struct medvl_text list = {0};
    int rc = MEDVL_OK;

    for (int k = 0; k < KINDS && rc == MEDVL_OK; k++)
        rc = medvl_text_printf(&list, err, "%s, ", KIND_NAMES[k]);
    if (rc == MEDVL_OK)
        rc = medvl_fail(err, MEDVL_EARG,
                        "no metric \"%.*s\"; there are %siou@T",
                        name.size > 100 ? 100 : (int)name.size, name.data,
                        list.data);
    medvl_text_release(&list);
    return rc;
}

static int parse_metric(struct metric *metric, struct medvl_span name,
                        struct medvl_error *err)
{
    int rc = medvl_text_append(&metric->name, name.data, name.size, err);

    if (rc < 0)
        return rc;
    for (int k = 0; k < KINDS; k++)
        if (medvl_span_is(name, KIND_NAMES[k])) {
            metric->kind = (enum kind)k;
            return MEDVL_OK;
        }
    if (name.size > 4 && memcmp(name.data, "iou@", 4) == 0) {
        metric->kind = IOU_AT;
        rc = medvl_parse_real(&metric->threshold,
                              (struct medvl_span){name.data + 4,
                                                  name.size - 4},
                              0, 1, err);
        return rc < 0 ? medvl_context(err, "metric iou@T") : rc;
    }
    return unknown_metric(name, err);
}

static int parse_metrics(struct score *s, const char *list,
                         struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (list && rc == MEDVL_OK) {
        const char *comma = strchr(list, ',');
        const size_t size = comma ? (size_t)(comma - list) : strlen(list);
        enum kind kind;

        if (s->metric_count == METRICS_MAX)
            return medvl_fail(err, MEDVL_EARG, "more than %d metrics",
                              METRICS_MAX);
        rc = parse_metric(&s->metrics[s->metric_count++],
                          (struct medvl_span){list, size}, err);
        kind = s->metrics[s->metric_count - 1].kind;
        s->wants_auc |= kind == AUC;
        s->wants_text |= kind != AUC;
        s->wants_boxes |= kind == IOU || kind == IOU_AT;
        list = comma ? comma + 1 : NULL;
    }
    return rc;
}

static int parse_options(struct score *s, struct medvl_error *err)
{
    const struct medvl_score_options *o = s->o;
    int rc = parse_metrics(s, o->metrics ? o->metrics : "exact,f1", err);

    if (rc == MEDVL_OK && o->normalize)
        rc = medvl_answer_norm_parse(&s->norm, o->normalize, err);
    if (rc == MEDVL_OK && s->wants_auc && !o->positive)
        rc = medvl_fail(err, MEDVL_EARG,
                        "auc: which choice is positive? (--positive TEXT)");
    if (rc == MEDVL_OK && o->positive)
        rc = medvl_answer_normalize(&s->positive, medvl_span(o->positive),
                                    s->norm, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_parse(&s->by, o->by, err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_parse(&s->group, o->group ? o->group : "group",
                                err);
    s->box_scale = o->box_scale > 0 ? o->box_scale : BOX_SCALE;
    return rc;
}

/* ---- the answer ------------------------------------------------------- */

static int add_answer(struct score *s, const char *text,
                      struct medvl_error *err)
{
    struct item *it = &s->item;
    struct medvl_box box;
    int rc;

    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"answer\": want a string or strings");
    if (it->count == it->made) {
        rc = medvl_grow(&it->answers, &it->capacity, it->made + 1,
                        sizeof(*it->answers), err);
        if (rc < 0)
            return rc;
        memset(&it->answers[it->made++], 0, sizeof(*it->answers));
    }
    medvl_text_clear(&it->answers[it->count]);
    rc = medvl_answer_normalize(&it->answers[it->count++], medvl_span(text),
                                s->norm, err);
    if (rc < 0 || !s->wants_boxes ||
        !medvl_box_parse(&box, medvl_span(text)))
        return rc;
    if (!medvl_box_within(&box, s->box_scale))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"answer\": the box is not within 0..%g "
                          "(--box-scale)",
                          s->box_scale);
    rc = medvl_grow(&it->boxes, &it->box_capacity, it->box_count + 1,
                    sizeof(box), err);
    if (rc == MEDVL_OK)
        it->boxes[it->box_count++] = box;
    return rc;
}

static int read_answers(struct score *s, const struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_json *json = NULL;
    const struct medvl_json *one;
    int rc = medvl_record_read(&json, record, "answer", err);

    s->item.count = s->item.box_count = 0;
    if (rc < 0)
        return rc;
    if (medvl_json_type(json) == MEDVL_JSON_ARRAY) {
        if (!medvl_json_first(json))
            rc = medvl_fail(err, MEDVL_EFORMAT, "\"answer\": empty");
        one = medvl_json_first(json);
        for (; one && rc == MEDVL_OK; one = medvl_json_next(one))
            rc = add_answer(s, medvl_json_string(one), err);
    } else
        rc = add_answer(s, medvl_json_string(json), err);
    medvl_json_free(json);
    return rc;
}

/* Which choice the first answer is: a letter or a text, nothing vaguer. */
static int find_right(struct score *s, const struct medvl_json *answer,
                      struct medvl_error *err)
{
    const struct medvl_span normal = medvl_text_span(&s->item.answers[0]);
    const char *text;

    if (medvl_json_type(answer) == MEDVL_JSON_ARRAY)
        answer = medvl_json_first(answer);
    text = medvl_json_string(answer);
    for (size_t i = 0; text && i < s->choices.count; i++)
        if (strcasecmp(s->choices.items[i].letter.data, text) == 0) {
            s->item.right = (int64_t)i;
            return MEDVL_OK;
        }
    for (size_t i = 0; text && i < s->choices.count; i++)
        if (medvl_span_equal(medvl_text_span(&s->choices.items[i].normal),
                             normal)) {
            s->item.right = (int64_t)i;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"answer\": \"%s\" is none of the choices",
                      text ? text : "");
}

static int read_choices(struct score *s, const struct medvl_record *record,
                        struct medvl_error *err)
{
    struct item *it = &s->item;
    struct medvl_json *choices = NULL, *answer = NULL;
    int rc = medvl_record_read(&choices, record, "choices", err);

    it->has_choices = false;
    it->positive = -1;
    if (rc == MEDVL_OK && choices &&
        medvl_json_type(choices) != MEDVL_JSON_NULL) {
        it->has_choices = true;
        rc = medvl_choices_read(&s->choices, choices, s->norm, err);
        if (rc == MEDVL_OK)
            rc = medvl_record_read(&answer, record, "answer", err);
        if (rc == MEDVL_OK)
            rc = find_right(s, answer, err);
        for (size_t i = 0; rc == MEDVL_OK && i < s->choices.count; i++)
            if (s->o->positive &&
                medvl_span_equal(medvl_text_span(&s->choices.items[i].normal),
                                 medvl_text_span(&s->positive)))
                it->positive = (int64_t)i;
    }
    medvl_json_free(choices);
    medvl_json_free(answer);
    return rc;
}

static bool same_word(const char *text, const char *lower)
{
    for (; *lower && (*text | 32) == *lower; lower++)
        text++;
    return !*lower && (!*text || *text == ' ');
}

static int read_gold(struct score *s, const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct medvl_json *type = NULL;
    const char *text;
    int rc = read_answers(s, record, err);

    if (rc == MEDVL_OK)
        rc = read_choices(s, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_read(&type, record, "answer_type", err);
    text = medvl_json_string(type);
    s->item.closed = text && same_word(text, "closed");
    s->item.open = text && same_word(text, "open");
    medvl_json_free(type);
    return rc;
}

/* ---- the prediction --------------------------------------------------- */

static int read_logprob(struct score *s, const struct medvl_record *record,
                        struct medvl_error *err)
{
    const struct medvl_choice *choice = &s->choices.items[s->item.positive];
    struct medvl_json *json = NULL;
    int rc = medvl_record_read(&json, record, "choice_logprobs", err);

    if (rc == MEDVL_OK && !json)
        rc = medvl_fail(err, MEDVL_EFORMAT, "missing, auc needs it");
    if (rc == MEDVL_OK)
        rc = medvl_json_get_number(&s->item.logprob, json,
                                   choice->letter.data, -DBL_MAX, DBL_MAX,
                                   err);
    medvl_json_free(json);
    return rc < 0 ? medvl_context(err, "\"choice_logprobs\"") : rc;
}

static int read_prediction(struct score *s, const struct medvl_record *record,
                           struct medvl_error *err)
{
    struct item *it = &s->item;
    int rc = MEDVL_OK;

    it->missing = false;
    it->chosen = -1;
    it->has_box = false;
    medvl_text_clear(&it->raw);
    medvl_text_clear(&it->normal);
    if (s->wants_text) {
        if (!medvl_record_get(record, "prediction").size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"prediction\": missing (medvl-generate adds "
                              "it)");
        rc = medvl_record_read_text(&it->raw, record, "prediction", err);
        if (rc == MEDVL_OK)
            rc = medvl_answer_normalize(&it->normal,
                                        medvl_text_span(&it->raw), s->norm,
                                        err);
        if (rc == MEDVL_OK && it->has_choices)
            rc = medvl_choices_find(&it->chosen, &s->choices,
                                    medvl_text_span(&it->raw), err);
        it->has_box = medvl_box_parse(&it->box, medvl_text_span(&it->raw)) &&
                      medvl_box_within(&it->box, s->box_scale);
    }
    if (rc == MEDVL_OK && s->wants_auc && it->positive >= 0)
        rc = read_logprob(s, record, err);
    return rc;
}

/* ---- the values of one record ------------------------------------------ */

static bool is_exact(const struct item *it)
{
    for (size_t i = 0; i < it->count; i++)
        if (medvl_span_equal(medvl_text_span(&it->answers[i]),
                             medvl_text_span(&it->normal)))
            return true;
    return false;
}

/* Is the first word of the prediction a whole answer? */
static bool first_word_is_exact(const struct item *it)
{
    struct medvl_span word = medvl_text_span(&it->normal);
    const char *space = word.size ? memchr(word.data, ' ', word.size) : NULL;

    if (space)
        word.size = (size_t)(space - word.data);
    while (word.size && strchr(",.;:!?", word.data[word.size - 1]))
        word.size--;
    for (size_t i = 0; i < it->count; i++)
        if (word.size &&
            medvl_span_equal(medvl_text_span(&it->answers[i]), word))
            return true;
    return false;
}

static bool is_right(const struct item *it)
{
    return it->has_choices ? it->chosen == it->right : is_exact(it);
}

static double best_iou(const struct item *it)
{
    double best = 0;

    for (size_t i = 0; it->has_box && i < it->box_count; i++)
        best = fmax(best, medvl_box_iou(&it->boxes[i], &it->box));
    return best;
}

static int find_overlap(struct item *it, struct medvl_error *err)
{
    struct medvl_overlap *best = &it->overlap;

    memset(best, 0, sizeof(*best));
    for (size_t i = 0; i < it->count && !it->missing; i++) {
        struct medvl_overlap o;
        int rc = medvl_overlap(&o, medvl_text_span(&it->normal),
                               medvl_text_span(&it->answers[i]), err);

        if (rc < 0)
            return rc;
        best->f1 = fmax(best->f1, o.f1);
        best->llava_recall = fmax(best->llava_recall, o.llava_recall);
        best->llava_precision = fmax(best->llava_precision,
                                     o.llava_precision);
        best->llava_f1 = fmax(best->llava_f1, o.llava_f1);
        best->llava_match = fmax(best->llava_match, o.llava_match);
    }
    return MEDVL_OK;
}

/* The metric's value of a record with a prediction; NaN: does not apply. */
static double value_of(const struct metric *metric, const struct item *it)
{
    switch (metric->kind) {
    case EXACT: return is_exact(it);
    case ACCURACY:
    case BALANCED: return is_right(it);
    case CLOSED:
        if (!it->closed)
            return NAN;
        return is_right(it) || (!it->has_choices && first_word_is_exact(it));
    case OPEN: return it->open ? is_right(it) : NAN;
    case F1: return it->overlap.f1;
    case LLAVA_RECALL: return it->overlap.llava_recall;
    case LLAVA_PRECISION: return it->overlap.llava_precision;
    case LLAVA_F1: return it->overlap.llava_f1;
    case LLAVA_MATCH: return it->overlap.llava_match;
    case AUC: return it->positive >= 0 ? it->logprob : NAN;
    case IOU: return it->box_count ? best_iou(it) : NAN;
    case IOU_AT:
        if (!it->box_count)
            return NAN;
        return it->has_box && best_iou(it) >= metric->threshold;
    case KINDS: break;
    }
    return NAN;
}

/* The worst there is, for a record without a prediction. */
static double worst_of(const struct metric *metric, const struct item *it)
{
    if (metric->kind == AUC && it->positive >= 0)
        return it->right == it->positive ? -DBL_MAX : DBL_MAX;
    return isnan(value_of(metric, it)) ? NAN : 0;
}

/* Was nothing recognised where the metric needs a choice or a box? */
static bool is_unparsed(const struct metric *metric, const struct item *it)
{
    if (it->missing)
        return false;
    switch (metric->kind) {
    case ACCURACY:
    case BALANCED:
    case CLOSED:
    case OPEN: return it->has_choices && it->chosen < 0;
    case IOU:
    case IOU_AT: return !it->has_box;
    default: return false;
    }
}

static int find_place(struct row *row, struct score *s,
                      const struct medvl_record *gold,
                      struct medvl_error *err)
{
    struct medvl_span group, label;
    int rc;

    medvl_text_clear(&s->text);
    rc = medvl_fields_write(&s->text, &s->by, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&row->cell, &s->cells,
                              medvl_text_span(&s->text), err);
    if (rc == MEDVL_OK)
        rc = medvl_fields_get(&group, &s->group, 0, gold, err);
    if (rc < 0)
        return rc;
    row->group = --s->lone;
    if (group.size && !medvl_span_is(group, "null")) {
        s->lone++;
        rc = medvl_intern_add(&row->group, &s->groups, group, err);
    }
    label = medvl_text_span(&s->item.answers[0]);
    if (s->item.has_choices)
        label = medvl_text_span(&s->choices.items[s->item.right].normal);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&row->label, &s->labels, label, err);
    row->positive = s->item.positive >= 0 &&
                    s->item.right == s->item.positive;
    return rc;
}

/* Turn s->item into a row. */
static int add_row(struct score *s, const struct medvl_record *gold,
                   struct medvl_error *err)
{
    const size_t metrics = (size_t)s->metric_count;
    const size_t at = (size_t)s->count * metrics;
    int rc;

    rc = medvl_grow(&s->rows, &s->row_room, (size_t)s->count + 1,
                    sizeof(*s->rows), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->values, &s->value_room, at + metrics,
                        sizeof(*s->values), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->doubtful, &s->doubtful_room, at + metrics, 1,
                        err);
    if (rc == MEDVL_OK)
        rc = find_overlap(&s->item, err);
    if (rc == MEDVL_OK)
        rc = find_place(&s->rows[s->count], s, gold, err);
    if (rc < 0)
        return rc;
    for (size_t m = 0; m < metrics; m++) {
        const struct metric *metric = &s->metrics[m];
        const double value = s->item.missing ? worst_of(metric, &s->item)
                                             : value_of(metric, &s->item);

        s->values[at + m] = value;
        s->doubtful[at + m] = !isnan(value) && is_unparsed(metric, &s->item);
    }
    s->count++;
    return MEDVL_OK;
}

/* The last row's values as "scores" of the record, into the file. */
static int write_scores(struct score *s, struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &s->text};
    const double *values = &s->values[(s->count - 1) * s->metric_count];
    int rc;

    medvl_text_clear(&s->text);
    medvl_json_begin(&w, NULL, '{');
    for (int m = 0; m < s->metric_count; m++)
        if (!isnan(values[m]) && s->metrics[m].kind != AUC)
            medvl_json_put_number(&w, s->metrics[m].name.data, values[m]);
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

/* ---- records ---------------------------------------------------------- */

static void complain(struct score *s, enum trouble kind, struct medvl_span id)
{
    static const char *const what[TROUBLES] = {
        "missing", "extra, the reference lacks it",
        "another record has this id"};
    char text[300];

    if (++s->trouble[kind] > REPORTED_MAX || !s->o->warn)
        return;
    snprintf(text, sizeof(text), "%.*s: %s",
             id.size > 200 ? 200 : (int)id.size, id.data, what[kind]);
    s->o->warn(s->o->arg, text);
}

static void complain_rest(const struct score *s)
{
    for (int k = 0; k < TROUBLES && s->o->warn; k++) {
        char text[64];

        if (s->trouble[k] <= REPORTED_MAX)
            continue;
        snprintf(text, sizeof(text), "%s: %" PRId64 " more",
                 TROUBLE_NAMES[k], s->trouble[k] - REPORTED_MAX);
        s->o->warn(s->o->arg, text);
    }
}

/* The record with the answers; NULL when the reference lacks the id. */
static int find_gold(const struct medvl_record **out, struct score *s,
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

/* Score one prediction.  What fails is the record's fault. */
static int take(struct score *s, struct medvl_record *record,
                struct medvl_error *err)
{
    struct medvl_text id = {0};
    const struct medvl_record *gold = record;
    int64_t before = s->ids.count, number;
    int rc;

    rc = medvl_record_id(&id, record, err);
    if (rc == MEDVL_OK)
        rc = find_gold(&gold, s, record, medvl_text_span(&id), err);
    if (rc == MEDVL_OK && gold)
        rc = read_gold(s, gold, err);
    if (rc == MEDVL_OK && gold)
        rc = read_prediction(s, record, err);
    if (rc == MEDVL_OK && gold)
        rc = add_row(s, gold, err);
    if (rc == MEDVL_OK)
        rc = medvl_intern_add(&number, &s->ids, medvl_text_span(&id), err);
    if (rc == MEDVL_OK && gold == &s->gold)
        s->answered[medvl_intern_find(&s->reference_ids,
                                      medvl_text_span(&id))] = true;
    if (rc == MEDVL_OK && s->ids.count == before)
        complain(s, DOUBLE, medvl_text_span(&id));
    if (rc == MEDVL_OK && !gold)
        complain(s, EXTRA, medvl_text_span(&id));
    if (rc == MEDVL_OK && gold && s->per_record)
        rc = write_scores(s, record, err);
    medvl_text_release(&id);
    return rc;
}

/* Reference records without a prediction are wrong ones. */
static int take_missing(struct score *s, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < s->reference_ids.count && rc == MEDVL_OK; i++) {
        const struct medvl_span id = medvl_intern_text(&s->reference_ids, i);

        if (s->answered[i])
            continue;
        rc = medvl_record_parse(&s->gold, medvl_text_span(&s->references[i]),
                                err);
        if (rc == MEDVL_OK)
            rc = read_gold(s, &s->gold, err);
        s->item.missing = true;
        s->item.chosen = -1;
        s->item.has_box = false;
        medvl_text_clear(&s->item.normal);
        if (rc == MEDVL_OK)
            rc = add_row(s, &s->gold, err);
        if (rc == MEDVL_OK && s->per_record)
            rc = write_scores(s, &s->gold, err);
        if (rc < 0)
            return medvl_context(err, "%s: %.*s", s->o->reference,
                                 id.size > 200 ? 200 : (int)id.size, id.data);
        complain(s, MISSING, id);
    }
    return rc;
}

static int keep_reference(void *arg, struct medvl_record *record,
                          struct medvl_error *err)
{
    struct score *s = arg;
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

static int open_files(struct score *s, struct medvl_error *err)
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

static int score_new(struct score **out,
                     const struct medvl_score_options *options,
                     struct medvl_error *err)
{
    struct score *s = medvl_alloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->o = options;
    rc = parse_options(s, err);
    if (rc == MEDVL_OK)
        rc = open_files(s, err);
    if (rc < 0) {
        score_free(s);
        return rc;
    }
    *out = s;
    return MEDVL_OK;
}

/* ---- results ---------------------------------------------------------- */

/* The rows of one metric and cell, groups and labels numbered from 0. */
struct slice {
    double *value;
    int32_t *label;
    int64_t *group;
    int64_t *seen_group, *seen_label; /* number plus 1 */
    int64_t group_room;
};

static int slice_open(struct slice *slice, const struct score *s,
                      struct medvl_error *err)
{
    slice->group_room = s->groups.count - s->lone;
    slice->value = medvl_alloc((size_t)s->count, sizeof(*slice->value));
    slice->label = medvl_alloc((size_t)s->count, sizeof(*slice->label));
    slice->group = medvl_alloc((size_t)s->count, sizeof(*slice->group));
    slice->seen_group = medvl_alloc((size_t)slice->group_room,
                                    sizeof(int64_t));
    slice->seen_label = medvl_alloc((size_t)s->labels.count, sizeof(int64_t));
    return slice->value && slice->label && slice->group &&
                   slice->seen_group && slice->seen_label
               ? MEDVL_OK
               : medvl_no_memory(err);
}

static void slice_release(struct slice *slice)
{
    medvl_free(slice->value);
    medvl_free(slice->label);
    medvl_free(slice->group);
    medvl_free(slice->seen_group);
    medvl_free(slice->seen_label);
}

static int64_t dense(int64_t *seen, int64_t key, int64_t *count)
{
    if (!seen[key])
        seen[key] = ++*count;
    return seen[key] - 1;
}

static void slice_fill(struct medvl_stats_sample *sample,
                       struct result *result, struct slice *slice,
                       const struct score *s)
{
    const enum kind kind = s->metrics[result->metric].kind;
    int64_t n = 0, groups = 0, labels = 0;

    memset(slice->seen_group, 0,
           (size_t)slice->group_room * sizeof(*slice->seen_group));
    memset(slice->seen_label, 0,
           (size_t)s->labels.count * sizeof(*slice->seen_label));
    for (int64_t i = 0; i < s->count; i++) {
        const struct row *row = &s->rows[i];
        const int64_t at = i * s->metric_count + result->metric;
        const int64_t group = row->group < 0
                                  ? s->groups.count - 1 - row->group
                                  : row->group;

        if ((result->cell >= 0 && row->cell != result->cell) ||
            isnan(s->values[at]))
            continue;
        slice->value[n] = s->values[at];
        slice->group[n] = dense(slice->seen_group, group, &groups);
        slice->label[n] = row->positive;
        if (kind == BALANCED)
            slice->label[n] = (int32_t)dense(slice->seen_label, row->label,
                                             &labels);
        result->unparsed += s->doubtful[at];
        n++;
    }
    result->n = n;
    *sample = (struct medvl_stats_sample){
        .value = slice->value,
        .label = slice->label,
        .group = slice->group,
        .count = n,
        .groups = groups,
        .labels = kind == BALANCED ? (int32_t)labels : 2,
    };
}

static int add_result(struct score *s, struct slice *slice, int metric,
                      int64_t cell, struct medvl_error *err)
{
    const enum kind kind = s->metrics[metric].kind;
    struct result result = {.metric = metric, .cell = cell};
    struct medvl_stats_sample sample;
    enum medvl_statistic statistic = MEDVL_STATISTIC_MEAN;
    int64_t resamples = s->o->resamples ? s->o->resamples : RESAMPLES;
    int rc;

    if (kind == BALANCED)
        statistic = MEDVL_STATISTIC_BALANCED;
    else if (kind == AUC)
        statistic = MEDVL_STATISTIC_AUC;
    slice_fill(&sample, &result, slice, s);
    if (cell >= 0 && !result.n)
        return MEDVL_OK;
    rc = medvl_stats_interval(&result.interval, statistic, &sample,
                              resamples < 0 ? 0 : resamples,
                              (uint64_t)s->o->seed, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->results, &s->result_room, s->result_count + 1,
                        sizeof(result), err);
    if (rc == MEDVL_OK)
        s->results[s->result_count++] = result;
    return rc;
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

static int compute(struct score *s, struct medvl_error *err)
{
    struct cell *cells = medvl_alloc((size_t)s->cells.count, sizeof(*cells));
    struct slice slice = {0};
    int rc = cells ? slice_open(&slice, s, err) : medvl_no_memory(err);

    for (int64_t c = 0; cells && c < s->cells.count; c++)
        cells[c] = (struct cell){medvl_intern_text(&s->cells, c), c};
    if (cells)
        qsort(cells, (size_t)s->cells.count, sizeof(*cells), by_name);
    for (int m = 0; m < s->metric_count && rc == MEDVL_OK; m++) {
        rc = add_result(s, &slice, m, -1, err);
        for (int64_t c = 0; c < s->cells.count && rc == MEDVL_OK; c++)
            if (s->by.count)
                rc = add_result(s, &slice, m, cells[c].number, err);
    }
    slice_release(&slice);
    medvl_free(cells);
    return rc;
}

/* Everything after the last record. */
static int conclude(struct score *s, struct medvl_error *err)
{
    int rc = take_missing(s, err);

    if (rc == MEDVL_OK)
        rc = compute(s, err);
    if (rc == MEDVL_OK && s->per_record) {
        struct medvl_writer *writer = s->per_record;

        s->per_record = NULL;
        rc = medvl_writer_close(writer, err);
    }
    if (rc == MEDVL_OK)
        complain_rest(s);
    return rc;
}

static struct medvl_span cell_name(const struct score *s, int64_t cell)
{
    return cell < 0 ? medvl_span("{}") : medvl_intern_text(&s->cells, cell);
}

static int print_result(struct medvl_text *out, const struct score *s,
                        const struct result *r, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "metric",
                          medvl_text_span(&s->metrics[r->metric].name));
    medvl_json_put_number(&w, "value", r->interval.value);
    medvl_json_put_number(&w, "low", r->interval.low);
    medvl_json_put_number(&w, "high", r->interval.high);
    medvl_json_put_int(&w, "n", r->n);
    medvl_json_put_raw(&w, "by", cell_name(s, r->cell));
    if (r->unparsed)
        medvl_json_put_int(&w, "unparsed", r->unparsed);
    for (int k = 0; k < TROUBLES && r->cell < 0; k++)
        if (s->trouble[k])
            medvl_json_put_int(&w, TROUBLE_NAMES[k], s->trouble[k]);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

/* ---- the sink --------------------------------------------------------- */

static int sink_open(void **out, const void *options, struct medvl_pool *pool,
                     struct medvl_error *err)
{
    struct score *s;
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
    struct score *s = arg;
    int rc = conclude(s, err);

    for (size_t i = 0; i < s->result_count && rc == MEDVL_OK; i++) {
        medvl_text_clear(&s->text);
        rc = print_result(&s->text, s, &s->results[i], err);
        if (rc == MEDVL_OK)
            rc = medvl_out_line(out, medvl_text_span(&s->text), err);
    }
    return rc;
}

const struct medvl_sink medvl_score_sink = {
    .open = sink_open,
    .record = sink_record,
    .finish = sink_finish,
    .free = score_free,
    .refuse_empty = true,
};

/* ---- the table -------------------------------------------------------- */

static int each_record(void *arg, struct medvl_record *record,
                       struct medvl_error *err)
{
    return take(arg, record, err);
}

static int score_file(struct score **out, const char *file,
                      const struct medvl_score_options *options,
                      struct medvl_error *err)
{
    int rc = score_new(out, options, err);

    if (rc == MEDVL_OK)
        rc = medvl_loop_each(file, 0, each_record, *out, err);
    if (rc == MEDVL_OK && !(*out)->ids.count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no records", file);
    if (rc == MEDVL_OK)
        rc = conclude(*out, err);
    return rc;
}

/* The result for a metric and the name of a cell; NULL: there is none. */
static const struct result *find_result(const struct score *s, int metric,
                                        struct medvl_span cell)
{
    for (size_t i = 0; i < s->result_count; i++)
        if (s->results[i].metric == metric &&
            medvl_span_equal(cell_name(s, s->results[i].cell), cell))
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

static int table_put_result(struct table *table, const struct result *r,
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
static int table_put_n(struct table *table, struct score *const *scores,
                       int count, int metric, struct medvl_span cell,
                       struct medvl_error *err)
{
    int64_t last = -1;
    struct medvl_text *text;
    int rc = table_add(&text, table, err);

    for (int i = 0; i < count && rc == MEDVL_OK; i++) {
        const struct result *r = find_result(scores[i], metric, cell);
        const int64_t n = r ? r->n : 0;

        if (n != last || i == 0)
            rc = medvl_text_printf(text, err, "%s%" PRId64, i ? "/" : "", n);
        last = n;
    }
    return rc;
}

static int table_put_row(struct table *table, struct score *const *scores,
                         int count, int metric, struct medvl_span cell,
                         struct medvl_error *err)
{
    const struct metric *m = &scores[0]->metrics[metric];
    int rc = table_put(table, medvl_text_span(&m->name), err);

    if (rc == MEDVL_OK)
        rc = table_put_cell(table, cell, err);
    if (rc == MEDVL_OK)
        rc = table_put_n(table, scores, count, metric, cell, err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = table_put_result(table, find_result(scores[i], metric, cell),
                              err);
    return rc;
}

/* A row for each result of file `at` that no file before it has. */
static int table_put_rows(struct table *table, struct score *const *scores,
                          int count, int metric, int at,
                          struct medvl_error *err)
{
    const struct score *s = scores[at];
    int rc = MEDVL_OK;

    for (size_t i = 0; i < s->result_count && rc == MEDVL_OK; i++) {
        const struct medvl_span cell = cell_name(s, s->results[i].cell);
        bool had = s->results[i].metric != metric;

        for (int k = 0; k < at && !had; k++)
            had = find_result(scores[k], metric, cell) != NULL;
        if (!had)
            rc = table_put_row(table, scores, count, metric, cell, err);
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
static int print_notes(struct medvl_text *out, const struct score *s,
                       const char *name, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int k = 0; k < TROUBLES && rc == MEDVL_OK; k++)
        if (s->trouble[k])
            rc = medvl_text_printf(out, err, "%s: %" PRId64 " %s\n", name,
                                   s->trouble[k], TROUBLE_NAMES[k]);
    for (size_t i = 0; i < s->result_count && rc == MEDVL_OK; i++)
        if (s->results[i].cell < 0 && s->results[i].unparsed)
            rc = medvl_text_printf(out, err, "%s: %s: %" PRId64 " unparsed\n",
                                   name,
                                   s->metrics[s->results[i].metric].name.data,
                                   s->results[i].unparsed);
    return rc;
}

static int make_table(struct medvl_text *out, struct score *const *scores,
                      const char *const *names, int count,
                      struct medvl_error *err)
{
    struct table table = {.columns = (size_t)count + 3};
    int rc = table_put(&table, medvl_span("metric"), err);

    if (rc == MEDVL_OK)
        rc = table_put(&table, medvl_span("records"), err);
    if (rc == MEDVL_OK)
        rc = table_put(&table, medvl_span("n"), err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = table_put(&table, medvl_span(names[i]), err);
    for (int m = 0; m < scores[0]->metric_count; m++)
        for (int i = 0; i < count && rc == MEDVL_OK; i++)
            rc = table_put_rows(&table, scores, count, m, i, err);
    if (rc == MEDVL_OK)
        rc = table_print(out, &table, err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = print_notes(out, scores[i], names[i], err);
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
    struct score **scores = medvl_alloc((size_t)count, sizeof(*scores));
    int rc = MEDVL_OK;

    if (!scores)
        return medvl_no_memory(err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = score_file(&scores[i], files[i], options, err);
    if (rc == MEDVL_OK && count)
        rc = make_table(out, scores, names, count, err);
    for (int i = 0; i < count; i++)
        score_free(scores[i]);
    medvl_free(scores);
    return rc;
}
