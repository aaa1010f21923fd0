/*
 * config.json of LLaVA's own repository: fields, pinpoints in their forms,
 * the tower's folder, and memory that runs out.
 */
#include "tests/unit/check.h"

#include "lib/model/checkpoint.h"
#include "lib/model/frontend.h"

#define TOWER "\"mm_vision_tower\":\"openai/clip-vit-large-patch14-336\""
#define LLAMA "{\"model_type\":\"llava_llama\"," TOWER

static int parse(struct medvl_config *config, const char *json,
                 struct medvl_error *err)
{
    return medvl_config_parse(config, medvl_span(json), err);
}

static void a_known_tower_needs_no_folder(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(parse(&c,
                   "{\"architectures\":[\"LlavaLlamaForCausalLM\"],"
                   "\"model_type\":\"llava\",\"vocab_size\":32000," TOWER
                   ",\"mm_projector_type\":\"mlp2x_gelu\","
                   "\"mm_hidden_size\":1024,\"image_aspect_ratio\":\"pad\"}",
                   &err),
             &err);
    assert_int_equal(c.family, MEDVL_FAMILY_LLAVA);
    assert_int_equal(c.naming, MEDVL_NAMING_ORIGINAL);
    assert_int_equal(c.vision.image_size, 336);
    assert_int_equal(c.vision.run_layers, 23);
    assert_int_equal(c.projector_layers, 2);
    assert_int_equal(c.image_token, 32000);
    assert_true(c.pad_square);
    assert_false(c.vision.keep_class);
    medvl_config_release(&c);
    CHECK_OK(parse(&c,
                   "{\"model_type\":\"llava_qwen\",\"mm_vision_tower\":"
                   "\"google/siglip-so400m-patch14-384\","
                   "\"mm_vision_select_feature\":\"cls_patch\"}",
                   &err),
             &err);
    assert_int_equal(c.vision.image_size, 384);
    assert_int_equal(c.projector_layers, 1);
    assert_false(c.vision.keep_class); /* it has none */
    assert_false(c.pad_square);
    medvl_config_release(&c);
}

/* Of tiles that are not put together without padding, none is shrunk. */
static void only_unpadded_tiles_have_a_most(void **state)
{
    static const char *const MERGES[] = {"flat", "spatial", "spatial_unpad"};
    struct medvl_config c;
    struct medvl_error err = {0};
    char json[400];

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(json, sizeof(json),
                 LLAMA ",\"image_aspect_ratio\":\"anyres_max_9\","
                       "\"image_grid_pinpoints\":[[336,672]],"
                       "\"mm_patch_merge_type\":\"%s\"}",
                 MERGES[i]);
        CHECK_OK(parse(&c, json, &err), &err);
        assert_int_equal(c.family, MEDVL_FAMILY_LLAVA_NEXT);
        assert_int_equal(c.max_views, i == 2 ? 9 : 0);
        medvl_config_release(&c);
    }
}

static void pinpoints_have_three_forms(void **state)
{
    static const struct {
        const char *points;
        int count, first[2], last[2];
    } CASES[] = {
        {"[[336,672],[672,336]]", 2, {336, 672}, {672, 336}},
        {"\"[(336, 672), (672, 336)]\"", 2, {336, 672}, {672, 336}},
        {"\"(1x1),...,(6x6)\"", 36, {336, 336}, {2016, 2016}},
        {"\"(2x1),(3x2)\"", 4, {672, 336}, {1008, 672}},
    };
    struct medvl_text json = {0};
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        json.size = 0;
        CHECK_OK(medvl_text_printf(&json, &err,
                                   LLAMA ",\"image_aspect_ratio\":"
                                         "\"anyres\",\"mm_patch_merge_type\":"
                                         "\"spatial_unpad\","
                                         "\"image_grid_pinpoints\":%s}",
                                   CASES[i].points),
                 &err);
        CHECK_OK(parse(&c, json.data, &err), &err);
        assert_int_equal(c.family, MEDVL_FAMILY_LLAVA_NEXT);
        assert_int_equal(c.merge, MEDVL_MERGE_SPATIAL_UNPAD);
        assert_int_equal(c.pinpoint_count, CASES[i].count);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(c.pinpoints[0][k], CASES[i].first[k]);
            assert_int_equal(c.pinpoints[c.pinpoint_count - 1][k],
                             CASES[i].last[k]);
        }
        medvl_config_release(&c);
    }
    medvl_text_release(&json);
    CHECK_OK(parse(&c,
                   "{\"model_type\":\"llava_next\","
                   "\"text_config\":{\"vocab_size\":32001}}",
                   &err),
             &err);
    assert_int_equal(c.pinpoint_count, 5);
    assert_int_equal(c.pinpoints[0][0], 672); /* width; 336 high */
    medvl_config_release(&c);
}

