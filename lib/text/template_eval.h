/*
 * The walk over a template's tree.  Inside of template.h.
 *
 * Read next: template.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_EVAL_H
#define MEDVL_TEXT_TEMPLATE_EVAL_H

#include "lib/text/template_parse.h"
#include "lib/text/template_print.h"

#define MEDVL_EVAL_HOLE 256

struct medvl_scope;

struct medvl_eval {
    struct medvl_tv_heap *h;
    const struct medvl_tree *tree;
    struct medvl_tv *known; /* by number of name: what lookup said */
    bool *is_known;
    struct medvl_scope *scope; /* innermost */
    struct medvl_tv_build *out;
    struct medvl_tv block; /* the text that a block's filters get */
    bool located;          /* the error says where */
    char *hole;            /* MEDVL_EVAL_HOLE bytes, see template.h */

    /* The value of a variable from outside: 1, 0: none, or an error. */
    int (*lookup)(void *arg, struct medvl_tv *value, const char *name);
    void *arg;
};

/* Render the tree into e->out; the value of the tree of an expression. */
int medvl_eval_run(struct medvl_eval *e);
int medvl_eval_value(struct medvl_eval *e, struct medvl_tv *out);

/* For text/chat: a variable that is a value made in the run's own heap. */
struct medvl_template_run;
struct medvl_tv_heap *medvl_template_heap(struct medvl_template_run *run);
int medvl_template_set_value(struct medvl_template_run *run, const char *name,
                             struct medvl_tv value, struct medvl_error *err);

#endif
