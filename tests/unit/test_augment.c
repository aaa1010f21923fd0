/*
 * Augmentation: the option text, the map, what follows it, and that a draw
 * depends on nothing but its stream.
 */
#include "tests/unit/check.h"

#include "lib/image/augment.h"
#include "lib/image/shape.h"

static struct medvl_error err;
static const uint8_t BLACK[3] = {0, 0, 0};

static void the_option_names_what_may_change(void **state)
{
    static const char *const BAD[] = {
        "", "shift", "shift=", "shift=2", "shift=-1", "turn=3",
        "shift=0.1,shift=0.1", "shift=0.1,", "rotate=181", "scale=1.1..0.9",
        "scale=0..2", "noise=x", "hflip=1.1", "vflip=-0.1", "blur=201"};
    struct medvl_augment a;

    (void)state;
    CHECK_OK(medvl_augment_parse(&a,
                                 "shift=0.05,scale=0.1,rotate=5,"
                                 "contrast=0.15,brightness=0.1,gamma=0.2,"
                                 "noise=0.01",
                                 &err),
             &err);
    assert_true(a.shift == 0.05 && a.rotate == 5 && a.contrast == 0.15 &&
                a.brightness == 0.1 && a.gamma == 0.2 && a.noise == 0.01);
    assert_true(a.scale[0] == 0.9 && a.scale[1] == 1.1);
    assert_true(a.hflip == 0 && a.vflip == 0 && a.blur == 0);
    CHECK_OK(medvl_augment_parse(&a, "hflip=0.5,vflip=1,blur=2.5", &err),
             &err);
    assert_true(a.hflip == 0.5 && a.vflip == 1 && a.blur == 2.5);
    CHECK_OK(medvl_augment_parse(&a, "scale=0.88..1.15", &err), &err);
    assert_true(a.scale[0] == 0.88 && a.scale[1] == 1.15 && a.shift == 0);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        if (medvl_augment_parse(&a, BAD[i], &err) >= 0)
            fail_msg("'%s' is taken", BAD[i]);
}

static struct medvl_draw draw(const char *text, uint64_t item,
                              struct medvl_rng *rng)
{
    struct medvl_augment a = {0};
    struct medvl_draw out;

    CHECK_OK(medvl_augment_parse(&a, text, &err), &err);
    medvl_rng_init(rng, 9, MEDVL_PURPOSE_AUGMENT, item);
    medvl_augment_draw(&out, rng, &a, 40, 30);
    return out;
}

static void a_draw_stays_within_its_reach(void **state)
{
    bool left = false, right = false;

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        struct medvl_rng rng;
        const struct medvl_draw d =
            draw("shift=0.1,scale=0.8..1.25,rotate=10,gamma=0.3", i, &rng);
        const double *m = d.map.m;
        const double scale = hypot(m[0], m[3]);
        const double turn = atan2(m[3], m[0]) * 180 / acos(-1);
        /* the centre moves by the shift alone */
        const double dx = m[0] * 20 + m[1] * 15 + m[2] - 20;
        const double dy = m[3] * 20 + m[4] * 15 + m[5] - 15;

        assert_true(scale >= 0.8 - 1e-9 && scale <= 1.25 + 1e-9);
        assert_true(fabs(turn) <= 10 + 1e-9);
        assert_true(fabs(dx) <= 4 + 1e-9 && fabs(dy) <= 3 + 1e-9);
        assert_true(fabs(log(d.gamma)) <= 0.3 + 1e-9);
        assert_true(d.contrast == 1 && d.brightness == 0 && d.noise == 0);
        left = left || dx < -3;
        right = right || dx > 3;
    }
    assert_true(left && right);
}

static void switching_one_off_leaves_the_others(void **state)
{
    struct medvl_rng rng;
    const struct medvl_draw a = draw("shift=0.1,rotate=9,gamma=0.3", 5, &rng);
    const struct medvl_draw b = draw("gamma=0.3", 5, &rng);
    const struct medvl_draw c = draw("gamma=0.3", 6, &rng);

    (void)state;
    assert_true(a.gamma == b.gamma && b.gamma != c.gamma);
    assert_true(medvl_affine_is_identity(&b.map));
    assert_false(medvl_affine_is_identity(&a.map));
}

