/*
 * Targets from regions by the patch centres, and from fields.
 *
 * Read next: dense.c.
 */
#include "lib/train/dense_target.h"

#include <math.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/image/region.h"

void medvl_dense_targets_release(struct medvl_dense_targets *t)
{
    medvl_free(t->patch[MEDVL_DENSE_LABEL]);
    medvl_free(t->patch[MEDVL_DENSE_DRAWN]);
    for (int f = 0; f < MEDVL_DENSE_FIELDS; f++)
        medvl_free(t->field[f]);
    medvl_free(t->cu);
}

static int read_box(struct medvl_box *box, const struct medvl_json *region,
                    struct medvl_error *err)
{
    const struct medvl_json *array = medvl_json_get(region, "box");
    double v[4];

    if (medvl_json_count(array) != 4)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a region's \"box\" is not [x0, y0, x1, y1]");
    for (int i = 0; i < 4; i++) {
        v[i] = medvl_json_number(medvl_json_at(array, (size_t)i), NAN);
        if (isnan(v[i]))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "a region's \"box\" holds no number");
    }
    box->x0 = v[0];
    box->y0 = v[1];
    box->x1 = v[2];
    box->y1 = v[3];
    return MEDVL_OK;
}

/* Region as an area: its mask, or its box where it has none. */
struct area {
    struct medvl_box box;
    struct medvl_mask mask;
    double size;
};

static int read_area(struct area *area, const struct medvl_json *region,
                     int64_t width, int64_t height, struct medvl_error *err)
{
    const struct medvl_json *mask = medvl_json_get(region, "mask");
    const char *counts = medvl_json_string(medvl_json_get(mask, "counts"));
    int rc;

    memset(area, 0, sizeof(*area));
    if (!mask || medvl_dense_drawn(region) || medvl_json_get(region, "box")) {
        rc = read_box(&area->box, region, err);
        if (rc < 0)
            return rc;
    }
    area->size = (area->box.x1 - area->box.x0) *
                 (area->box.y1 - area->box.y0);
    if (!mask)
        return MEDVL_OK;
    if (!counts)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a region's \"mask\" has no \"counts\" string");
    rc = medvl_mask_decode(&area->mask, medvl_span(counts), width, height,
                           err);
    if (rc == MEDVL_OK)
        area->size = (double)medvl_mask_area(&area->mask);
    return rc;
}

static bool covers(const struct area *area, float x, float y)
{
    const int64_t column = (int64_t)floorf(x), row = (int64_t)floorf(y);

    if (!area->mask.data)
        return x >= area->box.x0 && x < area->box.x1 && y >= area->box.y0 &&
               y < area->box.y1;
    return column >= 0 && row >= 0 && column < area->mask.width &&
           row < area->mask.height &&
           area->mask.data[row * area->mask.width + column];
}

/* One picture's patches while its regions are gone through. */
struct patches {
    const float *centres; /* (P, 2) */
    double *smallest;     /* (P): area of the region that holds the patch */
    int32_t *label, *drawn;
    int64_t count;
};

static int mark_region(const struct medvl_dense_heads *heads, struct patches *p,
                       const struct medvl_json *region, int64_t width,
                       int64_t height, struct medvl_error *err)
{
    const char *label = medvl_json_string(medvl_json_get(region, "label"));
    const bool drawn = medvl_dense_drawn(region);
    const struct medvl_dense_head *labels = &heads->items[MEDVL_DENSE_LABEL];
    const int class = label ? medvl_dense_class(labels, label) : -1;
    struct area area;
    int rc = MEDVL_OK;

    if (label && class < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "label \"%s\" is not in the training data", label);
    if (!label && !drawn)
        return MEDVL_OK;
    rc = read_area(&area, region, width, height, err);
    for (int64_t i = 0; i < p->count && rc == MEDVL_OK; i++) {
        const float x = p->centres[2 * i], y = p->centres[2 * i + 1];

        if (drawn && x >= area.box.x0 && x < area.box.x1 &&
            y >= area.box.y0 && y < area.box.y1)
            p->drawn[i] = 1;
        if (label && area.size < p->smallest[i] && covers(&area, x, y)) {
            p->smallest[i] = area.size;
            p->label[i] = class;
        }
    }
    medvl_mask_release(&area.mask);
    return rc;
}

