/*
 * Windows: what they are called, and percentiles.
 */
#include "tests/unit/check.h"

#include "lib/image/window.h"

static struct medvl_error err;

static double item(const void *from, size_t index)
{
    return ((const float *)from)[index];
}

static void a_window_is_a_centre_and_a_width_or_two_percentiles(void **state)
{
    static const char *const BAD[] = {"", "40", "40,0", "40,-1", "p1,99",
                                      "p5,p5", "p9,p1", "p1,p101", "x,y",
                                      "1,2,3"};
    struct medvl_window window = {0};
    float values[] = {0, 5, 1, 0, 4, 2, NAN, 3, 0};
    double low, high;

    (void)state;
    CHECK_OK(medvl_window_parse(&window, "40,400", &err), &err);
    CHECK_OK(medvl_window_range(&low, &high, &window, NULL, NULL, 0, &err),
             &err);
    assert_true(low == -160 && high == 240);
    assert_int_equal(medvl_window_apply(-160, low, high), 0);
    assert_int_equal(medvl_window_apply(40, low, high), 128);
    assert_int_equal(medvl_window_apply(239.9, low, high), 255);
    assert_int_equal(medvl_window_apply(1e9, low, high), 255);
    assert_int_equal(medvl_window_apply(NAN, low, high), 0);
    /* 1 to 5 count: ranks 1 (of 20 %) and 4 (of 80 %) */
    CHECK_OK(medvl_window_parse(&window, "p20,p80", &err), &err);
    CHECK_OK(medvl_window_range(&low, &high, &window, item, values, 9, &err),
             &err);
    assert_true(low == 1 && high == 4);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        CHECK_FAILS(medvl_window_parse(&window, BAD[i], &err), MEDVL_EARG,
                    &err, "window");
}

static double real(const void *from, size_t index)
{
    return ((const double *)from)[index];
}

/* Whole numbers that a float does not tell apart, fractions, far ones. */
static void percentiles_are_exact_in_double(void **state)
{
    static const double KINDS[][4] = {
        {16777217, 16777219, 16777218, 16777216},
        {-16777217, -16777219, -16777218, -16777216},
        {0.1, 0.3, 0.2, 0.05},
        {1e300, 3e300, 2e300, -1e-300},
    };
    const struct medvl_window window = {
        .given = true, .percentile = true, .a = 50, .b = 75};
    double low, high;

    (void)state;
    for (size_t k = 0; k < sizeof(KINDS) / sizeof(*KINDS); k++) {
        const double *v = KINDS[k];

        CHECK_OK(medvl_window_range(&low, &high, &window, real, v, 4, &err),
                 &err);
        assert_true(low == (k == 1 ? v[2] : v[0]));
        assert_true(high == (k == 1 ? v[0] : v[2]));
    }
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void percentiles_of_many_values_are_those_of_the_sorted(void **state)
{
    enum { COUNT = 5000 };
    static float values[COUNT], sorted[COUNT];
    struct medvl_window window = {
        .given = true, .percentile = true, .a = 3, .b = 91};
    double low, high;

    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        size_t kept = 0;

        /* Whole numbers, fractions, tiny and huge ones, of both signs. */
        for (int i = 0; i < COUNT; i++) {
            const int v = i * 7919 % COUNT - (kind & 1 ? COUNT / 3 : 0);

            values[i] = (float)(kind < 2   ? v
                                : kind < 4 ? ldexp(v, v % 120 - 20)
                                           : ldexp(v, -149));
        }
        values[7] = INFINITY;
        values[8] = -INFINITY;
        values[9] = NAN;
        values[10] = -0.0F;
        for (int i = 0; i < COUNT; i++)
            if (values[i] != 0 && isfinite(values[i]))
                sorted[kept++] = values[i];
        qsort(sorted, kept, sizeof(*sorted), by_value);
        CHECK_OK(medvl_window_range(&low, &high, &window, item, values,
                                    COUNT, &err),
                 &err);
        assert_true(low == sorted[(int)ceil(0.03 * (double)kept) - 1]);
        assert_true(high == sorted[(int)ceil(0.91 * (double)kept) - 1]);
    }
    memset(values, 0, sizeof(values));
    CHECK_OK(medvl_window_range(&low, &high, &window, item, values, COUNT,
                                &err),
             &err);
    assert_true(low == 0 && high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_a_centre_and_a_width_or_two_percentiles),
        cmocka_unit_test(percentiles_are_exact_in_double),
        cmocka_unit_test(percentiles_of_many_values_are_those_of_the_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
