/*
 * The loader: an order of records for each epoch and packs of that order.
 * Reading a micro-batch copies its records first, in order, then decodes
 * its pictures on the team.
 */
#include "lib/train/loader.h"

#include <string.h>

#include "lib/base/mem.h"

/* Arrays of one micro-batch; kept and reused. */
struct store {
    int32_t *ids, *positions, *target, *cu, *picture_token;
    float *weight;
    size_t ids_room, positions_room, target_room, cu_room;
    size_t picture_token_room, weight_room;
    struct medvl_sample *samples;
    size_t sample_room, sample_count;
    struct medvl_text text; /* ids and records of the samples */
    size_t *text_at;        /* two a sample: id, record; then ends */
    size_t text_at_room;
    struct medvl_text files; /* bytes of the pictures */
    size_t *file_at;         /* offset of each, and the end */
    size_t file_room;
    int32_t *sizes; /* width and height of each */
    size_t size_room;
    struct medvl_grid *grids; /* of each */
    int64_t *row_at;          /* patch row that it begins at */
    size_t grid_room, row_room;
    int64_t tokens, pictures, picture_tokens, patches, row;
    float *rows;
    size_t rows_room;
};

struct medvl_loader {
    struct medvl_loader_options options;
    const struct medvl_frontend *frontend;
    struct medvl_pool *pool;
    struct medvl_dataset *data;
    int64_t epoch; /* of the order; -1: none */
    struct medvl_order order;
    int64_t *packs; /* first place in order of each micro-batch, and the end */
    size_t pack_count, pack_room;
    struct store *stores; /* accumulate of them */
    struct medvl_microbatch *micro;
};

int medvl_loader_open(struct medvl_loader **out,
                      const struct medvl_loader_options *options,
                      const struct medvl_frontend *frontend,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    struct medvl_loader *l = medvl_alloc(1, sizeof(*l));
    struct medvl_dataset_options data = options->data;
    int rc;

    *out = NULL;
    if (!l)
        return medvl_no_memory(err);
    l->options = *options;
    l->frontend = frontend;
    l->pool = pool;
    l->epoch = -1;
    if (!data.limit || data.limit > options->batch_tokens)
        data.limit = options->batch_tokens;
    l->stores = medvl_alloc((size_t)options->accumulate, sizeof(*l->stores));
    l->micro = medvl_alloc((size_t)options->accumulate, sizeof(*l->micro));
    if (!l->stores || !l->micro)
        rc = medvl_no_memory(err);
    else
        rc = medvl_dataset_open(&l->data, &data, frontend, err);
    if (rc == MEDVL_OK) {
        *out = l;
        l = NULL;
    }
    medvl_loader_free(l);
    return rc;
}

static void free_store(struct store *s)
{
    medvl_free(s->ids);
    medvl_free(s->positions);
    medvl_free(s->target);
    medvl_free(s->cu);
    medvl_free(s->picture_token);
    medvl_free(s->weight);
    medvl_free(s->samples);
    medvl_text_release(&s->text);
    medvl_free(s->text_at);
    medvl_text_release(&s->files);
    medvl_free(s->file_at);
    medvl_free(s->sizes);
    medvl_free(s->rows);
    medvl_free(s->grids);
    medvl_free(s->row_at);
}

void medvl_loader_free(struct medvl_loader *loader)
{
    if (!loader)
        return;
    for (int64_t i = 0; loader->stores && i < loader->options.accumulate; i++)
        free_store(&loader->stores[i]);
    medvl_free(loader->stores);
    medvl_free(loader->micro);
    medvl_order_release(&loader->order);
    medvl_free(loader->packs);
    medvl_dataset_free(loader->data);
    medvl_free(loader);
}

struct medvl_dataset *medvl_loader_data(const struct medvl_loader *loader)
{
    return loader->data;
}

/* ---- order and packs ------------------------------------------------- */

static int push_pack(struct medvl_loader *l, size_t first,
                     struct medvl_error *err)
{
    const int rc = medvl_grow(&l->packs, &l->pack_room, l->pack_count + 1,
                              sizeof(*l->packs), err);

    if (rc == MEDVL_OK)
        l->packs[l->pack_count++] = (int64_t)first;
    return rc;
}

static int pack(struct medvl_loader *l, struct medvl_error *err)
{
    int64_t filled = 0;
    int rc = MEDVL_OK;

    l->pack_count = 0;
    for (size_t i = 0; i < l->order.count && rc == MEDVL_OK; i++) {
        const int64_t length =
            medvl_dataset_entry(l->data, l->order.records[i])->length;

        if (i == 0 || filled + length > l->options.batch_tokens) {
            rc = push_pack(l, i, err);
            filled = 0;
        }
        filled += length;
    }
    if (rc == MEDVL_OK)
        rc = push_pack(l, l->order.count, err);
    return rc;
}

