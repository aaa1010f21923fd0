/*
 * Frontends: preprocessor_config.json read, and the processor it names.
 *
 * Read next: frontend_part.h.
 */
#include "lib/model/frontend_part.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

/* ---- fields that processors share ------------------------------------ */

bool medvl_frontend_bool(const struct medvl_json *root, const char *name,
                         bool otherwise)
{
    const struct medvl_json *v = medvl_json_get(root, name);

    return medvl_json_type(v) == MEDVL_JSON_BOOL ? medvl_json_true(v)
                                                 : otherwise;
}

/* {"height", "width"}, {"shortest_edge"} or a number. */
int medvl_frontend_sides(int64_t *shortest, int64_t *width, int64_t *height,
                         const struct medvl_json *root, const char *name,
                         int64_t otherwise, struct medvl_error *err)
{
    const struct medvl_json *v = medvl_json_get(root, name);
    const int64_t most = MEDVL_PICTURE_SIDE;
    int rc = MEDVL_OK;

    *shortest = otherwise;
    *width = *height = 0;
    switch (medvl_json_type(v)) {
    case MEDVL_JSON_NONE:
    case MEDVL_JSON_NULL: return MEDVL_OK;
    case MEDVL_JSON_NUMBER:
        return medvl_json_get_int(shortest, root, name, 1, most, err);
    default: break;
    }
    if (medvl_json_get(v, "shortest_edge")) {
        rc = medvl_json_get_int(shortest, v, "shortest_edge", 1, most, err);
    } else {
        *shortest = 0;
        rc = medvl_json_get_int(height, v, "height", 1, most, err);
        if (rc == MEDVL_OK)
            rc = medvl_json_get_int(width, v, "width", 1, most, err);
    }
    return rc < 0 ? medvl_context(err, "%s", name) : rc;
}

static int read_three(float out[3], const struct medvl_json *root,
                      const char *name, const float otherwise[3],
                      struct medvl_error *err)
{
    const struct medvl_json *v = medvl_json_get(root, name);

    memcpy(out, otherwise, 3 * sizeof(*out));
    if (medvl_json_type(v) <= MEDVL_JSON_NULL)
        return MEDVL_OK;
    if (medvl_json_count(v) != 3)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": want three numbers",
                          name);
    for (size_t i = 0; i < 3; i++)
        out[i] = (float)medvl_json_number(medvl_json_at(v, i), 0);
    return MEDVL_OK;
}

/* Rescaling is in double, then float; normalisation in float. */
int medvl_frontend_values(struct medvl_frontend *f,
                          const struct medvl_json *root,
                          struct medvl_error *err)
{
    static const float MEAN[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float STD[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    const double factor =
        medvl_frontend_bool(root, "do_rescale", true)
            ? medvl_json_number(medvl_json_get(root, "rescale_factor"),
                                1.0 / 255)
            : 1;
    const bool normalize = medvl_frontend_bool(root, "do_normalize", true);
    float mean[3], std[3];
    int rc = read_three(mean, root, "image_mean", MEAN, err);

    if (rc == MEDVL_OK)
        rc = read_three(std, root, "image_std", STD, err);
    if (rc < 0)
        return rc;
    for (int c = 0; c < 3; c++) {
        if (normalize && !(std[c] > 0))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"image_std\": not above 0");
        for (int v = 0; v < 256; v++) {
            const float x = (float)(v * factor);

            f->value[c][v] = normalize ? (x - mean[c]) / std[c] : x;
        }
    }
    return MEDVL_OK;
}

int medvl_frontend_filter(struct medvl_frontend *frontend,
                          const struct medvl_json *root,
                          struct medvl_error *err)
{
    const double filter = medvl_json_number(medvl_json_get(root, "resample"),
                                            3);

    if (filter != 2 && filter != 3)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"resample\": %g is not built in", filter);
    frontend->filter = filter == 2 ? MEDVL_FILTER_BILINEAR
                                   : MEDVL_FILTER_BICUBIC;
    return MEDVL_OK;
}

/* ---- opening --------------------------------------------------------- */

