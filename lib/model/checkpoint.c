/*
 * Which parameters a config asks for, and where their values are: in the
 * mapped file, in the block of trained values, or in a block of copies.
 *
 * Read next: frontend.h.
 */
#include "lib/model/checkpoint.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/tensor/safetensors.h"

#define NAME_MAX_SIZE 128
#define ALIGN         ((size_t)64)
#define LOAD_STEP     ((size_t)64 << 20)

enum init {
    INIT_NORMAL,
    INIT_ONE,
    INIT_ZERO,
    INIT_PLACES, /* 2-D sine-cosine over the tower's grid */
};

/* What the config says of one parameter. */
struct spec {
    struct medvl_tensor shape; /* as in the file */
    enum medvl_dtype stored;   /* type in the file, and when written */
    enum medvl_part part;
    enum init init;
    bool unused; /* there for other readers, no part of our forward */
};

struct state {
    struct spec *specs;
    size_t spec_count, spec_capacity, param_capacity;
    struct medvl_safetensors *file;
    void *values, *grads, *copies, *loaded;
    size_t values_size, grads_size, copies_size, loaded_size;
    uint32_t *table; /* open addressing: param + 1 by hash of the name */
    size_t table_size;
};

static struct state *state_of(const struct medvl_model *model)
{
    return model->state;
}

/* ---- the list of parameters ------------------------------------------ */

/* Adds parameters; the first failure stays. */
struct lister {
    struct medvl_model *model;
    enum medvl_part part;
    bool unused;
    char prefix[NAME_MAX_SIZE];
    struct medvl_error *err;
    int rc;
};

static void add_shape(struct lister *l, enum init init, const char *name,
                      int rank, const int64_t *size)
{
    struct medvl_model *m = l->model;
    struct state *s = state_of(m);
    struct medvl_param *param;
    struct spec *spec;
    char full[2 * NAME_MAX_SIZE];
    size_t bytes;

    if (l->rc == MEDVL_OK)
        l->rc = medvl_tensor_bytes(&bytes, MEDVL_DTYPE_F32, rank, size,
                                   l->err);
    if (l->rc == MEDVL_OK)
        l->rc = medvl_grow(&s->specs, &s->spec_capacity,
                           s->spec_count + 1, sizeof(*spec), l->err);
    if (l->rc == MEDVL_OK)
        l->rc = medvl_grow(&m->params, &s->param_capacity,
                           s->spec_count + 1, sizeof(*param), l->err);
    if (l->rc < 0)
        return;
    snprintf(full, sizeof(full), "%s%s", l->prefix, name);
    spec = &s->specs[s->spec_count];
    param = &m->params[s->spec_count];
    memset(spec, 0, sizeof(*spec));
    memset(param, 0, sizeof(*param));
    spec->shape.dtype = MEDVL_DTYPE_F32;
    spec->shape.rank = rank;
    memcpy(spec->shape.size, size, (size_t)rank * sizeof(*size));
    spec->shape.stride = size[rank - 1];
    spec->part = l->part;
    spec->init = init;
    spec->unused = l->unused;
    param->name = medvl_copy_string(full, strlen(full));
    if (!param->name)
        l->rc = medvl_no_memory(l->err);
    else
        m->count = (int64_t)++s->spec_count;
}

static void add_vector(struct lister *l, enum init init, const char *name,
                       int64_t size)
{
    add_shape(l, init, name, 1, &size);
}

static void add_matrix(struct lister *l, const char *name, int64_t rows,
                       int64_t columns)
{
    const int64_t size[2] = {rows, columns};

    add_shape(l, INIT_NORMAL, name, 2, size);
}

/* "NAME.weight", and "NAME.bias" when there is one. */
static void add_linear(struct lister *l, const char *name, int64_t outputs,
                       int64_t inputs, bool bias)
{
    char full[NAME_MAX_SIZE];

    snprintf(full, sizeof(full), "%s.weight", name);
    add_matrix(l, full, outputs, inputs);
    snprintf(full, sizeof(full), "%s.bias", name);
    if (bias)
        add_vector(l, INIT_ZERO, full, outputs);
}

