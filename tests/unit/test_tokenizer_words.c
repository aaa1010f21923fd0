/*
 * The short way of CLIP's and BERT's tokenizers (lib/text/tokenizer_words.c)
 * gives what all the steps give.  These are had from the same file with a
 * pattern, or a step, that says the same in other words, which is not known.
 */
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/text/spell.h"
#include "lib/text/tiktoken.h"
#include "lib/text/tokenizer.h"
#include "tests/unit/check.h"

#define KNOWN   "|[\\\\p{N}]|"
#define UNKNOWN "|[\\\\p{N}]|\\\\p{L}|"

#define BERT_KNOWN "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define BERT_UNKNOWN                                               \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" \
    "{\"type\":\"BertPreTokenizer\"}]}"

/* Both ways, each with one worker whose words stay. */
struct pair {
    struct medvl_tokenizer *tok[2];
    struct medvl_encoder *encoder[2];
};

static void open_one(struct pair *pair, int i, struct medvl_span json)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_tokenizer_new(&pair->tok[i], json, &err), &err);
    CHECK_OK(medvl_encoder_new(&pair->encoder[i], pair->tok[i], &err), &err);
}

static struct pair open_pair(struct medvl_span json, const char *known,
                             const char *unknown)
{
    struct pair pair = {0};
    struct medvl_text other = {0};
    struct medvl_error err = {0};
    const char *at = strstr(json.data, known);

    assert_non_null(at);
    CHECK_OK(medvl_text_append(&other, json.data, (size_t)(at - json.data),
                               &err),
             &err);
    CHECK_OK(medvl_text_puts(&other, unknown, &err), &err);
    CHECK_OK(medvl_text_puts(&other, at + strlen(known), &err), &err);
    open_one(&pair, 0, json);
    open_one(&pair, 1, medvl_text_span(&other));
    medvl_text_release(&other);
    return pair;
}

static void close_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        medvl_encoder_free(pair->encoder[i]);
        medvl_tokenizer_free(pair->tok[i]);
    }
}

static void check_same(const struct pair *pair, struct medvl_span text,
                       const struct medvl_run *runs, size_t run_count)
{
    struct medvl_tokens tokens[2] = {{.keep_ends = true},
                                     {.keep_ends = true}};
    struct medvl_error err = {0};
    bool same;

    for (int i = 0; i < 2; i++)
        CHECK_OK(medvl_encoder_encode(pair->encoder[i], &tokens[i], text,
                                      runs, run_count, 0, &err),
                 &err);
    same = tokens[0].count == tokens[1].count;
    for (size_t i = 0; i < tokens[0].count && same; i++)
        same = tokens[0].ids[i] == tokens[1].ids[i] &&
               tokens[0].ends[i] == tokens[1].ends[i];
    if (!same)
        fail_msg("other tokens for <%.*s>", (int)text.size, text.data);
    medvl_tokens_release(&tokens[0]);
    medvl_tokens_release(&tokens[1]);
}

/* ---- a small vocabulary ------------------------------------------------- */

static const char MERGES[] =
    "[\"t h\",\"th e</w>\",\"a n\",\"an d</w>\",\"' s</w>\",\"! !\","
    "\"!! !</w>\",\"1 2</w>\",\"e s</w>\",\"i n\",\"i n</w>\","
    "\"in f\",\"inf e\",\"n f\",\"\xC3\x83 \xC2\xA9</w>\",\"a a\","
    "\"aa aa\",\"aa a</w>\",\"< /\",\"a a</w>\",\"aaaa aaaa\"]";
static const char MADE[][12] = {
    "th", "the</w>", "an", "and</w>", "'s</w>", "!!", "!!!</w>", "12</w>",
    "es</w>", "in", "in</w>", "inf", "infe", "nf", "\xC3\x83\xC2\xA9</w>",
    "aa", "aaaa", "aaa</w>", "</", "aa</w>", "aaaaaaaa", "</w>", "xyz"};

