/*
 * The tape: a model is written once, as calls on a tape, and runs in three
 * modes.
 *
 *   PLAN    shapes only: every shape and type is checked, no memory is
 *           touched, the arena and scratch sizes and the work come out
 *   INFER   each op runs at once; leaving a scope gives back everything
 *           but its survivors
 *   TRAIN   the same, and each op leaves a record; medvl_tape_backward
 *           walks the records; with `recompute` the insides of innermost
 *           scopes are dropped and made again by replaying their records
 *
 * Ops return a variable and never fail alone: the first failure stays in
 * the tape, later ops do nothing (and return some variable, never NULL),
 * and medvl_tape_end returns it, naming scope and op.
 *
 * Variables live in one arena, placed by first fit at rising offsets; a
 * PLAN tape makes the same placements without memory, so its high-water
 * mark is what the run needs.  In TRAIN a scope's end frees what no record
 * saved; backward frees a variable after the last record that needs it.
 *
 * A PLAN of training makes the same calls as the run, seed and backward
 * too; gradients that are seeded may have no data then.
 *
 * A use of the tape:
 *
 *     medvl_tape_begin(tape, &options);
 *     hidden = medvl_decoder_forward(tape, ...);
 *     logp = medvl_tape_head_logprob(tape, NULL, NULL, hidden, head, NULL,
 *                                    target);
 *     rc = medvl_tape_check(tape, err);        results are there to read
 *     medvl_tape_seed(tape, logp, &dlogp);     host memory, f32
 *     medvl_tape_backward(tape);               parameters' grads are added
 *     rc = medvl_tape_end(tape, err);
 *
 * Read next: tape_part.h.
 */
#ifndef MEDVL_TENSOR_TAPE_H
#define MEDVL_TENSOR_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/tensor/tape_op.h"

enum medvl_tape_mode {
    MEDVL_TAPE_PLAN,
    MEDVL_TAPE_INFER,
    MEDVL_TAPE_TRAIN,
};

struct medvl_tape_options {
    enum medvl_tape_mode mode;
    bool train;     /* PLAN: simulate TRAIN with backward, else INFER */
    bool recompute; /* TRAIN and its plan: drop innermost scopes */

    /*
     * Check every op's result for values that are not finite; the error
     * names the first bad one.  Slow: for a step's second run.
     */
    bool check_finite;
    float dropout; /* rate for medvl_tape_dropout; 0 in INFER */
    uint64_t seed; /* of the dropout */
    uint64_t step; /* below 2^48; one for each run that draws its own */
};

/* What a run needs and costs; of the last run or plan that ended. */
struct medvl_tape_plan {
    size_t arena;   /* bytes of variables at the high-water mark */
    size_t scratch; /* bytes of dev->scratch */
    double flops;   /* multiplications and additions of the products */
    int64_t ops;
};

struct medvl_tape;

