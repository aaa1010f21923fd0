/*
 * Views, features, tokens and positions of pictures.
 *
 * Read next: grid_tiles.c.
 */
#include "lib/model/grid_part.h"

#include <assert.h>

int64_t medvl_grid_views(const struct medvl_grid *grid)
{
    return 1 + grid->tiles_down * grid->tiles_across;
}

int64_t medvl_grid_patches(const struct medvl_grid *grid)
{
    return medvl_grid_views(grid) * grid->rows * grid->columns;
}

int64_t medvl_pictures_views(const struct medvl_pictures *pictures)
{
    int64_t views = 0;

    for (int64_t i = 0; i < pictures->count; i++)
        views += medvl_grid_views(&pictures->grids[i]);
    return views;
}

int64_t medvl_grid_features(const struct medvl_config *config,
                            const struct medvl_grid *grid)
{
    const struct medvl_vision_config *v = &config->vision;
    const int64_t view = grid->rows * grid->columns / (v->merge * v->merge);

    return medvl_grid_views(grid) * (v->registers + view + v->keep_class);
}

/* Tiles that are put together as one grid. */
static bool in_one_grid(const struct medvl_config *config,
                        const struct medvl_grid *grid)
{
    return grid->tiles_down > 0 && config->merge != MEDVL_MERGE_FLAT;
}

int64_t medvl_grid_tokens(const struct medvl_config *config,
                          const struct medvl_grid *grid)
{
    return in_one_grid(config, grid) ? medvl_grid_tile_tokens(config, grid)
                                     : medvl_grid_features(config, grid);
}

void medvl_grid_places(int32_t *out, const struct medvl_config *config,
                       const struct medvl_grid *grid)
{
    const int64_t count = medvl_grid_tokens(config, grid);

    assert(config->max_views == 0);
    if (in_one_grid(config, grid))
        medvl_grid_tile_places(out, config, grid);
    else
        for (int64_t i = 0; i < count; i++)
            out[i] = (int32_t)i;
}

/* A picture's tokens stand in a plane: one time, rows, columns. */
static void place_picture(int32_t *out, int64_t count, int64_t columns,
                          int64_t first)
{
    for (int64_t i = 0; i < count; i++) {
        out[3 * i] = (int32_t)first;
        out[3 * i + 1] = (int32_t)(first + i / columns);
        out[3 * i + 2] = (int32_t)(first + i % columns);
    }
}

int64_t medvl_grid_positions(int32_t *out,
                             const struct medvl_config *config,
                             const int32_t *ids, int64_t count,
                             const struct medvl_grid *grids, int64_t first)
{
    const int64_t axes = medvl_config_axes(config);
    const int64_t merge = config->vision.merge;
    int64_t next = first;

    for (int64_t i = 0; i < count;) {
        if (axes == 1 || ids[i] >= 0) {
            for (int64_t a = 0; a < axes; a++)
                out[i * axes + a] = (int32_t)next;
            next++;
            i++;
        } else {
            const int64_t rows = grids->rows / merge;
            const int64_t columns = grids->columns / merge;

            assert(i + rows * columns <= count);
            place_picture(out + i * axes, rows * columns, columns, next);
            next += rows > columns ? rows : columns;
            i += rows * columns;
            grids++;
        }
    }
    return next;
}
