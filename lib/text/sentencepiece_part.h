/*
 * What the files of SentencePiece share: sentencepiece.c has a model's
 * pieces, sentencepiece_read.c reads them, sentencepiece_build.c makes of
 * them what sentencepiece_encode.c encodes with.  Internal to them.
 *
 * They work on pieces and texts in which U+2581, the visible space, is a
 * space: the normaliser makes one of the other, so that in a model that
 * escapes spaces the two mean the same.
 */
#ifndef MEDVL_TEXT_SENTENCEPIECE_PART_H
#define MEDVL_TEXT_SENTENCEPIECE_PART_H

#include "lib/text/charsmap.h"
#include "lib/text/sentencepiece.h"
#include "lib/text/trie.h"
#include "lib/text/unigram.h"

#define VISIBLE_SPACE "\xE2\x96\x81"

struct piece {
    uint32_t offset, size;      /* its spelling, in `blob` */
    uint32_t plain, plain_size; /* with spaces, in `blob` */
    float score;
    enum medvl_piece_type type;
};

struct medvl_sentencepiece {
    struct medvl_sentencepiece_info info;
    struct medvl_text blob;
    struct piece *pieces;
    size_t capacity;
    int32_t *table; /* id + 1 by hash of the spelling; 0: free */
    size_t table_size;
    int32_t byte_ids[256];      /* of the byte pieces; -1 */
    struct medvl_charsmap *map; /* NULL: none */

    /* Of the encoder. */
    struct medvl_bpe *bpe;
    struct medvl_unigram *unigram;
    struct medvl_trie *users;       /* user pieces, as in normalised text */
    struct medvl_trie *users_typed; /* as in a text before that */
    int32_t *user_ids;              /* of both */
};

/*
 * A piece with spaces, as encoding sees it; empty when no text can hold it:
 * one with a space of its own in a model that escapes spaces.
 */
struct medvl_span
medvl_sentencepiece_plain(const struct medvl_sentencepiece *model,
                          int32_t id);

/* What is put together while reading. */
struct medvl_spm_reading {
    struct medvl_sentencepiece *model;
    struct medvl_span names[4]; /* unk, bos, eos, pad */
    struct medvl_span unk_shown, charsmap;
    uint64_t model_type;
};

/* Read the file's messages: pieces, settings, and what is to be settled. */
int medvl_sentencepiece_read(struct medvl_spm_reading *reading,
                             struct medvl_span file,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/* Make what the encoder works with, once the pieces are there. */
int medvl_sentencepiece_prepare(struct medvl_sentencepiece *model,
                                struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
