/*
 * What the files of the picture module share.  Only lib/image/picture*.c
 * include this.
 *
 * Read next: picture.c.
 */
#ifndef MEDVL_IMAGE_PICTURE_PART_H
#define MEDVL_IMAGE_PICTURE_PART_H

#include "lib/image/picture.h"

uint32_t medvl_picture_number(const unsigned char *at, int bytes,
                              bool little);

/* A file that is told to be of the format; `file` is filled. */
typedef int medvl_picture_decode_fn(
    struct medvl_picture *out, struct medvl_picture_file *file,
    const unsigned char *data, size_t size,
    const struct medvl_picture_options *options, struct medvl_error *err);
medvl_picture_decode_fn medvl_picture_decode_png, medvl_picture_decode_jpeg;

/* Deflate cannot make more than this of one byte. */
#define MEDVL_DEFLATE_RATIO 1032

/*
 * PNG files, not turned yet: ordinary ones (1 when it was one, 0 when not),
 * and all.
 */
int medvl_picture_decode_quick(struct medvl_picture *out,
                               const unsigned char *data, size_t size,
                               int64_t pixels, struct medvl_error *err);
int medvl_picture_decode_libpng(struct medvl_picture *out,
                                const unsigned char *data, size_t size,
                                int64_t pixels, struct medvl_error *err);

/*
 * Undo PNG's filters (0..4) of 1..MEDVL_PNG_ROWS rows: each is a filter's
 * byte and `size` bytes, `pixel` of them a pixel (1, 2, 3, 4, 6, 8).  `above`
 * is the finished row above them; rows of `out` are `out_stride` apart and
 * may stand where those of `in` do.  The AVX2 form gives the same bytes.
 */
#define MEDVL_PNG_ROWS 15
typedef void medvl_png_unfilter_fn(uint8_t *out, size_t out_stride,
                                   const uint8_t *in, const uint8_t *above,
                                   size_t size, size_t pixel, int64_t count);
medvl_png_unfilter_fn medvl_png_unfilter, medvl_png_unfilter_ref,
    medvl_png_unfilter_avx2;

typedef int medvl_picture_probe_fn(int64_t *width, int64_t *height,
                                   const unsigned char *data, size_t size,
                                   int64_t pixels, struct medvl_error *err);
medvl_picture_probe_fn medvl_picture_probe_png, medvl_picture_probe_jpeg;

#endif
