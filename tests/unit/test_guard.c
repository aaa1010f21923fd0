/*
 * A record that spells a special token out gets its text, even where the
 * model knows that token as any other.  The module is lib/text/guard.h.
 */
#include "lib/text/guard.h"

#include "lib/text/tokenizer.h"
#include "tests/unit/check.h"

/* ---- a tokenizer -------------------------------------------------------- */

#define SPECIAL 8 /* the id of "</s>" in all of these, or of "eos" */

struct user {
    struct medvl_tokenizer *tok;
    struct medvl_encoder *encoder;
    struct medvl_tokens tokens;
    struct medvl_text shown;
};

static void begin(struct user *user, struct medvl_tokenizer *tok)
{
    struct medvl_error err = {0};

    *user = (struct user){.tok = tok};
    CHECK_OK(medvl_encoder_new(&user->encoder, tok, &err), &err);
}

static void end(struct user *user)
{
    medvl_tokens_release(&user->tokens);
    medvl_text_release(&user->shown);
    medvl_encoder_free(user->encoder);
    medvl_tokenizer_free(user->tok);
}

/* Where the text comes from: nowhere said, the template, the record. */
enum from { UNSAID,
            TEMPLATE,
            RECORD };

/* How often the special token comes of it; the tokens are shown. */
static int count(struct user *user, const char *text, enum from from,
                 unsigned flags)
{
    const struct medvl_run run = {strlen(text), from == RECORD};
    struct medvl_error err = {0};
    int found = 0;

    for (int ends = 0; ends < 2; ends++) {
        medvl_tokens_release(&user->tokens);
        user->tokens = (struct medvl_tokens){.keep_ends = ends};
        CHECK_OK(medvl_encoder_encode(user->encoder, &user->tokens,
                                      medvl_span(text),
                                      from == UNSAID ? NULL : &run,
                                      from != UNSAID, flags, &err),
                 &err);
    }
    medvl_text_clear(&user->shown);
    for (size_t i = 0; i < user->tokens.count; i++) {
        const int32_t id = user->tokens.ids[i];
        const struct medvl_span bytes = medvl_tokenizer_bytes(user->tok, id);

        found += id == SPECIAL;
        CHECK_OK(medvl_text_printf(&user->shown, &err, "%s%.*s",
                                   i ? "|" : "", (int)bytes.size,
                                   bytes.data),
                 &err);
    }
    assert_int_equal(user->tokens.ends[user->tokens.count - 1],
                     strlen(text));
    return found;
}

static void check(struct user *user, const char *text, int times,
                  const char *want)
{
    if (count(user, text, RECORD, 0) != 0)
        fail_msg("\"%s\" of a record gives \"%s\"", text, user->shown.data);
    assert_string_equal(user->shown.data, want);
    assert_int_equal(count(user, text, UNSAID, 0), times);
    assert_int_equal(count(user, text, TEMPLATE, 0), times);
    assert_int_equal(
        count(user, text, RECORD, MEDVL_ENCODE_PARSE_SPECIAL), times);
}

/* ---- models of tokenizer.json ------------------------------------------- */

#define CHARACTERS \
    "\"a\":0,\"b\":1,\"<\":2,\"/\":3,\"s\":4,\">\":5,\"</\":6,\"s>\":7,"
#define VOCABULARY \
    "\"vocab\":{" CHARACTERS "\"</s>\":8,\" \":9,\"\xC4\xA0\":10}"
#define MERGES "\"merges\":[\"< /\",\"s >\",\"</ s>\"]"
#define UNIGRAM                                                            \
    "\"type\":\"Unigram\",\"unk_id\":10,\"vocab\":[[\"a\",-1],[\"b\",-1]," \
    "[\"<\",-1],[\"/\",-1],[\"s\",-1],[\">\",-1],[\"</\",-1.5],"           \
    "[\"s>\",-1.5],[\"</s>\",0],[\"\xE2\x96\x81\",-2],[\"u\",-9]]"
#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false," \
              "\"use_regex\":false}"
#define SPLIT "{\"type\":\"WhitespaceSplit\"}"
#define PIECE                                                           \
    "\"type\":\"WordPiece\",\"unk_token\":\"a\","                       \
    "\"continuing_subword_prefix\":\"#\",\"max_input_chars_per_word\":" \
    "99,\"vocab\":{"

