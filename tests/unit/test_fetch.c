/*
 * Pictures of records: where they are, which of a file, and what is shown
 * of grey that nobody gave a window.
 */
#include "tests/unit/check.h"

#include "lib/stage/fetch.h"

static struct medvl_error err;

static int fetch(struct medvl_fetched *out, const char *image, bool show)
{
    const struct medvl_fetch_options options = {
        .root = "tests/golden/pictures", .show = show};
    struct medvl_fetch *fetcher = NULL;
    struct medvl_json *tree = NULL;
    int rc;

    err = (struct medvl_error){0};
    CHECK_OK(medvl_fetch_open(&fetcher, &options, &err), &err);
    CHECK_OK(medvl_json_parse(&tree, medvl_span(image), &err), &err);
    rc = medvl_fetch_picture(out, fetcher, tree, &err);
    medvl_json_free(tree);
    medvl_fetch_free(fetcher);
    return rc;
}

static void a_picture_comes_with_the_hash_of_its_file(void **state)
{
    struct medvl_fetched got;

    (void)state;
    CHECK_OK(fetch(&got, "{\"path\":\"rgb.png\"}", false), &err);
    assert_int_equal(got.loaded.picture.channels, 3);
    assert_int_equal(strlen(got.hash), 32);
    medvl_picture_release(&got.loaded.picture);
}

static void grey_of_16_bits_is_shown_only_where_that_is_wanted(void **state)
{
    struct medvl_fetched got;

    (void)state;
    CHECK_FAILS(fetch(&got, "{\"path\":\"grey16.png\"}", false), MEDVL_EARG,
                &err, "window");
    assert_int_equal(strlen(got.hash), 32); /* the bytes were read */
    CHECK_OK(fetch(&got, "{\"path\":\"grey16.png\"}", true), &err);
    assert_int_equal(got.loaded.picture.depth, 8);
    assert_int_equal(err.code, MEDVL_OK);
    medvl_picture_release(&got.loaded.picture);
}

static void what_an_entry_lacks_is_said(void **state)
{
    struct medvl_fetched got;

    (void)state;
    CHECK_FAILS(fetch(&got, "{\"path\":\"none.png\"}", true), MEDVL_EIO, &err,
                "none.png");
    assert_int_equal(got.hash[0], 0);
    CHECK_FAILS(fetch(&got, "{\"path\":\"rgb.png\",\"frame\":1}", true),
                MEDVL_EARG, &err, "frame 1");
    CHECK_FAILS(fetch(&got, "{\"path\":\"rgb.png\",\"rescale\":[0,1]}", true),
                MEDVL_EFORMAT, &err, "rescale");
    CHECK_FAILS(fetch(&got, "{\"path\":\"pictures.txt\"}", true),
                MEDVL_EFORMAT, &err, "pictures.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_comes_with_the_hash_of_its_file),
        cmocka_unit_test(grey_of_16_bits_is_shown_only_where_that_is_wanted),
        cmocka_unit_test(what_an_entry_lacks_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
