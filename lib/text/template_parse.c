/*
 * A parser by recursive descent, one function a level of precedence:
 *
 *   if-else, or, and, not, compare, + -, ~, * / // %, **, unary, postfix
 *
 * Depth is counted where brackets, tags and unary operators nest.
 *
 * Read next: template.c.
 */
#include "lib/text/template_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text/template_lex.h"

#define MAX_NAMES 10000

struct parser {
    struct medvl_tv_heap *h;
    struct medvl_tree *tree;
    const struct medvl_token *at;
    int loops; /* for blocks around us */
};

typedef int parse_fn(struct parser *p, struct medvl_node **out);

static parse_fn expression, parse_or, unary;
static int body(struct parser *p, struct medvl_node **out, const char *ends);

/* ---- tokens ---------------------------------------------------------- */

static int fail(struct parser *p, const char *format, ...)
    MEDVL_PRINTF(2, 3);

static int fail(struct parser *p, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return medvl_token_fail(p->h, p->at->line, p->at->column, "%s", text);
}

static int unexpected(struct parser *p, const char *want)
{
    const struct medvl_token *t = p->at;

    if (t->kind == TOKEN_END)
        return fail(p, "the template ends where %s is expected", want);
    return fail(p, "\"%.*s\" where %s is expected",
                (int)(t->text.size < 60 ? t->text.size : 60), t->text.data,
                want);
}

static bool is_op(const struct parser *p, const char *op)
{
    return p->at->kind == TOKEN_OPERATOR && medvl_span_is(p->at->text, op);
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->at->kind == TOKEN_NAME && medvl_span_is(p->at->text, word);
}

/* Step over the operator (word) if it is next. */
static bool skip_op(struct parser *p, const char *op)
{
    if (!is_op(p, op))
        return false;
    p->at++;
    return true;
}

static bool skip_word(struct parser *p, const char *word)
{
    if (!is_word(p, word))
        return false;
    p->at++;
    return true;
}

static int need_op(struct parser *p, const char *op)
{
    char want[8];

    if (skip_op(p, op))
        return MEDVL_OK;
    snprintf(want, sizeof(want), "\"%s\"", op);
    return unexpected(p, want);
}

static int need_block_end(struct parser *p)
{
    if (p->at->kind != TOKEN_BLOCK_END)
        return unexpected(p, "the tag's end");
    p->at++;
    return MEDVL_OK;
}

/* ---- nodes ----------------------------------------------------------- */

static int make(struct parser *p, struct medvl_node **out,
                enum medvl_node_kind kind, const struct medvl_token *where)
{
    struct medvl_node *node = medvl_tv_alloc(p->h, 1, sizeof(*node));

    if (!node)
        return (int)p->h->err->code;
    memset(node, 0, sizeof(*node));
    node->kind = kind;
    node->line = where->line;
    node->column = where->column;
    *out = node;
    return MEDVL_OK;
}

/* A node over one or two others. */
static int join(struct parser *p, struct medvl_node **out,
                enum medvl_node_kind kind, const struct medvl_token *where,
                struct medvl_node *a, struct medvl_node *b)
{
    int rc = make(p, out, kind, where);

    if (rc == MEDVL_OK) {
        (*out)->a = a;
        (*out)->b = b;
    }
    return rc;
}

int medvl_tree_name(const struct medvl_tree *tree, const char *name)
{
    for (int i = 0; i < tree->name_count; i++)
        if (!strcmp(tree->names[i], name))
            return i;
    return -1;
}

static int intern(struct parser *p, int *out, struct medvl_span name)
{
    struct medvl_tree *tree = p->tree;
    const char **names;
    char *copy = medvl_tv_alloc(p->h, 1, name.size + 1);

    if (!copy)
        return (int)p->h->err->code;
    memcpy(copy, name.data, name.size);
    copy[name.size] = 0;
    *out = medvl_tree_name(tree, copy);
    if (*out >= 0)
        return medvl_tv_steps(p->h, (size_t)*out / 8);
    if (tree->name_count == MAX_NAMES)
        return fail(p, "more than %d names", MAX_NAMES);
    if (tree->name_count == tree->name_capacity) {
        const int more = tree->name_capacity ? 2 * tree->name_capacity : 16;

        names = medvl_tv_extend(p->h, (void *)tree->names,
                                (size_t)tree->name_count * sizeof(*names),
                                (size_t)more * sizeof(*names));
        if (!names)
            return (int)p->h->err->code;
        tree->names = names;
        tree->name_capacity = more;
    }
    *out = tree->name_count;
    tree->names[tree->name_count++] = copy;
    return MEDVL_OK;
}

