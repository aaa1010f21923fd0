/*
 * Lookup tables, and the bits of an item that are its value.
 *
 * Read next: dicom_grey.c.
 */
#include "lib/image/dicom_part.h"

#include <math.h>

#include "lib/base/mem.h"

void medvl_dicom_table_release(struct medvl_dicom_table *table)
{
    medvl_free(table->items);
    table->items = NULL;
}

static int read_descriptor(struct medvl_dicom_table *out,
                           const struct medvl_json *descriptor,
                           struct medvl_error *err)
{
    const double count = medvl_json_number(medvl_json_at(descriptor, 0), -1);
    const double first = medvl_json_number(medvl_json_at(descriptor, 1), NAN);
    const double bits = medvl_json_number(medvl_json_at(descriptor, 2), -1);

    /* A count is 16 bits that may have been read with a sign; 0 is 65536. */
    out->count = count == 0  ? 65536
                 : count < 0 ? (size_t)(count + 65536)
                             : (size_t)count;
    out->first = first;
    out->bits = (int)bits;
    if (!isfinite(first) || !(bits >= 8 && bits <= 16))
        return medvl_fail(err, MEDVL_EFORMAT, "the table is damaged");
    return MEDVL_OK;
}

int medvl_dicom_table_read(struct medvl_dicom_table *out,
                           const struct medvl_json *descriptor,
                           const struct medvl_json *data,
                           struct medvl_error *err)
{
    const size_t words = medvl_json_count(data);
    const struct medvl_json *item = medvl_json_first(data);
    const int rc = read_descriptor(out, descriptor, err);

    if (rc < 0)
        return rc;
    if (words != out->count && words != (out->count + 1) / 2)
        return medvl_fail(err, MEDVL_EFORMAT, "the table is damaged");
    out->items = medvl_alloc(out->count, sizeof(*out->items));
    if (!out->items)
        return medvl_no_memory(err);
    for (size_t i = 0; i < out->count; item = medvl_json_next(item)) {
        const unsigned word = (unsigned)medvl_json_number(item, 0);

        if (words == out->count) {
            out->items[i++] = (uint16_t)word;
            continue;
        }
        out->items[i++] = (uint16_t)(word & 255);
        if (i < out->count)
            out->items[i++] = (uint16_t)(word >> 8 & 255);
    }
    if (words != out->count && out->bits > 8)
        out->bits = 8;
    return MEDVL_OK;
}

/* ---- segments ----------------------------------------------------------- */

enum segment {
    DISCRETE, /* a number, so many values */
    LINEAR,   /* a number, the last value of so many */
    INDIRECT, /* a number of segments, at which byte they begin */
};

struct segments {
    uint16_t *fields; /* of 8 or 16 bits */
    size_t count, at;
    struct medvl_dicom_table *out;
    size_t made;
};

/* A discrete or linear segment; false where it is none. */
static bool expand_one(struct segments *s)
{
    const uint16_t *from = s->fields + s->at;
    const size_t size = s->at + 2 < s->count ? from[1] : 0;
    uint16_t *to = s->out->items + s->made;
    double last, step;

    if (!size || size > s->out->count - s->made)
        return false;
    s->made += size;
    if (from[0] == DISCRETE && size <= s->count - s->at - 2) {
        for (size_t i = 0; i < size; i++)
            to[i] = from[2 + i];
        s->at += 2 + size;
        return true;
    }
    if (from[0] != LINEAR || to == s->out->items)
        return false;
    last = to[-1];
    step = (from[2] - last) / (double)size;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint16_t)rint(last + step * (double)(i + 1));
    s->at += 3;
    return true;
}

