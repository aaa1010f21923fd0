/* Expressions of tokenizer.json.  The module is lib/text/regex.h. */
#include "lib/text/regex.h"

#include "tests/unit/check.h"

static void put(struct medvl_text *out, const char *data, size_t size)
{
    assert_int_equal(medvl_text_append(out, data, size, NULL), MEDVL_OK);
}

/* The text with every match in brackets. */
static void check_matches(const char *pattern, const char *text,
                          const char *want)
{
    struct medvl_regex *regex = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_matches m = {.text = medvl_span(text)};
    struct medvl_text out = {0};
    struct medvl_error err = {0};
    size_t last = 0;
    int rc;

    CHECK_OK(medvl_regex_new(&regex, medvl_span(pattern), &err), &err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, &err), &err);
    while ((rc = medvl_regex_next(regex, scratch, &m, &err)) > 0) {
        put(&out, text + last, m.start - last);
        put(&out, "[", 1);
        put(&out, text + m.start, m.end - m.start);
        put(&out, "]", 1);
        last = m.end;
    }
    CHECK_OK(rc, &err);
    put(&out, text + last, strlen(text) - last);
    if (strcmp(out.data, want) != 0)
        fail_msg("%s gives %s, not %s", pattern, out.data, want);
    medvl_text_release(&out);
    medvl_regex_scratch_free(scratch);
    medvl_regex_free(regex);
}

/* What Hugging Face's Split gives for the same. */
static void expressions_are_read_as_oniguruma_reads_them(void **state)
{
    (void)state;
    check_matches("[0-9]{1,3}+", "ab1234567cd", "ab[1234567]cd");
    check_matches("(?:xy){2}+", "xyxyxyxyxy", "[xyxyxyxy]xy");
    check_matches("a$", "a\nba\n", "[a]\nb[a]\n");
    check_matches("^b", "a\nba\n", "a\n[b]a\n");
    check_matches(".+", "a\nb\rc", "[a]\n[b\rc]");
    check_matches("(?m).+", "a\nb", "[a\nb]");
    check_matches("\\h", "axf0", "[a]x[f][0]");
    check_matches("[\\h]+", "axf0", "[a]x[f0]");
    check_matches("\\s", "a\xE1\xA0\x8E\xC2\x85"
                         "b",
                  "a\xE1\xA0\x8E[\xC2\x85]b");
    check_matches("\\w+", "a_\xC2\xB2\xCC\x81 b", "[a_\xC2\xB2\xCC\x81] [b]");
    check_matches("[\\w]+", "a\xC2\xB2 b", "[a]\xC2\xB2 [b]");
    check_matches("\\b", "ab cd", "[]ab[] []cd[]");
    check_matches("\\v", "a\x0B"
                         "b\nc",
                  "a[\x0B]b\nc");
    check_matches("[[:alnum:]]+", "a1-\xC3\xA9\xD9\xA3_\xC2\xB2",
                  "[a1]-[\xC3\xA9\xD9\xA3]_\xC2\xB2");
    check_matches("[[:xdigit:]]+", "agf1", "[a]g[f1]");
    check_matches("\\p{Digit}+", "a1\xD9\xA3\xC2\xB2",
                  "a[1\xD9\xA3]\xC2\xB2");
    check_matches("[[:punct:]]", "a$+\xC2\xA7", "a[$][+][\xC2\xA7]");
    check_matches("a{,2}", "aaa", "[aa][a]");
    check_matches("\\u4e00", "\xE4\xB8\x80", "[\xE4\xB8\x80]");
    check_matches("\\p{Letter}+", "a1", "[a]1");
    check_matches("a{x", "a{x", "[a{x]");
    check_matches("\\P{L}+\\P{N}", "a1.", "a[1.]");
    check_matches("(?=a)x?[aA]+", "a-a", "[a]-[a]");
}

