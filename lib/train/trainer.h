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

#include "lib/train/options.h"

/* What a run that stopped early in order returns. */
#define MEDVL_TRAIN_STOPPED 1

/*
 * Start a run.  MEDVL_EARG when `output` holds one already (resume it, or
 * remove it), unless that ended before its first step.  Returns MEDVL_OK,
 * MEDVL_TRAIN_STOPPED or an error.
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
