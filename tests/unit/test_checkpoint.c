/*
 * Checkpoints: a fresh model, types, what is missing or extra, tied heads.
 */
#include "tests/unit/check.h"

#include "lib/model/checkpoint.h"
#include "lib/tensor/safetensors.h"

#define SIZES                                                       \
    "\"model_type\":\"llama\",\"vocab_size\":11,\"hidden_size\":8," \
    "\"intermediate_size\":6,\"num_hidden_layers\":2,"              \
    "\"num_attention_heads\":2"
#define TOWER_SIZES                                                      \
    "\"hidden_size\":8,\"intermediate_size\":6,\"num_hidden_layers\":2," \
    "\"num_attention_heads\":2,\"image_size\":6,\"patch_size\":2"
#define TOWER "\"vision_config\":{" TOWER_SIZES "}"

static struct medvl_model *fresh(const char *json, uint64_t seed)
{
    struct medvl_model *model;
    struct medvl_config config;
    struct medvl_error err = {0};

    CHECK_OK(medvl_config_parse(&config, medvl_span(json), &err), &err);
    CHECK_OK(medvl_model_new(&model, &config, seed, &err), &err);
    return model;
}

static void write_to(const struct medvl_model *model, const char *folder)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_model_write(model, folder, NULL, &err), &err);
}

/* Write the folder's weights again, without `leave` and with `extra`. */
static void rewrite(const char *folder, const char *leave, const char *extra,
                    struct medvl_tensor value)
{
    struct medvl_safetensors_entry entries[100];
    struct medvl_safetensors *from;
    struct medvl_error err = {0};
    int64_t n = 0;
    char *path = NULL;

    CHECK_OK(medvl_safetensors_open(&from, folder, &err), &err);
    for (int64_t i = 0; i < medvl_safetensors_count(from); i++) {
        entries[n].name = medvl_safetensors_name(from, i);
        entries[n].tensor = *medvl_safetensors_tensor(from, i);
        n += !leave || strcmp(leave, entries[n].name) != 0;
    }
    if (extra) {
        entries[n].name = extra;
        entries[n++].tensor = value;
    }
    CHECK_OK(medvl_path_join(&path, folder, "model.safetensors", &err), &err);
    CHECK_OK(medvl_safetensors_write(path, entries, n, NULL, &err), &err);
    medvl_safetensors_free(from);
    medvl_free(path);
}

static void the_same_seed_gives_the_same_model(void **state)
{
    struct medvl_model *a = fresh("{" SIZES "}", 1);
    struct medvl_model *b = fresh("{" SIZES "}", 1);
    struct medvl_model *c = fresh("{" SIZES "}", 2);
    const struct medvl_param *p = medvl_model_param(
        a, "decoder.layers.%d.%s", 1, "mlp.up_proj.weight");
    double sum = 0, squares = 0;

    (void)state;
    assert_non_null(p);
    for (int64_t i = 0; i < a->count; i++) {
        const size_t size = (size_t)(medvl_tensor_rows(&a->params[i].value) *
                                     medvl_tensor_columns(
                                         &a->params[i].value)) *
                            sizeof(float);

        assert_memory_equal(a->params[i].value.data, b->params[i].value.data,
                            size);
    }
    assert_memory_not_equal(p->value.data,
                            c->params[p - a->params].value.data, 48 * 4);
    for (int i = 0; i < 88; i++) {
        const float x = ((const float *)a->params[0].value.data)[i];

        sum += (double)x;
        squares += (double)x * (double)x;
    }
    CHECK_CLOSE(sum / 88, 0, 0.01);
    CHECK_CLOSE(sqrt(squares / 88), 0.02, 0.006);
    p = medvl_model_param(a, "decoder.norm.weight");
    CHECK_CLOSE(((const float *)p->value.data)[7], 1, 0);
    assert_null(medvl_model_param(a, "decoder.norm.weigh"));
    medvl_model_free(a);
    medvl_model_free(b);
    medvl_model_free(c);
}

