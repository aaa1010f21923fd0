/*
 * Vision towers.
 *
 * Source: Radford et al. 2021 (CLIP), Zhai et al. 2023 (SigLIP), Oquab et
 * al. 2023 (DINOv2), Darcet et al. 2023 (registers); structure as
 * CLIPVisionModel, SiglipVisionModel, Dinov2Model and
 * Dinov2WithRegistersModel of transformers 4.57.1.
 *
 * Read next: projector.h.
 */
#ifndef MEDVL_MODEL_VIT_H
#define MEDVL_MODEL_VIT_H

#include "lib/model/checkpoint.h"
#include "lib/model/grid.h"

/*
 * Features of all views, one after another: the hidden states of
 * config.vision.features side by side, patches in raster order behind the
 * registers, and those behind the class token with keep_class.
 */
struct medvl_var *medvl_vit_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_pictures *pictures);

#endif
