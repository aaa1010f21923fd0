/* Error texts.  The module is lib/base/status.h. */
#include "tests/unit/check.h"

static void failing_gives_the_code_and_the_text(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    assert_int_equal(medvl_fail(&err, MEDVL_EFORMAT, "magic is %08x", 0xbeef),
                     MEDVL_EFORMAT);
    assert_int_equal(err.code, MEDVL_EFORMAT);
    assert_string_equal(err.text, "magic is 0000beef");
    assert_int_equal(medvl_fail(NULL, MEDVL_EIO, "x"), MEDVL_EIO);
}

static void context_goes_in_front_and_keeps_the_code(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    medvl_fail(&err, MEDVL_EARG, "\"text\": missing");
    assert_int_equal(medvl_context(&err, "%s:%d", "q.jsonl", 2), MEDVL_EARG);
    assert_string_equal(err.text, "q.jsonl:2: \"text\": missing");
    assert_int_equal(medvl_context(NULL, "x"), MEDVL_EARG);
}

static void an_argument_may_be_the_text_itself(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    medvl_fail(&err, MEDVL_EARG, "inner");
    medvl_fail(&err, MEDVL_EIO, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    medvl_context(&err, "%s", err.text);
    assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void what_could_steer_a_terminal_becomes_question_marks(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    medvl_fail(&err, MEDVL_EARG, "a%sb", "\x1b[31m\n\t\x7f");
    assert_string_equal(err.text, "a?[31m???b");
    medvl_fail(&err, MEDVL_EARG, "%s", "\xc2\x9b" /* C1 */ "\xc2\xa0");
    assert_string_equal(err.text, "??\xc2\xa0");
    medvl_fail(&err, MEDVL_EARG, "%s", "caf\xe9 \xed\xa0\x80 \xe2\x82");
    assert_string_equal(err.text, "caf? ??? ??");
    medvl_fail(&err, MEDVL_EARG, "%s", "\xf0\x9f\xab\x81 \xe8\x82\xba");
    assert_string_equal(err.text, "\xf0\x9f\xab\x81 \xe8\x82\xba");
}

static void a_long_text_is_cut_at_a_character(void **state)
{
    struct medvl_error err = {0};
    char text[3001];
    size_t i, size;

    (void)state;
    for (i = 0; i < 3000; i += 3)
        memcpy(text + i, "\xe8\x82\xba", 3);
    text[3000] = '\0';
    medvl_fail(&err, MEDVL_EARG, "%s", text);
    size = strlen(err.text);
    assert_in_range(size, 995, 999);
    assert_string_equal(err.text + size - 3, "...");
    assert_int_equal((size - 3) % 3, 0);
    medvl_context(&err, "%s", text);
    assert_in_range(strlen(err.text), 995, 999);

    text[999] = '\0'; /* just fits */
    medvl_fail(&err, MEDVL_EARG, "%s", text);
    assert_string_equal(err.text, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_gives_the_code_and_the_text),
        cmocka_unit_test(context_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(an_argument_may_be_the_text_itself),
        cmocka_unit_test(what_could_steer_a_terminal_becomes_question_marks),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
