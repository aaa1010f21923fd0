/*
 * Resize against Pillow's bytes (tests/golden/resize.txt), the plain form
 * against the AVX2 one, and crop, pad and fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/json.h"
#include "lib/image/resize.h"

static struct medvl_error err;

static bool have_fast(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

/* As fill() in tests/golden/resize.py. */
static void fill(struct medvl_picture *picture, uint64_t seed, bool flat)
{
    const size_t size = medvl_picture_bytes(picture);
    uint8_t *data = picture->data;
    size_t at = 0;

    while (at < size) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;

        const uint8_t byte = (uint8_t)(seed >> 56);
        const int run = flat ? 1 + byte % 7 : 1;

        for (int i = 0; i < run && at < size; i++)
            data[at++] = (uint8_t)(!flat ? byte : byte & 1 ? 255
                                                           : 0);
    }
}

static uint64_t fnv(const struct medvl_picture *picture)
{
    const uint8_t *data = picture->data;
    uint64_t value = 0xcbf29ce484222325u;

    for (size_t i = 0; i < medvl_picture_bytes(picture); i++)
        value = (value ^ data[i]) * 0x100000001b3u;
    return value;
}

static void make(struct medvl_picture *out, int64_t w, int64_t h,
                 int channels, uint64_t seed, bool flat)
{
    *out = (struct medvl_picture){0};
    assert_int_equal(medvl_picture_make(out, w, h, channels, 8, &err), 0);
    fill(out, seed, flat);
}

/* A line of resize.txt. */
struct golden {
    int channels;
    char filter[16], fit[16];
    long w, h, to_w, to_h;
    unsigned long long seed, hash;
};

static bool next_golden(struct golden *g, FILE *list)
{
    return fscanf(list, "%d %15s %15s %ld %ld %ld %ld %llu %llx",
                  &g->channels, g->filter, g->fit, &g->w, &g->h, &g->to_w,
                  &g->to_h, &g->seed, &g->hash) == 9;
}

static void resized_bytes_are_those_of_pillow(void **state)
{
    FILE *list = fopen("tests/golden/resize.txt", "r");
    struct golden g;
    int stretched = 0, fitted = 0;

    (void)state;
    assert_non_null(list);
    while (next_golden(&g, list)) {
        const uint8_t color[3] = {g.channels == 1 ? 7 : 122,
                                  g.channels == 1 ? 7 : 116,
                                  g.channels == 1 ? 7 : 104};
        const enum medvl_filter filter = strcmp(g.filter, "bicubic") == 0
                                             ? MEDVL_FILTER_BICUBIC
                                             : MEDVL_FILTER_BILINEAR;
        const enum medvl_fit fit = g.fit[0] == 'p'   ? MEDVL_FIT_PAD
                                   : g.fit[0] == 'c' ? MEDVL_FIT_CROP
                                                     : MEDVL_FIT_STRETCH;
        struct medvl_picture in, out = {0}, plain = {0};

        make(&in, g.w, g.h, g.channels, g.seed, g.seed % 3 == 2);
        assert_int_equal(medvl_picture_fit(&out, &in, g.to_w, g.to_h, fit,
                                           filter, color, 0, NULL, &err),
                         0);
        if (fit == MEDVL_FIT_STRETCH)
            assert_int_equal(medvl_picture_resize_with(&plain, &in, g.to_w,
                                                       g.to_h, filter, false,
                                                       &err),
                             0);
        if (fnv(&out) != g.hash || (plain.data && fnv(&plain) != g.hash))
            fail_msg("%s %s, %ld x %ld to %ld x %ld, %d channels: %s",
                     g.filter, g.fit, g.w, g.h, g.to_w, g.to_h, g.channels,
                     fnv(&out) != g.hash ? "differs" : "plain differs");
        stretched += fit == MEDVL_FIT_STRETCH;
        fitted += fit != MEDVL_FIT_STRETCH;
        medvl_picture_release(&in);
        medvl_picture_release(&out);
        medvl_picture_release(&plain);
    }
    fclose(list);
    assert_true(stretched >= 400 && fitted >= 400);
}

