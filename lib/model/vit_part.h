/*
 * Inside of vit.h: the parts of a layer, the tower of Qwen, a table of
 * positions on another grid.
 *
 * Read next: vit_layer.c.
 */
#ifndef MEDVL_MODEL_VIT_PART_H
#define MEDVL_MODEL_VIT_PART_H

#include "lib/model/vit.h"

/* A map with its bias, a norm of the tower's kind, the MLP. */
struct medvl_var *medvl_vit_linear(struct medvl_tape *tape,
                                   const struct medvl_model *model,
                                   int64_t layer, const char *name,
                                   struct medvl_var *x);
struct medvl_var *medvl_vit_norm(struct medvl_tape *tape,
                                 const struct medvl_model *model,
                                 int64_t layer, const char *name,
                                 struct medvl_var *x);
struct medvl_var *medvl_vit_feed(struct medvl_tape *tape,
                                 const struct medvl_model *model,
                                 int64_t layer, struct medvl_var *x);

/* hidden + x, after the layer's own factors where it has them. */
struct medvl_var *medvl_vit_add(struct medvl_tape *tape,
                                const struct medvl_model *model,
                                int64_t layer, const char *scale,
                                struct medvl_var *hidden,
                                struct medvl_var *x);

/* medvl_vit_forward of QWEN2_VL and QWEN2_5_VL: vit_qwen.c. */
struct medvl_var *
medvl_vit_qwen_forward(struct medvl_tape *tape,
                       const struct medvl_model *model,
                       const struct medvl_pictures *pictures);

/* ---- positions: vit_positions.c -------------------------------------- */

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
