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
        look | PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
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
    /* Without machine code it is slower and no different. */
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    return MEDVL_OK;
}

int medvl_regex_new(struct medvl_regex **out, struct medvl_span pattern,
                    struct medvl_error *err)
{
    struct medvl_regex *regex = medvl_alloc(1, sizeof(*regex));
    struct medvl_text translated = {0};
    int rc;

    *out = NULL;
    if (!regex)
        return medvl_no_memory(err);
    if (pattern.size > PATTERN_BYTES)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "a regular expression of %zu bytes", pattern.size);
    else
        rc = medvl_regex_translate(&translated, pattern, err);
    if (rc == MEDVL_OK)
        rc = compile(regex, medvl_text_span(&translated), err);
    medvl_text_release(&translated);
    if (rc < 0) {
        medvl_regex_free(regex);
        return rc;
    }
    *out = regex;
    return MEDVL_OK;
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
