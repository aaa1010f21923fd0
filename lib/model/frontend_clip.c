/*
 * CLIP's image processor and those made after it (LLaVA's, SigLIP's, BiT's):
 * perhaps a square canvas, a new size, the middle, values, then patches.
 *
 * Source: CLIPImageProcessor, LlavaImageProcessor, SiglipImageProcessor and
 * BitImageProcessor of transformers 4.57.1 on Pillow; the square canvas also
 * expand2square of LLaVA (tests/golden/processors.py compares them).
 *
 * Read next: frontend_anyres.c.
 */
#include "lib/model/frontend_part.h"

/* Of what a picture becomes: 5793 a side. */
#define MOST_PIXELS (MEDVL_PICTURE_PIXELS / 2)

static int set_crop(struct medvl_frontend *f, int64_t width, int64_t height,
                    struct medvl_error *err)
{
    f->crop_width = width;
    f->crop_height = height;
    if (!f->crop || f->any || (width == f->side && height == f->side))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"crop_size\" is %lldx%lld, the tower takes "
                      "%lldx%lld",
                      (long long)width, (long long)height,
                      (long long)f->side, (long long)f->side);
}

static int read(struct medvl_frontend *f, const struct medvl_json *root,
                struct medvl_error *err)
{
    const int64_t usual = root ? 224 : f->side;
    int64_t side, width, height;
    int rc;

    f->any = f->config->vision.interpolate;
    f->resize = medvl_frontend_bool(root, "do_resize", true);
    f->crop = !f->siglip && medvl_frontend_bool(root, "do_center_crop", true);
    if (f->pads && medvl_frontend_bool(root, "do_pad", false))
        f->pad = true;
    rc = medvl_frontend_sides(&f->shortest, &f->width, &f->height, root,
                              "size", usual, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_sides(&side, &width, &height, root, "crop_size",
                                  usual, err);
    if (rc == MEDVL_OK && f->config->vision.interpolate)
        f->side = side > 0 ? side : width;
    if (rc == MEDVL_OK && f->siglip && f->shortest > 0) {
        f->width = f->height = f->shortest;
        f->shortest = 0;
    }
    if (rc == MEDVL_OK)
        rc = side > 0 ? set_crop(f, side, side, err)
                      : set_crop(f, width, height, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_filter(f, root, err);
    return rc < 0 ? rc : medvl_frontend_values(f, root, err);
}

/* ---- geometry -------------------------------------------------------- */

/*
 * The picture at (left, top) of a canvas, the canvas resized, and where the
 * what the tower gets begins in that: before 0 where it is larger.
 */
struct geometry {
    int64_t canvas_width, canvas_height, left, top;
    int64_t width, height, x, y;
    int64_t rows, columns; /* of patches */
};

/* Halves rounded down, also below 0. */
static int64_t half(int64_t n)
{
    return (n - (n < 0)) / 2;
}

static int check_geometry(const struct geometry *g,
                          const struct medvl_frontend *f, int64_t width,
                          int64_t height, struct medvl_error *err)
{
    if (!f->crop && !f->any &&
        (g->width != f->side || g->height != f->side))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a picture of %lldx%lld becomes %lldx%lld, the "
                          "tower takes %lldx%lld",
                          (long long)width, (long long)height,
                          (long long)g->width, (long long)g->height,
                          (long long)f->side, (long long)f->side);
    if (g->width < 1 || g->height < 1 || g->width > MEDVL_PICTURE_SIDE ||
        g->height > MEDVL_PICTURE_SIDE ||
        g->canvas_width * g->canvas_height > MEDVL_PICTURE_PIXELS ||
        g->rows < 1 || g->columns < 1)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld is too thin",
                          (long long)width, (long long)height);
    if ((f->resize && g->width * g->height > MOST_PIXELS) ||
        g->rows * f->patch * (g->columns * f->patch) > MOST_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld becomes %lldx%lld, the "
                          "tower sees %lldx%lld of it; more than %lld pixels "
                          "are not built in",
                          (long long)width, (long long)height,
                          (long long)g->width, (long long)g->height,
                          (long long)(g->columns * f->patch),
                          (long long)(g->rows * f->patch),
                          (long long)MOST_PIXELS);
    return MEDVL_OK;
}

