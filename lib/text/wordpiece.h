/*
 * The WordPiece and WordLevel models of tokenizer.json: a word is cut, from
 * its front, into the longest tokens there are, or is unknown as a whole.
 *
 * Read next: charsmap.h.
 */
#ifndef MEDVL_TEXT_WORDPIECE_H
#define MEDVL_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/bpe.h"

/* Bytes of a token that is matched at most, so that time is the text's. */
#define MEDVL_WORDPIECE_BYTES 1024

struct medvl_wordpiece;

struct medvl_wordpiece_options {
    struct medvl_span unk;    /* the unknown token: its bytes */
    struct medvl_span prefix; /* of tokens within a word: "##" */
    size_t max_characters;    /* longer words are unknown: 100 */
    bool whole;               /* WordLevel: only whole words; no prefix */
};

int medvl_wordpiece_new(struct medvl_wordpiece **out,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_wordpiece_free(struct medvl_wordpiece *wordpiece);

/*
 * Add a token with its id, in any order of ids.  MEDVL_EFORMAT: the id is
 * taken.  The last of equal tokens is the one that encoding gives.
 */
int medvl_wordpiece_add_token(struct medvl_wordpiece *wordpiece, int32_t id,
                              struct medvl_span bytes,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * To be called once, behind the last token and before encoding.
 * MEDVL_EUNSUPPORTED: a token past MEDVL_WORDPIECE_BYTES, unless `whole`.
 */
int medvl_wordpiece_finish(struct medvl_wordpiece *wordpiece,
                           const struct medvl_wordpiece_options *options,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* As in bpe.h. */
int32_t medvl_wordpiece_size(const struct medvl_wordpiece *wordpiece);
struct medvl_span
medvl_wordpiece_bytes(const struct medvl_wordpiece *wordpiece, int32_t id);
int32_t medvl_wordpiece_id(const struct medvl_wordpiece *wordpiece,
                           struct medvl_span bytes);

/*
 * Append the ids of pieces of `data` (UTF-8); arguments as of
 * medvl_bpe_encode.  There is no cache: a walk is as short as one.
 *
 * MEDVL_EFORMAT: an unknown word, and `unk` is no token.
 */
int medvl_wordpiece_encode(const struct medvl_wordpiece *wordpiece,
                           struct medvl_tokens *out, struct medvl_span data,
                           size_t start, const size_t *ends, size_t count,
                           size_t base,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
