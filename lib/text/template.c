/*
 * The public face of templates: compiling, variables, limits, and turning
 * marked values into runs of bytes.
 *
 * Read next: chat.h.
 */
#include "lib/text/template.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/text/template_eval.h"

#define COMPILE_MEMORY ((size_t)64 << 20)
#define COMPILE_DEPTH  200
#define RUN_STEPS      10000000
#define RUN_DEPTH      600
#define RUN_MEMORY     ((size_t)256 << 20)

struct medvl_template {
    struct medvl_tv_heap heap;
    struct medvl_tree tree;
    bool expression;
};

struct variable {
    const char *name;
    struct medvl_span json; /* {NULL, 0}: `value` is ready */
    struct medvl_tv value;
    bool mark;
};

struct medvl_template_run {
    struct medvl_tv_heap heap;
    struct medvl_error err;
    struct variable *variables;
    size_t count, capacity;
    const struct medvl_json_view *members;
    bool members_mark;
    struct tm now;
    char hole[MEDVL_EVAL_HOLE];
};

/* ---- compiling ------------------------------------------------------- */

static int compile(struct medvl_template **out, struct medvl_span source,
                   int (*parse)(struct medvl_tv_heap *h,
                                struct medvl_tree *tree,
                                struct medvl_span source),
                   struct medvl_error *err)
{
    struct medvl_template *t = medvl_alloc(1, sizeof(*t));
    struct medvl_error own = {0};
    int rc;

    *out = NULL;
    if (!t)
        return medvl_no_memory(err);
    t->heap.err = &own;
    t->heap.memory_limit = COMPILE_MEMORY;
    t->heap.step_limit = RUN_STEPS;
    t->heap.depth_limit = COMPILE_DEPTH;
    t->expression = parse == medvl_parse_expression;
    rc = parse(&t->heap, &t->tree, source);
    t->heap.err = NULL;
    if (rc < 0) {
        medvl_template_free(t);
        return medvl_fail(err, own.code, "%s", own.text);
    }
    *out = t;
    return MEDVL_OK;
}

int medvl_template_compile(struct medvl_template **out,
                           struct medvl_span source, struct medvl_error *err)
{
    return compile(out, source, medvl_parse_template, err);
}

int medvl_template_compile_expression(struct medvl_template **out,
                                      struct medvl_span source,
                                      struct medvl_error *err)
{
    return compile(out, source, medvl_parse_expression, err);
}

void medvl_template_free(struct medvl_template *template)
{
    if (!template)
        return;
    medvl_tv_release(&template->heap);
    medvl_free(template);
}

bool medvl_template_mentions(const struct medvl_template *template,
                             const char *name)
{
    return medvl_tree_name(&template->tree, name) >= 0;
}

struct compared {
    const struct medvl_tree *tree;
    const char **names;
    int count, room;
};

static void add_compared(struct compared *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (c->names[i] == name)
            return;
    if (c->count < c->room)
        c->names[c->count++] = name;
}

/* Names below a comparison, not what a filter, test or function makes of
 * them.  What is too deep to be evaluated is not looked at. */
static void find_compared(struct compared *c, const struct medvl_node *n,
                          bool inside, int depth)
{
    const bool made = n && (n->kind == NODE_FILTER || n->kind == NODE_TEST ||
                            n->kind == NODE_CALL);

    if (!n || depth == RUN_DEPTH)
        return;
    if (n->kind == NODE_NAME && inside)
        add_compared(c, c->tree->names[n->name]);
    inside = (inside || n->kind == NODE_COMPARE) && !made;
    find_compared(c, n->a, inside, depth + 1);
    find_compared(c, n->b, inside, depth + 1);
    find_compared(c, n->c, inside, depth + 1);
    for (n = n->list; n; n = n->next)
        find_compared(c, n, inside, depth + 1);
}

/* Take out the names of which the tree asks something: x is defined. */
static void drop_tested(struct compared *c, const struct medvl_node *n,
                        int depth)
{
    if (!n || depth == RUN_DEPTH)
        return;
    for (int i = 0; n->kind == NODE_TEST && n->a->kind == NODE_NAME &&
                    i < c->count;
         i++)
        if (c->names[i] == c->tree->names[n->a->name])
            c->names[i--] = c->names[--c->count];
    drop_tested(c, n->a, depth + 1);
    drop_tested(c, n->b, depth + 1);
    drop_tested(c, n->c, depth + 1);
    for (n = n->list; n; n = n->next)
        drop_tested(c, n, depth + 1);
}

int medvl_template_compared(const struct medvl_template *expression,
                            const char **names, int room)
{
    struct compared c = {&expression->tree, names, 0, room};

    if (!expression->expression)
        return 0;
    find_compared(&c, expression->tree.body, false, 0);
    drop_tested(&c, expression->tree.body, 0);
    return c.count;
}

