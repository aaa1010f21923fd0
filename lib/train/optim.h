/*
 * AdamW over a model's trained parameters, clipping, and their average.
 *
 * Read next: schedule.h.
 */
#ifndef MEDVL_TRAIN_OPTIM_H
#define MEDVL_TRAIN_OPTIM_H

#include "lib/model/checkpoint.h"
#include "lib/tensor/safetensors.h"

struct medvl_optim;

struct medvl_optim_options {
    float beta1, beta2, eps, decay;
    float clip;    /* largest gradient norm; 0: no clipping */
    float average; /* decay of the weight average; 0: none */
};

/* One parameter to train. */
struct medvl_optim_item {
    struct medvl_param *param; /* f32 value and grad; borrowed */
    double rate;               /* its learning rate */
    bool decay;                /* matrices: yes; norms, biases: no */
};

int medvl_optim_open(struct medvl_optim **out, struct medvl_device *dev,
                     const struct medvl_optim_item *items, int64_t count,
                     const struct medvl_optim_options *options,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_optim_free(struct medvl_optim *optim);

/*
 * One step with the gradients as they are, then zero them.
 *
 *   norm   the gradients' norm before clipping
 *   scale  the schedule's factor of each item's rate
 *
 * MEDVL_EFORMAT, naming the parameter, when a gradient is not finite; no
 * value is changed then.
 */
int medvl_optim_step(double *norm, struct medvl_optim *optim, double scale,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Exchange the parameters' values with their averages, for evaluating and
 * writing the averaged model; a second call brings them back.  Does nothing
 * without averaging.
 */
void medvl_optim_swap(struct medvl_optim *optim);

/*
 * The state as tensors to write ("m.NAME", "v.NAME", "average.NAME",
 * "master.NAME"), borrowed; returns their number.  And back from a file.
 */
int64_t medvl_optim_state(struct medvl_safetensors_entry **entries,
                          struct medvl_optim *optim);
int medvl_optim_restore(struct medvl_optim *optim,
                        const struct medvl_safetensors *file, int64_t step,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
