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
#include "lib/image/window.h"

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
 * side is outside 1..MEDVL_PICTURE_SIDE.  `room` leaves its samples as
 * memory happens to be, for who fills them all.
 */
int medvl_picture_make(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_picture_room(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_picture_release(struct medvl_picture *picture);

/* Samples in a row, and bytes in the whole. */
size_t medvl_picture_row(const struct medvl_picture *picture);
size_t medvl_picture_bytes(const struct medvl_picture *picture);

/* Is a file's picture within the limits?  pixels 0: the usual one. */
int medvl_picture_check_size(int64_t width, int64_t height, int64_t pixels,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/* What a file is, by its first bytes; PNG and JPEG are decoded here. */
enum medvl_picture_kind {
    MEDVL_PICTURE_OTHER,
    MEDVL_PICTURE_PNG,
    MEDVL_PICTURE_JPEG,
    MEDVL_PICTURE_DICOM,
    MEDVL_PICTURE_TIFF,
    MEDVL_PICTURE_WEBP,
    MEDVL_PICTURE_BMP,
};
enum medvl_picture_kind medvl_picture_kind(const void *data, size_t size);

/* How to decode; a zeroed struct asks for nothing. */
struct medvl_picture_options {
    int64_t pixels;   /* limit on width * height of the file's picture; 0:
                         MEDVL_PICTURE_PIXELS */
    int64_t cover[2]; /* a JPEG may be shrunk while it is decoded, as long
                         as its width and height (after orientation) stay at
                         least these; 0: it may not.  One that is turned
                         shrinks only by what divides its sides. */
};

/* What a file holds; `shrink` is what decoding made of it. */
struct medvl_picture_file {
    int64_t width, height; /* orientation applied, before shrinking */
    int shrink;            /* 1, 2, 4 or 8: a pixel of the decoded picture
                              covers so many of the file's each way; those of
                              the last column and row may reach outside */
};

/*
 * Decode a whole PNG or JPEG file, told apart by its first bytes.
 *
 *   out      holds no picture; 1 channel for grey files, else 3 (palettes
 *            become RGB); 16 bits for grey PNG of 16 bits, else 8 (RGB of
 *            16 bits keeps the high byte, as Pillow does; grey of 1, 2 and
 *            4 bits is stretched to 0..255; CMYK becomes RGB as in Pillow)
 *   file     filled, also where memory is short; may be NULL
 *   options  NULL: as zeroed
 *
 * MEDVL_EFORMAT: neither format, damaged, or cut short (any missing byte
 * of the picture is an error, never a grey area).  MEDVL_EARG: above the
 * limit.  MEDVL_EUNSUPPORTED: CMYK, JPEG of more than 8 bits, or a format
 * that load.h reads.
 */
int medvl_picture_decode_with(struct medvl_picture *out,
                              struct medvl_picture_file *file,
                              const void *data, size_t size,
                              const struct medvl_picture_options *options,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same, whole, with the limit alone. */
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
 * The orientation, 1..8, that EXIF data say, from the TIFF header on; 1
 * where they say none.
 */
int medvl_picture_orientation(const unsigned char *exif, size_t size);

/* Set a picture of that orientation upright, in place. */
int medvl_picture_turn(struct medvl_picture *picture, int orientation,
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
