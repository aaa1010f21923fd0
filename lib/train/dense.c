/*
 * Every loss here is a head_logprob over few classes: the patches' labels,
 * drawn or not, and the fields' values over the mean of a picture's
 * patches.  The classes are dense_class.c's, the targets dense_target.c's.
 */
#include "lib/train/dense.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/train/dense_target.h"
#include "lib/train/sft.h"

struct medvl_dense {
    const struct medvl_frontend *frontend;
    const struct medvl_model *model;
    struct medvl_dense_heads heads;
    struct medvl_param params[MEDVL_DENSE_HEADS];
    float *block;
    size_t block_size;
};

/* Does the head take part: it has a weight and something to tell apart. */
static bool in_use(const struct medvl_dense_head *head)
{
    return head->weight > 0 && head->classes.count >= 2;
}

static int check_use(const struct medvl_dense *d, struct medvl_error *err)
{
    for (int h = 0; h < d->heads.count; h++)
        if (in_use(&d->heads.items[h]))
            return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "--objective dense: the data has no labelled and no "
                      "drawn region, and no field of --classes with two "
                      "values; or their weights are 0");
}

/* ---- heads ----------------------------------------------------------- */

static int head_name(char **out, const struct medvl_dense_head *head, int h,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    if (h < MEDVL_DENSE_FIRST)
        rc = medvl_text_puts(&text,
                             h == MEDVL_DENSE_LABEL ? "label.weight"
                                                    : "drawn.weight",
                             err);
    else
        rc = medvl_text_printf(&text, err, "class.%s.weight", head->field);
    *out = text.data;
    return rc;
}

/* Values and gradients in one block; the heads start at zero. */
static int make_params(struct medvl_dense *d, struct medvl_error *err)
{
    const int64_t width = d->model->config.vision.hidden;
    size_t total = 0;
    float *at;

    for (int h = 0; h < d->heads.count; h++)
        total += 2 * d->heads.items[h].classes.count * (size_t)width;
    d->block_size = total * sizeof(float);
    d->block = medvl_block_alloc(d->block_size);
    if (!d->block)
        return medvl_no_memory(err);
    at = d->block;
    for (int h = 0; h < d->heads.count; h++) {
        struct medvl_param *p = &d->params[h];
        const int64_t rows = (int64_t)d->heads.items[h].classes.count;
        char *name;
        int rc = head_name(&name, &d->heads.items[h], h, err);

        p->name = name;
        if (rc < 0)
            return rc;
        p->trained = true;
        p->value = medvl_tensor_2d(at, MEDVL_DTYPE_F32, rows, width);
        at += rows * width;
        p->grad = medvl_tensor_2d(at, MEDVL_DTYPE_F32, rows, width);
        at += rows * width;
    }
    return MEDVL_OK;
}

/* Pictures have patches alike, and the tower gives them and no more. */
static bool fits(const struct medvl_config *config)
{
    const struct medvl_vision_config *v = &config->vision;

    return config->family == MEDVL_FAMILY_LLAVA && !v->keep_class &&
           v->registers == 0 && v->feature_count == 1;
}

int medvl_dense_open(struct medvl_dense **out,
                     const struct medvl_dense_options *options,
                     struct medvl_dataset *data,
                     const struct medvl_frontend *frontend,
                     const struct medvl_model *model, struct medvl_error *err)
{
    struct medvl_dense *d;
    int rc;

    *out = NULL;
    if (!frontend || !fits(&model->config))
        return medvl_fail(err, MEDVL_EARG,
                          "the dense objective needs a LLaVA of one view a "
                          "picture, whose features are patches alone, of "
                          "one layer");
    d = medvl_alloc(1, sizeof(*d));
    if (!d)
        return medvl_no_memory(err);
    d->frontend = frontend;
    d->model = model;
    d->heads.items[MEDVL_DENSE_LABEL].weight = options->label;
    d->heads.items[MEDVL_DENSE_DRAWN].weight = options->drawn;
    d->heads.count = MEDVL_DENSE_FIRST;
    rc = medvl_dense_add_fields(&d->heads, options->classes, options->field,
                                err);
    if (rc == MEDVL_OK)
        rc = medvl_dense_collect(&d->heads, data, err);
    if (rc == MEDVL_OK)
        rc = check_use(d, err);
    if (rc == MEDVL_OK)
        rc = make_params(d, err);
    if (rc == MEDVL_OK) {
        *out = d;
        d = NULL;
    }
    medvl_dense_free(d);
    return rc;
}

