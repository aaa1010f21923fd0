/*
 * Operators on values: see template_operate.h.
 *
 * Read next: template_filter.c.
 */
#include "lib/text/template_operate.h"

#include <math.h>
#include <string.h>

#include "lib/text/template_format.h"
#include "lib/text/template_method.h"
#include "lib/text/template_print.h"

/* What an operation on an undefined value says. */
int medvl_tv_no_value(struct medvl_tv_heap *h, const struct medvl_tv *value)
{
    if (value->u.name)
        return medvl_tv_fail(h, "\"%.200s\" is undefined", value->u.name);
    return medvl_tv_fail(h, "the value is undefined");
}

/* ---- arithmetic ------------------------------------------------------- */

int medvl_tv_add(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv *a, const struct medvl_tv *b,
                 int sign)
{
    const uint8_t mark = a->mark | b->mark;
    int64_t sum;

    if (!medvl_tv_is_number(a) || !medvl_tv_is_number(b))
        return medvl_tv_fail(h, "a %s and a %s cannot be %s",
                             medvl_tv_type_name(a), medvl_tv_type_name(b),
                             sign < 0 ? "subtracted" : "added");
    if (!medvl_tv_is_int(a) || !medvl_tv_is_int(b)) {
        *out = medvl_tv_float(medvl_tv_float_of(a) +
                              sign * medvl_tv_float_of(b));
    } else {
        const int64_t x = medvl_tv_int_of(a), y = medvl_tv_int_of(b);

        if (sign < 0 ? __builtin_sub_overflow(x, y, &sum)
                     : __builtin_add_overflow(x, y, &sum))
            return medvl_tv_fail(h, "the sum does not fit 64 bits");
        *out = medvl_tv_int(sum);
    }
    out->mark = mark;
    return MEDVL_OK;
}

static int int_power(struct medvl_tv_heap *h, struct medvl_tv *out,
                     int64_t base, int64_t exponent)
{
    int64_t value = 1;
    bool over = false;

    while (exponent && !over) {
        if (exponent & 1)
            over = __builtin_mul_overflow(value, base, &value);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base))
            over = true;
    }
    *out = medvl_tv_int(value);
    return over ? medvl_tv_fail(h, "the power does not fit 64 bits")
                : MEDVL_OK;
}

static int int_arithmetic(struct medvl_tv_heap *h, struct medvl_tv *out,
                          char op, int64_t x, int64_t y)
{
    int64_t value = 0;

    if (op == 'p' && y >= 0)
        return int_power(h, out, x, y);
    if (op == '*' && __builtin_mul_overflow(x, y, &value))
        return medvl_tv_fail(h, "the product does not fit 64 bits");
    if (op == '*') {
        *out = medvl_tv_int(value);
        return MEDVL_OK;
    }
    if (y == -1) { /* the one quotient that can overflow */
        if (op == '%')
            *out = medvl_tv_int(0);
        else if (x == INT64_MIN)
            return medvl_tv_fail(h, "the quotient does not fit 64 bits");
        else
            *out = medvl_tv_int(-x);
        return MEDVL_OK;
    }
    value = x / y;
    x %= y;
    if (x && (x < 0) != (y < 0)) {
        x += y;
        value--;
    }
    *out = medvl_tv_int(op == '%' ? x : value);
    return MEDVL_OK;
}

