/*
 * The passes of resize.c with AVX2: one kernel, for 32 columns.
 *
 * Along the rows, 32 rows are turned into columns, run through the same
 * kernel, and turned back, so neither the number of channels nor of taps
 * leaves lanes unused.
 *
 * A weight has 24 bits at most.  Cut into w = high * 2^16 + low, the low
 * part fits _mm256_madd_epi16, which multiplies and adds two taps at once in
 * 32 bits, and the high part _mm256_maddubs_epi16, which does so in 16.  The
 * sums may wrap on the way: only their value modulo 2^32 and 2^16 matters.
 *
 * Read next: region.c.
 */
#include "lib/image/resize.h"

#ifdef __AVX2__

#include <immintrin.h>
#include <stdlib.h>

#define BITS 22

static int64_t pairs_of(const struct medvl_taps *taps)
{
    return (taps->taps + 1) / 2;
}

size_t medvl_resize_packed_avx2(const struct medvl_taps *taps)
{
    return (size_t)(taps->size * pairs_of(taps) * 2);
}

/* For two taps: their low parts side by side, their high parts twice. */
bool medvl_resize_pack_avx2(uint32_t *packed, const struct medvl_taps *taps)
{
    for (int64_t i = 0; i < taps->size; i++)
        for (int64_t p = 0; p < pairs_of(taps); p++, packed += 2) {
            uint32_t low[2] = {0, 0};
            int32_t high[2] = {0, 0};

            for (int64_t k = 0; k < 2 && 2 * p + k < taps->count[i]; k++) {
                const int32_t w = taps->weight[i * taps->taps + 2 * p + k];

                low[k] = (uint32_t)w & 0xffff;
                high[k] = (w - (int16_t)low[k]) / 65536;
            }
            /* 255 times the two must fit 16 bits, each of them 8. */
            if (abs(high[0]) + abs(high[1]) > 127)
                return false;
            packed[0] = low[0] | low[1] << 16;
            packed[1] = (((uint32_t)high[0] & 0xff) |
                         ((uint32_t)high[1] & 0xff) << 8) *
                        0x10001u;
        }
    return true;
}

struct sums {
    __m256i low[4], high[2];
};

/* Two taps of 32 columns: bytes interleaved, then widened. */
static inline void add_pair(struct sums *s, __m256i a, __m256i b,
                            const uint32_t *packed)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_set1_epi32((int)packed[0]);
    const __m256i high = _mm256_set1_epi32((int)packed[1]);
    const __m256i ab[2] = {_mm256_unpacklo_epi8(a, b),
                           _mm256_unpackhi_epi8(a, b)};

    for (int i = 0; i < 2; i++) {
        const __m256i p = _mm256_unpacklo_epi8(ab[i], zero);
        const __m256i q = _mm256_unpackhi_epi8(ab[i], zero);

        s->low[2 * i] =
            _mm256_add_epi32(s->low[2 * i], _mm256_madd_epi16(p, low));
        s->low[2 * i + 1] =
            _mm256_add_epi32(s->low[2 * i + 1], _mm256_madd_epi16(q, low));
        s->high[i] =
            _mm256_add_epi16(s->high[i], _mm256_maddubs_epi16(ab[i], high));
    }
}

static inline void columns_32(uint8_t *out, const uint8_t *in, size_t stride,
                              const uint32_t *packed, int32_t count)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i half = _mm256_set1_epi32(1 << (BITS - 1));
    struct sums s = {{half, half, half, half}, {zero, zero}};
    int32_t t = 0;

    for (; t + 2 <= count; t += 2, in += 2 * stride, packed += 2)
        add_pair(&s, _mm256_loadu_si256((const __m256i *)in),
                 _mm256_loadu_si256((const __m256i *)(in + stride)), packed);
    if (t < count)
        add_pair(&s, _mm256_loadu_si256((const __m256i *)in), zero, packed);
    for (int i = 0; i < 4; i++) {
        const __m256i high = i % 2
                                 ? _mm256_unpackhi_epi16(zero, s.high[i / 2])
                                 : _mm256_unpacklo_epi16(zero, s.high[i / 2]);

        s.low[i] = _mm256_srai_epi32(_mm256_add_epi32(s.low[i], high), BITS);
    }
    _mm256_storeu_si256(
        (__m256i *)out,
        _mm256_packus_epi16(_mm256_packs_epi32(s.low[0], s.low[1]),
                            _mm256_packs_epi32(s.low[2], s.low[3])));
}

