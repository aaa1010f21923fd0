/* tiktoken files, CLIP's merges.  The module is lib/text/tiktoken.h. */
#include "lib/text/tiktoken.h"

#include "lib/text/bpe.h"
#include "tests/unit/vocabulary.h"

static void read_real(struct medvl_text *out, const char *name)
{
    struct medvl_error err = {0};
    char *path = check_data(name);

    CHECK_OK(medvl_file_read(out, path, 64 << 20, &err), &err);
    medvl_free(path);
}

static void unpack(struct medvl_text *out, const char *name)
{
    struct medvl_error err = {0};
    char command[4000];
    char *zipped = check_data(name);
    char *path = check_temp("unpacked");

    snprintf(command, sizeof(command), "gzip -dc '%s' >'%s'", zipped, path);
    assert_int_equal(system(command), 0);
    CHECK_OK(medvl_file_read(out, path, 64 << 20, &err), &err);
    medvl_free(zipped);
    medvl_free(path);
}

static struct medvl_json *parse(struct medvl_span span)
{
    struct medvl_json *json = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_json_parse(&json, span, &err), &err);
    return json;
}

/* Both objects or lists print the same. */
static void check_same(const struct medvl_json *a, const struct medvl_json *b)
{
    struct medvl_text x = {0};
    struct medvl_text y = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_json_print(&x, a, &err), &err);
    CHECK_OK(medvl_json_print(&y, b, &err), &err);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    medvl_text_release(&x);
    medvl_text_release(&y);
}

static const char *added(const struct medvl_json *json, size_t index,
                         int32_t id)
{
    const struct medvl_json *token = medvl_json_at(
        medvl_json_get(json, "added_tokens"), index);

    assert_int_equal((int)medvl_json_number(medvl_json_get(token, "id"), -1),
                     id);
    return vocabulary_string(token, "content");
}

static void llama_3_has_the_vocabulary_that_hugging_face_has(void **state)
{
    struct medvl_text file = {0};
    struct medvl_text json = {0};
    struct medvl_text want_file = {0};
    struct medvl_json *got, *want;
    struct medvl_error err = {0};

    (void)state;
    read_real(&file, "tokenizers/llama3/tokenizer.model");
    unpack(&want_file, "tokenizers/llama3/tokenizer.json.gz");
    assert_true(medvl_is_tiktoken(medvl_text_span(&file)));
    assert_false(medvl_is_clip_merges(medvl_text_span(&file)));
    CHECK_OK(medvl_tiktoken_to_json(&json, medvl_text_span(&file), &err),
             &err);
    got = parse(medvl_text_span(&json));
    want = parse(medvl_text_span(&want_file));
    check_same(medvl_json_get(medvl_json_get(got, "model"), "vocab"),
               medvl_json_get(medvl_json_get(want, "model"), "vocab"));
    check_same(medvl_json_get(got, "added_tokens"),
               medvl_json_get(want, "added_tokens"));
    check_same(medvl_json_get(got, "pre_tokenizer"),
               medvl_json_get(want, "pre_tokenizer"));
    medvl_json_free(got);
    medvl_json_free(want);
    medvl_text_release(&file);
    medvl_text_release(&json);
    medvl_text_release(&want_file);
}

