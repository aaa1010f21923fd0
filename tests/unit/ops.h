/*
 * What the tests of operations share: matrices with a double and a strided
 * float copy, the devices, gradients against finite differences.
 */
#ifndef MEDVL_TESTS_OPS_H
#define MEDVL_TESTS_OPS_H

#include "tests/unit/check.h"

#include <math.h>
#include <string.h>

#define REAL_DOUBLE
#include "kernels/ops.h"
#include "kernels/real.h"
#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/base/rng.h"

#define PAD      3 /* floats between rows, which nobody may touch */
#define MATRICES 32

/*
 * `start` is what the op finds, `d` what the double reference made of it,
 * `f` the floats that `t` shows to a kernel.
 */
struct mat {
    int64_t rows, cols;
    double *start, *d;
    float *f;
    struct medvl_tensor t;
};

static struct mat *matrices[MATRICES];
static int matrix_count;
static struct medvl_pool *pools[2];
static struct medvl_device *devices[2][2]; /* [isa][threads - 1] */

static inline int ops_setup(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        if (medvl_pool_open(&pools[threads - 1], threads, NULL) < 0)
            return -1;
        for (int isa = 0; isa < 2; isa++)
            if (medvl_device_open_cpu(&devices[isa][threads - 1],
                                      pools[threads - 1],
                                      (enum medvl_isa)isa, NULL) < 0)
                return -1;
    }
    return 0;
}

static inline int ops_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        medvl_device_free(devices[i / 2][i % 2]);
    for (int i = 0; i < 2; i++)
        medvl_pool_free(pools[i]);
    return 0;
}

/* After every test. */
static inline int mat_release(void **state)
{
    (void)state;
    while (matrix_count > 0) {
        struct mat *m = matrices[--matrix_count];

        medvl_free(m->start);
        medvl_free(m->d);
        medvl_free(m->f);
        medvl_free(m);
    }
    return 0;
}

/* The floats as `start` says, poison between the rows. */
static inline void mat_rewind(struct mat *m)
{
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->cols + PAD; j++)
            m->f[i * (m->cols + PAD) + j] =
                j < m->cols ? (float)m->start[i * m->cols + j] : NAN;
}

/* Normal numbers of a seed, the same in both copies. */
static inline struct mat *mat_new(int64_t rows, int64_t cols, uint64_t seed)
{
    struct mat *m = medvl_alloc(1, sizeof(*m));
    struct medvl_rng rng;

    assert_true(matrix_count < MATRICES);
    assert_non_null(m);
    m->rows = rows;
    m->cols = cols;
    m->start = medvl_alloc((size_t)(rows * cols), sizeof(double));
    m->d = medvl_alloc((size_t)(rows * cols), sizeof(double));
    m->f = medvl_alloc((size_t)(rows * (cols + PAD)), sizeof(float));
    assert_true(m->start && m->d && m->f);
    medvl_rng_init(&rng, seed, MEDVL_PURPOSE_TEST, 0);
    for (int64_t i = 0; i < rows * cols; i++)
        m->start[i] = m->d[i] = (float)medvl_rng_normal(&rng);
    m->t = medvl_tensor_2d(m->f, MEDVL_DTYPE_F32, rows, cols);
    m->t.stride = cols + PAD;
    mat_rewind(m);
    matrices[matrix_count++] = m;
    return m;
}

/* A vector: a tensor of rank 1. */
static inline struct mat *vec_new(int64_t count, uint64_t seed)
{
    struct mat *m = mat_new(1, count, seed);

    m->t = medvl_tensor_1d(m->f, MEDVL_DTYPE_F32, count);
    return m;
}

