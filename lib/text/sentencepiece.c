/*
 * Reading a ModelProto.  Of protocol buffers it takes what the format needs:
 * fields one after the other, each a number, a wire type and a value;
 * messages within are spans of the same.
 *
 * Read next: sentencepiece_build.c.
 */
#include "lib/text/sentencepiece.h"

#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/sentencepiece_part.h"

/* ---- protocol buffers --------------------------------------------------- */

struct reader {
    const unsigned char *at, *end;
};

/* A field: `value` of a number, `bytes` of a string or message. */
struct field {
    uint64_t number;
    uint64_t value;
    struct medvl_span bytes;
    int wire; /* 0 number, 1 eight bytes, 2 string, 5 four bytes */
};

static struct reader reader_of(struct medvl_span bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.data;

    return (struct reader){at, at + bytes.size};
}

static bool read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        unsigned char byte;

        if (reader->at == reader->end)
            return false;
        byte = *reader->at++;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool read_fixed(struct reader *reader, uint64_t *value, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)reader->at[i] << 8 * i;
    reader->at += size;
    return true;
}

static bool read_bytes(struct reader *reader, struct field *field)
{
    uint64_t size;

    if (!read_varint(reader, &size) ||
        size > (uint64_t)(reader->end - reader->at))
        return false;
    field->bytes = (struct medvl_span){(const char *)reader->at,
                                       (size_t)size};
    reader->at += size;
    return true;
}

/* The next field: 1, 0 at the end, or MEDVL_EFORMAT. */
static int next_field(struct reader *reader, struct field *field,
                      struct medvl_error *err)
{
    uint64_t tag;
    bool fine;

    if (reader->at == reader->end)
        return 0;
    *field = (struct field){0};
    fine = read_varint(reader, &tag) && tag >> 3 != 0 &&
           tag >> 3 < UINT64_C(1) << 29;
    field->number = tag >> 3;
    field->wire = (int)(tag & 7);
    if (fine && field->wire == 0)
        fine = read_varint(reader, &field->value);
    else if (fine && field->wire == 1)
        fine = read_fixed(reader, &field->value, 8);
    else if (fine && field->wire == 2)
        fine = read_bytes(reader, field);
    else if (fine && field->wire == 5)
        fine = read_fixed(reader, &field->value, 4);
    else
        fine = false;
    if (fine)
        return 1;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "not a SentencePiece model (its fields cannot be "
                      "read)");
}

/* ---- the messages ------------------------------------------------------- */

/* What is put together while reading. */
struct reading {
    struct medvl_sentencepiece *model;
    struct medvl_span names[4]; /* unk, bos, eos, pad */
    struct medvl_span unk_shown, charsmap;
    uint64_t model_type;
};

static int expect(const struct field *field, int wire,
                  struct medvl_error *err)
{
    if (field->wire == wire)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "not a SentencePiece model (field %u is of another "
                      "kind)",
                      (unsigned)field->number);
}

static int read_flag(bool *out, const struct field *field,
                     struct medvl_error *err)
{
    *out = field->value != 0;
    return expect(field, 0, err);
}

static int read_name(struct medvl_span *out, const struct field *field,
                     struct medvl_error *err)
{
    *out = field->bytes;
    return expect(field, 2, err);
}

/* Append the spelling and, with spaces for U+2581, the plain form. */
static int keep_spelling(struct medvl_sentencepiece *model,
                         struct piece *piece, struct medvl_span spelling,
                         struct medvl_error *err)
{
    struct medvl_text *blob = &model->blob;
    int rc;

    if (spelling.size > INT32_MAX / 2 - blob->size / 2)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "pieces over 2 GiB");
    piece->offset = (uint32_t)blob->size;
    piece->size = (uint32_t)spelling.size;
    rc = medvl_text_append(blob, spelling.data, spelling.size, err);
    piece->plain = (uint32_t)blob->size;
    for (size_t at = 0; at < spelling.size && rc == MEDVL_OK;) {
        const bool space = spelling.size - at >= 3 &&
                           memcmp(spelling.data + at, VISIBLE_SPACE, 3) == 0;

        rc = medvl_text_putc(blob, space ? ' ' : spelling.data[at], err);
        at += space ? 3 : 1;
    }
    piece->plain_size = (uint32_t)blob->size - piece->plain;
    return rc;
}

