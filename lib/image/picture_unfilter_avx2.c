/*
 * PNG's filters undone with AVX2, fifteen rows at once.
 *
 * A byte depends on those to its left, above, and above left, so a row is a
 * chain; but the byte below may be done one step later.  Sixteen 16-bit lanes
 * therefore hold sixteen rows, each one byte behind the row above it:
 *
 *     lane r at step t has byte t - r of row r
 *     left    lane r     at step t - pixel
 *     above   lane r - 1 at step t - 1
 *     corner  what was above at step t - pixel
 *
 * Lane 0 is the finished row above the others, as a row without a filter.
 * Every lane has its own filter, by masks.  Left of a row all is 0, which
 * gives 0 there under every filter, as the format wants it.
 *
 * Read next: picture_libpng.c.
 */
#include "lib/image/picture_part.h"

#ifdef __AVX2__

#include <immintrin.h>
#include <string.h>

#define LANES (MEDVL_PNG_ROWS + 1)
#define PAST  8 /* steps that are looked back on: the largest pixel */

/* For each filter but 0: which lanes have it. */
struct masks {
    __m256i of[5];
};

struct rows {
    const uint8_t *in[LANES];
    uint8_t *out[LANES]; /* that of lane 0 is not used */
    int count;           /* lanes */
    int64_t size;        /* bytes of a row */
};

static inline __m256i paeth(__m256i left, __m256i above, __m256i corner)
{
    const __m256i by_left = _mm256_sub_epi16(above, corner);
    const __m256i by_above = _mm256_sub_epi16(left, corner);
    const __m256i to_corner =
        _mm256_abs_epi16(_mm256_add_epi16(by_left, by_above));
    const __m256i to_left = _mm256_abs_epi16(by_left);
    const __m256i to_above = _mm256_abs_epi16(by_above);
    const __m256i other = _mm256_blendv_epi8(
        above, corner, _mm256_cmpgt_epi16(to_above, to_corner));

    return _mm256_blendv_epi8(
        left, other,
        _mm256_cmpgt_epi16(to_left, _mm256_min_epi16(to_above, to_corner)));
}

/* Lane r gets what lane r - 1 had. */
static inline __m256i move_down(__m256i v)
{
    return _mm256_alignr_epi8(v, _mm256_permute2x128_si256(v, v, 0x08), 14);
}

static inline __m256i guess(const struct masks *masks, __m256i left,
                            __m256i above, __m256i corner)
{
    const __m256i mean = _mm256_srli_epi16(_mm256_add_epi16(left, above), 1);

    return _mm256_or_si256(
        _mm256_or_si256(_mm256_and_si256(left, masks->of[1]),
                        _mm256_and_si256(above, masks->of[2])),
        _mm256_or_si256(_mm256_and_si256(mean, masks->of[3]),
                        _mm256_and_si256(paeth(left, above, corner),
                                         masks->of[4])));
}

/* Interleaving the upper with the lower half, four times, transposes. */
static inline void turn_square(__m128i v[16])
{
    for (int k = 0; k < 4; k++) {
        __m128i w[16];

        for (int i = 0; i < 8; i++) {
            w[2 * i] = _mm_unpacklo_epi8(v[i], v[i + 8]);
            w[2 * i + 1] = _mm_unpackhi_epi8(v[i], v[i + 8]);
        }
        memcpy(v, w, sizeof(w));
    }
}

/* Bytes [x, x + 16) of a row, 0 where they are outside. */
static __m128i load(const uint8_t *row, int64_t x, int64_t size)
{
    uint8_t bytes[16] = {0};

    if (x >= 0 && x + 16 <= size)
        return _mm_loadu_si128((const __m128i *)(row + x));
    for (int64_t i = x < 0 ? -x : 0; i < 16 && x + i < size; i++)
        bytes[i] = row[x + i];
    return _mm_loadu_si128((const __m128i *)bytes);
}

static void store(uint8_t *row, int64_t x, int64_t size, __m128i v)
{
    uint8_t bytes[16];

    if (x >= 0 && x + 16 <= size) {
        _mm_storeu_si128((__m128i *)(row + x), v);
        return;
    }
    _mm_storeu_si128((__m128i *)bytes, v);
    for (int64_t i = x < 0 ? -x : 0; i < 16 && x + i < size; i++)
        row[x + i] = bytes[i];
}

/* 16 steps: what was done and above in the PAST ones comes before. */
static inline void steps(__m128i v[16], __m256i done[PAST + 16],
                         __m256i above[PAST + 16], const struct masks *masks,
                         int pixel)
{
    const __m256i low = _mm256_set1_epi16(0xff);

#pragma GCC unroll 16
    for (int t = PAST; t < PAST + 16; t++) {
        const __m256i in = _mm256_cvtepu8_epi16(v[t - PAST]);

        above[t] = move_down(done[t - 1]);
        done[t] = _mm256_and_si256(
            _mm256_add_epi16(in, guess(masks, done[t - pixel], above[t],
                                       above[t - pixel])),
            low);
        v[t - PAST] = _mm_packus_epi16(_mm256_castsi256_si128(done[t]),
                                       _mm256_extracti128_si256(done[t], 1));
    }
}

static inline void undo(const struct rows *rows, const struct masks *masks,
                        int pixel)
{
    __m256i done[PAST + 16], above[PAST + 16];

    memset(done, 0, sizeof(done));
    memset(above, 0, sizeof(above));
    for (int64_t at = 0; at < rows->size + rows->count - 1; at += 16) {
        __m128i v[16];

        for (int r = 0; r < 16; r++)
            v[r] = r < rows->count ? load(rows->in[r], at - r, rows->size)
                                   : _mm_setzero_si128();
        turn_square(v);
        steps(v, done, above, masks, pixel);
        memcpy(done, done + 16, PAST * sizeof(*done));
        memcpy(above, above + 16, PAST * sizeof(*above));
        turn_square(v);
        for (int r = 1; r < rows->count; r++)
            store(rows->out[r], at - r, rows->size, v[r]);
    }
}

void medvl_png_unfilter_avx2(uint8_t *out, size_t out_stride,
                             const uint8_t *in, const uint8_t *above,
                             size_t size, size_t pixel, int64_t count)
{
    struct rows rows = {.count = (int)count + 1, .size = (int64_t)size};
    uint16_t lanes[5][16] = {{0}};
    struct masks masks;

    rows.in[0] = above;
    for (int r = 1; r < rows.count; r++) {
        rows.in[r] = in + 1;
        rows.out[r] = out;
        lanes[*in][r] = 0xffff;
        in += size + 1;
        out += out_stride;
    }
    for (int f = 0; f < 5; f++)
        masks.of[f] = _mm256_loadu_si256((const __m256i *)lanes[f]);
    switch (pixel) {
    case 1: undo(&rows, &masks, 1); break;
    case 2: undo(&rows, &masks, 2); break;
    case 3: undo(&rows, &masks, 3); break;
    case 4: undo(&rows, &masks, 4); break;
    case 6: undo(&rows, &masks, 6); break;
    default: undo(&rows, &masks, 8);
    }
}

#endif
