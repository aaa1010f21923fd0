/*
 * safetensors: reading by map, writing whole or in pieces.
 *
 * Read next: tape.h.
 */
#include "lib/tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"

#define HEADER_MAX ((size_t)100 << 20)
#define INDEX_NAME "model.safetensors.index.json"
#define FILE_NAME  "model.safetensors"

/* The format's types; those without a dtype can be seen, not computed. */
static const struct {
    const char *name;
    enum medvl_dtype dtype;
    size_t bytes;
} TYPES[] = {
    {"F32", MEDVL_DTYPE_F32, 4},
    {"BF16", MEDVL_DTYPE_BF16, 2},
    {"F16", MEDVL_DTYPE_F16, 2},
    {"I32", MEDVL_DTYPE_I32, 4},
    {"U8", MEDVL_DTYPE_U8, 1},
    {"BOOL", MEDVL_DTYPE_NONE, 1},
    {"I8", MEDVL_DTYPE_NONE, 1},
    {"F8_E4M3", MEDVL_DTYPE_NONE, 1},
    {"F8_E5M2", MEDVL_DTYPE_NONE, 1},
    {"I16", MEDVL_DTYPE_NONE, 2},
    {"U16", MEDVL_DTYPE_NONE, 2},
    {"U32", MEDVL_DTYPE_NONE, 4},
    {"F64", MEDVL_DTYPE_NONE, 8},
    {"I64", MEDVL_DTYPE_NONE, 8},
    {"U64", MEDVL_DTYPE_NONE, 8},
};
#define TYPE_COUNT (sizeof(TYPES) / sizeof(*TYPES))

struct entry {
    char *name;
    struct medvl_tensor tensor;
    uint64_t begin, end; /* in the data of its file */
    size_t file;
};

struct part {
    char *name; /* in the folder; NULL for a file opened by itself */
    struct medvl_mapping map;
};

struct medvl_safetensors {
    struct part *parts;
    size_t part_count, part_capacity;
    struct entry *entries; /* by name, once open */
    size_t count, capacity;
    struct medvl_json *metadata; /* of the first file that has one */
};

/* ---- reading the header ---------------------------------------------- */

/* A whole number of a header: sizes and offsets. */
static int read_size(uint64_t *out, const struct medvl_json *value)
{
    const double x = medvl_json_number(value, -1);

    if (medvl_json_type(value) != MEDVL_JSON_NUMBER || x < 0 ||
        x > 9007199254740992.0 || x != (double)(uint64_t)x)
        return -1;
    *out = (uint64_t)x;
    return 0;
}

static int read_shape(struct entry *entry, const struct medvl_json *shape,
                      struct medvl_error *err)
{
    struct medvl_tensor *t = &entry->tensor;
    uint64_t size;

    if (medvl_json_type(shape) != MEDVL_JSON_ARRAY)
        return medvl_fail(err, MEDVL_EFORMAT, "no \"shape\"");
    if (medvl_json_count(shape) > MEDVL_TENSOR_RANK)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "rank %zu, at most %d",
                          medvl_json_count(shape), MEDVL_TENSOR_RANK);
    for (const struct medvl_json *v = medvl_json_first(shape); v;
         v = medvl_json_next(v)) {
        if (read_size(&size, v) < 0)
            return medvl_fail(err, MEDVL_EFORMAT, "a size is no number");
        t->size[t->rank++] = (int64_t)size;
    }
    if (t->rank == 0)
        t->size[t->rank++] = 1;
    t->stride = t->size[t->rank - 1];
    return MEDVL_OK;
}

/* Type, shape and offsets of one tensor; they must agree. */
static int read_entry(struct entry *entry, const struct medvl_json *value,
                      struct medvl_error *err)
{
    const struct medvl_json *at = medvl_json_get(value, "data_offsets");
    const char *type = medvl_json_string(medvl_json_get(value, "dtype"));
    size_t k = 0, bytes;
    int rc = read_shape(entry, medvl_json_get(value, "shape"), err);

