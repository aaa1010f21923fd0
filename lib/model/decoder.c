/*
 * The decoder: per layer, attention and an MLP, each with a norm before and
 * a sum after, or both beside each other with one norm and one sum.
 * C channels, H heads over G groups of size D, N tokens.
 *
 * Read next: vlm.c.
 */
#include "lib/model/decoder.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/rope.h"

struct medvl_decoder_run {
    const struct medvl_decoder_config *config;
    struct medvl_kvcache *cache;
    struct medvl_tensor ids, paddings; /* each -1 where the other is not;
                                          paddings NULL: without any */
    struct medvl_tensor rows;          /* where keys are stored */
    struct medvl_tensor positions;     /* (N), of the learned ones */
    struct medvl_tensor cos, sin;      /* (N, R/2) */

    /* What the tensors above point to; owned. */
    struct medvl_attention *attention; /* (layers) */
    int32_t *split, *row_of, *cu_k, *pages;
    float *angles;
};

/* ---- tables ---------------------------------------------------------- */

/* Which of its axes turns each pair (Qwen2-VL: time, row, column). */
static void fill_axes(uint8_t *axis, const struct medvl_decoder_config *c)
{
    const int64_t first = c->mrope[0], second = first + c->mrope[1];

    for (int64_t i = 0; i < c->rotary / 2; i++)
        axis[i] = first == 0 || i < first ? 0 : i < second ? 1
                                                           : 2;
}

/* Positions that sequence `s` reaches: the largest, and one. */
static int64_t reach(const struct medvl_sequences *tokens, int64_t s,
                     int64_t axes)
{
    int64_t most = 0;

    for (int64_t i = tokens->cu[s] * axes; i < tokens->cu[s + 1] * axes; i++)
        if (most <= tokens->positions[i])
            most = (int64_t)tokens->positions[i] + 1;
    return most;
}

/*
 * The tables as transformers computes them: angles are rounded to float,
 * cosine and sine are taken of that angle.
 */
static int fill_angles(struct medvl_decoder_run *run,
                       const struct medvl_sequences *tokens,
                       struct medvl_error *err)
{
    const struct medvl_decoder_config *c = run->config;
    const int64_t half = c->rotary / 2, n = tokens->tokens;
    const int64_t axes = c->mrope[0] > 0 ? 3 : 1;
    float w[MEDVL_ROTARY_MAX / 2];
    uint8_t axis[MEDVL_ROTARY_MAX / 2];
    float *cosines, *sines;

    run->angles = medvl_alloc((size_t)(2 * n), (size_t)half * sizeof(float));
    if (!run->angles)
        return medvl_no_memory(err);
    cosines = run->angles;
    sines = run->angles + n * half;
    fill_axes(axis, c);
    for (int64_t s = 0; s < tokens->sequences; s++) {
        medvl_rope_frequencies(w, c, reach(tokens, s, axes));
        for (int64_t t = tokens->cu[s]; t < tokens->cu[s + 1]; t++)
            for (int64_t i = 0; i < half; i++) {
                const int32_t at = tokens->positions[t * axes + axis[i]];
                const float angle = (float)at * w[i];

                cosines[t * half + i] = cosf(angle) * c->rope_scale;
                sines[t * half + i] = sinf(angle) * c->rope_scale;
            }
    }
    run->cos = medvl_tensor_2d(cosines, MEDVL_DTYPE_F32, n, half);
    run->sin = medvl_tensor_2d(sines, MEDVL_DTYPE_F32, n, half);
    return MEDVL_OK;
}

/* Keys come from the cache: lengths, pages, and where new rows go. */
static int fill_pages(struct medvl_decoder_run *run,
                      const struct medvl_sequences *tokens,
                      struct medvl_error *err)
{
    const int64_t each = medvl_kvcache_pages_each(tokens->cache);
    const int64_t count = tokens->sequences;
    int64_t longest = 0;

