/*
 * Expressions by recursive descent, one function a level of precedence:
 *
 *   if-else, or, and, not, compare, + -, ~, * / // %, **, unary, postfix
 *
 * Depth is counted where brackets and unary operators nest.
 *
 * Read next: template_parse.c.
 */
#include "lib/text/template_expression.h"

#include <stdio.h>
#include <string.h>

/* ---- primary expressions ---------------------------------------------- */

static int string_constant(struct medvl_parser *p, struct medvl_node *node)
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
static int items(struct medvl_parser *p, struct medvl_node **list,
                 const char *close, bool *comma)
{
    struct medvl_node **tail = list;
    int rc;

    *comma = false;
    while (!medvl_parser_skip(p, close)) {
        if (tail != list && !*comma)
            return medvl_parser_unexpected(p, "a comma");
        rc = medvl_parse_value(p, tail);
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        *comma = medvl_parser_skip(p, ",");
        if (!*comma && !medvl_parser_is(p, close)) {
            char want[24];

            snprintf(want, sizeof(want), "a comma or \"%s\"", close);
            return medvl_parser_unexpected(p, want);
        }
    }
    return MEDVL_OK;
}

/* ( expression ) or a tuple. */
static int parenthesis(struct medvl_parser *p, struct medvl_node **out)
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
    rc = medvl_parser_make(p, out, NODE_TUPLE, where);
    if (rc == MEDVL_OK)
        (*out)->list = list;
    return rc;
}

static int dict(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    bool comma = true;
    int rc = medvl_parser_make(p, out, NODE_DICT, p->at++);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    while (!medvl_parser_skip(p, "}")) {
        if (!comma)
            return medvl_parser_unexpected(p, "a comma or \"}\"");
        rc = medvl_parser_make(p, tail, NODE_PAIR, p->at);
        if (rc == MEDVL_OK)
            rc = medvl_parse_value(p, &(*tail)->a);
        if (rc == MEDVL_OK)
            rc = medvl_parser_need(p, ":");
        if (rc == MEDVL_OK)
            rc = medvl_parse_value(p, &(*tail)->b);
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        comma = medvl_parser_skip(p, ",");
    }
    return MEDVL_OK;
}

static int constant(struct medvl_parser *p, struct medvl_node **out)
{
    const struct medvl_token *t = p->at;
    int rc = medvl_parser_make(p, out, NODE_CONSTANT, t);

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

static bool is_constant(const struct medvl_parser *p)
{
    static const char *const WORDS[] = {"true", "false", "none",
                                        "True", "False", "None"};

    if (p->at->kind >= TOKEN_STRING && p->at->kind <= TOKEN_FLOAT)
        return true;
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (medvl_parser_is_word(p, WORDS[i]))
            return true;
    return false;
}

static int primary(struct medvl_parser *p, struct medvl_node **out)
{
    static const char *const RESERVED[] = {"in", "is", "if", "else",
                                           "and", "or", "not"};
    bool comma;
    int rc;

    if (is_constant(p))
        return constant(p, out);
    if (medvl_parser_is(p, "("))
        return parenthesis(p, out);
    if (medvl_parser_is(p, "{"))
        return dict(p, out);
    if (medvl_parser_is(p, "[")) {
        rc = medvl_parser_make(p, out, NODE_LIST, p->at++);
        return rc < 0 ? rc : items(p, &(*out)->list, "]", &comma);
    }
    for (size_t i = 0; i < sizeof(RESERVED) / sizeof(RESERVED[0]); i++)
        if (medvl_parser_is_word(p, RESERVED[i]))
            return medvl_parser_unexpected(p, "a value");
    if (p->at->kind != TOKEN_NAME)
        return medvl_parser_unexpected(p, "a value");
    return medvl_parser_name(p, out, NODE_NAME);
}

/* ---- calls, members, filters, tests ----------------------------------- */

/* name=value, *values or **names; `stage` is what came before it. */
static int argument(struct medvl_parser *p, struct medvl_node **out,
                    int *stage)
{
    enum { PLACED,
           NAMED,
           SPREAD,
           SPREAD_NAMES };
    int is = PLACED, rc;

    if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_OPERATOR &&
        medvl_span_is(p->at[1].text, "="))
        is = NAMED;
    else if (medvl_parser_is(p, "*"))
        is = SPREAD;
    else if (medvl_parser_is(p, "**"))
        is = SPREAD_NAMES;

    if (*stage == SPREAD_NAMES || (*stage && is == PLACED) ||
        (*stage == SPREAD && is == SPREAD))
        return medvl_parser_fail(p, "an argument without name behind a "
                                    "named one");
    if (is > *stage)
        *stage = is;
    if (is == PLACED)
        return medvl_parse_value(p, out);
    if (is == NAMED) {
        rc = medvl_parser_name(p, out, NODE_KEYWORD);
        p->at++;
    } else {
        rc = medvl_parser_make(p, out, NODE_SPREAD, p->at++);
        if (rc == MEDVL_OK && is == SPREAD_NAMES)
            (*out)->op = 'p';
    }
    return rc < 0 ? rc : medvl_parse_value(p, &(*out)->a);
}

