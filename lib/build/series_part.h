/*
 * What the parts of series share: a slice, as all that a record needs to
 * know of a file.  Only lib/build/series*.c include this.
 *
 * Read next: ../stage/loop.h.
 */
#ifndef MEDVL_BUILD_SERIES_PART_H
#define MEDVL_BUILD_SERIES_PART_H

#include "lib/build/series.h"

enum medvl_burned {
    MEDVL_BURNED_NO,
    MEDVL_BURNED_MAYBE,
    MEDVL_BURNED_YES,
};

/* What a record needs to know of a file. */
struct medvl_slice {
    char *path;
    char patient[33], study[33], series[33], hash[33];
    int64_t frames, width, height;
    double series_number, instance_number;
    double normal[3], position; /* position NAN: not known */
    double spacing[2];
    const char *modality, *plane;
    char orientation[3]; /* as struct medvl_slicing has it; "": not known */
    char view[17], laterality[17], body_part[17];
    enum medvl_burned burned;
};

/* Where a picture stands. */
struct medvl_slice_place {
    int64_t number;  /* in the series, from 0 */
    int64_t frame;   /* -1: the file has one */
    bool stack;      /* slices one behind the other */
    double distance; /* of them, or 0 */
};

/* What the file says, all of it free of what identifies; not the path. */
void medvl_slice_fill(struct medvl_slice *slice,
                      const struct medvl_secret *secret,
                      const struct medvl_dicom *dicom);

/* The records of one picture; `json` is room to write in. */
int medvl_slice_put(const struct medvl_series_job *job,
                    const struct medvl_slice *slice,
                    const struct medvl_slice_place *at,
                    struct medvl_text *json,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
