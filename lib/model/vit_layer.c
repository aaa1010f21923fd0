/*
 * What the layers of all towers are made of.
 *
 * Read next: vit_positions.c.
 */
#include "lib/model/vit_part.h"

/* `kind` is ".weight", ".bias" or nothing. */
static struct medvl_param *param(const struct medvl_model *model,
                                 int64_t layer, const char *name,
                                 const char *kind)
{
    return medvl_model_param(model, "vision.layers.%lld.%s%s",
                             (long long)layer, name, kind);
}

struct medvl_var *medvl_vit_linear(struct medvl_tape *tape,
                                   const struct medvl_model *model,
                                   int64_t layer, const char *name,
                                   struct medvl_var *x)
{
    return medvl_tape_linear(tape, x, param(model, layer, name, ".weight"),
                             param(model, layer, name, ".bias"));
}

struct medvl_var *medvl_vit_norm(struct medvl_tape *tape,
                                 const struct medvl_model *model,
                                 int64_t layer, const char *name,
                                 struct medvl_var *x)
{
    const struct medvl_vision_config *v = &model->config.vision;
    struct medvl_param *w = param(model, layer, name, ".weight");

    if (v->norm == MEDVL_NORM_RMS)
        return medvl_tape_rmsnorm(tape, x, w, v->norm_eps);
    return medvl_tape_layernorm(tape, x, w,
                                param(model, layer, name, ".bias"),
                                v->norm_eps);
}

static struct medvl_var *gated(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               int64_t layer, struct medvl_var *x)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const int64_t wide = v->intermediate;
    struct medvl_var *gate, *up;

    if (v->fused_gated) {
        x = medvl_vit_linear(tape, model, layer, "mlp.gate_up_proj", x);
        gate = medvl_tape_columns(tape, x, 0, wide);
        up = medvl_tape_columns(tape, x, wide, wide);
    } else {
        gate = medvl_vit_linear(tape, model, layer, "mlp.gate_proj", x);
        up = medvl_vit_linear(tape, model, layer, "mlp.up_proj", x);
    }
    x = medvl_tape_glu(tape, gate, up, v->act);
    return medvl_vit_linear(tape, model, layer, "mlp.down_proj", x);
}

struct medvl_var *medvl_vit_feed(struct medvl_tape *tape,
                                 const struct medvl_model *model,
                                 int64_t layer, struct medvl_var *x)
{
    const struct medvl_vision_config *v = &model->config.vision;

    if (v->gated)
        return gated(tape, model, layer, x);
    x = medvl_vit_linear(tape, model, layer, "mlp.fc1", x);
    x = medvl_tape_act(tape, x, v->act);
    return medvl_vit_linear(tape, model, layer, "mlp.fc2", x);
}

struct medvl_var *medvl_vit_add(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer, const char *scale,
                                struct medvl_var *hidden,
                                struct medvl_var *x)
{
    if (model->config.vision.layer_scale)
        x = medvl_tape_scale(tape, x, param(model, layer, scale, ""));
    x = medvl_tape_dropout(tape, x);
    return medvl_tape_add(tape, hidden, x);
}