static int arguments(struct medvl_parser *p, struct medvl_node **list)
{
    struct medvl_node **tail = list;
    bool comma = true;
    int stage = 0, rc;

    p->at++;
    while (!medvl_parser_skip(p, ")")) {
        if (!comma)
            return medvl_parser_unexpected(p, "a comma or \")\"");
        rc = argument(p, tail, &stage);
        if (rc < 0)
            return rc;
        tail = &(*tail)->next;
        comma = medvl_parser_skip(p, ",");
    }
    return MEDVL_OK;
}

static int call(struct medvl_parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc = medvl_parser_join(p, &made, NODE_CALL, p->at, *node, NULL);

    if (rc == MEDVL_OK)
        rc = arguments(p, &made->list);
    *node = made;
    return rc;
}

/* [index], [a:b:c] or [a, b] */
static int subscript(struct medvl_parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL, *tuple = NULL, **part;
    struct medvl_node **tail;
    bool slice = false;
    int rc = medvl_parser_join(p, &made, NODE_ITEM, p->at++, *node, NULL);

    if (rc < 0)
        return rc;
    part = &made->b;
    while (!medvl_parser_is(p, "]") && !medvl_parser_is(p, ",")) {
        if (!medvl_parser_is(p, ":")) {
            rc = medvl_parse_value(p, part);
            if (rc < 0)
                return rc;
        }
        if (!medvl_parser_is(p, ":"))
            break;
        p->at++;
        slice = true;
        if (part == &made->d)
            return medvl_parser_unexpected(p, "\"]\"");
        part = part == &made->b ? &made->c : &made->d;
    }
    if (slice)
        made->kind = NODE_SLICE;
    else if (!made->b)
        return medvl_parser_unexpected(p, "an index");
    if (!slice && medvl_parser_is(p, ",")) {
        rc = medvl_parser_make(p, &tuple, NODE_TUPLE, p->at);
        if (rc < 0)
            return rc;
        tuple->list = made->b;
        for (tail = &tuple->list->next; medvl_parser_skip(p, ",");
             tail = &(*tail)->next) {
            rc = medvl_parse_value(p, tail);
            if (rc < 0)
                return rc;
        }
        made->b = tuple;
    }
    *node = made;
    return medvl_parser_need(p, "]");
}

static int member(struct medvl_parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc = medvl_parser_join(p, &made, NODE_MEMBER, p->at++, *node, NULL);

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
        return medvl_parser_unexpected(p, "a member's name");
    }
    *node = made;
    return rc;
}

static int postfix(struct medvl_parser *p, struct medvl_node **node)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        if (medvl_parser_is(p, "."))
            rc = member(p, node);
        else if (medvl_parser_is(p, "["))
            rc = subscript(p, node);
        else if (medvl_parser_is(p, "("))
            rc = call(p, node);
        else
            break;
    }
    return rc;
}

/* The name of a filter (a test) that is there, over a node. */
static int applied(struct medvl_parser *p, struct medvl_node **out,
                   enum medvl_node_kind kind, struct medvl_node *over)
{
    const struct medvl_span name = p->at->text;
    const bool test = kind == NODE_TEST;
    int rc;

    if (p->at->kind != TOKEN_NAME)
        return medvl_parser_unexpected(p, test ? "a test's name"
                                               : "a filter's name");
    rc = medvl_parser_join(p, out, kind, p->at, over, NULL);
    if (rc < 0)
        return rc;
    (*out)->f = test ? medvl_test_find(name) : medvl_filter_find(name);
    if (!(*out)->f)
        return medvl_parser_fail(p, "no %s \"%.*s\"",
                                 test ? "test" : "filter",
                                 (int)(name.size < 60 ? name.size : 60),
                                 name.data);
    p->at++;
    return MEDVL_OK;
}

int medvl_parse_filter(struct medvl_parser *p, struct medvl_node **node)
{
    struct medvl_node *made = NULL;
    int rc = applied(p, &made, NODE_FILTER, *node);

    if (rc == MEDVL_OK && medvl_parser_is(p, "("))
        rc = arguments(p, &made->list);
    *node = made;
    return rc;
}

