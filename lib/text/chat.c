/*
 * Chat: messages to text by a template, and to tokens with a loss mask.
 *
 * Templates differ in what they take: strings, parts, or both.  A chat that
 * is opened renders three small conversations to see which, and afterwards
 * messages are given in the form that its template shows.
 *
 * Read next: chat_layout.c.
 */
#include "lib/text/chat.h"

#include <string.h>
#include <strings.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/text/template_eval.h"

struct medvl_chat {
    struct medvl_template *template;
    const struct medvl_tokenizer *tok;
    char *image; /* the placeholder */
    struct medvl_span begin, end;
    bool strings;  /* the template shows content that is a string */
    bool parts;    /* ... and that is parts */
    bool pictures; /* ... with a placeholder for each picture */
};

#define RUNS_KEPT (1 << 16) /* room that stays for the next messages */

struct range {
    size_t from, to;
};

struct medvl_chat_worker {
    const struct medvl_chat *chat;
    struct medvl_template_run *run;
    struct medvl_json_view view; /* the messages */
    struct medvl_marked whole, part;
    bool *assistant; /* by message */
    size_t assistant_capacity;
    int32_t *images;
    size_t image_count, image_capacity;
    struct range *turns;
    size_t turn_count, turn_capacity;
};

/* ---- messages as the template takes them ------------------------------ */

/* The text of what failed in the heap, for the caller. */
static int pass_on(const struct medvl_tv_heap *h, struct medvl_error *err)
{
    return medvl_fail(err, h->err->code, "%s", h->err->text);
}

/* Note which picture the next image part is. */
static int add_image(struct medvl_chat_worker *w, const struct medvl_tv *index)
{
    struct medvl_tv_heap *h = medvl_template_heap(w->run);
    int64_t which = (int64_t)w->image_count;

    if (index && index->kind != TV_INT)
        return medvl_tv_fail(h, "an image's index is no number");
    if (index)
        which = index->u.i;
    if (which < 0 || which > INT32_MAX)
        return medvl_tv_fail(h, "there is no image %lld", (long long)which);
    if (medvl_grow(&w->images, &w->image_capacity, w->image_count + 1,
                   sizeof(*w->images), h->err) < 0)
        return (int)h->err->code;
    w->images[w->image_count++] = (int32_t)which;
    return MEDVL_OK;
}

/* Check the parts; *pictures is how many images there are. */
static int check_parts(struct medvl_chat_worker *w,
                       const struct medvl_tv_list *parts, size_t *pictures)
{
    struct medvl_tv_heap *h = medvl_template_heap(w->run);
    const struct medvl_tv *type, *text;
    int rc = MEDVL_OK;

    *pictures = 0;
    for (size_t i = 0; i < parts->count && rc == MEDVL_OK; i++) {
        const struct medvl_tv_dict *part = parts->items[i].u.dict;

        if (parts->items[i].kind != TV_DICT)
            return medvl_tv_fail(h, "part %zu is no object", i);
        type = medvl_tv_dict_name(h, part, "type");
        if (type && medvl_tv_is_text(type, "image")) {
            rc = add_image(w, medvl_tv_dict_name(h, part, "index"));
            ++*pictures;
            continue;
        }
        text = medvl_tv_dict_name(h, part, "text");
        if (!type || !medvl_tv_is_text(type, "text"))
            return medvl_tv_fail(h, "part %zu is neither text nor image", i);
        if (!text || text->kind != TV_STRING)
            return medvl_tv_fail(h, "part %zu has no text", i);
    }
    return rc;
}

/* Parts as one string, pictures as the placeholder and a line end. */
static int flatten(struct medvl_chat_worker *w, struct medvl_tv *content)
{
    struct medvl_tv_heap *h = medvl_template_heap(w->run);
    const struct medvl_tv_list *parts = content->u.list;
    struct medvl_tv_build b = {0};
    const struct medvl_tv *text;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < parts->count && rc == MEDVL_OK; i++) {
        text = medvl_tv_dict_name(h, parts->items[i].u.dict, "text");
        if (text && text->kind == TV_STRING) {
            rc = medvl_tv_put_value(h, &b, text);
            continue;
        }
        rc = medvl_tv_puts(h, &b, w->chat->image);
        if (rc == MEDVL_OK)
            rc = medvl_tv_puts(h, &b, "\n");
    }
    return rc < 0 ? rc : medvl_tv_built(h, content, &b);
}