/* Bytes, bytes at the end of a word, and what the merges make. */
static void put_vocabulary(struct medvl_text *json)
{
    struct medvl_error err = {0};
    int id = 0;

    for (int ends = 0; ends < 2; ends++) {
        for (int i = 0; i < 256; i++) {
            char c[5] = {0};
            const uint32_t rune = medvl_byte_rune((unsigned char)i);

            medvl_utf8_encode(c, rune);
            CHECK_OK(medvl_text_printf(json, &err, "%s\"%s%s%s\":%d",
                                       id > 0 ? "," : "",
                                       rune == '"' || rune == '\\' ? "\\"
                                                                   : "",
                                       c, ends ? "</w>" : "", id),
                     &err);
            id++;
        }
    }
    for (size_t i = 0; i < sizeof(MADE) / sizeof(MADE[0]); i++)
        CHECK_OK(medvl_text_printf(json, &err, ",\"%s\":%d", MADE[i], id++),
                 &err);
}

/* `replace`: steps before the others; `added`: of tokens, ids from 600. */
static struct medvl_text make_small(const char *added, const char *replace,
                                    const char *pattern)
{
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    CHECK_OK(
        medvl_text_printf(
            &json, &err,
            "{\"added_tokens\":[%s],\"normalizer\":{\"type\":\"Sequence\","
            "\"normalizers\":[%s{\"type\":\"NFC\"},{\"type\":\"Replace\","
            "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},"
            "{\"type\":\"Lowercase\"}]},\"pre_tokenizer\":{\"type\":"
            "\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
            "\"pattern\":{\"Regex\":\"%s's|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+"
            "|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},\"behavior\":"
            "\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\","
            "\"add_prefix_space\":false}]},\"model\":{\"type\":\"BPE\","
            "\"end_of_word_suffix\":\"</w>\",\"vocab\":{",
            added, replace, pattern),
        &err);
    put_vocabulary(&json);
    CHECK_OK(medvl_text_printf(&json, &err, "},\"merges\":%s}}", MERGES),
             &err);
    return json;
}

static struct pair open_small(const char *added, const char *replace,
                              const char *pattern)
{
    struct medvl_text json = make_small(added, replace, pattern);
    struct pair pair = open_pair(medvl_text_span(&json), KNOWN, UNKNOWN);

    medvl_text_release(&json);
    return pair;
}

/* ---- texts -------------------------------------------------------------- */

static const char *const PARTS[] = {
    " ", " ", " ", "  ", "\n", "\t", "\r\n", "\v", "\f", "\x1C", "\x01",
    "\x7F", "the", "THE", "The", "infe", "in", "and", "thes", "tumour",
    "COVID", "covid", "CT", "aaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a", "'s", "'S", "'re", "'RE", "'v", "'ve", "'ll", "'l", "'d", "'",
    "''s", "12", "2019", "5", "!!!", "!", "...", ",", "(", ")", "%", "<",
    "</", "</w>", "w>", "<|", "<|x|>", "<|X|>", "<|endoftext|>", "xY",
    "Xy", "&amp;", "&AMP;", "&amp;lt;", "&nbsp;", "&", "nbsp;", "lt;",
    "\xC3\xA9", "\xC3\x89\xC2\xB5", "k", "e\xCC\x81", "\xCC\x81", "\xC5\xBF",
    "'\xC5\xBF",
    "\xE2\x84\xAA", "\xC4\xB0", "\xCD\xBE", "\xC2\xA0", "\xC2\x85",
    "\xE2\x80\xA8", "\xE3\x80\x80", "\xC2\xB5", "\xE2\x89\xA5", "\xC2\xBD",
    "\xE8\x83\xB8", "~", "\xCE\xA3", "\xF0\x9F\x91\x8D", "\xD9\xA3",
    "\xC3\x83"};
#define PART_COUNT (sizeof(PARTS) / sizeof(PARTS[0]))

/* Texts of parts; with runs of which some are the record's. */
static void check_parts(const struct pair *pair, uint64_t item, int texts,
                        uint64_t most)
{
    struct medvl_run *runs = medvl_alloc(most, sizeof(*runs));
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    struct medvl_rng rng;

    assert_non_null(runs);
    medvl_rng_init(&rng, 2, MEDVL_PURPOSE_TEST, item);
    for (int i = 0; i < texts; i++) {
        const uint64_t count = medvl_rng_below(&rng, most);

        medvl_text_clear(&text);
        for (uint64_t n = 0; n < count; n++) {
            const char *part = PARTS[medvl_rng_below(&rng, PART_COUNT)];

            runs[n] = (struct medvl_run){strlen(part),
                                         medvl_rng_below(&rng, 2) == 0};
            CHECK_OK(medvl_text_puts(&text, part, &err), &err);
        }
        check_same(pair, medvl_text_span(&text), NULL, 0);
        check_same(pair, medvl_text_span(&text), runs, (size_t)count);
    }
    medvl_text_release(&text);
    medvl_free(runs);
}

