/*
 * Chat: opening a template or a layout, and seeing what it takes: three
 * small conversations are rendered by it.
 *
 * Read next: chat_layout.c.
 */
#include <string.h>
#include <strings.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/text/chat_part.h"

/* ---- what a template takes -------------------------------------------- */

/* The same backwards: a template may turn it round, or change its case. */
#define PROBE "xyzzyx"

/* How often `text` is in bytes of the template; of a record, in any case. */
static int count_text(const struct medvl_marked *m, const char *text,
                      bool from_record)
{
    size_t at = 0, size = strlen(text);
    int count = 0;

    for (size_t i = 0; i < m->run_count; at += m->runs[i++].size) {
        const char *p = m->text.data + at, *end = p + m->runs[i].size;

        if (m->runs[i].from_record != from_record)
            continue;
        while ((size_t)(end - p) >= size) {
            const bool here = from_record ? !strncasecmp(p, text, size)
                                          : !memcmp(p, text, size);

            count += here;
            p += here ? size : 1;
        }
    }
    return count;
}

/*
 * Does the template show this conversation, once, with `pictures` of its
 * own placeholders?  Printing parts as a list would show the word "type".
 */
static int probe(struct medvl_chat_worker *w, const char *messages,
                 int pictures, bool *shows, struct medvl_error *err)
{
    const struct medvl_chat_input input = {.messages = medvl_span(messages)};
    struct medvl_error own = {0};
    size_t count;
    int rc;

    medvl_marked_clear(&w->whole);
    rc = medvl_chat_render_all(w, &w->whole, &input, false, &count, &own);
    *shows = rc == MEDVL_OK && count_text(&w->whole, PROBE, true) == 1 &&
             count_text(&w->whole, "type", true) == 0 &&
             count_text(&w->whole, w->chat->image, false) == pictures;
    if (rc < 0 && err)
        medvl_fail(err, own.code, "%s", own.text);
    return rc == MEDVL_ENOMEM ? rc : MEDVL_OK;
}

/* What kind of content the template takes. */
static int probe_all(struct medvl_chat *chat, struct medvl_error *err)
{
    static const struct medvl_template_limits LIMITS = {
        .steps = 1000000, .memory = (size_t)32 << 20};
    struct medvl_chat_worker *w;
    bool strings = false, parts = false, pictures = false;
    int rc = medvl_chat_worker_make(&w, chat, &LIMITS, err);

    if (rc < 0)
        return rc;
    medvl_fail(err, MEDVL_EFORMAT,
               "chat template: it shows nothing of a message");
    chat->strings = chat->parts = chat->pictures = true;
    rc = probe(w, "[{\"role\":\"user\",\"content\":\"" PROBE "\"}]", 0,
               &strings, err);
    if (rc == MEDVL_OK)
        rc = probe(w, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                      "\"text\":\"" PROBE "\"}]}]",
                   0, &parts, NULL);
    if (rc == MEDVL_OK)
        rc = probe(w, "[{\"role\":\"user\",\"content\":[{\"type\":\"image\"},"
                      "{\"type\":\"text\",\"text\":\"" PROBE "\"}]}]",
                   1, &pictures, NULL);
    medvl_chat_worker_free(w);
    chat->strings = strings;
    chat->parts = parts;
    chat->pictures = pictures;
    if (rc == MEDVL_OK && !strings && !parts)
        return err ? (int)err->code : MEDVL_EFORMAT;
    if (rc == MEDVL_OK && err)
        *err = (struct medvl_error){0};
    return rc;
}

static int new_chat(struct medvl_chat **out, struct medvl_span template,
                    const struct medvl_chat_layout *layout,
                    struct medvl_span image,
                    const struct medvl_tokenizer *tok,
                    struct medvl_error *err)
{
    struct medvl_chat *chat = medvl_alloc(1, sizeof(*chat));
    int rc;

    *out = NULL;
    if (!chat)
        return medvl_no_memory(err);
    chat->tok = tok;
    chat->layout = layout;
    chat->image_id = -1;
    chat->image = medvl_copy_string(image.data, image.size);
    rc = chat->image ? medvl_template_compile(&chat->template, template, err)
                     : medvl_no_memory(err);
    chat->strings = chat->parts = chat->pictures = true;
    if (rc < 0)
        medvl_context(err, "chat template");
    else if (!layout || !layout->system)
        rc = probe_all(chat, err);
    if (rc < 0) {
        medvl_chat_free(chat);
        return rc;
    }
    *out = chat;
    return MEDVL_OK;
}

int medvl_chat_new(struct medvl_chat **out, struct medvl_span template,
                   const char *image, const struct medvl_tokenizer *tok,
                   struct medvl_error *err)
{
    return new_chat(out, template, NULL, medvl_span(image), tok, err);
}

void medvl_chat_free(struct medvl_chat *chat)
{
    if (!chat)
        return;
    medvl_template_free(chat->template);
    medvl_free(chat->image);
    medvl_free(chat);
}

