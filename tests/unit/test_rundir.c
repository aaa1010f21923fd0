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
    put("options.json", "{}");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "holds a run already");
}

static void a_run_is_not_put_among_other_files(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    put("config.json", "{}");
    CHECK_FAILS(medvl_rundir_open(&run, folder, false, &err), MEDVL_EARG,
                &err, "holds config.json");
    assert_false(there("lock"));
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
    CHECK_OK(medvl_rundir_newest(&step, &run, &err), &err);
    assert_int_equal(step, 1000010);
    assert_false(there("step-000400.tmp"));
    assert_true(there("step-000005"));
}

static void the_log_is_cut_back_to_the_step(void **state)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    char *path;

    (void)state;
    put("train.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\":2}\n"
                       "{\"step\":3}\n{\"step\":4");
    put("options.json", "{}");
    CHECK_OK(medvl_rundir_open(&run, folder, true, &err), &err);
    CHECK_OK(medvl_rundir_log_open(&run, 2, &err), &err);
    CHECK_OK(medvl_rundir_log(&run, medvl_span("{\"step\":3,\"n\":1}"), &err),
             &err);
    CHECK_OK(medvl_path_join(&path, folder, "train.jsonl", &err), &err);
    CHECK_OK(medvl_file_read(&text, path, 1000, &err), &err);
    assert_string_equal(text.data, "{\"step\":1,\"loss\":2}\n{\"step\":2}\n"
                                   "{\"step\":3,\"n\":1}\n");
    medvl_free(path);
    medvl_text_release(&text);
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
        TEST(a_run_is_not_put_among_other_files),
        TEST(the_link_follows_the_newest),
        TEST(a_folder_without_options_cannot_be_resumed),
        TEST(unfinished_checkpoints_are_removed_and_the_newest_found),
        TEST(the_log_is_cut_back_to_the_step),
        TEST(publishing_keeps_the_best_and_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
