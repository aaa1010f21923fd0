/*
 * From a path to a tokenizer.
 *
 * Read next: tokenizer_write.c.
 */
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

static bool is_null(const struct medvl_json *value)
{
    return medvl_json_type(value) <= MEDVL_JSON_NULL;
}

/* ---- tokenizer_config.json --------------------------------------------- */

/* A token by its text, or by {"content": text}; null is none. */
static int read_named(struct medvl_tokenizer *tok, int32_t *out,
                      const struct medvl_json *config, const char *name,
                      struct medvl_error *err)
{
    const struct medvl_json *value = medvl_json_get(config, name);
    const char *text;

    *out = -1;
    if (is_null(value))
        return MEDVL_OK;
    if (medvl_json_type(value) == MEDVL_JSON_OBJECT)
        value = medvl_json_get(value, "content");
    text = medvl_json_string(value);
    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is no text", name);
    *out = medvl_tokenizer_id(tok, medvl_span(text));
    if (*out < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\" is \"%s\", which is no token", name, text);
    return MEDVL_OK;
}

static int set_around(struct ids *ids, const struct medvl_json *config,
                      const char *name, int32_t id, struct medvl_error *err)
{
    int rc;

    if (!medvl_json_true(medvl_json_get(config, name)) || id < 0)
        return MEDVL_OK;
    rc = medvl_grow(&ids->items, &ids->capacity, 1, sizeof(*ids->items),
                    err);
    if (rc == MEDVL_OK) {
        ids->items[0] = id;
        ids->count = 1;
    }
    return rc;
}

static int read_config(struct medvl_tokenizer *tok, const char *path,
                       bool has_template, struct medvl_error *err)
{
    struct medvl_json *config = NULL;
    int rc = medvl_json_read(&config, path, err);

    if (rc < 0)
        return rc;
    rc = read_named(tok, &tok->begin, config, "bos_token", err);
    if (rc == MEDVL_OK)
        rc = read_named(tok, &tok->end, config, "eos_token", err);
    if (rc == MEDVL_OK)
        rc = read_named(tok, &tok->pad, config, "pad_token", err);
    if (rc == MEDVL_OK && !has_template) {
        rc = set_around(&tok->before, config, "add_bos_token", tok->begin,
                        err);
        if (rc == MEDVL_OK)
            rc = set_around(&tok->after, config, "add_eos_token", tok->end,
                            err);
    }
    medvl_json_free(config);
    return rc < 0 ? medvl_context(err, "%s", path) : rc;
}

/* ---- opening ----------------------------------------------------------- */

/* The path of tokenizer.json, and of the configuration beside it. */
static int find_files(char **file, char **config, const char *path,
                      struct medvl_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int rc;

    if (medvl_folder_exists(path)) {
        rc = medvl_path_join(file, path, "tokenizer.json", err);
        if (rc == MEDVL_OK)
            rc = medvl_path_join(config, path, "tokenizer_config.json", err);
        return rc;
    }
    folder = medvl_copy_string(path, slash ? (size_t)(slash + 1 - path) : 0);
    if (!folder)
        return medvl_no_memory(err);
    rc = medvl_path_join(file, "", path, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(config, folder, "tokenizer_config.json", err);
    medvl_free(folder);
    return rc;
}

int medvl_tokenizer_open(struct medvl_tokenizer **out, const char *path,
                         struct medvl_error *err)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_mapping map = {0};
    char *file = NULL;
    char *config = NULL;
    bool has_template = false;
    int rc;

    *out = NULL;
    rc = find_files(&file, &config, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_mapping_open(&map, file, err);
    if (rc < 0)
        goto done;
    rc = medvl_tokenizer_read(
        &tok, (struct medvl_span){(const char *)map.data, map.size},
        &has_template, err);
    if (rc < 0)
        rc = medvl_context(err, "%s", file);
    else if (medvl_file_exists(config))
        rc = read_config(tok, config, has_template, err);
    if (rc < 0)
        goto done;
    *out = tok;
    tok = NULL;
done:
    medvl_tokenizer_free(tok);
    medvl_mapping_release(&map);
    medvl_free(file);
    medvl_free(config);
    return rc;
}
