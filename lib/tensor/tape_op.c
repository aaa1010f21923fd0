/*
 * The table of operations: each in four small functions, in the order of
 * kernels/ops.h.  N rows, C channels; other letters as there.
 *
 * Read next: tape.c.
 */
#include "lib/tensor/tape_op.h"

#include <string.h>

/* ---- looking at a record --------------------------------------------- */

static const struct medvl_tensor *in(const struct medvl_tape_record *r, int i)
{
    return r->in[i] ? &r->in[i]->var.value : NULL;
}

static struct medvl_tensor *out(const struct medvl_tape_record *r, int i)
{
    return r->out[i] ? &r->out[i]->var.value : NULL;
}

/* The gradient that came to output i, or NULL when nothing did. */
static const struct medvl_tensor *dout(const struct medvl_tape_record *r,
                                       int i)
{
    return r->out[i] && r->out[i]->has_grad ? &r->out[i]->var.grad : NULL;
}

static double rows(const struct medvl_tape_record *r, int i)
{
    return (double)medvl_tensor_rows(in(r, i));
}

static double columns(const struct medvl_tape_record *r, int i)
{
    return (double)medvl_tensor_columns(in(r, i));
}

/* ---- checks ---------------------------------------------------------- */

static int check_type(const struct medvl_tensor *t, const char *what,
                      enum medvl_dtype want, struct medvl_error *err)
{
    if (t->dtype != want)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s is %s, want %s", what,
                          medvl_dtype_name(t->dtype), medvl_dtype_name(want));
    return MEDVL_OK;
}

/* f32, bf16 or f16: what weights are kept in. */
static int check_weight(const struct medvl_tensor *t, const char *what,
                        struct medvl_error *err)
{
    if (t->dtype != MEDVL_DTYPE_F32 && t->dtype != MEDVL_DTYPE_BF16 &&
        t->dtype != MEDVL_DTYPE_F16)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%s is %s, want F32, BF16 or F16", what,
                          medvl_dtype_name(t->dtype));
    return MEDVL_OK;
}

/* A matrix of f32 with the wanted number of columns; -1: any. */
static int check_rows(const struct medvl_tensor *t, const char *what,
                      int64_t channels, struct medvl_error *err)
{
    if (t->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "%s has rank %d, want 2", what,
                          t->rank);
    if (channels >= 0 && t->size[1] != channels)
        return medvl_fail(err, MEDVL_EARG,
                          "%s has %lld channels, want %lld", what,
                          (long long)t->size[1], (long long)channels);
    return check_type(t, what, MEDVL_DTYPE_F32, err);
}

/* A vector of a wanted type (NONE: that of a weight) and length. */
static int check_vector(const struct medvl_tensor *t, const char *what,
                        enum medvl_dtype type, int64_t size,
                        struct medvl_error *err)
{
    if (t->rank != 1 || t->size[0] != size)
        return medvl_fail(err, MEDVL_EARG,
                          "%s has rank %d and size %lld, want 1 and %lld",
                          what, t->rank, (long long)t->size[0],
                          (long long)size);
    return type == MEDVL_DTYPE_NONE ? check_weight(t, what, err)
                                    : check_type(t, what, type, err);
}

static int check_same(const struct medvl_tensor *a,
                      const struct medvl_tensor *b, const char *what,
                      struct medvl_error *err)
{
    if (a->size[0] != b->size[0])
        return medvl_fail(err, MEDVL_EARG, "%s has %lld rows, want %lld",
                          what, (long long)b->size[0],
                          (long long)a->size[0]);
    return check_rows(b, what, a->size[1], err);
}

static int check_heads(int64_t channels, int64_t head_size,
                       struct medvl_error *err)
{
    if (head_size < 1 || channels % head_size != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld channels are no multiple of head size %lld",
                          (long long)channels, (long long)head_size);
    return MEDVL_OK;
}

static struct medvl_tensor f32_rows(int64_t n, int64_t c)
{
    return medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, n, c);
}

