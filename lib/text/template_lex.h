/*
 * The text of a template cut into tokens, with Jinja's whitespace rules.
 * Inside of template.h.
 *
 * Read next: template_parser.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_LEX_H
#define MEDVL_TEXT_TEMPLATE_LEX_H

#include "lib/text/template_value.h"

enum medvl_token_kind {
    TOKEN_END,
    TOKEN_DATA,      /* text between tags */
    TOKEN_VAR,       /* {{ */
    TOKEN_VAR_END,   /* }} */
    TOKEN_BLOCK,     /* {% */
    TOKEN_BLOCK_END, /* %} */
    TOKEN_NAME,
    TOKEN_STRING, /* text is what it stands for */
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_OPERATOR,
};

struct medvl_token {
    enum medvl_token_kind kind;
    int line, column; /* from 1; columns are characters */
    struct medvl_span text;
    int64_t i;
    double f;
};

/* "line 3, column 14: what" */
int medvl_token_fail(struct medvl_tv_heap *h, int line, int column,
                     const char *format, ...) MEDVL_PRINTF(4, 5);

/*
 * All tokens, ended by TOKEN_END.
 *
 *   expression   the text is the inside of one tag
 */
int medvl_token_read(struct medvl_tv_heap *h, struct medvl_token **out,
                     struct medvl_span source, bool expression);

#endif
