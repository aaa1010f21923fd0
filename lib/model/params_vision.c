/*
 * Parameters of a tower, and what CLIP, SigLIP, DINOv2 and Qwen call them.
 *
 * Read next: checkpoint.h.
 */
#include <stdio.h>

#include "lib/model/params_part.h"

/* One name for each key; NULL: it has none. */
struct words {
    const char *inner; /* below the root */
    const char *class_embedding, *patch, *position, *pre_norm, *post_norm;
    const char *layers; /* with the number behind */
    const char *norm1, *norm2, *q, *k, *v, *qkv, *o;
    const char *fc1, *fc2, *gate_up, *down;
};

#define CLIP_WORDS                                                        \
    .inner = "vision_model.", .patch = "embeddings.patch_embedding",      \
    .position = "embeddings.position_embedding.weight",                   \
    .post_norm = "post_layernorm", .layers = "encoder.layers",            \
    .norm1 = "layer_norm1", .norm2 = "layer_norm2",                       \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj",                     \
    .v = "self_attn.v_proj", .o = "self_attn.out_proj", .fc1 = "mlp.fc1", \
    .fc2 = "mlp.fc2"
#define QWEN_WORDS                                                \
    .inner = "", .patch = "patch_embed.proj", .layers = "blocks", \
    .norm1 = "norm1", .norm2 = "norm2", .qkv = "attn.qkv",        \
    .o = "attn.proj", .fc1 = "mlp.fc1", .fc2 = "mlp.fc2",         \
    .down = "mlp.down_proj"

static const struct words WORDS[] = {
    [MEDVL_TOWER_CLIP] = {CLIP_WORDS,
                          .class_embedding = "embeddings.class_embedding",
                          .pre_norm = "pre_layrnorm"},
    [MEDVL_TOWER_SIGLIP] = {CLIP_WORDS},
    [MEDVL_TOWER_DINOV2] = {.inner = "",
                            .class_embedding = "embeddings.cls_token",
                            .patch = "embeddings.patch_embeddings.projection",
                            .position = "embeddings.position_embeddings",
                            .post_norm = "layernorm",
                            .layers = "encoder.layer",
                            .norm1 = "norm1",
                            .norm2 = "norm2",
                            .q = "attention.attention.query",
                            .k = "attention.attention.key",
                            .v = "attention.attention.value",
                            .o = "attention.output.dense",
                            .fc1 = "mlp.fc1",
                            .fc2 = "mlp.fc2",
                            .gate_up = "mlp.weights_in",
                            .down = "mlp.weights_out"},
    [MEDVL_TOWER_QWEN2_VL] = {QWEN_WORDS},
    [MEDVL_TOWER_QWEN2_5_VL] = {QWEN_WORDS},
};

static void list_patches(struct medvl_lister *l,
                         const struct medvl_vision_config *v,
                         const struct words *w)
{
    const bool qwen = v->tower == MEDVL_TOWER_QWEN2_VL ||
                      v->tower == MEDVL_TOWER_QWEN2_5_VL;
    const int64_t p = v->patch_size;
    const int64_t flat[4] = {v->hidden, 3, p, p};
    const int64_t deep[5] = {v->hidden, 3, v->temporal, p, p};
    char name[64];

    snprintf(name, sizeof(name), "%s.weight", w->patch);
    medvl_list_shape(l, "patch_embedding.weight", name, MEDVL_INIT_NORMAL,
                     qwen ? 5 : 4, qwen ? deep : flat, v->hidden);
    snprintf(name, sizeof(name), "%s.bias", w->patch);
    if (v->patch_bias)
        medvl_list_vector(l, "patch_embedding.bias", name, MEDVL_INIT_ZERO,
                          v->hidden);
}

/* Class token, patches, positions, in the order that each file has. */
static void list_embeddings(struct medvl_lister *l,
                            const struct medvl_vision_config *v,
                            const struct words *w)
{
    const bool dino = v->tower == MEDVL_TOWER_DINOV2;
    const int64_t side = v->image_size / v->patch_size;
    const int64_t places = side * side + v->class_token;
    const int64_t one[3] = {1, 1, v->hidden};
    const int64_t table[3] = {1, places, v->hidden};
    const int64_t marks[3] = {1, v->registers, v->hidden};

    if (v->class_token)
        medvl_list_shape(l, "class_embedding", w->class_embedding,
                         MEDVL_INIT_NORMAL, dino ? 3 : 1,
                         dino ? one : one + 2, 1);
    l->unused = true;
    if (v->mask_token)
        medvl_list_shape(l, "mask_token", "embeddings.mask_token",
                         MEDVL_INIT_ZERO, 2, one + 1, 1);
    l->unused = false;
    if (v->registers > 0)
        medvl_list_shape(l, "register_tokens", "embeddings.register_tokens",
                         MEDVL_INIT_ZERO, 3, marks, v->registers);
    if (dino)
        medvl_list_shape(l, "position_embedding", w->position,
                         MEDVL_INIT_PLACES, 3, table, places);
    list_patches(l, v, w);
    if (w->position && !dino)
        medvl_list_shape(l, "position_embedding", w->position,
                         MEDVL_INIT_PLACES, 2, table + 1, places);
    if (v->pre_norm)
        medvl_list_norm(l, "pre_norm", w->pre_norm, v->hidden, v->norm);
}