/* ---- views: in what they show ---------------------------------------- */

static int columns_shape(struct medvl_tensor *o,
                         const struct medvl_tape_record *r,
                         struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);
    int rc = check_rows(inp, "input", -1, err);

    if (rc < 0)
        return rc;
    if (r->first < 0 || r->columns < 1 || r->first > inp->size[1] ||
        r->columns > inp->size[1] - r->first)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld columns from %lld on of %lld",
                          (long long)r->columns, (long long)r->first,
                          (long long)inp->size[1]);
    o[0] = f32_rows(inp->size[0], r->columns);
    o[0].stride = inp->stride;
    return MEDVL_OK;
}

const struct medvl_tape_op medvl_tape_op_columns = {
    .name = "columns",
    .shape = columns_shape,
    .view = true,
};

/* Any unquantised type: parameters too. */
static int reshape_shape(struct medvl_tensor *o,
                         const struct medvl_tape_record *r,
                         struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);
    const int64_t n = medvl_tensor_rows(inp), c = medvl_tensor_columns(inp);
    int rc = check_weight(inp, "input", err);

    if (rc < 0)
        return rc;
    if (n > 1 && inp->stride != c)
        return medvl_fail(err, MEDVL_EARG, "rows of %lld are %lld apart",
                          (long long)c, (long long)inp->stride);
    if (r->rows < 0 || r->columns < 1 ||
        r->rows != n * c / r->columns || n * c % r->columns != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "(%lld,%lld) does not become (%lld,%lld)",
                          (long long)n, (long long)c, (long long)r->rows,
                          (long long)r->columns);
    o[0] = medvl_tensor_2d(NULL, inp->dtype, r->rows, r->columns);
    return MEDVL_OK;
}

const struct medvl_tape_op medvl_tape_op_reshape = {
    .name = "reshape",
    .shape = reshape_shape,
    .view = true,
};

/* ---- join: in a, b --------------------------------------------------- */

static int join_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    const struct medvl_tensor *a = in(r, 0), *b = in(r, 1);
    int rc = check_rows(a, "first input", -1, err);

    if (rc == MEDVL_OK)
        rc = check_rows(b, "second input", -1, err);
    if (rc == MEDVL_OK && a->size[0] != b->size[0])
        rc = medvl_fail(err, MEDVL_EARG, "rows of %lld and %lld",
                        (long long)a->size[0], (long long)b->size[0]);
    o[0] = f32_rows(a->size[0], a->size[1] + b->size[1]);
    return rc;
}

/* The columns of `whole` that input i became. */
static struct medvl_tensor part_of(const struct medvl_tape_record *r,
                                   const struct medvl_tensor *whole, int i)
{
    struct medvl_tensor part = *whole;

    part.size[1] = in(r, i)->size[1];
    if (i == 1)
        part.data = (float *)part.data + in(r, 0)->size[1];
    return part;
}

static void join_forward(struct medvl_device *dev,
                         const struct medvl_tape_record *r)
{
    for (int i = 0; i < 2; i++) {
        struct medvl_tensor part = part_of(r, out(r, 0), i);

        dev->ops->convert(dev, &part, in(r, i));
    }
}

static void join_backward(struct medvl_device *dev,
                          const struct medvl_tape_record *r,
                          struct medvl_tensor *const *d)
{
    for (int i = 0; i < 2; i++) {
        const struct medvl_tensor part = part_of(r, dout(r, 0), i);

        if (d[i])
            dev->ops->add_forward(dev, d[i], d[i], &part);
    }
}

const struct medvl_tape_op medvl_tape_op_join = {
    .name = "join",
    .shape = join_shape,
    .forward = join_forward,
    .backward = join_backward,
};

/* ---- linear: in inp, w, bias ----------------------------------------- */

static int linear_shape(struct medvl_tensor *o,
                        const struct medvl_tape_record *r,
                        struct medvl_error *err)
{
    const struct medvl_tensor *w = in(r, 1);
    int rc;

