/*
 * Checkpoints, tokenizers and packed batches to JSON Lines: see view.h.
 *
 * Read next: view_model.c.
 */
#include "lib/run/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"
#include "lib/model/checkpoint.h"
#include "lib/model/frontend.h"
#include "lib/model/rope.h"
#include "lib/tensor/safetensors.h"
#include "lib/text/tokenizer.h"
#include "lib/train/loader.h"

#define USUAL_TOKENS 4096
#define LEARNED      "\xe2\x9f\xa6" /* U+27E6 */
#define LEARNED_END  "\xe2\x9f\xa7" /* U+27E7 */

static bool ends_with(const char *path, const char *end)
{
    const size_t size = strlen(path), tail = strlen(end);

    return size >= tail && !strcmp(path + size - tail, end);
}

/* The line that the writer made, onwards; `line` is emptied. */
static int put_line(struct medvl_json_writer *w, struct medvl_text *line,
                    medvl_inspect_put *put, void *arg,
                    struct medvl_error *err)
{
    int rc = medvl_json_write_end(w, err);

    if (rc == MEDVL_OK)
        rc = put(arg, medvl_text_span(line), err);
    medvl_text_clear(line);
    return rc;
}

/* ---- tensors --------------------------------------------------------- */

bool medvl_view_is_tensors(const char *path)
{
    if (!medvl_folder_exists(path))
        return ends_with(path, ".safetensors");
    return medvl_safetensors_in(path);
}

static void put_values(struct medvl_json_writer *w,
                       const struct medvl_tensor *t)
{
    const size_t count = (size_t)(medvl_tensor_rows(t) *
                                  medvl_tensor_columns(t));
    double low = HUGE_VAL, high = -HUGE_VAL, sum = 0;
    size_t bad = 0;

    if (!medvl_dtype_is_float(t->dtype))
        return;
    for (size_t i = 0; i < count; i++) {
        const double value =
            (double)medvl_float_at(t->data, t->dtype, (int64_t)i);

        if (!isfinite(value)) {
            bad++;
            continue;
        }
        low = fmin(low, value);
        high = fmax(high, value);
        sum += value;
    }
    if (bad < count) {
        medvl_json_put_number(w, "min", low);
        medvl_json_put_number(w, "max", high);
        medvl_json_put_number(w, "mean", sum / (double)(count - bad));
    }
    medvl_json_put_int(w, "not_finite", (int64_t)bad);
}

static void put_tensor(struct medvl_json_writer *w,
                       const struct medvl_safetensors *file, int64_t at,
                       bool values, const char *folder)
{
    const struct medvl_tensor *t = medvl_safetensors_tensor(file, at);

    medvl_json_begin(w, NULL, '{');
    medvl_json_put_string(w, "name",
                          medvl_span(medvl_safetensors_name(file, at)));
    medvl_json_put_string(w, "dtype",
                          medvl_span(medvl_safetensors_type(file, at)));
    medvl_json_begin(w, "shape", '[');
    for (int i = 0; i < t->rank; i++)
        medvl_json_put_int(w, NULL, t->size[i]);
    medvl_json_end(w);
    medvl_json_put_int(w, "bytes",
                       (int64_t)medvl_safetensors_bytes(file, at));
    if (folder)
        medvl_json_put_string(w, "folder", medvl_span(folder));
    if (values)
        put_values(w, t);
    medvl_json_end(w);
}

/* `folder`: said in each line, or NULL. */
static int put_tensors(const char *path, const char *folder, bool values,
                       medvl_inspect_put *put, void *arg,
                       struct medvl_error *err)
{
    struct medvl_safetensors *file = NULL;
    struct medvl_text line = {0};
    int rc = medvl_safetensors_open(&file, path, err);
    const int64_t count = rc < 0 ? 0 : medvl_safetensors_count(file);

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        struct medvl_json_writer w = {.out = &line};

        put_tensor(&w, file, i, values, folder);
        rc = put_line(&w, &line, put, arg, err);
    }
    medvl_text_release(&line);
    medvl_safetensors_free(file);
    return rc;
}

