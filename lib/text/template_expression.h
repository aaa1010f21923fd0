/*
 * Expressions of templates.  Inside of template.h.
 *
 * Each reads from the parser's place and leaves it behind what it read.
 *
 * Read next: template_parse.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_EXPRESSION_H
#define MEDVL_TEXT_TEMPLATE_EXPRESSION_H

#include "lib/text/template_parser.h"

typedef int medvl_parse_fn(struct medvl_parser *p, struct medvl_node **out);

/*
 *   value    any expression
 *   plain    one without if-else: what a for loop goes over
 *   target   what can be assigned to: a name, a member of a namespace, or
 *            a tuple of them
 */
medvl_parse_fn medvl_parse_value, medvl_parse_plain, medvl_parse_target;

/* One of these, or several with commas between, which are a tuple. */
int medvl_parse_values(struct medvl_parser *p, struct medvl_node **out,
                       medvl_parse_fn *one);

/* A filter's name and arguments; any filters, tests and calls that follow:
 * over *node, which may be NULL. */
medvl_parse_fn medvl_parse_filter, medvl_parse_filters;

#endif
