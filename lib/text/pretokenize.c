/*
 * Pieces of text.  The three known patterns are one function, specialised
 * by the compiler through constant arguments: bytes below 128 go through a
 * table and letters eight at a time, all else through its class.  A known
 * pattern alone fills whole batches; else the steps are a chain in which
 * each asks the one before for its next piece.
 *
 * Read next: bpe.c.
 */
#include "lib/text/pretokenize.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/regex.h"
#include "lib/text/unicode.h"

#define STEPS 16

/* ---- the known patterns ---------------------------------------------- */

enum kind { KIND_REGEX,
            KIND_GPT2,
            KIND_LLAMA3,
            KIND_QWEN2 };

#define TAIL "|\\s+(?!\\S)|\\s+"
#define CL100K(numbers)                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+" \
    "|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+" TAIL

/* The first of a kind is the one that is written. */
static const struct known {
    const char *name;
    enum kind kind;
    const char *regex;
} KNOWN[] = {
    {"gpt2", KIND_GPT2,
     "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
     "| ?[^\\s\\p{L}\\p{N}]+" TAIL},
    {"llama3", KIND_LLAMA3, CL100K("\\p{N}{1,3}")},
    {"qwen2", KIND_QWEN2, CL100K("\\p{N}")},
    {"gpt2", KIND_GPT2,
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+"
     "| ?[^\\s\\p{L}\\p{N}]+" TAIL},
    {"llama3", KIND_LLAMA3,
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}"
     "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
};
#define KNOWN_COUNT (sizeof(KNOWN) / sizeof(KNOWN[0]))

const char *medvl_pretokenizer_pattern(const char *name)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (strcmp(KNOWN[i].name, name) == 0)
            return KNOWN[i].regex;
    }
    return NULL;
}

#define L   MEDVL_RUNE_LETTER
#define N   MEDVL_RUNE_NUMBER
#define S   MEDVL_RUNE_SPACE
#define LNS (L | N | S)
#define NL  (S | 128) /* a line feed or carriage return; ASCII table only */

#define X8(v)  v, v, v, v, v, v, v, v
#define X26(v) X8(v), X8(v), X8(v), v, v
static const unsigned char ASCII[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, NL, S, S, NL, 0, 0,
    X8(0), X8(0), S, 0, 0, 0, 0, 0, 0, 0, X8(0),
    N, N, N, N, N, N, N, N, N, N, 0, 0, 0, 0, 0, 0,
    0, X26(L), 0, 0, 0, 0, 0, 0, X26(L), 0, 0, 0, 0, 0};

/*
 * Class of a character that is not ASCII, and where the next one begins.
 * The text is UTF-8, so what the first byte says is there.
 */
static unsigned class_beyond(const unsigned char *p, size_t i, size_t *next)
{
    const unsigned c = p[i];
    uint32_t rune;

    if (c < 0xE0) {
        rune = (c & 0x1F) << 6 | (p[i + 1] & 0x3Fu);
        *next = i + 2;
    } else if (c < 0xF0) {
        rune = (c & 0x0F) << 12 | (p[i + 1] & 0x3Fu) << 6 |
               (p[i + 2] & 0x3Fu);
        *next = i + 3;
        if (rune >= 0x4E00 && rune < 0x9FA6) /* Chinese */
            return L;
    } else {
        rune = (c & 0x07) << 18 | (p[i + 1] & 0x3Fu) << 12 |
               (p[i + 2] & 0x3Fu) << 6 | (p[i + 3] & 0x3Fu);
        *next = i + 4;
    }
    return medvl_unicode_class(rune) & LNS;
}

static inline unsigned class_at(const unsigned char *p, size_t i,
                                size_t *next)
{
    if (p[i] >= 128)
        return class_beyond(p, i, next);
    *next = i + 1;
    return ASCII[p[i]];
}

/* Which of eight bytes are not ASCII letters: bit 7 of each. */
static uint64_t not_letters(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t low = (w | ones * 0x20) & ones * 0x7F;
    const uint64_t from_a = low + ones * (0x80 - 'a');
    const uint64_t past_z = low + ones * (0x80 - 'z' - 1);

    return (~from_a | past_z | w) & ones * 0x80;
}

/* End of the letters that begin at `i`. */
static size_t skip_letters(const unsigned char *p, size_t i, size_t n)
{
    while (i < n) {
        size_t next;

        while (i + 8 <= n) {
            uint64_t w, stop;

            memcpy(&w, p + i, 8);
            stop = not_letters(w);
            if (stop) {
                i += (size_t)__builtin_ctzll(stop) / 8;
                break;
            }
            i += 8;
        }
        if (i >= n || !(class_at(p, i, &next) & L))
            break;
        i = next;
    }
    return i;
}

/* End of the characters of class `c`, at most `most` (0: any number). */
static size_t skip_class(const unsigned char *p, size_t i, size_t n,
                         unsigned c, int most)
{
    size_t next;

    for (int k = 0; i < n && (most == 0 || k < most); k++) {
        if (!(class_at(p, i, &next) & c))
            break;
        i = next;
    }
    return i;
}