static void add_layernorm(struct lister *l, const char *name, int64_t size)
{
    char full[NAME_MAX_SIZE];

    snprintf(full, sizeof(full), "%s.weight", name);
    add_vector(l, INIT_ONE, full, size);
    snprintf(full, sizeof(full), "%s.bias", name);
    add_vector(l, INIT_ZERO, full, size);
}

static void list_vision(struct lister *l, const struct medvl_vision_config *v)
{
    const char *tower = "vision_tower.vision_model.";
    const int64_t side = v->image_size / v->patch_size;
    const int64_t patch[4] = {v->hidden, 3, v->patch_size, v->patch_size};
    const int64_t places[2] = {side * side + 1, v->hidden};

    l->part = MEDVL_PART_VISION;
    snprintf(l->prefix, sizeof(l->prefix), "%s", tower);
    add_vector(l, INIT_NORMAL, "embeddings.class_embedding", v->hidden);
    add_shape(l, INIT_NORMAL, "embeddings.patch_embedding.weight", 4, patch);
    add_shape(l, INIT_PLACES, "embeddings.position_embedding.weight", 2,
              places);
    add_layernorm(l, "pre_layrnorm", v->hidden);
    for (int64_t i = 0; i < v->layers && l->rc == MEDVL_OK; i++) {
        l->unused = i >= v->run_layers;
        snprintf(l->prefix, sizeof(l->prefix), "%sencoder.layers.%lld.",
                 tower, (long long)i);
        add_linear(l, "self_attn.q_proj", v->hidden, v->hidden, true);
        add_linear(l, "self_attn.k_proj", v->hidden, v->hidden, true);
        add_linear(l, "self_attn.v_proj", v->hidden, v->hidden, true);
        add_linear(l, "self_attn.out_proj", v->hidden, v->hidden, true);
        add_layernorm(l, "layer_norm1", v->hidden);
        add_linear(l, "mlp.fc1", v->intermediate, v->hidden, true);
        add_linear(l, "mlp.fc2", v->hidden, v->intermediate, true);
        add_layernorm(l, "layer_norm2", v->hidden);
    }
    snprintf(l->prefix, sizeof(l->prefix), "%s", tower);
    l->unused = true;
    add_layernorm(l, "post_layernorm", v->hidden);
    l->unused = false;
}

static void list_decoder(struct lister *l,
                         const struct medvl_decoder_config *d,
                         const char *model)
{
    const int64_t q = d->heads * d->head_size, k = d->groups * d->head_size;

    l->part = MEDVL_PART_DECODER;
    snprintf(l->prefix, sizeof(l->prefix), "%s", model);
    add_matrix(l, "model.embed_tokens.weight", d->vocab_size, d->hidden);
    for (int64_t i = 0; i < d->layers && l->rc == MEDVL_OK; i++) {
        snprintf(l->prefix, sizeof(l->prefix), "%smodel.layers.%lld.", model,
                 (long long)i);
        add_vector(l, INIT_ONE, "input_layernorm.weight", d->hidden);
        add_linear(l, "self_attn.q_proj", q, d->hidden, d->attention_bias);
        add_linear(l, "self_attn.k_proj", k, d->hidden, d->attention_bias);
        add_linear(l, "self_attn.v_proj", k, d->hidden, d->attention_bias);
        add_linear(l, "self_attn.o_proj", d->hidden, q, d->attention_bias);
        add_vector(l, INIT_ONE, "post_attention_layernorm.weight",
                   d->hidden);
        add_linear(l, "mlp.gate_proj", d->intermediate, d->hidden,
                   d->mlp_bias);
        add_linear(l, "mlp.up_proj", d->intermediate, d->hidden,
                   d->mlp_bias);
        add_linear(l, "mlp.down_proj", d->hidden, d->intermediate,
                   d->mlp_bias);
    }
    snprintf(l->prefix, sizeof(l->prefix), "%s", model);
    add_vector(l, INIT_ONE, "model.norm.weight", d->hidden);
    if (!d->tied)
        add_matrix(l, "lm_head.weight", d->vocab_size, d->hidden);
}

