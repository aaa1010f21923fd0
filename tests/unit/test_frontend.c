/*
 * The frontend: what preprocessor_config.json says is done, what is not
 * built is refused by name, and patches lie where they say.
 */
#include "tests/unit/check.h"

#include "lib/model/frontend.h"

enum { SIDE = 8,
       PATCH = 4,
       ROW = 3 * PATCH * PATCH };

static const struct medvl_config CONFIG = {
    .family = MEDVL_FAMILY_LLAVA,
    .vision = {.image_size = SIDE, .patch_size = PATCH, .merge = 1}};

static const struct medvl_config TILES = {
    .family = MEDVL_FAMILY_LLAVA_NEXT,
    .vision = {.image_size = SIDE, .patch_size = PATCH, .merge = 1},
    .merge = MEDVL_MERGE_SPATIAL_UNPAD,
    .pinpoints = {{16, 8}, {8, 16}},
    .pinpoint_count = 2};

#define SQUARE "\"crop_size\":{\"height\":8,\"width\":8}"
#define NEXT   "{\"image_processor_type\":\"LlavaNextImageProcessor\""
#define SHORT  "\"size\":{\"shortest_edge\":8}"

static int open_for(struct medvl_frontend **out, const char *name,
                    const char *json, const struct medvl_config *config,
                    struct medvl_error *err)
{
    char *folder = check_temp("frontend"), *path = NULL;
    int rc;

    CHECK_OK(medvl_folder_make(folder, err), err);
    CHECK_OK(medvl_path_join(&path, folder, name, err), err);
    CHECK_OK(medvl_file_write(path, json, strlen(json), err), err);
    rc = medvl_frontend_open(out, folder, config, err);
    CHECK_OK(medvl_path_remove(folder, NULL), err);
    medvl_free(path);
    medvl_free(folder);
    return rc;
}

static int open_as(struct medvl_frontend **out, const char *name,
                   const char *json, struct medvl_error *err)
{
    return open_for(out, name, json,
                    strstr(json, "LlavaNext") ? &TILES : &CONFIG, err);
}

static struct medvl_frontend *open_config(const char *json,
                                          const struct medvl_config *config)
{
    struct medvl_frontend *f;
    struct medvl_error err = {0};

    CHECK_OK(open_for(&f, "preprocessor_config.json", json, config, &err),
             &err);
    return f;
}

static struct medvl_frontend *plain(const char *json)
{
    struct medvl_frontend *f;
    struct medvl_error err = {0};

    CHECK_OK(open_as(&f, "preprocessor_config.json", json, &err), &err);
    return f;
}

static void patches_stand_in_raster_order_by_channel(void **state)
{
    struct medvl_frontend *f = plain("{\"do_resize\":false,"
                                     "\"do_rescale\":false,"
                                     "\"do_normalize\":false," SQUARE "}");
    uint8_t data[10][9][3];
    const struct medvl_picture picture = {9, 10, 3, 8, data};
    float rows[4][ROW];
    struct medvl_error err = {0};

    (void)state;
    for (int y = 0; y < 10; y++)
        for (int x = 0; x < 9; x++)
            for (int c = 0; c < 3; c++)
                data[y][x][c] = (uint8_t)(20 * y + 2 * x + 80 * (c == 2));
    CHECK_OK(medvl_frontend_rows(rows[0], f, &picture, &err), &err);
    /* The middle begins at x 0 (of 1 spare), y 1 (of 2). */
    for (int p = 0; p < 4; p++)
        for (int i = 0; i < ROW; i++) {
            const int c = i / 16, y = 1 + p / 2 * 4 + i % 16 / 4;
            const int x = p % 2 * 4 + i % 4;

            CHECK_CLOSE(rows[p][i], data[y][x][c], 0);
        }
    medvl_frontend_free(f);
}