    if (rc < 0)
        return rc;
    while (type && k < TYPE_COUNT && strcmp(type, TYPES[k].name) != 0)
        k++;
    if (!type || k == TYPE_COUNT)
        return medvl_fail(err, MEDVL_EFORMAT, "unknown dtype \"%s\"",
                          type ? type : "");
    entry->tensor.dtype = TYPES[k].dtype;
    if (medvl_json_count(at) != 2 ||
        read_size(&entry->begin, medvl_json_at(at, 0)) < 0 ||
        read_size(&entry->end, medvl_json_at(at, 1)) < 0 ||
        entry->begin > entry->end)
        return medvl_fail(err, MEDVL_EFORMAT, "bad \"data_offsets\"");
    bytes = TYPES[k].bytes;
    for (int i = 0; i < entry->tensor.rank; i++)
        if (!medvl_size_mul(&bytes, bytes, (size_t)entry->tensor.size[i]))
            return medvl_fail(err, MEDVL_EFORMAT, "shape is too large");
    if (bytes != entry->end - entry->begin)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "shape takes %zu bytes, offsets %llu", bytes,
                          (unsigned long long)(entry->end - entry->begin));
    return MEDVL_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* The file's tensors fill its data: no overlap, no gap, nothing after. */
static int check_places(struct entry *entries, size_t count, uint64_t size,
                        struct medvl_error *err)
{
    uint64_t at = 0;

    if (count > 0)
        qsort(entries, count, sizeof(*entries), by_place);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].end > size)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s ends at byte %llu of %llu of data",
                              entries[i].name,
                              (unsigned long long)entries[i].end,
                              (unsigned long long)size);
        if (entries[i].begin != at)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s begins at byte %llu of the data, want %llu",
                              entries[i].name,
                              (unsigned long long)entries[i].begin,
                              (unsigned long long)at);
        at = entries[i].end;
    }
    if (at != size)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "tensors take %llu bytes, the file has %llu",
                          (unsigned long long)at, (unsigned long long)size);
    return MEDVL_OK;
}

static int add_entry(struct medvl_safetensors *st, size_t file,
                     const struct medvl_json_member *member,
                     struct medvl_error *err)
{
    struct medvl_json *value = NULL;
    struct medvl_text name = {0};
    struct medvl_span quoted = member->name;
    struct entry *entry;
    int rc;

    quoted.data--; /* with its quotes */
    quoted.size += 2;
    rc = medvl_json_unescape(&name, quoted, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&value, member->value, err);
    if (rc == MEDVL_OK && name.size > 0 &&
        strcmp(name.data, "__metadata__") == 0) {
        if (!st->metadata) {
            st->metadata = value;
            value = NULL;
        }
        goto done;
    }
    if (rc == MEDVL_OK)
        rc = medvl_grow(&st->entries, &st->capacity, st->count + 1,
                        sizeof(*entry), err);
    if (rc < 0)
        goto done;
    entry = &st->entries[st->count];
    memset(entry, 0, sizeof(*entry));
    entry->file = file;
    rc = read_entry(entry, value, err);
    if (rc < 0) {
        medvl_context(err, "%s", name.data ? name.data : "");
        goto done;
    }
    entry->name = medvl_copy_string(name.data ? name.data : "", name.size);
    rc = entry->name ? MEDVL_OK : medvl_no_memory(err);
    st->count += rc == MEDVL_OK;
done:
    medvl_json_free(value);
    medvl_text_release(&name);
    return rc;
}

/* The header of the part that was just mapped. */
static int read_header(struct medvl_safetensors *st, size_t file,
                       struct medvl_error *err)
{
    const struct medvl_mapping *map = &st->parts[file].map;
    const size_t first = st->count;
    struct medvl_json_view view = {0};
    struct medvl_span span;
    uint64_t size = 0;
    int rc;

    if (map->size < 8)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%zu bytes is too short for safetensors",
                          map->size);
    for (int i = 7; i >= 0; i--)
        size = size << 8 | map->data[i];
    if (size > HEADER_MAX || size > map->size - 8)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a header of %llu bytes in a file of %zu",
                          (unsigned long long)size, map->size);
    span.data = (const char *)map->data + 8;
    span.size = (size_t)size;
    rc = medvl_json_view_object(&view, span, err);
    if (rc < 0)
        medvl_context(err, "header");
    for (size_t i = 0; rc == MEDVL_OK && i < view.count; i++)
        rc = add_entry(st, file, &view.members[i], err);
    medvl_json_view_release(&view);
    if (rc < 0)
        return rc;
    rc = check_places(st->entries + first, st->count - first,
                      map->size - 8 - size, err);
    for (size_t i = first; rc == MEDVL_OK && i < st->count; i++)
        st->entries[i].tensor.data =
            (void *)(map->data + 8 + size + st->entries[i].begin);
    return rc;
}

