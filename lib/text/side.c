/*
 * Side words: one walk over a text that finds or swaps them.
 *
 * Read next: pretokenize.c.
 */
#include <string.h>

#include "lib/text/side_words.h"
#include "lib/text/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- scripts ----------------------------------------------------------- */

enum script {
    NO_LETTER,
    SPACED,   /* Latin: words, and lists for both flips */
    CYRILLIC, /* words, a list for ACROSS */
    DENSE,    /* Han, kana: no words, lists for both */
    JOINED,   /* Hangul, Arabic, Hebrew: a list for ACROSS */
    UNKNOWN
};

static enum script script_of(uint32_t rune)
{
    static const struct {
        uint32_t last;
        enum script script;
    } RANGES[] = {
        {0x24f, SPACED},
        {0x36f, UNKNOWN},
        {0x3ff, UNKNOWN},
        {0x52f, CYRILLIC},
        {0x58f, UNKNOWN},
        {0x5ff, JOINED},
        {0x6ff, JOINED},
        {0x74f, UNKNOWN},
        {0x77f, JOINED},
        {0x1dff, UNKNOWN},
        {0x1eff, SPACED},
        {0x3004, UNKNOWN},
        {0x30ff, DENSE},
        {0x33ff, UNKNOWN},
        {0x9fff, DENSE},
        {0xabff, UNKNOWN},
        {0xd7a3, JOINED},
        {0x1ffff, UNKNOWN},
        {0x3ffff, DENSE},
    };
    size_t i = 0;

    if (!(medvl_unicode_class(rune) & MEDVL_RUNE_LETTER))
        return NO_LETTER;
    while (i < COUNT(RANGES) && rune > RANGES[i].last)
        i++;
    return i < COUNT(RANGES) ? RANGES[i].script : UNKNOWN;
}

/* Marks that stand apart from their letter: the tables know no such words.
 * Those that choose between forms of a symbol are none. */
static bool is_accent(uint32_t rune)
{
    return (medvl_unicode_class(rune) & MEDVL_RUNE_MARK) &&
           !(rune >= 0xfe00 && rune <= 0xfe0f);
}

/* ---- one word ---------------------------------------------------------- */

#define WORD 64 /* bytes; the words of the tables are shorter */

enum letters {
    LOWER,
    TITLE,
    UPPER,
    MIXED
};

/* A run of letters of one script, in lower case too. */
struct word {
    struct medvl_span text, low;
    enum letters letters;
    size_t runes;
    char bytes[WORD + 8];
};

/* The run ends before a capital that follows a small letter: leftLung. */
static void read_word(struct word *word, struct medvl_span rest,
                      enum script script)
{
    size_t at = 0, size = 0, capitals = 0;
    bool lower = false, first = false, odd = false;
    uint32_t rune;
    int n;

    word->runes = 0;
    while (at < rest.size &&
           (n = medvl_utf8_decode(&rune, rest.data + at, rest.size - at)) >
               0 &&
           script_of(rune) == script) {
        const uint32_t low = medvl_unicode_lower(rune);

        if (low != rune && lower)
            break;
        lower = low == rune;
        capitals += low != rune;
        odd = odd || (low != rune && medvl_unicode_upper(low) != rune);
        first = first || (low != rune && at == 0);
        if (size < WORD)
            size += (size_t)medvl_utf8_encode(word->bytes + size, low);
        at += (size_t)n;
        word->runes++;
    }
    word->text = (struct medvl_span){rest.data, at};
    word->low = (struct medvl_span){word->bytes, size};
    word->letters = odd                                       ? MIXED
                    : capitals == 0                           ? LOWER
                    : capitals == word->runes && capitals > 1 ? UPPER
                    : capitals == 1 && first                  ? TITLE
                                                              : MIXED;
}

static bool in_list(const char *list, struct medvl_span word)
{
    char padded[WORD + 10] = " ";

    if (word.size == 0 || word.size > WORD)
        return false;
    memcpy(padded + 1, word.data, word.size);
    padded[word.size + 1] = ' ';
    return memmem(list, strlen(list), padded, word.size + 2) != NULL;
}

static bool begins(struct medvl_span word, const char *with)
{
    const size_t size = strlen(with);

    return word.size >= size && memcmp(word.data, with, size) == 0;
}

static bool begins_with_one(struct medvl_span word,
                            const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(word, list[i]))
            return true;
    return false;
}

/* Where a word stands in its text. */
struct place {
    struct medvl_span text;
    size_t at, end;
};

