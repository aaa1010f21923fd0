/*
 * safetensors: a file's header, checked, and its tensors by name.
 *
 * Read next: safetensors_folder.c.
 */
#include "lib/tensor/safetensors_part.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

static const struct safetensors_type TYPES[] = {
    {"F32", MEDVL_DTYPE_F32, 4},
    {"BF16", MEDVL_DTYPE_BF16, 2},
    {"F16", MEDVL_DTYPE_F16, 2},
    {"F8_E4M3", MEDVL_DTYPE_F8_E4M3, 1},
    {"F8_E5M2", MEDVL_DTYPE_F8_E5M2, 1},
    {"I32", MEDVL_DTYPE_I32, 4},
    {"U8", MEDVL_DTYPE_U8, 1},
    {"BOOL", MEDVL_DTYPE_NONE, 1},
    {"I8", MEDVL_DTYPE_NONE, 1},
    {"F8_E8M0", MEDVL_DTYPE_NONE, 1},
    {"I16", MEDVL_DTYPE_NONE, 2},
    {"U16", MEDVL_DTYPE_NONE, 2},
    {"U32", MEDVL_DTYPE_NONE, 4},
    {"F64", MEDVL_DTYPE_NONE, 8},
    {"I64", MEDVL_DTYPE_NONE, 8},
    {"U64", MEDVL_DTYPE_NONE, 8},
};
#define TYPE_COUNT (sizeof(TYPES) / sizeof(*TYPES))

const char *safetensors_type_name(enum medvl_dtype dtype)
{
    for (size_t k = 0; k < TYPE_COUNT; k++)
        if (TYPES[k].dtype == dtype && dtype != MEDVL_DTYPE_NONE)
            return TYPES[k].name;
    return NULL;
}

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

static int read_shape(struct safetensors_item *item,
                      const struct medvl_json *shape,
                      struct medvl_error *err)
{
    struct medvl_tensor *t = &item->tensor;
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
static int read_entry(struct safetensors_item *item,
                      const struct medvl_json *value,
                      struct medvl_error *err)
{
    const struct medvl_json *at = medvl_json_get(value, "data_offsets");
    const char *type = medvl_json_string(medvl_json_get(value, "dtype"));
    size_t k = 0, bytes, outer;
    int rc = read_shape(item, medvl_json_get(value, "shape"), err);

    if (rc < 0)
        return rc;
    while (type && k < TYPE_COUNT && strcmp(type, TYPES[k].name) != 0)
        k++;
    if (!type || k == TYPE_COUNT)
        return medvl_fail(err, MEDVL_EFORMAT, "unknown dtype \"%s\"",
                          type ? type : "");
    item->type = &TYPES[k];
    item->tensor.dtype = TYPES[k].dtype;
    if (medvl_json_count(at) != 2 ||
        read_size(&item->begin, medvl_json_at(at, 0)) < 0 ||
        read_size(&item->end, medvl_json_at(at, 1)) < 0 ||
        item->begin > item->end)
        return medvl_fail(err, MEDVL_EFORMAT, "bad \"data_offsets\"");
    bytes = outer = TYPES[k].bytes;
    for (int i = 0; i < item->tensor.rank; i++) {
        const size_t size = (size_t)item->tensor.size[i];

        /* A size of zero hides no product that is too large. */
        if (!medvl_size_mul(&outer, outer, size ? size : 1) ||
            outer >= (size_t)1 << 62)
            return medvl_fail(err, MEDVL_EFORMAT, "shape is too large");
        bytes *= size;
    }
    if (bytes != item->end - item->begin)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "shape takes %zu bytes, offsets %llu", bytes,
                          (unsigned long long)(item->end - item->begin));
    return MEDVL_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_item *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    const struct safetensors_item *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* least: so many bytes or more. */
static int fail_short(uint64_t have, uint64_t want, bool least,
                      struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT,
                      "the file is cut short, %llu bytes of %llu%s; fetch it "
                      "again",
                      (unsigned long long)have, (unsigned long long)want,
                      least ? " or more" : "");
}

/*
 * The file's tensors fill its data, which begins at byte `first`: no
 * overlap, no gap, nothing after.
 */
static int check_places(struct safetensors_item *items, size_t count,
                        uint64_t first, uint64_t size,
                        struct medvl_error *err)
{
    uint64_t at = 0, end = 0;

    if (count > 0)
        qsort(items, count, sizeof(*items), by_place);
    for (size_t i = 0; i < count; i++)
        end = items[i].end > end ? items[i].end : end;
    if (end > size)
        return fail_short(first + size, first + end, false, err);
    for (size_t i = 0; i < count; i++) {
        if (items[i].begin != at)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "%s begins at byte %llu of the data, want %llu",
                              items[i].name,
                              (unsigned long long)items[i].begin,
                              (unsigned long long)at);
        at = items[i].end;
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
    struct safetensors_item *item;
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
        rc = medvl_grow(&st->items, &st->capacity, st->count + 1,
                        sizeof(*item), err);
    if (rc < 0)
        goto done;
    item = &st->items[st->count];
    memset(item, 0, sizeof(*item));
    item->file = file;
    rc = read_entry(item, value, err);
    if (rc < 0) {
        medvl_context(err, "%s", name.data ? name.data : "");
        goto done;
    }
    item->name = medvl_copy_string(name.data ? name.data : "", name.size);
    rc = item->name ? MEDVL_OK : medvl_no_memory(err);
    st->count += rc == MEDVL_OK;
done:
    medvl_json_free(value);
    medvl_text_release(&name);
    return rc;
}

