/*
 * Chat: the layouts of the original LLaVA code, which folder gets which, and
 * pictures where the tokenizer has no token for them.
 */
#include "tests/unit/chat.h"

#define GOLDEN "tests/golden/chat.jsonl"

static const struct medvl_added_token TOKENS[] = {
    {"<s>", true},
    {"</s>", true},
    {"<|im_start|>", true},
    {"<|im_end|>", true},
    {"<|eot_id|>", true},
    {"<|begin_of_text|>", true},
    {"<|start_header_id|>", true},
    {"<|end_header_id|>", true}};

/* A tokenizer that puts <s> in front, as Llama's does; without <image>. */
static void setup(struct fixture *f, const char *config)
{
    const struct medvl_chat_layout made = {
        .tokens = TOKENS,
        .token_count = sizeof(TOKENS) / sizeof(TOKENS[0]),
        .begin = "<s>",
        .end = "</s>"};

    make_folder(f, "original", &made, ", \"add_bos_token\": true");
    if (config)
        write_file(f, "config.json", config);
}

#define CONFIG(type, size) \
    "{\"model_type\":\"" type "\",\"vocab_size\":" #size "}"
#define TYPE(type) CONFIG(type, 32000)

/* ---- text --------------------------------------------------------------- */

static void check_line(struct fixture *f, const struct medvl_json *line,
                       struct medvl_span messages)
{
    const char *want = medvl_json_string(medvl_json_get(line, "text"));
    const bool prompt = medvl_json_true(medvl_json_get(line, "prompt"));
    const struct medvl_chat_input in = {.messages = messages};
    int rc;

    open_chat(f, medvl_json_string(medvl_json_get(line, "layout")));
    medvl_marked_clear(&f->text);
    rc = medvl_chat_render(f->worker, &f->text, &in,
                           prompt ? MEDVL_CHAT_PROMPT : 0, &f->err);
    if (!want) {
        assert_int_equal(rc, MEDVL_EFORMAT);
        return;
    }
    CHECK_OK(rc, &f->err);
    assert_string_equal(f->text.text.data, want);
}

static void layouts_are_those_of_the_original_code(void **state)
{
    struct medvl_json_view view = {0};
    struct medvl_text file = {0};
    struct medvl_json *line;
    struct medvl_span text;
    struct fixture f;
    int count = 0;

    (void)state;
    setup(&f, NULL);
    CHECK_OK(medvl_file_read(&file, GOLDEN, 1 << 24, &f.err), &f.err);
    for (char *p = file.data, *end; *p; p = end + 1, count++) {
        end = strchr(p, '\n');
        assert_non_null(end);
        text = (struct medvl_span){p, (size_t)(end - p)};
        CHECK_OK(medvl_json_parse(&line, text, &f.err), &f.err);
        CHECK_OK(medvl_json_view_object(&view, text, &f.err), &f.err);
        check_line(&f, line, medvl_json_view_get(&view, "messages"));
        medvl_json_free(line);
    }
    assert_true(count > 140);
    medvl_json_view_release(&view);
    medvl_text_release(&file);
    teardown(&f);
}

static void every_name_is_a_layout(void **state)
{
    const char *p = MEDVL_CHAT_LAYOUTS;
    int count = 0, fresh = 0;
    char name[30];

    (void)state;
    for (size_t n; *p; p += n + (p[n] == '|'), count++) {
        n = strcspn(p, "|");
        snprintf(name, sizeof(name), "%.*s", (int)n, p);
        assert_non_null(medvl_chat_layout(name));
        fresh += medvl_chat_layout(name)->token_count > 0;
    }
    assert_int_equal(count, 16);
    assert_int_equal(fresh, 3);
    assert_null(medvl_chat_layout("llama4"));
    assert_null(medvl_chat_layout(""));
}

#define TURNS                                               \
    "{\"role\":\"user\",\"content\":[{\"type\":\"image\"}," \
    "{\"type\":\"text\",\"text\":\"Q\"}]},"                 \
    "{\"role\":\"assistant\",\"content\":\"A\"},"           \
    "{\"role\":\"user\",\"content\":\"R <image></s>\"},"    \
    "{\"role\":\"assistant\",\"content\":\"B\"}"
#define CAPTION                                              \
    "[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}," \
    "{\"type\":\"text\",\"text\":\"Say what is seen.\"}]},"  \
    "{\"role\":\"assistant\",\"content\":\"A lung.\"}]"
#define OURS "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\","

