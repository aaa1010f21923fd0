/*
 * medvl-merge: checkpoints to a checkpoint.  Here: a fresh model from a
 * config and a tokenizer, and a model in another type of weights.
 *
 * Read next: view.h.
 */
#ifndef MEDVL_RUN_MERGE_H
#define MEDVL_RUN_MERGE_H

#include <stdint.h>

#include "lib/base/status.h"

struct medvl_merge_options {
    const char *init;         /* config.json; sizes are enough */
    const char *tokenizer;    /* tokenizer.json; with chat.  NULL: none */
    const char *chat;         /* llama3, chatml or vicuna */
    const char *preprocessor; /* preprocessor_config.json; NULL: CLIP's */
    const char *model;        /* convert: the folder to read */
    const char *dtype;        /* bf16, f16 or f32; NULL: the config's */
    const char *output;       /* the folder to make */
    uint64_t seed;
    /* Bytes of weights as they are written; an error ends it; or NULL. */
    int (*wrote)(void *arg, int64_t done, int64_t total,
                 struct medvl_error *err);
    void *arg;
};

/*
 * Make the folder `output`: a Hugging Face model folder with random weights
 * (checkpoint.h says how), which appears whole or not at all.
 *
 * The tokens of the chat layout, and <image> for a model that takes
 * pictures, are added to the tokenizer where missing.  vocab_size, the ids
 * of begin, end and padding and image_token_index are set in the config,
 * where a value that contradicts is MEDVL_EARG.  Without a tokenizer the
 * config must have vocab_size, and no chat template is written.
 *
 * MEDVL_EARG also when `output` is there already, or at the end when somebody
 * else has made it meanwhile.
 */
int medvl_merge_init(const struct medvl_merge_options *options,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write the model folder `model` as `output`, its weights in the type
 * `dtype`: whole or not at all, in a few megabytes of memory (and that of
 * eight-bit weights as bf16).  Companions are copied, config.json says the
 * new type, README.md what was done.  A value that the type cannot hold is
 * MEDVL_EFORMAT, and nothing is made; an `output` inside of `model` is
 * MEDVL_EARG.
 */
int medvl_merge_convert(const struct medvl_merge_options *options,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
