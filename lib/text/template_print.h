/*
 * Values of templates to text and back: building marked strings, Python's
 * str() and repr(), JSON in both directions.  Inside of template.h.
 *
 * Read next: template_parse.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_PRINT_H
#define MEDVL_TEXT_TEMPLATE_PRINT_H

#include "lib/text/template_value.h"

/*
 * A string that grows.  Valid when zeroed; its memory is the heap's.
 */
struct medvl_tv_build {
    char *data;
    uint8_t *marks; /* NULL while all bytes are `mark` */
    size_t size, capacity;
    bool mark;
};

int medvl_tv_put(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                 const char *data, size_t size, bool mark);
int medvl_tv_puts(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                  const char *text); /* the template's own */
int medvl_tv_put_cut(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                     const struct medvl_tv_string *s, size_t from,
                     size_t to);

/* str(value), repr(value), and JSON. */
int medvl_tv_put_value(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                       const struct medvl_tv *value);
int medvl_tv_put_repr(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct medvl_tv *value);
struct medvl_tv_json_style {
    const char *indent; /* one level's; NULL: one line */
    const char *comma, *colon;
    bool ascii, sort;
    int level;
};
int medvl_tv_put_json(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct medvl_tv *value,
                      struct medvl_tv_json_style *style);
int medvl_tv_built(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_build *b);

/* str(value) as a string; a string is itself. */
int medvl_tv_text(struct medvl_tv_heap *h, const struct medvl_tv_string **out,
                  const struct medvl_tv *value);

/* Read JSON whose strings get `mark`; text may be borrowed from it. */
int medvl_tv_json(struct medvl_tv_heap *h, struct medvl_tv *out,
                  struct medvl_span json, bool mark);

#endif
