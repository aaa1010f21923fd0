/*
 * From a path to a tokenizer: which file of a folder says the vocabulary,
 * and what the files beside it add.
 *
 * Read next: tokenizer_convert.c.
 */
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/text/tiktoken.h"
#include "lib/text/tokenizer_parts.h"

#define EXTRAS (1 << 18) /* added tokens of files beside the vocabulary */

/* What is read: the folder, the file, and the small files beside it. */
struct opening {
    char *folder, *file;
    struct medvl_json *config;   /* tokenizer_config.json */
    struct medvl_json *specials; /* special_tokens_map.json */
    struct medvl_json *others;   /* added_tokens.json */
    struct extras extras;
    bool has_template;
};

static bool is_null(const struct medvl_json *value)
{
    return medvl_json_type(value) <= MEDVL_JSON_NULL;
}

/* ---- the small files ---------------------------------------------------- */

/* A tree, NULL where there is no such file. */
static int read_beside(const struct opening *o, struct medvl_json **out,
                       const char *name, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, o->folder, name, err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_json_read(out, path, err);
        if (rc < 0)
            rc = medvl_context(err, "%s", path);
    }
    medvl_free(path);
    return rc;
}

/* The text of a token: itself, or its "content"; NULL: none. */
static const char *token_text(const struct medvl_json *value)
{
    if (medvl_json_type(value) == MEDVL_JSON_OBJECT)
        value = medvl_json_get(value, "content");
    return medvl_json_string(value);
}

static bool is_true(const struct medvl_json *json, const char *name)
{
    return medvl_json_true(medvl_json_get(json, name));
}

/* Without normalisation: what these files name is looked for as it is,
 * unless one beside a tokenizer.json says otherwise. */
static int add_extra(struct opening *o, const struct medvl_json *value,
                     const char *content, int64_t id, bool special,
                     struct medvl_error *err)
{
    struct extras *e = &o->extras;
    int rc;

    if (!content || !content[0])
        return MEDVL_OK;
    if (e->count == EXTRAS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "more than %d added tokens", EXTRAS);
    rc = medvl_grow(&e->items, &e->capacity, e->count + 1, sizeof(*e->items),
                    err);
    if (rc < 0)
        return rc;
    e->items[e->count++] = (struct added){
        .content = medvl_span(content),
        .id = (int32_t)id,
        .special = special,
        .named = id < 0,
        .lstrip = is_true(value, "lstrip"),
        .rstrip = is_true(value, "rstrip"),
        .single_word = is_true(value, "single_word"),
        .normalized = e->replace && is_true(value, "normalized"),
    };
    return MEDVL_OK;
}

/* {"32000": {"content": ...}, ...} */
static int read_decoder(struct opening *o, struct medvl_error *err)
{
    const struct medvl_json *list = medvl_json_get(o->config,
                                                   "added_tokens_decoder");
    int rc = MEDVL_OK;

    for (const struct medvl_json *value = medvl_json_first(list);
         value && rc == MEDVL_OK; value = medvl_json_next(value)) {
        int64_t id;

        rc = medvl_parse_int(&id, medvl_span(medvl_json_name(value)), 0,
                             MEDVL_BPE_IDS - 1, err);
        if (rc == MEDVL_OK)
            rc = add_extra(o, value, token_text(value), id,
                           is_true(value, "special"), err);
    }
    return rc < 0 ? medvl_context(err, "\"added_tokens_decoder\"") : rc;
}

/* {"<image>": 32000, ...} */
static int read_others(struct opening *o, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (const struct medvl_json *value = medvl_json_first(o->others);
         value && rc == MEDVL_OK; value = medvl_json_next(value)) {
        const double id = medvl_json_number(value, -1);

        if (!(id >= 0 && id < MEDVL_BPE_IDS) || id != (double)(int32_t)id)
            rc = medvl_fail(err, MEDVL_EFORMAT, "\"%s\" has no id",
                            medvl_json_name(value));
        else
            rc = add_extra(o, NULL, medvl_json_name(value), (int64_t)id,
                           false, err);
    }
    return rc < 0 ? medvl_context(err, "added_tokens.json") : rc;
}

/* Tokens of an object or an array, by no id. */
static int read_list(struct opening *o, const struct medvl_json *list,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (const struct medvl_json *one = medvl_json_first(list);
         one && rc == MEDVL_OK; one = medvl_json_next(one))
        rc = add_extra(o, one, token_text(one), -1, true, err);
    return rc;
}

