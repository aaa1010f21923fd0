/*
 * The filter of places in pictures:
 *
 *     {{ region.box | coordinates(image.width, image.height, 999) }}
 *
 * It is medvl's own, not Jinja's.
 *
 * Read next: template_sequence.c.
 */
#include "lib/text/template_filter.h"

#include <math.h>

#include "lib/image/coordinates.h"

/* A side of the picture: a number above 0. */
static int read_side(struct medvl_tv_heap *h, double *out,
                     const struct medvl_tv *arg, const char *what)
{
    if (!medvl_tv_is_number(arg) || !(medvl_tv_float_of(arg) > 0) ||
        !isfinite(medvl_tv_float_of(arg)))
        return medvl_tv_fail(h, "coordinates: the %s must be above 0", what);
    *out = medvl_tv_float_of(arg);
    return MEDVL_OK;
}

MEDVL_TF(do_coordinates)
{
    const size_t base = h->stack_size;
    double size[2];
    int64_t scale = 0;
    int rc = read_side(h, &size[0], a->at[0], "width");

    if (rc == MEDVL_OK)
        rc = read_side(h, &size[1], a->at[1], "height");
    if (rc == MEDVL_OK)
        rc = medvl_tf_int(h, &scale, a->at[2], "coordinates: the scale");
    if (rc < 0)
        return rc;
    if (!medvl_scale_is(scale))
        return medvl_tv_fail(h, "coordinates: the scale is 1, 100 or 999");
    if (!medvl_tv_is_list(in) || in->u.list->count % 2)
        return medvl_tv_fail(h, "coordinates needs a list of numbers "
                                "x, y, x, y, ...");
    for (size_t i = 0; i < in->u.list->count && rc == MEDVL_OK; i++) {
        const struct medvl_tv *item = &in->u.list->items[i];
        struct medvl_tv value;
        double v;

        if (!medvl_tv_is_number(item) ||
            !isfinite(medvl_tv_float_of(item)))
            return medvl_tv_fail(h, "coordinates: a place of %s",
                                 medvl_tv_type_name(item));
        v = medvl_scale_from_pixels(medvl_tv_float_of(item), scale,
                                    size[i % 2]);
        value = scale == 999 ? medvl_tv_int((int64_t)v) : medvl_tv_float(v);
        value.mark = item->mark;
        rc = medvl_tv_push(h, value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_steps(h, 1);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

const struct medvl_tf medvl_place_filters[] = {
    {"coordinates", "width height scale", 3, do_coordinates, 0},
    {0}};
