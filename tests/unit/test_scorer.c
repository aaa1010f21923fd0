/*
 * Scores of choices against rows of logits of the same model, and that
 * nobody's company changes them.
 */
#include "tests/unit/passes.h"

#include "lib/model/generator.h"
#include "lib/model/pass.h"
#include "lib/model/scorer.h"

enum { QUESTIONS = 23,
       CHOICES = 5,
       VOCAB = 67,
       LONGEST = 64 };

struct subject {
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_scorer *scorer;
    struct medvl_error err;
};

static int subject_try_of(struct subject *s, const char *folder,
                          int64_t prompts, struct medvl_error *err)
{
    int rc;

    memset(s, 0, sizeof(*s));
    rc = medvl_device_open_cpu(&s->dev, NULL, MEDVL_ISA_AVX2, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_open(&s->model, folder, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_scorer_open(&s->scorer, s->model, s->dev, prompts, err);
    return rc;
}

static int subject_try(struct subject *s, int64_t prompts,
                       struct medvl_error *err)
{
    return subject_try_of(s, LLAVA, prompts, err);
}

static void subject_open(struct subject *s, int64_t prompts)
{
    struct medvl_error err = {0};

    CHECK_OK(subject_try(s, prompts, &err), &err);
}

static void subject_release(struct subject *s)
{
    medvl_scorer_free(s->scorer);
    medvl_model_free(s->model);
    medvl_device_free(s->dev);
}

/* Questions of 1 to 45 tokens and 0 to 5 choices of 0 to 8. */
struct exam {
    struct medvl_question questions[QUESTIONS];
    int32_t ids[QUESTIONS][LONGEST], choice_ids[QUESTIONS][CHOICES][8];
    const int32_t *choices[QUESTIONS][CHOICES];
    int64_t counts[QUESTIONS][CHOICES];
    double sums[QUESTIONS][CHOICES];
    float pictures[3][2 * PICTURE_TOKENS * PICTURE_ROW];
};

static struct exam *exam_new(void)
{
    struct exam *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    for (int q = 0; q < QUESTIONS; q++) {
        const int pictures = q % 4 == 3 ? 0 : q % 3;
        int32_t *id = e->ids[q];

        for (int i = 0; i < pictures * PICTURE_TOKENS; i++)
            *id++ = -1;
        for (int i = 0; i < 1 + q * 7 % 13; i++)
            *id++ = (q * 41 + i * 11 + 2) % 60;
        e->questions[q] = (struct medvl_question){
            .ids = e->ids[q],
            .count = id - e->ids[q],
            .choices = e->choices[q],
            .choice_counts = e->counts[q],
            .choice_count = q % (CHOICES + 1),
            .sums = e->sums[q],
        };
        if (pictures)
            e->questions[q].pictures = passes_pictures(e->pictures[q % 3],
                                                       pictures, q % 3);
        for (int c = 0; c < CHOICES; c++) {
            e->choices[q][c] = e->choice_ids[q][c];
            e->counts[q][c] = (q + 5 * c) % 9;
            for (int i = 0; i < 8; i++)
                e->choice_ids[q][c][i] = (q * 3 + c * 17 + i * i) % VOCAB;
        }
    }
    return e;
}

/* ---- against rows of logits ------------------------------------------ */

struct rows {
    float logits[2 * LONGEST][VOCAB];
};

static int keep_row(void *arg, int64_t row, const float *logits,
                    int64_t vocab, struct medvl_error *err)
{
    struct rows *rows = arg;

    (void)err;
    assert_int_equal(vocab, VOCAB);
    memcpy(rows->logits[row], logits, sizeof(rows->logits[row]));
    return MEDVL_OK;
}

static double sum_of_rows(struct medvl_generator *g,
                          const struct medvl_question *q, int64_t c)
{
    static struct rows rows;
    int32_t ids[2 * LONGEST];
    const int64_t own = q->choice_counts[c];
    const struct medvl_prompt prompt = {
        .ids = ids,
        .count = q->count + own,
        .pictures = q->pictures,
        .logits = keep_row,
        .all_logits = true,
        .arg = &rows,
    };
    struct medvl_completion none;
    struct medvl_error err = {0};
    double sum = 0;

    memcpy(ids, q->ids, (size_t)q->count * sizeof(*ids));
    memcpy(ids + q->count, q->choices[c], (size_t)own * sizeof(*ids));
    CHECK_OK(medvl_generate(&none, g, &prompt, 1, &err), &err);
    medvl_completion_release(&none);
    for (int64_t i = 0; i < own; i++)
        sum += medvl_logprob(rows.logits[q->count - 1 + i], VOCAB,
                             q->choices[c][i]);
    return sum;
}

static void a_score_is_the_sum_of_the_rows_log_probabilities(void **state)
{
    struct exam *e = exam_new();
    struct medvl_generator *generator;
    struct subject s;
    int scored = 0;

    (void)state;
    subject_open(&s, 4);
    CHECK_OK(medvl_generator_open(&generator, s.model, s.dev,
                                  &(struct medvl_generator_options){0},
                                  &s.err),
             &s.err);
    CHECK_OK(medvl_scorer_run(s.scorer, e->questions, QUESTIONS, &s.err),
             &s.err);
    for (int q = 0; q < QUESTIONS; q++)
        for (int64_t c = 0; c < e->questions[q].choice_count; c++) {
            const double want = sum_of_rows(generator, &e->questions[q], c);

            CHECK_CLOSE(e->sums[q][c], want, 1e-5);
            scored += want < 0;
        }
    assert_true(scored > 40);
    medvl_generator_free(generator);
    subject_release(&s);
    free(e);
}

/* ---- past the first length of a Phi-3 --------------------------------- */

enum { PHI_VOCAB = 96,
       PHI_FIRST = 24,
       PHI_PROMPT = 20 };

struct last {
    float logits[LONGEST][PHI_VOCAB];
};

static int keep_last(void *arg, int64_t row, const float *logits,
                     int64_t vocab, struct medvl_error *err)
{
    struct last *last = arg;

    (void)err;
    assert_int_equal(vocab, PHI_VOCAB);
    memcpy(last->logits[row], logits, sizeof(last->logits[row]));
    return MEDVL_OK;
}

/* Sum of log p of ids [first, end), each from rows of all before `until`. */
static double sum_by_runs(struct medvl_generator *g, const int32_t *ids,
                          int64_t first, int64_t end, int64_t until)
{
    static struct last rows;
    const struct medvl_prompt prompt = {.ids = ids,
                                        .count = until,
                                        .logits = keep_last,
                                        .all_logits = true,
                                        .arg = &rows};
    struct medvl_completion none;
    struct medvl_error err = {0};
    double sum = 0;

    CHECK_OK(medvl_generate(&none, g, &prompt, 1, &err), &err);
    medvl_completion_release(&none);
    for (int64_t i = first; i < end; i++)
        sum += medvl_logprob(rows.logits[i - 1], PHI_VOCAB, ids[i]);
    return sum;
}

static void a_choice_past_the_first_length_runs_with_its_prompt(void **state)
{
    static const int64_t COUNTS[] = {3, 5, 6, 9};
    const int32_t *choices[4];
    int32_t ids[LONGEST];
    double sums[4];
    struct medvl_generator *generator;
    struct medvl_question q = {.ids = ids,
                               .count = PHI_PROMPT,
                               .choices = choices,
                               .choice_counts = COUNTS,
                               .choice_count = 4,
                               .sums = sums};
    struct subject s;

    (void)state;
    for (int i = 0; i < LONGEST; i++)
        ids[i] = (i * 29 + 5) % PHI_VOCAB;
    CHECK_OK(subject_try_of(&s, "tests/golden/models/phi3_longrope", 2,
                            &s.err),
             &s.err);
    CHECK_OK(medvl_generator_open(&generator, s.model, s.dev,
                                  &(struct medvl_generator_options){0},
                                  &s.err),
             &s.err);
    for (int c = 0; c < 4; c++)
        choices[c] = ids + PHI_PROMPT;
    CHECK_OK(medvl_scorer_run(s.scorer, &q, 1, &s.err), &s.err);
    for (int c = 0; c < 4; c++) {
        const int64_t end = PHI_PROMPT + COUNTS[c];
        double want = sum_by_runs(generator, ids, PHI_PROMPT, PHI_PROMPT + 1,
                                  PHI_PROMPT);

        want += sum_by_runs(generator, ids, PHI_PROMPT + 1, end, end - 1);
        CHECK_CLOSE(sums[c], want, 1e-5);
    }
    /* It matters: a run that stays short gives another sum. */
    assert_true(fabs(sum_by_runs(generator, ids, PHI_PROMPT, PHI_FIRST,
                                 PHI_FIRST) -
                     sum_by_runs(generator, ids, PHI_PROMPT, PHI_FIRST,
                                 PHI_FIRST + 1)) > 1e-3);
    medvl_generator_free(generator);
    subject_release(&s);
}

/* ---- company ---------------------------------------------------------- */

static void a_question_gets_the_same_in_any_company(void **state)
{
    struct exam *alone = exam_new(), *among = exam_new();
    struct subject s;

    (void)state;
    subject_open(&s, 1);
    for (int q = 0; q < QUESTIONS; q++)
        CHECK_OK(medvl_scorer_run(s.scorer, &alone->questions[q], 1, &s.err),
                 &s.err);
    subject_release(&s);
    for (int64_t prompts = 1; prompts <= 23; prompts += 11) {
        subject_open(&s, prompts);
        memset(among->sums, 0, sizeof(among->sums));
        CHECK_OK(medvl_scorer_run(s.scorer, among->questions, QUESTIONS,
                                  &s.err),
                 &s.err);
        assert_memory_equal(alone->sums, among->sums, sizeof(among->sums));
        subject_release(&s);
    }
    free(alone);
    free(among);
}

static void prompts_share_a_pass_and_choices_another(void **state)
{
    struct exam *e = exam_new();
    struct subject s;

    (void)state;
    subject_open(&s, 8);
    passes_watch(s.dev);
    CHECK_OK(medvl_scorer_run(s.scorer, e->questions, 8, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 2);
    CHECK_OK(medvl_scorer_run(s.scorer, e->questions, 16, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 4);

    /* First tokens are the prompt's; without more there is no second pass. */
    for (int q = 0; q < 8; q++)
        for (int c = 0; c < CHOICES; c++)
            e->counts[q][c] = 1;
    CHECK_OK(medvl_scorer_run(s.scorer, e->questions, 8, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 1);
    subject_release(&s);
    free(e);
}

/* ---- limits ----------------------------------------------------------- */

enum { LONG = 600 };

/*
 * Prompts across pages with choices across pages.  With one prompt there is
 * memory for one such choice beside it; with all, for many.
 */
static void choices_wait_for_pages_and_tokens(void **state)
{
    static int32_t ids[3 * LONG];
    const int32_t *choices[12];
    int64_t counts[12];
    double sums[2][3][12];
    struct medvl_question questions[3];
    struct subject s;

    (void)state;
    for (int i = 0; i < 3 * LONG; i++)
        ids[i] = i * i % 61;
    for (int c = 0; c < 12; c++) {
        choices[c] = ids + 50 * c;
        counts[c] = c == 3 ? LONG : 110 + c;
    }
    for (int run = 0; run < 2; run++) {
        subject_open(&s, run ? 3 : 1);
        s.model->config.decoder.max_positions = 2 * LONG;
        medvl_scorer_free(s.scorer);
        CHECK_OK(medvl_scorer_open(&s.scorer, s.model, s.dev, run ? 3 : 1,
                                   &s.err),
                 &s.err);
        passes_watch(s.dev);
        for (int q = 0; q < 3; q++)
            questions[q] = (struct medvl_question){
                .ids = ids + q,
                .count = LONG - 100 * q,
                .choices = choices,
                .choice_counts = counts,
                .choice_count = 12,
                .sums = sums[run][q],
            };
        CHECK_OK(medvl_scorer_run(s.scorer, questions, 3, &s.err), &s.err);
        assert_int_equal(passes_taken(s.model), run ? 4 : 9);
        subject_release(&s);
    }
    assert_memory_equal(sums[0], sums[1], sizeof(sums[0]));
    assert_true(sums[0][2][5] < -100 && sums[0][0][3] < sums[0][0][2]);
}

static void many_choices_take_several_passes(void **state)
{
    enum { MANY = 700 };
    static const int32_t pair[] = {5, 6, 7};
    const int32_t *choices[MANY];
    int64_t counts[MANY];
    double sums[MANY];
    const int32_t ids[] = {1, 2, 3};
    const struct medvl_question question = {
        .ids = ids,
        .count = 3,
        .choices = choices,
        .choice_counts = counts,
        .choice_count = MANY,
        .sums = sums,
    };
    struct subject s;

    (void)state;
    for (int c = 0; c < MANY; c++) {
        choices[c] = pair;
        counts[c] = 3;
    }
    /* Few prompts: pages bound a pass; many: its 256 slots of choices. */
    for (int prompts = 16; prompts <= 256; prompts += 240) {
        subject_open(&s, prompts);
        passes_watch(s.dev);
        CHECK_OK(medvl_scorer_run(s.scorer, &question, 1, &s.err), &s.err);
        assert_int_equal(passes_taken(s.model), prompts == 16 ? 10 : 4);
        for (int c = 1; c < MANY; c++)
            assert_memory_equal(&sums[c], &sums[0], sizeof(sums[0]));
        subject_release(&s);
    }
}

/* The prompt leaves one place on its page, so two more tokens of a choice
 * are on a copy of it and on the next. */
static void a_choice_across_a_page_takes_two_pages(void **state)
{
    enum { FEW = 9,
           PROMPT = MEDVL_KV_PAGE - 1 };
    static int32_t ids[PROMPT];
    static const int32_t own[] = {5, 6, 7};
    const int32_t *choices[FEW];
    int64_t counts[FEW];
    double sums[FEW];
    const struct medvl_question question = {
        .ids = ids,
        .count = PROMPT,
        .choices = choices,
        .choice_counts = counts,
        .choice_count = FEW,
        .sums = sums,
    };
    struct subject s;

    (void)state;
    for (int c = 0; c < FEW; c++) {
        choices[c] = own;
        counts[c] = 3;
    }
    subject_open(&s, 1);
    s.model->config.decoder.max_positions = 2 * MEDVL_KV_PAGE;
    medvl_scorer_free(s.scorer);
    CHECK_OK(medvl_scorer_open(&s.scorer, s.model, s.dev, 1, &s.err), &s.err);
    passes_watch(s.dev);
    CHECK_OK(medvl_scorer_run(s.scorer, &question, 1, &s.err), &s.err);
    /* Six pages: the prompt's, and two choices' at a time in the others. */
    assert_int_equal(passes_taken(s.model), 1 + (FEW + 1) / 2);
    for (int c = 1; c < FEW; c++)
        assert_memory_equal(&sums[c], &sums[0], sizeof(sums[0]));
    subject_release(&s);
}

static void a_bad_question_is_an_error_that_says_why(void **state)
{
    struct exam *e = exam_new();
    struct medvl_question *q = &e->questions[5];
    struct subject s;
    float *norm;

    (void)state;
    subject_open(&s, 2);
    CHECK_OK(medvl_scorer_check(s.scorer, q, &s.err), &s.err);
    e->choice_ids[5][0][e->counts[5][0] - 1] = VOCAB;
    CHECK_FAILS(medvl_scorer_run(s.scorer, e->questions, 6, &s.err),
                MEDVL_EARG, &s.err, "token 67 is outside");
    e->choice_ids[5][0][e->counts[5][0] - 1] = -1;
    CHECK_FAILS(medvl_scorer_check(s.scorer, q, &s.err), MEDVL_EARG, &s.err,
                "token -1 is outside");
    e->choice_ids[5][0][e->counts[5][0] - 1] = 0;
    e->ids[5][0] = VOCAB;
    CHECK_FAILS(medvl_scorer_check(s.scorer, q, &s.err), MEDVL_EARG, &s.err,
                "token 67 is outside");
    e->ids[5][0] = 0;
    q->count = 0;
    CHECK_FAILS(medvl_scorer_check(s.scorer, q, &s.err), MEDVL_EARG, &s.err,
                "empty");

    /* The last token of a choice needs no room. */
    q->pictures.count = 0;
    memset(e->ids[5], 0, sizeof(e->ids[5]));
    for (int c = 0; c < CHOICES; c++)
        e->counts[5][c] = 1;
    q->count = LONGEST;
    CHECK_OK(medvl_scorer_run(s.scorer, q, 1, &s.err), &s.err);
    e->counts[5][2] = 2;
    CHECK_FAILS(medvl_scorer_run(s.scorer, q, 1, &s.err), MEDVL_EARG, &s.err,
                "leaves no room");

    medvl_model_load(s.model);
    norm = medvl_model_param(s.model, "decoder.norm.weight")
               ->value.data;
    norm[0] = NAN;
    CHECK_OK(medvl_scorer_run(s.scorer, &e->questions[4], 1, &s.err), &s.err);
    assert_true(!isfinite(e->sums[4][0]));
    subject_release(&s);
    free(e);
}

static int score(void *arg, struct medvl_error *err)
{
    struct exam *e = arg;
    struct subject s;
    int rc = subject_try(&s, 3, err);

    if (rc == MEDVL_OK)
        rc = medvl_scorer_run(s.scorer, e->questions, 6, err);
    subject_release(&s);
    return rc;
}

static void there_are_scores_or_no_memory(void **state)
{
    struct exam *e = exam_new();

    (void)state;
    check_no_memory(score, e, 3000);
    free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_the_sum_of_the_rows_log_probabilities),
        cmocka_unit_test(a_choice_past_the_first_length_runs_with_its_prompt),
        cmocka_unit_test(a_question_gets_the_same_in_any_company),
        cmocka_unit_test(prompts_share_a_pass_and_choices_another),
        cmocka_unit_test(choices_wait_for_pages_and_tokens),
        cmocka_unit_test(many_choices_take_several_passes),
        cmocka_unit_test(a_choice_across_a_page_takes_two_pages),
        cmocka_unit_test(a_bad_question_is_an_error_that_says_why),
        cmocka_unit_test(there_are_scores_or_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
