/* Records: spans, fields, provenance. */
#include "tests/unit/check.h"

#include "lib/data/record.h"

static struct medvl_record record;
static struct medvl_text out;
static struct medvl_error err;

static void parse(const char *line)
{
    CHECK_OK(medvl_record_parse(&record, medvl_span(line), &err), &err);
}

static const char *written(void)
{
    medvl_text_clear(&out);
    CHECK_OK(medvl_record_write(&out, &record, &err), &err);
    return out.data;
}

static int release(void **state)
{
    (void)state;
    medvl_record_release(&record);
    medvl_text_release(&out);
    return 0;
}

static void unknown_fields_pass_with_order_and_numbers_kept(void **state)
{
    (void)state;
    parse("{\"z\": 1.10, \"big\":123456789012345678901234567890, "
          "\"id\":\"a\", \"u\":\"\\u0000\", \"e\":1E400}");
    CHECK_OK(medvl_record_set_text(&record, "answer", medvl_span("no\n"),
                                   &err),
             &err);
    CHECK_OK(medvl_record_set(&record, "id", medvl_span("\"b\""), &err), &err);
    assert_string_equal(written(),
                        "{\"z\":1.10,\"big\":123456789012345678901234567890,"
                        "\"id\":\"b\",\"u\":\"\\u0000\",\"e\":1E400,"
                        "\"answer\":\"no\\n\"}\n");
}

static void an_id_is_a_string_with_something_in_it(void **state)
{
    struct medvl_text id = {0};

    (void)state;
    parse("{\"id\":\"\\u0061b\"}");
    CHECK_OK(medvl_record_id(&id, &record, &err), &err);
    assert_string_equal(id.data, "ab");
    parse("{}");
    CHECK_FAILS(medvl_record_id(&id, &record, &err), MEDVL_EFORMAT, &err,
                "\"id\": missing");
    parse("{\"id\":\"\"}");
    CHECK_FAILS(medvl_record_id(&id, &record, &err), MEDVL_EFORMAT, &err,
                "\"id\": empty");
    parse("{\"id\":7}");
    CHECK_FAILS(medvl_record_id(&id, &record, &err), MEDVL_EFORMAT, &err,
                "\"id\": not a string");
    medvl_text_release(&id);
}

static void a_field_is_parsed_alone_and_its_error_names_it(void **state)
{
    struct medvl_json *value;

    (void)state;
    parse("{\"a\":{\"b\":[1]},\"n\":[1e999]}");
    CHECK_OK(medvl_record_read(&value, &record, "a", &err), &err);
    assert_int_equal(medvl_json_count(medvl_json_get(value, "b")), 1);
    medvl_json_free(value);
    CHECK_OK(medvl_record_read(&value, &record, "absent", &err), &err);
    assert_null(value);
    CHECK_FAILS(medvl_record_read(&value, &record, "n", &err), MEDVL_EFORMAT,
                &err, "\"n\": number 1e999");
    assert_true(medvl_record_has(&record, "a"));
    assert_false(medvl_record_has(&record, "A"));
}

static void provenance_keeps_what_other_fields_say(void **state)
{
    (void)state;
    parse("{\"id\":\"a\",\"provenance\":{\"label\":{\"author\":\"human\"},"
          "\"answer\":1}}");
    CHECK_OK(medvl_record_author(&record, "answer", "human", "medvl-import",
                                 "00ff", &err),
             &err);
    CHECK_OK(medvl_record_author(&record, "messages", "m\"x", "medvl-prompt",
                                 NULL, &err),
             &err);
    assert_string_equal(
        written(),
        "{\"id\":\"a\",\"provenance\":{\"label\":{\"author\":\"human\"},"
        "\"answer\":{\"author\":\"human\",\"command\":\"medvl-import\","
        "\"version\":\"" MEDVL_VERSION "\",\"options\":\"00ff\"},"
        "\"messages\":{\"author\":\"m\\\"x\",\"command\":\"medvl-prompt\","
        "\"version\":\"" MEDVL_VERSION "\"}}}\n");
    parse("{\"provenance\":[]}");
    CHECK_FAILS(medvl_record_author(&record, "a", "b", "c", NULL, &err),
                MEDVL_EFORMAT, &err, "\"provenance\"");
}

static void an_indented_object_is_written_as_one_line(void **state)
{
    (void)state;
    parse("{\n  \"id\": \"a\",\n  \"x\": [\n1 ]\n}\n");
    assert_string_equal(written(), "{   \"id\": \"a\",   \"x\": [ 1 ] }\n");
    CHECK_OK(medvl_record_set(&record, "id", medvl_span("2"), &err), &err);
    assert_string_equal(written(), "{\"id\":2,\"x\":[ 1 ]}\n");
}

static void a_record_is_an_object_and_nothing_else(void **state)
{
    static const char *const BAD[] = {"[]", "1", "{} {}", "{\"a\":1",
                                      "{\"id\":\"a\",\"id\":\"b\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        assert_int_equal(
            medvl_record_parse(&record, medvl_span(BAD[i]), &err),
            MEDVL_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            unknown_fields_pass_with_order_and_numbers_kept, release),
        cmocka_unit_test_teardown(an_id_is_a_string_with_something_in_it,
                                  release),
        cmocka_unit_test_teardown(
            a_field_is_parsed_alone_and_its_error_names_it, release),
        cmocka_unit_test_teardown(provenance_keeps_what_other_fields_say,
                                  release),
        cmocka_unit_test_teardown(an_indented_object_is_written_as_one_line,
                                  release),
        cmocka_unit_test_teardown(a_record_is_an_object_and_nothing_else,
                                  release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