static int list_params(struct medvl_model *model, struct medvl_error *err)
{
    const struct medvl_config *c = &model->config;
    struct lister l = {.model = model, .err = err};

    if (c->arch == MEDVL_ARCH_LLAMA) {
        list_decoder(&l, &c->decoder, "");
        return l.rc;
    }
    list_vision(&l, &c->vision);
    l.part = MEDVL_PART_PROJECTOR;
    l.prefix[0] = '\0';
    add_linear(&l, "multi_modal_projector.linear_1", c->decoder.hidden,
               c->vision.hidden, c->projector_bias);
    add_linear(&l, "multi_modal_projector.linear_2", c->decoder.hidden,
               c->decoder.hidden, c->projector_bias);
    list_decoder(&l, &c->decoder, "language_model.");
    return l.rc;
}

/* ---- by name --------------------------------------------------------- */

static int build_table(struct medvl_model *model, struct medvl_error *err)
{
    struct state *s = state_of(model);

    s->table_size = 16;
    while (s->table_size < 2 * s->spec_count)
        s->table_size *= 2;
    s->table = medvl_alloc(s->table_size, sizeof(*s->table));
    if (!s->table)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < model->count; i++) {
        const char *name = model->params[i].name;
        size_t at = medvl_hash64(name, strlen(name)) & (s->table_size - 1);

        while (s->table[at])
            at = (at + 1) & (s->table_size - 1);
        s->table[at] = (uint32_t)i + 1;
    }
    return MEDVL_OK;
}

struct medvl_param *medvl_model_param(const struct medvl_model *model,
                                      const char *format, ...)
{
    const struct state *s = state_of(model);
    char name[2 * NAME_MAX_SIZE];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof(name))
        return NULL;
    for (size_t at = medvl_hash64(name, (size_t)size);; at++) {
        const uint32_t i = s->table[at & (s->table_size - 1)];

        if (i == 0)
            return NULL;
        if (strcmp(model->params[i - 1].name, name) == 0)
            return &model->params[i - 1];
    }
}

enum medvl_part medvl_model_part(const struct medvl_model *model,
                                 const struct medvl_param *param)
{
    return state_of(model)->specs[param - model->params].part;
}

/* ---- reading --------------------------------------------------------- */

/* Does it begin so?  Then *rest is what follows. */
static bool begins(const char **rest, const char *name, const char *start)
{
    const size_t size = strlen(start);

    if (strncmp(name, start, size) != 0)
        return false;
    *rest = name + size;
    return true;
}

/*
 * The canonical form of a name in a file.  transformers 4.52 and later may
 * put everything but the head below "model.", and the head at the top; 5
 * leaves out "vision_model.".
 */
static void canonical(char out[2 * NAME_MAX_SIZE], const char *name,
                      enum medvl_arch arch)
{
    const size_t size = 2 * NAME_MAX_SIZE;
    const char *rest;

    if (arch != MEDVL_ARCH_LLAVA)
        snprintf(out, size, "%s", name);
    else if (begins(&rest, name, "model.language_model."))
        snprintf(out, size, "language_model.model.%s", rest);
    else if (begins(&rest, name, "lm_head."))
        snprintf(out, size, "language_model.%s", name);
    else if (begins(&rest, name, "vision_tower.vision_model.") ||
             begins(&rest, name, "model.vision_tower.vision_model.") ||
             begins(&rest, name, "vision_tower.") ||
             begins(&rest, name, "model.vision_tower."))
        snprintf(out, size, "vision_tower.vision_model.%s", rest);
    else if (begins(&rest, name, "model."))
        snprintf(out, size, "%s", rest);
    else
        snprintf(out, size, "%s", name);
}

static void print_shape(char out[100], const struct medvl_tensor *t)
{
    size_t at = 0;

    for (int i = 0; i < t->rank && at < 80; i++)
        at += (size_t)snprintf(out + at, 100 - at, "%s%lld", i ? "," : "",
                               (long long)t->size[i]);
}

