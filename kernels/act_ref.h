/*
 * Activation functions and gated units over a row: the specification.
 *
 * Read next: act.c.
 */
#ifndef MEDVL_KERNELS_ACT_REF_H
#define MEDVL_KERNELS_ACT_REF_H

#include "kernels/real.h"

static inline real sigmoid(real x)
{
    return 1 / (1 + real_exp(-x));
}

/* tanh(x) = 2 sigmoid(2x) - 1; its rounding is absolute, as GELU needs. */
static inline real tanh_of(real x)
{
    return 2 * sigmoid(2 * x) - 1;
}

#define SQRT_HALF      (real)0.70710678118654752440
#define INV_SQRT_2PI   (real)0.39894228040143267794
#define SQRT_2_OVER_PI (real)0.79788456080286535588
#define TANH_CUBE      (real)0.044715
#define QUICK          (real)1.702

static inline real gelu(real x)
{
    return x * (real)0.5 * (1 + real_erf(x * SQRT_HALF));
}

static inline real gelu_slope(real x)
{
    return (real)0.5 * (1 + real_erf(x * SQRT_HALF)) +
           x * INV_SQRT_2PI * real_exp(x * x * (real)-0.5);
}

static inline real gelu_tanh(real x)
{
    const real u = SQRT_2_OVER_PI * (x + TANH_CUBE * x * x * x);

    return (real)0.5 * x * (1 + tanh_of(u));
}

static inline real gelu_tanh_slope(real x)
{
    const real t = tanh_of(SQRT_2_OVER_PI * (x + TANH_CUBE * x * x * x));
    const real du = SQRT_2_OVER_PI * (1 + 3 * TANH_CUBE * x * x);

    return (real)0.5 * (1 + t) + (real)0.5 * x * (1 - t * t) * du;
}

static inline real quick_gelu(real x)
{
    return x * sigmoid(QUICK * x);
}

static inline real quick_gelu_slope(real x)
{
    const real s = sigmoid(QUICK * x);

    return s + QUICK * x * s * (1 - s);
}

static inline real silu(real x)
{
    return x * sigmoid(x);
}

static inline real silu_slope(real x)
{
    const real s = sigmoid(x);

    return s + x * s * (1 - s);
}

/* Runs BODY with f and slope as one activation's, a loop for each. */
#define EACH_ACT(f, slope, BODY)                            \
    _Pragma("omp simd") for (int64_t i = 0; i < count; i++) \
    {                                                       \
        BODY(f, slope);                                     \
    }                                                       \
    break

#define BY_ACT(BODY)                                       \
    switch (act) {                                         \
    case MEDVL_ACT_GELU: EACH_ACT(gelu, gelu_slope, BODY); \
    case MEDVL_ACT_GELU_TANH:                              \
        EACH_ACT(gelu_tanh, gelu_tanh_slope, BODY);        \
    case MEDVL_ACT_QUICK_GELU:                             \
        EACH_ACT(quick_gelu, quick_gelu_slope, BODY);      \
    case MEDVL_ACT_SILU: EACH_ACT(silu, silu_slope, BODY); \
    }

static inline void act_forward(real *out, const real *inp,
                               enum medvl_act act, int64_t count)
{
#define BODY(f, slope) out[i] = f(inp[i])
    BY_ACT(BODY)
#undef BODY
}

static inline void act_backward(real *dinp, const real *dout,
                                const real *inp, enum medvl_act act,
                                int64_t count)
{
#define BODY(f, slope) dinp[i] += dout[i] * slope(inp[i])
    BY_ACT(BODY)
#undef BODY
}

static inline void glu_forward(real *out, const real *gate, const real *up,
                               enum medvl_act act, int64_t count)
{
#define BODY(f, slope) out[i] = f(gate[i]) * up[i]
    BY_ACT(BODY)
#undef BODY
}

static inline void glu_backward(real *dgate, real *dup, const real *dout,
                                const real *gate, const real *up,
                                enum medvl_act act, int64_t count)
{
#define GATE(f, slope) dgate[i] += dout[i] * up[i] * slope(gate[i])
    if (dgate)
        BY_ACT(GATE)
#undef GATE
#define UP(f, slope) dup[i] += dout[i] * f(gate[i])
    if (dup)
        BY_ACT(UP)
#undef UP
}

#endif
