/*
 * The language objective: cross entropy of the learned tokens, each with
 * its weight, with label smoothing.
 *
 * Read next: dense.h.
 */
#ifndef MEDVL_TRAIN_SFT_H
#define MEDVL_TRAIN_SFT_H

#include "lib/train/loader.h"

struct medvl_sft_result {
    double loss;            /* sum of weight * loss over the tokens */
    double weight;          /* sum of the weights */
    int64_t tokens;         /* learned tokens */
    int64_t records, whole; /* records with one or more learned tokens, and
                               those whose tokens are all the likeliest
                               (of medvl_sft_evaluate) */
};

/*
 * Run the model over a micro-batch on a tape that has begun.  In TRAIN the
 * gradients are seeded with weight / `share` and backward is run; in a
 * PLAN nothing is read.  The tape's run is left for the caller to end.
 *
 *   sum     added to
 *   share   weights of the whole step
 *
 * MEDVL_EFORMAT when the loss is not finite.
 */
int medvl_sft_run(struct medvl_sft_result *sum, struct medvl_tape *tape,
                  const struct medvl_model *model,
                  const struct medvl_microbatch *micro,
                  double smoothing, double share,
                  struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same in INFER mode, without smoothing, and counts whole answers. */
int medvl_sft_evaluate(struct medvl_sft_result *sum, struct medvl_tape *tape,
                       const struct medvl_model *model,
                       const struct medvl_microbatch *micro,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Seed the gradient of a loss made of log-probabilities, as those of
 * medvl_tape_head_logprob are: -weight * factor / share where there is a
 * target, 0 elsewhere.
 *
 *   target   (N) i32, -1 for none
 *   weight   (N); NULL: 1 each
 */
int medvl_sft_seed(struct medvl_tape *tape, struct medvl_var *logp,
                   const struct medvl_tensor *target, const float *weight,
                   double factor, double share,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
