/*
 * Log-probabilities of texts after prompts: how likely would the model say
 * this, or that?
 *
 * Questions wait in a line.  As many prompts as may share a pass run
 * together, each once; then the choices of all of them run together, each
 * seeing its prompt's keys and values, in as few passes as
 * MEDVL_PASS_TOKENS and the memory for keys and values allow.  What a
 * question gets does not depend on its neighbours: the same bits alone and
 * among others.
 *
 * Read next: ../train/loader.h.
 */
#ifndef MEDVL_MODEL_SCORER_H
#define MEDVL_MODEL_SCORER_H

#include "lib/model/vlm.h"

struct medvl_scorer;

/*
 * Model and device are borrowed.
 *
 *   prompts   at once; 0: 16.  Memory is kept for the keys and values of so
 *             many of the longest of a call, and for those of the choices,
 *             as many as have four short ones each
 */
int medvl_scorer_open(struct medvl_scorer **out,
                      const struct medvl_model *model,
                      struct medvl_device *dev, int64_t prompts,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_scorer_free(struct medvl_scorer *scorer);

/* A prompt and the texts that could follow it.  All is the caller's. */
struct medvl_question {
    const int32_t *ids; /* after picture expansion: -1 at picture tokens */
    int64_t count;      /* at least 1 */

    struct medvl_pictures pictures; /* of the tokens -1, in order */

    const int32_t *const *choices; /* ids of each */
    const int64_t *choice_counts;  /* how many; 0: a sum of 0 */
    int64_t choice_count;

    /*
     * (choice_count), written: the sum of log p of the choice's tokens, each
     * after the prompt and the choice's tokens before it.  Not finite where
     * the model's logits are not: that is the caller's to refuse.
     */
    double *sums;
};

/*
 * MEDVL_EARG says why medvl_scorer_run would refuse this question: its
 * prompt is empty, an id is outside of the vocabulary, or the model has no
 * room for prompt and choice (the last token of which does not run).  For a
 * caller that sets one aside and goes on with the others.
 */
int medvl_scorer_check(const struct medvl_scorer *scorer,
                       const struct medvl_question *question,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Fill the sums of all questions; on error they are unspecified. */
int medvl_scorer_run(struct medvl_scorer *scorer,
                     const struct medvl_question *questions, int64_t count,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
