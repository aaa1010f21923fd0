/*
 * Known layouts of data sets.
 *
 * A layout is a function that walks its files and writes each record as
 * JSON; what all of them share (order of fields, split, licence) stands in
 * the helpers.
 *
 * Read next: ../stage/import.c.
 */
#include "lib/build/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/image/picture.h"

#define FILE_MAX    ((size_t)256 << 20)
#define PICTURE_MAX ((size_t)256 << 20)
#define LINE_MAX_   ((size_t)64 << 20)

/* ---- shared ----------------------------------------------------------- */

/* The part of `path` below `root`, or all of it without a root. */
const char *medvl_layout_below(const char *path, const char *root)
{
    size_t size = root ? strlen(root) : 0;

    while (size > 1 && root[size - 1] == '/')
        size--;
    if (size && strncmp(path, root, size) == 0 && path[size] == '/')
        return path + size + 1;
    return path;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The name without its last extension. */
static struct medvl_span stem(const char *path)
{
    struct medvl_span name = medvl_span(base_name(path));
    const char *dot = strrchr(name.data, '.');

    if (dot && dot != name.data)
        name.size = (size_t)(dot - name.data);
    return name;
}

static int folder_of(struct medvl_text *out, const char *path,
                     struct medvl_error *err)
{
    const size_t size = (size_t)(base_name(path) - path);

    if (!size)
        return medvl_text_puts(out, ".", err);
    return medvl_text_append(out, path, size > 1 ? size - 1 : size, err);
}

/* A picture file: its bytes' hash, and what its headers say. */
struct picture {
    const char *path;
    char hash[33];
    struct medvl_load_shape shape;
};

/* Its first frame; the others are asked for with medvl_load_probe_frame. */
static int read_picture(struct picture *p, const struct medvl_layout_job *job,
                        const char *path, struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    int rc = medvl_file_read_regular(&bytes, path, PICTURE_MAX, err);

    *p = (struct picture){.path = path, .shape = {.frames = 1}};
    if (rc == MEDVL_OK) {
        const char *data = bytes.data ? bytes.data : "";

        medvl_hash128_hex(p->hash, data, bytes.size);
        rc = job->load
                 ? medvl_load_probe(&p->shape, job->load,
                                    (struct medvl_span){data, bytes.size},
                                    err)
                 : medvl_picture_probe(&p->shape.width, &p->shape.height,
                                       data, bytes.size, 0, err);
        if (rc < 0)
            rc = medvl_context(err, "%s", path);
    }
    medvl_text_release(&bytes);
    return rc;
}

/* {"path", "frame", "width", "height", "hash" with the object left open. */
static void put_picture(struct medvl_json_writer *w,
                        const struct medvl_layout_job *job,
                        const struct picture *p, int64_t frame)
{
    medvl_json_begin(w, NULL, '{');
    medvl_json_put_string(w, "path",
                          medvl_span(medvl_layout_below(p->path, job->root)));
    if (p->shape.frames > 1)
        medvl_json_put_int(w, "frame", frame);
    medvl_json_put_int(w, "width", p->shape.width);
    medvl_json_put_int(w, "height", p->shape.height);
    medvl_json_put_string(w, "hash", medvl_span(p->hash));
}

static void put_text(struct medvl_json_writer *w, const char *name,
                     const char *value)
{
    if (value && *value)
        medvl_json_put_string(w, name, medvl_span(value));
}

/* A member's string without spaces around it, or its integer, as text. */
static void put_trimmed(struct medvl_json_writer *w, const char *name,
                        const struct medvl_json *value)
{
    const char *text = medvl_json_string(value);
    struct medvl_span span;
    char number[32];

    if (medvl_json_type(value) == MEDVL_JSON_NUMBER) {
        const int size =
            medvl_format_double(number, medvl_json_number(value, 0));

        medvl_json_put_string(w, name,
                              (struct medvl_span){number, (size_t)size});
        return;
    }
    if (!text)
        return;
    span = medvl_span(text);
    while (span.size && isspace((unsigned char)*span.data)) {
        span.data++;
        span.size--;
    }
    while (span.size && isspace((unsigned char)span.data[span.size - 1]))
        span.size--;
    if (span.size)
        medvl_json_put_string(w, name, span);
}

/* source, license, split, group: the end of every record. */
static void put_origin(struct medvl_json_writer *w,
                       const struct medvl_layout_job *job,
                       const char *source, const char *license,
                       const char *split, struct medvl_span group)
{
    put_text(w, "source", job->source ? job->source : source);
    put_text(w, "license", job->license ? job->license : license);
    put_text(w, "split", job->split ? job->split : split);
    if (group.size)
        medvl_json_put_string(w, "group", group);
}

/* train, dev, val or test when the file is named so. */
static const char *split_of(const char *path)
{
    static const char *const WORDS[] = {"train", "dev", "val", "test"};
    const struct medvl_span name = stem(path);

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (medvl_span_is(name, WORDS[i]))
            return WORDS[i];
    return NULL;
}

/* ---- JSON Lines or one JSON array ------------------------------------- */

/* What each item of a file becomes. */
typedef int item_fn(const struct medvl_layout_job *job,
                    const struct medvl_json *item, struct medvl_text *folder,
                    struct medvl_text *out, struct medvl_error *err);

struct items {
    const struct medvl_layout_job *job;
    item_fn *make;
    const char *human;
    struct medvl_text folder, json;
};

static int one_item(struct items *items, struct medvl_span span,
                    const char *unit, int64_t number,
                    struct medvl_error *err)
{
    struct medvl_json *item = NULL;
    int rc = medvl_json_parse(&item, span, err);

    medvl_text_clear(&items->json);
    if (rc == MEDVL_OK && medvl_json_type(item) != MEDVL_JSON_OBJECT)
        rc = medvl_fail(err, MEDVL_EFORMAT, "not an object");
    if (rc == MEDVL_OK)
        rc = items->make(items->job, item, &items->folder, &items->json, err);
    medvl_json_free(item);
    if (rc == MEDVL_OK)
        return items->job->put(items->job->arg, medvl_text_span(&items->json),
                               items->human, err);
    if (medvl_is_fatal(rc))
        return rc;
    (void)medvl_context(err, "%s:%s%lld", items->job->path, unit,
                        (long long)number);
    return items->job->bad(items->job->arg, err);
}

static int read_lines(struct items *items, struct medvl_error *err)
{
    struct medvl_reader *reader = NULL;
    struct medvl_text block = {0};
    int64_t line = 0;
    int rc = medvl_reader_open(&reader, items->job->path, 0, 0, err);

    while (rc >= 0) {
        const char *at, *end;

        medvl_text_clear(&block);
        rc = medvl_reader_lines(reader, &block, 1 << 20, LINE_MAX_, err);
        if (rc <= 0)
            break;
        at = block.data;
        end = at + block.size;
        while (rc >= 0 && at < end) {
            const char *stop = memchr(at, '\n', (size_t)(end - at));
            const size_t size = (size_t)((stop ? stop : end) - at);

            rc = one_item(items, (struct medvl_span){at, size}, "", ++line,
                          err);
            at += size + 1;
        }
    }
    medvl_text_release(&block);
    medvl_reader_free(reader);
    return rc;
}

static int read_array(struct items *items, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_view view = {0};
    int rc = medvl_file_read(&text, items->job->path, FILE_MAX, err);

    if (rc == MEDVL_OK) {
        rc = medvl_json_view_array(&view, medvl_text_span(&text), err);
        if (rc < 0)
            rc = medvl_context(err, "%s", items->job->path);
    }
    for (size_t i = 0; rc == MEDVL_OK && i < view.count; i++)
        rc = one_item(items, view.members[i].value, " element ",
                      (int64_t)i + 1, err);
    medvl_json_view_release(&view);
    medvl_text_release(&text);
    return rc;
}

/* Does the file's text begin with '['? */
static int starts_array(bool *out, const char *path, struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    size_t at = 0;
    const int rc = medvl_mapping_open(&map, path, err);

    while (at < map.size && isspace(map.data[at]))
        at++;
    *out = at < map.size && map.data[at] == '[';
    medvl_mapping_release(&map);
    return rc;
}

static int read_items(const struct medvl_layout_job *job, item_fn *make,
                      const char *human, struct medvl_error *err)
{
    struct items items = {.job = job, .make = make, .human = human};
    bool array = false;
    int rc = starts_array(&array, job->path, err);

    if (rc == MEDVL_OK)
        rc = job->images ? medvl_text_puts(&items.folder, job->images, err)
                         : folder_of(&items.folder, job->path, err);
    if (rc == MEDVL_OK)
        rc = array ? read_array(&items, err) : read_lines(&items, err);
    medvl_text_release(&items.folder);
    medvl_text_release(&items.json);
    return rc;
}

/* Begin {"id":..., "images":[{... with the image left open. */
static int begin_item(struct medvl_json_writer *w,
                      const struct medvl_layout_job *job, const char *id,
                      const char *folder, const char *image,
                      struct medvl_error *err)
{
    struct picture picture;
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, image, err);

    medvl_json_begin(w, NULL, '{');
    put_text(w, "id", id);
    medvl_json_begin(w, "images", '[');
    if (rc == MEDVL_OK)
        rc = read_picture(&picture, job, path, err);
    if (rc == MEDVL_OK)
        put_picture(w, job, &picture, 0);
    medvl_free(path);
    return rc;
}

