/*
 * Binding of arguments to parameters: see template_call.h.
 *
 * Read next: template_string.c.
 */
#include "lib/text/template_call.h"

#include <string.h>

const struct medvl_tf *medvl_tf_find(const struct medvl_tf *table,
                                     struct medvl_span name)
{
    for (; table->name; table++)
        if (medvl_span_is(name, table->name))
            return table;
    return NULL;
}

/* The number of `name` among parameters "a b c"; -1 where it is none. */
static int parameter(const char *parameters, const char *name, int *count)
{
    const size_t size = strlen(name);
    int found = -1;

    *count = 0;
    for (const char *p = parameters; *p; (*count)++) {
        const size_t n = strcspn(p, " ");

        if (n == size && !memcmp(p, name, n))
            found = *count;
        p += n + (p[n] == ' ');
    }
    return found;
}

/* Text that a call reads costs steps: else a loop over a long one has none. */
static int pay(struct medvl_tv_heap *h, const struct medvl_tv *value)
{
    if (!value || value->kind != TV_STRING)
        return MEDVL_OK;
    return medvl_tv_steps(h, value->u.string->size / 64);
}

/* One level deeper: map can apply map. */
static int run(struct medvl_tv_heap *h, struct medvl_tv *out,
               const struct medvl_tf *f, const struct medvl_tv *in,
               struct medvl_tf_args *args)
{
    int rc = medvl_tv_enter(h);

    if (rc < 0)
        return rc;
    rc = pay(h, in);
    for (int i = 0; i < MEDVL_TF_PARAMETERS && rc == MEDVL_OK; i++)
        rc = pay(h, args->at[i]);
    if (rc == MEDVL_OK) {
        args->how = f->how;
        rc = f->run(h, out, in, args);
    }
    h->depth--;
    return rc;
}

int medvl_tf_call(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tf *f, const struct medvl_tv *in,
                  const struct medvl_tf_given *given)
{
    struct medvl_tf_args args = {.given = given};
    int count, at;

    if (*f->parameters == '*')
        return run(h, out, f, in, &args);
    parameter(f->parameters, "", &count);
    if (given->count > (size_t)count)
        return medvl_tv_fail(h, "%s takes %d arguments, not %zu", f->name,
                             count, given->count);
    for (size_t i = 0; i < given->count; i++)
        args.at[i] = &given->items[i];
    for (size_t i = 0; i < given->named_count; i++) {
        at = parameter(f->parameters, given->named[i].name, &count);
        if (at < 0 || args.at[at])
            return medvl_tv_fail(h, "%s: argument \"%s\" is %s", f->name,
                                 given->named[i].name,
                                 at < 0 ? "unknown" : "given twice");
        args.at[at] = &given->named[i].value;
    }
    for (int i = 0; i < f->required; i++)
        if (!args.at[i])
            return medvl_tv_fail(h, "%s needs %d argument%s", f->name,
                                 f->required, f->required > 1 ? "s" : "");
    return run(h, out, f, in, &args);
}

int medvl_tf_int(struct medvl_tv_heap *h, int64_t *out,
                 const struct medvl_tv *arg, const char *what)
{
    if (!arg)
        return MEDVL_OK;
    if (!medvl_tv_is_int(arg))
        return medvl_tv_fail(h, "%s must be an int, not a %s", what,
                             medvl_tv_type_name(arg));
    *out = medvl_tv_int_of(arg);
    return MEDVL_OK;
}

int medvl_tf_string(struct medvl_tv_heap *h,
                    const struct medvl_tv_string **out,
                    const struct medvl_tv *arg, const char *what)
{
    if (!arg)
        return MEDVL_OK;
    if (arg->kind != TV_STRING)
        return medvl_tv_fail(h, "%s must be a str, not a %s", what,
                             medvl_tv_type_name(arg));
    *out = arg->u.string;
    return MEDVL_OK;
}

bool medvl_tf_true(const struct medvl_tv *arg)
{
    return arg && medvl_tv_truth(arg);
}

bool medvl_tf_is(const struct medvl_tv *arg)
{
    return arg && arg->kind != TV_NONE;
}

int medvl_tf_dict(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                  const struct medvl_tf_given *given)
{
    struct medvl_tv key;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < given->named_count && rc == MEDVL_OK; i++) {
        const struct medvl_tf_named *named = &given->named[i];

        rc = medvl_tv_string(h, &key, named->name, strlen(named->name),
                             false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(h, dict, key, named->value);
    }
    return rc;
}
