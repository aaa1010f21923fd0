/*
 * JSON: a strict scan over bytes, views made of spans, trees of cJSON
 * nodes, arrays of numbers, and a writer.
 *
 * The scan is one loop with a bit a level for "object or array", so depth
 * costs no stack.  Strings and runs of integers, which are most of a
 * record, are taken 16 bytes at a time where SSE2 is.
 *
 * Only this file knows cJSON.  A tree is parsed after the strict scan has
 * passed, and after what cJSON would bend (\u0000, lone surrogates, numbers
 * that a double cannot hold or that are longer than its buffer) was refused
 * or rewritten; so when cJSON_Parse fails, memory was out.
 *
 * Read next: pool.h.
 */
#include "lib/base/json.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base/file.h"
#include "lib/base/mem.h"

/* ---- the scan -------------------------------------------------------- */

struct scan {
    const char *start, *p, *end;
    const char *name_end; /* the closing quote of the last name */
    bool high;            /* a byte of 0x80 or more was seen */
    bool escaped;         /* the last string had an escape */
    struct medvl_error *err;
};

static int bad(const struct scan *s, const char *what)
{
    if (s->p >= s->end)
        return medvl_fail(s->err, MEDVL_EFORMAT,
                          "byte %zu: ends early, %s",
                          (size_t)(s->end - s->start) + 1, what);
    return medvl_fail(s->err, MEDVL_EFORMAT, "byte %zu: %s",
                      (size_t)(s->p - s->start) + 1, what);
}

static struct scan scan_begin(struct medvl_span span, struct medvl_error *err)
{
    struct scan s = {.err = err};

    s.start = span.size ? span.data : "";
    s.p = s.start;
    s.end = s.start + span.size;
    return s;
}

static inline void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
                             *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

/* Is the next byte `c`? */
static inline bool next_is(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static inline bool is_digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

static inline int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int scan_escape(struct scan *s)
{
    s->escaped = true;
    s->p++;
    if (s->p >= s->end)
        return bad(s, "in an escape");
    switch (*s->p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->p++;
        return MEDVL_OK;
    case 'u':
        for (int i = 0; i < 4; i++) {
            s->p++;
            if (s->p >= s->end || hex_digit(*s->p) < 0)
                return bad(s, "\\u without four hex digits");
        }
        s->p++;
        return MEDVL_OK;
    default:
        return bad(s, "unknown escape in a string");
    }
}

/*
 * Skip the bytes of a string that need no look: up to a quote, a backslash,
 * a control byte, or the end.
 */
static inline const char *skip_plain(struct scan *s)
{
    const char *p = s->p;
    unsigned high = 0;

#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);

    while (s->end - p >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)p);
        const __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
            _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        const unsigned mask = (unsigned)_mm_movemask_epi8(stop);

        high |= (unsigned)_mm_movemask_epi8(v);
        if (mask) {
            s->high |= high != 0;
            return p + __builtin_ctz(mask);
        }
        p += 16;
    }
#endif
    while (p < s->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 32)
        high |= (unsigned char)*p++ & 0x80;
    s->high |= high != 0;
    return p;
}

/* At the opening quote; leaves p after the closing one. */
static inline int scan_string(struct scan *s)
{
    s->escaped = false;
    s->p++;
    for (;;) {
        s->p = skip_plain(s);
        if (s->p >= s->end)
            return bad(s, "in a string");
        if (*s->p == '"') {
            s->p++;
            return MEDVL_OK;
        }
        if (*s->p != '\\')
            return bad(s, "control byte in a string");
        if (scan_escape(s) < 0)
            return MEDVL_EFORMAT;
    }
}

static int scan_digits(struct scan *s)
{
    if (s->p >= s->end || !is_digit(*s->p))
        return bad(s, "expected a digit");
    do
        s->p++;
    while (s->p < s->end && is_digit(*s->p));
    return MEDVL_OK;
}

static int scan_number(struct scan *s)
{
    if (next_is(s, '-'))
        s->p++;
    if (next_is(s, '0')) {
        s->p++;
        if (s->p < s->end && is_digit(*s->p))
            return bad(s, "number with a leading zero");
    } else if (scan_digits(s) < 0) {
        return MEDVL_EFORMAT;
    }
    if (next_is(s, '.')) {
        s->p++;
        if (scan_digits(s) < 0)
            return MEDVL_EFORMAT;
    }
    if (next_is(s, 'e') || next_is(s, 'E')) {
        s->p++;
        if (next_is(s, '+') || next_is(s, '-'))
            s->p++;
        return scan_digits(s);
    }
    return MEDVL_OK;
}

static int scan_word(struct scan *s, const char *word, size_t size)
{
    if ((size_t)(s->end - s->p) < size || memcmp(s->p, word, size) != 0)
        return bad(s, "not a JSON value");
    s->p += size;
    return MEDVL_OK;
}

static inline int scan_scalar(struct scan *s)
{
    if (s->p >= s->end)
        return bad(s, "where a value should be");
    switch (*s->p) {
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true", 4);
    case 'f': return scan_word(s, "false", 5);
    case 'n': return scan_word(s, "null", 4);
    case '-': return scan_number(s);
    default:
        if (is_digit(*s->p))
            return scan_number(s);
        return bad(s, "not a JSON value");
    }
}

/* At a name; leaves p before its value. */
static inline int scan_name(struct scan *s)
{
    if (!next_is(s, '"'))
        return bad(s, "expected a name in double quotes");
    if (scan_string(s) < 0)
        return MEDVL_EFORMAT;
    s->name_end = s->p - 1;
    skip_space(s);
    if (!next_is(s, ':'))
        return bad(s, "expected ':' after a name");
    s->p++;
    return MEDVL_OK;
}

