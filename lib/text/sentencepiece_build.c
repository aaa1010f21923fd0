/*
 * A model's pieces as what encodes with them.
 *
 * BPE becomes the byte-pair encoder of bpe.h, as it is said there of
 * characters.  SentencePiece joins the two neighbours that give the best
 * piece: one can come of any two that spell it, with the rank of its score,
 * leftmost first among equals.  A character that is no piece may be part of
 * one; what is no piece at the end is spelled in byte pieces or unknown.
 *
 * Read next: sentencepiece_encode.c.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/sentencepiece_part.h"

/* Bytes of a piece at most: of a merged one they are squared, of a user's
 * times the text. */
#define PIECE_BYTES 1024

/* ---- user pieces -------------------------------------------------------- */

static int make_users(struct medvl_sentencepiece *model,
                      struct medvl_error *err)
{
    const int32_t size = model->info.size;
    struct medvl_span *keys = NULL;
    size_t count = 0;
    int rc;

    for (int32_t id = 0; id < size; id++)
        count += model->pieces[id].type == MEDVL_PIECE_USER;
    if (count == 0)
        return MEDVL_OK;
    keys = medvl_alloc(count, sizeof(*keys));
    model->user_ids = medvl_alloc(count, sizeof(*model->user_ids));
    if (!keys || !model->user_ids) {
        medvl_free(keys);
        return medvl_no_memory(err);
    }
    count = 0;
    for (int32_t id = 0; id < size; id++) {
        if (model->pieces[id].type == MEDVL_PIECE_USER)
            model->user_ids[count++] = id;
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = medvl_sentencepiece_piece(model, model->user_ids[i]);
        if (keys[i].size > PIECE_BYTES) {
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                            "a user's piece of %zu bytes; at most %d are "
                            "looked for",
                            keys[i].size, PIECE_BYTES);
            medvl_free(keys);
            return rc;
        }
    }
    rc = medvl_trie_new(&model->users_typed, keys, count, err);
    for (size_t i = 0; i < count; i++)
        keys[i] = medvl_sentencepiece_plain(model, model->user_ids[i]);
    if (rc == MEDVL_OK)
        rc = medvl_trie_new(&model->users, keys, count, err);
    medvl_free(keys);
    return rc;
}

/* ---- BPE ---------------------------------------------------------------- */

/* The encoder being made. */
struct build {
    struct medvl_sentencepiece *model;
    struct medvl_bpe *bpe;
    float *scores; /* different ones, best first */
    size_t score_count;
    int32_t next; /* id for what is no piece */
};

/* What a text can hold of the piece and merges give; else empty. */
static struct medvl_span mergeable(const struct medvl_sentencepiece *model,
                                   int32_t id)
{
    if (model->pieces[id].type != MEDVL_PIECE_NORMAL)
        return (struct medvl_span){"", 0};
    return medvl_sentencepiece_plain(model, id);
}

static int compare_scores(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x > y ? -1 : x < y;
}

static int rank_scores(struct build *build, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = build->model;
    size_t count = (size_t)model->info.size;
    size_t kept = 0;

    build->scores = medvl_alloc(count, sizeof(*build->scores));
    if (!build->scores)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count; i++)
        build->scores[i] = model->pieces[i].score;
    qsort(build->scores, count, sizeof(*build->scores), compare_scores);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || build->scores[i] != build->scores[kept - 1])
            build->scores[kept++] = build->scores[i];
    }
    build->score_count = kept;
    return MEDVL_OK;
}

/* 1 for the best score; 0 is for what makes characters. */
static uint32_t rank_of(const struct build *build, float score)
{
    size_t low = 0;
    size_t high = build->score_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (build->scores[middle] > score)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low + 1;
}

/* Every byte is a token: a piece of one character, a byte piece, or not. */
static int add_bytes(struct build *build, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = build->model;
    int rc = MEDVL_OK;

    for (int i = 0; i < 256 && rc == MEDVL_OK; i++) {
        const char byte = (char)i;
        const struct medvl_span bytes = {&byte, 1};
        const bool space = i == ' ' && model->info.escape_whitespaces;

        if (model->byte_ids[i] < 0 || space)
            rc = medvl_bpe_add_other(build->bpe, &build->next, bytes, err);
        else if (medvl_bpe_id(build->bpe, bytes) < 0)
            rc = medvl_bpe_add_token(build->bpe, model->byte_ids[i], bytes,
                                     err);
    }
    return rc;
}

