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

/* LLaVA-NeXT on squares of 336 with patches of 14. */
static const struct medvl_config TILES = {
    .family = MEDVL_FAMILY_LLAVA_NEXT,
    .naming = MEDVL_NAMING_LLAVA,
    .vision = {.merge = 1, .image_size = 336, .patch_size = 14},
    .merge = MEDVL_MERGE_SPATIAL_UNPAD};

static void rows_of_padding_are_no_tokens(void **state)
{
    /* Made by the repository's own functions; width and height, tiles
     * across and down, tokens with newlines and base view. */
    static const int CASES[][5] = {
        {512, 512, 2, 2, 2928},
        {1000, 600, 2, 2, 1948},
        {600, 1000, 2, 2, 1968},
        {2500, 3056, 2, 2, 2544},
        {300, 200, 1, 2, 976},
        {1600, 400, 3, 1, 1890},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        const struct medvl_grid grid = {.width = CASES[i][0],
                                        .height = CASES[i][1],
                                        .rows = 24,
                                        .columns = 24,
                                        .tiles_across = CASES[i][2],
                                        .tiles_down = CASES[i][3]};

        assert_int_equal(medvl_grid_tokens(&TILES, &grid), CASES[i][4]);
    }
}

static void tiles_stand_in_one_grid(void **state)
{
    static const int32_t UNPADDED[] = {0, 1, 2, 3, 6, 7, 10, 11, -1,
                                       12, 13, 16, 17, -1};
    static const int32_t SPATIAL[] = {0, 1, 2, 3, 4, 5, 8, 9,
                                      6, 7, 10, 11, 12, 13, 16, 17,
                                      14, 15, 18, 19};
    struct medvl_config config = TILES;
    const struct medvl_grid grid = {.width = 40,
                                    .height = 20,
                                    .rows = 2,
                                    .columns = 2,
                                    .tiles_across = 2,
                                    .tiles_down = 2};
    int32_t places[20];

    (void)state;
    assert_int_equal(medvl_grid_tokens(&config, &grid), 14);
    medvl_grid_places(places, &config, &grid);
    assert_memory_equal(places, UNPADDED, sizeof(UNPADDED));
    config.merge = MEDVL_MERGE_SPATIAL;
    assert_int_equal(medvl_grid_tokens(&config, &grid), 20);
    medvl_grid_places(places, &config, &grid);
    assert_memory_equal(places, SPATIAL, sizeof(SPATIAL));
    config.merge = MEDVL_MERGE_FLAT;
    assert_int_equal(medvl_grid_tokens(&config, &grid), 20);
    medvl_grid_places(places, &config, &grid);
    for (int i = 0; i < 20; i++)
        assert_int_equal(places[i], i);
}

/*
 * Of all pictures up to 199 x 199 on a grid of 48: where a product that is
 * whole comes out just below, only transformers rounds it up.  Both numbers
 * are what the two functions give in Python.
 */
static void each_repository_rounds_in_its_way(void **state)
{
    struct medvl_config config = TILES;
    int64_t sum[2] = {0};

    (void)state;
    for (int original = 0; original < 2; original++)
        for (int i = 0; i < 199 * 199; i++) {
            const struct medvl_grid grid = {.width = 1 + i / 199,
                                            .height = 1 + i % 199,
                                            .rows = 24,
                                            .columns = 24,
                                            .tiles_across = 2,
                                            .tiles_down = 2};

            config.naming = original ? MEDVL_NAMING_ORIGINAL
                                     : MEDVL_NAMING_LLAVA;
            sum[original] += medvl_grid_tokens(&config, &grid) - 576;
        }
    assert_int_equal(sum[0], 47293144);
    assert_int_equal(sum[1], 47292756);
}

static void many_tokens_are_shrunk_to_so_many_views(void **state)
{
    struct medvl_config config = TILES;
    const struct medvl_grid grid = {.width = 90,
                                    .height = 90,
                                    .rows = 2,
                                    .columns = 2,
                                    .tiles_across = 3,
                                    .tiles_down = 3};
    int32_t index[4 * 24];
    float weight[4 * 24];

    (void)state;
    config.max_views = 8; /* 36 features of 32: not by more than 1.1 */
    assert_int_equal(medvl_grid_tokens(&config, &grid), 4 + 6 * 7);
    config.max_views = 4; /* 6 x 6 becomes 4 x 4 */
    assert_int_equal(medvl_grid_tokens(&config, &grid), 4 + 4 * 5);
    medvl_grid_mix(index, weight, &config, &grid);
    assert_int_equal(index[4 * 3], 3);
    CHECK_CLOSE(weight[4 * 3], 1, 0);
    assert_int_equal(index[4 * 3 + 1], -1);
    /* The first: 0.25 of the way from the grid's first to its next. */
    assert_int_equal(index[4 * 4], 4);
    assert_int_equal(index[4 * 4 + 1], 5);
    assert_int_equal(index[4 * 4 + 2], 6);
    assert_int_equal(index[4 * 4 + 3], 7);
    CHECK_CLOSE(weight[4 * 4], 0.5625, 1e-6);
    CHECK_CLOSE(weight[4 * 4 + 3], 0.0625, 1e-6);
    assert_int_equal(index[4 * 8], -1); /* the row's newline */
    assert_int_equal(index[4 * 23], -1);
}

/*
 * A quotient just below a whole number: 72 // 1.19... is 60 to Python, which
 * rounds (72 - 72 % 1.19...) / 1.19..., here 59.99...
 */
static void shrinking_divides_as_python_does(void **state)
{
    struct medvl_config config = TILES;
    const struct medvl_grid grid = {.width = 102,
                                    .height = 72,
                                    .rows = 24,
                                    .columns = 24,
                                    .tiles_across = 5,
                                    .tiles_down = 3};

    (void)state;
    config.max_views = 9; /* 72 x 102 of 5184 features */
    assert_int_equal(medvl_grid_tokens(&config, &grid), 576 + 60 * 86);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_view_takes_its_patches),
        cmocka_unit_test(merged_patches_are_one_token),
        cmocka_unit_test(positions_of_one_axis_count_on),
        cmocka_unit_test(pictures_stand_in_a_plane_of_three_axes),
        cmocka_unit_test(rows_of_padding_are_no_tokens),
        cmocka_unit_test(tiles_stand_in_one_grid),
        cmocka_unit_test(each_repository_rounds_in_its_way),
        cmocka_unit_test(many_tokens_are_shrunk_to_so_many_views),
        cmocka_unit_test(shrinking_divides_as_python_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
