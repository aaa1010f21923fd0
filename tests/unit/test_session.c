/*
 * lib/train/session: where a run stands, and what it may not be told.
 */
#include "tests/unit/session.h"

#include "lib/train/session.h"

static void steps_go_through_the_epochs(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);

    scene_open(c, &o);
    assert_int_equal(c->s.steps, 6);
    for (int i = 0; i < 6; i++) {
        const struct medvl_session_report report = scene_step(c);

        assert_int_equal(report.epoch, i / 2);
        assert_int_equal(report.tokens, i % 2 ? 6 : 12);
        assert_int_equal(c->s.step, i + 1);
        assert_int_equal(c->s.position, (i + 1) % 2);
        assert_int_equal(c->s.epoch, (i + 1) / 2);
    }
}

static void steps_end_the_run_within_an_epoch(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);

    o.steps = 5;
    scene_open(c, &o);
    assert_int_equal(c->s.steps, 5);
}

static void epochs_of_nothing_are_passed_over(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);
    char weighted[128];
    int64_t tokens = 0;

    snprintf(weighted, sizeof(weighted), "%s=0.1", c->data);
    c->list[0] = weighted;
    o.epochs = 40;
    o.eval_count = 0;
    scene_open(c, &o);
    assert_true(c->s.steps > 0 && c->s.steps < 40);
    while (c->s.step < c->s.steps) {
        const struct medvl_session_report report = scene_step(c);

        assert_true(report.tokens > 0);
        tokens += report.tokens;
    }
    assert_true(tokens >= 6 * c->s.steps);
    assert_int_equal(c->s.epoch, 40);
}

static void parts_that_cannot_be_trained_are_refused(void **state)
{
    static const char *const parts[] = {"head", "decoder,decoder",
                                        "decoder=x", "decoder=-1", "=1"};
    struct scene *c = *state;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        c->s.options = scene_options(c);
        c->s.options.train = parts[i];
        assert_true(medvl_session_open(&c->s, c->s.options.model,
                                       &c->err) < 0);
        assert_non_null(strstr(c->err.text, "--train"));
        medvl_session_release(&c->s);
    }
}

static void a_part_has_its_own_rate(void **state)
{
    struct scene *c = *state;
    struct medvl_train_options o = scene_options(c);

    o.train = "decoder=3e-4,projector";
    scene_open(c, &o);
    for (int64_t i = 0; i < c->s.item_count; i++) {
        const struct medvl_optim_item *item = &c->s.items[i];
        const bool projector =
            medvl_model_part(c->s.model, item->param) ==
            MEDVL_PART_PROJECTOR;

        assert_true(item->rate == (projector ? 1e-2 : 3e-4));
        assert_int_equal(item->decay, item->param->value.rank > 1);
    }
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(steps_go_through_the_epochs),
        TEST(steps_end_the_run_within_an_epoch),
        TEST(epochs_of_nothing_are_passed_over),
        TEST(parts_that_cannot_be_trained_are_refused),
        TEST(a_part_has_its_own_rate),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
