/*
 * Inside of vit.h: a table of positions on another grid.
 *
 * Read next: vit_positions.c.
 */
#ifndef MEDVL_MODEL_VIT_PART_H
#define MEDVL_MODEL_VIT_PART_H

#include <stdbool.h>
#include <stdint.h>

/* Taps that each of `to` places takes from `from`, bicubic. */
int64_t medvl_vit_taps(int64_t from, int64_t to, bool antialias);

/*
 * A line of `from` values resampled to `to`, ends aligned.
 *
 *   index, weight   (to, taps): which values, and how much of each; what
 *                   lies outside is the nearest one, or none (-1)
 *   antialias       wider when there are fewer places than values
 *
 * Source: Keys 1981, "Cubic Convolution Interpolation for Digital Image
 * Processing"; a = -0.75, with antialias -0.5, as PyTorch's interpolate with
 * mode "bicubic" and without align_corners.
 */
void medvl_vit_resample(int32_t *index, float *weight, int64_t from,
                        int64_t to, bool antialias);

#endif
