/*
 * The label volume, and the regions of a slice.
 *
 * Read next: image.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stage/import_volume.h"

/* ---- the volume --------------------------------------------------------- */

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

int medvl_labels_read(struct medvl_cutting *c, struct medvl_error *err)
{
    const struct medvl_import_options *o = c->im->options;
    int rc;

    if (!o->labels)
        return MEDVL_OK;
    rc = medvl_volume_read(&c->labels, o->labels, o->helper, (int)o->seconds,
                           err);
    if (rc == MEDVL_OK && !c->im->name_count) {
        rc = invent_names(c->im, &c->labels, err);
        if (rc < 0)
            rc = medvl_context(err, "%s", o->labels);
    }
    return rc;
}

int medvl_labels_fit(struct medvl_cutting *c, struct medvl_error *err)
{
    const struct medvl_import_options *o = c->im->options;
    struct medvl_volume fitting;
    int64_t inside = 0;
    int rc;

    if (!c->labels.data || medvl_volume_same_grid(&c->volume, &c->labels))
        return MEDVL_OK;
    rc = medvl_volume_resample(&fitting, &c->labels, &c->volume,
                               MEDVL_SAMPLING_NEAREST, &inside, o->pool, err);
    if (rc < 0)
        return medvl_context(err, "%s", o->labels);
    medvl_volume_release(&c->labels);
    c->labels = fitting;
    if (!inside)
        return medvl_fail(err, MEDVL_EARG,
                          "%s and %s lie apart: no voxel of the one is in "
                          "the other",
                          o->labels, c->path);
    return MEDVL_OK;
}

/* ---- regions ------------------------------------------------------------ */

/* The name of each voxel of the slice, from 1; 0 where there is none. */
static int find_groups(struct medvl_cutting *c, int64_t index,
                       struct medvl_error *err)
{
    const struct medvl_import *im = c->im;
    const struct medvl_slicing *s = &c->slicing;
    const int64_t count = s->width * s->height;
    double last = 0;
    int32_t group = 0;

    medvl_slice_values(c->values, &c->labels, s, index);
    for (int64_t i = 0; i < count; i++) {
        const double v = c->values[i];

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
        c->groups[i] = group;
    }
    return MEDVL_OK;
}

/* The same on the picture's pixels: each takes the nearest voxel's. */
static void place_groups(struct medvl_cutting *c)
{
    const struct medvl_slicing *s = &c->slicing;
    const int64_t w = medvl_cutting_width(c), h = medvl_cutting_height(c);

    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const int64_t sx = c->side ? x - c->x : x;
            const int64_t sy = c->side ? y - c->y : y;
            int32_t group = 0;

            if (sx >= 0 && sy >= 0 && sx < c->width && sy < c->height)
                group = c->groups[(2 * sy + 1) * s->height /
                                      (2 * c->height) * s->width +
                                  (2 * sx + 1) * s->width /
                                      (2 * c->width)];
            c->placed[y * w + x] = group;
        }
}

/* One region as JSON into c->region. */
static int write_region(struct medvl_cutting *c, size_t group, int64_t area,
                        struct medvl_error *err)
{
    const struct medvl_import_name *name = &c->im->names[group];
    struct medvl_text *out = &c->region;
    const struct medvl_mask *mask = &c->mask;
    struct medvl_box box;
    int rc;

    for (int64_t i = 0; i < mask->width * mask->height; i++)
        mask->data[i] = c->placed[i] == (int32_t)group + 1;
    (void)medvl_mask_box(&box, mask);
    medvl_text_clear(out);
    medvl_text_clear(&c->counts_text);
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
        rc = medvl_mask_encode(&c->counts_text, mask, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_quote(out, medvl_text_span(&c->counts_text), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(out, "},\"author\":", err);
    if (rc == MEDVL_OK)
        rc = medvl_json_quote(out, medvl_span(c->im->author), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, '}', err);
    return rc;
}

static int64_t least_area(const struct medvl_cutting *c)
{
    return c->im->options->area ? c->im->options->area : 1;
}

int medvl_labels_find(int64_t *area, struct medvl_cutting *c, int64_t index,
                      struct medvl_error *err)
{
    const int64_t count = medvl_cutting_width(c) * medvl_cutting_height(c);
    const int rc = find_groups(c, index, err);

    *area = 0;
    if (rc < 0)
        return rc;
    place_groups(c);
    memset(c->areas, 0, (c->im->name_count + 1) * sizeof(*c->areas));
    for (int64_t i = 0; i < count; i++)
        c->areas[c->placed[i]]++;
    for (size_t g = 0; g < c->im->name_count; g++)
        if (c->areas[g + 1] >= least_area(c))
            *area += c->areas[g + 1];
    return MEDVL_OK;
}

int medvl_labels_put(struct medvl_cutting *c, struct medvl_json_writer *w,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    medvl_json_begin(w, "regions", '[');
    for (size_t g = 0; rc == MEDVL_OK && g < c->im->name_count; g++) {
        if (c->areas[g + 1] < least_area(c))
            continue;
        c->labelled = true;
        rc = write_region(c, g, c->areas[g + 1], err);
        if (rc == MEDVL_OK)
            medvl_json_put_raw(w, NULL, medvl_text_span(&c->region));
    }
    medvl_json_end(w);
    return rc;
}
