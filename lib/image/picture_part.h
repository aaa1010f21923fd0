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

typedef int medvl_picture_probe_fn(int64_t *width, int64_t *height,
                                   const unsigned char *data, size_t size,
                                   int64_t pixels, struct medvl_error *err);
medvl_picture_probe_fn medvl_picture_probe_png, medvl_picture_probe_jpeg;

#endif
