/*
 * Inside of tape_op.h: how an operation looks at its record and checks it.
 *
 * tape_op.c        views, products, norms, element by element
 * tape_op_rows.c   rows, positions, attention, log-probabilities
 *
 * Read next: tape_op.c.
 */
#ifndef MEDVL_TENSOR_TAPE_OP_PART_H
#define MEDVL_TENSOR_TAPE_OP_PART_H

#include "lib/tensor/tape_op.h"

static inline const struct medvl_tensor *
in(const struct medvl_tape_record *r, int i)
{
    return r->in[i] ? &r->in[i]->var.value : NULL;
}

static inline struct medvl_tensor *
out(const struct medvl_tape_record *r, int i)
{
    return r->out[i] ? &r->out[i]->var.value : NULL;
}

/* The gradient that came to output i, or NULL when nothing did. */
static inline const struct medvl_tensor *
dout(const struct medvl_tape_record *r, int i)
{
    return r->out[i] && r->out[i]->has_grad ? &r->out[i]->var.grad : NULL;
}

static inline double rows(const struct medvl_tape_record *r, int i)
{
    return (double)medvl_tensor_rows(in(r, i));
}

static inline double columns(const struct medvl_tape_record *r, int i)
{
    return (double)medvl_tensor_columns(in(r, i));
}

static inline struct medvl_tensor f32_rows(int64_t n, int64_t c)
{
    return medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, n, c);
}

/* ---- checks ---------------------------------------------------------- */

int tape_check_type(const struct medvl_tensor *t, const char *what,
                    enum medvl_dtype want, struct medvl_error *err);

/* f32, bf16 or f16: what weights are kept in. */
int tape_check_weight(const struct medvl_tensor *t, const char *what,
                      struct medvl_error *err);

/* A matrix of f32 with the wanted number of columns; -1: any. */
int tape_check_rows(const struct medvl_tensor *t, const char *what,
                    int64_t channels, struct medvl_error *err);

/* A vector of a wanted type (NONE: that of a weight) and length. */
int tape_check_vector(const struct medvl_tensor *t, const char *what,
                      enum medvl_dtype type, int64_t size,
                      struct medvl_error *err);

/* b is a matrix of f32 of a's size. */
int tape_check_same(const struct medvl_tensor *a,
                    const struct medvl_tensor *b, const char *what,
                    struct medvl_error *err);

/* Channels are whole heads. */
int tape_check_heads(int64_t channels, int64_t head_size,
                     struct medvl_error *err);

/* The shape of an op whose result is as its input 0, a matrix of f32. */
int tape_rows_shape(struct medvl_tensor *o,
                    const struct medvl_tape_record *r,
                    struct medvl_error *err);

#endif
