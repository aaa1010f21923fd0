/*
 * Products with a weight of any storage, with low-rank additions.
 *
 * Two ways through.  Training: OpenBLAS, the weight in f32 panels.  With
 * dev->row_invariant, and for few rows anyway: our own product, where one
 * read of a weight serves all rows and a row's sum does not depend on N.
 *
 * Read next: linear_avx2.c.
 */
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/linear_ref.h"

#define PANEL   1024  /* rows of w as f32 at a time */
#define FEW     8     /* rows below which our product beats sgemm */
#define STEP_N  240   /* rows of inp in a task */
#define STEP_W  65536 /* items of w in a task, and at most STEP_M rows */
#define STEP_M  256
#define COLUMNS 256 /* of dbias in a task */

/* ---- our own product ------------------------------------------------- */

static void product_plain(const struct product *p, float *scratch)
{
    for (int64_t m = 0; m < p->m; m++) {
        const size_t row = medvl_dtype_bytes(p->dtype, m * p->ldw);
        const void *at = (const char *)p->w + row;
        const float *w = at;

        if (p->dtype != MEDVL_DTYPE_F32) {
            convert_rows_plain.convert(scratch, MEDVL_DTYPE_F32, at,
                                       p->dtype, p->k);
            w = scratch;
        }
        for (int64_t i = 0; i < p->n; i++) {
            float *out = p->out + i * p->ldo + m;
            const float sum = dot(p->inp + i * p->ldi, w, p->k);

            *out = (p->add ? *out + sum : sum) + (p->bias ? p->bias[m] : 0);
        }
    }
}

static const struct linear_rows linear_rows_plain = {product_plain};

struct product_args {
    struct medvl_device *dev;
    const struct linear_rows *rows;
    const struct product *product;
    int64_t step_n, step_m, across;
};

static void product_task(void *arg, int64_t index, int thread)
{
    const struct product_args *a = arg;
    const int64_t i = index % a->across * a->step_n;
    const int64_t m = index / a->across * a->step_m;
    struct product p = *a->product;

    p.out += i * p.ldo + m;
    p.inp += i * p.ldi;
    p.w = (const char *)p.w + medvl_dtype_bytes(p.dtype, m * p.ldw);
    if (p.bias)
        p.bias += m;
    p.n = min_i64(a->step_n, p.n - i);
    p.m = min_i64(a->step_m, p.m - m);
    a->rows->product(&p, cpu_thread_scratch(a->dev, thread));
}

void cpu_product(struct medvl_device *dev, const struct product *p)
{
    const int64_t fit = STEP_W / max_i64(p->k, 1) / 8 * 8;
    struct product_args args = {
        .dev = dev,
        .rows = CPU_ROWS(dev, linear),
        .product = p,
        .step_n = STEP_N,
        .step_m = max_i64(8, min_i64(STEP_M, fit)),
    };

    args.across = ceil_div(p->n, args.step_n);
    medvl_pool_run(dev->pool, ceil_div(p->m, args.step_m) * args.across,
                   product_task, &args);
}

/* ---- scratch --------------------------------------------------------- */

/* bias (M), a panel of w, t and u (N,R) of an adapter. */
size_t medvl_linear_scratch(int64_t N, int64_t K, int64_t M,
                            enum medvl_dtype w, int64_t adapter_rank)
{
    const int64_t panel = w == MEDVL_DTYPE_F32 ? 0 : min_i64(PANEL, M) * K;

    return (size_t)(M + panel + 2 * N * adapter_rank) * sizeof(float);
}

struct scratch {
    float *bias, *panel, *t, *u;
};

static struct scratch scratch_of(struct medvl_device *dev, int64_t N,
                                 const struct medvl_tensor *w, int64_t rank)
{
    const int64_t M = medvl_tensor_rows(w), K = medvl_tensor_columns(w);
    const bool f32 = w->dtype == MEDVL_DTYPE_F32;
    struct scratch s = {.bias = dev->scratch};

    assert(dev->scratch_size >=
           medvl_linear_scratch(N, K, M, w->dtype, rank));
    s.panel = s.bias + M;
    s.t = s.panel + (f32 ? 0 : min_i64(PANEL, M) * K);
    s.u = s.t + N * rank;
    return s;
}

/* Rows [m, m + count) of w as floats, and their distance. */
static const float *panel(struct medvl_device *dev, float *room,
                          int64_t *stride, const struct medvl_tensor *w,
                          int64_t m, int64_t count)
{
    const int64_t K = medvl_tensor_columns(w);
    struct medvl_tensor to, from;

    *stride = w->stride;
    if (w->dtype == MEDVL_DTYPE_F32)
        return f32_row(w, m);
    to = medvl_tensor_2d(room, MEDVL_DTYPE_F32, count, K);
    from = medvl_tensor_2d(item_at(w, m, 0), w->dtype, count, K);
    from.stride = w->stride;
    medvl_cpu_convert(dev, &to, &from);
    *stride = K;
    return room;
}

