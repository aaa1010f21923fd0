/*
 * Python's two ways to format.  Both read a conversion into one struct and
 * end in put_converted.
 *
 * Read next: template_call.c.
 */
#include "lib/text/template_format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/text/template_print.h"

#define MOST_DIGITS 300

/* [[fill]align][sign][#][0][width][,][.precision][type] */
struct conversion {
    char fill[4];
    int fill_size;
    char align; /* < > ^ =, or 0: by type */
    char sign;  /* + or space, else 0 */
    bool hash;
    char group;        /* , or _, else 0 */
    int64_t width;     /* characters */
    int64_t precision; /* -1: none */
    char type;         /* or 0 */
};

/* Read digits at *at; -1 where there are none. */
static int64_t read_digits(const char *s, size_t size, size_t *at)
{
    int64_t value = -1;

    for (; *at < size && s[*at] >= '0' && s[*at] <= '9'; (*at)++)
        if (value < 100000000)
            value = 10 * (value < 0 ? 0 : value) + (s[*at] - '0');
    return value;
}

/* ---- one value ------------------------------------------------------- */

/* Put thousands separators into the digits in front of a point. */
static int group_digits(char *text, int n, char group, int every)
{
    const int first = text[0] == '-';
    int digits;

    digits = (int)strspn(text + first, "0123456789abcdefABCDEF");
    for (int at = digits - every; at > 0; at -= every) {
        memmove(text + first + at + 1, text + first + at,
                (size_t)(n - first - at));
        text[first + at] = group;
        n++;
    }
    return n;
}

static int format_int(struct medvl_tv_heap *h, char *text,
                      const struct conversion *c, int64_t value)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    const uint64_t base = c->type == 'b' ? 2 : c->type == 'o'      ? 8
                                           : (c->type | 32) == 'x' ? 16
                                                                   : 10;
    const char *digits = c->type == 'X' ? "0123456789ABCDEF"
                                        : "0123456789abcdef";
    char back[80];
    int n = 0, size = 0;

    if (c->type == 'c') {
        if (value < 0 || value > 0x10ffff ||
            (value >= 0xd800 && value < 0xe000))
            return medvl_tv_fail(h, "%lld is no character", (long long)value);
        return medvl_utf8_encode(text, (uint32_t)value);
    }
    do {
        back[n++] = digits[rest % base];
        rest /= base;
    } while (rest);
    if (c->precision > 70)
        return medvl_tv_fail(h, "an int of %lld digits",
                             (long long)c->precision);
    while (n < c->precision)
        back[n++] = '0';
    if (value < 0)
        text[size++] = '-';
    if (c->hash && base != 10) {
        text[size++] = '0';
        text[size++] = c->type;
    }
    while (n)
        text[size++] = back[--n];
    return size;
}

static int format_float(char *text, size_t room, const struct conversion *c,
                        double value)
{
    const int precision = c->precision < 0 ? 6 : (int)c->precision;
    const char type = c->type == '%' ? 'f' : c->type;
    char form[8] = "%.*f";
    int n;

    if (c->hash)
        memcpy(form, "%#.*f", 6);
    form[strlen(form) - 1] = type;
    n = snprintf(text, room, form, precision,
                 c->type == '%' ? 100 * value : value);
    if (c->type == '%')
        text[n++] = '%';
    return n;
}

/* The digits, sign in front, no padding; the size or an error. */
static int number_text(struct medvl_tv_heap *h, char *text, size_t room,
                       const struct conversion *c,
                       const struct medvl_tv *value)
{
    const bool is_int = medvl_tv_is_int(value);
    struct medvl_tv_build b = {0};
    int n;

    if (c->precision > MOST_DIGITS)
        return medvl_tv_fail(h, "a precision over %d", MOST_DIGITS);
    if (c->type && strchr("eEfFgG%", c->type)) {
        n = format_float(text, room, c, medvl_tv_float_of(value));
    } else if (is_int && (!c->type || strchr("bcdoxXn", c->type))) {
        n = format_int(h, text, c, medvl_tv_int_of(value));
    } else if (!is_int && !c->type && c->precision < 0) {
        n = medvl_tv_put_repr(h, &b, value);
        if (n == MEDVL_OK) {
            n = (int)b.size;
            memcpy(text, b.data, b.size);
        }
    } else if (!is_int && !c->type) {
        struct conversion general = *c;

        general.type = 'g';
        n = format_float(text, room, &general, value->u.f);
        if (!strpbrk(text, ".einf"))
            n += snprintf(text + n, room - (size_t)n, ".0");
    } else {
        return medvl_tv_fail(h, "a %s cannot be formatted as '%c'",
                             medvl_tv_type_name(value), c->type);
    }
    if (n > 0 && c->group)
        n = group_digits(text, n, c->group,
                         c->type && strchr("boxX", c->type) ? 4 : 3);
    return n;
}

