/* Templates over records: what becomes of each kind of turn and region. */
#include "lib/stage/prompt.h"

#include "lib/base/text.h"
#include "tests/unit/check.h"

/*
 * Run the map over `input`; what it writes, or NULL and *err.  The text is
 * the caller's.
 */
static char *run_map(const struct medvl_prompt_options *options,
                     const char *input, struct medvl_error *err)
{
    char *in = check_temp("prompt.in"), *out = check_temp("prompt.out");
    const char *const files[] = {in};
    const struct medvl_loop_options loop = {
        .files = files, .file_count = 1, .output = out};
    struct medvl_text text = {0};
    int rc;

    CHECK_OK(medvl_file_write(in, input, strlen(input), err), err);
    rc = medvl_loop_map(&medvl_prompt_map, options, &loop, NULL, err);
    if (rc == MEDVL_OK)
        CHECK_OK(medvl_file_read(&text, out, 1 << 20, err), err);
    medvl_free(in);
    medvl_free(out);
    return rc < 0 ? NULL : text.data;
}

/* "messages" of the one record that is written. */
static void check_messages(const struct medvl_prompt_options *options,
                           const char *input, const char *want)
{
    struct medvl_json_view view = {0};
    struct medvl_text got = {0};
    struct medvl_error err = {0};
    struct medvl_span messages;
    char *line = run_map(options, input, &err);

    if (!line)
        fail_msg("%s", err.text);
    CHECK_OK(medvl_json_view_object(&view, medvl_span(line), &err), &err);
    messages = medvl_json_view_get(&view, "messages");
    CHECK_OK(medvl_text_append(&got, messages.data, messages.size, &err),
             &err);
    assert_string_equal(got.data, want);
    medvl_text_release(&got);
    medvl_json_view_release(&view);
    medvl_free(line);
}

