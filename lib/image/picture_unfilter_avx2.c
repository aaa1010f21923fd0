/*
 * PNG's filters undone with AVX2's instructions.
 *
 * A pixel depends on the one before it, so the width that helps is a
 * pixel's: its bytes stand in the 16-bit lanes of one register, and left,
 * above and corner never leave registers.
 *
 * Read next: picture_libpng.c.
 */
#include "lib/image/picture_part.h"

#ifdef __AVX2__

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a pixel in 16-bit lanes; 8 bytes are there to be read. */
static inline __m128i get(const uint8_t *from)
{
    return _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)from));
}

/* The lanes' low bytes; what stands behind the pixel stays. */
static inline void put(uint8_t *to, __m128i lanes, size_t pixel)
{
    const long long bytes =
        _mm_cvtsi128_si64(_mm_packus_epi16(lanes, lanes));

    memcpy(to, &bytes, pixel);
}

static inline __m128i paeth(__m128i left, __m128i above, __m128i corner)
{
    const __m128i by_left = _mm_sub_epi16(above, corner);
    const __m128i by_above = _mm_sub_epi16(left, corner);
    const __m128i to_corner = _mm_abs_epi16(_mm_add_epi16(by_left, by_above));
    const __m128i to_left = _mm_abs_epi16(by_left);
    const __m128i to_above = _mm_abs_epi16(by_above);
    const __m128i least =
        _mm_min_epi16(to_corner, _mm_min_epi16(to_left, to_above));
    const __m128i other =
        _mm_blendv_epi8(corner, above, _mm_cmpeq_epi16(least, to_above));

    return _mm_blendv_epi8(other, left, _mm_cmpeq_epi16(least, to_left));
}

/*
 * Whole pixels as long as 8 bytes can be read; returns where it stopped.
 * Inlined for each size of pixel and each filter.
 */
static inline size_t pixels(uint8_t *out, const uint8_t *in,
                            const uint8_t *up, size_t size, size_t pixel,
                            int filter)
{
    const __m128i low = _mm_set1_epi16(0xff);
    __m128i left = _mm_setzero_si128(), corner = left;
    size_t i = 0;

    for (; i + 8 <= size; i += pixel) {
        const __m128i above = get(up + i);
        __m128i guess = left;

        if (filter == 3)
            guess = _mm_srli_epi16(_mm_add_epi16(left, above), 1);
        else if (filter == 4)
            guess = paeth(left, above, corner);
        left = _mm_and_si128(_mm_add_epi16(get(in + i), guess), low);
        put(out + i, left, pixel);
        corner = above;
    }
    return i;
}

static size_t some_pixels(uint8_t *out, const uint8_t *in,
                          const uint8_t *above, size_t size, size_t pixel,
                          int filter)
{
#define CASE(P, F) \
    case (P)*8 + (F): return pixels(out, in, above, size, P, F)
    switch (pixel * 8 + (size_t)filter) {
        CASE(3, 1);
        CASE(3, 3);
        CASE(3, 4);
        CASE(4, 1);
        CASE(4, 3);
        CASE(4, 4);
        CASE(6, 1);
        CASE(6, 3);
        CASE(6, 4);
        CASE(8, 1);
        CASE(8, 3);
        CASE(8, 4);
    default: return 0;
    }
#undef CASE
}

/* One byte a pixel: the same, by bytes. */
static void bytes_left(uint8_t *out, const uint8_t *in, size_t size)
{
    uint8_t left = 0;

    for (size_t i = 0; i < size; i++)
        out[i] = left = (uint8_t)(left + in[i]);
}

static void bytes_mean(uint8_t *out, const uint8_t *in, const uint8_t *above,
                       size_t size)
{
    unsigned left = 0;

    for (size_t i = 0; i < size; i++) {
        left = (in[i] + (left + above[i]) / 2) & 0xff;
        out[i] = (uint8_t)left;
    }
}

static void bytes_paeth(uint8_t *out, const uint8_t *in,
                        const uint8_t *above, size_t size)
{
    int left = 0, corner = 0;

    for (size_t i = 0; i < size; i++) {
        const int up = above[i], by_left = up - corner;
        const int by_above = left - corner;
        const int to_corner = abs(by_left + by_above);
        const int to_left = abs(by_left), to_above = abs(by_above);
        int guess = to_above <= to_corner ? up : corner;

        if (to_left <= to_above && to_left <= to_corner)
            guess = left;
        left = (in[i] + guess) & 0xff;
        out[i] = (uint8_t)left;
        corner = up;
    }
}

/* Rows of any pixel; out may be in, so not told to be apart. */
static void bytes_above(uint8_t *out, const uint8_t *in,
                        const uint8_t *above, size_t size)
{
    size_t i = 0;

    for (; i + 32 <= size; i += 32)
        _mm256_storeu_si256(
            (__m256i *)(out + i),
            _mm256_add_epi8(_mm256_loadu_si256((const __m256i *)(in + i)),
                            _mm256_loadu_si256((const __m256i *)(above + i))));
    for (; i < size; i++)
        out[i] = (uint8_t)(in[i] + above[i]);
}

void medvl_png_unfilter_avx2(uint8_t *out, const uint8_t *in,
                             const uint8_t *above, size_t size, size_t pixel,
                             int filter)
{
    if (filter == 0)
        memmove(out, in, size);
    else if (filter == 2)
        bytes_above(out, in, above, size);
    else if (pixel == 1 && filter == 1)
        bytes_left(out, in, size);
    else if (pixel == 1 && filter == 3)
        bytes_mean(out, in, above, size);
    else if (pixel == 1)
        bytes_paeth(out, in, above, size);
    else
        medvl_png_unfilter_rest(
            out, in, above,
            some_pixels(out, in, above, size, pixel, filter), size, pixel,
            filter);
}

#endif
