/*
 * Conversions eight at a time; ends go through the plain loop, which gives
 * the same bits.
 */
#include "kernels/avx2.h"
#include "kernels/cpu.h"

/* Round to nearest even; a NaN stays one and becomes quiet. */
static inline __m128i bf16_of(__m256 value)
{
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i odd =
        _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(
        bits, _mm256_add_epi32(_mm256_set1_epi32(0x7fff), odd));
    const __m256i quiet =
        _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan =
        _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const __m256i upper = _mm256_srli_epi32(
        _mm256_blendv_epi8(rounded, quiet, nan), 16);
    const __m256i packed = _mm256_packus_epi32(upper, upper);

    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

/* An eight-bit float is an f16 with a shorter fraction; see tensor.c. */
static inline __m256 load_f8(const void *inp, enum medvl_dtype from)
{
    const __m128i bits = _mm_cvtepu8_epi16(_mm_loadl_epi64(inp));
    const __m128i low = _mm_and_si128(bits, _mm_set1_epi16(0x7f));
    const __m128i sign = _mm_slli_epi16(_mm_xor_si128(bits, low), 8);
    const __m128i nan = _mm_cmpeq_epi16(low, _mm_set1_epi16(0x7f));
    __m128i half = _mm_slli_epi16(low, 7);

    if (from == MEDVL_DTYPE_F8_E5M2)
        return _mm256_cvtph_ps(_mm_slli_epi16(bits, 8));
    half = _mm_blendv_epi8(half, _mm_set1_epi16(0x7e00), nan);
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(half, sign)),
                         _mm256_set1_ps(256));
}

static inline __m256 load(const void *inp, enum medvl_dtype from, int64_t i)
{
    if (from == MEDVL_DTYPE_F32)
        return _mm256_loadu_ps((const float *)inp + i);
    if (from == MEDVL_DTYPE_BF16)
        return load_bf16((const uint16_t *)inp + i);
    if (from == MEDVL_DTYPE_F16)
        return load_f16((const uint16_t *)inp + i);
    return load_f8((const uint8_t *)inp + i, from);
}

static inline void store(void *out, enum medvl_dtype to, int64_t i, __m256 v)
{
    if (to == MEDVL_DTYPE_F32)
        _mm256_storeu_ps((float *)out + i, v);
    else if (to == MEDVL_DTYPE_BF16)
        _mm_storeu_si128((__m128i *)((uint16_t *)out + i), bf16_of(v));
    else
        _mm_storeu_si128((__m128i *)((uint16_t *)out + i),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static void convert_avx2(void *out, enum medvl_dtype to, const void *inp,
                         enum medvl_dtype from, int64_t count)
{
    const size_t out_size = medvl_dtype_bytes(to, 1);
    const size_t inp_size = medvl_dtype_bytes(from, 1);
    int64_t i = 0;

    for (; to != from && i + 8 <= count; i += 8)
        store(out, to, i, load(inp, from, i));
    convert_rows_plain.convert((char *)out + (size_t)i * out_size, to,
                               (const char *)inp + (size_t)i * inp_size,
                               from, count - i);
}

const struct convert_rows convert_rows_avx2 = {convert_avx2};
