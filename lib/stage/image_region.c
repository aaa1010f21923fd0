/*
 * The regions of a picture: read, moved as the picture was, measured,
 * written back; and the chosen ones drawn.
 *
 * Read next: image_side.c.
 */
#include "lib/stage/image_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/shape_json.h"
#include "lib/image/blur.h"
#include "lib/image/coordinates.h"
#include "lib/image/glyph.h"

#define BLUR 0.03 /* deviation, of the shorter side */

bool medvl_image_is_chosen(const struct medvl_json *region, const char *field)
{
    return strcmp(field, "all") == 0 ||
           medvl_json_true(medvl_json_get(region, field));
}

bool medvl_image_is_still(const struct medvl_image_worker *worker)
{
    return medvl_steps_still(&worker->steps);
}

static int read_shape(struct medvl_shape *out,
                      const struct medvl_image_worker *worker,
                      const struct medvl_json *region,
                      struct medvl_error *err)
{
    const struct medvl_shape_on on = {
        .width = worker->steps.width,
        .height = worker->steps.height,
        .scale = worker->stage->scale,
        .source = worker->source,
    };

    return medvl_shape_read(out, region, &on, err);
}

int medvl_image_extent(struct medvl_box *box,
                       const struct medvl_image_worker *worker,
                       const struct medvl_json *region,
                       struct medvl_error *err)
{
    struct medvl_shape shape = {0};
    const int rc = read_shape(&shape, worker, region, err);
    const bool found = rc == MEDVL_OK && medvl_shape_box(box, &shape);

    medvl_shape_release(&shape);
    return rc < 0 ? rc : found;
}

/* ---- drawing ------------------------------------------------------------ */

/* What waits until all regions are known. */
struct drawing {
    struct medvl_mask sharp;  /* what is not blurred */
    struct medvl_box *marked; /* the n-th has the number n + 1 */
    size_t marks, capacity;
};

static bool has_shape(const struct medvl_shape *s)
{
    return s->has_box || s->has_point || s->points.count ||
           s->polygons.count || s->mask.data;
}

static bool is_shape(const struct medvl_image_worker *worker,
                     const char *name)
{
    const char *shape = worker->stage->options.shape;

    return shape && strcmp(shape, name) == 0;
}

static int draw_outline(struct medvl_image_worker *worker,
                        const struct medvl_shape *shape,
                        struct medvl_error *err)
{
    struct medvl_picture *p = &worker->picture;
    struct medvl_mask mask = {0};
    int rc = medvl_mask_make(&mask, p->width, p->height, err);

    if (rc == MEDVL_OK)
        rc = medvl_shape_fill(&mask, shape, err);
    if (rc == MEDVL_OK)
        rc = medvl_draw_mask(p, &mask, (int)worker->stage->options.thick,
                             worker->stage->color, err);
    medvl_mask_release(&mask);
    return rc;
}

static int draw_shape(struct medvl_image_worker *worker,
                      const struct medvl_shape *shape,
                      struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    const int thick = (int)stage->options.thick;
    const struct medvl_places *points = &shape->points;
    const bool filled = shape->mask.data || shape->polygons.count;
    struct medvl_box box;
    int rc = MEDVL_OK;

    if (filled && is_shape(worker, "outline"))
        rc = draw_outline(worker, shape, err);
    else if ((filled || shape->has_box) && medvl_shape_box(&box, shape))
        rc = medvl_draw_box(&worker->picture, box, thick, stage->color, err);
    if (rc == MEDVL_OK && shape->has_point)
        rc = medvl_draw_point(&worker->picture, shape->point[0],
                              shape->point[1], thick, stage->color, err);
    for (size_t i = 0; rc == MEDVL_OK && i < points->count; i++)
        rc = medvl_draw_point(&worker->picture, points->xy[2 * i],
                              points->xy[2 * i + 1], thick, stage->color,
                              err);
    return rc;
}

/*
 * Draw a chosen region, or remember what is drawn when all are known.
 * Returns its number, from 1; or 0 where it cannot be seen.
 */
static int draw_region(struct medvl_image_worker *worker, struct drawing *d,
                       const struct medvl_shape *shape,
                       struct medvl_error *err)
{
    const struct medvl_picture *p = &worker->picture;
    const bool filled = shape->mask.data || shape->polygons.count;
    struct medvl_box box, seen;
    int rc;

    if (!medvl_shape_box(&box, shape)) /* an empty mask */
        return 0;
    seen = box;
    if (!filled && !shape->has_box) {
        const double around = 3 * (double)worker->stage->options.thick;

        box = seen = (struct medvl_box){box.x0 - around, box.y0 - around,
                                        box.x1 + around, box.y1 + around};
    }
    if (!medvl_box_clip(&seen, p->width, p->height))
        return 0;
    rc = medvl_grow(&d->marked, &d->capacity, d->marks + 1, sizeof(box), err);
    if (rc < 0)
        return rc;
    if (!is_shape(worker, "blur")) {
        rc = draw_shape(worker, shape, err);
    } else {
        rc = medvl_shape_fill(&d->sharp, shape, err);
    }
    if (rc < 0)
        return rc;
    d->marked[d->marks++] = box;
    return (int)d->marks;
}