static int set_name(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                    const char *name, struct medvl_tv value)
{
    struct medvl_tv key;
    int rc = medvl_tv_string(h, &key, name, strlen(name), false);

    return rc < 0 ? rc : medvl_tv_dict_set(h, dict, key, value);
}

/* A string as the one text part. */
static int as_parts(struct medvl_tv_heap *h, struct medvl_tv *content)
{
    struct medvl_tv part, type;
    int rc = medvl_tv_dict(h, &part);

    if (rc == MEDVL_OK)
        rc = medvl_tv_string(h, &type, "text", 4, false);
    if (rc == MEDVL_OK)
        rc = set_name(h, part.u.dict, "type", type);
    if (rc == MEDVL_OK)
        rc = set_name(h, part.u.dict, "text", *content);
    return rc < 0 ? rc : medvl_tv_list(h, content, TV_LIST, &part, 1);
}

/* One message, its content in the form that the template takes. */
static int read_message(struct medvl_chat_worker *w, struct medvl_tv *out,
                        size_t i)
{
    struct medvl_tv_heap *h = medvl_template_heap(w->run);
    struct medvl_tv *role, *content;
    size_t pictures = 0;
    int rc = medvl_tv_json(h, out, w->view.members[i].value, true);

    if (rc < 0)
        return rc;
    if (out->kind != TV_DICT)
        return medvl_tv_fail(h, "not an object");
    role = medvl_tv_dict_name(h, out->u.dict, "role");
    if (!role || role->kind != TV_STRING)
        return medvl_tv_fail(h, "no role");
    w->assistant[i] = medvl_tv_is_text(role, "assistant");
    content = medvl_tv_dict_name(h, out->u.dict, "content");
    if (!content || content->kind == TV_NONE)
        return MEDVL_OK;
    if (content->kind == TV_STRING)
        return w->chat->strings ? MEDVL_OK : as_parts(h, content);
    if (content->kind != TV_LIST)
        return medvl_tv_fail(h, "content is neither text nor parts");
    rc = check_parts(w, content->u.list, &pictures);
    if (rc == MEDVL_OK &&
        (!w->chat->parts || (pictures && !w->chat->pictures)))
        rc = flatten(w, content);
    if (rc == MEDVL_OK && content->kind == TV_STRING && !w->chat->strings)
        rc = as_parts(h, content);
    return rc;
}

/* Append the text of the first `count` messages. */
static int render_some(struct medvl_chat_worker *w, struct medvl_marked *out,
                       size_t count, bool begin_turn,
                       struct medvl_error *err)
{
    const struct medvl_chat *chat = w->chat;
    struct medvl_tv_heap *h = medvl_template_heap(w->run);
    struct medvl_tv message, list;
    int rc;

