/*
 * PNG's filters undone; the plain form.
 *
 * Source: PNG specification, third edition, section 9.
 *
 * Read next: picture_unfilter_avx2.c.
 */
#include "lib/image/picture_part.h"

#include <stdlib.h>
#include <string.h>

/* The neighbour that is nearest to left + above - corner. */
static uint8_t paeth(int left, int above, int corner)
{
    const int to_left = abs(above - corner), to_above = abs(left - corner);
    const int to_corner = abs(left + above - 2 * corner);

    if (to_left <= to_above && to_left <= to_corner)
        return (uint8_t)left;
    return (uint8_t)(to_above <= to_corner ? above : corner);
}

static void undo_row(uint8_t *out, const uint8_t *in, const uint8_t *above,
                     size_t size, size_t pixel, int filter)
{
    for (size_t i = 0; i < size; i++) {
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

void medvl_png_unfilter_ref(uint8_t *out, size_t out_stride,
                            const uint8_t *in, const uint8_t *above,
                            size_t size, size_t pixel, int64_t count)
{
    for (int64_t y = 0; y < count; y++) {
        undo_row(out, in + 1, above, size, pixel, in[0]);
        above = out;
        in += size + 1;
        out += out_stride;
    }
}

/* Rows of filters 0 and 2 alone depend on nothing to their left. */
static bool are_loose(const uint8_t *in, size_t size, int64_t count)
{
    for (int64_t y = 0; y < count; y++)
        if (in[(size_t)y * (size + 1)] % 2 || in[(size_t)y * (size + 1)] > 2)
            return false;
    return true;
}

static void undo_loose(uint8_t *out, size_t out_stride, const uint8_t *in,
                       const uint8_t *above, size_t size, int64_t count)
{
    for (int64_t y = 0; y < count; y++) {
        if (in[0] == 0)
            memmove(out, in + 1, size);
        else
            for (size_t i = 0; i < size; i++)
                out[i] = (uint8_t)(in[1 + i] + above[i]);
        above = out;
        in += size + 1;
        out += out_stride;
    }
}

void medvl_png_unfilter(uint8_t *out, size_t out_stride, const uint8_t *in,
                        const uint8_t *above, size_t size, size_t pixel,
                        int64_t count)
{
    if (are_loose(in, size, count)) {
        undo_loose(out, out_stride, in, above, size, count);
        return;
    }
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        medvl_png_unfilter_avx2(out, out_stride, in, above, size, pixel,
                                count);
        return;
    }
#endif
    medvl_png_unfilter_ref(out, out_stride, in, above, size, pixel, count);
}
