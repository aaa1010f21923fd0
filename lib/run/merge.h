/*
 * medvl-merge: checkpoints to a checkpoint.  Here: a fresh model from a
 * config and a tokenizer.
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
    const char *output;       /* the folder to make */
    uint64_t seed;
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
 * MEDVL_EARG also when `output` is there already.
 */
int medvl_merge_init(const struct medvl_merge_options *options,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
