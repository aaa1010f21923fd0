/*
 * The values of samples: see shard_mds.h, "values" and "medvl's columns".
 *
 * Read next: source.c.
 */
#include "lib/data/shard_mds.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/shard_mds_block.h"

const struct medvl_mds_column medvl_mds_record[MEDVL_MDS_FIELDS] = {
    [MEDVL_MDS_IMAGES] = {"images", "bytes", 0},
    [MEDVL_MDS_LOSS_MASK] = {"loss_mask", "ndarray:uint8", 0},
    [MEDVL_MDS_RECORD] = {"record", "json", 0},
    [MEDVL_MDS_TOKENS] = {"tokens", "ndarray:int32", 0},
};

/*
 * One byte: dimensions << 2 | log2 of the bytes of a dimension; then the
 * dimensions; then the items.
 */
int medvl_mds_array_write(struct medvl_text *out, const void *items,
                          size_t count, size_t size, struct medvl_error *err)
{
    const int width = (count >= 1 << 8) + (count >= 1 << 16);
    char head[5] = {(char)(1 << 2 | width)};
    size_t bytes;
    int rc;

    if (count < 1 || count > UINT32_MAX ||
        !medvl_size_mul(&bytes, count, size))
        return medvl_fail(err, MEDVL_EARG, "an array of %zu items", count);
    for (int i = 0; i < 1 << width; i++)
        head[1 + i] = (char)(count >> 8 * i & 255);
    rc = medvl_text_reserve(out, sizeof(head) + bytes, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, head, 1 + ((size_t)1 << width), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, items, bytes, err);
    return rc;
}

int medvl_mds_array_read(struct medvl_span *items, size_t *count,
                         struct medvl_span value, size_t size,
                         struct medvl_error *err)
{
    const unsigned char *data = (const unsigned char *)value.data;
    size_t width, left;
    uint64_t n = 0;

    if (value.size < 1)
        return medvl_fail(err, MEDVL_EFORMAT, "array without a header");
    if (data[0] >> 2 != 1)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "array of %d dimensions, want 1", data[0] >> 2);
    width = (size_t)1 << (data[0] & 3);
    if (value.size < 1 + width)
        return medvl_fail(err, MEDVL_EFORMAT, "array cut in its header");
    for (size_t i = 0; i < width; i++)
        n |= (uint64_t)data[1 + i] << 8 * i;
    left = value.size - 1 - width;
    if (left % size || n != left / size)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "array says %" PRIu64 " items, has %zu bytes", n,
                          left);
    items->data = value.data + 1 + width;
    items->size = left;
    *count = (size_t)n;
    return MEDVL_OK;
}

int medvl_mds_open_records(struct medvl_mds **out, const char *folder,
                           size_t memory, struct medvl_error *err)
{
    struct medvl_mds *mds;
    int rc = medvl_mds_open(&mds, folder, memory, err);

    *out = NULL;
    for (int i = 0; i < MEDVL_MDS_FIELDS && rc == MEDVL_OK; i++) {
        int column = 0;

        rc = medvl_mds_find(&column, mds, medvl_mds_record[i].name,
                            medvl_mds_record[i].encoding, err);
        if (rc == MEDVL_OK &&
            (column != i || medvl_mds_column_count(mds) != MEDVL_MDS_FIELDS ||
             medvl_mds_columns(mds)[i].size))
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "%s: want the columns images, loss_mask, record "
                            "and tokens alone",
                            folder);
    }
    if (rc < 0) {
        medvl_mds_free(mds);
        return rc;
    }
    *out = mds;
    return MEDVL_OK;
}

int medvl_mds_tokens(int32_t **tokens, size_t *token_room,
                     uint8_t **mask, size_t *mask_room, size_t *count,
                     const struct medvl_span *values,
                     struct medvl_error *err)
{
    struct medvl_span ids, bits;
    size_t n, m;
    int rc;

    rc = medvl_mds_array_read(&ids, &n, values[MEDVL_MDS_TOKENS], 4, err);
    if (rc < 0)
        return medvl_context(err, "tokens");
    rc = medvl_mds_array_read(&bits, &m, values[MEDVL_MDS_LOSS_MASK], 1, err);
    if (rc < 0)
        return medvl_context(err, "loss_mask");
    if (n != m)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%zu tokens and a loss mask of %zu", n, m);
    for (size_t i = 0; i < m; i++)
        if ((unsigned char)bits.data[i] > 1)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "loss_mask: %d at %zu, want 0 or 1",
                              (unsigned char)bits.data[i], i);
    rc = medvl_grow(tokens, token_room, *count + n, sizeof(**tokens), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(mask, mask_room, *count + n, sizeof(**mask), err);
    if (rc < 0)
        return rc;
    if (n) {
        memcpy(*tokens + *count, ids.data, ids.size);
        memcpy(*mask + *count, bits.data, bits.size);
    }
    *count += n;
    return MEDVL_OK;
}

static int bad_pictures(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT,
                      "images: the lengths do not add up");
}

int medvl_mds_picture_count(int64_t *count, struct medvl_span images,
                            struct medvl_error *err)
{
    size_t left, at = 4;
    uint32_t n;

    if (images.size < 4)
        return bad_pictures(err);
    n = medvl_mds_u32(images.data);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size;

        left = images.size - at;
        if (left < 4)
            return bad_pictures(err);
        size = medvl_mds_u32(images.data + at);
        if (size > left - 4)
            return bad_pictures(err);
        at += 4 + (size_t)size;
    }
    if (at != images.size)
        return bad_pictures(err);
    *count = n;
    return MEDVL_OK;
}

int medvl_mds_picture(struct medvl_span *out, struct medvl_span images,
                      int64_t n, struct medvl_error *err)
{
    const char *at = images.data + 4;
    int64_t count;
    int rc = medvl_mds_picture_count(&count, images, err);

    if (rc < 0)
        return rc;
    if (n < 0 || n >= count)
        return medvl_fail(err, MEDVL_EARG,
                          "picture %" PRId64 ", the record has %" PRId64, n,
                          count);
    for (int64_t i = 0; i < n; i++)
        at += 4 + (size_t)medvl_mds_u32(at);
    out->data = at + 4;
    out->size = medvl_mds_u32(at);
    return MEDVL_OK;
}
