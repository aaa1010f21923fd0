/*
 * config.json: fields and defaults, both families of names, and configs
 * that no model can have.
 */
#include "tests/unit/check.h"

#include "lib/model/config.h"

static int parse(struct medvl_config *config, const char *json,
                 struct medvl_error *err)
{
    return medvl_config_parse(config, medvl_span(json), err);
}

static void absent_fields_take_the_defaults_of_transformers(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(parse(&c, "{\"architectures\":[\"LlamaForCausalLM\"]}", &err),
             &err);
    assert_int_equal(c.family, MEDVL_FAMILY_TEXT);
    assert_int_equal(c.decoder.vocab_size, 32000);
    assert_int_equal(c.decoder.hidden, 4096);
    assert_int_equal(c.decoder.head_size, 128);
    assert_int_equal(c.decoder.groups, 32);
    CHECK_CLOSE(c.decoder.norm_eps, 1e-6, 1e-12);
    CHECK_CLOSE(c.decoder.rope_theta, 10000, 0);
    assert_false(c.decoder.tied);
    assert_int_equal(c.bos, 1);
    assert_int_equal(c.eos_count, 1);
    assert_int_equal(c.eos[0], 2);
    assert_int_equal(c.pad, -1);
    assert_false(c.decoder.has_padding);
    assert_int_equal(c.image_token, -1);
    assert_int_equal(c.dtype, MEDVL_DTYPE_F32);
    medvl_config_release(&c);
    CHECK_OK(parse(&c, "{\"model_type\":\"llama\",\"bos_token_id\":null,"
                       "\"eos_token_id\":null,\"pad_token_id\":-1}",
                   &err),
             &err);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.eos_count, 0);
    assert_int_equal(c.pad, -1);
    medvl_config_release(&c);
}

static void a_class_says_which_decoder_it_is(void **state)
{
    static const char *const CASES[][2] = {
        {"LlamaForCausalLM", "llama"},
        {"MistralForCausalLM", "mistral"},
        {"Qwen2ForCausalLM", "qwen2"},
        {"Qwen3ForCausalLM", "qwen3"},
        {"PhiForCausalLM", "phi"},
        {"Phi3ForCausalLM", "phi3"},
        {"GPT2LMHeadModel", "gpt2"},
    };
    struct medvl_config named, typed;
    struct medvl_error err = {0};
    char json[100];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        snprintf(json, sizeof(json), "{\"architectures\":[\"%s\"]}",
                 CASES[i][0]);
        CHECK_OK(parse(&named, json, &err), &err);
        snprintf(json, sizeof(json), "{\"model_type\":\"%s\"}",
                 CASES[i][1]);
        CHECK_OK(parse(&typed, json, &err), &err);
        assert_memory_equal(&named.decoder, &typed.decoder,
                            sizeof(named.decoder));
        assert_int_equal(named.eos_count, typed.eos_count);
        assert_memory_equal(named.eos, typed.eos, sizeof(named.eos));
        medvl_config_release(&named);
        medvl_config_release(&typed);
    }
}

static void the_row_of_padding_is_that_of_transformers(void **state)
{
    static const struct {
        const char *json;
        int32_t padding; /* -1: none */
    } CASES[] = {
        {"{\"model_type\":\"llama\",\"pad_token_id\":7}", 7},
        {"{\"model_type\":\"llama\",\"pad_token_id\":-1}", 31999},
        {"{\"model_type\":\"llama\",\"pad_token_id\":null}", -1},
        {"{\"model_type\":\"phi3\"}", 32000},
        {"{\"model_type\":\"gpt2\",\"pad_token_id\":7}", -1},
    };
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        CHECK_OK(parse(&c, CASES[i].json, &err), &err);
        assert_int_equal(c.decoder.has_padding, CASES[i].padding >= 0);
        if (c.decoder.has_padding)
            assert_int_equal(c.decoder.padding, CASES[i].padding);
        medvl_config_release(&c);
    }
}

