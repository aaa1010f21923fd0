/*
 * The filters, tests and functions of templates: one static function each
 * and three tables at the end.
 *
 * Read next: template_lex.c.
 */
#include "lib/text/template_filter.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text/template_format.h"
#include "lib/text/template_print.h"
#include "lib/text/unicode.h"

#define MAX_RANGE 100000 /* as the sandbox of Jinja */

#define FILTER(name)                           \
    static int name(struct medvl_tv_heap *h,   \
                    struct medvl_tv *out,      \
                    const struct medvl_tv *in, \
                    const struct medvl_tf_args *a)

static bool given_true(const struct medvl_tv *arg)
{
    return arg && medvl_tv_truth(arg);
}

/* ---- text ------------------------------------------------------------ */

static int in_case(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *in, enum medvl_tf_case how)
{
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, in);

    return rc < 0 ? rc : medvl_tf_case(h, out, s, how);
}

FILTER(do_upper)
{
    (void)a;
    return in_case(h, out, in, CASE_UPPER);
}

FILTER(do_lower)
{
    (void)a;
    return in_case(h, out, in, CASE_LOWER);
}

FILTER(do_capitalize)
{
    (void)a;
    return in_case(h, out, in, CASE_CAPITALIZE);
}

FILTER(do_title)
{
    (void)a;
    return in_case(h, out, in, CASE_WORDS);
}

FILTER(do_string)
{
    struct medvl_tv_build b = {0};
    int rc;

    (void)a;
    if (in->kind == TV_STRING) {
        *out = *in;
        return MEDVL_OK;
    }
    rc = medvl_tv_put_value(h, &b, in);
    return rc < 0 ? rc : medvl_tv_built(h, out, &b);
}

FILTER(do_trim)
{
    const struct medvl_tv_string *s = NULL, *set = NULL;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK && a->at[0] && a->at[0]->kind != TV_NONE)
        rc = medvl_tf_string(h, &set, a->at[0], "what is trimmed");
    return rc < 0 ? rc : medvl_tf_strip(h, out, s, set, true, true);
}

FILTER(do_replace)
{
    const struct medvl_tv_string *s = NULL, *from = NULL, *to = NULL;
    int64_t count = -1;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_text(h, &from, a->at[0]);
    if (rc == MEDVL_OK)
        rc = medvl_tv_text(h, &to, a->at[1]);
    if (rc == MEDVL_OK && a->at[2] && a->at[2]->kind != TV_NONE)
        rc = medvl_tf_int(h, &count, a->at[2], "replace: the count");
    return rc < 0 ? rc : medvl_tf_replace(h, out, s, from, to, count);
}

FILTER(do_center)
{
    const struct medvl_tv_string *s = NULL;
    int64_t width = 80;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK)
        rc = medvl_tf_int(h, &width, a->at[0], "center: the width");
    return rc < 0 ? rc : medvl_tf_center(h, out, s, width, NULL, '^');
}

/* The text of one level: that many spaces, or the text itself. */
static int indent_text(struct medvl_tv_heap *h,
                       const struct medvl_tv_string **out,
                       const struct medvl_tv *arg)
{
    static const struct medvl_tv_string NOTHING = {"", 0, NULL, false, 0};
    struct medvl_tv made;
    int64_t width = 4;
    int rc;

    if (arg && arg->kind == TV_STRING) {
        *out = arg->u.string;
        return MEDVL_OK;
    }
    rc = medvl_tf_int(h, &width, arg, "indent: the width");
    if (rc == MEDVL_OK)
        rc = medvl_tf_center(h, &made, &NOTHING, width, NULL, '>');
    if (rc == MEDVL_OK)
        *out = made.u.string;
    return rc;
}

FILTER(do_indent)
{
    const struct medvl_tv_string *by = NULL, *line;
    const bool first = given_true(a->at[1]), blank = given_true(a->at[2]);
    struct medvl_tv_build b = {0};
    struct medvl_tv lines;
    int rc = indent_text(h, &by, a->at[0]);

    if (rc == MEDVL_OK && in->kind != TV_STRING)
        rc = medvl_tv_fail(h, "indent needs a str, not a %s",
                           medvl_tv_type_name(in));
    /* one more newline, so that the last line is one even when empty */
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_value(h, &b, in);
    if (rc == MEDVL_OK)
        rc = medvl_tv_puts(h, &b, "\n");
    if (rc == MEDVL_OK)
        rc = medvl_tv_built(h, &lines, &b);
    if (rc == MEDVL_OK)
        rc = medvl_tf_lines(h, &lines, lines.u.string, false);
    if (rc < 0)
        return rc;
    b = (struct medvl_tv_build){0};
    for (size_t i = 0; i < lines.u.list->count && rc == MEDVL_OK; i++) {
        line = lines.u.list->items[i].u.string;
        if (i)
            rc = medvl_tv_puts(h, &b, "\n");
        if (rc == MEDVL_OK && (i ? blank || line->size : first))
            rc = medvl_tv_put_cut(h, &b, by, 0, by->size);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_cut(h, &b, line, 0, line->size);
    }
    return rc < 0 ? rc : medvl_tv_built(h, out, &b);
}

