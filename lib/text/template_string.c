/*
 * The methods of strings: see template_method.h.
 *
 * Read next: template_method.c.
 */
#include <string.h>

#include "lib/text/template_format.h"
#include "lib/text/template_method.h"
#include "lib/text/template_print.h"
#include "lib/text/unicode.h"

/* How a row does it: at which ends, from which end. */
#define LEFT  1
#define RIGHT 2
#define MUST  4 /* what is not found is an error */

/* ---- letters ---------------------------------------------------------- */

static bool letter(uint32_t rune)
{
    return (medvl_unicode_class(rune) &
            (MEDVL_RUNE_UPPER | MEDVL_RUNE_LOWER)) != 0;
}

/* Python's idea of space: White_Space and the four separators. */
static bool is_space(uint32_t rune)
{
    return (rune >= 0x1c && rune <= 0x1f) ||
           (medvl_unicode_class(rune) & MEDVL_RUNE_SPACE);
}

static bool word_break(uint32_t rune)
{
    return is_space(rune) ||
           (rune < 0x80 && rune && strchr("-({[<", (int)rune));
}

static uint32_t change(uint32_t rune, enum medvl_tf_case how, bool first,
                       bool inside)
{
    const bool upper = (medvl_unicode_class(rune) & MEDVL_RUNE_UPPER) != 0;

    switch (how) {
    case CASE_UPPER: return medvl_unicode_upper(rune);
    case CASE_LOWER: return medvl_unicode_lower(rune);
    case CASE_SWAP:
        return upper ? medvl_unicode_lower(rune) : medvl_unicode_upper(rune);
    case CASE_CAPITALIZE:
        return first ? medvl_unicode_upper(rune) : medvl_unicode_lower(rune);
    default:
        return inside ? medvl_unicode_lower(rune) : medvl_unicode_upper(rune);
    }
}

