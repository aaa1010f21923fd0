/*
 * What medvl-decode serves: one open file at a time, of one of these
 * readers.
 *
 * Read next: decode_nifti.c, decode_dicom.cc, decode_picture.c.
 */
#ifndef MEDVL_CMD_DECODE_H
#define MEDVL_CMD_DECODE_H

#include "lib/image/decode.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A reader of one format.  Functions return MEDVL_OK or fill `err`; they
 * bound what they allocate by MEDVL_DECODE_BYTES and log nothing.
 */
struct decode_reader {
    /*
     * Open a file by `path`, or by `contents` where path is NULL, and fill
     * the answer: everything but magic, status and bytes.
     *
     *   tags   appended to: see struct medvl_decoded, or nothing
     */
    int (*open)(void **file, struct medvl_decode_answer *answer,
                struct medvl_text *tags, const char *path,
                const void *contents, size_t size, struct medvl_error *err);

    /* Frame `index`, which is in range, into `bytes` bytes that are 0. */
    int (*frame)(void *file, void *out, size_t bytes, int64_t index,
                 struct medvl_error *err);
    void (*close)(void *file);

    /*
     * Turn to frame `index`, which is in range, and fill size, type,
     * orientation and inverse of the answer; NULL where all frames are
     * alike.
     */
    int (*turn)(void *file, struct medvl_decode_answer *answer,
                int64_t index, struct medvl_error *err);
};

extern const struct decode_reader decode_nifti, decode_dicom, decode_tiff,
    decode_webp, decode_bmp;

/*
 * Fill the answer for frames of TIFF, WebP and BMP: orientation 1, not
 * inverse.  MEDVL_EFORMAT, MEDVL_EARG: no pixels, or above a limit of
 * picture.h or MEDVL_DECODE_BYTES.
 */
int decode_picture_shape(struct medvl_decode_answer *answer, int64_t frames,
                         int64_t width, int64_t height, int samples,
                         enum medvl_voxel type, struct medvl_error *err);

#ifdef __cplusplus
}
#endif

#endif