static int repeat(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                  const struct conversion *c, int64_t count)
{
    int rc = MEDVL_OK;

    for (; count > 0 && rc == MEDVL_OK; count--)
        rc = medvl_tv_put(h, b, c->fill, (size_t)c->fill_size, false);
    return rc;
}

static int put_number(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct conversion *c,
                      const struct medvl_tv *value)
{
    char text[1024], align = c->align ? c->align : '>';
    int n = number_text(h, text, sizeof(text) - 256, c, value), sign, rc;
    int64_t pad;

    if (n < 0)
        return n;
    sign = text[0] == '-';
    if (!sign && c->sign && c->type != 'c') {
        memmove(text + 1, text, (size_t)n++);
        text[0] = c->sign;
        sign = 1;
    }
    if (align == '=' && c->hash && c->type && strchr("boxX", c->type))
        sign += 2;
    pad = c->width > n ? c->width - n : 0;
    rc = MEDVL_OK;
    if (align == '=')
        rc = medvl_tv_put(h, b, text, (size_t)sign, value->mark);
    if (rc == MEDVL_OK)
        rc = repeat(h, b, c, align == '<' ? 0 : align == '^' ? pad / 2
                                                             : pad);
    if (rc == MEDVL_OK && align == '=')
        rc = medvl_tv_put(h, b, text + sign, (size_t)(n - sign), value->mark);
    else if (rc == MEDVL_OK)
        rc = medvl_tv_put(h, b, text, (size_t)n, value->mark);
    if (rc == MEDVL_OK && align == '<')
        rc = repeat(h, b, c, pad);
    if (rc == MEDVL_OK && align == '^')
        rc = repeat(h, b, c, pad - pad / 2);
    return rc;
}

static int put_text(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                    const struct conversion *c, const struct medvl_tv *text)
{
    struct medvl_tv_string *s = text->u.string;
    int64_t length, pad;
    int rc = medvl_tv_length(h, &length, text);

    if (c->precision >= 0 && length > c->precision)
        length = c->precision;
    pad = c->width > length ? c->width - length : 0;
    if (rc == MEDVL_OK && c->align == '=')
        return medvl_tv_fail(h, "'=' is not for text");
    if (rc == MEDVL_OK && c->align == '>')
        rc = repeat(h, b, c, pad);
    if (rc == MEDVL_OK && c->align == '^')
        rc = repeat(h, b, c, pad / 2);
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, b, s, 0, medvl_tv_offset(s, length));
    if (rc == MEDVL_OK && c->align == '^')
        rc = repeat(h, b, c, pad - pad / 2);
    if (rc == MEDVL_OK && c->align != '>' && c->align != '^')
        rc = repeat(h, b, c, pad);
    return rc;
}

static int put_converted(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                         const struct conversion *c,
                         const struct medvl_tv *value)
{
    const bool as_text = c->type == 's' || c->type == 'r' || c->type == 'a';
    struct medvl_tv_build made = {0};
    struct medvl_tv text = *value;
    int rc = MEDVL_OK;

    if (medvl_tv_is_number(value) && !as_text &&
        (value->kind != TV_BOOL || c->type))
        return put_number(h, b, c, value);
    if (c->type && !as_text)
        return medvl_tv_fail(h, "a %s cannot be formatted as '%c'",
                             medvl_tv_type_name(value), c->type);
    if (c->type == 'r' || c->type == 'a')
        rc = medvl_tv_put_repr(h, &made, value);
    else if (value->kind != TV_STRING)
        rc = medvl_tv_put_value(h, &made, value);
    if (rc == MEDVL_OK && (c->type == 'r' || c->type == 'a' ||
                           value->kind != TV_STRING))
        rc = medvl_tv_built(h, &text, &made);
    return rc < 0 ? rc : put_text(h, b, c, &text);
}

