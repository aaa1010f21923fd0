/*
 * Reading a folder of shards: see shard_mds.h.  Shards are mapped or
 * unpacked as they are asked for; those used last are kept.
 *
 * Read next: shard_mds_value.c.
 */
#include "lib/data/shard_mds.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/data/shard_mds_block.h"
#include "lib/data/shard_mds_index.h"

/* What is known of a shard beside its entry of the index. */
struct shard {
    bool verified;
    struct medvl_span bytes; /* no data: not held */
    struct medvl_mapping map;
    struct medvl_text unpacked;
    uint64_t used; /* when, for giving up the oldest */
};

struct medvl_mds {
    char *folder;
    char hash[33];
    struct medvl_mds_index index;
    struct shard *shards; /* one an entry */
    size_t memory, held;  /* bytes */
    uint64_t clock;
};

static struct medvl_span mapped(const struct medvl_mapping *map)
{
    return (struct medvl_span){(const char *)map->data, map->size};
}

static void drop(struct medvl_mds *mds, struct shard *shard)
{
    mds->held -= shard->bytes.size;
    medvl_mapping_release(&shard->map);
    medvl_text_release(&shard->unpacked);
    shard->bytes = (struct medvl_span){0};
}

void medvl_mds_free(struct medvl_mds *mds)
{
    if (!mds)
        return;
    for (size_t i = 0; mds->shards && i < mds->index.entry_count; i++)
        drop(mds, &mds->shards[i]);
    medvl_free(mds->shards);
    medvl_mds_index_release(&mds->index);
    medvl_free(mds->folder);
    medvl_free(mds);
}

int medvl_mds_open(struct medvl_mds **out, const char *folder, size_t memory,
                   struct medvl_error *err)
{
    struct medvl_mds *mds = medvl_alloc(1, sizeof(*mds));
    struct medvl_text text = {0};
    char *path = NULL;
    int rc;

    *out = NULL;
    if (!mds)
        return medvl_no_memory(err);
    mds->memory = memory ? memory : (size_t)MEDVL_MDS_SHARD_MAX;
    mds->folder = medvl_copy_string(folder, strlen(folder));
    rc = mds->folder ? medvl_path_join(&path, folder, "index.json", err)
                     : medvl_no_memory(err);
    if (rc == MEDVL_OK && !medvl_file_exists(path))
        rc = medvl_fail(err, MEDVL_EARG, "%s: no such file, so %s is no "
                                         "finished folder of shards",
                        path, folder);
    if (rc == MEDVL_OK)
        rc = medvl_file_read_regular(&text, path, MEDVL_MDS_INDEX_MAX, err);
    if (rc == MEDVL_OK) {
        medvl_hash128_hex(mds->hash, text.data, text.size);
        rc = medvl_mds_index_parse(&mds->index, medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    if (rc == MEDVL_OK) {
        mds->shards = medvl_alloc(mds->index.entry_count,
                                  sizeof(*mds->shards));
        if (!mds->shards)
            rc = medvl_no_memory(err);
    }
    if (rc == MEDVL_OK) {
        *out = mds;
        mds = NULL;
    }
    medvl_mds_free(mds);
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

int64_t medvl_mds_count(const struct medvl_mds *mds)
{
    return mds->index.count;
}

int medvl_mds_column_count(const struct medvl_mds *mds)
{
    return mds->index.column_count;
}

const struct medvl_mds_column *medvl_mds_columns(const struct medvl_mds *mds)
{
    return mds->index.columns;
}

const char *medvl_mds_folder(const struct medvl_mds *mds)
{
    return mds->folder;
}

const char *medvl_mds_hash(const struct medvl_mds *mds)
{
    return mds->hash;
}

int64_t medvl_mds_shard_count(const struct medvl_mds *mds)
{
    return (int64_t)mds->index.entry_count;
}

int64_t medvl_mds_shard_first(const struct medvl_mds *mds, int64_t shard)
{
    if (shard >= medvl_mds_shard_count(mds))
        return mds->index.count;
    return mds->index.entries[shard].first;
}

int medvl_mds_find(int *column, const struct medvl_mds *mds, const char *name,
                   const char *encoding, struct medvl_error *err)
{
    for (int i = 0; i < mds->index.column_count; i++) {
        if (strcmp(mds->index.columns[i].name, name) != 0)
            continue;
        if (strcmp(mds->index.columns[i].encoding, encoding) != 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s: column \"%s\" is %s, want %s",
                              mds->folder, name, mds->index.columns[i].encoding,
                              encoding);
        *column = i;
        return MEDVL_OK;
    }
    return medvl_fail(err, MEDVL_EFORMAT, "%s: no column \"%s\"",
                      mds->folder, name);
}

/* ---- shards ---------------------------------------------------------- */

/* Does the whole of `data` agree with what the index says of the file? */
static int verify(const struct medvl_mds_file *file, struct medvl_span data,
                  struct medvl_error *err)
{
    char hash[17];

    if (data.size != (size_t)file->bytes)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: %zu bytes, the index says %" PRId64,
                          file->name, data.size, file->bytes);
    if (!file->hash[0])
        return MEDVL_OK;
    medvl_hash64_hex(hash, medvl_hash64(data.data, data.size));
    if (strcmp(hash, file->hash) != 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: xxh64 is %s, the index says %s", file->name,
                          hash, file->hash);
    return MEDVL_OK;
}

static bool is_there(const struct medvl_mds *mds,
                     const struct medvl_mds_file *file)
{
    struct medvl_error ignored = {0};
    char *path = NULL;
    const bool is = medvl_path_join(&path, mds->folder, file->name,
                                    &ignored) == MEDVL_OK &&
                    medvl_file_exists(path);

    medvl_free(path);
    return is;
}

static int load_plain(struct medvl_mds *mds, struct shard *shard,
                      const struct medvl_mds_file *raw,
                      struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, mds->folder, raw->name, err);

    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&shard->map, path, err);
    shard->bytes = mapped(&shard->map);
    if (rc == MEDVL_OK && !shard->verified) {
        rc = verify(raw, shard->bytes, err);
        if (rc < 0)
            medvl_context(err, "%s", mds->folder);
    }
    if (rc == MEDVL_OK && shard->bytes.size != (size_t)raw->bytes)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: the file has changed", path);
    medvl_free(path);
    return rc;
}

