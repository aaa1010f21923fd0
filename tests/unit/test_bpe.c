/* Merging bytes, the word cache, training.  The module is lib/text/bpe.h. */
#include "lib/text/bpe.h"

#include "lib/base/rng.h"
#include "tests/unit/check.h"

static struct medvl_span span_of(const char *string)
{
    return medvl_span(string);
}

/*
 * Letters a to h as tokens 0 to 7, then the tokens of `merges` ("ab c" joins
 * ab and c), whose rank is their order.
 */
static struct medvl_bpe *make(const char *const *merges, int count,
                              bool whole_words)
{
    struct medvl_bpe *bpe = NULL;
    struct medvl_error err = {0};
    int32_t next = 8;

    CHECK_OK(medvl_bpe_new(&bpe, 1, 1, whole_words, &err), &err);
    for (int32_t id = 0; id < 8; id++) {
        const char letter = (char)('a' + id);

        CHECK_OK(medvl_bpe_add_token(bpe, id,
                                     (struct medvl_span){&letter, 1}, &err),
                 &err);
    }
    for (int i = 0; i < count; i++) {
        char joined[64];
        size_t size = 0;

        for (const char *p = merges[i]; *p; p++) {
            if (*p != ' ')
                joined[size++] = *p;
        }
        if (medvl_bpe_id(bpe, (struct medvl_span){joined, size}) < 0)
            CHECK_OK(medvl_bpe_add_token(
                         bpe, next++, (struct medvl_span){joined, size},
                         &err),
                     &err);
    }
    for (int i = 0; i < count; i++) {
        const char *space = strchr(merges[i], ' ');
        const struct medvl_span left = {merges[i],
                                        (size_t)(space - merges[i])};

        CHECK_OK(medvl_bpe_add_merge(bpe, left, span_of(space + 1), &err),
                 &err);
    }
    return bpe;
}

/* Encode one piece and give the ids' bytes with a space between. */
static void encode(struct medvl_text *out, const struct medvl_bpe *bpe,
                   struct medvl_bpe_cache *cache, struct medvl_span piece)
{
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};
    size_t at = 100;

    CHECK_OK(medvl_bpe_encode(bpe, cache, &tokens, piece, 0, &piece.size, 1,
                              100, &err),
             &err);
    medvl_text_clear(out);
    for (size_t i = 0; i < tokens.count; i++) {
        const struct medvl_span bytes = medvl_bpe_bytes(bpe, tokens.ids[i]);

        at += bytes.size;
        assert_int_equal(tokens.ends[i], at);
        if (i > 0)
            CHECK_OK(medvl_text_putc(out, ' ', &err), &err);
        CHECK_OK(medvl_text_append(out, bytes.data, bytes.size, &err), &err);
    }
    assert_int_equal(at, 100 + piece.size);
    medvl_tokens_release(&tokens);
}

static void check_encode(const struct medvl_bpe *bpe, const char *piece,
                         const char *want)
{
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    for (int i = 0; i < 4; i++) { /* the first time it is not cached */
        encode(&out, bpe, cache, span_of(piece));
        assert_string_equal(out.data, want);
    }
    medvl_text_release(&out);
    medvl_bpe_cache_free(cache);
}

static void the_lowest_rank_joins_first_and_leftmost(void **state)
{
    static const char *const merges[] = {"b c", "a b", "ab c", "c c", "a a"};
    struct medvl_bpe *bpe = make(merges, 5, false);

    (void)state;
    check_encode(bpe, "abc", "a bc"); /* "abc" is a token none can reach */
    check_encode(bpe, "ab", "ab");
    check_encode(bpe, "aaa", "aa a");
    check_encode(bpe, "aaab", "aa ab");
    check_encode(bpe, "abcc", "a bc c");
    check_encode(bpe, "h", "h");
    /* Numbers of ids and bytes on both sides of what a cache keeps. */
    check_encode(bpe, "gagb", "g a g b");
    check_encode(bpe, "gagbg", "g a g b g");
    check_encode(bpe, "gagbgag", "g a g b g a g");
    check_encode(bpe, "gagbgagb", "g a g b g a g b");
    check_encode(bpe, "aaaaaaaagaaaaaa", "aa aa aa aa g aa aa aa");
    check_encode(bpe, "ababababababgab", "ab ab ab ab ab ab g ab");
    check_encode(bpe, "aaaaaaaaaagaaa", "aa aa aa aa aa g aa a");
    check_encode(bpe, "abababababababab", "ab ab ab ab ab ab ab ab");
    medvl_bpe_free(bpe);
}

