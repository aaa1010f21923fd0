/*
 * Rendering of messages, prefixes, and the mask they give.
 */
#include "lib/text/chat.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

/* ---- layouts --------------------------------------------------------- */

/* A message's content: a string, or parts of text and pictures. */
#define CONTENT                                         \
    "{%- macro text(content) -%}"                       \
    "{%- if content is string -%}{{ content | trim }}"  \
    "{%- else -%}{%- for part in content -%}"           \
    "{%- if part.type == 'image' -%}{{ '<image>\\n' }}" \
    "{%- else -%}{{ part.text | trim }}{%- endif -%}"   \
    "{%- endfor -%}{%- endif -%}{%- endmacro -%}"

static const struct medvl_chat_layout LAYOUTS[] = {
    {"llama3",
     CONTENT "{{- bos_token }}"
             "{%- for message in messages %}"
             "{{- '<|start_header_id|>' + message.role + "
             "'<|end_header_id|>\\n\\n' }}"
             "{{- text(message.content) + '<|eot_id|>' }}"
             "{%- endfor %}"
             "{%- if add_generation_prompt %}"
             "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
             "{%- endif %}",
     {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
      "<|end_header_id|>", "<|eot_id|>", NULL},
     "<|begin_of_text|>",
     "<|eot_id|>",
     "<|end_of_text|>"},
    {"chatml",
     CONTENT "{%- for message in messages %}"
             "{{- '<|im_start|>' + message.role + '\\n' }}"
             "{{- text(message.content) + '<|im_end|>\\n' }}"
             "{%- endfor %}"
             "{%- if add_generation_prompt %}"
             "{{- '<|im_start|>assistant\\n' }}"
             "{%- endif %}",
     {"<|endoftext|>", "<|im_start|>", "<|im_end|>", NULL},
     NULL,
     "<|im_end|>",
     "<|endoftext|>"},
    {"vicuna",
     CONTENT "{{- bos_token }}"
             "{%- for message in messages %}"
             "{%- if message.role == 'system' %}"
             "{{- text(message.content) + ' ' }}"
             "{%- elif message.role == 'user' %}"
             "{{- 'USER: ' + text(message.content) + ' ' }}"
             "{%- else %}"
             "{{- 'ASSISTANT: ' + text(message.content) + '</s>' }}"
             "{%- endif %}"
             "{%- endfor %}"
             "{%- if add_generation_prompt %}"
             "{{- 'ASSISTANT:' }}"
             "{%- endif %}",
     {"<s>", "</s>", "<unk>", NULL},
     "<s>",
     "</s>",
     "<unk>"},
};

const struct medvl_chat_layout *medvl_chat_layout(const char *name)
{
    for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]); i++)
        if (!strcmp(LAYOUTS[i].name, name))
            return &LAYOUTS[i];
    return NULL;
}

/* ---- a folder's template --------------------------------------------- */

struct medvl_chat {
    const struct medvl_tokenizer *tok;
    struct medvl_template *template; /* NULL: the folder has none */
    bool parts;                      /* it reads picture parts itself */
    char *folder;
};

/* Stands for a picture in a string; a noncharacter that no text may hold. */
static const char PICTURE[] = "\xEF\xB7\x90";

static int compile(struct medvl_chat *chat, struct medvl_span source,
                   const char *where, struct medvl_error *err)
{
    const int rc = medvl_template_compile(&chat->template, source, err);

    for (size_t i = 0; i + 6 < source.size && !chat->parts; i++)
        chat->parts = !memcmp(source.data + i, "'image'", 7) ||
                      !memcmp(source.data + i, "\"image\"", 7);
    return rc < 0 ? medvl_context(err, "%s/%s", chat->folder, where) : rc;
}

static int read_file(struct medvl_text *out, const struct medvl_chat *chat,
                     const char *name, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, chat->folder, name, err);

    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_file_read(out, path, (size_t)1 << 24, err);
    medvl_free(path);
    return rc;
}

/* "chat_template" of tokenizer_config.json: a string, or an array of
 * {"name", "template"}. */
static int from_config(struct medvl_chat *chat, struct medvl_span file,
                       struct medvl_error *err)
{
    const struct medvl_json *value, *item;
    const char *source;
    struct medvl_json *root;
    int rc = medvl_json_parse(&root, file, err);

