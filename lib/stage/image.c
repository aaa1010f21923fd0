/*
 * The image preprocessor.
 *
 * All that happens to a picture's geometry ends up in one affine map from
 * old to new pixels; regions and spacing are computed from that map alone.
 *
 * Read next: ../data/record.c.
 */
#include "lib/stage/image.h"

#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/data/source.h"
#include "lib/image/augment.h"
#include "lib/image/dicom.h"
#include "lib/image/resize.h"

struct stage {
    struct medvl_image_options options;
    struct medvl_window window;
    struct medvl_augment augment;
    struct medvl_box crop;
    bool crop_box; /* numbers, not a region's field */
    int64_t width, height;
    enum medvl_fit fit;
    enum medvl_filter filter;
    uint8_t background[3], color[3];
    char *folder; /* root and out */
    struct medvl_want *pictures, *drawn;
};

/* A picture on its way; `decoded` stays for the next copy. */
struct worker {
    const struct stage *stage;
    struct medvl_source *source;
    struct medvl_decoder *decoder; /* of DICOM; from the first on */
    struct medvl_picture decoded, picture;
    int64_t width, height; /* as decoded */
    char source_hash[33];
    double window[2];
    bool windowed;
    struct medvl_affine map;
    struct medvl_draw draw;
    bool chose;    /* a region of the record, to draw */
    uint64_t item; /* of the random stream */
    struct medvl_text name, buffer, regions, images;
};

/* ---- options ----------------------------------------------------------- */

static int parse_box(struct medvl_box *box, const char *text)
{
    double *const sides[4] = {&box->x0, &box->y0, &box->x1, &box->y1};

    for (int i = 0; i < 4; i++) {
        const size_t size = strcspn(text, ",");

        if (medvl_parse_real(sides[i], (struct medvl_span){text, size}, 0,
                             MEDVL_PICTURE_SIDE, NULL) < 0 ||
            (text[size] == ',') != (i < 3))
            return 0;
        text += size + 1;
    }
    return box->x1 > box->x0 && box->y1 > box->y0;
}

static int parse_resize(struct stage *stage, const char *text,
                        struct medvl_error *err)
{
    const size_t size = strcspn(text, "x");
    int rc = medvl_parse_int(&stage->width, (struct medvl_span){text, size},
                             1, MEDVL_PICTURE_SIDE, err);

    stage->height = stage->width;
    if (rc == MEDVL_OK && text[size])
        rc = medvl_parse_int(&stage->height, medvl_span(text + size + 1), 1,
                             MEDVL_PICTURE_SIDE, err);
    if (rc == MEDVL_OK &&
        stage->width * stage->height > MEDVL_PICTURE_PIXELS)
        rc = medvl_fail(err, MEDVL_EARG, "over the limit of %lld pixels",
                        (long long)MEDVL_PICTURE_PIXELS);
    if (rc < 0)
        return medvl_context(err, "resize '%s': want N or WxH", text);
    return MEDVL_OK;
}

static bool is_word(const char *given, const char *word)
{
    return given && strcmp(given, word) == 0;
}

static int parse_options(struct stage *stage, struct medvl_error *err)
{
    struct medvl_image_options *o = &stage->options;
    int rc = MEDVL_OK;

    if (!o->out)
        return medvl_fail(err, MEDVL_EARG, "no folder for the pictures");
    if (o->copies && !o->augment)
        return medvl_fail(err, MEDVL_EARG,
                          "copies without augmentation are all the same");
    o->copies = o->copies ? o->copies : 1;
    o->thick = o->thick ? o->thick : 1;
    stage->fit = is_word(o->fit, "crop")      ? MEDVL_FIT_CROP
                 : is_word(o->fit, "stretch") ? MEDVL_FIT_STRETCH
                                              : MEDVL_FIT_PAD;
    stage->filter = is_word(o->filter, "bilinear") ? MEDVL_FILTER_BILINEAR
                                                   : MEDVL_FILTER_BICUBIC;
    if (o->window)
        rc = medvl_window_parse(&stage->window, o->window, err);
    if (rc == MEDVL_OK && o->augment)
        rc = medvl_augment_parse(&stage->augment, o->augment, err);
    if (rc == MEDVL_OK && o->resize)
        rc = parse_resize(stage, o->resize, err);
    if (rc == MEDVL_OK)
        rc = medvl_color_parse(stage->background,
                               o->background ? o->background : "black", err);
    if (rc == MEDVL_OK)
        rc = medvl_color_parse(stage->color, o->color ? o->color : "red",
                               err);
    if (rc == MEDVL_OK && o->crop && strchr(o->crop, ',')) {
        if (!parse_box(&stage->crop, o->crop))
            return medvl_fail(err, MEDVL_EARG,
                              "crop '%s': want X0,Y0,X1,Y1 or a field",
                              o->crop);
        stage->crop_box = true;
    }
    return rc;
}