/* Texts of ASCII, long ones of few spaces too. */
static void check_ascii(const struct pair *pair, uint64_t item, int texts)
{
    char text[9000];
    struct medvl_rng rng;

    medvl_rng_init(&rng, 3, MEDVL_PURPOSE_TEST, item);
    for (int i = 0; i < texts; i++) {
        const size_t size = (size_t)medvl_rng_below(
            &rng, i % 100 == 0 ? sizeof(text) : 40);
        const uint64_t letters = medvl_rng_below(&rng, 3);

        for (size_t k = 0; k < size; k++)
            text[k] = (char)(medvl_rng_below(&rng, 3) < letters
                                 ? 'a' + medvl_rng_below(&rng, 20)
                                 : medvl_rng_below(&rng, 128));
        check_same(pair, (struct medvl_span){text, size}, NULL, 0);
    }
}

/* A word longer than a block of them, of one piece and of many. */
static void check_long(const struct pair *pair)
{
    static const char *const WORDS[] = {"a", "a!"};
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    for (size_t i = 0; i < 2; i++) {
        medvl_text_clear(&text);
        CHECK_OK(medvl_text_puts(&text, "the ", &err), &err);
        while (text.size < 9000)
            CHECK_OK(medvl_text_puts(&text, WORDS[i], &err), &err);
        CHECK_OK(medvl_text_puts(&text, " and", &err), &err);
        check_same(pair, medvl_text_span(&text), NULL, 0);
    }
    medvl_text_release(&text);
}

#define REPLACE(from, to)                                          \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"}," \
    "\"content\":\"" to "\"},"
#define ADDED(content, flags) \
    "{\"id\":600,\"content\":\"" content "\"," flags "\"normalized\":true}"

static void the_short_way_gives_what_all_steps_give(void **state)
{
    static const struct {
        const char *added, *replace, *pattern;
    } CASES[] = {
        {"", "", ""},
        {ADDED("<|X|>", ""), "", ""},
        {ADDED("xY", "\"single_word\":true,"), "", ""},
        {ADDED("xy", "\"lstrip\":true,\"rstrip\":true,"), "", ""},
        {ADDED("the tumour", ""), "", ""},
        {ADDED("\xC3\xA9\xC2\xB5", ""), "", ""},
        {ADDED("\xE2\x84\xAA", ""), "", ""},
        {"{\"id\":600,\"content\":\"<|endoftext|>\",\"special\":true}",
         REPLACE("&amp;", "&") REPLACE("&nbsp;", " ")
             REPLACE("&lt;", "<"),
         ""},
        {"", REPLACE("e t", "xx"), ""},
        {"", REPLACE(" ", ""), ""},
        {"{\"id\":600,\"content\":\"<|endoftext|>\",\"special\":true}", "",
         "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct pair pair = open_small(CASES[i].added, CASES[i].replace,
                                      CASES[i].pattern);

        check_parts(&pair, i, 1000, 12);
        check_parts(&pair, i, 3, 4000);
        check_ascii(&pair, i, 1000);
        check_long(&pair);
        close_pair(&pair);
    }
}

static void every_byte_and_two_of_them_are_the_same(void **state)
{
    struct pair pair = open_small("", "", "");

    (void)state;
    for (int a = 0; a < 128; a++) {
        for (int b = 0; b < 128; b++) {
            const char text[] = {'x', (char)a, (char)b, 's', 'X'};

            check_same(&pair, (struct medvl_span){text, 5}, NULL, 0);
        }
    }
    close_pair(&pair);
}

