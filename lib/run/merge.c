/*
 * A fresh model folder: tokenizer, config, companions, weights, in the
 * order in which each needs the one before.
 *
 * Read next: merge_convert.c.
 */
#include "lib/run/merge_part.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/model/checkpoint.h"
#include "lib/text/chat.h"

#define FILE_LIMIT ((size_t)16 << 20)

/* What is known while the folder is made. */
struct fresh {
    const struct medvl_merge_options *options;
    char *folder; /* what is to be the output */
    const struct medvl_chat_layout *layout;
    struct medvl_tokenizer *tokenizer;
    struct medvl_json_view view, text; /* config, and its text_config */
    struct medvl_text config_text, text_text;
    bool llava;
    struct medvl_config config;
};

/* ---- tokenizer ------------------------------------------------------- */

static int path_in(char **out, const struct fresh *f, const char *name,
                   struct medvl_error *err)
{
    return medvl_path_join(out, f->folder, name, err);
}

static int make_tokenizer(struct fresh *f, struct medvl_error *err)
{
    const struct medvl_chat_layout *layout = f->layout;
    char *path = NULL;
    int rc;

    if (!f->options->tokenizer)
        return MEDVL_OK;
    rc = path_in(&path, f, "tokenizer.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_extend(f->options->tokenizer, path,
                                    layout->tokens, layout->token_count, err);
    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_open(&f->tokenizer, path, err);
    medvl_free(path);
    return rc;
}

static int32_t token_id(const struct fresh *f, const char *token)
{
    return token ? medvl_tokenizer_id(f->tokenizer, medvl_span(token)) : -1;
}

/* ---- config ---------------------------------------------------------- */

/* Set a member that may be there only with the same value. */
static int agree(struct medvl_json_view *view, const char *name,
                 struct medvl_span json, struct medvl_error *err)
{
    const struct medvl_span had = medvl_json_view_get(view, name);

    if (!had.data || medvl_span_is(had, "null"))
        return medvl_json_view_set(view, name, json, err);
    if (medvl_span_equal(had, json))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "\"%s\" is %.*s, and this tokenizer with this chat "
                      "layout says %.*s; leave it out, and it is set",
                      name, had.size > 100 ? 100 : (int)had.size, had.data,
                      (int)json.size, json.data);
}

static int agree_id(struct medvl_json_view *view, const char *name,
                    int32_t id, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = id < 0 ? medvl_text_puts(&text, "null", err)
                    : medvl_text_printf(&text, err, "%d", id);

    if (rc == MEDVL_OK)
        rc = agree(view, name, medvl_text_span(&text), err);
    medvl_text_release(&text);
    return rc;
}

/* Set a member unless it is there. */
static int fill(struct medvl_json_view *view, const char *name,
                const char *json, struct medvl_error *err)
{
    if (medvl_json_view_get(view, name).data)
        return MEDVL_OK;
    return medvl_json_view_set(view, name, medvl_span(json), err);
}

/* What the tokenizer decides, in the object that has the decoder's sizes. */
static int set_ids(struct fresh *f, struct medvl_json_view *view,
                   struct medvl_error *err)
{
    int rc;

    if (!f->tokenizer)
        return MEDVL_OK;
    rc = agree_id(view, "vocab_size", medvl_tokenizer_size(f->tokenizer),
                  err);
    if (rc == MEDVL_OK)
        rc = agree_id(view, "bos_token_id", token_id(f, f->layout->begin),
                      err);
    if (rc == MEDVL_OK)
        rc = agree_id(view, "eos_token_id", token_id(f, f->layout->end),
                      err);
    if (rc == MEDVL_OK)
        rc = agree_id(view, "pad_token_id", token_id(f, f->layout->pad),
                      err);
    return rc;
}

