/*
 * The weights of a model folder: model.safetensors, or the files that
 * model.safetensors.index.json names; and what to do about other formats.
 *
 * Read next: safetensors_write.c.
 */
#include "lib/tensor/safetensors_part.h"

#include <fnmatch.h>
#include <string.h>

#include "lib/base/mem.h"

#define SHARDS "model-[0-9]*-of-[0-9]*.safetensors"

#define PICKLE                                                            \
    "PyTorch's pickles can hold programs and are never opened; convert "  \
    "them in their folder, with Python's torch and safetensors: python3 " \
    "-c 'import glob,torch,safetensors.torch as s;w={};[w.update(torch."  \
    "load(f,\"cpu\",weights_only=True)) for f in glob.glob(\"pytorch_"    \
    "model*.bin\")];s.save_file({k:v.contiguous().clone() for k,v in w."  \
    "items()},\"model.safetensors\",{\"format\":\"pt\"})'"

/* Weights in other formats, by file name, and what to do. */
static const struct {
    const char *pattern, *advice;
} OTHERS[] = {
    {SHARDS, "is one of several files, and model.safetensors.index.json, "
             "which says what is in each, is not there; fetch it too"},
    {"consolidated*.safetensors",
     "has the layout of its makers, not that of transformers; take the "
     "model's folder with model.safetensors or its index"},
    {"consolidated*.pth",
     "has the layout of its makers, not that of transformers; take the "
     "model's folder with model.safetensors or its index"},
    {"adapter_model.*", "is an adapter; merge it into its model with peft's "
                        "merge_and_unload, and save that"},
    {"*.bin", PICKLE},
    {"*.pt", PICKLE},
    {"*.pth", PICKLE},
    {"*.gguf", "GGUF is not read; take the model's folder with "
               "model.safetensors or its index"},
};

const char *safetensors_advice(const char *name)
{
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(*OTHERS); i++)
        if (fnmatch(OTHERS[i].pattern, name, 0) == 0)
            return OTHERS[i].advice;
    return NULL;
}

int medvl_safetensors_fail_without(const char *folder,
                                   struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, folder, err);
    const char *name = NULL, *advice = NULL;

    for (size_t i = 0; rc == MEDVL_OK && i < names.count && !advice; i++) {
        name = names.items[i];
        advice = safetensors_advice(name);
    }
    if (rc == MEDVL_OK && advice)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "%s/%s: %s", folder, name,
                        advice);
    else if (rc == MEDVL_OK)
        rc = medvl_fail(err, MEDVL_EIO,
                        "%s: neither " SAFETENSORS_FILE
                        " nor " SAFETENSORS_INDEX " is there; fetch the "
                        "weights into the folder of their config.json",
                        folder);
    medvl_names_release(&names);
    return rc;
}

static size_t find_part(const struct medvl_safetensors *st, const char *name)
{
    size_t i = 0;

    while (i < st->part_count && strcmp(st->parts[i].name, name) != 0)
        i++;
    return i;
}

static int add_named(struct medvl_safetensors *st, const char *folder,
                     const char *index, const char *name,
                     struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    if (find_part(st, name) < st->part_count)
        return MEDVL_OK;
    if (strchr(name, '/'))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: \"%s\" is no name of a file in the folder",
                          index, name);
    rc = medvl_path_join(&path, folder, name, err);
    if (rc == MEDVL_OK && !medvl_file_exists(path))
        rc = medvl_fail(err, MEDVL_EIO,
                        "%s: No such file, and " SAFETENSORS_INDEX
                        " names it",
                        path);
    if (rc == MEDVL_OK)
        rc = safetensors_add(st, path, name, err);
    medvl_free(path);
    return rc;
}

/* Each file that the index names, once. */
static int add_files(struct medvl_safetensors *st, const char *folder,
                     const char *index, const struct medvl_json *map,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (medvl_json_type(map) != MEDVL_JSON_OBJECT)
        return medvl_fail(err, MEDVL_EFORMAT, "%s: no \"weight_map\"", index);
    for (const struct medvl_json *m = medvl_json_first(map);
         rc == MEDVL_OK && m; m = medvl_json_next(m)) {
        const char *name = medvl_json_string(m);

        if (!name)
            rc = medvl_fail(err, MEDVL_EFORMAT, "%s: %s: no name of a file",
                            index, medvl_json_name(m));
        else
            rc = add_named(st, folder, index, name, err);
    }
    return rc;
}