/* A name as a node of `kind`. */
static int name_node(struct parser *p, struct medvl_node **out,
                     enum medvl_node_kind kind)
{
    int rc;

    if (p->at->kind != TOKEN_NAME)
        return unexpected(p, "a name");
    rc = make(p, out, kind, p->at);
    if (rc == MEDVL_OK)
        rc = intern(p, &(*out)->name, p->at->text);
    p->at++;
    return rc;
}

/* ---- primary expressions --------------------------------------------- */

static int string_constant(struct parser *p, struct medvl_node *node)
{
    const struct medvl_token *first = p->at++;
    struct medvl_tv_string *s;
    size_t size = first->text.size;
    char *data;
    int rc = medvl_tv_string(p->h, &node->value, first->text.data, size,
                             false);

    if (rc < 0 || p->at->kind != TOKEN_STRING)
        return rc;
    for (; p->at->kind == TOKEN_STRING; p->at++)
        size += p->at->text.size;
    data = medvl_tv_alloc(p->h, 1, size);
    if (!data)
        return (int)p->h->err->code;
    s = node->value.u.string;
    s->data = data;
    s->size = size;
    for (; first < p->at; first++) {
        memcpy(data, first->text.data, first->text.size);
        data += first->text.size;
    }
    return MEDVL_OK;
}

/* Items up to `close`; *comma says whether there was one. */
static int items(struct parser *p, struct medvl_node **list,
                 const char *close, bool *comma)
{
    struct medvl_node **tail = list;
    int rc;

    *comma = false;
    while (!skip_op(p, close)) {
        if (tail != list && !*comma)
            return unexpected(p, "a comma");
        rc = expression(p, tail);
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        *comma = skip_op(p, ",");
        if (!*comma && !is_op(p, close)) {
            char want[24];

            snprintf(want, sizeof(want), "a comma or \"%s\"", close);
            return unexpected(p, want);
        }
    }
    return MEDVL_OK;
}

/* ( expression ) or a tuple. */
static int parenthesis(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at++;
    struct medvl_node *list = NULL;
    bool comma;
    int rc = items(p, &list, ")", &comma);

    if (rc < 0)
        return rc;
    if (list && !list->next && !comma) {
        *out = list;
        return MEDVL_OK;
    }
    rc = make(p, out, NODE_TUPLE, where);
    if (rc == MEDVL_OK)
        (*out)->list = list;
    return rc;
}

static int dict(struct parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    bool comma = true;
    int rc = make(p, out, NODE_DICT, p->at++);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    while (!skip_op(p, "}")) {
        if (!comma)
            return unexpected(p, "a comma or \"}\"");
        rc = make(p, tail, NODE_PAIR, p->at);
        if (rc == MEDVL_OK)
            rc = expression(p, &(*tail)->a);
        if (rc == MEDVL_OK)
            rc = need_op(p, ":");
        if (rc == MEDVL_OK)
            rc = expression(p, &(*tail)->b);
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        comma = skip_op(p, ",");
    }
    return MEDVL_OK;
}

static int constant(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *t = p->at;
    int rc = make(p, out, NODE_CONSTANT, t);

    if (rc < 0)
        return rc;
    if (t->kind == TOKEN_STRING)
        return string_constant(p, *out);
    p->at++;
    if (t->kind == TOKEN_INT)
        (*out)->value = medvl_tv_int(t->i);
    else if (t->kind == TOKEN_FLOAT)
        (*out)->value = medvl_tv_float(t->f);
    else if (strchr("nN", t->text.data[0]))
        (*out)->value = medvl_tv_none();
    else
        (*out)->value = medvl_tv_bool(strchr("tT", t->text.data[0]));
    return MEDVL_OK;
}