static void a_system_message_replaces_the_layouts_own(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    open_chat(&f, "v1");
    check_text(&f, OURS "\"content\":\"Q\"}]", MEDVL_CHAT_PROMPT,
               "S USER: Q ASSISTANT:");
    open_chat(&f, "mistral_instruct");
    check_text(&f, OURS "\"content\":\"Q\"}]", MEDVL_CHAT_PROMPT,
               "[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST]");
    open_chat(&f, "huatuo");
    CHECK_FAILS(medvl_chat_render(f.worker, &f.text,
                                  MESSAGES(OURS "\"content\":\"Q\"}]"), 0,
                                  &f.err),
                MEDVL_EFORMAT, &f.err, "has no system message");
    open_chat(&f, "v1");
    CHECK_FAILS(medvl_chat_render(f.worker, &f.text,
                                  MESSAGES("[{\"role\":\"assistant\","
                                           "\"content\":\"A\"}]"),
                                  0, &f.err),
                MEDVL_EFORMAT, &f.err, "must be of user and assistant");
    teardown(&f);
}

static void two_pictures_stand_in_front(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    open_chat(&f, "huatuo");
    check_text(&f,
               "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
               "\"text\":\" Q\"},{\"type\":\"image\"},{\"type\":\"image\"}]}]",
               MEDVL_CHAT_PROMPT,
               "<|user|>\n<image>\n<image>\n Q\n<|assistant|>\n");
    teardown(&f);
}

/* ---- which layout ------------------------------------------------------- */

static void a_folder_gets_the_layout_of_its_type(void **state)
{
    static const char *const FOLDERS[][2] = {
        {CONFIG("llava_llama", 32003), "A chat between a curious user"},
        {CONFIG("llava_llama", 128256), "<|begin_of_text|>"},
        {TYPE("llava_mistral"), "[INST] Q [/INST]"},
        {TYPE("llava_qwen"), "<|im_start|>system\nYou are a helpful"},
        {TYPE("llava_qwen2"), "<|user|>\nQ\n<|assistant|>\n"}};
    struct medvl_chat *chat;
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    /* the language model's own template is not what LLaVA was trained on */
    write_file(&f, "tokenizer_config.json",
               "{\"chat_template\":\"{{ messages[0].content }}\"}");
    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
        write_file(&f, "config.json", FOLDERS[i][0]);
        open_chat(&f, NULL);
        medvl_marked_clear(&f.text);
        CHECK_OK(medvl_chat_render(f.worker, &f.text,
                                   MESSAGES("[{\"role\":\"user\","
                                            "\"content\":\"Q\"}]"),
                                   MEDVL_CHAT_PROMPT, &f.err),
                 &f.err);
        assert_memory_equal(f.text.text.data, FOLDERS[i][1],
                            strlen(FOLDERS[i][1]));
    }
    write_file(&f, "config.json", CONFIG("llava_llama", 64000));
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, NULL, f.tok, &f.err),
                MEDVL_EARG, &f.err, "fits several of the layouts");
    assert_non_null(strstr(f.err.text, "huatuo"));
    open_chat(&f, "chatml_direct");
    write_file(&f, "config.json",
               "{\"model_type\":\"llava\",\"mm_vision_tower\":\"x\","
               "\"vocab_size\":300}");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, NULL, f.tok, &f.err),
                MEDVL_EARG, &f.err, "(\"llava\") fits several");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "v2", f.tok, &f.err),
                MEDVL_EARG, &f.err, "no chat layout \"v2\", but llama3|");
    write_file(&f, "chat_template.jinja", "T{{ messages[0].content }}");
    open_chat(&f, NULL);
    check_text(&f, "[{\"role\":\"user\",\"content\":\"Q\"}]", 0, "TQ");
    teardown(&f);
}

/* ---- ids ---------------------------------------------------------------- */

/* What is learned stands between [ and ]; a picture shows as nothing. */
static void what_is_learned_of_each_layout(void **state)
{
    static const char *const WANT[][2] = {
        {"v1", "<s>S USER: \nQ ASSISTANT:[ A</s>]USER: R <image></s> "
               "ASSISTANT:[ B</s>]"},
        {"v0", "<s>S###Human: \nQ###Assistant:[ A###]Human: R <image></s>"
               "###Assistant:[ B###]"},
        {"v1_mmtag", "<s>S USER: <Image></Image>\nQ ASSISTANT:[ A</s>]USER: "
                     "R <image></s> ASSISTANT:[ B</s>]"},
        {"llava_llama_2",
         "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n\nQ [/INST][ A </s>]<s>[INST] "
         "R <image></s> [/INST][ B </s>]"},
        {"mistral_instruct",
         "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n\nQ [/INST][ A </s>][INST] "
         "R <image></s> [/INST][ B </s>]"},
        {"chatml_direct",
         "<s><|im_start|>system\nS<|im_end|><|im_start|>user\n\nQ<|im_end|>"
         "<|im_start|>assistant\n[A<|im_end|>]<|im_start|>user\nR <image>"
         "</s><|im_end|><|im_start|>assistant\n[B<|im_end|>]"},
        {"qwen_1_5",
         "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\n\nQ<|im_end|>"
         "\n<|im_start|>assistant\n[A<|im_end|>]\n<|im_start|>user\nR <image>"
         "</s><|im_end|>\n<|im_start|>assistant\n[B<|im_end|>]\n"}};
    struct fixture f;

    (void)state;
    setup(&f, TYPE("llava_llama"));
    for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
        open_chat(&f, WANT[i][0]);
        check_learned(&f,
                      "[{\"role\":\"system\",\"content\":\"S\"}," TURNS "]",
                      0, WANT[i][1]);
        assert_int_equal(f.out.image_count, 1);
    }
    open_chat(&f, "huatuo");
    check_learned(&f, "[" TURNS "]", 0,
                  "<|user|>\n\nQ\n<|assistant|>\n[A \n]<|user|>\n"
                  "R <image></s>\n<|assistant|>\n[B \n</s>]");
    open_chat(&f, "plain");
    check_learned(&f, CAPTION, 0, "<s>[A lung.\n]");
    teardown(&f);
}