/* What transformers calls special, in its order. */
static int read_specials(struct opening *o, const struct medvl_json *map,
                         struct medvl_error *err)
{
    static const char *const NAMES[] = {"bos_token", "eos_token",
                                        "unk_token", "sep_token",
                                        "pad_token", "cls_token",
                                        "mask_token"};
    static const char *const LISTS[] = {"additional_special_tokens",
                                        "extra_special_tokens"};
    int rc = MEDVL_OK;

    for (size_t i = 0; i < 7 && rc == MEDVL_OK; i++) {
        const struct medvl_json *value = medvl_json_get(map, NAMES[i]);

        rc = add_extra(o, value, token_text(value), -1, true, err);
    }
    for (size_t i = 0; i < 2 && rc == MEDVL_OK; i++)
        rc = read_list(o, medvl_json_get(map, LISTS[i]), err);
    return rc;
}

static int read_all_beside(struct opening *o, struct medvl_error *err)
{
    int rc = read_beside(o, &o->config, "tokenizer_config.json", err);

    if (rc == MEDVL_OK)
        rc = read_beside(o, &o->specials, "special_tokens_map.json", err);
    if (rc == MEDVL_OK)
        rc = read_beside(o, &o->others, "added_tokens.json", err);
    return rc;
}

/* The list of the configuration makes the other files void; beside a
 * tokenizer.json these only name. */
static int read_extras(struct opening *o, bool json, struct medvl_error *err)
{
    bool listed;
    int rc;

    o->extras.replace = json;
    rc = read_decoder(o, err);
    listed = o->extras.count > 0;
    if (rc == MEDVL_OK && !listed && !json)
        rc = read_others(o, err);
    if (rc == MEDVL_OK && !(listed && json))
        rc = read_specials(o, o->specials, err);
    if (rc == MEDVL_OK)
        rc = read_specials(o, o->config, err);
    return rc;
}

/* ---- begin, end and padding --------------------------------------------- */

/* A token by its name in the configuration, else among the specials. */
static int read_named(const struct opening *o, struct medvl_tokenizer *tok,
                      int32_t *out, const char *name, struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(o->config, name);
    const char *file = "tokenizer_config.json";
    const char *text;

    if (!value) {
        value = medvl_json_get(o->specials, name);
        file = "special_tokens_map.json";
    }
    if (!value)
        return MEDVL_OK;
    *out = -1;
    if (is_null(value))
        return MEDVL_OK;
    text = token_text(value);
    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT, "%s: \"%s\" is no text", file,
                          name);
    *out = medvl_tokenizer_id(tok, medvl_span(text));
    if (*out < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "%s: \"%s\" is \"%s\", which is no token", file,
                          name, text);
    return MEDVL_OK;
}

static int set_around(struct ids *ids, bool wanted, int32_t id,
                      struct medvl_error *err)
{
    int rc;

    ids->count = 0;
    if (!wanted || id < 0)
        return MEDVL_OK;
    rc = medvl_grow(&ids->items, &ids->capacity, 1, sizeof(*ids->items),
                    err);
    if (rc == MEDVL_OK) {
        ids->items[0] = id;
        ids->count = 1;
    }
    return rc;
}

/* A switch of the configuration, where it has one; null is no. */
static bool is_wanted(const struct opening *o, const char *name,
                      bool otherwise)
{
    const struct medvl_json *value = medvl_json_get(o->config, name);

    return value ? medvl_json_true(value) : otherwise;
}

/*
 * The classes of transformers that make their post-processor anew of
 * add_bos_token and add_eos_token, whatever the tokenizer.json has; and
 * whether a text begins where the first is not said.
 */
static bool remakes_template(const char *class, bool *begins)
{
    static const struct {
        const char *name;
        bool begins;
    } CLASSES[] = {{"LlamaTokenizer", true},
                   {"CodeLlamaTokenizer", true},
                   {"GemmaTokenizer", true},
                   {"CohereTokenizer", true},
                   {"GPTNeoXTokenizer", false}};

    for (size_t i = 0; class && i < sizeof(CLASSES) / sizeof(*CLASSES); i++) {
        const size_t size = strlen(CLASSES[i].name);

        if (strncmp(class, CLASSES[i].name, size) == 0 &&
            (!class[size] || strcmp(class + size, "Fast") == 0)) {
            *begins = CLASSES[i].begins;
            return true;
        }
    }
    return false;
}

