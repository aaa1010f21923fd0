/*
 * Shapes of regions from JSON and back.
 */
#include "tests/unit/check.h"

#include "lib/data/shape_json.h"

static struct medvl_error err;

static int read(struct medvl_shape *out, const char *region,
                const struct medvl_shape_on *on)
{
    struct medvl_json *json = NULL;
    int rc = medvl_json_parse(&json, medvl_span(region), &err);

    *out = (struct medvl_shape){0};
    if (rc == MEDVL_OK)
        rc = medvl_shape_read(out, json, on, &err);
    medvl_json_free(json);
    return rc;
}

/* Read, and write into the same members. */
static char *again(const char *region, const struct medvl_shape_on *on)
{
    struct medvl_json_view view = {0};
    struct medvl_shape shape;
    struct medvl_text out = {0};

    CHECK_OK(read(&shape, region, on), &err);
    CHECK_OK(medvl_json_view_object(&view, medvl_span(region), &err), &err);
    CHECK_OK(medvl_shape_write(&view, &shape, &err), &err);
    CHECK_OK(medvl_json_view_write(&out, &view, &err), &err);
    medvl_json_view_release(&view);
    medvl_shape_release(&shape);
    return out.data;
}

static void check_again(const char *region, const char *want, int64_t scale)
{
    const struct medvl_shape_on on = {
        .width = 8, .height = 4, .scale = scale};
    char *text = again(region, &on);

    assert_string_equal(text, want);
    medvl_free(text);
}

static void every_kind_is_read_and_written(void **state)
{
    (void)state;
    check_again("{\"box\":[1,0.5,7.25,3]}", "{\"box\":[1,0.5,7.25,3]}", 0);
    check_again("{\"l\":1, \"point\":[1, 2],\"points\":[[1,2],[3.25,4]]}",
                "{\"l\":1,\"point\":[1,2],\"points\":[[1,2],[3.25,4]]}", 0);
    check_again("{\"polygons\":[[0,0,1,0,1,1],[2,2,3,2,3,3,2,3]]}",
                "{\"polygons\":[[0,0,1,0,1,1],[2,2,3,2,3,3,2,3]]}", 0);
    check_again("{\"polygons\":null,\"box\":null,\"mask\":null}",
                "{\"polygons\":[],\"box\":null,\"mask\":null}", 0);
    /* more decimals than records hold */
    check_again("{\"point\":[1.00049,2.9996]}", "{\"point\":[1,3]}", 0);
}

static void run_lengths_come_as_numbers_or_as_text(void **state)
{
    static const char WANT[] =
        "{\"mask\":{\"size\":[4,8],\"counts\":\"849OO\"}}";
    const struct medvl_shape_on on = {.width = 8, .height = 4};
    struct medvl_shape shape;

    (void)state;
    CHECK_OK(read(&shape,
                  "{\"mask\":{\"size\":[4,8],\"counts\":[8,4,1,3,16]}}", &on),
             &err);
    assert_int_equal(medvl_mask_area(&shape.mask), 7);
    assert_true(shape.mask.data[2] && !shape.mask.data[3] &&
                shape.mask.data[8 + 3]);
    medvl_shape_release(&shape);
    check_again(WANT, WANT, 0);
    check_again("{\"mask\":{\"size\":[4,8],\"counts\":[8,4,9,3,8]}}", WANT,
                0);
}

static void other_scales_become_pixels(void **state)
{
    (void)state;
    check_again("{\"box\":[0,250,500,1000]}", "{\"box\":[0,1,4,4]}", 999);
    check_again("{\"box\":[0,25,50,100],\"point\":[12.5,75]}",
                "{\"box\":[0,1,4,4],\"point\":[1,3]}", 100);
    check_again("{\"polygons\":[[0,0,1,0.5,0.125,1]]}",
                "{\"polygons\":[[0,0,8,2,1,4]]}", 1);
    check_again("{\"points\":[[0.5,0.5]]}", "{\"points\":[[4,2]]}", 1);
}

static void what_is_not_of_its_form_is_named(void **state)
{
    static const char *const BAD[][2] = {
        {"\"box\":[1,2,3]", "\"box\" is not [x0, y0, x1, y1]"},
        {"\"box\":[1,2,3,4,5]", "\"box\""},
        {"\"box\":{}", "\"box\""},
        {"\"box\":[3,0,1,4]", "x0 <= x1"},
        {"\"box\":[0,0,1,\"4\"]", "\"box\""},
        {"\"box\":[0,0,1,1e300]", "\"box\""},
        {"\"point\":[1]", "\"point\" is not [x, y]"},
        {"\"point\":[1,null]", "\"point\""},
        {"\"points\":[1,2]", "\"points\" is not [[x, y], ...]"},
        {"\"points\":[[1,2,3]]", "\"points\""},
        {"\"polygons\":[[1,2,3]]", "\"polygons\""},
        {"\"polygons\":[1,2,3,4,5,6]", "\"polygons\""},
        {"\"polygons\":[[1,2,3,4]]", "\"polygons\": a polygon of 2 places"},
        {"\"polygons\":[[]]", "a polygon of 0 places"},
        {"\"polygons\":[[1,2,3,4,5,-1e10]]", "\"polygons\""},
        {"\"mask\":{\"size\":[4,8]}", "\"counts\" is no string"},
        {"\"mask\":{\"counts\":\"P1\"}", "\"size\" is not"},
        {"\"mask\":{\"size\":[4.5,8],\"counts\":\"P1\"}", "\"size\" is not"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[8,-4,28]}", "run 2"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[8,1.5]}", "run 2"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[8,25]}", "run 2 does not fit"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[4e9,4e9]}", "run 1 does not"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[1e18]}", "run 1 is no number"},
        {"\"mask\":{\"size\":[4,8],\"counts\":[8]}", "cover 8 of the mask"},
        {"\"mask\":{\"size\":[4,8],\"counts\":\"8\"}", "cover 8 of the mask"},
    };
    const struct medvl_shape_on on = {.width = 8, .height = 4};
    char text[200];
    struct medvl_shape shape;

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        snprintf(text, sizeof(text), "{%s}", BAD[i][0]);
        CHECK_FAILS(read(&shape, text, &on), MEDVL_EFORMAT, &err, BAD[i][1]);
        assert_null(shape.mask.data);
    }
}

