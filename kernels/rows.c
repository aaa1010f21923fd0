/*
 * Rows taken from a table, placed into a sequence, averaged.
 *
 * Where two rows may meet in one (gather backward), the team divides the
 * columns, so that every sum is made by one thread in order.
 *
 * Read next: rope.c.
 */
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/rows_ref.h"

#define COLUMNS 64   /* of a column piece */
#define WIDE    4096 /* columns of a narrow table as floats at a time */

struct rows_args {
    const struct convert_rows *convert;
    struct medvl_device *dev;
    const struct medvl_tensor *out, *inp, *index, *weight;
    int64_t N, C, step;
    const uint8_t *taken; /* scatter backward: rows that were replaced */
};

static struct rows_args rows_args(struct medvl_device *dev,
                                  const struct medvl_tensor *out,
                                  const struct medvl_tensor *inp,
                                  const struct medvl_tensor *index)
{
    const struct medvl_tensor *shape = out ? out : inp;
    struct rows_args args = {
        .convert = CPU_ROWS(dev, convert),
        .dev = dev,
        .out = out,
        .inp = inp,
        .index = index,
        .N = medvl_tensor_rows(shape),
        .C = medvl_tensor_columns(shape),
    };

    args.step = max_i64(1, 16384 / max_i64(args.C, 1));
    return args;
}

static void run(struct medvl_device *dev, int64_t rows,
                void (*task)(void *, int64_t, int), struct rows_args *args)
{
    args->N = rows;
    medvl_pool_run(dev->pool, ceil_div(rows, args->step), task, args);
}

static void gather_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int32_t *index = i32_data(a->index);
    const int64_t last = min_i64(a->N, (block + 1) * a->step);

    (void)thread;
    for (int64_t i = block * a->step; i < last; i++) {
        float *out = f32_row(a->out, i);

        if (index[i] < 0)
            memset(out, 0, (size_t)a->C * sizeof(*out));
        else
            a->convert->convert(out, MEDVL_DTYPE_F32,
                                item_at(a->inp, index[i], 0),
                                a->inp->dtype, a->C);
    }
}

void medvl_cpu_gather_rows_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *table, const struct medvl_tensor *index)
{
    struct rows_args args = rows_args(dev, out, table, index);

    run(dev, args.N, gather_task, &args);
}

static void gather_back_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int64_t first = block * COLUMNS;

    (void)thread;
    gather_rows_backward(f32_row(a->out, 0) + first,
                         f32_row(a->inp, 0) + first, i32_data(a->index),
                         a->N, min_i64(COLUMNS, a->C - first),
                         a->out->stride, a->inp->stride);
}

void medvl_cpu_gather_rows_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dtable,
    const struct medvl_tensor *dout, const struct medvl_tensor *index)
{
    struct rows_args args = rows_args(dev, dtable, dout, index);

    if (!dtable || !dtable->data)
        return;
    args.N = medvl_tensor_rows(dout);
    medvl_pool_run(dev->pool, ceil_div(args.C, COLUMNS), gather_back_task,
                   &args);
}

/* Columns [c, c + count) of one row; room for as many floats. */
static void mix_row(const struct rows_args *a, int64_t row, int64_t c,
                    int64_t count, float *room)
{
    const int64_t T = medvl_tensor_columns(a->index);
    const int32_t *index = i32_data(a->index) + row * T;
    const float *weight = f32_row(a->weight, row);
    float *out = f32_row(a->out, row) + c;

    memset(out, 0, (size_t)count * sizeof(*out));
    for (int64_t t = 0; t < T; t++) {
        const void *from;

        if (index[t] < 0)
            continue;
        from = item_at(a->inp, index[t], c);
        if (a->inp->dtype != MEDVL_DTYPE_F32) {
            a->convert->convert(room, MEDVL_DTYPE_F32, from, a->inp->dtype,
                                count);
            from = room;
        }
        add_scaled(out, from, weight[t], count);
    }
}

static void mix_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int64_t last = min_i64(a->N, (block + 1) * a->step);
    float *room = cpu_thread_scratch(a->dev, thread);

    for (int64_t i = block * a->step; i < last; i++)
        for (int64_t c = 0; c < a->C; c += WIDE)
            mix_row(a, i, c, min_i64(WIDE, a->C - c), room);
}

void medvl_cpu_mix_rows_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *table, const struct medvl_tensor *index,
    const struct medvl_tensor *weight)
{
    struct rows_args args = rows_args(dev, out, table, index);

    args.weight = weight;
    run(dev, args.N, mix_task, &args);
}