    medvl_template_begin(w->run);
    w->image_count = 0;
    for (size_t i = 0; i < count; i++) {
        rc = read_message(w, &message, i);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, message);
        if (rc < 0) {
            pass_on(h, err);
            return medvl_context(err, "message %zu", i);
        }
    }
    rc = medvl_tv_take(h, &list, TV_LIST, 0);
    if (rc < 0)
        return pass_on(h, err);
    rc = medvl_template_set_value(w->run, "messages", list, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_bool(w->run, "add_generation_prompt",
                                     begin_turn, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_text(w->run, "bos_token", chat->begin, false,
                                     err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_text(w->run, "eos_token", chat->end, false,
                                     err);
    if (rc == MEDVL_OK)
        rc = medvl_template_render(out, chat->template, w->run, err);
    return rc < 0 ? medvl_context(err, "chat template") : rc;
}

/* Split the array; room for a flag a message. */
static int read_messages(struct medvl_chat_worker *w,
                         struct medvl_span messages, struct medvl_error *err)
{
    int rc = medvl_json_view_array(&w->view, messages, err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&w->assistant, &w->assistant_capacity,
                        w->view.count + 1, sizeof(*w->assistant), err);
    return rc;
}

/* The whole text, or the prompt; *count is the messages in it. */
static int render(struct medvl_chat_worker *w, struct medvl_marked *out,
                  struct medvl_span messages, bool prompt, size_t *count,
                  struct medvl_error *err)
{
    int rc = read_messages(w, messages, err);

    if (rc < 0)
        return rc;
    *count = w->view.count;
    if (prompt && *count) {
        struct medvl_tv last;

        medvl_template_begin(w->run);
        if (read_message(w, &last, *count - 1) < 0) {
            pass_on(medvl_template_heap(w->run), err);
            return medvl_context(err, "message %zu", *count - 1);
        }
        *count -= w->assistant[*count - 1];
    }
    return render_some(w, out, *count, prompt, err);
}

int medvl_chat_render(struct medvl_chat_worker *worker,
                      struct medvl_marked *out, struct medvl_span messages,
                      unsigned flags, struct medvl_error *err)
{
    size_t count;

    return render(worker, out, messages, flags & MEDVL_CHAT_PROMPT, &count,
                  err);
}

/* ---- where the turns are ---------------------------------------------- */

static bool begins_with(const struct medvl_marked *whole,
                        const struct medvl_marked *part)
{
    return part->text.size <= whole->text.size &&
           (part->text.size == 0 ||
            !memcmp(whole->text.data, part->text.data, part->text.size));
}

/* The last run of record bytes that ends behind `from`; else empty there. */
static struct range last_content(const struct medvl_marked *m, size_t from)
{
    struct range found = {from, from};
    size_t at = 0;

    for (size_t i = 0; i < m->run_count; i++) {
        const size_t end = at + m->runs[i].size;

        if (m->runs[i].from_record && end > from)
            found = (struct range){at > from ? at : from, end};
        at = end;
    }
    return found;
}

/*
 * The end of a turn that the template writes otherwise when more turns
 * follow (Qwen 3 drops the thinking of earlier answers).  What the answer
 * alone ended with is searched in the whole text: the content's last run,
 * then as much of the template's text behind it as is the same.  0: not
 * found.
 */
static size_t find_end(const struct medvl_marked *whole,
                       const struct medvl_marked *alone, size_t from)
{
    const struct range last = last_content(alone, from);
    const size_t size = last.to - last.from;
    const char *content = alone->text.data + last.from;
    const char *tail = alone->text.data + last.to;
    const size_t tail_size = alone->text.size - last.to;
    size_t at = 0, same;

    for (size_t i = 0; i < whole->run_count; i++) {
        const size_t end = size ? at + whole->runs[i].size : from;

        at += whole->runs[i].size;
        if (end < from + size || (size && !whole->runs[i].from_record) ||
            (size && memcmp(whole->text.data + end - size, content, size)))
            continue;
        for (same = 0; same < tail_size && end + same < whole->text.size &&
                       whole->text.data[end + same] == tail[same];
             same++)
            ;
        if (same)
            return end + same;
    }
    return 0;
}

/* Empty it, and give memory of a large record back. */
static void shrink(struct medvl_marked *m)
{
    medvl_text_shrink(&m->text);
    if (m->run_capacity > RUNS_KEPT)
        medvl_marked_release(m);
    medvl_marked_clear(m);
}

/* The bytes of turn `i` in w->whole. */
static int find_turn(struct medvl_chat_worker *w, struct range *out, size_t i,
                     size_t count, struct medvl_error *err)
{
    int rc;

    medvl_marked_clear(&w->part);
    rc = render_some(w, &w->part, i, true, err);
    if (rc < 0)
        return rc;
    if (!begins_with(&w->whole, &w->part))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "message %zu: the chat template writes the "
                          "messages before it differently once it is there",
                          i);
    *out = (struct range){w->part.text.size, w->whole.text.size};
    if (i + 1 == count)
        return MEDVL_OK;
    medvl_marked_clear(&w->part);
    rc = render_some(w, &w->part, i + 1, false, err);
    if (rc < 0)
        return rc;
    out->to = w->part.text.size;
    if (!begins_with(&w->whole, &w->part))
        out->to = find_end(&w->whole, &w->part, out->from);
    if (out->to < out->from)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "message %zu: the chat template writes it "
                          "differently when messages follow",
                          i);
    return MEDVL_OK;
}

/* The turns of the first `count` messages; w->whole has been rendered. */
static int find_turns(struct medvl_chat_worker *w, size_t count,
                      struct medvl_error *err)
{
    const size_t images = w->image_count;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        if (!w->assistant[i])
            continue;
        rc = medvl_grow(&w->turns, &w->turn_capacity, w->turn_count + 1,
                        sizeof(*w->turns), err);
        if (rc == MEDVL_OK)
            rc = find_turn(w, &w->turns[w->turn_count++], i, count, err);
    }
    w->image_count = images; /* rendering a part counts them again */
    shrink(&w->part);
    medvl_template_begin(w->run); /* the values are done with */
    return rc;
}

/* ---- tokens ----------------------------------------------------------- */

