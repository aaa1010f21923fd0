/*
 * The table of operations: each in four small functions, in the order of
 * kernels/ops.h.  N rows, C channels; other letters as there.
 *
 * Read next: tape_op_rows.c.
 */
#include "lib/tensor/tape_op_part.h"

/* ---- checks ---------------------------------------------------------- */

int tape_check_type(const struct medvl_tensor *t, const char *what,
                    enum medvl_dtype want, struct medvl_error *err)
{
    if (t->dtype != want)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s is %s, want %s", what,
                          medvl_dtype_name(t->dtype), medvl_dtype_name(want));
    return MEDVL_OK;
}

int tape_check_weight(const struct medvl_tensor *t, const char *what,
                      struct medvl_error *err)
{
    if (t->dtype != MEDVL_DTYPE_F32 && t->dtype != MEDVL_DTYPE_BF16 &&
        t->dtype != MEDVL_DTYPE_F16)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%s is %s, want F32, BF16 or F16", what,
                          medvl_dtype_name(t->dtype));
    return MEDVL_OK;
}

int tape_check_rows(const struct medvl_tensor *t, const char *what,
                    int64_t channels, struct medvl_error *err)
{
    if (t->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "%s has rank %d, want 2", what,
                          t->rank);
    if (channels >= 0 && t->size[1] != channels)
        return medvl_fail(err, MEDVL_EARG,
                          "%s has %lld channels, want %lld", what,
                          (long long)t->size[1], (long long)channels);
    return tape_check_type(t, what, MEDVL_DTYPE_F32, err);
}

int tape_check_vector(const struct medvl_tensor *t, const char *what,
                      enum medvl_dtype type, int64_t size,
                      struct medvl_error *err)
{
    if (t->rank != 1 || t->size[0] != size)
        return medvl_fail(err, MEDVL_EARG,
                          "%s has rank %d and size %lld, want 1 and %lld",
                          what, t->rank, (long long)t->size[0],
                          (long long)size);
    return type == MEDVL_DTYPE_NONE ? tape_check_weight(t, what, err)
                                    : tape_check_type(t, what, type, err);
}

int tape_check_same(const struct medvl_tensor *a,
                    const struct medvl_tensor *b, const char *what,
                    struct medvl_error *err)
{
    if (a->size[0] != b->size[0])
        return medvl_fail(err, MEDVL_EARG, "%s has %lld rows, want %lld",
                          what, (long long)b->size[0],
                          (long long)a->size[0]);
    return tape_check_rows(b, what, a->size[1], err);
}

int tape_check_heads(int64_t channels, int64_t head_size,
                     struct medvl_error *err)
{
    if (head_size < 1 || channels % head_size != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld channels are no multiple of head size %lld",
                          (long long)channels, (long long)head_size);
    return MEDVL_OK;
}

int tape_rows_shape(struct medvl_tensor *o,
                    const struct medvl_tape_record *r,
                    struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);

    o[0] = f32_rows(inp->size[0], inp->size[1]);
    return tape_check_rows(inp, "input", -1, err);
}

/* ---- views: in what they show ---------------------------------------- */

static int columns_shape(struct medvl_tensor *o,
                         const struct medvl_tape_record *r,
                         struct medvl_error *err)
{
    const struct medvl_tensor *inp = in(r, 0);
    int rc = tape_check_rows(inp, "input", -1, err);

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
    int rc = tape_check_weight(inp, "input", err);

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
    int rc = tape_check_rows(a, "first input", -1, err);

    if (rc == MEDVL_OK)
        rc = tape_check_rows(b, "second input", -1, err);
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
    rc = tape_check_weight(w, "weight", err);
    if (rc == MEDVL_OK)
        rc = tape_check_rows(in(r, 0), "input", w->size[1], err);
    if (rc == MEDVL_OK && in(r, 2))
        rc = tape_check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE, w->size[0],
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
    int rc = tape_check_rows(inp, "input", -1, err);

    if (rc == MEDVL_OK && r->head_size)
        rc = tape_check_heads(C, D, err);
    if (rc == MEDVL_OK)
        rc = tape_check_vector(in(r, 1), "weight", MEDVL_DTYPE_NONE, D, err);
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
        rc = tape_check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE, inp->size[1],
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
    .shape = tape_rows_shape,
    .forward = act_forward,
    .backward = act_backward,
    .saved_in = 1,
};

static int pair_shape(struct medvl_tensor *o,
                      const struct medvl_tape_record *r,
                      struct medvl_error *err)
{
    int rc = tape_rows_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = tape_check_same(in(r, 0), in(r, 1), "second input", err);
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
    int rc = tape_rows_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = tape_check_vector(in(r, 1), "weight", MEDVL_DTYPE_NONE,
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
    .shape = tape_rows_shape,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
