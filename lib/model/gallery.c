/*
 * Kept features in a list, the longest unused let go first.
 *
 * Read next: prefix.h.
 */
#include "lib/model/gallery.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define LIMIT   ((size_t)256 << 20)
#define ENTRIES 1024

struct entry {
    struct medvl_picture_key key;
    int64_t tokens;
    float *features; /* (tokens, C); NULL: not encoded yet */
    int64_t asked;   /* when for the last time */
};

struct medvl_gallery {
    const struct medvl_model *model;
    size_t limit, kept; /* bytes of features */
    struct entry *entries;
    size_t count, room;
    int64_t now; /* begins so far */

    /* What is asked for: entries, and what of it is new. */
    size_t *asked, *fresh;
    size_t asked_count, asked_room, fresh_count, fresh_room;
    float *rows; /* of the new ones */
    size_t row_room;
    int64_t patches, row;
    float *features; /* of all that is asked for */
    size_t feature_room;

    int64_t encoded;
};

/* ---- keys ------------------------------------------------------------ */

void medvl_picture_keys(struct medvl_picture_key *keys,
                        const struct medvl_pictures *pictures)
{
    const struct medvl_tensor *rows = &pictures->rows;
    const float *data = rows->data;

    for (int64_t i = 0; i < pictures->count; i++) {
        const int64_t items =
            medvl_grid_patches(&pictures->grids[i]) * rows->size[1];

        memset(&keys[i], 0, sizeof(keys[i]));
        keys[i].grid = pictures->grids[i];
        medvl_hash128_hex(keys[i].hash, data, (size_t)items * sizeof(*data));
        data += items;
    }
}

bool medvl_picture_same(const struct medvl_picture_key *a,
                        const struct medvl_picture_key *b)
{
    return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0 &&
           memcmp(&a->grid, &b->grid, sizeof(a->grid)) == 0;
}

/* ---- the list -------------------------------------------------------- */

int medvl_gallery_open(struct medvl_gallery **out,
                       const struct medvl_model *model, size_t limit,
                       struct medvl_error *err)
{
    struct medvl_gallery *g = medvl_alloc(1, sizeof(*g));

    *out = g;
    if (!g)
        return medvl_no_memory(err);
    g->model = model;
    g->limit = limit ? limit : LIMIT;
    return MEDVL_OK;
}

static size_t bytes_of(const struct medvl_gallery *g, const struct entry *e)
{
    return (size_t)(e->tokens * g->model->config.decoder.hidden) *
           sizeof(float);
}

static void let_go(struct medvl_gallery *g, size_t i)
{
    if (g->entries[i].features)
        g->kept -= bytes_of(g, &g->entries[i]);
    medvl_free(g->entries[i].features);
    g->entries[i] = g->entries[--g->count];
}

void medvl_gallery_forget(struct medvl_gallery *gallery)
{
    while (gallery->count)
        let_go(gallery, gallery->count - 1);
    gallery->asked_count = gallery->fresh_count = 0;
}

void medvl_gallery_free(struct medvl_gallery *gallery)
{
    if (!gallery)
        return;
    medvl_gallery_forget(gallery);
    medvl_free(gallery->entries);
    medvl_free(gallery->asked);
    medvl_free(gallery->fresh);
    medvl_free(gallery->rows);
    medvl_free(gallery->features);
    medvl_free(gallery);
}

/* What was asked for but never encoded goes, then the longest unused. */
void medvl_gallery_begin(struct medvl_gallery *gallery)
{
    struct medvl_gallery *g = gallery;

    for (size_t i = g->count; i-- > 0;)
        if (!g->entries[i].features)
            let_go(g, i);
    while (g->kept > g->limit || g->count > ENTRIES) {
        size_t oldest = 0;

        for (size_t i = 1; i < g->count; i++)
            if (g->entries[i].asked < g->entries[oldest].asked)
                oldest = i;
        let_go(g, oldest);
    }
    g->now++;
    g->asked_count = g->fresh_count = 0;
    g->patches = 0;
}

/* The entry of this picture, made when there is none. */
static int find(size_t *out, struct medvl_gallery *g,
                const struct medvl_picture_key *key, struct medvl_error *err)
{
    int rc;

    for (size_t i = 0; i < g->count; i++)
        if (medvl_picture_same(&g->entries[i].key, key)) {
            *out = i;
            return MEDVL_OK;
        }
    rc = medvl_grow(&g->entries, &g->room, g->count + 1, sizeof(*g->entries),
                    err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&g->fresh, &g->fresh_room, g->fresh_count + 1,
                        sizeof(*g->fresh), err);
    if (rc < 0)
        return rc;
    g->entries[g->count] = (struct entry){
        .key = *key,
        .tokens = medvl_grid_tokens(&g->model->config, &key->grid)};
    g->fresh[g->fresh_count++] = *out = g->count++;
    return MEDVL_OK;
}

