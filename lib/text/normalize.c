/*
 * The steps.  Each first looks for a place that it changes, and leaves a
 * text without one as it is.
 *
 * Read next: pretokenize.c.
 */
#include "lib/text/normalize.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/charsmap.h"
#include "lib/text/part.h"
#include "lib/text/spell.h"
#include "lib/text/unicode.h"

#define STEPS 64

enum kind {
    FORM,
    LOWER,
    STRIP,
    STRIP_MARKS,      /* all of them */
    STRIP_NONSPACING, /* BERT's accents */
    CLEAN,            /* BERT: no control characters, one kind of space */
    CHINESE,          /* BERT: spaces around */
    PREPEND,
    REPLACE,
    NMT,
    CHARSMAP,
    BYTES,
};

struct step {
    enum kind kind;
    enum medvl_form form;
    bool left, right; /* of STRIP */
    struct medvl_regex *regex;
    struct medvl_charsmap *map;
    char *text; /* what is put in */
};

struct medvl_normalizer {
    struct step steps[STEPS];
    int count;
};

int medvl_normalize_bytes(struct medvl_rewrite *r, size_t from, size_t to,
                          struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t at = from; at < to && rc == MEDVL_OK;) {
        const char *text = r->text.data;
        const size_t start = at;
        char spelled[4];
        int size;

        /* Most are spelled by themselves. */
        while (at < to && text[at] > ' ' && text[at] < 0x7F)
            at++;
        rc = medvl_rewrite_keep(r, start, at, err);
        if (rc < 0 || at == to)
            break;
        size = medvl_utf8_encode(spelled,
                                 medvl_byte_rune((unsigned char)text[at]));
        rc = medvl_rewrite_put(
            r, (struct medvl_span){spelled, (size_t)size}, at, at + 1, err);
        at++;
    }
    return rc;
}

/* ---- steps that look at one character ----------------------------------- */

#define GONE 0 /* characters that come of one that is removed */

/*
 * The characters that come of one: how many (GONE: none, it is removed).
 * `out[0]` alone and the same: it stays.
 */
static int change(enum kind kind, uint32_t out[3], uint32_t c)
{
    out[0] = c;
    switch (kind) {
    case LOWER:
        return medvl_unicode_lower_case(out, c);
    case STRIP_MARKS:
        return medvl_unicode_is(MEDVL_SET_MARK, c) ? GONE : 1;
    case STRIP_NONSPACING:
        return medvl_unicode_is(MEDVL_SET_NONSPACING, c) ? GONE : 1;
    case CLEAN:
        if (c == 0 || c == 0xFFFD || medvl_unicode_is(MEDVL_SET_CONTROL, c))
            return GONE;
        if (medvl_unicode_is_space(c))
            out[0] = ' ';
        return 1;
    case CHINESE:
        if (!((c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
              (c >= 0x20000 && c <= 0x2A6DF) ||
              (c >= 0x2A700 && c <= 0x2B81F) ||
              (c >= 0x2B920 && c <= 0x2CEAF) ||
              (c >= 0xF900 && c <= 0xFAFF) ||
              (c >= 0x2F800 && c <= 0x2FA1F)))
            return 1;
        out[0] = ' ';
        out[1] = c;
        out[2] = ' ';
        return 3;
    default: /* NMT */
        if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) ||
            c == 0x7F || c == 0x8F || c == 0x9F)
            return GONE;
        if (c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
            (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
            c == 0x2581 || c == 0xFEFF || c == 0xFFFD)
            out[0] = ' ';
        return 1;
    }
}

/* Printable ASCII that most texts are made of. */
static bool is_plain(enum kind kind, unsigned char c)
{
    return c >= ' ' && c < 0x7F &&
           (kind != LOWER || c < 'A' || c > 'Z');
}

static int change_each(struct medvl_rewrite *r, enum kind kind,
                       struct medvl_error *err)
{
    const struct medvl_span text = r->text;
    size_t kept = 0;
    bool changed = false;
    int rc = MEDVL_OK;