static int apply_config(const struct opening *o, struct medvl_tokenizer *tok,
                        struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = tok->model.sentencepiece;
    /* Llama's class begins a text, T5's and its like end it. */
    bool begins = model && !medvl_sentencepiece_info(model)->unigram;
    const bool ends = model && !begins;
    const char *class = medvl_json_string(
        medvl_json_get(o->config, "tokenizer_class"));
    bool remakes;
    int rc = read_named(o, tok, &tok->begin, "bos_token", err);

    if (rc == MEDVL_OK)
        rc = read_named(o, tok, &tok->end, "eos_token", err);
    if (rc == MEDVL_OK)
        rc = read_named(o, tok, &tok->pad, "pad_token", err);
    if (rc < 0)
        return medvl_context(err, "%s", o->folder);
    remakes = !model && remakes_template(class, &begins);
    if (o->has_template &&
        !(remakes && (tok->begin >= 0 ||
                      !is_wanted(o, "add_bos_token", begins))))
        return MEDVL_OK;
    if (o->extras.replace && class && !remakes)
        return MEDVL_OK; /* fast, where no class reads the switches */
    rc = set_around(&tok->before, is_wanted(o, "add_bos_token", begins),
                    tok->begin, err);
    if (rc == MEDVL_OK)
        rc = set_around(&tok->after, is_wanted(o, "add_eos_token", ends),
                        tok->end, err);
    return rc;
}

/* ---- SentencePiece ------------------------------------------------------ */

/* What control pieces spell is an added token. */
static int add_controls(struct medvl_tokenizer *tok, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = tok->model.sentencepiece;
    const int32_t size = medvl_sentencepiece_info(model)->size;
    int rc = MEDVL_OK;

    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++) {
        const enum medvl_piece_type type = medvl_sentencepiece_type(model,
                                                                    id);
        const struct added added = {
            .content = medvl_sentencepiece_piece(model, id),
            .id = id,
            .special = true,
            .named = type == MEDVL_PIECE_UNKNOWN || id == tok->begin ||
                     id == tok->end,
        };

        if (type == MEDVL_PIECE_CONTROL || type == MEDVL_PIECE_UNKNOWN)
            rc = medvl_added_add(tok, &added, err);
    }
    return rc;
}

static int open_sentencepiece(const struct opening *o,
                              struct medvl_tokenizer **out,
                              struct medvl_span file, struct medvl_error *err)
{
    struct medvl_tokenizer *tok = medvl_alloc(1, sizeof(*tok));
    const struct medvl_sentencepiece_info *info;
    int rc;

