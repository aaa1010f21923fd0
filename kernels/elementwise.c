/*
 * Sums, dropout, averages, norms and the AdamW step, cut into pieces.
 *
 * Read next: elementwise_avx2.c.
 */
#include "kernels/cpu.h"
#include "kernels/elementwise_ref.h"

#define COLUMNS 256 /* of scale's backward in a task */

static const struct elementwise_rows elementwise_rows_plain = {
    add,
    scale_forward,
    scale_backward,
    lerp,
    sum_squares,
    finite_row,
    dropout,
    adamw_step,
};

struct args {
    const struct elementwise_rows *rows;
    const struct convert_rows *convert;
    struct cut cut;
    const struct medvl_tensor *out, *a, *b; /* adamw: w, grad, NULL */
    const struct medvl_tensor *master, *m, *v;
    const float *w; /* of scale */
    float *dw;
    const struct medvl_adamw *adamw;
    float weight;
    uint64_t seed, item;
    bool add;
    double *sums;  /* of sum_squares, one a piece */
    int64_t first; /* piece of this round */
    int bad;       /* of finite; atomic */
};

static struct args new_args(struct medvl_device *dev,
                            const struct medvl_tensor *shape)
{
    struct args args = {
        .rows = CPU_ROWS(dev, elementwise),
        .convert = CPU_ROWS(dev, convert),
        .cut = cut_matrix(medvl_tensor_rows(shape),
                          medvl_tensor_columns(shape)),
        .out = shape,
    };

    return args;
}

static float *at(const struct medvl_tensor *tensor, int64_t row,
                 const struct piece *p)
{
    return f32_row(tensor, row) + p->column;
}

static void add_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        a->rows->add(at(a->out, i, &p), at(a->a, i, &p), at(a->b, i, &p),
                     p.columns);
}

void medvl_cpu_add_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *a, const struct medvl_tensor *b)
{
    struct args args = new_args(dev, out);

    args.a = a;
    args.b = b;
    medvl_pool_run(dev->pool, cut_count(&args.cut), add_task, &args);
}

/* Scratch: w as floats. */
size_t medvl_scale_scratch(int64_t C)
{
    return (size_t)C * sizeof(float);
}

static void scale_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        a->rows->scale_forward(at(a->out, i, &p), at(a->a, i, &p),
                               a->w + p.column, p.columns);
}

void medvl_cpu_scale_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *w)
{
    struct args args = new_args(dev, out);

    assert(dev->scratch_size >= medvl_scale_scratch(args.cut.columns));
    args.a = inp;
    args.w = cpu_as_f32(dev, dev->scratch, w);
    medvl_pool_run(dev->pool, cut_count(&args.cut), scale_task, &args);
}

/* Columns of dw have one owner each, who adds the rows in order. */
static void scale_back_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const int64_t c = index * COLUMNS;
    const int64_t count = min_i64(COLUMNS, a->cut.columns - c);

    (void)thread;
    for (int64_t i = 0; i < a->cut.rows; i++) {
        float *dinp = f32_row(a->m, i);

        a->rows->scale_backward(dinp ? dinp + c : NULL,
                                a->dw ? a->dw + c : NULL,
                                f32_row(a->b, i) + c, f32_row(a->a, i) + c,
                                a->w + c, count);
    }
}

void medvl_cpu_scale_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *inp, const struct medvl_tensor *w)
{
    struct args args = new_args(dev, dout);

    assert(dev->scratch_size >= medvl_scale_scratch(args.cut.columns));
    args.a = inp;
    args.b = dout;
    args.m = dinp;
    args.dw = f32_row(dw, 0);
    args.w = cpu_as_f32(dev, dev->scratch, w);
    medvl_pool_run(dev->pool, ceil_div(args.cut.columns, COLUMNS),
                   scale_back_task, &args);
}

static void dropout_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        a->rows->dropout(at(a->out, i, &p), at(a->a, i, &p), a->weight,
                         a->seed, a->item,
                         (uint64_t)(i * a->cut.columns + p.column), a->add,
                         p.columns);
}

void medvl_cpu_dropout(
    struct medvl_device *dev,
    struct medvl_tensor *out, const struct medvl_tensor *inp,
    float rate, uint64_t seed, uint64_t item, bool add)
{
    struct args args = new_args(dev, out);

    args.a = inp;
    args.weight = rate;
    args.seed = seed;
    args.item = item;
    args.add = add;
    medvl_pool_run(dev->pool, cut_count(&args.cut), dropout_task, &args);
}

static void lerp_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        a->rows->lerp(at(a->out, i, &p), at(a->a, i, &p), a->weight,
                      p.columns);
}

void medvl_cpu_lerp(struct medvl_device *dev, struct medvl_tensor *out,
                    const struct medvl_tensor *inp, float weight)
{
    struct args args = new_args(dev, out);

    args.a = inp;
    args.weight = weight;
    medvl_pool_run(dev->pool, cut_count(&args.cut), lerp_task, &args);
}

static void adamw_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++) {
        float *master = at(a->master, i, &p);
        void *w = item_at(a->out, i, p.column);

        a->rows->adamw(master, at(a->m, i, &p), at(a->v, i, &p),
                       at(a->a, i, &p), a->adamw, p.columns);
        if (w != master)
            a->convert->convert(w, a->out->dtype, master, MEDVL_DTYPE_F32,
                                p.columns);
    }
}

void medvl_cpu_adamw(
    struct medvl_device *dev,
    struct medvl_tensor *w, struct medvl_tensor *master,
    struct medvl_tensor *m, struct medvl_tensor *v,
    const struct medvl_tensor *grad, const struct medvl_adamw *adamw)
{
    struct args args = new_args(dev, w);

    args.master = master;
    args.m = m;
    args.v = v;
    args.a = grad;
    args.adamw = adamw;
    medvl_pool_run(dev->pool, cut_count(&args.cut), adamw_task, &args);
}

/* Blocks of the header's 65,536: two pieces of a row, or whole rows. */
static void squares_task(void *arg, int64_t index, int thread)
{
    const struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, a->first + index);
    double sum = 0;

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        sum += a->rows->sum_squares(at(a->out, i, &p), p.columns);
    a->sums[index] = sum;
}

double medvl_cpu_sum_squares(struct medvl_device *dev,
                             const struct medvl_tensor *inp)
{
    const int64_t room = (int64_t)(CPU_THREAD_BYTES / sizeof(double));
    struct args args = new_args(dev, inp);
    const int64_t pieces = cut_count(&args.cut);
    double sum = 0;

    args.sums = cpu_thread_scratch(dev, 0);
    for (args.first = 0; args.first < pieces; args.first += room) {
        const int64_t count = min_i64(room, pieces - args.first);

        medvl_pool_run(dev->pool, count, squares_task, &args);
        for (int64_t i = 0; i < count; i++)
            sum += args.sums[i];
    }
    return sum;
}

static void finite_task(void *arg, int64_t index, int thread)
{
    struct args *a = arg;
    const struct piece p = cut_piece(&a->cut, index);

    (void)thread;
    for (int64_t i = p.row; i < p.row + p.rows; i++)
        if (!a->rows->finite(at(a->out, i, &p), p.columns))
            __atomic_store_n(&a->bad, 1, __ATOMIC_RELAXED);
}

bool medvl_cpu_finite(struct medvl_device *dev,
                      const struct medvl_tensor *inp)
{
    struct args args = new_args(dev, inp);

    medvl_pool_run(dev->pool, cut_count(&args.cut), finite_task, &args);
    return !args.bad;
}
