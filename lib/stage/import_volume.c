/*
 * Volumes cut into slices, with the regions of a label volume.
 *
 * Read next: image.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/image/region.h"
#include "lib/image/resize.h"
#include "lib/image/volume.h"
#include "lib/stage/import_part.h"

#define SLICE_MOST (1 << 24) /* pixels */

/* One volume and what is asked of it. */
struct job {
    struct medvl_import *im;
    const char *path;
    struct medvl_text stem; /* the file's name without .nii or .nii.gz */
    char hash[33];          /* of the file's bytes */
    struct medvl_volume volume, labels;
    double low, high; /* become 0 and 255 */
    int64_t first, last, step;
    bool kept, labelled; /* a slice; a region of one */

    /* For the axis at hand. */
    const char *axis;
    struct medvl_slicing slicing;
    int64_t width, height; /* of a slice in canvas pixels, or as it is */
    int64_t side;          /* of the canvas; 0: none */
    int64_t x, y;          /* of the slice on it */
    double spacing[3];

    double *values;  /* of a slice */
    int32_t *groups; /* its voxels' names, from 1 */
    int32_t *placed; /* the same on the picture */
    int64_t *areas;  /* pixels of each name */
    struct medvl_mask mask;
    struct medvl_text json, name, region, counts_text;
};

static int parse_slices(struct job *job, const char *text,
                        struct medvl_error *err)
{
    const char *dash = text ? strchr(text, '-') : NULL;
    const char *colon = text ? strchr(text, ':') : NULL;
    struct medvl_span last;

    job->first = 0;
    job->last = MEDVL_PICTURE_SIDE;
    job->step = 1;
    if (!text)
        return MEDVL_OK;
    last = medvl_span(dash ? dash + 1 : "");
    if (colon && dash && colon > dash)
        last.size = (size_t)(colon - last.data);
    if (!dash ||
        medvl_parse_int(&job->first,
                        (struct medvl_span){text, (size_t)(dash - text)}, 0,
                        MEDVL_PICTURE_SIDE, NULL) < 0 ||
        medvl_parse_int(&job->last, last, job->first, MEDVL_PICTURE_SIDE,
                        NULL) < 0 ||
        (colon && medvl_parse_int(&job->step, medvl_span(colon + 1), 1,
                                  MEDVL_PICTURE_SIDE, NULL) < 0))
        return medvl_fail(err, MEDVL_EARG,
                          "slices '%s': want FIRST-LAST or FIRST-LAST:STEP",
                          text);
    return MEDVL_OK;
}

/* Numbers of the label volume as lines of names, when none are given. */
static int invent_names(struct medvl_import *im,
                        const struct medvl_volume *labels,
                        struct medvl_error *err)
{
    const size_t count =
        (size_t)(labels->size[0] * labels->size[1] * labels->size[2]);
    struct medvl_volume flat = *labels;
    int64_t seen[4096];
    size_t known = 0;
    int rc = MEDVL_OK;

    flat.size[0] = (int64_t)count;
    flat.size[1] = flat.size[2] = 1;
    for (size_t i = 0; i < count; i++) {
        const double v = medvl_volume_value(&flat, (int64_t)i, 0, 0);
        size_t low = 0, high = known;

        if (v == 0 || (known && v == (double)seen[known - 1]))
            continue;
        if (!(v > 0 && v <= INT32_MAX && v == floor(v)))
            return medvl_fail(err, MEDVL_EFORMAT, "label %g is no number",
                              v);
        while (low < high) {
            const size_t middle = (low + high) / 2;

            if ((double)seen[middle] < v)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < known && (double)seen[low] == v)
            continue;
        if (known == sizeof(seen) / sizeof(*seen))
            return medvl_fail(err, MEDVL_EARG,
                              "more than %zu labels; is it a label volume?",
                              known);
        memmove(seen + low + 1, seen + low, (known - low) * sizeof(*seen));
        seen[low] = (int64_t)v;
        known++;
    }
    for (size_t i = 0; rc == MEDVL_OK && i < known; i++)
        rc = medvl_text_printf(&im->names_text, err, "%lld %lld\n",
                               (long long)seen[i], (long long)seen[i]);
    return rc < 0 ? rc : medvl_import_parse_names(im, "labels", err);
}

