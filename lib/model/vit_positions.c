/*
 * A table of positions on another grid: where from and how much.
 *
 * The arithmetic is float's, step by step as PyTorch's, so that a place on
 * the edge between two values falls on the same side.
 *
 * Read next: vit.c.
 */
#include "lib/model/vit_part.h"

#include <math.h>

#define REACH 2.0f /* of the cubic, in values */

/* Keys' cubic at distance x. */
static float cubic(float x, float a)
{
    x = fabsf(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < REACH ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Half the width of the filter: wider by as much as places are fewer. */
static float support(int64_t from, int64_t to)
{
    const float scale = (float)from / (float)to;

    return scale > 1 ? REACH * scale : REACH;
}

int64_t medvl_vit_taps(int64_t from, int64_t to, bool antialias)
{
    return antialias ? 2 * (int64_t)ceilf(support(from, to)) + 1 : 4;
}

static void resample_plain(int32_t index[4], float weight[4], int64_t from,
                           float at)
{
    const int64_t first = (int64_t)floorf(at);
    const float part = at - (float)first;

    for (int64_t k = 0; k < 4; k++) {
        const int64_t i = first + k - 1;

        index[k] = (int32_t)(i < 0 ? 0 : i < from ? i
                                                  : from - 1);
        weight[k] = cubic((float)(k - 1) - part, -0.75f);
    }
}

/* Values that lie outside weigh nothing; the rest weighs 1 together. */
static void resample_wide(int32_t *index, float *weight, int64_t taps,
                          int64_t from, int64_t to, float at)
{
    const float scale = (float)from / (float)to, half = support(from, to);
    const float inverse = scale > 1 ? 1 / scale : 1;
    const int64_t low = (int64_t)(at - half + 0.5f);
    const int64_t high = (int64_t)(at + half + 0.5f);
    const int64_t first = low > 0 ? low : 0;
    float sum = 0;

    for (int64_t k = 0; k < taps; k++) {
        const int64_t i = first + k;
        const bool inside = i < high && i < from;

        index[k] = inside ? (int32_t)i : -1;
        weight[k] = inside
                        ? cubic(((float)i - at + 0.5f) * inverse, -0.5f)
                        : 0;
        sum += weight[k];
    }
    for (int64_t k = 0; k < taps; k++)
        weight[k] /= sum;
}

void medvl_vit_resample(int32_t *index, float *weight, int64_t from,
                        int64_t to, bool antialias)
{
    const int64_t taps = medvl_vit_taps(from, to, antialias);
    const float scale = (float)from / (float)to;

    for (int64_t i = 0; i < to; i++, index += taps, weight += taps) {
        const float middle = scale * ((float)i + 0.5f);

        if (antialias)
            resample_wide(index, weight, taps, from, to, middle);
        else
            resample_plain(index, weight, from, middle - 0.5f);
    }
}
