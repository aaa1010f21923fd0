/*
 * DICOM files to records: studies and series found, slices put in order,
 * and of the tags only what may be known.
 *
 * A record has: "id" (the series' pseudonym and the place in it), "images"
 * with one picture ("path", "frame" where there are several, "width",
 * "height", "modality", "body_part", "slice" and "axis" and "position" of
 * slices, "spacing", "window", "hash"), "modality" in words, "plane",
 * "view", "laterality", "body_part" where the tags say them; "series",
 * "study" and "group" (the patient) as pseudonyms.  Nothing else of a file
 * gets into a record, an error or a log but its path.
 *
 * Read next: series_part.h.
 */
#ifndef MEDVL_BUILD_SERIES_H
#define MEDVL_BUILD_SERIES_H

#include <stdbool.h>

#include "lib/base/secret.h"
#include "lib/build/layout.h"
#include "lib/image/dicom.h"

/* What a question can be about: fields above that short answers fit. */
#define MEDVL_SERIES_ASK "modality,plane,view,laterality,body_part"

/*
 * The files of a series, in the order of their instance numbers, and what
 * records say; NULL where files do not say it, or not the same.
 */
struct medvl_series {
    const char *const *paths;
    size_t count;
    size_t number, all; /* of the series found; from 0 */
    char hash[33];      /* of the files' hashes, in order */
    const char *modality, *view, *laterality, *body_part;
    const char *series, *study, *group; /* pseudonyms */
    const char *burned_in;              /* "yes", "maybe", or NULL */
};

struct medvl_series_job {
    const char *const *paths; /* files, and folders with all below them */
    int path_count;
    const struct medvl_secret *secret;
    struct medvl_decoder *decoder;

    /*
     * Names out of MEDVL_SERIES_ASK with commas between: one record for
     * each that a picture has, with "question" and "answer" and
     * "answer_type", id "ID?NAME"; NULL: one record a picture.
     */
    const char *ask;

    /*
     * A folder: write each file there de-identified (deidentify.h), under a
     * name that says nothing, and let its record name that; or NULL.
     */
    const char *deidentify;

    const struct medvl_layout_job *layout; /* root, source ..., put, bad */

    /*
     * Called for each series, in place of records of its pictures; what it
     * returns below 0 ends the reading.  NULL: records.
     */
    int (*whole)(void *arg, const struct medvl_series *series,
                 struct medvl_error *err);

    /*
     * Called for a picture in which words may be burned: the header says
     * so, or says what is neither yes nor no, or it is of a kind that often
     * has them (ultrasound, secondary capture, photographs and films of
     * endoscopes) and the header does not say no.  May be NULL.
     */
    void (*burned)(void *arg, const char *path, bool says);
};

/* MEDVL_EARG for a name that is not among MEDVL_SERIES_ASK. */
int medvl_series_check_ask(const char *ask,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Read all files, then give the records: by study, series number, series,
 * and in a series by position, where all slices lie parallel, else by
 * instance number.
 *
 *   passed   files in folders that are not DICOM
 *
 * A file that is damaged goes to layout->bad; one without pixels too, what
 * is no regular file, and a folder that cannot be read or is over 64 deep.
 * A folder that several paths or links lead to is read once.
 */
int medvl_series_read(int64_t *passed, const struct medvl_series_job *job,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
