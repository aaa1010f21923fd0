/*
 * Kernels: milliseconds, GFLOP/s and GB/s of each, as JSON Lines.
 *
 *     bench_kernels [THREADS [NAME]]
 *
 * NAME: only lines whose "op" begins so.  The median of several rounds
 * after a warm-up.  Sizes are those of the 25 M and 398 M models that the
 * speed of training and generation is measured on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/ops.h"
#include "lib/base/mem.h"

#define ROUNDS 9
#define ARGS   8

struct bench {
    struct medvl_device *dev;
    const char *only;
    struct medvl_tensor t[ARGS];
    struct medvl_attention at;
    struct medvl_adamw adamw;
    int threads;
    double sink;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* An f32 or 16-bit tensor of small numbers. */
static struct medvl_tensor make(enum medvl_dtype dtype, int64_t rows,
                                int64_t cols)
{
    const size_t size = medvl_dtype_bytes(dtype, rows * cols);
    void *data = medvl_block_alloc(size);

    if (!data) {
        fprintf(stderr, "bench_kernels: out of memory\n");
        exit(1);
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        const float value = (float)(i % 17 - 8) / 64;

        if (dtype == MEDVL_DTYPE_F32)
            ((float *)data)[i] = value;
        else if (dtype == MEDVL_DTYPE_BF16)
            ((uint16_t *)data)[i] = medvl_bf16_from_float(value);
        else if (dtype == MEDVL_DTYPE_F16)
            ((uint16_t *)data)[i] = medvl_f16_from_float(value);
        else
            ((int32_t *)data)[i] = (int32_t)(i * 7 % 97);
    }
    return medvl_tensor_2d(data, dtype, rows, cols);
}

static void drop(struct bench *b)
{
    for (int i = 0; i < ARGS; i++)
        if (b->t[i].data)
            medvl_block_free(b->t[i].data,
                             medvl_dtype_bytes(b->t[i].dtype,
                                               medvl_tensor_rows(&b->t[i]) *
                                                   b->t[i].stride));
    memset(b->t, 0, sizeof(b->t));
}

static void measure(struct bench *b, const char *op, const char *shape,
                    void (*run)(struct bench *b), double flop, double bytes)
{
    double seconds[ROUNDS], begin = now();
    int inner = 1;

    run(b);
    if (now() - begin < 0.02)
        inner = (int)(0.02 / (now() - begin + 1e-7)) + 1;
    if (inner > 10000)
        inner = 10000;
    for (int i = 0; i < ROUNDS; i++) {
        begin = now();
        for (int j = 0; j < inner; j++)
            run(b);
        seconds[i] = (now() - begin) / inner;
    }
    qsort(seconds, ROUNDS, sizeof(double), by_value);
    printf("{\"op\":\"%s\",\"shape\":\"%s\",\"threads\":%d,\"ms\":%.4f,"
           "\"gflops\":%.1f,\"gbs\":%.1f}\n",
           op, shape, b->threads, seconds[ROUNDS / 2] * 1e3,
           flop / seconds[ROUNDS / 2] / 1e9,
           bytes / seconds[ROUNDS / 2] / 1e9);
    fflush(stdout);
}

static bool wanted(const struct bench *b, const char *op)
{
    return !b->only || strncmp(op, b->only, strlen(b->only)) == 0;
}

static void reserve(struct bench *b, size_t size)
{
    if (medvl_device_reserve(b->dev, size, NULL) < 0)
        exit(1);
}

/* ---- products -------------------------------------------------------- */

static void run_linear(struct bench *b)
{
    medvl_cpu_linear_forward(b->dev, &b->t[0], &b->t[1], &b->t[2], NULL,
                             NULL, 0);
}

static void run_linear_dinp(struct bench *b)
{
    medvl_cpu_linear_backward(b->dev, &b->t[1], NULL, NULL, &b->t[0],
                              &b->t[1], &b->t[2], NULL, 0);
}

static void run_linear_dw(struct bench *b)
{
    medvl_cpu_linear_backward(b->dev, NULL, &b->t[2], NULL, &b->t[0],
                              &b->t[1], &b->t[2], NULL, 0);
}

