/*
 * Shards and pictures to JSON Lines: see inspect.h.
 *
 * Read next: ../../kernels/README.md.
 */
#include "lib/stage/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/data/record.h"
#include "lib/data/shard_mds.h"
#include "lib/data/source.h"
#include "lib/image/dicom.h"
#include "lib/image/load.h"

bool medvl_inspect_is_shards(const char *path)
{
    char *index = NULL;
    bool is;

    if (medvl_path_join(&index, path, "index.json", NULL) < 0)
        return false;
    is = medvl_file_exists(index);
    medvl_free(index);
    return is;
}

struct view {
    struct medvl_mds *mds;
    struct medvl_text folder; /* its path, as a JSON string */
    struct medvl_record record;
    struct medvl_json_view images, image;
    struct medvl_text json, line;
    int32_t *tokens, *mask;
    uint8_t *bits;
    size_t token_room, mask_room, bit_room;
};

static void view_release(struct view *v)
{
    medvl_mds_free(v->mds);
    medvl_text_release(&v->folder);
    medvl_record_release(&v->record);
    medvl_json_view_release(&v->images);
    medvl_json_view_release(&v->image);
    medvl_text_release(&v->json);
    medvl_text_release(&v->line);
    medvl_free(v->tokens);
    medvl_free(v->mask);
    medvl_free(v->bits);
}

static int set_place(struct view *v, int64_t sample, size_t picture,
                     struct medvl_error *err)
{
    char index[64];
    int rc;

