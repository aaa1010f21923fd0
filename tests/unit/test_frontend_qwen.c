/*
 * Qwen2-VL's image side: the sizes of reference vectors, and of thirty odd
 * pictures the tensors of Qwen2VLImageProcessor, made by
 * tests/golden/models_qwen_vl.py.
 */
#include "tests/unit/check.h"

#include "lib/base/hash.h"
#include "lib/model/frontend.h"

#define VISION                                                       \
    "{\"model_type\":\"qwen2_vl\",\"vocab_size\":96,"                \
    "\"hidden_size\":16,\"num_attention_heads\":1,"                  \
    "\"num_key_value_heads\":1,\"num_hidden_layers\":1,"             \
    "\"rope_scaling\":{\"type\":\"mrope\","                          \
    "\"mrope_section\":[2,3,3]},\"image_token_id\":90,"              \
    "\"vision_config\":{\"depth\":1,\"embed_dim\":16,\"num_heads\":" \
    "2,\"hidden_size\":16}}"

static struct medvl_config config; /* a frontend borrows it */

static int read_config(void **state)
{
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_config_parse(
                 &config, (struct medvl_span){VISION, strlen(VISION)}, &err),
             &err);
    return 0;
}

static int release_config(void **state)
{
    (void)state;
    medvl_config_release(&config);
    return 0;
}

static int open_as(struct medvl_frontend **out, const char *json,
                   struct medvl_error *err)
{
    char *folder = check_temp("frontend_qwen"), *path = NULL;
    int rc;

    CHECK_OK(medvl_folder_make(folder, err), err);
    CHECK_OK(medvl_path_join(&path, folder, "preprocessor_config.json", err),
             err);
    CHECK_OK(medvl_file_write(path, json, strlen(json), err), err);
    rc = medvl_frontend_open(out, folder, &config, err);
    CHECK_OK(medvl_path_remove(folder, NULL), err);
    medvl_free(path);
    medvl_free(folder);
    return rc;
}

static struct medvl_frontend *open_between(int64_t least, int64_t most)
{
    struct medvl_frontend *f;
    struct medvl_error err = {0};
    char json[200];

    snprintf(json, sizeof(json),
             "{\"image_processor_type\":\"Qwen2VLImageProcessor\","
             "\"min_pixels\":%lld,\"max_pixels\":%lld}",
             (long long)least, (long long)most);
    CHECK_OK(open_as(&f, json, &err), &err);
    return f;
}

static void sides_become_multiples_of_28(void **state)
{
    static const struct {
        int64_t height, width, most, down, across, tokens;
    } CASES[] = {
        {1000, 600, 16384 * 784, 1008, 588, 756},
        {1000, 600, 401408, 812, 476, 493},
        {512, 512, 16384 * 784, 504, 504, 324},
        {512, 512, 401408, 504, 504, 324},
        {20, 30, 16384 * 784, 56, 84, 6},
        {20, 30, 401408, 56, 84, 6},
        {42, 70, 16384 * 784, 56, 56, 4}, /* 1.5 and 2.5 to even */
        {42, 70, 401408, 56, 56, 4},
        {2500, 3056, 16384 * 784, 2492, 3052, 9701},
        {2500, 3056, 401408, 560, 700, 500},
        {5000, 4000, 16384 * 784, 4004, 3192, 16302},
        {5000, 4000, 401408, 700, 560, 500},
        {28, 5600, 7840, 28, 1232, 44}, /* no side below a merged patch */
        {5600, 28, 7840, 1232, 28, 44},
    };
    struct medvl_frontend_size size;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_frontend *f = open_between(4 * 784, CASES[i].most);

        CHECK_OK(medvl_frontend_size(&size, f, CASES[i].width,
                                     CASES[i].height, &err),
                 &err);
        assert_int_equal(size.grid.rows * 14, CASES[i].down);
        assert_int_equal(size.grid.columns * 14, CASES[i].across);
        assert_int_equal(size.tokens, CASES[i].tokens);
        assert_int_equal(size.patches, 4 * CASES[i].tokens);
        assert_int_equal(size.row, 1176);
        assert_int_equal(size.grid.width, CASES[i].width);
        assert_int_equal(size.grid.height, CASES[i].height);
        medvl_frontend_free(f);
    }
}

