/*
 * Cells side by side on a page, and the lines of text below them.
 *
 * Read next: prompt.c.
 */
#include "lib/stage/sheet_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/glyph.h"

#define PAGE_WIDTH  2400 /* of a full sheet, unless one cell is larger */
#define PAGE_HEIGHT 1800
#define GAP         14 /* between cells, at scale 1 */
#define ABOVE_TEXT  5
#define LINES_MOST  6 /* below each picture, by which rows are counted */

static const uint8_t PAPER[3] = {248, 248, 246};
static const uint8_t BEHIND[3] = {28, 28, 30};
static const uint8_t MISSING[3] = {228, 228, 226};
static const uint8_t FAILED[3] = {250, 222, 220};
static const uint8_t CROSS[3] = {200, 30, 30};

int medvl_sheet_scale(int64_t side)
{
    const int64_t scale = side / 256;

    return scale < 1 ? 1 : scale > 8 ? 8
                                     : (int)scale;
}

/* ---- lines ----------------------------------------------------------- */

/* Append the text with every run of spaces and controls as one space. */
static int append_plain(struct medvl_text *out, struct medvl_span text,
                        struct medvl_error *err)
{
    const size_t start = out->size;
    bool space = true; /* there is none in front */
    int rc = MEDVL_OK;

    for (size_t i = 0; rc == MEDVL_OK && i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];

        if (c > ' ')
            rc = medvl_text_putc(out, (char)c, err);
        else if (!space)
            rc = medvl_text_putc(out, ' ', err);
        space = c <= ' ';
    }
    if (rc == MEDVL_OK && space && out->size > start)
        out->size--; /* the one at the end */
    return rc;
}

static int add_run(struct medvl_sheet_cell *cell, const uint8_t *color,
                   size_t from, size_t size, struct medvl_error *err)
{
    if (medvl_grow(&cell->runs, &cell->run_room, cell->run_count + 1,
                   sizeof(*cell->runs), err) < 0)
        return MEDVL_ENOMEM;
    cell->runs[cell->run_count++] = (struct medvl_sheet_run){
        .line = cell->lines++, .color = color, .from = from, .size = size};
    return MEDVL_OK;
}

/* Bytes of `rest` that make a line: to a space, or in the midst of a word
 * that is too long. */
static size_t line_size(struct medvl_span rest, int scale, int64_t side)
{
    const size_t fit = medvl_glyph_fit(rest, scale, side);
    size_t size = fit;

    if (fit == rest.size || fit == 0 || rest.data[fit] == ' ')
        return fit;
    while (size > 0 && rest.data[size - 1] != ' ')
        size--;
    return size > 1 ? size - 1 : fit;
}

/* The last line with "..." behind what fits: bytes of its text. */
static int add_cut(struct medvl_sheet_cell *cell, struct medvl_span rest,
                   const uint8_t *color, int64_t side,
                   struct medvl_error *err)
{
    const int scale = medvl_sheet_scale(side);
    const size_t fit = medvl_glyph_fit(
        rest, scale, side - 3 * MEDVL_GLYPH_STEP * scale);
    const size_t from = cell->text.size;
    char *copy = medvl_copy_string(rest.data, fit);
    int rc = copy ? medvl_text_printf(&cell->text, err, "%s...", copy)
                  : medvl_no_memory(err);

    medvl_free(copy);
    if (rc == MEDVL_OK)
        rc = add_run(cell, color, from, cell->text.size - from, err);
    return rc;
}

int medvl_sheet_text(struct medvl_sheet_cell *cell, struct medvl_span text,
                     const uint8_t *color, int most, int64_t side,
                     struct medvl_error *err)
{
    const int scale = medvl_sheet_scale(side);
    const int last = cell->lines + most - 1;
    size_t at = cell->text.size;
    int rc = append_plain(&cell->text, text, err);
    const size_t end = cell->text.size;

    while (rc == MEDVL_OK && at < end) {
        const struct medvl_span rest = {cell->text.data + at, end - at};
        const size_t size = line_size(rest, scale, side);

        if (size == 0 || (cell->lines == last && size < rest.size))
            return add_cut(cell, rest, color, side, err);
        rc = add_run(cell, color, at, size, err);
        at += size;
        at += at < end && cell->text.data[at] == ' ';
    }
    return rc;
}

void medvl_sheet_cell_release(struct medvl_sheet_cell *cell)
{
    medvl_picture_release(&cell->picture);
    medvl_text_release(&cell->text);
    medvl_free(cell->runs);
    *cell = (struct medvl_sheet_cell){0};
}

/* ---- the page -------------------------------------------------------- */

struct page {
    int64_t side, scale, gap;
    int64_t columns, rows;
};

static int64_t row_height(const struct page *page, int lines)
{
    return page->side + page->scale * (ABOVE_TEXT + lines * MEDVL_GLYPH_LINE) +
           page->gap;
}

static struct page page_of(int64_t side)
{
    const int scale = medvl_sheet_scale(side);

    return (struct page){
        .side = side, .scale = scale, .gap = (int64_t)GAP * scale};
}

size_t medvl_sheet_room(int64_t side)
{
    const struct page page = page_of(side);
    const int64_t columns = (PAGE_WIDTH - page.gap) / (side + page.gap);
    const int64_t rows = (PAGE_HEIGHT - page.gap) /
                         row_height(&page, LINES_MOST);

    return (size_t)((columns > 1 ? columns : 1) * (rows > 1 ? rows : 1));
}

