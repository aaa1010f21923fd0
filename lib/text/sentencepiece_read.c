/*
 * Reading a ModelProto.  Of protocol buffers it takes what the format needs:
 * fields one after the other, each a number, a wire type and a value;
 * messages within are spans of the same.
 *
 * Read next: sentencepiece_build.c.
 */
#include <math.h>
#include <string.h>

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

static int read_piece(struct medvl_spm_reading *reading,
                      struct medvl_span bytes,
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

static int read_trainer(struct medvl_spm_reading *reading,
                        struct medvl_span bytes,
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

static int read_normalizer(struct medvl_spm_reading *reading,
                           struct medvl_span bytes,
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

int medvl_sentencepiece_read(struct medvl_spm_reading *reading,
                             struct medvl_span file,
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
