/*
 * Binding of arguments, and the methods of strings, lists and dicts that
 * change nothing: those that do (append, update) are refused, as the
 * sandbox of transformers refuses them.
 *
 * Read next: template_filter.c.
 */
#include "lib/text/template_method.h"

#include <string.h>

#include "lib/text/template_format.h"
#include "lib/text/template_print.h"
#include "lib/text/unicode.h"

/* ---- arguments ------------------------------------------------------- */

const struct medvl_tf *medvl_tf_find(const struct medvl_tf *table,
                                     struct medvl_span name)
{
    for (; table->name; table++)
        if (medvl_span_is(name, table->name))
            return table;
    return NULL;
}

/* The number of `name` among parameters "a b c"; -1 where it is none. */
static int parameter(const char *parameters, const char *name, int *count)
{
    const size_t size = strlen(name);
    int found = -1;

    *count = 0;
    for (const char *p = parameters; *p; (*count)++) {
        const size_t n = strcspn(p, " ");

        if (n == size && !memcmp(p, name, n))
            found = *count;
        p += n + (p[n] == ' ');
    }
    return found;
}

/* One level deeper: map can apply map. */
static int run(struct medvl_tv_heap *h, struct medvl_tv *out,
               const struct medvl_tf *f, const struct medvl_tv *in,
               const struct medvl_tf_args *args)
{
    int rc = medvl_tv_enter(h);

    if (rc == MEDVL_OK) {
        rc = f->run(h, out, in, args);
        h->depth--;
    }
    return rc;
}

int medvl_tf_call(struct medvl_tv_heap *h, struct medvl_tv *out,
                  const struct medvl_tf *f, const struct medvl_tv *in,
                  const struct medvl_tf_given *given)
{
    struct medvl_tf_args args = {.given = given};
    int count, at;

    if (*f->parameters == '*')
        return run(h, out, f, in, &args);
    parameter(f->parameters, "", &count);
    if (given->count > (size_t)count)
        return medvl_tv_fail(h, "%s takes %d arguments, not %zu", f->name,
                             count, given->count);
    for (size_t i = 0; i < given->count; i++)
        args.at[i] = &given->items[i];
    for (size_t i = 0; i < given->named_count; i++) {
        at = parameter(f->parameters, given->named[i].name, &count);
        if (at < 0 || args.at[at])
            return medvl_tv_fail(h, "%s: argument \"%s\" is %s", f->name,
                                 given->named[i].name,
                                 at < 0 ? "unknown" : "given twice");
        args.at[at] = &given->named[i].value;
    }
    for (int i = 0; i < f->required; i++)
        if (!args.at[i])
            return medvl_tv_fail(h, "%s needs %d argument%s", f->name,
                                 f->required, f->required > 1 ? "s" : "");
    return run(h, out, f, in, &args);
}

int medvl_tf_int(struct medvl_tv_heap *h, int64_t *out,
                 const struct medvl_tv *arg, const char *what)
{
    if (!arg)
        return MEDVL_OK;
    if (!medvl_tv_is_int(arg))
        return medvl_tv_fail(h, "%s must be an int, not a %s", what,
                             medvl_tv_type_name(arg));
    *out = medvl_tv_int_of(arg);
    return MEDVL_OK;
}

int medvl_tf_string(struct medvl_tv_heap *h,
                    const struct medvl_tv_string **out,
                    const struct medvl_tv *arg, const char *what)
{
    if (!arg)
        return MEDVL_OK;
    if (arg->kind != TV_STRING)
        return medvl_tv_fail(h, "%s must be a str, not a %s", what,
                             medvl_tv_type_name(arg));
    *out = arg->u.string;
    return MEDVL_OK;
}

/* ---- letters --------------------------------------------------------- */

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

/* ---- ends ------------------------------------------------------------ */

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
    size_t from = 0, to = s->size, n;

    while (left && from < to) {
        for (n = 1; from + n < to && (s->data[from + n] & 0xc0) == 0x80; n++)
            ;
        if (!in_set(set, s->data + from, n))
            break;
        from += n;
    }
    while (right && from < to) {
        for (n = 1; n < to - from && (s->data[to - n] & 0xc0) == 0x80; n++)
            ;
        if (!in_set(set, s->data + to - n, n))
            break;
        to -= n;
    }
    return medvl_tv_cut(h, out, s, from, to);
}

static int strip(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv *in, const struct medvl_tf_args *a,
                 bool left, bool right)
{
    const struct medvl_tv_string *set = NULL;
    int rc = MEDVL_OK;

    if (a->at[0] && a->at[0]->kind != TV_NONE)
        rc = medvl_tf_string(h, &set, a->at[0], "what is stripped");
    return rc < 0 ? rc
                  : medvl_tf_strip(h, out, in->u.string, set, left, right);
}

