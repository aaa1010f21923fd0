/*
 * Regions of a picture: boxes, masks as COCO's run lengths, and drawing
 * them.
 *
 * A box is [x0, y0, x1, y1] in pixels where the first pixel spans 0..1, so
 * the box of one whole pixel is [0, 0, 1, 1] and a width is x1 - x0.
 *
 * Read next: augment.h.
 */
#ifndef MEDVL_IMAGE_REGION_H
#define MEDVL_IMAGE_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/image/picture.h"

struct medvl_box {
    double x0, y0, x1, y1;
};

/* Cut to the picture; false when nothing is left. */
bool medvl_box_clip(struct medvl_box *box, int64_t width, int64_t height);

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
 * Draw the box's frame inside its bounds, `thick` pixels wide; the box is
 * rounded to whole pixels and cut to the picture.  Grey pictures become RGB
 * first.  8 bits.
 */
int medvl_draw_box(struct medvl_picture *picture, struct medvl_box box,
                   int thick, const uint8_t color[3],
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/* Draw the mask's outermost pixels.  The mask has the picture's size. */
int medvl_draw_mask(struct medvl_picture *picture,
                    const struct medvl_mask *mask, const uint8_t color[3],
                    struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
