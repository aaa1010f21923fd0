/*
 * The pattern is walked once and written anew; the start of the last atom
 * is kept, so that "a{2}+" can become "(?:a{2})+".
 *
 * Read next: regex_read.c.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/regex_part.h"

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

struct translation {
    struct medvl_regex_reader r;
    struct medvl_text *out;
    size_t atom;                       /* where the last atom begins in `out` */
    size_t groups[MEDVL_REGEX_GROUPS]; /* where each open group begins */
    size_t depth;
};

static int copy(struct translation *t, size_t size, struct medvl_error *err)
{
    const int rc = medvl_text_append(t->out, t->r.in.data + t->r.at, size, err);

    t->r.at += size;
    return rc;
}

/* Write `text` for the next `size` bytes. */
static int put(struct translation *t, size_t size, const char *text,
               struct medvl_error *err)
{
    t->r.at += size;
    return medvl_text_puts(t->out, text, err);
}

static int refuse(const struct translation *t, size_t size,
                  struct medvl_error *err)
{
    return medvl_regex_refuse(&t->r, t->r.at, t->r.at + size, "", err);
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
        if (t->r.in.size - t->r.at >= *size + 2 &&
            memcmp(t->r.in.data + t->r.at + 2, NAMES[i][0], *size) == 0)
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
    struct medvl_span name = {t->r.in.data + t->r.at + 1, 0};
    int rc = 0;

    if (peek(&t->r, 1) == '^')
        name.data++;
    while (name.data + name.size < t->r.in.data + t->r.in.size &&
           name.data[name.size] != '}')
        name.size++;
    if (name.data + name.size < t->r.in.data + t->r.in.size)
        rc = is_script(name, err);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        rc = copy(t, (size_t)(name.data - t->r.in.data) - t->r.at, err);
        if (rc == MEDVL_OK)
            rc = put(t, 0, "sc:", err);
    }
    while (rc == MEDVL_OK && peek(&t->r, 0) && peek(&t->r, 0) != '}')
        rc = copy(t, 1, err);
    return rc == MEDVL_OK && peek(&t->r, 0) ? copy(t, 1, err) : rc;
}

/* "\p{Name}"; in a class, as PCRE2 errs in "\P{L}+\P{N}". */
static int any_property(struct translation *t, bool in_class,
                        struct medvl_error *err)
{
    size_t size = 0;
    const char *name = property(t, &size);
    int rc = in_class ? MEDVL_OK : put(t, 0, "[", err);

    if (rc == MEDVL_OK)
        rc = copy(t, 2, err);
    if (rc == MEDVL_OK)
        rc = name ? put(t, size, name, err) : property_name(t, err);
    return rc < 0 || in_class ? rc : put(t, 0, "]", err);
}

/* A character, or an escape that both read alike. */
static int character(struct translation *t, bool in_class,
                     struct medvl_error *err)
{
    const char next = peek(&t->r, 1);
    struct medvl_regex_character c;
    char number[16];
    int rc = medvl_regex_character(&c, &t->r, in_class, err);

    if (rc < 0)
        return rc;
    if (!c.is_one)
        return next == 'p' || next == 'P' ? any_property(t, in_class, err)
                                          : copy(t, c.size, err);
    if (peek(&t->r, 0) != '\\')
        return copy(t, c.size, err);
    (void)snprintf(number, sizeof(number), "\\x{%X}", (unsigned)c.rune);
    return put(t, c.size, number, err);
}