/* All ways to put a piece together. */
static int add_merges(struct build *build, struct medvl_span piece,
                      uint32_t rank, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (piece.size > PIECE_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a piece of %zu bytes; at most %d are merged",
                          piece.size, PIECE_BYTES);
    for (size_t i = 1; i < piece.size && rc == MEDVL_OK; i++) {
        const struct medvl_span left = {piece.data, i};
        const struct medvl_span right = {piece.data + i, piece.size - i};

        if ((*right.data & 0xC0) == 0x80 ||
            medvl_bpe_id(build->bpe, left) < 0 ||
            medvl_bpe_id(build->bpe, right) < 0)
            continue;
        rc = medvl_bpe_add_ranked(build->bpe, rank, left, right, err);
    }
    return rc;
}

static int fill_bpe(struct build *build, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = build->model;
    const int32_t size = model->info.size;
    int rc = MEDVL_OK;

    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++) {
        const struct medvl_span piece = mergeable(model, id);

        if (model->pieces[id].type == MEDVL_PIECE_UNUSED)
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "piece %d is an unused one, in a BPE model",
                              id);
        if (piece.size > 0)
            rc = medvl_bpe_add_token(build->bpe, id, piece, err);
    }
    if (rc == MEDVL_OK)
        rc = add_bytes(build, err);
    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++)
        rc = medvl_bpe_add_characters(build->bpe, &build->next,
                                      mergeable(model, id), err);
    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++)
        rc = add_merges(build, mergeable(model, id),
                        rank_of(build, model->pieces[id].score), err);
    return rc;
}

static int make_bpe(struct medvl_sentencepiece *model,
                    struct medvl_error *err)
{
    const size_t size = (size_t)model->info.size;
    struct build build = {.model = model, .next = model->info.size};
    int rc = medvl_bpe_new(&model->bpe, size + size / 2, size * 4, false,
                           err);

    build.bpe = model->bpe;
    if (rc == MEDVL_OK)
        rc = rank_scores(&build, err);
    if (rc == MEDVL_OK)
        rc = fill_bpe(&build, err);
    medvl_free(build.scores);
    return rc;
}

/* ---- Unigram ------------------------------------------------------------ */

/* SentencePiece's score of a user piece, that it should always win. */
static float user_score(struct medvl_span piece)
{
    return (float)(0.1 * ((double)piece.size - 1));
}

static int make_unigram(struct medvl_sentencepiece *model,
                        struct medvl_error *err)
{
    struct medvl_unigram_options options = {
        .unk = model->info.unk,
        .byte_fallback = model->info.byte_fallback,
        .single = true,
    };
    float least = FLT_MAX;
    int rc = medvl_unigram_new(&model->unigram, err);

    for (int32_t id = 0; id < model->info.size; id++) {
        if (model->pieces[id].type == MEDVL_PIECE_NORMAL)
            least = fminf(least, model->pieces[id].score);
    }
    for (int32_t id = 0; id < model->info.size && rc == MEDVL_OK; id++) {
        const enum medvl_piece_type type = model->pieces[id].type;
        const struct medvl_span piece = medvl_sentencepiece_plain(model, id);

        if (type == MEDVL_PIECE_NORMAL || type == MEDVL_PIECE_USER)
            rc = medvl_unigram_add_token(
                model->unigram, piece,
                type == MEDVL_PIECE_USER ? user_score(piece)
                                         : model->pieces[id].score,
                err);
        else
            rc = medvl_unigram_add_hidden(
                model->unigram, medvl_sentencepiece_piece(model, id), err);
    }
    options.unk_score = least - 10.0F;
    if (rc == MEDVL_OK)
        rc = medvl_unigram_finish(model->unigram, &options, err);
    /* Its fallback would spell a space, where U+2581 is meant. */
    if (rc == MEDVL_OK && options.byte_fallback &&
        model->info.escape_whitespaces &&
        medvl_unigram_id(model->unigram, medvl_span(" ")) < 0)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "a Unigram model with byte fallback and no piece "
                        "for the space");
    return rc;
}

int medvl_sentencepiece_prepare(struct medvl_sentencepiece *model,
                                struct medvl_error *err)
{
    const int rc = make_users(model, err);

    if (rc < 0)
        return rc;
    return model->info.unigram ? make_unigram(model, err)
                               : make_bpe(model, err);
}
