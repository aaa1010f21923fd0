/* JSON: the scan, views, trees, arrays of integers, the writer. */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"

static int check(const char *text, struct medvl_error *err)
{
    /* At the end of a block of its own, so reading on is caught. */
    const size_t size = strlen(text);
    char *copy = malloc(size + !size);
    struct medvl_span span = {copy, size};
    int rc;

    memcpy(copy, text, size);
    rc = medvl_json_check(span, err);
    free(copy);
    return rc;
}

static void the_scan_takes_what_rfc_8259_allows(void **state)
{
    static const char *const GOOD[] = {
        "0", "-0", "-1.5e+10", "1E3", "0.0", "true", "false", "null",
        "\"\"", "\"a\"", "[]", "{}", "[ ]", "{ }", " [1 , 2]\r\n",
        "{\"a\":{\"b\":[{},[]]},\"c\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
        "\"\\ud83d\\ude00\"", "\"\\u0000\"", "\"\\ud800\"", "\"\xc3\xa9\"",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -13, 1.5, 0, 0, 100]",
        "{\"a\":{\"x\":1,\"x\":2}}", "\"\x7f\"", "1e400"};

    (void)state;
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        struct medvl_error err = {0};

        CHECK_OK(check(GOOD[i], &err), &err);
    }
}

/* What the scan must refuse, and a part of what it says. */
static const struct {
    const char *text, *says;
} BAD[] = {
    {"", "byte 1"},
    {" ", "byte 2"},
    {"01", "byte 2"},
    {"-", "byte 2"},
    {"+1", "byte 1"},
    {".5", "byte 1"},
    {"1.", "byte 3"},
    {"1e", "byte 3"},
    {"1e+", "byte 4"},
    {"0x1", "byte 2"},
    {"tru", "byte 1"},
    {"nul", "byte 1"},
    {"True", "byte 1"},
    {"NaN", "byte 1"},
    {"Infinity", "byte 1"},
    {"1 2", "byte 3"},
    {"[1,]", "byte 4"},
    {"[,1]", "byte 2"},
    {"[1 2]", "byte 4"},
    {"[1", "byte 3"},
    {"[", "byte 2"},
    {"]", "byte 1"},
    {"[1}", "byte 3"},
    {"{\"a\":1]", "byte 7"},
    {"{\"a\"}", "byte 5"},
    {"{\"a\":}", "byte 6"},
    {"{a:1}", "byte 2"},
    {"{\"a\":1,}", "byte 8"},
    {"{,}", "byte 2"},
    {"{\"a\":1 \"b\":2}", "byte 8"},
    {"\"", "byte 2"},
    {"\"a", "byte 3"},
    {"\"\\", "byte 3"},
    {"\"\\x\"", "byte 3"},
    {"\"\\u12g4\"", "byte 6"},
    {"\"\\u12", "byte 6"},
    {"\"a\tb\"", "byte 3"},
    {"'a'", "byte 1"},
    {"// c\n1", "byte 1"},
    {"\"\xff\"", "byte 2: not UTF-8"},
    {"\"\xc0\x80\"", "not UTF-8"},
    {"\"\xed\xa0\x80\"", "not UTF-8"},
    {"\xef\xbb\xbf{}", "byte 1"},
    {"[1,2,3,4,5,6,7,8,9,10,11,12,013,14]", "leading zero"},
    {"[1, 2, 3, 4, 5, 6, 7, 8,  9 , ,10, 11, 12]", "byte 31"},
    {"{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12", "ends early"},
};

static void the_scan_refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        struct medvl_error err = {0};

        CHECK_FAILS(check(BAD[i].text, &err), MEDVL_EFORMAT, &err,
                    BAD[i].says);
    }
}

/* A number array the plain way: [ n (, n)* ] with spaces anywhere. */
static bool plain_array(const char *p)
{
    if (*p++ != '[')
        return false;
    if (strcmp(p + strspn(p, " "), "]") == 0)
        return true;
    for (;;) {
        p += strspn(p, " ");
        p += *p == '-';
        if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
            return false;
        p += strspn(p, "0123456789");
        if (*p == '.') {
            const size_t size = strspn(p + 1, "0123456789");

            if (!size)
                return false;
            p += 1 + size;
        }
        p += strspn(p, " ");
        if (*p == ']')
            return p[1] == 0;
        if (*p++ != ',')
            return false;
    }
}

