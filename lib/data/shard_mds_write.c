/*
 * Writing a folder of shards: see shard_mds.h.  Samples are gathered in a
 * block until it is full; a few full ones are packed side by side and
 * written in order; index.json is last, then the folder gets its name.
 *
 * Read next: shard_mds.c, which reads what this writes.
 */
#include "lib/data/shard_mds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/data/shard_mds_block.h"
#include "lib/data/shard_mds_index.h"

#define DEFAULT_LEVEL 3
#define DEFAULT_LIMIT ((int64_t)64 << 20)
#define PACK_AT_ONCE  4 /* shards; bounds the memory held */

/* A full shard on its way to a file. */
struct job {
    struct medvl_text raw, packed;
    int64_t samples;
    char raw_hash[17], packed_hash[17];
    struct medvl_error err;
};

struct medvl_mds_writer {
    char *folder; /* the final name, no slash at its end */
    char *build;  /* FOLDER.tmp-NUMBER, this writer's own */
    bool plain, overwrite;
    int level;
    int64_t limit;
    struct medvl_pool *pool;

    struct medvl_text head;       /* configuration up to "hashes" */
    struct medvl_text tail;       /* the rest of it */
    struct medvl_mds_block block; /* the shard that is growing */

    struct job jobs[PACK_AT_ONCE];
    int job_count;
    int64_t shards;          /* written */
    struct medvl_text index; /* entries written so far */
};

static void job_release(struct job *job)
{
    medvl_text_release(&job->raw);
    medvl_text_release(&job->packed);
}

void medvl_mds_writer_free(struct medvl_mds_writer *w)
{
    if (!w)
        return;
    if (w->build)
        (void)!medvl_path_remove(w->build, NULL);
    for (int i = 0; i < PACK_AT_ONCE; i++)
        job_release(&w->jobs[i]);
    medvl_text_release(&w->head);
    medvl_text_release(&w->tail);
    medvl_text_release(&w->index);
    medvl_mds_block_release(&w->block);
    medvl_free(w->folder);
    medvl_free(w->build);
    medvl_free(w);
}

static bool plain_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (*name < ' ' || *name > '~' || *name == '"' || *name == '\\')
            return false;
    return true;
}

static int check_columns(const struct medvl_mds_column *columns, int count,
                         struct medvl_error *err)
{
    if (count < 1 || count > MEDVL_MDS_COLUMNS_MAX)
        return medvl_fail(err, MEDVL_EARG, "%d columns, want 1 to %d", count,
                          MEDVL_MDS_COLUMNS_MAX);
    for (int i = 0; i < count; i++) {
        if (!plain_name(columns[i].name) || !plain_name(columns[i].encoding))
            return medvl_fail(err, MEDVL_EARG, "column %d has a bad name", i);
        if (columns[i].size < 0 || columns[i].size > MEDVL_MDS_SHARD_MAX)
            return medvl_fail(err, MEDVL_EARG, "column \"%s\": bad size",
                              columns[i].name);
        if (i > 0 && strcmp(columns[i - 1].name, columns[i].name) >= 0)
            return medvl_fail(err, MEDVL_EARG, "columns are not sorted");
    }
    return MEDVL_OK;
}

/*
 * The configuration as Python's json.dumps(sort_keys=True) prints it, in two
 * halves: an index entry has more members in the middle of them.
 */
static int print_config(struct medvl_mds_writer *w,
                        const struct medvl_mds_column *columns, int count,
                        struct medvl_error *err)
{
    struct medvl_text *t = &w->head;
    int rc = medvl_text_puts(t, "\"column_encodings\": [", err);

    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_text_printf(t, err, "%s\"%s\"", i ? ", " : "",
                               columns[i].encoding);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "], \"column_names\": [", err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_text_printf(t, err, "%s\"%s\"", i ? ", " : "",
                               columns[i].name);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "], \"column_sizes\": [", err);
    for (int i = 0; i < count && rc == MEDVL_OK; i++) {
        if (i)
            rc = medvl_text_puts(t, ", ", err);
        if (rc == MEDVL_OK && columns[i].size)
            rc = medvl_text_printf(t, err, "%" PRId64, columns[i].size);
        else if (rc == MEDVL_OK)
            rc = medvl_text_puts(t, "null", err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "], \"compression\": ", err);
    if (rc == MEDVL_OK && w->plain)
        rc = medvl_text_puts(t, "null", err);
    else if (rc == MEDVL_OK && w->level == DEFAULT_LEVEL)
        rc = medvl_text_puts(t, "\"zstd\"", err);
    else if (rc == MEDVL_OK)
        rc = medvl_text_printf(t, err, "\"zstd:%d\"", w->level);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(
            t, ", \"format\": \"mds\", \"hashes\": [\"xxh64\"], ", err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&w->tail, err,
                               "\"size_limit\": %" PRId64 ", \"version\": 2",
                               w->limit);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&w->block.config, err, "{%s%s}",
                               w->head.data, w->tail.data);
    return rc;
}