int medvl_image_check(const struct medvl_image_options *options,
                      struct medvl_error *err)
{
    struct stage stage = {.options = *options};

    return parse_options(&stage, err);
}

static void stage_free(void *at)
{
    struct stage *stage = at;

    if (stage)
        medvl_free(stage->folder);
    medvl_free(stage);
}

static int stage_open(void **out, const void *options,
                      struct medvl_error *err)
{
    struct stage *stage = medvl_alloc(1, sizeof(*stage));
    int rc;

    *out = stage; /* the loop frees it, also where this fails */
    if (!stage)
        return medvl_no_memory(err);
    stage->options = *(const struct medvl_image_options *)options;
    rc = parse_options(stage, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&stage->folder,
                             stage->options.root ? stage->options.root : "",
                             stage->options.out, err);
    if (rc == MEDVL_OK)
        rc = medvl_folder_make(stage->folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_wants_add(&stage->pictures, stage->options.wants, err,
                             "found a picture");
    if (rc == MEDVL_OK && stage->options.draw)
        rc = medvl_wants_add(&stage->drawn, stage->options.wants, err,
                             "--draw '%s' found a region",
                             stage->options.draw);
    return rc;
}

static void worker_free(void *at)
{
    struct worker *worker = at;

    if (!worker)
        return;
    medvl_source_free(worker->source);
    medvl_decoder_free(worker->decoder);
    medvl_picture_release(&worker->decoded);
    medvl_picture_release(&worker->picture);
    medvl_text_release(&worker->name);
    medvl_text_release(&worker->buffer);
    medvl_text_release(&worker->regions);
    medvl_text_release(&worker->images);
    medvl_free(worker);
}

static int worker_open(void **out, void *at, struct medvl_error *err)
{
    const struct stage *stage = at;
    struct worker *worker = medvl_alloc(1, sizeof(*worker));

    *out = worker;
    if (!worker)
        return medvl_no_memory(err);
    worker->stage = stage;
    return medvl_source_open(&worker->source, stage->options.root, 0, err);
}

/* ---- boxes in messages -------------------------------------------------- */

/* Length of "[1, 2.5, 3, 4]" at the start of the text, or 0. */
static size_t box_length(const char *data, size_t size)
{
    size_t at = 1;

    for (int numbers = 0; numbers < 4; numbers++) {
        size_t start;

        while (at < size && data[at] == ' ')
            at++;
        start = at;
        while (at < size && (strchr("0123456789.", data[at]) && data[at]))
            at++;
        if (at == start)
            return 0;
        while (at < size && data[at] == ' ')
            at++;
        if (at >= size || data[at] != (numbers < 3 ? ',' : ']'))
            return 0;
        at++;
    }
    return at;
}

static bool has_boxes(struct medvl_span messages)
{
    const char *at = messages.data, *end = at + messages.size;

    while (at && (at = memchr(at, '[', (size_t)(end - at)))) {
        if (box_length(at, (size_t)(end - at)))
            return true;
        at++;
    }
    return false;
}

/* ---- regions ------------------------------------------------------------ */

static bool read_box(struct medvl_box *box, const struct medvl_json *array)
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
static bool is_chosen(const struct medvl_json *region, const char *field)
{
    return strcmp(field, "all") == 0 ||
           medvl_json_true(medvl_json_get(region, field));
}

static double round_place(double v)
{
    return floor(v * 100 + 0.5) / 100;
}

static int set_box(struct medvl_json_view *view, struct medvl_text *buffer,
                   struct medvl_box box, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    int rc;

    medvl_text_clear(buffer);
    medvl_json_begin(&w, NULL, '[');
    medvl_json_put_number(&w, NULL, round_place(box.x0));
    medvl_json_put_number(&w, NULL, round_place(box.y0));
    medvl_json_put_number(&w, NULL, round_place(box.x1));
    medvl_json_put_number(&w, NULL, round_place(box.y1));
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, "box", medvl_text_span(buffer), err);
    return rc;
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

static int set_number(struct medvl_json_view *view, const char *name,
                      double value, struct medvl_error *err)
{
    char text[32];
    const int size = medvl_format_double(text, value);

    return medvl_json_view_set(view, name,
                               (struct medvl_span){text, (size_t)size}, err);
}

static int set_string(struct medvl_json_view *view, const char *name,
                      struct medvl_span value, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_json_quote(&text, value, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, name, medvl_text_span(&text), err);
    medvl_text_release(&text);
    return rc;
}

static int set_pair(struct medvl_json_view *view, const char *name,
                    const double *values, size_t count,
                    struct medvl_text *buffer, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = buffer};
    int rc;