static int add_one(struct medvl_gallery *g,
                   const struct medvl_picture_key *key, const float *rows,
                   struct medvl_error *err)
{
    const size_t fresh = g->fresh_count;
    const int64_t more = medvl_grid_patches(&key->grid);
    const size_t before = (size_t)(g->patches * g->row);
    size_t i = 0;
    int rc = medvl_grow(&g->asked, &g->asked_room, g->asked_count + 1,
                        sizeof(*g->asked), err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&g->rows, &g->row_room,
                        before + (size_t)(more * g->row), sizeof(*g->rows),
                        err);
    if (rc == MEDVL_OK)
        rc = find(&i, g, key, err);
    if (rc < 0)
        return rc;
    if (g->fresh_count > fresh) {
        memcpy(g->rows + before, rows,
               (size_t)(more * g->row) * sizeof(*rows));
        g->patches += more;
    }
    g->entries[i].asked = g->now;
    g->asked[g->asked_count++] = i;
    return MEDVL_OK;
}

int medvl_gallery_add(struct medvl_gallery *gallery,
                      const struct medvl_pictures *pictures,
                      struct medvl_error *err)
{
    struct medvl_picture_key *keys =
        medvl_alloc((size_t)pictures->count, sizeof(*keys));
    const float *rows = pictures->rows.data;
    int rc = keys ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        medvl_picture_keys(keys, pictures);
    gallery->row = pictures->rows.size[1];
    for (int64_t i = 0; i < pictures->count && rc == MEDVL_OK; i++) {
        rc = add_one(gallery, &keys[i], rows, err);
        rows += medvl_grid_patches(&keys[i].grid) * gallery->row;
    }
    medvl_free(keys);
    return rc;
}

/* ---- encoding -------------------------------------------------------- */

static int keep_features(struct medvl_gallery *g, const float *values,
                         struct medvl_error *err)
{
    for (size_t i = 0; i < g->fresh_count; i++) {
        struct entry *e = &g->entries[g->fresh[i]];
        const size_t bytes = bytes_of(g, e);

        e->features = medvl_alloc(bytes, 1);
        if (!e->features)
            return medvl_no_memory(err);
        memcpy(e->features, values, bytes);
        values += bytes / sizeof(*values);
        g->kept += bytes;
        g->encoded++;
    }
    g->fresh_count = 0;
    return MEDVL_OK;
}

static int encode(struct medvl_gallery *g, struct medvl_tape *tape,
                  struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_pictures pictures = {.count = (int64_t)g->fresh_count};
    struct medvl_grid *grids = medvl_alloc(g->fresh_count, sizeof(*grids));
    struct medvl_var *x;
    int rc, end;

    if (!grids)
        return medvl_no_memory(err);
    for (size_t i = 0; i < g->fresh_count; i++)
        grids[i] = g->entries[g->fresh[i]].key.grid;
    pictures.grids = grids;
    pictures.rows = medvl_tensor_2d(g->rows, MEDVL_DTYPE_F32, g->patches,
                                    g->row);
    medvl_tape_begin(tape, &options, NULL);
    x = medvl_vlm_encode(tape, g->model, &pictures);
    rc = medvl_tape_check(tape, err);
    if (rc == MEDVL_OK)
        rc = keep_features(g, x->value.data, err);
    end = medvl_tape_end(tape, rc < 0 ? NULL : err);
    medvl_free(grids);
    return rc < 0 ? rc : end;
}

int medvl_gallery_features(struct medvl_tensor *out,
                           struct medvl_gallery *gallery,
                           struct medvl_tape *tape, struct medvl_error *err)
{
    struct medvl_gallery *g = gallery;
    const int64_t width = g->model->config.decoder.hidden;
    int64_t tokens = 0;
    char *to;
    int rc = g->fresh_count ? encode(g, tape, err) : MEDVL_OK;

    for (size_t i = 0; i < g->asked_count; i++)
        tokens += g->entries[g->asked[i]].tokens;
    if (rc == MEDVL_OK)
        rc = medvl_grow(&g->features, &g->feature_room,
                        (size_t)(tokens * width), sizeof(*g->features), err);
    if (rc < 0)
        return rc;
    to = (char *)g->features;
    for (size_t i = 0; i < g->asked_count; i++) {
        const struct entry *e = &g->entries[g->asked[i]];

        memcpy(to, e->features, bytes_of(g, e));
        to += bytes_of(g, e);
    }
    *out = medvl_tensor_2d(g->features, MEDVL_DTYPE_F32, tokens, width);
    return MEDVL_OK;
}

int64_t medvl_gallery_encoded(const struct medvl_gallery *gallery)
{
    return gallery->encoded;
}