static void values_are_rescaled_and_normalized(void **state)
{
    struct medvl_frontend *f = plain(
        "{" SHORT "," SQUARE ",\"image_mean\":[0.5,0.25,0],"
        "\"image_std\":[0.5,1,2]}");
    uint8_t data[SIDE * SIDE];
    const struct medvl_picture grey = {SIDE, SIDE, 1, 8, data};
    float rows[4 * ROW];
    struct medvl_error err = {0};

    (void)state;
    memset(data, 51, sizeof(data)); /* 0.2 */
    CHECK_OK(medvl_frontend_rows(rows, f, &grey, &err), &err);
    CHECK_CLOSE(rows[0], -0.6, 1e-6);
    CHECK_CLOSE(rows[16], -0.05, 1e-6);
    CHECK_CLOSE(rows[32], 0.1, 1e-6);
    medvl_frontend_free(f);
}

static void centres_are_in_pixels_of_the_stored_picture(void **state)
{
    struct medvl_frontend *f = plain("{" SHORT "," SQUARE "}");
    float at[4][2];
    struct medvl_error err = {0};

    (void)state;
    /* 32 x 16 becomes 16 x 8; the middle 8 columns are 8..24 of 32. */
    CHECK_OK(medvl_frontend_centres(at[0], f, 32, 16, &err), &err);
    CHECK_CLOSE(at[0][0], 12, 1e-6);
    CHECK_CLOSE(at[0][1], 4, 1e-6);
    CHECK_CLOSE(at[3][0], 20, 1e-6);
    CHECK_CLOSE(at[3][1], 12, 1e-6);
    medvl_frontend_free(f);
}

static void tiles_lie_where_they_were_cut(void **state)
{
    struct medvl_frontend *f = plain(NEXT "," SHORT "," SQUARE "}");
    struct medvl_frontend_size size;
    float at[12][2];
    struct medvl_error err = {0};

    (void)state;
    /* 40 x 10 becomes 16 x 4, 2 below the top of 16 x 8. */
    CHECK_OK(medvl_frontend_size(&size, f, 40, 10, &err), &err);
    assert_int_equal(size.patches, 12);
    assert_int_equal(size.grid.tiles_across, 2);
    assert_int_equal(size.grid.tiles_down, 1);
    CHECK_OK(medvl_frontend_centres(at[0], f, 40, 10, &err), &err);
    CHECK_CLOSE(at[3][0], 30, 1e-5); /* the base view, stretched */
    CHECK_CLOSE(at[3][1], 7.5, 1e-5);
    CHECK_CLOSE(at[4][0], 5, 1e-5);
    CHECK_CLOSE(at[4][1], 0, 1e-5);
    CHECK_CLOSE(at[11][0], 35, 1e-5);
    CHECK_CLOSE(at[11][1], 10, 1e-5);
    medvl_frontend_free(f);
}

static void sizes_of_newer_and_older_files_are_read(void **state)
{
    static const char *const FILES[] = {
        "{\"size\":8,\"crop_size\":8}",
        "{\"size\":{\"height\":8,\"width\":8},\"do_center_crop\":false}",
        "{\"feature_extractor_type\":\"CLIPFeatureExtractor\"," SHORT
        "," SQUARE ",\"resample\":2}",
    };
    struct medvl_frontend_size size;
    struct medvl_frontend *f;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES); i++) {
        f = plain(FILES[i]);
        CHECK_OK(medvl_frontend_size(&size, f, 30, 70, &err), &err);
        assert_int_equal(size.tokens, 4);
        assert_int_equal(size.patches, 4);
        assert_int_equal(size.row, ROW);
        medvl_frontend_free(f);
    }
    CHECK_OK(open_as(&f, "processor_config.json",
                     "{\"image_processor\":{" SHORT "," SQUARE "}}", &err),
             &err);
    medvl_frontend_free(f);
}

static void llavas_own_processor_alone_pads(void **state)
{
    static const struct {
        const char *json;
        float x; /* of the first patch, in a picture of 32 x 16 */
    } CASES[] = {
        {"{\"image_processor_type\":\"LlavaImageProcessorFast\",", 8},
        {"{\"image_processor_type\":\"CLIPImageProcessor\",", 12},
        {"{", 12},
    };
    char json[200];
    float at[4][2];
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_frontend *f;

        snprintf(json, sizeof(json), "%s\"do_pad\":true," SHORT "," SQUARE "}",
                 CASES[i].json);
        f = plain(json);
        CHECK_OK(medvl_frontend_centres(at[0], f, 32, 16, &err), &err);
        CHECK_CLOSE(at[0][0], CASES[i].x, 1e-5);
        medvl_frontend_free(f);
    }
}

