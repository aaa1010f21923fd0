/*
 * The walk over a template's tree: one function a kind of node, in the
 * table at the end.  Scopes are lists of bindings on the heap; a macro
 * keeps the scope it was made in, a loop makes one an iteration.
 *
 * A failing node adds its line and column, the innermost one alone.
 *
 * Read next: template.c.
 */
#include "lib/text/template_eval.h"

#include <stdio.h>
#include <string.h>

#include "lib/text/template_operate.h"

/* What a body can end with, besides MEDVL_OK and errors. */
#define FLOW_BREAK    1
#define FLOW_CONTINUE 2

struct binding {
    struct binding *next;
    int name;
    struct medvl_tv value;
};

struct medvl_scope {
    struct medvl_scope *parent;
    struct binding *first;
};

struct macro {
    const struct medvl_node *node;
    struct medvl_scope *scope; /* where it was made */
};

struct method {
    struct medvl_tv of;
    const struct medvl_tf *f;
};

struct loop {
    const struct medvl_node *node;
    struct medvl_scope *scope; /* around the for */
    struct medvl_tv_list items;
    size_t index;
    int depth;            /* from 0 */
    struct medvl_tv last; /* of changed() */
};

static int eval(struct medvl_eval *e, const struct medvl_node *n,
                struct medvl_tv *out);
static int exec(struct medvl_eval *e, const struct medvl_node *body);
static int call_macro(struct medvl_eval *e, struct medvl_tv *out,
                      const struct macro *macro,
                      const struct medvl_tf_given *given);
static int run_loop(struct medvl_eval *e, const struct medvl_node *n,
                    const struct medvl_tv *over, int depth);

/* ---- scopes ---------------------------------------------------------- */

static int open_scope(struct medvl_eval *e, struct medvl_scope *parent)
{
    struct medvl_scope *scope = medvl_tv_alloc(e->h, 1, sizeof(*scope));

    if (!scope)
        return (int)e->h->err->code;
    *scope = (struct medvl_scope){parent, NULL};
    e->scope = scope;
    return MEDVL_OK;
}

static int bind(struct medvl_eval *e, int name, struct medvl_tv value)
{
    struct binding *b;

    for (b = e->scope->first; b; b = b->next)
        if (b->name == name) {
            b->value = value;
            return MEDVL_OK;
        }
    b = medvl_tv_alloc(e->h, 1, sizeof(*b));
    if (!b)
        return (int)e->h->err->code;
    *b = (struct binding){e->scope->first, name, value};
    e->scope->first = b;
    return MEDVL_OK;
}

/* Bind a name that the template may not use at all. */
static int bind_word(struct medvl_eval *e, const char *word,
                     struct medvl_tv value)
{
    const int name = medvl_tree_name(e->tree, word);

    return name < 0 ? MEDVL_OK : bind(e, name, value);
}

static int eval_name(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    const char *text = e->tree->names[n->name];
    const struct medvl_tf *f;
    int64_t walked = 0;
    int rc;

    for (struct medvl_scope *s = e->scope; s; s = s->parent, walked++)
        for (struct binding *b = s->first; b; b = b->next, walked++)
            if (b->name == n->name) {
                *out = b->value;
                return medvl_tv_steps(e->h, (size_t)walked / 4);
            }
    if (!e->is_known[n->name]) {
        struct medvl_tv *known = &e->known[n->name];

        rc = e->lookup(e->arg, known, text);
        if (rc < 0)
            return medvl_context(e->h->err, "%s", text);
        if (rc == 0) {
            f = medvl_function_find(medvl_span(text));
            *known = medvl_tv_undefined(text);
            if (f) {
                known->kind = TV_FUNCTION;
                known->u.other = (void *)f;
            }
        }
        e->is_known[n->name] = true;
    }
    *out = e->known[n->name];
    return MEDVL_OK;
}

/* Assign to a name, a namespace's member, or a tuple of such. */
static int assign(struct medvl_eval *e, const struct medvl_node *target,
                  struct medvl_tv value)
{
    struct medvl_tv items, space;
    size_t i = 0;
    int rc;