static void a_record_of_which_nothing_is_written_is_an_error(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, TYPE("llava_llama"));
    open_chat(&f, "plain");
    CHECK_FAILS(medvl_chat_encode(f.worker, &f.out, f.encoder,
                                  MESSAGES("[{\"role\":\"user\","
                                           "\"content\":\"Q\"}]"),
                                  0, &f.err),
                MEDVL_EFORMAT, &f.err, "writes nothing of the messages");
    teardown(&f);
}

static void a_layout_needs_its_marks(void **state)
{
    static const struct medvl_added_token SOME[] = {{"<|im_start|>", true},
                                                    {"<s>", true}};
    const struct medvl_chat_layout made = {
        .tokens = SOME, .token_count = 2, .end = "<s>"};
    struct medvl_chat *chat;
    struct fixture f;

    (void)state;
    make_folder(&f, "marks", &made, "");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "chatml", f.tok, &f.err),
                MEDVL_EARG, &f.err,
                "layout \"chatml\": it has no token \"<|im_end|>\"");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "llama3", f.tok, &f.err),
                MEDVL_EARG, &f.err,
                "token \"<|start_header_id|>\", \"<|end_header_id|>\", "
                "\"<|eot_id|>\"");
    assert_null(chat);
    open_chat(&f, "v0");
    teardown(&f);
}

/* A tokenizer.json alone names neither. */
static void a_layout_has_its_begin_and_end_where_none_is_named(void **state)
{
    struct medvl_chat *chat;
    struct fixture f;

    (void)state;
    make_folder(&f, "unnamed", medvl_chat_layout("llama3"), "");
    write_file(&f, "tokenizer_config.json", "{}");
    medvl_encoder_free(f.encoder);
    medvl_tokenizer_free(f.tok);
    CHECK_OK(medvl_tokenizer_open(&f.tok, f.folder, &f.err), &f.err);
    CHECK_OK(medvl_encoder_new(&f.encoder, f.tok, &f.err), &f.err);
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "huatuo", f.tok, &f.err),
                MEDVL_EARG, &f.err, "names no \"eos_token\"");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "vicuna", f.tok, &f.err),
                MEDVL_EARG, &f.err, "names no \"eos_token\"");
    open_chat(&f, "llama3");
    check_text(&f, "[]", 0, "<|begin_of_text|>");
    teardown(&f);
}

/* As in Qwen's vocabulary, whose texts are cut up. */
static void a_piece_of_the_vocabulary_is_no_mark(void **state)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_chat *chat;
    struct fixture f;

    (void)state;
    make_folder(&f, "pieces", medvl_chat_layout("llama3"), "");
    write_file(&f, "tokenizer_config.json", "{}");
    write_file(&f, "tokenizer.json",
               "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"<s>\":0,"
               "\"</s>\":1},\"merges\":[]}}");
    CHECK_OK(medvl_tokenizer_open(&tok, f.folder, &f.err), &f.err);
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "v1", tok, &f.err),
                MEDVL_EARG, &f.err, "it has no token \"</s>\"");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "vicuna", tok, &f.err),
                MEDVL_EARG, &f.err, "names no \"eos_token\"");
    medvl_tokenizer_free(tok);
    teardown(&f);
}

