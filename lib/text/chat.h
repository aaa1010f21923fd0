/*
 * Messages to tokens: the chat template of a model folder rendered over a
 * record's "messages", and the loss mask of its assistant turns.
 *
 * Text of the messages stays text: added tokens spelled out in it are not
 * recognised.  A part {"type":"image"} becomes the placeholder "<image>",
 * which is.  A template that speaks of "image" gets the parts as they are;
 * any other gets strings, with "<image>" and a newline for each picture.
 *
 * Read next: ../data/record.h.
 */
#ifndef MEDVL_TEXT_CHAT_H
#define MEDVL_TEXT_CHAT_H

#include "lib/text/template.h"

/* ---- layouts that medvl-merge --init puts into a folder ---------------- */

#define MEDVL_CHAT_TOKENS 8

struct medvl_chat_layout {
    const char *name;
    const char *source;                    /* the Jinja template */
    const char *tokens[MEDVL_CHAT_TOKENS]; /* special tokens, then NULL */
    const char *bos;                       /* NULL: none */
    const char *eos;                       /* ends a turn */
    const char *pad;
};

/* "llama3", "chatml" or "vicuna"; NULL for another name. */
const struct medvl_chat_layout *medvl_chat_layout(const char *name);

/* ---- a folder's template ----------------------------------------------- */

struct medvl_chat; /* read-only, shared between threads */

/*
 * chat_template.jinja of the folder, else "chat_template" of its
 * tokenizer_config.json (of several the one named "default").  A folder
 * without one is no error here; encoding messages with it is.  The
 * tokenizer is borrowed.
 */
int medvl_chat_open(struct medvl_chat **out, const char *folder,
                    const struct medvl_tokenizer *tok,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_free(struct medvl_chat *chat);

/* One thread's scratch; chat and encoder are borrowed. */
struct medvl_chat_run;
int medvl_chat_run_new(struct medvl_chat_run **out,
                       const struct medvl_chat *chat,
                       struct medvl_encoder *encoder,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_chat_run_free(struct medvl_chat_run *run);

/* Recognise added tokens in the messages' text too (off at first). */
void medvl_chat_parse_special(struct medvl_chat_run *run, bool on);

/*
 * The whole conversation.
 *
 *   tokens     its ids are replaced
 *   mask       one byte a token, 1 in assistant turns, the token that ends
 *              a turn included; belongs to the run until its next use
 *   messages   the field's JSON
 *
 * Turns are found by rendering prefixes: a turn begins where the prefix
 * before it with the generation prompt ends, and ends where the prefix
 * with it does.  MEDVL_EFORMAT when the template renders a prefix
 * otherwise than the whole begins.
 */
int medvl_chat_encode(struct medvl_tokens *tokens, const uint8_t **mask,
                      struct medvl_chat_run *run, struct medvl_span messages,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The conversation up to its last turn if that is the assistant's, else
 * all of it, with the generation prompt: the answer never leaks.
 */
int medvl_chat_prompt(struct medvl_tokens *tokens, struct medvl_chat_run *run,
                      struct medvl_span messages,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same prompt followed by `answer` (text) as the assistant's turn,
 * without what ends the turn.
 *
 *   first   index of the answer's first token
 */
int medvl_chat_answer(struct medvl_tokens *tokens, size_t *first,
                      struct medvl_chat_run *run, struct medvl_span messages,
                      struct medvl_span answer,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
