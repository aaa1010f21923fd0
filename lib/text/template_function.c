/*
 * The functions of templates: range, dict, namespace, raise_exception.
 *
 * Read next: template_lex.c.
 */
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

static const struct medvl_tf FUNCTIONS[] = {
    {"dict", "*", 0, call_dict, TV_DICT},
    {"namespace", "*", 0, call_dict, TV_NAMESPACE},
    {"raise_exception", "message", 1, call_raise, 0},
    {"range", "start stop step", 1, call_range, 0},
    {0}};

const struct medvl_tf *medvl_function_find(struct medvl_span name)
{
    return medvl_tf_find(FUNCTIONS, name);
}