int medvl_dense_labels(bool *out, const struct medvl_dense *dense,
                       struct medvl_dataset *data, struct medvl_error *err)
{
    struct medvl_dense_heads seen = {.count = MEDVL_DENSE_FIRST};
    const int rc = medvl_dense_collect(&seen, data, err);

    /* "none" is always among them. */
    *out = in_use(&dense->heads.items[MEDVL_DENSE_LABEL]) &&
           seen.items[MEDVL_DENSE_LABEL].classes.count > 1;
    medvl_dense_heads_release(&seen);
    return rc;
}

void medvl_dense_free(struct medvl_dense *dense)
{
    if (!dense)
        return;
    for (int h = 0; h < dense->heads.count; h++)
        medvl_free((void *)(uintptr_t)dense->params[h].name);
    medvl_dense_heads_release(&dense->heads);
    medvl_block_free(dense->block, dense->block_size);
    medvl_free(dense);
}

struct medvl_param *medvl_dense_params(struct medvl_dense *dense,
                                       int64_t *count)
{
    *count = dense->heads.count;
    return dense->params;
}

/* ---- the run --------------------------------------------------------- */

/* A head at work: its rows on the tape, their targets. */
struct work {
    struct medvl_var *inp, *logp;
    struct medvl_tensor target;
    int64_t rows;
    double each; /* what one row counts in a picture's loss */
};

static double loss_of(const struct work *w)
{
    const float *logp = w->logp->value.data;
    const int32_t *target = w->target.data;
    double sum = 0;

    for (int64_t i = 0; i < w->rows; i++)
        if (target[i] >= 0)
            sum -= logp[i] * w->each;
    return sum;
}

/* Rows whose likeliest class is the target; `skip` is not counted. */
static int count_right(int64_t *rows, int64_t *right, struct medvl_tape *tape,
                       const struct work *w, struct medvl_param *head,
                       int skip, struct medvl_error *err)
{
    const int64_t classes = head->value.size[0];
    const int32_t *target = w->target.data;
    struct medvl_var *logits = medvl_tape_linear(tape, w->inp, head, NULL);
    const int rc = medvl_tape_check(tape, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < w->rows; i++) {
        const float *row = (const float *)logits->value.data + i * classes;
        int64_t best = 0;

        if (target[i] < 0 || target[i] == skip)
            continue;
        for (int64_t c = 1; c < classes; c++)
            if (row[c] > row[best])
                best = c;
        ++*rows;
        *right += best == target[i];
    }
    return rc;
}

/* The tower's output after last norm: what the heads read. */
static struct medvl_var *tower(struct medvl_dense *d, struct medvl_tape *tape,
                               const struct medvl_microbatch *micro)
{
    const struct medvl_model *m = d->model;
    struct medvl_var *out = medvl_vit_forward(tape, m,
                                              &micro->batch.pictures);

    return medvl_tape_layernorm(
        tape, out, medvl_model_param(m, "vision.post_norm.weight"),
        medvl_model_param(m, "vision.post_norm.bias"),
        m->config.vision.norm_eps);
}

static void put_heads(struct work *work, struct medvl_dense *d,
                      struct medvl_tape *tape,
                      const struct medvl_dense_targets *t,
                      struct medvl_var *features)
{
    const struct medvl_tensor cu =
        medvl_tensor_1d(t->cu, MEDVL_DTYPE_I32, t->pictures + 1);
    struct medvl_var *pooled = NULL;

    for (int h = 0; h < d->heads.count; h++) {
        struct work *w = &work[h];
        const bool patch = h < MEDVL_DENSE_FIRST;

        memset(w, 0, sizeof(*w));
        if (!in_use(&d->heads.items[h]))
            continue;
        if (!patch && !pooled)
            pooled = medvl_tape_mean_rows(tape, features, &cu);
        w->inp = patch ? features : pooled;
        w->rows = patch ? t->pictures * t->patches : t->pictures;
        w->each = patch ? 1.0 / (double)t->patches : 1;
        w->target = medvl_tensor_1d(patch ? t->patch[h]
                                          : t->field[h - MEDVL_DENSE_FIRST],
                                    MEDVL_DTYPE_I32, w->rows);
        w->logp = medvl_tape_head_logprob(tape, NULL, NULL, w->inp,
                                          &d->params[h], NULL, &w->target);
    }
}

