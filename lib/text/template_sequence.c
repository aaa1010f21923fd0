/*
 * The filters of sequences and dicts, and those that apply other filters:
 * a function each, and the table at the end.
 *
 * Read next: template_test.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/text/template_filter.h"
#include "lib/text/template_operate.h"
#include "lib/text/template_print.h"

/* How select and its kin do it. */
#define WANTED    1 /* keep what passes, else what does not */
#define ATTRIBUTE 2 /* test an attribute */

/* ---- members ---------------------------------------------------------- */

/* The member that attribute "a.b.0" means; undefined where there is none. */
static int attribute(struct medvl_tv_heap *h, struct medvl_tv *out,
                     const struct medvl_tv *item, const struct medvl_tv *path)
{
    const char *s, *end;
    struct medvl_tv key, from = *item;
    bool found;
    size_t n;
    int rc;

    *out = *item;
    if (!path || path->kind == TV_NONE)
        return MEDVL_OK;
    if (medvl_tv_is_int(path)) {
        *out = medvl_tv_undefined(NULL);
        return medvl_tv_item(h, out, &found, item, path);
    }
    if (path->kind != TV_STRING)
        return medvl_tv_fail(h, "an attribute is a str or an int, not a %s",
                             medvl_tv_type_name(path));
    s = path->u.string->data;
    for (end = s + path->u.string->size; s <= end; s += n + 1) {
        n = 0;
        while (s + n < end && s[n] != '.')
            n++;
        if (from.kind == TV_UNDEFINED)
            return medvl_tv_fail(h, "an undefined value has no members");
        rc = medvl_tv_string(h, &key, s, n, false);
        if (n && n < 10 && strspn(s, "0123456789") >= n)
            key = medvl_tv_int(strtoll(s, NULL, 10));
        *out = medvl_tv_undefined(NULL);
        if (rc == MEDVL_OK)
            rc = medvl_tv_item(h, out, &found, &from, &key);
        if (rc < 0)
            return rc;
        from = *out;
    }
    return MEDVL_OK;
}

/* A key for sorting: the attribute, text in lower case unless told. */
static int sort_key(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const struct medvl_tv *item, const struct medvl_tv *path,
                    bool as_it_is)
{
    int rc = attribute(h, out, item, path);

    if (rc == MEDVL_OK && out->kind == TV_STRING && !as_it_is)
        rc = medvl_tf_case(h, out, out->u.string, CASE_LOWER);
    return rc;
}

/* ---- items ------------------------------------------------------------ */

MEDVL_TF(do_length)
{
    int64_t length;
    int rc = medvl_tv_length(h, &length, in);

    (void)a;
    *out = medvl_tv_int(length);
    return rc;
}

MEDVL_TF(do_list)
{
    (void)a;
    int rc = medvl_tv_items(h, out, in);

    if (rc == MEDVL_OK)
        out->kind = TV_LIST;
    return rc;
}

MEDVL_TF(do_end)
{
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, in);
    size_t count;

    if (rc < 0)
        return rc;
    count = items.u.list->count;
    *out = count ? items.u.list->items[a->how ? count - 1 : 0]
                 : medvl_tv_undefined(NULL);
    return MEDVL_OK;
}

MEDVL_TF(do_reverse)
{
    const size_t base = h->stack_size;
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, in);

    (void)a;
    for (size_t i = rc < 0 ? 0 : items.u.list->count; i-- && rc == MEDVL_OK;)
        rc = medvl_tv_push(h, items.u.list->items[i]);
    if (rc == MEDVL_OK)
        rc = medvl_tv_take(h, &items, TV_LIST, base);
    if (rc == MEDVL_OK && in->kind == TV_STRING)
        return medvl_tf_join(h, out, &items, NULL);
    *out = items;
    return rc;
}

