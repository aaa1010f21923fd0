/*
 * The list of parameters: keys and names of each brand, and names of other
 * versions.
 */
#include "tests/unit/check.h"

#include "lib/model/params.h"

#define SIZES                                          \
    "\"vocab_size\":11,\"hidden_size\":8,"             \
    "\"intermediate_size\":6,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":2"

static struct medvl_config config;
static struct medvl_params list;

static void open_list(const char *json)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_config_parse(&config, medvl_span(json), &err), &err);
    CHECK_OK(medvl_params_list(&list, &config, &err), &err);
}

static void close_list(void)
{
    medvl_params_release(&list);
    medvl_config_release(&config);
}

static const struct medvl_param_spec *by_key(const char *key)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.specs[i].key, key) == 0)
            return &list.specs[i];
    return NULL;
}

static void expect(const char *key, const char *name, int rank,
                   int64_t first, int64_t last)
{
    const struct medvl_param_spec *spec = by_key(key);

    if (!spec)
        fail_msg("no %s", key);
    assert_string_equal(spec->name, name);
    assert_int_equal(spec->shape.rank, rank);
    assert_int_equal(spec->shape.size[0], first);
    assert_int_equal(spec->shape.size[rank - 1], last);
}

static void brands_differ_in_names_and_shapes(void **state)
{
    (void)state;
    open_list("{\"model_type\":\"qwen3\",\"head_dim\":6," SIZES
              ",\"num_key_value_heads\":1}");
    expect("decoder.layers.1.self_attn.k_proj.weight",
           "model.layers.1.self_attn.k_proj.weight", 2, 6, 8);
    expect("decoder.layers.0.self_attn.q_norm.weight",
           "model.layers.0.self_attn.q_norm.weight", 1, 6, 6);
    close_list();
    open_list("{\"model_type\":\"phi\"," SIZES "}");
    expect("decoder.layers.0.self_attn.o_proj.bias",
           "model.layers.0.self_attn.dense.bias", 1, 8, 8);
    expect("decoder.norm.bias", "model.final_layernorm.bias", 1, 8, 8);
    expect("decoder.lm_head.bias", "lm_head.bias", 1, 11, 11);
    assert_null(by_key("decoder.layers.0.post_attention_layernorm.weight"));
    close_list();
    /* Tied or not, the head's bias is its own. */
    open_list("{\"model_type\":\"phi\",\"tie_word_embeddings\":true," SIZES
              "}");
    expect("decoder.lm_head.bias", "lm_head.bias", 1, 11, 11);
    assert_null(by_key("decoder.lm_head.weight"));
    close_list();
    open_list("{\"model_type\":\"phi3\"," SIZES "}");
    expect("decoder.layers.0.self_attn.qkv_proj.weight",
           "model.layers.0.self_attn.qkv_proj.weight", 2, 24, 8);
    expect("decoder.layers.0.mlp.gate_up_proj.weight",
           "model.layers.0.mlp.gate_up_proj.weight", 2, 12, 8);
    close_list();
}

static void a_matrix_stored_by_columns_has_both_shapes(void **state)
{
    const struct medvl_param_spec *spec;

    (void)state;
    open_list("{\"model_type\":\"gpt2\",\"vocab_size\":11,\"n_embd\":8,"
              "\"n_layer\":1,\"n_head\":2,\"n_positions\":5}");
    expect("decoder.embed_positions.weight", "transformer.wpe.weight", 2, 5,
           8);
    expect("decoder.layers.0.self_attn.qkv_proj.weight",
           "transformer.h.0.attn.c_attn.weight", 2, 8, 24);
    spec = by_key("decoder.layers.0.self_attn.qkv_proj.weight");
    assert_true(spec->transposed);
    assert_int_equal(spec->value.size[0], 24);
    assert_null(by_key("decoder.lm_head.weight"));
    close_list();
}

