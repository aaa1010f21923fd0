/*
 * What the two files of the loader share.  Only lib/image/load*.c include
 * this.
 *
 * Read next: load.c.
 */
#ifndef MEDVL_IMAGE_LOAD_PART_H
#define MEDVL_IMAGE_LOAD_PART_H

#include <stdbool.h>

#include "lib/image/decode.h"
#include "lib/image/dicom.h"
#include "lib/image/load.h"

struct medvl_load {
    struct medvl_load_options options;
    struct medvl_decoder *decoder; /* from the first file that needs it */
    char hash[33];                 /* of the file that it has open; or "" */
    struct medvl_dicom file;       /* that file; tags: of DICOM alone */
};

/*
 * Have the file open in the helper; 1 where it is from the last call, by
 * its hash.
 */
int medvl_load_file(struct medvl_load *loader, enum medvl_format format,
                    struct medvl_span bytes,
                    const struct medvl_load_what *what,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* The next file is another, whatever its hash. */
void medvl_load_forget(struct medvl_load *loader);

/*
 * Does the helper read these bytes, and as what?  0 where PNG and JPEG are
 * read here, 1 where it does; MEDVL_EFORMAT for all other bytes.
 */
int medvl_load_format(enum medvl_format *out, struct medvl_span bytes,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * A frame of TIFF, WebP or BMP through a window of its stored values;
 * out->picture and out->window are filled.
 */
int medvl_load_decoded(struct medvl_loaded *out, struct medvl_load *loader,
                       enum medvl_format format, struct medvl_span bytes,
                       const struct medvl_load_what *what,
                       const struct medvl_window *window,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
