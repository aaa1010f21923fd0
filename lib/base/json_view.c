/*
 * Objects and arrays as spans: see json.h.
 *
 * Read next: json_tree.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/json_scan.h"
#include "lib/base/json_string.h"
#include "lib/base/mem.h"

/* ---- scanning -------------------------------------------------------- */

static int refuse_twice(struct medvl_span name, struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "name \"%.*s\" stands twice",
                      name.size > 100 ? 100 : (int)name.size, name.data);
}

static int compare_spans(const void *a, const void *b)
{
    const struct medvl_span *x = a, *y = b;
    const size_t size = x->size < y->size ? x->size : y->size;
    const int c = memcmp(x->data, y->data, size);

    return c ? c : (x->size > y->size) - (x->size < y->size);
}

/* Names by sorting: for many of them, and for names with escapes. */
static int sort_names(const struct medvl_json_view *view,
                      struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_span *names;
    size_t total = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < view->count; i++)
        total += view->members[i].name.size;
    names = medvl_alloc(view->count, sizeof(*names));
    if (!names)
        return medvl_no_memory(err);
    rc = medvl_text_reserve(&text, total, err); /* so spans stay */
    for (size_t i = 0; rc == MEDVL_OK && i < view->count; i++) {
        const size_t start = text.size;

        rc = medvl_json_decode(&text, view->members[i].name, false, err);
        names[i].data = text.data + start;
        names[i].size = text.size - start;
    }
    if (rc == MEDVL_OK)
        qsort(names, view->count, sizeof(*names), compare_spans);
    for (size_t i = 1; rc == MEDVL_OK && i < view->count; i++)
        if (medvl_span_equal(names[i - 1], names[i]))
            rc = refuse_twice(names[i], err);
    medvl_text_release(&text);
    medvl_free(names);
    return rc;
}

/*
 * No name twice.  A word of 64 bits remembers what was seen, so that of a
 * few names hardly any is compared.
 */
static int check_names(const struct medvl_json_view *view, bool escaped,
                       struct medvl_error *err)
{
    uint64_t seen = 0;

    if (escaped || view->count > 32)
        return sort_names(view, err);
    for (size_t i = 0; i < view->count; i++) {
        const struct medvl_span name = view->members[i].name;
        const unsigned char *b = (const unsigned char *)name.data;
        const size_t n = name.size;
        const unsigned mixed =
            n ? b[0] * 5u + b[n - 1] * 11u + b[n / 2] * 17u : 0;
        const uint64_t bit = (uint64_t)1 << ((mixed + n) % 64);

        for (size_t k = 0; (seen & bit) && k < i; k++)
            if (medvl_span_equal(view->members[k].name, name))
                return refuse_twice(name, err);
        seen |= bit;
    }
    return MEDVL_OK;
}

static int push_member(struct medvl_json_view *view, struct medvl_span name,
                       struct medvl_span value, struct medvl_error *err)
{
    if (view->count == view->capacity &&
        medvl_grow(&view->members, &view->capacity, view->count + 1,
                   sizeof(*view->members), err) < 0)
        return MEDVL_ENOMEM;
    view->members[view->count].name = name;
    view->members[view->count++].value = value;
    return MEDVL_OK;
}

/* At a member or element; leaves p after its value. */
static int scan_member(struct medvl_json_view *view, struct medvl_json_scan *s,
                       bool *escaped)
{
    struct medvl_span name = {s->p, 0}, value;

    if (!view->array) {
        name.data = s->p + 1;
        if (medvl_json_scan_name(s) < 0)
            return MEDVL_EFORMAT;
        *escaped |= s->escaped;
        name.size = (size_t)(s->name_end - name.data);
        medvl_json_scan_space(s);
    }
    value.data = s->p;
    if (medvl_json_scan_value(s, 1) < 0)
        return MEDVL_EFORMAT;
    value.size = (size_t)(s->p - value.data);
    return push_member(view, name, value, s->err);
}

