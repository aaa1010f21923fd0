/*
 * index.json of a folder of shards, read and checked: its columns, and what
 * it says of each file.  The files themselves are the reader's.
 *
 * Read next: shard_mds_write.c.
 */
#ifndef MEDVL_DATA_SHARD_MDS_INDEX_H
#define MEDVL_DATA_SHARD_MDS_INDEX_H

#include "lib/data/shard_mds.h"

/* Bytes of the largest index.json; about 15,000 shards. */
#define MEDVL_MDS_INDEX_MAX ((size_t)8 << 20)

struct medvl_mds_file {
    char *name; /* in the folder; NULL: there is none */
    int64_t bytes;
    char hash[17]; /* XXH64 in hex; empty: not known */
};

/* One shard. */
struct medvl_mds_entry {
    struct medvl_mds_file raw;    /* unpacked */
    struct medvl_mds_file packed; /* no name: the shard is not packed */
    int64_t first, samples;
};

struct medvl_mds_index {
    struct medvl_mds_column columns[MEDVL_MDS_COLUMNS_MAX];
    int column_count;
    struct medvl_mds_entry *entries;
    size_t entry_count;
    int64_t count; /* samples of all, above 0 */
};

/*
 * Fill a zeroed index from the file's `text`.  On failure it must be
 * released too; MEDVL_EFORMAT names the shard and the member.
 */
int medvl_mds_index_parse(struct medvl_mds_index *index,
                          struct medvl_span text,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_mds_index_release(struct medvl_mds_index *index);

#endif
