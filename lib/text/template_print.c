/*
 * Values of templates to text and back.
 *
 * Marks: a string's bytes keep theirs, an escape has the mark of the
 * character it stands for, a number that of its value; quotes, brackets and
 * separators are the template's.
 *
 * Read next: template_parse.h.
 */
#include "lib/text/template_print.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building -------------------------------------------------------- */

static int make_room(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                     size_t size)
{
    size_t want = b->capacity ? 2 * b->capacity : 64;
    void *data;

    if (size > h->memory_limit)
        return medvl_tv_fail(h, "more than %zu bytes of values",
                             h->memory_limit);
    if (want < b->size + size)
        want = b->size + size;
    data = medvl_tv_extend(h, b->data, b->size, want);
    if (!data)
        return (int)h->err->code;
    b->data = data;
    if (b->marks) {
        data = medvl_tv_extend(h, b->marks, b->size, want);
        if (!data)
            return (int)h->err->code;
        b->marks = data;
    }
    b->capacity = want;
    return medvl_tv_steps(h, want / 64);
}

static int put_marked(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const char *data, size_t size, const uint8_t *marks,
                      bool mark)
{
    int rc;

    if (size == 0)
        return MEDVL_OK;
    if (size > b->capacity - b->size) {
        rc = make_room(h, b, size);
        if (rc < 0)
            return rc;
    }
    if (b->size == 0 && !b->marks && !marks)
        b->mark = mark;
    if (!b->marks && (marks || b->mark != mark)) {
        b->marks = medvl_tv_alloc(h, 1, b->capacity);
        if (!b->marks)
            return (int)h->err->code;
        memset(b->marks, b->mark, b->size);
    }
    memcpy(b->data + b->size, data, size);
    if (marks)
        memcpy(b->marks + b->size, marks, size);
    else if (b->marks)
        memset(b->marks + b->size, mark, size);
    b->size += size;
    return MEDVL_OK;
}

int medvl_tv_put(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                 const char *data, size_t size, bool mark)
{
    return put_marked(h, b, data, size, NULL, mark);
}

int medvl_tv_puts(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                  const char *text)
{
    return put_marked(h, b, text, strlen(text), NULL, false);
}

int medvl_tv_put_cut(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                     const struct medvl_tv_string *s, size_t from, size_t to)
{
    return put_marked(h, b, s->data + from, to - from,
                      s->marks ? s->marks + from : NULL, s->mark);
}

int medvl_tv_built(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_build *b)
{
    int rc = medvl_tv_string(h, out, b->data ? b->data : "", b->size,
                             b->mark);

    if (rc == MEDVL_OK)
        out->u.string->marks = b->marks;
    return rc;
}

/* ---- str and repr ---------------------------------------------------- */

/* Python's repr of a double: shortest digits, exponent from 1e16 up. */
static int put_float(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                     double f, bool mark)
{
    char shortest[32], digits[32], text[64];
    int count = 0, point = -1, exponent = 0, n;

    if (!isfinite(f))
        return medvl_tv_put(h, b, f > 0 ? "inf" : f < 0 ? "-inf"
                                                        : "nan",
                            f < 0 ? 4 : 3, mark);
    medvl_format_double(shortest, f < 0 ? -f : f);
    for (const char *p = shortest; *p; p++) {
        if (*p >= '0' && *p <= '9')
            digits[count++] = *p;
        else if (*p == '.')
            point = count;
        else if (*p == 'e' || *p == 'E') {
            exponent = (int)strtol(p + 1, NULL, 10);
            break;
        }
    }
    exponent += (point < 0 ? count : point) - 1;
    for (n = 0; n < count - 1 && digits[n] == '0'; n++)
        exponent--;
    count -= n;
    memmove(digits, digits + n, (size_t)count);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = 0;
    if (f == 0)
        exponent = 0;
    if (exponent < -4 || exponent >= 16)
        n = snprintf(text, sizeof(text), "%c%s%se%c%02d", digits[0],
                     count > 1 ? "." : "", digits + 1,
                     exponent < 0 ? '-' : '+', abs(exponent));
    else if (exponent < 0)
        n = snprintf(text, sizeof(text), "0.%.*s%s", -exponent - 1, "0000",
                     digits);
    else if (count > exponent + 1)
        n = snprintf(text, sizeof(text), "%.*s.%s", exponent + 1, digits,
                     digits + exponent + 1);
    else
        n = snprintf(text, sizeof(text), "%s%.*s.0", digits,
                     exponent + 1 - count, "0000000000000000");
    if (signbit(f) && medvl_tv_put(h, b, "-", 1, mark) < 0)
        return (int)h->err->code;
    return medvl_tv_put(h, b, text, (size_t)n, mark);
}

