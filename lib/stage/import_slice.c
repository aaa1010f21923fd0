/*
 * A slice's picture and its record.
 *
 * Read next: import_label.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/image/resize.h"
#include "lib/stage/import_volume.h"

#define SLICE_MOST (1 << 24) /* pixels */

/* ---- pictures ----------------------------------------------------------- */

/* Where slices lie on the canvas, whose middle is that of the content. */
static int place_canvas(struct medvl_cutting *c, struct medvl_error *err)
{
    const double mm = c->im->options->canvas;
    const struct medvl_slicing *s = &c->slicing;
    const double pixel = fmin(s->spacing[0],
                              fmin(s->spacing[1], s->spacing[2]));
    int64_t low[3], high[3];
    double side, middle[2];

    if (s->width * s->height > SLICE_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: %s slices of %lld x %lld pixels, at most "
                          "2^24 are taken",
                          c->path, c->axis, (long long)s->width,
                          (long long)s->height);
    memcpy(c->spacing, s->spacing, sizeof(c->spacing));
    c->width = s->width;
    c->height = s->height;
    c->side = 0;
    if (mm <= 0)
        return MEDVL_OK;
    if (!medvl_slicing_content(low, high, &c->volume, s))
        return medvl_fail(err, MEDVL_EARG, "%s: all voxels are zero",
                          c->path);
    side = floor(mm / pixel + 0.5);
    if (side < 1 || side * side > (double)MEDVL_PICTURE_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "a canvas of %g mm has %.0f x %.0f pixels", mm,
                          side, side);
    for (int i = 0; i < 2; i++) {
        if ((double)(high[i] - low[i]) * s->spacing[i] > mm)
            return medvl_fail(err, MEDVL_EARG,
                              "%s: the content is %.1f mm %s in %s slices, "
                              "the canvas %g mm",
                              c->path,
                              (double)(high[i] - low[i]) * s->spacing[i],
                              i ? "high" : "wide", c->axis, mm);
        middle[i] =
            (double)(low[i] + high[i]) / 2 * s->spacing[i] / pixel;
        c->spacing[i] = pixel;
    }
    c->side = (int64_t)side;
    c->width = (int64_t)fmax(
        1, floor((double)s->width * s->spacing[0] / pixel + 0.5));
    c->height = (int64_t)fmax(
        1, floor((double)s->height * s->spacing[1] / pixel + 0.5));
    c->x = (int64_t)floor(side / 2 - middle[0] + 0.5);
    c->y = (int64_t)floor(side / 2 - middle[1] + 0.5);
    if (c->width > MEDVL_PICTURE_SIDE || c->height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG, "%s: slices of %lld x %lld pixels",
                          c->path, (long long)c->width,
                          (long long)c->height);
    return MEDVL_OK;
}

int64_t medvl_cutting_width(const struct medvl_cutting *c)
{
    return c->side ? c->side : c->width;
}

int64_t medvl_cutting_height(const struct medvl_cutting *c)
{
    return c->side ? c->side : c->height;
}

static int make_scratch(struct medvl_cutting *c, struct medvl_error *err)
{
    const size_t slice = (size_t)(c->slicing.width * c->slicing.height);
    const size_t all =
        (size_t)(medvl_cutting_width(c) * medvl_cutting_height(c));

    medvl_free(c->values);
    medvl_free(c->groups);
    medvl_free(c->placed);
    medvl_free(c->areas);
    medvl_mask_release(&c->mask);
    c->values = medvl_alloc(slice, sizeof(*c->values));
    c->groups = medvl_alloc(slice, sizeof(*c->groups));
    c->placed = medvl_alloc(all, sizeof(*c->placed));
    c->areas = medvl_alloc(c->im->name_count + 1, sizeof(*c->areas));
    if (!c->values || !c->groups || !c->placed || !c->areas)
        return medvl_no_memory(err);
    return medvl_mask_make(&c->mask, medvl_cutting_width(c),
                           medvl_cutting_height(c), err);
}