/* LLaVA: the same below text_config, and what stands at the top. */
static int set_joint(struct fresh *f, struct medvl_error *err)
{
    struct medvl_json_view *top = &f->view, *text = &f->text;
    struct medvl_span span = medvl_json_view_get(top, "text_config");
    int rc = MEDVL_OK;

    if (!span.data)
        span = medvl_span("{}");
    rc = medvl_json_view_object(text, span, err);
    if (rc == MEDVL_OK)
        rc = fill(text, "model_type", "\"llama\"", err);
    if (rc == MEDVL_OK && medvl_span_is(medvl_json_view_get(text, "model_type"),
                                        "\"llama\""))
        rc = fill(text, "architectures", "[\"LlamaForCausalLM\"]", err);
    if (rc == MEDVL_OK)
        rc = set_ids(f, text, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&f->text_text, text, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(top, "text_config",
                                 medvl_text_span(&f->text_text), err);
    span = medvl_json_view_get(text, "tie_word_embeddings");
    if (rc == MEDVL_OK && span.data)
        rc = agree(top, "tie_word_embeddings", span, err);
    if (rc == MEDVL_OK && f->tokenizer)
        rc = agree_id(top, "image_token_index", token_id(f, MEDVL_CHAT_IMAGE),
                      err);
    if (rc == MEDVL_OK && f->tokenizer)
        rc = agree_id(top, "pad_token_id", token_id(f, f->layout->pad), err);
    return rc;
}

/* Decoders alone, and one view a picture in the names of llava-hf. */
static int check_kind(const struct fresh *f, const char *name,
                      const char *type, struct medvl_error *err)
{
    enum medvl_family family;
    enum medvl_naming naming;

    if (!medvl_config_kind(&family, &naming, name, type))
        return MEDVL_OK; /* the config's reader says so */
    if (f->llava && family == MEDVL_FAMILY_TEXT)
        return medvl_fail(err, MEDVL_EARG,
                          "\"vision_config\": a \"%s\" takes no pictures",
                          type);
    if (family == MEDVL_FAMILY_TEXT ||
        (family == MEDVL_FAMILY_LLAVA && naming == MEDVL_NAMING_LLAVA))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "no fresh model of \"%s\" is made: of those that take "
                      "pictures, \"llava\" (LlavaForConditionalGeneration) "
                      "alone",
                      name ? name : type);
}

/* Which model it is; what its class and type are where they are absent. */
static int read_kind(struct fresh *f, const struct medvl_json *root,
                     struct medvl_error *err)
{
    const struct medvl_json *list = medvl_json_get(root, "architectures");
    const char *type = medvl_json_string(medvl_json_get(root, "model_type"));
    const char *made;
    int rc;

    f->llava = medvl_json_view_get(&f->view, "vision_config").data ||
               (type && strcmp(type, "llava") == 0);
    made = f->llava ? "llava" : "llama";
    rc = check_kind(f, medvl_json_string(medvl_json_first(list)),
                    type ? type : made, err);
    if (rc == MEDVL_OK)
        rc = fill(&f->view, "model_type",
                  f->llava ? "\"llava\"" : "\"llama\"", err);
    if (rc == MEDVL_OK && (!type || strcmp(type, made) == 0))
        rc = fill(&f->view, "architectures",
                  f->llava ? "[\"LlavaForConditionalGeneration\"]"
                           : "[\"LlamaForCausalLM\"]",
                  err);
    return rc;
}

static int read_config(struct fresh *f, struct medvl_error *err)
{
    struct medvl_json *root = NULL;
    int rc = medvl_file_read(&f->config_text, f->options->init, FILE_LIMIT,
                             err);

    if (rc < 0)
        return rc;
    rc = medvl_json_view_object(&f->view, medvl_text_span(&f->config_text),
                                err);
    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&root, medvl_text_span(&f->config_text), err);
    if (rc == MEDVL_OK)
        rc = read_kind(f, root, err);
    medvl_json_free(root);
    return rc < 0 ? medvl_context(err, "%s", f->options->init) : rc;
}

/* Without a tokenizer the config says what it would have said. */
static int check_alone(const struct fresh *f, struct medvl_error *err)
{
    const struct medvl_json_view *sizes = f->llava ? &f->text : &f->view;
    const char *name = NULL;

    if (f->tokenizer)
        return MEDVL_OK;
    if (!medvl_json_view_get(sizes, "vocab_size").data)
        name = f->llava ? "text_config: \"vocab_size\"" : "\"vocab_size\"";
    else if (f->llava && !medvl_json_view_get(&f->view,
                                              "image_token_index")
                              .data)
        name = "\"image_token_index\"";
    if (!name)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "%s: missing; give --tokenizer and --chat, which set "
                      "it, or write it there",
                      name);
}

