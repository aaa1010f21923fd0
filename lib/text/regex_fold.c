/*
 * Without regard to case, characters equal several others: "ss" finds the
 * sharp s, "st" finds U+FB06, and a class that holds one of these finds the
 * two.  In PCRE2 one character equals one.  Classes of properties take in
 * the other case of their characters in Oniguruma alone.  And "a(?i)b|c" is
 * "a(?i:b|c)" there.
 *
 * The pattern is walked once, before it is translated.
 *
 * Read next: bpe.c.
 */
#include "lib/text/regex_part.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text/unicode.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Characters from, to that become several. */
static const uint16_t SEVERAL[][2] = {
    {0xDF, 0xDF},
    {0x130, 0x130},
    {0x149, 0x149},
    {0x1F0, 0x1F0},
    {0x390, 0x390},
    {0x3B0, 0x3B0},
    {0x587, 0x587},
    {0x1E96, 0x1E9A},
    {0x1E9E, 0x1E9E},
    {0x1F50, 0x1F50},
    {0x1F52, 0x1F52},
    {0x1F54, 0x1F54},
    {0x1F56, 0x1F56},
    {0x1F80, 0x1FAF},
    {0x1FB2, 0x1FB4},
    {0x1FB6, 0x1FB7},
    {0x1FBC, 0x1FBC},
    {0x1FC2, 0x1FC4},
    {0x1FC6, 0x1FC7},
    {0x1FCC, 0x1FCC},
    {0x1FD2, 0x1FD3},
    {0x1FD6, 0x1FD7},
    {0x1FE2, 0x1FE4},
    {0x1FE6, 0x1FE7},
    {0x1FF2, 0x1FF4},
    {0x1FF6, 0x1FF7},
    {0x1FFC, 0x1FFC},
    {0xFB00, 0xFB06},
    {0xFB13, 0xFB17},
};

/* First characters from, to, and the second that follows them. */
static const uint16_t PAIRS[][3] = {
    {0x61, 0x61, 0x2BE},
    {0x66, 0x66, 0x66},
    {0x66, 0x66, 0x69},
    {0x66, 0x66, 0x6C},
    {0x68, 0x68, 0x331},
    {0x69, 0x69, 0x307},
    {0x6A, 0x6A, 0x30C},
    {0x73, 0x73, 0x73},
    {0x73, 0x73, 0x74},
    {0x74, 0x74, 0x308},
    {0x77, 0x77, 0x30A},
    {0x79, 0x79, 0x30A},
    {0x2BC, 0x2BC, 0x6E},
    {0x3AC, 0x3AC, 0x3B9},
    {0x3AE, 0x3AE, 0x3B9},
    {0x3B1, 0x3B1, 0x342},
    {0x3B1, 0x3B1, 0x3B9},
    {0x3B7, 0x3B7, 0x342},
    {0x3B7, 0x3B7, 0x3B9},
    {0x3B9, 0x3B9, 0x308},
    {0x3B9, 0x3B9, 0x342},
    {0x3C1, 0x3C1, 0x313},
    {0x3C5, 0x3C5, 0x308},
    {0x3C5, 0x3C5, 0x313},
    {0x3C5, 0x3C5, 0x342},
    {0x3C9, 0x3C9, 0x342},
    {0x3C9, 0x3C9, 0x3B9},
    {0x3CE, 0x3CE, 0x3B9},
    {0x565, 0x565, 0x582},
    {0x574, 0x574, 0x565},
    {0x574, 0x574, 0x56B},
    {0x574, 0x574, 0x56D},
    {0x574, 0x574, 0x576},
    {0x57E, 0x57E, 0x576},
    {0x1F00, 0x1F07, 0x3B9},
    {0x1F20, 0x1F27, 0x3B9},
    {0x1F60, 0x1F67, 0x3B9},
    {0x1F70, 0x1F70, 0x3B9},
    {0x1F74, 0x1F74, 0x3B9},
    {0x1F7C, 0x1F7C, 0x3B9},
};

/* Is one of the characters [first, last] such? */
static bool has_several(uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < COUNT(SEVERAL); i++) {
        if (first <= SEVERAL[i][1] && last >= SEVERAL[i][0])
            return true;
    }
    return false;
}

/* What one character that equals one other is folded to. */
static uint32_t fold(uint32_t rune)
{
    switch (rune) {
    case 0x17F: /* long s */
        return 's';
    case 0x345: /* iotas */
    case 0x1FBE:
        return 0x3B9;
    case 0x3F1: /* rho */
        return 0x3C1;
    default:
        return medvl_unicode_lower(rune);
    }
}

