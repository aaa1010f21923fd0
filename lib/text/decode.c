/*
 * Each step makes the next list of strings from the one before.
 *
 * Read next: tokenizer.c.
 */
#include "lib/text/decode.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/part.h"
#include "lib/text/spell.h"

#define STEPS       64
#define REPLACEMENT "\xEF\xBF\xBD"

enum kind {
    BYTE_LEVEL,
    BYTE_FALLBACK,
    FUSE,
    STRIP,
    REPLACE,
    METASPACE,
    WORDPIECE,
    BPE,
    CTC,
};

struct step {
    enum kind kind;
    uint32_t character;  /* of STRIP, METASPACE */
    int64_t start, stop; /* of STRIP: characters at most */
    bool flag;           /* METASPACE: the first loses its mark; cleanup */
    struct medvl_regex *regex;
    char *text;  /* content, prefix, suffix, pad token */
    char *other; /* CTC: what is between words */
};

struct medvl_decoder_steps {
    struct step steps[STEPS];
    int count;
};

/* ---- strings ------------------------------------------------------------ */

/* End the string that was appended to strings->text. */
static int end_string(struct medvl_strings *s, struct medvl_error *err)
{
    int rc;

    if (s->text.size > MEDVL_REWRITE_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a decoded text of more than %d bytes",
                          MEDVL_REWRITE_BYTES);
    rc = medvl_grow(&s->ends, &s->capacity, s->count + 1, sizeof(*s->ends),
                    err);
    if (rc == MEDVL_OK)
        s->ends[s->count++] = s->text.size;
    return rc;
}

int medvl_strings_add(struct medvl_strings *strings, struct medvl_span text,
                      struct medvl_error *err)
{
    const int rc = medvl_text_append(&strings->text, text.data, text.size,
                                     err);

    return rc < 0 ? rc : end_string(strings, err);
}

void medvl_strings_release(struct medvl_strings *strings)
{
    medvl_text_release(&strings->text);
    medvl_free(strings->ends);
    *strings = (struct medvl_strings){0};
}

static struct medvl_span string_at(const struct medvl_strings *s, size_t i)
{
    const size_t start = i > 0 ? s->ends[i - 1] : 0;

    return (struct medvl_span){s->text.data ? s->text.data + start : "",
                               s->ends[i] - start};
}

/* Append `text` with every `from` (not empty) as `to`. */
static int append_replaced(struct medvl_text *out, struct medvl_span text,
                           struct medvl_span from, struct medvl_span to,
                           struct medvl_error *err)
{
    size_t at = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const char *found = memmem(text.data + at, text.size - at, from.data,
                                   from.size);
        const size_t end = found ? (size_t)(found - text.data) : text.size;

        rc = medvl_text_append(out, text.data + at, end - at, err);
        if (!found || rc < 0)
            break;
        rc = medvl_text_append(out, to.data, to.size, err);
        at = end + from.size;
    }
    return rc;
}

/* ---- bytes -------------------------------------------------------------- */

/*
 * How many of the bytes at `p` are the longest beginning of a character
 * that is not whole (at least 1).
 */
static size_t broken(const unsigned char *p, size_t size)
{
    size_t want = 1;

    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        want = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        want = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        want = 4;
    if (want == 1 || size == 1 || (p[1] & 0xC0) != 0x80)
        return 1;
    /* No overlong form, no surrogate, nothing above U+10FFFF. */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 1;
    return want > 3 && size > 2 && (p[2] & 0xC0) == 0x80 ? 3 : 2;
}

int medvl_append_lossy(struct medvl_text *out, struct medvl_span bytes,
                       struct medvl_error *err)
{
    const unsigned char *p = (const unsigned char *)bytes.data;
    int rc = MEDVL_OK;

    for (size_t at = 0; at < bytes.size && rc == MEDVL_OK;) {
        const size_t valid = medvl_utf8_valid(bytes.data + at,
                                              bytes.size - at);

        rc = medvl_text_append(out, bytes.data + at, valid, err);
        at += valid;
        if (rc == MEDVL_OK && at < bytes.size) {
            rc = medvl_text_puts(out, REPLACEMENT, err);
            at += broken(p + at, bytes.size - at);
        }
    }
    return rc;
}

