/*
 * See schedule.h.
 */
#include "lib/train/schedule.h"

#include <math.h>

double medvl_schedule(int64_t step, int64_t steps, int64_t warmup,
                      double floor)
{
    const double pi = 3.14159265358979323846;
    double share;

    if (step < warmup)
        return (double)(step + 1) / (double)warmup;
    if (steps <= warmup)
        return 1;
    share = (double)(step - warmup) / (double)(steps - warmup);
    if (share > 1)
        share = 1;
    return floor + (1 - floor) * 0.5 * (1 + cos(pi * share));
}
