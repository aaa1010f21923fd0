/*
 * Crop, anomaly, augmentation and resizing of a picture, with the map of
 * where its pixels went.
 *
 * Read next: image_region.c.
 */
#include "lib/stage/image_part.h"

#include <math.h>
#include <string.h>

#include "lib/data/shape_json.h"

/* Replace the picture by what was made of it. */
static void take(struct medvl_image_worker *worker, struct medvl_picture *made,
                 const struct medvl_affine *map)
{
    medvl_picture_release(&worker->picture);
    worker->picture = *made;
    *made = (struct medvl_picture){0};
    medvl_steps_add(&worker->steps, map, worker->picture.width,
                    worker->picture.height);
}

/*
 * The box around the first chosen region, with its margin: of its longer
 * side, or where it is a point, of the picture's shorter one.
 */
static int find_crop(struct medvl_image_worker *worker, struct medvl_box *box,
                     const struct medvl_json_view *image,
                     struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    const struct medvl_span span = medvl_image_get(image, "regions");
    struct medvl_json *regions = NULL;
    const struct medvl_picture *p = &worker->picture;
    int rc = MEDVL_OK, found = 0;

    if (stage->crop_box) {
        *box = stage->crop;
        return MEDVL_OK;
    }
    if (span.data)
        rc = medvl_json_parse(&regions, span, err);
    for (const struct medvl_json *r = medvl_json_first(regions);
         rc == MEDVL_OK && r && !found; r = medvl_json_next(r)) {
        if (medvl_image_is_chosen(r, stage->options.crop))
            found = medvl_image_extent(box, worker, r, err);
        rc = found < 0 ? found : rc;
    }
    medvl_json_free(regions);
    if (rc == MEDVL_OK && !found)
        rc = medvl_fail(err, MEDVL_EARG,
                        "no region with \"%s\" true to crop to",
                        stage->options.crop);
    if (rc == MEDVL_OK) {
        const double side = fmax(box->x1 - box->x0, box->y1 - box->y0);
        const double shorter =
            (double)(p->width < p->height ? p->width : p->height);
        const double more =
            stage->options.margin * (side > 0 ? side : shorter);

        box->x0 -= more;
        box->y0 -= more;
        box->x1 += more;
        box->y1 += more;
    }
    return rc;
}

static int crop(struct medvl_image_worker *worker,
                const struct medvl_json_view *image,
                struct medvl_error *err)
{
    const struct medvl_picture *p = &worker->picture;
    struct medvl_affine map = {{1, 0, 0, 0, 1, 0}};
    struct medvl_picture out = {0};
    struct medvl_box box = {0};
    int64_t x, y, w, h;
    int rc = find_crop(worker, &box, image, err);

    if (rc < 0)
        return rc;
    if (!medvl_box_clip(&box, p->width, p->height))
        return medvl_fail(err, MEDVL_EARG,
                          "the crop lies outside the picture");
    x = (int64_t)floor(box.x0);
    y = (int64_t)floor(box.y0);
    w = (int64_t)fmax(ceil(box.x1) - floor(box.x0), 1);
    h = (int64_t)fmax(ceil(box.y1) - floor(box.y0), 1);
    rc = medvl_picture_crop(&out, p, x, y, w, h, err);
    if (rc < 0)
        return rc;
    map.m[2] = (double)-x;
    map.m[5] = (double)-y;
    take(worker, &out, &map);
    return MEDVL_OK;
}

/*
 * The anomaly's region as one that came with the picture: its mask where it
 * was before the steps, and no box or area yet, which follow from the mask.
 */
static int add_region(struct medvl_image_worker *worker,
                      struct medvl_json_view *image,
                      const struct medvl_mask *mask, int kind,
                      struct medvl_error *err)
{
    const struct medvl_span old = medvl_image_get(image, "regions");
    struct medvl_json_view list = {0};
    struct medvl_text *out = &worker->buffer;
    struct medvl_json_writer w = {.out = out};
    int rc = MEDVL_OK;