/*
 * 's 't 're 've 'm 'll 'd behind the apostrophe at `i`: its end, or `i`.
 * Without regard to case the long s (C5 BF) is an s too.
 */
static inline size_t contraction(const unsigned char *p, size_t i, size_t n,
                                 bool caseless)
{
    const unsigned fold = caseless ? 0x20 : 0;
    unsigned a, b;

    if (i + 1 >= n)
        return i;
    a = p[i + 1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return i + 2;
    if (i + 2 >= n)
        return i;
    if (caseless && p[i + 1] == 0xC5 && p[i + 2] == 0xBF)
        return i + 3;
    b = p[i + 2] | fold;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') ||
        (a == 'l' && b == 'l'))
        return i + 3;
    return i;
}

/*
 * End of the white space that is a piece at `i`: through its last newline
 * (`lines`), else all of it at the end of the text, else all but the last
 * character, which goes with what follows; one is a piece alone.
 */
static inline size_t space(const unsigned char *p, size_t i, size_t n,
                           bool lines)
{
    size_t at = i;
    size_t last = i;
    size_t newline = i;
    size_t next;

    while (at < n && (class_at(p, at, &next) & S)) {
        if (p[at] == '\n' || p[at] == '\r')
            newline = next;
        last = at;
        at = next;
    }
    if (lines && newline > i)
        return newline;
    if (at == n || last == i)
        return at;
    return last;
}

/*
 * End of the piece that begins at `i`, by the pattern whose numbers have at
 * most `digits` digits (0: any) and which is GPT-2's when `gpt2`.
 */
static inline size_t next_piece(const unsigned char *p, size_t i, size_t n,
                                bool gpt2, int digits)
{
    size_t next, after;
    unsigned c = class_at(p, i, &next);
    unsigned d;

    if (c & L)
        return skip_letters(p, next, n);
    if (p[i] == '\'') {
        after = contraction(p, i, n, !gpt2);
        if (after > i)
            return after;
    }
    d = 0;
    after = n;
    if (next < n && !(c & N))
        d = class_at(p, next, &after);
    if ((d & L) && (gpt2 ? p[i] == ' ' : p[i] != '\n' && p[i] != '\r'))
        return skip_letters(p, after, n);
    if (c & N)
        return skip_class(p, i, n, N, digits);
    if (gpt2 && p[i] == ' ' && (d & N))
        return skip_class(p, next, n, N, 0);
    if (c & S) {
        if (p[i] != ' ' || next >= n || (d & LNS))
            return space(p, i, n, !gpt2);
        next = after;
    }
    /* Neither letters, numbers nor space, with the newlines behind. */
    while (next < n && !(class_at(p, next, &after) & LNS))
        next = after;
    while (!gpt2 && next < n && (p[next] == '\n' || p[next] == '\r'))
        next++;
    return next;
}

/* Ends of pieces from `at` on; returns how many. */
static int fill(enum kind kind, const unsigned char *p, size_t at, size_t n,
                size_t *ends, int max)
{
    int count = 0;

    if (kind == KIND_LLAMA3) {
        while (at < n && count < max)
            ends[count++] = at = next_piece(p, at, n, false, 3);
    } else if (kind == KIND_QWEN2) {
        while (at < n && count < max)
            ends[count++] = at = next_piece(p, at, n, false, 1);
    } else {
        while (at < n && count < max)
            ends[count++] = at = next_piece(p, at, n, true, 0);
    }
    return count;
}

/* ---- the steps --------------------------------------------------------- */

struct medvl_pretokenizer {
    struct step {
        enum kind kind;
        struct medvl_regex *regex; /* of KIND_REGEX */
    } steps[STEPS];
    int count;
};

int medvl_pretokenizer_new(struct medvl_pretokenizer **out,
                           struct medvl_error *err)
{
    *out = medvl_alloc(1, sizeof(**out));
    if (!*out)
        return medvl_no_memory(err);
    return MEDVL_OK;
}

void medvl_pretokenizer_free(struct medvl_pretokenizer *pre)
{
    if (!pre)
        return;
    for (int i = 0; i < pre->count; i++)
        medvl_regex_free(pre->steps[i].regex);
    medvl_free(pre);
}

int medvl_pretokenizer_add_regex(struct medvl_pretokenizer *pre,
                                 struct medvl_span regex,
                                 struct medvl_error *err)
{
    struct step *step = &pre->steps[pre->count];

    if (pre->count == STEPS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "more than %d pre-tokenizer steps", STEPS);
    step->kind = KIND_REGEX;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (medvl_span_is(regex, KNOWN[i].regex))
            step->kind = KNOWN[i].kind;
    }
    if (step->kind == KIND_REGEX) {
        const int rc = medvl_regex_new(&step->regex, regex, err);

        if (rc < 0)
            return rc;
        if (medvl_regex_may_be_empty(step->regex)) {
            medvl_regex_free(step->regex);
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "regular expression that matches nothing at "
                              "all");
        }
    }
    pre->count++;
    return MEDVL_OK;
}

