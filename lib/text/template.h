/*
 * Templates: the subset of Jinja that published chat templates use, with
 * the whitespace rules that transformers sets (trim_blocks, lstrip_blocks,
 * the last newline dropped).
 *
 * A template is compiled once and rendered over many records.  The output
 * says which of its bytes came from a record and which from the template:
 * every filter, method and operator keeps that mark byte by byte, so that
 * a special token spelled out in someone's text stays text.
 *
 *     struct medvl_template *t;
 *     struct medvl_template_run *run;
 *     struct medvl_marked out = {0};
 *
 *     medvl_template_compile(&t, medvl_span("Q: {{ question|trim }}"), err);
 *     medvl_template_run_new(&run, NULL, err);
 *     for each record:
 *         medvl_template_begin(run);
 *         medvl_template_set_members(run, &record->view, true, err);
 *         medvl_template_render(&out, t, run, err);
 *
 * What there is: for (with if, else, loop.*, recursive, unpacking, break,
 * continue), if, set (also as a block, and of namespace members), macro,
 * call, filter, with, raw, generation (transparent); all operators and
 * slices; the filters, tests and functions at the end of template_filter.c,
 * the methods of str, list and dict at the end of template_method.c.
 * Nothing can be changed in place but a namespace, as in the sandbox of
 * transformers.  Missing on purpose: files (include, import, extends), the
 * clock (strftime_now writes the date that set_date gives, and is undefined
 * without), random numbers.  Numbers are 64-bit integers and doubles: a
 * result that fits neither is an error.  Sequences that are lazy in Python
 * (range, map, items()) are lists here.
 *
 * Errors are MEDVL_EFORMAT, "line 3, column 14: what".
 *
 * Read next: template_parse.h (text to tree), template_eval.c (the walk),
 * chat.h (templates over messages).
 */
#ifndef MEDVL_TEXT_TEMPLATE_H
#define MEDVL_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"
#include "lib/text/tokenizer.h"

struct medvl_template;     /* compiled; may be shared by threads */
struct medvl_template_run; /* variables and scratch memory of one thread */

/* Compile a template, or one expression ("answer is defined"). */
int medvl_template_compile(struct medvl_template **out,
                           struct medvl_span source,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_template_compile_expression(struct medvl_template **out,
                                      struct medvl_span source,
                                      struct medvl_error *err)
    MEDVL_MUST_CHECK;
void medvl_template_free(struct medvl_template *template);

/* Is the variable's name read anywhere in the template? */
bool medvl_template_mentions(const struct medvl_template *template,
                             const char *name);

/*
 * The variables that an expression compares as they are ("split" and "test"
 * of split == test), at most `room`, without those of which it asks whether
 * they are defined.  Returns how many.  The names are the template's.
 */
int medvl_template_compared(const struct medvl_template *expression,
                            const char **names, int room);

/*
 * What a render may use; zero means the default.  Past any of these it ends
 * in an error: a template that loops for ever, a macro that calls itself, a
 * string multiplied by a million.
 */
struct medvl_template_limits {
    int64_t steps; /* nodes and items visited [10,000,000] */
    int depth;     /* expressions, blocks and values in each other [600] */
    size_t memory; /* bytes of values made, output included [256 MiB] */
};

int medvl_template_run_new(struct medvl_template_run **out,
                           const struct medvl_template_limits *limits,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_template_run_free(struct medvl_template_run *run);

/* Forget all variables.  Memory is kept for the next render. */
void medvl_template_begin(struct medvl_template_run *run);

/*
 * Variables.  The bytes, names included, must stay until the render; JSON
 * is read when the template first names the variable.  Later ones hide
 * earlier ones of that name.
 *
 *   from_record   text in the value is content, not template
 *
 * set_members makes every member of an object view a variable (only one
 * view at a time).
 */
int medvl_template_set_members(struct medvl_template_run *run,
                               const struct medvl_json_view *view,
                               bool from_record,
                               struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_template_set_json(struct medvl_template_run *run, const char *name,
                            struct medvl_span json, bool from_record,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_template_set_text(struct medvl_template_run *run, const char *name,
                            struct medvl_span text, bool from_record,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_template_set_bool(struct medvl_template_run *run, const char *name,
                            bool value,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The moment that strftime_now(format) writes, "2024-07-26" or
 * "2024-07-26T08:30:00"; without one that function is undefined.  There is
 * no clock: the same record gives the same text on every day.
 *
 * MEDVL_EFORMAT   no such day
 */
int medvl_template_set_date(struct medvl_template_run *run,
                            struct medvl_span date,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* Text and where it came from; valid when zeroed. */
struct medvl_marked {
    struct medvl_text text;
    struct medvl_run *runs; /* sizes add up to text.size; they alternate */
    size_t run_count;
    size_t run_capacity;
};

int medvl_marked_append(struct medvl_marked *marked, const void *data,
                        size_t size, bool from_record,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_marked_clear(struct medvl_marked *marked); /* keeps memory */
void medvl_marked_release(struct medvl_marked *marked);

/*
 * Append what the template (or the expression's value, as text) gives.  On
 * failure `out` is as it was.
 */
int medvl_template_render(struct medvl_marked *out,
                          const struct medvl_template *template,
                          struct medvl_template_run *run,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Where the last render printed a variable or member that is not there (it
 * prints as nothing): "line 1, column 4: "box" is undefined", or NULL.  The
 * text is the run's, until its next render.
 */
const char *medvl_template_hole(const struct medvl_template_run *run);

/* Is the expression true, as `{% if %}` sees it?  Undefined is false. */
int medvl_template_truth(bool *out, const struct medvl_template *expression,
                         struct medvl_template_run *run,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
