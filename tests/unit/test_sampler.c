/*
 * Sampling: greedy, the filters in their order, frequencies.
 */
#include "tests/unit/check.h"

#include "lib/model/sampler.h"

enum { VOCAB = 6 };

static const float LOGITS[VOCAB] = {1, 3, 2, 3, -1, 0};

static int32_t sample(const struct medvl_sampler_options *options,
                      const int32_t *seen, int64_t seen_count,
                      struct medvl_rng *rng, float *logprob)
{
    float logits[VOCAB];
    void *scratch = malloc(medvl_sample_scratch(VOCAB));
    int32_t token;

    assert_non_null(scratch);
    memcpy(logits, LOGITS, sizeof(logits));
    token = medvl_sample(logprob, logits, VOCAB, options, seen, seen_count,
                         rng, scratch);
    free(scratch);
    return token;
}

/* How often each token comes in 20,000 draws, as a part. */
static void count(double parts[VOCAB],
                  const struct medvl_sampler_options *options)
{
    const int draws = 20000;
    struct medvl_rng rng;

    memset(parts, 0, VOCAB * sizeof(*parts));
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_SAMPLE, 2);
    for (int i = 0; i < draws; i++)
        parts[sample(options, NULL, 0, &rng, NULL)] += 1.0 / draws;
}

static void greedy_takes_the_first_of_equals(void **state)
{
    const struct medvl_sampler_options options = {0};
    double sum = 0;
    float logprob;

    (void)state;
    assert_int_equal(sample(&options, NULL, 0, NULL, &logprob), 1);
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)LOGITS[i]);
    CHECK_CLOSE(logprob, 3 - log(sum), 1e-6);
    CHECK_CLOSE(medvl_logprob(LOGITS, VOCAB, 4), -1 - log(sum), 1e-12);
}

static void repetition_weakens_what_was_seen_once_only(void **state)
{
    struct medvl_sampler_options options = {.repetition = 2};
    const int32_t seen[] = {1, 3, 3, 3, -5, 99};
    float logprob;

    (void)state;
    /* 3 / 2 = 1.5 for both; token 2 keeps 2. */
    assert_int_equal(sample(&options, seen, 6, NULL, &logprob), 2);
    CHECK_CLOSE(logprob, medvl_logprob(LOGITS, VOCAB, 2), 1e-6);
    options.repetition = 1.4f;
    assert_int_equal(sample(&options, seen, 6, NULL, NULL), 1);
}

static void frequencies_follow_the_temperature(void **state)
{
    struct medvl_sampler_options options = {.temperature = 2};
    double parts[VOCAB], sum = 0;

    (void)state;
    count(parts, &options);
    for (int i = 0; i < VOCAB; i++)
        sum += exp((double)LOGITS[i] / 2);
    for (int i = 0; i < VOCAB; i++)
        CHECK_CLOSE(parts[i], exp((double)LOGITS[i] / 2) / sum, 0.015);
}

static void top_k_leaves_k_and_equals_go_by_id(void **state)
{
    struct medvl_sampler_options options = {.temperature = 1, .top_k = 1};
    double parts[VOCAB];

    (void)state;
    count(parts, &options);
    CHECK_CLOSE(parts[1], 1, 1e-9);
    options.top_k = 3;
    count(parts, &options);
    CHECK_CLOSE(parts[0] + parts[4] + parts[5], 0, 0);
    CHECK_CLOSE(parts[2], 1 / (1 + 2 * exp(1)), 0.015);
}

static void top_p_keeps_the_fewest_that_reach_it(void **state)
{
    struct medvl_sampler_options options = {.temperature = 1, .top_p = 0.38f};
    double parts[VOCAB];

    (void)state;
    /* Both 3s have .39 of the mass each: one is enough, then two. */
    count(parts, &options);
    CHECK_CLOSE(parts[1], 1, 1e-9);
    options.top_p = 0.5f;
    count(parts, &options);
    CHECK_CLOSE(parts[1], 0.5, 0.015);
    CHECK_CLOSE(parts[1] + parts[3], 1, 1e-9);
    /* Top-k first: of what three leave, two are .84. */
    options.top_k = 3;
    options.top_p = 0.8f;
    count(parts, &options);
    CHECK_CLOSE(parts[1] + parts[3], 1, 1e-9);
    options.top_p = 0.9f;
    count(parts, &options);
    assert_true(parts[2] > 0.1);
}

static void the_same_stream_gives_the_same_tokens(void **state)
{
    const struct medvl_sampler_options options = {.temperature = 1};
    struct medvl_rng a, b;
    int different = 0;

    (void)state;
    medvl_rng_init(&a, 9, MEDVL_PURPOSE_SAMPLE, 1);
    medvl_rng_init(&b, 9, MEDVL_PURPOSE_SAMPLE, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sample(&options, NULL, 0, &a, NULL),
                         sample(&options, NULL, 0, &b, NULL));
    medvl_rng_init(&b, 9, MEDVL_PURPOSE_SAMPLE, 2);
    for (int i = 0; i < 100; i++)
        different += sample(&options, NULL, 0, &a, NULL) !=
                     sample(&options, NULL, 0, &b, NULL);
    assert_true(different > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_first_of_equals),
        cmocka_unit_test(repetition_weakens_what_was_seen_once_only),
        cmocka_unit_test(frequencies_follow_the_temperature),
        cmocka_unit_test(top_k_leaves_k_and_equals_go_by_id),
        cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(the_same_stream_gives_the_same_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
