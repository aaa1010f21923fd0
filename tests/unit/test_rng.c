/* Random numbers.  The module is lib/base/rng.h. */
#include "tests/unit/check.h"

#include "lib/base/rng.h"

/* The vectors that the Random123 library publishes for philox4x32-10. */
static void philox_gives_the_published_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } CASES[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        medvl_philox(out, CASES[i].counter, CASES[i].key);
        assert_memory_equal(out, CASES[i].out, sizeof(out));
    }
}

static void the_counter_is_laid_out_as_the_header_says(void **state)
{
    const uint32_t key[2] = {0x55667788, 0x11223344};
    const uint32_t counter[4] = {0xfffffffe, MEDVL_PURPOSE_SPLIT << 24 | 3,
                                 0xddeeff00, 0x99aabbcc};
    struct medvl_rng rng;
    uint32_t out[4];
    int i;

    (void)state;
    medvl_rng_init(&rng, 0x1122334455667788, MEDVL_PURPOSE_SPLIT,
                   0x99aabbccddeeff00);
    rng.index = 0x3fffffffe;
    medvl_philox(out, counter, key);
    for (i = 0; i < 4; i++)
        assert_int_equal(medvl_rng_u32(&rng), out[i]);
    assert_true(rng.index == 0x3ffffffff);
}

static void a_copied_stream_goes_on_alike_and_purposes_differ(void **state)
{
    struct medvl_rng a, b;
    int i;

    (void)state;
    medvl_rng_init(&a, 1, MEDVL_PURPOSE_TEST, 5);
    medvl_rng_u32(&a);
    b = a;
    for (i = 0; i < 9; i++)
        assert_int_equal(medvl_rng_u32(&a), medvl_rng_u32(&b));
    medvl_rng_init(&a, 1, MEDVL_PURPOSE_TEST, 5);
    medvl_rng_init(&b, 1, MEDVL_PURPOSE_INIT, 5);
    assert_int_not_equal(medvl_rng_u64(&a), medvl_rng_u64(&b));
}

static void units_and_normals_have_their_moments(void **state)
{
    const int n = 100000;
    double sum = 0, squares = 0, normal = 0, normal_squares = 0;
    struct medvl_rng rng;
    int i;

    (void)state;
    medvl_rng_init(&rng, 3, MEDVL_PURPOSE_TEST, 0);
    for (i = 0; i < n; i++) {
        const double u = medvl_rng_unit(&rng), z = medvl_rng_normal(&rng);

        assert_true(u >= 0 && u < 1 && isfinite(z));
        sum += u;
        squares += u * u;
        normal += z;
        normal_squares += z * z;
    }
    CHECK_CLOSE(sum / n, 0.5, 0.005);
    CHECK_CLOSE(squares / n, 1.0 / 3, 0.005);
    CHECK_CLOSE(normal / n, 0, 0.015);
    CHECK_CLOSE(normal_squares / n, 1, 0.025);
}

static void below_is_even_and_stays_below(void **state)
{
    const uint64_t large = (uint64_t)3 << 62;
    int count[7] = {0}, thirds = 0, i;
    struct medvl_rng rng;

    (void)state;
    medvl_rng_init(&rng, 4, MEDVL_PURPOSE_TEST, 0);
    for (i = 0; i < 70000; i++)
        count[medvl_rng_below(&rng, 7)]++;
    for (i = 0; i < 7; i++)
        CHECK_CLOSE(count[i], 10000, 500);
    /* 2^64 is no multiple of this bound: without throwing values away,
     * half of what comes would divide by three. */
    for (i = 0; i < 10000; i++) {
        const uint64_t value = medvl_rng_below(&rng, large);

        assert_true(value < large);
        thirds += value % 3 == 0;
    }
    CHECK_CLOSE(thirds, 3333, 250);
    assert_int_equal(medvl_rng_below(&rng, 1), 0);
}

static void a_permutation_holds_every_number_once(void **state)
{
    int64_t order[100], seen[100] = {0};
    int first[3] = {0}, i;
    struct medvl_rng rng;

    (void)state;
    medvl_rng_init(&rng, 5, MEDVL_PURPOSE_TEST, 0);
    medvl_rng_permutation(order, 100, &rng);
    for (i = 0; i < 100; i++)
        seen[order[i]]++;
    for (i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    for (i = 0; i < 6000; i++) {
        medvl_rng_permutation(order, 3, &rng);
        first[order[0]]++;
    }
    for (i = 0; i < 3; i++)
        CHECK_CLOSE(first[i], 2000, 200);
    medvl_rng_permutation(order, 0, &rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(the_counter_is_laid_out_as_the_header_says),
        cmocka_unit_test(a_copied_stream_goes_on_alike_and_purposes_differ),
        cmocka_unit_test(units_and_normals_have_their_moments),
        cmocka_unit_test(below_is_even_and_stays_below),
        cmocka_unit_test(a_permutation_holds_every_number_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