/* ---- percent --------------------------------------------------------- */

struct percent {
    struct medvl_tv_heap *h;
    const struct medvl_tv_string *format;
    const struct medvl_tv *args;
    size_t at, used;
};

static int next_argument(struct percent *p, const struct medvl_tv **out)
{
    const bool tuple = p->args->kind == TV_TUPLE;

    if (p->used >= (tuple ? p->args->u.list->count : 1))
        return medvl_tv_fail(p->h, "not enough arguments for the format");
    *out = tuple ? &p->args->u.list->items[p->used] : p->args;
    p->used++;
    return MEDVL_OK;
}

/* (name): a member of the dict that was given. */
static int named_argument(struct percent *p, const struct medvl_tv **out)
{
    const struct medvl_tv_string *f = p->format;
    struct medvl_tv_pair *pair = NULL;
    struct medvl_tv key;
    const size_t from = ++p->at;
    int rc;

    while (p->at < f->size && f->data[p->at] != ')')
        p->at++;
    if (p->at == f->size || p->args->kind != TV_DICT)
        return medvl_tv_fail(p->h, "the format needs a dict");
    rc = medvl_tv_cut(p->h, &key, f, from, p->at++);
    if (rc == MEDVL_OK)
        rc = medvl_tv_dict_find(p->h, &pair, p->args->u.dict, &key);
    if (rc == MEDVL_OK && !pair)
        rc = medvl_tv_fail(p->h, "the format names what is not there");
    *out = pair ? &pair->value : NULL;
    return rc;
}

/* A width or precision: digits or '*'. */
static int read_size(struct percent *p, int64_t *out)
{
    const struct medvl_tv *arg = NULL;
    int rc;

    if (p->at < p->format->size && p->format->data[p->at] == '*') {
        p->at++;
        rc = next_argument(p, &arg);
        if (rc < 0)
            return rc;
        if (!medvl_tv_is_int(arg))
            return medvl_tv_fail(p->h, "'*' needs an int");
        *out = medvl_tv_int_of(arg);
        return MEDVL_OK;
    }
    *out = read_digits(p->format->data, p->format->size, &p->at);
    return MEDVL_OK;
}

/* %[(name)][flags][width][.precision]type; `at` is behind the '%'. */
static int percent_one(struct percent *p, struct medvl_tv_build *b)
{
    struct conversion c = {.fill = " ", .fill_size = 1, .precision = -1};
    const struct medvl_tv_string *f = p->format;
    const struct medvl_tv *arg = NULL;
    struct medvl_tv whole;
    bool zero = false;
    int rc = MEDVL_OK;

    if (p->at < f->size && f->data[p->at] == '(')
        rc = named_argument(p, &arg);
    for (; p->at < f->size && f->data[p->at] &&
           strchr("#0- +", f->data[p->at]);
         p->at++) {
        const char flag = f->data[p->at];

        zero = zero || flag == '0';
        c.hash = c.hash || flag == '#';
        c.align = flag == '-' ? '<' : c.align;
        c.sign = flag == '+' || (flag == ' ' && !c.sign) ? flag : c.sign;
    }
    if (rc == MEDVL_OK)
        rc = read_size(p, &c.width);
    if (rc == MEDVL_OK && p->at < f->size && f->data[p->at] == '.') {
        p->at++;
        rc = read_size(p, &c.precision);
        c.precision = c.precision < 0 ? 0 : c.precision;
    }
    if (rc == MEDVL_OK && p->at == f->size)
        rc = medvl_tv_fail(p->h, "the format ends in a conversion");
    if (rc < 0)
        return rc;
    c.type = f->data[p->at++];
    if (c.type == '%')
        return medvl_tv_puts(p->h, b, "%");
    if (!arg)
        rc = next_argument(p, &arg);
    if (rc < 0)
        return rc;
    if (!c.type || !strchr("diouxXeEfFgGcrsa", c.type))
        return medvl_tv_fail(p->h, "'%%%c' is no conversion", c.type);
    c.type = c.type == 'i' || c.type == 'u' ? 'd' : c.type;
    whole = *arg;
    if (strchr("doxX", c.type) && arg->kind == TV_FLOAT &&
        fabs(arg->u.f) < 9e18) {
        whole = medvl_tv_int((int64_t)arg->u.f);
        whole.mark = arg->mark;
    }
    if (c.type == 'c' && arg->kind == TV_STRING)
        c.type = 's';
    if (!strchr("rsa", c.type)) {
        if (zero && !c.align)
            c.align = '=', c.fill[0] = '0';
    } else if (!c.align) {
        c.align = '>';
    }
    return put_converted(p->h, b, &c, &whole);
}

