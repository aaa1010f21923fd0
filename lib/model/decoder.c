/*
 * The Llama decoder: per layer, attention and a gated unit, each with a
 * norm before and a sum after.  C channels, H heads over G groups of size
 * D, N tokens.
 *
 * Read next: vlm.c.
 */
#include "lib/model/decoder.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

struct medvl_decoder_run {
    const struct medvl_decoder_config *config;
    struct medvl_kvcache *cache;
    struct medvl_attention attention;
    struct medvl_tensor ids, rows; /* rows: where keys are stored */
    struct medvl_tensor cos, sin;  /* (N, D/2) */

    /* What the tensors above point to; owned. */
    int32_t *row_of, *cu_k, *pages;
    float *angles;
};

/* ---- tables ---------------------------------------------------------- */

#define PI 3.14159265358979323846

/*
 * Llama 3's stretching: wavelengths above original / low are divided by the
 * factor, those below original / high stay, a ramp between.
 */
static double llama3(double w, const struct medvl_decoder_config *c)
{
    const double length = 2 * PI / w;
    const double original = (double)c->rope_original;
    const double low = (double)c->rope_low, high = (double)c->rope_high;
    double ramp;

    if (length < original / high)
        return w;
    if (length > original / low)
        return w / (double)c->rope_factor;
    ramp = (original / length - low) / (high - low);
    return (1 - ramp) * w / (double)c->rope_factor + ramp * w;
}

/* Which of a token's numbers turns pair i. */
static int64_t axis_of(const struct medvl_decoder_config *c, int64_t i)
{
    if (c->mrope[0] == 0 || i < c->mrope[0])
        return 0;
    return i < c->mrope[0] + c->mrope[1] ? 1 : 2;
}

/*
 * The tables as transformers computes them: inverse frequencies and angles
 * are rounded to float, cosine and sine are taken of that angle.
 */
static int fill_angles(struct medvl_decoder_run *run,
                       const struct medvl_sequences *tokens,
                       struct medvl_error *err)
{
    const struct medvl_decoder_config *c = run->config;
    const int64_t half = c->head_size / 2, n = tokens->tokens;
    const int64_t axes = c->mrope[0] > 0 ? 3 : 1;
    float *cosines, *sines;

