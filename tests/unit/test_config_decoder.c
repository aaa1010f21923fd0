/*
 * config.json of text models as the hub has them: what the decoder is told.
 * The files are cut down to the fields that medvl reads.
 */
#include "tests/unit/check.h"

#include "lib/model/config.h"
#include "lib/model/rope.h"

struct brand {
    const char *json;
    int64_t heads, groups, head_size, rotary, intermediate, longest;
    int64_t window, first; /* the first layer with the window */
    enum medvl_rope rope;
    double theta;
    bool qkv_bias, out_bias, tied;
};

static const struct brand BRANDS[] = {
    /* Llama-2-7b */
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":4096,"
     "\"intermediate_size\":11008,\"max_position_embeddings\":4096,"
     "\"model_type\":\"llama\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":32,"
     "\"rms_norm_eps\":1e-05,\"rope_scaling\":null,"
     "\"tie_word_embeddings\":false,\"vocab_size\":32000}",
     32, 32, 128, 128, 11008, 4096, 0, 32, MEDVL_ROPE_PLAIN, 1e4, false,
     false, false},
    /* Llama-3.2-1B */
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"attention_bias\":false,"
     "\"head_dim\":64,\"hidden_size\":2048,\"intermediate_size\":8192,"
     "\"max_position_embeddings\":131072,\"model_type\":\"llama\","
     "\"num_attention_heads\":32,\"num_hidden_layers\":16,"
     "\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05,"
     "\"rope_scaling\":{\"factor\":32.0,\"high_freq_factor\":4.0,"
     "\"low_freq_factor\":1.0,\"original_max_position_embeddings\":8192,"
     "\"rope_type\":\"llama3\"},\"rope_theta\":500000.0,"
     "\"tie_word_embeddings\":true,\"vocab_size\":128256}",
     32, 8, 64, 64, 8192, 131072, 0, 16, MEDVL_ROPE_LLAMA3, 5e5, false,
     false, true},
    /* vicuna-13b-v1.5-16k */
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":5120,"
     "\"intermediate_size\":13824,\"max_position_embeddings\":4096,"
     "\"model_type\":\"llama\",\"num_attention_heads\":40,"
     "\"num_hidden_layers\":40,\"num_key_value_heads\":40,"
     "\"rope_scaling\":{\"factor\":4.0,\"type\":\"linear\"}}",
     40, 40, 128, 128, 13824, 16384, 0, 40, MEDVL_ROPE_LINEAR, 1e4, false,
     false, false},
    /* Mistral-7B-v0.1, and v0.2, which has no window */
    {"{\"architectures\":[\"MistralForCausalLM\"],\"hidden_size\":4096,"
     "\"intermediate_size\":14336,\"max_position_embeddings\":32768,"
     "\"model_type\":\"mistral\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":8,"
     "\"rope_theta\":10000.0,\"sliding_window\":4096}",
     32, 8, 128, 128, 14336, 32768, 4096, 0, MEDVL_ROPE_PLAIN, 1e4, false,
     false, false},
    {"{\"architectures\":[\"MistralForCausalLM\"],\"hidden_size\":4096,"
     "\"intermediate_size\":14336,\"max_position_embeddings\":32768,"
     "\"model_type\":\"mistral\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":8,"
     "\"rope_theta\":1000000.0,\"sliding_window\":null}",
     32, 8, 128, 128, 14336, 32768, 0, 32, MEDVL_ROPE_PLAIN, 1e6, false,
     false, false},
    /* Qwen2.5-3B: a window is named and not used */
    {"{\"architectures\":[\"Qwen2ForCausalLM\"],\"hidden_size\":2048,"
     "\"intermediate_size\":11008,\"max_position_embeddings\":32768,"
     "\"max_window_layers\":36,\"model_type\":\"qwen2\","
     "\"num_attention_heads\":16,\"num_hidden_layers\":36,"
     "\"num_key_value_heads\":2,\"rope_theta\":1000000.0,"
     "\"sliding_window\":32768,\"tie_word_embeddings\":true,"
     "\"use_sliding_window\":false}",
     16, 2, 128, 128, 11008, 32768, 0, 36, MEDVL_ROPE_PLAIN, 1e6, true,
     false, true},
    /* Qwen2.5-7B with the yarn of its README: 32768 positions, four times */
    {"{\"architectures\":[\"Qwen2ForCausalLM\"],\"hidden_size\":3584,"
     "\"intermediate_size\":18944,\"max_position_embeddings\":32768,"
     "\"model_type\":\"qwen2\",\"num_attention_heads\":28,"
     "\"num_hidden_layers\":28,\"num_key_value_heads\":4,"
     "\"rope_theta\":1000000.0,\"rope_scaling\":{\"factor\":4.0,"
     "\"original_max_position_embeddings\":32768,\"type\":\"yarn\"}}",
     28, 4, 128, 128, 18944, 131072, 0, 28, MEDVL_ROPE_YARN, 1e6, true,
     false, false},
    /* Qwen3-4B, its rope as newer writers have it, with yarn */
    {"{\"architectures\":[\"Qwen3ForCausalLM\"],\"head_dim\":128,"
     "\"hidden_size\":2560,\"intermediate_size\":9728,"
     "\"max_position_embeddings\":131072,\"max_window_layers\":30,"
     "\"model_type\":\"qwen3\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":36,\"num_key_value_heads\":8,"
     "\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":4.0,"
     "\"original_max_position_embeddings\":32768,"
     "\"rope_theta\":1000000.0},\"sliding_window\":8192,"
     "\"use_sliding_window\":true,\"tie_word_embeddings\":true}",
     32, 8, 128, 128, 9728, 131072, 8192, 30, MEDVL_ROPE_YARN, 1e6, false,
     false, true},
    /* phi-2 */
    {"{\"architectures\":[\"PhiForCausalLM\"],\"hidden_act\":\"gelu_new\","
     "\"hidden_size\":2560,\"intermediate_size\":10240,"
     "\"layer_norm_eps\":1e-05,\"max_position_embeddings\":2048,"
     "\"model_type\":\"phi\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":32,"
     "\"partial_rotary_factor\":0.4,\"qk_layernorm\":false}",
     32, 32, 80, 32, 10240, 2048, 0, 32, MEDVL_ROPE_PLAIN, 1e4, true, true,
     false},
    /* Phi-3-mini-4k-instruct */
    {"{\"architectures\":[\"Phi3ForCausalLM\"],\"hidden_size\":3072,"
     "\"intermediate_size\":8192,\"max_position_embeddings\":4096,"
     "\"model_type\":\"phi3\",\"num_attention_heads\":32,"
     "\"num_hidden_layers\":32,\"num_key_value_heads\":32,"
     "\"original_max_position_embeddings\":4096,\"rope_scaling\":null,"
     "\"sliding_window\":2047}",
     32, 32, 96, 96, 8192, 4096, 2047, 0, MEDVL_ROPE_PLAIN, 1e4, false,
     false, false},
    /* BioMedLM */
    {"{\"activation_function\":\"gelu_new\","
     "\"architectures\":[\"GPT2LMHeadModel\"],\"layer_norm_epsilon\":1e-05,"
     "\"model_type\":\"gpt2\",\"n_ctx\":1024,\"n_embd\":2560,"
     "\"n_head\":20,\"n_inner\":null,\"n_layer\":32,"
     "\"n_positions\":1024,\"scale_attn_by_inverse_layer_idx\":true,"
     "\"scale_attn_weights\":true,\"vocab_size\":28896}",
     20, 20, 128, 0, 10240, 1024, 0, 32, MEDVL_ROPE_NONE, 0, true, true,
     true},
};

