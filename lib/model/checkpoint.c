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

#define ALIGN     ((size_t)64)
#define LOAD_STEP ((size_t)64 << 20)

/* What is known of one parameter beside its spec. */
struct held {
    char *name;              /* as it was read, when not the spec's */
    enum medvl_dtype stored; /* type in the file, and when written */
};

/* Open addressing: index + 1 by hash of a text. */
struct table {
    uint32_t *slots;
    size_t size;
};

struct state {
    struct medvl_params list;
    struct held *held; /* (count) */
    struct table keys, names;
    struct medvl_safetensors *file;
    void *values, *grads, *copies, *loaded;
    size_t values_size, grads_size, copies_size, loaded_size;
};

static struct state *state_of(const struct medvl_model *model)
{
    return model->state;
}

static const struct medvl_param_spec *spec_of(const struct medvl_model *m,
                                              int64_t i)
{
    return &state_of(m)->list.specs[i];
}

/* ---- by name --------------------------------------------------------- */

static const char *text_of(const struct state *s, bool keys, size_t i)
{
    return keys ? s->list.specs[i].key : s->list.specs[i].name;
}

static int build_table(struct table *t, const struct state *s, bool keys,
                       struct medvl_error *err)
{
    t->size = 16;
    while (t->size < 2 * s->list.count)
        t->size *= 2;
    t->slots = medvl_alloc(t->size, sizeof(*t->slots));
    if (!t->slots)
        return medvl_no_memory(err);
    for (size_t i = 0; i < s->list.count; i++) {
        const char *text = text_of(s, keys, i);
        size_t at = medvl_hash64(text, strlen(text)) & (t->size - 1);

        while (t->slots[at])
            at = (at + 1) & (t->size - 1);
        t->slots[at] = (uint32_t)i + 1;
    }
    return MEDVL_OK;
}

/* The parameter of this key or name, or NULL. */
static struct medvl_param *find(const struct medvl_model *m, bool keys,
                                const char *text)
{
    const struct state *s = state_of(m);
    const struct table *t = keys ? &s->keys : &s->names;

    for (size_t at = medvl_hash64(text, strlen(text));; at++) {
        const uint32_t i = t->slots[at & (t->size - 1)];

        if (i == 0)
            return NULL;
        if (strcmp(text_of(s, keys, i - 1), text) == 0)
            return &m->params[i - 1];
    }
}

struct medvl_param *medvl_model_param(const struct medvl_model *model,
                                      const char *format, ...)
{
    char key[MEDVL_PARAM_NAME];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(key, sizeof(key), format, args);
    va_end(args);
    return size < 0 || (size_t)size >= sizeof(key) ? NULL
                                                   : find(model, true, key);
}

enum medvl_part medvl_model_part(const struct medvl_model *model,
                                 const struct medvl_param *param)
{
    return spec_of(model, param - model->params)->part;
}

/* Parameters without values, in the order of the list. */
static int list_params(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    int rc = medvl_params_list(&s->list, &m->config, err);

    if (rc < 0)
        return rc;
    m->params = medvl_alloc(s->list.count, sizeof(*m->params));
    s->held = medvl_alloc(s->list.count, sizeof(*s->held));
    if (!m->params || !s->held)
        return medvl_no_memory(err);
    m->count = (int64_t)s->list.count;
    for (int64_t i = 0; i < m->count; i++)
        m->params[i].name = s->list.specs[i].name;
    rc = build_table(&s->keys, s, true, err);
    return rc < 0 ? rc : build_table(&s->names, s, false, err);
}

/* ---- reading --------------------------------------------------------- */

static void print_shape(char out[100], const struct medvl_tensor *t)
{
    size_t at = 0;

    for (int i = 0; i < t->rank && at < 80; i++)
        at += (size_t)snprintf(out + at, 100 - at, "%s%lld", i ? "," : "",
                               (long long)t->size[i]);
}

static int check_stored(const struct medvl_param *param,
                        const struct medvl_param_spec *spec,
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
        ends_with(name, "rotary_emb.inv_freq") ||
        ends_with(name, ".attn.bias") || ends_with(name, ".attn.masked_bias"))
        return true;
    if (!m->config.decoder.tied || !ends_with(name, "lm_head.weight"))
        return false;
    for (int64_t i = 0; i < medvl_safetensors_count(file); i++)
        if (ends_with(medvl_safetensors_name(file, i),
                      "embed_tokens.weight") ||
            ends_with(medvl_safetensors_name(file, i), "wte.weight"))
            embed = medvl_safetensors_tensor(file, i);
    return embed && t->dtype == embed->dtype && t->rank == 2 &&
           embed->rank == 2 && t->size[0] == embed->size[0] &&
           t->size[1] == embed->size[1] &&
           memcmp(t->data, embed->data,
                  medvl_dtype_bytes(t->dtype, t->size[0] * t->size[1])) == 0;
}