int medvl_view_tensors(const char *path, bool values, medvl_inspect_put *put,
                       void *arg, struct medvl_error *err)
{
    struct medvl_model *model = NULL;
    const char *tower = NULL;
    int rc = put_tensors(path, NULL, values, put, arg, err);

    if (rc < 0 || !medvl_folder_exists(path))
        return rc;
    /* Weights that are no model can be looked at all the same. */
    rc = medvl_model_look(&model, path, err);
    if (medvl_is_fatal(rc))
        return rc;
    if (rc == MEDVL_OK)
        tower = medvl_model_tower(model);
    rc = tower ? put_tensors(tower, tower, values, put, arg, err) : MEDVL_OK;
    medvl_model_free(model);
    return rc;
}

/* ---- other files ----------------------------------------------------- */

bool medvl_view_is_other(const char *path)
{
    struct medvl_mapping map;
    bool other;

    if (medvl_mapping_open(&map, path, NULL) < 0)
        return false;
    other = medvl_picture_kind(map.data, map.size) == MEDVL_PICTURE_OTHER;
    medvl_mapping_release(&map);
    return other;
}

int medvl_view_other(const char *path, medvl_inspect_put *put, void *arg,
                     struct medvl_error *err)
{
    const char *advice = medvl_safetensors_advice(path);

    (void)put;
    (void)arg;
    if (!advice && ends_with(path, "config.json"))
        advice = "name its folder, the model's";
    if (advice)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s: %s", path, advice);
    return medvl_fail(err, MEDVL_EFORMAT,
                      "%s: neither PNG, JPEG, TIFF, WebP, BMP nor DICOM, "
                      "and by its name no .safetensors and no tokenizer; "
                      "records are looked over with --check",
                      path);
}

/* ---- a tokenizer ----------------------------------------------------- */

bool medvl_view_is_tokenizer(const char *path)
{
    static const char *const NAMES[] = {
        "tokenizer.json", "tokenizer.model", "vocab.json",
        "vocab.txt", ".tiktoken", "bpe_simple_vocab_16e6.txt"};

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (ends_with(path, NAMES[i]))
            return !medvl_folder_exists(path);
    return false;
}

int medvl_view_tokenizer(const char *path, medvl_inspect_put *put, void *arg,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text line = {0};
    struct medvl_json_writer w = {.out = &line};
    int64_t tokens = 0, added = 0, special = 0;
    int rc = medvl_tokenizer_open(&tok, path, err);

    if (rc < 0)
        return rc;
    for (int32_t id = 0; id < medvl_tokenizer_size(tok); id++) {
        tokens += medvl_tokenizer_bytes(tok, id).data != NULL;
        added += medvl_tokenizer_is_added(tok, id);
        special += medvl_tokenizer_is_special(tok, id);
    }
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "path", medvl_span(path));
    medvl_json_put_int(&w, "size", medvl_tokenizer_size(tok));
    medvl_json_put_int(&w, "tokens", tokens);
    medvl_json_put_int(&w, "added", added);
    medvl_json_put_int(&w, "special", special);
    medvl_json_end(&w);
    rc = put_line(&w, &line, put, arg, err);
    medvl_text_release(&line);
    medvl_tokenizer_free(tok);
    return rc;
}

/* ---- packed batches -------------------------------------------------- */

struct packed {
    struct medvl_config config;
    struct medvl_frontend *frontend; /* NULL: reads no pictures */
    struct medvl_tokenizer *tok;
    struct medvl_loader *loader;
    struct medvl_text text, line;
};

static void packed_release(struct packed *p)
{
    medvl_loader_free(p->loader);
    medvl_tokenizer_free(p->tok);
    medvl_frontend_free(p->frontend);
    medvl_config_release(&p->config);
    medvl_text_release(&p->text);
    medvl_text_release(&p->line);
}