    if (w->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "weight has rank %d, want 2",
                          w->rank);
    rc = check_weight(w, "weight", err);
    if (rc == MEDVL_OK)
        rc = check_rows(in(r, 0), "input", w->size[1], err);
    if (rc == MEDVL_OK && in(r, 2))
        rc = check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE, w->size[0],
                          err);
    o[0] = f32_rows(in(r, 0)->size[0], w->size[0]);
    return rc;
}

static void linear_forward(struct medvl_device *dev,
                           const struct medvl_tape_record *r)
{
    dev->ops->linear_forward(dev, out(r, 0), in(r, 0), in(r, 1), in(r, 2),
                             NULL, 0);
}

static void linear_backward(struct medvl_device *dev,
                            const struct medvl_tape_record *r,
                            struct medvl_tensor *const *d)
{
    dev->ops->linear_backward(dev, d[0], d[1], d[2], dout(r, 0), in(r, 0),
                              in(r, 1), NULL, 0);
}

static double linear_flops(const struct medvl_tape_record *r)
{
    return 2 * rows(r, 0) * columns(r, 0) * rows(r, 1);
}

static size_t linear_scratch(const struct medvl_tape_record *r, bool backward)
{
    const struct medvl_tensor *w = in(r, 1);

    (void)backward;
    return medvl_linear_scratch(in(r, 0)->size[0], w->size[1], w->size[0],
                                w->dtype, 0);
}

const struct medvl_tape_op medvl_tape_op_linear = {
    .name = "linear",
    .shape = linear_shape,
    .forward = linear_forward,
    .backward = linear_backward,
    .flops = linear_flops,
    .scratch = linear_scratch,
    .saved_in = 1,
    .saved_for_last = true,
};

/* ---- norms: in inp, w, b; out out, moments --------------------------- */

/* head_size 0: the row is one head. */
static int rmsnorm_shape(struct medvl_tensor *o,
                         const struct medvl_tape_record *r,
                         struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);
    const int64_t C = inp->size[1], D = r->head_size ? r->head_size : C;
    int rc = check_rows(inp, "input", -1, err);

    if (rc == MEDVL_OK && r->head_size)
        rc = check_heads(C, D, err);
    if (rc == MEDVL_OK)
        rc = check_vector(in(r, 1), "weight", MEDVL_DTYPE_NONE, D, err);
    if (rc < 0)
        return rc;
    o[0] = f32_rows(inp->size[0], C);
    o[1] = f32_rows(inp->size[0], r->head_size ? C / D : 1);
    return MEDVL_OK;
}

static void rmsnorm_forward(struct medvl_device *dev,
                            const struct medvl_tape_record *r)
{
    dev->ops->rmsnorm_forward(dev, out(r, 0), out(r, 1), in(r, 0), in(r, 1),
                              r->eps);
}

static void rmsnorm_backward(struct medvl_device *dev,
                             const struct medvl_tape_record *r,
                             struct medvl_tensor *const *d)
{
    dev->ops->rmsnorm_backward(dev, d[0], d[1], dout(r, 0), in(r, 0),
                               in(r, 1), out(r, 1));
}

static size_t norm_scratch(const struct medvl_tape_record *r, bool backward)
{
    const struct medvl_tensor *inp = in(r, 0);
    const int64_t C = inp->size[1], D = r->head_size ? r->head_size : C;

    (void)backward;
    return medvl_norm_scratch(r->head_size ? inp->size[0] * (C / D)
                                           : inp->size[0],
                              D);
}

const struct medvl_tape_op medvl_tape_op_rmsnorm = {
    .name = "rmsnorm",
    .shape = rmsnorm_shape,
    .forward = rmsnorm_forward,
    .backward = rmsnorm_backward,
    .scratch = norm_scratch,
    .saved_in = 1,
    .saved_out = 2,
    .aux = 2,
};

static int layernorm_shape(struct medvl_tensor *o,
                           const struct medvl_tape_record *r,
                           struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);
    int rc = rmsnorm_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE, inp->size[1],
                          err);
    o[1] = f32_rows(inp->size[0], 2);
    return rc;
}

