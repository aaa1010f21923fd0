/* tokenizer.json: ids, text, training.  The module is lib/text/tokenizer.h. */
#include "lib/text/tokenizer.h"

#include <time.h>

#include "lib/base/json.h"
#include "tests/unit/check.h"

#define GOLDEN "tests/golden/tokenizer/"

/* Unpack tokenizers/NAME/tokenizer.json.gz and open it. */
static struct medvl_tokenizer *open_real(const char *name)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};
    char part[200];
    char command[4000];
    char *zipped, *path;

    snprintf(part, sizeof(part), "tokenizers/%s/tokenizer.json.gz", name);
    zipped = check_data(part);
    snprintf(part, sizeof(part), "%s.json", name);
    path = check_temp(part);
    snprintf(command, sizeof(command), "gzip -dc '%s' >'%s'", zipped, path);
    assert_int_equal(system(command), 0);
    CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
    medvl_free(zipped);
    medvl_free(path);
    return tok;
}

static struct medvl_encoder *new_encoder(const struct medvl_tokenizer *tok)
{
    struct medvl_encoder *encoder = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_encoder_new(&encoder, tok, &err), &err);
    return encoder;
}

/* Encode and compare; the ids give the text back, the ends rise to it. */
static void check_ids(const struct medvl_tokenizer *tok,
                      struct medvl_encoder *encoder, struct medvl_span text,
                      const int32_t *ids, size_t count, bool same_text)
{
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_text back = {0};
    struct medvl_error err = {0};
    bool same;

    CHECK_OK(medvl_encoder_encode(encoder, &tokens, text, NULL, 0, 0, &err),
             &err);
    same = tokens.count == count;
    for (size_t i = 0; i < count && same; i++)
        same = tokens.ids[i] == ids[i];
    if (!same)
        fail_msg("other ids for <%.*s>", (int)text.size, text.data);
    for (size_t i = 1; i < count; i++)
        assert_true(tokens.ends[i] >= tokens.ends[i - 1]);
    if (count > 0 && same_text)
        assert_int_equal(tokens.ends[count - 1], text.size);
    CHECK_OK(medvl_tokenizer_decode(tok, &back, tokens.ids, tokens.count, 0,
                                    &err),
             &err);
    if (same_text && !medvl_span_equal(text, medvl_text_span(&back)))
        fail_msg("<%.*s> came back as <%s>", (int)text.size, text.data,
                 back.data);
    medvl_tokens_release(&tokens);
    medvl_text_release(&back);
}

/* Every line's "text" has its "ids"; returns how many lines. */
static int check_reference(const struct medvl_tokenizer *tok,
                           const char *path, bool same_text)
{
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_text file = {0};
    struct medvl_json_view view = {0};
    struct medvl_error err = {0};
    int lines = 0;

    CHECK_OK(medvl_file_read(&file, path, 16 << 20, &err), &err);
    for (size_t at = 0; at < file.size; lines++) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const struct medvl_span line = {
            file.data + at,
            end ? (size_t)(end - file.data) - at : file.size - at};
        struct medvl_text text = {0};
        int32_t *ids = NULL;
        size_t count = 0;
        size_t capacity = 0;

        CHECK_OK(medvl_json_view_object(&view, line, &err), &err);
        CHECK_OK(medvl_json_unescape(
                     &text, medvl_json_view_get(&view, "text"), &err),
                 &err);
        CHECK_OK(medvl_json_read_ints(&ids, &count, &capacity,
                                      medvl_json_view_get(&view, "ids"), 0,
                                      INT32_MAX, &err),
                 &err);
        check_ids(tok, encoder, medvl_text_span(&text), ids, count,
                  same_text);
        medvl_text_release(&text);
        medvl_free(ids);
        at += line.size + 1;
    }
    medvl_json_view_release(&view);
    medvl_text_release(&file);
    medvl_encoder_free(encoder);
    return lines;
}

/* llama.cpp's texts and, line by line, their ids; the last one is empty. */
static int check_llamacpp(const struct medvl_tokenizer *tok,
                          const char *inputs, const char *outputs)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    struct medvl_encoder *encoder = new_encoder(tok);
    char *in_path = check_data(inputs);
    char *out_path = check_data(outputs);
    struct medvl_text in = {0};
    struct medvl_text out = {0};
    struct medvl_error err = {0};
    const char *text, *ids, *end;
    int count = 0;

    CHECK_OK(medvl_file_read(&in, in_path, 1 << 20, &err), &err);
    CHECK_OK(medvl_file_read(&out, out_path, 1 << 20, &err), &err);
    ids = out.data;
    for (text = in.data; text; text = end ? end + strlen(separator) : NULL) {
        int32_t list[4096];
        size_t n = 0;
        char *next;

        end = strstr(text, separator);
        while (*ids && *ids != '\n') {
            list[n++] = (int32_t)strtol(ids, &next, 10);
            assert_ptr_not_equal(ids, next);
            ids = next + strspn(next, " ");
        }
        ids += *ids == '\n';
        check_ids(tok, encoder,
                  (struct medvl_span){text, end ? (size_t)(end - text)
                                                : strlen(text)},
                  list, n, true);
        count++;
    }
    assert_int_equal(*ids, 0);
    medvl_free(in_path);
    medvl_free(out_path);
    medvl_text_release(&in);
    medvl_text_release(&out);
    medvl_encoder_free(encoder);
    return count;
}

static void llama_3_gives_every_reference_id(void **state)
{
    char *path = check_data("tokenizers/llama3/reference.jsonl");
    struct medvl_tokenizer *tok = open_real("llama3");

    (void)state;
    assert_int_equal(check_reference(tok, path, true), 346);
    assert_int_equal(
        check_llamacpp(tok, "tokenizers/llama3/llamacpp_llama-bpe.inp",
                       "tokenizers/llama3/llamacpp_llama-bpe.out"),
        47);
    assert_int_equal(medvl_tokenizer_size(tok), 128256);
    medvl_free(path);
    medvl_tokenizer_free(tok);
}

static void qwen_3_gives_every_reference_id(void **state)
{
    char *path = check_data("tokenizers/qwen3/reference.jsonl");
    struct medvl_tokenizer *tok = open_real("qwen3");

    (void)state;
    assert_int_equal(check_reference(tok, path, false), 346);
    assert_int_equal(
        check_llamacpp(tok, "tokenizers/qwen3/llamacpp_qwen2.inp",
                       "tokenizers/qwen3/llamacpp_qwen2.out"),
        47);
    assert_int_equal(medvl_tokenizer_size(tok), 151669);
    medvl_free(path);
    medvl_tokenizer_free(tok);
}