static void whole_words_go_before_merges(void **state)
{
    static const char *const merges[] = {"b c", "a b", "ab c"};
    struct medvl_bpe *bpe = make(merges, 3, true);

    (void)state;
    check_encode(bpe, "abc", "abc");
    check_encode(bpe, "abca", "a bc a");
    medvl_bpe_free(bpe);
}

/* The plainest way: find the least rank, join, again. */
static void encode_slowly(struct medvl_text *out, struct medvl_span piece,
                          const char *const *merges, int count)
{
    size_t ends[512];
    size_t n = piece.size;
    struct medvl_error err = {0};

    for (size_t i = 0; i < n; i++)
        ends[i] = i + 1;
    for (int rank = 0; rank < count; rank++) {
        const char *space = strchr(merges[rank], ' ');
        const size_t left = (size_t)(space - merges[rank]);
        const size_t right = strlen(space + 1);
        size_t start = 0;
        bool joined = false;

        for (size_t i = 0; i + 1 < n; start = ends[i++]) {
            if (ends[i] - start != left || ends[i + 1] - ends[i] != right ||
                memcmp(piece.data + start, merges[rank], left) != 0 ||
                memcmp(piece.data + ends[i], space + 1, right) != 0)
                continue;
            memmove(&ends[i], &ends[i + 1],
                    (n - i - 1) * sizeof(ends[0]));
            n--;
            joined = true;
        }
        if (joined)
            rank = -1; /* a lower rank may stand there now */
    }
    medvl_text_clear(out);
    for (size_t i = 0, start = 0; i < n; start = ends[i++]) {
        if (i > 0)
            CHECK_OK(medvl_text_putc(out, ' ', &err), &err);
        CHECK_OK(medvl_text_append(out, piece.data + start, ends[i] - start,
                                   &err),
                 &err);
    }
}

/* Lengths on both sides of 15, 31 and 48, where the way changes. */
static void short_and_long_pieces_agree_with_the_plain_way(void **state)
{
    static const char *const merges[] = {
        "a b", "b a", "ab ab", "c d", "a a", "cd cd", "ba ba", "abab ab",
        "b b", "ab cd", "aa aa", "d d", "aa b", "cdcd cdcd", "c c"};
    const int count = sizeof(merges) / sizeof(merges[0]);
    struct medvl_bpe *bpe = make(merges, count, false);
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_text got = {0};
    struct medvl_text want = {0};
    struct medvl_error err = {0};
    struct medvl_rng rng;

    (void)state;
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    for (int i = 0; i < 20000; i++) {
        const size_t size = 1 + medvl_rng_below(&rng, i % 10 ? 12 : 120);
        const uint64_t letters = 2 + medvl_rng_below(&rng, 4);
        char *piece = malloc(size); /* its end is the sanitizer's to watch */

        for (size_t k = 0; k < size; k++)
            piece[k] = (char)('a' + medvl_rng_below(&rng, letters));
        encode(&got, bpe, cache, (struct medvl_span){piece, size});
        encode_slowly(&want, (struct medvl_span){piece, size}, merges,
                      count);
        if (!medvl_span_equal(medvl_text_span(&got), medvl_text_span(&want)))
            fail_msg("<%s> is not <%s>", got.data, want.data);
        free(piece);
    }
    medvl_text_release(&got);
    medvl_text_release(&want);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

static void many_pieces_go_in_one_call(void **state)
{
    static const char *const merges[] = {"a b"};
    struct medvl_bpe *bpe = make(merges, 1, false);
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};
    char text[1500];
    size_t ends[500];

    (void)state;
    for (int i = 0; i < 500; i++) {
        memcpy(text + 3 * i, "cab", 3);
        ends[i] = 3 * (size_t)i + 3;
    }
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_tokens_add(&tokens, 7, 0, &err), &err);
    CHECK_OK(medvl_bpe_encode(bpe, cache, &tokens,
                              (struct medvl_span){text, 1500}, 3, ends + 1,
                              499, 0, &err),
             &err);
    assert_int_equal(tokens.count, 1 + 2 * 499);
    for (size_t i = 0; i < 499; i++) {
        assert_int_equal(tokens.ids[1 + 2 * i], 2);
        assert_int_equal(tokens.ids[2 + 2 * i], 8);
        assert_int_equal(tokens.ends[1 + 2 * i], 3 * i + 4);
        assert_int_equal(tokens.ends[2 + 2 * i], 3 * i + 6);
    }
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