static void characters_are_those_that_the_escapes_name(void **state)
{
    (void)state;
    check_matches("\\x{e9}", "a\xC3\xA9\x01{e9}", "a[\xC3\xA9]\x01{e9}");
    check_matches("\\x{e9}{2}", "\xC3\xA9\xC3\xA9", "[\xC3\xA9\xC3\xA9]");
    check_matches("[\\x{41}-\\x43\\u0045]", "ABCDEF", "[A][B][C]D[E]F");
    check_matches("\\x4a|\\101", "JAx4a", "[J][A]x4a");
    check_matches("\\pL\\V", "pLVaL", "[pLV]aL");
    check_matches("[\\pL]", "apL", "a[p][L]");
    check_matches("\\QE\\E+", "QEE.QE.", "[QEE].QE.");
    check_matches("[\\b\\e\\t-\\r]", "\b\x1B\t\va", "[\b][\x1B][\t][\v]a");
    check_matches("\\\xC3\xA9{2}+", "a\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9",
                  "a[\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9]");
}

/* "{n}?" is "(?:{n})?", where "{n,m}?" is lazy. */
static void intervals_are_repeated_by_what_follows(void **state)
{
    (void)state;
    check_matches("-{1}?", "a-a", "[]a[-]a[]");
    check_matches("ba{2}?c", "bc.bac.baac", "[bc].bac.[baac]");
    check_matches("(?:xy){1,2}?", "xyxy", "[xy][xy]");
    check_matches("a{1,1}?", "aa", "[a][a]");
    check_matches("a(?#c)+", "aab", "[aa]b");
    check_matches(".*\\R", "a\xE2\x80\xA8\nb", "[a\xE2\x80\xA8\n]b");
    check_matches(".*\\R", "a\xE2\x80\xA8"
                           "b",
                  "[a\xE2\x80\xA8]b");
    check_matches("a{,}", "aa{,}", "a[a{,}]");
    check_matches("a{{2}+", "a{{{{", "[a{{{{]");
}

/* U+4E2D, and U+3002 and U+30FC, which other scripts use too. */
static void a_script_is_its_own_characters(void **state)
{
    (void)state;
    check_matches("\\p{Han}+", "\xE4\xB8\xAD\xE3\x80\x82",
                  "[\xE4\xB8\xAD]\xE3\x80\x82");
    check_matches("[\\p{Han}\\p{Hiragana}]+", "\xE4\xB8\xAD\xE3\x83\xBC",
                  "[\xE4\xB8\xAD]\xE3\x83\xBC");
    check_matches("\\P{Han}", "\xE4\xB8\xAD\xE3\x80\x82",
                  "\xE4\xB8\xAD[\xE3\x80\x82]");
    check_matches("\\p{^Han}", "\xE4\xB8\xAD\xE3\x80\x82",
                  "\xE4\xB8\xAD[\xE3\x80\x82]");
    check_matches("\\p{Greek}", "\xCE\xB1\xCD\x85", "[\xCE\xB1]\xCD\x85");
    check_matches("\\p{Lu}\\p{Nd}", "A1", "[A1]");
}

static void empty_matches_are_found_once(void **state)
{
    (void)state;
    check_matches("b*", "abba", "[]a[bb]a[]");
    check_matches("(?=b)", "abab", "a[]ba[]b");
}

static void bytes_are_found_as_they_are(void **state)
{
    struct medvl_regex *regex = NULL;
    struct medvl_matches m = {.text = medvl_span("a.b.")};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_regex_new_literal(&regex, medvl_span("."), &err), &err);
    assert_int_equal(medvl_regex_next(regex, NULL, &m, &err), 1);
    assert_int_equal(m.start, 1);
    assert_int_equal(medvl_regex_next(regex, NULL, &m, &err), 1);
    assert_int_equal(m.end, 4);
    assert_int_equal(medvl_regex_next(regex, NULL, &m, &err), 0);
    assert_false(medvl_regex_may_be_empty(regex));
    medvl_regex_free(regex);
}