static int set_epoch(struct medvl_loader *l, int64_t epoch,
                     struct medvl_error *err)
{
    int rc;

    if (l->epoch == epoch)
        return MEDVL_OK;
    l->epoch = -1;
    rc = medvl_order_list(&l->order, l->data, l->options.seed, epoch, err);
    if (rc == MEDVL_OK && !l->options.in_order)
        rc = medvl_order_shuffle(&l->order, l->data, l->options.seed, epoch,
                                 err);
    if (rc == MEDVL_OK)
        rc = pack(l, err);
    if (rc == MEDVL_OK)
        l->epoch = epoch;
    return rc;
}

int medvl_loader_steps(int64_t *out, struct medvl_loader *loader,
                       int64_t epoch, struct medvl_error *err)
{
    const int64_t a = loader->options.accumulate;
    const int rc = set_epoch(loader, epoch, err);

    if (rc == MEDVL_OK)
        *out = ((int64_t)loader->pack_count - 1 + a - 1) / a;
    return rc;
}

/* ---- a micro-batch --------------------------------------------------- */

/* Where keep_picture puts what it is called with. */
struct keeping {
    struct medvl_dataset *data;
    const struct medvl_frontend *frontend;
    struct store *store;
};

static int keep_picture(void *arg,
                        const struct medvl_dataset_picture *picture,
                        struct medvl_error *err)
{
    const struct keeping *keep = arg;
    struct store *s = keep->store;
    const size_t p = (size_t)s->pictures;
    struct medvl_frontend_size size;
    struct medvl_span bytes;
    int rc = medvl_grow(&s->file_at, &s->file_room, p + 2,
                        sizeof(*s->file_at), err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->grids, &s->grid_room, p + 1, sizeof(*s->grids),
                        err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->row_at, &s->row_room, p + 1, sizeof(*s->row_at),
                        err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->sizes, &s->size_room, 2 * p + 2,
                        sizeof(*s->sizes), err);
    if (rc == MEDVL_OK)
        rc = medvl_dataset_picture_bytes(&bytes, keep->data, picture, err);
    if (rc < 0)
        return rc;
    s->file_at[p] = s->files.size;
    rc = medvl_text_append(&s->files, bytes.data, bytes.size, err);
    s->file_at[p + 1] = s->files.size;
    s->sizes[2 * p] = (int32_t)picture->width;
    s->sizes[2 * p + 1] = (int32_t)picture->height;
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&size, keep->frontend, picture->width,
                                 picture->height, err);
    if (rc < 0)
        return rc;
    s->grids[p] = size.grid;
    s->row_at[p] = s->patches;
    s->patches += size.patches;
    s->row = size.row;
    s->pictures++;
    return MEDVL_OK;
}

static int grow_tokens(struct store *s, int64_t more, int64_t axes,
                       struct medvl_error *err)
{
    const size_t need = (size_t)(s->tokens + more);
    int rc = medvl_grow(&s->ids, &s->ids_room, need, sizeof(*s->ids), err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->positions, &s->positions_room,
                        need * (size_t)axes, sizeof(*s->positions), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->target, &s->target_room, need,
                        sizeof(*s->target), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->weight, &s->weight_room, need,
                        sizeof(*s->weight), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->picture_token, &s->picture_token_room, need,
                        sizeof(*s->picture_token), err);
    return rc;
}

/* Expanded ids into the store: positions, targets, picture places. */
static int place_tokens(struct store *s, const struct medvl_config *config,
                        const struct medvl_dataset_item *item,
                        int64_t first_picture, const int32_t *ids,
                        const int32_t *from, int64_t count, float weight,
                        struct medvl_error *err)
{
    const int64_t axes = medvl_config_axes(config);
    const int64_t first = s->tokens;
    int rc = grow_tokens(s, count, axes, err);

    if (rc < 0)
        return rc;
    medvl_grid_positions(s->positions + first * axes, config, ids, count,
                         s->grids + first_picture, 0);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = first + i;
        const bool learn = i + 1 < count && ids[i + 1] >= 0 &&
                           item->mask[from[i + 1]];

        s->ids[at] = ids[i];
        s->target[at] = learn ? ids[i + 1] : -1;
        s->weight[at] = learn ? weight : 0;
        if (ids[i] < 0)
            s->picture_token[s->picture_tokens++] = (int32_t)at;
    }
    s->tokens += count;
    return MEDVL_OK;
}

