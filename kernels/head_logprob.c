/*
 * Log-probabilities of targets, by chunks of rows: the logits of a chunk
 * stand in scratch, never those of all rows.  Backward makes them again.
 *
 * Rows whose target is -1 are left out before the product: a chunk is the
 * next rows that count, copied together.
 *
 * Read next: head_logprob_avx2.c, then elementwise.c.
 */
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/head_logprob_ref.h"

#define CHUNK_ITEMS ((int64_t)8 << 20) /* logits at a time: 32 MiB */
#define CHUNK_LEAST 16
#define CHUNK_MOST  1024
#define PANEL       2048 /* rows of a head that is not f32, as f32 */
#define COLUMNS     256  /* of dbias in a task */

static const struct head_rows head_rows_plain = {head_forward, head_backward};

static int64_t chunk_rows(int64_t N, int64_t V)
{
    int64_t rows = CHUNK_ITEMS / max_i64(V, 1);

    rows = max_i64(CHUNK_LEAST, min_i64(CHUNK_MOST, rows));
    return min_i64(rows, max_i64(N, 1));
}

static int64_t panel_items(int64_t V, int64_t C, enum medvl_dtype head)
{
    return head == MEDVL_DTYPE_F32 ? 0 : min_i64(PANEL, V) * C;
}

/* Row numbers; logits, hidden and dhidden of a chunk, bias, a panel of the
 * head. */
size_t medvl_head_logprob_scratch(int64_t N, int64_t C, int64_t V,
                                  enum medvl_dtype head)
{
    const int64_t rows = chunk_rows(N, V);

    return (size_t)(rows * (V + 2 * C) + V + panel_items(V, C, head)) *
               sizeof(float) +
           (size_t)rows * sizeof(int64_t);
}

struct head_args {
    struct medvl_device *dev;
    const struct head_rows *rows;
    int64_t N, C, V, room; /* room: rows of a chunk */
    const struct medvl_tensor *hidden, *head;
    const float *bias; /* (V) or NULL */
    const int32_t *target;

    float *logp, *entropy, *mean, *lse; /* forward's results */
    const float *dlogp, *dentropy, *dmean;
    float *dhead, *dbias;
    int64_t lddhead;
    struct medvl_tensor *dhidden;

    /* The chunk. */
    int64_t count;
    int64_t *row; /* (count): which rows of hidden */
    float *logits, *inp, *dinp, *panel;
};

static struct head_args head_args(struct medvl_device *dev,
                                  const struct medvl_tensor *hidden,
                                  const struct medvl_tensor *head,
                                  const struct medvl_tensor *bias,
                                  const struct medvl_tensor *target)
{
    struct head_args a = {
        .dev = dev,
        .rows = CPU_ROWS(dev, head),
        .N = medvl_tensor_rows(hidden),
        .C = medvl_tensor_columns(hidden),
        .V = medvl_tensor_rows(head),
        .hidden = hidden,
        .head = head,
        .target = i32_data(target),
    };

    assert(dev->scratch_size >=
           medvl_head_logprob_scratch(a.N, a.C, a.V, head->dtype));
    a.room = chunk_rows(a.N, a.V);
    a.row = dev->scratch;
    a.logits = (float *)(a.row + a.room);
    a.inp = a.logits + a.room * a.V;
    a.dinp = a.inp + a.room * a.C;
    a.bias = cpu_as_f32(dev, a.dinp + a.room * a.C, bias);
    a.panel = a.dinp + a.room * a.C + a.V;
    return a;
}

/* The next rows from `next` on that have a target; where to go on. */
static int64_t take_chunk(struct head_args *a, int64_t next)
{
    a->count = 0;
    while (next < a->N && a->count < a->room) {
        if (a->target[next] >= 0) {
            memcpy(a->inp + a->count * a->C, f32_row(a->hidden, next),
                   (size_t)a->C * sizeof(float));
            a->row[a->count++] = next;
        }
        next++;
    }
    return next;
}

/* Rows [v, v + count) of the head as floats, and their distance. */
static const float *panel(const struct head_args *a, int64_t *stride,
                          int64_t v, int64_t count)
{
    struct medvl_tensor to, from;

    *stride = a->head->stride;
    if (a->head->dtype == MEDVL_DTYPE_F32)
        return f32_row(a->head, v);
    to = medvl_tensor_2d(a->panel, MEDVL_DTYPE_F32, count, a->C);
    from = medvl_tensor_2d(item_at(a->head, v, 0), a->head->dtype, count,
                           a->C);
    from.stride = a->head->stride;
    medvl_cpu_convert(a->dev, &to, &from);
    *stride = a->C;
    return a->panel;
}

static int64_t panel_step(const struct head_args *a)
{
    return a->head->dtype == MEDVL_DTYPE_F32 ? a->V : PANEL;
}

/* logits (count,V) = inp head^T + bias. */
static void chunk_logits(const struct head_args *a)
{
    if (a->dev->row_invariant) {
        const struct product product = {
            .out = a->logits,
            .inp = a->inp,
            .w = a->head->data,
            .bias = a->bias,
            .dtype = a->head->dtype,
            .n = a->count,
            .m = a->V,
            .k = a->C,
            .ldo = a->V,
            .ldi = a->C,
            .ldw = a->head->stride,
        };

        cpu_product(a->dev, &product);
        return;
    }
    for (int64_t v = 0; v < a->V; v += panel_step(a)) {
        struct gemm gemm = {
            .form = GEMM_NT,
            .n = a->count,
            .m = min_i64(panel_step(a), a->V - v),
            .k = a->C,
            .a = a->inp,
            .c = a->logits + v,
            .lda = a->C,
            .ldc = a->V,
            .alpha = 1,
            .bias = a->bias ? a->bias + v : NULL,
        };

        gemm.b = panel(a, &gemm.ldb, v, gemm.m);
        cpu_gemm(a->dev, &gemm);
    }
}

