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

/* The tag's first number; is it that text? */
double medvl_dicom_number(const struct medvl_dicom *dicom, int64_t frame,
                          const char *keyword, double otherwise);
bool medvl_dicom_says(const struct medvl_dicom *dicom, const char *keyword,
                      const char *text);
bool medvl_dicom_is_colour(const struct medvl_dicom *dicom);

/* ---- dicom_table.c ------------------------------------------------------ */

/* A table over whole numbers from `first` on; what lies outside is the end
 * that is nearer. */
struct medvl_dicom_table {
    uint16_t *items;
    size_t count;
    double first;
    int bits; /* of an item */
};
void medvl_dicom_table_release(struct medvl_dicom_table *table);

/* From a descriptor [count, first, bits] and its data. */
int medvl_dicom_table_read(struct medvl_dicom_table *out,
                           const struct medvl_json *descriptor,
                           const struct medvl_json *data,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same of segments, PS3.3 C.7.9.2: values as they are, lines between
 * two, and copies of segments before. */
int medvl_dicom_table_expand(struct medvl_dicom_table *out,
                             const struct medvl_json *descriptor,
                             const struct medvl_json *data,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/* The first item of a sequence of tables; items NULL where it is absent. */
int medvl_dicom_table_of(struct medvl_dicom_table *out,
                         const struct medvl_dicom *dicom,
                         const char *sequence,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
unsigned medvl_dicom_table_at(const struct medvl_dicom_table *table,
                              double value);

/* The value in an item's bits. */
double medvl_dicom_stored(const struct medvl_dicom_bits *bits, double value);

/* ---- a frame's `data` to a picture that is made -------------------------- */

int medvl_dicom_grey(struct medvl_picture *out, const struct medvl_dicom *d,
                     int64_t frame, const void *data,
                     const struct medvl_window *window, double used[2],
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_dicom_palette(struct medvl_picture *out,
                        const struct medvl_dicom *d, const void *data,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_dicom_colour(struct medvl_picture *out,
                       const struct medvl_dicom *d, const void *data,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
