/*
 * Formats that foreign libraries parse: NIfTI, DICOM, TIFF, WebP and BMP, in
 * the helper program medvl-decode.
 *
 * The helper is a process of its own with limits on memory and time, so a
 * hostile file ends that process and is an error here.  A decoder is one
 * helper that stays for many files; after a crash, a time-out or nonsense
 * the next file starts another.  One thread at a time uses a decoder.
 *
 * Read next: dataset.h.
 */
#ifndef MEDVL_IMAGE_DECODE_H
#define MEDVL_IMAGE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/text.h"

enum medvl_voxel {
    MEDVL_VOXEL_U8,
    MEDVL_VOXEL_I8,
    MEDVL_VOXEL_U16,
    MEDVL_VOXEL_I16,
    MEDVL_VOXEL_U32,
    MEDVL_VOXEL_I32,
    MEDVL_VOXEL_F32,
    MEDVL_VOXEL_F64,
};
size_t medvl_voxel_bytes(enum medvl_voxel type);

/* The value of item `at`. */
double medvl_voxel_value(const void *data, enum medvl_voxel type, size_t at);

/* Of one frame, as it is stored. */
#define MEDVL_DECODE_BYTES ((int64_t)3 << 27)

enum medvl_format {
    MEDVL_FORMAT_NIFTI, /* one frame: the volume */
    MEDVL_FORMAT_DICOM,
    MEDVL_FORMAT_TIFF, /* a frame is a page */
    MEDVL_FORMAT_WEBP,
    MEDVL_FORMAT_BMP,
};

/*
 * What an open file holds.  Items of a frame are in the machine's byte
 * order, the first index runs fastest: voxels of a volume; samples, columns
 * and rows (from the top) of the others.  A frame of TIFF, WebP and BMP is
 * RGB or grey of 8 bits without a sign, or grey of another type.
 */
struct medvl_decoded {
    int64_t frames; /* 0: a DICOM file without pixels */
    int64_t size[3];
    enum medvl_voxel type;
    size_t bytes; /* of a frame */

    /* NIfTI: see struct medvl_volume. */
    double spacing[3], affine[3][4];
    double slope, offset;

    /* TIFF, WebP, BMP: what is still to be done. */
    int orientation; /* 1..8, see medvl_picture_turn */
    bool inverse;    /* grey of other types: the least value is white */

    /* DICOM: the data set without its pixels and without private elements,
     * in the form of dataset.h, the transfer syntax in front.  Stays until
     * the decoder's next file. */
    struct medvl_span tags;
};

struct medvl_decoder;

/*
 *   program   path of medvl-decode; NULL: ../libexec as seen from this
 *             program, then where it was installed
 *   seconds   limit on one answer; 0: 120
 *
 * Nothing starts before the first file.
 */
int medvl_decoder_open(struct medvl_decoder **out, const char *program,
                       int seconds, struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_decoder_free(struct medvl_decoder *decoder);

/*
 * Open a file by its path, or a DICOM file by its bytes; the file before it
 * is closed.  Errors name the path.
 *
 * MEDVL_EFORMAT: not of this format, or damaged.  MEDVL_EARG: over a limit.
 * MEDVL_EUNSUPPORTED: a kind that is not read.  MEDVL_EIO: no such file;
 * the helper did not start, crashed or ran out of its limits.
 */
int medvl_decoder_file(struct medvl_decoded *out,
                       struct medvl_decoder *decoder,
                       enum medvl_format format, const char *path,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_decoder_bytes(struct medvl_decoded *out,
                        struct medvl_decoder *decoder,
                        enum medvl_format format, struct medvl_span bytes,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Turn to frame `index`, from 0, where frames differ (TIFF): fills size,
 * type, bytes, orientation and inverse, and that frame alone can be read
 * then.  Frame 0 is open at first.  An error closes the file.
 */
int medvl_decoder_turn(struct medvl_decoded *out,
                       struct medvl_decoder *decoder, int64_t index,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Frame `index`, from 0, of the open file into its `bytes` bytes. */
int medvl_decoder_frame(void *out, struct medvl_decoder *decoder,
                        int64_t index,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- what goes through the pipe --------------------------------------- */

/*
 * On one stream socket, which is the helper's standard input and output.  A
 * question is this header and `bytes` bytes: a path or a file's contents.
 */
#define MEDVL_DECODE_MAGIC 0x33444c564454ull

enum medvl_decode_ask {
    MEDVL_DECODE_FILE,
    MEDVL_DECODE_CONTENTS,
    MEDVL_DECODE_TURN,
    MEDVL_DECODE_FRAME,
};

struct medvl_decode_question {
    uint64_t magic;
    int32_t ask, format; /* enum medvl_decode_ask, medvl_format */
    int64_t index;       /* of a frame: turn, frame */
    uint64_t bytes;
};

/*
 * An answer is this header and `bytes` bytes: the tags, the frame, or when
 * `status` is below 0 the error's text.
 */
struct medvl_decode_answer {
    uint64_t magic;
    int32_t status, type; /* enum medvl_status, medvl_voxel */
    int64_t frames, size[3];
    double spacing[3], affine[3][4];
    double slope, offset;
    int32_t orientation, inverse; /* orientation 0: 1 */
    uint64_t bytes;
};

#endif
