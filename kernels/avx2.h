/*
 * For the *_avx2.c files alone: e^x and erf that vectorise, loads of any
 * weight as eight floats.
 *
 * Read next: norm_avx2.c.
 */
#ifndef MEDVL_KERNELS_AVX2_H
#define MEDVL_KERNELS_AVX2_H

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/*
 * Lane by lane the scalar and the vector form below do the same steps, so
 * an element's bits do not depend on where in a row it stands.
 *
 * e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2 and a minimax
 * polynomial of degree 6; 0 below -86.9, near where results leave the normal
 * numbers; +inf above 88.72.
 */
#define EXP_LOW    -86.9f
#define EXP_HIGH   88.72283f
#define EXP_LOG2E  1.44269504f
#define EXP_LN2_HI 0.693359375f
#define EXP_LN2_LO -2.12194440e-4f
#define EXP_ROUND  12582912.0f /* 1.5 * 2^23: adding it rounds */
#define EXP_C2     0.49999994f
#define EXP_C3     0.166665196f
#define EXP_C4     0.0416683927f
#define EXP_C5     0.00836878084f
#define EXP_C6     0.00138144672f

static inline float exp_avx2(float x)
{
    union {
        float f;
        uint32_t i;
    } n, scale;
    float r, p, k;

    n.f = __builtin_fmaf(x, EXP_LOG2E, EXP_ROUND);
    k = n.f - EXP_ROUND;
    r = __builtin_fmaf(k, -EXP_LN2_HI, x);
    r = __builtin_fmaf(k, -EXP_LN2_LO, r);
    p = __builtin_fmaf(EXP_C6, r, EXP_C5);
    p = __builtin_fmaf(p, r, EXP_C4);
    p = __builtin_fmaf(p, r, EXP_C3);
    p = __builtin_fmaf(p, r, EXP_C2);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    scale.i = (n.i << 23) + 0x3f000000u; /* 2^(n-1): n may be 128 */
    p = p * scale.f * 2.0f;
    p = x < EXP_LOW ? 0.0f : p;
    return x > EXP_HIGH ? INFINITY : p;
}

/*
 * erf: up to 1, x + x P(x^2); above, 1 - e^(-x Q(x)); both fitted for the
 * least largest relative error, which is below one unit in the last place.
 */
static inline float erf_avx2(float x)
{
    const float t = fabsf(x), s = t * t, u = t > 4.0f ? 4.0f : t;
    float p, q;

    p = __builtin_fmaf(7.85388547e-5f, s, -8.01020185e-4f);
    p = __builtin_fmaf(p, s, 5.18832868e-3f);
    p = __builtin_fmaf(p, s, -2.68538129e-2f);
    p = __builtin_fmaf(p, s, 0.112835854f);
    p = __builtin_fmaf(p, s, -0.37612626f);
    p = __builtin_fmaf(p, s, 0.128379166f);
    p = __builtin_fmaf(p, t, t);
    q = __builtin_fmaf(-2.10642494e-4f, u, 3.18694091e-3f);
    q = __builtin_fmaf(q, u, -2.27984451e-2f);
    q = __builtin_fmaf(q, u, 0.105116114f);
    q = __builtin_fmaf(q, u, 0.635831475f);
    q = __builtin_fmaf(q, u, 1.12848008f);
    q = 1.0f - exp_avx2(-q * u);
    return copysignf(t > 1.0f ? q : p, x);
}

static inline __m256 exp_ps(__m256 x)
{
    const __m256 round = _mm256_set1_ps(EXP_ROUND);
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 n =
        _mm256_fmadd_ps(x, _mm256_set1_ps(EXP_LOG2E), round);
    const __m256 k = _mm256_sub_ps(n, round);
    __m256 r = _mm256_fmadd_ps(k, _mm256_set1_ps(-EXP_LN2_HI), x);
    __m256 p;
    __m256i scale;

    r = _mm256_fmadd_ps(k, _mm256_set1_ps(-EXP_LN2_LO), r);
    p = _mm256_fmadd_ps(_mm256_set1_ps(EXP_C6), r, _mm256_set1_ps(EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C2));
    p = _mm256_fmadd_ps(p, r, one);
    p = _mm256_fmadd_ps(p, r, one);
    scale = _mm256_add_epi32(
        _mm256_slli_epi32(_mm256_castps_si256(n), 23),
        _mm256_set1_epi32(0x3f000000));
    p = _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(scale)),
                      _mm256_set1_ps(2.0f));
    p = _mm256_andnot_ps(
        _mm256_cmp_ps(x, _mm256_set1_ps(EXP_LOW), _CMP_LT_OQ), p);
    return _mm256_blendv_ps(
        p, _mm256_set1_ps(INFINITY),
        _mm256_cmp_ps(x, _mm256_set1_ps(EXP_HIGH), _CMP_GT_OQ));
}

/* The first `count` lanes on; count 0..8. */
static inline __m256i lanes(int64_t count)
{
    return _mm256_cmpgt_epi32(
        _mm256_set1_epi32((int)count),
        _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __m256 load_bf16(const uint16_t *p)
{
    const __m128i bits = _mm_loadu_si128((const __m128i *)p);

    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

static inline __m256 load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* The sum of eight lanes, always in this order. */
static inline float sum_ps(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

static inline float max_ps(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));

    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    s = _mm_max_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

#endif
