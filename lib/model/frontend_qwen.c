/*
 * Qwen2-VL's frontend: a picture keeps its shape, its sides become
 * multiples of a merged patch, and patches lie in the order of the merging.
 *
 * Source: Qwen2VLImageProcessor of transformers (the slow one, on Pillow).
 * That of 4.57.1 overwrites a "size" that stands without "min_pixels" and
 * "max_pixels" with its own default; here it counts, as in its fast one.
 *
 * Read next: vit_qwen.c.
 */
#include "lib/model/frontend_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/* No picture has more pixels. */
#define MOST ((int64_t)MEDVL_PICTURE_SIDE * MEDVL_PICTURE_SIDE)

/* ---- preprocessor_config.json ---------------------------------------- */

/* A limit on the pixels, which has had three names; the first one counts. */
static int read_limit(int64_t *out, const struct medvl_json *root,
                      const char *name, const char *edge,
                      int64_t otherwise, struct medvl_error *err)
{
    const struct medvl_json *size = medvl_json_get(root, "size");
    const struct medvl_json *places[] = {root, size, size};
    const char *const names[] = {name, edge, name};

    *out = otherwise;
    for (int i = 0; i < 3; i++)
        if (medvl_json_type(medvl_json_get(places[i], names[i])) >
            MEDVL_JSON_NULL)
            return medvl_json_get_int(out, places[i], names[i], 1, MOST,
                                      err);
    return MEDVL_OK;
}

/* A size that the tower has, too, and must have alike. */
static int read_same(const struct medvl_json *root, const char *name,
                     int64_t want, int64_t otherwise,
                     struct medvl_error *err)
{
    int64_t value = otherwise;
    int rc = MEDVL_OK;

    if (medvl_json_type(medvl_json_get(root, name)) > MEDVL_JSON_NULL)
        rc = medvl_json_get_int(&value, root, name, 1, 1 << 14, err);
    if (rc == MEDVL_OK && value != want)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"%s\" is %lld, the tower has %lld", name,
                        (long long)value, (long long)want);
    return rc;
}

static int read(struct medvl_frontend *f, const struct medvl_json *root,
                struct medvl_error *err)
{
    const struct medvl_vision_config *v = &f->config->vision;
    int rc;

    f->merge = v->merge;
    f->frames = v->temporal;
    f->resize = medvl_frontend_bool(root, "do_resize", true);
    rc = read_same(root, "patch_size", f->patch, 14, err);
    if (rc == MEDVL_OK)
        rc = read_same(root, "merge_size", f->merge, 2, err);
    if (rc == MEDVL_OK)
        rc = read_same(root, "temporal_patch_size", f->frames, 2, err);
    if (rc == MEDVL_OK)
        rc = read_limit(&f->least, root, "min_pixels", "shortest_edge",
                        56 * 56, err);
    if (rc == MEDVL_OK)
        rc = read_limit(&f->most, root, "max_pixels", "longest_edge",
                        28 * 28 * 1280, err);
    if (rc == MEDVL_OK && f->most < f->least)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"max_pixels\" is below \"min_pixels\"");
    if (rc == MEDVL_OK)
        rc = medvl_frontend_filter(f, root, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_values(f, root, err);
    return rc;
}

/* ---- geometry -------------------------------------------------------- */

/* The side nearest to `side` times `scale`, or the next below or above. */
static int64_t multiple(double side, int64_t unit, double (*how)(double))
{
    return (int64_t)how(side / (double)unit) * unit;
}

/* Both sides to multiples of `unit`: each to the nearest, half to even;
 * with too many pixels or too few, both by one factor, down or up. */
static void smart_resize(int64_t *width, int64_t *height,
                         const struct medvl_frontend *f, int64_t unit)
{
    const double w = (double)*width, h = (double)*height;
    double beta;

    *width = multiple(w, unit, rint);
    *height = multiple(h, unit, rint);
    if (*width * *height > f->most) {
        beta = sqrt(w * h / (double)f->most);
        *width = multiple(w / beta, unit, floor);
        *height = multiple(h / beta, unit, floor);
        *width = *width > unit ? *width : unit;
        *height = *height > unit ? *height : unit;
    } else if (*width * *height < f->least) {
        beta = sqrt((double)f->least / (w * h));
        *width = multiple(w * beta, unit, ceil);
        *height = multiple(h * beta, unit, ceil);
    }
}

