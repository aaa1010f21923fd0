/*
 * For tests of what runs in passes: how many a call took, and pictures of
 * the tiny LLaVA.
 */
#ifndef MEDVL_TESTS_PASSES_H
#define MEDVL_TESTS_PASSES_H

#include "tests/unit/check.h"

#include "lib/model/vlm.h"

#define LLAVA "tests/golden/models/llava"

enum { PICTURE_TOKENS = 16, /* and patches */
       PICTURE_ROW = 75 };

static int64_t passes_attention; /* calls that read a cache */

static void passes_count(
    struct medvl_device *dev,
    struct medvl_tensor *out, struct medvl_tensor *lse,
    const struct medvl_tensor *q, const struct medvl_tensor *k,
    const struct medvl_tensor *v, const struct medvl_attention *attention)
{
    passes_attention += attention->pages != NULL;
    medvl_cpu_attention_forward(dev, out, lse, q, k, v, attention);
}

/* From now on the device counts. */
static inline void passes_watch(struct medvl_device *dev)
{
    static struct medvl_ops ops;

    ops = *dev->ops;
    ops.attention_forward = passes_count;
    dev->ops = &ops;
    passes_attention = 0;
}

/* Passes through the decoder since the last time. */
static inline int64_t passes_taken(const struct medvl_model *model)
{
    const int64_t n = passes_attention / model->config.decoder.layers;

    assert_int_equal(passes_attention % model->config.decoder.layers, 0);
    passes_attention = 0;
    return n;
}

/* `count` pictures (0..2); no two of different seeds are alike. */
static inline struct medvl_pictures passes_pictures(float *rows,
                                                    int64_t count, int seed)
{
    static const struct medvl_grid GRIDS[2] = {{.rows = 4, .columns = 4},
                                               {.rows = 4, .columns = 4}};
    const int64_t n = count * PICTURE_TOKENS;

    for (int64_t i = 0; i < n * PICTURE_ROW; i++)
        rows[i] = sinf((float)((i + 1) * (seed + 3)));
    return (struct medvl_pictures){
        .count = count,
        .rows = medvl_tensor_2d(rows, MEDVL_DTYPE_F32, n, PICTURE_ROW),
        .grids = GRIDS};
}

#endif
