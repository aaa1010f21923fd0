/*
 * Records to shards: see shard.h.
 *
 * Read next: inspect.c, the way back.
 */
#include "lib/stage/shard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/data/shard_mds.h"
#include "lib/data/source.h"

/* A line that waits for its place in a shuffled order. */
struct line {
    char *text;
    size_t size;
    const char *path;
    int64_t number;
};

struct shard {
    struct medvl_shard_options options;
    struct medvl_mds_writer *writer;
    struct medvl_source *source;

    /* Of the record in work. */
    int32_t *tokens, *mask;
    size_t token_room, mask_room;
    uint8_t *bits;
    size_t bit_room;
    struct medvl_json_view images, image;
    struct medvl_text parts[MEDVL_MDS_FIELDS];
    struct medvl_text json;

    struct line *lines;
    size_t line_count, line_room;
    char **paths; /* of files, each once */
    size_t path_count, path_room;
};

static void shard_free(void *arg)
{
    struct shard *s = arg;

    if (!s)
        return;
    medvl_mds_writer_free(s->writer);
    medvl_source_free(s->source);
    medvl_free(s->tokens);
    medvl_free(s->mask);
    medvl_free(s->bits);
    medvl_json_view_release(&s->images);
    medvl_json_view_release(&s->image);
    for (int i = 0; i < MEDVL_MDS_FIELDS; i++)
        medvl_text_release(&s->parts[i]);
    medvl_text_release(&s->json);
    for (size_t i = 0; i < s->line_count; i++)
        medvl_free(s->lines[i].text);
    medvl_free(s->lines);
    for (size_t i = 0; i < s->path_count; i++)
        medvl_free(s->paths[i]);
    medvl_free(s->paths);
    medvl_free(s);
}

static int shard_open(void **out, const void *options, struct medvl_pool *pool,
                      struct medvl_error *err)
{
    struct medvl_mds_options mds = {.pool = pool};
    struct shard *s = medvl_alloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->options = *(const struct medvl_shard_options *)options;
    mds.level = (int)s->options.level;
    mds.plain = s->options.plain;
    mds.size_limit = s->options.size_limit;
    mds.overwrite = s->options.overwrite;
    rc = medvl_source_open(&s->source, s->options.root, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_mds_writer_open(&s->writer, s->options.output,
                                   medvl_mds_record, MEDVL_MDS_FIELDS, &mds,
                                   err);
    if (rc < 0) {
        shard_free(s);
        return rc;
    }
    *out = s;
    return MEDVL_OK;
}

/* ---- one record ------------------------------------------------------ */

static int take_tokens(struct shard *s, const struct medvl_record *record,
                       struct medvl_error *err)
{
    const struct medvl_span tokens = medvl_record_get(record, "tokens");
    const struct medvl_span mask = medvl_record_get(record, "loss_mask");
    size_t count = 0, masked = 0;
    int rc;

    if (!tokens.data)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"tokens\": missing (medvl-tokenize adds them)");
    rc = medvl_json_read_ints(&s->tokens, &count, &s->token_room, tokens, 0,
                              INT32_MAX, err);
    if (rc == MEDVL_OK && !count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "want one at least");
    if (rc < 0)
        return medvl_context(err, "\"tokens\"");
    rc = medvl_grow(&s->bits, &s->bit_room, count, 1, err);
    if (rc < 0)
        return rc;
    memset(s->bits, 1, count);
    if (mask.data) {
        rc = medvl_json_read_ints(&s->mask, &masked, &s->mask_room, mask, 0,
                                  1, err);
        if (rc == MEDVL_OK && masked != count)
            rc = medvl_fail(err, MEDVL_EFORMAT, "%zu items for %zu tokens",
                            masked, count);
        if (rc < 0)
            return medvl_context(err, "\"loss_mask\"");
        for (size_t i = 0; i < count; i++)
            s->bits[i] = (uint8_t)s->mask[i];
    }
    rc = medvl_mds_array_write(&s->parts[MEDVL_MDS_TOKENS], s->tokens, count,
                               sizeof(*s->tokens), err);
    if (rc == MEDVL_OK)
        rc = medvl_mds_array_write(&s->parts[MEDVL_MDS_LOSS_MASK], s->bits,
                                   count, 1, err);
    return rc;
}

