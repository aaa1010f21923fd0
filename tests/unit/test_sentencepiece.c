/* tokenizer.model.  The module is lib/text/sentencepiece.h. */
#include "lib/text/sentencepiece.h"

#include "tests/unit/vocabulary.h"

static struct medvl_sentencepiece *open_model(const char *path)
{
    struct medvl_sentencepiece *model = NULL;
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_read(&file, path, 16 << 20, &err), &err);
    CHECK_OK(medvl_sentencepiece_new(&model, medvl_text_span(&file), &err),
             &err);
    medvl_text_release(&file);
    return model;
}

/* A model with its encoder, and the tokens of a text. */
struct user {
    struct medvl_sentencepiece *model;
    struct medvl_sentencepiece_encoder *encoder;
    struct medvl_tokens tokens;
};

static void begin(struct user *user, const char *path)
{
    struct medvl_error err = {0};

    *user = (struct user){.tokens = {.keep_ends = true}};
    user->model = open_model(path);
    CHECK_OK(medvl_sentencepiece_encoder_new(&user->encoder, user->model,
                                             &err),
             &err);
}

static void end(struct user *user)
{
    medvl_tokens_release(&user->tokens);
    medvl_sentencepiece_encoder_free(user->encoder);
    medvl_sentencepiece_free(user->model);
}

static void encode_span(struct user *user, struct medvl_span text,
                        unsigned flags)
{
    struct medvl_error err = {0};

    medvl_tokens_clear(&user->tokens);
    CHECK_OK(medvl_sentencepiece_encode(user->encoder, NULL, &user->tokens,
                                        text, flags, 0, &err),
             &err);
}

static void check_line(void *arg, const struct medvl_json *line)
{
    struct user *user = arg;
    const struct medvl_span text = medvl_span(
        vocabulary_string(line, "text"));

    for (int pass = 0; pass < 2; pass++) {
        encode_span(user, text, 0);
        vocabulary_check(line, &user->tokens);
    }
    for (size_t i = 0; i < user->tokens.count; i++) {
        assert_true(user->tokens.ends[i] <= text.size);
        assert_true(i == 0 ||
                    user->tokens.ends[i] >= user->tokens.ends[i - 1]);
    }
}

static void small_models_give_the_ids_of_sentencepiece(void **state)
{
    static const char *const NAMES[] = {"unigram", "unigram_bytes", "bpe",
                                        "bpe_bytes", "bpe_suffix",
                                        "bpe_across"};

    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        struct user user;
        char path[200];

        snprintf(path, sizeof(path), VOCABULARY "%s.model", NAMES[i]);
        begin(&user, path);
        snprintf(path, sizeof(path), VOCABULARY "%s.jsonl", NAMES[i]);
        assert_int_equal(vocabulary_lines(path, check_line, &user), 250);
        end(&user);
    }
}

static void scores_and_spaces_weigh_as_in_sentencepiece(void **state)
{
    struct user user;

    (void)state;
    begin(&user, VOCABULARY "made_scores.model");
    assert_int_equal(vocabulary_lines(VOCABULARY "made_scores.jsonl",
                                      check_line, &user),
                     5);
    end(&user);
    begin(&user, VOCABULARY "made_spaces.model");
    assert_int_equal(vocabulary_lines(VOCABULARY "made_spaces.jsonl",
                                      check_line, &user),
                     4);
    end(&user);
}

static void mistral_gives_every_reference_id(void **state)
{
    char *path = check_data("tokenizers/mistral-spm/tokenizer.model");
    char *cases = check_data("tokenizers/mistral-spm/reference.jsonl");
    struct user user;

    (void)state;
    begin(&user, path);
    assert_true(vocabulary_lines(cases, check_line, &user) > 300);
    end(&user);
    medvl_free(path);
    medvl_free(cases);
}

