/*
 * The CLIP vision tower: patches and a class token, positions added, a
 * norm, then layers of full attention within each picture.  I pictures of P
 * patches, C channels.
 *
 * Read next: projector.c.
 */
#include "lib/model/vit.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/*
 * Index arrays of one forward run.  They live as long as the tape's run, so
 * the tape owns them: they are made on it (medvl_tape_memory).
 */
struct places {
    int32_t *classes;   /* (I) all 0: the class token's row, each picture */
    int32_t *class_at;  /* (I) row of each picture's class token */
    int32_t *patch_at;  /* (I*P) row of each patch */
    int32_t *positions; /* (I*(P+1)) */
    int32_t *cu;        /* (I+1) */
    struct medvl_attention *attention;
};

static bool make_places(struct places *p, struct medvl_tape *tape,
                        const struct medvl_vision_config *v, int64_t pictures,
                        int64_t patches)
{
    const int64_t each = patches + 1;
    const size_t rows = (size_t)(pictures * each);
    int32_t *all = medvl_tape_memory(
        tape, (2 * rows + 2 * (size_t)pictures + 1) * sizeof(int32_t));

    p->attention = medvl_tape_memory(tape, sizeof(*p->attention));
    if (!all || !p->attention)
        return false;
    p->classes = all;
    p->class_at = p->classes + pictures;
    p->patch_at = p->class_at + pictures;
    p->positions = p->patch_at + pictures * patches;
    p->cu = p->positions + pictures * each;
    for (int64_t i = 0; i < pictures; i++) {
        p->class_at[i] = (int32_t)(i * each);
        p->cu[i + 1] = (int32_t)((i + 1) * each);
        for (int64_t j = 0; j < each; j++)
            p->positions[i * each + j] = (int32_t)j;
        for (int64_t j = 0; j < patches; j++)
            p->patch_at[i * patches + j] = (int32_t)(i * each + 1 + j);
    }
    p->attention->heads = p->attention->groups = v->heads;
    p->attention->head_size = v->hidden / v->heads;
    p->attention->sequences = pictures;
    p->attention->cu_q = p->attention->cu_k = p->cu;
    p->attention->max_q = p->attention->max_k = each;
    p->attention->scale = 1 / sqrtf((float)p->attention->head_size);
    return true;
}

static struct medvl_tensor indices(int32_t *data, int64_t size)
{
    return medvl_tensor_1d(data, MEDVL_DTYPE_I32, size);
}

static struct medvl_var *table(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               const char *name)
{
    return medvl_tape_param(
        tape, medvl_model_param(model, "vision.%s", name));
}

/* Patch rows (I*P, 3*p*p) -> (I*(P+1), C), class tokens first. */
static struct medvl_var *embed(struct medvl_tape *tape,
                               const struct medvl_model *model,
                               const struct medvl_tensor *rows,
                               int64_t pictures, const struct places *p)
{
    const int64_t all = pictures + rows->size[0];
    const struct medvl_tensor positions = indices(p->positions, all);
    const struct medvl_tensor classes = indices(p->classes, pictures);
    const struct medvl_tensor class_at = indices(p->class_at, pictures);
    const struct medvl_tensor patch_at = indices(p->patch_at, rows->size[0]);
    struct medvl_var *x, *part, *place;

    part = medvl_tape_linear(
        tape, medvl_tape_input(tape, rows, false),
        medvl_model_param(model, "vision.patch_embedding.weight"),
        NULL);
    place = medvl_tape_gather_rows(
        tape, table(tape, model, "position_embedding"), &positions);
    /* Rows are put in by replacement: every row of the base is replaced. */
    x = medvl_tape_scatter_rows(tape, place, part, &patch_at);
    part = medvl_tape_gather_rows(
        tape, table(tape, model, "class_embedding"), &classes);
    x = medvl_tape_scatter_rows(tape, x, part, &class_at);
    return medvl_tape_add(tape, x, place);
}

