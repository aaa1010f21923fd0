/*
 * The text of a template cut into tokens.
 *
 * The whitespace rules, as transformers sets them: a tag with '-' eats all
 * space on that side; a block tag or comment alone on its line eats the
 * indent before it and the newline after it, unless '+' says not to; the
 * newline that ends the template is dropped.
 *
 * Read next: template_parser.c.
 */
#include "lib/text/template_lex.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BRACKETS 500

struct lexer {
    struct medvl_tv_heap *h;
    const char *text;
    size_t size, at;
    size_t seen; /* line and column are those of this offset */
    int line, column;
    bool fresh; /* what was read last ended a line */
    struct medvl_token *tokens;
    size_t count, capacity;
    char open[MAX_BRACKETS];
    int depth;
};

int medvl_token_fail(struct medvl_tv_heap *h, int line, int column,
                     const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return medvl_fail(h->err, MEDVL_EFORMAT, "line %d, column %d: %s", line,
                      column, text);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '_' || (c & 0x80);
}

/* The byte `ahead` of here; 0 behind the end. */
static char look(const struct lexer *l, size_t ahead)
{
    return ahead < l->size - l->at ? l->text[l->at + ahead] : 0;
}

static bool starts(const struct lexer *l, const char *what)
{
    const size_t size = strlen(what);

    return size <= l->size - l->at && !memcmp(l->text + l->at, what, size);
}

static void locate(struct lexer *l, size_t offset)
{
    for (; l->seen < offset; l->seen++) {
        if (l->text[l->seen] == '\n') {
            l->line++;
            l->column = 1;
        } else if ((l->text[l->seen] & 0xc0) != 0x80) {
            l->column++;
        }
    }
}

static int fail(struct lexer *l, const char *what)
{
    locate(l, l->at);
    return medvl_token_fail(l->h, l->line, l->column, "%s", what);
}

/* Add a token that begins at `from`. */
static int add(struct lexer *l, enum medvl_token_kind kind, size_t from,
               struct medvl_span text)
{
    struct medvl_token *tokens;

    if (l->count == l->capacity) {
        const size_t more = l->capacity ? 2 * l->capacity : 32;

        tokens = medvl_tv_extend(l->h, l->tokens,
                                 l->count * sizeof(*tokens),
                                 more * sizeof(*tokens));
        if (!tokens)
            return (int)l->h->err->code;
        l->tokens = tokens;
        l->capacity = more;
    }
    locate(l, from);
    l->tokens[l->count++] = (struct medvl_token){
        .kind = kind, .line = l->line, .column = l->column, .text = text};
    return MEDVL_OK;
}

static int add_here(struct lexer *l, enum medvl_token_kind kind, size_t size)
{
    const struct medvl_span text = {l->text + l->at, size};
    int rc = add(l, kind, l->at, text);

    l->at += size;
    return rc;
}

/* A copy whose line ends are all '\n', the last one dropped. */
static int take_source(struct lexer *l, struct medvl_span source)
{
    char *copy;
    size_t n = 0;

    n = medvl_utf8_valid(source.data, source.size);
    if (n < source.size)
        return medvl_fail(l->h->err, MEDVL_EFORMAT,
                          "byte %zu of the template is not UTF-8", n + 1);
    copy = medvl_tv_alloc(l->h, 1, source.size + 1);
    if (!copy)
        return (int)l->h->err->code;
    n = 0;
    for (size_t i = 0; i < source.size; i++) {
        const char c = source.data[i];

        if (c == '\n' && i && source.data[i - 1] == '\r')
            continue;
        copy[n++] = c == '\r' ? '\n' : c;
    }
    if (n && copy[n - 1] == '\n')
        n--;
    copy[n] = 0;
    l->text = copy;
    l->size = n;
    return MEDVL_OK;
}

/* ---- tags ------------------------------------------------------------ */

/* Text up to a tag at `to`, stripped as the tag asks. */
static int add_data(struct lexer *l, size_t to, char sign, bool variable)
{
    const size_t from = l->at;
    size_t end = to, i = to;

    if (sign == '-') {
        while (end > from && is_space(l->text[end - 1]))
            end--;
    } else if (sign != '+' && !variable) {
        while (i > from && is_space(l->text[i - 1]) && l->text[i - 1] != '\n')
            i--;
        if (i == from ? l->fresh : l->text[i - 1] == '\n')
            end = i;
    }
    if (end > from)
        return add(l, TOKEN_DATA, from,
                   (struct medvl_span){l->text + from, end - from});
    return MEDVL_OK;
}

