/*
 * Chat: messages, and what else a record gives, to text by a template.
 *
 * Templates differ in what they take: strings, parts, or both.  A chat that
 * is opened has seen which (chat_open.c), and messages are given in the form
 * that its template shows.
 *
 * Read next: chat_encode.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/chat_part.h"
#include "lib/text/template_eval.h"

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
        if (type && (medvl_tv_is_text(type, "video") ||
                     medvl_tv_is_text(type, "audio")))
            return medvl_tv_fail(h, "part %zu is %s, and models here read "
                                    "text and pictures alone (give frames as "
                                    "image parts)",
                                 i,
                                 medvl_tv_is_text(type, "video") ? "video"
                                                                 : "audio");
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
    bool result; /* what a tool gave: any value */
    int rc = medvl_tv_json(h, out, w->view.members[i].value, true);

    if (rc < 0)
        return rc;
    if (out->kind != TV_DICT)
        return medvl_tv_fail(h, "not an object");
    role = medvl_tv_dict_name(h, out->u.dict, "role");
    if (!role || role->kind != TV_STRING)
        return medvl_tv_fail(h, "no role");
    w->assistant[i] = medvl_tv_is_text(role, "assistant");
    result = medvl_tv_is_text(role, "tool") ||
             medvl_tv_is_text(role, "ipython");
    content = medvl_tv_dict_name(h, out->u.dict, "content");
    if (!content || content->kind == TV_NONE)
        return MEDVL_OK;
    if (content->kind == TV_STRING)
        return w->chat->strings ? MEDVL_OK : as_parts(h, content);
    if (content->kind != TV_LIST)
        return result ? MEDVL_OK
                      : medvl_tv_fail(h, "content is neither text nor "
                                         "parts");
    rc = check_parts(w, content->u.list, &pictures);
    if (rc == MEDVL_OK &&
        (!w->chat->parts || (pictures && !w->chat->pictures)))
        rc = flatten(w, content);
    if (rc == MEDVL_OK && content->kind == TV_STRING && !w->chat->strings)
        rc = as_parts(h, content);
    return rc;
}

/* ---- rendering -------------------------------------------------------- */

/* Is it an array of objects (or not there, or null)? */
static int check_objects(struct medvl_json_view *view, struct medvl_span json,
                         const char *name, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (!json.size || medvl_span_is(json, "null"))
        return MEDVL_OK;
    rc = medvl_json_view_array(view, json, err);
    for (size_t i = 0; i < view->count && rc == MEDVL_OK; i++)
        if (view->members[i].value.data[0] != '{')
            rc = medvl_fail(err, MEDVL_EFORMAT, "item %zu is no object", i);
    return rc < 0 ? medvl_context(err, "\"%s\"", name) : rc;
}