/* Lines of the longest caption in the row. */
static int row_lines(const struct medvl_sheet_cell *cells, size_t count)
{
    int most = 0;

    for (size_t i = 0; i < count; i++)
        most = cells[i].lines > most ? cells[i].lines : most;
    return most;
}

static int64_t page_height(const struct page *page,
                           const struct medvl_sheet_cell *cells, size_t count)
{
    const size_t columns = (size_t)page->columns;
    int64_t height = page->gap;

    for (size_t i = 0; i < count; i += columns)
        height += row_height(page, row_lines(cells + i, count - i < columns
                                                            ? count - i
                                                            : columns));
    return height;
}

/* The number of columns with which the page is nearest to 4:3. */
static void choose_columns(struct page *page,
                           const struct medvl_sheet_cell *cells, size_t count)
{
    double best = INFINITY;
    int64_t columns = 1;

    for (size_t n = 1; n <= count; n++) {
        double width, away;

        page->columns = (int64_t)n;
        width = (double)(page->gap + page->columns * (page->side + page->gap));
        away = fabs(log(width * 3 /
                        (4 * (double)page_height(page, cells, count))));
        if (away < best) {
            best = away;
            columns = page->columns;
        }
    }
    page->columns = columns;
}

static int put_cross(struct medvl_picture *out, int64_t x, int64_t y,
                     int64_t side, struct medvl_error *err)
{
    const int64_t thick = 1 + side / 64;
    int rc = medvl_draw_fill(out, x, y, side, side, FAILED, err);

    for (int64_t i = 0; rc == MEDVL_OK && i + thick <= side; i++) {
        rc = medvl_draw_fill(out, x + i, y + i, thick, thick, CROSS, err);
        if (rc == MEDVL_OK)
            rc = medvl_draw_fill(out, x + side - thick - i, y + i, thick,
                                 thick, CROSS, err);
    }
    return rc;
}

static int put_none(struct medvl_picture *out, int64_t x, int64_t y,
                    const struct page *page, struct medvl_error *err)
{
    const struct medvl_span text = medvl_span("no picture");
    const struct medvl_glyphs how = {.scale = (int)page->scale,
                                     .color = {120, 120, 120}};
    int64_t width, height;
    int rc = medvl_draw_fill(out, x, y, page->side, page->side, MISSING, err);

    medvl_glyph_size(&width, &height, text, how.scale);
    if (rc == MEDVL_OK)
        rc = medvl_draw_text(out, x + (page->side - width) / 2,
                             y + (page->side - height) / 2, text, &how, err);
    return rc;
}

/* Copy an RGB picture to (x, y), all inside. */
static void paste(struct medvl_picture *out, int64_t x, int64_t y,
                  const struct medvl_picture *from)
{
    for (int64_t i = 0; i < from->height; i++)
        memcpy((uint8_t *)out->data + 3 * ((y + i) * out->width + x),
               (const uint8_t *)from->data + 3 * i * from->width,
               3 * (size_t)from->width);
}

static int put_picture(struct medvl_picture *out, int64_t x, int64_t y,
                       const struct page *page,
                       const struct medvl_sheet_cell *cell,
                       struct medvl_error *err)
{
    const struct medvl_picture *picture = &cell->picture;
    int rc;

    if (!picture->data)
        return cell->failed ? put_cross(out, x, y, page->side, err)
                            : put_none(out, x, y, page, err);
    rc = medvl_draw_fill(out, x, y, page->side, page->side, BEHIND, err);
    if (rc == MEDVL_OK)
        paste(out, x + (page->side - picture->width) / 2,
              y + (page->side - picture->height) / 2, picture);
    return rc;
}

static int put_cell(struct medvl_picture *out, int64_t x, int64_t y,
                    const struct page *page,
                    const struct medvl_sheet_cell *cell,
                    struct medvl_error *err)
{
    const int64_t s = page->scale;
    struct medvl_glyphs how = {.scale = (int)s};
    int rc = put_picture(out, x, y, page, cell, err);

    y += page->side + s * ABOVE_TEXT;
    for (size_t i = 0; rc == MEDVL_OK && i < cell->run_count; i++) {
        const struct medvl_sheet_run *run = &cell->runs[i];
        const int64_t top = y + run->line * s * MEDVL_GLYPH_LINE;
        const struct medvl_span text = {cell->text.data + run->from,
                                        run->size};
        int64_t left = x + run->x;

        if (run->mark) {
            rc = medvl_draw_fill(out, left, top, 7 * s, 7 * s, run->mark,
                                 err);
            left += 9 * s;
        }
        memcpy(how.color, run->color, 3);
        if (rc == MEDVL_OK)
            rc = medvl_draw_text(out, left, top, text, &how, err);
    }
    return rc;
}

int medvl_sheet_page(struct medvl_picture *out,
                     const struct medvl_sheet_cell *cells, size_t count,
                     int64_t side, struct medvl_error *err)
{
    struct page page = page_of(side);
    int64_t y = page.gap, step = side + page.gap;
    int rc;

    choose_columns(&page, cells, count);
    rc = medvl_picture_make(out, page.gap + page.columns * step,
                            page_height(&page, cells, count), 3, 8, err);
    if (rc == MEDVL_OK)
        rc = medvl_draw_fill(out, 0, 0, out->width, out->height, PAPER, err);
    for (size_t i = 0; rc == MEDVL_OK && i < count; i++) {
        const int64_t column = (int64_t)i % page.columns;

        rc = put_cell(out, page.gap + column * step, y, &page, &cells[i],
                      err);
        if (column == page.columns - 1)
            y += row_height(&page, row_lines(&cells[i - (size_t)column],
                                             (size_t)page.columns));
    }
    return rc;
}
