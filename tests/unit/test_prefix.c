/*
 * Shared beginnings: what is found and what is not, and that prompts which
 * share one get the bits that each gets alone.
 */
#include "tests/unit/passes.h"

#include "lib/model/generator.h"
#include "lib/model/prefix.h"
#include "lib/model/scorer.h"

/* ---- what is found --------------------------------------------------- */

static const struct medvl_config CONFIG = {.vision = {.merge = 1}};

static struct medvl_prefix *prefix;
static struct medvl_beginning ready, coming;

static struct medvl_picture_key key(char letter)
{
    struct medvl_picture_key k = {.grid = {.rows = 2, .columns = 1}};

    k.hash[0] = letter;
    return k;
}

static void hold(int64_t slot, const int32_t *ids, int64_t count,
                 int64_t there, const struct medvl_picture_key *keys,
                 int64_t pictures)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_prefix_hold(prefix, slot, ids, count, there, keys,
                               pictures, &err),
             &err);
}

static void look(const int32_t *ids, int64_t count, int64_t most,
                 const struct medvl_picture_key *keys)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_prefix_find(&ready, &coming, prefix, ids, count, most,
                               keys, &err),
             &err);
}

static void what_has_run_is_ready(void **state)
{
    static const int32_t a[] = {1, 2, 3, 4, 5}, b[] = {1, 2, 3, 9, 9};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_prefix_open(&prefix, &CONFIG, 3, &err), &err);
    look(a, 5, 4, NULL);
    assert_int_equal(ready.slot, -1);
    hold(1, a, 5, 0, NULL, 0);
    look(b, 6, 5, NULL);
    assert_int_equal(ready.tokens, 0);
    assert_int_equal(coming.tokens, 3);
    medvl_prefix_ran(prefix);
    look(b, 6, 5, NULL);
    assert_int_equal(ready.slot, 1);
    assert_int_equal(ready.tokens, 3);
    assert_int_equal(ready.next, 3);
    look(b, 6, 2, NULL);
    assert_int_equal(ready.tokens, 2);
    hold(2, b, 5, 3, NULL, 0);
    look(b, 6, 5, NULL);
    assert_int_equal(ready.tokens, 3);
    assert_int_equal(coming.tokens, 5);
    assert_true(medvl_prefix_used(prefix, 2) > medvl_prefix_used(prefix, 1));
    medvl_prefix_drop(prefix);
    look(b, 6, 5, NULL);
    assert_int_equal(coming.tokens, 3);
    assert_int_equal(ready.slot, 1);
    hold(2, b, 5, 3, NULL, 0);
    medvl_prefix_forget(prefix, -1);
    look(a, 6, 5, NULL);
    assert_int_equal(coming.slot, -1);
    assert_int_equal(medvl_prefix_used(prefix, 2), 0);
    medvl_prefix_free(prefix);
}

static void pictures_are_shared_whole_and_by_what_they_show(void **state)
{
    static const int32_t ids[] = {1, -1, -1, 2, -1, -1, 3};
    const struct medvl_picture_key same[] = {key('x'), key('y')};
    const struct medvl_picture_key other[] = {key('x'), key('z')};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_prefix_open(&prefix, &CONFIG, 1, &err), &err);
    hold(0, ids, 7, 0, same, 2);
    medvl_prefix_ran(prefix);
    look(ids, 7, 6, same);
    assert_int_equal(ready.tokens, 6);
    assert_int_equal(ready.pictures, 2);
    assert_int_equal(ready.patches, 4);
    look(ids, 7, 6, other);
    assert_int_equal(ready.tokens, 4);
    assert_int_equal(ready.pictures, 1);
    look(ids, 7, 5, same);
    assert_int_equal(ready.tokens, 4);
    medvl_prefix_free(prefix);
}

static void rope_that_follows_the_length_shares_up_to_it(void **state)
{
    static const int32_t ids[9] = {1, 2, 3};
    struct medvl_config config = CONFIG;
    struct medvl_error err = {0};

    (void)state;
    config.decoder.rope_kind = MEDVL_ROPE_DYNAMIC;
    config.decoder.rope_original = 6;
    CHECK_OK(medvl_prefix_open(&prefix, &config, 2, &err), &err);
    hold(0, ids, 6, 0, NULL, 0);
    hold(1, ids, 9, 0, NULL, 0);
    medvl_prefix_ran(prefix);
    look(ids, 6, 5, NULL);
    assert_int_equal(ready.slot, 0);
    assert_int_equal(ready.tokens, 5);
    look(ids, 8, 7, NULL);
    assert_int_equal(ready.tokens, 0);
    medvl_prefix_free(prefix);
}

/* ---- what prompts get ------------------------------------------------ */

