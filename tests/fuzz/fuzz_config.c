/*
 * A config.json of strangers: read, and if it reads, its list of parameters
 * made, every key and name looked at, every size counted; a small one's
 * picture sizes and positions too.  Then once more with known fields of
 * values that they may not have, which changed bytes seldom make.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/grid.h"
#include "lib/model/params.h"

#define CHANGES 8 /* tried of each input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_params(const struct medvl_config *config)
{
    struct medvl_params params;
    struct medvl_error err = {0};
    char name[MEDVL_PARAM_NAME];
    size_t bytes;

    if (medvl_params_list(&params, config, &err) < 0) {
        if (!err.text[0])
            abort();
        return;
    }
    for (size_t i = 0; i < params.count; i++) {
        const struct medvl_param_spec *s = &params.specs[i];

        medvl_params_canonical(name, s->name, config);
        if (strcmp(name, s->name) != 0 ||
            medvl_tensor_bytes(&bytes, MEDVL_DTYPE_F32, s->shape.rank,
                               s->shape.size, &err) < 0)
            abort();
    }
    medvl_params_release(&params);
}

/* The pictures of a model as its config alone has them. */
static void use_grid(const struct medvl_config *config)
{
    const struct medvl_vision_config *v = &config->vision;
    const int64_t merge = v->merge > 0 ? v->merge : 1;
    struct medvl_grid grid = {.width = 640, .height = 480};
    int32_t *out;
    int64_t tokens;

    if (config->family == MEDVL_FAMILY_TEXT || merge > 16)
        return;
    grid.rows = grid.columns = v->image_size
                                   ? v->image_size / v->patch_size
                                   : 2 * merge;
    if (config->family == MEDVL_FAMILY_LLAVA_NEXT)
        grid.tiles_down = grid.tiles_across = 2;
    tokens = medvl_grid_tokens(config, &grid);
    if (tokens < 1)
        abort();
    if (tokens > 100000)
        return;
    out = medvl_alloc((size_t)tokens, 8 * sizeof(*out));
    if (out && config->max_views > 0)
        medvl_grid_mix(out, (float *)(void *)(out + 4 * tokens), config,
                       &grid);
    else if (out)
        medvl_grid_places(out, config, &grid);
    medvl_free(out);
}

static void use_json(struct medvl_span json)
{
    struct medvl_config config;
    struct medvl_error err = {0};

    if (medvl_config_parse(&config, json, &err) < 0) {
        if (!err.text[0])
            abort();
        return;
    }
    use_params(&config);
    use_grid(&config);
    medvl_config_release(&config);
}

/* ---- values of another type ------------------------------------------ */

static const char *const FIELDS[] = {
    "model_type", "architectures", "dtype", "torch_dtype", "hidden_act",
    "activation_function", "projector_hidden_act", "type", "rope_type",
    "rope_scaling", "rope_parameters", "rope_theta", "factor",
    "partial_rotary_factor", "short_factor", "long_factor", "layer_types",
    "text_config", "vision_config", "vision_feature_layer",
    "vision_feature_select_strategy", "image_grid_pinpoints",
    "image_token_index", "image_token_id", "eos_token_id", "bos_token_id",
    "tie_word_embeddings", "vocab_size", "hidden_size", "head_dim",
    "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "max_position_embeddings", "sliding_window",
    "image_size", "patch_size", "depth", "num_heads", "embed_dim",
    "mlp_ratio", "spatial_merge_size", "temporal_patch_size", "window_size",
    "fullatt_block_indexes", "mrope_section", "mm_vision_tower",
    "mm_projector_type", "mm_hidden_size", "mm_vision_select_layer",
    "mm_vision_select_feature", "mm_patch_merge_type", "image_aspect_ratio"};

static const char *const VALUES[] = {"5", "-1", "1e30", "\"x\"", "[]", "[7]",
                                     "{}", "true", "false", "null"};

static uint64_t pick(uint64_t *seed, size_t count)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % count;
}

/* Behind the n-th brace: of two fields with one name the first counts. */
static void use_changed(struct medvl_span json, uint64_t *seed, size_t braces)
{
    const size_t field = pick(seed, sizeof(FIELDS) / sizeof(*FIELDS));
    const size_t value = pick(seed, sizeof(VALUES) / sizeof(*VALUES));
    size_t left = pick(seed, braces) + 1, at = 0;
    struct medvl_text text = {0};

    for (; left; at++)
        left -= json.data[at] == '{';
    if (medvl_text_append(&text, json.data, at, NULL) == MEDVL_OK &&
        medvl_text_printf(&text, NULL, "\"%s\":%s,", FIELDS[field],
                          VALUES[value]) == MEDVL_OK &&
        medvl_text_append(&text, json.data + at, json.size - at, NULL) ==
            MEDVL_OK)
        use_json(medvl_text_span(&text));
    medvl_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span json = {(const char *)data, size};
    uint64_t seed = 14695981039346656037u;
    size_t braces = 0;

    use_json(json);
    for (size_t i = 0; i < size; i++) {
        braces += data[i] == '{';
        seed = (seed ^ data[i]) * 1099511628211u;
    }
    for (int i = 0; braces && i < CHANGES; i++)
        use_changed(json, &seed, braces);
    return 0;
}
