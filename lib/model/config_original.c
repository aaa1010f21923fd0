/*
 * config.json of LLaVA's own repository and those made from it (LLaVA-Med,
 * HuatuoGPT-Vision): the decoder's fields and "mm_*" at the top, the tower a
 * folder of its own that is named.
 *
 * Source: haotian-liu/LLaVA c121f04, llava/model/llava_arch.py, and the
 * builders of tower and projector beside it.
 *
 * Read next: config_pinpoints.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/model/config_part.h"

/* ---- where the tower is ---------------------------------------------- */

/* Towers whose description may be absent: their weights are in the model. */
static const struct {
    const char *name, *json;
} KNOWN[] = {
    {"clip-vit-large-patch14-336",
     "{\"model_type\":\"clip_vision_model\",\"hidden_size\":1024,"
     "\"intermediate_size\":4096,\"num_hidden_layers\":24,"
     "\"num_attention_heads\":16,\"image_size\":336,\"patch_size\":14}"},
    {"clip-vit-large-patch14",
     "{\"model_type\":\"clip_vision_model\",\"hidden_size\":1024,"
     "\"intermediate_size\":4096,\"num_hidden_layers\":24,"
     "\"num_attention_heads\":16,\"image_size\":224,\"patch_size\":14}"},
    {"siglip-so400m-patch14-384",
     "{\"model_type\":\"siglip_vision_model\",\"hidden_size\":1152,"
     "\"intermediate_size\":4304,\"num_hidden_layers\":27,"
     "\"num_attention_heads\":16,\"image_size\":384,\"patch_size\":14}"},
};

static const char *tower_name(const struct medvl_json *root)
{
    const char *name = medvl_json_string(
        medvl_json_get(root, "mm_vision_tower"));

    return name ? name
                : medvl_json_string(medvl_json_get(root, "vision_tower"));
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

/* The same as a folder's name, also of what ends in none. */
static int copy_last(char **out, const char *name, struct medvl_error *err)
{
    size_t end = strlen(name), from;

    while (end && name[end - 1] == '/')
        end--;
    for (from = end; from && name[from - 1] != '/';)
        from--;
    name += from;
    end -= from;
    if (end == 0 || (name[0] == '.' && end == 1) ||
        (name[0] == '.' && name[1] == '.' && end == 2)) {
        name = "vision_tower";
        end = strlen(name);
    }
    *out = medvl_copy_string(name, end);
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

/* *out is kept when it is a folder with a config.json. */
static int keep_tower(char **out, int rc, struct medvl_error *err)
{
    char *path = NULL;

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, *out, "config.json", err);
    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        medvl_free(path);
        return MEDVL_OK;
    }
    medvl_free(path);
    medvl_free(*out);
    *out = NULL;
    return rc;
}

static int try_tower(char **out, const char *folder, const char *name,
                     struct medvl_error *err)
{
    if (*out || !name[0])
        return MEDVL_OK;
    return keep_tower(out, medvl_path_join(out, folder, name, err), err);
}

/* The folder beside `folder` with this name. */
static int try_sibling(char **out, const char *folder, const char *name,
                       struct medvl_error *err)
{
    char *parent = NULL;
    int rc = medvl_path_join(&parent, folder, "..", err);

    if (rc == MEDVL_OK)
        rc = try_tower(out, parent, name, err);
    medvl_free(parent);
    return rc;
}

static bool is_below(const char *name)
{
    return name[0] != '/' && !strstr(name, "..");
}

/* The path itself. */
static int try_path(char **out, const char *folder, const char *name,
                    struct medvl_error *err)
{
    if (*out || name[0] != '/')
        return try_tower(out, folder, name, err);
    *out = medvl_copy_string(name, strlen(name));
    return keep_tower(out, *out ? MEDVL_OK : medvl_no_memory(err), err);
}

int medvl_config_find_tower(char **out, const struct medvl_json *root,
                            const char *folder, struct medvl_error *err)
{
    const char *name = tower_name(root);
    char *last = NULL;
    int rc = MEDVL_OK;

    *out = NULL;
    if (!name)
        return MEDVL_OK;
    rc = copy_last(&last, name, err);
    if (rc == MEDVL_OK && is_below(name))
        rc = try_tower(out, folder, name, err);
    if (rc == MEDVL_OK)
        rc = try_tower(out, folder, last, err);
    if (rc == MEDVL_OK)
        rc = try_path(out, folder, name, err);
    if (rc == MEDVL_OK)
        rc = try_sibling(out, folder, last, err);
    medvl_free(last);
    return rc;
}

int medvl_config_tower_place(char **out, const struct medvl_config *config,
                             const char *folder, struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    const char *name;
    char *found = NULL;
    int rc = medvl_json_parse(&root, medvl_text_span(&config->json), err);

    *out = NULL;
    name = rc < 0 ? NULL : tower_name(root);
    if (name && is_below(name))
        rc = try_tower(&found, folder, name, err);
    if (name && found) {
        *out = medvl_copy_string(name, strlen(name));
        rc = *out ? MEDVL_OK : medvl_no_memory(err);
    } else if (name && rc == MEDVL_OK) {
        rc = copy_last(out, name, err);
    }
    medvl_free(found);
    medvl_json_free(root);
    return rc;
}

int medvl_config_tower(char **out, const struct medvl_config *config,
                       const char *folder, struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    int rc;

    *out = NULL;
    if (config->naming != MEDVL_NAMING_ORIGINAL || !folder)
        return MEDVL_OK;
    rc = medvl_json_parse(&root, medvl_text_span(&config->json), err);
    if (rc == MEDVL_OK)
        rc = medvl_config_find_tower(out, root, folder, err);
    medvl_json_free(root);
    return rc;
}

