/*
 * De-identified DICOM files: PS3.15 annex E, Basic Application Level
 * Confidentiality Profile, as a list of what is kept (deidentify_keep.c).
 *
 * A new file is made of the kept elements; of the old one nothing is copied
 * that is not on the list and of the form the list wants: numbers within
 * limits, words of the standard, tables that do not look like text.  UIDs and
 * the patient become pseudonyms under the key; dates, times, names and free
 * text go, and with them private elements, overlays and curves.  Pixels are
 * decoded and written as they are stored, without the bits beside them.
 * Words that are burned into the picture stay.
 *
 * Read next: load.h.
 */
#ifndef MEDVL_IMAGE_DEIDENTIFY_H
#define MEDVL_IMAGE_DEIDENTIFY_H

#include "lib/base/secret.h"
#include "lib/image/dicom.h"

struct medvl_deidentify {
    const struct medvl_dicom *dicom;
    struct medvl_decoder *decoder; /* has that file open */
    const struct medvl_secret *secret;
    const char *fallback; /* in the place of UIDs that are missing */
};

/*
 * Write the file to `path`, whole or not at all: Explicit VR Little Endian.
 *
 *   hash   of its bytes, as medvl_hash_hex
 *
 * MEDVL_EUNSUPPORTED: no class of pictures of the standard, a colour space
 * that is not read, 4 GiB of pixels or more; a modality table, a rescaling
 * or palettes that are needed and cannot be kept (MEDVL_EFORMAT: damaged).
 */
int medvl_deidentify_write(char hash[33], const char *path,
                           const struct medvl_deidentify *job,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append all of it that stands before the pixels. */
int medvl_deidentify_header(struct medvl_text *out,
                            const struct medvl_deidentify *job,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