    *out = NULL;
    if (!tok)
        return medvl_no_memory(err);
    tok->begin = tok->end = tok->pad = -1;
    rc = medvl_sentencepiece_new(&tok->model.sentencepiece, file, err);
    if (rc == MEDVL_OK) {
        info = medvl_sentencepiece_info(tok->model.sentencepiece);
        tok->size = info->size;
        tok->begin = info->bos;
        tok->end = info->eos;
        tok->pad = info->pad;
        tok->prefix_once = !is_wanted(o, "legacy", true);
        rc = add_controls(tok, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_added_extras(tok, &o->extras, err);
    if (rc == MEDVL_OK)
        rc = medvl_added_finish(tok, err);
    if (rc < 0) {
        medvl_tokenizer_free(tok);
        return rc;
    }
    *out = tok;
    return MEDVL_OK;
}

/* ---- one file ----------------------------------------------------------- */

static bool ends_in(const char *path, const char *name)
{
    const size_t size = strlen(path);
    const size_t end = strlen(name);

    return size >= end && strcmp(path + size - end, name) == 0;
}

static int open_made(struct opening *o, struct medvl_tokenizer **out,
                     const struct medvl_text *json, int rc,
                     struct medvl_error *err)
{
    if (rc < 0)
        return rc;
    return medvl_tokenizer_read(out, medvl_text_span(json), &o->extras,
                                &o->has_template, err);
}

static int open_json(struct opening *o, struct medvl_tokenizer **out,
                     struct medvl_span file, struct medvl_error *err)
{
    const int rc = read_extras(o, true, err);

    return rc < 0 ? rc
                  : medvl_tokenizer_read(out, file, &o->extras,
                                         &o->has_template, err);
}

/* vocab.json, whose merges.txt stands beside it. */
static int open_merges(struct opening *o, struct medvl_tokenizer **out,
                       struct medvl_span vocab, struct medvl_error *err)
{
    struct medvl_mapping merges = {0};
    struct medvl_text json = {0};
    char *path = NULL;
    int rc = medvl_path_join(&path, o->folder, "merges.txt", err);

    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&merges, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_merges_to_json(
            &json, vocab,
            (struct medvl_span){(const char *)merges.data, merges.size},
            o->config, err);
    rc = open_made(o, out, &json, rc, err);
    medvl_mapping_release(&merges);
    medvl_text_release(&json);
    medvl_free(path);
    return rc;
}

/* A file that is no tokenizer.json, by its name and first bytes. */
static int open_other(struct opening *o, struct medvl_tokenizer **out,
                      struct medvl_span file, struct medvl_error *err)
{
    struct medvl_text json = {0};
    int rc = read_extras(o, false, err);

    if (rc < 0)
        return rc;
    if (file.size >= 2 && memcmp(file.data, "\x1F\x8B", 2) == 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "it is packed: unpack it with gzip -d");
    if (ends_in(o->file, "vocab.json"))
        return open_merges(o, out, file, err);
    if (medvl_is_clip_merges(file))
        rc = medvl_clip_to_json(&json, file, err);
    else if (medvl_is_tiktoken(file))
        rc = medvl_tiktoken_to_json(&json, file, err);
    else if (ends_in(o->file, ".txt"))
        rc = medvl_lines_to_json(&json, file, o->config, err);
    else
        return open_sentencepiece(o, out, file, err);
    rc = open_made(o, out, &json, rc, err);
    medvl_text_release(&json);
    return rc;
}

static bool is_json(const struct opening *o, struct medvl_span file)
{
    size_t at = 0;

    while (at < file.size && strchr(" \t\r\n", file.data[at]) &&
           file.data[at])
        at++;
    return at < file.size && file.data[at] == '{' &&
           !ends_in(o->file, "vocab.json");
}

/* ---- a folder ----------------------------------------------------------- */

int medvl_tokenizer_find(char **out, const char *folder,
                         struct medvl_error *err)
{
    static const char *const NAMES[] = {"tokenizer.json", "tokenizer.model",
                                        "vocab.json", "vocab.txt",
                                        "qwen.tiktoken",
                                        "bpe_simple_vocab_16e6.txt"};

    *out = NULL;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        char *path = NULL;
        const int rc = medvl_path_join(&path, folder, NAMES[i], err);

        if (rc < 0)
            return rc;
        if (medvl_file_exists(path)) {
            *out = path;
            return MEDVL_OK;
        }
        medvl_free(path);
    }
    return MEDVL_OK;
}

static int find_file(struct opening *o, struct medvl_error *err)
{
    char *below = NULL;
    int rc = medvl_tokenizer_find(&o->file, o->folder, err);

    if (rc < 0 || o->file)
        return rc;
    rc = medvl_folder_below(&below, o->folder, "config.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_fail(err, MEDVL_EIO,
                        "%s: no tokenizer.json, tokenizer.model, vocab.json, "
                        "vocab.txt or other vocabulary%s%s",
                        o->folder,
                        below ? "; the model's folder is " : "",
                        below ? below : "");
    medvl_free(below);
    return rc;
}

static int find_files(struct opening *o, const char *path,
                      struct medvl_error *err)
{
    const char *slash = strrchr(path, '/');
    const bool folder = medvl_folder_exists(path);

    if (folder)
        o->folder = medvl_copy_string(path, strlen(path));
    else
        o->folder = medvl_copy_string(
            slash ? path : ".", slash ? (size_t)(slash + 1 - path) : 1);
    if (!o->folder)
        return medvl_no_memory(err);
    if (folder)
        return find_file(o, err);
    o->file = medvl_copy_string(path, strlen(path));
    return o->file ? MEDVL_OK : medvl_no_memory(err);
}

static int open_file(struct opening *o, struct medvl_tokenizer **out,
                     struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    struct medvl_span file;
    const char *advice;
    int rc = medvl_mapping_open(&map, o->file, err);

    if (rc < 0)
        return rc;
    file = (struct medvl_span){(const char *)map.data, map.size};
    advice = medvl_file_pointer(map.data, map.size);
    if (advice)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "%s", advice);
    else if (is_json(o, file))
        rc = open_json(o, out, file, err);
    else
        rc = open_other(o, out, file, err);
    medvl_mapping_release(&map);
    return rc < 0 ? medvl_context(err, "%s", o->file) : rc;
}

int medvl_tokenizer_open(struct medvl_tokenizer **out, const char *path,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = NULL;
    struct opening o = {0};
    int rc;

    *out = NULL;
    rc = find_files(&o, path, err);
    if (rc == MEDVL_OK)
        rc = read_all_beside(&o, err);
    if (rc == MEDVL_OK)
        rc = open_file(&o, &tok, err);
    if (rc == MEDVL_OK)
        rc = apply_config(&o, tok, err);
    if (rc == MEDVL_OK) {
        *out = tok;
        tok = NULL;
    }
    medvl_tokenizer_free(tok);
    medvl_free(o.folder);
    medvl_free(o.file);
    medvl_free(o.extras.items);
    medvl_json_free(o.config);
    medvl_json_free(o.specials);
    medvl_json_free(o.others);
    return rc;
}
