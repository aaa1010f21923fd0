/*
 * Philox4x32-10 and what is drawn from it.
 *
 * Read next: hash.c.
 */
#include "lib/base/rng.h"

#include <math.h>

#define ROUNDS 10

void medvl_philox(uint32_t out[4], const uint32_t counter[4],
                  const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1];
    uint32_t c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    int i;

    for (i = 0; i < ROUNDS; i++) {
        const uint64_t a = (uint64_t)0xd2511f53 * c0;
        const uint64_t b = (uint64_t)0xcd9e8d57 * c2;

        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9; /* the golden ratio */
        k1 += 0xbb67ae85; /* sqrt(3) - 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void medvl_rng_init(struct medvl_rng *rng, uint64_t seed,
                    enum medvl_purpose purpose, uint64_t item)
{
    *rng = (struct medvl_rng){
        .seed = seed,
        .item = item,
        .purpose = (uint32_t)purpose,
    };
}

uint32_t medvl_rng_u32(struct medvl_rng *rng)
{
    if (!rng->have) {
        const uint32_t counter[4] = {
            (uint32_t)rng->index,
            rng->purpose << 24 | (uint32_t)(rng->index >> 32 & 0xffffff),
            (uint32_t)rng->item,
            (uint32_t)(rng->item >> 32),
        };
        const uint32_t key[2] = {
            (uint32_t)rng->seed,
            (uint32_t)(rng->seed >> 32),
        };

        medvl_philox(rng->block, counter, key);
        rng->index++;
        rng->have = 4;
    }
    return rng->block[4 - rng->have--];
}

uint64_t medvl_rng_u64(struct medvl_rng *rng)
{
    const uint64_t low = medvl_rng_u32(rng);

    return low | (uint64_t)medvl_rng_u32(rng) << 32;
}

double medvl_rng_unit(struct medvl_rng *rng)
{
    return (double)(medvl_rng_u64(rng) >> 11) * 0x1p-53;
}

double medvl_rng_normal(struct medvl_rng *rng)
{
    const double radius = sqrt(-2 * log(1 - medvl_rng_unit(rng)));

    return radius * cos(2 * M_PI * medvl_rng_unit(rng));
}

/*
 * The high half of a product, thrown away where its low half falls among
 * the 2^64 mod bound values that would come once too often.
 *
 * Source: Lemire 2019, "Fast random integer generation in an interval".
 */
uint64_t medvl_rng_below(struct medvl_rng *rng, uint64_t bound)
{
    const uint64_t excess = -bound % bound;

    for (;;) {
        const unsigned __int128 product =
            (unsigned __int128)medvl_rng_u64(rng) * bound;

        if ((uint64_t)product >= excess)
            return (uint64_t)(product >> 64);
    }
}

void medvl_rng_permutation(int64_t *out, int64_t count,
                           struct medvl_rng *rng)
{
    int64_t i;

    for (i = 0; i < count; i++) {
        const int64_t j = (int64_t)medvl_rng_below(rng, (uint64_t)i + 1);

        if (j != i) /* out[i] holds nothing yet */
            out[i] = out[j];
        out[j] = i;
    }
}