static int packed_open(struct packed *p,
                       const struct medvl_view_batches *options,
                       struct medvl_error *err)
{
    struct medvl_loader_options loader = {
        .data = {.data = options->data, .data_count = options->data_count},
        .seed = (uint64_t)options->seed,
        .batch_tokens =
            options->batch_tokens ? options->batch_tokens : USUAL_TOKENS,
        .accumulate = 1,
    };
    int rc = medvl_config_read(&p->config, options->model, err);

    if (rc == MEDVL_OK && p->config.family != MEDVL_FAMILY_TEXT)
        rc = medvl_frontend_open(&p->frontend, options->model, &p->config,
                                 err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_open(&p->tok, options->model, err);
    if (rc < 0)
        return rc;
    loader.data.limit = medvl_rope_longest(&p->config.decoder);
    loader.data.config = &p->config;
    return medvl_loader_open(&p->loader, &loader, p->frontend, NULL, err);
}

/* Tokens [first, last): of one kind, learned or not. */
static int add_text(struct packed *p, const int32_t *ids, int64_t first,
                    int64_t last, bool learned, struct medvl_error *err)
{
    int rc = learned ? medvl_text_puts(&p->text, LEARNED, err) : MEDVL_OK;
    int64_t end;

    for (int64_t i = first; i < last && rc == MEDVL_OK; i = end) {
        const int32_t image = p->config.image_token;
        const bool picture = ids[i] < 0;

        for (end = i + 1; end < last && (ids[end] < 0) == picture; end++)
            continue;
        rc = medvl_tokenizer_decode(p->tok, &p->text,
                                    picture ? &image : ids + i,
                                    picture ? 1 : (size_t)(end - i), 0, err);
    }
    if (rc == MEDVL_OK && learned)
        rc = medvl_text_puts(&p->text, LEARNED_END, err);
    return rc;
}

/* Position i's target is token i + 1, so token i is learned by i - 1. */
static bool is_learned(const struct medvl_microbatch *m,
                       const struct medvl_sample *s, int64_t token)
{
    return token > s->first_token && m->target[token - 1] >= 0;
}

static int put_sample(struct packed *p, const struct medvl_microbatch *m,
                      const struct medvl_sample *s, int64_t batch,
                      medvl_inspect_put *put, void *arg,
                      struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &p->line};
    const int64_t last = s->first_token + s->token_count;
    int64_t learned = 0, end;
    int rc = MEDVL_OK;

    medvl_text_clear(&p->text);
    for (int64_t i = s->first_token; i < last && rc == MEDVL_OK; i = end) {
        const bool now = is_learned(m, s, i);

        for (end = i + 1; end < last && is_learned(m, s, end) == now; end++)
            continue;
        learned += now ? end - i : 0;
        rc = add_text(p, m->batch.tokens.ids, i, end, now, err);
    }
    if (rc < 0)
        return medvl_context(err, "%s", s->id);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_int(&w, "batch", batch);
    medvl_json_put_string(&w, "id", medvl_span(s->id));
    medvl_json_put_int(&w, "tokens", s->token_count);
    medvl_json_put_int(&w, "learned", learned);
    medvl_json_put_string(&w, "text", medvl_text_span(&p->text));
    medvl_json_end(&w);
    return put_line(&w, &p->line, put, arg, err);
}

int medvl_view_packed(const struct medvl_view_batches *options,
                      medvl_inspect_put *put, void *arg,
                      struct medvl_error *err)
{
    struct packed p = {0};
    struct medvl_step step;
    int64_t steps = 0;
    int rc = packed_open(&p, options, err);

    if (rc == MEDVL_OK)
        rc = medvl_loader_steps(&steps, p.loader, 0, err);
    for (int64_t i = 0; i < steps && i < options->batches && rc == MEDVL_OK;
         i++) {
        rc = medvl_loader_read(&step, p.loader, 0, i, err);
        for (int64_t k = 0; rc == MEDVL_OK && k < step.micro[0].sample_count;
             k++)
            rc = put_sample(&p, &step.micro[0], &step.micro[0].samples[k], i,
                            put, arg, err);
    }
    packed_release(&p);
    return rc;
}
