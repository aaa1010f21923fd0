/*
 * Scales of coordinates.
 *
 * Read next: region.c.
 */
#include "lib/image/coordinates.h"

#include <math.h>

bool medvl_scale_is(int64_t scale)
{
    return scale == 1 || scale == 100 || scale == 999;
}

/* What the whole side is. */
static double whole(int64_t scale)
{
    return scale == 999 ? 1000 : (double)scale;
}

double medvl_scale_most(int64_t scale)
{
    return whole(scale);
}

double medvl_scale_to_pixels(double v, int64_t scale, double size)
{
    return medvl_scale_is(scale) ? v * size / whole(scale) : v;
}

double medvl_scale_from_pixels(double v, int64_t scale, double size)
{
    double out;

    if (!medvl_scale_is(scale))
        return v;
    /*
     * Pixels are thousandths, so a quotient that is not whole is at least
     * 1 / 65535 off: 1e-6 mends what doubles lose and nothing else.
     */
    if (scale == 999)
        out = floor(v * 1000 / size + 1e-6);
    else
        out = floor(v * 1000 / size + 0.5) * whole(scale) / 1000;
    return out < 0 ? 0 : out > (double)scale ? (double)scale
                                             : out;
}

double medvl_place_round(double v)
{
    return floor(v * 1000 + 0.5) / 1000;
}
