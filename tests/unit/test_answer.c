/*
 * Answers: LLaVA-Med's and MUMC's normal forms, and what a reply chooses.
 * tests/golden/answer.py wrote the former; the latter's published scores
 * are in the real inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/eval/answer.h"

static struct medvl_error err;

#define MUST(call)                    \
    do {                              \
        if ((call) < 0)               \
            fail_msg("%s", err.text); \
    } while (0)

static void assert_normal(const char *text, enum medvl_answer_norm norm,
                          const char *want)
{
    struct medvl_text out = {0};

    MUST(medvl_answer_normalize(&out, medvl_span(text), norm, &err));
    assert_string_equal(out.data ? out.data : "", want);
    medvl_text_release(&out);
}

static void vqa_is_llava_meds_normal_form(void **state)
{
    struct medvl_text file = {0};
    char *line, *tab, *end;
    int count = 0;

    (void)state;
    MUST(medvl_file_read(&file, "tests/golden/answer_vqa.txt", 1 << 20,
                         &err));
    for (line = file.data; *line; line = end + 1, count++) {
        end = strchr(line, '\n');
        *end = 0;
        tab = strchr(line, '\t');
        *tab = 0;
        assert_normal(line, MEDVL_ANSWER_VQA, tab + 1);
    }
    assert_int_equal(count, 81);
    medvl_text_release(&file);
}

static void the_other_forms_are_as_described(void **state)
{
    (void)state;
    assert_normal("X-Ray, of the chest!", MEDVL_ANSWER_MUMC, "xray of chest");
    assert_normal("T2 - weighted", MEDVL_ANSWER_MUMC, "t2 weighted");
    assert_normal("x ray", MEDVL_ANSWER_MUMC, "xray");
    assert_normal("Dr. A's answer: 3.5", MEDVL_ANSWER_MUMC, "dr as answer 35");
    assert_normal("dont", MEDVL_ANSWER_MUMC, "dont");
    assert_normal(" The  \xc3\x89PANCHEMENT. ", MEDVL_ANSWER_LOWER,
                  "the \xc3\xa9panchement.");
    assert_normal(" As is. ", MEDVL_ANSWER_NONE, " As is. ");
    assert_normal("", MEDVL_ANSWER_VQA, "");
}

static void normalisations_have_names(void **state)
{
    enum medvl_answer_norm norm;

    (void)state;
    MUST(medvl_answer_norm_parse(&norm, "mumc", &err));
    assert_int_equal(norm, MEDVL_ANSWER_MUMC);
    MUST(medvl_answer_norm_parse(&norm, "none", &err));
    assert_int_equal(norm, MEDVL_ANSWER_NONE);
    assert_int_equal(medvl_answer_norm_parse(&norm, "VQA", &err), MEDVL_EARG);
}

/* ---- MUMC's published scores ------------------------------------------ */

static struct medvl_json *read_bench(const char *name, const char *epoch)
{
    struct medvl_json *json;
    char path[512];

    snprintf(path, sizeof(path), "%s/bench/vqa_rad_mumc/%s%s.json",
             getenv("MEDVL_DATA"), name, epoch);
    MUST(medvl_json_read(&json, path, &err));
    return json;
}

static const char *answer_of(const struct medvl_json *items, double id)
{
    const struct medvl_json *item = medvl_json_first(items);

    for (; item; item = medvl_json_next(item))
        if (medvl_json_number(medvl_json_get(item, "qid"), -1) == id)
            return medvl_json_string(medvl_json_get(item, "answer"));
    return NULL;
}

static bool agree(const char *a, const char *b)
{
    struct medvl_text x = {0}, y = {0};
    bool same;

    MUST(medvl_answer_normalize(&x, medvl_span(a), MEDVL_ANSWER_MUMC, &err));
    MUST(medvl_answer_normalize(&y, medvl_span(b), MEDVL_ANSWER_MUMC, &err));
    same = medvl_span_equal(medvl_text_span(&x), medvl_text_span(&y));
    medvl_text_release(&x);
    medvl_text_release(&y);
    return same;
}

