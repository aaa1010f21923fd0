/* Bytes as characters: lib/text/spell.h. */
#include "lib/text/spell.h"

#include "tests/unit/check.h"

static void every_byte_has_a_character(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(
            medvl_rune_byte(medvl_byte_rune((unsigned char)byte)), byte);
    assert_int_equal(medvl_byte_rune(' '), 0x120);
    assert_int_equal(medvl_rune_byte(' '), -1);
    assert_int_equal(medvl_rune_byte(0x144), -1);
}

static void a_spelling_becomes_its_bytes(void **state)
{
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_text_puts(&out, "before ", &err), &err);
    assert_int_equal(
        medvl_spelled_bytes(&out, medvl_span("\u0120a\u00e2\u0124\u00ac"),
                            &err),
        1);
    assert_string_equal(out.data, "before  a\xE2\x82\xAC");
    medvl_text_release(&out);
}

static void what_spells_no_byte_leaves_the_text_alone(void **state)
{
    const char *const bad[] = {"ab c", "a\u0144", "a\xFF"};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_text_puts(&out, "before", &err), &err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(medvl_spelled_bytes(&out, medvl_span(bad[i]), &err),
                         0);
        assert_string_equal(out.data, "before");
        assert_int_equal(out.size, 6);
    }
    assert_int_equal(medvl_spelled_bytes(&out, medvl_span(""), &err), 1);
    assert_string_equal(out.data, "before");
    medvl_text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_a_character),
        cmocka_unit_test(a_spelling_becomes_its_bytes),
        cmocka_unit_test(what_spells_no_byte_leaves_the_text_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
