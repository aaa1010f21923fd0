/*
 * What a vision tower can learn from drawn regions, before any language:
 *
 *   label   cross entropy per patch over the labels of the regions, "none"
 *           being one; a patch has the label of the region whose mask (box
 *           where there is none) covers its centre, the smallest if several
 *   drawn   two classes per patch: is its centre in the box of the region
 *           marked "drawn"; left out when no region is
 *   class   cross entropy of the mean-pooled tower over a record's field
 *
 * Heads are linear maps without bias on the tower's output after
 * post_layernorm, kept in heads.safetensors beside the model with the names
 * of their classes as metadata; no model that reads the folder needs them.
 *
 * Read next: trainer.h.
 */
#ifndef MEDVL_TRAIN_DENSE_H
#define MEDVL_TRAIN_DENSE_H

#include "lib/base/file.h"
#include "lib/model/vit.h"
#include "lib/train/loader.h"
#include "lib/train/optim.h"

struct medvl_dense;

struct medvl_dense_options {
    double label, drawn, field; /* weights of the three; 0 leaves one out */
    const char *classes;        /* "plane,species": the fields, or NULL */
};

/* The fields of "plane,species", 1 to 16 of them; none of NULL or "".
 * MEDVL_EARG names --classes. */
int medvl_dense_fields(struct medvl_names *out, const char *classes,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Collects the classes from the training data and makes the heads.
 * MEDVL_EARG when there is nothing to tell apart.
 */
int medvl_dense_open(struct medvl_dense **out,
                     const struct medvl_dense_options *options,
                     struct medvl_dataset *data,
                     const struct medvl_frontend *frontend,
                     const struct medvl_model *model,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_dense_free(struct medvl_dense *dense);

/* Has the data regions with labels, and is there a head for them? */
int medvl_dense_labels(bool *out, const struct medvl_dense *dense,
                       struct medvl_dataset *data,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* The heads' parameters, to be trained beside the tower's. */
struct medvl_param *medvl_dense_params(struct medvl_dense *dense,
                                       int64_t *count);

/*
 * Sums over pictures: of the loss, and of what it is made of.  A picture's
 * loss is the mean over its patches.  A picture without labelled regions
 * takes no part in `label`.
 */
struct medvl_dense_result {
    double loss; /* weighted */
    double label, drawn, field;
    int64_t pictures, labelled;

    /* Likeliest class right, counted outside TRAIN only. */
    int64_t patches, patches_right; /* label, "none" left out */
    int64_t fields, fields_right;
};

/*
 * Run tower and heads over a micro-batch on a tape that has begun; in
 * TRAIN the gradients are seeded with 1 / `share` (pictures of the step)
 * and backward is run.  The result is added to `sum`.  In evaluation a
 * label or value that the training data did not have is an error.
 */
int medvl_dense_run(struct medvl_dense_result *sum,
                    struct medvl_dense *dense, struct medvl_tape *tape,
                    const struct medvl_microbatch *micro, double share,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

int medvl_dense_write(const struct medvl_dense *dense, const char *path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
#endif
