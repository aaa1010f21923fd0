/*
 * What the files of dicom share.  Only lib/image/dicom*.c include this.
 *
 * Read next: dicom.c.
 */
#ifndef MEDVL_IMAGE_DICOM_PART_H
#define MEDVL_IMAGE_DICOM_PART_H

#include "lib/image/dicom.h"

/* Append the tags of a data set (dataset.h) that may be known, as JSON. */
int medvl_dicom_write_tags(struct medvl_text *out, struct medvl_span set,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Age as nnnD, nnnW, nnnM or nnnY. */
bool medvl_dicom_is_age(struct medvl_span text);

#endif