/* May what is next be the one argument of a test without parentheses? */
static bool starts_argument(const struct medvl_parser *p)
{
    static const char *const NOT[] = {"else", "or", "and", "if", "is",
                                      "in", "not"};

    for (size_t i = 0; i < sizeof(NOT) / sizeof(NOT[0]); i++)
        if (medvl_parser_is_word(p, NOT[i]))
            return false;
    return p->at->kind == TOKEN_NAME || is_constant(p) ||
           medvl_parser_is(p, "[") || medvl_parser_is(p, "{");
}

static int test(struct medvl_parser *p, struct medvl_node **node)
{
    const struct medvl_token *where = p->at++;
    const bool negated = medvl_parser_skip_word(p, "not");
    struct medvl_node *made = NULL;
    int rc = applied(p, &made, NODE_TEST, *node);

    if (rc < 0)
        return rc;
    if (medvl_parser_is(p, "(")) {
        rc = arguments(p, &made->list);
    } else if (medvl_parser_is_word(p, "is")) {
        return medvl_parser_fail(p, "tests cannot be chained with \"is\"");
    } else if (starts_argument(p)) {
        rc = primary(p, &made->list);
        if (rc == MEDVL_OK)
            rc = postfix(p, &made->list);
    }
    *node = made;
    if (rc == MEDVL_OK && negated)
        rc = medvl_parser_join(p, node, NODE_NOT, where, made, NULL);
    return rc;
}

int medvl_parse_filters(struct medvl_parser *p, struct medvl_node **node)
{
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        if (medvl_parser_skip(p, "|"))
            rc = medvl_parse_filter(p, node);
        else if (medvl_parser_is_word(p, "is"))
            rc = test(p, node);
        else if (medvl_parser_is(p, "("))
            rc = call(p, node);
        else
            break;
    }
    return rc;
}

/* ---- operators -------------------------------------------------------- */

/* - and + bind closer than filters: -1|abs is 1. */
static int signed_value(struct medvl_parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    enum medvl_node_kind kind;
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", where->line);
    if (medvl_parser_is(p, "-") || medvl_parser_is(p, "+")) {
        kind = medvl_parser_is(p, "-") ? NODE_MINUS : NODE_PLUS;
        p->at++;
        rc = signed_value(p, out);
        if (rc == MEDVL_OK)
            rc = medvl_parser_join(p, out, kind, where, *out, NULL);
    } else {
        rc = primary(p, out);
    }
    if (rc == MEDVL_OK)
        rc = postfix(p, out);
    p->h->depth--;
    return rc;
}

static int unary(struct medvl_parser *p, struct medvl_node **out)
{
    int rc = signed_value(p, out);

    return rc < 0 ? rc : medvl_parse_filters(p, out);
}

/* A level of binary operators, left to right. */
static int binary(struct medvl_parser *p, struct medvl_node **out,
                  medvl_parse_fn *under, const char *const *ops,
                  const char *codes)
{
    const struct medvl_token *where;
    struct medvl_node *right;
    int rc = under(p, out);

    while (rc == MEDVL_OK) {
        int i = 0;

        while (ops[i] && !medvl_parser_is(p, ops[i]))
            i++;
        if (!ops[i])
            break;
        where = p->at++;
        rc = under(p, &right);
        if (rc == MEDVL_OK)
            rc = medvl_parser_join(p, out, NODE_BINARY, where, *out, right);
        if (rc == MEDVL_OK)
            (*out)->op = codes[i];
    }
    return rc;
}

static int power(struct medvl_parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"**", NULL};

    return binary(p, out, unary, OPS, "p");
}

static int product(struct medvl_parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"*", "/", "//", "%", NULL};

    return binary(p, out, power, OPS, "*/f%");
}

static int concat(struct medvl_parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *list, **tail;
    int rc = product(p, out);

    if (rc < 0 || !medvl_parser_is(p, "~"))
        return rc;
    list = *out;
    tail = &list->next;
    while (rc == MEDVL_OK && medvl_parser_skip(p, "~")) {
        rc = product(p, tail);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    if (rc == MEDVL_OK)
        rc = medvl_parser_make(p, out, NODE_CONCAT, where);
    if (rc == MEDVL_OK)
        (*out)->list = list;
    return rc;
}

static int sum(struct medvl_parser *p, struct medvl_node **out)
{
    static const char *const OPS[] = {"+", "-", NULL};

    return binary(p, out, concat, OPS, "+-");
}

/* The comparison that is next, stepped over; 0: none. */
static char comparison(struct medvl_parser *p)
{
    static const char *const OPS[] = {"==", "!=", "<=", ">=", "<", ">"};

    for (int i = 0; i < 6; i++)
        if (medvl_parser_skip(p, OPS[i]))
            return "=!lg<>"[i];
    if (medvl_parser_skip_word(p, "in"))
        return 'i';
    if (medvl_parser_is_word(p, "not") && p->at[1].kind == TOKEN_NAME &&
        medvl_span_is(p->at[1].text, "in")) {
        p->at += 2;
        return 'n';
    }
    return 0;
}

static int compare(struct medvl_parser *p, struct medvl_node **out)
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
            rc = medvl_parser_join(p, &made, NODE_COMPARE, where, *out, NULL);
            if (rc < 0)
                break;
            *out = made;
            tail = &made->list;
        }
        rc = medvl_parser_make(p, tail, NODE_OPERAND, where);
        if (rc == MEDVL_OK)
            rc = sum(p, &(*tail)->a);
        if (rc == MEDVL_OK) {
            (*tail)->op = op;
            tail = &(*tail)->next;
        }
    }
    return rc;
}

