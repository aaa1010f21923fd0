/*
 * Any picture file from its bytes: PNG and JPEG decoded here, all other
 * formats in the helper process (decode.h), which starts at the first such
 * file.  What comes out is a picture of 8 bits, upright, through its window.
 *
 * Read next: volume.h.
 */
#ifndef MEDVL_IMAGE_LOAD_H
#define MEDVL_IMAGE_LOAD_H

#include "lib/image/decode.h"
#include "lib/image/picture.h"

/* A zeroed struct asks for nothing. */
struct medvl_load_options {
    struct medvl_window window; /* of grey; DICOM's in the modality's values */
    double slope, intercept;    /* stored values of what is not DICOM to real
                                   ones, where the call says nothing; slope
                                   above 0, or 0: as they are */
    int64_t pixels;             /* limit; 0: MEDVL_PICTURE_PIXELS */
    int64_t cover[2];           /* see struct medvl_picture_options */
    bool overlays;              /* burn in those of DICOM */
    const char *helper;         /* path of medvl-decode, see decode.h */
};

/* Not to be used by two threads at once. */
struct medvl_load;

/* The options are copied, the helper's path is not. */
int medvl_load_open(struct medvl_load **out,
                    const struct medvl_load_options *options,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_load_free(struct medvl_load *load);

/* Which picture of a file, and what its values mean. */
struct medvl_load_what {
    int64_t frame;           /* of the file, from 0 */
    double slope, intercept; /* above 0: in place of the options' */

    /* XXH3-128 of the file's bytes (hash.h), or NULL: frames of one file,
     * asked for one after another, then cost one opening of it. */
    const char *hash;

    /* Where the bytes are from, or NULL: of a large DICOM file the helper
     * reads from there what it needs, and the bytes are not sent. */
    const char *path;
};

/* Filled by a call; the caller releases the picture. */
struct medvl_loaded {
    struct medvl_picture picture;
    struct medvl_picture_file file; /* what it was before shrinking */
    double window[2];               /* centre and width applied; 0: none */
};

/*
 * Decode a file's bytes.
 *
 *   what   NULL: the first frame
 *
 * Frames are those of DICOM, the pages of TIFF, and an animated WebP's
 * canvas at each of its moments.  Where the least value of a TIFF is white,
 * more than 8 bits go through the window first, as DICOM's do.
 *
 * MEDVL_EARG: grey of more than 8 bits without a window; a frame that is
 * not there; above the limit.  Else as medvl_picture_decode,
 * medvl_dicom_picture and medvl_decoder_bytes say.
 */
int medvl_load_bytes(struct medvl_loaded *out, struct medvl_load *load,
                     struct medvl_span bytes,
                     const struct medvl_load_what *what,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* A file's frames, and one of them. */
struct medvl_load_shape {
    int64_t frames;
    int64_t width, height; /* upright */
    int channels;          /* 0: not known (PNG, JPEG by their headers) */
    enum medvl_voxel type; /* as it is stored, before any window */
};

/* The first frame's shape, from the headers alone. */
int medvl_load_probe(struct medvl_load_shape *out, struct medvl_load *load,
                     struct medvl_span bytes,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* Then another frame's, where the shape that is filled has several. */
int medvl_load_probe_frame(struct medvl_load_shape *out,
                           struct medvl_load *load, int64_t frame,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Decode every frame of a file and forget it: is it whole?  MEDVL_EARG also
 * where all frames together have more than 2^32 pixels.
 */
int medvl_load_check(struct medvl_load_shape *out,
                     struct medvl_load *load, struct medvl_span bytes,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
