/*
 * CLIP's vocabularies on the byte-level encoder.  A token that ends a word
 * ("the</w>") becomes its bytes and a space, and so does a word; a merge of
 * rank 0 joins a word's last byte and that space, all others follow.
 *
 * The ids are those of charbpe.h for words that hold no white space and, but
 * for an apostrophe, no letters beside signs: what CLIP's pattern cuts.
 *
 * Read next: charbpe.h.
 */
#ifndef MEDVL_TEXT_WORDBPE_H
#define MEDVL_TEXT_WORDBPE_H

#include "lib/text/bpe.h"

/* What ends a word in the vocabulary's spelling. */
#define MEDVL_WORD_END "</w>"

/*
 * The tokens of `vocab`, which spells bytes as tokenizer.json does; *out is
 * NULL, and nothing wrong, when a byte has no token or none at a word's end.
 */
int medvl_wordbpe_new(struct medvl_bpe **out, const struct medvl_bpe *vocab,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * A merge of two tokens as they are spelled, `rank` rising from 1.  Those
 * that no word can come to are left out.  MEDVL_EFORMAT: they make what is
 * no token.
 */
int medvl_wordbpe_add_merge(struct medvl_bpe *words, uint32_t rank,
                            struct medvl_span left, struct medvl_span right,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