static void layernorm_forward(struct medvl_device *dev,
                              const struct medvl_tape_record *r)
{
    dev->ops->layernorm_forward(dev, out(r, 0), out(r, 1), in(r, 0),
                                in(r, 1), in(r, 2), r->eps);
}

static void layernorm_backward(struct medvl_device *dev,
                               const struct medvl_tape_record *r,
                               struct medvl_tensor *const *d)
{
    dev->ops->layernorm_backward(dev, d[0], d[1], d[2], dout(r, 0), in(r, 0),
                                 in(r, 1), out(r, 1));
}

const struct medvl_tape_op medvl_tape_op_layernorm = {
    .name = "layernorm",
    .shape = layernorm_shape,
    .forward = layernorm_forward,
    .backward = layernorm_backward,
    .scratch = norm_scratch,
    .saved_in = 1,
    .saved_out = 2,
    .aux = 2,
};

/* ---- element by element ---------------------------------------------- */

static int act_shape(struct medvl_tensor *o,
                     const struct medvl_tape_record *r,
                     struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);

    o[0] = f32_rows(inp->size[0], inp->size[1]);
    return check_rows(inp, "input", -1, err);
}

static void act_forward(struct medvl_device *dev,
                        const struct medvl_tape_record *r)
{
    dev->ops->act_forward(dev, out(r, 0), in(r, 0), r->act);
}

static void act_backward(struct medvl_device *dev,
                         const struct medvl_tape_record *r,
                         struct medvl_tensor *const *d)
{
    dev->ops->act_backward(dev, d[0], dout(r, 0), in(r, 0), r->act);
}

const struct medvl_tape_op medvl_tape_op_act = {
    .name = "act",
    .shape = act_shape,
    .forward = act_forward,
    .backward = act_backward,
    .saved_in = 1,
};

static int pair_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    int rc = act_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_same(in(r, 0), in(r, 1), "second input", err);
    return rc;
}

static void glu_forward(struct medvl_device *dev,
                        const struct medvl_tape_record *r)
{
    dev->ops->glu_forward(dev, out(r, 0), in(r, 0), in(r, 1), r->act);
}

static void glu_backward(struct medvl_device *dev,
                         const struct medvl_tape_record *r,
                         struct medvl_tensor *const *d)
{
    dev->ops->glu_backward(dev, d[0], d[1], dout(r, 0), in(r, 0), in(r, 1),
                           r->act);
}

const struct medvl_tape_op medvl_tape_op_glu = {
    .name = "glu",
    .shape = pair_shape,
    .forward = glu_forward,
    .backward = glu_backward,
    .saved_in = 3,
};

static void add_forward(struct medvl_device *dev,
                        const struct medvl_tape_record *r)
{
    dev->ops->add_forward(dev, out(r, 0), in(r, 0), in(r, 1));
}

/* d[0] is NULL when the tape handed dout over to it. */
static void add_backward(struct medvl_device *dev,
                         const struct medvl_tape_record *r,
                         struct medvl_tensor *const *d)
{
    if (d[0])
        dev->ops->add_forward(dev, d[0], d[0], dout(r, 0));
    if (d[1])
        dev->ops->add_forward(dev, d[1], d[1], dout(r, 0));
}

const struct medvl_tape_op medvl_tape_op_add = {
    .name = "add",
    .shape = pair_shape,
    .forward = add_forward,
    .backward = add_backward,
    .passes = true,
};

/* in: inp, w. */
static int scale_shape(struct medvl_tensor *o,
                       const struct medvl_tape_record *r,
                       struct medvl_error *err)
{
    int rc = act_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_vector(in(r, 1), "weight", MEDVL_DTYPE_NONE,
                          in(r, 0)->size[1], err);
    return rc;
}

static void scale_forward(struct medvl_device *dev,
                          const struct medvl_tape_record *r)
{
    dev->ops->scale_forward(dev, out(r, 0), in(r, 0), in(r, 1));
}