    if (target->kind == NODE_NAME)
        return bind(e, target->name, value);
    if (target->kind == NODE_MEMBER) {
        rc = eval(e, target->a, &space);
        if (rc < 0)
            return rc;
        if (space.kind != TV_NAMESPACE)
            return medvl_tv_fail(e->h, "only a namespace has members that "
                                       "can be set, not a %s",
                                 medvl_tv_type_name(&space));
        return medvl_tv_dict_set(e->h, space.u.dict, target->value, value);
    }
    rc = medvl_tv_items(e->h, &items, &value);
    if (rc < 0)
        return rc;
    for (target = target->list; target; target = target->next, i++) {
        if (i == items.u.list->count)
            return medvl_tv_fail(e->h, "%zu values for more names", i);
        rc = assign(e, target, items.u.list->items[i]);
        if (rc < 0)
            return rc;
    }
    if (i < items.u.list->count)
        return medvl_tv_fail(e->h, "%zu values for %zu names",
                             items.u.list->count, i);
    return MEDVL_OK;
}

/* ---- literals -------------------------------------------------------- */

static int eval_constant(struct medvl_eval *e, const struct medvl_node *n,
                         struct medvl_tv *out)
{
    (void)e;
    *out = n->value;
    return MEDVL_OK;
}

/* The values of a list of nodes, left on the stack. */
static int push_all(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = MEDVL_OK;

    for (; n && rc == MEDVL_OK; n = n->next) {
        rc = eval(e, n, &value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(e->h, value);
    }
    return rc;
}

static int eval_list(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    const size_t base = e->h->stack_size;
    int rc = push_all(e, n->list);

    if (rc < 0)
        return rc;
    return medvl_tv_take(e->h, out,
                         n->kind == NODE_TUPLE ? TV_TUPLE : TV_LIST, base);
}

static int eval_dict(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    struct medvl_tv key, value;
    int rc = medvl_tv_dict(e->h, out);

    for (n = n->list; n && rc == MEDVL_OK; n = n->next) {
        rc = eval(e, n->a, &key);
        if (rc == MEDVL_OK)
            rc = eval(e, n->b, &value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(e->h, out->u.dict, key, value);
    }
    return rc;
}

/* ---- members --------------------------------------------------------- */

/* An undefined value that remembers the name of what was not there. */
static int no_member(struct medvl_eval *e, struct medvl_tv *out,
                     const struct medvl_tv *key)
{
    char *name;

    *out = medvl_tv_undefined(NULL);
    if (key->kind != TV_STRING)
        return MEDVL_OK;
    name = medvl_tv_alloc(e->h, 1, key->u.string->size + 1);
    if (!name)
        return (int)e->h->err->code;
    memcpy(name, key->u.string->data, key->u.string->size);
    name[key->u.string->size] = 0;
    out->u.name = name;
    return MEDVL_OK;
}

static int loop_member(struct medvl_tv *out, const struct loop *l,
                       struct medvl_span name)
{
    static const char *const NAMES[] = {
        "index", "index0", "revindex", "revindex0", "length",
        "depth", "depth0", "first", "last", "previtem", "nextitem"};
    const int64_t values[] = {
        (int64_t)l->index + 1, (int64_t)l->index,
        (int64_t)(l->items.count - l->index),
        (int64_t)(l->items.count - l->index) - 1, (int64_t)l->items.count,
        l->depth + 1, l->depth};
    size_t i = 0;

    while (i < 11 && !medvl_span_is(name, NAMES[i]))
        i++;
    *out = medvl_tv_undefined("there is no previous or next item, which");
    if (i < 7)
        *out = medvl_tv_int(values[i]);
    else if (i < 9)
        *out = medvl_tv_bool(i == 7 ? l->index == 0
                                    : l->index + 1 == l->items.count);
    else if (i == 9 && l->index > 0)
        *out = l->items.items[l->index - 1];
    else if (i == 10 && l->index + 1 < l->items.count)
        *out = l->items.items[l->index + 1];
    return MEDVL_OK;
}

static int bound_method(struct medvl_eval *e, struct medvl_tv *out,
                        const struct medvl_tv *of, const struct medvl_tf *f)
{
    struct method *m = medvl_tv_alloc(e->h, 1, sizeof(*m));

    if (!m)
        return (int)e->h->err->code;
    *m = (struct method){*of, f};
    *out = (struct medvl_tv){.kind = TV_METHOD, .u.other = m};
    return MEDVL_OK;
}

/* of.key: methods come before members, as getattr does it. */
static int member_of(struct medvl_eval *e, struct medvl_tv *out,
                     const struct medvl_tv *of, const struct medvl_tv *key)
{
    const struct medvl_span name = {key->u.string->data, key->u.string->size};
    const struct medvl_tf *f;
    bool found = false;
    int rc;

    if (of->kind == TV_UNDEFINED)
        return medvl_tv_no_value(e->h, of);
    if (of->kind == TV_LOOP)
        return loop_member(out, of->u.other, name);
    f = medvl_tf_method(of, name);
    if (f)
        return bound_method(e, out, of, f);
    rc = medvl_tv_item(e->h, out, &found, of, key);
    return rc < 0 || found ? rc : no_member(e, out, key);
}

static int eval_member(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    struct medvl_tv of;
    int rc = eval(e, n->a, &of);

    return rc < 0 ? rc : member_of(e, out, &of, &n->value);
}

static int eval_item(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    struct medvl_tv of, key;
    bool found = false;
    int rc = eval(e, n->a, &of);

    if (rc == MEDVL_OK)
        rc = eval(e, n->b, &key);
    if (rc == MEDVL_OK && of.kind == TV_UNDEFINED)
        return medvl_tv_no_value(e->h, &of);
    if (rc == MEDVL_OK)
        rc = medvl_tv_item(e->h, out, &found, &of, &key);
    if (rc < 0 || found)
        return rc;
    if (key.kind == TV_STRING && of.kind != TV_NAMESPACE)
        return member_of(e, out, &of, &key);
    return no_member(e, out, &key);
}

/* A bound of a slice; *out is NULL where it is not given, or none. */
static int slice_bound(struct medvl_eval *e, const struct medvl_node *n,
                       const int64_t **out, int64_t *room)
{
    struct medvl_tv value;
    int rc = MEDVL_OK;

    *out = NULL;
    if (n)
        rc = eval(e, n, &value);
    if (rc < 0 || !n || value.kind == TV_NONE)
        return rc;
    *out = room;
    return medvl_tf_int(e->h, room, &value, "a slice's bound");
}

static int eval_slice(struct medvl_eval *e, const struct medvl_node *n,
                      struct medvl_tv *out)
{
    const int64_t *from = NULL, *to = NULL, *step = NULL;
    int64_t bounds[3];
    struct medvl_tv of;
    int rc = eval(e, n->a, &of);

    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->b, &from, &bounds[0]);
    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->c, &to, &bounds[1]);
    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->d, &step, &bounds[2]);
    return rc < 0 ? rc
                  : medvl_tv_slice(e->h, out, &of, from, to, step ? *step : 1);
}

