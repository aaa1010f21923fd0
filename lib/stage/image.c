/*
 * The image preprocessor: records and files.  What options mean is in
 * image_options.c, what happens to the pixels in image_geometry.c, what
 * happens to regions in image_region.c.
 *
 * Read next: image_options.c.
 */
#include "lib/stage/image.h"

#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/stage/image_part.h"

static void stage_free(void *at)
{
    struct medvl_image_stage *stage = at;

    if (stage)
        medvl_free(stage->folder);
    medvl_free(stage);
}

static int stage_open(void **out, const void *options,
                      struct medvl_error *err)
{
    struct medvl_image_stage *stage = medvl_alloc(1, sizeof(*stage));
    int rc;

    *out = stage; /* the loop frees it, also where this fails */
    if (!stage)
        return medvl_no_memory(err);
    stage->options = *(const struct medvl_image_options *)options;
    rc = medvl_image_parse(stage, err);
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
    if (rc == MEDVL_OK)
        rc = medvl_wants_add_tally(
            &stage->left, stage->options.wants, err,
            "flips were not made, as the text has words for sides%s",
            stage->swap ? " that cannot be swapped" : "; --sides swap");
    return rc;
}

static void worker_free(void *at)
{
    struct medvl_image_worker *worker = at;

    if (!worker)
        return;
    medvl_source_free(worker->source);
    medvl_fetch_free(worker->fetch);
    medvl_picture_release(&worker->loaded.picture);
    medvl_picture_release(&worker->picture);
    medvl_text_release(&worker->name);
    medvl_text_release(&worker->buffer);
    medvl_text_release(&worker->regions);
    medvl_text_release(&worker->images);
    medvl_free(worker);
}

static int worker_open(void **out, void *at, struct medvl_error *err)
{
    const struct medvl_image_stage *stage = at;
    struct medvl_image_worker *worker = medvl_alloc(1, sizeof(*worker));
    struct medvl_fetch_options fetch = {0};
    int rc;

    *out = worker;
    if (!worker)
        return medvl_no_memory(err);
    worker->stage = stage;
    fetch.root = stage->options.root;
    fetch.load = stage->load;
    rc = medvl_fetch_open(&worker->fetch, &fetch, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_open(&worker->source, stage->options.root, 0, err);
    return rc;
}

struct medvl_span medvl_image_get(const struct medvl_json_view *image,
                                  const char *name)
{
    const struct medvl_span value = medvl_json_view_get(image, name);

    return medvl_span_is(value, "null") ? (struct medvl_span){0} : value;
}

/* ---- boxes in texts ----------------------------------------------------- */

/* Members of a record that may speak of boxes. */
static const char *const TEXTS[] = {"messages", "question", "answer",
                                    "choices", "caption", "text",
                                    "prompt"};

/* Marks that models put around boxes, or that stand for their numbers. */
static const char *const MARKS[] = {"<box", "\\u003cbox", "<|box_start|>",
                                    "<loc0", "<loc1", "<bbox"};

/*
 * Do exactly four numbers stand between this bracket and the one that
 * closes it: [1, 2.5, -3, 4], (1,2,3,4), [[1, 2], [3, 4]]?  In JSON as it
 * stands, where a new line in a string is \n.
 */
static bool is_box(const char *at, const char *end)
{
    int depth = 0, numbers = 0;

    for (bool inside = false; at < end; at++) {
        const bool digit = *at && strchr("0123456789.+-", *at);

        numbers += digit && !inside;
        inside = digit;
        if (numbers > 4 || depth > 3)
            return false;
        if (*at == '[' || *at == '(')
            depth++;
        else if (*at == ']' || *at == ')')
            depth--;
        else if (*at == '\\' && at + 1 < end && strchr("nrt", at[1]))
            at++;
        else if (!digit && !strchr(", \n\r\t", *at))
            return false;
        if (depth == 0)
            return numbers == 4;
    }
    return false;
}

/* The member that speaks of boxes, or NULL. */
static const char *has_boxes(const struct medvl_record *record)
{
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(*TEXTS); i++) {
        const struct medvl_span json = medvl_record_get(record, TEXTS[i]);
        const char *end = json.data + json.size;

        for (const char *at = json.data; at && at < end; at++)
            if ((*at == '[' || *at == '(') && is_box(at, end))
                return TEXTS[i];
        for (size_t k = 0; json.size && k < sizeof(MARKS) / sizeof(*MARKS);
             k++)
            if (memmem(json.data, json.size, MARKS[k], strlen(MARKS[k])))
                return TEXTS[i];
    }
    return NULL;
}

/* ---- loading ------------------------------------------------------------ */

/* What identifies the picture: the file's bytes, which frame, what scale. */
static int name_source(struct medvl_image_worker *worker,
                       const struct medvl_fetched *fetched,
                       struct medvl_error *err)
{
    const struct medvl_load_what *what = &fetched->what;
    int rc;

