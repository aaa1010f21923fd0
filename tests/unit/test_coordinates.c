/*
 * Scales of coordinates: what is written, and that it comes back.
 */
#include "tests/unit/check.h"

#include "lib/image/coordinates.h"

static const int SIZES[] = {1, 2, 3, 7, 28, 99, 100, 224, 336, 337, 448,
                            999, 1000, 1001, 1024, 3056, 4096, 65535};
#define SIZE_COUNT (sizeof(SIZES) / sizeof(*SIZES))

static void places_are_written_as_the_systems_do(void **state)
{
    (void)state;
    assert_true(medvl_scale_from_pixels(168, 999, 336) == 500);
    assert_true(medvl_scale_from_pixels(335.9, 999, 336) == 999);
    assert_true(medvl_scale_from_pixels(336, 999, 336) == 999);
    assert_true(medvl_scale_from_pixels(1, 999, 3) == 333);
    assert_true(medvl_scale_from_pixels(1, 100, 3) == 33.3);
    assert_true(medvl_scale_from_pixels(2, 1, 3) == 0.667);
    assert_true(medvl_scale_from_pixels(3, 1, 3) == 1);
    assert_true(medvl_scale_from_pixels(5.25, 0, 3) == 5.25);
    assert_true(medvl_scale_from_pixels(-4, 999, 336) == 0);
    assert_true(medvl_scale_from_pixels(400, 100, 336) == 100);
    assert_true(medvl_scale_to_pixels(500, 999, 336) == 168);
    assert_true(medvl_scale_to_pixels(50, 100, 336) == 168);
    assert_true(medvl_scale_to_pixels(0.5, 1, 336) == 168);
    assert_true(medvl_scale_to_pixels(17, 0, 336) == 17);
    assert_true(medvl_scale_is(1) && medvl_scale_is(100) &&
                medvl_scale_is(999));
    assert_false(medvl_scale_is(0) || medvl_scale_is(1000));
}

/* Whole pixels are floored exactly, as integers would be. */
static void whole_pixels_fall_where_integers_say(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZE_COUNT; s++)
        for (int v = 0; v < SIZES[s]; v += 1 + SIZES[s] / 2000)
            assert_int_equal(
                (int64_t)medvl_scale_from_pixels(v, 999, SIZES[s]),
                (int64_t)v * 1000 / SIZES[s]);
}

static void what_was_read_from_a_scale_is_written_the_same(void **state)
{
    static const int SCALES[] = {1, 100, 999};

    (void)state;
    for (size_t s = 0; s < SIZE_COUNT; s++)
        for (int k = 0; k < 3; k++)
            for (int n = 0; n <= (SCALES[k] == 999 ? 999 : 1000); n++) {
                const double v = SCALES[k] == 1     ? n / 1000.0
                                 : SCALES[k] == 100 ? n / 10.0
                                                    : n;
                const double size = SIZES[s];
                const double at = medvl_scale_to_pixels(v, SCALES[k], size);
                const double stored = medvl_place_round(at);

                CHECK_CLOSE(stored, at, 1e-9); /* thousandths hold it */
                if (medvl_scale_from_pixels(stored, SCALES[k], size) != v)
                    fail_msg("%g of %d at %g pixels comes back as %g", v,
                             SCALES[k], size,
                             medvl_scale_from_pixels(stored, SCALES[k],
                                                     size));
            }
}

static void pixels_come_back_within_the_grids_step(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZE_COUNT; s++)
        for (int i = 0; i <= 777; i++) {
            const double size = SIZES[s], v = medvl_place_round(
                                              size * i / 777);
            const double a = medvl_scale_to_pixels(
                medvl_scale_from_pixels(v, 999, size), 999, size);
            const double b = medvl_scale_to_pixels(
                medvl_scale_from_pixels(v, 100, size), 100, size);
            const double c = medvl_scale_to_pixels(
                medvl_scale_from_pixels(v, 1, size), 1, size);

            assert_true(a <= v + 1e-6 && v - a <= size / 1000 + 1e-6);
            CHECK_CLOSE(b, v, size / 2000 + 1e-6);
            CHECK_CLOSE(c, v, size / 2000 + 1e-6);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_written_as_the_systems_do),
        cmocka_unit_test(whole_pixels_fall_where_integers_say),
        cmocka_unit_test(what_was_read_from_a_scale_is_written_the_same),
        cmocka_unit_test(pixels_come_back_within_the_grids_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