static bool is_constant(const struct parser *p)
{
    static const char *const WORDS[] = {"true", "false", "none",
                                        "True", "False", "None"};

    if (p->at->kind >= TOKEN_STRING && p->at->kind <= TOKEN_FLOAT)
        return true;
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (is_word(p, WORDS[i]))
            return true;
    return false;
}

static int primary(struct parser *p, struct medvl_node **out)
{
    static const char *const RESERVED[] = {"in", "is", "if", "else",
                                           "and", "or", "not"};
    bool comma;
    int rc;

    if (is_constant(p))
        return constant(p, out);
    if (is_op(p, "("))
        return parenthesis(p, out);
    if (is_op(p, "{"))
        return dict(p, out);
    if (is_op(p, "[")) {
        rc = make(p, out, NODE_LIST, p->at++);
        return rc < 0 ? rc : items(p, &(*out)->list, "]", &comma);
    }
    for (size_t i = 0; i < sizeof(RESERVED) / sizeof(RESERVED[0]); i++)
        if (is_word(p, RESERVED[i]))
            return unexpected(p, "a value");
    if (p->at->kind != TOKEN_NAME)
        return unexpected(p, "a value");
    return name_node(p, out, NODE_NAME);
}

/* ---- calls, members, filters, tests ---------------------------------- */

static int arguments(struct parser *p, struct medvl_node **list)
{
    struct medvl_node **tail = list;
    bool comma = true, named = false;
    int rc;

    p->at++;
    while (!skip_op(p, ")")) {
        if (!comma)
            return unexpected(p, "a comma or \")\"");
        if (is_op(p, "*") || is_op(p, "**"))
            return fail(p, "calls with * are not supported");
        if (p->at->kind == TOKEN_NAME &&
            p->at[1].kind == TOKEN_OPERATOR &&
            medvl_span_is(p->at[1].text, "=")) {
            named = true;
            rc = name_node(p, tail, NODE_KEYWORD);
            p->at++;
            if (rc == MEDVL_OK)
                rc = expression(p, &(*tail)->a);
        } else if (named) {
            return fail(p, "an argument without name behind a named one");
        } else {
            rc = expression(p, tail);
        }
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        comma = skip_op(p, ",");
    }
    return MEDVL_OK;
}

static int call(struct parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc = join(p, &made, NODE_CALL, p->at, *node, NULL);

    if (rc == MEDVL_OK)
        rc = arguments(p, &made->list);
    *node = made;
    return rc;
}

/* [index], [a:b:c] or [a, b] */
static int subscript(struct parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL, *tuple = NULL, **part;
    struct medvl_node **tail;
    bool slice = false;
    int rc = join(p, &made, NODE_ITEM, p->at++, *node, NULL);

    if (rc < 0)
        return rc;
    part = &made->b;
    while (!is_op(p, "]") && !is_op(p, ",")) {
        if (!is_op(p, ":")) {
            rc = expression(p, part);
            if (rc < 0)
                return rc;
        }
        if (!is_op(p, ":"))
            break;
        p->at++;
        slice = true;
        if (part == &made->d)
            return unexpected(p, "\"]\"");
        part = part == &made->b ? &made->c : &made->d;
    }
    if (slice)
        made->kind = NODE_SLICE;
    else if (!made->b)
        return unexpected(p, "an index");
    if (!slice && is_op(p, ",")) {
        rc = make(p, &tuple, NODE_TUPLE, p->at);
        if (rc < 0)
            return rc;
        tuple->list = made->b;
        for (tail = &tuple->list->next; skip_op(p, ",");
             tail = &(*tail)->next) {
            rc = expression(p, tail);
            if (rc < 0)
                return rc;
        }
        made->b = tuple;
    }
    *node = made;
    return need_op(p, "]");
}

