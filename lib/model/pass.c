/*
 * Pieces as the inputs of a model, and rows of its hidden states as logits,
 * some at a time.
 *
 * Read next: generator.c.
 */
#include "lib/model/pass.h"

#include <assert.h>
#include <string.h>

#include "lib/base/mem.h"

/* Rows of logits made at once. */
enum { LOGIT_ROWS = 64 };

/* So many tokens in common are worth waiting a pass for. */
enum { WAIT_TOKENS = 64 };

struct medvl_pass {
    const struct medvl_model *model;
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_kvcache *cache;
    int64_t slots, longest, pages; /* of the cache */

    struct medvl_inputs inputs; /* its arrays are the ones below */
    int32_t *ids, *positions, *cu, *places;
    int64_t *slot_of;              /* of each sequence */
    struct medvl_gallery *gallery; /* NULL: a model without pictures */
    struct medvl_prefix *prefix;   /* of the cache's slots */
    uint64_t version;              /* of all weights */
    size_t id_room, position_room, cu_room, place_room, slot_room;

    /* Tokens whose logits are wanted, and what goes with each. */
    int32_t *wanted;
    void **owners;
    size_t wanted_room, owner_room;
    int64_t wanted_count;
};

int medvl_pass_open(struct medvl_pass **out, const struct medvl_model *model,
                    struct medvl_device *dev, struct medvl_error *err)
{
    struct medvl_pass *p = medvl_alloc(1, sizeof(*p));
    int rc;

    *out = NULL;
    if (!p)
        return medvl_no_memory(err);
    p->model = model;
    p->dev = dev;
    rc = medvl_tape_open(&p->tape, dev, err);
    if (rc == MEDVL_OK && model->config.family != MEDVL_FAMILY_TEXT)
        rc = medvl_gallery_open(&p->gallery, model, 0, err);
    if (rc < 0) {
        medvl_pass_free(p);
        return rc;
    }
    *out = p;
    return MEDVL_OK;
}

void medvl_pass_free(struct medvl_pass *pass)
{
    if (!pass)
        return;
    medvl_free(pass->ids);
    medvl_free(pass->positions);
    medvl_free(pass->cu);
    medvl_free(pass->places);
    medvl_free(pass->slot_of);
    medvl_free(pass->wanted);
    medvl_free(pass->owners);
    medvl_kvcache_free(pass->cache);
    medvl_gallery_free(pass->gallery);
    medvl_prefix_free(pass->prefix);
    medvl_tape_free(pass->tape);
    medvl_free(pass);
}

/* Nothing that other weights made is kept. */
static void check_version(struct medvl_pass *p)
{
    uint64_t version = 0;

    for (int64_t i = 0; i < p->model->count; i++)
        version += p->model->params[i].version;
    if (version == p->version)
        return;
    p->version = version;
    if (p->prefix)
        medvl_prefix_forget(p->prefix, -1);
    if (p->gallery)
        medvl_gallery_forget(p->gallery);
}

int medvl_pass_reserve(struct medvl_pass *pass, int64_t slots,
                       int64_t longest, int64_t pages,
                       struct medvl_error *err)
{
    int rc;

    check_version(pass);
    if (pass->cache && pass->slots >= slots && pass->longest >= longest &&
        pass->pages >= pages)
        return MEDVL_OK;
    medvl_kvcache_free(pass->cache);
    medvl_prefix_free(pass->prefix);
    pass->cache = NULL;
    pass->prefix = NULL;
    pass->slots = slots;
    pass->longest = longest;
    pass->pages = pages;
    rc = medvl_prefix_open(&pass->prefix, &pass->model->config, slots, err);
    if (rc == MEDVL_OK)
        rc = medvl_kvcache_open(&pass->cache, &pass->model->config.decoder,
                                slots, longest, pages * MEDVL_KV_PAGE, err);
    return rc;
}

struct medvl_kvcache *medvl_pass_cache(const struct medvl_pass *pass)
{
    return pass->cache;
}

int64_t medvl_pass_tokens(const struct medvl_pass *pass)
{
    return pass->inputs.tokens.tokens;
}

/* ---- pieces ---------------------------------------------------------- */

void medvl_pass_begin(struct medvl_pass *pass)
{
    memset(&pass->inputs, 0, sizeof(pass->inputs));
    pass->wanted_count = 0;
    medvl_prefix_drop(pass->prefix);
    if (pass->gallery)
        medvl_gallery_begin(pass->gallery);
}

