/*
 * LLaVA's frontend: CLIP's image processor, then patches.
 *
 * Source: CLIPImageProcessor of transformers (the slow one, on Pillow).
 *
 * Read next: vit.c.
 */
#include "lib/model/frontend.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/image/resize.h"

struct medvl_frontend {
    int64_t side, patch; /* of the tower, pixels */
    bool keep_class;
    bool resize, crop;
    int64_t shortest;      /* of the resized picture; 0: ... */
    int64_t width, height; /* ... or exactly this */
    enum medvl_filter filter;
    float value[3][256]; /* what a sample of each channel becomes */
};

/* ---- preprocessor_config.json ---------------------------------------- */

static bool get_bool(const struct medvl_json *root, const char *name,
                     bool otherwise)
{
    const struct medvl_json *v = medvl_json_get(root, name);

    return medvl_json_type(v) == MEDVL_JSON_BOOL ? medvl_json_true(v)
                                                 : otherwise;
}

/* {"height", "width"}, {"shortest_edge"} or a number. */
static int read_size(int64_t *shortest, int64_t *width, int64_t *height,
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
static int read_values(struct medvl_frontend *f,
                       const struct medvl_json *root, struct medvl_error *err)
{
    static const float MEAN[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float STD[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    const double factor =
        get_bool(root, "do_rescale", true)
            ? medvl_json_number(medvl_json_get(root, "rescale_factor"),
                                1.0 / 255)
            : 1;
    const bool normalize = get_bool(root, "do_normalize", true);
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

static int read_geometry(struct medvl_frontend *f,
                         const struct medvl_json *root,
                         struct medvl_error *err)
{
    const double filter = medvl_json_number(medvl_json_get(root, "resample"),
                                            3);
    int64_t side, width, height;
    int rc;

    f->resize = get_bool(root, "do_resize", true);
    f->crop = get_bool(root, "do_center_crop", true);
    if (filter != 2 && filter != 3)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"resample\": %g is not built in", filter);
    f->filter = filter == 2 ? MEDVL_FILTER_BILINEAR : MEDVL_FILTER_BICUBIC;
    if (get_bool(root, "do_pad", false))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"do_pad\" is not built in");
    rc = read_size(&f->shortest, &f->width, &f->height, root, "size", 224,
                   err);
    if (rc == MEDVL_OK)
        rc = read_size(&side, &width, &height, root, "crop_size", 224, err);
    if (rc < 0)
        return rc;
    if (side > 0)
        width = height = side;
    if (f->crop && (width != f->side || height != f->side))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"crop_size\" is %lldx%lld, the tower takes "
                          "%lldx%lld",
                          (long long)width, (long long)height,
                          (long long)f->side, (long long)f->side);
    return MEDVL_OK;
}

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

static int check_kind(const struct medvl_json *root, struct medvl_error *err)
{
    static const char *const KINDS[] = {
        "CLIPImageProcessor", "CLIPImageProcessorFast",
        "CLIPFeatureExtractor", "LlavaImageProcessor",
        "LlavaImageProcessorFast"};
    const char *kind = medvl_json_string(
        medvl_json_get(root, "image_processor_type"));

    if (!kind)
        kind = medvl_json_string(
            medvl_json_get(root, "feature_extractor_type"));
    for (size_t i = 0; kind && i < sizeof(KINDS) / sizeof(*KINDS); i++)
        if (strcmp(kind, KINDS[i]) == 0)
            return MEDVL_OK;
    if (!kind)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "image processor \"%s\" is not built in", kind);
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
    f->side = config->vision.image_size;
    f->patch = config->vision.patch_size;
    f->keep_class = config->vision.keep_class;
    rc = read_file(&root, &processor, &path, folder, err);
    if (rc == MEDVL_OK) {
        rc = check_kind(processor, err);
        if (rc == MEDVL_OK)
            rc = read_geometry(f, processor, err);
        if (rc == MEDVL_OK)
            rc = read_values(f, processor, err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
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

/* ---- geometry -------------------------------------------------------- */

/* The size after resizing, and where the tower's square begins in it. */
struct geometry {
    int64_t width, height, x, y;
};

static int find_geometry(struct geometry *g, const struct medvl_frontend *f,
                         int64_t width, int64_t height,
                         struct medvl_error *err)
{
    g->width = width;
    g->height = height;
    if (width < 1 || height < 1 || width > MEDVL_PICTURE_SIDE ||
        height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG, "a picture of %lldx%lld pixels",
                          (long long)width, (long long)height);
    if (f->resize && f->shortest == 0) {
        g->width = f->width;
        g->height = f->height;
    } else if (f->resize && width <= height) {
        g->width = f->shortest;
        g->height = f->shortest * height / width;
    } else if (f->resize) {
        g->width = f->shortest * width / height;
        g->height = f->shortest;
    }
    g->x = (g->width - f->side) / 2;
    g->y = (g->height - f->side) / 2;
    if (g->width < f->side || g->height < f->side ||
        (!f->crop && (g->width != f->side || g->height != f->side)))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a picture of %lldx%lld becomes %lldx%lld, the "
                          "tower takes %lldx%lld",
                          (long long)width, (long long)height,
                          (long long)g->width, (long long)g->height,
                          (long long)f->side, (long long)f->side);
    if (g->width > MEDVL_PICTURE_SIDE || g->height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld is too thin",
                          (long long)width, (long long)height);
    return MEDVL_OK;
}

int medvl_frontend_size(struct medvl_frontend_size *out,
                        const struct medvl_frontend *frontend,
                        int64_t width, int64_t height,
                        struct medvl_error *err)
{
    const int64_t grid = frontend->side / frontend->patch;
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    out->patches = grid * grid;
    out->tokens = out->patches + frontend->keep_class;
    out->row = 3 * frontend->patch * frontend->patch;
    return rc;
}

int medvl_frontend_centres(float *out, const struct medvl_frontend *frontend,
                           int64_t width, int64_t height,
                           struct medvl_error *err)
{
    const int64_t grid = frontend->side / frontend->patch;
    const double half = (double)frontend->patch / 2;
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < grid * grid; i++) {
        const double x = (double)(i % grid * frontend->patch + g.x) + half;
        const double y = (double)(i / grid * frontend->patch + g.y) + half;

        out[2 * i] = (float)(x * (double)width / (double)g.width);
        out[2 * i + 1] = (float)(y * (double)height / (double)g.height);
    }
    return MEDVL_OK;
}

/* The square at (x, y) of the picture: patches in raster order. */
static void fill_rows(float *out, const struct medvl_frontend *f,
                      const struct medvl_picture *in, int64_t x0, int64_t y0)
{
    const int64_t grid = f->side / f->patch, p = f->patch;
    const int n = in->channels;
    const uint8_t *data = in->data;

    for (int64_t i = 0; i < grid * grid; i++)
        for (int c = 0; c < 3; c++)
            for (int64_t y = 0; y < p; y++) {
                const uint8_t *line = data + ((y0 + i / grid * p + y) *
                                                  in->width +
                                              x0 + i % grid * p) *
                                                 n;

                for (int64_t x = 0; x < p; x++)
                    *out++ = f->value[c][line[x * n + (n == 3 ? c : 0)]];
            }
}

int medvl_frontend_rows(float *out, const struct medvl_frontend *frontend,
                        const struct medvl_picture *picture,
                        struct medvl_error *err)
{
    struct medvl_picture sized = {0};
    struct geometry g;
    int rc = find_geometry(&g, frontend, picture->width, picture->height,
                           err);

    if (rc == MEDVL_OK && picture->depth != 8)
        rc = medvl_fail(err, MEDVL_EARG,
                        "a picture of %d bits needs a window first "
                        "(medvl-image --window)",
                        picture->depth);
    if (rc < 0)
        return rc;
    if (g.width == picture->width && g.height == picture->height) {
        fill_rows(out, frontend, picture, g.x, g.y);
        return MEDVL_OK;
    }
    rc = medvl_picture_resize(&sized, picture, g.width, g.height,
                              frontend->filter, err);
    if (rc == MEDVL_OK)
        fill_rows(out, frontend, &sized, g.x, g.y);
    medvl_picture_release(&sized);
    return rc;
}