/* ---- vqa-rad ---------------------------------------------------------- */

/*
 * The original array names pictures "image_name" inside a folder beside it
 * and has no ids but "qid"; the JSON Lines form has "image" and "id".
 */
static int vqa_rad_item(const struct medvl_layout_job *job,
                        const struct medvl_json *item,
                        struct medvl_text *folder, struct medvl_text *out,
                        struct medvl_error *err)
{
    const bool lines = medvl_json_get(item, "image") != NULL;
    const char *phrase =
        medvl_json_string(medvl_json_get(item, "phrase_type"));
    const char *organ = medvl_json_string(
        medvl_json_get(item, lines ? "organ" : "image_organ"));
    const struct medvl_json *qid = medvl_json_get(item, "qid");
    struct medvl_json_writer w = {.out = out};
    struct medvl_text id = {0};
    const char *image = NULL, *question = NULL, *split;
    int rc = medvl_json_get_string(&image, item,
                                   lines ? "image" : "image_name", err);

    if (rc == MEDVL_OK)
        rc = medvl_json_get_string(&question, item, "question", err);
    if (rc == MEDVL_OK && medvl_json_string(medvl_json_get(item, "id")))
        rc = medvl_text_puts(
            &id, medvl_json_string(medvl_json_get(item, "id")), err);
    else if (rc == MEDVL_OK && medvl_json_string(qid))
        rc = medvl_text_printf(&id, err, "vqa_rad:%s",
                               medvl_json_string(qid));
    else if (rc == MEDVL_OK && medvl_json_type(qid) == MEDVL_JSON_NUMBER)
        rc = medvl_text_printf(&id, err, "vqa_rad:%.0f",
                               medvl_json_number(qid, 0));
    else if (rc == MEDVL_OK)
        rc = medvl_fail(err, MEDVL_EFORMAT, "neither \"id\" nor \"qid\"");
    if (rc == MEDVL_OK)
        rc = begin_item(&w, job, id.data, folder->data, image, err);
    medvl_text_release(&id);
    if (rc < 0)
        return rc;
    put_text(&w, "body_part", organ);
    medvl_json_end(&w);
    medvl_json_end(&w);
    put_trimmed(&w, "question", medvl_json_get(item, "question"));
    put_trimmed(&w, "answer", medvl_json_get(item, "answer"));
    put_trimmed(&w, "answer_type", medvl_json_get(item, "answer_type"));
    put_trimmed(&w, "question_type", medvl_json_get(item, "question_type"));
    put_trimmed(&w, "phrase_type", medvl_json_get(item, "phrase_type"));
    put_trimmed(&w, "official_split", medvl_json_get(item, "official_split"));
    split = lines                                        ? split_of(job->path)
            : phrase && strncmp(phrase, "test_", 5) == 0 ? "test"
                                                         : "train";
    put_origin(&w, job, "vqa-rad", "CC0-1.0", split, stem(image));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

static int read_vqa_rad(const struct medvl_layout_job *job,
                        struct medvl_error *err)
{
    struct medvl_layout_job local = *job;
    struct medvl_text folder = {0};
    bool array = false;
    int rc = starts_array(&array, job->path, err);