/* What `start` became under bf16 or f16, in both copies. */
static inline void mat_round(struct mat *m, enum medvl_dtype dtype,
                             uint16_t *bits)
{
    for (int64_t i = 0; i < m->rows * m->cols; i++) {
        const bool bf16 = dtype == MEDVL_DTYPE_BF16;

        bits[i] = bf16 ? medvl_bf16_from_float((float)m->start[i])
                       : medvl_f16_from_float((float)m->start[i]);
        m->start[i] = bf16 ? medvl_bf16_to_float(bits[i])
                           : medvl_f16_to_float(bits[i]);
        m->d[i] = m->start[i];
    }
    m->t.data = bits;
    m->t.dtype = dtype;
    m->t.stride = m->cols;
}

/* f is within tolerance * (1 + largest) of d; a NaN anywhere fails. */
static inline void check_close(const char *what, const struct mat *m,
                               double tolerance)
{
    double largest = 0;

    for (int64_t i = 0; i < m->rows * m->cols; i++)
        if (isfinite(m->d[i]))
            largest = fmax(largest, fabs(m->d[i]));
    for (int64_t i = 0; i < m->rows; i++) {
        const float *f = m->f + i * (m->cols + PAD);

        for (int64_t j = 0; j < m->cols; j++) {
            const double d = m->d[i * m->cols + j];

            if (isinf(d) ? f[j] != d
                         : !(fabs(f[j] - d) <= tolerance * (1 + largest)))
                fail_msg("%s [%lld,%lld]: %.9g, reference %.9g", what,
                         (long long)i, (long long)j, (double)f[j], d);
        }
        for (int64_t j = m->cols; j < m->cols + PAD; j++)
            if (!isnan(f[j]))
                fail_msg("%s: written between rows", what);
    }
}

/*
 * Run on every device; each of `outs` must come near its d, and have the
 * same bits for one thread and two.
 */
static inline void on_devices(const char *what,
                              void (*run)(struct medvl_device *dev,
                                          void *context),
                              void *context, struct mat **outs, int count,
                              size_t scratch, double tolerance)
{
    for (int isa = 0; isa < 2; isa++) {
        float *kept[8] = {0};

        assert_true(count <= 8);
        for (int threads = 0; threads < 2; threads++) {
            struct medvl_device *dev = devices[isa][threads];

            assert_int_equal(medvl_device_reserve(dev, scratch, NULL), 0);
            if (dev->scratch_size > 0) /* an op may expect nothing there */
                memset(dev->scratch, 0xff, dev->scratch_size);
            for (int i = 0; i < count; i++)
                mat_rewind(outs[i]);
            run(dev, context);
            for (int i = 0; i < count; i++) {
                const size_t size = (size_t)(outs[i]->rows *
                                             (outs[i]->cols + PAD)) *
                                    sizeof(float);

                check_close(what, outs[i], tolerance);
                if (!kept[i]) {
                    kept[i] = medvl_alloc(1, size);
                    assert_non_null(kept[i]);
                    memcpy(kept[i], outs[i]->f, size);
                } else if (memcmp(kept[i], outs[i]->f, size) != 0) {
                    fail_msg("%s: two threads change bits", what);
                }
            }
        }
        for (int i = 0; i < count; i++)
            medvl_free(kept[i]);
    }
}

/* Is dx the gradient of loss at x, in double? */
static inline void check_gradient(const char *what, double *x,
                                  const double *dx, int64_t count,
                                  double (*loss)(void *context),
                                  void *context)
{
    const double h = 1e-5;

    for (int64_t i = 0; i < count; i++) {
        const double at = x[i];
        double up, down, slope;

        x[i] = at + h;
        up = loss(context);
        x[i] = at - h;
        down = loss(context);
        x[i] = at;
        slope = (up - down) / (2 * h);
        if (!(fabs(slope - dx[i]) <= 1e-7 * (1 + fabs(slope))))
            fail_msg("%s [%lld]: gradient %.12g, differences %.12g", what,
                     (long long)i, dx[i], slope);
    }
}

static inline double inner(const double *a, const double *b, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

#define OPS_TEST(f) cmocka_unit_test_teardown(f, mat_release)

#endif
