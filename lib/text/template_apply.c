/*
 * The walk over calls: arguments, methods, loop(), filters, tests, and the
 * macros that a template makes.
 *
 * Read next: template_statement.c.
 */
#include <string.h>

#include "lib/text/template_operate.h"
#include "lib/text/template_walk.h"

struct macro {
    const struct medvl_node *node;
    struct medvl_scope *scope; /* where it was made */
};

static int call_macro(struct medvl_eval *e, struct medvl_tv *out,
                      const struct macro *macro,
                      const struct medvl_tf_given *given);

/* ---- calls ----------------------------------------------------------- */

/* Room for `more` named arguments behind those that are there. */
static struct medvl_tf_named *name_room(struct medvl_eval *e,
                                        struct medvl_tf_given *given,
                                        size_t more)
{
    const size_t size = given->named_count * sizeof(*given->named);
    struct medvl_tf_named *named = medvl_tv_extend(
        e->h, (void *)given->named, size,
        size + more * sizeof(*given->named));

    if (named)
        given->named = named;
    return named;
}

/* The members of `**value` as named arguments. */
static int spread_names(struct medvl_eval *e, struct medvl_tf_given *out,
                        const struct medvl_tv *value)
{
    const struct medvl_tv_dict *dict = value->u.dict;
    struct medvl_tf_named *named;

    if (value->kind != TV_DICT)
        return medvl_tv_fail(e->h, "arguments by ** need a dict, not a %s",
                             medvl_tv_type_name(value));
    named = name_room(e, out, dict->count);
    for (size_t i = 0; i < dict->count; i++) {
        const struct medvl_tv *key = &dict->pairs[i].key;
        char *name;

        if (key->kind != TV_STRING)
            return medvl_tv_fail(e->h, "an argument's name is a %s",
                                 medvl_tv_type_name(key));
        name = medvl_tv_alloc(e->h, 1, key->u.string->size + 1);
        if (!named || !name)
            return (int)e->h->err->code;
        memcpy(name, key->u.string->data, key->u.string->size);
        name[key->u.string->size] = 0;
        for (size_t k = 0; k < out->named_count; k++)
            if (!strcmp(named[k].name, name))
                return medvl_tv_fail(e->h, "\"%.200s\" is given twice", name);
        named[out->named_count].name = name;
        named[out->named_count++].value = dict->pairs[i].value;
    }
    return medvl_tv_steps(e->h, dict->count * (out->named_count / 8 + 1));
}

/* One argument: a position's onto the stack, a named one into *out. */
static int given_arg(struct medvl_eval *e, struct medvl_tf_given *out,
                     const struct medvl_node *n)
{
    const bool spread = n->kind == NODE_SPREAD || n->kind == NODE_KEYWORD;
    struct medvl_tf_named *named;
    struct medvl_tv value, items;
    int rc = medvl_walk_eval(e, spread ? n->a : n, &value);

    if (rc == MEDVL_OK && n->kind == NODE_KEYWORD) {
        named = name_room(e, out, 1);
        if (!named)
            return (int)e->h->err->code;
        named[out->named_count].name = e->tree->names[n->name];
        named[out->named_count++].value = value;
        return MEDVL_OK;
    }
    if (rc < 0 || !spread)
        return rc < 0 ? rc : medvl_tv_push(e->h, value);
    if (n->op == 'p')
        return spread_names(e, out, &value);
    rc = medvl_tv_items(e->h, &items, &value);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++)
        rc = medvl_tv_push(e->h, items.u.list->items[i]);
    return rc;
}

/* Evaluate arguments; both arrays are never NULL. */
static int given_args(struct medvl_eval *e, struct medvl_tf_given *out,
                      const struct medvl_node *list)
{
    static const struct medvl_tv NOTHING = {0};
    static const struct medvl_tf_named NO_NAME = {0};
    const size_t base = e->h->stack_size;
    struct medvl_tv items;
    int rc = MEDVL_OK;

    *out = (struct medvl_tf_given){&NOTHING, 0, NULL, 0};
    for (; list && rc == MEDVL_OK; list = list->next)
        rc = given_arg(e, out, list);
    if (rc == MEDVL_OK && e->h->stack_size > base) {
        rc = medvl_tv_take(e->h, &items, TV_LIST, base);
        if (rc == MEDVL_OK)
            *out = (struct medvl_tf_given){items.u.list->items,
                                           items.u.list->count, out->named,
                                           out->named_count};
    }
    if (!out->named)
        out->named = &NO_NAME;
    return rc;
}