/* The device is borrowed.  The arena grows at begin and before an op. */
int medvl_tape_open(struct medvl_tape **out, struct medvl_device *dev,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_tape_free(struct medvl_tape *tape);

/*
 * Start a run; whatever was on the tape is gone.  `plan`, when not NULL,
 * says how much to have ready (else the arena grows by blocks as needed).
 */
void medvl_tape_begin(struct medvl_tape *tape,
                      const struct medvl_tape_options *options,
                      const struct medvl_tape_plan *plan);

/* Wait for the device; MEDVL_OK when nothing has failed so far. */
int medvl_tape_check(struct medvl_tape *tape,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same, then end the run: variables are gone. */
int medvl_tape_end(struct medvl_tape *tape,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
const struct medvl_tape_plan *medvl_tape_plan(const struct medvl_tape *tape);
enum medvl_tape_mode medvl_tape_mode(const struct medvl_tape *tape);

/* Does this run keep records (TRAIN, or a PLAN of it)? */
bool medvl_tape_trains(const struct medvl_tape *tape);

/* For model code that finds fault itself (a shape in the config). */
void medvl_tape_fail(struct medvl_tape *tape, enum medvl_status code,
                     const char *format, ...) MEDVL_PRINTF(3, 4);

/*
 * Scopes nest; the name ("layers.3") is put into errors.  Leaving keeps
 * `survivors` (and what was there before entering) alive; other variables
 * made inside must not be used again.
 */
void medvl_tape_enter(struct medvl_tape *tape, const char *format, ...)
    MEDVL_PRINTF(2, 3);
void medvl_tape_leave(struct medvl_tape *tape,
                      struct medvl_var *const *survivors, int count);

/* The caller will not use `var` again: its memory goes when no record needs
 * it, before the end of its scope.  For a chain of layers. */
void medvl_tape_drop(struct medvl_tape *tape, struct medvl_var *var);

/* Borrowed memory as a variable: pixels, tables, indices.  In a PLAN the
 * data may be NULL.  wants_grad is false unless asked. */
struct medvl_var *medvl_tape_input(struct medvl_tape *tape,
                                   const struct medvl_tensor *value,
                                   bool wants_grad);
struct medvl_var *medvl_tape_param(struct medvl_tape *tape,
                                   struct medvl_param *param);

/*
 * Zeroed host memory that lives until the run ends, for the indices that an
 * op borrows; in every mode.  NULL once something has failed.
 */
void *medvl_tape_memory(struct medvl_tape *tape, size_t size);

/* ---- ops: shapes and meaning are those of kernels/ops.h -------------- */

/*
 * Views: no copy, and the gradient goes into the parent's.  Columns
 * [first, first + count) of a matrix, whose rows stay as far apart; and the
 * same items in order as another matrix, for which they must be dense.
 * A view keeps the memory of what it shows.
 */
struct medvl_var *medvl_tape_columns(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t first,
                                     int64_t count);
struct medvl_var *medvl_tape_reshape(struct medvl_tape *tape,
                                     struct medvl_var *var, int64_t rows,
                                     int64_t columns);

/* (N,A) and (N,B) side by side: (N,A+B), a copy. */
struct medvl_var *medvl_tape_join(struct medvl_tape *tape,
                                  struct medvl_var *a, struct medvl_var *b);

/* bias may be NULL. */
struct medvl_var *medvl_tape_linear(struct medvl_tape *tape,
                                    struct medvl_var *inp,
                                    struct medvl_param *w,
                                    struct medvl_param *bias);
struct medvl_var *medvl_tape_rmsnorm(struct medvl_tape *tape,
                                     struct medvl_var *inp,
                                     struct medvl_param *w, float eps);

/* Each `head_size` values of a row by themselves; w (head_size).  The input
 * may be a view: columns of a fused projection. */
struct medvl_var *medvl_tape_rmsnorm_heads(struct medvl_tape *tape,
                                           struct medvl_var *inp,
                                           struct medvl_param *w,
                                           int64_t head_size, float eps);
struct medvl_var *medvl_tape_layernorm(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       struct medvl_param *w,
                                       struct medvl_param *b, float eps);
struct medvl_var *medvl_tape_act(struct medvl_tape *tape,
                                 struct medvl_var *inp, enum medvl_act act);
struct medvl_var *medvl_tape_glu(struct medvl_tape *tape,
                                 struct medvl_var *gate,
                                 struct medvl_var *up, enum medvl_act act);
struct medvl_var *medvl_tape_add(struct medvl_tape *tape,
                                 struct medvl_var *a, struct medvl_var *b);
struct medvl_var *medvl_tape_scale(struct medvl_tape *tape,
                                   struct medvl_var *inp,
                                   struct medvl_param *w);

/* Returns inp itself outside TRAIN or at rate 0.  Sites are numbered in
 * the order of the calls. */
struct medvl_var *medvl_tape_dropout(struct medvl_tape *tape,
                                     struct medvl_var *inp);
struct medvl_var *medvl_tape_gather_rows(struct medvl_tape *tape,
                                         struct medvl_var *table,
                                         const struct medvl_tensor *index);

/* index (N,T), weight (N,T); their data is borrowed until the run ends. */
struct medvl_var *medvl_tape_mix_rows(struct medvl_tape *tape,
                                      struct medvl_var *table,
                                      const struct medvl_tensor *index,
                                      const struct medvl_tensor *weight);
struct medvl_var *medvl_tape_scatter_rows(struct medvl_tape *tape,
                                          struct medvl_var *base,
                                          struct medvl_var *rows,
                                          const struct medvl_tensor *index);
struct medvl_var *medvl_tape_mean_rows(struct medvl_tape *tape,
                                       struct medvl_var *inp,
                                       const struct medvl_tensor *cu);
struct medvl_var *medvl_tape_rope(struct medvl_tape *tape,
                                  struct medvl_var *inp,
                                  const struct medvl_tensor *cos,
                                  const struct medvl_tensor *sin,
                                  int64_t head_size);

/* The struct and the arrays in it are borrowed until the run ends. */
struct medvl_var *medvl_tape_attention(
    struct medvl_tape *tape,
    struct medvl_var *q, struct medvl_var *k, struct medvl_var *v,
    const struct medvl_attention *attention);

/* Write rows into borrowed memory (the pages of a cache); INFER only. */
void medvl_tape_store_rows(struct medvl_tape *tape,
                           const struct medvl_tensor *out,
                           struct medvl_var *rows,
                           const struct medvl_tensor *index);

/* Returns logp; *entropy and *mean_logp are made when not NULL; bias may be
 * NULL. */
struct medvl_var *medvl_tape_head_logprob(
    struct medvl_tape *tape,
    struct medvl_var **entropy, struct medvl_var **mean_logp,
    struct medvl_var *hidden, struct medvl_param *head,
    struct medvl_param *bias, const struct medvl_tensor *target);

/* ---- backward -------------------------------------------------------- */

/* Add `grad` (f32, borrowed for the call) to the variable's gradient. */
void medvl_tape_seed(struct medvl_tape *tape, struct medvl_var *var,
                     const struct medvl_tensor *grad);
void medvl_tape_backward(struct medvl_tape *tape);

#endif