    for (size_t at = 0; at < text.size && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        uint32_t to[3];
        size_t end;
        int count;

        if (is_plain(kind, (unsigned char)text.data[at])) {
            at++;
            continue;
        }
        end = at + (size_t)medvl_utf8_decode(&rune, text.data + at,
                                             text.size - at);
        count = change(kind, to, rune);
        if (count == 1 && to[0] == rune) {
            at = end;
            continue;
        }
        if (!changed)
            rc = medvl_rewrite_start(r, err);
        changed = true;
        if (rc == MEDVL_OK)
            rc = medvl_rewrite_keep(r, kept, at, err);
        for (int i = 0; i < count && rc == MEDVL_OK; i++) {
            char bytes[4];
            const int size = medvl_utf8_encode(bytes, to[i]);

            rc = medvl_rewrite_put(
                r, (struct medvl_span){bytes, (size_t)size}, at, end, err);
        }
        kept = at = end;
    }
    if (changed && rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, kept, text.size, err);
    if (changed && rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

/* ---- the other steps ---------------------------------------------------- */

/* Bytes of the first character. */
static size_t first_size(struct medvl_span text)
{
    uint32_t rune;

    return (size_t)medvl_utf8_decode(&rune, text.data, text.size);
}

/*
 * Characters that became others together: each of these begins where
 * Hugging Face has it.
 */
static int align(struct medvl_rewrite *r, enum medvl_form form,
                 const struct medvl_nfc_change *c, struct medvl_error *err)
{
    const struct medvl_span from = {r->text.data + c->from, c->from_size};
    const struct medvl_span to = {r->scratch.data + c->to, c->to_size};
    uint32_t *starts;
    int rc;

    if (first_size(from) == from.size || first_size(to) == to.size)
        return MEDVL_OK; /* one becomes some, or some one */
    starts = medvl_alloc(to.size, sizeof(*starts));
    if (!starts)
        return medvl_no_memory(err);
    rc = medvl_unicode_starts(starts, to.size, form, from, err);
    for (size_t i = 0; i < to.size && rc == MEDVL_OK; i++)
        r->next_origins[r->next.size - to.size + i].start =
            medvl_rewrite_own_start(r, c->from + starts[i]);
    medvl_free(starts);
    return rc;
}

/* What a function of unicode.h or charsmap.h replaced. */
static int take_changes(struct medvl_rewrite *r, const struct step *step,
                        struct medvl_error *err)
{
    size_t kept = 0;
    int rc;

    if (r->changes.count == 0)
        return MEDVL_OK;
    rc = medvl_rewrite_start(r, err);
    for (size_t i = 0; i < r->changes.count && rc == MEDVL_OK; i++) {
        const struct medvl_nfc_change *c = &r->changes.items[i];

        rc = medvl_rewrite_keep(r, kept, c->from, err);
        kept = c->from + c->from_size;
        if (rc == MEDVL_OK)
            rc = medvl_rewrite_put(
                r, (struct medvl_span){r->scratch.data + c->to, c->to_size},
                c->from, kept, err);
        if (rc == MEDVL_OK && step->kind == FORM)
            rc = align(r, step->form, c, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, kept, r->text.size, err);
    /* A map that removes the beginning is not noticed there. */
    if (rc == MEDVL_OK && step->kind == CHARSMAP && r->next.size > 0 &&
        r->changes.items[0].from == 0 && r->changes.items[0].to_size == 0)
        for (size_t i = first_size(medvl_text_span(&r->next)); i > 0; i--)
            r->next_origins[i - 1].start = medvl_rewrite_own_start(r, 0);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

static int strip(struct medvl_rewrite *r, const struct step *step,
                 struct medvl_error *err)
{
    const char *p = r->text.data;
    size_t start = 0;
    size_t end = r->text.size;
    uint32_t rune;
    int rc;

    while (step->left && start < end) {
        const int size = medvl_utf8_decode(&rune, p + start, end - start);

        if (!medvl_unicode_is_space(rune))
            break;
        start += (size_t)size;
    }
    while (step->right && end > start) {
        size_t at = end - 1;

        while (at > start && (p[at] & 0xC0) == 0x80)
            at--;
        (void)medvl_utf8_decode(&rune, p + at, end - at);
        if (!medvl_unicode_is_space(rune))
            break;
        end = at;
    }
    if (start == 0 && end == r->text.size)
        return MEDVL_OK;
    rc = medvl_rewrite_start(r, err);
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, start, end, err);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

static int prepend(struct medvl_rewrite *r, const char *text,
                   struct medvl_error *err)
{
    int rc;

    if (r->text.size == 0)
        return MEDVL_OK;
    rc = medvl_rewrite_start(r, err);
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_put(r, medvl_span(text), 0, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, 0, r->text.size, err);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

/* The next match that is not what it is replaced by already. */
static int next_other(const struct step *step,
                      struct medvl_regex_scratch *scratch,
                      struct medvl_matches *m, struct medvl_span to,
                      struct medvl_error *err)
{
    for (;;) {
        const int found = medvl_regex_next(step->regex, scratch, m, err);

        /* One byte for itself leaves the alignment as it is, too. */
        if (found <= 0 || to.size != 1 || m->end - m->start != 1 ||
            m->text.data[m->start] != *to.data)
            return found;
    }
}

static int replace(struct medvl_rewrite *r,
                   struct medvl_regex_scratch *scratch,
                   const struct step *step, struct medvl_error *err)
{
    struct medvl_matches m = {.text = r->text};
    const struct medvl_span to = medvl_span(step->text);
    size_t kept = 0;
    int found = next_other(step, scratch, &m, to, err);
    int rc;

    if (found <= 0)
        return found;
    rc = medvl_rewrite_start(r, err);
    while (found > 0 && rc == MEDVL_OK) {
        rc = medvl_rewrite_keep(r, kept, m.start, err);
        if (rc == MEDVL_OK)
            rc = medvl_rewrite_put(r, to, m.start, m.end, err);
        /* As aligned there: with the character before the match's end. */
        for (size_t i = 1; i <= to.size && rc == MEDVL_OK; i++)
            r->next_origins[r->next.size - i].start =
                m.end > 0 ? medvl_rewrite_own_start(r, m.end - 1) : 0;
        kept = m.end;
        if (rc == MEDVL_OK)
            found = next_other(step, scratch, &m, to, err);
    }
    if (found < 0)
        return found;
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, kept, r->text.size, err);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

static int all_bytes(struct medvl_rewrite *r, struct medvl_error *err)
{
    int rc = medvl_rewrite_start(r, err);

    if (rc == MEDVL_OK)
        rc = medvl_normalize_bytes(r, 0, r->text.size, err);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

static int run(const struct step *step, struct medvl_regex_scratch *scratch,
               struct medvl_rewrite *r, struct medvl_error *err)
{
    int rc;

    switch (step->kind) {
    case FORM:
        rc = medvl_unicode_normalize(&r->scratch, &r->changes, step->form,
                                     r->text, err);
        return rc < 0 ? rc : take_changes(r, step, err);
    case CHARSMAP:
        rc = medvl_charsmap_normalize(step->map, &r->scratch, &r->changes,
                                      r->text, err);
        return rc < 0 ? rc : take_changes(r, step, err);
    case STRIP:
        return strip(r, step, err);
    case PREPEND:
        return prepend(r, step->text, err);
    case REPLACE:
        return replace(r, scratch, step, err);
    case BYTES:
        return all_bytes(r, err);
    default:
        return change_each(r, step->kind, err);
    }
}

int medvl_normalizer_run(const struct medvl_normalizer *normalizer,
                         struct medvl_regex_scratch *scratch,
                         struct medvl_rewrite *r, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int i = 0; i < normalizer->count && rc == MEDVL_OK; i++)
        rc = run(&normalizer->steps[i], scratch, r, err);
    return rc;
}

bool medvl_normalizer_is_empty(const struct medvl_normalizer *normalizer)
{
    return normalizer->count == 0;
}

/* ---- reading ------------------------------------------------------------ */

static int add(struct medvl_normalizer *n, struct step step,
               struct medvl_error *err)
{
    if (n->count == STEPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d steps",
                          STEPS);
    n->steps[n->count++] = step;
    return MEDVL_OK;
}

static int read_bert(struct medvl_normalizer *n,
                     const struct medvl_json *json, struct medvl_error *err)
{
    const struct medvl_json *accents = medvl_json_get(json, "strip_accents");
    const bool lower = medvl_part_flag(json, "lowercase");
    const bool strip = medvl_json_type(accents) == MEDVL_JSON_BOOL
                           ? medvl_json_true(accents)
                           : lower;
    int rc = MEDVL_OK;

    if (medvl_part_flag(json, "clean_text"))
        rc = add(n, (struct step){.kind = CLEAN}, err);
    if (rc == MEDVL_OK && medvl_part_flag(json, "handle_chinese_chars"))
        rc = add(n, (struct step){.kind = CHINESE}, err);
    if (rc == MEDVL_OK && strip)
        rc = add(n, (struct step){.kind = FORM, .form = MEDVL_FORM_D}, err);
    if (rc == MEDVL_OK && strip)
        rc = add(n, (struct step){.kind = STRIP_NONSPACING}, err);
    if (rc == MEDVL_OK && lower)
        rc = add(n, (struct step){.kind = LOWER}, err);
    return rc;
}

/* What base64 stands for, appended to `out`. */
static int decode_base64(struct medvl_text *out, const char *text,
                         struct medvl_error *err)
{
    static const char DIGITS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    int rc = MEDVL_OK;

    for (; *text && *text != '=' && rc == MEDVL_OK; text++) {
        const char *at = strchr(DIGITS, *text);

        if (!at)
            return medvl_fail(err, MEDVL_EFORMAT, "no base64");
        bits = bits << 6 | (uint32_t)(at - DIGITS);
        count += 6;
        if (count >= 8) {
            count -= 8;
            rc = medvl_text_putc(out, (char)(bits >> count & 0xFF), err);
        }
    }
    return rc;
}

static int read_precompiled(struct step *step, const struct medvl_json *json,
                            struct medvl_error *err)
{
    const struct medvl_json *map = medvl_json_get(json,
                                                  "precompiled_charsmap");
    const char *text = medvl_json_string(map);
    struct medvl_text bytes = {0};
    int rc = decode_base64(&bytes, text ? text : "", err);

    if (rc == MEDVL_OK)
        rc = medvl_charsmap_new(&step->map, medvl_text_span(&bytes), err);
    medvl_text_release(&bytes);
    return rc < 0 ? medvl_context(err, "precompiled_charsmap") : rc;
}

/* Types that have no members. */
static bool find_simple(struct step *step, const char *type)
{
    static const struct {
        const char *type;
        enum kind kind;
        enum medvl_form form;
    } SIMPLE[] = {
        {"NFC", FORM, MEDVL_FORM_C},
        {"NFD", FORM, MEDVL_FORM_D},
        {"NFKC", FORM, MEDVL_FORM_KC},
        {"NFKD", FORM, MEDVL_FORM_KD},
        {"Lowercase", LOWER, 0},
        {"StripAccents", STRIP_MARKS, 0},
        {"Nmt", NMT, 0},
        {"ByteLevel", BYTES, 0},
    };

    for (size_t i = 0; i < sizeof(SIMPLE) / sizeof(SIMPLE[0]); i++) {
        if (strcmp(SIMPLE[i].type, type) == 0) {
            step->kind = SIMPLE[i].kind;
            step->form = SIMPLE[i].form;
            return true;
        }
    }
    return false;
}

static int read_step(void *self, const struct medvl_json *json,
                     struct medvl_error *err)
{
    struct medvl_normalizer *n = self;
    const char *type = medvl_part_type(json);
    struct step step = {0};
    int rc = MEDVL_OK;

    if (strcmp(type, "BertNormalizer") == 0)
        return read_bert(n, json, err);
    if (strcmp(type, "Strip") == 0) {
        step.kind = STRIP;
        step.left = medvl_part_flag(json, "strip_left");
        step.right = medvl_part_flag(json, "strip_right");
    } else if (strcmp(type, "Prepend") == 0) {
        step.kind = PREPEND;
        rc = medvl_part_text(&step.text, json, "prepend", err);
    } else if (strcmp(type, "Replace") == 0) {
        step.kind = REPLACE;
        rc = medvl_pattern_read(&step.regex,
                                medvl_json_get(json, "pattern"), err);
        if (rc == MEDVL_OK)
            rc = medvl_part_text(&step.text, json, "content", err);
    } else if (strcmp(type, "Precompiled") == 0) {
        step.kind = CHARSMAP;
        rc = read_precompiled(&step, json, err);
    } else if (!find_simple(&step, type)) {
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
    }
    if (rc == MEDVL_OK)
        rc = add(n, step, err);
    if (rc < 0) {
        medvl_regex_free(step.regex);
        medvl_charsmap_free(step.map);
        medvl_free(step.text);
    }
    return rc;
}

int medvl_normalizer_new(struct medvl_normalizer **out,
                         const struct medvl_json *json,
                         struct medvl_error *err)
{
    struct medvl_normalizer *n = medvl_alloc(1, sizeof(*n));
    int rc;

    *out = NULL;
    if (!n)
        return medvl_no_memory(err);
    rc = medvl_parts_read(json, "normalizers", read_step, n, err);
    if (rc < 0) {
        medvl_normalizer_free(n);
        return medvl_context(err, "normalizer");
    }
    *out = n;
    return MEDVL_OK;
}

void medvl_normalizer_free(struct medvl_normalizer *normalizer)
{
    if (!normalizer)
        return;
    for (int i = 0; i < normalizer->count; i++) {
        medvl_regex_free(normalizer->steps[i].regex);
        medvl_charsmap_free(normalizer->steps[i].map);
        medvl_free(normalizer->steps[i].text);
    }
    medvl_free(normalizer);
}
