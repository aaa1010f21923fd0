/*
 * The walk over a template's statements: one function a kind of node, in
 * the table at the end.
 *
 * Read next: template.c.
 */
#include <stdio.h>

#include "lib/text/template_walk.h"

/* ---- statements ------------------------------------------------------ */

static int exec_data(struct medvl_eval *e, const struct medvl_node *n)
{
    return medvl_tv_put_value(e->h, e->out, &n->value);
}

static int exec_output(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = medvl_walk_eval(e, n->a, &value);

    if (rc == MEDVL_OK && value.kind == TV_UNDEFINED && value.u.name &&
        !*e->hole)
        snprintf(e->hole, MEDVL_EVAL_HOLE,
                 "line %d, column %d: \"%.200s\" is undefined", n->line,
                 n->column, value.u.name);
    return rc < 0 ? rc : medvl_tv_put_value(e->h, e->out, &value);
}

static int exec_if(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv test;
    int rc;

    for (n = n->list; n; n = n->next) {
        if (!n->a)
            return medvl_walk_exec(e, n->body);
        rc = medvl_walk_eval(e, n->a, &test);
        if (rc < 0)
            return rc;
        if (medvl_tv_truth(&test))
            return medvl_walk_exec(e, n->body);
    }
    return MEDVL_OK;
}

/* The items that the loop's condition keeps. */
static int loop_items(struct medvl_eval *e, struct medvl_tv *items,
                      const struct medvl_node *n)
{
    const size_t base = e->h->stack_size;
    struct medvl_scope *outer = e->scope;
    const struct medvl_tv_list *all = items->u.list;
    struct medvl_tv keep;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < all->count && rc == MEDVL_OK; i++) {
        rc = medvl_walk_open(e, outer);
        if (rc == MEDVL_OK)
            rc = medvl_walk_assign(e, n->a, all->items[i]);
        if (rc == MEDVL_OK)
            rc = medvl_walk_eval(e, n->c, &keep);
        if (rc == MEDVL_OK && medvl_tv_truth(&keep))
            rc = medvl_tv_push(e->h, all->items[i]);
        e->scope = outer;
    }
    return rc < 0 ? rc : medvl_tv_take(e->h, items, TV_LIST, base);
}

int medvl_walk_loop(struct medvl_eval *e, const struct medvl_node *n,
                    const struct medvl_tv *over, int depth)
{
    struct medvl_scope *outer = e->scope;
    const int name = medvl_tree_name(e->tree, "loop");
    struct medvl_tv items, self;
    struct medvl_loop *l = medvl_tv_alloc(e->h, 1, sizeof(*l));
    int rc = l ? medvl_tv_items(e->h, &items, over) : (int)e->h->err->code;

    if (rc == MEDVL_OK && n->c)
        rc = loop_items(e, &items, n);
    if (rc < 0)
        return rc;
    *l = (struct medvl_loop){n, outer, *items.u.list, 0, depth,
                             medvl_tv_undefined(NULL)};
    self = (struct medvl_tv){.kind = TV_LOOP, .u.other = l};
    for (; l->index < l->items.count; l->index++) {
        rc = medvl_walk_open(e, outer);
        if (rc == MEDVL_OK && name >= 0)
            rc = medvl_walk_bind(e, name, self);
        if (rc == MEDVL_OK)
            rc = medvl_walk_assign(e, n->a, l->items.items[l->index]);
        if (rc == MEDVL_OK)
            rc = medvl_walk_exec(e, n->body);
        e->scope = outer;
        if (rc < 0 || rc == FLOW_BREAK)
            break;
        rc = medvl_tv_steps(e->h, 1);
        if (rc < 0)
            break;
    }
    if (rc < 0 || l->items.count || !n->d)
        return rc < 0 ? rc : MEDVL_OK;
    rc = medvl_walk_open(e, outer);
    if (rc == MEDVL_OK)
        rc = medvl_walk_exec(e, n->d->body);
    e->scope = outer;
    return rc;
}

static int exec_for(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv over;
    int rc = medvl_walk_eval(e, n->b, &over);

    return rc < 0 ? rc : medvl_walk_loop(e, n, &over, 0);
}

/* A body in a scope of its own. */
static int exec_block(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_scope *outer = e->scope;
    int rc = medvl_walk_open(e, outer);

    if (rc == MEDVL_OK)
        rc = medvl_walk_exec(e, n->body);
    e->scope = outer;
    return rc;
}

/* The text of a body in a scope of its own. */
static int capture(struct medvl_eval *e, struct medvl_tv *out,
                   const struct medvl_node *n)
{
    struct medvl_tv_build text = {0}, *outer = e->out;
    int rc;

    e->out = &text;
    rc = exec_block(e, n);
    e->out = outer;
    if (rc > 0)
        rc = medvl_tv_fail(e->h, "break or continue leaves a block whose "
                                 "text is used");
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &text);
}

static int exec_set(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = medvl_walk_eval(e, n->b, &value);

    return rc < 0 ? rc : medvl_walk_assign(e, n->a, value);
}

static int exec_set_block(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = capture(e, &value, n);

    e->block = value;
    if (rc == MEDVL_OK && n->b)
        rc = medvl_walk_eval(e, n->b, &value);
    return rc < 0 ? rc : medvl_walk_assign(e, n->a, value);
}

static int exec_filtered(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = capture(e, &e->block, n);

    if (rc == MEDVL_OK)
        rc = medvl_walk_eval(e, n->b, &value);
    return rc < 0 ? rc : medvl_tv_put_value(e->h, e->out, &value);
}

/* The values are evaluated outside of the new scope. */
static int exec_with(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_scope *outer = e->scope, *inner;
    struct medvl_tv value;
    int rc = medvl_walk_open(e, outer);

    inner = e->scope;
    for (const struct medvl_node *set = n->list; set && rc == MEDVL_OK;
         set = set->next) {
        e->scope = outer;
        rc = medvl_walk_eval(e, set->b, &value);
        e->scope = inner;
        if (rc == MEDVL_OK)
            rc = medvl_walk_assign(e, set->a, value);
    }
    if (rc == MEDVL_OK)
        rc = medvl_walk_exec(e, n->body);
    e->scope = outer;
    return rc;
}

static int exec_jump(struct medvl_eval *e, const struct medvl_node *n)
{
    (void)e;
    return n->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
}

/* ---- table ------------------------------------------------------------ */

static int (*const EXEC[NODE_KINDS])(struct medvl_eval *,
                                     const struct medvl_node *) = {
    [NODE_DATA] = exec_data,
    [NODE_OUTPUT] = exec_output,
    [NODE_IF] = exec_if,
    [NODE_FOR] = exec_for,
    [NODE_BLOCK] = exec_block,
    [NODE_SET] = exec_set,
    [NODE_SET_BLOCK] = exec_set_block,
    [NODE_MACRO] = medvl_walk_macro,
    [NODE_CALL_BLOCK] = medvl_walk_call_block,
    [NODE_FILTERED] = exec_filtered,
    [NODE_WITH] = exec_with,
    [NODE_BREAK] = exec_jump,
    [NODE_CONTINUE] = exec_jump,
};

int medvl_walk_exec(struct medvl_eval *e, const struct medvl_node *body)
{
    int rc = MEDVL_OK;

    for (; body && rc == MEDVL_OK; body = body->next) {
        rc = medvl_tv_enter(e->h);
        if (rc == MEDVL_OK) {
            rc = EXEC[body->kind](e, body);
            e->h->depth--;
        }
        if (rc < 0)
            return medvl_walk_locate(e, body, rc);
    }
    return rc;
}
