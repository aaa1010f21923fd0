/*
 * What LLaVA and LLaVA-NeXT add at the top of config.json: which features
 * go where.
 *
 * Source: LlavaConfig and LlavaNextConfig of transformers 4.57.
 *
 * Read next: config_original.c.
 */
#include <math.h>
#include <string.h>

#include "lib/model/config_part.h"

/* One layer or a list of them. */
static void read_features(struct medvl_vision_config *v,
                          struct medvl_config_reader *r)
{
    static const char NAME[] = "vision_feature_layer";
    const struct medvl_json *list = medvl_config_field(r, NAME);
    const struct medvl_json *item = medvl_json_first(list);

    if (medvl_json_type(list) != MEDVL_JSON_ARRAY) {
        medvl_config_add_features(
            v, r,
            medvl_config_int(r, NAME, -MEDVL_LAYERS_MAX - 1,
                             MEDVL_LAYERS_MAX, -2));
        return;
    }
    if (!item)
        medvl_config_fail(r, MEDVL_EFORMAT, "\"%s\": an empty list", NAME);
    for (; item && r->rc == MEDVL_OK; item = medvl_json_next(item)) {
        const double layer = medvl_json_number(item, NAN);

        if (!(fabs(layer) <= MEDVL_LAYERS_MAX && layer == floor(layer)))
            medvl_config_fail(r, MEDVL_EFORMAT, "\"%s\": want layers",
                              NAME);
        else
            medvl_config_add_features(v, r, (int64_t)layer);
    }
}

/* A tower without a class token has none to leave out. */
static bool reads_class(struct medvl_config_reader *r,
                        const struct medvl_vision_config *v)
{
    static const char NAME[] = "vision_feature_select_strategy";
    const char *which = medvl_config_string(r, NAME, "default");
    const bool full = strcmp(which, "full") == 0;

    if (!full && strcmp(which, "default") != 0)
        medvl_config_refuse(r, NAME, which);
    if (!full && !v->class_token)
        medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                          "\"%s\": \"default\" leaves out the first patch "
                          "of a tower without class token; use \"full\"",
                          NAME);
    return full && v->class_token;
}

void medvl_config_read_llava(struct medvl_config *config,
                             struct medvl_config_reader *r)
{
    struct medvl_vision_config *v = &config->vision;
    const int64_t vocab = config->decoder.vocab_size;

    read_features(v, r);
    v->keep_class = reads_class(r, v);
    if (config->family == MEDVL_FAMILY_LLAVA_NEXT) {
        config->merge = MEDVL_MERGE_SPATIAL_UNPAD;
        medvl_config_read_pinpoints(config, r, false);
    }
    config->projector_layers = 2;
    config->projector_act = medvl_config_act(r, "projector_hidden_act",
                                             MEDVL_ACT_GELU);
    config->projector_bias = medvl_config_bool(r, "multimodal_projector_bias",
                                               true);
    config->image_token = (int32_t)medvl_config_int(
        r, "image_token_id", 0, vocab - 1,
        medvl_config_int(r, "image_token_index", 0, vocab - 1, 32000));
    if (config->image_token >= vocab)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "image_token_index %d is not below the "
                          "vocabulary's %lld: \"vocab_size\" of "
                          "text_config counts the placeholder too",
                          config->image_token, (long long)vocab);
}
