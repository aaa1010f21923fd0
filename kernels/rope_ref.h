/*
 * Rotary positions of one token: the specification.
 *
 * Read next: rope.c.
 */
#ifndef MEDVL_KERNELS_ROPE_REF_H
#define MEDVL_KERNELS_ROPE_REF_H

#include "kernels/real.h"

/* inp may be out. */
static inline void rope_forward(real *out, const real *inp, const real *cos,
                                const real *sin, int64_t H, int64_t D,
                                int64_t R)
{
    const int64_t half = R / 2;

    for (int64_t h = 0; h < H; h++, out += D, inp += D) {
#pragma omp simd
        for (int64_t i = 0; i < half; i++) {
            const real x = inp[i], y = inp[i + half];

            out[i] = x * cos[i] - y * sin[i];
            out[i + half] = y * cos[i] + x * sin[i];
        }
        for (int64_t i = R; i < D; i++)
            out[i] = inp[i];
    }
}

static inline void rope_backward(real *dinp, const real *dout,
                                 const real *cos, const real *sin,
                                 int64_t H, int64_t D, int64_t R)
{
    const int64_t half = R / 2;

    for (int64_t h = 0; h < H; h++, dinp += D, dout += D) {
#pragma omp simd
        for (int64_t i = 0; i < half; i++) {
            const real x = dout[i], y = dout[i + half];

            dinp[i] += x * cos[i] + y * sin[i];
            dinp[i + half] += y * cos[i] - x * sin[i];
        }
        for (int64_t i = R; i < D; i++)
            dinp[i] += dout[i];
    }
}

#endif