    medvl_text_clear(buffer);
    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < count; i++)
        medvl_json_put_number(&w, NULL, values[i]);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, name, medvl_text_span(buffer), err);
    return rc;
}

/* Is every pixel where it was? */
static bool is_still(const struct worker *worker)
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
static int move_region(struct worker *worker, struct place *place,
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
            rc = set_number(view, "area",
                            (double)medvl_mask_area(&place->mask), err);
    } else if (medvl_json_get(region, "box")) {
        if (!read_box(&place->box, medvl_json_get(region, "box")))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"box\" is not [x0, y0, x1, y1]");
        place->box = medvl_affine_box(&worker->map, place->box);
        if (!medvl_box_clip(&place->box, p->width, p->height))
            return 0;
        place->has_box = true;
    }
    if (rc == MEDVL_OK && place->has_box)
        rc = set_box(view, &worker->buffer, place->box, err);
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
        rc = set_pair(view, "point", to, 2, &worker->buffer, err);
    }
    return rc < 0 ? rc : 1;
}

static int draw_region(struct worker *worker, const struct place *place,
                       struct medvl_error *err)
{
    const struct stage *stage = worker->stage;

    if (is_word(stage->options.shape, "mask")) {
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
static int one_region(struct worker *worker, struct medvl_span span,
                      struct medvl_error *err)
{
    const char *draw = worker->stage->options.draw;
    const bool still = is_still(worker);
    struct medvl_json_view view = {0};
    struct medvl_json *region = NULL;
    struct place place = {0};
    int rc = medvl_json_parse(&region, span, err), left = 1;
    bool chosen;

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&view, span, err);
    if (rc < 0)
        goto done;
    chosen = draw && is_chosen(region, draw);
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

static int all_regions(struct worker *worker, struct medvl_json_view *image,
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

/* ---- geometry ----------------------------------------------------------- */

/* Frame "frame", from 0, of a DICOM file. */
static int load_dicom(struct worker *worker, const struct medvl_json *image,
                      struct medvl_span bytes, struct medvl_error *err)
{
    const struct medvl_image_options *o = &worker->stage->options;
    struct medvl_dicom dicom = {0};
    int64_t frame = 0;
    int rc = MEDVL_OK;

    if (!worker->decoder)
        rc = medvl_decoder_open(&worker->decoder, NULL, 0, err);
    if (rc == MEDVL_OK && medvl_json_get(image, "frame"))
        rc = medvl_json_get_int(&frame, image, "frame", 0, INT32_MAX, err);
    if (rc == MEDVL_OK)
        rc = medvl_dicom_bytes(&dicom, worker->decoder, bytes, err);
    if (rc == MEDVL_OK)
        rc = medvl_dicom_picture(&worker->decoded, &dicom, worker->decoder,
                                 frame, &worker->stage->window, o->pixels,
                                 worker->window, err);
    medvl_dicom_release(&dicom);
    if (rc < 0 || frame == 0)
        return rc;
    medvl_text_clear(&worker->buffer);
    rc = medvl_text_printf(&worker->buffer, err, "%s %lld",
                           worker->source_hash, (long long)frame);
    if (rc == MEDVL_OK)
        medvl_hash128_hex(worker->source_hash, worker->buffer.data,
                          worker->buffer.size);
    return rc;
}

static int load_picture(struct worker *worker, struct medvl_span bytes,
                        struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    const int rc = medvl_picture_decode(&worker->decoded, bytes.data,
                                        bytes.size, stage->options.pixels,
                                        err);

    return rc < 0 ? rc
                  : medvl_picture_window(&worker->decoded, &stage->window,
                                         worker->window, err);
}

static int load(struct worker *worker, struct medvl_span image,
                struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    struct medvl_span bytes = {0};
    int rc = medvl_json_parse(&tree, image, err);

    medvl_picture_release(&worker->decoded);
    worker->window[0] = worker->window[1] = 0;
    if (rc == MEDVL_OK)
        rc = medvl_source_read(&bytes, worker->source, tree, err);
    if (rc == MEDVL_OK) {
        const char *path = medvl_json_string(medvl_json_get(tree, "path"));

        medvl_hash128_hex(worker->source_hash, bytes.data, bytes.size);
        rc = medvl_dicom_is(bytes.data, bytes.size)
                 ? load_dicom(worker, tree, bytes, err)
                 : load_picture(worker, bytes, err);
        worker->windowed = worker->window[1] > 0;
        if (rc < 0 && path)
            rc = medvl_context(err, "%s", path);
    }
    medvl_json_free(tree);
    return rc;
}

/* Replace the picture by what was made of it. */
static void take(struct worker *worker, struct medvl_picture *made,
                 const struct medvl_affine *map)
{
    medvl_picture_release(&worker->picture);
    worker->picture = *made;
    *made = (struct medvl_picture){0};
    worker->map = medvl_affine_after(map, &worker->map);
}

/* The box of the first chosen region, with its margin. */
static int find_crop(struct worker *worker, struct medvl_box *box,
                     const struct medvl_json_view *image,
                     struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    const struct medvl_span span = medvl_json_view_get(image, "regions");
    struct medvl_json *regions = NULL;
    int rc = MEDVL_OK;
    bool found = false;

    if (stage->crop_box) {
        *box = stage->crop;
        return MEDVL_OK;
    }
    if (span.data)
        rc = medvl_json_parse(&regions, span, err);
    for (const struct medvl_json *r = medvl_json_first(regions);
         rc == MEDVL_OK && r && !found; r = medvl_json_next(r))
        found = is_chosen(r, stage->options.crop) &&
                read_box(box, medvl_json_get(r, "box"));
    medvl_json_free(regions);
    if (rc == MEDVL_OK && !found)
        rc = medvl_fail(err, MEDVL_EARG,
                        "no region with a box and \"%s\" true to crop to",
                        stage->options.crop);
    if (rc == MEDVL_OK) {
        const double more = stage->options.margin *
                            fmax(box->x1 - box->x0, box->y1 - box->y0);

        box->x0 -= more;
        box->y0 -= more;
        box->x1 += more;
        box->y1 += more;
    }
    return rc;
}

static int crop(struct worker *worker, const struct medvl_json_view *image,
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
    w = (int64_t)ceil(box.x1) - x;
    h = (int64_t)ceil(box.y1) - y;
    rc = medvl_picture_crop(&out, p, x, y, w, h, err);
    if (rc < 0)
        return rc;
    map.m[2] = (double)-x;
    map.m[5] = (double)-y;
    take(worker, &out, &map);
    return MEDVL_OK;
}

static bool is_grey(const uint8_t color[3])
{
    return color[0] == color[1] && color[1] == color[2];
}

static int augment(struct worker *worker, struct medvl_rng *rng,
                   struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    struct medvl_picture out = {0};
    int rc = MEDVL_OK;

    medvl_augment_draw(&worker->draw, rng, &stage->augment,
                       worker->picture.width, worker->picture.height);
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

static int resize(struct worker *worker, struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
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

/* Start from the decoded picture; the last to do so takes it. */
static int begin_picture(struct worker *worker, bool last,
                         struct medvl_error *err)
{
    const struct medvl_picture *decoded = &worker->decoded;

    worker->map = (struct medvl_affine){{1, 0, 0, 0, 1, 0}};
    worker->width = decoded->width;
    worker->height = decoded->height;
    medvl_picture_release(&worker->picture);
    if (!last)
        return medvl_picture_crop(&worker->picture, decoded, 0, 0,
                                  decoded->width, decoded->height, err);
    worker->picture = *decoded;
    worker->decoded = (struct medvl_picture){0};
    return MEDVL_OK;
}

/* ---- the record ---------------------------------------------------------- */

/*
 * A picture's name: what it was made from, how, and what was drawn from the
 * random stream.  Two records that ask for the same picture share the file.
 */
static int name_picture(struct worker *worker, struct medvl_error *err)
{
    const struct medvl_image_options *o = &worker->stage->options;
    const char *const texts[] = {
        MEDVL_VERSION, worker->source_hash, o->window, o->crop, o->augment,
        o->resize, o->fit, o->filter, o->background, o->draw, o->shape,
        o->color};
    struct medvl_hash *hash = NULL;
    char hex[33];
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        medvl_hash_add(hash, texts[i] ? texts[i] : "",
                       texts[i] ? strlen(texts[i]) + 1 : 1);
    medvl_hash_add(hash, &o->margin, sizeof(o->margin));
    medvl_hash_add(hash, &o->thick, sizeof(o->thick));
    medvl_hash_add(hash, &worker->map, sizeof(worker->map));
    if (o->augment) {
        medvl_hash_add(hash, &worker->draw, sizeof(worker->draw));
        if (worker->draw.noise > 0) {
            medvl_hash_add(hash, &o->seed, sizeof(o->seed));
            medvl_hash_add(hash, &worker->item, sizeof(worker->item));
        }
    }
    if (o->draw)
        medvl_hash_add(hash, worker->regions.data ? worker->regions.data : "",
                       worker->regions.size);
    medvl_hash_hex(hex, hash);
    medvl_hash_free(hash);
    medvl_text_clear(&worker->name);
    return medvl_text_printf(&worker->name, err, "%s.png", hex);
}

/* Spacing [column, row, ...] in mm shrinks as pixels become more. */
static int set_spacing(struct worker *worker, struct medvl_json_view *image,
                       struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(image, "spacing");
    const double *m = worker->map.m;
    struct medvl_json *old = NULL;
    double mm[3] = {0};
    size_t count;
    int rc;

    if (!span.data || medvl_affine_is_identity(&worker->map))
        return MEDVL_OK;
    rc = medvl_json_parse(&old, span, err);
    if (rc < 0)
        return rc;
    count = medvl_json_count(old);
    if (medvl_json_type(old) != MEDVL_JSON_ARRAY || count < 2 || count > 3) {
        medvl_json_free(old);
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"spacing\" is not 2 or 3 numbers");
    }
    for (size_t i = 0; i < count; i++)
        mm[i] = medvl_json_number(medvl_json_at(old, i), 0);
    medvl_json_free(old);
    mm[0] /= hypot(m[0], m[3]);
    mm[1] /= hypot(m[1], m[4]);
    return set_pair(image, "spacing", mm, count, &worker->buffer, err);
}

/* Write the picture and set what the image's object says of it. */
static int finish_image(struct worker *worker, struct medvl_json_view *image,
                        struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    char *path = NULL, *shown = NULL;
    char hash[33];
    int rc = name_picture(worker, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, stage->folder, worker->name.data, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&shown, stage->options.out, worker->name.data,
                             err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_write(&worker->picture, path, hash, err);
    medvl_json_view_remove(image, "data");
    medvl_json_view_remove(image, "shard");
    medvl_json_view_remove(image, "index");
    if (rc == MEDVL_OK)
        rc = set_string(image, "path", medvl_span(shown), err);
    if (rc == MEDVL_OK)
        rc = set_number(image, "width", (double)worker->picture.width, err);
    if (rc == MEDVL_OK)
        rc = set_number(image, "height", (double)worker->picture.height, err);
    if (rc == MEDVL_OK)
        rc = set_string(image, "hash", medvl_span(hash), err);
    if (rc == MEDVL_OK && worker->windowed)
        rc = set_pair(image, "window", worker->window, 2, &worker->buffer,
                      err);
    if (rc == MEDVL_OK)
        rc = set_spacing(worker, image, err);
    medvl_free(path);
    medvl_free(shown);
    return rc;
}

static int one_image(struct worker *worker, struct medvl_span messages,
                     struct medvl_rng *rng, struct medvl_json_view *image,
                     struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    int rc = MEDVL_OK;

    if (stage->options.crop)
        rc = crop(worker, image, err);
    if (rc == MEDVL_OK && stage->options.augment)
        rc = augment(worker, rng, err);
    if (rc == MEDVL_OK && stage->width)
        rc = resize(worker, err);
    if (rc == MEDVL_OK && !is_still(worker) && has_boxes(messages))
        rc = medvl_fail(err, MEDVL_EARG,
                        "\"messages\" speak of boxes, which would no longer "
                        "fit: change pictures before medvl-prompt");
    if (rc == MEDVL_OK)
        rc = all_regions(worker, image, err);
    if (rc == MEDVL_OK)
        rc = finish_image(worker, image, err);
    return rc;
}

/* All images of one copy, into worker->images as a JSON array. */
static int one_copy(struct worker *worker, const struct medvl_record *record,
                    const struct medvl_json_view *list, bool last,
                    struct medvl_error *err)
{
    const struct medvl_span messages = medvl_record_get(record, "messages");
    struct medvl_rng rng = {0};
    int rc;

    medvl_rng_init(&rng, worker->stage->options.seed, MEDVL_PURPOSE_AUGMENT,
                   worker->item);
    medvl_text_clear(&worker->images);
    rc = medvl_text_putc(&worker->images, '[', err);
    for (size_t i = 0; rc == MEDVL_OK && i < list->count; i++) {
        struct medvl_json_view image = {0};
        const struct medvl_span span = list->members[i].value;

        rc = medvl_json_view_object(&image, span, err);
        if (rc == MEDVL_OK && !worker->decoded.data)
            rc = load(worker, span, err);
        if (rc == MEDVL_OK)
            rc = begin_picture(worker, last || list->count > 1, err);
        if (rc == MEDVL_OK)
            rc = one_image(worker, messages, &rng, &image, err);
        if (rc == MEDVL_OK && i > 0)
            rc = medvl_text_putc(&worker->images, ',', err);
        if (rc == MEDVL_OK)
            rc = medvl_json_view_write(&worker->images, &image, err);
        medvl_json_view_release(&image);
        if (rc < 0)
            rc = medvl_context(err, "image %zu", i + 1);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&worker->images, ']', err);
    return rc;
}

static int one_record(void *at, struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct worker *worker = at;
    const struct medvl_image_options *o = &worker->stage->options;
    const struct medvl_span images = medvl_record_get(record, "images");
    struct medvl_text id = {0}, label = {0}, before = {0};
    struct medvl_json_view list = {0};
    int rc = MEDVL_OK;

    medvl_want_count(worker->stage->pictures, images.data, NULL);
    if (!images.data)
        return medvl_out_write(out, record, err);
    worker->chose = false;
    medvl_picture_release(&worker->decoded);
    /* Setting "images" would pull the bytes from under the list. */
    rc = medvl_text_append(&before, images.data, images.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&list, medvl_text_span(&before), err);
    if (rc == MEDVL_OK && o->augment)
        rc = medvl_record_id(&id, record, err);
    for (int64_t k = 1; rc == MEDVL_OK && k <= o->copies; k++) {
        if (o->augment) {
            medvl_text_clear(&label);
            rc = medvl_text_printf(&label, err, "%s~%lld", id.data,
                                   (long long)k);
            worker->item = medvl_hash64(id.data, id.size) + (uint64_t)k;
        }
        if (rc == MEDVL_OK)
            rc = one_copy(worker, record, &list, k == o->copies, err);
        if (rc == MEDVL_OK)
            rc = medvl_record_set(record, "images",
                                  medvl_text_span(&worker->images), err);
        if (rc == MEDVL_OK && o->augment)
            rc = medvl_record_set_text(record, "id", medvl_text_span(&label),
                                       err);
        if (rc == MEDVL_OK)
            rc = medvl_out_write(out, record, err);
    }
    if (rc == MEDVL_OK)
        medvl_want_count(worker->stage->drawn, worker->chose, NULL);
    medvl_text_release(&id);
    medvl_text_release(&label);
    medvl_text_release(&before);
    medvl_json_view_release(&list);
    return rc;
}

const struct medvl_map medvl_image_map = {
    .open = stage_open,
    .worker = worker_open,
    .record = one_record,
    .worker_free = worker_free,
    .free = stage_free,
};
