/*
 * Root-mean-square and layer normalization over rows.
 *
 * Rows go to the team in blocks.  Backward, each block sums its rows' dw
 * and db into its own row of scratch, and the blocks are then added in
 * order, so the bits do not depend on who did which.
 *
 * Read next: norm_avx2.c, then gemm.c.
 */
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/norm_ref.h"

#define BLOCKS_MAX 64 /* partial sums of dw and db in scratch */
#define BLOCK_ROWS 32

static const struct norm_rows norm_rows_plain = {
    rmsnorm_forward,
    rmsnorm_backward,
    layernorm_forward,
    layernorm_backward,
};

static int64_t block_rows(int64_t N)
{
    return max_i64(BLOCK_ROWS, ceil_div(N, BLOCKS_MAX));
}

/* Scratch: w and b as floats, then two rows of sums for each block. */
size_t medvl_norm_scratch(int64_t N, int64_t C)
{
    const int64_t blocks = ceil_div(N, block_rows(N));

    return (size_t)(2 + 2 * blocks) * (size_t)C * sizeof(float);
}

struct norm_args {
    const struct norm_rows *rows;
    int64_t N, C, step, blocks; /* N counts heads: rows of C values */
    int64_t heads;              /* in a row of inp */
    const struct medvl_tensor *out, *inp, *saved, *dout, *dinp;
    const float *w, *b;
    float *sums; /* (blocks, 2, C) */
    float *dw, *db;
    float eps;
    bool layer;
};

static struct norm_args norm_args(struct medvl_device *dev, bool layer,
                                  const struct medvl_tensor *inp,
                                  const struct medvl_tensor *w,
                                  const struct medvl_tensor *b)
{
    const int64_t C = medvl_tensor_columns(w);
    const int64_t heads = medvl_tensor_columns(inp) / max_i64(C, 1);
    const int64_t N = medvl_tensor_rows(inp) * heads;
    float *scratch = dev->scratch;
    struct norm_args args = {
        .rows = CPU_ROWS(dev, norm),
        .N = N,
        .C = C,
        .heads = heads,
        .step = block_rows(N),
        .inp = inp,
        .w = cpu_as_f32(dev, scratch, w),
        .b = cpu_as_f32(dev, scratch + C, b),
        .sums = scratch + 2 * C,
        .layer = layer,
    };

    assert(dev->scratch_size >= medvl_norm_scratch(N, C));
    args.blocks = ceil_div(N, args.step);
    return args;
}

/* Head i, counted through all rows; NULL stays NULL. */
static float *head(const struct norm_args *a, const struct medvl_tensor *t,
                   int64_t i)
{
    float *row = f32_row(t, i / a->heads);

    return row ? row + i % a->heads * a->C : NULL;
}

static void forward_task(void *arg, int64_t index, int thread)
{
    const struct norm_args *a = arg;
    const int64_t last = min_i64(a->N, (index + 1) * a->step);

    (void)thread;
    for (int64_t i = index * a->step; i < last; i++) {
        float *out = head(a, a->out, i), *saved = f32_row(a->saved, 0);
        const float *inp = head(a, a->inp, i);

        if (saved)
            saved += a->layer ? i * a->saved->stride : i;
        if (a->layer)
            a->rows->layernorm_forward(out, saved, inp, a->w, a->b, a->C,
                                       a->eps);
        else
            a->rows->rmsnorm_forward(out, saved, inp, a->w, a->C, a->eps);
    }
}

static void backward_task(void *arg, int64_t index, int thread)
{
    const struct norm_args *a = arg;
    const int64_t last = min_i64(a->N, (index + 1) * a->step);
    float *sums = a->sums + index * 2 * a->C;
    float *dw = a->dw ? sums : NULL, *db = a->db ? sums + a->C : NULL;

    (void)thread;
    if (dw)
        memset(dw, 0, (size_t)a->C * sizeof(float));
    if (db)
        memset(db, 0, (size_t)a->C * sizeof(float));
    for (int64_t i = index * a->step; i < last; i++) {
        const float *dout = head(a, a->dout, i), *inp = head(a, a->inp, i);
        const float *saved = f32_row(a->saved, 0);
        float *dinp = head(a, a->dinp, i);

        if (a->layer)
            a->rows->layernorm_backward(dinp, dw, db, dout, inp, a->w,
                                        saved + i * a->saved->stride, a->C);
        else
            a->rows->rmsnorm_backward(dinp, dw, dout, inp, a->w, saved[i],
                                      a->C);
    }
}

static void add_blocks(const struct norm_args *a)
{
    for (int64_t block = 0; block < a->blocks; block++) {
        const float *sums = a->sums + block * 2 * a->C;

        for (int64_t c = 0; a->dw && c < a->C; c++)
            a->dw[c] += sums[c];
        for (int64_t c = 0; a->db && c < a->C; c++)
            a->db[c] += sums[a->C + c];
    }
}

void medvl_cpu_rmsnorm_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *rrms,
    const struct medvl_tensor *inp, const struct medvl_tensor *w, float eps)
{
    struct norm_args args = norm_args(dev, false, inp, w, NULL);

    args.out = out;
    args.saved = rrms;
    args.eps = eps;
    medvl_pool_run(dev->pool, args.blocks, forward_task, &args);
}

void medvl_cpu_rmsnorm_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    const struct medvl_tensor *w, const struct medvl_tensor *rrms)
{
    struct norm_args args = norm_args(dev, false, inp, w, NULL);

    args.dinp = dinp;
    args.dw = f32_row(dw, 0);
    args.dout = dout;
    args.saved = rrms;
    medvl_pool_run(dev->pool, args.blocks, backward_task, &args);
    add_blocks(&args);
}

void medvl_cpu_layernorm_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *moments,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_tensor *b, float eps)
{
    struct norm_args args = norm_args(dev, true, inp, w, b);

    args.out = out;
    args.saved = moments;
    args.eps = eps;
    medvl_pool_run(dev->pool, args.blocks, forward_task, &args);
}

void medvl_cpu_layernorm_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    struct medvl_tensor *db,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    const struct medvl_tensor *w, const struct medvl_tensor *moments)
{
    struct norm_args args = norm_args(dev, true, inp, w, NULL);

    args.dinp = dinp;
    args.dw = f32_row(dw, 0);
    args.db = f32_row(db, 0);
    args.dout = dout;
    args.saved = moments;
    medvl_pool_run(dev->pool, args.blocks, backward_task, &args);
    add_blocks(&args);
}