static void the_config_of_llava_as_it_is_on_disk_is_read(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(
        parse(&c,
              "{\"architectures\":[\"LlavaForConditionalGeneration\"],"
              "\"ignore_index\":-100,\"image_token_index\":32000,"
              "\"model_type\":\"llava\",\"pad_token_id\":32001,"
              "\"projector_hidden_act\":\"gelu\",\"text_config\":{"
              "\"_name_or_path\":\"lmsys/vicuna-7b-v1.5\","
              "\"architectures\":[\"LlamaForCausalLM\"],"
              "\"max_position_embeddings\":4096,\"model_type\":\"llama\","
              "\"rms_norm_eps\":1e-05,\"torch_dtype\":\"float16\","
              "\"vocab_size\":32064},\"tie_word_embeddings\":false,"
              "\"torch_dtype\":\"float16\",\"vision_config\":{"
              "\"hidden_size\":1024,\"image_size\":336,"
              "\"intermediate_size\":4096,"
              "\"model_type\":\"clip_vision_model\","
              "\"num_attention_heads\":16,\"num_hidden_layers\":24,"
              "\"patch_size\":14,\"projection_dim\":768,"
              "\"vocab_size\":32000},\"vision_feature_layer\":-2,"
              "\"vision_feature_select_strategy\":\"default\","
              "\"vocab_size\":32064}",
              &err),
        &err);
    assert_int_equal(c.family, MEDVL_FAMILY_LLAVA);
    assert_int_equal(c.decoder.vocab_size, 32064);
    assert_int_equal(c.vision.run_layers, 23);
    assert_int_equal(c.vision.act, MEDVL_ACT_QUICK_GELU);
    assert_false(c.vision.keep_class);
    assert_int_equal(c.projector_act, MEDVL_ACT_GELU);
    assert_int_equal(c.image_token, 32000);
    assert_int_equal(c.pad, 32001);
    assert_false(c.decoder.has_padding); /* text_config names none */
    assert_int_equal(c.dtype, MEDVL_DTYPE_F16);
    medvl_config_release(&c);
}

static void newer_names_are_read(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(
        parse(&c,
              "{\"model_type\":\"llava\",\"dtype\":\"bfloat16\","
              "\"image_token_id\":7,\"text_config\":{\"vocab_size\":9,"
              "\"head_dim\":6,\"eos_token_id\":[3,4],"
              "\"tie_word_embeddings\":true,\"rope_parameters\":{"
              "\"rope_theta\":500000.0,\"rope_type\":\"llama3\","
              "\"factor\":8.0,\"low_freq_factor\":1.0,"
              "\"high_freq_factor\":4.0,"
              "\"original_max_position_embeddings\":8192}}}",
              &err),
        &err);
    assert_int_equal(c.dtype, MEDVL_DTYPE_BF16);
    assert_int_equal(c.image_token, 7);
    assert_int_equal(c.decoder.head_size, 6);
    assert_int_equal(c.decoder.rope_kind, MEDVL_ROPE_LLAMA3);
    CHECK_CLOSE(c.decoder.rope_theta, 500000, 0);
    CHECK_CLOSE(c.decoder.rope_factor, 8, 0);
    assert_true(c.decoder.tied);
    assert_int_equal(c.eos_count, 2);
    assert_int_equal(c.eos[1], 4);
    /* Without a vision_config, that of LLaVA 1.5. */
    assert_int_equal(c.vision.image_size, 336);
    medvl_config_release(&c);
}

