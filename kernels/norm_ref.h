/*
 * Normalization of one row: the specification.
 *
 * Read next: norm.c.
 */
#ifndef MEDVL_KERNELS_NORM_REF_H
#define MEDVL_KERNELS_NORM_REF_H

#include "kernels/real.h"

static inline void rmsnorm_forward(real *out, real *rrms,
                                   const real *inp, const real *w,
                                   int64_t C, real eps)
{
    real sum = 0;

#pragma omp simd reduction(+ \
                           : sum)
    for (int64_t c = 0; c < C; c++)
        sum += inp[c] * inp[c];
    const real scale = 1 / real_sqrt(sum / (real)C + eps);
    for (int64_t c = 0; c < C; c++)
        out[c] = inp[c] * scale * w[c];
    if (rrms)
        *rrms = scale;
}

/* With x = inp * rrms: dinp += rrms (dout w - x mean(dout w x)). */
static inline void rmsnorm_backward(real *dinp, real *dw, const real *dout,
                                    const real *inp, const real *w,
                                    real rrms, int64_t C)
{
    real sum = 0;

#pragma omp simd reduction(+ \
                           : sum)
    for (int64_t c = 0; c < C; c++)
        sum += dout[c] * w[c] * inp[c];
    const real mean = sum * rrms / (real)C;
    if (dinp)
        for (int64_t c = 0; c < C; c++)
            dinp[c] += rrms * (dout[c] * w[c] - inp[c] * rrms * mean);
    if (dw)
        for (int64_t c = 0; c < C; c++)
            dw[c] += dout[c] * inp[c] * rrms;
}

/* moments[0] gets the mean, moments[1] 1 / sqrt(var + eps). */
static inline void layernorm_forward(real *out, real *moments,
                                     const real *inp, const real *w,
                                     const real *b, int64_t C, real eps)
{
    real sum = 0, square = 0;

#pragma omp simd reduction(+ \
                           : sum)
    for (int64_t c = 0; c < C; c++)
        sum += inp[c];
    const real mean = sum / (real)C;
#pragma omp simd reduction(+ \
                           : square)
    for (int64_t c = 0; c < C; c++)
        square += (inp[c] - mean) * (inp[c] - mean);
    const real rstd = 1 / real_sqrt(square / (real)C + eps);
    for (int64_t c = 0; c < C; c++)
        out[c] = (inp[c] - mean) * rstd * w[c] + b[c];
    if (moments) {
        moments[0] = mean;
        moments[1] = rstd;
    }
}

/*
 * With x = (inp - mean) rstd and g = dout w:
 * dinp += rstd (g - mean(g) - x mean(g x)).
 */
static inline void layernorm_backward(real *dinp, real *dw, real *db,
                                      const real *dout, const real *inp,
                                      const real *w, const real *moments,
                                      int64_t C)
{
    const real mean = moments[0], rstd = moments[1];
    real sum = 0, dot = 0;

#pragma omp simd reduction(+ \
                           : sum, dot)
    for (int64_t c = 0; c < C; c++) {
        sum += dout[c] * w[c];
        dot += dout[c] * w[c] * (inp[c] - mean);
    }
    const real sum_mean = sum / (real)C, dot_mean = dot * rstd / (real)C;
    if (dinp)
        for (int64_t c = 0; c < C; c++)
            dinp[c] += rstd * (dout[c] * w[c] - sum_mean -
                               (inp[c] - mean) * rstd * dot_mean);
    if (dw)
        for (int64_t c = 0; c < C; c++)
            dw[c] += dout[c] * (inp[c] - mean) * rstd;
    if (db)
        for (int64_t c = 0; c < C; c++)
            db[c] += dout[c];
}

#endif