/* ---- variables ------------------------------------------------------- */

int medvl_template_run_new(struct medvl_template_run **out,
                           const struct medvl_template_limits *limits,
                           struct medvl_error *err)
{
    static const struct medvl_template_limits NONE = {0};
    struct medvl_template_run *run = medvl_alloc(1, sizeof(*run));

    *out = run;
    if (!run)
        return medvl_no_memory(err);
    limits = limits ? limits : &NONE;
    run->heap.err = &run->err;
    run->heap.step_limit = limits->steps > 0 ? limits->steps : RUN_STEPS;
    run->heap.depth_limit = limits->depth > 0 ? limits->depth : RUN_DEPTH;
    run->heap.memory_limit = limits->memory ? limits->memory : RUN_MEMORY;
    return MEDVL_OK;
}

void medvl_template_run_free(struct medvl_template_run *run)
{
    if (!run)
        return;
    medvl_tv_release(&run->heap);
    medvl_free(run->variables);
    medvl_free(run);
}

void medvl_template_begin(struct medvl_template_run *run)
{
    medvl_tv_reset(&run->heap);
    run->heap.now = NULL;
    run->count = 0;
    run->members = NULL;
}

/* Room for one more variable, or NULL. */
static struct variable *add_variable(struct medvl_template_run *run,
                                     const char *name,
                                     struct medvl_error *err)
{
    struct variable *v;

    if (medvl_grow(&run->variables, &run->capacity, run->count + 1,
                   sizeof(*v), err) < 0)
        return NULL;
    v = &run->variables[run->count++];
    *v = (struct variable){.name = name};
    return v;
}

int medvl_template_set_members(struct medvl_template_run *run,
                               const struct medvl_json_view *view,
                               bool from_record, struct medvl_error *err)
{
    if (view->array)
        return medvl_fail(err, MEDVL_EARG, "variables are no array");
    run->members = view;
    run->members_mark = from_record;
    return MEDVL_OK;
}

int medvl_template_set_json(struct medvl_template_run *run, const char *name,
                            struct medvl_span json, bool from_record,
                            struct medvl_error *err)
{
    struct variable *v = add_variable(run, name, err);

    if (!v)
        return medvl_no_memory(err);
    v->json = json;
    v->mark = from_record;
    return MEDVL_OK;
}

int medvl_template_set_text(struct medvl_template_run *run, const char *name,
                            struct medvl_span text, bool from_record,
                            struct medvl_error *err)
{
    struct medvl_tv value;
    int rc = medvl_tv_string(&run->heap, &value, text.data, text.size,
                             from_record);

    if (rc < 0)
        return medvl_fail(err, run->err.code, "%s", run->err.text);
    return medvl_template_set_value(run, name, value, err);
}

int medvl_template_set_bool(struct medvl_template_run *run, const char *name,
                            bool value, struct medvl_error *err)
{
    return medvl_template_set_value(run, name, medvl_tv_bool(value), err);
}

int medvl_template_set_value(struct medvl_template_run *run, const char *name,
                             struct medvl_tv value, struct medvl_error *err)
{
    struct variable *v = add_variable(run, name, err);

    if (!v)
        return medvl_no_memory(err);
    v->value = value;
    return MEDVL_OK;
}

struct medvl_tv_heap *medvl_template_heap(struct medvl_template_run *run)
{
    return &run->heap;
}

int medvl_template_set_date(struct medvl_template_run *run,
                            struct medvl_span date, struct medvl_error *err)
{
    struct tm *t = &run->now;
    char text[20] = "", back[20], seconds;
    int n;

    if (date.size == 10 || date.size == 19)
        memcpy(text, date.data, date.size);
    memset(t, 0, sizeof(*t));
    n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c", &t->tm_year, &t->tm_mon,
               &t->tm_mday, &t->tm_hour, &t->tm_min, &t->tm_sec, &seconds);
    t->tm_year -= 1900;
    t->tm_mon--;
    if ((n == 3 || n == 6) && t->tm_year >= -900 && timegm(t) != -1) {
        strftime(back, sizeof(back), n == 3 ? "%F" : "%FT%T", t);
        if (!strcmp(back, text)) {
            t->tm_isdst = -1; /* no time zone: %z and %Z are empty */
            t->tm_zone = "";
            run->heap.now = t;
            return MEDVL_OK;
        }
    }
    return medvl_fail(err, MEDVL_EFORMAT,
                      "\"%.*s\" is no date such as 2024-07-26 or "
                      "2024-07-26T08:30:00",
                      (int)(date.size < 40 ? date.size : 40), date.data);
}

