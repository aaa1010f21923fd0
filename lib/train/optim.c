/*
 * AdamW: one block holds both moments and the average of every trained
 * parameter.  The parameters' own f32 values are the master weights.
 */
#include "lib/train/optim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

/* What is kept of each parameter; `average` has no data without one. */
enum { MASTER,
       FIRST,
       SECOND,
       AVERAGE,
       KINDS };
static const char *const PREFIX[KINDS] = {"master.", "m.", "v.", "average."};

struct medvl_optim {
    struct medvl_device *dev;
    struct medvl_optim_options options;
    struct medvl_optim_item *items;
    int64_t count;
    struct medvl_tensor *state; /* count * KINDS; MASTER unused */
    char **names;               /* count * KINDS */
    struct medvl_safetensors_entry *entries;
    float *block;
    size_t block_size;
    int64_t step;
};

static int64_t items_of(const struct medvl_param *param)
{
    return medvl_tensor_rows(&param->value) *
           medvl_tensor_columns(&param->value);
}

static int make_names(struct medvl_optim *o, struct medvl_error *err)
{
    for (int64_t i = 0; i < o->count; i++)
        for (int k = 0; k < KINDS; k++) {
            struct medvl_text text = {0};
            int rc = medvl_text_printf(&text, err, "%s%s", PREFIX[k],
                                       o->items[i].param->name);

            if (rc < 0)
                return rc;
            o->names[i * KINDS + k] = text.data;
        }
    return MEDVL_OK;
}

/* Cut the block into the tensors of each kind, 16 floats apart at least. */
static int make_state(struct medvl_optim *o, struct medvl_error *err)
{
    const int kinds = o->options.average > 0 ? 3 : 2;
    size_t total = 0;
    float *at;

    for (int64_t i = 0; i < o->count; i++)
        total += (size_t)kinds * ((size_t)items_of(o->items[i].param) + 15);
    if (!medvl_size_mul(&o->block_size, total, sizeof(float)))
        return medvl_no_memory(err);
    o->block = medvl_block_alloc(o->block_size);
    if (!o->block)
        return medvl_no_memory(err);
    at = o->block;
    for (int64_t i = 0; i < o->count; i++) {
        const struct medvl_param *param = o->items[i].param;
        const size_t items = (size_t)items_of(param);

        for (int k = FIRST; k < FIRST + kinds; k++) {
            struct medvl_tensor *t = &o->state[i * KINDS + k];

            *t = param->value;
            t->data = at;
            at += (items + 15) / 16 * 16;
        }
        if (o->options.average > 0)
            memcpy(o->state[i * KINDS + AVERAGE].data, param->value.data,
                   items * sizeof(float));
    }
    return MEDVL_OK;
}

int medvl_optim_open(struct medvl_optim **out, struct medvl_device *dev,
                     const struct medvl_optim_item *items, int64_t count,
                     const struct medvl_optim_options *options,
                     struct medvl_error *err)
{
    struct medvl_optim *o = medvl_alloc(1, sizeof(*o));
    const size_t all = (size_t)count * KINDS;
    int rc = MEDVL_ENOMEM;

    *out = NULL;
    if (!o)
        return medvl_no_memory(err);
    o->dev = dev;
    o->options = *options;
    o->count = count;
    o->items = medvl_alloc((size_t)count, sizeof(*items));
    o->state = medvl_alloc(all, sizeof(*o->state));
    o->names = medvl_alloc(all, sizeof(*o->names));
    o->entries = medvl_alloc(all, sizeof(*o->entries));
    if (!o->items || !o->state || !o->names || !o->entries) {
        rc = medvl_no_memory(err);
        goto done;
    }
    memcpy(o->items, items, (size_t)count * sizeof(*items));
    rc = make_names(o, err);
    if (rc == MEDVL_OK)
        rc = make_state(o, err);
    if (rc < 0)
        goto done;
    *out = o;
    o = NULL;
done:
    medvl_optim_free(o);
    return rc;
}

void medvl_optim_free(struct medvl_optim *optim)
{
    if (!optim)
        return;
    for (int64_t i = 0; optim->names && i < optim->count * KINDS; i++)
        medvl_free(optim->names[i]);
    medvl_free(optim->names);
    medvl_free(optim->entries);
    medvl_free(optim->state);
    medvl_free(optim->items);
    medvl_block_free(optim->block, optim->block_size);
    medvl_free(optim);
}

/* The average follows fast at first: decay (1 + t) / (10 + t) at most. */
static float average_weight(const struct medvl_optim *o)
{
    const double early = (1.0 + (double)o->step) / (10.0 + (double)o->step);

    return (float)(1 - fmin(o->options.average, early));
}