static void the_vocabulary_of_clip_is_the_same_both_ways(void **state)
{
    char *zipped = check_data("tokenizers/clip/bpe_simple_vocab_16e6.txt.gz");
    char *path = check_temp("clip_words.txt");
    struct medvl_text file = {0};
    struct medvl_text json = {0};
    struct medvl_error err = {0};
    char command[4000];
    struct pair pair;

    (void)state;
    snprintf(command, sizeof(command), "gzip -dc '%s' >'%s'", zipped, path);
    assert_int_equal(system(command), 0);
    CHECK_OK(medvl_file_read(&file, path, 1 << 24, &err), &err);
    CHECK_OK(medvl_clip_to_json(&json, medvl_text_span(&file), &err), &err);
    pair = open_pair(medvl_text_span(&json), KNOWN, UNKNOWN);
    /* The words of the vocabulary itself, and others. */
    check_same(&pair, medvl_text_span(&file), NULL, 0);
    check_parts(&pair, 0, 1000, 12);
    check_parts(&pair, 0, 3, 4000);
    check_ascii(&pair, 0, 2000);
    close_pair(&pair);
    medvl_text_release(&file);
    medvl_text_release(&json);
    medvl_free(zipped);
    medvl_free(path);
}

/* ---- BERT --------------------------------------------------------------- */

static struct pair open_bert(const char *added, const char *flags)
{
    struct medvl_text json = {0};
    struct medvl_error err = {0};
    struct pair pair;
    int id = 1;

    CHECK_OK(medvl_text_printf(
                 &json, &err,
                 "{\"added_tokens\":[%s],\"normalizer\":{\"type\":"
                 "\"BertNormalizer\",%s},\"pre_tokenizer\":{\"type\":"
                 "\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\","
                 "\"unk_token\":\"u\",\"continuing_subword_prefix\":"
                 "\"##\",\"max_input_chars_per_word\":30,\"vocab\":{"
                 "\"u\":0,\"the\":601,\"##our\":603,\"The\":602",
                 added, flags),
             &err);
    for (int i = '!'; i < 127; i++) {
        const char *slash = i == '"' || i == '\\' ? "\\" : "";

        if (i == 'u' || i == '~')
            continue;
        CHECK_OK(medvl_text_printf(&json, &err,
                                   ",\"%s%c\":%d,\"##%s%c\":%d", slash, i,
                                   id, slash, i, id + 1),
                 &err);
        id += 2;
    }
    CHECK_OK(medvl_text_puts(&json, "}}}", &err), &err);
    pair = open_pair(medvl_text_span(&json), BERT_KNOWN, BERT_UNKNOWN);
    medvl_text_release(&json);
    return pair;
}

static void the_short_way_of_bert_gives_what_all_steps_give(void **state)
{
    static const char *const FLAGS[] = {
        "\"clean_text\":true,\"handle_chinese_chars\":true,"
        "\"lowercase\":true",
        "\"clean_text\":true,\"handle_chinese_chars\":true,"
        "\"lowercase\":false",
        "\"clean_text\":false,\"handle_chinese_chars\":false,"
        "\"lowercase\":true,\"strip_accents\":false"};
    static const char *const ADDED_TOKENS[] = {
        "", ADDED("<|X|>", ""), ADDED("xY", "\"single_word\":true,"),
        ADDED("COVID", "")};

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct pair pair = open_bert(ADDED_TOKENS[i / 3], FLAGS[i % 3]);

        check_parts(&pair, i, 1000, 12);
        check_parts(&pair, i, 3, 4000);
        check_ascii(&pair, i, 1000);
        check_long(&pair);
        close_pair(&pair);
    }
}

static int open_and_encode(void *arg, struct medvl_error *err)
{
    const struct medvl_text *json = arg;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_tokenizer *tok = NULL;
    struct medvl_encoder *encoder = NULL;
    int rc = medvl_tokenizer_new(&tok, medvl_text_span(json), err);

    if (rc == MEDVL_OK)
        rc = medvl_encoder_new(&encoder, tok, err);
    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(encoder, &tokens,
                                  medvl_span("the tumour's \xC3\xA9 !!!"),
                                  NULL, 0, 0, err);
    assert_true(rc < 0 || tokens.count == 10);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
    return rc;
}

static void no_memory_is_said(void **state)
{
    struct medvl_text json = make_small("", "", "");

    (void)state;
    check_no_memory(open_and_encode, &json, 20000);
    medvl_text_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_way_gives_what_all_steps_give),
        cmocka_unit_test(every_byte_and_two_of_them_are_the_same),
        cmocka_unit_test(the_vocabulary_of_clip_is_the_same_both_ways),
        cmocka_unit_test(the_short_way_of_bert_gives_what_all_steps_give),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