static int put_u32(struct medvl_text *out, size_t value,
                   struct medvl_error *err)
{
    const unsigned char b[4] = {value & 255, value >> 8 & 255,
                                value >> 16 & 255, value >> 24 & 255};

    if (value > UINT32_MAX)
        return medvl_fail(err, MEDVL_EARG, "%zu bytes or pictures", value);
    return medvl_text_append(out, b, 4, err);
}

/* A record that knows the file's hash must be right about it. */
static int check_hash(const struct medvl_json *image, const char *hash,
                      struct medvl_error *err)
{
    const char *said = medvl_json_string(medvl_json_get(image, "hash"));

    if (said && strcmp(said, hash) != 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the file's hash is %s, the record says %s", hash,
                          said);
    return MEDVL_OK;
}

/* In the record the hash stands for where the picture was. */
static int replace_place(struct shard *s, size_t index, const char *hash,
                         struct medvl_error *err)
{
    static const char *const place[] = {"path", "data", "shard", "index"};
    char json[35];
    int rc;

    for (size_t i = 0; i < sizeof(place) / sizeof(*place); i++)
        medvl_json_view_remove(&s->image, place[i]);
    snprintf(json, sizeof(json), "\"%s\"", hash);
    rc = medvl_json_view_set(&s->image, "hash", medvl_span(json), err);
    medvl_text_clear(&s->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&s->json, &s->image, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set_at(&s->images, index,
                                    medvl_text_span(&s->json), err);
    return rc;
}

static int take_image(struct shard *s, size_t index, struct medvl_error *err)
{
    struct medvl_text *out = &s->parts[MEDVL_MDS_IMAGES];
    struct medvl_json *json = NULL;
    struct medvl_span bytes;
    char hash[33];
    int rc;

    rc = medvl_json_view_object(&s->image, s->images.members[index].value,
                                err);
    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&json, s->images.members[index].value, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_read(&bytes, s->source, json, err);
    if (rc == MEDVL_OK) {
        medvl_hash128_hex(hash, bytes.data, bytes.size);
        rc = check_hash(json, hash, err);
    }
    medvl_json_free(json);
    if (rc == MEDVL_OK)
        rc = put_u32(out, bytes.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, bytes.data, bytes.size, err);
    if (rc == MEDVL_OK)
        rc = replace_place(s, index, hash, err);
    return rc;
}

static int take_images(struct shard *s, struct medvl_record *record,
                       struct medvl_error *err)
{
    const struct medvl_span span = medvl_record_get(record, "images");
    int rc;

    if (!span.data || medvl_span_is(span, "null"))
        return put_u32(&s->parts[MEDVL_MDS_IMAGES], 0, err);
    rc = medvl_json_view_array(&s->images, span, err);
    if (rc < 0)
        return medvl_context(err, "\"images\"");
    rc = put_u32(&s->parts[MEDVL_MDS_IMAGES], s->images.count, err);
    for (size_t i = 0; i < s->images.count && rc == MEDVL_OK; i++) {
        rc = take_image(s, i, err);
        if (rc < 0)
            medvl_context(err, "images[%zu]", i);
    }
    medvl_text_clear(&s->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&s->json, &s->images, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "images", medvl_text_span(&s->json),
                              err);
    return rc;
}

/* The record as a sample.  What fails here is the record's fault. */
static int encode(struct shard *s, struct medvl_record *record,
                  struct medvl_error *err)
{
    int rc;

    for (int i = 0; i < MEDVL_MDS_FIELDS; i++)
        medvl_text_clear(&s->parts[i]);
    rc = take_tokens(s, record, err);
    if (rc == MEDVL_OK)
        rc = take_images(s, record, err);
    if (rc < 0)
        return rc;
    medvl_json_view_remove(&record->view, "tokens");
    medvl_json_view_remove(&record->view, "loss_mask");
    return medvl_json_view_write(&s->parts[MEDVL_MDS_RECORD], &record->view,
                                 err);
}

static int put(struct shard *s, struct medvl_record *record,
               struct medvl_out *out, struct medvl_error *err)
{
    struct medvl_span values[MEDVL_MDS_FIELDS];
    int rc = encode(s, record, err);