#ifdef __SSE2__
/*
 * In an array, at a digit: skip integers with "," or ", " between them, 16
 * bytes at a time, and return the start of the last one that was seen
 * begin.  In each block a bit a byte says digit, comma, space; the rules
 * "a comma follows a digit", "a space follows a comma" and "no digit
 * follows a number's leading zero" are shifts of those masks.  The first
 * byte that breaks one, or is anything else, ends it.
 */
static const char *skip_integers(const char *p, const char *end)
{
    const char *last = p;
    unsigned was_digit = 0, was_comma = 0, was_zero = 0;

    while (end - p >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)p);
        const __m128i d = _mm_sub_epi8(v, _mm_set1_epi8('0'));
        const unsigned digit = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(9)), d));
        const unsigned zero = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8('0')));
        const unsigned comma = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8(',')));
        const unsigned space = (unsigned)_mm_movemask_epi8(
            _mm_cmpeq_epi8(v, _mm_set1_epi8(' ')));
        const unsigned after_digit = digit << 1 | was_digit;
        const unsigned first = digit & ~after_digit;
        const unsigned lead = (zero & first) << 1 | was_zero;
        const unsigned stop = 0x10000u | ~(digit | comma | space) |
                              (comma & ~after_digit) |
                              (space & ~(comma << 1 | was_comma)) |
                              (digit & lead);
        const unsigned seen = first & ((stop & -stop) - 1);

        if (seen)
            last = p + 31 - __builtin_clz(seen);
        if ((stop & 0xffff) != 0)
            return last;
        was_digit = digit >> 15 & 1;
        was_comma = comma >> 15 & 1;
        was_zero = lead >> 16 & 1;
        p += 16;
    }
    return last;
}
#else
static const char *skip_integers(const char *p, const char *end)
{
    (void)end;
    return p;
}
#endif

/*
 * One value that is an object or array.  Bit d of `object` says what level
 * d is; `depth` counts the levels open around this one.
 */
static int scan_nested(struct scan *s, int depth)
{
    const int base = depth;
    uint64_t object[MEDVL_JSON_DEPTH / 64] = {0};
    bool fresh = true; /* at the start of a value */

    for (;;) {
        skip_space(s);
        if (fresh && (next_is(s, '{') || next_is(s, '['))) {
            const bool is_object = *s->p == '{';
            const uint64_t bit = (uint64_t)1 << (depth % 64);

            if (depth >= MEDVL_JSON_DEPTH)
                return bad(s, "nested too deep");
            if (is_object)
                object[depth / 64] |= bit;
            else
                object[depth / 64] &= ~bit;
            depth++;
            s->p++;
            skip_space(s);
            fresh = !next_is(s, is_object ? '}' : ']');
            if (fresh && is_object && scan_name(s) < 0)
                return MEDVL_EFORMAT;
            continue;
        }
        const bool is_object = object[(depth - 1) / 64] >> (depth - 1) % 64 & 1;

        if (fresh) {
            if (!is_object && s->p < s->end && is_digit(*s->p))
                s->p = skip_integers(s->p, s->end);
            if (scan_scalar(s) < 0)
                return MEDVL_EFORMAT;
            fresh = false;
        } else if (next_is(s, is_object ? '}' : ']')) {
            s->p++;
            if (--depth == base)
                return MEDVL_OK;
        } else if (next_is(s, ',')) {
            s->p++;
            skip_space(s);
            if (is_object && scan_name(s) < 0)
                return MEDVL_EFORMAT;
            fresh = true;
        } else {
            return bad(s, is_object ? "expected ',' or '}'"
                                    : "expected ',' or ']'");
        }
    }
}

/* One value, `depth` levels deep; leaves p after it. */
static inline int scan_value(struct scan *s, int depth)
{
    if (next_is(s, '{') || next_is(s, '['))
        return scan_nested(s, depth);
    return scan_scalar(s);
}

/* Nothing but space may follow, and all of it is UTF-8. */
static int scan_end(struct scan *s)
{
    skip_space(s);
    if (s->p < s->end)
        return bad(s, "more bytes after the value");
    if (s->high) {
        const size_t size = (size_t)(s->end - s->start);
        const size_t valid = medvl_utf8_valid(s->start, size);

        if (valid < size) {
            s->p = s->start + valid;
            return bad(s, "not UTF-8");
        }
    }
    return MEDVL_OK;
}

int medvl_json_check(struct medvl_span span, struct medvl_error *err)
{
    struct scan s = scan_begin(span, err);

    skip_space(&s);
    if (scan_value(&s, 0) < 0)
        return MEDVL_EFORMAT;
    return scan_end(&s);
}

/* ---- escapes --------------------------------------------------------- */

/* Four hex digits that the scan has passed. */
static uint32_t hex4(const char *p)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_digit(p[i]);
    return value;
}

/*
 * Decode the escape at *p (a backslash, form checked) and move past it.  A
 * surrogate that stands alone is returned as it is.
 */
