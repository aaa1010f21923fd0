/* The loops: order, threads, bad records, failed streams, windows. */
#include "tests/unit/check.h"

#include <errno.h>

#include "lib/stage/loop.h"

static char *in_path, *out_path, *rejects_path;
static struct medvl_text text; /* what a run wrote */
static struct medvl_text said; /* what it reported */

static void write_bytes(const char *data, size_t size)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_write(in_path, data, size, &err), &err);
}

static void write_input(const char *lines)
{
    write_bytes(lines, strlen(lines));
}

static const char *output(const char *path)
{
    struct medvl_error err = {0};

    medvl_text_clear(&text);
    CHECK_OK(medvl_file_read(&text, path, 1 << 30, &err), &err);
    return text.size ? text.data : "";
}

static void report(void *arg, const char *line)
{
    (void)arg;
    assert_int_equal(medvl_text_printf(&said, NULL, "%s\n", line), MEDVL_OK);
}

static struct medvl_loop_options options(void)
{
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&in_path,
        .file_count = 1,
        .output = out_path,
        .report = report,
    };

    medvl_text_clear(&said);
    return loop;
}

/* "n" lines of output a record; a record with "bad" fails halfway, one with
 * "full" cannot write its side file. */
static int copy(void *worker, struct medvl_record *record,
                struct medvl_out *out, struct medvl_error *err)
{
    int rc = MEDVL_OK;
    int64_t times = 1;
    const struct medvl_span n = medvl_record_get(record, "n");

    (void)worker;
    if (n.size)
        rc = medvl_parse_int(&times, n, 0, 9, err);
    for (int64_t i = 0; i < times && rc == MEDVL_OK; i++)
        rc = medvl_out_write(out, record, err);
    if (rc == MEDVL_OK && medvl_record_has(record, "full")) {
        errno = ENOSPC;
        return medvl_fail_output(err, "side.png");
    }
    if (rc == MEDVL_OK && medvl_record_has(record, "bad")) {
        rc = medvl_record_set(record, "bad", medvl_span("0"), err);
        return rc < 0 ? rc : medvl_fail(err, MEDVL_EARG, "is bad");
    }
    return rc;
}

static const struct medvl_map COPY = {.record = copy};

static void a_map_keeps_order_whatever_the_number_of_threads(void **state)
{
    struct medvl_text lines = {0}, first = {0};
    struct medvl_error err = {0};
    struct medvl_pool *pool = NULL;

    (void)state;
    for (int i = 0; i < 60000; i++)
        CHECK_OK(medvl_text_printf(&lines, &err,
                                   "{\"id\":\"r%d\",\"n\":%d,\"x\":\"%*s\"}\n",
                                   i, i % 4, i % 90, ""),
                 &err);
    write_bytes(lines.data, lines.size - 1); /* no newline at the end */
    for (int threads = 1; threads <= 3; threads++) {
        struct medvl_loop_options loop = options();
        struct medvl_loop_count count = {0};

        CHECK_OK(medvl_pool_open(&pool, threads, &err), &err);
        loop.pool = pool;
        CHECK_OK(medvl_loop_map(&COPY, NULL, &loop, &count, &err), &err);
        medvl_pool_free(pool);
        assert_int_equal(count.read, 60000);
        output(out_path);
        if (threads == 1)
            CHECK_OK(medvl_text_append(&first, text.data, text.size, &err),
                     &err);
        assert_true(medvl_span_equal(medvl_text_span(&first),
                                     medvl_text_span(&text)));
    }
    assert_non_null(strstr(first.data, "\"id\":\"r59998\""));
    medvl_text_release(&first);
    medvl_text_release(&lines);
}

static void parts_put_together_are_the_whole(void **state)
{
    struct medvl_text lines = {0}, all = {0};
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 500; i++)
        CHECK_OK(medvl_text_printf(&lines, &err, "{\"id\":\"%0*d\"}\n",
                                   i % 50 + 1, i),
                 &err);
    write_input(lines.data);
    for (int part = 1; part <= 7; part++) {
        struct medvl_loop_options loop = options();

        loop.part = part;
        loop.parts = 7;
        CHECK_OK(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), &err);
        output(out_path);
        CHECK_OK(medvl_text_append(&all, text.data, text.size, &err), &err);
    }
    assert_string_equal(all.data, lines.data);
    medvl_text_release(&lines);
    medvl_text_release(&all);
}