static char byte_at(const struct place *place, size_t at)
{
    return at < place->text.size ? place->text.data[at] : 0;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return small(c) >= 'a' && small(c) <= 'z';
}

/* Of a word: also what is not ASCII. */
static bool is_wordly(char c)
{
    return is_letter(c) || c & 0x80;
}

static char byte_before(const struct place *place, size_t back)
{
    return place->at >= back ? place->text.data[place->at - back] : 0;
}

/*
 * The word after this one, with ASCII in lower case: behind one space, a
 * hyphen or an underscore, or at once, as in leftLung.
 */
static struct medvl_span next_word(char *buffer, const struct place *place)
{
    const char between = byte_at(place, place->end);
    size_t at = place->end, size = 0;

    if (between == ' ' || between == '-' || between == '_')
        at++;
    while (size < WORD && is_wordly(byte_at(place, at + size))) {
        buffer[size] = small(byte_at(place, at + size));
        size++;
    }
    return (struct medvl_span){buffer, size};
}

/* The one before it, the same way. */
static struct medvl_span prev_word(char *buffer, const struct place *place)
{
    const char between = byte_before(place, 1);
    size_t end = place->at, at, size = 0;

    if (between == ' ' || between == '-' || between == '_')
        end--;
    for (at = end; at > 0 && is_wordly(place->text.data[at - 1]);)
        at--;
    while (at < end && size < WORD)
        buffer[size++] = small(place->text.data[at++]);
    return (struct medvl_span){buffer, size};
}

/* Does the text have this there, as the end of a word where `whole`? */
static bool goes_on(const struct place *place, size_t from, const char *with,
                    bool whole)
{
    const size_t size = strlen(with);

    for (size_t i = 0; i < size; i++)
        if (small(byte_at(place, from + i)) != with[i])
            return false;
    return !whole || !is_wordly(byte_at(place, from + size));
}