/* ---- the processor's tensors ----------------------------------------- */

/* As pattern() of models_qwen_vl.py. */
static uint8_t *make_pattern(uint32_t width, uint32_t height)
{
    uint8_t *data = malloc(3 * (size_t)width * height), *out = data;

    assert_non_null(data);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++) {
                uint32_t noise = x * 73856093u ^ y * 19349663u ^
                                 c * 83492791u;

                noise = (noise * 2654435761u >> 25) & 127;
                *out++ = (uint8_t)(noise + (x + 2 * y + 40 * c) % 128);
            }
    return data;
}

/* The sample whose value this is, within 1e-6. */
static uint8_t find_sample(float value, const float table[256])
{
    int v = (int)lroundf((value - table[0]) / (table[255] - table[0]) * 255);

    assert_true(v >= 0 && v < 256);
    CHECK_CLOSE(value, table[v], 1e-6);
    return (uint8_t)v;
}

static void check_rows(const struct medvl_frontend *f, int64_t width,
                       int64_t height, uint32_t want,
                       const struct medvl_frontend_size *size,
                       const float table[3][256])
{
    uint8_t *data = make_pattern((uint32_t)width, (uint32_t)height);
    const struct medvl_picture picture = {width, height, 3, 8, data};
    const size_t count = (size_t)(size->patches * size->row);
    float *rows = malloc(count * sizeof(*rows));
    uint8_t *samples = malloc(count);
    struct medvl_error err = {0};

    assert_true(rows && samples);
    CHECK_OK(medvl_frontend_rows(rows, f, &picture, &err), &err);
    for (size_t i = 0; i < count; i++)
        samples[i] = find_sample(rows[i], table[i / 392 % 3]);
    if (medvl_crc32(0, samples, count) != want)
        fail_msg("%lldx%lld: other samples than the processor's",
                 (long long)width, (long long)height);
    free(samples);
    free(rows);
    free(data);
}

static void thirty_odd_sizes_are_as_the_processor_makes_them(void **state)
{
    FILE *fp = fopen("tests/golden/qwen_vl.txt", "r");
    long long w, h, least, most, down, across;
    struct medvl_frontend_size size;
    struct medvl_error err = {0};
    float table[3][256];
    unsigned crc;
    int lines = 0;

    (void)state;
    assert_non_null(fp);
    for (int i = 0; i < 3 * 256; i++)
        assert_int_equal(fscanf(fp, "%f", &table[i / 256][i % 256]), 1);
    while (fscanf(fp, "%lld %lld %lld %lld %lld %lld %u", &w, &h, &least,
                  &most, &down, &across, &crc) == 7) {
        struct medvl_frontend *f = open_between(least, most);

        CHECK_OK(medvl_frontend_size(&size, f, w, h, &err), &err);
        assert_int_equal(size.grid.rows, down);
        assert_int_equal(size.grid.columns, across);
        check_rows(f, w, h, crc, &size, table);
        medvl_frontend_free(f);
        lines++;
    }
    assert_true(feof(fp));
    fclose(fp);
    assert_int_equal(lines, 32);
}

static void grey_is_as_three_equal_channels(void **state)
{
    struct medvl_frontend *f = open_between(3136, 3136);
    uint8_t one[61 * 47], three[61 * 47][3];
    const struct medvl_picture grey = {61, 47, 1, 8, one};
    const struct medvl_picture color = {61, 47, 3, 8, three};
    static float got[16 * 1176], want[16 * 1176];
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 61 * 47; i++) {
        one[i] = (uint8_t)(i * 31);
        memset(three[i], one[i], 3);
    }
    CHECK_OK(medvl_frontend_rows(got, f, &grey, &err), &err);
    CHECK_OK(medvl_frontend_rows(want, f, &color, &err), &err);
    assert_memory_equal(got, want, sizeof(got));
    medvl_frontend_free(f);
}

static void centres_stand_in_the_order_of_the_rows(void **state)
{
    struct medvl_frontend *f = open_between(784, 56 * 28);
    float at[8][2];
    struct medvl_error err = {0};

    (void)state;
    /* 112 x 56 becomes 56 x 28: 2 x 4 patches of 28 stored pixels. */
    CHECK_OK(medvl_frontend_centres(at[0], f, 112, 56, &err), &err);
    for (int i = 0; i < 8; i++) {
        CHECK_CLOSE(at[i][0], 14 + 28 * (i / 4 * 2 + i % 2), 1e-5);
        CHECK_CLOSE(at[i][1], 14 + 28 * (i / 2 % 2), 1e-5);
    }
    medvl_frontend_free(f);
}