static void bench_linear(struct bench *b, int64_t N, int64_t K, int64_t M,
                         enum medvl_dtype type, bool invariant)
{
    const double flop = 2.0 * (double)N * (double)K * (double)M;
    const double bytes = (double)medvl_dtype_bytes(type, K * M);
    char shape[100];

    if (!wanted(b, invariant ? "product" : "linear"))
        return;
    snprintf(shape, sizeof(shape), "N %lld K %lld M %lld %s", (long long)N,
             (long long)K, (long long)M, medvl_dtype_name(type));
    b->t[0] = make(MEDVL_DTYPE_F32, N, M);
    b->t[1] = make(MEDVL_DTYPE_F32, N, K);
    b->t[2] = make(type, M, K);
    reserve(b, medvl_linear_scratch(N, K, M, type, 0));
    b->dev->row_invariant = invariant;
    measure(b, invariant ? "product" : "linear_forward", shape, run_linear,
            flop, bytes);
    b->dev->row_invariant = false;
    if (!invariant) {
        measure(b, "linear_dinp", shape, run_linear_dinp, flop, bytes);
        if (type == MEDVL_DTYPE_F32)
            measure(b, "linear_dw", shape, run_linear_dw, flop, bytes);
    }
    drop(b);
}

/* ---- element by element ---------------------------------------------- */

static void run_rmsnorm(struct bench *b)
{
    medvl_cpu_rmsnorm_forward(b->dev, &b->t[0], &b->t[4], &b->t[1], &b->t[2],
                              1e-5f);
}

static void run_rmsnorm_back(struct bench *b)
{
    medvl_cpu_rmsnorm_backward(b->dev, &b->t[0], &b->t[3], &b->t[5],
                               &b->t[1], &b->t[2], &b->t[4]);
}

static void run_layernorm(struct bench *b)
{
    medvl_cpu_layernorm_forward(b->dev, &b->t[0], NULL, &b->t[1], &b->t[2],
                                &b->t[2], 1e-5f);
}

static void run_add(struct bench *b)
{
    medvl_cpu_add_forward(b->dev, &b->t[0], &b->t[1], &b->t[5]);
}

static void run_dropout(struct bench *b)
{
    medvl_cpu_dropout(b->dev, &b->t[0], &b->t[1], 0.1f, 1, 2, false);
}

static void run_gelu(struct bench *b)
{
    medvl_cpu_act_forward(b->dev, &b->t[0], &b->t[1], MEDVL_ACT_GELU);
}

static void run_glu(struct bench *b)
{
    medvl_cpu_glu_forward(b->dev, &b->t[0], &b->t[1], &b->t[5],
                          MEDVL_ACT_SILU);
}

static void run_glu_back(struct bench *b)
{
    medvl_cpu_glu_backward(b->dev, &b->t[0], &b->t[6], &b->t[7], &b->t[1],
                           &b->t[5], MEDVL_ACT_SILU);
}

static void run_sum_squares(struct bench *b)
{
    b->sink += medvl_cpu_sum_squares(b->dev, &b->t[1]);
}

static void run_adamw(struct bench *b)
{
    medvl_cpu_adamw(b->dev, &b->t[0], &b->t[0], &b->t[1], &b->t[5], &b->t[6],
                    &b->adamw);
}