static int check_stored(const struct medvl_param *param,
                        const struct spec *spec,
                        const struct medvl_tensor *t, struct medvl_error *err)
{
    char have[100] = "", want[100] = "";
    bool same = t->rank == spec->shape.rank;

    for (int i = 0; same && i < t->rank; i++)
        same = t->size[i] == spec->shape.size[i];
    print_shape(have, t);
    print_shape(want, &spec->shape);
    if (!same)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s has shape (%s), config.json says (%s)",
                          param->name, have, want);
    if (t->dtype != MEDVL_DTYPE_F32 && t->dtype != MEDVL_DTYPE_BF16 &&
        t->dtype != MEDVL_DTYPE_F16)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%s is neither F32, BF16 nor F16", param->name);
    return MEDVL_OK;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text), tail = strlen(end);

    return size >= tail && strcmp(text + size - tail, end) == 0;
}

/*
 * What a file may hold that is no parameter: buffers that older writers
 * keep, and a head beside tied embeddings that equals them.
 */
static bool is_known_extra(const struct medvl_model *m, const char *name,
                           const struct medvl_tensor *t)
{
    const struct medvl_tensor *embed = NULL;
    const struct medvl_safetensors *file = state_of(m)->file;

    if (ends_with(name, "embeddings.position_ids") ||
        ends_with(name, "rotary_emb.inv_freq"))
        return true;
    if (!m->config.decoder.tied || !ends_with(name, "lm_head.weight"))
        return false;
    for (int64_t i = 0; i < medvl_safetensors_count(file); i++)
        if (ends_with(medvl_safetensors_name(file, i),
                      "model.embed_tokens.weight"))
            embed = medvl_safetensors_tensor(file, i);
    return embed && t->dtype == embed->dtype && t->rank == 2 &&
           embed->rank == 2 && t->size[0] == embed->size[0] &&
           t->size[1] == embed->size[1] &&
           memcmp(t->data, embed->data,
                  medvl_dtype_bytes(t->dtype, t->size[0] * t->size[1])) == 0;
}

/* Give each tensor of the file to its parameter, by either name. */
static int match_file(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    const int64_t count = medvl_safetensors_count(s->file);
    char name[2 * NAME_MAX_SIZE];

    for (int64_t i = 0; i < count; i++) {
        const struct medvl_tensor *t = medvl_safetensors_tensor(s->file, i);
        const char *stored = medvl_safetensors_name(s->file, i);
        struct medvl_param *param;
        int rc;

        canonical(name, stored, m->config.arch);
        param = medvl_model_param(m, "%s", name);
        if (!param && is_known_extra(m, name, t))
            continue;
        if (!param)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s is no parameter of this architecture",
                              stored);
        if (param->value.rank != 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s stands under two names", param->name);
        rc = check_stored(param, &s->specs[param - m->params], t, err);
        if (rc < 0)
            return rc;
        s->specs[param - m->params].stored = t->dtype;
        param->value = *t;
    }
    for (int64_t i = 0; i < m->count; i++)
        if (m->params[i].value.rank == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "%s is missing",
                              m->params[i].name);
    return MEDVL_OK;
}

/* Every parameter is a matrix or a vector; the class token is one row. */
static void flatten(struct medvl_tensor *t, const char *name)
{
    const bool row = ends_with(name, "class_embedding");
    int64_t columns = 1;

    for (int i = row ? 0 : 1; i < t->rank; i++)
        columns *= t->size[i];
    if (row || t->rank > 1) {
        t->size[0] = row ? 1 : t->size[0];
        t->size[1] = columns;
        t->rank = 2;
    }
    t->stride = t->size[t->rank - 1];
}

static size_t item_count(const struct medvl_tensor *t)
{
    return (size_t)(medvl_tensor_rows(t) * medvl_tensor_columns(t));
}

/* f32 from what is stored, which may be misaligned. */
static void widen(float *out, const struct medvl_tensor *t)
{
    const size_t count = item_count(t);
    const char *data = t->data;
    uint16_t half;

    if (t->dtype == MEDVL_DTYPE_F32) {
        memcpy(out, data, count * sizeof(*out));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&half, data + 2 * i, sizeof(half));
        out[i] = t->dtype == MEDVL_DTYPE_BF16 ? medvl_bf16_to_float(half)
                                              : medvl_f16_to_float(half);
    }
}