/* Do two, one behind the other, equal one, or begin what does? */
static bool are_one(uint32_t a, uint32_t b)
{
    a = fold(a);
    b = fold(b);
    for (size_t i = 0; i < COUNT(PAIRS); i++) {
        if (a >= PAIRS[i][0] && a <= PAIRS[i][1] && b == PAIRS[i][2])
            return true;
    }
    return false;
}

/* ---- the walk ----------------------------------------------------------- */

struct options {
    bool fold;     /* i */
    bool extended; /* x */
};

struct walk {
    struct medvl_span in;
    size_t at;
    struct options now;
    struct options groups[MEDVL_REGEX_GROUPS]; /* what was before each */
    size_t depth;
    uint32_t before;  /* the character that this one stands behind, or 0 */
    size_t before_at; /* where it is */
    bool begun;       /* something stands in this branch */
};

static char peek(const struct walk *w, size_t ahead)
{
    return w->at + ahead < w->in.size ? w->in.data[w->at + ahead] : 0;
}

static bool begins(const struct walk *w, const char *with)
{
    const size_t size = strlen(with);

    return w->in.size - w->at >= size &&
           memcmp(w->in.data + w->at, with, size) == 0;
}

static int refuse(const struct walk *w, size_t from, size_t to,
                  struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "regular expression with \"%.*s\" without regard to "
                      "case",
                      (int)(to - from), w->in.data + from);
}

/* Hexadecimal digits at `from`, at most `most`, as a character. */
static uint32_t hexadecimal(const struct walk *w, size_t from, size_t most)
{
    char digits[9] = {0};

    for (size_t i = 0; i < most && i < 8; i++)
        digits[i] = peek(w, from + i);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/*
 * The character that stands at w->at and its bytes; 0: an escape that
 * stands for no letter.
 */
static uint32_t literal(const struct walk *w, size_t *size)
{
    uint32_t rune = 0;

    if (peek(w, 0) != '\\') {
        const int count = medvl_utf8_decode(&rune, w->in.data + w->at,
                                            w->in.size - w->at);

        *size = count > 0 ? (size_t)count : 1;
        return rune;
    }
    *size = w->at + 1 < w->in.size ? 2 : 1;
    if (begins(w, "\\x{")) {
        while (peek(w, *size) && peek(w, *size) != '}')
            ++*size;
        rune = hexadecimal(w, 3, *size - 2);
        *size += peek(w, *size) == '}';
    } else if (begins(w, "\\x")) {
        while (*size < 4 && strchr("0123456789ABCDEFabcdef",
                                   peek(w, *size) ? peek(w, *size) : '-'))
            ++*size;
        rune = hexadecimal(w, 2, *size - 2);
    } else if (begins(w, "\\u")) {
        *size = 6;
        rune = hexadecimal(w, 2, 4);
    } else if (begins(w, "\\p{") || begins(w, "\\P{")) {
        while (peek(w, *size) && peek(w, *size) != '}')
            ++*size;
        *size += peek(w, *size) == '}';
    }
    if (*size > w->in.size - w->at)
        *size = w->in.size - w->at;
    return rune;
}

/* A property, name and all, that holds no letter and no mark. */
static bool has_no_letters(const struct walk *w)
{
    const char name = peek(w, 3);

    return begins(w, "\\p{") && name && strchr("NPSZC", name) &&
           (peek(w, 4) == '}' || peek(w, 5) == '}');
}

/* A member of a class that is more than one character; 0: it is not. */
static int check_set(const struct walk *w, size_t size,
                     struct medvl_error *err)
{
    static const char *const POSIX[] = {"[:space:]", "[:digit:]",
                                        "[:xdigit:]", "[:punct:]"};
    const char next = peek(w, 1);

    if (begins(w, "[:")) {
        for (size_t i = 0; i < COUNT(POSIX); i++) {
            if (begins(w, POSIX[i]))
                return (int)size;
        }
        return refuse(w, w->at, w->at + size, err);
    }
    if (peek(w, 0) != '\\')
        return 0;
    if (((next == 'p' || next == 'P') && !has_no_letters(w)) ||
        (next && strchr("wWDSHQ0123456789", next)))
        return refuse(w, w->at, w->at + size, err);
    return next && strchr("pPsdh", next) ? (int)size : 0;
}

static int class(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->at++;
    const bool negated = peek(w, 0) == '^';
    uint32_t from = 0; /* what a "-" would begin with */
    bool range = false;

    w->at += negated;
    for (size_t first = w->at; w->at < w->in.size; first = SIZE_MAX) {
        size_t size;
        uint32_t rune = literal(w, &size);
        int set = 0;

        if (peek(w, 0) == ']' && w->at != first)
            break;
        if (begins(w, "[:")) {
            const char *end = memmem(w->in.data + w->at,
                                     w->in.size - w->at, ":]", 2);

            size = end ? (size_t)(end - w->in.data) + 2 - w->at : 1;
        }
        if (w->now.fold)
            set = check_set(w, size, err);
        if (set < 0)
            return set;
        if (rune == '-' && size == 1 && from && !range) {
            range = true;
        } else {
            if (w->now.fold && !negated && set == 0 &&
                has_several(range ? from : rune, rune))
                return refuse(w, start, w->at + size, err);
            from = range || set > 0 ? 0 : rune;
            range = false;
        }
        w->at += set > 0 ? (size_t)set : size;
    }
    w->at++;
    return MEDVL_OK;
}

/* "(?imx-imx)" or "(?imx-imx:". */
static int options(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->at;
    struct options next = w->now;
    bool on = true;

    for (w->at += 2; peek(w, 0) && strchr("imx-", peek(w, 0)); w->at++) {
        if (peek(w, 0) == '-')
            on = false;
        else if (peek(w, 0) == 'i')
            next.fold = on;
        else if (peek(w, 0) == 'x')
            next.extended = on;
    }
    w->at++;
    if (w->in.data[w->at - 1] == ')') {
        if (w->begun)
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "regular expression with \"%.*s\" behind "
                              "something",
                              (int)(w->at - start), w->in.data + start);
    } else {
        w->groups[w->depth++] = w->now;
    }
    if (next.fold && next.extended)
        return refuse(w, start, w->at, err);
    if (next.fold != w->now.fold)
        w->before = 0;
    w->now = next;
    return MEDVL_OK;
}