static void values_keep_the_type_they_were_stored_in(void **state)
{
    static const char *const TYPES[] = {"float32", "bfloat16", "float16"};
    static const enum medvl_dtype WANT[] = {
        MEDVL_DTYPE_F32, MEDVL_DTYPE_BF16, MEDVL_DTYPE_F16};
    char *folder = check_temp("stored"), *again = check_temp("stored-again");
    struct medvl_model *a, *b;
    struct medvl_error err = {0};
    char json[400];

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(json, sizeof(json), "{" SIZES ",\"torch_dtype\":\"%s\"}",
                 TYPES[i]);
        a = fresh(json, 1);
        write_to(a, folder);
        medvl_model_free(a);
        CHECK_OK(medvl_model_open(&a, folder, 0, &err), &err);
        assert_int_equal(a->params[0].value.dtype, WANT[i]);
        assert_false(a->params[0].trained);
        assert_null(a->params[0].grad.data);
        CHECK_OK(medvl_model_open(&b, folder, MEDVL_PART_DECODER, &err),
                 &err);
        assert_int_equal(b->params[0].value.dtype, MEDVL_DTYPE_F32);
        assert_true(b->params[0].trained);
        assert_non_null(b->params[0].grad.data);
        /* Trained values go back into the type that they came in. */
        write_to(b, again);
        medvl_model_free(b);
        CHECK_OK(medvl_model_open(&b, again, 0, &err), &err);
        assert_int_equal(b->params[0].value.dtype, WANT[i]);
        assert_memory_equal(a->params[0].value.data, b->params[0].value.data,
                            medvl_dtype_bytes(WANT[i], 88));
        medvl_model_free(a);
        medvl_model_free(b);
    }
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_path_remove(again, &err), &err);
    medvl_free(folder);
    medvl_free(again);
}

static void averages_can_be_written_in_place_of_the_values(void **state)
{
    char *folder = check_temp("averages");
    struct medvl_model *model = fresh("{" SIZES "}", 1);
    struct medvl_tensor *values = calloc((size_t)model->count,
                                         sizeof(*values));
    static float zeros[88];
    struct medvl_error err = {0};

    (void)state;
    assert_non_null(values);
    for (int64_t i = 0; i < model->count; i++) {
        values[i] = model->params[i].value;
        assert_true(medvl_tensor_rows(&values[i]) *
                        medvl_tensor_columns(&values[i]) <=
                    88);
        values[i].data = zeros;
    }
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_model_write(model, folder, values, &err), &err);
    medvl_model_free(model);
    CHECK_OK(medvl_model_open(&model, folder, 0, &err), &err);
    assert_memory_equal(model->params[0].value.data, zeros, sizeof(zeros));
    medvl_model_free(model);
    free(values);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

static void the_file_must_be_what_the_config_says(void **state)
{
    static const char *const BUFFERS[] = {
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias",
        "vision_model.embeddings.position_ids"};
    static float data[100];
    const char *up = "model.layers.1.mlp.up_proj.weight";
    char *folder = check_temp("mismatch");
    struct medvl_model *model = fresh("{" SIZES "}", 1), *m;
    struct medvl_error err = {0};

    (void)state;
    write_to(model, folder);
    rewrite(folder, up, NULL, model->params[0].value);
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "missing (1): model.layers.1.mlp.up_proj.weight");
    write_to(model, folder);
    rewrite(folder, up, up, medvl_tensor_2d(data, MEDVL_DTYPE_F32, 6, 9));
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "up_proj.weight (6,9), want (6,8)");
    write_to(model, folder);
    rewrite(folder, up, up, medvl_tensor_2d(data, MEDVL_DTYPE_I32, 6, 8));
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "neither F32, BF16, F16 nor F8 (1): model.layers.1.mlp.up");
    write_to(model, folder);
    rewrite(folder, NULL, "model.layers.2.input_layernorm.weight",
            medvl_tensor_1d(data, MEDVL_DTYPE_F32, 8));
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "no parameter of this architecture (1): "
                "model.layers.2.input_layernorm.weight");
    /* Buffers of older writers are passed over. */
    for (size_t i = 0; i < sizeof(BUFFERS) / sizeof(*BUFFERS); i++) {
        write_to(model, folder);
        rewrite(folder, NULL, BUFFERS[i],
                medvl_tensor_1d(data, MEDVL_DTYPE_F32, 2));
        CHECK_OK(medvl_model_open(&m, folder, 0, &err), &err);
        medvl_model_free(m);
    }
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