static int read_labels(struct job *job, struct medvl_error *err)
{
    struct medvl_import *im = job->im;
    const struct medvl_import_options *o = im->options;
    int rc;

    if (!o->labels)
        return MEDVL_OK;
    rc = medvl_volume_read(&job->labels, o->labels, o->helper,
                           (int)o->seconds, err);
    if (rc == MEDVL_OK &&
        !medvl_volume_same_grid(&job->volume, &job->labels))
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: not on the grid of %s: %lld x %lld x %lld "
                        "voxels, not %lld x %lld x %lld, or placed elsewhere",
                        o->labels, job->path, (long long)job->labels.size[0],
                        (long long)job->labels.size[1],
                        (long long)job->labels.size[2],
                        (long long)job->volume.size[0],
                        (long long)job->volume.size[1],
                        (long long)job->volume.size[2]);
    if (rc == MEDVL_OK && !im->name_count) {
        rc = invent_names(im, &job->labels, err);
        if (rc < 0)
            rc = medvl_context(err, "%s", o->labels);
    }
    return rc;
}

static int read_window(struct job *job, struct medvl_error *err)
{
    const char *text = job->im->options->window;
    struct medvl_window window = {0};
    int rc;

    job->low = 0;
    job->high = 255;
    if (!text && medvl_volume_is_grey8(&job->volume))
        return MEDVL_OK;
    if (!text)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: values of more than 8 bits need a window: "
                          "--window C,W or --window pLO,pHI",
                          job->path);
    rc = medvl_window_parse(&window, text, err);
    if (rc == MEDVL_OK)
        rc = medvl_volume_range(&job->low, &job->high, &job->volume, &window,
                                err);
    if (rc < 0)
        medvl_context(err, "%s", job->path);
    return rc;
}

static int hash_file(char hash[33], const char *path, struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    const int rc = medvl_mapping_open(&map, path, err);

    if (rc == MEDVL_OK)
        medvl_hash128_hex(hash, map.data, map.size);
    medvl_mapping_release(&map);
    return rc;
}

/* Where slices lie on the canvas, whose middle is that of the content. */
static int place_canvas(struct job *job, struct medvl_error *err)
{
    const double mm = job->im->options->canvas;
    const struct medvl_slicing *s = &job->slicing;
    const double pixel = fmin(s->spacing[0],
                              fmin(s->spacing[1], s->spacing[2]));
    int64_t low[3], high[3];
    double side, middle[2];

    if (s->width * s->height > SLICE_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: %s slices of %lld x %lld pixels, at most "
                          "2^24 are taken",
                          job->path, job->axis, (long long)s->width,
                          (long long)s->height);
    memcpy(job->spacing, s->spacing, sizeof(job->spacing));
    job->width = s->width;
    job->height = s->height;
    job->side = 0;
    if (mm <= 0)
        return MEDVL_OK;
    if (!medvl_slicing_content(low, high, &job->volume, s))
        return medvl_fail(err, MEDVL_EARG, "%s: all voxels are zero",
                          job->path);
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
                              job->path,
                              (double)(high[i] - low[i]) * s->spacing[i],
                              i ? "high" : "wide", job->axis, mm);
        middle[i] =
            (double)(low[i] + high[i]) / 2 * s->spacing[i] / pixel;
        job->spacing[i] = pixel;
    }
    job->side = (int64_t)side;
    job->width = (int64_t)fmax(
        1, floor((double)s->width * s->spacing[0] / pixel + 0.5));
    job->height = (int64_t)fmax(
        1, floor((double)s->height * s->spacing[1] / pixel + 0.5));
    job->x = (int64_t)floor(side / 2 - middle[0] + 0.5);
    job->y = (int64_t)floor(side / 2 - middle[1] + 0.5);
    if (job->width > MEDVL_PICTURE_SIDE || job->height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG, "%s: slices of %lld x %lld pixels",
                          job->path, (long long)job->width,
                          (long long)job->height);
    return MEDVL_OK;
}

static int64_t picture_width(const struct job *job)
{
    return job->side ? job->side : job->width;
}

static int64_t picture_height(const struct job *job)
{
    return job->side ? job->side : job->height;
}

static int make_scratch(struct job *job, struct medvl_error *err)
{
    const size_t slice = (size_t)(job->slicing.width * job->slicing.height);
    const size_t all = (size_t)(picture_width(job) * picture_height(job));

    medvl_free(job->values);
    medvl_free(job->groups);
    medvl_free(job->placed);
    medvl_free(job->areas);
    medvl_mask_release(&job->mask);
    job->values = medvl_alloc(slice, sizeof(*job->values));
    job->groups = medvl_alloc(slice, sizeof(*job->groups));
    job->placed = medvl_alloc(all, sizeof(*job->placed));
    job->areas = medvl_alloc(job->im->name_count + 1, sizeof(*job->areas));
    if (!job->values || !job->groups || !job->placed || !job->areas)
        return medvl_no_memory(err);
    return medvl_mask_make(&job->mask, picture_width(job),
                           picture_height(job), err);
}