static int find_geometry(struct geometry *g, const struct medvl_frontend *f,
                         int64_t width, int64_t height,
                         struct medvl_error *err)
{
    const int64_t side = width > height ? width : height;
    const int64_t cw = f->pad ? side : width, ch = f->pad ? side : height;

    g->canvas_width = cw;
    g->canvas_height = ch;
    g->left = (cw - width) / 2;
    g->top = (ch - height) / 2;
    g->width = cw;
    g->height = ch;
    if (f->resize && f->shortest == 0) {
        g->width = f->width;
        g->height = f->height;
    } else if (f->resize && cw <= ch) {
        g->width = f->shortest;
        g->height = f->shortest * ch / cw;
    } else if (f->resize) {
        g->width = f->shortest * cw / ch;
        g->height = f->shortest;
    }
    g->x = f->crop ? half(g->width - f->crop_width) : 0;
    g->y = f->crop ? half(g->height - f->crop_height) : 0;
    g->columns = (f->crop ? f->crop_width : g->width) / f->patch;
    g->rows = (f->crop ? f->crop_height : g->height) / f->patch;
    return check_geometry(g, f, width, height, err);
}

static int get_size(struct medvl_frontend_size *out,
                    const struct medvl_frontend *frontend,
                    int64_t width, int64_t height,
                    struct medvl_error *err)
{
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    if (rc < 0)
        return rc;
    out->patches = g.rows * g.columns;
    out->row = 3 * frontend->patch * frontend->patch;
    out->grid = (struct medvl_grid){.width = width,
                                    .height = height,
                                    .rows = g.rows,
                                    .columns = g.columns};
    return MEDVL_OK;
}

static int get_centres(float *out, const struct medvl_frontend *frontend,
                       int64_t width, int64_t height,
                       struct medvl_error *err)
{
    const double middle = (double)frontend->patch / 2;
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < g.rows * g.columns; i++) {
        const int64_t left = i % g.columns * frontend->patch;
        const int64_t top = i / g.columns * frontend->patch;
        const double x = (double)(left + g.x) + middle;
        const double y = (double)(top + g.y) + middle;

        out[2 * i] = (float)(x * (double)g.canvas_width / (double)g.width -
                             (double)g.left);
        out[2 * i + 1] = (float)(y * (double)g.canvas_height /
                                     (double)g.height -
                                 (double)g.top);
    }
    return MEDVL_OK;
}

static int get_rows(float *out, const struct medvl_frontend *frontend,
                    const struct medvl_picture *picture,
                    struct medvl_error *err)
{
    struct medvl_picture canvas = {0}, room = {0};
    const struct medvl_picture *now = picture;
    struct geometry g;
    int rc = find_geometry(&g, frontend, picture->width, picture->height,
                           err);

    if (rc == MEDVL_OK && (g.canvas_width != picture->width ||
                           g.canvas_height != picture->height)) {
        rc = medvl_picture_pad(&canvas, picture, g.left, g.top,
                               g.canvas_width, g.canvas_height,
                               frontend->color, err);
        now = &canvas;
    }
    if (rc == MEDVL_OK)
        rc = medvl_frontend_resized(&room, &now, now, g.width, g.height,
                                    frontend->filter, err);
    if (rc == MEDVL_OK)
        medvl_frontend_fill(out, frontend, now, g.x, g.y, g.rows,
                            g.columns);
    medvl_picture_release(&canvas);
    medvl_picture_release(&room);
    return rc;
}

const struct medvl_frontend_kind medvl_frontend_clip = {read, get_size,
                                                        get_rows, get_centres};