/* Behind a tag: '-' eats space, and a bare block end one newline. */
static void eat_after(struct lexer *l, char sign, bool trim)
{
    if (sign == '-')
        while (l->at < l->size && is_space(l->text[l->at]))
            l->at++;
    else if (sign != '+' && trim && look(l, 0) == '\n')
        l->at++;
    l->fresh = l->at && l->text[l->at - 1] == '\n';
}

static char sign_at(const struct lexer *l, size_t offset)
{
    const char c = offset < l->size ? l->text[offset] : 0;

    return c == '-' || c == '+' ? c : 0;
}

/* Offset behind "{% raw %}" (or endraw) at `at`; 0 where it is not that. */
static size_t raw_tag(const struct lexer *l, size_t at, const char *word,
                      char *sign)
{
    const size_t size = strlen(word);

    at += 2;
    at += sign_at(l, at) ? 1 : 0;
    while (at < l->size && is_space(l->text[at]))
        at++;
    if (size > l->size - at || memcmp(l->text + at, word, size))
        return 0;
    at += size;
    while (at < l->size && is_space(l->text[at]))
        at++;
    *sign = sign_at(l, at);
    at += *sign ? 1 : 0;
    if (l->size - at < 2 || l->text[at] != '%' || l->text[at + 1] != '}')
        return 0;
    return at + 2;
}

static size_t find_text(const struct lexer *l, size_t from, const char *what)
{
    const char *p = memmem(l->text + from, l->size - from, what,
                           strlen(what));

    return p ? (size_t)(p - l->text) : SIZE_MAX;
}

/* Everything up to the endraw tag is text. */
static int read_raw(struct lexer *l, size_t behind, char sign)
{
    size_t end = behind, next = 0;
    char after = 0;
    int rc;

    while (end != SIZE_MAX && !next) {
        end = find_text(l, end, "{%");
        if (end != SIZE_MAX)
            next = raw_tag(l, end, "endraw", &after);
        if (end != SIZE_MAX && !next)
            end += 2;
    }
    if (!next)
        return fail(l, "raw block is not closed");
    l->at = behind;
    eat_after(l, sign, false);
    if (l->at > end)
        l->at = end;
    rc = add_data(l, end, sign_at(l, end + 2), false);
    l->at = next;
    eat_after(l, after, true);
    return rc;
}

static int read_comment(struct lexer *l)
{
    const size_t from = l->at + 2 + (sign_at(l, l->at + 2) ? 1 : 0);
    const size_t end = from > l->size ? SIZE_MAX : find_text(l, from, "#}");
    char sign;

    if (end == SIZE_MAX)
        return fail(l, "comment is not closed");
    sign = end > from ? sign_at(l, end - 1) : 0;
    l->at = end + 2;
    eat_after(l, sign, true);
    return MEDVL_OK;
}

/* ---- inside of tags -------------------------------------------------- */

static int put_rune(struct lexer *l, char *out, size_t *n, size_t digits)
{
    uint32_t rune = 0;

    for (size_t i = 0; i < digits; i++) {
        const char c = look(l, i), low = c | 32;

        if (!is_digit(c) && (low < 'a' || low > 'f'))
            return fail(l, "bad escape in a string");
        rune = 16 * rune + (uint32_t)(is_digit(c) ? c - '0' : low - 'a' + 10);
    }
    if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return fail(l, "an escape of no character");
    l->at += digits;
    *n += (size_t)medvl_utf8_encode(out + *n, rune);
    return MEDVL_OK;
}

