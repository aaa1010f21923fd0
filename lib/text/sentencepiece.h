/*
 * A SentencePiece tokenizer.model (a ModelProto): its pieces and settings,
 * and text to ids as SentencePiece itself does it, BPE and Unigram, from
 * the normalisation on.  What Hugging Face wraps around (added tokens, begin
 * and end) is tokenizer.h's.
 *
 * The ids are those of the sentencepiece package 0.2.3.
 *
 * Read next: tiktoken.h.
 */
#ifndef MEDVL_TEXT_SENTENCEPIECE_H
#define MEDVL_TEXT_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/guard.h"

/* Of a piece, with the numbers of the file. */
enum medvl_piece_type {
    MEDVL_PIECE_NORMAL = 1,
    MEDVL_PIECE_UNKNOWN = 2,
    MEDVL_PIECE_CONTROL = 3, /* never found in a text: <s>, </s> */
    MEDVL_PIECE_USER = 4,    /* always found in a text, never merged */
    MEDVL_PIECE_UNUSED = 5,
    MEDVL_PIECE_BYTE = 6, /* <0x00> to <0xFF> */
};

/* What the file says; spans are the model's. */
struct medvl_sentencepiece_info {
    bool unigram; /* else BPE */
    bool byte_fallback;
    bool add_dummy_prefix;
    bool remove_extra_whitespaces;
    bool escape_whitespaces; /* spaces are U+2581 in pieces */
    bool whitespace_as_suffix;
    int32_t size;                /* pieces */
    int32_t unk, bos, eos, pad;  /* ids; -1: none (unk always is) */
    struct medvl_span unk_shown; /* what decoding shows for unk */
};

struct medvl_sentencepiece;

/*
 * Open a model from the file's bytes, which are copied.
 *
 * MEDVL_EFORMAT       not a ModelProto, or one that contradicts itself: a
 *                     piece twice, no unk, bytes missing of the fallback
 * MEDVL_EUNSUPPORTED  a word or character model; more than MEDVL_BPE_IDS
 */
int medvl_sentencepiece_new(struct medvl_sentencepiece **out,
                            struct medvl_span file,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_sentencepiece_free(struct medvl_sentencepiece *model);

const struct medvl_sentencepiece_info *
medvl_sentencepiece_info(const struct medvl_sentencepiece *model);

/* A piece as the file spells it ({NULL, 0}: no such id), and its type. */
struct medvl_span
medvl_sentencepiece_piece(const struct medvl_sentencepiece *model,
                          int32_t id);
enum medvl_piece_type
medvl_sentencepiece_type(const struct medvl_sentencepiece *model,
                         int32_t id);

/* The piece with this spelling, of any type; -1: none. */
int32_t medvl_sentencepiece_id(const struct medvl_sentencepiece *model,
                               struct medvl_span piece);

/*
 * What decoding puts for the id: spaces for U+2581, a byte for a byte
 * piece, nothing for a control piece, unk_shown for unk; {NULL, 0}: no such
 * id.  The caller takes one space from the front of the whole text where
 * add_dummy_prefix is set.
 */
struct medvl_span
medvl_sentencepiece_bytes(const struct medvl_sentencepiece *model,
                          int32_t id);

/* ---- encoding ---------------------------------------------------------- */

/* One worker's words and scratch; borrows the model. */
struct medvl_sentencepiece_encoder;

int medvl_sentencepiece_encoder_new(
    struct medvl_sentencepiece_encoder **out,
    const struct medvl_sentencepiece *model,
    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_sentencepiece_encoder_free(
    struct medvl_sentencepiece_encoder *encoder);

/* No dummy prefix, though the model says so: text within a text. */
#define MEDVL_SENTENCEPIECE_NO_PREFIX 1

/*
 * Append the ids of `text`; control pieces in it stay text.
 *
 *   guard   of pieces that are not to come of text; or NULL
 *   text    UTF-8; up to MEDVL_BPE_PIECE bytes without a place to cut them
 *           (a space), for Unigram in all, once normalised
 *   base    added to the offsets that are kept, which are those of `text`
 *           before its normalisation
 *
 * MEDVL_EFORMAT: not UTF-8.  MEDVL_EUNSUPPORTED: as medvl_bpe_encode.
 * Time is n log n in the longest stretch without a space (Unigram: linear).
 */
int medvl_sentencepiece_encode(struct medvl_sentencepiece_encoder *encoder,
                               struct medvl_guard *guard,
                               struct medvl_tokens *out,
                               struct medvl_span text, unsigned flags,
                               size_t base,
                               struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