/* Rows, then columns, of a block: other than the usual ones, and unlike. */
static void the_config_says_how_large_blocks_of_eight_bits_are(void **state)
{
    static const char UP[] = "model.layers.0.mlp.up_proj.weight";
    static uint8_t bits[6 * 8];
    static float scales[9] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    char *folder = check_temp("blocks"), *other = check_temp("no-blocks");
    struct medvl_model *m, *model;
    const struct medvl_param *p;
    struct medvl_error err = {0};

    (void)state;
    model = fresh("{" SIZES ",\"quantization_config\":{"
                  "\"quant_method\":\"fp8\",\"weight_block_size\":[2,3]}}",
                  1);
    memset(bits, 0x38, sizeof(bits)); /* 1 */
    write_to(model, folder);
    rewrite(folder, UP, UP,
            medvl_tensor_2d(bits, MEDVL_DTYPE_F8_E4M3, 6, 8));
    rewrite(folder, NULL, "model.layers.0.mlp.up_proj.weight_scale_inv",
            medvl_tensor_2d(scales, MEDVL_DTYPE_F32, 3, 3));
    medvl_model_free(model);
    CHECK_OK(medvl_model_open(&m, folder, 0, &err), &err);
    p = medvl_model_param(m, "decoder.layers.0.mlp.up_proj.weight");
    assert_non_null(p);
    for (int64_t i = 0; i < 48; i++)
        CHECK_CLOSE(medvl_float_at(p->value.data, p->value.dtype, i),
                    scales[i / 8 / 2 * 3 + i % 8 / 3], 0);
    write_to(m, other);
    medvl_model_free(m);
    CHECK_OK(medvl_model_open(&m, other, 0, &err), &err);
    assert_null(strstr(m->config.json.data, "quantization_config"));
    medvl_model_free(m);
    CHECK_OK(medvl_path_remove(other, &err), &err);
    medvl_free(other);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

static void a_parameter_under_two_names_is_refused(void **state)
{
    static float data[11 * 8];
    char *folder = check_temp("twice");
    static const char JSON[] =
        "{\"model_type\":\"gpt2\",\"vocab_size\":11,\"n_embd\":8,"
        "\"n_head\":2,\"n_layer\":1,\"n_positions\":16}";
    struct medvl_model *m, *model = fresh(JSON, 1);
    struct medvl_error err = {0};

    (void)state;
    write_to(model, folder);
    rewrite(folder, NULL, "wte.weight",
            medvl_tensor_2d(data, MEDVL_DTYPE_F32, 11, 8));
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "there under two names (1): transformer.wte.weight");
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

/* Older files have the bias of Phi-2's head, newer ones do not. */
static void a_llava_over_phi_has_the_head_bias_that_its_file_has(void **state)
{
    static const char BIAS[] = "language_model.lm_head.bias";
    static float data[11] = {3};
    char *folder = check_temp("phi");
    static const char JSON[] =
        "{\"model_type\":\"llava\",\"image_token_index\":3," TOWER ","
        "\"text_config\":{\"model_type\":\"phi\",\"vocab_size\":11,"
        "\"hidden_size\":8,\"intermediate_size\":6,"
        "\"num_hidden_layers\":2,\"num_attention_heads\":2}}";
    struct medvl_model *m, *model = fresh(JSON, 1);
    const struct medvl_param *p;
    struct medvl_error err = {0};

    (void)state;
    assert_null(medvl_model_param(model, "decoder.lm_head.bias"));
    write_to(model, folder);
    medvl_model_free(model);
    rewrite(folder, NULL, BIAS, medvl_tensor_1d(data, MEDVL_DTYPE_F32, 11));
    CHECK_OK(medvl_model_open(&m, folder, MEDVL_PART_DECODER, &err), &err);
    p = medvl_model_param(m, "decoder.lm_head.bias");
    assert_non_null(p);
    assert_string_equal(p->name, BIAS);
    assert_true(p->trained);
    CHECK_CLOSE(*(const float *)p->value.data, 3, 0);
    medvl_model_free(m);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

static void all_that_does_not_fit_is_in_one_error(void **state)
{
    char *folder = check_temp("faults");
    struct medvl_model *wide = fresh("{" SIZES "}", 1), *m;
    struct medvl_error err = {0};
    char *path = NULL;
    static const char OTHER[] =
        "{\"model_type\":\"llama\",\"vocab_size\":12,\"hidden_size\":8,"
        "\"intermediate_size\":6,\"num_hidden_layers\":40,"
        "\"num_attention_heads\":2,\"tie_word_embeddings\":true,"
        "\"quantization_config\":{\"quant_method\":\"gptq\"}}";

    (void)state;
    write_to(wide, folder);
    CHECK_OK(medvl_path_join(&path, folder, "config.json", &err), &err);
    CHECK_OK(medvl_file_write(path, OTHER, strlen(OTHER), &err), &err);
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EUNSUPPORTED,
                &err, "weights quantised as \"gptq\" are not read; missing "
                      "(342): model.layers.2.input_layernorm.weight, ");
    assert_non_null(strstr(err.text, " more; no parameter of this "
                                     "architecture (1): lm_head.weight; of "
                                     "another shape than config.json says "
                                     "(1): model.embed_tokens.weight (11,8), "
                                     "want (12,8)"));
    medvl_model_free(wide);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(path);
    medvl_free(folder);
}

/* The whole file of a folder's weights. */
static void read_weights(struct medvl_text *out, const char *folder)
{
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, "model.safetensors", &err), &err);
    medvl_text_clear(out);
    CHECK_OK(medvl_file_read(out, path, 1 << 20, &err), &err);
    medvl_free(path);
}

