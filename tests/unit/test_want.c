/* What options name in the records: when it is said that none had it. */
#include "lib/stage/want.h"

#include "lib/base/pool.h"
#include "tests/unit/check.h"

static void join(void *arg, const char *text)
{
    char *said = arg;

    strncat(said, text, 1000 - strlen(said) - 1);
    strncat(said, "\n", 1000 - strlen(said) - 1);
}

static void only_what_was_asked_and_never_there_is_said(void **state)
{
    struct medvl_wants wants = {0};
    struct medvl_want *never, *once, *unasked, *nobody;
    struct medvl_error err = {0};
    char said[1000] = "";

    (void)state;
    CHECK_OK(medvl_wants_add(&never, &wants, &err, "-x '%s' held", "a"),
             &err);
    CHECK_OK(medvl_wants_add(&once, &wants, &err, "once"), &err);
    CHECK_OK(medvl_wants_add(&unasked, &wants, &err, "unasked"), &err);
    CHECK_OK(medvl_wants_add(&nobody, NULL, &err, "nobody"), &err);
    assert_null(nobody);
    medvl_want_count(nobody, false, "why");
    medvl_want_count(never, false, NULL);
    medvl_want_count(once, false, "late");
    medvl_want_count(once, true, NULL);
    medvl_wants_unmet(&wants, join, said);
    assert_string_equal(said, "-x 'a' held in none of 1 record\n");
    medvl_want_count(never, false, "second");
    medvl_want_count(never, false, "first");
    said[0] = 0;
    medvl_wants_unmet(&wants, join, said);
    assert_string_equal(said, "-x 'a' held in none of 3 records: first\n");
    medvl_wants_release(&wants);
    assert_null(wants.first);
}

static void a_tally_says_how_many(void **state)
{
    struct medvl_wants wants = {0};
    struct medvl_want *some, *none;
    struct medvl_error err = {0};
    char said[1000] = "";

    (void)state;
    CHECK_OK(medvl_wants_add_tally(&some, &wants, &err, "were %s", "left"),
             &err);
    CHECK_OK(medvl_wants_add_tally(&none, &wants, &err, "were taken"), &err);
    for (int i = 0; i < 5; i++) {
        medvl_want_count(some, i % 2, NULL);
        medvl_want_count(none, false, NULL);
    }
    medvl_wants_unmet(&wants, join, said);
    assert_string_equal(said, "2 of 5 were left\n");
    medvl_wants_release(&wants);
}

static void one_of_many(void *arg, int64_t index, int thread)
{
    struct medvl_want *const *want = arg;

    (void)thread;
    medvl_want_count(want[0], false, index % 2 ? "b" : "a");
    medvl_want_count(want[1], index == 777, "never");
}

static void threads_count_together(void **state)
{
    struct medvl_wants wants = {0};
    struct medvl_want *want[2];
    struct medvl_pool *pool = NULL;
    struct medvl_error err = {0};
    char said[1000] = "";

    (void)state;
    CHECK_OK(medvl_pool_open(&pool, 4, &err), &err);
    CHECK_OK(medvl_wants_add(&want[0], &wants, &err, "x"), &err);
    CHECK_OK(medvl_wants_add(&want[1], &wants, &err, "y"), &err);
    medvl_pool_run(pool, 10000, one_of_many, want);
    medvl_wants_unmet(&wants, join, said);
    assert_string_equal(said, "x in none of 10000 records: a\n");
    medvl_wants_release(&wants);
    medvl_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_asked_and_never_there_is_said),
        cmocka_unit_test(a_tally_says_how_many),
        cmocka_unit_test(threads_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