static int64_t between(int64_t v, int64_t low, int64_t high)
{
    return v > high ? high : v < low ? low
                                     : v;
}

/* The number above the box's upper left corner, or inside it at the top. */
static int draw_number(struct medvl_image_worker *worker, size_t number,
                       const struct medvl_box *box, struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    const uint8_t *c = stage->color;
    const bool light = 299 * c[0] + 587 * c[1] + 114 * c[2] >= 128000;
    struct medvl_picture *p = &worker->picture;
    const int64_t side = p->width < p->height ? p->width : p->height;
    const int scale = (int)between((side + 64) / 128, 1, MEDVL_GLYPH_SCALE);
    const uint8_t ink = light ? 0 : 255;
    const struct medvl_glyphs how = {
        scale, {ink, ink, ink}, true, {c[0], c[1], c[2]}};
    struct medvl_box at = *box;
    int64_t width, height, x, y;
    char digits[32];
    const int size = medvl_format_double(digits, (double)number);
    const struct medvl_span text = {digits, (size_t)size};

    medvl_box_clip(&at, p->width, p->height);
    medvl_glyph_size(&width, &height, text, scale);
    x = (int64_t)floor(at.x0) + scale;
    y = (int64_t)floor(at.y0) - height - scale;
    if (y < scale)
        y = (int64_t)floor(at.y0) + stage->options.thick + scale;
    x = between(x, scale, p->width - width - scale);
    y = between(y, scale, p->height - height - scale);
    return medvl_draw_text(p, x, y, text, &how, err);
}

/* What could not be drawn before all regions were known. */
static int finish_drawing(struct medvl_image_worker *worker,
                          struct drawing *d, struct medvl_error *err)
{
    const struct medvl_image_options *o = &worker->stage->options;
    struct medvl_picture *p = &worker->picture;
    int rc = MEDVL_OK;

    if (d->sharp.data) {
        const double side = (double)(p->width < p->height ? p->width
                                                          : p->height);
        const double sigma = side * (o->blur > 0 ? o->blur : BLUR);

        rc = medvl_blur_outside(p, &d->sharp, fmin(sigma, MEDVL_BLUR_SIGMA),
                                err);
    }
    for (size_t i = 0; i < d->marks && o->numbers && rc == MEDVL_OK; i++)
        rc = draw_number(worker, i + 1, &d->marked[i], err);
    return rc;
}

/* ---- regions ------------------------------------------------------------ */

/* One region on its way. */
struct region {
    struct medvl_json *json;
    struct medvl_json_view view;
    struct medvl_shape shape;
    bool changed; /* the view is written, not the bytes that came */
};

/* The pixels of the mask or the polygons; of a box, as its own area went. */
static int set_area(struct region *r, const struct medvl_image_worker *worker,
                    const struct medvl_box *before, struct medvl_error *err)
{
    const struct medvl_shape *s = &r->shape;
    const struct medvl_box *b = &s->box;
    double area = medvl_json_number(medvl_json_get(r->json, "area"), NAN);
    struct medvl_mask mask = {0};
    int rc = MEDVL_OK;

    if (s->mask.data) {
        area = (double)medvl_mask_area(&s->mask);
    } else if (s->polygons.count) {
        rc = medvl_mask_make(&mask, worker->picture.width,
                             worker->picture.height, err);
        if (rc == MEDVL_OK)
            rc = medvl_shape_fill(&mask, s, err);
        if (rc == MEDVL_OK)
            area = (double)medvl_mask_area(&mask);
        medvl_mask_release(&mask);
    } else {
        area *= (b->x1 - b->x0) * (b->y1 - b->y0) /
                ((before->x1 - before->x0) * (before->y1 - before->y0));
        area = floor(area * 1000 + 0.5) / 1000;
    }
    if (rc < 0 || !isfinite(area))
        return rc;
    return medvl_json_view_set_number(&r->view, "area", area, err);
}

/* What is drawn is what is written. */
static void round_shape(struct medvl_shape *s)
{
    double *const sides[6] = {&s->box.x0, &s->box.y0, &s->box.x1,
                              &s->box.y1, &s->point[0], &s->point[1]};
    double *const places[2] = {s->points.xy, s->polygons.places.xy};
    const size_t counts[2] = {s->points.count, s->polygons.places.count};

    for (int i = 0; i < 6; i++)
        *sides[i] = medvl_place_round(*sides[i]);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < 2 * counts[k]; i++)
            places[k][i] = medvl_place_round(places[k][i]);
}

/*
 * Move the shape and set what changed.  Returns 1, or 0 when it is outside
 * the new picture.
 */
static int follow(struct medvl_image_worker *worker, struct region *r,
                  struct medvl_error *err)
{
    struct medvl_shape *s = &r->shape;
    const struct medvl_box before = s->box;
    const bool moved = !medvl_image_is_still(worker);
    const bool bare = !s->has_box && (s->mask.data || s->polygons.count);
    const bool asked = worker->stage->options.boxes ||
                       medvl_json_get(r->json, "box"); /* null */
    const bool boxed = bare && asked;
    int rc = moved ? medvl_shape_move(s, &worker->steps, err) : 1;