/* The vocabularies in the formats of their makers. */
static void files_of_their_makers_give_every_reference_id(void **state)
{
    static const struct {
        const char *file, *reference;
        int lines;
        bool same_text;
    } FILES[] = {
        {"tokenizers/mistral-spm/tokenizer.model",
         "tokenizers/mistral-spm/reference.jsonl", 343, false},
        {"tokenizers/llama3/tokenizer.model",
         "tokenizers/llama3/reference.jsonl", 346, true},
    };
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};
    char *path, *reference;

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        path = check_data(FILES[i].file);
        reference = check_data(FILES[i].reference);
        CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
        assert_int_equal(check_reference(tok, reference, FILES[i].same_text),
                         FILES[i].lines);
        medvl_tokenizer_free(tok);
        medvl_free(path);
        medvl_free(reference);
    }
}

static void clip_gives_every_reference_id(void **state)
{
    char *zipped = check_data("tokenizers/clip/bpe_simple_vocab_16e6.txt.gz");
    char *reference = check_data("tokenizers/clip/reference.jsonl");
    char *path = check_temp("clip.txt");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};
    char command[4000];

    (void)state;
    CHECK_FAILS(medvl_tokenizer_open(&tok, zipped, &err), MEDVL_EUNSUPPORTED,
                &err, "gzip -d");
    snprintf(command, sizeof(command), "gzip -dc '%s' >'%s'", zipped, path);
    assert_int_equal(system(command), 0);
    CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
    assert_int_equal(check_reference(tok, reference, false), 221);
    assert_int_equal(medvl_tokenizer_size(tok), 49408);
    medvl_tokenizer_free(tok);
    medvl_free(zipped);
    medvl_free(reference);
    medvl_free(path);
}

static void llama_3_gives_the_ids_that_its_makers_publish(void **state)
{
    static const char dialog[] =
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        "This is a test sentence.<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nThis is a response.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n";
    char *path = check_data("tokenizers/llama3/official_vectors.json");
    struct medvl_tokenizer *tok = open_real("llama3");
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_json *root = NULL;
    struct medvl_error err = {0};
    const struct medvl_json *value;
    int32_t ids[100];
    size_t count = 0;

    (void)state;
    CHECK_OK(medvl_json_read(&root, path, &err), &err);
    value = medvl_json_get(medvl_json_get(root, "dialog"), "ids");
    for (value = medvl_json_first(value); value;
         value = medvl_json_next(value))
        ids[count++] = (int32_t)medvl_json_number(value, -1);
    check_ids(tok, encoder, medvl_span(dialog), ids, count, true);
    value = medvl_json_first(medvl_json_get(root, "special"));
    assert_non_null(value);
    for (; value; value = medvl_json_next(value)) {
        const int32_t id = medvl_tokenizer_id(
            tok, medvl_span(medvl_json_name(value)));

        assert_int_equal(id, (int)medvl_json_number(value, -1));
        assert_true(medvl_tokenizer_is_special(tok, id));
    }
    medvl_json_free(root);
    medvl_free(path);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* ---- a small tokenizer with every flag --------------------------------- */

static struct medvl_tokenizer *open_flags(void)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_tokenizer_open(&tok, GOLDEN "flags.json", &err), &err);
    return tok;
}

static void flags_of_added_tokens_work_as_in_hugging_face(void **state)
{
    struct medvl_tokenizer *tok = open_flags();

    (void)state;
    assert_int_equal(check_reference(tok, GOLDEN "flags.jsonl", false), 700);
    medvl_tokenizer_free(tok);
}

/* Of added tokens alone: the ids of `text`. */
static void check_added(const char *added, const char *text,
                        const int32_t *want, size_t count)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text json = {0};
    struct medvl_error err = {0};
    struct medvl_encoder *encoder;

    CHECK_OK(medvl_text_printf(
                 &json, &err,
                 "{%s,\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,"
                 "\"b\":1,\"c\":2,\"X\":3},\"merges\":[]}}",
                 added),
             &err);
    CHECK_OK(medvl_tokenizer_new(&tok, medvl_text_span(&json), &err), &err);
    encoder = new_encoder(tok);
    check_ids(tok, encoder, medvl_span(text), want, count, false);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
    medvl_text_release(&json);
}

/* As tokenizers 0.22.2 has them. */
static void added_tokens_that_overlap_are_taken_as_in_hugging_face(
    void **state)
{
    static const char WORD[] =
        "\"added_tokens\":[{\"id\":4,\"content\":\"aXb\","
        "\"single_word\":true},{\"id\":5,\"content\":\"Xb\"}]";
    static const char SAME[] =
        "\"normalizer\":{\"type\":\"Lowercase\"},"
        "\"added_tokens\":[{\"id\":4,\"content\":\"AB\","
        "\"normalized\":true},{\"id\":5,\"content\":\"ab\","
        "\"normalized\":true,\"special\":true}]";

    (void)state;
    /* What is no word hides a token within it. */
    check_added(WORD, "caXb", (int32_t[]){2, 0, 3, 1}, 4);
    check_added(WORD, "aXb", (int32_t[]){4}, 1);
    check_added(WORD, "cXb", (int32_t[]){2, 5}, 2);
    /* Of two that are one when normalised, the special one is found. */
    check_added(SAME, "cabAB", (int32_t[]){2, 5, 5}, 3);
}

/* A file of one model behind nothing, whose vocabulary is `vocab`. */
static struct medvl_tokenizer *open_model(const char *model)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_text_printf(&json, &err, "{\"model\":{%s}}", model),
             &err);
    CHECK_OK(medvl_tokenizer_new(&tok, medvl_text_span(&json), &err), &err);
    medvl_text_release(&json);
    return tok;
}

