/*
 * What the parts of the contact sheet share: cells, and pages of them.
 * Only lib/stage/sheet*.c include this.
 *
 * Read next: sheet.c.
 */
#ifndef MEDVL_STAGE_SHEET_PART_H
#define MEDVL_STAGE_SHEET_PART_H

#include "lib/data/intern.h"
#include "lib/data/record.h"
#include "lib/stage/fetch.h"
#include "lib/stage/image_part.h"

/* Labels and their colours: of each the first that came is the first. */
struct medvl_sheet_labels {
    struct medvl_intern names;
};
#define MEDVL_SHEET_LABELS 4096 /* told apart; later ones share a colour */

/* A piece of a caption: its line and place, colour and text. */
struct medvl_sheet_run {
    int line;
    int64_t x;            /* pixels from the cell's left */
    const uint8_t *color; /* of the text */
    const uint8_t *mark;  /* of a small square in front, or NULL */
    size_t from, size;    /* in the caption's text */
};

/* A picture with its caption.  Valid when zeroed. */
struct medvl_sheet_cell {
    struct medvl_picture picture; /* fitted; none: no picture, or a cross */
    bool failed;
    struct medvl_text text;
    struct medvl_sheet_run *runs;
    size_t run_count, run_room;
    int lines;
};
void medvl_sheet_cell_release(struct medvl_sheet_cell *cell);

/* Pixels of the picture for one of a letter, in cells of that size. */
int medvl_sheet_scale(int64_t side);

/* ---- what is in a cell: sheet_cell.c --------------------------------- */

/*
 * Fit the picture into side x side.
 *
 *   steps   filled with what became of places in the file's picture
 */
int medvl_sheet_fit(struct medvl_sheet_cell *cell, struct medvl_steps *steps,
                    const struct medvl_loaded *loaded, int64_t side,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* Draw the regions of an entry of "images" and list their labels. */
int medvl_sheet_regions(struct medvl_sheet_cell *cell,
                        struct medvl_sheet_labels *labels,
                        const struct medvl_json *image,
                        const struct medvl_steps *steps,
                        const struct medvl_image_stage *stage,
                        struct medvl_source *source,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The lines above the labels: id, question, answer, prediction. */
int medvl_sheet_caption(struct medvl_sheet_cell *cell,
                        const struct medvl_record *record, size_t number,
                        size_t count, int64_t side,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* The cell is of a picture or region that could not be read. */
int medvl_sheet_failure(struct medvl_sheet_cell *cell, const char *why,
                        int64_t side,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- cells on a page: sheet_page.c ----------------------------------- */

/* Cells of that size on a full sheet; at least 1. */
size_t medvl_sheet_room(int64_t side);

/* Put the cells side by side, as near to 4:3 as they go. */
int medvl_sheet_page(struct medvl_picture *out,
                     const struct medvl_sheet_cell *cells, size_t count,
                     int64_t side, struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append lines of text: at most `most`, the last cut with "...". */
int medvl_sheet_text(struct medvl_sheet_cell *cell, struct medvl_span text,
                     const uint8_t *color, int most, int64_t side,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
