/*
 * config.json of Qwen2-VL and Qwen2.5-VL: as on the hub, as transformers
 * writes it, and what does not fit.
 */
#include "tests/unit/check.h"

#include "lib/model/config.h"

static int parse(struct medvl_config *config, const char *json,
                 struct medvl_error *err)
{
    return medvl_config_parse(
        config, (struct medvl_span){json, strlen(json)}, err);
}

static void the_hub_has_the_text_at_the_top(void **state)
{
    static const char JSON[] =
        "{\"architectures\":[\"Qwen2_5_VLForConditionalGeneration\"],"
        "\"attention_dropout\":0.0,\"bos_token_id\":151643,"
        "\"eos_token_id\":151645,\"vision_start_token_id\":151652,"
        "\"vision_end_token_id\":151653,\"vision_token_id\":151654,"
        "\"image_token_id\":151655,\"video_token_id\":151656,"
        "\"hidden_act\":\"silu\",\"hidden_size\":3584,"
        "\"intermediate_size\":18944,\"max_position_embeddings\":128000,"
        "\"max_window_layers\":28,\"model_type\":\"qwen2_5_vl\","
        "\"num_attention_heads\":28,\"num_hidden_layers\":28,"
        "\"num_key_value_heads\":4,\"rms_norm_eps\":1e-06,"
        "\"rope_theta\":1000000.0,\"sliding_window\":32768,"
        "\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\","
        "\"use_sliding_window\":false,\"vision_config\":{\"depth\":32,"
        "\"hidden_act\":\"silu\",\"hidden_size\":1280,"
        "\"intermediate_size\":3420,\"num_heads\":16,\"in_chans\":3,"
        "\"out_hidden_size\":3584,\"patch_size\":14,"
        "\"spatial_merge_size\":2,\"spatial_patch_size\":14,"
        "\"window_size\":112,\"fullatt_block_indexes\":[7,15,23,31],"
        "\"tokens_per_second\":2,\"temporal_patch_size\":2},"
        "\"rope_scaling\":{\"type\":\"mrope\","
        "\"mrope_section\":[16,24,24]},\"vocab_size\":152064}";
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(parse(&c, JSON, &err), &err);
    assert_int_equal(c.family, MEDVL_FAMILY_QWEN2_5_VL);
    assert_int_equal(c.dtype, MEDVL_DTYPE_BF16);
    assert_int_equal(c.image_token, 151655);
    assert_int_equal(c.video_token, 151656);
    assert_int_equal(c.eos[0], 151645);
    assert_int_equal(medvl_config_axes(&c), 3);
    assert_int_equal(c.decoder.head_size, 128);
    assert_int_equal(c.decoder.mrope[0], 16);
    assert_int_equal(c.decoder.mrope[1], 24);
    assert_int_equal(c.decoder.mrope[2], 24);
    assert_int_equal(c.decoder.rope_kind, MEDVL_ROPE_PLAIN);
    CHECK_CLOSE(c.decoder.rope_theta, 1e6, 0);
    assert_true(c.decoder.qkv_bias && !c.decoder.out_bias);
    assert_false(c.decoder.tied || c.decoder.window);
    assert_int_equal(c.vision.tower, MEDVL_TOWER_QWEN2_5_VL);
    assert_int_equal(c.vision.norm, MEDVL_NORM_RMS);
    assert_int_equal(c.vision.intermediate, 3420);
    assert_int_equal(c.vision.run_layers, 32);
    assert_int_equal(c.vision.window, 112);
    assert_true(c.vision.whole[7] && c.vision.whole[31]);
    assert_false(c.vision.whole[6] || c.vision.whole[8]);
    medvl_config_release(&c);
}

#define SMALL                                                         \
    "\"vocab_size\":99,\"hidden_size\":32,\"num_attention_heads\":2," \
    "\"num_key_value_heads\":1,\"num_hidden_layers\":1,"              \
    "\"intermediate_size\":8,\"rope_theta\":500,"
#define SECTION "\"rope_scaling\":{\"type\":\"default\",\"rope_type\":" \
                "\"default\",\"mrope_section\":[2,3,3]}"
#define TOWER "\"vision_config\":{\"embed_dim\":16,\"num_heads\":2," \
              "\"depth\":2,\"hidden_size\":32}"

