/*
 * Give each tensor of a file to its parameter; what does not fit is listed
 * whole, so that one look says what is wrong with a folder.
 *
 * Read next: checkpoint_tower.c.
 */
#include "lib/model/checkpoint_part.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"

#define LISTED ((size_t)780) /* bytes of names that an error takes */
#define STEP   ((size_t)4 << 20)

/* What can be wrong with a tensor. */
enum fault {
    FAULT_MISSING,
    FAULT_EXTRA,
    FAULT_SHAPE,
    FAULT_TYPE,
    FAULT_TWICE,
};
static const char *const FAULTS[] = {
    [FAULT_MISSING] = "missing",
    [FAULT_EXTRA] = "no parameter of this architecture",
    [FAULT_SHAPE] = "of another shape than config.json says",
    [FAULT_TYPE] = "neither F32, BF16, F16 nor F8",
    [FAULT_TWICE] = "there under two names",
};
#define FAULT_COUNT (sizeof(FAULTS) / sizeof(*FAULTS))

struct matching {
    struct medvl_model *model;
    const struct medvl_safetensors *file;
    bool beside;           /* it is the tower's own */
    int64_t block[2];      /* of eight-bit scales */
    const char *quantised; /* quantization_config.quant_method, or NULL */
    struct medvl_json *json;
    struct medvl_text names[FAULT_COUNT];
    int64_t count[FAULT_COUNT];
};

/* ---- faults ---------------------------------------------------------- */

/* Names are kept a line each, as many as one error may hold. */
static int add_fault(struct matching *k, enum fault fault, const char *name,
                     const char *detail, struct medvl_error *err)
{
    struct medvl_text *list = &k->names[fault];

    k->count[fault]++;
    if (list->size > LISTED)
        return MEDVL_OK;
    return medvl_text_printf(list, err, "%.200s%s\n", name, detail);
}

static void print_shape(char out[120], const struct medvl_tensor *t)
{
    size_t at = 0;

    for (int i = 0; i < t->rank && at < 90; i++)
        at += (size_t)snprintf(out + at, 120 - at, "%s%lld", i ? "," : "",
                               (long long)t->size[i]);
}

static int add_shape_fault(struct matching *k, const char *name,
                           const struct medvl_tensor *have,
                           const struct medvl_tensor *want,
                           struct medvl_error *err)
{
    char a[120] = "", b[120] = "", detail[300];

    print_shape(a, have);
    print_shape(b, want);
    snprintf(detail, sizeof(detail), " (%s), want (%s)", a, b);
    return add_fault(k, FAULT_SHAPE, name, detail, err);
}

/* One kind's names, up to `limit` bytes, and how many are left. */
static int list_fault(struct medvl_text *text, const struct matching *k,
                      size_t fault, size_t limit, struct medvl_error *err)
{
    const char *at = k->names[fault].data, *end;
    int64_t left = k->count[fault];
    int rc = medvl_text_printf(text, err, "%s (%lld):", FAULTS[fault],
                               (long long)left);

    for (size_t used = 0; rc == MEDVL_OK && *at; at = end + 1, left--) {
        end = strchr(at, '\n');
        used += (size_t)(end - at);
        if (used > limit && left < k->count[fault])
            break;
        rc = medvl_text_printf(text, err, "%s%.*s",
                               left < k->count[fault] ? ", " : " ",
                               (int)(end - at), at);
    }
    if (rc == MEDVL_OK && left)
        rc = medvl_text_printf(text, err, " and %lld more", (long long)left);
    return rc;
}

/* All faults in one error; MEDVL_OK when there is none. */
static int report(const struct matching *k, struct medvl_error *err)
{
    struct medvl_text text = {0};
    size_t kinds = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < FAULT_COUNT; i++)
        kinds += k->count[i] > 0;
    for (size_t i = 0; i < FAULT_COUNT && rc == MEDVL_OK; i++) {
        if (!k->count[i])
            continue;
        if (text.size)
            rc = medvl_text_puts(&text, "; ", err);
        if (rc == MEDVL_OK)
            rc = list_fault(&text, k, i, LISTED / kinds, err);
    }
    if (rc == MEDVL_OK && kinds && k->quantised)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "weights quantised as \"%s\" are not read; %s",
                        k->quantised, text.data);
    else if (rc == MEDVL_OK && kinds)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s", text.data);
    medvl_text_release(&text);
    return rc;
}

