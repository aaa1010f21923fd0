/*
 * How the features of a picture stand among the tokens, and where each token
 * stands: functions of the config and the picture's size alone.
 *
 * Read next: params.h.
 */
#ifndef MEDVL_MODEL_GRID_H
#define MEDVL_MODEL_GRID_H

#include "lib/model/config.h"

/* A picture as the tower gets it. */
struct medvl_grid {
    int64_t width, height; /* of the stored picture, pixels */
    int64_t rows, columns; /* patches of one view (Qwen: of the picture) */

    /* Tiles behind the base view, in rows and columns; 0: none. */
    int64_t tiles_down, tiles_across;
};

/* Pictures as a batch has them. */
struct medvl_pictures {
    int64_t count;
    struct medvl_tensor rows;       /* (all patches, row) f32, in order */
    const struct medvl_grid *grids; /* (count) */
};

/* Views of all pictures. */
int64_t medvl_pictures_views(const struct medvl_pictures *pictures);

/* Views of one: the base view and its tiles. */
int64_t medvl_grid_views(const struct medvl_grid *grid);

/* Patches of all its views: its rows for the tower. */
int64_t medvl_grid_patches(const struct medvl_grid *grid);

/* Rows that tower and projector make of it: patches, class tokens and
 * registers where they are kept, or merged patches. */
int64_t medvl_grid_features(const struct medvl_config *config,
                            const struct medvl_grid *grid);

/* Tokens that it takes, newlines too; at least 1. */
int64_t medvl_grid_tokens(const struct medvl_config *config,
                          const struct medvl_grid *grid);

/*
 * Which of its features each of its tokens is, where config->max_views is 0.
 *
 *   out   (medvl_grid_tokens) from 0; -1: the newline
 */
void medvl_grid_places(int32_t *out, const struct medvl_config *config,
                       const struct medvl_grid *grid);

/*
 * The same where config->max_views may have shrunk the grid: each token is a
 * sum of four features by weight.
 *
 *   index, weight   (medvl_grid_tokens, 4); index -1: the newline, or nothing
 */
void medvl_grid_mix(int32_t *index, float *weight,
                    const struct medvl_config *config,
                    const struct medvl_grid *grid);

/*
 * Positions of a sequence's tokens, `first` that of the first.
 *
 *   out     (count, axes) of medvl_config_axes
 *   ids     (count): -1 at picture tokens, those of grids[0], then of
 *           grids[1], ...
 *
 * Returns the position behind the last.
 */
int64_t medvl_grid_positions(int32_t *out,
                             const struct medvl_config *config,
                             const int32_t *ids, int64_t count,
                             const struct medvl_grid *grids,
                             int64_t first);

#endif