static void runs_of_integers_are_judged_as_byte_by_byte(void **state)
{
    static const char BYTES[] = "0123456789,,,,, -.";
    struct medvl_rng rng;
    int good = 0;

    (void)state;
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < 200000; i++) {
        struct medvl_error err = {0};
        char text[80] = "[";
        size_t size = 1;
        const size_t want = medvl_rng_below(&rng, 60);

        /* Whole numbers mostly, and now and then any byte. */
        while (size < want) {
            if (medvl_rng_below(&rng, 40) == 0)
                text[size++] = BYTES[medvl_rng_below(&rng, 18)];
            else
                size += (size_t)snprintf(
                    text + size, 16, "%d,%s",
                    (int)medvl_rng_below(&rng, i % 2 ? 12 : 40000),
                    i % 3 ? "" : " ");
        }
        if (medvl_rng_below(&rng, 4) && size > 1)
            while (strchr(", ", text[size - 1]))
                size--;
        text[size++] = ']';
        text[size] = 0;
        const bool is_good = check(text, &err) == MEDVL_OK;

        good += is_good;
        if (is_good != plain_array(text))
            fail_msg("%s: %s", text, is_good ? "taken" : err.text);
    }
    assert_in_range(good, 20000, 180000);
}

static void depth_is_limited_and_costs_no_stack(void **state)
{
    const size_t size = 20 << 20;
    char *text = malloc(size);
    struct medvl_error err = {0};
    struct medvl_json *tree;

    (void)state;
    memset(text, '[', size);
    CHECK_FAILS(medvl_json_check((struct medvl_span){text, size}, &err),
                MEDVL_EFORMAT, &err, "nested too deep");
    memset(text + MEDVL_JSON_DEPTH, ']', MEDVL_JSON_DEPTH);
    const struct medvl_span most = {text, 2 * MEDVL_JSON_DEPTH};

    CHECK_OK(medvl_json_check(most, &err), &err);
    CHECK_OK(medvl_json_parse(&tree, most, &err), &err);
    medvl_json_free(tree);
    memset(text + MEDVL_JSON_DEPTH, '[', 1);
    memset(text + MEDVL_JSON_DEPTH + 1, ']', MEDVL_JSON_DEPTH + 1);
    CHECK_FAILS(medvl_json_check((struct medvl_span){text, most.size + 2},
                                 &err),
                MEDVL_EFORMAT, &err, "byte 513: nested too deep");
    free(text);
}

/* ---- views ----------------------------------------------------------- */

static void a_view_that_nobody_changed_is_written_as_it_came(void **state)
{
    const char *text = "{ \"b\" : [1, 2],\t\"a\":1e400 ,\"\\u0063\":\"\\/\"}";
    struct medvl_json_view view = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_json_view_object(&view, medvl_span(text), &err), &err);
    assert_int_equal(view.count, 3);
    assert_true(medvl_span_is(medvl_json_view_get(&view, "a"), "1e400"));
    assert_true(medvl_span_is(medvl_json_view_get(&view, "c"), "\"\\/\""));
    assert_null(medvl_json_view_get(&view, "d").data);
    CHECK_OK(medvl_json_view_write(&out, &view, &err), &err);
    assert_string_equal(out.data, text);
    medvl_text_clear(&out);
    CHECK_OK(medvl_json_view_set(&view, "a", medvl_span("{\n}"), &err), &err);
    CHECK_OK(medvl_json_view_set(&view, "z", medvl_span("0"), &err), &err);
    CHECK_OK(medvl_json_view_set(&view, "c", medvl_span("3"), &err), &err);
    medvl_json_view_remove(&view, "b");
    medvl_json_view_remove(&view, "absent");
    CHECK_OK(medvl_json_view_write(&out, &view, &err), &err);
    assert_string_equal(out.data, "{\"a\":{ },\"\\u0063\":3,\"z\":0}");
    medvl_json_view_release(&view);
    medvl_text_release(&out);
}