#define MIXED                    \
    "{\"id\":\"a\"}\n"           \
    "{\"id\":\"b\",\"bad\":1}\n" \
    "\n"                         \
    "{\"id\":\"c\"}\r\n"         \
    "\xff\n"                     \
    "{\"id\":\"d\",\"n\":0}\n"   \
    "{\"id\":\"e\"}"

static void a_bad_record_stops_a_map_with_its_place(void **state)
{
    const struct medvl_loop_options loop = options();
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    char place[300];

    (void)state;
    write_input(MIXED);
    snprintf(place, sizeof(place), "%s:2: b: is bad", in_path);
    CHECK_FAILS(medvl_loop_map(&COPY, NULL, &loop, &count, &err), MEDVL_EARG,
                &err, place);
    assert_false(medvl_file_exists(out_path)); /* none, and none half */
}

static void what_is_set_aside_and_what_passes_add_up(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    char want[2000];

    (void)state;
    write_input(MIXED);
    loop.keep_going = true;
    loop.rejects = rejects_path;
    assert_int_equal(medvl_loop_map(&COPY, NULL, &loop, &count, &err),
                     MEDVL_LOOP_INCOMPLETE);
    assert_int_equal(count.read, 7);
    assert_int_equal(count.rejected, 3);
    assert_string_equal(output(out_path),
                        "{\"id\":\"a\"}\n{\"id\":\"c\"}\n{\"id\":\"e\"}\n");
    snprintf(want, sizeof(want),
             "{\"error\":\"is bad\",\"where\":\"%s:2\","
             "\"record\":{\"id\":\"b\",\"bad\":1}}\n"
             "{\"error\":\"empty line\",\"where\":\"%s:3\",\"raw\":\"\"}\n"
             "{\"error\":\"byte 1: not a JSON object\",\"where\":\"%s:5\","
             "\"raw\":\"/w==\"}\n",
             in_path, in_path, in_path);
    assert_string_equal(output(rejects_path), want);
    snprintf(want, sizeof(want),
             "%s:2: b: is bad\n%s:3: empty line\n"
             "%s:5: byte 1: not a JSON object\n",
             in_path, in_path, in_path);
    assert_string_equal(said.data, want);
}

static void what_cannot_be_written_is_no_bad_record(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};

    (void)state;
    write_input("{\"id\":\"a\",\"bad\":1}\n"
                "{\"id\":\"b\",\"full\":1}\n{\"id\":\"c\"}\n");
    loop.keep_going = true;
    CHECK_FAILS(medvl_loop_map(&COPY, NULL, &loop, &count, &err),
                MEDVL_EOUTPUT, &err, ":2: b: side.png: No space");
    assert_int_equal(count.rejected, 1);
    assert_false(medvl_file_exists(out_path));
}

static void records_and_rejects_are_kept_apart(void **state)
{
    char *dotted = check_temp("./out.jsonl");
    char *temp = check_temp("out.jsonl.tmp"), *part = check_temp("p.part");
    char *p = check_temp("p");
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};

    (void)state;
    write_input("{\"id\":\"a\"}\n");
    loop.keep_going = true;
    loop.rejects = dotted;
    CHECK_FAILS(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), MEDVL_EARG,
                &err, dotted);
    assert_non_null(strstr(err.text, out_path));
    assert_false(medvl_file_exists(out_path) || medvl_file_exists(temp));
    CHECK_FAILS(medvl_loop_apart(out_path, ".tmp", temp, &err), MEDVL_EARG,
                &err, "would be one file");
    CHECK_FAILS(medvl_loop_apart(temp, ".tmp", out_path, &err), MEDVL_EARG,
                &err, "would be one file");
    CHECK_FAILS(medvl_loop_apart(p, ".part", part, &err), MEDVL_EARG, &err,
                "would be one file");
    CHECK_FAILS(medvl_loop_apart(NULL, ".tmp", "-", &err), MEDVL_EARG, &err,
                "stdout");
    CHECK_OK(medvl_loop_apart(p, ".tmp", part, &err), &err);
    CHECK_OK(medvl_loop_apart(p, ".tmp", "-", &err), &err);
    CHECK_OK(medvl_loop_apart("-", ".tmp", p, &err), &err);
    CHECK_OK(medvl_loop_apart("-", ".tmp", NULL, &err), &err);
    medvl_free(dotted);
    medvl_free(temp);
    medvl_free(part);
    medvl_free(p);
}

