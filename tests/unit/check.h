/*
 * What every unit test includes: cmocka and a few checks that say more.
 *
 * A test file is test_MODULE.c with names that are sentences, and
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {
 *             cmocka_unit_test(numbers_read_back_the_same),
 *         };
 *
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 */
#ifndef MEDVL_TESTS_CHECK_H
#define MEDVL_TESTS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

/* The call succeeded; else its error text is printed. */
#define CHECK_OK(call, err)                                       \
    do {                                                          \
        const int check_rc = (call);                              \
        if (check_rc < 0)                                         \
            fail_msg("%s: %d: %s", #call, check_rc, (err)->text); \
    } while (0)

/* The call failed with this code, and the text holds `part`. */
#define CHECK_FAILS(call, want, err, part)                        \
    do {                                                          \
        const int check_rc = (call);                              \
        if (check_rc != (want))                                   \
            fail_msg("%s: gave %d (%s), not %s", #call, check_rc, \
                     check_rc < 0 ? (err)->text : "", #want);     \
        if (!strstr((err)->text, (part)))                         \
            fail_msg("%s: \"%s\" does not say \"%s\"", #call,     \
                     (err)->text, (part));                        \
    } while (0)

/* |got - want| <= bound; a NaN fails. */
#define CHECK_CLOSE(got, want, bound)                           \
    do {                                                        \
        const double check_got = (double)(got);                 \
        const double check_want = (double)(want);               \
        if (!(fabs(check_got - check_want) <= (double)(bound))) \
            fail_msg("%s is %.17g, not %.17g within %g", #got,  \
                     check_got, check_want, (double)(bound));   \
    } while (0)

/*
 * The path of a real input, "images/..." below $MEDVL_DATA; skips the test,
 * saying so, where it is absent.  The memory is the test's.
 */
static inline char *check_data(const char *name)
{
    const char *root = getenv("MEDVL_DATA");
    char *path = NULL;

    if (root && medvl_path_join(&path, root, name, NULL) == MEDVL_OK &&
        (medvl_file_exists(path) || medvl_folder_exists(path)))
        return path;
    medvl_free(path);
    print_message("# no %s below MEDVL_DATA\n", name);
    skip();
    return NULL;
}

/* A path in this run's temporary folder (tests/run.sh makes and removes
 * it).  The memory is the test's. */
static inline char *check_temp(const char *name)
{
    const char *root = getenv("MEDVL_TEMP");
    char *path = NULL;

    assert_int_equal(medvl_path_join(&path, root ? root : "/tmp", name, NULL),
                     MEDVL_OK);
    return path;
}

/*
 * Torture: run(arg, err) with its 0th, 1st, 2nd ... allocation failing,
 * until it gets through without one.  Each failure must be MEDVL_ENOMEM;
 * that nothing leaks is the sanitizer's to say.  `most` bounds the tries.
 */
static inline void check_no_memory(int (*run)(void *arg,
                                              struct medvl_error *err),
                                   void *arg, long most)
{
    long n;

    for (n = 0; n < most; n++) {
        struct medvl_error err = {0};
        bool hit;
        int rc;

        medvl_mem_fail_after(n);
        rc = run(arg, &err);
        hit = medvl_mem_failed();
        medvl_mem_fail_after(-1);
        if (!hit) {
            CHECK_OK(rc, &err);
            return;
        }
        if (rc != MEDVL_ENOMEM)
            fail_msg("allocation %ld failed and gave %d: %s", n, rc, err.text);
    }
    fail_msg("more than %ld allocations", most);
}

#endif
