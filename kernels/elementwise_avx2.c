/*
 * elementwise_ref.h, vectorised by the compiler; dropout's random numbers
 * by hand, eight blocks of four at a time.
 */
#include "kernels/avx2.h" /* first: its e^x becomes that of _ref.h */

#include "kernels/cpu.h"
#include "kernels/elementwise_ref.h"

/* 32 x 32 bits, each lane's upper and lower half. */
static inline void multiply(__m256i *high, __m256i *low, __m256i a,
                            uint32_t by)
{
    const __m256i factor = _mm256_set1_epi32((int)by);
    const __m256i even = _mm256_mul_epu32(a, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);

    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

/* What dropout_block gives for index .. index + 7, in order. */
static inline void dropout_blocks(__m256i out[4], uint64_t seed,
                                  uint64_t item, uint64_t index)
{
    const uint32_t second =
        (uint32_t)MEDVL_PURPOSE_DROPOUT << 24 | (uint32_t)(index >> 32);
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    __m256i c0 = _mm256_add_epi32(_mm256_set1_epi32((int)(uint32_t)index),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c1 = _mm256_set1_epi32((int)second);
    __m256i c2 = _mm256_set1_epi32((int)(uint32_t)item);
    __m256i c3 = _mm256_set1_epi32((int)(uint32_t)(item >> 32));
    __m256i t0, t1, t2, t3;

    for (int round = 0; round < 10; round++) {
        __m256i high0, low0, high1, low1;

        multiply(&high0, &low0, c0, 0xd2511f53u);
        multiply(&high1, &low1, c2, 0xcd9e8d57u);
        c0 = _mm256_xor_si256(_mm256_xor_si256(high1, c1),
                              _mm256_set1_epi32((int)key0));
        c2 = _mm256_xor_si256(_mm256_xor_si256(high0, c3),
                              _mm256_set1_epi32((int)key1));
        c1 = low1;
        c3 = low0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    t0 = _mm256_unpacklo_epi32(c0, c1);
    t1 = _mm256_unpackhi_epi32(c0, c1);
    t2 = _mm256_unpacklo_epi32(c2, c3);
    t3 = _mm256_unpackhi_epi32(c2, c3);
    c0 = _mm256_unpacklo_epi64(t0, t2); /* blocks 0 and 4 */
    c1 = _mm256_unpackhi_epi64(t0, t2); /* 1 and 5 */
    c2 = _mm256_unpacklo_epi64(t1, t3);
    c3 = _mm256_unpackhi_epi64(t1, t3);
    out[0] = _mm256_permute2x128_si256(c0, c1, 0x20);
    out[1] = _mm256_permute2x128_si256(c2, c3, 0x20);
    out[2] = _mm256_permute2x128_si256(c0, c1, 0x31);
    out[3] = _mm256_permute2x128_si256(c2, c3, 0x31);
}

static void dropout_avx2(float *out, const float *inp, float rate,
                         uint64_t seed, uint64_t item, uint64_t element,
                         bool add_to, int64_t count)
{
    const __m256i below = _mm256_set1_epi32(
        (int)(uint32_t)((double)rate * 4294967296.0));
    const __m256 scale = _mm256_set1_ps(1 / (1 - rate));
    int64_t i = (int64_t)(-element % 4); /* to the start of a block */

    i = i < count ? i : count;
    dropout(out, inp, rate, seed, item, element, add_to, i);
    for (; i + 32 <= count; i += 32) {
        const uint64_t index = (element + (uint64_t)i) / 4;
        __m256i draw[4];

        if ((uint32_t)index > UINT32_MAX - 7) /* a carry among the eight */
            break;
        dropout_blocks(draw, seed, item, index);
        for (int j = 0; j < 4; j++) {
            const __m256i kept = _mm256_cmpeq_epi32(
                _mm256_max_epu32(draw[j], below), draw[j]);
            __m256 v = _mm256_and_ps(
                _mm256_mul_ps(_mm256_loadu_ps(inp + i + 8 * j), scale),
                _mm256_castsi256_ps(kept));

            if (add_to)
                v = _mm256_add_ps(_mm256_loadu_ps(out + i + 8 * j), v);
            _mm256_storeu_ps(out + i + 8 * j, v);
        }
    }
    dropout(out + i, inp + i, rate, seed, item, element + (uint64_t)i,
            add_to, count - i);
}

const struct elementwise_rows elementwise_rows_avx2 = {
    add,
    scale_forward,
    scale_backward,
    lerp,
    sum_squares,
    finite_row,
    dropout_avx2,
    adamw_step,
};
