/*
 * Records to shards and back with the 0th, 1st, 2nd ... allocation failing.
 * What the commands do is tested by tests/cli/shard.bats and inspect.bats.
 */
#include "tests/unit/check.h"

#include "lib/stage/inspect.h"
#include "lib/stage/shard.h"

static char *in_path, *folder;

static const char LINES[] =
    "{\"id\":\"a\",\"images\":[{\"data\":\"aGVsbG8=\",\"width\":1}],"
    "\"tokens\":[1,2,3],\"loss_mask\":[0,1,1]}\n"
    "{\"id\":\"b\",\"tokens\":[4]}\n";

static int count_line(void *arg, struct medvl_span json,
                      struct medvl_error *err)
{
    (void)err;
    *(size_t *)arg += json.size;
    return MEDVL_OK;
}

static int run_shard(void *arg, struct medvl_error *err)
{
    const struct medvl_shard_options o = {
        .output = folder,
        .shuffle = arg != NULL,
        .overwrite = true,
        .size_limit = 1,
    };
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in_path,
        .file_count = 1,
    };
    struct medvl_shard_summary summary;
    size_t bytes = 0;
    int rc = medvl_loop_sink(&medvl_shard_sink, &o, &loop, NULL, err);

    if (rc == MEDVL_OK)
        rc = medvl_shard_check(&summary, folder, err);
    if (rc == MEDVL_OK &&
        (summary.records != 2 || summary.shards != 2 || summary.tokens != 4 ||
         summary.trained != 3 || summary.pictures != 1))
        rc = medvl_fail(err, MEDVL_EFORMAT, "something was lost");
    if (rc == MEDVL_OK)
        rc = medvl_inspect_shards(folder, count_line, &bytes, err);
    if (rc == MEDVL_OK && bytes < strlen(LINES))
        rc = medvl_fail(err, MEDVL_EFORMAT, "a field was lost");
    return rc;
}

static void shards_are_whole_or_there_is_no_memory(void **state)
{
    static int shuffled;

    (void)state;
    check_no_memory(run_shard, NULL, 1000);
    check_no_memory(run_shard, &shuffled, 1000);
}

static int write_files(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    in_path = check_temp("shard-in.jsonl");
    folder = check_temp("shards");
    CHECK_OK(medvl_file_write(in_path, LINES, strlen(LINES), &err), &err);
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    medvl_free(in_path);
    medvl_free(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, write_files, free_names);
}
