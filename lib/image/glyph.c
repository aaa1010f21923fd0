/*
 * The letters, and how they get into a picture: see glyph.h.
 *
 * Read next: resize.c.
 */
#include "lib/image/glyph.h"

#define COLUMNS 5
#define ROWS    9
#define BASE    7  /* rows on the line */
#define BAND    8  /* letters side by side in the table */
#define BOX     95 /* number of the hollow box */

/* Eight letters a band, in the order of ASCII. */
static const char BANDS[12][ROWS][BAND * 6] = {
    /* space ! " # $ % & ' */
    {"        #    # #   # #    #   ##  #  #      #  ",
     "        #    # #   # #   #### ##  # # #     #  ",
     "        #    # #  ##### # #      #  # #     #  ",
     "        #          # #   ###    #    #         ",
     "        #         #####   # #  #    # # #      ",
     "                   # #  ####  #  ## #  #       ",
     "        #          # #    #   #  ##  ## #      ",
     "                                               ",
     "                                               "},
    /* ( ) * + , - . / */
    {"   #   #                                      #",
     "  #     #     #     #                         #",
     " #       #  # # #   #                        # ",
     " #       #   ###  #####        ###          #  ",
     " #       #  # # #   #                      #   ",
     " #       #    #     #     ##          ##  #    ",
     " #       #                ##          ##  #    ",
     "  #     #                  #                   ",
     "   #   #                  #                    "},
    /* 0 1 2 3 4 5 6 7 */
    {" ###    #    ###   ###     #  #####   ##  #####",
     "#   #  ##   #   # #   #   ##  #      #        #",
     "#  ## # #       #     #  # #  ####  #         #",
     "# # #   #      #    ##  #  #      # ####     # ",
     "##  #   #     #       # #####     # #   #    # ",
     "#   #   #    #    #   #    #  #   # #   #   #  ",
     " ###  ##### #####  ###     #   ###   ###    #  ",
     "                                               ",
     "                                               "},
    /* 8 9 : ; < = > ? */
    {" ###   ###                 #         #     ### ",
     "#   # #   #               #           #   #   #",
     "#   # #   #   ##    ##   #    #####    #      #",
     " ###   ####   ##    ##  #               #    # ",
     "#   #     #              #    #####    #    #  ",
     "#   #    #    ##    ##    #           #        ",
     " ###   ##     ##    ##     #         #      #  ",
     "                     #                         ",
     "                    #                          "},
    /* @ A B C D E F G */
    {" ###    #   ####   ###  ###   ##### #####  ### ",
     "#   #  # #  #   # #   # #  #  #     #     #   #",
     "# ### #   # #   # #     #   # #     #     #    ",
     "# # # #   # ####  #     #   # ####  ####  # ###",
     "# ### ##### #   # #     #   # #     #     #   #",
     "#     #   # #   # #   # #  #  #     #     #   #",
     " #### #   # ####   ###  ###   ##### #      ####",
     "                                               ",
     "                                               "},
    /* H I J K L M N O */
    {"#   #  ###    ### #   # #     #   # #   #  ### ",
     "#   #   #      #  #  #  #     ## ## ##  # #   #",
     "#   #   #      #  # #   #     # # # ##  # #   #",
     "#####   #      #  ##    #     # # # # # # #   #",
     "#   #   #      #  # #   #     #   # #  ## #   #",
     "#   #   #   #  #  #  #  #     #   # #  ## #   #",
     "#   #  ###   ##   #   # ##### #   # #   #  ### ",
     "                                               ",
     "                                               "},
    /* P Q R S T U V W */
    {"####   ###  ####   #### ##### #   # #   # #   #",
     "#   # #   # #   # #       #   #   # #   # #   #",
     "#   # #   # #   # #       #   #   # #   # #   #",
     "####  #   # ####   ###    #   #   # #   # # # #",
     "#     # # # # #       #   #   #   #  # #  # # #",
     "#     #  #  #  #      #   #   #   #  # #  ## ##",
     "#      ## # #   # ####    #    ###    #   #   #",
     "                                               ",
     "                                               "},
    /* X Y Z [ \ ] ^ _ */
    {"#   # #   # #####  ###  #      ###    #        ",
     "#   # #   #     #  #    #        #   # #       ",
     " # #   # #     #   #     #       #  #   #      ",
     "  #     #     #    #      #      #             ",
     " # #    #    #     #       #     #             ",
     "#   #   #   #      #        #    #             ",
     "#   #   #   #####  #        #    #             ",
     "                   #             #             ",
     "                   ###         ###        #####"},
    /* ` a b c d e f g */
    {" #          #               #         ##       ",
     "  #         #               #        #         ",
     "   #   ###  ####   ####  ####  ###  ####   ####",
     "          # #   # #     #   # #   #  #    #   #",
     "       #### #   # #     #   # #####  #    #   #",
     "      #   # #   # #     #   # #      #    #   #",
     "       #### ####   ####  ####  ####  #     ####",
     "                                              #",
     "                                           ### "},
    /* h i j k l m n o */
    {"#       #      #  #      ##                    ",
     "#                 #       #                    ",
     "####   ##     ##  #  #    #   ## #  ####   ### ",
     "#   #   #      #  # #     #   # # # #   # #   #",
     "#   #   #      #  ##      #   # # # #   # #   #",
     "#   #   #      #  # #     #   # # # #   # #   #",
     "#   #  ###     #  #  #   ###  # # # #   #  ### ",
     "            #  #                               ",
     "             ##                                "},
    /* p q r s t u v w */
    {"                         #                     ",
     "                         #                     ",
     "####   #### # ##   #### ####  #   # #   # #   #",
     "#   # #   # ##    #      #    #   # #   # #   #",
     "#   # #   # #      ###   #    #   #  # #  # # #",
     "#   # #   # #         #  #    #   #  # #  # # #",
     "####   #### #     ####    ##   ####   #    # # ",
     "#         #                                    ",
     "#         #                                    "},
    /* x y z { | } ~ box */
    {"                     #    #    #          #####",
     "                    #     #     #         #   #",
     "#   # #   # #####   #     #     #    #    #   #",
     " # #  #   #    #    #     #     #   # # # #   #",
     "  #   #   #   #    #      #      #     #  #   #",
     " # #  #   #  #      #     #     #         #   #",
     "#   #  #### #####   #     #     #         #####",
     "          #         #     #     #              ",
     "       ###           #    #    #               "},
};

