/*
 * A DICOM data set as bytes in one form: Explicit VR Little Endian, every
 * length given.  The helper makes it of any DICOM file (decode.h), and
 * de-identified files are written in it.
 *
 * Read next: dicom.h.
 */
#ifndef MEDVL_IMAGE_DATASET_H
#define MEDVL_IMAGE_DATASET_H

#include <stdint.h>

#include "lib/base/text.h"

#define MEDVL_DATASET_ITEM 0xfffee000u

struct medvl_element {
    uint32_t tag; /* group in the upper 16 bits */
    char vr[3];   /* two capitals */
    struct medvl_span value;
};

/*
 * Take the next element off `left`, or off a sequence's value its next
 * item.  Returns 1, 0 at the end, or MEDVL_EFORMAT.
 */
int medvl_dataset_next(struct medvl_element *out, struct medvl_span *left,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_dataset_item(struct medvl_span *out, struct medvl_span *left,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* The element of that tag in `set` (not in its sequences).  False where it
 * is not, or stands behind damage. */
bool medvl_dataset_find(struct medvl_element *out, struct medvl_span set,
                        uint32_t tag);

/* Bytes of one binary value of the VR; 1 for text and bytes. */
size_t medvl_vr_bytes(const char *vr);

/* Is it a VR whose values are text? */
bool medvl_vr_is_text(const char *vr);

/*
 * Take the next of several values off text, trimmed of spaces and zero
 * bytes; `left->data` is NULL after the last.
 */
struct medvl_span medvl_dataset_word(struct medvl_span *left);

/* The number that a word is, or NAN. */
double medvl_word_number(struct medvl_span word);

/* Value `index` of a number's VR, binary or text; NAN where there is none. */
double medvl_element_number(const struct medvl_element *element,
                            size_t index);

/* Append an element, its value made even as its VR wants. */
int medvl_dataset_put(struct medvl_text *out, uint32_t tag, const char *vr,
                      struct medvl_span value,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append its head alone, for `size` bytes (even) to come. */
int medvl_dataset_head(struct medvl_text *out, uint32_t tag, const char *vr,
                       size_t size,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Put a head before what `out` has from `at` on: an element's, or where
 * `vr` is NULL an item's, whose tag is MEDVL_DATASET_ITEM.
 */
int medvl_dataset_wrap(struct medvl_text *out, size_t at, uint32_t tag,
                       const char *vr,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
