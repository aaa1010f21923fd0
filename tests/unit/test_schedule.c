/*
 * lib/train/schedule.
 */
#include "tests/unit/check.h"

#include "lib/train/schedule.h"

static void the_rate_rises_in_a_line_and_falls_in_a_cosine(void **state)
{
    (void)state;
    CHECK_CLOSE(medvl_schedule(0, 100, 10, 0), 0.1, 1e-12);
    CHECK_CLOSE(medvl_schedule(9, 100, 10, 0), 1, 1e-12);
    CHECK_CLOSE(medvl_schedule(10, 100, 10, 0), 1, 1e-12);
    CHECK_CLOSE(medvl_schedule(55, 100, 10, 0), 0.5, 1e-12);
    CHECK_CLOSE(medvl_schedule(100, 100, 10, 0), 0, 1e-12);
}

static void the_floor_is_where_it_ends(void **state)
{
    (void)state;
    CHECK_CLOSE(medvl_schedule(100, 100, 0, 0.25), 0.25, 1e-12);
    CHECK_CLOSE(medvl_schedule(50, 100, 0, 0.25), 0.625, 1e-12);
    CHECK_CLOSE(medvl_schedule(500, 100, 0, 0.25), 0.25, 1e-12);
}

static void a_run_that_is_all_warmup_divides_by_nothing(void **state)
{
    (void)state;
    CHECK_CLOSE(medvl_schedule(3, 4, 4, 0), 1, 1e-12);
    CHECK_CLOSE(medvl_schedule(4, 4, 4, 0), 1, 1e-12);
    CHECK_CLOSE(medvl_schedule(0, 0, 0, 0), 1, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_rises_in_a_line_and_falls_in_a_cosine),
        cmocka_unit_test(the_floor_is_where_it_ends),
        cmocka_unit_test(a_run_that_is_all_warmup_divides_by_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
