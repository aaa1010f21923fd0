/*
 * The regions of a picture: they follow the map, and the chosen ones are
 * drawn.
 *
 * Read next: ../data/record.c.
 */
#include "lib/stage/image_part.h"

#include <math.h>
#include <string.h>

bool medvl_image_read_box(struct medvl_box *box,
                          const struct medvl_json *array)
{
    double *const sides[4] = {&box->x0, &box->y0, &box->x1, &box->y1};
    const struct medvl_json *item = medvl_json_first(array);

    if (medvl_json_type(array) != MEDVL_JSON_ARRAY ||
        medvl_json_count(array) != 4)
        return false;
    for (int i = 0; i < 4; i++, item = medvl_json_next(item)) {
        *sides[i] = medvl_json_number(item, NAN);
        if (!isfinite(*sides[i]))
            return false;
    }
    return true;
}

static int read_mask(struct medvl_mask *out, const struct medvl_json *mask,
                     struct medvl_error *err)
{
    const struct medvl_json *size = medvl_json_get(mask, "size");
    const char *counts = NULL;
    const double h = medvl_json_number(medvl_json_at(size, 0), -1);
    const double w = medvl_json_number(medvl_json_at(size, 1), -1);
    int rc = medvl_json_get_string(&counts, mask, "counts", err);

    if (rc < 0)
        return medvl_context(err, "mask");
    if (!(w >= 1 && h >= 1 && w <= MEDVL_PICTURE_SIDE &&
          h <= MEDVL_PICTURE_SIDE))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "mask: \"size\" is not [height, width]");
    return medvl_mask_decode(out, medvl_span(counts), (int64_t)w, (int64_t)h,
                             err);
}

/* Is this region chosen by --draw or --crop? */
bool medvl_image_is_chosen(const struct medvl_json *region, const char *field)
{
    return strcmp(field, "all") == 0 ||
           medvl_json_true(medvl_json_get(region, field));
}

static double round_place(double v)
{
    return floor(v * 100 + 0.5) / 100;
}

static int set_box(struct medvl_json_view *view, struct medvl_box box,
                   struct medvl_error *err)
{
    const double sides[4] = {round_place(box.x0), round_place(box.y0),
                             round_place(box.x1), round_place(box.y1)};

    return medvl_json_view_set_numbers(view, "box", sides, 4, err);
}

static int set_mask(struct medvl_json_view *view, struct medvl_text *buffer,
                    const struct medvl_mask *mask, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    struct medvl_text counts = {0};
    int rc = medvl_mask_encode(&counts, mask, err);

    medvl_text_clear(buffer);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_begin(&w, "size", '[');
    medvl_json_put_int(&w, NULL, mask->height);
    medvl_json_put_int(&w, NULL, mask->width);
    medvl_json_end(&w);
    medvl_json_put_string(&w, "counts", medvl_text_span(&counts));
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, "mask", medvl_text_span(buffer), err);
    medvl_text_release(&counts);
    return rc;
}

/* Is every pixel where it was? */
bool medvl_image_is_still(const struct medvl_image_worker *worker)
{
    return medvl_affine_is_identity(&worker->map) &&
           worker->picture.width == worker->width &&
           worker->picture.height == worker->height;
}

/* What drawing needs of a region, after the map. */
struct place {
    struct medvl_box box;
    struct medvl_mask mask;
    bool has_box;
};

/*
 * Move one region.  Returns 1 when something of it is left, 0 when it is
 * outside the new picture.
 */
static int move_region(struct medvl_image_worker *worker, struct place *place,
                       struct medvl_json_view *view,
                       const struct medvl_json *region,
                       struct medvl_error *err)
{
    const struct medvl_picture *p = &worker->picture;
    const struct medvl_json *mask = medvl_json_get(region, "mask");
    const struct medvl_json *point = medvl_json_get(region, "point");
    const double *m = worker->map.m;
    struct medvl_mask old = {0};
    int rc = MEDVL_OK;

