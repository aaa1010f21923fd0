/*
 * What the files beside a vocabulary change.  The ids are those that
 * transformers 4.57.1 gives for the same files: AutoTokenizer for a
 * tokenizer.json, LlamaTokenizer for a tokenizer.model.
 */
#include "lib/text/tokenizer.h"

#include <time.h>

#include "tests/unit/check.h"

#define IDS 8

/* A folder of its own, with nothing in it. */
static char *make_folder(const char *name)
{
    char *folder = check_temp(name);
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    return folder;
}

static void write_in(const char *folder, const char *name, const char *text)
{
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, name, &err), &err);
    CHECK_OK(medvl_file_write(path, text, strlen(text), &err), &err);
    medvl_free(path);
}

/* The ids of a text, up to the first -1 of `want`. */
static void check_text(const char *path, const char *text,
                       const int32_t *want)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_encoder *encoder = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};
    size_t i = 0;

    CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
    CHECK_OK(medvl_encoder_new(&encoder, tok, &err), &err);
    CHECK_OK(medvl_encoder_encode(encoder, &tokens, medvl_span(text), NULL,
                                  0, MEDVL_ENCODE_SPECIAL, &err),
             &err);
    for (; i < tokens.count && want[i] >= 0; i++) {
        if (tokens.ids[i] != want[i])
            fail_msg("\"%s\": id %zu is %d, not %d", text, i, tokens.ids[i],
                     want[i]);
        assert_true(i == 0 || tokens.ends[i] >= tokens.ends[i - 1]);
    }
    if (i != tokens.count || want[i] >= 0)
        fail_msg("\"%s\": %zu ids", text, tokens.count);
    assert_int_equal(tokens.ends[i - 1], strlen(text));
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* ---- begin and end tokens of a tokenizer.json ---------------------------- */

#define BEFORE                                           \
    "{\"added_tokens\":["                                \
    "{\"id\":1,\"content\":\"<s>\",\"special\":true},"   \
    "{\"id\":2,\"content\":\"</s>\",\"special\":true}]," \
    "\"pre_tokenizer\":{\"type\":\"Whitespace\"},"       \
    "\"post_processor\":"
#define BEHIND                                                    \
    ",\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"<unk>\"," \
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"lung\":3}}}"
#define BEGINS                                                  \
    "{\"type\":\"TemplateProcessing\",\"single\":["             \
    "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"        \
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[]," \
    "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],"  \
    "\"tokens\":[\"<s>\"]}}}"
#define TWICE                                             \
    "{\"type\":\"Sequence\",\"processors\":["             \
    "{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",2],"  \
    "\"cls\":[\"<s>\",1]},"                               \
    "{\"type\":\"BertProcessing\",\"sep\":[\"<unk>\",0]," \
    "\"cls\":[\"lung\",3]}]}"

static void some_classes_make_the_template_anew(void **state)
{
    static const struct {
        bool bare; /* without a post_processor, not with one that begins */
        const char *class, *more;
        int32_t ids[IDS];
    } CASES[] = {
        {false, "LlamaTokenizer", "", {1, 3, -1}},
        {false, "LlamaTokenizerFast", ",\"add_bos_token\":false", {3, -1}},
        {false,
         "LlamaTokenizerFast",
         ",\"add_eos_token\":true",
         {1, 3, 2, -1}},
        {false,
         "GemmaTokenizer",
         ",\"add_bos_token\":false,\"add_eos_token\":true",
         {3, 2, -1}},
        {false,
         "CohereTokenizerFast",
         ",\"add_eos_token\":true",
         {1, 3, 2, -1}},
        {false, "GPTNeoXTokenizerFast", "", {3, -1}},
        {false, "GPTNeoXTokenizer", ",\"add_bos_token\":true", {1, 3, -1}},
        {false, "Qwen2Tokenizer", ",\"add_eos_token\":true", {1, 3, -1}},
        {false,
         "PreTrainedTokenizerFast",
         ",\"add_bos_token\":false",
         {1, 3, -1}},
        {false, "LlamaTokenizerSlow", ",\"add_bos_token\":false", {1, 3, -1}},
        {false,
         "LlamaTokenizer",
         ",\"add_bos_token\":false,\"bos_token\":null",
         {3, -1}},
        {true, "LlamaTokenizer", "", {1, 3, -1}},
        {true, "LlamaTokenizerFast", ",\"add_bos_token\":null", {3, -1}},
        {true,
         "Qwen2Tokenizer",
         ",\"add_bos_token\":true,\"add_eos_token\":true",
         {3, -1}},
        {true, "PreTrainedTokenizerFast", ",\"add_eos_token\":true", {3, -1}},
    };
    char *folder = make_folder("template_anew");
    char config[400];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        snprintf(config, sizeof(config),
                 "{\"tokenizer_class\":\"%s\"%s,\"bos_token\":\"<s>\","
                 "\"eos_token\":\"</s>\"}",
                 CASES[i].class, CASES[i].more);
        write_in(folder, "tokenizer_config.json", config);
        write_in(folder, "tokenizer.json",
                 CASES[i].bare ? BEFORE "null" BEHIND
                               : BEFORE BEGINS BEHIND);
        check_text(folder, "lung", CASES[i].ids);
    }
    medvl_free(folder);
}

