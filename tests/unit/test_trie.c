/* Keys found from the front.  The module is lib/text/trie.h. */
#include "lib/text/trie.h"

#include "lib/base/rng.h"
#include "tests/unit/check.h"

static struct medvl_trie *make(const char *const *keys, size_t count)
{
    struct medvl_span spans[300];
    struct medvl_trie *trie = NULL;
    struct medvl_error err = {0};

    for (size_t i = 0; i < count; i++)
        spans[i] = medvl_span(keys[i]);
    CHECK_OK(medvl_trie_new(&trie, spans, count, &err), &err);
    return trie;
}

static void the_longest_key_at_the_front_is_found(void **state)
{
    const char *const keys[] = {"a", "abc", "", "b", "\xFF\x01", "abcde"};
    struct medvl_trie *trie = make(keys, 6);
    size_t size = 99;

    (void)state;
    assert_int_equal(medvl_trie_longest(trie, &size, "abcd", 4), 1);
    assert_int_equal(size, 3);
    assert_int_equal(medvl_trie_longest(trie, &size, "abcde", 4), 1);
    assert_int_equal(medvl_trie_longest(trie, &size, "abcde", 5), 5);
    assert_int_equal(medvl_trie_longest(trie, &size, "\xFF\x01", 2), 4);
    assert_int_equal(size, 2);
    assert_int_equal(medvl_trie_longest(trie, &size, "\xFF", 1), -1);
    assert_int_equal(medvl_trie_longest(trie, &size, "xa", 2), -1);
    assert_int_equal(medvl_trie_longest(trie, &size, "", 0), -1);
    medvl_trie_free(trie);
}

static void a_walk_passes_every_key_on_the_way(void **state)
{
    const char *const keys[] = {"a", "ab", "abcd"};
    const int32_t values[] = {0, 1, -1, 2};
    struct medvl_trie *trie = make(keys, 3);
    uint32_t node = MEDVL_TRIE_ROOT;
    uint32_t before;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            medvl_trie_step(trie, &node, (unsigned char)"abcd"[i]),
            values[i]);
    before = node;
    assert_int_equal(medvl_trie_step(trie, &node, 'e'), -2);
    assert_int_equal(node, before);
    medvl_trie_free(trie);
}

static void the_last_of_equal_keys_counts(void **state)
{
    const char *const keys[] = {"ab", "x", "ab", "ab", "y"};
    struct medvl_trie *trie = make(keys, 5);
    size_t size;

    (void)state;
    assert_int_equal(medvl_trie_longest(trie, &size, "ab", 2), 3);
    medvl_trie_free(trie);
}

static void no_keys_are_a_trie_too(void **state)
{
    struct medvl_trie *trie = make(NULL, 0);
    size_t size;

    (void)state;
    assert_int_equal(medvl_trie_longest(trie, &size, "a", 1), -1);
    medvl_trie_free(trie);
    medvl_trie_free(NULL);
}

/* Random keys over three bytes, compared with looking at each one. */
static void random_keys_are_all_found(void **state)
{
    struct medvl_rng rng;
    char bytes[200][8];
    const char *keys[200];
    struct medvl_trie *trie;

    (void)state;
    medvl_rng_init(&rng, 7, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < 200; i++) {
        const int size = (int)medvl_rng_below(&rng, 7);

        for (int j = 0; j < size; j++)
            bytes[i][j] = (char)('a' + medvl_rng_below(&rng, 3));
        bytes[i][size] = 0;
        keys[i] = bytes[i];
    }
    trie = make(keys, 200);
    for (int i = 0; i < 500; i++) {
        char text[9] = {0};
        int32_t want = -1;
        size_t want_size = 0;
        size_t size = 0;

        for (int j = 0; j < 8; j++)
            text[j] = (char)('a' + medvl_rng_below(&rng, 3));
        for (int32_t k = 0; k < 200; k++) {
            const size_t length = strlen(keys[k]);

            if (length > 0 && length >= want_size &&
                strncmp(text, keys[k], length) == 0) {
                want = k;
                want_size = length;
            }
        }
        assert_int_equal(medvl_trie_longest(trie, &size, text, 8), want);
        assert_int_equal(size, want_size);
    }
    medvl_trie_free(trie);
}

static int make_one(void *arg, struct medvl_error *err)
{
    const struct medvl_span keys[] = {{"ab", 2}, {"ac", 2}};
    struct medvl_trie *trie = NULL;
    const int rc = medvl_trie_new(&trie, keys, 2, err);

    (void)arg;
    medvl_trie_free(trie);
    return rc;
}

static void no_memory_is_said(void **state)
{
    (void)state;
    check_no_memory(make_one, NULL, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_key_at_the_front_is_found),
        cmocka_unit_test(a_walk_passes_every_key_on_the_way),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(no_keys_are_a_trie_too),
        cmocka_unit_test(random_keys_are_all_found),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