/* Lay the slice's picture on the canvas; what is outside is cut off. */
static int lay(struct medvl_picture *out, const struct medvl_cutting *c,
               const struct medvl_picture *slice, struct medvl_error *err)
{
    int rc = medvl_picture_make(out, c->side, c->side, 1, 8, err);

    for (int64_t y = 0; rc == MEDVL_OK && y < slice->height; y++) {
        const int64_t x0 = c->x < 0 ? -c->x : 0;
        int64_t x1 = c->side - c->x;

        x1 = x1 > slice->width ? slice->width : x1;
        if (y + c->y < 0 || y + c->y >= c->side || x1 <= x0)
            continue;
        memcpy((uint8_t *)out->data + (y + c->y) * c->side + c->x + x0,
               (const uint8_t *)slice->data + y * slice->width + x0,
               (size_t)(x1 - x0));
    }
    return rc;
}

/* The picture of the slice whose values are at hand. */
static int make_picture(struct medvl_picture *out,
                        const struct medvl_cutting *c,
                        struct medvl_error *err)
{
    const struct medvl_slicing *s = &c->slicing;
    const uint8_t black = c->volume.inverse ? 255 : 0;
    struct medvl_picture slice = {0}, sized = {0};
    int rc = medvl_picture_make(&slice, s->width, s->height, 1, 8, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < s->width * s->height; i++)
        ((uint8_t *)slice.data)[i] =
            medvl_window_apply(c->values[i], c->low, c->high) ^ black;
    if (rc == MEDVL_OK && !c->side) {
        *out = slice;
        return MEDVL_OK;
    }
    if (rc == MEDVL_OK)
        rc = medvl_picture_resize(&sized, &slice, c->width, c->height,
                                  MEDVL_FILTER_BILINEAR, err);
    if (rc == MEDVL_OK)
        rc = lay(out, c, &sized, err);
    medvl_picture_release(&slice);
    medvl_picture_release(&sized);
    return rc;
}

/* ---- records ------------------------------------------------------------ */

/* The name of the slice's picture: the file, the slice, how it is shown. */
static int name_picture(struct medvl_cutting *c, int64_t index,
                        struct medvl_error *err)
{
    const double numbers[] = {(double)index, c->low, c->high,
                              c->im->options->canvas};
    const double mm = c->im->options->resample;
    struct medvl_hash *hash = NULL;
    char hex[33];
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    medvl_hash_add(hash, MEDVL_VERSION, sizeof(MEDVL_VERSION));
    medvl_hash_add(hash, c->hash, sizeof(c->hash));
    medvl_hash_add(hash, c->axis, strlen(c->axis) + 1);
    medvl_hash_add(hash, numbers, sizeof(numbers));
    if (mm > 0)
        medvl_hash_add(hash, &mm, sizeof(mm));
    medvl_hash_hex(hex, hash);
    medvl_hash_free(hash);
    medvl_text_clear(&c->name);
    return medvl_text_printf(&c->name, err, "%s/%s.png",
                             c->im->options->out, hex);
}

static void put_numbers(struct medvl_json_writer *w, const char *name,
                        const double *values, int count)
{
    medvl_json_begin(w, name, '[');
    for (int i = 0; i < count; i++)
        medvl_json_put_number(w, NULL, values[i]);
    medvl_json_end(w);
}

static void put_text(struct medvl_json_writer *w, const char *name,
                     const char *value)
{
    if (value)
        medvl_json_put_string(w, name, medvl_span(value));
}

/* What an option says, else what the series says. */
static const char *either(const char *option, const char *series)
{
    return option ? option : series;
}

static int put_image(struct medvl_cutting *c, struct medvl_json_writer *w,
                     const char *hash, int64_t index,
                     struct medvl_error *err)
{
    const struct medvl_import_options *o = c->im->options;
    const struct medvl_series none = {0};
    const struct medvl_series *s = c->series ? c->series : &none;
    const double window[2] = {(c->low + c->high) / 2, c->high - c->low};
    int rc;