static int add_tokens(struct medvl_loader *l, struct store *s,
                      const struct medvl_dataset_item *item,
                      int64_t first_picture, float weight,
                      struct medvl_error *err)
{
    const struct medvl_config *config = l->options.data.config;
    int32_t *ids = NULL, *from = NULL;
    int64_t count = 0;
    int rc = medvl_vlm_expand(&ids, &from, &count, config, item->tokens,
                              (int64_t)item->count, s->grids + first_picture,
                              s->pictures - first_picture, err);

    if (rc == MEDVL_OK)
        rc = place_tokens(s, config, item, first_picture, ids, from, count,
                          weight, err);
    medvl_free(ids);
    medvl_free(from);
    return rc;
}

/* The id as a C string and the record's JSON; pointers are set at the end,
 * when the text no longer moves. */
static int keep_text(struct store *s, struct medvl_span record,
                     struct medvl_error *err)
{
    const size_t n = s->sample_count;
    struct medvl_json_view view = {0};
    struct medvl_span id;
    int rc = medvl_grow(&s->text_at, &s->text_at_room, 2 * n + 3,
                        sizeof(*s->text_at), err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_object(&view, record, err);
    if (rc < 0)
        goto done;
    id = medvl_json_view_get(&view, "id");
    s->text_at[2 * n] = s->text.size;
    if (id.data && id.size && id.data[0] == '"')
        rc = medvl_json_unescape(&s->text, id, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&s->text, '\0', err);
    s->text_at[2 * n + 1] = s->text.size;
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&s->text, record.data, record.size, err);
    s->text_at[2 * n + 2] = s->text.size;
done:
    medvl_json_view_release(&view);
    return rc;
}

static int read_sample(struct medvl_loader *l, struct store *s,
                       int64_t record, struct medvl_error *err)
{
    const int64_t first_picture = s->pictures;
    struct keeping keep = {l->data, l->frontend, s};
    struct medvl_dataset_item item;
    int64_t n;
    int rc = medvl_dataset_read(&item, l->data, record, err);

    if (rc == MEDVL_OK) {
        n = medvl_dataset_pictures(l->data, &item, keep_picture, &keep, err);
        rc = n < 0 ? (int)n : MEDVL_OK;
    }
    if (rc == MEDVL_OK && !l->options.data.dense)
        rc = add_tokens(l, s, &item, first_picture,
                        medvl_dataset_entry(l->data, record)->weight, err);
    if (rc == MEDVL_OK)
        rc = keep_text(s, item.record, err);
    if (rc < 0)
        return medvl_dataset_context(l->data, record, &item, err);
    return MEDVL_OK;
}

static int add_sample(struct medvl_loader *l, struct store *s,
                      int64_t record, struct medvl_error *err)
{
    const int64_t first_token = s->tokens, first_picture = s->pictures;
    const int64_t first_patch = s->patches;
    struct medvl_sample *sample;
    int rc = read_sample(l, s, record, err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->samples, &s->sample_room, s->sample_count + 1,
                        sizeof(*s->samples), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->cu, &s->cu_room, s->sample_count + 2,
                        sizeof(*s->cu), err);
    if (rc < 0)
        return rc;
    sample = &s->samples[s->sample_count];
    memset(sample, 0, sizeof(*sample));
    sample->first_token = first_token;
    sample->token_count = s->tokens - first_token;
    sample->first_picture = first_picture;
    sample->picture_count = s->pictures - first_picture;
    sample->first_patch = first_patch;
    sample->patch_count = s->patches - first_patch;
    s->cu[0] = 0;
    s->cu[++s->sample_count] = (int32_t)s->tokens;
    return MEDVL_OK;
}

/* Pictures to patch rows: one task a picture. */
struct decoding {
    const struct medvl_loader *loader;
    struct store *store;
    struct medvl_error *errors;
};

static void decode_task(void *arg, int64_t index, int thread)
{
    const struct decoding *d = arg;
    const struct store *s = d->store;
    struct medvl_error *err = &d->errors[index];
    struct medvl_picture picture = {0};
    int rc = medvl_picture_decode(&picture, s->files.data + s->file_at[index],
                                  s->file_at[index + 1] - s->file_at[index],
                                  0, err);

    (void)thread;
    if (rc == MEDVL_OK && (picture.width != s->sizes[2 * index] ||
                           picture.height != s->sizes[2 * index + 1]))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "the picture is %lld x %lld, the record says %d x %d",
                        (long long)picture.width, (long long)picture.height,
                        (int)s->sizes[2 * index],
                        (int)s->sizes[2 * index + 1]);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_rows(s->rows + s->row_at[index] * s->row,
                                 d->loader->frontend, &picture, err);
    medvl_picture_release(&picture);
    if (rc < 0)
        err->code = (enum medvl_status)rc;
}

