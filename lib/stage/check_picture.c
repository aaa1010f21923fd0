/*
 * Pictures and their regions: does what a record says hold?
 *
 * Read next: check_record.c.
 */
#include "lib/stage/check_part.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/shape_json.h"

/* Places are rounded to this when records are written. */
#define SLACK 0.001

/* ---- decoding -------------------------------------------------------- */

int medvl_check_entry(struct medvl_text *out, struct medvl_span image,
                      struct medvl_error *err)
{
    static const char *const WHERE[] = {"path", "data", "shard",
                                        "index", "frame", "rescale"};
    struct medvl_json_writer w = {.out = out};
    struct medvl_json_view view = {0};
    int rc = medvl_json_view_object(&view, image, err);

    medvl_text_clear(out);
    medvl_json_begin(&w, NULL, '{');
    for (size_t i = 0; rc == MEDVL_OK && i < sizeof(WHERE) / sizeof(*WHERE);
         i++) {
        const struct medvl_span value = medvl_json_view_get(&view, WHERE[i]);

        if (value.data)
            medvl_json_put_raw(&w, WHERE[i], value);
    }
    medvl_json_end(&w);
    medvl_json_view_release(&view);
    return rc < 0 ? rc : medvl_json_write_end(&w, err);
}

static void note(struct medvl_check_picture *picture,
                 const struct medvl_fetched *fetched)
{
    char text[80];

    memcpy(picture->hash, fetched->hash, sizeof(picture->hash));
    picture->width = fetched->loaded.picture.width;
    picture->height = fetched->loaded.picture.height;
    snprintf(text, sizeof(text), "%s %lld", fetched->hash,
             (long long)fetched->what.frame);
    picture->content = medvl_key(medvl_span(text));
    picture->good = true;
}

void medvl_check_decode(struct medvl_check_job *job,
                        struct medvl_fetch *fetch)
{
    struct medvl_fetched fetched = {0};
    struct medvl_error err = {0};
    struct medvl_json *image = NULL;
    struct medvl_text entry = {0};
    int rc = medvl_check_entry(&entry, job->image, &err);

    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&image, medvl_text_span(&entry), &err);
    if (rc == MEDVL_OK)
        rc = medvl_fetch_picture(&fetched, fetch, image, &err);
    if (rc == MEDVL_OK)
        note(&job->picture, &fetched);
    memcpy(job->picture.hash, fetched.hash, sizeof(fetched.hash));
    medvl_picture_release(&fetched.loaded.picture);
    medvl_json_free(image);
    medvl_text_release(&entry);
    job->code = rc;
    if (rc == MEDVL_OK)
        return;
    job->why = medvl_alloc(1, sizeof(*job->why));
    if (job->why)
        *job->why = err;
    job->rc = !job->why ? MEDVL_ENOMEM : medvl_is_fatal(rc) ? rc
                                                            : MEDVL_OK;
}

/* ---- comparing ------------------------------------------------------- */

struct look {
    struct medvl_check_job *job;
    const struct medvl_json *image;
    double width, height;    /* as far as known; else 0 */
    struct medvl_text drawn; /* regions that a question is about */
    bool unclear;            /* one of them could not be read */
    struct medvl_error err;
};

static bool is_none(const struct medvl_json *value)
{
    return medvl_json_type(value) <= MEDVL_JSON_NULL;
}

static int compare_size(struct look *look,
                        const struct medvl_check_picture *picture)
{
    const struct medvl_json *w = medvl_json_get(look->image, "width");
    const struct medvl_json *h = medvl_json_get(look->image, "height");
    const double width = is_none(w) ? look->width : medvl_json_number(w, 0);
    const double height = is_none(h) ? look->height : medvl_json_number(h, 0);

    if (!picture->good) {
        look->width = width;
        look->height = height;
        return MEDVL_OK;
    }
    if (width == look->width && height == look->height)
        return MEDVL_OK;
    return medvl_findings_add(&look->job->findings,
                              MEDVL_CHECK_SIZE_DIFFERS, look->job->record,
                              &look->err,
                              "image %zu: %.10g x %.10g in the record, %lld x "
                              "%lld in the file",
                              look->job->number, width, height,
                              (long long)picture->width,
                              (long long)picture->height);
}

static int compare_hash(struct look *look, const char *hash)
{
    const struct medvl_json *says = medvl_json_get(look->image, "hash");
    const char *text = medvl_json_string(says);

    if (is_none(says) || !hash[0] ||
        (text && strcmp(text, hash) == 0))
        return MEDVL_OK;
    return medvl_findings_add(&look->job->findings,
                              MEDVL_CHECK_HASH_DIFFERS, look->job->record,
                              &look->err,
                              "image %zu: %.64s in the record, %s of the file",
                              look->job->number, text ? text : "no text",
                              hash);
}

