/*
 * Unicode through utf8proc's tables.  Normalisation works on segments: from
 * one character that cannot combine with what stands before it to the next.
 * Only a segment that comes out different is copied.
 *
 * Read next: side.c.
 */
#include "lib/text/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "lib/base/mem.h"
#include "lib/text/unicode_sets.h"

static const unsigned CLASSES[] = {
    [UTF8PROC_CATEGORY_LU] = MEDVL_RUNE_LETTER | MEDVL_RUNE_UPPER,
    [UTF8PROC_CATEGORY_LL] = MEDVL_RUNE_LETTER | MEDVL_RUNE_LOWER,
    [UTF8PROC_CATEGORY_LT] = MEDVL_RUNE_LETTER | MEDVL_RUNE_UPPER,
    [UTF8PROC_CATEGORY_LM] = MEDVL_RUNE_LETTER,
    [UTF8PROC_CATEGORY_LO] = MEDVL_RUNE_LETTER,
    [UTF8PROC_CATEGORY_MN] = MEDVL_RUNE_MARK,
    [UTF8PROC_CATEGORY_MC] = MEDVL_RUNE_MARK,
    [UTF8PROC_CATEGORY_ME] = MEDVL_RUNE_MARK,
    [UTF8PROC_CATEGORY_ND] = MEDVL_RUNE_NUMBER | MEDVL_RUNE_DIGIT,
    [UTF8PROC_CATEGORY_NL] = MEDVL_RUNE_NUMBER,
    [UTF8PROC_CATEGORY_NO] = MEDVL_RUNE_NUMBER,
    [UTF8PROC_CATEGORY_PC] = MEDVL_RUNE_JOIN,
    [UTF8PROC_CATEGORY_ZS] = MEDVL_RUNE_SPACE,
    [UTF8PROC_CATEGORY_ZL] = MEDVL_RUNE_SPACE,
    [UTF8PROC_CATEGORY_ZP] = MEDVL_RUNE_SPACE,
    [UTF8PROC_CATEGORY_CO] = 0,
};

unsigned medvl_unicode_class(uint32_t rune)
{
    if (rune > 0x10FFFF)
        return 0;
    if ((rune >= 9 && rune <= 13) || rune == 0x85)
        return MEDVL_RUNE_SPACE;
    if (rune == 0x200C || rune == 0x200D)
        return MEDVL_RUNE_JOIN;
    return CLASSES[utf8proc_category((utf8proc_int32_t)rune)];
}

uint32_t medvl_unicode_lower(uint32_t rune)
{
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)rune);
}

uint32_t medvl_unicode_upper(uint32_t rune)
{
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)rune);
}

size_t medvl_unicode_grapheme(struct medvl_span text)
{
    utf8proc_int32_t state = 0;
    uint32_t last = 0;
    uint32_t next = 0;
    size_t at = (size_t)medvl_utf8_decode(&last, text.data, text.size);

    while (at < text.size) {
        const int size = medvl_utf8_decode(&next, text.data + at,
                                           text.size - at);

        if (size == 0 || utf8proc_grapheme_break_stateful(
                             (utf8proc_int32_t)last, (utf8proc_int32_t)next,
                             &state))
            break;
        at += (size_t)size;
        last = next;
    }
    return at;
}

/* ---- sets as Hugging Face has them -------------------------------------- */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool in_ranges(const struct rune_range *ranges, size_t count,
                      uint32_t rune)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (ranges[middle].last < rune)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= rune;
}

static bool is_ascii_sign(uint32_t rune)
{
    return (rune >= '!' && rune <= '/') || (rune >= ':' && rune <= '@') ||
           (rune >= '[' && rune <= '`') || (rune >= '{' && rune <= '~');
}

