/*
 * lib/train/order through the loader: what an epoch in windows keeps of an
 * epoch over all, and how often it opens each shard.
 */
#include "tests/unit/check.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "lib/data/shard_mds.h"
#include "lib/train/loader.h"

enum { RECORDS = 400,
       PAD = 1000,        /* bytes in a record beside its number */
       SHARD = 10 * 1200, /* so about ten in a shard */
       SHARDS_MAX = 64,
       WINDOW = 5 * SHARD };

static char folder[64], shards[96], lines[96];
static struct medvl_loader *loader;
static int watch = -1;

/* A shard folder of RECORDS records named r0, r1, ... */
static void write_shards(void)
{
    const struct medvl_mds_options options = {.size_limit = SHARD};
    static const char none[4];
    struct medvl_error err = {0};
    struct medvl_mds_writer *writer;
    struct medvl_text tokens = {0}, mask = {0};
    const int32_t ids[] = {1, 2, 3};
    const uint8_t ones[] = {1, 1, 1};
    char pad[PAD + 1], record[PAD + 64];

    memset(pad, 'x', PAD);
    pad[PAD] = '\0';
    CHECK_OK(medvl_mds_writer_open(&writer, shards, medvl_mds_record,
                                   MEDVL_MDS_FIELDS, &options, &err),
             &err);
    CHECK_OK(medvl_mds_array_write(&tokens, ids, 3, 4, &err), &err);
    CHECK_OK(medvl_mds_array_write(&mask, ones, 3, 1, &err), &err);
    for (int i = 0; i < RECORDS; i++) {
        struct medvl_span values[MEDVL_MDS_FIELDS] = {
            [MEDVL_MDS_IMAGES] = {none, sizeof(none)},
            [MEDVL_MDS_LOSS_MASK] = medvl_text_span(&mask),
            [MEDVL_MDS_TOKENS] = medvl_text_span(&tokens)};

        snprintf(record, sizeof(record), "{\"id\":\"r%d\",\"pad\":\"%s\"}", i,
                 pad);
        values[MEDVL_MDS_RECORD] = medvl_span(record);
        CHECK_OK(medvl_mds_writer_put(writer, values, &err), &err);
    }
    CHECK_OK(medvl_mds_writer_close(writer, &err), &err);
    medvl_text_release(&tokens);
    medvl_text_release(&mask);
}

/* `count` lines named r0, r1, ... */
static void write_lines(int count)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};

    for (int i = 0; i < count; i++)
        CHECK_OK(medvl_text_printf(&text, &err,
                                   "{\"id\":\"r%d\",\"tokens\":[1,2,3]}\n", i),
                 &err);
    CHECK_OK(medvl_file_write(lines, text.data, text.size, &err), &err);
    medvl_text_release(&text);
}

static int setup(void **state)
{
    (void)state;
    loader = NULL;
    snprintf(folder, sizeof(folder), "/tmp/medvl-order-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(shards, sizeof(shards), "%s/shards", folder);
    snprintf(lines, sizeof(lines), "%s/lines.jsonl", folder);
    write_shards();
    watch = inotify_init1(IN_NONBLOCK);
    return watch < 0 || inotify_add_watch(watch, shards, IN_OPEN) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    medvl_loader_free(loader);
    close(watch);
    return medvl_path_remove(folder, NULL);
}

/* Add how often each shard was opened since the last call. */
static void add_openings(int *opened)
{
    char buffer[8192] __attribute__((aligned(8)));
    ssize_t size = read(watch, buffer, sizeof(buffer));

    while (size > 0) {
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const void *)at;
            int number = 0;

            assert_false(event->mask & IN_Q_OVERFLOW);
            if (sscanf(event->name, "shard.%d.", &number) == 1 &&
                number < SHARDS_MAX)
                opened[number]++;
            at += sizeof(*event) + event->len;
        }
        size = read(watch, buffer, sizeof(buffer));
    }
}

static const struct medvl_config CONFIG = {
    .decoder = {.vocab_size = 10},
    .image_token = -1,
    .video_token = -1,
};

static void start(const char *first, const char *second, size_t window)
{
    struct medvl_error err = {0};
    const char *const data[] = {first, second};
    struct medvl_loader_options options = {
        .data = {.data = data,
                 .data_count = second ? 2 : 1,
                 .config = &CONFIG,
                 .window = window},
        .seed = 7,
        .batch_tokens = 12,
        .accumulate = 2};

    medvl_loader_free(loader);
    loader = NULL;
    CHECK_OK(medvl_loader_open(&loader, &options, NULL, NULL, &err), &err);
}

struct sequence {
    int ids[4 * RECORDS];
    int count;
    int opened[SHARDS_MAX];
};

/* The records of an epoch from step `first` on. */
static void read_epoch(struct sequence *out, int64_t epoch, int64_t first)
{
    struct medvl_error err = {0};
    struct medvl_step step;
    int64_t steps;

    memset(out, 0, sizeof(*out));
    CHECK_OK(medvl_loader_steps(&steps, loader, epoch, &err), &err);
    add_openings(out->opened);
    memset(out->opened, 0, sizeof(out->opened));
    for (int64_t i = first; i < steps; i++) {
        CHECK_OK(medvl_loader_read(&step, loader, epoch, i, &err), &err);
        for (int64_t m = 0; m < step.micro_count; m++)
            for (int64_t s = 0; s < step.micro[m].sample_count; s++) {
                const char *id = step.micro[m].samples[s].id;

                assert_true(out->count < 4 * RECORDS);
                out->ids[out->count++] = (int)strtol(id + 1, NULL, 10);
            }
        add_openings(out->opened);
    }
}