static bool is_outside(const struct look *look, double x, double y)
{
    return !(x >= -SLACK && y >= -SLACK && x <= look->width + SLACK &&
             y <= look->height + SLACK);
}

static int add(struct look *look, enum medvl_check_kind kind, size_t region,
               const double *at, int count)
{
    struct medvl_check_job *job = look->job;
    char text[200];
    int size = 0;

    for (int i = 0; i < count; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%s%.10g",
                         i ? ", " : "", at[i]);
    return medvl_findings_add(&job->findings, kind, job->record, &look->err,
                              "image %zu: region %zu: [%s] in %.10g x %.10g",
                              job->number, region, text, look->width,
                              look->height);
}

/* The first of the places that is outside. */
static int check_places(struct look *look, enum medvl_check_kind kind,
                        size_t region, const double *xy, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_outside(look, xy[2 * i], xy[2 * i + 1]))
            return add(look, kind, region, xy + 2 * i, 2);
    return MEDVL_OK;
}

/* Four numbers of which the first two are not the upper left corner. */
static bool is_upside_down(double out[4], const struct medvl_json *box)
{
    const struct medvl_json *item = medvl_json_first(box);

    if (medvl_json_type(box) != MEDVL_JSON_ARRAY ||
        medvl_json_count(box) != 4)
        return false;
    for (int i = 0; i < 4; i++, item = medvl_json_next(item)) {
        out[i] = medvl_json_number(item, NAN);
        if (!isfinite(out[i]))
            return false;
    }
    return out[2] < out[0] || out[3] < out[1];
}

static int check_empty(struct look *look, const struct medvl_shape *shape,
                       size_t region)
{
    struct medvl_check_job *job = look->job;
    const struct medvl_box *b = &shape->box;
    const double box[4] = {b->x0, b->y0, b->x1, b->y1};
    int rc = MEDVL_OK;

    if (shape->has_box && (b->x0 == b->x1 || b->y0 == b->y1))
        rc = add(look, MEDVL_CHECK_REGION_EMPTY, region, box, 4);
    if (rc == MEDVL_OK && shape->mask.data && !medvl_mask_area(&shape->mask))
        rc = medvl_findings_add(&job->findings, MEDVL_CHECK_REGION_EMPTY,
                                job->record, &look->err,
                                "image %zu: region %zu: a mask of no "
                                "pixels",
                                job->number, region);
    return rc;
}

static int check_shape(struct look *look, const struct medvl_shape *shape,
                       size_t region)
{
    const struct medvl_box *b = &shape->box;
    const double box[4] = {b->x0, b->y0, b->x1, b->y1};
    int rc = check_empty(look, shape, region);

    if (rc == MEDVL_OK && shape->has_box &&
        (is_outside(look, b->x0, b->y0) || is_outside(look, b->x1, b->y1)))
        rc = add(look, MEDVL_CHECK_BOX_OUTSIDE, region, box, 4);
    if (rc == MEDVL_OK && shape->has_point)
        rc = check_places(look, MEDVL_CHECK_POINT_OUTSIDE, region,
                          shape->point, 1);
    if (rc == MEDVL_OK)
        rc = check_places(look, MEDVL_CHECK_POINT_OUTSIDE, region,
                          shape->points.xy, shape->points.count);
    if (rc == MEDVL_OK)
        rc = check_places(look, MEDVL_CHECK_POLYGON_OUTSIDE, region,
                          shape->polygons.places.xy,
                          shape->polygons.places.count);
    return rc;
}

/* The shapes of a region that a question is about, in one form. */
static int note_drawn(struct look *look, const struct medvl_shape *shape)
{
    struct medvl_json_view view = {0};
    int rc = medvl_shape_write(&view, shape, &look->err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&look->drawn, &view, &look->err);
    medvl_json_view_release(&view);
    return rc;
}

static int check_region(struct look *look, const struct medvl_json *region,
                        size_t number, struct medvl_source *source)
{
    const struct medvl_shape_on on = {.width = (int64_t)look->width,
                                      .height = (int64_t)look->height,
                                      .source = source};
    struct medvl_error why = {0};
    struct medvl_shape shape = {0};
    const bool drawn = medvl_json_true(medvl_json_get(region, "drawn"));
    const bool before = look->unclear;
    double box[4];
    int rc;

    look->unclear = before || drawn;
    if (is_upside_down(box, medvl_json_get(region, "box")))
        return add(look, MEDVL_CHECK_BOX_UPSIDE_DOWN, number, box, 4);
    if (medvl_json_type(region) == MEDVL_JSON_OBJECT)
        rc = medvl_shape_read(&shape, region, &on, &why);
    else
        rc = medvl_fail(&why, MEDVL_EFORMAT, "not an object");
    if (rc == MEDVL_OK) {
        look->unclear = before;
        rc = check_shape(look, &shape, number);
        if (rc == MEDVL_OK && drawn)
            rc = note_drawn(look, &shape);
    } else if (medvl_is_fatal(rc)) {
        look->err = why;
    } else {
        rc = medvl_findings_add(&look->job->findings,
                                rc == MEDVL_EARG
                                    ? MEDVL_CHECK_MASK_SIZE
                                    : MEDVL_CHECK_REGION_MALFORMED,
                                look->job->record, &look->err,
                                "image %zu: region %zu: %s",
                                look->job->number, number, why.text);
    }
    medvl_shape_release(&shape);
    return rc;
}