    if (rc == MEDVL_OK && array && !job->images) {
        rc = folder_of(&folder, job->path, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_puts(&folder, "/VQA_RAD Image Folder", err);
        local.images = folder.data;
    }
    if (rc == MEDVL_OK)
        rc = read_items(&local, vqa_rad_item, "question answer", err);
    medvl_text_release(&folder);
    return rc;
}

/* ---- bccd, captions --------------------------------------------------- */

/* One region from an array [label, a, b, c, d]. */
static int put_region(struct medvl_json_writer *w,
                      const struct medvl_json *item, bool sides,
                      struct medvl_error *err)
{
    const struct medvl_json *at = medvl_json_first(item);
    const char *label = medvl_json_string(at);
    double v[4];

    if (!label || medvl_json_count(item) != 5)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a box is not [label and four numbers]");
    for (int i = 0; i < 4; i++) {
        at = medvl_json_next(at);
        if (medvl_json_type(at) != MEDVL_JSON_NUMBER)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "a box is not [label and four numbers]");
        v[i] = medvl_json_number(at, 0);
    }
    medvl_json_begin(w, NULL, '{');
    medvl_json_put_string(w, "label", medvl_span(label));
    medvl_json_begin(w, "box", '[');
    medvl_json_put_number(w, NULL, v[0]);
    medvl_json_put_number(w, NULL, v[1]);
    medvl_json_put_number(w, NULL, sides ? v[0] + v[2] : v[2]);
    medvl_json_put_number(w, NULL, sides ? v[1] + v[3] : v[3]);
    medvl_json_end(w);
    medvl_json_put_string(w, "author", medvl_span("human"));
    medvl_json_end(w);
    return MEDVL_OK;
}

static int put_regions(struct medvl_json_writer *w,
                       const struct medvl_json *boxes, bool sides,
                       struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (!boxes)
        return MEDVL_OK;
    medvl_json_begin(w, "regions", '[');
    for (const struct medvl_json *b = medvl_json_first(boxes);
         b && rc == MEDVL_OK; b = medvl_json_next(b))
        rc = put_region(w, b, sides, err);
    medvl_json_end(w);
    return rc;
}

static int bccd_item(const struct medvl_layout_job *job,
                     const struct medvl_json *item, struct medvl_text *folder,
                     struct medvl_text *out, struct medvl_error *err)
{
    const struct medvl_json *counts = medvl_json_get(item, "counts");
    struct medvl_json_writer w = {.out = out};
    const char *image = NULL, *id = NULL;
    int rc = medvl_json_get_string(&image, item, "image", err);