/* The size that the tower sees. */
static int find_size(int64_t *width, int64_t *height,
                     const struct medvl_frontend *f, struct medvl_error *err)
{
    const int64_t w = *width, h = *height, unit = f->patch * f->merge;
    const int64_t more = w > h ? w : h, less = w > h ? h : w;

    if (f->resize && more > 200 * less)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld is too thin: one side is "
                          "above 200 times the other",
                          (long long)w, (long long)h);
    if (f->resize)
        smart_resize(width, height, f, unit);
    if (*width % unit || *height % unit || *width < 1 || *height < 1 ||
        *width > MEDVL_PICTURE_SIDE || *height > MEDVL_PICTURE_SIDE ||
        *width * *height > MEDVL_PICTURE_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld becomes %lldx%lld; the "
                          "tower takes multiples of %lld, and %lld pixels",
                          (long long)w, (long long)h, (long long)*width,
                          (long long)*height, (long long)unit,
                          (long long)MEDVL_PICTURE_PIXELS);
    return MEDVL_OK;
}

static int get_size(struct medvl_frontend_size *out,
                    const struct medvl_frontend *f, int64_t width,
                    int64_t height, struct medvl_error *err)
{
    int64_t w = width, h = height;
    int rc = find_size(&w, &h, f, err);

    if (rc < 0)
        return rc;
    out->grid.width = width;
    out->grid.height = height;
    out->grid.rows = h / f->patch;
    out->grid.columns = w / f->patch;
    out->patches = out->grid.rows * out->grid.columns;
    out->tokens = out->patches / (f->merge * f->merge);
    out->row = 3 * f->frames * f->patch * f->patch;
    return MEDVL_OK;
}

/* ---- rows ------------------------------------------------------------ */

/* Row and column of the i-th patch: merged patches in raster order, and
 * the patches of each in raster order. */
static void find_patch(int64_t *row, int64_t *column, int64_t i,
                       int64_t columns, int64_t merge)
{
    const int64_t block = i / (merge * merge), rest = i % (merge * merge);

    *row = block / (columns / merge) * merge + rest / merge;
    *column = block % (columns / merge) * merge + rest % merge;
}

/* A patch is (channel, frame, y, x); all frames are the picture. */
static void fill_rows(float *out, const struct medvl_frontend *f,
                      const struct medvl_picture *in)
{
    const int64_t p = f->patch, columns = in->width / p;
    const int64_t patches = columns * (in->height / p);
    const int n = in->channels;
    int64_t row, column;

    for (int64_t i = 0; i < patches; i++) {
        find_patch(&row, &column, i, columns, f->merge);
        for (int c = 0; c < 3; c++) {
            const float *first = out;

            for (int64_t y = row * p; y < (row + 1) * p; y++) {
                const uint8_t *line = (const uint8_t *)in->data +
                                      (y * in->width + column * p) * n;

                for (int64_t x = 0; x < p; x++)
                    *out++ = f->value[c][line[x * n + (n == 3 ? c : 0)]];
            }
            for (int64_t t = 1; t < f->frames; t++, out += p * p)
                memcpy(out, first, (size_t)(p * p) * sizeof(*out));
        }
    }
}

static int get_rows(float *out, const struct medvl_frontend *f,
                    const struct medvl_picture *picture,
                    struct medvl_error *err)
{
    struct medvl_picture sized = {0};
    int64_t w = picture->width, h = picture->height;
    int rc = find_size(&w, &h, f, err);

    if (rc < 0)
        return rc;
    if (w == picture->width && h == picture->height) {
        fill_rows(out, f, picture);
        return MEDVL_OK;
    }
    rc = medvl_picture_resize(&sized, picture, w, h, f->filter, err);
    if (rc == MEDVL_OK)
        fill_rows(out, f, &sized);
    medvl_picture_release(&sized);
    return rc;
}

static int get_centres(float *out, const struct medvl_frontend *f,
                       int64_t width, int64_t height, struct medvl_error *err)
{
    int64_t w = width, h = height, row, column;
    int rc = find_size(&w, &h, f, err);

    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < w / f->patch * (h / f->patch); i++) {
        find_patch(&row, &column, i, w / f->patch, f->merge);
        out[2 * i] = (float)(((double)column + 0.5) * (double)f->patch *
                             (double)width / (double)w);
        out[2 * i + 1] = (float)(((double)row + 0.5) * (double)f->patch *
                                 (double)height / (double)h);
    }
    return MEDVL_OK;
}

const struct medvl_frontend_kind medvl_frontend_qwen = {
    .read = read,
    .size = get_size,
    .rows = get_rows,
    .centres = get_centres,
};
