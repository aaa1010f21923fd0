/*
 * What a checkpoint, a tokenizer or a packed batch holds, as JSON Lines: the
 * part of medvl-inspect(1) that needs models.  Shards and pictures are
 * stage/inspect.h's.
 *
 * Read next: ../../man/medvl-inspect.1.
 */
#ifndef MEDVL_RUN_VIEW_H
#define MEDVL_RUN_VIEW_H

#include "lib/stage/inspect.h"

/* Is it a folder with a config.json, or with weights? */
bool medvl_view_is_model(const char *path);

/*
 * One line about a model folder, its weights checked against config.json
 * but not read: what it is, parameters by part, sizes, tokens of pictures,
 * and memory.  Without weights, what they would be.
 */
int medvl_view_model(const char *path, medvl_inspect_put *put, void *arg,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* That line as a table for people, appended to `out`. */
int medvl_view_table(struct medvl_text *out, struct medvl_span json,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* Is it a .safetensors file, or a folder with weights in it? */
bool medvl_view_is_tensors(const char *path);

/*
 * A line a tensor, in the order of names: "name", "dtype", "shape",
 * "bytes"; with `values` also "min", "max", "mean" of those that are
 * numbers, and "not_finite", how many are not (f32, bf16 and f16).  Of a
 * model whose tower has its own folder then that one's, with "folder".
 */
int medvl_view_tensors(const char *path, bool values, medvl_inspect_put *put,
                       void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

/* A file that no function here takes, and no picture: what to do with it? */
bool medvl_view_is_other(const char *path);
int medvl_view_other(const char *path, medvl_inspect_put *put, void *arg,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* By its name: tokenizer.json, tokenizer.model, vocab.txt and their kin. */
bool medvl_view_is_tokenizer(const char *path);

/*
 * One line: "path", "size" (the vocab_size that a model needs), "tokens",
 * "added", "special".
 */
int medvl_view_tokenizer(const char *path, medvl_inspect_put *put, void *arg,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

struct medvl_view_batches {
    const char *model;       /* folder: tokenizer and pictures' sizes */
    const char *const *data; /* as medvl-train takes them */
    int64_t data_count;
    int64_t batches;      /* how many to print */
    int64_t batch_tokens; /* 0: 4096 */
    int64_t seed;
};

/*
 * The first micro-batches of the first epoch as the trainer packs them, a
 * line a record: "batch", "id", "tokens" (pictures expanded), "learned",
 * "text".  In the text a picture stands as its placeholder, once, and what
 * is learned between U+27E6 and U+27E7.
 */
int medvl_view_packed(const struct medvl_view_batches *options,
                      medvl_inspect_put *put, void *arg,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
