/*
 * The folder of a tower beside a model with LLaVA's own names: what
 * describes it, its processor, and perhaps its weights.
 *
 * Read next: checkpoint_write.c.
 */
#include "lib/model/checkpoint_part.h"

#include <fnmatch.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"

/* In any form: one that is not read is an error when it is needed. */
static const char *const WEIGHTS[] = {
    "model*.safetensors", "model.safetensors.index.json",
    "pytorch_model*.bin", "pytorch_model.bin.index.json"};

static bool is_weights(const char *name)
{
    for (size_t i = 0; i < sizeof(WEIGHTS) / sizeof(*WEIGHTS); i++)
        if (fnmatch(WEIGHTS[i], name, 0) == 0)
            return true;
    return false;
}

int model_tower_find(struct medvl_model *m, const char *folder,
                     struct medvl_error *err)
{
    struct state *s = model_state(m);
    struct medvl_names names = {0};
    int rc = medvl_config_tower(&s->tower_folder, &m->config, folder, err);

    if (rc == MEDVL_OK && s->tower_folder)
        rc = medvl_folder_list(&names, s->tower_folder, err);
    for (size_t i = 0; i < names.count; i++)
        s->tower_weights |= is_weights(names.items[i]);
    medvl_names_release(&names);
    return rc;
}

int model_tower_open(struct medvl_model *m, struct medvl_error *err)
{
    struct state *s = model_state(m);

    return medvl_safetensors_open(&s->tower, s->tower_folder, err);
}

const char *medvl_model_tower(const struct medvl_model *model)
{
    const struct state *s = model_state(model);

    for (int64_t i = 0; i < model->count; i++)
        if (s->held[i].beside)
            return s->tower_folder;
    return NULL;
}

bool model_tower_trained(const struct medvl_model *m)
{
    if (m->config.naming != MEDVL_NAMING_ORIGINAL)
        return false;
    for (int64_t i = 0; i < m->count; i++)
        if (m->params[i].trained &&
            model_spec(m, i)->part == MEDVL_PART_VISION)
            return true;
    return false;
}

int model_tower_copy(char **out, const struct medvl_model *m,
                     const char *folder, struct medvl_error *err)
{
    const struct state *s = model_state(m);
    char *place = NULL;
    int rc = MEDVL_OK;

    *out = NULL;
    if (!s->tower_folder || !m->folder)
        return MEDVL_OK;
    rc = medvl_config_tower_place(&place, &m->config, m->folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(out, folder, place, err);
    if (rc == MEDVL_OK)
        rc = medvl_folder_make(*out, err);
    if (rc == MEDVL_OK)
        rc = model_copy_file(*out, s->tower_folder, "config.json", err);
    if (rc == MEDVL_OK)
        rc = model_copy_file(*out, s->tower_folder,
                             "preprocessor_config.json", err);
    medvl_free(place);
    if (rc < 0) {
        medvl_free(*out);
        *out = NULL;
    }
    return rc;
}