/* The numbers of the first release: a seed stays worth what it was. */
static void the_first_seven_draws_are_what_they_were(void **state)
{
    static const char OLD[] = "shift=0.1,scale=0.1,rotate=9,contrast=0.2,"
                              "brightness=0.1,gamma=0.3,noise=0.01";
    char all[200];
    struct medvl_rng rng, more;
    const struct medvl_draw a = draw(OLD, 5, &rng);
    struct medvl_draw b;

    (void)state;
    snprintf(all, sizeof(all), "%s,hflip=0.5,vflip=0.5,blur=3", OLD);
    b = draw(all, 5, &more);
    assert_memory_equal(&a.map, &b.map, sizeof(a.map));
    assert_true(a.contrast == b.contrast && a.brightness == b.brightness &&
                a.gamma == b.gamma);
    assert_true(a.blur == 0 && b.blur > 0 && b.blur <= 3);
    assert_int_equal(medvl_rng_u32(&rng), 2417781666);
    assert_int_equal(medvl_rng_u32(&more), 2417781666);
    CHECK_CLOSE(a.map.m[0], 1.09311340431132, 1e-12);
    CHECK_CLOSE(a.map.m[2], -4.04761190013607, 1e-12);
    CHECK_CLOSE(a.contrast, 1.02669710839381, 1e-12);
    CHECK_CLOSE(a.gamma, 1.06911046456706, 1e-12);
}

static void flips_come_as_often_as_asked(void **state)
{
    struct medvl_augment a = {.hflip = 0.25, .vflip = 0.5};
    int across = 0, down = 0, both = 0, with_shift = 0;

    (void)state;
    for (uint64_t i = 0; i < 4000; i++) {
        struct medvl_rng rng;
        struct medvl_flip flip, alone;

        medvl_rng_init(&rng, 9, MEDVL_PURPOSE_AUGMENT, i);
        flip = medvl_augment_flip(&rng, &a);
        across += flip.across;
        down += flip.down;
        both += flip.across && flip.down;
        with_shift += flip.across && medvl_rng_unit(&rng) < 0.5;
        alone = medvl_augment_flip(&rng,
                                   &(struct medvl_augment){.vflip = 0.5});
        assert_true(!alone.across && alone.down == flip.down);
        flip = medvl_augment_flip(&rng, &(struct medvl_augment){.hflip = 1});
        assert_true(flip.across && !flip.down);
    }
    CHECK_CLOSE(across, 1000, 100);
    CHECK_CLOSE(down, 2000, 120);
    CHECK_CLOSE(both, 500, 80);
    CHECK_CLOSE(with_shift, 500, 80);
}

/* Sizes on both sides of the eight bytes that are turned at once. */
static void a_flip_alone_moves_whole_pixels(void **state)
{
    static const struct medvl_flip WAYS[] = {
        {true, false}, {false, true}, {true, true}};

    (void)state;
    for (int size = 1; size < 40; size += 3)
        for (int channels = 1; channels <= 3; channels += 2)
            for (int way = 0; way < 3; way++) {
                struct medvl_picture in = {0}, out = {0}, back = {0};
                const int w = size, h = 41 - size;
                struct medvl_rng rng;
                struct medvl_draw d = draw("hflip=0", 1, &rng);

                CHECK_OK(medvl_picture_make(&in, w, h, channels, 8, &err),
                         &err);
                for (int i = 0; i < w * h * channels; i++)
                    ((uint8_t *)in.data)[i] = (uint8_t)(i * 7 + i / 251);
                medvl_draw_flip(&d, WAYS[way], w, h);
                CHECK_OK(medvl_augment_apply(&out, &in, &d, &rng, BLACK,
                                             &err),
                         &err);
                for (int y = 0; y < h; y++)
                    for (int x = 0; x < w; x++) {
                        const int u = WAYS[way].across ? w - 1 - x : x;
                        const int v = WAYS[way].down ? h - 1 - y : y;

                        assert_memory_equal(
                            (uint8_t *)out.data + (y * w + x) * channels,
                            (uint8_t *)in.data + (v * w + u) * channels,
                            (size_t)channels);
                    }
                CHECK_OK(medvl_augment_apply(&back, &out, &d, &rng, BLACK,
                                             &err),
                         &err);
                assert_memory_equal(back.data, in.data,
                                    medvl_picture_bytes(&in));
                medvl_picture_release(&in);
                medvl_picture_release(&out);
                medvl_picture_release(&back);
            }
}