/* By the tables of utf8proc. */
static bool is_today(enum medvl_rune_set set, uint32_t rune)
{
    const utf8proc_category_t category = utf8proc_category(
        (utf8proc_int32_t)rune);

    switch (set) {
    case MEDVL_SET_WORD:
        return medvl_unicode_class(rune) & MEDVL_RUNE_WORD;
    case MEDVL_SET_NUMERIC:
        return medvl_unicode_class(rune) & MEDVL_RUNE_NUMBER;
    case MEDVL_SET_PUNCTUATION:
        return is_ascii_sign(rune) ||
               (category >= UTF8PROC_CATEGORY_PC &&
                category <= UTF8PROC_CATEGORY_PO);
    case MEDVL_SET_CONTROL:
        return (category == UTF8PROC_CATEGORY_CC && rune != '\t' &&
                rune != '\n' && rune != '\r') ||
               category == UTF8PROC_CATEGORY_CF ||
               category == UTF8PROC_CATEGORY_CO;
    case MEDVL_SET_NONSPACING:
        return category == UTF8PROC_CATEGORY_MN;
    case MEDVL_SET_MARK:
        return medvl_unicode_class(rune) & MEDVL_RUNE_MARK;
    }
    return false;
}

bool medvl_unicode_is(enum medvl_rune_set set, uint32_t rune)
{
    static const struct {
        const struct rune_range *ranges;
        size_t count;
    } OTHER[] = {
        [MEDVL_SET_WORD] = {WORD, COUNT(WORD)},
        [MEDVL_SET_NUMERIC] = {NUMERIC, COUNT(NUMERIC)},
        [MEDVL_SET_PUNCTUATION] = {PUNCTUATION, COUNT(PUNCTUATION)},
        [MEDVL_SET_CONTROL] = {CONTROL, COUNT(CONTROL)},
        [MEDVL_SET_NONSPACING] = {NONSPACING, COUNT(NONSPACING)},
        [MEDVL_SET_MARK] = {MARK, COUNT(MARK)},
    };

    if (rune > 0x10FFFF)
        return false;
    if (rune < 0x300)
        return is_today(set, rune);
    return is_today(set, rune) !=
           in_ranges(OTHER[set].ranges, OTHER[set].count, rune);
}

bool medvl_unicode_is_space(uint32_t rune)
{
    return medvl_unicode_class(rune) & MEDVL_RUNE_SPACE;
}

int medvl_unicode_lower_case(uint32_t out[2], uint32_t rune)
{
    if (rune == 0x130) { /* the dot of a capital I stays, as a mark */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = medvl_unicode_lower(rune);
    for (size_t i = 0; i < COUNT(LOWER) && LOWER[i].first <= rune; i++) {
        if (rune <= LOWER[i].last)
            out[0] = (uint32_t)((int32_t)rune + LOWER[i].delta);
    }
    return 1;
}

int medvl_unicode_script(uint32_t rune)
{
    size_t low = 0;
    size_t high = COUNT(SCRIPTS);

    /* The last run that begins at or before the character. */
    while (low + 1 < high) {
        const size_t middle = low + (high - low) / 2;

        if (SCRIPTS[middle].first <= rune)
            low = middle;
        else
            high = middle;
    }
    return SCRIPTS[low].script;
}

/* ---- normal forms ------------------------------------------------------- */

/* A character that had no decomposition and no class in Unicode 9. */
static bool is_fixed(uint32_t rune)
{
    return rune >= 0x7FD && in_ranges(FIXED, COUNT(FIXED), rune);
}

/* One segment as characters: decomposed, ordered, composed. */
struct segment {
    enum medvl_form form;
    utf8proc_int32_t *runes;
    utf8proc_int32_t *sorted;
    size_t count;
    size_t capacity, sorted_capacity;
    bool counted; /* characters that are more than before have PUT_IN */
};

#define PUT_IN (1 << 24)
#define RUNE   (PUT_IN - 1)

static bool is_composed(enum medvl_form form)
{
    return form == MEDVL_FORM_C || form == MEDVL_FORM_KC;
}

static bool is_compatible(enum medvl_form form)
{
    return form == MEDVL_FORM_KC || form == MEDVL_FORM_KD;
}

static int combining_class(utf8proc_int32_t rune)
{
    rune &= RUNE;
    if (is_fixed((uint32_t)rune))
        return 0;
    return utf8proc_get_property(rune)->combining_class;
}

/* The characters that one becomes, at most 18: how many, or below 0. */
static int decompose(utf8proc_int32_t out[32], enum medvl_form form,
                     uint32_t rune)
{
    int boundary = UTF8PROC_BOUNDCLASS_START;

    if (is_fixed(rune)) {
        out[0] = (utf8proc_int32_t)rune;
        return 1;
    }
    return (int)utf8proc_decompose_char(
        (utf8proc_int32_t)rune, out, 32,
        UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
            (is_compatible(form) ? UTF8PROC_COMPAT : 0),
        &boundary);
}

/*
 * May `rune` combine with a character before it, or change places with it?
 * Marks, and the vowels and final consonants of Hangul, may.
 */
static bool joins_back(enum medvl_form form, uint32_t rune)
{
    utf8proc_int32_t runes[32];

    if (rune < 0x300 || is_fixed(rune))
        return false;
    /* Half-width marks, vowels and finals become such. */
    if (is_compatible(form) && rune >= 0x3130 &&
        decompose(runes, form, rune) > 0)
        rune = (uint32_t)runes[0];
    if (rune >= 0x1160 && rune <= 0x11FF)
        return true;
    return (medvl_unicode_class(rune) & MEDVL_RUNE_MARK) ||
           combining_class((utf8proc_int32_t)rune) > 0;
}

static int segment_decompose(struct segment *seg, struct medvl_span text,
                             struct medvl_error *err)
{
    seg->count = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t rune = 0;
        const int room = 32;
        const int size = medvl_utf8_decode(&rune, text.data + at,
                                           text.size - at);
        int rc;

        if (size == 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "byte %zu is not UTF-8", at + 1);
        rc = medvl_grow(&seg->runes, &seg->capacity, seg->count + room,
                        sizeof(*seg->runes), err);
        if (rc < 0)
            return rc;
        rc = decompose(seg->runes + seg->count, seg->form, rune);
        if (rc < 0 || rc > room)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "U+%04X cannot be normalised", rune);
        for (int i = 1; i < rc && seg->counted; i++)
            seg->runes[seg->count + (size_t)i] |= PUT_IN;
        seg->count += (size_t)rc;
        at += (size_t)size;
    }
    return MEDVL_OK;
}

