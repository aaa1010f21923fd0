/*
 * The learning rate by step: a linear rise, then half a cosine.
 *
 * Read next: dense.h.
 */
#ifndef MEDVL_TRAIN_SCHEDULE_H
#define MEDVL_TRAIN_SCHEDULE_H

#include <stdint.h>

/*
 * Factor of the rate at `step` (from 0) of `steps`: (step + 1) / warmup in
 * the first `warmup` steps, then from 1 down to `floor` along a cosine.
 */
double medvl_schedule(int64_t step, int64_t steps, int64_t warmup,
                      double floor);

#endif
