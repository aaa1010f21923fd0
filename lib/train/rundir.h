/*
 * The folder of a training run: checkpoints that appear whole, the link to
 * the newest, the log with each step once, the lock.
 *
 * Read next: trainer.h.
 */
#ifndef MEDVL_TRAIN_RUNDIR_H
#define MEDVL_TRAIN_RUNDIR_H

#include <stdint.h>

#include "lib/base/file.h"

/* Bytes of the longest line of train.jsonl. */
#define MEDVL_RUNDIR_LINE ((size_t)64 << 20)

struct medvl_rundir {
    char *path;
    struct medvl_lock lock;
    int log; /* descriptor of train.jsonl plus 1; 0: not open */
};

/*
 * Make the folder (or open it, when `resume`) and take its lock.  A new
 * run may begin over one that ended before its first step: nothing is lost
 * with its options.json.
 *
 * MEDVL_EARG when a new run finds one that has a checkpoint or a step in
 * its log, or any other file; when a resumed one finds no options.json; and
 * when another process works on it.
 */
int medvl_rundir_open(struct medvl_rundir *run, const char *path, bool resume,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_rundir_release(struct medvl_rundir *run);

/*
 * The newest whole checkpoint's step, 0 when there is none.  Remains of
 * unfinished ones (step-N.tmp, and files NAME.tmp) are removed.
 */
int medvl_rundir_newest(int64_t *step, const struct medvl_rundir *run,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Point RUN/latest at checkpoint `step`, as a run killed just before had
 * not yet; its path, freed by the caller.
 */
int medvl_rundir_latest(char **out, const struct medvl_rundir *run,
                        int64_t step,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* "RUN/step-000400" with `suffix` added; freed by the caller. */
int medvl_rundir_step_path(char **out, const struct medvl_rundir *run,
                           int64_t step, const char *suffix,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Cut train.jsonl back to the lines of steps up to `step`, and open it for
 * appending.  MEDVL_EFORMAT, naming the line, and the file as it was, when
 * a line up to there is not one of this run: too long, no object, no
 * "step", or one that does not come after the line before.  A last line
 * without its end, as a killed run leaves it, is cut.
 */
int medvl_rundir_log_open(struct medvl_rundir *run, int64_t step,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_rundir_log(struct medvl_rundir *run, struct medvl_span line,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Give step-N.tmp, made by the caller, its name; point `latest` at it;
 * remove the oldest so that `keep` remain, never this one or `best`.
 */
int medvl_rundir_publish(const struct medvl_rundir *run, int64_t step,
                         int64_t best, int64_t keep,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Link the files of step `step` but trainer.safetensors into the run
 * folder, config.json last: the run is a model folder from then on.
 */
int medvl_rundir_finish(const struct medvl_rundir *run, int64_t step,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