static void elements_of_an_array_are_replaced_in_place(void **state)
{
    struct medvl_json_view view = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_json_view_array(&view, medvl_span("[1, {\"a\":2} ,[3]]"),
                                   &err),
             &err);
    CHECK_OK(medvl_json_view_set_at(&view, 1, medvl_span("null"), &err), &err);
    CHECK_FAILS(medvl_json_view_set_at(&view, 3, medvl_span("1"), &err),
                MEDVL_EARG, &err, "element 3");
    CHECK_OK(medvl_json_view_write(&out, &view, &err), &err);
    assert_string_equal(out.data, "[1,null,[3]]");
    CHECK_FAILS(medvl_json_view_array(&view, medvl_span("[1,]"), &err),
                MEDVL_EFORMAT, &err, "byte 4");
    assert_int_equal(view.count, 0);
    CHECK_FAILS(medvl_json_view_object(&view, medvl_span("[]"), &err),
                MEDVL_EFORMAT, &err, "not a JSON object");
    medvl_json_view_release(&view);
    medvl_text_release(&out);
}

static void a_name_that_stands_twice_is_refused(void **state)
{
    static const char *const TWICE[] = {
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}",
        "{\"\\ud800\":1,\"\\uD800\":2}", "{\"\\u0000\":1,\"\\u0000\":2}",
        "{\"\xc3\xa9\":1,\"\\u00e9\":2}",
        "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"};
    struct medvl_json_view view = {0};
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(TWICE) / sizeof(*TWICE); i++)
        CHECK_FAILS(medvl_json_view_object(&view, medvl_span(TWICE[i]), &err),
                    MEDVL_EFORMAT, &err, "stands twice");
    CHECK_OK(medvl_json_view_object(
                 &view, medvl_span("{\"a\":1,\"A\":2,\"\\u0000\":3}"), &err),
             &err);
    medvl_json_view_release(&view);
}

/* 200,000 names would take minutes if each were compared with each. */
static void many_names_are_compared_quickly(void **state)
{
    struct medvl_json_view view = {0};
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_text_putc(&text, '{', &err), &err);
    for (int i = 0; i < 200000; i++)
        CHECK_OK(medvl_text_printf(&text, &err, "\"n%d\":0,", i), &err);
    CHECK_OK(medvl_text_puts(&text, "\"last\":0}", &err), &err);
    CHECK_OK(medvl_json_view_object(&view, medvl_text_span(&text), &err),
             &err);
    assert_int_equal(view.count, 200001);
    memcpy(strstr(text.data, "last"), "n777", 4);
    CHECK_FAILS(medvl_json_view_object(&view, medvl_text_span(&text), &err),
                MEDVL_EFORMAT, &err, "\"n777\"");
    medvl_json_view_release(&view);
    medvl_text_release(&text);
}

/* ---- trees ----------------------------------------------------------- */

static void a_tree_prints_as_it_was(void **state)
{
    static const char *const SAME[] = {
        "{\"a\":[1,2.5,-3e-07,{\"b\":null}],\"c\":{},\"d\":[],\"e\":true}",
        "[[[]],[],{\"x\":{\"y\":[false]}}]", "\"\\u0001\\\"\\\\\\n\"",
        "0.1", "[]", "null"};
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(SAME) / sizeof(*SAME); i++) {
        struct medvl_json *tree;
        struct medvl_text out = {0};

        CHECK_OK(medvl_json_parse(&tree, medvl_span(SAME[i]), &err), &err);
        CHECK_OK(medvl_json_print(&out, tree, &err), &err);
        assert_string_equal(out.data, SAME[i]);
        medvl_json_free(tree);
        medvl_text_release(&out);
    }
}

static void what_a_tree_cannot_hold_is_refused(void **state)
{
    struct medvl_json *tree = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_json_parse(&tree, medvl_span("[\"\\u0000\"]"), &err),
                MEDVL_EFORMAT, &err, "\\u0000");
    CHECK_FAILS(medvl_json_parse(&tree, medvl_span("{\"\\udc00\":1}"), &err),
                MEDVL_EFORMAT, &err, "surrogate");
    CHECK_FAILS(medvl_json_parse(&tree, medvl_span("[1e400]"), &err),
                MEDVL_EFORMAT, &err, "1e400");
    assert_null(tree);
}

