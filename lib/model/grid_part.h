/*
 * Inside of grid.h: the tokens of a picture that has tiles, where they are
 * not simply all features in order.
 *
 * Read next: frontend.h.
 */
#ifndef MEDVL_MODEL_GRID_PART_H
#define MEDVL_MODEL_GRID_PART_H

#include "lib/model/grid.h"

int64_t medvl_grid_tile_tokens(const struct medvl_config *config,
                               const struct medvl_grid *grid);
void medvl_grid_tile_places(int32_t *out, const struct medvl_config *config,
                            const struct medvl_grid *grid);

#endif