FILTER(do_truncate)
{
    static const struct medvl_tv_string DOTS = {"...", 3, NULL, false, 3};
    const struct medvl_tv_string *end = &DOTS;
    struct medvl_tv last;
    struct medvl_tv_build b = {0};
    int64_t most = 255, leeway = 5, length;
    size_t cut;
    int rc = medvl_tf_int(h, &most, a->at[0], "truncate: the length");

    if (rc == MEDVL_OK)
        rc = medvl_tf_string(h, &end, a->at[2], "truncate: the end");
    if (rc == MEDVL_OK && a->at[3] && a->at[3]->kind != TV_NONE)
        rc = medvl_tf_int(h, &leeway, a->at[3], "truncate: the leeway");
    if (rc == MEDVL_OK)
        rc = medvl_tv_length(h, &length, in);
    if (rc < 0)
        return rc;
    last = (struct medvl_tv){.kind = TV_STRING,
                             .u.string = (struct medvl_tv_string *)end};
    if (in->kind != TV_STRING || length <= most + leeway) {
        *out = *in;
        return MEDVL_OK;
    }
    rc = medvl_tv_length(h, &leeway, &last);
    if (most < leeway)
        return medvl_tv_fail(h, "truncate: %lld is shorter than the end",
                             (long long)most);
    cut = medvl_tv_offset(in->u.string, most - leeway);
    if (!given_true(a->at[1])) {
        size_t space = cut;

        while (space && in->u.string->data[space - 1] != ' ')
            space--;
        cut = space ? space - 1 : cut;
    }
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, &b, in->u.string, 0, cut);
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, &b, end, 0, end->size);
    return rc < 0 ? rc : medvl_tv_built(h, out, &b);
}

FILTER(do_wordcount)
{
    const struct medvl_tv_string *s = NULL;
    int64_t count = 0;
    bool inside = false;
    uint32_t rune;
    int rc = medvl_tv_text(h, &s, in), step;

    (void)a;
    for (size_t at = 0; rc == MEDVL_OK && at < s->size; at += (size_t)step) {
        rune = 0;
        step = medvl_utf8_decode(&rune, s->data + at, s->size - at);
        step = step ? step : 1;
        const bool word =
            rune == '_' || (medvl_unicode_class(rune) &
                            (MEDVL_RUNE_LETTER | MEDVL_RUNE_NUMBER));

        count += word && !inside;
        inside = word;
    }
    *out = medvl_tv_int(count);
    return rc;
}

FILTER(do_escape)
{
    static const char *const WITH[] = {"&&amp;", "<&lt;", ">&gt;", "\"&#34;",
                                       "'&#39;"};
    const struct medvl_tv_string *s = NULL;
    struct medvl_tv_build b = {0};
    int rc = medvl_tv_text(h, &s, in);

    (void)a;
    for (size_t at = 0; rc == MEDVL_OK && at < s->size; at++) {
        const char *to = NULL;

        for (int i = 0; i < 5 && !to; i++)
            to = s->data[at] == WITH[i][0] ? WITH[i] + 1 : NULL;
        if (to)
            rc = medvl_tv_put(h, &b, to, strlen(to),
                              s->marks ? s->marks[at] : s->mark);
        else
            rc = medvl_tv_put_cut(h, &b, s, at, at + 1);
    }
    return rc < 0 ? rc : medvl_tv_built(h, out, &b);
}

FILTER(do_format)
{
    struct medvl_tv args, key;
    const struct medvl_tf_given *g = a->given;
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK && g->named_count && g->count)
        rc = medvl_tv_fail(h, "format takes names or positions, not both");
    if (rc == MEDVL_OK && !g->named_count)
        rc = medvl_tv_list(h, &args, TV_TUPLE, g->items, g->count);
    else if (rc == MEDVL_OK)
        rc = medvl_tv_dict(h, &args);
    for (size_t i = 0; i < g->named_count && rc == MEDVL_OK; i++) {
        rc = medvl_tv_string(h, &key, g->named[i].name,
                             strlen(g->named[i].name), false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(h, args.u.dict, key, g->named[i].value);
    }
    return rc < 0 ? rc : medvl_format_percent(h, out, s, &args);
}

