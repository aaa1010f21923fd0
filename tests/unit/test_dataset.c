/*
 * lib/train/dataset: what identifies data, and the weights of its records.
 * The loader's tests go through it too.
 */
#include "tests/unit/session.h"

#include "lib/data/shard_mds.h"
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

/* ---- shards ---------------------------------------------------------- */

enum { SHARD_RECORDS = 120 };

static void write_shards(const char *folder)
{
    const struct medvl_mds_options options = {.size_limit = 1000,
                                              .plain = true};
    const int32_t ids[] = {1, 2, 3};
    const uint8_t ones[] = {1, 1, 1};
    static const char none[4];
    struct medvl_text tokens = {0}, mask = {0};
    struct medvl_mds_writer *writer;
    struct medvl_error err = {0};

    CHECK_OK(medvl_mds_writer_open(&writer, folder, medvl_mds_record,
                                   MEDVL_MDS_FIELDS, &options, &err),
             &err);
    CHECK_OK(medvl_mds_array_write(&tokens, ids, 3, 4, &err), &err);
    CHECK_OK(medvl_mds_array_write(&mask, ones, 3, 1, &err), &err);
    for (int i = 0; i < SHARD_RECORDS; i++) {
        const struct medvl_span values[MEDVL_MDS_FIELDS] = {
            [MEDVL_MDS_IMAGES] = {none, sizeof(none)},
            [MEDVL_MDS_LOSS_MASK] = medvl_text_span(&mask),
            [MEDVL_MDS_RECORD] = medvl_span("{\"id\":\"a\"}"),
            [MEDVL_MDS_TOKENS] = medvl_text_span(&tokens)};

        CHECK_OK(medvl_mds_writer_put(writer, values, &err), &err);
    }
    CHECK_OK(medvl_mds_writer_close(writer, &err), &err);
    medvl_text_release(&tokens);
    medvl_text_release(&mask);
}

/* Say of the folder's first shard twice more, in front, that it is empty. */
static void add_empty_shards(const char *folder)
{
    struct medvl_text old = {0}, new = {0};
    struct medvl_error err = {0};
    char path[160], *from, *to, *samples;

    snprintf(path, sizeof(path), "%s/index.json", folder);
    CHECK_OK(medvl_file_read(&old, path, 1 << 20, &err), &err);
    from = strstr(old.data, "[{");
    assert_non_null(from);
    from++;
    for (int i = 0, depth = 0;; i++) {
        depth += (from[i] == '{') - (from[i] == '}');
        if (depth)
            continue;
        to = from + i + 1;
        break;
    }
    samples = strstr(from, "\"samples\":");
    assert_true(samples && samples < to);
    samples += strlen("\"samples\":");
    CHECK_OK(medvl_text_append(&new, old.data, (size_t)(from - old.data),
                               &err),
             &err);
    for (int i = 0; i < 2; i++)
        CHECK_OK(medvl_text_printf(&new, &err, "%.*s0%.*s,",
                                   (int)(samples - from), from,
                                   (int)(to - samples -
                                         (ptrdiff_t)strspn(samples,
                                                           " 0123456789")),
                                   samples + strspn(samples, " 0123456789")),
                 &err);
    CHECK_OK(medvl_text_puts(&new, from, &err), &err);
    CHECK_OK(medvl_file_write(path, new.data, new.size, &err), &err);
    medvl_text_release(&old);
    medvl_text_release(&new);
}

static int open_shards(struct scene *c, const char *folder)
{
    const char *const list[] = {folder};
    const struct medvl_dataset_options options = {.data = list,
                                                  .data_count = 1,
                                                  .limit = 100,
                                                  .vocab = 10,
                                                  .image_token = -1};

    return medvl_dataset_open(&data, &options, NULL, &c->err);
}

static void chunks_are_cut_where_shards_begin_though_some_are_empty(
    void **state)
{
    struct scene *c = *state;
    int32_t want[SHARD_RECORDS];
    int64_t full, count;
    char folder[128];

    snprintf(folder, sizeof(folder), "%s/shards", c->folder);
    write_shards(folder);
    CHECK_OK(open_shards(c, folder), &c->err);
    for (int i = 0; i < SHARD_RECORDS; i++)
        want[i] = medvl_dataset_entry(data, i)->chunk;
    assert_true(want[0] == 0 && want[SHARD_RECORDS - 1] > 1);
    medvl_dataset_chunks(&full, data);
    medvl_dataset_free(data);
    add_empty_shards(folder);
    CHECK_OK(open_shards(c, folder), &c->err);
    for (int i = 0; i < SHARD_RECORDS; i++)
        assert_int_equal(medvl_dataset_entry(data, i)->chunk, want[i]);
    medvl_dataset_chunks(&count, data);
    assert_int_equal(count, full);
    medvl_dataset_free(data);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_hash_is_of_contents_and_weights),
        TEST(balance_weighs_each_value_the_same),
        TEST(data_without_records_is_refused),
        TEST(chunks_are_cut_where_shards_begin_though_some_are_empty),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
