/*
 * Parameters of a decoder, and what the brands call them.
 *
 * Read next: params_vision.c.
 */
#include <stdio.h>
#include <string.h>

#include "lib/model/params_part.h"

/* Where a dialect says otherwise than Llama: key, then its name. */
struct word {
    const char *key, *name;
};

static const struct word PHI[] = {
    {"self_attn.o_proj", "self_attn.dense"},
    {"norm", "final_layernorm"},
    {NULL, NULL},
};

static const struct word GPT2[] = {
    {"embed_tokens", "wte"},
    {"embed_positions", "wpe"},
    {"layers", "h"},
    {"input_layernorm", "ln_1"},
    {"post_attention_layernorm", "ln_2"},
    {"self_attn.qkv_proj", "attn.c_attn"},
    {"self_attn.o_proj", "attn.c_proj"},
    {"mlp.fc1", "mlp.c_fc"},
    {"mlp.fc2", "mlp.c_proj"},
    {"norm", "ln_f"},
    {NULL, NULL},
};

static const char *named(const struct medvl_decoder_config *d,
                         const char *key)
{
    const struct word *w = d->dialect == MEDVL_DIALECT_GPT2  ? GPT2
                           : d->dialect == MEDVL_DIALECT_PHI ? PHI
                                                             : NULL;

    for (; w && w->key; w++)
        if (strcmp(w->key, key) == 0)
            return w->name;
    return key;
}

static void linear(struct medvl_lister *l,
                   const struct medvl_decoder_config *d, const char *key,
                   int64_t outputs, int64_t inputs, bool bias)
{
    medvl_list_linear(l, key, named(d, key), outputs, inputs, bias,
                      d->transposed);
}

static void norm(struct medvl_lister *l,
                 const struct medvl_decoder_config *d, const char *key)
{
    medvl_list_norm(l, key, named(d, key), d->hidden, d->norm);
}

static void list_attention(struct medvl_lister *l,
                           const struct medvl_decoder_config *d)
{
    const int64_t q = d->heads * d->head_size, k = d->groups * d->head_size;

    if (d->fused_qkv) {
        linear(l, d, "self_attn.qkv_proj", q + 2 * k, d->hidden,
               d->qkv_bias);
    } else {
        linear(l, d, "self_attn.q_proj", q, d->hidden, d->qkv_bias);
        linear(l, d, "self_attn.k_proj", k, d->hidden, d->qkv_bias);
        linear(l, d, "self_attn.v_proj", k, d->hidden, d->qkv_bias);
    }
    linear(l, d, "self_attn.o_proj", d->hidden, q, d->out_bias);
    if (d->qk_norm) {
        medvl_list_norm(l, "self_attn.q_norm", "self_attn.q_norm",
                        d->head_size, MEDVL_NORM_RMS);
        medvl_list_norm(l, "self_attn.k_norm", "self_attn.k_norm",
                        d->head_size, MEDVL_NORM_RMS);
    }
}

static void list_mlp(struct medvl_lister *l,
                     const struct medvl_decoder_config *d)
{
    const int64_t wide = d->intermediate;

    if (!d->gated) {
        linear(l, d, "mlp.fc1", wide, d->hidden, d->mlp_bias);
        linear(l, d, "mlp.fc2", d->hidden, wide, d->mlp_bias);
        return;
    }
    if (d->fused_gate_up) {
        linear(l, d, "mlp.gate_up_proj", 2 * wide, d->hidden, d->mlp_bias);
    } else {
        linear(l, d, "mlp.gate_proj", wide, d->hidden, d->mlp_bias);
        linear(l, d, "mlp.up_proj", wide, d->hidden, d->mlp_bias);
    }
    linear(l, d, "mlp.down_proj", d->hidden, wide, d->mlp_bias);
}

void medvl_list_decoder(struct medvl_lister *l,
                        const struct medvl_decoder_config *d,
                        const char *root)
{
    const bool bare = d->dialect == MEDVL_DIALECT_GPT2 && !root[0];
    const char *body = bare ? "transformer." : "model.";
    char key[64], name[64];

    medvl_list_at(l, "decoder.", "%s%s", root, body);
    snprintf(name, sizeof(name), "%s.weight", named(d, "embed_tokens"));
    medvl_list_matrix(l, "embed_tokens.weight", name, d->vocab_size,
                      d->hidden);
    snprintf(name, sizeof(name), "%s.weight", named(d, "embed_positions"));
    if (d->learned_positions)
        medvl_list_matrix(l, "embed_positions.weight", name,
                          d->max_positions, d->hidden);
    for (int64_t i = 0; i < d->layers && l->rc == MEDVL_OK; i++) {
        snprintf(key, sizeof(key), "decoder.layers.%d.", (int)i);
        medvl_list_at(l, key, "%s%s%s.%d.", root, body, named(d, "layers"),
                      (int)i);
        norm(l, d, "input_layernorm");
        list_attention(l, d);
        if (!d->parallel)
            norm(l, d, "post_attention_layernorm");
        list_mlp(l, d);
    }
    medvl_list_at(l, "decoder.", "%s%s", root, body);
    norm(l, d, "norm");
    medvl_list_at(l, "decoder.", "%s", root);
    if (!d->tied)
        medvl_list_linear(l, "lm_head", "lm_head", d->vocab_size, d->hidden,
                          d->head_bias, false);
    else if (d->head_bias)
        medvl_list_vector(l, "lm_head.bias", "lm_head.bias",
                          MEDVL_INIT_ZERO, d->vocab_size);
}
