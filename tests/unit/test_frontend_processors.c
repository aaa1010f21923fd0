/*
 * The image processors against transformers and LLaVA on Pillow:
 * tests/golden/processors.jsonl, made by processors.py beside it.
 */
#include "tests/unit/check.h"

#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/stream.h"
#include "lib/model/config_part.h"
#include "lib/model/frontend.h"

/* `pixels` of processors.py. */
static void make_picture(struct medvl_picture *out, int64_t width,
                         int64_t height)
{
    struct medvl_error err = {0};
    uint8_t *data;

    CHECK_OK(medvl_picture_make(out, width, height, 3, 8, &err), &err);
    data = out->data;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < 3; c++)
                *data++ = (uint8_t)(x * 7 + y * 13 + c * 61 +
                                    (x * y + c) % 29 * 5);
}

static double number(const struct medvl_json *list, size_t index)
{
    return medvl_json_number(medvl_json_at(list, index), NAN);
}

static void check_size(const struct medvl_frontend *frontend,
                       const struct medvl_json *want, const char *name,
                       int64_t grid)
{
    const int64_t width = (int64_t)number(want, 0);
    const int64_t height = (int64_t)number(want, 1);
    struct medvl_frontend_size size;
    struct medvl_picture picture = {0};
    struct medvl_error err = {0};
    int64_t count;
    float *rows;

    make_picture(&picture, width, height);
    CHECK_OK(medvl_frontend_size(&size, frontend, width, height, &err), &err);
    if (size.patches != (int64_t)number(want, 2) * grid * grid)
        fail_msg("%s: %lldx%lld: %lld patches", name, (long long)width,
                 (long long)height, (long long)size.patches);
    count = size.patches * size.row;
    rows = medvl_alloc((size_t)count, sizeof(*rows));
    assert_non_null(rows);
    CHECK_OK(medvl_frontend_rows(rows, frontend, &picture, &err), &err);
    for (int64_t i = 0; i < 16; i++)
        if (!(fabs(rows[i * (count - 1) / 15] -
                   number(want, (size_t)i + 4)) <= 1e-6))
            fail_msg("%s: %lldx%lld: value %d is %.9g, want %.9g", name,
                     (long long)width, (long long)height, (int)i,
                     rows[i * (count - 1) / 15],
                     number(want, (size_t)i + 4));
    if (medvl_crc32(0, rows, (size_t)count * sizeof(*rows)) !=
        (uint32_t)number(want, 3))
        fail_msg("%s: %lldx%lld: other bytes", name, (long long)width,
                 (long long)height);
    medvl_free(rows);
    medvl_picture_release(&picture);
}

/* The config of a folder as the case has it, with a tiny model. */
static void make_config(struct medvl_config *config,
                        const struct medvl_json *one, bool original)
{
    const struct medvl_json *fields = medvl_json_get(one, "config");
    const struct medvl_json *processor = medvl_json_get(one, "preprocessor");
    const struct medvl_json *points =
        medvl_json_get(original ? fields : processor, "image_grid_pinpoints");
    struct medvl_config_reader r = {.err = NULL};
    const char *ratio = medvl_json_string(
        medvl_json_get(fields, "image_aspect_ratio"));

    memset(config, 0, sizeof(*config));
    config->family = points ? MEDVL_FAMILY_LLAVA_NEXT : MEDVL_FAMILY_LLAVA;
    config->naming = original ? MEDVL_NAMING_ORIGINAL : MEDVL_NAMING_LLAVA;
    config->vision.merge = 1;
    config->vision.image_size =
        (int64_t)medvl_json_number(medvl_json_get(one, "side"), 0);
    config->vision.patch_size =
        (int64_t)medvl_json_number(medvl_json_get(one, "patch"), 0);
    config->pad_square = ratio && strcmp(ratio, "pad") == 0;
    r.object = original ? fields : processor;
    if (points)
        medvl_config_read_pinpoints(config, &r, original);
    assert_int_equal(r.rc, MEDVL_OK);
    assert_int_equal(medvl_text_append(&config->json, "{}", 2, NULL),
                     MEDVL_OK);
}

static void check_case(const struct medvl_json *one)
{
    const char *name = medvl_json_string(medvl_json_get(one, "case"));
    const struct medvl_json *sizes = medvl_json_get(one, "sizes");
    const struct medvl_json *size = medvl_json_first(sizes);
    char *folder = check_temp("processors"), *path = NULL;
    struct medvl_config config;
    struct medvl_frontend *frontend;
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    make_config(&config, one, strncmp(name, "original", 8) == 0);
    CHECK_OK(medvl_json_print(&text, medvl_json_get(one, "preprocessor"),
                              &err),
             &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_path_join(&path, folder, "preprocessor_config.json", &err),
             &err);
    CHECK_OK(medvl_file_write(path, text.data, text.size, &err), &err);
    CHECK_OK(medvl_frontend_open(&frontend, folder, &config, &err), &err);
    for (; size; size = medvl_json_next(size))
        check_size(frontend, size, name,
                   config.vision.image_size / config.vision.patch_size);
    assert_true(medvl_json_count(sizes) >= 3);
    medvl_frontend_free(frontend);
    medvl_config_release(&config);
    CHECK_OK(medvl_path_remove(folder, NULL), &err);
    medvl_text_release(&text);
    medvl_free(path);
    medvl_free(folder);
}

static void processors_give_the_references_bytes(void **state)
{
    struct medvl_reader *reader;
    struct medvl_text line = {0};
    struct medvl_error err = {0};
    int cases = 0;

    (void)state;
    CHECK_OK(medvl_reader_open(&reader, "tests/golden/processors.jsonl", 0, 0,
                               &err),
             &err);
    while (medvl_reader_lines(reader, &line, 1, 1 << 20, &err) == 1) {
        const char *start = line.data, *end = line.data + line.size;

        while (start < end) {
            const char *stop = memchr(start, '\n', (size_t)(end - start));
            struct medvl_json *one;

            CHECK_OK(medvl_json_parse(&one,
                                      (struct medvl_span){
                                          start, (size_t)(stop - start)},
                                      &err),
                     &err);
            check_case(one);
            cases++;
            medvl_json_free(one);
            start = stop + 1;
        }
        line.size = 0;
    }
    assert_int_equal(cases, 17);
    medvl_reader_free(reader);
    medvl_text_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_give_the_references_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
