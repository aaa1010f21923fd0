/*
 * The parts of the TIFF reader: decode_tiff.c opens files and reads strips
 * and tiles, decode_tiff_page.c says what a page is, decode_tiff_pixel.c
 * makes pixels of samples.
 *
 * Read next: decode_tiff.c.
 */
#ifndef MEDVL_CMD_DECODE_TIFF_H
#define MEDVL_CMD_DECODE_TIFF_H

#include <tiffio.h>

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

enum tiff_block {
    TIFF_STRIP,
    TIFF_TILE,
    TIFF_ROW,
};

struct tiff {
    TIFF *tif;
    const uint8_t *data;
    uint64_t size, at;
    int64_t pages, page;
    bool strict; /* what is said now is damage */
    bool failed;
    char message[200];

    /* Of the page: */
    int64_t width, height;
    uint16_t samples, bits, format, photometric, planar, compression;
    bool convert; /* by libtiff, to RGB */
    struct tiff_pixels pixels;
    enum tiff_block block;
    int64_t block_width, block_height;
    tmsize_t block_bytes, block_row;
};

/* libtiff's words, or that the file is damaged. */
int tiff_fail(const struct tiff *t, struct medvl_error *err);

/* Fill what is of the page that libtiff stands at, and the answer. */
int tiff_read_page(struct tiff *t, struct medvl_decode_answer *answer,
                   struct medvl_error *err);

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
