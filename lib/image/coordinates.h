/*
 * The scales that coordinates are written in: pixels, or shares of the
 * picture's side.
 *
 *   pixel  0      0..side, records always
 *   1             0..1, written with 3 decimals
 *   100           0..100, written with 1 decimal
 *   999           whole numbers 0..999: thousandths of the side, without
 *                 their fraction
 *
 * Read next: region.h.
 */
#ifndef MEDVL_IMAGE_COORDINATES_H
#define MEDVL_IMAGE_COORDINATES_H

#include <stdbool.h>
#include <stdint.h>

/* Is it one of 1, 100, 999?  0, pixels, is not. */
bool medvl_scale_is(int64_t scale);

/* The largest that may be read on the scale: 999 has 1000 too, the edge. */
double medvl_scale_most(int64_t scale);

/*
 * A coordinate on the scale as pixels of a side `size`: v * size / 1, 100 or
 * 1000.  Scale 0 leaves it.
 */
double medvl_scale_to_pixels(double v, int64_t scale, double size);

/*
 * The reverse, as it is written: to the nearest of its decimals, or for 999
 * down to the whole number; kept within 0 and the scale.  What was read from
 * a scale, with the decimals above, comes back the same, also when its
 * pixels were rounded to medvl_place_round in between.
 *
 * Source: floor(v / size * 1000), 0..999 are MedRegA's and Qwen-VL's boxes,
 * 1 decimal of 100 is Molmo's points, 3 decimals of 1 Shikra's boxes.
 */
double medvl_scale_from_pixels(double v, int64_t scale, double size);

/* A place in pixels as records hold it: the nearest 1/1000. */
double medvl_place_round(double v);

#endif
