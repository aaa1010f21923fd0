/*
 * config.json: which model it is, and its parts.
 *
 * Source: the configurations of transformers 4.57.
 *
 * Read next: config_reader.c.
 */
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/model/config_part.h"
#include "lib/tensor/safetensors.h"

#define FILE_LIMIT ((size_t)16 << 20)

#define TEXT     MEDVL_FAMILY_TEXT, MEDVL_NAMING_TEXT
#define ORIGINAL MEDVL_FAMILY_LLAVA, MEDVL_NAMING_ORIGINAL

/*
 * Models by their class, and by "model_type" where no class is named.
 * `decoder` is the type of what the file has no "text_config" for.
 */
static const struct model {
    const char *name, *type;
    enum medvl_family family;
    enum medvl_naming naming;
    const char *decoder;
} MODELS[] = {
    {"LlamaForCausalLM", "llama", TEXT, "llama"},
    {"MistralForCausalLM", "mistral", TEXT, "mistral"},
    {"Qwen2ForCausalLM", "qwen2", TEXT, "qwen2"},
    {"Qwen3ForCausalLM", "qwen3", TEXT, "qwen3"},
    {"PhiForCausalLM", "phi", TEXT, "phi"},
    {"Phi3ForCausalLM", "phi3", TEXT, "phi3"},
    {"GPT2LMHeadModel", "gpt2", TEXT, "gpt2"},
    {"LlavaForConditionalGeneration", "llava", MEDVL_FAMILY_LLAVA,
     MEDVL_NAMING_LLAVA, NULL},
    {"LlavaNextForConditionalGeneration", "llava_next",
     MEDVL_FAMILY_LLAVA_NEXT, MEDVL_NAMING_LLAVA, NULL},
    {"LlavaLlamaForCausalLM", "llava_llama", ORIGINAL, "llama"},
    {"LlavaLlamaForCausalLM", "llava", ORIGINAL, "llama"},
    {"LlavaMistralForCausalLM", "llava_mistral", ORIGINAL, "mistral"},
    {"LlavaMistralForCausalLM", "llava", ORIGINAL, "mistral"},
    {"LlavaQwen2ForCausalLM", "llava_qwen2", ORIGINAL, "qwen2"},
    {"LlavaQwenForCausalLM", "llava_qwen", ORIGINAL, "qwen2"},
    {"Qwen2VLForConditionalGeneration", "qwen2_vl", MEDVL_FAMILY_QWEN2_VL,
     MEDVL_NAMING_QWEN_VL, NULL},
    {"Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl",
     MEDVL_FAMILY_QWEN2_5_VL, MEDVL_NAMING_QWEN_VL, NULL},
};

#define MODEL_COUNT (sizeof(MODELS) / sizeof(*MODELS))

/* The class names the model; without one its type does. */
static const struct model *find_model(const char *name, const char *type)
{
    const struct model *found = NULL;

    for (size_t i = 0; i < MODEL_COUNT; i++) {
        const bool typed = strcmp(MODELS[i].type, type) == 0;

        if (name ? strcmp(MODELS[i].name, name) != 0 : !typed)
            continue;
        if (!found || (name && typed))
            found = &MODELS[i];
    }
    return found;
}

bool medvl_config_kind(enum medvl_family *family, enum medvl_naming *naming,
                       const char *name, const char *type)
{
    const struct model *found = find_model(name, type);

    if (!found)
        return false;
    *family = found->family;
    *naming = found->naming;
    return true;
}

static const struct model *read_model(struct medvl_config *config,
                                      struct medvl_config_reader *r)
{
    const struct medvl_json *list = medvl_config_field(r, "architectures");
    const char *name = medvl_json_string(medvl_json_first(list));
    const char *type = medvl_config_string(r, "model_type", "");
    const struct model *found = find_model(name, type);

    if (list && !name)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"architectures\": want a list of names");
    else if (!found)
        medvl_config_fail(r, MEDVL_EUNSUPPORTED,
                          "\"architectures\": \"%s\" is not built in; "
                          "medvl-inspect(1) lists what is",
                          name ? name : type);
    else if (type[0] && strcmp(type, found->type) != 0)
        medvl_config_fail(r, MEDVL_EFORMAT,
                          "\"model_type\" is \"%s\", and the "
                          "architecture %s is of \"%s\"",
                          type, found->name, found->type);
    if (r->rc < 0)
        return NULL;
    config->family = found->family;
    config->naming = found->naming;
    return found;
}

static void read_dtype(struct medvl_config *config,
                       struct medvl_config_reader *r,
                       struct medvl_config_reader *text)
{
    const char *name = medvl_config_string(r, "dtype", NULL);

