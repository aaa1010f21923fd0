/*
 * A session as files: the model's folder and trainer.safetensors beside it.
 *
 * Read next: trainer.h.
 */
#ifndef MEDVL_TRAIN_SNAPSHOT_H
#define MEDVL_TRAIN_SNAPSHOT_H

#include "lib/train/rundir.h"
#include "lib/train/session.h"

/*
 * Write the session's step into the run folder, whole or not at all, and
 * remove steps that are too old.  With averaging, the model's files hold the
 * average; trainer.safetensors holds both.
 *
 * MEDVL_EFORMAT, naming it, when a value is not finite.
 */
int medvl_snapshot_write(struct medvl_session *session,
                         const struct medvl_rundir *run,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put the session, opened from the folder of `step`, back to it, with the
 * README.md of that folder. */
int medvl_snapshot_read(struct medvl_session *session,
                        const struct medvl_rundir *run, int64_t step,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
