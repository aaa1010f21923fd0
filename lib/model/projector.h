/*
 * From tower channels to decoder channels: linear maps with an activation
 * between each two (mlp2x_gelu has two).
 *
 * Source: Liu et al. 2023, "Improved Baselines with Visual Instruction
 * Tuning".
 *
 * Read next: rope.h.
 */
#ifndef MEDVL_MODEL_PROJECTOR_H
#define MEDVL_MODEL_PROJECTOR_H

#include "lib/model/checkpoint.h"

struct medvl_var *medvl_projector_forward(struct medvl_tape *tape,
                                          const struct medvl_model *model,
                                          struct medvl_var *features);

#endif
