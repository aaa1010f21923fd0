/*
 * Pictures and tokens together.
 *
 * Read next: gallery.h.
 */
#include "lib/model/vlm.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/projector.h"
#include "lib/model/vit.h"

/* One pass that counts (out NULL), one that writes. */
static int64_t expand(int32_t *out, int32_t *from,
                      const struct medvl_config *config, const int32_t *ids,
                      int64_t id_count, const struct medvl_grid *grids)
{
    int64_t n = 0;

    for (int64_t i = 0; i < id_count; i++) {
        const bool here = config->image_token >= 0 &&
                          ids[i] == config->image_token;
        const int64_t times =
            here ? medvl_grid_tokens(config, grids++) : 1;

        for (int64_t j = 0; j < times; j++, n++)
            if (out) {
                out[n] = here ? -1 : ids[i];
                from[n] = (int32_t)i;
            }
    }
    return n;
}

int medvl_vlm_expand(int32_t **out, int32_t **from, int64_t *count,
                     const struct medvl_config *config, const int32_t *ids,
                     int64_t id_count, const struct medvl_grid *grids,
                     int64_t pictures, struct medvl_error *err)
{
    int64_t places = 0, n;

    *out = *from = NULL;
    *count = 0;
    for (int64_t i = 0; i < id_count; i++) {
        places += config->image_token >= 0 && ids[i] == config->image_token;
        if (config->video_token >= 0 && ids[i] == config->video_token)
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "token %lld is the place of a video; videos "
                              "are not built in",
                              (long long)i);
    }
    if (places != pictures)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%lld pictures, %lld places for them among the "
                          "tokens",
                          (long long)pictures, (long long)places);
    n = expand(NULL, NULL, config, ids, id_count, grids);
    *out = medvl_alloc((size_t)n, sizeof(**out));
    *from = medvl_alloc((size_t)n, sizeof(**from));
    if (!*out || !*from) {
        medvl_free(*out);
        medvl_free(*from);
        *out = *from = NULL;
        return medvl_no_memory(err);
    }
    *count = expand(*out, *from, config, ids, id_count, grids);
    return MEDVL_OK;
}

/* Which feature rows each token is, and which tokens are newlines. */
struct order {
    int32_t *feature, *newline, *zeros;
    float *weight; /* of each feature, where a token may be four */
    int64_t tokens, newlines, taps;
};

static bool make_order(struct order *o, struct medvl_tape *tape,
                       const struct medvl_config *config,
                       const struct medvl_pictures *pictures)
{
    int32_t before = 0;
    int64_t at = 0;

    memset(o, 0, sizeof(*o));
    o->taps = config->max_views > 0 ? 4 : 1;
    for (int64_t p = 0; p < pictures->count; p++)
        o->tokens += medvl_grid_tokens(config, &pictures->grids[p]);
    o->feature = medvl_tape_memory(
        tape, (size_t)((o->taps + 2) * o->tokens) * sizeof(int32_t));
    o->weight = medvl_tape_memory(
        tape, (size_t)(o->taps * o->tokens) * sizeof(float));
    if (!o->feature || !o->weight)
        return false;
    o->newline = o->feature + o->taps * o->tokens;
    o->zeros = o->newline + o->tokens;
    for (int64_t p = 0; p < pictures->count; p++) {
        const struct medvl_grid *grid = &pictures->grids[p];
        const int64_t count = medvl_grid_tokens(config, grid);
        int32_t *feature = o->feature + o->taps * at;

        if (o->taps > 1)
            medvl_grid_mix(feature, o->weight + o->taps * at, config, grid);
        else
            medvl_grid_places(feature, config, grid);
        for (int64_t i = 0; i < count; i++)
            if (feature[i * o->taps] < 0)
                o->newline[o->newlines++] = (int32_t)(at + i);
        for (int64_t i = 0; i < count * o->taps; i++)
            feature[i] += feature[i] < 0 ? 0 : before;
        at += count;
        before += (int32_t)medvl_grid_features(config, grid);
    }
    return true;
}

/* Features in the order of their tokens, newlines between them. */
static struct medvl_var *arrange(struct medvl_tape *tape,
                                 const struct medvl_model *model,
                                 const struct medvl_pictures *pictures,
                                 struct medvl_var *features)
{
    struct medvl_param *newline = medvl_model_param(model,
                                                    "projector.newline");
    struct medvl_tensor feature, weight, at, zeros;
    struct medvl_var *x, *lines;
    struct order o;

    if (model->config.merge == MEDVL_MERGE_FLAT ||
        !make_order(&o, tape, &model->config, pictures))
        return features;
    feature = medvl_tensor_1d(o.feature, MEDVL_DTYPE_I32, o.tokens);
    if (o.taps > 1)
        feature = medvl_tensor_2d(o.feature, MEDVL_DTYPE_I32, o.tokens,
                                  o.taps);
    weight = medvl_tensor_2d(o.weight, MEDVL_DTYPE_F32, o.tokens, o.taps);
    at = medvl_tensor_1d(o.newline, MEDVL_DTYPE_I32, o.newlines);
    zeros = medvl_tensor_1d(o.zeros, MEDVL_DTYPE_I32, o.newlines);
    x = o.taps > 1 ? medvl_tape_mix_rows(tape, features, &feature, &weight)
                   : medvl_tape_gather_rows(tape, features, &feature);
    if (o.newlines == 0)
        return x;
    lines = medvl_tape_gather_rows(tape, medvl_tape_param(tape, newline),
                                   &zeros);
    return medvl_tape_scatter_rows(tape, x, lines, &at);
}

struct medvl_var *medvl_vlm_encode(struct medvl_tape *tape,
                                   const struct medvl_model *model,
                                   const struct medvl_pictures *pictures)
{
    struct medvl_var *features;

    if (model->config.family == MEDVL_FAMILY_TEXT)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "pictures for a model that takes none");
    features = medvl_vit_forward(tape, model, pictures);
    features = medvl_projector_forward(tape, model, features);
    return arrange(tape, model, pictures, features);
}

struct medvl_var *medvl_vlm_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_inputs *inputs,
                                    const struct medvl_decoder_run *run)
{
    const struct medvl_tensor places = medvl_tensor_1d(
        (void *)(uintptr_t)inputs->picture_token, MEDVL_DTYPE_I32,
        inputs->picture_tokens);
    struct medvl_var *features = NULL, *hidden, *words;

    hidden = words = medvl_decoder_embed(tape, model, run);
    if (inputs->features.data)
        features = medvl_tape_input(tape, &inputs->features, false);
    else if (inputs->pictures.count > 0)
        features = medvl_vlm_encode(tape, model, &inputs->pictures);
    if (features) {
        hidden = medvl_tape_scatter_rows(tape, words, features, &places);
        medvl_tape_drop(tape, words);
        medvl_tape_drop(tape, features);
    }
    return medvl_decoder_forward(tape, model, run, hidden);
}
