/*
 * The walk over a template's expressions: one function a kind of node, in
 * the table at the end.  Scopes are lists of bindings on the heap; a macro
 * keeps the scope it was made in, a loop makes one an iteration.
 *
 * A failing node adds its line and column, the innermost one alone.
 *
 * Read next: template_apply.c.
 */
#include <string.h>

#include "lib/text/template_operate.h"
#include "lib/text/template_walk.h"

struct medvl_binding {
    struct medvl_binding *next;
    int name;
    struct medvl_tv value;
};

/* ---- scopes ---------------------------------------------------------- */

int medvl_walk_open(struct medvl_eval *e, struct medvl_scope *parent)
{
    struct medvl_scope *scope = medvl_tv_alloc(e->h, 1, sizeof(*scope));

    if (!scope)
        return (int)e->h->err->code;
    *scope = (struct medvl_scope){parent, NULL};
    e->scope = scope;
    return MEDVL_OK;
}

int medvl_walk_bind(struct medvl_eval *e, int name, struct medvl_tv value)
{
    struct medvl_binding *b;

    for (b = e->scope->first; b; b = b->next)
        if (b->name == name) {
            b->value = value;
            return MEDVL_OK;
        }
    b = medvl_tv_alloc(e->h, 1, sizeof(*b));
    if (!b)
        return (int)e->h->err->code;
    *b = (struct medvl_binding){e->scope->first, name, value};
    e->scope->first = b;
    return MEDVL_OK;
}

/* Bind a name that the template may not use at all. */
int medvl_walk_bind_word(struct medvl_eval *e, const char *word,
                         struct medvl_tv value)
{
    const int name = medvl_tree_name(e->tree, word);

    return name < 0 ? MEDVL_OK : medvl_walk_bind(e, name, value);
}

