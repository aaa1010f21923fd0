/*
 * config.json: which fields there are, their defaults and their bounds.
 *
 * Source: LlamaConfig, CLIPVisionConfig and LlavaConfig of transformers.
 *
 * Read next: checkpoint.h.
 */
#include "lib/model/config.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"

#define SIZE_LIMIT  ((int64_t)1 << 20)
#define VOCAB_LIMIT ((int64_t)1 << 24)
#define LAYER_LIMIT 1024
#define FILE_LIMIT  ((size_t)16 << 20)

/*
 * Reads fields one after another; the first failure stays.  `place` goes in
 * front of a field's name in errors.
 */
struct reader {
    const struct medvl_json *object;
    const char *place;
    struct medvl_error *err;
    int rc;
};

/* Null is absent for a field, never for an object (see get_object). */
static const struct medvl_json *field(const struct reader *r,
                                      const char *name)
{
    const struct medvl_json *v = medvl_json_get(r->object, name);

    return medvl_json_type(v) == MEDVL_JSON_NULL ? NULL : v;
}

static void wrap(struct reader *r)
{
    if (r->rc < 0 && r->place[0])
        medvl_context(r->err, "%s", r->place);
}

static int64_t get_int(struct reader *r, const char *name, int64_t low,
                       int64_t high, int64_t otherwise)
{
    int64_t value = otherwise;

    if (r->rc < 0 || !field(r, name))
        return otherwise;
    r->rc = medvl_json_get_int(&value, r->object, name, low, high, r->err);
    wrap(r);
    return value;
}

static float get_float(struct reader *r, const char *name, double low,
                       double high, double otherwise)
{
    double value = otherwise;

    if (r->rc < 0 || !field(r, name))
        return (float)otherwise;
    r->rc = medvl_json_get_number(&value, r->object, name, low, high,
                                  r->err);
    wrap(r);
    return (float)value;
}

static const char *get_string(struct reader *r, const char *name,
                              const char *otherwise)
{
    const char *value = otherwise;

    if (r->rc < 0 || !field(r, name))
        return otherwise;
    r->rc = medvl_json_get_string(&value, r->object, name, r->err);
    wrap(r);
    return value;
}

static bool get_bool(struct reader *r, const char *name, bool otherwise)
{
    const struct medvl_json *v = field(r, name);

    if (r->rc < 0 || !v)
        return otherwise;
    if (medvl_json_type(v) != MEDVL_JSON_BOOL) {
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "\"%s\": want true or false", name);
        wrap(r);
    }
    return medvl_json_true(v);
}

/* An object or NULL where there is none; null is neither, but `or_null`. */
static const struct medvl_json *get_object(struct reader *r,
                                           const char *name, bool or_null)
{
    const struct medvl_json *v = medvl_json_get(r->object, name);
    const bool null = medvl_json_type(v) == MEDVL_JSON_NULL;

    if (r->rc < 0 || !v || (null && or_null))
        return NULL;
    if (medvl_json_type(v) != MEDVL_JSON_OBJECT) {
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT, "\"%s\": want an object",
                           name);
        wrap(r);
        return NULL;
    }
    return v;
}

static void refuse(struct reader *r, const char *name, const char *value)
{
    if (r->rc < 0)
        return;
    r->rc = medvl_fail(r->err, MEDVL_EUNSUPPORTED,
                       "\"%s\": \"%s\" is not built in", name, value);
    wrap(r);
}

static enum medvl_act get_act(struct reader *r, const char *name,
                              enum medvl_act otherwise)
{
    static const struct {
        const char *name;
        enum medvl_act act;
    } ACTS[] = {
        {"gelu", MEDVL_ACT_GELU},
        {"gelu_new", MEDVL_ACT_GELU_TANH},
        {"gelu_pytorch_tanh", MEDVL_ACT_GELU_TANH},
        {"quick_gelu", MEDVL_ACT_QUICK_GELU},
        {"silu", MEDVL_ACT_SILU},
        {"swish", MEDVL_ACT_SILU},
    };
    const char *value = get_string(r, name, NULL);

