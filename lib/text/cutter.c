/*
 * Each step goes over all pieces.  One that cuts first finds segments, which
 * match or do not, then puts them together as its behaviour says; one that
 * rewrites writes every piece anew.
 *
 * Read next: wordbpe.c.
 */
#include "lib/text/cutter.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/part.h"
#include "lib/text/pretokenize.h"
#include "lib/text/unicode.h"

#define STEPS 64
#define KEPT  (1 << 14) /* pieces for which the room stays */

enum kind {
    REGEX,
    SPACE,       /* white space */
    PUNCTUATION, /* each sign */
    DIGIT,       /* each number */
    CHARACTER,   /* each `character` */
    WORDS,       /* words, and signs between */
    SCRIPTS,     /* where the script changes */
    LENGTH,      /* every `length` characters */
    PREFIX,      /* a space in front of each piece */
    METASPACE,   /* `character` for spaces, and in front */
    BYTES,       /* each byte as the character that spells it */
};

enum behaviour { REMOVED,
                 ISOLATED,
                 WITH_PREVIOUS,
                 WITH_NEXT,
                 CONTIGUOUS };

enum scheme { NEVER,
              FIRST,
              ALWAYS };

struct step {
    enum kind kind;
    enum behaviour behaviour;
    enum scheme scheme; /* of METASPACE */
    bool invert;
    struct medvl_regex *regex;
    bool keeps_letters; /* the regex, GPT-2's, never cuts between two */
    uint32_t character;
    size_t length;
};

struct medvl_cutter {
    struct step steps[STEPS];
    int count;
};

/* ---- pieces ------------------------------------------------------------- */

void medvl_pieces_release(struct medvl_pieces *pieces)
{
    medvl_free(pieces->starts);
    medvl_free(pieces->ends);
    medvl_free(pieces->next.starts);
    medvl_free(pieces->next.ends);
    medvl_free(pieces->segments);
    *pieces = (struct medvl_pieces){0};
}

void medvl_pieces_shrink(struct medvl_pieces *pieces)
{
    if (pieces->capacity > KEPT || pieces->next.capacity > KEPT ||
        pieces->segment_capacity > KEPT)
        medvl_pieces_release(pieces);
}

/* Add a piece to the next step's, unless it is empty. */
static int add_piece(struct medvl_pieces *p, size_t start, size_t end,
                     struct medvl_error *err)
{
    const size_t need = p->next.count + 1;
    int rc = MEDVL_OK;

    if (start == end)
        return MEDVL_OK;
    if (need > p->next.capacity)
        rc = medvl_grow(&p->next.starts, &p->next.capacity, need,
                        sizeof(*p->next.starts), err);
    if (rc == MEDVL_OK && need > p->next.ends_capacity)
        rc = medvl_grow(&p->next.ends, &p->next.ends_capacity, need,
                        sizeof(*p->next.ends), err);
    if (rc < 0)
        return rc;
    p->next.starts[p->next.count] = start;
    p->next.ends[p->next.count++] = end;
    return MEDVL_OK;
}

/* The next step's pieces become the pieces. */
static void take_next(struct medvl_pieces *p)
{
    size_t *const starts = p->starts;
    size_t *const ends = p->ends;
    const size_t capacity = p->capacity;
    const size_t ends_capacity = p->ends_capacity;

    p->starts = p->next.starts;
    p->ends = p->next.ends;
    p->count = p->next.count;
    p->capacity = p->next.capacity;
    p->ends_capacity = p->next.ends_capacity;
    p->next.starts = starts;
    p->next.ends = ends;
    p->next.count = 0;
    p->next.capacity = capacity;
    p->next.ends_capacity = ends_capacity;
}

static int add_segment(struct medvl_pieces *p, size_t start, size_t end,
                       bool match, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (p->segment_count == p->segment_capacity)
        rc = medvl_grow(&p->segments, &p->segment_capacity,
                        p->segment_count + 1, sizeof(*p->segments), err);
    if (rc == MEDVL_OK)
        p->segments[p->segment_count++] = (struct medvl_segment){start, end,
                                                                 match};
    return rc;
}

/* ---- finding segments --------------------------------------------------- */