    if (rc == MEDVL_OK)
        rc = medvl_json_get_string(&id, item, "id", err);
    if (rc == MEDVL_OK)
        rc = begin_item(&w, job, id, folder->data, image, err);
    if (rc < 0)
        return rc;
    put_text(&w, "modality", "microscopy");
    rc = put_regions(&w, medvl_json_get(item, "boxes"), false, err);
    if (rc < 0)
        return rc;
    medvl_json_end(&w);
    medvl_json_end(&w);
    if (counts) {
        medvl_json_begin(&w, "counts", '{');
        for (const struct medvl_json *c = medvl_json_first(counts); c;
             c = medvl_json_next(c))
            medvl_json_put_number(&w, medvl_json_name(c),
                                  medvl_json_number(c, 0));
        medvl_json_end(&w);
    }
    put_origin(&w, job, "bccd", "MIT", split_of(job->path), stem(image));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

static int read_bccd(const struct medvl_layout_job *job,
                     struct medvl_error *err)
{
    return read_items(job, bccd_item, "images counts", err);
}

static int caption_item(const struct medvl_layout_job *job,
                        const struct medvl_json *item,
                        struct medvl_text *folder, struct medvl_text *out,
                        struct medvl_error *err)
{
    static const char *const MORE[] = {"finding", "view", "sex",
                                       "source_article", "doi"};
    struct medvl_json_writer w = {.out = out};
    const char *image = NULL, *id = NULL, *caption = NULL;
    int rc = medvl_json_get_string(&image, item, "image", err);