/* The type that was asked for, else what the config says, else float32. */
static int set_dtype(struct fresh *f, struct medvl_error *err)
{
    const char *name = medvl_json_view_get(&f->view, "dtype").data
                           ? "dtype"
                           : "torch_dtype";
    enum medvl_dtype dtype;
    int rc;

    if (!f->options->dtype)
        return fill(&f->view, name, "\"float32\"", err);
    rc = merge_dtype(&dtype, f->options->dtype, err);
    if (rc < 0)
        return rc;
    return medvl_json_view_set(&f->view, name,
                               medvl_span(medvl_config_dtype_json(dtype)),
                               err);
}

/* Complete the config and parse it as a reader of the folder will. */
static int make_config(struct fresh *f, struct medvl_error *err)
{
    struct medvl_text compact = {0}, pretty = {0};
    struct medvl_json_view *v = &f->view;
    int rc = f->llava ? set_joint(f, err) : set_ids(f, v, err);

    if (rc == MEDVL_OK)
        rc = set_dtype(f, err);
    if (rc == MEDVL_OK)
        rc = check_alone(f, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&compact, v, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&pretty, compact.data, compact.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&pretty, '\n', err);
    if (rc == MEDVL_OK)
        rc = medvl_config_parse(&f->config, medvl_text_span(&pretty), err);
    medvl_text_release(&compact);
    medvl_text_release(&pretty);
    return rc < 0 ? medvl_context(err, "%s", f->options->init) : rc;
}

/* ---- companions ------------------------------------------------------ */

static int write_text(const struct fresh *f, const char *name,
                      const struct medvl_text *text, struct medvl_error *err)
{
    char *path = NULL;
    int rc = path_in(&path, f, name, err);

    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, text->data, text->size, err);
    medvl_free(path);
    return rc;
}

/* Finish the writer's object and make it the file. */
static int write_json(const struct fresh *f, const char *name,
                      struct medvl_json_writer *w, struct medvl_error *err)
{
    int rc;

    medvl_json_end(w);
    rc = medvl_json_write_end(w, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(w->out, '\n', err);
    if (rc == MEDVL_OK)
        rc = write_text(f, name, w->out, err);
    medvl_text_release(w->out);
    return rc;
}

static void put_token(struct medvl_json_writer *w, const char *name,
                      const char *token)
{
    if (token)
        medvl_json_put_string(w, name, medvl_span(token));
}

static int write_tokenizer_config(const struct fresh *f,
                                  struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};

    medvl_json_begin(&w, NULL, '{');
    put_token(&w, "bos_token", f->layout->begin);
    put_token(&w, "eos_token", f->layout->end);
    put_token(&w, "pad_token", f->layout->pad);
    medvl_json_put_bool(&w, "clean_up_tokenization_spaces", false);
    medvl_json_put_int(&w, "model_max_length",
                       f->config.decoder.max_positions);
    put_token(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    if (f->llava) {
        put_token(&w, "processor_class", "LlavaProcessor");
        medvl_json_begin(&w, "extra_special_tokens", '{');
        put_token(&w, "image_token", MEDVL_CHAT_IMAGE);
        medvl_json_end(&w);
    }
    return write_json(f, "tokenizer_config.json", &w, err);
}

static int write_generation(const struct fresh *f, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};

    medvl_json_begin(&w, NULL, '{');
    if (f->config.bos >= 0)
        medvl_json_put_int(&w, "bos_token_id", f->config.bos);
    if (f->config.eos_count > 0)
        medvl_json_put_int(&w, "eos_token_id", f->config.eos[0]);
    if (f->config.pad >= 0)
        medvl_json_put_int(&w, "pad_token_id", f->config.pad);
    return write_json(f, "generation_config.json", &w, err);
}

static void put_three(struct medvl_json_writer *w, const char *name,
                      double a, double b, double c)
{
    medvl_json_begin(w, name, '[');
    medvl_json_put_number(w, NULL, a);
    medvl_json_put_number(w, NULL, b);
    medvl_json_put_number(w, NULL, c);
    medvl_json_end(w);
}