static void scale_backward(struct medvl_device *dev,
                           const struct medvl_tape_record *r,
                           struct medvl_tensor *const *d)
{
    dev->ops->scale_backward(dev, d[0], d[1], dout(r, 0), in(r, 0),
                             in(r, 1));
}

static size_t scale_scratch(const struct medvl_tape_record *r, bool backward)
{
    (void)backward;
    return medvl_scale_scratch(in(r, 0)->size[1]);
}

const struct medvl_tape_op medvl_tape_op_scale = {
    .name = "scale",
    .shape = scale_shape,
    .forward = scale_forward,
    .backward = scale_backward,
    .scratch = scale_scratch,
    .saved_in = 1,
    .saved_for_last = true,
};

static void dropout_forward(struct medvl_device *dev,
                            const struct medvl_tape_record *r)
{
    dev->ops->dropout(dev, out(r, 0), in(r, 0), r->rate, r->seed, r->item,
                      false);
}

static void dropout_backward(struct medvl_device *dev,
                             const struct medvl_tape_record *r,
                             struct medvl_tensor *const *d)
{
    dev->ops->dropout(dev, d[0], dout(r, 0), r->rate, r->seed, r->item,
                      true);
}

const struct medvl_tape_op medvl_tape_op_dropout = {
    .name = "dropout",
    .shape = act_shape,
    .forward = dropout_forward,
    .backward = dropout_backward,
};

/* ---- rows ------------------------------------------------------------ */

static int check_index(const struct medvl_tensor *index, int64_t size,
                       struct medvl_error *err)
{
    if (size < 0)
        size = index->size[0];
    return check_vector(index, "index", MEDVL_DTYPE_I32, size, err);
}

static int check_table(const struct medvl_tensor *table,
                       struct medvl_error *err)
{
    if (table->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "table has rank %d, want 2",
                          table->rank);
    return check_weight(table, "table", err);
}

/* in: table. */
static int gather_shape(struct medvl_tensor *o,
                        const struct medvl_tape_record *r,
                        struct medvl_error *err)
{
    const struct medvl_tensor *table = in(r, 0);
    int rc = check_index(&r->index, -1, err);

    if (rc == MEDVL_OK)
        rc = check_table(table, err);
    o[0] = f32_rows(r->index.size[0], table->size[1]);
    return rc;
}

static void gather_forward(struct medvl_device *dev,
                           const struct medvl_tape_record *r)
{
    dev->ops->gather_rows_forward(dev, out(r, 0), in(r, 0), &r->index);
}

static void gather_backward(struct medvl_device *dev,
                            const struct medvl_tape_record *r,
                            struct medvl_tensor *const *d)
{
    dev->ops->gather_rows_backward(dev, d[0], dout(r, 0), &r->index);
}

const struct medvl_tape_op medvl_tape_op_gather_rows = {
    .name = "gather_rows",
    .shape = gather_shape,
    .forward = gather_forward,
    .backward = gather_backward,
};

/* in: table. */
static int mix_shape(struct medvl_tensor *o,
                     const struct medvl_tape_record *r,
                     struct medvl_error *err)
{
    const struct medvl_tensor *index = &r->index;
    int rc = check_table(in(r, 0), err);

    if (rc == MEDVL_OK &&
        (index->rank != 2 || index->stride != index->size[1]))
        rc = medvl_fail(err, MEDVL_EARG, "index is no dense matrix");
    if (rc == MEDVL_OK)
        rc = check_type(index, "index", MEDVL_DTYPE_I32, err);
    if (rc == MEDVL_OK)
        rc = check_same(index, &r->weight, "weight", err);
    o[0] = f32_rows(index->size[0], in(r, 0)->size[1]);
    return rc;
}

static void mix_forward(struct medvl_device *dev,
                        const struct medvl_tape_record *r)
{
    dev->ops->mix_rows_forward(dev, out(r, 0), in(r, 0), &r->index,
                               &r->weight);
}

