/*
 * The filters, tests and functions of templates.  Inside of template.h.
 *
 * Read next: template_parse.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_FILTER_H
#define MEDVL_TEXT_TEMPLATE_FILTER_H

#include "lib/text/template_method.h"

/*
 * By name, or NULL.  A test's result is a bool.  Filters are in three
 * tables: template_filter.c has those of text and numbers, template_place.c
 * that of places, template_sequence.c the others.
 */
const struct medvl_tf *medvl_filter_find(struct medvl_span name);
const struct medvl_tf *medvl_test_find(struct medvl_span name);
const struct medvl_tf *medvl_function_find(const struct medvl_tv_heap *h,
                                           struct medvl_span name);
extern const struct medvl_tf medvl_place_filters[];
extern const struct medvl_tf medvl_sequence_filters[];

/* The name that a value is, or an empty one: for the functions above. */
struct medvl_span medvl_filter_name(const struct medvl_tv *value);

#endif