static uint32_t read_escape(const char **p, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = *p + 1;
    const char *known;
    uint32_t rune, low;

    if (*at != 'u') {
        known = strchr(from, *at);
        *p = at + 1;
        return known ? (uint32_t)to[known - from] : (uint32_t)*at;
    }
    rune = hex4(at + 1);
    *p = at + 5;
    if (rune < 0xd800 || rune > 0xdbff || end - *p < 6 ||
        (*p)[0] != '\\' || (*p)[1] != 'u')
        return rune;
    low = hex4(*p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return rune;
    *p += 6;
    return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
}

static bool is_surrogate(uint32_t rune)
{
    return rune >= 0xd800 && rune <= 0xdfff;
}

/* As medvl_utf8_encode; a lone surrogate too, so that names compare. */
static size_t encode_any(char out[4], uint32_t rune)
{
    if (!is_surrogate(rune))
        return (size_t)medvl_utf8_encode(out, rune);
    out[0] = (char)(0xe0 | rune >> 12);
    out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[2] = (char)(0x80 | (rune & 0x3f));
    return 3;
}

/*
 * Append what a string's inside says.  With `strict`, \u0000 and lone
 * surrogates are refused.
 */
static int append_decoded(struct medvl_text *out, struct medvl_span inside,
                          bool strict, struct medvl_error *err)
{
    const char *p = inside.data;
    const char *const end = p + inside.size;

    if (medvl_text_reserve(out, inside.size, err) < 0)
        return MEDVL_ENOMEM;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        const size_t plain = (size_t)((slash ? slash : end) - p);

        memcpy(out->data + out->size, p, plain);
        out->size += plain;
        p += plain;
        if (slash) {
            const uint32_t rune = read_escape(&p, end);

            if (strict && (!rune || is_surrogate(rune)))
                return medvl_fail(err, MEDVL_EFORMAT,
                                  rune ? "a lone surrogate is no text"
                                       : "\\u0000 is no text");
            out->size += encode_any(out->data + out->size, rune);
        }
    }
    out->data[out->size] = 0;
    return MEDVL_OK;
}

int medvl_json_unescape(struct medvl_text *out, struct medvl_span span,
                        struct medvl_error *err)
{
    struct scan s = scan_begin(span, err);
    const size_t before = out->size;
    int rc;

    if (!next_is(&s, '"'))
        return medvl_fail(err, MEDVL_EFORMAT, "not a string");
    if (scan_string(&s) < 0 || scan_end(&s) < 0)
        return MEDVL_EFORMAT;
    const struct medvl_span inside = {span.data + 1, span.size - 2};

    rc = append_decoded(out, inside, true, err);
    if (rc < 0 && out->data) {
        out->size = before;
        out->data[before] = 0;
    }
    return rc;
}

/* ---- views ----------------------------------------------------------- */

/* Does the name, as it stands between its quotes, say `name`? */
static bool name_is(struct medvl_span span, const char *name, size_t size)
{
    const char *p = span.data;
    const char *const end = p + span.size;
    const char *at = name;

    if (span.size == size)
        return memcmp(p, name, size) == 0;
    if (span.size < size || !memchr(p, '\\', span.size))
        return false; /* an escape is longer than what it says */
    while (p < end) {
        char bytes[4];
        size_t n = 1;

        if (*p == '\\')
            n = encode_any(bytes, read_escape(&p, end));
        else
            bytes[0] = *p++;
        if (n > size - (size_t)(at - name) || memcmp(at, bytes, n) != 0)
            return false;
        at += n;
    }
    return (size_t)(at - name) == size;
}

static int refuse_twice(struct medvl_span name, struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "name \"%.*s\" stands twice",
                      name.size > 100 ? 100 : (int)name.size, name.data);
}

static int compare_spans(const void *a, const void *b)
{
    const struct medvl_span *x = a, *y = b;
    const size_t size = x->size < y->size ? x->size : y->size;
    const int c = memcmp(x->data, y->data, size);

    return c ? c : (x->size > y->size) - (x->size < y->size);
}

/* Names by sorting: for many of them, and for names with escapes. */
static int sort_names(const struct medvl_json_view *view,
                      struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_span *names;
    size_t total = 0;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < view->count; i++)
        total += view->members[i].name.size;
    names = medvl_alloc(view->count, sizeof(*names));
    if (!names)
        return medvl_no_memory(err);
    rc = medvl_text_reserve(&text, total, err); /* so spans stay */
    for (size_t i = 0; rc == MEDVL_OK && i < view->count; i++) {
        const size_t start = text.size;

        rc = append_decoded(&text, view->members[i].name, false, err);
        names[i].data = text.data + start;
        names[i].size = text.size - start;
    }
    if (rc == MEDVL_OK)
        qsort(names, view->count, sizeof(*names), compare_spans);
    for (size_t i = 1; rc == MEDVL_OK && i < view->count; i++)
        if (medvl_span_equal(names[i - 1], names[i]))
            rc = refuse_twice(names[i], err);
    medvl_text_release(&text);
    medvl_free(names);
    return rc;
}

/*
 * No name twice.  A word of 64 bits remembers what was seen, so that of a
 * few names hardly any is compared.
 */
static int check_names(const struct medvl_json_view *view, bool escaped,
                       struct medvl_error *err)
{
    uint64_t seen = 0;

    if (escaped || view->count > 32)
        return sort_names(view, err);
    for (size_t i = 0; i < view->count; i++) {
        const struct medvl_span name = view->members[i].name;
        const unsigned char *b = (const unsigned char *)name.data;
        const size_t n = name.size;
        const unsigned mixed =
            n ? b[0] * 5u + b[n - 1] * 11u + b[n / 2] * 17u : 0;
        const uint64_t bit = (uint64_t)1 << ((mixed + n) % 64);

        for (size_t k = 0; (seen & bit) && k < i; k++)
            if (medvl_span_equal(view->members[k].name, name))
                return refuse_twice(name, err);
        seen |= bit;
    }
    return MEDVL_OK;
}