static int read_piece(struct reading *reading, struct medvl_span bytes,
                      struct medvl_error *err)
{
    struct medvl_sentencepiece *model = reading->model;
    struct reader reader = reader_of(bytes);
    struct piece piece = {.type = MEDVL_PIECE_NORMAL};
    struct medvl_span spelling = {0};
    const int32_t id = model->info.size;
    struct field field;
    int rc;

    while ((rc = next_field(&reader, &field, err)) > 0) {
        if (field.number == 1) {
            rc = read_name(&spelling, &field, err);
        } else if (field.number == 2) {
            const uint32_t bits = (uint32_t)field.value;

            memcpy(&piece.score, &bits, sizeof(bits));
            rc = expect(&field, 5, err);
        } else if (field.number == 3) {
            rc = expect(&field, 0, err);
            if (rc == MEDVL_OK && (field.value < 1 || field.value > 6))
                rc = medvl_fail(err, MEDVL_EFORMAT,
                                "piece %d is of an unknown type", id);
            piece.type = (enum medvl_piece_type)field.value;
        }
        if (rc < 0)
            return rc;
    }
    if (rc < 0)
        return rc;
    if (spelling.size == 0 || !isfinite(piece.score) ||
        medvl_utf8_valid(spelling.data, spelling.size) != spelling.size)
        return medvl_fail(err, MEDVL_EFORMAT, "piece %d %s", id,
                          spelling.size == 0 ? "is empty"
                          : !isfinite(piece.score)
                              ? "has no finite score"
                              : "is not UTF-8");
    if (id >= MEDVL_BPE_IDS / 2)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d pieces",
                          MEDVL_BPE_IDS / 2);
    rc = keep_spelling(model, &piece, spelling, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&model->pieces, &model->capacity, (size_t)id + 1,
                        sizeof(piece), err);
    if (rc < 0)
        return rc;
    model->pieces[id] = piece;
    model->info.size++;
    return MEDVL_OK;
}

static int read_trainer(struct reading *reading, struct medvl_span bytes,
                        struct medvl_error *err)
{
    struct medvl_sentencepiece_info *info = &reading->model->info;
    struct reader reader = reader_of(bytes);
    struct field field;
    int rc;

    while ((rc = next_field(&reader, &field, err)) > 0) {
        if (field.number == 3) {
            reading->model_type = field.value;
            rc = expect(&field, 0, err);
        } else if (field.number == 24) {
            rc = read_flag(&info->whitespace_as_suffix, &field, err);
        } else if (field.number == 35) {
            rc = read_flag(&info->byte_fallback, &field, err);
        } else if (field.number == 44) {
            rc = read_name(&reading->unk_shown, &field, err);
        } else if (field.number >= 45 && field.number <= 48) {
            rc = read_name(&reading->names[field.number - 45], &field, err);
        }
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_normalizer(struct reading *reading, struct medvl_span bytes,
                           struct medvl_error *err)
{
    struct medvl_sentencepiece_info *info = &reading->model->info;
    struct reader reader = reader_of(bytes);
    struct field field;
    int rc;

    while ((rc = next_field(&reader, &field, err)) > 0) {
        if (field.number == 2)
            rc = read_name(&reading->charsmap, &field, err);
        else if (field.number == 3)
            rc = read_flag(&info->add_dummy_prefix, &field, err);
        else if (field.number == 4)
            rc = read_flag(&info->remove_extra_whitespaces, &field, err);
        else if (field.number == 5)
            rc = read_flag(&info->escape_whitespaces, &field, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int read_model(struct reading *reading, struct medvl_span file,
                      struct medvl_error *err)
{
    struct reader reader = reader_of(file);
    struct field field;
    int rc;

    while ((rc = next_field(&reader, &field, err)) > 0) {
        if (field.number > 3)
            continue;
        rc = expect(&field, 2, err);
        if (rc == MEDVL_OK && field.number == 1)
            rc = read_piece(reading, field.bytes, err);
        else if (rc == MEDVL_OK && field.number == 2)
            rc = read_trainer(reading, field.bytes, err);
        else if (rc == MEDVL_OK)
            rc = read_normalizer(reading, field.bytes, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

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

static int settle(struct reading *reading, struct medvl_error *err)
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
    struct reading reading = {
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
    rc = read_model(&reading, file, err);
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
