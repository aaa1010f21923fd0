/*
 * The CLIP vision tower.
 *
 * Source: Radford et al. 2021; structure as transformers' CLIPVisionModel.
 *
 * Read next: projector.h.
 */
#ifndef MEDVL_MODEL_VIT_H
#define MEDVL_MODEL_VIT_H

#include "lib/model/checkpoint.h"

/*
 * Features of I pictures.
 *
 *   rows   (I*P, 3*p*p) f32 patch rows
 *   returns (I*P, C): hidden state after config.vision.run_layers layers,
 *           without the class token (with it (I*(P+1), C) when keep_class)
 */
struct medvl_var *medvl_vit_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_tensor *rows,
                                    int64_t pictures);

#endif