/* ---- calls ----------------------------------------------------------- */

/* Evaluate arguments; both arrays are never NULL. */
static int given_args(struct medvl_eval *e, struct medvl_tf_given *out,
                      const struct medvl_node *list, size_t spare)
{
    static const struct medvl_tv NOTHING = {0};
    static const struct medvl_tf_named NO_NAME = {0};
    struct medvl_tf_named *named;
    struct medvl_tv *items;
    size_t count = spare;
    int rc = MEDVL_OK;

    *out = (struct medvl_tf_given){&NOTHING, 0, &NO_NAME, 0};
    for (const struct medvl_node *n = list; n; n = n->next)
        count++;
    if (!count)
        return MEDVL_OK;
    items = medvl_tv_alloc(e->h, count, sizeof(*items));
    named = medvl_tv_alloc(e->h, count, sizeof(*named));
    if (!items || !named)
        return (int)e->h->err->code;
    for (; list && rc == MEDVL_OK; list = list->next) {
        if (list->kind == NODE_KEYWORD) {
            named[out->named_count].name = e->tree->names[list->name];
            rc = eval(e, list->a, &named[out->named_count++].value);
        } else {
            rc = eval(e, list, &items[out->count++]);
        }
    }
    out->items = items;
    out->named = named;
    return rc;
}