static int group(struct walk *w, struct medvl_error *err)
{
    if (begins(w, "(?#")) {
        while (peek(w, 0) && peek(w, 0) != ')')
            w->at++;
        w->at++;
        return MEDVL_OK;
    }
    if (w->depth == MEDVL_REGEX_GROUPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "regular expression with more than %d groups "
                          "within each other",
                          MEDVL_REGEX_GROUPS);
    if (begins(w, "(?") && peek(w, 2) && strchr("imx-", peek(w, 2)))
        return w->at + 3 < w->in.size ? options(w, err)
                                      : refuse(w, w->at, w->at + 3, err);
    w->groups[w->depth++] = w->now;
    w->begun = false;
    if (begins(w, "(?:")) {
        w->at += 3;
        return MEDVL_OK;
    }
    w->before = 0;
    if (begins(w, "(?<") && peek(w, 3) != '=' && peek(w, 3) != '!') {
        while (peek(w, 0) && peek(w, 0) != '>')
            w->at++;
    } else if (begins(w, "(?")) {
        w->at += peek(w, 2) == '<' ? 3 : 2;
    }
    w->at++;
    return MEDVL_OK;
}

static void end_group(struct walk *w)
{
    if (w->depth > 0) {
        const struct options was = w->groups[--w->depth];

        if (was.fold != w->now.fold)
            w->before = 0;
        w->now = was;
    }
    w->begun = true;
    w->at++;
}

/* A character, or an escape. */
static int one(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->at;
    size_t size;
    const uint32_t rune = literal(w, &size);
    const uint32_t before = w->before;
    char next;

    w->begun = true;
    w->before = 0;
    if (w->now.fold && peek(w, 0) == '\\' && peek(w, 1) &&
        strchr("0123456789Qk", peek(w, 1)))
        return refuse(w, start, start + size, err);
    w->at += size;
    if (!w->now.fold || rune == 0)
        return MEDVL_OK;
    if (has_several(rune, rune))
        return refuse(w, start, w->at, err);
    next = peek(w, 0);
    if (next == '?' || next == '*' || next == '+')
        return MEDVL_OK;
    if (before && are_one(before, rune))
        return refuse(w, w->before_at, w->at, err);
    w->before = rune;
    w->before_at = start;
    return MEDVL_OK;
}

int medvl_regex_check_fold(struct medvl_span pattern,
                           struct medvl_error *err)
{
    struct walk w = {.in = pattern};
    int rc = MEDVL_OK;

    while (w.at < pattern.size && rc == MEDVL_OK) {
        const char c = peek(&w, 0);

        if (c == '(') {
            rc = group(&w, err);
        } else if (c == ')') {
            end_group(&w);
        } else if (c == '[') {
            w.begun = true;
            w.before = 0;
            rc = class(&w, err);
        } else if (c && strchr("|.^$?*+", c)) {
            w.begun = c != '|';
            w.before = 0;
            w.at++;
        } else if (begins(&w, "\\Q") && !w.now.fold) {
            while (w.at < pattern.size && !begins(&w, "\\E"))
                w.at++;
        } else if (c == '{') {
            while (peek(&w, 0) && strchr("{0123456789,", peek(&w, 0)))
                w.at++;
            w.at += peek(&w, 0) == '}';
        } else {
            rc = one(&w, err);
        }
    }
    return rc;
}
