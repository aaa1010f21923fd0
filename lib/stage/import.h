/*
 * Data sets and volumes become records.  medvl-import(1) is its command.
 *
 * Read next: image.h.
 */
#ifndef MEDVL_STAGE_IMPORT_H
#define MEDVL_STAGE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/want.h"

/* Text options are NULL, and numbers 0, for what the page calls default. */
struct medvl_import_options {
    const char *layout; /* see lib/build/layout.h, or "nifti", "dicom",
                           "dicom-volumes" */
    const char *const *paths;
    int path_count;
    const char *out;    /* folder for pictures that are made */
    const char *root;   /* paths in records are below it */
    const char *images; /* folder of the set's pictures */
    const char *names;  /* file of lines "id label [key=value ...]" */
    const char *split, *source, *license, *group, *modality, *body_part;
    const char *const *set; /* "key=value": text fields for every record */
    int set_count;

    /* Volumes. */
    const char *labels;      /* a label volume of the same patient */
    const char *author;      /* of the labels (human) */
    const char *axis;        /* axial (default), coronal, sagittal, all */
    const char *convention;  /* neurological, radiological; NULL: NIfTI and
                                DICOM have their own */
    const char *window;      /* "C,W" or "pLO,pHI" */
    double canvas;           /* mm; 0: the slice as it is */
    const char *slices;      /* "FIRST-LAST:STEP" and more */
    double resample;         /* mm of cubes; 0: the grid as it is */
    struct medvl_pool *pool; /* for other grids; or NULL */
    double content;          /* least share of pixels that are not zero */
    int64_t area;            /* least pixels of a region (1) */
    const char *helper;      /* medvl-decode; NULL: as medvl_volume_read */
    int64_t seconds;         /* limit on reading a volume (120) */

    /* DICOM: lib/build/series.h. */
    const char *key; /* file; needed */
    const char *ask; /* "modality,view,..." */
    bool deidentify; /* write files without what identifies into `out` */

    const char *output; /* "-" or NULL: standard output */
    bool keep_going;
    const char *rejects; /* what was set aside, as {"error"} lines */
    const char *hash;    /* of the options, for provenance; or NULL */

    /* Each problem that is set aside, as one line of text; may be NULL. */
    void (*report)(void *arg, const char *text);
    void *arg;

    struct medvl_wants *wants; /* of slices and regions; or NULL */
};

/* Are the options right?  MEDVL_EARG says what is not. */
int medvl_import_check(const struct medvl_import_options *options,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Write the records.  Returns MEDVL_OK, 1 when items were set aside, or an
 * error; nothing of a named output is left then.
 */
int medvl_import(const struct medvl_import_options *options,
                 struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
