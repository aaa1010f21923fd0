/*
 * Reading index.json: see shard_mds_index.h.
 *
 * Read next: shard_mds.c.
 */
#include "lib/data/shard_mds_index.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"

void medvl_mds_index_release(struct medvl_mds_index *index)
{
    for (size_t i = 0; i < index->entry_count; i++) {
        medvl_free(index->entries[i].raw.name);
        medvl_free(index->entries[i].packed.name);
    }
    for (int i = 0; i < index->column_count; i++) {
        medvl_free((void *)index->columns[i].name);
        medvl_free((void *)index->columns[i].encoding);
    }
    medvl_free(index->entries);
}

/* A file's name must not lead out of the folder. */
static bool inside(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int read_file(struct medvl_mds_file *file,
                     const struct medvl_json *shard, const char *member,
                     struct medvl_error *err)
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

static int read_compression(struct medvl_mds_entry *entry,
                            const struct medvl_json *json,
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
    return read_file(&entry->packed, json, "zip_data", err);
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
static int take_column(struct medvl_mds_index *index, int i, bool first,
                       const struct medvl_mds_column *column,
                       struct medvl_error *err)
{
    struct medvl_mds_column *mine = &index->columns[i];

    if (!first) {
        if (strcmp(mine->name, column->name) != 0 ||
            strcmp(mine->encoding, column->encoding) != 0 ||
            mine->size != column->size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "columns differ from the first shard's");
        return MEDVL_OK;
    }
    for (int k = 0; k < i; k++)
        if (strcmp(index->columns[k].name, column->name) == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "column \"%s\" twice",
                              column->name);
    index->column_count = i + 1;
    mine->size = column->size;
    mine->name = medvl_copy_string(column->name, strlen(column->name));
    mine->encoding =
        medvl_copy_string(column->encoding, strlen(column->encoding));
    return mine->name && mine->encoding ? MEDVL_OK : medvl_no_memory(err);
}

static int read_columns(struct medvl_mds_index *index, bool first,
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
        (!first && count != (size_t)index->column_count))
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
            rc = take_column(index, i, first, &column, err);
        n = medvl_json_next(n);
        e = medvl_json_next(e);
        s = medvl_json_next(s);
    }
    return rc;
}

static int read_entry(struct medvl_mds_index *index,
                      struct medvl_mds_entry *entry,
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
        rc = medvl_json_get_int(&entry->samples, json, "samples", 0,
                                UINT32_MAX, err);
    if (rc == MEDVL_OK)
        rc = read_columns(index, entry == index->entries, json, err);
    if (rc == MEDVL_OK)
        rc = read_file(&entry->raw, json, "raw_data", err);
    if (rc == MEDVL_OK)
        rc = read_compression(entry, json, err);
    if (rc == MEDVL_OK && entry->raw.bytes < 8 + 4 * entry->samples)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%" PRId64 " samples do not fit %" PRId64 " bytes",
                        entry->samples, entry->raw.bytes);
    entry->first = index->count;
    index->count += entry->samples;
    return rc;
}

int medvl_mds_index_parse(struct medvl_mds_index *index,
                          struct medvl_span text, struct medvl_error *err)
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
    index->entries = medvl_alloc(medvl_json_count(shards),
                                 sizeof(*index->entries));
    if (!index->entries) {
        rc = medvl_no_memory(err);
        goto done;
    }
    json = medvl_json_first(shards);
    for (; json && rc == MEDVL_OK; json = medvl_json_next(json)) {
        struct medvl_mds_entry *entry = &index->entries[index->entry_count++];

        rc = read_entry(index, entry, json, err);
        if (rc < 0)
            medvl_context(err, "shard %zu", index->entry_count - 1);
    }
    if (rc == MEDVL_OK && index->count == 0)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no sample in it");
done:
    medvl_json_free(root);
    return rc;
}
