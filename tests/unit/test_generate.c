/*
 * The scores of choices against the log-probabilities of --logits, through
 * the whole stage.  What the engine does is test_generator.c's.
 */
#include "tests/unit/check.h"

#include "lib/model/sampler.h"
#include "lib/run/generate_answer.h"
#include "lib/run/merge.h"
#include "lib/stage/tokenize.h"
#include "lib/tensor/safetensors.h"
#include "lib/text/tokenizer.h"

#define TOKENIZER "tests/golden/tokenizer/gpt2.json"

static char *folder, *tokenizer, *model, *in, *out, *rows;

/* gpt2's, and two tokens that stand in content too. */
static void make_tokenizer(void)
{
    static const struct medvl_added_token ADDED[] = {
        {.content = "pneumonia"}, {.content = "</think>"}};
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_join(&tokenizer, folder, "tokenizer.json", &err),
             &err);
    CHECK_OK(medvl_tokenizer_extend(TOKENIZER, tokenizer, ADDED, 2, &err),
             &err);
}

static int make_model(void **state)
{
    static const char config[] =
        "{\"hidden_size\":32,\"intermediate_size\":48,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"initializer_range\":0.3,"
        "\"architectures\":[\"LlamaForCausalLM\"]}";
    struct medvl_merge_options options = {.chat = "chatml", .seed = 3};
    static char name[] = "/tmp/test_generate_XXXXXX";
    struct medvl_error err = {0};

    (void)state;
    folder = mkdtemp(name);
    assert_non_null(folder);
    CHECK_OK(medvl_path_join(&model, folder, "model", &err), &err);
    CHECK_OK(medvl_path_join(&in, folder, "in.jsonl", &err), &err);
    CHECK_OK(medvl_path_join(&out, folder, "out.jsonl", &err), &err);
    CHECK_OK(medvl_path_join(&rows, folder, "rows", &err), &err);
    CHECK_OK(medvl_file_write(in, config, sizeof(config) - 1, &err), &err);
    make_tokenizer();
    options.tokenizer = tokenizer;
    options.init = in;
    options.output = model;
    CHECK_OK(medvl_merge_init(&options, &err), &err);
    return 0;
}

static int remove_model(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(tokenizer);
    medvl_free(model);
    medvl_free(in);
    medvl_free(out);
    medvl_free(rows);
    return 0;
}

static void run(const char *record, const struct medvl_generate_options *o)
{
    struct medvl_generate_options options = *o;
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in, .file_count = 1, .output = out};
    struct medvl_error err = {0};

    options.model = model;
    CHECK_OK(medvl_file_write(in, record, strlen(record), &err), &err);
    CHECK_OK(medvl_loop_batch(&medvl_generate_batch, &options, &loop, NULL,
                              &err),
             &err);
}

struct scores {
    double a, b;
};

static int read_scores(void *arg, struct medvl_record *record,
                       struct medvl_error *err)
{
    struct scores *s = arg;
    struct medvl_json *json = NULL;

    CHECK_OK(medvl_record_read(&json, record, "choice_logprobs", err), err);
    s->a = medvl_json_number(medvl_json_get(json, "A"), NAN);
    s->b = medvl_json_number(medvl_json_get(json, "B"), NAN);
    medvl_json_free(json);
    return MEDVL_OK;
}

/* Sum of log p of ids [first, end), from the rows of a run over all. */
static double sum_of(const struct medvl_tokens *ids, size_t first, size_t end)
{
    const struct medvl_generate_options options = {.logits = rows};
    struct medvl_text line = {0};
    struct medvl_error err = {0};
    struct medvl_safetensors *file;
    const struct medvl_tensor *t;
    double sum = 0;

    CHECK_OK(medvl_text_puts(&line, "{\"id\":\"x\",\"tokens\":", &err), &err);
    CHECK_OK(medvl_json_write_ints(&line, ids->ids, end, &err), &err);
    CHECK_OK(medvl_text_puts(&line, "}\n", &err), &err);
    run(line.data, &options);
    CHECK_OK(medvl_safetensors_open(&file, rows, &err), &err);
    t = medvl_safetensors_find(file, "x");
    assert_non_null(t);
    assert_int_equal(t->size[0], end);
    for (size_t i = first; i < end; i++)
        sum += medvl_logprob((const float *)t->data +
                                 ((int64_t)i - 1) * t->size[1],
                             t->size[1], ids->ids[i]);
    medvl_safetensors_free(file);
    medvl_text_release(&line);
    return sum;
}

static double plain_sum(struct medvl_encoder *encoder, const char *text)
{
    struct medvl_tokens ids = {0};
    struct medvl_error err = {0};
    size_t first;
    double sum;

    CHECK_OK(medvl_encoder_encode(encoder, &ids, medvl_span("is it "), NULL,
                                  0, 0, &err),
             &err);
    first = ids.count;
    CHECK_OK(medvl_encoder_encode(encoder, &ids, medvl_span(text), NULL, 0,
                                  0, &err),
             &err);
    assert_true(ids.count > first);
    sum = sum_of(&ids, first, ids.count);
    medvl_tokens_release(&ids);
    return sum;
}

