/*
 * Data sets behind one numbering.  JSON Lines are held in memory; shards
 * are read where they lie.
 */
#include "lib/train/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/data/shard_mds.h"
#include "lib/data/source.h"
#include "lib/stage/loop.h"

/*
 * What a shard holds beside its samples' values, at most: its count and
 * configuration, and of each sample an offset and four lengths.
 */
enum { SHARD_HEAD = 4096,
       SAMPLE_HEAD = 20 };

/* Pictures that are not there, of which an error names the first. */
enum { NAMED_PICTURES = 4 };

/* A line of JSON Lines held in memory: text and arrays by offset. */
struct line {
    size_t text, text_size;
    size_t token, token_count;
};

/* One set: shards, or lines read into memory. */
struct set {
    char *path;
    double weight;
    int64_t count;
    int64_t next_shard;    /* the first that no chunk stands for */
    struct medvl_mds *mds; /* NULL: lines */
    struct line *lines;
    size_t line_room;
    struct medvl_text text;
    int32_t *tokens;
    size_t token_count, token_room;
    uint8_t *mask;
    size_t mask_room;
    struct medvl_hash *hash;
};

struct medvl_dataset {
    struct medvl_dataset_options options;
    const struct medvl_frontend *frontend;
    struct medvl_source *source;
    struct set *sets;
    struct medvl_dataset_entry *entries;
    size_t count, room;
    struct medvl_dataset_chunk *chunks;
    size_t chunk_count, chunk_room;
    int32_t *scratch_tokens;
    uint8_t *scratch_mask;
    size_t scratch_token_room, scratch_mask_room;
    char hash[33];
    struct medvl_origins origins;
    int64_t missing_count;     /* of pictures that JSON Lines name */
    struct medvl_text missing; /* where, and the paths */
};

/* ---- reading one record ---------------------------------------------- */

int medvl_dataset_read(struct medvl_dataset_item *item,
                       struct medvl_dataset *data, int64_t record,
                       struct medvl_error *err)
{
    const struct medvl_dataset_entry *e = &data->entries[record];
    struct set *set = &data->sets[e->set];
    struct medvl_span values[MEDVL_MDS_FIELDS];
    int rc;

    memset(item, 0, sizeof(*item));
    if (!set->mds) {
        const struct line *line = &set->lines[e->index];

        item->record.data = set->text.data + line->text;
        item->record.size = line->text_size;
        item->tokens = set->tokens + line->token;
        item->mask = set->mask + line->token;
        item->count = line->token_count;
        return MEDVL_OK;
    }
    rc = medvl_mds_read(values, set->mds, e->index, err);
    if (rc == MEDVL_OK && !data->options.dense)
        rc = medvl_mds_tokens(&data->scratch_tokens,
                              &data->scratch_token_room, &data->scratch_mask,
                              &data->scratch_mask_room, &item->count, values,
                              err);
    if (rc < 0)
        return rc;
    for (int f = 0; f < MEDVL_MDS_FIELDS; f++)
        item->bytes += values[f].size;
    item->record = values[MEDVL_MDS_RECORD];
    item->images = values[MEDVL_MDS_IMAGES];
    item->tokens = data->scratch_tokens;
    item->mask = data->scratch_mask;
    return MEDVL_OK;
}

int medvl_dataset_context(const struct medvl_dataset *data, int64_t record,
                          const struct medvl_dataset_item *item,
                          struct medvl_error *err)
{
    const struct medvl_dataset_entry *e = &data->entries[record];
    struct medvl_json_view view = {0};
    struct medvl_span id = {"", 0};

    if (item->record.data &&
        medvl_json_view_object(&view, item->record, NULL) == MEDVL_OK &&
        medvl_json_view_get(&view, "id").data)
        id = medvl_json_view_get(&view, "id");
    medvl_json_view_release(&view);
    return medvl_context(err, "%s: record %lld %.*s",
                         data->sets[e->set].path, (long long)e->index + 1,
                         (int)(id.size > 80 ? 80 : id.size), id.data);
}

/* ---- pictures of a record -------------------------------------------- */

int medvl_dataset_picture_bytes(struct medvl_span *out,
                                struct medvl_dataset *data,
                                const struct medvl_dataset_picture *picture,
                                struct medvl_error *err)
{
    const struct medvl_span images = picture->item->images;

