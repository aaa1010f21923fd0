/*
 * Attention: the tasks, and the plain form.
 *
 * Forward, a task is some queries of one sequence against one key head;
 * all query heads that share it go together, so that a key is read once for
 * them.  Backward, a task is a sequence and a key head, whose dk and dv
 * thus have one owner.
 *
 * Read next: attention_avx2.c.
 */
#include "kernels/attention_ref.h"
#include "kernels/cpu.h"

#define TASK_ROWS 64 /* (query, head) pairs */

/* ---- plain ----------------------------------------------------------- */

static void forward_plain(const struct attention_args *a, int64_t s,
                          int64_t g, int64_t first, int64_t last,
                          void *scratch)
{
    const struct medvl_attention *at = a->at;
    const int64_t D = at->head_size, share = at->heads / at->groups;
    const int64_t column = g * D * (a->bf16 ? 2 : 4);
    const char *k = (const char *)a->k + column;
    const char *v = (const char *)a->v + column;

    (void)scratch;
    for (int64_t i = first; i < last; i++)
        for (int64_t h = g * share; h < (g + 1) * share; h++) {
            const int64_t row = at->cu_q[s] + i;

            attention_forward(a->out + row * a->ldo + h * D,
                              a->lse ? a->lse + row * a->ldl + h : NULL,
                              a->q + row * a->ldq + h * D, k, v, a->bf16,
                              a->ldk, a->ldv, at, s, i);
        }
}

static float *head_of(float *p, int64_t row, int64_t stride, int64_t column)
{
    return p ? p + row * stride + column : NULL;
}

static void backward_plain(const struct attention_args *a, int64_t s,
                           int64_t g, void *scratch)
{
    const struct medvl_attention *at = a->at;
    const int64_t D = at->head_size, share = at->heads / at->groups;
    const int64_t queries = at->cu_q[s + 1] - at->cu_q[s];

    (void)scratch;
    for (int64_t h = g * share; h < (g + 1) * share; h++)
        for (int64_t i = 0; i < queries; i++) {
            const int64_t row = at->cu_q[s] + i;

            attention_backward(
                head_of(a->dq, row, a->lddq, h * D),
                head_of(a->dk, 0, 0, g * D), head_of(a->dv, 0, 0, g * D),
                a->dout + row * a->lddo + h * D,
                a->saved + row * a->ldo + h * D,
                a->saved_lse[row * a->ldl + h],
                a->q + row * a->ldq + h * D, (const float *)a->k + g * D,
                (const float *)a->v + g * D, a->ldk, a->ldv, a->lddk,
                a->lddv, at, s, i);
        }
}

static const struct attention_rows attention_rows_plain = {
    forward_plain,
    backward_plain,
};

/* ---- tasks ----------------------------------------------------------- */

struct attention_task {
    const struct medvl_device *dev;
    const struct attention_rows *rows;
    struct attention_args args;
    int64_t step, blocks; /* queries of a task; tasks of the longest */
};

size_t medvl_attention_scratch(const struct medvl_attention *attention,
                               int64_t Nq, bool backward)
{
    if (!backward)
        return 0;
    return (size_t)(Nq * attention->heads) * sizeof(float);
}

/* Late blocks first: with a causal mask they are the long ones. */
static void forward_task(void *arg, int64_t index, int thread)
{
    const struct attention_task *t = arg;
    const struct medvl_attention *at = t->args.at;
    const int64_t g = index % at->groups, rest = index / at->groups;
    const int64_t s = rest % at->sequences;
    const int64_t block = t->blocks - 1 - rest / at->sequences;
    const int64_t queries = at->cu_q[s + 1] - at->cu_q[s];
    const int64_t first = block * t->step;

    if (first < queries)
        t->rows->forward(&t->args, s, g, first,
                         min_i64(first + t->step, queries),
                         cpu_thread_scratch(t->dev, thread));
}

static void backward_task(void *arg, int64_t index, int thread)
{
    const struct attention_task *t = arg;
    const struct medvl_attention *at = t->args.at;

    t->rows->backward(&t->args, index / at->groups, index % at->groups,
                      cpu_thread_scratch(t->dev, thread));
}

