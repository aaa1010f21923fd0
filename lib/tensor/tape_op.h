/*
 * What stands on a tape: parameters and variables, which models see; and
 * the tape's own records, with the table of what each operation checks,
 * keeps, costs and calls.
 *
 * Read next: tape.h.
 */
#ifndef MEDVL_TENSOR_TAPE_OP_H
#define MEDVL_TENSOR_TAPE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/ops.h"

/*
 * A named array of a model.  `grad` is f32 of the same shape, its data NULL
 * while the parameter is frozen.  `version` rises with every change of the
 * value: caches made from it are keyed by it.
 */
struct medvl_param {
    const char *name; /* as in the checkpoint that medvl writes */
    struct medvl_tensor value;
    struct medvl_tensor grad;
    uint64_t version;
    bool trained; /* wants a gradient (also in a plan, where grad is NULL) */
};

/* A value on the tape; belongs to it, gone at medvl_tape_end. */
struct medvl_var {
    struct medvl_tensor value; /* data readable after medvl_tape_check */
    struct medvl_tensor grad;  /* data NULL until somebody adds to it */
    bool wants_grad;
    int64_t index; /* the tape's own */
};

/* ---- the tape's own ---------------------------------------------------- */

#define MEDVL_TAPE_IN  3
#define MEDVL_TAPE_OUT 4

struct medvl_tape_op;

/* A variable with what the tape knows about it. */
struct medvl_tape_node {
    struct medvl_var var; /* first: a var is its node */
    const struct medvl_param *param;
    struct medvl_tape_node *parent;

    /* A view shows the parent's memory from item `first` on. */
    int64_t first;
    int64_t views;     /* how many show this one's value */
    int64_t record;    /* that made it; -1: none */
    size_t offset;     /* in the arena, of the value ... */
    size_t grad_at;    /* ... and of the gradient */
    int64_t saved;     /* records still to come back to that read it */
    bool outside;      /* the value is the caller's memory */
    bool held;         /* its scope is open */
    bool dropped;      /* goes though saved: replay makes it again */
    bool has_value;    /* there is memory for it (in a plan: would be) */
    bool has_grad;     /* something was added to its gradient */
    bool grad_outside; /* the gradient is a parameter's */
    bool needed;       /* scratch of a replay */
};

/* One call of an op. */
struct medvl_tape_record {
    const struct medvl_tape_op *op;
    struct medvl_tape_node *in[MEDVL_TAPE_IN];
    struct medvl_tape_node *out[MEDVL_TAPE_OUT];
    bool wanted; /* some input wants a gradient */

    /* Attributes; each op has its own. */
    bool asked[MEDVL_TAPE_OUT]; /* optional outputs */
    struct medvl_tensor index, weight, cos, sin;
    const struct medvl_attention *attention;
    int64_t head_size;
    int64_t first, rows, columns; /* of a view */
    enum medvl_act act;
    float eps;
    float rate;
    uint64_t seed, item;
};

struct medvl_tape_op {
    const char *name;

    /*
     * Check inputs and attributes; set the shapes of the outputs (those
     * with rank 0 are not made).  The one place where shapes are checked.
     */
    int (*shape)(struct medvl_tensor *out, const struct medvl_tape_record *r,
                 struct medvl_error *err);
    void (*forward)(struct medvl_device *dev,
                    const struct medvl_tape_record *r);

    /*
     * d[i]: gradient of input i, or NULL.  NULL op: no gradient, or a view,
     * whose gradient lies in its parent's.
     */
    void (*backward)(struct medvl_device *dev,
                     const struct medvl_tape_record *r,
                     struct medvl_tensor *const *d);

    /* Multiplications and additions of forward; bytes of scratch. */
    double (*flops)(const struct medvl_tape_record *r);
    size_t (*scratch)(const struct medvl_tape_record *r, bool backward);

    unsigned saved_in;   /* bit i: backward reads input i ... */
    unsigned saved_out;  /* ... output i */
    unsigned aux;        /* outputs for the backward pass alone */
    bool saved_for_last; /* input 0 is read only if another one wants */
    bool passes;         /* d input 0 is d output 0: memory handed over */
    bool view;           /* output 0 lies in input 0, from item `first` on */
};

extern const struct medvl_tape_op medvl_tape_op_columns;
extern const struct medvl_tape_op medvl_tape_op_reshape;
extern const struct medvl_tape_op medvl_tape_op_join;
extern const struct medvl_tape_op medvl_tape_op_linear;
extern const struct medvl_tape_op medvl_tape_op_rmsnorm;
extern const struct medvl_tape_op medvl_tape_op_layernorm;
extern const struct medvl_tape_op medvl_tape_op_act;
extern const struct medvl_tape_op medvl_tape_op_glu;
extern const struct medvl_tape_op medvl_tape_op_add;
extern const struct medvl_tape_op medvl_tape_op_scale;
extern const struct medvl_tape_op medvl_tape_op_dropout;
extern const struct medvl_tape_op medvl_tape_op_gather_rows;
extern const struct medvl_tape_op medvl_tape_op_mix_rows;
extern const struct medvl_tape_op medvl_tape_op_scatter_rows;
extern const struct medvl_tape_op medvl_tape_op_mean_rows;
extern const struct medvl_tape_op medvl_tape_op_rope;
extern const struct medvl_tape_op medvl_tape_op_attention;
extern const struct medvl_tape_op medvl_tape_op_store_rows;
extern const struct medvl_tape_op medvl_tape_op_head_logprob;

#endif