    if (images.data)
        return medvl_mds_picture(out, images, picture->number, err);
    return medvl_source_read(out, data->source, picture->image, err);
}

/* Width and height as the record says, else as the file does.  The loader
 * compares them when it decodes the picture. */
static int find_size(struct medvl_dataset_picture *picture,
                     struct medvl_dataset *data, struct medvl_error *err)
{
    const struct medvl_json *image = picture->image;
    struct medvl_span bytes;
    int rc;

    if (medvl_json_get(image, "width") && medvl_json_get(image, "height")) {
        rc = medvl_json_get_int(&picture->width, image, "width", 1,
                                MEDVL_PICTURE_SIDE, err);
        if (rc == MEDVL_OK)
            rc = medvl_json_get_int(&picture->height, image, "height", 1,
                                    MEDVL_PICTURE_SIDE, err);
        return rc;
    }
    rc = medvl_dataset_picture_bytes(&bytes, data, picture, err);
    if (rc < 0)
        return rc;
    return medvl_picture_probe(&picture->width, &picture->height, bytes.data,
                               bytes.size, 0, err);
}

typedef int each_picture_fn(void *arg,
                            const struct medvl_dataset_picture *picture,
                            struct medvl_error *err);

/* Call `each` for every picture, of which no size is known. */
static int64_t walk(const struct medvl_dataset_item *item,
                    each_picture_fn *each, void *arg, struct medvl_error *err)
{
    struct medvl_dataset_picture picture = {.item = item};
    struct medvl_json_view view = {0};
    struct medvl_json *images = NULL;
    struct medvl_span span;
    int rc = medvl_json_view_object(&view, item->record, err);

    span = rc < 0 ? (struct medvl_span){0}
                  : medvl_json_view_get(&view, "images");
    if (span.data)
        rc = medvl_json_parse(&images, span, err);
    if (rc == MEDVL_OK && images &&
        medvl_json_type(images) != MEDVL_JSON_ARRAY)
        rc = medvl_fail(err, MEDVL_EFORMAT, "\"images\" is no array");
    picture.image = medvl_json_first(images);
    while (rc == MEDVL_OK && picture.image) {
        rc = each(arg, &picture, err);
        picture.number++;
        if (rc < 0)
            medvl_context(err, "picture %lld", (long long)picture.number);
        picture.image = medvl_json_next(picture.image);
    }
    medvl_json_free(images);
    medvl_json_view_release(&view);
    return rc < 0 ? rc : picture.number;
}

struct sized {
    struct medvl_dataset *data;
    each_picture_fn *each;
    void *arg;
};

static int each_sized(void *arg, const struct medvl_dataset_picture *picture,
                      struct medvl_error *err)
{
    const struct sized *s = arg;
    struct medvl_dataset_picture one = *picture;
    const int rc = find_size(&one, s->data, err);

    return rc < 0 ? rc : s->each(s->arg, &one, err);
}

int64_t medvl_dataset_pictures(
    struct medvl_dataset *data, const struct medvl_dataset_item *item,
    int (*each)(void *arg, const struct medvl_dataset_picture *picture,
                struct medvl_error *err),
    void *arg, struct medvl_error *err)
{
    struct sized sized = {data, each, arg};

    return walk(item, each_sized, &sized, err);
}

/* ---- opening --------------------------------------------------------- */

struct lengths {
    struct medvl_dataset *data;
    const struct medvl_dataset_entry *entry;
    int64_t tokens, patches;
};

/* Is the picture there?  If not it is counted, and the first are named. */
static int has_picture(const struct lengths *sum,
                       const struct medvl_dataset_picture *picture,
                       struct medvl_error *err)
{
    struct medvl_dataset *d = sum->data;
    const struct set *set = &d->sets[sum->entry->set];
    struct medvl_text path = {0};
    int rc;

    if (set->mds)
        return 1;
    rc = medvl_source_has(&path, d->source, picture->image, err);
    if (rc == 0 && d->missing_count++ < NAMED_PICTURES)
        rc = medvl_text_printf(&d->missing, err, "%s%s:%lld: %.150s",
                               d->missing.size ? ", " : "", set->path,
                               (long long)sum->entry->index + 1, path.data);
    medvl_text_release(&path);
    return rc;
}

static int add_length(void *arg, const struct medvl_dataset_picture *picture,
                      struct medvl_error *err)
{
    struct lengths *sum = arg;
    struct medvl_dataset_picture known = *picture;
    struct medvl_frontend_size one;
    int rc;

