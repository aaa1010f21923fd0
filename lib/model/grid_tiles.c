/*
 * The tokens of a picture in tiles: the base view, then the tiles put
 * together as one grid, of which the rows or columns that padding made may
 * be left out, and each row may end in a newline.
 *
 * Source: unpad_image and pack_image_features of LlavaNextModel,
 * transformers 4.57.1, and unpad_image of haotian-liu/LLaVA c121f04, which
 * cuts off where the former rounds at the seventh decimal.
 *
 * Read next: grid_part.h.
 */
#include "lib/model/grid_part.h"

/* The part of the grid that is kept. */
struct kept {
    int64_t top, left, rows, columns;
};

/* How much of `size` is picture when `length` is scaled by `scale`. */
static int64_t inner(int64_t size, int64_t length, double scale, bool cut)
{
    const double exact = (double)length * scale;
    const int64_t now = (int64_t)(cut ? exact : exact + 5e-8);

    return now > size ? size : now;
}

static struct kept find_kept(const struct medvl_config *config,
                             const struct medvl_grid *g)
{
    const int64_t rows = g->tiles_down * g->rows;
    const int64_t columns = g->tiles_across * g->columns;
    const double w = (double)g->width, h = (double)g->height;
    const bool cut = config->naming == MEDVL_NAMING_ORIGINAL;
    struct kept k = {0, 0, rows, columns};

    if (config->merge != MEDVL_MERGE_SPATIAL_UNPAD)
        return k;
    if (w / h > (double)columns / (double)rows) {
        k.top = (rows - inner(rows, g->height, (double)columns / w, cut)) / 2;
        k.rows -= 2 * k.top;
    } else {
        k.left = (columns - inner(columns, g->width, (double)rows / h, cut)) /
                 2;
        k.columns -= 2 * k.left;
    }
    return k;
}

int64_t medvl_grid_tile_tokens(const struct medvl_config *config,
                               const struct medvl_grid *grid)
{
    const struct kept k = find_kept(config, grid);
    const bool lines = config->merge == MEDVL_MERGE_SPATIAL_UNPAD;

    return grid->rows * grid->columns + k.rows * (k.columns + lines);
}

void medvl_grid_tile_places(int32_t *out, const struct medvl_config *config,
                            const struct medvl_grid *grid)
{
    const struct kept k = find_kept(config, grid);
    const int64_t view = grid->rows * grid->columns;

    for (int64_t i = 0; i < view; i++)
        *out++ = (int32_t)i;
    for (int64_t y = k.top; y < k.top + k.rows; y++) {
        for (int64_t x = k.left; x < k.left + k.columns; x++) {
            const int64_t tile = y / grid->rows * grid->tiles_across +
                                 x / grid->columns;

            *out++ = (int32_t)((1 + tile) * view +
                               y % grid->rows * grid->columns +
                               x % grid->columns);
        }
        if (config->merge == MEDVL_MERGE_SPATIAL_UNPAD)
            *out++ = -1;
    }
}
