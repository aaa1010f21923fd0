/*
 * PNG's filters undone, a row at a time; the plain form.
 *
 * Source: PNG specification, third edition, section 9.
 *
 * Read next: picture_unfilter_avx2.c.
 */
#include "lib/image/picture_part.h"

#include <stdlib.h>

/* The neighbour that is nearest to left + above - corner. */
static uint8_t paeth(int left, int above, int corner)
{
    const int to_left = abs(above - corner), to_above = abs(left - corner);
    const int to_corner = abs(left + above - 2 * corner);

    if (to_left <= to_above && to_left <= to_corner)
        return (uint8_t)left;
    return (uint8_t)(to_above <= to_corner ? above : corner);
}

void medvl_png_unfilter_rest(uint8_t *out, const uint8_t *in,
                             const uint8_t *above, size_t from, size_t size,
                             size_t pixel, int filter)
{
    for (size_t i = from; i < size; i++) {
        const int left = i < pixel ? 0 : out[i - pixel];
        const int corner = i < pixel ? 0 : above[i - pixel];
        const int guess = filter == 1   ? left
                          : filter == 2 ? above[i]
                          : filter == 3 ? (left + above[i]) / 2
                          : filter == 4 ? paeth(left, above[i], corner)
                                        : 0;

        out[i] = (uint8_t)(in[i] + guess);
    }
}

void medvl_png_unfilter_ref(uint8_t *out, const uint8_t *in,
                            const uint8_t *above, size_t size, size_t pixel,
                            int filter)
{
    medvl_png_unfilter_rest(out, in, above, 0, size, pixel, filter);
}

void medvl_png_unfilter(uint8_t *out, const uint8_t *in, const uint8_t *above,
                        size_t size, size_t pixel, int filter)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        medvl_png_unfilter_avx2(out, in, above, size, pixel, filter);
        return;
    }
#endif
    medvl_png_unfilter_ref(out, in, above, size, pixel, filter);
}