static void a_byte_without_a_token_is_an_error(void **state)
{
    struct medvl_bpe *bpe = make(NULL, 0, false);
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};
    char text[100];
    size_t ends[] = {2, 3, 100};

    (void)state;
    memset(text, 'a', sizeof(text));
    text[99] = 'x';
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_FAILS(medvl_bpe_encode(bpe, cache, &tokens,
                                 (struct medvl_span){text, 100}, 0, ends, 3,
                                 0, &err),
                MEDVL_EFORMAT, &err, "0x78");
    assert_int_equal(tokens.count, 0);
    text[2] = 'y';
    CHECK_FAILS(medvl_bpe_encode(bpe, cache, &tokens,
                                 (struct medvl_span){text, 100}, 0, ends, 2,
                                 0, &err),
                MEDVL_EFORMAT, &err, "0x79");
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

static void a_million_bytes_in_one_piece_are_no_square(void **state)
{
    static const char *const merges[] = {"a a", "aa aa", "aaaa aaaa"};
    const size_t size = 1000003;
    struct medvl_bpe *bpe = make(merges, 3, false);
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};
    char *text = malloc(size);

    (void)state;
    memset(text, 'a', size);
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_bpe_encode(bpe, cache, &tokens,
                              (struct medvl_span){text, size}, 0, &size, 1,
                              0, &err),
             &err);
    assert_int_equal(tokens.count, 125000 + 2);
    free(text);
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

/* `size` bytes as one piece that joins with nothing. */
static int encode_letters(void *arg, size_t size, struct medvl_error *err)
{
    static const char *const merges[] = {"b b"};
    struct medvl_bpe *bpe = make(merges, 1, false);
    struct medvl_tokens *tokens = arg;
    struct medvl_bpe_cache *cache = NULL;
    char *text = malloc(size);
    int rc;

    memset(text, 'a', size);
    CHECK_OK(medvl_bpe_cache_new(&cache, err), err);
    rc = medvl_bpe_encode(bpe, cache, tokens,
                          (struct medvl_span){text, size}, 0, &size, 1, 0,
                          err);
    free(text);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
    return rc;
}

static void a_piece_past_the_limit_is_refused_with_its_length(void **state)
{
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(encode_letters(&tokens, MEDVL_BPE_PIECE, &err), &err);
    assert_int_equal(tokens.count, MEDVL_BPE_PIECE);
    CHECK_FAILS(encode_letters(&tokens, MEDVL_BPE_PIECE + 1, &err),
                MEDVL_EUNSUPPORTED, &err, "8388609 bytes without");
    assert_int_equal(tokens.count, MEDVL_BPE_PIECE);
    medvl_tokens_release(&tokens);
}

static void more_ids_than_are_read_are_refused(void **state)
{
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_tokens_reserve(&tokens, MEDVL_BPE_TOKENS, &err), &err);
    tokens.count = MEDVL_BPE_TOKENS - 1;
    CHECK_OK(encode_letters(&tokens, 1, &err), &err);
    CHECK_FAILS(encode_letters(&tokens, 1, &err), MEDVL_EUNSUPPORTED, &err,
                "more than 16777216 tokens");
    tokens.count = MEDVL_BPE_TOKENS - 99;
    CHECK_FAILS(encode_letters(&tokens, 100, &err), MEDVL_EUNSUPPORTED, &err,
                "more than 16777216 tokens");
    assert_int_equal(tokens.count, MEDVL_BPE_TOKENS - 99);
    medvl_tokens_release(&tokens);
}