static void the_plain_and_the_avx2_form_agree_on_large_pictures(void **state)
{
    static const int64_t SIZES[][4] = {
        {1000, 700, 336, 235}, {301, 803, 77, 336}, {64, 64, 640, 333}};

    (void)state;
    if (!have_fast())
        skip();
    for (int i = 0; i < 3; i++)
        for (int channels = 1; channels <= 3; channels += 2) {
            struct medvl_picture in, out = {0}, plain = {0};

            make(&in, SIZES[i][0], SIZES[i][1], channels, 5, i == 1);
            for (int fast = 0; fast < 2; fast++)
                assert_int_equal(
                    medvl_picture_resize_with(
                        fast ? &out : &plain, &in, SIZES[i][2], SIZES[i][3],
                        MEDVL_FILTER_BICUBIC, fast, &err),
                    0);
            assert_memory_equal(out.data, plain.data,
                                medvl_picture_bytes(&out));
            medvl_picture_release(&in);
            medvl_picture_release(&out);
            medvl_picture_release(&plain);
        }
}

static void a_side_over_the_limit_is_refused(void **state)
{
    const uint8_t black[3] = {0};
    struct medvl_picture in, out = {0};

    (void)state;
    make(&in, 5000, 7, 1, 1, false);
    assert_int_equal(medvl_picture_resize(&out, &in, 65536, 7,
                                          MEDVL_FILTER_BICUBIC, &err),
                     MEDVL_EARG);
    assert_non_null(strstr(err.text, "65536 x 7"));
    assert_non_null(strstr(err.text, "1..65535"));
    assert_int_equal(medvl_picture_resize(&out, &in, 0, 7,
                                          MEDVL_FILTER_BICUBIC, &err),
                     MEDVL_EARG);
    /* Covering 336 rows takes 240000 columns. */
    assert_int_equal(medvl_picture_fit(&out, &in, 336, 336, MEDVL_FIT_CROP,
                                       MEDVL_FILTER_BICUBIC, black, 0, NULL,
                                       &err),
                     MEDVL_EARG);
    assert_non_null(strstr(err.text, "240000 x 336"));
    assert_null(out.data);
    medvl_picture_release(&in);
}

static void crop_takes_the_rectangle(void **state)
{
    struct medvl_picture in, out = {0};

    (void)state;
    make(&in, 5, 4, 3, 1, false);
    assert_int_equal(medvl_picture_crop(&out, &in, 2, 1, 3, 2, &err), 0);
    for (int y = 0; y < 2; y++)
        assert_memory_equal((uint8_t *)out.data + y * 9,
                            (uint8_t *)in.data + (y + 1) * 15 + 6, 9);
    medvl_picture_release(&out);
    assert_int_equal(medvl_picture_crop(&out, &in, 3, 0, 3, 2, &err),
                     MEDVL_EARG);
    medvl_picture_release(&in);
}

static void grey_padded_with_a_colour_becomes_rgb(void **state)
{
    const uint8_t color[3] = {122, 116, 104};
    struct medvl_picture in, out = {0};
    const uint8_t *data;

    (void)state;
    make(&in, 2, 1, 1, 1, false);
    assert_int_equal(medvl_picture_pad(&out, &in, 1, 1, 4, 3, color, &err),
                     0);
    assert_int_equal(out.channels, 3);
    data = out.data;
    assert_memory_equal(data, color, 3);
    for (int i = 0; i < 6; i++)
        assert_int_equal(data[15 + i], ((uint8_t *)in.data)[i / 3]);
    assert_memory_equal(data + 33, color, 3);
    medvl_picture_release(&out);
    medvl_picture_release(&in);
}

static void crop_fit_truncates_the_long_side_and_centres_down(void **state)
{
    struct medvl_picture in, whole = {0}, cut = {0}, out = {0};
    struct medvl_placement placed;

    (void)state;
    /* 305 x 427 to 224: 224 x 313 (313.6 cut), rows from 44 (44.5 cut) */
    make(&in, 305, 427, 3, 5, false);
    assert_int_equal(medvl_picture_resize(&whole, &in, 224, 313,
                                          MEDVL_FILTER_BICUBIC, &err),
                     0);
    assert_int_equal(medvl_picture_crop(&cut, &whole, 0, 44, 224, 224, &err),
                     0);
    assert_int_equal(medvl_picture_fit(&out, &in, 224, 224, MEDVL_FIT_CROP,
                                       MEDVL_FILTER_BICUBIC, NULL, 0, &placed,
                                       &err),
                     0);
    assert_memory_equal(out.data, cut.data, 224 * 224 * 3);
    assert_true(placed.y0 == -44 && placed.x0 == 0);
    assert_true(placed.scale_y == 313.0 / 427);
    medvl_picture_release(&whole);
    medvl_picture_release(&cut);
    medvl_picture_release(&out);
    medvl_picture_release(&in);
}