static void mix_backward(struct medvl_device *dev,
                         const struct medvl_tape_record *r,
                         struct medvl_tensor *const *d)
{
    dev->ops->mix_rows_backward(dev, d[0], dout(r, 0), &r->index,
                                &r->weight);
}

const struct medvl_tape_op medvl_tape_op_mix_rows = {
    .name = "mix_rows",
    .shape = mix_shape,
    .forward = mix_forward,
    .backward = mix_backward,
};

/* in: base, rows. */
static int scatter_shape(struct medvl_tensor *o,
                         const struct medvl_tape_record *r,
                         struct medvl_error *err)
{
    const struct medvl_tensor *base = in(r, 0);
    int rc = act_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_rows(in(r, 1), "rows", base->size[1], err);
    if (rc == MEDVL_OK)
        rc = check_index(&r->index, in(r, 1)->size[0], err);
    return rc;
}

static void scatter_forward(struct medvl_device *dev,
                            const struct medvl_tape_record *r)
{
    dev->ops->scatter_rows_forward(dev, out(r, 0), in(r, 0), in(r, 1),
                                   &r->index);
}

static void scatter_backward(struct medvl_device *dev,
                             const struct medvl_tape_record *r,
                             struct medvl_tensor *const *d)
{
    dev->ops->scatter_rows_backward(dev, d[0], d[1], dout(r, 0), &r->index);
}

static size_t scatter_scratch(const struct medvl_tape_record *r,
                              bool backward)
{
    (void)backward;
    return medvl_scatter_rows_scratch(in(r, 0)->size[0]);
}

const struct medvl_tape_op medvl_tape_op_scatter_rows = {
    .name = "scatter_rows",
    .shape = scatter_shape,
    .forward = scatter_forward,
    .backward = scatter_backward,
    .scratch = scatter_scratch,
};

/* in: rows; the cache that they go to is r->cos. */
static int store_shape(struct medvl_tensor *o,
                       const struct medvl_tape_record *r,
                       struct medvl_error *err)
{
    int rc = check_rows(&r->cos, "cache", -1, err);

    (void)o;
    if (rc == MEDVL_OK)
        rc = check_rows(in(r, 0), "rows", r->cos.size[1], err);
    if (rc == MEDVL_OK)
        rc = check_index(&r->index, in(r, 0)->size[0], err);
    return rc;
}

static void store_forward(struct medvl_device *dev,
                          const struct medvl_tape_record *r)
{
    struct medvl_tensor cache = r->cos;

    dev->ops->scatter_rows_forward(dev, &cache, NULL, in(r, 0), &r->index);
}

static size_t store_scratch(const struct medvl_tape_record *r, bool backward)
{
    (void)backward;
    return medvl_scatter_rows_scratch(r->cos.size[0]);
}

const struct medvl_tape_op medvl_tape_op_store_rows = {
    .name = "store_rows",
    .shape = store_shape,
    .forward = store_forward,
    .scratch = store_scratch,
};

/* in: inp; index is cu. */
static int mean_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    int rc = act_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_index(&r->index, -1, err);
    if (rc == MEDVL_OK && r->index.size[0] < 2)
        rc = medvl_fail(err, MEDVL_EARG, "no sequences");
    o[0] = f32_rows(r->index.size[0] - 1, in(r, 0)->size[1]);
    return rc;
}

static void mean_forward(struct medvl_device *dev,
                         const struct medvl_tape_record *r)
{
    dev->ops->mean_rows_forward(dev, out(r, 0), in(r, 0), &r->index);
}

static void mean_backward(struct medvl_device *dev,
                          const struct medvl_tape_record *r,
                          struct medvl_tensor *const *d)
{
    dev->ops->mean_rows_backward(dev, d[0], dout(r, 0), &r->index);
}

const struct medvl_tape_op medvl_tape_op_mean_rows = {
    .name = "mean_rows",
    .shape = mean_shape,
    .forward = mean_forward,
    .backward = mean_backward,
};

/* ---- rope ------------------------------------------------------------ */

