/*
 * One record measured: see score_item.h.
 *
 * Read next: score_sum.h.
 */
#include "lib/stage/score_item.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"

#define BOX_SCALE 99

/* ---- what is asked ---------------------------------------------------- */

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

static int parse_metric(struct medvl_score_metric *metric,
                        struct medvl_span name, struct medvl_error *err)
{
    int rc = medvl_text_append(&metric->name, name.data, name.size, err);

    if (rc < 0)
        return rc;
    for (int k = 0; k < KINDS; k++)
        if (medvl_span_is(name, KIND_NAMES[k])) {
            metric->kind = k;
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

static enum medvl_statistic statistic_of(enum kind kind)
{
    switch (kind) {
    case BALANCED: return MEDVL_STATISTIC_BALANCED;
    case AUC: return MEDVL_STATISTIC_AUC;
    default: return MEDVL_STATISTIC_MEAN;
    }
}

/* Why a metric does not apply to a record; NULL: it always does. */
static const char *lack_of(enum kind kind)
{
    switch (kind) {
    case CLOSED: return "\"answer_type\" is not \"closed\"";
    case OPEN: return "\"answer_type\" is not \"open\"";
    case IOU:
    case IOU_AT: return "\"answer\" holds no box";
    default: return NULL;
    }
}

static int parse_list(struct medvl_score_metrics *m, const char *list,
                      struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (list && rc == MEDVL_OK) {
        const char *comma = strchr(list, ',');
        const size_t size = comma ? (size_t)(comma - list) : strlen(list);
        struct medvl_score_metric *metric = &m->items[m->count];

        if (m->count == MEDVL_SCORE_METRICS)
            return medvl_fail(err, MEDVL_EARG, "more than %d metrics",
                              MEDVL_SCORE_METRICS);
        m->count++;
        rc = parse_metric(metric, (struct medvl_span){list, size}, err);
        metric->statistic = statistic_of((enum kind)metric->kind);
        metric->lacks = lack_of((enum kind)metric->kind);
        m->wants_auc |= metric->kind == AUC;
        m->wants_text |= metric->kind != AUC;
        m->wants_boxes |= metric->kind == IOU || metric->kind == IOU_AT;
        list = comma ? comma + 1 : NULL;
    }
    return rc;
}

int medvl_score_metrics_parse(struct medvl_score_metrics *m,
                              const struct medvl_score_options *o,
                              struct medvl_error *err)
{
    int rc = parse_list(m, o->metrics ? o->metrics : "exact,f1", err);

    m->box_scale = o->box_scale > 0 ? o->box_scale : BOX_SCALE;
    m->has_positive = o->positive != NULL;
    if (rc == MEDVL_OK && o->normalize)
        rc = medvl_answer_norm_parse(&m->norm, o->normalize, err);
    if (rc == MEDVL_OK && m->wants_auc && !m->has_positive)
        rc = medvl_fail(err, MEDVL_EARG,
                        "auc: which choice is positive? (--positive TEXT)");
    if (rc == MEDVL_OK && m->has_positive)
        rc = medvl_answer_normalize(&m->positive, medvl_span(o->positive),
                                    m->norm, err);
    return rc;
}

void medvl_score_metrics_release(struct medvl_score_metrics *metrics)
{
    for (int i = 0; i < metrics->count; i++)
        medvl_text_release(&metrics->items[i].name);
    medvl_text_release(&metrics->positive);
}

/* ---- the answer ------------------------------------------------------- */

static int add_answer(struct medvl_score_item *it,
                      const struct medvl_score_metrics *m, const char *text,
                      struct medvl_error *err)
{
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
                                m->norm, err);
    if (rc < 0 || !m->wants_boxes ||
        !medvl_box_parse(&box, medvl_span(text)))
        return rc;
    if (!medvl_box_within(&box, m->box_scale))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"answer\": the box is not within 0..%g "
                          "(--box-scale)",
                          m->box_scale);
    rc = medvl_grow(&it->boxes, &it->box_capacity, it->box_count + 1,
                    sizeof(box), err);
    if (rc == MEDVL_OK)
        it->boxes[it->box_count++] = box;
    return rc;
}