static void bad_tokens_and_merges_are_errors(void **state)
{
    static const char *const merges[] = {"a b"};
    struct medvl_bpe *bpe = make(merges, 1, false);
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_bpe_add_token(bpe, 8, span_of("cc"), &err),
                MEDVL_EFORMAT, &err, "twice");
    CHECK_FAILS(medvl_bpe_add_token(bpe, 9, span_of("ab"), &err),
                MEDVL_EFORMAT, &err, "same bytes");
    CHECK_FAILS(medvl_bpe_add_token(bpe, 9, span_of(""), &err),
                MEDVL_EFORMAT, &err, "empty");
    CHECK_FAILS(medvl_bpe_add_token(bpe, -1, span_of("x"), &err),
                MEDVL_EFORMAT, &err, "range");
    CHECK_FAILS(medvl_bpe_add_token(bpe, MEDVL_BPE_IDS, span_of("x"), &err),
                MEDVL_EFORMAT, &err, "range");
    CHECK_FAILS(medvl_bpe_add_merge(bpe, span_of("a"), span_of("x"), &err),
                MEDVL_EFORMAT, &err, "merge 2");
    CHECK_FAILS(medvl_bpe_add_merge(bpe, span_of("a"), span_of("c"), &err),
                MEDVL_EFORMAT, &err, "no token");
    assert_int_equal(medvl_bpe_size(bpe), 9);
    assert_null(medvl_bpe_bytes(bpe, 9).data);
    assert_null(medvl_bpe_bytes(bpe, -1).data);
    assert_int_equal(medvl_bpe_id(bpe, span_of("zz")), -1);
    medvl_bpe_free(bpe);
}

/* ---- training ---------------------------------------------------------- */

static void identity(int32_t bytes[256])
{
    for (int i = 0; i < 256; i++)
        bytes[i] = i;
}

static int train_words(void *arg, struct medvl_error *err)
{
    const struct medvl_bpe_merge *merges;
    struct medvl_bpe_trainer *trainer = NULL;
    const char *const *words = arg;
    int32_t bytes[256];
    int32_t tokens;
    size_t count;
    int rc = medvl_bpe_trainer_new(&trainer, err);

    for (int i = 0; words[i] && rc == MEDVL_OK; i++)
        rc = medvl_bpe_trainer_add(trainer, span_of(words[i]), err);
    identity(bytes);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_trainer_run(trainer, &merges, &count, &tokens, bytes,
                                   300, err);
    medvl_bpe_trainer_free(trainer);
    return rc;
}

static void merges_come_by_count_then_by_ids(void **state)
{
    static const char *const words[] = {"low", "low", "lower", "newest",
                                        "newest", "newest", "wide", "wide",
                                        NULL};
    /* w+e stands four times; then those of three, the least ids first. */
    static const struct medvl_bpe_merge want[] = {
        {'w', 'e', 256},
        {'e', 256, 257},
        {'l', 'o', 258},
        {'n', 257, 259},
        {'s', 't', 260},
        {259, 260, 261},
        {'d', 'e', 262},
    };
    const struct medvl_bpe_merge *merges = NULL;
    struct medvl_bpe_trainer *trainer = NULL;
    struct medvl_error err = {0};
    int32_t bytes[256];
    int32_t tokens = 0;
    size_t count = 0;

    (void)state;
    CHECK_OK(medvl_bpe_trainer_new(&trainer, &err), &err);
    for (int i = 0; words[i]; i++)
        CHECK_OK(medvl_bpe_trainer_add(trainer, span_of(words[i]), &err),
                 &err);
    identity(bytes);
    CHECK_OK(medvl_bpe_trainer_run(trainer, &merges, &count, &tokens, bytes,
                                   263, &err),
             &err);
    assert_int_equal(tokens, 263);
    assert_int_equal(count, 7);
    assert_memory_equal(merges, want, sizeof(want));
    medvl_bpe_trainer_free(trainer);
}

