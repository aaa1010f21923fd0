/*
 * MDS shards: a folder of binary files and an index.json, as
 * mosaicml-streaming writes and reads them (format version 2).
 *
 * A shard file, packed by zstd or not, is
 *
 *   uint32 count, uint32 offset[count + 1], configuration as JSON, samples
 *
 * little-endian, offsets from the start of the file.  A sample is one uint32
 * length for each column without a fixed size, then the columns' bytes,
 * columns sorted by name.  index.json gives each file's name, size, XXH64
 * and number of samples.
 *
 * The functions here know columns, not records; what medvl puts into them
 * is said at the end.
 *
 * Source: mosaicml-streaming 0.13.0, streaming/base/format; tests compare
 * with it value by value in both directions, and unpacked bytes are equal.
 *
 * Read next: shard_mds_block.h, shard_mds_index.h, then source.h.
 */
#ifndef MEDVL_DATA_SHARD_MDS_H
#define MEDVL_DATA_SHARD_MDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/pool.h"
#include "lib/base/text.h"

/*
 * Bytes of the largest shard, unpacked, that is written, or read from a
 * packed file.  A reader must hold a whole unpacked shard, so the bound
 * keeps a lying index from taking the machine's memory.
 */
#define MEDVL_MDS_SHARD_MAX ((int64_t)256 << 20)

/* Columns of a sample; at most this many. */
#define MEDVL_MDS_COLUMNS_MAX 64

struct medvl_mds_column {
    const char *name;     /* printable ASCII without '"' and '\\' */
    const char *encoding; /* "json", "bytes", "ndarray:int32", ... */
    int64_t size;         /* bytes of every value; 0: each has its own */
};

/* ---- writing --------------------------------------------------------- */

struct medvl_mds_options {
    int level;               /* of zstd, 1..19; 0: 3, streaming's own */
    bool plain;              /* not packed at all */
    int64_t size_limit;      /* bytes of a shard, unpacked; 0: 64 MiB */
    bool overwrite;          /* a shard folder of this name is replaced */
    struct medvl_pool *pool; /* packs several shards at once; may be NULL */
};

struct medvl_mds_writer;

/*
 * Start a folder of shards.  Files go to a folder of the writer's own,
 * FOLDER.tmp-NUMBER, which medvl_mds_writer_close renames.
 *
 *   folder    MEDVL_EARG when it is there and not empty; with `overwrite`
 *             only when it has no index.json
 *   columns   `count` of them, 1..MEDVL_MDS_COLUMNS_MAX, sorted by name
 *   options   borrowed; the pool must outlive the writer
 *
 * The bytes depend on the samples, `level`, `plain`, `size_limit` and the
 * version of zstd; never on the pool or on `folder`.
 */