static void both_sides_of_a_size_are_whole_tiles(void **state)
{
    struct medvl_frontend *f = NULL;
    struct medvl_error err = {0};

    (void)state;
    for (int side = 0; side < 2; side++) {
        struct medvl_config odd = TILES;

        odd.pinpoints[1][side]++;
        CHECK_FAILS(open_for(&f, "preprocessor_config.json",
                             NEXT "," SHORT "," SQUARE "}", &odd, &err),
                    MEDVL_EUNSUPPORTED, &err, "is not a multiple");
        assert_null(f);
    }
}

/* LLaVA's own code takes the tower's processor: SigLIP's halves of values
 * and its square without a middle, CLIP's else. */
static void without_a_file_the_tower_says_which_processor(void **state)
{
    static const uint8_t WHITE[4 * 2] = {255, 255, 255, 255,
                                         255, 255, 255, 255};
    const struct medvl_picture wide = {4, 2, 1, 8, (void *)WHITE};
    struct medvl_config config = CONFIG;
    struct medvl_frontend *f;
    float rows[4 * ROW];
    struct medvl_error err = {0};

    (void)state;
    config.naming = MEDVL_NAMING_ORIGINAL;
    CHECK_OK(medvl_text_puts(&config.json, "{}", &err), &err);
    for (int siglip = 0; siglip < 2; siglip++) {
        config.vision.tower = siglip ? MEDVL_TOWER_SIGLIP : MEDVL_TOWER_CLIP;
        CHECK_OK(open_for(&f, "other.json", "{}", &config, &err), &err);
        CHECK_OK(medvl_frontend_rows(rows, f, &wide, &err), &err);
        CHECK_CLOSE(rows[0],
                    siglip ? 1 : (1 - 0.48145466) / 0.26862954, 1e-6);
        medvl_frontend_free(f);
    }
    medvl_text_release(&config.json);
}

static void what_is_not_built_is_refused(void **state)
{
    static const struct {
        const char *json;
        int code;
        const char *says;
    } CASES[] = {
        {"{", MEDVL_EFORMAT, "preprocessor_config.json"},
        {"{\"image_processor_type\":\"CLIPImageProcessorFaster\"}",
         MEDVL_EUNSUPPORTED, "CLIPImageProcessorFaster"},
        {"{" SHORT "," SQUARE ",\"resample\":1}", MEDVL_EUNSUPPORTED,
         "resample"},
        {"{\"image_processor_type\":\"LlavaImageProcessor\"," SHORT "," SQUARE
         ",\"do_pad\":true,\"image_mean\":[1,2,1]}",
         MEDVL_EFORMAT, "image_mean"},
        {NEXT ",\"size\":16," SQUARE "}", MEDVL_EUNSUPPORTED, "16"},
        {NEXT "," SHORT "," SQUARE ",\"image_grid_pinpoints\":[[8,16]]}",
         MEDVL_EFORMAT, "differs"},
        {NEXT "," SHORT "," SQUARE
              ",\"image_grid_pinpoints\":[[8,16],[9,8]]}",
         MEDVL_EFORMAT, "differs"},
        {NEXT "," SHORT "," SQUARE ",\"image_grid_pinpoints\":[8,[]]}",
         MEDVL_EFORMAT, "differs"},
        {"{\"image_processor_type\":\"Qwen2VLImageProcessor\"}",
         MEDVL_EFORMAT, "not this model's"},
        {"{" SHORT "}", MEDVL_EFORMAT, "crop_size"},
        {"{" SHORT "," SQUARE ",\"image_std\":[1,1,0]}", MEDVL_EFORMAT,
         "image_std"},
        {"{" SHORT "," SQUARE ",\"image_mean\":[1]}", MEDVL_EFORMAT,
         "image_mean"},
        {"{\"size\":{\"longest_edge\":8}," SQUARE "}", MEDVL_EFORMAT,
         "size"},
        {"[]", MEDVL_EFORMAT, "not a JSON object"},
        {"{" SHORT "," SQUARE ",\"do_rescale\":\"false\"}", MEDVL_EFORMAT,
         "\"do_rescale\": want true or false"},
        {"{" SHORT "," SQUARE ",\"do_resize\":0}", MEDVL_EFORMAT,
         "\"do_resize\": want true or false"},
        {"{" SHORT "," SQUARE ",\"rescale_factor\":\"1\"}", MEDVL_EFORMAT,
         "\"rescale_factor\": want a number"},
        {"{" SHORT "," SQUARE ",\"resample\":\"bicubic\"}", MEDVL_EFORMAT,
         "\"resample\": want a number"},
        {"{" SHORT "," SQUARE ",\"image_mean\":[0,\"0\",0]}", MEDVL_EFORMAT,
         "\"image_mean\": want three numbers"},
    };
    struct medvl_frontend *f = NULL;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        CHECK_FAILS(open_as(&f, "preprocessor_config.json", CASES[i].json,
                            &err),
                    CASES[i].code, &err, CASES[i].says);
        assert_null(f);
    }
    CHECK_FAILS(open_as(&f, "other.json", "{}", &err), MEDVL_EARG, &err,
                "no preprocessor_config.json; a model that reads pictures "
                "needs it, and a tokenizer.json");
}

