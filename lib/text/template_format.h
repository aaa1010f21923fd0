/*
 * Python's two ways to format: '%.2f' % x and '{:.2f}'.format(x).  Inside
 * of template.h.
 *
 * Read next: template_call.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_FORMAT_H
#define MEDVL_TEXT_TEMPLATE_FORMAT_H

#include "lib/text/template_value.h"

/* format % args, where args is a tuple, a dict or one value. */
int medvl_format_percent(struct medvl_tv_heap *h, struct medvl_tv *out,
                         const struct medvl_tv_string *format,
                         const struct medvl_tv *args);

/* format.format(*items, **named), named being a dict. */
int medvl_format_braces(struct medvl_tv_heap *h, struct medvl_tv *out,
                        const struct medvl_tv_string *format,
                        const struct medvl_tv_list *items,
                        const struct medvl_tv_dict *named);

#endif
