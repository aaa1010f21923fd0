/*
 * The gallery: a picture goes through the tower once, and what is kept is
 * what the tower would give, to the bit.
 */
#include "tests/unit/model.h"
#include "tests/unit/passes.h"

#include "lib/model/gallery.h"

enum { TOKENS = PICTURE_TOKENS,
       ROW = PICTURE_ROW,
       C = 28,
       KINDS = 5 };

static float pictures[KINDS][TOKENS * ROW];

/* Ask for these pictures, by number, and compare with `want`. */
static void ask(struct medvl_gallery *g, struct subject *s,
                const float want[KINDS][TOKENS * C], const int *numbers,
                int count)
{
    struct medvl_tensor out;

    medvl_gallery_begin(g);
    for (int i = 0; i < count; i++) {
        struct medvl_pictures one = passes_pictures(pictures[numbers[i]], 1,
                                                    numbers[i]);

        CHECK_OK(medvl_gallery_add(g, &one, &s->err), &s->err);
    }
    CHECK_OK(medvl_gallery_features(&out, g, s->tape, &s->err), &s->err);
    assert_int_equal(out.size[0], count * TOKENS);
    assert_int_equal(out.size[1], C);
    for (int i = 0; i < count; i++)
        assert_memory_equal((float *)out.data + i * TOKENS * C,
                            want[numbers[i]], sizeof(want[0]));
}

static void encode_alone(float out[TOKENS * C], struct subject *s, int number)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_pictures one = passes_pictures(pictures[number], 1, number);
    struct medvl_var *x;

    medvl_tape_begin(s->tape, &options, NULL);
    x = medvl_vlm_encode(s->tape, s->model, &one);
    CHECK_OK(medvl_tape_check(s->tape, &s->err), &s->err);
    memcpy(out, x->value.data, sizeof(float) * TOKENS * C);
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
}

static void each_picture_is_encoded_once(void **state)
{
    static float want[KINDS][TOKENS * C];
    struct medvl_gallery *g;
    struct subject s;

    (void)state;
    subject_open(&s, LLAVA, 0);
    for (int i = 0; i < KINDS; i++)
        encode_alone(want[i], &s, i);
    CHECK_OK(medvl_gallery_open(&g, s.model, 0, &s.err), &s.err);
    ask(g, &s, want, (int[]){3, 1, 3, 3}, 4);
    assert_int_equal(medvl_gallery_encoded(g), 2);
    ask(g, &s, want, (int[]){0, 1, 4, 3}, 4);
    assert_int_equal(medvl_gallery_encoded(g), 4);
    medvl_gallery_forget(g);
    ask(g, &s, want, (int[]){1}, 1);
    assert_int_equal(medvl_gallery_encoded(g), 5);
    medvl_gallery_free(g);
    subject_release(&s);
}

static void what_was_asked_for_and_not_encoded_is_not_kept(void **state)
{
    static float want[KINDS][TOKENS * C];
    struct medvl_pictures one = passes_pictures(pictures[2], 1, 2);
    struct medvl_gallery *g;
    struct subject s;

    (void)state;
    subject_open(&s, LLAVA, 0);
    encode_alone(want[2], &s, 2);
    CHECK_OK(medvl_gallery_open(&g, s.model, 0, &s.err), &s.err);
    medvl_gallery_begin(g);
    CHECK_OK(medvl_gallery_add(g, &one, &s.err), &s.err);
    ask(g, &s, want, (int[]){2, 2}, 2);
    assert_int_equal(medvl_gallery_encoded(g), 1);
    medvl_gallery_free(g);
    subject_release(&s);
}

/* A gallery with room for two pictures, and each kind of them encoded. */
static struct medvl_gallery *keep_two(struct subject *s,
                                      float want[KINDS][TOKENS * C])
{
    struct medvl_gallery *g;

    subject_open(s, LLAVA, 0);
    for (int i = 0; i < KINDS; i++)
        encode_alone(want[i], s, i);
    CHECK_OK(medvl_gallery_open(&g, s->model, 2 * sizeof(want[0]), &s->err),
             &s->err);
    return g;
}

static void the_longest_unused_makes_room(void **state)
{
    static float want[KINDS][TOKENS * C];
    struct medvl_gallery *g;
    struct subject s;

    (void)state;
    g = keep_two(&s, want);
    /* More at once than is kept is no fault. */
    ask(g, &s, want, (int[]){0, 1, 2, 0}, 4);
    assert_int_equal(medvl_gallery_encoded(g), 3);
    ask(g, &s, want, (int[]){2}, 1);
    assert_int_equal(medvl_gallery_encoded(g), 3);
    ask(g, &s, want, (int[]){3}, 1);
    ask(g, &s, want, (int[]){2}, 1);
    assert_int_equal(medvl_gallery_encoded(g), 4);
    ask(g, &s, want, (int[]){4}, 1);
    ask(g, &s, want, (int[]){3}, 1);
    assert_int_equal(medvl_gallery_encoded(g), 6);
    medvl_gallery_free(g);
    subject_release(&s);
}

static void the_oldest_goes_and_all_newer_stay(void **state)
{
    static float want[KINDS][TOKENS * C];
    struct medvl_gallery *g;
    struct subject s;

    (void)state;
    g = keep_two(&s, want);
    for (int i = 0; i < 3; i++)
        ask(g, &s, want, &i, 1);
    assert_int_equal(medvl_gallery_encoded(g), 3);
    /* Room is made for the fourth: 0 goes, 1 and 2 are there. */
    ask(g, &s, want, (int[]){2, 1}, 2);
    assert_int_equal(medvl_gallery_encoded(g), 3);
    ask(g, &s, want, (int[]){0}, 1);
    assert_int_equal(medvl_gallery_encoded(g), 4);
    medvl_gallery_free(g);
    subject_release(&s);
}

static void the_same_rows_in_another_grid_are_another_picture(void **state)
{
    const struct medvl_grid a = {.rows = 4, .columns = 4};
    const struct medvl_grid b = {.rows = 2, .columns = 8};
    struct medvl_picture_key keys[3];
    struct medvl_pictures p;

    (void)state;
    p = passes_pictures(pictures[0], 1, 0);
    p.grids = &a;
    medvl_picture_keys(&keys[0], &p);
    p.grids = &b;
    medvl_picture_keys(&keys[1], &p);
    p.grids = &a;
    pictures[0][TOKENS * ROW - 1] += 1;
    medvl_picture_keys(&keys[2], &p);
    assert_true(medvl_picture_same(&keys[0], &keys[0]));
    assert_false(medvl_picture_same(&keys[0], &keys[1]));
    assert_false(medvl_picture_same(&keys[0], &keys[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_picture_is_encoded_once),
        cmocka_unit_test(what_was_asked_for_and_not_encoded_is_not_kept),
        cmocka_unit_test(the_longest_unused_makes_room),
        cmocka_unit_test(the_oldest_goes_and_all_newer_stay),
        cmocka_unit_test(
            the_same_rows_in_another_grid_are_another_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