    for (size_t i = 0; value && i < sizeof(ACTS) / sizeof(*ACTS); i++)
        if (strcmp(value, ACTS[i].name) == 0)
            return ACTS[i].act;
    if (value)
        refuse(r, name, value);
    return otherwise;
}

/* ---- decoder --------------------------------------------------------- */

/* "rope_scaling", or "rope_parameters" of newer writers. */
static void read_rope(struct medvl_decoder_config *d, struct reader *r)
{
    struct reader scaling = {.err = r->err};
    const char *kind;

    scaling.place = "rope_parameters";
    scaling.object = get_object(r, scaling.place, true);
    if (!scaling.object) {
        scaling.place = "rope_scaling";
        scaling.object = get_object(r, scaling.place, true);
    }
    d->rope_theta = get_float(r, "rope_theta", 1, 1e12, 10000);
    if (!scaling.object || r->rc < 0)
        return;
    d->rope_theta = get_float(&scaling, "rope_theta", 1, 1e12,
                              (double)d->rope_theta);
    kind = get_string(&scaling, "rope_type",
                      get_string(&scaling, "type", "default"));
    d->rope_factor = get_float(&scaling, "factor", 1, 1e6, 1);
    if (strcmp(kind, "linear") == 0) {
        d->rope_kind = MEDVL_ROPE_LINEAR;
    } else if (strcmp(kind, "llama3") == 0) {
        d->rope_kind = MEDVL_ROPE_LLAMA3;
        d->rope_low = get_float(&scaling, "low_freq_factor", 1e-3, 1e6, 1);
        d->rope_high = get_float(&scaling, "high_freq_factor", 1e-3, 1e6, 4);
        d->rope_original = get_float(
            &scaling, "original_max_position_embeddings", 1, 1e9, 8192);
        if (d->rope_high <= d->rope_low && scaling.rc == MEDVL_OK)
            scaling.rc = medvl_fail(r->err, MEDVL_EFORMAT,
                                    "rope_scaling: high_freq_factor is not "
                                    "above low_freq_factor");
    } else if (strcmp(kind, "default") != 0) {
        refuse(&scaling, "rope_type", kind);
    }
    r->rc = scaling.rc;
}

static void check_heads(struct medvl_decoder_config *d, struct reader *r)
{
    if (r->rc < 0)
        return;
    if (d->head_size == 0 && d->hidden % d->heads != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "hidden_size %lld does not divide by %lld heads",
                           (long long)d->hidden, (long long)d->heads);
    else if (d->heads % d->groups != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "%lld attention heads do not divide by %lld "
                           "key/value heads",
                           (long long)d->heads, (long long)d->groups);
    if (d->head_size == 0)
        d->head_size = d->hidden / d->heads;
    if (r->rc == MEDVL_OK && d->head_size % 2 != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "head size %lld is odd, rope turns pairs",
                           (long long)d->head_size);
    wrap(r);
}

static void read_decoder(struct medvl_decoder_config *d, struct reader *r)
{
    const char *kind = get_string(r, "model_type", "llama");

    if (strcmp(kind, "llama") != 0)
        refuse(r, "model_type", kind);
    d->vocab_size = get_int(r, "vocab_size", 1, VOCAB_LIMIT, 32000);
    d->hidden = get_int(r, "hidden_size", 1, SIZE_LIMIT, 4096);
    d->intermediate = get_int(r, "intermediate_size", 1, SIZE_LIMIT, 11008);
    d->layers = get_int(r, "num_hidden_layers", 1, LAYER_LIMIT, 32);
    d->heads = get_int(r, "num_attention_heads", 1, SIZE_LIMIT, 32);
    d->groups = get_int(r, "num_key_value_heads", 1, SIZE_LIMIT, d->heads);
    d->head_size = get_int(r, "head_dim", 1, SIZE_LIMIT, 0);
    d->max_positions = get_int(r, "max_position_embeddings", 1, VOCAB_LIMIT,
                               2048);
    d->norm_eps = get_float(r, "rms_norm_eps", 0, 1, 1e-6);
    d->attention_bias = get_bool(r, "attention_bias", false);
    d->mlp_bias = get_bool(r, "mlp_bias", false);
    d->tied = get_bool(r, "tie_word_embeddings", d->tied);
    d->act = get_act(r, "hidden_act", MEDVL_ACT_SILU);
    d->init_range = get_float(r, "initializer_range", 0, 10, 0.02);
    read_rope(d, r);
    check_heads(d, r);
}