static void a_fresh_model_needs_no_memory_to_be_written(void **state)
{
    static const char *const CONFIGS[] = {
        "{" SIZES ",\"torch_dtype\":\"bfloat16\"}",
        "{\"model_type\":\"llava\",\"text_config\":{" SIZES "}," TOWER
        ",\"image_token_index\":3}",
        "{\"model_type\":\"gpt2\",\"vocab_size\":11,\"n_embd\":8,"
        "\"n_layer\":2,\"n_head\":2,\"n_positions\":16}",
    };
    struct medvl_text whole = {0}, pieces = {0};
    char *folder = check_temp("pieces");

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct medvl_model *model = fresh(CONFIGS[i], 7);
        struct medvl_config config;
        struct medvl_error err = {0};

        write_to(model, folder);
        read_weights(&whole, folder);
        CHECK_OK(medvl_config_parse(&config, medvl_span(CONFIGS[i]), &err),
                 &err);
        CHECK_OK(medvl_model_write_fresh(&config, 7, folder, NULL, &err), &err);
        read_weights(&pieces, folder);
        assert_int_equal(whole.size, pieces.size);
        assert_memory_equal(whole.data, pieces.data, whole.size);
        medvl_model_free(model);
    }
    CHECK_OK(medvl_path_remove(folder, NULL), &(struct medvl_error){0});
    medvl_text_release(&whole);
    medvl_text_release(&pieces);
    medvl_free(folder);
}

