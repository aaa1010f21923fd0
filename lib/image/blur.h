/*
 * Gaussian blur.
 *
 * Read next: coordinates.h.
 */
#ifndef MEDVL_IMAGE_BLUR_H
#define MEDVL_IMAGE_BLUR_H

#include "lib/image/picture.h"

#define MEDVL_BLUR_SIGMA 200 /* pixels, at most */

/*
 * Blur a picture of 8 bits in place, as a Gaussian does that is cut off at
 * three deviations; beyond the edge the edge goes on.
 *
 *   sigma   standard deviation in pixels, 0..MEDVL_BLUR_SIGMA; 0 leaves the
 *           picture as it is
 *
 * Down the columns, then along the rows, with weights that are whole 2^-14
 * and rounding to 8 bits after each: so within 1 of the exact sum, and the
 * same bytes everywhere.  Time grows with sigma; memory is that of 64
 * columns.  MEDVL_EARG: 16 bits (they need a window), sigma out of range.
 */
int medvl_picture_blur(struct medvl_picture *picture, double sigma,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
