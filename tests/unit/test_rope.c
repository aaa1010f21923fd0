/*
 * Rotary frequencies of real models' sizes against those of transformers
 * (tests/golden/rope.py), and where a text's length matters.
 */
#include "tests/unit/check.h"

#include "lib/base/json.h"
#include "lib/model/rope.h"

#define GOLDEN "tests/golden/rope.json"

static void check_case(const struct medvl_json *item)
{
    const char *json = medvl_json_string(medvl_json_get(item, "config"));
    const struct medvl_json *want;
    struct medvl_config config;
    struct medvl_error err = {0};
    float got[MEDVL_ROTARY_MAX / 2];
    int64_t count = 0;

    assert_non_null(json);
    CHECK_OK(medvl_config_parse(&config, medvl_span(json), &err), &err);
    CHECK_CLOSE(config.decoder.rope_scale,
                medvl_json_number(medvl_json_get(item, "scale"), NAN), 1e-7);
    medvl_rope_frequencies(
        got, &config.decoder,
        (int64_t)medvl_json_number(medvl_json_get(item, "length"), 0));
    want = medvl_json_first(medvl_json_get(item, "frequencies"));
    for (; want; want = medvl_json_next(want)) {
        const double w = medvl_json_number(want, NAN);

        /* A few steps of a float: powf is not the same everywhere. */
        CHECK_CLOSE(got[count++], w, 4e-7 * w);
    }
    assert_int_equal(count, config.decoder.rotary / 2);
    medvl_config_release(&config);
}

static void frequencies_are_those_of_transformers(void **state)
{
    struct medvl_json *root = NULL;
    struct medvl_error err = {0};
    const struct medvl_json *item;

    (void)state;
    CHECK_OK(medvl_json_read(&root, GOLDEN, &err), &err);
    assert_true(medvl_json_count(root) > 10);
    for (item = medvl_json_first(root); item; item = medvl_json_next(item))
        check_case(item);
    medvl_json_free(root);
}

static void parse(struct medvl_config *config, const char *fields)
{
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_text_printf(&json, &err,
                               "{\"hidden_size\":32,"
                               "\"num_attention_heads\":4,%s}",
                               fields),
             &err);
    CHECK_OK(medvl_config_parse(config, medvl_text_span(&json), &err), &err);
    medvl_text_release(&json);
}

static void only_dynamic_and_longrope_depend_on_the_length(void **state)
{
    struct medvl_config c;

    (void)state;
    parse(&c, "\"model_type\":\"llama\",\"max_position_embeddings\":100");
    assert_int_equal(medvl_rope_stage(&c.decoder, 5),
                     medvl_rope_stage(&c.decoder, 500));
    assert_false(medvl_rope_restarts(&c.decoder, 100, 101));
    medvl_config_release(&c);
    parse(&c, "\"model_type\":\"llama\",\"max_position_embeddings\":100,"
              "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}");
    assert_int_equal(medvl_rope_stage(&c.decoder, 5),
                     medvl_rope_stage(&c.decoder, 100));
    assert_int_not_equal(medvl_rope_stage(&c.decoder, 100),
                         medvl_rope_stage(&c.decoder, 101));
    assert_int_not_equal(medvl_rope_stage(&c.decoder, 101),
                         medvl_rope_stage(&c.decoder, 102));
    assert_false(medvl_rope_restarts(&c.decoder, 100, 101));
    medvl_config_release(&c);
    parse(&c, "\"model_type\":\"phi3\",\"max_position_embeddings\":1000,"
              "\"original_max_position_embeddings\":100,"
              "\"rope_scaling\":{\"type\":\"su\","
              "\"short_factor\":[1,1,1,1],\"long_factor\":[1,2,3,4]}");
    assert_int_equal(medvl_rope_stage(&c.decoder, 5),
                     medvl_rope_stage(&c.decoder, 100));
    assert_int_not_equal(medvl_rope_stage(&c.decoder, 100),
                         medvl_rope_stage(&c.decoder, 101));
    assert_int_equal(medvl_rope_stage(&c.decoder, 101),
                     medvl_rope_stage(&c.decoder, 500));
    assert_true(medvl_rope_restarts(&c.decoder, 100, 101));
    assert_false(medvl_rope_restarts(&c.decoder, 0, 101));
    assert_false(medvl_rope_restarts(&c.decoder, 101, 102));
    medvl_config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_are_those_of_transformers),
        cmocka_unit_test(only_dynamic_and_longrope_depend_on_the_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