static int read_answers(struct medvl_score_item *it,
                        const struct medvl_score_metrics *m,
                        const struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_json *json = NULL;
    const struct medvl_json *one;
    int rc = medvl_record_read(&json, record, "answer", err);

    it->count = it->box_count = 0;
    if (rc < 0)
        return rc;
    if (!json)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"answer\": missing (with --reference FILE it is "
                          "the one of the same id there)");
    if (medvl_json_type(json) == MEDVL_JSON_ARRAY) {
        if (!medvl_json_first(json))
            rc = medvl_fail(err, MEDVL_EFORMAT, "\"answer\": empty");
        one = medvl_json_first(json);
        for (; one && rc == MEDVL_OK; one = medvl_json_next(one))
            rc = add_answer(it, m, medvl_json_string(one), err);
    } else
        rc = add_answer(it, m, medvl_json_string(json), err);
    medvl_json_free(json);
    return rc;
}

/* Which choice the first answer is: a letter or a text, nothing vaguer. */
static int find_right(struct medvl_score_item *it,
                      const struct medvl_json *answer,
                      struct medvl_error *err)
{
    const struct medvl_span normal = medvl_text_span(&it->answers[0]);
    const char *text;

    if (medvl_json_type(answer) == MEDVL_JSON_ARRAY)
        answer = medvl_json_first(answer);
    text = medvl_json_string(answer);
    for (size_t i = 0; text && i < it->choices.count; i++)
        if (strcasecmp(it->choices.items[i].letter.data, text) == 0) {
            it->right = (int64_t)i;
            return MEDVL_OK;
        }
    for (size_t i = 0; text && i < it->choices.count; i++)
        if (medvl_span_equal(medvl_text_span(&it->choices.items[i].normal),
                             normal)) {
            it->right = (int64_t)i;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"answer\": \"%s\" is none of the choices",
                      text ? text : "");
}