static int member(struct parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc = join(p, &made, NODE_MEMBER, p->at++, *node, NULL);

    if (rc < 0)
        return rc;
    if (p->at->kind == TOKEN_INT) {
        made->kind = NODE_ITEM;
        rc = constant(p, &made->b);
    } else if (p->at->kind == TOKEN_NAME) {
        rc = medvl_tv_string(p->h, &made->value, p->at->text.data,
                             p->at->text.size, false);
        p->at++;
    } else {
        return unexpected(p, "a member's name");
    }
    *node = made;
    return rc;
}

static int postfix(struct parser *p, struct medvl_node **node)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        if (is_op(p, "."))
            rc = member(p, node);
        else if (is_op(p, "["))
            rc = subscript(p, node);
        else if (is_op(p, "("))
            rc = call(p, node);
        else
            break;
    }
    return rc;
}

static int filter(struct parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc;

    if (p->at->kind != TOKEN_NAME)
        return unexpected(p, "a filter's name");
    rc = join(p, &made, NODE_FILTER, p->at, *node, NULL);
    if (rc < 0)
        return rc;
    made->f = medvl_filter_find(p->at->text);
    if (!made->f)
        return fail(p, "no filter \"%.*s\"",
                    (int)(p->at->text.size < 60 ? p->at->text.size : 60),
                    p->at->text.data);
    p->at++;
    if (is_op(p, "("))
        rc = arguments(p, &made->list);
    *node = made;
    return rc;
}

/* May what is next be the one argument of a test without parentheses? */
static bool starts_argument(const struct parser *p)
{
    static const char *const NOT[] = {"else", "or", "and", "if", "is",
                                      "in", "not"};

    for (size_t i = 0; i < sizeof(NOT) / sizeof(NOT[0]); i++)
        if (is_word(p, NOT[i]))
            return false;
    return p->at->kind == TOKEN_NAME || is_constant(p) || is_op(p, "[") ||
           is_op(p, "{");
}

static int test(struct parser *p, struct medvl_node **node)
{
    const struct medvl_token *where = p->at++;
    const bool negated = skip_word(p, "not");
    struct medvl_node *made = NULL;
    int rc;

    if (p->at->kind != TOKEN_NAME)
        return unexpected(p, "a test's name");
    rc = join(p, &made, NODE_TEST, p->at, *node, NULL);
    if (rc < 0)
        return rc;
    made->f = medvl_test_find(p->at->text);
    if (!made->f)
        return fail(p, "no test \"%.*s\"",
                    (int)(p->at->text.size < 60 ? p->at->text.size : 60),
                    p->at->text.data);
    p->at++;
    if (is_op(p, "(")) {
        rc = arguments(p, &made->list);
    } else if (is_word(p, "is")) {
        return fail(p, "tests cannot be chained with \"is\"");
    } else if (starts_argument(p)) {
        rc = primary(p, &made->list);
        if (rc == MEDVL_OK)
            rc = postfix(p, &made->list);
    }
    *node = made;
    if (rc == MEDVL_OK && negated)
        rc = join(p, node, NODE_NOT, where, made, NULL);
    return rc;
}

static int filters(struct parser *p, struct medvl_node **node)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        if (skip_op(p, "|"))
            rc = filter(p, node);
        else if (is_word(p, "is"))
            rc = test(p, node);
        else if (is_op(p, "("))
            rc = call(p, node);
        else
            break;
    }
    return rc;
}

/* ---- operators ------------------------------------------------------- */

/* - and + bind closer than filters: -1|abs is 1. */
static int signed_value(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", where->line);
    if (skip_op(p, "-")) {
        rc = signed_value(p, out);
        if (rc == MEDVL_OK)
            rc = join(p, out, NODE_MINUS, where, *out, NULL);
    } else if (skip_op(p, "+")) {
        rc = signed_value(p, out);
        if (rc == MEDVL_OK)
            rc = join(p, out, NODE_PLUS, where, *out, NULL);
    } else {
        rc = primary(p, out);
    }
    if (rc == MEDVL_OK)
        rc = postfix(p, out);
    p->h->depth--;
    return rc;
}

static int unary(struct parser *p, struct medvl_node **out)
{
    int rc = signed_value(p, out);

    return rc < 0 ? rc : filters(p, out);
}

