/*
 * Pictures and tokens together.
 *
 * Read next: sampler.h.
 */
#include "lib/model/vlm.h"

#include "lib/base/mem.h"
#include "lib/model/projector.h"
#include "lib/model/vit.h"

/* One pass that counts (out NULL), one that writes. */
static int64_t expand(int32_t *out, int32_t *from, const int32_t *ids,
                      int64_t id_count, const int64_t *tokens,
                      int32_t image_token)
{
    int64_t n = 0, picture = 0;

    for (int64_t i = 0; i < id_count; i++) {
        const bool here = image_token >= 0 && ids[i] == image_token;
        const int64_t times = here ? tokens[picture++] : 1;

        for (int64_t j = 0; j < times; j++, n++)
            if (out) {
                out[n] = here ? -1 : ids[i];
                from[n] = (int32_t)i;
            }
    }
    return n;
}

int medvl_vlm_expand(int32_t **out, int32_t **from, int64_t *count,
                     const int32_t *ids, int64_t id_count,
                     const int64_t *tokens, int64_t pictures,
                     int32_t image_token, struct medvl_error *err)
{
    int64_t places = 0, n;

    *out = *from = NULL;
    *count = 0;
    for (int64_t i = 0; i < id_count; i++)
        places += image_token >= 0 && ids[i] == image_token;
    if (places != pictures)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%lld pictures, %lld places for them among the "
                          "tokens",
                          (long long)pictures, (long long)places);
    n = expand(NULL, NULL, ids, id_count, tokens, image_token);
    *out = medvl_alloc((size_t)n, sizeof(**out));
    *from = medvl_alloc((size_t)n, sizeof(**from));
    if (!*out || !*from) {
        medvl_free(*out);
        medvl_free(*from);
        *out = *from = NULL;
        return medvl_no_memory(err);
    }
    *count = expand(*out, *from, ids, id_count, tokens, image_token);
    return MEDVL_OK;
}

struct medvl_var *medvl_vlm_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_inputs *inputs,
                                    const struct medvl_decoder_run *run)
{
    const struct medvl_tensor places = medvl_tensor_1d(
        (void *)(uintptr_t)inputs->picture_token, MEDVL_DTYPE_I32,
        inputs->picture_tokens);
    struct medvl_var *features, *hidden, *words;

    hidden = words = medvl_decoder_embed(tape, model, run);
    if (inputs->pictures > 0 && model->config.arch != MEDVL_ARCH_LLAVA)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "pictures for a model that takes none");
    if (inputs->pictures > 0) {
        features = medvl_vit_forward(tape, model, &inputs->rows,
                                     inputs->pictures);
        features = medvl_projector_forward(tape, model, features);
        hidden = medvl_tape_scatter_rows(tape, words, features, &places);
        medvl_tape_drop(tape, words);
        medvl_tape_drop(tape, features);
    }
    return medvl_decoder_forward(tape, model, run, hidden);
}
