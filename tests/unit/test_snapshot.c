/*
 * lib/train/snapshot: a session that is written and read back.
 */
#include "tests/unit/session.h"

#include "lib/train/snapshot.h"

static void a_session_read_back_goes_on_bit_for_bit(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);
    struct medvl_rundir run = {.path = c->folder};
    double whole[2];

    scene_open(c, &o);
    for (int i = 0; i < 3; i++)
        scene_step(c);
    c->s.best = -0.1234567890123456;
    c->s.best_step = 2;
    CHECK_OK(medvl_snapshot_write(&c->s, &run, &c->err), &c->err);
    for (int i = 0; i < 2; i++)
        whole[i] = scene_step(c).norm;

    scene_open(c, &o);
    CHECK_OK(medvl_snapshot_read(&c->s, &run, 3, &c->err), &c->err);
    assert_int_equal(c->s.step, 3);
    assert_int_equal(c->s.epoch, 1);
    assert_int_equal(c->s.position, 1);
    assert_int_equal(c->s.best_step, 2);
    assert_true(c->s.best == -0.1234567890123456);
    for (int i = 0; i < 2; i++)
        assert_true(scene_step(c).norm == whole[i]);
}

static void weights_that_are_not_finite_are_not_kept(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);
    struct medvl_rundir run = {.path = c->folder};
    char path[128];

    scene_open(c, &o);
    scene_step(c);
    *(float *)c->s.items[1].param->value.data = INFINITY;
    CHECK_FAILS(medvl_snapshot_write(&c->s, &run, &c->err), MEDVL_EFORMAT,
                &c->err, c->s.items[1].param->name);
    snprintf(path, sizeof(path), "%s/step-000001", c->folder);
    assert_false(medvl_folder_exists(path));
}

static void a_state_of_another_step_is_refused(void **state)
{
    struct scene *c = *state;
    const struct medvl_train_options o = scene_options(c);
    struct medvl_rundir run = {.path = c->folder};
    char from[128], to[128];

    scene_open(c, &o);
    scene_step(c);
    CHECK_OK(medvl_snapshot_write(&c->s, &run, &c->err), &c->err);
    snprintf(from, sizeof(from), "%s/step-000001", c->folder);
    snprintf(to, sizeof(to), "%s/step-000002", c->folder);
    assert_int_equal(rename(from, to), 0);
    CHECK_FAILS(medvl_snapshot_read(&c->s, &run, 2, &c->err), MEDVL_EFORMAT,
                &c->err, "step 1");
    assert_true(medvl_snapshot_read(&c->s, &run, 5, &c->err) < 0);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_session_read_back_goes_on_bit_for_bit),
        TEST(weights_that_are_not_finite_are_not_kept),
        TEST(a_state_of_another_step_is_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