static int call_loop(struct medvl_eval *e, struct medvl_tv *out,
                     struct loop *l, const struct medvl_tf_given *given)
{
    struct medvl_tv_build text = {0}, *outer = e->out;
    struct medvl_scope *scope = e->scope;
    int rc;

    if (l->node->op != 'r')
        return medvl_tv_fail(e->h, "the loop is not recursive");
    if (given->count != 1)
        return medvl_tv_fail(e->h, "loop() takes what to loop over");
    e->out = &text;
    e->scope = l->scope;
    rc = run_loop(e, l->node, &given->items[0], l->depth + 1);
    e->out = outer;
    e->scope = scope;
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &text);
}

/* loop.cycle(...) and loop.changed(...) */
static int loop_method(struct medvl_eval *e, struct medvl_tv *out,
                       struct loop *l, const struct medvl_tv *name,
                       const struct medvl_tf_given *given)
{
    struct medvl_tv now;
    bool same;
    int rc;

    if (medvl_tv_is_text(name, "cycle")) {
        if (!given->count)
            return medvl_tv_fail(e->h, "loop.cycle of nothing");
        *out = given->items[l->index % given->count];
        return MEDVL_OK;
    }
    if (!medvl_tv_is_text(name, "changed"))
        return medvl_tv_fail(e->h, "a loop has no method of that name");
    rc = medvl_tv_list(e->h, &now, TV_TUPLE, given->items, given->count);
    if (rc == MEDVL_OK)
        rc = medvl_tv_equal(e->h, &same, &now, &l->last);
    l->last = now;
    *out = medvl_tv_bool(rc == MEDVL_OK && !same);
    return rc;
}

static int call_value(struct medvl_eval *e, struct medvl_tv *out,
                      const struct medvl_tv *callee,
                      const struct medvl_tf_given *given)
{
    const struct method *m = callee->u.other;

    switch (callee->kind) {
    case TV_MACRO: return call_macro(e, out, callee->u.other, given);
    case TV_FUNCTION:
        return medvl_tf_call(e->h, out, callee->u.other, NULL, given);
    case TV_METHOD:
        return medvl_tf_call(e->h, out, m->f, &m->of, given);
    case TV_LOOP: return call_loop(e, out, callee->u.other, given);
    case TV_UNDEFINED: return medvl_tv_no_value(e->h, callee);
    default:
        return medvl_tv_fail(e->h, "a %s cannot be called",
                             medvl_tv_type_name(callee));
    }
}

/* The call with `caller` (may be NULL) as one more named argument. */
static int call_with(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out, const struct medvl_tv *caller)
{
    const struct medvl_node *target = n->a;
    const struct medvl_tf *f = NULL;
    struct medvl_tf_given given;
    struct medvl_tv callee;
    int rc;

    if (target->kind == NODE_MEMBER) {
        const struct medvl_tv *name = &target->value;
        const struct medvl_span word = {name->u.string->data,
                                        name->u.string->size};

        rc = eval(e, target->a, &callee);
        if (rc == MEDVL_OK)
            f = medvl_tf_method(&callee, word);
        if (rc == MEDVL_OK && (f || callee.kind == TV_LOOP)) {
            rc = given_args(e, &given, n->list, 0);
            if (rc < 0)
                return rc;
            return f ? medvl_tf_call(e->h, out, f, &callee, &given)
                     : loop_method(e, out, callee.u.other, name, &given);
        }
        if (rc == MEDVL_OK)
            rc = member_of(e, &callee, &callee, name);
    } else {
        rc = eval(e, target, &callee);
    }
    if (rc == MEDVL_OK)
        rc = given_args(e, &given, n->list, caller ? 1 : 0);
    if (rc == MEDVL_OK && caller) {
        struct medvl_tf_named *named = (struct medvl_tf_named *)given.named;

        named[given.named_count].name = "caller";
        named[given.named_count++].value = *caller;
    }
    return rc < 0 ? rc : call_value(e, out, &callee, &given);
}