/* A level of binary operators, left to right. */
static int binary(struct parser *p, struct medvl_node **out, parse_fn *under,
                  const char *const *ops, const char *codes)
{
    const struct medvl_token *where;
    struct medvl_node *right;
    int rc = under(p, out);

    while (rc == MEDVL_OK) {
        int i = 0;

        while (ops[i] && !is_op(p, ops[i]))
            i++;
        if (!ops[i])
            break;
        where = p->at++;
        rc = under(p, &right);
        if (rc == MEDVL_OK)
            rc = join(p, out, NODE_BINARY, where, *out, right);
        if (rc == MEDVL_OK)
            (*out)->op = codes[i];
    }
    return rc;
}

static int power(struct parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"**", NULL};

    return binary(p, out, unary, OPS, "p");
}

static int product(struct parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"*", "/", "//", "%", NULL};

    return binary(p, out, power, OPS, "*/f%");
}

static int concat(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *list, **tail;
    int rc = product(p, out);

    if (rc < 0 || !is_op(p, "~"))
        return rc;
    list = *out;
    tail = &list->next;
    while (rc == MEDVL_OK && skip_op(p, "~")) {
        rc = product(p, tail);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    if (rc == MEDVL_OK)
        rc = make(p, out, NODE_CONCAT, where);
    if (rc == MEDVL_OK)
        (*out)->list = list;
    return rc;
}

static int sum(struct parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"+", "-", NULL};

    return binary(p, out, concat, OPS, "+-");
}

/* The comparison that is next, stepped over; 0: none. */
static char comparison(struct parser *p)
{
    static const char *const OPS[] = {"==", "!=", "<=", ">=", "<", ">"};

    for (int i = 0; i < 6; i++)
        if (skip_op(p, OPS[i]))
            return "=!lg<>"[i];
    if (skip_word(p, "in"))
        return 'i';
    if (is_word(p, "not") && p->at[1].kind == TOKEN_NAME &&
        medvl_span_is(p->at[1].text, "in")) {
        p->at += 2;
        return 'n';
    }
    return 0;
}

static int compare(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    struct medvl_node **tail = NULL, *made = NULL;
    int rc = sum(p, out);
    char op;

    while (rc == MEDVL_OK) {
        where = p->at;
        op = comparison(p);
        if (!op)
            break;
        if (!tail) {
            rc = join(p, &made, NODE_COMPARE, where, *out, NULL);
            if (rc < 0)
                break;
            *out = made;
            tail = &made->list;
        }
        rc = make(p, tail, NODE_OPERAND, where);
        if (rc == MEDVL_OK)
            rc = sum(p, &(*tail)->a);
        if (rc == MEDVL_OK) {
            (*tail)->op = op;
            tail = &(*tail)->next;
        }
    }
    return rc;
}

static int parse_not(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    int count = 0, rc;

    while (skip_word(p, "not"))
        count++;
    rc = compare(p, out);
    for (; count && rc == MEDVL_OK; count--)
        rc = join(p, out, NODE_NOT, where, *out, NULL);
    return rc;
}

static int parse_and(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *right;
    int rc = parse_not(p, out);

    while (rc == MEDVL_OK && skip_word(p, "and")) {
        rc = parse_not(p, &right);
        if (rc == MEDVL_OK)
            rc = join(p, out, NODE_AND, where, *out, right);
    }
    return rc;
}

static int parse_or(struct parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *right;
    int rc = parse_and(p, out);

    while (rc == MEDVL_OK && skip_word(p, "or")) {
        rc = parse_and(p, &right);
        if (rc == MEDVL_OK)
            rc = join(p, out, NODE_OR, where, *out, right);
    }
    return rc;
}

static int expression(struct parser *p, struct medvl_node **out)
{
    struct medvl_node *node = NULL;
    const struct medvl_token *where = p->at;
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", where->line);
    rc = parse_or(p, out);
    while (rc == MEDVL_OK && is_word(p, "if")) {
        rc = join(p, &node, NODE_CONDITION, p->at++, NULL, *out);
        if (rc == MEDVL_OK)
            rc = parse_or(p, &node->a);
        if (rc == MEDVL_OK && skip_word(p, "else"))
            rc = expression(p, &node->c);
        if (rc == MEDVL_OK)
            *out = node;
    }
    p->h->depth--;
    return rc;
}

