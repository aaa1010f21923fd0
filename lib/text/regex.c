/*
 * Oniguruma's regular expressions through PCRE2: compiled and matched.
 *
 * Read next: regex_translate.c.
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

/*
 * What is read at first beyond where a match could begin, and how often it
 * may go back; each is made larger where that is not enough, as far as the
 * text's budget goes.
 */
#define WINDOW  ((size_t)4 << 10)
#define BACK    ((uint32_t)1 << 10)
#define LARGER  4
#define SPARE   ((size_t)1 << 24) /* budget: this, and for each byte: */
#define REPEATS 64

struct medvl_regex {
    pcre2_code *code;
    bool jit;      /* it is machine code */
    bool windowed; /* a long text need not be seen whole */
    char *pattern; /* as it was given, or the bytes to find */
    size_t pattern_size;
    bool may_be_empty;
};

struct medvl_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* ---- compiling ---------------------------------------------------------- */

static int compile(struct medvl_regex *regex, struct medvl_span pattern,
                   struct medvl_error *err)
{
    int number = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR text[200];
    uint32_t empty = 0;
    /* PCRE2 10.42 misses the "a" of "(?=a)x?[aA]" where it is the last. */
    const uint32_t look = memmem(pattern.data, pattern.size, "(?=", 3)
                              ? PCRE2_NO_START_OPTIMIZE
                              : 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    if (!context)
        return medvl_no_memory(err);
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    regex->code = pcre2_compile(
        (PCRE2_SPTR)pattern.data, pattern.size,
        look | PCRE2_USE_OFFSET_LIMIT | PCRE2_UTF | PCRE2_UCP |
            PCRE2_MULTILINE |
            PCRE2_NEVER_BACKSLASH_C,
        &number, &at, context);
    pcre2_compile_context_free(context);
    if (!regex->code) {
        pcre2_get_error_message(number, text, sizeof(text));
        return medvl_fail(err, MEDVL_EFORMAT, "regular expression: %s",
                          (const char *)text);
    }
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_MATCHEMPTY, &empty);
    regex->may_be_empty = empty;
    /* "\G" is where the search begins, also of a part of the text. */
    regex->windowed = !memmem(pattern.data, pattern.size, "\\G", 2);
    /* Without machine code it is slower and no different. */
    regex->jit = pcre2_jit_compile(regex->code,
                                   PCRE2_JIT_COMPLETE |
                                       PCRE2_JIT_PARTIAL_HARD) == 0;
    return MEDVL_OK;
}

/* One that keeps these bytes. */
static int make(struct medvl_regex **out, struct medvl_span bytes,
                struct medvl_error *err)
{
    struct medvl_regex *regex = medvl_alloc(1, sizeof(*regex));

    *out = NULL;
    if (!regex)
        return medvl_no_memory(err);
    regex->pattern = medvl_copy_string(bytes.data, bytes.size);
    if (!regex->pattern) {
        medvl_free(regex);
        return medvl_no_memory(err);
    }
    regex->pattern_size = bytes.size;
    regex->may_be_empty = bytes.size == 0;
    *out = regex;
    return MEDVL_OK;
}

int medvl_regex_new(struct medvl_regex **out, struct medvl_span pattern,
                    struct medvl_error *err)
{
    struct medvl_text translated = {0};
    int rc;