#define METHOD(name)                           \
    static int name(struct medvl_tv_heap *h,   \
                    struct medvl_tv *out,      \
                    const struct medvl_tv *in, \
                    const struct medvl_tf_args *a)

METHOD(str_strip)
{
    return strip(h, out, in, a, true, true);
}

METHOD(str_lstrip)
{
    return strip(h, out, in, a, true, false);
}

METHOD(str_rstrip)
{
    return strip(h, out, in, a, false, true);
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

METHOD(str_startswith)
{
    return has_end(h, out, in, a->at[0], true);
}

METHOD(str_endswith)
{
    return has_end(h, out, in, a->at[0], false);
}

METHOD(str_removeprefix)
{
    struct medvl_tv has;
    int rc = has_end(h, &has, in, a->at[0], true);

    if (rc < 0)
        return rc;
    return medvl_tv_cut(h, out, in->u.string,
                        has.u.truth ? a->at[0]->u.string->size : 0,
                        in->u.string->size);
}

METHOD(str_removesuffix)
{
    struct medvl_tv has;
    int rc = has_end(h, &has, in, a->at[0], false);

    if (rc < 0)
        return rc;
    return medvl_tv_cut(h, out, in->u.string, 0,
                        in->u.string->size -
                            (has.u.truth ? a->at[0]->u.string->size : 0));
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

static int justify(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *in, const struct medvl_tf_args *a,
                   char side)
{
    const struct medvl_tv_string *fill = NULL;
    int64_t width = 0;
    int rc = medvl_tf_int(h, &width, a->at[0], "the width");

    if (rc == MEDVL_OK)
        rc = medvl_tf_string(h, &fill, a->at[1], "what fills");
    if (rc < 0)
        return rc;
    return medvl_tf_center(h, out, in->u.string, width, fill, side);
}

METHOD(str_center)
{
    return justify(h, out, in, a, '^');
}

METHOD(str_ljust)
{
    return justify(h, out, in, a, '<');
}

METHOD(str_rjust)
{
    return justify(h, out, in, a, '>');
}

METHOD(str_zfill)
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

/* ---- case ------------------------------------------------------------ */

METHOD(str_upper)
{
    (void)a;
    return medvl_tf_case(h, out, in->u.string, CASE_UPPER);
}

METHOD(str_lower)
{
    (void)a;
    return medvl_tf_case(h, out, in->u.string, CASE_LOWER);
}

METHOD(str_capitalize)
{
    (void)a;
    return medvl_tf_case(h, out, in->u.string, CASE_CAPITALIZE);
}

METHOD(str_title)
{
    (void)a;
    return medvl_tf_case(h, out, in->u.string, CASE_TITLE);
}

METHOD(str_swapcase)
{
    (void)a;
    return medvl_tf_case(h, out, in->u.string, CASE_SWAP);
}

/* Are all characters of a class (of them, any), and is there one? */
static int all_are(struct medvl_tv *out, const struct medvl_tv *in,
                   unsigned class, unsigned never)
{
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
    *out = medvl_tv_bool(all && any);
    return MEDVL_OK;
}

METHOD(str_isdigit)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_DIGIT, 0);
}

METHOD(str_isnumeric)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_NUMBER, 0);
}

METHOD(str_isalpha)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_LETTER, 0);
}

METHOD(str_isalnum)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_LETTER | MEDVL_RUNE_NUMBER, 0);
}

METHOD(str_isspace)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_SPACE, 0);
}

METHOD(str_isupper)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_UPPER, MEDVL_RUNE_LOWER);
}

METHOD(str_islower)
{
    (void)h, (void)a;
    return all_are(out, in, MEDVL_RUNE_LOWER, MEDVL_RUNE_UPPER);
}

/* ---- searching ------------------------------------------------------- */

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

    if (arg && arg->kind != TV_NONE)
        rc = medvl_tf_int(h, &value, arg, "a position");
    value += value < 0 ? length : 0;
    *out = value < 0 ? 0 : value > length ? length
                                          : value;
    return rc;
}

