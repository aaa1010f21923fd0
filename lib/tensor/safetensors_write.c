/*
 * safetensors: written whole, as a folder's files, or in pieces.
 *
 * Read next: fp8.h.
 */
#include "lib/tensor/safetensors_part.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "lib/base/mem.h"
#include "lib/base/stream.h"

#define PIECE ((size_t)4 << 20)

static int check_dense(size_t *bytes, const char *name,
                       const struct medvl_tensor *t, struct medvl_error *err)
{
    int rc = medvl_tensor_bytes(bytes, t->dtype, t->rank, t->size, err);

    if (rc == MEDVL_OK && !strcmp(name, "__metadata__"))
        rc = medvl_fail(err, MEDVL_EARG,
                        "the format keeps this name, no tensor can have it");
    if (rc == MEDVL_OK && !safetensors_type_name(t->dtype))
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "type %s is not written",
                        medvl_dtype_name(t->dtype));
    if (rc == MEDVL_OK && t->stride != medvl_tensor_columns(t) &&
        medvl_tensor_rows(t) > 1)
        rc = medvl_fail(err, MEDVL_EARG, "rows are not dense");
    return rc < 0 ? medvl_context(err, "%s", name) : rc;
}

static void put_entry(struct medvl_json_writer *w, const char *name,
                      const struct medvl_tensor *t, size_t at, size_t bytes)
{
    medvl_json_begin(w, name, '{');
    medvl_json_put_string(w, "dtype",
                          medvl_span(safetensors_type_name(t->dtype)));
    medvl_json_begin(w, "shape", '[');
    for (int i = 0; i < t->rank; i++)
        medvl_json_put_int(w, NULL, t->size[i]);
    medvl_json_end(w);
    medvl_json_begin(w, "data_offsets", '[');
    medvl_json_put_int(w, NULL, (int64_t)at);
    medvl_json_put_int(w, NULL, (int64_t)(at + bytes));
    medvl_json_end(w);
    medvl_json_end(w);
}

static void put_metadata(struct medvl_json_writer *w,
                         const char *const *metadata)
{
    if (!metadata)
        return;
    medvl_json_begin(w, "__metadata__", '{');
    for (; metadata[0]; metadata += 2)
        medvl_json_put_string(w, metadata[0], medvl_span(metadata[1]));
    medvl_json_end(w);
}

static int refuse_doubles(const struct medvl_safetensors_entry *entries,
                          int64_t count, struct medvl_error *err)
{
    struct medvl_safetensors names = {0};
    int rc;

    names.items = medvl_alloc((size_t)count, sizeof(*names.items));
    if (!names.items)
        return medvl_no_memory(err);
    for (names.count = 0; names.count < (size_t)count; names.count++)
        names.items[names.count].name =
            (char *)(uintptr_t)entries[names.count].name;
    rc = safetensors_sort(&names, err);
    medvl_free(names.items);
    return rc;
}

/* The header, padded with spaces so that data is 8-byte aligned. */
static int make_header(struct medvl_text *text,
                       const struct medvl_safetensors_entry *entries,
                       int64_t count, const char *const *metadata,
                       struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = text};
    size_t at = 0, bytes = 0;
    int rc = refuse_doubles(entries, count, err);

    medvl_json_begin(&w, NULL, '{');
    put_metadata(&w, metadata);
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++, at += bytes) {
        rc = check_dense(&bytes, entries[i].name, &entries[i].tensor, err);
        if (rc == MEDVL_OK)
            put_entry(&w, entries[i].name, &entries[i].tensor, at, bytes);
    }
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    while (rc == MEDVL_OK && text->size % 8 != 0)
        rc = medvl_text_putc(text, ' ', err);
    if (rc == MEDVL_OK && text->size > SAFETENSORS_HEADER_MAX)
        rc = medvl_fail(err, MEDVL_EARG, "a header of %zu bytes",
                        text->size);
    return rc;
}

/* Data that the caller makes on the way, a piece at a time. */
struct filler {
    medvl_safetensors_fill *fill; /* NULL: every tensor has its data */
    void *arg;
    char *piece;
};

/* The data of `entry`, the index-th of the caller's. */
static int put_data(struct medvl_writer *writer, const struct filler *f,
                    const struct medvl_safetensors_entry *entry,
                    int64_t index, struct medvl_error *err)
{
    const struct medvl_tensor *t = &entry->tensor;
    const int64_t count = medvl_tensor_rows(t) * medvl_tensor_columns(t);
    const int64_t most = (int64_t)(PIECE / medvl_dtype_bytes(t->dtype, 1));
    int rc = MEDVL_OK;

    if (t->data || !f->fill)
        return medvl_writer_put(writer, t->data,
                                medvl_dtype_bytes(t->dtype, count), err);
    for (int64_t at = 0; at < count && rc == MEDVL_OK; at += most) {
        const int64_t step = count - at < most ? count - at : most;

        rc = f->fill(f->arg, index, at, step, f->piece, err);
        if (rc == MEDVL_OK)
            rc = medvl_writer_put(writer, f->piece,
                                  medvl_dtype_bytes(t->dtype, step), err);
    }
    return rc;
}