#define ANYRES LLAMA ",\"image_aspect_ratio\":\"anyres\""
#define POINTS ANYRES ",\"image_grid_pinpoints\":"

static void what_is_not_built_is_named(void **state)
{
    static const struct {
        const char *json;
        int code;
        const char *says;
    } CASES[] = {
        {"{\"model_type\":\"llava_llama\"}", MEDVL_EFORMAT,
         "\"mm_vision_tower\": missing"},
        {"{\"model_type\":\"llava_llama\",\"mm_vision_tower\":\"a/b\"}",
         MEDVL_EARG, "put it there, as \"b\""},
        {LLAMA ",\"mm_projector_type\":\"identity\"}", MEDVL_EUNSUPPORTED,
         "identity"},
        {LLAMA ",\"mm_projector_type\":\"mlp0x_gelu\"}", MEDVL_EUNSUPPORTED,
         "mlp0x_gelu"},
        {LLAMA ",\"mm_projector_type\":\"mlp99999999999x_gelu\"}",
         MEDVL_EUNSUPPORTED, "mlp9999"},
        /* Not the tower that has this name everywhere else. */
        {LLAMA ",\"mm_hidden_size\":768}", MEDVL_EARG, "put it there, as"},
        {LLAMA ",\"mm_vision_select_feature\":\"cls\"}", MEDVL_EUNSUPPORTED,
         "mm_vision_select_feature"},
        {LLAMA ",\"mm_vision_select_layer\":25}", MEDVL_EFORMAT, "25"},
        {LLAMA ",\"mm_patch_merge_type\":\"spatial_2x2\"}",
         MEDVL_EUNSUPPORTED, "mm_patch_merge_type"},
        {LLAMA ",\"image_aspect_ratio\":\"anyres_max\"}",
         MEDVL_EUNSUPPORTED, "anyres_max"},
        {LLAMA ",\"image_aspect_ratio\":\"anyres_max_0\"}",
         MEDVL_EUNSUPPORTED, "anyres_max_0"},
        {LLAMA ",\"image_aspect_ratio\":\"anyres_max_9x\"}",
         MEDVL_EUNSUPPORTED, "anyres_max_9x"},
        {LLAMA ",\"image_aspect_ratio\":\"highres\"}",
         MEDVL_EUNSUPPORTED, "highres"},
        {LLAMA ",\"s2\":true}", MEDVL_EUNSUPPORTED, "\"s2\""},
        {ANYRES "}", MEDVL_EFORMAT, "no sizes"},
        {POINTS "[]}", MEDVL_EFORMAT, "no sizes"},
        {POINTS "[336,672]}", MEDVL_EFORMAT, "want pairs"},
        {POINTS "[[336,672,3]]}", MEDVL_EFORMAT, "want pairs"},
        {POINTS "[[336,1e9]]}", MEDVL_EFORMAT, "want pairs"},
        {POINTS "\"(336, 672\"}", MEDVL_EFORMAT, "image_grid_pinpoints"},
        {POINTS "\"(1x1),...,(6x)\"}", MEDVL_EFORMAT, "(1x1),...,(6x)"},
        {POINTS "\"(1x1),(900x900)\"}", MEDVL_EFORMAT, "want pairs"},
        {POINTS "\"(1x1),(100x100)\"}", MEDVL_EUNSUPPORTED, "256"},
        {POINTS "\"xxx\"}", MEDVL_EFORMAT, "no sizes"},
        {"{\"architectures\":[\"LlavaQwen2ForCausalLM\"],"
         "\"model_type\":\"llava\"," TOWER "}",
         MEDVL_EFORMAT, "is of \"llava_qwen2\""},
    };
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(parse(&c, CASES[i].json, &err), CASES[i].code, &err,
                    CASES[i].says);
}

/* ---- folders ---------------------------------------------------------- */

static char *below(const char *folder, const char *name)
{
    char *path = NULL;

    assert_int_equal(medvl_path_join(&path, folder, name, NULL), MEDVL_OK);
    return path;
}

static void write_file(const char *folder, const char *name,
                       const char *text)
{
    char *path = below(folder, name);
    struct medvl_error err = {0};

    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_file_write(path, text, strlen(text), &err), &err);
    medvl_free(path);
}