/* Hostile input takes memory by the byte, not a node a byte. */
static void more_than_can_be_held_is_refused(void **state)
{
    const size_t size = (64 << 20) + 1;
    char *text = malloc(size);
    struct medvl_json *tree = NULL;
    struct medvl_json_view view = {0};
    struct medvl_error err = {0};
    size_t at = 0, count = 0, room = 0;
    int32_t *items = NULL;

    (void)state;
    text[0] = '[';
    for (size_t i = 1; i < size; i += 2)
        memcpy(text + i, "0,", 2);
    text[size - 1] = ']';
    CHECK_FAILS(medvl_json_parse(&tree, (struct medvl_span){text, size}, &err),
                MEDVL_EFORMAT, &err, "values to hold");
    text[at++] = '{';
    for (int i = 0; i <= MEDVL_JSON_MEMBERS; i++)
        at += (size_t)snprintf(text + at, 32, "\"%x\":0,", (unsigned)i);
    text[at - 1] = '}';
    CHECK_FAILS(medvl_json_view_object(&view, (struct medvl_span){text, at},
                                       &err),
                MEDVL_EFORMAT, &err, "too many members");
    at = 0;
    text[at++] = '[';
    for (int i = 0; i <= MEDVL_JSON_INTS; i++, at += 2)
        memcpy(text + at, "0,", 2);
    text[at - 1] = ']';
    CHECK_FAILS(medvl_json_view_array(&view, (struct medvl_span){text, at},
                                      &err),
                MEDVL_EFORMAT, &err, "too many elements");
    CHECK_FAILS(medvl_json_read_ints(&items, &count, &room,
                                     (struct medvl_span){text, at}, 0, 1,
                                     &err),
                MEDVL_EFORMAT, &err, "too many numbers");
    medvl_json_view_release(&view);
    medvl_free(items);
    free(text);
}

static void a_file_for_a_tree_is_bounded(void **state)
{
    char *path = check_temp("tree.json");
    struct medvl_json *tree;
    struct medvl_error err = {0};
    FILE *fp = fopen(path, "wb");

    (void)state;
    assert_non_null(fp);
    assert_true(fputs("{}", fp) >= 0);
    assert_int_equal(fclose(fp), 0);
    CHECK_OK(medvl_json_read(&tree, path, &err), &err);
    medvl_json_free(tree);
    assert_int_equal(truncate(path, (off_t)MEDVL_JSON_FILE + 1), 0);
    CHECK_FAILS(medvl_json_read(&tree, path, &err), MEDVL_EARG, &err,
                "at most");
    remove(path);
    free(path);
}

static void long_numbers_keep_their_value(void **state)
{
    struct medvl_json *tree;
    struct medvl_error err = {0};
    const char *text =
        "[0.1000000000000000055511151231257827021181583404541015625000000000"
        "00001,1000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000,1e-400]";

    (void)state;
    CHECK_OK(medvl_json_parse(&tree, medvl_span(text), &err), &err);
    assert_true(medvl_json_number(medvl_json_at(tree, 0), 0) == 0.1);
    assert_true(medvl_json_number(medvl_json_at(tree, 1), 0) == 1e88);
    assert_true(medvl_json_number(medvl_json_at(tree, 2), 1) == 0);
    assert_int_equal(medvl_json_count(tree), 3);
    medvl_json_free(tree);
}