/* The separators (item, key) of json.dumps. */
static int separators(struct medvl_tv_heap *h, const char **out,
                      const struct medvl_tv *value)
{
    const struct medvl_tv_string *s = NULL;
    char *copy;
    int rc = medvl_tf_string(h, &s, value, "tojson: a separator");

    if (rc < 0)
        return rc;
    copy = medvl_tv_alloc(h, 1, s->size + 1);
    if (!copy)
        return (int)h->err->code;
    memcpy(copy, s->data, s->size);
    copy[s->size] = 0;
    *out = copy;
    return MEDVL_OK;
}

FILTER(do_tojson)
{
    const struct medvl_tv *indent = a->at[1], *between = a->at[2];
    struct medvl_tv_json_style style = {
        .comma = ", ",
        .colon = ": ",
        .ascii = given_true(a->at[0]),
        .sort = given_true(a->at[3])};
    const struct medvl_tv_string *by = NULL;
    struct medvl_tv_build b = {0};
    struct medvl_tv level;
    int rc = MEDVL_OK;

    if (indent && indent->kind != TV_NONE) {
        style.comma = ",";
        rc = indent_text(h, &by, indent);
        if (rc == MEDVL_OK)
            rc = medvl_tv_cut(h, &level, by, 0, by->size);
        if (rc == MEDVL_OK)
            rc = separators(h, &style.indent, &level);
    }
    if (rc == MEDVL_OK && between && between->kind != TV_NONE) {
        if (!medvl_tv_is_list(between) || between->u.list->count != 2)
            return medvl_tv_fail(h, "tojson: separators are two texts");
        rc = separators(h, &style.comma, &between->u.list->items[0]);
        if (rc == MEDVL_OK)
            rc = separators(h, &style.colon, &between->u.list->items[1]);
    }
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_json(h, &b, in, &style);
    return rc < 0 ? rc : medvl_tv_built(h, out, &b);
}

/* ---- numbers --------------------------------------------------------- */

