/*
 * Augmentation: flips, a random shift, scale and rotation about the
 * picture's centre, blur, and random intensities.
 *
 * Read next: shape.h.
 */
#ifndef MEDVL_IMAGE_AUGMENT_H
#define MEDVL_IMAGE_AUGMENT_H

#include "lib/base/rng.h"
#include "lib/image/region.h"

/*
 * How far each may go.  A zeroed struct changes nothing.
 */
struct medvl_augment {
    double shift;      /* of width and height, either way: 0..1 */
    double scale[2];   /* factor, low and high; above 0; 0, 0 is 1 */
    double rotate;     /* degrees, either way: 0..180 */
    double contrast;   /* natural log of the factor, either way: 0..2 */
    double brightness; /* of full range, either way: 0..1 */
    double gamma;      /* natural log of the exponent, either way: 0..2 */
    double noise;      /* standard deviation, of full range: 0..1 */
    double hflip;      /* probability of left for right: 0..1 */
    double vflip;      /* probability of top for bottom: 0..1 */
    double blur;       /* largest deviation, pixels: 0..MEDVL_BLUR_SIGMA */
};

/*
 * Parse "shift=0.05,scale=0.05,rotate=5,contrast=0.15,brightness=0.1,
 * gamma=0.1,noise=0.01,hflip=0.5,vflip=0.5,blur=1", without spaces.
 * scale=S is 1-S..1+S, scale=LO..HI is that range.  Each name at most once,
 * at least one.
 */
int medvl_augment_parse(struct medvl_augment *out, const char *text,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * A map of the plane in pixels, where the first pixel spans 0..1:
 * x' = m[0] x + m[1] y + m[2],  y' = m[3] x + m[4] y + m[5].
 */
struct medvl_affine {
    double m[6];
};

/* What was drawn for one picture. */
struct medvl_draw {
    struct medvl_affine map;            /* old place to new place */
    double contrast, brightness, gamma; /* factor, sum, exponent */
    double noise;
    double blur; /* standard deviation in pixels */
};

/*
 * Draw for a picture of width x height.  Takes seven numbers from the stream
 * whatever is switched off, so that switching one off leaves the others as
 * they were; the blur's number comes from a place of its own, far on.
 */
void medvl_augment_draw(struct medvl_draw *out, struct medvl_rng *rng,
                        const struct medvl_augment *augment,
                        int64_t width, int64_t height);

/*
 * Flips are drawn apart: once for a record's copy, because all its pictures
 * and its text go together.  The two numbers come from a place of their own
 * too; rng stays as it is.
 */
struct medvl_flip {
    bool across, down; /* left for right, top for bottom */
};
struct medvl_flip medvl_augment_flip(const struct medvl_rng *rng,
                                     const struct medvl_augment *augment);

/* Have the flip come before what was drawn for a picture of this size. */
void medvl_draw_flip(struct medvl_draw *draw, struct medvl_flip flip,
                     int64_t width, int64_t height);

/*
 * Apply: out(x') = in(x), bilinear, and where the map only flips the very
 * pixels; what comes from outside has the colour.  Then the blur, and for
 * each sample v in 0..1: v^gamma, (v - 0.5) * contrast +
 * 0.5 + brightness, plus noise, cut to 0..1 and rounded to 0..255.  One
 * noise value a pixel, the same for its channels, nearly normal (the sum of
 * four bytes).
 *
 *   out     holds no picture; the size of `in`, which has 8 bits
 *   rng     the stream the draw came from: noise goes on from there
 *   color   a grey picture takes its first value
 */
int medvl_augment_apply(struct medvl_picture *out,
                        const struct medvl_picture *in,
                        const struct medvl_draw *draw, struct medvl_rng *rng,
                        const uint8_t color[3],
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* Is it the identity? */
bool medvl_affine_is_identity(const struct medvl_affine *map);

/* a after b: the map of b, then that of a. */
struct medvl_affine medvl_affine_after(const struct medvl_affine *a,
                                       const struct medvl_affine *b);

/* The upright box around the mapped box. */
struct medvl_box medvl_affine_box(const struct medvl_affine *map,
                                  struct medvl_box box);

#endif