static void what_has_no_translation_is_named(void **state)
{
    static const char *const CASES[] = {"[a&&b]", "[a[bc]]", "\\X", "(?~a)",
                                        "\\g<1>", "(*ACCEPT)", "\\xE9",
                                        "[\\xC3\\xA9]", "\\x{}", "\\x{41 42}",
                                        "[\\x{g}]", "\\x", "\\200", "\\u41"};
    struct medvl_regex *regex = NULL;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        CHECK_FAILS(medvl_regex_new(&regex, medvl_span(CASES[i]), &err),
                    MEDVL_EUNSUPPORTED, &err, "regular expression with");
        assert_null(regex);
    }
    CHECK_FAILS(medvl_regex_new(&regex, medvl_span("[!?\xE2\x80\xA6["
                                                   "\xE3\x80\x82\xEF\xBC\x8C"),
                                &err),
                MEDVL_EUNSUPPORTED, &err, "\"[\xE3\x80\x82\xEF\xBC\x8C\"");
    CHECK_FAILS(medvl_regex_new(&regex,
                                medvl_span("[a[!?....\xE2\x80\xA6]]"), &err),
                MEDVL_EUNSUPPORTED, &err, "\"[!?....\xE2\x80\xA6\"");
    CHECK_FAILS(medvl_regex_new(&regex, medvl_span("a(b"), &err),
                MEDVL_EFORMAT, &err, "parenthesis");
}

/* "removed" of Hugging Face's Split finds "st" in U+FB06, and so on. */
static void what_folding_would_join_is_refused(void **state)
{
    static const char *const REFUSED[] = {
        "(?i)the|st", "x(?i:s)t|(?i:ST)", "(?i)s(?:t)", "(?i)s{1}t",
        "(?i)\\x73\\u0074", "(?i)s(?#st)t", "(?i)\xC5\xBFt",
        "(?i)\xC3\x9F", "(?i)[\xC3\x80-\xC3\xBF]", "(?i)[a\xC3\x9F]",
        "(?i)[\\p{L}]", "(?i)[^\\p{Lu}]", "(?i)[[:upper:]]",
        "(?i)[\\w]+", "(?xi)s t", "(?x)a(?i:b)", "a(?i)b|c",
        "(?i)\\163t", "(?i)[\\t-\xC3\xBF]", "(?i)i\xCC\x87",
        "(?i)\xCF\x8D(?-i:x)\xCE\xB1\xCE\xB9"};
    struct medvl_regex *regex = NULL;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        if (medvl_regex_new(&regex, medvl_span(REFUSED[i]), &err) !=
            MEDVL_EUNSUPPORTED)
            fail_msg("%s is taken", REFUSED[i]);
        assert_null(regex);
    }
    CHECK_FAILS(medvl_regex_new(&regex, medvl_span("(?i)the|st"), &err),
                MEDVL_EUNSUPPORTED, &err,
                "\"st\" without regard to case");
}

static void the_rest_is_found_in_any_case(void **state)
{
    (void)state;
    check_matches("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "a'S b'\xC5\xBF c'LL",
                  "a['S] b['\xC5\xBF] c['LL]");
    check_matches("(?i)s+t", "SsT\xEF\xAC\x86", "[SsT]\xEF\xAC\x86");
    check_matches("(?i)st+", "STt\xEF\xAC\x86", "[STt]\xEF\xAC\x86");
    check_matches("(?i)s|t", "S\xEF\xAC\x86", "[S]\xEF\xAC\x86");
    check_matches("(?i)[s]t", "ST\xEF\xAC\x86", "[ST]\xEF\xAC\x86");
    check_matches("(?i)s(?-i:t)", "StST", "[St]ST");
    check_matches("st|(?i:k)", "stST\xE2\x84\xAA", "[st]ST[\xE2\x84\xAA]");
    check_matches("(?i)[a-z]+[\\p{N}]", "xX1", "[xX1]");
    check_matches("(?i)[^a]", "A\xC3\x9F", "A[\xC3\x9F]");
}

