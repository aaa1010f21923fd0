/*
 * lib/train/dataset and lib/train/loader over JSON Lines.
 */
#include "tests/unit/check.h"

#include <limits.h>
#include <unistd.h>

#include "lib/train/loader.h"

#define MODEL "tests/golden/models/llava"

static char folder[64], path[96];
static struct medvl_loader *loader;

static int setup(void **state)
{
    (void)state;
    loader = NULL;
    snprintf(folder, sizeof(folder), "/tmp/medvl-loader-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/data.jsonl", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    medvl_loader_free(loader);
    return medvl_path_remove(folder, NULL);
}

static void put(const char *lines)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_write(path, lines, strlen(lines), &err), &err);
}

/* `count` records; number i has i % 7 + 2 tokens, all i. */
static void put_records(int count)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};

    for (int i = 0; i < count; i++) {
        CHECK_OK(medvl_text_printf(&text, &err,
                                   "{\"id\":\"r%d\",\"tokens\":[", i),
                 &err);
        for (int k = 0; k < i % 7 + 2; k++)
            CHECK_OK(medvl_text_printf(&text, &err, "%s%d", k ? "," : "", i),
                     &err);
        CHECK_OK(medvl_text_puts(&text, "]}\n", &err), &err);
    }
    CHECK_OK(medvl_file_write(path, text.data, text.size, &err), &err);
    medvl_text_release(&text);
}

static const struct medvl_config CONFIG = {
    .decoder = {.vocab_size = 1000},
    .image_token = -1,
    .video_token = -1,
};

static struct medvl_loader_options plain(const char *const *data)
{
    return (struct medvl_loader_options){
        .data = {.data = data,
                 .data_count = 1,
                 .config = &CONFIG},
        .seed = 1,
        .batch_tokens = 20,
        .accumulate = 2};
}

static void start(const struct medvl_loader_options *options)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_loader_open(&loader, options, NULL, NULL, &err), &err);
}

/* How often each of `count` records stands in the epoch; order is a hash
 * of the sequence of ids. */
static uint64_t count_epoch(int *times, int count, int64_t epoch)
{
    struct medvl_error err = {0};
    struct medvl_step step;
    uint64_t order = 0;
    int64_t steps;

    memset(times, 0, (size_t)count * sizeof(*times));
    CHECK_OK(medvl_loader_steps(&steps, loader, epoch, &err), &err);
    for (int64_t i = 0; i < steps; i++) {
        CHECK_OK(medvl_loader_read(&step, loader, epoch, i, &err), &err);
        assert_true(step.micro_count >= 1 && step.micro_count <= 2);
        for (int64_t m = 0; m < step.micro_count; m++) {
            const struct medvl_microbatch *micro = &step.micro[m];

            assert_true(micro->batch.tokens.tokens <= 20);
            for (int64_t s = 0; s < micro->sample_count; s++) {
                const int id = (int)strtol(micro->samples[s].id + 1, NULL, 10);

                assert_true(id >= 0 && id < count);
                times[id]++;
                order = order * 31 + (uint64_t)id;
            }
        }
    }
    return order;
}

static void an_epoch_holds_every_record_once_in_an_order_of_its_own(
    void **state)
{
    const char *const data[] = {path};
    const struct medvl_loader_options options = plain(data);
    uint64_t first, second, again;
    int times[53];

    (void)state;
    put_records(53);
    start(&options);
    first = count_epoch(times, 53, 0);
    for (int i = 0; i < 53; i++)
        assert_int_equal(times[i], 1);
    second = count_epoch(times, 53, 1);
    again = count_epoch(times, 53, 0);
    assert_true(first == again);
    /* As it was when runs that are kept were made. */
    assert_true(first == 15790276228390765204u);
    assert_true(second == 8865206303658213526u);
}

static void a_weight_repeats_records_and_draws_the_fraction(void **state)
{
    char weighted[128];
    const char *const data[] = {weighted};
    const struct medvl_loader_options options = plain(data);
    int times[200], third = 0;

    (void)state;
    put_records(200);
    snprintf(weighted, sizeof(weighted), "%s=2.5", path);
    start(&options);
    count_epoch(times, 200, 0);
    for (int i = 0; i < 200; i++) {
        assert_true(times[i] == 2 || times[i] == 3);
        third += times[i] == 3;
    }
    assert_true(third > 70 && third < 130);
}