static int load_packed(struct medvl_mds *mds, struct shard *shard,
                       const struct medvl_mds_entry *entry, const char *path,
                       struct medvl_error *err)
{
    const int64_t bytes = entry->raw.bytes;
    struct medvl_mapping map = {0};
    int rc;

    if (bytes > MEDVL_MDS_SHARD_MAX)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: unpacks to %" PRId64 " bytes, at most %" PRId64
                          " are read",
                          path, bytes, MEDVL_MDS_SHARD_MAX);
    rc = medvl_mapping_open(&map, path, err);
    if (rc < 0)
        return rc;
    rc = verify(&entry->packed, mapped(&map), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(&shard->unpacked, (size_t)bytes, err);
    if (rc == MEDVL_OK) {
        rc = medvl_zstd_decompress(&shard->unpacked, map.data, map.size,
                                   (size_t)bytes, err);
        if (rc < 0)
            medvl_context(err, "%s", entry->packed.name);
    }
    medvl_mapping_release(&map);
    shard->bytes = medvl_text_span(&shard->unpacked);
    if (rc == MEDVL_OK)
        rc = verify(&entry->raw, shard->bytes, err);
    return rc < 0 ? medvl_context(err, "%s", mds->folder) : rc;
}

/* Give up the shards used longest ago until `size` more bytes fit. */
static void make_room(struct medvl_mds *mds, size_t size)
{
    while (mds->held && mds->held + size > mds->memory) {
        struct shard *oldest = NULL;

        for (size_t i = 0; i < mds->index.entry_count; i++) {
            struct shard *shard = &mds->shards[i];

            if (shard->bytes.data && (!oldest || shard->used < oldest->used))
                oldest = shard;
        }
        if (!oldest)
            return;
        drop(mds, oldest);
    }
}

static int load(struct medvl_mds *mds, struct shard *shard,
                const struct medvl_mds_entry *entry, struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    make_room(mds, (size_t)entry->raw.bytes);
    if (entry->packed.name) {
        rc = medvl_path_join(&path, mds->folder, entry->packed.name, err);
        if (rc < 0)
            return rc;
    }
    /* Streaming may leave the unpacked file alone in the folder. */
    if (path && (medvl_file_exists(path) || !is_there(mds, &entry->raw)))
        rc = load_packed(mds, shard, entry, path, err);
    else
        rc = load_plain(mds, shard, &entry->raw, err);
    medvl_free(path);
    if (rc == MEDVL_OK && !shard->verified) {
        rc = medvl_mds_block_check(shard->bytes, entry->samples, err);
        if (rc < 0)
            medvl_context(err, "%s: %s", mds->folder, entry->raw.name);
    }
    mds->held += shard->bytes.size;
    if (rc < 0)
        drop(mds, shard);
    else
        shard->verified = true;
    return rc;
}

/* The number of the shard that holds `sample`. */
static size_t find_shard(const struct medvl_mds_index *index, int64_t sample)
{
    size_t low = 0, high = index->entry_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (index->entries[middle].first <= sample)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int medvl_mds_read(struct medvl_span *values, struct medvl_mds *mds,
                   int64_t index, struct medvl_error *err)
{
    const struct medvl_mds_entry *entry;
    struct shard *shard;
    size_t at;
    int rc = MEDVL_OK;

    if (index < 0 || index >= mds->index.count)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: sample %" PRId64 ", there are %" PRId64,
                          mds->folder, index, mds->index.count);
    at = find_shard(&mds->index, index);
    entry = &mds->index.entries[at];
    shard = &mds->shards[at];
    if (!shard->bytes.data)
        rc = load(mds, shard, entry, err);
    if (rc < 0)
        return rc;
    shard->used = ++mds->clock;
    rc = medvl_mds_block_get(values, shard->bytes, index - entry->first,
                             mds->index.columns, mds->index.column_count,
                             err);
    return rc < 0 ? medvl_context(err, "%s: %s", mds->folder, entry->raw.name)
                  : rc;
}