static void training_ends_when_no_pair_is_left(void **state)
{
    const struct medvl_bpe_merge *merges = NULL;
    struct medvl_bpe_trainer *trainer = NULL;
    struct medvl_error err = {0};
    int32_t bytes[256];
    int32_t tokens = 0;
    size_t count = 0;

    (void)state;
    CHECK_OK(medvl_bpe_trainer_new(&trainer, &err), &err);
    CHECK_OK(medvl_bpe_trainer_add(trainer, span_of("aaaa"), &err), &err);
    CHECK_FAILS(medvl_bpe_trainer_add(trainer, span_of(""), &err),
                MEDVL_EARG, &err, "0 bytes");
    identity(bytes);
    CHECK_OK(medvl_bpe_trainer_run(trainer, &merges, &count, &tokens, bytes,
                                   1000, &err),
             &err);
    assert_int_equal(tokens, 258); /* aa, aaaa */
    assert_int_equal(count, 2);
    medvl_bpe_trainer_free(trainer);
}

static int make_and_encode(void *arg, struct medvl_error *err)
{
    struct medvl_bpe *bpe = NULL;
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    const size_t size = 60;
    char text[60];
    int rc = medvl_bpe_new(&bpe, 0, 0, false, err);

    memset(text, 'a', sizeof(text));
    for (int i = 1; i <= 64 && rc == MEDVL_OK; i++)
        rc = medvl_bpe_add_token(bpe, i,
                                 (struct medvl_span){(char *)arg,
                                                     (size_t)i},
                                 err);
    for (int i = 1; i < 64 && rc == MEDVL_OK; i++)
        rc = medvl_bpe_add_merge(
            bpe, (struct medvl_span){(char *)arg, (size_t)i}, span_of("a"),
            err);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_cache_new(&cache, err);
    if (rc == MEDVL_OK)
        rc = medvl_bpe_encode(bpe, cache, &tokens,
                              (struct medvl_span){text, size}, 0, &size, 1,
                              0, err);
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
    return rc;
}

static void no_memory_is_said(void **state)
{
    static const char *words[] = {"lung", "lung", "lungs", "left", NULL};
    char text[65];

    (void)state;
    memset(text, 'a', 64);
    text[64] = 0;
    check_no_memory(train_words, words, 1000);
    check_no_memory(make_and_encode, text, 1000);
}

/* Ranks of the caller's: of "ab" and "ba", both 5, the leftmost goes. */
static void of_equal_ranks_the_leftmost_merges_first(void **state)
{
    static const char *const TOKENS[] = {"a", "b", "ab", "ba"};
    const struct medvl_span text = medvl_span("bab");
    struct medvl_bpe *bpe = NULL;
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_bpe_new(&bpe, 4, 2, false, &err), &err);
    for (int32_t id = 0; id < 4; id++)
        CHECK_OK(medvl_bpe_add_token(bpe, id, span_of(TOKENS[id]), &err),
                 &err);
    CHECK_OK(medvl_bpe_add_ranked(bpe, 5, span_of("a"), span_of("b"), &err),
             &err);
    CHECK_OK(medvl_bpe_add_ranked(bpe, 5, span_of("b"), span_of("a"), &err),
             &err);
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_bpe_encode(bpe, cache, &tokens, text, 0, &text.size, 1, 0,
                              &err),
             &err);
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.ids[0], 3);
    assert_int_equal(tokens.ids[1], 1);
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

static void a_text_is_cut_where_no_merge_reaches(void **state)
{
    static const char *const MERGES[] = {"a b", "ab c", "d d"};
    struct medvl_bpe *bpe = make(MERGES, 3, false);
    const struct medvl_span text = span_of("abcaddcab");
    size_t ends[9];

    (void)state;
    assert_int_equal(medvl_bpe_split(bpe, ends, 9, text, 0), 5);
    assert_int_equal(ends[0], 3); /* abc a dd c ab */
    assert_int_equal(ends[1], 4);
    assert_int_equal(ends[2], 6);
    assert_int_equal(ends[3], 7);
    assert_int_equal(ends[4], 9);
    assert_int_equal(medvl_bpe_split(bpe, ends, 1, text, 4), 1);
    assert_int_equal(ends[0], 6);
    assert_int_equal(medvl_bpe_split(bpe, ends, 9, text, 9), 0);
    medvl_bpe_free(bpe);
}

