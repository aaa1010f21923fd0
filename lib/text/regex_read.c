/*
 * Characters and numbers of an expression, as Oniguruma reads them.
 *
 * Read next: regex_fold.c.
 */
#include "lib/text/regex_part.h"

/* Digits to `base` from `ahead` on, `most` at most, and their number. */
static size_t digits(const struct medvl_regex_reader *r, size_t ahead,
                     size_t most, uint32_t base, uint32_t *number)
{
    size_t count = 0;

    *number = 0;
    while (count < most) {
        const char c = peek(r, ahead + count);
        uint32_t value = base;

        if (c >= '0' && c <= '9')
            value = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = (uint32_t)((c | 32) - 'a') + 10;
        if (value >= base)
            break;
        *number = *number * base + value;
        count++;
    }
    return count;
}

/* "\x41", "\x{E9}" or "\u00E9": its bytes, or 0. */
static size_t hexadecimal(const struct medvl_regex_reader *r, uint32_t *rune)
{
    size_t count;

    if (peek(r, 1) == 'u')
        return digits(r, 2, 4, 16, rune) == 4 ? 6 : 0;
    if (peek(r, 2) == '{') {
        count = digits(r, 3, 8, 16, rune);
        return count && peek(r, 3 + count) == '}' ? count + 4 : 0;
    }
    count = digits(r, 2, 2, 16, rune);
    return count && *rune < 0x80 ? count + 2 : 0;
}

/* "\0", "\07" or "\101"; other numbers are groups or Oniguruma's bytes. */
static size_t octal(const struct medvl_regex_reader *r, uint32_t *rune)
{
    const size_t count = digits(r, 1, 3, 8, rune);

    return peek(r, 1) == '0' || count == 3 ? count + 1 : 0;
}

/* The character that the letter behind a backslash names, or 0. */
static uint32_t named(const struct medvl_regex_reader *r, bool in_class)
{
    static const char NAMES[] = "tnrfaev", RUNES[] = "\t\n\r\f\a\x1B\v";
    const char c = peek(r, 1);
    const char *at = c ? strchr(NAMES, c) : NULL;

    if (at)
        return (uint32_t)RUNES[at - NAMES];
    if (c == 'b' && in_class)
        return '\b';
    if (((c == 'p' || c == 'P') && peek(r, 2) != '{') ||
        (c && strchr("ijlmqEFIJLQTUV", c))) /* these mean nothing */
        return (uint32_t)c;
    return 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An escape; sets size to 0 where it is to be refused. */
static void read_escape(struct medvl_regex_character *out,
                        const struct medvl_regex_reader *r, bool in_class)
{
    const char c = peek(r, 1);

    out->size = 2;
    out->is_one = true;
    if (c == 'x' || c == 'u') {
        out->size = hexadecimal(r, &out->rune);
    } else if (c >= '0' && c <= '9') {
        out->size = octal(r, &out->rune);
        out->is_one = out->size > 0;
        if (!out->is_one)
            out->size = 2;
        if (out->rune >= 0x80)
            out->size = 0;
    } else if (is_letter(c)) {
        out->rune = named(r, in_class);
        out->is_one = out->rune > 0;
        while ((c == 'p' || c == 'P') && !out->is_one &&
               peek(r, out->size - 1) != '}' && peek(r, out->size))
            out->size++;
    }
}

int medvl_regex_character(struct medvl_regex_character *out,
                          const struct medvl_regex_reader *r, bool in_class,
                          struct medvl_error *err)
{
    const char c = peek(r, 0);
    const char next = peek(r, 1);
    const size_t escaped = c == '\\';
    int count;

    *out = (struct medvl_regex_character){.size = 1};
    if (r->at + escaped >= r->in.size)
        return MEDVL_OK;
    if (escaped && (is_letter(next) || (next >= '0' && next <= '9'))) {
        read_escape(out, r, in_class);
        return out->size ? MEDVL_OK
                         : medvl_regex_refuse(r, r->at, r->at + 4, "", err);
    }
    count = medvl_utf8_decode(&out->rune, r->in.data + r->at + escaped,
                              r->in.size - r->at - escaped);
    out->is_one = true;
    out->size = escaped + (count > 0 ? (size_t)count : 1);
    return MEDVL_OK;
}

size_t medvl_regex_interval(const struct medvl_regex_reader *r,
                            bool *is_fixed)
{
    size_t at = 1, before;

    *is_fixed = false;
    if (peek(r, 0) != '{')
        return 0;
    while (peek(r, at) >= '0' && peek(r, at) <= '9')
        at++;
    before = at;
    if (peek(r, at) == ',')
        at++;
    else
        *is_fixed = true;
    while (peek(r, at) >= '0' && peek(r, at) <= '9')
        at++;
    if (peek(r, at) != '}' || (before == 1 && at == before + !*is_fixed))
        return 0;
    return at + 1;
}

int medvl_regex_refuse(const struct medvl_regex_reader *r, size_t from,
                       size_t to, const char *why, struct medvl_error *err)
{
    if (to > r->in.size)
        to = r->in.size;
    while (to < r->in.size && (r->in.data[to] & 0xC0) == 0x80)
        to++;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "regular expression with \"%.*s\"%s", (int)(to - from),
                      r->in.data + from, why);
}