static const struct {
    const char *normalizer, *pre, *model, *text, *want;
    int times;
} JSONS[] = {
    {"null", "null", UNIGRAM, "a</s>b", "a|<|/|s>|b", 1},
    {"null", "null", UNIGRAM, "</s></s></s>", "<|/|s>|<|/|s>|<|/|s>", 3},
    {"{\"type\":\"Lowercase\"}", "null", UNIGRAM, "</S>zz</S>",
     "<|/|s>|u|<|/|s>", 2},
    {"null", "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\"}",
     UNIGRAM, "a </s>",
     "\xE2\x96\x81|a|\xE2\x96\x81|<|/|s>", 1},
    {"null", BYTES,
     "\"type\":\"BPE\",\"ignore_merges\":true,\"merges\":[]," VOCABULARY,
     "</s>", "<|/|s|>", 1},
    {"null", BYTES, "\"type\":\"BPE\"," MERGES "," VOCABULARY, "a</s>b",
     "a|<|/|s>|b", 1},
    {"null", "null", "\"type\":\"BPE\"," MERGES "," VOCABULARY, "a</s>b",
     "a|<|/|s>|b", 1},
    {"null", SPLIT,
     "\"type\":\"WordLevel\",\"unk_token\":\"a\"," VOCABULARY, "b </s>",
     "b|<|a", 1},
    {"null", SPLIT, PIECE CHARACTERS "\"</s>\":8,\"#s\":9,\"#>\":10}",
     "b </s>", "b|<|/|#s|#>", 1},
};

static struct medvl_tokenizer *open_json(const char *special,
                                         const char *normalizer,
                                         const char *pre, const char *model)
{
    struct medvl_text json = {0};
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_text_printf(
                 &json, &err,
                 "{\"added_tokens\":[{\"id\":%d,\"content\":\"%s\","
                 "\"special\":true}],\"normalizer\":%s,"
                 "\"pre_tokenizer\":%s,\"model\":{%s}}",
                 SPECIAL, special, normalizer, pre, model),
             &err);
    CHECK_OK(medvl_tokenizer_new(&tok, medvl_text_span(&json), &err), &err);
    medvl_text_release(&json);
    return tok;
}

static void every_model_of_tokenizer_json_spells_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(JSONS) / sizeof(JSONS[0]); i++) {
        struct user user;

        begin(&user, open_json("</s>", JSONS[i].normalizer, JSONS[i].pre,
                               JSONS[i].model));
        check(&user, JSONS[i].text, JSONS[i].times, JSONS[i].want);
        end(&user);
    }
}

/* A word of letters, which the short way of BERT would encode. */
static void bert_spells_it(void **state)
{
    struct user user;

    (void)state;
    begin(&user,
          open_json("ee", "{\"type\":\"BertNormalizer\",\"lowercase\":true}",
                    "{\"type\":\"BertPreTokenizer\"}",
                    PIECE "\"a\":0,\"e\":1,\"#e\":2,\"o\":3,\"ee\":8}"));
    check(&user, "o ee ee", 2, "o|e|e|e|e");
    /* What a cut leaves may be another: then it is cut all through. */
    check(&user, "eeee", 2, "e|e|e|e");
    end(&user);
}

/* ---- tokenizer.model ---------------------------------------------------- */

static void put_field(struct medvl_text *out, char tag, const char *data,
                      size_t size)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_text_putc(out, tag, &err), &err);
    CHECK_OK(medvl_text_putc(out, (char)size, &err), &err);
    CHECK_OK(medvl_text_append(out, data, size, &err), &err);
}

