/*
 * lib/train/trainer as a C user calls it: a run that is stopped and goes on,
 * and one that runs out of memory.
 */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/train/trainer.h"

#define TINY "tests/golden/models/llava"

enum { EPOCHS = 4,
       STEPS = 8, /* two an epoch */
       STOP_AFTER = 3 };

struct run {
    char folder[64], data[96];
    volatile sig_atomic_t stop;
    int lines, stop_after; /* 0: never */
};

static int setup(void **state)
{
    static const char lines[] = "{\"id\":\"a\",\"tokens\":[1,2,3,4,5,6]}\n"
                                "{\"id\":\"b\",\"tokens\":[7,8,9,4,5,6]}\n"
                                "{\"id\":\"c\",\"tokens\":[9,9,3,2,1,6]}\n";
    struct run *r = calloc(1, sizeof(*r));
    struct medvl_error err = {0};

    assert_non_null(r);
    *state = r;
    snprintf(r->folder, sizeof(r->folder), "/tmp/medvl-trainer-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->data, sizeof(r->data), "%s/data.jsonl", r->folder);
    CHECK_OK(medvl_file_write(r->data, lines, sizeof(lines) - 1, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    struct run *r = *state;
    const int rc = medvl_path_remove(r->folder, NULL);

    free(r);
    return rc;
}

static int on_line(void *arg, struct medvl_span line, struct medvl_error *err)
{
    struct run *r = arg;

    (void)err;
    assert_int_equal(line.data[0], '{');
    if (++r->lines == r->stop_after)
        r->stop = 1;
    return MEDVL_OK;
}

/* Run into folder/NAME, or go on with it. */
static int train(struct run *r, const char *name, bool resume,
                 struct medvl_error *err)
{
    const char *const data[] = {r->data};
    struct medvl_train_options o;
    char output[96];

    snprintf(output, sizeof(output), "%s/%s", r->folder, name);
    medvl_train_options_init(&o);
    o.model = TINY;
    o.output = output;
    o.data = data;
    o.data_count = 1;
    o.train = "decoder";
    o.rate = 1e-2;
    o.dropout = 0.1;
    o.average = 0.9;
    o.batch_tokens = 12;
    o.epochs = EPOCHS;
    o.save_every = 100;
    o.log = on_line;
    o.arg = r;
    o.stop = &r->stop;
    r->stop = 0;
    r->lines = 0;
    return resume ? medvl_train_resume(output, &o, err)
                  : medvl_train(&o, err);
}

static void check_same(const struct run *r, const char *a, const char *b,
                       const char *name)
{
    struct medvl_text one = {0}, two = {0};
    struct medvl_error err = {0};
    char path[160];

    snprintf(path, sizeof(path), "%s/%s/%s", r->folder, a, name);
    CHECK_OK(medvl_file_read(&one, path, 1 << 24, &err), &err);
    snprintf(path, sizeof(path), "%s/%s/%s", r->folder, b, name);
    CHECK_OK(medvl_file_read(&two, path, 1 << 24, &err), &err);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    medvl_text_release(&one);
    medvl_text_release(&two);
}

static void a_run_that_is_stopped_saves_and_goes_on(void **state)
{
    struct medvl_error err = {0};
    struct run *r = *state;
    char path[128];

    CHECK_OK(train(r, "whole", false, &err), &err);
    assert_int_equal(r->lines, STEPS);
    r->stop_after = STOP_AFTER;
    assert_int_equal(train(r, "cut", false, &err), MEDVL_TRAIN_STOPPED);
    assert_int_equal(r->lines, STOP_AFTER);
    snprintf(path, sizeof(path), "%s/cut/step-000003/config.json", r->folder);
    assert_true(medvl_file_exists(path));
    snprintf(path, sizeof(path), "%s/cut/config.json", r->folder);
    assert_false(medvl_file_exists(path));

    r->stop_after = 0;
    assert_int_equal(train(r, "cut", true, &err), MEDVL_OK);
    assert_int_equal(r->lines, STEPS - STOP_AFTER);
    check_same(r, "whole", "cut", "model.safetensors");
    check_same(r, "whole", "cut", "latest/trainer.safetensors");
}

static void a_request_to_stop_in_the_last_step_is_a_run_that_is_done(
    void **state)
{
    struct medvl_error err = {0};
    struct run *r = *state;

    r->stop_after = STEPS;
    assert_int_equal(train(r, "run", false, &err), MEDVL_OK);
}

/* More and more apart, for a run has thousands. */
static void no_allocation_that_fails_is_lost(void **state)
{
    struct run *r = *state;
    bool hit = true;

    for (long n = 0; hit; n += 1 + n / 100) {
        struct medvl_error err = {0};
        char path[96];
        int rc;

        medvl_mem_fail_after(n);
        rc = train(r, "run", false, &err);
        hit = medvl_mem_failed();
        medvl_mem_fail_after(-1);
        if (hit && rc != MEDVL_ENOMEM)
            fail_msg("allocation %ld failed and gave %d: %s", n, rc, err.text);
        if (!hit)
            CHECK_OK(rc, &err);
        snprintf(path, sizeof(path), "%s/run", r->folder);
        CHECK_OK(medvl_path_remove(path, &err), &err);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_is_stopped_saves_and_goes_on),
        TEST(a_request_to_stop_in_the_last_step_is_a_run_that_is_done),
        TEST(no_allocation_that_fails_is_lost),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