/* expression [, expression ...]: a tuple without parentheses. */
static int expressions(struct parser *p, struct medvl_node **out,
                       parse_fn *one)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *first, **tail;
    int rc = one(p, out);

    if (rc < 0 || !is_op(p, ","))
        return rc;
    first = *out;
    tail = &first->next;
    while (rc == MEDVL_OK && skip_op(p, ",")) {
        if (p->at->kind == TOKEN_BLOCK_END || p->at->kind == TOKEN_VAR_END ||
            is_op(p, "=") || is_word(p, "in"))
            break;
        rc = one(p, tail);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    if (rc == MEDVL_OK)
        rc = make(p, out, NODE_TUPLE, where);
    if (rc == MEDVL_OK)
        (*out)->list = first;
    return rc;
}

/* ---- statements ------------------------------------------------------ */

/* What can be assigned to: a name, a member of a namespace, or a tuple. */
static int target(struct parser *p, struct medvl_node **out)
{
    struct medvl_node *list = NULL, **tail = &list;
    const struct medvl_token *where = p->at;
    int rc;

    if (skip_op(p, "(")) {
        rc = medvl_tv_enter(p->h);
        while (rc == MEDVL_OK && !is_op(p, ")")) {
            rc = target(p, tail);
            if (rc == MEDVL_OK)
                tail = &(*tail)->next;
            if (!skip_op(p, ","))
                break;
        }
        if (rc == MEDVL_OK)
            rc = need_op(p, ")");
        p->h->depth--;
        if (rc == MEDVL_OK)
            rc = make(p, out, NODE_TUPLE, where);
        if (rc == MEDVL_OK)
            (*out)->list = list;
        return rc;
    }
    if (is_constant(p))
        return unexpected(p, "a name");
    rc = name_node(p, out, NODE_NAME);
    if (rc == MEDVL_OK && is_op(p, "."))
        rc = member(p, out);
    return rc;
}

/* The statements up to one of the words `ends` ("elif else endif"). */
static bool ends_with(const struct parser *p, const char *ends)
{
    const struct medvl_span word = p->at[1].text;

    if (p->at->kind != TOKEN_BLOCK || p->at[1].kind != TOKEN_NAME)
        return false;
    for (const char *s = ends; *s;) {
        const size_t n = strcspn(s, " ");

        if (n == word.size && !memcmp(s, word.data, n))
            return true;
        s += n + (s[n] == ' ');
    }
    return false;
}

/* A body, then its end tag, which is stepped over whole. */
static int body_to(struct parser *p, struct medvl_node **out,
                   const char *end)
{
    int rc = need_block_end(p);

    if (rc == MEDVL_OK)
        rc = body(p, out, end);
    if (rc < 0)
        return rc;
    p->at += 2;
    return need_block_end(p);
}

static int parse_if(struct parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    bool last = false;
    int rc = make(p, out, NODE_IF, p->at);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    for (;;) {
        rc = make(p, tail, NODE_BRANCH, p->at++);
        if (rc == MEDVL_OK && !last)
            rc = expressions(p, &(*tail)->a, expression);
        if (rc == MEDVL_OK)
            rc = need_block_end(p);
        if (rc == MEDVL_OK)
            rc = body(p, &(*tail)->body, last ? "endif" : "elif else endif");
        if (rc < 0)
            return rc;
        p->at++;
        if (skip_word(p, "endif"))
            return need_block_end(p);
        last = is_word(p, "else");
        tail = &(*tail)->next;
    }
}