static void list_mlp(struct medvl_lister *l,
                     const struct medvl_vision_config *v,
                     const struct words *w)
{
    const int64_t wide = v->intermediate;

    if (!v->gated) {
        medvl_list_linear(l, "mlp.fc1", w->fc1, wide, v->hidden, true, false);
        medvl_list_linear(l, "mlp.fc2", w->fc2, v->hidden, wide, true, false);
        return;
    }
    if (v->fused_gated) {
        medvl_list_linear(l, "mlp.gate_up_proj", w->gate_up, 2 * wide,
                          v->hidden, true, false);
    } else {
        medvl_list_linear(l, "mlp.gate_proj", "mlp.gate_proj", wide,
                          v->hidden, true, false);
        medvl_list_linear(l, "mlp.up_proj", "mlp.up_proj", wide, v->hidden,
                          true, false);
    }
    medvl_list_linear(l, "mlp.down_proj", w->down, v->hidden, wide, true,
                      false);
}

static void list_layer(struct medvl_lister *l,
                       const struct medvl_vision_config *v,
                       const struct words *w)
{
    const int64_t c = v->hidden;

    medvl_list_norm(l, "norm1", w->norm1, c, v->norm);
    if (w->qkv) {
        medvl_list_linear(l, "self_attn.qkv_proj", w->qkv, 3 * c, c, true,
                          false);
    } else {
        medvl_list_linear(l, "self_attn.q_proj", w->q, c, c, v->qkv_bias,
                          false);
        medvl_list_linear(l, "self_attn.k_proj", w->k, c, c, v->qkv_bias,
                          false);
        medvl_list_linear(l, "self_attn.v_proj", w->v, c, c, v->qkv_bias,
                          false);
    }
    medvl_list_linear(l, "self_attn.o_proj", w->o, c, c, true, false);
    if (v->layer_scale)
        medvl_list_vector(l, "scale1", "layer_scale1.lambda1",
                          MEDVL_INIT_ONE, c);
    medvl_list_norm(l, "norm2", w->norm2, c, v->norm);
    list_mlp(l, v, w);
    if (v->layer_scale)
        medvl_list_vector(l, "scale2", "layer_scale2.lambda1",
                          MEDVL_INIT_ONE, c);
}

/* SigLIP's attention pooling, which no feature comes from. */
static void list_head(struct medvl_lister *l,
                      const struct medvl_vision_config *v)
{
    const int64_t c = v->hidden, probe[3] = {1, 1, c};

    medvl_list_shape(l, "head.probe", "head.probe", MEDVL_INIT_NORMAL, 3,
                     probe, 1);
    medvl_list_matrix(l, "head.attention.in_proj_weight",
                      "head.attention.in_proj_weight", 3 * c, c);
    medvl_list_vector(l, "head.attention.in_proj_bias",
                      "head.attention.in_proj_bias", MEDVL_INIT_ZERO, 3 * c);
    medvl_list_linear(l, "head.attention.out_proj", "head.attention.out_proj",
                      c, c, true, false);
    medvl_list_norm(l, "head.layernorm", "head.layernorm", c, v->norm);
    medvl_list_linear(l, "head.mlp.fc1", "head.mlp.fc1", v->intermediate, c,
                      true, false);
    medvl_list_linear(l, "head.mlp.fc2", "head.mlp.fc2", c, v->intermediate,
                      true, false);
}

static bool uses_last_norm(const struct medvl_vision_config *v)
{
    return v->last_norm && v->run_layers == v->layers;
}

void medvl_list_vision(struct medvl_lister *l,
                       const struct medvl_vision_config *v, const char *root)
{
    const struct words *w = &WORDS[v->tower];
    char key[64];

    medvl_list_at(l, "vision.", "%s%s", root, w->inner);
    list_embeddings(l, v, w);
    for (int64_t i = 0; i < v->layers && l->rc == MEDVL_OK; i++) {
        l->unused = i >= v->run_layers;
        snprintf(key, sizeof(key), "vision.layers.%d.", (int)i);
        medvl_list_at(l, key, "%s%s%s.%d.", root, w->inner, w->layers,
                      (int)i);
        list_layer(l, v, w);
    }
    l->unused = !uses_last_norm(v);
    medvl_list_at(l, "vision.", "%s%s", root, w->inner);
    if (w->post_norm)
        medvl_list_norm(l, "post_norm", w->post_norm, v->hidden, v->norm);
    l->unused = true;
    if (v->pooling_head)
        list_head(l, v);
    l->unused = false;
}