static size_t start_of(const struct medvl_tokens *tokens, size_t i)
{
    return i ? tokens->ends[i - 1] : 0;
}

/*
 * Mark the tokens of a turn.  Behind its content it ends with the last
 * added token: a line end that a layout puts after it is not learned.
 */
static void mark_turn(struct medvl_chat_tokens *out,
                      const struct medvl_chat_worker *w, struct range turn,
                      size_t *next)
{
    const struct medvl_tokens *t = &out->tokens;
    struct range content;
    size_t last = SIZE_MAX, i = *next;

    content = last_content(&w->whole, turn.from);
    for (; i < t->count && t->ends[i] <= turn.to; i++) {
        if (start_of(t, i) < turn.from)
            continue;
        out->loss_mask[i] = 1;
        if (medvl_tokenizer_is_added(w->chat->tok, t->ids[i]) &&
            (content.from >= turn.to || start_of(t, i) >= content.to))
            last = i;
    }
    *next = i;
    while (last != SIZE_MAX && ++last < i)
        out->loss_mask[last] = 0;
}

/* As many placeholders as pictures, and which they are. */
static int match_images(struct medvl_chat_tokens *out,
                        const struct medvl_chat_worker *w,
                        struct medvl_error *err)
{
    const struct medvl_span image = medvl_span(w->chat->image);
    const int32_t id = medvl_tokenizer_id(w->chat->tok, image);
    size_t seen = 0;
    int rc;

    if (w->image_count && id < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the tokenizer has no token \"%s\"",
                          w->chat->image);
    for (size_t i = 0; i < out->tokens.count; i++)
        seen += id >= 0 && out->tokens.ids[i] == id;
    if (seen != w->image_count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%zu images in the messages, but %zu \"%s\" in "
                          "their text",
                          w->image_count, seen, w->chat->image);
    rc = medvl_grow(&out->images, &out->image_capacity, seen + 1,
                    sizeof(*out->images), err);
    if (rc < 0)
        return rc;
    if (seen)
        memcpy(out->images, w->images, seen * sizeof(*out->images));
    out->image_count = seen;
    return MEDVL_OK;
}

int medvl_chat_encode(struct medvl_chat_worker *worker,
                      struct medvl_chat_tokens *out,
                      struct medvl_encoder *encoder,
                      struct medvl_span messages, unsigned flags,
                      struct medvl_error *err)
{
    struct medvl_chat_worker *w = worker;
    const bool prompt = flags & MEDVL_CHAT_PROMPT;
    size_t count = 0, next = 0;
    int rc;

    medvl_tokens_clear(&out->tokens);
    out->tokens.keep_ends = true;
    medvl_marked_clear(&w->whole);
    w->turn_count = 0;
    rc = render(w, &w->whole, messages, prompt, &count, err);
    if (rc == MEDVL_OK)
        rc = find_turns(w, prompt ? 0 : count, err);
    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(
            encoder, &out->tokens, medvl_text_span(&w->whole.text),
            w->whole.runs, w->whole.run_count,
            flags & MEDVL_CHAT_PARSE_SPECIAL ? MEDVL_ENCODE_PARSE_SPECIAL : 0,
            err);
    if (rc == MEDVL_OK)
        rc = match_images(out, w, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&out->loss_mask, &out->mask_capacity,
                        out->tokens.count + 1, 1, err);
    if (rc == MEDVL_OK)
        memset(out->loss_mask, 0, out->tokens.count);
    for (size_t i = 0; i < w->turn_count && rc == MEDVL_OK; i++)
        mark_turn(out, w, w->turns[i], &next);
    shrink(&w->whole);
    return rc;
}

void medvl_chat_tokens_release(struct medvl_chat_tokens *out)
{
    medvl_tokens_release(&out->tokens);
    medvl_free(out->loss_mask);
    medvl_free(out->images);
    *out = (struct medvl_chat_tokens){0};
}

/* ---- opening ---------------------------------------------------------- */

int medvl_chat_worker_new(struct medvl_chat_worker **out,
                          const struct medvl_chat *chat,
                          struct medvl_error *err)
{
    struct medvl_chat_worker *w = medvl_alloc(1, sizeof(*w));
    int rc;

    *out = NULL;
    if (!w)
        return medvl_no_memory(err);
    w->chat = chat;
    rc = medvl_template_run_new(&w->run, NULL, err);
    if (rc < 0) {
        medvl_free(w);
        return rc;
    }
    *out = w;
    return MEDVL_OK;
}