/* The vocabulary ends before the picture's id. */
static void a_picture_is_the_id_behind_the_vocabulary(void **state)
{
    const struct medvl_tokens *t;
    struct medvl_chat *chat;
    struct fixture f;
    size_t seen = 0;

    (void)state;
    setup(&f, TYPE("llava_llama"));
    open_chat(&f, NULL);
    CHECK_OK(medvl_chat_encode(
                 f.worker, &f.out, f.encoder,
                 MESSAGES("[{\"role\":\"user\",\"content\":["
                          "{\"type\":\"image\",\"index\":3},"
                          "{\"type\":\"image\"},{\"type\":\"text\","
                          "\"text\":\"<image> and </s>\"}]}]"),
                 0, &f.err),
             &f.err);
    t = &f.out.tokens;
    for (size_t i = 0; i < t->count; i++) {
        assert_true(i == 0 || t->ends[i] >= t->ends[i - 1]);
        if (t->ids[i] != 32000) {
            assert_true(t->ids[i] < medvl_tokenizer_size(f.tok));
            continue;
        }
        assert_int_equal(t->ends[i] - t->ends[i - 1], strlen("<image>"));
        seen++;
    }
    assert_int_equal(seen, 2);
    assert_int_equal(f.out.image_count, 2);
    assert_int_equal(f.out.images[0], 3);
    assert_int_equal(f.out.images[1], 1);
    assert_int_equal(count_token(&f, "<s>"), 1);
    assert_int_equal(count_token(&f, "</s>"), 0);
    assert_int_equal(t->ids[0], medvl_tokenizer_begin(f.tok));
    write_file(&f, "config.json", "{\"model_type\":\"llava_llama\"}");
    CHECK_FAILS(medvl_chat_open(&chat, f.folder, "v1", f.tok, &f.err),
                MEDVL_EFORMAT, &f.err, "\"vocab_size\": missing");
    assert_null(chat);
    teardown(&f);
}

/* A folder whose config.json names the token has it from there. */
static void a_picture_is_the_token_that_config_names(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "{\"model_type\":\"llava_llama\",\"vocab_size\":32000,"
              "\"image_token_index\":259}");
    open_chat(&f, NULL);
    CHECK_OK(medvl_chat_encode(f.worker, &f.out, f.encoder, MESSAGES(CAPTION),
                               0, &f.err),
             &f.err);
    assert_int_equal(count_token(&f, "<|im_end|>"), 1);
    assert_int_equal(f.out.image_count, 1);
    teardown(&f);
}

static void marks_around_pictures_are_of_the_config(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, "{\"model_type\":\"llava_llama\",\"vocab_size\":32003,"
              "\"mm_use_im_start_end\":true}");
    open_chat(&f, "llava_med_v1");
    check_text(&f,
               OURS "\"content\":[{\"type\":\"text\",\"text\":\"Q\"},"
                    "{\"type\":\"image\"}]}]",
               MEDVL_CHAT_PROMPT,
               "S USER: <im_start><image><im_end>\nQ ASSISTANT:");
    teardown(&f);
}

/* As transformers' processors do it, and its tokenizers do not. */
static void a_model_with_a_tower_begins_with_the_tokenizers_token(void **state)
{
    static const char T[] = "{% for m in messages %}{{ m.content }}"
                            "{% endfor %}";
    static const char Q[] = "[{\"role\":\"user\",\"content\":\"Q\"}]";
    struct fixture f;

    (void)state;
    setup(&f, "{\"model_type\":\"llava\",\"vision_config\":{}}");
    write_file(&f, "chat_template.jinja", T);
    open_chat(&f, NULL);
    check_learned(&f, Q, 0, "<s>Q");
    write_file(&f, "chat_template.jinja",
               "{{ bos_token }}{{ messages[0].content }}");
    open_chat(&f, NULL);
    check_learned(&f, Q, 0, "<s>Q");
    write_file(&f, "chat_template.jinja", T);
    write_file(&f, "config.json", "{\"model_type\":\"llama\"}");
    open_chat(&f, NULL);
    check_learned(&f, Q, 0, "Q");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_those_of_the_original_code),
        cmocka_unit_test(every_name_is_a_layout),
        cmocka_unit_test(a_system_message_replaces_the_layouts_own),
        cmocka_unit_test(two_pictures_stand_in_front),
        cmocka_unit_test(a_folder_gets_the_layout_of_its_type),
        cmocka_unit_test(what_is_learned_of_each_layout),
        cmocka_unit_test(a_record_of_which_nothing_is_written_is_an_error),
        cmocka_unit_test(a_layout_needs_its_marks),
        cmocka_unit_test(a_layout_has_its_begin_and_end_where_none_is_named),
        cmocka_unit_test(a_piece_of_the_vocabulary_is_no_mark),
        cmocka_unit_test(a_picture_is_the_id_behind_the_vocabulary),
        cmocka_unit_test(a_picture_is_the_token_that_config_names),
        cmocka_unit_test(marks_around_pictures_are_of_the_config),
        cmocka_unit_test(
            a_model_with_a_tower_begins_with_the_tokenizers_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