static void another_type_is_written_and_said_in_the_config(void **state)
{
    char *folder = check_temp("as"), *other = check_temp("as-other");
    struct medvl_model *model = fresh(
        "{\"model_type\":\"llava\",\"dtype\":\"float32\",\"text_config\":{"
        "\"torch_dtype\":\"float32\"," SIZES "},\"vision_config\":{"
        "\"torch_dtype\":\"float32\"," TOWER_SIZES
        "},\"image_token_index\":3}",
        1);
    struct medvl_model *as;
    struct medvl_error err = {0};
    float *first = model->params[0].value.data;

    (void)state;
    write_to(model, folder);
    CHECK_OK(medvl_folder_make(other, &err), &err);
    CHECK_OK(medvl_model_write_as(model, other, MEDVL_DTYPE_BF16, NULL, &err),
             &err);
    CHECK_OK(medvl_model_open(&as, other, 0, &err), &err);
    assert_int_equal(as->config.dtype, MEDVL_DTYPE_BF16);
    assert_non_null(strstr(as->config.json.data,
                           "\"dtype\":\"bfloat16\",\"text_config\":{"
                           "\"torch_dtype\":\"bfloat16\""));
    assert_non_null(strstr(as->config.json.data,
                           "\"vision_config\":{"
                           "\"torch_dtype\":\"bfloat16\""));
    for (int64_t i = 0; i < as->count; i++)
        assert_int_equal(as->params[i].value.dtype, MEDVL_DTYPE_BF16);
    assert_int_equal(*(uint16_t *)as->params[0].value.data,
                     medvl_bf16_from_float(first[0]));
    medvl_model_free(as);

    /* What f16 cannot hold is an error that says where and how many. */
    first[0] = 1e6f;
    first[1] = -70000;
    first[2] = INFINITY; /* was so before */
    CHECK_FAILS(medvl_model_write_as(model, other, MEDVL_DTYPE_F16, NULL, &err),
                MEDVL_EFORMAT, &err, "values past what this type holds, in 1 "
                                     "tensors: ");
    assert_non_null(strstr(err.text, "(2 of 8)"));
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_path_remove(other, &err), &err);
    medvl_free(folder);
    medvl_free(other);
}

static void eight_bit_weights_are_bf16_with_their_scales(void **state)
{
    static uint8_t bits[48];
    static float scale = 0.75f;
    const char *up = "model.layers.1.mlp.up_proj.weight";
    char *folder = check_temp("eight"), *other = check_temp("eight-other");
    struct medvl_model *model = fresh("{" SIZES "}", 1), *m, *again;
    struct medvl_param *p;
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 48; i++)
        bits[i] = (uint8_t)(3 * i);
    for (int train = 0; train <= MEDVL_PART_DECODER;
         train += MEDVL_PART_DECODER) {
        write_to(model, folder);
        rewrite(folder, up, up,
                medvl_tensor_2d(bits, MEDVL_DTYPE_F8_E4M3, 6, 8));
        rewrite(folder, NULL, "model.layers.1.mlp.up_proj.weight_scale",
                medvl_tensor_1d(&scale, MEDVL_DTYPE_F32, 1));
        CHECK_OK(medvl_model_open(&m, folder, train, &err), &err);
        p = medvl_model_param(m, "decoder.layers.1.mlp.up_proj.weight");
        assert_int_equal(p->value.dtype,
                         train ? MEDVL_DTYPE_F32 : MEDVL_DTYPE_BF16);
        for (int i = 0; i < 48; i++)
            if (!isnan(medvl_f8_e4m3_to_float(bits[i])))
                assert_true(
                    medvl_float_at(p->value.data, p->value.dtype, i) ==
                    medvl_bf16_to_float(medvl_bf16_from_float(
                        medvl_f8_e4m3_to_float(bits[i]) * scale)));
        /* It is written as what it is now. */
        CHECK_OK(medvl_folder_make(other, &err), &err);
        CHECK_OK(medvl_model_write(m, other, NULL, &err), &err);
        CHECK_OK(medvl_model_open(&again, other, 0, &err), &err);
        assert_int_equal(
            medvl_model_param(again, "decoder.layers.1.mlp.up_proj.weight")
                ->value.dtype,
            MEDVL_DTYPE_BF16);
        medvl_model_free(again);
        medvl_model_free(m);
    }
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_path_remove(other, &err), &err);
    medvl_free(folder);
    medvl_free(other);
}

