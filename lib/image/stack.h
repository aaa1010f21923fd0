/*
 * A DICOM series as a volume: slices, in files of one frame or of many,
 * that lie parallel, one behind the other at equal distances.
 *
 * Nothing is put in where a slice is missing, and none is left out where
 * there are two: such a series is an error that says so.
 *
 * Read next: resize.h.
 */
#ifndef MEDVL_IMAGE_STACK_H
#define MEDVL_IMAGE_STACK_H

#include "lib/image/dicom.h"
#include "lib/image/volume.h"

/* How far a slice may be from its place in an even stack: the least of
 * these, in mm and of the distance of slices. */
#define MEDVL_STACK_MM    0.1
#define MEDVL_STACK_SHARE 0.1

/* Of a slice. */
#define MEDVL_STACK_PIXELS (1 << 24)

struct medvl_stack {
    struct medvl_volume volume;

    /* The values that the files' window makes 0 and 255; or why there is
     * none, else NULL. */
    double low, high;
    const char *no_window;
};

/*
 * Read a series.  Its volume lies in the axes of struct medvl_volume, which
 * are not DICOM's.  Stored values stay as they are where one slope and one
 * intercept hold for all; else (PET) they become floats, padding NaN.
 *
 *   paths   files of one series, in any order
 *
 * MEDVL_EARG: no stack, for the reason that err has, or over the limits of
 * a volume.  MEDVL_EUNSUPPORTED: colours.  Else as medvl_dicom_file.  Errors
 * name files and say nothing else of them that identifies.
 */
int medvl_stack_read(struct medvl_stack *out, struct medvl_decoder *decoder,
                     const char *const *paths, size_t count,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_stack_release(struct medvl_stack *stack);

#endif
