/* Splitting text into pieces.  The module is lib/text/pretokenize.h. */
#include "lib/text/pretokenize.h"

#include "lib/base/rng.h"
#include "tests/unit/check.h"

static struct medvl_splitter *open_splitter(struct medvl_pretokenizer **pre,
                                            const char *const *regexes,
                                            int count)
{
    struct medvl_splitter *splitter = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_pretokenizer_new(pre, &err), &err);
    for (int i = 0; i < count; i++)
        CHECK_OK(medvl_pretokenizer_add_regex(*pre, medvl_span(regexes[i]),
                                              &err),
                 &err);
    CHECK_OK(medvl_splitter_new(&splitter, *pre, &err), &err);
    return splitter;
}

/* The pieces of `text` with a bar between them. */
static void split(struct medvl_text *out, struct medvl_splitter *splitter,
                  struct medvl_span text, int at_once)
{
    struct medvl_error err = {0};
    size_t ends[64];
    size_t start = 0;
    int count;

    medvl_text_clear(out);
    medvl_splitter_begin(splitter, text);
    do {
        count = medvl_splitter_next(splitter, ends, at_once, &err);
        CHECK_OK(count, &err);
        for (int i = 0; i < count; i++) {
            assert_true(ends[i] > start && ends[i] <= text.size);
            if (start > 0)
                CHECK_OK(medvl_text_putc(out, '|', &err), &err);
            CHECK_OK(medvl_text_append(out, text.data + start,
                                       ends[i] - start, &err),
                     &err);
            start = ends[i];
        }
    } while (count > 0);
    assert_int_equal(start, text.size);
}

static void check_split(const char *name, const char *text, const char *want)
{
    const char *regex = medvl_pretokenizer_pattern(name);
    struct medvl_pretokenizer *pre = NULL;
    struct medvl_splitter *splitter = open_splitter(&pre, &regex, 1);
    struct medvl_text out = {0};

    split(&out, splitter, medvl_span(text), 64);
    assert_string_equal(out.data, want);
    medvl_text_release(&out);
    medvl_splitter_free(splitter);
    medvl_pretokenizer_free(pre);
}

static void words_take_the_space_before_them(void **state)
{
    (void)state;
    check_split("gpt2", "A 12 mm nodule,  left.\n\nIt's",
                "A| 12| mm| nodule|,| | left|.|\n|\n|It|'s");
    check_split("llama3", "A 12345 mm  nodule.\n\nIt'S \n x",
                "A| |123|45| mm| | nodule|.\n\n|It|'S| \n| x");
    check_split("qwen2", "12 (34)\t\tx  ", "1|2| (|3|4|)|\t|\tx|  ");
}

static void contractions_follow_case_as_the_pattern_says(void **state)
{
    (void)state;
    check_split("gpt2", "don't DON'T", "don|'t| DON|'|T");
    check_split("llama3", "don't DON'T he'LL 'sx", "don|'t| DON|'T| he|'LL|"
                                                   " '|sx");
    check_split("llama3", "a'\xC5\xBF", "a|'\xC5\xBF"); /* long s */
    check_split("llama3", "x'", "x|'");
    check_split("llama3", "'r", "'r");
}

/*
 * The written patterns against PCRE2, which gets the same expression in
 * brackets and so does not recognise it.
 */
static void written_patterns_agree_with_the_expression(void **state)
{
    static const char *const parts[] = {
        "a", "Ab", "hundredletters", " ", "  ", "\t", "\n", "\r\n", "1",
        "234", "56789", ".", "!?", "'s", "'S", "'re", "'LL", "'m", "'D", "'t",
        "'vE", "'", "(", "_",
        "\xC3\xA9", "e\xCC\x81", "\xC5\xBF", "\xC2\xA0", "\xE3\x80\x80",
        "\xC2\x85", "\xE8\x83\xB8", "\xE9\x83\xA8", "\xD9\xA3", "\xC2\xBD",
        "\xE2\x85\xA7", "\xF0\x9F\x91\x8D", "\xF0\x90\x90\x80",
        "\xF0\x9D\x9F\x8E", "\xE2\x80\x8D", "\xEF\xBB\xBF", "\xE2\x80\xA8",
        "\x01", "\x7F", "\v", "\f", "\x1C"};
    static const char *const names[] = {"gpt2", "llama3", "qwen2"};

    (void)state;
    for (int k = 0; k < 3; k++) {
        const char *regex = medvl_pretokenizer_pattern(names[k]);
        struct medvl_text bracketed = {0};
        struct medvl_text text = {0};
        struct medvl_text fast = {0};
        struct medvl_text slow = {0};
        struct medvl_pretokenizer *pre[2] = {NULL, NULL};
        struct medvl_splitter *splitters[2];
        struct medvl_error err = {0};
        struct medvl_rng rng;

        CHECK_OK(medvl_text_printf(&bracketed, &err, "(?:%s)", regex), &err);
        splitters[0] = open_splitter(&pre[0], &regex, 1);
        splitters[1] = open_splitter(
            &pre[1], (const char *const *)&bracketed.data, 1);
        assert_true(medvl_pretokenizer_covers(pre[0]));
        assert_false(medvl_pretokenizer_covers(pre[1]));
        medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, (uint64_t)k);
        for (int i = 0; i < 20000; i++) {
            const uint64_t count = medvl_rng_below(&rng, 12);

            medvl_text_clear(&text);
            for (uint64_t n = 0; n < count; n++)
                CHECK_OK(medvl_text_puts(
                             &text,
                             parts[medvl_rng_below(
                                 &rng, sizeof(parts) / sizeof(parts[0]))],
                             &err),
                         &err);
            split(&fast, splitters[0], medvl_text_span(&text), 1 + i % 7);
            split(&slow, splitters[1], medvl_text_span(&text), 1 + i % 5);
            if (!medvl_span_equal(medvl_text_span(&fast),
                                  medvl_text_span(&slow)))
                fail_msg("%s: <%s> is not <%s>", names[k], fast.data,
                         slow.data);
        }
        for (int i = 0; i < 2; i++) {
            medvl_splitter_free(splitters[i]);
            medvl_pretokenizer_free(pre[i]);
        }
        medvl_text_release(&bracketed);
        medvl_text_release(&text);
        medvl_text_release(&fast);
        medvl_text_release(&slow);
    }
}

