/*
 * Letters in pictures: that all are there, differ, and stay inside.
 */
#include "tests/unit/check.h"

#include "lib/image/glyph.h"

static struct medvl_error err;

static const struct medvl_glyphs WHITE = {.scale = 1,
                                          .color = {255, 255, 255}};

static void make(struct medvl_picture *p, int64_t width, int64_t height,
                 int channels)
{
    memset(p, 0, sizeof(*p));
    CHECK_OK(medvl_picture_make(p, width, height, channels, 8, &err), &err);
}

static int64_t ink(const struct medvl_picture *p)
{
    const uint8_t *at = p->data;
    int64_t sum = 0;

    for (size_t i = 0; i < medvl_picture_bytes(p); i++)
        sum += at[i] > 0;
    return sum;
}

static void the_95_letters_and_the_box_differ(void **state)
{
    struct medvl_picture p[96];

    (void)state;
    for (int i = 0; i < 96; i++) {
        const char letter[] = {(char)(i + ' ')};

        make(&p[i], 5, 9, 1);
        CHECK_OK(medvl_draw_text(&p[i], 0, 0, (struct medvl_span){letter, 1},
                                 &WHITE, &err),
                 &err);
        assert_int_equal(p[i].channels, 1);
        assert_int_equal(ink(&p[i]) == 0, i == 0);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(p[i].data, p[k].data, 5 * 9);
    }
    for (int i = 0; i < 96; i++)
        medvl_picture_release(&p[i]);
}

static void a_letter_is_what_the_table_shows(void **state)
{
    static const char WANT[] = "  #  "
                               " # # "
                               "#   #"
                               "#   #"
                               "#####"
                               "#   #"
                               "#   #"
                               "     "
                               "     ";
    struct medvl_picture p;
    const uint8_t *at;

    (void)state;
    make(&p, 5, 9, 1);
    CHECK_OK(medvl_draw_text(&p, 0, 0, medvl_span("A"), &WHITE, &err), &err);
    at = p.data;
    for (int i = 0; i < 5 * 9; i++)
        assert_int_equal(at[i], WANT[i] == '#' ? 255 : 0);
    medvl_picture_release(&p);
}

static void other_characters_are_one_box_each(void **state)
{
    struct medvl_picture one, three;
    int64_t w, h;

    (void)state;
    medvl_glyph_size(&w, &h, medvl_span("\xc3\xa9\xe2\x82\xac\xff"), 1);
    assert_int_equal(w, 17);
    assert_int_equal(h, 7);
    make(&one, 5, 9, 1);
    make(&three, 17, 9, 1);
    CHECK_OK(medvl_draw_text(&one, 0, 0, medvl_span("\n"), &WHITE, &err),
             &err);
    CHECK_OK(medvl_draw_text(&three, 0, 0,
                             medvl_span("\xc3\xa9\xe2\x82\xac\xff"), &WHITE,
                             &err),
             &err);
    assert_int_equal(ink(&one), 2 * 5 + 2 * 5);
    assert_int_equal(ink(&three), 3 * ink(&one));
    medvl_picture_release(&one);
    medvl_picture_release(&three);
}

/* Wherever the text stands, what is inside is what a larger picture has
 * there, and the sanitizer watches what is outside. */
static void nothing_is_written_outside(void **state)
{
    const struct medvl_glyphs how = {
        .scale = 2, .color = {255, 255, 255}, .filled = true, .box = {9, 9, 9}};
    struct medvl_picture all;

    (void)state;
    make(&all, 120, 100, 1);
    CHECK_OK(medvl_draw_text(&all, 50, 50, medvl_span("gM"), &how, &err),
             &err);
    for (int64_t y = -30; y <= 10; y += 3)
        for (int64_t x = -40; x <= 10; x++) {
            struct medvl_picture p;

            make(&p, 8, 7, 1);
            CHECK_OK(medvl_draw_text(&p, x, y, medvl_span("gM"), &how, &err),
                     &err);
            for (int64_t i = 0; i < 7; i++)
                assert_memory_equal((uint8_t *)p.data + i * 8,
                                    (uint8_t *)all.data +
                                        (50 - y + i) * 120 + 50 - x,
                                    8);
            medvl_picture_release(&p);
        }
    medvl_picture_release(&all);
}

static void a_box_is_one_pixel_larger_than_its_text(void **state)
{
    const struct medvl_glyphs how = {
        .scale = 3, .color = {255, 0, 0}, .filled = true, .box = {0, 0, 255}};
    struct medvl_picture p;
    int64_t w, h, blue = 0, red = 0;

    (void)state;
    medvl_glyph_size(&w, &h, medvl_span("12"), 3);
    assert_int_equal(w, 33);
    assert_int_equal(h, 21);
    make(&p, 60, 50, 1);
    CHECK_OK(medvl_draw_text(&p, 10, 10, medvl_span("12"), &how, &err), &err);
    assert_int_equal(p.channels, 3); /* the colours asked for it */
    for (int64_t i = 0; i < 60 * 50; i++) {
        const uint8_t *at = (uint8_t *)p.data + 3 * i;

        red += at[0] == 255;
        blue += at[2] == 255;
        if (at[2] || at[0]) {
            assert_in_range(i % 60, 7, 10 + 33 + 2);
            assert_in_range(i / 60, 7, 10 + 21 + 2);
        }
    }
    assert_int_equal(red + blue, 39 * 27);
    assert_int_equal(red % 9, 0);
    medvl_picture_release(&p);
}

static void a_line_is_cut_at_whole_characters(void **state)
{
    (void)state;
    assert_int_equal(medvl_glyph_fit(medvl_span("abc"), 1, 4), 0);
    assert_int_equal(medvl_glyph_fit(medvl_span("abc"), 1, 5), 1);
    assert_int_equal(medvl_glyph_fit(medvl_span("abc"), 1, 16), 2);
    assert_int_equal(medvl_glyph_fit(medvl_span("abc"), 1, 17), 3);
    assert_int_equal(medvl_glyph_fit(medvl_span("abc"), 1, 999), 3);
    assert_int_equal(medvl_glyph_fit(medvl_span("\xc3\xa9z"), 2, 10), 2);
}

static void what_cannot_be_drawn_on_is_an_error(void **state)
{
    struct medvl_picture p = {0};
    const struct medvl_glyphs big = {.scale = 65};

    (void)state;
    CHECK_OK(medvl_picture_make(&p, 9, 9, 1, 16, &err), &err);
    CHECK_FAILS(medvl_draw_text(&p, 0, 0, medvl_span("a"), &WHITE, &err),
                MEDVL_EARG, &err, "16 bits");
    CHECK_FAILS(medvl_draw_text(&p, 0, 0, medvl_span("a"), &big, &err),
                MEDVL_EARG, &err, "scale 65");
    medvl_picture_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_95_letters_and_the_box_differ),
        cmocka_unit_test(a_letter_is_what_the_table_shows),
        cmocka_unit_test(other_characters_are_one_box_each),
        cmocka_unit_test(nothing_is_written_outside),
        cmocka_unit_test(a_box_is_one_pixel_larger_than_its_text),
        cmocka_unit_test(a_line_is_cut_at_whole_characters),
        cmocka_unit_test(what_cannot_be_drawn_on_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
