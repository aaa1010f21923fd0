/*
 * Counter-based random numbers: Philox4x32-10.  A number is a function of
 * (seed, purpose, item, index), so there is no state to save, the order of
 * work does not matter, and every machine and device gives the same.
 *
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 *
 * Read next: hash.h.
 */
#ifndef MEDVL_BASE_RNG_H
#define MEDVL_BASE_RNG_H

#include <stdint.h>

#include "lib/base/status.h"

/* One number a use, so that two uses of one seed never meet. */
enum medvl_purpose {
    MEDVL_PURPOSE_TEST = 0,
    MEDVL_PURPOSE_INIT,      /* item: hash of the parameter's name */
    MEDVL_PURPOSE_SHUFFLE,   /* item: epoch */
    MEDVL_PURPOSE_DROPOUT,   /* item: step and site */
    MEDVL_PURPOSE_SAMPLE,    /* item: hash of record id and sample number */
    MEDVL_PURPOSE_AUGMENT,   /* item: hash of record id and copy */
    MEDVL_PURPOSE_SPLIT,     /* item: hash of group or record */
    MEDVL_PURPOSE_PERMUTE,   /* item: 0 */
    MEDVL_PURPOSE_BOOTSTRAP, /* item: resample */
    MEDVL_PURPOSE_MIX,       /* item: epoch */
    MEDVL_PURPOSE_ANOMALY,   /* item: hash of record id and copy */
};

/* The bare generator: 10 rounds over a 128-bit counter with a 64-bit key. */
void medvl_philox(uint32_t out[4], const uint32_t counter[4],
                  const uint32_t key[2]);

/*
 * A stream of numbers for one (seed, purpose, item).  The counter is
 * {index low, purpose << 24 | index high, item low, item high}, the key is
 * the seed.  Copying the struct copies the position.
 */
struct medvl_rng {
    uint64_t seed;
    uint64_t item;
    uint64_t index; /* of the next block of four, below 2^56 */
    uint32_t purpose;
    uint32_t have; /* numbers left in block */
    uint32_t block[4];
};

void medvl_rng_init(struct medvl_rng *rng, uint64_t seed,
                    enum medvl_purpose purpose, uint64_t item);
uint32_t medvl_rng_u32(struct medvl_rng *rng);
uint64_t medvl_rng_u64(struct medvl_rng *rng);
double medvl_rng_unit(struct medvl_rng *rng);   /* [0, 1), 53 bits */
double medvl_rng_normal(struct medvl_rng *rng); /* Box-Muller, one of two */

/* Uniform in [0, bound), without bias; bound at least 1. */
uint64_t medvl_rng_below(struct medvl_rng *rng, uint64_t bound);

/* Fisher-Yates: out[0..count) becomes a permutation of 0..count-1. */
void medvl_rng_permutation(int64_t *out, int64_t count,
                           struct medvl_rng *rng);

#endif