/* ---- adapters -------------------------------------------------------- */

/* t *= scale on the rows of the mask, 0 on the others. */
static void mask_rows(float *t, const struct medvl_adapter *ad, int64_t N,
                      int64_t R)
{
    const uint8_t *rows = ad->rows ? ad->rows->data : NULL;

    for (int64_t i = 0; i < N; i++)
        for (int64_t r = 0; r < R; r++)
            t[i * R + r] = rows && !rows[i] ? 0 : t[i * R + r] * ad->scale;
}

/* t (N,R) = scale inp a^T, masked. */
static void adapter_down(struct medvl_device *dev, float *t,
                         const struct medvl_tensor *inp,
                         const struct medvl_adapter *ad)
{
    const struct product product = {
        .out = t,
        .inp = f32_row(inp, 0),
        .w = f32_row(ad->a, 0),
        .dtype = MEDVL_DTYPE_F32,
        .n = medvl_tensor_rows(inp),
        .m = medvl_tensor_rows(ad->a),
        .k = medvl_tensor_columns(inp),
        .ldo = medvl_tensor_rows(ad->a),
        .ldi = inp->stride,
        .ldw = ad->a->stride,
    };

    cpu_product(dev, &product);
    mask_rows(t, ad, product.n, product.m);
}

static void adapter_up(struct medvl_device *dev, struct medvl_tensor *out,
                       const float *t, const struct medvl_adapter *ad)
{
    const struct product product = {
        .out = f32_row(out, 0),
        .inp = t,
        .w = f32_row(ad->b, 0),
        .dtype = MEDVL_DTYPE_F32,
        .n = medvl_tensor_rows(out),
        .m = medvl_tensor_columns(out),
        .k = medvl_tensor_columns(ad->b),
        .ldo = out->stride,
        .ldi = medvl_tensor_columns(ad->b),
        .ldw = ad->b->stride,
        .add = true,
    };

    cpu_product(dev, &product);
}

/* c += a b or a^T b, everything dense but for the given strides. */
static void add_gemm(struct medvl_device *dev, enum gemm_form form,
                     float *c, int64_t ldc, const float *a, int64_t lda,
                     const float *b, int64_t ldb,
                     int64_t n, int64_t m, int64_t k)
{
    const struct gemm gemm = {
        .form = form,
        .n = n,
        .m = m,
        .k = k,
        .a = a,
        .b = b,
        .c = c,
        .lda = lda,
        .ldb = ldb,
        .ldc = ldc,
        .alpha = 1,
        .beta = 1,
    };

    cpu_gemm(dev, &gemm);
}

static void adapter_backward_op(struct medvl_device *dev,
                                const struct scratch *s,
                                struct medvl_tensor *dinp,
                                const struct medvl_tensor *dout,
                                const struct medvl_tensor *inp,
                                const struct medvl_adapter *ad)
{
    const int64_t N = medvl_tensor_rows(inp), K = medvl_tensor_columns(inp);
    const int64_t M = medvl_tensor_columns(dout);
    const int64_t R = medvl_tensor_rows(ad->a);
    const float *d = f32_row(dout, 0);

    if (f32_row(ad->db, 0)) {
        adapter_down(dev, s->t, inp, ad);
        add_gemm(dev, GEMM_TN, f32_row(ad->db, 0), ad->db->stride,
                 d, dout->stride, s->t, R, M, R, N);
    }
    if (!f32_row(dinp, 0) && !f32_row(ad->da, 0))
        return;
    memset(s->u, 0, (size_t)(N * R) * sizeof(float));
    add_gemm(dev, GEMM_NN, s->u, R, d, dout->stride, f32_row(ad->b, 0),
             ad->b->stride, N, R, M);
    mask_rows(s->u, ad, N, R);
    if (f32_row(dinp, 0))
        add_gemm(dev, GEMM_NN, f32_row(dinp, 0), dinp->stride, s->u, R,
                 f32_row(ad->a, 0), ad->a->stride, N, K, R);
    if (f32_row(ad->da, 0))
        add_gemm(dev, GEMM_TN, f32_row(ad->da, 0), ad->da->stride, s->u, R,
                 f32_row(inp, 0), inp->stride, R, K, N);
}

static int64_t adapter_rank(const struct medvl_adapter *adapters, int count)
{
    int64_t rank = 0;

    for (int i = 0; i < count; i++)
        rank = max_i64(rank, medvl_tensor_rows(adapters[i].a));
    return rank;
}

/* ---- the ops --------------------------------------------------------- */

static void forward_own(struct medvl_device *dev, struct medvl_tensor *out,
                        const struct medvl_tensor *inp,
                        const struct medvl_tensor *w, const float *bias)
{
    const struct product product = {
        .out = f32_row(out, 0),
        .inp = f32_row(inp, 0),
        .w = w->data,
        .bias = bias,
        .dtype = w->dtype,
        .n = medvl_tensor_rows(inp),
        .m = medvl_tensor_rows(w),
        .k = medvl_tensor_columns(w),
        .ldo = out->stride,
        .ldi = inp->stride,
        .ldw = w->stride,
    };

    cpu_product(dev, &product);
}

