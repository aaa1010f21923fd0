/*
 * A model written as a folder: weights in pieces, config.json, and the files
 * beside them.
 *
 * Read next: frontend.h.
 */
#include "lib/model/checkpoint_part.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"

/* ---- companions ------------------------------------------------------ */

/* What a folder holds beside weights and config.json. */
static const char *const COMPANIONS[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "*.tiktoken",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "configuration_*.py", /* classes of models outside transformers */
    "modeling_*.py",
    "tokenization_*.py",
    "LICEN[CS]E*",
    "NOTICE*",
    "USE_POLICY*",
};

static bool is_companion(const char *name)
{
    for (size_t i = 0; i < sizeof(COMPANIONS) / sizeof(*COMPANIONS); i++)
        if (fnmatch(COMPANIONS[i], name, 0) == 0)
            return true;
    return false;
}

int model_copy_file(const char *to, const char *from, const char *name,
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

static int copy_companions(const struct medvl_model *m, const char *folder,
                           struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = MEDVL_OK;

    if (m->folder)
        rc = medvl_folder_list(&names, m->folder, err);
    for (size_t i = 0; i < names.count && rc == MEDVL_OK; i++)
        if (is_companion(names.items[i]))
            rc = model_copy_file(folder, m->folder, names.items[i], err);
    medvl_names_release(&names);
    return rc;
}

/* ---- config.json ------------------------------------------------------ */

/* Set "dtype" and "torch_dtype" where they are; how many there were. */
static int set_dtype(int *found, struct medvl_json_view *view,
                     enum medvl_dtype dtype, struct medvl_error *err)
{
    static const char *const NAMES[] = {"dtype", "torch_dtype"};
    const struct medvl_span value = medvl_span(medvl_config_dtype_json(dtype));
    int rc = MEDVL_OK;

    *found = 0;
    for (int i = 0; i < 2 && rc == MEDVL_OK; i++)
        if (medvl_json_view_get(view, NAMES[i]).data) {
            rc = medvl_json_view_set(view, NAMES[i], value, err);
            ++*found;
        }
    return rc;
}

/* The same in an object of the config; `text` must outlive the view. */
static int set_inner(struct medvl_json_view *view, const char *name,
                     struct medvl_text *text, enum medvl_dtype dtype,
                     struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(view, name);
    struct medvl_json_view inner = {0};
    int found = 0, rc;

    if (!span.data || span.data[0] != '{')
        return MEDVL_OK;
    rc = medvl_json_view_object(&inner, span, err);
    if (rc == MEDVL_OK)
        rc = set_dtype(&found, &inner, dtype, err);
    if (rc == MEDVL_OK && found)
        rc = medvl_json_view_write(text, &inner, err);
    if (rc == MEDVL_OK && found)
        rc = medvl_json_view_set(view, name, medvl_text_span(text), err);
    medvl_json_view_release(&inner);
    return rc;
}

/* The config with another type, of weights that are quantised no more, and
 * of a tower that is not the one that it is named after any more. */
static int change_config(struct medvl_text *out, const struct medvl_model *m,
                         enum medvl_dtype dtype, struct medvl_error *err)
{
    static const char *const INNER[] = {"text_config", "vision_config"};
    struct medvl_json_view view = {0};
    struct medvl_text texts[2] = {{0}};
    int found = 0;
    int rc = medvl_json_view_object(&view, medvl_text_span(&m->config.json),
                                    err);

    if (rc == MEDVL_OK && model_state(m)->eight_bit)
        medvl_json_view_remove(&view, "quantization_config");
    if (rc == MEDVL_OK && model_tower_trained(m))
        rc = medvl_json_view_set(&view, "unfreeze_mm_vision_tower",
                                 medvl_span("true"), err);
    if (rc == MEDVL_OK && dtype)
        rc = set_dtype(&found, &view, dtype, err);
    if (rc == MEDVL_OK && dtype && !found)
        rc = medvl_json_view_set(&view, "torch_dtype",
                                 medvl_span(medvl_config_dtype_json(dtype)),
                                 err);
    for (int i = 0; i < 2 && rc == MEDVL_OK && dtype; i++)
        rc = set_inner(&view, INNER[i], &texts[i], dtype, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(out, &view, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, '\n', err);
    for (int i = 0; i < 2; i++)
        medvl_text_release(&texts[i]);
    medvl_json_view_release(&view);
    return rc;
}

static int write_config(const struct medvl_model *m, const char *folder,
                        enum medvl_dtype dtype, struct medvl_error *err)
{
    const struct medvl_text *json = &m->config.json;
    struct medvl_text changed = {0};
    char *path = NULL;
    int rc = MEDVL_OK;

    if (dtype || model_state(m)->eight_bit || model_tower_trained(m)) {
        rc = change_config(&changed, m, dtype, err);
        json = &changed;
    }
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "config.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, json->data, json->size, err);
    medvl_text_release(&changed);
    medvl_free(path);
    return rc;
}

/* ---- weights ---------------------------------------------------------- */

struct writing {
    const struct medvl_model *m;
    const struct medvl_tensor *values; /* in place of the params', or NULL */
    struct fresh_numbers *fresh;       /* in place of both, or NULL */
    struct medvl_safetensors_entry *entries;
    int64_t *which; /* the parameter of each entry */
    int64_t *lost;  /* values of each parameter that its type cannot hold */

    const struct medvl_model_watch *watch; /* or NULL */
    int64_t done, total;                   /* bytes */
};

static void store(struct writing *w, int64_t index, int64_t at, float value,
                  void *out)
{
    const enum medvl_dtype dtype = w->entries[index].tensor.dtype;
    uint16_t half;

    if (dtype == MEDVL_DTYPE_F32) {
        ((float *)out)[at] = value;
        return;
    }
    half = dtype == MEDVL_DTYPE_BF16 ? medvl_bf16_from_float(value)
                                     : medvl_f16_from_float(value);
    if (isfinite(value) &&
        (half & 0x7fff) == (dtype == MEDVL_DTYPE_BF16 ? 0x7f80 : 0x7c00))
        w->lost[w->which[index]]++;
    ((uint16_t *)out)[at] = half;
}

/* Fresh numbers, through a small array on their way to another type. */
static void fill_fresh(struct writing *w, int64_t index, int64_t first,
                       int64_t count, void *out)
{
    float piece[1024];

    for (int64_t at = 0; at < count; at += 1024) {
        const int64_t n = count - at < 1024 ? count - at : 1024;

        model_fresh(w->fresh, w->which[index], first + at, n, piece);
        for (int64_t k = 0; k < n; k++)
            store(w, index, at + k, piece[k], out);
    }
}

/* Items as the file has them; eight-bit ones are bf16. */
static void read_stored(const struct held *held, int64_t first, int64_t count,
                        void *out)
{
    const struct medvl_tensor *t = held->tensor;

    if (held->fp8.weight)
        medvl_fp8_read(&held->fp8, first, count, out);
    else
        memcpy(out,
               (const char *)t->data + medvl_dtype_bytes(t->dtype, first),
               medvl_dtype_bytes(t->dtype, count));
}

/* From the file to the file: no parameter's value is looked at. */
static void fill_stored(struct writing *w, int64_t index, int64_t first,
                        int64_t count, void *out)
{
    const struct held *held = &model_state(w->m)->held[w->which[index]];
    const struct medvl_tensor *t = held->tensor;
    float piece[4096];

    if (w->entries[index].tensor.dtype == held->stored)
        read_stored(held, first, count, out);
    else
        for (int64_t at = 0; at < count; at += 4096) {
            const int64_t n = count - at < 4096 ? count - at : 4096;

            read_stored(held, first + at, n, piece);
            for (int64_t k = 0; k < n; k++)
                store(w, index, at + k,
                      medvl_float_at(piece, held->stored, k), out);
        }
    model_drop_pages((const char *)t->data + medvl_dtype_bytes(t->dtype, first),
                     medvl_dtype_bytes(t->dtype, count));
}

static void fill_value(struct writing *w, int64_t index, int64_t first,
                       int64_t count, void *out)
{
    const int64_t i = w->which[index];
    const struct medvl_tensor *v =
        w->values ? &w->values[i] : &w->m->params[i].value;
    const int64_t rows = v->size[0], columns = v->size[1];
    const char *from = (const char *)v->data +
                       medvl_dtype_bytes(v->dtype, first);

    if (model_spec(w->m, i)->transposed) {
        for (int64_t k = 0; k < count; k++)
            store(w, index, k,
                  medvl_float_at(v->data, v->dtype,
                                 (first + k) % rows * columns +
                                     (first + k) / rows),
                  out);
    } else if (v->dtype == w->entries[index].tensor.dtype) {
        memcpy(out, from, medvl_dtype_bytes(v->dtype, count));
    } else {
        for (int64_t k = 0; k < count; k++)
            store(w, index, k, medvl_float_at(from, v->dtype, k), out);
    }
}

/* Is the parameter what its open file has? */
static bool is_stored(const struct writing *w, int64_t i)
{
    const struct state *s = model_state(w->m);

    return !w->values && !w->m->params[i].trained && s->file &&
           s->held[i].tensor;
}

/* The next items of a tensor as it stands in the file. */
static int fill_items(void *arg, int64_t index, int64_t first, int64_t count,
                      void *out, struct medvl_error *err)
{
    struct writing *w = arg;

    if (w->fresh)
        fill_fresh(w, index, first, count, out);
    else if (is_stored(w, w->which[index]))
        fill_stored(w, index, first, count, out);
    else
        fill_value(w, index, first, count, out);
    w->done += (int64_t)medvl_dtype_bytes(w->entries[index].tensor.dtype,
                                          count);
    return w->watch ? w->watch->wrote(w->watch->arg, w->done, w->total, err)
                    : MEDVL_OK;
}

/* Values that became infinite are an error, with how many of which. */
static int check_lost(const struct writing *w, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int64_t tensors = 0;
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < w->m->count && rc == MEDVL_OK; i++) {
        if (!w->lost[i])
            continue;
        tensors++;
        if (text.size < 700)
            rc = medvl_text_printf(
                &text, err, "%s%.200s (%lld of %zu)", text.size ? ", " : "",
                w->m->params[i].name, (long long)w->lost[i],
                model_items(&w->m->params[i].value));
    }
    if (rc == MEDVL_OK && tensors)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "values past what this type holds, in %lld tensors: "
                        "%s",
                        (long long)tensors, text.data);
    medvl_text_release(&text);
    return rc;
}