static void a_later_processor_stands_outside_of_an_earlier(void **state)
{
    char *folder = make_folder("processors");

    (void)state;
    write_in(folder, "tokenizer.json", BEFORE TWICE BEHIND);
    check_text(folder, "lung", (int32_t[IDS]){3, 1, 3, 2, 0, -1});
    medvl_free(folder);
}

/* ---- added tokens beside a tokenizer.json -------------------------------- */

#define BYTES                                                           \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" \
    "false}"
#define NEAR                                                          \
    "{\"added_tokens\":[{\"id\":10,\"content\":\"</s>\",\"special\":" \
    "true},{\"id\":11,\"content\":\"<x>\"}],\"pre_tokenizer\":" BYTES \
    ",\"decoder\":" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{"  \
    "\"<\":0,\"a\":1,\"b\":2,\"n\":3,\"v\":4,\"x\":5,\">\":6,"        \
    "\"\xC4\xA0\":7,\"<v>\":8,\"/\":9},\"merges\":[]}}"

/* Which are there, and which of them are special. */
static void the_configuration_changes_and_adds_tokens(void **state)
{
    static const struct {
        const char *config, *map;
        int32_t ids[16];
        const char *shown; /* without special ones */
    } CASES[] = {
        {"", "{}", {1, 7, 11, 0, 4, 6, 0, 3, 6, -1}, "a <x><v><n>"},
        {"\"added_tokens_decoder\":{\"11\":{\"content\":\"<x>\","
         "\"special\":true,\"lstrip\":true}}",
         "{\"additional_special_tokens\":[\"<n>\"]}",
         {1, 11, 0, 4, 6, 0, 3, 6, -1},
         "a<v><n>"},
        {"\"added_tokens_decoder\":{\"20\":{\"content\":\"<n>\"}}",
         "{}",
         {1, 7, 11, 0, 4, 6, 12, -1},
         "a <x><v><n>"},
        {"\"additional_special_tokens\":[\"<x>\",\"<n>\",\"<v>\"]",
         "{}",
         {1, 7, 11, 8, 12, -1},
         "a "},
        {"\"pad_token\":\"<n>\",\"bos_token\":\"<v\","
         "\"extra_special_tokens\":{\"image_token\":\">\"}",
         "{}",
         {1, 7, 11, 12, 6, 13, -1},
         "a <x>"},
        {"\"extra_special_tokens\":{\"image_token\":\"<v\"},"
         "\"additional_special_tokens\":[\"<n>\"]",
         "{}",
         {1, 7, 11, 13, 6, 12, -1},
         "a <x>>"},
        {"\"cls_token\":\"<v>\","
         "\"foo_token\":\"<n>\"",
         "{}",
         {1, 7, 11, 8, 0, 3, 6, -1},
         "a <x><n>"},
        {"", "{\"eos_token\":\"<v>\",\"additional_special_tokens\":"
             "[\"<n>\"]}",
         {1, 7, 11, 8, 12, -1},
         "a <x>"},
    };
    static const char TEXT[] = "a <x><v><n>";
    char *folder = make_folder("changed");
    char config[400];

    (void)state;
    write_in(folder, "tokenizer.json", NEAR);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct medvl_tokenizer *tok = NULL;
        struct medvl_text shown = {0};
        struct medvl_error err = {0};
        size_t count = 0;

        snprintf(config, sizeof(config), "{%s}", CASES[i].config);
        write_in(folder, "tokenizer_config.json", config);
        write_in(folder, "special_tokens_map.json", CASES[i].map);
        check_text(folder, TEXT, CASES[i].ids);
        CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
        while (CASES[i].ids[count] >= 0)
            count++;
        CHECK_OK(medvl_tokenizer_decode(tok, &shown, CASES[i].ids, count,
                                        MEDVL_DECODE_SKIP_SPECIAL, &err),
                 &err);
        assert_string_equal(shown.data, CASES[i].shown);
        medvl_text_release(&shown);
        medvl_tokenizer_free(tok);
    }
    medvl_free(folder);
}

