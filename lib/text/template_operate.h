/*
 * Operators on values: arithmetic, joining, comparing, slicing.  Inside of
 * template.h.
 *
 * Read next: template_filter.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_OPERATE_H
#define MEDVL_TEXT_TEMPLATE_OPERATE_H

#include "lib/text/template_value.h"

/* What an operation on an undefined value says: always an error. */
int medvl_tv_no_value(struct medvl_tv_heap *h, const struct medvl_tv *value);

/* a + b of numbers; with 'sign' -1 a - b.  Past 64 bits is an error. */
int medvl_tv_add(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv *a, const struct medvl_tv *b,
                 int sign);

/* a op b, by the letter: + - * / %, 'f' for //, 'p' for **. */
int medvl_tv_operate(struct medvl_tv_heap *h, struct medvl_tv *out, char op,
                     const struct medvl_tv *a, const struct medvl_tv *b);

/* Does it hold: = ! < >, 'l' for <=, 'g' for >=, 'i' for in, 'n' not in? */
int medvl_tv_compare(struct medvl_tv_heap *h, bool *out, char op,
                     const struct medvl_tv *a, const struct medvl_tv *b);

/*
 * value[from:to:step] of a string, list or tuple; undefined of another.
 * NULL: the bound is not given.
 */
int medvl_tv_slice(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *value, const int64_t *from,
                   const int64_t *to, int64_t step);

#endif