int medvl_mds_writer_open(struct medvl_mds_writer **out, const char *folder,
                          const struct medvl_mds_column *columns, int count,
                          const struct medvl_mds_options *options,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Add a sample: one value a column, in the columns' order, copied.  A shard
 * is closed when this sample would take it past `size_limit`; a sample
 * larger than that stands alone.  MEDVL_EARG when a sample is larger than
 * MEDVL_MDS_SHARD_MAX or a value is not of its column's fixed size; the
 * writer can then go on with another sample.
 */
int medvl_mds_writer_put(struct medvl_mds_writer *writer,
                         const struct medvl_span *values,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write what is left and index.json, sync, give the folder its name, free.
 * The writer is gone whatever is returned; on failure its files are too and
 * an older FOLDER stays as it was.  MEDVL_EARG when there is no sample.
 */
int medvl_mds_writer_close(struct medvl_mds_writer *writer,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Give up: remove what was written and free. */
void medvl_mds_writer_free(struct medvl_mds_writer *writer);

/* ---- reading --------------------------------------------------------- */

struct medvl_mds;

/*
 * Open a folder of shards: reads and checks index.json.  Every shard must
 * be version 2, packed by zstd or not at all, with the same columns, and
 * its file must lie in the folder.  MEDVL_EARG when the folder has no
 * index.json, MEDVL_EFORMAT for anything wrong in it.
 *
 *   memory   bytes of unpacked shards to keep; 0: MEDVL_MDS_SHARD_MAX.  The
 *            shard in use is kept whatever its size
 *
 * One thread at a time uses a reader; open one for each.
 */
int medvl_mds_open(struct medvl_mds **out, const char *folder, size_t memory,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_mds_free(struct medvl_mds *mds);

int64_t medvl_mds_count(const struct medvl_mds *mds); /* samples, over 0 */
int medvl_mds_column_count(const struct medvl_mds *mds);
const struct medvl_mds_column *medvl_mds_columns(const struct medvl_mds *mds);
const char *medvl_mds_folder(const struct medvl_mds *mds);

/* XXH3-128 of index.json, 32 hex digits: names all that the folder holds. */
const char *medvl_mds_hash(const struct medvl_mds *mds);

/*
 * The number of the column `name`; MEDVL_EFORMAT when it is not there or
 * has another encoding.
 */
int medvl_mds_find(int *column, const struct medvl_mds *mds, const char *name,
                   const char *encoding,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Shards are consecutive runs of samples.  A loader that shuffles within a
 * few shards at a time, rather than over all, unpacks each shard once.
 *
 *   first   number of the shard's first sample; shard_count gives the end
 */
int64_t medvl_mds_shard_count(const struct medvl_mds *mds);
int64_t medvl_mds_shard_first(const struct medvl_mds *mds, int64_t shard);

/*
 * Get sample `index`: one span a column.  The spans belong to the reader
 * and stay until its next medvl_mds_read; they are not aligned.
 *
 * The shard's file is mapped or unpacked at its first use, and its size,
 * XXH64 (packed and unpacked, where the index has them) and table of
 * offsets are checked then: MEDVL_EFORMAT naming the file.  MEDVL_EARG when
 * `index` is outside [0, medvl_mds_count).
 */
int medvl_mds_read(struct medvl_span *values, struct medvl_mds *mds,
                   int64_t index, struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- values ---------------------------------------------------------- */

/*
 * Append `count` items (at least 1: MDS has no empty array) of `size` bytes
 * as an array of one dimension: the encodings "ndarray:int32" and so on.
 */
int medvl_mds_array_write(struct medvl_text *out, const void *items,
                          size_t count, size_t size,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The items of such an array: `items` points into `value` and is not
 * aligned (memcpy from it).  MEDVL_EFORMAT when the header lies or the
 * array has more than one dimension.
 */
int medvl_mds_array_read(struct medvl_span *items, size_t *count,
                         struct medvl_span value, size_t size,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- medvl's columns ------------------------------------------------- */

/*
 * What medvl-shard writes and the trainer reads, in this order:
 *
 *   images     bytes          uint32 count, then for each picture a uint32
 *                             length and the file's own bytes
 *   loss_mask  ndarray:uint8  one a token, 0 or 1
 *   record     json           the record without tokens and loss_mask; its
 *                             images have "hash" and neither path nor data
 *   tokens     ndarray:int32  at least one
 */
enum medvl_mds_field {
    MEDVL_MDS_IMAGES,
    MEDVL_MDS_LOSS_MASK,
    MEDVL_MDS_RECORD,
    MEDVL_MDS_TOKENS,
    MEDVL_MDS_FIELDS,
};
extern const struct medvl_mds_column medvl_mds_record[MEDVL_MDS_FIELDS];

/*
 * Open a folder that must have these columns; medvl_mds_read's values then
 * are indexed by enum medvl_mds_field.  MEDVL_EFORMAT when a column is
 * missing, has another encoding, or one is there that this does not know.
 */
int medvl_mds_open_records(struct medvl_mds **out, const char *folder,
                           size_t memory,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The tokens and mask of a sample that was read: appended to arrays grown
 * as by medvl_grow, `*count` items each before and after.  MEDVL_EFORMAT
 * when their numbers differ or the mask holds another value than 0 and 1.
 */
int medvl_mds_tokens(int32_t **tokens, size_t *token_room,
                     uint8_t **mask, size_t *mask_room, size_t *count,
                     const struct medvl_span *values,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Pictures of the column "images": how many, and the n-th one's bytes.
 * MEDVL_EFORMAT when the counts and lengths do not fill the value exactly;
 * MEDVL_EARG when there is no n-th.
 */
int medvl_mds_picture_count(int64_t *count, struct medvl_span images,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_mds_picture(struct medvl_span *out, struct medvl_span images,
                      int64_t n, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