bool medvl_pretokenizer_covers(const struct medvl_pretokenizer *pre)
{
    return pre->count > 0 && pre->steps[pre->count - 1].kind != KIND_REGEX;
}

/* ---- the walk ---------------------------------------------------------- */

/* A step's place in the piece [at, end) that it cuts. */
struct place {
    size_t start, at, end;
    size_t search;           /* where to look for the next match */
    size_t match, match_end; /* found and not given out; equal: none */
    size_t spent;            /* as in regex.h */
};

struct medvl_splitter {
    const struct medvl_pretokenizer *pre;
    struct medvl_span text;
    struct place places[STEPS + 1];      /* the last: what is given out */
    struct medvl_regex_scratch *scratch; /* where a regex is */
};

void medvl_splitter_free(struct medvl_splitter *splitter)
{
    if (!splitter)
        return;
    medvl_regex_scratch_free(splitter->scratch);
    medvl_free(splitter);
}

int medvl_splitter_new(struct medvl_splitter **out,
                       const struct medvl_pretokenizer *pre,
                       struct medvl_error *err)
{
    struct medvl_splitter *s = medvl_alloc(1, sizeof(*s));
    bool regex = false;

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->pre = pre;
    for (int i = 0; i < pre->count; i++)
        regex = regex || pre->steps[i].kind == KIND_REGEX;
    if (regex) {
        const int rc = medvl_regex_scratch_new(&s->scratch, err);

        if (rc < 0) {
            medvl_splitter_free(s);
            return rc;
        }
    }
    *out = s;
    return MEDVL_OK;
}

void medvl_splitter_begin(struct medvl_splitter *splitter,
                          struct medvl_span text)
{
    memset(splitter->places, 0, sizeof(splitter->places));
    splitter->text = text;
    splitter->places[0].end = text.size;
}

/* The next match from place->search on, or none. */
static int find(struct medvl_splitter *s, const struct step *step,
                struct place *place, struct medvl_error *err)
{
    struct medvl_matches m = {
        .text = {s->text.data + place->start, place->end - place->start},
        .search = place->search - place->start,
        .spent = place->spent,
    };
    const int rc = medvl_regex_next(step->regex, s->scratch, &m, err);

    place->spent = m.spent;
    if (rc < 0)
        return medvl_context(err, "pre-tokenizer");
    if (rc == 0) {
        place->match = place->match_end = place->end;
        place->search = place->end;
        return MEDVL_OK;
    }
    place->match = place->start + m.start;
    place->match_end = place->start + m.end;
    place->search = place->match_end;
    return MEDVL_OK;
}

/* Cut the next piece from a place that is not at its end; gives its end. */
static int cut(struct medvl_splitter *s, const struct step *step,
               struct place *place, size_t *end, struct medvl_error *err)
{
    const unsigned char *p = (const unsigned char *)s->text.data;

    if (step->kind != KIND_REGEX) {
        (void)fill(step->kind, p, place->at, place->end, end, 1);
        return MEDVL_OK;
    }
    if (place->match_end <= place->at) {
        const int rc = find(s, step, place, err);

        if (rc < 0)
            return rc;
    }
    *end = place->match > place->at ? place->match : place->match_end;
    return MEDVL_OK;
}

/* The next piece of a chain of steps: 1, 0 behind the last, or an error. */
static int next_of_chain(struct medvl_splitter *s, size_t *end,
                         struct medvl_error *err)
{
    const int count = s->pre->count;
    int level = count;

    while (level <= count) {
        struct place *place = &s->places[level];

        if (place->at >= place->end) {
            if (level == 0)
                return 0;
            level--;
            continue;
        }
        if (level == count) {
            *end = place->at = place->end;
            return 1;
        }
        size_t piece = 0;
        const int rc = cut(s, &s->pre->steps[level], place, &piece, err);

        if (rc < 0)
            return rc;
        s->places[level + 1] = (struct place){
            .start = place->at,
            .at = place->at,
            .end = piece,
            .search = place->at,
            .match = place->at,
            .match_end = place->at};
        place->at = piece;
        level++;
    }
    return 0;
}

int medvl_splitter_next(struct medvl_splitter *splitter, size_t *ends,
                        int max, struct medvl_error *err)
{
    const struct medvl_pretokenizer *pre = splitter->pre;
    int count = 0;

    if (pre->count == 1 && pre->steps[0].kind != KIND_REGEX) {
        struct place *place = &splitter->places[0];

        count = fill(pre->steps[0].kind,
                     (const unsigned char *)splitter->text.data, place->at,
                     place->end, ends, max);
        if (count > 0)
            place->at = ends[count - 1];
        return count;
    }
    while (count < max) {
        const int rc = next_of_chain(splitter, &ends[count], err);

        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        count++;
    }
    return count;
}