    if (rc == MEDVL_OK)
        rc = medvl_json_get_string(&id, item, "id", err);
    if (rc == MEDVL_OK)
        rc = medvl_json_get_string(&caption, item, "caption", err);
    if (rc == MEDVL_OK)
        rc = begin_item(&w, job, id, folder->data, image, err);
    if (rc < 0)
        return rc;
    put_trimmed(&w, "modality", medvl_json_get(item, "modality"));
    rc = put_regions(&w, medvl_json_get(item, "lung_boxes_xywh"), true, err);
    if (rc < 0)
        return rc;
    medvl_json_end(&w);
    medvl_json_end(&w);
    put_trimmed(&w, "caption", medvl_json_get(item, "caption"));
    for (size_t i = 0; i < sizeof(MORE) / sizeof(*MORE); i++)
        put_trimmed(&w, MORE[i], medvl_json_get(item, MORE[i]));
    put_origin(&w, job, "captions",
               medvl_json_string(medvl_json_get(item, "license")),
               split_of(job->path), stem(image));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

static int read_captions(const struct medvl_layout_job *job,
                         struct medvl_error *err)
{
    return read_items(job, caption_item, "caption images", err);
}

/* ---- npy -------------------------------------------------------------- */

/* The text after "'NAME':" in the header's dictionary, or NULL. */
static const char *header_value(const char *header, const char *name)
{
    const char *at = strstr(header, name);

    if (!at)
        return NULL;
    at += strlen(name);
    while (*at == ' ' || *at == ':')
        at++;
    return at;
}

static int parse_shape(struct medvl_npy *out, const char *at,
                       struct medvl_error *err)
{
    int64_t all = 1;

    while (*at == '(' || *at == ' ')
        at++;
    for (out->rank = 0; *at && *at != ')'; out->rank++) {
        const size_t size = strspn(at, "0123456789");

        if (out->rank == 4 ||
            medvl_parse_int(&out->size[out->rank],
                            (struct medvl_span){at, size}, 0,
                            (int64_t)1 << 40, NULL) < 0 ||
            !medvl_int64_mul(&all, all, out->size[out->rank]))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "npy: shape '%.40s' is not read", at);
        at += size;
        while (*at == ',' || *at == ' ')
            at++;
    }
    return MEDVL_OK;
}

int medvl_npy_parse(struct medvl_npy *out, struct medvl_span bytes,
                    struct medvl_error *err)
{
    const unsigned char *data = (const unsigned char *)bytes.data;
    const char *type, *order, *shape;
    size_t start, length;
    char header[1024];
    int64_t all = 1;
    int rc;