static int eval_call(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    return call_with(e, n, out, NULL);
}

static int eval_filter(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    struct medvl_tv in = e->block;
    struct medvl_tf_given given;
    int rc = n->a ? eval(e, n->a, &in) : MEDVL_OK;

    if (rc == MEDVL_OK)
        rc = given_args(e, &given, n->list, 0);
    return rc < 0 ? rc : medvl_tf_call(e->h, out, n->f, &in, &given);
}

/* ---- operators ------------------------------------------------------- */

static int eval_not(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out)
{
    int rc = eval(e, n->a, out);

    *out = medvl_tv_bool(rc == MEDVL_OK && !medvl_tv_truth(out));
    return rc;
}

static int eval_sign(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    const struct medvl_tv zero = medvl_tv_int(0);
    struct medvl_tv value;
    int rc = eval(e, n->a, &value);

    if (rc < 0)
        return rc;
    if (value.kind == TV_UNDEFINED)
        return medvl_tv_no_value(e->h, &value);
    if (!medvl_tv_is_number(&value))
        return medvl_tv_fail(e->h, "a %s has no sign",
                             medvl_tv_type_name(&value));
    if (value.kind == TV_FLOAT) {
        *out = value;
        if (n->kind == NODE_MINUS)
            out->u.f = -value.u.f;
        return MEDVL_OK;
    }
    return medvl_tv_add(e->h, out, &zero, &value,
                        n->kind == NODE_MINUS ? -1 : 1);
}

static int eval_binary(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    struct medvl_tv a, b;
    int rc = eval(e, n->a, &a);

    if (rc == MEDVL_OK)
        rc = eval(e, n->b, &b);
    return rc < 0 ? rc : medvl_tv_operate(e->h, out, n->op, &a, &b);
}

static int eval_concat(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    struct medvl_tv_build b = {0};
    struct medvl_tv value;
    int rc = MEDVL_OK;

    for (n = n->list; n && rc == MEDVL_OK; n = n->next) {
        rc = eval(e, n, &value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_value(e->h, &b, &value);
    }
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &b);
}

static int eval_compare(struct medvl_eval *e, const struct medvl_node *n,
                        struct medvl_tv *out)
{
    struct medvl_tv left, right;
    bool holds = true;
    int rc = eval(e, n->a, &left);

    for (n = n->list; n && holds && rc == MEDVL_OK; n = n->next) {
        rc = eval(e, n->a, &right);
        if (rc == MEDVL_OK)
            rc = medvl_tv_compare(e->h, &holds, n->op, &left, &right);
        left = right;
    }
    *out = medvl_tv_bool(holds);
    return rc;
}

static int eval_and_or(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    int rc = eval(e, n->a, out);

    if (rc < 0 || medvl_tv_truth(out) == (n->kind == NODE_OR))
        return rc;
    return eval(e, n->b, out);
}

static int eval_condition(struct medvl_eval *e, const struct medvl_node *n,
                          struct medvl_tv *out)
{
    struct medvl_tv test;
    int rc = eval(e, n->a, &test);

    if (rc < 0)
        return rc;
    if (medvl_tv_truth(&test))
        return eval(e, n->b, out);
    *out = medvl_tv_undefined(NULL);
    return n->c ? eval(e, n->c, out) : MEDVL_OK;
}

/* ---- statements ------------------------------------------------------ */

static int exec_data(struct medvl_eval *e, const struct medvl_node *n)
{
    return medvl_tv_put_value(e->h, e->out, &n->value);
}

