/*
 * Prompts by slot, compared token by token and picture by picture.
 *
 * Read next: sampler.h.
 */
#include "lib/model/prefix.h"

#include <string.h>

#include "lib/base/mem.h"

struct held {
    int32_t *ids;
    struct medvl_picture_key *keys;
    size_t id_room, key_room;
    int64_t count, ready, pictures, stage;
    int64_t used;
};

struct medvl_prefix {
    const struct medvl_config *config;
    int64_t slots, now;
    struct held *held; /* (slots) */
};

int medvl_prefix_open(struct medvl_prefix **out,
                      const struct medvl_config *config, int64_t slots,
                      struct medvl_error *err)
{
    struct medvl_prefix *p = medvl_alloc(1, sizeof(*p));

    *out = NULL;
    if (p)
        p->held = medvl_alloc((size_t)slots, sizeof(*p->held));
    if (!p || !p->held) {
        medvl_free(p);
        return medvl_no_memory(err);
    }
    p->config = config;
    p->slots = slots;
    *out = p;
    return MEDVL_OK;
}

void medvl_prefix_free(struct medvl_prefix *prefix)
{
    if (!prefix)
        return;
    for (int64_t i = 0; i < prefix->slots; i++) {
        medvl_free(prefix->held[i].ids);
        medvl_free(prefix->held[i].keys);
    }
    medvl_free(prefix->held);
    medvl_free(prefix);
}

void medvl_prefix_forget(struct medvl_prefix *prefix, int64_t slot)
{
    for (int64_t i = 0; i < prefix->slots; i++)
        if (slot < 0 || i == slot)
            prefix->held[i].count = prefix->held[i].ready =
                prefix->held[i].used = 0;
}

/* ---- comparing ------------------------------------------------------- */

/* What the prompt and the slot have in common, up to `most` tokens. */
static void compare(struct medvl_beginning *out,
                    const struct medvl_prefix *p, const struct held *h,
                    const int32_t *ids, int64_t most,
                    const struct medvl_picture_key *keys)
{
    memset(out, 0, sizeof(*out));
    while (out->tokens < most && h->ids[out->tokens] == ids[out->tokens]) {
        const struct medvl_picture_key *key = &keys[out->pictures];
        int64_t tokens;

        if (ids[out->tokens] >= 0) {
            out->tokens++;
            continue;
        }
        if (!medvl_picture_same(key, &h->keys[out->pictures]))
            return;
        tokens = medvl_grid_tokens(p->config, &key->grid);
        if (tokens > most - out->tokens)
            return;
        out->tokens += tokens;
        out->patches += medvl_grid_patches(&key->grid);
        out->pictures++;
    }
}

static int find_next(struct medvl_beginning *b, const struct medvl_prefix *p,
                     const int32_t *ids,
                     const struct medvl_picture_key *keys,
                     struct medvl_error *err)
{
    struct medvl_grid *grids = medvl_alloc((size_t)b->pictures + 1,
                                           sizeof(*grids));
    int32_t *positions = medvl_alloc(
        (size_t)(b->tokens * medvl_config_axes(p->config)) + 1,
        sizeof(*positions));
    int rc = MEDVL_OK;

    for (int64_t i = 0; grids && i < b->pictures; i++)
        grids[i] = keys[i].grid;
    if (grids && positions)
        b->next = medvl_grid_positions(positions, p->config, ids, b->tokens,
                                       grids, 0);
    else
        rc = medvl_no_memory(err);
    medvl_free(grids);
    medvl_free(positions);
    return rc;
}

int medvl_prefix_find(struct medvl_beginning *ready,
                      struct medvl_beginning *coming,
                      const struct medvl_prefix *prefix, const int32_t *ids,
                      int64_t count, int64_t most,
                      const struct medvl_picture_key *keys,
                      struct medvl_error *err)
{
    const int64_t stage = medvl_rope_stage(&prefix->config->decoder, count);

    *ready = *coming = (struct medvl_beginning){.slot = -1};
    for (int64_t i = 0; i < prefix->slots; i++) {
        const struct held *h = &prefix->held[i];
        struct medvl_beginning b;

        if (h->stage != stage)
            continue;
        compare(&b, prefix, h, ids, h->ready < most ? h->ready : most, keys);
        b.slot = i;
        if (b.tokens > ready->tokens)
            *ready = b;
        compare(&b, prefix, h, ids, h->count < most ? h->count : most, keys);
        b.slot = i;
        if (b.tokens > coming->tokens)
            *coming = b;
    }
    return find_next(ready, prefix, ids, keys, err);
}

/* ---- holding --------------------------------------------------------- */

int medvl_prefix_hold(struct medvl_prefix *prefix, int64_t slot,
                      const int32_t *ids, int64_t count, int64_t ready,
                      const struct medvl_picture_key *keys, int64_t pictures,
                      struct medvl_error *err)
{
    struct held *h = &prefix->held[slot];
    int rc = medvl_grow(&h->ids, &h->id_room, (size_t)count, sizeof(*h->ids),
                        err);

    medvl_prefix_forget(prefix, slot);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&h->keys, &h->key_room, (size_t)pictures,
                        sizeof(*h->keys), err);
    if (rc < 0)
        return rc;
    h->used = ++prefix->now;
    memcpy(h->ids, ids, (size_t)count * sizeof(*ids));
    if (pictures)
        memcpy(h->keys, keys, (size_t)pictures * sizeof(*keys));
    h->count = count;
    h->ready = ready;
    h->pictures = pictures;
    h->stage = medvl_rope_stage(&prefix->config->decoder, count);
    return MEDVL_OK;
}

void medvl_prefix_ran(struct medvl_prefix *prefix)
{
    for (int64_t i = 0; i < prefix->slots; i++)
        prefix->held[i].ready = prefix->held[i].count;
}

void medvl_prefix_drop(struct medvl_prefix *prefix)
{
    for (int64_t i = 0; i < prefix->slots; i++)
        if (prefix->held[i].ready < prefix->held[i].count)
            medvl_prefix_forget(prefix, i);
}

int64_t medvl_prefix_used(const struct medvl_prefix *prefix, int64_t slot)
{
    return prefix->held[slot].used;
}