    if (medvl_is_fatal(rc))
        return rc;
    if (rc < 0)
        return medvl_out_reject(out, record, err);
    for (int i = 0; i < MEDVL_MDS_FIELDS; i++)
        values[i] = medvl_text_span(&s->parts[i]);
    rc = medvl_mds_writer_put(s->writer, values, err);
    return rc == MEDVL_EARG ? medvl_out_reject(out, record, err) : rc;
}

/* ---- shuffled -------------------------------------------------------- */

static int keep_path(const char **out, struct shard *s, const char *path,
                     struct medvl_error *err)
{
    int rc;

    *out = NULL;
    if (!path)
        return MEDVL_OK;
    if (!s->path_count || strcmp(s->paths[s->path_count - 1], path) != 0) {
        rc = medvl_grow(&s->paths, &s->path_room, s->path_count + 1,
                        sizeof(*s->paths), err);
        if (rc < 0)
            return rc;
        s->paths[s->path_count] = medvl_copy_string(path, strlen(path));
        if (!s->paths[s->path_count])
            return medvl_no_memory(err);
        s->path_count++;
    }
    *out = s->paths[s->path_count - 1];
    return MEDVL_OK;
}

static int keep_line(struct shard *s, const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct line line = {.number = record->line};
    int rc;

    rc = medvl_grow(&s->lines, &s->line_room, s->line_count + 1,
                    sizeof(*s->lines), err);
    if (rc == MEDVL_OK)
        rc = keep_path(&line.path, s, record->path, err);
    medvl_text_clear(&s->json);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&s->json, &record->view, err);
    if (rc < 0)
        return rc;
    line.size = s->json.size;
    line.text = medvl_copy_string(s->json.data, s->json.size);
    if (!line.text)
        return medvl_no_memory(err);
    s->lines[s->line_count++] = line;
    return MEDVL_OK;
}

static int put_shuffled(struct shard *s, struct medvl_out *out,
                        struct medvl_error *err)
{
    int64_t *order = medvl_alloc(s->line_count, sizeof(*order));
    struct medvl_record record = {0};
    struct medvl_rng rng;
    int rc = MEDVL_OK;

    if (!order)
        return medvl_no_memory(err);
    medvl_rng_init(&rng, (uint64_t)s->options.seed, MEDVL_PURPOSE_SHUFFLE, 0);
    medvl_rng_permutation(order, (int64_t)s->line_count, &rng);
    for (size_t i = 0; i < s->line_count && rc == MEDVL_OK; i++) {
        const struct line *line = &s->lines[order[i]];

        rc = medvl_record_parse(&record,
                                (struct medvl_span){line->text, line->size},
                                err);
        record.path = line->path;
        record.line = line->number;
        if (rc == MEDVL_OK)
            rc = put(s, &record, out, err);
    }
    medvl_record_release(&record);
    medvl_free(order);
    return rc;
}

/* ---- the sink -------------------------------------------------------- */

static int shard_record(void *arg, struct medvl_record *record,
                        struct medvl_out *out, struct medvl_error *err)
{
    struct shard *s = arg;

    return s->options.shuffle ? keep_line(s, record, err)
                              : put(s, record, out, err);
}

static int shard_finish(void *arg, struct medvl_out *out,
                        struct medvl_error *err)
{
    struct shard *s = arg;

    return s->options.shuffle ? put_shuffled(s, out, err) : MEDVL_OK;
}

static int shard_publish(void *arg, struct medvl_error *err)
{
    struct shard *s = arg;
    struct medvl_mds_writer *writer = s->writer;

    s->writer = NULL;
    return medvl_mds_writer_close(writer, err);
}

const struct medvl_sink medvl_shard_sink = {
    .open = shard_open,
    .record = shard_record,
    .finish = shard_finish,
    .publish = shard_publish,
    .free = shard_free,
    .refuse_empty = true,
    .need_id = true,
};

/* ---- the check ------------------------------------------------------- */

struct check {
    struct medvl_mds *mds;
    struct medvl_record record;
    struct medvl_text id;
    int32_t *tokens;
    uint8_t *mask;
    size_t token_room, mask_room;
    struct id {
        char hash[33];
        int64_t sample;
    } * ids;
    size_t id_room;
};

static int check_pictures(struct check *c, struct medvl_shard_summary *sum,
                          struct medvl_span images, struct medvl_error *err)
{
    const struct medvl_json *image;
    struct medvl_json *json = NULL;
    struct medvl_span bytes;
    int64_t count;
    int rc;