static int call_loop(struct medvl_eval *e, struct medvl_tv *out,
                     struct medvl_loop *l, const struct medvl_tf_given *given)
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
    rc = medvl_walk_loop(e, l->node, &given->items[0], l->depth + 1);
    e->out = outer;
    e->scope = scope;
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &text);
}

/* loop.cycle(...) and loop.changed(...) */
static int loop_method(struct medvl_eval *e, struct medvl_tv *out,
                       struct medvl_loop *l, const struct medvl_tv *name,
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
    const struct medvl_method *m = callee->u.other;

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

        rc = medvl_walk_eval(e, target->a, &callee);
        if (rc == MEDVL_OK)
            f = medvl_tf_method(&callee, word);
        if (rc == MEDVL_OK && (f || callee.kind == TV_LOOP)) {
            rc = given_args(e, &given, n->list);
            if (rc < 0)
                return rc;
            return f ? medvl_tf_call(e->h, out, f, &callee, &given)
                     : loop_method(e, out, callee.u.other, name, &given);
        }
        if (rc == MEDVL_OK)
            rc = medvl_walk_member(e, &callee, &callee, name);
    } else {
        rc = medvl_walk_eval(e, target, &callee);
    }
    if (rc == MEDVL_OK)
        rc = given_args(e, &given, n->list);
    if (rc == MEDVL_OK && caller) {
        struct medvl_tf_named *named = name_room(e, &given, 1);

        if (!named)
            return (int)e->h->err->code;
        named[given.named_count].name = "caller";
        named[given.named_count++].value = *caller;
    }
    return rc < 0 ? rc : call_value(e, out, &callee, &given);
}

int medvl_walk_call(struct medvl_eval *e, const struct medvl_node *n,
                    struct medvl_tv *out)
{
    return call_with(e, n, out, NULL);
}

int medvl_walk_filter(struct medvl_eval *e, const struct medvl_node *n,
                      struct medvl_tv *out)
{
    struct medvl_tv in = e->block;
    struct medvl_tf_given given;
    int rc = n->a ? medvl_walk_eval(e, n->a, &in) : MEDVL_OK;

    if (rc == MEDVL_OK)
        rc = given_args(e, &given, n->list);
    return rc < 0 ? rc : medvl_tf_call(e->h, out, n->f, &in, &given);
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

int medvl_walk_macro(struct medvl_eval *e, const struct medvl_node *n)
{
    struct medvl_tv value;
    int rc = make_macro(e, &value, n);

    return rc < 0 ? rc : medvl_walk_bind(e, n->name, value);
}

int medvl_walk_call_block(struct medvl_eval *e, const struct medvl_node *n)
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
        rc = medvl_walk_bind_word(e, "varargs", rest);
    for (size_t i = 0; i < given->named_count && rc == MEDVL_OK; i++) {
        if (taken[i])
            continue;
        if (!strcmp(given->named[i].name, "caller")) {
            rc = medvl_walk_bind_word(e, "caller", given->named[i].value);
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
    return rc < 0 ? rc : medvl_walk_bind_word(e, "kwargs", named);
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
            rc = medvl_walk_eval(e, p->a, &value);
        if (rc == MEDVL_OK)
            rc = medvl_walk_bind(e, p->name, value);
    }
    return rc < 0 ? rc : bind_rest(e, given, at, taken);
}

static int call_macro(struct medvl_eval *e, struct medvl_tv *out,
                      const struct macro *macro,
                      const struct medvl_tf_given *given)
{
    struct medvl_tv_build text = {0}, *outer = e->out;
    struct medvl_scope *scope = e->scope;
    int rc = medvl_walk_open(e, macro->scope);

    e->out = &text;
    if (rc == MEDVL_OK)
        rc = bind_parameters(e, macro, given);
    if (rc == MEDVL_OK)
        rc = medvl_walk_exec(e, macro->node->body);
    e->out = outer;
    e->scope = scope;
    return rc < 0 ? rc : medvl_tv_built(e->h, out, &text);
}
