/*
 * Synthetic anomalies: a picture of what is normal becomes one of what is
 * not, with the mask of what was changed.
 *
 * Kinds, of which the first three are MediCLIP's; there a piece is cut from
 * other normal pictures, here from the same one:
 *
 *   cutpaste   a piece from another place of the content, turned by up to 45
 *              degrees
 *   gaussian   brighter or darker by up to 0.4..0.6 of full range, with a
 *              texture (random bits, blurred with 1/50 of the content's
 *              shorter side) and a soft edge
 *   source     the middle is blown up: the pixel at the share s of the way
 *              to the edge comes from s^f, f in 2^0.5..2^2
 *   sink       the edge is: it comes from 1 - (1 - s)^f
 *
 * The shape is an ellipse with a wavy edge, whose axes are 0.1..0.4 of the
 * content's width and height, turned by any angle.
 *
 * An anomaly has its middle and nine tenths of it on content (content.h),
 * and changes its pixels by 4 levels in the mean: after 16 tries that do
 * not, the best of them is taken.  What is off the content is not changed
 * and not in the mask.
 *
 * Source: Zhang et al. 2024, "MediCLIP: Adapting CLIP for few-shot medical
 * image anomaly detection"; the deformations are of Baugh et al. 2023, "Many
 * tasks make light work".
 *
 * Read next: ../text/unicode.h.
 */
#ifndef MEDVL_IMAGE_ANOMALY_H
#define MEDVL_IMAGE_ANOMALY_H

#include "lib/base/rng.h"
#include "lib/image/region.h"

#define MEDVL_ANOMALY_KINDS 4

struct medvl_anomaly {
    unsigned kinds; /* a bit each, in the order above; 0: none */
    double share;   /* of pictures that get one: 0..1 */
};

/* Parse "cutpaste,gaussian,source,sink:0.5": names, and a share or 1. */
int medvl_anomaly_parse(struct medvl_anomaly *out, const char *text,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The kind's name, 0 for cutpaste; a string that stays. */
const char *medvl_anomaly_name(int kind);

/*
 * Change the picture, of 8 bits, in one place.
 *
 *   mask    made of the picture's size; holds none
 *   kind    which of the kinds was drawn
 *   kinds   at least one
 *   rng     a stream of its own: how much is taken hangs on the picture
 *
 * MEDVL_EARG: 16 bits (they need a window), nothing but background, or so
 * even that no change is seen.  Then the picture is as it was.
 */
int medvl_anomaly_make(struct medvl_picture *picture,
                       struct medvl_mask *mask, int *kind, unsigned kinds,
                       struct medvl_rng *rng,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
