/*
 * The tests of templates, what stands after "is": a function each, or one
 * for many, and the table at the end.
 *
 * Read next: template_function.c.
 */
#include <math.h>

#include "lib/text/template_filter.h"
#include "lib/text/template_print.h"

/* Kinds of values as a set. */
#define IS(kind) (1 << TV_##kind)
#define NUMBER   (IS(BOOL) | IS(INT) | IS(FLOAT))
#define SEQUENCE \
    (IS(STRING) | IS(UNDEFINED) | IS(LIST) | IS(TUPLE) | IS(DICT))
#define CALLABLE (IS(MACRO) | IS(FUNCTION) | IS(METHOD) | IS(UNDEFINED))

/* Outcomes of a comparison as a set. */
#define LESS 1
#define SAME 2
#define MORE 4

MEDVL_TF(is_kind)
{
    (void)h;
    *out = medvl_tv_bool(a->how >> in->kind & 1);
    return MEDVL_OK;
}

MEDVL_TF(is_truth)
{
    (void)h;
    *out = medvl_tv_bool(in->kind == TV_BOOL && in->u.truth == a->how);
    return MEDVL_OK;
}

/* in % by, Python's: the remainder has the sign of `by`. */
static int remainder_is(struct medvl_tv_heap *h, struct medvl_tv *out,
                        const struct medvl_tv *in, int64_t by, int64_t want)
{
    int64_t rest;

    if (!medvl_tv_is_number(in))
        return medvl_tv_fail(h, "the test needs a number, not a %s",
                             medvl_tv_type_name(in));
    if (by == 0)
        return medvl_tv_fail(h, "division by zero");
    if (in->kind == TV_FLOAT) {
        double f = fmod(in->u.f, (double)by);

        f += f != 0 && (f < 0) != (by < 0) ? (double)by : 0;
        *out = medvl_tv_bool(f == (double)want);
        return MEDVL_OK;
    }
    rest = by == -1 ? 0 : medvl_tv_int_of(in) % by;
    rest += rest && (rest < 0) != (by < 0) ? by : 0;
    *out = medvl_tv_bool(rest == want);
    return MEDVL_OK;
}

MEDVL_TF(is_odd)
{
    return remainder_is(h, out, in, 2, a->how);
}

MEDVL_TF(is_divisibleby)
{
    int64_t by = 0;
    int rc = medvl_tf_int(h, &by, a->at[0], "divisibleby: the argument");

    return rc < 0 ? rc : remainder_is(h, out, in, by, 0);
}

/* What the string's own method says of the value as text. */
MEDVL_TF(is_case)
{
    const char *name = a->how == CASE_LOWER ? "islower" : "isupper";
    const struct medvl_tf_given nothing = {0};
    const struct medvl_tv_string *s = NULL;
    struct medvl_tv text;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_cut(h, &text, s, 0, s->size);
    if (rc < 0)
        return rc;
    return medvl_tf_call(h, out, medvl_tf_method(&text, medvl_span(name)),
                         &text, &nothing);
}

MEDVL_TF(is_equal)
{
    bool same = false;
    int rc = medvl_tv_equal(h, &same, in, a->at[0]);

    *out = medvl_tv_bool(same == a->how);
    return rc;
}

MEDVL_TF(is_same)
{
    bool same = false;
    int rc = MEDVL_OK;

    if (in->kind == a->at[0]->kind)
        rc = medvl_tv_equal(h, &same, in, a->at[0]);
    *out = medvl_tv_bool(same);
    return rc;
}

MEDVL_TF(is_order)
{
    int order = 0;
    int rc = medvl_tv_order(h, &order, in, a->at[0]);

    *out = medvl_tv_bool(a->how & (order < 0 ? LESS : order > 0 ? MORE
                                                                : SAME));
    return rc;
}

MEDVL_TF(is_in)
{
    bool found;
    int rc = medvl_tv_contains(h, &found, in, a->at[0]);

    *out = medvl_tv_bool(found);
    return rc;
}

/* Is there a filter (a test) of this name? */
MEDVL_TF(is_name)
{
    const struct medvl_span name = medvl_filter_name(in);

    (void)h;
    *out = medvl_tv_bool(a->how ? medvl_test_find(name) != NULL
                                : medvl_filter_find(name) != NULL);
    return MEDVL_OK;
}

static const struct medvl_tf TESTS[] = {
    {"!=", "other", 1, is_equal, false},
    {"<", "other", 1, is_order, LESS},
    {"<=", "other", 1, is_order, LESS | SAME},
    {"==", "other", 1, is_equal, true},
    {">", "other", 1, is_order, MORE},
    {">=", "other", 1, is_order, MORE | SAME},
    {"boolean", "", 0, is_kind, IS(BOOL)},
    {"callable", "", 0, is_kind, CALLABLE},
    {"defined", "", 0, is_kind, ~IS(UNDEFINED)},
    {"divisibleby", "num", 1, is_divisibleby, 0},
    {"eq", "other", 1, is_equal, true},
    {"equalto", "other", 1, is_equal, true},
    {"even", "", 0, is_odd, 0},
    {"false", "", 0, is_truth, false},
    {"filter", "", 0, is_name, 0},
    {"float", "", 0, is_kind, IS(FLOAT)},
    {"ge", "other", 1, is_order, MORE | SAME},
    {"greaterthan", "other", 1, is_order, MORE},
    {"gt", "other", 1, is_order, MORE},
    {"in", "seq", 1, is_in, 0},
    {"integer", "", 0, is_kind, IS(INT)},
    {"iterable", "", 0, is_kind, SEQUENCE},
    {"le", "other", 1, is_order, LESS | SAME},
    {"lessthan", "other", 1, is_order, LESS},
    {"lower", "", 0, is_case, CASE_LOWER},
    {"lt", "other", 1, is_order, LESS},
    {"mapping", "", 0, is_kind, IS(DICT)},
    {"ne", "other", 1, is_equal, false},
    {"none", "", 0, is_kind, IS(NONE)},
    {"number", "", 0, is_kind, NUMBER},
    {"odd", "", 0, is_odd, 1},
    {"sameas", "other", 1, is_same, 0},
    {"sequence", "", 0, is_kind, SEQUENCE},
    {"string", "", 0, is_kind, IS(STRING)},
    {"test", "", 0, is_name, 1},
    {"true", "", 0, is_truth, true},
    {"undefined", "", 0, is_kind, IS(UNDEFINED)},
    {"upper", "", 0, is_case, CASE_UPPER},
    {0}};

const struct medvl_tf *medvl_test_find(struct medvl_span name)
{
    return medvl_tf_find(TESTS, name);
}