static int arithmetic(struct medvl_tv_heap *h, struct medvl_tv *out, char op,
                      const struct medvl_tv *a, const struct medvl_tv *b)
{
    const double x = medvl_tv_float_of(a), y = medvl_tv_float_of(b);
    const bool ints = medvl_tv_is_int(a) && medvl_tv_is_int(b);
    double value;
    int rc = MEDVL_OK;

    if ((strchr("/f%", op) && y == 0) || (op == 'p' && x == 0 && y < 0))
        return medvl_tv_fail(h, "division by zero");
    if (ints && op != '/' && !(op == 'p' && y < 0)) {
        rc = int_arithmetic(h, out, op, medvl_tv_int_of(a),
                            medvl_tv_int_of(b));
        out->mark = a->mark | b->mark;
        return rc;
    }
    if (op == '*') {
        value = x * y;
    } else if (op == '/') {
        value = x / y;
    } else if (op == 'p') {
        value = pow(x, y);
    } else {
        const double rest = fmod(x, y);
        const double fixed = rest != 0 && (rest < 0) != (y < 0) ? rest + y
                                                                : rest;

        value = op == '%' ? (fixed != 0 ? fixed : copysign(0, y))
                          : round((x - fixed) / y);
    }
    if ((isnan(value) && !isnan(x) && !isnan(y)) ||
        (op == 'p' && isinf(value) && isfinite(x) && isfinite(y)))
        return medvl_tv_fail(h, "the result is no number");
    *out = medvl_tv_float(value);
    out->mark = a->mark | b->mark;
    return MEDVL_OK;
}

/* ---- sequences -------------------------------------------------------- */

static int repeat(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tv *what, int64_t times)
{
    const size_t base = h->stack_size;
    struct medvl_tv_build b = {0};
    int rc = MEDVL_OK;

    if (what->kind == TV_STRING) {
        for (; times > 0 && rc == MEDVL_OK && what->u.string->size; times--)
            rc = medvl_tv_put_value(h, &b, what);
        return rc < 0 ? rc : medvl_tv_built(h, out, &b);
    }
    for (; times > 0 && rc == MEDVL_OK && what->u.list->count; times--)
        for (size_t i = 0; i < what->u.list->count && rc == MEDVL_OK; i++)
            rc = medvl_tv_push(h, what->u.list->items[i]);
    return rc < 0 ? rc : medvl_tv_take(h, out, what->kind, base);
}

/* str + str, list + list; *done says whether it was that. */
static int add_sequences(struct medvl_tv_heap *h, struct medvl_tv *out,
                         const struct medvl_tv *a, const struct medvl_tv *b,
                         bool *done)
{
    const size_t base = h->stack_size;
    struct medvl_tv_build text = {0};
    int rc = MEDVL_OK;

    *done = a->kind == b->kind &&
            (a->kind == TV_STRING || medvl_tv_is_list(a));
    if (!*done)
        return MEDVL_OK;
    if (a->kind == TV_STRING) {
        rc = medvl_tv_put_value(h, &text, a);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_value(h, &text, b);
        return rc < 0 ? rc : medvl_tv_built(h, out, &text);
    }
    for (size_t i = 0; i < a->u.list->count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, a->u.list->items[i]);
    for (size_t i = 0; i < b->u.list->count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, b->u.list->items[i]);
    return rc < 0 ? rc : medvl_tv_take(h, out, a->kind, base);
}

int medvl_tv_operate(struct medvl_tv_heap *h, struct medvl_tv *out, char op,
                     const struct medvl_tv *a, const struct medvl_tv *b)
{
    bool done = false;
    int rc;

    if (a->kind == TV_UNDEFINED || b->kind == TV_UNDEFINED)
        return medvl_tv_no_value(h, a->kind == TV_UNDEFINED ? a : b);
    if (op == '%' && a->kind == TV_STRING)
        return medvl_format_percent(h, out, a->u.string, b);
    if (op == '*' && medvl_tv_is_int(b) &&
        (a->kind == TV_STRING || medvl_tv_is_list(a)))
        return repeat(h, out, a, medvl_tv_int_of(b));
    if (op == '*' && medvl_tv_is_int(a) &&
        (b->kind == TV_STRING || medvl_tv_is_list(b)))
        return repeat(h, out, b, medvl_tv_int_of(a));
    if (op == '+') {
        rc = add_sequences(h, out, a, b, &done);
        if (rc < 0 || done)
            return rc;
    }
    if (op == '+' || op == '-')
        return medvl_tv_add(h, out, a, b, op == '-' ? -1 : 1);
    if (!medvl_tv_is_number(a) || !medvl_tv_is_number(b))
        return medvl_tv_fail(h, "'%s' does not take a %s and a %s",
                             op == 'f' ? "//" : op == 'p' ? "**"
                                            : op == '/'   ? "/"
                                            : op == '%'   ? "%"
                                                          : "*",
                             medvl_tv_type_name(a), medvl_tv_type_name(b));
    return arithmetic(h, out, op, a, b);
}