    memcpy(worker->source_hash, fetched->hash, sizeof(worker->source_hash));
    if (what->frame == 0 && what->slope == 0)
        return MEDVL_OK;
    medvl_text_clear(&worker->buffer);
    rc = medvl_text_printf(&worker->buffer, err, "%s %lld", fetched->hash,
                           (long long)what->frame);
    if (rc == MEDVL_OK && what->slope != 0)
        rc = medvl_text_printf(&worker->buffer, err, " %a %a", what->slope,
                               what->intercept);
    if (rc == MEDVL_OK)
        medvl_hash128_hex(worker->source_hash, worker->buffer.data,
                          worker->buffer.size);
    return rc;
}

static int load(struct medvl_image_worker *worker, struct medvl_span image,
                struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    struct medvl_fetched fetched = {0};
    int rc = medvl_json_parse(&tree, image, err);

    medvl_picture_release(&worker->loaded.picture);
    if (rc == MEDVL_OK)
        rc = medvl_fetch_picture(&fetched, worker->fetch, tree, err);
    worker->loaded = fetched.loaded;
    if (rc == MEDVL_OK)
        rc = name_source(worker, &fetched, err);
    medvl_json_free(tree);
    return rc;
}

/* Start from the decoded picture; the last to do so takes it. */
static int begin_picture(struct medvl_image_worker *worker, bool last,
                         struct medvl_error *err)
{
    const struct medvl_picture *decoded = &worker->loaded.picture;
    const struct medvl_picture_file *file = &worker->loaded.file;
    const struct medvl_affine shrunk = {
        {1.0 / file->shrink, 0, 0, 0, 1.0 / file->shrink, 0}};

    worker->steps.count = 0;
    worker->steps.width = file->width;
    worker->steps.height = file->height;
    worker->steps.blocks = file->shrink > 1;
    if (file->shrink > 1)
        medvl_steps_add(&worker->steps, &shrunk, decoded->width,
                        decoded->height);
    worker->window[0] = worker->loaded.window[0];
    worker->window[1] = worker->loaded.window[1];
    medvl_picture_release(&worker->picture);
    if (!last)
        return medvl_picture_crop(&worker->picture, decoded, 0, 0,
                                  decoded->width, decoded->height, err);
    worker->picture = *decoded;
    worker->loaded.picture = (struct medvl_picture){0};
    return MEDVL_OK;
}

/* ---- the record ---------------------------------------------------------- */

/*
 * A picture's name: what it was made from, how, and what was drawn from the
 * random stream.  Two records that ask for the same picture share the file.
 */
static int name_picture(struct medvl_image_worker *worker,
                        struct medvl_error *err)
{
    const struct medvl_image_options *o = &worker->stage->options;
    const char *const texts[] = {
        MEDVL_VERSION, worker->source_hash, o->window, o->rescale, o->crop,
        o->augment, o->resize, o->fit, o->filter, o->background, o->draw,
        o->shape, o->color};
    struct medvl_hash *hash = NULL;
    char hex[33];
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        medvl_hash_add(hash, texts[i] ? texts[i] : "",
                       texts[i] ? strlen(texts[i]) + 1 : 1);
    medvl_hash_add(hash, &o->thick, sizeof(o->thick));
    medvl_hash_add(hash, &o->draft, sizeof(o->draft));
    medvl_hash_add(hash, &o->overlays, sizeof(o->overlays));
    medvl_hash_add(hash, &o->numbers, sizeof(o->numbers));
    medvl_hash_add(hash, &o->blur, sizeof(o->blur));
    medvl_hash_add(hash, worker->steps.at,
                   (size_t)worker->steps.count * sizeof(*worker->steps.at));
    if (worker->anomalous) {
        medvl_hash_add(hash, o->anomaly, strlen(o->anomaly));
        medvl_hash_add(hash, &worker->anomaly, sizeof(worker->anomaly));
    }
    if (o->augment) {
        medvl_hash_add(hash, &worker->draw, sizeof(worker->draw));
        if (worker->draw.noise > 0)
            medvl_hash_add(hash, &worker->noise, sizeof(worker->noise));
    }
    if (o->draw)
        medvl_hash_add(hash, worker->regions.data ? worker->regions.data : "",
                       worker->regions.size);
    medvl_hash_hex(hex, hash);
    medvl_hash_free(hash);
    medvl_text_clear(&worker->name);
    return medvl_text_printf(&worker->name, err, "%s.png", hex);
}

/*
 * Spacing [column, row, ...] in mm becomes how far apart neighbours of the
 * new picture lie on the old one: its columns' and its rows' are those of
 * the inverse map.
 */