    run->cu_k = medvl_alloc((size_t)count + 1, sizeof(*run->cu_k));
    run->row_of = medvl_alloc((size_t)tokens->tokens, sizeof(*run->row_of));
    run->pages = medvl_alloc((size_t)count,
                             (size_t)each * sizeof(*run->pages));
    if (!run->cu_k || !run->row_of || !run->pages)
        return medvl_no_memory(err);
    for (int64_t s = 0; s < count; s++) {
        const int64_t slot = tokens->slots[s];
        const int64_t keys = medvl_kvcache_length(tokens->cache, slot);
        const int64_t queries = tokens->cu[s + 1] - tokens->cu[s];

        if (queries > keys || keys > INT32_MAX - run->cu_k[s])
            return medvl_fail(err, MEDVL_EARG,
                              "sequence %lld has %lld tokens, its slot "
                              "%lld",
                              (long long)s, (long long)queries,
                              (long long)keys);
        run->cu_k[s + 1] = run->cu_k[s] + (int32_t)keys;
        for (int64_t i = 0; i < queries; i++)
            run->row_of[tokens->cu[s] + i] = medvl_kvcache_row(
                tokens->cache, slot, keys - queries + i);
        memcpy(run->pages + s * each,
               medvl_kvcache_pages(tokens->cache, slot),
               (size_t)each * sizeof(*run->pages));
        if (longest < keys)
            longest = keys;
    }
    for (int64_t i = 0; i < run->config->layers; i++) {
        struct medvl_attention *a = &run->attention[i];

        a->max_k = longest;
        a->cu_k = run->cu_k;
        a->pages = run->pages;
        a->pages_each = each;
        a->page = MEDVL_KV_PAGE;
    }
    run->rows = medvl_tensor_1d(run->row_of, MEDVL_DTYPE_I32, tokens->tokens);
    return MEDVL_OK;
}

static int check_tokens(const struct medvl_decoder_config *config,
                        const struct medvl_sequences *tokens,
                        struct medvl_error *err)
{
    const int64_t axes = config->mrope[0] > 0 ? 3 : 1;
    const int64_t past = config->learned_positions ? config->max_positions
                                                   : INT32_MAX;

    if (tokens->tokens < 1 || tokens->tokens > INT32_MAX ||
        tokens->sequences < 1 || tokens->cu[0] != 0 ||
        tokens->cu[tokens->sequences] != tokens->tokens)
        return medvl_fail(err, MEDVL_EARG, "%lld tokens in %lld sequences",
                          (long long)tokens->tokens,
                          (long long)tokens->sequences);
    for (int64_t s = 0; s < tokens->sequences; s++)
        if (tokens->cu[s] >= tokens->cu[s + 1])
            return medvl_fail(err, MEDVL_EARG, "sequence %lld is empty",
                              (long long)s);
    for (int64_t i = 0; i < tokens->tokens * axes; i++)
        if (tokens->positions[i] < 0 || tokens->positions[i] >= past)
            return medvl_fail(err, MEDVL_EARG,
                              "position %d: the model has %lld",
                              tokens->positions[i],
                              (long long)config->max_positions);
    for (int64_t i = 0; i < tokens->tokens; i++)
        if (tokens->ids[i] < -1 || tokens->ids[i] >= config->vocab_size)
            return medvl_fail(err, MEDVL_EARG,
                              "token id %d is outside the vocabulary of "
                              "%lld",
                              tokens->ids[i],
                              (long long)config->vocab_size);
    return MEDVL_OK;
}

/* The same for all layers, but for windows and GPT-2's falling scale. */
static int fill_attention(struct medvl_decoder_run *run,
                          const struct medvl_sequences *tokens,
                          struct medvl_error *err)
{
    const struct medvl_decoder_config *c = run->config;
    struct medvl_attention all = {
        .heads = c->heads,
        .groups = c->groups,
        .head_size = c->head_size,
        .sequences = tokens->sequences,
        .cu_q = tokens->cu,
        .cu_k = tokens->cu,
        .scale = 1 / sqrtf((float)c->head_size),
        .causal = true,
    };