    if (!name)
        name = medvl_config_string(r, "torch_dtype", NULL);
    if (!name)
        name = medvl_config_string(text, "dtype", NULL);
    if (!name)
        name = medvl_config_string(text, "torch_dtype", "float32");
    if (strcmp(name, "float32") == 0)
        config->dtype = MEDVL_DTYPE_F32;
    else if (strcmp(name, "bfloat16") == 0)
        config->dtype = MEDVL_DTYPE_BF16;
    else if (strcmp(name, "float16") == 0)
        config->dtype = MEDVL_DTYPE_F16;
    else
        medvl_config_refuse(r, "dtype", name);
}

/* "eos_token_id": one or a list; null is none, absent leaves what was. */
static void read_eos(struct medvl_config *config, struct medvl_config_reader *r)
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

        if (!(id >= 0 && id < MEDVL_VOCAB_LIMIT && id == (double)(int32_t)id) ||
            config->eos_count == MEDVL_EOS_MAX) {
            medvl_config_fail(r, MEDVL_EFORMAT,
                              "\"eos_token_id\": want at most %d ids",
                              MEDVL_EOS_MAX);
            return;
        }
        config->eos[config->eos_count++] = (int32_t)id;
    }
}

static void read_ids(struct medvl_config *config,
                     struct medvl_config_reader *r)
{
    read_eos(config, r);
    config->bos = medvl_config_id(r, "bos_token_id", config->bos);
    config->pad = medvl_config_id(r, "pad_token_id", config->pad);
}

/* Above the text's own, where null leaves what that says. */
static void read_top_ids(struct medvl_config *config,
                         struct medvl_config_reader *r)
{
    if (medvl_config_field(r, "eos_token_id"))
        read_eos(config, r);
    if (medvl_config_field(r, "bos_token_id"))
        config->bos = medvl_config_id(r, "bos_token_id", -1);
    if (medvl_config_field(r, "pad_token_id"))
        config->pad = medvl_config_id(r, "pad_token_id", -1);
}

/* `type`: the decoder's. */
static int read_text(struct medvl_config *config,
                     struct medvl_config_reader *r, const char *type)
{
    medvl_config_read_decoder(&config->decoder, r, type);
    medvl_config_default_ids(config, type);
    read_ids(config, r);
    return r->rc;
}

/* A tower and a decoder, each in an object of its own. */
static int read_llava(struct medvl_config *config,
                      struct medvl_config_reader *top,
                      struct medvl_config_reader *text)
{
    struct medvl_config_reader vision = {.place = "vision_config",
                                         .err = top->err};

    vision.object = medvl_config_object(top, vision.place, false);
    text->place = "text_config";
    text->object = medvl_config_object(top, text->place, false);
    config->decoder.tied = medvl_config_bool(top, "tie_word_embeddings",
                                             false);
    if (top->rc < 0)
        return top->rc;
    medvl_config_read_vision(&config->vision, &vision);
    if (vision.rc < 0)
        return vision.rc;
    if (read_text(config, text,
                  medvl_config_string(text, "model_type", "llama")) < 0)
        return text->rc;
    config->decoder.head_bias = false; /* the class's own head has none */
    medvl_config_read_llava(config, top);
    read_top_ids(config, top);
    return top->rc;
}

/* The text's fields stand at the top, or in an object of their own. */
static int read_qwen_vl(struct medvl_config *config,
                        struct medvl_config_reader *top,
                        struct medvl_config_reader *text)
{
    const struct medvl_json *inner = medvl_config_object(top, "text_config",
                                                         true);

    config->decoder.tied = medvl_config_bool(top, "tie_word_embeddings",
                                             false);
    if (top->rc < 0)
        return top->rc;
    if (inner) {
        text->place = "text_config";
        text->object = inner;
    }
    medvl_config_read_decoder(&config->decoder, text, "qwen2_vl");
    medvl_config_default_ids(config, "qwen2_vl");
    read_ids(config, text);
    medvl_config_read_qwen_vl(config, top, text);
    read_top_ids(config, top);
    return text->rc < 0 ? text->rc : top->rc;
}

/* The decoder at the top, the tower in a folder of its own. */
static int read_original(struct medvl_config *config,
                         struct medvl_config_reader *top, const char *type,
                         const char *folder)
{
    struct medvl_json *tower = NULL;
    char *path = NULL, *file = NULL;

    if (read_text(config, top, type) < 0)
        return top->rc;
    if (folder)
        top->rc = medvl_config_find_tower(&path, top->object, folder,
                                          top->err);
    if (path && top->rc == MEDVL_OK)
        top->rc = medvl_path_join(&file, path, "config.json", top->err);
    if (file && top->rc == MEDVL_OK)
        top->rc = medvl_json_read(&tower, file, top->err);
    if (top->rc == MEDVL_OK)
        medvl_config_read_original(config, top, tower);
    medvl_json_free(tower);
    medvl_free(path);
    medvl_free(file);
    return top->rc;
}