static int find_regex(struct medvl_pieces *p, const struct step *step,
                      struct medvl_regex_scratch *scratch,
                      struct medvl_span text, size_t start, size_t end,
                      struct medvl_error *err)
{
    struct medvl_matches m = {.text = {text.data + start, end - start}};
    size_t last = start;
    int found = 0;
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        found = medvl_regex_next(step->regex, scratch, &m, err);
        if (found <= 0)
            break;
        if (start + m.start > last)
            rc = add_segment(p, last, start + m.start, step->invert, err);
        last = start + m.end;
        if (rc == MEDVL_OK)
            rc = add_segment(p, start + m.start, last, !step->invert, err);
    }
    if (found < 0)
        return found;
    if (rc == MEDVL_OK && last < end)
        rc = add_segment(p, last, end, step->invert, err);
    return rc;
}

static bool is_match(const struct step *step, uint32_t rune)
{
    switch (step->kind) {
    case SPACE:
        return medvl_unicode_is_space(rune);
    case PUNCTUATION:
        return medvl_unicode_is(MEDVL_SET_PUNCTUATION, rune);
    case DIGIT:
        return medvl_unicode_is(MEDVL_SET_NUMERIC, rune);
    default:
        return rune == step->character;
    }
}

/* Every character that matches is a segment of its own. */
static int find_characters(struct medvl_pieces *p, const struct step *step,
                           struct medvl_span text, size_t start, size_t end,
                           struct medvl_error *err)
{
    size_t last = start;
    int rc = MEDVL_OK;

    for (size_t at = start; at < end && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        const size_t here = at;

        at += (size_t)medvl_utf8_decode(&rune, text.data + at, end - at);
        if (!is_match(step, rune))
            continue;
        if (here > last)
            rc = add_segment(p, last, here, false, err);
        if (rc == MEDVL_OK)
            rc = add_segment(p, here, at, true, err);
        last = at;
    }
    if (rc == MEDVL_OK && last < end)
        rc = add_segment(p, last, end, false, err);
    return rc;
}

/* ---- putting segments together ------------------------------------------ */

/* Does the segment go on the piece that the one before it is in? */
static bool joins(enum behaviour behaviour, const struct medvl_segment *now,
                  bool first, bool before)
{
    switch (behaviour) {
    case CONTIGUOUS:
        return !first && now->match == before;
    case WITH_PREVIOUS:
        return !first && now->match && !before;
    default:
        return false;
    }
}

/*
 * With the next one, a match joins what follows it, unless that is a match
 * too.
 */
static int join_next(struct medvl_pieces *p, struct medvl_error *err)
{
    const size_t count = p->segment_count;
    const struct medvl_segment *s = p->segments;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const size_t start = s[i].start;

        if (s[i].match && i + 1 < count && !s[i + 1].match)
            i++;
        rc = add_piece(p, start, s[i].end, err);
    }
    return rc;
}

static int join_segments(struct medvl_pieces *p, enum behaviour behaviour,
                         struct medvl_error *err)
{
    const struct medvl_segment *s = p->segments;
    size_t start = 0;
    size_t end = 0;
    int rc = MEDVL_OK;

    if (behaviour == WITH_NEXT)
        return join_next(p, err);
    for (size_t i = 0; i < p->segment_count && rc == MEDVL_OK; i++) {
        if (behaviour == REMOVED) {
            if (!s[i].match)
                rc = add_piece(p, s[i].start, s[i].end, err);
            continue;
        }
        if (!joins(behaviour, &s[i], i == 0, i > 0 && s[i - 1].match)) {
            rc = add_piece(p, start, end, err);
            start = s[i].start;
        }
        end = s[i].end;
    }
    return rc == MEDVL_OK ? add_piece(p, start, end, err) : rc;
}

/* ---- steps that cut ----------------------------------------------------- */

/* What of a text is a word: 2; a sign: 1; white space: 0. */
static int word_class(uint32_t rune)
{
    if (medvl_unicode_is(MEDVL_SET_WORD, rune))
        return 2;
    return medvl_unicode_is_space(rune) ? 0 : 1;
}

static int cut_words(struct medvl_pieces *p, struct medvl_span text,
                     size_t start, size_t end, struct medvl_error *err)
{
    size_t from = start;
    int last = 0;
    int rc = MEDVL_OK;

    for (size_t at = start; at < end && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        const int size = medvl_utf8_decode(&rune, text.data + at, end - at);
        const int now = word_class(rune);

        if (now != last) {
            if (last > 0)
                rc = add_piece(p, from, at, err);
            from = at;
            last = now;
        }
        at += (size_t)size;
    }
    if (rc == MEDVL_OK && last > 0)
        rc = add_piece(p, from, end, err);
    return rc;
}

