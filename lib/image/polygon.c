/*
 * Polygons: cutting and filling.
 *
 * Read next: augment.c.
 */
#include "lib/image/polygon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* Crossings and pixels looked at in one fill; a few seconds. */
#define WORK_MOST ((int64_t)1 << 32)
#define CROSSING  8 /* pixels that take as long as one */

int medvl_places_add(struct medvl_places *places, double x, double y,
                     struct medvl_error *err)
{
    const int rc = medvl_grow(&places->xy, &places->capacity,
                              places->count + 1, 2 * sizeof(double), err);

    if (rc < 0)
        return rc;
    places->xy[2 * places->count] = x;
    places->xy[2 * places->count + 1] = y;
    places->count++;
    return MEDVL_OK;
}

void medvl_places_release(struct medvl_places *places)
{
    medvl_free(places->xy);
    *places = (struct medvl_places){0};
}

static struct medvl_box box_around(const double *xy, size_t count)
{
    struct medvl_box box = {INFINITY, INFINITY, -INFINITY, -INFINITY};

    for (size_t i = 0; i < count; i++) {
        box.x0 = fmin(box.x0, xy[2 * i]);
        box.x1 = fmax(box.x1, xy[2 * i]);
        box.y0 = fmin(box.y0, xy[2 * i + 1]);
        box.y1 = fmax(box.y1, xy[2 * i + 1]);
    }
    return box;
}

bool medvl_places_box(struct medvl_box *box,
                      const struct medvl_places *places)
{
    if (places->count == 0)
        return false;
    *box = box_around(places->xy, places->count);
    return true;
}

int medvl_polygons_end(struct medvl_polygons *polygons,
                       struct medvl_error *err)
{
    const size_t start =
        polygons->count ? polygons->ends[polygons->count - 1] : 0;
    int rc;

    if (polygons->places.count < start + 3)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a polygon of %zu places: at least 3 are needed",
                          polygons->places.count - start);
    rc = medvl_grow(&polygons->ends, &polygons->capacity,
                    polygons->count + 1, sizeof(size_t), err);
    if (rc == MEDVL_OK)
        polygons->ends[polygons->count++] = polygons->places.count;
    return rc;
}

void medvl_polygons_release(struct medvl_polygons *polygons)
{
    medvl_places_release(&polygons->places);
    medvl_free(polygons->ends);
    *polygons = (struct medvl_polygons){0};
}

/* ---- cutting ----------------------------------------------------------- */

/* A straight line across the plane, and the side of it that is kept. */
struct side {
    int axis; /* 0: x, 1: y */
    double at;
    bool above; /* keep what is at least `at` */
};

static bool is_inside(const struct side *side, const double *place)
{
    return side->above ? place[side->axis] >= side->at
                       : place[side->axis] <= side->at;
}

/* Add a place, unless it is the one added last since `start`. */
static int add_new(struct medvl_places *out, size_t start,
                   const double place[2], struct medvl_error *err)
{
    if (out->count > start &&
        memcmp(out->xy + 2 * out->count - 2, place, 2 * sizeof(double)) == 0)
        return MEDVL_OK;
    return medvl_places_add(out, place[0], place[1], err);
}

/* Append to `out` the polygon `xy` cut by one line. */
static int cut_once(struct medvl_places *out, const double *xy, size_t count,
                    const struct side *side, struct medvl_error *err)
{
    const size_t start = out->count;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const double *here = xy + 2 * i;
        const double *next = xy + 2 * (i + 1 < count ? i + 1 : 0);
        const int a = side->axis;

        if (is_inside(side, here))
            rc = add_new(out, start, here, err);
        if (rc == MEDVL_OK && is_inside(side, here) != is_inside(side, next)) {
            const double t = (side->at - here[a]) / (next[a] - here[a]);
            double cross[2];

            cross[a] = side->at;
            cross[!a] = here[!a] + t * (next[!a] - here[!a]);
            rc = add_new(out, start, cross, err);
        }
    }
    while (out->count > start + 1 &&
           memcmp(out->xy + 2 * start, out->xy + 2 * out->count - 2,
                  2 * sizeof(double)) == 0)
        out->count--;
    return rc;
}

/* Nothing but a line to and fro along the picture's edge? */
static bool is_on_edge(const double *xy, size_t count, double width,
                       double height)
{
    double area = 0;

    for (size_t i = 0; i < count; i++) {
        const double *a = xy + 2 * i;
        const double *b = xy + 2 * (i + 1 < count ? i + 1 : 0);

        if (!(a[0] == b[0] && (a[0] == 0 || a[0] == width)) &&
            !(a[1] == b[1] && (a[1] == 0 || a[1] == height)))
            return false;
        area += a[0] * b[1] - a[1] * b[0];
    }
    return fabs(area) <= 1e-9 * width * height;
}