/* ---- model folders ---------------------------------------------------- */

#define MOST_TEMPLATE ((size_t)16 << 20)

/* Parse a JSON file of the folder; *out is NULL when there is none. */
static int read_config(struct medvl_json **out, const char *folder,
                       const char *name, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, name, err);

    *out = NULL;
    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_json_read(out, path, err);
    medvl_free(path);
    return rc;
}

/* chat_template: a string, or the "default" of several with names. */
static const char *pick_template(const struct medvl_json *config)
{
    const struct medvl_json *value = medvl_json_get(config, "chat_template");
    const char *name;

    if (medvl_json_type(value) == MEDVL_JSON_STRING)
        return medvl_json_string(value);
    if (medvl_json_type(value) != MEDVL_JSON_ARRAY)
        return NULL;
    for (value = medvl_json_first(value); value;
         value = medvl_json_next(value)) {
        name = medvl_json_string(medvl_json_get(value, "name"));
        if (name && !strcmp(name, "default"))
            return medvl_json_string(medvl_json_get(value, "template"));
    }
    return NULL;
}

/* Append a template that was put into a file of its own; 1: there is one. */
static int read_own(struct medvl_text *out, const char *folder,
                    struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "chat_template.jinja", err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_file_read(out, path, MOST_TEMPLATE, err);
        rc = rc < 0 ? rc : 1;
    }
    medvl_free(path);
    return rc;
}

/* The same of a member of a JSON file. */
static int read_member(struct medvl_text *out, const char *folder,
                       const char *name, struct medvl_error *err)
{
    struct medvl_json *config = NULL;
    const char *text;
    int rc = read_config(&config, folder, name, err);

    text = pick_template(config);
    if (rc == MEDVL_OK && text)
        rc = medvl_text_puts(out, text, err);
    medvl_json_free(config);
    return rc < 0 ? rc : text != NULL;
}

static int undecided(const char *folder, const struct medvl_json *config,
                     struct medvl_error *err)
{
    const char *type = medvl_json_string(medvl_json_get(config,
                                                        "model_type"));

    return medvl_fail(err, MEDVL_EARG,
                      "%s: no chat template, and config.json (\"%s\") fits "
                      "several of the layouts that the original LLaVA code "
                      "has: --chat names one (chatml_direct is "
                      "llava-v1.6-34b's, huatuo HuatuoGPT-Vision's, v1 "
                      "LLaVA-1.5's, v0 the first LLaVA's, llava_med_v1 "
                      "LLaVA-Med 1.0's, mistral_instruct that of 1.5; "
                      "medvl-tokenize(1) has all)",
                      folder, type ? type : "");
}

/*
 * The template of the folder, or *layout.  The template in the original
 * code's tokenizer_config.json is that of the language model it began as,
 * so it is not read there.
 */
static int find_template(struct medvl_text *out,
                         const struct medvl_chat_layout **layout,
                         const char *folder, const struct medvl_json *config,
                         struct medvl_error *err)
{
    int rc = read_own(out, folder, err);

    if (rc == 0)
        rc = read_member(out, folder, "chat_template.json", err);
    if (rc == 0 && medvl_chat_is_original(config)) {
        const char *name = medvl_chat_layout_of(config);

        if (!name)
            return undecided(folder, config, err);
        *layout = medvl_chat_layout(name);
        return MEDVL_OK;
    }
    if (rc == 0)
        rc = read_member(out, folder, "tokenizer_config.json", err);
    if (rc == 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: no chat template: neither chat_template.jinja "
                        "nor a \"chat_template\" in tokenizer_config.json "
                        "(--chat names a built-in layout: " MEDVL_CHAT_LAYOUTS
                        ")",
                        folder);
    return rc < 0 ? rc : MEDVL_OK;
}

int medvl_chat_source(const char **out, const char *folder,
                      struct medvl_error *err)
{
    static const char *const FILES[] = {"chat_template.jinja",
                                        "chat_template.json",
                                        "tokenizer_config.json"};
    struct medvl_json *config = NULL;
    struct medvl_text text = {0};
    int rc = read_config(&config, folder, "config.json", err);

    *out = NULL;
    for (int i = 0; i < 3 && rc == MEDVL_OK; i++) {
        if (i == 2 && medvl_chat_is_original(config)) {
            *out = medvl_chat_layout_of(config);
            break;
        }
        rc = i == 0 ? read_own(&text, folder, err)
                    : read_member(&text, folder, FILES[i], err);
        if (rc > 0)
            *out = FILES[i];
    }
    medvl_json_free(config);
    medvl_text_release(&text);
    return rc < 0 ? rc : MEDVL_OK;
}

/*
 * The placeholder: the token that config.json names by id, else "<image>".
 * In the original code's folders that is no token: *id is the one behind
 * the vocabulary.
 */
