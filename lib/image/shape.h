/*
 * What marks a region of a picture - a box, points, polygons, a mask - and
 * how it follows what is done to the picture.
 *
 * A pixel is the square from its column and row to the next; its centre is
 * half a pixel on.  Boxes, points and polygons are places in the plane and
 * move exactly.  A mask is pixels: a new one has what the old pixel has that
 * its centre comes from.  medvl-record(5) says what follows for the user,
 * tests/unit/test_shape.c holds it.
 *
 * Read next: content.h.
 */
#ifndef MEDVL_IMAGE_SHAPE_H
#define MEDVL_IMAGE_SHAPE_H

#include "lib/image/augment.h"
#include "lib/image/polygon.h"

/* ---- the steps that a picture went ------------------------------------ */

#define MEDVL_STEPS 8

/* Valid when zeroed, but for the size. */
struct medvl_steps {
    int64_t width, height; /* before the first */
    bool blocks;           /* the first shrank whole blocks of pixels: its
                              last column and row are of those there were */
    int count;
    struct medvl_step {
        struct medvl_affine map; /* old place to new place */
        int64_t width, height;   /* after it */
    } at[MEDVL_STEPS];
};

/* One more; at most MEDVL_STEPS. */
void medvl_steps_add(struct medvl_steps *steps,
                     const struct medvl_affine *map, int64_t width,
                     int64_t height);

/* All steps as one map, and whether nothing moved and nothing was cut. */
struct medvl_affine medvl_steps_map(const struct medvl_steps *steps);
bool medvl_steps_still(const struct medvl_steps *steps);

/* ---- shapes ------------------------------------------------------------ */

/* Any of them, all in pixels of one picture.  Valid when zeroed: none. */
struct medvl_shape {
    bool has_box, has_point;
    struct medvl_box box;
    double point[2];
    struct medvl_places points;
    struct medvl_polygons polygons; /* count 0: none */
    struct medvl_mask mask;         /* no data: none */
};
void medvl_shape_release(struct medvl_shape *shape);

/*
 * Move the shape as the picture's steps did, cut to the picture before the
 * first and after each: what a crop cut off does not come back in a later
 * step's padding.
 *
 * Of a mask of which pixels are in the new picture, but so few that no new
 * pixel's centre falls into one, one new pixel stays: the one that the
 * centre of the first of them, row by row, falls into.  A box stands around
 * the mask where there is one, else around the polygons; it keeps its own
 * corners otherwise.
 *
 * Returns 1 when something is left, of the mask where there is one, else of
 * the polygons, else of the box, else of the points; 0 when not, and the
 * shape is then of no use.  MEDVL_EARG for a mask of another size.
 */
int medvl_shape_move(struct medvl_shape *shape,
                     const struct medvl_steps *steps,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The box around the shape: of the mask, else the polygons, else the box
 * itself, else the points.  False where there is nothing.
 */
bool medvl_shape_box(struct medvl_box *box, const struct medvl_shape *shape);

/*
 * The pixels of the shape on a picture of that size: the mask, else the
 * pixels of the polygons, else those of the box, rounded to whole ones.
 * They are added to `mask`.
 *
 * MEDVL_EARG where there are points alone, or the mask has another size.
 */
int medvl_shape_fill(struct medvl_mask *mask, const struct medvl_shape *shape,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
