/* Parts of tokenizer.json: lib/text/part.h. */
#include "lib/text/part.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static struct medvl_json *parse(const char *json)
{
    struct medvl_json *tree = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_json_parse(&tree, medvl_span(json), &err), &err);
    return tree;
}

static int list_type(void *self, const struct medvl_json *part,
                     struct medvl_error *err)
{
    if (strcmp(medvl_part_type(part), "Bad") == 0)
        return medvl_fail(err, MEDVL_EFORMAT, "a bad part");
    return medvl_text_puts(self, medvl_part_type(part), err);
}

static int list(struct medvl_text *out, const char *json,
                struct medvl_error *err)
{
    struct medvl_json *tree = parse(json);
    int rc;

    medvl_text_clear(out);
    rc = medvl_parts_read(tree, "parts", list_type, out, err);
    medvl_json_free(tree);
    return rc;
}

#define SEQUENCE "{\"type\":\"Sequence\",\"parts\":["

static void parts_come_in_order_from_sequences_in_sequences(void **state)
{
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(list(&out,
                  SEQUENCE "{\"type\":\"A\"}," SEQUENCE "{\"type\":\"B\"},"
                           "{\"type\":\"C\"}]}," SEQUENCE "]},"
                           "{\"type\":\"D\"},{}]}",
                  &err),
             &err);
    assert_string_equal(out.data, "ABCD(no type)");
    CHECK_OK(list(&out, "{\"type\":\"A\"}", &err), &err);
    assert_string_equal(out.data, "A");
    CHECK_OK(list(&out, "null", &err), &err);
    CHECK_OK(medvl_parts_read(NULL, "parts", list_type, &out, &err), &err);
    assert_int_equal(out.size, 0);
    CHECK_FAILS(list(&out,
                     SEQUENCE "{\"type\":\"A\"},{\"type\":\"Bad\"},"
                              "{\"type\":\"B\"}]}",
                     &err),
                MEDVL_EFORMAT, &err, "a bad part");
    assert_string_equal(out.data, "A");
    medvl_text_release(&out);
}

static void sixty_four_sequences_may_hold_each_other(void **state)
{
    struct medvl_text out = {0};
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    (void)state;
    for (int depth = 64; depth < 66; depth++) {
        medvl_text_clear(&json);
        /* a brother behind each, so that none can be forgotten */
        for (int i = 0; i < depth; i++)
            CHECK_OK(medvl_text_puts(&json, SEQUENCE, &err), &err);
        CHECK_OK(medvl_text_puts(&json, "{\"type\":\"A\"}", &err), &err);
        for (int i = 0; i < depth; i++)
            CHECK_OK(medvl_text_puts(&json, "]},{\"type\":\"B\"}", &err),
                     &err);
        json.size -= strlen(",{\"type\":\"B\"}");
        json.data[json.size] = '\0';
        if (depth == 64) {
            CHECK_OK(list(&out, json.data, &err), &err);
            assert_int_equal(out.size, depth);
        } else {
            CHECK_FAILS(list(&out, json.data, &err), MEDVL_EUNSUPPORTED,
                        &err, "too deep");
        }
    }
    medvl_text_release(&json);
    medvl_text_release(&out);
}

static void a_pattern_is_a_string_or_an_expression(void **state)
{
    const char *const json[] = {"{\"String\":\"a.\"}", "{\"Regex\":\"a.\"}"};
    const size_t found[] = {4, 1};
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_regex *regex = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    for (int i = 0; i < 2; i++) {
        struct medvl_json *tree = parse(json[i]);
        struct medvl_matches matches = {.text = medvl_span("xabxa.")};

        CHECK_OK(medvl_pattern_read(&regex, tree, &err), &err);
        assert_int_equal(medvl_regex_next(regex, scratch, &matches, &err),
                         1);
        assert_int_equal(matches.start, found[i]);
        medvl_regex_free(regex);
        medvl_json_free(tree);
    }
    medvl_regex_scratch_free(scratch);
    CHECK_FAILS(medvl_pattern_read(&regex, NULL, &err), MEDVL_EFORMAT, &err,
                "no String and no Regex");
}

static void fields_are_texts_characters_and_flags(void **state)
{
    struct medvl_json *part = parse("{\"text\":\"two words\",\"empty\":\"\","
                                    "\"one\":\"\u2581\",\"yes\":true,"
                                    "\"no\":false,\"number\":1}");
    struct medvl_error err = {0};
    char *text = NULL;
    uint32_t rune = 0;

    (void)state;
    CHECK_OK(medvl_part_text(&text, part, "text", &err), &err);
    assert_string_equal(text, "two words");
    free(text);
    CHECK_OK(medvl_part_text(&text, part, "empty", &err), &err);
    assert_string_equal(text, "");
    free(text);
    CHECK_FAILS(medvl_part_text(&text, part, "number", &err), MEDVL_EFORMAT,
                &err, "number");
    CHECK_OK(medvl_part_character(&rune, part, "one", &err), &err);
    assert_int_equal(rune, 0x2581);
    CHECK_FAILS(medvl_part_character(&rune, part, "text", &err),
                MEDVL_EFORMAT, &err, "\"text\" is not one character");
    CHECK_FAILS(medvl_part_character(&rune, part, "empty", &err),
                MEDVL_EFORMAT, &err, "\"empty\" is not one character");
    assert_true(medvl_part_flag(part, "yes"));
    assert_false(medvl_part_flag(part, "no"));
    assert_false(medvl_part_flag(part, "number"));
    assert_false(medvl_part_flag(part, "absent"));
    medvl_json_free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_order_from_sequences_in_sequences),
        cmocka_unit_test(sixty_four_sequences_may_hold_each_other),
        cmocka_unit_test(a_pattern_is_a_string_or_an_expression),
        cmocka_unit_test(fields_are_texts_characters_and_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