static void a_target_is_the_next_token_where_the_mask_says_so(void **state)
{
    const char *const data[] = {path};
    struct medvl_loader_options options = plain(data);
    static const int32_t WANT[] = {-1, 7, 8, -1};
    struct medvl_error err = {0};
    struct medvl_step step;

    (void)state;
    put("{\"id\":\"a\",\"tokens\":[5,6,7,8],\"loss_mask\":[1,0,1,1]}\n"
        "{\"id\":\"b\",\"tokens\":[5,6],\"loss_mask\":[0,1]}\n");
    options.in_order = true;
    start(&options);
    CHECK_OK(medvl_loader_read(&step, loader, 0, 0, &err), &err);
    assert_int_equal(step.micro_count, 1);
    assert_int_equal(step.tokens, 6);
    CHECK_CLOSE(step.weight, 3, 0);
    /* b's target stands at its first token; its last has none. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(step.micro[0].target[i], WANT[i]);
    assert_int_equal(step.micro[0].target[4], 6);
    assert_int_equal(step.micro[0].target[5], -1);
    assert_int_equal(step.micro[0].batch.tokens.cu[1], 4);
    assert_int_equal(step.micro[0].batch.tokens.positions[4], 0);
}

static void balance_gives_each_value_the_same_weight_in_all(void **state)
{
    const char *const data[] = {path};
    struct medvl_loader_options options = plain(data);
    struct medvl_dataset *set;

    (void)state;
    put("{\"id\":\"a\",\"k\":\"x\",\"tokens\":[1,2]}\n"
        "{\"id\":\"b\",\"k\":\"x\",\"tokens\":[1,2]}\n"
        "{\"id\":\"c\",\"k\":\"x\",\"tokens\":[1,2]}\n"
        "{\"id\":\"d\",\"k\":\"y\",\"tokens\":[1,2]}\n");
    options.data.balance = "k";
    start(&options);
    set = medvl_loader_data(loader);
    for (int i = 0; i < 3; i++)
        CHECK_CLOSE(medvl_dataset_entry(set, i)->weight, 4.0 / 6, 1e-6);
    CHECK_CLOSE(medvl_dataset_entry(set, 3)->weight, 2, 1e-6);
}

static void what_cannot_be_learned_is_named(void **state)
{
    const char *const data[] = {path};
    struct medvl_loader_options options = plain(data);
    struct medvl_error err = {0};

    (void)state;
    put("{\"id\":\"a\",\"tokens\":[1,2]}\n"
        "{\"id\":\"b\",\"tokens\":[1,1000]}\n");
    CHECK_FAILS(medvl_loader_open(&loader, &options, NULL, NULL, &err),
                MEDVL_EFORMAT, &err, "record 2 \"b\": token 1000");
    put("{\"id\":\"a\",\"tokens\":[1,2,3]}\n");
    options.batch_tokens = 2;
    CHECK_FAILS(medvl_loader_open(&loader, &options, NULL, NULL, &err),
                MEDVL_EARG, &err, "limit of 2");
    put("");
    CHECK_FAILS(medvl_loader_open(&loader, &options, NULL, NULL, &err),
                MEDVL_EARG, &err, "no records");
    put("{\"id\":\"a\",\"tokens\":[1,2],\"loss_mask\":[1]}\n");
    CHECK_FAILS(medvl_loader_open(&loader, &options, NULL, NULL, &err),
                MEDVL_EFORMAT, &err, "loss_mask");
    put("{\"id\":\"a\",\"tokens\":[1,2],\"images\":[{\"path\":\"x.png\"}]}\n");
    CHECK_FAILS(medvl_loader_open(&loader, &options, NULL, NULL, &err),
                MEDVL_EARG, &err, "reads no pictures");
}

/* Token 60 stands for a picture. */
static void a_picture_of_another_size_than_its_record_says_is_named(
    void **state)
{
    static const struct {
        int width, height;
    } SAID[] = {{20, 10}, {8, 20}, {4000, 4000}, {1, 1}};
    const char *const data[] = {path};
    struct medvl_loader_options options = plain(data);
    struct medvl_frontend *frontend;
    struct medvl_config config = {0};
    struct medvl_error err = {0};
    struct medvl_picture picture = {.width = 8,
                                    .height = 10,
                                    .channels = 1,
                                    .depth = 8};
    struct medvl_step step;
    uint8_t pixels[80] = {0};
    char image[96], line[300], want[64];

    (void)state;
    picture.data = pixels;
    snprintf(image, sizeof(image), "%s/p.png", folder);
    CHECK_OK(medvl_picture_write(&picture, image, NULL, &err), &err);
    CHECK_OK(medvl_config_read(&config, MODEL, &err), &err);
    CHECK_OK(medvl_frontend_open(&frontend, MODEL, &config, &err), &err);
    options.data.config = &config;
    options.batch_tokens = 100;
    for (size_t i = 0; i < sizeof(SAID) / sizeof(SAID[0]); i++) {
        snprintf(line, sizeof(line),
                 "{\"id\":\"a\",\"tokens\":[1,2]}\n"
                 "{\"id\":\"b\",\"tokens\":[1,60,2],\"images\":[{"
                 "\"path\":\"%s\",\"width\":%d,\"height\":%d}]}\n",
                 image, SAID[i].width, SAID[i].height);
        put(line);
        CHECK_OK(medvl_loader_open(&loader, &options, frontend, NULL, &err),
                 &err);
        snprintf(want, sizeof(want), "8 x 10, the record says %d x %d",
                 SAID[i].width, SAID[i].height);
        CHECK_FAILS(medvl_loader_read(&step, loader, 0, 0, &err),
                    MEDVL_EFORMAT, &err, want);
        assert_non_null(strstr(err.text, "record 2 \"b\": picture 1"));
        medvl_loader_free(loader);
        loader = NULL;
    }
    medvl_frontend_free(frontend);
    medvl_config_release(&config);
}

#define QWEN "tests/golden/models/qwen2_vl"

/* The rows of the files, one after another, from `rows` on. */
static const float *check_rows(const struct medvl_frontend *frontend,
                               const float *rows, int64_t *patches,
                               const char *const *files, int count)
{
    struct medvl_error err = {0};

    *patches = 0;
    for (int i = 0; i < count; i++) {
        struct medvl_picture picture = {0};
        struct medvl_frontend_size size;
        size_t items;
        float *want;

        CHECK_OK(medvl_picture_read(&picture, files[i], 1 << 20, &err), &err);
        CHECK_OK(medvl_frontend_size(&size, frontend, picture.width,
                                     picture.height, &err),
                 &err);
        items = (size_t)(size.patches * size.row);
        want = calloc(items, sizeof(*want));
        assert_non_null(want);
        CHECK_OK(medvl_frontend_rows(want, frontend, &picture, &err), &err);
        assert_memory_equal(rows, want, items * sizeof(*want));
        rows += items;
        *patches += size.patches;
        free(want);
        medvl_picture_release(&picture);
    }
    return rows;
}

/* Of one record two, of the next one: each of another size. */
static void pictures_of_every_size_have_rows_of_their_own(void **state)
{
    static const char *const FILES[] = {QWEN "/p0.png", QWEN "/p2.png",
                                        QWEN "/p1.png"};
    const char *const data[] = {path};
    struct medvl_loader_options options = plain(data);
    struct medvl_frontend *frontend;
    struct medvl_config config = {0};
    struct medvl_error err = {0};
    const struct medvl_microbatch *micro;
    const float *rows;
    struct medvl_step step;
    int64_t patches;
    char cwd[PATH_MAX], line[4 * PATH_MAX];

    (void)state;
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(line, sizeof(line),
             "{\"id\":\"a\",\"tokens\":[1,90,90],\"images\":[{\"path\":"
             "\"%s/%s\"},{\"path\":\"%s/%s\"}]}\n"
             "{\"id\":\"b\",\"tokens\":[1,90,2],\"images\":[{\"path\":"
             "\"%s/%s\"}]}\n",
             cwd, FILES[0], cwd, FILES[1], cwd, FILES[2]);
    put(line);
    CHECK_OK(medvl_config_read(&config, QWEN, &err), &err);
    CHECK_OK(medvl_frontend_open(&frontend, QWEN, &config, &err), &err);
    options.data.config = &config;
    options.batch_tokens = 1000;
    options.in_order = true;
    CHECK_OK(medvl_loader_open(&loader, &options, frontend, NULL, &err),
             &err);
    CHECK_OK(medvl_loader_read(&step, loader, 0, 0, &err), &err);
    assert_int_equal(step.micro_count, 1);
    micro = &step.micro[0];
    assert_int_equal(micro->sample_count, 2);
    assert_int_equal(micro->batch.pictures.count, 3);
    rows = check_rows(frontend, micro->batch.pictures.rows.data, &patches,
                      FILES, 2);
    assert_int_equal(micro->samples[0].first_patch, 0);
    assert_int_equal(micro->samples[0].patch_count, patches);
    assert_int_equal(micro->samples[1].first_patch, patches);
    check_rows(frontend, rows, &patches, FILES + 2, 1);
    assert_int_equal(micro->samples[1].patch_count, patches);
    medvl_frontend_free(frontend);
    medvl_config_release(&config);
}

static void the_hash_follows_the_content_alone(void **state)
{
    const char *const data[] = {path};
    const struct medvl_loader_options options = plain(data);
    char before[33];

    (void)state;
    put_records(5);
    start(&options);
    memcpy(before, medvl_dataset_hash(medvl_loader_data(loader)), 33);
    medvl_loader_free(loader);
    put_records(6);
    start(&options);
    assert_string_not_equal(before,
                            medvl_dataset_hash(medvl_loader_data(loader)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_epoch_holds_every_record_once_in_an_order_of_its_own),
        TEST(a_weight_repeats_records_and_draws_the_fraction),
        TEST(a_target_is_the_next_token_where_the_mask_says_so),
        TEST(balance_gives_each_value_the_same_weight_in_all),
        TEST(what_cannot_be_learned_is_named),
        TEST(a_picture_of_another_size_than_its_record_says_is_named),
        TEST(pictures_of_every_size_have_rows_of_their_own),
        TEST(the_hash_follows_the_content_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