static int exec_output(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = eval(e, n->a, &value);

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
            return exec(e, n->body);
        rc = eval(e, n->a, &test);
        if (rc < 0)
            return rc;
        if (medvl_tv_truth(&test))
            return exec(e, n->body);
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
        rc = open_scope(e, outer);
        if (rc == MEDVL_OK)
            rc = assign(e, n->a, all->items[i]);
        if (rc == MEDVL_OK)
            rc = eval(e, n->c, &keep);
        if (rc == MEDVL_OK && medvl_tv_truth(&keep))
            rc = medvl_tv_push(e->h, all->items[i]);
        e->scope = outer;
    }
    return rc < 0 ? rc : medvl_tv_take(e->h, items, TV_LIST, base);
}

static int run_loop(struct medvl_eval *e, const struct medvl_node *n,
                    const struct medvl_tv *over, int depth)
{
    struct medvl_scope *outer = e->scope;
    const int name = medvl_tree_name(e->tree, "loop");
    struct medvl_tv items, self;
    struct loop *l = medvl_tv_alloc(e->h, 1, sizeof(*l));
    int rc = l ? medvl_tv_items(e->h, &items, over) : (int)e->h->err->code;

    if (rc == MEDVL_OK && n->c)
        rc = loop_items(e, &items, n);
    if (rc < 0)
        return rc;
    *l = (struct loop){n, outer, *items.u.list, 0, depth,
                       medvl_tv_undefined(NULL)};
    self = (struct medvl_tv){.kind = TV_LOOP, .u.other = l};
    for (; l->index < l->items.count; l->index++) {
        rc = open_scope(e, outer);
        if (rc == MEDVL_OK && name >= 0)
            rc = bind(e, name, self);
        if (rc == MEDVL_OK)
            rc = assign(e, n->a, l->items.items[l->index]);
        if (rc == MEDVL_OK)
            rc = exec(e, n->body);
        e->scope = outer;
        if (rc < 0 || rc == FLOW_BREAK)
            break;
        rc = medvl_tv_steps(e->h, 1);
        if (rc < 0)
            break;
    }
    if (rc < 0 || l->items.count || !n->d)
        return rc < 0 ? rc : MEDVL_OK;
    rc = open_scope(e, outer);
    if (rc == MEDVL_OK)
        rc = exec(e, n->d->body);
    e->scope = outer;
    return rc;
}

static int exec_for(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv over;
    int rc = eval(e, n->b, &over);

    return rc < 0 ? rc : run_loop(e, n, &over, 0);
}

/* A body in a scope of its own. */
static int exec_block(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_scope *outer = e->scope;
    int rc = open_scope(e, outer);

    if (rc == MEDVL_OK)
        rc = exec(e, n->body);
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
    int rc = eval(e, n->b, &value);

    return rc < 0 ? rc : assign(e, n->a, value);
}

static int exec_set_block(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = capture(e, &value, n);

    e->block = value;
    if (rc == MEDVL_OK && n->b)
        rc = eval(e, n->b, &value);
    return rc < 0 ? rc : assign(e, n->a, value);
}

static int exec_filtered(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = capture(e, &e->block, n);

    if (rc == MEDVL_OK)
        rc = eval(e, n->b, &value);
    return rc < 0 ? rc : medvl_tv_put_value(e->h, e->out, &value);
}

/* The values are evaluated outside of the new scope. */
static int exec_with(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_scope *outer = e->scope, *inner;
    struct medvl_tv value;
    int rc = open_scope(e, outer);

    inner = e->scope;
    for (const struct medvl_node *set = n->list; set && rc == MEDVL_OK;
         set = set->next) {
        e->scope = outer;
        rc = eval(e, set->b, &value);
        e->scope = inner;
        if (rc == MEDVL_OK)
            rc = assign(e, set->a, value);
    }
    if (rc == MEDVL_OK)
        rc = exec(e, n->body);
    e->scope = outer;
    return rc;
}

static int exec_jump(struct medvl_eval *e, const struct medvl_node *n)
{
    (void)e;
    return n->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
}

