/*
 * What the CPU kernels share: cutting of work, weights as floats, products,
 * and the tables of row functions that come plain and for AVX2.
 *
 * Read next: norm.c.
 */
#ifndef MEDVL_KERNELS_CPU_H
#define MEDVL_KERNELS_CPU_H

#include <assert.h>

#include "kernels/ops.h"

/* ---- the device ------------------------------------------------------ */

/* Scratch of one thread: tiles of attention, panels, partial sums. */
#define CPU_THREAD_BYTES ((size_t)2 << 20)

void *cpu_thread_scratch(const struct medvl_device *dev, int thread);

/* ---- cutting --------------------------------------------------------- */

/*
 * A matrix in pieces of about 32,768 items: whole rows when they are
 * shorter than that, else parts of one row.
 */
struct cut {
    int64_t rows, columns;  /* of the whole */
    int64_t row_step, step; /* of a piece */
    int64_t across;         /* pieces in a row */
};
struct piece {
    int64_t row, rows, column, columns;
};

struct cut cut_matrix(int64_t rows, int64_t columns);
int64_t cut_count(const struct cut *cut);
struct piece cut_piece(const struct cut *cut, int64_t index);

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Address of an f32 row; NULL stays NULL. */
static inline float *f32_row(const struct medvl_tensor *tensor, int64_t row)
{
    if (!tensor || !tensor->data)
        return NULL;
    assert(tensor->dtype == MEDVL_DTYPE_F32);
    return (float *)tensor->data + row * tensor->stride;
}

static inline const int32_t *i32_data(const struct medvl_tensor *tensor)
{
    assert(tensor->dtype == MEDVL_DTYPE_I32);
    return tensor->data;
}

/* Address of an item of any unquantised type. */
static inline char *item_at(const struct medvl_tensor *tensor,
                            int64_t row, int64_t column)
{
    return (char *)tensor->data +
           medvl_dtype_bytes(tensor->dtype, row * tensor->stride + column);
}

/* A vector as floats: its own memory when f32, else converted to `room`. */
const float *cpu_as_f32(const struct medvl_device *dev, float *room,
                        const struct medvl_tensor *tensor);

/* ---- products -------------------------------------------------------- */

enum gemm_form {
    GEMM_NT, /* c (n,m) = a (n,k) b (m,k)^T */
    GEMM_NN, /* c (n,m) = a (n,k) b (k,m) */
    GEMM_TN, /* c (n,m) = a (k,n)^T b (k,m) */
};

/* c = alpha op(a) op(b) + beta c, row-major, rows lda, ldb, ldc apart. */
struct gemm {
    enum gemm_form form;
    int64_t n, m, k;
    const float *a, *b;
    float *c;
    int64_t lda, ldb, ldc;
    float alpha, beta;
    const float *bias; /* (m), added to every row of c; or NULL */
};

void cpu_gemm_start(void); /* one thread inside OpenBLAS */
void cpu_gemm(struct medvl_device *dev, const struct gemm *gemm);

/*
 * out (N,M) = inp (N,K) w (M,K)^T + bias, w of any storage, each row summed
 * in one order whatever N is.
 */
struct product {
    float *out;
    const float *inp;
    const void *w;
    const float *bias; /* or NULL */
    enum medvl_dtype dtype;
    int64_t n, m, k;
    int64_t ldo, ldi, ldw;
    bool add; /* to what out holds, instead of overwriting it */
};

void cpu_product(struct medvl_device *dev, const struct product *product);

/* ---- row functions, plain and AVX2 ----------------------------------- */

struct linear_rows {
    /* All of it, by one thread with its scratch. */
    void (*product)(const struct product *product, float *scratch);
};

struct convert_rows {
    void (*convert)(void *out, enum medvl_dtype to,
                    const void *inp, enum medvl_dtype from, int64_t count);
};