int medvl_tf_case(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tv_string *s, enum medvl_tf_case how)
{
    struct medvl_tv_build b = {0};
    bool inside = false;
    uint32_t rune;
    char text[4];
    int rc = MEDVL_OK, step, n;

    for (size_t at = 0; at < s->size && rc == MEDVL_OK; at += (size_t)step) {
        const bool mark = s->marks ? s->marks[at] : s->mark;

        rune = 0;
        step = medvl_utf8_decode(&rune, s->data + at, s->size - at);
        step = step ? step : 1;
        if (rune == 0xdf && !inside && how != CASE_LOWER &&
            (how != CASE_CAPITALIZE || at == 0)) {
            rc = medvl_tv_put(h, &b, how == CASE_UPPER ? "SS" : "Ss", 2, mark);
        } else {
            n = medvl_utf8_encode(text, change(rune, how, at == 0, inside));
            rc = medvl_tv_put(h, &b, text, (size_t)n, mark);
        }
        inside = how == CASE_WORDS ? !word_break(rune)
                                   : how == CASE_TITLE && letter(rune);
    }
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

MEDVL_TF(str_case)
{
    return medvl_tf_case(h, out, in->u.string, (enum medvl_tf_case)a->how);
}

/*
 * Is there a character of a class, and are all of it?  For upper (lower)
 * case it is enough that none is lower (upper).
 */
MEDVL_TF(str_is)
{
    const unsigned class = (unsigned)a->how;
    const unsigned both = MEDVL_RUNE_UPPER | MEDVL_RUNE_LOWER;
    const unsigned never = class & both ? class ^ both : 0;
    const struct medvl_tv_string *s = in->u.string;
    bool all = true, any = false;
    uint32_t rune;
    int step;

    for (size_t at = 0; at < s->size && all; at += (size_t)step) {
        unsigned have;

        rune = 0;
        step = medvl_utf8_decode(&rune, s->data + at, s->size - at);
        step = step ? step : 1;
        have = medvl_unicode_class(rune);
        if (rune >= 0x1c && rune <= 0x1f)
            have |= MEDVL_RUNE_SPACE;
        any = any || (have & class);
        all = never ? !(have & never) : (have & class) != 0;
    }
    (void)h;
    *out = medvl_tv_bool(all && any);
    return MEDVL_OK;
}

/* ---- ends ------------------------------------------------------------- */

static bool in_set(const struct medvl_tv_string *set, const char *data,
                   size_t size)
{
    uint32_t rune = 0;

    if (set)
        return memmem(set->data, set->size, data, size) != NULL;
    return medvl_utf8_decode(&rune, data, size) > 0 && is_space(rune);
}

int medvl_tf_strip(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_string *s,
                   const struct medvl_tv_string *set, bool left, bool right)
{
    const size_t cost = 1 + (set ? set->size / 64 : 0);
    size_t from = 0, to = s->size, n;
    int rc = MEDVL_OK;

    while (left && from < to && rc == MEDVL_OK) {
        for (n = 1; from + n < to && (s->data[from + n] & 0xc0) == 0x80; n++)
            ;
        if (!in_set(set, s->data + from, n))
            break;
        from += n;
        rc = medvl_tv_steps(h, cost);
    }
    while (right && from < to && rc == MEDVL_OK) {
        for (n = 1; n < to - from && (s->data[to - n] & 0xc0) == 0x80; n++)
            ;
        if (!in_set(set, s->data + to - n, n))
            break;
        to -= n;
        rc = medvl_tv_steps(h, cost);
    }
    return rc < 0 ? rc : medvl_tv_cut(h, out, s, from, to);
}

MEDVL_TF(str_strip)
{
    const struct medvl_tv_string *set = NULL;
    int rc = MEDVL_OK;

    if (medvl_tf_is(a->at[0]))
        rc = medvl_tf_string(h, &set, a->at[0], "what is stripped");
    return rc < 0 ? rc
                  : medvl_tf_strip(h, out, in->u.string, set, a->how & LEFT,
                                   a->how & RIGHT);
}

/* Does it start (end) with the argument, or one of a tuple of them? */
static int has_end(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *in, const struct medvl_tv *arg,
                   bool start)
{
    const struct medvl_tv_string *s = in->u.string, *part = NULL;
    const size_t count = arg->kind == TV_TUPLE ? arg->u.list->count : 1;
    bool found = false;
    int rc;

    for (size_t i = 0; i < count && !found; i++) {
        rc = medvl_tf_string(
            h, &part, arg->kind == TV_TUPLE ? &arg->u.list->items[i] : arg,
            start ? "startswith: the argument" : "endswith: the argument");
        if (rc < 0)
            return rc;
        found = part->size <= s->size &&
                !memcmp(start ? s->data : s->data + s->size - part->size,
                        part->data, part->size);
    }
    *out = medvl_tv_bool(found);
    return MEDVL_OK;
}

MEDVL_TF(str_has_end)
{
    return has_end(h, out, in, a->at[0], a->how == LEFT);
}

MEDVL_TF(str_remove_end)
{
    const size_t size = in->u.string->size;
    struct medvl_tv has;
    size_t part = 0;
    int rc = has_end(h, &has, in, a->at[0], a->how == LEFT);

    if (rc < 0)
        return rc;
    if (has.u.truth)
        part = a->at[0]->u.string->size;
    return medvl_tv_cut(h, out, in->u.string, a->how == LEFT ? part : 0,
                        a->how == LEFT ? size : size - part);
}

int medvl_tf_center(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const struct medvl_tv_string *s, int64_t width,
                    const struct medvl_tv_string *fill, char side)
{
    const struct medvl_tv_string blank = {" ", 1, NULL, false, 1};
    const struct medvl_tv in = {.kind = TV_STRING,
                                .u.string = (struct medvl_tv_string *)s};
    struct medvl_tv_build b = {0};
    int64_t length = 0, left, right;
    int rc = medvl_tv_length(h, &length, &in);

    fill = fill ? fill : &blank;
    right = width > length ? width - length : 0;
    left = side == '>' ? right : side == '^' ? right / 2 + (right & width & 1)
                                             : 0;
    right -= left;
    for (; left > 0 && rc == MEDVL_OK; left--)
        rc = medvl_tv_put_cut(h, &b, fill, 0, fill->size);
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, &b, s, 0, s->size);
    for (; right > 0 && rc == MEDVL_OK; right--)
        rc = medvl_tv_put_cut(h, &b, fill, 0, fill->size);
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

MEDVL_TF(str_justify)
{
    const struct medvl_tv_string *fill = NULL;
    int64_t width = 0;
    int rc = medvl_tf_int(h, &width, a->at[0], "the width");

    if (rc == MEDVL_OK)
        rc = medvl_tf_string(h, &fill, a->at[1], "what fills");
    if (rc < 0)
        return rc;
    return medvl_tf_center(h, out, in->u.string, width, fill,
                           (char)a->how);
}

MEDVL_TF(str_zfill)
{
    static const struct medvl_tv_string ZERO = {"0", 1, NULL, false, 1};
    const struct medvl_tv_string *s = in->u.string;
    const size_t sign = s->size && strchr("+-", s->data[0]) && s->data[0];
    struct medvl_tv_build b = {0};
    struct medvl_tv rest, padded;
    int64_t width = 0;
    int rc = medvl_tf_int(h, &width, a->at[0], "the width");

    if (rc == MEDVL_OK)
        rc = medvl_tv_cut(h, &rest, s, sign, s->size);
    if (rc == MEDVL_OK)
        rc = medvl_tf_center(h, &padded, rest.u.string,
                             width - (int64_t)sign, &ZERO, '>');
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, &b, s, 0, sign);
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_value(h, &b, &padded);
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

/* ---- searching -------------------------------------------------------- */

/* The last offset of `part` in [from, to); SIZE_MAX: not there. */
static size_t find_last(const struct medvl_tv_string *s, size_t from,
                        size_t to, const struct medvl_tv_string *part)
{
    if (part->size > to - from)
        return SIZE_MAX;
    for (size_t at = to - part->size + 1; at-- > from;)
        if (!memcmp(s->data + at, part->data, part->size))
            return at;
    return SIZE_MAX;
}

static size_t find_first(const struct medvl_tv_string *s, size_t from,
                         size_t to, const struct medvl_tv_string *part)
{
    struct medvl_tv_string head = *s;

    head.size = to;
    return medvl_tv_find(&head, from, part);
}

/* A Python slice bound, clipped to 0..length. */
static int bound(struct medvl_tv_heap *h, int64_t *out, int64_t length,
                 const struct medvl_tv *arg)
{
    int64_t value = *out;
    int rc = MEDVL_OK;

    if (medvl_tf_is(arg))
        rc = medvl_tf_int(h, &value, arg, "a position");
    value += value < 0 ? length : 0;
    *out = value < 0 ? 0 : value > length ? length
                                          : value;
    return rc;
}

MEDVL_TF(str_find)
{
    const bool last = a->how & RIGHT, must = a->how & MUST;
    struct medvl_tv_string *s = in->u.string;
    const struct medvl_tv_string *part = NULL;
    int64_t length = 0, from = 0, to;
    size_t begin, end, at = SIZE_MAX;
    int rc = medvl_tf_string(h, &part, a->at[0], "what is searched");

    if (rc == MEDVL_OK)
        rc = medvl_tv_length(h, &length, in);
    to = length;
    if (rc == MEDVL_OK && a->at[1] && medvl_tv_is_int(a->at[1]) &&
        medvl_tv_int_of(a->at[1]) > length)
        to = -1; /* behind the end nothing is found, not even "" */
    else if (rc == MEDVL_OK)
        rc = bound(h, &from, length, a->at[1]);
    if (rc == MEDVL_OK && to >= 0)
        rc = bound(h, &to, length, a->at[2]);
    if (rc == MEDVL_OK)
        rc = medvl_tv_steps(h, s->size / 16 * (last ? part->size + 1 : 1));
    if (rc < 0)
        return rc;
    if (from <= to) {
        begin = medvl_tv_offset(s, from);
        end = medvl_tv_offset(s, to);
        at = last ? find_last(s, begin, end, part)
                  : find_first(s, begin, end, part);
    }
    if (at == SIZE_MAX && must)
        return medvl_tv_fail(h, "index: the text is not there");
    length = -1;
    if (at != SIZE_MAX) {
        length = 0;
        for (size_t i = 0; i < at; i++)
            length += (s->data[i] & 0xc0) != 0x80;
    }
    *out = medvl_tv_int(length);
    return MEDVL_OK;
}

MEDVL_TF(str_count)
{
    const struct medvl_tv_string *s = in->u.string, *part = NULL;
    int64_t count = 0, length;
    size_t at = 0;
    int rc = medvl_tf_string(h, &part, a->at[0], "what is counted");

    if (rc == MEDVL_OK)
        rc = medvl_tv_steps(h, s->size / 16);
    if (rc < 0)
        return rc;
    if (part->size == 0) {
        rc = medvl_tv_length(h, &length, in);
        *out = medvl_tv_int(length + 1);
        return rc;
    }
    while ((at = medvl_tv_find(s, at, part)) != SIZE_MAX) {
        at += part->size;
        count++;
    }
    *out = medvl_tv_int(count);
    return MEDVL_OK;
}

/* ---- cutting and joining ---------------------------------------------- */

int medvl_tf_replace(struct medvl_tv_heap *h, struct medvl_tv *out,
                     const struct medvl_tv_string *s,
                     const struct medvl_tv_string *from,
                     const struct medvl_tv_string *to, int64_t count)
{
    struct medvl_tv_build b = {0};
    size_t at = 0, next, step = from->size;
    int rc = medvl_tv_steps(h, s->size / 16);

    while (count != 0 && rc == MEDVL_OK) {
        next = medvl_tv_find(s, at, from);
        if (next == SIZE_MAX)
            break;
        rc = medvl_tv_put_cut(h, &b, s, at, next);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_cut(h, &b, to, 0, to->size);
        at = next + from->size;
        count -= count > 0;
        if (step || rc < 0)
            continue;
        if (at == s->size) /* an empty `from`: between all characters */
            break;
        for (next = at + 1;
             next < s->size && (s->data[next] & 0xc0) == 0x80; next++)
            ;
        rc = medvl_tv_put_cut(h, &b, s, at, next);
        at = next;
    }
    if (rc == MEDVL_OK)
        rc = medvl_tv_put_cut(h, &b, s, at, s->size);
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

MEDVL_TF(str_replace)
{
    const struct medvl_tv_string *from = NULL, *to = NULL;
    int64_t count = -1;
    int rc = medvl_tf_string(h, &from, a->at[0], "what is replaced");

    if (rc == MEDVL_OK)
        rc = medvl_tf_string(h, &to, a->at[1], "the replacement");
    if (rc == MEDVL_OK)
        rc = medvl_tf_int(h, &count, a->at[2], "the count");
    if (rc < 0)
        return rc;
    return medvl_tf_replace(h, out, in->u.string, from, to, count);
}

static int push_cut(struct medvl_tv_heap *h, const struct medvl_tv_string *s,
                    size_t from, size_t to)
{
    struct medvl_tv part;
    int rc = medvl_tv_cut(h, &part, s, from, to);

    return rc == MEDVL_OK ? medvl_tv_push(h, part) : rc;
}

/* The end of the character (run of space or of other) at `at`. */
static size_t run_end(const struct medvl_tv_string *s, size_t at, bool space)
{
    uint32_t rune;
    int step;

    while (at < s->size) {
        rune = 0;
        step = medvl_utf8_decode(&rune, s->data + at, s->size - at);
        if (is_space(rune) != space)
            break;
        at += step ? (size_t)step : 1;
    }
    return at;
}

/* split() at runs of space. */
static int split_words(struct medvl_tv_heap *h,
                       const struct medvl_tv_string *s, int64_t most)
{
    size_t at = run_end(s, 0, true), end;
    struct medvl_tv rest;
    int rc = MEDVL_OK;

    for (; at < s->size && most != 0 && rc == MEDVL_OK; most--) {
        end = run_end(s, at, false);
        rc = push_cut(h, s, at, end);
        at = run_end(s, end, true);
    }
    if (rc < 0 || at == s->size)
        return rc;
    rc = medvl_tv_cut(h, &rest, s, at, s->size);
    return rc == MEDVL_OK ? medvl_tv_push(h, rest) : rc;
}

static int split_at(struct medvl_tv_heap *h, const struct medvl_tv_string *s,
                    const struct medvl_tv_string *by, int64_t most)
{
    size_t at = 0, next;
    int rc = MEDVL_OK;

    for (; most != 0 && rc == MEDVL_OK; most--) {
        next = medvl_tv_find(s, at, by);
        if (next == SIZE_MAX)
            break;
        rc = push_cut(h, s, at, next);
        at = next + by->size;
    }
    return rc == MEDVL_OK ? push_cut(h, s, at, s->size) : rc;
}

/* rsplit(by, most): all pieces, then the first ones joined again. */
static int split_last(struct medvl_tv_heap *h,
                      const struct medvl_tv_string *s,
                      const struct medvl_tv_string *by, int64_t most)
{
    struct medvl_tv rest;
    int64_t skip = -most;
    size_t at = 0, end;
    int rc;

    for (; (at = medvl_tv_find(s, at, by)) != SIZE_MAX; skip++)
        at += by->size;
    for (at = 0; skip > 0; skip--)
        at = medvl_tv_find(s, at, by) + by->size;
    if (at) {
        end = medvl_tv_find(s, at, by);
        end = end == SIZE_MAX ? s->size : end;
        rc = push_cut(h, s, 0, end);
        if (rc < 0 || end == s->size)
            return rc;
        at = end + by->size;
    }
    rc = medvl_tv_cut(h, &rest, s, at, s->size);
    return rc < 0 ? rc : split_at(h, rest.u.string, by, -1);
}

MEDVL_TF(str_split)
{
    const struct medvl_tv_string *s = in->u.string, *by = NULL;
    const size_t base = h->stack_size;
    int64_t most = -1;
    int rc = medvl_tf_int(h, &most, a->at[1], "maxsplit");
    const bool last = a->how == RIGHT && most >= 0;

    if (rc == MEDVL_OK && medvl_tf_is(a->at[0]))
        rc = medvl_tf_string(h, &by, a->at[0], "the separator");
    if (rc == MEDVL_OK)
        rc = medvl_tv_steps(h, s->size / 16);
    if (rc < 0)
        return rc;
    if (by && !by->size)
        return medvl_tv_fail(h, "split: the separator is empty");
    if (!by && last)
        return medvl_tv_fail(h, "rsplit needs a separator with maxsplit");
    if (!by)
        rc = split_words(h, s, most);
    else if (last)
        rc = split_last(h, s, by, most);
    else
        rc = split_at(h, s, by, most);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

/* (before, separator, after) */
MEDVL_TF(str_partition)
{
    const bool last = a->how == RIGHT;
    const struct medvl_tv_string *s = in->u.string, *by = NULL;
    const size_t base = h->stack_size;
    size_t at, cut[4];
    int rc = medvl_tf_string(h, &by, a->at[0], "the separator");

    if (rc == MEDVL_OK)
        rc = medvl_tv_steps(h, s->size / 16 * (last ? by->size + 1 : 1));
    if (rc < 0)
        return rc;
    if (!by->size)
        return medvl_tv_fail(h, "partition: the separator is empty");
    at = last ? find_last(s, 0, s->size, by) : medvl_tv_find(s, 0, by);
    cut[0] = 0;
    cut[1] = at != SIZE_MAX ? at : last ? 0
                                        : s->size;
    cut[2] = cut[1] + (at != SIZE_MAX ? by->size : 0);
    cut[3] = s->size;
    for (int i = 0; i < 3 && rc == MEDVL_OK; i++)
        rc = push_cut(h, s, cut[i], cut[i + 1]);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_TUPLE, base);
}

/* Bytes of the line end at `at`, 0 where there is none. */
static size_t line_end(const struct medvl_tv_string *s, size_t at)
{
    uint32_t rune = 0;
    const int step = medvl_utf8_decode(&rune, s->data + at, s->size - at);

    if (rune == '\r' && at + 1 < s->size && s->data[at + 1] == '\n')
        return 2;
    if ((rune >= '\n' && rune <= '\r') || (rune >= 0x1c && rune <= 0x1e) ||
        rune == 0x85 || rune == 0x2028 || rune == 0x2029)
        return (size_t)step;
    return 0;
}

int medvl_tf_lines(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv_string *s, bool keep)
{
    const size_t base = h->stack_size;
    size_t from = 0, size;
    int rc = medvl_tv_steps(h, s->size / 16);

    for (size_t at = 0; at < s->size && rc == MEDVL_OK;) {
        size = line_end(s, at);
        if (size) {
            rc = push_cut(h, s, from, keep ? at + size : at);
            from = at + size;
        }
        at += size ? size : 1;
    }
    if (rc == MEDVL_OK && from < s->size)
        rc = push_cut(h, s, from, s->size);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

MEDVL_TF(str_splitlines)
{
    return medvl_tf_lines(h, out, in->u.string,
                          medvl_tf_true(a->at[0]));
}

int medvl_tf_join(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tv *items,
                  const struct medvl_tv_string *between)
{
    struct medvl_tv_build b = {0};
    int rc = medvl_tv_steps(h, items->u.list->count);

    for (size_t i = 0; i < items->u.list->count && rc == MEDVL_OK; i++) {
        if (i && between)
            rc = medvl_tv_put_cut(h, &b, between, 0, between->size);
        if (rc == MEDVL_OK)
            rc = medvl_tv_put_value(h, &b, &items->u.list->items[i]);
    }
    return rc == MEDVL_OK ? medvl_tv_built(h, out, &b) : rc;
}

MEDVL_TF(str_join)
{
    struct medvl_tv items;
    int rc = medvl_tv_items(h, &items, a->at[0]);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < items.u.list->count; i++)
        if (items.u.list->items[i].kind != TV_STRING)
            return medvl_tv_fail(h, "join: item %zu is a %s, not a str", i,
                                 medvl_tv_type_name(&items.u.list->items[i]));
    return medvl_tf_join(h, out, &items, in->u.string);
}

MEDVL_TF(str_format)
{
    const struct medvl_tv_list items = {a->given->items, a->given->count};
    struct medvl_tv named;
    int rc = medvl_tv_dict(h, &named);

    if (rc == MEDVL_OK)
        rc = medvl_tf_dict(h, named.u.dict, a->given);
    return rc < 0 ? rc
                  : medvl_format_braces(h, out, in->u.string, &items,
                                        named.u.dict);
}

/* ---- table ------------------------------------------------------------ */

const struct medvl_tf medvl_string_methods[] = {
    {"capitalize", "", 0, str_case, CASE_CAPITALIZE},
    {"casefold", "", 0, str_case, CASE_LOWER},
    {"center", "width fillchar", 1, str_justify, '^'},
    {"count", "sub", 1, str_count, 0},
    {"endswith", "suffix", 1, str_has_end, RIGHT},
    {"find", "sub start end", 1, str_find, LEFT},
    {"format", "*", 0, str_format, 0},
    {"index", "sub start end", 1, str_find, LEFT | MUST},
    {"isalnum", "", 0, str_is, MEDVL_RUNE_LETTER | MEDVL_RUNE_NUMBER},
    {"isalpha", "", 0, str_is, MEDVL_RUNE_LETTER},
    {"isdecimal", "", 0, str_is, MEDVL_RUNE_DIGIT},
    {"isdigit", "", 0, str_is, MEDVL_RUNE_DIGIT},
    {"islower", "", 0, str_is, MEDVL_RUNE_LOWER},
    {"isnumeric", "", 0, str_is, MEDVL_RUNE_NUMBER},
    {"isspace", "", 0, str_is, MEDVL_RUNE_SPACE},
    {"isupper", "", 0, str_is, MEDVL_RUNE_UPPER},
    {"join", "iterable", 1, str_join, 0},
    {"ljust", "width fillchar", 1, str_justify, '<'},
    {"lower", "", 0, str_case, CASE_LOWER},
    {"lstrip", "chars", 0, str_strip, LEFT},
    {"partition", "sep", 1, str_partition, LEFT},
    {"removeprefix", "prefix", 1, str_remove_end, LEFT},
    {"removesuffix", "suffix", 1, str_remove_end, RIGHT},
    {"replace", "old new count", 2, str_replace, 0},
    {"rfind", "sub start end", 1, str_find, RIGHT},
    {"rindex", "sub start end", 1, str_find, RIGHT | MUST},
    {"rjust", "width fillchar", 1, str_justify, '>'},
    {"rpartition", "sep", 1, str_partition, RIGHT},
    {"rsplit", "sep maxsplit", 0, str_split, RIGHT},
    {"rstrip", "chars", 0, str_strip, RIGHT},
    {"split", "sep maxsplit", 0, str_split, LEFT},
    {"splitlines", "keepends", 0, str_splitlines, 0},
    {"startswith", "prefix", 1, str_has_end, LEFT},
    {"strip", "chars", 0, str_strip, LEFT | RIGHT},
    {"swapcase", "", 0, str_case, CASE_SWAP},
    {"title", "", 0, str_case, CASE_TITLE},
    {"upper", "", 0, str_case, CASE_UPPER},
    {"zfill", "width", 1, str_zfill, 0},
    {0}};
