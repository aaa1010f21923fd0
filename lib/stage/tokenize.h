/*
 * Text and chat to token ids and back, and the training of a vocabulary:
 * the work of medvl-tokenize(1).
 *
 * Read next: shard.h.
 */
#ifndef MEDVL_STAGE_TOKENIZE_H
#define MEDVL_STAGE_TOKENIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

struct medvl_tokenize_options {
    const char *model;  /* folder, or tokenizer.json; needed */
    const char *chat;   /* a layout (chat.h); NULL: the folder's template */
    const char *field;  /* text to encode, or to decode into; NULL: below */
    bool special;       /* put begin and end tokens around a text */
    bool parse_special; /* added tokens in messages' content too */
    bool decode;        /* ids to text */
    bool explain;       /* a table for people instead of records */

    /* That answers end, unless `chat` says otherwise; or NULL. */
    struct medvl_wants *wants;
};

/*
 * The map behind medvl-tokenize; its options are the struct above.
 *
 * Encoding reads `field`; without one "messages" where the record has them,
 * else "text".  It sets "tokens", and for messages "loss_mask" too.  Added
 * tokens are recognised in a text, in what a chat template writes, and not
 * in what a record's messages say (unless parse_special).
 *
 * With explain no records come out, but for each the table of explain.h,
 * then an empty line.
 *
 * Decoding reads "tokens" and sets `field` (NULL: "text").
 */
extern const struct medvl_map medvl_tokenize_map;

struct medvl_tokenize_train_options {
    const char *output;  /* the tokenizer.json to write; needed */
    const char *field;   /* NULL: "text", else the text in "messages" */
    const char *pattern; /* NULL: llama3; qwen2, gpt2 */
    int64_t size;        /* entries, from 256 */
};

/*
 * The sink behind --train.  The file appears when all is read; records that
 * give fewer entries than asked are MEDVL_EARG, naming how many.
 */
extern const struct medvl_sink medvl_tokenize_train_sink;

#endif
