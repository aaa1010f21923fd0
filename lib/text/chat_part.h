/*
 * What the files of chat share: a model's template and how it takes
 * messages, and a worker's scratch.  Inside of chat.h.
 *
 * Read next: chat.c.
 */
#ifndef MEDVL_TEXT_CHAT_PART_H
#define MEDVL_TEXT_CHAT_PART_H

#include "lib/text/chat.h"

struct medvl_chat {
    struct medvl_template *template;
    const struct medvl_tokenizer *tok;
    const struct medvl_chat_layout *layout; /* NULL: the folder's own */

    char *image;        /* the placeholder's text */
    int32_t image_id;   /* its id where the tokenizer has none; or -1 */
    bool marked_images; /* <im_start> and <im_end> around it */

    bool begin_by_encoder; /* where the template writes no begin token */

    /* what the template shows */
    bool strings;  /* content that is a string */
    bool parts;    /* ... and that is parts */
    bool pictures; /* ... with a placeholder for each picture */
};

struct medvl_chat_range {
    size_t from, to; /* bytes of the rendered text */
};

struct medvl_chat_worker {
    const struct medvl_chat *chat;
    struct medvl_template_run *run;
    const struct medvl_chat_input *input;
    struct medvl_json_view view;      /* the messages */
    struct medvl_json_view variables; /* chat_template_kwargs */
    struct medvl_text date, image;    /* variables */
    struct medvl_marked whole, part;
    bool *assistant; /* by message */
    size_t assistant_capacity;
    int32_t *images;
    size_t image_count, image_capacity;
    struct medvl_chat_range *turns;
    size_t turn_count, turn_capacity;
    struct medvl_run *runs; /* of a piece of the text */
    size_t run_capacity;
};

/* A worker whose templates have these limits; NULL: their own. */
int medvl_chat_worker_make(struct medvl_chat_worker **out,
                           const struct medvl_chat *chat,
                           const struct medvl_template_limits *limits,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the text of the first `count` messages, and begin a turn. */
int medvl_chat_render_some(struct medvl_chat_worker *w,
                           struct medvl_marked *out, size_t count,
                           bool begin_turn, struct medvl_error *err)
    MEDVL_MUST_CHECK;

/* The whole text, or the prompt; *count is the messages in it. */
int medvl_chat_render_all(struct medvl_chat_worker *w,
                          struct medvl_marked *out,
                          const struct medvl_chat_input *input, bool prompt,
                          size_t *count,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* The added token of this text, or -1: Qwen's vocabulary has a "</s>" that
 * no text becomes. */
int32_t medvl_chat_token(const struct medvl_tokenizer *tok,
                         const char *text);

/* What a template's bos_token and eos_token are: the tokenizer's, else those
 * of the layout (or NULL); -1: none. */
int32_t medvl_chat_begin(const struct medvl_chat_layout *layout,
                         const struct medvl_tokenizer *tok);
int32_t medvl_chat_end(const struct medvl_chat_layout *layout,
                       const struct medvl_tokenizer *tok);

/* The layout that an original LLaVA folder's config.json tells; or NULL. */
const char *medvl_chat_layout_of(const struct medvl_json *config);

/* Is it the config.json of the original LLaVA code or of one made of it? */
bool medvl_chat_is_original(const struct medvl_json *config);

#endif
