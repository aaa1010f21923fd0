/*
 * Linear maps with activations between.
 *
 * Read next: kvcache.h.
 */
#include "lib/model/projector.h"

/* Patches that stand one after another become one row: (N,C) -> (N/4,4C). */
static struct medvl_var *merge(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               struct medvl_var *x)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const int64_t each = v->merge * v->merge;
    struct medvl_param *w = medvl_model_param(model,
                                              "projector.norm.weight");

    if (v->norm == MEDVL_NORM_RMS)
        x = medvl_tape_rmsnorm(tape, x, w, v->norm_eps);
    else
        x = medvl_tape_layernorm(
            tape, x, w, medvl_model_param(model, "projector.norm.bias"),
            v->norm_eps);
    return medvl_tape_reshape(tape, x, x->value.size[0] / each,
                              x->value.size[1] * each);
}

struct medvl_var *medvl_projector_forward(struct medvl_tape *tape,
                                          const struct medvl_model *model,
                                          struct medvl_var *features)
{
    const struct medvl_config *c = &model->config;
    struct medvl_var *x = features;

    medvl_tape_enter(tape, "projector");
    if (c->naming == MEDVL_NAMING_QWEN_VL)
        x = merge(tape, model, x);
    for (int64_t i = 0; i < c->projector_layers; i++) {
        const long long n = 2 * i;

        if (i > 0)
            x = medvl_tape_act(tape, x, c->projector_act);
        x = medvl_tape_linear(
            tape, x, medvl_model_param(model, "projector.%lld.weight", n),
            c->projector_bias
                ? medvl_model_param(model, "projector.%lld.bias", n)
                : NULL);
    }
    medvl_tape_leave(tape, &x, 1);
    return x;
}
