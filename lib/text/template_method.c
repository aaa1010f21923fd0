/*
 * The methods of lists and dicts that change nothing: those that do
 * (append, update) are refused, as the sandbox of transformers refuses them.
 *
 * Read next: template_filter.c.
 */
#include "lib/text/template_method.h"

MEDVL_TF(list_count)
{
    int64_t count = 0;
    bool same;
    int rc;

    for (size_t i = 0; i < in->u.list->count; i++) {
        rc = medvl_tv_equal(h, &same, &in->u.list->items[i], a->at[0]);
        if (rc < 0)
            return rc;
        count += same;
    }
    *out = medvl_tv_int(count);
    return medvl_tv_steps(h, in->u.list->count / 8);
}

MEDVL_TF(list_index)
{
    bool same;
    int rc;

    for (size_t i = 0; i < in->u.list->count; i++) {
        rc = medvl_tv_equal(h, &same, &in->u.list->items[i], a->at[0]);
        if (rc < 0)
            return rc;
        if (same) {
            *out = medvl_tv_int((int64_t)i);
            return medvl_tv_steps(h, i / 8);
        }
    }
    return medvl_tv_fail(h, "index: the item is not there");
}

MEDVL_TF(list_copy)
{
    (void)h, (void)a;
    *out = *in;
    return MEDVL_OK;
}

MEDVL_TF(dict_get)
{
    struct medvl_tv_pair *pair;
    int rc = medvl_tv_dict_find(h, &pair, in->u.dict, a->at[0]);

    *out = pair ? pair->value : a->at[1] ? *a->at[1]
                                         : medvl_tv_none();
    return rc;
}

int medvl_tf_pairs(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *dict)
{
    const size_t base = h->stack_size;
    struct medvl_tv pair;
    int rc = MEDVL_OK;

    if (dict->kind == TV_UNDEFINED)
        return medvl_tv_list(h, out, TV_LIST, NULL, 0);
    if (dict->kind != TV_DICT)
        return medvl_tv_fail(h, "a %s has no items",
                             medvl_tv_type_name(dict));
    for (size_t i = 0; i < dict->u.dict->count && rc == MEDVL_OK; i++) {
        rc = medvl_tv_pair(h, &pair, dict->u.dict->pairs[i].key,
                           dict->u.dict->pairs[i].value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, pair);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(dict_items)
{
    (void)a;
    return medvl_tf_pairs(h, out, in);
}

MEDVL_TF(dict_keys)
{
    (void)a;
    return medvl_tv_items(h, out, in);
}

MEDVL_TF(dict_values)
{
    const size_t base = h->stack_size;
    int rc = MEDVL_OK;

    (void)a;
    for (size_t i = 0; i < in->u.dict->count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, in->u.dict->pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(refuse)
{
    (void)out, (void)a;
    return medvl_tv_fail(h, "a template cannot change a %s",
                         medvl_tv_type_name(in));
}

static const struct medvl_tf LIST_METHODS[] = {
    {"append", "*", 0, refuse, 0},
    {"clear", "*", 0, refuse, 0},
    {"copy", "", 0, list_copy, 0},
    {"count", "value", 1, list_count, 0},
    {"extend", "*", 0, refuse, 0},
    {"index", "value", 1, list_index, 0},
    {"insert", "*", 0, refuse, 0},
    {"pop", "*", 0, refuse, 0},
    {"remove", "*", 0, refuse, 0},
    {"reverse", "*", 0, refuse, 0},
    {"sort", "*", 0, refuse, 0},
    {0}};

static const struct medvl_tf DICT_METHODS[] = {
    {"clear", "*", 0, refuse, 0},
    {"copy", "", 0, list_copy, 0},
    {"get", "key default", 1, dict_get, 0},
    {"items", "", 0, dict_items, 0},
    {"keys", "", 0, dict_keys, 0},
    {"pop", "*", 0, refuse, 0},
    {"popitem", "*", 0, refuse, 0},
    {"setdefault", "*", 0, refuse, 0},
    {"update", "*", 0, refuse, 0},
    {"values", "", 0, dict_values, 0},
    {0}};

const struct medvl_tf *medvl_tf_method(const struct medvl_tv *of,
                                       struct medvl_span name)
{
    if (of->kind == TV_STRING)
        return medvl_tf_find(medvl_string_methods, name);
    if (medvl_tv_is_list(of))
        return medvl_tf_find(LIST_METHODS, name);
    if (of->kind == TV_DICT)
        return medvl_tf_find(DICT_METHODS, name);
    return NULL;
}
