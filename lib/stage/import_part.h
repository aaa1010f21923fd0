/*
 * What the parts of import share: the run, the names of --names, and how a
 * record gets out.  Only lib/stage/import*.c include this.
 *
 * Read next: image.h.
 */
#ifndef MEDVL_STAGE_IMPORT_PART_H
#define MEDVL_STAGE_IMPORT_PART_H

#include <stdbool.h>

#include "lib/base/stream.h"
#include "lib/build/series.h"
#include "lib/data/record.h"
#include "lib/stage/import.h"

/* A line of --names.  Lines that say the same share `same`. */
struct medvl_import_name {
    int64_t id;
    struct medvl_span label;
    struct medvl_text pairs; /* ,"key":"value"... */
    size_t same;             /* the first name with equal label and pairs */
};

struct medvl_import {
    const struct medvl_import_options *options;
    struct medvl_writer *writer, *rejects;
    struct medvl_record record;
    struct medvl_text line, names_text;
    struct medvl_import_name *names; /* by rising id */
    size_t name_count, name_capacity;
    const char *author;
    int64_t rejected;
    struct medvl_want *slices, *regions; /* of volumes: was there any? */
    struct medvl_decoder *decoder;       /* of DICOM */
};

/* Can it be the name of a field: letters, digits, lines? */
bool medvl_import_is_key(struct medvl_span key);

/* Take the next word off the line; empty at its end. */
struct medvl_span medvl_import_next_word(struct medvl_span *line);

/* The file of --names, if one is given. */
int medvl_import_read_names(struct medvl_import *im,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* The lines of im->names_text; `path` is for errors. */
int medvl_import_parse_names(struct medvl_import *im, const char *path,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * As struct medvl_layout_job has them, `arg` being the import: write a
 * record; set an item aside or return its error.
 */
int medvl_import_put(void *arg, struct medvl_span json, const char *human,
                     struct medvl_error *err);
int medvl_import_set_aside(void *arg, struct medvl_error *err);

/* All volumes of the operands; one that is a series, as struct
 * medvl_series_job has it; and is --slices right? */
int medvl_import_volumes(struct medvl_import *im,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_import_series(void *arg, const struct medvl_series *series,
                        struct medvl_error *err);
int medvl_import_check_slices(const struct medvl_import_options *options,
                              struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