/* Append the bytes that a token spells; its own, when it spells none. */
static int append_spelled(struct medvl_text *out, struct medvl_span token,
                          struct medvl_error *err)
{
    const int rc = medvl_spelled_bytes(out, token, err);

    return rc == 0  ? medvl_text_append(out, token.data, token.size, err)
           : rc < 0 ? rc
                    : MEDVL_OK;
}

static int byte_level(struct medvl_strings *out,
                      const struct medvl_strings *in,
                      struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    int rc = MEDVL_OK;

    for (size_t i = 0; i < in->count && rc == MEDVL_OK; i++)
        rc = append_spelled(&bytes, string_at(in, i), err);
    if (rc == MEDVL_OK)
        rc = medvl_append_lossy(&out->text, medvl_text_span(&bytes), err);
    medvl_text_release(&bytes);
    return rc == MEDVL_OK ? end_string(out, err) : rc;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "<0x00>" to "<0xFF>" stand for, or -1. */
static int byte_of(struct medvl_span token)
{
    const char *p = token.data;
    int high, low;

    if (token.size != 6 || memcmp(p, "<0x", 3) != 0 || p[5] != '>')
        return -1;
    high = hex_digit(p[3]);
    low = hex_digit(p[4]);
    if (p[3] == '+') /* a sign and one digit are a number there */
        return low;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* A run of bytes: as text if it is one, else U+FFFD for each. */
static int end_bytes(struct medvl_strings *out, struct medvl_text *bytes,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (bytes->size == 0)
        return MEDVL_OK;
    if (medvl_utf8_valid(bytes->data, bytes->size) == bytes->size) {
        rc = medvl_strings_add(out, medvl_text_span(bytes), err);
    } else {
        for (size_t i = 0; i < bytes->size && rc == MEDVL_OK; i++)
            rc = medvl_strings_add(out, medvl_span(REPLACEMENT), err);
    }
    medvl_text_clear(bytes);
    return rc;
}

static int byte_fallback(struct medvl_strings *out,
                         const struct medvl_strings *in,
                         struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    int rc = MEDVL_OK;

    for (size_t i = 0; i < in->count && rc == MEDVL_OK; i++) {
        const struct medvl_span token = string_at(in, i);
        const int byte = byte_of(token);

        if (byte >= 0) {
            rc = medvl_text_putc(&bytes, (char)byte, err);
            continue;
        }
        rc = end_bytes(out, &bytes, err);
        if (rc == MEDVL_OK)
            rc = medvl_strings_add(out, token, err);
    }
    if (rc == MEDVL_OK)
        rc = end_bytes(out, &bytes, err);
    medvl_text_release(&bytes);
    return rc;
}

/* ---- the other steps, token by token ------------------------------------ */

/* Take up to `start` of the character from the front, `stop` behind. */
static int strip(struct medvl_strings *out, const struct step *step,
                 struct medvl_span token, struct medvl_error *err)
{
    char mark[4];
    const size_t size = (size_t)medvl_utf8_encode(mark, step->character);
    size_t from = 0;
    size_t to = token.size;

    for (int64_t i = 0; i < step->start && to - from >= size &&
                        memcmp(token.data + from, mark, size) == 0;
         i++)
        from += size;
    for (int64_t i = 0; i < step->stop && to - from >= size &&
                        memcmp(token.data + to - size, mark, size) == 0;
         i++)
        to -= size;
    return medvl_strings_add(
        out, (struct medvl_span){token.data + from, to - from}, err);
}

static int replace(struct medvl_strings *out, const struct step *step,
                   struct medvl_regex_scratch *scratch,
                   struct medvl_span token, struct medvl_error *err)
{
    struct medvl_matches m = {.text = token};
    size_t kept = 0;
    int found = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        found = medvl_regex_next(step->regex, scratch, &m, err);
        if (found <= 0)
            break;
        rc = medvl_text_append(&out->text, token.data + kept, m.start - kept,
                               err);
        if (rc == MEDVL_OK)
            rc = medvl_text_puts(&out->text, step->text, err);
        if (rc == MEDVL_OK && out->text.size > MEDVL_REWRITE_BYTES)
            break;
        kept = m.end;
    }
    if (found < 0 || rc < 0)
        return found < 0 ? found : rc;
    rc = medvl_text_append(&out->text, token.data + kept, token.size - kept,
                           err);
    return rc == MEDVL_OK ? end_string(out, err) : rc;
}

/* Marks are spaces; those of the first token are nothing. */
static int metaspace(struct medvl_strings *out, const struct step *step,
                     struct medvl_span token, bool first,
                     struct medvl_error *err)
{
    char mark[4];
    const struct medvl_span from = {
        mark, (size_t)medvl_utf8_encode(mark, step->character)};
    const int rc = append_replaced(
        &out->text, token, from,
        medvl_span(first && step->flag ? "" : " "), err);

    return rc == MEDVL_OK ? end_string(out, err) : rc;
}

/* What tokenizers cleans up: spaces before signs, short forms. */
static int clean_up(struct medvl_text *text, struct medvl_error *err)
{
    static const char *const RULES[][2] = {
        {" .", "."},
        {" ?", "?"},
        {" !", "!"},
        {" ,", ","},
        {" ' ", "'"},
        {" n't", "n't"},
        {" 'm", "'m"},
        {" do not", " don't"},
        {" 's", "'s"},
        {" 've", "'ve"},
        {" 're", "'re"},
    };
    struct medvl_text next = {0};
    int rc = MEDVL_OK;

    for (size_t i = 0;
         i < sizeof(RULES) / sizeof(RULES[0]) && rc == MEDVL_OK; i++) {
        const struct medvl_span from = medvl_span(RULES[i][0]);
        struct medvl_text swap;

        if (text->size == 0 ||
            !memmem(text->data, text->size, from.data, from.size))
            continue;
        medvl_text_clear(&next);
        rc = append_replaced(&next, medvl_text_span(text), from,
                             medvl_span(RULES[i][1]), err);
        swap = *text;
        *text = next;
        next = swap;
    }
    medvl_text_release(&next);
    return rc;
}

static bool starts_with(struct medvl_span token, const char *prefix)
{
    const size_t size = strlen(prefix);

    return token.size >= size && memcmp(token.data, prefix, size) == 0;
}

static int wordpiece(struct medvl_strings *out, const struct step *step,
                     struct medvl_text *scratch, struct medvl_span token,
                     bool first, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    medvl_text_clear(scratch);
    if (!first && starts_with(token, step->text)) {
        token.data += strlen(step->text);
        token.size -= strlen(step->text);
    } else if (!first) {
        rc = medvl_text_putc(scratch, ' ', err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_append(scratch, token.data, token.size, err);
    if (rc == MEDVL_OK && step->flag)
        rc = clean_up(scratch, err);
    return rc == MEDVL_OK
               ? medvl_strings_add(out, medvl_text_span(scratch), err)
               : rc;
}

/* The suffix is a space, at the very end nothing. */
static int bpe(struct medvl_strings *out, const struct step *step,
               struct medvl_span token, bool last, struct medvl_error *err)
{
    const int rc = append_replaced(&out->text, token, medvl_span(step->text),
                                   medvl_span(last ? "" : " "), err);

    return rc == MEDVL_OK ? end_string(out, err) : rc;
}

static int ctc(struct medvl_strings *out, const struct step *step,
               struct medvl_text *scratch, struct medvl_span token,
               struct medvl_error *err)
{
    const size_t before = out->text.size;
    int rc;

    medvl_text_clear(scratch);
    rc = append_replaced(scratch, token, medvl_span(step->text),
                         (struct medvl_span){"", 0}, err);
    if (rc == MEDVL_OK && step->flag) {
        rc = clean_up(scratch, err);
        if (rc == MEDVL_OK)
            rc = append_replaced(&out->text, medvl_text_span(scratch),
                                 medvl_span(step->other), medvl_span(" "),
                                 err);
    } else if (rc == MEDVL_OK) {
        rc = medvl_text_append(&out->text, scratch->data, scratch->size,
                               err);
    }
    if (rc < 0 || out->text.size == before)
        return rc;
    return end_string(out, err);
}

/* ---- the run ------------------------------------------------------------ */

static int run_tokens(const struct step *step, struct medvl_strings *out,
                      const struct medvl_strings *in,
                      struct medvl_regex_scratch *scratch,
                      struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = MEDVL_OK;

    for (size_t i = 0; i < in->count && rc == MEDVL_OK; i++) {
        const struct medvl_span token = string_at(in, i);
        const bool first = i == 0;

        if (step->kind == STRIP)
            rc = strip(out, step, token, err);
        else if (step->kind == REPLACE)
            rc = replace(out, step, scratch, token, err);
        else if (step->kind == METASPACE)
            rc = metaspace(out, step, token, first, err);
        else if (step->kind == WORDPIECE)
            rc = wordpiece(out, step, &text, token, first, err);
        else if (step->kind == BPE)
            rc = bpe(out, step, token, i + 1 == in->count, err);
        else if (first || !medvl_span_equal(token, string_at(in, i - 1)))
            rc = ctc(out, step, &text, token, err);
    }
    medvl_text_release(&text);
    return rc;
}

static int run(const struct step *step, struct medvl_strings *out,
               const struct medvl_strings *in,
               struct medvl_regex_scratch *scratch, struct medvl_error *err)
{
    switch (step->kind) {
    case BYTE_LEVEL:
        return byte_level(out, in, err);
    case BYTE_FALLBACK:
        return byte_fallback(out, in, err);
    case FUSE:
        return medvl_strings_add(out, medvl_text_span(&in->text), err);
    default:
        return run_tokens(step, out, in, scratch, err);
    }
}

/* Without steps: a space between tokens. */
static int join(struct medvl_text *out, const struct medvl_strings *strings,
                struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t i = 0; i < strings->count && rc == MEDVL_OK; i++) {
        const struct medvl_span token = string_at(strings, i);

        if (i > 0)
            rc = medvl_text_putc(out, ' ', err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(out, token.data, token.size, err);
    }
    return rc;
}

int medvl_decoder_steps_run(const struct medvl_decoder_steps *steps,
                            struct medvl_text *out,
                            struct medvl_strings *strings,
                            struct medvl_error *err)
{
    struct medvl_strings next = {0};
    struct medvl_regex_scratch *scratch = NULL;
    int rc = MEDVL_OK;

    if (steps->count == 0)
        return join(out, strings, err);
    for (int i = 0; i < steps->count && rc == MEDVL_OK; i++) {
        struct medvl_strings swap;

        if (steps->steps[i].regex && !scratch)
            rc = medvl_regex_scratch_new(&scratch, err);
        next.count = 0;
        medvl_text_clear(&next.text);
        if (rc == MEDVL_OK)
            rc = run(&steps->steps[i], &next, strings, scratch, err);
        swap = *strings;
        *strings = next;
        next = swap;
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_append(out, strings->text.data, strings->text.size,
                               err);
    medvl_regex_scratch_free(scratch);
    medvl_strings_release(&next);
    return rc;
}

bool medvl_decoder_steps_are_bytes(const struct medvl_decoder_steps *steps)
{
    return steps->count == 1 && steps->steps[0].kind == BYTE_LEVEL;
}

/* ---- reading ------------------------------------------------------------ */

/* A text of at least one character. */
static int read_mark(char **out, const struct medvl_json *json,
                     const char *name, struct medvl_error *err)
{
    const int rc = medvl_part_text(out, json, name, err);

    if (rc < 0 || (*out)[0])
        return rc;
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "an empty \"%s\"", name);
}

static int read_strip(struct step *step, const struct medvl_json *json,
                      struct medvl_error *err)
{
    int rc = medvl_part_character(&step->character, json, "content", err);

    step->kind = STRIP;
    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&step->start, json, "start", 0, INT32_MAX,
                                err);
    if (rc == MEDVL_OK)
        rc = medvl_json_get_int(&step->stop, json, "stop", 0, INT32_MAX,
                                err);
    return rc;
}

static int read_metaspace(struct step *step, const struct medvl_json *json,
                          struct medvl_error *err)
{
    const struct medvl_json *prefix = medvl_json_get(json,
                                                     "add_prefix_space");
    const struct medvl_json *value = medvl_json_get(json, "prepend_scheme");
    const char *scheme = medvl_json_string(value);

    step->kind = METASPACE;
    step->flag = !scheme || strcmp(scheme, "never") != 0;
    if (medvl_json_type(prefix) == MEDVL_JSON_BOOL &&
        !medvl_json_true(prefix))
        step->flag = false;
    return medvl_part_character(&step->character, json, "replacement", err);
}

static int read_ctc(struct step *step, const struct medvl_json *json,
                    struct medvl_error *err)
{
    int rc = read_mark(&step->text, json, "pad_token", err);

    step->kind = CTC;
    step->flag = medvl_part_flag(json, "cleanup");
    if (rc == MEDVL_OK)
        rc = read_mark(&step->other, json, "word_delimiter_token", err);
    return rc;
}

static int read_replace(struct step *step, const struct medvl_json *json,
                        struct medvl_error *err)
{
    int rc = medvl_pattern_read(&step->regex,
                                medvl_json_get(json, "pattern"), err);

    step->kind = REPLACE;
    if (rc == MEDVL_OK)
        rc = medvl_part_text(&step->text, json, "content", err);
    return rc;
}

static int read_kind(struct step *step, const struct medvl_json *json,
                     struct medvl_error *err)
{
    const char *type = medvl_part_type(json);

    if (strcmp(type, "ByteLevel") == 0)
        step->kind = BYTE_LEVEL;
    else if (strcmp(type, "ByteFallback") == 0)
        step->kind = BYTE_FALLBACK;
    else if (strcmp(type, "Fuse") == 0)
        step->kind = FUSE;
    else if (strcmp(type, "Strip") == 0)
        return read_strip(step, json, err);
    else if (strcmp(type, "Replace") == 0)
        return read_replace(step, json, err);
    else if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(step, json, err);
    else if (strcmp(type, "CTC") == 0)
        return read_ctc(step, json, err);
    else if (strcmp(type, "BPEDecoder") == 0) {
        step->kind = BPE;
        return read_mark(&step->text, json, "suffix", err);
    } else if (strcmp(type, "WordPiece") == 0) {
        step->kind = WORDPIECE;
        step->flag = medvl_part_flag(json, "cleanup");
        return medvl_part_text(&step->text, json, "prefix", err);
    } else {
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
    }
    return MEDVL_OK;
}

static void release(struct step *step)
{
    medvl_regex_free(step->regex);
    medvl_free(step->text);
    medvl_free(step->other);
}

static int read_step(void *self, const struct medvl_json *json,
                     struct medvl_error *err)
{
    struct medvl_decoder_steps *steps = self;
    struct step step = {0};
    int rc = read_kind(&step, json, err);

    if (rc == MEDVL_OK && steps->count == STEPS)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d steps",
                        STEPS);
    if (rc < 0)
        release(&step);
    else
        steps->steps[steps->count++] = step;
    return rc;
}

int medvl_decoder_steps_new(struct medvl_decoder_steps **out,
                            const struct medvl_json *json,
                            struct medvl_error *err)
{
    struct medvl_decoder_steps *steps = medvl_alloc(1, sizeof(*steps));
    int rc;

    *out = NULL;
    if (!steps)
        return medvl_no_memory(err);
    rc = medvl_parts_read(json, "decoders", read_step, steps, err);
    if (rc < 0) {
        medvl_decoder_steps_free(steps);
        return medvl_context(err, "decoder");
    }
    *out = steps;
    return MEDVL_OK;
}

void medvl_decoder_steps_free(struct medvl_decoder_steps *steps)
{
    if (!steps)
        return;
    for (int i = 0; i < steps->count; i++)
        release(&steps->steps[i]);
    medvl_free(steps);
}