static void members_are_found_by_exact_name(void **state)
{
    struct medvl_json *tree;
    struct medvl_error err = {0};
    const char *text = "{\"Size\":1,\"size\":7,\"half\":0.5,\"big\":1e16,"
                       "\"s\":\"\\u00e9\",\"t\":true}";
    const char *string;
    int64_t whole;
    double number;

    (void)state;
    CHECK_OK(medvl_json_parse(&tree, medvl_span(text), &err), &err);
    CHECK_OK(medvl_json_get_int(&whole, tree, "size", 0, 10, &err), &err);
    assert_int_equal(whole, 7);
    CHECK_FAILS(medvl_json_get_int(&whole, tree, "size", 0, 6, &err),
                MEDVL_EFORMAT, &err, "\"size\"");
    CHECK_FAILS(medvl_json_get_int(&whole, tree, "half", 0, 6, &err),
                MEDVL_EFORMAT, &err, "no integer");
    CHECK_FAILS(medvl_json_get_int(&whole, tree, "big", 0, INT64_MAX, &err),
                MEDVL_EFORMAT, &err, "no integer");
    CHECK_FAILS(medvl_json_get_int(&whole, tree, "none", 0, 6, &err),
                MEDVL_EFORMAT, &err, "\"none\": missing");
    CHECK_OK(medvl_json_get_number(&number, tree, "half", 0, 1, &err), &err);
    assert_true(number == 0.5);
    CHECK_FAILS(medvl_json_get_number(&number, tree, "half", 1, 2, &err),
                MEDVL_EFORMAT, &err, "0.5");
    CHECK_OK(medvl_json_get_string(&string, tree, "s", &err), &err);
    assert_string_equal(string, "\xc3\xa9");
    CHECK_FAILS(medvl_json_get_string(&string, tree, "t", &err),
                MEDVL_EFORMAT, &err, "not a string");
    assert_true(medvl_json_true(medvl_json_get(tree, "t")));
    assert_int_equal(medvl_json_type(medvl_json_get(tree, "x")),
                     MEDVL_JSON_NONE);
    assert_null(medvl_json_get(medvl_json_get(tree, "s"), "x"));
    medvl_json_free(tree);
}

/* ---- text, integers, the writer -------------------------------------- */

static void text_comes_back_through_quotes(void **state)
{
    char bytes[400];
    size_t size = 0;
    struct medvl_text quoted = {0}, back = {0};
    struct medvl_error err = {0};

    (void)state;
    for (int c = 1; c < 128; c++)
        bytes[size++] = (char)c;
    memcpy(bytes + size, "\xe2\x82\xac\xf0\x9f\x98\x80", 7);
    size += 7;
    const struct medvl_span text = {bytes, size};

    CHECK_OK(medvl_json_quote(&quoted, text, &err), &err);
    CHECK_OK(medvl_json_check(medvl_text_span(&quoted), &err), &err);
    CHECK_OK(medvl_json_unescape(&back, medvl_text_span(&quoted), &err), &err);
    assert_true(medvl_span_equal(medvl_text_span(&back), text));
    medvl_text_clear(&back);
    CHECK_FAILS(medvl_json_quote(&back, medvl_span("a\xff"), &err),
                MEDVL_EFORMAT, &err, "UTF-8");
    CHECK_FAILS(medvl_json_unescape(&back, medvl_span("\"a\\u0000\""), &err),
                MEDVL_EFORMAT, &err, "\\u0000");
    CHECK_FAILS(medvl_json_unescape(&back, medvl_span("\"\\ud83d\""), &err),
                MEDVL_EFORMAT, &err, "surrogate");
    CHECK_FAILS(medvl_json_unescape(&back, medvl_span("12"), &err),
                MEDVL_EFORMAT, &err, "not a string");
    CHECK_FAILS(medvl_json_unescape(&back, medvl_span("\"a\"b\""), &err),
                MEDVL_EFORMAT, &err, "byte 4");
    assert_int_equal(back.size, 0);
    medvl_text_release(&quoted);
    medvl_text_release(&back);
}

