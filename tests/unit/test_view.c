/*
 * Views of checkpoints and tokenizers; packed batches are tested through
 * the command (tests/cli/inspect.bats).
 */
#include "tests/unit/check.h"

#include "lib/run/view.h"

#define MODEL     "tests/golden/models/llama"
#define TOKENIZER "tests/golden/tokenizer/gpt2.json"

static int count_lines(void *arg, struct medvl_span json,
                       struct medvl_error *err)
{
    (void)err;
    assert_true(json.size > 2 && json.data[0] == '{');
    ++*(int *)arg;
    return MEDVL_OK;
}

static int refuse_second(void *arg, struct medvl_span json,
                         struct medvl_error *err)
{
    (void)json;
    return ++*(int *)arg < 2 ? MEDVL_OK
                             : medvl_fail(err, MEDVL_EIO, "the disk is full");
}

static void what_a_path_is_follows_from_its_name_and_content(void **state)
{
    (void)state;
    assert_true(medvl_view_is_tensors(MODEL));
    assert_true(medvl_view_is_tensors(MODEL "/model.safetensors"));
    assert_false(medvl_view_is_tensors(MODEL "/config.json"));
    assert_false(medvl_view_is_tensors("tests/golden"));
    assert_true(medvl_view_is_tokenizer("folder/tokenizer.json"));
    assert_false(medvl_view_is_tokenizer(MODEL));
}

static void a_reader_that_fails_ends_the_view(void **state)
{
    struct medvl_error err = {0};
    int lines = 0;

    (void)state;
    CHECK_FAILS(medvl_view_tensors(MODEL, false, refuse_second, &lines, &err),
                MEDVL_EIO, &err, "the disk is full");
    assert_int_equal(lines, 2);
}

static int view_all(void *arg, struct medvl_error *err)
{
    int lines = 0;
    int rc = medvl_view_tensors(MODEL, true, count_lines, &lines, err);

    (void)arg;
    if (rc == MEDVL_OK)
        assert_int_equal(lines, 21); /* 2 layers of 9, and 3 more */
    if (rc == MEDVL_OK)
        rc = medvl_view_tokenizer(TOKENIZER, count_lines, &lines, err);
    return rc;
}

static void a_view_is_whole_or_there_is_no_memory(void **state)
{
    (void)state;
    check_no_memory(view_all, NULL, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_path_is_follows_from_its_name_and_content),
        cmocka_unit_test(a_reader_that_fails_ends_the_view),
        cmocka_unit_test(a_view_is_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
