/*
 * The shapes of a region, from its JSON and back: "box", "point", "points",
 * "polygons" and "mask", as medvl-record(5) describes them.
 *
 * Read next: ../eval/answer.h.
 */
#ifndef MEDVL_DATA_SHAPE_JSON_H
#define MEDVL_DATA_SHAPE_JSON_H

#include "lib/data/source.h"
#include "lib/image/shape.h"

/* What the shapes lie on. */
struct medvl_shape_on {
    int64_t width, height;       /* of the picture, pixels */
    int64_t scale;               /* of its coordinates, see coordinates.h; 0:
                                    pixels */
    struct medvl_source *source; /* of masks that are files; NULL: those are
                                    an error */
};

/*
 * Read all shapes of a region; what is not there, or null, is none.
 *
 *   out   holds nothing; coordinates in pixels
 *
 * MEDVL_EFORMAT, naming the member, for what is not of its form: not
 * numbers, beyond MEDVL_PLACE_MOST or the scale, a box whose corners are
 * the wrong way round, a polygon of fewer than three places, run lengths
 * that do not fill the mask, a mask's file that is not PNG.  MEDVL_EARG for
 * a mask of another size than the picture.
 */
int medvl_shape_read(struct medvl_shape *out, const struct medvl_json *region,
                     const struct medvl_shape_on *on,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Set the members of those shapes that there are, in pixels to the nearest
 * 1/1000, the mask as compressed run lengths; and take out those that are
 * no longer.
 */
int medvl_shape_write(struct medvl_json_view *region,
                      const struct medvl_shape *shape,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put the mask as a member: compressed run lengths. */
int medvl_mask_put(struct medvl_json_writer *w, const char *name,
                   const struct medvl_mask *mask,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/* Is the region's mask anything but compressed run lengths? */
bool medvl_shape_mask_is_foreign(const struct medvl_json *region);

#endif