/* GPT-2's own with add_prefix_space: a text that has one gets no other. */
static void a_prefix_space_is_put_where_there_is_none(void **state)
{
    static const char FALSE[] = "\"add_prefix_space\":false";
    static const char *const TEXTS[][2] = {
        {"left", " left"},
        {" left", " left"},
        {"  left", "  left"},
        {"\nleft", " \nleft"},
    };
    struct medvl_tokenizer *plain = NULL, *spaced = NULL;
    struct medvl_encoder *encoder, *other;
    struct medvl_text json = {0};
    struct medvl_error err = {0};
    char *at;

    (void)state;
    CHECK_OK(medvl_file_read(&json, GOLDEN "gpt2.json", 1 << 20, &err), &err);
    CHECK_OK(medvl_tokenizer_new(&plain, medvl_text_span(&json), &err), &err);
    at = strstr(json.data, FALSE);
    assert_non_null(at);
    memcpy(at, "\"add_prefix_space\":true ", sizeof(FALSE) - 1);
    CHECK_OK(medvl_tokenizer_new(&spaced, medvl_text_span(&json), &err),
             &err);
    encoder = new_encoder(plain);
    other = new_encoder(spaced);
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(*TEXTS); i++) {
        struct medvl_tokens want = {0};

        CHECK_OK(medvl_encoder_encode(encoder, &want,
                                      medvl_span(TEXTS[i][1]), NULL, 0, 0,
                                      &err),
                 &err);
        check_ids(spaced, other, medvl_span(TEXTS[i][0]), want.ids,
                  want.count, false);
        medvl_tokens_release(&want);
    }
    medvl_encoder_free(encoder);
    medvl_encoder_free(other);
    medvl_tokenizer_free(plain);
    medvl_tokenizer_free(spaced);
    medvl_text_release(&json);
}

/* The first line of merges.txt, which some writers took along. */
static void the_version_of_merges_is_no_merge(void **state)
{
    struct medvl_tokenizer *tok = open_model(
        "\"type\":\"BPE\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1,"
        "\"aa\":2},\"merges\":[\"#version: 0.2\",\"a a\"]");
    struct medvl_encoder *encoder = new_encoder(tok);

    (void)state;
    check_ids(tok, encoder, medvl_span("aa"), (int32_t[]){2}, 1, true);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* Its vocabulary could be bytes; that some have no token says it is not. */
static void letters_with_an_unknown_token_are_no_bytes(void **state)
{
    struct medvl_tokenizer *tok = open_model(
        "\"type\":\"BPE\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1},"
        "\"merges\":[]");
    struct medvl_encoder *encoder = new_encoder(tok);

    (void)state;
    check_ids(tok, encoder, medvl_span("aba\xC3\xA9"),
              (int32_t[]){1, 0, 1, 0}, 4, false);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* ---- every part of the format ------------------------------------------- */

static void check_list(const struct medvl_json_view *view, const char *name,
                       const struct medvl_tokens *tokens,
                       struct medvl_span text)
{
    struct medvl_error err = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    size_t capacity = 0;
    bool same;

    CHECK_OK(medvl_json_read_ints(&ids, &count, &capacity,
                                  medvl_json_view_get(view, name), 0,
                                  INT32_MAX, &err),
             &err);
    same = count == tokens->count;
    for (size_t i = 0; i < count && same; i++)
        same = ids[i] == tokens->ids[i];
    if (!same)
        fail_msg("other \"%s\" for <%.*s>", name, (int)text.size, text.data);
    medvl_free(ids);
}

static void check_text(const struct medvl_json_view *view, const char *name,
                       const struct medvl_tokenizer *tok,
                       const struct medvl_tokens *tokens, unsigned flags)
{
    struct medvl_error err = {0};
    struct medvl_text want = {0};
    struct medvl_text got = {0};

    CHECK_OK(medvl_json_unescape(&want, medvl_json_view_get(view, name),
                                 &err),
             &err);
    CHECK_OK(medvl_tokenizer_decode(tok, &got, tokens->ids, tokens->count,
                                    flags, &err),
             &err);
    if (!medvl_span_equal(medvl_text_span(&want), medvl_text_span(&got)))
        fail_msg("\"%s\" is <%s>, not <%s>", name,
                 got.data ? got.data : "", want.data ? want.data : "");
    medvl_text_release(&want);
    medvl_text_release(&got);
}

static void check_case(const struct medvl_tokenizer *tok,
                       struct medvl_encoder *encoder, struct medvl_span json)
{
    struct medvl_json_view view = {0};
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    struct medvl_span span;

    CHECK_OK(medvl_json_view_object(&view, json, &err), &err);
    CHECK_OK(medvl_json_unescape(&text, medvl_json_view_get(&view, "text"),
                                 &err),
             &err);
    span = medvl_text_span(&text);
    CHECK_OK(medvl_encoder_encode(encoder, &tokens, span, NULL, 0,
                                  MEDVL_ENCODE_SPECIAL, &err),
             &err);
    check_list(&view, "special", &tokens, span);
    medvl_tokens_clear(&tokens);
    CHECK_OK(medvl_encoder_encode(encoder, &tokens, span, NULL, 0, 0, &err),
             &err);
    check_list(&view, "ids", &tokens, span);
    for (size_t i = 0; i < tokens.count; i++) {
        assert_true(tokens.ends[i] <= span.size);
        assert_true(i == 0 || tokens.ends[i] >= tokens.ends[i - 1]);
    }
    check_text(&view, "decoded", tok, &tokens, 0);
    check_text(&view, "skipped", tok, &tokens, MEDVL_DECODE_SKIP_SPECIAL);
    medvl_json_view_release(&view);
    medvl_tokens_release(&tokens);
    medvl_text_release(&text);
}

static void every_part_works_as_in_hugging_face(void **state)
{
    struct medvl_json_view line = {0};
    struct medvl_json_view cases = {0};
    struct medvl_text file = {0};
    struct medvl_error err = {0};
    int files = 0;

    (void)state;
    CHECK_OK(medvl_file_read(&file, GOLDEN "parts.jsonl", 1 << 20, &err),
             &err);
    for (size_t at = 0; at < file.size; files++) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const size_t size = (size_t)(end - file.data) - at;
        struct medvl_tokenizer *tok = NULL;
        struct medvl_encoder *encoder;

        CHECK_OK(medvl_json_view_object(
                     &line, (struct medvl_span){file.data + at, size}, &err),
                 &err);
        CHECK_OK(medvl_tokenizer_new(
                     &tok, medvl_json_view_get(&line, "file"), &err),
                 &err);
        CHECK_OK(medvl_json_view_array(
                     &cases, medvl_json_view_get(&line, "cases"), &err),
                 &err);
        encoder = new_encoder(tok);
        for (size_t i = 0; i < cases.count; i++)
            check_case(tok, encoder, cases.members[i].value);
        medvl_encoder_free(encoder);
        medvl_tokenizer_free(tok);
        at += size + 1;
    }
    assert_true(files > 40);
    medvl_json_view_release(&line);
    medvl_json_view_release(&cases);
    medvl_text_release(&file);
}

/* Seconds for a text of one letter. */
static double time_letters(const struct medvl_tokenizer *tok, char letter,
                           size_t size)
{
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};
    char *text = medvl_alloc(size, 1);
    struct timespec start, end;

    memset(text, letter, size);
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK_OK(medvl_encoder_encode(encoder, &tokens,
                                  (struct medvl_span){text, size}, NULL, 0, 0,
                                  &err),
             &err);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(tokens.count > 0);
    medvl_free(text);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    return (double)(end.tv_sec - start.tv_sec) +
           (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
}

static void a_megabyte_without_a_space_takes_linear_time(void **state)
{
    static const char *const MODELS[] = {
        "\"type\":\"BPE\",\"vocab\":{\"a\":0,\"aa\":1,\"aaaa\":2},"
        "\"merges\":[\"a a\",\"aa aa\"]",
        "\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"u\",0],"
        "[\"a\",-1.5],[\"aa\",-2.5],[\"aaaaaaa\",-3]]",
        "\"type\":\"WordPiece\",\"unk_token\":\"u\","
        "\"continuing_subword_prefix\":\"##\","
        "\"max_input_chars_per_word\":9999999,\"vocab\":{\"u\":0,"
        "\"a\":1,\"##a\":2,\"##aaa\":3}",
        "\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":"
        "{\"u\":0}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(MODELS) / sizeof(MODELS[0]); i++) {
        struct medvl_tokenizer *tok = open_model(MODELS[i]);
        const double tenth = time_letters(tok, 'a', 100000);
        const double whole = time_letters(tok, 'a', 1000000);

        /* A square would be 100 times as long. */
        if (whole > 40 * tenth + 0.2)
            fail_msg("model %zu: %g s, and %g s for ten times as much", i,
                     tenth, whole);
        medvl_tokenizer_free(tok);
    }
}

/* An added token that is a space, and takes the space around it. */
static void added_spaces_take_linear_time(void **state)
{
    static const char FILE_TEXT[] =
        "{\"added_tokens\":[{\"id\":1,\"content\":\" \",\"lstrip\":true,"
        "\"rstrip\":true}],\"model\":{\"type\":\"WordLevel\","
        "\"unk_token\":\"u\",\"vocab\":{\"u\":0}}}";
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};
    double tenth, whole;

    (void)state;
    CHECK_OK(medvl_tokenizer_new(&tok, medvl_span(FILE_TEXT), &err), &err);
    tenth = time_letters(tok, ' ', 5000);
    whole = time_letters(tok, ' ', 50000);
    if (whole > 40 * tenth + 0.2)
        fail_msg("%g s, and %g s for ten times as much", tenth, whole);
    medvl_tokenizer_free(tok);
}