static bool expand(struct segments *s, bool bytes)
{
    const size_t fields = bytes ? 4 : 2; /* of an offset */

    while (s->made < s->out->count) {
        const uint16_t *from = s->fields + s->at;
        const size_t next = s->at + 2 + fields;
        size_t at = 0;

        if (s->at + 2 >= s->count)
            return false;
        if (from[0] != INDIRECT) {
            if (!expand_one(s))
                return false;
            continue;
        }
        if (next > s->count || !s->made || !from[1])
            return false;
        for (size_t i = fields; i-- > 0;)
            at = at << (bytes ? 8 : 16) | from[2 + i];
        s->at = bytes ? at : at / 2;
        for (size_t i = from[1]; i-- > 0;)
            if (s->at >= s->count || !expand_one(s))
                return false;
        s->at = next;
    }
    return true;
}

int medvl_dicom_table_expand(struct medvl_dicom_table *out,
                             const struct medvl_json *descriptor,
                             const struct medvl_json *data,
                             struct medvl_error *err)
{
    struct segments s = {.out = out};
    int rc = read_descriptor(out, descriptor, err);
    const bool bytes = out->bits == 8;

    if (rc < 0)
        return rc;
    out->items = medvl_alloc(out->count, sizeof(*out->items));
    s.fields = medvl_alloc(medvl_json_count(data) * 2 + 1,
                           sizeof(*s.fields));
    if (!out->items || !s.fields)
        rc = medvl_no_memory(err);
    for (const struct medvl_json *item = medvl_json_first(data);
         item && rc == MEDVL_OK; item = medvl_json_next(item)) {
        const unsigned word = (unsigned)medvl_json_number(item, 0);

        s.fields[s.count++] = (uint16_t)(bytes ? word & 255 : word);
        if (bytes)
            s.fields[s.count++] = (uint16_t)(word >> 8 & 255);
    }
    if (rc == MEDVL_OK && !expand(&s, bytes))
        rc = medvl_fail(err, MEDVL_EFORMAT, "its segments are damaged");
    medvl_free(s.fields);
    return rc;
}

/* ---- values ------------------------------------------------------------- */

unsigned medvl_dicom_table_at(const struct medvl_dicom_table *table,
                              double value)
{
    const double at = floor(value - table->first);

    if (!(at > 0))
        return table->items[0];
    return table->items[at < (double)table->count ? (size_t)at
                                                  : table->count - 1];
}

int medvl_dicom_table_of(struct medvl_dicom_table *out,
                         const struct medvl_dicom *dicom,
                         const char *sequence, struct medvl_error *err)
{
    const struct medvl_json *item =
        medvl_json_first(medvl_json_get(dicom->tags, sequence));
    int rc;

    *out = (struct medvl_dicom_table){0};
    if (!item)
        return MEDVL_OK;
    rc = medvl_dicom_table_read(out, medvl_json_get(item, "LUTDescriptor"),
                                medvl_json_get(item, "LUTData"), err);
    return rc < 0 ? medvl_context(err, "%s", sequence) : rc;
}

/* ---- bits --------------------------------------------------------------- */

struct medvl_dicom_bits medvl_dicom_bits(const struct medvl_dicom *dicom)
{
    const enum medvl_voxel type = dicom->file.type;
    const int all = (int)medvl_voxel_bytes(type) * 8;
    const double bits = medvl_dicom_number(dicom, -1, "BitsStored", all);
    const double high = medvl_dicom_number(dicom, -1, "HighBit", bits - 1);
    struct medvl_dicom_bits out = {0};

    out.sign = medvl_dicom_number(dicom, -1, "PixelRepresentation", 0) == 1;
    if (type == MEDVL_VOXEL_F32 || type == MEDVL_VOXEL_F64)
        return out;
    out.bits = all;
    if (bits >= 1 && bits <= all && high >= bits - 1 && high < all) {
        out.bits = (int)bits;
        out.shift = (int)(high - bits + 1);
    }
    return out;
}

double medvl_dicom_stored(const struct medvl_dicom_bits *b, double value)
{
    int64_t v;

    if (!b->bits)
        return value;
    v = (int64_t)((uint64_t)(int64_t)value >> b->shift &
                  (((uint64_t)1 << b->bits) - 1));
    if (b->sign && v >> (b->bits - 1))
        v -= (int64_t)1 << b->bits;
    return (double)v;
}