/* Two characters of three bytes share their first two; one is a token. */
static void characters_without_a_token_are_spelled(void **state)
{
    const struct medvl_span known = span_of("\xE2\x96\x81");
    const struct medvl_span text = span_of("\xE2\x96\x81\xE2\x96\x82");
    int32_t bytes[256];
    int32_t next = 257;
    struct medvl_bpe *bpe = NULL;
    struct medvl_bpe_cache *cache = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_bpe_new(&bpe, 1, 1, false, &err), &err);
    for (int32_t i = 0; i < 256; i++) {
        const char byte = (char)i;

        bytes[i] = i;
        CHECK_OK(medvl_bpe_add_token(bpe, i, (struct medvl_span){&byte, 1},
                                     &err),
                 &err);
    }
    CHECK_OK(medvl_bpe_add_token(bpe, 256, known, &err), &err);
    CHECK_OK(medvl_bpe_add_characters(bpe, &next, known, &err), &err);
    assert_int_equal(next, 258);
    CHECK_OK(medvl_bpe_cache_new(&cache, &err), &err);
    CHECK_OK(medvl_bpe_encode(bpe, cache, &tokens, text, 0, &text.size, 1, 0,
                              &err),
             &err);
    CHECK_OK(medvl_bpe_spell(bpe, &tokens, 0, 257, bytes, false, &err),
             &err);
    assert_int_equal(tokens.count, 4);
    assert_int_equal(tokens.ids[0], 256);
    assert_int_equal(tokens.ids[1], 0xE2);
    assert_int_equal(tokens.ids[2], 0x96);
    assert_int_equal(tokens.ids[3], 0x82);
    assert_int_equal(tokens.ends[0], 3);
    assert_int_equal(tokens.ends[1], 4);
    assert_int_equal(tokens.ends[3], 6);
    /* A space that is spelled as U+2581 is one byte of the text. */
    tokens.count = 0;
    CHECK_OK(medvl_tokens_add(&tokens, ' ', 1, &err), &err);
    CHECK_OK(medvl_tokens_add(&tokens, 'a', 2, &err), &err);
    CHECK_OK(medvl_bpe_spell(bpe, &tokens, 0, ' ', bytes, true, &err), &err);
    assert_int_equal(tokens.count, 4);
    assert_int_equal(tokens.ids[0], 0xE2);
    assert_int_equal(tokens.ids[1], 0x96);
    assert_int_equal(tokens.ids[2], 0x81);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tokens.ends[i], 1);
    assert_int_equal(tokens.ends[3], 2);
    medvl_tokens_release(&tokens);
    medvl_bpe_cache_free(cache);
    medvl_bpe_free(bpe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_rank_joins_first_and_leftmost),
        cmocka_unit_test(whole_words_go_before_merges),
        cmocka_unit_test(short_and_long_pieces_agree_with_the_plain_way),
        cmocka_unit_test(many_pieces_go_in_one_call),
        cmocka_unit_test(a_byte_without_a_token_is_an_error),
        cmocka_unit_test(a_million_bytes_in_one_piece_are_no_square),
        cmocka_unit_test(a_piece_past_the_limit_is_refused_with_its_length),
        cmocka_unit_test(more_ids_than_are_read_are_refused),
        cmocka_unit_test(bad_tokens_and_merges_are_errors),
        cmocka_unit_test(merges_come_by_count_then_by_ids),
        cmocka_unit_test(training_ends_when_no_pair_is_left),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(of_equal_ranks_the_leftmost_merges_first),
        cmocka_unit_test(a_text_is_cut_where_no_merge_reaches),
        cmocka_unit_test(characters_without_a_token_are_spelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
