/*
 * linear_1, activation, linear_2.
 *
 * Read next: kvcache.h.
 */
#include "lib/model/projector.h"

static struct medvl_var *linear(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                const char *name, struct medvl_var *inp)
{
    struct medvl_param *w, *b;

    w = medvl_model_param(model, "multi_modal_projector.%s.weight", name);
    b = medvl_model_param(model, "multi_modal_projector.%s.bias", name);
    return medvl_tape_linear(tape, inp, w, b);
}

struct medvl_var *medvl_projector_forward(struct medvl_tape *tape,
                                          const struct medvl_model *model,
                                          struct medvl_var *features)
{
    struct medvl_var *x;

    medvl_tape_enter(tape, "projector");
    x = linear(tape, model, "linear_1", features);
    x = medvl_tape_act(tape, x, model->config.projector_act);
    x = linear(tape, model, "linear_2", x);
    medvl_tape_leave(tape, &x, 1);
    return x;
}
