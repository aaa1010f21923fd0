/*
 * Activation functions and gated units, cut into pieces for the team.
 *
 * Read next: act_avx2.c.
 */
#include "kernels/act_ref.h"
#include "kernels/cpu.h"

static const struct act_rows act_rows_plain = {
    act_forward,
    act_backward,
    glu_forward,
    glu_backward,
};

struct act_args {
    const struct act_rows *rows;
    struct cut cut;
    const struct medvl_tensor *out, *inp, *up; /* inp: the gate of a glu */
    const struct medvl_tensor *dinp, *dup, *dout;
    enum medvl_act act;
};

static float *at(const struct medvl_tensor *tensor, int64_t row,
                 int64_t column)
{
    float *p = f32_row(tensor, row);

    return p ? p + column : NULL;
}

static void forward_task(void *arg, int64_t index, int thread)
{
    const struct act_args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++) {
        float *out = at(a->out, i, p.column);
        const float *inp = at(a->inp, i, p.column);

        if (a->up)
            a->rows->glu_forward(out, inp, at(a->up, i, p.column), a->act,
                                 p.columns);
        else
            a->rows->act_forward(out, inp, a->act, p.columns);
    }
}

static void backward_task(void *arg, int64_t index, int thread)
{
    const struct act_args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++) {
        const float *dout = at(a->dout, i, p.column);
        const float *inp = at(a->inp, i, p.column);
        float *dinp = at(a->dinp, i, p.column);

        if (a->up)
            a->rows->glu_backward(dinp, at(a->dup, i, p.column), dout, inp,
                                  at(a->up, i, p.column), a->act,
                                  p.columns);
        else if (dinp)
            a->rows->act_backward(dinp, dout, inp, a->act, p.columns);
    }
}

static struct act_args act_args(struct medvl_device *dev,
                                const struct medvl_tensor *inp,
                                enum medvl_act act)
{
    struct act_args args = {
        .rows = CPU_ROWS(dev, act),
        .cut = cut_matrix(medvl_tensor_rows(inp), medvl_tensor_columns(inp)),
        .inp = inp,
        .act = act,
    };

    return args;
}

void medvl_cpu_act_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    enum medvl_act act)
{
    struct act_args args = act_args(dev, inp, act);

    args.out = out;
    medvl_pool_run(dev->pool, cut_count(&args.cut), forward_task, &args);
}

void medvl_cpu_act_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp,
    const struct medvl_tensor *dout, const struct medvl_tensor *inp,
    enum medvl_act act)
{
    struct act_args args = act_args(dev, inp, act);

    args.dinp = dinp;
    args.dout = dout;
    medvl_pool_run(dev->pool, cut_count(&args.cut), backward_task, &args);
}

void medvl_cpu_glu_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *gate, const struct medvl_tensor *up,
    enum medvl_act act)
{
    struct act_args args = act_args(dev, gate, act);

    args.out = out;
    args.up = up;
    medvl_pool_run(dev->pool, cut_count(&args.cut), forward_task, &args);
}

void medvl_cpu_glu_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dgate, struct medvl_tensor *dup,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *gate, const struct medvl_tensor *up,
    enum medvl_act act)
{
    struct act_args args = act_args(dev, gate, act);

    args.dinp = dgate;
    args.dup = dup;
    args.dout = dout;
    args.up = up;
    medvl_pool_run(dev->pool, cut_count(&args.cut), backward_task, &args);
}
