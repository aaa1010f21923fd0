/*
 * Small text in a picture: numbers beside regions, labels, captions.
 *
 * The letters are medvl's own, 5 pixels wide and 7 high, with 2 more below
 * the line: the 95 of ASCII.  Any other character, and each byte that is not
 * UTF-8, is a hollow box.
 *
 * Read next: decode.h.
 */
#ifndef MEDVL_IMAGE_GLYPH_H
#define MEDVL_IMAGE_GLYPH_H

#include "lib/image/picture.h"

#define MEDVL_GLYPH_STEP  6  /* from one character to the next, at scale 1 */
#define MEDVL_GLYPH_LINE  11 /* from one line of text to the next */
#define MEDVL_GLYPH_SCALE 64 /* the largest */

/* Valid when zeroed, but for the scale. */
struct medvl_glyphs {
    int scale;        /* pixels of the picture for one of a letter, 1..64 */
    uint8_t color[3]; /* RGB */
    bool filled;      /* on a box, which is one letter's pixel larger */
    uint8_t box[3];   /* its colour */
};

/*
 * Width and height of what is drawn, without the box: the last character
 * has no gap behind it, and 7 rows are high unless a letter hangs below the
 * line, then 9.  Both 0 for an empty text.
 */
void medvl_glyph_size(int64_t *width, int64_t *height, struct medvl_span text,
                      int scale);

/*
 * Characters, counted in bytes, that are at most `width` pixels wide: where
 * to cut a line.
 */
size_t medvl_glyph_fit(struct medvl_span text, int scale, int64_t width);

/*
 * Draw one line of text with its upper left corner at (x, y), from -2^40 to
 * 2^40.  What lies outside the picture is left out.  Grey pictures become
 * RGB unless the colours are grey.
 *
 *   picture   8 bits; else MEDVL_EARG
 */
int medvl_draw_text(struct medvl_picture *picture, int64_t x, int64_t y,
                    struct medvl_span text, const struct medvl_glyphs *how,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Fill a rectangle, the same way; nothing where it is outside or has no
 * width.
 */
int medvl_draw_fill(struct medvl_picture *picture, int64_t x, int64_t y,
                    int64_t width, int64_t height, const uint8_t color[3],
                    struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
