/*
 * Gaussian blur: one direction after the other, in whole numbers.
 *
 * Read next: coordinates.c.
 */
#include "lib/image/blur.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

#define RADIUS (3 * MEDVL_BLUR_SIGMA)
#define ONE    16384 /* the weights' sum: twice a sample times it fits */
#define LANES  64    /* columns that are worked on together */
#define BLOCK  32    /* samples whose sums stay in registers */

struct kernel {
    int radius;
    int16_t weight[RADIUS + 1]; /* of the middle, then of both sides */
};

/*
 * The sums from the outside in are rounded, not the weights: what one loses
 * its neighbour gets.
 */
static void make_kernel(struct kernel *k, double sigma)
{
    double exact[RADIUS + 1], sum = 1, side = 0;
    int before = 0;

    k->radius = (int)ceil(3 * sigma);
    for (int i = 1; i <= k->radius; i++) {
        exact[i] = exp(-0.5 * (i / sigma) * (i / sigma));
        sum += 2 * exact[i];
    }
    for (int i = k->radius; i > 0; i--) {
        int now;

        side += exact[i];
        now = (int)(side / sum * ONE + 0.5);
        k->weight[i] = (int16_t)(now - before);
        before = now;
    }
    k->weight[0] = (int16_t)(ONE - 2 * before);
}

/*
 * out[i] is the weighted mean of in[i], in[i + step], in[i - step] and so
 * on to the radius; `in` has room for whole blocks.
 */
static void convolve(uint8_t *out, const int16_t *in, size_t count,
                     size_t step, const struct kernel *k)
{
    for (size_t at = 0; at < count; at += BLOCK) {
        const size_t n = count - at < BLOCK ? count - at : BLOCK;
        int32_t sum[BLOCK];
        uint8_t bytes[BLOCK];

        for (int i = 0; i < BLOCK; i++)
            sum[i] = ONE / 2 + k->weight[0] * in[at + (size_t)i];
        for (int r = 1; r <= k->radius; r++) {
            const int16_t *a = in + at - (size_t)r * step;
            const int16_t *b = in + at + (size_t)r * step;
            const int16_t weight = k->weight[r];

            for (int i = 0; i < BLOCK; i++)
                sum[i] += weight * (int16_t)(a[i] + b[i]);
        }
        for (int i = 0; i < BLOCK; i++)
            bytes[i] = (uint8_t)(sum[i] / ONE);
        memcpy(out + at, bytes, n);
    }
}

/* Repeat the first and the last `step` of `count` samples to either side. */
static void extend(int16_t *first, size_t count, size_t step, int radius)
{
    int16_t *last = first + count - step;

    for (int r = 1; r <= radius; r++) {
        memcpy(first - (size_t)r * step, first, step * sizeof(*first));
        memcpy(last + (size_t)r * step, last, step * sizeof(*last));
    }
}

/* LANES samples side by side, from the top to the bottom. */
static void blur_columns(uint8_t *data, size_t row, size_t height,
                         size_t lanes, int16_t *in, uint8_t *out,
                         const struct kernel *k)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < lanes; x++)
            in[y * LANES + x] = data[y * row + x];
    extend(in, height * LANES, LANES, k->radius);
    convolve(out, in, height * LANES, LANES, k);
    for (size_t y = 0; y < height; y++)
        memcpy(data + y * row, out + y * LANES, lanes);
}

int medvl_picture_blur(struct medvl_picture *picture, double sigma,
                       struct medvl_error *err)
{
    const size_t row = medvl_picture_row(picture);
    const size_t height = (size_t)picture->height;
    const size_t step = (size_t)picture->channels;
    const size_t work = height * LANES > row ? height * LANES : row;
    uint8_t *data = picture->data, *out = NULL;
    struct kernel k;
    int16_t *in;
    size_t margin;

    if (picture->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window (--window)",
                          picture->depth);
    if (!(sigma >= 0 && sigma <= MEDVL_BLUR_SIGMA))
        return medvl_fail(err, MEDVL_EARG, "blur of %g pixels: want 0..%d",
                          sigma, MEDVL_BLUR_SIGMA);
    if (sigma == 0)
        return MEDVL_OK;
    make_kernel(&k, sigma);
    margin = (size_t)k.radius * LANES;
    in = medvl_alloc(2 * margin + work + BLOCK, sizeof(*in));
    if (in)
        out = medvl_alloc(height, LANES);
    if (!out) {
        medvl_free(in);
        return medvl_no_memory(err);
    }
    for (size_t x = 0; x < row; x += LANES)
        blur_columns(data + x, row, height,
                     row - x < LANES ? row - x : LANES, in + margin, out, &k);
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < row; x++)
            in[margin + x] = data[y * row + x];
        extend(in + margin, row, step, k.radius);
        convolve(data + y * row, in + margin, row, step, &k);
    }
    medvl_free(in);
    medvl_free(out);
    return MEDVL_OK;
}
