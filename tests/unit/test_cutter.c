/* The pre-tokenizers of tokenizer.json: lib/text/cutter.h. */
#include "lib/text/cutter.h"

#include "tests/unit/check.h"

static int make(struct medvl_cutter **out, const char *json,
                struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    int rc;

    CHECK_OK(medvl_json_parse(&tree, medvl_span(json), err), err);
    rc = medvl_cutter_new(out, tree, err);
    medvl_json_free(tree);
    return rc;
}

/* The pieces with bars between. */
static void check(const char *json, const char *text, const char *want)
{
    struct medvl_cutter *cutter = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_rewrite r = {0};
    struct medvl_pieces pieces = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    CHECK_OK(make(&cutter, json, &err), &err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    medvl_rewrite_begin(&r, medvl_span(text));
    CHECK_OK(medvl_cutter_run(cutter, scratch, &r, &pieces, true, &err),
             &err);
    CHECK_OK(medvl_text_reserve(&out, 1, &err), &err);
    for (size_t i = 0; i < pieces.count; i++) {
        if (i > 0)
            CHECK_OK(medvl_text_putc(&out, '|', &err), &err);
        CHECK_OK(medvl_text_append(&out, r.text.data + pieces.starts[i],
                                   pieces.ends[i] - pieces.starts[i], &err),
                 &err);
    }
    if (!medvl_span_is(medvl_text_span(&out), want))
        fail_msg("%s gives %s, not %s", json, out.data, want);
    medvl_text_release(&out);
    medvl_pieces_release(&pieces);
    medvl_rewrite_release(&r);
    medvl_regex_scratch_free(scratch);
    medvl_cutter_free(cutter);
}

#define SPLIT(behavior, invert)                           \
    "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"}," \
    "\"behavior\":\"" behavior "\",\"invert\":" invert "}"

static void every_behaviour_joins_as_it_says(void **state)
{
    const char *text = "the-final--countdown";

    (void)state;
    check(SPLIT("Removed", "false"), text, "the|final|countdown");
    check(SPLIT("Isolated", "false"), text, "the|-|final|-|-|countdown");
    check(SPLIT("MergedWithPrevious", "false"), text,
          "the-|final-|-|countdown");
    check(SPLIT("MergedWithNext", "false"), text, "the|-final|-|-countdown");
    check(SPLIT("Contiguous", "false"), text, "the|-|final|--|countdown");
    check(SPLIT("Removed", "true"), text, "-|-|-");
}

static void every_step_cuts_where_it_says(void **state)
{
    (void)state;
    check("null", "a b", "a b");
    check("null", "", "");
    check("{\"type\":\"WhitespaceSplit\"}", " a,\tb\xE3\x80\x80"
                                            "c",
          "a,|b|c");
    check("{\"type\":\"Whitespace\"}", "a_1,; b", "a_1|,;|b");
    check("{\"type\":\"BertPreTokenizer\"}", "a,b c.", "a|,|b|c|.");
    check("{\"type\":\"Punctuation\"}", "a$b", "a|$|b");
    check("{\"type\":\"Punctuation\",\"behavior\":\"Removed\"}", "a!b",
          "a|b");
    check("{\"type\":\"Digits\",\"individual_digits\":true}", "a12", "a|1|2");
    check("{\"type\":\"Digits\",\"individual_digits\":false}", "12a", "12|a");
    check("{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"x\"}", "axxb",
          "a|b");
    check("{\"type\":\"FixedLength\",\"length\":2}", "a\xC3\xA9"
                                                     "bcd",
          "a\xC3\xA9|bc|d");
    check("{\"type\":\"UnicodeScripts\"}", " ab \xD0\xB6", "ab |\xD0\xB6");
}

static void marks_are_put_for_spaces(void **state)
{
    (void)state;
    check("{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "a b", "_a|_b");
    check("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
          "\"never\",\"split\":false}",
          "a b", "a_b");
    check("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
          "\"WhitespaceSplit\"},{\"type\":\"Metaspace\",\"replacement\":"
          "\"_\",\"prepend_scheme\":\"first\"}]}",
          "a b", "_a|b");
    check("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "a \xC3\xA9",
          "\xC4\xA0"
          "a|\xC4\xA0\xC3\x83\xC2\xA9");
    check("{\"type\":\"ByteLevel\",\"use_regex\":false}", "a b",
          "a\xC4\xA0"
          "b");
}

static void bad_steps_are_errors(void **state)
{
    struct medvl_cutter *cutter = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(make(&cutter, "{\"type\":\"Words\"}", &err),
                MEDVL_EUNSUPPORTED, &err, "pre_tokenizer: \"Words\"");
    CHECK_FAILS(make(&cutter, SPLIT("Merged", "false"), &err),
                MEDVL_EUNSUPPORTED, &err, "Merged");
    CHECK_FAILS(make(&cutter, "{\"type\":\"FixedLength\",\"length\":0}",
                     &err),
                MEDVL_EFORMAT, &err, "length");
    CHECK_FAILS(make(&cutter,
                     "{\"type\":\"CharDelimiterSplit\",\"delimiter\":"
                     "\"ab\"}",
                     &err),
                MEDVL_EFORMAT, &err, "one character");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_behaviour_joins_as_it_says),
        cmocka_unit_test(every_step_cuts_where_it_says),
        cmocka_unit_test(marks_are_put_for_spaces),
        cmocka_unit_test(bad_steps_are_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
