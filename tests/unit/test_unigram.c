/* The best way through a word.  The module is lib/text/unigram.h. */
#include "lib/text/unigram.h"

#include "tests/unit/vocabulary.h"

static int encode_text(const struct medvl_unigram *unigram,
                       struct medvl_unigram_cache *cache,
                       struct medvl_tokens *tokens, const char *text,
                       struct medvl_error *err)
{
    const struct medvl_span data = medvl_span(text);

    medvl_tokens_clear(tokens);
    return medvl_unigram_encode(unigram, cache, tokens, data, 0, &data.size,
                                1, 0, err);
}

static struct medvl_unigram *model_of(const struct medvl_json *line)
{
    const struct medvl_unigram_options options = {
        .unk = (int32_t)medvl_json_number(medvl_json_get(line, "unk"), -1),
        .byte_fallback = medvl_json_true(
            medvl_json_get(line, "byte_fallback")),
    };
    const struct medvl_json *entry;
    struct medvl_unigram *unigram = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    for (entry = medvl_json_first(medvl_json_get(line, "vocab")); entry;
         entry = medvl_json_next(entry)) {
        const struct medvl_json *piece = medvl_json_first(entry);
        const double score = medvl_json_number(medvl_json_next(piece), 0);

        CHECK_OK(medvl_unigram_add_token(
                     unigram, medvl_span(medvl_json_string(piece)), score,
                     &err),
                 &err);
    }
    CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
    return unigram;
}

static void check_model(void *arg, const struct medvl_json *line)
{
    struct medvl_unigram *unigram = model_of(line);
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    const struct medvl_json *one;
    struct medvl_error err = {0};

    (void)arg;
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    /* Twice: the second time many words are in the cache. */
    for (int pass = 0; pass < 2; pass++) {
        for (one = medvl_json_first(medvl_json_get(line, "cases")); one;
             one = medvl_json_next(one)) {
            const char *text = vocabulary_string(one, "text");

            if (medvl_json_get(one, "error")) {
                CHECK_FAILS(encode_text(unigram, cache, &tokens, text, &err),
                            MEDVL_EFORMAT, &err, "in no token");
                continue;
            }
            CHECK_OK(encode_text(unigram, cache, &tokens, text, &err), &err);
            vocabulary_check(one, &tokens);
        }
    }
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

static void ids_and_ends_are_those_of_hugging_face(void **state)
{
    (void)state;
    assert_int_equal(vocabulary_lines(VOCABULARY "words_unigram.jsonl",
                                      check_model, NULL),
                     12);
}

/* "a" -1, "aa" -1.5, unknown. */
static struct medvl_unigram *small(void)
{
    const struct medvl_unigram_options options = {.unk = 2};
    struct medvl_unigram *unigram = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("a"), -1, &err),
             &err);
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("aa"), -1.5, &err),
             &err);
    CHECK_OK(medvl_unigram_add_hidden(unigram, medvl_span("<unk>"), &err),
             &err);
    CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
    return unigram;
}

static void hidden_tokens_are_decoded_and_never_matched(void **state)
{
    struct medvl_unigram *unigram = small();
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    assert_int_equal(medvl_unigram_size(unigram), 3);
    assert_true(medvl_span_is(medvl_unigram_bytes(unigram, 2), "<unk>"));
    assert_int_equal(medvl_unigram_id(unigram, medvl_span("<unk>")), -1);
    assert_int_equal(medvl_unigram_id(unigram, medvl_span("aa")), 1);
    CHECK_OK(encode_text(unigram, cache, &tokens, "a<unk>a", &err), &err);
    assert_int_equal(tokens.count, 3);
    assert_int_equal(tokens.ids[1], 2);
    assert_null(medvl_unigram_bytes(unigram, 3).data);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

/*
 * -1 and -0.1f are -1.10000000149 to a double, above the token's -1.1f; to
 * SentencePiece, which adds in float, they are the same and the token stays.
 */
static void an_unknown_is_weighed_in_float(void **state)
{
    const struct medvl_unigram_options options = {
        .unk = 2, .single = true, .unk_score = -0.1f};
    struct medvl_unigram *unigram = NULL;
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("a"), -1, &err),
             &err);
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("ab"),
                                     (double)-1.1f, &err),
             &err);
    CHECK_OK(medvl_unigram_add_hidden(unigram, medvl_span("<unk>"), &err),
             &err);
    CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    CHECK_OK(encode_text(unigram, cache, &tokens, "ab", &err), &err);
    assert_int_equal(tokens.count, 1);
    assert_int_equal(tokens.ids[0], 1);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

/* A megabyte without a space: half a million tokens, in no time. */
static void a_long_piece_takes_linear_time(void **state)
{
    struct medvl_unigram *unigram = small();
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};
    const size_t size = 1 << 20;
    char *text = medvl_alloc(MEDVL_BPE_PIECE + 2, 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', MEDVL_BPE_PIECE + 1);
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_unigram_encode(unigram, cache, &tokens,
                                  (struct medvl_span){text, size}, 0, &size,
                                  1, 7, &err),
             &err);
    assert_int_equal(tokens.count, size / 2);
    assert_int_equal(tokens.ends[0], 9);
    assert_int_equal(tokens.ends[tokens.count - 1], size + 7);
    CHECK_FAILS(encode_text(unigram, cache, &tokens, text, &err),
                MEDVL_EUNSUPPORTED, &err, "without a place to split");
    assert_int_equal(tokens.count, 0);
    medvl_free(text);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