static int eval_name(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    const char *text = e->tree->names[n->name];
    const struct medvl_tf *f;
    int64_t walked = 0;
    int rc;

    for (struct medvl_scope *s = e->scope; s; s = s->parent, walked++)
        for (struct medvl_binding *b = s->first; b; b = b->next, walked++)
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
            f = medvl_function_find(e->h, medvl_span(text));
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
int medvl_walk_assign(struct medvl_eval *e, const struct medvl_node *target,
                      struct medvl_tv value)
{
    struct medvl_tv items, space;
    size_t i = 0;
    int rc;

    if (target->kind == NODE_NAME)
        return medvl_walk_bind(e, target->name, value);
    if (target->kind == NODE_MEMBER) {
        rc = medvl_walk_eval(e, target->a, &space);
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
        rc = medvl_walk_assign(e, target, items.u.list->items[i]);
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
        rc = medvl_walk_eval(e, n, &value);
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
        rc = medvl_walk_eval(e, n->a, &key);
        if (rc == MEDVL_OK)
            rc = medvl_walk_eval(e, n->b, &value);
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

static int loop_member(struct medvl_tv *out, const struct medvl_loop *l,
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
    struct medvl_method *m = medvl_tv_alloc(e->h, 1, sizeof(*m));

    if (!m)
        return (int)e->h->err->code;
    *m = (struct medvl_method){*of, f};
    *out = (struct medvl_tv){.kind = TV_METHOD, .u.other = m};
    return MEDVL_OK;
}

/* of.key: methods come before members, as getattr does it. */
int medvl_walk_member(struct medvl_eval *e, struct medvl_tv *out,
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
    int rc = medvl_walk_eval(e, n->a, &of);

    return rc < 0 ? rc : medvl_walk_member(e, out, &of, &n->value);
}

static int eval_item(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    struct medvl_tv of, key;
    bool found = false;
    int rc = medvl_walk_eval(e, n->a, &of);

    if (rc == MEDVL_OK)
        rc = medvl_walk_eval(e, n->b, &key);
    if (rc == MEDVL_OK && of.kind == TV_UNDEFINED)
        return medvl_tv_no_value(e->h, &of);
    if (rc == MEDVL_OK)
        rc = medvl_tv_item(e->h, out, &found, &of, &key);
    if (rc < 0 || found)
        return rc;
    if (key.kind == TV_STRING && of.kind != TV_NAMESPACE)
        return medvl_walk_member(e, out, &of, &key);
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
        rc = medvl_walk_eval(e, n, &value);
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
    int rc = medvl_walk_eval(e, n->a, &of);

    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->b, &from, &bounds[0]);
    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->c, &to, &bounds[1]);
    if (rc == MEDVL_OK)
        rc = slice_bound(e, n->d, &step, &bounds[2]);
    return rc < 0 ? rc
                  : medvl_tv_slice(e->h, out, &of, from, to, step ? *step : 1);
}

/* ---- operators ------------------------------------------------------- */

static int eval_not(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out)
{
    int rc = medvl_walk_eval(e, n->a, out);

    *out = medvl_tv_bool(rc == MEDVL_OK && !medvl_tv_truth(out));
    return rc;
}

static int eval_sign(struct medvl_eval *e, const struct medvl_node *n,
                     struct medvl_tv *out)
{
    const struct medvl_tv zero = medvl_tv_int(0);
    struct medvl_tv value;
    int rc = medvl_walk_eval(e, n->a, &value);

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
    int rc = medvl_walk_eval(e, n->a, &a);

    if (rc == MEDVL_OK)
        rc = medvl_walk_eval(e, n->b, &b);
    return rc < 0 ? rc : medvl_tv_operate(e->h, out, n->op, &a, &b);
}

static int eval_concat(struct medvl_eval *e, const struct medvl_node *n,
                       struct medvl_tv *out)
{
    struct medvl_tv_build b = {0};
    struct medvl_tv value;
    int rc = MEDVL_OK;

    for (n = n->list; n && rc == MEDVL_OK; n = n->next) {
        rc = medvl_walk_eval(e, n, &value);
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
    int rc = medvl_walk_eval(e, n->a, &left);

    for (n = n->list; n && holds && rc == MEDVL_OK; n = n->next) {
        rc = medvl_walk_eval(e, n->a, &right);
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
    int rc = medvl_walk_eval(e, n->a, out);

    if (rc < 0 || medvl_tv_truth(out) == (n->kind == NODE_OR))
        return rc;
    return medvl_walk_eval(e, n->b, out);
}

static int eval_condition(struct medvl_eval *e, const struct medvl_node *n,
                          struct medvl_tv *out)
{
    struct medvl_tv test;
    int rc = medvl_walk_eval(e, n->a, &test);

    if (rc < 0)
        return rc;
    if (medvl_tv_truth(&test))
        return medvl_walk_eval(e, n->b, out);
    *out = medvl_tv_undefined(NULL);
    return n->c ? medvl_walk_eval(e, n->c, out) : MEDVL_OK;
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
    [NODE_CALL] = medvl_walk_call,
    [NODE_FILTER] = medvl_walk_filter,
    [NODE_TEST] = medvl_walk_filter,
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

int medvl_walk_locate(struct medvl_eval *e, const struct medvl_node *n, int rc)
{
    if (!e->located)
        medvl_context(e->h->err, "line %d, column %d", n->line, n->column);
    e->located = true;
    return rc;
}

int medvl_walk_eval(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out)
{
    int rc = medvl_tv_enter(e->h);

    if (rc == MEDVL_OK) {
        rc = EVAL[n->kind](e, n, out);
        e->h->depth--;
    }
    return rc < 0 ? medvl_walk_locate(e, n, rc) : rc;
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
    return medvl_walk_open(e, NULL);
}

int medvl_eval_run(struct medvl_eval *e)
{
    int rc = begin(e);

    return rc < 0 ? rc : medvl_walk_exec(e, e->tree->body);
}

int medvl_eval_value(struct medvl_eval *e, struct medvl_tv *out)
{
    int rc = begin(e);

    return rc < 0 ? rc : medvl_walk_eval(e, e->tree->body, out);
}