/*
 * MDS shards: see shard_mds.h.  The writer gathers samples in memory until
 * a shard is full, packs a few full shards at a time and writes index.json
 * last; the reader maps or unpacks shards as they are asked for and keeps
 * the most recent ones.
 *
 * Read next: source.c.
 */
#include "lib/data/shard_mds.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"

#define DEFAULT_LEVEL 3
#define DEFAULT_LIMIT ((int64_t)64 << 20)
#define INDEX_MAX     ((size_t)8 << 20) /* bytes; about 15,000 shards */
#define PACK_AT_ONCE  4                 /* shards; bounds the memory held */

const struct medvl_mds_column medvl_mds_record[MEDVL_MDS_FIELDS] = {
    [MEDVL_MDS_IMAGES] = {"images", "bytes", 0},
    [MEDVL_MDS_LOSS_MASK] = {"loss_mask", "ndarray:uint8", 0},
    [MEDVL_MDS_RECORD] = {"record", "json", 0},
    [MEDVL_MDS_TOKENS] = {"tokens", "ndarray:int32", 0},
};

static uint32_t get_u32(const void *at)
{
    const unsigned char *b = at;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static int put_u32(struct medvl_text *out, uint32_t value,
                   struct medvl_error *err)
{
    const unsigned char b[4] = {value & 255, value >> 8 & 255,
                                value >> 16 & 255, value >> 24};

    return medvl_text_append(out, b, 4, err);
}

/* ---- writing --------------------------------------------------------- */

/* A full shard on its way to a file. */
struct job {
    struct medvl_text raw, packed;
    int64_t samples;
    char raw_hash[17], packed_hash[17];
    struct medvl_error err;
};

struct medvl_mds_writer {
    char *folder; /* the final name, no slash at its end */
    char *build;  /* FOLDER.tmp */
    bool made;    /* build is there */
    bool plain, overwrite;
    int level;
    int64_t limit;
    struct medvl_pool *pool;

    int64_t sizes[MEDVL_MDS_COLUMNS_MAX];
    int columns;
    struct medvl_text head; /* configuration up to "hashes" */
    struct medvl_text tail; /* the rest of it */

    struct medvl_text body; /* samples of the shard that is growing */
    uint32_t *ends;         /* of samples, in body */
    size_t samples, room;

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
    if (w->made)
        (void)!medvl_path_remove(w->build, NULL);
    for (int i = 0; i < PACK_AT_ONCE; i++)
        job_release(&w->jobs[i]);
    medvl_text_release(&w->head);
    medvl_text_release(&w->tail);
    medvl_text_release(&w->body);
    medvl_text_release(&w->index);
    medvl_free(w->ends);
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
                        const struct medvl_mds_column *columns,
                        struct medvl_error *err)
{
    struct medvl_text *t = &w->head;
    int rc = medvl_text_puts(t, "\"column_encodings\": [", err);

    for (int i = 0; i < w->columns && rc == MEDVL_OK; i++)
        rc = medvl_text_printf(t, err, "%s\"%s\"", i ? ", " : "",
                               columns[i].encoding);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "], \"column_names\": [", err);
    for (int i = 0; i < w->columns && rc == MEDVL_OK; i++)
        rc = medvl_text_printf(t, err, "%s\"%s\"", i ? ", " : "",
                               columns[i].name);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(t, "], \"column_sizes\": [", err);
    for (int i = 0; i < w->columns && rc == MEDVL_OK; i++) {
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
    struct medvl_text build = {0};
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
    rc = medvl_text_printf(&build, err, "%s.tmp", w->folder);
    if (rc < 0)
        return rc;
    w->build = build.data;
    rc = medvl_path_remove(w->build, err);
    if (rc < 0)
        return rc;
    rc = medvl_folder_make(w->build, err);
    w->made = rc == MEDVL_OK;
    return rc;
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
    w->columns = count;
    for (int i = 0; i < count; i++)
        w->sizes[i] = columns[i].size;
    rc = set_options(w, options, err);
    if (rc == MEDVL_OK)
        rc = print_config(w, columns, err);
    if (rc == MEDVL_OK)
        rc = set_folder(w, folder, err);
    if (rc == MEDVL_OK) {
        *out = w;
        w = NULL;
    }
    medvl_mds_writer_free(w);
    return rc;
}

/* Bytes of a shard before its samples: count, offsets, configuration. */
static int64_t shard_head(const struct medvl_mds_writer *w, int64_t samples)
{
    return 4 + 4 * (samples + 1) + 2 + (int64_t)w->head.size +
           (int64_t)w->tail.size;
}

static int build_shard(struct medvl_mds_writer *w, struct medvl_text *raw,
                       struct medvl_error *err)
{
    const int64_t start = shard_head(w, (int64_t)w->samples);
    int rc;

    rc = medvl_text_reserve(raw, (size_t)start + w->body.size, err);
    if (rc == MEDVL_OK)
        rc = put_u32(raw, (uint32_t)w->samples, err);
    if (rc == MEDVL_OK)
        rc = put_u32(raw, (uint32_t)start, err);
    for (size_t i = 0; i < w->samples && rc == MEDVL_OK; i++)
        rc = put_u32(raw, (uint32_t)start + w->ends[i], err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(raw, '{', err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(raw, w->head.data, w->head.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(raw, w->tail.data, w->tail.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(raw, '}', err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(raw, w->body.data, w->body.size, err);
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
    int rc = build_shard(w, &job->raw, err);

    if (rc < 0) {
        job_release(job);
        return rc;
    }
    job->samples = (int64_t)w->samples;
    w->job_count++;
    w->samples = 0;
    medvl_text_clear(&w->body);
    if (limit > PACK_AT_ONCE)
        limit = PACK_AT_ONCE;
    return w->job_count < limit ? MEDVL_OK : write_jobs(w, err);
}

static int sample_size(int64_t *out, const struct medvl_mds_writer *w,
                       const struct medvl_span *values,
                       struct medvl_error *err)
{
    const int64_t most = MEDVL_MDS_SHARD_MAX - shard_head(w, 1);
    int64_t size = 0;

    for (int i = 0; i < w->columns; i++) {
        if (w->sizes[i] && values[i].size != (size_t)w->sizes[i])
            return medvl_fail(err, MEDVL_EARG,
                              "column %d: %zu bytes, want %" PRId64, i,
                              values[i].size, w->sizes[i]);
        if (values[i].size > (size_t)most ||
            size + (int64_t)values[i].size + 4 > most)
            return medvl_fail(err, MEDVL_EARG,
                              "the sample is larger than a shard may be "
                              "(%" PRId64 " bytes)",
                              most);
        size += (int64_t)values[i].size + (w->sizes[i] ? 0 : 4);
    }
    *out = size;
    return MEDVL_OK;
}

int medvl_mds_writer_put(struct medvl_mds_writer *w,
                         const struct medvl_span *values,
                         struct medvl_error *err)
{
    int64_t size = 0;
    int rc;

    rc = sample_size(&size, w, values, err);
    if (rc == MEDVL_OK && w->samples &&
        shard_head(w, (int64_t)w->samples + 1) + (int64_t)w->body.size + size >
            w->limit)
        rc = finish_shard(w, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&w->ends, &w->room, w->samples + 1, sizeof(*w->ends),
                        err);
    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(&w->body, (size_t)size, err);
    for (int i = 0; i < w->columns && rc == MEDVL_OK; i++)
        if (!w->sizes[i])
            rc = put_u32(&w->body, (uint32_t)values[i].size, err);
    for (int i = 0; i < w->columns && rc == MEDVL_OK; i++)
        rc = medvl_text_append(&w->body, values[i].data, values[i].size,
                               err);
    if (rc == MEDVL_OK)
        w->ends[w->samples++] = (uint32_t)w->body.size;
    return rc;
}

/* Put the finished folder in its place; an older one goes last. */
static int publish(struct medvl_mds_writer *w, struct medvl_error *err)
{
    struct medvl_text old = {0};
    bool replace;
    int rc;

    rc = check_target(w->folder, w->overwrite, err);
    if (rc < 0)
        return rc;
    rc = medvl_text_printf(&old, err, "%s.old", w->folder);
    replace = medvl_folder_exists(w->folder);
    if (rc == MEDVL_OK && replace)
        rc = medvl_path_remove(old.data, err);
    if (rc == MEDVL_OK && replace)
        rc = medvl_path_publish(w->folder, old.data, err);
    if (rc == MEDVL_OK) {
        rc = medvl_path_publish(w->build, w->folder, err);
        if (rc == MEDVL_OK)
            w->made = false;
        else if (replace)
            (void)!medvl_path_publish(old.data, w->folder, NULL);
    }
    if (rc == MEDVL_OK && replace)
        rc = medvl_path_remove(old.data, err);
    medvl_text_release(&old);
    return rc;
}

int medvl_mds_writer_close(struct medvl_mds_writer *w,
                           struct medvl_error *err)
{
    struct medvl_text index = {0};
    int rc = MEDVL_OK;

    if (w->samples)
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
    if (rc == MEDVL_OK && index.size > INDEX_MAX)
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

/* ---- the index ------------------------------------------------------- */

/* A file as the index tells of it. */
struct file {
    char *name; /* NULL: there is none */
    int64_t bytes;
    char hash[17]; /* empty: not known */
};

struct shard {
    struct file raw, packed;
    int64_t first, samples;
    bool verified;

    /* While it is held: */
    const unsigned char *data; /* NULL: not held */
    size_t size;
    struct medvl_mapping map;
    struct medvl_text unpacked;
    uint64_t used; /* when, for giving up the oldest */
};

struct medvl_mds {
    char *folder;
    char hash[33];
    struct medvl_mds_column columns[MEDVL_MDS_COLUMNS_MAX];
    int column_count;
    struct shard *shards;
    size_t shard_count;
    int64_t count;
    size_t memory, held;
    uint64_t clock;
};

static void drop(struct medvl_mds *mds, struct shard *shard)
{
    if (!shard->data)
        return;
    mds->held -= shard->size;
    medvl_mapping_release(&shard->map);
    medvl_text_release(&shard->unpacked);
    shard->data = NULL;
}

void medvl_mds_free(struct medvl_mds *mds)
{
    if (!mds)
        return;
    for (size_t i = 0; i < mds->shard_count; i++) {
        drop(mds, &mds->shards[i]);
        medvl_free(mds->shards[i].raw.name);
        medvl_free(mds->shards[i].packed.name);
    }
    for (int i = 0; i < mds->column_count; i++) {
        medvl_free((void *)mds->columns[i].name);
        medvl_free((void *)mds->columns[i].encoding);
    }
    medvl_free(mds->shards);
    medvl_free(mds->folder);
    medvl_free(mds);
}

/* A file's name must not lead out of the folder. */
static bool inside(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int read_file(struct file *file, const struct medvl_json *shard,
                     const char *member, struct medvl_error *err)
{
    const struct medvl_json *object = medvl_json_get(shard, member);
    const struct medvl_json *hashes;
    const char *text;
    int rc;

    if (medvl_json_type(object) != MEDVL_JSON_OBJECT)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": want an object",
                          member);
    rc = medvl_json_get_string(&text, object, "basename", err);
    if (rc == MEDVL_OK && !inside(text))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"basename\": \"%s\" is not in the folder", text);
    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&file->bytes, object, "bytes", 0, UINT32_MAX,
                                err);
    if (rc < 0)
        return medvl_context(err, "\"%s\"", member);
    file->name = medvl_copy_string(text, strlen(text));
    if (!file->name)
        return medvl_no_memory(err);
    hashes = medvl_json_get(object, "hashes");
    if (medvl_json_get(hashes, "xxh64")) {
        rc = medvl_json_get_string(&text, hashes, "xxh64", err);
        if (rc == MEDVL_OK && strlen(text) != 16)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"xxh64\": want 16 hex digits");
        if (rc < 0)
            return medvl_context(err, "\"%s\"", member);
        memcpy(file->hash, text, 17);
    }
    return MEDVL_OK;
}

static int read_compression(struct shard *shard, const struct medvl_json *json,
                            struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(json, "compression");
    const char *name = medvl_json_string(value);

    if (!value || medvl_json_type(value) == MEDVL_JSON_NULL)
        return MEDVL_OK;
    if (!name)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"compression\": want a string or null");
    if (strcmp(name, "zstd") != 0 && strncmp(name, "zstd:", 5) != 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"compression\": \"%s\" is not built in, only "
                          "zstd is",
                          name);
    return read_file(&shard->packed, json, "zip_data", err);
}

static int read_column(struct medvl_mds_column *column,
                       const struct medvl_json *name,
                       const struct medvl_json *encoding,
                       const struct medvl_json *size,
                       struct medvl_error *err)
{
    const double bytes = medvl_json_number(size, 0);

    if (!medvl_json_string(name) || !medvl_json_string(encoding))
        return medvl_fail(err, MEDVL_EFORMAT, "columns: want strings");
    if (medvl_json_type(size) != MEDVL_JSON_NULL &&
        (medvl_json_type(size) != MEDVL_JSON_NUMBER || !(bytes >= 0) ||
         bytes > (double)UINT32_MAX || bytes != (double)(int64_t)bytes))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"column_sizes\": want bytes or null");
    column->name = medvl_json_string(name);
    column->encoding = medvl_json_string(encoding);
    column->size = (int64_t)bytes;
    return MEDVL_OK;
}

/* The first shard's columns are kept; every other's must be the same. */
static int take_column(struct medvl_mds *mds, int i, bool first,
                       const struct medvl_mds_column *column,
                       struct medvl_error *err)
{
    struct medvl_mds_column *mine = &mds->columns[i];

    if (!first) {
        if (strcmp(mine->name, column->name) != 0 ||
            strcmp(mine->encoding, column->encoding) != 0 ||
            mine->size != column->size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "columns differ from the first shard's");
        return MEDVL_OK;
    }
    for (int k = 0; k < i; k++)
        if (strcmp(mds->columns[k].name, column->name) == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "column \"%s\" twice",
                              column->name);
    mds->column_count = i + 1;
    mine->size = column->size;
    mine->name = medvl_copy_string(column->name, strlen(column->name));
    mine->encoding =
        medvl_copy_string(column->encoding, strlen(column->encoding));
    return mine->name && mine->encoding ? MEDVL_OK : medvl_no_memory(err);
}

static int read_columns(struct medvl_mds *mds, bool first,
                        const struct medvl_json *shard,
                        struct medvl_error *err)
{
    const struct medvl_json *names = medvl_json_get(shard, "column_names");
    const struct medvl_json *encodings =
        medvl_json_get(shard, "column_encodings");
    const struct medvl_json *sizes = medvl_json_get(shard, "column_sizes");
    const size_t count = medvl_json_count(names);
    const struct medvl_json *n, *e, *s;
    int rc = MEDVL_OK;

    if (medvl_json_type(names) != MEDVL_JSON_ARRAY || count < 1 ||
        count > MEDVL_MDS_COLUMNS_MAX ||
        medvl_json_type(encodings) != MEDVL_JSON_ARRAY ||
        medvl_json_count(encodings) != count ||
        medvl_json_type(sizes) != MEDVL_JSON_ARRAY ||
        medvl_json_count(sizes) != count ||
        (!first && count != (size_t)mds->column_count))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"column_names\", \"column_encodings\" and "
                          "\"column_sizes\": want arrays of one length, the "
                          "same in every shard");
    n = medvl_json_first(names);
    e = medvl_json_first(encodings);
    s = medvl_json_first(sizes);
    for (int i = 0; i < (int)count && rc == MEDVL_OK; i++) {
        struct medvl_mds_column column = {0};

        rc = read_column(&column, n, e, s, err);
        if (rc == MEDVL_OK)
            rc = take_column(mds, i, first, &column, err);
        n = medvl_json_next(n);
        e = medvl_json_next(e);
        s = medvl_json_next(s);
    }
    return rc;
}

static int read_shard(struct medvl_mds *mds, struct shard *shard,
                      const struct medvl_json *json, struct medvl_error *err)
{
    const char *format;
    int64_t version;
    int rc;

    rc = medvl_json_get_int(&version, json, "version", 2, 2, err);
    if (rc < 0)
        return rc;
    rc = medvl_json_get_string(&format, json, "format", err);
    if (rc == MEDVL_OK && strcmp(format, "mds") != 0)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "\"format\": \"%s\" is not \"mds\"", format);
    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&shard->samples, json, "samples", 0,
                                UINT32_MAX, err);
    if (rc == MEDVL_OK)
        rc = read_columns(mds, shard == mds->shards, json, err);
    if (rc == MEDVL_OK)
        rc = read_file(&shard->raw, json, "raw_data", err);
    if (rc == MEDVL_OK)
        rc = read_compression(shard, json, err);
    if (rc == MEDVL_OK && shard->raw.bytes < 8 + 4 * shard->samples)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%" PRId64 " samples do not fit %" PRId64 " bytes",
                        shard->samples, shard->raw.bytes);
    shard->first = mds->count;
    mds->count += shard->samples;
    return rc;
}