    if (!sum->data->frontend)
        return medvl_fail(err, MEDVL_EARG,
                          "has a picture, but the model reads no pictures: "
                          "take \"images\" out of the records, or use a model "
                          "with a vision tower (medvl-merge makes one)");
    rc = has_picture(sum, picture, err);
    if (rc <= 0) /* without it no length is needed */
        return rc;
    rc = find_size(&known, sum->data, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&one, sum->data->frontend, known.width,
                                 known.height, err);
    if (rc < 0)
        return rc;
    sum->tokens += one.tokens;
    sum->patches += one.patches;
    return MEDVL_OK;
}

/* All that are not there in one error. */
static int check_missing(const struct medvl_dataset *d,
                         struct medvl_error *err)
{
    const int64_t count = d->missing_count;
    char more[40] = "";

    if (!count)
        return MEDVL_OK;
    if (count > NAMED_PICTURES)
        snprintf(more, sizeof(more), " and %lld more",
                 (long long)(count - NAMED_PICTURES));
    return medvl_fail(err, MEDVL_EIO,
                      "%lld picture%s not there: %s%s%s", (long long)count,
                      count > 1 ? "s are" : " is", d->missing.data, more,
                      d->options.root
                          ? ""
                          : " (--root says where relative paths start)");
}

static int check_ids(const struct medvl_dataset *d,
                     const struct medvl_dataset_item *item, int64_t pictures,
                     struct medvl_error *err)
{
    const struct medvl_config *config = d->options.config;
    const int64_t vocab = config->decoder.vocab_size;
    int64_t places = 0;

    for (size_t i = 0; i < item->count; i++) {
        places += item->tokens[i] == config->image_token;
        if (item->tokens[i] != config->image_token &&
            (item->tokens[i] < 0 || item->tokens[i] >= vocab))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "token %d is outside the model's vocabulary "
                              "of %d: medvl-tokenize with this model's "
                              "tokenizer",
                              (int)item->tokens[i], (int)vocab);
    }
    if (places != pictures)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%lld pictures, but %lld places for them among the "
                          "tokens: medvl-prompt writes one for each picture, "
                          "which medvl-tokenize with this model's tokenizer "
                          "keeps",
                          (long long)pictures, (long long)places);
    return MEDVL_OK;
}

/* Tokens that are predicted from those before them. */
static int64_t count_learned(const struct medvl_dataset *d,
                             const struct medvl_dataset_item *item)
{
    int64_t learned = 0;

    for (size_t i = 1; i < item->count; i++)
        learned += item->mask[i] &&
                   item->tokens[i] != d->options.config->image_token;
    return learned;
}

/* The entry's lengths; a record that fits no micro-batch is an error. */
static int measure(struct medvl_dataset *d, struct medvl_dataset_entry *e,
                   const struct medvl_dataset_item *item,
                   struct medvl_error *err)
{
    const struct medvl_dataset_options *o = &d->options;
    struct lengths sum = {.data = d, .entry = e};
    const int64_t n = walk(item, add_length, &sum, err);
    int rc = MEDVL_OK;

    if (n < 0)
        return (int)n;
    if (o->dense && n == 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no \"images\", which --objective dense learns from");
    if (!o->dense && !item->count)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"tokens\" holds none: was the text empty?");
    if (!o->dense && rc == MEDVL_OK)
        rc = check_ids(d, item, n, err);
    if (rc < 0)
        return rc;
    e->length = o->dense ? sum.patches
                         : (int64_t)item->count - n + sum.tokens;
    e->learned = o->dense ? 0 : count_learned(d, item);
    if (!o->dense && o->positions && e->length > o->positions)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld tokens; the model has room for %lld "
                          "(max_position_embeddings): leave the record out",
                          (long long)e->length, (long long)o->positions);
    if (e->length > o->limit)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld tokens, above the limit of %lld: raise "
                          "--batch-tokens or --max-tokens, or leave the "
                          "record out",
                          (long long)e->length, (long long)o->limit);
    return MEDVL_OK;
}