/* The first picture's error, with its record named; `records` are the
 * samples'. */
static int first_error(const struct medvl_loader *l, const struct store *s,
                       const int64_t *records,
                       const struct medvl_error *errors,
                       struct medvl_error *err)
{
    for (int64_t p = 0; p < s->pictures; p++) {
        struct medvl_dataset_item item = {0};
        int64_t i = 0, first;

        if (errors[p].code == MEDVL_OK)
            continue;
        while (s->samples[i].first_picture + s->samples[i].picture_count <= p)
            i++;
        first = s->samples[i].first_picture;
        item.record = s->samples[i].record;
        medvl_fail(err, errors[p].code, "picture %lld: %s",
                   (long long)(p - first) + 1, errors[p].text);
        return medvl_dataset_context(l->data, records[i], &item, err);
    }
    return MEDVL_OK;
}

static int decode(struct medvl_loader *l, struct store *s,
                  struct medvl_tensor *rows, const int64_t *records,
                  struct medvl_error *err)
{
    struct medvl_error *errors =
        medvl_alloc((size_t)s->pictures, sizeof(*errors));
    struct decoding d = {l, s, errors};
    int rc = errors ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&s->rows, &s->rows_room,
                        (size_t)(s->patches * s->row), sizeof(*s->rows),
                        err);
    if (rc == MEDVL_OK) {
        medvl_pool_run(l->pool, s->pictures, decode_task, &d);
        rc = first_error(l, s, records, errors, err);
        *rows = medvl_tensor_2d(s->rows, MEDVL_DTYPE_F32, s->patches, s->row);
    }
    medvl_free(errors);
    return rc;
}

static void set_pointers(struct store *s)
{
    for (size_t i = 0; i < s->sample_count; i++) {
        struct medvl_sample *sample = &s->samples[i];

        sample->id = s->text.data + s->text_at[2 * i];
        sample->record.data = s->text.data + s->text_at[2 * i + 1];
        sample->record.size = s->text_at[2 * i + 2] - s->text_at[2 * i + 1];
        sample->sizes = s->sizes + 2 * sample->first_picture;
    }
}

static int read_micro(struct medvl_microbatch *micro, struct medvl_loader *l,
                      struct store *s, int64_t number,
                      struct medvl_error *err)
{
    int rc = MEDVL_OK;

    s->tokens = s->pictures = s->picture_tokens = s->patches = 0;
    s->sample_count = 0;
    medvl_text_clear(&s->text);
    medvl_text_clear(&s->files);
    memset(micro, 0, sizeof(*micro));
    for (int64_t i = l->packs[number];
         i < l->packs[number + 1] && rc == MEDVL_OK; i++)
        rc = add_sample(l, s, l->order.records[i], err);
    if (rc < 0)
        return rc;
    set_pointers(s);
    if (s->pictures)
        rc = decode(l, s, &micro->batch.pictures.rows,
                    l->order.records + l->packs[number], err);
    micro->batch.tokens.tokens = s->tokens;
    micro->batch.tokens.sequences = (int64_t)s->sample_count;
    micro->batch.tokens.ids = s->ids;
    micro->batch.tokens.positions = s->positions;
    micro->batch.tokens.cu = s->cu;
    micro->batch.pictures.count = s->pictures;
    micro->batch.pictures.grids = s->grids;
    micro->batch.picture_token = s->picture_token;
    micro->batch.picture_tokens = s->picture_tokens;
    micro->target = s->target;
    micro->weight = s->weight;
    micro->samples = s->samples;
    micro->sample_count = (int64_t)s->sample_count;
    return rc;
}

int medvl_loader_read(struct medvl_step *out, struct medvl_loader *loader,
                      int64_t epoch, int64_t index, struct medvl_error *err)
{
    const int64_t a = loader->options.accumulate;
    int rc = set_epoch(loader, epoch, err);
    int64_t first = index * a, last = first + a;

    if (rc < 0)
        return rc;
    memset(out, 0, sizeof(*out));
    if (last > (int64_t)loader->pack_count - 1)
        last = (int64_t)loader->pack_count - 1;
    out->epoch = epoch;
    out->index = index;
    out->micro = loader->micro;
    for (int64_t m = first; m < last && rc == MEDVL_OK; m++) {
        struct medvl_microbatch *micro = &loader->micro[m - first];

        rc = read_micro(micro, loader, &loader->stores[m - first], m, err);
        out->micro_count++;
        out->tokens += micro->batch.tokens.tokens;
        out->pictures += micro->batch.pictures.count;
        for (int64_t i = 0; i < micro->batch.tokens.tokens; i++)
            out->weight += micro->weight[i];
    }
    return rc;
}
