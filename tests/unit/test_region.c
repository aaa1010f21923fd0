/*
 * Boxes, masks against pycocotools (tests/golden/masks.txt), and drawing.
 */
#include "tests/unit/check.h"

#include "lib/image/region.h"

static struct medvl_error err;

static void masks_are_written_and_read_as_by_pycocotools(void **state)
{
    FILE *golden = fopen("tests/golden/masks.txt", "r");
    char bits[1000], counts[4000];
    int cases = 0;
    long w, h;

    (void)state;
    assert_non_null(golden);
    while (fscanf(golden, "%ld %ld %999s %3999s", &w, &h, bits, counts) ==
           4) {
        struct medvl_mask mask = {0}, back = {0};
        struct medvl_text text = {0};

        CHECK_OK(medvl_mask_make(&mask, w, h, &err), &err);
        for (long i = 0; i < w * h; i++)
            mask.data[i] = bits[0] == '-'
                               ? i / w >= 20 && i / w < 180 &&
                                     (i / w < 50 || i / w >= 60) &&
                                     i % w >= 30 && i % w < 250
                               : bits[i] == '1';
        CHECK_OK(medvl_mask_encode(&text, &mask, &err), &err);
        assert_string_equal(text.data, counts);
        CHECK_OK(medvl_mask_decode(&back, medvl_text_span(&text), w, h, &err),
                 &err);
        assert_memory_equal(mask.data, back.data, (size_t)(w * h));
        medvl_text_release(&text);
        medvl_mask_release(&mask);
        medvl_mask_release(&back);
        cases++;
    }
    fclose(golden);
    assert_int_equal(cases, 41);
}

static void a_damaged_run_string_is_an_error(void **state)
{
    static const char *const BAD[] = {
        "", "0", "9", "~~~~", "oooooooooooo", "P", "04", "o", "\x01", "441"};

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        struct medvl_mask mask = {0};

        CHECK_FAILS(medvl_mask_decode(&mask, medvl_span(BAD[i]), 4, 2, &err),
                    MEDVL_EFORMAT, &err, "mask");
        assert_null(mask.data);
    }
}

static void a_hostile_size_takes_no_memory(void **state)
{
    struct medvl_mask mask = {0};

    (void)state;
    CHECK_FAILS(medvl_mask_decode(&mask, medvl_span("0"), 65535, 65535, &err),
                MEDVL_EARG, &err, "65535");
    CHECK_FAILS(medvl_mask_decode(&mask, medvl_span("0"), 0, 3, &err),
                MEDVL_EARG, &err, "0 x 3");
}

static void the_box_of_a_mask_ends_behind_its_last_pixel(void **state)
{
    struct medvl_mask mask = {0};
    struct medvl_box box;

    (void)state;
    CHECK_OK(medvl_mask_make(&mask, 5, 4, &err), &err);
    assert_false(medvl_mask_box(&box, &mask));
    mask.data[1 * 5 + 2] = mask.data[3 * 5 + 3] = 1;
    assert_true(medvl_mask_box(&box, &mask));
    assert_true(box.x0 == 2 && box.y0 == 1 && box.x1 == 4 && box.y1 == 4);
    assert_int_equal(medvl_mask_area(&mask), 2);
    medvl_mask_release(&mask);
}

static void a_box_is_cut_to_the_picture_or_gone(void **state)
{
    struct medvl_box box = {-3, 1, 2.5, 99}, away = {10, 0, 12, 5};

    (void)state;
    assert_true(medvl_box_clip(&box, 10, 8));
    assert_true(box.x0 == 0 && box.y0 == 1 && box.x1 == 2.5 && box.y1 == 8);
    assert_false(medvl_box_clip(&away, 10, 8));
}

/* The picture as text: '#' where it is red. */
static void show(char *out, const struct medvl_picture *p)
{
    const uint8_t *data = p->data;

    for (int64_t y = 0; y < p->height; y++) {
        for (int64_t x = 0; x < p->width; x++, data += 3)
            *out++ = data[0] == 255 && data[1] == 0 ? '#' : '.';
        *out++ = '\n';
    }
    *out = 0;
}

