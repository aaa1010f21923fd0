/*
 * The passes of resize.c with AVX2.
 *
 * A weight has 24 bits at most.  Cut into w = high * 2^15 + low, both fit
 * 16 bits and _mm256_madd_epi16 multiplies and adds two taps at once; the
 * two sums are put together at the end.  A sum may wrap on the way: only
 * its value modulo 2^32 matters, and the whole fits.
 */
#include "lib/image/resize.h"

#ifdef __AVX2__

#include <immintrin.h>
#include <string.h>

#define BITS      22
#define LOW_BITS  15
#define RGB_TAPS  4
#define GREY_TAPS 16

static int16_t low_part(int32_t weight)
{
    return (int16_t)(weight & ((1 << LOW_BITS) - 1));
}

static int16_t high_part(int32_t weight)
{
    return (int16_t)(weight >> LOW_BITS);
}

static int64_t group_taps(int channels)
{
    return channels == 3 ? RGB_TAPS : GREY_TAPS;
}

static int64_t group_count(int channels, const struct medvl_taps *taps)
{
    const int64_t each = group_taps(channels);

    return (taps->taps + each - 1) / each;
}

size_t medvl_resize_packed_avx2(int channels, const struct medvl_taps *taps)
{
    return (size_t)(taps->size * group_count(channels, taps) *
                    group_taps(channels) * 2);
}

/* Each group: its low parts, then its high parts; zero past the last tap. */
void medvl_resize_pack_avx2(int16_t *packed, int channels,
                            const struct medvl_taps *taps)
{
    const int64_t each = group_taps(channels);
    const int64_t groups = group_count(channels, taps);

    for (int64_t i = 0; i < taps->size; i++) {
        const int32_t *weight = taps->weight + i * taps->taps;

        for (int64_t g = 0; g < groups; g++, packed += 2 * each)
            for (int64_t t = 0; t < each; t++) {
                const int64_t at = g * each + t;
                const int32_t w = at < taps->count[i] ? weight[at] : 0;

                packed[t] = low_part(w);
                packed[each + t] = high_part(w);
            }
    }
}

/* Two sums to one, with rounding's half; then four bytes of each lane. */
static __m256i join(__m256i low, __m256i high)
{
    return _mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS));
}

static int finish(__m128i sum)
{
    sum = _mm_add_epi32(sum, _mm_set1_epi32(1 << (BITS - 1)));
    sum = _mm_srai_epi32(sum, BITS);
    sum = _mm_packs_epi32(sum, sum);
    return _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
}

/*
 * Four pixels of three bytes a group: the first lane holds the pairs of
 * taps 0 and 1 for red, green, blue, the second those of taps 2 and 3.
 */
static void rgb_rows(uint8_t *out, size_t out_stride, const uint8_t *in,
                     size_t in_stride, const struct medvl_taps *taps,
                     const int16_t *packed)
{
    const int64_t groups = group_count(3, taps);
    const __m256i pixels = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,
        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i lows = _mm256_setr_epi8(
        0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
        4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    const __m256i highs = _mm256_add_epi8(lows, _mm256_set1_epi8(8));

    for (int64_t i = 0; i < taps->size; i++) {
        const uint8_t *from = in + (size_t)taps->first[i] * 3;
        const int64_t used = (taps->count[i] + RGB_TAPS - 1) / RGB_TAPS;
        __m256i low[4], high[4];

        for (int r = 0; r < 4; r++)
            low[r] = high[r] = _mm256_setzero_si256();
        for (int64_t g = 0; g < used; g++, from += 3 * RGB_TAPS) {
            const __m256i w = _mm256_broadcastsi128_si256(_mm_loadu_si128(
                (const __m128i *)(packed + g * RGB_TAPS * 2)));
            const __m256i wl = _mm256_shuffle_epi8(w, lows);
            const __m256i wh = _mm256_shuffle_epi8(w, highs);

            for (int r = 0; r < 4; r++) {
                const __m256i p = _mm256_shuffle_epi8(
                    _mm256_broadcastsi128_si256(_mm_loadu_si128(
                        (const __m128i *)(from + (size_t)r * in_stride))),
                    pixels);

                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(p, wl));
                high[r] =
                    _mm256_add_epi32(high[r], _mm256_madd_epi16(p, wh));
            }
        }
        for (int r = 0; r < 4; r++) {
            const __m256i sum = join(low[r], high[r]);
            const int bytes =
                finish(_mm_add_epi32(_mm256_castsi256_si128(sum),
                                     _mm256_extracti128_si256(sum, 1)));

            memcpy(out + (size_t)r * out_stride, &bytes, 3);
        }
        packed += groups * RGB_TAPS * 2;
        out += 3;
    }
}

