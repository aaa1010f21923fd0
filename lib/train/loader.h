/*
 * Whole training steps from shards and JSON Lines.
 *
 * An epoch is a permutation of the records by (seed, epoch), packed in that
 * order: a micro-batch takes records until the next would pass
 * `batch_tokens`, a step is `accumulate` micro-batches.  So a step is a
 * function of (data, seed, epoch, index), and a position is two numbers.
 *
 * Read next: optim.h.
 */
#ifndef MEDVL_TRAIN_LOADER_H
#define MEDVL_TRAIN_LOADER_H

#include "lib/base/pool.h"
#include "lib/model/frontend.h"
#include "lib/model/vlm.h"

struct medvl_loader;

struct medvl_loader_options {
    /* "PATH" or "PATH=WEIGHT": a shard folder, or JSON Lines (named by a
     * file).  Weight 2.5 takes every record twice an epoch and half of
     * them, drawn by (seed, MIX, epoch), once more. */
    const char *const *data;
    int64_t data_count;
    uint64_t seed;
    int64_t batch_tokens; /* after expansion; patches when `dense` */
    int64_t accumulate;   /* micro-batches a step; at least 1 */
    int64_t max_tokens;   /* a longer record is an error naming it */
    bool in_order;        /* no permutation: evaluation */
    bool dense;           /* records need pictures, not tokens */
    int32_t vocab;        /* ids must be below */
    int32_t image_token;

    /* Weight records by the inverse frequency of this field; or NULL. */
    const char *balance;
};

/* One record as it stands in a micro-batch. */
struct medvl_sample {
    const char *id;
    struct medvl_span record; /* its JSON without bulk, for dense and logs */
    int64_t first_token;      /* its tokens in the micro-batch */
    int64_t token_count;
    int64_t first_picture, picture_count;
    const int32_t *width, *height; /* of its pictures, as stored */
    float weight;
};

struct medvl_microbatch {
    struct medvl_batch batch;
    const int32_t *target; /* (N): the next token where it is learned, -1 */
    const float *weight;   /* (N): of that token; 0 at target -1 */
    const struct medvl_sample *samples;
    int64_t sample_count;
};

struct medvl_step {
    int64_t epoch, index;           /* both from 0 */
    struct medvl_microbatch *micro; /* the loader's, until the next call */
    int64_t micro_count;
    int64_t tokens, targets;
    double weight; /* the sum over the step: what the loss is divided by */
};

/*
 * Open the data, read every record once (lengths, checks, balance).
 * MEDVL_EARG for data without records.
 */
int medvl_loader_open(struct medvl_loader **out,
                      const struct medvl_loader_options *options,
                      const struct medvl_frontend *frontend,
                      struct medvl_pool *pool,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_loader_free(struct medvl_loader *loader);
int64_t medvl_loader_records(const struct medvl_loader *loader);

/* Steps of an epoch: packs it, so the first call for an epoch costs a
 * permutation. */
int medvl_loader_steps(int64_t *out, struct medvl_loader *loader,
                       int64_t epoch,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Most tokens and patches that any micro-batch may have, for the plan. */
int64_t medvl_loader_longest(const struct medvl_loader *loader);

/* Fill `out` with step `index` of `epoch`; arrays belong to the loader. */
int medvl_loader_read(struct medvl_step *out, struct medvl_loader *loader,
                      int64_t epoch, int64_t index,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* A hash of the data's content (shard index hashes, file hashes). */
const char *medvl_loader_hash(const struct medvl_loader *loader);

/* Calls `each` with every record's JSON in stored order. */
int medvl_loader_each(struct medvl_loader *loader,
                      int (*each)(void *arg, struct medvl_span record,
                                  struct medvl_error *err),
                      void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