static void pictures_that_do_not_fit_are_refused(void **state)
{
    struct medvl_frontend *f = plain("{\"do_resize\":false,"
                                     "\"do_center_crop\":false," SQUARE "}");
    uint16_t data[SIDE * SIDE] = {0};
    const struct medvl_picture deep = {SIDE, SIDE, 1, 16, data};
    struct medvl_frontend_size size;
    float rows[4 * ROW];
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_frontend_size(&size, f, 7, 9, &err),
                MEDVL_EUNSUPPORTED, &err, "7x9");
    CHECK_FAILS(medvl_frontend_rows(rows, f, &deep, &err), MEDVL_EARG, &err,
                "window");
    medvl_frontend_free(f);
    f = plain("{" SHORT "," SQUARE "}");
    CHECK_FAILS(medvl_frontend_size(&size, f, 1, 60000, &err), MEDVL_EARG,
                &err, "thin");
    CHECK_FAILS(medvl_frontend_size(&size, f, 0, 60000, &err), MEDVL_EARG,
                &err, "0x60000");
    medvl_frontend_free(f);
}

static void pictures_that_would_be_huge_are_refused(void **state)
{
    static const struct medvl_config ANY = {
        .family = MEDVL_FAMILY_LLAVA,
        .vision = {.tower = MEDVL_TOWER_DINOV2,
                   .image_size = SIDE,
                   .patch_size = PATCH,
                   .merge = 1,
                   .interpolate = true}};
    static const struct {
        const struct medvl_config *config;
        const char *json, *says;
    } CASES[] = {
        {&CONFIG, "{\"size\":{\"shortest_edge\":20000}," SQUARE "}",
         "20000x20000"},
        {&ANY, "{\"size\":8,\"crop_size\":65535}", "65532x65532"},
        {&ANY, "{\"size\":65535,\"do_center_crop\":false,\"crop_size\":8}",
         "65535x65535"},
        {&ANY, "{\"do_resize\":false,\"crop_size\":20000}", "20000x20000"},
    };
    struct medvl_frontend_size size;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_frontend *f = open_config(CASES[i].json,
                                               CASES[i].config);

        CHECK_FAILS(medvl_frontend_size(&size, f, 64, 64, &err), MEDVL_EARG,
                    &err, CASES[i].says);
        assert_non_null(strstr(err.text, "more than 33554432 pixels"));
        medvl_frontend_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_stand_in_raster_order_by_channel),
        cmocka_unit_test(values_are_rescaled_and_normalized),
        cmocka_unit_test(centres_are_in_pixels_of_the_stored_picture),
        cmocka_unit_test(tiles_lie_where_they_were_cut),
        cmocka_unit_test(sizes_of_newer_and_older_files_are_read),
        cmocka_unit_test(both_sides_of_a_size_are_whole_tiles),
        cmocka_unit_test(without_a_file_the_tower_says_which_processor),
        cmocka_unit_test(what_is_not_built_is_refused),
        cmocka_unit_test(llavas_own_processor_alone_pads),
        cmocka_unit_test(pictures_that_do_not_fit_are_refused),
        cmocka_unit_test(pictures_that_would_be_huge_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