    medvl_text_clear(out);
    if (old.data) {
        rc = medvl_json_view_array(&list, old, err);
        rc = rc < 0 ? medvl_context(err, "\"regions\"") : rc;
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, '[', err);
    for (size_t i = 0; rc == MEDVL_OK && i < list.count; i++) {
        const struct medvl_span region = list.members[i].value;

        rc = medvl_text_append(out, region.data, region.size, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_putc(out, ',', err);
    }
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "label", medvl_span("anomaly"));
    medvl_json_put_string(&w, "kind", medvl_span(medvl_anomaly_name(kind)));
    medvl_json_put_null(&w, "box");
    if (rc == MEDVL_OK)
        rc = medvl_mask_put(&w, "mask", mask, err);
    medvl_json_put_null(&w, "area");
    medvl_json_put_string(&w, "author", medvl_span("medvl-image"));
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, ']', err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(image, "regions", medvl_text_span(out), err);
    medvl_json_view_release(&list);
    return rc;
}

static int put_anomaly(struct medvl_image_worker *worker,
                       struct medvl_json_view *image, struct medvl_error *err)
{
    const struct medvl_steps *steps = &worker->steps;
    const struct medvl_affine map = medvl_steps_map(steps);
    const int64_t x = (int64_t)-map.m[2], y = (int64_t)-map.m[5];
    struct medvl_mask mask = {0}, whole = {0};
    int kind = 0;
    int rc = medvl_anomaly_make(&worker->picture, &mask, &kind,
                                worker->stage->anomaly.kinds,
                                &worker->anomaly, err);

    if (rc == MEDVL_OK)
        rc = medvl_mask_make(&whole, steps->width, steps->height, err);
    for (int64_t row = 0; rc == MEDVL_OK && row < mask.height; row++)
        memcpy(whole.data + (y + row) * whole.width + x,
               mask.data + row * mask.width, (size_t)mask.width);
    if (rc == MEDVL_OK)
        rc = add_region(worker, image, &whole, kind, err);
    medvl_mask_release(&mask);
    medvl_mask_release(&whole);
    return rc;
}

static bool is_grey(const uint8_t color[3])
{
    return color[0] == color[1] && color[1] == color[2];
}

static int augment(struct medvl_image_worker *worker, struct medvl_rng *rng,
                   struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    struct medvl_picture out = {0};
    int rc = MEDVL_OK;

    medvl_augment_draw(&worker->draw, rng, &stage->augment,
                       worker->picture.width, worker->picture.height);
    worker->noise = *rng;
    medvl_draw_flip(&worker->draw, worker->flip, worker->picture.width,
                    worker->picture.height);
    if (!medvl_affine_is_identity(&worker->draw.map) &&
        !is_grey(stage->background))
        rc = medvl_picture_to_rgb(&worker->picture, err);
    if (rc == MEDVL_OK)
        rc = medvl_augment_apply(&out, &worker->picture, &worker->draw, rng,
                                 stage->background, err);
    if (rc == MEDVL_OK)
        take(worker, &out, &worker->draw.map);
    return rc;
}

static int resize(struct medvl_image_worker *worker, struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    struct medvl_placement placed = {0};
    struct medvl_picture out = {0};
    struct medvl_affine map = {{0}};
    const int rc = medvl_picture_fit(
        &out, &worker->picture, stage->width, stage->height, stage->fit,
        stage->filter, stage->background, stage->options.pixels, &placed,
        err);

    if (rc < 0)
        return rc;
    map.m[0] = placed.scale_x;
    map.m[2] = placed.x0;
    map.m[4] = placed.scale_y;
    map.m[5] = placed.y0;
    take(worker, &out, &map);
    return MEDVL_OK;
}

int medvl_image_geometry(struct medvl_image_worker *worker,
                         struct medvl_json_view *image,
                         struct medvl_rng *rng, struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    int rc = MEDVL_OK;

    if (stage->options.crop)
        rc = crop(worker, image, err);
    if (rc == MEDVL_OK && worker->anomalous)
        rc = put_anomaly(worker, image, err);
    if (rc == MEDVL_OK && stage->options.augment)
        rc = augment(worker, rng, err);
    if (rc == MEDVL_OK && stage->width)
        rc = resize(worker, err);
    return rc;
}
