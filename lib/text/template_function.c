/*
 * The functions of templates: range, dict, namespace, raise_exception,
 * and strftime_now, whose clock stands still.
 *
 * Read next: template_lex.c.
 */
#include <string.h>

#include "lib/text/template_filter.h"
#include "lib/text/template_print.h"

#define MAX_RANGE 100000 /* as the sandbox of Jinja */

MEDVL_TF(call_range)
{
    const size_t base = h->stack_size;
    int64_t from = 0, to = 0, step = 1;
    uint64_t count, stride;
    int rc = medvl_tf_int(h, a->at[1] ? &from : &to, a->at[0], "range");

    (void)in;
    if (rc == MEDVL_OK)
        rc = medvl_tf_int(h, &to, a->at[1], "range");
    if (rc == MEDVL_OK)
        rc = medvl_tf_int(h, &step, a->at[2], "range");
    if (rc == MEDVL_OK && step == 0)
        rc = medvl_tv_fail(h, "range: the step is 0");
    if (rc < 0)
        return rc;
    stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    count = step > 0 ? (uint64_t)to - (uint64_t)from
                     : (uint64_t)from - (uint64_t)to;
    if (step > 0 ? to <= from : to >= from)
        count = 0;
    count = count / stride + (count % stride != 0);
    if (count > MAX_RANGE)
        return medvl_tv_fail(h, "range: more than %d numbers", MAX_RANGE);
    for (; count && rc == MEDVL_OK; count--) {
        rc = medvl_tv_push(h, medvl_tv_int(from));
        from = (int64_t)((uint64_t)from + (uint64_t)step);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* Members from pairs in a list, then from named arguments. */
static int fill_dict(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                     const struct medvl_tf_given *g)
{
    struct medvl_tv items;
    int rc = MEDVL_OK;

    if (g->count > 1)
        return medvl_tv_fail(h, "dict takes one argument, not %zu", g->count);
    if (g->count && g->items[0].kind == TV_DICT)
        rc = medvl_tf_pairs(h, &items, &g->items[0]);
    else if (g->count)
        rc = medvl_tv_items(h, &items, &g->items[0]);
    for (size_t i = 0; rc == MEDVL_OK && g->count && i < items.u.list->count;
         i++) {
        const struct medvl_tv *pair = &items.u.list->items[i];

        if (!medvl_tv_is_list(pair) || pair->u.list->count != 2)
            return medvl_tv_fail(h, "dict: item %zu is no pair", i);
        rc = medvl_tv_dict_set(h, dict, pair->u.list->items[0],
                               pair->u.list->items[1]);
    }
    return rc < 0 ? rc : medvl_tf_dict(h, dict, g);
}

MEDVL_TF(call_dict)
{
    int rc = medvl_tv_dict(h, out);

    (void)in;
    if (rc == MEDVL_OK)
        rc = fill_dict(h, out->u.dict, a->given);
    out->kind = (uint8_t)a->how;
    return rc;
}

MEDVL_TF(call_raise)
{
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, a->at[0]);

    (void)in, (void)out;
    if (rc < 0)
        return rc;
    return medvl_tv_fail(h, "%.*s", (int)(s->size < 500 ? s->size : 500),
                         s->data);
}

/*
 * The format as C's strftime takes it: microseconds are Python's alone, and
 * seconds since 1970 (%s) would depend on the machine's time zone.
 */
static int c_format(struct medvl_tv_heap *h, struct medvl_tv_build *out,
                    const struct medvl_tv_string *format)
{
    const char *p = format->data, *end = p + format->size;
    int rc = MEDVL_OK;

    while (p < end && rc == MEDVL_OK) {
        const char *from = p++;

        if (*from == '%')
            while (p < end && *p && strchr("-_0^#+123456789EO", *p))
                p++;
        if (!*from || (p < end && !*p))
            return medvl_tv_fail(h, "strftime_now: a zero byte");
        if (*from == '%' && p < end && *p == 's')
            return medvl_tv_fail(h, "strftime_now: %%s is not known here");
        if (*from == '%' && p < end && *p++ == 'f')
            rc = medvl_tv_put(h, out, "000000", 6, false);
        else
            rc = medvl_tv_put(h, out, from, (size_t)(p - from), false);
    }
    return rc;
}

MEDVL_TF(call_strftime)
{
    const struct medvl_tv_string *format = NULL;
    struct medvl_tv_build c = {0};
    size_t room, size = 0;
    char *text;
    int rc = medvl_tf_string(h, &format, a->at[0], "strftime_now: the format");

    (void)in;
    if (rc == MEDVL_OK)
        rc = c_format(h, &c, format);
    if (rc == MEDVL_OK) /* so that no result is empty */
        rc = medvl_tv_put(h, &c, ".", 2, false);
    if (rc < 0)
        return rc;
    room = 16 * c.size + 100;
    text = medvl_tv_alloc(h, 1, room);
    if (!text)
        return (int)h->err->code;
    size = strftime(text, room, c.data, h->now);
    if (!size)
        return medvl_tv_fail(h, "strftime_now: more than %zu bytes", room);
    return medvl_tv_string(h, out, text, size - 1,
                           format->mark || format->marks);
}

static const struct medvl_tf FUNCTIONS[] = {
    {"dict", "*", 0, call_dict, TV_DICT},
    {"namespace", "*", 0, call_dict, TV_NAMESPACE},
    {"raise_exception", "message", 1, call_raise, 0},
    {"range", "start stop step", 1, call_range, 0},
    {0}};

static const struct medvl_tf DATED[] = {
    {"strftime_now", "format", 1, call_strftime, 0},
    {0}};

const struct medvl_tf *medvl_function_find(const struct medvl_tv_heap *h,
                                           struct medvl_span name)
{
    const struct medvl_tf *f = medvl_tf_find(FUNCTIONS, name);

    return f || !h->now ? f : medvl_tf_find(DATED, name);
}
