/*
 * Shapes of regions as JSON: see shape_json.h.
 *
 * Read next: ../eval/answer.c.
 */
#include "lib/data/shape_json.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/coordinates.h"
#include "lib/image/picture.h"

/* ---- places ------------------------------------------------------------ */

/* One coordinate of a side `size`, in pixels. */
static bool read_number(double *out, const struct medvl_json *item,
                        const struct medvl_shape_on *on, int64_t size)
{
    const double v = medvl_json_number(item, NAN);

    if (on->scale ? !(v >= 0 && v <= medvl_scale_most(on->scale))
                  : !(fabs(v) <= MEDVL_PLACE_MOST))
        return false;
    *out = medvl_scale_to_pixels(v, on->scale, (double)size);
    return true;
}

/* The place at *item and the element behind it, which *item goes past. */
static bool read_pair(double xy[2], const struct medvl_json **item,
                      const struct medvl_shape_on *on)
{
    const struct medvl_json *x = *item, *y = x ? medvl_json_next(x) : NULL;

    if (!y || !read_number(&xy[0], x, on, on->width) ||
        !read_number(&xy[1], y, on, on->height))
        return false;
    *item = medvl_json_next(y);
    return true;
}

static bool is_array(const struct medvl_json *value)
{
    return medvl_json_type(value) == MEDVL_JSON_ARRAY;
}

static bool is_none(const struct medvl_json *value)
{
    return medvl_json_type(value) == MEDVL_JSON_NONE ||
           medvl_json_type(value) == MEDVL_JSON_NULL;
}

static int no_form(const char *member, const char *form,
                   const struct medvl_shape_on *on, struct medvl_error *err)
{
    if (on->scale)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is not %s of 0..%g",
                          member, form, medvl_scale_most(on->scale));
    return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is not %s", member, form);
}

static int read_box(struct medvl_shape *out, const struct medvl_json *box,
                    const struct medvl_shape_on *on, struct medvl_error *err)
{
    const struct medvl_json *item = medvl_json_first(box);
    double a[2], b[2];

    if (is_none(box))
        return MEDVL_OK;
    if (!is_array(box) || !read_pair(a, &item, on) ||
        !read_pair(b, &item, on) || item || a[0] > b[0] || a[1] > b[1])
        return no_form("box",
                       "[x0, y0, x1, y1] with x0 <= x1, y0 <= y1", on, err);
    out->box = (struct medvl_box){a[0], a[1], b[0], b[1]};
    out->has_box = true;
    return MEDVL_OK;
}

static bool read_place(double xy[2], const struct medvl_json *place,
                       const struct medvl_shape_on *on)
{
    const struct medvl_json *item = medvl_json_first(place);

    return is_array(place) && read_pair(xy, &item, on) && !item;
}

static int read_points(struct medvl_shape *out,
                       const struct medvl_json *region,
                       const struct medvl_shape_on *on,
                       struct medvl_error *err)
{
    const struct medvl_json *point = medvl_json_get(region, "point");
    const struct medvl_json *points = medvl_json_get(region, "points");
    const struct medvl_json *item = medvl_json_first(points);
    double xy[2];