/* What stands before the first character of a script is left out. */
static int cut_scripts(struct medvl_pieces *p, struct medvl_span text,
                       size_t start, size_t end, struct medvl_error *err)
{
    size_t from = end;
    int last = 0;
    int rc = MEDVL_OK;

    for (size_t at = start; at < end && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        const int size = medvl_utf8_decode(&rune, text.data + at, end - at);
        const int script = rune == ' ' ? 0 : medvl_unicode_script(rune);

        if (script != 0 && script != last) {
            if (from < end)
                rc = add_piece(p, from, at, err);
            from = at;
            last = script;
        }
        at += (size_t)size;
    }
    return rc == MEDVL_OK ? add_piece(p, from, end, err) : rc;
}

static int cut_length(struct medvl_pieces *p, size_t length,
                      struct medvl_span text, size_t start, size_t end,
                      struct medvl_error *err)
{
    size_t from = start;
    size_t count = 0;
    int rc = MEDVL_OK;

    for (size_t at = start + 1; at < end && rc == MEDVL_OK; at++) {
        if ((text.data[at] & 0xC0) == 0x80 || ++count < length)
            continue;
        rc = add_piece(p, from, at, err);
        from = at;
        count = 0;
    }
    return rc == MEDVL_OK ? add_piece(p, from, end, err) : rc;
}

/* ASCII alone, as most words are. */
static bool is_letters(struct medvl_span text, size_t start, size_t end)
{
    while (start < end && (unsigned char)((text.data[start] | 32) - 'a') < 26)
        start++;
    return start == end;
}

static int cut_piece(struct medvl_pieces *p, const struct step *step,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_span text, size_t start, size_t end,
                     struct medvl_error *err)
{
    int rc;

    if (step->kind == WORDS)
        return cut_words(p, text, start, end, err);
    if (step->kind == SCRIPTS)
        return cut_scripts(p, text, start, end, err);
    if (step->kind == LENGTH)
        return cut_length(p, step->length, text, start, end, err);
    if (step->keeps_letters && is_letters(text, start, end))
        return add_piece(p, start, end, err);
    p->segment_count = 0;
    if (step->kind == REGEX)
        rc = find_regex(p, step, scratch, text, start, end, err);
    else
        rc = find_characters(p, step, text, start, end, err);
    return rc == MEDVL_OK ? join_segments(p, step->behaviour, err) : rc;
}

/* ---- steps that rewrite ------------------------------------------------- */

/* Is the mark to be put in front of this piece? */
static bool wants_prefix(const struct step *step,
                         const struct medvl_rewrite *r, size_t start,
                         size_t end, bool first)
{
    uint32_t rune = 0;

    if (step->kind == BYTES ||
        (step->kind == METASPACE && step->scheme == NEVER))
        return false;
    (void)medvl_utf8_decode(&rune, r->text.data + start, end - start);
    if (rune == step->character || (step->kind == METASPACE && rune == ' '))
        return false;
    return step->kind != METASPACE || step->scheme == ALWAYS ||
           (first && medvl_rewrite_origin(r, start).start == 0);
}

/* The piece with `character` for every space. */
static int replace_spaces(struct medvl_rewrite *r, struct medvl_span mark,
                          size_t start, size_t end, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    while (start < end && rc == MEDVL_OK) {
        const char *space = memchr(r->text.data + start, ' ', end - start);
        const size_t at = space ? (size_t)(space - r->text.data) : end;

        rc = medvl_rewrite_keep(r, start, at, err);
        if (rc == MEDVL_OK && space)
            rc = medvl_rewrite_put(r, mark, at, at + 1, err);
        start = at + 1;
    }
    return rc;
}

static int rewrite_piece(const struct step *step, struct medvl_rewrite *r,
                         size_t start, size_t end, bool first,
                         struct medvl_error *err)
{
    char bytes[4];
    const struct medvl_span mark = {
        bytes, (size_t)medvl_utf8_encode(bytes, step->character)};
    int rc = MEDVL_OK;

    if (wants_prefix(step, r, start, end, first))
        rc = medvl_rewrite_put(r, mark, start, start, err);
    if (rc < 0)
        return rc;
    if (step->kind == BYTES)
        return medvl_normalize_bytes(r, start, end, err);
    if (step->kind == METASPACE)
        return replace_spaces(r, mark, start, end, err);
    return medvl_rewrite_keep(r, start, end, err);
}

