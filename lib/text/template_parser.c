/*
 * A parser's place in a template: see template_parser.h.
 *
 * Read next: template_expression.c.
 */
#include "lib/text/template_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAMES 10000

/* ---- tokens ----------------------------------------------------------- */

int medvl_parser_fail(struct medvl_parser *p, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return medvl_token_fail(p->h, p->at->line, p->at->column, "%s", text);
}

int medvl_parser_unexpected(struct medvl_parser *p, const char *want)
{
    const struct medvl_token *t = p->at;

    if (t->kind == TOKEN_END)
        return medvl_parser_fail(
            p, "the template ends where %s is expected", want);
    return medvl_parser_fail(p, "\"%.*s\" where %s is expected",
                             (int)(t->text.size < 60 ? t->text.size : 60),
                             t->text.data,
                             want);
}

int medvl_parser_need(struct medvl_parser *p, const char *op)
{
    char want[8];

    if (medvl_parser_skip(p, op))
        return MEDVL_OK;
    snprintf(want, sizeof(want), "\"%s\"", op);
    return medvl_parser_unexpected(p, want);
}

/* ---- nodes ------------------------------------------------------------ */

int medvl_parser_make(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind,
                      const struct medvl_token *where)
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

int medvl_parser_join(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind,
                      const struct medvl_token *where,
                      struct medvl_node *a, struct medvl_node *b)
{
    int rc = medvl_parser_make(p, out, kind, where);

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

int medvl_parser_intern(struct medvl_parser *p, int *out,
                        struct medvl_span name)
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
        return medvl_parser_fail(p, "more than %d names", MAX_NAMES);
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

int medvl_parser_name(struct medvl_parser *p, struct medvl_node **out,
                      enum medvl_node_kind kind)
{
    int rc;

    if (p->at->kind != TOKEN_NAME)
        return medvl_parser_unexpected(p, "a name");
    rc = medvl_parser_make(p, out, kind, p->at);
    if (rc == MEDVL_OK)
        rc = medvl_parser_intern(p, &(*out)->name, p->at->text);
    p->at++;
    return rc;
}
