/*
 * Predictions for records.  medvl-generate(1) is its command.
 *
 * Read next: merge.h.
 */
#ifndef MEDVL_RUN_GENERATE_H
#define MEDVL_RUN_GENERATE_H

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

/* Zero means the default in brackets. */
struct medvl_generate_options {
    const char *model;       /* folder */
    const char *chat;        /* a layout (text/chat.h) [the folder's own] */
    double temperature;      /* 0: greedy */
    int64_t top_k;           /* [all] */
    double top_p;            /* [all] */
    double repetition;       /* [none] */
    int64_t max_tokens;      /* new ones; 0: the prompt alone */
    int64_t samples;         /* answers to each record [1] */
    const char *const *stop; /* texts that end an answer */
    int64_t stop_count;
    bool choices;          /* score "choices" instead of generating */
    const char *normalize; /* of choices: "tokens", "bytes", or NULL */
    const char *logits;    /* safetensors file for every row of logits */
    bool logprobs;         /* add the log-probability of each token */
    int64_t batch;         /* records at once [16] */
    const char *root;      /* pictures are below it */
    const char *device;    /* ["cpu"] */
    int64_t seed;
    struct medvl_wants *wants; /* pictures, of a model that reads them */
    /* One line about where a window is, for people; may be NULL. */
    void (*progress)(void *arg, const char *text);
    void *arg;
};

/*
 * The batch loop's functions.  Reads the first present of "messages" (the
 * answer, if the last turn is one, is left out), "prompt" (text as it is,
 * added tokens recognised) and "tokens" (ids as they are; refused beside
 * "loss_mask", which would be a training record with its answer), and
 * "images", which give the prompt's pictures in order.
 *
 * Sets "prediction_tokens" (new ones, without the end token) and, where
 * the folder has a tokenizer, "prediction"; "logprob" (their sum),
 * "finish_reason" ("stop", "length"); with samples above 1 also
 * "predictions".  With choices: "choice_logprobs", "prediction" (the
 * letter) and "prediction_text".
 *
 * What a record gets is a function of the record, the model, the options
 * and the seed; not of other records or of `batch`.
 */
extern const struct medvl_batch medvl_generate_batch;

#endif
