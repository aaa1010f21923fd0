/*
 * Which parameters a config asks for: the keys that model code finds them
 * by, one scheme for all brands, and the names that they have in files.
 *
 *   decoder.embed_tokens, decoder.embed_positions, decoder.norm,
 *   decoder.lm_head, and in each layer decoder.layers.N.:
 *     input_layernorm, post_attention_layernorm,
 *     self_attn.{q_proj,k_proj,v_proj,qkv_proj,o_proj,q_norm,k_norm},
 *     mlp.{gate_proj,up_proj,gate_up_proj,down_proj,fc1,fc2}
 *   vision.class_embedding, vision.position_embedding (no ".weight"),
 *   vision.register_tokens (the same),
 *   vision.patch_embedding, vision.pre_norm, vision.post_norm, and in each
 *   layer vision.layers.N.:
 *     norm1, norm2, self_attn.{q_proj,k_proj,v_proj,qkv_proj,o_proj},
 *     mlp.{fc1,fc2,gate_proj,up_proj,gate_up_proj,down_proj},
 *     scale1, scale2 (no ".weight")
 *   projector.norm, projector.0, projector.2, ..., projector.newline
 *
 * Read next: checkpoint.h.
 */
#ifndef MEDVL_MODEL_PARAMS_H
#define MEDVL_MODEL_PARAMS_H

#include "kernels/tensor.h"
#include "lib/model/config.h"

enum medvl_part {
    MEDVL_PART_VISION = 1,
    MEDVL_PART_PROJECTOR = 2,
    MEDVL_PART_DECODER = 4, /* embeddings and head too */
};

enum medvl_init {
    MEDVL_INIT_NORMAL,
    MEDVL_INIT_ONE,
    MEDVL_INIT_ZERO,
    MEDVL_INIT_PLACES, /* 2-D sine-cosine over the tower's grid */
};

/* Longest key or name, its NUL included. */
#define MEDVL_PARAM_NAME 256

struct medvl_param_spec {
    const char *key;           /* what model code asks for */
    const char *name;          /* canonical: as its own class writes it */
    struct medvl_tensor shape; /* in the file; no data, no type */
    struct medvl_tensor value; /* the same as a matrix or a vector */
    enum medvl_part part;
    enum medvl_init init;
    bool unused;     /* there for other readers, no part of our forward */
    bool transposed; /* (K,M) in the file, (M,K) as a value */
};

struct medvl_params {
    struct medvl_param_spec *specs; /* in the order of the file */
    size_t count, capacity;
};

/*
 * The list.  MEDVL_EARG when a size is past what a tensor may have.
 * Nothing of the size of a tensor is allocated.
 */
int medvl_params_list(struct medvl_params *out,
                      const struct medvl_config *config,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_params_release(struct medvl_params *params);

/*
 * The canonical form of a name that stands in a file of this naming: other
 * versions of the same writer put other prefixes.
 */
void medvl_params_canonical(char out[MEDVL_PARAM_NAME], const char *name,
                            const struct medvl_config *config);

#endif
