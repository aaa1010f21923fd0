/*
 * Polygons: the closed lines around a region.
 *
 * Places are pairs x, y in pixels, where the first pixel spans 0..1.  A
 * polygon is closed by itself: its first place is not repeated at its end.
 *
 * Read next: augment.h.
 */
#ifndef MEDVL_IMAGE_POLYGON_H
#define MEDVL_IMAGE_POLYGON_H

#include "lib/image/region.h"

/* A place lies within this of 0, so that no product with it overflows. */
#define MEDVL_PLACE_MOST 1e9

/* Places one after another.  Valid when zeroed. */
struct medvl_places {
    double *xy; /* x, y, x, y, ... */
    size_t count, capacity;
};
int medvl_places_add(struct medvl_places *places, double x, double y,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_places_release(struct medvl_places *places);

/* The smallest box around the places; false where there are none. */
bool medvl_places_box(struct medvl_box *box,
                      const struct medvl_places *places);

/* Polygons one after another.  Valid when zeroed. */
struct medvl_polygons {
    struct medvl_places places; /* of all of them */
    size_t *ends;               /* where each one's end, in places */
    size_t count, capacity;
};

/* The places added since the last polygon ended are one: at least 3. */
int medvl_polygons_end(struct medvl_polygons *polygons,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_polygons_release(struct medvl_polygons *polygons);

/*
 * Cut each polygon to the picture, one side after another.  A polygon of
 * which nothing is left is left out; parts that the cut divides stay one
 * polygon, joined along the picture's edge.
 *
 * Source: Sutherland and Hodgman 1974, "Reentrant Polygon Clipping".
 */
int medvl_polygons_clip(struct medvl_polygons *polygons, int64_t width,
                        int64_t height,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Set the pixels of `mask` whose centre is inside of a polygon: a line from
 * there to the left crosses it an odd number of times.  A centre on the
 * line is inside where the polygon is to its right, or on a level line
 * below.  So polygons that share a line share no pixel.
 *
 * MEDVL_EARG for polygons with so many tall lines that this would take
 * longer than a few seconds.
 *
 * Source: equal to matplotlib's Path.contains_points at the centres
 * (tests/golden/polygons.py), where no centre is on a line.
 */
int medvl_polygons_fill(struct medvl_mask *mask,
                        const struct medvl_polygons *polygons,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
