/*
 * From the text of a template to a tree.  Inside of template.h.
 *
 * Read next: template.c.
 */
#ifndef MEDVL_TEXT_TEMPLATE_PARSE_H
#define MEDVL_TEXT_TEMPLATE_PARSE_H

#include "lib/text/template_filter.h"
#include "lib/text/template_value.h"

/* What stands in which member of a node is said behind each kind. */
enum medvl_node_kind {
    /* expressions */
    NODE_CONSTANT,  /* value */
    NODE_NAME,      /* name */
    NODE_LIST,      /* list */
    NODE_TUPLE,     /* list */
    NODE_DICT,      /* list of NODE_PAIR */
    NODE_PAIR,      /* a: b */
    NODE_MEMBER,    /* a . value */
    NODE_ITEM,      /* a [b] */
    NODE_SLICE,     /* a [b:c:d], each may be NULL */
    NODE_CALL,      /* a (list), NODE_KEYWORD, NODE_SPREAD last */
    NODE_KEYWORD,   /* name = a */
    NODE_SPREAD,    /* *a; op 'p': **a */
    NODE_FILTER,    /* a | f (list); a is NULL: of the block's text */
    NODE_TEST,      /* a is f (list) */
    NODE_NOT,       /* a */
    NODE_MINUS,     /* -a */
    NODE_PLUS,      /* +a */
    NODE_BINARY,    /* a op b; op is the operator's first byte, 'f' is //,
                       'p' is ** */
    NODE_CONCAT,    /* list with ~ between */
    NODE_COMPARE,   /* a, then list of NODE_OPERAND */
    NODE_OPERAND,   /* op a; op: = ! < > l(<=) g(>=) i(in) n(not in) */
    NODE_AND,       /* a, b */
    NODE_OR,        /* a, b */
    NODE_CONDITION, /* b if a else c (may be NULL) */
    /* statements */
    NODE_DATA,       /* value */
    NODE_OUTPUT,     /* {{ a }} */
    NODE_IF,         /* list of NODE_BRANCH */
    NODE_BRANCH,     /* a (NULL: else), body */
    NODE_FOR,        /* a in b if c: body, else d->body; op 'r': recursive */
    NODE_BLOCK,      /* body, with a scope of its own */
    NODE_SET,        /* a = b */
    NODE_SET_BLOCK,  /* a = body through filters b */
    NODE_MACRO,      /* name, list of NODE_PARAMETER, body */
    NODE_PARAMETER,  /* name, a the default or NULL */
    NODE_CALL_BLOCK, /* a the call, b a NODE_MACRO for caller() */
    NODE_FILTERED,   /* body through filters b */
    NODE_WITH,       /* list of NODE_SET, body */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_KINDS,
};

struct medvl_node {
    enum medvl_node_kind kind;
    char op;
    int name; /* number of an interned name */
    int line, column;
    struct medvl_node *next; /* in a list or body */
    struct medvl_node *a, *b, *c, *d;
    struct medvl_node *list, *body;
    const struct medvl_tf *f;
    struct medvl_tv value;
};

/* What compiling gives; all of it lives in the heap. */
struct medvl_tree {
    struct medvl_node *body; /* of an expression: the one node */
    const char **names;
    int name_count, name_capacity;
};

int medvl_parse_template(struct medvl_tv_heap *h, struct medvl_tree *out,
                         struct medvl_span source);
int medvl_parse_expression(struct medvl_tv_heap *h, struct medvl_tree *out,
                           struct medvl_span source);

/* The number of a name, -1 when the template does not have it. */
int medvl_tree_name(const struct medvl_tree *tree, const char *name);

#endif