static int read_index(struct medvl_mds *mds, struct medvl_span text,
                      struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    const struct medvl_json *shards, *json;
    int64_t version;
    int rc;

    rc = medvl_json_parse(&root, text, err);
    if (rc < 0)
        return rc;
    rc = medvl_json_get_int(&version, root, "version", 2, 2, err);
    shards = medvl_json_get(root, "shards");
    if (rc == MEDVL_OK && (medvl_json_type(shards) != MEDVL_JSON_ARRAY))
        rc = medvl_fail(err, MEDVL_EFORMAT, "\"shards\": want an array");
    if (rc < 0)
        goto done;
    mds->shards = medvl_alloc(medvl_json_count(shards), sizeof(*mds->shards));
    if (!mds->shards) {
        rc = medvl_no_memory(err);
        goto done;
    }
    json = medvl_json_first(shards);
    for (; json && rc == MEDVL_OK; json = medvl_json_next(json)) {
        rc = read_shard(mds, &mds->shards[mds->shard_count++], json, err);
        if (rc < 0)
            medvl_context(err, "shard %zu", mds->shard_count - 1);
    }
    if (rc == MEDVL_OK && mds->count == 0)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no sample in it");
done:
    medvl_json_free(root);
    return rc;
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
        rc = medvl_file_read(&text, path, INDEX_MAX, err);
    if (rc == MEDVL_OK) {
        medvl_hash128_hex(mds->hash, text.data, text.size);
        rc = read_index(mds, medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", path);
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
    return mds->count;
}

int medvl_mds_column_count(const struct medvl_mds *mds)
{
    return mds->column_count;
}

const struct medvl_mds_column *medvl_mds_columns(const struct medvl_mds *mds)
{
    return mds->columns;
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
    return (int64_t)mds->shard_count;
}

int64_t medvl_mds_shard_first(const struct medvl_mds *mds, int64_t shard)
{
    if (shard >= (int64_t)mds->shard_count)
        return mds->count;
    return mds->shards[shard].first;
}

int medvl_mds_find(int *column, const struct medvl_mds *mds, const char *name,
                   const char *encoding, struct medvl_error *err)
{
    for (int i = 0; i < mds->column_count; i++) {
        if (strcmp(mds->columns[i].name, name) != 0)
            continue;
        if (strcmp(mds->columns[i].encoding, encoding) != 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s: column \"%s\" is %s, want %s",
                              mds->folder, name, mds->columns[i].encoding,
                              encoding);
        *column = i;
        return MEDVL_OK;
    }
    return medvl_fail(err, MEDVL_EFORMAT, "%s: no column \"%s\"",
                      mds->folder, name);
}

/* ---- reading --------------------------------------------------------- */

/* Does the whole of `data` agree with what the index says of the file? */
static int verify(const struct file *file, const void *data, size_t size,
                  struct medvl_error *err)
{
    char hash[17];

    if (size != (size_t)file->bytes)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: %zu bytes, the index says %" PRId64,
                          file->name, size, file->bytes);
    if (!file->hash[0])
        return MEDVL_OK;
    medvl_hash64_hex(hash, medvl_hash64(data, size));
    if (strcmp(hash, file->hash) != 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: xxh64 is %s, the index says %s", file->name,
                          hash, file->hash);
    return MEDVL_OK;
}

static int verify_offsets(const struct shard *shard, struct medvl_error *err)
{
    const unsigned char *at = shard->data + 4;
    uint32_t low = (uint32_t)(8 + 4 * shard->samples);

    if (shard->size < low || get_u32(shard->data) != shard->samples)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: the index says %" PRId64 " samples, the file "
                          "does not",
                          shard->raw.name, shard->samples);
    for (int64_t i = 0; i <= shard->samples; i++, at += 4) {
        const uint32_t offset = get_u32(at);

        if (offset < low || offset > shard->size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s: sample %" PRId64 " at byte %" PRIu32
                              ", want %" PRIu32 " to %zu",
                              shard->raw.name, i, offset, low, shard->size);
        low = offset;
    }
    return MEDVL_OK;
}