int medvl_format_percent(struct medvl_tv_heap *h, struct medvl_tv *out,
                         const struct medvl_tv_string *format,
                         const struct medvl_tv *args)
{
    struct percent p = {h, format, args, 0, 0};
    struct medvl_tv_build b = {0};
    int rc = medvl_tv_steps(h, format->size / 16);

    while (p.at < format->size && rc == MEDVL_OK) {
        const char *next = memchr(format->data + p.at, '%',
                                  format->size - p.at);
        const size_t to = next ? (size_t)(next - format->data) : format->size;

        rc = medvl_tv_put_cut(h, &b, format, p.at, to);
        p.at = to + (next != NULL);
        if (rc == MEDVL_OK && next)
            rc = percent_one(&p, &b);
    }
    if (rc == MEDVL_OK && args->kind == TV_TUPLE &&
        p.used < args->u.list->count)
        rc = medvl_tv_fail(h, "not all arguments are used by the format");
    else if (rc == MEDVL_OK && !p.used && args->kind != TV_TUPLE &&
             args->kind != TV_DICT && args->kind != TV_LIST)
        rc = medvl_tv_fail(h, "not all arguments are used by the format");
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

/* ---- braces ---------------------------------------------------------- */

struct braces {
    struct medvl_tv_heap *h;
    const struct medvl_tv_list *items;
    const struct medvl_tv_dict *named;
    int64_t next; /* of "{}" */
};

/* The member `part` of *value: by name or by number. */
static int step_into(struct braces *p, struct medvl_tv *value,
                     const char *part, size_t size, bool by_item)
{
    struct medvl_tv key, from = *value;
    size_t at = 0;
    const int64_t index = read_digits(part, size, &at);
    bool found = false;
    int rc;

    if (by_item && index >= 0 && at == size) {
        key = medvl_tv_int(index);
        rc = MEDVL_OK;
    } else {
        rc = medvl_tv_string(p->h, &key, part, size, false);
    }
    if (rc == MEDVL_OK && by_item)
        rc = medvl_tv_item(p->h, value, &found, &from, &key);
    if (rc == MEDVL_OK && !found)
        rc = medvl_tv_fail(p->h, "the format names what is not there");
    return rc;
}

/* The value that a field name like "0", "a" or "a[b]" means. */
static int field_value(struct braces *p, struct medvl_tv *out,
                       const char *name, size_t size)
{
    size_t end = 0, at, close;
    struct medvl_tv key;
    struct medvl_tv_pair *pair = NULL;
    int64_t index;
    int rc;

    while (end < size && name[end] != '.' && name[end] != '[')
        end++;
    at = 0;
    index = end ? read_digits(name, end, &at) : p->next++;
    if (at == end && index >= 0) {
        if ((size_t)index >= p->items->count)
            return medvl_tv_fail(p->h, "the format has no argument %lld",
                                 (long long)index);
        *out = p->items->items[index];
    } else {
        rc = medvl_tv_string(p->h, &key, name, end, false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_find(p->h, &pair, p->named, &key);
        if (rc == MEDVL_OK && !pair)
            rc = medvl_tv_fail(p->h, "the format has no argument \"%.*s\"",
                               (int)(end < 80 ? end : 80), name);
        if (rc < 0)
            return rc;
        *out = pair->value;
    }
    for (at = end; at < size; at = close) {
        const bool item = name[at] == '[';

        close = at + 1;
        while (close < size && !strchr(item ? "]" : ".[", name[close]))
            close++;
        if (item && close == size)
            return medvl_tv_fail(p->h, "']' is missing in the format");
        rc = step_into(p, out, name + at + 1, close - at - 1, item);
        if (rc < 0)
            return rc;
        close += item;
    }
    return MEDVL_OK;
}

static int read_spec(struct braces *p, struct conversion *c, const char *s,
                     size_t size)
{
    uint32_t rune = 0;
    size_t at = 0;
    const int n = size ? medvl_utf8_decode(&rune, s, size) : 0;

    if (n && (size_t)n < size && strchr("<>^=", s[n]) && s[n]) {
        memcpy(c->fill, s, (size_t)n);
        c->fill_size = n;
        c->align = s[n];
        at = (size_t)n + 1;
    } else if (size && strchr("<>^=", s[0]) && s[0]) {
        c->align = s[at++];
    }
    if (at < size && (s[at] == '+' || s[at] == '-' || s[at] == ' ')) {
        c->sign = s[at] == '-' ? 0 : s[at];
        at++;
    }
    if (at < size && s[at] == '#')
        c->hash = true, at++;
    if (at < size && s[at] == '0') {
        if (!c->align)
            c->align = '=', c->fill[0] = '0', c->fill_size = 1;
        at++;
    }
    c->width = read_digits(s, size, &at);
    if (at < size && (s[at] == ',' || s[at] == '_'))
        c->group = s[at++];
    if (at < size && s[at] == '.') {
        at++;
        c->precision = read_digits(s, size, &at);
        if (c->precision < 0)
            return medvl_tv_fail(p->h, "the format has no precision");
    }
    if (at < size)
        c->type = s[at++];
    if (at < size || (c->type && !strchr("bcdeEfFgGnosxX%", c->type)))
        return medvl_tv_fail(p->h, "\"%.*s\" is no format",
                             (int)(size < 80 ? size : 80), s);
    return MEDVL_OK;
}

/* {name!r:spec}, the text between the braces. */
static int field(struct braces *p, struct medvl_tv_build *b, const char *s,
                 size_t size)
{
    struct conversion c = {.fill = " ", .fill_size = 1, .precision = -1};
    struct conversion plain = c;
    struct medvl_tv_build made = {0};
    struct medvl_tv value;
    size_t name = 0, spec;
    int rc;

    while (name < size && s[name] != ':' && s[name] != '!')
        name++;
    spec = name;
    if (name < size && s[name] == '!') {
        spec = name + 2;
        if (spec > size || !strchr("rsa", s[name + 1]))
            return medvl_tv_fail(p->h, "bad conversion in the format");
        plain.type = s[name + 1];
    }
    if (spec < size && s[spec] != ':')
        return medvl_tv_fail(p->h, "bad conversion in the format");
    rc = field_value(p, &value, s, name);
    if (rc == MEDVL_OK && spec < size)
        rc = read_spec(p, &c, s + spec + 1, size - spec - 1);
    if (rc == MEDVL_OK && plain.type) {
        rc = put_converted(p->h, &made, &plain, &value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_built(p->h, &value, &made);
    }
    if (rc == MEDVL_OK && c.type == 's' && value.kind != TV_STRING)
        rc = medvl_tv_fail(p->h, "a %s cannot be formatted as 's'",
                           medvl_tv_type_name(&value));
    return rc < 0 ? rc : put_converted(p->h, b, &c, &value);
}

int medvl_format_braces(struct medvl_tv_heap *h, struct medvl_tv *out,
                        const struct medvl_tv_string *format,
                        const struct medvl_tv_list *items,
                        const struct medvl_tv_dict *named)
{
    struct braces p = {h, items, named, 0};
    const char *s = format->data;
    struct medvl_tv_build b = {0};
    size_t at = 0, to;
    int rc = medvl_tv_steps(h, format->size / 16);

    while (at < format->size && rc == MEDVL_OK) {
        for (to = at; to < format->size && s[to] != '{' && s[to] != '}'; to++)
            ;
        rc = medvl_tv_put_cut(h, &b, format, at, to);
        at = to;
        if (rc < 0 || to == format->size)
            break;
        if (to + 1 < format->size && s[to + 1] == s[to]) {
            rc = medvl_tv_put_cut(h, &b, format, to, to + 1);
            at = to + 2;
            continue;
        }
        while (s[to] == '{' && at < format->size && s[at] != '}')
            at++;
        if (s[to] == '}' || at == format->size)
            rc = medvl_tv_fail(h, "a brace is alone in the format");
        else if (memchr(s + to + 1, '{', at - to - 1))
            rc = medvl_tv_fail(h, "a field inside of a field's format");
        else
            rc = field(&p, &b, s + to + 1, at - to - 1);
        at++;
    }
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}
