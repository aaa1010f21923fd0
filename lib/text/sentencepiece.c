/*
 * The pieces of a model: checked as SentencePiece does it, found by their
 * spelling, and shown as text.
 *
 * Read next: sentencepiece_read.c.
 */
#include "lib/text/sentencepiece.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/sentencepiece_part.h"

/* ---- the pieces --------------------------------------------------------- */

struct medvl_span
medvl_sentencepiece_piece(const struct medvl_sentencepiece *model,
                          int32_t id)
{
    if (id < 0 || id >= model->info.size)
        return (struct medvl_span){0};
    return (struct medvl_span){model->blob.data + model->pieces[id].offset,
                               model->pieces[id].size};
}

struct medvl_span
medvl_sentencepiece_plain(const struct medvl_sentencepiece *model,
                          int32_t id)
{
    const struct piece *piece = &model->pieces[id];

    if (!model->info.escape_whitespaces)
        return medvl_sentencepiece_piece(model, id);
    if (memchr(model->blob.data + piece->offset, ' ', piece->size))
        return (struct medvl_span){"", 0};
    return (struct medvl_span){model->blob.data + piece->plain,
                               piece->plain_size};
}

enum medvl_piece_type
medvl_sentencepiece_type(const struct medvl_sentencepiece *model,
                         int32_t id)
{
    return id >= 0 && id < model->info.size ? model->pieces[id].type
                                            : MEDVL_PIECE_UNKNOWN;
}

static bool is_reserved(enum medvl_piece_type type)
{
    return type == MEDVL_PIECE_UNKNOWN || type == MEDVL_PIECE_CONTROL ||
           type == MEDVL_PIECE_BYTE;
}

/*
 * The slot of a piece, reserved or not, or the free one where it belongs: a
 * control piece may be spelled like a piece of text.
 */
static size_t find_slot(const struct medvl_sentencepiece *model,
                        struct medvl_span spelling, bool reserved)
{
    const size_t mask = model->table_size - 1;
    size_t i = medvl_hash64(spelling.data, spelling.size) & mask;

    for (; model->table[i]; i = (i + 1) & mask) {
        const int32_t id = model->table[i] - 1;

        if (is_reserved(model->pieces[id].type) == reserved &&
            medvl_span_equal(medvl_sentencepiece_piece(model, id),
                             spelling))
            break;
    }
    return i;
}

int32_t medvl_sentencepiece_id(const struct medvl_sentencepiece *model,
                               struct medvl_span piece)
{
    const int32_t id = model->table[find_slot(model, piece, true)] - 1;

    return id >= 0 ? id : model->table[find_slot(model, piece, false)] - 1;
}

struct medvl_span
medvl_sentencepiece_bytes(const struct medvl_sentencepiece *model,
                          int32_t id)
{
    const struct piece *piece = NULL;

    if (id < 0 || id >= model->info.size)
        return (struct medvl_span){0};
    piece = &model->pieces[id];
    if (piece->type == MEDVL_PIECE_CONTROL)
        return (struct medvl_span){"", 0};
    if (piece->type == MEDVL_PIECE_UNKNOWN)
        return model->info.unk_shown;
    return (struct medvl_span){model->blob.data + piece->plain,
                               piece->plain_size};
}

/* The byte that "<0x41>" stands for, or -1. */
static int piece_byte(struct medvl_span spelling)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    const char *high, *low;

    if (spelling.size != 6 || memcmp(spelling.data, "<0x", 3) != 0 ||
        spelling.data[5] != '>')
        return -1;
    high = memchr(DIGITS, spelling.data[3], 16);
    low = memchr(DIGITS, spelling.data[4], 16);
    return high && low ? (int)((high - DIGITS) << 4 | (low - DIGITS)) : -1;
}

/* Check a piece as SentencePiece does, and give a byte piece its byte. */
static int check_piece(struct medvl_sentencepiece *model, int32_t id,
                       struct medvl_error *err)
{
    struct piece *piece = &model->pieces[id];
    int byte;

    if (piece->type == MEDVL_PIECE_UNKNOWN) {
        if (model->info.unk >= 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "pieces %d and %d are both the unknown one",
                              model->info.unk, id);
        model->info.unk = id;
    }
    if (piece->type != MEDVL_PIECE_BYTE)
        return MEDVL_OK;
    byte = piece_byte(medvl_sentencepiece_piece(model, id));
    if (byte < 0 || !model->info.byte_fallback)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "piece %d is a byte, but %s", id,
                          byte < 0 ? "is not spelled as one"
                                   : "the model has no byte fallback");
    model->byte_ids[byte] = id;
    model->blob.data[piece->plain] = (char)byte;
    piece->plain_size = 1;
    return MEDVL_OK;
}