static void copy(const char *to, const char *from, const char *name)
{
    char *source = NULL, *target = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_join(&source, from, name, &err), &err);
    CHECK_OK(medvl_path_join(&target, to, name, &err), &err);
    CHECK_OK(medvl_file_copy(target, source, &err), &err);
    medvl_free(source);
    medvl_free(target);
}

/* Values of `folder`, looked at and written in each type, are its own. */
static void check_written_unread(const char *folder, const char *other)
{
    static const enum medvl_dtype TYPES[] = {
        MEDVL_DTYPE_F32, MEDVL_DTYPE_BF16, MEDVL_DTYPE_F16};
    struct medvl_model *from, *look, *to;
    struct medvl_error err = {0};

    CHECK_OK(medvl_model_open(&from, folder, 0, &err), &err);
    for (int k = 0; k < 3; k++) {
        CHECK_OK(medvl_model_look(&look, folder, &err), &err);
        CHECK_OK(medvl_folder_make(other, &err), &err);
        CHECK_OK(medvl_model_write_as(look, other, TYPES[k], NULL, &err),
                 &err);
        CHECK_OK(medvl_model_open(&to, other, 0, &err), &err);
        for (int64_t i = 0; i < to->count; i++) {
            const struct medvl_tensor *a = &from->params[i].value;
            const struct medvl_tensor *b = &to->params[i].value;

            assert_null(look->params[i].value.data);
            assert_int_equal(b->dtype, TYPES[k]);
            for (int64_t n = 0;
                 n < medvl_tensor_rows(a) * medvl_tensor_columns(a); n++) {
                float want = medvl_float_at(a->data, a->dtype, n);

                if (TYPES[k] == MEDVL_DTYPE_BF16)
                    want = medvl_bf16_to_float(medvl_bf16_from_float(want));
                else if (TYPES[k] == MEDVL_DTYPE_F16)
                    want = medvl_f16_to_float(medvl_f16_from_float(want));
                assert_true(medvl_float_at(b->data, b->dtype, n) == want);
            }
        }
        medvl_model_free(look);
        medvl_model_free(to);
    }
    medvl_model_free(from);
}

static void what_was_only_looked_at_is_written(void **state)
{
    static const char UP[] = "model.layers.1.mlp.up_proj.weight";
    static uint8_t bits[48];
    static float scales[6] = {0.75f, 1, 1.5f, 0.3f, 2, 7};
    char *folder = check_temp("unread"), *other = check_temp("unread-other");
    struct medvl_model *model = fresh("{" SIZES "}", 1);
    struct medvl_error err = {0};

    (void)state;
    for (int i = 0; i < 48; i++)
        bits[i] = (uint8_t)(3 * i);
    check_written_unread("tests/golden/models/gpt2", other); /* transposed */
    write_to(model, folder);
    rewrite(folder, UP, UP, medvl_tensor_2d(bits, MEDVL_DTYPE_F8_E4M3, 6, 8));
    rewrite(folder, NULL, "model.layers.1.mlp.up_proj.weight_scale",
            medvl_tensor_1d(scales, MEDVL_DTYPE_F32, 6));
    check_written_unread(folder, other);
    medvl_model_free(model);

    /* Without weights there is nothing to write. */
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    copy(folder, "tests/golden/models/gpt2", "config.json");
    CHECK_OK(medvl_model_look(&model, folder, &err), &err);
    CHECK_FAILS(medvl_model_write(model, other, NULL, &err), MEDVL_EIO, &err,
                ": neither model.safetensors nor ");
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    CHECK_OK(medvl_path_remove(other, &err), &err);
    medvl_free(folder);
    medvl_free(other);
}