static size_t padded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t f32_size(const struct medvl_tensor *t)
{
    return padded(item_count(t) * sizeof(float));
}

static size_t stored_size(const struct medvl_tensor *t)
{
    return medvl_dtype_bytes(t->dtype, (int64_t)item_count(t));
}

static bool misaligned(const struct medvl_tensor *t)
{
    return (uintptr_t)t->data % medvl_dtype_bytes(t->dtype, 1) != 0;
}

static int new_block(void **block, size_t *have, size_t size,
                     const char *what, struct medvl_error *err)
{
    if (size == 0)
        return MEDVL_OK;
    *block = medvl_block_alloc(size);
    if (!*block)
        return medvl_fail(err, MEDVL_ENOMEM, "no memory for %zu bytes of %s",
                          size, what);
    *have = size;
    return MEDVL_OK;
}

/* Values of `trained` parameters go to their f32 block, with gradients. */
static int place_values(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    size_t trained = 0, copied = 0, at = 0, copy_at = 0;
    int rc;

    for (int64_t i = 0; i < m->count; i++)
        if (m->params[i].trained)
            trained += f32_size(&m->params[i].value);
        else if (misaligned(&m->params[i].value))
            copied += padded(stored_size(&m->params[i].value));
    rc = new_block(&s->values, &s->values_size, trained, "trained values",
                   err);
    if (rc == MEDVL_OK)
        rc = new_block(&s->grads, &s->grads_size, trained, "gradients", err);
    if (rc == MEDVL_OK)
        rc = new_block(&s->copies, &s->copies_size, copied, "values", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        struct medvl_param *p = &m->params[i];

        if (p->trained) {
            float *value = (float *)(void *)((char *)s->values + at);

            widen(value, &p->value);
            p->value.data = value;
            p->value.dtype = MEDVL_DTYPE_F32;
            p->grad = p->value;
            p->grad.data = (char *)s->grads + at;
            at += f32_size(&p->value);
        } else if (misaligned(&p->value)) {
            void *copy = (char *)s->copies + copy_at;

            memcpy(copy, p->value.data, stored_size(&p->value));
            p->value.data = copy;
            copy_at += padded(stored_size(&p->value));
        }
    }
    return rc;
}

static bool is_mapped(const struct state *s, const struct medvl_param *p)
{
    const char *data = p->value.data, *copies = s->copies;

    return !p->trained && data &&
           !(copies && data >= copies && data < copies + s->copies_size);
}