static int read_image(struct medvl_span *image, int32_t *id,
                      const struct medvl_json *config,
                      const struct medvl_tokenizer *tok,
                      struct medvl_error *err)
{
    static const char *const NAMES[] = {"image_token_id",
                                        "image_token_index"};
    double size;

    *image = medvl_span(MEDVL_CHAT_IMAGE);
    *id = -1;
    for (int i = 0; i < 2; i++) {
        const struct medvl_json *value = medvl_json_get(config, NAMES[i]);
        const double named = medvl_json_number(value, -1);

        if (named < 0 || named >= medvl_tokenizer_size(tok))
            continue;
        if (medvl_tokenizer_bytes(tok, (int32_t)named).size)
            *image = medvl_tokenizer_bytes(tok, (int32_t)named);
        return MEDVL_OK;
    }
    if (!medvl_chat_is_original(config))
        return MEDVL_OK;
    size = medvl_json_number(medvl_json_get(config, "vocab_size"), -1);
    if (!(size >= 1 && size < INT32_MAX))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "config.json: \"vocab_size\": missing or no size");
    *id = (int32_t)size;
    return MEDVL_OK;
}

int medvl_chat_image_id(int32_t *out, const char *folder,
                        const struct medvl_tokenizer *tok,
                        struct medvl_error *err)
{
    struct medvl_json *config = NULL;
    struct medvl_span image;
    int rc = read_config(&config, folder, "config.json", err);

    *out = -1;
    if (rc == MEDVL_OK)
        rc = read_image(&image, out, config, tok, err);
    medvl_json_free(config);
    return rc < 0 ? medvl_context(err, "%s", folder) : MEDVL_OK;
}

/* What a layout writes must be tokens, or it would be read as words. */
static int check_marks(const struct medvl_chat_layout *layout,
                       const struct medvl_tokenizer *tok,
                       struct medvl_error *err)
{
    struct medvl_text missing = {0};
    int rc = MEDVL_OK;

    for (const char *const *mark = layout->marks; *mark && rc == MEDVL_OK;
         mark++) {
        if (medvl_chat_token(tok, *mark) < 0)
            rc = medvl_text_printf(&missing, err, "%s \"%s\"",
                                   missing.size ? "," : "", *mark);
    }
    if (rc == MEDVL_OK && missing.size)
        rc = medvl_fail(err, MEDVL_EARG,
                        "the tokenizer is not one for the layout \"%s\": it "
                        "has no token%s",
                        layout->name, missing.data);
    if (rc == MEDVL_OK && strstr(layout->template, "eos_token") &&
        medvl_chat_end(layout, tok) < 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "the tokenizer is not one for the layout \"%s\": it "
                        "names no \"eos_token\", with which answers end",
                        layout->name);
    medvl_text_release(&missing);
    return rc;
}

/* A chat of the template that was found, or of a layout. */
static int make_chat(struct medvl_chat **out, struct medvl_span template,
                     const struct medvl_chat_layout *layout,
                     const struct medvl_json *config,
                     const struct medvl_tokenizer *tok,
                     struct medvl_error *err)
{
    const bool original = medvl_chat_is_original(config);
    struct medvl_chat *chat = NULL;
    struct medvl_span image;
    int32_t id;
    int rc = read_image(&image, &id, config, tok, err);

    if (layout)
        template = medvl_span(layout->template);
    if (rc == MEDVL_OK)
        rc = new_chat(&chat, template, layout, image, tok, err);
    if (rc < 0)
        return rc;
    chat->image_id = id;
    chat->marked_images =
        medvl_json_true(medvl_json_get(config, "mm_use_im_start_end"));
    chat->begin_by_encoder =
        original || medvl_json_get(config, "vision_config");
    if (layout && layout->system)
        chat->begin_by_encoder = !layout->bare;
    *out = chat;
    return MEDVL_OK;
}

int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const char *layout, const struct medvl_tokenizer *tok,
                    struct medvl_error *err)
{
    const struct medvl_chat_layout *chosen = NULL;
    struct medvl_json *config = NULL;
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    if (layout) {
        chosen = medvl_chat_layout(layout);
        if (!chosen)
            return medvl_fail(err, MEDVL_EARG,
                              "no chat layout \"%s\", but " MEDVL_CHAT_LAYOUTS,
                              layout);
    }
    rc = chosen ? check_marks(chosen, tok, err) : MEDVL_OK;
    if (rc == MEDVL_OK)
        rc = read_config(&config, folder, "config.json", err);
    if (rc == MEDVL_OK && !chosen)
        rc = find_template(&text, &chosen, folder, config, err);
    if (rc == MEDVL_OK) {
        rc = make_chat(out, medvl_text_span(&text), chosen, config, tok, err);
        if (rc < 0)
            medvl_context(err, "%s", folder);
    }
    medvl_json_free(config);
    medvl_text_release(&text);
    return rc;
}