/* One file of `count` entries, the first of which is the caller's first-th. */
static int write_file(const char *path, const struct filler *f,
                      const struct medvl_safetensors_entry *entries,
                      int64_t first, int64_t count,
                      const char *const *metadata, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_writer *writer = NULL;
    unsigned char size[8];
    int rc = make_header(&text, entries, count, metadata, err);

    if (rc < 0)
        medvl_context(err, "%s", path);
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)text.size >> (8 * i));
    if (rc == MEDVL_OK)
        rc = medvl_writer_open(&writer, path, ".tmp", false, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(writer, size, sizeof(size), err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(writer, text.data, text.size, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++)
        rc = put_data(writer, f, &entries[i], first + i, err);
    if (rc == MEDVL_OK) {
        rc = medvl_writer_close(writer, err);
        writer = NULL;
    }
    medvl_writer_free(writer);
    medvl_text_release(&text);
    return rc;
}

int medvl_safetensors_write(const char *path,
                            const struct medvl_safetensors_entry *entries,
                            int64_t count, const char *const *metadata,
                            struct medvl_error *err)
{
    const struct filler none = {0};

    return write_file(path, &none, entries, 0, count, metadata, err);
}

/* ---- a folder -------------------------------------------------------- */

/* A model's files: how many, and what goes into the one at hand. */
struct shards {
    const char *folder;
    size_t limit;
    int64_t count;
    struct medvl_text name, index;
    struct medvl_json_writer json;
};

/* How many entries from the first-th on go into one file. */
static int64_t next_shard(const struct shards *s,
                          const struct medvl_safetensors_entry *entries,
                          int64_t count, size_t *bytes)
{
    int64_t n = 0;

    for (*bytes = 0; n < count; n++) {
        const struct medvl_tensor *t = &entries[n].tensor;
        const size_t size = medvl_dtype_bytes(
            t->dtype, medvl_tensor_rows(t) * medvl_tensor_columns(t));

        if (n > 0 && *bytes + size > s->limit)
            break;
        *bytes += size;
    }
    return n;
}

static int write_shard(struct shards *s, int64_t number,
                       const struct filler *f,
                       const struct medvl_safetensors_entry *entries,
                       int64_t first, int64_t count,
                       const char *const *metadata, struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    medvl_text_clear(&s->name);
    if (s->count == 1)
        rc = medvl_text_puts(&s->name, SAFETENSORS_FILE, err);
    else
        rc = medvl_text_printf(&s->name, err,
                               "model-%05lld-of-%05lld.safetensors",
                               (long long)number, (long long)s->count);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, s->folder, s->name.data, err);
    if (rc == MEDVL_OK)
        rc = write_file(path, f, entries, first, count, metadata, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++)
        medvl_json_put_string(&s->json, entries[i].name,
                              medvl_text_span(&s->name));
    medvl_free(path);
    return rc;
}

static int write_index(struct shards *s, struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    medvl_json_end(&s->json);
    medvl_json_end(&s->json);
    rc = medvl_json_write_end(&s->json, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&s->index, '\n', err);
    if (rc == MEDVL_OK && s->count > 1)
        rc = medvl_path_join(&path, s->folder, SAFETENSORS_INDEX, err);
    if (rc == MEDVL_OK && s->count > 1)
        rc = medvl_file_write(path, s->index.data, s->index.size, err);
    medvl_free(path);
    return rc;
}

/* Better before an hour of writing than after it. */
static int check_room(const char *folder, size_t bytes,
                      struct medvl_error *err)
{
    struct statvfs disk;

    if (statvfs(folder, &disk) != 0)
        return medvl_fail_output(err, folder);
    if (bytes / disk.f_frsize < disk.f_bavail)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EOUTPUT,
                      "no room for %zu bytes of weights, %llu are free", bytes,
                      (unsigned long long)disk.f_bavail * disk.f_frsize);
}

/* Count the files, and begin the index with the sizes of the whole. */
static int plan_shards(struct shards *s,
                       const struct medvl_safetensors_entry *entries,
                       int64_t count, struct medvl_error *err)
{
    size_t total = 0, bytes;
    int64_t items = 0;
    int rc = refuse_doubles(entries, count, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++) {
        const struct medvl_tensor *t = &entries[i].tensor;

        rc = check_dense(&bytes, entries[i].name, t, err);
        items += medvl_tensor_rows(t) * medvl_tensor_columns(t);
    }
    for (int64_t i = 0; rc == MEDVL_OK && i < count; total += bytes) {
        i += next_shard(s, entries + i, count - i, &bytes);
        s->count++;
    }
    if (rc == MEDVL_OK)
        rc = check_room(s->folder, total, err);
    if (s->count == 0)
        s->count = 1;
    s->json.out = &s->index;
    medvl_json_begin(&s->json, NULL, '{');
    medvl_json_begin(&s->json, "metadata", '{');
    medvl_json_put_int(&s->json, "total_parameters", items);
    medvl_json_put_int(&s->json, "total_size", (int64_t)total);
    medvl_json_end(&s->json);
    medvl_json_begin(&s->json, "weight_map", '{');
    return rc;
}

