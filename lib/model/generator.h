/*
 * The generating engine: prompts in, tokens out, many at once.
 *
 * Prompts wait in a line; up to `slots` run at a time, each taking its next
 * token in a pass shared with the others, and a slot that ends takes the
 * next prompt.  Prompts that start together share a pass too, as far as
 * MEDVL_PASS_TOKENS go.  What a prompt gets does not depend on its
 * neighbours: the same bits alone and among others.
 *
 * Read next: scorer.h.
 */
#ifndef MEDVL_MODEL_GENERATOR_H
#define MEDVL_MODEL_GENERATOR_H

#include "lib/model/sampler.h"
#include "lib/model/vlm.h"

struct medvl_generator;

struct medvl_generator_options {
    int64_t slots;   /* sequences at once; 0: 16 */
    int64_t longest; /* prompt and new tokens; 0: the model's positions */
};

/* Model and device are borrowed. */
int medvl_generator_open(struct medvl_generator **out,
                         const struct medvl_model *model,
                         struct medvl_device *dev,
                         const struct medvl_generator_options *options,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_generator_free(struct medvl_generator *generator);

enum medvl_finish {
    MEDVL_FINISH_STOP,   /* an end token, or the caller's stop */
    MEDVL_FINISH_LENGTH, /* max_tokens, or no room past `longest` */
    MEDVL_FINISH_BROKEN, /* the next token's logits are not finite */
};

/* A prompt: ids after picture expansion (-1 at picture tokens). */
struct medvl_prompt {
    const int32_t *ids;
    int64_t count; /* at least 1, and room for one more if max_tokens */

    struct medvl_pictures pictures; /* of the tokens -1, in order */

    int64_t max_tokens; /* 0: only the prompt is run */
    struct medvl_sampler_options sampler;
    uint64_t seed, item; /* of medvl_rng: (seed, SAMPLE, item) */

    /*
     * After each new token: true ends the prompt here (a stop string).
     * NULL: never.  Called from the caller's thread.
     */
    bool (*stop)(void *arg, const int32_t *tokens, int64_t count);

    /*
     * Rows of logits in order: of the prompt's last token and of each new
     * one, of the whole prompt when `all_logits`; the end token gives none.
     * Borrowed for the call.  NULL: not wanted.
     */
    int (*logits)(void *arg, int64_t row, const float *logits,
                  int64_t vocab, struct medvl_error *err);
    bool all_logits;
    void *arg;
};

struct medvl_completion {
    int32_t *tokens; /* new ones, without the end token; freed by release */
    float *logprobs; /* of each, and of the end token after them if any */
    int64_t count;
    double logprob; /* sum over the tokens and the end token */
    enum medvl_finish finish;
};
void medvl_completion_release(struct medvl_completion *completion);

/* MEDVL_EFORMAT when it is broken, saying after how many tokens. */
int medvl_completion_check(const struct medvl_completion *completion,
                           const struct medvl_prompt *prompt,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* out[i] is filled for prompts[i]; on error none is. */
int medvl_generate(struct medvl_completion *out,
                   struct medvl_generator *generator,
                   const struct medvl_prompt *prompts, int64_t count,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * MEDVL_EARG says why medvl_generate would refuse this prompt: it is empty,
 * too long, or has an id outside of the vocabulary.  For a caller that sets
 * one aside and goes on with the others.
 */
int medvl_generator_check(const struct medvl_generator *generator,
                          const struct medvl_prompt *prompt,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