static int open_part(struct medvl_safetensors *st, const char *path,
                     const char *name, struct medvl_error *err)
{
    struct part *part;
    int rc = medvl_grow(&st->parts, &st->part_capacity, st->part_count + 1,
                        sizeof(*part), err);

    if (rc < 0)
        return rc;
    part = &st->parts[st->part_count];
    memset(part, 0, sizeof(*part));
    if (name) {
        part->name = medvl_copy_string(name, strlen(name));
        if (!part->name)
            return medvl_no_memory(err);
    }
    st->part_count++;
    rc = medvl_mapping_open(&part->map, path, err);
    if (rc < 0)
        return rc;
    rc = read_header(st, st->part_count - 1, err);
    return rc < 0 ? medvl_context(err, "%s", path) : rc;
}

/* ---- a folder by its index ------------------------------------------- */

static int open_named(struct medvl_safetensors *st, const char *folder,
                      const char *name, struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    for (size_t i = 0; i < st->part_count; i++)
        if (strcmp(st->parts[i].name, name) == 0)
            return MEDVL_OK;
    if (strchr(name, '/'))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\" is no name of a file in the folder", name);
    rc = medvl_path_join(&path, folder, name, err);
    if (rc == MEDVL_OK)
        rc = open_part(st, path, name, err);
    medvl_free(path);
    return rc;
}

static struct entry *find(const struct medvl_safetensors *st,
                          const char *name)
{
    struct entry key = {.name = (char *)(uintptr_t)name};

    if (st->count == 0)
        return NULL;
    return bsearch(&key, st->entries, st->count, sizeof(key), by_name);
}

/* Sort by name, refuse doubles. */
static int sort_entries(struct medvl_safetensors *st, struct medvl_error *err)
{
    if (st->count > 0)
        qsort(st->entries, st->count, sizeof(*st->entries), by_name);
    for (size_t i = 1; i < st->count; i++)
        if (strcmp(st->entries[i - 1].name, st->entries[i].name) == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "%s stands twice",
                              st->entries[i].name);
    return MEDVL_OK;
}

/* Every file that the index names, and in them what it says. */
static int open_index(struct medvl_safetensors *st, const char *folder,
                      const char *path, struct medvl_error *err)
{
    const struct medvl_json *map, *m;
    struct medvl_json *root = NULL;
    const char *name;
    int rc = medvl_json_read(&root, path, err);

    if (rc < 0)
        return rc;
    map = medvl_json_get(root, "weight_map");
    if (medvl_json_type(map) != MEDVL_JSON_OBJECT)
        rc = medvl_fail(err, MEDVL_EFORMAT, "%s: no \"weight_map\"", path);
    for (m = medvl_json_first(map); rc == MEDVL_OK && m;
         m = medvl_json_next(m)) {
        name = medvl_json_string(m);
        if (!name)
            rc = medvl_fail(err, MEDVL_EFORMAT, "%s: %s: no name of a file",
                            path, medvl_json_name(m));
        else
            rc = open_named(st, folder, name, err);
    }
    if (rc == MEDVL_OK)
        rc = sort_entries(st, err);
    for (m = medvl_json_first(map); rc == MEDVL_OK && m;
         m = medvl_json_next(m)) {
        const struct entry *e = find(st, medvl_json_name(m));

        if (!e || strcmp(st->parts[e->file].name, medvl_json_string(m)) != 0)
            rc = medvl_fail(err, MEDVL_EFORMAT, "%s: %s is not in %s", path,
                            medvl_json_name(m), medvl_json_string(m));
    }
    if (rc == MEDVL_OK && st->count != medvl_json_count(map))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "%s: names %zu tensors, its files have %zu", path,
                        medvl_json_count(map), st->count);
    medvl_json_free(root);
    return rc;
}

static int open_folder(struct medvl_safetensors *st, const char *folder,
                       struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, INDEX_NAME, err);

    if (rc < 0)
        return rc;
    if (medvl_file_exists(path)) {
        rc = open_index(st, folder, path, err);
        medvl_free(path);
        return rc;
    }
    medvl_free(path);
    rc = medvl_path_join(&path, folder, FILE_NAME, err);
    if (rc == MEDVL_OK)
        rc = open_part(st, path, NULL, err);
    medvl_free(path);
    return rc == MEDVL_OK ? sort_entries(st, err) : rc;
}