static void settings_are_those_of_the_file(void **state)
{
    struct medvl_sentencepiece *model = open_model(VOCABULARY
                                                   "bpe_bytes.model");
    const struct medvl_sentencepiece_info *info =
        medvl_sentencepiece_info(model);

    (void)state;
    assert_false(info->unigram);
    assert_true(info->byte_fallback);
    assert_true(info->add_dummy_prefix);
    assert_false(info->remove_extra_whitespaces);
    assert_true(info->escape_whitespaces);
    assert_int_equal(info->unk, 0);
    assert_int_equal(info->bos, 1);
    assert_int_equal(info->eos, 2);
    assert_int_equal(info->pad, -1);
    assert_int_equal(medvl_sentencepiece_type(model, 1),
                     MEDVL_PIECE_CONTROL);
    assert_int_equal(medvl_sentencepiece_type(
                         model, medvl_sentencepiece_id(
                                    model, medvl_span("<image>"))),
                     MEDVL_PIECE_USER);
    assert_int_equal(medvl_sentencepiece_id(model, medvl_span("nowhere")),
                     -1);
    assert_null(medvl_sentencepiece_piece(model, info->size).data);
    medvl_sentencepiece_free(model);
}

static bool shows(const struct medvl_sentencepiece *model, const char *piece,
                  const char *text)
{
    const int32_t id = medvl_sentencepiece_id(model, medvl_span(piece));

    assert_true(id >= 0);
    return medvl_span_is(medvl_sentencepiece_bytes(model, id), text);
}

static void pieces_are_shown_as_text(void **state)
{
    struct medvl_sentencepiece *model = open_model(VOCABULARY
                                                   "bpe_bytes.model");

    (void)state;
    assert_true(shows(model, "\xE2\x96\x81", " "));
    assert_true(shows(model, "<0x41>", "A"));
    assert_true(shows(model, "<s>", ""));
    assert_true(shows(model, "<unk>", " \xE2\x81\x87 "));
    assert_true(shows(model, "<image>", "<image>"));
    assert_null(medvl_sentencepiece_bytes(model, -1).data);
    medvl_sentencepiece_free(model);
}

static void text_within_a_text_has_no_dummy_prefix(void **state)
{
    struct user user;
    int32_t first;

    (void)state;
    begin(&user, VOCABULARY "bpe.model");
    encode_span(&user, medvl_span("nodule"), 0);
    first = user.tokens.ids[0];
    encode_span(&user, medvl_span("nodule"), MEDVL_SENTENCEPIECE_NO_PREFIX);
    assert_int_not_equal(user.tokens.ids[0], first);
    encode_span(&user, medvl_span(" nodule"), 0);
    assert_int_equal(user.tokens.ids[0], first);
    encode_span(&user, medvl_span(""), 0);
    assert_int_equal(user.tokens.count, 0);
    end(&user);
}

/* A megabyte of one letter, without a space, in well under a second. */
static void a_megabyte_without_a_space_takes_no_square(void **state)
{
    static const char *const NAMES[] = {"unigram", "bpe_bytes",
                                        "bpe_across"};
    char *text = medvl_alloc(1 << 20, 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', 1 << 20);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        struct user user;
        char path[200];

        snprintf(path, sizeof(path), VOCABULARY "%s.model", NAMES[i]);
        begin(&user, path);
        encode_span(&user, (struct medvl_span){text, 1 << 20}, 0);
        assert_true(user.tokens.count > 1000);
        assert_int_equal(user.tokens.ends[user.tokens.count - 1], 1 << 20);
        end(&user);
    }
    medvl_free(text);
}

static void text_that_is_no_text_is_an_error(void **state)
{
    struct user user;
    struct medvl_error err = {0};

    (void)state;
    begin(&user, VOCABULARY "bpe.model");
    encode_span(&user, medvl_span("a"), 0);
    CHECK_FAILS(medvl_sentencepiece_encode(user.encoder, NULL, &user.tokens,
                                           medvl_span("ab\xFF"), 0, 0, &err),
                MEDVL_EFORMAT, &err, "byte 3 is not UTF-8");
    assert_true(user.tokens.count > 0);
    end(&user);
}

/* A model of these bytes: NULL if it opens, else what is said. */
static void check_refused(const void *data, size_t size, int code,
                          const char *part)
{
    struct medvl_sentencepiece *model = NULL;
    struct medvl_error err = {0};

    CHECK_FAILS(medvl_sentencepiece_new(
                    &model, (struct medvl_span){data, size}, &err),
                code, &err, part);
    assert_null(model);
}

#define REFUSED(bytes, code, part) \
    check_refused(bytes, sizeof(bytes) - 1, code, part)

/* A piece of one letter, and `more` fields of it. */
#define PIECE(letter, more) "\x0A\x05\x0A\x01" letter more
#define UNK                 PIECE("u", "\x18\x02")
#define BPE                 "\x12\x02\x18\x02"

