/*
 * lib/train/rundir: what survives a run that was killed.
 */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/train/rundir.h"

static char folder[64];
static struct medvl_rundir run;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/medvl-rundir-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    medvl_rundir_release(&run);
    return medvl_path_remove(folder, NULL);
}

static void put(const char *name, const char *content)
{
    struct medvl_error err = {0};
    char *path;

    CHECK_OK(medvl_path_join(&path, folder, name, &err), &err);
    CHECK_OK(medvl_file_write(path, content, strlen(content), &err), &err);
    medvl_free(path);
}

static bool there(const char *name)
{
    char *path = NULL;
    bool is = false;

    if (medvl_path_join(&path, folder, name, NULL) == MEDVL_OK)
        is = medvl_file_exists(path) || medvl_folder_exists(path);
    medvl_free(path);
    return is;
}

static void make_step(const char *name)
{
    struct medvl_error err = {0};
    struct medvl_text path = {0};

    CHECK_OK(medvl_text_printf(&path, &err, "%s/%s", folder, name), &err);
    CHECK_OK(medvl_folder_make(path.data, &err), &err);
    CHECK_OK(medvl_text_puts(&path, "/config.json", &err), &err);
    CHECK_OK(medvl_file_write(path.data, "{}", 2, &err), &err);
    medvl_text_release(&path);
}

static void a_run_is_not_started_over_another(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    put("train.jsonl", "{\"step\":1");
    put("options.json", "{}");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "holds a run already");
}

static void a_run_begins_over_one_that_has_no_step(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    put("options.json", "{}");
    put("train.jsonl", "");
    put("options.json.tmp", "{");
    CHECK_OK(medvl_rundir_open(&run, folder, false, &err), &err);
    medvl_rundir_release(&run);
    put("train.jsonl", "{\"step\":1}\n");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "--resume");
    put("train.jsonl", "");
    make_step("step-000001");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "--resume");
    assert_true(there("step-000001/config.json"));
}

static void a_run_is_not_put_among_other_files(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    put("config.json", "{}");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "holds config.json");
    assert_false(there("lock"));
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    put("train.jsonl", "");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "holds train.jsonl");
}

static void the_link_follows_the_newest(void **state)
{
    struct medvl_error err = {0};
    char *path = NULL;

    (void)state;
    CHECK_OK(medvl_rundir_open(&run, folder, false, &err), &err);
    make_step("step-000007");
    CHECK_OK(medvl_rundir_latest(&path, &run, 7, &err), &err);
    assert_true(there("latest/config.json"));
    medvl_free(path);
}

static void a_folder_without_options_cannot_be_resumed(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_rundir_open(&run, folder, true, &err), MEDVL_EARG, &err,
                "no run to resume");
}

static void unfinished_checkpoints_are_removed_and_the_newest_found(
    void **state)
{
    struct medvl_error err = {0};
    int64_t step;

    (void)state;
    CHECK_OK(medvl_rundir_open(&run, folder, false, &err), &err);
    make_step("step-000005");
    make_step("step-1000010");
    make_step("step-000400.tmp");
    make_step("step-x");
    make_step("step-x.tmp");
    make_step("mine.tmp");
    put("options.json.tmp", "{");
    CHECK_OK(medvl_rundir_newest(&step, &run, &err), &err);
    assert_int_equal(step, 1000010);
    assert_false(there("step-000400.tmp"));
    assert_false(there("options.json.tmp"));
    assert_true(there("step-x.tmp/config.json"));
    assert_true(there("mine.tmp/config.json"));
    assert_true(there("step-000005"));
}

static void check_log(const char *want)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    char *path;

    CHECK_OK(medvl_path_join(&path, folder, "train.jsonl", &err), &err);
    CHECK_OK(medvl_file_read(&text, path, 1000, &err), &err);
    assert_string_equal(text.data ? text.data : "", want);
    medvl_free(path);
    medvl_text_release(&text);
}

