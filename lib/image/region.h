/*
 * Regions of a picture: boxes, masks as COCO's run lengths, and drawing
 * them.
 *
 * A box is [x0, y0, x1, y1] in pixels where the first pixel spans 0..1, so
 * the box of one whole pixel is [0, 0, 1, 1] and a width is x1 - x0.
 *
 * Read next: polygon.h.
 */
#ifndef MEDVL_IMAGE_REGION_H
#define MEDVL_IMAGE_REGION_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/image/picture.h"

struct medvl_box {
    double x0, y0, x1, y1;
};

/*
 * Cut to the picture; false when nothing is left.  A box without width or
 * height is left where it is inside, not on the edge.
 */
bool medvl_box_clip(struct medvl_box *box, int64_t width, int64_t height);

/*
 * The box's corners at the nearest whole pixels, cut to the picture: x0, y0,
 * x1, y1 of at least one pixel.
 */
void medvl_box_pixels(int64_t out[4], const struct medvl_box *box,
                      int64_t width, int64_t height);

/* The first pixel along a side of `size` whose centre is not before v. */
static inline int64_t medvl_pixel_from(double v, int64_t size)
{
    const double at = ceil(v - 0.5);

    return at <= 0 ? 0 : at >= (double)size ? size
                                            : (int64_t)at;
}

/*
 * A mask of one byte a pixel, 0 or 1, rows from the top.  Valid when
 * zeroed (no mask).
 */
struct medvl_mask {
    int64_t width, height;
    uint8_t *data;
};
int medvl_mask_make(struct medvl_mask *out, int64_t width, int64_t height,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_mask_release(struct medvl_mask *mask);

/* MEDVL_EARG, naming both, where a mask of a size is not of a picture's. */
int medvl_mask_fits(int64_t width, int64_t height, int64_t picture_width,
                    int64_t picture_height,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Pixels set; and the smallest box around them, false when none is. */
int64_t medvl_mask_area(const struct medvl_mask *mask);
bool medvl_mask_box(struct medvl_box *box, const struct medvl_mask *mask);

/*
 * Append the mask's run lengths, down the columns, as the compressed
 * string that pycocotools calls "counts".
 */
int medvl_mask_encode(struct medvl_text *out, const struct medvl_mask *mask,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The reverse.  MEDVL_EFORMAT unless the runs fill width * height exactly;
 * MEDVL_EARG for a side outside 1..MEDVL_PICTURE_SIDE or more pixels than
 * MEDVL_PICTURE_PIXELS.
 */
int medvl_mask_decode(struct medvl_mask *out, struct medvl_span counts,
                      int64_t width, int64_t height,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The reverse from counts as numbers, as COCO has them uncompressed: pixels
 * off, on, off, ... down the columns.  The same errors.
 */
int medvl_mask_from_runs(struct medvl_mask *out, const int64_t *runs,
                         size_t count, int64_t width, int64_t height,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- drawing: region_draw.c ------------------------------------------- */

/*
 * All draw on pictures of 8 bits, of which grey ones become RGB first, with
 * lines `thick` pixels wide.  What lies outside is left out.
 */

/* The frame of medvl_box_pixels, inside its bounds. */
int medvl_draw_box(struct medvl_picture *picture, struct medvl_box box,
                   int thick, const uint8_t color[3],
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The mask's pixels that are at most `thick` steps up, down, left or right
 * from one outside of it, or from the picture's edge.  The mask has the
 * picture's size.
 */
int medvl_draw_mask(struct medvl_picture *picture,
                    const struct medvl_mask *mask, int thick,
                    const uint8_t color[3],
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* A disc: the pixels whose centre is within 2.5 * thick of the place. */
int medvl_draw_point(struct medvl_picture *picture, double x, double y,
                     int thick, const uint8_t color[3],
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Blur all but the mask's pixels, as medvl_picture_blur does; grey stays
 * grey.
 */
int medvl_blur_outside(struct medvl_picture *picture,
                       const struct medvl_mask *mask, double sigma,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