/* A parameter has the name that the file gives it. */
static int keep_name(struct medvl_model *m, struct medvl_param *param,
                     const char *name, struct medvl_error *err)
{
    struct held *held = &state_of(m)->held[param - m->params];

    if (strcmp(param->name, name) == 0)
        return MEDVL_OK;
    held->name = medvl_copy_string(name, strlen(name));
    if (!held->name)
        return medvl_no_memory(err);
    param->name = held->name;
    return MEDVL_OK;
}

/* Give each tensor of the file to its parameter, by any of its names. */
static int match_file(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    const int64_t count = medvl_safetensors_count(s->file);
    char name[MEDVL_PARAM_NAME];

    for (int64_t i = 0; i < count; i++) {
        const struct medvl_tensor *t = medvl_safetensors_tensor(s->file, i);
        const char *stored = medvl_safetensors_name(s->file, i);
        struct medvl_param *param;
        int rc;

        medvl_params_canonical(name, stored, &m->config);
        param = find(m, false, name);
        if (!param && is_known_extra(m, name, t))
            continue;
        if (!param)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s is no parameter of this architecture",
                              stored);
        if (param->value.rank != 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s stands under two names", param->name);
        rc = check_stored(param, spec_of(m, param - m->params), t, err);
        if (rc == MEDVL_OK)
            rc = keep_name(m, param, stored, err);
        if (rc < 0)
            return rc;
        s->held[param - m->params].stored = t->dtype;
        param->value = *t;
    }
    for (int64_t i = 0; i < m->count; i++)
        if (m->params[i].value.rank == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "%s is missing",
                              m->params[i].name);
    return MEDVL_OK;
}

