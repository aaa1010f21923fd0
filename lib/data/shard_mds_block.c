/*
 * The bytes of one shard: see shard_mds_block.h.
 *
 * Read next: shard_mds_index.h.
 */
#include "lib/data/shard_mds_block.h"

#include <inttypes.h>

#include "lib/base/mem.h"

/* ---- building -------------------------------------------------------- */

void medvl_mds_block_release(struct medvl_mds_block *block)
{
    medvl_text_release(&block->config);
    medvl_text_release(&block->body);
    medvl_free(block->ends);
}

static int put_u32(struct medvl_text *out, uint32_t value,
                   struct medvl_error *err)
{
    const unsigned char b[4] = {value & 255, value >> 8 & 255,
                                value >> 16 & 255, value >> 24};

    return medvl_text_append(out, b, 4, err);
}

/* Bytes of a shard before its samples: count, offsets, configuration. */
static int64_t head_size(const struct medvl_mds_block *block, size_t samples)
{
    return 4 + 4 * ((int64_t)samples + 1) + (int64_t)block->config.size;
}

int medvl_mds_block_size(int64_t *size, const struct medvl_mds_block *block,
                         const struct medvl_span *values,
                         struct medvl_error *err)
{
    const int64_t most = MEDVL_MDS_SHARD_MAX - head_size(block, 1);
    int64_t sample = 0;

    for (int i = 0; i < block->columns; i++) {
        const int64_t fixed = block->sizes[i];

        if (fixed && values[i].size != (size_t)fixed)
            return medvl_fail(err, MEDVL_EARG,
                              "column %d: %zu bytes, want %" PRId64, i,
                              values[i].size, fixed);
        if (values[i].size > (size_t)most ||
            sample + (int64_t)values[i].size + 4 > most)
            return medvl_fail(err, MEDVL_EARG,
                              "the sample is larger than a shard may be "
                              "(%" PRId64 " bytes)",
                              most);
        sample += (int64_t)values[i].size + (fixed ? 0 : 4);
    }
    *size = head_size(block, block->samples + 1) +
            (int64_t)block->body.size + sample;
    return MEDVL_OK;
}

int medvl_mds_block_add(struct medvl_mds_block *block,
                        const struct medvl_span *values,
                        struct medvl_error *err)
{
    const size_t before = block->body.size;
    int rc;

    rc = medvl_grow(&block->ends, &block->room, block->samples + 1,
                    sizeof(*block->ends), err);
    for (int i = 0; i < block->columns && rc == MEDVL_OK; i++)
        if (!block->sizes[i])
            rc = put_u32(&block->body, (uint32_t)values[i].size, err);
    for (int i = 0; i < block->columns && rc == MEDVL_OK; i++)
        rc = medvl_text_append(&block->body, values[i].data, values[i].size,
                               err);
    if (rc == MEDVL_OK)
        block->ends[block->samples++] = (uint32_t)block->body.size;
    else
        block->body.size = before;
    return rc;
}

int medvl_mds_block_build(struct medvl_text *out,
                          struct medvl_mds_block *block,
                          struct medvl_error *err)
{
    const uint32_t start = (uint32_t)head_size(block, block->samples);
    int rc = medvl_text_reserve(out, start + block->body.size, err);

    if (rc == MEDVL_OK)
        rc = put_u32(out, (uint32_t)block->samples, err);
    if (rc == MEDVL_OK)
        rc = put_u32(out, start, err);
    for (size_t i = 0; i < block->samples && rc == MEDVL_OK; i++)
        rc = put_u32(out, start + block->ends[i], err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, block->config.data, block->config.size,
                               err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, block->body.data, block->body.size, err);
    if (rc < 0)
        return rc;
    block->samples = 0;
    medvl_text_clear(&block->body);
    return MEDVL_OK;
}

/* ---- taking apart ---------------------------------------------------- */

int medvl_mds_block_check(struct medvl_span shard, int64_t samples,
                          struct medvl_error *err)
{
    const char *at = shard.data + 4;
    uint32_t low = (uint32_t)(8 + 4 * samples);

    if (shard.size < low || medvl_mds_u32(shard.data) != samples)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the index says %" PRId64 " samples, the file "
                          "does not",
                          samples);
    for (int64_t i = 0; i <= samples; i++, at += 4) {
        const uint32_t offset = medvl_mds_u32(at);

        if (offset < low || offset > shard.size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "sample %" PRId64 " at byte %" PRIu32
                              ", want %" PRIu32 " to %zu",
                              i, offset, low, shard.size);
        low = offset;
    }
    return MEDVL_OK;
}

/* Lengths of the columns without a fixed size come first, then all values. */
static bool split_sample(struct medvl_span *values, const char *data,
                         size_t size, const struct medvl_mds_column *columns,
                         int count)
{
    size_t at = 0, left;

    for (int i = 0; i < count; i++) {
        values[i].size = (size_t)columns[i].size;
        if (columns[i].size)
            continue;
        if (size - at < 4)
            return false;
        values[i].size = medvl_mds_u32(data + at);
        at += 4;
    }
    left = size - at;
    for (int i = 0; i < count; i++) {
        if (values[i].size > left)
            return false;
        values[i].data = data + at;
        at += values[i].size;
        left -= values[i].size;
    }
    return !left;
}

int medvl_mds_block_get(struct medvl_span *values, struct medvl_span shard,
                        int64_t index, const struct medvl_mds_column *columns,
                        int count, struct medvl_error *err)
{
    const char *entry = shard.data + 4 + 4 * index;
    const uint32_t begin = medvl_mds_u32(entry);
    const uint32_t end = medvl_mds_u32(entry + 4);

    if (begin > end || end > shard.size ||
        !split_sample(values, shard.data + begin, end - begin, columns,
                      count))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "sample %" PRId64 ": the lengths of its columns "
                          "do not add up",
                          index);
    return MEDVL_OK;
}