/* Every record so often, and the most openings of one shard. */
static int check_epoch(const struct sequence *s, int low, int high)
{
    int times[RECORDS] = {0}, most = 0;

    for (int i = 0; i < s->count; i++)
        times[s->ids[i]]++;
    for (int i = 0; i < RECORDS; i++)
        assert_true(times[i] >= low && times[i] <= high);
    for (int i = 0; i < SHARDS_MAX; i++)
        most = s->opened[i] > most ? s->opened[i] : most;
    return most;
}

static void windows_unpack_each_shard_once_an_epoch(void **state)
{
    static struct sequence one, two, again;

    (void)state;
    start(shards, NULL, WINDOW);
    read_epoch(&one, 0, 0);
    assert_int_equal(one.count, RECORDS);
    assert_true(check_epoch(&one, 1, 1) == 1);
    read_epoch(&two, 1, 0);
    assert_true(check_epoch(&two, 1, 1) == 1);
    assert_memory_not_equal(one.ids, two.ids, sizeof(one.ids));
    read_epoch(&again, 0, 0);
    assert_memory_equal(one.ids, again.ids, sizeof(one.ids));
}

static void a_run_that_goes_on_reads_what_the_whole_one_did(void **state)
{
    static struct sequence whole, rest;
    const int64_t first = 21; /* of 50 steps, 8 records each */

    (void)state;
    start(shards, NULL, WINDOW);
    read_epoch(&whole, 3, 0);
    start(shards, NULL, WINDOW);
    read_epoch(&rest, 3, first);
    assert_int_equal(rest.count, RECORDS - 8 * first);
    assert_memory_equal(rest.ids, whole.ids + 8 * first,
                        (size_t)rest.count * sizeof(*rest.ids));
    for (int i = 0; i < SHARDS_MAX; i++)
        assert_true(rest.opened[i] <= 1);
}

static void a_window_mixes_shards_and_the_epoch_their_order(void **state)
{
    static struct sequence s;
    int near = 0, spread = 0;

    (void)state;
    start(shards, NULL, WINDOW);
    read_epoch(&s, 0, 0);
    /* Neighbours are of one shard about one time in five, not always. */
    for (int i = 1; i < RECORDS; i++)
        near += s.ids[i] / 10 == s.ids[i - 1] / 10;
    assert_true(near > RECORDS / 20 && near < RECORDS / 2);
    /* Its windows are no runs of the data. */
    for (int i = 1; i < 40; i++)
        spread += abs(s.ids[i] - s.ids[i - 1]) > 60;
    assert_true(spread > 5);
}

static void where_all_fits_shards_come_as_lines_do(void **state)
{
    static struct sequence packed, plain, large;

    (void)state;
    write_lines(RECORDS);
    start(lines, NULL, WINDOW);
    read_epoch(&plain, 2, 0);
    start(shards, NULL, 0);
    read_epoch(&packed, 2, 0);
    assert_memory_equal(packed.ids, plain.ids, sizeof(plain.ids));
    start(shards, NULL, 100 * SHARD);
    read_epoch(&large, 2, 0);
    assert_memory_equal(packed.ids, large.ids, sizeof(plain.ids));
    for (int i = 0; i < SHARDS_MAX; i++)
        assert_int_equal(large.opened[i], 0); /* kept since the opening */
}

static void weights_repeat_records_within_their_window(void **state)
{
    static struct sequence s;
    char weighted[128];

    (void)state;
    snprintf(weighted, sizeof(weighted), "%s=2.5", shards);
    start(weighted, NULL, WINDOW);
    read_epoch(&s, 0, 0);
    assert_true(check_epoch(&s, 2, 3) == 1);
    assert_true(s.count > 2.3 * RECORDS && s.count < 2.7 * RECORDS);
}

static void a_small_set_beside_a_large_one_is_spread_over_the_epoch(
    void **state)
{
    static struct sequence s;
    int part[4] = {0};
    char weighted[128];

    (void)state;
    write_lines(1);
    snprintf(weighted, sizeof(weighted), "%s=400", lines);
    start(shards, weighted, WINDOW);
    read_epoch(&s, 0, 0);
    assert_int_equal(s.count, 2 * RECORDS);
    for (int i = 0; i < s.count; i++)
        part[4 * i / s.count] += s.ids[i] == 0;
    for (int i = 0; i < 4; i++)
        assert_true(part[i] > 70 && part[i] < 130);
    for (int i = 0; i < SHARDS_MAX; i++)
        assert_true(s.opened[i] <= 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(windows_unpack_each_shard_once_an_epoch),
        TEST(a_run_that_goes_on_reads_what_the_whole_one_did),
        TEST(a_window_mixes_shards_and_the_epoch_their_order),
        TEST(where_all_fits_shards_come_as_lines_do),
        TEST(weights_repeat_records_within_their_window),
        TEST(a_small_set_beside_a_large_one_is_spread_over_the_epoch),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
