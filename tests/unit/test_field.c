/* Fields of a record by path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/data/field.h"

static struct medvl_error err;

#define MUST(call)                    \
    do {                              \
        if ((call) < 0)               \
            fail_msg("%s", err.text); \
    } while (0)

static void paths_lead_to_values(void **state)
{
    struct medvl_fields fields = {0};
    struct medvl_record record = {0};
    struct medvl_text out = {0};
    struct medvl_span value;

    (void)state;
    MUST(medvl_fields_parse(&fields, "a,b.c-d,e[1].f,e[0][2],e[9],a.x,g",
                            &err));
    MUST(medvl_record_parse(
        &record,
        medvl_span("{\"e\":[[1,2,{\"y\": 3}],{\"f\":\"z\"}],"
                   "\"b\":{\"c-d\":null},\"a\":1.50}"),
        &err));
    MUST(medvl_fields_write(&out, &fields, &record, &err));
    assert_string_equal(out.data,
                        "{\"a\":1.50,\"b.c-d\":null,\"e[1].f\":\"z\","
                        "\"e[0][2]\":{\"y\": 3},\"e[9]\":null,"
                        "\"a.x\":null,\"g\":null}");
    MUST(medvl_fields_get(&value, &fields, 2, &record, &err));
    assert_true(medvl_span_is(value, "\"z\""));
    MUST(medvl_fields_get(&value, &fields, 6, &record, &err));
    assert_null(value.data);
    medvl_text_release(&out);
    medvl_record_release(&record);
    medvl_fields_release(&fields);
}

static void what_is_no_path_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "a,", ",a", ".a", "a.", "a..b", "[0]", "a[", "a[]", "a[x]",
        "a[1", "a[1]b", "a b", "a.[0]", "a[99999999999]",
        "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
        "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct medvl_fields fields = {0};

        if (medvl_fields_parse(&fields, bad[i], &err) != MEDVL_EARG)
            fail_msg("accepted: %s", bad[i]);
        medvl_fields_release(&fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_values),
        cmocka_unit_test(what_is_no_path_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