static int find(struct medvl_tv_heap *h, struct medvl_tv *out,
                const struct medvl_tv *in, const struct medvl_tf_args *a,
                bool last, bool must)
{
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

METHOD(str_find)
{
    return find(h, out, in, a, false, false);
}

METHOD(str_rfind)
{
    return find(h, out, in, a, true, false);
}

METHOD(str_index)
{
    return find(h, out, in, a, false, true);
}

METHOD(str_rindex)
{
    return find(h, out, in, a, true, true);
}

METHOD(str_count)
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

/* ---- cutting and joining --------------------------------------------- */

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

METHOD(str_replace)
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

static int split(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv *in, const struct medvl_tf_args *a,
                 bool right)
{
    const struct medvl_tv_string *s = in->u.string, *by = NULL;
    const size_t base = h->stack_size;
    int64_t most = -1, skip = 0;
    size_t at = 0;
    int rc = medvl_tf_int(h, &most, a->at[1], "maxsplit");

    if (rc == MEDVL_OK && a->at[0] && a->at[0]->kind != TV_NONE)
        rc = medvl_tf_string(h, &by, a->at[0], "the separator");
    if (rc == MEDVL_OK)
        rc = medvl_tv_steps(h, s->size / 16);
    if (rc < 0)
        return rc;
    if (by && !by->size)
        return medvl_tv_fail(h, "split: the separator is empty");
    if (!by && right && most >= 0)
        return medvl_tv_fail(h, "rsplit needs a separator with maxsplit");
    if (by && right && most >= 0) {
        /* all pieces, then the first ones joined again */
        for (skip = -most; (at = medvl_tv_find(s, at, by)) != SIZE_MAX; skip++)
            at += by->size;
        for (at = 0; skip > 0; skip--)
            at = medvl_tv_find(s, at, by) + by->size;
        if (at) {
            size_t end = medvl_tv_find(s, at, by);

            end = end == SIZE_MAX ? s->size : end;
            rc = push_cut(h, s, 0, end);
            if (rc < 0 || end == s->size)
                return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
            at = end + by->size;
        }
        struct medvl_tv rest;

        rc = medvl_tv_cut(h, &rest, s, at, s->size);
        if (rc == MEDVL_OK)
            rc = split_at(h, rest.u.string, by, -1);
        return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
    }
    rc = by ? split_at(h, s, by, most) : split_words(h, s, most);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

METHOD(str_split)
{
    return split(h, out, in, a, false);
}

METHOD(str_rsplit)
{
    return split(h, out, in, a, true);
}

/* (before, separator, after) */
static int partition(struct medvl_tv_heap *h, struct medvl_tv *out,
                     const struct medvl_tv *in,
                     const struct medvl_tf_args *a, bool last)
{
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

METHOD(str_partition)
{
    return partition(h, out, in, a, false);
}

METHOD(str_rpartition)
{
    return partition(h, out, in, a, true);
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

METHOD(str_splitlines)
{
    return medvl_tf_lines(h, out, in->u.string,
                          a->at[0] && medvl_tv_truth(a->at[0]));
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

METHOD(str_join)
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

METHOD(str_format)
{
    const struct medvl_tf_given *g = a->given;
    const struct medvl_tv_list items = {g->items, g->count};
    struct medvl_tv named, key;
    int rc = medvl_tv_dict(h, &named);

    for (size_t i = 0; i < g->named_count && rc == MEDVL_OK; i++) {
        rc = medvl_tv_string(h, &key, g->named[i].name,
                             strlen(g->named[i].name), false);
        if (rc == MEDVL_OK)
            rc = medvl_tv_dict_set(h, named.u.dict, key, g->named[i].value);
    }
    return rc < 0 ? rc
                  : medvl_format_braces(h, out, in->u.string, &items,
                                        named.u.dict);
}

/* ---- lists and dicts ------------------------------------------------- */

METHOD(list_count)
{
    int64_t count = 0;
    bool same;
    int rc;

    for (size_t i = 0; i < in->u.list->count; i++) {
        rc = medvl_tv_equal(h, &same, &in->u.list->items[i], a->at[0]);
        if (rc < 0)
            return rc;
        count += same;
    }
    *out = medvl_tv_int(count);
    return medvl_tv_steps(h, in->u.list->count / 8);
}

METHOD(list_index)
{
    bool same;
    int rc;

    for (size_t i = 0; i < in->u.list->count; i++) {
        rc = medvl_tv_equal(h, &same, &in->u.list->items[i], a->at[0]);
        if (rc < 0)
            return rc;
        if (same) {
            *out = medvl_tv_int((int64_t)i);
            return medvl_tv_steps(h, i / 8);
        }
    }
    return medvl_tv_fail(h, "index: the item is not there");
}

METHOD(list_copy)
{
    (void)h, (void)a;
    *out = *in;
    return MEDVL_OK;
}

METHOD(dict_get)
{
    struct medvl_tv_pair *pair;
    int rc = medvl_tv_dict_find(h, &pair, in->u.dict, a->at[0]);

    *out = pair ? pair->value : a->at[1] ? *a->at[1]
                                         : medvl_tv_none();
    return rc;
}

int medvl_tf_pairs(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *dict)
{
    const size_t base = h->stack_size;
    struct medvl_tv pair;
    int rc = MEDVL_OK;

    if (dict->kind == TV_UNDEFINED)
        return medvl_tv_list(h, out, TV_LIST, NULL, 0);
    if (dict->kind != TV_DICT)
        return medvl_tv_fail(h, "a %s has no items",
                             medvl_tv_type_name(dict));
    for (size_t i = 0; i < dict->u.dict->count && rc == MEDVL_OK; i++) {
        rc = medvl_tv_pair(h, &pair, dict->u.dict->pairs[i].key,
                           dict->u.dict->pairs[i].value);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, pair);
    }
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

METHOD(dict_items)
{
    (void)a;
    return medvl_tf_pairs(h, out, in);
}

METHOD(dict_keys)
{
    (void)a;
    return medvl_tv_items(h, out, in);
}

METHOD(dict_values)
{
    const size_t base = h->stack_size;
    int rc = MEDVL_OK;

    (void)a;
    for (size_t i = 0; i < in->u.dict->count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, in->u.dict->pairs[i].value);
    return rc < 0 ? rc : medvl_tv_take(h, out, TV_LIST, base);
}

METHOD(refuse)
{
    (void)out, (void)a;
    return medvl_tv_fail(h, "a template cannot change a %s",
                         medvl_tv_type_name(in));
}

static const struct medvl_tf STRING_METHODS[] = {
    {"capitalize", "", 0, str_capitalize},
    {"casefold", "", 0, str_lower},
    {"center", "width fillchar", 1, str_center},
    {"count", "sub", 1, str_count},
    {"endswith", "suffix", 1, str_endswith},
    {"find", "sub start end", 1, str_find},
    {"format", "*", 0, str_format},
    {"index", "sub start end", 1, str_index},
    {"isalnum", "", 0, str_isalnum},
    {"isalpha", "", 0, str_isalpha},
    {"isdecimal", "", 0, str_isdigit},
    {"isdigit", "", 0, str_isdigit},
    {"islower", "", 0, str_islower},
    {"isnumeric", "", 0, str_isnumeric},
    {"isspace", "", 0, str_isspace},
    {"isupper", "", 0, str_isupper},
    {"join", "iterable", 1, str_join},
    {"ljust", "width fillchar", 1, str_ljust},
    {"lower", "", 0, str_lower},
    {"lstrip", "chars", 0, str_lstrip},
    {"partition", "sep", 1, str_partition},
    {"removeprefix", "prefix", 1, str_removeprefix},
    {"removesuffix", "suffix", 1, str_removesuffix},
    {"replace", "old new count", 2, str_replace},
    {"rfind", "sub start end", 1, str_rfind},
    {"rindex", "sub start end", 1, str_rindex},
    {"rjust", "width fillchar", 1, str_rjust},
    {"rpartition", "sep", 1, str_rpartition},
    {"rsplit", "sep maxsplit", 0, str_rsplit},
    {"rstrip", "chars", 0, str_rstrip},
    {"split", "sep maxsplit", 0, str_split},
    {"splitlines", "keepends", 0, str_splitlines},
    {"startswith", "prefix", 1, str_startswith},
    {"strip", "chars", 0, str_strip},
    {"swapcase", "", 0, str_swapcase},
    {"title", "", 0, str_title},
    {"upper", "", 0, str_upper},
    {"zfill", "width", 1, str_zfill},
    {0}};

static const struct medvl_tf LIST_METHODS[] = {
    {"append", "*", 0, refuse},
    {"clear", "*", 0, refuse},
    {"copy", "", 0, list_copy},
    {"count", "value", 1, list_count},
    {"extend", "*", 0, refuse},
    {"index", "value", 1, list_index},
    {"insert", "*", 0, refuse},
    {"pop", "*", 0, refuse},
    {"remove", "*", 0, refuse},
    {"reverse", "*", 0, refuse},
    {"sort", "*", 0, refuse},
    {0}};

static const struct medvl_tf DICT_METHODS[] = {
    {"clear", "*", 0, refuse},
    {"copy", "", 0, list_copy},
    {"get", "key default", 1, dict_get},
    {"items", "", 0, dict_items},
    {"keys", "", 0, dict_keys},
    {"pop", "*", 0, refuse},
    {"popitem", "*", 0, refuse},
    {"setdefault", "*", 0, refuse},
    {"update", "*", 0, refuse},
    {"values", "", 0, dict_values},
    {0}};

const struct medvl_tf *medvl_tf_method(const struct medvl_tv *of,
                                       struct medvl_span name)
{
    if (of->kind == TV_STRING)
        return medvl_tf_find(STRING_METHODS, name);
    if (medvl_tv_is_list(of))
        return medvl_tf_find(LIST_METHODS, name);
    if (of->kind == TV_DICT)
        return medvl_tf_find(DICT_METHODS, name);
    return NULL;
}