    rc = medvl_json_view_object(&v->image, v->images.members[picture].value,
                                err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(&v->image, "shard",
                                 medvl_text_span(&v->folder), err);
    snprintf(index, sizeof(index), "[%" PRId64 ",%zu]", sample, picture);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(&v->image, "index", medvl_span(index), err);
    medvl_text_clear(&v->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&v->json, &v->image, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_at(&v->images, picture,
                                    medvl_text_span(&v->json), err);
    return rc;
}

static int set_places(struct view *v, int64_t sample, struct medvl_error *err)
{
    const struct medvl_span images = medvl_record_get(&v->record, "images");
    int rc;

    if (!images.data || medvl_span_is(images, "null"))
        return MEDVL_OK;
    rc = medvl_json_view_array(&v->images, images, err);
    for (size_t i = 0; rc == MEDVL_OK && i < v->images.count; i++)
        rc = set_place(v, sample, i, err);
    medvl_text_clear(&v->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&v->json, &v->images, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(&v->record, "images",
                              medvl_text_span(&v->json), err);
    return rc;
}

static int set_tokens(struct view *v, const struct medvl_span *values,
                      struct medvl_error *err)
{
    size_t count = 0;
    int rc;

    rc = medvl_mds_tokens(&v->tokens, &v->token_room, &v->bits, &v->bit_room,
                          &count, values, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&v->mask, &v->mask_room, count, sizeof(*v->mask),
                        err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        v->mask[i] = v->bits[i];
    medvl_text_clear(&v->json);
    rc = medvl_json_write_ints(&v->json, v->tokens, count, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(&v->record, "tokens",
                              medvl_text_span(&v->json), err);
    medvl_text_clear(&v->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_ints(&v->json, v->mask, count, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(&v->record, "loss_mask",
                              medvl_text_span(&v->json), err);
    return rc;
}

static int print_sample(struct view *v, int64_t sample,
                        struct medvl_error *err)
{
    struct medvl_span values[MEDVL_MDS_FIELDS];
    int rc;

    rc = medvl_mds_read(values, v->mds, sample, err);
    if (rc < 0)
        return rc;
    rc = medvl_record_parse(&v->record, values[MEDVL_MDS_RECORD], err);
    if (rc == MEDVL_OK)
        rc = set_places(v, sample, err);
    if (rc == MEDVL_OK)
        rc = set_tokens(v, values, err);
    medvl_text_clear(&v->line);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&v->line, &v->record.view, err);
    if (rc < 0)
        return medvl_context(err, "%s: sample %" PRId64,
                             medvl_mds_folder(v->mds), sample);
    return rc;
}

int medvl_inspect_shards(const char *path, medvl_inspect_put *put, void *arg,
                         struct medvl_error *err)
{
    struct view v = {0};
    int64_t count = 0;
    int rc = medvl_mds_open_records(&v.mds, path, 0, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_quote(&v.folder, medvl_span(path), err);
    if (rc == MEDVL_OK)
        count = medvl_mds_count(v.mds);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = print_sample(&v, i, err);
        if (rc == MEDVL_OK)
            rc = put(arg, medvl_text_span(&v.line), err);
    }
    view_release(&v);
    return rc;
}

static const char *const TYPES[] = {"uint8", "int8", "uint16", "int16",
                                    "uint32", "int32", "float32", "float64"};

/* ---- DICOM -------------------------------------------------------------- */

bool medvl_inspect_is_dicom(const char *path)
{
    char head[132];
    FILE *file;
    size_t size;

    if (!medvl_file_exists(path) || medvl_folder_exists(path))
        return false;
    if (medvl_dicom_is_name(path))
        return true;
    file = fopen(path, "rb");
    size = file ? fread(head, 1, sizeof(head), file) : 0;
    if (file)
        fclose(file);
    return medvl_dicom_is(head, size);
}

struct pixels {
    double min, max, sum;
    int64_t count;
    uint32_t crc;
};

/* The machine's byte order is little-endian where this runs. */
static void add_frame(struct pixels *p, const void *data,
                      const struct medvl_decoded *file)
{
    const size_t count = file->bytes / medvl_voxel_bytes(file->type);

    for (size_t i = 0; i < count; i++) {
        const double v = medvl_voxel_value(data, file->type, i);

        p->min = p->count && p->min <= v ? p->min : v;
        p->max = p->count && p->max >= v ? p->max : v;
        p->sum += v;
        p->count++;
    }
    p->crc = medvl_crc32(p->crc, data, file->bytes);
}

static int read_pixels(struct pixels *p, const struct medvl_dicom *dicom,
                       struct medvl_decoder *decoder,
                       struct medvl_error *err)
{
    void *frame = medvl_alloc(dicom->file.bytes + 1, 1);
    int rc = frame ? MEDVL_OK : medvl_no_memory(err);

    for (int64_t i = 0; i < dicom->file.frames && rc == MEDVL_OK; i++) {
        rc = medvl_decoder_frame(frame, decoder, i, err);
        if (rc == MEDVL_OK)
            add_frame(p, frame, &dicom->file);
        else
            medvl_context(err, "frame %" PRId64, i + 1);
    }
    medvl_free(frame);
    return rc;
}

static void put_pixels(struct medvl_json_writer *w, const struct pixels *p,
                       const struct medvl_decoded *file)
{
    char crc[9];

    snprintf(crc, sizeof(crc), "%08" PRIx32, p->crc);
    medvl_json_begin(w, "shape", '[');
    if (file->frames > 1)
        medvl_json_put_int(w, NULL, file->frames);
    medvl_json_put_int(w, NULL, file->size[2]);
    medvl_json_put_int(w, NULL, file->size[1]);
    if (file->size[0] > 1)
        medvl_json_put_int(w, NULL, file->size[0]);
    medvl_json_end(w);
    medvl_json_put_string(w, "type", medvl_span(TYPES[file->type]));
    medvl_json_put_number(w, "min", p->min);
    medvl_json_put_number(w, "max", p->max);
    medvl_json_put_number(w, "mean", p->sum / (double)p->count);
    medvl_json_put_string(w, "crc32_le", medvl_span(crc));
}

static int print_dicom(struct medvl_text *line, const char *path,
                       const struct medvl_dicom *dicom,
                       struct medvl_decoder *decoder,
                       struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = line};
    struct pixels pixels = {0};
    int rc = read_pixels(&pixels, dicom, decoder, err);

    if (rc < 0)
        return medvl_context(err, "%s", path);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "path", medvl_span(path));
    medvl_dicom_put_tags(&w, dicom);
    if (dicom->file.frames)
        put_pixels(&w, &pixels, &dicom->file);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_inspect_dicom(const char *path, medvl_inspect_put *put, void *arg,
                        struct medvl_error *err)
{
    struct medvl_decoder *decoder = NULL;
    struct medvl_dicom dicom = {0};
    struct medvl_text line = {0};
    int rc = medvl_decoder_open(&decoder, NULL, 0, err);

    if (rc == MEDVL_OK)
        rc = medvl_dicom_file(&dicom, decoder, path, err);
    if (rc == MEDVL_OK)
        rc = print_dicom(&line, path, &dicom, decoder, err);
    if (rc == MEDVL_OK)
        rc = put(arg, medvl_text_span(&line), err);
    medvl_text_release(&line);
    medvl_dicom_release(&dicom);
    medvl_decoder_free(decoder);
    return rc;
}

/* ---- pictures ----------------------------------------------------------- */

static int print_picture(struct medvl_text *line, const char *path,
                         const struct medvl_load_shape *shape,
                         struct medvl_span file, struct medvl_error *err)
{
    const bool plain =
        shape->type == MEDVL_VOXEL_U8 || shape->type == MEDVL_VOXEL_U16;
    struct medvl_json_writer w = {.out = line};
    char hash[33];

    medvl_hash128_hex(hash, file.data, file.size);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "path", medvl_span(path));
    medvl_json_put_int(&w, "width", shape->width);
    medvl_json_put_int(&w, "height", shape->height);
    medvl_json_put_int(&w, "channels", shape->channels);
    medvl_json_put_int(&w, "depth",
                       (int64_t)medvl_voxel_bytes(shape->type) * 8);
    if (!plain)
        medvl_json_put_string(&w, "type", medvl_span(TYPES[shape->type]));
    if (shape->frames > 1)
        medvl_json_put_int(&w, "frames", shape->frames);
    medvl_json_put_int(&w, "bytes", (int64_t)file.size);
    medvl_json_put_string(&w, "hash", medvl_span(hash));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_inspect_picture(const char *path, medvl_inspect_put *put, void *arg,
                          struct medvl_error *err)
{
    const struct medvl_load_options options = {0};
    struct medvl_load *loader = NULL;
    struct medvl_load_shape shape;
    struct medvl_text file = {0}, line = {0};
    int rc = medvl_file_read(&file, path, MEDVL_SOURCE_MAX, err);

    if (rc == MEDVL_OK)
        rc = medvl_load_open(&loader, &options, err);
    if (rc == MEDVL_OK) {
        rc = medvl_load_check(&shape, loader, medvl_text_span(&file), err);
        if (rc < 0)
            medvl_context(err, "%s: as a picture", path);
    }
    if (rc == MEDVL_OK)
        rc = print_picture(&line, path, &shape, medvl_text_span(&file), err);
    if (rc == MEDVL_OK)
        rc = put(arg, medvl_text_span(&line), err);
    medvl_load_free(loader);
    medvl_text_release(&line);
    medvl_text_release(&file);
    return rc;
}