static int push_member(struct medvl_json_view *view, struct medvl_span name,
                       struct medvl_span value, struct medvl_error *err)
{
    if (view->count == view->capacity &&
        medvl_grow(&view->members, &view->capacity, view->count + 1,
                   sizeof(*view->members), err) < 0)
        return MEDVL_ENOMEM;
    view->members[view->count].name = name;
    view->members[view->count++].value = value;
    return MEDVL_OK;
}

/* At a member or element; leaves p after its value. */
static int scan_member(struct medvl_json_view *view, struct scan *s,
                       bool *escaped)
{
    struct medvl_span name = {s->p, 0}, value;

    if (!view->array) {
        name.data = s->p + 1;
        if (scan_name(s) < 0)
            return MEDVL_EFORMAT;
        *escaped |= s->escaped;
        name.size = (size_t)(s->name_end - name.data);
        skip_space(s);
    }
    value.data = s->p;
    if (scan_value(s, 1) < 0)
        return MEDVL_EFORMAT;
    value.size = (size_t)(s->p - value.data);
    return push_member(view, name, value, s->err);
}

static int scan_members(struct medvl_json_view *view, struct scan *s,
                        bool *escaped)
{
    const char close = view->array ? ']' : '}';
    int rc;

    skip_space(s);
    if (!next_is(s, view->array ? '[' : '{'))
        return bad(s, view->array ? "not an array" : "not an object");
    view->whole.data = s->p++;
    skip_space(s);
    while (!next_is(s, close)) {
        if (view->count == MEDVL_JSON_MEMBERS)
            return bad(s, view->array ? "too many elements"
                                      : "too many members");
        rc = scan_member(view, s, escaped);
        if (rc < 0)
            return rc;
        skip_space(s);
        if (next_is(s, close))
            break;
        if (!next_is(s, ','))
            return bad(s, view->array ? "expected ',' or ']'"
                                      : "expected ',' or '}'");
        s->p++;
        skip_space(s);
        if (next_is(s, close))
            return bad(s, "nothing after a comma");
    }
    s->p++;
    view->whole.size = (size_t)(s->p - view->whole.data);
    return scan_end(s);
}

static int view_scan(struct medvl_json_view *view, struct medvl_span span,
                     bool array, struct medvl_error *err)
{
    struct scan s = scan_begin(span, err);
    bool escaped = false;
    int rc;

    view->count = 0;
    view->added_count = 0;
    view->array = array;
    view->whole.size = 0;
    rc = scan_members(view, &s, &escaped);
    if (rc == MEDVL_OK && !array)
        rc = check_names(view, escaped, err);
    if (rc < 0) {
        view->count = 0;
        view->whole.size = 0;
    }
    return rc;
}

int medvl_json_view_object(struct medvl_json_view *view,
                           struct medvl_span span, struct medvl_error *err)
{
    return view_scan(view, span, false, err);
}

int medvl_json_view_array(struct medvl_json_view *view,
                          struct medvl_span span, struct medvl_error *err)
{
    return view_scan(view, span, true, err);
}

static struct medvl_json_member *find(const struct medvl_json_view *view,
                                      const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; !view->array && i < view->count; i++)
        if (name_is(view->members[i].name, name, size))
            return &view->members[i];
    return NULL;
}

struct medvl_span medvl_json_view_get(const struct medvl_json_view *view,
                                      const char *name)
{
    const struct medvl_json_member *member = find(view, name);
    const struct medvl_span none = {NULL, 0};

    return member ? member->value : none;
}

/* A buffer of the view's own with `name` and `value` in it. */
static int keep(struct medvl_text **out, struct medvl_json_view *view,
                const char *name, struct medvl_span value,
                struct medvl_error *err)
{
    const size_t old = view->added_capacity;
    struct medvl_text *text;
    char *newline;

    if (view->added_count == old) {
        if (medvl_grow(&view->added, &view->added_capacity, old + 1,
                       sizeof(*view->added), err) < 0)
            return MEDVL_ENOMEM;
        memset(view->added + old, 0,
               (view->added_capacity - old) * sizeof(*view->added));
    }
    if (!view->added[view->added_count])
        view->added[view->added_count] = medvl_alloc(1, sizeof(*text));
    text = view->added[view->added_count];
    if (!text)
        return medvl_no_memory(err);
    medvl_text_clear(text);
    if (medvl_text_puts(text, name, err) < 0 ||
        medvl_text_append(text, value.data, value.size, err) < 0)
        return MEDVL_ENOMEM;

    /* Indented JSON is welcome, but a record is one line. */
    newline = text->size ? memchr(text->data, '\n', text->size) : NULL;
    for (; newline; newline = strchr(newline, '\n'))
        *newline = ' ';
    view->added_count++;
    *out = text;
    return MEDVL_OK;
}

int medvl_json_view_set(struct medvl_json_view *view, const char *name,
                        struct medvl_span value, struct medvl_error *err)
{
    struct medvl_json_member *member;
    struct medvl_text *text;
    struct medvl_span kept, title;

    if (view->array || !value.size)
        return medvl_fail(err, MEDVL_EARG, "\"%s\": nothing to set", name);
    if (keep(&text, view, name, value, err) < 0)
        return MEDVL_ENOMEM;
    title.data = text->data;
    title.size = strlen(name);
    kept.data = text->data + title.size;
    kept.size = value.size;
    member = find(view, name);
    if (member)
        member->value = kept;
    else if (push_member(view, title, kept, err) < 0)
        return MEDVL_ENOMEM;
    view->whole.size = 0;
    return MEDVL_OK;
}