MEDVL_TF(do_join)
{
    const size_t base = h->stack_size;
    const struct medvl_tv_string *between = NULL;
    struct medvl_tv items, item;
    int rc = medvl_tv_items(h, &items, in);

    if (rc == MEDVL_OK && a->at[0])
        rc = medvl_tv_text(h, &between, a->at[0]);
    if (rc == MEDVL_OK && medvl_tf_is(a->at[1])) {
        for (size_t i = 0; i < items.u.list->count && rc == MEDVL_OK; i++) {
            rc = attribute(h, &item, &items.u.list->items[i], a->at[1]);
            if (rc == MEDVL_OK)
                rc = medvl_tv_push(h, item);
        }
        if (rc == MEDVL_OK)
            rc = medvl_tv_take(h, &items, TV_LIST, base);
    }
    return rc < 0 ? rc : medvl_tf_join(h, out, &items, between);
}

MEDVL_TF(do_items)
{
    (void)a;
    return medvl_tf_pairs(h, out, in);
}

MEDVL_TF(do_sum)
{
    struct medvl_tv items, item;
    int rc = medvl_tv_items(h, &items, in);

    *out = a->at[1] ? *a->at[1] : medvl_tv_int(0);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        rc = attribute(h, &item, &items.u.list->items[i], a->at[0]);
        if (rc == MEDVL_OK)
            rc = medvl_tv_add(h, out, out, &item, 1);
    }
    return rc;
}

/* The least (greatest) item by its key, the first of equal ones. */
MEDVL_TF(do_extreme)
{
    struct medvl_tv items, key, best = medvl_tv_none();
    int order, rc = medvl_tv_items(h, &items, in);

    *out = medvl_tv_undefined(NULL);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        const struct medvl_tv *item = &items.u.list->items[i];

        rc = sort_key(h, &key, item, a->at[1], medvl_tf_true(a->at[0]));
        order = -1;
        if (rc == MEDVL_OK && i)
            rc = medvl_tv_order(h, &order, &key, &best);
        if (rc == MEDVL_OK && (!i || a->how * order < 0)) {
            best = key;
            *out = *item;
        }
    }
    return rc;
}

/* ---- sorted ----------------------------------------------------------- */

/*
 * Merge sort of pairs by key: stable, and equal items keep their order when
 * reversed, as in Python.
 */
static int sort_pairs(struct medvl_tv_heap *h, struct medvl_tv_pair **pairs,
                      size_t count, bool reverse)
{
    struct medvl_tv_pair *from = *pairs, *to;
    int order, rc;

    to = medvl_tv_alloc(h, count, sizeof(*to));
    if (!to)
        return (int)h->err->code;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            const size_t mid = low + width < count ? low + width : count;
            const size_t high = mid + width < count ? mid + width : count;
            size_t i = low, j = mid, k = low;

            while (k < high) {
                order = i == mid;
                if (i < mid && j < high) {
                    rc = medvl_tv_order(h, &order, &from[i].key, &from[j].key);
                    if (rc < 0)
                        return rc;
                    order = reverse ? -order : order;
                }
                to[k++] = order > 0 ? from[j++] : from[i++];
            }
            rc = medvl_tv_steps(h, high - low);
            if (rc < 0)
                return rc;
        }
        struct medvl_tv_pair *swap = from;

        from = to;
        to = swap;
    }
    *pairs = from;
    return MEDVL_OK;
}

/* "a,b" sorts by a, then b: a tuple of keys. */
static int sort_keys(struct medvl_tv_heap *h, struct medvl_tv *out,
                     const struct medvl_tv *item, const struct medvl_tv *path,
                     bool as_it_is)
{
    const size_t base = h->stack_size;
    const struct medvl_tv_string *s;
    struct medvl_tv part, key;
    size_t end;
    int rc = MEDVL_OK;

    if (!path || path->kind != TV_STRING ||
        !memchr(path->u.string->data, ',', path->u.string->size))
        return sort_key(h, out, item, path, as_it_is);
    s = path->u.string;
    for (size_t at = 0; at <= s->size && rc == MEDVL_OK; at = end + 1) {
        for (end = at; end < s->size && s->data[end] != ','; end++)
            ;
        rc = medvl_tv_cut(h, &part, s, at, end);
        if (rc == MEDVL_OK)
            rc = sort_key(h, &key, item, &part, as_it_is);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, key);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_TUPLE, base);
}

