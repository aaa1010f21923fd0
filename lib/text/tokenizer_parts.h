/*
 * What the three files of the tokenizer share: tokenizer.c encodes and
 * decodes, tokenizer_read.c opens, tokenizer_write.c extends and trains.
 * Internal to them.
 */
#ifndef MEDVL_TEXT_TOKENIZER_PARTS_H
#define MEDVL_TEXT_TOKENIZER_PARTS_H

#include "lib/text/pretokenize.h"
#include "lib/text/tokenizer.h"

/* Bytes in an added token at most: bounds the search for one. */
#define ADDED_BYTES 4096

struct added {
    struct medvl_span content; /* in the tokenizer's memory */
    struct medvl_span match;   /* what is looked for: normalised or not */
    int32_t id;
    bool special, lstrip, rstrip, single_word, normalized;
};

/*
 * The added tokens that are looked for before (0) and after (1)
 * normalisation, sorted by their bytes.
 */
struct matcher {
    const struct added **sorted;
    size_t count;
    bool first[256]; /* bytes that one begins with */
    int only;        /* the one such byte, or -1 */
};

struct ids {
    int32_t *items;
    size_t count, capacity;
};

struct medvl_tokenizer {
    struct medvl_bpe *bpe;
    struct medvl_pretokenizer *pre;
    bool nfc;
    struct added *added; /* sorted by id */
    size_t added_count;
    struct matcher matchers[2];
    int32_t size;
    int32_t begin, end, pad;
    struct ids before, after; /* what SPECIAL puts around */
};

/* The added token with this id, or NULL. */
const struct added *medvl_tokenizer_added(const struct medvl_tokenizer *tok,
                                          int32_t id);

/* Bytes as tokenizer.json spells them: each one a visible character. */
uint32_t medvl_byte_rune(unsigned char byte);

/*
 * Is each byte spelled as itself?  Only then does Hugging Face, which looks
 * an added token up as it stands, find it in the vocabulary.
 */
bool medvl_is_spelled_alike(struct medvl_span bytes);

/* A place in JSON that has been checked; used for the two large lists. */
struct medvl_cursor {
    const char *at, *end;
};
bool medvl_cursor_take(struct medvl_cursor *cursor, char byte);
bool medvl_cursor_string(struct medvl_cursor *cursor,
                         struct medvl_span *quoted);
struct medvl_span medvl_cursor_scalar(struct medvl_cursor *cursor);

#endif