int medvl_json_view_set_at(struct medvl_json_view *view, size_t index,
                           struct medvl_span value, struct medvl_error *err)
{
    struct medvl_text *text;

    if (!view->array || index >= view->count || !value.size)
        return medvl_fail(err, MEDVL_EARG, "element %zu: no such one", index);
    if (keep(&text, view, "", value, err) < 0)
        return MEDVL_ENOMEM;
    view->members[index].value = medvl_text_span(text);
    view->whole.size = 0;
    return MEDVL_OK;
}

void medvl_json_view_remove(struct medvl_json_view *view, const char *name)
{
    struct medvl_json_member *member = find(view, name);
    size_t after;

    if (!member)
        return;
    after = view->count - (size_t)(member - view->members) - 1;
    memmove(member, member + 1, after * sizeof(*member));
    view->count--;
    view->whole.size = 0;
}

static void put_bytes(struct medvl_text *out, const char *data, size_t size)
{
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

int medvl_json_view_write(struct medvl_text *out,
                          const struct medvl_json_view *view,
                          struct medvl_error *err)
{
    size_t need = 2;

    if (view->whole.size)
        return medvl_text_append(out, view->whole.data, view->whole.size,
                                 err);
    for (size_t i = 0; i < view->count; i++)
        need += view->members[i].name.size + view->members[i].value.size + 4;
    if (medvl_text_reserve(out, need, err) < 0)
        return MEDVL_ENOMEM;
    put_bytes(out, view->array ? "[" : "{", 1);
    for (size_t i = 0; i < view->count; i++) {
        const struct medvl_json_member *m = &view->members[i];

        if (i > 0)
            put_bytes(out, ",", 1);
        if (!view->array) {
            put_bytes(out, "\"", 1);
            put_bytes(out, m->name.data, m->name.size);
            put_bytes(out, "\":", 2);
        }
        put_bytes(out, m->value.data, m->value.size);
    }
    put_bytes(out, view->array ? "]" : "}", 1);
    out->data[out->size] = 0;
    return MEDVL_OK;
}

void medvl_json_view_release(struct medvl_json_view *view)
{
    for (size_t i = 0; i < view->added_capacity; i++)
        if (view->added[i]) {
            medvl_text_release(view->added[i]);
            medvl_free(view->added[i]);
        }
    medvl_free(view->added);
    medvl_free(view->members);
    memset(view, 0, sizeof(*view));
}

/* ---- trees ----------------------------------------------------------- */

#define LONGEST_NUMBER 60 /* cJSON's buffer holds 63 bytes */

static void *tree_alloc(size_t size)
{
    return medvl_alloc(1, size);
}

/* cJSON's hooks are one for the process: set before main, never changed. */
__attribute__((constructor)) static void install_hooks(void)
{
    cJSON_Hooks hooks = {tree_alloc, medvl_free};

    cJSON_InitHooks(&hooks);
}

/* A number (form checked): a double must hold it and cJSON's buffer too. */
static int fit_number(char *number, size_t size, struct medvl_error *err)
{
    const struct medvl_span span = {number, size};
    char shortest[32];
    double value;
    int length;

    if (size <= LONGEST_NUMBER && !memchr(number, 'e', size) &&
        !memchr(number, 'E', size))
        return MEDVL_OK;
    if (medvl_parse_real(&value, span, -DBL_MAX, DBL_MAX, err) < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "number %.*s is beyond what a double holds",
                          size > 40 ? 40 : (int)size, number);
    if (size <= LONGEST_NUMBER)
        return MEDVL_OK;
    length = medvl_format_double(shortest, value);
    memcpy(number, shortest, (size_t)length);
    memset(number + length, ' ', size - (size_t)length);
    return MEDVL_OK;
}

/* At the opening quote of a string (form checked); moves past it. */
static int fit_string(char **at, const char *end, struct medvl_error *err)
{
    const char *p = *at + 1;

    while (*p != '"')
        if (*p == '\\') {
            const uint32_t rune = read_escape(&p, end);

            if (!rune || is_surrogate(rune))
                return medvl_fail(err, MEDVL_EFORMAT,
                                  rune ? "a lone surrogate is no text"
                                       : "\\u0000 is no text");
        } else {
            p++;
        }
    *at += p + 1 - *at;
    return MEDVL_OK;
}

/* Make JSON that the scan passed fit for cJSON, in place, or refuse it. */
static int fit(struct medvl_text *text, struct medvl_error *err)
{
    char *p = text->data;
    char *const end = p + text->size;
    size_t values = 1;

    while (p < end) {
        values += *p == ',' || *p == '[' || *p == '{';
        if (values > MEDVL_JSON_VALUES)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "more than %d values to hold at once",
                              MEDVL_JSON_VALUES);
        if (*p == '"') {
            if (fit_string(&p, end, err) < 0)
                return MEDVL_EFORMAT;
        } else if (*p == '-' || is_digit(*p)) {
            const size_t size = strspn(p, "0123456789+-.eE");

            if (fit_number(p, size, err) < 0)
                return MEDVL_EFORMAT;
            p += size;
        } else {
            p++;
        }
    }
    return MEDVL_OK;
}

int medvl_json_parse(struct medvl_json **out, struct medvl_span span,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    rc = medvl_json_check(span, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&text, span.data, span.size, err);
    if (rc == MEDVL_OK)
        rc = fit(&text, err);
    if (rc == MEDVL_OK) {
        *out = (struct medvl_json *)cJSON_Parse(text.data);
        if (!*out)
            rc = medvl_no_memory(err);
    }
    medvl_text_release(&text);
    return rc;
}

