/*
 * The tokens of a picture in tiles: the base view, then the tiles put
 * together as one grid, of which the rows or columns that padding made may
 * be left out, the rest shrunk, and each row may end in a newline.
 *
 * Source: unpad_image and pack_image_features of LlavaNextModel,
 * transformers 4.57.1, and unpad_image of haotian-liu/LLaVA c121f04, which
 * cuts off where the former rounds at the seventh decimal.  Shrinking:
 * llava_arch.py of LLaVA-VL/LLaVA-NeXT df17966.
 *
 * Read next: grid_part.h.
 */
#include "lib/model/grid_part.h"

#include <math.h>
#include <string.h>

/* The part of the grid that is kept, and the size that it gets. */
struct kept {
    int64_t top, left, rows, columns;
    int64_t down, across;
};

/* How much of `size` is picture when `length` is scaled by `scale`. */
static int64_t inner(int64_t size, int64_t length, double scale, bool cut)
{
    const double exact = (double)length * scale;
    const int64_t now = (int64_t)(cut ? exact : exact + 5e-8);

    return now > size ? size : now;
}

/* As Python divides floats: rounded down. */
static int64_t floor_divide(int64_t n, double by)
{
    const double exact = ((double)n - fmod((double)n, by)) / by;
    const int64_t whole = (int64_t)floor(exact + 0.5);

    return whole > 1 ? whole : 1;
}

/* Where the views' tokens are many, both sides by the same number. */
static void shrink(struct kept *k, const struct medvl_config *config,
                   const struct medvl_grid *g)
{
    const double most = (double)(config->max_views * g->rows * g->rows);
    const double times = sqrt((double)(k->rows * k->columns) / most);

    k->down = k->rows;
    k->across = k->columns;
    if (config->max_views == 0 || !(times > 1.1))
        return;
    k->down = floor_divide(k->rows, times);
    k->across = floor_divide(k->columns, times);
}

static struct kept find_kept(const struct medvl_config *config,
                             const struct medvl_grid *g)
{
    const int64_t rows = g->tiles_down * g->rows;
    const int64_t columns = g->tiles_across * g->columns;
    const double w = (double)g->width, h = (double)g->height;
    const bool cut = config->naming == MEDVL_NAMING_ORIGINAL;
    struct kept k = {0, 0, rows, columns, rows, columns};

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
    shrink(&k, config, g);
    return k;
}

int64_t medvl_grid_tile_tokens(const struct medvl_config *config,
                               const struct medvl_grid *grid)
{
    const struct kept k = find_kept(config, grid);
    const bool lines = config->merge == MEDVL_MERGE_SPATIAL_UNPAD;

    return grid->rows * grid->columns + k.down * (k.across + lines);
}

/* The feature at this place of the grid. */
static int32_t feature_at(const struct medvl_grid *g, int64_t y, int64_t x)
{
    const int64_t tile = y / g->rows * g->tiles_across + x / g->columns;

    return (int32_t)((1 + tile) * g->rows * g->columns +
                     y % g->rows * g->columns + x % g->columns);
}

void medvl_grid_tile_places(int32_t *out, const struct medvl_config *config,
                            const struct medvl_grid *grid)
{
    const struct kept k = find_kept(config, grid);
    const int64_t view = grid->rows * grid->columns;

    for (int64_t i = 0; i < view; i++)
        *out++ = (int32_t)i;
    for (int64_t y = k.top; y < k.top + k.rows; y++) {
        for (int64_t x = k.left; x < k.left + k.columns; x++)
            *out++ = feature_at(grid, y, x);
        if (config->merge == MEDVL_MERGE_SPATIAL_UNPAD)
            *out++ = -1;
    }
}

/* Between which two of `from` the i-th of `to` lies; the share of the second,
 * as interpolate of torch has it for "bilinear". */
static float between(int64_t at[2], int64_t i, int64_t from, int64_t to)
{
    const float scale = (float)from / (float)to;
    float x = scale * ((float)i + 0.5f) - 0.5f;

    if (from == to)
        x = (float)i;
    x = x > 0 ? x : 0;
    at[0] = (int64_t)x;
    at[1] = at[0] + (at[0] < from - 1);
    return x - (float)at[0];
}

void medvl_grid_mix(int32_t *index, float *weight,
                    const struct medvl_config *config,
                    const struct medvl_grid *grid)
{
    const int64_t count = medvl_grid_tokens(config, grid);
    const int64_t view = grid->rows * grid->columns;
    const struct kept k = find_kept(config, grid);

    memset(weight, 0, (size_t)(4 * count) * sizeof(*weight));
    for (int64_t i = 0; i < 4 * count; i++)
        index[i] = -1;
    for (int64_t i = 0; i < count; i++, index += 4, weight += 4) {
        const int64_t line = (i - view) / (k.across + 1);
        const int64_t column = (i - view) % (k.across + 1);
        int64_t y[2], x[2];
        float down, across;

        if (i < view) {
            index[0] = (int32_t)i;
            weight[0] = 1;
        }
        if (i < view || column == k.across)
            continue;
        down = between(y, line, k.rows, k.down);
        across = between(x, column, k.columns, k.across);
        for (int j = 0; j < 4; j++) {
            index[j] = feature_at(grid, k.top + y[j / 2], k.left + x[j % 2]);
            weight[j] = (j / 2 ? down : 1 - down) *
                        (j % 2 ? across : 1 - across);
        }
    }
}