static void bench_rows(struct bench *b, int64_t N, int64_t C)
{
    static const struct {
        const char *op;
        void (*run)(struct bench *b);
        double moves; /* of N x C floats, reads and writes */
    } ROWS[] = {
        {"rmsnorm_forward", run_rmsnorm, 2},
        {"rmsnorm_backward", run_rmsnorm_back, 4},
        {"layernorm_forward", run_layernorm, 2},
        {"add_forward", run_add, 3},
        {"dropout", run_dropout, 2},
        {"gelu_forward", run_gelu, 2},
        {"glu_forward", run_glu, 3},
        {"glu_backward", run_glu_back, 7},
        {"sum_squares", run_sum_squares, 1},
        {"adamw", run_adamw, 7},
    };
    char shape[100];

    snprintf(shape, sizeof(shape), "N %lld C %lld", (long long)N,
             (long long)C);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        if (!wanted(b, ROWS[i].op))
            continue;
        for (int j = 0; j < ARGS; j++)
            b->t[j] = j == 2 || j == 3 ? make(MEDVL_DTYPE_F32, 1, C)
                      : j == 4         ? make(MEDVL_DTYPE_F32, 1, N)
                                       : make(MEDVL_DTYPE_F32, N, C);
        reserve(b, medvl_norm_scratch(N, C));
        measure(b, ROWS[i].op, shape, ROWS[i].run, 0,
                ROWS[i].moves * 4 * (double)(N * C));
        drop(b);
    }
}

/* ---- attention ------------------------------------------------------- */

static void run_attention(struct bench *b)
{
    medvl_cpu_attention_forward(b->dev, &b->t[0], &b->t[1], &b->t[2],
                                &b->t[3], &b->t[4], &b->at);
}

static void run_attention_back(struct bench *b)
{
    medvl_cpu_attention_backward(b->dev, &b->t[5], &b->t[6], &b->t[7],
                                 &b->t[2], &b->t[0], &b->t[1], &b->t[2],
                                 &b->t[3], &b->t[4], &b->at);
}

static void bench_attention(struct bench *b, int64_t S, int64_t queries,
                            int64_t keys, int64_t H, int64_t G, int64_t D,
                            bool causal)
{
    static int32_t cu_q[4097], cu_k[4097];
    const double seen = causal ? (double)keys - (double)queries / 2
                               : (double)keys;
    const double flop = 4.0 * (double)(S * queries * H * D) * seen;
    const double bytes = 8.0 * (double)(S * keys * G * D);
    char shape[100];

    if (!wanted(b, "attention"))
        return;
    for (int64_t s = 0; s <= S; s++) {
        cu_q[s] = (int32_t)(s * queries);
        cu_k[s] = (int32_t)(s * keys);
    }
    snprintf(shape, sizeof(shape), "S %lld q %lld k %lld H %lld/%lld D %lld",
             (long long)S, (long long)queries, (long long)keys, (long long)H,
             (long long)G, (long long)D);
    b->at = (struct medvl_attention){
        .heads = H,
        .groups = G,
        .head_size = D,
        .sequences = S,
        .cu_q = cu_q,
        .cu_k = cu_k,
        .max_q = queries,
        .max_k = keys,
        .scale = 1 / sqrtf((float)D),
        .causal = causal,
    };
    b->t[0] = make(MEDVL_DTYPE_F32, S * queries, H * D);
    b->t[1] = make(MEDVL_DTYPE_F32, S * queries, H);
    b->t[2] = make(MEDVL_DTYPE_F32, S * queries, H * D);
    b->t[3] = make(MEDVL_DTYPE_F32, S * keys, G * D);
    b->t[4] = make(MEDVL_DTYPE_F32, S * keys, G * D);
    b->t[5] = make(MEDVL_DTYPE_F32, S * queries, H * D);
    b->t[6] = make(MEDVL_DTYPE_F32, S * keys, G * D);
    b->t[7] = make(MEDVL_DTYPE_F32, S * keys, G * D);
    reserve(b, medvl_attention_scratch(&b->at, S * queries, true));
    measure(b, "attention_forward", shape, run_attention, flop, bytes);
    measure(b, "attention_backward", shape, run_attention_back, flop * 2.5,
            bytes * 2);
    drop(b);
}

/* ---- head_logprob ---------------------------------------------------- */

static void run_head(struct bench *b)
{
    medvl_cpu_head_logprob_forward(b->dev, &b->t[0], NULL, NULL, &b->t[1],
                                   &b->t[2], &b->t[3], NULL, &b->t[4]);
}

static void run_head_back(struct bench *b)
{
    medvl_cpu_head_logprob_backward(
        b->dev, &b->t[5], &b->t[6], NULL, &b->t[0], NULL, NULL, &b->t[2],
        &b->t[3], NULL, &b->t[4], &b->t[1], NULL);
}