static void a_drawn_box_is_a_frame_inside_its_bounds(void **state)
{
    const uint8_t red[3] = {255, 0, 0};
    struct medvl_picture p = {0};
    char text[100];

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 6, 5, 1, 8, &err), &err);
    CHECK_OK(medvl_draw_box(&p, (struct medvl_box){1, 0.6, 5.4, 4.2}, 1, red,
                            &err),
             &err);
    assert_int_equal(p.channels, 3);
    show(text, &p);
    assert_string_equal(text, "......\n"
                              ".####.\n"
                              ".#..#.\n"
                              ".####.\n"
                              "......\n");
    medvl_picture_release(&p);
    CHECK_OK(medvl_picture_make(&p, 6, 5, 3, 8, &err), &err);
    CHECK_OK(medvl_draw_box(&p, (struct medvl_box){-9, -9, 99, 99}, 2, red,
                            &err),
             &err);
    show(text, &p);
    assert_string_equal(text, "######\n"
                              "######\n"
                              "##..##\n"
                              "######\n"
                              "######\n");
    medvl_picture_release(&p);
}

static void a_box_without_size_is_still_seen(void **state)
{
    const uint8_t red[3] = {255, 0, 0};
    struct medvl_picture p = {0};
    char text[100];

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 3, 2, 1, 8, &err), &err);
    CHECK_OK(medvl_draw_box(&p, (struct medvl_box){3, 2, 3, 2}, 1, red, &err),
             &err);
    show(text, &p);
    assert_string_equal(text, "...\n..#\n");
    medvl_picture_release(&p);
}

static void a_drawn_mask_is_its_outermost_pixels(void **state)
{
    const uint8_t red[3] = {255, 0, 0};
    struct medvl_picture p = {0};
    struct medvl_mask mask = {0}, other = {0};
    char text[100];

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 5, 5, 1, 8, &err), &err);
    CHECK_OK(medvl_mask_make(&mask, 5, 5, &err), &err);
    for (int i = 0; i < 25; i++)
        mask.data[i] = i / 5 >= 1 && i % 5 >= 1;
    CHECK_OK(medvl_draw_mask(&p, &mask, 1, red, &err), &err);
    show(text, &p);
    assert_string_equal(text, ".....\n"
                              ".####\n"
                              ".#..#\n"
                              ".#..#\n"
                              ".####\n");
    CHECK_OK(medvl_mask_make(&other, 4, 5, &err), &err);
    CHECK_FAILS(medvl_draw_mask(&p, &other, 1, red, &err), MEDVL_EARG, &err,
                "4 x 5");
    medvl_mask_release(&mask);
    medvl_mask_release(&other);
    medvl_picture_release(&p);
}

static void an_outline_is_as_thick_as_asked(void **state)
{
    const uint8_t red[3] = {255, 0, 0};
    struct medvl_picture p = {0};
    struct medvl_mask mask = {0};
    char text[200];

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 9, 7, 1, 8, &err), &err);
    CHECK_OK(medvl_mask_make(&mask, 9, 7, &err), &err);
    for (int i = 0; i < 63; i++)
        mask.data[i] = i / 9 >= 1 && i % 9 >= 1 && i % 9 <= 7;
    CHECK_OK(medvl_draw_mask(&p, &mask, 2, red, &err), &err);
    show(text, &p);
    assert_string_equal(text, ".........\n"
                              ".#######.\n"
                              ".#######.\n"
                              ".##...##.\n"
                              ".##...##.\n"
                              ".#######.\n"
                              ".#######.\n");
    medvl_mask_release(&mask);
    medvl_picture_release(&p);
}

static void a_point_is_a_disc(void **state)
{
    const uint8_t red[3] = {255, 0, 0};
    struct medvl_picture p = {0};
    char text[200];

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 9, 7, 1, 8, &err), &err);
    CHECK_OK(medvl_draw_point(&p, 3.5, 3.5, 1, red, &err), &err);
    CHECK_OK(medvl_draw_point(&p, 9, 0, 1, red, &err), &err);
    CHECK_OK(medvl_draw_point(&p, -1e9, 1e9, 1000, red, &err), &err);
    show(text, &p);
    assert_string_equal(text, ".......##\n"
                              "..###..##\n"
                              ".#####...\n"
                              ".#####...\n"
                              ".#####...\n"
                              "..###....\n"
                              ".........\n");
    medvl_picture_release(&p);
}