static int mark_picture(const struct medvl_dense_heads *heads,
                        struct medvl_dense_targets *t,
                        const struct medvl_json *image, int64_t number,
                        const int32_t size[2], struct medvl_error *err)
{
    const struct medvl_json *first =
        medvl_json_first(medvl_json_get(image, "regions"));
    const int64_t n = t->patches;
    float *centres = medvl_alloc((size_t)n, 2 * sizeof(*centres));
    double *smallest = medvl_alloc((size_t)n, sizeof(*smallest));
    struct patches p = {.centres = centres,
                        .smallest = smallest,
                        .label = t->patch[MEDVL_DENSE_LABEL] + number * n,
                        .drawn = t->patch[MEDVL_DENSE_DRAWN] + number * n,
                        .count = n};
    bool labelled = false;
    int rc = centres && smallest ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        rc = medvl_frontend_centres(centres, t->frontend, size[0], size[1],
                                    err);
    for (int64_t i = 0; i < n && rc == MEDVL_OK; i++)
        smallest[i] = INFINITY;
    for (const struct medvl_json *r = first; r && rc == MEDVL_OK;
         r = medvl_json_next(r)) {
        labelled |= medvl_json_string(medvl_json_get(r, "label")) != NULL;
        rc = mark_region(heads, &p, r, size[0], size[1], err);
    }
    for (int64_t i = 0; i < n && !labelled && rc == MEDVL_OK; i++)
        p.label[i] = -1;
    t->labelled += labelled;
    medvl_free(centres);
    medvl_free(smallest);
    return rc;
}

static int mark_fields(const struct medvl_dense_heads *heads,
                       struct medvl_dense_targets *t,
                       const struct medvl_json *record,
                       const struct medvl_sample *sample,
                       struct medvl_error *err)
{
    struct medvl_text value = {0};
    int rc = MEDVL_OK;

    for (int h = MEDVL_DENSE_FIRST; h < heads->count && rc == MEDVL_OK; h++) {
        int class;

        rc = medvl_dense_value(&value, record, heads->items[h].field, err);
        if (rc < 0)
            break;
        class = medvl_dense_class(&heads->items[h], value.data);
        if (class < 0)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"%s\": \"%s\" is not in the training data",
                            heads->items[h].field, value.data);
        for (int64_t i = 0; i < sample->picture_count; i++)
            t->field[h - MEDVL_DENSE_FIRST][sample->first_picture + i] = class;
    }
    medvl_text_release(&value);
    return rc;
}

static int mark_sample(const struct medvl_dense_heads *heads,
                       struct medvl_dense_targets *t,
                       const struct medvl_sample *sample,
                       struct medvl_error *err)
{
    const struct medvl_json *image;
    struct medvl_json *record;
    int64_t i = 0;
    int rc = medvl_json_parse(&record, sample->record, err);

    if (rc < 0)
        return rc;
    image = medvl_json_first(medvl_json_get(record, "images"));
    for (; image && rc == MEDVL_OK; image = medvl_json_next(image), i++)
        rc = mark_picture(heads, t, image, sample->first_picture + i,
                          sample->sizes + 2 * i, err);
    if (rc == MEDVL_OK)
        rc = mark_fields(heads, t, record, sample, err);
    medvl_json_free(record);
    if (rc < 0)
        medvl_context(err, "record %s", sample->id);
    return rc;
}

int medvl_dense_targets_make(struct medvl_dense_targets *t,
                             const struct medvl_dense_heads *heads,
                             const struct medvl_frontend *frontend,
                             const struct medvl_microbatch *micro,
                             struct medvl_error *err)
{
    const size_t pictures = (size_t)micro->batch.pictures.count;
    size_t rows;
    int rc = MEDVL_OK;

    memset(t, 0, sizeof(*t));
    t->frontend = frontend;
    t->pictures = micro->batch.pictures.count;
    rows = (size_t)medvl_tensor_rows(&micro->batch.pictures.rows);
    t->patches = (int64_t)(rows / pictures);
    t->patch[MEDVL_DENSE_LABEL] = medvl_alloc(rows, sizeof(int32_t));
    t->patch[MEDVL_DENSE_DRAWN] = medvl_alloc(rows, sizeof(int32_t));
    t->cu = medvl_alloc(pictures + 1, sizeof(int32_t));
    if (!t->patch[MEDVL_DENSE_LABEL] || !t->patch[MEDVL_DENSE_DRAWN] || !t->cu)
        return medvl_no_memory(err);
    for (int f = 0; f < heads->count - MEDVL_DENSE_FIRST; f++) {
        t->field[f] = medvl_alloc(pictures, sizeof(int32_t));
        if (!t->field[f])
            return medvl_no_memory(err);
    }
    for (size_t p = 0; p <= pictures; p++)
        t->cu[p] = (int32_t)(p * (size_t)t->patches);
    for (int64_t s = 0; s < micro->sample_count && rc == MEDVL_OK; s++)
        rc = mark_sample(heads, t, &micro->samples[s], err);
    return rc;
}