static int scan_members(struct medvl_json_view *view, struct medvl_json_scan *s,
                        bool *escaped)
{
    const char close = view->array ? ']' : '}';
    int rc;

    medvl_json_scan_space(s);
    if (!medvl_json_scan_is(s, view->array ? '[' : '{'))
        return medvl_json_scan_bad(s, view->array ? "not an array"
                                                  : "not a JSON object");
    view->whole.data = s->p++;
    medvl_json_scan_space(s);
    while (!medvl_json_scan_is(s, close)) {
        if (view->count == MEDVL_JSON_MEMBERS)
            return medvl_json_scan_bad(s, view->array ? "too many elements"
                                                      : "too many members");
        rc = scan_member(view, s, escaped);
        if (rc < 0)
            return rc;
        medvl_json_scan_space(s);
        if (medvl_json_scan_is(s, close))
            break;
        if (!medvl_json_scan_is(s, ','))
            return medvl_json_scan_bad(s, view->array ? "expected ',' or ']'"
                                                      : "expected ',' or '}'");
        s->p++;
        medvl_json_scan_space(s);
        if (medvl_json_scan_is(s, close))
            return medvl_json_scan_bad(s, "nothing after a comma");
    }
    s->p++;
    view->whole.size = (size_t)(s->p - view->whole.data);
    return medvl_json_scan_end(s);
}

static int view_scan(struct medvl_json_view *view, struct medvl_span span,
                     bool array, struct medvl_error *err)
{
    struct medvl_json_scan s = medvl_json_scan_begin(span, err);
    bool escaped = false;
    int rc;

    view->count = 0;
    view->added_count = 0;
    view->array = array;
    view->whole.size = 0;
    rc = scan_members(view, &s, &escaped);
    if (rc == MEDVL_OK && !array)
        rc = check_names(view, escaped, err);
    if (rc < 0) {
        view->count = 0;
        view->whole.size = 0;
    }
    return rc;
}

int medvl_json_view_object(struct medvl_json_view *view,
                           struct medvl_span span, struct medvl_error *err)
{
    return view_scan(view, span, false, err);
}

int medvl_json_view_array(struct medvl_json_view *view,
                          struct medvl_span span, struct medvl_error *err)
{
    return view_scan(view, span, true, err);
}

/* ---- getting and setting --------------------------------------------- */

static struct medvl_json_member *find(const struct medvl_json_view *view,
                                      const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; !view->array && i < view->count; i++)
        if (medvl_json_says(view->members[i].name, name, size))
            return &view->members[i];
    return NULL;
}

struct medvl_span medvl_json_view_get(const struct medvl_json_view *view,
                                      const char *name)
{
    const struct medvl_json_member *member = find(view, name);
    const struct medvl_span none = {NULL, 0};

    return member ? member->value : none;
}

/* A buffer of the view's own with `name` and `value` in it. */
static int keep(struct medvl_text **out, struct medvl_json_view *view,
                const char *name, struct medvl_span value,
                struct medvl_error *err)
{
    const size_t old = view->added_capacity;
    struct medvl_text *text;
    char *newline;

    if (view->added_count == old) {
        if (medvl_grow(&view->added, &view->added_capacity, old + 1,
                       sizeof(*view->added), err) < 0)
            return MEDVL_ENOMEM;
        memset(view->added + old, 0,
               (view->added_capacity - old) * sizeof(*view->added));
    }
    if (!view->added[view->added_count])
        view->added[view->added_count] = medvl_alloc(1, sizeof(*text));
    text = view->added[view->added_count];
    if (!text)
        return medvl_no_memory(err);
    medvl_text_clear(text);
    if (medvl_text_puts(text, name, err) < 0 ||
        medvl_text_append(text, value.data, value.size, err) < 0)
        return MEDVL_ENOMEM;

    /* Indented JSON is welcome, but a record is one line. */
    newline = text->size ? memchr(text->data, '\n', text->size) : NULL;
    for (; newline; newline = strchr(newline, '\n'))
        *newline = ' ';
    view->added_count++;
    *out = text;
    return MEDVL_OK;
}