/* Room for one more piece in every array but the patches'. */
static int make_room(struct medvl_pass *p, const struct medvl_piece *piece,
                     struct medvl_error *err)
{
    const size_t tokens =
        (size_t)(p->inputs.tokens.tokens + piece->count);
    const size_t sequences = (size_t)p->inputs.tokens.sequences + 1;
    const size_t wanted = (size_t)(p->wanted_count + piece->wanted);
    int rc = medvl_grow(&p->ids, &p->id_room, tokens, sizeof(*p->ids), err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(
            &p->positions, &p->position_room,
            tokens * (size_t)medvl_config_axes(&p->model->config),
            sizeof(*p->positions), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&p->places, &p->place_room, tokens,
                        sizeof(*p->places), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&p->cu, &p->cu_room, sequences + 1, sizeof(*p->cu),
                        err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&p->slot_of, &p->slot_room, sequences,
                        sizeof(*p->slot_of), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&p->wanted, &p->wanted_room, wanted,
                        sizeof(*p->wanted), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&p->owners, &p->owner_room, wanted, sizeof(void *),
                        err);
    return rc;
}

int medvl_pass_add(struct medvl_pass *pass, const struct medvl_piece *piece,
                   struct medvl_error *err)
{
    struct medvl_inputs *in = &pass->inputs;
    struct medvl_sequences *tokens = &in->tokens;
    const int64_t first = tokens->tokens;
    const struct medvl_config *config = &pass->model->config;
    int64_t next = medvl_kvcache_next(pass->cache, piece->slot);
    int rc;

    assert(piece->count > 0 && piece->wanted <= piece->count);
    if (piece->pictures.count && !pass->gallery)
        return medvl_fail(err, MEDVL_EARG,
                          "pictures for a model that takes none");
    if (piece->count > INT32_MAX - first)
        return medvl_fail(err, MEDVL_EARG, "%lld tokens in one pass",
                          (long long)(first + piece->count));
    rc = make_room(pass, piece, err);
    if (rc == MEDVL_OK)
        rc = medvl_kvcache_extend(pass->cache, piece->slot, piece->count,
                                  err);
    if (rc == MEDVL_OK && piece->pictures.count)
        rc = medvl_gallery_add(pass->gallery, &piece->pictures, err);
    if (rc < 0)
        return rc;
    next = medvl_grid_positions(
        pass->positions + first * medvl_config_axes(config), config,
        piece->ids, piece->count, piece->pictures.grids, next);
    medvl_kvcache_set_next(pass->cache, piece->slot, next);
    for (int64_t i = 0; i < piece->count; i++) {
        pass->ids[first + i] = piece->ids[i];
        if (piece->ids[i] < 0)
            pass->places[in->picture_tokens++] = (int32_t)(first + i);
    }
    tokens->tokens += piece->count;
    for (int64_t i = piece->wanted; i > 0; i--) {
        pass->wanted[pass->wanted_count] = (int32_t)(tokens->tokens - i);
        pass->owners[pass->wanted_count++] = piece->owner;
    }
    pass->cu[0] = 0;
    pass->slot_of[tokens->sequences++] = piece->slot;
    pass->cu[tokens->sequences] = (int32_t)tokens->tokens;
    return MEDVL_OK;
}

/* ---- prompts --------------------------------------------------------- */

/* The slot holds the beginning, and nothing else. */
static int take_beginning(struct medvl_pass *p, int64_t slot,
                          const struct medvl_beginning *b,
                          struct medvl_error *err)
{
    if (b->slot == slot)
        return medvl_kvcache_truncate(p->cache, slot, b->tokens, b->next,
                                      err);
    if (b->slot >= 0)
        return medvl_kvcache_share(p->cache, slot, b->slot, b->tokens,
                                   b->next, err);
    medvl_kvcache_clear(p->cache, slot);
    return MEDVL_OK;
}

/* What of the prompt comes behind its beginning. */
static struct medvl_piece rest_of(const struct medvl_piece *prompt,
                                  const struct medvl_beginning *b)
{
    struct medvl_piece rest = *prompt;
    struct medvl_tensor *rows = &rest.pictures.rows;

    rest.ids += b->tokens;
    rest.count -= b->tokens;
    if (b->pictures) {
        rest.pictures.count -= b->pictures;
        rest.pictures.grids += b->pictures;
        rows->data = (float *)rows->data + b->patches * rows->stride;
        rows->size[0] -= b->patches;
    }
    return rest;
}

static int start(struct medvl_pass *p, const struct medvl_piece *prompt,
                 const struct medvl_picture_key *keys, int64_t room,
                 struct medvl_error *err)
{
    struct medvl_beginning ready, coming;
    struct medvl_piece rest;
    int rc = medvl_prefix_find(&ready, &coming, p->prefix, prompt->ids,
                               prompt->count,
                               prompt->count - prompt->wanted, keys, err);

    if (rc < 0)
        return rc;
    rest = rest_of(prompt, &ready);
    if (medvl_pass_tokens(p) > 0 &&
        (rest.count > room || coming.tokens - ready.tokens >= WAIT_TOKENS))
        return 0;
    rc = take_beginning(p, prompt->slot, &ready, err);
    if (rc == MEDVL_OK)
        rc = medvl_pass_add(p, &rest, err);
    if (rc == MEDVL_OK)
        rc = medvl_prefix_hold(p->prefix, prompt->slot, prompt->ids,
                               prompt->count, ready.tokens, keys,
                               prompt->pictures.count, err);
    return rc < 0 ? rc : 1;
}

int medvl_pass_start(struct medvl_pass *pass,
                     const struct medvl_piece *prompt, int64_t room,
                     struct medvl_error *err)
{
    struct medvl_picture_key *keys =
        medvl_alloc((size_t)prompt->pictures.count + 1, sizeof(*keys));
    int rc;