/* Sixteen pixels a group; the four rows' sums end in one register. */
static void grey_rows(uint8_t *out, size_t out_stride, const uint8_t *in,
                      size_t in_stride, const struct medvl_taps *taps,
                      const int16_t *packed)
{
    const int64_t groups = group_count(1, taps);

    for (int64_t i = 0; i < taps->size; i++) {
        const uint8_t *from = in + taps->first[i];
        const int64_t used = (taps->count[i] + GREY_TAPS - 1) / GREY_TAPS;
        __m256i low[4], high[4], sum;
        int bytes;

        for (int r = 0; r < 4; r++)
            low[r] = high[r] = _mm256_setzero_si256();
        for (int64_t g = 0; g < used; g++, from += GREY_TAPS) {
            const int16_t *w = packed + g * GREY_TAPS * 2;
            const __m256i wl = _mm256_loadu_si256((const __m256i *)w);
            const __m256i wh =
                _mm256_loadu_si256((const __m256i *)(w + GREY_TAPS));

            for (int r = 0; r < 4; r++) {
                const __m256i p = _mm256_cvtepu8_epi16(_mm_loadu_si128(
                    (const __m128i *)(from + (size_t)r * in_stride)));

                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(p, wl));
                high[r] =
                    _mm256_add_epi32(high[r], _mm256_madd_epi16(p, wh));
            }
        }
        sum = _mm256_hadd_epi32(
            _mm256_hadd_epi32(join(low[0], high[0]), join(low[1], high[1])),
            _mm256_hadd_epi32(join(low[2], high[2]), join(low[3], high[3])));
        bytes = finish(_mm_add_epi32(_mm256_castsi256_si128(sum),
                                     _mm256_extracti128_si256(sum, 1)));
        for (int r = 0; r < 4; r++)
            out[(size_t)r * out_stride] = (uint8_t)(bytes >> (8 * r));
        packed += groups * GREY_TAPS * 2;
        out++;
    }
}

void medvl_resize_rows_avx2(uint8_t *out, size_t out_stride,
                            const uint8_t *in, size_t in_stride,
                            int channels, const struct medvl_taps *taps,
                            const int16_t *packed)
{
    if (channels == 3)
        rgb_rows(out, out_stride, in, in_stride, taps, packed);
    else
        grey_rows(out, out_stride, in, in_stride, taps, packed);
}

/* The weights of two taps side by side in each 32 bits. */
static __m256i pair(int16_t first, int16_t second)
{
    return _mm256_set1_epi32(
        (int)((uint32_t)(uint16_t)first | (uint32_t)(uint16_t)second << 16));
}

/*
 * 32 columns: the bytes of two rows are interleaved and widened, so each
 * madd adds two taps of eight columns.
 */
static void columns_32(uint8_t *out, const uint8_t *in, size_t stride,
                       const int32_t *weight, int32_t count)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i half = _mm256_set1_epi32(1 << (BITS - 1));
    __m256i low[4] = {half, half, half, half};
    __m256i high[4] = {zero, zero, zero, zero};

    for (int32_t t = 0; t < count; t += 2, in += 2 * stride) {
        const bool two = t + 1 < count;
        const int32_t w0 = weight[t], w1 = two ? weight[t + 1] : 0;
        const __m256i wl = pair(low_part(w0), low_part(w1));
        const __m256i wh = pair(high_part(w0), high_part(w1));
        const __m256i a = _mm256_loadu_si256((const __m256i *)in);
        const __m256i b =
            two ? _mm256_loadu_si256((const __m256i *)(in + stride)) : zero;
        const __m256i ab[2] = {_mm256_unpacklo_epi8(a, b),
                               _mm256_unpackhi_epi8(a, b)};

        for (int i = 0; i < 4; i++) {
            const __m256i p = i % 2 ? _mm256_unpackhi_epi8(ab[i / 2], zero)
                                    : _mm256_unpacklo_epi8(ab[i / 2], zero);

            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(p, wl));
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(p, wh));
        }
    }
    for (int i = 0; i < 4; i++)
        low[i] = _mm256_srai_epi32(join(low[i], high[i]), BITS);
    _mm256_storeu_si256(
        (__m256i *)out,
        _mm256_packus_epi16(_mm256_packs_epi32(low[0], low[1]),
                            _mm256_packs_epi32(low[2], low[3])));
}

void medvl_resize_column_avx2(uint8_t *out, const uint8_t *in, size_t stride,
                              int64_t skip, size_t bytes, int64_t index,
                              const struct medvl_taps *taps)
{
    const uint8_t *from = in + (size_t)(taps->first[index] - skip) * stride;
    size_t x = 0;

    for (; x + 32 <= bytes; x += 32)
        columns_32(out + x, from + x, stride,
                   taps->weight + index * taps->taps, taps->count[index]);
    if (x < bytes)
        medvl_resize_column_ref(out + x, in + x, stride, skip, bytes - x,
                                index, taps);
}

#endif