static int parse_not(struct medvl_parser *p, struct medvl_node **out)
{
    const struct medvl_token *where = p->at;
    int count = 0, rc;

    while (medvl_parser_skip_word(p, "not"))
        count++;
    rc = compare(p, out);
    for (; count && rc == MEDVL_OK; count--)
        rc = medvl_parser_join(p, out, NODE_NOT, where, *out, NULL);
    return rc;
}

/* A level of "and" (or "or"), left to right. */
static int connected(struct medvl_parser *p, struct medvl_node **out,
                     medvl_parse_fn *under, const char *word,
                     enum medvl_node_kind kind)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *right;
    int rc = under(p, out);

    while (rc == MEDVL_OK && medvl_parser_skip_word(p, word)) {
        rc = under(p, &right);
        if (rc == MEDVL_OK)
            rc = medvl_parser_join(p, out, kind, where, *out, right);
    }
    return rc;
}

static int parse_and(struct medvl_parser *p, struct medvl_node **out)
{
    return connected(p, out, parse_not, "and", NODE_AND);
}

int medvl_parse_plain(struct medvl_parser *p, struct medvl_node **out)
{
    return connected(p, out, parse_and, "or", NODE_OR);
}

int medvl_parse_value(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node *node = NULL;
    const struct medvl_token *where = p->at;
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", where->line);
    rc = medvl_parse_plain(p, out);
    while (rc == MEDVL_OK && medvl_parser_is_word(p, "if")) {
        rc = medvl_parser_join(p, &node, NODE_CONDITION, p->at++, NULL, *out);
        if (rc == MEDVL_OK)
            rc = medvl_parse_plain(p, &node->a);
        if (rc == MEDVL_OK && medvl_parser_skip_word(p, "else"))
            rc = medvl_parse_value(p, &node->c);
        if (rc == MEDVL_OK)
            *out = node;
    }
    p->h->depth--;
    return rc;
}

int medvl_parse_values(struct medvl_parser *p, struct medvl_node **out,
                       medvl_parse_fn *one)
{
    const struct medvl_token *where = p->at;
    struct medvl_node *first, **tail;
    int rc = one(p, out);

    if (rc < 0 || !medvl_parser_is(p, ","))
        return rc;
    first = *out;
    tail = &first->next;
    while (rc == MEDVL_OK && medvl_parser_skip(p, ",")) {
        if (p->at->kind == TOKEN_BLOCK_END || p->at->kind == TOKEN_VAR_END ||
            medvl_parser_is(p, "=") || medvl_parser_is_word(p, "in"))
            break;
        rc = one(p, tail);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    if (rc == MEDVL_OK)
        rc = medvl_parser_make(p, out, NODE_TUPLE, where);
    if (rc == MEDVL_OK)
        (*out)->list = first;
    return rc;
}

int medvl_parse_target(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node *list = NULL, **tail = &list;
    const struct medvl_token *where = p->at;
    int rc;

    if (medvl_parser_skip(p, "(")) {
        rc = medvl_tv_enter(p->h);
        while (rc == MEDVL_OK && !medvl_parser_is(p, ")")) {
            rc = medvl_parse_target(p, tail);
            if (rc == MEDVL_OK)
                tail = &(*tail)->next;
            if (!medvl_parser_skip(p, ","))
                break;
        }
        if (rc == MEDVL_OK)
            rc = medvl_parser_need(p, ")");
        p->h->depth--;
        if (rc == MEDVL_OK)
            rc = medvl_parser_make(p, out, NODE_TUPLE, where);
        if (rc == MEDVL_OK)
            (*out)->list = list;
        return rc;
    }
    if (is_constant(p))
        return medvl_parser_unexpected(p, "a name");
    rc = medvl_parser_name(p, out, NODE_NAME);
    if (rc == MEDVL_OK && medvl_parser_is(p, "."))
        rc = member(p, out);
    return rc;
}