int medvl_json_read(struct medvl_json **out, const char *path,
                    struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    *out = NULL;
    rc = medvl_file_read(&text, path, MEDVL_JSON_FILE, err);
    if (rc == MEDVL_OK) {
        rc = medvl_json_parse(out, medvl_text_span(&text), err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    medvl_text_release(&text);
    return rc;
}

void medvl_json_free(struct medvl_json *root)
{
    cJSON_Delete((cJSON *)root);
}

static const cJSON *node(const struct medvl_json *value)
{
    return (const cJSON *)value;
}

static const struct medvl_json *value_of(const cJSON *item)
{
    return (const struct medvl_json *)item;
}

enum medvl_json_type medvl_json_type(const struct medvl_json *value)
{
    if (!value)
        return MEDVL_JSON_NONE;
    switch (node(value)->type & 0xff) {
    case cJSON_False:
    case cJSON_True: return MEDVL_JSON_BOOL;
    case cJSON_Number: return MEDVL_JSON_NUMBER;
    case cJSON_String: return MEDVL_JSON_STRING;
    case cJSON_Array: return MEDVL_JSON_ARRAY;
    case cJSON_Object: return MEDVL_JSON_OBJECT;
    default: return MEDVL_JSON_NULL;
    }
}

const struct medvl_json *medvl_json_get(const struct medvl_json *object,
                                        const char *name)
{
    const cJSON *item;

    if (medvl_json_type(object) != MEDVL_JSON_OBJECT)
        return NULL;
    item = node(object)->child;
    while (item && strcmp(item->string, name) != 0)
        item = item->next;
    return value_of(item);
}

const struct medvl_json *medvl_json_at(const struct medvl_json *array,
                                       size_t index)
{
    const struct medvl_json *item = NULL;

    if (medvl_json_type(array) == MEDVL_JSON_ARRAY)
        item = medvl_json_first(array);
    while (item && index-- > 0)
        item = medvl_json_next(item);
    return item;
}

const struct medvl_json *medvl_json_first(const struct medvl_json *value)
{
    return value ? value_of(node(value)->child) : NULL;
}

const struct medvl_json *medvl_json_next(const struct medvl_json *value)
{
    return value ? value_of(node(value)->next) : NULL;
}

const char *medvl_json_name(const struct medvl_json *member)
{
    return member ? node(member)->string : NULL;
}

size_t medvl_json_count(const struct medvl_json *value)
{
    const struct medvl_json *item = medvl_json_first(value);
    size_t count = 0;

    for (; item; item = medvl_json_next(item))
        count++;
    return count;
}

const char *medvl_json_string(const struct medvl_json *value)
{
    if (medvl_json_type(value) != MEDVL_JSON_STRING)
        return NULL;
    return node(value)->valuestring;
}

bool medvl_json_true(const struct medvl_json *value)
{
    return value && (node(value)->type & 0xff) == cJSON_True;
}

double medvl_json_number(const struct medvl_json *value, double otherwise)
{
    if (medvl_json_type(value) != MEDVL_JSON_NUMBER)
        return otherwise;
    return node(value)->valuedouble;
}

/* ---- members that must be there -------------------------------------- */

static int get_typed(const struct medvl_json **out,
                     const struct medvl_json *object, const char *name,
                     enum medvl_json_type type, const char *what,
                     struct medvl_error *err)
{
    *out = medvl_json_get(object, name);
    if (!*out)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing", name);
    if (medvl_json_type(*out) != type)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": not %s", name, what);
    return MEDVL_OK;
}

int medvl_json_get_string(const char **out, const struct medvl_json *object,
                          const char *name, struct medvl_error *err)
{
    const struct medvl_json *value;

    *out = NULL;
    if (get_typed(&value, object, name, MEDVL_JSON_STRING, "a string", err) < 0)
        return MEDVL_EFORMAT;
    *out = medvl_json_string(value);
    return MEDVL_OK;
}

int medvl_json_get_int(int64_t *out, const struct medvl_json *object,
                       const char *name, int64_t low, int64_t high,
                       struct medvl_error *err)
{
    const double exact = 9007199254740992; /* 2^53 */
    const struct medvl_json *value;
    double v;

    if (get_typed(&value, object, name, MEDVL_JSON_NUMBER, "a number", err) < 0)
        return MEDVL_EFORMAT;
    v = node(value)->valuedouble;
    if (fabs(v) > exact || floor(v) != v)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": %.17g is no integer",
                          name, v);
    if ((int64_t)v < low || (int64_t)v > high)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": %.0f is not in %lld to %lld", name, v,
                          (long long)low, (long long)high);
    *out = (int64_t)v;
    return MEDVL_OK;
}

int medvl_json_get_number(double *out, const struct medvl_json *object,
                          const char *name, double low, double high,
                          struct medvl_error *err)
{
    const struct medvl_json *value;
    double v;

    if (get_typed(&value, object, name, MEDVL_JSON_NUMBER, "a number", err) < 0)
        return MEDVL_EFORMAT;
    v = node(value)->valuedouble;
    if (!(v >= low && v <= high))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"%s\": %g is not in %g to %g", name, v, low, high);
    *out = v;
    return MEDVL_OK;
}

/* ---- printing -------------------------------------------------------- */

/* At a byte that a string cannot hold: its escape; returns the length. */
static size_t make_escape(char out[6], char byte)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    static const char hex[] = "0123456789abcdef";
    const char *known = byte ? strchr(from, byte) : NULL;

    out[0] = '\\';
    out[1] = known ? to[known - from] : 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = hex[byte >> 4 & 15];
    out[5] = hex[byte & 15];
    return known ? 2 : 6;
}

