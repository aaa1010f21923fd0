/*
 * The decoder of every brand: config.h has the fields in which they differ.
 *
 * Source: Touvron et al. 2023 (Llama), Jiang et al. 2023 (Mistral), Yang et
 * al. 2024 (Qwen2), Abdin et al. 2024 (Phi-3), Radford et al. 2019 (GPT-2);
 * structure as the models of transformers 4.57.
 *
 * Read next: vlm.h.
 */
#ifndef MEDVL_MODEL_DECODER_H
#define MEDVL_MODEL_DECODER_H

#include "lib/model/checkpoint.h"
#include "lib/model/kvcache.h"

/*
 * The tokens of S sequences, end to end.  With a cache: sequence s is slot
 * slots[s], its tokens continue what the slot holds (the caller has called
 * medvl_kvcache_extend already), and keys come from the pages.
 */
struct medvl_sequences {
    int64_t tokens, sequences;   /* N, S */
    const int32_t *ids;          /* (N); -1 at picture tokens */
    const int32_t *positions;    /* (N, axes): grid.h */
    const int32_t *cu;           /* (S+1) */
    struct medvl_kvcache *cache; /* NULL: causal within the sequence */
    const int64_t *slots;        /* (S), with a cache */
};

/* Tables and arrays that a forward run borrows; one for each run. */
struct medvl_decoder_run;

/*
 * Angles of rope for the positions, page tables, row indices.  Freed after
 * the tape's run has ended.
 */
int medvl_decoder_run_open(struct medvl_decoder_run **out,
                           const struct medvl_decoder_config *config,
                           const struct medvl_sequences *tokens,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_decoder_run_free(struct medvl_decoder_run *run);

/*
 * Embeddings of the ids (N,C); zeros where the id is -1.  The padding id's
 * row has no gradient from here.
 */
struct medvl_var *medvl_decoder_embed(struct medvl_tape *tape,
                                      const struct medvl_model *model,
                                      const struct medvl_decoder_run *run);

/* All layers and the last norm: hidden (N,C) -> (N,C). */
struct medvl_var *medvl_decoder_forward(struct medvl_tape *tape,
                                        const struct medvl_model *model,
                                        const struct medvl_decoder_run *run,
                                        struct medvl_var *hidden);

/* The output head: lm_head.weight, or the embeddings when tied. */
struct medvl_param *medvl_decoder_head(const struct medvl_model *model);

/* What is added to it; NULL: nothing. */
struct medvl_param *medvl_decoder_head_bias(const struct medvl_model *model);

#endif
