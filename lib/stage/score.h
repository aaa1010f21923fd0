/*
 * Predictions to metrics with intervals: the work of medvl-score(1).
 *
 * Read next: score.c, score_table.c, then baseline.h.
 */
#ifndef MEDVL_STAGE_SCORE_H
#define MEDVL_STAGE_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/eval/stats.h"
#include "lib/stage/loop.h"
#include "lib/stage/want.h"

/*
 * The metrics, each the mean of a value 0..1 a record unless said
 * otherwise, over the records that it applies to (that is its `n`):
 *
 *   exact              the prediction is an accepted answer, both
 *                      normalised
 *   accuracy           with "choices": prediction and answer mean the same
 *                      choice (eval/answer.h), letter or text; else exact
 *   balanced_accuracy  mean over the answers (choices) of their accuracy
 *   closed, open       accuracy over the records whose "answer_type" is
 *                      "closed" ("open"), in any case; for closed the
 *                      prediction's first word counts too
 *   f1                 overlap of words, best over the accepted answers
 *   llava_recall, llava_precision, llava_f1, llava_match
 *                      LLaVA-Med's own overlaps (eval/textmetric.h)
 *   auc                area under the ROC curve of the log-probability in
 *                      "choice_logprobs" of the choice whose text is
 *                      `positive`, over records that have that choice
 *   iou                overlap of the first box in answer and prediction,
 *                      over records whose answer has one
 *   iou@T              share of those with an overlap of T (0..1) or more
 *
 * A prediction in which nothing can be recognised (no choice, no box) is
 * wrong and is counted as unparsed.
 */
struct medvl_score_options {
    const char *metrics;   /* names, comma between; NULL: exact,f1 */
    const char *by;        /* fields, comma between, dots inside; or NULL */
    const char *normalize; /* eval/answer.h; NULL: vqa */
    const char *positive;  /* text of a choice; needed by auc */
    double box_scale;      /* largest coordinate of a box; 0: 99 */
    const char *group;     /* field resampled together; NULL: "group" */
    int64_t resamples;     /* 0: 1000; -1: none */
    int64_t seed;
    const char *reference;  /* records with the answers; NULL: in the input */
    const char *per_record; /* file for the records with "scores"; or NULL */

    /* Fields of `by` that no record has, metrics that apply to none. */
    struct medvl_wants *wants; /* may be NULL */

    /* Where problems that change no exit code are said; may be NULL. */
    void (*warn)(void *arg, const char *text);
    void *arg;
};

/*
 * The sink behind medvl-score: one line of JSON a metric and cell,
 * {"metric","value","low","high","n","by"}, and where they are not 0
 * "unparsed", "missing", "extra", "double".
 *
 * "low" and "high" bound the 95 % bootstrap interval by group
 * (eval/stats.h); a record without the field is a group of its own.  A
 * value that is undefined is null.  With `by`, lines for all records come
 * first, then one for each combination of values that the records have, in
 * the order of their JSON; `by` holds the combination.
 *
 * Every record needs a unique "id".  One that comes again is scored again
 * and counted as double.  With `reference`, a reference record whose id
 * has no prediction is scored as a wrong one and counted as missing; a
 * prediction whose id the reference lacks has no answer and is counted as
 * extra alone.  All three are reported through `warn`, id by id up to 20,
 * with the file that has the record and the one that has not.
 *
 * auc fails when no record has a choice `positive`, and names those seen.
 */
extern const struct medvl_sink medvl_score_sink;

/* ---- the results themselves ------------------------------------------ */

/* One metric over all records, or over those of one cell of `by`. */
struct medvl_score_result {
    int metric;       /* its place in the list */
    const char *name; /* its name */
    struct medvl_span by;
    bool all; /* records, and `by` is {} */
    struct medvl_interval interval;
    int64_t n, unparsed;
};

/* What can be wrong with ids. */
enum medvl_score_trouble {
    MEDVL_SCORE_MISSING,
    MEDVL_SCORE_EXTRA,
    MEDVL_SCORE_DOUBLE,
    MEDVL_SCORE_TROUBLES,
};
extern const char *const medvl_score_troubles[MEDVL_SCORE_TROUBLES];

struct medvl_score_summary {
    struct medvl_score_result *results; /* metric after metric, all first */
    size_t count, room;
    int64_t trouble[MEDVL_SCORE_TROUBLES];
};

/* Score one file of predictions. */
struct medvl_score;
int medvl_score_file(struct medvl_score **out, const char *file,
                     const struct medvl_score_options *options,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_score_free(struct medvl_score *score);

/* What came out; stays until medvl_score_free. */
const struct medvl_score_summary *
medvl_score_summary(const struct medvl_score *score);

/*
 * Count and report the ids that `first` has and `score` lacks as missing,
 * and the other way round as extra.  For scores without a reference.
 */
void medvl_score_compare(struct medvl_score *score,
                         const struct medvl_score *first);

/*
 * Score several files alike and lay the metrics side by side as a table
 * for people, appended to `out`.  Without a reference the ids of each file
 * are compared with the first's.
 *
 *   names   heads of the columns, one a file
 */
int medvl_score_table(struct medvl_text *out, const char *const *names,
                      const char *const *files, int count,
                      const struct medvl_score_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
