/*
 * Chat: the rendered text to ids, the pictures in it, and which tokens are
 * learned.
 *
 * Read next: chat_open.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/chat_part.h"
#include "lib/text/template_eval.h"

#define RUNS_KEPT (1 << 16) /* room that stays for the next messages */

/* What is rendered again to find a record's turns. */
#define MOST_MESSAGES 4000000
#define MOST_BYTES    ((size_t)1 << 30)

/* ---- where the turns are ---------------------------------------------- */

static bool begins_with(const struct medvl_marked *whole,
                        const struct medvl_marked *part)
{
    return part->text.size <= whole->text.size &&
           (part->text.size == 0 ||
            !memcmp(whole->text.data, part->text.data, part->text.size));
}

/* The last run of record bytes in `turn`; else empty where that begins. */
static struct medvl_chat_range last_content(const struct medvl_marked *m,
                                            struct medvl_chat_range turn)
{
    const size_t from = turn.from;
    struct medvl_chat_range found = {from, from};
    size_t at = 0;

    for (size_t i = 0; i < m->run_count && at < turn.to; i++) {
        const size_t end = at + m->runs[i].size;

        if (m->runs[i].from_record && end > from)
            found = (struct medvl_chat_range){at > from ? at : from, end};
        at = end;
    }
    return found;
}

/* Of bytes that two texts share: up to their last space, if they have any,
 * since "</s>" and "<|user|>" share a byte as well. */
static size_t whole_words(const char *text, size_t size)
{
    for (size_t i = size; i > 0; i--)
        if (memchr(" \t\n\r", text[i - 1], 4))
            return i;
    return size;
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
    const struct medvl_chat_range last = last_content(
        alone, (struct medvl_chat_range){from, alone->text.size});
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
        if (same && same < tail_size)
            same = whole_words(tail, same);
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
static int find_turn(struct medvl_chat_worker *w,
                     struct medvl_chat_range *out, size_t i, size_t count,
                     struct medvl_error *err)
{
    int rc;

    medvl_marked_clear(&w->part);
    rc = medvl_chat_render_some(w, &w->part, i, true, err);
    if (rc < 0)
        return rc;
    if (!begins_with(&w->whole, &w->part))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "message %zu: the chat template writes the "
                          "messages before it differently once it is there",
                          i);
    *out = (struct medvl_chat_range){w->part.text.size, w->whole.text.size};
    if (i + 1 == count)
        return MEDVL_OK;
    medvl_marked_clear(&w->part);
    rc = medvl_chat_render_some(w, &w->part, i + 1, false, err);
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

/*
 * The texts before and behind a turn are, of many turns, half of the whole
 * each in the mean.
 */
static int check_work(const struct medvl_chat_worker *w, size_t count,
                      struct medvl_error *err)
{
    const size_t size = w->whole.text.size;
    size_t messages = 0;
    size_t turns = 0;

    for (size_t i = 0; i < count; i++) {
        messages += w->assistant[i] ? 2 * i : 0;
        turns += w->assistant[i];
    }
    if (messages > MOST_MESSAGES || (turns > 1 && size > MOST_BYTES / turns))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%zu messages of %zu bytes: so many turns of the "
                          "assistant are not looked for (write shorter "
                          "conversations)",
                          count, size);
    return MEDVL_OK;
}

/* The turns of the first `count` messages; w->whole has been rendered. */
static int find_turns(struct medvl_chat_worker *w, size_t count,
                      struct medvl_error *err)
{
    const size_t images = w->image_count;
    int rc = check_work(w, count, err);

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

/* ---- what there is to answer ------------------------------------------ */

static bool has_record_bytes(const struct medvl_marked *m)
{
    for (size_t i = 0; i < m->run_count; i++)
        if (m->runs[i].from_record && m->runs[i].size)
            return true;
    return false;
}

static bool is_empty(struct medvl_span content)
{
    return !content.size || medvl_span_is(content, "null") ||
           medvl_span_is(content, "\"\"") || medvl_span_is(content, "[]");
}

/*
 * Is the last of `count` messages, the one to answer, in its text?  A role
 * that a template does not know is passed over by many, and what begins the
 * answer hides that there is nothing before it.
 *
 *   with     the text of all
 *   before   of those before it; NULL: the template does not write them
 */
static bool is_written(const struct medvl_chat_worker *w, size_t count,
                       const struct medvl_marked *with,
                       const struct medvl_marked *before,
                       struct medvl_json_view *message)
{
    if (!with->text.size)
        return false;
    if (before)
        return !begins_with(with, before) ||
               with->text.size != before->text.size;
    return count > 1 || w->image_count || has_record_bytes(with) ||
           is_empty(medvl_json_view_get(message, "content"));
}

/* A template that fails without the beginning of an answer is let be. */
static int check_last(struct medvl_chat_worker *w, size_t count,
                      struct medvl_error *err)
{
    const size_t images = w->image_count;
    struct medvl_json_view message = {0};
    struct medvl_marked before = {0};
    struct medvl_error ignored = {0};
    int rc = medvl_json_view_object(&message, w->view.members[count - 1].value,
                                    err);
    int known;