    *out = (struct medvl_npy){0};
    if (bytes.size < 12 || memcmp(data, "\x93NUMPY", 6) != 0 ||
        data[6] < 1 || data[6] > 3)
        return medvl_fail(err, MEDVL_EFORMAT, "npy: no header");
    start = data[6] == 1 ? 10 : 12;
    length = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] > 1)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (length > bytes.size - start || length >= sizeof(header))
        return medvl_fail(err, MEDVL_EFORMAT, "npy: the header is cut short");
    memcpy(header, data + start, length);
    header[length] = 0;
    type = header_value(header, "'descr'");
    order = header_value(header, "'fortran_order'");
    shape = header_value(header, "'shape'");
    if (!type || !order || !shape)
        return medvl_fail(err, MEDVL_EFORMAT, "npy: the header is damaged");
    if ((strncmp(type, "'|u1'", 5) != 0 && strncmp(type, "'u1'", 4) != 0 &&
         strncmp(type, "'|b1'", 5) != 0) ||
        strncmp(order, "False", 5) != 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "npy: type %.8s, fortran order %.5s; uint8 in C "
                          "order is read",
                          type, order);
    rc = parse_shape(out, shape, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < out->rank; i++)
        all *= out->size[i];
    if ((uint64_t)all != bytes.size - start - length)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "npy: %zu bytes of values, the shape has %lld",
                          bytes.size - start - length, (long long)all);
    out->data = data + start + length;
    return MEDVL_OK;
}

/* ---- medmnist --------------------------------------------------------- */

static const char *const PNEUMONIA[] = {"normal", "pneumonia"};

/* Sets whose label names are known here. */
static const struct {
    const char *name;
    const char *const *labels;
    size_t count;
    const char *modality;
} SETS[] = {
    {"pneumoniamnist", PNEUMONIA, 2, "X-ray"},
};

struct medmnist {
    const struct medvl_layout_job *job;
    char set[64]; /* name */
    const char *split;
    const char *modality;
    const char *const *labels;
    size_t label_count;
    struct medvl_mapping image_map, label_map;
    struct medvl_npy images, values;
    struct medvl_text json, name;
};

static int open_npy(struct medvl_npy *npy, struct medvl_mapping *map,
                    const struct medmnist *set, const char *kind,
                    struct medvl_error *err)
{
    struct medvl_text path = {0};
    int rc = medvl_text_printf(&path, err, "%s/%s_%s.npy", set->job->path,
                               set->split, kind);

    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(map, path.data, err);
    if (rc == MEDVL_OK) {
        rc = medvl_npy_parse(npy,
                             (struct medvl_span){(const char *)map->data,
                                                 map->size},
                             err);
        if (rc < 0)
            rc = medvl_context(err, "%s", path.data);
    }
    medvl_text_release(&path);
    return rc;
}

/* Write picture `i`; its path goes to set->name, its hash to `hash`. */
static int medmnist_picture(struct medmnist *set, int64_t i, char hash[33],
                            struct medvl_error *err)
{
    const struct medvl_npy *npy = &set->images;
    const int channels = npy->rank == 4 ? 3 : 1;
    const size_t bytes =
        (size_t)(npy->size[1] * npy->size[2]) * (size_t)channels;
    struct medvl_picture picture = {0};
    struct medvl_text key = {0};
    char *path = NULL;
    char hex[33];
    int rc = medvl_picture_make(&picture, npy->size[2], npy->size[1],
                                channels, 8, err);

    if (rc == MEDVL_OK)
        memcpy(picture.data, npy->data + (size_t)i * bytes, bytes);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&key, err, "medmnist %s %s %lld ",
                               set->set, set->split, (long long)i);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&key, picture.data, bytes, err);
    if (rc == MEDVL_OK)
        medvl_hash128_hex(hex, key.data, key.size);
    medvl_text_clear(&set->name);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&set->name, err, "%s/%s.png", set->job->out,
                               hex);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, set->job->root ? set->job->root : "",
                             set->name.data, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_write(&picture, path, hash, err);
    medvl_free(path);
    medvl_text_release(&key);
    medvl_picture_release(&picture);
    return rc;
}