static void check_fails(const struct medvl_prompt_options *options,
                        const char *input, const char *part)
{
    struct medvl_error err = {0};
    char *line = run_map(options, input, &err);

    if (line)
        fail_msg("gave %s", line);
    if (!strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void a_question_and_its_answer(void **state)
{
    static const char *const ASK[] = {"Is it {{ what }}?"};
    static const char *const ANSWER[] = {"{{ answer }}"};
    const struct medvl_prompt_options o = {.questions = ASK,
                                           .question_count = 1,
                                           .answers = ANSWER,
                                           .answer_count = 1};

    (void)state;
    check_messages(&o, "{\"what\":\"\\\"it\\\"\",\"answer\":3}\n",
                   "[{\"role\":\"user\",\"content\":\"Is it \\\"it\\\"?\"},"
                   "{\"role\":\"assistant\",\"content\":\"3\"}]");
    check_messages(&o, "{\"what\":1,\"images\":[{},{}]}\n",
                   "[{\"role\":\"user\",\"content\":[{\"type\":\"image\"},"
                   "{\"type\":\"image\"},"
                   "{\"type\":\"text\",\"text\":\"Is it 1?\"}]}]");
    check_messages(&o, "{\"what\":1,\"answer\":\" \",\"messages\":7}\n",
                   "[{\"role\":\"user\",\"content\":\"Is it 1?\"}]");
    check_fails(&o, "{\"answer\":1}\n",
                "question 1: line 1, column 7: \"what\" is undefined");
    check_fails(&o, "{\"what\":\"\\u0000\"}\n", "question 1: ");
    check_fails(&o, "{\"what\":1,\"images\":7}\n", "\"images\"");
}

static void turns_that_render_to_nothing_are_left_out(void **state)
{
    static const char *const ASK[] = {"{{ a or '' }}", "{{ b or '' }}"};
    static const char *const ANSWER[] = {"{{ x }}", "{{ y }}"};
    const struct medvl_prompt_options o = {.questions = ASK,
                                           .question_count = 2,
                                           .answers = ANSWER,
                                           .answer_count = 2,
                                           .system = "{{ s or ' ' }}"};

    (void)state;
    check_messages(&o,
                   "{\"s\":\"S\",\"a\":\"A\",\"b\":\"B\",\"x\":\"X\","
                   "\"y\":\"Y\",\"images\":[{}]}\n",
                   "[{\"role\":\"system\",\"content\":\"S\"},"
                   "{\"role\":\"user\",\"content\":[{\"type\":\"image\"},"
                   "{\"type\":\"text\",\"text\":\"A\"}]},"
                   "{\"role\":\"assistant\",\"content\":\"X\"},"
                   "{\"role\":\"user\",\"content\":\"B\"},"
                   "{\"role\":\"assistant\",\"content\":\"Y\"}]");
    check_messages(&o, "{\"b\":\"B\",\"x\":\"X\",\"images\":[{}]}\n",
                   "[{\"role\":\"user\",\"content\":[{\"type\":\"image\"},"
                   "{\"type\":\"text\",\"text\":\"B\"}]}]");
    check_fails(&o, "{\"a\":\"A\",\"b\":\"B\"}\n",
                "question 1 has no answer, and question 2 follows");
    check_fails(&o, "{}\n", "the question renders to nothing");
}

/* Line `number` of `lines` holds `part`. */
static void line_holds(const char *lines, int number, const char *part)
{
    const char *end;

    while (number-- && lines)
        lines = strchr(lines, '\n') ? strchr(lines, '\n') + 1 : NULL;
    assert_non_null(lines);
    end = strchr(lines, '\n');
    assert_non_null(end);
    if (!memmem(lines, (size_t)(end - lines), part, strlen(part)))
        fail_msg("%.*s\ndoes not hold %s", (int)(end - lines), lines, part);
}

#define REGIONS                                                           \
    "{\"id\":\"a\",\"images\":[{\"regions\":[{\"label\":1,\"n\":1.50}]}," \
    "{},{\"regions\":[{\"label\":2,\"drawn\":true},{\"label\":3}],"       \
    "\"path\":\"p\"}],\"other\":1e400}\n"

static void each_region_becomes_a_record(void **state)
{
    static const char *const ASK[] = {"{{ id }}"};
    static const char *const ANSWER[] = {
        "{{ region.label }}{{ images[0].regions[0].drawn or '' }}"};
    const struct medvl_prompt_options o = {.questions = ASK,
                                           .question_count = 1,
                                           .answers = ANSWER,
                                           .answer_count = 1,
                                           .each = "regions"};
    struct medvl_error err = {0};
    char *lines = run_map(&o, REGIONS, &err);

    (void)state;
    if (!lines)
        fail_msg("%s", err.text);
    line_holds(lines, 0,
               "{\"id\":\"a#1\",\"images\":[{\"regions\":[{\"label\":1,"
               "\"n\":1.50,\"drawn\":true}]},{},{\"regions\":[{\"label\":2},"
               "{\"label\":3}],\"path\":\"p\"}],\"other\":1e400,"
               "\"messages\":[");
    line_holds(lines, 0, "\"text\":\"a#1\"");
    line_holds(lines, 0, "\"content\":\"1True\"");
    line_holds(lines, 1,
               "{\"id\":\"a#2\",\"images\":[{\"regions\":[{\"label\":1,"
               "\"n\":1.50}]},{},{\"regions\":[{\"label\":2,\"drawn\":true},"
               "{\"label\":3}],\"path\":\"p\"}],");
    line_holds(lines, 1, "\"content\":\"2\"");
    line_holds(lines, 2,
               "{\"id\":\"a#3\",\"images\":[{\"regions\":[{\"label\":1,"
               "\"n\":1.50}]},{},{\"regions\":[{\"label\":2},"
               "{\"label\":3,\"drawn\":true}],\"path\":\"p\"}],");
    line_holds(lines, 2, "\"provenance\":{\"messages\":{\"author\":"
                         "\"template\",\"command\":\"medvl-prompt\"");
    medvl_free(lines);
    check_fails(&o, "{\"id\":\"a\",\"images\":[{}]}\n", "a: no regions");
    check_fails(&o, "{\"images\":[{\"regions\":[{}]}]}\n", "\"id\"");
    check_fails(&o, "{\"id\":\"a\",\"images\":[7]}\n", "image 0");
    check_fails(&o, "{\"id\":\"a\",\"images\":[{\"regions\":7}]}\n",
                "image 0: \"regions\"");
    check_fails(&o, "{\"id\":\"a\",\"images\":[{\"regions\":[7]}]}\n",
                "region 0");
}

static void fields_are_set_where_they_render_to_something(void **state)
{
    static const char *const SET[] = {"kind={{ region.kind }}",
                                      "slot={{ kind }}-{{ id }}"};
    const struct medvl_prompt_options o = {
        .set = SET, .set_count = 2, .each = "regions"};
    struct medvl_error err = {0};
    char *lines = run_map(&o,
                          "{\"id\":\"a\",\"images\":[{\"regions\":["
                          "{\"kind\":\"x\"},{},{\"kind\":\"y\"}]}]}\n",
                          &err);

    (void)state;
    if (!lines)
        fail_msg("%s", err.text);
    line_holds(lines, 0, ",\"kind\":\"x\",\"provenance\":{\"kind\":");
    line_holds(lines, 0, "\"slot\":\"x-a#1\"");
    line_holds(lines, 1,
               "{\"id\":\"a#2\",\"images\":[{\"regions\":[{\"kind\":\"x\"},"
               "{\"drawn\":true},{\"kind\":\"y\"}]}]}");
    line_holds(lines, 2, "\"slot\":\"y-a#3\"");
    medvl_free(lines);
}

static void options_that_contradict_are_refused(void **state)
{
    static const char *const ASK[] = {"a", "{{"};
    struct medvl_prompt_options o = {0};

    (void)state;
    check_fails(&o, "", "nothing to render");
    o = (struct medvl_prompt_options){
        .questions = ASK, .question_count = 1, .file = "x"};
    check_fails(&o, "", "questions, or a file");
    o = (struct medvl_prompt_options){.questions = ASK, .question_count = 2};
    check_fails(&o, "", "question 2: line 1");
    o.question_count = 1;
    o.answers = ASK;
    o.answer_count = 2;
    check_fails(&o, "", "2 answers to 1 questions");
    o.answer_count = 0;
    o.each = "image";
    check_fails(&o, "", "each \"image\"");
    o.each = NULL;
    o.system = "{% if";
    check_fails(&o, "", "system: line 1");
    o = (struct medvl_prompt_options){.file = "/nowhere/at/all"};
    check_fails(&o, "", "/nowhere/at/all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_and_its_answer),
        cmocka_unit_test(turns_that_render_to_nothing_are_left_out),
        cmocka_unit_test(each_region_becomes_a_record),
        cmocka_unit_test(fields_are_set_where_they_render_to_something),
        cmocka_unit_test(options_that_contradict_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