/* A token as long as may be is found; nothing is tried beyond it. */
static void a_token_has_1024_bytes_at_most(void **state)
{
    const struct medvl_unigram_options options = {.unk = -1};
    struct medvl_unigram *unigram = NULL;
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};
    char text[MEDVL_UNIGRAM_BYTES + 3];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("a"), -1, &err),
             &err);
    CHECK_FAILS(medvl_unigram_add_token(
                    unigram, (struct medvl_span){text, sizeof(text) - 2}, -1,
                    &err),
                MEDVL_EUNSUPPORTED, &err, "at most 1024 are matched");
    CHECK_OK(medvl_unigram_add_token(
                 unigram, (struct medvl_span){text, MEDVL_UNIGRAM_BYTES}, -1,
                 &err),
             &err);
    CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    CHECK_OK(encode_text(unigram, cache, &tokens, text, &err), &err);
    assert_int_equal(tokens.count, 3);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

/*
 * Sums of SentencePiece are floats, in which 2^24 and 1 and 1 are 2^24: less
 * than "abc" alone has, where in double it is more.
 */
static void sums_are_floats_where_it_is_said(void **state)
{
    static const struct {
        const char *bytes;
        double score;
    } TOKENS[] = {{"a", 16777216}, {"b", 1}, {"c", 1}, {"abc", 16777217.5}};
    struct medvl_error err = {0};

    (void)state;
    for (int single = 0; single < 2; single++) {
        const struct medvl_unigram_options options = {
            .unk = -1,
            .single = single != 0,
        };
        struct medvl_unigram *unigram = NULL;
        struct medvl_unigram_cache *cache = NULL;
        struct medvl_tokens tokens = {0};

        CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
        for (size_t i = 0; i < 4; i++)
            CHECK_OK(medvl_unigram_add_token(unigram,
                                             medvl_span(TOKENS[i].bytes),
                                             TOKENS[i].score, &err),
                     &err);
        CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
        CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
        CHECK_OK(encode_text(unigram, cache, &tokens, "abc", &err), &err);
        assert_int_equal(tokens.count, single ? 1 : 3);
        medvl_tokens_release(&tokens);
        medvl_unigram_cache_free(cache);
        medvl_unigram_free(unigram);
    }
}

/*
 * What sentencepiece 0.2.3 gives: "a" and "aa" weigh as much as "aa" and
 * "a", and the first found stays, though the sum of the floats is no float;
 * where sums were past 100000, they are small again, and -4.001 is less
 * than twice -2.
 */
static void equal_floats_are_equal(void **state)
{
    const struct medvl_unigram_options options = {.unk = -1, .single = true};
    static const struct {
        const char *bytes;
        float score;
    } TOKENS[] = {
        {"a", -4.7654321F},
        {"aa", -3.3333333F},
        {"b", -2},
        {"bb", -4.001F},
        {"c", -16777216},
    };
    struct medvl_unigram *unigram = NULL;
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    for (size_t i = 0; i < 5; i++)
        CHECK_OK(medvl_unigram_add_token(unigram,
                                         medvl_span(TOKENS[i].bytes),
                                         (double)TOKENS[i].score, &err),
                 &err);
    CHECK_OK(medvl_unigram_finish(unigram, &options, &err), &err);
    CHECK_OK(medvl_unigram_cache_new(&cache, &err), &err);
    CHECK_OK(encode_text(unigram, cache, &tokens, "aaa", &err), &err);
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.ids[0], 0);
    CHECK_OK(encode_text(unigram, cache, &tokens, "cbb", &err), &err);
    assert_int_equal(tokens.count, 3);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
}

static void a_vocabulary_that_is_none_is_refused(void **state)
{
    const struct medvl_unigram_options options = {.unk = 1};
    struct medvl_unigram *unigram = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_unigram_new(&unigram, &err), &err);
    CHECK_FAILS(medvl_unigram_add_token(unigram, medvl_span("\xC3"), 0,
                                        &err),
                MEDVL_EFORMAT, &err, "not UTF-8");
    CHECK_FAILS(medvl_unigram_add_token(unigram, medvl_span("a"), NAN, &err),
                MEDVL_EFORMAT, &err, "no finite score");
    CHECK_OK(medvl_unigram_add_token(unigram, medvl_span("a"), 0, &err),
             &err);
    CHECK_FAILS(medvl_unigram_finish(unigram, &options, &err),
                MEDVL_EFORMAT, &err, "unk is 1");
    medvl_unigram_free(unigram);
    medvl_unigram_free(NULL);
}

static int run_small(void *arg, struct medvl_error *err)
{
    const struct medvl_unigram_options options = {.unk = 0};
    struct medvl_unigram *unigram = NULL;
    struct medvl_unigram_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    int rc = medvl_unigram_new(&unigram, err);

    (void)arg;
    if (rc == MEDVL_OK)
        rc = medvl_unigram_add_token(unigram, medvl_span("a"), 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_unigram_finish(unigram, &options, err);
    if (rc == MEDVL_OK)
        rc = medvl_unigram_cache_new(&cache, err);
    if (rc == MEDVL_OK)
        rc = encode_text(unigram, cache, &tokens, "ab", err);
    medvl_tokens_release(&tokens);
    medvl_unigram_cache_free(cache);
    medvl_unigram_free(unigram);
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
        cmocka_unit_test(hidden_tokens_are_decoded_and_never_matched),
        cmocka_unit_test(an_unknown_is_weighed_in_float),
        cmocka_unit_test(a_long_piece_takes_linear_time),
        cmocka_unit_test(a_token_has_1024_bytes_at_most),
        cmocka_unit_test(sums_are_floats_where_it_is_said),
        cmocka_unit_test(equal_floats_are_equal),
        cmocka_unit_test(a_vocabulary_that_is_none_is_refused),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