    *out = NULL;
    if (pattern.size > PATTERN_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a regular expression of %zu bytes", pattern.size);
    rc = make(out, pattern, err);
    if (rc == MEDVL_OK)
        rc = medvl_regex_translate(&translated, pattern, err);
    if (rc == MEDVL_OK)
        rc = compile(*out, medvl_text_span(&translated), err);
    medvl_text_release(&translated);
    if (rc < 0) {
        medvl_regex_free(*out);
        *out = NULL;
    }
    return rc;
}

int medvl_regex_new_literal(struct medvl_regex **out,
                            struct medvl_span bytes, struct medvl_error *err)
{
    return make(out, bytes, err);
}

void medvl_regex_free(struct medvl_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    medvl_free(regex->pattern);
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

static int find_literal(const struct medvl_regex *regex,
                        struct medvl_matches *m)
{
    const char *at = memmem(m->text.data + m->search,
                            m->text.size - m->search, regex->pattern,
                            regex->pattern_size);

    if (!at)
        return 0;
    m->start = (size_t)(at - m->text.data);
    m->end = m->start + regex->pattern_size;
    return 1;
}

/* One search in the text up to `end`; a match, or a code of PCRE2. */
static int search(const struct medvl_regex *regex,
                  struct medvl_regex_scratch *scratch,
                  struct medvl_matches *m, size_t end)
{
    const uint32_t part = end < m->text.size ? PCRE2_PARTIAL_HARD : 0;
    const size_t *span;
    int rc;

    if (regex->jit) /* which never checks UTF-8 */
        rc = pcre2_jit_match(regex->code, (PCRE2_SPTR)m->text.data, end,
                             m->search, part, scratch->data,
                             scratch->context);
    else
        rc = pcre2_match(regex->code, (PCRE2_SPTR)m->text.data, end,
                         m->search, part | PCRE2_NO_UTF_CHECK, scratch->data,
                         scratch->context);
    if (rc < 0 && rc != PCRE2_ERROR_PARTIAL)
        return rc;
    span = pcre2_get_ovector_pointer(scratch->data);
    m->start = span[0];
    m->end = span[1];
    /* A match behind the last character seen may be none of the text. */
    return part && rc >= 0 && m->start >= end ? PCRE2_ERROR_NOMATCH : rc;
}

/* The end of a character `window` bytes or a few more on, or of the text. */
static size_t window_end(const struct medvl_regex *regex,
                         const struct medvl_matches *m, size_t window)
{
    size_t end = m->search + window;

    if (!regex->windowed || m->text.size - m->search <= window)
        return m->text.size;
    while (end < m->text.size && (m->text.data[end] & 0xC0) == 0x80)
        end++;
    return end;
}

/* Take `work` from the text's budget. */
static int spend(const struct medvl_regex *regex, struct medvl_matches *m,
                 size_t work, struct medvl_error *err)
{
    size_t shown = regex->pattern_size;

    m->spent += work;
    if (m->spent / REPEATS <= m->text.size + SPARE / REPEATS)
        return MEDVL_OK;
    for (shown = shown < 60 ? shown : 60;
         shown < regex->pattern_size &&
         (regex->pattern[shown] & 0xC0) == 0x80;)
        shown++;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "regular expression \"%.*s%s\" takes too long for a "
                      "text of %zu bytes",
                      (int)shown, regex->pattern,
                      shown < regex->pattern_size ? "..." : "", m->text.size);
}

static int find(const struct medvl_regex *regex,
                struct medvl_regex_scratch *scratch,
                struct medvl_matches *m, struct medvl_error *err)
{
    size_t window = WINDOW;
    uint32_t back = BACK;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const size_t from = m->search;
        const size_t end = window_end(regex, m, window);
        int found;

        /* With a larger window for the one place that asked for it. */
        (void)pcre2_set_offset_limit(scratch->context,
                                     window > WINDOW ? from : PCRE2_UNSET);
        (void)pcre2_set_match_limit(scratch->context, back);
        found = search(regex, scratch, m, end);
        if (found >= 0)
            return 1;
        if (found == PCRE2_ERROR_NOMATCH && window > WINDOW) {
            m->search = window_end(regex, m, 1);
            window = WINDOW;
            continue;
        }
        if (found == PCRE2_ERROR_NOMATCH && end == m->text.size)
            return 0;
        if (found == PCRE2_ERROR_NOMATCH) {
            m->search = end;
            window = WINDOW;
        } else if (found == PCRE2_ERROR_PARTIAL) {
            m->search = m->start > from ? m->start : from;
            window = m->start > from ? WINDOW : window * LARGER;
            rc = window > WINDOW ? spend(regex, m, window, err) : MEDVL_OK;
        } else if (found == PCRE2_ERROR_MATCHLIMIT &&
                   back < UINT32_MAX / LARGER) {
            back *= LARGER;
            rc = spend(regex, m, back, err);
        } else {
            PCRE2_UCHAR text[200];

            pcre2_get_error_message(found, text, sizeof(text));
            rc = medvl_fail(err, MEDVL_EFORMAT, "regular expression: %s",
                            (const char *)text);
        }
    }
    return rc;
}

int medvl_regex_next(const struct medvl_regex *regex,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_matches *matches, struct medvl_error *err)
{
    struct medvl_matches *m = matches;

    while (m->search <= m->text.size && m->text.size > 0) {
        const bool found = m->found;
        const size_t last = m->end;
        const int rc = regex->code ? find(regex, scratch, m, err)
                                   : find_literal(regex, m);

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
