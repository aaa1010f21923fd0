/*
 * For tests of models: a model of a folder with device and tape, and its
 * logits for one sequence, at once or through the cache.
 */
#ifndef MEDVL_TESTS_MODEL_H
#define MEDVL_TESTS_MODEL_H

#include "tests/unit/check.h"

#include "lib/model/vlm.h"

struct subject {
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_model *model;
    struct medvl_error err;
};

static inline void subject_wrap(struct subject *s, struct medvl_model *model)
{
    s->model = model;
    CHECK_OK(medvl_device_open_cpu(&s->dev, NULL, MEDVL_ISA_AVX2, &s->err),
             &s->err);
    s->dev->row_invariant = true;
    CHECK_OK(medvl_tape_open(&s->tape, s->dev, &s->err), &s->err);
}

static inline void subject_open(struct subject *s, const char *folder,
                                int train)
{
    struct medvl_model *model;

    memset(s, 0, sizeof(*s));
    CHECK_OK(medvl_model_open(&model, folder, train, &s->err), &s->err);
    subject_wrap(s, model);
}

static inline void subject_release(struct subject *s)
{
    medvl_tape_free(s->tape);
    medvl_model_free(s->model);
    medvl_device_free(s->dev);
}

/*
 * Logits (count, V) of the tokens.  With a cache they are appended to slot
 * 0; without, they are a whole sequence.
 */
static inline void subject_logits(float *out, struct subject *s,
                                  struct medvl_inputs *inputs,
                                  struct medvl_kvcache *cache)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    const int64_t count = inputs->tokens.tokens;
    const int64_t vocab = s->model->config.decoder.vocab_size;
    const struct medvl_config *config = &s->model->config;
    int64_t next = cache ? medvl_kvcache_next(cache, 0) : 0;
    const int32_t cu[2] = {0, (int32_t)count};
    const int64_t slots[1] = {0};
    int32_t *positions = calloc(
        (size_t)(count * medvl_config_axes(config)), sizeof(*positions));
    struct medvl_decoder_run *run;
    struct medvl_var *x;

    assert_non_null(positions);
    next = medvl_grid_positions(positions, config, inputs->tokens.ids, count,
                                inputs->pictures.grids, next);
    inputs->tokens.sequences = 1;
    inputs->tokens.positions = positions;
    inputs->tokens.cu = cu;
    inputs->tokens.cache = cache;
    inputs->tokens.slots = slots;
    if (cache)
        CHECK_OK(medvl_kvcache_extend(cache, 0, count, &s->err), &s->err);
    if (cache)
        medvl_kvcache_set_next(cache, 0, next);
    CHECK_OK(medvl_decoder_run_open(&run, &s->model->config.decoder,
                                    &inputs->tokens, &s->err),
             &s->err);
    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vlm_forward(s->tape, s->model, inputs, run);
    x = medvl_tape_linear(s->tape, x, medvl_decoder_head(s->model),
                          medvl_decoder_head_bias(s->model));
    CHECK_OK(medvl_tape_check(s->tape, &s->err), &s->err);
    memcpy(out, x->value.data, (size_t)(count * vocab) * sizeof(*out));
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
    medvl_decoder_run_free(run);
    free(positions);
}

static inline void subject_text_logits(float *out, struct subject *s,
                                       const int32_t *ids, int64_t count,
                                       struct medvl_kvcache *cache)
{
    struct medvl_inputs inputs = {0};

    inputs.tokens.tokens = count;
    inputs.tokens.ids = ids;
    subject_logits(out, s, &inputs, cache);
}

/* Largest difference, as a part of the largest absolute value of `want`. */
static inline double relative_difference(const float *got, const float *want,
                                         int64_t count)
{
    double most = 0, largest = 0;

    for (int64_t i = 0; i < count; i++) {
        const double d = fabs((double)got[i] - (double)want[i]);

        if (!(d <= most))
            most = d;
        if (fabs((double)want[i]) > largest)
            largest = fabs((double)want[i]);
    }
    return most / largest;
}

#endif