static int rewrite_pieces(const struct step *step, struct medvl_rewrite *r,
                          struct medvl_pieces *p, bool first,
                          struct medvl_error *err)
{
    int rc = medvl_rewrite_start(r, err);

    for (size_t i = 0; i < p->count && rc == MEDVL_OK; i++) {
        const size_t at = r->next.size;

        rc = rewrite_piece(step, r, p->starts[i], p->ends[i], first, err);
        if (rc == MEDVL_OK)
            rc = add_piece(p, at, r->next.size, err);
    }
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

/* ---- the run ------------------------------------------------------------ */

static bool rewrites(enum kind kind)
{
    return kind == PREFIX || kind == METASPACE || kind == BYTES;
}

int medvl_cutter_run(const struct medvl_cutter *cutter,
                     struct medvl_regex_scratch *scratch,
                     struct medvl_rewrite *r, struct medvl_pieces *pieces,
                     bool first, struct medvl_error *err)
{
    int rc;

    pieces->next.count = 0;
    rc = add_piece(pieces, 0, r->text.size, err);
    take_next(pieces);
    for (int i = 0; i < cutter->count && rc == MEDVL_OK; i++) {
        const struct step *step = &cutter->steps[i];

        if (rewrites(step->kind)) {
            rc = rewrite_pieces(step, r, pieces, first, err);
        } else {
            for (size_t k = 0; k < pieces->count && rc == MEDVL_OK; k++)
                rc = cut_piece(pieces, step, scratch, r->text,
                               pieces->starts[k], pieces->ends[k], err);
        }
        take_next(pieces);
    }
    return rc;
}

/* ---- reading ------------------------------------------------------------ */

static int add(struct medvl_cutter *c, struct step step,
               struct medvl_error *err)
{
    if (c->count == STEPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d steps",
                          STEPS);
    c->steps[c->count++] = step;
    return MEDVL_OK;
}

/* "behavior"; left out: `otherwise`, below 0: it must be there. */
static int read_behaviour(enum behaviour *out, const struct medvl_json *json,
                          int otherwise, struct medvl_error *err)
{
    static const char *const NAMES[] = {"Removed", "Isolated",
                                        "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const struct medvl_json *value = medvl_json_get(json, "behavior");
    const char *name = medvl_json_string(value);

    if (!value && otherwise >= 0) {
        *out = (enum behaviour)otherwise;
        return MEDVL_OK;
    }
    for (int i = 0; name && i < 5; i++) {
        if (strcmp(NAMES[i], name) == 0) {
            *out = (enum behaviour)i;
            return MEDVL_OK;
        }
    }
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "behavior \"%s\"",
                      name ? name : "");
}

static int read_split(struct medvl_cutter *c, const struct medvl_json *json,
                      struct medvl_error *err)
{
    struct step step = {.kind = REGEX};
    int rc = read_behaviour(&step.behaviour, json, -1, err);

    step.invert = medvl_part_flag(json, "invert");
    if (rc == MEDVL_OK)
        rc = medvl_pattern_read(&step.regex,
                                medvl_json_get(json, "pattern"), err);
    if (rc == MEDVL_OK)
        rc = add(c, step, err);
    if (rc < 0)
        medvl_regex_free(step.regex);
    return rc;
}

static int read_byte_level(struct medvl_cutter *c,
                           const struct medvl_json *json,
                           struct medvl_error *err)
{
    const struct medvl_json *regex = medvl_json_get(json, "use_regex");
    struct step step = {.kind = REGEX,
                        .behaviour = ISOLATED,
                        .keeps_letters = true};
    int rc = MEDVL_OK;

    if (medvl_part_flag(json, "add_prefix_space"))
        rc = add(c, (struct step){.kind = PREFIX, .character = ' '}, err);
    if (rc == MEDVL_OK && (!regex || medvl_json_true(regex))) {
        rc = medvl_regex_new(
            &step.regex, medvl_span(medvl_pretokenizer_pattern("gpt2")),
            err);
        if (rc == MEDVL_OK)
            rc = add(c, step, err);
        if (rc < 0)
            medvl_regex_free(step.regex);
    }
    if (rc == MEDVL_OK)
        rc = add(c, (struct step){.kind = BYTES}, err);
    return rc;
}

static int read_metaspace(struct medvl_cutter *c,
                          const struct medvl_json *json,
                          struct medvl_error *err)
{
    static const char *const SCHEMES[] = {"never", "first", "always"};
    const struct medvl_json *scheme = medvl_json_get(json, "prepend_scheme");
    const struct medvl_json *prefix = medvl_json_get(json,
                                                     "add_prefix_space");
    const struct medvl_json *split = medvl_json_get(json, "split");
    const char *name = scheme ? medvl_json_string(scheme) : "always";
    struct step step = {.kind = METASPACE};
    int found = -1;
    int rc = medvl_part_character(&step.character, json, "replacement", err);