static void forward_blas(struct medvl_device *dev, const struct scratch *s,
                         struct medvl_tensor *out,
                         const struct medvl_tensor *inp,
                         const struct medvl_tensor *w, const float *bias)
{
    const int64_t M = medvl_tensor_rows(w);
    const int64_t step = w->dtype == MEDVL_DTYPE_F32 ? M : PANEL;

    for (int64_t m = 0; m < M; m += step) {
        struct gemm gemm = {
            .form = GEMM_NT,
            .n = medvl_tensor_rows(inp),
            .m = min_i64(step, M - m),
            .k = medvl_tensor_columns(w),
            .a = f32_row(inp, 0),
            .c = f32_row(out, 0) + m,
            .lda = inp->stride,
            .ldc = out->stride,
            .alpha = 1,
            .bias = bias ? bias + m : NULL,
        };

        gemm.b = panel(dev, s->panel, &gemm.ldb, w, m, gemm.m);
        cpu_gemm(dev, &gemm);
    }
}

void medvl_cpu_linear_forward(
    struct medvl_device *dev,
    struct medvl_tensor *out,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_tensor *bias,
    const struct medvl_adapter *adapters, int adapter_count)
{
    const int64_t N = medvl_tensor_rows(inp);
    const struct scratch s =
        scratch_of(dev, N, w, adapter_rank(adapters, adapter_count));
    const float *b = cpu_as_f32(dev, s.bias, bias);

    if (dev->row_invariant || N < FEW)
        forward_own(dev, out, inp, w, b);
    else
        forward_blas(dev, &s, out, inp, w, b);
    for (int i = 0; i < adapter_count; i++) {
        adapter_down(dev, s.t, inp, &adapters[i]);
        adapter_up(dev, out, s.t, &adapters[i]);
    }
}

struct bias_args {
    float *dbias;
    const struct medvl_tensor *dout;
};

/* Columns of dbias have one owner each, who adds the rows in order. */
static void bias_task(void *arg, int64_t index, int thread)
{
    const struct bias_args *a = arg;
    const int64_t N = medvl_tensor_rows(a->dout), first = index * COLUMNS;
    const int64_t count =
        min_i64(COLUMNS, medvl_tensor_columns(a->dout) - first);

    (void)thread;
    for (int64_t i = 0; i < N; i++) {
        const float *dout = f32_row(a->dout, i) + first;

        for (int64_t c = 0; c < count; c++)
            a->dbias[first + c] += dout[c];
    }
}

static void backward_input(struct medvl_device *dev, const struct scratch *s,
                           struct medvl_tensor *dinp,
                           const struct medvl_tensor *dout,
                           const struct medvl_tensor *w)
{
    const int64_t M = medvl_tensor_rows(w), K = medvl_tensor_columns(w);
    const int64_t step = w->dtype == MEDVL_DTYPE_F32 ? M : PANEL;

    for (int64_t m = 0; m < M; m += step) {
        const int64_t count = min_i64(step, M - m);
        int64_t ldw;
        const float *rows = panel(dev, s->panel, &ldw, w, m, count);

        add_gemm(dev, GEMM_NN, f32_row(dinp, 0), dinp->stride,
                 f32_row(dout, 0) + m, dout->stride, rows, ldw,
                 medvl_tensor_rows(dout), K, count);
    }
}

void medvl_cpu_linear_backward(
    struct medvl_device *dev,
    struct medvl_tensor *dinp, struct medvl_tensor *dw,
    struct medvl_tensor *dbias,
    const struct medvl_tensor *dout,
    const struct medvl_tensor *inp, const struct medvl_tensor *w,
    const struct medvl_adapter *adapters, int adapter_count)
{
    const int64_t N = medvl_tensor_rows(dout), M = medvl_tensor_rows(w);
    const struct scratch s =
        scratch_of(dev, N, w, adapter_rank(adapters, adapter_count));

    if (f32_row(dinp, 0))
        backward_input(dev, &s, dinp, dout, w);
    if (f32_row(dw, 0))
        add_gemm(dev, GEMM_TN, f32_row(dw, 0), dw->stride,
                 f32_row(dout, 0), dout->stride, f32_row(inp, 0),
                 inp->stride, M, medvl_tensor_columns(w), N);
    if (f32_row(dbias, 0)) {
        struct bias_args args = {f32_row(dbias, 0), dout};

        medvl_pool_run(dev->pool, ceil_div(M, COLUMNS), bias_task, &args);
    }
    for (int i = 0; i < adapter_count; i++)
        adapter_backward_op(dev, &s, dinp, dout, inp, &adapters[i]);
}
