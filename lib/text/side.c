/*
 * Side words: tables, and one walk over a text that finds or swaps.
 *
 * Read next: pretokenize.c.
 */
#include "lib/text/side.h"

#include <string.h>

#include "lib/text/unicode.h"

#define ACROSS MEDVL_SIDE_ACROSS
#define DOWN   MEDVL_SIDE_DOWN
#define BOTH   (ACROSS | DOWN)

/* ---- words ------------------------------------------------------------- */

/* Lists of words have a space before and after each. */

/* After these, left and right may be something else; so before those. */
#define NO_SIDE_AFTER                                                    \
    " away now angle angled angles after before through untreated alone" \
    " out over behind the him her it them with off as"                   \
    " answer answers option choice statement diagnosis order time way "
static const char *const NO_SIDE_BEFORE[] = {
    "all ", "that's ", "that\xe2\x80\x99s ", "that is ", "you're ",
    "you\xe2\x80\x99re ", "you are "};

/* Lower density, upper limit: only of these is it a place. */
#define PLACES                                                              \
    " lobe lobes lobar limb limbs pole poles quadrant quadrants zone zones" \
    " lung lungs abdomen abdominal extremity extremities part parts half"   \
    " third thirds left right corner edge border margin side portion"       \
    " region regions area jaw teeth lip lid eyelid back neck chest "

#define LATIN                                                        \
    " scoliosis scoliotic convex convexity curvature curve position" \
    " positioned version rotation rotated cardia "
#define RUSSIAN " ый ая ое ого ой ом ым ую ые ых ыми ому ою "

/* Words in lower case that are each other's opposite. */
static const struct pair {
    const char *words[2];
    unsigned flips;
    const char *rest;   /* what may follow within the word: a list, "*" */
    const char *only;   /* next words with which it is sure, or NULL: all */
    const char *unless; /* next words with which it is not */
} PAIRS[] = {
    {.words = {"left", "right"}, .flips = ACROSS, .unless = NO_SIDE_AFTER},
    {.words = {"left", "right"},
     .flips = ACROSS,
     .rest = " ward wards most side sided hand handed "},
    {.words = {"links", "rechts"}, .flips = ACROSS, .rest = "*"},
    {.words = {"linker", "rechter"}, .flips = ACROSS, .rest = "*"},
    {.words = {"link", "recht"}, .flips = ACROSS, .rest = " e en es em "},
    {.words = {"izquierd", "derech"}, .flips = ACROSS, .rest = " o a os as "},
    {.words = {"esquerd", "direit"}, .flips = ACROSS, .rest = " o a os as "},
    {.words = {"sinistr", "destr"}, .flips = ACROSS, .rest = " o a i e "},
    {.words = {"слева", "справа"}, .flips = ACROSS},
    {.words = {"влево", "вправо"}, .flips = ACROSS},
    {.words = {"налево", "направо"}, .flips = ACROSS},
    {.words = {"левосторонн", "правосторонн"}, .flips = ACROSS, .rest = "*"},
    {.words = {"лев", "прав"}, .flips = ACROSS, .rest = RUSSIAN},
    {.words = {"levo", "dextro"}, .flips = ACROSS, .rest = LATIN},
    {.words = {"upper", "lower"}, .flips = DOWN, .only = PLACES},
    {.words = {"upper", "lower"}, .flips = DOWN, .rest = " most "},
    {.words = {"top", "bottom"}, .flips = DOWN},
    {.words = {"top", "bottom"}, .flips = DOWN, .rest = " most "},
    {.words = {"upward", "downward"}, .flips = DOWN},
    {.words = {"upward", "downward"}, .flips = DOWN, .rest = " s "},
    {.words = {"superior", "inferior"}, .flips = DOWN, .unless = " to "},
    {.words = {"superior", "inferior"}, .flips = DOWN, .rest = " ly "},
    {.words = {"cranial", "caudal"}, .flips = DOWN},
    {.words = {"cranial", "caudal"}, .flips = DOWN, .rest = " ly "},
    {.words = {"cephalad", "caudad"}, .flips = DOWN},
};

/* Abbreviations, in capitals; those of lobes say upper or lower too. */
static const struct {
    const char *words[2];
    unsigned stuck;
} SHORT[] = {
    {{"LUL", "RUL"}, DOWN},
    {{"LLL", "RLL"}, DOWN},
    {{"LUQ", "RUQ"}, DOWN},
    {{"LLQ", "RLQ"}, DOWN},
    {{"LUZ", "RUZ"}, DOWN},
    {{"LLZ", "RLZ"}, DOWN},
    {{"LMZ", "RMZ"}, 0},
    {{"LAO", "RAO"}, 0},
    {{"LPO", "RPO"}, 0},
    {{"LLD", "RLD"}, 0},
    {{"LLO", "RLO"}, 0},
    {{"LCC", "RCC"}, 0},
    {{"LMLO", "RMLO"}, 0},
};
static const char SHORT_STUCK[] =
    " LL RL LV RV LA RA LT RT Lt Rt RML LAD LCX LCA RCA LMCA RMCA LICA RICA LVH"
    " RVH LAA LVOT RVOT LVEF RVEF OD OS ";