int medvl_json_quote(struct medvl_text *out, struct medvl_span data,
                     struct medvl_error *err)
{
    struct scan s = scan_begin(data, err);
    const size_t before = out->size;

    if (medvl_utf8_valid(s.start, data.size) < data.size)
        return medvl_fail(err, MEDVL_EFORMAT, "text is not UTF-8");
    if (medvl_text_reserve(out, data.size + 2, err) < 0)
        return MEDVL_ENOMEM;
    put_bytes(out, "\"", 1);
    for (;;) {
        const char *from = s.p;
        char escape[6];
        size_t size;

        s.p = skip_plain(&s);
        put_bytes(out, from, (size_t)(s.p - from));
        if (s.p >= s.end)
            break;
        size = make_escape(escape, *s.p++);
        if (medvl_text_reserve(out, (size_t)(s.end - s.p) + size + 1,
                               err) < 0) {
            out->size = before;
            out->data[before] = 0;
            return MEDVL_ENOMEM;
        }
        put_bytes(out, escape, size);
    }
    put_bytes(out, "\"", 1);
    out->data[out->size] = 0;
    return MEDVL_OK;
}

/* A scalar, or what opens an object or array. */
static int print_start(struct medvl_text *out, const cJSON *item,
                       struct medvl_error *err)
{
    char digits[32];

    switch (item->type & 0xff) {
    case cJSON_False: return medvl_text_puts(out, "false", err);
    case cJSON_True: return medvl_text_puts(out, "true", err);
    case cJSON_Number:
        return medvl_text_append(
            out, digits,
            (size_t)medvl_format_double(digits, item->valuedouble), err);
    case cJSON_String:
        return medvl_json_quote(out, medvl_span(item->valuestring), err);
    case cJSON_Array: return medvl_text_putc(out, '[', err);
    case cJSON_Object: return medvl_text_putc(out, '{', err);
    default: return medvl_text_puts(out, "null", err);
    }
}

static int print_name(struct medvl_text *out, const cJSON *parent,
                      const cJSON *item, struct medvl_error *err)
{
    int rc;

    if (parent->child != item && medvl_text_putc(out, ',', err) < 0)
        return MEDVL_ENOMEM;
    if ((parent->type & 0xff) != cJSON_Object)
        return MEDVL_OK;
    rc = medvl_json_quote(out, medvl_span(item->string), err);
    return rc < 0 ? rc : medvl_text_putc(out, ':', err);
}

static bool is_container(const cJSON *item)
{
    return (item->type & (cJSON_Array | cJSON_Object)) != 0;
}

int medvl_json_print(struct medvl_text *out, const struct medvl_json *value,
                     struct medvl_error *err)
{
    const cJSON *open[MEDVL_JSON_DEPTH];
    const cJSON *item = node(value);
    int depth = 0, rc = MEDVL_OK;

    if (!item)
        return medvl_fail(err, MEDVL_EARG, "no value to print");
    for (;;) {
        if (depth > 0)
            rc = print_name(out, open[depth - 1], item, err);
        if (rc == MEDVL_OK)
            rc = print_start(out, item, err);
        if (rc < 0)
            return rc;
        if (is_container(item) && item->child) {
            if (depth == MEDVL_JSON_DEPTH)
                return medvl_fail(err, MEDVL_EARG, "nested too deep");
            open[depth++] = item;
            item = item->child;
            continue;
        }
        if (is_container(item))
            rc = medvl_text_putc(
                out, (item->type & cJSON_Array) ? ']' : '}', err);
        while (rc == MEDVL_OK && depth > 0 && !item->next) {
            item = open[--depth];
            rc = medvl_text_putc(
                out, (item->type & cJSON_Array) ? ']' : '}', err);
        }
        if (rc < 0 || depth == 0)
            return rc;
        item = item->next;
    }
}

/* ---- arrays of numbers ----------------------------------------------- */

/* One integer; a value past 2^40 stays there (and is out of any range). */
static int read_integer(int64_t *out, struct scan *s)
{
    const bool minus = next_is(s, '-');
    int64_t value = 0;
    const char *from;

    s->p += minus;
    from = s->p;
    while (s->p < s->end && is_digit(*s->p)) {
        if (value < (int64_t)1 << 40)
            value = value * 10 + (*s->p - '0');
        s->p++;
    }
    if (s->p == from)
        return bad(s, "expected an integer");
    if (*from == '0' && s->p - from > 1)
        return bad(s, "number with a leading zero");
    if (next_is(s, '.') || next_is(s, 'e') || next_is(s, 'E'))
        return bad(s, "number is no integer");
    *out = minus ? -value : value;
    return MEDVL_OK;
}

int medvl_json_read_ints(int32_t **items, size_t *count, size_t *capacity,
                         struct medvl_span span, int32_t low, int32_t high,
                         struct medvl_error *err)
{
    struct scan s = scan_begin(span, err);
    size_t n = *count;
    int64_t value = 0;

