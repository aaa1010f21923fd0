/*
 * Shapes of regions, and how they follow a picture.
 *
 * Read next: content.c.
 */
#include "lib/image/shape.h"

#include <assert.h>
#include <math.h>

/* A place this close to the next pixel is in it: what doubles lose. */
#define NEAR 1e-6

/* ---- steps ------------------------------------------------------------- */

void medvl_steps_add(struct medvl_steps *steps,
                     const struct medvl_affine *map, int64_t width,
                     int64_t height)
{
    assert(steps->count < MEDVL_STEPS);
    steps->at[steps->count++] = (struct medvl_step){*map, width, height};
}

struct medvl_affine medvl_steps_map(const struct medvl_steps *steps)
{
    struct medvl_affine map = {{1, 0, 0, 0, 1, 0}};

    for (int i = 0; i < steps->count; i++)
        map = medvl_affine_after(&steps->at[i].map, &map);
    return map;
}

bool medvl_steps_still(const struct medvl_steps *steps)
{
    for (int i = 0; i < steps->count; i++)
        if (steps->at[i].width != steps->width ||
            steps->at[i].height != steps->height ||
            !medvl_affine_is_identity(&steps->at[i].map))
            return false;
    return true;
}

static void apply(const struct medvl_affine *map, double *x, double *y)
{
    const double *m = map->m, u = m[0] * *x + m[1] * *y + m[2];

    *y = m[3] * *x + m[4] * *y + m[5];
    *x = u;
}

/* Where a place came from. */
static void undo(const struct medvl_affine *map, double *x, double *y)
{
    const double *m = map->m;
    const double u = *x - m[2], v = *y - m[5];

    if (m[1] == 0 && m[3] == 0) {
        *x = u / m[0];
        *y = v / m[4];
    } else {
        const double d = m[0] * m[4] - m[1] * m[3];

        *x = (m[4] * u - m[1] * v) / d;
        *y = (m[0] * v - m[3] * u) / d;
    }
}

/* Is the place in a picture of this size?  Its edge belongs to it. */
static bool is_within(double x, double y, int64_t width, int64_t height)
{
    return x >= 0 && y >= 0 && x <= (double)width && y <= (double)height;
}

/* The same for pixels: the right and the lower edge belong to the next. */
static bool is_pixel(double x, double y, int64_t width, int64_t height)
{
    return x >= -NEAR && y >= -NEAR && x + NEAR < (double)width &&
           y + NEAR < (double)height;
}

/* ---- masks ------------------------------------------------------------- */

/* The value of the old pixel that a new pixel's centre comes from. */
static uint8_t value_at(const struct medvl_mask *in,
                        const struct medvl_steps *steps, double x, double y)
{
    for (int i = steps->count - 1; i >= 0; i--) {
        undo(&steps->at[i].map, &x, &y);
        if (i == 0 && steps->blocks) {
            x = fmin(x, (double)in->width - 0.5);
            y = fmin(y, (double)in->height - 0.5);
        }
        if (!is_pixel(x, y, i ? steps->at[i - 1].width : in->width,
                      i ? steps->at[i - 1].height : in->height))
            return 0;
    }
    return in->data[(int64_t)(y + NEAR) * in->width + (int64_t)(x + NEAR)];
}

/* Set the pixel that the first visible old one's centre falls into. */
static void keep_one(struct medvl_mask *out, const struct medvl_mask *in,
                     const struct medvl_steps *steps)
{
    const int64_t count = in->width * in->height;

    for (int64_t i = 0; i < count; i++) {
        double x = (double)(i % in->width) + 0.5;
        double y = (double)(i / in->width) + 0.5;
        bool seen = in->data[i] != 0;

        for (int k = 0; k < steps->count && seen; k++) {
            apply(&steps->at[k].map, &x, &y);
            seen = is_pixel(x, y, steps->at[k].width, steps->at[k].height);
        }
        if (seen) {
            out->data[(int64_t)(y + NEAR) * out->width +
                      (int64_t)(x + NEAR)] = 1;
            return;
        }
    }
}

/*
 * The box through the steps, cut after each; false when it is outside.
 * `more` widens it on each side after each step.
 */
static bool move_box(struct medvl_box *box, const struct medvl_steps *steps,
                     double more)
{
    if (!medvl_box_clip(box, steps->width, steps->height))
        return false;
    for (int i = 0; i < steps->count; i++) {
        *box = medvl_affine_box(&steps->at[i].map, *box);
        box->x0 -= more;
        box->y0 -= more;
        box->x1 += more;
        box->y1 += more;
        if (!medvl_box_clip(box, steps->at[i].width, steps->at[i].height))
            return false;
    }
    return true;
}

static int move_mask(struct medvl_mask *mask, const struct medvl_steps *steps,
                     struct medvl_error *err)
{
    const struct medvl_step *last = &steps->at[steps->count - 1];
    struct medvl_mask out = {0};
    struct medvl_box box;
    bool any = false;
    int rc = medvl_mask_make(&out, last->width, last->height, err);