static void what_is_outside_of_the_mask_is_blurred(void **state)
{
    struct medvl_picture p = {0};
    struct medvl_mask mask = {0}, other = {0};
    uint8_t *data;

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 16, 8, 1, 8, &err), &err);
    CHECK_OK(medvl_mask_make(&mask, 16, 8, &err), &err);
    CHECK_OK(medvl_mask_make(&other, 8, 8, &err), &err);
    data = p.data;
    for (int i = 0; i < 128; i++) {
        data[i] = i % 2 ? 255 : 0;
        mask.data[i] = i % 16 < 8;
    }
    CHECK_OK(medvl_blur_outside(&p, &mask, 2, &err), &err);
    assert_int_equal(p.channels, 1);
    for (int i = 0; i < 128; i++) {
        if (i % 16 < 8)
            assert_int_equal(data[i], i % 2 ? 255 : 0);
        else
            CHECK_CLOSE(data[i], 127.5, 80);
    }
    CHECK_FAILS(medvl_blur_outside(&p, &other, 2, &err), MEDVL_EARG, &err,
                "8 x 8 on a picture of 16 x 8");
    medvl_mask_release(&mask);
    medvl_mask_release(&other);
    medvl_picture_release(&p);
}

static void runs_as_numbers_fill_the_mask_or_are_refused(void **state)
{
    static const int64_t RUNS[] = {3, 2, 3}, LONG[] = {3, 6},
                         HUGE_ONE[] = {INT64_MAX, INT64_MAX, 10},
                         SHORT[] = {3, 4}, BELOW[] = {3, -1, 6};
    struct medvl_mask mask = {0};

    (void)state;
    CHECK_OK(medvl_mask_from_runs(&mask, RUNS, 3, 4, 2, &err), &err);
    assert_int_equal(medvl_mask_area(&mask), 2);
    assert_true(mask.data[4 + 1] && mask.data[2]);
    medvl_mask_release(&mask);
    CHECK_FAILS(medvl_mask_from_runs(&mask, LONG, 2, 4, 2, &err),
                MEDVL_EFORMAT, &err, "run 2 does not fit");
    CHECK_FAILS(medvl_mask_from_runs(&mask, HUGE_ONE, 3, 4, 2, &err),
                MEDVL_EFORMAT, &err, "run 1 does not fit");
    CHECK_FAILS(medvl_mask_from_runs(&mask, SHORT, 2, 4, 2, &err),
                MEDVL_EFORMAT, &err, "cover 7 of");
    CHECK_FAILS(medvl_mask_from_runs(&mask, BELOW, 3, 4, 2, &err),
                MEDVL_EFORMAT, &err, "run 2 does not fit");
    CHECK_FAILS(medvl_mask_from_runs(&mask, NULL, 0, 4, 2, &err),
                MEDVL_EFORMAT, &err, "cover 0 of");
    assert_null(mask.data);
}

static void a_box_without_width_is_inside_or_on_the_edge(void **state)
{
    struct medvl_box in = {3, 2, 3, 4}, edge = {10, 2, 10, 4};

    (void)state;
    assert_true(medvl_box_clip(&in, 10, 8));
    assert_true(in.x0 == 3 && in.x1 == 3);
    assert_false(medvl_box_clip(&edge, 10, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_written_and_read_as_by_pycocotools),
        cmocka_unit_test(a_damaged_run_string_is_an_error),
        cmocka_unit_test(a_hostile_size_takes_no_memory),
        cmocka_unit_test(the_box_of_a_mask_ends_behind_its_last_pixel),
        cmocka_unit_test(a_box_is_cut_to_the_picture_or_gone),
        cmocka_unit_test(a_drawn_box_is_a_frame_inside_its_bounds),
        cmocka_unit_test(a_box_without_size_is_still_seen),
        cmocka_unit_test(a_drawn_mask_is_its_outermost_pixels),
        cmocka_unit_test(an_outline_is_as_thick_as_asked),
        cmocka_unit_test(a_point_is_a_disc),
        cmocka_unit_test(what_is_outside_of_the_mask_is_blurred),
        cmocka_unit_test(runs_as_numbers_fill_the_mask_or_are_refused),
        cmocka_unit_test(a_box_without_width_is_inside_or_on_the_edge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
