/*
 * Statements by recursive descent: one function a tag, in the table at the
 * end.  Depth is counted where tags nest.
 *
 * Read next: template_operate.h, then template_eval.c.
 */
#include "lib/text/template_parse.h"

#include <string.h>

#include "lib/text/template_expression.h"

static int body(struct medvl_parser *p, struct medvl_node **out,
                const char *ends);

static int need_block_end(struct medvl_parser *p)
{
    if (p->at->kind != TOKEN_BLOCK_END)
        return medvl_parser_unexpected(p, "the tag's end");
    p->at++;
    return MEDVL_OK;
}

/* The statements up to one of the words `ends` ("elif else endif"). */
static bool ends_with(const struct medvl_parser *p, const char *ends)
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
static int body_to(struct medvl_parser *p, struct medvl_node **out,
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

static int parse_if(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    bool last = false;
    int rc = medvl_parser_make(p, out, NODE_IF, p->at);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    for (;;) {
        rc = medvl_parser_make(p, tail, NODE_BRANCH, p->at++);
        if (rc == MEDVL_OK && !last)
            rc = medvl_parse_values(p, &(*tail)->a, medvl_parse_value);
        if (rc == MEDVL_OK)
            rc = need_block_end(p);
        if (rc == MEDVL_OK)
            rc = body(p, &(*tail)->body, last ? "endif" : "elif else endif");
        if (rc < 0)
            return rc;
        p->at++;
        if (medvl_parser_skip_word(p, "endif"))
            return need_block_end(p);
        last = medvl_parser_is_word(p, "else");
        tail = &(*tail)->next;
    }
}

static int parse_for(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node *node;
    int rc = medvl_parser_make(p, out, NODE_FOR, p->at++);

    if (rc < 0)
        return rc;
    node = *out;
    rc = medvl_parse_values(p, &node->a, medvl_parse_target);
    if (rc == MEDVL_OK && !medvl_parser_skip_word(p, "in"))
        rc = medvl_parser_unexpected(p, "\"in\"");
    if (rc == MEDVL_OK)
        rc = medvl_parse_values(p, &node->b, medvl_parse_plain);
    if (rc == MEDVL_OK && medvl_parser_skip_word(p, "if"))
        rc = medvl_parse_value(p, &node->c);
    if (rc == MEDVL_OK && medvl_parser_skip_word(p, "recursive"))
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
    if (medvl_parser_skip_word(p, "else")) {
        rc = need_block_end(p);
        if (rc == MEDVL_OK)
            rc = medvl_parser_make(p, &node->d, NODE_BLOCK, p->at);
        if (rc == MEDVL_OK)
            rc = body(p, &node->d->body, "endfor");
        p->at++;
    }
    p->at++;
    return rc < 0 ? rc : need_block_end(p);
}

static int parse_set(struct medvl_parser *p, struct medvl_node **out)
{
    int rc = medvl_parser_make(p, out, NODE_SET, p->at++);

    if (rc == MEDVL_OK)
        rc = medvl_parse_values(p, &(*out)->a, medvl_parse_target);
    if (rc < 0)
        return rc;
    if (medvl_parser_skip(p, "=")) {
        rc = medvl_parse_values(p, &(*out)->b, medvl_parse_value);
        return rc < 0 ? rc : need_block_end(p);
    }
    (*out)->kind = NODE_SET_BLOCK;
    rc = medvl_parse_filters(p, &(*out)->b);
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endset");
}

/* (a, b=default) */
static int parameters(struct medvl_parser *p, struct medvl_node **list)
{
    bool comma = true, named = false;
    int rc = medvl_parser_need(p, "(");

    while (rc == MEDVL_OK && !medvl_parser_skip(p, ")")) {
        if (!comma)
            return medvl_parser_unexpected(p, "a comma or \")\"");
        rc = medvl_parser_name(p, list, NODE_PARAMETER);
        if (rc == MEDVL_OK && medvl_parser_skip(p, "=")) {
            named = true;
            rc = medvl_parse_value(p, &(*list)->a);
        } else if (rc == MEDVL_OK && named) {
            return medvl_parser_fail(p, "a parameter without default behind "
                                        "one with");
        }
        if (rc == MEDVL_OK)
            list = &(*list)->next;
        comma = medvl_parser_skip(p, ",");
    }
    return rc;
}

static int parse_macro(struct medvl_parser *p, struct medvl_node **out)
{
    const int loops = p->loops;
    int rc;

    p->at++;
    rc = medvl_parser_name(p, out, NODE_MACRO);
    if (rc == MEDVL_OK)
        rc = parameters(p, &(*out)->list);
    p->loops = 0;
    if (rc == MEDVL_OK)
        rc = body_to(p, &(*out)->body, "endmacro");
    p->loops = loops;
    return rc;
}

static int parse_call_block(struct medvl_parser *p, struct medvl_node **out)
{
    const int loops = p->loops;
    struct medvl_node *caller = NULL;
    int rc = medvl_parser_make(p, out, NODE_CALL_BLOCK, p->at++);

    if (rc == MEDVL_OK)
        rc = medvl_parser_make(p, &caller, NODE_MACRO, p->at);
    if (rc == MEDVL_OK)
        rc = medvl_parser_intern(p, &caller->name, medvl_span("caller"));
    if (rc == MEDVL_OK && medvl_parser_is(p, "("))
        rc = parameters(p, &caller->list);
    if (rc == MEDVL_OK)
        rc = medvl_parse_value(p, &(*out)->a);
    if (rc == MEDVL_OK && (*out)->a->kind != NODE_CALL)
        rc = medvl_parser_fail(p, "a call block needs a call");
    p->loops = 0;
    if (rc == MEDVL_OK)
        rc = body_to(p, &caller->body, "endcall");
    p->loops = loops;
    if (rc == MEDVL_OK)
        (*out)->b = caller;
    return rc;
}

static int parse_filtered(struct medvl_parser *p, struct medvl_node **out)
{
    int rc = medvl_parser_make(p, out, NODE_FILTERED, p->at++);

    if (rc == MEDVL_OK)
        rc = medvl_parse_filter(p, &(*out)->b);
    if (rc == MEDVL_OK)
        rc = medvl_parse_filters(p, &(*out)->b);
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endfilter");
}

static int parse_with(struct medvl_parser *p, struct medvl_node **out)
{
    struct medvl_node **tail;
    int rc = medvl_parser_make(p, out, NODE_WITH, p->at++);

    if (rc < 0)
        return rc;
    tail = &(*out)->list;
    while (rc == MEDVL_OK && p->at->kind != TOKEN_BLOCK_END) {
        if (tail != &(*out)->list)
            rc = medvl_parser_need(p, ",");
        if (rc == MEDVL_OK)
            rc = medvl_parser_make(p, tail, NODE_SET, p->at);
        if (rc == MEDVL_OK)
            rc = medvl_parse_target(p, &(*tail)->a);
        if (rc == MEDVL_OK)
            rc = medvl_parser_need(p, "=");
        if (rc == MEDVL_OK)
            rc = medvl_parse_value(p, &(*tail)->b);
        if (rc == MEDVL_OK)
            tail = &(*tail)->next;
    }
    return rc < 0 ? rc : body_to(p, &(*out)->body, "endwith");
}

static int parse_generation(struct medvl_parser *p, struct medvl_node **out)
{
    int rc = medvl_parser_make(p, out, NODE_BLOCK, p->at++);

    return rc < 0 ? rc : body_to(p, &(*out)->body, "endgeneration");
}

static int parse_jump(struct medvl_parser *p, struct medvl_node **out)
{
    const bool stop = medvl_parser_is_word(p, "break");
    int rc;

    if (!p->loops)
        return medvl_parser_fail(p, "\"%s\" outside of a loop",
                                 stop ? "break" : "continue");
    rc = medvl_parser_make(p, out, stop ? NODE_BREAK : NODE_CONTINUE, p->at++);
    return rc < 0 ? rc : need_block_end(p);
}

static const struct {
    const char *word;
    medvl_parse_fn *parse;
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
static int statement(struct medvl_parser *p, struct medvl_node **out)
{
    int rc = medvl_tv_enter(p->h);

    if (rc < 0)
        return medvl_context(p->h->err, "line %d", p->at->line);
    rc = MEDVL_EFORMAT;
    for (size_t i = 0; i < sizeof(STATEMENTS) / sizeof(STATEMENTS[0]); i++)
        if (medvl_parser_is_word(p, STATEMENTS[i].word)) {
            rc = STATEMENTS[i].parse(p, out);
            p->h->depth--;
            return rc;
        }
    return medvl_parser_unexpected(p, "a statement");
}

static int body(struct medvl_parser *p, struct medvl_node **out,
                const char *ends)
{
    const char *last = strrchr(ends, ' ');
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK && !ends_with(p, ends)) {
        const struct medvl_token *t = p->at++;

        if (t->kind == TOKEN_END) {
            p->at = t;
            return *ends ? medvl_parser_fail(p, "the template ends before %s",
                                             last ? last + 1 : ends)
                         : MEDVL_OK;
        }
        if (t->kind == TOKEN_BLOCK) {
            rc = statement(p, out);
        } else if (t->kind == TOKEN_DATA) {
            rc = medvl_parser_make(p, out, NODE_DATA, t);
            if (rc == MEDVL_OK)
                rc = medvl_tv_string(p->h, &(*out)->value, t->text.data,
                                     t->text.size, false);
        } else {
            rc = medvl_parser_make(p, out, NODE_OUTPUT, t);
            if (rc == MEDVL_OK)
                rc = medvl_parse_values(p, &(*out)->a, medvl_parse_value);
            if (rc == MEDVL_OK && p->at->kind != TOKEN_VAR_END)
                rc = medvl_parser_unexpected(p, "\"}}\"");
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
    struct medvl_parser p = {h, out, NULL, 0};
    struct medvl_token *tokens;
    int rc = medvl_token_read(h, &tokens, source, false);

    p.at = tokens;
    return rc < 0 ? rc : body(&p, &out->body, "");
}

int medvl_parse_expression(struct medvl_tv_heap *h, struct medvl_tree *out,
                           struct medvl_span source)
{
    struct medvl_parser p = {h, out, NULL, 0};
    struct medvl_token *tokens;
    int rc = medvl_token_read(h, &tokens, source, true);

    p.at = tokens;
    if (rc == MEDVL_OK)
        rc = medvl_parse_values(&p, &out->body, medvl_parse_value);
    if (rc == MEDVL_OK && p.at->kind != TOKEN_END)
        rc = medvl_parser_unexpected(&p, "the end");
    return rc;
}
