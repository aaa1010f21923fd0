/*
 * Windows: how stored values of any range become 0..255.
 *
 * Read next: picture.h.
 */
#ifndef MEDVL_IMAGE_WINDOW_H
#define MEDVL_IMAGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

/*
 * How values become 0..255: a centre and a width in stored values, two
 * percentiles of the values that are not zero, or what the file itself says
 * (DICOM alone says something).
 */
struct medvl_window {
    bool given;
    bool percentile, file;
    double a, b; /* centre and width, or low and high percentile */
};

/*
 * Parse "C,W" (W above 0), "pLO,pHI" (0 <= LO < HI <= 100), "file", or the
 * name of a usual window of CT in Hounsfield units: brain (40,80), subdural
 * (75,215), bone (400,1800), lung (-600,1500), mediastinum (50,350),
 * abdomen (50,400), liver (30,150).
 */
int medvl_window_parse(struct medvl_window *out, const char *text,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The values that become 0 and 255.  A percentile p of n values is the
 * value at rank ceil(p / 100 * n), from 1, in rising order.
 *
 *   value   gives value number 0..count-1 of `from`, asked for percentiles
 *           only, each two to four times; zeros and what is not finite are
 *           passed over; without any other, the range is 0 to 1
 *
 * Percentiles take 1 MiB, whatever the count.
 */
int medvl_window_range(double *low, double *high,
                       const struct medvl_window *window,
                       double (*value)(const void *from, size_t index),
                       const void *from, size_t count,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* 0..255 for one value, rounded to nearest; not a number gives 0. */
uint8_t medvl_window_apply(double value, double low, double high);

#endif
