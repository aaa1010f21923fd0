/* CLIP's vocabularies on the byte-level encoder: lib/text/wordbpe.h. */
#include "lib/text/wordbpe.h"

#include "lib/text/spell.h"
#include "tests/unit/check.h"

static void add(struct medvl_bpe *vocab, int32_t id, const char *token)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_bpe_add_token(vocab, id, medvl_span(token), &err), &err);
}

/*
 * All bytes (ids from 0) and all at the end of a word (from 256) but for the
 * byte `without`, then "th", "the</w>" and "</w>".
 */
static struct medvl_bpe *make_vocab(int without)
{
    struct medvl_bpe *vocab = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_bpe_new(&vocab, 0, 0, false, &err), &err);
    for (int i = 0; i < 256; i++) {
        char token[16] = {0};
        const int size = medvl_utf8_encode(
            token, medvl_byte_rune((unsigned char)i));

        add(vocab, i, token);
        snprintf(token + size, sizeof(token) - (size_t)size,
                 MEDVL_WORD_END);
        if (i != without)
            add(vocab, 256 + i, token);
    }
    add(vocab, 512, "th");
    add(vocab, 513, "the</w>");
    add(vocab, 514, "</w>");
    return vocab;
}

static void merge(struct medvl_bpe *words, uint32_t rank, const char *left,
                  const char *right)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_wordbpe_add_merge(words, rank, medvl_span(left),
                                     medvl_span(right), &err),
             &err);
}

static void check(const struct medvl_bpe *words, const char *word,
                  const int32_t *want, size_t count)
{
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};
    const size_t end = strlen(word);

    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_bpe_encode(words, cache, &tokens, medvl_span(word), 0,
                              &end, 1, 0, &err),
             &err);
    assert_int_equal(tokens.count, count);
    assert_memory_equal(tokens.ids, want, count * sizeof(*want));
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
}

static void a_space_is_the_end_of_a_word(void **state)
{
    struct medvl_bpe *vocab = make_vocab(-1);
    struct medvl_bpe *words = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_wordbpe_new(&words, vocab, &err), &err);
    assert_non_null(words);
    merge(words, 1, "t", "h");
    merge(words, 2, "th", "e</w>");
    merge(words, 3, "\xC4\xA0", "t");     /* a byte that no word has */
    merge(words, 4, "e</w>", "e");        /* nothing is behind an end */
    merge(words, 5, "t", "</w>");         /* an end alone is no token */
    merge(words, 6, "\xE8\x83\xB8", "e"); /* spells no byte */
    check(words, "the ", (const int32_t[]){513}, 1);
    check(words, "th ", (const int32_t[]){'t', 256 + 'h'}, 2);
    check(words, "thee ", (const int32_t[]){512, 'e', 256 + 'e'}, 3);
    check(words, "\xC3\xA9 ", (const int32_t[]){0xC3, 256 + 0xA9}, 2);
    CHECK_FAILS(medvl_wordbpe_add_merge(words, 7, medvl_span("x"),
                                        medvl_span("y"), &err),
                MEDVL_EFORMAT, &err, "no token");
    medvl_bpe_free(words);
    medvl_bpe_free(vocab);
}

static void a_byte_without_a_token_leaves_nothing(void **state)
{
    struct medvl_bpe *vocab = make_vocab('q');
    struct medvl_bpe *words = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_wordbpe_new(&words, vocab, &err), &err);
    assert_null(words);
    medvl_bpe_free(vocab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_space_is_the_end_of_a_word),
        cmocka_unit_test(a_byte_without_a_token_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
