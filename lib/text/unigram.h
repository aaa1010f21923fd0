/*
 * The Unigram model of tokenizer.json and SentencePiece: of all ways to cut
 * a piece into tokens the one whose scores add up highest (Viterbi).
 *
 * The ids are those of Hugging Face's tokenizers 0.22 (scores added in
 * double, the first of equal sums kept), or with `single` those of
 * SentencePiece 0.2.3 (in float, and anew where a sum is past 100000).
 *
 * Read next: wordpiece.h.
 */
#ifndef MEDVL_TEXT_UNIGRAM_H
#define MEDVL_TEXT_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/bpe.h"

/* Bytes of a token that is matched at most, so that time is the text's. */
#define MEDVL_UNIGRAM_BYTES 1024

struct medvl_unigram;

struct medvl_unigram_options {
    int32_t unk;        /* id for what no token covers; -1: an error then */
    bool byte_fallback; /* "<0x00>" to "<0xFF>" for it, where they exist */
    bool single;        /* SentencePiece: sums in float */
    float unk_score;    /* with single; else 10 below the least score */
};

int medvl_unigram_new(struct medvl_unigram **out,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_unigram_free(struct medvl_unigram *unigram);

/*
 * Add the token of the next id, from 0 up.
 *
 *   bytes   UTF-8; the last of equal tokens is the one that encoding gives;
 *           an empty one is never given
 *   score   finite
 *
 * MEDVL_EFORMAT, MEDVL_EUNSUPPORTED: past MEDVL_UNIGRAM_BYTES,
 * MEDVL_BPE_IDS or 2 GiB.
 */
int medvl_unigram_add_token(struct medvl_unigram *unigram,
                            struct medvl_span bytes, double score,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The next id is a token that is decoded and never matched in a text (of
 * SentencePiece: control, byte and unused pieces).
 */
int medvl_unigram_add_hidden(struct medvl_unigram *unigram,
                             struct medvl_span bytes,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * To be called once, behind the last token and before encoding.
 * MEDVL_EFORMAT: unk is no token.
 */
int medvl_unigram_finish(struct medvl_unigram *unigram,
                         const struct medvl_unigram_options *options,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* As in bpe.h.  Of equal tokens the last is found, hidden ones are not. */
int32_t medvl_unigram_size(const struct medvl_unigram *unigram);
struct medvl_span medvl_unigram_bytes(const struct medvl_unigram *unigram,
                                      int32_t id);
int32_t medvl_unigram_id(const struct medvl_unigram *unigram,
                         struct medvl_span bytes);

/* One worker's words and scratch. */
struct medvl_unigram_cache;

int medvl_unigram_cache_new(struct medvl_unigram_cache **out,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_unigram_cache_free(struct medvl_unigram_cache *cache);

/*
 * Append the ids of pieces of `data` (UTF-8); arguments as of
 * medvl_bpe_encode.  Neighbouring characters that no token covers are one
 * unk together; bytes of one by fallback end together.
 *
 * MEDVL_EFORMAT      a character that no token covers, without unk
 * MEDVL_EUNSUPPORTED as medvl_bpe_encode
 *
 * Time is the piece times the longest token at the most; no memory but the
 * room of the ids.
 */
int medvl_unigram_encode(const struct medvl_unigram *unigram,
                         struct medvl_unigram_cache *cache,
                         struct medvl_tokens *out, struct medvl_span data,
                         size_t start, const size_t *ends, size_t count,
                         size_t base,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
