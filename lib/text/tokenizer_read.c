/*
 * Opening a tokenizer.json.  The file is mapped and scanned once; its small
 * parts become trees.
 *
 * Read next: tokenizer_vocab.c.
 */
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

int medvl_tokenizer_part(struct medvl_json **out,
                         const struct medvl_json_view *view,
                         const char *name, size_t most,
                         struct medvl_error *err)
{
    const struct medvl_span span = medvl_json_view_get(view, name);
    int rc;

    *out = NULL;
    if (!span.data)
        return MEDVL_OK;
    if (span.size > most)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"%s\" has more than %zu bytes", name, most);
    rc = medvl_json_parse(out, span, err);
    return rc < 0 ? medvl_context(err, "\"%s\"", name) : rc;
}

static bool is_null(const struct medvl_json *value)
{
    return medvl_json_type(value) <= MEDVL_JSON_NULL;
}

static int read_normalizer(struct medvl_tokenizer *tok,
                           const struct medvl_json_view *root,
                           struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc = medvl_tokenizer_part(&tree, root, "normalizer", PART_BYTES, err);

    if (rc == MEDVL_OK)
        rc = medvl_normalizer_new(&tok->normalizer, tree, err);
    medvl_json_free(tree);
    return rc;
}

static int read_decoder(struct medvl_tokenizer *tok,
                        const struct medvl_json_view *root,
                        struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc = medvl_tokenizer_part(&tree, root, "decoder", PART_BYTES, err);

    if (rc == MEDVL_OK)
        rc = medvl_decoder_steps_new(&tok->decoder, tree, err);
    medvl_json_free(tree);
    return rc;
}

/* ---- added tokens ------------------------------------------------------- */

static bool is_true(const struct medvl_json *json, const char *name)
{
    return medvl_json_true(medvl_json_get(json, name));
}

static int read_added_one(struct medvl_tokenizer *tok,
                          const struct medvl_json *value,
                          struct medvl_error *err)
{
    struct added added = {
        .special = is_true(value, "special"),
        .lstrip = is_true(value, "lstrip"),
        .rstrip = is_true(value, "rstrip"),
        .single_word = is_true(value, "single_word"),
        .normalized = is_true(value, "normalized"),
    };
    const char *content;
    int64_t id;
    int rc = medvl_json_get_string(&content, value, "content", err);

    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&id, value, "id", 0, MEDVL_BPE_IDS - 1, err);
    if (rc < 0)
        return rc;
    added.content = medvl_span(content);
    added.id = (int32_t)id;
    return medvl_added_add(tok, &added, err);
}

static int read_added(struct medvl_tokenizer *tok,
                      const struct medvl_json_view *root,
                      struct medvl_error *err)
{
    struct medvl_json *list = NULL;
    int rc = medvl_tokenizer_part(&list, root, "added_tokens", PART_BYTES,
                                  err);

    for (const struct medvl_json *value = medvl_json_first(list);
         value && rc == MEDVL_OK; value = medvl_json_next(value)) {
        rc = read_added_one(tok, value, err);
        if (rc < 0)
            rc = medvl_context(err, "\"added_tokens\"");
    }
    medvl_json_free(list);
    return rc;
}

/* ---- what is put around a text ------------------------------------------ */

static int add_id(const struct medvl_tokenizer *tok, struct ids *to,
                  double id, const char *name, struct medvl_error *err)
{
    int rc;

    if (!(id >= 0 && id < tok->size) || id != (double)(int32_t)id ||
        !medvl_tokenizer_bytes(tok, (int32_t)id).data)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "special token \"%s\" is no token", name);
    rc = medvl_grow(&to->items, &to->capacity, to->count + 1,
                    sizeof(*to->items), err);
    if (rc == MEDVL_OK)
        to->items[to->count++] = (int32_t)id;
    return rc;
}

/* Ids of a TemplateProcessing's special token, by its name there. */
static int template_ids(struct medvl_tokenizer *tok, struct ids *to,
                        const struct medvl_json *template, const char *name,
                        struct medvl_error *err)
{
    const struct medvl_json *list;