static int read_all(struct medvl_config *config,
                    const struct medvl_json *root, const char *folder,
                    struct medvl_error *err)
{
    struct medvl_config_reader top = {root, "", err, MEDVL_OK};
    struct medvl_config_reader text = top;
    const struct model *model;
    int rc;

    config->image_token = config->video_token = -1;
    model = read_model(config, &top);
    if (!model)
        return top.rc;
    if (config->naming == MEDVL_NAMING_ORIGINAL)
        rc = read_original(config, &top, model->decoder, folder);
    else if (config->naming == MEDVL_NAMING_QWEN_VL)
        rc = read_qwen_vl(config, &top, &text);
    else if (config->family == MEDVL_FAMILY_TEXT)
        rc = read_text(config, &text, model->decoder);
    else
        rc = read_llava(config, &top, &text);
    if (rc == MEDVL_OK) {
        read_dtype(config, &top, &text);
        rc = top.rc < 0 ? top.rc : text.rc;
    }
    return rc;
}

static int parse(struct medvl_config *config, struct medvl_span json,
                 const char *folder, struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    int rc;

    memset(config, 0, sizeof(*config));
    rc = medvl_json_parse(&root, json, err);
    if (rc == MEDVL_OK && medvl_json_type(root) != MEDVL_JSON_OBJECT)
        rc = medvl_fail(err, MEDVL_EFORMAT, "no object");
    if (rc == MEDVL_OK)
        rc = read_all(config, root, folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&config->json, json.data, json.size, err);
    medvl_json_free(root);
    if (rc < 0)
        medvl_config_release(config);
    return rc;
}

int medvl_config_parse(struct medvl_config *config, struct medvl_span json,
                       struct medvl_error *err)
{
    return parse(config, json, NULL, err);
}

/* generation_config.json has the last word on where an answer ends. */
static int read_generation(struct medvl_config *config, const char *folder,
                           struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    char *path = NULL;
    struct medvl_config_reader r = {.place = "generation_config.json",
                                    .err = err};
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
static int check_run(const char *folder, struct medvl_error *err)
{
    char *latest = NULL;
    int rc = medvl_path_join(&latest, folder, "latest", err);

    if (rc == MEDVL_OK && medvl_folder_exists(latest))
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: a run that is not finished; its newest "
                        "checkpoint is %s",
                        folder, latest);
    medvl_free(latest);
    return rc;
}

/* Was the folder above the model's named, or a hub's cache? */
static int check_level(const char *folder, struct medvl_error *err)
{
    char *below = NULL;
    int rc = medvl_folder_below(&below, folder, "config.json", err);

    if (below)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: there is no config.json; the model's folder is "
                        "%s",
                        folder, below);
    medvl_free(below);
    return rc;
}

/* There is no config.json: what is there, and what to do? */
static int fail_without(const char *folder, const char *path,
                        struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (!medvl_folder_exists(folder))
        return medvl_fail(err, MEDVL_EIO,
                          "%s: No such file or directory; a model is a "
                          "folder here, and none is fetched by name",
                          path);
    rc = check_run(folder, err);
    if (rc == MEDVL_OK)
        rc = check_level(folder, err);
    if (rc == MEDVL_OK && !medvl_safetensors_in(folder))
        rc = medvl_safetensors_fail_without(folder, err);
    if (rc < 0 && rc != MEDVL_EIO)
        return rc;
    return medvl_fail(err, MEDVL_EIO,
                      "%s: No such file or directory; a model's folder has "
                      "config.json, and its weights as safetensors",
                      path);
}

int medvl_config_read(struct medvl_config *config, const char *folder,
                      struct medvl_error *err)
{
    struct medvl_text text = {0};
    const char *advice;
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, "config.json", err);

    memset(config, 0, sizeof(*config));
    if (rc == MEDVL_OK && !medvl_file_exists(path))
        rc = fail_without(folder, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_read(&text, path, FILE_LIMIT, err);
    if (rc == MEDVL_OK) {
        advice = medvl_file_pointer(text.data, text.size);
        rc = advice ? medvl_fail(err, MEDVL_EUNSUPPORTED, "%s", advice)
                    : parse(config, medvl_text_span(&text), folder, err);
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

const char *medvl_config_dtype_json(enum medvl_dtype dtype)
{
    return dtype == MEDVL_DTYPE_BF16  ? "\"bfloat16\""
           : dtype == MEDVL_DTYPE_F16 ? "\"float16\""
                                      : "\"float32\"";
}

int64_t medvl_config_axes(const struct medvl_config *config)
{
    return config->decoder.mrope[0] > 0 ? 3 : 1;
}