int medvl_filter_add(struct medvl_tv_heap *h, struct medvl_tv *out,
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

/* Trimmed digits as Python's int() and float() read them, in `text`. */
static bool number_text(char text[340], const struct medvl_tv_string *s)
{
    size_t from = 0, to = s->size, n = 0;

    while (from < to && strchr(" \t\n\r\v\f", s->data[from]))
        from++;
    while (from < to && strchr(" \t\n\r\v\f", s->data[to - 1]))
        to--;
    if (from == to || to - from >= 339)
        return false;
    for (size_t i = from; i < to; i++) {
        if (s->data[i] == '_' && i > from && i + 1 < to &&
            s->data[i - 1] != '_')
            continue;
        if (strchr(" \t\n\r\v\f_", s->data[i]) || !s->data[i])
            return false;
        text[n++] = s->data[i];
    }
    text[n] = 0;
    return true;
}

static bool text_to_float(double *out, const struct medvl_tv_string *s)
{
    char text[340], *end;

    if (!number_text(text, s) || strpbrk(text, "xX("))
        return false;
    *out = strtod(text, &end);
    return !*end;
}

static int float_to_int(struct medvl_tv_heap *h, struct medvl_tv *out,
                        double f)
{
    if (isnan(f) || f >= 9223372036854775808.0 || f < -9223372036854775808.0)
        return medvl_tv_fail(h, "the number does not fit 64 bits");
    *out = medvl_tv_int((int64_t)f);
    return MEDVL_OK;
}

/* int(text, base): 1, 0 where it is none, or an error past 64 bits. */
static int text_to_int(struct medvl_tv_heap *h, int64_t *out,
                       const struct medvl_tv_string *s, int64_t base)
{
    char text[340], *digits, *end;

    if (!number_text(text, s) || base < 2 || base > 36)
        return 0;
    digits = text + strspn(text, "+-");
    if (digits[0] == '0' && ((base == 2 && (digits[1] | 32) == 'b') ||
                             (base == 8 && (digits[1] | 32) == 'o')))
        memmove(digits, digits + 2, strlen(digits + 2) + 1);
    errno = 0;
    *out = strtoll(text, &end, (int)base);
    if (end == text || *end)
        return 0;
    return errno ? medvl_tv_fail(h, "the number does not fit 64 bits") : 1;
}

FILTER(do_int)
{
    int64_t base = 10, value;
    double f = 0;
    int rc = medvl_tf_int(h, &base, a->at[1], "int: the base");

    if (rc < 0)
        return rc;
    if (in->kind == TV_UNDEFINED)
        return medvl_tv_fail(h, "an undefined value is no number");
    *out = a->at[0] ? *a->at[0] : medvl_tv_int(0);
    if (medvl_tv_is_int(in)) {
        *out = medvl_tv_int(medvl_tv_int_of(in));
    } else if (in->kind == TV_FLOAT && isfinite(in->u.f)) {
        rc = float_to_int(h, out, in->u.f);
    } else if (in->kind == TV_STRING) {
        rc = text_to_int(h, &value, in->u.string, base);
        if (rc > 0)
            *out = medvl_tv_int(value);
        else if (rc == 0 && text_to_float(&f, in->u.string) && isfinite(f))
            rc = float_to_int(h, out, f);
        else
            return rc;
        out->mark = in->u.string->mark;
        return rc < 0 ? rc : MEDVL_OK;
    } else {
        return MEDVL_OK;
    }
    out->mark = in->mark;
    return rc;
}

FILTER(do_float)
{
    double f;

    if (in->kind == TV_UNDEFINED)
        return medvl_tv_fail(h, "an undefined value is no number");
    *out = a->at[0] ? *a->at[0] : medvl_tv_float(0);
    if (medvl_tv_is_number(in)) {
        *out = medvl_tv_float(medvl_tv_float_of(in));
        out->mark = in->mark;
    } else if (in->kind == TV_STRING && text_to_float(&f, in->u.string)) {
        *out = medvl_tv_float(f);
        out->mark = in->u.string->mark;
    }
    return MEDVL_OK;
}

FILTER(do_abs)
{
    (void)a;
    if (!medvl_tv_is_number(in))
        return medvl_tv_fail(h, "abs needs a number, not a %s",
                             medvl_tv_type_name(in));
    if (medvl_tv_is_int(in) && medvl_tv_int_of(in) == INT64_MIN)
        return medvl_tv_fail(h, "the number does not fit 64 bits");
    if (medvl_tv_is_int(in))
        *out = medvl_tv_int(llabs(medvl_tv_int_of(in)));
    else
        *out = medvl_tv_float(fabs(in->u.f));
    out->mark = in->mark;
    return MEDVL_OK;
}

/* round(int, -precision): to the nearest, halves to even. */
static int round_int(struct medvl_tv_heap *h, struct medvl_tv *out,
                     int64_t value, int64_t places)
{
    int64_t unit = 1, rest;

    for (; places > 0; places--)
        if (places > 18 || __builtin_mul_overflow(unit, 10, &unit)) {
            *out = medvl_tv_int(0);
            return MEDVL_OK;
        }
    rest = value % unit;
    value -= rest;
    if (2 * llabs(rest) > unit || (2 * llabs(rest) == unit && value / unit % 2))
        if (__builtin_add_overflow(value, rest < 0 ? -unit : unit, &value))
            return medvl_tv_fail(h, "the number does not fit 64 bits");
    *out = medvl_tv_int(value);
    return MEDVL_OK;
}

FILTER(do_round)
{
    const struct medvl_tv common = {.kind = TV_UNDEFINED};
    const struct medvl_tv *how = a->at[1] ? a->at[1] : &common;
    char text[700];
    int64_t places = 0;
    double f, unit;
    int rc = medvl_tf_int(h, &places, a->at[0], "round: the precision");

    if (rc < 0)
        return rc;
    if (!medvl_tv_is_number(in))
        return medvl_tv_fail(h, "round needs a number, not a %s",
                             medvl_tv_type_name(in));
    if (places > 300 || places < -300)
        return medvl_tv_fail(h, "round: a precision beyond 300");
    f = medvl_tv_float_of(in);
    unit = pow(10, (double)places);
    if (medvl_tv_is_text(how, "ceil"))
        *out = medvl_tv_float(ceil(f * unit) / unit);
    else if (medvl_tv_is_text(how, "floor"))
        *out = medvl_tv_float(floor(f * unit) / unit);
    else if (how != &common && !medvl_tv_is_text(how, "common"))
        return medvl_tv_fail(h, "round: the method is common, ceil or floor");
    else if (medvl_tv_is_int(in))
        rc = round_int(h, out, medvl_tv_int_of(in), -places);
    else if (places >= 0 && isfinite(f)) {
        snprintf(text, sizeof(text), "%.*f", (int)places, f);
        *out = medvl_tv_float(strtod(text, NULL));
    } else
        *out = medvl_tv_float(isfinite(f) ? nearbyint(f * unit) / unit : f);
    out->mark = in->mark;
    return rc;
}

/* ---- members --------------------------------------------------------- */

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

/* ---- sequences ------------------------------------------------------- */

FILTER(do_length)
{
    int64_t length;
    int rc = medvl_tv_length(h, &length, in);

    (void)a;
    *out = medvl_tv_int(length);
    return rc;
}

FILTER(do_list)
{
    (void)a;
    int rc = medvl_tv_items(h, out, in);

    if (rc == MEDVL_OK)
        out->kind = TV_LIST;
    return rc;
}

FILTER(do_first)
{
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, in);

    (void)a;
    if (rc == MEDVL_OK)
        *out = items.u.list->count ? items.u.list->items[0]
                                   : medvl_tv_undefined(NULL);
    return rc;
}

