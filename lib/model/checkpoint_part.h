/*
 * What the files of checkpoint share, and nobody else sees.
 *
 * Read next: checkpoint.c.
 */
#ifndef MEDVL_MODEL_CHECKPOINT_PART_H
#define MEDVL_MODEL_CHECKPOINT_PART_H

#include "lib/base/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/tensor/fp8.h"

/* What is known of one parameter beside its spec. */
struct held {
    char *name;                        /* as it was read, when not the spec's */
    const struct medvl_tensor *tensor; /* in the file, while that is open */
    enum medvl_dtype stored;           /* type in the file, and when written */
    bool beside;                       /* in the tower's own folder */
    struct medvl_fp8 fp8;              /* of eight bits: weight not NULL */
};

/* Open addressing: index + 1 by hash of a text. */
struct table {
    uint32_t *slots;
    size_t size;
};

struct state {
    struct medvl_params list;
    struct held *held; /* (count) */
    struct table keys, names;
    struct medvl_safetensors *file;

    /* LLaVA's own folders: where the tower is described, or NULL; the file
     * that holds it, or NULL; and whether that folder has weights at all. */
    char *tower_folder;
    struct medvl_safetensors *tower;
    bool tower_weights;

    bool eight_bit; /* some weights were, and are bf16 now */
    void *values, *grads, *copies, *loaded;
    size_t values_size, grads_size, copies_size, loaded_size;
};

static inline struct state *model_state(const struct medvl_model *model)
{
    return model->state;
}

static inline const struct medvl_param_spec *
model_spec(const struct medvl_model *m, int64_t i)
{
    return &model_state(m)->list.specs[i];
}

/* checkpoint.c: a model of this config, its parameters without values. */
int model_make(struct medvl_model **out, struct medvl_config *config,
               struct medvl_error *err) MEDVL_MUST_CHECK;

/* The parameter of this canonical name, or NULL. */
struct medvl_param *model_named(const struct medvl_model *m,
                                const char *name);

/* Does the value lie in the mapped file itself? */
bool model_is_mapped(const struct medvl_model *m, int64_t i);

/* The pages of a map behind these bytes need not stay in memory. */
void model_drop_pages(const void *data, size_t size);

size_t model_items(const struct medvl_tensor *t);
size_t model_f32_size(const struct medvl_tensor *t); /* padded */

/* One block of memory; nothing for size 0. */
int model_block(void **block, size_t *have, size_t size, const char *what,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * checkpoint_match.c: give each tensor of the file to its parameter, and the
 * tower's from its own folder if the file has none.
 */
int model_match(struct medvl_model *m,
                struct medvl_error *err) MEDVL_MUST_CHECK;

/* checkpoint_tower.c: the tower's own folder, where there is one. */
#define MODEL_TOWER "model.vision_tower.vision_tower."
int model_tower_find(struct medvl_model *m, const char *folder,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int model_tower_open(struct medvl_model *m,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Was a tower with LLaVA's own names trained?  Then the model's own file
 * has it too, and config.json says so: their code reads a tower from there,
 * over the one that it is named after, and else from its name alone.
 */
bool model_tower_trained(const struct medvl_model *m);

/*
 * Make the tower's folder below the new folder, with all but its weights;
 * *out is its path, NULL where there is none.
 */
int model_tower_copy(char **out, const struct medvl_model *m,
                     const char *folder,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* checkpoint_write.c: a file of one folder into another, if it is there. */
int model_copy_file(const char *to, const char *from, const char *name,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* checkpoint_fresh.c: the numbers of a new parameter, in the file's order. */
struct fresh_numbers {
    const struct medvl_model *model;
    uint64_t seed;
    struct medvl_rng rng;
};
void model_fresh(struct fresh_numbers *fresh, int64_t i, int64_t first,
                 int64_t count, float *out);

#endif