void medvl_resize_column_avx2(uint8_t *out, const uint8_t *in, size_t stride,
                              size_t bytes, int64_t index,
                              const struct medvl_taps *taps,
                              const uint32_t *packed)
{
    packed += index * pairs_of(taps) * 2;
    for (size_t x = 0; x + 32 <= bytes; x += 32)
        columns_32(out + x, in + x, stride, packed, taps->count[index]);
    if (bytes % 32)
        columns_32(out + bytes - 32, in + bytes - 32, stride, packed,
                   taps->count[index]);
}

/*
 * A lane holds a square of 16 x 16 bytes, row by row; interleaving its upper
 * with its lower half, four times, leaves it column by column.
 */
static inline void turn_squares(__m256i v[16])
{
    for (int k = 0; k < 4; k++) {
        __m256i w[16];

        for (int i = 0; i < 8; i++) {
            w[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 8]);
            w[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 8]);
        }
        for (int i = 0; i < 16; i++)
            v[i] = w[i];
    }
}

/* 16 bytes of each of 32 rows, to 16 columns of 32 bytes. */
static void to_columns(uint8_t *out, const uint8_t *const in[32], size_t at)
{
    __m256i v[16];

    for (int i = 0; i < 16; i++)
        v[i] = _mm256_set_m128i(
            _mm_loadu_si128((const __m128i *)(in[i + 16] + at)),
            _mm_loadu_si128((const __m128i *)(in[i] + at)));
    turn_squares(v);
    for (int i = 0; i < 16; i++)
        _mm256_store_si256((__m256i *)(out + (at + (size_t)i) * 32), v[i]);
}

/* And back, `rows` of them. */
static void to_rows(uint8_t *out, size_t stride, const uint8_t *in, size_t at,
                    int64_t rows)
{
    __m256i v[16];

    for (int i = 0; i < 16; i++)
        v[i] = _mm256_load_si256(
            (const __m256i *)(in + (at + (size_t)i) * 32));
    turn_squares(v);
    for (int i = 0; i < 16; i++) {
        uint8_t *to = out + (size_t)i * stride + at;

        if (i < rows)
            _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(v[i]));
        if (i + 16 < rows)
            _mm_storeu_si128((__m128i *)(to + 16 * stride),
                             _mm256_extracti128_si256(v[i], 1));
    }
}

void medvl_resize_rows_avx2(uint8_t *out, size_t out_stride,
                            const uint8_t *in, size_t in_stride, int64_t rows,
                            int channels, int64_t width,
                            const struct medvl_taps *taps,
                            const uint32_t *packed, uint8_t *scratch)
{
    const size_t row = (size_t)width * (size_t)channels;
    const size_t to = (size_t)taps->size * (size_t)channels;
    uint8_t *columns = scratch, *done = scratch + row * 32;
    const uint8_t *from[32];

    /* Where fewer than 32 are left, the last stands in for the others. */
    for (int64_t i = 0; i < 32; i++)
        from[i] = in + (size_t)(i < rows ? i : rows - 1) * in_stride;
    for (size_t at = 0; at + 16 <= row; at += 16)
        to_columns(columns, from, at);
    if (row % 16)
        to_columns(columns, from, row - 16);
    for (int64_t i = 0; i < taps->size; i++)
        for (int c = 0; c < channels; c++)
            columns_32(done + (size_t)(i * channels + c) * 32,
                       columns +
                           (size_t)(taps->first[i] * channels + c) * 32,
                       (size_t)channels * 32, packed + i * pairs_of(taps) * 2,
                       taps->count[i]);
    for (size_t at = 0; at + 16 <= to; at += 16)
        to_rows(out, out_stride, done, at, rows);
    if (to % 16)
        to_rows(out, out_stride, done, to - 16, rows);
}

#endif