static int set_options(struct medvl_mds_writer *w,
                       const struct medvl_mds_options *o,
                       struct medvl_error *err)
{
    w->level = o && o->level ? o->level : DEFAULT_LEVEL;
    w->limit = o && o->size_limit ? o->size_limit : DEFAULT_LIMIT;
    w->plain = o && o->plain;
    w->overwrite = o && o->overwrite;
    w->pool = o ? o->pool : NULL;
    if (w->level < 1 || w->level > 19)
        return medvl_fail(err, MEDVL_EARG, "zstd level %d, want 1 to 19",
                          w->level);
    if (w->limit < 1 || w->limit > MEDVL_MDS_SHARD_MAX)
        return medvl_fail(err, MEDVL_EARG,
                          "shards of %" PRId64 " bytes, want 1 to %" PRId64,
                          w->limit, MEDVL_MDS_SHARD_MAX);
    return MEDVL_OK;
}

/* May `folder` take the name?  Only a folder of shards is ever replaced. */
static int check_target(const char *folder, bool overwrite,
                        struct medvl_error *err)
{
    struct medvl_names names = {0};
    bool index = false;
    int rc;

    if (!medvl_file_exists(folder) && !medvl_folder_exists(folder))
        return MEDVL_OK;
    rc = medvl_folder_list(&names, folder, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.items[i], "index.json") == 0)
            index = true;
    if (names.count && index && !overwrite)
        rc = medvl_fail(err, MEDVL_EARG, "%s: holds shards already", folder);
    else if (names.count && !index)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: is there, and is no folder of shards", folder);
    medvl_names_release(&names);
    return rc;
}

static int set_folder(struct medvl_mds_writer *w, const char *folder,
                      struct medvl_error *err)
{
    size_t size = strlen(folder);
    int rc;

    while (size > 1 && folder[size - 1] == '/')
        size--;
    if (!size || (size == 1 && (*folder == '/' || *folder == '.')))
        return medvl_fail(err, MEDVL_EARG, "no name for a shard folder");
    w->folder = medvl_copy_string(folder, size);
    if (!w->folder)
        return medvl_no_memory(err);
    rc = check_target(w->folder, w->overwrite, err);
    if (rc < 0)
        return rc;
    return medvl_folder_make_own(&w->build, w->folder, ".tmp", err);
}

int medvl_mds_writer_open(struct medvl_mds_writer **out, const char *folder,
                          const struct medvl_mds_column *columns, int count,
                          const struct medvl_mds_options *options,
                          struct medvl_error *err)
{
    struct medvl_mds_writer *w;
    int rc;

    *out = NULL;
    rc = check_columns(columns, count, err);
    if (rc < 0)
        return rc;
    w = medvl_alloc(1, sizeof(*w));
    if (!w)
        return medvl_no_memory(err);
    w->block.columns = count;
    for (int i = 0; i < count; i++)
        w->block.sizes[i] = columns[i].size;
    rc = set_options(w, options, err);
    if (rc == MEDVL_OK)
        rc = print_config(w, columns, count, err);
    if (rc == MEDVL_OK)
        rc = set_folder(w, folder, err);
    if (rc == MEDVL_OK) {
        *out = w;
        w = NULL;
    }
    medvl_mds_writer_free(w);
    return rc;
}

static void pack(void *arg, int64_t index, int thread)
{
    struct medvl_mds_writer *w = arg;
    struct job *job = &w->jobs[index];

    (void)thread;
    medvl_hash64_hex(job->raw_hash,
                     medvl_hash64(job->raw.data, job->raw.size));
    if (w->plain)
        return;
    if (medvl_zstd_compress(&job->packed, job->raw.data, job->raw.size,
                            w->level, &job->err) == MEDVL_OK)
        medvl_hash64_hex(job->packed_hash,
                         medvl_hash64(job->packed.data, job->packed.size));
}

static int print_file(struct medvl_text *out, const char *name, size_t size,
                      const char *hash, struct medvl_error *err)
{
    return medvl_text_printf(out, err,
                             "{\"basename\": \"%s\", \"bytes\": %zu, "
                             "\"hashes\": {\"xxh64\": \"%s\"}}",
                             name, size, hash);
}

static int print_entry(struct medvl_mds_writer *w, const struct job *job,
                       const char *raw, const char *packed,
                       struct medvl_error *err)
{
    struct medvl_text *t = &w->index;
    int rc = medvl_text_puts(t, w->shards ? ", {" : "{", err);