/* The matches in `count` times `unit`; the error's code if there is one. */
static int64_t matches_of(const char *pattern, const char *unit, size_t count,
                          struct medvl_error *err)
{
    struct medvl_regex *regex = NULL;
    struct medvl_regex_scratch *scratch = NULL;
    struct medvl_matches m = {0};
    struct medvl_text text = {0};
    int64_t matches = 0;
    int rc;

    CHECK_OK(medvl_regex_new(&regex, medvl_span(pattern), err), err);
    CHECK_OK(medvl_regex_scratch_new(&scratch, err), err);
    for (size_t i = 0; i < count; i++)
        put(&text, unit, strlen(unit));
    m.text = medvl_text_span(&text);
    while ((rc = medvl_regex_next(regex, scratch, &m, err)) > 0)
        matches++;
    medvl_text_release(&text);
    medvl_regex_scratch_free(scratch);
    medvl_regex_free(regex);
    return rc < 0 ? rc : matches;
}

/* Longer than what is read at first, and than PCRE2 would go back. */
static void long_texts_are_read_as_short_ones(void **state)
{
    static const char GPT2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
                               " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    char line[4097] = {0};
    struct medvl_error err = {0};

    (void)state;
    assert_int_equal(matches_of("\\s*[\r\n]+|\\s+(?!\\S)|\\s+", " ",
                                16 << 20, &err),
                     1);
    assert_int_equal(matches_of(GPT2, "a", 1 << 20, &err), 1);
    assert_int_equal(matches_of(GPT2, "\xE8\x83\xB8", 1 << 18, &err), 1);
    assert_int_equal(matches_of(GPT2, " lung's 12  ", 100000, &err), 400000);
    assert_int_equal(matches_of("$", "abc\n", 10000, &err), 10001);
    assert_int_equal(matches_of("c\n(?=a)|(?<=b)c", "abc\n", 10000, &err),
                     10000);
    assert_int_equal(matches_of("x*", "a", 10000, &err), 10001);
    assert_int_equal(matches_of("a+\\z", "a", 100000, &err), 1);
    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 2] = '\n'; /* the last byte that is read at first */
    assert_int_equal(matches_of("\\n^", line, 3, &err), 2);
    assert_int_equal(matches_of("\\n(?!^)", line, 3, &err), 1);
    assert_int_equal(matches_of("^(?<!^a)a", line, 3, &err), 3);
    assert_int_equal(matches_of("a{5000}", "a", 100000, &err), 20);
    assert_int_equal(matches_of("ab{6000}c|a", "ab", 10000, &err), 10000);
    assert_int_equal(matches_of("\\G.", "ab", 10000, &err), 20000);
    assert_int_equal(matches_of("nowhere", "ab", 1 << 20, &err), 0);
}

/* Each place would be looked for in vain up to the text's end. */
static void time_is_the_text_s(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    assert_int_equal(matches_of("(?=\\p{L}*\\d)\\p{L}", "a", 1 << 20, &err),
                     MEDVL_EFORMAT);
    assert_string_equal(err.text, "regular expression \"(?=\\p{L}*\\d)\\p{L}\""
                                  " takes too long for a text of 1048576 "
                                  "bytes");
    assert_int_equal(matches_of("(?:a|aa)+[bc]", "a", 1000, &err),
                     MEDVL_EFORMAT);
    assert_non_null(strstr(err.text, "takes too long"));
    assert_int_equal(matches_of("(?=\\p{L}*\\d)\\p{L}", "a", 4000, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_read_as_oniguruma_reads_them),
        cmocka_unit_test(characters_are_those_that_the_escapes_name),
        cmocka_unit_test(intervals_are_repeated_by_what_follows),
        cmocka_unit_test(a_script_is_its_own_characters),
        cmocka_unit_test(empty_matches_are_found_once),
        cmocka_unit_test(bytes_are_found_as_they_are),
        cmocka_unit_test(what_has_no_translation_is_named),
        cmocka_unit_test(what_folding_would_join_is_refused),
        cmocka_unit_test(the_rest_is_found_in_any_case),
        cmocka_unit_test(long_texts_are_read_as_short_ones),
        cmocka_unit_test(time_is_the_text_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
