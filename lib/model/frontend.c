/*
 * Frontends: preprocessor_config.json read, and the processor it names.
 *
 * Read next: frontend_part.h.
 */
#include "lib/model/frontend_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

/* ---- fields that processors share ------------------------------------ */

/* The fields that are read without a check of their own. */
static int check_types(const struct medvl_json *root, struct medvl_error *err)
{
    if (root && medvl_json_type(root) != MEDVL_JSON_OBJECT)
        return medvl_fail(err, MEDVL_EFORMAT, "not a JSON object");
    for (const struct medvl_json *v = medvl_json_first(root); v;
         v = medvl_json_next(v)) {
        const enum medvl_json_type type = medvl_json_type(v);
        const char *name = medvl_json_name(v);

        if (type == MEDVL_JSON_NULL)
            continue;
        if (strncmp(name, "do_", 3) == 0 && type != MEDVL_JSON_BOOL)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"%s\": want true or false", name);
        if ((strcmp(name, "rescale_factor") == 0 ||
             strcmp(name, "resample") == 0) &&
            type != MEDVL_JSON_NUMBER)
            return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": want a number",
                              name);
    }
    return MEDVL_OK;
}

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

static int read_three(double out[3], const struct medvl_json *root,
                      const char *name, const double otherwise[3],
                      struct medvl_error *err)
{
    const struct medvl_json *v = medvl_json_get(root, name);

    memcpy(out, otherwise, 3 * sizeof(*out));
    if (medvl_json_type(v) <= MEDVL_JSON_NULL)
        return MEDVL_OK;
    for (size_t i = 0; i < 3; i++)
        out[i] = medvl_json_number(medvl_json_at(v, i), NAN);
    if (medvl_json_count(v) == 3 && !isnan(out[0] + out[1] + out[2]))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": want three numbers",
                      name);
}

/* Rescaling is in double, then float; normalisation in float. */
static void make_values(struct medvl_frontend *f, double factor,
                        const double *mean, const double *std)
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) {
            const float x = (float)(v * factor);

            f->value[c][v] = mean ? (x - (float)mean[c]) / (float)std[c] : x;
        }
}

int medvl_frontend_values(struct medvl_frontend *f,
                          const struct medvl_json *root,
                          struct medvl_error *err)
{
    static const double MEAN[] = {0.48145466, 0.4578275, 0.40821073};
    static const double STD[] = {0.26862954, 0.26130258, 0.27577711};
    static const double HALF[] = {0.5, 0.5, 0.5};
    const bool normalize = medvl_frontend_bool(root, "do_normalize", true);
    const double factor =
        medvl_frontend_bool(root, "do_rescale", true)
            ? medvl_json_number(medvl_json_get(root, "rescale_factor"),
                                1.0 / 255)
            : 1;
    double mean[3], std[3];
    int rc = read_three(mean, root, "image_mean", f->siglip ? HALF : MEAN,
                        err);

    if (rc == MEDVL_OK)
        rc = read_three(std, root, "image_std", f->siglip ? HALF : STD, err);
    if (rc < 0)
        return rc;
    for (int c = 0; c < 3; c++) {
        const double color = mean[c] * 255;

        if (normalize && !((float)std[c] > 0))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"image_std\": not above 0");
        if (f->pad && !(color >= 0 && color < 256))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"image_mean\": no colour to pad with");
        f->color[c] = f->pad ? (uint8_t)color : 0;
    }
    make_values(f, factor, normalize ? mean : NULL, std);
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

/* ---- what processors share ------------------------------------------- */

/* A line of a patch: `data` has the samples of its pixel 0. */
static void fill_line(float *out, const float *value, const uint8_t *data,
                      int channels, int64_t from, int64_t width,
                      int64_t count)
{
    for (int64_t x = from; x < from + count; x++)
        *out++ = value[x >= 0 && x < width ? data[x * channels] : 0];
}

void medvl_frontend_fill(float *out, const struct medvl_frontend *f,
                         const struct medvl_picture *in, int64_t x0,
                         int64_t y0, int64_t rows, int64_t columns)
{
    const int64_t p = f->patch;
    const size_t row = medvl_picture_row(in);
    const uint8_t *data = in->data;

    for (int64_t i = 0; i < rows * columns; i++)
        for (int c = 0; c < 3; c++)
            for (int64_t y = 0; y < p; y++, out += p) {
                const int64_t line = y0 + i / columns * p + y;
                const bool inside = line >= 0 && line < in->height;
                const int at = in->channels == 3 ? c : 0;

                fill_line(out, f->value[c],
                          inside ? data + (size_t)line * row + at : NULL,
                          in->channels, x0 + i % columns * p,
                          inside ? in->width : 0, p);
            }
}

int medvl_frontend_resized(struct medvl_picture *room,
                           const struct medvl_picture **out,
                           const struct medvl_picture *picture,
                           int64_t width, int64_t height,
                           enum medvl_filter filter, struct medvl_error *err)
{
    *out = picture;
    if (width == picture->width && height == picture->height)
        return MEDVL_OK;
    *out = room;
    return medvl_picture_resize(room, picture, width, height, filter, err);
}

/* ---- opening --------------------------------------------------------- */