static void a_tower_is_found_below_in_and_beside(void **state)
{
    static const char CLIP[] =
        "{\"model_type\":\"clip\",\"text_config\":{},\"vision_config\":"
        "{\"model_type\":\"clip_vision_model\",\"hidden_size\":8,"
        "\"num_attention_heads\":2,\"image_size\":30,\"patch_size\":10}}";
    static const char *const PLACES[] = {"model/far/tower", "model/tower",
                                         "tower"};
    char *root = check_temp("original"), *model = below(root, "model");
    char *beside = below(root, "tower");
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    write_file(model, "config.json",
               "{\"model_type\":\"llava_mistral\","
               "\"mm_vision_tower\":\"far/tower\"}");
    CHECK_FAILS(medvl_config_read(&c, model, &err), MEDVL_EARG, &err,
                "put it there, as \"tower\"");
    for (size_t i = 0; i < 3; i++) {
        char *place = below(root, PLACES[i]), *found = NULL;

        write_file(place, "config.json", CLIP);
        CHECK_OK(medvl_config_read(&c, model, &err), &err);
        assert_int_equal(c.vision.image_size, 30);
        CHECK_OK(medvl_config_tower(&found, &c, model, &err), &err);
        assert_true(medvl_path_same(found, place));
        medvl_config_release(&c);
        medvl_free(found);
        CHECK_OK(medvl_path_remove(place, &err), &err);
        medvl_free(place);
    }
    write_file(model, "config.json",
               "{\"model_type\":\"llava_mistral\",\"mm_hidden_size\":9,"
               "\"mm_vision_tower\":\"far/tower\"}");
    write_file(beside, "config.json", CLIP);
    CHECK_FAILS(medvl_config_read(&c, model, &err), MEDVL_EFORMAT, &err,
                "\"mm_hidden_size\" is not the tower's hidden_size, 8");
    medvl_free(beside);
    CHECK_OK(medvl_path_remove(root, &err), &err);
    medvl_free(model);
    medvl_free(root);
}

/* What lies below comes before a path that leads out of the folder. */
static void a_tower_written_below_is_found_by_its_name(void **state)
{
    static const struct {
        const char *name, *place;
    } NAMES[] = {
        {"far/tower", "tower"},
        {"../far/tower", "tower"},
        {"/far/tower", "tower"},
        {"/far/tower//", "tower"},
        {"/far/..", "vision_tower"},
        {"/", "vision_tower"},
        {"far/./", "vision_tower"},
        {"", "vision_tower"},
        {"./near/tower", "./near/tower"},
    };
    char *root = check_temp("place"), *model = below(root, "model");
    char *near = below(root, "model/near/tower");
    struct medvl_error err = {0};

    (void)state;
    write_file(near, "config.json", "{}");
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct medvl_config c = {.naming = MEDVL_NAMING_ORIGINAL};
        char *place, *found, *want;

        CHECK_OK(medvl_text_printf(&c.json, &err,
                                   "{\"mm_vision_tower\":\"%s\"}",
                                   NAMES[i].name),
                 &err);
        CHECK_OK(medvl_config_tower_place(&place, &c, model, &err), &err);
        assert_string_equal(place, NAMES[i].place);
        want = below(model, place);
        write_file(want, "config.json", "{}");
        CHECK_OK(medvl_config_tower(&found, &c, model, &err), &err);
        assert_true(medvl_path_same(found, want));
        medvl_free(place);
        medvl_free(found);
        medvl_free(want);
        medvl_text_release(&c.json);
    }
    CHECK_OK(medvl_path_remove(root, &err), &err);
    medvl_free(near);
    medvl_free(model);
    medvl_free(root);
}

/* Opened, a picture's size found, and written again. */
struct way {
    const char *from, *to;
};

static int use(void *arg, struct medvl_error *err)
{
    const struct way *way = arg;
    struct medvl_model *model = NULL;
    struct medvl_frontend *frontend = NULL;
    struct medvl_frontend_size size;
    int rc = medvl_folder_make(way->to, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&model, way->from, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_open(&frontend, way->from, &model->config, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&size, frontend, 60, 40, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_write(model, way->to, NULL, err);
    medvl_frontend_free(frontend);
    medvl_model_free(model);
    return rc;
}

static void folders_are_whole_or_there_is_no_memory(void **state)
{
    char *to = check_temp("written");
    struct way beside = {"tests/golden/models/llava_original", to};
    struct way inside = {"tests/golden/models/llava_original_spatial", to};

    (void)state;
    check_no_memory(use, &beside, 5000);
    check_no_memory(use, &inside, 5000);
    medvl_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_tower_needs_no_folder),
        cmocka_unit_test(only_unpadded_tiles_have_a_most),
        cmocka_unit_test(pinpoints_have_three_forms),
        cmocka_unit_test(what_is_not_built_is_named),
        cmocka_unit_test(a_tower_written_below_is_found_by_its_name),
        cmocka_unit_test(a_tower_is_found_below_in_and_beside),
        cmocka_unit_test(folders_are_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