/* Does repr() show the character as it is? */
static bool printable(uint32_t rune)
{
    static const uint32_t HIDDEN[][2] = {
        {0, 0x1f},
        {0x7f, 0xa0},
        {0xad, 0xad},
        {0x600, 0x605},
        {0x61c, 0x61c},
        {0x6dd, 0x6dd},
        {0x70f, 0x70f},
        {0x1680, 0x1680},
        {0x180e, 0x180e},
        {0x2000, 0x200f},
        {0x2028, 0x202f},
        {0x205f, 0x206f},
        {0x3000, 0x3000},
        {0xd800, 0xf8ff},
        {0xfeff, 0xfeff},
        {0xfff0, 0xfffb},
        {0xfffe, 0xffff},
        {0xe0000, 0xe00ff},
        {0xf0000, 0x10ffff},
    };

    for (size_t i = 0; i < sizeof(HIDDEN) / sizeof(HIDDEN[0]); i++)
        if (rune >= HIDDEN[i][0] && rune <= HIDDEN[i][1])
            return false;
    return true;
}

/* The escape of a character inside of quotes; 0 where it needs none. */
static int escape(char out[16], uint32_t rune, char quote)
{
    if (rune == '\\' || rune == (uint32_t)quote)
        return snprintf(out, 16, "\\%c", (char)rune);
    if (rune == '\n' || rune == '\r' || rune == '\t')
        return snprintf(out, 16, "\\%c",
                        rune == '\n' ? 'n' : rune == '\r' ? 'r'
                                                          : 't');
    if (printable(rune))
        return 0;
    if (rune < 0x100)
        return snprintf(out, 16, "\\x%02x", rune);
    return snprintf(out, 16, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

/* Walk a string, replacing what `quote` needs escaped. */
static int put_quoted(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct medvl_tv_string *s,
                      int (*how)(char[16], uint32_t, char), char quote)
{
    size_t from = 0;
    int rc, step, size;

    rc = medvl_tv_put(h, b, &quote, 1, false);
    for (size_t at = 0; at < s->size && rc == MEDVL_OK; at += (size_t)step) {
        uint32_t rune = 0;
        char text[16];

        step = medvl_utf8_decode(&rune, s->data + at, s->size - at);
        step = step ? step : 1;
        size = how(text, rune, quote);
        if (!size)
            continue;
        rc = medvl_tv_put_cut(h, b, s, from, at);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put(h, b, text, (size_t)size,
                              s->marks ? s->marks[at] : s->mark);
        from = at + (size_t)step;
    }
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, b, s, from, s->size);
    return rc == MEDVL_OK ? medvl_tv_put(h, b, &quote, 1, false) : rc;
}

static int put_list(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                    const struct medvl_tv *value)
{
    const struct medvl_tv_list *list = value->u.list;
    const bool tuple = value->kind == TV_TUPLE;
    int rc = medvl_tv_puts(h, b, tuple ? "(" : "[");

    for (size_t i = 0; i < list->count && rc == MEDVL_OK; i++) {
        if (i)
            rc = medvl_tv_puts(h, b, ", ");
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_repr(h, b, &list->items[i]);
    }
    if (rc == MEDVL_OK && tuple && list->count == 1)
        rc = medvl_tv_puts(h, b, ",");
    return rc == MEDVL_OK ? medvl_tv_puts(h, b, tuple ? ")" : "]") : rc;
}

static int put_dict(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                    const struct medvl_tv_dict *dict)
{
    int rc = medvl_tv_puts(h, b, "{");

    for (size_t i = 0; i < dict->count && rc == MEDVL_OK; i++) {
        if (i)
            rc = medvl_tv_puts(h, b, ", ");
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_repr(h, b, &dict->pairs[i].key);
        if (rc == MEDVL_OK)
            rc = medvl_tv_puts(h, b, ": ");
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_repr(h, b, &dict->pairs[i].value);
    }
    return rc == MEDVL_OK ? medvl_tv_puts(h, b, "}") : rc;
}

/* What str and repr agree on. */
static int put_plain(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                     const struct medvl_tv *value)
{
    char text[32];
    int n, rc;

    switch (value->kind) {
    case TV_NONE: return medvl_tv_put(h, b, "None", 4, value->mark);
    case TV_BOOL:
        return medvl_tv_put(h, b, value->u.truth ? "True" : "False",
                            value->u.truth ? 4 : 5, value->mark);
    case TV_INT:
        n = snprintf(text, sizeof(text), "%lld", (long long)value->u.i);
        return medvl_tv_put(h, b, text, (size_t)n, value->mark);
    case TV_FLOAT: return put_float(h, b, value->u.f, value->mark);
    case TV_LIST:
    case TV_TUPLE:
    case TV_DICT: break;
    default:
        return medvl_tv_fail(h, "a %s cannot be printed",
                             medvl_tv_type_name(value));
    }
    rc = medvl_tv_enter(h);
    if (rc < 0)
        return rc;
    if (value->kind == TV_DICT)
        rc = put_dict(h, b, value->u.dict);
    else
        rc = put_list(h, b, value);
    h->depth--;
    return rc;
}

int medvl_tv_put_repr(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct medvl_tv *value)
{
    const struct medvl_tv_string *s = value->u.string;

    if (value->kind == TV_UNDEFINED)
        return medvl_tv_puts(h, b, "Undefined");
    if (value->kind != TV_STRING)
        return put_plain(h, b, value);
    if (s->size && memchr(s->data, '\'', s->size) &&
        !memchr(s->data, '"', s->size))
        return put_quoted(h, b, s, escape, '"');
    return put_quoted(h, b, s, escape, '\'');
}

int medvl_tv_put_value(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                       const struct medvl_tv *value)
{
    if (value->kind == TV_UNDEFINED)
        return MEDVL_OK;
    if (value->kind == TV_STRING)
        return medvl_tv_put_cut(h, b, value->u.string, 0,
                                value->u.string->size);
    return put_plain(h, b, value);
}

int medvl_tv_text(struct medvl_tv_heap *h, const struct medvl_tv_string **out,
                  const struct medvl_tv *value)
{
    struct medvl_tv_build b = {0};
    struct medvl_tv made;
    int rc;

    if (value->kind == TV_STRING) {
        *out = value->u.string;
        return MEDVL_OK;
    }
    rc = medvl_tv_put_value(h, &b, value);
    if (rc == MEDVL_OK)
        rc = medvl_tv_built(h, &made, &b);
    if (rc == MEDVL_OK)
        *out = made.u.string;
    return rc;
}

/* ---- JSON, as json.dumps writes it ----------------------------------- */

static int escape_json(char out[16], uint32_t rune, char quote)
{
    static const char LETTERS[] = "\bb\ff\nn\rr\tt";
    const char *p;

    if (rune == '\\' || rune == (uint32_t)quote)
        return snprintf(out, 16, "\\%c", (char)rune);
    if (rune >= 0x20)
        return 0;
    for (p = LETTERS; *p; p += 2)
        if ((uint32_t)*p == rune)
            return snprintf(out, 16, "\\%c", p[1]);
    return snprintf(out, 16, "\\u%04x", rune);
}

static int escape_ascii(char out[16], uint32_t rune, char quote)
{
    if (rune < 0x80)
        return escape_json(out, rune, quote);
    if (rune < 0x10000)
        return snprintf(out, 16, "\\u%04x", rune);
    return snprintf(out, 16, "\\u%04x\\u%04x",
                    0xd800 + ((rune - 0x10000) >> 10),
                    0xdc00 + ((rune - 0x10000) & 0x3ff));
}

static int new_line(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                    const struct medvl_tv_json_style *style)
{
    int rc;

    if (!style->indent)
        return MEDVL_OK;
    rc = medvl_tv_puts(h, b, "\n");
    for (int i = 0; i < style->level && rc == MEDVL_OK; i++)
        rc = medvl_tv_puts(h, b, style->indent);
    return rc;
}

static int put_key(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                   const struct medvl_tv *key,
                   struct medvl_tv_json_style *style)
{
    struct medvl_tv_string quoted = {0};
    struct medvl_tv_build inner = {0};
    int rc;

    if (key->kind == TV_STRING)
        return medvl_tv_put_json(h, b, key, style);
    if (key->kind != TV_NONE && !medvl_tv_is_number(key))
        return medvl_tv_fail(h, "a %s cannot be a name in JSON",
                             medvl_tv_type_name(key));
    rc = medvl_tv_put_json(h, &inner, key, style);
    quoted.data = inner.data;
    quoted.size = inner.size;
    quoted.mark = inner.mark;
    return rc == MEDVL_OK ? put_quoted(h, b, &quoted, escape_json, '"') : rc;
}

/* The pairs in the order they are written. */
static int sorted_pairs(struct medvl_tv_heap *h,
                        const struct medvl_tv_pair **out,
                        const struct medvl_tv_dict *dict, bool sort)
{
    struct medvl_tv_pair *pairs;
    int order, rc;

    *out = dict->pairs;
    if (!sort || dict->count < 2)
        return MEDVL_OK;
    pairs = medvl_tv_alloc(h, dict->count, sizeof(*pairs));
    if (!pairs)
        return (int)h->err->code;
    for (size_t i = 0; i < dict->count; i++) {
        size_t at = i;

        for (; at; at--) {
            rc = medvl_tv_order(h, &order, &dict->pairs[i].key,
                                &pairs[at - 1].key);
            if (rc == MEDVL_OK)
                rc = medvl_tv_steps(h, 1);
            if (rc < 0)
                return rc;
            if (order >= 0)
                break;
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = dict->pairs[i];
    }
    *out = pairs;
    return MEDVL_OK;
}

static int put_members(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                       const struct medvl_tv *value,
                       struct medvl_tv_json_style *style)
{
    const bool dict = value->kind == TV_DICT;
    const struct medvl_tv_pair *pairs = NULL;
    const size_t count = dict ? value->u.dict->count : value->u.list->count;
    int rc = medvl_tv_puts(h, b, dict ? "{" : "[");

    if (rc == MEDVL_OK && dict)
        rc = sorted_pairs(h, &pairs, value->u.dict, style->sort);
    style->level++;
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        if (i)
            rc = medvl_tv_puts(h, b, style->comma);
        if (rc == MEDVL_OK)
            rc = new_line(h, b, style);
        if (rc == MEDVL_OK && dict)
            rc = put_key(h, b, &pairs[i].key, style);
        if (rc == MEDVL_OK && dict)
            rc = medvl_tv_puts(h, b, style->colon);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_json(
                h, b, dict ? &pairs[i].value : &value->u.list->items[i],
                style);
    }
    style->level--;
    if (rc == MEDVL_OK && count)
        rc = new_line(h, b, style);
    return rc == MEDVL_OK ? medvl_tv_puts(h, b, dict ? "}" : "]") : rc;
}

int medvl_tv_put_json(struct medvl_tv_heap *h, struct medvl_tv_build *b,
                      const struct medvl_tv *value,
                      struct medvl_tv_json_style *style)
{
    int rc;

    switch (value->kind) {
    case TV_NONE: return medvl_tv_put(h, b, "null", 4, value->mark);
    case TV_BOOL:
        return medvl_tv_put(h, b, value->u.truth ? "true" : "false",
                            value->u.truth ? 4 : 5, value->mark);
    case TV_INT: return put_plain(h, b, value);
    case TV_FLOAT:
        if (!isfinite(value->u.f))
            return medvl_tv_fail(h, "JSON has no infinite numbers");
        return put_plain(h, b, value);
    case TV_STRING:
        return put_quoted(h, b, value->u.string,
                          style->ascii ? escape_ascii : escape_json, '"');
    case TV_LIST:
    case TV_TUPLE:
    case TV_DICT: break;
    default:
        return medvl_tv_fail(h, "a %s cannot be JSON",
                             medvl_tv_type_name(value));
    }
    rc = medvl_tv_enter(h);
    if (rc < 0)
        return rc;
    rc = put_members(h, b, value, style);
    h->depth--;
    return rc;
}

/* ---- reading JSON ---------------------------------------------------- */

struct reader {
    struct medvl_tv_heap *h;
    const char *at, *end;
    bool mark;
};

static int bad_json(const struct reader *r)
{
    return medvl_tv_fail(r->h, "not JSON, %zu bytes before its end",
                         (size_t)(r->end - r->at));
}

/* The next byte that is no space, or 0 at the end. */
static char peek(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' ||
                              *r->at == '\n' || *r->at == '\r'))
        r->at++;
    return r->at < r->end ? *r->at : 0;
}