int medvl_json_view_set(struct medvl_json_view *view, const char *name,
                        struct medvl_span value, struct medvl_error *err)
{
    struct medvl_json_member *member;
    struct medvl_text *text;
    struct medvl_span kept, title;

    if (view->array || !value.size)
        return medvl_fail(err, MEDVL_EARG, "\"%s\": nothing to set", name);
    if (keep(&text, view, name, value, err) < 0)
        return MEDVL_ENOMEM;
    title.data = text->data;
    title.size = strlen(name);
    kept.data = text->data + title.size;
    kept.size = value.size;
    member = find(view, name);
    if (member)
        member->value = kept;
    else if (push_member(view, title, kept, err) < 0)
        return MEDVL_ENOMEM;
    view->whole.size = 0;
    return MEDVL_OK;
}

int medvl_json_view_set_number(struct medvl_json_view *view, const char *name,
                               double value, struct medvl_error *err)
{
    char text[32];
    const int size = medvl_format_double(text, value);

    return medvl_json_view_set(view, name,
                               (struct medvl_span){text, (size_t)size}, err);
}

int medvl_json_view_set_text(struct medvl_json_view *view, const char *name,
                             struct medvl_span value, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_json_quote(&text, value, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, name, medvl_text_span(&text), err);
    medvl_text_release(&text);
    return rc;
}

int medvl_json_view_set_numbers(struct medvl_json_view *view,
                                const char *name, const double *values,
                                size_t count, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    int rc;

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < count; i++)
        medvl_json_put_number(&w, NULL, values[i]);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(view, name, medvl_text_span(&text), err);
    medvl_text_release(&text);
    return rc;
}

int medvl_json_view_set_at(struct medvl_json_view *view, size_t index,
                           struct medvl_span value, struct medvl_error *err)
{
    struct medvl_text *text;

    if (!view->array || index >= view->count || !value.size)
        return medvl_fail(err, MEDVL_EARG, "element %zu: no such one", index);
    if (keep(&text, view, "", value, err) < 0)
        return MEDVL_ENOMEM;
    view->members[index].value = medvl_text_span(text);
    view->whole.size = 0;
    return MEDVL_OK;
}

void medvl_json_view_remove(struct medvl_json_view *view, const char *name)
{
    struct medvl_json_member *member = find(view, name);
    size_t after;

    if (!member)
        return;
    after = view->count - (size_t)(member - view->members) - 1;
    memmove(member, member + 1, after * sizeof(*member));
    view->count--;
    view->whole.size = 0;
}

int medvl_json_view_write(struct medvl_text *out,
                          const struct medvl_json_view *view,
                          struct medvl_error *err)
{
    size_t need = 2;

    if (view->whole.size)
        return medvl_text_append(out, view->whole.data, view->whole.size,
                                 err);
    for (size_t i = 0; i < view->count; i++)
        need += view->members[i].name.size + view->members[i].value.size + 4;
    if (medvl_text_reserve(out, need, err) < 0)
        return MEDVL_ENOMEM;
    medvl_json_append(out, view->array ? "[" : "{", 1);
    for (size_t i = 0; i < view->count; i++) {
        const struct medvl_json_member *m = &view->members[i];

        if (i > 0)
            medvl_json_append(out, ",", 1);
        if (!view->array) {
            medvl_json_append(out, "\"", 1);
            medvl_json_append(out, m->name.data, m->name.size);
            medvl_json_append(out, "\":", 2);
        }
        medvl_json_append(out, m->value.data, m->value.size);
    }
    medvl_json_append(out, view->array ? "]" : "}", 1);
    out->data[out->size] = 0;
    return MEDVL_OK;
}

void medvl_json_view_release(struct medvl_json_view *view)
{
    for (size_t i = 0; i < view->added_capacity; i++)
        if (view->added[i]) {
            medvl_text_release(view->added[i]);
            medvl_free(view->added[i]);
        }
    medvl_free(view->added);
    medvl_free(view->members);
    memset(view, 0, sizeof(*view));
}
