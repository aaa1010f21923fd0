/*
 * What the files of the walk over a template's tree share: expressions
 * (template_eval.c), calls and macros (template_apply.c), and statements
 * (template_statement.c).  Inside of template.h.
 *
 * Read next: template_eval.c.
 */
#ifndef MEDVL_TEXT_TEMPLATE_WALK_H
#define MEDVL_TEXT_TEMPLATE_WALK_H

#include "lib/text/template_eval.h"

/* What a body can end with, besides MEDVL_OK and errors. */
#define FLOW_BREAK    1
#define FLOW_CONTINUE 2

struct medvl_scope {
    struct medvl_scope *parent;
    struct medvl_binding *first;
};

/* What `dict.get` alone is worth. */
struct medvl_method {
    struct medvl_tv of;
    const struct medvl_tf *f;
};

/* What `loop` is. */
struct medvl_loop {
    const struct medvl_node *node;
    struct medvl_scope *scope; /* around the for */
    struct medvl_tv_list items;
    size_t index;
    int depth;            /* from 0 */
    struct medvl_tv last; /* of changed() */
};

/* ---- scopes: template_eval.c ------------------------------------------ */

int medvl_walk_open(struct medvl_eval *e, struct medvl_scope *parent);
int medvl_walk_bind(struct medvl_eval *e, int name, struct medvl_tv value);

/* Bind a name that the template may not use at all. */
int medvl_walk_bind_word(struct medvl_eval *e, const char *word,
                         struct medvl_tv value);

/* Assign to a name, a namespace's member, or a tuple of such. */
int medvl_walk_assign(struct medvl_eval *e, const struct medvl_node *target,
                      struct medvl_tv value);

/* ---- the walk ---------------------------------------------------------- */

/* The value of an expression; the effect of a body (a FLOW, or an error). */
int medvl_walk_eval(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out);
int medvl_walk_exec(struct medvl_eval *e, const struct medvl_node *body);

/* Put the node's line and column in front of the error, once. */
int medvl_walk_locate(struct medvl_eval *e, const struct medvl_node *n,
                      int rc);

/* of.key: methods come before members, as getattr does it. */
int medvl_walk_member(struct medvl_eval *e, struct medvl_tv *out,
                      const struct medvl_tv *of, const struct medvl_tv *key);

/* The items of `over` through the body of a for. */
int medvl_walk_loop(struct medvl_eval *e, const struct medvl_node *n,
                    const struct medvl_tv *over, int depth);

/* ---- nodes of template_apply.c ------------------------------------------ */

int medvl_walk_call(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out);
int medvl_walk_filter(struct medvl_eval *e, const struct medvl_node *n,
                      struct medvl_tv *out);
int medvl_walk_macro(struct medvl_eval *e, const struct medvl_node *n);
int medvl_walk_call_block(struct medvl_eval *e, const struct medvl_node *n);

#endif