/* The mask of 40 x 30 after the map. */
static int move_mask(struct medvl_mask *out, const struct medvl_mask *in,
                     const struct medvl_affine *map)
{
    struct medvl_steps steps = {.width = 40, .height = 30};
    struct medvl_shape shape = {0};
    int rc = medvl_mask_make(&shape.mask, 40, 30, &err);

    medvl_steps_add(&steps, map, 40, 30);
    if (rc == MEDVL_OK) {
        memcpy(shape.mask.data, in->data, 40 * 30);
        rc = medvl_shape_move(&shape, &steps, &err);
    }
    *out = shape.mask;
    return rc;
}

static void a_flip_carries_boxes_and_masks_exactly(void **state)
{
    struct medvl_rng rng;
    struct medvl_draw d = draw("hflip=0", 1, &rng);
    struct medvl_mask mask = {0}, moved = {0}, back = {0};
    struct medvl_box box;

    (void)state;
    medvl_draw_flip(&d, (struct medvl_flip){true, true}, 40, 30);
    CHECK_OK(medvl_mask_make(&mask, 40, 30, &err), &err);
    for (int y = 3; y < 9; y++)
        for (int x = 0; x < 5 + y; x++)
            mask.data[y * 40 + x] = 1;
    CHECK_OK(move_mask(&moved, &mask, &d.map), &err);
    CHECK_OK(move_mask(&back, &moved, &d.map), &err);
    assert_memory_equal(mask.data, back.data, 40 * 30);
    assert_true(medvl_mask_box(&box, &mask));
    box = medvl_affine_box(&d.map, box);
    assert_true(box.x0 == 27 && box.x1 == 40 && box.y0 == 21 &&
                box.y1 == 27);
    assert_true(medvl_mask_box(&box, &moved));
    assert_true(box.x0 == 27 && box.x1 == 40 && box.y0 == 21 &&
                box.y1 == 27);
    medvl_mask_release(&mask);
    medvl_mask_release(&moved);
    medvl_mask_release(&back);
}

/* A flip and then the shift: what was left of the middle goes right of it. */
static void a_flip_comes_before_the_rest(void **state)
{
    struct medvl_rng rng;
    const struct medvl_draw plain = draw("shift=0.2,rotate=20", 3, &rng);
    struct medvl_draw d = plain;
    const double *m = plain.map.m, *n = d.map.m;

    (void)state;
    medvl_draw_flip(&d, (struct medvl_flip){true, false}, 40, 30);
    CHECK_CLOSE(n[0] * 3 + n[1] * 7 + n[2], m[0] * 37 + m[1] * 7 + m[2],
                1e-9);
    CHECK_CLOSE(n[3] * 3 + n[4] * 7 + n[5], m[3] * 37 + m[4] * 7 + m[5],
                1e-9);
}

