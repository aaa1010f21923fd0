/*
 * The decoder's fields: what each brand calls them, and their defaults.
 *
 * Source: LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, PhiConfig,
 * Phi3Config and GPT2Config of transformers 4.57.
 *
 * Read next: config_rope.c.
 */
#include <string.h>

#include "lib/model/config_part.h"

/* What a brand is where its config.json is silent. */
struct brand {
    const char *type;
    int64_t vocab_size, hidden, intermediate, layers, heads, groups;
    int64_t head_size, max_positions; /* head_size 0: hidden / heads */
    double norm_eps, rotary, theta;
    int64_t full; /* layers below the first with a window */
    enum medvl_act act;
    bool tied;
    int32_t bos, eos, pad; /* -1: none */
};

static const struct brand BRANDS[] = {
    {"llama", 32000, 4096, 11008, 32, 32, 0, 0, 2048, 1e-6, 1, 1e4, 0,
     MEDVL_ACT_SILU, false, 1, 2, -1},
    {"mistral", 32000, 4096, 14336, 32, 32, 8, 0, 131072, 1e-6, 1, 1e4, 0,
     MEDVL_ACT_SILU, false, 1, 2, -1},
    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 0, 32768, 1e-6, 1, 1e4, 28,
     MEDVL_ACT_SILU, false, -1, -1, -1},
    {"qwen2_vl", 152064, 8192, 29568, 80, 64, 8, 0, 32768, 1e-5, 1, 1e6,
     80, MEDVL_ACT_SILU, false, -1, -1, -1},
    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 1, 1e4,
     28, MEDVL_ACT_SILU, false, -1, -1, -1},
    {"phi", 51200, 2048, 8192, 24, 32, 0, 0, 2048, 1e-5, 0.5, 1e4, 0,
     MEDVL_ACT_GELU_TANH, false, 1, 2, -1},
    {"phi3", 32064, 3072, 8192, 32, 32, 0, 0, 4096, 1e-5, 1, 1e4, 0,
     MEDVL_ACT_SILU, false, 1, 32000, 32000},
    {"gpt2", 50257, 768, 0, 12, 12, 0, 0, 1024, 1e-5, 0, 0, 0,
     MEDVL_ACT_GELU_TANH, true, 50256, 50256, -1},
};

static const struct brand *find_brand(const char *type)
{
    for (size_t i = 0; i < sizeof(BRANDS) / sizeof(*BRANDS); i++)
        if (strcmp(BRANDS[i].type, type) == 0)
            return &BRANDS[i];
    return NULL;
}

bool medvl_config_is_decoder(const char *type)
{
    return find_brand(type);
}

void medvl_config_default_ids(struct medvl_config *config, const char *type)
{
    const struct brand *b = find_brand(type);

    config->bos = b ? b->bos : -1;
    config->pad = b ? b->pad : -1;
    config->eos[0] = b ? b->eos : -1;
    config->eos_count = b && b->eos >= 0;
}

/* ---- sizes ----------------------------------------------------------- */

static void check_heads(struct medvl_decoder_config *d,
                        struct medvl_config_reader *r)
{
    if (d->head_size == 0 && d->hidden % d->heads != 0)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "hidden_size %lld does not divide by %lld heads",
                          (long long)d->hidden, (long long)d->heads);
    else if (d->heads % d->groups != 0)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "%lld attention heads do not divide by %lld "
                          "key/value heads",
                          (long long)d->heads, (long long)d->groups);
    if (d->head_size == 0)
        d->head_size = d->hidden / d->heads;
}

/* Of all layers; null is none. */
static void read_window(struct medvl_decoder_config *d,
                        struct medvl_config_reader *r, int64_t otherwise)
{
    d->window = otherwise;
    if (medvl_json_get(r->object, "sliding_window"))
        d->window = medvl_config_int(r, "sliding_window", 1,
                                     MEDVL_VOCAB_LIMIT, 0);
    for (int64_t i = 0; i < d->layers; i++)
        d->windowed[i] = d->window;
}

/* Of the layers that "layer_types" names: Mistral and Phi-3 know no such
 * field. */
