/*
 * What a training run is told, and options.json, which keeps it: every
 * option under the command's long name, as medvl-train --config reads it,
 * and a hash of each data set.
 *
 * Read next: rundir.h.
 */
#ifndef MEDVL_TRAIN_OPTIONS_H
#define MEDVL_TRAIN_OPTIONS_H

#include <signal.h>

#include "lib/base/json.h"
#include "lib/base/pool.h"
#include "lib/model/checkpoint.h"

/* In brackets what medvl_train_options_init puts; else 0 or NULL. */
struct medvl_train_options {
    const char *model;       /* folder to start from */
    const char *output;      /* run folder to make */
    const char *const *data; /* see loader.h */
    int64_t data_count;
    const char *const *eval; /* held-out data, or none */
    int64_t eval_count;
    const char *root; /* pictures of JSON Lines are below it; NULL: here */

    /* Parts, each with its own rate: "vision=2e-4,projector,decoder".
     * NULL: all parts that the model has; dense: vision. */
    const char *train;
    double rate;          /* of parts without their own [1e-4] */
    double floor;         /* the schedule's end, as a part of the rate */
    int64_t warmup;       /* steps */
    int64_t epochs;       /* [1] */
    int64_t steps;        /* stop after so many; 0: all epochs' */
    int64_t batch_tokens; /* of a micro-batch [4096] */
    int64_t accumulate;   /* micro-batches a step [1] */
    int64_t max_tokens;   /* of a record; 0: the model's positions */
    double decay;         /* AdamW's weight decay */
    double beta1, beta2;  /* [0.9, 0.999] */
    double eps;           /* [1e-8] */
    double clip;          /* [1]; 0 or less: none */
    double smoothing;     /* label smoothing */
    double dropout;
    double average;        /* decay of the weight average; 0: none */
    const char *balance;   /* field whose classes weigh the same */
    const char *objective; /* "language" or "dense" ["language"] */
    const char *classes;   /* dense: fields, "plane,species" */

    /* Dense: weights of the three losses [1]; 0 or less: left out. */
    double dense_label, dense_drawn, dense_field;
    bool recompute;
    bool dry_run;       /* plan, report, write nothing */
    int64_t save_every; /* steps; 0: once an epoch; the end always */
    int64_t eval_every; /* the same */
    int64_t keep;       /* checkpoints kept [2] */
    int64_t samples;    /* answers an evaluation [4]; 0 or less: none */

    /* Metric that picks the model: "eval_loss" (least) or "eval_accuracy"
     * (most); NULL: the last step's. */
    const char *best;
    int64_t seed;
    const char *device; /* ["cpu"] */

    struct medvl_pool *pool;

    /* Each line of train.jsonl as it is written; may be NULL. */
    int (*log)(void *arg, struct medvl_span line, struct medvl_error *err);
    /* One line about where the run is, for people; may be NULL. */
    void (*progress)(void *arg, const char *text);
    /* A thing to know ("resuming at step 400"); may be NULL. */
    void (*note)(void *arg, const char *text);
    void *arg;
    const volatile sig_atomic_t *stop; /* not 0: finish the step, save */
};

void medvl_train_options_init(struct medvl_train_options *options);

/*
 * Every value in its range, every list well-formed, and no option given
 * that the others make meaningless; MEDVL_EARG names the option as the
 * command spells it, and what it takes.  What only model or data can tell
 * comes later.
 */
int medvl_train_options_check(const struct medvl_train_options *options,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

/* MEDVL_EARG when any is given that a run that goes on does not take. */
int medvl_train_options_check_resume(
    const struct medvl_train_options *options,
    struct medvl_error *err) MEDVL_MUST_CHECK;

/* The parts of a model as `train` names them. */
enum { MEDVL_TRAIN_PARTS = 3 };
struct medvl_train_part {
    const char *name;
    enum medvl_part part;
};
extern const struct medvl_train_part medvl_train_parts[MEDVL_TRAIN_PARTS];

/*
 * What `train` says: MEDVL_PART_* together, and each part's rate.
 * MEDVL_EARG names the word that is none.
 */
int medvl_train_options_parts(int *mask, double rates[MEDVL_TRAIN_PARTS],
                              const struct medvl_train_options *options,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append options.json; `eval_hash` is NULL without evaluation data. */
int medvl_train_options_write(struct medvl_text *out,
                              const struct medvl_train_options *options,
                              const char *data_hash, const char *eval_hash,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * An options.json that was read, over the defaults, ranges not checked yet;
 * the options' strings point into it.
 */
struct medvl_train_saved {
    struct medvl_train_options options;
    const char *data_hash, *eval_hash; /* eval_hash may be NULL */
    struct medvl_json *json;
    const char **lists[2];
};
int medvl_train_saved_read(struct medvl_train_saved *saved, const char *path,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_train_saved_release(struct medvl_train_saved *saved);

#endif