/* Every tensor is in the file that the index says, and no more are there. */
static int check_map(struct medvl_safetensors *st,
                     const struct medvl_json *map, struct medvl_error *err)
{
    for (const struct medvl_json *m = medvl_json_first(map); m;
         m = medvl_json_next(m)) {
        const char *name = medvl_json_name(m), *file = medvl_json_string(m);
        struct safetensors_item *item = safetensors_item(st, name);

        if (!item)
            return medvl_fail(err, MEDVL_EFORMAT, "%s is not in %s", name,
                              file);
        if (strcmp(st->parts[item->file].name, file) != 0)
            return medvl_fail(err, MEDVL_EFORMAT, "%s is not in %s but in %s",
                              name, file, st->parts[item->file].name);
        item->named = true;
    }
    for (size_t i = 0; i < st->count; i++)
        if (!st->items[i].named)
            return medvl_fail(err, MEDVL_EFORMAT, "does not name %s, in %s",
                              st->items[i].name,
                              st->parts[st->items[i].file].name);
    return MEDVL_OK;
}

/* A shard, or a whole model, beside the index that belongs to neither. */
static int check_strays(const struct medvl_safetensors *st,
                        const char *folder, struct medvl_error *err)
{
    struct medvl_names names = {0};
    int rc = medvl_folder_list(&names, folder, err);

    for (size_t i = 0; rc == MEDVL_OK && i < names.count; i++)
        if ((fnmatch(SHARDS, names.items[i], 0) == 0 ||
             !strcmp(names.items[i], SAFETENSORS_FILE)) &&
            find_part(st, names.items[i]) == st->part_count)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "does not name %s, which is beside it; remove "
                            "what belongs to another model",
                            names.items[i]);
    medvl_names_release(&names);
    return rc;
}

static int add_index(struct medvl_safetensors *st, const char *folder,
                     const char *path, struct medvl_error *err)
{
    const struct medvl_json *map;
    struct medvl_json *root = NULL;
    int rc = medvl_json_read(&root, path, err);

    if (rc < 0)
        return rc;
    map = medvl_json_get(root, "weight_map");
    rc = add_files(st, folder, path, map, err);
    if (rc < 0)
        goto done;
    rc = safetensors_sort(st, err);
    if (rc == MEDVL_OK)
        rc = check_map(st, map, err);
    if (rc == MEDVL_OK)
        rc = check_strays(st, folder, err);
    if (rc < 0)
        medvl_context(err, "%s", path);
done:
    medvl_json_free(root);
    return rc;
}

/* Is there a file of this name?  Then *path is where, else NULL. */
static int look_for(char **path, const char *folder, const char *name,
                    struct medvl_error *err)
{
    int rc = medvl_path_join(path, folder, name, err);

    if (rc == MEDVL_OK && !medvl_file_exists(*path)) {
        medvl_free(*path);
        *path = NULL;
    }
    return rc;
}

int safetensors_add_folder(struct medvl_safetensors *st, const char *folder,
                           struct medvl_error *err)
{
    char *index = NULL, *file = NULL;
    int rc = look_for(&index, folder, SAFETENSORS_INDEX, err);

    if (rc == MEDVL_OK)
        rc = look_for(&file, folder, SAFETENSORS_FILE, err);
    if (rc == MEDVL_OK && index)
        rc = add_index(st, folder, index, err);
    else if (rc == MEDVL_OK && file)
        rc = safetensors_add(st, file, NULL, err);
    else if (rc == MEDVL_OK)
        rc = medvl_safetensors_fail_without(folder, err);
    if (rc == MEDVL_OK && !index)
        rc = safetensors_sort(st, err);
    medvl_free(index);
    medvl_free(file);
    return rc;
}

bool medvl_safetensors_in(const char *folder)
{
    char *index = NULL, *file = NULL;
    const bool is = look_for(&index, folder, SAFETENSORS_INDEX, NULL) >= 0 &&
                    look_for(&file, folder, SAFETENSORS_FILE, NULL) >= 0 &&
                    (index || file);

    medvl_free(index);
    medvl_free(file);
    return is;
}