/* Words that are never swapped: exactly these, and those that begin so. */
static const char STUCK_ACROSS[] =
    " lefts rights left right recht gauche gauches droit droite droits"
    " droites gaucher droitier sinister dexter dextra dextrum sinistrum"
    " sinistral dextral situs izq izqda izqdo dcha dcho lt rt"
    " lewy lewa lewe lewej lewego lewym prawy prawa prawe prawej prawego"
    " prawym lewo prawo trái phải kiri kanan"
    " levá levé levý levém vlevo pravá pravé pravý pravém vpravo"
    " esquerra esquerre dreta dret ";
static const char *const STUCK_ACROSS_BEGIN[] = {
    "dextro", "levo", "laevo", "vänster", "höger", "venstre", "højre",
    "høyre", "lewostron", "prawostron", "stâng", "drept", "лев",
    "прав", "лів", "ляв", "десн", "десен"};
static const char STUCK_DOWN[] =
    " upper lower top bottom tops superior inferior above below beneath"
    " under underneath over up down upside upwards downwards anterior"
    " anteriorly posterior posteriorly ventral dorsal caudally cephalic"
    " haut haute hauts hautes bas basse dessus dessous oben unten obere"
    " oberer oberen oberes untere unterer unteren unteres unter über"
    " arriba abajo encima debajo acima abaixo cima baixo sopra sotto alto"
    " basso boven onder bovenste onderste ";
static const char *const STUCK_DOWN_BEGIN[] = {
    "supra", "infra", "supero", "infero", "superior", "inferior",
    "supérieur", "inférieur", "overly", "underly", "ober", "cranio", "caudo"};
static const char STUCK_BOTH[] =
    " clock oclock clockwise counterclockwise anticlockwise ";

/* In scripts whose words are not divided by spaces, or that put letters
 * before: looked for everywhere.  The first that fits counts. */
static const struct {
    const char *text, *other; /* NULL: stuck */
    unsigned flips;
} ANYWHERE[] = {
    {"左右", NULL, ACROSS}, /* also "about" */
    {"右左", NULL, ACROSS},
    {"左", "右", ACROSS},
    {"右", "左", ACROSS},
    {"上", NULL, DOWN},
    {"下", NULL, DOWN},
    {"顶", NULL, DOWN},
    {"底", NULL, DOWN},
    {"頂", NULL, DOWN},
    {"ひだり", NULL, ACROSS},
    {"みぎ", NULL, ACROSS},
    {"うえ", NULL, DOWN},
    {"した", NULL, DOWN},
    {"ヒダリ", NULL, ACROSS},
    {"ミギ", NULL, ACROSS},
    {"왼쪽", "오른쪽", ACROSS},
    {"오른쪽", "왼쪽", ACROSS},
    {"좌측", "우측", ACROSS},
    {"우측", "좌측", ACROSS},
    {"왼", NULL, ACROSS},
    {"오른", NULL, ACROSS},
    {"좌", NULL, ACROSS},
    {"우", NULL, ACROSS},
    {"يسار", NULL, ACROSS},
    {"يسر", NULL, ACROSS},
    {"يمين", NULL, ACROSS},
    {"يمن", NULL, ACROSS},
    {"چپ", NULL, ACROSS},
    {"راست", NULL, ACROSS},
    {"بائیں", NULL, ACROSS},
    {"دائیں", NULL, ACROSS},
    {"שמאל", NULL, ACROSS},
    {"ימין", NULL, ACROSS},
    {"ימני", NULL, ACROSS},
};

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

/* The English word after this one, behind one space or hyphen. */
static struct medvl_span next_word(char *buffer, const struct place *place)
{
    const char between = byte_at(place, place->end);
    size_t at = place->end + 1, size = 0;

    if (between != ' ' && between != '-')
        return (struct medvl_span){0};
    while (size < WORD) {
        const char c = small(byte_at(place, at + size));

        if (!is_letter(c))
            break;
        buffer[size++] = c;
    }
    return (struct medvl_span){buffer, size};
}

/* Does the text before the word end so? */
static bool comes_after(const struct place *place, const char *before)
{
    const size_t size = strlen(before);

    if (size > place->at)
        return false;
    for (size_t i = 0; i < size; i++)
        if (small(place->text.data[place->at - size + i]) != before[i])
            return false;
    return true;
}