    run->attention = medvl_alloc((size_t)c->layers,
                                 sizeof(*run->attention));
    if (!run->attention)
        return medvl_no_memory(err);
    for (int64_t s = 0; s < tokens->sequences; s++)
        if (all.max_q < tokens->cu[s + 1] - tokens->cu[s])
            all.max_q = tokens->cu[s + 1] - tokens->cu[s];
    all.max_k = all.max_q;
    for (int64_t i = 0; i < c->layers; i++) {
        run->attention[i] = all;
        run->attention[i].window = c->windowed[i] ? c->window : 0;
        if (c->scale_by_layer)
            run->attention[i].scale /= (float)(i + 1);
    }
    return MEDVL_OK;
}

/* Padding apart from all other ids, where there is any. */
static int fill_ids(struct medvl_decoder_run *run,
                    const struct medvl_sequences *tokens,
                    struct medvl_error *err)
{
    const struct medvl_decoder_config *c = run->config;
    const int64_t n = tokens->tokens;
    int64_t paddings = 0;

    run->ids = medvl_tensor_1d((void *)(uintptr_t)tokens->ids,
                               MEDVL_DTYPE_I32, n);
    for (int64_t i = 0; c->has_padding && i < n; i++)
        paddings += tokens->ids[i] == c->padding;
    if (paddings == 0)
        return MEDVL_OK;
    run->split = medvl_alloc((size_t)n, 2 * sizeof(*run->split));
    if (!run->split)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < n; i++) {
        const bool is = tokens->ids[i] == c->padding;

        run->split[i] = is ? -1 : tokens->ids[i];
        run->split[n + i] = is ? c->padding : -1;
    }
    run->ids = medvl_tensor_1d(run->split, MEDVL_DTYPE_I32, n);
    run->paddings = medvl_tensor_1d(run->split + n, MEDVL_DTYPE_I32, n);
    return MEDVL_OK;
}

int medvl_decoder_run_open(struct medvl_decoder_run **out,
                           const struct medvl_decoder_config *config,
                           const struct medvl_sequences *tokens,
                           struct medvl_error *err)
{
    struct medvl_decoder_run *run;
    int rc = check_tokens(config, tokens, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    run = medvl_alloc(1, sizeof(*run));
    if (!run)
        return medvl_no_memory(err);
    run->config = config;
    run->cache = tokens->cache;
    run->positions = medvl_tensor_1d((void *)(uintptr_t)tokens->positions,
                                     MEDVL_DTYPE_I32, tokens->tokens);
    rc = fill_ids(run, tokens, err);
    if (rc == MEDVL_OK)
        rc = fill_attention(run, tokens, err);
    if (rc == MEDVL_OK && config->rope_kind != MEDVL_ROPE_NONE)
        rc = fill_angles(run, tokens, err);
    if (rc == MEDVL_OK && tokens->cache)
        rc = fill_pages(run, tokens, err);
    if (rc < 0) {
        medvl_decoder_run_free(run);
        return rc;
    }
    *out = run;
    return MEDVL_OK;
}

void medvl_decoder_run_free(struct medvl_decoder_run *run)
{
    if (!run)
        return;
    medvl_free(run->attention);
    medvl_free(run->split);
    medvl_free(run->row_of);
    medvl_free(run->cu_k);
    medvl_free(run->pages);
    medvl_free(run->angles);
    medvl_free(run);
}

/* ---- forward --------------------------------------------------------- */

/* One layer of a run. */
struct layer {
    struct medvl_tape *tape;
    const struct medvl_model *model;
    const struct medvl_decoder_config *config;
    const struct medvl_decoder_run *run;
    int64_t index;
};

static struct medvl_param *param(const struct layer *l, const char *name,
                                 const char *kind)
{
    return medvl_model_param(l->model, "decoder.layers.%lld.%s.%s",
                             (long long)l->index, name, kind);
}

static struct medvl_var *linear(const struct layer *l, const char *name,
                                bool bias, struct medvl_var *inp)
{
    return medvl_tape_linear(l->tape, inp, param(l, name, "weight"),
                             bias ? param(l, name, "bias") : NULL);
}

static struct medvl_var *norm_with(struct medvl_tape *tape,
                                   const struct medvl_decoder_config *c,
                                   struct medvl_param *weight,
                                   struct medvl_param *bias,
                                   struct medvl_var *inp)
{
    if (c->norm == MEDVL_NORM_RMS)
        return medvl_tape_rmsnorm(tape, inp, weight, c->norm_eps);
    return medvl_tape_layernorm(tape, inp, weight, bias, c->norm_eps);
}

static struct medvl_var *norm(const struct layer *l, const char *name,
                              struct medvl_var *inp)
{
    const bool bias = l->config->norm == MEDVL_NORM_LAYER;

