/*
 * A config.json of strangers: read, and if it reads, its list of parameters
 * made, every key and name looked at, every size counted; a small one's
 * picture sizes and positions too.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/grid.h"
#include "lib/model/params.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span json = {(const char *)data, size};
    struct medvl_config config;
    struct medvl_error err = {0};

    if (medvl_config_parse(&config, json, &err) < 0) {
        if (!err.text[0])
            abort();
        return 0;
    }
    use_params(&config);
    use_grid(&config);
    medvl_config_release(&config);
    return 0;
}