    medvl_marked_clear(&w->part);
    known = rc < 0 ? rc
                   : medvl_chat_render_some(w, &before, count - 1, false,
                                            &ignored);
    if (rc == MEDVL_OK &&
        medvl_chat_render_some(w, &w->part, count, false, &ignored) ==
            MEDVL_OK &&
        !is_written(w, count, &w->part, known < 0 ? NULL : &before, &message))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "message %zu: the chat template writes nothing of it "
                        "(role %.*s)",
                        count - 1,
                        (int)medvl_json_view_get(&message, "role").size,
                        medvl_json_view_get(&message, "role").data);
    w->image_count = images; /* rendering a part counts them again */
    medvl_marked_release(&before);
    medvl_json_view_release(&message);
    shrink(&w->part);
    return rc;
}

/*
 * The first of a role that not every template knows, the one after "from" in
 * ShareGPT's files: when it is passed over, so are all of them.
 */
static int check_roles(struct medvl_chat_worker *w, size_t count,
                       struct medvl_error *err)
{
    static const char *const USUAL[] = {"\"system\"", "\"user\"",
                                        "\"assistant\"", "\"tool\""};
    struct medvl_json_view message = {0};
    size_t i = 0, usual = 0;
    int rc = MEDVL_OK;

    for (; i < count && rc == MEDVL_OK; i++) {
        struct medvl_span role;

        rc = medvl_json_view_object(&message, w->view.members[i].value, err);
        role = medvl_json_view_get(&message, "role");
        for (usual = 0; usual < 4 && !medvl_span_is(role, USUAL[usual]);)
            usual++;
        if (usual == 4)
            break;
    }
    medvl_json_view_release(&message);
    return rc == MEDVL_OK && i < count ? check_last(w, i + 1, err) : rc;
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
                      const struct medvl_chat_worker *w,
                      struct medvl_chat_range turn,
                      size_t *next)
{
    const struct medvl_tokens *t = &out->tokens;
    const struct medvl_chat_range content = last_content(&w->whole, turn);
    size_t last = SIZE_MAX, i = *next;

    out->content_end = content.to;
    for (; i < t->count && t->ends[i] <= turn.to; i++) {
        if (start_of(t, i) < turn.from || t->ends[i] <= turn.from)
            continue;
        out->loss_mask[i] = 1;
        if (medvl_tokenizer_is_added(w->chat->tok, t->ids[i]) &&
            start_of(t, i) >= content.to)
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
    const int32_t id = w->chat->image_id >= 0
                           ? w->chat->image_id
                           : medvl_tokenizer_id(w->chat->tok, image);
    size_t seen = 0;
    int rc;

    if (w->image_count && id < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "they show a picture, and the tokenizer has no "
                          "token \"%s\" for one: the model reads none",
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

/* A run of the whole text, and where it begins. */
struct cursor {
    size_t run, at;
};

/*
 * Encode bytes [from, to) of w->whole behind what is there.  The cursor is
 * at the run of the first byte, and goes on to that of the last.
 */
static int encode_piece(struct medvl_chat_worker *w,
                        struct medvl_tokens *tokens,
                        struct medvl_encoder *encoder, struct cursor *c,
                        struct medvl_chat_range piece, unsigned flags,
                        struct medvl_error *err)
{
    const struct medvl_marked *m = &w->whole;
    const struct medvl_span text = {m->text.data + piece.from,
                                    piece.to - piece.from};
    const size_t before = tokens->count;
    size_t count = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK && c->run < m->run_count && c->at < piece.to) {
        const size_t end = c->at + m->runs[c->run].size;
        const size_t from = c->at > piece.from ? c->at : piece.from;
        const size_t to = end < piece.to ? end : piece.to;

        rc = medvl_grow(&w->runs, &w->run_capacity, count + 1,
                        sizeof(*w->runs), err);
        if (rc == MEDVL_OK && to > from)
            w->runs[count++] = (struct medvl_run){
                to - from, m->runs[c->run].from_record};
        if (end > piece.to)
            break;
        c->at = end;
        c->run++;
    }
    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(encoder, tokens, text, w->runs, count,
                                  flags, err);
    for (size_t i = before; i < tokens->count; i++)
        tokens->ends[i] += piece.from;
    return rc;
}

/* The next placeholder at or behind `from` that the template wrote. */
static bool next_image(const struct medvl_chat_worker *w, struct cursor c,
                       size_t from, struct medvl_chat_range *out)
{
    const struct medvl_marked *m = &w->whole;
    const size_t size = strlen(w->chat->image);

    for (; c.run < m->run_count; c.at += m->runs[c.run++].size) {
        const size_t start = c.at > from ? c.at : from;
        const size_t end = c.at + m->runs[c.run].size;
        const char *found = NULL;

        if (!m->runs[c.run].from_record && start < end)
            found = memmem(m->text.data + start, end - start, w->chat->image,
                           size);
        if (found) {
            out->from = (size_t)(found - m->text.data);
            out->to = out->from + size;
            return true;
        }
    }
    return false;
}

/*
 * w->whole as ids.  Where the tokenizer has no placeholder, the text on each
 * side of a picture is encoded as a text of its own, as the original LLaVA
 * code does it.
 */
static int encode_whole(struct medvl_chat_worker *w,
                        struct medvl_tokens *tokens,
                        struct medvl_encoder *encoder, unsigned flags,
                        struct medvl_error *err)
{
    const struct medvl_span text = medvl_text_span(&w->whole.text);
    const struct medvl_chat *chat = w->chat;
    const int32_t begin = medvl_tokenizer_begin(chat->tok);
    struct medvl_chat_range piece = {0}, image;
    struct medvl_span first = {0};
    struct cursor cursor = {0};
    int rc = MEDVL_OK;

    if (begin >= 0)
        first = medvl_tokenizer_bytes(chat->tok, begin);
    if (chat->begin_by_encoder &&
        !(first.size && first.size <= text.size &&
          !memcmp(text.data, first.data, first.size)))
        flags |= MEDVL_ENCODE_SPECIAL;
    if (chat->image_id < 0)
        return medvl_encoder_encode(encoder, tokens, text, w->whole.runs,
                                    w->whole.run_count, flags, err);
    while (rc == MEDVL_OK && next_image(w, cursor, piece.from, &image)) {
        piece.to = image.from;
        rc = encode_piece(w, tokens, encoder, &cursor, piece, flags, err);
        flags &= ~(unsigned)MEDVL_ENCODE_SPECIAL;
        if (rc == MEDVL_OK)
            rc = medvl_tokens_add(tokens, chat->image_id, image.to, err);
        piece.from = image.to;
    }
    piece.to = text.size;
    if (rc == MEDVL_OK)
        rc = encode_piece(w, tokens, encoder, &cursor, piece, flags, err);
    return rc;
}

int medvl_chat_encode(struct medvl_chat_worker *worker,
                      struct medvl_chat_tokens *out,
                      struct medvl_encoder *encoder,
                      const struct medvl_chat_input *input, unsigned flags,
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
    rc = medvl_chat_render_all(w, &w->whole, input, prompt, &count, err);
    if (rc == MEDVL_OK && w->whole.text.size == 0 && w->view.count > 0)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "the chat template writes nothing of the messages");
    if (rc == MEDVL_OK)
        rc = check_roles(w, count, err);
    if (rc == MEDVL_OK && prompt)
        rc = check_last(w, count, err);
    if (rc == MEDVL_OK)
        rc = find_turns(w, prompt ? 0 : count, err);
    medvl_encoder_set_placeholder(
        encoder, medvl_tokenizer_id(w->chat->tok, medvl_span(w->chat->image)));
    if (rc == MEDVL_OK)
        rc = encode_whole(w, &out->tokens, encoder,
                          flags & MEDVL_CHAT_PARSE_SPECIAL
                              ? MEDVL_ENCODE_PARSE_SPECIAL
                              : 0,
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