enum { QUESTIONS = 16,
       HEAD = 40,
       LONGEST = 200 };

struct exam {
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_error err;
    float rows[3][2 * PICTURE_TOKENS * PICTURE_ROW];
    int32_t ids[QUESTIONS][LONGEST];
    int64_t counts[QUESTIONS];
    struct medvl_pictures pictures[QUESTIONS];
};

/* A header, two pictures, a question of its own; every third has other
 * pictures, every fifth its words before them. */
static void exam_open(struct exam *e)
{
    memset(e, 0, sizeof(*e));
    CHECK_OK(medvl_device_open_cpu(&e->dev, NULL, MEDVL_ISA_AVX2, &e->err),
             &e->err);
    CHECK_OK(medvl_model_open(&e->model, LLAVA, 0, &e->err), &e->err);
    e->model->config.decoder.max_positions = LONGEST;
    e->model->config.eos_count = 0;
    for (int q = 0; q < QUESTIONS; q++) {
        int32_t *id = e->ids[q];

        if (q % 5 == 4)
            *id++ = 50;
        for (int i = 0; i < HEAD; i++)
            *id++ = i % 13;
        for (int i = 0; i < 2 * PICTURE_TOKENS; i++)
            *id++ = -1;
        for (int i = 0; i < 1 + q % 4; i++)
            *id++ = (q * 7 + i) % 50;
        e->counts[q] = id - e->ids[q];
        e->pictures[q] = passes_pictures(e->rows[q % 3 == 2], 2, q % 3 == 2);
    }
    passes_watch(e->dev);
}

static void exam_close(struct exam *e)
{
    medvl_model_free(e->model);
    medvl_device_free(e->dev);
}

static struct medvl_prompt prompt_of(const struct exam *e, int q)
{
    return (struct medvl_prompt){.ids = e->ids[q],
                                 .count = e->counts[q],
                                 .pictures = e->pictures[q],
                                 .max_tokens = 4};
}

static void generate(struct medvl_completion *out, struct exam *e,
                     const struct medvl_prompt *prompts, int64_t count,
                     int64_t slots)
{
    const struct medvl_generator_options options = {.slots = slots};
    struct medvl_generator *g;

    CHECK_OK(medvl_generator_open(&g, e->model, e->dev, &options, &e->err),
             &e->err);
    CHECK_OK(medvl_generate(out, g, prompts, count, &e->err), &e->err);
    medvl_generator_free(g);
}

static void prompts_that_share_get_the_bits_they_get_alone(void **state)
{
    static struct exam e;
    struct medvl_completion alone[QUESTIONS], among[QUESTIONS];
    struct medvl_prompt prompts[QUESTIONS];

    (void)state;
    exam_open(&e);
    for (int q = 0; q < QUESTIONS; q++) {
        prompts[q] = prompt_of(&e, q);
        generate(&alone[q], &e, &prompts[q], 1, 1);
    }
    for (int64_t slots = 1; slots <= 16; slots = slots * 4) {
        passes_taken(e.model);
        generate(among, &e, prompts, QUESTIONS, slots);
        for (int q = 0; q < QUESTIONS; q++) {
            assert_int_equal(alone[q].count, among[q].count);
            assert_memory_equal(alone[q].tokens, among[q].tokens,
                                sizeof(int32_t) * 4);
            assert_memory_equal(alone[q].logprobs, among[q].logprobs,
                                sizeof(float) * 4);
            medvl_completion_release(&among[q]);
        }
        /* Together with one that waits, then the others. */
        if (slots == 16)
            assert_int_equal(passes_taken(e.model), 5 + 1);
    }
    for (int q = 0; q < QUESTIONS; q++)
        medvl_completion_release(&alone[q]);
    exam_close(&e);
}

static void choices_that_share_get_the_sums_they_get_alone(void **state)
{
    static struct exam e;
    static const int32_t yes[] = {3, 4}, no[] = {5, 6, 7};
    const int32_t *const choices[] = {yes, no};
    static const int64_t counts[] = {2, 3};
    double alone[QUESTIONS][2], among[QUESTIONS][2];
    struct medvl_question questions[QUESTIONS];
    struct medvl_scorer *s;

    (void)state;
    exam_open(&e);
    for (int q = 0; q < QUESTIONS; q++) {
        questions[q] = (struct medvl_question){.ids = e.ids[q],
                                               .count = e.counts[q],
                                               .pictures = e.pictures[q],
                                               .choices = choices,
                                               .choice_counts = counts,
                                               .choice_count = 2,
                                               .sums = alone[q]};
        CHECK_OK(medvl_scorer_open(&s, e.model, e.dev, 1, &e.err), &e.err);
        CHECK_OK(medvl_scorer_run(s, &questions[q], 1, &e.err), &e.err);
        medvl_scorer_free(s);
        questions[q].sums = among[q];
    }
    CHECK_OK(medvl_scorer_open(&s, e.model, e.dev, 16, &e.err), &e.err);
    for (int again = 0; again < 2; again++) {
        memset(among, 0, sizeof(among));
        CHECK_OK(medvl_scorer_run(s, questions, QUESTIONS, &e.err), &e.err);
        assert_memory_equal(alone, among, sizeof(alone));
    }
    medvl_scorer_free(s);
    exam_close(&e);
}

