/*
 * Compressed frames of DICOM that DCMTK does not decode, or not safely:
 * JPEG 2000 through OpenJPEG, JPEG-LS through CharLS, RLE here.
 *
 * Read next: decode_rle.c, decode_j2k.c, decode_jpegls.c.
 */
#ifndef MEDVL_CMD_DECODE_CODEC_H
#define MEDVL_CMD_DECODE_CODEC_H

#include "lib/image/decode.h"

/* What the file's header says of its frames. */
struct decode_shape {
    int64_t count, rows, columns, samples;
    enum medvl_voxel type;
    size_t bytes; /* of one */
};

/*
 * One frame into shape->bytes bytes, samples of a pixel side by side.
 * MEDVL_EFORMAT: damaged, or not of this shape.
 */
int decode_j2k(void *out, const void *data, size_t size,
               const struct decode_shape *shape, struct medvl_error *err);
int decode_jpegls(void *out, const void *data, size_t size,
                  const struct decode_shape *shape, struct medvl_error *err);
int decode_rle(void *out, const void *data, size_t size,
               const struct decode_shape *shape, struct medvl_error *err);

/* Planes, one after another, to pixels, in place. */
int decode_planes(void *frame, const struct decode_shape *shape,
                  struct medvl_error *err);

#endif
