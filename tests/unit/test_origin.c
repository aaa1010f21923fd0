/* Sources and licences are counted, and listed in one order. */
#include "tests/unit/check.h"

#include "lib/train/origin.h"

static int add_all(void *arg, struct medvl_error *err)
{
    static const char *const RECORDS[] = {
        "{\"source\":\"vqa\",\"license\":\"CC0-1.0\"}",
        "{\"id\":\"x\"}",
        "{\"license\":\"MIT\",\"source\":\"atlas\"}",
        "{\"source\":\"v\\u0071a\",\"license\":\"CC0-1.0\"}",
        "{\"source\":\"vqa\",\"license\":null}",
        "{\"source\":[\"a\",1]}",
    };
    struct medvl_origins *o = arg;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < sizeof(RECORDS) / sizeof(*RECORDS); i++)
        if (rc == MEDVL_OK)
            rc = medvl_origins_add(o, medvl_span(RECORDS[i]), err);
    return rc;
}

static void records_are_counted_by_source_and_licence(void **state)
{
    static const struct {
        const char *source, *license;
        int records;
    } WANT[] = {{"", "", 1},
                {"[\"a\",1]", "", 1},
                {"atlas", "MIT", 1},
                {"vqa", "", 1},
                {"vqa", "CC0-1.0", 2}};
    struct medvl_origins o = {0};
    struct medvl_origin *list;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(add_all(&o, &err), &err);
    CHECK_OK(medvl_origins_list(&list, &o, &err), &err);
    assert_int_equal(o.keys.count, 5);
    for (int i = 0; i < 5; i++) {
        assert_true(medvl_span_is(list[i].source, WANT[i].source));
        assert_true(medvl_span_is(list[i].license, WANT[i].license));
        assert_int_equal(list[i].records, WANT[i].records);
    }
    CHECK_FAILS(medvl_origins_add(&o, medvl_span("[]"), &err), MEDVL_EFORMAT,
                &err, "");
    medvl_free(list);
    medvl_origins_release(&o);
}

static int count_once(void *arg, struct medvl_error *err)
{
    struct medvl_origins o = {0};
    struct medvl_origin *list = NULL;
    int rc = add_all(&o, err);

    (void)arg;
    if (rc == MEDVL_OK)
        rc = medvl_origins_list(&list, &o, err);
    medvl_free(list);
    medvl_origins_release(&o);
    return rc;
}

static void a_failed_allocation_fails_the_counting_alone(void **state)
{
    (void)state;
    check_no_memory(count_once, NULL, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_counted_by_source_and_licence),
        cmocka_unit_test(a_failed_allocation_fails_the_counting_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