FILTER(do_last)
{
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, in);

    (void)a;
    if (rc == MEDVL_OK)
        *out = items.u.list->count
                   ? items.u.list->items[items.u.list->count - 1]
                   : medvl_tv_undefined(NULL);
    return rc;
}

FILTER(do_reverse)
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

FILTER(do_join)
{
    const size_t base = h->stack_size;
    const struct medvl_tv_string *between = NULL;
    struct medvl_tv items, item;
    int rc = medvl_tv_items(h, &items, in);

    if (rc == MEDVL_OK && a->at[0])
        rc = medvl_tv_text(h, &between, a->at[0]);
    if (rc == MEDVL_OK && a->at[1] && a->at[1]->kind != TV_NONE) {
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

FILTER(do_items)
{
    (void)a;
    return medvl_tf_pairs(h, out, in);
}

FILTER(do_default)
{
    static const struct medvl_tv_string NOTHING = {"", 0, NULL, false, 0};

    if (in->kind != TV_UNDEFINED &&
        !(given_true(a->at[1]) && !medvl_tv_truth(in)))
        *out = *in;
    else if (a->at[0])
        *out = *a->at[0];
    else
        return medvl_tv_cut(h, out, &NOTHING, 0, 0);
    return MEDVL_OK;
}

FILTER(do_same)
{
    (void)h, (void)a;
    *out = *in;
    return MEDVL_OK;
}

FILTER(do_sum)
{
    struct medvl_tv items, item;
    int rc = medvl_tv_items(h, &items, in);

    *out = a->at[1] ? *a->at[1] : medvl_tv_int(0);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        rc = attribute(h, &item, &items.u.list->items[i], a->at[0]);
        if (rc == MEDVL_OK)
            rc = medvl_filter_add(h, out, out, &item, 1);
    }
    return rc;
}

/* The least (greatest) item by its key, the first of equal ones. */
static int extreme(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *in, const struct medvl_tf_args *a,
                   int sign)
{
    struct medvl_tv items, key, best = medvl_tv_none();
    int order, rc = medvl_tv_items(h, &items, in);

    *out = medvl_tv_undefined(NULL);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        const struct medvl_tv *item = &items.u.list->items[i];

        rc = sort_key(h, &key, item, a->at[1], given_true(a->at[0]));
        order = -1;
        if (rc == MEDVL_OK && i)
            rc = medvl_tv_order(h, &order, &key, &best);
        if (rc == MEDVL_OK && (!i || sign * order < 0)) {
            best = key;
            *out = *item;
        }
    }
    return rc;
}

FILTER(do_min)
{
    return extreme(h, out, in, a, 1);
}

FILTER(do_max)
{
    return extreme(h, out, in, a, -1);
}

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