static void choices_after_a_prompt_are_sums_of_their_tokens(void **state)
{
    const struct medvl_generate_options options = {.choices = true};
    struct medvl_tokenizer *tok;
    struct medvl_encoder *encoder;
    struct medvl_error err = {0};
    struct scores got;

    (void)state;
    run("{\"id\":\"x\",\"prompt\":\"is it \",\"choices\":"
        "{\"A\":\"normal\",\"B\":\"no\"}}\n",
        &options);
    CHECK_OK(medvl_loop_each(out, 0, read_scores, &got, &err), &err);
    CHECK_OK(medvl_tokenizer_open(&tok, model, &err), &err);
    CHECK_OK(medvl_encoder_new(&encoder, tok, &err), &err);
    CHECK_CLOSE(got.a, plain_sum(encoder, "normal"), 1e-4);
    CHECK_CLOSE(got.b, plain_sum(encoder, "no"), 1e-4);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

/* The learned tokens but for the last, which ends the turn. */
static int read_learned(void *arg, struct medvl_record *record,
                        struct medvl_error *err)
{
    struct medvl_tokens ids = {0};
    int32_t *mask = NULL;
    size_t count = 0, room = 0, first = 0, end;

    CHECK_OK(medvl_json_read_ints(&ids.ids, &ids.count, &ids.capacity,
                                  medvl_record_get(record, "tokens"), 0,
                                  INT32_MAX, err),
             err);
    CHECK_OK(medvl_json_read_ints(&mask, &count, &room,
                                  medvl_record_get(record, "loss_mask"), 0, 1,
                                  err),
             err);
    while (first < count && !mask[first])
        first++;
    for (end = first; end < count && mask[end];)
        end++;
    assert_true(end > first + 1);
    *(double *)arg = sum_of(&ids, first, end - 1);
    medvl_tokens_release(&ids);
    medvl_free(mask);
    return MEDVL_OK;
}

static double turn_sum(const char *text)
{
    const struct medvl_tokenize_options options = {.model = model};
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in, .file_count = 1, .output = out};
    struct medvl_text line = {0};
    struct medvl_error err = {0};
    double sum = NAN;

    CHECK_OK(medvl_text_printf(
                 &line, &err,
                 "{\"id\":\"x\",\"messages\":[{\"role\":\"user\","
                 "\"content\":\"is it?\"},{\"role\":\"assistant\","
                 "\"content\":\"%s\"}]}\n",
                 text),
             &err);
    CHECK_OK(medvl_file_write(in, line.data, line.size, &err), &err);
    CHECK_OK(medvl_loop_map(&medvl_tokenize_map, &options, &loop, NULL, &err),
             &err);
    CHECK_OK(medvl_loop_each(out, 0, read_learned, &sum, &err), &err);
    medvl_text_release(&line);
    return sum;
}

static void choices_of_a_chat_are_sums_of_the_turns_tokens(void **state)
{
    const struct medvl_generate_options options = {.choices = true};
    struct medvl_error err = {0};
    struct scores got;

    (void)state;
    run("{\"id\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"is it?\"}],\"choices\":{\"A\":\"normal\",\"B\":\"no\"}}\n",
        &options);
    CHECK_OK(medvl_loop_each(out, 0, read_scores, &got, &err), &err);
    CHECK_CLOSE(got.a, turn_sum("normal"), 1e-4);
    CHECK_CLOSE(got.b, turn_sum("no"), 1e-4);
}

static void a_choice_keeps_the_added_tokens_of_its_text(void **state)
{
    static const char *const TEXTS[][2] = {
        {"no", "pneumonia"}, {"viral pneumonia", "no</think>"}};
    const struct medvl_generate_options options = {.choices = true};
    struct medvl_error err = {0};
    struct scores got;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct medvl_text line = {0};

        CHECK_OK(medvl_text_printf(
                     &line, &err,
                     "{\"id\":\"x\",\"messages\":[{\"role\":\"user\","
                     "\"content\":\"is it?\"}],\"choices\":"
                     "{\"A\":\"%s\",\"B\":\"%s\"}}\n",
                     TEXTS[i][0], TEXTS[i][1]),
                 &err);
        run(line.data, &options);
        CHECK_OK(medvl_loop_each(out, 0, read_scores, &got, &err), &err);
        CHECK_CLOSE(got.a, turn_sum(TEXTS[i][0]), 1e-4);
        CHECK_CLOSE(got.b, turn_sum(TEXTS[i][1]), 1e-4);
        medvl_text_release(&line);
    }
}

static void an_answer_ends_before_the_earliest_stop_text(void **state)
{
    static const char *const STOPS[][3] = {
        {"seen", "sio", "lungs"}, {"sio", "seen", "is"}, {"is", "sio", "no!"}};
    struct medvl_tokenizer *tok;
    struct medvl_encoder *encoder;
    struct medvl_tokens ids = {0};
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_tokenizer_open(&tok, model, &err), &err);
    CHECK_OK(medvl_encoder_new(&encoder, tok, &err), &err);
    CHECK_OK(medvl_encoder_encode(encoder, &ids,
                                  medvl_span("no effusion is seen"), NULL, 0,
                                  0, &err),
             &err);
    for (size_t i = 0; i < sizeof(STOPS) / sizeof(*STOPS); i++) {
        const struct medvl_generate_options options = {.stop = STOPS[i],
                                                       .stop_count = 3};

        assert_int_equal(medvl_answer_text(&text, &options, tok, ids.ids,
                                           (int64_t)ids.count, &err),
                         1);
        assert_string_equal(text.data, "no effu");
    }
    medvl_text_release(&text);
    medvl_tokens_release(&ids);
    medvl_encoder_free(encoder);
    medvl_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_after_a_prompt_are_sums_of_their_tokens),
        cmocka_unit_test(choices_of_a_chat_are_sums_of_the_turns_tokens),
        cmocka_unit_test(a_choice_keeps_the_added_tokens_of_its_text),
        cmocka_unit_test(an_answer_ends_before_the_earliest_stop_text),
    };

    return cmocka_run_group_tests(tests, make_model, remove_model);
}
