/*
 * A folder that appears whole or not at all, and a model in another type of
 * weights.
 *
 * Read next: view.c.
 */
#include <stdio.h>
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

int merge_begin(struct medvl_text *folder, const char *output,
                struct medvl_error *err)
{
    size_t size = strlen(output);
    int rc;

    if (medvl_file_exists(output) || medvl_folder_exists(output))
        return medvl_fail(err, MEDVL_EARG,
                          "%s: there already; remove it, or name another "
                          "folder",
                          output);
    while (size > 1 && output[size - 1] == '/')
        size--;
    rc = medvl_text_printf(folder, err, "%.*s.tmp", (int)size, output);
    if (rc == MEDVL_OK)
        rc = medvl_path_remove(folder->data, err);
    return rc == MEDVL_OK ? medvl_folder_make(folder->data, err) : rc;
}

int merge_end(struct medvl_text *folder, const char *output, int rc,
              struct medvl_error *err)
{
    if (rc == MEDVL_OK)
        rc = medvl_path_publish(folder->data, output, err);
    if (rc < 0 && folder->size && medvl_path_remove(folder->data, NULL) < 0)
        medvl_context(err, "%s is left behind", folder->data);
    medvl_text_release(folder);
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

static int convert(const struct medvl_merge_options *o, const char *folder,
                   struct medvl_error *err)
{
    enum medvl_dtype dtype;
    struct medvl_model *model = NULL;
    int rc = merge_dtype(&dtype, o->dtype, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&model, o->model, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_write_as(model, folder, dtype, err);
    if (rc == MEDVL_OK)
        rc = write_card(model, folder, dtype, err);
    medvl_model_free(model);
    return rc;
}

int medvl_merge_convert(const struct medvl_merge_options *options,
                        struct medvl_error *err)
{
    struct medvl_text folder = {0};
    int rc = merge_begin(&folder, options->output, err);

    if (rc == MEDVL_OK)
        rc = convert(options, folder.data, err);
    return merge_end(&folder, options->output, rc, err);
}