/* What is stored, as a matrix or a vector. */
static void flatten(struct medvl_tensor *t,
                    const struct medvl_param_spec *spec)
{
    void *data = t->data;
    const enum medvl_dtype dtype = t->dtype;

    *t = spec->value;
    t->data = data;
    t->dtype = dtype;
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

/* out (columns, rows) from inp (rows, columns), items of `size` bytes. */
static void transpose(void *out, const void *inp, int64_t rows,
                      int64_t columns, size_t size)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            memcpy((char *)out + (size_t)(j * rows + i) * size,
                   (const char *)inp + (size_t)(i * columns + j) * size,
                   size);
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

/* Values that do not lie in the file as they are used. */
static bool wants_copy(const struct medvl_model *m, int64_t i)
{
    return spec_of(m, i)->transposed || misaligned(&m->params[i].value);
}

/* The stored bytes to `out`, as the value wants them. */
static void copy_stored(void *out, const struct medvl_model *m, int64_t i)
{
    const struct medvl_tensor *t = &m->params[i].value;

    if (spec_of(m, i)->transposed)
        transpose(out, t->data, t->size[1], t->size[0],
                  medvl_dtype_bytes(t->dtype, 1));
    else
        memcpy(out, t->data, stored_size(t));
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

/* The blocks for trained values, gradients and copies. */
static int make_blocks(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    size_t trained = 0, copied = 0;
    int rc;

    for (int64_t i = 0; i < m->count; i++) {
        if (m->params[i].trained)
            trained += f32_size(&m->params[i].value);
        if (wants_copy(m, i) &&
            (!m->params[i].trained || spec_of(m, i)->transposed))
            copied += padded(stored_size(&m->params[i].value));
    }
    rc = new_block(&s->values, &s->values_size, trained, "trained values",
                   err);
    if (rc == MEDVL_OK)
        rc = new_block(&s->grads, &s->grads_size, trained, "gradients", err);
    if (rc == MEDVL_OK)
        rc = new_block(&s->copies, &s->copies_size, copied, "values", err);
    return rc;
}

/* Values of `trained` parameters go to their f32 block, with gradients. */
static int place_values(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = state_of(m);
    size_t at = 0, copy_at = 0;
    int rc = make_blocks(m, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        struct medvl_param *p = &m->params[i];

        if (wants_copy(m, i) &&
            (!p->trained || spec_of(m, i)->transposed)) {
            void *copy = (char *)s->copies + copy_at;

            copy_stored(copy, m, i);
            p->value.data = copy;
            copy_at += padded(stored_size(&p->value));
        }
        if (p->trained) {
            float *value = (float *)(void *)((char *)s->values + at);

            widen(value, &p->value);
            p->value.data = value;
            p->value.dtype = MEDVL_DTYPE_F32;
            p->grad = p->value;
            p->grad.data = (char *)s->grads + at;
            at += f32_size(&p->value);
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
        rc = medvl_safetensors_open(&state_of(m)->file, folder, err);
    if (rc == MEDVL_OK) {
        rc = match_file(m, err);
        if (rc < 0)
            medvl_context(err, "%s", folder);
    }
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        const struct medvl_param_spec *spec = spec_of(m, i);

        m->params[i].trained = (spec->part & train) && !spec->unused;
        flatten(&m->params[i].value, spec);
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
    for (int64_t i = 0; s->held && i < model->count; i++)
        medvl_free(s->held[i].name);
    medvl_safetensors_free(s->file);
    medvl_block_free(s->values, s->values_size);
    medvl_block_free(s->grads, s->grads_size);
    medvl_block_free(s->copies, s->copies_size);
    medvl_block_free(s->loaded, s->loaded_size);
    medvl_free(s->keys.slots);
    medvl_free(s->names.slots);
    medvl_free(s->held);
    medvl_params_release(&s->list);
    medvl_free(s);
    medvl_free(model->params);
    medvl_free(model->folder);
    medvl_config_release(&model->config);
    medvl_free(model);
}

/* ---- a fresh model --------------------------------------------------- */

/*
 * Half of the channels for the row, half for the column; in each half sines
 * and then cosines of rising wavelengths.  A class token's row is zero.
 */
static void fill_places(float *out, const struct medvl_vision_config *v)
{
    const int64_t side = v->image_size / v->patch_size;
    const int64_t channels = v->hidden, quarter = channels / 4;

    if (v->class_token) {
        memset(out, 0, (size_t)channels * sizeof(*out));
        out += channels;
    }
    for (int64_t p = 0; p < side * side; p++) {
        float *row = out + p * channels;

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
                       const struct medvl_param_spec *spec, uint64_t seed)
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
    case MEDVL_INIT_NORMAL:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)(range * medvl_rng_normal(&rng));
        break;
    case MEDVL_INIT_ONE:
        for (size_t i = 0; i < count; i++)
            out[i] = 1;
        break;
    case MEDVL_INIT_ZERO: memset(out, 0, count * sizeof(*out)); break;
    case MEDVL_INIT_PLACES:
        fill_places(out, v);
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
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value = s->list.specs[i].value;
        m->params[i].value.dtype = MEDVL_DTYPE_F32;
        s->held[i].stored = m->config.dtype;
        if (!medvl_size_add(&size, size, f32_size(&m->params[i].value)))
            rc = medvl_fail(err, MEDVL_ENOMEM, "the model is too large");
    }
    if (rc == MEDVL_OK)
        rc = new_block(&s->values, &s->values_size, size, "weights", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        m->params[i].value.data = (char *)s->values + at;
        fill_fresh(m, &m->params[i], &s->list.specs[i], seed);
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

/*
 * The value to write, in its stored type and shape; *at walks through the
 * block.
 */
static struct medvl_tensor value_to_write(const struct medvl_model *m,
                                          int64_t i,
                                          const struct medvl_tensor *value,
                                          char *block, size_t *at)
{
    const struct medvl_param_spec *spec = spec_of(m, i);
    struct medvl_tensor t = spec->shape;

    t.dtype = state_of(m)->held[i].stored;
    t.data = value->data;
    if (spec->transposed) {
        t.data = block + *at;
        *at += padded(medvl_dtype_bytes(value->dtype, value->size[0] *
                                                          value->size[1]));
        transpose(t.data, value->data, value->size[0], value->size[1],
                  medvl_dtype_bytes(value->dtype, 1));
    }
    if (value->dtype != t.dtype) {
        const float *wide = t.data;

        t.data = block + *at;
        *at += padded(stored_size(&t));
        narrow(t.data, wide, item_count(value), t.dtype);
    }
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

        if (v->dtype != s->held[i].stored)
            size += padded(2 * item_count(v));
        if (spec_of(m, i)->transposed)
            size += f32_size(v);
    }
    rc = new_block(&block, &have, size, "converted values", err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        entries[i].name = m->params[i].name;
        entries[i].tensor = value_to_write(
            m, i, values ? &values[i] : &m->params[i].value, block, &at);
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