static int rope_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    int rc = act_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = check_heads(in(r, 0)->size[1], r->head_size, err);
    if (rc == MEDVL_OK)
        rc = check_rows(&r->cos, "table of cosines", -1, err);
    if (rc == MEDVL_OK)
        rc = check_same(&r->cos, &r->sin, "table of sines", err);
    if (rc == MEDVL_OK && (r->cos.size[0] != in(r, 0)->size[0] ||
                           2 * r->cos.size[1] > r->head_size))
        rc = medvl_fail(err, MEDVL_EARG,
                        "tables are (%lld,%lld) for %lld tokens of head "
                        "size %lld",
                        (long long)r->cos.size[0], (long long)r->cos.size[1],
                        (long long)in(r, 0)->size[0],
                        (long long)r->head_size);
    return rc;
}

static void rope_forward(struct medvl_device *dev,
                         const struct medvl_tape_record *r)
{
    dev->ops->rope_forward(dev, out(r, 0), in(r, 0), &r->cos, &r->sin,
                           r->head_size);
}

static void rope_backward(struct medvl_device *dev,
                          const struct medvl_tape_record *r,
                          struct medvl_tensor *const *d)
{
    dev->ops->rope_backward(dev, d[0], dout(r, 0), &r->cos, &r->sin,
                            r->head_size);
}

const struct medvl_tape_op medvl_tape_op_rope = {
    .name = "rope",
    .shape = rope_shape,
    .forward = rope_forward,
    .backward = rope_backward,
};

/* ---- attention: in q, k, v; out out, lse ----------------------------- */

static int attention_check(const struct medvl_tape_record *r,
                           struct medvl_error *err)
{
    const struct medvl_attention *a = r->attention;
    const struct medvl_tensor *k = in(r, 1);

    if (a->head_size < 1 || a->groups < 1 || a->heads < a->groups ||
        a->heads % a->groups != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld heads over %lld groups of size %lld",
                          (long long)a->heads, (long long)a->groups,
                          (long long)a->head_size);
    if (a->head_size > MEDVL_HEAD_SIZE_MAX)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "heads of size %lld, at most %d are built in",
                          (long long)a->head_size, MEDVL_HEAD_SIZE_MAX);
    if (a->sequences < 1 || a->max_q < 1 || a->max_k < 1)
        return medvl_fail(err, MEDVL_EARG, "no sequences");
    if (a->cu_q && a->cu_q[a->sequences] != in(r, 0)->size[0])
        return medvl_fail(err, MEDVL_EARG,
                          "sequences have %d queries, want %lld",
                          a->cu_q[a->sequences],
                          (long long)in(r, 0)->size[0]);
    if (a->pages ? a->page < 1 : a->cu_k && a->cu_k[a->sequences] != k->size[0])
        return medvl_fail(err, MEDVL_EARG,
                          "sequences do not have %lld keys",
                          (long long)k->size[0]);
    if (a->pages && r->wanted)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "keys in pages have no gradient");
    return MEDVL_OK;
}

static int attention_shape(struct medvl_tensor *o,
                           const struct medvl_tape_record *r,
                           struct medvl_error *err)
{
    const struct medvl_attention *a = r->attention;
    int64_t channels;
    int rc = attention_check(r, err);

    if (rc < 0)
        return rc;
    channels = a->groups * a->head_size;
    rc = check_rows(in(r, 0), "queries", a->heads * a->head_size, err);
    if (rc == MEDVL_OK)
        rc = check_rows(in(r, 1), "keys", channels, err);
    if (rc == MEDVL_OK)
        rc = check_same(in(r, 1), in(r, 2), "values", err);
    o[0] = f32_rows(in(r, 0)->size[0], in(r, 0)->size[1]);
    o[1] = f32_rows(in(r, 0)->size[0], a->heads);
    return rc;
}

static void attention_forward(struct medvl_device *dev,
                              const struct medvl_tape_record *r)
{
    dev->ops->attention_forward(dev, out(r, 0), out(r, 1), in(r, 0),
                                in(r, 1), in(r, 2), r->attention);
}

