/* Byte-pair encoding over characters: lib/text/charbpe.h. */
#include "lib/text/charbpe.h"

#include "tests/unit/check.h"

/* A model of these tokens, ids from 0, and merges "left right". */
static struct medvl_charbpe *
make(const char *const *tokens, const char *const *merges,
     const struct medvl_charbpe_options *options)
{
    struct medvl_charbpe *model = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_charbpe_new(&model, 0, 0, &err), &err);
    for (int32_t id = 0; tokens[id]; id++)
        CHECK_OK(medvl_charbpe_add_token(model, id, medvl_span(tokens[id]),
                                         &err),
                 &err);
    CHECK_OK(medvl_charbpe_set(model, options, &err), &err);
    for (; *merges; merges++) {
        const char *space = strchr(*merges, ' ');

        CHECK_OK(medvl_charbpe_add_merge(
                     model,
                     (struct medvl_span){*merges, (size_t)(space - *merges)},
                     medvl_span(space + 1), &err),
                 &err);
    }
    return model;
}

/* One piece, twice (the second comes from the cache): tokens and ends. */
static void check(const struct medvl_charbpe *model, const char *text,
                  const char *want)
{
    struct medvl_charbpe_cache *cache = NULL;
    struct medvl_error err = {0};
    const size_t end = strlen(text);

    CHECK_OK(medvl_charbpe_cache_new(&cache, &err), &err);
    for (int again = 0; again < 2; again++) {
        struct medvl_tokens tokens = {.keep_ends = true};
        struct medvl_text out = {0};

        CHECK_OK(medvl_charbpe_encode(model, cache, &tokens,
                                      medvl_span(text), 0, &end, 1, 0, &err),
                 &err);
        for (size_t i = 0; i < tokens.count; i++) {
            const struct medvl_span span = medvl_charbpe_bytes(
                model, tokens.ids[i]);

            CHECK_OK(medvl_text_printf(&out, &err, "%s%.*s:%zu", i ? " " : "",
                                       (int)span.size, span.data,
                                       tokens.ends[i]),
                     &err);
        }
        assert_string_equal(out.data, want);
        medvl_text_release(&out);
        medvl_tokens_release(&tokens);
    }
    medvl_charbpe_cache_free(cache);
}

static void the_least_rank_joins_first(void **state)
{
    static const char *const tokens[] = {"a", "b", "c", "ab", "bc", NULL};
    static const char *const merges[] = {"b c", "a b", NULL};
    const struct medvl_charbpe_options options = {0};
    struct medvl_charbpe *model = make(tokens, merges, &options);

    (void)state;
    check(model, "abcab", "a:1 bc:3 ab:5");
    medvl_charbpe_free(model);
}

/* Two that were joined become one, on each side of the last merge. */
static void joined_neighbours_join_again(void **state)
{
    static const char *const tokens[] = {"a", "b", "c", "d", "ab", "cd",
                                         "abcd", NULL};
    static const char *const left[] = {"a b", "c d", "ab cd", NULL};
    static const char *const right[] = {"c d", "a b", "ab cd", NULL};
    const struct medvl_charbpe_options options = {0};
    struct medvl_charbpe *model = make(tokens, left, &options);

    (void)state;
    check(model, "abcd", "abcd:4");
    check(model, "dabcda", "d:1 abcd:5 a:6");
    medvl_charbpe_free(model);
    model = make(tokens, right, &options);
    check(model, "abcd", "abcd:4");
    check(model, "abcdabcd", "abcd:4 abcd:8");
    medvl_charbpe_free(model);
}

static void unknown_characters_are_fused_or_not(void **state)
{
    static const char *const tokens[] = {"<u>", "a", NULL};
    static const char *const merges[] = {NULL};
    struct medvl_charbpe_options options = {.unk = medvl_span("<u>")};
    struct medvl_charbpe *model = make(tokens, merges, &options);

    (void)state;
    check(model, "xya", "<u>:1 <u>:2 a:3");
    medvl_charbpe_free(model);
    options.fuse_unk = true;
    model = make(tokens, merges, &options);
    check(model, "xya\xC3\xA9", "<u>:2 a:3 <u>:5");
    medvl_charbpe_free(model);
}

static void bytes_stand_for_what_has_no_token(void **state)
{
    static const char *const tokens[] = {"<u>", "a", "<0xC3>", "<0xA9>",
                                         NULL};
    static const char *const merges[] = {NULL};
    const struct medvl_charbpe_options options = {
        .unk = medvl_span("<u>"), .byte_fallback = true};
    struct medvl_charbpe *model = make(tokens, merges, &options);

    (void)state;
    check(model, "a\xC3\xA9", "a:1 <0xC3>:2 <0xA9>:3");
    check(model, "a\xC3\xA8", "a:1 <u>:3"); /* not all bytes are there */
    medvl_charbpe_free(model);
}

static void prefix_and_suffix_mark_the_place_in_a_word(void **state)
{
    static const char *const tokens[] = {"a", "##b", "##c</w>",
                                         "a</w>", "ab", "abc</w>",
                                         "##a", "##a</w>", NULL};
    static const char *const merges[] = {"a ##b", "ab ##c</w>", NULL};
    const struct medvl_charbpe_options options = {
        .prefix = medvl_span("##"), .suffix = medvl_span("</w>")};
    struct medvl_charbpe *model = make(tokens, merges, &options);

    (void)state;
    check(model, "a", "a</w>:1");
    check(model, "abc", "abc</w>:3");
    check(model, "aa", "a:1 ##a</w>:2");
    medvl_charbpe_free(model);
}

static void whole_words_come_before_merges(void **state)
{
    static const char *const tokens[] = {"a", "b", "ab", NULL};
    static const char *const merges[] = {NULL};
    const struct medvl_charbpe_options options = {.whole_words = true};
    struct medvl_charbpe *model = make(tokens, merges, &options);

    (void)state;
    check(model, "ab", "ab:2");
    check(model, "aba", "a:1 b:2 a:3");
    medvl_charbpe_free(model);
}

static void what_cannot_be_encoded_is_an_error(void **state)
{
    static const char *const tokens[] = {"a", NULL};
    static const char *const merges[] = {NULL};
    const struct medvl_charbpe_options options = {0};
    struct medvl_charbpe *model = make(tokens, merges, &options);
    struct medvl_charbpe_cache *cache = NULL;
    struct medvl_tokens out = {0};
    struct medvl_error err = {0};
    const size_t end = 2;

    (void)state;
    CHECK_OK(medvl_charbpe_cache_new(&cache, &err), &err);
    CHECK_FAILS(medvl_charbpe_encode(model, cache, &out, medvl_span("ax"), 0,
                                     &end, 1, 0, &err),
                MEDVL_EFORMAT, &err, "\"x\" has no token");
    assert_int_equal(out.count, 0);
    CHECK_FAILS(medvl_charbpe_add_merge(model, medvl_span("a"),
                                        medvl_span("a"), &err),
                MEDVL_EFORMAT, &err, "no token");
    medvl_tokens_release(&out);
    medvl_charbpe_cache_free(cache);
    medvl_charbpe_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_rank_joins_first),
        cmocka_unit_test(joined_neighbours_join_again),
        cmocka_unit_test(unknown_characters_are_fused_or_not),
        cmocka_unit_test(bytes_stand_for_what_has_no_token),
        cmocka_unit_test(prefix_and_suffix_mark_the_place_in_a_word),
        cmocka_unit_test(whole_words_come_before_merges),
        cmocka_unit_test(what_cannot_be_encoded_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
