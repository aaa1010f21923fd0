/*
 * Oniguruma's regular expressions through PCRE2.  The pattern is walked once
 * and written anew; the start of the last atom is kept, so that "a{2}+" can
 * become "(?:a{2})+".
 *
 * Read next: regex_fold.c.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "lib/text/regex.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/regex_part.h"

#define PATTERN_BYTES (64 << 10)
#define JIT_STACK     (8 << 20)

/* What stands in a class for "\s", "\w" and the rest. */
#define SPACES                                                    \
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}" \
    "\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define ALPHA "\\p{Alphabetic}"
#define WORDS ALPHA "\\p{M}\\p{Nd}\\p{Pc}"

/* Outside of a class these are of words too. */
#define WORDS_ALONE WORDS "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
#define A_WORD      "[" WORDS_ALONE "]"
#define HEX         "0-9A-Fa-f"

struct medvl_regex {
    pcre2_code *code;
    bool jit;      /* it is machine code */
    char *literal; /* or these bytes */
    size_t literal_size;
    bool may_be_empty;
};

struct medvl_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* ---- translation -------------------------------------------------------- */

struct translation {
    struct medvl_span in;
    size_t at;
    struct medvl_text out;
    size_t atom;                       /* where the last atom begins in `out` */
    size_t groups[MEDVL_REGEX_GROUPS]; /* where each open group begins */
    size_t depth;
};

/* The byte `ahead` bytes on, or 0. */
static char peek(const struct translation *t, size_t ahead)
{
    return t->at + ahead < t->in.size ? t->in.data[t->at + ahead] : 0;
}

static bool begins(const struct translation *t, const char *with)
{
    const size_t size = strlen(with);

    return t->in.size - t->at >= size &&
           memcmp(t->in.data + t->at, with, size) == 0;
}

static int copy(struct translation *t, size_t size, struct medvl_error *err)
{
    const int rc = medvl_text_append(&t->out, t->in.data + t->at, size, err);

    t->at += size;
    return rc;
}

/* Write `text` for the next `size` bytes. */
static int put(struct translation *t, size_t size, const char *text,
               struct medvl_error *err)
{
    t->at += size;
    return medvl_text_puts(&t->out, text, err);
}

static int refuse(const struct translation *t, size_t size,
                  struct medvl_error *err)
{
    const size_t left = t->in.size - t->at;

    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "regular expression with \"%.*s\"",
                      (int)(size < left ? size : left), t->in.data + t->at);
}

/* Names of properties that PCRE2 does not know, braces and all. */
static const char *property(const struct translation *t, size_t *size)
{
    static const char *const NAMES[][2] = {
        {"{Letter}", "{L}"},
        {"{Mark}", "{M}"},
        {"{Number}", "{N}"},
        {"{Punctuation}", "{P}"},
        {"{Symbol}", "{S}"},
        {"{Separator}", "{Z}"},
        {"{Other}", "{C}"},
        {"{Decimal_Number}", "{Nd}"},
        {"{Uppercase_Letter}", "{Lu}"},
        {"{Lowercase_Letter}", "{Ll}"},
        {"{Alpha}", "{Alphabetic}"},
        {"{Digit}", "{Nd}"},
        {"{Space}", "{White_Space}"},
        {"{Upper}", "{Uppercase}"},
        {"{Lower}", "{Lowercase}"},
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        *size = strlen(NAMES[i][0]);
        if (t->in.size - t->at >= *size + 2 &&
            memcmp(t->in.data + t->at + 2, NAMES[i][0], *size) == 0)
            return NAMES[i][1];
    }
    return NULL;
}

/*
 * Is it the name of a script?  To PCRE2 that alone means all that is used
 * with the script (U+3002 is of Han then), to Oniguruma the script's own.
 * 1, 0 or a code below zero.
 */
static int is_script(struct medvl_span name, struct medvl_error *err)
{
    char pattern[64];
    int number = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *code;

    if (name.size > sizeof(pattern) - 9)
        return 0;
    (void)snprintf(pattern, sizeof(pattern), "\\p{sc:%.*s}",
                   (int)name.size, name.data);
    code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0,
                         &number, &at, NULL);
    if (!code)
        return number == PCRE2_ERROR_HEAP_FAILED ? medvl_no_memory(err) : 0;
    pcre2_code_free(code);
    return 1;
}

/* "{Name}" or "{^Name}" behind "\p". */
static int property_name(struct translation *t, struct medvl_error *err)
{
    struct medvl_span name = {t->in.data + t->at + 1, 0};
    int rc = 0;

    if (peek(t, 1) == '^')
        name.data++;
    while (name.data + name.size < t->in.data + t->in.size &&
           name.data[name.size] != '}')
        name.size++;
    if (name.data + name.size < t->in.data + t->in.size)
        rc = is_script(name, err);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        rc = copy(t, (size_t)(name.data - t->in.data) - t->at, err);
        if (rc == MEDVL_OK)
            rc = put(t, 0, "sc:", err);
    }
    while (rc == MEDVL_OK && peek(t, 0) && peek(t, 0) != '}')
        rc = copy(t, 1, err);
    return rc == MEDVL_OK && peek(t, 0) ? copy(t, 1, err) : rc;
}

