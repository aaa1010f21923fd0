/*
 * Whole training steps from shards and JSON Lines.
 *
 * An epoch is the records in the order of order.h, by (seed, epoch), packed
 * in that order: a micro-batch takes records until the next would pass
 * `batch_tokens`, a step is `accumulate` micro-batches.  So a step is a
 * function of (data, seed, epoch, index), and a position is two numbers.
 * Steps read one after another unpack each shard once an epoch.
 *
 * Read next: optim.h.
 */
#ifndef MEDVL_TRAIN_LOADER_H
#define MEDVL_TRAIN_LOADER_H

#include "lib/base/pool.h"
#include "lib/model/vlm.h"
#include "lib/train/order.h"

struct medvl_loader;

struct medvl_loader_options {
    struct medvl_dataset_options data; /* limit 0: batch_tokens */
    uint64_t seed;
    int64_t batch_tokens; /* of a micro-batch, expanded; dense: patches */
    int64_t accumulate;   /* micro-batches a step; at least 1 */
    bool in_order;        /* no permutation: evaluation */
};

/* One record as it stands in a micro-batch. */
struct medvl_sample {
    const char *id;
    struct medvl_span record; /* its JSON without bulk, for dense and logs */
    int64_t first_token;      /* its tokens in the micro-batch */
    int64_t token_count;
    int64_t first_picture, picture_count;
    const int32_t *sizes; /* width and height of each, as stored */
    int64_t first_patch, patch_count;
};

struct medvl_microbatch {
    struct medvl_inputs batch;
    const int32_t *target; /* (N): the next token where it is learned, -1 */
    const float *weight;   /* (N): of that token; 0 at target -1 */
    const struct medvl_sample *samples;
    int64_t sample_count;
};

struct medvl_step {
    int64_t epoch, index;           /* both from 0 */
    struct medvl_microbatch *micro; /* the loader's, until the next call */
    int64_t micro_count;
    int64_t tokens, pictures;
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
struct medvl_dataset *medvl_loader_data(const struct medvl_loader *loader);

/* Steps of an epoch: packs it, so the first call for an epoch costs a
 * permutation. */
int medvl_loader_steps(int64_t *out, struct medvl_loader *loader,
                       int64_t epoch,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Fill `out` with step `index` of `epoch`; arrays belong to the loader.
 * MEDVL_EFORMAT, naming the record, for a picture that does not decode or
 * whose size is not what the record says: places are counted by that.
 */
int medvl_loader_read(struct medvl_step *out, struct medvl_loader *loader,
                      int64_t epoch, int64_t index,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