/* Tokens of the file, and as many again beside it. */
static void many_added_tokens_take_linear_time(void **state)
{
    enum { COUNT = 16000 };
    char *folder = make_folder("many");
    struct medvl_text json = {0};
    struct medvl_text config = {0};
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};
    clock_t start;

    (void)state;
    CHECK_OK(medvl_text_puts(&json, "{\"added_tokens\":[", &err), &err);
    CHECK_OK(medvl_text_puts(&config, "{\"added_tokens_decoder\":{", &err),
             &err);
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(medvl_text_printf(&json, &err,
                                   "%s{\"id\":%d,\"content\":\"<%07d>\"}",
                                   i ? "," : "", i + 1, i),
                 &err);
        CHECK_OK(medvl_text_printf(&config, &err,
                                   "%s\"%d\":{\"content\":\"[%07d]\"}",
                                   i ? "," : "", i, i),
                 &err);
    }
    CHECK_OK(medvl_text_puts(&json, "],\"model\":{\"type\":\"WordLevel\","
                                    "\"unk_token\":\"u\",\"vocab\":{"
                                    "\"u\":0}}}",
                             &err),
             &err);
    CHECK_OK(medvl_text_puts(&config, "}}", &err), &err);
    write_in(folder, "tokenizer.json", json.data);
    write_in(folder, "tokenizer_config.json", config.data);
    start = clock();
    CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
    assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
    assert_int_equal(medvl_tokenizer_size(tok), 1 + 2 * COUNT);
    medvl_tokenizer_free(tok);
    medvl_text_release(&json);
    medvl_text_release(&config);
    medvl_free(folder);
}

/* ---- tokenizer.model: "legacy" ------------------------------------------- */

#define IMAGE(flags)                                                     \
    "\"added_tokens_decoder\":{\"32000\":{\"content\":\"<image>\"" flags \
    "}}"

/* A mark that stands before an added token is left there unless that one is
 * among all_special_tokens. */
static void legacy_says_where_a_mark_is_put(void **state)
{
    static const struct {
        const char *config, *text;
        int32_t ids[IDS];
    } CASES[] = {
        {IMAGE("") ",\"legacy\":false",
         "<image>hello",
         {1, 28705, 32000, 21558, -1}},
        {IMAGE(",\"special\":true") ",\"legacy\":false",
         "<image>",
         {1, 28705, 32000, -1}},
        {IMAGE("") ",\"legacy\":false",
         "<image><image>",
         {1, 28705, 32000, 32000, -1}},
        {IMAGE("") ",\"legacy\":false",
         " <image>hello",
         {1, 259, 32000, 21558, -1}},
        {IMAGE(",\"lstrip\":true") ",\"legacy\":false",
         " <image>hello",
         {1, 28705, 32000, 21558, -1}},
        {IMAGE("") ",\"legacy\":false",
         "hello<image>hello",
         {1, 6312, 28709, 32000, 21558, -1}},
        {IMAGE("") ",\"legacy\":false", "<s>hello", {1, 1, 21558, -1}},
        {IMAGE("") ",\"legacy\":false,"
                   "\"additional_special_tokens\":[\"<image>\"]",
         "<image>hello",
         {1, 32000, 21558, -1}},
        {IMAGE(",\"rstrip\":true") ",\"legacy\":false",
         "<image>\xE2\x96\x81hello",
         {1, 28705, 32000, 21558, -1}},
        {IMAGE(",\"lstrip\":true") ",\"legacy\":false",
         "hello\xE2\x96\x81<image>",
         {1, 6312, 28709, 32000, -1}},
        {IMAGE("") ",\"legacy\":false",
         "<image> \xE2\x96\x81</s>",
         {1, 28705, 32000, 259, 2, -1}},
        {IMAGE(""), "<image>hello", {1, 32000, 6312, 28709, -1}},
        {"\"x\":0", "<unk>hello", {1, 0, 6312, 28709, -1}},
        {"\"legacy\":false", "<unk>hello", {1, 0, 21558, -1}},
    };
    char *model = check_data("tokenizers/mistral-spm/tokenizer.model");
    char *folder = make_folder("legacy");
    char *path = NULL;
    char config[400];
    struct medvl_text bytes = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_file_read(&bytes, model, 16 << 20, &err), &err);
    CHECK_OK(medvl_path_join(&path, folder, "tokenizer.model", &err), &err);
    CHECK_OK(medvl_file_write(path, bytes.data, bytes.size, &err), &err);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        snprintf(config, sizeof(config), "{%s}", CASES[i].config);
        write_in(folder, "tokenizer_config.json", config);
        check_text(folder, CASES[i].text, CASES[i].ids);
    }
    medvl_text_release(&bytes);
    medvl_free(model);
    medvl_free(path);
    medvl_free(folder);
}