static void integers_are_read_and_written_whole(void **state)
{
    static const char TEXT[] = "[0,-1,2147483647,-2147483648,10,99,100]";
    static const char *const WRONG[] = {"[1.0]", "[1e2]", "[01]", "[-]", "[1,]",
                                        "[1 2]", "[\"1\"]", "[[1]]", "{}", "[1",
                                        "[1] x", "", "[+1]", "[,1]"};
    int32_t *items = NULL;
    size_t count = 0, room = 0;
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_json_read_ints(&items, &count, &room, medvl_span(TEXT),
                                  INT32_MIN, INT32_MAX, &err),
             &err);
    assert_int_equal(count, 7);
    assert_int_equal(items[3], INT32_MIN);
    CHECK_OK(medvl_json_write_ints(&out, items, count, &err), &err);
    assert_string_equal(out.data, TEXT);
    CHECK_OK(medvl_json_read_ints(&items, &count, &room,
                                  medvl_span(" [ 5 , 6 ] "), 0, 9, &err),
             &err);
    assert_int_equal(count, 9);
    assert_int_equal(items[8], 6);
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(*WRONG); i++)
        CHECK_FAILS(medvl_json_read_ints(&items, &count, &room,
                                         medvl_span(WRONG[i]), -9, 9, &err),
                    MEDVL_EFORMAT, &err, "byte");
    CHECK_FAILS(medvl_json_read_ints(&items, &count, &room,
                                     medvl_span("[1,10]"), 0, 9, &err),
                MEDVL_EARG, &err, "element 1: 10");
    CHECK_FAILS(medvl_json_read_ints(
                    &items, &count, &room,
                    medvl_span("[99999999999999999999999999]"), 0, 9, &err),
                MEDVL_EARG, &err, "element 0");
    assert_int_equal(count, 9);
    medvl_free(items);
    medvl_text_release(&out);
}

static void the_writer_places_commas_and_keeps_the_first_failure(void **state)
{
    struct medvl_text out = {0};
    struct medvl_json_writer w = {.out = &out}, bad = {.out = &out};
    struct medvl_error err = {0};

    (void)state;
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "a\"", medvl_span("x\ny"));
    medvl_json_begin(&w, "b", '[');
    medvl_json_put_int(&w, NULL, -5);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_end(&w);
    medvl_json_put_number(&w, NULL, 0.1);
    medvl_json_put_number(&w, NULL, NAN);
    medvl_json_end(&w);
    medvl_json_put_bool(&w, "c", false);
    medvl_json_put_raw(&w, "d", medvl_span("[1]"));
    medvl_json_put_null(&w, "e");
    medvl_json_end(&w);
    CHECK_OK(medvl_json_write_end(&w, &err), &err);
    assert_string_equal(out.data, "{\"a\\\"\":\"x\\ny\",\"b\":[-5,{},0.1,null],"
                                  "\"c\":false,\"d\":[1],\"e\":null}");
    medvl_json_begin(&bad, NULL, '{');
    medvl_json_put_string(&bad, "s", medvl_span("\xff"));
    medvl_json_put_int(&bad, NULL, 1);
    CHECK_FAILS(medvl_json_write_end(&bad, &err), MEDVL_EFORMAT, &err,
                "\"s\": text is not UTF-8");
    memset(&bad, 0, sizeof(bad));
    bad.out = &out;
    medvl_json_begin(&bad, NULL, '{');
    medvl_json_put_int(&bad, NULL, 1);
    CHECK_FAILS(medvl_json_write_end(&bad, &err), MEDVL_EARG, &err,
                "without a name");
    medvl_text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scan_takes_what_rfc_8259_allows),
        cmocka_unit_test(the_scan_refuses_everything_else),
        cmocka_unit_test(runs_of_integers_are_judged_as_byte_by_byte),
        cmocka_unit_test(depth_is_limited_and_costs_no_stack),
        cmocka_unit_test(a_view_that_nobody_changed_is_written_as_it_came),
        cmocka_unit_test(elements_of_an_array_are_replaced_in_place),
        cmocka_unit_test(a_name_that_stands_twice_is_refused),
        cmocka_unit_test(many_names_are_compared_quickly),
        cmocka_unit_test(a_tree_prints_as_it_was),
        cmocka_unit_test(what_a_tree_cannot_hold_is_refused),
        cmocka_unit_test(more_than_can_be_held_is_refused),
        cmocka_unit_test(a_file_for_a_tree_is_bounded),
        cmocka_unit_test(long_numbers_keep_their_value),
        cmocka_unit_test(members_are_found_by_exact_name),
        cmocka_unit_test(text_comes_back_through_quotes),
        cmocka_unit_test(integers_are_read_and_written_whole),
        cmocka_unit_test(
            the_writer_places_commas_and_keeps_the_first_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