/* ---- tower ----------------------------------------------------------- */

/* `given`: CLIPVisionConfig's defaults; absent: those of LlavaConfig. */
static void read_vision(struct medvl_vision_config *v, struct reader *r)
{
    const bool given = r->object;
    const char *kind = get_string(r, "model_type", "clip_vision_model");

    if (strcmp(kind, "clip_vision_model") != 0)
        refuse(r, "model_type", kind);
    v->image_size = get_int(r, "image_size", 1, 1 << 14, given ? 224 : 336);
    v->patch_size = get_int(r, "patch_size", 1, 1 << 14, given ? 32 : 14);
    v->hidden = get_int(r, "hidden_size", 1, SIZE_LIMIT, given ? 768 : 1024);
    v->intermediate = get_int(r, "intermediate_size", 1, SIZE_LIMIT,
                              given ? 3072 : 4096);
    v->layers = get_int(r, "num_hidden_layers", 1, LAYER_LIMIT,
                        given ? 12 : 24);
    v->heads = get_int(r, "num_attention_heads", 1, SIZE_LIMIT,
                       given ? 12 : 16);
    v->norm_eps = get_float(r, "layer_norm_eps", 0, 1, 1e-5);
    v->act = get_act(r, "hidden_act", MEDVL_ACT_QUICK_GELU);
    v->init_range = get_float(r, "initializer_range", 0, 10, 0.02);
    get_int(r, "num_channels", 3, 3, 3);
    if (r->rc < 0)
        return;
    if (v->image_size % v->patch_size != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "image_size %lld does not divide by patch_size "
                           "%lld",
                           (long long)v->image_size,
                           (long long)v->patch_size);
    else if (v->hidden % v->heads != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "hidden_size %lld does not divide by %lld heads",
                           (long long)v->hidden, (long long)v->heads);
    wrap(r);
}

/* What LLaVA adds at the top: which features go where. */
static void read_joint(struct medvl_config *config, struct reader *r)
{
    struct medvl_vision_config *v = &config->vision;
    const char *which;
    int64_t layer;

    if (medvl_json_type(field(r, "vision_feature_layer")) ==
        MEDVL_JSON_ARRAY)
        refuse(r, "vision_feature_layer", "a list");
    layer = get_int(r, "vision_feature_layer", -v->layers - 1, v->layers,
                    -2);
    v->run_layers = layer < 0 ? v->layers + 1 + layer : layer;
    which = get_string(r, "vision_feature_select_strategy", "default");
    v->keep_class = strcmp(which, "full") == 0;
    if (!v->keep_class && strcmp(which, "default") != 0)
        refuse(r, "vision_feature_select_strategy", which);
    config->projector_act = get_act(r, "projector_hidden_act",
                                    MEDVL_ACT_GELU);
    config->projector_bias = get_bool(r, "multimodal_projector_bias", true);
    config->image_token =
        (int32_t)get_int(r, "image_token_index", 0,
                         config->decoder.vocab_size - 1,
                         get_int(r, "image_token_id", 0,
                                 config->decoder.vocab_size - 1, 32000));
    if (r->rc == MEDVL_OK &&
        config->image_token >= config->decoder.vocab_size)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "image_token_index %d is not below the "
                           "vocabulary's %lld: \"vocab_size\" of "
                           "text_config counts the placeholder too",
                           config->image_token,
                           (long long)config->decoder.vocab_size);
}