static int keep_tokens(struct set *set, struct line *line,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    const struct medvl_span tokens = medvl_record_get(record, "tokens");
    const struct medvl_span mask = medvl_record_get(record, "loss_mask");
    const size_t before = set->token_count;
    int32_t *ones = NULL;
    size_t count = 0, room = 0;
    int rc;

    if (!tokens.data)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no \"tokens\": medvl-tokenize adds them");
    rc = medvl_json_read_ints(&set->tokens, &set->token_count,
                              &set->token_room, tokens, 0, INT32_MAX, err);
    if (rc < 0)
        return medvl_context(err, "\"tokens\"");
    line->token = before;
    line->token_count = set->token_count - before;
    if (mask.data)
        rc = medvl_json_read_ints(&ones, &count, &room, mask, 0, 1, err);
    if (rc == MEDVL_OK && mask.data && count != line->token_count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "\"loss_mask\": %zu values for "
                                            "%zu tokens",
                        count, line->token_count);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&set->mask, &set->mask_room, set->token_count, 1, err);
    for (size_t i = 0; rc == MEDVL_OK && i < line->token_count; i++)
        set->mask[before + i] = mask.data ? (uint8_t)ones[i] : 1;
    medvl_free(ones);
    return rc;
}

struct reading {
    struct medvl_dataset *data;
    struct set *set;
};

static int keep_line(void *arg, struct medvl_record *record,
                     struct medvl_error *err)
{
    struct reading *r = arg;
    struct set *set = r->set;
    struct line *line;
    int rc = medvl_grow(&set->lines, &set->line_room,
                        (size_t)set->count + 1, sizeof(*line), err);

    if (rc < 0)
        return rc;
    line = &set->lines[set->count];
    memset(line, 0, sizeof(*line));
    if (!r->data->options.dense)
        rc = keep_tokens(set, line, record, err);
    medvl_json_view_remove(&record->view, "tokens");
    medvl_json_view_remove(&record->view, "loss_mask");
    line->text = set->text.size;
    if (rc == MEDVL_OK)
        rc = medvl_record_write(&set->text, record, err);
    if (rc < 0)
        return rc;
    line->text_size = set->text.size - line->text;
    medvl_hash_add(set->hash, set->text.data + line->text, line->text_size);
    if (line->token_count)
        medvl_hash_add(set->hash, set->tokens + line->token,
                       line->token_count * sizeof(*set->tokens));
    if (line->token_count)
        medvl_hash_add(set->hash, set->mask + line->token,
                       line->token_count);
    line->text_size--; /* the newline */
    set->count++;
    return MEDVL_OK;
}

int medvl_dataset_weight(double *weight, size_t *path_size, const char *data,
                         struct medvl_error *err)
{
    const char *equal = strrchr(data, '=');

    *weight = 1;
    *path_size = strlen(data);
    if (!equal || medvl_file_exists(data) || medvl_folder_exists(data))
        return MEDVL_OK;
    *path_size = (size_t)(equal - data);
    if (medvl_parse_real(weight, medvl_span(equal + 1), 0, 1e6, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: no such file, and \"%.80s\" is no weight from "
                          "0 to 1e6",
                          data, equal + 1);
    return MEDVL_OK;
}

static int open_set(struct medvl_dataset *d, struct set *set,
                    const char *data, struct medvl_error *err)
{
    const size_t window = d->options.window;
    struct reading r = {d, set};
    size_t size;
    int rc = medvl_dataset_weight(&set->weight, &size, data, err);

    if (rc < 0)
        return rc;
    set->path = medvl_copy_string(data, size);
    if (!set->path)
        return medvl_no_memory(err);
    if (medvl_folder_exists(set->path)) {
        rc = medvl_mds_open_records(&set->mds, set->path,
                                    window + window / 4, err);
        if (rc == MEDVL_OK)
            set->count = medvl_mds_count(set->mds);
    } else {
        rc = medvl_hash_new(&set->hash, err);
        if (rc == MEDVL_OK)
            rc = medvl_loop_each(set->path, 0, keep_line, &r, err);
    }
    if (rc == MEDVL_OK && !set->count)
        rc = medvl_fail(err, MEDVL_EARG, "%s: no records", set->path);
    return rc;
}

/* Does the record begin a chunk of its set?  Empty shards are none. */
static bool begins_chunk(struct medvl_dataset *d,
                         const struct medvl_dataset_entry *e)
{
    struct set *set = &d->sets[e->set];
    bool begins = e->index == 0;

    while (set->mds &&
           medvl_mds_shard_first(set->mds, set->next_shard) <= e->index) {
        set->next_shard++;
        begins = true;
    }
    return begins;
}

/* The entry's chunk, and what the record takes of it. */
static int add_to_chunk(struct medvl_dataset *d,
                        struct medvl_dataset_entry *e,
                        const struct medvl_dataset_item *item,
                        struct medvl_error *err)
{
    struct medvl_dataset_chunk *chunk;
    int rc;

