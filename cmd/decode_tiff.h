/*
 * The two halves of the TIFF reader: decode_tiff.c finds pages and reads
 * their strips and tiles, decode_tiff_pixel.c makes pixels of their samples.
 *
 * Read next: decode_tiff.c.
 */
#ifndef MEDVL_CMD_DECODE_TIFF_H
#define MEDVL_CMD_DECODE_TIFF_H

#include "cmd/decode.h"

/* What the first samples of a pixel are. */
enum tiff_colour {
    TIFF_GREY,    /* 1: 8 bits without a sign travel, white the most */
    TIFF_VALUE,   /* 1: grey of another type, as it is stored */
    TIFF_PALETTE, /* 1 */
    TIFF_RGB,     /* 3 */
    TIFF_RGBA,    /* 4: RGB multiplied by the fourth */
    TIFF_CMYK,    /* 4 */
};

struct tiff_pixels {
    enum tiff_colour colour;
    int used;    /* samples of a pixel that are read, by colour */
    int stride;  /* samples of a pixel that stand together in a row */
    int bits;    /* of a stored sample */
    bool half;   /* the bits are a float of 16 */
    bool invert; /* TIFF_GREY: 0 is white */
    enum medvl_voxel type;
    uint8_t palette[256][3];
};

/*
 * One row of `width` pixels.  Sample i of the first pixel is the first of
 * rows[i], or sample i of rows[0] where the stride is above 1.
 *
 *   scratch   width * used bytes
 */
void tiff_make_row(void *out, uint8_t *scratch,
                   const uint8_t *const rows[4], int64_t width,
                   const struct tiff_pixels *pixels);

#endif