static void mumc_gives_the_published_scores(void **state)
{
    static const char *const epochs[] = {"epoch0", "epoch5", "epoch20",
                                         "epoch31_eval"};
    struct medvl_json *test;

    (void)state;
    if (!getenv("MEDVL_DATA"))
        skip();
    test = read_bench("testset", "");
    for (int e = 0; e < 4; e++) {
        struct medvl_json *said = read_bench("predictions_", epochs[e]);
        struct medvl_json *want = read_bench("published_", epochs[e]);
        const struct medvl_json *item = medvl_json_first(test);
        double right[3] = {0}, all[3] = {0};

        for (; item; item = medvl_json_next(item)) {
            const char *gold, *type, *mine;
            double id;
            bool hit;

            id = medvl_json_number(medvl_json_get(item, "qid"), -1);
            gold = medvl_json_string(medvl_json_get(item, "answer"));
            type = medvl_json_string(medvl_json_get(item, "answer_type"));
            mine = answer_of(said, id);
            assert_non_null(mine);
            hit = agree(gold, mine);
            for (int i = 0; i < 3; i++)
                if (i == 0 || (i == 1) == (type[0] == 'C')) {
                    right[i] += hit;
                    all[i]++;
                }
        }
        assert_true(
            fabs(100 * right[0] / all[0] -
                 medvl_json_number(medvl_json_get(want, "overall"), -1)) <
            0.0051);
        for (int i = 1; i < 3; i++) {
            const struct medvl_json *by = medvl_json_get(want,
                                                         "perAnswerType");

            assert_true(fabs(100 * right[i] / all[i] -
                             medvl_json_number(
                                 medvl_json_get(by, i == 1 ? "CLOSED"
                                                           : "OPEN"),
                                 -1)) < 0.0051);
        }
        medvl_json_free(said);
        medvl_json_free(want);
    }
    medvl_json_free(test);
}

/* ---- choices ---------------------------------------------------------- */

static int read_choices(struct medvl_choices *choices, const char *json)
{
    struct medvl_json *object;
    int rc;

    MUST(medvl_json_parse(&object, medvl_span(json), &err));
    rc = medvl_choices_read(choices, object, MEDVL_ANSWER_VQA, &err);
    medvl_json_free(object);
    return rc;
}

static void a_reply_means_a_choice_or_none(void **state)
{
    static const struct {
        const char *reply;
        int choice;
    } cases[] = {
        {"B", 1},
        {"b", 1},
        {" (C). ", 2},
        {"**D**", 3},
        {"Spleen", 1},
        {"the spleen.", 1},
        {"B. Spleen", 1},
        {"(D) Lung", 3},
        {"**C** because it is", 2},
        {"C: left kidney", 2},
        {"The answer is C.", 2},
        {"The answer is: **B**", 1},
        {"Not A. So the answer is (D), not B", 3},
        {"I would say option B here", 1},
        {"Perhaps it is C then", 2},
        {"It is the left kidney", 2},
        {"I think it shows a lung nodule", 3},
        {"A lung nodule is seen", 3},
        {"Both lung and liver are seen", -1},
        {"B or C", -1},
        {"zzz", -1},
        {"", -1},
        {"Abdomen", -1},
        {"the lungs", -1},
    };
    struct medvl_choices choices = {0};
    int64_t found;

    (void)state;
    MUST(read_choices(&choices, "{\"A\":\"Liver\",\"B\":\"Spleen\","
                                "\"C\":\"Left kidney\",\"D\":\"Lung\"}"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        MUST(medvl_choices_find(&found, &choices, medvl_span(cases[i].reply),
                                &err));
        if (found != cases[i].choice)
            fail_msg("\"%s\": %d, want %d", cases[i].reply, (int)found,
                     cases[i].choice);
    }
    MUST(read_choices(&choices, "{\"A\":\"effusion\","
                                "\"B\":\"no effusion\"}"));
    MUST(medvl_choices_find(&found, &choices,
                            medvl_span("I see no effusion here"), &err));
    assert_int_equal(found, 1);
    MUST(medvl_choices_find(&found, &choices, medvl_span("effusion"), &err));
    assert_int_equal(found, 0);
    medvl_choices_release(&choices);
}

static void choices_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"{}", "[]", "\"A\"", "{\"A\":1}",
                                      "{\"\":\"x\"}",
                                      "{\"A\":\"x\",\"a\":\"y\"}"};
    struct medvl_choices choices = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(read_choices(&choices, bad[i]), MEDVL_EFORMAT);
    medvl_choices_release(&choices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vqa_is_llava_meds_normal_form),
        cmocka_unit_test(the_other_forms_are_as_described),
        cmocka_unit_test(normalisations_have_names),
        cmocka_unit_test(mumc_gives_the_published_scores),
        cmocka_unit_test(a_reply_means_a_choice_or_none),
        cmocka_unit_test(choices_that_are_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
