/*
 * Chat: from a record's "messages" to token ids and a loss mask, by the
 * template that a model folder holds; and the layouts that a fresh model
 * can be given.
 *
 * A message is {"role", "content"}; content is a string, or parts
 * {"type": "text", "text"} and {"type": "image"}.  The n-th image part of a
 * record is images[n] unless its "index" says which.  A picture becomes the
 * model's placeholder, one token, whatever the template does with parts: a
 * template that knows strings alone gets "<image>\n" in front of the text,
 * and one that knows parts alone gets strings as parts.
 *
 * Read next: ../data/record.h.
 */
#ifndef MEDVL_TEXT_CHAT_H
#define MEDVL_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/template.h"
#include "lib/text/tokenizer.h"

#define MEDVL_CHAT_IMAGE "<image>"

/* ---- layouts for fresh models ---------------------------------------- */

struct medvl_chat_layout {
    const char *name;                       /* llama3, chatml, vicuna */
    const char *template;                   /* for chat_template.jinja */
    const struct medvl_added_token *tokens; /* the placeholder among them */
    size_t token_count;
    const char *begin; /* or NULL */
    const char *end;   /* of a turn, and of an answer */
    const char *pad;
};

/* The layout of this name, or NULL. */
const struct medvl_chat_layout *medvl_chat_layout(const char *name);

/* ---- a model's template: read-only, shared between threads ------------ */

struct medvl_chat;

/*
 * Open the template of a model folder: chat_template.jinja, else
 * chat_template.json, else "chat_template" of tokenizer_config.json (of
 * several the one named "default").  The placeholder is the token that
 * config.json names (image_token_index, image_token_id), else "<image>".
 *
 *   tok   the folder's tokenizer; borrowed, must outlive the chat
 *
 * MEDVL_EARG      the folder has no template
 * MEDVL_EFORMAT   it does not compile, or shows neither a text nor parts
 */
int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const struct medvl_tokenizer *tok,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same from a template's text; `image` is the placeholder. */
int medvl_chat_new(struct medvl_chat **out, struct medvl_span template,
                   const char *image, const struct medvl_tokenizer *tok,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_free(struct medvl_chat *chat);

/* ---- rendering and encoding ------------------------------------------- */

/* Scratch of one thread; borrows the chat. */
struct medvl_chat_worker;

int medvl_chat_worker_new(struct medvl_chat_worker **out,
                          const struct medvl_chat *chat,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_worker_free(struct medvl_chat_worker *worker);

/*
 * Wanted of the calls below:
 *
 *   MEDVL_CHAT_PROMPT          stop in front of the last turn if it is the
 *                              assistant's, and begin a new one
 *                              (add_generation_prompt)
 *   MEDVL_CHAT_PARSE_SPECIAL   recognise added tokens in content too
 */
#define MEDVL_CHAT_PROMPT        1
#define MEDVL_CHAT_PARSE_SPECIAL 2

/*
 * Append the text of `messages` (a JSON array).  Bytes of the messages are
 * marked as from the record; the placeholder is not.
 *
 * MEDVL_EFORMAT names the message (from 0) that is not as above, or says
 * what the template said.
 */
int medvl_chat_render(struct medvl_chat_worker *worker,
                      struct medvl_marked *out, struct medvl_span messages,
                      unsigned flags, struct medvl_error *err)
    MEDVL_MUST_CHECK;

/* What encoding gives.  Valid when zeroed; reused by calls. */
struct medvl_chat_tokens {
    struct medvl_tokens tokens; /* ids, and ends in the rendered text */
    uint8_t *loss_mask;         /* one a token: 1 is learned */
    size_t mask_capacity;
    int32_t *images; /* which picture each placeholder is, in order */
    size_t image_count;
    size_t image_capacity;
};

/*
 * Render and encode; what `out` held is replaced.
 *
 * The loss mask is the assistant's turns, their end token included: what
 * stands in the whole text behind the text of all messages before that
 * turn, with the beginning of the turn as for generation, up to the last
 * added token of the turn (without one, to where the turn's text ends).  It
 * is all 0 with MEDVL_CHAT_PROMPT.
 *
 * MEDVL_EFORMAT, besides those of rendering: the number of placeholders is
 * not the number of image parts; or a turn cannot be found again, because
 * the template writes the messages before it differently once it is there.
 */
int medvl_chat_encode(struct medvl_chat_worker *worker,
                      struct medvl_chat_tokens *out,
                      struct medvl_encoder *encoder,
                      struct medvl_span messages, unsigned flags,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_tokens_release(struct medvl_chat_tokens *out);

#endif
