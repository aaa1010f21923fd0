/*
 * The list of parameters of a whole model, and the names of other versions.
 *
 * Read next: params_decoder.c.
 */
#include "lib/model/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/params_part.h"

/* ---- adding ---------------------------------------------------------- */

void medvl_list_at(struct medvl_lister *l, const char *key,
                   const char *format, ...)
{
    va_list args;

    snprintf(l->key, sizeof(l->key), "%s", key);
    va_start(args, format);
    vsnprintf(l->name, sizeof(l->name), format, args);
    va_end(args);
}

static const char *joined(struct medvl_lister *l, const char *a,
                          const char *b)
{
    char full[MEDVL_PARAM_NAME];
    char *copy;

    snprintf(full, sizeof(full), "%s%s", a, b);
    copy = medvl_copy_string(full, strlen(full));
    if (!copy)
        l->rc = medvl_no_memory(l->err);
    return copy;
}

void medvl_list_shape(struct medvl_lister *l, const char *key,
                      const char *name, enum medvl_init init, int rank,
                      const int64_t *size, int64_t rows)
{
    struct medvl_params *p = l->params;
    struct medvl_param_spec *spec;
    int64_t items = 1;
    size_t bytes;

    if (l->rc == MEDVL_OK)
        l->rc = medvl_tensor_bytes(&bytes, MEDVL_DTYPE_F32, rank, size,
                                   l->err);
    if (l->rc == MEDVL_OK)
        l->rc = medvl_grow(&p->specs, &p->capacity, p->count + 1,
                           sizeof(*spec), l->err);
    if (l->rc < 0)
        return;
    spec = &p->specs[p->count++];
    memset(spec, 0, sizeof(*spec));
    spec->key = joined(l, l->key, key);
    spec->name = joined(l, l->name, name);
    spec->part = l->part;
    spec->init = init;
    spec->unused = l->unused;
    spec->shape.rank = rank;
    memcpy(spec->shape.size, size, (size_t)rank * sizeof(*size));
    spec->shape.stride = size[rank - 1];
    for (int i = 0; i < rank; i++)
        items *= size[i];
    spec->value = rows ? medvl_tensor_2d(NULL, MEDVL_DTYPE_NONE, rows,
                                         items / rows)
                       : medvl_tensor_1d(NULL, MEDVL_DTYPE_NONE, items);
}

void medvl_list_vector(struct medvl_lister *l, const char *key,
                       const char *name, enum medvl_init init, int64_t size)
{
    medvl_list_shape(l, key, name, init, 1, &size, 0);
}

void medvl_list_matrix(struct medvl_lister *l, const char *key,
                       const char *name, int64_t rows, int64_t columns)
{
    const int64_t size[2] = {rows, columns};

    medvl_list_shape(l, key, name, MEDVL_INIT_NORMAL, 2, size, rows);
}

/* The names with ".weight" or ".bias" behind. */
static void add_kind(struct medvl_lister *l, const char *key,
                     const char *name, const char *kind,
                     enum medvl_init init, int64_t size)
{
    char full[MEDVL_PARAM_NAME / 2], stored[MEDVL_PARAM_NAME / 2];

    snprintf(full, sizeof(full), "%s.%s", key, kind);
    snprintf(stored, sizeof(stored), "%s.%s", name, kind);
    medvl_list_vector(l, full, stored, init, size);
}

void medvl_list_linear(struct medvl_lister *l, const char *key,
                       const char *name, int64_t outputs, int64_t inputs,
                       bool bias, bool transposed)
{
    char full[MEDVL_PARAM_NAME / 2], stored[MEDVL_PARAM_NAME / 2];

    snprintf(full, sizeof(full), "%s.weight", key);
    snprintf(stored, sizeof(stored), "%s.weight", name);
    medvl_list_matrix(l, full, stored, transposed ? inputs : outputs,
                      transposed ? outputs : inputs);
    if (transposed && l->rc == MEDVL_OK) {
        struct medvl_param_spec *spec =
            &l->params->specs[l->params->count - 1];

        spec->transposed = true;
        spec->value = medvl_tensor_2d(NULL, MEDVL_DTYPE_NONE, outputs,
                                      inputs);
    }
    if (bias)
        add_kind(l, key, name, "bias", MEDVL_INIT_ZERO, outputs);
}

void medvl_list_norm(struct medvl_lister *l, const char *key,
                     const char *name, int64_t size, enum medvl_norm norm)
{
    add_kind(l, key, name, "weight", MEDVL_INIT_ONE, size);
    if (norm == MEDVL_NORM_LAYER)
        add_kind(l, key, name, "bias", MEDVL_INIT_ZERO, size);
}

/* ---- the whole ------------------------------------------------------- */

/* What each naming puts in front. */
static const struct {
    const char *vision, *projector, *decoder;
} ROOTS[] = {
    [MEDVL_NAMING_TEXT] = {"", "", ""},
    [MEDVL_NAMING_LLAVA] = {"vision_tower.", "multi_modal_projector.",
                            "language_model."},
    [MEDVL_NAMING_ORIGINAL] = {"model.vision_tower.vision_tower.",
                               "model.mm_projector", ""},
    [MEDVL_NAMING_QWEN_VL] = {"visual.", "visual.merger.", ""},
};

