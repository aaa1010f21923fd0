/*
 * What templates can call: the row that describes a filter, test, method or
 * function, and the binding of arguments to its parameters.  Inside of
 * template.h.
 *
 * Read next: template_method.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_CALL_H
#define MEDVL_TEXT_TEMPLATE_CALL_H

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
    int how; /* of the row */
};

typedef int medvl_tf_fn(struct medvl_tv_heap *h, struct medvl_tv *out,
                        const struct medvl_tv *in,
                        const struct medvl_tf_args *a);

struct medvl_tf {
    const char *name;
    const char *parameters; /* "old new count"; "*": takes what is given */
    int required;           /* how many of them must be given */
    medvl_tf_fn *run;
    int how; /* what `run` does here, where several rows have it */
};

/* The head of such a function. */
#define MEDVL_TF(name)                         \
    static int name(struct medvl_tv_heap *h,   \
                    struct medvl_tv *out,      \
                    const struct medvl_tv *in, \
                    const struct medvl_tf_args *a)

/* Bind and run.  `in` is what is filtered, tested, or whose method it is. */
int medvl_tf_call(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tf *f, const struct medvl_tv *in,
                  const struct medvl_tf_given *given);

/* The row of this name in a table that ends with a NULL name, or NULL. */
const struct medvl_tf *medvl_tf_find(const struct medvl_tf *table,
                                     struct medvl_span name);

/* Arguments as C values; an argument not given leaves *out alone. */
int medvl_tf_int(struct medvl_tv_heap *h, int64_t *out,
                 const struct medvl_tv *arg, const char *what);
int medvl_tf_string(struct medvl_tv_heap *h,
                    const struct medvl_tv_string **out,
                    const struct medvl_tv *arg, const char *what);
bool medvl_tf_true(const struct medvl_tv *arg); /* given, and true */
bool medvl_tf_is(const struct medvl_tv *arg);   /* given, and not none */

/* The named arguments as members of a dict. */
int medvl_tf_dict(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                  const struct medvl_tf_given *given);

#endif