/* ---- the whole ------------------------------------------------------- */

static void read_arch(struct medvl_config *config, struct reader *r)
{
    const struct medvl_json *list = field(r, "architectures");
    const char *name = medvl_json_string(medvl_json_first(list));
    const char *type = get_string(r, "model_type", "");

    if (list && r->rc == MEDVL_OK &&
        (medvl_json_type(list) != MEDVL_JSON_ARRAY || !name)) {
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "\"architectures\": want a list of names");
        return;
    }
    if (!name)
        name = strcmp(type, "llama") == 0   ? "LlamaForCausalLM"
               : strcmp(type, "llava") == 0 ? "LlavaForConditionalGeneration"
                                            : type;
    if (strcmp(name, "LlamaForCausalLM") == 0)
        config->arch = MEDVL_ARCH_LLAMA;
    else if (strcmp(name, "LlavaForConditionalGeneration") == 0)
        config->arch = MEDVL_ARCH_LLAVA;
    else if (r->rc == MEDVL_OK) {
        r->rc = medvl_fail(r->err, MEDVL_EUNSUPPORTED,
                           "\"architectures\": \"%s\" is not built in "
                           "(LlamaForCausalLM and "
                           "LlavaForConditionalGeneration are)",
                           name);
        wrap(r);
    }
    if (config->arch == MEDVL_ARCH_LLAVA && r->rc == MEDVL_OK && type[0] &&
        strcmp(type, "llava") != 0)
        r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                           "\"model_type\" is \"%s\", and the architecture "
                           "%s is of \"llava\"",
                           type, name);
}

static void read_dtype(struct medvl_config *config, struct reader *r,
                       struct reader *text)
{
    const char *name = get_string(r, "dtype", NULL);

    if (!name)
        name = get_string(r, "torch_dtype", NULL);
    if (!name)
        name = get_string(text, "dtype", NULL);
    if (!name)
        name = get_string(text, "torch_dtype", "float32");
    if (strcmp(name, "float32") == 0)
        config->dtype = MEDVL_DTYPE_F32;
    else if (strcmp(name, "bfloat16") == 0)
        config->dtype = MEDVL_DTYPE_BF16;
    else if (strcmp(name, "float16") == 0)
        config->dtype = MEDVL_DTYPE_F16;
    else
        refuse(r, "dtype", name);
}

/* "eos_token_id": one or a list; null is none, absent leaves what was. */
static void read_eos(struct medvl_config *config, struct reader *r)
{
    const struct medvl_json *v = medvl_json_get(r->object, "eos_token_id");
    const struct medvl_json *item = v;

    if (medvl_json_type(v) == MEDVL_JSON_NULL)
        config->eos_count = 0;
    if (r->rc < 0 || medvl_json_type(v) <= MEDVL_JSON_NULL)
        return;
    if (medvl_json_type(v) == MEDVL_JSON_ARRAY)
        item = medvl_json_first(v);
    config->eos_count = 0;
    for (; item; item = item == v ? NULL : medvl_json_next(item)) {
        const double id = medvl_json_number(item, -1);

        if (!(id >= 0 && id < VOCAB_LIMIT && id == (double)(int32_t)id) ||
            config->eos_count == MEDVL_EOS_MAX) {
            r->rc = medvl_fail(r->err, MEDVL_EFORMAT,
                               "\"eos_token_id\": want at most %d ids",
                               MEDVL_EOS_MAX);
            return wrap(r);
        }
        config->eos[config->eos_count++] = (int32_t)id;
    }
}

/* -1 for none, also written so by some; null says none, too. */
static int32_t read_id(struct reader *r, const char *name, int32_t otherwise)
{
    if (medvl_json_type(medvl_json_get(r->object, name)) == MEDVL_JSON_NULL)
        return -1;
    return (int32_t)get_int(r, name, -1, VOCAB_LIMIT, otherwise);
}