/* ---- tokenizer.model: other files beside it ----------------------------- */

static void copy_model(const char *folder, const char *from)
{
    char *path = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_join(&path, folder, "tokenizer.model", &err), &err);
    CHECK_OK(medvl_file_copy(path, from, &err), &err);
    medvl_free(path);
}

/* As LlamaTokenizer reads them. */
static void one_list_of_added_tokens_makes_the_other_void(void **state)
{
    char *model = check_data("tokenizers/mistral-spm/tokenizer.model");
    char *folder = make_folder("two_lists");

    (void)state;
    copy_model(folder, model);
    write_in(folder, "added_tokens.json", "{\"<more>\":32001}");
    check_text(folder, "<more>a", (int32_t[IDS]){1, 32001, 264, -1});
    write_in(folder, "tokenizer_config.json", "{" IMAGE("") "}");
    check_text(folder, "<more>", (int32_t[IDS]){1, 523, 4452, 28767, -1});
    medvl_free(model);
    medvl_free(folder);
}

/* As T5Tokenizer: a Unigram model's texts end, and do not begin. */
static void texts_of_unigram_models_end(void **state)
{
    char *folder = make_folder("unigram_ends");

    (void)state;
    copy_model(folder, "tests/golden/vocabulary/unigram.model");
    check_text(folder, "Chest", (int32_t[IDS]){20, 33, 4, 15, 2, -1});
    write_in(folder, "tokenizer_config.json", "{\"add_eos_token\":false}");
    check_text(folder, "Chest", (int32_t[IDS]){20, 33, 4, 15, -1});
    medvl_free(folder);
}

/* As sentencepiece 0.2.3: of one piece, or of all where extra ones go. */
static void decoding_takes_the_spaces_in_front(void **state)
{
    static const struct {
        const char *model;
        int32_t ids[5];
        const char *text;
    } CASES[] = {
        {"unigram", {3, 3, 5, 3, 5}, "a a"},
        {"bpe_bytes", {411, 411, 414, 411, 414}, " a a"},
        {"bpe_across", {211, 211, 214, 211, 214}, "a a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct medvl_tokenizer *tok = NULL;
        struct medvl_text text = {0};
        struct medvl_error err = {0};
        char path[100];

        snprintf(path, sizeof(path), "tests/golden/vocabulary/%s.model",
                 CASES[i].model);
        CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
        CHECK_OK(medvl_tokenizer_decode(tok, &text, CASES[i].ids, 5, 0,
                                        &err),
                 &err);
        assert_string_equal(text.data, CASES[i].text);
        medvl_text_release(&text);
        medvl_tokenizer_free(tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_classes_make_the_template_anew),
        cmocka_unit_test(a_later_processor_stands_outside_of_an_earlier),
        cmocka_unit_test(the_configuration_changes_and_adds_tokens),
        cmocka_unit_test(many_added_tokens_take_linear_time),
        cmocka_unit_test(legacy_says_where_a_mark_is_put),
        cmocka_unit_test(one_list_of_added_tokens_makes_the_other_void),
        cmocka_unit_test(texts_of_unigram_models_end),
        cmocka_unit_test(decoding_takes_the_spaces_in_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