/* Not read when it is frozen, or but for few rows. */
static bool is_unread(const char *name)
{
    return strstr(name, "encoder.layers.1.") ||
           strstr(name, "post_layernorm") || strstr(name, "embed_tokens");
}

static void what_values_take_follows_their_types_and_what_learns(void **state)
{
    static const int TRAIN[] = {0, MEDVL_PART_PROJECTOR, MEDVL_PART_DECODER,
                                MEDVL_PART_VISION, ~0};
    char *folder = check_temp("bytes");
    struct medvl_model *m = fresh(
        "{\"model_type\":\"llava\",\"image_token_index\":3,"
        "\"text_config\":{" SIZES "}," TOWER ","
        "\"torch_dtype\":\"bfloat16\"}",
        1);
    struct medvl_error err = {0};

    (void)state;
    write_to(m, folder);
    medvl_model_free(m);
    for (size_t k = 0; k < sizeof(TRAIN) / sizeof(*TRAIN); k++) {
        size_t want = 0, tower = 0;

        CHECK_OK(medvl_model_open(&m, folder, TRAIN[k], &err), &err);
        for (int64_t i = 0; i < m->count; i++) {
            const struct medvl_param *p = &m->params[i];
            const bool unread = is_unread(p->name);
            const size_t n = (size_t)(medvl_tensor_rows(&p->value) *
                                      medvl_tensor_columns(&p->value));
            const size_t bytes = p->trained ? (4 * n + 63) / 64 * 64
                                 : unread   ? 0
                                            : 2 * n;

            assert_int_equal(p->value.dtype, p->trained ? MEDVL_DTYPE_F32
                                                        : MEDVL_DTYPE_BF16);
            want += bytes;
            if (p->trained || medvl_model_part(m, p) == MEDVL_PART_VISION)
                tower += bytes;
        }
        assert_int_equal(medvl_model_memory(m, ~0), want);
        assert_int_equal(medvl_model_memory(m, MEDVL_PART_VISION), tower);
        medvl_model_free(m);
    }
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

static void a_head_beside_tied_embeddings_must_equal_them(void **state)
{
    char *folder = check_temp("tied");
    struct medvl_model *model = fresh(
        "{" SIZES ",\"tie_word_embeddings\":true}", 1);
    struct medvl_tensor head = model->params[0].value;
    struct medvl_model *m;
    struct medvl_error err = {0};

    (void)state;
    assert_null(medvl_model_param(model, "decoder.lm_head.weight"));
    write_to(model, folder);
    rewrite(folder, NULL, "lm_head.weight", head);
    CHECK_OK(medvl_model_open(&m, folder, 0, &err), &err);
    medvl_model_free(m);
    write_to(model, folder);
    ((float *)head.data)[3] += 1;
    rewrite(folder, NULL, "lm_head.weight", head);
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "no parameter of this architecture (1): lm_head.weight");
    medvl_model_free(model);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

/* The file of a whole CLIP has a tower for text and a scale of both. */
static void of_a_towers_file_only_the_tower_is_taken(void **state)
{
    static const char FROM[] = "tests/golden/models/llava_original";
    static float data[6];
    char *folder = check_temp("clip"), *tower = NULL;
    struct medvl_model *m;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_path_join(&tower, folder, "vit/clip", &err), &err);
    CHECK_OK(medvl_folder_make(tower, &err), &err);
    copy(folder, FROM, "config.json");
    copy(folder, FROM, "model.safetensors");
    copy(folder, FROM, "vit/clip/config.json");
    copy(folder, FROM, "vit/clip/model.safetensors");
    rewrite(tower, NULL, "text_model.embeddings.token_embedding.weight",
            medvl_tensor_2d(data, MEDVL_DTYPE_F32, 3, 2));
    rewrite(tower, NULL, "logit_scale",
            medvl_tensor_1d(data, MEDVL_DTYPE_F32, 1));
    CHECK_OK(medvl_model_open(&m, folder, 0, &err), &err);
    assert_non_null(medvl_model_tower(m));
    medvl_model_free(m);
    /* One that the tower has not is said. */
    rewrite(tower, NULL, "vision_model.encoder.layers.99.layer_norm1.bias",
            medvl_tensor_1d(data, MEDVL_DTYPE_F32, 6));
    CHECK_FAILS(medvl_model_open(&m, folder, 0, &err), MEDVL_EFORMAT, &err,
                "no parameter of this architecture (1): vision_model.enc");
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
    medvl_free(tower);
}