    if (rc < 0)
        return rc;
    /* Only where something can land; a pixel more against rounding. */
    if (medvl_mask_box(&box, mask) && move_box(&box, steps, 1)) {
        for (int64_t y = (int64_t)box.y0; y < (int64_t)ceil(box.y1); y++)
            for (int64_t x = (int64_t)box.x0; x < (int64_t)ceil(box.x1);
                 x++) {
                const uint8_t v = value_at(mask, steps, (double)x + 0.5,
                                           (double)y + 0.5);

                out.data[y * out.width + x] = v;
                any = any || v;
            }
        if (!any)
            keep_one(&out, mask, steps);
    }
    medvl_mask_release(mask);
    *mask = out;
    return MEDVL_OK;
}

/* ---- places ------------------------------------------------------------ */

static bool move_place(double place[2], const struct medvl_steps *steps)
{
    if (!is_within(place[0], place[1], steps->width, steps->height))
        return false;
    for (int i = 0; i < steps->count; i++) {
        apply(&steps->at[i].map, &place[0], &place[1]);
        if (!is_within(place[0], place[1], steps->at[i].width,
                       steps->at[i].height))
            return false;
    }
    return true;
}

static void move_points(struct medvl_shape *shape,
                        const struct medvl_steps *steps)
{
    struct medvl_places *p = &shape->points;
    size_t kept = 0;

    shape->has_point = shape->has_point && move_place(shape->point, steps);
    for (size_t i = 0; i < p->count; i++) {
        double place[2] = {p->xy[2 * i], p->xy[2 * i + 1]};

        if (!move_place(place, steps))
            continue;
        p->xy[2 * kept] = place[0];
        p->xy[2 * kept + 1] = place[1];
        kept++;
    }
    p->count = kept;
}

static int move_polygons(struct medvl_polygons *polygons,
                         const struct medvl_steps *steps,
                         struct medvl_error *err)
{
    int rc = medvl_polygons_clip(polygons, steps->width, steps->height, err);

    for (int i = 0; i < steps->count && rc == MEDVL_OK; i++) {
        const struct medvl_step *step = &steps->at[i];

        for (size_t k = 0; k < polygons->places.count; k++)
            apply(&step->map, &polygons->places.xy[2 * k],
                  &polygons->places.xy[2 * k + 1]);
        rc = medvl_polygons_clip(polygons, step->width, step->height, err);
    }
    return rc;
}

/* ---- shapes ------------------------------------------------------------ */

void medvl_shape_release(struct medvl_shape *shape)
{
    medvl_places_release(&shape->points);
    medvl_polygons_release(&shape->polygons);
    medvl_mask_release(&shape->mask);
    *shape = (struct medvl_shape){0};
}

int medvl_shape_move(struct medvl_shape *shape,
                     const struct medvl_steps *steps, struct medvl_error *err)
{
    const bool had_polygons = shape->polygons.count > 0;
    bool left;
    int rc = MEDVL_OK;

    if (steps->count == 0)
        return 1;
    if (shape->mask.data)
        rc = medvl_mask_fits(shape->mask.width, shape->mask.height,
                             steps->width, steps->height, err);
    if (rc == MEDVL_OK && shape->mask.data)
        rc = move_mask(&shape->mask, steps, err);
    if (rc == MEDVL_OK)
        rc = move_polygons(&shape->polygons, steps, err);
    if (rc < 0)
        return rc;
    move_points(shape, steps);
    if (shape->mask.data) {
        left = medvl_mask_box(&shape->box, &shape->mask);
    } else if (had_polygons) {
        left = medvl_places_box(&shape->box, &shape->polygons.places);
    } else if (shape->has_box) {
        left = move_box(&shape->box, steps, 0);
    } else {
        left = shape->has_point || shape->points.count;
    }
    return left;
}

bool medvl_shape_box(struct medvl_box *box, const struct medvl_shape *shape)
{
    struct medvl_box point;

    if (shape->mask.data)
        return medvl_mask_box(box, &shape->mask);
    if (shape->polygons.count)
        return medvl_places_box(box, &shape->polygons.places);
    *box = shape->box;
    if (shape->has_box)
        return true;
    point = (struct medvl_box){shape->point[0], shape->point[1],
                               shape->point[0], shape->point[1]};
    if (!medvl_places_box(box, &shape->points))
        *box = point;
    else if (shape->has_point)
        *box = (struct medvl_box){fmin(box->x0, point.x0),
                                  fmin(box->y0, point.y0),
                                  fmax(box->x1, point.x1),
                                  fmax(box->y1, point.y1)};
    return shape->has_point || shape->points.count;
}

int medvl_shape_fill(struct medvl_mask *mask, const struct medvl_shape *shape,
                     struct medvl_error *err)
{
    const struct medvl_mask *own = &shape->mask;
    int64_t rect[4];

    if (own->data) {
        const int rc = medvl_mask_fits(own->width, own->height, mask->width,
                                       mask->height, err);

        for (int64_t i = 0; rc == MEDVL_OK && i < mask->width * mask->height;
             i++)
            mask->data[i] |= own->data[i];
        return rc;
    }
    if (shape->polygons.count)
        return medvl_polygons_fill(mask, &shape->polygons, err);
    if (!shape->has_box)
        return medvl_fail(err, MEDVL_EARG, "points have no inside");
    medvl_box_pixels(rect, &shape->box, mask->width, mask->height);
    for (int64_t y = rect[1]; y < rect[3]; y++)
        for (int64_t x = rect[0]; x < rect[2]; x++)
            mask->data[y * mask->width + x] = 1;
    return MEDVL_OK;
}
