/*
 * LLaVA-NeXT's image processor: the whole picture as one square (the base
 * view), then the picture fitted into the best of some sizes, centred on
 * black and cut into squares, row after row.
 *
 * Source: LlavaNextImageProcessor of transformers 4.57.1 on Pillow, and
 * process_anyres_image of LLaVA, which does the same to the pixels
 * (tests/golden/processors.py compares both).
 *
 * Read next: vit.h.
 */
#include "lib/model/frontend_part.h"

#include <math.h>
#include <string.h>

/* ---- opening --------------------------------------------------------- */

static int check_pinpoints(const struct medvl_frontend *f,
                           struct medvl_error *err)
{
    for (int i = 0; i < f->config->pinpoint_count; i++) {
        const int32_t *p = f->config->pinpoints[i];

        if (p[0] % f->side != 0 || p[1] % f->side != 0)
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "\"image_grid_pinpoints\": %dx%d is not a "
                              "multiple of the tower's %lld",
                              p[0], p[1], (long long)f->side);
    }
    return MEDVL_OK;
}

/* The processor's list must be the model's: (height, width) each. */
static int compare_pinpoints(const struct medvl_frontend *f,
                             const struct medvl_json *list,
                             struct medvl_error *err)
{
    const struct medvl_json *pair = medvl_json_first(list);
    int i = 0;
    bool same = true;

    if (!list)
        return MEDVL_OK;
    for (; pair && same; pair = medvl_json_next(pair), i++) {
        const double height = medvl_json_number(medvl_json_at(pair, 0), 0);
        const double width = medvl_json_number(medvl_json_at(pair, 1), 0);

        same = i < f->config->pinpoint_count &&
               width == f->config->pinpoints[i][0] &&
               height == f->config->pinpoints[i][1];
    }
    if (same && i == f->config->pinpoint_count)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"image_grid_pinpoints\" differs from config.json's");
}

static int read(struct medvl_frontend *f, const struct medvl_json *root,
                struct medvl_error *err)
{
    int rc = medvl_frontend_clip.read(f, root, err);

    if (rc < 0)
        return rc;
    f->pad = false;
    if (f->config->vision.keep_class)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "class tokens do not stand in a grid of tiles");
    if (f->shortest == 0)
        f->shortest = f->width < f->height ? f->width : f->height;
    if (f->shortest != f->side)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"size\": %lld, the tower takes %lld",
                          (long long)f->shortest, (long long)f->side);
    rc = check_pinpoints(f, err);
    return rc < 0 ? rc
                  : compare_pinpoints(
                        f, medvl_json_get(root, "image_grid_pinpoints"), err);
}

/* ---- geometry -------------------------------------------------------- */

/* The picture's new size, and its place on the canvas of tiles. */
struct geometry {
    int64_t across, down; /* tiles */
    int64_t width, height, left, top;
};

/* Which size keeps most of the picture, and of those wastes least. */
static const int32_t *find_best(const struct medvl_frontend *f, int64_t width,
                                int64_t height)
{
    const double w = (double)width, h = (double)height;
    const int32_t *best = NULL;
    int64_t most = 0, least = INT64_MAX;

    for (int i = 0; i < f->config->pinpoint_count; i++) {
        const int32_t *p = f->config->pinpoints[i];
        const double sx = (double)p[0] / w, sy = (double)p[1] / h;
        const double scale = sx < sy ? sx : sy;
        int64_t kept = (int64_t)(w * scale) * (int64_t)(h * scale), wasted;

        if (kept > width * height)
            kept = width * height;
        wasted = (int64_t)p[0] * p[1] - kept;
        if (kept > most || (kept == most && wasted < least)) {
            most = kept;
            least = wasted;
            best = p;
        }
    }
    return best;
}

static int find_geometry(struct geometry *g, const struct medvl_frontend *f,
                         int64_t width, int64_t height,
                         struct medvl_error *err)
{
    const int32_t *best = find_best(f, width, height);
    double sx, sy;