struct norm_rows {
    void (*rmsnorm_forward)(float *out, float *rrms, const float *inp,
                            const float *w, int64_t C, float eps);
    void (*rmsnorm_backward)(float *dinp, float *dw, const float *dout,
                             const float *inp, const float *w, float rrms,
                             int64_t C);
    void (*layernorm_forward)(float *out, float *moments, const float *inp,
                              const float *w, const float *b, int64_t C,
                              float eps);
    void (*layernorm_backward)(float *dinp, float *dw, float *db,
                               const float *dout, const float *inp,
                               const float *w, const float *moments,
                               int64_t C);
};

struct act_rows {
    void (*act_forward)(float *out, const float *inp, enum medvl_act act,
                        int64_t count);
    void (*act_backward)(float *dinp, const float *dout, const float *inp,
                         enum medvl_act act, int64_t count);
    void (*glu_forward)(float *out, const float *gate, const float *up,
                        enum medvl_act act, int64_t count);
    void (*glu_backward)(float *dgate, float *dup, const float *dout,
                         const float *gate, const float *up,
                         enum medvl_act act, int64_t count);
};

struct elementwise_rows {
    void (*add)(float *out, const float *a, const float *b, int64_t count);
    void (*scale_forward)(float *out, const float *inp, const float *w,
                          int64_t count);
    void (*scale_backward)(float *dinp, float *dw, const float *dout,
                           const float *inp, const float *w, int64_t count);
    void (*lerp)(float *out, const float *inp, float weight, int64_t count);
    double (*sum_squares)(const float *inp, int64_t count);
    bool (*finite)(const float *inp, int64_t count);
    void (*dropout)(float *out, const float *inp, float rate, uint64_t seed,
                    uint64_t item, uint64_t element, bool add,
                    int64_t count);
    void (*adamw)(float *master, float *m, float *v, const float *grad,
                  const struct medvl_adamw *adamw, int64_t count);
};

struct rope_rows {
    void (*forward)(float *out, const float *inp, const float *cos,
                    const float *sin, int64_t H, int64_t D, int64_t R);
    void (*backward)(float *dinp, const float *dout, const float *cos,
                     const float *sin, int64_t H, int64_t D, int64_t R);
};

/* The tensors of one attention call as addresses. */
struct attention_args {
    const struct medvl_attention *at;
    float *out, *lse;
    const float *q;
    const void *k, *v;
    int64_t ldo, ldl, ldq, ldk, ldv; /* items from row to row */
    bool bf16;                       /* k and v */

    /* Backward. */
    float *dq, *dk, *dv;
    const float *dout, *saved; /* saved: forward's out */
    const float *saved_lse;
    float *delta; /* (Nq,H): sum over D of dout * out */
    int64_t lddq, lddk, lddv, lddo;
};

struct attention_rows {
    /* Queries [first, last) of sequence s, the heads of key head g. */
    void (*forward)(const struct attention_args *args, int64_t s, int64_t g,
                    int64_t first, int64_t last, void *scratch);
    void (*backward)(const struct attention_args *args, int64_t s, int64_t g,
                     void *scratch);
};

struct head_rows {
    /* logp, entropy, mean, lse of one row of logits. */
    void (*forward)(float out[4], const float *logits, int64_t V,
                    int64_t target);
    /* logits become their gradients. */
    void (*backward)(float *logits, int64_t V, int64_t target, float lse,
                     float entropy, const float d[3]);
};

extern const struct linear_rows linear_rows_avx2;
extern const struct convert_rows convert_rows_plain, convert_rows_avx2;
extern const struct norm_rows norm_rows_avx2;
extern const struct act_rows act_rows_avx2;
extern const struct elementwise_rows elementwise_rows_avx2;
extern const struct rope_rows rope_rows_avx2;
extern const struct attention_rows attention_rows_avx2;
extern const struct head_rows head_rows_avx2;

/* `norm` gives norm_rows_avx2 or the file's own norm_rows_plain. */
#define CPU_ROWS(dev, name)                           \
    ((dev)->isa == MEDVL_ISA_AVX2 ? &name##_rows_avx2 \
                                  : &name##_rows_plain)

#endif
