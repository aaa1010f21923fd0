/*
 * One record measured: what is asked, what a record and its prediction say,
 * and the value of each metric.  What the metrics are is said in score.h.
 *
 * Read next: score_item.c, then score_sum.h.
 */
#ifndef MEDVL_STAGE_SCORE_ITEM_H
#define MEDVL_STAGE_SCORE_ITEM_H

#include "lib/eval/answer.h"
#include "lib/eval/grounding.h"
#include "lib/eval/stats.h"
#include "lib/eval/textmetric.h"
#include "lib/stage/score.h"

#define MEDVL_SCORE_METRICS 32 /* at most */

/* ---- what is asked --------------------------------------------------- */

struct medvl_score_metric {
    struct medvl_text name;
    enum medvl_statistic statistic; /* taken over the records' values */
    int kind;                       /* score_item.c's own */
    const char *lacks;              /* of a record it does not apply to */
    double threshold;               /* of iou@T */
};

/* Valid when zeroed. */
struct medvl_score_metrics {
    struct medvl_score_metric items[MEDVL_SCORE_METRICS];
    int count;
    bool wants_text; /* some metric needs "prediction" */
    bool wants_auc, wants_boxes;
    enum medvl_answer_norm norm;
    double box_scale;
    bool has_positive;
    struct medvl_text positive; /* normalised */
};

/* From metrics, normalize, positive and box_scale; MEDVL_EARG names what
 * is wrong with them. */
int medvl_score_metrics_parse(struct medvl_score_metrics *metrics,
                              const struct medvl_score_options *options,
                              struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_score_metrics_release(struct medvl_score_metrics *metrics);

/* ---- what a record says ---------------------------------------------- */

/* Valid when zeroed; read into again and again. */
struct medvl_score_item {
    /* The answer's side. */
    struct medvl_text *answers; /* accepted ones, normalised */
    size_t count, made, capacity;
    bool closed, open; /* answer_type */
    struct medvl_choices choices;
    bool has_choices;        /* and then: */
    int64_t right;           /* the choice that is the answer */
    int64_t positive;        /* the one that is `positive`, or -1 */
    struct medvl_box *boxes; /* of the answers that have one */
    size_t box_count, box_capacity;

    /* The prediction. */
    struct medvl_text raw, normal;
    bool missing;   /* there is none */
    int64_t chosen; /* or -1 */
    bool has_box;
    struct medvl_box box;
    double logprob;               /* of the positive choice */
    struct medvl_overlap overlap; /* best over the answers, each number */

    /* What medvl_score_item_measure finds, one a metric. */
    double values[MEDVL_SCORE_METRICS]; /* NaN: does not apply */
    bool unparsed[MEDVL_SCORE_METRICS]; /* nothing was recognised */
};

/* Read the answer's side; MEDVL_EFORMAT names the field. */
int medvl_score_item_answer(struct medvl_score_item *item,
                            const struct medvl_score_metrics *metrics,
                            const struct medvl_record *record,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* After the answer: read the prediction, or say that there is none. */
int medvl_score_item_prediction(struct medvl_score_item *item,
                                const struct medvl_score_metrics *metrics,
                                const struct medvl_record *record,
                                struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_score_item_missing(struct medvl_score_item *item);

/* Then fill `values` and `unparsed`. */
int medvl_score_item_measure(struct medvl_score_item *item,
                             const struct medvl_score_metrics *metrics,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/* The right answer, normalised: what balanced_accuracy counts by. */
struct medvl_span
medvl_score_item_label(const struct medvl_score_item *item);

void medvl_score_item_release(struct medvl_score_item *item);

#endif