    run->angles = medvl_alloc((size_t)(2 * n), (size_t)half * sizeof(float));
    if (!run->angles)
        return medvl_no_memory(err);
    cosines = run->angles;
    sines = run->angles + n * half;
    for (int64_t i = 0; i < half; i++) {
        double w = pow((double)c->rope_theta, -(double)(2 * i) /
                                                  (double)c->head_size);

        if (c->rope_kind == MEDVL_ROPE_LINEAR)
            w /= (double)c->rope_factor;
        if (c->rope_kind == MEDVL_ROPE_LLAMA3)
            w = llama3(w, c);
        for (int64_t t = 0; t < n; t++) {
            const float angle =
                (float)tokens->positions[t * axes + axis_of(c, i)] *
                (float)w;

            cosines[t * half + i] = cosf(angle);
            sines[t * half + i] = sinf(angle);
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
    struct medvl_attention *a = &run->attention;

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
        if (a->max_k < keys)
            a->max_k = keys;
    }
    a->cu_k = run->cu_k;
    a->pages = run->pages;
    a->pages_each = each;
    a->page = MEDVL_KV_PAGE;
    run->rows = medvl_tensor_1d(run->row_of, MEDVL_DTYPE_I32, tokens->tokens);
    return MEDVL_OK;
}

static int check_tokens(const struct medvl_decoder_config *config,
                        const struct medvl_sequences *tokens,
                        struct medvl_error *err)
{
    const int64_t axes = config->mrope[0] > 0 ? 3 : 1;

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
        if (tokens->positions[i] < 0)
            return medvl_fail(err, MEDVL_EARG, "position %d",
                              tokens->positions[i]);
    for (int64_t i = 0; i < tokens->tokens; i++)
        if (tokens->ids[i] < -1 || tokens->ids[i] >= config->vocab_size)
            return medvl_fail(err, MEDVL_EARG,
                              "token id %d is outside the vocabulary of "
                              "%lld",
                              tokens->ids[i],
                              (long long)config->vocab_size);
    return MEDVL_OK;
}

static void fill_attention(struct medvl_attention *a,
                           const struct medvl_decoder_config *config,
                           const struct medvl_sequences *tokens)
{
    a->heads = config->heads;
    a->groups = config->groups;
    a->head_size = config->head_size;
    a->sequences = tokens->sequences;
    a->cu_q = a->cu_k = tokens->cu;
    a->scale = 1 / sqrtf((float)config->head_size);
    a->causal = true;
    for (int64_t s = 0; s < tokens->sequences; s++)
        if (a->max_q < tokens->cu[s + 1] - tokens->cu[s])
            a->max_q = tokens->cu[s + 1] - tokens->cu[s];
    a->max_k = a->max_q;
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
    run->ids = medvl_tensor_1d((void *)(uintptr_t)tokens->ids,
                               MEDVL_DTYPE_I32, tokens->tokens);
    fill_attention(&run->attention, config, tokens);
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
    medvl_free(run->row_of);
    medvl_free(run->cu_k);
    medvl_free(run->pages);
    medvl_free(run->angles);
    medvl_free(run);
}

/* ---- forward --------------------------------------------------------- */

static struct medvl_param *layer_param(const struct medvl_model *model,
                                       int64_t layer, const char *name,
                                       const char *kind)
{
    return medvl_model_param(model, "decoder.layers.%lld.%s.%s",
                             (long long)layer, name, kind);
}

static struct medvl_var *linear(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer, const char *name, bool bias,
                                struct medvl_var *inp)
{
    return medvl_tape_linear(
        tape, inp, layer_param(model, layer, name, "weight"),
        bias ? layer_param(model, layer, name, "bias") : NULL);
}

static struct medvl_var *norm(struct medvl_tape *tape,
                              const struct medvl_model *model, int64_t layer,
                              const char *name, struct medvl_var *inp)
{
    return medvl_tape_rmsnorm(tape, inp,
                              layer_param(model, layer, name, "weight"),
                              model->config.decoder.norm_eps);
}

/* (N,C) -> (N,C): q (N,H*D), k and v (N,G*D), or all that is in pages. */
static struct medvl_var *attend(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                const struct medvl_decoder_run *run,
                                int64_t layer, struct medvl_var *inp)
{
    const struct medvl_decoder_config *c = &model->config.decoder;
    const bool bias = c->qkv_bias;
    struct medvl_var *q, *k, *v;

    q = linear(tape, model, layer, "self_attn.q_proj", bias, inp);
    k = linear(tape, model, layer, "self_attn.k_proj", bias, inp);
    v = linear(tape, model, layer, "self_attn.v_proj", bias, inp);
    q = medvl_tape_rope(tape, q, &run->cos, &run->sin, c->head_size);
    k = medvl_tape_rope(tape, k, &run->cos, &run->sin, c->head_size);
    if (run->cache) {
        const struct medvl_tensor keys =
            medvl_kvcache_keys(run->cache, layer);
        const struct medvl_tensor values =
            medvl_kvcache_values(run->cache, layer);

        medvl_tape_store_rows(tape, &keys, k, &run->rows);
        medvl_tape_store_rows(tape, &values, v, &run->rows);
        k = medvl_tape_input(tape, &keys, false);
        v = medvl_tape_input(tape, &values, false);
    }
    inp = medvl_tape_attention(tape, q, k, v, &run->attention);
    return linear(tape, model, layer, "self_attn.o_proj", c->out_bias, inp);
}

static struct medvl_var *gated(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               int64_t layer, struct medvl_var *inp)
{
    const struct medvl_decoder_config *c = &model->config.decoder;
    struct medvl_var *gate, *up;

    gate = linear(tape, model, layer, "mlp.gate_proj", c->mlp_bias, inp);
    up = linear(tape, model, layer, "mlp.up_proj", c->mlp_bias, inp);
    inp = medvl_tape_glu(tape, gate, up, c->act);
    return linear(tape, model, layer, "mlp.down_proj", c->mlp_bias, inp);
}

struct medvl_var *medvl_decoder_embed(struct medvl_tape *tape,
                                      const struct medvl_model *model,
                                      const struct medvl_decoder_run *run)
{
    struct medvl_param *embed = medvl_model_param(
        model, "decoder.embed_tokens.weight");

    return medvl_tape_gather_rows(tape, medvl_tape_param(tape, embed),
                                  &run->ids);
}

struct medvl_var *medvl_decoder_forward(struct medvl_tape *tape,
                                        const struct medvl_model *model,
                                        const struct medvl_decoder_run *run,
                                        struct medvl_var *hidden)
{
    const struct medvl_decoder_config *c = &model->config.decoder;
    struct medvl_param *last;
    struct medvl_var *x, *before;

    for (int64_t i = 0; i < c->layers; i++) {
        before = hidden;
        medvl_tape_enter(tape, "layers.%lld", (long long)i);
        x = norm(tape, model, i, "input_layernorm", hidden);
        x = attend(tape, model, run, i, x);
        x = medvl_tape_dropout(tape, x);
        hidden = medvl_tape_add(tape, hidden, x);
        x = norm(tape, model, i, "post_attention_layernorm", hidden);
        x = gated(tape, model, i, x);
        x = medvl_tape_dropout(tape, x);
        hidden = medvl_tape_add(tape, hidden, x);
        medvl_tape_leave(tape, &hidden, 1);
        medvl_tape_drop(tape, before);
    }
    last = medvl_model_param(model, "decoder.norm.weight");
    return medvl_tape_rmsnorm(tape, hidden, last, c->norm_eps);
}

struct medvl_param *medvl_decoder_head(const struct medvl_model *model)
{
    return medvl_model_param(model, model->config.decoder.tied
                                        ? "decoder.embed_tokens.weight"
                                        : "decoder.lm_head.weight");
}