/* ---- matching -------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text), tail = strlen(end);

    return size >= tail && strcmp(text + size - tail, end) == 0;
}

/* Of one type and shape; their pages need not stay in memory. */
static bool same_bytes(const struct medvl_tensor *a,
                       const struct medvl_tensor *b)
{
    const size_t size = medvl_dtype_bytes(a->dtype, a->size[0] * a->size[1]);
    const char *x = a->data, *y = b->data;
    bool same = true;

    for (size_t at = 0; at < size && same; at += STEP) {
        const size_t step = size - at < STEP ? size - at : STEP;

        same = memcmp(x + at, y + at, step) == 0;
        model_drop_pages(x + at, step);
        model_drop_pages(y + at, step);
    }
    return same;
}

/*
 * What a file may hold that is no parameter: buffers that older writers
 * keep, scales of eight-bit weights, and a head beside tied embeddings that
 * equals them.
 */
static bool is_known_extra(const struct matching *k, const char *name,
                           const char *stored, const struct medvl_tensor *t)
{
    const struct medvl_tensor *embed = NULL;
    const struct medvl_safetensors *file = k->file;

    if (ends_with(name, "embeddings.position_ids") ||
        ends_with(name, "rotary_emb.inv_freq") ||
        ends_with(name, ".attn.bias") ||
        ends_with(name, ".attn.masked_bias") ||
        medvl_fp8_is_scale(file, stored))
        return true;
    if (!k->model->config.decoder.tied || !ends_with(name, "lm_head.weight"))
        return false;
    for (int64_t i = 0; i < medvl_safetensors_count(file); i++)
        if (ends_with(medvl_safetensors_name(file, i),
                      "embed_tokens.weight") ||
            ends_with(medvl_safetensors_name(file, i), "wte.weight"))
            embed = medvl_safetensors_tensor(file, i);
    return embed && t->dtype == embed->dtype && t->rank == 2 &&
           embed->rank == 2 && t->size[0] == embed->size[0] &&
           t->size[1] == embed->size[1] && same_bytes(t, embed);
}

/* A parameter has the name that the file gives it. */
static int keep_name(const struct matching *k, struct medvl_param *param,
                     const char *name, struct medvl_error *err)
{
    struct held *held = &model_state(k->model)->held[param - k->model->params];

    held->beside = k->beside;
    if (k->beside || strcmp(param->name, name) == 0)
        return MEDVL_OK;
    held->name = medvl_copy_string(name, strlen(name));
    if (!held->name)
        return medvl_no_memory(err);
    param->name = held->name;
    return MEDVL_OK;
}

static bool same_shape(const struct medvl_tensor *a,
                       const struct medvl_tensor *b)
{
    bool same = a->rank == b->rank;

    for (int i = 0; same && i < a->rank; i++)
        same = a->size[i] == b->size[i];
    return same;
}

/* The tensor is the parameter's; an eight-bit one will be bf16. */
static int take(struct matching *k, struct medvl_param *param,
                const char *stored, const struct medvl_tensor *t,
                struct medvl_error *err)
{
    struct medvl_model *m = k->model;
    struct held *held = &model_state(m)->held[param - m->params];
    int rc = keep_name(k, param, stored, err);

    held->tensor = t;
    held->stored = t->dtype;
    param->value = *t;
    if (rc < 0 || !medvl_fp8_is(t))
        return rc;
    if (model_spec(m, param - m->params)->transposed)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%s lies transposed, in eight bits", stored);
    model_state(m)->eight_bit = true;
    held->stored = param->value.dtype = MEDVL_DTYPE_BF16;
    return medvl_fp8_find(&held->fp8, k->file, stored, k->block, err);
}

/* A CLIP model's file has a text tower too, and what joins the two. */
static bool find_name(char name[MEDVL_PARAM_NAME], const struct matching *k,
                      const char *stored)
{
    if (!k->beside) {
        medvl_params_canonical(name, stored, &k->model->config);
        return true;
    }
    snprintf(name, MEDVL_PARAM_NAME, MODEL_TOWER "%s", stored);
    return strncmp(stored, "vision_model.", 13) == 0;
}