static int index_pieces(struct medvl_sentencepiece *model,
                        struct medvl_error *err)
{
    model->table_size = 64;
    while (model->table_size / 2 < (size_t)model->info.size)
        model->table_size *= 2;
    model->table = medvl_alloc(model->table_size, sizeof(*model->table));
    if (!model->table)
        return medvl_no_memory(err);
    for (int32_t id = 0; id < model->info.size; id++) {
        const size_t slot = find_slot(
            model, medvl_sentencepiece_piece(model, id),
            is_reserved(model->pieces[id].type));
        const int rc = check_piece(model, id, err);

        if (rc < 0)
            return rc;
        if (model->table[slot])
            return medvl_fail(err, MEDVL_EFORMAT,
                              "pieces %d and %d are the same",
                              model->table[slot] - 1, id);
        model->table[slot] = id + 1;
    }
    if (model->info.unk < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "not a SentencePiece model (no piece is the "
                          "unknown one)");
    for (int i = 0; i < 256 && model->info.byte_fallback; i++) {
        if (model->byte_ids[i] < 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "byte fallback without <0x%02X>",
                              (unsigned)i);
    }
    return MEDVL_OK;
}

/* The control piece of this name, or -1. */
static int32_t control_id(const struct medvl_sentencepiece *model,
                          struct medvl_span name)
{
    const int32_t id = medvl_sentencepiece_id(model, name);

    return medvl_sentencepiece_type(model, id) == MEDVL_PIECE_CONTROL ? id
                                                                      : -1;
}

static int settle(struct medvl_spm_reading *reading, struct medvl_error *err)
{
    struct medvl_sentencepiece *model = reading->model;
    struct medvl_sentencepiece_info *info = &model->info;
    const size_t shown = model->blob.size;
    int rc;

    if (reading->model_type != 1 && reading->model_type != 2)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a SentencePiece model of type %u (1, unigram, "
                          "and 2, BPE, are built in)",
                          (unsigned)reading->model_type);
    info->unigram = reading->model_type == 1;
    rc = medvl_text_append(&model->blob, reading->unk_shown.data,
                           reading->unk_shown.size, err);
    if (rc == MEDVL_OK)
        rc = index_pieces(model, err);
    if (rc < 0)
        return rc;
    info->unk_shown = (struct medvl_span){model->blob.data + shown,
                                          reading->unk_shown.size};
    info->bos = control_id(model, reading->names[1]);
    info->eos = control_id(model, reading->names[2]);
    info->pad = control_id(model, reading->names[3]);
    if (reading->charsmap.size > 0)
        rc = medvl_charsmap_new(&model->map, reading->charsmap, err);
    return rc < 0 ? rc : medvl_sentencepiece_prepare(model, err);
}

int medvl_sentencepiece_new(struct medvl_sentencepiece **out,
                            struct medvl_span file, struct medvl_error *err)
{
    struct medvl_sentencepiece *model = medvl_alloc(1, sizeof(*model));
    struct medvl_spm_reading reading = {
        .model = model,
        .model_type = 1,
        .names = {medvl_span("<unk>"), medvl_span("<s>"),
                  medvl_span("</s>"), medvl_span("<pad>")},
        .unk_shown = medvl_span(" \xE2\x81\x87 "),
    };
    int rc;

    *out = NULL;
    if (!model)
        return medvl_no_memory(err);
    model->info = (struct medvl_sentencepiece_info){
        .add_dummy_prefix = true,
        .remove_extra_whitespaces = true,
        .escape_whitespaces = true,
        .unk = -1,
    };
    for (int i = 0; i < 256; i++)
        model->byte_ids[i] = -1;
    rc = medvl_sentencepiece_read(&reading, file, err);
    if (rc == MEDVL_OK)
        rc = settle(&reading, err);
    if (rc < 0) {
        medvl_sentencepiece_free(model);
        return rc;
    }
    *out = model;
    return MEDVL_OK;
}

void medvl_sentencepiece_free(struct medvl_sentencepiece *model)
{
    if (!model)
        return;
    medvl_text_release(&model->blob);
    medvl_free(model->pieces);
    medvl_free(model->table);
    medvl_charsmap_free(model->map);
    medvl_bpe_free(model->bpe);
    medvl_unigram_free(model->unigram);
    medvl_trie_free(model->users);
    medvl_trie_free(model->users_typed);
    medvl_free(model->user_ids);
    medvl_free(model);
}

const struct medvl_sentencepiece_info *
medvl_sentencepiece_info(const struct medvl_sentencepiece *model)
{
    return &model->info;
}
