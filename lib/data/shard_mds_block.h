/*
 * The bytes of one unpacked shard, which shard_mds.h pictures: built from
 * samples, and taken apart into them.  Files, hashes and packing are the
 * writer's and the reader's.
 *
 * Read next: shard_mds_block.c.
 */
#ifndef MEDVL_DATA_SHARD_MDS_BLOCK_H
#define MEDVL_DATA_SHARD_MDS_BLOCK_H

#include "lib/data/shard_mds.h"

/* A little-endian uint32, not aligned. */
static inline uint32_t medvl_mds_u32(const void *at)
{
    const unsigned char *b = at;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

/* ---- building -------------------------------------------------------- */

/* A shard that grows.  The caller sets the first three. */
struct medvl_mds_block {
    int64_t sizes[MEDVL_MDS_COLUMNS_MAX]; /* of columns; 0: each its own */
    int columns;
    struct medvl_text config; /* JSON, as it stands in the shard */

    struct medvl_text body; /* the samples so far */
    uint32_t *ends;         /* of each, in body */
    size_t samples, room;
};

void medvl_mds_block_release(struct medvl_mds_block *block);

/*
 * Bytes of the whole shard once a sample of `values` is added.  MEDVL_EARG
 * when a value is not of its column's fixed size, or the sample alone makes
 * a shard above MEDVL_MDS_SHARD_MAX.
 */
int medvl_mds_block_size(int64_t *size, const struct medvl_mds_block *block,
                         const struct medvl_span *values,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Add a sample that medvl_mds_block_size was content with. */
int medvl_mds_block_add(struct medvl_mds_block *block,
                        const struct medvl_span *values,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the shard to `out`; the block is empty then. */
int medvl_mds_block_build(struct medvl_text *out,
                          struct medvl_mds_block *block,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- taking apart ---------------------------------------------------- */

/*
 * Are there `samples` of them, with offsets that rise and stay inside?
 * MEDVL_EFORMAT when not.
 */
int medvl_mds_block_check(struct medvl_span shard, int64_t samples,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Sample `index` of a shard that was checked: one span a column, into
 * `shard`.  MEDVL_EFORMAT when the lengths do not add up, or the bytes have
 * changed since.
 */
int medvl_mds_block_get(struct medvl_span *values, struct medvl_span shard,
                        int64_t index, const struct medvl_mds_column *columns,
                        int count, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