static int load_plain(struct medvl_mds *mds, struct shard *shard,
                      struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, mds->folder, shard->raw.name, err);

    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&shard->map, path, err);
    if (rc == MEDVL_OK && !shard->verified) {
        rc = verify(&shard->raw, shard->map.data, shard->map.size, err);
        if (rc < 0)
            medvl_context(err, "%s", mds->folder);
    }
    if (rc == MEDVL_OK && shard->map.size != (size_t)shard->raw.bytes)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: the file has changed", path);
    if (rc == MEDVL_OK) {
        shard->data = shard->map.data;
        shard->size = shard->map.size;
    }
    medvl_free(path);
    return rc;
}

static int load_packed(struct medvl_mds *mds, struct shard *shard,
                       const char *path, struct medvl_error *err)
{
    const int64_t bytes = shard->raw.bytes;
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
    rc = verify(&shard->packed, map.data, map.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_reserve(&shard->unpacked, (size_t)bytes, err);
    if (rc == MEDVL_OK) {
        rc = medvl_zstd_decompress(&shard->unpacked, map.data, map.size,
                                   (size_t)bytes, err);
        if (rc < 0)
            medvl_context(err, "%s", shard->packed.name);
    }
    medvl_mapping_release(&map);
    if (rc == MEDVL_OK)
        rc = verify(&shard->raw, shard->unpacked.data, shard->unpacked.size,
                    err);
    if (rc < 0)
        return medvl_context(err, "%s", mds->folder);
    shard->data = (const unsigned char *)shard->unpacked.data;
    shard->size = shard->unpacked.size;
    return MEDVL_OK;
}

/* Give up the shards used longest ago until `size` more bytes fit. */
static void make_room(struct medvl_mds *mds, size_t size)
{
    while (mds->held && mds->held + size > mds->memory) {
        struct shard *oldest = NULL;

        for (size_t i = 0; i < mds->shard_count; i++) {
            struct shard *shard = &mds->shards[i];

            if (shard->data && (!oldest || shard->used < oldest->used))
                oldest = shard;
        }
        if (!oldest)
            return;
        drop(mds, oldest);
    }
}

static int load(struct medvl_mds *mds, struct shard *shard,
                struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    make_room(mds, (size_t)shard->raw.bytes);
    if (shard->packed.name) {
        rc = medvl_path_join(&path, mds->folder, shard->packed.name, err);
        if (rc < 0)
            return rc;
    }
    /* Streaming may leave the unpacked file alone in the folder. */
    if (path && medvl_file_exists(path))
        rc = load_packed(mds, shard, path, err);
    else
        rc = load_plain(mds, shard, err);
    medvl_free(path);
    if (rc == MEDVL_OK && !shard->verified) {
        rc = verify_offsets(shard, err);
        if (rc < 0)
            medvl_context(err, "%s", mds->folder);
    }
    if (rc < 0) {
        medvl_mapping_release(&shard->map);
        medvl_text_release(&shard->unpacked);
        shard->data = NULL;
        return rc;
    }
    shard->verified = true;
    mds->held += shard->size;
    return MEDVL_OK;
}

static struct shard *find_shard(const struct medvl_mds *mds, int64_t index)
{
    size_t low = 0, high = mds->shard_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (mds->shards[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return &mds->shards[low];
}

/* Lengths of the columns without a fixed size come first, then all values. */
static int split_sample(struct medvl_span *values,
                        const struct medvl_mds *mds,
                        const unsigned char *data, size_t size)
{
    size_t at = 0, left;

    for (int i = 0; i < mds->column_count; i++) {
        values[i].size = (size_t)mds->columns[i].size;
        if (mds->columns[i].size)
            continue;
        if (size - at < 4)
            return -1;
        values[i].size = get_u32(data + at);
        at += 4;
    }
    left = size - at;
    for (int i = 0; i < mds->column_count; i++) {
        if (values[i].size > left)
            return -1;
        values[i].data = (const char *)data + at;
        at += values[i].size;
        left -= values[i].size;
    }
    return left ? -1 : 0;
}

int medvl_mds_read(struct medvl_span *values, struct medvl_mds *mds,
                   int64_t index, struct medvl_error *err)
{
    struct shard *shard;
    const unsigned char *entry;
    uint32_t begin, end;
    int rc;

    if (index < 0 || index >= mds->count)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: sample %" PRId64 ", there are %" PRId64,
                          mds->folder, index, mds->count);
    shard = find_shard(mds, index);
    if (!shard->data) {
        rc = load(mds, shard, err);
        if (rc < 0)
            return rc;
    }
    shard->used = ++mds->clock;
    entry = shard->data + 4 + 4 * (index - shard->first);
    begin = get_u32(entry);
    end = get_u32(entry + 4);
    if (begin > end || end > shard->size || /* changed under a map */
        split_sample(values, mds, shard->data + begin, end - begin) < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: %s: sample %" PRId64 ": the lengths of its "
                          "columns do not add up",
                          mds->folder, shard->raw.name, index - shard->first);
    return MEDVL_OK;
}

/* ---- values ---------------------------------------------------------- */

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

/* ---- medvl's columns ------------------------------------------------- */

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
            (column != i || mds->column_count != MEDVL_MDS_FIELDS ||
             mds->columns[i].size))
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
    n = get_u32(images.data);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size;

        left = images.size - at;
        if (left < 4)
            return bad_pictures(err);
        size = get_u32(images.data + at);
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
        at += 4 + (size_t)get_u32(at);
    out->data = at + 4;
    out->size = get_u32(at);
    return MEDVL_OK;
}