/* One escape of Python's; the backslash is behind us. */
static int read_escape(struct lexer *l, char *out, size_t *n)
{
    static const char LETTERS[] = "n\nr\rt\ta\ab\bf\fv\v\\\\''\"\"";
    const char c = look(l, 0);
    uint32_t octal = 0;

    for (const char *p = LETTERS; *p; p += 2)
        if (*p == c) {
            out[(*n)++] = p[1];
            l->at++;
            return MEDVL_OK;
        }
    if (c == 'x' || c == 'u' || c == 'U') {
        l->at++;
        return put_rune(l, out, n, c == 'x' ? 2 : c == 'u' ? 4
                                                           : 8);
    }
    if (c == '\n') {
        l->at++;
        return MEDVL_OK;
    }
    if (c < '0' || c > '7') {
        out[(*n)++] = '\\';
        return MEDVL_OK;
    }
    for (int i = 0; i < 3 && look(l, 0) >= '0' && look(l, 0) <= '7'; i++)
        octal = 8 * octal + (uint32_t)(l->text[l->at++] - '0');
    *n += (size_t)medvl_utf8_encode(out + *n, octal);
    return MEDVL_OK;
}

static int read_string(struct lexer *l)
{
    const size_t from = l->at;
    const char quote = l->text[l->at];
    size_t end = from + 1, n = 0;
    char *out;
    int rc = MEDVL_OK;

    while (end < l->size && l->text[end] != quote)
        end += l->text[end] == '\\' ? 2 : 1;
    if (end >= l->size)
        return fail(l, "string is not closed");
    out = medvl_tv_alloc(l->h, 1, end - from); /* no escape grows */
    if (!out)
        return (int)l->h->err->code;
    l->at++;
    while (l->at < end && rc == MEDVL_OK) {
        if (l->text[l->at++] == '\\')
            rc = read_escape(l, out, &n);
        else
            out[n++] = l->text[l->at - 1];
    }
    l->at = end + 1;
    if (rc < 0)
        return rc;
    return add(l, TOKEN_STRING, from, (struct medvl_span){out, n});
}

/* Digits with single '_' between them, copied without; the count read. */
static size_t digits(const struct lexer *l, size_t at, char *out, size_t *n)
{
    size_t size = 0;

    while (is_digit(look(l, at + size)) ||
           (size && look(l, at + size) == '_' &&
            is_digit(look(l, at + size + 1)))) {
        if (look(l, at + size) != '_' && *n < 340)
            out[(*n)++] = look(l, at + size);
        size++;
    }
    return size;
}

/* 0x10, 0o7, 0b1 */
static int read_based(struct lexer *l, int base)
{
    char text[72], *end;
    size_t n = 0, size = 2;
    int rc;

    while (is_word(look(l, size)) && n < sizeof(text) - 1) {
        if (look(l, size) != '_')
            text[n++] = look(l, size);
        size++;
    }
    text[n] = 0;
    errno = 0;
    const long long value = strtoll(text, &end, base);

    if (!n || *end || errno)
        return fail(l, "bad number");
    rc = add_here(l, TOKEN_INT, size);
    if (rc == MEDVL_OK)
        l->tokens[l->count - 1].i = value;
    return rc;
}

static int read_number(struct lexer *l)
{
    char text[700];
    size_t n = 0, size, more, kept;
    bool whole = true;
    int rc;

    if (look(l, 0) == '0' && strchr("xXoObB", look(l, 1)) && look(l, 1))
        return read_based(l, (look(l, 1) | 32) == 'x'   ? 16
                             : (look(l, 1) | 32) == 'o' ? 8
                                                        : 2);
    size = digits(l, 0, text, &n);
    if (look(l, size) == '.' && is_digit(look(l, size + 1))) {
        text[n++] = '.';
        size += 1 + digits(l, size + 1, text, &n);
        whole = false;
    }
    if ((look(l, size) | 32) == 'e') {
        const char sign = look(l, size + 1);
        const size_t skip = sign == '+' || sign == '-' ? 2 : 1;

        kept = n;
        text[n++] = 'e';
        if (skip == 2)
            text[n++] = sign;
        more = digits(l, size + skip, text, &n);
        n = more ? n : kept;
        size += more ? skip + more : 0;
        whole = whole && !more;
    }
    text[n] = 0;
    errno = 0;
    const long long value = whole ? strtoll(text, NULL, 10) : 0;
    const double real = whole ? 0 : strtod(text, NULL);

    if ((whole && errno) || !isfinite(real) || n > 340)
        return fail(l, "number is too large");
    rc = add_here(l, whole ? TOKEN_INT : TOKEN_FLOAT, size);
    if (rc == MEDVL_OK) {
        l->tokens[l->count - 1].i = value;
        l->tokens[l->count - 1].f = real;
    }
    return rc;
}