static void read_types(struct medvl_decoder_config *d,
                       struct medvl_config_reader *r)
{
    const struct medvl_json *types = medvl_config_field(r, "layer_types");
    const struct medvl_json *type = medvl_json_first(types);

    for (int64_t i = 0; types && i < d->layers; i++) {
        const char *name = medvl_json_string(type);

        if (!name || (strcmp(name, "sliding_attention") != 0 &&
                      strcmp(name, "full_attention") != 0))
            medvl_config_fail(r, MEDVL_EFORMAT,
                              "\"layer_types\": want sliding_attention or "
                              "full_attention for each layer");
        d->windowed[i] = d->window && name &&
                         strcmp(name, "sliding_attention") == 0;
        type = medvl_json_next(type);
    }
    if (type)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"layer_types\": more than %lld",
                          (long long)d->layers);
}

/* ---- brands ---------------------------------------------------------- */

/* Null is as many as there are heads, even where silence is fewer. */
static int64_t default_groups(const struct medvl_decoder_config *d,
                              const struct medvl_config_reader *r,
                              const struct brand *b)
{
    const struct medvl_json *v = medvl_json_get(r->object,
                                                "num_key_value_heads");

    if (medvl_json_type(v) == MEDVL_JSON_NULL || !b->groups)
        return d->heads;
    return b->groups;
}

static void read_sizes(struct medvl_decoder_config *d,
                       struct medvl_config_reader *r, const struct brand *b)
{
    d->vocab_size = medvl_config_int(r, "vocab_size", 1, MEDVL_VOCAB_LIMIT,
                                     b->vocab_size);
    d->hidden = medvl_config_int(r, "hidden_size", 1, MEDVL_SIZE_LIMIT,
                                 b->hidden);
    d->intermediate = medvl_config_int(r, "intermediate_size", 1,
                                       MEDVL_SIZE_LIMIT, b->intermediate);
    d->layers = medvl_config_int(r, "num_hidden_layers", 1, MEDVL_LAYERS_MAX,
                                 b->layers);
    d->heads = medvl_config_int(r, "num_attention_heads", 1,
                                MEDVL_SIZE_LIMIT, b->heads);
    d->groups = medvl_config_int(r, "num_key_value_heads", 1,
                                 MEDVL_SIZE_LIMIT, default_groups(d, r, b));
    d->head_size = medvl_config_int(r, "head_dim", 1, MEDVL_SIZE_LIMIT,
                                    b->head_size);
    d->max_positions = medvl_config_int(r, "max_position_embeddings", 1,
                                        MEDVL_VOCAB_LIMIT, b->max_positions);
    d->norm_eps = medvl_config_float(r, "rms_norm_eps", 0, 1, b->norm_eps);
    d->act = medvl_config_act(r, "hidden_act", b->act);
    d->gated = true;
    check_heads(d, r);
    medvl_config_read_rope(d, r, b->type, b->rotary, b->theta);
}

static void read_qwen(struct medvl_decoder_config *d,
                      struct medvl_config_reader *r, const struct brand *b)
{
    const int64_t full = medvl_config_int(r, "max_window_layers", 0,
                                          MEDVL_SIZE_LIMIT, b->full);

    if (!medvl_config_bool(r, "use_sliding_window", false))
        return;
    read_window(d, r, 4096);
    for (int64_t i = 0; i < d->layers && i < full; i++)
        d->windowed[i] = false;
    read_types(d, r);
}

/* One norm before both halves, LayerNorm, a plain MLP, biases all over. */
static void read_phi(struct medvl_decoder_config *d,
                     struct medvl_config_reader *r)
{
    d->dialect = MEDVL_DIALECT_PHI;
    d->norm = MEDVL_NORM_LAYER;
    d->norm_eps = medvl_config_float(r, "layer_norm_eps", 0, 1, 1e-5);
    d->parallel = true;
    d->gated = false;
    d->qkv_bias = d->out_bias = d->mlp_bias = d->head_bias = true;
    if (medvl_config_bool(r, "qk_layernorm", false))
        medvl_config_refuse(r, "qk_layernorm", "true");
}

/* A size by one of two names; with both, the common one counts. */
static int64_t read_either(struct medvl_config_reader *r, const char *common,
                           const char *own, int64_t high, int64_t otherwise)
{
    return medvl_config_int(r, common, 1, high,
                            medvl_config_int(r, own, 1, high, otherwise));
}