static int read_all(struct medvl_config *config,
                    const struct medvl_json *root, struct medvl_error *err)
{
    struct reader top = {root, "", err, MEDVL_OK};
    struct reader text = top;

    read_arch(config, &top);
    config->image_token = -1;
    config->eos[0] = 2;
    config->eos_count = 1;
    if (top.rc < 0)
        return top.rc;
    if (config->arch == MEDVL_ARCH_LLAVA) {
        struct reader vision = {get_object(&top, "vision_config", false),
                                "vision_config", err, MEDVL_OK};

        text.object = get_object(&top, "text_config", false);
        text.place = "text_config";
        if (top.rc < 0)
            return top.rc;
        config->decoder.tied = get_bool(&top, "tie_word_embeddings", false);
        read_vision(&config->vision, &vision);
        top.rc = vision.rc;
    }
    if (top.rc == MEDVL_OK) {
        read_decoder(&config->decoder, &text);
        read_eos(config, &text);
        config->bos = read_id(&text, "bos_token_id", 1);
        config->pad = read_id(&text, "pad_token_id", -1);
        top.rc = text.rc;
    }
    if (config->arch == MEDVL_ARCH_LLAVA) {
        read_joint(config, &top);
        read_eos(config, &top);
        config->bos = read_id(&top, "bos_token_id", config->bos);
        config->pad = read_id(&top, "pad_token_id", config->pad);
    }
    if (top.rc == MEDVL_OK)
        read_dtype(config, &top, &text);
    return top.rc < 0 ? top.rc : text.rc;
}

int medvl_config_parse(struct medvl_config *config, struct medvl_span json,
                       struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    int rc;

    memset(config, 0, sizeof(*config));
    rc = medvl_json_parse(&root, json, err);
    if (rc == MEDVL_OK && medvl_json_type(root) != MEDVL_JSON_OBJECT)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no object");
    if (rc == MEDVL_OK)
        rc = read_all(config, root, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&config->json, json.data, json.size, err);
    medvl_json_free(root);
    if (rc < 0)
        medvl_config_release(config);
    return rc;
}

/* generation_config.json has the last word on where an answer ends. */
static int read_generation(struct medvl_config *config, const char *folder,
                           struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    char *path = NULL;
    struct reader r = {NULL, "generation_config.json", err, MEDVL_OK};
    int rc = medvl_path_join(&path, folder, "generation_config.json", err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_json_read(&root, path, err);
        r.object = root;
        if (rc == MEDVL_OK)
            read_eos(config, &r);
        if (rc == MEDVL_OK)
            rc = r.rc;
    }
    medvl_json_free(root);
    medvl_free(path);
    return rc;
}

/* A run folder gets its config.json when the run is finished. */
static int check_run(const char *folder, const char *path,
                     struct medvl_error *err)
{
    char *latest = NULL;
    int rc;

    if (medvl_file_exists(path))
        return MEDVL_OK;
    rc = medvl_path_join(&latest, folder, "latest", err);
    if (rc == MEDVL_OK && medvl_folder_exists(latest))
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: a run that is not finished; its newest "
                        "checkpoint is %s",
                        folder, latest);
    medvl_free(latest);
    return rc;
}

int medvl_config_read(struct medvl_config *config, const char *folder,
                      struct medvl_error *err)
{
    struct medvl_text text = {0};
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "config.json", err);

    memset(config, 0, sizeof(*config));
    if (rc == MEDVL_OK)
        rc = check_run(folder, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_read(&text, path, FILE_LIMIT, err);
    if (rc == MEDVL_OK) {
        rc = medvl_config_parse(config, medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    if (rc == MEDVL_OK) {
        rc = read_generation(config, folder, err);
        if (rc < 0)
            medvl_config_release(config);
    }
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

void medvl_config_release(struct medvl_config *config)
{
    medvl_text_release(&config->json);
    memset(config, 0, sizeof(*config));
}