int medvl_safetensors_open(struct medvl_safetensors **out, const char *path,
                           struct medvl_error *err)
{
    struct medvl_safetensors *st = medvl_alloc(1, sizeof(*st));
    int rc;

    *out = NULL;
    if (!st)
        return medvl_no_memory(err);
    if (medvl_folder_exists(path)) {
        rc = open_folder(st, path, err);
    } else {
        rc = open_part(st, path, NULL, err);
        if (rc == MEDVL_OK)
            rc = sort_entries(st, err);
    }
    if (rc < 0) {
        medvl_safetensors_free(st);
        return rc;
    }
    *out = st;
    return MEDVL_OK;
}

void medvl_safetensors_free(struct medvl_safetensors *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++)
        medvl_free(file->entries[i].name);
    for (size_t i = 0; i < file->part_count; i++) {
        medvl_free(file->parts[i].name);
        medvl_mapping_release(&file->parts[i].map);
    }
    medvl_json_free(file->metadata);
    medvl_free(file->entries);
    medvl_free(file->parts);
    medvl_free(file);
}

/* ---- looking --------------------------------------------------------- */

int64_t medvl_safetensors_count(const struct medvl_safetensors *file)
{
    return (int64_t)file->count;
}

const char *medvl_safetensors_name(const struct medvl_safetensors *file,
                                   int64_t i)
{
    return file->entries[i].name;
}

const struct medvl_tensor *
medvl_safetensors_tensor(const struct medvl_safetensors *file, int64_t i)
{
    return &file->entries[i].tensor;
}

const struct medvl_tensor *
medvl_safetensors_find(const struct medvl_safetensors *file,
                       const char *name)
{
    const struct entry *entry = find(file, name);

    return entry ? &entry->tensor : NULL;
}

const char *medvl_safetensors_metadata(const struct medvl_safetensors *file,
                                       const char *key)
{
    return medvl_json_string(medvl_json_get(file->metadata, key));
}

/* ---- writing --------------------------------------------------------- */

static const char *type_name(enum medvl_dtype dtype)
{
    for (size_t k = 0; k < TYPE_COUNT; k++)
        if (TYPES[k].dtype == dtype && dtype != MEDVL_DTYPE_NONE)
            return TYPES[k].name;
    return NULL;
}

static int check_dense(size_t *bytes, const char *name,
                       const struct medvl_tensor *t, struct medvl_error *err)
{
    int rc = medvl_tensor_bytes(bytes, t->dtype, t->rank, t->size, err);

    if (rc == MEDVL_OK && !strcmp(name, "__metadata__"))
        rc = medvl_fail(err, MEDVL_EARG,
                        "the format keeps this name, no tensor can have it");
    if (rc == MEDVL_OK && !type_name(t->dtype))
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
    medvl_json_put_string(w, "dtype", medvl_span(type_name(t->dtype)));
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

    names.entries = medvl_alloc((size_t)count, sizeof(*names.entries));
    if (!names.entries)
        return medvl_no_memory(err);
    for (names.count = 0; names.count < (size_t)count; names.count++)
        names.entries[names.count].name =
            (char *)(uintptr_t)entries[names.count].name;
    rc = sort_entries(&names, err);
    medvl_free(names.entries);
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
    if (rc == MEDVL_OK && text->size > HEADER_MAX)
        rc = medvl_fail(err, MEDVL_EARG, "a header of %zu bytes",
                        text->size);
    return rc;
}

int medvl_safetensors_write(const char *path,
                            const struct medvl_safetensors_entry *entries,
                            int64_t count, const char *const *metadata,
                            struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_writer *writer = NULL;
    unsigned char size[8];
    size_t bytes = 0;
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
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++) {
        rc = check_dense(&bytes, entries[i].name, &entries[i].tensor, err);
        if (rc == MEDVL_OK)
            rc = medvl_writer_put(writer, entries[i].tensor.data, bytes, err);
    }
    if (rc == MEDVL_OK) {
        rc = medvl_writer_close(writer, err);
        writer = NULL;
    }
    medvl_writer_free(writer);
    medvl_text_release(&text);
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
