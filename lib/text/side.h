/*
 * Words that a flip of the picture makes false: left and right, upper and
 * lower.
 *
 * Known are English, German, French, Spanish, Portuguese, Italian, Dutch,
 * Chinese, Japanese, Korean and Russian, words of some other languages, and
 * abbreviations such as RUL.  In doubt a word counts ("right away", "links"
 * in English, "r lung", an abbreviation of L or R that is not known),
 * because to leave a picture as it is does no harm.  It is swapped only
 * where its neighbours say that it is a side: a part of the body after it,
 * "on the" before it, nothing but it in the text.  A vertebra (L2), litres
 * (2 L) and words that merely hold the letters (bright, copyright, upright,
 * leftover) do not count.  A word of two or more letters in a script that is
 * not known (Greek, Thai, ...) always counts, and one in Cyrillic, Hangul,
 * Arabic or Hebrew counts as upper or lower, for which there is no list.
 * Nothing is said of other languages in Latin letters.
 *
 * Read next: pretokenize.h.
 */
#ifndef MEDVL_TEXT_SIDE_H
#define MEDVL_TEXT_SIDE_H

#include "lib/base/text.h"

/* Which flip: left for right, or top for bottom. */
#define MEDVL_SIDE_ACROSS 1u
#define MEDVL_SIDE_DOWN   2u

struct medvl_sides {
    unsigned words; /* the flips that make the text false */
    unsigned stuck; /* those of them that no swap of words makes good */
};

/*
 * Stuck are words in doubt, words without one opposite (French gauche: droit
 * or droite?), and those of languages whose words are only recognised.
 * Bytes that are not UTF-8 are passed over.
 */
struct medvl_sides medvl_side_find(struct medvl_span text);

/*
 * Append the text with each word of these flips replaced by its opposite, in
 * the same case: LEFT, Left, left.  Doing it twice gives the text again.
 * MEDVL_EUNSUPPORTED: one of them is stuck; then `out` is as it was.
 */
int medvl_side_swap(struct medvl_text *out, struct medvl_span text,
                    unsigned flips,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