int medvl_config_no_tower(const struct medvl_json *root,
                          struct medvl_error *err)
{
    const char *name = tower_name(root);

    if (!name)
        return medvl_fail(err, MEDVL_EFORMAT, "\"mm_vision_tower\": missing");
    return medvl_fail(err, MEDVL_EARG,
                      "\"mm_vision_tower\": \"%s\" is no folder below or "
                      "beside the model's; put it there, as \"%s\"",
                      name, last_part(name));
}

/* ---- fields ---------------------------------------------------------- */

static const char *known_tower(const char *name)
{
    for (size_t i = 0; name && i < sizeof(KNOWN) / sizeof(*KNOWN); i++)
        if (strcmp(last_part(name), KNOWN[i].name) == 0)
            return KNOWN[i].json;
    return NULL;
}

static void read_tower(struct medvl_config *config,
                       struct medvl_config_reader *r,
                       const struct medvl_json *tower)
{
    struct medvl_config_reader vision = {.place = "tower", .err = r->err};
    const char *name = tower_name(r->object), *json = known_tower(name);
    struct medvl_json *made = NULL;

    if (r->rc < 0)
        return;
    if (!name || (!tower && !json))
        r->rc = medvl_config_no_tower(r->object, r->err);
    else if (!tower)
        r->rc = medvl_json_parse(&made, medvl_span(json), r->err);
    if (r->rc < 0)
        return;
    vision.object = tower ? tower : made;
    if (medvl_json_get(vision.object, "vision_config"))
        vision.object = medvl_json_get(vision.object, "vision_config");
    medvl_config_read_vision(&config->vision, &vision);
    r->rc = vision.rc;
    medvl_json_free(made);
}

/* "linear", "mlp2x_gelu", ...  `known`: by its name, the tower is. */
static void read_projector(struct medvl_config *config,
                           struct medvl_config_reader *r, bool known)
{
    const struct medvl_vision_config *v = &config->vision;
    const char *type = medvl_config_string(r, "mm_projector_type", "linear");
    char *end = NULL;
    int64_t hidden;

    config->projector_act = MEDVL_ACT_GELU;
    config->projector_bias = true;
    config->projector_layers = 1;
    if (strncmp(type, "mlp", 3) == 0) {
        config->projector_layers = strtol(type + 3, &end, 10);
        if (strcmp(end, "x_gelu") != 0 || config->projector_layers < 1 ||
            config->projector_layers > 64)
            medvl_config_refuse(r, "mm_projector_type", type);
    } else if (strcmp(type, "linear") != 0) {
        medvl_config_refuse(r, "mm_projector_type", type);
    }
    hidden = medvl_config_int(r, "mm_hidden_size", 1, MEDVL_SIZE_LIMIT,
                              v->hidden);
    if (hidden != v->hidden && known && r->rc == MEDVL_OK)
        r->rc = medvl_config_no_tower(r->object, r->err);
    else if (hidden != v->hidden)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"mm_hidden_size\" is not the tower's "
                          "hidden_size, %lld",
                          (long long)v->hidden);
}

/* "anyres", or "anyres_max_" and a number of views; else 0 of *max. */
static bool is_anyres(const char *ratio, int64_t *max)
{
    char *end = NULL;

    *max = 0;
    if (strcmp(ratio, "anyres") == 0)
        return true;
    if (strncmp(ratio, "anyres_max_", 11) == 0)
        *max = strtol(ratio + 11, &end, 10);
    return end && !*end && *max >= 1 && *max <= 1000;
}

/* How pictures become views, and views tokens. */
static void read_views(struct medvl_config *config,
                       struct medvl_config_reader *r)
{
    static const char RATIO[] = "image_aspect_ratio";
    static const char MERGE[] = "mm_patch_merge_type";
    const char *ratio = medvl_config_string(r, RATIO, "square");
    const char *merge = medvl_config_string(r, MERGE, "flat");

    if (strcmp(merge, "spatial_unpad") == 0)
        config->merge = MEDVL_MERGE_SPATIAL_UNPAD;
    else if (strcmp(merge, "spatial") == 0)
        config->merge = MEDVL_MERGE_SPATIAL;
    else if (strcmp(merge, "flat") != 0)
        medvl_config_refuse(r, MERGE, merge);
    config->pad_square = strcmp(ratio, "pad") == 0;
    if (is_anyres(ratio, &config->max_views)) {
        config->family = MEDVL_FAMILY_LLAVA_NEXT;
        medvl_config_read_pinpoints(config, r, true);
        if (config->merge != MEDVL_MERGE_SPATIAL_UNPAD)
            config->max_views = 0;
    } else if (!config->pad_square && strcmp(ratio, "square") != 0) {
        medvl_config_refuse(r, RATIO, ratio);
    }
}

void medvl_config_read_original(struct medvl_config *config,
                                struct medvl_config_reader *r,
                                const struct medvl_json *tower)
{
    static const char SELECT[] = "mm_vision_select_feature";
    const char *which;

    read_tower(config, r, tower);
    medvl_config_add_features(
        &config->vision, r,
        medvl_config_int(r, "mm_vision_select_layer", -MEDVL_LAYERS_MAX - 1,
                         MEDVL_LAYERS_MAX, -2));
    which = medvl_config_string(r, SELECT, "patch");
    config->vision.keep_class = strcmp(which, "cls_patch") == 0;
    if (!config->vision.keep_class && strcmp(which, "patch") != 0)
        medvl_config_refuse(r, SELECT, which);
    config->vision.keep_class &= config->vision.class_token;
    if (medvl_config_bool(r, "s2", false))
        medvl_config_refuse(r, "s2", "true");
    read_projector(config, r, !tower);
    read_views(config, r);
    config->image_token = (int32_t)config->decoder.vocab_size;
}