static bool is_ink(int letter, int column, int row)
{
    return BANDS[letter / BAND][row][letter % BAND * 6 + column] == '#';
}

/* The next letter's number; its bytes are taken off the text. */
static int next_letter(struct medvl_span *text)
{
    uint32_t rune;
    int size = medvl_utf8_decode(&rune, text->data, text->size);

    if (size == 0) {
        rune = 0;
        size = 1;
    }
    text->data += size;
    text->size -= (size_t)size;
    return rune >= ' ' && rune <= '~' ? (int)rune - ' ' : BOX;
}

static bool hangs(int letter)
{
    for (int row = BASE; row < ROWS; row++)
        for (int column = 0; column < COLUMNS; column++)
            if (is_ink(letter, column, row))
                return true;
    return false;
}

void medvl_glyph_size(int64_t *width, int64_t *height, struct medvl_span text,
                      int scale)
{
    int64_t letters = 0;
    bool low = false;

    while (text.size) {
        low = hangs(next_letter(&text)) || low;
        letters++;
    }
    *width = letters ? (letters * MEDVL_GLYPH_STEP - 1) * scale : 0;
    *height = letters ? (low ? ROWS : BASE) * scale : 0;
}

size_t medvl_glyph_fit(struct medvl_span text, int scale, int64_t width)
{
    const char *const start = text.data;
    int64_t letters = (width / scale + 1) / MEDVL_GLYPH_STEP;

    for (; letters > 0 && text.size; letters--)
        (void)next_letter(&text);
    return (size_t)(text.data - start);
}

/* ---- drawing --------------------------------------------------------- */

static bool is_grey(const uint8_t color[3])
{
    return color[0] == color[1] && color[1] == color[2];
}

/* 8 bits, and RGB where the colour needs it. */
static int prepare(struct medvl_picture *picture, const uint8_t color[3],
                   struct medvl_error *err)
{
    if (picture->depth == 8 && is_grey(color))
        return MEDVL_OK;
    return medvl_picture_to_rgb(picture, err);
}

static int64_t inside(int64_t v, int64_t size)
{
    return v < 0 ? 0 : v > size ? size
                                : v;
}

static void fill(struct medvl_picture *picture, int64_t x, int64_t y,
                 int64_t width, int64_t height, const uint8_t color[3])
{
    const int64_t x0 = inside(x, picture->width);
    const int64_t x1 = inside(x + width, picture->width);
    const int64_t y1 = inside(y + height, picture->height);
    const size_t row = medvl_picture_row(picture);

    for (int64_t i = inside(y, picture->height); i < y1; i++) {
        uint8_t *at = (uint8_t *)picture->data + (size_t)i * row +
                      x0 * picture->channels;

        for (int64_t j = x0; j < x1; j++)
            for (int c = 0; c < picture->channels; c++)
                *at++ = color[c];
    }
}

int medvl_draw_fill(struct medvl_picture *picture, int64_t x, int64_t y,
                    int64_t width, int64_t height, const uint8_t color[3],
                    struct medvl_error *err)
{
    const int rc = prepare(picture, color, err);

    if (rc == MEDVL_OK)
        fill(picture, x, y, width, height, color);
    return rc;
}

static void draw_letter(struct medvl_picture *picture, int64_t x, int64_t y,
                        int letter, const struct medvl_glyphs *how)
{
    const int s = how->scale;

    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < COLUMNS; column++)
            if (is_ink(letter, column, row))
                fill(picture, x + column * s, y + row * s, s, s, how->color);
}

int medvl_draw_text(struct medvl_picture *picture, int64_t x, int64_t y,
                    struct medvl_span text, const struct medvl_glyphs *how,
                    struct medvl_error *err)
{
    int64_t width, height;
    int rc = MEDVL_OK;

    if (how->scale < 1 || how->scale > MEDVL_GLYPH_SCALE)
        return medvl_fail(err, MEDVL_EARG, "letters of scale %d", how->scale);
    medvl_glyph_size(&width, &height, text, how->scale);
    if (how->filled && text.size)
        rc = medvl_draw_fill(picture, x - how->scale, y - how->scale,
                             width + 2 * how->scale, height + 2 * how->scale,
                             how->box, err);
    if (rc == MEDVL_OK)
        rc = prepare(picture, how->color, err);
    for (; rc == MEDVL_OK && text.size && x < picture->width;
         x += MEDVL_GLYPH_STEP * how->scale)
        draw_letter(picture, x, y, next_letter(&text), how);
    return rc;
}