/* Lay the slice's picture on the canvas; what is outside is cut off. */
static int lay(struct medvl_picture *out, const struct job *job,
               const struct medvl_picture *slice, struct medvl_error *err)
{
    int rc = medvl_picture_make(out, job->side, job->side, 1, 8, err);

    for (int64_t y = 0; rc == MEDVL_OK && y < slice->height; y++) {
        const int64_t x0 = job->x < 0 ? -job->x : 0;
        int64_t x1 = job->side - job->x;

        x1 = x1 > slice->width ? slice->width : x1;
        if (y + job->y < 0 || y + job->y >= job->side || x1 <= x0)
            continue;
        memcpy((uint8_t *)out->data + (y + job->y) * job->side + job->x + x0,
               (const uint8_t *)slice->data + y * slice->width + x0,
               (size_t)(x1 - x0));
    }
    return rc;
}

/* The picture of the slice whose values are at hand. */
static int make_picture(struct medvl_picture *out, const struct job *job,
                        struct medvl_error *err)
{
    const struct medvl_slicing *s = &job->slicing;
    struct medvl_picture slice = {0}, sized = {0};
    int rc = medvl_picture_make(&slice, s->width, s->height, 1, 8, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < s->width * s->height; i++)
        ((uint8_t *)slice.data)[i] =
            medvl_window_apply(job->values[i], job->low, job->high);
    if (rc == MEDVL_OK && !job->side) {
        *out = slice;
        return MEDVL_OK;
    }
    if (rc == MEDVL_OK)
        rc = medvl_picture_resize(&sized, &slice, job->width, job->height,
                                  MEDVL_FILTER_BILINEAR, err);
    if (rc == MEDVL_OK)
        rc = lay(out, job, &sized, err);
    medvl_picture_release(&slice);
    medvl_picture_release(&sized);
    return rc;
}

/* The name of each voxel of the slice, from 1; 0 where there is none. */
static int find_groups(struct job *job, int64_t index,
                       struct medvl_error *err)
{
    const struct medvl_import *im = job->im;
    const struct medvl_slicing *s = &job->slicing;
    const int64_t count = s->width * s->height;
    double last = 0;
    int32_t group = 0;

    medvl_slice_values(job->values, &job->labels, s, index);
    for (int64_t i = 0; i < count; i++) {
        const double v = job->values[i];

        if (v != last) {
            size_t k = 0;

            while (v != 0 && k < im->name_count &&
                   (double)im->names[k].id != v)
                k++;
            if (k == im->name_count)
                return medvl_fail(err, MEDVL_EFORMAT,
                                  "%s: label %.9g is not in %s (the line "
                                  "'%.9g -' leaves it out)",
                                  im->options->labels, v, im->options->names,
                                  v);
            group = v != 0 ? (int32_t)im->names[k].same + 1 : 0;
            if (group && medvl_span_is(im->names[k].label, "-"))
                group = 0;
            last = v;
        }
        job->groups[i] = group;
    }
    return MEDVL_OK;
}

/* The same on the picture's pixels: each takes the nearest voxel's. */
static void place_groups(struct job *job)
{
    const struct medvl_slicing *s = &job->slicing;
    const int64_t w = picture_width(job), h = picture_height(job);

    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const int64_t sx = job->side ? x - job->x : x;
            const int64_t sy = job->side ? y - job->y : y;
            int32_t group = 0;

            if (sx >= 0 && sy >= 0 && sx < job->width && sy < job->height)
                group = job->groups[(2 * sy + 1) * s->height /
                                        (2 * job->height) * s->width +
                                    (2 * sx + 1) * s->width /
                                        (2 * job->width)];
            job->placed[y * w + x] = group;
        }
}

/* One region as JSON into job->region. */
static int write_region(struct job *job, size_t group, int64_t area,
                        struct medvl_error *err)
{
    const struct medvl_import_name *name = &job->im->names[group];
    struct medvl_text *out = &job->region;
    const struct medvl_mask *mask = &job->mask;
    struct medvl_box box;
    int rc;