static void read_gpt2(struct medvl_decoder_config *d,
                      struct medvl_config_reader *r, const struct brand *b)
{
    d->dialect = MEDVL_DIALECT_GPT2;
    d->vocab_size = medvl_config_int(r, "vocab_size", 1, MEDVL_VOCAB_LIMIT,
                                     b->vocab_size);
    d->hidden = read_either(r, "hidden_size", "n_embd", MEDVL_SIZE_LIMIT / 4,
                            b->hidden);
    d->intermediate = medvl_config_int(r, "n_inner", 1, MEDVL_SIZE_LIMIT,
                                       4 * d->hidden);
    d->layers = read_either(r, "num_hidden_layers", "n_layer",
                            MEDVL_LAYERS_MAX, b->layers);
    d->heads = d->groups = read_either(r, "num_attention_heads", "n_head",
                                       MEDVL_SIZE_LIMIT, b->heads);
    d->max_positions = read_either(r, "max_position_embeddings",
                                   "n_positions", MEDVL_VOCAB_LIMIT,
                                   b->max_positions);
    d->norm = MEDVL_NORM_LAYER;
    d->norm_eps = medvl_config_float(r, "layer_norm_epsilon", 0, 1,
                                     b->norm_eps);
    d->act = medvl_config_act(r, "activation_function", b->act);
    d->learned_positions = d->transposed = d->fused_qkv = true;
    d->qkv_bias = d->out_bias = d->mlp_bias = true;
    check_heads(d, r);
    if (!medvl_config_bool(r, "scale_attn_weights", true))
        medvl_config_refuse(r, "scale_attn_weights", "false");
    d->scale_by_layer = medvl_config_bool(
        r, "scale_attn_by_inverse_layer_idx", false);
    if (medvl_config_bool(r, "add_cross_attention", false))
        medvl_config_refuse(r, "add_cross_attention", "true");
}

/* GPT-2's embeddings know of none; below zero counts from the end. */
static void read_padding(struct medvl_decoder_config *d,
                         struct medvl_config_reader *r, const struct brand *b)
{
    const struct medvl_json *v = medvl_json_get(r->object, "pad_token_id");

    d->padding = medvl_config_id(r, "pad_token_id", b->pad);
    if (medvl_json_type(v) == MEDVL_JSON_NUMBER && d->padding < 0)
        d->padding += (int32_t)d->vocab_size;
    d->has_padding = d->padding >= 0;
}

void medvl_config_read_decoder(struct medvl_decoder_config *d,
                               struct medvl_config_reader *r,
                               const char *type)
{
    const struct brand *b = find_brand(type);

    if (!b) {
        medvl_config_refuse(r, "model_type", type);
        return;
    }
    d->init_range = medvl_config_float(r, "initializer_range", 0, 10, 0.02);
    d->tied = medvl_config_bool(r, "tie_word_embeddings",
                                d->tied || b->tied);
    if (strcmp(type, "gpt2") == 0) {
        read_gpt2(d, r, b);
        return;
    }
    read_sizes(d, r, b);
    read_padding(d, r, b);
    if (strcmp(type, "llama") == 0 || strcmp(type, "qwen3") == 0)
        d->qkv_bias = d->out_bias = medvl_config_bool(r, "attention_bias",
                                                      false);
    if (strcmp(type, "llama") == 0)
        d->mlp_bias = medvl_config_bool(r, "mlp_bias", false);
    if (strcmp(type, "mistral") == 0)
        read_window(d, r, 4096);
    if (strcmp(type, "qwen2") == 0 || strcmp(type, "qwen2_vl") == 0)
        d->qkv_bias = true;
    if (strcmp(type, "qwen3") == 0)
        d->qk_norm = true;
    if (strncmp(type, "qwen", 4) == 0)
        read_qwen(d, r, b);
    if (strcmp(type, "phi") == 0)
        read_phi(d, r);
    if (strcmp(type, "phi3") == 0) {
        d->fused_qkv = d->fused_gate_up = true;
        read_window(d, r, 0);
    }
}