static void check_brand(const struct brand *b)
{
    const struct medvl_decoder_config *d;
    struct medvl_config config;
    struct medvl_error err = {0};

    CHECK_OK(medvl_config_parse(&config, medvl_span(b->json), &err), &err);
    d = &config.decoder;
    assert_int_equal(config.family, MEDVL_FAMILY_TEXT);
    assert_int_equal(d->heads, b->heads);
    assert_int_equal(d->groups, b->groups);
    assert_int_equal(d->head_size, b->head_size);
    assert_int_equal(d->rotary, b->rotary);
    assert_int_equal(d->intermediate, b->intermediate);
    assert_int_equal(medvl_rope_longest(d), b->longest);
    assert_int_equal(d->rope_kind, b->rope);
    CHECK_CLOSE(d->rope_theta, b->theta, 0);
    assert_int_equal(d->qkv_bias, b->qkv_bias);
    assert_int_equal(d->out_bias, b->out_bias);
    assert_int_equal(d->tied, b->tied);
    if (b->window)
        assert_int_equal(d->window, b->window);
    for (int64_t i = 0; i < d->layers; i++)
        assert_int_equal(d->windowed[i] && d->window, i >= b->first);
    medvl_config_release(&config);
}

static void the_decoder_is_what_its_config_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(BRANDS) / sizeof(*BRANDS); i++)
        check_brand(&BRANDS[i]);
}

static void layers_are_named_one_by_one(void **state)
{
    struct medvl_config config;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_config_parse(
                 &config,
                 medvl_span("{\"model_type\":\"qwen2\","
                            "\"num_hidden_layers\":3,"
                            "\"use_sliding_window\":true,"
                            "\"sliding_window\":5,\"max_window_layers\":0,"
                            "\"layer_types\":[\"sliding_attention\","
                            "\"full_attention\",\"sliding_attention\"]}"),
                 &err),
             &err);
    assert_true(config.decoder.windowed[0]);
    assert_false(config.decoder.windowed[1]);
    assert_true(config.decoder.windowed[2]);
    medvl_config_release(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decoder_is_what_its_config_says),
        cmocka_unit_test(layers_are_named_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