    rc = medvl_mds_picture_count(&count, images, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_read(&json, &c->record, "images", err);
    if (rc < 0)
        return rc;
    if (count != (int64_t)medvl_json_count(json))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%" PRId64 " pictures, the record has %zu images",
                        count, medvl_json_count(json));
    image = medvl_json_first(json);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const char *want = medvl_json_string(medvl_json_get(image, "hash"));
        char hash[33];

        rc = medvl_mds_picture(&bytes, images, i, err);
        if (rc < 0)
            break;
        medvl_hash128_hex(hash, bytes.data, bytes.size);
        if (!want || strcmp(hash, want) != 0)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "images[%" PRId64 "]: hash %s, the record says "
                            "%s",
                            i, hash, want ? want : "nothing");
        image = medvl_json_next(image);
    }
    sum->pictures += count;
    medvl_json_free(json);
    return rc;
}

static int check_sample(struct check *c, struct medvl_shard_summary *sum,
                        int64_t index, struct medvl_error *err)
{
    struct medvl_span values[MEDVL_MDS_FIELDS];
    size_t count = 0;
    int rc;

    rc = medvl_mds_read(values, c->mds, index, err);
    if (rc < 0)
        return rc;
    rc = medvl_mds_tokens(&c->tokens, &c->token_room, &c->mask, &c->mask_room,
                          &count, values, err);
    if (rc == MEDVL_OK && !count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no tokens");
    if (rc == MEDVL_OK)
        rc = medvl_record_parse(&c->record, values[MEDVL_MDS_RECORD], err);
    medvl_text_clear(&c->id);
    if (rc == MEDVL_OK)
        rc = medvl_record_id(&c->id, &c->record, err);
    if (rc == MEDVL_OK)
        rc = check_pictures(c, sum, values[MEDVL_MDS_IMAGES], err);
    if (rc < 0)
        return medvl_context(err, "%s: sample %" PRId64,
                             medvl_mds_folder(c->mds), index);
    medvl_hash128_hex(c->ids[index].hash, c->id.data, c->id.size);
    c->ids[index].sample = index;
    sum->tokens += (int64_t)count;
    for (size_t i = 0; i < count; i++)
        sum->trained += c->mask[i];
    return MEDVL_OK;
}

static int by_hash(const void *a, const void *b)
{
    return strcmp(((const struct id *)a)->hash, ((const struct id *)b)->hash);
}

static int check_ids(struct check *c, int64_t count, struct medvl_error *err)
{
    qsort(c->ids, (size_t)count, sizeof(*c->ids), by_hash);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(c->ids[i - 1].hash, c->ids[i].hash) == 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s: samples %" PRId64 " and %" PRId64
                              " have one id",
                              medvl_mds_folder(c->mds), c->ids[i - 1].sample,
                              c->ids[i].sample);
    return MEDVL_OK;
}

int medvl_shard_check(struct medvl_shard_summary *out, const char *folder,
                      struct medvl_error *err)
{
    struct check c = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    rc = medvl_mds_open_records(&c.mds, folder, 0, err);
    if (rc < 0)
        return rc;
    out->records = medvl_mds_count(c.mds);
    out->shards = medvl_mds_shard_count(c.mds);
    memcpy(out->hash, medvl_mds_hash(c.mds), sizeof(out->hash));
    for (int64_t i = 0; i < out->records && rc == MEDVL_OK; i++) {
        rc = medvl_grow(&c.ids, &c.id_room, (size_t)i + 1, sizeof(*c.ids),
                        err);
        if (rc == MEDVL_OK)
            rc = check_sample(&c, out, i, err);
    }
    if (rc == MEDVL_OK)
        rc = check_ids(&c, out->records, err);
    medvl_record_release(&c.record);
    medvl_text_release(&c.id);
    medvl_free(c.tokens);
    medvl_free(c.mask);
    medvl_free(c.ids);
    medvl_mds_free(c.mds);
    return rc;
}

int medvl_shard_print(struct medvl_text *out, const char *folder,
                      const struct medvl_shard_summary *summary,
                      struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "folder", medvl_span(folder));
    medvl_json_put_int(&w, "records", summary->records);
    medvl_json_put_int(&w, "shards", summary->shards);
    medvl_json_put_int(&w, "tokens", summary->tokens);
    medvl_json_put_int(&w, "trained", summary->trained);
    medvl_json_put_int(&w, "pictures", summary->pictures);
    medvl_json_put_string(&w, "hash", medvl_span(summary->hash));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}
