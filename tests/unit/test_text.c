/* Spans, buffers, UTF-8, numbers.  The module is lib/base/text.h. */
#include "tests/unit/check.h"

#include <float.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "lib/base/rng.h"

static void a_buffer_grows_and_always_ends_in_zero(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    int i;

    (void)state;
    CHECK_OK(medvl_text_append(&text, NULL, 0, &err), &err);
    assert_string_equal(text.data, "");
    for (i = 0; i < 1000; i++)
        CHECK_OK(medvl_text_printf(&text, &err, "%03d", i), &err);
    CHECK_OK(medvl_text_putc(&text, '!', &err), &err);
    assert_int_equal(text.size, 3001);
    assert_string_equal(text.data + 2997, "999!");
    medvl_text_clear(&text);
    assert_string_equal(text.data, "");
    CHECK_FAILS(medvl_text_reserve(&text, SIZE_MAX, &err), MEDVL_ENOMEM, &err,
                "memory");
    medvl_text_shrink(&text);
    assert_string_equal(text.data, "");
    CHECK_OK(medvl_text_reserve(&text, 2 << 20, &err), &err);
    medvl_text_shrink(&text);
    assert_null(text.data);
    CHECK_OK(medvl_text_putc(&text, '!', &err), &err);
    medvl_text_release(&text);
    assert_null(text.data);
}

static void spans_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(medvl_span_is((struct medvl_span){"abc", 2}, "ab"));
    assert_false(medvl_span_is((struct medvl_span){"abc", 3}, "ab"));
    assert_true(medvl_span_equal((struct medvl_span){NULL, 0},
                                 medvl_span("")));
}

/* Every rune survives, and no other four bytes decode. */
static void all_runes_encode_and_decode(void **state)
{
    uint32_t rune, back = 0;
    char bytes[4];

    (void)state;
    for (rune = 0; rune <= 0x10ffff; rune++) {
        int length;

        if (rune == 0xd800)
            rune = 0xe000;
        length = medvl_utf8_encode(bytes, rune);
        if (medvl_utf8_decode(&back, bytes, (size_t)length) != length ||
            back != rune)
            fail_msg("U+%04X", rune);
        if (length > 1 &&
            medvl_utf8_decode(&back, bytes, (size_t)length - 1))
            fail_msg("U+%04X", rune);
    }
}

static void what_is_not_utf8_is_found_at_its_byte(void **state)
{
    static const char *const BAD[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xe2\x82",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x28\xa1",
        "\xf0\x9f\x92",
    };
    char text[128];
    size_t i, at;

    (void)state;
    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        for (at = 0; at < 70; at++) {
            memset(text, 'a', sizeof(text));
            if (at >= 2)
                memcpy(text + at - 2, "\xc3\xa9", 2);
            memcpy(text + at, BAD[i], strlen(BAD[i]));
            if (medvl_utf8_valid(text, at + strlen(BAD[i])) != at ||
                medvl_utf8_valid(text, sizeof(text)) != at)
                fail_msg("case %zu at %zu", i, at);
        }
    assert_int_equal(medvl_utf8_valid("", 0), 0);
    assert_int_equal(medvl_utf8_valid("a\0b", 3), 3);
}

static int parse_int(int64_t *out, const char *text, struct medvl_error *err)
{
    return medvl_parse_int(out, medvl_span(text), -10, INT64_MAX, err);
}

static void whole_numbers_are_strict(void **state)
{
    static const char *const BAD[] = {"", "-", "+1", " 1", "1 ", "1.0",
                                      "0x10", "1e3", "--1"};
    struct medvl_error err = {0};
    int64_t value = 7;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        CHECK_FAILS(parse_int(&value, BAD[i], &err), MEDVL_EFORMAT, &err,
                    "whole number");
    CHECK_FAILS(parse_int(&value, "-11", &err), MEDVL_EARG, &err, "-10..");
    CHECK_FAILS(parse_int(&value, "9223372036854775808", &err), MEDVL_EARG,
                &err, "is not in");
    assert_int_equal(value, 7);
    CHECK_OK(parse_int(&value, "9223372036854775807", &err), &err);
    assert_true(value == INT64_MAX);
    CHECK_OK(medvl_parse_int(&value, medvl_span("-9223372036854775808"),
                             INT64_MIN, 0, &err),
             &err);
    assert_true(value == INT64_MIN);
}

static int parse_real(double *out, const char *text, struct medvl_error *err)
{
    return medvl_parse_real(out, medvl_span(text), -DBL_MAX, DBL_MAX, err);
}

