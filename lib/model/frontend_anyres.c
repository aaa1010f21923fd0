/*
 * LLaVA-NeXT's image processor: the whole picture as one square (the base
 * view), then the picture fitted into the best of some sizes, centred on
 * black and cut into squares, row after row.
 *
 * Source: LlavaNextImageProcessor of transformers 4.57.1 on Pillow, and
 * process_anyres_image of LLaVA, which does the same to the pixels
 * (tests/golden/processors.py compares both).
 *
 * Read next: layout.h.
 */
#include "lib/model/frontend_part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* ---- the sizes to choose from ---------------------------------------- */

static int add_pinpoint(struct medvl_frontend *f, int64_t width,
                        int64_t height, struct medvl_error *err)
{
    if (f->pinpoint_count == MEDVL_PINPOINTS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "more than %d sizes in \"image_grid_pinpoints\"",
                          MEDVL_PINPOINTS);
    if (width < 1 || height < 1 || width > MEDVL_PICTURE_SIDE ||
        height > MEDVL_PICTURE_SIDE || width % f->side != 0 ||
        height % f->side != 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"image_grid_pinpoints\": %lldx%lld is not a "
                          "multiple of the tower's %lldx%lld",
                          (long long)width, (long long)height,
                          (long long)f->side, (long long)f->side);
    f->pinpoints[f->pinpoint_count][0] = width;
    f->pinpoints[f->pinpoint_count++][1] = height;
    return MEDVL_OK;
}

/* Pairs: (height, width) in transformers, (width, height) in LLaVA. */
static int read_pairs(struct medvl_frontend *f, const struct medvl_json *list,
                      struct medvl_error *err)
{
    const struct medvl_json *pair = medvl_json_first(list);
    int rc = MEDVL_OK;

    for (; pair && rc == MEDVL_OK; pair = medvl_json_next(pair)) {
        int64_t n[2];

        for (size_t i = 0; i < 2; i++) {
            const double v = medvl_json_number(medvl_json_at(pair, i), 0);

            n[i] = v >= 1 && v <= MEDVL_PICTURE_SIDE ? (int64_t)v : 0;
        }
        if (medvl_json_count(pair) != 2)
            n[0] = 0;
        rc = f->original ? add_pinpoint(f, n[0], n[1], err)
                         : add_pinpoint(f, n[1], n[0], err);
    }
    return rc;
}

/* "(1x1),...,(6x6)": all from the first to the last, in squares. */
static int read_range(struct medvl_frontend *f, const char *text,
                      struct medvl_error *err)
{
    int64_t n[4] = {0}; /* first, last: across and down */
    int found = 0, rc = MEDVL_OK;

    for (const char *s = strchr(text, '('); s; s = strchr(s, '(')) {
        char *end;
        const long a = strtol(++s, &end, 10);
        const long b = *end == 'x' ? strtol(end + 1, &end, 10) : 0;

        if (*end != ')' || a < 1 || b < 1 || a > 1000 || b > 1000)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"image_grid_pinpoints\": \"%.40s\"", text);
        n[2] = a;
        n[3] = b;
        if (found++ == 0)
            memcpy(n, n + 2, 2 * sizeof(*n));
    }
    for (int64_t x = n[0]; x <= n[2] && rc == MEDVL_OK; x++)
        for (int64_t y = n[1]; y <= n[3] && rc == MEDVL_OK; y++)
            rc = add_pinpoint(f, x * f->side, y * f->side, err);
    return rc;
}

/* "[(336, 672), ...]": a list as Python prints it. */
static int read_printed(struct medvl_frontend *f, const char *text,
                        struct medvl_error *err)
{
    struct medvl_json *list = NULL;
    struct medvl_text copy = {0};
    int rc = medvl_text_append(&copy, text, strlen(text), err);

    for (size_t i = 0; rc == MEDVL_OK && i < copy.size; i++)
        if (copy.data[i] == '(' || copy.data[i] == ')')
            copy.data[i] = copy.data[i] == '(' ? '[' : ']';
    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&list, medvl_text_span(&copy), err);
    if (rc < 0)
        medvl_context(err, "\"image_grid_pinpoints\"");
    else
        rc = read_pairs(f, list, err);
    medvl_json_free(list);
    medvl_text_release(&copy);
    return rc;
}

static int read_pinpoints(struct medvl_frontend *f,
                          const struct medvl_json *v, struct medvl_error *err)
{
    static const int TILES[][2] = {{1, 2}, {2, 1}, {2, 2}, {3, 1}, {1, 3}};
    const char *text = medvl_json_string(v);
    int rc = MEDVL_OK;

    if (text && strchr(text, 'x'))
        rc = read_range(f, text, err);
    else if (text)
        rc = read_printed(f, text, err);
    else if (medvl_json_type(v) == MEDVL_JSON_ARRAY)
        rc = read_pairs(f, v, err);
    else
        for (size_t i = 0; rc == MEDVL_OK && !f->original && i < 5; i++)
            rc = add_pinpoint(f, TILES[i][1] * 336, TILES[i][0] * 336, err);
    if (rc == MEDVL_OK && f->pinpoint_count == 0)
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"image_grid_pinpoints\": no sizes");
    return rc;
}

static int read(struct medvl_frontend *f, const struct medvl_json *root,
                struct medvl_error *err)
{
    const struct medvl_json *from = f->original ? f->model : root;
    int rc = medvl_frontend_clip.read(f, root, err);

    if (rc < 0)
        return rc;
    f->pad = false; /* "do_pad" here fills a batch with empty tiles */
    if (f->config->vision.keep_class)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "class tokens do not stand in a grid of tiles");
    if (f->shortest == 0)
        f->shortest = f->width < f->height ? f->width : f->height;
    if (f->shortest != f->side)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "\"size\": %lld, the tower takes %lld",
                          (long long)f->shortest, (long long)f->side);
    return read_pinpoints(f, medvl_json_get(from, "image_grid_pinpoints"),
                          err);
}

/* ---- geometry -------------------------------------------------------- */

/* The picture's new size, and its place on the canvas of tiles. */
struct geometry {
    int64_t across, down; /* tiles */
    int64_t width, height, left, top;
};

/* Which size keeps most of the picture, and of those wastes least. */
static const int64_t *find_best(const struct medvl_frontend *f, int64_t width,
                                int64_t height)
{
    const double w = (double)width, h = (double)height;
    const int64_t *best = NULL;
    int64_t most = 0, least = INT64_MAX;

    for (int i = 0; i < f->pinpoint_count; i++) {
        const int64_t *p = f->pinpoints[i];
        const double sx = (double)p[0] / w, sy = (double)p[1] / h;
        const double scale = sx < sy ? sx : sy;
        int64_t kept = (int64_t)(w * scale) * (int64_t)(h * scale), wasted;

        if (kept > width * height)
            kept = width * height;
        wasted = p[0] * p[1] - kept;
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
    const int64_t *best = find_best(f, width, height);
    double sx, sy;

    memset(g, 0, sizeof(*g));
    if (!best || best[0] * best[1] > MEDVL_PICTURE_PIXELS)
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
