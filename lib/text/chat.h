/*
 * Chat: from a record's "messages" to token ids and a loss mask, by the
 * template that a model folder holds, or by a layout that is built in.
 *
 * A message is {"role", "content"}; content is a string, or parts
 * {"type": "text", "text"} and {"type": "image"}; of a tool's message it may
 * be any value.  Other members (tool_calls, reasoning_content) are for the
 * template to use.  The n-th image part of a
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

/* The day that strftime_now writes, where the record does not say one. */
#define MEDVL_CHAT_DATE "2024-07-26"

/* ---- layouts that are built in ---------------------------------------- */

/*
 * llama3, chatml and vicuna are for fresh models.  The others are those of
 * the original LLaVA code, which keeps conversations in conversation.py: the
 * same text as its get_prompt(), pictures in front of the message that has
 * them.
 */
#define MEDVL_CHAT_FRESH "llama3|chatml|vicuna"
#define MEDVL_CHAT_LAYOUTS                                        \
    MEDVL_CHAT_FRESH                                              \
    "|plain|v0|v0_mmtag|v1|v1_mmtag|llava_v1|llava_med_v1|"       \
    "llava_llama_2|mistral_instruct|chatml_direct|llava_llama_3|" \
    "qwen_1_5|huatuo"

struct medvl_chat_layout {
    const char *name;
    const char *template;
    const char *const *marks; /* tokens that it writes, NULL behind them */

    /* of fresh models: what medvl-merge writes into the folder */
    const struct medvl_added_token *tokens; /* the placeholder among them */
    size_t token_count;                     /* 0: not for a fresh model */
    const char *begin;                      /* or NULL */
    const char *end;                        /* of a turn, and of an answer */
    const char *pad;

    /* of the original code: what its template needs besides (chat_part.h) */
    const char *system; /* where the record says none */
    const char *glue;   /* between turns */
    bool tagged;        /* <Image> and </Image> around a picture */
    const char *trim;   /* text behind pictures: NULL always, "moved" where
                           they stood behind it, "never" */
    bool bare;          /* without the tokenizer's begin token */
};

/* The layout of this name, or NULL. */
const struct medvl_chat_layout *medvl_chat_layout(const char *name);

/* ---- a model's template: read-only, shared between threads ------------ */

struct medvl_chat;

/*
 * Open the template of a model folder: chat_template.jinja, else
 * chat_template.json, else "chat_template" of tokenizer_config.json (of
 * several the one named "default").  A folder of the original LLaVA code
 * without the first two gets the layout that its config.json tells:
 *
 *   llava_llama      v1 (32,000 entries), llava_llama_3 (128,256)
 *   llava_mistral    mistral_instruct
 *   llava_qwen       qwen_1_5
 *   llava_qwen2      huatuo
 *
 * The placeholder is the token that config.json names (image_token_index,
 * image_token_id), else "<image>".  The original code has no such token;
 * there its id is the one behind the vocabulary (vocab_size).
 *
 * The begin token is the template's to write.  A folder with a tower gets
 * the tokenizer's own where the template writes none, as its processor does.
 *
 *   layout   the name of one to use instead; NULL: the folder's.  The
 *            tokenizer must have its marks; where it names no begin or end
 *            token, they are the layout's
 *   tok      the folder's tokenizer; borrowed, must outlive the chat
 *
 * MEDVL_EARG      the folder has no template; config.json does not tell the
 *                 layout; no layout of that name, or not for this tokenizer
 * MEDVL_EFORMAT   it does not compile, or shows neither a text nor parts
 */
int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const char *layout, const struct medvl_tokenizer *tok,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * What writes a folder's messages: the name of the file with its template,
 * or of a layout; NULL where medvl_chat_open would say MEDVL_EARG.
 */
int medvl_chat_source(const char **out, const char *folder,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* The id of the folder's placeholder where its tokenizer has none; else -1. */
int medvl_chat_image_id(int32_t *out, const char *folder,
                        const struct medvl_tokenizer *tok,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* A chat from a template's text; `image` is the placeholder. */
int medvl_chat_new(struct medvl_chat **out, struct medvl_span template,
                   const char *image, const struct medvl_tokenizer *tok,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_free(struct medvl_chat *chat);

/* ---- rendering and encoding ------------------------------------------- */

/*
 * What a record gives to its template, as JSON; an empty span: nothing.
 *
 *   tools, documents   arrays of objects
 *   variables          an object: what the template may use besides
 *                      (enable_thinking, date_string, add_vision_id); its
 *                      "strftime_now" is the day that this function writes
 */
struct medvl_chat_input {
    struct medvl_span messages; /* an array */
    struct medvl_span tools;
    struct medvl_span documents;
    struct medvl_span variables;
};

/* A record's fields: messages, tools, documents, chat_template_kwargs. */
struct medvl_chat_input
medvl_chat_input_of(const struct medvl_json_view *record);

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
 *   MEDVL_CHAT_PARSE_SPECIAL   recognise special tokens in content too
 */
#define MEDVL_CHAT_PROMPT        1
#define MEDVL_CHAT_PARSE_SPECIAL 2

/*
 * Append the text.  The template sees what transformers gives it: messages,
 * tools and documents (none where there are none), add_generation_prompt,
 * bos_token, eos_token and pad_token (where there are any), the variables.
 * Bytes of the record are marked as from it; the placeholder is not.
 *
 * MEDVL_EFORMAT names the message (from 0) that is not as above, or says
 * what the template said.
 */
int medvl_chat_render(struct medvl_chat_worker *worker,
                      struct medvl_marked *out,
                      const struct medvl_chat_input *input, unsigned flags,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* What encoding gives.  Valid when zeroed; reused by calls. */
struct medvl_chat_tokens {
    struct medvl_tokens tokens; /* ids, and ends in the rendered text */
    uint8_t *loss_mask;         /* one a token: 1 is learned */
    size_t mask_capacity;
    int32_t *images; /* which picture each placeholder is, in order */
    size_t image_count;
    size_t image_capacity;
    size_t content_end; /* in the text: of the last turn that is learned */
};

/*
 * Render and encode; what `out` held is replaced.
 *
 * The loss mask is the assistant's turns, their end token included: what
 * stands in the whole text behind the text of all messages before that
 * turn, with the beginning of the turn as for generation, up to the last
 * added token behind the turn's content (without one, to where the turn's
 * text ends).  It is all 0 with MEDVL_CHAT_PROMPT.
 *
 * MEDVL_EFORMAT, besides those of rendering: nothing is written of the
 * messages, or with MEDVL_CHAT_PROMPT of the last one, or there is none to
 * answer; the number of placeholders is not the number of image parts; or a
 * turn cannot be found again, because the template writes the messages
 * before it differently once it is there.
 * MEDVL_EUNSUPPORTED: each turn is found by rendering what is before it, and
 * there are too many: from about 2,800 messages, or a text times its turns
 * of over 1 GiB.
 */
int medvl_chat_encode(struct medvl_chat_worker *worker,
                      struct medvl_chat_tokens *out,
                      struct medvl_encoder *encoder,
                      const struct medvl_chat_input *input, unsigned flags,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_tokens_release(struct medvl_chat_tokens *out);

#endif