    skip_space(&s);
    if (!next_is(&s, '['))
        return bad(&s, "not an array of integers");
    s.p++;
    skip_space(&s);
    while (!next_is(&s, ']')) {
        if (read_integer(&value, &s) < 0)
            return MEDVL_EFORMAT;
        if (value < low || value > high)
            return medvl_fail(err, MEDVL_EARG,
                              "element %zu: %lld is not in %d to %d",
                              n - *count, (long long)value, low, high);
        if (n - *count == MEDVL_JSON_INTS)
            return bad(&s, "too many numbers");
        if (n == *capacity &&
            medvl_grow(items, capacity, n + 1, sizeof(**items), err) < 0)
            return MEDVL_ENOMEM;
        (*items)[n++] = (int32_t)value;
        skip_space(&s);
        if (next_is(&s, ']'))
            break;
        if (!next_is(&s, ','))
            return bad(&s, "expected ',' or ']'");
        s.p++;
        skip_space(&s);
        if (next_is(&s, ']'))
            return bad(&s, "nothing after a comma");
    }
    s.p++;
    if (scan_end(&s) < 0)
        return MEDVL_EFORMAT;
    *count = n;
    return MEDVL_OK;
}

/* Write `value` at `out`; returns the length, at most 11. */
static size_t format_int32(char *out, int32_t value)
{
    char digits[12];
    size_t at = sizeof(digits);
    uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;

    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

int medvl_json_write_ints(struct medvl_text *out, const int32_t *items,
                          size_t count, struct medvl_error *err)
{
    size_t room;

    if (!medvl_size_mul(&room, count, 12) ||
        !medvl_size_add(&room, room, 2))
        return medvl_no_memory(err);
    if (medvl_text_reserve(out, room, err) < 0)
        return MEDVL_ENOMEM;
    put_bytes(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put_bytes(out, ",", 1);
        out->size += format_int32(out->data + out->size, items[i]);
    }
    put_bytes(out, "]", 1);
    out->data[out->size] = 0;
    return MEDVL_OK;
}

/* ---- writing --------------------------------------------------------- */

#define WRITER_DEPTH 62

/* The comma and the name in front of a value; false once w has failed. */
static bool put_start(struct medvl_json_writer *w, const char *name)
{
    const uint64_t bit = (uint64_t)1 << w->depth;
    int rc = MEDVL_OK;

    if (w->err.code != MEDVL_OK)
        return false;
    if (w->started & bit) {
        if (w->depth == 0)
            rc = medvl_fail(&w->err, MEDVL_EARG, "two outermost values");
        else
            rc = medvl_text_putc(w->out, ',', &w->err);
    }
    w->started |= bit;
    if (rc == MEDVL_OK && !name != !(w->object & bit))
        rc = medvl_fail(&w->err, MEDVL_EARG,
                        name ? "name \"%s\" outside an object"
                             : "%sa value in an object without a name",
                        name ? name : "");
    if (rc == MEDVL_OK && name) {
        rc = medvl_json_quote(w->out, medvl_span(name), &w->err);
        if (rc == MEDVL_OK)
            rc = medvl_text_putc(w->out, ':', &w->err);
    }
    return rc == MEDVL_OK;
}

/* Append; a failure stays in w->err by itself. */
static void put_span(struct medvl_json_writer *w, const char *data,
                     size_t size)
{
    if (medvl_text_append(w->out, data, size, &w->err) < 0)
        return;
}

void medvl_json_begin(struct medvl_json_writer *w, const char *name,
                      char open)
{
    if (!put_start(w, name))
        return;
    if (w->depth == WRITER_DEPTH) {
        medvl_fail(&w->err, MEDVL_EARG, "nested too deep to write");
        return;
    }
    put_span(w, &open, 1);
    w->depth++;
    w->started &= ~((uint64_t)1 << w->depth);
    if (open == '{')
        w->object |= (uint64_t)1 << w->depth;
    else
        w->object &= ~((uint64_t)1 << w->depth);
}

void medvl_json_end(struct medvl_json_writer *w)
{
    if (w->err.code != MEDVL_OK)
        return;
    if (w->depth == 0) {
        medvl_fail(&w->err, MEDVL_EARG, "an end without a begin");
        return;
    }
    put_span(w, w->object >> w->depth & 1 ? "}" : "]", 1);
    w->depth--;
}

void medvl_json_put_string(struct medvl_json_writer *w, const char *name,
                           struct medvl_span value)
{
    if (put_start(w, name) && medvl_json_quote(w->out, value, &w->err) < 0)
        medvl_context(&w->err, "\"%s\"", name ? name : "");
}

void medvl_json_put_number(struct medvl_json_writer *w, const char *name,
                           double value)
{
    char digits[32];

    if (!isfinite(value))
        medvl_json_put_null(w, name);
    else if (put_start(w, name))
        put_span(w, digits, (size_t)medvl_format_double(digits, value));
}

void medvl_json_put_int(struct medvl_json_writer *w, const char *name,
                        int64_t value)
{
    if (put_start(w, name) &&
        medvl_text_printf(w->out, &w->err, "%lld", (long long)value) < 0)
        return;
}

void medvl_json_put_bool(struct medvl_json_writer *w, const char *name,
                         bool value)
{
    if (put_start(w, name))
        put_span(w, value ? "true" : "false", value ? 4 : 5);
}

void medvl_json_put_null(struct medvl_json_writer *w, const char *name)
{
    if (put_start(w, name))
        put_span(w, "null", 4);
}

void medvl_json_put_raw(struct medvl_json_writer *w, const char *name,
                        struct medvl_span json)
{
    if (put_start(w, name))
        put_span(w, json.data, json.size);
}

int medvl_json_write_end(struct medvl_json_writer *w,
                         struct medvl_error *err)
{
    if (w->err.code == MEDVL_OK && w->depth > 0)
        medvl_fail(&w->err, MEDVL_EARG, "a begin without an end");
    if (w->err.code != MEDVL_OK && err)
        *err = w->err;
    return w->err.code;
}