/* The pages of the file behind what was copied need not stay in memory. */
static void drop_pages(const char *data, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    const uintptr_t last = ((uintptr_t)data + size) / page * page;

    if (first < last)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

void medvl_model_load(struct medvl_model *model)
{
    struct state *s = state_of(model);
    size_t size = 0, at = 0;

    if (!s->file || s->loaded)
        return;
    for (int64_t i = 0; i < model->count; i++)
        if (is_mapped(s, &model->params[i]))
            size += padded(stored_size(&model->params[i].value));
    if (size == 0 || size + size / 4 > medvl_mem_available())
        return;
    s->loaded = medvl_block_alloc(size);
    if (!s->loaded)
        return;
    s->loaded_size = size;
    for (int64_t i = 0; i < model->count; i++) {
        struct medvl_tensor *value = &model->params[i].value;
        const size_t bytes = stored_size(value);
        char *to = (char *)s->loaded + at;

        if (!is_mapped(s, &model->params[i]))
            continue;
        for (size_t done = 0; done < bytes; done += LOAD_STEP) {
            const char *from = (const char *)value->data + done;
            const size_t step =
                bytes - done < LOAD_STEP ? bytes - done : LOAD_STEP;

            memcpy(to + done, from, step);
            drop_pages(from, step);
        }
        value->data = to;
        at += padded(bytes);
    }
    medvl_safetensors_free(s->file);
    s->file = NULL;
}

static int new_model(struct medvl_model **out, struct medvl_error *err)
{
    struct medvl_model *m = medvl_alloc(1, sizeof(*m));

    *out = NULL;
    if (m)
        m->state = medvl_alloc(1, sizeof(struct state));
    if (!m || !m->state) {
        medvl_free(m);
        return medvl_no_memory(err);
    }
    *out = m;
    return MEDVL_OK;
}

int medvl_model_open(struct medvl_model **out, const char *folder,
                     int train, struct medvl_error *err)
{
    struct medvl_model *m;
    int rc = new_model(&m, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    rc = medvl_config_read(&m->config, folder, err);
    if (rc == MEDVL_OK)
        rc = list_params(m, err);
    if (rc == MEDVL_OK)
        rc = build_table(m, err);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_open(&state_of(m)->file, folder, err);
    if (rc == MEDVL_OK) {
        rc = match_file(m, err);
        if (rc < 0)
            medvl_context(err, "%s", folder);
    }
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        struct spec *spec = &state_of(m)->specs[i];

        m->params[i].trained = (spec->part & train) && !spec->unused;
        flatten(&m->params[i].value, m->params[i].name);
    }
    if (rc == MEDVL_OK)
        rc = place_values(m, err);
    if (rc == MEDVL_OK) {
        m->folder = medvl_copy_string(folder, strlen(folder));
        rc = m->folder ? MEDVL_OK : medvl_no_memory(err);
    }
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}

void medvl_model_free(struct medvl_model *model)
{
    struct state *s;

    if (!model)
        return;
    s = state_of(model);
    for (int64_t i = 0; i < model->count; i++)
        medvl_free((void *)(uintptr_t)model->params[i].name);
    medvl_safetensors_free(s->file);
    medvl_block_free(s->values, s->values_size);
    medvl_block_free(s->grads, s->grads_size);
    medvl_block_free(s->copies, s->copies_size);
    medvl_block_free(s->loaded, s->loaded_size);
    medvl_free(s->table);
    medvl_free(s->specs);
    medvl_free(s);
    medvl_free(model->params);
    medvl_free(model->folder);
    medvl_config_release(&model->config);
    medvl_free(model);
}

/* ---- a fresh model --------------------------------------------------- */

/*
 * Half of the channels for the row, half for the column; in each half sines
 * and then cosines of rising wavelengths.  The class token's row is zero.
 */
static void fill_places(float *out, int64_t side, int64_t channels)
{
    const int64_t quarter = channels / 4;

    memset(out, 0, (size_t)channels * sizeof(*out));
    for (int64_t p = 0; p < side * side; p++) {
        float *row = out + (p + 1) * channels;

        memset(row, 0, (size_t)channels * sizeof(*row));
        for (int64_t i = 0; i < quarter; i++) {
            const double w = pow(10000, -(double)i / (double)quarter);
            const double y = (double)(p / side) * w;
            const double x = (double)(p % side) * w;

            row[i] = (float)sin(y);
            row[quarter + i] = (float)cos(y);
            row[2 * quarter + i] = (float)sin(x);
            row[3 * quarter + i] = (float)cos(x);
        }
    }
}

static void fill_fresh(const struct medvl_model *m, struct medvl_param *p,
                       const struct spec *spec, uint64_t seed)
{
    const struct medvl_vision_config *v = &m->config.vision;
    const double range = spec->part == MEDVL_PART_VISION
                             ? (double)v->init_range
                             : (double)m->config.decoder.init_range;
    const size_t count = item_count(&p->value);
    float *out = p->value.data;
    struct medvl_rng rng;

    medvl_rng_init(&rng, seed, MEDVL_PURPOSE_INIT,
                   medvl_hash64(p->name, strlen(p->name)));
    switch (spec->init) {
    case INIT_NORMAL:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)(range * medvl_rng_normal(&rng));
        break;
    case INIT_ONE:
        for (size_t i = 0; i < count; i++)
            out[i] = 1;
        break;
    case INIT_ZERO: memset(out, 0, count * sizeof(*out)); break;
    case INIT_PLACES:
        fill_places(out, v->image_size / v->patch_size, v->hidden);
        break;
    }
}

