/*
 * Byte-pair encoding over characters: the BPE of tokenizer.json in general,
 * with an unknown token, bytes for what has no token (SentencePiece), a
 * prefix within and a suffix at the end of words.  Byte-level vocabularies
 * have bpe.h, which is faster.
 *
 * The ids are those of Hugging Face's tokenizers 0.22, but that a character
 * for which there is nothing at all is an error, where it is dropped there.
 *
 * Read next: decode.h.
 */
#ifndef MEDVL_TEXT_CHARBPE_H
#define MEDVL_TEXT_CHARBPE_H

#include "lib/text/bpe.h"

struct medvl_charbpe;

struct medvl_charbpe_options {
    struct medvl_span unk;    /* the unknown token's bytes; empty: none */
    struct medvl_span prefix; /* of a character that is not the first */
    struct medvl_span suffix; /* of the last character */
    bool fuse_unk;            /* neighbours are one unknown token */
    bool byte_fallback;       /* "<0x00>" to "<0xFF>", where all exist */
    bool whole_words;         /* as of medvl_bpe_new */
};

/* `tokens` and `merges` are hints for the tables. */
int medvl_charbpe_new(struct medvl_charbpe **out, size_t tokens,
                      size_t merges, struct medvl_error *err)
    MEDVL_MUST_CHECK;
void medvl_charbpe_free(struct medvl_charbpe *model);

/* As medvl_bpe_add_token, but that one token may be empty. */
int medvl_charbpe_add_token(struct medvl_charbpe *model, int32_t id,
                            struct medvl_span bytes,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* Behind the last token, before the first merge; the spans are copied. */
int medvl_charbpe_set(struct medvl_charbpe *model,
                      const struct medvl_charbpe_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Add the next merge; the second's prefix is left out of the token that is
 * made.  MEDVL_EFORMAT: one of the three is no token.
 */
int medvl_charbpe_add_merge(struct medvl_charbpe *model,
                            struct medvl_span left, struct medvl_span right,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* As in bpe.h. */
int32_t medvl_charbpe_size(const struct medvl_charbpe *model);
struct medvl_span medvl_charbpe_bytes(const struct medvl_charbpe *model,
                                      int32_t id);
int32_t medvl_charbpe_id(const struct medvl_charbpe *model,
                         struct medvl_span bytes);

/* The same as wordbpe.h has it, behind the last merge; NULL: it cannot. */
const struct medvl_bpe *
medvl_charbpe_words(const struct medvl_charbpe *model);

/* One worker's words and scratch. */
struct medvl_charbpe_cache;

int medvl_charbpe_cache_new(struct medvl_charbpe_cache **out,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_charbpe_cache_free(struct medvl_charbpe_cache *cache);

/*
 * Append the ids of pieces of `data` (UTF-8); arguments as of
 * medvl_bpe_encode.
 *
 * MEDVL_EFORMAT      a character without a token, bytes or unknown token
 * MEDVL_EUNSUPPORTED as medvl_bpe_encode
 *
 * Time is n log n in a piece, memory 40 bytes a byte of the longest.
 */
int medvl_charbpe_encode(const struct medvl_charbpe *model,
                         struct medvl_charbpe_cache *cache,
                         struct medvl_tokens *out, struct medvl_span data,
                         size_t start, const size_t *ends, size_t count,
                         size_t base,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