/* Encode with runs and give the tokens' bytes, added tokens in brackets. */
static void encode_pictures(struct medvl_text *out,
                            const struct medvl_tokenizer *tok,
                            const char *placeholder, const char *text,
                            const struct medvl_run *runs, size_t run_count,
                            unsigned flags)
{
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    medvl_encoder_set_placeholder(
        encoder, medvl_tokenizer_id(tok, medvl_span(placeholder)));
    CHECK_OK(medvl_encoder_encode(encoder, &tokens, medvl_span(text), runs,
                                  run_count, flags, &err),
             &err);
    medvl_text_clear(out);
    for (size_t i = 0; i < tokens.count; i++) {
        const struct medvl_span bytes = medvl_tokenizer_bytes(tok,
                                                              tokens.ids[i]);

        if (medvl_tokenizer_is_added(tok, tokens.ids[i])) {
            CHECK_OK(medvl_text_putc(out, '[', &err), &err);
            CHECK_OK(medvl_text_append(out, bytes.data, bytes.size, &err),
                     &err);
            CHECK_OK(medvl_text_putc(out, ']', &err), &err);
        } else {
            CHECK_OK(medvl_text_append(out, bytes.data, bytes.size, &err),
                     &err);
        }
    }
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
}

static void encode_runs(struct medvl_text *out,
                        const struct medvl_tokenizer *tok, const char *text,
                        const struct medvl_run *runs, size_t run_count,
                        unsigned flags)
{
    encode_pictures(out, tok, "", text, runs, run_count, flags);
}