/* A call that runs out of memory leaves no keys that were never made. */
static void a_failed_call_leaves_nothing_to_share(void **state)
{
    static struct exam e;
    const struct medvl_generator_options options = {.slots = 16};
    struct medvl_completion done[QUESTIONS], want;
    struct medvl_prompt prompts[QUESTIONS];
    struct medvl_generator *g;
    int failed = 0;

    (void)state;
    exam_open(&e);
    for (int q = 0; q < QUESTIONS; q++)
        prompts[q] = prompt_of(&e, q);
    generate(&want, &e, &prompts[1], 1, 1);
    for (int64_t n = 1; n < 120; n += 3) {
        CHECK_OK(medvl_generator_open(&g, e.model, e.dev, &options, &e.err),
                 &e.err);
        CHECK_OK(medvl_generate(done, g, &prompts[4], 1, &e.err), &e.err);
        medvl_completion_release(&done[0]);
        medvl_mem_fail_after(n);
        failed += medvl_generate(done, g, prompts, 4, &e.err) < 0;
        medvl_mem_fail_after(-1);
        for (int i = 0; i < 4; i++)
            medvl_completion_release(&done[i]);
        /* Another pass runs, then the prompt that failed. */
        CHECK_OK(medvl_generate(done, g, &prompts[9], 1, &e.err), &e.err);
        medvl_completion_release(&done[0]);
        CHECK_OK(medvl_generate(done, g, &prompts[1], 1, &e.err), &e.err);
        assert_memory_equal(done[0].logprobs, want.logprobs,
                            sizeof(float) * 4);
        medvl_completion_release(&done[0]);
        medvl_generator_free(g);
    }
    assert_true(failed > 10);
    medvl_completion_release(&want);
    exam_close(&e);
}

/* Change the weights of a norm; what it was is the model's. */
static float *turn_over(struct exam *e, const char *key)
{
    struct medvl_param *norm = medvl_model_param(e->model, "%s", key);
    const int64_t n = norm->value.size[0];
    float *weights = calloc((size_t)n, sizeof(*weights));

    assert_non_null(weights);
    for (int64_t i = 0; i < n; i++)
        weights[i] = 2 - ((float *)norm->value.data)[i];
    norm->value.data = weights;
    norm->version++;
    return weights;
}

static void other_weights_share_nothing_with_the_old(void **state)
{
    static const char *const KEYS[] = {
        "decoder.layers.0.input_layernorm.weight", "vision.pre_norm.weight"};
    static struct exam e;
    const struct medvl_generator_options options = {.slots = 2};
    struct medvl_completion before, after, fresh;
    struct medvl_prompt prompt;
    struct medvl_generator *g;
    float *weights[2];

    (void)state;
    exam_open(&e);
    prompt = prompt_of(&e, 0);
    CHECK_OK(medvl_generator_open(&g, e.model, e.dev, &options, &e.err),
             &e.err);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(medvl_generate(&before, g, &prompt, 1, &e.err), &e.err);
        weights[i] = turn_over(&e, KEYS[i]);
        CHECK_OK(medvl_generate(&after, g, &prompt, 1, &e.err), &e.err);
        generate(&fresh, &e, &prompt, 1, 2);
        assert_memory_equal(after.logprobs, fresh.logprobs,
                            sizeof(float) * 4);
        assert_memory_not_equal(after.logprobs, before.logprobs,
                                sizeof(float) * 4);
        medvl_completion_release(&before);
        medvl_completion_release(&after);
        medvl_completion_release(&fresh);
    }
    medvl_generator_free(g);
    free(weights[0]);
    free(weights[1]);
    exam_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_run_is_ready),
        cmocka_unit_test(pictures_are_shared_whole_and_by_what_they_show),
        cmocka_unit_test(rope_that_follows_the_length_shares_up_to_it),
        cmocka_unit_test(prompts_that_share_get_the_bits_they_get_alone),
        cmocka_unit_test(choices_that_share_get_the_sums_they_get_alone),
        cmocka_unit_test(a_failed_call_leaves_nothing_to_share),
        cmocka_unit_test(other_weights_share_nothing_with_the_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
