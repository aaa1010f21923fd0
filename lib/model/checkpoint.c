/*
 * A model's parameters and where their values are: in the mapped file, in
 * the block of trained values, or in a block of copies.
 *
 * Read next: checkpoint_match.c.
 */
#include "lib/model/checkpoint_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define ALIGN     ((size_t)64)
#define LOAD_STEP ((size_t)64 << 20)

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
    const struct state *s = model_state(m);
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

struct medvl_param *model_named(const struct medvl_model *m, const char *name)
{
    return find(m, false, name);
}

enum medvl_part medvl_model_part(const struct medvl_model *model,
                                 const struct medvl_param *param)
{
    return model_spec(model, param - model->params)->part;
}

/* Parameters without values, in the order of the list. */
static int list_params(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = model_state(m);
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

static void forget_params(struct medvl_model *m)
{
    struct state *s = model_state(m);

    for (int64_t i = 0; s->held && i < m->count; i++)
        medvl_free(s->held[i].name);
    medvl_free(s->keys.slots);
    medvl_free(s->names.slots);
    medvl_free(s->held);
    medvl_free(m->params);
    medvl_params_release(&s->list);
    memset(&s->keys, 0, sizeof(s->keys));
    memset(&s->names, 0, sizeof(s->names));
    s->held = NULL;
    m->params = NULL;
    m->count = 0;
}

/*
 * LLaVA's head over Phi-2 has no bias; before transformers 4.52 it had that
 * of Phi-2 alone.
 */
static int look_for_head_bias(struct medvl_model *m, struct medvl_error *err)
{
    struct medvl_config *c = &m->config;

    if (c->naming != MEDVL_NAMING_LLAVA ||
        c->decoder.dialect != MEDVL_DIALECT_PHI ||
        !medvl_safetensors_find(model_state(m)->file,
                                "language_model.lm_head.bias"))
        return MEDVL_OK;
    c->decoder.head_bias = true;
    forget_params(m);
    return list_params(m, err);
}

/* ---- values ---------------------------------------------------------- */

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

size_t model_items(const struct medvl_tensor *t)
{
    return (size_t)(medvl_tensor_rows(t) * medvl_tensor_columns(t));
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

size_t model_f32_size(const struct medvl_tensor *t)
{
    return padded(model_items(t) * sizeof(float));
}

static size_t stored_size(const struct medvl_tensor *t)
{
    return medvl_dtype_bytes(t->dtype, (int64_t)model_items(t));
}

static bool misaligned(const struct medvl_tensor *t)
{
    return (uintptr_t)t->data % medvl_dtype_bytes(t->dtype, 1) != 0;
}

/* Values that do not lie in the file as they are used; trained ones are
 * used from their own block. */
static bool wants_copy(const struct medvl_model *m, int64_t i)
{
    const struct medvl_param *p = &m->params[i];

    return model_state(m)->held[i].fp8.weight ||
           (!p->trained &&
            (model_spec(m, i)->transposed || misaligned(&p->value)));
}

/* The stored bytes to `out`, as the value wants them. */
static void copy_stored(void *out, const struct medvl_model *m, int64_t i)
{
    const struct medvl_tensor *t = &m->params[i].value;
    const struct medvl_fp8 *fp8 = &model_state(m)->held[i].fp8;

    if (fp8->weight)
        medvl_fp8_read(fp8, 0, (int64_t)model_items(t), out);
    else if (model_spec(m, i)->transposed)
        transpose(out, t->data, t->size[1], t->size[0],
                  medvl_dtype_bytes(t->dtype, 1));
    else
        memcpy(out, t->data, stored_size(t));
}

int model_block(void **block, size_t *have, size_t size,
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
    struct state *s = model_state(m);
    size_t trained = 0, copied = 0;
    int rc;

    for (int64_t i = 0; i < m->count; i++) {
        if (m->params[i].trained)
            trained += model_f32_size(&m->params[i].value);
        if (wants_copy(m, i))
            copied += padded(stored_size(&m->params[i].value));
    }
    rc = model_block(&s->values, &s->values_size, trained, "trained values",
                     err);
    if (rc == MEDVL_OK)
        rc = model_block(&s->grads, &s->grads_size, trained, "gradients", err);
    if (rc == MEDVL_OK)
        rc = model_block(&s->copies, &s->copies_size, copied, "values", err);
    return rc;
}

/* A trained value to its f32 block; the file behind it may go. */
static void place_trained(float *out, struct medvl_model *m, int64_t i)
{
    const struct medvl_tensor *t = &m->params[i].value;
    const bool fp8 = model_state(m)->held[i].fp8.weight;
    const bool turned = model_spec(m, i)->transposed;
    const int64_t items = (int64_t)model_items(t);

    for (int64_t k = 0; k < items; k++)
        out[k] = medvl_float_at(
            t->data, t->dtype,
            turned ? k % t->size[1] * t->size[0] + k / t->size[1] : k);
    if (!fp8) /* else it was read from a copy */
        model_drop_pages(t->data, stored_size(t));
}

/* Values of `trained` parameters go to their f32 block, with gradients. */
static int place_values(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = model_state(m);
    size_t at = 0, copy_at = 0;
    int rc = make_blocks(m, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        struct medvl_param *p = &m->params[i];

        if (wants_copy(m, i)) {
            void *copy = (char *)s->copies + copy_at;

            copy_stored(copy, m, i);
            p->value.data = copy;
            copy_at += padded(stored_size(&p->value));
        }
        if (p->trained) {
            float *value = (float *)(void *)((char *)s->values + at);

            place_trained(value, m, i);
            p->value.data = value;
            p->value.dtype = MEDVL_DTYPE_F32;
            p->grad = p->value;
            p->grad.data = (char *)s->grads + at;
            at += model_f32_size(&p->value);
        }
    }
    return rc;
}

/* Of a frozen value, is every part read?  Of embeddings that are no head
 * only the rows of a text's tokens are. */
static bool is_read(const struct medvl_model *m,
                    const struct medvl_param_spec *spec)
{
    const bool table = strncmp(spec->key, "decoder.embed_", 14) == 0;

    return !spec->unused && (!table || m->config.decoder.tied);
}

size_t medvl_model_memory(const struct medvl_model *model, int parts)
{
    const struct state *s = model_state(model);
    size_t bytes = 0;

    for (int64_t i = 0; i < model->count; i++) {
        const struct medvl_param *p = &model->params[i];
        const struct medvl_param_spec *spec = model_spec(model, i);
        const size_t stored = medvl_dtype_bytes(
            s->held[i].stored, (int64_t)model_items(&p->value));

        if (p->trained)
            bytes += model_f32_size(&p->value);
        if (s->held[i].fp8.weight ||
            (!p->trained && (spec->part & parts) && is_read(model, spec)))
            bytes += stored;
    }
    return bytes;
}

bool model_is_mapped(const struct medvl_model *m, int64_t i)
{
    const struct state *s = model_state(m);
    const char *data = m->params[i].value.data, *copies = s->copies;

    return s->file && !m->params[i].trained && data &&
           !(copies && data >= copies && data < copies + s->copies_size);
}

/* The pages of the file behind what was copied need not stay in memory. */
void model_drop_pages(const void *data, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    const uintptr_t last = ((uintptr_t)data + size) / page * page;

    if (first < last)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

void medvl_model_load(struct medvl_model *model)
{
    struct state *s = model_state(model);
    size_t size = 0, at = 0;

    if (!s->file || s->loaded)
        return;
    for (int64_t i = 0; i < model->count; i++)
        if (model_is_mapped(model, i))
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

        if (!model_is_mapped(model, i))
            continue;
        for (size_t done = 0; done < bytes; done += LOAD_STEP) {
            const char *from = (const char *)value->data + done;
            const size_t step =
                bytes - done < LOAD_STEP ? bytes - done : LOAD_STEP;

            memcpy(to + done, from, step);
            model_drop_pages(from, step);
        }
        value->data = to;
        at += padded(bytes);
    }
    medvl_safetensors_free(s->file);
    medvl_safetensors_free(s->tower);
    s->file = s->tower = NULL;
}

/* ---- opening --------------------------------------------------------- */

int model_make(struct medvl_model **out, struct medvl_config *config,
               struct medvl_error *err)
{
    struct medvl_model *m = medvl_alloc(1, sizeof(*m));
    int rc;

    *out = NULL;
    if (m)
        m->state = medvl_alloc(1, sizeof(struct state));
    if (!m || !m->state) {
        medvl_free(m);
        medvl_config_release(config);
        return medvl_no_memory(err);
    }
    m->config = *config;
    memset(config, 0, sizeof(*config));
    rc = list_params(m, err);
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}

/* The file's tensors, each for its parameter; nothing is copied yet. */
static int read_folder(struct medvl_model *m, const char *folder,
                       struct medvl_error *err)
{
    int rc;

    m->folder = medvl_copy_string(folder, strlen(folder));
    if (!m->folder)
        return medvl_no_memory(err);
    rc = medvl_safetensors_open(&model_state(m)->file, folder, err);
    if (rc == MEDVL_OK)
        rc = look_for_head_bias(m, err);
    if (rc == MEDVL_OK)
        rc = model_tower_find(m, folder, err);
    if (rc < 0)
        return rc;
    rc = model_match(m, err);
    return rc < 0 ? medvl_context(err, "%s", folder) : rc;
}

int medvl_model_open(struct medvl_model **out, const char *folder,
                     int train, struct medvl_error *err)
{
    struct medvl_config config;
    struct medvl_model *m = NULL;
    int rc = medvl_config_read(&config, folder, err);

    *out = NULL;
    if (rc == MEDVL_OK)
        rc = model_make(&m, &config, err);
    if (rc == MEDVL_OK)
        rc = read_folder(m, folder, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < m->count; i++) {
        const struct medvl_param_spec *spec = model_spec(m, i);

        m->params[i].trained = (spec->part & train) && !spec->unused;
        flatten(&m->params[i].value, spec);
    }
    if (rc == MEDVL_OK)
        rc = place_values(m, err);
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}

int medvl_model_look(struct medvl_model **out, const char *folder,
                     struct medvl_error *err)
{
    struct medvl_config config;
    struct medvl_model *m = NULL;
    bool weights = true;
    int rc = medvl_config_read(&config, folder, err);

    *out = NULL;
    if (rc == MEDVL_OK)
        rc = model_make(&m, &config, err);
    if (rc == MEDVL_OK)
        rc = read_folder(m, folder, err);
    if (m && rc == MEDVL_EIO && !medvl_safetensors_in(folder)) {
        weights = false;
        rc = MEDVL_OK;
    }
    if (rc < 0) {
        medvl_model_free(m);
        return rc;
    }
    for (int64_t i = 0; i < m->count; i++) {
        struct medvl_tensor *value = &m->params[i].value;

        value->dtype = weights ? value->dtype : m->config.dtype;
        flatten(value, model_spec(m, i));
        value->data = NULL;
    }
    *out = m;
    return MEDVL_OK;
}

void medvl_model_free(struct medvl_model *model)
{
    struct state *s;

    if (!model)
        return;
    s = model_state(model);
    forget_params(model);
    medvl_safetensors_free(s->file);
    medvl_safetensors_free(s->tower);
    medvl_free(s->tower_folder);
    medvl_block_free(s->values, s->values_size);
    medvl_block_free(s->grads, s->grads_size);
    medvl_block_free(s->copies, s->copies_size);
    medvl_block_free(s->loaded, s->loaded_size);
    medvl_free(s);
    medvl_free(model->folder);
    medvl_config_release(&model->config);
    medvl_free(model);
}
