/*
 * Resizing that gives Pillow's bytes, and crop, pad and stretch as the
 * processors of transformers do them.  Pictures of 8 bits, 1 or 3 channels.
 *
 * Read next: blur.h.
 */
#ifndef MEDVL_IMAGE_RESIZE_H
#define MEDVL_IMAGE_RESIZE_H

#include "lib/image/picture.h"

enum medvl_filter {
    MEDVL_FILTER_BICUBIC,  /* a = -0.5, widened when shrinking */
    MEDVL_FILTER_BILINEAR, /* triangle, widened when shrinking */
};

/*
 * Resize to width x height.
 *
 *   out   holds no picture; another struct than `in`
 *   in    8 bits
 *
 * Two passes in fixed point (22 bits), rows first, only the rows that are
 * needed; the same bytes with and without AVX2.
 *
 * Source: compared with Pillow 11.3, Image.resize, which gives the same
 * bytes (tests/golden/resize.py).
 */
int medvl_picture_resize(struct medvl_picture *out,
                         const struct medvl_picture *in,
                         int64_t width, int64_t height,
                         enum medvl_filter filter,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Copy the rectangle with its upper left corner at (x, y), all inside. */
int medvl_picture_crop(struct medvl_picture *out,
                       const struct medvl_picture *in,
                       int64_t x, int64_t y, int64_t width, int64_t height,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * A picture of the colour with `in` at (x, y), all inside.  Grey stays grey
 * where the colour is grey; else the result is RGB.
 */
int medvl_picture_pad(struct medvl_picture *out, const struct medvl_picture *in,
                      int64_t x, int64_t y, int64_t width, int64_t height,
                      const uint8_t color[3],
                      struct medvl_error *err) MEDVL_MUST_CHECK;

enum medvl_fit {
    MEDVL_FIT_STRETCH, /* the aspect is not kept */
    MEDVL_FIT_CROP,    /* cover, then cut the middle */
    MEDVL_FIT_PAD,     /* pad to the aspect, then resize */
};

/*
 * How a point of the old picture lies in the new one, in pixels where the
 * first pixel spans 0..1:  x' = x * scale_x + x0, the same for y.
 */
struct medvl_placement {
    double scale_x, scale_y;
    double x0, y0;
};

/*
 * Make any picture width x height.
 *
 * CROP: the side that has less to spare gets its size, the other
 * size * long / short without its fraction; the middle is kept, offset
 * (n - size) / 2 rounded down.  PAD: the picture is centred (offset rounded
 * down) on the smallest canvas of the wanted aspect that holds it, then
 * resized; MEDVL_EARG when that canvas is above `pixels`.
 *
 *   color     of the padding, RGB
 *   pixels    limit on the canvas; 0: MEDVL_PICTURE_PIXELS
 *   placed    may be NULL
 */
int medvl_picture_fit(struct medvl_picture *out, const struct medvl_picture *in,
                      int64_t width, int64_t height, enum medvl_fit fit,
                      enum medvl_filter filter, const uint8_t color[3],
                      int64_t pixels, struct medvl_placement *placed,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * "R,G,B" with 0..255 each, "mean" (122,116,104: CLIP's mean colour), or
 * black, white, grey, red, green, blue, yellow, cyan, magenta, orange.
 */
int medvl_color_parse(uint8_t out[3], const char *text,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- the two passes, for tests --------------------------------------- */

/*
 * The filter along one side: output i is the sum over
 * taps t < count[i] of weight[i * taps + t] * input[first[i] + t], in units
 * of 2^-22.
 */
struct medvl_taps {
    int64_t size; /* outputs */
    int64_t taps; /* room for one output */
    int32_t *first, *count, *weight;
};
int medvl_taps_make(struct medvl_taps *taps, int64_t from, int64_t to,
                    enum medvl_filter filter,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_taps_release(struct medvl_taps *taps);

/* The plain form: one row to one row of `taps->size` pixels. */
void medvl_resize_row_ref(uint8_t *out, const uint8_t *in, int channels,
                          const struct medvl_taps *taps);

/*
 * The plain form down the columns: output row `index`, `bytes` wide, from
 * the rows at `in`, `stride` bytes apart, the first of them the one that
 * taps->first[index] names.
 */
void medvl_resize_column_ref(uint8_t *out, const uint8_t *in, size_t stride,
                             size_t bytes, int64_t index,
                             const struct medvl_taps *taps);

/*
 * The AVX2 forms (resize_avx2.c), equal to the plain ones byte for byte.
 *
 *   packed   weights in the order of the loops, of
 *            medvl_resize_packed_avx2() numbers; pack is false when a weight
 *            is too large for them (near 1 at most, they never were)
 *
 * rows_avx2 takes 1..32 rows of `width` pixels; `scratch`, aligned to 32
 * bytes, has 32 * (width + taps->size) * channels.  Neither reads nor
 * writes past a row, so rows have at least MEDVL_RESIZE_ROW bytes before and
 * after, and those of column_avx2 MEDVL_RESIZE_COLUMN.
 */
#define MEDVL_RESIZE_ROW    16
#define MEDVL_RESIZE_COLUMN 32
size_t medvl_resize_packed_avx2(const struct medvl_taps *taps);
bool medvl_resize_pack_avx2(uint32_t *packed, const struct medvl_taps *taps);
void medvl_resize_rows_avx2(uint8_t *out, size_t out_stride,
                            const uint8_t *in, size_t in_stride, int64_t rows,
                            int channels, int64_t width,
                            const struct medvl_taps *taps,
                            const uint32_t *packed, uint8_t *scratch);
void medvl_resize_column_avx2(uint8_t *out, const uint8_t *in, size_t stride,
                              size_t bytes, int64_t index,
                              const struct medvl_taps *taps,
                              const uint32_t *packed);

/* For tests: false keeps to the plain forms. */
int medvl_picture_resize_with(struct medvl_picture *out,
                              const struct medvl_picture *in, int64_t width,
                              int64_t height, enum medvl_filter filter,
                              bool fast,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
