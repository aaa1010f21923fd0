/*
 * A parser's place in a template: the tokens ahead, the tree that grows,
 * and mistakes that name where they are.  Inside of template.h.
 *
 * Read next: template_expression.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_PARSER_H
#define MEDVL_TEXT_TEMPLATE_PARSER_H

#include "lib/text/template_lex.h"
#include "lib/text/template_parse.h"

struct medvl_parser {
    struct medvl_tv_heap *h;
    struct medvl_tree *tree;
    const struct medvl_token *at;
    int loops; /* for blocks around us */
};

/* MEDVL_EFORMAT with the line and column of the next token. */
int medvl_parser_fail(struct medvl_parser *p, const char *format, ...)
    MEDVL_PRINTF(2, 3);

/* The same: it is not what is wanted. */
int medvl_parser_unexpected(struct medvl_parser *p, const char *want);

/* ---- tokens ---------------------------------------------------------- */

/* Is the operator (word) next? */
static inline bool medvl_parser_is(const struct medvl_parser *p,
                                   const char *op)
{
    return p->at->kind == TOKEN_OPERATOR && medvl_span_is(p->at->text, op);
}

static inline bool medvl_parser_is_word(const struct medvl_parser *p,
                                        const char *word)
{
    return p->at->kind == TOKEN_NAME && medvl_span_is(p->at->text, word);
}

/* Step over it if it is; it must be. */
static inline bool medvl_parser_skip(struct medvl_parser *p, const char *op)
{
    const bool is = medvl_parser_is(p, op);

    p->at += is;
    return is;
}

static inline bool medvl_parser_skip_word(struct medvl_parser *p,
                                          const char *word)
{
    const bool is = medvl_parser_is_word(p, word);

    p->at += is;
    return is;
}

int medvl_parser_need(struct medvl_parser *p, const char *op);

/* ---- nodes ----------------------------------------------------------- */

int medvl_parser_make(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind,
                      const struct medvl_token *where);

/* A node over one or two others. */
int medvl_parser_join(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind,
                      const struct medvl_token *where, struct medvl_node *a,
                      struct medvl_node *b);

/* The number of a name in the tree, given to it now if need be. */
int medvl_parser_intern(struct medvl_parser *p, int *out,
                        struct medvl_span name);

/* The name that must be next, as a node of `kind`. */
int medvl_parser_name(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind);

#endif
