/*
 * What is open while a run goes: model, data, optimiser, tape, and where
 * the run stands; and one step of it.
 *
 * Read next: evaluate.h.
 */
#ifndef MEDVL_TRAIN_SESSION_H
#define MEDVL_TRAIN_SESSION_H

#include "lib/train/dense.h"
#include "lib/train/options.h"
#include "lib/train/sft.h"

/* Valid when zeroed, with `options` set before medvl_session_open. */
struct medvl_session {
    struct medvl_train_options options;
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_frontend *frontend; /* NULL: a model without pictures */
    struct medvl_loader *data, *eval;
    struct medvl_dense *dense; /* NULL: the language objective */
    struct medvl_optim *optim;
    struct medvl_optim_item *items; /* what is trained */
    int64_t item_count;
    struct medvl_tape *tape;

    int64_t step, steps;     /* done, in all */
    int64_t epoch, position; /* of the next step */
    int64_t epoch_steps;     /* of that epoch */
    double best;             /* metric of the best step so far */
    int64_t best_step;       /* 0: none */
    struct medvl_text card;  /* README.md of its checkpoints; see card.h */
};

/* Sums over one step or one evaluation, of the session's objective. */
struct medvl_session_sums {
    struct medvl_sft_result sft;
    struct medvl_dense_result dense;
    double flops;
};

/* Mean loss: a learned token's by weight, or a picture's. */
double medvl_session_loss(const struct medvl_session *session,
                          const struct medvl_session_sums *sums);

/*
 * Open model, data, objective and optimiser as the options say.
 *
 *   folder   of the model: the options', or a checkpoint's
 *
 * On an error too, medvl_session_release must follow.
 */
int medvl_session_open(struct medvl_session *session, const char *folder,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_session_release(struct medvl_session *session);

/*
 * Go to the next step's place: past the end of an epoch, and past epochs
 * in which weights below 1 leave nothing.
 */
int medvl_session_settle(struct medvl_session *session,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Run a micro-batch: add to *sums, and in TRAIN to the gradients.
 * MEDVL_EFORMAT for what is not finite, naming records and tensor.
 */
int medvl_session_run(struct medvl_session_sums *sums,
                      struct medvl_session *session,
                      const struct medvl_microbatch *micro, double share,
                      const struct medvl_tape_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* What a step came to. */
struct medvl_session_report {
    struct medvl_session_sums sums;
    int64_t epoch, tokens, pictures;
    double rate, norm; /* the schedule's rate, the gradient's norm */
};

/* The next step: read, run, update, move on.  Errors name the step. */
int medvl_session_step(struct medvl_session_report *report,
                       struct medvl_session *session,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