static void the_log_is_cut_back_to_the_step(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    put("train.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\":2}\n"
                       "{\"step\":3}\n{\"step\":4");
    put("options.json", "{}");
    CHECK_OK(medvl_rundir_open(&run, folder, true, &err), &err);
    CHECK_OK(medvl_rundir_log_open(&run, 2, &err), &err);
    CHECK_OK(medvl_rundir_log(&run, medvl_span("{\"step\":3,\"n\":1}"), &err),
             &err);
    check_log("{\"step\":1,\"loss\":2}\n{\"step\":2}\n"
              "{\"step\":3,\"n\":1}\n");
}

static void a_log_that_is_not_of_the_run_is_refused_by_its_line(void **state)
{
    static const struct {
        const char *log, *text;
    } BAD[] = {
        {"{\"step\":1}\nno\n{\"step\":2}\n", "train.jsonl:2: "},
        {"{\"step\":1}\n{\"loss\":1}\n", "train.jsonl:2: "},
        {"{\"step\":1}\n{\"step\":3}\n{\"step\":2}\n", "train.jsonl:3: "},
        {"{\"step\":0}\n", "train.jsonl:1: "},
        {"\n", "train.jsonl:1: "},
    };
    struct medvl_error err = {0};

    (void)state;
    put("options.json", "{}");
    CHECK_OK(medvl_rundir_open(&run, folder, true, &err), &err);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        put("train.jsonl", BAD[i].log);
        CHECK_FAILS(medvl_rundir_log_open(&run, 9, &err), MEDVL_EFORMAT, &err,
                    BAD[i].text);
        check_log(BAD[i].log);
    }
    /* What comes after the step, or is cut short, is no matter. */
    put("train.jsonl", "{\"step\":1}\n{\"step\":2}\nno\n");
    CHECK_OK(medvl_rundir_log_open(&run, 1, &err), &err);
    check_log("{\"step\":1}\n");
}

static void a_line_of_the_log_has_a_bound(void **state)
{
    struct medvl_error err = {0};
    char *path;
    FILE *fp;

    (void)state;
    put("options.json", "{}");
    CHECK_OK(medvl_rundir_open(&run, folder, true, &err), &err);
    CHECK_OK(medvl_path_join(&path, folder, "train.jsonl", &err), &err);
    fp = fopen(path, "wb");
    assert_non_null(fp);
    assert_int_equal(fseek(fp, (long)MEDVL_RUNDIR_LINE + 1, SEEK_SET), 0);
    assert_int_equal(fputc('\n', fp), '\n');
    assert_int_equal(fclose(fp), 0);
    medvl_free(path);
    CHECK_FAILS(medvl_rundir_log_open(&run, 1, &err), MEDVL_EFORMAT, &err,
                "at most");
}

static void publishing_keeps_the_best_and_the_newest(void **state)
{
    static const char *const NAMES[] = {"step-000001.tmp", "step-000002.tmp",
                                        "step-000003.tmp", "step-000004.tmp"};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_rundir_open(&run, folder, false, &err), &err);
    for (int64_t step = 1; step <= 4; step++) {
        make_step(NAMES[step - 1]);
        CHECK_OK(medvl_rundir_publish(&run, step, 1, 2, &err), &err);
    }
    assert_true(there("step-000001"));
    assert_false(there("step-000002"));
    assert_true(there("step-000003"));
    assert_true(there("latest/config.json"));
    CHECK_OK(medvl_rundir_finish(&run, 1, &err), &err);
    assert_true(there("config.json"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_not_started_over_another),
        TEST(a_run_begins_over_one_that_has_no_step),
        TEST(a_run_is_not_put_among_other_files),
        TEST(the_link_follows_the_newest),
        TEST(a_folder_without_options_cannot_be_resumed),
        TEST(unfinished_checkpoints_are_removed_and_the_newest_found),
        TEST(the_log_is_cut_back_to_the_step),
        TEST(a_log_that_is_not_of_the_run_is_refused_by_its_line),
        TEST(a_line_of_the_log_has_a_bound),
        TEST(publishing_keeps_the_best_and_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
