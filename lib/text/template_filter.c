/*
 * The filters of text and numbers: a function each, and the table at the
 * end.
 *
 * Read next: template_place.c.
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

/* ---- text ------------------------------------------------------------- */

MEDVL_TF(do_case)
{
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, in);

    return rc < 0 ? rc
                  : medvl_tf_case(h, out, s, (enum medvl_tf_case)a->how);
}

MEDVL_TF(do_string)
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

MEDVL_TF(do_trim)
{
    const struct medvl_tv_string *s = NULL, *set = NULL;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK && medvl_tf_is(a->at[0]))
        rc = medvl_tf_string(h, &set, a->at[0], "what is trimmed");
    return rc < 0 ? rc : medvl_tf_strip(h, out, s, set, true, true);
}

MEDVL_TF(do_replace)
{
    const struct medvl_tv_string *s = NULL, *from = NULL, *to = NULL;
    int64_t count = -1;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK)
        rc = medvl_tv_text(h, &from, a->at[0]);
    if (rc == MEDVL_OK)
        rc = medvl_tv_text(h, &to, a->at[1]);
    if (rc == MEDVL_OK && medvl_tf_is(a->at[2]))
        rc = medvl_tf_int(h, &count, a->at[2], "replace: the count");
    return rc < 0 ? rc : medvl_tf_replace(h, out, s, from, to, count);
}

MEDVL_TF(do_center)
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

MEDVL_TF(do_indent)
{
    const struct medvl_tv_string *by = NULL, *line;
    const bool first = medvl_tf_true(a->at[1]), blank = medvl_tf_true(a->at[2]);
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

MEDVL_TF(do_truncate)
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
    if (rc == MEDVL_OK && medvl_tf_is(a->at[3]))
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
    if (!medvl_tf_true(a->at[1])) {
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

MEDVL_TF(do_wordcount)
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

MEDVL_TF(do_escape)
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

MEDVL_TF(do_format)
{
    struct medvl_tv args;
    const struct medvl_tf_given *g = a->given;
    const struct medvl_tv_string *s = NULL;
    int rc = medvl_tv_text(h, &s, in);

    if (rc == MEDVL_OK && g->named_count && g->count)
        rc = medvl_tv_fail(h, "format takes names or positions, not both");
    if (rc == MEDVL_OK && !g->named_count)
        rc = medvl_tv_list(h, &args, TV_TUPLE, g->items, g->count);
    else if (rc == MEDVL_OK)
        rc = medvl_tv_dict(h, &args);
    if (rc == MEDVL_OK && g->named_count)
        rc = medvl_tf_dict(h, args.u.dict, g);
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

MEDVL_TF(do_tojson)
{
    const struct medvl_tv *indent = a->at[1], *between = a->at[2];
    struct medvl_tv_json_style style = {
        .comma = ", ",
        .colon = ": ",
        .ascii = medvl_tf_true(a->at[0]),
        .sort = medvl_tf_true(a->at[3])};
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

/* ---- numbers ---------------------------------------------------------- */

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

MEDVL_TF(do_int)
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

MEDVL_TF(do_float)
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

MEDVL_TF(do_abs)
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

MEDVL_TF(do_round)
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

/* ---- any value -------------------------------------------------------- */

MEDVL_TF(do_default)
{
    static const struct medvl_tv_string NOTHING = {"", 0, NULL, false, 0};

    if (in->kind != TV_UNDEFINED &&
        !(medvl_tf_true(a->at[1]) && !medvl_tv_truth(in)))
        *out = *in;
    else if (a->at[0])
        *out = *a->at[0];
    else
        return medvl_tv_cut(h, out, &NOTHING, 0, 0);
    return MEDVL_OK;
}

MEDVL_TF(do_same)
{
    (void)h, (void)a;
    *out = *in;
    return MEDVL_OK;
}

/* ---- table ------------------------------------------------------------ */

static const struct medvl_tf FILTERS[] = {
    {"abs", "", 0, do_abs, 0},
    {"capitalize", "", 0, do_case, CASE_CAPITALIZE},
    {"center", "width", 0, do_center, 0},
    {"d", "default_value boolean", 0, do_default, 0},
    {"default", "default_value boolean", 0, do_default, 0},
    {"e", "", 0, do_escape, 0},
    {"escape", "", 0, do_escape, 0},
    {"float", "default", 0, do_float, 0},
    {"forceescape", "", 0, do_escape, 0},
    {"format", "*", 0, do_format, 0},
    {"indent", "width first blank", 0, do_indent, 0},
    {"int", "default base", 0, do_int, 0},
    {"lower", "", 0, do_case, CASE_LOWER},
    {"replace", "old new count", 2, do_replace, 0},
    {"round", "precision method", 0, do_round, 0},
    {"safe", "", 0, do_same, 0},
    {"string", "", 0, do_string, 0},
    {"title", "", 0, do_case, CASE_WORDS},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, do_tojson, 0},
    {"trim", "chars", 0, do_trim, 0},
    {"truncate", "length killwords end leeway", 0, do_truncate, 0},
    {"upper", "", 0, do_case, CASE_UPPER},
    {"wordcount", "", 0, do_wordcount, 0},
    {0}};

const struct medvl_tf *medvl_filter_find(struct medvl_span name)
{
    const struct medvl_tf *f = medvl_tf_find(FILTERS, name);

    f = f ? f : medvl_tf_find(medvl_place_filters, name);
    return f ? f : medvl_tf_find(medvl_sequence_filters, name);
}

struct medvl_span medvl_filter_name(const struct medvl_tv *value)
{
    struct medvl_span name = {NULL, 0};

    if (value->kind == TV_STRING)
        name = (struct medvl_span){value->u.string->data,
                                   value->u.string->size};
    return name;
}
