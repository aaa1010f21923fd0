/*
 * lib/train/dataset: what identifies data, and the weights of its records.
 * The loader's tests go through it too.
 */
#include "tests/unit/session.h"

#include "lib/train/dataset.h"

static struct medvl_dataset *data;

static int open_data(struct scene *c, const char *weight,
                     const char *balance)
{
    char path[128];
    const char *const list[] = {path};
    const struct medvl_dataset_options options = {.data = list,
                                                  .data_count = 1,
                                                  .limit = 100,
                                                  .vocab = 10,
                                                  .image_token = -1,
                                                  .balance = balance};

    snprintf(path, sizeof(path), "%s%s", c->data, weight);
    return medvl_dataset_open(&data, &options, NULL, &c->err);
}

static void the_hash_is_of_contents_and_weights(void **state)
{
    static const char other[] = "{\"id\":\"a\",\"tokens\":[1,2]}\n";
    struct scene *c = *state;
    char hash[3][33];

    for (int i = 0; i < 3; i++) {
        CHECK_OK(open_data(c, i == 1 ? "=2" : "", NULL), &c->err);
        memcpy(hash[i], medvl_dataset_hash(data), sizeof(hash[i]));
        medvl_dataset_free(data);
    }
    assert_string_equal(hash[0], hash[2]);
    assert_string_not_equal(hash[0], hash[1]);
    CHECK_OK(medvl_file_write(c->data, other, sizeof(other) - 1, &c->err),
             &c->err);
    CHECK_OK(open_data(c, "", NULL), &c->err);
    assert_string_not_equal(hash[0], medvl_dataset_hash(data));
    medvl_dataset_free(data);
}

static void balance_weighs_each_value_the_same(void **state)
{
    static const double want[] = {0.75, 1.5, 0.75}; /* kinds 1, 2, 1 */
    struct scene *c = *state;

    CHECK_OK(open_data(c, "", "kind"), &c->err);
    for (int i = 0; i < 3; i++)
        CHECK_CLOSE(medvl_dataset_entry(data, i)->weight, want[i], 1e-6);
    medvl_dataset_free(data);
    CHECK_FAILS(open_data(c, "", "colour"), MEDVL_EFORMAT, &c->err,
                "\"colour\": missing");
}

static void data_without_records_is_refused(void **state)
{
    struct scene *c = *state;

    CHECK_OK(medvl_file_write(c->data, "", 0, &c->err), &c->err);
    CHECK_FAILS(open_data(c, "", NULL), MEDVL_EARG, &c->err, "no records");
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_hash_is_of_contents_and_weights),
        TEST(balance_weighs_each_value_the_same),
        TEST(data_without_records_is_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