/* CLIP's preprocessing for the tower's size. */
static int write_preprocessor(const struct fresh *f, struct medvl_error *err)
{
    static const char *const STEPS[] = {"do_center_crop", "do_convert_rgb",
                                        "do_normalize", "do_rescale",
                                        "do_resize"};
    const int64_t side = f->config.vision.image_size;
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_begin(&w, "crop_size", '{');
    medvl_json_put_int(&w, "height", side);
    medvl_json_put_int(&w, "width", side);
    medvl_json_end(&w);
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(*STEPS); i++)
        medvl_json_put_bool(&w, STEPS[i], true);
    put_three(&w, "image_mean", 0.48145466, 0.4578275, 0.40821073);
    put_token(&w, "image_processor_type", "CLIPImageProcessor");
    put_three(&w, "image_std", 0.26862954, 0.26130258, 0.27577711);
    put_token(&w, "processor_class", "LlavaProcessor");
    medvl_json_put_int(&w, "resample", 3);
    medvl_json_put_number(&w, "rescale_factor", 1.0 / 255);
    medvl_json_begin(&w, "size", '{');
    medvl_json_put_int(&w, "shortest_edge", side);
    medvl_json_end(&w);
    return write_json(f, "preprocessor_config.json", &w, err);
}

static int copy_preprocessor(const struct fresh *f, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_file_read(&text, f->options->preprocessor, FILE_LIMIT,
                             err);

    if (rc == MEDVL_OK) {
        rc = medvl_json_check(medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", f->options->preprocessor);
    }
    if (rc == MEDVL_OK)
        rc = write_text(f, "preprocessor_config.json", &text, err);
    medvl_text_release(&text);
    return rc;
}

static int write_processor(const struct fresh *f, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};

    medvl_json_begin(&w, NULL, '{');
    put_token(&w, "image_token", MEDVL_CHAT_IMAGE);
    medvl_json_put_int(&w, "num_additional_image_tokens", 1);
    medvl_json_put_int(&w, "patch_size", f->config.vision.patch_size);
    put_token(&w, "processor_class", "LlavaProcessor");
    put_token(&w, "vision_feature_select_strategy",
              f->config.vision.keep_class ? "full" : "default");
    return write_json(f, "processor_config.json", &w, err);
}

static int write_companions(const struct fresh *f, struct medvl_error *err)
{
    const struct medvl_chat_layout *layout = f->layout;
    int rc = MEDVL_OK;

    if (layout) {
        struct medvl_text template = {0};

        rc = medvl_text_puts(&template, layout->template, err);
        if (rc == MEDVL_OK)
            rc = write_text(f, "chat_template.jinja", &template, err);
        medvl_text_release(&template);
    }
    if (rc == MEDVL_OK && layout)
        rc = write_tokenizer_config(f, err);
    if (rc == MEDVL_OK && f->tokenizer)
        rc = write_generation(f, err);
    if (rc == MEDVL_OK && f->llava)
        rc = f->options->preprocessor ? copy_preprocessor(f, err)
                                      : write_preprocessor(f, err);
    if (rc == MEDVL_OK && f->llava)
        rc = write_processor(f, err);
    return rc;
}

/* ---- the whole ------------------------------------------------------- */

static int check_options(struct fresh *f, struct medvl_error *err)
{
    const struct medvl_merge_options *o = f->options;

    if (!o->tokenizer != !o->chat)
        return medvl_fail(err, MEDVL_EARG,
                          "a tokenizer and a chat layout go together");
    if (!o->chat)
        return MEDVL_OK;
    f->layout = medvl_chat_layout(o->chat);
    if (!f->layout || !f->layout->token_count)
        return medvl_fail(err, MEDVL_EARG, "no chat layout \"%s\"", o->chat);
    return MEDVL_OK;
}

int medvl_merge_init(const struct medvl_merge_options *options,
                     struct medvl_error *err)
{
    const struct medvl_model_watch watch = {options->wrote, options->arg};
    struct fresh f = {.options = options};
    int rc = check_options(&f, err);

    if (rc == MEDVL_OK)
        rc = merge_check(options->output, err);
    if (rc == MEDVL_OK)
        rc = read_config(&f, err);
    if (rc == MEDVL_OK)
        rc = merge_begin(&f.folder, options->output, err);
    if (rc == MEDVL_OK)
        rc = make_tokenizer(&f, err);
    if (rc == MEDVL_OK)
        rc = make_config(&f, err);
    if (rc == MEDVL_OK)
        rc = write_companions(&f, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_write_fresh(&f.config, options->seed, f.folder,
                                     options->wrote ? &watch : NULL, err);
    rc = merge_end(f.folder, options->output, rc, err);
    medvl_tokenizer_free(f.tokenizer);
    medvl_json_view_release(&f.view);
    medvl_json_view_release(&f.text);
    medvl_text_release(&f.config_text);
    medvl_text_release(&f.text_text);
    medvl_config_release(&f.config);
    return rc;
}