static struct medvl_param *layer_param(const struct medvl_model *model,
                                       int64_t layer, const char *name,
                                       const char *kind)
{
    return medvl_model_param(model, "vision.layers.%lld.%s.%s",
                             (long long)layer, name, kind);
}

static struct medvl_var *linear(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer, const char *name,
                                struct medvl_var *inp)
{
    return medvl_tape_linear(tape, inp,
                             layer_param(model, layer, name, "weight"),
                             layer_param(model, layer, name, "bias"));
}

static struct medvl_var *norm(struct medvl_tape *tape,
                              const struct medvl_model *model, int64_t layer,
                              const char *name, struct medvl_var *inp)
{
    return medvl_tape_layernorm(tape, inp,
                                layer_param(model, layer, name, "weight"),
                                layer_param(model, layer, name, "bias"),
                                model->config.vision.norm_eps);
}

static struct medvl_var *attend(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer,
                                const struct medvl_attention *attention,
                                struct medvl_var *inp)
{
    struct medvl_var *q, *k, *v;

    q = linear(tape, model, layer, "self_attn.q_proj", inp);
    k = linear(tape, model, layer, "self_attn.k_proj", inp);
    v = linear(tape, model, layer, "self_attn.v_proj", inp);
    inp = medvl_tape_attention(tape, q, k, v, attention);
    return linear(tape, model, layer, "self_attn.o_proj", inp);
}

static struct medvl_var *layers(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                const struct medvl_attention *attention,
                                struct medvl_var *hidden)
{
    const struct medvl_vision_config *v = &model->config.vision;
    struct medvl_var *x, *before;

    for (int64_t i = 0; i < v->run_layers; i++) {
        before = hidden;
        medvl_tape_enter(tape, "layers.%lld", (long long)i);
        x = norm(tape, model, i, "norm1", hidden);
        x = attend(tape, model, i, attention, x);
        x = medvl_tape_dropout(tape, x);
        hidden = medvl_tape_add(tape, hidden, x);
        x = norm(tape, model, i, "norm2", hidden);
        x = linear(tape, model, i, "mlp.fc1", x);
        x = medvl_tape_act(tape, x, v->act);
        x = linear(tape, model, i, "mlp.fc2", x);
        x = medvl_tape_dropout(tape, x);
        hidden = medvl_tape_add(tape, hidden, x);
        medvl_tape_leave(tape, &hidden, 1);
        medvl_tape_drop(tape, before);
    }
    return hidden;
}

struct medvl_var *medvl_vit_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_pictures *inp)
{
    const struct medvl_vision_config *v = &model->config.vision;
    const struct medvl_tensor *rows = &inp->rows;
    const int64_t side = v->image_size / v->patch_size;
    const int64_t patches = side * side;
    const int64_t pictures = medvl_pictures_views(inp);
    struct medvl_tensor patch_at;
    struct medvl_var *x;
    struct places p;

    if (v->tower >= MEDVL_TOWER_QWEN2_VL)
        return medvl_vit_qwen_forward(tape, model, inp);
    if (rows->size[0] != pictures * patches)
        medvl_tape_fail(tape, MEDVL_EARG,
                        "%lld patch rows for %lld views of %lld",
                        (long long)rows->size[0], (long long)pictures,
                        (long long)patches);
    medvl_tape_enter(tape, "vision_tower");
    if (!make_places(&p, tape, v, pictures, patches))
        memset(&p, 0, sizeof(p));
    medvl_tape_enter(tape, "embeddings");
    x = embed(tape, model, rows, pictures, &p);
    x = medvl_tape_layernorm(
        tape, x, medvl_model_param(model, "vision.pre_norm.weight"),
        medvl_model_param(model, "vision.pre_norm.bias"), v->norm_eps);
    medvl_tape_leave(tape, &x, 1);
    x = layers(tape, model, p.attention, x);
    if (!v->keep_class) {
        patch_at = indices(p.patch_at, pictures * patches);
        x = medvl_tape_gather_rows(tape, x, &patch_at);
    }
    medvl_tape_leave(tape, &x, 1);
    return x;
}