/* Pieces with a score that falls, of a type each; unk is the last. */
static struct medvl_tokenizer *open_model(bool unigram, char type,
                                          const char *config)
{
    static const char *const PIECES[] = {
        "a", "b", "<", "/", "s", ">", "</", "s>", "</s>", "\xE2\x96\x81",
        "<unk>"};
    char *path = check_temp("guard.model");
    char *folder = check_temp("guard");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    for (int i = 0; i < 11; i++) {
        struct medvl_text piece = {0};
        const float score = i == SPECIAL ? -0.5F : -(float)i - 1;
        char rest[7] = "\x15....\x18";

        memcpy(rest + 1, &score, 4);
        put_field(&piece, '\x0A', PIECES[i], strlen(PIECES[i]));
        CHECK_OK(medvl_text_append(&piece, rest, 6, &err), &err);
        CHECK_OK(medvl_text_putc(&piece,
                                 (char)(i == SPECIAL ? type : i == 10 ? 2
                                                                      : 1),
                                 &err),
                 &err);
        put_field(&file, '\x0A', piece.data, piece.size);
        medvl_text_release(&piece);
    }
    put_field(&file, '\x12', unigram ? "\x18\x01" : "\x18\x02", 2);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    medvl_free(path);
    CHECK_OK(medvl_path_join(&path, folder, "tokenizer.model", &err), &err);
    CHECK_OK(medvl_file_write(path, file.data, file.size, &err), &err);
    medvl_free(path);
    CHECK_OK(medvl_path_join(&path, folder, "tokenizer_config.json", &err),
             &err);
    CHECK_OK(medvl_file_write(path, config, strlen(config), &err), &err);
    CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
    medvl_text_release(&file);
    medvl_free(path);
    medvl_free(folder);
    return tok;
}

/* A user's piece, and one of the model that the configuration names. */
static void tokenizer_model_spells_it(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct user user;

        begin(&user, open_model(i & 1, i & 2 ? 4 : 1,
                                "{\"eos_token\":\"</s>\"}"));
        check(&user, "a</s>b</s>", 2,
              i == 2 ? "\xE2\x96\x81|a|</|s>|b|</|s>"
                     : "\xE2\x96\x81|a|<|/|s>|b|<|/|s>");
        check(&user, "ab", 0, "\xE2\x96\x81|a|b");
        end(&user);
    }
}

/* By their names, though they are not special. */
static void begin_end_and_padding_are_spelled(void **state)
{
    static const char *const NAMES[] = {"bos_token", "eos_token",
                                        "pad_token", "x"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct medvl_run run = {3, true};
        struct medvl_error err = {0};
        struct user user;
        char config[200];
        bool found = false;

        snprintf(config, sizeof(config),
                 "{\"added_tokens_decoder\":{\"11\":{\"content\":\"<a>\"}},"
                 "\"%s\":\"<a>\"}",
                 NAMES[i]);
        begin(&user, open_model(false, 1, config));
        CHECK_OK(medvl_encoder_encode(user.encoder, &user.tokens,
                                      medvl_span("<a>"), &run, 1, 0, &err),
                 &err);
        for (size_t k = 0; k < user.tokens.count; k++)
            found = found || user.tokens.ids[k] == 11;
        assert_int_equal(found, i == 3);
        end(&user);
    }
}

/* Time is that of the model, whatever the text spells. */
static void a_megabyte_of_them_is_spelled(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    struct user user;

    (void)state;
    while (text.size < 1000000)
        CHECK_OK(medvl_text_puts(&text, "</s>", &err), &err);
    begin(&user, open_json("</s>", "null", "null", UNIGRAM));
    assert_int_equal(count(&user, text.data, RECORD, 0), 0);
    assert_int_equal(user.tokens.count, 750000);
    end(&user);
    medvl_text_release(&text);
}

static int open_and_encode(void *arg, struct medvl_error *err)
{
    const struct medvl_run run = {9, true};
    struct medvl_tokens tokens = {0};
    struct medvl_encoder *encoder = NULL;
    int rc = medvl_encoder_new(&encoder, arg, err);

    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(encoder, &tokens, medvl_span("a</s>b</s"),
                                  &run, 1, 0, err);
    assert_true(rc < 0 || tokens.count == 7);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    return rc;
}

static void no_memory_is_said(void **state)
{
    struct medvl_tokenizer *tok = open_json("</s>", "null", "null", UNIGRAM);

    (void)state;
    check_no_memory(open_and_encode, tok, 1000);
    medvl_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_of_tokenizer_json_spells_it),
        cmocka_unit_test(bert_spells_it),
        cmocka_unit_test(tokenizer_model_spells_it),
        cmocka_unit_test(begin_end_and_padding_are_spelled),
        cmocka_unit_test(a_megabyte_of_them_is_spelled),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