static const struct {
    const char *json;
    int code;
    const char *says;
} REFUSED[] = {
    {"[]", MEDVL_EFORMAT, "no object"},
    {"{", MEDVL_EFORMAT, ""},
    {"{}", MEDVL_EUNSUPPORTED, "architectures"},
    {"{\"architectures\":[\"BertModel\"]}", MEDVL_EUNSUPPORTED,
     "BertModel"},
    {"{\"model_type\":\"llama\",\"hidden_size\":100,"
     "\"num_attention_heads\":3}",
     MEDVL_EFORMAT, "hidden_size 100 does not divide by 3 heads"},
    {"{\"model_type\":\"llama\",\"num_attention_heads\":4,"
     "\"num_key_value_heads\":3}",
     MEDVL_EFORMAT, "4 attention heads do not divide by 3"},
    {"{\"model_type\":\"llama\",\"head_dim\":5}", MEDVL_EFORMAT, "odd"},
    {"{\"model_type\":\"llama\",\"hidden_size\":0}", MEDVL_EFORMAT,
     "hidden_size"},
    {"{\"model_type\":\"llama\",\"hidden_size\":1099511627776}",
     MEDVL_EFORMAT, "hidden_size"},
    {"{\"model_type\":\"llama\",\"hidden_size\":\"4096\"}",
     MEDVL_EFORMAT, "hidden_size"},
    {"{\"model_type\":\"llama\",\"num_hidden_layers\":1000000}",
     MEDVL_EFORMAT, "num_hidden_layers"},
    {"{\"model_type\":\"llama\",\"hidden_act\":\"relu\"}",
     MEDVL_EUNSUPPORTED, "relu"},
    {"{\"model_type\":\"llama\",\"torch_dtype\":\"int8\"}",
     MEDVL_EUNSUPPORTED, "int8"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"far\"}}",
     MEDVL_EUNSUPPORTED, "far"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"yarn\"}}",
     MEDVL_EFORMAT, "rope_scaling: \"factor\": missing"},
    {"{\"model_type\":\"llama\",\"rope_theta\":1,"
     "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}}",
     MEDVL_EFORMAT, "rope_theta"},
    {"{\"model_type\":\"llama\",\"head_dim\":2,"
     "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}",
     MEDVL_EFORMAT, "two pairs"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":"
     "{\"type\":\"longrope\",\"factor\":2}}",
     MEDVL_EUNSUPPORTED,
     "\"longrope\" is not built in; default, linear, dynamic, llama3, yarn "
     "and, of Phi-3, longrope are"},
    {"{\"model_type\":\"phi3\",\"rope_scaling\":"
     "{\"type\":\"longrope\",\"short_factor\":[1,2]}}",
     MEDVL_EFORMAT, "\"short_factor\": want a list of 48"},
    {"{\"model_type\":\"phi3\",\"hidden_size\":64,"
     "\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[0]}}",
     MEDVL_EFORMAT, "\"short_factor\": want numbers"},
    {"{\"model_type\":\"phi\",\"partial_rotary_factor\":0}",
     MEDVL_EFORMAT, "rope turns 0 values"},
    {"{\"model_type\":\"phi\",\"head_dim\":1028}",
     MEDVL_EFORMAT, "rope turns 514 values"},
    {"{\"model_type\":\"phi\",\"qk_layernorm\":true}",
     MEDVL_EUNSUPPORTED, "qk_layernorm"},
    {"{\"model_type\":\"gpt2\",\"scale_attn_weights\":false}",
     MEDVL_EUNSUPPORTED, "scale_attn_weights"},
    {"{\"model_type\":\"gpt2\",\"scale_attn_weights\":null}",
     MEDVL_EUNSUPPORTED, "scale_attn_weights"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"factor\":2}}",
     MEDVL_EFORMAT, "rope_scaling: \"rope_type\": missing"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":"
     "\"llama3\",\"factor\":8,\"low_freq_factor\":1}}",
     MEDVL_EFORMAT, "rope_scaling: \"high_freq_factor\": missing"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"mrope\"}}",
     MEDVL_EUNSUPPORTED, "mrope"},
    {"{\"model_type\":\"mistral\",\"sliding_window\":0}",
     MEDVL_EFORMAT, "sliding_window"},
    {"{\"model_type\":\"qwen2\",\"use_sliding_window\":true,"
     "\"layer_types\":[\"full_attention\"]}",
     MEDVL_EFORMAT, "layer_types"},
    {"{\"model_type\":\"llama\",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}",
     MEDVL_EFORMAT, "eos_token_id"},
    {"{\"model_type\":\"llama\",\"tie_word_embeddings\":1}",
     MEDVL_EFORMAT, "tie_word_embeddings"},
    {"{\"model_type\":\"llava\",\"text_config\":"
     "{\"model_type\":\"bert\"}}",
     MEDVL_EUNSUPPORTED, "text_config: \"model_type\": \"bert\""},
    {"{\"model_type\":\"llava\",\"vision_config\":"
     "{\"image_size\":6,\"patch_size\":7}}",
     MEDVL_EFORMAT, "vision_config: image_size 6"},
    {"{\"model_type\":\"llava\",\"vision_config\":"
     "{\"image_size\":8194,\"patch_size\":2}}",
     MEDVL_EFORMAT, "image_size 8194 is more than 4096 patches"},
    {"{\"model_type\":\"llava\",\"vision_config\":"
     "{\"model_type\":\"siglip_vision_model\"}}",
     MEDVL_EUNSUPPORTED, "leaves out the first patch"},
    {"{\"model_type\":\"llava\",\"vision_config\":"
     "{\"model_type\":\"dinov2_with_registers\","
     "\"num_register_tokens\":0}}",
     MEDVL_EFORMAT, "vision_config: \"num_register_tokens\""},
    {"{\"model_type\":\"llava\",\"vision_feature_layer\":-40}",
     MEDVL_EFORMAT, "feature layer -40"},
    {"{\"model_type\":\"llava\",\"vision_feature_layer\":[-2,0.5]}",
     MEDVL_EFORMAT, "vision_feature_layer"},
    {"{\"model_type\":\"llava\",\"image_token_index\":32000}",
     MEDVL_EFORMAT, "image_token_index"},
};