    if (!keys)
        return medvl_no_memory(err);
    medvl_picture_keys(keys, &prompt->pictures);
    rc = start(pass, prompt, keys, room, err);
    medvl_free(keys);
    return rc;
}

void medvl_pass_clear(struct medvl_pass *pass, int64_t slot)
{
    medvl_kvcache_clear(pass->cache, slot);
    medvl_prefix_forget(pass->prefix, slot);
}

int64_t medvl_pass_used(const struct medvl_pass *pass, int64_t slot)
{
    return medvl_prefix_used(pass->prefix, slot);
}

int64_t medvl_pass_encoded(const struct medvl_pass *pass)
{
    return pass->gallery ? medvl_gallery_encoded(pass->gallery) : 0;
}

/* ---- the run --------------------------------------------------------- */

typedef int row_fn(void *arg, void *owner, const float *logits,
                   struct medvl_error *err);

static int read_logits(struct medvl_pass *p, struct medvl_var *hidden,
                       row_fn *row, void *arg, struct medvl_error *err)
{
    const int64_t vocab = p->model->config.decoder.vocab_size;
    int rc = MEDVL_OK;

    for (int64_t first = 0; first < p->wanted_count && rc == MEDVL_OK;
         first += LOGIT_ROWS) {
        const int64_t left = p->wanted_count - first;
        const int64_t n = left < LOGIT_ROWS ? left : LOGIT_ROWS;
        const struct medvl_tensor index =
            medvl_tensor_1d(p->wanted + first, MEDVL_DTYPE_I32, n);
        struct medvl_var *logits;

        medvl_tape_enter(p->tape, "logits");
        logits = medvl_tape_linear(
            p->tape, medvl_tape_gather_rows(p->tape, hidden, &index),
            medvl_decoder_head(p->model), medvl_decoder_head_bias(p->model));
        rc = medvl_tape_check(p->tape, err);
        for (int64_t i = 0; i < n && rc == MEDVL_OK; i++)
            rc = row(arg, p->owners[first + i],
                     (const float *)logits->value.data + i * vocab, err);
        medvl_tape_leave(p->tape, NULL, 0);
    }
    return rc;
}

static int run_inputs(struct medvl_pass *p, row_fn *row, void *arg,
                      struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_decoder_run *run = NULL;
    struct medvl_var *hidden;
    int end, rc = medvl_decoder_run_open(&run, &p->model->config.decoder,
                                         &p->inputs.tokens, err);

    if (rc == MEDVL_OK && p->inputs.picture_tokens)
        rc = medvl_gallery_features(&p->inputs.features, p->gallery, p->tape,
                                    err);
    if (rc < 0) {
        medvl_decoder_run_free(run);
        return rc;
    }
    medvl_tape_begin(p->tape, &options, NULL);
    hidden = medvl_vlm_forward(p->tape, p->model, &p->inputs, run);
    rc = medvl_tape_check(p->tape, err);
    if (rc == MEDVL_OK)
        rc = read_logits(p, hidden, row, arg, err);
    end = medvl_tape_end(p->tape, rc < 0 ? NULL : err);
    medvl_decoder_run_free(run);
    return rc < 0 ? rc : end;
}

int medvl_pass_run(struct medvl_pass *pass,
                   int (*row)(void *arg, void *owner, const float *logits,
                              struct medvl_error *err),
                   void *arg, struct medvl_error *err)
{
    const bool before = pass->dev->row_invariant;
    struct medvl_sequences *tokens = &pass->inputs.tokens;
    int rc;

    tokens->ids = pass->ids;
    tokens->positions = pass->positions;
    tokens->cu = pass->cu;
    tokens->cache = pass->cache;
    tokens->slots = pass->slot_of;
    pass->inputs.picture_token = pass->places;
    pass->dev->row_invariant = true;
    rc = run_inputs(pass, row, arg, err);
    pass->dev->row_invariant = before;
    if (rc == MEDVL_OK)
        medvl_prefix_ran(pass->prefix);
    else
        medvl_prefix_forget(pass->prefix, -1);
    return rc;
}

int medvl_pass_check_ids(const struct medvl_pass *pass, const int32_t *ids,
                         int64_t count, int32_t lowest,
                         struct medvl_error *err)
{
    const int64_t vocab = pass->model->config.decoder.vocab_size;

    for (int64_t i = 0; i < count; i++)
        if (ids[i] < lowest || ids[i] >= vocab)
            return medvl_fail(err, MEDVL_EARG,
                              "token %d is outside the model's vocabulary "
                              "of %lld",
                              (int)ids[i], (long long)vocab);
    return MEDVL_OK;
}
