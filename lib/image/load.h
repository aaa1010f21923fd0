/*
 * Any picture file from its bytes: PNG and JPEG decoded here, all other
 * formats in the helper process (decode.h), which starts at the first such
 * file.  What comes out is a picture of 8 bits, upright, through its window.
 *
 * Read next: volume.h.
 */
#ifndef MEDVL_IMAGE_LOAD_H
#define MEDVL_IMAGE_LOAD_H

#include "lib/image/picture.h"

/* A zeroed struct asks for nothing. */
struct medvl_load_options {
    struct medvl_window window; /* of grey; DICOM's in the modality's values */
    double slope, intercept;    /* stored values of what is not DICOM to real
                                   ones, where the call says nothing; slope
                                   above 0, or 0: as they are */
    int64_t pixels;             /* limit; 0: MEDVL_PICTURE_PIXELS */
    int64_t cover[2];           /* see struct medvl_picture_options */
    const char *helper;         /* path of medvl-decode, see decode.h */
};

/* Not to be used by two threads at once. */
struct medvl_loader;

/* The options are copied, the helper's path is not. */
int medvl_loader_open(struct medvl_loader **out,
                      const struct medvl_load_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_loader_free(struct medvl_loader *loader);

/* Which picture of a file, and what its values mean. */
struct medvl_load_what {
    int64_t frame;           /* of DICOM, from 0 */
    double slope, intercept; /* above 0: in place of the options' */
};

/* Filled by a call; the caller releases the picture. */
struct medvl_loaded {
    struct medvl_picture picture;
    struct medvl_picture_file file; /* what it was before shrinking */
    double window[2]; /* centre and width applied; width 0: none */
};

/*
 * Decode a file's bytes.
 *
 *   what   NULL: the first frame
 *
 * MEDVL_EARG: grey of more than 8 bits without a window; a frame that is
 * not there; above the limit.  Else as medvl_picture_decode and
 * medvl_dicom_picture say.
 */
int medvl_loader_bytes(struct medvl_loaded *out, struct medvl_loader *loader,
                       struct medvl_span bytes,
                       const struct medvl_load_what *what,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
