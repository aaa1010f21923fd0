/*
 * Linear maps with activations between.
 *
 * Read next: kvcache.h.
 */
#include "lib/model/projector.h"

struct medvl_var *medvl_projector_forward(struct medvl_tape *tape,
                                          const struct medvl_model *model,
                                          struct medvl_var *features)
{
    const struct medvl_config *c = &model->config;
    struct medvl_var *x = features;

    medvl_tape_enter(tape, "projector");
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