/* ---- macros ---------------------------------------------------------- */

static int make_macro(struct medvl_eval *e, struct medvl_tv *out,
                      const struct medvl_node *n)
{
    struct macro *macro = medvl_tv_alloc(e->h, 1, sizeof(*macro));

    if (!macro)
        return (int)e->h->err->code;
    *macro = (struct macro){n, e->scope};
    *out = (struct medvl_tv){.kind = TV_MACRO, .u.other = macro};
    return MEDVL_OK;
}

static int exec_macro(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = make_macro(e, &value, n);

    return rc < 0 ? rc : bind(e, n->name, value);
}

static int exec_call_block(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv caller, value;
    int rc = make_macro(e, &caller, n->b);

    if (rc == MEDVL_OK)
        rc = call_with(e, n->a, &value, &caller);
    return rc < 0 ? rc : medvl_tv_put_value(e->h, e->out, &value);
}

/* Arguments that no parameter takes: varargs and kwargs, where named. */
static int bind_rest(struct medvl_eval *e, const struct medvl_tf_given *given,
                     size_t used, const bool *taken)
{
    struct medvl_tv rest, named, key;
    bool extra = false;
    int rc = medvl_tv_dict(e->h, &named);

    if (given->count > used && medvl_tree_name(e->tree, "varargs") < 0)
        return medvl_tv_fail(e->h, "the macro takes %zu arguments, not %zu",
                             used, given->count);
    if (rc == MEDVL_OK)
        rc = medvl_tv_list(e->h, &rest, TV_TUPLE, given->items + used,
                           given->count - used);
    if (rc == MEDVL_OK)
        rc = bind_word(e, "varargs", rest);
    for (size_t i = 0; i < given->named_count && rc == MEDVL_OK; i++) {
        if (taken[i])
            continue;
        if (!strcmp(given->named[i].name, "caller")) {
            rc = bind_word(e, "caller", given->named[i].value);
            continue;
        }
        extra = true;
        rc = medvl_tv_string(e->h, &key, given->named[i].name,
                             strlen(given->named[i].name), false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(e->h, named.u.dict, key,
                                   given->named[i].value);
    }
    if (rc == MEDVL_OK && extra && medvl_tree_name(e->tree, "kwargs") < 0)
        return medvl_tv_fail(e->h, "the macro has no argument of that name");
    return rc < 0 ? rc : bind_word(e, "kwargs", named);
}

/* Bind parameters in the scope that is open. */
static int bind_parameters(struct medvl_eval *e, const struct macro *macro,
                           const struct medvl_tf_given *given)
{
    bool *taken = medvl_tv_alloc(e->h, given->named_count + 1, 1);
    struct medvl_tv value;
    size_t at = 0;
    int rc = MEDVL_OK;

    if (!taken)
        return (int)e->h->err->code;
    memset(taken, 0, given->named_count + 1);
    for (const struct medvl_node *p = macro->node->list; p && rc == MEDVL_OK;
         p = p->next) {
        const char *name = e->tree->names[p->name];
        bool have = at < given->count;

        value = medvl_tv_undefined(name);
        if (have)
            value = given->items[at++];
        for (size_t i = 0; i < given->named_count; i++)
            if (!strcmp(given->named[i].name, name)) {
                if (have)
                    return medvl_tv_fail(e->h, "\"%s\" is given twice", name);
                value = given->named[i].value;
                taken[i] = have = true;
            }
        if (!have && p->a)
            rc = eval(e, p->a, &value);
        if (rc == MEDVL_OK)
            rc = bind(e, p->name, value);
    }
    return rc < 0 ? rc : bind_rest(e, given, at, taken);
}

static int call_macro(struct medvl_eval *e, struct medvl_tv *out,
                      const struct macro *macro,
                      const struct medvl_tf_given *given)
{
    struct medvl_tv_build text = {0}, *outer = e->out;
    struct medvl_scope *scope = e->scope;
    int rc = open_scope(e, macro->scope);

    e->out = &text;
    if (rc == MEDVL_OK)
        rc = bind_parameters(e, macro, given);
    if (rc == MEDVL_OK)
        rc = exec(e, macro->node->body);
    e->out = outer;
    e->scope = scope;
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &text);
}

