/* Texts to numbers and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/data/intern.h"

static struct medvl_error err;

static void texts_get_numbers_in_the_order_of_first_use(void **state)
{
    struct medvl_intern intern = {0};
    char text[16];
    int64_t number;

    (void)state;
    assert_int_equal(medvl_intern_find(&intern, medvl_span("t0")), -1);
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof(text), "t%d", i);
            assert_int_equal(medvl_intern_add(&number, &intern,
                                              medvl_span(text), &err),
                             0);
            assert_int_equal(number, i);
        }
    assert_int_equal(intern.count, 1000);
    assert_int_equal(medvl_intern_find(&intern, medvl_span("t999")), 999);
    assert_int_equal(medvl_intern_find(&intern, medvl_span("t1000")), -1);
    assert_true(medvl_span_is(medvl_intern_text(&intern, 37), "t37"));
    assert_int_equal(medvl_intern_add(&number, &intern, medvl_span(""), &err),
                     0);
    assert_int_equal(number, 1000);
    assert_int_equal(medvl_intern_text(&intern, 1000).size, 0);
    medvl_intern_release(&intern);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    for (long n = 0; n < 100; n++) {
        struct medvl_intern intern = {0};
        int64_t number;
        int rc = 0;

        medvl_mem_fail_after(n);
        for (char c = 'a'; c <= 'z' && rc == 0; c++)
            rc = medvl_intern_add(&number, &intern,
                                  (struct medvl_span){&c, 1}, &err);
        assert_int_equal(rc, medvl_mem_failed() ? MEDVL_ENOMEM : MEDVL_OK);
        medvl_mem_fail_after(-1);
        for (int64_t i = 0; i < intern.count; i++)
            assert_int_equal(
                medvl_intern_find(&intern, medvl_intern_text(&intern, i)), i);
        medvl_intern_release(&intern);
        if (rc == 0)
            return;
    }
    fail_msg("more than 100 allocations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_get_numbers_in_the_order_of_first_use),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