static void special_tokens_in_a_record_stay_text(void **state)
{
    /* <s> | a</s> and an acute | </s> | <s | > | <s> in two | x */
    static const struct medvl_run mixed[] = {
        {3, false},
        {7, true},
        {4, false},
        {2, true},
        {1, false},
        {1, false},
        {0, true},
        {2, false},
        {1, true},
    };
    static const char text[] = "<s>a</s>\xCC\x81</s><s><s>x";
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    encode_runs(&out, tok, text, NULL, 0, 0);
    assert_string_equal(out.data, "[<s>]a[</s>]\xCC\x81[</s>][<s>][<s>]x");
    encode_runs(&out, tok, text, mixed, 9, 0);
    assert_string_equal(out.data,
                        "[<s>]a</s>\xCC\x81[</s>]<s>[<s>]x");
    encode_runs(&out, tok, text, mixed, 9, MEDVL_ENCODE_PARSE_SPECIAL);
    assert_string_equal(out.data, "[<s>]a[</s>]\xCC\x81[</s>][<s>][<s>]x");
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

/* The marks hold in normalised text too, which has other offsets. */
static void marks_follow_normalisation(void **state)
{
    /* e + acute, then the token "micro g", which is looked for after NFC. */
    static const char text[] = "e\xCC\x81\xC2\xB5g e\xCC\x81\xC2\xB5g";
    static const struct medvl_run first[] = {{6, true}, {7, false}};
    static const struct medvl_run second[] = {{7, false}, {6, true}};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    encode_runs(&out, tok, text, NULL, 0, 0);
    assert_string_equal(out.data, "\xC3\xA9[\xC2\xB5g] \xC3\xA9[\xC2\xB5g]");
    encode_runs(&out, tok, text, first, 2, 0);
    assert_string_equal(out.data, "\xC3\xA9[\xC2\xB5g] \xC3\xA9[\xC2\xB5g]");
    encode_pictures(&out, tok, "\xC2\xB5g", text, first, 2, 0);
    assert_string_equal(out.data, "\xC3\xA9\xC2\xB5g \xC3\xA9[\xC2\xB5g]");
    encode_pictures(&out, tok, "\xC2\xB5g", text, second, 2, 0);
    assert_string_equal(out.data, "\xC3\xA9[\xC2\xB5g] \xC3\xA9\xC2\xB5g");
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static void ends_are_offsets_in_the_text_as_it_came(void **state)
{
    /* "cafe" + acute is a token; the angstrom sign shrinks. */
    static const char text[] = "a cafe\xCC\x81 \xE2\x84\xAB <image>b";
    static const size_t want[] = {1, 2, 8, 9, 12, 13, 20, 21};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};
    size_t at = 0;

    (void)state;
    CHECK_OK(medvl_encoder_encode(encoder, &tokens, medvl_span(text), NULL, 0,
                                  0, &err),
             &err);
    for (size_t i = 0; i < tokens.count; i++) {
        while (at < 8 && want[at] < tokens.ends[i])
            at++;
        assert_true(at < 8);
        assert_int_equal(tokens.ends[i], want[at]);
    }
    assert_int_equal(at, 7);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

static void special_puts_the_template_around(void **state)
{
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    encode_runs(&out, tok, "x", NULL, 0, MEDVL_ENCODE_SPECIAL);
    assert_string_equal(out.data, "[<s>]x[</s>]");
    encode_runs(&out, tok, "", NULL, 0, MEDVL_ENCODE_SPECIAL);
    assert_string_equal(out.data, "[<s>][</s>]");
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static void a_failed_encode_leaves_the_tokens(void **state)
{
    static const struct medvl_run runs[] = {{2, true}};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_encoder *encoder = new_encoder(tok);
    struct medvl_tokens tokens = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_tokens_add(&tokens, 1, 0, &err), &err);
    CHECK_FAILS(medvl_encoder_encode(encoder, &tokens, medvl_span("abc"),
                                     runs, 1, 0, &err),
                MEDVL_EARG, &err, "3 bytes");
    CHECK_FAILS(medvl_encoder_encode(encoder, &tokens, medvl_span("a"), runs,
                                     1, 0, &err),
                MEDVL_EARG, &err, "1 bytes");
    CHECK_FAILS(medvl_encoder_encode(encoder, &tokens, medvl_span("a\xFF"),
                                     NULL, 0, 0, &err),
                MEDVL_EFORMAT, &err, "byte 2");
    assert_int_equal(tokens.count, 1);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* ---- decoding ---------------------------------------------------------- */

/* Decode bytes given one token each; flags.json has a token for each. */
static void check_decode(const struct medvl_tokenizer *tok, const char *bytes,
                         const char *want)
{
    struct medvl_text out = {0};
    struct medvl_error err = {0};
    int32_t ids[100];
    size_t count = 0;

    for (; bytes[count]; count++)
        ids[count] = medvl_tokenizer_id(
            tok, (struct medvl_span){bytes + count, 1});
    CHECK_OK(medvl_tokenizer_decode(tok, &out, ids, count, 0, &err), &err);
    assert_string_equal(out.data, want);
    medvl_text_release(&out);
}

#define R "\xEF\xBF\xBD"

static void bytes_that_are_no_text_are_replaced(void **state)
{
    struct medvl_tokenizer *tok = open_flags();

    (void)state;
    check_decode(tok, "a\xE8\x83\xB8z", "a\xE8\x83\xB8z");
    check_decode(tok, "a\xE8\x83z", "a" R "z");
    check_decode(tok, "\xE8\x83", R);
    check_decode(tok, "\x80\xFFx", R R "x");
    check_decode(tok, "\xF0\x9F\x91\x8D\xF0\x9F\x91", "\xF0\x9F\x91\x8D" R);
    check_decode(tok, "\xE0\x80\x80", R R R);       /* overlong */
    check_decode(tok, "\xED\xA0\x80", R R R);       /* a surrogate */
    check_decode(tok, "\xF4\x90\x80\x80", R R R R); /* too large */
    check_decode(tok, "\xC1\xBF", R R);
    check_decode(tok, "\xE8\xE8\x83\xB8", R "\xE8\x83\xB8");
    medvl_tokenizer_free(tok);
}

static void special_tokens_can_be_left_out(void **state)
{
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};
    struct medvl_error err = {0};
    const int32_t ids[] = {medvl_tokenizer_id(tok, medvl_span("<s>")),
                           medvl_tokenizer_id(tok, medvl_span("a")),
                           medvl_tokenizer_id(tok, medvl_span("<image>")),
                           medvl_tokenizer_id(tok, medvl_span("</s>"))};
    int32_t id = medvl_tokenizer_size(tok);

    (void)state;
    CHECK_OK(medvl_tokenizer_decode(tok, &out, ids, 4, 0, &err), &err);
    assert_string_equal(out.data, "<s>a<image></s>");
    medvl_text_clear(&out);
    CHECK_OK(medvl_tokenizer_decode(tok, &out, ids, 4,
                                    MEDVL_DECODE_SKIP_SPECIAL, &err),
             &err);
    assert_string_equal(out.data, "a<image>"); /* added, not special */
    CHECK_FAILS(medvl_tokenizer_decode(tok, &out, &id, 1, 0, &err),
                MEDVL_EARG, &err, "not one");
    CHECK_OK(medvl_tokenizer_decode(tok, &out, &id, 1,
                                    MEDVL_DECODE_SKIP_UNKNOWN, &err),
             &err);
    assert_string_equal(out.data, "a<image>");
    id = -1;
    CHECK_FAILS(medvl_tokenizer_decode(tok, &out, &id, 1, 0, &err),
                MEDVL_EARG, &err, "-1");
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

/* As tokenizers 0.22.2 has them. */
static void decoders_keep_and_drop_spaces_as_in_hugging_face(void **state)
{
    static const struct {
        const char *decoder, *tokens[3], *want;
    } CASES[] = {
        {"\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"never\"",
         {"_a", "_b"},
         " a b"},
        {"\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"",
         {"_a", "_b"},
         "a b"},
        {"\"BPEDecoder\",\"suffix\":\"</w>\"", {"a</w>", "b</w>"}, "a b"},
        {"\"BPEDecoder\",\"suffix\":\"</w>\"", {"a", "b</w>", "c</w>"}, "ab c"},
        {"\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true",
         {"I", "do not", "."},
         "I don't."},
        {"\"WordPiece\",\"prefix\":\"##\",\"cleanup\":false",
         {"I", "do not", "."},
         "I do not ."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_tokenizer *tok = NULL;
        struct medvl_text json = {0}, out = {0};
        struct medvl_error err = {0};
        int32_t ids[3];
        size_t n = 0;

        CHECK_OK(medvl_text_printf(
                     &json, &err,
                     "{\"decoder\":{\"type\":%s},\"model\":{\"type\":"
                     "\"WordLevel\",\"unk_token\":\"u\",\"vocab\":{"
                     "\"u\":0,\"_a\":1,\"_b\":2,\"a</w>\":3,\"b</w>\":4,"
                     "\"c</w>\":5,\"a\":6,\"I\":7,\"do not\":8,\".\":9}}}",
                     CASES[i].decoder),
                 &err);
        CHECK_OK(medvl_tokenizer_new(&tok, medvl_text_span(&json), &err),
                 &err);
        for (; n < 3 && CASES[i].tokens[n]; n++)
            ids[n] = medvl_tokenizer_id(tok, medvl_span(CASES[i].tokens[n]));
        CHECK_OK(medvl_tokenizer_decode(tok, &out, ids, n, 0, &err), &err);
        assert_string_equal(out.data, CASES[i].want);
        medvl_text_release(&json);
        medvl_text_release(&out);
        medvl_tokenizer_free(tok);
    }
}

static void decoders_clean_up_behind_a_zero_byte(void **state)
{
    static const char JSON[] =
        "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
        "{\"type\":\"ByteLevel\"},{\"type\":\"WordPiece\",\"prefix\":\"\","
        "\"cleanup\":true}]},\"model\":{\"type\":\"WordLevel\","
        "\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"\u0100\":1,"
        "\" do not\":2}}}";
    const int32_t ids[] = {1, 2};
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_tokenizer_new(&tok, medvl_span(JSON), &err), &err);
    CHECK_OK(medvl_tokenizer_decode(tok, &out, ids, 2, 0, &err), &err);
    assert_int_equal(out.size, 7);
    assert_memory_equal(out.data, "\0 don't", 7);
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

/* ---- making ------------------------------------------------------------ */

/* The bytes of model.NAME in a tokenizer.json. */
static void model_part(struct medvl_text *out, const char *path,
                       const char *name)
{
    struct medvl_json_view root = {0};
    struct medvl_json_view model = {0};
    struct medvl_text file = {0};
    struct medvl_error err = {0};
    struct medvl_span span;

    CHECK_OK(medvl_file_read(&file, path, 1 << 20, &err), &err);
    CHECK_OK(medvl_json_view_object(&root, medvl_text_span(&file), &err),
             &err);
    CHECK_OK(medvl_json_view_object(
                 &model, medvl_json_view_get(&root, "model"), &err),
             &err);
    span = medvl_json_view_get(&model, name);
    medvl_text_clear(out);
    CHECK_OK(medvl_text_append(out, span.data, span.size, &err), &err);
    medvl_json_view_release(&root);
    medvl_json_view_release(&model);
    medvl_text_release(&file);
}

/* Train on tests/golden/tokenizer/texts.txt. */
static int train(const char *pattern, const char *path, int32_t size,
                 struct medvl_error *err)
{
    struct medvl_tokenizer_trainer *trainer = NULL;
    struct medvl_text file = {0};
    int rc = medvl_file_read(&file, GOLDEN "texts.txt", 1 << 20, err);

    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_trainer_new(&trainer, pattern, err);
    for (size_t at = 0; at < file.size && rc == MEDVL_OK;) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const size_t line = (size_t)(end - file.data) - at;

        rc = medvl_tokenizer_trainer_add(
            trainer, (struct medvl_span){file.data + at, line}, err);
        at += line + 1;
    }
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_trainer_write(trainer, path, size, err);
    medvl_tokenizer_trainer_free(trainer);
    medvl_text_release(&file);
    return rc;
}

static void training_learns_what_hugging_face_learns(void **state)
{
    static const char *const names[] = {"llama3", "qwen2", "gpt2"};
    char *path = check_temp("trained.json");
    struct medvl_text got = {0};
    struct medvl_text want = {0};
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct medvl_tokenizer *tok = NULL;
        struct medvl_text golden = {0};

        CHECK_OK(train(names[i], path, 400, &err), &err);
        CHECK_OK(medvl_text_printf(&golden, &err, GOLDEN "%s.json",
                                   names[i]),
                 &err);
        model_part(&got, path, "vocab");
        model_part(&want, golden.data, "vocab");
        assert_string_equal(got.data, want.data);
        model_part(&got, path, "merges");
        model_part(&want, golden.data, "merges");
        assert_string_equal(got.data, want.data);
        CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
        assert_int_equal(medvl_tokenizer_size(tok), 400);
        medvl_tokenizer_free(tok);
        medvl_text_release(&golden);
    }
    medvl_text_release(&got);
    medvl_text_release(&want);
    medvl_free(path);
}

static void too_few_texts_for_a_vocabulary_are_an_error(void **state)
{
    char *path = check_temp("none.json");
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(train("llama3", path, 100000, &err), MEDVL_EARG, &err,
                "entries");
    CHECK_FAILS(train("llama3", path, 255, &err), MEDVL_EARG, &err, "255");
    CHECK_FAILS(train("bert", path, 300, &err), MEDVL_EARG, &err, "bert");
    assert_false(medvl_file_exists(path));
    medvl_free(path);
}

static void tokens_are_added_and_all_else_stays(void **state)
{
    static const struct medvl_added_token tokens[] = {
        {"<|eot_id|>", true},
        {"<image>", true},
        {"<|eot_id|>", true},
        {" left", false},
        {"a\"\\\n", false},
        {"!", false},
    };
    char *path = check_temp("extended.json");
    struct medvl_tokenizer *old = open_flags();
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text out = {0};
    struct medvl_error err = {0};
    const int32_t size = medvl_tokenizer_size(old);

    (void)state;
    CHECK_OK(medvl_tokenizer_extend(GOLDEN "flags.json", path, tokens, 6,
                                    &err),
             &err);
    CHECK_OK(medvl_tokenizer_open(&tok, path, &err), &err);
    assert_int_equal(medvl_tokenizer_size(tok), size + 3);
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span("<|eot_id|>")), size);
    assert_true(medvl_tokenizer_is_special(tok, size));
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span("a\"\\\n")),
                     size + 2);
    assert_false(medvl_tokenizer_is_special(tok, size + 2));
    /* The vocabulary has " left" too, spelled in another way. */
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span(" left")), size + 1);
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span("!")), 0);
    assert_true(medvl_tokenizer_is_added(tok, 0));
    /* "<image>" was there, not special, and is so still. */
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span("<image>")),
                     medvl_tokenizer_id(old, medvl_span("<image>")));
    assert_false(medvl_tokenizer_is_special(
        tok, medvl_tokenizer_id(tok, medvl_span("<image>"))));
    encode_runs(&out, tok, "on left<|eot_id|>a\"\\\n", NULL, 0, 0);
    assert_string_equal(out.data, "on[ left][<|eot_id|>][a\"\\\n]");
    CHECK_FAILS(medvl_tokenizer_extend(GOLDEN "flags.json", path,
                                       &(struct medvl_added_token){"", true},
                                       1, &err),
                MEDVL_EARG, &err, "0 bytes");
    medvl_text_release(&out);
    medvl_free(path);
    medvl_tokenizer_free(old);
    medvl_tokenizer_free(tok);
}