static void bench_head(struct bench *b, int64_t N, int64_t C, int64_t V)
{
    const double flop = 2.0 * (double)N * (double)C * (double)V;
    char shape[100];

    if (!wanted(b, "head"))
        return;
    snprintf(shape, sizeof(shape), "N %lld C %lld V %lld", (long long)N,
             (long long)C, (long long)V);
    b->t[0] = make(MEDVL_DTYPE_F32, 1, N);
    b->t[1] = make(MEDVL_DTYPE_F32, 1, N);
    b->t[2] = make(MEDVL_DTYPE_F32, N, C);
    b->t[3] = make(MEDVL_DTYPE_F32, V, C);
    b->t[4] = make(MEDVL_DTYPE_I32, 1, N);
    b->t[5] = make(MEDVL_DTYPE_F32, N, C);
    b->t[6] = make(MEDVL_DTYPE_F32, V, C);
    reserve(b, medvl_head_logprob_scratch(N, C, V, MEDVL_DTYPE_F32));
    measure(b, "head_logprob_forward", shape, run_head, flop, 0);
    measure(b, "head_logprob_backward", shape, run_head_back, 3 * flop, 0);
    drop(b);
}

static void bench_products(struct bench *b)
{
    static const int64_t TRAIN[][3] = {
        {1024, 512, 512},
        {1024, 512, 1536},
        {1024, 1536, 512},
        {1024, 768, 2048},
        {1024, 2048, 768},
        {64, 192, 768},
        {16, 2048, 2048},
    };
    static const int64_t FEW[] = {1, 2, 4, 8, 16, 64, 256, 576};

    for (size_t i = 0; i < sizeof(TRAIN) / sizeof(*TRAIN); i++)
        bench_linear(b, TRAIN[i][0], TRAIN[i][1], TRAIN[i][2],
                     MEDVL_DTYPE_F32, false);
    for (size_t i = 0; i < sizeof(FEW) / sizeof(*FEW); i++)
        for (int t = MEDVL_DTYPE_F32; t <= MEDVL_DTYPE_F16; t++)
            bench_linear(b, FEW[i], 1024, FEW[i] > 16 ? 4096 : 131072,
                         (enum medvl_dtype)t, true);
    bench_linear(b, 1, 4096, 32768, MEDVL_DTYPE_F32, true);
    bench_linear(b, 16, 4096, 32768, MEDVL_DTYPE_F32, true);
    bench_linear(b, 576, 4096, 1024, MEDVL_DTYPE_F32, true);
}

int main(int argc, char **argv)
{
    struct bench b = {
        .threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0,
        .only = argc > 2 ? argv[2] : NULL,
        .adamw = {1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.5f, 0.5f, 1.0f},
    };
    struct medvl_error err = {0};
    struct medvl_pool *pool;

    if (medvl_pool_open(&pool, b.threads, &err) < 0 ||
        medvl_device_open(&b.dev, "cpu", pool, &err) < 0) {
        fprintf(stderr, "bench_kernels: %s\n", err.text);
        return 1;
    }
    b.threads = medvl_pool_threads(pool);
    bench_products(&b);
    bench_rows(&b, 1024, 512);
    bench_rows(&b, 1024, 1536);
    bench_rows(&b, 16384, 1536);
    bench_attention(&b, 4, 256, 256, 8, 8, 64, true);
    bench_attention(&b, 4, 256, 256, 12, 12, 64, true);
    bench_attention(&b, 1, 2048, 2048, 8, 2, 128, true);
    bench_attention(&b, 64, 65, 65, 4, 4, 32, false);
    bench_attention(&b, 1024, 16, 16, 4, 4, 16, false);
    bench_attention(&b, 1, 577, 577, 16, 16, 64, false);
    bench_attention(&b, 16, 1, 512, 16, 4, 64, true);
    bench_head(&b, 1024, 512, 8192);
    bench_head(&b, 1024, 768, 32000);
    medvl_device_free(b.dev);
    medvl_pool_free(pool);
    return b.sink < 0;
}
