/*
 * Unicode: what class a character is of, and the normal forms (utf8proc
 * inside: 2.8 has Unicode 15).
 *
 * Read next: unicode_sets.h, then side.h.
 */
#ifndef MEDVL_TEXT_UNICODE_H
#define MEDVL_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

/* Classes, by general category but for SPACE. */
#define MEDVL_RUNE_LETTER 1   /* L */
#define MEDVL_RUNE_NUMBER 2   /* N */
#define MEDVL_RUNE_SPACE  4   /* the property White_Space */
#define MEDVL_RUNE_MARK   8   /* M */
#define MEDVL_RUNE_DIGIT  16  /* Nd */
#define MEDVL_RUNE_JOIN   32  /* Pc, and the two joiners */
#define MEDVL_RUNE_UPPER  64  /* Lu, Lt */
#define MEDVL_RUNE_LOWER  128 /* Ll */

/* All classes of a character (0 for one above U+10FFFF). */
unsigned medvl_unicode_class(uint32_t rune);

/* The simple case mapping: one character to one, itself without a case. */
uint32_t medvl_unicode_lower(uint32_t rune);
uint32_t medvl_unicode_upper(uint32_t rune);

/*
 * Bytes of the first grapheme (a character with what belongs to it: marks,
 * joined emoji) of `text`, which is UTF-8 and not empty.
 */
size_t medvl_unicode_grapheme(struct medvl_span text);

/* What a word is made of in regular expressions. */
#define MEDVL_RUNE_WORD                                       \
    (MEDVL_RUNE_LETTER | MEDVL_RUNE_MARK | MEDVL_RUNE_DIGIT | \
     MEDVL_RUNE_JOIN)

/*
 * Is a character of a set as Hugging Face's tokenizers 0.22 has it?  Its
 * parts hold tables of Unicode 8 to 16; unicode_sets.h has the differences.
 */
enum medvl_rune_set {
    MEDVL_SET_WORD,        /* \w */
    MEDVL_SET_NUMERIC,     /* N */
    MEDVL_SET_PUNCTUATION, /* P, and ASCII signs */
    MEDVL_SET_CONTROL,     /* Cc, Cf, Co but tab and line ends */
    MEDVL_SET_NONSPACING,  /* Mn */
    MEDVL_SET_MARK,        /* M */
};
bool medvl_unicode_is(enum medvl_rune_set set, uint32_t rune);

/* White space (the property White_Space). */
bool medvl_unicode_is_space(uint32_t rune);

/* Lower case of one character as one or two, and how many. */
int medvl_unicode_lower_case(uint32_t out[2], uint32_t rune);

/*
 * A number for the character's script; 0: it goes with any.  Hiragana,
 * Katakana and Han are one.
 */
int medvl_unicode_script(uint32_t rune);

/*
 * Bytes that normalisation replaced: `from` in the text that went in, `to`
 * in what came out.  Between replacements bytes are the same.
 */
struct medvl_nfc_change {
    uint32_t from, from_size;
    uint32_t to, to_size;
};

/* Replacements in one text, and bytes of one character with its marks. */
#define MEDVL_NFC_CHANGES (1 << 22)
#define MEDVL_NFC_SEGMENT (8 << 20)

/* Replacements in rising order.  Valid when zeroed; reused by calls. */
struct medvl_nfc_changes {
    struct medvl_nfc_change *items;
    size_t count;
    size_t capacity;
};

/*
 * A normal form of `text` (UTF-8), as Hugging Face's tokenizers has it:
 * characters newer than Unicode 9 stay as they are.  When nothing changes,
 * changes->count is 0 and `out` is not touched; else the whole result is put
 * into `out`, which is cleared first.  Linear time, however many marks are
 * stacked.
 *
 * MEDVL_EUNSUPPORTED: more than MEDVL_NFC_CHANGES or MEDVL_NFC_SEGMENT, or
 * a text of 256 MiB.
 */
enum medvl_form {
    MEDVL_FORM_C,
    MEDVL_FORM_D,
    MEDVL_FORM_KC,
    MEDVL_FORM_KD,
};
int medvl_unicode_normalize(struct medvl_text *out,
                            struct medvl_nfc_changes *changes,
                            enum medvl_form form, struct medvl_span text,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_unicode_nfc(struct medvl_text *out,
                      struct medvl_nfc_changes *changes,
                      struct medvl_span text,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Where in `text`, which was replaced by `size` bytes, each of them begins:
 * as Hugging Face counts, whose characters stand one for one, in order, and
 * those that are put in begin where the one before them does.
 */
int medvl_unicode_starts(uint32_t *starts, size_t size,
                         enum medvl_form form, struct medvl_span text,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
/* One more replacement; MEDVL_EUNSUPPORTED past MEDVL_NFC_CHANGES. */
int medvl_nfc_changes_add(struct medvl_nfc_changes *changes,
                          struct medvl_nfc_change change,
                          struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_nfc_changes_release(struct medvl_nfc_changes *changes);

#endif