/* Left and right that may be none: "that's right", "a CT, right?" */
static bool is_saying(const struct place *place)
{
    for (size_t i = 0; i < COUNT(NO_SIDE_BEFORE); i++)
        if (comes_after(place, NO_SIDE_BEFORE[i]))
            return true;
    return comes_after(place, ", ") && byte_at(place, place->end) == '?';
}

/* What a word is: which flips it hinders, and its opposite. */
struct verdict {
    unsigned words, stuck;
    const char *from, *to; /* of the word's beginning, in lower case */
    bool exact_case;       /* `to` is written as it stands */
};

static bool fits(const struct pair *pair, int way, const struct word *word,
                 const struct place *place)
{
    const struct medvl_span low = word->low;
    const size_t size = strlen(pair->words[way]);
    const struct medvl_span rest = {low.data + size, low.size - size};
    char buffer[WORD];
    struct medvl_span next;

    if (!begins(low, pair->words[way]))
        return false;
    if (!pair->rest ? rest.size > 0
                    : *pair->rest != '*' && !in_list(pair->rest, rest))
        return false;
    next = next_word(buffer, place);
    if (pair->only && !in_list(pair->only, next))
        return false;
    return !pair->unless ||
           (!in_list(pair->unless, next) && !is_saying(place));
}

/* L or R alone: a side unless a vertebra, a unit (mL) or an article (L'os). */
static void judge_letter(struct verdict *out, const struct place *place)
{
    const char letter = place->text.data[place->at];
    const char next = byte_at(place, place->end);
    const char before = place->at ? place->text.data[place->at - 1] : 0;
    const char two = place->at > 1 ? place->text.data[place->at - 2] : 0;

    if (place->text.size == 1) {
        out->words = ACROSS;
        out->from = letter == 'L' ? "l" : "r";
        out->to = letter == 'L' ? "R" : "L";
        out->exact_case = true;
        return;
    }
    if (is_digit(next) || is_digit(before) || next == '\'' ||
        is_letter(before) || before & 0x80 ||
        begins((struct medvl_span){place->text.data + place->end,
                                   place->text.size - place->end},
               "\xe2\x80\x99"))
        return;
    if ((next == ' ' || next == '-') &&
        is_digit(byte_at(place, place->end + 1)))
        return;
    if (before == ' ' && is_digit(two))
        return;
    if (letter == 'L') {
        char buffer[WORD];

        if (medvl_span_is(next_word(buffer, place), "spine") ||
            (next == '/' && !(byte_at(place, place->end + 1) == 'R' &&
                              !is_letter(byte_at(place, place->end + 2)))))
            return;
    }
    out->words = out->stuck = ACROSS;
}

static void judge_short(struct verdict *out, const struct word *word)
{
    for (size_t i = 0; i < COUNT(SHORT); i++)
        for (int way = 0; way < 2; way++)
            if (medvl_span_is(word->text, SHORT[i].words[way])) {
                out->words = ACROSS | SHORT[i].stuck;
                out->stuck = SHORT[i].stuck;
                out->from = SHORT[i].words[way];
                out->to = SHORT[i].words[!way];
                out->exact_case = true;
            }
    if (in_list(SHORT_STUCK, word->text))
        out->words = out->stuck = ACROSS;
}

static struct verdict judge(const struct word *word,
                            const struct place *place, enum script script)
{
    const struct medvl_span low = word->low;
    struct verdict out = {0};

    if (medvl_span_is(word->text, "L") || medvl_span_is(word->text, "R"))
        judge_letter(&out, place);
    else
        judge_short(&out, word);
    for (size_t i = 0; !out.words && i < COUNT(PAIRS); i++)
        for (int way = 0; way < 2; way++)
            if (!out.words && fits(&PAIRS[i], way, word, place)) {
                out.words = PAIRS[i].flips;
                out.stuck = word->letters == MIXED ? out.words : 0;
                out.from = PAIRS[i].words[way];
                out.to = PAIRS[i].words[!way];
            }
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

static int walk_letter(struct walk *walk, struct medvl_span text, size_t *at,
                       size_t size, enum script script,
                       struct medvl_error *err)
{
    const struct medvl_span rest = {text.data + *at, text.size - *at};
    size_t i = 0;

    if (script == JOINED)
        note(walk, DOWN, DOWN);
    while (i < COUNT(ANYWHERE) && !begins(rest, ANYWHERE[i].text))
        i++;
    if (i < COUNT(ANYWHERE)) {
        size = strlen(ANYWHERE[i].text);
        *at += size;
        note(walk, ANYWHERE[i].flips,
             ANYWHERE[i].other ? 0 : ANYWHERE[i].flips);
        if (ANYWHERE[i].other && walk->out &&
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