static int parse_for(struct parser *p, struct medvl_node **out)
{
    struct medvl_node *node;
    int rc = make(p, out, NODE_FOR, p->at++);

    if (rc < 0)
        return rc;
    node = *out;
    rc = expressions(p, &node->a, target);
    if (rc == MEDVL_OK && !skip_word(p, "in"))
        rc = unexpected(p, "\"in\"");
    if (rc == MEDVL_OK)
        rc = expressions(p, &node->b, parse_or);
    if (rc == MEDVL_OK && skip_word(p, "if"))
        rc = expression(p, &node->c);
    if (rc == MEDVL_OK && skip_word(p, "recursive"))
        node->op = 'r';
    if (rc == MEDVL_OK)
        rc = need_block_end(p);
    p->loops++;
    if (rc == MEDVL_OK)
        rc = body(p, &node->body, "else endfor");
    p->loops--;
    if (rc < 0)
        return rc;
    p->at++;
    if (skip_word(p, "else")) {
        rc = need_block_end(p);
        if (rc == MEDVL_OK)
            rc = make(p, &node->d, NODE_BLOCK, p->at);
        if (rc == MEDVL_OK)
            rc = body(p, &node->d->body, "endfor");
        p->at++;
    }
    p->at++;
    return rc < 0 ? rc : need_block_end(p);
}

static int parse_set(struct parser *p, struct medvl_node **out)
{
    int rc = make(p, out, NODE_SET, p->at++);

    if (rc == MEDVL_OK)
        rc = expressions(p, &(*out)->a, target);
    if (rc < 0)
        return rc;
    if (skip_op(p, "=")) {
        rc = expressions(p, &(*out)->b, expression);
        return rc < 0 ? rc : need_block_end(p);
    }
    (*out)->kind = NODE_SET_BLOCK;
    rc = filters(p, &(*out)->b);
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endset");
}

/* (a, b=default) */
static int parameters(struct parser *p, struct medvl_node **list)
{
    bool comma = true, named = false;
    int rc = need_op(p, "(");

    while (rc == MEDVL_OK && !skip_op(p, ")")) {
        if (!comma)
            return unexpected(p, "a comma or \")\"");
        rc = name_node(p, list, NODE_PARAMETER);
        if (rc == MEDVL_OK && skip_op(p, "=")) {
            named = true;
            rc = expression(p, &(*list)->a);
        } else if (rc == MEDVL_OK && named) {
            return fail(p, "a parameter without default behind one with");
        }
        if (rc == MEDVL_OK)
            list = &(*list)->next;
        comma = skip_op(p, ",");
    }
    return rc;
}

static int parse_macro(struct parser *p, struct medvl_node **out)
{
    const int loops = p->loops;
    int rc;

    p->at++;
    rc = name_node(p, out, NODE_MACRO);
    if (rc == MEDVL_OK)
        rc = parameters(p, &(*out)->list);
    p->loops = 0;
    if (rc == MEDVL_OK)
        rc = body_to(p, &(*out)->body, "endmacro");
    p->loops = loops;
    return rc;
}

static int parse_call_block(struct parser *p, struct medvl_node **out)
{
    const int loops = p->loops;
    struct medvl_node *caller = NULL;
    int rc = make(p, out, NODE_CALL_BLOCK, p->at++);

    if (rc == MEDVL_OK)
        rc = make(p, &caller, NODE_MACRO, p->at);
    if (rc == MEDVL_OK)
        rc = intern(p, &caller->name, medvl_span("caller"));
    if (rc == MEDVL_OK && is_op(p, "("))
        rc = parameters(p, &caller->list);
    if (rc == MEDVL_OK)
        rc = expression(p, &(*out)->a);
    if (rc == MEDVL_OK && (*out)->a->kind != NODE_CALL)
        rc = fail(p, "a call block needs a call");
    p->loops = 0;
    if (rc == MEDVL_OK)
        rc = body_to(p, &caller->body, "endcall");
    p->loops = loops;
    if (rc == MEDVL_OK)
        (*out)->b = caller;
    return rc;
}

static int parse_filtered(struct parser *p, struct medvl_node **out)
{
    int rc = make(p, out, NODE_FILTERED, p->at++);

    if (rc == MEDVL_OK)
        rc = filter(p, &(*out)->b);
    if (rc == MEDVL_OK)
        rc = filters(p, &(*out)->b);
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endfilter");
}