static int read_choices(struct medvl_score_item *it,
                        const struct medvl_score_metrics *m,
                        const struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_json *choices = NULL, *answer = NULL;
    int rc = medvl_record_read(&choices, record, "choices", err);

    it->has_choices = false;
    it->positive = -1;
    if (rc == MEDVL_OK && choices &&
        medvl_json_type(choices) != MEDVL_JSON_NULL) {
        it->has_choices = true;
        rc = medvl_choices_read(&it->choices, choices, m->norm, err);
        if (rc == MEDVL_OK)
            rc = medvl_record_read(&answer, record, "answer", err);
        if (rc == MEDVL_OK)
            rc = find_right(it, answer, err);
        for (size_t i = 0; rc == MEDVL_OK && i < it->choices.count; i++)
            if (m->has_positive &&
                medvl_span_equal(medvl_text_span(&it->choices.items[i].normal),
                                 medvl_text_span(&m->positive)))
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

int medvl_score_item_answer(struct medvl_score_item *it,
                            const struct medvl_score_metrics *m,
                            const struct medvl_record *record,
                            struct medvl_error *err)
{
    struct medvl_json *type = NULL;
    const char *text;
    int rc = read_answers(it, m, record, err);

    if (rc == MEDVL_OK)
        rc = read_choices(it, m, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_read(&type, record, "answer_type", err);
    text = medvl_json_string(type);
    it->closed = text && same_word(text, "closed");
    it->open = text && same_word(text, "open");
    medvl_json_free(type);
    return rc;
}

/* ---- the prediction --------------------------------------------------- */

static int read_logprob(struct medvl_score_item *it,
                        const struct medvl_record *record,
                        struct medvl_error *err)
{
    const struct medvl_choice *choice = &it->choices.items[it->positive];
    struct medvl_json *json = NULL;
    int rc = medvl_record_read(&json, record, "choice_logprobs", err);

    if (rc == MEDVL_OK && !json)
        rc = medvl_fail(err, MEDVL_EFORMAT, "missing, auc needs it");
    if (rc == MEDVL_OK)
        rc = medvl_json_get_number(&it->logprob, json,
                                   choice->letter.data, -DBL_MAX, DBL_MAX,
                                   err);
    medvl_json_free(json);
    return rc < 0 ? medvl_context(err, "\"choice_logprobs\"") : rc;
}

int medvl_score_item_prediction(struct medvl_score_item *it,
                                const struct medvl_score_metrics *m,
                                const struct medvl_record *record,
                                struct medvl_error *err)
{
    int rc = MEDVL_OK;

    it->missing = false;
    it->chosen = -1;
    it->has_box = false;
    medvl_text_clear(&it->raw);
    medvl_text_clear(&it->normal);
    if (m->wants_text) {
        if (!medvl_record_get(record, "prediction").size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"prediction\": missing (medvl-generate adds "
                              "it)");
        rc = medvl_record_read_text(&it->raw, record, "prediction", err);
        if (rc == MEDVL_OK)
            rc = medvl_answer_normalize(&it->normal,
                                        medvl_text_span(&it->raw), m->norm,
                                        err);
        if (rc == MEDVL_OK && it->has_choices)
            rc = medvl_choices_find(&it->chosen, &it->choices,
                                    medvl_text_span(&it->raw), err);
        it->has_box = medvl_box_parse(&it->box, medvl_text_span(&it->raw)) &&
                      medvl_box_within(&it->box, m->box_scale);
    }
    if (rc == MEDVL_OK && m->wants_auc && it->positive >= 0)
        rc = read_logprob(it, record, err);
    return rc;
}

void medvl_score_item_missing(struct medvl_score_item *it)
{
    it->missing = true;
    it->chosen = -1;
    it->has_box = false;
    medvl_text_clear(&it->normal);
}

/* ---- the values ------------------------------------------------------- */

static bool is_exact(const struct medvl_score_item *it)
{
    for (size_t i = 0; i < it->count; i++)
        if (medvl_span_equal(medvl_text_span(&it->answers[i]),
                             medvl_text_span(&it->normal)))
            return true;
    return false;
}

/* Is the first word of the prediction a whole answer? */
static bool first_word_is_exact(const struct medvl_score_item *it)
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

static bool is_right(const struct medvl_score_item *it)
{
    return it->has_choices ? it->chosen == it->right : is_exact(it);
}

static double best_iou(const struct medvl_score_item *it)
{
    double best = 0;

    for (size_t i = 0; it->has_box && i < it->box_count; i++)
        best = fmax(best, medvl_box_iou(&it->boxes[i], &it->box));
    return best;
}

static int find_overlap(struct medvl_score_item *it, struct medvl_error *err)
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
static double value_of(const struct medvl_score_metric *metric,
                       const struct medvl_score_item *it)
{
    switch ((enum kind)metric->kind) {
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
static double worst_of(const struct medvl_score_metric *metric,
                       const struct medvl_score_item *it)
{
    if (metric->kind == AUC && it->positive >= 0)
        return it->right == it->positive ? -DBL_MAX : DBL_MAX;
    return isnan(value_of(metric, it)) ? NAN : 0;
}

/* Was nothing recognised where the metric needs a choice or a box? */
static bool is_unparsed(const struct medvl_score_metric *metric,
                        const struct medvl_score_item *it)
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

int medvl_score_item_measure(struct medvl_score_item *it,
                             const struct medvl_score_metrics *m,
                             struct medvl_error *err)
{
    int rc = find_overlap(it, err);

    if (rc < 0)
        return rc;
    for (int i = 0; i < m->count; i++) {
        const struct medvl_score_metric *metric = &m->items[i];

        it->values[i] = it->missing ? worst_of(metric, it)
                                    : value_of(metric, it);
        it->unparsed[i] = !isnan(it->values[i]) && is_unparsed(metric, it);
    }
    return MEDVL_OK;
}

struct medvl_span
medvl_score_item_label(const struct medvl_score_item *it)
{
    return medvl_text_span(it->has_choices
                               ? &it->choices.items[it->right].normal
                               : &it->answers[0]);
}

void medvl_score_item_release(struct medvl_score_item *it)
{
    for (size_t i = 0; i < it->made; i++)
        medvl_text_release(&it->answers[i]);
    medvl_free(it->answers);
    medvl_choices_release(&it->choices);
    medvl_free(it->boxes);
    medvl_text_release(&it->raw);
    medvl_text_release(&it->normal);
}