    list = medvl_json_get(medvl_json_get(template, "special_tokens"), name);
    list = medvl_json_get(list, "ids");
    if (medvl_json_type(list) != MEDVL_JSON_ARRAY)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no ids for special token \"%s\"", name);
    for (list = medvl_json_first(list); list; list = medvl_json_next(list)) {
        const int rc = add_id(tok, to, medvl_json_number(list, -1), name,
                              err);

        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static int read_template(struct medvl_tokenizer *tok,
                         const struct medvl_json *template,
                         struct medvl_error *err)
{
    const struct medvl_json *piece;
    bool behind = false;

    piece = medvl_json_first(medvl_json_get(template, "single"));
    if (!piece)
        return medvl_fail(err, MEDVL_EFORMAT, "a template without \"single\"");
    for (; piece; piece = medvl_json_next(piece)) {
        const struct medvl_json *special;
        const char *name;
        int rc;

        if (medvl_json_get(piece, "Sequence")) {
            if (behind)
                return medvl_fail(err, MEDVL_EUNSUPPORTED,
                                  "a template that gives the text twice");
            behind = true;
            continue;
        }
        special = medvl_json_get(piece, "SpecialToken");
        rc = medvl_json_get_string(&name, special, "id", err);
        if (rc == MEDVL_OK)
            rc = template_ids(tok, behind ? &tok->after : &tok->before,
                              template, name, err);
        if (rc < 0)
            return rc;
    }
    if (!behind)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a template without the text");
    return MEDVL_OK;
}

/* ["text", id] of a BertProcessing. */
static int read_around(struct medvl_tokenizer *tok, struct ids *to,
                       const struct medvl_json *json, const char *name,
                       struct medvl_error *err)
{
    const struct medvl_json *pair = medvl_json_get(json, name);

    return add_id(tok, to, medvl_json_number(medvl_json_at(pair, 1), -1),
                  name, err);
}

/* What a later step puts around stands outside of what is there. */
static int put_outside(struct ids *to, const struct ids *more, bool front,
                       struct medvl_error *err)
{
    const size_t count = to->count + more->count;
    int rc;

    if (more->count == 0)
        return MEDVL_OK;
    rc = medvl_grow(&to->items, &to->capacity, count, sizeof(*to->items),
                    err);
    if (rc < 0)
        return rc;
    if (front)
        memmove(to->items + more->count, to->items,
                to->count * sizeof(*to->items));
    memcpy(to->items + (front ? 0 : to->count), more->items,
           more->count * sizeof(*to->items));
    to->count = count;
    return MEDVL_OK;
}

static int read_processor(struct medvl_tokenizer *tok,
                          const struct medvl_json *step, bool *has_template,
                          struct medvl_error *err)
{
    const char *type = medvl_part_type(step);
    const struct ids before = tok->before;
    const struct ids after = tok->after;
    int rc;

    if (strcmp(type, "ByteLevel") == 0)
        return MEDVL_OK;
    *has_template = true;
    tok->before = tok->after = (struct ids){0};
    if (strcmp(type, "TemplateProcessing") == 0) {
        rc = read_template(tok, step, err);
    } else if (strcmp(type, "BertProcessing") == 0 ||
               strcmp(type, "RobertaProcessing") == 0) {
        rc = read_around(tok, &tok->before, step, "cls", err);
        if (rc == MEDVL_OK)
            rc = read_around(tok, &tok->after, step, "sep", err);
    } else {
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
    }
    /* What was there stands nearer to the text. */
    if (rc == MEDVL_OK)
        rc = put_outside(&tok->before, &before, false, err);
    if (rc == MEDVL_OK)
        rc = put_outside(&tok->after, &after, true, err);
    medvl_free(before.items);
    medvl_free(after.items);
    return rc;
}

static int read_post_processor(struct medvl_tokenizer *tok,
                               const struct medvl_json_view *root,
                               bool *has_template, struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    const struct medvl_json *step;
    bool sequence;
    int rc = medvl_tokenizer_part(&tree, root, "post_processor", PART_BYTES,
                                  err);

    if (rc < 0)
        return rc;
    sequence = strcmp(medvl_part_type(tree), "Sequence") == 0;
    step = sequence ? medvl_json_first(medvl_json_get(tree, "processors"))
                    : tree;
    while (step && !is_null(step) && rc == MEDVL_OK) {
        rc = read_processor(tok, step, has_template, err);
        step = sequence ? medvl_json_next(step) : NULL;
    }
    medvl_json_free(tree);
    return rc < 0 ? medvl_context(err, "post_processor") : rc;
}

/* ---- the whole ---------------------------------------------------------- */

static int read_parts(struct medvl_tokenizer *tok, struct medvl_span file,
                      const struct extras *extras, bool *has_template,
                      struct medvl_error *err)
{
    struct medvl_json_view root = {0};
    int rc = medvl_json_view_object(&root, file, err);

    if (rc == MEDVL_OK)
        rc = read_normalizer(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = read_decoder(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = read_added(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = medvl_added_index(tok, err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_read_model(tok, &root, err);
    if (rc == MEDVL_OK)
        rc = medvl_words_read(tok, &root, err);
    if (rc == MEDVL_OK && extras)
        rc = medvl_added_extras(tok, extras, err);
    if (rc == MEDVL_OK)
        rc = medvl_added_finish(tok, err);
    if (rc == MEDVL_OK)
        rc = read_post_processor(tok, &root, has_template, err);
    medvl_json_view_release(&root);
    return rc;
}

int medvl_tokenizer_read(struct medvl_tokenizer **out, struct medvl_span json,
                         const struct extras *extras, bool *has_template,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = medvl_alloc(1, sizeof(*tok));
    int rc;

    *out = NULL;
    if (!tok)
        return medvl_no_memory(err);
    tok->begin = tok->end = tok->pad = -1;
    rc = read_parts(tok, json, extras, has_template, err);
    if (rc < 0) {
        medvl_tokenizer_free(tok);
        return rc;
    }
    *out = tok;
    return MEDVL_OK;
}

int medvl_tokenizer_new(struct medvl_tokenizer **out, struct medvl_span json,
                        struct medvl_error *err)
{
    bool has_template = false;

    return medvl_tokenizer_read(out, json, NULL, &has_template, err);
}

void medvl_tokenizer_free(struct medvl_tokenizer *tok)
{
    if (!tok)
        return;
    medvl_added_release(tok);
    medvl_free(tok->before.items);
    medvl_free(tok->after.items);
    medvl_normalizer_free(tok->normalizer);
    medvl_pretokenizer_free(tok->pre);
    medvl_cutter_free(tok->cutter);
    medvl_decoder_steps_free(tok->decoder);
    medvl_model_release(&tok->model);
    medvl_free(tok);
}
