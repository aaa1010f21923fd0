/*
 * The list of what is kept, which a reader can check against PS3.15 table
 * E.1-1 without reading any code.  Only lib/image/deidentify*.c include this.
 *
 * Read next: deidentify_keep.c.
 */
#ifndef MEDVL_IMAGE_DEIDENTIFY_PART_H
#define MEDVL_IMAGE_DEIDENTIFY_PART_H

#include <stddef.h>
#include <stdint.h>

#include "lib/image/deidentify.h"

enum medvl_keep_what {
    MEDVL_KEEP_NUMBER,  /* numbers within a limit; else dropped */
    MEDVL_KEEP_NEEDED,  /* the same; else the file is refused */
    MEDVL_KEEP_CODE,    /* words of the standard; others are emptied */
    MEDVL_KEEP_WORDS,   /* a table's items */
    MEDVL_KEEP_PALETTE, /* of a palette that the picture needs */
    MEDVL_KEEP_POINTER, /* tags of standard attributes */
    MEDVL_KEEP_UID,     /* replaced under the key */
    MEDVL_KEEP_EMPTY,   /* present and empty, always */
    MEDVL_KEEP_EMPTIED, /* empty where the file has it */
    MEDVL_KEEP_MADE,    /* what deidentify_made.c writes */
    MEDVL_KEEP_ITEMS,   /* a sequence, of whose items `items` is kept */
    MEDVL_KEEP_TABLE,   /* the same, of the first item alone, a table */
};

struct medvl_keep {
    uint32_t tag;
    enum medvl_keep_what what;
    char vr[5];   /* one, or two of which the file has one */
    int most;     /* values */
    double limit; /* of a number: 0, or from 1e-9 to this, and negative */
    const struct medvl_keep *items;
    size_t count;
};

/* By rising tag, as a data set is. */
extern const struct medvl_keep *const medvl_keep_all;
extern const size_t medvl_keep_count;

/* In deidentify_table.c: is the item a whole table that only rises or only
 * falls?  Does the picture need its palettes? */
bool medvl_keep_is_grey(struct medvl_span set);
bool medvl_keep_wants_palettes(const struct medvl_dicom *dicom);

/* MEDVL_EUNSUPPORTED, MEDVL_EFORMAT: a table is needed and cannot be kept. */
int medvl_keep_check_tables(const struct medvl_dicom *dicom,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* In deidentify_made.c: the element of a line MADE. */
int medvl_keep_make(struct medvl_text *out,
                    const struct medvl_deidentify *job,
                    const struct medvl_keep *keep,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* The file's own group, 0002. */
int medvl_keep_make_meta(struct medvl_text *out,
                         const struct medvl_deidentify *job,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* "2.25." and a number of 128 bits. */
#define MEDVL_KEEP_UID_SIZE 64
void medvl_keep_uid(char out[MEDVL_KEEP_UID_SIZE],
                    const struct medvl_secret *secret,
                    struct medvl_span uid);

#endif