static int match_tensor(struct matching *k, int64_t i,
                        struct medvl_error *err)
{
    struct medvl_model *m = k->model;
    const struct medvl_tensor *t = medvl_safetensors_tensor(k->file, i);
    const char *stored = medvl_safetensors_name(k->file, i);
    const struct medvl_param_spec *spec;
    struct medvl_param *param;
    char name[MEDVL_PARAM_NAME];

    if (!find_name(name, k, stored))
        return MEDVL_OK;
    param = model_named(m, name);
    if (!param && is_known_extra(k, name, stored, t))
        return MEDVL_OK;
    if (!param)
        return add_fault(k, FAULT_EXTRA, stored, "", err);
    spec = model_spec(m, param - m->params);
    if (param->value.rank != 0)
        return add_fault(k, FAULT_TWICE, param->name, "", err);
    param->value.rank = t->rank; /* it is there, whatever it is */
    if (!same_shape(t, &spec->shape))
        return add_shape_fault(k, stored, t, &spec->shape, err);
    if (!medvl_dtype_is_float(t->dtype))
        return add_fault(k, FAULT_TYPE, stored, "", err);
    return take(k, param, stored, t, err);
}

/* What config.json says of quantised weights. */
static int read_quantisation(struct matching *k, struct medvl_error *err)
{
    const struct medvl_json *q, *block;
    int rc = medvl_json_parse(&k->json,
                              medvl_text_span(&k->model->config.json), err);

    k->block[0] = k->block[1] = MEDVL_FP8_BLOCK;
    if (rc < 0)
        return rc;
    q = medvl_json_get(k->json, "quantization_config");
    k->quantised = medvl_json_string(medvl_json_get(q, "quant_method"));
    block = medvl_json_get(q, "weight_block_size");
    for (size_t i = 0; i < 2 && medvl_json_count(block) == 2; i++) {
        const double size = medvl_json_number(medvl_json_at(block, i), 0);

        k->block[i] = size >= 1 && size <= 1 << 20 ? (int64_t)size : 0;
    }
    return MEDVL_OK;
}

static int match_file(struct matching *k,
                      const struct medvl_safetensors *file, bool beside,
                      struct medvl_error *err)
{
    int rc = MEDVL_OK;

    k->file = file;
    k->beside = beside;
    for (int64_t i = 0; i < medvl_safetensors_count(file) && rc == MEDVL_OK;
         i++)
        rc = match_tensor(k, i, err);
    return rc;
}

static bool has_tower(const struct medvl_model *m)
{
    for (int64_t i = 0; i < m->count; i++)
        if (model_spec(m, i)->part == MEDVL_PART_VISION &&
            m->params[i].value.rank != 0)
            return true;
    return m->config.naming != MEDVL_NAMING_ORIGINAL;
}

/* The tower's tensors, which the model's own file has not. */
static int match_tower(struct matching *k, struct medvl_error *err)
{
    const struct state *s = model_state(k->model);
    int rc;

    if (!s->tower_folder)
        return medvl_config_no_tower(k->json, err);
    if (!s->tower_weights)
        return medvl_fail(err, MEDVL_EARG,
                          "%s, the tower's, has no weights, nor has the "
                          "model's own folder any of it",
                          s->tower_folder);
    rc = model_tower_open(k->model, err);
    return rc < 0 ? rc : match_file(k, s->tower, true, err);
}

int model_match(struct medvl_model *m, struct medvl_error *err)
{
    struct matching k = {.model = m};
    int rc = read_quantisation(&k, err);

    if (rc == MEDVL_OK)
        rc = match_file(&k, model_state(m)->file, false, err);
    if (rc == MEDVL_OK && !has_tower(m))
        rc = match_tower(&k, err);
    for (int64_t i = 0; i < m->count && rc == MEDVL_OK; i++)
        if (m->params[i].value.rank == 0)
            rc = add_fault(&k, FAULT_MISSING, m->params[i].name, "", err);
    if (rc == MEDVL_OK)
        rc = report(&k, err);
    medvl_json_free(k.json);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        medvl_text_release(&k.names[i]);
    return rc;
}