/* Does the text before the word end so, at the beginning of a word? */
static bool comes_after(const struct place *place, const char *before)
{
    const size_t size = strlen(before);

    if (size > place->at)
        return false;
    for (size_t i = 0; i < size; i++)
        if (small(place->text.data[place->at - size + i]) != before[i])
            return false;
    return !is_wordly(byte_before(place, size + 1));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Is the word all of the text, but for blanks and a full stop? */
static bool is_whole(const struct place *place)
{
    size_t at = 0, end = place->end;

    while (is_blank(place->text.data[at]))
        at++;
    if (byte_at(place, end) == '.')
        end++;
    while (end < place->text.size && is_blank(place->text.data[end]))
        end++;
    return at == place->at && end == place->text.size;
}

/* Left and right, right to left, left/right. */
static bool is_paired(const struct place *place, const char *other)
{
    static const char *const JOINTS[] = {" and ", " or ", " to ", "/",
                                         " vs ", " vs. ", " und ", " oder "};
    const size_t size = strlen(other);

    for (size_t i = 0; i < COUNT(JOINTS); i++) {
        const size_t joint = strlen(JOINTS[i]);
        char before[WORD];

        memcpy(before, other, size);
        memcpy(before + size, JOINTS[i], joint + 1);
        if (comes_after(place, before))
            return true;
        memcpy(before, JOINTS[i], joint);
        memcpy(before + joint, other, size + 1);
        if (goes_on(place, place->end, before, true))
            return true;
    }
    return false;
}

/* Does nothing follow that could go with the word: a stop, or the end? */
static bool is_stopped(const struct place *place)
{
    const char next = byte_at(place, place->end);

    return place->end >= place->text.size || (next && strchr(".,;:)?!", next));
}

/* On the left; to the right of; at the top of the image. */
static bool is_there(const struct place *place, unsigned flips)
{
    static const char *const BEFORE[] = {
        "on the ", "to the ", "at the ", "from the ",
        "towards the ", "toward the ", "patient's "};
    static const char *const BARE[] = {"on ", "at "};
    struct place of = *place;
    char buffer[WORD];
    bool is = false;

    for (size_t i = 0; i < COUNT(BEFORE); i++)
        is = is || comes_after(place, BEFORE[i]);
    if (is && flips == ACROSS &&
        in_list(" of than is are with in ", next_word(buffer, place)))
        return true;
    for (size_t i = 0; i < COUNT(BARE) && flips == ACROSS; i++)
        is = is || comes_after(place, BARE[i]);
    if (comes_after(place, "the ") && place->at == 4)
        is = true;
    if (is && is_stopped(place))
        return true;
    if (!is || flips != DOWN)
        return false;
    if (goes_on(place, place->end, " of the", true))
        of.end += strlen(" of the");
    else if (goes_on(place, place->end, " of this", true))
        of.end += strlen(" of this");
    return of.end > place->end && in_list(SHOWN, next_word(buffer, &of));
}

/* Kidney_left, LungLeft. */
static bool is_label(const struct place *place)
{
    char buffer[WORD];
    const char before = byte_before(place, 1);

    return (before == '_' || is_letter(before)) &&
           !is_wordly(byte_at(place, place->end)) &&
           in_list(ORGANS, prev_word(buffer, place));
}

/* What a word is: which flips it hinders, and its opposite. */
struct verdict {
    unsigned words, stuck;
    const char *from, *to; /* of the word's beginning, in lower case */
    bool exact_case;       /* `to` is written as it stands */
};

static bool fits(const struct pair *pair, int way, struct medvl_span low)
{
    const size_t size = strlen(pair->words[way]);

    if (!begins(low, pair->words[way]))
        return false;
    low.data += size;
    low.size -= size;
    return pair->rest ? in_list(pair->rest, low) : low.size == 0;
}

/* Is the word a side, and nothing else? */
static bool is_sure(const struct pair *pair, int way,
                    const struct place *place)
{
    char next[WORD], prev[WORD];
    const struct medvl_span after = next_word(next, place);
    const struct medvl_span before = prev_word(prev, place);

    if (pair->sure & ALWAYS)
        return true;
    if (pair->next && in_list(pair->next, after))
        return !in_list(SUBJECTS, before);
    return (pair->prev && in_list(pair->prev, before)) ||
           (pair->sure & WHOLE && is_whole(place)) ||
           (pair->sure & PAIRED && is_paired(place, pair->words[!way])) ||
           (pair->sure & THERE && is_there(place, pair->flips)) ||
           (pair->sure & LABEL && is_label(place));
}

/* Is the L a unit: 2 L, mL, L/min? */
static bool is_unit(const struct place *place)
{
    char buffer[WORD];
    struct place slash = *place;
    const char before = byte_before(place, 1), two = byte_before(place, 2);

    if (is_digit(before) || (before == ' ' && is_digit(two)))
        return true;
    if (before == '/') /* mg/l */
        return is_letter(two) || is_digit(two);
    if (before && strchr("mdcunk\xbc\xb5", before) &&
        (before & 0x80 || !is_letter(two)))
        return true;
    if (byte_at(place, place->end) != '/')
        return false;
    slash.end++;
    return is_letter(byte_at(place, slash.end)) &&
           in_list(" min mins minute h hr hour s sec m kg d day l ",
                   next_word(buffer, &slash));
}

/* L4, L-5, L 4/5, L-spine */
static bool is_vertebra(const struct place *place)
{
    char buffer[WORD];
    const char between = byte_at(place, place->end);
    size_t at = place->end + (between == ' ' || between == '-');
    const char digit = byte_at(place, at), after = byte_at(place, at + 1);

    if (digit >= '1' && digit <= '6')
        return !is_digit(after) &&
               (!is_letter(after) ||
                (small(after) == 's' && is_digit(byte_at(place, at + 2))));
    return medvl_span_is(next_word(buffer, place), "spine");
}

static bool has_ribs(struct medvl_span text)
{
    return begins(text, "rib") || begins(text, "Rib") ||
           memmem(text.data, text.size, " rib", 4);
}

/*
 * L or R alone: a side in doubt, unless a vertebra, a unit, an article
 * (L'os) or a coefficient (r = 0.8).  Where ribs are, numbers are theirs.
 */
static void judge_letter(struct verdict *out, const struct place *place)
{
    const char letter = place->text.data[place->at];
    const char next = byte_at(place, place->end);
    const bool ribs = has_ribs(place->text);
    const char before = byte_before(place, 1);

    out->words = ACROSS;
    if (place->text.size == 1 && letter < 'a') {
        out->from = letter == 'L' ? "l" : "r";
        out->to = letter == 'L' ? "R" : "L";
        out->exact_case = true;
        return;
    }
    out->stuck = ACROSS;
    if (next == '\'' || goes_on(place, place->end, "\xe2\x80\x99", false) ||
        before == '\'')
        out->words = out->stuck = 0;
    if (small(letter) == 'l' && !ribs &&
        (is_unit(place) || is_vertebra(place)))
        out->words = out->stuck = 0;
    if (letter == 'r' &&
        (next == '=' || (next == ' ' && byte_at(place, place->end + 1) == '=')))
        out->words = out->stuck = 0;
}

static bool is_like(struct medvl_span low, const char *capitals)
{
    if (low.size != strlen(capitals))
        return false;
    for (size_t i = 0; i < low.size; i++)
        if (low.data[i] != small(capitals[i]))
            return false;
    return true;
}

static void judge_short(struct verdict *out, const struct word *word)
{
    const char first = word->text.data[0];

    for (size_t i = 0; i < COUNT(SHORT); i++)
        for (int way = 0; way < 2; way++)
            if (is_like(word->low, SHORT[i].words[way])) {
                out->words = ACROSS | SHORT[i].stuck;
                out->stuck = word->letters == UPPER ? SHORT[i].stuck
                                                    : out->words;
                out->from = SHORT[i].words[way];
                out->to = SHORT[i].words[!way];
                out->exact_case = true;
                return;
            }
    if (in_list(SHORT_STUCK, word->low) || medvl_span_is(word->text, "OD") ||
        medvl_span_is(word->text, "OS") ||
        (word->letters == UPPER && word->runes <= 4 &&
         (first == 'L' || first == 'R') &&
         !in_list(" left ", word->low) && !in_list(HARMLESS, word->text)))
        out->words = out->stuck = ACROSS;
}

/* Lkidney, rkid, leftlung, lungleft: written as one word. */
static bool is_joined(struct medvl_span low)
{
    static const char *const SIDES[] = {"left", "right", "l", "r"};

    for (size_t i = 0; i < COUNT(SIDES); i++) {
        const size_t size = strlen(SIDES[i]);

        if (low.size <= size)
            continue;
        if (begins(low, SIDES[i]) &&
            in_list(ORGANS,
                    (struct medvl_span){low.data + size, low.size - size}))
            return true;
        if (size > 1 &&
            memcmp(low.data + low.size - size, SIDES[i], size) == 0 &&
            in_list(ORGANS, (struct medvl_span){low.data, low.size - size}))
            return true;
    }
    return false;
}

static struct verdict judge(const struct word *word,
                            const struct place *place, enum script script)
{
    const struct medvl_span low = word->low;
    struct verdict out = {0};

    if (medvl_span_is(low, "l") || medvl_span_is(low, "r"))
        judge_letter(&out, place);
    else
        judge_short(&out, word);
    for (size_t i = 0; !out.words && i < COUNT(PAIRS); i++)
        for (int way = 0; way < 2; way++)
            if (!out.words && fits(&PAIRS[i], way, low) &&
                is_sure(&PAIRS[i], way, place)) {
                out.words = PAIRS[i].flips;
                out.stuck = word->letters == MIXED ? out.words : 0;
                out.from = PAIRS[i].words[way];
                out.to = PAIRS[i].words[!way];
            }
    if (!out.words && is_joined(low))
        out.words = out.stuck = ACROSS;
    if (!out.words) {
        if (in_list(STUCK_BOTH, low))
            out.words = BOTH;
        if (in_list(STUCK_ACROSS, low) ||
            begins_with_one(low, STUCK_ACROSS_BEGIN,
                            COUNT(STUCK_ACROSS_BEGIN)))
            out.words |= ACROSS;
        if (in_list(STUCK_DOWN, low) ||
            begins_with_one(low, STUCK_DOWN_BEGIN, COUNT(STUCK_DOWN_BEGIN)))
            out.words |= DOWN;
        out.stuck = out.words;
    }
    if (script == CYRILLIC && word->runes > 1) {
        out.words |= DOWN;
        out.stuck |= DOWN;
    }
    return out;
}

/* ---- a text ------------------------------------------------------------ */

/* `to` in the letters of the word it stands for. */
static int put_word(struct medvl_text *out, const char *to,
                    enum letters letters, struct medvl_error *err)
{
    const size_t size = strlen(to);
    int rc = MEDVL_OK;

    for (size_t at = 0; rc == MEDVL_OK && at < size;) {
        uint32_t rune = 0;
        char bytes[4];
        const int n = medvl_utf8_decode(&rune, to + at, size - at);

        if (letters == UPPER || (letters == TITLE && at == 0))
            rune = medvl_unicode_upper(rune);
        rc = medvl_text_append(out, bytes,
                               (size_t)medvl_utf8_encode(bytes, rune), err);
        at += (size_t)n;
    }
    return rc;
}

/* Where a walk over a text has come, and what it does. */
struct walk {
    struct medvl_sides found;
    struct medvl_text *out; /* NULL: only looks */
    unsigned flips;         /* whose words are replaced */
};

static int copy(struct walk *walk, const char *data, size_t size,
                struct medvl_error *err)
{
    return walk->out ? medvl_text_append(walk->out, data, size, err)
                     : MEDVL_OK;
}

static void note(struct walk *walk, unsigned words, unsigned stuck)
{
    walk->found.words |= words;
    walk->found.stuck |= stuck;
}

static int walk_word(struct walk *walk, struct medvl_span text, size_t *at,
                     enum script script, struct medvl_error *err)
{
    struct place place = {text, *at, 0};
    struct verdict verdict = {0};
    struct word word;
    size_t skip = 0;
    int rc = MEDVL_OK;

    read_word(&word, (struct medvl_span){text.data + *at, text.size - *at},
              script);
    place.end = *at = place.at + word.text.size;
    if (script == UNKNOWN) {
        if (word.runes > 1)
            verdict.words = verdict.stuck = BOTH;
    } else {
        verdict = judge(&word, &place, script);
    }
    note(walk, verdict.words, verdict.stuck);
    if (verdict.to && (verdict.words & ~verdict.stuck & walk->flips)) {
        skip = strlen(verdict.from);
        rc = !walk->out ? MEDVL_OK
             : verdict.exact_case
                 ? medvl_text_puts(walk->out, verdict.to, err)
                 : put_word(walk->out, verdict.to, word.letters, err);
    }
    if (rc == MEDVL_OK)
        rc = copy(walk, word.text.data + skip, word.text.size - skip, err);
    return rc;
}

/* 左肺, but not 左氧氟沙星, which is a drug. */
static bool is_sided(struct medvl_span text, size_t at, size_t size)
{
    const size_t next = at + size;
    uint32_t rune;
    int n;

    if (next == text.size)
        return at == 0;
    n = medvl_utf8_decode(&rune, text.data + next, text.size - next);
    return n > 1 && memmem(SIDED, strlen(SIDED), text.data + next, (size_t)n);
}

static int walk_letter(struct walk *walk, struct medvl_span text, size_t *at,
                       size_t size, enum script script,
                       struct medvl_error *err)
{
    const struct medvl_span rest = {text.data + *at, text.size - *at};
    bool sure;
    size_t i = 0;

    if (script == JOINED)
        note(walk, DOWN, DOWN);
    while (i < COUNT(ANYWHERE) && !begins(rest, ANYWHERE[i].text))
        i++;
    if (i < COUNT(ANYWHERE)) {
        size = strlen(ANYWHERE[i].text);
        sure = ANYWHERE[i].other &&
               (script != DENSE || is_sided(text, *at, size));
        *at += size;
        note(walk, ANYWHERE[i].flips, sure ? 0 : ANYWHERE[i].flips);
        if (sure && walk->out &&
            (ANYWHERE[i].flips & walk->flips))
            return medvl_text_puts(walk->out, ANYWHERE[i].other, err);
    } else {
        *at += size;
    }
    return copy(walk, rest.data, size, err);
}

static int walk_text(struct walk *walk, struct medvl_span text,
                     struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t at = 0; rc == MEDVL_OK && at < text.size;) {
        uint32_t rune = 0;
        const int n =
            medvl_utf8_decode(&rune, text.data + at, text.size - at);
        const enum script script = n > 0 ? script_of(rune) : NO_LETTER;

        if (script == NO_LETTER) {
            const size_t size = n > 0 ? (size_t)n : 1;

            if (n > 0 && is_accent(rune))
                note(walk, BOTH, BOTH);
            rc = copy(walk, text.data + at, size, err);
            at += size;
        } else if (script == DENSE || script == JOINED) {
            rc = walk_letter(walk, text, &at, (size_t)n, script, err);
        } else {
            rc = walk_word(walk, text, &at, script, err);
        }
    }
    return rc;
}

struct medvl_sides medvl_side_find(struct medvl_span text)
{
    struct walk walk = {.flips = BOTH};
    const int rc = walk_text(&walk, text, NULL);

    (void)rc; /* looking fails never */
    return walk.found;
}

int medvl_side_swap(struct medvl_text *out, struct medvl_span text,
                    unsigned flips, struct medvl_error *err)
{
    struct walk walk = {.out = out, .flips = flips};
    const size_t before = out->size;
    int rc;

    if (medvl_side_find(text).stuck & flips)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "has a side word that cannot be swapped");
    rc = walk_text(&walk, text, err);
    if (rc < 0 && out->data) {
        out->size = before;
        out->data[before] = 0;
    }
    return rc;
}