static void update(struct medvl_optim *o, int64_t i,
                   const struct medvl_adamw *common, double scale)
{
    const struct medvl_ops *ops = o->dev->ops;
    const struct medvl_optim_item *item = &o->items[i];
    struct medvl_param *param = item->param;
    struct medvl_tensor *state = &o->state[i * KINDS];
    struct medvl_adamw adamw = *common;

    adamw.rate = (float)(scale * item->rate);
    adamw.decay = item->decay ? o->options.decay : 0;
    ops->adamw(o->dev, &param->value, &param->value, &state[FIRST],
               &state[SECOND], &param->grad, &adamw);
    param->version++;
    if (o->options.average > 0)
        ops->lerp(o->dev, &state[AVERAGE], &param->value, average_weight(o));
}

static int gradient_norm(double *norm, struct medvl_optim *o,
                         struct medvl_error *err)
{
    double sum = 0;

    for (int64_t i = 0; i < o->count; i++) {
        struct medvl_param *param = o->items[i].param;

        sum += o->dev->ops->sum_squares(o->dev, &param->grad);
        if (!isfinite(sum))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "the gradient of %s is not finite",
                              param->name);
    }
    *norm = sqrt(sum);
    return medvl_device_sync(o->dev, err);
}

int medvl_optim_step(double *norm, struct medvl_optim *optim, double scale,
                     struct medvl_error *err)
{
    struct medvl_optim *o = optim;
    struct medvl_adamw adamw = {.beta1 = o->options.beta1,
                                .beta2 = o->options.beta2,
                                .eps = o->options.eps,
                                .grad_scale = 1};
    int rc = gradient_norm(norm, o, err);

    if (rc < 0)
        return rc;
    if (o->options.clip > 0 && *norm > o->options.clip)
        adamw.grad_scale = (float)(o->options.clip / *norm);
    o->step++;
    adamw.bias1 = (float)(1 - pow(o->options.beta1, (double)o->step));
    adamw.bias2 = (float)(1 - pow(o->options.beta2, (double)o->step));
    for (int64_t i = 0; i < o->count; i++)
        update(o, i, &adamw, scale);
    rc = medvl_device_sync(o->dev, err);
    for (int64_t i = 0; i < o->count; i++)
        memset(o->items[i].param->grad.data, 0,
               (size_t)items_of(o->items[i].param) * sizeof(float));
    return rc;
}

void medvl_optim_swap(struct medvl_optim *optim)
{
    for (int64_t i = 0; optim->options.average > 0 && i < optim->count; i++) {
        struct medvl_tensor *average = &optim->state[i * KINDS + AVERAGE];
        struct medvl_param *param = optim->items[i].param;
        void *data = param->value.data;

        param->value.data = average->data;
        average->data = data;
        param->version++;
    }
}

int64_t medvl_optim_state(struct medvl_safetensors_entry **entries,
                          struct medvl_optim *optim)
{
    int64_t count = 0;

    for (int64_t i = 0; i < optim->count * KINDS; i++) {
        struct medvl_safetensors_entry *e = &optim->entries[count];

        e->tensor = i % KINDS == MASTER ? optim->items[i / KINDS].param->value
                                        : optim->state[i];
        e->name = optim->names[i];
        if (e->tensor.data)
            count++;
    }
    *entries = optim->entries;
    return count;
}

/* Sizes past the rank mean nothing. */
static bool same_shape(const struct medvl_tensor *from,
                       const struct medvl_tensor *to)
{
    bool same = from->dtype == MEDVL_DTYPE_F32 && from->rank == to->rank;

    for (int d = 0; same && d < to->rank; d++)
        same = from->size[d] == to->size[d];
    return same;
}

int medvl_optim_restore(struct medvl_optim *optim,
                        const struct medvl_safetensors *file, int64_t step,
                        struct medvl_error *err)
{
    struct medvl_safetensors_entry *entries;
    const int64_t count = medvl_optim_state(&entries, optim);

    for (int64_t i = 0; i < count; i++) {
        struct medvl_tensor *to = &entries[i].tensor;
        const struct medvl_tensor *from =
            medvl_safetensors_find(file, entries[i].name);
        int64_t items;

        if (!from || !same_shape(from, to))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"%s\" is missing or of another shape",
                              entries[i].name);
        items = medvl_tensor_rows(to) * medvl_tensor_columns(to);
        memcpy(to->data, from->data, (size_t)items * sizeof(float));
    }
    for (int64_t i = 0; i < optim->count; i++)
        optim->items[i].param->version++;
    optim->step = step;
    return MEDVL_OK;
}