static void forward_task(void *arg, int64_t index, int thread)
{
    const struct head_args *a = arg;
    const int64_t row = a->row[index];
    float result[4];

    (void)thread;
    a->rows->forward(result, a->logits + index * a->V, a->V,
                     a->target[row]);
    a->logp[row] = result[0];
    if (a->entropy)
        a->entropy[row] = result[1];
    if (a->mean)
        a->mean[row] = result[2];
    a->lse[row] = result[3];
}

static void clear(float *values, int64_t count)
{
    if (values)
        memset(values, 0, (size_t)count * sizeof(float));
}

void medvl_cpu_head_logprob_forward(
    struct medvl_device *dev,
    struct medvl_tensor *logp, struct medvl_tensor *entropy,
    struct medvl_tensor *mean_logp, struct medvl_tensor *lse,
    const struct medvl_tensor *hidden, const struct medvl_tensor *head,
    const struct medvl_tensor *bias, const struct medvl_tensor *target)
{
    struct head_args a = head_args(dev, hidden, head, bias, target);

    a.logp = f32_row(logp, 0);
    a.entropy = f32_row(entropy, 0);
    a.mean = f32_row(mean_logp, 0);
    a.lse = f32_row(lse, 0);
    clear(a.logp, a.N);
    clear(a.entropy, a.N);
    clear(a.mean, a.N);
    clear(a.lse, a.N);
    for (int64_t next = 0; next < a.N;) {
        next = take_chunk(&a, next);
        if (a.count == 0)
            break;
        chunk_logits(&a);
        medvl_pool_run(dev->pool, a.count, forward_task, &a);
    }
}

static void backward_task(void *arg, int64_t index, int thread)
{
    const struct head_args *a = arg;
    const int64_t row = a->row[index];
    const float d[3] = {
        a->dlogp ? a->dlogp[row] : 0,
        a->dentropy ? a->dentropy[row] : 0,
        a->dmean ? a->dmean[row] : 0,
    };

    (void)thread;
    a->rows->backward(a->logits + index * a->V, a->V, a->target[row],
                      a->lse[row], a->entropy ? a->entropy[row] : 0, d);
}

/* dinp (count,C) = dlogits head, then to the rows it came from. */
static void chunk_dhidden(const struct head_args *a)
{
    for (int64_t v = 0; v < a->V; v += panel_step(a)) {
        struct gemm gemm = {
            .form = GEMM_NN,
            .n = a->count,
            .m = a->C,
            .k = min_i64(panel_step(a), a->V - v),
            .a = a->logits + v,
            .c = a->dinp,
            .lda = a->V,
            .ldc = a->C,
            .alpha = 1,
            .beta = v > 0,
        };

        gemm.b = panel(a, &gemm.ldb, v, gemm.k);
        cpu_gemm(a->dev, &gemm);
    }
    for (int64_t i = 0; i < a->count; i++) {
        float *out = f32_row(a->dhidden, a->row[i]);

        for (int64_t c = 0; c < a->C; c++)
            out[c] += a->dinp[i * a->C + c];
    }
}

/* dhead (V,C) += dlogits^T inp; a row of it has one owner. */
static void chunk_dhead(const struct head_args *a)
{
    const struct gemm gemm = {
        .form = GEMM_TN,
        .n = a->V,
        .m = a->C,
        .k = a->count,
        .a = a->logits,
        .b = a->inp,
        .c = a->dhead,
        .lda = a->V,
        .ldb = a->C,
        .ldc = a->lddhead,
        .alpha = 1,
        .beta = 1,
    };

    cpu_gemm(a->dev, &gemm);
}

/* A column of dbias has one owner, who adds the chunk's rows in order. */
static void dbias_task(void *arg, int64_t index, int thread)
{
    const struct head_args *a = arg;
    const int64_t last = min_i64(a->V, (index + 1) * COLUMNS);

    (void)thread;
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t v = index * COLUMNS; v < last; v++)
            a->dbias[v] += a->logits[i * a->V + v];
}

void medvl_cpu_head_logprob_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dhidden, struct medvl_tensor *dhead,
    struct medvl_tensor *dbias,
    const struct medvl_tensor *dlogp, const struct medvl_tensor *dentropy,
    const struct medvl_tensor *dmean_logp,
    const struct medvl_tensor *hidden, const struct medvl_tensor *head,
    const struct medvl_tensor *bias, const struct medvl_tensor *target,
    const struct medvl_tensor *lse, const struct medvl_tensor *entropy)
{
    struct head_args a = head_args(dev, hidden, head, bias, target);

    a.dlogp = f32_row(dlogp, 0);
    a.dentropy = f32_row(dentropy, 0);
    a.dmean = f32_row(dmean_logp, 0);
    a.lse = f32_row(lse, 0);
    a.entropy = f32_row(entropy, 0);
    a.dhidden = dhidden;
    a.dhead = f32_row(dhead, 0);
    a.dbias = f32_row(dbias, 0);
    a.lddhead = dhead ? dhead->stride : 0;
    for (int64_t next = 0; next < a.N;) {
        next = take_chunk(&a, next);
        if (a.count == 0)
            break;
        chunk_logits(&a);
        medvl_pool_run(dev->pool, a.count, backward_task, &a);
        if (f32_row(dhidden, 0))
            chunk_dhidden(&a);
        if (a.dhead)
            chunk_dhead(&a);
        if (a.dbias)
            medvl_pool_run(dev->pool, ceil_div(a.V, COLUMNS), dbias_task,
                           &a);
    }
}