    return norm_with(l->tape, l->config, param(l, name, "weight"),
                     bias ? param(l, name, "bias") : NULL, inp);
}

/* (N,C) -> q (N,H*D), k and v (N,G*D). */
static void project(const struct layer *l, struct medvl_var *inp,
                    struct medvl_var **q, struct medvl_var **k,
                    struct medvl_var **v)
{
    const struct medvl_decoder_config *c = l->config;
    const int64_t wide = c->heads * c->head_size;
    const int64_t narrow = c->groups * c->head_size;

    if (c->fused_qkv) {
        inp = linear(l, "self_attn.qkv_proj", c->qkv_bias, inp);
        *q = medvl_tape_columns(l->tape, inp, 0, wide);
        *k = medvl_tape_columns(l->tape, inp, wide, narrow);
        *v = medvl_tape_columns(l->tape, inp, wide + narrow, narrow);
        return;
    }
    *q = linear(l, "self_attn.q_proj", c->qkv_bias, inp);
    *k = linear(l, "self_attn.k_proj", c->qkv_bias, inp);
    *v = linear(l, "self_attn.v_proj", c->qkv_bias, inp);
}

/* What gives q or k its place: a norm of each head, a turn. */
static struct medvl_var *place(const struct layer *l, const char *norm_name,
                               struct medvl_var *inp)
{
    const struct medvl_decoder_config *c = l->config;

    if (c->qk_norm)
        inp = medvl_tape_rmsnorm_heads(l->tape, inp,
                                       param(l, norm_name, "weight"),
                                       c->head_size, c->norm_eps);
    if (c->rope_kind == MEDVL_ROPE_NONE)
        return inp;
    return medvl_tape_rope(l->tape, inp, &l->run->cos, &l->run->sin,
                           c->head_size);
}

/* (N,C) -> (N,C); with a cache, over all that is in its pages. */
static struct medvl_var *attend(const struct layer *l, struct medvl_var *inp)
{
    const struct medvl_decoder_run *run = l->run;
    struct medvl_var *q, *k, *v;

    project(l, inp, &q, &k, &v);
    q = place(l, "self_attn.q_norm", q);
    k = place(l, "self_attn.k_norm", k);
    if (run->cache) {
        const struct medvl_tensor keys =
            medvl_kvcache_keys(run->cache, l->index);
        const struct medvl_tensor values =
            medvl_kvcache_values(run->cache, l->index);

        medvl_tape_store_rows(l->tape, &keys, k, &run->rows);
        medvl_tape_store_rows(l->tape, &values, v, &run->rows);
        k = medvl_tape_input(l->tape, &keys, false);
        v = medvl_tape_input(l->tape, &values, false);
    }
    inp = medvl_tape_attention(l->tape, q, k, v, &run->attention[l->index]);
    inp = linear(l, "self_attn.o_proj", l->config->out_bias, inp);
    return medvl_tape_dropout(l->tape, inp);
}

static struct medvl_var *mlp(const struct layer *l, struct medvl_var *inp)
{
    const struct medvl_decoder_config *c = l->config;
    const bool bias = c->mlp_bias;
    const char *last = c->gated ? "mlp.down_proj" : "mlp.fc2";
    struct medvl_var *gate, *up;