/* The processor's own file, or its part of processor_config.json. */
static int read_file(struct medvl_json **root,
                     const struct medvl_json **processor, char **path,
                     const char *folder, struct medvl_error *err)
{
    int rc = medvl_path_join(path, folder, "preprocessor_config.json", err);

    if (rc < 0)
        return rc;
    if (medvl_file_exists(*path)) {
        rc = medvl_json_read(root, *path, err);
        *processor = *root;
        return rc;
    }
    medvl_free(*path);
    *path = NULL;
    rc = medvl_path_join(path, folder, "processor_config.json", err);
    if (rc == MEDVL_OK && medvl_file_exists(*path))
        rc = medvl_json_read(root, *path, err);
    *processor = medvl_json_get(*root, "image_processor");
    if (rc == MEDVL_OK && !*processor)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: no preprocessor_config.json; a model that "
                        "reads pictures needs it, and a tokenizer.json, "
                        "beside its weights, as medvl-merge puts them",
                        folder);
    return rc;
}

/* A processor's names in the file; without one it is CLIP's. */
static const struct {
    const char *name;
    const struct medvl_frontend_kind *kind;
} KINDS[] = {
    {"CLIPImageProcessor", &medvl_frontend_clip},
    {"CLIPImageProcessorFast", &medvl_frontend_clip},
    {"CLIPFeatureExtractor", &medvl_frontend_clip},
    {"LlavaImageProcessor", &medvl_frontend_clip},
    {"LlavaImageProcessorFast", &medvl_frontend_clip},
};

static int find_kind(struct medvl_frontend *f, const struct medvl_json *root,
                     struct medvl_error *err)
{
    const char *name = medvl_json_string(
        medvl_json_get(root, "image_processor_type"));

    if (!name)
        name = medvl_json_string(
            medvl_json_get(root, "feature_extractor_type"));
    f->kind = name ? NULL : &medvl_frontend_clip;
    for (size_t i = 0; name && i < sizeof(KINDS) / sizeof(*KINDS); i++)
        if (strcmp(name, KINDS[i].name) == 0)
            f->kind = KINDS[i].kind;
    if (f->kind)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "image processor \"%s\" is not built in", name);
}

int medvl_frontend_open(struct medvl_frontend **out, const char *folder,
                        const struct medvl_config *config,
                        struct medvl_error *err)
{
    const struct medvl_json *processor = NULL;
    struct medvl_json *root = NULL;
    struct medvl_frontend *f;
    char *path = NULL;
    int rc;

    *out = NULL;
    if (config->arch != MEDVL_ARCH_LLAVA)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a model that takes no pictures", folder);
    f = medvl_alloc(1, sizeof(*f));
    if (!f)
        return medvl_no_memory(err);
    f->config = config;
    f->side = config->vision.image_size;
    f->patch = config->vision.patch_size;
    f->keep_class = config->vision.keep_class;
    rc = read_file(&root, &processor, &path, folder, err);
    if (rc == MEDVL_OK) {
        rc = find_kind(f, processor, err);
        if (rc == MEDVL_OK)
            rc = f->kind->read(f, processor, err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    f->config = NULL;
    medvl_json_free(root);
    medvl_free(path);
    if (rc < 0) {
        medvl_free(f);
        return rc;
    }
    *out = f;
    return MEDVL_OK;
}

void medvl_frontend_free(struct medvl_frontend *frontend)
{
    medvl_free(frontend);
}

/* ---- dispatch -------------------------------------------------------- */

static int check_size(int64_t width, int64_t height, struct medvl_error *err)
{
    if (width >= 1 && height >= 1 && width <= MEDVL_PICTURE_SIDE &&
        height <= MEDVL_PICTURE_SIDE)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG, "a picture of %lldx%lld pixels",
                      (long long)width, (long long)height);
}

int medvl_frontend_size(struct medvl_frontend_size *out,
                        const struct medvl_frontend *frontend,
                        int64_t width, int64_t height,
                        struct medvl_error *err)
{
    int rc = check_size(width, height, err);

    memset(out, 0, sizeof(*out));
    return rc < 0 ? rc
                  : frontend->kind->size(out, frontend, width, height, err);
}

int medvl_frontend_rows(float *out, const struct medvl_frontend *frontend,
                        const struct medvl_picture *picture,
                        struct medvl_error *err)
{
    int rc = check_size(picture->width, picture->height, err);

    if (rc == MEDVL_OK && picture->depth != 8)
        rc = medvl_fail(err, MEDVL_EARG,
                        "a picture of %d bits needs a window first "
                        "(medvl-image --window)",
                        picture->depth);
    return rc < 0 ? rc : frontend->kind->rows(out, frontend, picture, err);
}

int medvl_frontend_centres(float *out, const struct medvl_frontend *frontend,
                           int64_t width, int64_t height,
                           struct medvl_error *err)
{
    int rc = check_size(width, height, err);

    return rc < 0 ? rc
                  : frontend->kind->centres(out, frontend, width, height,
                                            err);
}
