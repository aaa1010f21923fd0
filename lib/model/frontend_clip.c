/*
 * CLIP's image processor: resize, cut the middle, values, then patches.
 *
 * Source: CLIPImageProcessor of transformers (the slow one, on Pillow).
 *
 * Read next: vit.c.
 */
#include "lib/model/frontend_part.h"

static int read(struct medvl_frontend *f, const struct medvl_json *root,
                struct medvl_error *err)
{
    int64_t side, width, height;
    int rc;

    f->resize = medvl_frontend_bool(root, "do_resize", true);
    f->crop = medvl_frontend_bool(root, "do_center_crop", true);
    if (medvl_frontend_bool(root, "do_pad", false))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"do_pad\" is not built in");
    rc = medvl_frontend_sides(&f->shortest, &f->width, &f->height, root,
                              "size", 224, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_sides(&side, &width, &height, root, "crop_size",
                                  224, err);
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
    rc = medvl_frontend_filter(f, root, err);
    return rc < 0 ? rc : medvl_frontend_values(f, root, err);
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

static int get_size(struct medvl_frontend_size *out,
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

static int get_centres(float *out, const struct medvl_frontend *frontend,
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

static int get_rows(float *out, const struct medvl_frontend *frontend,
                    const struct medvl_picture *picture,
                    struct medvl_error *err)
{
    struct medvl_picture sized = {0};
    struct geometry g;
    int rc = find_geometry(&g, frontend, picture->width, picture->height,
                           err);

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

const struct medvl_frontend_kind medvl_frontend_clip = {read, get_size,
                                                        get_rows, get_centres};
