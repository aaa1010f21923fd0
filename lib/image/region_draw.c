/*
 * Drawing of boxes, masks and points, and blurring around them.
 *
 * Read next: polygon.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/blur.h"
#include "lib/image/region.h"

static void paint(struct medvl_picture *picture, int64_t x, int64_t y,
                  const uint8_t color[3])
{
    uint8_t *at = (uint8_t *)picture->data + 3 * (y * picture->width + x);

    for (int c = 0; c < 3; c++)
        at[c] = color[c];
}

int medvl_draw_box(struct medvl_picture *picture, struct medvl_box box,
                   int thick, const uint8_t color[3],
                   struct medvl_error *err)
{
    const int rc = medvl_picture_to_rgb(picture, err);
    int64_t at[4];

    if (rc < 0)
        return rc;
    medvl_box_pixels(at, &box, picture->width, picture->height);
    for (int64_t y = at[1]; y < at[3]; y++) {
        const bool edge = y - at[1] < thick || at[3] - 1 - y < thick;

        for (int64_t x = at[0]; x < at[2]; x++) {
            if (edge || x - at[0] < thick || at[2] - 1 - x < thick)
                paint(picture, x, y, color);
            else
                x = at[2] - 1 - thick;
        }
    }
    return MEDVL_OK;
}

/*
 * Steps from each pixel of the mask to the nearest one outside, at most
 * `most`: from above and the left, then from below and the right.
 */
static void count_steps(uint16_t *steps, const struct medvl_mask *mask,
                        int most)
{
    const int64_t w = mask->width, h = mask->height, count = w * h;

    for (int64_t i = 0; i < count; i++) {
        int up = i < w ? 0 : steps[i - w], left = i % w ? steps[i - 1] : 0;
        const int near = up < left ? up : left;

        steps[i] = (uint16_t)(!mask->data[i] ? 0
                              : near >= most ? most
                                             : near + 1);
    }
    for (int64_t i = count - 1; i >= 0; i--) {
        const int down = i >= count - w ? 0 : steps[i + w];
        const int right = i % w < w - 1 ? steps[i + 1] : 0;
        const int near = down < right ? down : right;

        if (near < steps[i])
            steps[i] = (uint16_t)(near + 1 < steps[i] ? near + 1 : steps[i]);
    }
}

int medvl_draw_mask(struct medvl_picture *picture,
                    const struct medvl_mask *mask, int thick,
                    const uint8_t color[3], struct medvl_error *err)
{
    uint16_t *steps;
    int rc = medvl_mask_fits(mask->width, mask->height, picture->width,
                             picture->height, err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_to_rgb(picture, err);
    if (rc < 0)
        return rc;
    steps = medvl_alloc((size_t)(mask->width * mask->height), sizeof(*steps));
    if (!steps)
        return medvl_no_memory(err);
    thick = thick < UINT16_MAX ? thick : UINT16_MAX - 1;
    count_steps(steps, mask, thick + 1);
    for (int64_t y = 0, i = 0; y < mask->height; y++)
        for (int64_t x = 0; x < mask->width; x++, i++)
            if (steps[i] && steps[i] <= thick)
                paint(picture, x, y, color);
    medvl_free(steps);
    return MEDVL_OK;
}

int medvl_draw_point(struct medvl_picture *picture, double x, double y,
                     int thick, const uint8_t color[3],
                     struct medvl_error *err)
{
    const double r = 2.5 * thick;
    const int64_t x0 = medvl_pixel_from(x - r, picture->width);
    const int64_t x1 = medvl_pixel_from(x + r + 1, picture->width);
    const int64_t y0 = medvl_pixel_from(y - r, picture->height);
    const int64_t y1 = medvl_pixel_from(y + r + 1, picture->height);
    const int rc = medvl_picture_to_rgb(picture, err);

    if (rc < 0)
        return rc;
    for (int64_t v = y0; v < y1; v++)
        for (int64_t u = x0; u < x1; u++) {
            const double dx = (double)u + 0.5 - x, dy = (double)v + 0.5 - y;

            if (dx * dx + dy * dy <= r * r)
                paint(picture, u, v, color);
        }
    return MEDVL_OK;
}

int medvl_blur_outside(struct medvl_picture *picture,
                       const struct medvl_mask *mask, double sigma,
                       struct medvl_error *err)
{
    const size_t n = (size_t)picture->channels;
    struct medvl_picture sharp = {0};
    int rc = medvl_mask_fits(mask->width, mask->height, picture->width,
                             picture->height, err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_make(&sharp, picture->width, picture->height,
                                picture->channels, picture->depth, err);
    if (rc < 0)
        return rc;
    memcpy(sharp.data, picture->data, medvl_picture_bytes(picture));
    rc = medvl_picture_blur(picture, sigma, err);
    for (size_t i = 0; rc == MEDVL_OK &&
                       i < (size_t)(mask->width * mask->height);
         i++)
        if (mask->data[i])
            memcpy((uint8_t *)picture->data + i * n,
                   (const uint8_t *)sharp.data + i * n, n);
    medvl_picture_release(&sharp);
    return rc;
}