static void move_spacing(double mm[2], const struct medvl_affine *map)
{
    const double *m = map->m, x = mm[0], y = mm[1];

    if (m[1] == 0 && m[3] == 0) { /* the same, without rounding */
        mm[0] = x / fabs(m[0]);
        mm[1] = y / fabs(m[4]);
    } else {
        const double d = fabs(m[0] * m[4] - m[1] * m[3]);

        mm[0] = hypot(x * m[4], y * m[3]) / d;
        mm[1] = hypot(x * m[1], y * m[0]) / d;
    }
}

static int read_spacing(double mm[3], size_t *count, struct medvl_span span,
                        struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc = medvl_json_parse(&tree, span, err);
    bool right;

    if (rc < 0)
        return rc;
    *count = medvl_json_count(tree);
    right = medvl_json_type(tree) == MEDVL_JSON_ARRAY && *count >= 2 &&
            *count <= 3;
    for (size_t i = 0; right && i < *count; i++) {
        mm[i] = medvl_json_number(medvl_json_at(tree, i), NAN);
        right = isfinite(mm[i]);
    }
    medvl_json_free(tree);
    return right ? MEDVL_OK
                 : medvl_fail(err, MEDVL_EFORMAT,
                              "\"spacing\" is not 2 or 3 numbers");
}

static int set_spacing(struct medvl_image_worker *worker,
                       struct medvl_json_view *image,
                       struct medvl_error *err)
{
    const struct medvl_span span = medvl_image_get(image, "spacing");
    const struct medvl_affine map = medvl_steps_map(&worker->steps);
    double mm[3] = {0};
    size_t count;
    int rc;

    if (!span.data || medvl_affine_is_identity(&map))
        return MEDVL_OK;
    rc = read_spacing(mm, &count, span, err);
    if (rc < 0)
        return rc;
    move_spacing(mm, &map);
    return medvl_json_view_set_numbers(image, "spacing", mm, count, err);
}

/*
 * Where columns and rows run to, after the map: along a row of the new
 * picture one moves in the old one along the inverse's first column.
 */
static int set_orientation(struct medvl_image_worker *worker,
                           struct medvl_json_view *image,
                           struct medvl_error *err)
{
    static const char LETTERS[] = "LRAPHF"; /* opposites side by side */
    const struct medvl_span old = medvl_image_get(image, "orientation");
    const struct medvl_affine map = medvl_steps_map(&worker->steps);
    const double *m = map.m, d = m[0] * m[4] - m[1] * m[3];
    const double steps[2][2] = {{m[4] / d, -m[3] / d}, {-m[1] / d, m[0] / d}};
    char runs[2];

    /* "LP", with its quotes; others' words stay. */
    if (old.size != 4 || !strchr(LETTERS, old.data[1]) ||
        !strchr(LETTERS, old.data[2]))
        return MEDVL_OK;
    for (int i = 0; i < 2; i++) {
        const int along = fabs(steps[i][1]) > fabs(steps[i][0]);
        const size_t at = (size_t)(strchr(LETTERS, old.data[1 + along]) -
                                   LETTERS);

        runs[i] = LETTERS[steps[i][along] < 0 ? at ^ 1 : at];
    }
    return medvl_json_view_set_text(image, "orientation",
                                    (struct medvl_span){runs, 2}, err);
}

