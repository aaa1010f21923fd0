/*
 * What the parts of importing a volume share: the volume, its labels, and
 * what slices of the axis at hand look like.  Only lib/stage/import_*.c
 * include this.
 *
 *   import_volume.c   volumes, their windows and grids, from files or series
 *   import_choose.c   which slices
 *   import_slice.c    a slice's picture and record
 *   import_label.c    the label volume, and the regions of a slice
 *
 * Read next: image.h.
 */
#ifndef MEDVL_STAGE_IMPORT_VOLUME_H
#define MEDVL_STAGE_IMPORT_VOLUME_H

#include "lib/build/series.h"
#include "lib/image/region.h"
#include "lib/image/volume.h"
#include "lib/stage/import_part.h"

/* What --slices says. */
enum medvl_choice_kind {
    MEDVL_CHOICE_RANGE,
    MEDVL_CHOICE_STEPS,    /* so many, at equal steps */
    MEDVL_CHOICE_LARGEST,  /* the one with most labelled pixels */
    MEDVL_CHOICE_LABELLED, /* those with a region */
};

struct medvl_choice {
    enum medvl_choice_kind kind;
    double ends[2];  /* first and last */
    bool percent[2]; /* of the slices, not a number */
    int64_t step;    /* of a range */
    int64_t count;   /* of steps */
};

/* Slices first, first + step ... up to last. */
struct medvl_chosen {
    int64_t first, last, step;
};

/* One volume and what is asked of it. */
struct medvl_cutting {
    struct medvl_import *im;
    const struct medvl_series *series; /* NULL: a NIfTI file */
    const char *path;                  /* the file, or what errors say */
    struct medvl_text stem;            /* of ids */
    char hash[33];                     /* of the files' bytes */
    struct medvl_volume volume, labels;
    double low, high; /* become 0 and 255 */
    struct medvl_choice choice;
    bool kept, labelled; /* a slice; a region of one */

    /* For the axis at hand. */
    const char *axis;
    struct medvl_slicing slicing;
    int64_t width, height; /* of a slice in canvas pixels, or as it is */
    int64_t side;          /* of the canvas; 0: none */
    int64_t x, y;          /* of the slice on it */
    double spacing[3];

    double *values;  /* of a slice */
    int32_t *groups; /* its voxels' names, from 1 */
    int32_t *placed; /* the same on the picture */
    int64_t *areas;  /* pixels of each name */
    struct medvl_mask mask;
    struct medvl_text json, name, region, counts_text;
};

/* ---- import_choose.c ---------------------------------------------------- */

int medvl_choice_parse(struct medvl_choice *out, const char *text,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_choice_make(struct medvl_chosen *out, struct medvl_cutting *c,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- import_slice.c ----------------------------------------------------- */

/* Pixels of a picture: of the canvas, or of the slice. */
int64_t medvl_cutting_width(const struct medvl_cutting *c);
int64_t medvl_cutting_height(const struct medvl_cutting *c);

/* The slices of the axis that is set. */
int medvl_cutting_run(struct medvl_cutting *c,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- import_label.c ----------------------------------------------------- */

/* The file of --labels, and the names of its numbers where none are given. */
int medvl_labels_read(struct medvl_cutting *c,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* The labels on the volume's grid. */
int medvl_labels_fit(struct medvl_cutting *c,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Find the regions of slice `index`.
 *
 *   area   pixels of those that are large enough; 0: no region
 */
int medvl_labels_find(int64_t *area, struct medvl_cutting *c, int64_t index,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put the regions that were found last as member "regions". */
int medvl_labels_put(struct medvl_cutting *c, struct medvl_json_writer *w,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