/* ---- the file -------------------------------------------------------- */

static void limits_are_read_under_all_their_names(void **state)
{
    static const char *const FILES[] = {
        "{\"min_pixels\":3136,\"max_pixels\":401408,"
        "\"size\":{\"shortest_edge\":1,\"longest_edge\":2}}",
        "{\"size\":{\"shortest_edge\":3136,\"longest_edge\":401408}}",
        "{\"size\":{\"min_pixels\":3136,\"max_pixels\":401408}}",
        "{\"min_pixels\":null,\"max_pixels\":null,\"patch_size\":14,"
        "\"size\":{\"shortest_edge\":3136,\"longest_edge\":401408},"
        "\"image_processor_type\":\"Qwen2VLImageProcessorFast\"}",
    };
    struct medvl_frontend_size size;
    struct medvl_frontend *f;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES); i++) {
        CHECK_OK(open_as(&f, FILES[i], &err), &err);
        CHECK_OK(medvl_frontend_size(&size, f, 600, 1000, &err), &err);
        assert_int_equal(size.tokens, 493);
        medvl_frontend_free(f);
    }
    /* Without any: 1280 merged patches at most, 4 at least. */
    CHECK_OK(open_as(&f, "{}", &err), &err);
    CHECK_OK(medvl_frontend_size(&size, f, 4000, 4000, &err), &err);
    assert_int_equal(size.tokens, 35 * 35);
    CHECK_OK(medvl_frontend_size(&size, f, 1, 1, &err), &err);
    assert_int_equal(size.tokens, 4);
    medvl_frontend_free(f);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *json;
        int code;
        const char *says;
    } CASES[] = {
        {"{\"patch_size\":16}", MEDVL_EFORMAT, "patch_size"},
        {"{\"merge_size\":1}", MEDVL_EFORMAT, "merge_size"},
        {"{\"temporal_patch_size\":1}", MEDVL_EFORMAT, "temporal"},
        {"{\"min_pixels\":0}", MEDVL_EFORMAT, "min_pixels"},
        {"{\"max_pixels\":1e30}", MEDVL_EFORMAT, "max_pixels"},
        {"{\"min_pixels\":9,\"max_pixels\":8}", MEDVL_EFORMAT, "below"},
        {"{\"resample\":0}", MEDVL_EUNSUPPORTED, "resample"},
        {"{\"image_processor_type\":\"CLIPImageProcessor\"}",
         MEDVL_EFORMAT, "CLIPImageProcessor"},
    };
    struct medvl_frontend *f = NULL;
    struct medvl_frontend_size size;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        CHECK_FAILS(open_as(&f, CASES[i].json, &err), CASES[i].code, &err,
                    CASES[i].says);
        assert_null(f);
    }
    f = open_between(3136, 401408);
    CHECK_OK(medvl_frontend_size(&size, f, 5, 1000, &err), &err);
    CHECK_FAILS(medvl_frontend_size(&size, f, 5, 1001, &err), MEDVL_EARG,
                &err, "thin");
    medvl_frontend_free(f);
    f = open_between((int64_t)1 << 31, (int64_t)1 << 31);
    CHECK_FAILS(medvl_frontend_size(&size, f, 9, 9, &err), MEDVL_EARG, &err,
                "multiples");
    medvl_frontend_free(f);
    CHECK_OK(open_as(&f, "{\"do_resize\":false}", &err), &err);
    CHECK_OK(medvl_frontend_size(&size, f, 28, 56, &err), &err);
    CHECK_FAILS(medvl_frontend_size(&size, f, 28, 55, &err), MEDVL_EARG,
                &err, "28x55");
    medvl_frontend_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_become_multiples_of_28),
        cmocka_unit_test(thirty_odd_sizes_are_as_the_processor_makes_them),
        cmocka_unit_test(grey_is_as_three_equal_channels),
        cmocka_unit_test(centres_stand_in_the_order_of_the_rows),
        cmocka_unit_test(limits_are_read_under_all_their_names),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, read_config, release_config);
}