static int read_losses(struct medvl_dense_result *sum,
                       const struct medvl_dense *d, const struct work *work,
                       const struct medvl_dense_targets *t,
                       struct medvl_error *err)
{
    double loss = 0;

    for (int h = 0; h < d->heads.count; h++) {
        double *to = h == MEDVL_DENSE_LABEL   ? &sum->label
                     : h == MEDVL_DENSE_DRAWN ? &sum->drawn
                                              : &sum->field;
        double one;

        if (!work[h].logp)
            continue;
        one = loss_of(&work[h]);
        *to += one;
        loss += one * d->heads.items[h].weight;
    }
    sum->loss += loss;
    sum->pictures += t->pictures;
    sum->labelled += t->labelled;
    if (!isfinite(loss))
        return medvl_fail(err, MEDVL_EFORMAT, "the loss is not finite");
    return MEDVL_OK;
}

static int count_all(struct medvl_dense_result *sum, struct medvl_dense *d,
                     struct medvl_tape *tape, const struct work *work,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (work[MEDVL_DENSE_LABEL].logp)
        rc = count_right(&sum->patches, &sum->patches_right, tape,
                         &work[MEDVL_DENSE_LABEL],
                         &d->params[MEDVL_DENSE_LABEL], 0, err);
    for (int h = MEDVL_DENSE_FIRST; h < d->heads.count && rc == MEDVL_OK; h++)
        if (work[h].logp)
            rc = count_right(&sum->fields, &sum->fields_right, tape, &work[h],
                             &d->params[h], -1, err);
    return rc;
}

int medvl_dense_run(struct medvl_dense_result *sum,
                    struct medvl_dense *dense, struct medvl_tape *tape,
                    const struct medvl_microbatch *micro, double share,
                    struct medvl_error *err)
{
    struct work work[MEDVL_DENSE_HEADS];
    struct medvl_dense_targets targets;
    int rc = medvl_dense_targets_make(&targets, &dense->heads, dense->frontend,
                                      micro, err);

    if (rc < 0)
        goto done;
    put_heads(work, dense, tape, &targets, tower(dense, tape, micro));
    rc = medvl_tape_check(tape, err);
    if (rc == MEDVL_OK && medvl_tape_mode(tape) != MEDVL_TAPE_PLAN)
        rc = read_losses(sum, dense, work, &targets, err);
    if (rc == MEDVL_OK && medvl_tape_mode(tape) == MEDVL_TAPE_INFER)
        rc = count_all(sum, dense, tape, work, err);
    if (rc < 0 || !medvl_tape_trains(tape))
        goto done;
    for (int h = 0; h < dense->heads.count && rc == MEDVL_OK; h++)
        if (work[h].logp)
            rc = medvl_sft_seed(tape, work[h].logp, &work[h].target, NULL,
                                work[h].each * dense->heads.items[h].weight,
                                share, err);
    if (rc == MEDVL_OK) {
        medvl_tape_backward(tape);
        rc = medvl_tape_check(tape, err);
    }
done:
    medvl_dense_targets_release(&targets);
    return rc;
}

/* ---- files ----------------------------------------------------------- */

/* {"label": ["none", ...], "drawn": [...], "plane": [...]} */
static int classes_json(struct medvl_text *out, const struct medvl_dense *d,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    for (int h = 0; h < d->heads.count; h++) {
        const struct medvl_names *classes = &d->heads.items[h].classes;

        medvl_json_begin(&w, d->params[h].name, '[');
        for (size_t i = 0; i < classes->count; i++)
            medvl_json_put_string(&w, NULL, medvl_span(classes->items[i]));
        medvl_json_end(&w);
    }
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_dense_write(const struct medvl_dense *dense, const char *path,
                      struct medvl_error *err)
{
    struct medvl_safetensors_entry entries[MEDVL_DENSE_HEADS];
    struct medvl_text classes = {0};
    int rc = classes_json(&classes, dense, err);

    for (int h = 0; h < dense->heads.count; h++) {
        entries[h].name = dense->params[h].name;
        entries[h].tensor = dense->params[h].value;
    }
    if (rc == MEDVL_OK) {
        const char *const metadata[] = {"classes", classes.data, NULL};

        rc = medvl_safetensors_write(path, entries, dense->heads.count,
                                     metadata, err);
    }
    medvl_text_release(&classes);
    return rc;
}