/* The date of strftime_now, taken out of the variables. */
static int set_date(struct medvl_chat_worker *w, struct medvl_error *err)
{
    const struct medvl_span json = medvl_json_view_get(&w->variables,
                                                       "strftime_now");
    int rc = MEDVL_OK;

    medvl_text_clear(&w->date);
    if (json.data)
        rc = medvl_json_unescape(&w->date, json, err);
    else
        rc = medvl_text_puts(&w->date, MEDVL_CHAT_DATE, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_date(w->run, medvl_text_span(&w->date), err);
    if (rc < 0)
        return medvl_context(err, "\"strftime_now\"");
    medvl_json_view_remove(&w->variables, "strftime_now");
    return MEDVL_OK;
}

/* What the record gives besides its messages. */
static int set_input(struct medvl_chat_worker *w, struct medvl_error *err)
{
    static const char *const OURS[] = {"messages", "tools", "documents",
                                       "add_generation_prompt"};
    const struct medvl_chat_input *in = w->input;
    const bool some = in->variables.size &&
                      !medvl_span_is(in->variables, "null");
    const struct medvl_span none = medvl_span("null");
    int rc = medvl_json_view_object(
        &w->variables, some ? in->variables : medvl_span("{}"), err);

    for (int i = 0; i < 4 && rc == MEDVL_OK; i++)
        if (medvl_json_view_get(&w->variables, OURS[i]).data)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"%s\" is not for the record to set there",
                            OURS[i]);
    if (rc == MEDVL_OK)
        rc = set_date(w, err);
    if (rc < 0)
        return medvl_context(err, "\"chat_template_kwargs\"");
    rc = medvl_template_set_members(w->run, &w->variables, true, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_json(
            w->run, "tools", in->tools.size ? in->tools : none, true, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_json(
            w->run, "documents", in->documents.size ? in->documents : none,
            true, err);
    return rc;
}

/* A token's text as a variable, where there is one and no other is set. */
static int set_token(struct medvl_chat_worker *w, const char *name,
                     struct medvl_span text, struct medvl_error *err)
{
    if (!text.size || medvl_json_view_get(&w->variables, name).data)
        return MEDVL_OK;
    return medvl_template_set_text(w->run, name, text, false, err);
}

int32_t medvl_chat_token(const struct medvl_tokenizer *tok, const char *text)
{
    const int32_t id = medvl_tokenizer_id(tok, medvl_span(text));

    return id >= 0 && medvl_tokenizer_is_added(tok, id) ? id : -1;
}

/* The one that the tokenizer names, else the layout's own. */
static int32_t token_of(const struct medvl_tokenizer *tok, int32_t named,
                        const char *own)
{
    return named < 0 && own ? medvl_chat_token(tok, own) : named;
}

int32_t medvl_chat_begin(const struct medvl_chat_layout *layout,
                         const struct medvl_tokenizer *tok)
{
    return token_of(tok, medvl_tokenizer_begin(tok),
                    layout ? layout->begin : NULL);
}

int32_t medvl_chat_end(const struct medvl_chat_layout *layout,
                       const struct medvl_tokenizer *tok)
{
    return token_of(tok, medvl_tokenizer_end(tok),
                    layout ? layout->end : NULL);
}

static int set_tokens(struct medvl_chat_worker *w, struct medvl_error *err)
{
    const struct medvl_chat *chat = w->chat;
    const struct medvl_tokenizer *tok = chat->tok;
    const struct {
        const char *name;
        int32_t id;
    } TOKENS[] = {{"bos_token", medvl_chat_begin(chat->layout, tok)},
                  {"eos_token", medvl_chat_end(chat->layout, tok)},
                  {"pad_token", medvl_tokenizer_pad(tok)}};
    int rc = set_token(w, "image_token", medvl_span(chat->image), err);

    for (int i = 0; i < 3 && rc == MEDVL_OK; i++)
        if (TOKENS[i].id >= 0)
            rc = set_token(w, TOKENS[i].name,
                           medvl_tokenizer_bytes(tok, TOKENS[i].id), err);
    return rc;
}

/* What the template of a layout needs: how it writes a picture, and so on. */
static int set_layout(struct medvl_chat_worker *w, struct medvl_error *err)
{
    const struct medvl_chat_layout *layout = w->chat->layout;
    const bool marked = w->chat->marked_images;
    int rc;

    medvl_text_clear(&w->image);
    rc = medvl_text_printf(&w->image, err, "%s%s%s%s%s",
                           layout->tagged ? "<Image>" : "",
                           marked ? "<im_start>" : "", w->chat->image,
                           marked ? "<im_end>" : "",
                           layout->tagged ? "</Image>" : "");
    if (rc == MEDVL_OK)
        rc = medvl_template_set_text(w->run, "image",
                                     medvl_text_span(&w->image), false, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_text(w->run, "layout_system",
                                     medvl_span(layout->system), false, err);
    if (rc == MEDVL_OK)
        rc = medvl_template_set_text(
            w->run, "layout_trim",
            medvl_span(layout->trim ? layout->trim : "always"), false, err);
    if (rc == MEDVL_OK && layout->glue)
        rc = medvl_template_set_text(w->run, "layout_glue",
                                     medvl_span(layout->glue), false, err);
    return rc;
}

int medvl_chat_render_some(struct medvl_chat_worker *w,
                           struct medvl_marked *out, size_t count,
                           bool begin_turn, struct medvl_error *err)
{
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
        rc = set_input(w, err);
    if (rc == MEDVL_OK)
        rc = set_tokens(w, err);
    if (rc == MEDVL_OK && w->chat->layout && w->chat->layout->system)
        rc = set_layout(w, err);
    if (rc < 0)
        return rc;
    rc = medvl_template_render(out, w->chat->template, w->run, err);
    return rc < 0 ? medvl_context(err, "chat template") : rc;
}

/* Split the array; room for a flag a message. */
static int read_messages(struct medvl_chat_worker *w, struct medvl_error *err)
{
    const struct medvl_chat_input *in = w->input;
    int rc = check_objects(&w->view, in->tools, "tools", err);

    if (rc == MEDVL_OK)
        rc = check_objects(&w->view, in->documents, "documents", err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_array(&w->view, in->messages, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&w->assistant, &w->assistant_capacity,
                        w->view.count + 1, sizeof(*w->assistant), err);
    return rc;
}

int medvl_chat_render_all(struct medvl_chat_worker *w,
                          struct medvl_marked *out,
                          const struct medvl_chat_input *input, bool prompt,
                          size_t *count, struct medvl_error *err)
{
    int rc;

    w->input = input;
    rc = read_messages(w, err);
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
    if (prompt && !*count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          w->view.count ? "an answer alone, and no message "
                                          "that it is to"
                                        : "none to answer");
    return medvl_chat_render_some(w, out, *count, prompt, err);
}

int medvl_chat_render(struct medvl_chat_worker *worker,
                      struct medvl_marked *out,
                      const struct medvl_chat_input *input, unsigned flags,
                      struct medvl_error *err)
{
    size_t count;

    return medvl_chat_render_all(worker, out, input,
                                 flags & MEDVL_CHAT_PROMPT, &count, err);
}

struct medvl_chat_input
medvl_chat_input_of(const struct medvl_json_view *record)
{
    return (struct medvl_chat_input){
        medvl_json_view_get(record, "messages"),
        medvl_json_view_get(record, "tools"),
        medvl_json_view_get(record, "documents"),
        medvl_json_view_get(record, "chat_template_kwargs")};
}

/* ---- workers ----------------------------------------------------------- */

int medvl_chat_worker_new(struct medvl_chat_worker **out,
                          const struct medvl_chat *chat,
                          struct medvl_error *err)
{
    return medvl_chat_worker_make(out, chat, NULL, err);
}

int medvl_chat_worker_make(struct medvl_chat_worker **out,
                           const struct medvl_chat *chat,
                           const struct medvl_template_limits *limits,
                           struct medvl_error *err)
{
    struct medvl_chat_worker *w = medvl_alloc(1, sizeof(*w));
    int rc;

    *out = NULL;
    if (!w)
        return medvl_no_memory(err);
    w->chat = chat;
    rc = medvl_template_run_new(&w->run, limits, err);
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
    medvl_json_view_release(&worker->variables);
    medvl_text_release(&worker->date);
    medvl_text_release(&worker->image);
    medvl_marked_release(&worker->whole);
    medvl_marked_release(&worker->part);
    medvl_free(worker->assistant);
    medvl_free(worker->images);
    medvl_free(worker->turns);
    medvl_free(worker->runs);
    medvl_free(worker);
}