/*
 * The parameters of the model's own file, or of the tower's: those of a
 * tower that stood beside are in no other, unless they were trained, and
 * one inside is in both.
 */
static int64_t list_entries(struct writing *w, bool tower,
                            enum medvl_dtype dtype)
{
    const struct medvl_model *m = w->m;
    const size_t root = strlen(MODEL_TOWER);
    const bool inside = model_tower_trained(m);
    int64_t count = 0;

    for (int64_t i = 0; i < m->count; i++) {
        const struct medvl_param_spec *spec = model_spec(m, i);
        const struct held *held = &model_state(m)->held[i];

        if (tower ? spec->part != MEDVL_PART_VISION
                  : held->beside && !inside)
            continue;
        w->which[count] = i;
        w->entries[count].name = tower ? spec->name + root
                                       : m->params[i].name;
        w->entries[count].tensor = spec->shape;
        w->entries[count].tensor.dtype = dtype ? dtype : held->stored;
        count++;
    }
    return count;
}

static int64_t entry_bytes(struct writing *w, bool tower,
                           enum medvl_dtype dtype)
{
    const int64_t count = list_entries(w, tower, dtype);
    int64_t bytes = 0;

    for (int64_t k = 0; k < count; k++) {
        const struct medvl_tensor *t = &w->entries[k].tensor;

        bytes += (int64_t)medvl_dtype_bytes(
            t->dtype, medvl_tensor_rows(t) * medvl_tensor_columns(t));
    }
    return bytes;
}

