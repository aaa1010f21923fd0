/*
 * What a model is, told by its content: two folders with one hash say the
 * same of a record.
 *
 * Weights are sampled, so that a large model takes no longer than its pages
 * do.  Training moves nearly every weight of a tensor, and so the samples.
 *
 * Read next: frontend.h.
 */
#include "lib/model/checkpoint_part.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define PIECES ((size_t)64) /* of a tensor */
#define PIECE  ((size_t)64) /* bytes */

/* All that shapes an answer beside the weights. */
static const char *const FILES[] = {
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "qwen.tiktoken",
    "bpe_simple_vocab_16e6.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
};

static void add_number(struct medvl_hash *hash, int64_t number)
{
    medvl_hash_add(hash, &number, sizeof(number));
}

static int add_file(struct medvl_hash *hash, const char *folder,
                    const char *name, struct medvl_error *err)
{
    struct medvl_mapping map = {0};
    char *path = NULL;
    int rc = medvl_path_join(&path, folder, name, err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_mapping_open(&map, path, err);
        medvl_hash_add(hash, name, strlen(name) + 1);
        add_number(hash, (int64_t)map.size);
        if (map.size)
            medvl_hash_add(hash, map.data, map.size);
        medvl_mapping_release(&map);
    }
    medvl_free(path);
    return rc;
}

static int add_files(struct medvl_hash *hash, const char *folder,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES) && rc == MEDVL_OK;
         i++)
        rc = add_file(hash, folder, FILES[i], err);
    return rc;
}

static void add_param(struct medvl_hash *hash, const struct medvl_param *p)
{
    const struct medvl_tensor *t = &p->value;
    const char *data = t->data;
    const size_t size =
        medvl_dtype_bytes(t->dtype, (int64_t)model_items(t));

    medvl_hash_add(hash, p->name, strlen(p->name) + 1);
    add_number(hash, t->dtype);
    for (int i = 0; i < t->rank; i++)
        add_number(hash, t->size[i]);
    if (size <= PIECES * PIECE) {
        medvl_hash_add(hash, data, size);
        return;
    }
    for (size_t i = 0; i < PIECES; i++)
        medvl_hash_add(hash, data + (size - PIECE) / (PIECES - 1) * i, PIECE);
}

int medvl_model_hash(char out[33], const struct medvl_model *model,
                     struct medvl_error *err)
{
    const char *tower = model_state(model)->tower_folder;
    struct medvl_hash *hash;
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    if (model->folder)
        rc = add_files(hash, model->folder, err);
    if (rc == MEDVL_OK && tower)
        rc = add_files(hash, tower, err);
    for (int64_t i = 0; i < model->count; i++)
        add_param(hash, &model->params[i]);
    medvl_hash_hex(out, hash);
    medvl_hash_free(hash);
    return rc;
}