static void configs_of_no_model_are_refused(void **state)
{
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(*REFUSED); i++) {
        CHECK_FAILS(parse(&c, REFUSED[i].json, &err), REFUSED[i].code, &err,
                    REFUSED[i].says);
        assert_null(c.json.data);
    }
}

static void what_is_no_object_is_not_taken_for_an_empty_one(void **state)
{
    static const struct {
        const char *json, *says;
    } CASES[] = {
        {"{\"model_type\":\"llava\",\"vision_config\":[]}",
         "\"vision_config\": want an object"},
        {"{\"model_type\":\"llava\",\"vision_config\":null}",
         "\"vision_config\": want an object"},
        {"{\"model_type\":\"llava\",\"text_config\":null}",
         "\"text_config\": want an object"},
        {"{\"model_type\":\"llava\",\"text_config\":\"llama\"}",
         "\"text_config\": want an object"},
        {"{\"model_type\":\"llama\",\"rope_scaling\":[2]}",
         "\"rope_scaling\": want an object"},
        {"{\"model_type\":\"llava\",\"text_config\":{"
         "\"rope_parameters\":2}}",
         "text_config: \"rope_parameters\": want an object"},
        {"{\"model_type\":\"llama\",\"architectures\":{}}",
         "\"architectures\": want a list"},
        {"{\"model_type\":\"llama\",\"architectures\":[1]}",
         "\"architectures\": want a list"},
    };
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(parse(&c, CASES[i].json, &err), MEDVL_EFORMAT, &err,
                    CASES[i].says);
}

static void an_unfinished_run_names_its_newest_checkpoint(void **state)
{
    char *folder = check_temp("unfinished"), *latest = NULL;
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_path_join(&latest, folder, "latest", &err), &err);
    CHECK_OK(medvl_folder_make(latest, &err), &err);
    CHECK_FAILS(medvl_config_read(&c, folder, &err), MEDVL_EARG, &err,
                latest);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_FAILS(medvl_config_read(&c, folder, &err), MEDVL_EIO, &err,
                "config.json");
    medvl_free(latest);
    medvl_free(folder);
}

static void generation_config_says_where_answers_end(void **state)
{
    static const char config[] = "{\"model_type\":\"llama\","
                                 "\"eos_token_id\":5}";
    static const char generation[] = "{\"eos_token_id\":[8,9]}";
    char *folder = check_temp("generation"), *path = NULL;
    struct medvl_config c;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_path_join(&path, folder, "config.json", &err), &err);
    CHECK_OK(medvl_file_write(path, config, strlen(config), &err), &err);
    medvl_free(path);
    CHECK_OK(medvl_config_read(&c, folder, &err), &err);
    assert_int_equal(c.eos_count, 1);
    assert_int_equal(c.eos[0], 5);
    medvl_config_release(&c);
    CHECK_OK(medvl_path_join(&path, folder, "generation_config.json", &err),
             &err);
    CHECK_OK(medvl_file_write(path, generation, strlen(generation), &err),
             &err);
    CHECK_OK(medvl_config_read(&c, folder, &err), &err);
    assert_int_equal(c.eos_count, 2);
    assert_int_equal(c.eos[0], 8);
    medvl_config_release(&c);
    medvl_free(path);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_fields_take_the_defaults_of_transformers),
        cmocka_unit_test(a_class_says_which_decoder_it_is),
        cmocka_unit_test(the_row_of_padding_is_that_of_transformers),
        cmocka_unit_test(the_config_of_llava_as_it_is_on_disk_is_read),
        cmocka_unit_test(newer_names_are_read),
        cmocka_unit_test(configs_of_no_model_are_refused),
        cmocka_unit_test(what_is_no_object_is_not_taken_for_an_empty_one),
        cmocka_unit_test(an_unfinished_run_names_its_newest_checkpoint),
        cmocka_unit_test(generation_config_says_where_answers_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