/* An escape outside of a class. */
static int escape(struct translation *t, struct medvl_error *err)
{
    switch (peek(&t->r, 1)) {
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
    case 'R': /* ours could take it for none of "." */
        return put(t, 2,
                   "(?>\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])", err);
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
        return character(t, false, err);
    }
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
        if (begins(&t->r, NAMES[i][0])) {
            const int rc = put(t, strlen(NAMES[i][0]), NAMES[i][1], err);

            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}

/* One member of a class. */
static int member(struct translation *t, struct medvl_error *err)
{
    const char next = peek(&t->r, 1);
    int rc;

    if (begins(&t->r, "&&"))
        return refuse(t, 2, err);
    if (peek(&t->r, 0) == '[') {
        rc = posix(t, err);
        return rc == 0 ? refuse(t, 10, err) : (rc < 0 ? rc : MEDVL_OK);
    }
    if (peek(&t->r, 0) != '\\')
        return character(t, true, err);
    if (next == 'h')
        return put(t, 2, HEX, err);
    if (next == 's')
        return put(t, 2, SPACES, err);
    if (next == 'w')
        return put(t, 2, WORDS, err);
    if (next && strchr("HSWXRKcCM", next))
        return refuse(t, 2, err);
    return character(t, true, err);
}

static int class(struct translation *t, struct medvl_error *err)
{
    int rc = copy(t, 1, err);

    if (rc == MEDVL_OK && peek(&t->r, 0) == '^')
        rc = copy(t, 1, err);
    if (rc == MEDVL_OK && peek(&t->r, 0) == ']')
        rc = copy(t, 1, err);
    while (rc == MEDVL_OK && t->r.at < t->r.in.size && peek(&t->r, 0) != ']')
        rc = member(t, err);
    return rc == MEDVL_OK && t->r.at < t->r.in.size ? copy(t, 1, err) : rc;
}

/* "(?imx-imx" up to ")" or ":": Oniguruma's m is PCRE2's s. */
static int options(struct translation *t, struct medvl_error *err)
{
    int rc = copy(t, 2, err);

    while (rc == MEDVL_OK && peek(&t->r, 0) && strchr("imx-", peek(&t->r, 0)))
        rc = peek(&t->r, 0) == 'm' ? put(t, 1, "s", err) : copy(t, 1, err);
    if (rc == MEDVL_OK && peek(&t->r, 0) != ')' && peek(&t->r, 0) != ':')
        rc = refuse(t, 1, err);
    return rc;
}

/* "(?#...)" is nothing, and stays, that no "+" should meet another. */
static int comment(struct translation *t, struct medvl_error *err)
{
    while (peek(&t->r, 0) && peek(&t->r, 0) != ')')
        t->r.at++;
    return put(t, peek(&t->r, 0) != 0, "(?#)", err);
}

static int group(struct translation *t, struct medvl_error *err)
{
    if (t->depth == MEDVL_REGEX_GROUPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "regular expression with more than %d groups "
                          "within each other",
                          MEDVL_REGEX_GROUPS);
    if (begins(&t->r, "(?~") || begins(&t->r, "(?(") || begins(&t->r, "(*") ||
        begins(&t->r, "(?{"))
        return refuse(t, 3, err);
    t->groups[t->depth++] = t->out->size;
    if (begins(&t->r, "(?") && peek(&t->r, 2) &&
        strchr("imx-", peek(&t->r, 2)))
        return options(t, err);
    return copy(t, begins(&t->r, "(?") ? 2 : 1, err);
}

/* Put the last atom, with what repeats it, within "(?:" and ")". */
static int wrap(struct translation *t, struct medvl_error *err)
{
    const int rc = medvl_text_puts(t->out, "   )", err);
    char *atom = t->out->data + t->atom;

    if (rc < 0)
        return rc;
    memmove(atom + 3, atom, t->out->size - t->atom - 4);
    memcpy(atom, "(?:", 3);
    return MEDVL_OK;
}

/*
 * "{n,m}".  A "+" behind repeats it once more, as does a "?" behind "{n}";
 * to PCRE2 they would make it possessive and lazy.
 */
static int interval(struct translation *t, size_t size, bool is_fixed,
                    struct medvl_error *err)
{
    int rc = copy(t, 1, err);

    if (rc == MEDVL_OK && peek(&t->r, 0) == ',')
        rc = medvl_text_puts(t->out, "0", err);
    if (rc == MEDVL_OK)
        rc = copy(t, size - 1, err);
    if (rc == MEDVL_OK &&
        (peek(&t->r, 0) == '+' || (peek(&t->r, 0) == '?' && is_fixed)))
        rc = wrap(t, err);
    return rc;
}

static int token(struct translation *t, struct medvl_error *err)
{
    const char c = peek(&t->r, 0);
    bool is_fixed;
    const size_t size = medvl_regex_interval(&t->r, &is_fixed);

    if (size > 0)
        return interval(t, size, is_fixed, err);
    if (c == '*' || c == '+' || c == '?')
        return copy(t, 1, err);
    if (begins(&t->r, "(?#"))
        return comment(t, err);
    t->atom = t->out->size;
    if (c == '{')
        return put(t, 1, "\\{", err);
    if (c == '^') /* PCRE2's asks for no more where a part of a text ends */
        return put(t, 1, "(?:\\A|(?<=\\n)(?!\\z))", err);
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
    return character(t, false, err);
}

int medvl_regex_translate(struct medvl_text *out, struct medvl_span pattern,
                          struct medvl_error *err)
{
    struct translation *t;
    int rc = medvl_regex_check_fold(pattern, err);

    if (rc < 0)
        return rc;
    t = medvl_alloc(1, sizeof(*t));
    if (!t)
        return medvl_no_memory(err);
    t->r.in = pattern;
    t->out = out;
    rc = medvl_text_reserve(out, pattern.size, err);
    while (t->r.at < pattern.size && rc == MEDVL_OK)
        rc = token(t, err);
    medvl_free(t);
    return rc;
}