    if (rc == MEDVL_OK)
        rc = medvl_text_append(t, w->head.data, w->head.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "\"raw_data\": ", err);
    if (rc == MEDVL_OK)
        rc = print_file(t, raw, job->raw.size, job->raw_hash, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(t, err, ", \"samples\": %" PRId64 ", ",
                               job->samples);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(t, w->tail.data, w->tail.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, ", \"zip_data\": ", err);
    if (rc == MEDVL_OK && w->plain)
        rc = medvl_text_puts(t, "null", err);
    else if (rc == MEDVL_OK)
        rc = print_file(t, packed, job->packed.size, job->packed_hash, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(t, '}', err);
    return rc;
}

static int write_in(const char *folder, const char *name,
                    const struct medvl_text *data, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, name, err);

    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, data->data, data->size, err);
    medvl_free(path);
    return rc;
}

static int write_job(struct medvl_mds_writer *w, struct job *job,
                     struct medvl_error *err)
{
    char raw[40], packed[48];
    int rc;

    if (job->err.code) {
        if (err)
            *err = job->err;
        return job->err.code;
    }
    snprintf(raw, sizeof(raw), "shard.%05" PRId64 ".mds", w->shards);
    snprintf(packed, sizeof(packed), "%s.zstd", raw);
    rc = print_entry(w, job, raw, packed, err);
    if (rc == MEDVL_OK)
        rc = write_in(w->build, w->plain ? raw : packed,
                      w->plain ? &job->raw : &job->packed, err);
    if (rc == MEDVL_OK)
        w->shards++;
    job_release(job);
    return rc;
}

/* Pack the waiting shards side by side, then write them in order. */
static int write_jobs(struct medvl_mds_writer *w, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    medvl_pool_run(w->pool, w->job_count, pack, w);
    for (int i = 0; i < w->job_count && rc == MEDVL_OK; i++)
        rc = write_job(w, &w->jobs[i], err);
    w->job_count = 0;
    return rc;
}

static int finish_shard(struct medvl_mds_writer *w, struct medvl_error *err)
{
    int limit = w->pool ? medvl_pool_threads(w->pool) : 1;
    struct job *job = &w->jobs[w->job_count];
    int rc;

    job->samples = (int64_t)w->block.samples;
    rc = medvl_mds_block_build(&job->raw, &w->block, err);
    if (rc < 0) {
        job_release(job);
        return rc;
    }
    w->job_count++;
    if (limit > PACK_AT_ONCE)
        limit = PACK_AT_ONCE;
    return w->job_count < limit ? MEDVL_OK : write_jobs(w, err);
}

int medvl_mds_writer_put(struct medvl_mds_writer *w,
                         const struct medvl_span *values,
                         struct medvl_error *err)
{
    int64_t size = 0;
    int rc = medvl_mds_block_size(&size, &w->block, values, err);

    if (rc == MEDVL_OK && w->block.samples && size > w->limit)
        rc = finish_shard(w, err);
    return rc < 0 ? rc : medvl_mds_block_add(&w->block, values, err);
}

/* After a failure the older folder has its name again. */
static void take_back(struct medvl_mds_writer *w, const char *old)
{
    if (!medvl_folder_exists(w->build))
        (void)rename(w->folder, w->build);
    if (!medvl_folder_exists(w->folder))
        (void)rename(old, w->folder);
    else
        (void)rmdir(old); /* empty: the older one never left its place */
}

/*
 * Put the finished folder in its place.  An older one waits under a name of
 * its own until then, and goes last.
 */
static int publish(struct medvl_mds_writer *w, struct medvl_error *err)
{
    char *old = NULL;
    int rc;

    rc = check_target(w->folder, w->overwrite, err);
    if (rc == MEDVL_OK && medvl_folder_exists(w->folder)) {
        rc = medvl_folder_make_own(&old, w->folder, ".old", err);
        if (rc == MEDVL_OK)
            rc = medvl_path_publish(w->folder, old, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_path_publish(w->build, w->folder, err);
    if (rc < 0 && old)
        take_back(w, old);
    if (rc == MEDVL_OK) {
        medvl_free(w->build);
        w->build = NULL;
    }
    if (rc == MEDVL_OK && old)
        rc = medvl_path_remove(old, err);
    medvl_free(old);
    return rc;
}

int medvl_mds_writer_close(struct medvl_mds_writer *w,
                           struct medvl_error *err)
{
    struct medvl_text index = {0};
    int rc = MEDVL_OK;

    if (w->block.samples)
        rc = finish_shard(w, err);
    if (rc == MEDVL_OK)
        rc = write_jobs(w, err);
    if (rc == MEDVL_OK && !w->shards)
        rc = medvl_fail(err, MEDVL_EARG, "%s: no sample to write", w->folder);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(&index, "{\"shards\": [", err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&index, w->index.data, w->index.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(&index, "], \"version\": 2}", err);
    if (rc == MEDVL_OK && index.size > MEDVL_MDS_INDEX_MAX)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%" PRId64 " shards are too many for one folder; "
                        "make them larger",
                        w->shards);
    if (rc == MEDVL_OK)
        rc = write_in(w->build, "index.json", &index, err);
    if (rc == MEDVL_OK)
        rc = publish(w, err);
    medvl_text_release(&index);
    medvl_mds_writer_free(w);
    return rc;
}
