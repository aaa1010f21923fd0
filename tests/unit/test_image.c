/*
 * The image stage as a whole: with memory running out at any place, and
 * with several workers.  What it does is tested in tests/cli/image.bats.
 */
#include "tests/unit/check.h"

#include "lib/image/picture.h"
#include "lib/stage/image.h"

static char *in_path, *out_path, *picture_path, *folder;

static int setup(void **state)
{
    struct medvl_error err = {0};
    struct medvl_picture p = {0};
    struct medvl_text line = {0};

    (void)state;
    in_path = check_temp("image_in.jsonl");
    out_path = check_temp("image_out.jsonl");
    picture_path = check_temp("image_in.png");
    folder = check_temp("image_px");
    CHECK_OK(medvl_picture_make(&p, 9, 7, 3, 8, &err), &err);
    for (size_t i = 0; i < medvl_picture_bytes(&p); i++)
        ((uint8_t *)p.data)[i] = (uint8_t)(i * i);
    CHECK_OK(medvl_picture_write(&p, picture_path, NULL, &err), &err);
    medvl_picture_release(&p);
    /* the mask: 49 pixels off, 7 on, 7 off, down the columns */
    CHECK_OK(medvl_text_printf(&line, &err,
                               "{\"id\":\"a\",\"images\":[{\"path\":\"%s\","
                               "\"spacing\":[1,1],\"regions\":[{\"box\":"
                               "[1,1,5,5],\"x\":true,\"mask\":{\"size\":"
                               "[7,9],\"counts\":\"a177\"}},{\"x\":true,"
                               "\"polygons\":[[1,1,8,1,8,6]],\"point\":"
                               "[4,3],\"points\":[[4,3],[5,4]]}]}],"
                               "\"question\":\"Is the left lung clear?\"}"
                               "\n",
                               picture_path),
             &err);
    CHECK_OK(medvl_file_write(in_path, line.data, line.size, &err), &err);
    medvl_text_release(&line);
    return 0;
}

static int teardown(void **state)
{
    char *const paths[] = {in_path, out_path, picture_path, folder};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)!medvl_path_remove(paths[i], NULL);
        medvl_free(paths[i]);
    }
    return 0;
}

static int run_stage(void *arg, struct medvl_error *err)
{
    const char *const files[] = {in_path};
    const struct medvl_loop_options loop = {
        .files = files, .file_count = 1, .output = out_path};

    return medvl_loop_map(&medvl_image_map, arg, &loop, NULL, err);
}

static void the_stage_is_whole_or_there_is_no_memory(void **state)
{
    struct medvl_image_options options = {
        .out = folder,
        .crop = "1,0,9,7",
        .augment = "shift=0.1,rotate=9,noise=0.1",
        .copies = 2,
        .resize = "12x10",
        .background = "mean",
        .draw = "x",
        .shape = "outline",
        .numbers = true,
        .boxes = true,
    };
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(run_stage(&options, &err), &err);
    check_no_memory(run_stage, &options, 2000);
}

static void flips_and_anomalies_are_whole_too(void **state)
{
    struct medvl_image_options options = {
        .out = folder,
        .augment = "hflip=1,vflip=0.5,blur=1",
        .sides = "swap",
        .anomaly = "cutpaste,gaussian,source,sink",
        .copies = 3,
    };
    struct medvl_error err = {0};
    struct medvl_text out = {0};

    (void)state;
    CHECK_OK(run_stage(&options, &err), &err);
    check_no_memory(run_stage, &options, 2500);
    CHECK_OK(medvl_file_read(&out, out_path, 1 << 20, &err), &err);
    assert_non_null(strstr(out.data, "Is the right lung clear?"));
    assert_non_null(strstr(out.data, "\"label\":\"anomaly\""));
    medvl_text_release(&out);
}

static void wrong_options_are_named(void **state)
{
    struct medvl_image_options options = {.out = "px", .resize = "0"};
    struct medvl_error err = {0};

    (void)state;
    assert_true(medvl_image_check(&options, &err) < 0);
    assert_non_null(strstr(err.text, "resize '0'"));
    options = (struct medvl_image_options){.resize = "3"};
    CHECK_FAILS(medvl_image_check(&options, &err), MEDVL_EARG, &err,
                "folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stage_is_whole_or_there_is_no_memory),
        cmocka_unit_test(flips_and_anomalies_are_whole_too),
        cmocka_unit_test(wrong_options_are_named),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