    if (rc < 0)
        return medvl_context(err, "%s/tokenizer_config.json", chat->folder);
    value = medvl_json_get(root, "chat_template");
    for (item = medvl_json_first(value);
         item && medvl_json_type(value) == MEDVL_JSON_ARRAY;
         item = medvl_json_next(item)) {
        const char *name = medvl_json_string(medvl_json_get(item, "name"));

        if (name && !strcmp(name, "default")) {
            value = medvl_json_get(item, "template");
            break;
        }
    }
    source = medvl_json_string(value);
    if (source)
        rc = compile(chat, medvl_span(source), "tokenizer_config.json", err);
    medvl_json_free(root);
    return rc;
}

int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const struct medvl_tokenizer *tok,
                    struct medvl_error *err)
{
    struct medvl_chat *chat = medvl_alloc(1, sizeof(*chat));
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    if (!chat)
        return medvl_no_memory(err);
    chat->tok = tok;
    chat->folder = medvl_copy_string(folder, strlen(folder));
    rc = chat->folder ? read_file(&text, chat, "chat_template.jinja", err)
                      : medvl_no_memory(err);
    if (rc == MEDVL_OK && text.size)
        rc = compile(chat, medvl_text_span(&text), "chat_template.jinja",
                     err);
    if (rc == MEDVL_OK && !chat->template) {
        rc = read_file(&text, chat, "tokenizer_config.json", err);
        if (rc == MEDVL_OK && text.size)
            rc = from_config(chat, medvl_text_span(&text), err);
    }
    medvl_text_release(&text);
    if (rc < 0) {
        medvl_chat_free(chat);
        return rc;
    }
    *out = chat;
    return MEDVL_OK;
}

void medvl_chat_free(struct medvl_chat *chat)
{
    if (!chat)
        return;
    medvl_template_free(chat->template);
    medvl_free(chat->folder);
    medvl_free(chat);
}

/* ---- a run ----------------------------------------------------------- */

struct medvl_chat_run {
    const struct medvl_chat *chat;
    struct medvl_encoder *encoder;
    struct medvl_template_run *run;
    bool parse_special;
    struct medvl_text json;        /* messages as the template gets them */
    struct medvl_json_view view;   /* of json: one value a message */
    struct medvl_text prefix;      /* JSON of the first few */
    struct medvl_text decoded;     /* one text part */
    struct medvl_marked raw, full; /* with and without PICTURE; the whole */
    struct medvl_marked part;      /* a prefix, rendered */
    uint8_t *mask;
    size_t mask_room;
};

int medvl_chat_run_new(struct medvl_chat_run **out,
                       const struct medvl_chat *chat,
                       struct medvl_encoder *encoder,
                       struct medvl_error *err)
{
    struct medvl_chat_run *run = medvl_alloc(1, sizeof(*run));
    int rc;

    *out = NULL;
    if (!run)
        return medvl_no_memory(err);
    run->chat = chat;
    run->encoder = encoder;
    rc = medvl_template_run_new(&run->run, NULL, err);
    if (rc < 0) {
        medvl_chat_run_free(run);
        return rc;
    }
    *out = run;
    return MEDVL_OK;
}

void medvl_chat_run_free(struct medvl_chat_run *run)
{
    if (!run)
        return;
    medvl_template_run_free(run->run);
    medvl_text_release(&run->json);
    medvl_json_view_release(&run->view);
    medvl_text_release(&run->prefix);
    medvl_text_release(&run->decoded);
    medvl_marked_release(&run->raw);
    medvl_marked_release(&run->full);
    medvl_marked_release(&run->part);
    medvl_free(run->mask);
    medvl_free(run);
}

void medvl_chat_parse_special(struct medvl_chat_run *run, bool on)
{
    run->parse_special = on;
}

/* ---- messages as strings --------------------------------------------- */

/* Append the text or picture of one part to run->decoded. */
static int flatten_part(struct medvl_chat_run *run,
                        const struct medvl_json *part,
                        struct medvl_error *err)
{
    const char *type = medvl_json_string(medvl_json_get(part, "type"));
    const char *text = medvl_json_string(medvl_json_get(part, "text"));