/* delta (Nq,H), rows in blocks of TASK_ROWS. */
static void delta_task(void *arg, int64_t index, int thread)
{
    const struct attention_args *a = &((struct attention_task *)arg)->args;
    const int64_t H = a->at->heads, D = a->at->head_size;
    const int64_t first = index * TASK_ROWS;
    const int64_t last =
        min_i64(first + TASK_ROWS, a->at->cu_q[a->at->sequences]);

    (void)thread;
    for (int64_t i = first; i < last; i++)
        for (int64_t h = 0; h < H; h++) {
            const float *dout = a->dout + i * a->lddo + h * D;
            const float *out = a->saved + i * a->ldo + h * D;
            float sum = 0;

#pragma omp simd reduction(+ \
                           : sum)
            for (int64_t d = 0; d < D; d++)
                sum += dout[d] * out[d];
            a->delta[i * H + h] = sum;
        }
}

static struct attention_task new_task(struct medvl_device *dev,
                                      const struct medvl_tensor *q,
                                      const struct medvl_tensor *k,
                                      const struct medvl_tensor *v,
                                      const struct medvl_attention *at)
{
    struct attention_task t = {
        .dev = dev,
        .rows = CPU_ROWS(dev, attention),
        .args = {
            .at = at,
            .q = f32_row(q, 0),
            .k = k->data,
            .v = v->data,
            .ldq = q->stride,
            .ldk = k->stride,
            .ldv = v->stride,
            .bf16 = k->dtype == MEDVL_DTYPE_BF16,
        },
        .step = max_i64(1, TASK_ROWS * at->groups / at->heads),
    };

    assert(at->head_size <= MEDVL_HEAD_SIZE_MAX);
    assert(at->heads % at->groups == 0);
    t.blocks = ceil_div(at->max_q, t.step);
    return t;
}

void medvl_cpu_attention_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *lse,
    const struct medvl_tensor *q, const struct medvl_tensor *k,
    const struct medvl_tensor *v, const struct medvl_attention *attention)
{
    struct attention_task t = new_task(dev, q, k, v, attention);

    t.args.out = f32_row(out, 0);
    t.args.ldo = out->stride;
    t.args.lse = f32_row(lse, 0);
    t.args.ldl = lse ? lse->stride : 0;
    medvl_pool_run(dev->pool,
                   t.blocks * attention->sequences * attention->groups,
                   forward_task, &t);
}

void medvl_cpu_attention_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dq, struct medvl_tensor *dk, struct medvl_tensor *dv,
    const struct medvl_tensor *dout, const struct medvl_tensor *out,
    const struct medvl_tensor *lse,
    const struct medvl_tensor *q, const struct medvl_tensor *k,
    const struct medvl_tensor *v, const struct medvl_attention *attention)
{
    struct attention_task t = new_task(dev, q, k, v, attention);

    assert(!t.args.bf16 && !attention->pages);
    t.args.dq = f32_row(dq, 0);
    t.args.dk = f32_row(dk, 0);
    t.args.dv = f32_row(dv, 0);
    t.args.lddq = dq ? dq->stride : 0;
    t.args.lddk = dk ? dk->stride : 0;
    t.args.lddv = dv ? dv->stride : 0;
    t.args.dout = f32_row(dout, 0);
    t.args.lddo = dout->stride;
    t.args.saved = f32_row(out, 0);
    t.args.ldo = out->stride;
    t.args.saved_lse = f32_row(lse, 0);
    t.args.ldl = lse->stride;
    t.args.delta = dev->scratch;
    assert(dev->scratch_size >= medvl_attention_scratch(
                                    attention, medvl_tensor_rows(q), true));
    medvl_pool_run(dev->pool, ceil_div(medvl_tensor_rows(q), TASK_ROWS),
                   delta_task, &t);
    medvl_pool_run(dev->pool, attention->sequences * attention->groups,
                   backward_task, &t);
}