int medvl_tv_compare(struct medvl_tv_heap *h, bool *out, char op,
                     const struct medvl_tv *a, const struct medvl_tv *b)
{
    int order = 0, rc;

    if (op == '=' || op == '!') {
        rc = medvl_tv_equal(h, out, a, b);
        *out = *out == (op == '=');
        return rc;
    }
    if (op == 'i' || op == 'n') {
        rc = medvl_tv_contains(h, out, a, b);
        *out = *out == (op == 'i');
        return rc;
    }
    if (a->kind == TV_UNDEFINED || b->kind == TV_UNDEFINED)
        return medvl_tv_no_value(h, a->kind == TV_UNDEFINED ? a : b);
    rc = medvl_tv_order(h, &order, a, b);
    *out = op == '<' ? order < 0 : op == '>' ? order > 0
                               : op == 'l'   ? order <= 0
                                             : order >= 0;
    return rc;
}

/* ---- slices ----------------------------------------------------------- */

/* One bound as Python clips it, for a step of this sign. */
static int64_t clip(int64_t at, int64_t length, bool forward)
{
    if (at < 0)
        at = at < -length ? -1 : at + length;
    if (at < 0)
        return forward ? 0 : -1;
    if (at >= length)
        return forward ? length : length - 1;
    return at;
}

static int take_slice(struct medvl_tv_heap *h, struct medvl_tv *out,
                      const struct medvl_tv *of, int64_t from, int64_t to,
                      int64_t step)
{
    const size_t base = h->stack_size;
    struct medvl_tv items;
    int rc;

    if (of->kind == TV_STRING && step == 1) {
        struct medvl_tv_string *s = of->u.string;

        rc = medvl_tv_steps(h, s->size / 64);
        if (rc < 0)
            return rc;
        if (to < from)
            to = from;
        return medvl_tv_cut(h, out, s, medvl_tv_offset(s, from),
                            medvl_tv_offset(s, to));
    }
    rc = medvl_tv_items(h, &items, of);
    while (rc == MEDVL_OK && (step > 0 ? from < to : from > to)) {
        rc = medvl_tv_push(h, items.u.list->items[from]);
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    if (rc == MEDVL_OK)
        rc = medvl_tv_take(h, &items,
                           of->kind == TV_TUPLE ? TV_TUPLE : TV_LIST, base);
    if (rc == MEDVL_OK && of->kind == TV_STRING)
        return medvl_tf_join(h, out, &items, NULL);
    *out = items;
    return rc;
}

int medvl_tv_slice(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *value, const int64_t *from,
                   const int64_t *to, int64_t step)
{
    const bool forward = step > 0;
    int64_t length = 0, first, end;
    int rc;

    if (value->kind == TV_UNDEFINED)
        return medvl_tv_no_value(h, value);
    if (value->kind == TV_DICT)
        return medvl_tv_fail(h, "a slice cannot be a key");
    *out = medvl_tv_undefined(NULL);
    if (value->kind != TV_STRING && !medvl_tv_is_list(value))
        return MEDVL_OK;
    if (step == 0)
        return medvl_tv_fail(h, "a slice's step is 0");
    rc = medvl_tv_length(h, &length, value);
    if (rc < 0)
        return rc;
    first = forward ? 0 : length - 1;
    end = forward ? length : -1;
    if (from)
        first = clip(*from, length, forward);
    if (to)
        end = clip(*to, length, forward);
    return take_slice(h, out, value, first, end, step);
}
