/*
 * From logits to the next token.
 *
 * Read next: pass.h.
 */
#ifndef MEDVL_MODEL_SAMPLER_H
#define MEDVL_MODEL_SAMPLER_H

#include "lib/base/rng.h"

struct medvl_sampler_options {
    float temperature; /* 0: greedy (the first of equals) */
    int64_t top_k;     /* 0: all */
    float top_p;       /* 0 or 1: all */
    float repetition;  /* 0 or 1: none; else logits of tokens already there
                          (prompt too) divided, if positive, or multiplied */
};

/*
 * Choose the next token.  Order: repetition, temperature, top-k, top-p, as
 * transformers does it.
 *
 *   logits   (vocab); changed
 *   seen     tokens so far, for the repetition penalty
 *   scratch  2 * vocab floats and vocab int32; the caller's
 *   logprob  of the choice under the unchanged logits; may be NULL
 */
int32_t medvl_sample(float *logprob, float *logits, int64_t vocab,
                     const struct medvl_sampler_options *options,
                     const int32_t *seen, int64_t seen_count,
                     struct medvl_rng *rng, void *scratch);
size_t medvl_sample_scratch(int64_t vocab);

/* log softmax of `logits` at `token`, in double. */
double medvl_logprob(const float *logits, int64_t vocab, int32_t token);

#endif
