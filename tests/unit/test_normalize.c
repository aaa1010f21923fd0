/* The normalizers of tokenizer.json: lib/text/normalize.h. */
#include "lib/text/normalize.h"

#include "lib/base/file.h"
#include "tests/unit/check.h"

#define GOLDEN "tests/golden/tokenizer/"

static int make(struct medvl_normalizer **out, const char *json,
                struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc;

    CHECK_OK(medvl_json_parse(&tree, medvl_span(json), err), err);
    rc = medvl_normalizer_new(out, tree, err);
    medvl_json_free(tree);
    return rc;
}

static void check(const char *json, const char *text, const char *want)
{
    struct medvl_normalizer *n = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_rewrite r = {0};
    struct medvl_error err = {0};

    CHECK_OK(make(&n, json, &err), &err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    medvl_rewrite_begin(&r, medvl_span(text));
    CHECK_OK(medvl_normalizer_run(n, scratch, &r, &err), &err);
    if (!medvl_span_is(r.text, want))
        fail_msg("%s gives <%.*s>, not <%s>", json, (int)r.text.size,
                 r.text.data, want);
    if (strcmp(text, want) == 0)
        assert_false(r.moved);
    medvl_rewrite_release(&r);
    medvl_regex_scratch_free(scratch);
    medvl_normalizer_free(n);
}

static void every_step_does_what_its_name_says(void **state)
{
    (void)state;
    check("{\"type\":\"NFC\"}", "e\xCC\x81", "\xC3\xA9");
    check("{\"type\":\"NFD\"}", "\xC3\xA9", "e\xCC\x81");
    check("{\"type\":\"NFKC\"}", "\xEF\xAC\x81", "fi");
    check("{\"type\":\"NFKD\"}", "\xC2\xBD", "1\xE2\x81\x84"
                                             "2");
    check("{\"type\":\"Lowercase\"}", "A\xC4\xB0", "ai\xCC\x87");
    check("{\"type\":\"StripAccents\"}", "e\xCC\x81x", "ex");
    check("{\"type\":\"Nmt\"}", "a\x01\tb\xE2\x80\x8B", "a b ");
    check("{\"type\":\"Nmt\"}", "\xC2\x8E\xC2\x8F\x7F\xC2\x90\xC2\x9F",
          "\xC2\x8E\xC2\x90");
    check("{\"type\":\"Nmt\"}", "\xE2\x80\x8A\xE2\x80\x8F\xE2\x80\x90",
          "\xE2\x80\x8A \xE2\x80\x90");
    check("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}",
          " \n a b\xE3\x80\x80", "a b");
    check("{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}",
          " a ", " a");
    check("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "a", "_a");
    check("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "", "");
    check("{\"type\":\"Replace\",\"pattern\":{\"String\":\".\"},"
          "\"content\":\"!\"}",
          "a.b.", "a!b!");
    check("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},"
          "\"content\":\"\"}",
          "a  b c", "abc");
    check("{\"type\":\"ByteLevel\"}", " \xC3\xA9", "\xC4\xA0\xC3\x83\xC2\xA9");
    check("{\"type\":\"BertNormalizer\",\"clean_text\":true,"
          "\"handle_chinese_chars\":true,\"lowercase\":true}",
          "\xC3\x89\x07\t\xE8\x83\xB8x", "e  \xE8\x83\xB8 x");
    check("{\"type\":\"BertNormalizer\",\"strip_accents\":false,"
          "\"lowercase\":true}",
          "\xC3\x89", "\xC3\xA9");
    /* Its Chinese leaves U+2B820 to U+2B91F out, as there. */
    check("{\"type\":\"BertNormalizer\",\"handle_chinese_chars\":true}",
          "\xF0\xAB\xA0\x9F\xF0\xAB\xA0\xA0\xF0\xAB\xA4\x9F"
          "\xF0\xAB\xA4\xA0",
          " \xF0\xAB\xA0\x9F \xF0\xAB\xA0\xA0\xF0\xAB\xA4\x9F"
          " \xF0\xAB\xA4\xA0 ");
}

/* The number of the character that byte `at` of a text is in. */
static int64_t character(struct medvl_span text, size_t at)
{
    int64_t count = 0;

    for (size_t i = 1; i <= at && i < text.size; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}

static void check_starts(const struct medvl_json *line)
{
    struct medvl_normalizer *n = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_rewrite r = {0};
    struct medvl_error err = {0};
    const char *to = medvl_json_string(medvl_json_get(line, "to"));
    const struct medvl_span text = medvl_span(
        medvl_json_string(medvl_json_get(line, "text")));
    const struct medvl_json *start = medvl_json_first(
        medvl_json_get(line, "starts"));

    CHECK_OK(medvl_normalizer_new(&n, medvl_json_get(line, "normalizer"),
                                  &err),
             &err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    medvl_rewrite_begin(&r, text);
    CHECK_OK(medvl_normalizer_run(n, scratch, &r, &err), &err);
    if (!medvl_span_is(r.text, to))
        fail_msg("<%s> gives <%.*s>, not <%s>", text.data, (int)r.text.size,
                 r.text.data, to);
    for (size_t at = 0; at < r.text.size; at++) {
        int64_t want;

        if (at > 0 && (r.text.data[at] & 0xC0) != 0x80)
            start = medvl_json_next(start);
        want = (int64_t)medvl_json_number(start, -1);
        if (character(text, medvl_rewrite_origin(&r, at).start) != want)
            fail_msg("byte %zu of <%s>, which was <%s>, begins at %d, not "
                     "%d",
                     at, to, text.data,
                     (int)character(text, medvl_rewrite_origin(&r, at).start),
                     (int)want);
    }
    medvl_rewrite_release(&r);
    medvl_regex_scratch_free(scratch);
    medvl_normalizer_free(n);
}

static void characters_begin_where_hugging_face_has_them(void **state)
{
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_file_read(&file, GOLDEN "starts.jsonl", 1 << 20, &err),
             &err);
    for (size_t at = 0; at < file.size;) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const size_t size = (size_t)(end - file.data) - at;
        struct medvl_json *line = NULL;

        CHECK_OK(medvl_json_parse(
                     &line, (struct medvl_span){file.data + at, size}, &err),
                 &err);
        check_starts(line);
        medvl_json_free(line);
        at += size + 1;
    }
    medvl_text_release(&file);
}

static void what_needs_nothing_is_left(void **state)
{
    (void)state;
    check("null", "A b", "A b");
    check("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
          "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}"
          "]}]}",
          "a b", "a b");
}

static void sequences_run_in_order(void **state)
{
    (void)state;
    check("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\","
          "\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"A\"},"
          "{\"type\":\"Lowercase\"}]},{\"type\":\"Prepend\",\"prepend\":"
          "\"B\"}]}",
          "X", "Bax");
}

static void bad_steps_are_errors(void **state)
{
    struct medvl_normalizer *n = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(make(&n, "{\"type\":\"Latin\"}", &err), MEDVL_EUNSUPPORTED,
                &err, "normalizer: \"Latin\"");
    CHECK_FAILS(make(&n, "{}", &err), MEDVL_EUNSUPPORTED, &err, "no type");
    CHECK_FAILS(make(&n, "{\"type\":\"Prepend\"}", &err), MEDVL_EFORMAT,
                &err, "prepend");
    CHECK_FAILS(make(&n, "{\"type\":\"Replace\",\"content\":\"\"}", &err),
                MEDVL_EFORMAT, &err, "pattern");
    CHECK_FAILS(make(&n,
                     "{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
                     "\"?\"}",
                     &err),
                MEDVL_EFORMAT, &err, "base64");
}

/* 14 times "a" to "aa" would make 160 KiB of ten bytes. */
static void a_text_grows_32_times_at_most(void **state)
{
    struct medvl_text json = {0};
    struct medvl_normalizer *n = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_rewrite r = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_text_puts(&json, "{\"type\":\"Sequence\",\"normalizers\":[",
                             &err),
             &err);
    for (int i = 0; i < 14; i++)
        CHECK_OK(medvl_text_puts(
                     &json,
                     &",{\"type\":\"Replace\",\"pattern\":{\"String\":"
                      "\"a\"},\"content\":\"aa\"}"[i == 0],
                     &err),
                 &err);
    CHECK_OK(medvl_text_puts(&json, "]}", &err), &err);
    CHECK_OK(make(&n, json.data, &err), &err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    medvl_rewrite_begin(&r, medvl_span("aaaaaaaaaa"));
    CHECK_FAILS(medvl_normalizer_run(n, scratch, &r, &err),
                MEDVL_EUNSUPPORTED, &err, "longer than 65536 bytes");
    medvl_rewrite_begin(&r, medvl_span("aaaa"));
    CHECK_OK(medvl_normalizer_run(n, scratch, &r, &err), &err);
    assert_int_equal(r.text.size, 65536);
    medvl_rewrite_release(&r);
    medvl_regex_scratch_free(scratch);
    medvl_normalizer_free(n);
    medvl_text_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_does_what_its_name_says),
        cmocka_unit_test(characters_begin_where_hugging_face_has_them),
        cmocka_unit_test(what_needs_nothing_is_left),
        cmocka_unit_test(sequences_run_in_order),
        cmocka_unit_test(bad_steps_are_errors),
        cmocka_unit_test(a_text_grows_32_times_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