    if (type && !strcmp(type, "image")) {
        const int rc = medvl_text_puts(&run->decoded, PICTURE, err);

        return rc < 0 ? rc : medvl_text_putc(&run->decoded, '\n', err);
    }
    if (!type || strcmp(type, "text") || !text)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a part is neither {\"type\":\"text\",\"text\":...} "
                          "nor {\"type\":\"image\"}");
    return medvl_text_puts(&run->decoded, text, err);
}

static int flatten_message(struct medvl_json_writer *w,
                           struct medvl_chat_run *run,
                           const struct medvl_json *message,
                           struct medvl_error *err)
{
    const struct medvl_json *content = medvl_json_get(message, "content");
    const char *role, *text = medvl_json_string(content);
    int rc = medvl_json_get_string(&role, message, "role", err);

    medvl_text_clear(&run->decoded);
    if (rc == MEDVL_OK && text)
        rc = medvl_text_puts(&run->decoded, text, err);
    else if (rc == MEDVL_OK && medvl_json_type(content) != MEDVL_JSON_ARRAY)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"content\" is neither text nor parts");
    for (content = text ? NULL : medvl_json_first(content);
         content && rc == MEDVL_OK; content = medvl_json_next(content))
        rc = flatten_part(run, content, err);
    if (rc < 0)
        return rc;
    medvl_json_begin(w, NULL, '{');
    medvl_json_put_string(w, "role", medvl_span(role));
    medvl_json_put_string(w, "content", medvl_text_span(&run->decoded));
    medvl_json_end(w);
    return MEDVL_OK;
}

/* No text may hold the sign for a picture. */
static int refuse_sign(struct medvl_span json, struct medvl_error *err)
{
    const struct medvl_span escaped = medvl_span("\\ufdd0");

    for (size_t i = 0; i + 2 < json.size; i++)
        if (!memcmp(json.data + i, PICTURE, 3) ||
            (i + 5 < json.size &&
             !strncasecmp(json.data + i, escaped.data, escaped.size)))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "holds U+FDD0, which no text may");
    return MEDVL_OK;
}

static int flatten(struct medvl_chat_run *run, struct medvl_span messages,
                   struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = &run->json};
    const struct medvl_json *message;
    struct medvl_json *root;
    int rc = refuse_sign(messages, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&root, messages, err);
    if (rc < 0)
        return rc;
    medvl_json_begin(&w, NULL, '[');
    for (message = medvl_json_first(root); message && rc == MEDVL_OK;
         message = medvl_json_next(message))
        rc = flatten_message(&w, run, message, err);
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    medvl_json_free(root);
    return rc;
}

/* Messages into run->json and run->view, as this template takes them. */
static int take_messages(struct medvl_chat_run *run,
                         struct medvl_span messages, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (!run->chat->template)
        return medvl_fail(err, MEDVL_EARG,
                          "%s has no chat template (chat_template.jinja)",
                          run->chat->folder);
    medvl_text_clear(&run->json);
    if (run->chat->parts)
        rc = medvl_text_append(&run->json, messages.data, messages.size, err);
    else
        rc = flatten(run, messages, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&run->view, medvl_text_span(&run->json),
                                   err);
    if (rc == MEDVL_OK && !run->view.count)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no messages");
    return rc;
}

static bool is_assistant(struct medvl_span message)
{
    struct medvl_json_view view = {0};
    bool is = false;

    if (medvl_json_view_object(&view, message, NULL) == MEDVL_OK)
        is = medvl_span_is(medvl_json_view_get(&view, "role"),
                           "\"assistant\"");
    medvl_json_view_release(&view);
    return is;
}

/* ---- rendering ------------------------------------------------------- */

/* Copy raw to `out` with PICTURE replaced by the placeholder, which is the
 * template's and no record's. */
static int place_pictures(struct medvl_marked *out,
                          const struct medvl_marked *raw,
                          struct medvl_error *err)
{
    const char *at = raw->text.data;
    int rc = MEDVL_OK;

