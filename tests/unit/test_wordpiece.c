/* Longest tokens from the front.  The module is lib/text/wordpiece.h. */
#include "lib/text/wordpiece.h"

#include "tests/unit/vocabulary.h"

static int encode_text(const struct medvl_wordpiece *wordpiece,
                       struct medvl_tokens *tokens, const char *text,
                       struct medvl_error *err)
{
    const struct medvl_span data = medvl_span(text);

    medvl_tokens_clear(tokens);
    return medvl_wordpiece_encode(wordpiece, tokens, data, 0, &data.size, 1,
                                  0, err);
}

static struct medvl_wordpiece *model_of(const struct medvl_json *line)
{
    const struct medvl_wordpiece_options options = {
        .unk = medvl_span("[UNK]"),
        .prefix = medvl_span(vocabulary_string(line, "prefix")),
        .max_characters = (size_t)medvl_json_number(
            medvl_json_get(line, "max"), 0),
        .whole = medvl_json_true(medvl_json_get(line, "whole")),
    };
    const struct medvl_json *entry;
    struct medvl_wordpiece *wordpiece = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_wordpiece_new(&wordpiece, &err), &err);
    for (entry = medvl_json_first(medvl_json_get(line, "vocab")); entry;
         entry = medvl_json_next(entry)) {
        const struct medvl_json *piece = medvl_json_first(entry);
        const double id = medvl_json_number(medvl_json_next(piece), -1);

        CHECK_OK(medvl_wordpiece_add_token(
                     wordpiece, (int32_t)id,
                     medvl_span(medvl_json_string(piece)), &err),
                 &err);
    }
    CHECK_OK(medvl_wordpiece_finish(wordpiece, &options, &err), &err);
    return wordpiece;
}

static void check_model(void *arg, const struct medvl_json *line)
{
    struct medvl_wordpiece *wordpiece = model_of(line);
    struct medvl_tokens tokens = {.keep_ends = true};
    const struct medvl_json *one;
    struct medvl_error err = {0};

    (void)arg;
    for (one = medvl_json_first(medvl_json_get(line, "cases")); one;
         one = medvl_json_next(one)) {
        const char *text = vocabulary_string(one, "text");

        if (medvl_json_get(one, "error")) {
            CHECK_FAILS(encode_text(wordpiece, &tokens, text, &err),
                        MEDVL_EFORMAT, &err, "nor is the unknown token");
            continue;
        }
        CHECK_OK(encode_text(wordpiece, &tokens, text, &err), &err);
        vocabulary_check(one, &tokens);
    }
    medvl_tokens_release(&tokens);
    medvl_wordpiece_free(wordpiece);
}

static void ids_and_ends_are_those_of_hugging_face(void **state)
{
    (void)state;
    assert_int_equal(vocabulary_lines(VOCABULARY "words_wordpiece.jsonl",
                                      check_model, NULL),
                     12);
}

static void ids_may_come_in_any_order_and_have_gaps(void **state)
{
    const struct medvl_wordpiece_options options = {
        .unk = medvl_span("?"), .max_characters = 100};
    struct medvl_wordpiece *wordpiece = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_wordpiece_new(&wordpiece, &err), &err);
    CHECK_OK(medvl_wordpiece_add_token(wordpiece, 9, medvl_span("lung"),
                                       &err),
             &err);
    CHECK_OK(medvl_wordpiece_add_token(wordpiece, 2, medvl_span(""), &err),
             &err);
    CHECK_FAILS(medvl_wordpiece_add_token(wordpiece, 9, medvl_span("x"),
                                          &err),
                MEDVL_EFORMAT, &err, "given twice");
    CHECK_FAILS(medvl_wordpiece_add_token(wordpiece, -1, medvl_span("x"),
                                          &err),
                MEDVL_EFORMAT, &err, "out of range");
    CHECK_OK(medvl_wordpiece_finish(wordpiece, &options, &err), &err);
    assert_int_equal(medvl_wordpiece_size(wordpiece), 10);
    assert_int_equal(medvl_wordpiece_id(wordpiece, medvl_span("lung")), 9);
    assert_int_equal(medvl_wordpiece_id(wordpiece, medvl_span("lun")), -1);
    assert_true(medvl_span_is(medvl_wordpiece_bytes(wordpiece, 9), "lung"));
    assert_non_null(medvl_wordpiece_bytes(wordpiece, 2).data);
    assert_null(medvl_wordpiece_bytes(wordpiece, 3).data);
    assert_null(medvl_wordpiece_bytes(wordpiece, -1).data);
    medvl_wordpiece_free(wordpiece);
    medvl_wordpiece_free(NULL);
}

/* Or a word of "a" would take as long as its square. */
static void a_token_has_1024_bytes_at_most(void **state)
{
    struct medvl_wordpiece_options options = {.unk = medvl_span("?"),
                                              .max_characters = 100000};
    char text[MEDVL_WORDPIECE_BYTES + 2];
    struct medvl_error err = {0};

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < 3; i++) { /* too long, whole, as long as may be */
        const size_t size = sizeof(text) - (i < 2 ? 1 : 2);
        struct medvl_wordpiece *wordpiece = NULL;

        CHECK_OK(medvl_wordpiece_new(&wordpiece, &err), &err);
        CHECK_OK(medvl_wordpiece_add_token(wordpiece, 0,
                                           (struct medvl_span){text, size},
                                           &err),
                 &err);
        options.whole = i == 1;
        if (i == 0)
            CHECK_FAILS(medvl_wordpiece_finish(wordpiece, &options, &err),
                        MEDVL_EUNSUPPORTED, &err, "at most 1024");
        else
            CHECK_OK(medvl_wordpiece_finish(wordpiece, &options, &err),
                     &err);
        medvl_wordpiece_free(wordpiece);
    }
}

static int run_small(void *arg, struct medvl_error *err)
{
    const struct medvl_wordpiece_options options = {
        .unk = medvl_span("?"), .max_characters = 100};
    struct medvl_wordpiece *wordpiece = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    int rc = medvl_wordpiece_new(&wordpiece, err);

    (void)arg;
    if (rc == MEDVL_OK)
        rc = medvl_wordpiece_add_token(wordpiece, 0, medvl_span("?"), err);
    if (rc == MEDVL_OK)
        rc = medvl_wordpiece_finish(wordpiece, &options, err);
    if (rc == MEDVL_OK)
        rc = encode_text(wordpiece, &tokens, "ab", err);
    medvl_tokens_release(&tokens);
    medvl_wordpiece_free(wordpiece);
    return rc;
}

static void no_memory_is_said(void **state)
{
    (void)state;
    check_no_memory(run_small, NULL, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_ends_are_those_of_hugging_face),
        cmocka_unit_test(ids_may_come_in_any_order_and_have_gaps),
        cmocka_unit_test(a_token_has_1024_bytes_at_most),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