    for (int64_t i = 0; i < mask->width * mask->height; i++)
        mask->data[i] = job->placed[i] == (int32_t)group + 1;
    (void)medvl_mask_box(&box, mask);
    medvl_text_clear(out);
    medvl_text_clear(&job->counts_text);
    rc = medvl_text_puts(out, "{\"label\":", err);
    if (rc == MEDVL_OK)
        rc = medvl_json_quote(out, name->label, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, name->pairs.data, name->pairs.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(out, err,
                               ",\"box\":[%.0f,%.0f,%.0f,%.0f],"
                               "\"area\":%lld,"
                               "\"mask\":{\"size\":[%lld,%lld],\"counts\":",
                               box.x0, box.y0, box.x1, box.y1,
                               (long long)area, (long long)mask->height,
                               (long long)mask->width);
    if (rc == MEDVL_OK)
        rc = medvl_mask_encode(&job->counts_text, mask, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_quote(out, medvl_text_span(&job->counts_text), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(out, "},\"author\":", err);
    if (rc == MEDVL_OK)
        rc = medvl_json_quote(out, medvl_span(job->im->author), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, '}', err);
    return rc;
}

static int put_regions(struct job *job, struct medvl_json_writer *w,
                       int64_t index, struct medvl_error *err)
{
    const int64_t least = job->im->options->area ? job->im->options->area : 1;
    const int64_t count = picture_width(job) * picture_height(job);
    int rc;

    if (!job->labels.data)
        return MEDVL_OK;
    rc = find_groups(job, index, err);
    if (rc < 0)
        return rc;
    place_groups(job);
    memset(job->areas, 0, (job->im->name_count + 1) * sizeof(*job->areas));
    for (int64_t i = 0; i < count; i++)
        job->areas[job->placed[i]]++;
    medvl_json_begin(w, "regions", '[');
    for (size_t g = 0; rc == MEDVL_OK && g < job->im->name_count; g++) {
        if (job->areas[g + 1] < least)
            continue;
        job->labelled = true;
        rc = write_region(job, g, job->areas[g + 1], err);
        if (rc == MEDVL_OK)
            medvl_json_put_raw(w, NULL, medvl_text_span(&job->region));
    }
    medvl_json_end(w);
    return rc;
}

/* The name of the slice's picture: the file, the slice, how it is shown. */
static int name_picture(struct job *job, int64_t index,
                        struct medvl_error *err)
{
    const double numbers[] = {(double)index, job->low, job->high,
                              job->im->options->canvas};
    struct medvl_hash *hash = NULL;
    char hex[33];
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    medvl_hash_add(hash, MEDVL_VERSION, sizeof(MEDVL_VERSION));
    medvl_hash_add(hash, job->hash, sizeof(job->hash));
    medvl_hash_add(hash, job->axis, strlen(job->axis) + 1);
    medvl_hash_add(hash, numbers, sizeof(numbers));
    medvl_hash_hex(hex, hash);
    medvl_hash_free(hash);
    medvl_text_clear(&job->name);
    return medvl_text_printf(&job->name, err, "%s/%s.png",
                             job->im->options->out, hex);
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

static int put_image(struct job *job, struct medvl_json_writer *w,
                     const char *hash, int64_t index,
                     struct medvl_error *err)
{
    const struct medvl_import_options *o = job->im->options;
    const double window[2] = {(job->low + job->high) / 2,
                              job->high - job->low};
    int rc;

    medvl_json_begin(w, "images", '[');
    medvl_json_begin(w, NULL, '{');
    put_text(w, "path", job->name.data);
    medvl_json_put_int(w, "width", picture_width(job));
    medvl_json_put_int(w, "height", picture_height(job));
    put_text(w, "modality", o->modality);
    put_text(w, "body_part", o->body_part);
    medvl_json_put_int(w, "slice", index);
    put_text(w, "axis", job->axis);
    medvl_json_put_number(w, "position",
                          medvl_slicing_position(&job->slicing, &job->volume,
                                                 index));
    put_numbers(w, "spacing", job->spacing, 3);
    if (o->window)
        put_numbers(w, "window", window, 2);
    put_text(w, "hash", hash);
    rc = put_regions(job, w, index, err);
    medvl_json_end(w);
    medvl_json_end(w);
    return rc;
}

static int write_slice(struct job *job, const struct medvl_picture *picture,
                       int64_t index, struct medvl_error *err)
{
    const struct medvl_import_options *o = job->im->options;
    struct medvl_json_writer w = {.out = &job->json};
    struct medvl_text id = {0};
    char *path = NULL;
    char hash[33];
    int rc = name_picture(job, index, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, o->root ? o->root : "", job->name.data,
                             err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_write(picture, path, hash, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&id, err, "%s:%s:%lld", job->stem.data,
                               job->axis, (long long)index);
    medvl_free(path);
    medvl_text_clear(&job->json);
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "id", id.data);
    medvl_text_release(&id);
    if (rc == MEDVL_OK)
        rc = put_image(job, &w, hash, index, err);
    put_text(&w, "plane", job->axis);
    put_text(&w, "source", o->source ? o->source : job->stem.data);
    put_text(&w, "license", o->license);
    put_text(&w, "split", o->split);
    put_text(&w, "group", job->stem.data);
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_import_put(job->im, medvl_text_span(&job->json),
                              job->labels.data ? "images" : "", err);
    job->kept = true;
    return rc;
}

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

static int run_slices(struct job *job, struct medvl_error *err)
{
    const int64_t last =
        job->last < job->slicing.count ? job->last : job->slicing.count - 1;
    int rc = place_canvas(job, err);

    if (rc == MEDVL_OK)
        rc = make_scratch(job, err);
    for (int64_t i = job->first; rc == MEDVL_OK && i <= last;
         i += job->step) {
        struct medvl_picture picture = {0};

        medvl_slice_values(job->values, &job->volume, &job->slicing, i);
        rc = make_picture(&picture, job, err);
        if (rc == MEDVL_OK &&
            content_share(&picture) >= job->im->options->content)
            rc = write_slice(job, &picture, i, err);
        medvl_picture_release(&picture);
    }
    return rc;
}

static int run_axes(struct job *job, struct medvl_error *err)
{
    static const char *const ALL[] = {"axial", "coronal", "sagittal"};
    const char *wanted = job->im->options->axis;
    int rc = MEDVL_OK;

    for (int i = 0; rc == MEDVL_OK && i < 3; i++) {
        enum medvl_axis axis = MEDVL_AXIS_AXIAL;

        if (strcmp(wanted ? wanted : "axial", "all") != 0 &&
            strcmp(wanted ? wanted : "axial", ALL[i]) != 0)
            continue;
        job->axis = ALL[i];
        rc = medvl_axis_parse(&axis, ALL[i], err);
        medvl_slicing_init(&job->slicing, &job->volume, axis);
        if (rc == MEDVL_OK)
            rc = run_slices(job, err);
    }
    return rc;
}

/* The file's name without what says its format. */
static int find_stem(struct job *job, struct medvl_error *err)
{
    const char *slash = strrchr(job->path, '/');
    const char *name = slash ? slash + 1 : job->path;
    size_t size = strlen(name);

    if (size > 3 && strcmp(name + size - 3, ".gz") == 0)
        size -= 3;
    if (size > 4 && strncmp(name + size - 4, ".nii", 4) == 0)
        size -= 4;
    return medvl_text_append(&job->stem, name, size, err);
}

static void release_job(struct job *job)
{
    medvl_volume_release(&job->volume);
    medvl_volume_release(&job->labels);
    medvl_mask_release(&job->mask);
    medvl_free(job->values);
    medvl_free(job->groups);
    medvl_free(job->placed);
    medvl_free(job->areas);
    medvl_text_release(&job->stem);
    medvl_text_release(&job->json);
    medvl_text_release(&job->name);
    medvl_text_release(&job->region);
    medvl_text_release(&job->counts_text);
}

static int one_volume(struct medvl_import *im, const char *path,
                      struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    struct job job = {.im = im, .path = path};
    int rc = find_stem(&job, err);

    if (rc == MEDVL_OK)
        rc = parse_slices(&job, o->slices, err);
    if (rc == MEDVL_OK)
        rc = hash_file(job.hash, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_volume_read(&job.volume, path, o->helper, (int)o->seconds,
                               err);
    if (rc == MEDVL_OK)
        rc = read_labels(&job, err);
    if (rc == MEDVL_OK)
        rc = read_window(&job, err);
    if (rc == MEDVL_OK)
        rc = run_axes(&job, err);
    if (rc == MEDVL_OK)
        medvl_want_count(im->slices, job.kept, NULL);
    if (rc == MEDVL_OK && job.kept)
        medvl_want_count(im->regions, job.labelled, NULL);
    release_job(&job);
    return rc;
}

int medvl_import_volumes(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    int rc = medvl_wants_add(&im->slices, o->wants, err,
                             "--slices and --content kept a slice");

    if (rc == MEDVL_OK && o->labels)
        rc = medvl_wants_add(&im->regions, o->wants, err,
                             "--labels and --min-area gave a region");
    for (int i = 0; rc == MEDVL_OK && i < o->path_count; i++) {
        rc = one_volume(im, o->paths[i], err);
        if (rc < 0 && !medvl_is_fatal(rc))
            rc = medvl_import_set_aside(im, err);
    }
    return rc;
}

int medvl_import_check_slices(const char *text, struct medvl_error *err)
{
    struct job job;

    return parse_slices(&job, text, err);
}