static int write_weights(struct writing *w, const char *folder, bool tower,
                         enum medvl_dtype dtype, struct medvl_error *err)
{
    static const char *const METADATA[] = {"format", "pt", NULL};
    const int64_t count = list_entries(w, tower, dtype);

    return medvl_safetensors_write_folder(folder, w->entries, count, METADATA,
                                          MEDVL_SAFETENSORS_LIMIT, fill_items,
                                          w, err);
}

/* ---- the folder -------------------------------------------------------- */

static int write_tower(struct writing *w, const char *folder,
                       enum medvl_dtype dtype, struct medvl_error *err)
{
    char *place = NULL;
    int rc = model_tower_copy(&place, w->m, folder, err);

    if (rc == MEDVL_OK && place && model_state(w->m)->tower_weights)
        rc = write_weights(w, place, true, dtype, err);
    medvl_free(place);
    return rc;
}

/* A model that was looked at has values in its file, or none. */
static int check_values(const struct writing *w, struct medvl_error *err)
{
    for (int64_t i = 0; i < w->m->count && !w->values && !w->fresh; i++)
        if (!w->m->params[i].value.data && !is_stored(w, i))
            return medvl_safetensors_fail_without(w->m->folder, err);
    return MEDVL_OK;
}

static int write_folder(struct writing *w, const char *folder,
                        enum medvl_dtype dtype, struct medvl_error *err)
{
    const size_t count = (size_t)w->m->count;
    int rc = check_values(w, err);