static void a_failed_stream_fails_every_loop(void **state)
{
    static const char *const LINES =
        "{\"id\":\"a\"}\n{ \"medvl\\u005ffailed\" : \"x: no\" }\n";
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};

    (void)state;
    write_input(LINES);
    loop.keep_going = true;
    CHECK_FAILS(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), MEDVL_EFORMAT,
                &err, ":2: an earlier command failed: x: no");
    assert_false(medvl_file_exists(out_path));

    /* Beside another member it is a field like any other. */
    write_input("{\"medvl_failed\":1,\"id\":2}\n");
    CHECK_OK(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), &err);
}

static void an_empty_input_gives_an_empty_output(void **state)
{
    const struct medvl_loop_options loop = options();
    struct medvl_error err = {0};

    (void)state;
    write_input("");
    CHECK_OK(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), &err);
    assert_string_equal(output(out_path), "");
}

static void a_line_over_the_limit_is_refused(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};

    (void)state;
    write_input("{}\n{\"id\":\"0123456789\"}\n");
    loop.max_record = 10;
    CHECK_FAILS(medvl_loop_map(&COPY, NULL, &loop, NULL, &err), MEDVL_EFORMAT,
                &err, ":2: longer than 10 bytes");
}

/* ---- batch ----------------------------------------------------------- */

struct sizes {
    int64_t calls, most;
};

static int batch_open(void **stage, const void *options_,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    (void)pool, (void)err;
    *stage = (void *)options_;
    return MEDVL_OK;
}

static int64_t window_of_three(void *stage)
{
    (void)stage;
    return 3;
}

static int backwards(void *stage, struct medvl_record *records, int64_t count,
                     struct medvl_out *out, struct medvl_error *err)
{
    struct sizes *sizes = stage;