    if (!is_none(point)) {
        out->has_point = read_place(out->point, point, on);
        if (!out->has_point)
            return no_form("point", "[x, y]", on, err);
    }
    if (is_none(points))
        return MEDVL_OK;
    if (!is_array(points))
        return no_form("points", "[[x, y], ...]", on, err);
    for (; item; item = medvl_json_next(item)) {
        int rc;

        if (!read_place(xy, item, on))
            return no_form("points", "[[x, y], ...]", on, err);
        rc = medvl_places_add(&out->points, xy[0], xy[1], err);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static int read_polygons(struct medvl_polygons *out,
                         const struct medvl_json *polygons,
                         const struct medvl_shape_on *on,
                         struct medvl_error *err)
{
    const struct medvl_json *polygon = medvl_json_first(polygons);
    int rc = MEDVL_OK;

    if (is_none(polygons))
        return MEDVL_OK;
    if (!is_array(polygons))
        return no_form("polygons", "[[x, y, x, y, ...], ...]", on, err);
    for (; polygon && rc == MEDVL_OK; polygon = medvl_json_next(polygon)) {
        const struct medvl_json *item = medvl_json_first(polygon);
        double xy[2];

        if (!is_array(polygon))
            return no_form("polygons", "[[x, y, x, y, ...], ...]", on, err);
        while (item && rc == MEDVL_OK) {
            if (!read_pair(xy, &item, on))
                return no_form("polygons", "[[x, y, x, y, ...], ...]", on,
                               err);
            rc = medvl_places_add(&out->places, xy[0], xy[1], err);
        }
        if (rc == MEDVL_OK)
            rc = medvl_polygons_end(out, err);
    }
    return rc < 0 ? medvl_context(err, "\"polygons\"") : rc;
}

/* ---- masks ------------------------------------------------------------- */

/* Counts as numbers; medvl_mask_from_runs says which does not fit. */
static int read_runs(struct medvl_mask *out, const struct medvl_json *counts,
                     const struct medvl_shape_on *on,
                     struct medvl_error *err)
{
    const size_t count = medvl_json_count(counts);
    int64_t *runs = medvl_alloc(count, sizeof(*runs));
    const struct medvl_json *item = medvl_json_first(counts);
    int rc = MEDVL_OK;

    if (!runs)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const double v = medvl_json_number(item, -1);

        if (!(v >= 0 && v <= (double)((int64_t)1 << 53) && v == floor(v)))
            rc = medvl_fail(err, MEDVL_EFORMAT, "run %zu is no number",
                            i + 1);
        else
            runs[i] = (int64_t)v;
        item = medvl_json_next(item);
    }
    if (rc == MEDVL_OK)
        rc = medvl_mask_from_runs(out, runs, count, on->width, on->height,
                                  err);
    medvl_free(runs);
    return rc;
}

static int read_rle(struct medvl_mask *out, const struct medvl_json *mask,
                    const struct medvl_shape_on *on, struct medvl_error *err)
{
    const struct medvl_json *size = medvl_json_get(mask, "size");
    const struct medvl_json *counts = medvl_json_get(mask, "counts");
    const double h = medvl_json_number(medvl_json_at(size, 0), -1);
    const double w = medvl_json_number(medvl_json_at(size, 1), -1);
    const char *text = medvl_json_string(counts);
    int rc;

    if (!(medvl_json_count(size) == 2 && w >= 1 && h >= 1 &&
          w <= MEDVL_PICTURE_SIDE && h <= MEDVL_PICTURE_SIDE &&
          w == floor(w) && h == floor(h)))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"size\" is not [height, width]");
    rc = medvl_mask_fits((int64_t)w, (int64_t)h, on->width, on->height, err);
    if (rc < 0)
        return rc;
    if (is_array(counts))
        return read_runs(out, counts, on, err);
    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"counts\" is no string and no array");
    return medvl_mask_decode(out, medvl_span(text), on->width, on->height,
                             err);
}

/* Pixels of the file that are `value`, or with -1 not 0. */
static int take_pixels(struct medvl_mask *out,
                       const struct medvl_picture *picture, int64_t value,
                       struct medvl_error *err)
{
    const int64_t count = picture->width * picture->height;
    const int n = picture->channels;
    const uint8_t *narrow = picture->data;
    const uint16_t *wide = picture->data;
    int rc;

    if (value >= 0 && n != 1)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"value\" of a mask with colours or a palette: "
                          "only grey has values");
    rc = medvl_mask_make(out, picture->width, picture->height, err);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        int64_t v = picture->depth == 16 ? wide[i * n] : narrow[i * n];

        for (int c = 1; c < n; c++)
            v |= narrow[i * n + c];
        out->data[i] = value < 0 ? v != 0 : v == value;
    }
    return rc;
}

static int read_file(struct medvl_mask *out, const struct medvl_json *mask,
                     const struct medvl_shape_on *on,
                     struct medvl_error *err)
{
    static const unsigned char PNG[8] = {137, 80, 78, 71, 13, 10, 26, 10};
    struct medvl_picture picture = {0};
    struct medvl_span bytes = {0};
    const char *path = medvl_json_string(medvl_json_get(mask, "path"));
    int64_t value = -1, width = 0, height = 0;
    int rc = MEDVL_OK;