    medvl_marked_clear(out);
    for (size_t r = 0; r < raw->run_count && rc == MEDVL_OK; r++) {
        const char *end = at + raw->runs[r].size;

        while (at < end && rc == MEDVL_OK) {
            const char *sign = memmem(at, (size_t)(end - at), PICTURE, 3);

            rc = medvl_marked_append(out, at,
                                     (size_t)((sign ? sign : end) - at),
                                     raw->runs[r].from_record, err);
            at = sign ? sign + 3 : end;
            if (sign && rc == MEDVL_OK)
                rc = medvl_marked_append(out, "<image>", 7, false, err);
        }
    }
    return rc;
}

static int set_token(struct medvl_chat_run *run, const char *name, int32_t id,
                     struct medvl_error *err)
{
    struct medvl_span bytes = {"", 0};

    if (id >= 0)
        bytes = medvl_tokenizer_bytes(run->chat->tok, id);
    return medvl_template_set_text(run->run, name, bytes, false, err);
}

/* Render the first `count` messages. */
static int render(struct medvl_marked *out, struct medvl_chat_run *run,
                  size_t count, bool prompt, struct medvl_error *err)
{
    const struct medvl_tokenizer *tok = run->chat->tok;
    int rc;

    medvl_text_clear(&run->prefix);
    rc = medvl_text_putc(&run->prefix, '[', err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const struct medvl_span value = run->view.members[i].value;

        if (i)
            rc = medvl_text_putc(&run->prefix, ',', err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(&run->prefix, value.data, value.size, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&run->prefix, ']', err);
    medvl_template_begin(run->run);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_json(run->run, "messages",
                                     medvl_text_span(&run->prefix), true,
                                     err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_bool(run->run, "add_generation_prompt",
                                     prompt, err);
    if (rc == MEDVL_OK)
        rc = set_token(run, "bos_token", medvl_tokenizer_begin(tok), err);
    if (rc == MEDVL_OK)
        rc = set_token(run, "eos_token", medvl_tokenizer_end(tok), err);
    if (rc == MEDVL_OK)
        rc = set_token(run, "pad_token", medvl_tokenizer_pad(tok), err);
    medvl_marked_clear(&run->raw);
    if (rc == MEDVL_OK)
        rc = medvl_template_render(&run->raw, run->chat->template, run->run,
                                   err);
    return rc < 0 ? rc : place_pictures(out, &run->raw, err);
}

static int encode(struct medvl_tokens *tokens, struct medvl_chat_run *run,
                  const struct medvl_marked *marked, struct medvl_error *err)
{
    medvl_tokens_clear(tokens);
    tokens->keep_ends = true;
    return medvl_encoder_encode(
        run->encoder, tokens, medvl_text_span(&marked->text), marked->runs,
        marked->run_count,
        run->parse_special ? MEDVL_ENCODE_PARSE_SPECIAL : 0, err);
}

/* ---- turns ----------------------------------------------------------- */

static size_t common(const struct medvl_text *a, const struct medvl_text *b)
{
    const size_t most = a->size < b->size ? a->size : b->size;
    size_t i = 0;

    while (i < most && a->data[i] == b->data[i])
        i++;
    return i;
}

/* Bytes [first, last) of the whole that are turn `i`. */
static int find_turn(size_t *first, size_t *last, struct medvl_chat_run *run,
                     size_t i, struct medvl_error *err)
{
    size_t before = 0;
    int rc = MEDVL_OK;

    if (i > 0) {
        rc = render(&run->part, run, i, false, err);
        before = run->part.text.size;
    }
    if (rc == MEDVL_OK)
        rc = render(&run->part, run, i + 1, false, err);
    *last = run->part.text.size;
    if (rc == MEDVL_OK &&
        (common(&run->part.text, &run->full.text) != *last || before > *last))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the chat template renders turn %zu otherwise when "
                          "others follow: its answer cannot be found",
                          i + 1);
    if (rc == MEDVL_OK && i > 0)
        rc = render(&run->part, run, i, true, err);
    *first = i > 0 ? common(&run->part.text, &run->full.text) : 0;
    if (*first < before)
        *first = before;
    if (*first > *last)
        *first = *last;
    return rc;
}

/* Tokens of bytes [first, last), up to the last added one if the rest is
 * white space: "<|im_end|>\n" is learned without its newline. */
static void token_range(size_t range[2], const struct medvl_tokens *tokens,
                        const struct medvl_chat_run *run, size_t first,
                        size_t last)
{
    const char *text = run->full.text.data;
    size_t i = 0, end;

    while (i < tokens->count && (i ? tokens->ends[i - 1] : 0) < first)
        i++;
    range[0] = end = i;
    while (end < tokens->count && tokens->ends[end] <= last)
        end++;
    range[1] = end;
    for (i = end; i > range[0]; i--) {
        const size_t from = i > 1 ? tokens->ends[i - 2] : 0;

        if (medvl_tokenizer_is_added(run->chat->tok, tokens->ids[i - 1])) {
            range[1] = i;
            return;
        }
        for (size_t b = from; b < tokens->ends[i - 1]; b++)
            if (!strchr(" \n\r\t", text[b]))
                return;
    }
}

int medvl_chat_encode(struct medvl_tokens *tokens, const uint8_t **mask,
                      struct medvl_chat_run *run, struct medvl_span messages,
                      struct medvl_error *err)
{
    int rc = take_messages(run, messages, err);

    if (rc == MEDVL_OK)
        rc = render(&run->full, run, run->view.count, false, err);
    if (rc == MEDVL_OK)
        rc = encode(tokens, run, &run->full, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&run->mask, &run->mask_room, tokens->count + 1, 1,
                        err);
    if (rc < 0)
        return rc;
    memset(run->mask, 0, tokens->count);
    for (size_t i = 0; i < run->view.count && rc == MEDVL_OK; i++) {
        size_t first, last, range[2];

        if (!is_assistant(run->view.members[i].value))
            continue;
        rc = find_turn(&first, &last, run, i, err);
        if (rc < 0)
            return rc;
        token_range(range, tokens, run, first, last);
        memset(run->mask + range[0], 1, range[1] - range[0]);
    }
    *mask = run->mask;
    return rc;
}

/* Messages before a final assistant turn. */
static size_t prompt_count(const struct medvl_chat_run *run)
{
    const size_t count = run->view.count;

    return count - is_assistant(run->view.members[count - 1].value);
}

int medvl_chat_prompt(struct medvl_tokens *tokens, struct medvl_chat_run *run,
                      struct medvl_span messages, struct medvl_error *err)
{
    int rc = take_messages(run, messages, err);

    if (rc == MEDVL_OK)
        rc = render(&run->full, run, prompt_count(run), true, err);
    return rc < 0 ? rc : encode(tokens, run, &run->full, err);
}

/* The messages with `answer` as the last, assistant's, turn. */
static int put_answer(struct medvl_text *out, struct medvl_span messages,
                      struct medvl_span answer, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    struct medvl_json_view view = {0};
    int rc = medvl_json_view_array(&view, messages, err);

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < view.count && rc == MEDVL_OK; i++)
        if (i + 1 < view.count || !is_assistant(view.members[i].value))
            medvl_json_put_raw(&w, NULL, view.members[i].value);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "role", medvl_span("assistant"));
    medvl_json_put_string(&w, "content", answer);
    medvl_json_end(&w);
    medvl_json_end(&w);
    medvl_json_view_release(&view);
    return rc < 0 ? rc : medvl_json_write_end(&w, err);
}

int medvl_chat_answer(struct medvl_tokens *tokens, size_t *first,
                      struct medvl_chat_run *run, struct medvl_span messages,
                      struct medvl_span answer, struct medvl_error *err)
{
    struct medvl_text json = {0};
    size_t begin, end, range[2];
    int rc = put_answer(&json, messages, answer, err);

    if (rc == MEDVL_OK)
        rc = take_messages(run, medvl_text_span(&json), err);
    if (rc == MEDVL_OK)
        rc = render(&run->full, run, run->view.count, false, err);
    if (rc == MEDVL_OK)
        rc = encode(tokens, run, &run->full, err);
    if (rc == MEDVL_OK)
        rc = find_turn(&begin, &end, run, run->view.count - 1, err);
    medvl_text_release(&json);
    if (rc < 0)
        return rc;
    token_range(range, tokens, run, begin, end);
    while (range[1] > range[0] &&
           medvl_tokenizer_is_added(run->chat->tok,
                                    tokens->ids[range[1] - 1]))
        range[1]--;
    *first = range[0];
    tokens->count = range[1];
    return MEDVL_OK;
}
