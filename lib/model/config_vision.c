/*
 * The tower's fields: CLIP, SigLIP and DINOv2.
 *
 * Source: CLIPVisionConfig, SiglipVisionConfig and Dinov2Config of
 * transformers 4.57.
 *
 * Read next: config_llava.c.
 */
#include <string.h>

#include "lib/model/config_part.h"

#define SIDE_LIMIT 4096 /* patches: 2^24 positions */

/* What a tower is where its config.json is silent. */
struct kind {
    const char *type;
    enum medvl_tower tower;
    int64_t patch_size;
    double norm_eps;
    enum medvl_act act;
};

static const struct kind KINDS[] = {
    {"clip_vision_model", MEDVL_TOWER_CLIP, 32, 1e-5, MEDVL_ACT_QUICK_GELU},
    {"siglip_vision_model", MEDVL_TOWER_SIGLIP, 16, 1e-6,
     MEDVL_ACT_GELU_TANH},
    {"dinov2", MEDVL_TOWER_DINOV2, 14, 1e-6, MEDVL_ACT_GELU},
    {"dinov2_with_registers", MEDVL_TOWER_DINOV2, 16, 1e-6, MEDVL_ACT_GELU},
};

static void check_sizes(struct medvl_vision_config *v,
                        struct medvl_config_reader *r)
{
    if (r->rc < 0)
        return;
    /* What is left over at the edge is not read. */
    if (v->image_size / v->patch_size > SIDE_LIMIT)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "image_size %lld is more than %d patches",
                          (long long)v->image_size, SIDE_LIMIT);
    else if (v->image_size < v->patch_size)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "image_size %lld is below patch_size %lld",
                          (long long)v->image_size,
                          (long long)v->patch_size);
    else if (v->hidden % v->heads != 0)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "hidden_size %lld does not divide by %lld heads",
                          (long long)v->hidden, (long long)v->heads);
}

/* SwiGLU's width is two thirds, up to a multiple of eight. */
static void read_dinov2(struct medvl_vision_config *v,
                        struct medvl_config_reader *r, bool registers)
{
    const float ratio = medvl_config_float(r, "mlp_ratio", 1, 64, 4);

    v->intermediate = (int64_t)((double)v->hidden * (double)ratio);
    v->layer_scale = v->interpolate = true;
    v->gated = v->fused_gated = medvl_config_bool(r, "use_swiglu_ffn",
                                                  false);
    if (v->gated) {
        v->intermediate = (v->intermediate * 2 / 3 + 7) / 8 * 8;
        v->act = MEDVL_ACT_SILU;
    }
    v->qkv_bias = medvl_config_bool(r, "qkv_bias", true);
    v->mask_token = registers || medvl_config_bool(r, "use_mask_token", true);
    v->antialias = registers;
    if (registers)
        v->registers = medvl_config_int(r, "num_register_tokens", 1, 1024, 4);
}

static const struct kind *find_kind(struct medvl_config_reader *r)
{
    const char *type = medvl_config_string(r, "model_type",
                                           "clip_vision_model");

    for (size_t i = 0; i < sizeof(KINDS) / sizeof(*KINDS); i++)
        if (strcmp(KINDS[i].type, type) == 0)
            return &KINDS[i];
    medvl_config_refuse(r, "model_type", type);
    return &KINDS[0];
}

void medvl_config_read_vision(struct medvl_vision_config *v,
                              struct medvl_config_reader *r)
{
    const bool given = r->object;
    const struct kind *k = find_kind(r);

    v->tower = k->tower;
    v->image_size = medvl_config_int(r, "image_size", 1, 1 << 14,
                                     given ? 224 : 336);
    v->patch_size = medvl_config_int(r, "patch_size", 1, 1 << 14,
                                     given ? k->patch_size : 14);
    v->hidden = medvl_config_int(r, "hidden_size", 1, MEDVL_SIZE_LIMIT,
                                 given ? 768 : 1024);
    v->intermediate = medvl_config_int(r, "intermediate_size", 1,
                                       MEDVL_SIZE_LIMIT, given ? 3072 : 4096);
    v->layers = medvl_config_int(r, "num_hidden_layers", 1, MEDVL_LAYERS_MAX,
                                 given ? 12 : 24);
    v->heads = medvl_config_int(r, "num_attention_heads", 1,
                                MEDVL_SIZE_LIMIT, given ? 12 : 16);
    v->norm = MEDVL_NORM_LAYER;
    v->norm_eps = medvl_config_float(r, "layer_norm_eps", 0, 1, k->norm_eps);
    v->act = medvl_config_act(r, "hidden_act", k->act);
    v->init_range = medvl_config_float(r, "initializer_range", 0, 10, 0.02);
    v->temporal = v->merge = 1;
    v->class_token = k->tower != MEDVL_TOWER_SIGLIP;
    v->patch_bias = k->tower != MEDVL_TOWER_CLIP;
    v->pre_norm = k->tower == MEDVL_TOWER_CLIP;
    v->last_norm = k->tower == MEDVL_TOWER_SIGLIP;
    v->qkv_bias = true;
    v->pooling_head = k->tower == MEDVL_TOWER_SIGLIP &&
                      medvl_config_bool(r, "vision_use_head", true);
    medvl_config_int(r, "num_channels", 3, 3, 3);
    if (k->tower == MEDVL_TOWER_DINOV2)
        read_dinov2(v, r, strcmp(k->type, "dinov2") != 0);
    check_sizes(v, r);
}

void medvl_config_add_features(struct medvl_vision_config *v,
                               struct medvl_config_reader *r, int64_t layer)
{
    const int64_t run = layer < 0 ? v->layers + 1 + layer : layer;

    if (run < 0 || run > v->layers)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "feature layer %lld of a tower of %lld",
                          (long long)layer, (long long)v->layers);
    else if (v->feature_count == MEDVL_FEATURES_MAX)
        medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                          "more than %d feature layers", MEDVL_FEATURES_MAX);
    if (r->rc < 0)
        return;
    v->features[v->feature_count++] = run;
    if (run > v->run_layers)
        v->run_layers = run;
}
