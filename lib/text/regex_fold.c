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
    struct medvl_regex_reader r;
    struct options now;
    struct options groups[MEDVL_REGEX_GROUPS]; /* what was before each */
    size_t depth;
    uint32_t before;  /* the character that this one stands behind, or 0 */
    size_t before_at; /* where it is */
    bool begun;       /* something stands in this branch */
};

static int refuse(const struct walk *w, size_t from, size_t to,
                  struct medvl_error *err)
{
    return medvl_regex_refuse(&w->r, from, to, " without regard to case",
                              err);
}

/* A property, name and all, that holds no letter and no mark. */
static bool has_no_letters(const struct walk *w)
{
    const char name = peek(&w->r, 3);

    return begins(&w->r, "\\p{") && name && strchr("NPSZC", name) &&
           (peek(&w->r, 4) == '}' || peek(&w->r, 5) == '}');
}

/* A member of a class that is more than one character; 0: it is not. */
static int check_set(const struct walk *w, size_t size,
                     struct medvl_error *err)
{
    static const char *const POSIX[] = {"[:space:]", "[:digit:]",
                                        "[:xdigit:]", "[:punct:]"};
    const char next = peek(&w->r, 1);

    if (begins(&w->r, "[:")) {
        for (size_t i = 0; i < COUNT(POSIX); i++) {
            if (begins(&w->r, POSIX[i]))
                return (int)size;
        }
        return refuse(w, w->r.at, w->r.at + size, err);
    }
    if (peek(&w->r, 0) != '\\')
        return 0;
    if (((next == 'p' || next == 'P') && !has_no_letters(w)) ||
        (next && strchr("wWDSH0123456789", next)))
        return refuse(w, w->r.at, w->r.at + size, err);
    return next && strchr("pPsdh", next) ? (int)size : 0;
}

static int class(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->r.at++;
    const bool negated = peek(&w->r, 0) == '^';
    uint32_t from = 0; /* what a "-" would begin with */
    bool range = false;

    w->r.at += negated;
    for (size_t first = w->r.at; w->r.at < w->r.in.size; first = SIZE_MAX) {
        struct medvl_regex_character c;
        uint32_t rune;
        size_t size;
        int set = medvl_regex_character(&c, &w->r, true, err);

        if (set < 0)
            return set;
        if (peek(&w->r, 0) == ']' && w->r.at != first)
            break;
        rune = c.rune;
        size = c.size;
        if (begins(&w->r, "[:")) {
            const char *end = memmem(w->r.in.data + w->r.at,
                                     w->r.in.size - w->r.at, ":]", 2);

            size = end ? (size_t)(end - w->r.in.data) + 2 - w->r.at : 1;
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
                return refuse(w, start, w->r.at + size, err);
            from = range || set > 0 ? 0 : rune;
            range = false;
        }
        w->r.at += set > 0 ? (size_t)set : size;
    }
    w->r.at++;
    return MEDVL_OK;
}

/* "(?imx-imx)" or "(?imx-imx:". */
static int options(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->r.at;
    struct options next = w->now;
    bool on = true;

    for (w->r.at += 2; peek(&w->r, 0) && strchr("imx-", peek(&w->r, 0));
         w->r.at++) {
        if (peek(&w->r, 0) == '-')
            on = false;
        else if (peek(&w->r, 0) == 'i')
            next.fold = on;
        else if (peek(&w->r, 0) == 'x')
            next.extended = on;
    }
    w->r.at++;
    if (w->r.in.data[w->r.at - 1] == ')') {
        if (w->begun)
            return medvl_regex_refuse(&w->r, start, w->r.at,
                                      " behind something", err);
    } else {
        w->groups[w->depth++] = w->now;
    }
    if (next.fold && next.extended)
        return refuse(w, start, w->r.at, err);
    if (next.fold != w->now.fold)
        w->before = 0;
    w->now = next;
    return MEDVL_OK;
}

static int group(struct walk *w, struct medvl_error *err)
{
    if (begins(&w->r, "(?#")) {
        while (peek(&w->r, 0) && peek(&w->r, 0) != ')')
            w->r.at++;
        w->r.at++;
        return MEDVL_OK;
    }
    if (w->depth == MEDVL_REGEX_GROUPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "regular expression with more than %d groups "
                          "within each other",
                          MEDVL_REGEX_GROUPS);
    if (begins(&w->r, "(?") && peek(&w->r, 2) && strchr("imx-", peek(&w->r, 2)))
        return w->r.at + 3 < w->r.in.size
                   ? options(w, err)
                   : refuse(w, w->r.at, w->r.at + 3, err);
    w->groups[w->depth++] = w->now;
    w->begun = false;
    if (begins(&w->r, "(?:")) {
        w->r.at += 3;
        return MEDVL_OK;
    }
    w->before = 0;
    if (begins(&w->r, "(?<") && peek(&w->r, 3) != '=' &&
        peek(&w->r, 3) != '!') {
        while (peek(&w->r, 0) && peek(&w->r, 0) != '>')
            w->r.at++;
    } else if (begins(&w->r, "(?")) {
        w->r.at += peek(&w->r, 2) == '<' ? 3 : 2;
    }
    w->r.at++;
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
    w->r.at++;
}

/* A character, or an escape. */
static int one(struct walk *w, struct medvl_error *err)
{
    const size_t start = w->r.at;
    const uint32_t before = w->before;
    struct medvl_regex_character c;
    char next;
    int rc = medvl_regex_character(&c, &w->r, false, err);

    if (rc < 0)
        return rc;
    w->begun = true;
    w->before = 0;
    if (w->now.fold && peek(&w->r, 0) == '\\' && peek(&w->r, 1) &&
        strchr("0123456789k", peek(&w->r, 1)))
        return refuse(w, start, start + c.size, err);
    w->r.at += c.size;
    if (!w->now.fold || !c.is_one)
        return MEDVL_OK;
    if (has_several(c.rune, c.rune))
        return refuse(w, start, w->r.at, err);
    next = peek(&w->r, 0);
    if (next == '?' || next == '*' || next == '+')
        return MEDVL_OK;
    if (before && are_one(before, c.rune))
        return refuse(w, w->before_at, w->r.at, err);
    w->before = c.rune;
    w->before_at = start;
    return MEDVL_OK;
}

int medvl_regex_check_fold(struct medvl_span pattern,
                           struct medvl_error *err)
{
    struct walk w = {.r = {.in = pattern}};
    int rc = MEDVL_OK;

    while (w.r.at < pattern.size && rc == MEDVL_OK) {
        const char c = peek(&w.r, 0);
        bool is_fixed;
        const size_t size = medvl_regex_interval(&w.r, &is_fixed);

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
            w.r.at++;
        } else if (size > 0) {
            w.r.at += size;
        } else {
            rc = one(&w, err);
        }
    }
    return rc;
}