    if (rc <= 0)
        return rc;
    if (boxed)
        s->has_box = medvl_shape_box(&s->box, s);
    if (!moved && !boxed && !worker->stage->scale &&
        !medvl_shape_mask_is_foreign(r->json))
        return 1;
    r->changed = true;
    round_shape(s);
    rc = medvl_shape_write(&r->view, s, err);
    if (rc == MEDVL_OK &&
        (boxed || (moved && medvl_json_get(r->json, "area"))))
        rc = set_area(r, worker, &before, err);
    return rc < 0 ? rc : 1;
}

/*
 * The region has a shape: moved, measured and drawn.  Returns 1, or 0 when
 * it is outside.
 */
static int work_on_shape(struct medvl_image_worker *worker, struct drawing *d,
                         struct region *r, bool chosen,
                         struct medvl_error *err)
{
    const int left = follow(worker, r, err);
    int number = 1;

    if (left > 0 && chosen)
        number = draw_region(worker, d, &r->shape, err);
    if (left < 0 || number < 0)
        return left < 0 ? left : number;
    if ((left == 0 || number == 0) &&
        medvl_json_true(medvl_json_get(r->json, "drawn")))
        return medvl_fail(err, MEDVL_EARG,
                          "the region marked \"drawn\" left the picture");
    if (left && chosen && number > 0 && worker->stage->options.numbers) {
        const int rc = medvl_json_view_set_number(&r->view, "mark", number,
                                                  err);

        r->changed = true;
        return rc < 0 ? rc : left;
    }
    return left;
}

/* The region, also one that nothing marks: 1, or 0 when it is outside. */
static int work_on(struct medvl_image_worker *worker, struct drawing *d,
                   struct region *r, struct medvl_error *err)
{
    const struct medvl_image_options *o = &worker->stage->options;
    const bool chosen = o->draw && medvl_image_is_chosen(r->json, o->draw);
    const int rc = read_shape(&r->shape, worker, r->json, err);

    if (rc < 0)
        return rc;
    if (o->numbers && medvl_json_get(r->json, "mark")) {
        medvl_json_view_remove(&r->view, "mark"); /* of an earlier run */
        r->changed = true;
    }
    if (!has_shape(&r->shape)) {
        if (chosen && strcmp(o->draw, "all") != 0)
            return medvl_fail(err, MEDVL_EARG,
                              "no box, mask, polygons or points to draw");
        return 1;
    }
    worker->chose = worker->chose || chosen;
    return work_on_shape(worker, d, r, chosen, err);
}

/* Append what becomes of one region to worker->regions. */
static int one_region(struct medvl_image_worker *worker, struct drawing *d,
                      struct medvl_span span, struct medvl_error *err)
{
    struct medvl_text *out = &worker->regions;
    struct region r = {0};
    int rc = medvl_json_parse(&r.json, span, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&r.view, span, err);
    if (rc == MEDVL_OK)
        rc = work_on(worker, d, &r, err);
    if (rc > 0) {
        rc = out->size > 1 ? medvl_text_putc(out, ',', err) : MEDVL_OK;
        if (rc == MEDVL_OK && r.changed)
            rc = medvl_json_view_write(out, &r.view, err);
        else if (rc == MEDVL_OK)
            rc = medvl_text_append(out, span.data, span.size, err);
    }
    medvl_shape_release(&r.shape);
    medvl_json_free(r.json);
    medvl_json_view_release(&r.view);
    return rc;
}

/* All regions of the image's list into worker->regions, and into it. */
static int all_regions(struct medvl_image_worker *worker, struct drawing *d,
                       struct medvl_json_view *image,
                       struct medvl_span regions, struct medvl_error *err)
{
    struct medvl_json_view list = {0};
    int rc = medvl_json_view_array(&list, regions, err);

    if (rc < 0)
        rc = medvl_context(err, "\"regions\"");
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&worker->regions, '[', err);
    for (size_t i = 0; rc == MEDVL_OK && i < list.count; i++) {
        rc = one_region(worker, d, list.members[i].value, err);
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

int medvl_image_regions(struct medvl_image_worker *worker,
                        struct medvl_json_view *image,
                        struct medvl_error *err)
{
    const struct medvl_span regions = medvl_image_get(image, "regions");
    struct drawing d = {0};
    int rc = MEDVL_OK;

    medvl_text_clear(&worker->regions);
    /* Without a region nothing is sharp. */
    if (is_shape(worker, "blur"))
        rc = medvl_mask_make(&d.sharp, worker->picture.width,
                             worker->picture.height, err);
    if (rc == MEDVL_OK && regions.data)
        rc = all_regions(worker, &d, image, regions, err);
    if (rc == MEDVL_OK)
        rc = finish_drawing(worker, &d, err);
    medvl_mask_release(&d.sharp);
    medvl_free(d.marked);
    return rc;
}
