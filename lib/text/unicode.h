/*
 * Unicode: what class a character is of, and normal form C (utf8proc
 * inside: 2.8 has Unicode 15).
 *
 * Read next: side.h.
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
 * Normal form C of `text` (UTF-8).  When nothing changes, changes->count is
 * 0 and `out` is not touched; else the whole result is put into `out`,
 * which is cleared first.  Linear time, however many marks are stacked.
 *
 * MEDVL_EUNSUPPORTED: more than MEDVL_NFC_CHANGES or MEDVL_NFC_SEGMENT, or
 * a text of 1 GiB.
 */
int medvl_unicode_nfc(struct medvl_text *out,
                      struct medvl_nfc_changes *changes,
                      struct medvl_span text,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_nfc_changes_release(struct medvl_nfc_changes *changes);

#endif