/* ---- files ------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_write(path, text, strlen(text), &err), &err);
}

static void the_configuration_beside_it_names_tokens(void **state)
{
    char *folder = check_temp("model");
    char *file = check_temp("model/tokenizer.json");
    char *config = check_temp("model/tokenizer_config.json");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    int32_t size;

    (void)state;
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_file_read(&text, GOLDEN "llama3.json", 1 << 20, &err),
             &err);
    write_text(file, text.data);
    CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
    assert_int_equal(medvl_tokenizer_begin(tok), -1);
    medvl_tokenizer_free(tok);
    write_text(config, "{\"bos_token\":{\"content\":\"!\"},\"eos_token\":"
                       "\"#\",\"pad_token\":null,\"add_eos_token\":true}");
    CHECK_OK(medvl_tokenizer_open(&tok, file, &err), &err);
    assert_int_equal(medvl_tokenizer_begin(tok), 0);
    assert_int_equal(medvl_tokenizer_end(tok), 2);
    assert_int_equal(medvl_tokenizer_pad(tok), -1);
    encode_runs(&text, tok, "!", NULL, 0, MEDVL_ENCODE_SPECIAL);
    assert_string_equal(text.data, "[!][#]");
    size = medvl_tokenizer_size(tok);
    medvl_tokenizer_free(tok);
    write_text(config, "{\"bos_token\":\"<none>\"}");
    CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
    assert_int_equal(medvl_tokenizer_begin(tok), size);
    medvl_tokenizer_free(tok);
    tok = NULL;
    write_text(config, "{\"bos_token\":1}");
    CHECK_FAILS(medvl_tokenizer_open(&tok, folder, &err), MEDVL_EFORMAT,
                &err, "tokenizer_config.json");
    assert_null(tok);
    medvl_text_release(&text);
    medvl_free(folder);
    medvl_free(file);
    medvl_free(config);
}

/* A folder with these files in it, opened. */
static struct medvl_tokenizer *open_folder(const char *const files[][2],
                                           size_t count)
{
    char *folder = check_temp("vocabulary");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    for (size_t i = 0; i < count; i++) {
        char *path = NULL;

        CHECK_OK(medvl_path_join(&path, folder, files[i][0], &err), &err);
        write_text(path, files[i][1]);
        medvl_free(path);
    }
    CHECK_OK(medvl_tokenizer_open(&tok, folder, &err), &err);
    medvl_free(folder);
    return tok;
}