void medvl_chat_worker_free(struct medvl_chat_worker *worker)
{
    if (!worker)
        return;
    medvl_template_run_free(worker->run);
    medvl_json_view_release(&worker->view);
    medvl_marked_release(&worker->whole);
    medvl_marked_release(&worker->part);
    medvl_free(worker->assistant);
    medvl_free(worker->images);
    medvl_free(worker->turns);
    medvl_free(worker);
}

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
    struct medvl_error own = {0};
    size_t count;
    int rc;

    medvl_marked_clear(&w->whole);
    rc = render(w, &w->whole, medvl_span(messages), false, &count, &own);
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
    struct medvl_chat_worker *w;
    bool strings = false, parts = false, pictures = false;
    int rc = medvl_chat_worker_new(&w, chat, err);

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

int medvl_chat_new(struct medvl_chat **out, struct medvl_span template,
                   const char *image, const struct medvl_tokenizer *tok,
                   struct medvl_error *err)
{
    struct medvl_chat *chat = medvl_alloc(1, sizeof(*chat));
    int rc;

    *out = NULL;
    if (!chat)
        return medvl_no_memory(err);
    chat->tok = tok;
    chat->image = medvl_copy_string(image, strlen(image));
    chat->begin = chat->end = medvl_span("");
    if (medvl_tokenizer_begin(tok) >= 0)
        chat->begin = medvl_tokenizer_bytes(tok, medvl_tokenizer_begin(tok));
    if (medvl_tokenizer_end(tok) >= 0)
        chat->end = medvl_tokenizer_bytes(tok, medvl_tokenizer_end(tok));
    rc = chat->image ? medvl_template_compile(&chat->template, template, err)
                     : medvl_no_memory(err);
    if (rc < 0)
        medvl_context(err, "chat template");
    else
        rc = probe_all(chat, err);
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

/* Append the folder's template; 1 where there is one. */
static int read_template(struct medvl_text *out, const char *folder,
                         struct medvl_error *err)
{
    static const char *const NAMES[] = {"chat_template.json",
                                        "tokenizer_config.json"};
    struct medvl_json *config = NULL;
    const char *text = NULL;
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "chat_template.jinja", err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_file_read(out, path, MOST_TEMPLATE, err);
        medvl_free(path);
        return rc < 0 ? rc : 1;
    }
    medvl_free(path);
    for (int i = 0; i < 2 && rc == MEDVL_OK && !text; i++) {
        rc = read_config(&config, folder, NAMES[i], err);
        if (rc == MEDVL_OK)
            text = pick_template(config);
        if (text)
            rc = medvl_text_puts(out, text, err);
        medvl_json_free(config);
        config = NULL;
    }
    return rc < 0 ? rc : text != NULL;
}

/* The placeholder that config.json names by id, a copy. */
static int read_image(char **out, const char *folder,
                      const struct medvl_tokenizer *tok,
                      struct medvl_error *err)
{
    static const char *const NAMES[] = {"image_token_index",
                                        "image_token_id"};
    struct medvl_span token = medvl_span(MEDVL_CHAT_IMAGE);
    struct medvl_json *config = NULL;
    int rc = read_config(&config, folder, "config.json", err);

    for (int i = 0; i < 2 && rc == MEDVL_OK; i++) {
        const struct medvl_json *value = medvl_json_get(config, NAMES[i]);
        const double id = medvl_json_number(value, -1);

        if (id < 0 || id >= medvl_tokenizer_size(tok))
            continue;
        token = medvl_tokenizer_bytes(tok, (int32_t)id);
        break;
    }
    medvl_json_free(config);
    if (rc < 0)
        return rc;
    if (!token.size)
        token = medvl_span(MEDVL_CHAT_IMAGE);
    *out = medvl_copy_string(token.data, token.size);
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const struct medvl_tokenizer *tok,
                    struct medvl_error *err)
{
    struct medvl_text text = {0};
    char *image = NULL;
    int rc = read_template(&text, folder, err);

    *out = NULL;
    if (rc == 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: no chat template: neither chat_template.jinja "
                        "nor a \"chat_template\" in tokenizer_config.json",
                        folder);
    if (rc > 0)
        rc = read_image(&image, folder, tok, err);
    if (rc == MEDVL_OK) {
        rc = medvl_chat_new(out, medvl_text_span(&text), image, tok, err);
        if (rc < 0)
            medvl_context(err, "%s", folder);
    }
    medvl_free(image);
    medvl_text_release(&text);
    return rc;
}