    if (rc < 0)
        return rc;
    for (int i = 0; name && i < 3; i++) {
        if (strcmp(SCHEMES[i], name) == 0)
            found = i;
    }
    if (found < 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "prepend_scheme \"%s\"",
                          name ? name : "");
    step.scheme = (enum scheme)found;
    if (medvl_json_type(prefix) == MEDVL_JSON_BOOL &&
        !medvl_json_true(prefix)) {
        if (step.scheme != NEVER)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "add_prefix_space does not agree with "
                              "prepend_scheme");
        step.scheme = NEVER;
    }
    rc = add(c, step, err);
    if (rc == MEDVL_OK && (medvl_json_type(split) != MEDVL_JSON_BOOL ||
                           medvl_json_true(split)))
        rc = add(c,
                 (struct step){.kind = CHARACTER,
                               .behaviour = WITH_NEXT,
                               .character = step.character},
                 err);
    return rc;
}

static int read_length(struct medvl_cutter *c, const struct medvl_json *json,
                       struct medvl_error *err)
{
    int64_t length = 5;
    int rc = MEDVL_OK;

    if (medvl_json_get(json, "length"))
        rc = medvl_json_get_int(&length, json, "length", 1, INT32_MAX, err);
    if (rc < 0)
        return rc;
    return add(c, (struct step){.kind = LENGTH, .length = (size_t)length},
               err);
}

static int read_step(void *self, const struct medvl_json *json,
                     struct medvl_error *err)
{
    struct medvl_cutter *c = self;
    const char *type = medvl_part_type(json);
    struct step step = {.kind = SPACE, .behaviour = REMOVED};
    int rc;

    if (strcmp(type, "Split") == 0)
        return read_split(c, json, err);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(c, json, err);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(c, json, err);
    if (strcmp(type, "FixedLength") == 0)
        return read_length(c, json, err);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return add(c, step, err);
    if (strcmp(type, "Whitespace") == 0)
        return add(c, (struct step){.kind = WORDS}, err);
    if (strcmp(type, "UnicodeScripts") == 0)
        return add(c, (struct step){.kind = SCRIPTS}, err);
    if (strcmp(type, "BertPreTokenizer") == 0) {
        rc = add(c, step, err);
        step.kind = PUNCTUATION;
        step.behaviour = ISOLATED;
    } else if (strcmp(type, "Punctuation") == 0) {
        step.kind = PUNCTUATION;
        rc = read_behaviour(&step.behaviour, json, ISOLATED, err);
    } else if (strcmp(type, "Digits") == 0) {
        step.kind = DIGIT;
        step.behaviour = medvl_json_true(medvl_json_get(
                             json, "individual_digits"))
                             ? ISOLATED
                             : CONTIGUOUS;
        rc = MEDVL_OK;
    } else if (strcmp(type, "CharDelimiterSplit") == 0) {
        step.kind = CHARACTER;
        rc = medvl_part_character(&step.character, json, "delimiter", err);
    } else {
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "\"%s\"", type);
    }
    return rc == MEDVL_OK ? add(c, step, err) : rc;
}

int medvl_cutter_new(struct medvl_cutter **out, const struct medvl_json *json,
                     struct medvl_error *err)
{
    struct medvl_cutter *c = medvl_alloc(1, sizeof(*c));
    int rc;

    *out = NULL;
    if (!c)
        return medvl_no_memory(err);
    rc = medvl_parts_read(json, "pretokenizers", read_step, c, err);
    if (rc < 0) {
        medvl_cutter_free(c);
        return medvl_context(err, "pre_tokenizer");
    }
    *out = c;
    return MEDVL_OK;
}

void medvl_cutter_free(struct medvl_cutter *cutter)
{
    if (!cutter)
        return;
    for (int i = 0; i < cutter->count; i++)
        medvl_regex_free(cutter->steps[i].regex);
    medvl_free(cutter);
}
