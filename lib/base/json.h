/*
 * JSON three ways: a strict scan that finds spans and copies them
 * untouched; a parsed tree (cJSON inside) for fields that are read; arrays
 * of numbers, which never become a tree; and a writer.
 *
 * The scan is RFC 8259: UTF-8, nothing after the value, no name twice in
 * the object that is indexed, depth at most MEDVL_JSON_DEPTH.  "\u0000" and
 * lone surrogates pass through a scan; reading them as text is an error.
 * So that hostile input cannot take all memory, a view has at most
 * MEDVL_JSON_MEMBERS members or elements, a tree MEDVL_JSON_VALUES values, a
 * file read into a tree MEDVL_JSON_FILE bytes, an array of numbers
 * MEDVL_JSON_INTS of them: each is held in less than 512 MB.
 *
 * Read next: json_scan.h, json_string.h, then pool.h.
 */
#ifndef MEDVL_BASE_JSON_H
#define MEDVL_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

#define MEDVL_JSON_DEPTH   512
#define MEDVL_JSON_MEMBERS (1 << 20)
#define MEDVL_JSON_VALUES  (2 << 20)
#define MEDVL_JSON_FILE    ((size_t)32 << 20)
#define MEDVL_JSON_INTS    (1 << 24)

/* Is it one JSON value?  Errors name the byte, from 1. */
int medvl_json_check(struct medvl_span span,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- objects and arrays as spans ------------------------------------- */

/*
 * A value in an object: the name's bytes as they stand between its quotes,
 * and the value's bytes.  In an array `name` is empty.
 */
struct medvl_json_member {
    struct medvl_span name;
    struct medvl_span value;
};

/*
 * An object (or array) seen as spans into bytes that outlive it, with
 * values that were set on top.  Valid when zeroed; reused by the next index
 * call, which keeps its memory.  Setting copies the value in.
 */
struct medvl_json_view {
    struct medvl_json_member *members;
    size_t count;
    size_t capacity;
    bool array;
    struct medvl_text **added; /* owns what was set */
    size_t added_count;
    size_t added_capacity;
    struct medvl_span whole; /* the bytes scanned; empty once changed */
};

/* Scan `span`, which must be an object (array); fills the view. */
int medvl_json_view_object(struct medvl_json_view *view,
                           struct medvl_span span,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_view_array(struct medvl_json_view *view,
                          struct medvl_span span,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* The member's value, or {NULL, 0}.  Names written with escapes match. */
struct medvl_span medvl_json_view_get(const struct medvl_json_view *view,
                                      const char *name);

/*
 * Replace the member in its place, or append it; `value` is JSON, copied.
 * The names this takes are plain ASCII identifiers.
 */
int medvl_json_view_set(struct medvl_json_view *view, const char *name,
                        struct medvl_span value,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same for a number, a text (quoted here), an array of numbers. */
int medvl_json_view_set_number(struct medvl_json_view *view, const char *name,
                               double value,
                               struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_view_set_text(struct medvl_json_view *view, const char *name,
                             struct medvl_span value,
                             struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_view_set_numbers(struct medvl_json_view *view,
                                const char *name, const double *values,
                                size_t count,
                                struct medvl_error *err) MEDVL_MUST_CHECK;

/* Replace element `index` of an array view. */
int medvl_json_view_set_at(struct medvl_json_view *view, size_t index,
                           struct medvl_span value,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_json_view_remove(struct medvl_json_view *view, const char *name);

/*
 * Append the object or array: as it came in while nothing was set, else
 * spans copied with no spaces between members.
 */
int medvl_json_view_write(struct medvl_text *out,
                          const struct medvl_json_view *view,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_json_view_release(struct medvl_json_view *view);

/* ---- a parsed value -------------------------------------------------- */

struct medvl_json; /* opaque; children belong to the root */

enum medvl_json_type {
    MEDVL_JSON_NONE, /* of a NULL pointer: no such member */
    MEDVL_JSON_NULL,
    MEDVL_JSON_BOOL,
    MEDVL_JSON_NUMBER,
    MEDVL_JSON_STRING,
    MEDVL_JSON_ARRAY,
    MEDVL_JSON_OBJECT,
};

/*
 * Parse one value, scanned strictly first.  MEDVL_EFORMAT also for what
 * cannot be held: "\u0000", a lone surrogate, a number beyond double.
 */
int medvl_json_parse(struct medvl_json **out, struct medvl_span span,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_read(struct medvl_json **out, const char *path,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_json_free(struct medvl_json *root);

/* These take NULL as "not there" and return NULL, 0 or false for it. */
enum medvl_json_type medvl_json_type(const struct medvl_json *value);
const struct medvl_json *medvl_json_get(const struct medvl_json *object,
                                        const char *name);
const struct medvl_json *medvl_json_at(const struct medvl_json *array,
                                       size_t index); /* linear time */
const struct medvl_json *medvl_json_first(const struct medvl_json *value);
const struct medvl_json *medvl_json_next(const struct medvl_json *value);
const char *medvl_json_name(const struct medvl_json *member);
size_t medvl_json_count(const struct medvl_json *value);
const char *medvl_json_string(const struct medvl_json *value); /* or NULL */
bool medvl_json_true(const struct medvl_json *value);
double medvl_json_number(const struct medvl_json *value, double otherwise);

/*
 * A member that must be there with its type; the error names it.  The int
 * must be exactly representable (|v| <= 2^53, no fraction) and in range.
 */
int medvl_json_get_string(const char **out, const struct medvl_json *object,
                          const char *name,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_get_int(int64_t *out, const struct medvl_json *object,
                       const char *name, int64_t low, int64_t high,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_get_number(double *out, const struct medvl_json *object,
                          const char *name, double low, double high,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the value as compact JSON; numbers read back the same. */
int medvl_json_print(struct medvl_text *out, const struct medvl_json *value,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* A JSON string span, quotes included, decoded and appended to `out`. */
int medvl_json_unescape(struct medvl_text *out, struct medvl_span span,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- arrays of numbers ----------------------------------------------- */

/*
 * Append the integers of the array `span` to *items (grown as by
 * medvl_grow).  MEDVL_EFORMAT for anything else in it, MEDVL_EARG for a
 * value outside [low, high].
 */
int medvl_json_read_ints(int32_t **items, size_t *count, size_t *capacity,
                         struct medvl_span span, int32_t low, int32_t high,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_json_write_ints(struct medvl_text *out, const int32_t *items,
                          size_t count,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- writing --------------------------------------------------------- */

/* Append `data` (UTF-8) as a JSON string with its quotes. */
int medvl_json_quote(struct medvl_text *out, struct medvl_span data,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Writes values one after another and places commas.  The first failure
 * stays and later calls do nothing, so a whole object is written without
 * checks and medvl_json_write_end returns it.  `name` is NULL in an array
 * and for the outermost value.
 *
 *     struct medvl_json_writer w = {.out = &text};
 *     medvl_json_begin(&w, NULL, '{');
 *     medvl_json_put_string(&w, "metric", medvl_span("auc"));
 *     medvl_json_put_number(&w, "value", 0.95);
 *     medvl_json_end(&w);
 *     return medvl_json_write_end(&w, err);
 */
struct medvl_json_writer {
    struct medvl_text *out;
    struct medvl_error err;
    int depth;        /* at most 62 */
    uint64_t started; /* bit d: level d has a member */
    uint64_t object;  /* bit d: level d is an object */
};

void medvl_json_begin(struct medvl_json_writer *w, const char *name,
                      char open); /* '{' or '[' */
void medvl_json_end(struct medvl_json_writer *w);
void medvl_json_put_string(struct medvl_json_writer *w, const char *name,
                           struct medvl_span value);
void medvl_json_put_number(struct medvl_json_writer *w, const char *name,
                           double value); /* not finite: null */
void medvl_json_put_int(struct medvl_json_writer *w, const char *name,
                        int64_t value);
void medvl_json_put_bool(struct medvl_json_writer *w, const char *name,
                         bool value);
void medvl_json_put_null(struct medvl_json_writer *w, const char *name);
void medvl_json_put_raw(struct medvl_json_writer *w, const char *name,
                        struct medvl_span json);
int medvl_json_write_end(struct medvl_json_writer *w,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
