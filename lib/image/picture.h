/*
 * A picture in memory, and PNG and JPEG in and out.
 *
 * Decoding is bounded before anything is allocated: sides, pixels, and for
 * PNG what the file's bytes can unpack to at most.  EXIF orientation is
 * always applied.  Alpha is dropped, as Pillow's convert("RGB") and so the
 * processors of transformers do; it is never blended with a background.
 *
 * Read next: glyph.h.
 */
#ifndef MEDVL_IMAGE_PICTURE_H
#define MEDVL_IMAGE_PICTURE_H

#include <stdint.h>

#include "lib/base/text.h"

/* Decoding and turning a picture of so many pixels stays below 512 MB. */
#define MEDVL_PICTURE_SIDE   65535
#define MEDVL_PICTURE_PIXELS ((int64_t)1 << 26) /* unless told otherwise */

/*
 * Valid when zeroed (no picture).  Rows follow each other without gaps, top
 * first; the samples of a pixel stand together, red first.
 */
struct medvl_picture {
    int64_t width, height; /* pixels, 1..MEDVL_PICTURE_SIDE */
    int channels;          /* 1 grey, 3 RGB */
    int depth;             /* bits a sample: 8, or 16 in the machine's order */
    void *data;            /* uint8_t or uint16_t */
};

/*
 * Make an all-zero picture in *out, which holds none.  MEDVL_EARG when a
 * side is outside 1..MEDVL_PICTURE_SIDE.
 */
int medvl_picture_make(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_picture_release(struct medvl_picture *picture);

/* Samples in a row, and bytes in the whole. */
size_t medvl_picture_row(const struct medvl_picture *picture);
size_t medvl_picture_bytes(const struct medvl_picture *picture);

/*
 * Decode a whole PNG or JPEG file, told apart by its first bytes.
 *
 *   out      holds no picture; 1 channel for grey files, else 3 (palettes
 *            become RGB); 16 bits for grey PNG of 16 bits, else 8 (RGB of
 *            16 bits keeps the high byte, as Pillow does; grey of 1, 2 and
 *            4 bits is stretched to 0..255)
 *   pixels   limit on width * height; 0: MEDVL_PICTURE_PIXELS
 *
 * MEDVL_EFORMAT: neither format, damaged, or cut short (any missing byte
 * of the picture is an error, never a grey area).  MEDVL_EARG: above the
 * limit.  MEDVL_EUNSUPPORTED: CMYK, or JPEG of more than 8 bits.
 */
int medvl_picture_decode(struct medvl_picture *out, const void *data,
                         size_t size, int64_t pixels,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Width and height as decode would give them (orientation applied), from
 * the header alone; the same limits.
 */
int medvl_picture_probe(int64_t *width, int64_t *height, const void *data,
                        size_t size, int64_t pixels,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* Decode the file at `path`; errors name it. */
int medvl_picture_read(struct medvl_picture *out, const char *path,
                       int64_t pixels,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Turn grey of 8 bits into RGB in place; RGB of 8 bits stays.  MEDVL_EARG
 * for 16 bits: those need a window first.
 */
int medvl_picture_to_rgb(struct medvl_picture *picture,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append the picture as a PNG file of 8 bits: grey or RGB, no metadata.
 * The same picture gives the same bytes.  MEDVL_EARG for 16 bits.
 */
int medvl_picture_encode(struct medvl_text *out,
                         const struct medvl_picture *picture,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Encode into `path` through a temporary name beside it, so the name never
 * holds half a file; a file that holds these bytes already is left alone.
 * Not synced: a data set is thousands of small files, which can be made
 * again.
 *
 *   hash   filled with the file's medvl_hash128_hex; may be NULL
 */
int medvl_picture_write(const struct medvl_picture *picture, const char *path,
                        char hash[33],
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * How values become 0..255: a centre and a width in stored values, two
 * percentiles of the values that are not zero, or what the file itself says
 * (DICOM alone says something).
 */
struct medvl_window {
    bool given;
    bool percentile, file;
    double a, b; /* centre and width, or low and high percentile */
};

/*
 * Parse "C,W" (W above 0), "pLO,pHI" (0 <= LO < HI <= 100), "file", or the
 * name of a usual window of CT in Hounsfield units: brain (40,80), subdural
 * (75,215), bone (400,1800), lung (-600,1500), mediastinum (50,350),
 * abdomen (50,400), liver (30,150).
 */
int medvl_window_parse(struct medvl_window *out, const char *text,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The values that become 0 and 255.  A percentile p of n values is the
 * value at rank ceil(p / 100 * n), from 1, in rising order.
 *
 *   value   gives value number 0..count-1 of `from`, asked for percentiles
 *           only, each two to four times; zeros and what is not finite are
 *           passed over; without any other, the range is 0 to 1
 *
 * Percentiles take 1 MiB, whatever the count.
 */
int medvl_window_range(double *low, double *high,
                       const struct medvl_window *window,
                       double (*value)(const void *from, size_t index),
                       const void *from, size_t count,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* 0..255 for one value, rounded to nearest; not a number gives 0. */
uint8_t medvl_window_apply(double value, double low, double high);

/*
 * Grey of any depth to grey of 8 bits through the window, in place.  RGB
 * is MEDVL_EARG; so is 16 bits without a window.  8 bits without a window,
 * or with "file", stay as they are.
 *
 *   used   filled with centre and width when a window was applied; may be
 *          NULL
 */
int medvl_picture_window(struct medvl_picture *picture,
                         const struct medvl_window *window, double used[2],
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