static void vocab_txt_is_a_bert(void **state)
{
    static const char *const files[][2] = {
        {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nlung\n##s\ne\n"},
        {"special_tokens_map.json", "{\"pad_token\":\"[PAD]\"}"},
        {"added_tokens.json", "{\"<image>\":7}"},
    };
    struct medvl_tokenizer *tok = open_folder(files, 3);
    struct medvl_text out = {0};

    (void)state;
    encode_runs(&out, tok, "LUNGS \xC3\xA9<image>x", NULL, 0,
                MEDVL_ENCODE_SPECIAL);
    assert_string_equal(out.data, "[[CLS]]lung##se[<image>][[UNK]][[SEP]]");
    assert_int_equal(medvl_tokenizer_pad(tok), 0);
    assert_int_equal(medvl_tokenizer_size(tok), 8);
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static void vocab_json_and_merges_txt_are_a_byte_level_bpe(void **state)
{
    static const char *const files[][2] = {
        {"vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"\xC4\xA0\":3,"
                       "\"\xC4\xA0"
                       "ab\":4,\"<|endoftext|>\":5}"},
        {"merges.txt", "#version: 0.2\na b\r\n\xC4\xA0 ab\n"},
        {"tokenizer_config.json",
         "{\"added_tokens_decoder\":{\"6\":{\"content\":\"<x>\","
         "\"lstrip\":true,\"special\":true}},\"eos_token\":"
         "\"<|endoftext|>\"}"},
    };
    struct medvl_tokenizer *tok = open_folder(files, 3);
    struct medvl_text out = {0};

    (void)state;
    encode_runs(&out, tok, "ab ab <x>ba<|endoftext|>", NULL, 0, 0);
    assert_string_equal(out.data, "ab ab[<x>]ba[<|endoftext|>]");
    assert_int_equal(medvl_tokenizer_id(tok, medvl_span("<x>")), 6);
    assert_int_equal(medvl_tokenizer_end(tok), 5);
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static void a_folder_without_a_vocabulary_is_an_error(void **state)
{
    char *folder = check_temp("nothing");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_FAILS(medvl_tokenizer_open(&tok, folder, &err), MEDVL_EIO, &err,
                "no tokenizer.json");
    medvl_free(folder);
}

/* Write golden flags.json with `from` replaced by `to`, and open it. */
static int open_changed(const char *from, const char *to,
                        struct medvl_error *err)
{
    char *path = check_temp("changed.json");
    struct medvl_text file = {0};
    struct medvl_text out = {0};
    struct medvl_tokenizer *tok = NULL;
    char *at;
    int rc;

    CHECK_OK(medvl_file_read(&file, GOLDEN "flags.json", 1 << 20, err), err);
    at = strstr(file.data, from);
    if (!at)
        fail_msg("no <%s> to change", from);
    CHECK_OK(medvl_text_append(&out, file.data, (size_t)(at - file.data),
                               err),
             err);
    CHECK_OK(medvl_text_puts(&out, to, err), err);
    CHECK_OK(medvl_text_puts(&out, at + strlen(from), err), err);
    CHECK_OK(medvl_file_write(path, out.data, out.size, err), err);
    rc = medvl_tokenizer_open(&tok, path, err);
    medvl_tokenizer_free(tok);
    medvl_text_release(&file);
    medvl_text_release(&out);
    medvl_free(path);
    return rc;
}

static void what_is_not_built_in_is_named(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"BPE\"", "\"Maximal\"", "Maximal"},
        {"\"dropout\":null", "\"dropout\":0.1", "dropout"},
        {"{\"type\":\"NFC\"}", "{\"type\":\"Latin\"}", "Latin"},
        {"\"Isolated\"", "\"MergedWithAll\"", "MergedWithAll"},
        {"{\"type\":\"Split\"", "{\"type\":\"Words\"", "Words"},
        {"\"decoder\":{\"type\":\"ByteLevel\"",
         "\"decoder\":{\"type\":\"Bytes\"", "Bytes"},
        {"{\"type\":\"TemplateProcessing\"",
         "{\"type\":\"BartProcessing\"", "BartProcessing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct medvl_error err = {0};

        CHECK_FAILS(open_changed(cases[i].from, cases[i].to, &err),
                    MEDVL_EUNSUPPORTED, &err, cases[i].says);
    }
}

static void damaged_files_are_errors(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"model\":", "\"modal\":", "no \"model\""},
        {"\"vocab\":{", "\"vocab\":[],\"x\":{", "vocab"},
        {"\"merges\":[", "\"merges\":{\"a\":[]},\"x\":[", "merges"},
        {"\"merges\":[[", "\"merges\":[3,[", "pair"},
        {"\"merges\":[[", "\"merges\":[[\"a\"],[", "pair"},
        {"\"merges\":[[", "\"merges\":[[\"a\",\"b\",\"c\"],[", "pair"},
        {"\"merges\":[[", "\"merges\":[\"ab\",[", "space"},
        {"\"merges\":[[", "\"merges\":[[\"\xC4\xA0\",\"\"],[", "bytes"},
        {"\"merges\":[[", "\"merges\":[[\"z\",\"z\"],[", "no token"},
        {"\"!\":0", "\"!\":-1", "vocab"},
        {"\"!\":0", "\"!\":1", "twice"},
        {"\"!\":0", "\"!\":0.5", "vocab"},
        {"\"!\":0", "\"!\":99999999999", "vocab"},
        {"\"!\":0", "\"!\":{}", "vocab"},
        {"\"content\":\"<s>\"", "\"content\":3", "content"},
        {"\"content\":\"</s>\"", "\"content\":\"<s>\"", "same"},
        {"\"id\":401", "\"id\":400", "id 400"},
        {"\"id\":401", "\"id\":3", "another"},
        {"\"content\":\"<s>\"", "\"content\":\"!\"", "another"},
        {"\"id\":401", "\"id\":1e9", "id"},
        {"\"ids\":[400]", "\"ids\":[4000]", "no token"},
        {"\"ids\":[400]", "\"ids\":[\"x\"]", "no token"},
        {"\"version\"", "\"model\"", "twice"},
        {"|\\\\s+(?!\\\\S)", "|\\\\s+(?!\\\\S", "regular expression"},
        {"{", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct medvl_error err = {0};

        CHECK_FAILS(open_changed(cases[i].from, cases[i].to, &err),
                    MEDVL_EFORMAT, &err, cases[i].says);
    }
}

static void a_truncated_file_never_opens(void **state)
{
    char *path = check_temp("cut.json");
    struct medvl_tokenizer *tok = NULL;
    struct medvl_text file = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_file_read(&file, GOLDEN "flags.json", 1 << 20, &err),
             &err);
    for (size_t size = 0; size < file.size; size += 61) {
        CHECK_OK(medvl_file_write(path, file.data, size, &err), &err);
        CHECK_FAILS(medvl_tokenizer_open(&tok, path, &err), MEDVL_EFORMAT,
                    &err, "cut.json");
    }
    CHECK_FAILS(medvl_tokenizer_open(&tok, "/nowhere/x", &err), MEDVL_EIO,
                &err, "/nowhere/x");
    medvl_text_release(&file);
    medvl_free(path);
}

