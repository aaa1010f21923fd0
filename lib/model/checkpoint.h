/*
 * The parameters of a model folder: opened, made fresh, written.
 *
 * A parameter is found by its key (params.h), one scheme for all brands; its
 * name is the one that the file gave it, and that it is written under.  A
 * fresh model's are those that its class writes.
 *
 * Read next: frontend.h.
 */
#ifndef MEDVL_MODEL_CHECKPOINT_H
#define MEDVL_MODEL_CHECKPOINT_H

#include "lib/model/params.h"
#include "lib/tensor/tape.h"

struct medvl_model {
    struct medvl_config config;
    struct medvl_param *params; /* in the order of params.h */
    int64_t count;
    char *folder; /* where it came from; NULL when fresh */
    void *state;  /* maps and blocks, checkpoint.c's own */
};

/*
 * Open the folder.  Frozen values are mapped; parts in `train` (a union of
 * medvl_part) get their own f32 block to be changed, and one block of
 * gradients.  Parameters that are missing, extra (but for known buffers) or
 * of another shape than the config says are MEDVL_EFORMAT naming all of them,
 * of each kind as many as an error holds.
 *
 * f32, bf16 and f16 are used where they lie in the map.  Eight-bit weights
 * become bf16 in memory, with their scales if they have any: fp8.h says what
 * is rounded.
 *
 * A misaligned tensor is copied.  `config.json` alone decides what there
 * should be; the file is compared with it before memory is taken.  Layers
 * of the tower past vision_feature_layer, and its last norm, are there for
 * other readers: never trained, written as they came.
 *
 * Values are matrices and vectors: a patch embedding (C,3,p,p) is (C,3*p*p)
 * and the class token (1,C) here, and have their own shape in the file.
 * GPT-2's matrices lie there (K,M), and are copied to be (M,K).
 */
int medvl_model_open(struct medvl_model **out, const char *folder,
                     int train, struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * A fresh model: matrices normal with deviation initializer_range (0.02),
 * norms 1, biases 0, the tower's position embedding 2-D sine-cosine; each
 * parameter from (seed, INIT, hash of its name).  The config is taken over.
 */
int medvl_model_new(struct medvl_model **out, struct medvl_config *config,
                    uint64_t seed, struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Look at a folder: parameters with the types that they have in memory and
 * their shapes, without data: for a PLAN tape, for counting, and to write
 * them in another type.  Weights are compared with the config as
 * medvl_model_open does, and not read; a folder that has none, in no format,
 * gives what its config asks for, and cannot be written.
 */
int medvl_model_look(struct medvl_model **out, const char *folder,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_model_free(struct medvl_model *model);

/*
 * Bytes of memory that the values take once they are read: of trained
 * parameters as f32, of `parts` (a union of medvl_part) that are frozen as
 * they are stored, without what nothing reads and tables of embeddings, of
 * which a step reads few rows.  Gradients not counted.
 */
size_t medvl_model_memory(const struct medvl_model *model, int parts);

/*
 * Bring all mapped values into memory of the model's own, in huge pages,
 * and let the file go.  Where each token reads each weight, that is a third
 * faster than a mapped file.  A model that does not fit what memory is
 * available stays mapped; the numbers are the same.
 */
void medvl_model_load(struct medvl_model *model);

/*
 * The folder that the tower's values were read from, where LLaVA's own
 * naming keeps them in one of their own (config.h), or NULL.
 */
const char *medvl_model_tower(const struct medvl_model *model);

/*
 * What the model is, as 32 hex digits: a hash of config.json and the other
 * files that shape an answer (tokenizer, chat template, processor), of the
 * tower's too, and of each parameter's name, type, shape and bytes.  Of one
 * larger than 4 KiB that is 64 pieces of 64 bytes, spread evenly.  Where the
 * folder is, and how the weights are divided into files, is no part of it.
 */
int medvl_model_hash(char out[33], const struct medvl_model *model,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* By key; NULL when there is none. */
struct medvl_param *medvl_model_param(const struct medvl_model *model,
                                      const char *format, ...)
    MEDVL_PRINTF(2, 3);
enum medvl_part medvl_model_part(const struct medvl_model *model,
                                 const struct medvl_param *param);

/*
 * Write weights and config.json into `folder` (there already): as
 * safetensors.h says one model.safetensors, or several files of at most 5 GB
 * and their index.  Every other file of a model (tokenizer.json, chat
 * template, preprocessor_config.json, licences, ...) is copied from
 * model->folder.  A tower that LLaVA's own naming keeps in a folder is
 * written to one below `folder`, of the same name; trained, it is in the
 * model's own file too, and config.json has "unfreeze_mm_vision_tower".
 *
 *   values   count f32 tensors to write in place of the params' (averages),
 *            each converted to the param's type; NULL: the params
 *
 * Each parameter is written in the type that it was read in (a fresh one:
 * the config's; an eight-bit one: bf16) and under the name that it was read
 * under.  Memory is a few megabytes: what the file has is converted on the
 * way, a piece at a time.  MEDVL_EFORMAT when a value is past
 * what its type holds, naming tensors and how many; the folder is not whole
 * then, nor after any error.
 */
int medvl_model_write(const struct medvl_model *model, const char *folder,
                      const struct medvl_tensor *values,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Told of bytes of weights as they are written; an error ends the writing. */
struct medvl_model_watch {
    int (*wrote)(void *arg, int64_t done, int64_t total,
                 struct medvl_error *err);
    void *arg;
};

/*
 * The same with every parameter, and config.json, in F32, BF16 or F16; the
 * watch may be NULL.
 */
int medvl_model_write_as(const struct medvl_model *model, const char *folder,
                         enum medvl_dtype dtype,
                         const struct medvl_model_watch *watch,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * What medvl_model_new and medvl_model_write would write, without the
 * memory for the model.  The config is taken over.
 */
int medvl_model_write_fresh(struct medvl_config *config, uint64_t seed,
                            const char *folder,
                            const struct medvl_model_watch *watch,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
