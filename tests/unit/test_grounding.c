/* Boxes in text and their agreement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "lib/eval/grounding.h"

static void the_first_box_in_a_text_is_found(void **state)
{
    struct medvl_box box = {0};

    (void)state;
    assert_true(medvl_box_parse(
        &box, medvl_span("at [1], then [10, 20,30.5 ,40] and [0,0,1,1]")));
    assert_true(box.x0 == 10 && box.y0 == 20 && box.x1 == 30.5 &&
                box.y1 == 40);
    assert_true(medvl_box_parse(&box, medvl_span("[[1,2,3,4]]")));
    assert_true(box.y1 == 4);
    assert_true(medvl_box_parse(&box, medvl_span("[-1,2,3,4]")));
    assert_false(medvl_box_within(&box, 99));
}

static void what_is_no_box_is_not_taken(void **state)
{
    static const char *const bad[] = {
        "", "[", "[]", "[1,2,3]", "[1,2,3,4", "[1,2,3,4,5]", "1,2,3,4",
        "[a,2,3,4]", "[1 2 3 4]", "(1,2,3,4)", "[1,,3,4]", "[1,2,3,-]",
        "[1e5,2,3,4]", "[nan,2,3,4]", "[1,2,3,1-4]", "[1,2,3,99999999999]"};
    struct medvl_box box = {7, 7, 7, 7};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (medvl_box_parse(&box, medvl_span(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_true(box.x0 == 7);
}

static void bounds_are_zero_to_scale(void **state)
{
    const struct medvl_box whole = {0, 0, 99, 99}, over = {0, 0, 100, 99};
    const struct medvl_box turned = {5, 0, 4, 99};

    (void)state;
    assert_true(medvl_box_within(&whole, 99));
    assert_false(medvl_box_within(&over, 99));
    assert_false(medvl_box_within(&turned, 99));
}

static void iou_is_shared_area_over_all_area(void **state)
{
    const struct medvl_box a = {0, 0, 2, 2}, b = {1, 1, 3, 3};
    const struct medvl_box far = {5, 5, 6, 6}, touch = {2, 0, 4, 2};
    const struct medvl_box line = {1, 1, 1, 3}, turned = {3, 3, 1, 1};

    (void)state;
    assert_true(fabs(medvl_box_iou(&a, &b) - 1.0 / 7) < 1e-12);
    assert_true(medvl_box_iou(&a, &b) == medvl_box_iou(&b, &a));
    assert_true(medvl_box_iou(&a, &a) == 1);
    assert_true(medvl_box_iou(&a, &far) == 0);
    assert_true(medvl_box_iou(&a, &touch) == 0);
    assert_true(medvl_box_iou(&line, &line) == 1);
    assert_true(medvl_box_iou(&line, &a) == 0);
    assert_true(medvl_box_iou(&turned, &a) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_box_in_a_text_is_found),
        cmocka_unit_test(what_is_no_box_is_not_taken),
        cmocka_unit_test(bounds_are_zero_to_scale),
        cmocka_unit_test(iou_is_shared_area_over_all_area),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
