/*
 * Pages of keys and values: handed out, shared, given back.
 */
#include "tests/unit/check.h"

#include "lib/model/kvcache.h"

enum { SEQUENCES = 3,
       LONGEST = 200,
       TOKENS = 512,
       CHANNELS = 6 };

static const struct medvl_decoder_config CONFIG = {
    .layers = 2, .groups = 2, .head_size = 3};

static float *row(const struct medvl_kvcache *c, int64_t layer, int64_t slot,
                  int64_t position)
{
    const struct medvl_tensor keys = medvl_kvcache_keys(c, layer);

    return (float *)keys.data +
           medvl_kvcache_row(c, slot, position) * CHANNELS;
}

static struct medvl_kvcache *cache_open(void)
{
    struct medvl_kvcache *c;
    struct medvl_error err = {0};

    CHECK_OK(medvl_kvcache_open(&c, &CONFIG, SEQUENCES, LONGEST, TOKENS,
                                &err),
             &err);
    return c;
}

static void memory_follows_the_tokens_that_exist(void **state)
{
    struct medvl_kvcache *c = cache_open();
    struct medvl_error err = {0};

    (void)state;
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS);
    CHECK_OK(medvl_kvcache_extend(c, 0, 1, &err), &err);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 64);
    CHECK_OK(medvl_kvcache_extend(c, 0, 63, &err), &err);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 64);
    CHECK_OK(medvl_kvcache_extend(c, 0, 1, &err), &err);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 128);
    assert_int_equal(medvl_kvcache_length(c, 0), 65);
    CHECK_FAILS(medvl_kvcache_extend(c, 0, LONGEST - 64, &err), MEDVL_EARG,
                &err, "200");
    CHECK_OK(medvl_kvcache_extend(c, 1, 200, &err), &err);
    CHECK_FAILS(medvl_kvcache_extend(c, 2, 200, &err), MEDVL_ENOMEM, &err,
                "no page");
    assert_int_equal(medvl_kvcache_length(c, 2), 0);
    medvl_kvcache_clear(c, 1);
    CHECK_OK(medvl_kvcache_extend(c, 2, 200, &err), &err);
    medvl_kvcache_clear(c, 0);
    medvl_kvcache_clear(c, 2);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS);
    medvl_kvcache_free(c);
}

static void rows_of_running_sequences_never_meet(void **state)
{
    struct medvl_kvcache *c = cache_open();
    const struct medvl_tensor keys = medvl_kvcache_keys(c, 0);
    bool *used = calloc((size_t)keys.size[0], sizeof(*used));
    struct medvl_error err = {0};

    (void)state;
    assert_non_null(used);
    for (int turn = 0; turn < 60; turn++)
        for (int s = 0; s < SEQUENCES; s++)
            CHECK_OK(medvl_kvcache_extend(c, s, 2, &err), &err);
    for (int s = 0; s < SEQUENCES; s++)
        for (int i = 0; i < 120; i++) {
            const int32_t r = medvl_kvcache_row(c, s, i);

            assert_true(r >= 0 && r < keys.size[0] && !used[r]);
            used[r] = true;
            assert_int_equal(medvl_kvcache_pages(c, s)[i / 64], r / 64);
        }
    free(used);
    medvl_kvcache_free(c);
}

static void a_shared_prefix_is_one_and_its_ends_are_apart(void **state)
{
    struct medvl_kvcache *c = cache_open();
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_kvcache_extend(c, 0, 100, &err), &err);
    for (int i = 0; i < 100; i++)
        row(c, 1, 0, i)[5] = (float)i;
    CHECK_OK(medvl_kvcache_share(c, 1, 0, 80, 7, &err), &err);
    assert_int_equal(medvl_kvcache_length(c, 1), 80);
    assert_int_equal(medvl_kvcache_next(c, 1), 7);
    /* One whole page is shared, the other copied. */
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 3 * 64);
    assert_int_equal(medvl_kvcache_row(c, 1, 63), medvl_kvcache_row(c, 0, 63));
    assert_int_not_equal(medvl_kvcache_row(c, 1, 64),
                         medvl_kvcache_row(c, 0, 64));
    for (int i = 0; i < 80; i++)
        assert_true(row(c, 1, 1, i)[5] == (float)i);
    CHECK_OK(medvl_kvcache_extend(c, 1, 1, &err), &err);
    row(c, 1, 1, 80)[5] = -1;
    assert_true(row(c, 1, 0, 80)[5] == 80);
    medvl_kvcache_clear(c, 0);
    assert_true(row(c, 1, 1, 3)[5] == 3);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 2 * 64);
    medvl_kvcache_clear(c, 1);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS);
    CHECK_FAILS(medvl_kvcache_share(c, 1, 0, 1, 1, &err), MEDVL_EARG, &err,
                "cannot share");
    medvl_kvcache_free(c);
}

static void absurd_sizes_are_refused(void **state)
{
    const struct medvl_decoder_config huge = {
        .layers = 1024, .groups = 1 << 20, .head_size = 1 << 20};
    struct medvl_kvcache *c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_kvcache_open(&c, &CONFIG, 0, 1, 1, &err), MEDVL_EARG,
                &err, "0 sequences");
    CHECK_FAILS(medvl_kvcache_open(&c, &huge, 1, 1 << 20, 1 << 20, &err),
                MEDVL_ENOMEM, &err, "large");
}

static void a_truncated_sequence_leaves_others_what_they_share(void **state)
{
    struct medvl_kvcache *c = cache_open();
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_kvcache_extend(c, 0, 130, &err), &err);
    for (int i = 0; i < 130; i++)
        row(c, 1, 0, i)[5] = (float)i;
    CHECK_OK(medvl_kvcache_share(c, 1, 0, 128, 128, &err), &err);
    /* Within a page that slot 1 sees: slot 0 gets its own. */
    CHECK_OK(medvl_kvcache_truncate(c, 0, 100, 90, &err), &err);
    assert_int_equal(medvl_kvcache_length(c, 0), 100);
    assert_int_equal(medvl_kvcache_next(c, 0), 90);
    assert_int_equal(medvl_kvcache_row(c, 0, 63), medvl_kvcache_row(c, 1, 63));
    assert_int_not_equal(medvl_kvcache_row(c, 0, 64),
                         medvl_kvcache_row(c, 1, 64));
    CHECK_OK(medvl_kvcache_extend(c, 0, 1, &err), &err);
    row(c, 1, 0, 100)[5] = -1;
    for (int i = 0; i < 100; i++)
        assert_true(row(c, 1, 0, i)[5] == (float)i);
    assert_true(row(c, 1, 1, 100)[5] == 100);
    /* At the end of a page nothing is copied. */
    CHECK_OK(medvl_kvcache_truncate(c, 0, 64, 64, &err), &err);
    assert_int_equal(medvl_kvcache_free_tokens(c), TOKENS - 2 * 64);
    medvl_kvcache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_follows_the_tokens_that_exist),
        cmocka_unit_test(rows_of_running_sequences_never_meet),
        cmocka_unit_test(a_shared_prefix_is_one_and_its_ends_are_apart),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(
            a_truncated_sequence_leaves_others_what_they_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