    if (medvl_json_type(mask) == MEDVL_JSON_OBJECT) {
        rc = read_mask(&old, mask, err);
        if (rc == MEDVL_OK)
            rc = medvl_affine_mask(&place->mask, &old, &worker->map, p->width,
                                   p->height, err);
        medvl_mask_release(&old);
        if (rc < 0)
            return rc;
        if (!medvl_mask_box(&place->box, &place->mask))
            return 0;
        place->has_box = true;
        rc = set_mask(view, &worker->buffer, &place->mask, err);
        if (rc == MEDVL_OK && medvl_json_get(region, "area"))
            rc = medvl_json_view_set_number(view, "area",
                                            (double)medvl_mask_area(
                                                &place->mask),
                                            err);
    } else if (medvl_json_get(region, "box")) {
        if (!medvl_image_read_box(&place->box, medvl_json_get(region, "box")))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"box\" is not [x0, y0, x1, y1]");
        place->box = medvl_affine_box(&worker->map, place->box);
        if (!medvl_box_clip(&place->box, p->width, p->height))
            return 0;
        place->has_box = true;
    }
    if (rc == MEDVL_OK && place->has_box)
        rc = set_box(view, place->box, err);
    if (rc == MEDVL_OK && medvl_json_type(point) == MEDVL_JSON_ARRAY) {
        const double x = medvl_json_number(medvl_json_at(point, 0), NAN);
        const double y = medvl_json_number(medvl_json_at(point, 1), NAN);
        const double to[2] = {round_place(m[0] * x + m[1] * y + m[2]),
                              round_place(m[3] * x + m[4] * y + m[5])};

        if (!isfinite(to[0]) || !isfinite(to[1]))
            return medvl_fail(err, MEDVL_EFORMAT, "\"point\" is not [x, y]");
        if (!place->has_box && (to[0] < 0 || to[1] < 0 ||
                                to[0] >= (double)p->width ||
                                to[1] >= (double)p->height))
            return 0;
        rc = medvl_json_view_set_numbers(view, "point", to, 2, err);
    }
    return rc < 0 ? rc : 1;
}

static int draw_region(struct medvl_image_worker *worker,
                       const struct place *place,
                       struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;

    if (stage->options.shape && strcmp(stage->options.shape, "mask") == 0) {
        if (!place->mask.data)
            return medvl_fail(err, MEDVL_EARG, "no mask to draw");
        return medvl_draw_mask(&worker->picture, &place->mask, stage->color,
                               err);
    }
    if (!place->has_box)
        return medvl_fail(err, MEDVL_EARG, "no box to draw");
    return medvl_draw_box(&worker->picture, place->box,
                          (int)stage->options.thick, stage->color, err);
}

/* Move and perhaps draw region `index`; append it to worker->regions. */
static int one_region(struct medvl_image_worker *worker, struct medvl_span span,
                      struct medvl_error *err)
{
    const char *draw = worker->stage->options.draw;
    const bool still = medvl_image_is_still(worker);
    struct medvl_json_view view = {0};
    struct medvl_json *region = NULL;
    struct place place = {0};
    int rc = medvl_json_parse(&region, span, err), left = 1;
    bool chosen;

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&view, span, err);
    if (rc < 0)
        goto done;
    chosen = draw && medvl_image_is_chosen(region, draw);
    worker->chose = worker->chose || chosen;
    if (!still || chosen) {
        left = move_region(worker, &place, &view, region, err);
        rc = left < 0 ? left : MEDVL_OK;
    }
    if (left == 0 && medvl_json_true(medvl_json_get(region, "drawn")))
        rc = medvl_fail(err, MEDVL_EARG,
                        "the region marked \"drawn\" left the picture");
    if (rc == MEDVL_OK && left && chosen)
        rc = draw_region(worker, &place, err);
    if (rc == MEDVL_OK && left) {
        if (worker->regions.size > 1)
            rc = medvl_text_putc(&worker->regions, ',', err);
        if (rc == MEDVL_OK && still)
            rc = medvl_text_append(&worker->regions, span.data, span.size,
                                   err);
        else if (rc == MEDVL_OK)
            rc = medvl_json_view_write(&worker->regions, &view, err);
    }
done:
    medvl_mask_release(&place.mask);
    medvl_json_free(region);
    medvl_json_view_release(&view);
    return rc;
}

int medvl_image_regions(struct medvl_image_worker *worker,
                        struct medvl_json_view *image,
                        struct medvl_error *err)
{
    const struct medvl_span regions = medvl_json_view_get(image, "regions");
    struct medvl_json_view list = {0};
    int rc;

    medvl_text_clear(&worker->regions);
    if (!regions.data)
        return MEDVL_OK;
    rc = medvl_json_view_array(&list, regions, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&worker->regions, '[', err);
    for (size_t i = 0; rc == MEDVL_OK && i < list.count; i++) {
        rc = one_region(worker, list.members[i].value, err);
        if (rc < 0)
            rc = medvl_context(err, "region %zu", i + 1);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&worker->regions, ']', err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(image, "regions",
                                 medvl_text_span(&worker->regions), err);
    medvl_json_view_release(&list);
    return rc;
}