int medvl_safetensors_write_folder(
    const char *folder, const struct medvl_safetensors_entry *entries,
    int64_t count, const char *const *metadata, size_t limit,
    medvl_safetensors_fill *fill, void *arg, struct medvl_error *err)
{
    struct shards s = {.folder = folder, .limit = limit};
    struct filler f = {.fill = fill, .arg = arg};
    size_t bytes;
    int rc;

    f.piece = medvl_alloc(PIECE, 1);
    if (!f.piece)
        return medvl_no_memory(err);
    rc = plan_shards(&s, entries, count, err);
    if (rc < 0)
        medvl_context(err, "%s", folder);
    for (int64_t k = 0, i = 0; rc == MEDVL_OK && k < s.count; k++) {
        const int64_t n = next_shard(&s, entries + i, count - i, &bytes);

        rc = write_shard(&s, k + 1, &f, entries + i, i, n, metadata, err);
        i += n;
    }
    if (rc == MEDVL_OK)
        rc = write_index(&s, err);
    medvl_free(f.piece);
    medvl_text_release(&s.name);
    medvl_text_release(&s.index);
    return rc;
}

/* ---- writing in pieces ----------------------------------------------- */

struct medvl_safetensors_writer {
    char *path, *data_path;
    FILE *data;
    struct medvl_safetensors_entry *entries; /* names are owned */
    size_t count, capacity;
};

int medvl_safetensors_writer_open(struct medvl_safetensors_writer **out,
                                  const char *path, struct medvl_error *err)
{
    struct medvl_safetensors_writer *writer;
    struct medvl_text text = {0};
    int rc = MEDVL_OK;

    *out = NULL;
    writer = medvl_alloc(1, sizeof(*writer));
    if (!writer)
        return medvl_no_memory(err);
    writer->path = medvl_copy_string(path, strlen(path));
    if (!writer->path)
        rc = medvl_no_memory(err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&text, err, "%s.data.tmp", path);
    if (rc == MEDVL_OK) {
        writer->data_path = text.data; /* a text's memory is medvl_free's */
        writer->data = fopen(text.data, "wb");
        if (!writer->data)
            rc = medvl_fail_output(err, text.data);
    } else {
        medvl_text_release(&text);
    }
    if (rc < 0) {
        medvl_safetensors_writer_free(writer);
        return rc;
    }
    *out = writer;
    return MEDVL_OK;
}

int medvl_safetensors_writer_put(struct medvl_safetensors_writer *writer,
                                 const char *name,
                                 const struct medvl_tensor *tensor,
                                 struct medvl_error *err)
{
    struct medvl_safetensors_entry *entry;
    size_t bytes = 0;
    int rc = check_dense(&bytes, name, tensor, err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&writer->entries, &writer->capacity,
                        writer->count + 1, sizeof(*entry), err);
    if (rc < 0)
        return rc;
    entry = &writer->entries[writer->count];
    entry->tensor = *tensor;
    entry->tensor.data = NULL;
    entry->name = medvl_copy_string(name, strlen(name));
    if (!entry->name)
        return medvl_no_memory(err);
    writer->count++;
    if (bytes > 0 && fwrite(tensor->data, 1, bytes, writer->data) != bytes)
        return medvl_fail_output(err, writer->data_path);
    return MEDVL_OK;
}

/* Entries get their data from the map of what was written so far. */
static int place_entries(struct medvl_safetensors_writer *writer,
                         const struct medvl_mapping *map,
                         struct medvl_error *err)
{
    size_t at = 0, bytes = 0;

    for (size_t i = 0; i < writer->count; i++, at += bytes) {
        struct medvl_tensor *t = &writer->entries[i].tensor;
        int rc = check_dense(&bytes, writer->entries[i].name, t, err);

        if (rc < 0)
            return rc;
        if (bytes > 0)
            t->data = (void *)(uintptr_t)(map->data + at);
    }
    if (at != map->size)
        return medvl_fail(err, MEDVL_EIO, "%s has %zu bytes, want %zu",
                          writer->data_path, map->size, at);
    return MEDVL_OK;
}

int medvl_safetensors_writer_close(struct medvl_safetensors_writer *writer,
                                   struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    int rc = MEDVL_OK;

    if (fclose(writer->data) != 0)
        rc = medvl_fail_output(err, writer->data_path);
    writer->data = NULL;
    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&map, writer->data_path, err);
    if (rc == MEDVL_OK)
        rc = place_entries(writer, &map, err);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_write(writer->path, writer->entries,
                                     (int64_t)writer->count, NULL, err);
    medvl_mapping_release(&map);
    medvl_safetensors_writer_free(writer);
    return rc;
}

void medvl_safetensors_writer_free(struct medvl_safetensors_writer *writer)
{
    if (!writer)
        return;
    if (writer->data)
        fclose(writer->data);
    if (writer->data_path)
        remove(writer->data_path);
    for (size_t i = 0; i < writer->count; i++)
        medvl_free((void *)(uintptr_t)writer->entries[i].name);
    medvl_free(writer->entries);
    medvl_free(writer->data_path);
    medvl_free(writer->path);
    medvl_free(writer);
}
