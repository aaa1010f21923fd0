/*
 * Byte-level byte-pair encoding: a vocabulary of byte strings, merges by
 * rank, pieces of text to ids through a word cache; and its training.
 * Knows nothing of files, patterns or added tokens: tokenizer.h has those.
 *
 * Read next: guard.h.
 */
#ifndef MEDVL_TEXT_BPE_H
#define MEDVL_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"

/* One above the largest id that a tokenizer may have. */
#define MEDVL_BPE_IDS (1 << 24)

/* Bytes of the longest piece that is merged, at 20 bytes a byte. */
#define MEDVL_BPE_PIECE (8 << 20)

/* Ids that encoding gives at the most: as many as are read (json.h). */
#define MEDVL_BPE_TOKENS MEDVL_JSON_INTS

/* Growing lists of ids and, where wanted, ends.  Valid when zeroed. */
struct medvl_tokens {
    int32_t *ids;
    size_t *ends; /* offset behind the token's last byte, if keep_ends */
    size_t count;
    size_t capacity;
    size_t ends_capacity;
    bool keep_ends; /* set before the first token */
};

/* Room for `more` tokens. */
int medvl_tokens_reserve(struct medvl_tokens *tokens, size_t more,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_tokens_add(struct medvl_tokens *tokens, int32_t id, size_t end,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_tokens_clear(struct medvl_tokens *tokens); /* memory kept */
void medvl_tokens_release(struct medvl_tokens *tokens);

/* ---- the model --------------------------------------------------------- */

struct medvl_bpe;

/*
 *   tokens, merges   how many are to come (a hint for the tables)
 *   whole_words      a piece that is a token is that token, whatever the
 *                    merges say (ignore_merges)
 */
int medvl_bpe_new(struct medvl_bpe **out, size_t tokens, size_t merges,
                  bool whole_words, struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_bpe_free(struct medvl_bpe *bpe);

/*
 * Add a token with its id, in any order of ids.  MEDVL_EFORMAT: the id is
 * taken, or the bytes are empty or another token's already.
 */
int medvl_bpe_add_token(struct medvl_bpe *bpe, int32_t id,
                        struct medvl_span bytes,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Add the next merge: `left` and `right` join to the token of their bytes.
 * All tokens come before the first merge.  MEDVL_EFORMAT: one of the three
 * is no token.
 */
int medvl_bpe_add_merge(struct medvl_bpe *bpe, struct medvl_span left,
                        struct medvl_span right,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same with a rank of the caller's choice, below 2^32 - 1: of merges of
 * one rank the leftmost in the text comes first, as with SentencePiece.  Not
 * to be mixed with the one above.
 */
int medvl_bpe_add_ranked(struct medvl_bpe *bpe, uint32_t rank,
                         struct medvl_span left, struct medvl_span right,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same with the token that is made named, which has other bytes than
 * the two (charbpe.h); medvl_bpe_join finds it, medvl_bpe_encode does not.
 */
int medvl_bpe_add_pair(struct medvl_bpe *bpe, int32_t left, int32_t right,
                       int32_t made,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* What two tokens join to: rank << 32 | id; UINT64_MAX: they do not. */
uint64_t medvl_bpe_join(const struct medvl_bpe *bpe, int32_t left,
                        int32_t right);

/* Largest id plus one; a token's bytes ({NULL, 0}: none); its id or -1. */
int32_t medvl_bpe_size(const struct medvl_bpe *bpe);
struct medvl_span medvl_bpe_bytes(const struct medvl_bpe *bpe, int32_t id);
int32_t medvl_bpe_id(const struct medvl_bpe *bpe, struct medvl_span bytes);

/* ---- encoding ---------------------------------------------------------- */

/*
 * Words seen and scratch of one worker, about 6 MB.  What is cached never
 * changes what is returned.
 */
struct medvl_bpe_cache;

int medvl_bpe_cache_new(struct medvl_bpe_cache **out,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_bpe_cache_free(struct medvl_bpe_cache *cache);

/*
 * Append the ids of pieces of `data`: piece i is the bytes from ends[i - 1]
 * (`start` for the first) to ends[i].
 *
 *   base   added to the offsets that are kept
 *
 * MEDVL_EFORMAT      a byte that is no token
 * MEDVL_EUNSUPPORTED a piece of more than MEDVL_BPE_PIECE bytes, or more
 *                    than MEDVL_BPE_TOKENS ids in `out`
 *
 * Time is n log n in a piece.
 */
int medvl_bpe_encode(const struct medvl_bpe *bpe,
                     struct medvl_bpe_cache *cache,
                     struct medvl_tokens *out, struct medvl_span data,
                     size_t start, const size_t *ends, size_t count,
                     size_t base, struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Cut `data` from `start` on where no merge can reach across (two bytes that
 * no merge brings together), which changes no id and lets the cache work
 * where nothing else splits a text.  Puts at most `max` ends into `ends` and
 * returns how many; 0 at the end of the data.
 */
size_t medvl_bpe_split(const struct medvl_bpe *bpe, size_t *ends, size_t max,
                       struct medvl_span data, size_t start);

/* ---- characters --------------------------------------------------------- */

/*
 * Vocabularies over characters, with byte tokens for what has none, run on
 * this encoder too: every byte is a token, merges of rank 0 join those of a
 * character, and all others have ranks from 1 on.  What is no token of the
 * vocabulary on the way gets an id from its size up, and is spelled in byte
 * tokens when it is left at the end.
 */

/* Give `bytes` the id *next, and move that on, unless they are a token. */
int medvl_bpe_add_other(struct medvl_bpe *bpe, int32_t *next,
                        struct medvl_span bytes,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The merges of rank 0 for all characters of `text` (UTF-8). */
int medvl_bpe_add_characters(struct medvl_bpe *bpe, int32_t *next,
                             struct medvl_span text,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Spell the tokens from `first` on that are none of the vocabulary's.
 *
 *   size    of the vocabulary
 *   bytes   the id of each byte's token
 *   space   a space stands for U+2581 and is spelled as that
 */
int medvl_bpe_spell(const struct medvl_bpe *bpe, struct medvl_tokens *out,
                    size_t first, int32_t size, const int32_t bytes[256],
                    bool space, struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- training ---------------------------------------------------------- */

struct medvl_bpe_trainer;

/* A merge that was learnt: ids of the two and of the token they give. */
struct medvl_bpe_merge {
    int32_t left, right, made;
};

int medvl_bpe_trainer_new(struct medvl_bpe_trainer **out,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_bpe_trainer_free(struct medvl_bpe_trainer *trainer);

/* Count a word (a piece of pre-tokenized text, not empty). */
int medvl_bpe_trainer_add(struct medvl_bpe_trainer *trainer,
                          struct medvl_span word,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Learn merges until there are `size` tokens or no pair is left.
 *
 *   bytes    the id of each byte: a permutation of 0..255
 *   tokens   set to the number of tokens, at most `size`
 *
 * *merges and its count are the trainer's, until it is freed.  To be called
 * once.
 */
int medvl_bpe_trainer_run(struct medvl_bpe_trainer *trainer,
                          const struct medvl_bpe_merge **merges,
                          size_t *count, int32_t *tokens,
                          const int32_t bytes[256], int32_t size,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
