/*
 * The table of operations, its second half: rows, positions, attention,
 * log-probabilities.
 *
 * Read next: ../model/config.h.
 */
#include "lib/tensor/tape_op_part.h"

/* ---- rows ------------------------------------------------------------ */

static int check_index(const struct medvl_tensor *index, int64_t size,
                       struct medvl_error *err)
{
    if (size < 0)
        size = index->size[0];
    return tape_check_vector(index, "index", MEDVL_DTYPE_I32, size, err);
}

static int check_table(const struct medvl_tensor *table,
                       struct medvl_error *err)
{
    if (table->rank != 2)
        return medvl_fail(err, MEDVL_EARG, "table has rank %d, want 2",
                          table->rank);
    return tape_check_weight(table, "table", err);
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
        rc = tape_check_type(index, "index", MEDVL_DTYPE_I32, err);
    if (rc == MEDVL_OK)
        rc = tape_check_same(index, &r->weight, "weight", err);
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
    int rc = tape_rows_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = tape_check_rows(in(r, 1), "rows", base->size[1], err);
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
    int rc = tape_check_rows(&r->cos, "cache", -1, err);

    (void)o;
    if (rc == MEDVL_OK)
        rc = tape_check_rows(in(r, 0), "rows", r->cos.size[1], err);
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
    int rc = tape_rows_shape(o, r, err);

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
    int rc = tape_rows_shape(o, r, err);

    if (rc == MEDVL_OK)
        rc = tape_check_heads(in(r, 0)->size[1], r->head_size, err);
    if (rc == MEDVL_OK)
        rc = tape_check_rows(&r->cos, "table of cosines", -1, err);
    if (rc == MEDVL_OK)
        rc = tape_check_same(&r->cos, &r->sin, "table of sines", err);
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
    rc = tape_check_rows(in(r, 0), "queries", a->heads * a->head_size, err);
    if (rc == MEDVL_OK)
        rc = tape_check_rows(in(r, 1), "keys", channels, err);
    if (rc == MEDVL_OK)
        rc = tape_check_same(in(r, 1), in(r, 2), "values", err);
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
    rc = tape_check_weight(head, "head", err);
    if (rc == MEDVL_OK)
        rc = tape_check_rows(in(r, 0), "hidden", head->size[1], err);
    if (rc == MEDVL_OK && in(r, 2))
        rc = tape_check_vector(in(r, 2), "bias", MEDVL_DTYPE_NONE,
                               head->size[0], err);
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
