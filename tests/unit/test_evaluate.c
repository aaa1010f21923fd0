/*
 * lib/train/evaluate: the members it writes, the best step, and that it
 * leaves the weights as they were.
 */
#include "tests/unit/session.h"

#include "lib/train/evaluate.h"

static bool evaluate(struct scene *c, double *loss)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    struct medvl_json *json;
    bool improved;

    medvl_json_begin(&w, NULL, '{');
    CHECK_OK(medvl_evaluate(&improved, &w, &c->s, &c->err), &c->err);
    medvl_json_end(&w);
    CHECK_OK(medvl_json_write_end(&w, &c->err), &c->err);
    CHECK_OK(medvl_json_parse(&json, medvl_text_span(&text), &c->err),
             &c->err);
    *loss = medvl_json_number(medvl_json_get(json, "eval_loss"), NAN);
    assert_true(isfinite(*loss));
    assert_true(medvl_json_number(medvl_json_get(json, "eval_records"), 0) ==
                3);
    medvl_json_free(json);
    medvl_text_release(&text);
    return improved;
}

static void evaluation_is_of_the_average_and_changes_nothing(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);
    double with, again, without;
    float before;

    scene_open(c, &o);
    scene_step(c);
    scene_step(c);
    before = *(float *)c->s.items[0].param->value.data;
    evaluate(c, &with);
    evaluate(c, &again);
    assert_true(with == again);
    assert_true(before == *(float *)c->s.items[0].param->value.data);
    o.average = 0;
    scene_open(c, &o);
    scene_step(c);
    scene_step(c);
    evaluate(c, &without);
    assert_true(without != with);
}

static void the_best_step_is_the_one_with_the_least_loss(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);
    double first, second;
    bool improved;

    o.best = "eval_loss";
    scene_open(c, &o);
    scene_step(c);
    assert_true(evaluate(c, &first));
    assert_int_equal(c->s.best_step, 1);
    assert_false(evaluate(c, &second)); /* no better than itself */
    scene_step(c);
    improved = evaluate(c, &second);
    assert_int_equal(improved, second < first);
    assert_int_equal(c->s.best_step, second < first ? 2 : 1);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(evaluation_is_of_the_average_and_changes_nothing),
        TEST(the_best_step_is_the_one_with_the_least_loss),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