/* Four hex digits, or -1. */
static long hex4(const char *p, const char *end)
{
    long value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];

        if (c >= '0' && c <= '9')
            value = 16 * value + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = 16 * value + ((c | 32) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* What a "\u" stands for; r->at is behind the u.  0 where it is bad. */
static uint32_t read_unicode(struct reader *r)
{
    long high = hex4(r->at, r->end), low;

    if (high < 0)
        return 0;
    r->at += 4;
    if (high < 0xd800 || high > 0xdfff)
        return (uint32_t)high;
    if (high > 0xdbff || r->end - r->at < 6 || r->at[0] != '\\' ||
        r->at[1] != 'u')
        return 0;
    low = hex4(r->at + 2, r->end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    r->at += 6;
    return (uint32_t)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
}

/* Decode an escape; r->at is behind the backslash. */
static int read_escape(struct reader *r, char out[4])
{
    static const char LETTERS[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
    const char *p = LETTERS;
    uint32_t rune;

    if (r->at == r->end)
        return bad_json(r);
    if (*r->at == 'u') {
        r->at++;
        rune = read_unicode(r);
        if (!rune)
            return medvl_tv_fail(r->h, "text with \\u0000 or half a "
                                       "surrogate pair cannot be read");
        return medvl_utf8_encode(out, rune);
    }
    for (; *p; p += 2)
        if (*p == *r->at) {
            r->at++;
            out[0] = p[1];
            return 1;
        }
    return bad_json(r);
}

static int read_string(struct reader *r, struct medvl_tv *out)
{
    struct medvl_tv_build b = {0};
    const char *from = ++r->at;
    bool plain = true;
    char text[4];
    int rc = MEDVL_OK, n;

    while (rc == MEDVL_OK) {
        while (r->at < r->end && *r->at != '"' && *r->at != '\\')
            r->at++;
        if (r->at == r->end)
            return bad_json(r);
        if (*r->at == '"' && plain)
            return medvl_tv_string(r->h, out, from, (size_t)(r->at++ - from),
                                   r->mark);
        plain = false;
        rc = medvl_tv_put(r->h, &b, from, (size_t)(r->at - from), r->mark);
        if (rc < 0 || *r->at++ == '"')
            break;
        n = read_escape(r, text);
        if (n < 0)
            return n;
        rc = medvl_tv_put(r->h, &b, text, (size_t)n, r->mark);
        from = r->at;
    }
    return rc == MEDVL_OK ? medvl_tv_built(r->h, out, &b) : rc;
}

static int read_number(struct reader *r, struct medvl_tv *out)
{
    char text[400], *end;
    size_t n = 0;
    bool whole = true;

    while (r->at + n < r->end && strchr("+-.eE0123456789", r->at[n]) &&
           r->at[n]) {
        whole = whole && !strchr(".eE", r->at[n]);
        n++;
    }
    if (n == 0 || n >= sizeof(text))
        return n ? medvl_tv_fail(r->h, "a number of %zu digits", n)
                 : bad_json(r);
    memcpy(text, r->at, n);
    text[n] = 0;
    errno = 0;
    if (whole)
        *out = medvl_tv_int(strtoll(text, &end, 10));
    else
        *out = medvl_tv_float(strtod(text, &end));
    if (*end)
        return bad_json(r);
    if ((whole && errno) || (!whole && !isfinite(out->u.f)))
        return medvl_tv_fail(r->h, "the number %.40s is too large", text);
    out->mark = r->mark;
    r->at += n;
    return MEDVL_OK;
}

static int read_word(struct reader *r, struct medvl_tv *out)
{
    static const char *const WORDS[] = {"null", "false", "true"};

    for (int i = 0; i < 3; i++) {
        const size_t size = strlen(WORDS[i]);

        if ((size_t)(r->end - r->at) < size || memcmp(r->at, WORDS[i], size))
            continue;
        r->at += size;
        *out = i ? medvl_tv_bool(i == 2) : medvl_tv_none();
        out->mark = r->mark;
        return MEDVL_OK;
    }
    return read_number(r, out);
}

static int read_value(struct reader *r, struct medvl_tv *out);

static int read_array(struct reader *r, struct medvl_tv *out)
{
    const size_t base = r->h->stack_size;
    struct medvl_tv item;
    int rc;

    r->at++;
    if (peek(r) == ']') {
        r->at++;
        return medvl_tv_list(r->h, out, TV_LIST, NULL, 0);
    }
    for (;;) {
        rc = read_value(r, &item);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(r->h, item);
        if (rc < 0)
            return rc;
        if (peek(r) == ']') {
            r->at++;
            return medvl_tv_take(r->h, out, TV_LIST, base);
        }
        if (peek(r) != ',')
            return bad_json(r);
        r->at++;
    }
}

static int read_object(struct reader *r, struct medvl_tv *out)
{
    struct medvl_tv key, value;
    int rc = medvl_tv_dict(r->h, out);

    r->at++;
    if (rc == MEDVL_OK && peek(r) == '}') {
        r->at++;
        return MEDVL_OK;
    }
    while (rc == MEDVL_OK) {
        if (peek(r) != '"')
            return bad_json(r);
        rc = read_string(r, &key);
        if (rc == MEDVL_OK && peek(r) != ':')
            return bad_json(r);
        r->at++;
        if (rc == MEDVL_OK)
            rc = read_value(r, &value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(r->h, out->u.dict, key, value);
        if (rc < 0)
            return rc;
        if (peek(r) == '}') {
            r->at++;
            return MEDVL_OK;
        }
        if (peek(r) != ',')
            return bad_json(r);
        r->at++;
    }
    return rc;
}

static int read_value(struct reader *r, struct medvl_tv *out)
{
    const char c = peek(r);
    int rc;

    if (c == '"')
        return read_string(r, out);
    if (c != '[' && c != '{')
        return read_word(r, out);
    rc = medvl_tv_enter(r->h);
    if (rc < 0)
        return rc;
    rc = c == '[' ? read_array(r, out) : read_object(r, out);
    r->h->depth--;
    return rc;
}

int medvl_tv_json(struct medvl_tv_heap *h, struct medvl_tv *out,
                  struct medvl_span json, bool mark)
{
    struct reader r = {h, json.data, json.data + json.size, mark};
    int rc = read_value(&r, out);

    if (rc == MEDVL_OK && peek(&r))
        rc = bad_json(&r);
    return rc;
}
