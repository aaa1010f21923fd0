/*
 * What the files of safetensors share, and nobody else sees.
 *
 * Read next: safetensors.c.
 */
#ifndef MEDVL_TENSOR_SAFETENSORS_PART_H
#define MEDVL_TENSOR_SAFETENSORS_PART_H

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/tensor/safetensors.h"

#define SAFETENSORS_HEADER_MAX ((size_t)100 << 20)
#define SAFETENSORS_FILE       "model.safetensors"
#define SAFETENSORS_INDEX      "model.safetensors.index.json"

struct safetensors_type {
    const char *name;
    enum medvl_dtype dtype; /* NONE: can be seen, not computed */
    size_t bytes;
};

struct safetensors_item {
    char *name;
    struct medvl_tensor tensor;
    const struct safetensors_type *type;
    uint64_t begin, end; /* in the data of its file */
    size_t file;
    bool named; /* by the index */
};

struct safetensors_part {
    char *name; /* in the folder; NULL for a file opened by itself */
    struct medvl_mapping map;
};

struct medvl_safetensors {
    struct safetensors_part *parts;
    size_t part_count, part_capacity;
    struct safetensors_item *items; /* by name, once open */
    size_t count, capacity;
    struct medvl_json *metadata; /* of the first file that has one */
};

/* safetensors.c: map one more file and read its header. */
int safetensors_add(struct medvl_safetensors *st, const char *path,
                    const char *name,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Sort by name, refuse doubles; then items can be found. */
int safetensors_sort(struct medvl_safetensors *st,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
struct safetensors_item *
safetensors_item(const struct medvl_safetensors *st, const char *name);

/* How the format names a type; NULL when it cannot. */
const char *safetensors_type_name(enum medvl_dtype dtype);

/* safetensors_folder.c: all the files of a model folder. */
int safetensors_add_folder(struct medvl_safetensors *st, const char *folder,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Other formats' files, by name: what to do, or NULL. */
const char *safetensors_advice(const char *name);

#endif