static int open_and_encode(void *arg, struct medvl_error *err)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_encoder *encoder = NULL;
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_text out = {0};
    int rc = medvl_tokenizer_open(&tok, arg, err);

    if (rc == MEDVL_OK)
        rc = medvl_encoder_new(&encoder, tok, err);
    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(
            encoder, &tokens, medvl_span("cafe\xCC\x81 <s> left 12"), NULL,
            0, MEDVL_ENCODE_SPECIAL, err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_decode(tok, &out, tokens.ids, tokens.count, 0,
                                    err);
    medvl_text_release(&out);
    medvl_tokens_release(&tokens);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
    return rc;
}

static int train_small(void *arg, struct medvl_error *err)
{
    return train("llama3", arg, 300, err);
}

static void no_memory_is_said(void **state)
{
    char golden[] = GOLDEN "flags.json";
    char *path = check_temp("torture.json");

    (void)state;
    check_no_memory(open_and_encode, golden, 20000);
    check_no_memory(train_small, path, 20000);
    medvl_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_3_gives_every_reference_id),
        cmocka_unit_test(qwen_3_gives_every_reference_id),
        cmocka_unit_test(files_of_their_makers_give_every_reference_id),
        cmocka_unit_test(clip_gives_every_reference_id),
        cmocka_unit_test(every_part_works_as_in_hugging_face),
        cmocka_unit_test(added_spaces_take_linear_time),
        cmocka_unit_test(a_megabyte_without_a_space_takes_linear_time),
        cmocka_unit_test(llama_3_gives_the_ids_that_its_makers_publish),
        cmocka_unit_test(flags_of_added_tokens_work_as_in_hugging_face),
        cmocka_unit_test(
            added_tokens_that_overlap_are_taken_as_in_hugging_face),
        cmocka_unit_test(a_prefix_space_is_put_where_there_is_none),
        cmocka_unit_test(letters_with_an_unknown_token_are_no_bytes),
        cmocka_unit_test(the_version_of_merges_is_no_merge),
        cmocka_unit_test(special_tokens_in_a_record_stay_text),
        cmocka_unit_test(marks_follow_normalisation),
        cmocka_unit_test(ends_are_offsets_in_the_text_as_it_came),
        cmocka_unit_test(special_puts_the_template_around),
        cmocka_unit_test(a_failed_encode_leaves_the_tokens),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(special_tokens_can_be_left_out),
        cmocka_unit_test(decoders_keep_and_drop_spaces_as_in_hugging_face),
        cmocka_unit_test(decoders_clean_up_behind_a_zero_byte),
        cmocka_unit_test(training_learns_what_hugging_face_learns),
        cmocka_unit_test(too_few_texts_for_a_vocabulary_are_an_error),
        cmocka_unit_test(tokens_are_added_and_all_else_stays),
        cmocka_unit_test(the_configuration_beside_it_names_tokens),
        cmocka_unit_test(vocab_txt_is_a_bert),
        cmocka_unit_test(vocab_json_and_merges_txt_are_a_byte_level_bpe),
        cmocka_unit_test(a_folder_without_a_vocabulary_is_an_error),
        cmocka_unit_test(what_is_not_built_in_is_named),
        cmocka_unit_test(damaged_files_are_errors),
        cmocka_unit_test(a_truncated_file_never_opens),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
