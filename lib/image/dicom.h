/*
 * DICOM images: what a file says of itself, and its frames as pictures.
 *
 * A stored value becomes a grey in the order of PS3.3: the bits that are
 * stored, the modality's rescaling or table, the window or VOI table,
 * inversion where black means much (MONOCHROME1).  Colours become RGB.
 *
 * Read next: deidentify.h.
 */
#ifndef MEDVL_IMAGE_DICOM_H
#define MEDVL_IMAGE_DICOM_H

#include <stdbool.h>

#include "lib/base/json.h"
#include "lib/image/decode.h"
#include "lib/image/picture.h"

/*
 * `tags` holds what may be known of the data set, keyword -> value: numbers
 * for IS, DS and binary values, else strings; arrays of several.  Only coded
 * values are among them (null where it is none), never free text, names,
 * dates or places; UIDs and PatientID are there for grouping and must not
 * leave as they are.  "shared" and "frames" hold the functional groups of
 * enhanced images.
 */
struct medvl_dicom {
    struct medvl_decoded file; /* size: samples, columns, rows */
    struct medvl_json *tags;
};

/* Has it the mark of a DICOM file; has its name an end of DICOM's? */
bool medvl_dicom_is(const void *data, size_t size);
bool medvl_dicom_is_name(const char *path);

/*
 * Is it a coded value of the standard: 16 bytes at most, all of whose words
 * are known?  Nothing is one too.
 */
bool medvl_dicom_is_code(struct medvl_span text);

/* Is it the UID of one of the standard's classes of pictures? */
bool medvl_dicom_is_class(struct medvl_span uid);

/* As medvl_decoder_file and _bytes; the decoder holds the pixels. */
int medvl_dicom_file(struct medvl_dicom *out, struct medvl_decoder *decoder,
                     const char *path,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_dicom_bytes(struct medvl_dicom *out, struct medvl_decoder *decoder,
                      struct medvl_span bytes,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_dicom_release(struct medvl_dicom *dicom);

/* A tag as the frame has it: its own, the shared, the file's; or NULL. */
const struct medvl_json *medvl_dicom_tag(const struct medvl_dicom *dicom,
                                         int64_t frame, const char *keyword);

/*
 * Put the file's own tags as members, without those that identify; of
 * tables and functional groups it is only said that they are there.
 */
void medvl_dicom_put_tags(struct medvl_json_writer *w,
                          const struct medvl_dicom *dicom);

/*
 * Frame `frame` of the file that the decoder has open, 8 bits: grey, or RGB
 * for colours and palettes.
 *
 *   window   of grey: in the modality's values (Hounsfield units of CT);
 *            percentiles pass over the padding value; MEDVL_WINDOW_FILE is
 *            the file's first window, or its VOI table where it has none
 *   used     centre and width that were applied; {0, 0} for none or a
 *            table; may be NULL
 *
 * MEDVL_EARG: grey of more than 8 bits, or rescaled, without a window; a
 * file without the window that is asked for; above `pixels` (0:
 * MEDVL_PICTURE_PIXELS).  MEDVL_EUNSUPPORTED: a colour space that is not
 * read.
 */
int medvl_dicom_picture(struct medvl_picture *out,
                        const struct medvl_dicom *dicom,
                        struct medvl_decoder *decoder, int64_t frame,
                        const struct medvl_window *window, int64_t pixels,
                        double used[2],
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Burn the overlays of frame `frame` into its picture, as white, those
 * outside it left out.  A file that has none changes nothing.
 *
 *   picture   as medvl_dicom_picture made it: neither resized nor turned
 *
 * MEDVL_EFORMAT: an overlay that lies about its size or its bits.
 */
int medvl_dicom_overlays(struct medvl_picture *picture,
                         const struct medvl_dicom *dicom,
                         struct medvl_decoder *decoder, int64_t frame,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Which bits of an item are the stored value: `bits` of them from `shift`
 * on, with the sign in the highest; bits 0: it is a fraction. */
struct medvl_dicom_bits {
    int bits, shift;
    bool sign;
};
struct medvl_dicom_bits medvl_dicom_bits(const struct medvl_dicom *dicom);

/*
 * Give the stored value of each pixel of a frame of grey, rows from the top;
 * where there is a modality table (ModalityLUTSequence) what it makes of it.
 * Padding is NaN.
 *
 * MEDVL_EUNSUPPORTED: colours.
 */
int medvl_dicom_values(const struct medvl_dicom *dicom,
                       struct medvl_decoder *decoder, int64_t frame,
                       void (*put)(void *arg, size_t pixel, double value),
                       void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