static int read_operator(struct lexer *l)
{
    static const char *const TWO[] = {"//", "**", "==", "!=", ">=", "<="};
    const char c = look(l, 0);

    for (size_t i = 0; i < sizeof(TWO) / sizeof(TWO[0]); i++)
        if (starts(l, TWO[i]))
            return add_here(l, TOKEN_OPERATOR, 2);
    if (!c || !strchr("+-/*%~[](){}<>=.:|,;", c))
        return fail(l, "unexpected character");
    if (strchr("([{", c)) {
        if (l->depth == MAX_BRACKETS)
            return fail(l, "too many open brackets");
        l->open[l->depth++] = c;
    } else if (strchr(")]}", c)) {
        const char want = c == ')' ? '(' : c == ']' ? '['
                                                    : '{';

        if (!l->depth || l->open[--l->depth] != want)
            return fail(l, "bracket was not opened");
    }
    return add_here(l, TOKEN_OPERATOR, 1);
}

/* The tokens of a tag up to `end`; NULL: up to the end of the text. */
static int read_inside(struct lexer *l, const char *end,
                       enum medvl_token_kind kind)
{
    int rc = MEDVL_OK;
    char sign, c;
    size_t size;

    l->depth = 0;
    while (rc == MEDVL_OK) {
        while (l->at < l->size && is_space(l->text[l->at]))
            l->at++;
        if (l->at == l->size)
            return end ? fail(l, "tag is not closed") : MEDVL_OK;
        c = look(l, 0);
        sign = c == '-' || (c == '+' && kind == TOKEN_BLOCK_END) ? c : 0;
        if (end && !l->depth && look(l, sign != 0) == end[0] &&
            look(l, (sign != 0) + 1) == '}') {
            rc = add_here(l, kind, sign ? 3 : 2);
            eat_after(l, sign, kind == TOKEN_BLOCK_END);
            return rc;
        }
        if (c == '"' || c == '\'')
            rc = read_string(l);
        else if (is_digit(c))
            rc = read_number(l);
        else if (!is_word(c))
            rc = read_operator(l);
        else {
            for (size = 1; is_word(look(l, size)); size++)
                ;
            rc = add_here(l, TOKEN_NAME, size);
        }
    }
    return rc;
}

/* Text, then the tag behind it. */
static int read_next(struct lexer *l)
{
    size_t to = l->at, behind;
    char kind, sign, after;
    int rc;

    for (;; to++) {
        to = find_text(l, to, "{");
        if (to == SIZE_MAX || to + 1 == l->size) {
            to = l->size;
            break;
        }
        if (strchr("{%#", l->text[to + 1]) && l->text[to + 1])
            break;
    }
    if (to == l->size) {
        rc = add_data(l, to, '+', true);
        l->at = to;
        return rc;
    }
    kind = l->text[to + 1];
    sign = sign_at(l, to + 2);
    rc = add_data(l, to, sign, kind == '{');
    l->at = to;
    if (rc < 0)
        return rc;
    if (kind == '#')
        return read_comment(l);
    behind = kind == '%' ? raw_tag(l, to, "raw", &after) : 0;
    if (behind && after != '+')
        return read_raw(l, behind, after);
    rc = add_here(l, kind == '%' ? TOKEN_BLOCK : TOKEN_VAR, sign ? 3 : 2);
    if (rc < 0)
        return rc;
    return kind == '%' ? read_inside(l, "%", TOKEN_BLOCK_END)
                       : read_inside(l, "}", TOKEN_VAR_END);
}

int medvl_token_read(struct medvl_tv_heap *h, struct medvl_token **out,
                     struct medvl_span source, bool expression)
{
    struct lexer l = {.h = h, .line = 1, .column = 1, .fresh = true};
    int rc = take_source(&l, source);

    if (rc == MEDVL_OK && expression)
        rc = read_inside(&l, NULL, TOKEN_END);
    while (rc == MEDVL_OK && l.at < l.size)
        rc = read_next(&l);
    if (rc == MEDVL_OK)
        rc = add(&l, TOKEN_END, l.size, (struct medvl_span){"", 0});
    *out = l.tokens;
    return rc;
}