/* What else it is by its first bytes, and what to do; NULL: nothing known.
 * A PyTorch file is a zip archive, or an old one a bare pickle. */
static const char *other_format(const struct medvl_mapping *map)
{
    static const struct {
        const char *mark, *name;
    } MARKS[] = {{"PK\3\4", "x.bin"},
                 {"\x80\2", "x.bin"},
                 {"GGUF", "x.gguf"}};

    for (size_t i = 0; i < sizeof(MARKS) / sizeof(*MARKS); i++) {
        const size_t size = strlen(MARKS[i].mark);

        /* The third byte of a safetensors file's length is rarely used,
         * its seventh never. */
        if (map->size > 8 && !memcmp(map->data, MARKS[i].mark, size) &&
            map->data[6] | map->data[7])
            return safetensors_advice(MARKS[i].name);
    }
    return medvl_file_pointer(map->data, map->size);
}

const char *medvl_safetensors_advice(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *advice = safetensors_advice(slash ? slash + 1 : path);
    struct medvl_mapping map;

    if (!advice && medvl_mapping_open(&map, path, NULL) == MEDVL_OK) {
        advice = other_format(&map);
        medvl_mapping_release(&map);
    }
    return advice;
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

    if (other_format(map))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s", other_format(map));
    if (map->size < 8)
        return fail_short(map->size, 8, true, err);
    for (int i = 7; i >= 0; i--)
        size = size << 8 | map->data[i];
    if (size > map->size - 8 && size <= SAFETENSORS_HEADER_MAX)
        return fail_short(map->size, 8 + size, true, err);
    if (size > SAFETENSORS_HEADER_MAX)
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
    rc = check_places(st->items + first, st->count - first,
                      8 + size, map->size - 8 - size, err);
    for (size_t i = first; rc == MEDVL_OK && i < st->count; i++)
        st->items[i].tensor.data =
            (void *)(map->data + 8 + size + st->items[i].begin);
    return rc;
}

int safetensors_add(struct medvl_safetensors *st, const char *path,
                    const char *name, struct medvl_error *err)
{
    struct safetensors_part *part;
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

/* ---- by name, and opening ------------------------------------------- */

struct safetensors_item *
safetensors_item(const struct medvl_safetensors *st, const char *name)
{
    struct safetensors_item key = {.name = (char *)(uintptr_t)name};

    if (st->count == 0)
        return NULL;
    return bsearch(&key, st->items, st->count, sizeof(key), by_name);
}

int safetensors_sort(struct medvl_safetensors *st, struct medvl_error *err)
{
    if (st->count > 0)
        qsort(st->items, st->count, sizeof(*st->items), by_name);
    for (size_t i = 1; i < st->count; i++)
        if (strcmp(st->items[i - 1].name, st->items[i].name) == 0)
            return medvl_fail(err, MEDVL_EFORMAT, "%s stands twice",
                              st->items[i].name);
    return MEDVL_OK;
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
        rc = safetensors_add_folder(st, path, err);
    } else {
        rc = safetensors_add(st, path, NULL, err);
        if (rc == MEDVL_OK)
            rc = safetensors_sort(st, err);
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
        medvl_free(file->items[i].name);
    for (size_t i = 0; i < file->part_count; i++) {
        medvl_free(file->parts[i].name);
        medvl_mapping_release(&file->parts[i].map);
    }
    medvl_json_free(file->metadata);
    medvl_free(file->items);
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
    return file->items[i].name;
}

const struct medvl_tensor *
medvl_safetensors_tensor(const struct medvl_safetensors *file, int64_t i)
{
    return &file->items[i].tensor;
}

const struct medvl_tensor *
medvl_safetensors_find(const struct medvl_safetensors *file,
                       const char *name)
{
    const struct safetensors_item *item = safetensors_item(file, name);

    return item ? &item->tensor : NULL;
}

const char *medvl_safetensors_metadata(const struct medvl_safetensors *file,
                                       const char *key)
{
    return medvl_json_string(medvl_json_get(file->metadata, key));
}

const char *medvl_safetensors_type(const struct medvl_safetensors *file,
                                   int64_t i)
{
    return file->items[i].type->name;
}

size_t medvl_safetensors_bytes(const struct medvl_safetensors *file,
                               int64_t i)
{
    return (size_t)(file->items[i].end - file->items[i].begin);
}

int64_t medvl_safetensors_files(const struct medvl_safetensors *file,
                                int64_t *bytes)
{
    int64_t sum = 0;

    for (size_t i = 0; i < file->part_count; i++)
        sum += (int64_t)file->parts[i].map.size;
    if (bytes)
        *bytes = sum;
    return (int64_t)file->part_count;
}