    if (begins_chunk(d, e)) {
        rc = medvl_grow(&d->chunks, &d->chunk_room, d->chunk_count + 1,
                        sizeof(*d->chunks), err);
        if (rc < 0)
            return rc;
        chunk = &d->chunks[d->chunk_count++];
        chunk->set = e->set;
        chunk->bytes = d->sets[e->set].mds ? SHARD_HEAD : 0;
    }
    chunk = &d->chunks[d->chunk_count - 1];
    if (d->sets[e->set].mds)
        chunk->bytes += item->bytes + SAMPLE_HEAD;
    e->chunk = (int32_t)(d->chunk_count - 1);
    return MEDVL_OK;
}

static int add_entries(struct medvl_dataset *d, int64_t s,
                       struct medvl_error *err)
{
    const int64_t count = d->sets[s].count;
    int rc = medvl_grow(&d->entries, &d->room, d->count + (size_t)count,
                        sizeof(*d->entries), err);

    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++) {
        struct medvl_dataset_entry *e = &d->entries[d->count];
        struct medvl_dataset_item item;

        memset(e, 0, sizeof(*e));
        e->set = s;
        e->index = i;
        e->weight = 1;
        e->repeat = d->sets[s].weight;
        rc = medvl_dataset_read(&item, d, (int64_t)d->count, err);
        if (rc == MEDVL_OK)
            rc = measure(d, e, &item, err);
        if (rc == MEDVL_OK)
            rc = add_to_chunk(d, e, &item, err);
        if (rc == MEDVL_OK)
            rc = medvl_origins_add(&d->origins, item.record, err);
        if (rc < 0)
            return medvl_dataset_context(d, (int64_t)d->count, &item, err);
        d->count++;
    }
    return rc;
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Hash of the balance field of every entry. */
static int balance_keys(uint64_t *keys, struct medvl_dataset *d,
                        struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    int rc = MEDVL_OK;

    for (size_t i = 0; i < d->count && rc == MEDVL_OK; i++) {
        struct medvl_span value;
        struct medvl_dataset_item item;

        rc = medvl_dataset_read(&item, d, (int64_t)i, err);
        if (rc == MEDVL_OK)
            rc = medvl_json_view_object(&view, item.record, err);
        if (rc < 0)
            break;
        value = medvl_json_view_get(&view, d->options.balance);
        if (!value.data) {
            medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing",
                       d->options.balance);
            rc = medvl_dataset_context(d, (int64_t)i, &item, err);
            break;
        }
        keys[i] = medvl_hash64(value.data, value.size);
    }
    medvl_json_view_release(&view);
    return rc;
}

