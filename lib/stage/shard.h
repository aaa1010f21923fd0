/*
 * Records to shards: the work of medvl-shard(1).
 *
 * Read next: score.h.
 */
#ifndef MEDVL_STAGE_SHARD_H
#define MEDVL_STAGE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/loop.h"

struct medvl_shard_options {
    const char *output; /* the folder to make; its parents are made too */
    const char *root;   /* picture paths are below it; NULL: here */
    int64_t size_limit; /* bytes of a shard, unpacked; 0: 64 MiB */
    int64_t level;      /* of zstd, 1..19; 0: 3 */
    bool plain;         /* no zstd */
    bool overwrite;     /* replace a shard folder of this name */
    bool shuffle;       /* records in an order drawn from `seed` */
    int64_t seed;
};

/*
 * The sink behind medvl-shard; its options are struct medvl_shard_options.
 *
 * A record needs "id" (unique) and "tokens" (integers from 0, at least one);
 * "loss_mask", where there, has as many, each 0 or 1; without it all are 1.
 * The pictures of "images" are read (data/source.h) and stored; in the
 * stored record an image loses path, data, shard and index, and gains
 * "hash", XXH3-128 of the file's bytes; one that is there already must be
 * that.  All other fields are stored as their bytes stand.
 *
 * The folder appears when all is written; a run that fails leaves nothing.
 * With `shuffle` all lines are held in memory until the end.
 */
extern const struct medvl_sink medvl_shard_sink;

struct medvl_shard_summary {
    int64_t records, shards, tokens, pictures;
    int64_t trained; /* tokens with loss_mask 1 */
    char hash[33];   /* medvl_mds_hash */
};

/*
 * Read a folder from end to end: sizes and hashes of all files, every
 * sample's columns, records as JSON with ids that are unique, pictures
 * against their "hash".  MEDVL_EFORMAT naming the first thing wrong.
 */
int medvl_shard_check(struct medvl_shard_summary *out, const char *folder,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the summary as one JSON object. */
int medvl_shard_print(struct medvl_text *out, const char *folder,
                      const struct medvl_shard_summary *summary,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