FILTER(do_sort)
{
    const size_t base = h->stack_size;
    struct medvl_tv_pair *pairs = NULL;
    size_t count = 0;
    int rc = sorted(h, &pairs, &count, in, a->at[2], given_true(a->at[1]),
                    given_true(a->at[0]));

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

FILTER(do_dictsort)
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
        rc = sorted(h, &pairs, &count, &items, &by, given_true(a->at[0]),
                    given_true(a->at[2]));
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

FILTER(do_groupby)
{
    const size_t base = h->stack_size;
    struct medvl_tv_pair *pairs = NULL;
    struct medvl_tv group, key, pair;
    size_t count = 0, to;
    bool same;
    int rc = sorted(h, &pairs, &count, in, a->at[0], given_true(a->at[2]),
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

FILTER(do_unique)
{
    const size_t base = h->stack_size;
    struct medvl_tv items, seen, key;
    struct medvl_tv_pair *pair;
    int rc = medvl_tv_items(h, &items, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_dict(h, &seen);
    for (size_t i = 0; rc == MEDVL_OK && i < items.u.list->count; i++) {
        rc = sort_key(h, &key, &items.u.list->items[i], a->at[1],
                      given_true(a->at[0]));
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

FILTER(do_batch)
{
    const size_t base = h->stack_size;
    struct medvl_tv items, row;
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
        while (i < end && a->at[1] && a->at[1]->kind != TV_NONE &&
               h->stack_size - inner < (size_t)width && rc == MEDVL_OK)
            rc = medvl_tv_push(h, *a->at[1]);
        if (rc == MEDVL_OK)
            rc = medvl_tv_take(h, &row, TV_LIST, inner);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, row);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

FILTER(do_slice)
{
    const size_t base = h->stack_size;
    struct medvl_tv items, row;
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
        if (rc == MEDVL_OK && a->at[1] && a->at[1]->kind != TV_NONE &&
            more && r >= more)
            rc = medvl_tv_push(h, *a->at[1]);
        if (rc == MEDVL_OK)
            rc = medvl_tv_take(h, &row, TV_LIST, inner);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, row);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* ---- filters that apply others --------------------------------------- */

/* The argument of this name, or NULL. */
static const struct medvl_tv *named(const struct medvl_tf_given *g,
                                    const char *name)
{
    for (size_t i = 0; i < g->named_count; i++)
        if (!strcmp(g->named[i].name, name))
            return &g->named[i].value;
    return NULL;
}

FILTER(do_map)
{
    const struct medvl_tf_given *g = a->given;
    const struct medvl_tf_given rest = {g->items + 1, g->count - 1, g->named,
                                        g->named_count};
    const struct medvl_tv *path = named(g, "attribute");
    const struct medvl_tv *instead = named(g, "default");
    const size_t base = h->stack_size;
    const struct medvl_tf *f = NULL;
    struct medvl_tv items, item;
    int rc = medvl_tv_items(h, &items, in);

    if (rc < 0)
        return rc;
    if (g->count && g->items[0].kind == TV_STRING && !path)
        f = medvl_filter_find((struct medvl_span){
            g->items[0].u.string->data, g->items[0].u.string->size});
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
static int keep(struct medvl_tv_heap *h, struct medvl_tv *out,
                const struct medvl_tv *in, const struct medvl_tf_given *g,
                bool by_attribute, bool wanted)
{
    const size_t base = h->stack_size, skip = by_attribute ? 1 : 0;
    const struct medvl_tf_given rest = {
        g->items + skip + 1, g->count > skip ? g->count - skip - 1 : 0,
        g->named, g->named_count};
    const struct medvl_tf *test = NULL;
    struct medvl_tv items, value, passed;
    int rc = medvl_tv_items(h, &items, in);

    if (rc < 0)
        return rc;
    if (g->count < skip)
        return medvl_tv_fail(h, "the attribute to select by is missing");
    if (g->count > skip) {
        if (g->items[skip].kind == TV_STRING)
            test = medvl_test_find((struct medvl_span){
                g->items[skip].u.string->data, g->items[skip].u.string->size});
        if (!test)
            return medvl_tv_fail(h, "no test of that name to select by");
    }
    for (size_t i = 0; i < items.u.list->count && rc == MEDVL_OK; i++) {
        rc = attribute(h, &value, &items.u.list->items[i],
                       by_attribute ? &g->items[0] : NULL);
        passed = value;
        if (rc == MEDVL_OK && test)
            rc = medvl_tf_call(h, &passed, test, &value, &rest);
        if (rc == MEDVL_OK && medvl_tv_truth(&passed) == wanted)
            rc = medvl_tv_push(h, items.u.list->items[i]);
        if (rc == MEDVL_OK)
            rc = medvl_tv_steps(h, 1);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

FILTER(do_select)
{
    return keep(h, out, in, a->given, false, true);
}

FILTER(do_reject)
{
    return keep(h, out, in, a->given, false, false);
}

FILTER(do_selectattr)
{
    return keep(h, out, in, a->given, true, true);
}

FILTER(do_rejectattr)
{
    return keep(h, out, in, a->given, true, false);
}

/* ---- tests ----------------------------------------------------------- */

/* A test that is one expression over `in`. */
#define TEST(name, expression)              \
    FILTER(name)                            \
    {                                       \
        (void)h, (void)a;                   \
        *out = medvl_tv_bool((expression)); \
        return MEDVL_OK;                    \
    }

TEST(is_defined, in->kind != TV_UNDEFINED)
TEST(is_undefined, in->kind == TV_UNDEFINED)
TEST(is_none, in->kind == TV_NONE)
TEST(is_boolean, in->kind == TV_BOOL)
TEST(is_true, in->kind == TV_BOOL && in->u.truth)
TEST(is_false, in->kind == TV_BOOL && !in->u.truth)
TEST(is_integer, in->kind == TV_INT)
TEST(is_float, in->kind == TV_FLOAT)
TEST(is_number, medvl_tv_is_number(in))
TEST(is_string, in->kind == TV_STRING)
TEST(is_mapping, in->kind == TV_DICT)
TEST(is_sequence, in->kind == TV_STRING || in->kind == TV_UNDEFINED ||
                      medvl_tv_is_list(in) || in->kind == TV_DICT)
TEST(is_callable, in->kind >= TV_MACRO || in->kind == TV_UNDEFINED)

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

FILTER(is_odd)
{
    (void)a;
    return remainder_is(h, out, in, 2, 1);
}

FILTER(is_even)
{
    (void)a;
    return remainder_is(h, out, in, 2, 0);
}

FILTER(is_divisibleby)
{
    int64_t by = 0;
    int rc = medvl_tf_int(h, &by, a->at[0], "divisibleby: the argument");

    return rc < 0 ? rc : remainder_is(h, out, in, by, 0);
}

/* What the method of this name says of the value as text. */
static int ask_method(struct medvl_tv_heap *h, struct medvl_tv *out,
                      const struct medvl_tv *in,
                      const struct medvl_tf_args *a, const char *name)
{
    const struct medvl_tv_string *s = NULL;
    const struct medvl_tf *f = NULL;
    struct medvl_tv text;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_cut(h, &text, s, 0, s->size);
    if (rc == MEDVL_OK)
        f = medvl_tf_method(&text, medvl_span(name));
    return rc < 0 ? rc : f->run(h, out, &text, a);
}

FILTER(is_lower)
{
    return ask_method(h, out, in, a, "islower");
}

FILTER(is_upper)
{
    return ask_method(h, out, in, a, "isupper");
}

FILTER(is_equal)
{
    bool same;
    int rc = medvl_tv_equal(h, &same, in, a->at[0]);

    *out = medvl_tv_bool(same);
    return rc;
}

FILTER(is_unequal)
{
    bool same;
    int rc = medvl_tv_equal(h, &same, in, a->at[0]);

    *out = medvl_tv_bool(!same);
    return rc;
}

FILTER(is_same)
{
    bool same = false;
    int rc = MEDVL_OK;

    if (in->kind == a->at[0]->kind)
        rc = medvl_tv_equal(h, &same, in, a->at[0]);
    *out = medvl_tv_bool(same);
    return rc;
}

/* Tests by order. */
#define ORDER(name, condition)                            \
    FILTER(name)                                          \
    {                                                     \
        int order = 0;                                    \
        int rc = medvl_tv_order(h, &order, in, a->at[0]); \
                                                          \
        *out = medvl_tv_bool(condition);                  \
        return rc;                                        \
    }

ORDER(is_greater, order > 0)
ORDER(is_at_least, order >= 0)
ORDER(is_less, order < 0)
ORDER(is_at_most, order <= 0)

FILTER(is_in)
{
    bool found;
    int rc = medvl_tv_contains(h, &found, in, a->at[0]);

    *out = medvl_tv_bool(found);
    return rc;
}

FILTER(is_filter)
{
    *out = medvl_tv_bool(in->kind == TV_STRING &&
                         medvl_filter_find((struct medvl_span){
                             in->u.string->data, in->u.string->size}));
    (void)h, (void)a;
    return MEDVL_OK;
}

FILTER(is_test)
{
    *out = medvl_tv_bool(in->kind == TV_STRING &&
                         medvl_test_find((struct medvl_span){
                             in->u.string->data, in->u.string->size}));
    (void)h, (void)a;
    return MEDVL_OK;
}

/* ---- functions ------------------------------------------------------- */

FILTER(call_range)
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
    struct medvl_tv items, key;
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
    for (size_t i = 0; rc == MEDVL_OK && i < g->named_count; i++) {
        rc = medvl_tv_string(h, &key, g->named[i].name,
                             strlen(g->named[i].name), false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(h, dict, key, g->named[i].value);
    }
    return rc;
}

FILTER(call_dict)
{
    int rc = medvl_tv_dict(h, out);

    (void)in;
    return rc < 0 ? rc : fill_dict(h, out->u.dict, a->given);
}

FILTER(call_namespace)
{
    int rc = call_dict(h, out, in, a);

    out->kind = TV_NAMESPACE;
    return rc;
}

FILTER(call_raise)
{
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, a->at[0]);

    (void)in, (void)out;
    if (rc < 0)
        return rc;
    return medvl_tv_fail(h, "%.*s", (int)(s->size < 500 ? s->size : 500),
                         s->data);
}

/* ---- tables ---------------------------------------------------------- */

static const struct medvl_tf FILTERS[] = {
    {"abs", "", 0, do_abs},
    {"batch", "linecount fill_with", 1, do_batch},
    {"capitalize", "", 0, do_capitalize},
    {"center", "width", 0, do_center},
    {"count", "", 0, do_length},
    {"d", "default_value boolean", 0, do_default},
    {"default", "default_value boolean", 0, do_default},
    {"dictsort", "case_sensitive by reverse", 0, do_dictsort},
    {"e", "", 0, do_escape},
    {"escape", "", 0, do_escape},
    {"first", "", 0, do_first},
    {"float", "default", 0, do_float},
    {"forceescape", "", 0, do_escape},
    {"format", "*", 0, do_format},
    {"groupby", "attribute default case_sensitive", 1, do_groupby},
    {"indent", "width first blank", 0, do_indent},
    {"int", "default base", 0, do_int},
    {"items", "", 0, do_items},
    {"join", "d attribute", 0, do_join},
    {"last", "", 0, do_last},
    {"length", "", 0, do_length},
    {"list", "", 0, do_list},
    {"lower", "", 0, do_lower},
    {"map", "*", 0, do_map},
    {"max", "case_sensitive attribute", 0, do_max},
    {"min", "case_sensitive attribute", 0, do_min},
    {"reject", "*", 0, do_reject},
    {"rejectattr", "*", 0, do_rejectattr},
    {"replace", "old new count", 2, do_replace},
    {"reverse", "", 0, do_reverse},
    {"round", "precision method", 0, do_round},
    {"safe", "", 0, do_same},
    {"select", "*", 0, do_select},
    {"selectattr", "*", 0, do_selectattr},
    {"slice", "slices fill_with", 1, do_slice},
    {"sort", "reverse case_sensitive attribute", 0, do_sort},
    {"string", "", 0, do_string},
    {"sum", "attribute start", 0, do_sum},
    {"title", "", 0, do_title},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, do_tojson},
    {"trim", "chars", 0, do_trim},
    {"truncate", "length killwords end leeway", 0, do_truncate},
    {"unique", "case_sensitive attribute", 0, do_unique},
    {"upper", "", 0, do_upper},
    {"wordcount", "", 0, do_wordcount},
    {0}};

static const struct medvl_tf TESTS[] = {
    {"!=", "other", 1, is_unequal},
    {"<", "other", 1, is_less},
    {"<=", "other", 1, is_at_most},
    {"==", "other", 1, is_equal},
    {">", "other", 1, is_greater},
    {">=", "other", 1, is_at_least},
    {"boolean", "", 0, is_boolean},
    {"callable", "", 0, is_callable},
    {"defined", "", 0, is_defined},
    {"divisibleby", "num", 1, is_divisibleby},
    {"eq", "other", 1, is_equal},
    {"equalto", "other", 1, is_equal},
    {"even", "", 0, is_even},
    {"false", "", 0, is_false},
    {"filter", "", 0, is_filter},
    {"float", "", 0, is_float},
    {"ge", "other", 1, is_at_least},
    {"greaterthan", "other", 1, is_greater},
    {"gt", "other", 1, is_greater},
    {"in", "seq", 1, is_in},
    {"integer", "", 0, is_integer},
    {"iterable", "", 0, is_sequence},
    {"le", "other", 1, is_at_most},
    {"lessthan", "other", 1, is_less},
    {"lower", "", 0, is_lower},
    {"lt", "other", 1, is_less},
    {"mapping", "", 0, is_mapping},
    {"ne", "other", 1, is_unequal},
    {"none", "", 0, is_none},
    {"number", "", 0, is_number},
    {"odd", "", 0, is_odd},
    {"sameas", "other", 1, is_same},
    {"sequence", "", 0, is_sequence},
    {"string", "", 0, is_string},
    {"test", "", 0, is_test},
    {"true", "", 0, is_true},
    {"undefined", "", 0, is_undefined},
    {"upper", "", 0, is_upper},
    {0}};

static const struct medvl_tf FUNCTIONS[] = {
    {"dict", "*", 0, call_dict},
    {"namespace", "*", 0, call_namespace},
    {"raise_exception", "message", 1, call_raise},
    {"range", "start stop step", 1, call_range},
    {0}};

const struct medvl_tf *medvl_filter_find(struct medvl_span name)
{
    return medvl_tf_find(FILTERS, name);
}

const struct medvl_tf *medvl_test_find(struct medvl_span name)
{
    return medvl_tf_find(TESTS, name);
}

const struct medvl_tf *medvl_function_find(struct medvl_span name)
{
    return medvl_tf_find(FUNCTIONS, name);
}