/* Write the picture and set what the image's object says of it. */
static int finish_image(struct medvl_image_worker *worker,
                        struct medvl_json_view *image,
                        struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
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
    medvl_json_view_remove(image, "rescale");
    medvl_json_view_remove(image, "frame");
    medvl_json_view_remove(image, "data");
    medvl_json_view_remove(image, "shard");
    medvl_json_view_remove(image, "index");
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_text(image, "path", medvl_span(shown), err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_number(image, "width",
                                        (double)worker->picture.width, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_number(image, "height",
                                        (double)worker->picture.height, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_text(image, "hash", medvl_span(hash), err);
    if (rc == MEDVL_OK && worker->window[1] > 0)
        rc = medvl_json_view_set_numbers(image, "window", worker->window, 2,
                                         err);
    if (rc == MEDVL_OK)
        rc = set_spacing(worker, image, err);
    if (rc == MEDVL_OK)
        rc = set_orientation(worker, image, err);
    medvl_free(path);
    medvl_free(shown);
    return rc;
}

static int one_image(struct medvl_image_worker *worker,
                     const char *boxes,
                     struct medvl_rng *rng, struct medvl_json_view *image,
                     struct medvl_error *err)
{
    int rc = medvl_image_geometry(worker, image, rng, err);

    if (rc == MEDVL_OK && boxes && !medvl_image_is_still(worker))
        rc = medvl_fail(err, MEDVL_EARG,
                        "\"%s\" speaks of a box (four numbers, or a mark "
                        "of one), which would no longer fit: change pictures "
                        "first, and write boxes by medvl-prompt after",
                        boxes);
    if (rc == MEDVL_OK)
        rc = medvl_image_regions(worker, image, err);
    if (rc == MEDVL_OK)
        rc = finish_image(worker, image, err);
    return rc;
}

/* All images of one copy, into worker->images as a JSON array. */
static int all_images(struct medvl_image_worker *worker,
                      const struct medvl_record *record,
                      const struct medvl_json_view *list,
                      const struct medvl_rng *copy, bool last,
                      struct medvl_error *err)
{
    const char *boxes = has_boxes(record);
    struct medvl_rng rng = *copy;
    int rc;

    medvl_text_clear(&worker->images);
    rc = medvl_text_putc(&worker->images, '[', err);
    for (size_t i = 0; rc == MEDVL_OK && i < list->count; i++) {
        struct medvl_json_view image = {0};
        const struct medvl_span span = list->members[i].value;

        rc = medvl_json_view_object(&image, span, err);
        if (rc == MEDVL_OK && !worker->loaded.picture.data)
            rc = load(worker, span, err);
        if (rc == MEDVL_OK)
            rc = begin_picture(worker, last || list->count > 1, err);
        /* A place of the stream for each picture. */
        worker->anomaly.index = (uint64_t)(i + 1) << 32;
        worker->anomaly.have = 0;
        if (rc == MEDVL_OK)
            rc = one_image(worker, boxes, &rng, &image, err);
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

/* Copy `k` of the record, from 1; `line` is the record as it came. */
static int one_copy(struct medvl_image_worker *worker,
                    struct medvl_record *record, struct medvl_span line,
                    const struct medvl_json_view *list, int64_t k,
                    struct medvl_error *err)
{
    const struct medvl_image_stage *stage = worker->stage;
    struct medvl_rng rng;
    int rc = MEDVL_OK;

    medvl_rng_init(&rng, stage->options.seed, MEDVL_PURPOSE_AUGMENT,
                   worker->item);
    medvl_rng_init(&worker->anomaly, stage->options.seed,
                   MEDVL_PURPOSE_ANOMALY, worker->item);
    worker->anomalous =
        stage->options.anomaly &&
        medvl_rng_unit(&worker->anomaly) < stage->anomaly.share;
    if (worker->swapped) /* for the copy before */
        rc = medvl_record_parse(record, line, err);
    if (rc == MEDVL_OK && list->count > 0)
        rc = medvl_image_flip(worker, record, &rng, err);
    if (rc == MEDVL_OK)
        rc = all_images(worker, record, list, &rng,
                        k == stage->options.copies, err);
    if (rc == MEDVL_OK && worker->swapped) {
        medvl_text_clear(&worker->buffer);
        rc = medvl_image_swap(&worker->buffer,
                              medvl_text_span(&worker->images),
                              worker->swapped, err);
        if (rc == MEDVL_OK)
            rc = medvl_record_set(record, "images",
                                  medvl_text_span(&worker->buffer), err);
    } else if (rc == MEDVL_OK) {
        rc = medvl_record_set(record, "images",
                              medvl_text_span(&worker->images), err);
    }
    return rc;
}

static int one_record(void *at, struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct medvl_image_worker *worker = at;
    const struct medvl_image_stage *stage = worker->stage;
    const struct medvl_span images = medvl_record_get(record, "images");
    const struct medvl_span line = record->view.whole;
    struct medvl_text id = {0}, label = {0}, before = {0};
    struct medvl_json_view list = {0};
    int rc = MEDVL_OK;

    const bool none = !images.data || medvl_span_is(images, "null");

    medvl_want_count(stage->pictures, !none, NULL);
    if (none)
        return medvl_out_write(out, record, err);
    worker->chose = worker->knows_sides = false;
    worker->swapped = 0;
    medvl_picture_release(&worker->loaded.picture);
    /* Setting "images" would pull the bytes from under the list. */
    rc = medvl_text_append(&before, images.data, images.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&list, medvl_text_span(&before), err);
    if (rc == MEDVL_OK && stage->random)
        rc = medvl_record_id(&id, record, err);
    for (int64_t k = 1; rc == MEDVL_OK && k <= stage->options.copies; k++) {
        if (stage->random) {
            medvl_text_clear(&label);
            rc = medvl_text_printf(&label, err, "%s~%lld", id.data,
                                   (long long)k);
            worker->item = medvl_hash64(id.data, id.size) + (uint64_t)k;
        }
        if (rc == MEDVL_OK)
            rc = one_copy(worker, record, line, &list, k, err);
        if (rc == MEDVL_OK && stage->random)
            rc = medvl_record_set_text(record, "id", medvl_text_span(&label),
                                       err);
        if (rc == MEDVL_OK)
            rc = medvl_out_write(out, record, err);
    }
    if (rc == MEDVL_OK)
        medvl_want_count(stage->drawn, worker->chose, NULL);
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