/*
 * Stable sort of a run of marks by combining class: one pass for each class
 * that is there (at most 254), so a hostile run costs no square.
 */
static int sort_marks(struct segment *seg, size_t start, size_t end,
                      struct medvl_error *err)
{
    size_t counts[256] = {0};
    size_t next = 0;
    int rc;

    rc = medvl_grow(&seg->sorted, &seg->sorted_capacity, end - start,
                    sizeof(*seg->sorted), err);
    if (rc < 0)
        return rc;
    for (size_t i = start; i < end; i++)
        counts[combining_class(seg->runes[i]) & 255]++;
    for (int c = 0; c < 256; c++) {
        const size_t here = next;

        next += counts[c];
        counts[c] = here;
    }
    for (size_t i = start; i < end; i++)
        seg->sorted[counts[combining_class(seg->runes[i]) & 255]++] =
            seg->runes[i];
    memcpy(seg->runes + start, seg->sorted,
           (end - start) * sizeof(*seg->runes));
    return MEDVL_OK;
}

static int segment_order(struct segment *seg, struct medvl_error *err)
{
    for (size_t i = 0; i < seg->count;) {
        size_t end = i;
        bool ordered = true;
        int last = 0;

        while (end < seg->count) {
            const int c = combining_class(seg->runes[end]);

            if (c == 0)
                break;
            ordered = ordered && c >= last;
            last = c;
            end++;
        }
        if (!ordered) {
            const int rc = sort_marks(seg, i, end, err);

            if (rc < 0)
                return rc;
        }
        i = end > i ? end : i + 1;
    }
    return MEDVL_OK;
}

/* Append the normal form of a segment to `out`. */
static int segment_normalise(struct segment *seg, struct medvl_text *out,
                             struct medvl_span text, struct medvl_error *err)
{
    utf8proc_ssize_t count;
    int rc;