static void what_is_beyond_the_scale_is_named(void **state)
{
    const struct medvl_shape_on on = {.width = 8, .height = 4, .scale = 1};
    struct medvl_shape shape;

    (void)state;
    CHECK_FAILS(read(&shape, "{\"box\":[0,0,1,1.01]}", &on), MEDVL_EFORMAT,
                &err, "of 0..1");
    CHECK_FAILS(read(&shape, "{\"point\":[-0.1,0]}", &on), MEDVL_EFORMAT,
                &err, "\"point\" is not [x, y] of 0..1");
}

static void a_mask_of_another_size_names_both(void **state)
{
    const struct medvl_shape_on on = {.width = 8, .height = 4};
    struct medvl_shape shape;

    (void)state;
    CHECK_FAILS(read(&shape, "{\"mask\":{\"size\":[8,4],\"counts\":\"P1\"}}",
                     &on),
                MEDVL_EARG, &err, "4 x 8 on a picture of 8 x 4");
    CHECK_FAILS(
        read(&shape,
             "{\"mask\":{\"size\":[65535,65535],\"counts\":\"P1\"}}", &on),
        MEDVL_EARG, &err, "65535 x 65535 on a picture of 8 x 4");
    CHECK_FAILS(read(&shape, "{\"mask\":{\"path\":\"a.png\"}}", &on),
                MEDVL_EUNSUPPORTED, &err, "a file");
}

/* A grey PNG of 8 x 4 with columns 0, 1, 2, ... as its values. */
static char *write_columns(int channels)
{
    struct medvl_picture p = {0};
    char *path = check_temp(channels == 1 ? "grey.png" : "rgb.png");

    CHECK_OK(medvl_picture_make(&p, 8, 4, channels, 8, &err), &err);
    for (int i = 0; i < 32; i++)
        ((uint8_t *)p.data)[i * channels + channels - 1] =
            (uint8_t)(i % 8);
    CHECK_OK(medvl_picture_write(&p, path, NULL, &err), &err);
    medvl_picture_release(&p);
    return path;
}

static int64_t area_of(const char *path, const char *rest,
                       const struct medvl_shape_on *on)
{
    char text[2000];
    struct medvl_shape shape;
    int64_t area;

    snprintf(text, sizeof(text), "{\"mask\":{\"path\":\"%s\"%s}}", path,
             rest);
    CHECK_OK(read(&shape, text, on), &err);
    area = medvl_mask_area(&shape.mask);
    medvl_shape_release(&shape);
    return area;
}

static void a_mask_may_be_a_file(void **state)
{
    struct medvl_shape_on on = {.width = 8, .height = 4}, small = on;
    char *grey = write_columns(1), *rgb = write_columns(3);
    struct medvl_shape shape;
    char text[2000];

    (void)state;
    CHECK_OK(medvl_source_open(&on.source, NULL, 0, &err), &err);
    assert_int_equal(area_of(grey, "", &on), 28);
    assert_int_equal(area_of(grey, ",\"value\":3", &on), 4);
    assert_int_equal(area_of(grey, ",\"value\":99", &on), 0);
    assert_int_equal(area_of(rgb, "", &on), 28);
    snprintf(text, sizeof(text), "{\"mask\":{\"path\":\"%s\",\"value\":1}}",
             rgb);
    CHECK_FAILS(read(&shape, text, &on), MEDVL_EUNSUPPORTED, &err,
                "rgb.png: \"value\"");
    small.source = on.source;
    small.width = 7;
    snprintf(text, sizeof(text), "{\"mask\":{\"path\":\"%s\"}}", grey);
    CHECK_FAILS(read(&shape, text, &small), MEDVL_EARG, &err,
                "grey.png: a mask of 8 x 4 on a picture of 7 x 4");
    CHECK_OK(medvl_file_write(grey, "\xff\xd8\xff", 3, &err), &err);
    CHECK_FAILS(read(&shape, text, &on), MEDVL_EFORMAT, &err, "not PNG");
    CHECK_FAILS(read(&shape, "{\"mask\":{\"path\":\"no.png\"}}", &on),
                MEDVL_EIO, &err, "no.png");
    medvl_source_free(on.source);
    medvl_free(grey);
    medvl_free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_and_written),
        cmocka_unit_test(run_lengths_come_as_numbers_or_as_text),
        cmocka_unit_test(other_scales_become_pixels),
        cmocka_unit_test(what_is_not_of_its_form_is_named),
        cmocka_unit_test(what_is_beyond_the_scale_is_named),
        cmocka_unit_test(a_mask_of_another_size_names_both),
        cmocka_unit_test(a_mask_may_be_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