static void pad_fit_says_where_the_picture_went(void **state)
{
    const uint8_t black[3] = {0, 0, 0};
    struct medvl_picture in, out = {0};
    struct medvl_placement placed;

    (void)state;
    make(&in, 10, 5, 1, 5, false);
    memset(in.data, 255, 50);
    assert_int_equal(medvl_picture_fit(&out, &in, 20, 20, MEDVL_FIT_PAD,
                                       MEDVL_FILTER_BICUBIC, black, 0,
                                       &placed, &err),
                     0);
    assert_int_equal(out.width, 20);
    assert_int_equal(out.height, 20);
    /* 10 x 10 canvas, 2 rows above: doubled, rows 4 to 14 */
    assert_true(placed.y0 == 4 && placed.x0 == 0 && placed.scale_x == 2);
    assert_int_equal(((uint8_t *)out.data)[20 * 1 + 10], 0);
    assert_int_equal(((uint8_t *)out.data)[20 * 9 + 10], 255);
    assert_int_equal(((uint8_t *)out.data)[20 * 18 + 10], 0);
    medvl_picture_release(&out);
    medvl_picture_release(&in);
}

static void a_canvas_over_the_limit_is_refused_before_it_is_made(void **state)
{
    const uint8_t black[3] = {0, 0, 0};
    struct medvl_picture in, out = {0};

    (void)state;
    make(&in, 60000, 1, 1, 5, false);
    assert_int_equal(medvl_picture_fit(&out, &in, 8, 8, MEDVL_FIT_PAD,
                                       MEDVL_FILTER_BICUBIC, black, 0, NULL,
                                       &err),
                     MEDVL_EARG);
    assert_null(out.data);
    medvl_picture_release(&in);
}

static void sixteen_bits_are_not_resized_by_guess(void **state)
{
    struct medvl_picture in = {0}, out = {0};

    (void)state;
    assert_int_equal(medvl_picture_make(&in, 4, 4, 1, 16, &err), 0);
    assert_int_equal(medvl_picture_resize(&out, &in, 2, 2,
                                          MEDVL_FILTER_BICUBIC, &err),
                     MEDVL_EARG);
    medvl_picture_release(&in);
}

static void colours_are_names_or_three_numbers(void **state)
{
    static const char *const BAD[] = {"", "1,2", "1,2,3,4", "1,2,256", "pink!",
                                      "1,,3", "-1,2,3", "1,2,3,"};
    uint8_t rgb[3];

    (void)state;
    assert_int_equal(medvl_color_parse(rgb, "mean", &err), 0);
    assert_true(rgb[0] == 122 && rgb[1] == 116 && rgb[2] == 104);
    assert_int_equal(medvl_color_parse(rgb, "1,20,255", &err), 0);
    assert_true(rgb[0] == 1 && rgb[1] == 20 && rgb[2] == 255);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        assert_int_equal(medvl_color_parse(rgb, BAD[i], &err), MEDVL_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resized_bytes_are_those_of_pillow),
        cmocka_unit_test(
            the_plain_and_the_avx2_form_agree_on_large_pictures),
        cmocka_unit_test(a_side_over_the_limit_is_refused),
        cmocka_unit_test(crop_takes_the_rectangle),
        cmocka_unit_test(grey_padded_with_a_colour_becomes_rgb),
        cmocka_unit_test(crop_fit_truncates_the_long_side_and_centres_down),
        cmocka_unit_test(pad_fit_says_where_the_picture_went),
        cmocka_unit_test(a_canvas_over_the_limit_is_refused_before_it_is_made),
        cmocka_unit_test(sixteen_bits_are_not_resized_by_guess),
        cmocka_unit_test(colours_are_names_or_three_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