    sizes->calls++;
    if (count > sizes->most)
        sizes->most = count;
    for (int64_t i = 0; i < count; i++) {
        int rc;

        if (medvl_record_has(&records[i], "bad")) {
            rc = medvl_record_set(&records[i], "bad", medvl_span("0"), err);
            if (rc == MEDVL_OK)
                rc = medvl_fail(err, MEDVL_EFORMAT, "is bad");
            rc = medvl_out_reject(out, &records[i], err);
        } else {
            rc = medvl_out_write(out, &records[i], err);
        }
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static int say_end(void *stage, struct medvl_out *out, struct medvl_error *err)
{
    (void)stage;
    return medvl_out_line(out, medvl_span("{\"end\":1}"), err);
}

static const struct medvl_batch BATCH = {
    .open = batch_open,
    .window = window_of_three,
    .records = backwards,
    .finish = say_end,
};

static void a_batch_gets_windows_and_keeps_order(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    struct sizes sizes = {0};

    (void)state;
    write_input(MIXED);
    loop.keep_going = true;
    loop.rejects = rejects_path;
    assert_int_equal(medvl_loop_batch(&BATCH, &sizes, &loop, &count, &err),
                     MEDVL_LOOP_INCOMPLETE);
    assert_string_equal(output(out_path),
                        "{\"id\":\"a\"}\n{\"id\":\"c\"}\n"
                        "{\"id\":\"d\",\"n\":0}\n{\"id\":\"e\"}\n"
                        "{\"end\":1}\n");
    assert_int_equal(count.rejected, 3);
    assert_non_null(strstr(output(rejects_path),
                           ":2\",\"record\":{\"id\":\"b\",\"bad\":1}}\n"));
    assert_in_range(sizes.most, 1, 3);
    loop.keep_going = false;
    loop.rejects = NULL;
    CHECK_FAILS(medvl_loop_batch(&BATCH, &sizes, &loop, &count, &err),
                MEDVL_EFORMAT, &err, ":2: b: is bad");
}

/* ---- a constructor that fails ----------------------------------------- */

/* What it has put out is freed, and it is not called. */
static int half_made(void **worker, void *stage, struct medvl_error *err)
{
    *worker = malloc(1);
    ++*(int *)stage;
    return medvl_fail(err, MEDVL_EIO, "half made");
}

static void half_free(void *worker)
{
    free(worker);
}

static void a_worker_that_was_half_made_is_freed(void **state)
{
    static const struct medvl_map map = {
        .worker = half_made, .record = copy, .worker_free = half_free};
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};
    int made = 0;

    (void)state;
    write_input("{\"id\":\"a\"}\n");
    CHECK_FAILS(medvl_loop_map(&map, &made, &loop, NULL, &err), MEDVL_EIO,
                &err, "half made");
    assert_in_range(made, 1, 64);
}

/* ---- sink ------------------------------------------------------------ */

static int take(void *stage, struct medvl_record *record,
                struct medvl_out *out, struct medvl_error *err)
{
    (void)stage;
    if (medvl_record_has(record, "fatal"))
        return medvl_fail(err, MEDVL_EIO, "disk");
    if (!medvl_record_has(record, "bad"))
        return medvl_out_write(out, record, err);
    medvl_fail(err, MEDVL_EFORMAT, "is bad");
    return medvl_out_reject(out, record, err);
}

static int add_window(void *stage, struct medvl_record *records,
                      int64_t count, struct medvl_out *out,
                      struct medvl_error *err)
{
    (void)records;
    (void)out;
    return medvl_text_printf((struct medvl_text *)stage, err, "%d ",
                             (int)count);
}

/* Lines of 24 MiB: three reach the limit; short ones come 64 at once. */
static void a_window_is_bounded_by_its_bytes(void **state)
{
    enum { LINE = 24 << 20 };
    static const struct medvl_batch COUNT = {.records = add_window};
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};
    struct medvl_text lines = {0}, counts = {0};

    (void)state;
    for (int i = 0; i < 70; i++) {
        const size_t end = lines.size + LINE;

        CHECK_OK(medvl_text_puts(&lines, "{\"a\":1", &err), &err);
        if (i < 4) {
            CHECK_OK(medvl_text_reserve(&lines, end, &err), &err);
            memset(lines.data + lines.size, ' ', end - lines.size);
            lines.size = end;
        }
        CHECK_OK(medvl_text_puts(&lines, "}\n", &err), &err);
    }
    write_input(lines.data);
    CHECK_OK(medvl_loop_batch(&COUNT, &counts, &loop, NULL, &err), &err);
    assert_string_equal(counts.data, "3 64 3 ");
    medvl_text_release(&lines);
    medvl_text_release(&counts);
}

static const struct medvl_sink SINK = {
    .record = take,
    .finish = say_end,
    .refuse_empty = true,
    .need_id = true,
};

static void a_sink_wants_every_id_once(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_loop_count count = {0};
    struct medvl_error err = {0};
    struct medvl_text lines = {0};

    (void)state;
    for (int i = 0; i < 5000; i++)
        CHECK_OK(medvl_text_printf(&lines, &err, "{\"id\":\"%d\"}\n", i),
                 &err);
    write_input(lines.data);
    CHECK_OK(medvl_loop_sink(&SINK, NULL, &loop, &count, &err), &err);
    CHECK_OK(medvl_text_puts(&lines, "{\"id\":\"\\u0037\"}\n{\"x\":1}\n",
                             &err),
             &err);
    write_input(lines.data);
    CHECK_FAILS(medvl_loop_sink(&SINK, NULL, &loop, &count, &err),
                MEDVL_EFORMAT, &err, ":5001: \\u0037: \"id\": an earlier");
    loop.keep_going = true;
    assert_int_equal(medvl_loop_sink(&SINK, NULL, &loop, &count, &err),
                     MEDVL_LOOP_INCOMPLETE);
    assert_int_equal(count.rejected, 2);
    assert_non_null(strstr(said.data, ":5002: \"id\": missing"));
    medvl_text_release(&lines);
}