/* Items with their keys, sorted. */
static int sorted(struct medvl_tv_heap *h, struct medvl_tv_pair **out,
                  size_t *count, const struct medvl_tv *in,
                  const struct medvl_tv *path, bool as_it_is, bool reverse)
{
    struct medvl_tv_pair *pairs;
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, in);

    if (rc < 0)
        return rc;
    *count = items.u.list->count;
    pairs = medvl_tv_alloc(h, *count, sizeof(*pairs));
    if (!pairs)
        return (int)h->err->code;
    for (size_t i = 0; i < *count && rc == MEDVL_OK; i++) {
        pairs[i].value = items.u.list->items[i];
        rc = sort_keys(h, &pairs[i].key, &pairs[i].value, path, as_it_is);
    }
    *out = pairs;
    return rc < 0 ? rc : sort_pairs(h, out, *count, reverse);
}

MEDVL_TF(do_sort)
{
    const size_t base = h->stack_size;
    struct medvl_tv_pair *pairs = NULL;
    size_t count = 0;
    int rc = sorted(h, &pairs, &count, in, a->at[2], medvl_tf_true(a->at[1]),
                    medvl_tf_true(a->at[0]));

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(do_dictsort)
{
    const size_t base = h->stack_size;
    const struct medvl_tv by = medvl_tv_int(
        a->at[1] && medvl_tv_is_text(a->at[1], "value"));
    struct medvl_tv_pair *pairs = NULL;
    struct medvl_tv items;
    size_t count = 0;
    int rc;

    if (in->kind != TV_DICT)
        return medvl_tv_fail(h, "dictsort needs a dict, not a %s",
                             medvl_tv_type_name(in));
    if (a->at[1] && !by.u.i && !medvl_tv_is_text(a->at[1], "key"))
        return medvl_tv_fail(h, "dictsort: by is \"key\" or \"value\"");
    rc = medvl_tf_pairs(h, &items, in);
    if (rc == MEDVL_OK)
        rc = sorted(h, &pairs, &count, &items, &by, medvl_tf_true(a->at[0]),
                    medvl_tf_true(a->at[2]));
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(do_groupby)
{
    const size_t base = h->stack_size;
    struct medvl_tv_pair *pairs = NULL;
    struct medvl_tv group, key, pair;
    size_t count = 0, to;
    bool same;
    int rc = sorted(h, &pairs, &count, in, a->at[0], medvl_tf_true(a->at[2]),
                    false);

    for (size_t at = 0; at < count && rc == MEDVL_OK; at = to) {
        const size_t inner = h->stack_size;

        for (to = at, same = true; to < count && same && rc == MEDVL_OK;) {
            rc = medvl_tv_equal(h, &same, &pairs[at].key, &pairs[to].key);
            if (rc == MEDVL_OK && same)
                rc = medvl_tv_push(h, pairs[to++].value);
        }
        if (rc == MEDVL_OK)
            rc = medvl_tv_take(h, &group, TV_LIST, inner);
        if (rc == MEDVL_OK)
            rc = attribute(h, &key, &pairs[at].value, a->at[0]);
        if (rc == MEDVL_OK && key.kind == TV_UNDEFINED && a->at[1])
            key = *a->at[1];
        if (rc == MEDVL_OK)
            rc = medvl_tv_pair(h, &pair, key, group);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, pair);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(do_unique)
{
    const size_t base = h->stack_size;
    struct medvl_tv items, seen, key;
    struct medvl_tv_pair *pair;
    int rc = medvl_tv_items(h, &items, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_dict(h, &seen);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        rc = sort_key(h, &key, &items.u.list->items[i], a->at[1],
                      medvl_tf_true(a->at[0]));
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_find(h, &pair, seen.u.dict, &key);
        if (rc < 0 || pair)
            continue;
        rc = medvl_tv_dict_set(h, seen.u.dict, key, key);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, items.u.list->items[i]);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* ---- in rows ---------------------------------------------------------- */

/* What stands on the stack from `base` on becomes one list on it. */
static int push_row(struct medvl_tv_heap *h, size_t base)
{
    struct medvl_tv row;
    const int rc = medvl_tv_take(h, &row, TV_LIST, base);

    return rc < 0 ? rc : medvl_tv_push(h, row);
}

MEDVL_TF(do_batch)
{
    const size_t base = h->stack_size;
    struct medvl_tv items;
    int64_t width = 0;
    size_t inner;
    int rc = medvl_tf_int(h, &width, a->at[0], "batch: the count");

    if (rc == MEDVL_OK && width < 1)
        rc = medvl_tv_fail(h, "batch: the count is below 1");
    if (rc == MEDVL_OK)
        rc = medvl_tv_items(h, &items, in);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count;) {
        const size_t end = i + (size_t)width;

        inner = h->stack_size;
        for (; i < end && i < items.u.list->count && rc == MEDVL_OK; i++)
            rc = medvl_tv_push(h, items.u.list->items[i]);
        while (i < end && medvl_tf_is(a->at[1]) &&
               h->stack_size - inner < (size_t)width && rc == MEDVL_OK)
            rc = medvl_tv_push(h, *a->at[1]);
        if (rc == MEDVL_OK)
            rc = push_row(h, inner);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(do_slice)
{
    const size_t base = h->stack_size;
    struct medvl_tv items;
    int64_t rows = 0;
    size_t at = 0, each, more, inner;
    int rc = medvl_tf_int(h, &rows, a->at[0], "slice: the count");

    if (rc == MEDVL_OK && rows < 1)
        rc = medvl_tv_fail(h, "slice: the count is below 1");
    if (rc == MEDVL_OK)
        rc = medvl_tv_items(h, &items, in);
    if (rc < 0)
        return rc;
    each = items.u.list->count / (size_t)rows;
    more = items.u.list->count % (size_t)rows;
    for (size_t r = 0; r < (size_t)rows && rc == MEDVL_OK; r++) {
        const size_t end = at + each + (r < more);

        inner = h->stack_size;
        for (; at < end && rc == MEDVL_OK; at++)
            rc = medvl_tv_push(h, items.u.list->items[at]);
        if (rc == MEDVL_OK && medvl_tf_is(a->at[1]) &&
            more && r >= more)
            rc = medvl_tv_push(h, *a->at[1]);
        if (rc == MEDVL_OK)
            rc = push_row(h, inner);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* ---- filters that apply others ---------------------------------------- */

/* The argument of this name, or NULL. */
static const struct medvl_tv *named(const struct medvl_tf_given *g,
                                    const char *name)
{
    for (size_t i = 0; i < g->named_count; i++)
        if (!strcmp(g->named[i].name, name))
            return &g->named[i].value;
    return NULL;
}

/* The items to map or select from; any value that is false has none. */
static int items_of(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const struct medvl_tv *in)
{
    return medvl_tv_truth(in) ? medvl_tv_items(h, out, in)
                              : medvl_tv_list(h, out, TV_LIST, NULL, 0);
}

MEDVL_TF(do_map)
{
    const struct medvl_tf_given *g = a->given;
    const struct medvl_tf_given rest = {g->items + 1, g->count - 1, g->named,
                                        g->named_count};
    const struct medvl_tv *path = named(g, "attribute");
    const struct medvl_tv *instead = named(g, "default");
    const size_t base = h->stack_size;
    const struct medvl_tf *f = NULL;
    struct medvl_tv items, item;
    int rc = items_of(h, &items, in);

    if (rc < 0)
        return rc;
    if (g->count && !path)
        f = medvl_filter_find(medvl_filter_name(&g->items[0]));
    if (!path && !f)
        return medvl_tv_fail(h, "map needs a filter's name or attribute=");
    for (size_t i = 0; i < items.u.list->count && rc == MEDVL_OK; i++) {
        const struct medvl_tv *from = &items.u.list->items[i];

        rc = path ? attribute(h, &item, from, path)
                  : medvl_tf_call(h, &item, f, from, &rest);
        if (rc == MEDVL_OK && path && instead && item.kind == TV_UNDEFINED)
            item = *instead;
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, item);
        if (rc == MEDVL_OK)
            rc = medvl_tv_steps(h, 1);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* Keep the items whose value (or attribute) passes a test, or does not. */
MEDVL_TF(do_select)
{
    const struct medvl_tf_given *g = a->given;
    const size_t base = h->stack_size, skip = a->how & ATTRIBUTE ? 1 : 0;
    const struct medvl_tf_given rest = {
        g->items + skip + 1, g->count > skip ? g->count - skip - 1 : 0,
        g->named, g->named_count};
    const struct medvl_tf *test = NULL;
    struct medvl_tv items, value, passed;
    int rc = items_of(h, &items, in);

    if (rc < 0)
        return rc;
    if (g->count < skip)
        return medvl_tv_fail(h, "the attribute to select by is missing");
    if (g->count > skip) {
        test = medvl_test_find(medvl_filter_name(&g->items[skip]));
        if (!test)
            return medvl_tv_fail(h, "no test of that name to select by");
    }
    for (size_t i = 0; i < items.u.list->count && rc == MEDVL_OK; i++) {
        rc = attribute(h, &value, &items.u.list->items[i],
                       skip ? &g->items[0] : NULL);
        passed = value;
        if (rc == MEDVL_OK && test)
            rc = medvl_tf_call(h, &passed, test, &value, &rest);
        if (rc == MEDVL_OK && medvl_tv_truth(&passed) == (a->how & WANTED))
            rc = medvl_tv_push(h, items.u.list->items[i]);
        if (rc == MEDVL_OK)
            rc = medvl_tv_steps(h, 1);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* ---- table ------------------------------------------------------------ */

const struct medvl_tf medvl_sequence_filters[] = {
    {"batch", "linecount fill_with", 1, do_batch, 0},
    {"count", "", 0, do_length, 0},
    {"dictsort", "case_sensitive by reverse", 0, do_dictsort, 0},
    {"first", "", 0, do_end, 0},
    {"groupby", "attribute default case_sensitive", 1, do_groupby, 0},
    {"items", "", 0, do_items, 0},
    {"join", "d attribute", 0, do_join, 0},
    {"last", "", 0, do_end, 1},
    {"length", "", 0, do_length, 0},
    {"list", "", 0, do_list, 0},
    {"map", "*", 0, do_map, 0},
    {"max", "case_sensitive attribute", 0, do_extreme, -1},
    {"min", "case_sensitive attribute", 0, do_extreme, 1},
    {"reject", "*", 0, do_select, 0},
    {"rejectattr", "*", 0, do_select, ATTRIBUTE},
    {"reverse", "", 0, do_reverse, 0},
    {"select", "*", 0, do_select, WANTED},
    {"selectattr", "*", 0, do_select, WANTED | ATTRIBUTE},
    {"slice", "slices fill_with", 1, do_slice, 0},
    {"sort", "reverse case_sensitive attribute", 0, do_sort, 0},
    {"sum", "attribute start", 0, do_sum, 0},
    {"unique", "case_sensitive attribute", 0, do_unique, 0},
    {0}};
