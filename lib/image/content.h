/*
 * What of a picture is content and what the background around it.
 *
 * A picture has a background when more than half of its outermost pixels
 * are within 8 grey levels of the level that most of them have: black
 * around a CT slice, white around a section.  On a grid of at most 256 cells
 * a side, cells of which nine tenths are so and that are connected with the
 * picture's edge are background; dark places inside, such as lungs, and all
 * of a picture without background are content.
 *
 * Read next: anomaly.h.
 */
#ifndef MEDVL_IMAGE_CONTENT_H
#define MEDVL_IMAGE_CONTENT_H

#include "lib/image/picture.h"

#define MEDVL_CONTENT_GRID 256 /* cells a side, at most */

/* One block; the caller frees it with medvl_free. */
struct medvl_content {
    int64_t cell; /* pixels a side */
    int64_t columns, rows;
    uint8_t on[MEDVL_CONTENT_GRID * MEDVL_CONTENT_GRID]; /* 1: content */

    /* The cells that are content, and the box around them in pixels. */
    int32_t cells[MEDVL_CONTENT_GRID * MEDVL_CONTENT_GRID];
    size_t count;
    double width, height;
};

/* Of a picture of 8 bits; *out is NULL where memory is out. */
int medvl_content_find(struct medvl_content **out,
                       const struct medvl_picture *picture,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
