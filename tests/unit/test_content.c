/*
 * Content and background: which cells of a picture are which.
 */
#include "tests/unit/check.h"

#include "lib/image/content.h"

static struct medvl_error err;

static struct medvl_picture even(int64_t width, int64_t height, int level)
{
    struct medvl_picture out = {0};

    CHECK_OK(medvl_picture_make(&out, width, height, 1, 8, &err), &err);
    memset(out.data, level, medvl_picture_bytes(&out));
    return out;
}

static void paint(struct medvl_picture *p, int x0, int y0, int x1, int y1,
                  int level)
{
    for (int y = y0; y < y1; y++)
        memset((uint8_t *)p->data + y * p->width + x0, level,
               (size_t)(x1 - x0));
}

static struct medvl_content *find(const struct medvl_picture *p)
{
    struct medvl_content *c;

    CHECK_OK(medvl_content_find(&c, p, &err), &err);
    return c;
}

static void a_dark_place_inside_is_content(void **state)
{
    struct medvl_picture p = even(300, 200, 3);
    struct medvl_content *c;

    (void)state;
    paint(&p, 100, 40, 200, 160, 120);
    paint(&p, 130, 80, 150, 120, 0); /* closed in */
    c = find(&p);
    assert_int_equal(c->cell, 2);
    assert_int_equal(c->columns, 150);
    assert_int_equal(c->rows, 100);
    assert_int_equal(c->count, 50 * 60);
    assert_true(c->on[50 * 150 + 70] && !c->on[50 * 150 + 20]);
    assert_true(c->width == 100 && c->height == 120);
    medvl_free(c);
    paint(&p, 140, 0, 142, 80, 0); /* opened to the edge */
    c = find(&p);
    assert_int_equal(c->count, 50 * 60 - 10 * 20 - 20);
    medvl_free(c);
    medvl_picture_release(&p);
}

static void a_picture_full_of_content_has_no_background(void **state)
{
    struct medvl_picture p = even(64, 64, 0);
    struct medvl_content *c;

    (void)state;
    for (int i = 0; i < 64 * 64; i++)
        ((uint8_t *)p.data)[i] = (uint8_t)(i * 37);
    c = find(&p);
    assert_int_equal(c->count, 64 * 64);
    medvl_free(c);
    medvl_picture_release(&p);
}

static void a_white_background_is_one_too_and_specks_do_not_count(void **state)
{
    struct medvl_picture p = even(600, 600, 250);
    struct medvl_content *c;

    (void)state;
    paint(&p, 300, 300, 360, 330, 90);
    paint(&p, 31, 31, 32, 32, 0); /* a ninth of its cell: one cell */
    c = find(&p);
    assert_int_equal(c->cell, 3);
    assert_int_equal(c->count, 20 * 10 + 1);
    medvl_free(c);
    medvl_picture_release(&p);
    p = even(3000, 3000, 250);
    paint(&p, 31, 31, 33, 33, 0);
    c = find(&p);
    assert_int_equal(c->count, 0);
    medvl_free(c);
    medvl_picture_release(&p);
}

static void any_size_is_fine(void **state)
{
    static const int SIZES[][2] = {
        {1, 1}, {1, 700}, {700, 1}, {257, 3}, {511, 513}};

    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
        struct medvl_picture p = even(SIZES[i][0], SIZES[i][1], 9);
        struct medvl_content *c = find(&p);

        assert_int_equal(c->count, 0);
        medvl_free(c);
        medvl_picture_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dark_place_inside_is_content),
        cmocka_unit_test(a_picture_full_of_content_has_no_background),
        cmocka_unit_test(a_white_background_is_one_too_and_specks_do_not_count),
        cmocka_unit_test(any_size_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