static void a_fresh_tower_knows_where_its_patches_are(void **state)
{
    struct medvl_model *model = fresh(
        "{\"model_type\":\"llava\",\"image_token_index\":3,"
        "\"text_config\":{" SIZES "}," TOWER "}",
        1);
    const struct medvl_param *p = medvl_model_param(
        model, "vision.position_embedding");
    const float *v;

    (void)state;
    assert_non_null(p);
    assert_int_equal(p->value.size[0], 10);
    assert_int_equal(medvl_model_part(model, p), MEDVL_PART_VISION);
    v = p->value.data;
    for (int c = 0; c < 8; c++)
        CHECK_CLOSE(v[c], 0, 0);
    /* Patch 5 is row 1, column 2: sines and cosines of y, then of x. */
    CHECK_CLOSE(v[6 * 8 + 0], sin(1), 1e-6);
    CHECK_CLOSE(v[6 * 8 + 2], cos(1), 1e-6);
    CHECK_CLOSE(v[6 * 8 + 4], sin(2), 1e-6);
    CHECK_CLOSE(v[6 * 8 + 7], cos(2 * 0.01), 1e-6);
    p = medvl_model_param(model, "projector.0.weight");
    assert_int_equal(medvl_model_part(model, p), MEDVL_PART_PROJECTOR);
    p = medvl_model_param(model, "decoder.lm_head.weight");
    assert_int_equal(medvl_model_part(model, p), MEDVL_PART_DECODER);
    medvl_model_free(model);
}

static int open_and_close(void *arg, struct medvl_error *err)
{
    struct medvl_model *model;
    int rc = medvl_model_open(&model, arg, MEDVL_PART_DECODER, err);

    if (rc == MEDVL_OK)
        medvl_model_free(model);
    return rc;
}

static void a_failed_allocation_fails_the_opening_alone(void **state)
{
    char *folder = check_temp("oom-model");
    struct medvl_model *model = fresh("{" SIZES "}", 1);
    struct medvl_error err = {0};

    (void)state;
    write_to(model, folder);
    medvl_model_free(model);
    check_no_memory(open_and_close, folder, 3000);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_model),
        cmocka_unit_test(values_keep_the_type_they_were_stored_in),
        cmocka_unit_test(averages_can_be_written_in_place_of_the_values),
        cmocka_unit_test(the_file_must_be_what_the_config_says),
        cmocka_unit_test(
            the_config_says_how_large_blocks_of_eight_bits_are),
        cmocka_unit_test(a_parameter_under_two_names_is_refused),
        cmocka_unit_test(
            a_llava_over_phi_has_the_head_bias_that_its_file_has),
        cmocka_unit_test(all_that_does_not_fit_is_in_one_error),
        cmocka_unit_test(a_fresh_model_needs_no_memory_to_be_written),
        cmocka_unit_test(another_type_is_written_and_said_in_the_config),
        cmocka_unit_test(eight_bit_weights_are_bf16_with_their_scales),
        cmocka_unit_test(what_was_only_looked_at_is_written),
        cmocka_unit_test(a_head_beside_tied_embeddings_must_equal_them),
        cmocka_unit_test(
            what_values_take_follows_their_types_and_what_learns),
        cmocka_unit_test(of_a_towers_file_only_the_tower_is_taken),
        cmocka_unit_test(a_fresh_tower_knows_where_its_patches_are),
        cmocka_unit_test(a_failed_allocation_fails_the_opening_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
