/*
 * The results as a C user gets them; and scoring with the 0th, 1st, 2nd ...
 * allocation failing: an error, or the whole result.  What the metrics are
 * is tested by tests/cli/score.bats.
 */
#include "tests/unit/check.h"

#include "lib/stage/baseline.h"
#include "lib/stage/score.h"

static char *in_path, *gold_path, *out_path, *record_path;

static const char GOLD[] =
    "{\"id\":\"a\",\"kind\":\"x\",\"answer\":[\"B\",\"no\"],\"choices\":"
    "{\"A\":\"left\",\"B\":\"right\"},\"answer_type\":\"closed\"}\n"
    "{\"id\":\"b\",\"kind\":\"y\",\"group\":1,\"answer\":\"[1,2,30,40]\"}\n"
    "{\"id\":\"c\",\"kind\":\"y\",\"group\":1,\"answer\":\"don't know\"}\n";

static const char SAID[] =
    "{\"id\":\"a\",\"prediction\":\"It is on the right\","
    "\"choice_logprobs\":{\"A\":-1,\"B\":-2}}\n"
    "{\"id\":\"b\",\"prediction\":\"[1,2,30,41]\"}\n"
    "{\"id\":\"b\",\"prediction\":\"here\"}\n"
    "{\"id\":\"z\",\"prediction\":\"x\"}\n";

static void ignore(void *arg, const char *text)
{
    ++*(int *)arg;
    assert_non_null(text);
}

static int complaints;

static struct medvl_score_options options(void)
{
    const struct medvl_score_options o = {
        .metrics = "exact,accuracy,balanced_accuracy,closed,f1,auc,iou",
        .by = "kind",
        .positive = "right",
        .resamples = 20,
        .reference = gold_path,
        .per_record = record_path,
        .warn = ignore,
        .arg = &complaints,
    };

    return o;
}

static int compare(const char *path, const char *want, size_t least,
                   struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_file_read(&text, path, 1 << 20, err);

    if (rc == MEDVL_OK && (text.size < least || !strstr(text.data, want)))
        rc = medvl_fail(err, MEDVL_EFORMAT, "something was lost");
    medvl_text_release(&text);
    return rc;
}

static int run_score(void *arg, struct medvl_error *err)
{
    const struct medvl_score_options o = options();
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in_path,
        .file_count = 1,
        .output = out_path,
    };
    int rc = medvl_loop_sink(&medvl_score_sink, &o, &loop, NULL, err);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = compare(out_path, "\"missing\":1,\"extra\":1,\"double\":1", 1500,
                 err);
    return rc < 0 ? rc : compare(record_path, "\"scores\":{", 400, err);
}

static int run_table(void *arg, struct medvl_error *err)
{
    struct medvl_score_options o = options();
    const char *const names[] = {"one", "two"};
    const char *const files[] = {in_path, in_path};
    struct medvl_text out = {0};
    int rc;

    (void)arg;
    o.per_record = NULL;
    rc = medvl_score_table(&out, names, files, 2, &o, err);
    if (rc == MEDVL_OK && !strstr(out.data, "two: 1 double"))
        rc = medvl_fail(err, MEDVL_EFORMAT, "something was lost");
    medvl_text_release(&out);
    return rc;
}

static int run_baseline(void *arg, struct medvl_error *err)
{
    const struct medvl_baseline_options o = {
        .predict = "median-box",
        .from = gold_path,
        .by = "kind",
        .warn = ignore,
        .arg = &complaints,
    };
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in_path,
        .file_count = 1,
        .output = out_path,
    };
    int rc = medvl_loop_map(&medvl_baseline_map, &o, &loop, NULL, err);

    (void)arg;
    if (rc < 0)
        return rc;
    return compare(out_path, "\"prediction\":\"[1,2,30,40]\"", 150, err);
}

static void scoring_is_whole_or_there_is_no_memory(void **state)
{
    (void)state;
    check_no_memory(run_score, NULL, 2000);
    assert_true(complaints > 0);
}

static void a_table_is_whole_or_there_is_no_memory(void **state)
{
    (void)state;
    check_no_memory(run_table, NULL, 3000);
}

static const struct medvl_score_result *
find_result(const struct medvl_score_summary *s, const char *name,
            const char *by)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->results[i].name, name) &&
            medvl_span_is(s->results[i].by, by))
            return &s->results[i];
    fail_msg("no %s of %s", name, by);
    return NULL;
}

static void a_file_gives_a_result_a_metric_and_cell(void **state)
{
    struct medvl_score_options o = options();
    const struct medvl_score_summary *summary;
    const struct medvl_score_result *r;
    struct medvl_score *score = NULL;
    struct medvl_error err = {0};

    (void)state;
    o.per_record = NULL;
    CHECK_OK(medvl_score_file(&score, in_path, &o, &err), &err);
    summary = medvl_score_summary(score);
    assert_int_equal(summary->trouble[MEDVL_SCORE_MISSING], 1);
    assert_int_equal(summary->trouble[MEDVL_SCORE_EXTRA], 1);
    assert_int_equal(summary->trouble[MEDVL_SCORE_DOUBLE], 1);
    r = find_result(summary, "accuracy", "{}");
    assert_true(r->all && r->metric == 1);
    assert_int_equal(r->n, 4);
    assert_true(r->interval.value == 0.25);
    r = find_result(summary, "accuracy", "{\"kind\":\"x\"}");
    assert_true(!r->all && r->n == 1 && r->interval.value == 1);
    medvl_score_free(score);
    o.positive = "upwards";
    assert_int_equal(medvl_score_file(&score, in_path, &o, &err),
                     MEDVL_EARG);
    assert_null(score);
    assert_non_null(strstr(err.text, "there are \"left\", \"right\""));
}

static void a_baseline_is_whole_or_there_is_no_memory(void **state)
{
    (void)state;
    check_no_memory(run_baseline, NULL, 1000);
}

static int write_files(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    in_path = check_temp("score-in.jsonl");
    gold_path = check_temp("score-gold.jsonl");
    out_path = check_temp("score-out.jsonl");
    record_path = check_temp("score-records.jsonl");
    CHECK_OK(medvl_file_write(in_path, SAID, strlen(SAID), &err), &err);
    CHECK_OK(medvl_file_write(gold_path, GOLD, strlen(GOLD), &err), &err);
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    medvl_free(in_path);
    medvl_free(gold_path);
    medvl_free(out_path);
    medvl_free(record_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scoring_is_whole_or_there_is_no_memory),
        cmocka_unit_test(a_table_is_whole_or_there_is_no_memory),
        cmocka_unit_test(a_file_gives_a_result_a_metric_and_cell),
        cmocka_unit_test(a_baseline_is_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, write_files, free_names);
}