/* Of the sorted keys, how many are below `key`; with `equal`, or it. */
static size_t below(const uint64_t *sorted, size_t count, uint64_t key,
                    bool equal)
{
    size_t low = 0;

    while (count > 0) {
        const size_t half = count / 2;

        if (sorted[low + half] < key ||
            (equal && sorted[low + half] == key)) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

/* weight = records / (classes * records of the same class). */
static int balance(struct medvl_dataset *d, struct medvl_error *err)
{
    uint64_t *keys = medvl_alloc(d->count, sizeof(*keys));
    uint64_t *sorted = medvl_alloc(d->count, sizeof(*sorted));
    size_t classes = 0;
    int rc = MEDVL_OK;

    if (!keys || !sorted)
        rc = medvl_no_memory(err);
    if (rc == MEDVL_OK)
        rc = balance_keys(keys, d, err);
    if (rc < 0)
        goto done;
    memcpy(sorted, keys, d->count * sizeof(*keys));
    qsort(sorted, d->count, sizeof(*sorted), compare_u64);
    for (size_t i = 0; i < d->count; i++)
        classes += i == 0 || sorted[i] != sorted[i - 1];
    for (size_t i = 0; i < d->count; i++) {
        const size_t same = below(sorted, d->count, keys[i], true) -
                            below(sorted, d->count, keys[i], false);

        d->entries[i].weight = (float)((double)d->count / (double)classes /
                                       (double)same);
    }
done:
    medvl_free(keys);
    medvl_free(sorted);
    return rc;
}

static void set_hash(char hex[33], const struct set *set)
{
    if (set->mds)
        memcpy(hex, medvl_mds_hash(set->mds), 33);
    else
        medvl_hash_hex(hex, set->hash);
}

static int hash_sets(struct medvl_dataset *d, struct medvl_error *err)
{
    struct medvl_hash *hash;
    char hex[33];
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    for (int64_t s = 0; s < d->options.data_count; s++) {
        struct set *set = &d->sets[s];

        set_hash(hex, set);
        medvl_hash_add(hash, hex, sizeof(hex));
        medvl_hash_add(hash, &set->weight, sizeof(set->weight));
    }
    medvl_hash_hex(d->hash, hash);
    medvl_hash_free(hash);
    return MEDVL_OK;
}

static int open_sets(struct medvl_dataset *d, struct medvl_error *err)
{
    int rc = medvl_source_open(&d->source, d->options.root, 0, err);

    for (int64_t s = 0; rc == MEDVL_OK && s < d->options.data_count; s++) {
        rc = open_set(d, &d->sets[s], d->options.data[s], err);
        if (rc == MEDVL_OK)
            rc = add_entries(d, s, err);
    }
    if (rc == MEDVL_OK)
        rc = check_missing(d, err);
    if (rc == MEDVL_OK && d->options.balance)
        rc = balance(d, err);
    if (rc == MEDVL_OK)
        rc = hash_sets(d, err);
    return rc;
}

int medvl_dataset_open(struct medvl_dataset **out,
                       const struct medvl_dataset_options *options,
                       const struct medvl_frontend *frontend,
                       struct medvl_error *err)
{
    struct medvl_dataset *d = medvl_alloc(1, sizeof(*d));
    int rc;

    *out = NULL;
    if (!d)
        return medvl_no_memory(err);
    d->options = *options;
    if (!d->options.window)
        d->options.window = MEDVL_DATASET_WINDOW;
    d->frontend = frontend;
    d->sets = medvl_alloc((size_t)options->data_count, sizeof(*d->sets));
    rc = d->sets ? open_sets(d, err) : medvl_no_memory(err);
    if (rc == MEDVL_OK) {
        *out = d;
        d = NULL;
    }
    medvl_dataset_free(d);
    return rc;
}

void medvl_dataset_free(struct medvl_dataset *data)
{
    if (!data)
        return;
    for (int64_t s = 0; data->sets && s < data->options.data_count; s++) {
        struct set *set = &data->sets[s];

        medvl_free(set->path);
        medvl_mds_free(set->mds);
        medvl_free(set->lines);
        medvl_text_release(&set->text);
        medvl_free(set->tokens);
        medvl_free(set->mask);
        medvl_hash_free(set->hash);
    }
    medvl_source_free(data->source);
    medvl_text_release(&data->missing);
    medvl_free(data->sets);
    medvl_free(data->entries);
    medvl_free(data->chunks);
    medvl_origins_release(&data->origins);
    medvl_free(data->scratch_tokens);
    medvl_free(data->scratch_mask);
    medvl_free(data);
}

bool medvl_dataset_set(struct medvl_dataset_set *out,
                       const struct medvl_dataset *data, int64_t i)
{
    const struct set *set = &data->sets[i];

    if (i >= data->options.data_count)
        return false;
    out->shards = set->mds != NULL;
    out->weight = set->weight;
    out->records = set->count;
    set_hash(out->hash, set);
    return true;
}

const struct medvl_origins *
medvl_dataset_origins(const struct medvl_dataset *data)
{
    return &data->origins;
}

int64_t medvl_dataset_count(const struct medvl_dataset *data)
{
    return (int64_t)data->count;
}

const struct medvl_dataset_entry *
medvl_dataset_entry(const struct medvl_dataset *data, int64_t record)
{
    return &data->entries[record];
}

const struct medvl_dataset_chunk *
medvl_dataset_chunks(int64_t *count, const struct medvl_dataset *data)
{
    *count = (int64_t)data->chunk_count;
    return data->chunks;
}

size_t medvl_dataset_window(const struct medvl_dataset *data)
{
    return data->options.window;
}

const char *medvl_dataset_hash(const struct medvl_dataset *data)
{
    return data->hash;
}