static void models_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    REFUSED("", MEDVL_EFORMAT, "no piece is the unknown one");
    REFUSED("x", MEDVL_EFORMAT, "cannot be read");
    REFUSED("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", MEDVL_EFORMAT,
            "cannot be read");
    REFUSED("\x08\x01", MEDVL_EFORMAT, "another kind");
    REFUSED("\x0A\x00", MEDVL_EFORMAT, "piece 0 is empty");
    REFUSED(PIECE("\xFF", "\x18\x01"), MEDVL_EFORMAT, "not UTF-8");
    REFUSED(PIECE("a", "\x18\x09"), MEDVL_EFORMAT, "unknown type");
    REFUSED("\x0A\x08\x0A\x01"
            "a\x15\x00\x00\xC0\x7F",
            MEDVL_EFORMAT, "no finite score");
    REFUSED(UNK PIECE("a", "\x18\x01") PIECE("a", "\x18\x05"), MEDVL_EFORMAT,
            "pieces 1 and 2 are the same");
    REFUSED(UNK PIECE("v", "\x18\x02"), MEDVL_EFORMAT,
            "are both the unknown one");
    REFUSED(UNK PIECE("a", "\x18\x06"), MEDVL_EFORMAT,
            "is not spelled as one");
    REFUSED(UNK "\x12\x03\x98\x02\x01", MEDVL_EFORMAT,
            "byte fallback without <0x00>");
    REFUSED(UNK "\x12\x02\x18\x03", MEDVL_EUNSUPPORTED, "of type 3");
    REFUSED(UNK PIECE("a", "\x18\x05") BPE, MEDVL_EUNSUPPORTED,
            "piece 1 is an unused one");
    REFUSED(UNK "\x1A\x03\x12\x01x", MEDVL_EFORMAT, "charsmap");
}

static void a_cut_file_opens_as_less_or_not_at_all(void **state)
{
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_file_read(&file, VOCABULARY "bpe.model", 1 << 20, &err),
             &err);
    for (size_t size = 0; size < file.size; size += 7) {
        struct medvl_sentencepiece *model = NULL;
        const int rc = medvl_sentencepiece_new(
            &model, (struct medvl_span){file.data, size}, &err);

        assert_true((rc == MEDVL_OK) == (model != NULL));
        medvl_sentencepiece_free(model);
    }
    medvl_text_release(&file);
}

static int open_and_encode(void *arg, struct medvl_error *err)
{
    const struct medvl_text *file = arg;
    struct medvl_sentencepiece *model = NULL;
    struct medvl_sentencepiece_encoder *encoder = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    int rc = medvl_sentencepiece_new(&model, medvl_text_span(file), err);

    if (rc == MEDVL_OK)
        rc = medvl_sentencepiece_encoder_new(&encoder, model, err);
    if (rc == MEDVL_OK)
        rc = medvl_sentencepiece_encode(
            encoder, NULL, &tokens,
            medvl_span(" \xEF\xAC\x81 <image> \xE2\x96\x81"), 0, 0, err);
    medvl_tokens_release(&tokens);
    medvl_sentencepiece_encoder_free(encoder);
    medvl_sentencepiece_free(model);
    return rc;
}

static void no_memory_is_said(void **state)
{
    static const char *const NAMES[] = {"bpe_suffix", "unigram"};
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct medvl_text file = {0};
        char path[200];

        snprintf(path, sizeof(path), VOCABULARY "%s.model", NAMES[i]);
        CHECK_OK(medvl_file_read(&file, path, 1 << 20, &err), &err);
        check_no_memory(open_and_encode, &file, 2000);
        medvl_text_release(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_models_give_the_ids_of_sentencepiece),
        cmocka_unit_test(scores_and_spaces_weigh_as_in_sentencepiece),
        cmocka_unit_test(mistral_gives_every_reference_id),
        cmocka_unit_test(settings_are_those_of_the_file),
        cmocka_unit_test(pieces_are_shown_as_text),
        cmocka_unit_test(text_within_a_text_has_no_dummy_prefix),
        cmocka_unit_test(a_megabyte_without_a_space_takes_no_square),
        cmocka_unit_test(text_that_is_no_text_is_an_error),
        cmocka_unit_test(models_that_contradict_themselves_are_refused),
        cmocka_unit_test(a_cut_file_opens_as_less_or_not_at_all),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
