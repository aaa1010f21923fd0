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
#include "lib/image/load.h"

struct medvl_load {
    struct medvl_load_options options;
    struct medvl_decoder *decoder; /* from the first file that needs it */
};

/* Start the helper if there is none yet. */
int medvl_load_helper(struct medvl_load *loader,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

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
                       int64_t frame, const struct medvl_window *window,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