static void a_sink_that_needs_records_refuses_none(void **state)
{
    struct medvl_loop_options loop = options();
    struct medvl_error err = {0};

    (void)state;
    write_input("");
    CHECK_FAILS(medvl_loop_sink(&SINK, NULL, &loop, NULL, &err),
                MEDVL_EFORMAT, &err, "no records");
    write_input("{\"id\":\"a\"}\n{\"id\":\"b\",\"fatal\":1}\n");
    loop.keep_going = true; /* a stage's own failure is not a record's */
    CHECK_FAILS(medvl_loop_sink(&SINK, NULL, &loop, NULL, &err), MEDVL_EIO,
                &err, ":2: b: disk");
    loop.parts = loop.part = 1;
    CHECK_FAILS(medvl_loop_sink(&SINK, NULL, &loop, NULL, &err), MEDVL_EARG,
                &err, "not a part");
}

static int count_record(void *arg, struct medvl_record *record,
                        struct medvl_error *err)
{
    int *count = arg;

    ++*count;
    return medvl_record_has(record, "bad")
               ? medvl_fail(err, MEDVL_EARG, "is bad")
               : MEDVL_OK;
}

static void records_are_read_outside_a_loop_too(void **state)
{
    struct medvl_error err = {0};
    int count = 0;

    (void)state;
    write_input(MIXED);
    CHECK_FAILS(medvl_loop_each(in_path, 0, count_record, &count, &err),
                MEDVL_EARG, &err, ":2: b: is bad");
    assert_int_equal(count, 2);
    CHECK_FAILS(medvl_loop_each("/no/such", 0, count_record, &count, &err),
                MEDVL_EIO, &err, "/no/such");
}

static int make_names(void **state)
{
    (void)state;
    in_path = check_temp("in.jsonl");
    out_path = check_temp("out.jsonl");
    rejects_path = check_temp("rejects.jsonl");
    return 0;
}

static int free_names(void **state)
{
    (void)state;
    medvl_text_release(&text);
    medvl_text_release(&said);
    medvl_free(in_path);
    medvl_free(out_path);
    medvl_free(rejects_path);
    return 0;
}

/* No file of the test before is left. */
static int clean(void **state)
{
    (void)state;
    return medvl_path_remove(out_path, NULL) |
           medvl_path_remove(rejects_path, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            a_map_keeps_order_whatever_the_number_of_threads, clean),
        cmocka_unit_test_setup(parts_put_together_are_the_whole, clean),
        cmocka_unit_test_setup(a_bad_record_stops_a_map_with_its_place,
                               clean),
        cmocka_unit_test_setup(what_is_set_aside_and_what_passes_add_up,
                               clean),
        cmocka_unit_test_setup(what_cannot_be_written_is_no_bad_record, clean),
        cmocka_unit_test_setup(records_and_rejects_are_kept_apart, clean),
        cmocka_unit_test_setup(a_failed_stream_fails_every_loop, clean),
        cmocka_unit_test_setup(an_empty_input_gives_an_empty_output, clean),
        cmocka_unit_test_setup(a_line_over_the_limit_is_refused, clean),
        cmocka_unit_test_setup(a_batch_gets_windows_and_keeps_order, clean),
        cmocka_unit_test_setup(a_worker_that_was_half_made_is_freed, clean),
        cmocka_unit_test_setup(a_sink_wants_every_id_once, clean),
        cmocka_unit_test_setup(a_window_is_bounded_by_its_bytes, clean),
        cmocka_unit_test_setup(a_sink_that_needs_records_refuses_none,
                               clean),
        cmocka_unit_test_setup(records_are_read_outside_a_loop_too, clean),
    };

    return cmocka_run_group_tests(tests, make_names, free_names);
}