static int medmnist_record(struct medmnist *set, int64_t i,
                           struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &set->json};
    const unsigned label = set->values.data[i];
    char id[160], hash[33], letter[2] = "A";
    int rc;

    if (label >= set->label_count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s label %lld is %u; %zu names are known",
                          set->split, (long long)i, label, set->label_count);
    rc = medmnist_picture(set, i, hash, err);
    if (rc < 0)
        return rc;
    (void)snprintf(id, sizeof(id), "%s:%s:%lld", set->set, set->split,
                   (long long)i);
    medvl_text_clear(&set->json);
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "id", id);
    medvl_json_begin(&w, "images", '[');
    medvl_json_begin(&w, NULL, '{');
    put_text(&w, "path", set->name.data);
    medvl_json_put_int(&w, "width", set->images.size[2]);
    medvl_json_put_int(&w, "height", set->images.size[1]);
    put_text(&w, "modality", set->modality);
    put_text(&w, "hash", hash);
    medvl_json_end(&w);
    medvl_json_end(&w);
    put_text(&w, "answer", set->labels[label]);
    medvl_json_begin(&w, "choices", '{');
    for (size_t k = 0; k < set->label_count; k++, letter[0]++)
        put_text(&w, letter, set->labels[k]);
    medvl_json_end(&w);
    put_text(&w, "answer_type", "CLOSED");
    put_origin(&w, set->job, set->set, "CC-BY-4.0", set->split,
               (struct medvl_span){0});
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = set->job->put(set->job->arg, medvl_text_span(&set->json),
                           "answer", err);
    return rc;
}

static int medmnist_split(struct medmnist *set, struct medvl_error *err)
{
    const struct medvl_npy *x = &set->images, *y = &set->values;
    int rc = open_npy(&set->images, &set->image_map, set, "images", err);

    if (rc == MEDVL_OK)
        rc = open_npy(&set->values, &set->label_map, set, "labels", err);
    if (rc == MEDVL_OK && (x->rank < 3 || (x->rank == 4 && x->size[3] != 3)))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%s: images are not (n, height, width) or "
                        "(n, height, width, 3)",
                        set->split);
    if (rc == MEDVL_OK && (y->rank < 1 || y->rank > 2 ||
                           (y->rank == 2 && y->size[1] != 1)))
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "%s: labels are not (n) or (n, 1)", set->split);
    if (rc == MEDVL_OK && x->size[0] != y->size[0])
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: %lld images, %lld labels",
                        set->split, (long long)x->size[0],
                        (long long)y->size[0]);
    for (int64_t i = 0; rc == MEDVL_OK && i < x->size[0]; i++)
        rc = medmnist_record(set, i, err);
    medvl_mapping_release(&set->image_map);
    medvl_mapping_release(&set->label_map);
    return rc;
}

static int medmnist_labels(struct medmnist *set, struct medvl_error *err)
{
    set->labels = set->job->labels;
    set->label_count = set->job->label_count;
    for (size_t i = 0; i < sizeof(SETS) / sizeof(*SETS); i++)
        if (strcmp(set->set, SETS[i].name) == 0) {
            set->modality = SETS[i].modality;
            if (!set->labels) {
                set->labels = SETS[i].labels;
                set->label_count = SETS[i].count;
            }
        }
    if (!set->labels)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: label names are not known; give --names",
                          set->set);
    if (set->label_count > 26)
        return medvl_fail(err, MEDVL_EARG, "more than 26 labels");
    return MEDVL_OK;
}

static int read_medmnist(const struct medvl_layout_job *job,
                         struct medvl_error *err)
{
    static const char *const SPLITS[] = {"train", "val", "test"};
    struct medmnist set = {.job = job};
    struct medvl_text path = {0};
    size_t size = strlen(job->path), start, found = 0;
    int rc;

    while (size > 1 && job->path[size - 1] == '/')
        size--;
    for (start = size; start > 0 && job->path[start - 1] != '/';)
        start--;
    (void)snprintf(set.set, sizeof(set.set), "%.*s", (int)(size - start),
                   job->path + start);
    rc = medmnist_labels(&set, err);
    if (rc == MEDVL_OK && !job->out)
        rc = medvl_fail(err, MEDVL_EARG, "no folder for the pictures");
    for (size_t i = 0; rc == MEDVL_OK && i < 3; i++) {
        set.split = SPLITS[i];
        medvl_text_clear(&path);
        rc = medvl_text_printf(&path, err, "%s/%s_images.npy", job->path,
                               set.split);
        if (rc < 0 || !medvl_file_exists(path.data))
            continue;
        found++;
        rc = medmnist_split(&set, err);
    }
    if (rc == MEDVL_OK && !found)
        rc = medvl_fail(err, MEDVL_EIO,
                        "%s: no train_images.npy, val_images.npy or "
                        "test_images.npy",
                        job->path);
    medvl_text_release(&path);
    medvl_text_release(&set.json);
    medvl_text_release(&set.name);
    return rc;
}

