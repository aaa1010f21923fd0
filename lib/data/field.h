/*
 * Fields of a record by path, one or several: what --by takes.
 *
 * A path is names with dots between and indices in brackets:
 * "kind", "source.name", "images[0].modality".
 *
 * Read next: shard_mds.h.
 */
#ifndef MEDVL_DATA_FIELD_H
#define MEDVL_DATA_FIELD_H

#include "lib/data/record.h"

#define MEDVL_FIELD_STEPS 16 /* names and indices in a path */
#define MEDVL_FIELD_PATHS 16 /* in a list */

/* One path, cut into steps.  Valid when zeroed. */
struct medvl_field {
    struct medvl_text name; /* as given */
    struct medvl_text text; /* owns the names in steps */
    struct medvl_field_step {
        const char *name; /* NULL: an index */
        size_t index;
    } steps[MEDVL_FIELD_STEPS];
    int count;
};

/* MEDVL_EARG for what is no path, or goes too deep. */
int medvl_field_parse(struct medvl_field *field, struct medvl_span path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_field_release(struct medvl_field *field);

/* May the byte stand in a name: a letter, a digit, "_" or "-"? */
bool medvl_field_byte(char c);

/* Where the path at the start of `text` ends; `text` itself if none does. */
const char *medvl_field_end(const char *text);

/* The field's JSON, or {NULL, 0} where there is none.  `view` is scratch of
 * one thread; a parsed field may be shared. */
int medvl_field_get(struct medvl_span *out, const struct medvl_field *field,
                    const struct medvl_record *record,
                    struct medvl_json_view *view,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* A list of paths.  Valid when zeroed (an empty list). */
struct medvl_fields {
    struct medvl_field items[MEDVL_FIELD_PATHS];
    int count;
    struct medvl_json_view view; /* scratch */
};

/*
 * Parse paths with commas between.  MEDVL_EARG for what is no path, and for
 * too many or too deep ones.  NULL is the empty list.
 */
int medvl_fields_parse(struct medvl_fields *fields, const char *list,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_fields_release(struct medvl_fields *fields);

/* The n-th field's JSON in the record, or {NULL, 0} where there is none. */
int medvl_fields_get(struct medvl_span *out, struct medvl_fields *fields,
                     int n, const struct medvl_record *record,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append {"PATH":value,...} of all fields, null where there is none: equal
 * bytes for records that agree in all of them.
 */
int medvl_fields_write(struct medvl_text *out, struct medvl_fields *fields,
                       const struct medvl_record *record,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