static int look_up(void *arg, struct medvl_tv *value, const char *name)
{
    struct medvl_template_run *run = arg;
    struct medvl_span json = {0};
    int rc;

    for (size_t i = run->count; i--;) {
        struct variable *v = &run->variables[i];

        if (strcmp(v->name, name))
            continue;
        if (v->json.data) {
            rc = medvl_tv_json(&run->heap, &v->value, v->json, v->mark);
            if (rc < 0)
                return rc;
            v->json.data = NULL;
        }
        *value = v->value;
        return 1;
    }
    if (run->members)
        json = medvl_json_view_get(run->members, name);
    if (!json.data)
        return 0;
    rc = medvl_tv_json(&run->heap, value, json, run->members_mark);
    return rc < 0 ? rc : 1;
}

/* ---- marked text ----------------------------------------------------- */

int medvl_marked_append(struct medvl_marked *marked, const void *data,
                        size_t size, bool from_record,
                        struct medvl_error *err)
{
    const size_t count = marked->run_count;
    const bool same =
        count && marked->runs[count - 1].from_record == from_record;
    int rc;

    if (size == 0)
        return MEDVL_OK;
    rc = medvl_grow(&marked->runs, &marked->run_capacity, count + 1,
                    sizeof(*marked->runs), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&marked->text, data, size, err);
    if (rc < 0)
        return rc;
    if (same) {
        marked->runs[count - 1].size += size;
    } else {
        marked->runs[count] = (struct medvl_run){size, from_record};
        marked->run_count++;
    }
    return MEDVL_OK;
}

void medvl_marked_clear(struct medvl_marked *marked)
{
    medvl_text_clear(&marked->text);
    marked->run_count = 0;
}

void medvl_marked_release(struct medvl_marked *marked)
{
    medvl_text_release(&marked->text);
    medvl_free(marked->runs);
    *marked = (struct medvl_marked){0};
}

/* Append what was built; all or nothing. */
static int give_out(struct medvl_marked *out, const struct medvl_tv_build *b,
                    struct medvl_error *err)
{
    const size_t size = out->text.size, count = out->run_count;
    const size_t last = count ? out->runs[count - 1].size : 0;
    size_t to;
    int rc = MEDVL_OK;

    for (size_t at = 0; at < b->size && rc == MEDVL_OK; at = to) {
        const bool mark = b->marks ? b->marks[at] : b->mark;

        for (to = at + 1; b->marks && to < b->size && b->marks[to] == mark;)
            to++;
        if (!b->marks)
            to = b->size;
        rc = medvl_marked_append(out, b->data + at, to - at, mark, err);
    }
    if (rc == MEDVL_OK)
        return MEDVL_OK;
    out->text.size = size;
    if (out->text.data)
        out->text.data[size] = 0;
    out->run_count = count;
    if (count)
        out->runs[count - 1].size = last;
    return rc;
}

/* ---- rendering ------------------------------------------------------- */

/* Run the tree; `build` gets the text, or *value what it is worth. */
static int evaluate(struct medvl_tv_build *build, struct medvl_tv *value,
                    const struct medvl_template *template,
                    struct medvl_template_run *run, struct medvl_error *err)
{
    struct medvl_eval e = {.h = &run->heap,
                           .tree = &template->tree,
                           .out = build,
                           .hole = run->hole,
                           .lookup = look_up,
                           .arg = run};
    int rc;

    run->hole[0] = 0;
    run->heap.steps = 0;
    run->heap.depth = 0;
    run->heap.stack_size = 0;
    rc = value ? medvl_eval_value(&e, value) : medvl_eval_run(&e);
    return rc < 0 ? medvl_fail(err, run->err.code, "%s", run->err.text)
                  : MEDVL_OK;
}

int medvl_template_render(struct medvl_marked *out,
                          const struct medvl_template *template,
                          struct medvl_template_run *run,
                          struct medvl_error *err)
{
    const bool expression = template->expression;
    struct medvl_tv_build build = {0};
    struct medvl_tv value;
    int rc = evaluate(&build, expression ? &value : NULL, template, run, err);

    if (rc == MEDVL_OK && expression &&
        medvl_tv_put_value(&run->heap, &build, &value) < 0)
        rc = medvl_fail(err, run->err.code, "%s", run->err.text);
    return rc < 0 ? rc : give_out(out, &build, err);
}

const char *medvl_template_hole(const struct medvl_template_run *run)
{
    return run->hole[0] ? run->hole : NULL;
}

int medvl_template_truth(bool *out, const struct medvl_template *expression,
                         struct medvl_template_run *run,
                         struct medvl_error *err)
{
    struct medvl_tv value;
    int rc;

    *out = false;
    if (!expression->expression)
        return medvl_fail(err, MEDVL_EARG, "a template has no truth");
    rc = evaluate(NULL, &value, expression, run, err);
    if (rc == MEDVL_OK)
        *out = medvl_tv_truth(&value);
    return rc;
}
