/*
 * Whole operations with the 0th, 1st, 2nd ... allocation failing: each must
 * end in MEDVL_ENOMEM, and leak nothing (the sanitizer says).
 */
#include "tests/unit/check.h"

#include "lib/stage/loop.h"
#include "lib/stage/split.h"

static char *in_path, *out_path, *rejects_path, *folder;

static int parse_and_print(void *arg, struct medvl_error *err)
{
    const struct medvl_span text = medvl_span(arg);
    struct medvl_json *tree = NULL;
    struct medvl_text out = {0};
    int rc = medvl_json_parse(&tree, text, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_print(&out, tree, err);
    medvl_json_free(tree);
    medvl_text_release(&out);
    return rc;
}

static void a_tree_is_whole_or_there_is_no_memory(void **state)
{
    static char text[] = "{\"a\":[1,2,{\"b\":\"text \\u00e9\"}],\"c\":null}";

    (void)state;
    check_no_memory(parse_and_print, text, 100);
}

static int change_a_record(void *arg, struct medvl_error *err)
{
    struct medvl_record record = {0};
    struct medvl_text out = {0};
    int rc = medvl_record_parse(&record, medvl_span(arg), err);

    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(&record, "answer", medvl_span("no"), err);
    if (rc == MEDVL_OK)
        rc = medvl_record_author(&record, "answer", "human", "x", "y", err);
    if (rc == MEDVL_OK)
        rc = medvl_record_write(&out, &record, err);
    if (rc == MEDVL_OK && !strstr(out.data, "\"author\":\"human\""))
        rc = medvl_fail(err, MEDVL_EFORMAT, "a field was lost");
    medvl_text_release(&out);
    medvl_record_release(&record);
    return rc;
}

static void a_field_is_set_or_there_is_no_memory(void **state)
{
    static char line[] =
        "{\"id\":\"a\",\"\\u0062\":1,\"provenance\":{\"x\":1}}";

    (void)state;
    check_no_memory(change_a_record, line, 100);
}

static int copy(void *worker, struct medvl_record *record,
                struct medvl_out *out, struct medvl_error *err)
{
    (void)worker;
    if (medvl_record_has(record, "bad"))
        return medvl_fail(err, MEDVL_EFORMAT, "is bad");
    return medvl_out_write(out, record, err);
}

static int copy_batch(void *stage, struct medvl_record *records,
                      int64_t count, struct medvl_out *out,
                      struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = copy(stage, &records[i], out, err);
        if (rc == MEDVL_EFORMAT)
            rc = medvl_out_reject(out, &records[i], err);
    }
    return rc;
}

/* The loops' output must be the same whenever they say they are done. */
static int check_output(int rc, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int read;

    if (rc < 0)
        return rc;
    read = medvl_file_read(&text, out_path, 1 << 20, err);
    if (read == MEDVL_OK && text.size != 22)
        read = medvl_fail(err, MEDVL_EFORMAT, "a record was lost");
    medvl_text_release(&text);
    return read;
}

static struct medvl_loop_options options(void)
{
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in_path,
        .file_count = 1,
        .keep_going = true,
        .rejects = rejects_path,
        .output = out_path,
    };

    return loop;
}

static int run_map(void *arg, struct medvl_error *err)
{
    const struct medvl_map map = {.record = copy};
    const struct medvl_loop_options loop = options();

    (void)arg;
    return check_output(medvl_loop_map(&map, NULL, &loop, NULL, err), err);
}

static int run_batch(void *arg, struct medvl_error *err)
{
    const struct medvl_batch batch = {.records = copy_batch};
    const struct medvl_loop_options loop = options();

    (void)arg;
    return check_output(medvl_loop_batch(&batch, NULL, &loop, NULL, err),
                        err);
}

static void the_loops_lose_no_record(void **state)
{
    struct medvl_error err = {0};
    const char *lines = "{\"id\":\"a\"}\n{\"bad\":1}\nx\n{\"id\":\"b\"}\n";

    (void)state;
    CHECK_OK(medvl_file_write(in_path, lines, strlen(lines), &err), &err);
    check_no_memory(run_map, NULL, 400);
    check_no_memory(run_batch, NULL, 400);
}

static int run_split(void *arg, struct medvl_error *err)
{
    struct medvl_loop_options loop = options();

    loop.keep_going = false;
    loop.rejects = NULL;
    return medvl_loop_sink(&medvl_split_all, arg, &loop, NULL, err);
}

static void splitting_is_whole_or_there_is_no_memory(void **state)
{
    static const char *const WHERE[] = {"images[0].slice=1", "id != 'z'"};
    struct medvl_split_options permute = {
        .where = WHERE,
        .where_count = 2,
        .permute = "pictures",
    };
    struct medvl_split_options parts = {
        .by = "id",
        .parts = "a=0.5,b=0.5",
        .folder = folder,
    };
    struct medvl_split_options sample = {.sample = "1", .shuffle = true};
    const char *lines =
        "{\"id\":\"a\",\"images\":[{\"path\":\"p\",\"slice\":1}]}\n"
        "{\"id\":\"b\",\"images\":[{\"path\":\"q\",\"slice\":1}]}\n";
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_file_write(in_path, lines, strlen(lines), &err), &err);
    check_no_memory(run_split, &permute, 600);
    check_no_memory(run_split, &parts, 400);
    check_no_memory(run_split, &sample, 400);
}

static int make_names(void **state)
{
    (void)state;
    in_path = check_temp("oom-in.jsonl");
    out_path = check_temp("oom-out.jsonl");
    rejects_path = check_temp("oom-rejects.jsonl");
    folder = check_temp("oom-parts");
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    medvl_free(in_path);
    medvl_free(out_path);
    medvl_free(rejects_path);
    medvl_free(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_whole_or_there_is_no_memory),
        cmocka_unit_test(a_field_is_set_or_there_is_no_memory),
        cmocka_unit_test(the_loops_lose_no_record),
        cmocka_unit_test(splitting_is_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, make_names, free_names);
}