static void box_mask_and_pixels_move_together(void **state)
{
    for (uint64_t item = 0; item < 20; item++) {
        struct medvl_picture in = {0}, out = {0};
        struct medvl_mask mask = {0}, moved = {0};
        struct medvl_box box, hull;
        struct medvl_rng rng;
        const struct medvl_draw d =
            draw("shift=0.1,scale=0.1,rotate=20", item, &rng);
        int64_t differ = 0;

        (void)state;
        CHECK_OK(medvl_picture_make(&in, 40, 30, 1, 8, &err), &err);
        CHECK_OK(medvl_mask_make(&mask, 40, 30, &err), &err);
        for (int y = 10; y < 20; y++)
            for (int x = 12; x < 28; x++) {
                ((uint8_t *)in.data)[y * 40 + x] = 255;
                mask.data[y * 40 + x] = 1;
            }
        CHECK_OK(medvl_augment_apply(&out, &in, &d, &rng, BLACK, &err), &err);
        CHECK_OK(move_mask(&moved, &mask, &d.map),
                 &err);
        for (int i = 0; i < 1200; i++)
            differ += (((uint8_t *)out.data)[i] > 127) != moved.data[i];
        /* at most a few pixels at the corners, where bilinear rounds */
        assert_true(differ <= 8);
        assert_true(medvl_mask_area(&moved) > 100);
        hull = medvl_affine_box(&d.map, (struct medvl_box){12, 10, 28, 20});
        assert_true(medvl_box_clip(&hull, 40, 30));
        assert_true(medvl_mask_box(&box, &moved));
        assert_true(box.x0 >= hull.x0 - 1 && box.x1 <= hull.x1 + 1 &&
                    box.y0 >= hull.y0 - 1 && box.y1 <= hull.y1 + 1);
        medvl_picture_release(&in);
        medvl_picture_release(&out);
        medvl_mask_release(&mask);
        medvl_mask_release(&moved);
    }
}

static void levels_change_as_the_header_says(void **state)
{
    struct medvl_draw d = {{{1, 0, 0, 0, 1, 0}}, 1.5, 0.1, 2, 0, 0};
    struct medvl_picture in = {0}, out = {0};
    struct medvl_rng rng = {0};

    (void)state;
    CHECK_OK(medvl_picture_make(&in, 256, 1, 1, 8, &err), &err);
    for (int i = 0; i < 256; i++)
        ((uint8_t *)in.data)[i] = (uint8_t)i;
    CHECK_OK(medvl_augment_apply(&out, &in, &d, &rng, BLACK, &err), &err);
    for (int i = 0; i < 256; i++) {
        const double v = i / 255.0;
        double want = (v * v - 0.5) * 1.5 + 0.5 + 0.1;

        want = want < 0 ? 0 : want > 1 ? 1
                                       : want;
        CHECK_CLOSE(((uint8_t *)out.data)[i], want * 255, 0.5001);
    }
    medvl_picture_release(&out);
    d = (struct medvl_draw){{{1, 0, 0, 0, 1, 0}}, 1, 0, 1, 0.1, 0};
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_AUGMENT, 1);
    memset(in.data, 128, 256);
    CHECK_OK(medvl_augment_apply(&out, &in, &d, &rng, BLACK, &err), &err);
    double sum = 0, square = 0;

    for (int i = 0; i < 256; i++) {
        const double v = (((uint8_t *)out.data)[i] - 128) / 255.0;

        sum += v;
        square += v * v;
    }
    CHECK_CLOSE(sum / 256, 0, 0.03);
    CHECK_CLOSE(sqrt(square / 256), 0.1, 0.02);
    medvl_picture_release(&in);
    medvl_picture_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_option_names_what_may_change),
        cmocka_unit_test(a_draw_stays_within_its_reach),
        cmocka_unit_test(switching_one_off_leaves_the_others),
        cmocka_unit_test(the_first_seven_draws_are_what_they_were),
        cmocka_unit_test(flips_come_as_often_as_asked),
        cmocka_unit_test(a_flip_alone_moves_whole_pixels),
        cmocka_unit_test(a_flip_carries_boxes_and_masks_exactly),
        cmocka_unit_test(a_flip_comes_before_the_rest),
        cmocka_unit_test(box_mask_and_pixels_move_together),
        cmocka_unit_test(levels_change_as_the_header_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