static void mix_back_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int64_t first = block * COLUMNS;

    (void)thread;
    mix_rows_backward(f32_row(a->out, 0) + first, f32_row(a->inp, 0) + first,
                      i32_data(a->index), f32_row(a->weight, 0), a->N,
                      medvl_tensor_columns(a->index),
                      min_i64(COLUMNS, a->C - first), a->out->stride,
                      a->inp->stride, a->weight->stride);
}

void medvl_cpu_mix_rows_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dtable,
    const struct medvl_tensor *dout, const struct medvl_tensor *index,
    const struct medvl_tensor *weight)
{
    struct rows_args args = rows_args(dev, dtable, dout, index);

    if (!dtable || !dtable->data)
        return;
    args.weight = weight;
    args.N = medvl_tensor_rows(dout);
    medvl_pool_run(dev->pool, ceil_div(args.C, COLUMNS), mix_back_task,
                   &args);
}

static void copy_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int64_t last = min_i64(a->N, (block + 1) * a->step);

    (void)thread;
    for (int64_t i = block * a->step; i < last; i++)
        memcpy(f32_row(a->out, i), f32_row(a->inp, i),
               (size_t)a->C * sizeof(float));
}

static void place_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int32_t *index = i32_data(a->index);
    const int64_t last = min_i64(a->N, (block + 1) * a->step);

    (void)thread;
    for (int64_t i = block * a->step; i < last; i++)
        if (index[i] >= 0)
            memcpy(f32_row(a->out, index[i]), f32_row(a->inp, i),
                   (size_t)a->C * sizeof(float));
}

void medvl_cpu_scatter_rows_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *base,
    const struct medvl_tensor *rows, const struct medvl_tensor *index)
{
    struct rows_args args = rows_args(dev, out, base, index);

    if (base && base->data != out->data)
        run(dev, args.N, copy_task, &args);
    args.inp = rows;
    run(dev, medvl_tensor_rows(rows), place_task, &args);
}

static void take_back_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int32_t *index = i32_data(a->index);
    const int64_t last = min_i64(a->N, (block + 1) * a->step);

    (void)thread;
    for (int64_t i = block * a->step; i < last; i++)
        if (index[i] >= 0)
            add_row(f32_row(a->out, i), f32_row(a->inp, index[i]), a->C);
}

static void keep_back_task(void *arg, int64_t block, int thread)
{
    const struct rows_args *a = arg;
    const int64_t last = min_i64(a->N, (block + 1) * a->step);

    (void)thread;
    for (int64_t i = block * a->step; i < last; i++)
        if (!a->taken[i])
            add_row(f32_row(a->out, i), f32_row(a->inp, i), a->C);
}

size_t medvl_scatter_rows_scratch(int64_t N)
{
    return (size_t)N;
}

void medvl_cpu_scatter_rows_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dbase, struct medvl_tensor *drows,
    const struct medvl_tensor *dout, const struct medvl_tensor *index)
{
    const int64_t N = medvl_tensor_rows(dout);
    const int64_t R = medvl_tensor_rows(index) * medvl_tensor_columns(index);
    struct rows_args args = rows_args(dev, drows, dout, index);
    uint8_t *taken = dev->scratch;

    if (drows && drows->data)
        run(dev, R, take_back_task, &args);
    if (!dbase || !dbase->data)
        return;
    assert(dev->scratch_size >= medvl_scatter_rows_scratch(N));
    memset(taken, 0, (size_t)N);
    for (int64_t i = 0; i < R; i++)
        if (i32_data(index)[i] >= 0)
            taken[i32_data(index)[i]] = 1;
    args.taken = taken;
    args.out = dbase;
    run(dev, N, keep_back_task, &args);
}

static void mean_task(void *arg, int64_t s, int thread)
{
    const struct rows_args *a = arg;
    const int32_t *cu = i32_data(a->index);

    (void)thread;
    mean_rows_forward(f32_row(a->out, s), f32_row(a->inp, cu[s]),
                      cu[s + 1] - cu[s], a->C, a->inp->stride);
}

void medvl_cpu_mean_rows_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *cu)
{
    struct rows_args args = rows_args(dev, out, inp, cu);

    medvl_pool_run(dev->pool, args.N, mean_task, &args);
}

static void mean_back_task(void *arg, int64_t s, int thread)
{
    const struct rows_args *a = arg;
    const int32_t *cu = i32_data(a->index);

    (void)thread;
    mean_rows_backward(f32_row(a->out, cu[s]), f32_row(a->inp, s),
                       cu[s + 1] - cu[s], a->C, a->out->stride);
}

void medvl_cpu_mean_rows_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp,
    const struct medvl_tensor *dout, const struct medvl_tensor *cu)
{
    struct rows_args args = rows_args(dev, dinp, dout, cu);

    if (!dinp || !dinp->data)
        return;
    medvl_pool_run(dev->pool, medvl_tensor_rows(dout), mean_back_task,
                   &args);
}