    memset(g, 0, sizeof(*g));
    if (!best || (int64_t)best[0] * best[1] > MEDVL_PICTURE_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lldx%lld is too thin",
                          (long long)width, (long long)height);
    sx = (double)best[0] / (double)width;
    sy = (double)best[1] / (double)height;
    g->width = best[0];
    g->height = best[1];
    if (sx < sy)
        g->height = (int64_t)ceil((double)height * sx);
    else
        g->width = (int64_t)ceil((double)width * sy);
    if (g->width > best[0])
        g->width = best[0];
    if (g->height > best[1])
        g->height = best[1];
    g->left = (best[0] - g->width) / 2;
    g->top = (best[1] - g->height) / 2;
    g->across = best[0] / f->side;
    g->down = best[1] / f->side;
    return MEDVL_OK;
}

static int get_size(struct medvl_frontend_size *out,
                    const struct medvl_frontend *frontend, int64_t width,
                    int64_t height, struct medvl_error *err)
{
    const int64_t grid = frontend->side / frontend->patch;
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    out->patches = (1 + g.across * g.down) * grid * grid;
    out->row = 3 * frontend->patch * frontend->patch;
    out->grid = (struct medvl_grid){.width = width,
                                    .height = height,
                                    .rows = grid,
                                    .columns = grid,
                                    .tiles_down = g.down,
                                    .tiles_across = g.across};
    return rc;
}

static int get_rows(float *out, const struct medvl_frontend *frontend,
                    const struct medvl_picture *picture,
                    struct medvl_error *err)
{
    const int64_t side = frontend->side, grid = side / frontend->patch;
    const int64_t view = grid * grid * 3 * frontend->patch * frontend->patch;
    struct medvl_picture room = {0};
    const struct medvl_picture *now;
    struct geometry g;
    int rc = find_geometry(&g, frontend, picture->width, picture->height,
                           err);

    if (rc == MEDVL_OK)
        rc = medvl_frontend_resized(&room, &now, picture, side, side,
                                    frontend->filter, err);
    if (rc == MEDVL_OK)
        medvl_frontend_fill(out, frontend, now, 0, 0, grid, grid);
    medvl_picture_release(&room);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_resized(&room, &now, picture, g.width, g.height,
                                    frontend->filter, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < g.across * g.down; i++)
        medvl_frontend_fill(out + (1 + i) * view, frontend, now,
                            i % g.across * side - g.left,
                            i / g.across * side - g.top, grid, grid);
    medvl_picture_release(&room);
    return rc;
}

/* The base view's patches, then those of each tile. */
static int get_centres(float *out, const struct medvl_frontend *frontend,
                       int64_t width, int64_t height, struct medvl_error *err)
{
    const int64_t side = frontend->side, grid = side / frontend->patch;
    struct geometry g;
    int rc = find_geometry(&g, frontend, width, height, err);

    if (rc < 0)
        return rc;
    for (int64_t tile = -1; tile < g.across * g.down; tile++) {
        const bool base = tile < 0;
        const int64_t left = base ? 0 : tile % g.across * side - g.left;
        const int64_t top = base ? 0 : tile / g.across * side - g.top;
        const double sx = (double)width / (double)(base ? side : g.width);
        const double sy = (double)height / (double)(base ? side : g.height);

        for (int64_t i = 0; i < grid * grid; i++) {
            const double p = (double)frontend->patch;
            const double x = ((double)(i % grid) + 0.5) * p + (double)left;
            const double y = ((double)(i / grid) + 0.5) * p + (double)top;

            *out++ = (float)(x * sx);
            *out++ = (float)(y * sy);
        }
    }
    return MEDVL_OK;
}

const struct medvl_frontend_kind medvl_frontend_anyres = {
    read, get_size, get_rows, get_centres};