    if (rc == MEDVL_OK)
        rc = copy_companions(w->m, folder, err);
    w->entries = medvl_alloc(count, sizeof(*w->entries));
    w->which = medvl_alloc(count, sizeof(*w->which));
    w->lost = medvl_alloc(count, sizeof(*w->lost));
    if (rc == MEDVL_OK && (!w->entries || !w->which || !w->lost))
        rc = medvl_no_memory(err);
    if (rc == MEDVL_OK) {
        w->total = entry_bytes(w, false, dtype);
        if (model_state(w->m)->tower_weights)
            w->total += entry_bytes(w, true, dtype);
        rc = write_tower(w, folder, dtype, err);
    }
    if (rc == MEDVL_OK)
        rc = write_weights(w, folder, false, dtype, err);
    if (rc == MEDVL_OK)
        rc = check_lost(w, err);
    if (rc == MEDVL_OK)
        rc = write_config(w->m, folder, dtype, err);
    medvl_free(w->entries);
    medvl_free(w->which);
    medvl_free(w->lost);
    return rc;
}

int medvl_model_write(const struct medvl_model *model, const char *folder,
                      const struct medvl_tensor *values,
                      struct medvl_error *err)
{
    struct writing w = {.m = model, .values = values};

    return write_folder(&w, folder, MEDVL_DTYPE_NONE, err);
}

int medvl_model_write_as(const struct medvl_model *model, const char *folder,
                         enum medvl_dtype dtype,
                         const struct medvl_model_watch *watch,
                         struct medvl_error *err)
{
    struct writing w = {.m = model, .watch = watch};

    return write_folder(&w, folder, dtype, err);
}

int medvl_model_write_fresh(struct medvl_config *config, uint64_t seed,
                            const char *folder,
                            const struct medvl_model_watch *watch,
                            struct medvl_error *err)
{
    struct medvl_model *m;
    struct fresh_numbers fresh = {.seed = seed};
    struct writing w = {.fresh = &fresh, .watch = watch};
    int rc = model_make(&m, config, err);

    if (rc < 0)
        return rc;
    w.m = fresh.model = m;
    for (int64_t i = 0; i < m->count; i++)
        model_state(m)->held[i].stored = m->config.dtype;
    rc = write_folder(&w, folder, MEDVL_DTYPE_NONE, err);
    medvl_model_free(m);
    return rc;
}
