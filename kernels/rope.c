/*
 * Rotary positions, rows to the team in blocks.
 *
 * Read next: rope_avx2.c, then attention.c.
 */
#include "kernels/cpu.h"
#include "kernels/rope_ref.h"

static const struct rope_rows rope_rows_plain = {rope_forward, rope_backward};

struct rope_args {
    void (*turn)(float *, const float *, const float *, const float *,
                 int64_t, int64_t, int64_t);
    const struct medvl_tensor *out, *inp, *cos, *sin;
    int64_t N, H, D, R, step;
};

static void rope_task(void *arg, int64_t index, int thread)
{
    const struct rope_args *a = arg;
    const int64_t last = min_i64(a->N, (index + 1) * a->step);

    (void)thread;
    for (int64_t i = index * a->step; i < last; i++)
        a->turn(f32_row(a->out, i), f32_row(a->inp, i), f32_row(a->cos, i),
                f32_row(a->sin, i), a->H, a->D, a->R);
}

static void rope(struct medvl_device *dev, struct rope_args *a,
                 int64_t head_size)
{
    const int64_t C = medvl_tensor_columns(a->inp);

    a->N = medvl_tensor_rows(a->inp);
    a->D = head_size;
    a->H = C / head_size;
    a->R = 2 * medvl_tensor_columns(a->cos);
    a->step = max_i64(1, 16384 / C);
    assert(a->R <= a->D && a->H * a->D == C);
    medvl_pool_run(dev->pool, ceil_div(a->N, a->step), rope_task, a);
}

void medvl_cpu_rope_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    const struct medvl_tensor *cos, const struct medvl_tensor *sin,
    int64_t head_size)
{
    struct rope_args args = {
        .turn = CPU_ROWS(dev, rope)->forward,
        .out = out,
        .inp = inp,
        .cos = cos,
        .sin = sin,
    };

    rope(dev, &args, head_size);
}

void medvl_cpu_rope_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, const struct medvl_tensor *dout,
    const struct medvl_tensor *cos, const struct medvl_tensor *sin,
    int64_t head_size)
{
    struct rope_args args = {
        .turn = CPU_ROWS(dev, rope)->backward,
        .out = dinp,
        .inp = dout,
        .cos = cos,
        .sin = sin,
    };

    rope(dev, &args, head_size);
}