/* ---- images ----------------------------------------------------------- */

static bool is_picture(const char *name)
{
    static const char *const ENDS[] = {".png", ".jpg", ".jpeg", ".tif",
                                       ".tiff", ".webp", ".bmp"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(ENDS) / sizeof(*ENDS); i++)
        if (strcasecmp(dot, ENDS[i]) == 0)
            return true;
    return false;
}

/* The record of one frame; with several, "#0" and so on end its id. */
static int put_frame(const struct medvl_layout_job *job,
                     const struct picture *p, int64_t frame,
                     struct medvl_text *json, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = json};
    struct medvl_text id = {0};
    int rc = medvl_text_puts(&id, medvl_layout_below(p->path, job->root),
                             err);

    if (rc == MEDVL_OK && p->shape.frames > 1)
        rc = medvl_text_printf(&id, err, "#%lld", (long long)frame);
    medvl_text_clear(json);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "id", medvl_text_span(&id));
    medvl_json_begin(&w, "images", '[');
    put_picture(&w, job, p, frame);
    medvl_json_end(&w);
    medvl_json_end(&w);
    put_origin(&w, job, NULL, NULL, NULL, (struct medvl_span){0});
    medvl_json_end(&w);
    medvl_text_release(&id);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = job->put(job->arg, medvl_text_span(json), "", err);
    return rc;
}

/* One file is set aside as a whole, or from the frame on that is damaged. */
static int one_picture(const struct medvl_layout_job *job, const char *path,
                       struct medvl_text *json, struct medvl_error *err)
{
    struct picture picture;
    int rc = read_picture(&picture, job, path, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < picture.shape.frames; i++) {
        if (i)
            rc = medvl_load_probe_frame(&picture.shape, job->load, i, err);
        if (rc < 0)
            rc = medvl_context(err, "%s: frame %lld", path,
                               (long long)i + 1);
        else if ((rc = put_frame(job, &picture, i, json, err)) < 0)
            return rc;
    }
    if (rc < 0 && !medvl_is_fatal(rc))
        return job->bad(job->arg, err);
    return rc;
}

static int read_images(const struct medvl_layout_job *job,
                       struct medvl_error *err)
{
    struct medvl_names names = {0};
    struct medvl_text json = {0};
    size_t pictures = 0;
    int rc = MEDVL_OK;

    if (!medvl_folder_exists(job->path))
        rc = one_picture(job, job->path, &json, err);
    else
        rc = medvl_folder_list(&names, job->path, err);
    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++) {
        char *path = NULL;

        if (!is_picture(names.items[i]))
            continue;
        pictures++;
        rc = medvl_path_join(&path, job->path, names.items[i], err);
        if (rc == MEDVL_OK)
            rc = one_picture(job, path, &json, err);
        medvl_free(path);
    }
    if (rc == MEDVL_OK && !pictures && medvl_folder_exists(job->path))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%s: holds no .png, .jpg, .jpeg, .tif, .tiff, .webp or "
                        ".bmp (folders in it are not looked into)",
                        job->path);
    medvl_names_release(&names);
    medvl_text_release(&json);
    return rc;
}

const struct medvl_layout *medvl_layout_find(const char *name)
{
    static const struct medvl_layout LAYOUTS[] = {
        {"vqa-rad", read_vqa_rad},
        {"medmnist", read_medmnist},
        {"bccd", read_bccd},
        {"captions", read_captions},
        {"images", read_images},
    };

    for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(*LAYOUTS); i++)
        if (strcmp(name, LAYOUTS[i].name) == 0)
            return &LAYOUTS[i];
    return NULL;
}