/* "\p{Name}" or any other escape that both read alike. */
static int other_escape(struct translation *t, struct medvl_error *err)
{
    const char c = peek(t, 1);
    const char *name;
    size_t size = 0;
    int rc;

    if (c == 'u') { /* four hexadecimal digits */
        if (t->in.size - t->at < 6)
            return refuse(t, 6, err);
        rc = put(t, 2, "\\x{", err);
        if (rc == MEDVL_OK)
            rc = copy(t, 4, err);
        return rc == MEDVL_OK ? put(t, 0, "}", err) : rc;
    }
    if (c != 'p' && c != 'P')
        return copy(t, t->at + 1 < t->in.size ? 2 : 1, err);
    name = property(t, &size);
    rc = copy(t, 2, err);
    if (rc == MEDVL_OK && name)
        return put(t, size, name, err);
    return rc < 0 || peek(t, 0) != '{' ? rc : property_name(t, err);
}

/* An escape outside of a class. */
static int escape(struct translation *t, struct medvl_error *err)
{
    switch (peek(t, 1)) {
    case 'h':
        return put(t, 2, "[" HEX "]", err);
    case 'H':
        return put(t, 2, "[^" HEX "]", err);
    case 's':
        return put(t, 2, "[" SPACES "]", err);
    case 'S':
        return put(t, 2, "[^" SPACES "]", err);
    case 'w':
        return put(t, 2, A_WORD, err);
    case 'W':
        return put(t, 2, "[^" WORDS_ALONE "]", err);
    case 'b':
        return put(t, 2,
                   "(?:(?<=" A_WORD ")(?!" A_WORD ")|(?<!" A_WORD
                   ")(?=" A_WORD "))",
                   err);
    case 'B':
        return put(t, 2,
                   "(?:(?<=" A_WORD ")(?=" A_WORD ")|(?<!" A_WORD
                   ")(?!" A_WORD "))",
                   err);
    case 'v':
        return put(t, 2, "\\x0B", err);
    case 'O':
        return put(t, 2, "(?s:.)", err);
    case 'y':
    case 'Y':
    case 'X': /* by another Unicode */
    case 'M':
    case 'C':
    case 'c':
    case 'g': /* calls itself */
        return refuse(t, 2, err);
    default:
        return other_escape(t, err);
    }
}

static int quoted(struct translation *t, struct medvl_error *err)
{
    int rc = copy(t, 2, err);

    while (rc == MEDVL_OK && t->at < t->in.size && !begins(t, "\\E"))
        rc = copy(t, 1, err);
    if (rc == MEDVL_OK && t->at < t->in.size)
        rc = copy(t, 2, err);
    return rc;
}

