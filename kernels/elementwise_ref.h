/*
 * Sums, averages, dropout and the AdamW step over a row: the specification.
 *
 * Read next: elementwise.c.
 */
#ifndef MEDVL_KERNELS_ELEMENTWISE_REF_H
#define MEDVL_KERNELS_ELEMENTWISE_REF_H

#include "kernels/real.h"
#include "lib/base/rng.h"

/* Purpose, seed and item of the stream of random numbers of one dropout. */
static inline void dropout_block(uint32_t block[4], uint64_t seed,
                                 uint64_t item, uint64_t index)
{
    const uint32_t counter[4] = {
        (uint32_t)index,
        (uint32_t)MEDVL_PURPOSE_DROPOUT << 24 | (uint32_t)(index >> 32),
        (uint32_t)item,
        (uint32_t)(item >> 32),
    };
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    medvl_philox(block, counter, key);
}

/* `element` is the first one's place in the whole tensor. */
static inline void dropout(real *out, const real *inp, real rate,
                           uint64_t seed, uint64_t item, uint64_t element,
                           bool add, int64_t count)
{
    const uint64_t below = (uint64_t)((double)rate * 4294967296.0);
    const real scale = 1 / (1 - rate);
    uint32_t block[4];

    for (int64_t i = 0; i < count; i++) {
        const uint64_t e = element + (uint64_t)i;

        if (i == 0 || e % 4 == 0)
            dropout_block(block, seed, item, e / 4);
        const real kept = block[e % 4] >= below ? inp[i] * scale : 0;
        out[i] = add ? out[i] + kept : kept;
    }
}

static inline void add(real *out, const real *a, const real *b,
                       int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

static inline void scale_forward(real *out, const real *inp, const real *w,
                                 int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = inp[i] * w[i];
}

static inline void scale_backward(real *dinp, real *dw, const real *dout,
                                  const real *inp, const real *w,
                                  int64_t count)
{
    for (int64_t i = 0; dinp && i < count; i++)
        dinp[i] += dout[i] * w[i];
    for (int64_t i = 0; dw && i < count; i++)
        dw[i] += dout[i] * inp[i];
}

static inline void lerp(real *out, const real *inp, real weight,
                        int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] += weight * (inp[i] - out[i]);
}

static inline double sum_squares(const real *inp, int64_t count)
{
    double sum = 0;

#pragma omp simd reduction(+ \
                           : sum)
    for (int64_t i = 0; i < count; i++)
        sum += (double)inp[i] * (double)inp[i];
    return sum;
}

/* x - x is 0 for a finite x, else a NaN. */
static inline bool finite_row(const real *inp, int64_t count)
{
    int bad = 0;

#pragma omp simd reduction(| \
                           : bad)
    for (int64_t i = 0; i < count; i++)
        bad |= inp[i] - inp[i] != 0;
    return !bad;
}

static inline void adamw_step(real *master, real *m, real *v,
                              const real *grad,
                              const struct medvl_adamw *adamw, int64_t count)
{
    const real beta1 = adamw->beta1, beta2 = adamw->beta2;
    const real scale = adamw->grad_scale, eps = adamw->eps;
    const real keep = 1 - (real)adamw->rate * (real)adamw->decay;
    const real step = (real)adamw->rate / (real)adamw->bias1;
    const real root = 1 / real_sqrt((real)adamw->bias2);

#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const real g = grad[i] * scale;

        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        master[i] = master[i] * keep -
                    step * m[i] / (real_sqrt(v[i]) * root + eps);
    }
}

#endif