static void a_patch_of_one_picture_is_as_deep_as_one_of_two(void **state)
{
    char json[500];

    (void)state;
    for (int frames = 1; frames <= 2; frames++) {
        snprintf(json, sizeof(json),
                 "{\"model_type\":\"qwen2_vl\",\"vocab_size\":11,"
                 "\"hidden_size\":16,\"num_attention_heads\":1,"
                 "\"num_key_value_heads\":1,\"num_hidden_layers\":1,"
                 "\"intermediate_size\":6,\"image_token_id\":3,"
                 "\"rope_scaling\":{\"mrope_section\":[2,3,3]},"
                 "\"vision_config\":{\"depth\":1,\"embed_dim\":8,"
                 "\"num_heads\":2,\"hidden_size\":16,\"patch_size\":4,"
                 "\"temporal_patch_size\":%d}}",
                 frames);
        open_list(json);
        expect("vision.patch_embedding.weight",
               "visual.patch_embed.proj.weight", 5, 8, 4);
        assert_int_equal(by_key("vision.patch_embedding.weight")
                             ->shape.size[2],
                         frames);
        close_list();
    }
}

static void no_key_and_no_name_stands_twice(void **state)
{
    (void)state;
    open_list("{\"model_type\":\"llava\",\"image_token_index\":3,"
              "\"text_config\":{" SIZES "},\"vision_config\":{"
              "\"model_type\":\"dinov2\",\"hidden_size\":12,"
              "\"num_attention_heads\":2,\"num_hidden_layers\":2,"
              "\"image_size\":28,\"use_swiglu_ffn\":true}}");
    for (size_t i = 0; i < list.count; i++)
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(list.specs[i].key, list.specs[j].key);
            assert_string_not_equal(list.specs[i].name, list.specs[j].name);
        }
    expect("vision.position_embedding",
           "vision_tower.embeddings.position_embeddings", 3, 1, 12);
    expect("vision.layers.0.mlp.gate_up_proj.weight",
           "vision_tower.encoder.layer.0.mlp.weights_in.weight", 2, 64, 12);
    assert_true(by_key("vision.mask_token")->unused);
    close_list();
}

/* The last layer's features pass SigLIP's last norm, others do not. */
static void what_the_features_do_not_reach_is_unused(void **state)
{
    static const char TOWER[] =
        "\"vision_config\":{\"model_type\":\"siglip_vision_model\","
        "\"hidden_size\":12,\"num_attention_heads\":2,"
        "\"num_hidden_layers\":2,\"image_size\":35}}";
    char json[1000];

    (void)state;
    for (int last = 0; last < 2; last++) {
        snprintf(json, sizeof(json),
                 "{\"model_type\":\"llava\","
                 "\"vision_feature_select_strategy\":\"full\","
                 "\"image_token_index\":7,\"vision_feature_layer\":%d,%s",
                 last - 2, TOWER);
        open_list(json);
        expect("vision.position_embedding",
               "vision_tower.vision_model.embeddings.position_embedding"
               ".weight",
               2, 4, 12);
        assert_int_equal(by_key("vision.post_norm.bias")->unused, !last);
        assert_int_equal(by_key("vision.layers.1.norm1.bias")->unused, !last);
        assert_true(by_key("vision.head.mlp.fc2.weight")->unused);
        assert_false(by_key("vision.patch_embedding.bias")->unused);
        close_list();
    }
}

static void names_of_other_versions_become_canonical(void **state)
{
    static const char *const PAIRS[][2] = {
        {"model.language_model.norm.weight",
         "language_model.model.norm.weight"},
        {"lm_head.weight", "language_model.lm_head.weight"},
        {"language_model.transformer.wte.weight",
         "language_model.model.wte.weight"},
        {"vision_tower.pre_layrnorm.bias",
         "vision_tower.vision_model.pre_layrnorm.bias"},
        {"model.multi_modal_projector.linear_1.bias",
         "multi_modal_projector.linear_1.bias"},
    };
    char out[MEDVL_PARAM_NAME], longest[2 * MEDVL_PARAM_NAME];

    (void)state;
    open_list("{\"model_type\":\"llava\",\"image_token_index\":3,"
              "\"text_config\":{" SIZES "}}");
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(*PAIRS); i++) {
        medvl_params_canonical(out, PAIRS[i][0], &config);
        assert_string_equal(out, PAIRS[i][1]);
    }
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    medvl_params_canonical(out, longest, &config);
    assert_string_equal(out, "");
    close_list();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brands_differ_in_names_and_shapes),
        cmocka_unit_test(a_matrix_stored_by_columns_has_both_shapes),
        cmocka_unit_test(a_patch_of_one_picture_is_as_deep_as_one_of_two),
        cmocka_unit_test(no_key_and_no_name_stands_twice),
        cmocka_unit_test(what_the_features_do_not_reach_is_unused),
        cmocka_unit_test(names_of_other_versions_become_canonical),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
