/*
 * The arena: first fit, holes that grow together, the same places with and
 * without memory.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/tensor/arena.h"

static void places_are_the_first_that_fit_and_grow_together_again(void **state)
{
    struct medvl_arena arena = {0};
    struct medvl_error err = {0};
    size_t at[4];
    void *data;

    (void)state;
    for (int dry = 0; dry < 2; dry++) {
        CHECK_OK(medvl_arena_begin(&arena, dry, 4096, &err), &err);
        for (int i = 0; i < 4; i++) {
            CHECK_OK(medvl_arena_take(&at[i], &data, &arena, 100, &err),
                     &err);
            assert_int_equal(at[i] % 64, 0);
            assert_int_equal(!data, dry);
        }
        medvl_arena_give(&arena, at[0], 100);
        medvl_arena_give(&arena, at[2], 100);
        medvl_arena_give(&arena, at[1], 100);
        CHECK_OK(medvl_arena_take(&at[1], &data, &arena, 300, &err), &err);
        assert_int_equal(at[1], 0);
        medvl_arena_give(&arena, at[1], 300);
        medvl_arena_give(&arena, at[3], 100);
        assert_true(medvl_arena_empty(&arena));
    }
    CHECK_FAILS(medvl_arena_take(&at[0], &data, &arena, SIZE_MAX - 10, &err),
                MEDVL_ENOMEM, &err, "no memory");
    medvl_arena_release(&arena);
}

/* A random life of 400 placements; writes over each, so that two that meet
 * are seen.  Returns the high-water mark. */
static size_t live(struct medvl_arena *arena, bool dry, size_t reserve,
                   size_t offsets[400])
{
    struct {
        size_t at, size;
        unsigned char *data;
    } live[40] = {{0}};
    struct medvl_error err = {0};
    struct medvl_rng rng;

    medvl_rng_init(&rng, 3, MEDVL_PURPOSE_TEST, 0);
    CHECK_OK(medvl_arena_begin(arena, dry, reserve, &err), &err);
    for (int i = 0; i < 400; i++) {
        const size_t k = medvl_rng_below(&rng, 40);
        void *data;

        for (size_t j = 0; live[k].data && j < live[k].size; j++)
            assert_int_equal(live[k].data[j], k);
        if (live[k].size)
            medvl_arena_give(arena, live[k].at, live[k].size);
        live[k].size = 1 + medvl_rng_below(&rng, 3000);
        CHECK_OK(medvl_arena_take(&live[k].at, &data, arena, live[k].size,
                                  &err),
                 &err);
        offsets[i] = live[k].at;
        live[k].data = data;
        if (data)
            memset(data, (int)k, live[k].size);
    }
    for (size_t k = 0; k < 40; k++)
        if (live[k].size)
            medvl_arena_give(arena, live[k].at, live[k].size);
    assert_true(medvl_arena_empty(arena));
    return arena->high;
}

static void a_run_stands_where_its_plan_stood(void **state)
{
    struct medvl_arena plan = {0}, run = {0};
    size_t a[400], b[400];
    const size_t high = live(&plan, true, 0, a);

    (void)state;
    assert_int_equal(live(&run, false, high, b), high);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(run.block_count, 1);
    medvl_arena_release(&plan);
    medvl_arena_release(&run);
}

static void without_a_plan_the_arena_grows_and_is_one_the_next_time(
    void **state)
{
    const size_t size = (size_t)10 << 20;
    struct medvl_arena arena = {0};
    struct medvl_error err = {0};
    size_t at[5];
    void *data;

    (void)state;
    CHECK_OK(medvl_arena_begin(&arena, false, 0, &err), &err);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(medvl_arena_take(&at[i], &data, &arena, size, &err), &err);
        memset(data, i, size);
    }
    assert_true(arena.block_count > 1);
    for (int i = 0; i < 5; i++)
        medvl_arena_give(&arena, at[i], size);
    assert_true(medvl_arena_empty(&arena));
    CHECK_OK(medvl_arena_begin(&arena, false, 0, &err), &err);
    assert_int_equal(arena.block_count, 1);
    medvl_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            places_are_the_first_that_fit_and_grow_together_again),
        cmocka_unit_test(a_run_stands_where_its_plan_stood),
        cmocka_unit_test(
            without_a_plan_the_arena_grows_and_is_one_the_next_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