    medvl_json_begin(w, "images", '[');
    medvl_json_begin(w, NULL, '{');
    put_text(w, "path", c->name.data);
    medvl_json_put_int(w, "width", medvl_cutting_width(c));
    medvl_json_put_int(w, "height", medvl_cutting_height(c));
    put_text(w, "modality", either(o->modality, s->modality));
    put_text(w, "body_part", either(o->body_part, s->body_part));
    medvl_json_put_int(w, "slice", index);
    put_text(w, "axis", c->axis);
    put_text(w, "orientation", c->slicing.orientation);
    medvl_json_put_number(w, "position",
                          medvl_slicing_position(&c->slicing, &c->volume,
                                                 index));
    put_numbers(w, "spacing", c->spacing, 3);
    if (o->window)
        put_numbers(w, "window", window, 2);
    put_text(w, "burned_in", s->burned_in);
    put_text(w, "hash", hash);
    rc = c->labels.data ? medvl_labels_put(c, w, err) : MEDVL_OK;
    medvl_json_end(w);
    medvl_json_end(w);
    return rc;
}

/* The members after the pictures. */
static void put_rest(struct medvl_cutting *c, struct medvl_json_writer *w)
{
    const struct medvl_import_options *o = c->im->options;
    const struct medvl_series *s = c->series;

    if (s)
        put_text(w, "modality", either(o->modality, s->modality));
    put_text(w, "plane", c->axis);
    if (s) {
        put_text(w, "view", s->view);
        put_text(w, "laterality", s->laterality);
        put_text(w, "body_part", either(o->body_part, s->body_part));
        put_text(w, "series", s->series);
        put_text(w, "study", s->study);
    }
    put_text(w, "source", either(o->source, s ? "dicom" : c->stem.data));
    put_text(w, "license", o->license);
    put_text(w, "split", o->split);
    put_text(w, "group", s ? s->group : c->stem.data);
}

static int write_record(struct medvl_cutting *c, const char *hash,
                        int64_t index, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &c->json};
    struct medvl_text id = {0};
    int rc = medvl_text_printf(&id, err, "%s:%s:%lld", c->stem.data, c->axis,
                               (long long)index);

    medvl_text_clear(&c->json);
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "id", id.data);
    medvl_text_release(&id);
    if (rc == MEDVL_OK)
        rc = put_image(c, &w, hash, index, err);
    put_rest(c, &w);
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_import_put(c->im, medvl_text_span(&c->json),
                              c->labels.data ? "images" : "", err);
    return rc;
}

static int write_slice(struct medvl_cutting *c,
                       const struct medvl_picture *picture, int64_t index,
                       struct medvl_error *err)
{
    const char *root = c->im->options->root;
    char *path = NULL;
    char hash[33];
    int rc = name_picture(c, index, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, root ? root : "", c->name.data, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_write(picture, path, hash, err);
    medvl_free(path);
    if (rc == MEDVL_OK)
        rc = write_record(c, hash, index, err);
    c->kept = true;
    return rc;
}

/* ---- an axis ------------------------------------------------------------ */

/* The share of pixels that are not black. */
static double content_share(const struct medvl_picture *picture)
{
    const size_t count = medvl_picture_bytes(picture);
    const uint8_t *data = picture->data;
    size_t filled = 0;

    for (size_t i = 0; i < count; i++)
        filled += data[i] != 0;
    return (double)filled / (double)count;
}

static int run_slice(struct medvl_cutting *c, int64_t index,
                     struct medvl_error *err)
{
    struct medvl_picture picture = {0};
    int64_t area = 0;
    int rc = MEDVL_OK;

    if (c->labels.data)
        rc = medvl_labels_find(&area, c, index, err);
    if (rc < 0 || (c->choice.kind == MEDVL_CHOICE_LABELLED && !area))
        return rc;
    medvl_slice_values(c->values, &c->volume, &c->slicing, index);
    rc = make_picture(&picture, c, err);
    if (rc == MEDVL_OK && content_share(&picture) >= c->im->options->content)
        rc = write_slice(c, &picture, index, err);
    medvl_picture_release(&picture);
    return rc;
}

int medvl_cutting_run(struct medvl_cutting *c, struct medvl_error *err)
{
    struct medvl_chosen chosen;
    int rc = place_canvas(c, err);

    if (rc == MEDVL_OK)
        rc = make_scratch(c, err);
    if (rc == MEDVL_OK)
        rc = medvl_choice_make(&chosen, c, err);
    if (rc < 0)
        return rc;
    for (int64_t i = chosen.first; i <= chosen.last && rc == MEDVL_OK;
         i += chosen.step)
        rc = run_slice(c, i, err);
    return rc;
}