static int parse_with(struct parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    int rc = make(p, out, NODE_WITH, p->at++);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    while (rc == MEDVL_OK && p->at->kind != TOKEN_BLOCK_END) {
        if (tail != &(*out)->list)
            rc = need_op(p, ",");
        if (rc == MEDVL_OK)
            rc = make(p, tail, NODE_SET, p->at);
        if (rc == MEDVL_OK)
            rc = target(p, &(*tail)->a);
        if (rc == MEDVL_OK)
            rc = need_op(p, "=");
        if (rc == MEDVL_OK)
            rc = expression(p, &(*tail)->b);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endwith");
}

static int parse_generation(struct parser *p, struct medvl_node **out)
{
    int rc = make(p, out, NODE_BLOCK, p->at++);

    return rc < 0 ? rc : body_to(p, &(*out)->body, "endgeneration");
}

static int parse_jump(struct parser *p, struct medvl_node **out)
{
    const bool stop = is_word(p, "break");
    int rc;

    if (!p->loops)
        return fail(p, "\"%s\" outside of a loop",
                    stop ? "break" : "continue");
    rc = make(p, out, stop ? NODE_BREAK : NODE_CONTINUE, p->at++);
    return rc < 0 ? rc : need_block_end(p);
}

static const struct {
    const char *word;
    parse_fn *parse;
} STATEMENTS[] = {
    {"if", parse_if},
    {"for", parse_for},
    {"set", parse_set},
    {"macro", parse_macro},
    {"call", parse_call_block},
    {"filter", parse_filtered},
    {"with", parse_with},
    {"generation", parse_generation},
    {"break", parse_jump},
    {"continue", parse_jump},
};

/* The statement of a tag; p->at is its word. */
static int statement(struct parser *p, struct medvl_node **out)
{
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", p->at->line);
    rc = MEDVL_EFORMAT;
    for (size_t i = 0; i < sizeof(STATEMENTS) / sizeof(STATEMENTS[0]); i++)
        if (is_word(p, STATEMENTS[i].word)) {
            rc = STATEMENTS[i].parse(p, out);
            p->h->depth--;
            return rc;
        }
    return unexpected(p, "a statement");
}

static int body(struct parser *p, struct medvl_node **out, const char *ends)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK && !ends_with(p, ends)) {
        const struct medvl_token *t = p->at++;

        if (t->kind == TOKEN_END) {
            p->at = t;
            return *ends ? fail(p, "the template ends before %s",
                                strrchr(ends, ' ') ? strrchr(ends, ' ') + 1
                                                   : ends)
                         : MEDVL_OK;
        }
        if (t->kind == TOKEN_BLOCK) {
            rc = statement(p, out);
        } else if (t->kind == TOKEN_DATA) {
            rc = make(p, out, NODE_DATA, t);
            if (rc == MEDVL_OK)
                rc = medvl_tv_string(p->h, &(*out)->value, t->text.data,
                                     t->text.size, false);
        } else {
            rc = make(p, out, NODE_OUTPUT, t);
            if (rc == MEDVL_OK)
                rc = expressions(p, &(*out)->a, expression);
            if (rc == MEDVL_OK && p->at->kind != TOKEN_VAR_END)
                rc = unexpected(p, "\"}}\"");
            p->at++;
        }
        if (rc == MEDVL_OK)
            out = &(*out)->next;
    }
    return rc;
}

int medvl_parse_template(struct medvl_tv_heap *h, struct medvl_tree *out,
                         struct medvl_span source)
{
    struct parser p = {h, out, NULL, 0};
    struct medvl_token *tokens;
    int rc = medvl_token_read(h, &tokens, source, false);

    p.at = tokens;
    return rc < 0 ? rc : body(&p, &out->body, "");
}

int medvl_parse_expression(struct medvl_tv_heap *h, struct medvl_tree *out,
                           struct medvl_span source)
{
    struct parser p = {h, out, NULL, 0};
    struct medvl_token *tokens;
    int rc = medvl_token_read(h, &tokens, source, true);

    p.at = tokens;
    if (rc == MEDVL_OK)
        rc = expressions(&p, &out->body, expression);
    if (rc == MEDVL_OK && p.at->kind != TOKEN_END)
        rc = unexpected(&p, "the end");
    return rc;
}