    if (!on->source)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "a mask that is a file");
    if (medvl_json_get(mask, "value"))
        rc = medvl_json_get_int(&value, mask, "value", 0, 65535, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_read(&bytes, on->source, mask, err);
    if (rc < 0)
        return rc;
    if (bytes.size < sizeof(PNG) || memcmp(bytes.data, PNG, sizeof(PNG)) != 0)
        rc = medvl_fail(err, MEDVL_EFORMAT, "not PNG");
    /* the size first: a bomb is not unpacked */
    if (rc == MEDVL_OK)
        rc = medvl_picture_probe(&width, &height, bytes.data, bytes.size,
                                 (int64_t)MEDVL_PICTURE_SIDE *
                                     MEDVL_PICTURE_SIDE,
                                 err);
    if (rc == MEDVL_OK)
        rc = medvl_mask_fits(width, height, on->width, on->height, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_decode(&picture, bytes.data, bytes.size,
                                  on->width * on->height, err);
    if (rc == MEDVL_OK)
        rc = take_pixels(out, &picture, value, err);
    medvl_picture_release(&picture);
    return rc < 0 && path ? medvl_context(err, "%s", path) : rc;
}

static int read_mask(struct medvl_mask *out, const struct medvl_json *mask,
                     const struct medvl_shape_on *on,
                     struct medvl_error *err)
{
    int rc;

    if (is_none(mask))
        return MEDVL_OK;
    if (medvl_json_get(mask, "path") || medvl_json_get(mask, "data"))
        rc = read_file(out, mask, on, err);
    else
        rc = read_rle(out, mask, on, err);
    return rc < 0 ? medvl_context(err, "\"mask\"") : rc;
}

bool medvl_shape_mask_is_foreign(const struct medvl_json *region)
{
    const struct medvl_json *mask = medvl_json_get(region, "mask");

    return !is_none(mask) && !medvl_json_string(medvl_json_get(mask, "counts"));
}

int medvl_shape_read(struct medvl_shape *out, const struct medvl_json *region,
                     const struct medvl_shape_on *on, struct medvl_error *err)
{
    int rc = read_box(out, medvl_json_get(region, "box"), on, err);

    if (rc == MEDVL_OK)
        rc = read_points(out, region, on, err);
    if (rc == MEDVL_OK)
        rc = read_polygons(&out->polygons,
                           medvl_json_get(region, "polygons"), on, err);
    if (rc == MEDVL_OK)
        rc = read_mask(&out->mask, medvl_json_get(region, "mask"), on, err);
    if (rc < 0)
        medvl_shape_release(out);
    return rc;
}

/* ---- writing ----------------------------------------------------------- */

static int set_numbers(struct medvl_json_view *region, const char *member,
                       const double *values, size_t count,
                       struct medvl_error *err)
{
    double rounded[4];

    for (size_t i = 0; i < count; i++)
        rounded[i] = medvl_place_round(values[i]);
    return medvl_json_view_set_numbers(region, member, rounded, count, err);
}

static void put_places(struct medvl_json_writer *w, const double *xy,
                       size_t count)
{
    medvl_json_begin(w, NULL, '[');
    for (size_t i = 0; i < 2 * count; i++)
        medvl_json_put_number(w, NULL, medvl_place_round(xy[i]));
    medvl_json_end(w);
}

static int set_points(struct medvl_json_view *region,
                      const struct medvl_places *points,
                      struct medvl_text *buffer, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    int rc;

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < points->count; i++)
        put_places(&w, points->xy + 2 * i, 1);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : medvl_json_view_set(region, "points",
                                        medvl_text_span(buffer), err);
}

static int set_polygons(struct medvl_json_view *region,
                        const struct medvl_polygons *polygons,
                        struct medvl_text *buffer, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    size_t start = 0;
    int rc;

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < polygons->count; i++) {
        put_places(&w, polygons->places.xy + 2 * start,
                   polygons->ends[i] - start);
        start = polygons->ends[i];
    }
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : medvl_json_view_set(region, "polygons",
                                        medvl_text_span(buffer), err);
}

int medvl_mask_put(struct medvl_json_writer *w, const char *name,
                   const struct medvl_mask *mask, struct medvl_error *err)
{
    struct medvl_text counts = {0};
    const int rc = medvl_mask_encode(&counts, mask, err);

    if (rc == MEDVL_OK) {
        medvl_json_begin(w, name, '{');
        medvl_json_begin(w, "size", '[');
        medvl_json_put_int(w, NULL, mask->height);
        medvl_json_put_int(w, NULL, mask->width);
        medvl_json_end(w);
        medvl_json_put_string(w, "counts", medvl_text_span(&counts));
        medvl_json_end(w);
    }
    medvl_text_release(&counts);
    return rc;
}

static int set_mask(struct medvl_json_view *region,
                    const struct medvl_mask *mask, struct medvl_text *buffer,
                    struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    int rc = medvl_mask_put(&w, NULL, mask, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : medvl_json_view_set(region, "mask",
                                        medvl_text_span(buffer), err);
}

int medvl_shape_write(struct medvl_json_view *region,
                      const struct medvl_shape *shape,
                      struct medvl_error *err)
{
    const double box[4] = {shape->box.x0, shape->box.y0, shape->box.x1,
                           shape->box.y1};
    struct medvl_text buffer = {0};
    int rc = MEDVL_OK;

    if (shape->has_box)
        rc = set_numbers(region, "box", box, 4, err);
    if (shape->has_point && rc == MEDVL_OK)
        rc = set_numbers(region, "point", shape->point, 2, err);
    else if (!shape->has_point)
        medvl_json_view_remove(region, "point");
    if (rc == MEDVL_OK &&
        (shape->points.count || medvl_json_view_get(region, "points").data))
        rc = set_points(region, &shape->points, &buffer, err);
    medvl_text_clear(&buffer);
    if (rc == MEDVL_OK && (shape->polygons.count ||
                           medvl_json_view_get(region, "polygons").data))
        rc = set_polygons(region, &shape->polygons, &buffer, err);
    medvl_text_clear(&buffer);
    if (rc == MEDVL_OK && shape->mask.data)
        rc = set_mask(region, &shape->mask, &buffer, err);
    medvl_text_release(&buffer);
    return rc;
}