/* Norm, two linear maps: four patches become one token. */
static void list_merger(struct medvl_lister *l, const struct medvl_config *c)
{
    const struct medvl_vision_config *v = &c->vision;
    const int64_t wide = v->merge * v->merge * v->hidden;

    medvl_list_norm(l, "norm", "ln_q", v->hidden, v->norm);
    medvl_list_linear(l, "0", "mlp.0", wide, wide, true, false);
    medvl_list_linear(l, "2", "mlp.2", c->decoder.hidden, wide, true, false);
}

static void list_projector(struct medvl_lister *l,
                           const struct medvl_config *c)
{
    const int64_t hidden = c->decoder.hidden;
    int64_t inputs = c->vision.hidden * c->vision.feature_count;
    char key[16], name[16];

    l->part = MEDVL_PART_PROJECTOR;
    medvl_list_at(l, "projector.", "%s", ROOTS[c->naming].projector);
    if (c->naming == MEDVL_NAMING_QWEN_VL) {
        list_merger(l, c);
        return;
    }
    for (int64_t i = 0; i < c->projector_layers && l->rc == MEDVL_OK; i++) {
        snprintf(key, sizeof(key), "%d", (int)(2 * i));
        if (c->naming == MEDVL_NAMING_LLAVA)
            snprintf(name, sizeof(name), "linear_%d", (int)(i + 1));
        else
            snprintf(name, sizeof(name), c->projector_layers > 1 ? ".%d" : "",
                     (int)(2 * i));
        medvl_list_linear(l, key, name, hidden, inputs, c->projector_bias,
                          false);
        inputs = hidden;
    }
    if (c->merge == MEDVL_MERGE_SPATIAL_UNPAD) {
        medvl_list_at(l, "projector.", "%s",
                      c->naming == MEDVL_NAMING_LLAVA ? "" : "model.");
        medvl_list_shape(l, "newline", "image_newline", MEDVL_INIT_NORMAL,
                         1, &hidden, 1);
    }
}

int medvl_params_list(struct medvl_params *out,
                      const struct medvl_config *config,
                      struct medvl_error *err)
{
    struct medvl_lister l = {.params = out, .err = err};

    memset(out, 0, sizeof(*out));
    if (config->family != MEDVL_FAMILY_TEXT) {
        l.part = MEDVL_PART_VISION;
        medvl_list_vision(&l, &config->vision, ROOTS[config->naming].vision);
        list_projector(&l, config);
    }
    l.part = MEDVL_PART_DECODER;
    medvl_list_decoder(&l, &config->decoder, ROOTS[config->naming].decoder);
    if (l.rc < 0)
        medvl_params_release(out);
    return l.rc;
}

void medvl_params_release(struct medvl_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        medvl_free((void *)(uintptr_t)params->specs[i].key);
        medvl_free((void *)(uintptr_t)params->specs[i].name);
    }
    medvl_free(params->specs);
    memset(params, 0, sizeof(*params));
}

/* ---- names of other versions ----------------------------------------- */

/*
 * transformers 4.52 and later may put everything but the head below
 * "model.", and the head at the top; before, GPT-2 kept its "transformer.";
 * 5 leaves out "vision_model.".  The first line that fits is taken.
 */
static const struct {
    enum medvl_naming naming;
    const char *from, *to;
} PREFIXES[] = {
    {MEDVL_NAMING_LLAVA, "model.language_model.", "language_model.model."},
    {MEDVL_NAMING_LLAVA, "language_model.transformer.",
     "language_model.model."},
    {MEDVL_NAMING_LLAVA, "lm_head.", "language_model.lm_head."},
    {MEDVL_NAMING_LLAVA, "model.", ""},
    {MEDVL_NAMING_QWEN_VL, "model.language_model.", "model."},
    {MEDVL_NAMING_QWEN_VL, "model.visual.", "visual."},
};

static bool begins(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

/* out = a b; nothing when that is too long to be a name. */
static void join(char out[MEDVL_PARAM_NAME], const char *a, const char *b)
{
    const size_t first = strlen(a), second = strlen(b);

    out[0] = '\0';
    if (first + second >= MEDVL_PARAM_NAME)
        return;
    memcpy(out, a, first);
    memcpy(out + first, b, second + 1);
}

void medvl_params_canonical(char out[MEDVL_PARAM_NAME], const char *name,
                            const struct medvl_config *config)
{
    static const char TOWER[] = "vision_tower.";
    static const char INNER[] = "vision_tower.vision_model.";
    const size_t count = sizeof(PREFIXES) / sizeof(*PREFIXES);
    const char *front = "";
    char full[MEDVL_PARAM_NAME];

    for (size_t i = 0; i < count; i++)
        if (PREFIXES[i].naming == config->naming &&
            begins(name, PREFIXES[i].from)) {
            front = PREFIXES[i].to;
            name += strlen(PREFIXES[i].from);
            break;
        }
    join(full, front, name);
    if (config->naming == MEDVL_NAMING_LLAVA &&
        config->vision.tower != MEDVL_TOWER_DINOV2 && begins(full, TOWER) &&
        !begins(full, INNER))
        join(out, INNER, full + strlen(TOWER));
    else if (config->decoder.dialect == MEDVL_DIALECT_GPT2 &&
             config->naming == MEDVL_NAMING_TEXT &&
             !begins(full, "transformer.") && !begins(full, "lm_head."))
        join(out, "transformer.", full);
    else
        join(out, "", full);
}