static int64_t count_all(const struct medvl_findings *findings)
{
    int64_t sum = 0;

    for (int i = 0; i < MEDVL_CHECK_KINDS; i++)
        sum += findings->counts[i];
    return sum;
}

static int check_regions(struct look *look, struct medvl_source *source)
{
    const struct medvl_json *list = medvl_json_get(look->image, "regions");
    const struct medvl_json *region = medvl_json_first(list);
    int rc = MEDVL_OK;

    if (is_none(list))
        return MEDVL_OK;
    if (medvl_json_type(list) != MEDVL_JSON_ARRAY)
        return medvl_findings_add(&look->job->findings,
                                  MEDVL_CHECK_REGION_MALFORMED,
                                  look->job->record, &look->err,
                                  "image %zu: \"regions\" is no array",
                                  look->job->number);
    /* Without a picture of known size there is nothing to compare with. */
    if (!(look->width >= 1 && look->height >= 1 &&
          look->width <= MEDVL_PICTURE_SIDE &&
          look->height <= MEDVL_PICTURE_SIDE))
        return MEDVL_OK;
    for (size_t i = 1; rc == MEDVL_OK && region; i++) {
        if (count_all(&look->job->findings) >= MEDVL_CHECK_MOST) {
            look->unclear = true;
            return medvl_findings_add(&look->job->findings,
                                      MEDVL_CHECK_REGION_MALFORMED,
                                      look->job->record, &look->err,
                                      "image %zu: so much is wrong that "
                                      "regions from %zu on were not looked "
                                      "at",
                                      look->job->number, i);
        }
        rc = check_region(look, region, i, source);
        region = medvl_json_next(region);
    }
    return rc;
}

/* The entry as a tree, or a finding and *out NULL. */
static int read_entry(struct medvl_json **out, struct medvl_check_job *job)
{
    struct medvl_error why = {0};
    int rc = medvl_json_parse(out, job->image, &why);

    if (medvl_is_fatal(rc))
        return rc;
    if (rc == MEDVL_OK && medvl_json_type(*out) == MEDVL_JSON_OBJECT)
        return MEDVL_OK;
    if (rc == MEDVL_OK)
        medvl_fail(&why, MEDVL_EFORMAT, "not an object");
    medvl_json_free(*out);
    *out = NULL;
    return medvl_findings_add(&job->findings, MEDVL_CHECK_IMAGES_MALFORMED,
                              job->record, NULL, "image %zu: %s",
                              job->number, why.text);
}

void medvl_check_compare(struct medvl_check_job *job,
                         const struct medvl_check_job *first,
                         struct medvl_source *source)
{
    const struct medvl_check_picture *picture = &first->picture;
    struct medvl_json *image = NULL;
    struct look look = {.job = job};
    int rc = read_entry(&image, job);

    if (rc < 0 || !image) {
        job->rc = rc;
        return;
    }
    look.image = image;
    look.width = (double)picture->width;
    look.height = (double)picture->height;
    if (first->code < 0)
        rc = medvl_findings_add(&job->findings,
                                picture->hash[0]
                                    ? MEDVL_CHECK_PICTURE_DAMAGED
                                    : MEDVL_CHECK_PICTURE_MISSING,
                                job->record, &look.err, "image %zu: %s",
                                job->number, first->why->text);
    if (rc == MEDVL_OK)
        rc = compare_size(&look, picture);
    if (rc == MEDVL_OK)
        rc = compare_hash(&look, picture->hash);
    if (rc == MEDVL_OK)
        rc = check_regions(&look, source);
    if (rc == MEDVL_OK && picture->good && !look.unclear) {
        rc = medvl_text_append(&look.drawn, &picture->content,
                               sizeof(picture->content), &look.err);
        job->clear = rc == MEDVL_OK;
        job->asked = medvl_key(medvl_text_span(&look.drawn));
    }
    medvl_text_release(&look.drawn);
    medvl_json_free(image);
    job->rc = rc;
}
