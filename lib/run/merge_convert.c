/*
 * A folder that appears whole or not at all, and a model in another type of
 * weights.
 *
 * Read next: view.c.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/model/checkpoint.h"
#include "lib/run/merge_part.h"
#include "lib/tensor/safetensors.h"

#define CARD_LIMIT ((size_t)64 << 20)

/* ---- the folder ------------------------------------------------------- */

int merge_dtype(enum medvl_dtype *out, const char *name,
                struct medvl_error *err)
{
    static const struct {
        const char *name;
        enum medvl_dtype dtype;
    } TYPES[] = {{"bf16", MEDVL_DTYPE_BF16},
                 {"f16", MEDVL_DTYPE_F16},
                 {"f32", MEDVL_DTYPE_F32}};

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(*TYPES); i++)
        if (strcmp(TYPES[i].name, name) == 0) {
            *out = TYPES[i].dtype;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EARG, "no type \"%s\"", name);
}

int merge_check(const char *output, struct medvl_error *err)
{
    if (medvl_file_exists(output) || medvl_folder_exists(output))
        return medvl_fail(err, MEDVL_EARG,
                          "%s: there already; remove it, or name another "
                          "folder",
                          output);
    return MEDVL_OK;
}

int merge_begin(char **folder, const char *output, struct medvl_error *err)
{
    return medvl_folder_make_own(folder, output, ".tmp", err);
}

int merge_end(char *folder, const char *output, int rc,
              struct medvl_error *err)
{
    if (rc == MEDVL_OK)
        rc = merge_check(output, err);
    if (rc == MEDVL_OK) {
        rc = medvl_path_publish(folder, output, err);
        if (rc < 0 && medvl_folder_exists(folder) &&
            merge_check(output, err) < 0)
            rc = MEDVL_EARG; /* somebody else was first */
    }
    if (rc < 0 && folder && medvl_path_remove(folder, NULL) < 0)
        medvl_context(err, "%s is left behind", folder);
    medvl_free(folder);
    return rc;
}

/* ---- another type ------------------------------------------------------ */

/* The types of the folder's tensors: " F32", or " BF16, F32". */
static int name_types(struct medvl_text *out, const char *folder,
                      struct medvl_error *err)
{
    struct medvl_safetensors *file = NULL;
    int rc = medvl_safetensors_open(&file, folder, err);
    const int64_t count = rc < 0 ? 0 : medvl_safetensors_count(file);

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        char type[32];

        snprintf(type, sizeof(type), " %s", medvl_safetensors_type(file, i));
        if (!out->size || !strstr(out->data, type))
            rc = medvl_text_printf(out, err, "%s%s", out->size ? "," : "",
                                   type);
    }
    medvl_safetensors_free(file);
    return rc;
}

/* The folder's README.md, and behind it what was done here. */
static int write_card(const struct medvl_model *m, const char *folder,
                      enum medvl_dtype dtype, struct medvl_error *err)
{
    struct medvl_text text = {0}, types = {0};
    char *from = NULL, *to = NULL;
    int rc = medvl_path_join(&from, m->folder, "README.md", err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&to, folder, "README.md", err);
    if (rc == MEDVL_OK && medvl_file_exists(from))
        rc = medvl_file_read_regular(&text, from, CARD_LIMIT, err);
    if (rc == MEDVL_OK)
        rc = name_types(&types, m->folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&text, err,
                               "%s## Converted\n\nmedvl-merge of medvl "
                               "%s wrote the weights, which were%s, as "
                               "%s.\n",
                               text.size ? "\n" : "", MEDVL_VERSION,
                               types.data, medvl_dtype_name(dtype));
    if (rc == MEDVL_OK)
        rc = medvl_file_write(to, text.data, text.size, err);
    medvl_text_release(&text);
    medvl_text_release(&types);
    medvl_free(from);
    medvl_free(to);
    return rc;
}

/* Does `output` stand in the folder `model`, however either is called? */
static int check_outside(const char *output, const char *model,
                         struct medvl_error *err)
{
    char *at = medvl_copy_string(output, strlen(output)), *slash;
    char real[PATH_MAX] = "";
    bool inside = false;

    if (!at)
        return medvl_no_memory(err);
    /* The nearest folder above that is there already. */
    while (*at && !real[0]) {
        slash = strrchr(at, '/');
        *(slash ? slash + (slash == at && slash[1]) : at) = '\0';
        if (!realpath(*at ? at : ".", real))
            real[0] = '\0';
    }
    while (!inside && (slash = strrchr(real, '/'))) {
        inside = medvl_path_same(real, model);
        *slash = '\0';
    }
    medvl_free(at);
    if (inside)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: in the model's own folder; name another",
                          output);
    return MEDVL_OK;
}

int medvl_merge_convert(const struct medvl_merge_options *options,
                        struct medvl_error *err)
{
    const struct medvl_merge_options *o = options;
    const struct medvl_model_watch watch = {o->wrote, o->arg};
    enum medvl_dtype dtype;
    struct medvl_model *model = NULL;
    char *folder = NULL;
    int rc = merge_dtype(&dtype, o->dtype, err);

    if (rc == MEDVL_OK)
        rc = merge_check(o->output, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_look(&model, o->model, err);
    if (rc == MEDVL_OK)
        rc = check_outside(o->output, o->model, err);
    if (rc == MEDVL_OK)
        rc = merge_begin(&folder, o->output, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_write_as(model, folder, dtype,
                                  o->wrote ? &watch : NULL, err);
    if (rc == MEDVL_OK)
        rc = write_card(model, folder, dtype, err);
    medvl_model_free(model);
    return merge_end(folder, o->output, rc, err);
}