    if (!c->gated) {
        inp = linear(l, "mlp.fc1", bias, inp);
        inp = medvl_tape_act(l->tape, inp, c->act);
    } else if (c->fused_gate_up) {
        inp = linear(l, "mlp.gate_up_proj", bias, inp);
        gate = medvl_tape_columns(l->tape, inp, 0, c->intermediate);
        up = medvl_tape_columns(l->tape, inp, c->intermediate,
                                c->intermediate);
        inp = medvl_tape_glu(l->tape, gate, up, c->act);
    } else {
        gate = linear(l, "mlp.gate_proj", bias, inp);
        up = linear(l, "mlp.up_proj", bias, inp);
        inp = medvl_tape_glu(l->tape, gate, up, c->act);
    }
    return medvl_tape_dropout(l->tape, linear(l, last, bias, inp));
}

static struct medvl_var *run_layer(const struct layer *l,
                                   struct medvl_var *hidden)
{
    struct medvl_var *x = norm(l, "input_layernorm", hidden);
    struct medvl_var *y = attend(l, x);

    if (!l->config->parallel) {
        hidden = medvl_tape_add(l->tape, hidden, y);
        x = norm(l, "post_attention_layernorm", hidden);
        return medvl_tape_add(l->tape, hidden, mlp(l, x));
    }
    y = medvl_tape_add(l->tape, y, mlp(l, x));
    return medvl_tape_add(l->tape, y, hidden);
}

struct medvl_var *medvl_decoder_embed(struct medvl_tape *tape,
                                      const struct medvl_model *model,
                                      const struct medvl_decoder_run *run)
{
    struct medvl_param *embed = medvl_model_param(
        model, "decoder.embed_tokens.weight");

    struct medvl_var *rows = medvl_tape_gather_rows(
        tape, medvl_tape_param(tape, embed), &run->ids);
    struct medvl_var *still;

    if (!run->paddings.data)
        return rows;
    still = medvl_tape_input(tape, &embed->value, false);
    return medvl_tape_add(
        tape, rows, medvl_tape_gather_rows(tape, still, &run->paddings));
}

/* Add the row of each token's position. */
static struct medvl_var *add_positions(struct medvl_tape *tape,
                                       const struct medvl_model *model,
                                       const struct medvl_decoder_run *run,
                                       struct medvl_var *hidden)
{
    struct medvl_param *table = medvl_model_param(
        model, "decoder.embed_positions.weight");
    struct medvl_var *rows = medvl_tape_gather_rows(
        tape, medvl_tape_param(tape, table), &run->positions);

    return medvl_tape_add(tape, hidden, rows);
}

struct medvl_var *medvl_decoder_forward(struct medvl_tape *tape,
                                        const struct medvl_model *model,
                                        const struct medvl_decoder_run *run,
                                        struct medvl_var *hidden)
{
    const struct medvl_decoder_config *c = &model->config.decoder;
    struct layer l = {tape, model, c, run, 0};
    struct medvl_var *before;

    if (c->learned_positions)
        hidden = add_positions(tape, model, run, hidden);
    for (; l.index < c->layers; l.index++) {
        before = hidden;
        medvl_tape_enter(tape, "layers.%lld", (long long)l.index);
        hidden = run_layer(&l, hidden);
        medvl_tape_leave(tape, &hidden, 1);
        medvl_tape_drop(tape, before);
    }
    return norm_with(tape, c, medvl_model_param(model, "decoder.norm.weight"),
                     medvl_model_param(model, "decoder.norm.bias"), hidden);
}

struct medvl_param *medvl_decoder_head(const struct medvl_model *model)
{
    return medvl_model_param(model, model->config.decoder.tied
                                        ? "decoder.embed_tokens.weight"
                                        : "decoder.lm_head.weight");
}

struct medvl_param *medvl_decoder_head_bias(const struct medvl_model *model)
{
    return medvl_model_param(model, "decoder.lm_head.bias");
}