static void attention_backward(struct medvl_device *dev,
                               const struct medvl_tape_record *r,
                               struct medvl_tensor *const *d)
{
    dev->ops->attention_backward(dev, d[0], d[1], d[2], dout(r, 0),
                                 out(r, 0), out(r, 1), in(r, 0), in(r, 1),
                                 in(r, 2), r->attention);
}

/* Two products of head_size for every key that a query sees. */
static double attention_flops(const struct medvl_tape_record *r)
{
    const struct medvl_attention *a = r->attention;
    double pairs = 0;

    if (!a->cu_q || !a->cu_k)
        return 4 * rows(r, 0) * columns(r, 0) * (double)a->max_k /
               (a->causal ? 2 : 1);
    for (int64_t s = 0; s < a->sequences; s++) {
        const double q = a->cu_q[s + 1] - a->cu_q[s];
        const double k = a->cu_k[s + 1] - a->cu_k[s];

        pairs += a->causal ? q * (k - (q - 1) / 2) : q * k;
    }
    return 4 * pairs * columns(r, 0);
}

static size_t attention_scratch(const struct medvl_tape_record *r,
                                bool backward)
{
    return medvl_attention_scratch(r->attention, in(r, 0)->size[0],
                                   backward);
}

const struct medvl_tape_op medvl_tape_op_attention = {
    .name = "attention",
    .shape = attention_shape,
    .forward = attention_forward,
    .backward = attention_backward,
    .flops = attention_flops,
    .scratch = attention_scratch,
    .saved_in = 7,
    .saved_out = 3,
    .aux = 2,
};

/* ---- head_logprob: in hidden, head, bias; out logp, entropy, mean, lse  */

static int head_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    const struct medvl_tensor *head = in(r, 1);
    int64_t n;
    int rc;

    if (head->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "head has rank %d, want 2",
                          head->rank);
    rc = check_weight(head, "head", err);
    if (rc == MEDVL_OK)
        rc = check_rows(in(r, 0), "hidden", head->size[1], err);
    if (rc == MEDVL_OK && in(r, 2))
        rc = check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE, head->size[0],
                          err);
    if (rc < 0)
        return rc;
    n = in(r, 0)->size[0];
    for (int i = 0; i < MEDVL_TAPE_OUT; i++)
        if (r->asked[i])
            o[i] = medvl_tensor_1d(NULL, MEDVL_DTYPE_F32, n);
    return check_index(&r->index, n, err);
}

static void head_forward(struct medvl_device *dev,
                         const struct medvl_tape_record *r)
{
    dev->ops->head_logprob_forward(dev, out(r, 0), out(r, 1), out(r, 2),
                                   out(r, 3), in(r, 0), in(r, 1), in(r, 2),
                                   &r->index);
}

static void head_backward(struct medvl_device *dev,
                          const struct medvl_tape_record *r,
                          struct medvl_tensor *const *d)
{
    dev->ops->head_logprob_backward(
        dev, d[0], d[1], d[2], dout(r, 0), dout(r, 1), dout(r, 2), in(r, 0),
        in(r, 1), in(r, 2), &r->index, out(r, 3), out(r, 1));
}

static double head_flops(const struct medvl_tape_record *r)
{
    return 2 * rows(r, 0) * columns(r, 0) * rows(r, 1);
}

static size_t head_scratch(const struct medvl_tape_record *r, bool backward)
{
    const struct medvl_tensor *head = in(r, 1);

    (void)backward;
    return medvl_head_logprob_scratch(in(r, 0)->size[0], head->size[1],
                                      head->size[0], head->dtype);
}

const struct medvl_tape_op medvl_tape_op_head_logprob = {
    .name = "head_logprob",
    .shape = head_shape,
    .forward = head_forward,
    .backward = head_backward,
    .flops = head_flops,
    .scratch = head_scratch,
    .saved_in = 1,
    .saved_out = 8 | 2,
};
