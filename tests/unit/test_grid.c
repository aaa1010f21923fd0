/*
 * Grids: what pictures take of tokens and positions.
 */
#include "tests/unit/check.h"

#include "lib/model/grid.h"

static void one_view_takes_its_patches(void **state)
{
    struct medvl_config config = {.vision = {.merge = 1}};
    const struct medvl_grid grid = {.rows = 3, .columns = 2};
    int32_t places[7];

    (void)state;
    assert_int_equal(medvl_grid_views(&grid), 1);
    assert_int_equal(medvl_grid_tokens(&config, &grid), 6);
    config.vision.keep_class = true;
    assert_int_equal(medvl_grid_features(&config, &grid), 7);
    assert_int_equal(medvl_grid_tokens(&config, &grid), 7);
    medvl_grid_places(places, &config, &grid);
    for (int i = 0; i < 7; i++)
        assert_int_equal(places[i], i);
}

static void merged_patches_are_one_token(void **state)
{
    const struct medvl_config config = {.vision = {.merge = 2}};
    const struct medvl_grid grid = {.rows = 6, .columns = 4};

    (void)state;
    assert_int_equal(medvl_grid_tokens(&config, &grid), 6);
}

static void positions_of_one_axis_count_on(void **state)
{
    const struct medvl_config config = {.vision = {.merge = 1}};
    const struct medvl_grid grid = {.rows = 2, .columns = 1};
    const int32_t ids[] = {5, -1, -1, 6};
    int32_t out[4];

    (void)state;
    assert_int_equal(medvl_grid_positions(out, &config, ids, 4, &grid, 10),
                     14);
    for (int i = 0; i < 4; i++)
        assert_int_equal(out[i], 10 + i);
}

/* Text counts on behind the larger side of a picture. */
static void pictures_stand_in_a_plane_of_three_axes(void **state)
{
    const struct medvl_config config = {.vision = {.merge = 2},
                                        .decoder = {.mrope = {1, 1, 1}}};
    const struct medvl_grid grids[] = {{.rows = 4, .columns = 6},
                                       {.rows = 4, .columns = 2}};
    const int32_t ids[] = {5, -1, -1, -1, -1, -1, -1, -1, -1, 6};
    const int32_t want[10][3] = {
        {7, 7, 7},
        {8, 8, 8},
        {8, 8, 9},
        {8, 8, 10},
        {8, 9, 8},
        {8, 9, 9},
        {8, 9, 10},
        {11, 11, 11},
        {11, 12, 11},
        {13, 13, 13},
    };
    int32_t out[10][3];

    (void)state;
    assert_int_equal(
        medvl_grid_positions(out[0], &config, ids, 10, grids, 7), 14);
    assert_memory_equal(out, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_view_takes_its_patches),
        cmocka_unit_test(merged_patches_are_one_token),
        cmocka_unit_test(positions_of_one_axis_count_on),
        cmocka_unit_test(pictures_stand_in_a_plane_of_three_axes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