/* The file of this name, if it is there: *path NULL where it is not. */
static int try_file(struct medvl_json **root, char **path, const char *folder,
                    const char *name, struct medvl_error *err)
{
    int rc = medvl_path_join(path, folder, name, err);

    if (rc == MEDVL_OK && medvl_file_exists(*path))
        return medvl_json_read(root, *path, err);
    medvl_free(*path);
    *path = NULL;
    return rc;
}

/*
 * The processor's own file, that of a tower beside the model, or a part of
 * processor_config.json.
 */
static int find_file(struct medvl_json **root,
                     const struct medvl_json **processor, char **path,
                     const char *folder, const char *tower,
                     struct medvl_error *err)
{
    static const char OWN[] = "preprocessor_config.json";
    int rc = try_file(root, path, folder, OWN, err);

    if (rc == MEDVL_OK && !*path && tower)
        rc = try_file(root, path, tower, OWN, err);
    *processor = *root;
    if (rc == MEDVL_OK && !*path) {
        rc = try_file(root, path, folder, "processor_config.json", err);
        *processor = medvl_json_get(*root, "image_processor");
    }
    return rc;
}

static int read_file(struct medvl_json **root,
                     const struct medvl_json **processor, char **path,
                     const char *folder, const struct medvl_config *config,
                     struct medvl_error *err)
{
    char *tower = NULL;
    int rc = medvl_config_tower(&tower, config, folder, err);

    if (rc == MEDVL_OK)
        rc = find_file(root, processor, path, folder, tower, err);
    medvl_free(tower);
    if (rc < 0 || *processor || config->naming == MEDVL_NAMING_ORIGINAL)
        return rc;
    return medvl_fail(err, MEDVL_EARG,
                      "%s: no preprocessor_config.json; a model that reads "
                      "pictures needs it, and a tokenizer.json, beside its "
                      "weights, as medvl-merge puts them",
                      folder);
}

/*
 * A processor by its name in the file; without one it is CLIP's.  The
 * "Fast" ones read the same fields; what is done here is what the others
 * do, on Pillow.
 */
static const struct {
    const char *name;
    const struct medvl_frontend_kind *kind;
    bool siglip, pads;
} KINDS[] = {
    {"CLIPImageProcessor", &medvl_frontend_clip, false, false},
    {"CLIPFeatureExtractor", &medvl_frontend_clip, false, false},
    {"LlavaImageProcessor", &medvl_frontend_clip, false, true},
    {"BitImageProcessor", &medvl_frontend_clip, false, false},
    {"SiglipImageProcessor", &medvl_frontend_clip, true, false},
    {"LlavaNextImageProcessor", &medvl_frontend_anyres, false, false},
    {"Qwen2VLImageProcessor", &medvl_frontend_qwen, false, false},
};

static bool is_kind(const char *name, const char *kind)
{
    const size_t size = strlen(kind);

    return strncmp(name, kind, size) == 0 &&
           (!name[size] || strcmp(name + size, "Fast") == 0);
}

/* LLaVA's own folders name CLIP's processor; their config.json says more. */
static int find_kind(struct medvl_frontend *f, const struct medvl_json *root,
                     struct medvl_error *err)
{
    const struct medvl_config *c = f->config;
    const struct medvl_frontend_kind *want =
        c->naming == MEDVL_NAMING_QWEN_VL      ? &medvl_frontend_qwen
        : c->family == MEDVL_FAMILY_LLAVA_NEXT ? &medvl_frontend_anyres
                                               : &medvl_frontend_clip;
    const char *name = medvl_json_string(
        medvl_json_get(root, "image_processor_type"));

    if (!name)
        name = medvl_json_string(
            medvl_json_get(root, "feature_extractor_type"));
    f->kind = name ? NULL : want;
    f->siglip = !root && c->vision.tower == MEDVL_TOWER_SIGLIP;
    for (size_t i = 0; name && i < sizeof(KINDS) / sizeof(*KINDS); i++)
        if (is_kind(name, KINDS[i].name)) {
            f->kind = KINDS[i].kind;
            f->siglip = KINDS[i].siglip;
            f->pads = KINDS[i].pads;
        }
    if (!f->kind)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "image processor \"%s\" is not built in", name);
    if (c->naming == MEDVL_NAMING_ORIGINAL &&
        f->kind == &medvl_frontend_clip)
        f->kind = want;
    if (f->kind != want)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "image processor \"%s\" is not this model's",
                          name);
    f->pad = c->pad_square;
    return MEDVL_OK;
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
    if (config->family == MEDVL_FAMILY_TEXT)
        return medvl_fail(err, MEDVL_EARG,
                          "%s: a model that takes no pictures", folder);
    f = medvl_alloc(1, sizeof(*f));
    if (!f)
        return medvl_no_memory(err);
    f->config = config;
    f->side = config->vision.image_size;
    f->patch = config->vision.patch_size;
    rc = read_file(&root, &processor, &path, folder, config, err);
    if (rc == MEDVL_OK) {
        rc = check_types(processor, err);
        if (rc == MEDVL_OK)
            rc = find_kind(f, processor, err);
        if (rc == MEDVL_OK)
            rc = f->kind->read(f, processor, err);
        if (rc < 0)
            medvl_context(err, "%s", path ? path : folder);
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
    if (rc == MEDVL_OK)
        rc = frontend->kind->size(out, frontend, width, height, err);
    if (rc == MEDVL_OK)
        out->tokens = medvl_grid_tokens(frontend->config, &out->grid);
    return rc;
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