static void steps_cut_the_pieces_of_the_step_before(void **state)
{
    const char *const regexes[] = {
        "\\p{N}{1,3}", "[,;]",
        medvl_pretokenizer_pattern("gpt2")};
    struct medvl_pretokenizer *pre = NULL;
    struct medvl_splitter *splitter = open_splitter(&pre, regexes, 3);
    struct medvl_text out = {0};

    (void)state;
    split(&out, splitter, medvl_span("ab 12345;cd ef,,g  "), 2);
    assert_string_equal(out.data, "ab| |123|45|;|cd| ef|,|,|g|  ");
    split(&out, splitter, medvl_span(""), 2);
    assert_int_equal(out.size, 0);
    medvl_text_release(&out);
    medvl_splitter_free(splitter);
    medvl_pretokenizer_free(pre);
}

static void no_steps_leave_the_text_whole(void **state)
{
    struct medvl_pretokenizer *pre = NULL;
    struct medvl_splitter *splitter = open_splitter(&pre, NULL, 0);
    struct medvl_text out = {0};

    (void)state;
    split(&out, splitter, medvl_span("a b, c"), 3);
    assert_string_equal(out.data, "a b, c");
    medvl_text_release(&out);
    medvl_splitter_free(splitter);
    medvl_pretokenizer_free(pre);
}

static void bad_expressions_are_errors(void **state)
{
    struct medvl_pretokenizer *pre = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_pretokenizer_new(&pre, &err), &err);
    CHECK_FAILS(medvl_pretokenizer_add_regex(pre, medvl_span("a(b"), &err),
                MEDVL_EFORMAT, &err, "parenthesis");
    CHECK_FAILS(medvl_pretokenizer_add_regex(pre, medvl_span("a*"), &err),
                MEDVL_EUNSUPPORTED, &err, "nothing");
    CHECK_FAILS(medvl_pretokenizer_add_regex(pre, medvl_span("[a&&b]"),
                                             &err),
                MEDVL_EUNSUPPORTED, &err, "&&");
    assert_null(medvl_pretokenizer_pattern("bert"));
    medvl_pretokenizer_free(pre);
}

/* An expression made to backtrack for ever ends in an error. */
static void an_expression_that_explodes_is_an_error(void **state)
{
    const char *regex = "(?:a|aa)+(?:a|aa)+(?:a|aa)+[xyz]";
    struct medvl_pretokenizer *pre = NULL;
    struct medvl_splitter *splitter = open_splitter(&pre, &regex, 1);
    struct medvl_error err = {0};
    char text[60];
    size_t end;

    (void)state;
    memset(text, 'a', sizeof(text));
    medvl_splitter_begin(splitter, (struct medvl_span){text, sizeof(text)});
    CHECK_FAILS(medvl_splitter_next(splitter, &end, 1, &err), MEDVL_EFORMAT,
                &err, "takes too long");
    medvl_splitter_free(splitter);
    medvl_pretokenizer_free(pre);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_take_the_space_before_them),
        cmocka_unit_test(contractions_follow_case_as_the_pattern_says),
        cmocka_unit_test(written_patterns_agree_with_the_expression),
        cmocka_unit_test(steps_cut_the_pieces_of_the_step_before),
        cmocka_unit_test(no_steps_leave_the_text_whole),
        cmocka_unit_test(bad_expressions_are_errors),
        cmocka_unit_test(an_expression_that_explodes_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