    if (text.size > MEDVL_NFC_SEGMENT)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "one character with its marks has %zu bytes; at "
                          "most %d are taken",
                          text.size, MEDVL_NFC_SEGMENT);
    rc = segment_decompose(seg, text, err);
    if (rc == MEDVL_OK)
        rc = segment_order(seg, err);
    if (rc < 0)
        return rc;
    count = (utf8proc_ssize_t)seg->count;
    if (is_composed(seg->form))
        count = utf8proc_normalize_utf32(seg->runes, count,
                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (count < 0)
        return medvl_fail(err, MEDVL_EFORMAT, "text cannot be normalised");
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        char bytes[4];
        const int size = medvl_utf8_encode(bytes, (uint32_t)seg->runes[i]);

        rc = medvl_text_append(out, bytes, (size_t)size, err);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

/*
 * From `at`, skip characters that are in normal form whatever stands before
 * them: in form C those below U+0300 (first byte below 0xCC), else ASCII.
 * Returns where another one stands, or the end.
 */
static size_t skip_low(enum medvl_form form, struct medvl_span text,
                       size_t at)
{
    const unsigned char *p = (const unsigned char *)text.data;
    const unsigned char high = form == MEDVL_FORM_C ? 0xCC : 0x80;
    const uint64_t second = form == MEDVL_FORM_C ? 1 : 0;

    for (; at + 8 <= text.size; at += 8) {
        uint64_t w;

        memcpy(&w, p + at, 8);
        if (w & (w << second) & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < text.size && p[at] < high)
        at++;
    return at;
}

/* End of the segment that begins at `at`. */
static size_t segment_end(enum medvl_form form, struct medvl_span text,
                          size_t at)
{
    uint32_t rune;
    int size = medvl_utf8_decode(&rune, text.data + at, text.size - at);

    do {
        at += size > 0 ? (size_t)size : 1;
        if (at >= text.size || (unsigned char)text.data[at] < 0xCC)
            return at;
        size = medvl_utf8_decode(&rune, text.data + at, text.size - at);
    } while (size > 0 && joins_back(form, rune));
    return at;
}

int medvl_nfc_changes_add(struct medvl_nfc_changes *changes,
                          struct medvl_nfc_change change,
                          struct medvl_error *err)
{
    int rc;

    if (changes->count == MEDVL_NFC_CHANGES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "more than %d places to normalise",
                          MEDVL_NFC_CHANGES);
    rc = medvl_grow(&changes->items, &changes->capacity, changes->count + 1,
                    sizeof(change), err);
    if (rc < 0)
        return rc;
    changes->items[changes->count++] = change;
    return MEDVL_OK;
}

static int normalise(struct medvl_text *out, struct medvl_text *piece,
                     struct medvl_nfc_changes *changes, struct segment *seg,
                     struct medvl_span text, struct medvl_error *err)
{
    size_t copied = 0;
    size_t start = 0;

    while (start < text.size) {
        const size_t high = skip_low(seg->form, text, start);
        size_t end;
        int rc;

        if (high >= text.size)
            break;
        /* The low character before may be changed by what follows it. */
        if (high > start) {
            start = high - 1;
            while (start > 0 && (text.data[start] & 0xC0) == 0x80)
                start--;
        }
        end = segment_end(seg->form, text, start);
        if (end <= high) { /* nothing joined it: begin at the high one */
            start = high;
            end = segment_end(seg->form, text, start);
        }
        medvl_text_clear(piece);
        const struct medvl_span in = {text.data + start, end - start};

        rc = segment_normalise(seg, piece, in, err);
        if (rc == MEDVL_OK &&
            !medvl_span_equal(in, medvl_text_span(piece))) {
            struct medvl_nfc_change change = {
                (uint32_t)start, (uint32_t)in.size, 0,
                (uint32_t)piece->size};

            rc = medvl_text_append(out, text.data + copied, start - copied,
                                   err);
            change.to = (uint32_t)out->size;
            if (rc == MEDVL_OK)
                rc = medvl_nfc_changes_add(changes, change, err);
            if (rc == MEDVL_OK)
                rc = medvl_text_append(out, piece->data, piece->size, err);
            copied = end;
        }
        if (rc < 0)
            return rc;
        start = end;
    }
    if (changes->count == 0)
        return MEDVL_OK;
    return medvl_text_append(out, text.data + copied, text.size - copied,
                             err);
}

int medvl_unicode_nfc(struct medvl_text *out,
                      struct medvl_nfc_changes *changes,
                      struct medvl_span text, struct medvl_error *err)
{
    return medvl_unicode_normalize(out, changes, MEDVL_FORM_C, text, err);
}

int medvl_unicode_normalize(struct medvl_text *out,
                            struct medvl_nfc_changes *changes,
                            enum medvl_form form, struct medvl_span text,
                            struct medvl_error *err)
{
    struct segment seg = {.form = form};
    struct medvl_text piece = {0};
    int rc = MEDVL_OK;

    changes->count = 0;
    if (skip_low(form, text, 0) < text.size) {
        if (text.size > UINT32_MAX / 16) /* 3 bytes become 33 at most */
            return medvl_fail(err, MEDVL_EUNSUPPORTED,
                              "a text of %zu bytes", text.size);
        medvl_text_clear(out);
        rc = normalise(out, &piece, changes, &seg, text, err);
    }
    medvl_text_release(&piece);
    medvl_free(seg.runes);
    medvl_free(seg.sorted);
    return rc;
}

/* ---- where a normal form comes from ------------------------------------- */

/* The character that two become, or 0. */
static utf8proc_int32_t composed(utf8proc_int32_t a, utf8proc_int32_t b)
{
    utf8proc_int32_t pair[2] = {a, b};
    const utf8proc_ssize_t count = utf8proc_normalize_utf32(
        pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE);

    return count == 1 ? pair[0] : 0;
}

/*
 * Compose a segment whose characters are counted.  seg->sorted is then how
 * many more each is than what it stands for: 1, it is put in; 0, it is one
 * for one; below, it stands for more.
 */
static void compose_counted(struct segment *seg)
{
    const bool compose = is_composed(seg->form);
    size_t count = 0;
    size_t base = SIZE_MAX;
    int last = -1; /* the class before, -1 at the base */

    for (size_t i = 0; i < seg->count; i++) {
        const utf8proc_int32_t rune = seg->runes[i] & RUNE;
        const int more = seg->runes[i] & PUT_IN ? 1 : 0;
        const int class = combining_class(rune);
        const utf8proc_int32_t both =
            compose && base != SIZE_MAX && (last < 0 || last < class)
                ? composed(seg->runes[base], rune)
                : 0;

        if (both) {
            seg->runes[base] = both;
            seg->sorted[base] += more - 1;
            continue;
        }
        if (class == 0)
            base = count;
        last = class == 0 ? -1 : class;
        seg->runes[count] = rune;
        seg->sorted[count++] = more;
    }
    seg->count = count;
}

/* Bytes of the character at text.data + at. */
static size_t rune_size(struct medvl_span text, size_t at)
{
    uint32_t rune;

    return (size_t)medvl_utf8_decode(&rune, text.data + at, text.size - at);
}

int medvl_unicode_starts(uint32_t *starts, size_t size,
                         enum medvl_form form, struct medvl_span text,
                         struct medvl_error *err)
{
    struct segment seg = {.form = form, .counted = true};
    size_t at = 0;
    size_t to = 0;
    int rc = segment_decompose(&seg, text, err);

    if (rc == MEDVL_OK)
        rc = segment_order(&seg, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&seg.sorted, &seg.sorted_capacity, seg.count,
                        sizeof(*seg.sorted), err);
    if (rc == MEDVL_OK)
        compose_counted(&seg);
    for (size_t i = 0; i < seg.count && rc == MEDVL_OK; i++) {
        char bytes[4];
        const int more = seg.sorted[i];
        size_t left = (size_t)medvl_utf8_encode(bytes,
                                                (uint32_t)seg.runes[i]);

        for (; left > 0 && to < size; left--)
            starts[to++] = (uint32_t)(at > 0 && (more > 0 || at == text.size)
                                          ? at - 1
                                          : at);
        for (int k = more; k <= 0 && at < text.size; k++)
            at += rune_size(text, at);
    }
    medvl_free(seg.runes);
    medvl_free(seg.sorted);
    return rc;
}

void medvl_nfc_changes_release(struct medvl_nfc_changes *changes)
{
    medvl_free(changes->items);
    *changes = (struct medvl_nfc_changes){0};
}
