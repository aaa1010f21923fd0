/*
 * The methods of strings, lists and dicts, and what filters share with
 * them.  Inside of template.h.
 *
 * Read next: template_operate.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_METHOD_H
#define MEDVL_TEXT_TEMPLATE_METHOD_H

#include "lib/text/template_call.h"

/* The method of a value, or NULL. */
const struct medvl_tf *medvl_tf_method(const struct medvl_tv *of,
                                       struct medvl_span name);

/* dict.items() as a list of tuples; an undefined value has none. */
int medvl_tf_pairs(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *dict);

/* ---- strings: template_string.c --------------------------------------- */

extern const struct medvl_tf medvl_string_methods[];

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

#endif