int medvl_model_new(struct medvl_model **out, struct medvl_config *config,
                    uint64_t seed, struct medvl_error *err)
{
    struct medvl_model *m;
    struct state *s;
    size_t size = 0, at = 0;
    int rc = new_model(&m, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    s = state_of(m);
    m->config = *config;
    memset(config, 0, sizeof(*config));
    rc = list_params(m, err);
    if (rc == MEDVL_OK)
        rc = build_table(m, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value = s->specs[i].shape;
        flatten(&m->params[i].value, m->params[i].name);
        s->specs[i].stored = m->config.dtype;
        if (!medvl_size_add(&size, size, f32_size(&m->params[i].value)))
            rc = medvl_fail(err, MEDVL_ENOMEM, "the model is too large");
    }
    if (rc == MEDVL_OK)
        rc = new_block(&s->values, &s->values_size, size, "weights", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value.data = (char *)s->values + at;
        fill_fresh(m, &m->params[i], &s->specs[i], seed);
        at += f32_size(&m->params[i].value);
    }
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}

/* ---- writing --------------------------------------------------------- */

/* What a folder holds beside weights and config.json. */
static const char *const COMPANIONS[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
};

static int copy_file(const char *from, const char *to, const char *name,
                     struct medvl_error *err)
{
    char *source = NULL, *target = NULL;
    int rc = medvl_path_join(&source, from, name, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&target, to, name, err);
    if (rc == MEDVL_OK && medvl_file_exists(source))
        rc = medvl_file_copy(target, source, err);
    medvl_free(source);
    medvl_free(target);
    return rc;
}

static void narrow(uint16_t *out, const float *data, size_t count,
                   enum medvl_dtype dtype)
{
    for (size_t i = 0; i < count; i++)
        out[i] = dtype == MEDVL_DTYPE_BF16 ? medvl_bf16_from_float(data[i])
                                           : medvl_f16_from_float(data[i]);
}

/* The value to write, in its stored type; *at walks through the block. */
static struct medvl_tensor value_to_write(const struct spec *spec,
                                          const struct medvl_tensor *value,
                                          char *block, size_t *at)
{
    struct medvl_tensor t = spec->shape;

    t.dtype = spec->stored;
    t.data = value->data;
    if (value->dtype == spec->stored)
        return t;
    t.data = block + *at;
    *at += padded(stored_size(&t));
    narrow(t.data, value->data, item_count(&t), spec->stored);
    return t;
}

static int write_values(const struct medvl_model *m, const char *path,
                        const struct medvl_tensor *values,
                        struct medvl_error *err)
{
    static const char *const METADATA[] = {"format", "pt", NULL};
    const struct state *s = state_of(m);
    struct medvl_safetensors_entry *entries;
    void *block = NULL;
    size_t size = 0, have = 0, at = 0;
    int rc;

    entries = medvl_alloc((size_t)m->count, sizeof(*entries));
    if (!entries)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < m->count; i++) {
        const struct medvl_tensor *v = values ? &values[i]
                                              : &m->params[i].value;

        if (v->dtype != s->specs[i].stored)
            size += padded(2 * item_count(v));
    }
    rc = new_block(&block, &have, size, "converted values", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        entries[i].name = m->params[i].name;
        entries[i].tensor = value_to_write(
            &s->specs[i], values ? &values[i] : &m->params[i].value, block,
            &at);
    }
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_write(path, entries, m->count, METADATA, err);
    medvl_block_free(block, have);
    medvl_free(entries);
    return rc;
}

int medvl_model_write(const struct medvl_model *model, const char *folder,
                      const struct medvl_tensor *values,
                      struct medvl_error *err)
{
    char *path = NULL;
    int rc = MEDVL_OK;

    for (size_t i = 0; rc == MEDVL_OK && model->folder &&
                       i < sizeof(COMPANIONS) / sizeof(*COMPANIONS);
         i++)
        rc = copy_file(model->folder, folder, COMPANIONS[i], err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "model.safetensors", err);
    if (rc == MEDVL_OK)
        rc = write_values(model, path, values, err);
    medvl_free(path);
    path = NULL;
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "config.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, model->config.json.data,
                              model->config.json.size, err);
    medvl_free(path);
    return rc;
}