/* ---- tables ---------------------------------------------------------- */

static int (*const EVAL[NODE_KINDS])(struct medvl_eval *,
                                     const struct medvl_node *,
                                     struct medvl_tv *) = {
    [NODE_CONSTANT] = eval_constant,
    [NODE_NAME] = eval_name,
    [NODE_LIST] = eval_list,
    [NODE_TUPLE] = eval_list,
    [NODE_DICT] = eval_dict,
    [NODE_MEMBER] = eval_member,
    [NODE_ITEM] = eval_item,
    [NODE_SLICE] = eval_slice,
    [NODE_CALL] = eval_call,
    [NODE_FILTER] = eval_filter,
    [NODE_TEST] = eval_filter,
    [NODE_NOT] = eval_not,
    [NODE_MINUS] = eval_sign,
    [NODE_PLUS] = eval_sign,
    [NODE_BINARY] = eval_binary,
    [NODE_CONCAT] = eval_concat,
    [NODE_COMPARE] = eval_compare,
    [NODE_AND] = eval_and_or,
    [NODE_OR] = eval_and_or,
    [NODE_CONDITION] = eval_condition,
};

static int (*const EXEC[NODE_KINDS])(struct medvl_eval *,
                                     const struct medvl_node *) = {
    [NODE_DATA] = exec_data,
    [NODE_OUTPUT] = exec_output,
    [NODE_IF] = exec_if,
    [NODE_FOR] = exec_for,
    [NODE_BLOCK] = exec_block,
    [NODE_SET] = exec_set,
    [NODE_SET_BLOCK] = exec_set_block,
    [NODE_MACRO] = exec_macro,
    [NODE_CALL_BLOCK] = exec_call_block,
    [NODE_FILTERED] = exec_filtered,
    [NODE_WITH] = exec_with,
    [NODE_BREAK] = exec_jump,
    [NODE_CONTINUE] = exec_jump,
};

static int locate(struct medvl_eval *e, const struct medvl_node *n, int rc)
{
    if (!e->located)
        medvl_context(e->h->err, "line %d, column %d", n->line, n->column);
    e->located = true;
    return rc;
}

static int eval(struct medvl_eval *e, const struct medvl_node *n,
                struct medvl_tv *out)
{
    int rc = medvl_tv_enter(e->h);

    if (rc == MEDVL_OK) {
        rc = EVAL[n->kind](e, n, out);
        e->h->depth--;
    }
    return rc < 0 ? locate(e, n, rc) : rc;
}

static int exec(struct medvl_eval *e, const struct medvl_node *body)
{
    int rc = MEDVL_OK;

    for (; body && rc == MEDVL_OK; body = body->next) {
        rc = medvl_tv_enter(e->h);
        if (rc == MEDVL_OK) {
            rc = EXEC[body->kind](e, body);
            e->h->depth--;
        }
        if (rc < 0)
            return locate(e, body, rc);
    }
    return rc;
}

/* The tables of names and the outermost scope. */
static int begin(struct medvl_eval *e)
{
    const size_t count = (size_t)e->tree->name_count;

    e->known = medvl_tv_alloc(e->h, count, sizeof(*e->known));
    e->is_known = medvl_tv_alloc(e->h, count, sizeof(*e->is_known));
    if (!e->known || !e->is_known)
        return (int)e->h->err->code;
    memset(e->is_known, 0, count * sizeof(*e->is_known));
    return open_scope(e, NULL);
}

int medvl_eval_run(struct medvl_eval *e)
{
    int rc = begin(e);

    return rc < 0 ? rc : exec(e, e->tree->body);
}

int medvl_eval_value(struct medvl_eval *e, struct medvl_tv *out)
{
    int rc = begin(e);

    return rc < 0 ? rc : eval(e, e->tree->body, out);
}