static void text_may_stand_in_an_object_of_its_own(void **state)
{
    static const char JSON[] =
        "{\"model_type\":\"qwen2_vl\",\"image_token_id\":90,"
        "\"video_token_id\":91,\"tie_word_embeddings\":false,"
        "\"text_config\":{\"model_type\":\"qwen2_vl_text\"," SMALL
        "\"tie_word_embeddings\":true," SECTION "}," TOWER "}";
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(parse(&c, JSON, &err), &err);
    assert_int_equal(c.family, MEDVL_FAMILY_QWEN2_VL);
    assert_true(c.decoder.tied);
    assert_int_equal(c.decoder.hidden, 32);
    assert_int_equal(c.decoder.mrope[1], 3);
    CHECK_CLOSE(c.decoder.norm_eps, 1e-5, 1e-12);
    assert_int_equal(c.vision.tower, MEDVL_TOWER_QWEN2_VL);
    assert_int_equal(c.vision.norm, MEDVL_NORM_LAYER);
    assert_int_equal(c.vision.act, MEDVL_ACT_QUICK_GELU);
    assert_int_equal(c.vision.intermediate, 64);
    assert_int_equal(c.vision.patch_size, 14);
    assert_int_equal(c.vision.temporal, 2);
    assert_int_equal(c.vision.merge, 2);
    assert_int_equal(c.vision.window, 0);
    assert_int_equal(c.eos_count, 0);
    medvl_config_release(&c);
}

/* By Qwen2_5_VLVisionConfig of transformers 4.57.1. */
static void a_tower_that_is_not_described_has_defaults(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(parse(&c,
                   "{\"model_type\":\"qwen2_5_vl\",\"vocab_size\":152064,"
                   "\"hidden_size\":3584,\"num_attention_heads\":28,"
                   "\"num_key_value_heads\":4,\"num_hidden_layers\":1,"
                   "\"rope_scaling\":{\"type\":\"mrope\","
                   "\"mrope_section\":[16,24,24]},\"vision_config\":{}}",
                   &err),
             &err);
    assert_int_equal(c.image_token, 151655);
    assert_int_equal(c.video_token, 151656);
    assert_int_equal(c.vision.layers, 32);
    assert_int_equal(c.vision.hidden, 3584);
    assert_int_equal(c.vision.intermediate, 3420);
    assert_int_equal(c.vision.heads, 16);
    assert_int_equal(c.vision.window, 112);
    for (int i = 0; i < 32; i++)
        assert_int_equal(c.vision.whole[i], i % 8 == 7);
    medvl_config_release(&c);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *json;
        int code;
        const char *says;
    } CASES[] = {
        {"{\"model_type\":\"qwen2_vl\"," SMALL "\"rope_scaling\":null,"
         "\"image_token_id\":9," TOWER "}",
         MEDVL_EFORMAT, "mrope_section"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL "\"image_token_id\":9,"
         "\"rope_scaling\":{\"type\":\"mrope\",\"mrope_section\":[2,3]}," TOWER
         "}",
         MEDVL_EFORMAT, "mrope_section"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL "\"image_token_id\":9,"
         "\"rope_scaling\":{\"type\":\"mrope\","
         "\"mrope_section\":[2,3,4]}," TOWER "}",
         MEDVL_EFORMAT, "mrope_section"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL SECTION "," TOWER "}",
         MEDVL_EFORMAT, "image_token_id"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL SECTION "," TOWER
         ",\"image_token_id\":99}",
         MEDVL_EFORMAT, "image_token_id 99 is not below the vocabulary's 99"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL SECTION
         ",\"image_token_id\":9}",
         MEDVL_EFORMAT, "3584"},
        {"{\"model_type\":\"qwen2_vl\"," SMALL SECTION
         ",\"image_token_id\":9,\"vision_config\":{\"embed_dim\":12,"
         "\"num_heads\":2,\"hidden_size\":32}}",
         MEDVL_EFORMAT, "multiple of 4"},
        {"{\"model_type\":\"qwen2_5_vl\"," SMALL SECTION
         ",\"image_token_id\":9,\"vision_config\":{\"hidden_size\":16,"
         "\"num_heads\":2,\"out_hidden_size\":32,\"window_size\":27}}",
         MEDVL_EFORMAT, "window_size"},
        {"{\"model_type\":\"qwen2_5_vl\"," SMALL SECTION
         ",\"image_token_id\":9,\"vision_config\":{\"hidden_size\":16,"
         "\"num_heads\":2,\"out_hidden_size\":32,"
         "\"fullatt_block_indexes\":[-1]}}",
         MEDVL_EFORMAT, "fullatt_block_indexes"},
        {"{\"model_type\":\"qwen2_5_vl\"," SMALL SECTION
         ",\"image_token_id\":9,\"vision_config\":7}",
         MEDVL_EFORMAT, "vision_config"},
    };
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(parse(&c, CASES[i].json, &err), CASES[i].code, &err,
                    CASES[i].says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hub_has_the_text_at_the_top),
        cmocka_unit_test(text_may_stand_in_an_object_of_its_own),
        cmocka_unit_test(a_tower_that_is_not_described_has_defaults),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
