/*
 * Qwen2-VL and Qwen2.5-VL: the fields of the text at the top, as on the
 * hub, or in "text_config"; their tower; what joins the two.
 *
 * Source: Qwen2VLConfig and Qwen2_5_VLConfig of transformers 4.57.
 *
 * Read next: layout.h.
 */
#include <math.h>

#include "lib/model/config_part.h"

/* The layers that see whole pictures; the others see windows. */
static void read_whole(struct medvl_vision_config *v,
                       struct medvl_config_reader *r)
{
    static const char NAME[] = "fullatt_block_indexes";
    const struct medvl_json *list = medvl_config_field(r, NAME);
    const struct medvl_json *item = medvl_json_first(list);

    for (int64_t i = 0; !list && i < v->layers; i++)
        v->whole[i] = i == 7 || i == 15 || i == 23 || i == 31;
    if (list && medvl_json_type(list) != MEDVL_JSON_ARRAY)
        medvl_config_fail(r, MEDVL_EFORMAT, "\"%s\": want a list", NAME);
    for (; item; item = medvl_json_next(item)) {
        const double layer = medvl_json_number(item, NAN);

        if (!(layer >= 0 && layer < MEDVL_LAYERS_MAX &&
              layer == floor(layer))) {
            medvl_config_fail(r, MEDVL_EFORMAT, "\"%s\": want layers", NAME);
            return;
        }
        v->whole[(int64_t)layer] = true;
    }
}

static void read_2(struct medvl_vision_config *v,
                   struct medvl_config_reader *r)
{
    v->tower = MEDVL_TOWER_QWEN2_VL;
    v->norm = MEDVL_NORM_LAYER;
    v->hidden = medvl_config_int(r, "embed_dim", 1, MEDVL_SIZE_LIMIT, 1280);
    v->intermediate = (int64_t)((double)medvl_config_float(r, "mlp_ratio", 1,
                                                           64, 4) *
                                (double)v->hidden);
    v->act = medvl_config_act(r, "hidden_act", MEDVL_ACT_QUICK_GELU);
}

static void read_2_5(struct medvl_vision_config *v,
                     struct medvl_config_reader *r)
{
    v->tower = MEDVL_TOWER_QWEN2_5_VL;
    v->norm = MEDVL_NORM_RMS;
    v->gated = true;
    v->hidden = medvl_config_int(r, "hidden_size", 1, MEDVL_SIZE_LIMIT,
                                 3584);
    v->intermediate = medvl_config_int(r, "intermediate_size", 1,
                                       MEDVL_SIZE_LIMIT, 3420);
    v->act = medvl_config_act(r, "hidden_act", MEDVL_ACT_SILU);
    v->window = medvl_config_int(r, "window_size", 1, 1 << 20, 112);
    read_whole(v, r);
}

static void check_sizes(const struct medvl_vision_config *v,
                        struct medvl_config_reader *r)
{
    if (v->hidden % v->heads || v->hidden / v->heads % 4)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "%lld channels in %lld heads: each wants a "
                          "multiple of 4, turned by row and column",
                          (long long)v->hidden, (long long)v->heads);
    else if (v->window && v->window < v->patch_size * v->merge)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "window_size %lld is below a merged patch's %lld",
                          (long long)v->window,
                          (long long)(v->patch_size * v->merge));
}

/* Returns how many channels the merger makes of a token. */
static int64_t read_tower(struct medvl_vision_config *v,
                          struct medvl_config_reader *r, bool newer)
{
    v->layers = medvl_config_int(r, "depth", 1, MEDVL_LAYERS_MAX, 32);
    v->heads = medvl_config_int(r, "num_heads", 1, MEDVL_SIZE_LIMIT, 16);
    v->patch_size = medvl_config_int(r, "patch_size", 1, 1 << 10, 14);
    v->merge = medvl_config_int(r, "spatial_merge_size", 1, 64, 2);
    v->temporal = medvl_config_int(r, "temporal_patch_size", 1, 64, 2);
    v->init_range = medvl_config_float(r, "initializer_range", 0, 10, 0.02);
    v->norm_eps = 1e-6f;
    medvl_config_int(r, "in_channels", 3, 3, 3);
    if (newer)
        read_2_5(v, r);
    else
        read_2(v, r);
    medvl_config_add_features(v, r, v->layers);
    check_sizes(v, r);
    return medvl_config_int(r, newer ? "out_hidden_size" : "hidden_size", 1,
                            MEDVL_SIZE_LIMIT, 3584);
}

/* How many of the pairs each of three axes turns. */
static void read_mrope(struct medvl_decoder_config *d,
                       struct medvl_config_reader *r)
{
    const struct medvl_json *scaling =
        medvl_config_object(r, "rope_parameters", true);
    const struct medvl_json *list;
    int64_t pairs = 0;

    if (!scaling)
        scaling = medvl_config_object(r, "rope_scaling", true);
    list = medvl_json_get(scaling, "mrope_section");
    for (size_t i = 0; i < 3; i++) {
        const double n = medvl_json_number(medvl_json_at(list, i), 0);

        if (n >= 1 && n <= MEDVL_ROTARY_MAX && n == floor(n))
            d->mrope[i] = (int64_t)n;
        pairs += d->mrope[i];
    }
    if (medvl_json_count(list) != 3 || !d->mrope[0] || !d->mrope[1] ||
        !d->mrope[2] || 2 * pairs != d->rotary)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"mrope_section\" of \"rope_scaling\": want "
                          "three numbers above 0 whose sum is %lld",
                          (long long)d->rotary / 2);
}

/* An id below the vocabulary's size, as the default has to be, too. */
static int32_t read_token(struct medvl_config_reader *r, const char *name,
                          int64_t vocab, int64_t otherwise)
{
    const int64_t id = medvl_config_int(r, name, 0, MEDVL_VOCAB_LIMIT,
                                        otherwise);

    if (id >= vocab)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "%s %lld is not below the vocabulary's %lld", name,
                          (long long)id, (long long)vocab);
    return (int32_t)id;
}

void medvl_config_read_qwen_vl(struct medvl_config *config,
                               struct medvl_config_reader *r,
                               struct medvl_config_reader *text)
{
    struct medvl_vision_config *v = &config->vision;
    const bool newer = config->family == MEDVL_FAMILY_QWEN2_5_VL;
    const int64_t vocab = config->decoder.vocab_size;
    struct medvl_config_reader vision = {.place = "vision_config",
                                         .err = r->err};
    int64_t channels;

    if (text->rc < 0)
        return;
    read_mrope(&config->decoder, text);
    vision.object = medvl_config_object(r, vision.place, true);
    channels = read_tower(v, &vision, newer);
    if (r->rc == MEDVL_OK)
        r->rc = vision.rc;
    if (r->rc == MEDVL_OK && channels != config->decoder.hidden)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "the tower gives %lld channels, the text takes "
                          "%lld",
                          (long long)channels,
                          (long long)config->decoder.hidden);
    config->projector_layers = 2;
    config->projector_act = MEDVL_ACT_GELU;
    config->projector_bias = true;
    config->image_token = read_token(r, "image_token_id", vocab, 151655);
    config->video_token = (int32_t)medvl_config_int(
        r, "video_token_id", 0, MEDVL_VOCAB_LIMIT, 151656);
}
