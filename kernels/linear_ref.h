/*
 * Products with a weight: the specification.
 *
 * Read next: linear.c.
 */
#ifndef MEDVL_KERNELS_LINEAR_REF_H
#define MEDVL_KERNELS_LINEAR_REF_H

#include "kernels/real.h"

static inline real dot(const real *a, const real *b, int64_t K)
{
    real sum = 0;

    for (int64_t k = 0; k < K; k++)
        sum += a[k] * b[k];
    return sum;
}

static inline void linear_forward(real *out, const real *inp, const real *w,
                                  const real *bias, int64_t N, int64_t K,
                                  int64_t M)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t m = 0; m < M; m++)
            out[i * M + m] = dot(inp + i * K, w + m * K, K) +
                             (bias ? bias[m] : 0);
}

static inline void linear_backward(real *dinp, real *dw, real *dbias,
                                   const real *dout, const real *inp,
                                   const real *w, int64_t N, int64_t K,
                                   int64_t M)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t m = 0; m < M; m++) {
            const real d = dout[i * M + m];

            for (int64_t k = 0; dinp && k < K; k++)
                dinp[i * K + k] += d * w[m * K + k];
            for (int64_t k = 0; dw && k < K; k++)
                dw[m * K + k] += d * inp[i * K + k];
            if (dbias)
                dbias[m] += d;
        }
}

/* out += scale (inp a^T) b^T on the rows where `rows` (or NULL) is not 0. */
static inline void adapter_forward(real *out, const real *inp, const real *a,
                                   const real *b, const uint8_t *rows,
                                   real scale, int64_t N, int64_t K,
                                   int64_t M, int64_t R)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t r = 0; r < R && (!rows || rows[i]); r++) {
            const real t = scale * dot(inp + i * K, a + r * K, K);

            for (int64_t m = 0; m < M; m++)
                out[i * M + m] += t * b[m * R + r];
        }
}

static inline void adapter_backward(real *dinp, real *da, real *db,
                                    const real *dout, const real *inp,
                                    const real *a, const real *b,
                                    const uint8_t *rows, real scale,
                                    int64_t N, int64_t K, int64_t M,
                                    int64_t R)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t r = 0; r < R && (!rows || rows[i]); r++) {
            const real t = scale * dot(inp + i * K, a + r * K, K);
            real u = 0;

            for (int64_t m = 0; m < M; m++) {
                u += scale * dout[i * M + m] * b[m * R + r];
                if (db)
                    db[m * R + r] += dout[i * M + m] * t;
            }
            for (int64_t k = 0; dinp && k < K; k++)
                dinp[i * K + k] += u * a[r * K + k];
            for (int64_t k = 0; da && k < K; k++)
                da[r * K + k] += u * inp[i * K + k];
        }
}

#endif