static void real_numbers_are_strict(void **state)
{
    static const char *const BAD[] = {"", "-", "+1", " 1", "1 ", ".5", "5.",
                                      "1e", "1e+", "inf", "nan", "0x1p3",
                                      "1,5", "1e5x", "1.5.2"};
    struct medvl_error err = {0};
    double value = 7;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        CHECK_FAILS(parse_real(&value, BAD[i], &err), MEDVL_EFORMAT, &err,
                    "not a number");
    CHECK_FAILS(parse_real(&value, "1e400", &err), MEDVL_EARG, &err, "1e400");
    CHECK_FAILS(medvl_parse_real(&value, medvl_span("1.5"), 0, 1, &err),
                MEDVL_EARG, &err, "not in 0..1");
    assert_true(value == 7);
    CHECK_OK(parse_real(&value, "-12.5e-1", &err), &err);
    assert_true(value == -1.25);
    CHECK_OK(parse_real(&value, "1e-99999999999999999999", &err), &err);
    assert_true(value == 0);
    /* A span ends where it ends, whatever stands behind it. */
    CHECK_OK(medvl_parse_real(&value, (struct medvl_span){"1e57", 3}, 0, 1e9,
                              &err),
             &err);
    assert_true(value == 1e5);
}

static void a_number_of_a_thousand_digits_is_read(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    double value;
    int i;

    (void)state;
    CHECK_OK(medvl_text_puts(&text, "0.", &err), &err);
    for (i = 0; i < 1000; i++)
        CHECK_OK(medvl_text_putc(&text, '3', &err), &err);
    CHECK_OK(medvl_text_puts(&text, "e1", &err), &err);
    CHECK_OK(medvl_parse_real(&value, medvl_text_span(&text), 0, 10, &err),
             &err);
    assert_true(value == 10.0 / 3);
    medvl_text_release(&text);
}

static void numbers_have_their_shortest_form(void **state)
{
    static const struct {
        double value;
        const char *text;
    } CASES[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-3, "-3"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000"},
        {9007199254740992.0, "9007199254740992"},
        {1e22, "1e+22"},
        {123456.789, "123456.789"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {1.0 / 3, "0.3333333333333333"},
    };
    char text[32];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        assert_int_equal(medvl_format_double(text, CASES[i].value),
                         strlen(CASES[i].text));
        assert_string_equal(text, CASES[i].text);
    }
    medvl_format_float(text, 0.1f);
    assert_string_equal(text, "0.1");
    medvl_format_float(text, 16777216.0f);
    assert_string_equal(text, "16777216");
    medvl_format_float(text, FLT_MAX);
    assert_string_equal(text, "3.4028235e+38");
    medvl_format_float(text, FLT_TRUE_MIN);
    assert_string_equal(text, "1e-45");
}

static void random_bit_patterns_read_back_the_same(void **state)
{
    struct medvl_rng rng;
    char text[32];
    int i;

    (void)state;
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (i = 0; i < 100000; i++) {
        const uint64_t bits = medvl_rng_u64(&rng);
        const uint32_t small = (uint32_t)bits;
        struct medvl_error err = {0};
        double value, back;
        float single;

        memcpy(&value, &bits, sizeof(value));
        memcpy(&single, &small, sizeof(single));
        if (isfinite(value)) {
            medvl_format_double(text, value);
            CHECK_OK(parse_real(&back, text, &err), &err);
            if (memcmp(&back, &value, sizeof(back)))
                fail_msg("%s is not %a", text, value);
        }
        if (isfinite(single)) {
            medvl_format_float(text, single);
            if (strtof(text, NULL) != single)
                fail_msg("%s is not %a", text, (double)single);
        }
    }
}

/* Threads of a team flush denormals; what they print must not change. */
static void a_subnormal_prints_the_same_where_they_are_flushed(void **state)
{
#ifdef __SSE2__
    const unsigned before = _mm_getcsr();
    char text[32];

    (void)state;
    _mm_setcsr(before | 0x8040);
    medvl_format_double(text, 5e-324);
    _mm_setcsr(before);
    assert_string_equal(text, "5e-324");
#else
    (void)state;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_always_ends_in_zero),
        cmocka_unit_test(spans_compare_by_bytes),
        cmocka_unit_test(all_runes_encode_and_decode),
        cmocka_unit_test(what_is_not_utf8_is_found_at_its_byte),
        cmocka_unit_test(whole_numbers_are_strict),
        cmocka_unit_test(real_numbers_are_strict),
        cmocka_unit_test(a_number_of_a_thousand_digits_is_read),
        cmocka_unit_test(numbers_have_their_shortest_form),
        cmocka_unit_test(random_bit_patterns_read_back_the_same),
        cmocka_unit_test(a_subnormal_prints_the_same_where_they_are_flushed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
