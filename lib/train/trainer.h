/*
 * A training run: options in, a run folder out.
 *
 *   RUN/step-000400/     a whole model folder plus trainer.safetensors,
 *                        written as step-000400.tmp, synced, renamed
 *   RUN/latest           symbolic link to the newest step
 *   RUN/options.json     every option, and a hash of each data set
 *   RUN/train.jsonl      one line a step, each step once
 *   RUN/lock             held while the run is worked on
 *   RUN/config.json ...  at the end: links to the last (or best) model
 *
 * Killing the process at any moment loses at most the steps since the last
 * checkpoint; resuming goes on bit for bit.
 *
 * Read next: ../run/generate.h.
 */
#ifndef MEDVL_TRAIN_TRAINER_H
#define MEDVL_TRAIN_TRAINER_H

#include <signal.h>

#include "lib/base/pool.h"
#include "lib/base/text.h"

/* What a run that stopped early in order returns (SIGTERM). */
#define MEDVL_TRAIN_STOPPED 1

/* Zero means the default in brackets. */
struct medvl_train_options {
    const char *model;       /* folder to start from */
    const char *output;      /* run folder to make */
    const char *const *data; /* see loader.h */
    int64_t data_count;
    const char *const *eval; /* held-out data, or none */
    int64_t eval_count;

    /* Parts, each with its own rate: "vision=2e-4,projector,decoder"
     * [all parts that the model has; dense: vision]. */
    const char *train;
    double rate;          /* of parts without their own [1e-4] */
    double floor;         /* the schedule's end, as a part of the rate */
    int64_t warmup;       /* steps */
    int64_t epochs;       /* [1] */
    int64_t steps;        /* stop after so many [all epochs'] */
    int64_t batch_tokens; /* of a micro-batch [4096] */
    int64_t accumulate;   /* micro-batches a step [1] */
    int64_t max_tokens;   /* of a record [the model's positions] */
    double decay;         /* AdamW's weight decay */
    double beta1, beta2;  /* [0.9, 0.999] */
    double eps;           /* [1e-8] */
    double clip;          /* [1]; negative: none */
    double smoothing;     /* label smoothing */
    double dropout;
    double average;        /* decay of the weight average; 0: none */
    const char *balance;   /* field whose classes weigh the same */
    const char *objective; /* "language" or "dense" ["language"] */
    const char *classes;   /* dense: fields, "plane,species" */

    /* Dense: weights of the three losses [1, 1, 1; negative: 0]. */
    double dense_label, dense_drawn, dense_field;
    bool recompute;
    bool dry_run;       /* plan, report, write nothing */
    int64_t save_every; /* steps [once an epoch]; the end always */
    int64_t eval_every; /* steps [once an epoch] */
    int64_t keep;       /* checkpoints kept [2] */
    int64_t samples;    /* sample answers an evaluation; negative: none [4] */

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

/*
 * Start a run.  MEDVL_EARG when `output` holds one already (resume it, or
 * remove it).  Returns MEDVL_OK, MEDVL_TRAIN_STOPPED or an error.
 */
int medvl_train(const struct medvl_train_options *options,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Go on with the run in `folder` from its newest whole checkpoint (from
 * the start when there is none).  Options come from options.json; of
 * `options` only pool, callbacks, stop and device are used.  A data set
 * whose hash has changed is an error.  A run that is complete is MEDVL_OK.
 */
int medvl_train_resume(const char *folder,
                       const struct medvl_train_options *options,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