int medvl_polygons_clip(struct medvl_polygons *polygons, int64_t width,
                        int64_t height, struct medvl_error *err)
{
    const double w = (double)width, h = (double)height;
    const struct side sides[4] = {
        {0, 0, true}, {0, w, false}, {1, 0, true}, {1, h, false}};
    struct medvl_polygons out = {0};
    struct medvl_places parts[2] = {{0}, {0}};
    size_t start = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < polygons->count && rc == MEDVL_OK; i++) {
        const double *xy = polygons->places.xy + 2 * start;
        size_t count = polygons->ends[i] - start;
        const struct medvl_box box = box_around(xy, count);
        const bool within =
            box.x0 >= 0 && box.y0 >= 0 && box.x1 <= w && box.y1 <= h;

        start = polygons->ends[i];
        for (int s = 0; s < 4 && !within && rc == MEDVL_OK; s++) {
            parts[s & 1].count = 0;
            rc = cut_once(&parts[s & 1], xy, count, &sides[s], err);
            xy = parts[s & 1].xy;
            count = parts[s & 1].count;
        }
        if (rc < 0 || count < 3 || (!within && is_on_edge(xy, count, w, h)))
            continue;
        for (size_t k = 0; k < count && rc == MEDVL_OK; k++)
            rc = medvl_places_add(&out.places, xy[2 * k], xy[2 * k + 1], err);
        if (rc == MEDVL_OK)
            rc = medvl_polygons_end(&out, err);
    }
    medvl_places_release(&parts[0]);
    medvl_places_release(&parts[1]);
    if (rc < 0) {
        medvl_polygons_release(&out);
        return rc;
    }
    medvl_polygons_release(polygons);
    *polygons = out;
    return MEDVL_OK;
}

/* ---- filling ----------------------------------------------------------- */

/* The rectangle of pixels whose centres a polygon can hold. */
struct extent {
    int64_t x0, y0, x1, y1;
};

static struct extent extent_of(const double *xy, size_t count,
                               const struct medvl_mask *mask)
{
    const struct medvl_box box = box_around(xy, count);

    return (struct extent){medvl_pixel_from(box.x0, mask->width),
                           medvl_pixel_from(box.y0, mask->height),
                           medvl_pixel_from(box.x1, mask->width),
                           medvl_pixel_from(box.y1, mask->height)};
}

/*
 * Turn over, in each row that the line from a to b crosses, the first pixel
 * whose centre is not left of it.
 */
static void toggle(uint8_t *flips, const struct extent *e, const double *a,
                   const double *b)
{
    const size_t stride = (size_t)(e->x1 - e->x0) + 1;
    const double *top = a[1] < b[1] ? a : b, *low = a[1] < b[1] ? b : a;
    const int64_t from = medvl_pixel_from(top[1], e->y1);
    const int64_t to = medvl_pixel_from(low[1], e->y1);
    const double slope = (low[0] - top[0]) / (low[1] - top[1]);

    for (int64_t y = from; y < to; y++) {
        const double x = top[0] + ((double)y + 0.5 - top[1]) * slope;
        int64_t column = medvl_pixel_from(x, e->x1);

        column = column < e->x0 ? e->x0 : column;
        flips[(size_t)(y - e->y0) * stride + (size_t)(column - e->x0)] ^= 1;
    }
}

/* How long filling one takes, and how many crossings there are. */
static int64_t work_of(const double *xy, size_t count,
                       const struct extent *e)
{
    int64_t work = (e->x1 - e->x0 + 1) * (e->y1 - e->y0);

    for (size_t i = 0; i < count; i++) {
        const double a = xy[2 * i + 1];
        const double b = xy[2 * (i + 1 < count ? i + 1 : 0) + 1];
        const int64_t rows =
            llabs(medvl_pixel_from(a, e->y1) - medvl_pixel_from(b, e->y1));

        work += CROSSING * (rows + 1);
    }
    return work;
}

static int fill_one(struct medvl_mask *mask, const double *xy, size_t count,
                    int64_t *work, struct medvl_error *err)
{
    const struct extent e = extent_of(xy, count, mask);
    const size_t width = (size_t)(e.x1 - e.x0);
    uint8_t *flips, *row;

    *work += work_of(xy, count, &e);
    if (*work > WORK_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "polygons: too many long lines to fill");
    if (e.x1 <= e.x0 || e.y1 <= e.y0)
        return MEDVL_OK;
    /* one column more takes what lies to the right of all */
    flips = medvl_alloc((size_t)(e.y1 - e.y0), width + 1);
    if (!flips)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count; i++)
        toggle(flips, &e, xy + 2 * i,
               xy + 2 * (i + 1 < count ? i + 1 : 0));
    row = flips;
    for (int64_t y = e.y0; y < e.y1; y++, row += width + 1) {
        uint8_t *to = mask->data + y * mask->width + e.x0;
        uint8_t in = 0;

        for (size_t x = 0; x < width; x++) {
            in ^= row[x];
            to[x] |= in;
        }
    }
    medvl_free(flips);
    return MEDVL_OK;
}

int medvl_polygons_fill(struct medvl_mask *mask,
                        const struct medvl_polygons *polygons,
                        struct medvl_error *err)
{
    size_t start = 0;
    int64_t work = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < polygons->count && rc == MEDVL_OK; i++) {
        rc = fill_one(mask, polygons->places.xy + 2 * start,
                      polygons->ends[i] - start, &work, err);
        start = polygons->ends[i];
    }
    return rc;
}