/* Add "base64 rank" of a token spelled as tokenizer.json spells it. */
static void add_line(struct medvl_text *file, const char *spelled, int rank)
{
    static const char DIGITS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct medvl_error err = {0};
    unsigned char bytes[600];
    int others[256], runes = 0, size = 0;

    for (int i = 0; i < 256; i++) {
        if (i < '!' || (i > '~' && i < 0xA1) || i == 0xAD)
            others[runes++] = i;
    }
    for (const char *p = spelled; *p;) {
        uint32_t rune = 0;

        p += medvl_utf8_decode(&rune, p, strlen(p));
        bytes[size++] = (unsigned char)(rune < 256 ? rune
                                                   : (uint32_t)others[rune -
                                                                      256]);
    }
    bytes[size] = bytes[size + 1] = 0;
    for (int i = 0; i < size; i += 3) {
        const uint32_t bits = (uint32_t)bytes[i] << 16 |
                              (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        CHECK_OK(medvl_text_printf(
                     file, &err, "%c%c%c%c", DIGITS[bits >> 18],
                     DIGITS[bits >> 12 & 63],
                     i + 1 < size ? DIGITS[bits >> 6 & 63] : '=',
                     i + 2 < size ? DIGITS[bits & 63] : '='),
                 &err);
    }
    CHECK_OK(medvl_text_printf(file, &err, " %d\n", rank), &err);
}

/* Qwen's own file is made of the vocabulary, which has the same ranks. */
static void qwen_has_the_merges_that_hugging_face_has(void **state)
{
    struct medvl_text want_file = {0};
    struct medvl_text file = {0};
    struct medvl_text json = {0};
    struct medvl_json *got, *want;
    const struct medvl_json *token, *a, *b;
    struct medvl_error err = {0};
    int rank = 0;

    (void)state;
    unpack(&want_file, "tokenizers/qwen3/tokenizer.json.gz");
    want = parse(medvl_text_span(&want_file));
    for (token = medvl_json_first(
             medvl_json_get(medvl_json_get(want, "model"), "vocab"));
         token; token = medvl_json_next(token))
        add_line(&file, medvl_json_name(token), rank++);
    CHECK_OK(medvl_tiktoken_to_json(&json, medvl_text_span(&file), &err),
             &err);
    got = parse(medvl_text_span(&json));
    a = medvl_json_first(medvl_json_get(medvl_json_get(got, "model"),
                                        "merges"));
    b = medvl_json_first(medvl_json_get(medvl_json_get(want, "model"),
                                        "merges"));
    for (; a && b; a = medvl_json_next(a), b = medvl_json_next(b)) {
        const struct medvl_json *left = medvl_json_first(b);
        char both[600];

        snprintf(both, sizeof(both), "%s %s", medvl_json_string(left),
                 medvl_json_string(medvl_json_next(left)));
        assert_string_equal(medvl_json_string(a), both);
    }
    assert_true(!a && !b);
    assert_string_equal(added(got, 0, 151643), "<|endoftext|>");
    assert_string_equal(added(got, 3, 151646), "<|extra_0|>");
    assert_string_equal(added(got, 207, 151850), "<|extra_204|>");
    medvl_json_free(got);
    medvl_json_free(want);
    medvl_text_release(&want_file);
    medvl_text_release(&file);
    medvl_text_release(&json);
}

static void clip_ends_with_its_two_special_tokens(void **state)
{
    struct medvl_text file = {0};
    struct medvl_text json = {0};
    struct medvl_json *got;
    const struct medvl_json *vocab;
    struct medvl_error err = {0};

    (void)state;
    unpack(&file, "tokenizers/clip/bpe_simple_vocab_16e6.txt.gz");
    assert_true(medvl_is_clip_merges(medvl_text_span(&file)));
    assert_false(medvl_is_tiktoken(medvl_text_span(&file)));
    CHECK_OK(medvl_clip_to_json(&json, medvl_text_span(&file), &err), &err);
    got = parse(medvl_text_span(&json));
    vocab = medvl_json_get(medvl_json_get(got, "model"), "vocab");
    assert_int_equal(medvl_json_count(vocab), 49408);
    assert_int_equal(
        (int)medvl_json_number(medvl_json_get(vocab, "a</w>"), -1), 320);
    assert_string_equal(added(got, 1, 49407), "<|endoftext|>");
    medvl_json_free(got);
    medvl_text_release(&json);

    /* One line less than there are merges. */
    for (size_t at = 0, lines = 0; at < file.size; at++) {
        lines += file.data[at] == '\n';
        if (lines == 48894)
            file.size = at;
    }
    CHECK_FAILS(medvl_clip_to_json(&json, medvl_text_span(&file), &err),
                MEDVL_EFORMAT, &err, "line 48895 is no merge");
    assert_int_equal(json.size, 0);
    medvl_text_release(&json);
    medvl_text_release(&file);
}

static void check_refused(const char *file, int code, const char *part)
{
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_text_puts(&json, "kept", &err), &err);
    CHECK_FAILS(medvl_tiktoken_to_json(&json, medvl_span(file), &err), code,
                &err, part);
    assert_true(medvl_span_is(medvl_text_span(&json), "kept"));
    medvl_text_release(&json);
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    check_refused("IQ== 0\nIg== 1\n", MEDVL_EUNSUPPORTED,
                  "a tiktoken file of 2 ranks");
    check_refused("IQ== 0\nIg== 2\n", MEDVL_EFORMAT, "line 2 has rank 2");
    check_refused("IQ== 0\nIg== 0\n", MEDVL_EFORMAT, "line 2 has rank 0");
    check_refused("IQ=\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused("IQ= 0\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused("I=Q= 0\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused("I*== 0\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused(" 0\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused("IQ== -1\n", MEDVL_EFORMAT, "line 1 is no token");
    check_refused("IQ== 99999999999\n", MEDVL_EFORMAT, "is no token");
    assert_false(medvl_is_tiktoken(medvl_span("")));
    assert_false(medvl_is_tiktoken(medvl_span("{\"version\": 1}")));
    assert_true(medvl_is_tiktoken(medvl_span("IQ== 0")));
    assert_false(medvl_is_clip_merges(medvl_span("#version: 0.2\n")));
}

/* The merges of Llama 3 with a token of it twice. */
static void a_token_twice_is_refused(void **state)
{
    struct medvl_text file = {0};
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 128000; i++)
        CHECK_OK(medvl_text_printf(&file, &err, "IQ== %d\n", i), &err);
    CHECK_FAILS(medvl_tiktoken_to_json(&json, medvl_text_span(&file), &err),
                MEDVL_EFORMAT, &err, "the same bytes");
    medvl_text_release(&file);
    medvl_text_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_3_has_the_vocabulary_that_hugging_face_has),
        cmocka_unit_test(qwen_has_the_merges_that_hugging_face_has),
        cmocka_unit_test(clip_ends_with_its_two_special_tokens),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(a_token_twice_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