/* "[:alpha:]" within a class; 0: it is none of these. */
static int posix(struct translation *t, struct medvl_error *err)
{
    static const char *const NAMES[][2] = {
        {"[:space:]", SPACES},
        {"[:alpha:]", ALPHA},
        {"[:word:]", WORDS},
        {"[:alnum:]", ALPHA "\\p{Nd}"},
        {"[:digit:]", "\\p{Nd}"},
        {"[:xdigit:]", HEX},
        {"[:punct:]", "\\p{P}\\p{S}"},
        {"[:upper:]", "\\p{Uppercase}"},
        {"[:lower:]", "\\p{Lowercase}"},
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (begins(t, NAMES[i][0])) {
            const int rc = put(t, strlen(NAMES[i][0]), NAMES[i][1], err);

            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}

/* One member of a class. */
static int member(struct translation *t, struct medvl_error *err)
{
    const char next = peek(t, 1);
    int rc;

    if (begins(t, "&&"))
        return refuse(t, 2, err);
    if (peek(t, 0) == '[') {
        rc = posix(t, err);
        return rc == 0 ? refuse(t, 10, err) : (rc < 0 ? rc : MEDVL_OK);
    }
    if (peek(t, 0) != '\\')
        return copy(t, 1, err);
    if (next == 'h')
        return put(t, 2, HEX, err);
    if (next == 's')
        return put(t, 2, SPACES, err);
    if (next == 'w')
        return put(t, 2, WORDS, err);
    if (next == 'v')
        return put(t, 2, "\\x0B", err);
    if (next && strchr("HSWXRKQEcCM", next))
        return refuse(t, 2, err);
    return other_escape(t, err);
}

static int class(struct translation *t, struct medvl_error *err)
{
    int rc = copy(t, 1, err);

    if (rc == MEDVL_OK && peek(t, 0) == '^')
        rc = copy(t, 1, err);
    if (rc == MEDVL_OK && peek(t, 0) == ']')
        rc = copy(t, 1, err);
    while (rc == MEDVL_OK && t->at < t->in.size && peek(t, 0) != ']')
        rc = member(t, err);
    return rc == MEDVL_OK && t->at < t->in.size ? copy(t, 1, err) : rc;
}

/* "(?imx-imx" up to ")" or ":": Oniguruma's m is PCRE2's s. */
static int options(struct translation *t, struct medvl_error *err)
{
    int rc = copy(t, 2, err);

    while (rc == MEDVL_OK && peek(t, 0) && strchr("imx-", peek(t, 0)))
        rc = peek(t, 0) == 'm' ? put(t, 1, "s", err) : copy(t, 1, err);
    if (rc == MEDVL_OK && peek(t, 0) != ')' && peek(t, 0) != ':')
        rc = refuse(t, 1, err);
    return rc;
}

static int group(struct translation *t, struct medvl_error *err)
{
    if (t->depth == MEDVL_REGEX_GROUPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "regular expression with more than %d groups "
                          "within each other",
                          MEDVL_REGEX_GROUPS);
    if (begins(t, "(?~") || begins(t, "(?(") || begins(t, "(*") ||
        begins(t, "(?{"))
        return refuse(t, 3, err);
    t->groups[t->depth++] = t->out.size;
    if (begins(t, "(?#")) {
        while (peek(t, 0) && peek(t, 0) != ')')
            t->at++;
        return put(t, 0, "(?:", err);
    }
    if (peek(t, 1) == '?' && peek(t, 2) && strchr("imx-", peek(t, 2)))
        return options(t, err);
    return copy(t, begins(t, "(?") ? 2 : 1, err);
}

/* "{n,m}", where a "+" behind repeats it once more. */
static int interval(struct translation *t, struct medvl_error *err)
{
    size_t end = 1;
    int rc;

    while (peek(t, end) && strchr("0123456789,", peek(t, end)))
        end++;
    if (peek(t, end) != '}' || end == 1) /* it stands for itself */
        return put(t, 1, "\\{", err);
    rc = copy(t, 1, err);
    if (rc == MEDVL_OK && peek(t, 0) == ',')
        rc = medvl_text_puts(&t->out, "0", err);
    while (rc == MEDVL_OK && peek(t, 0) != '}')
        rc = copy(t, 1, err);
    if (rc == MEDVL_OK)
        rc = copy(t, 1, err);
    if (rc < 0 || peek(t, 0) != '+')
        return rc;
    rc = medvl_text_puts(&t->out, "   )", err);
    if (rc == MEDVL_OK) {
        char *atom = t->out.data + t->atom;

        memmove(atom + 3, atom, t->out.size - t->atom - 4);
        memcpy(atom, "(?:", 3);
        rc = copy(t, 1, err);
    }
    return rc;
}

static int token(struct translation *t, struct medvl_error *err)
{
    const char c = peek(t, 0);

    if (c == '{')
        return interval(t, err);
    if (c == '*' || c == '+' || c == '?')
        return copy(t, 1, err);
    t->atom = t->out.size;
    if (begins(t, "\\Q"))
        return quoted(t, err);
    if (c == '\\')
        return escape(t, err);
    if (c == '[')
        return class(t, err);
    if (c == '(')
        return group(t, err);
    if (c == ')') {
        if (t->depth > 0)
            t->atom = t->groups[--t->depth];
        return copy(t, 1, err);
    }
    if ((unsigned char)c >= 0xC2) { /* a whole character is an atom */
        uint32_t rune;
        const int size = medvl_utf8_decode(&rune, t->in.data + t->at,
                                           t->in.size - t->at);

        return copy(t, size > 0 ? (size_t)size : 1, err);
    }
    return copy(t, 1, err);
}

static int translate(struct translation *t, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (t->in.size > PATTERN_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a regular expression of %zu bytes", t->in.size);
    rc = medvl_regex_check_fold(t->in, err);
    while (t->at < t->in.size && rc == MEDVL_OK)
        rc = token(t, err);
    return rc;
}

/* ---- compiling ---------------------------------------------------------- */

static int compile(struct medvl_regex *regex, struct medvl_span pattern,
                   struct medvl_error *err)
{
    int number = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR text[200];
    uint32_t empty = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    if (!context)
        return medvl_no_memory(err);
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    regex->code = pcre2_compile(
        (PCRE2_SPTR)pattern.data, pattern.size,
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
        &number, &at, context);
    pcre2_compile_context_free(context);
    if (!regex->code) {
        pcre2_get_error_message(number, text, sizeof(text));
        return medvl_fail(err, MEDVL_EFORMAT, "regular expression: %s",
                          (const char *)text);
    }
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_MATCHEMPTY, &empty);
    regex->may_be_empty = empty;
    /* Without machine code it is slower and no different. */
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    return MEDVL_OK;
}

int medvl_regex_new(struct medvl_regex **out, struct medvl_span pattern,
                    struct medvl_error *err)
{
    struct medvl_regex *regex = medvl_alloc(1, sizeof(*regex));
    struct translation *t = medvl_alloc(1, sizeof(*t));
    int rc;

    *out = NULL;
    if (!regex || !t) {
        rc = medvl_no_memory(err);
        goto done;
    }
    t->in = pattern;
    rc = medvl_text_reserve(&t->out, pattern.size, err);
    if (rc == MEDVL_OK)
        rc = translate(t, err);
    if (rc == MEDVL_OK)
        rc = compile(regex, medvl_text_span(&t->out), err);
    if (rc < 0)
        goto done;
    *out = regex;
    regex = NULL;
done:
    if (t)
        medvl_text_release(&t->out);
    medvl_free(t);
    medvl_regex_free(regex);
    return rc;
}

int medvl_regex_new_literal(struct medvl_regex **out,
                            struct medvl_span bytes, struct medvl_error *err)
{
    struct medvl_regex *regex = medvl_alloc(1, sizeof(*regex));

    *out = NULL;
    if (!regex)
        return medvl_no_memory(err);
    regex->literal = medvl_copy_string(bytes.data, bytes.size);
    if (!regex->literal) {
        medvl_free(regex);
        return medvl_no_memory(err);
    }
    regex->literal_size = bytes.size;
    regex->may_be_empty = bytes.size == 0;
    *out = regex;
    return MEDVL_OK;
}

void medvl_regex_free(struct medvl_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    medvl_free(regex->literal);
    medvl_free(regex);
}

bool medvl_regex_may_be_empty(const struct medvl_regex *regex)
{
    return regex->may_be_empty;
}

/* ---- matching ----------------------------------------------------------- */

int medvl_regex_scratch_new(struct medvl_regex_scratch **out,
                            struct medvl_error *err)
{
    struct medvl_regex_scratch *s = medvl_alloc(1, sizeof(*s));

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->data = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(64 << 10, JIT_STACK, NULL);
    if (!s->data || !s->context || !s->stack) {
        medvl_regex_scratch_free(s);
        return medvl_no_memory(err);
    }
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    *out = s;
    return MEDVL_OK;
}

void medvl_regex_scratch_free(struct medvl_regex_scratch *scratch)
{
    if (!scratch)
        return;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    medvl_free(scratch);
}

static int find(const struct medvl_regex *regex,
                struct medvl_regex_scratch *scratch,
                struct medvl_matches *m, struct medvl_error *err)
{
    const size_t *span;
    int rc;

    if (regex->literal) {
        const char *from = m->text.data + m->search;
        const char *at = memmem(from, m->text.size - m->search,
                                regex->literal, regex->literal_size);

        if (!at)
            return 0;
        m->start = (size_t)(at - m->text.data);
        m->end = m->start + regex->literal_size;
        return 1;
    }
    if (regex->jit) /* which never checks UTF-8 */
        rc = pcre2_jit_match(regex->code, (PCRE2_SPTR)m->text.data,
                             m->text.size, m->search, 0, scratch->data,
                             scratch->context);
    else
        rc = pcre2_match(regex->code, (PCRE2_SPTR)m->text.data, m->text.size,
                         m->search, PCRE2_NO_UTF_CHECK, scratch->data,
                         scratch->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0) {
        PCRE2_UCHAR text[200];

        pcre2_get_error_message(rc, text, sizeof(text));
        return medvl_fail(err, MEDVL_EFORMAT, "regular expression: %s",
                          (const char *)text);
    }
    span = pcre2_get_ovector_pointer(scratch->data);
    m->start = span[0];
    m->end = span[1];
    return 1;
}

int medvl_regex_next(const struct medvl_regex *regex,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_matches *matches, struct medvl_error *err)
{
    struct medvl_matches *m = matches;

    while (m->search <= m->text.size && m->text.size > 0) {
        const bool found = m->found;
        const size_t last = m->end;
        const int rc = find(regex, scratch, m, err);

        if (rc <= 0)
            return rc;
        if (m->end < m->start || m->start < m->search) /* "\K" */
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "a match that ends before it begins");
        if (m->start < m->end || !found || m->end != last) {
            m->found = true;
            m->search = m->end;
            return 1;
        }
        do {
            m->search++;
        } while (m->search < m->text.size &&
                 (m->text.data[m->search] & 0xC0) == 0x80);
    }
    return 0;
}
