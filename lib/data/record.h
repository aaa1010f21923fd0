/*
 * A record: one JSON object a line.  In memory it is its line plus an index
 * of the top-level members; what nobody sets is never parsed or printed
 * again.  The fields are documented in medvl-record(5).
 *
 * Read next: ../stage/loop.h.
 */
#ifndef MEDVL_DATA_RECORD_H
#define MEDVL_DATA_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/json.h"

struct medvl_record {
    struct medvl_json_view view; /* top-level members */
    const char *path;            /* for messages; may be NULL */
    int64_t line;                /* from 1 */
};

/*
 * Scan `line` (without its newline), which must stay while the record is
 * used.  A record may be parsed into again and again; release it once.
 */
int medvl_record_parse(struct medvl_record *record, struct medvl_span line,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_record_release(struct medvl_record *record);

/* The member's JSON, or {NULL, 0}. */
struct medvl_span medvl_record_get(const struct medvl_record *record,
                                   const char *name);
bool medvl_record_has(const struct medvl_record *record, const char *name);

/*
 * Parse one member.  *out is NULL and MEDVL_OK returned when it is absent;
 * the caller frees *out with medvl_json_free.  Errors name the field.
 */
int medvl_record_read(struct medvl_json **out,
                      const struct medvl_record *record, const char *name,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append a string member's text to `out`.  MEDVL_EFORMAT when it is absent
 * or no string.
 */
int medvl_record_read_text(struct medvl_text *out,
                           const struct medvl_record *record,
                           const char *name,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Set (replace or append) a member to JSON, or to a string. */
int medvl_record_set(struct medvl_record *record, const char *name,
                     struct medvl_span json,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_record_set_text(struct medvl_record *record, const char *name,
                          struct medvl_span text,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* The id as text; MEDVL_EFORMAT when absent, empty or no string. */
int medvl_record_id(struct medvl_text *out, const struct medvl_record *record,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the record as one line with its newline. */
int medvl_record_write(struct medvl_text *out,
                       const struct medvl_record *record,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Who made a field: sets provenance.FIELD = {"author", "command",
 * "version", "options"} and keeps the other fields' entries.
 *
 *   author    "human", a model's name, or a data set's name
 *   options   hash of the options that shaped the field, or NULL
 */
int medvl_record_author(struct medvl_record *record, const char *field,
                        const char *author, const char *command,
                        const char *options,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same of what a model said: the entry has "model" too, a hash of the
 * model's content. */
int medvl_record_said(struct medvl_record *record, const char *field,
                      const char *author, const char *model,
                      const char *command, const char *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
