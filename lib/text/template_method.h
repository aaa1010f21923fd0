/*
 * What templates can call: the row that describes a filter, test, method or
 * function, binding of arguments to its parameters, and the methods of
 * strings, lists and dicts.  Inside of template.h.
 *
 * Read next: template_filter.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_METHOD_H
#define MEDVL_TEXT_TEMPLATE_METHOD_H

#include "lib/text/template_value.h"

#define MEDVL_TF_PARAMETERS 6

struct medvl_tf_named {
    const char *name;
    struct medvl_tv value;
};

/* The arguments as they were given. */
struct medvl_tf_given {
    const struct medvl_tv *items; /* by position */
    size_t count;
    const struct medvl_tf_named *named;
    size_t named_count;
};

/* The arguments by parameter; NULL: not given. */
struct medvl_tf_args {
    const struct medvl_tv *at[MEDVL_TF_PARAMETERS];
    const struct medvl_tf_given *given;
};

struct medvl_tf {
    const char *name;
    const char *parameters; /* "old new count"; "*": takes what is given */
    int required;           /* how many of them must be given */
    int (*run)(struct medvl_tv_heap *h, struct medvl_tv *out,
               const struct medvl_tv *in, const struct medvl_tf_args *args);
};

/* Bind and run.  `in` is what is filtered, tested, or whose method it is. */
int medvl_tf_call(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tf *f, const struct medvl_tv *in,
                  const struct medvl_tf_given *given);

/* The row of this name in a table that ends with a NULL name, or NULL. */
const struct medvl_tf *medvl_tf_find(const struct medvl_tf *table,
                                     struct medvl_span name);

/* The method of a value, or NULL. */
const struct medvl_tf *medvl_tf_method(const struct medvl_tv *of,
                                       struct medvl_span name);

/* Arguments as C values; an argument not given leaves *out alone. */
int medvl_tf_int(struct medvl_tv_heap *h, int64_t *out,
                 const struct medvl_tv *arg, const char *what);
int medvl_tf_string(struct medvl_tv_heap *h,
                    const struct medvl_tv_string **out,
                    const struct medvl_tv *arg, const char *what);

/* ---- strings, for filters too ---------------------------------------- */

enum medvl_tf_case {
    CASE_UPPER,
    CASE_LOWER,
    CASE_CAPITALIZE,
    CASE_TITLE, /* as str.title() */
    CASE_WORDS, /* as the filter title */
    CASE_SWAP,
};
int medvl_tf_case(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tv_string *s, enum medvl_tf_case how);

/* Without characters of `set` (NULL: space) at the left and right. */
int medvl_tf_strip(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_string *s,
                   const struct medvl_tv_string *set, bool left, bool right);
int medvl_tf_replace(struct medvl_tv_heap *h, struct medvl_tv *out,
                     const struct medvl_tv_string *s,
                     const struct medvl_tv_string *from,
                     const struct medvl_tv_string *to, int64_t count);
int medvl_tf_join(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tv *items,
                  const struct medvl_tv_string *between);
int medvl_tf_lines(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_string *s, bool keep);
int medvl_tf_center(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const struct medvl_tv_string *s, int64_t width,
                    const struct medvl_tv_string *fill, char side);

/* dict.items() as a list of tuples; an undefined value has none. */
int medvl_tf_pairs(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *dict);

#endif
