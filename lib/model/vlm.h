/*
 * The whole model over a batch: pictures through tower and projector, put
 * in their places among the token embeddings, then the decoder.
 *
 * Read next: gallery.h.
 */
#ifndef MEDVL_MODEL_VLM_H
#define MEDVL_MODEL_VLM_H

#include "lib/model/decoder.h"
#include "lib/model/grid.h"

struct medvl_inputs {
    struct medvl_sequences tokens;
    struct medvl_pictures pictures;

    /* (picture tokens, C) f32: pictures that are encoded already, in place
     * of `pictures`; data NULL: none. */
    struct medvl_tensor features;
    const int32_t *picture_token; /* (picture tokens): index into tokens of
                                     each picture token, in order */
    int64_t picture_tokens;
};

/*
 * Expand one record's ids: each config.image_token becomes as many -1 as
 * its picture takes.
 *
 *   out, from   made; from[i] is the index of out[i] among the ids given
 *   grids       (pictures) in the order of their placeholders
 *
 * MEDVL_EFORMAT when the counts of placeholders and pictures differ.
 */
int medvl_vlm_expand(int32_t **out, int32_t **from, int64_t *count,
                     const struct medvl_config *config,
                     const int32_t *ids, int64_t id_count,
                     const struct medvl_grid *grids, int64_t pictures,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* What stands at the pictures' tokens (all of them, C), in order. */
struct medvl_var *medvl_vlm_encode(struct medvl_tape *tape,
                                   const struct medvl_model *model,
                                   const struct medvl_pictures *pictures);

/* Hidden states (N,C) after the last norm. */
struct medvl_var *medvl_vlm_forward(struct medvl_tape *tape,
                                    const struct medvl_model *model,
                                    const struct medvl_inputs *inputs,
                                    const struct medvl_decoder_run *run);

#endif
