/*
 * One cell of a contact sheet: the picture, its regions, its caption.
 *
 * Read next: sheet_page.c.
 */
#include "lib/stage/sheet_part.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/data/shape_json.h"
#include "lib/image/glyph.h"

static const uint8_t ID[3] = {125, 125, 125};
static const uint8_t QUESTION[3] = {25, 25, 25};
static const uint8_t ANSWER[3] = {0, 105, 60};
static const uint8_t PREDICTION[3] = {120, 40, 150};
static const uint8_t ERROR[3] = {195, 25, 25};

/* Seen on dark and on light pictures, and apart from each other. */
static const uint8_t COLORS[][3] = {
    {255, 75, 75},
    {60, 180, 255},
    {255, 205, 40},
    {70, 215, 95},
    {230, 100, 240},
    {255, 140, 40},
    {40, 215, 205},
    {175, 130, 255},
    {255, 150, 175},
    {175, 230, 50},
    {215, 175, 120},
    {110, 145, 255},
};
#define COLOR_COUNT (sizeof(COLORS) / sizeof(*COLORS))

#define TINT         4 /* one part in so many of a mask's pixels */
#define LABELS_DRAWN 6 /* in a picture with more they would cover it */
#define KINDS_MOST   8 /* labels that are listed below; the rest as "+ N" */

/* ---- the picture ----------------------------------------------------- */

int medvl_sheet_fit(struct medvl_sheet_cell *cell, struct medvl_steps *steps,
                    const struct medvl_loaded *loaded, int64_t side,
                    struct medvl_error *err)
{
    const int64_t w = loaded->file.width, h = loaded->file.height;
    const double scale = (double)side / (double)(w > h ? w : h);
    const int64_t width = (int64_t)((double)w * scale + 0.5);
    const int64_t height = (int64_t)((double)h * scale + 0.5);
    struct medvl_affine map = {{1, 0, 0, 0, 1, 0}};
    int rc;

    medvl_picture_release(&cell->picture);
    rc = medvl_picture_resize(&cell->picture, &loaded->picture,
                              width ? width : 1, height ? height : 1,
                              MEDVL_FILTER_BICUBIC, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_to_rgb(&cell->picture, err);
    if (rc < 0)
        return rc;
    map.m[0] = (double)cell->picture.width / (double)w;
    map.m[4] = (double)cell->picture.height / (double)h;
    *steps = (struct medvl_steps){.width = w, .height = h};
    medvl_steps_add(steps, &map, cell->picture.width, cell->picture.height);
    return MEDVL_OK;
}

/* ---- regions --------------------------------------------------------- */

/* The labels of one picture. */
struct kinds {
    struct kind {
        char name[64];
        const uint8_t *color;
        int64_t count;
    } items[KINDS_MOST];
    int count;
    int64_t others; /* regions with further labels */
};

static int color_of(const uint8_t **out, struct medvl_sheet_labels *labels,
                    struct medvl_span label, struct medvl_error *err)
{
    int64_t number = medvl_intern_find(&labels->names, label);
    int rc = MEDVL_OK;

    if (number < 0 && labels->names.count < MEDVL_SHEET_LABELS)
        rc = medvl_intern_add(&number, &labels->names, label, err);
    *out = COLORS[(size_t)(number < 0 ? 0 : number) % COLOR_COUNT];
    return rc;
}

static void count_kind(struct kinds *kinds, const char *name,
                       const uint8_t *color)
{
    int i = 0;

    while (i < kinds->count && strcmp(kinds->items[i].name, name) != 0)
        i++;
    if (i == KINDS_MOST) {
        kinds->others++;
        return;
    }
    if (i == kinds->count) {
        struct kind *kind = &kinds->items[kinds->count++];

        snprintf(kind->name, sizeof(kind->name), "%s", name);
        kind->color = color;
    }
    kinds->items[i].count++;
}

/* Mix the colour into the mask's pixels. */
static void tint(struct medvl_picture *picture, const struct medvl_mask *mask,
                 const uint8_t color[3])
{
    uint8_t *at = picture->data;
    const size_t count = (size_t)(picture->width * picture->height);

    for (size_t i = 0; i < count; i++, at += 3)
        for (int c = 0; mask->data[i] && c < 3; c++)
            at[c] = (uint8_t)((at[c] * (TINT - 1) + color[c]) / TINT);
}

static int draw_places(struct medvl_picture *picture,
                       const struct medvl_shape *shape, int thick,
                       const uint8_t *color, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (shape->has_point)
        rc = medvl_draw_point(picture, shape->point[0], shape->point[1],
                              thick, color, err);
    for (size_t i = 0; rc == MEDVL_OK && i < shape->points.count; i++)
        rc = medvl_draw_point(picture, shape->points.xy[2 * i],
                              shape->points.xy[2 * i + 1], thick, color, err);
    return rc;
}

static int draw_shape(struct medvl_picture *picture,
                      const struct medvl_shape *shape, int thick,
                      const uint8_t *color, struct medvl_error *err)
{
    struct medvl_mask mask = {0};
    int rc = MEDVL_OK;

    if (shape->mask.data || shape->polygons.count) {
        rc = medvl_mask_make(&mask, picture->width, picture->height, err);
        if (rc == MEDVL_OK)
            rc = medvl_shape_fill(&mask, shape, err);
        if (rc == MEDVL_OK) {
            tint(picture, &mask, color);
            rc = medvl_draw_mask(picture, &mask, thick, color, err);
        }
        medvl_mask_release(&mask);
    } else if (shape->has_box) {
        rc = medvl_draw_box(picture, shape->box, thick, color, err);
    }
    return rc < 0 ? rc : draw_places(picture, shape, thick, color, err);
}

/* A label in the picture, once all shapes are drawn. */
struct label {
    char name[64];
    const uint8_t *color;
    struct medvl_box box;
};

/* Above the shape, or inside where there is no room. */
static int draw_label(struct medvl_picture *picture,
                      const struct label *label, int scale,
                      struct medvl_error *err)
{
    struct medvl_glyphs how = {
        .scale = scale, .filled = true, .color = {0, 0, 0}};
    struct medvl_span text = medvl_span(label->name);
    const bool is_point = label->box.x0 == label->box.x1;
    int64_t width, height, x, y;

    memcpy(how.box, label->color, 3);
    text.size = medvl_glyph_fit(text, scale, picture->width - 2 * scale);
    medvl_glyph_size(&width, &height, text, scale);
    x = (int64_t)label->box.x0 + scale;
    y = (int64_t)label->box.y0 - height - scale * (is_point ? 4 : 1);
    if (x + width + scale > picture->width)
        x = picture->width - width - scale;
    if (y < scale)
        y = (int64_t)label->box.y0 + scale * (is_point ? 5 : 2);
    return medvl_draw_text(picture, x, y, text, &how, err);
}

/* A legend entry: a square, the label, how many where not one. */
static int list_kind(struct medvl_sheet_cell *cell, const struct kind *kind,
                     int64_t *x, int64_t side, struct medvl_error *err)
{
    const int scale = medvl_sheet_scale(side);
    const int64_t mark = kind->color ? 9 * (int64_t)scale : 0;
    const size_t from = cell->text.size;
    struct medvl_span text;
    int64_t width, height;
    int rc = medvl_text_puts(&cell->text, kind->name, err);

    if (rc == MEDVL_OK && kind->count != 1)
        rc = medvl_text_printf(&cell->text, err, " %lld",
                               (long long)kind->count);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&cell->runs, &cell->run_room, cell->run_count + 1,
                        sizeof(*cell->runs), err);
    if (rc < 0)
        return rc;
    text = (struct medvl_span){cell->text.data + from,
                               cell->text.size - from};
    text.size = medvl_glyph_fit(text, scale, side - mark);
    medvl_glyph_size(&width, &height, text, scale);
    if (*x > 0 && *x + mark + width > side) {
        cell->lines++;
        *x = 0;
    }
    cell->runs[cell->run_count++] = (struct medvl_sheet_run){
        .line = cell->lines - 1,
        .x = *x,
        .color = QUESTION,
        .mark = kind->color,
        .from = from,
        .size = text.size};
    *x += mark + width + (int64_t)2 * MEDVL_GLYPH_STEP * scale;
    return MEDVL_OK;
}

static int list_kinds(struct medvl_sheet_cell *cell,
                      const struct kinds *kinds, int64_t side,
                      struct medvl_error *err)
{
    int64_t x = 0;
    int rc = MEDVL_OK;

    cell->lines += kinds->count > 0;
    for (int i = 0; rc == MEDVL_OK && i < kinds->count; i++)
        rc = list_kind(cell, &kinds->items[i], &x, side, err);
    if (rc == MEDVL_OK && kinds->others) {
        struct kind rest = {.count = 1};

        snprintf(rest.name, sizeof(rest.name), "+ %lld more",
                 (long long)kinds->others);
        rc = list_kind(cell, &rest, &x, side, err);
    }
    return rc;
}

struct drawing {
    struct medvl_sheet_cell *cell;
    struct medvl_sheet_labels *labels;
    const struct medvl_steps *steps;
    const struct medvl_shape_on *on;
    struct kinds kinds;
    int scale;
    bool labelled;
    struct label drawn[LABELS_DRAWN];
    int drawn_count;
};

static int draw_region(struct drawing *d, const struct medvl_json *region,
                       struct medvl_error *err)
{
    const char *given = medvl_json_string(medvl_json_get(region, "label"));
    const struct medvl_span name = medvl_span(given ? given : "region");
    struct medvl_shape shape = {0};
    struct label label = {0};
    int rc = color_of(&label.color, d->labels, name, err), left = 0;

    snprintf(label.name, sizeof(label.name), "%.*s",
             (int)medvl_utf8_valid(name.data,
                                   name.size < 60 ? name.size : 60),
             name.data);
    if (rc == MEDVL_OK)
        rc = medvl_shape_read(&shape, region, d->on, err);
    if (rc == MEDVL_OK)
        left = medvl_shape_move(&shape, d->steps, err);
    rc = left < 0 ? left : rc;
    if (rc == MEDVL_OK && left)
        rc = draw_shape(&d->cell->picture, &shape, d->scale, label.color,
                        err);
    if (rc == MEDVL_OK)
        count_kind(&d->kinds, label.name, label.color);
    if (left > 0 && d->labelled && medvl_shape_box(&label.box, &shape))
        d->drawn[d->drawn_count++] = label;
    medvl_shape_release(&shape);
    return rc;
}

int medvl_sheet_regions(struct medvl_sheet_cell *cell,
                        struct medvl_sheet_labels *labels,
                        const struct medvl_json *image,
                        const struct medvl_steps *steps,
                        const struct medvl_image_stage *stage,
                        struct medvl_source *source, struct medvl_error *err)
{
    const struct medvl_json *list = medvl_json_get(image, "regions");
    const struct medvl_json *region = medvl_json_first(list);
    const struct medvl_shape_on on = {steps->width, steps->height,
                                      stage->scale, source};
    struct drawing d = {.cell = cell,
                        .labels = labels,
                        .steps = steps,
                        .on = &on,
                        .scale = medvl_sheet_scale(stage->width)};
    int rc = MEDVL_OK;

    if (medvl_json_type(list) > MEDVL_JSON_NULL &&
        medvl_json_type(list) != MEDVL_JSON_ARRAY)
        return medvl_fail(err, MEDVL_EFORMAT, "\"regions\" is no array");
    d.labelled = medvl_json_count(list) <= LABELS_DRAWN;
    for (size_t i = 1; rc == MEDVL_OK && region; i++) {
        rc = draw_region(&d, region, err);
        if (rc < 0)
            return medvl_context(err, "region %zu", i);
        region = medvl_json_next(region);
    }
    for (int i = 0; rc == MEDVL_OK && i < d.drawn_count; i++)
        rc = draw_label(&cell->picture, &d.drawn[i], d.scale, err);
    if (rc == MEDVL_OK)
        rc = list_kinds(cell, &d.kinds, stage->width, err);
    return rc;
}

/* ---- the caption ----------------------------------------------------- */

/* The text of a turn: a string, or its parts of text one after another. */
static int append_content(struct medvl_text *out,
                          const struct medvl_json *content,
                          struct medvl_error *err)
{
    const char *text = medvl_json_string(content);
    const struct medvl_json *part = medvl_json_first(content);
    int rc = text ? medvl_text_puts(out, text, err) : MEDVL_OK;

    for (; rc == MEDVL_OK && part; part = medvl_json_next(part)) {
        text = medvl_json_string(medvl_json_get(part, "text"));
        if (text)
            rc = medvl_text_printf(out, err, "%s ", text);
    }
    return rc;
}

/* The first turn of this role in the messages, or nothing. */
static int append_turn(struct medvl_text *out,
                       const struct medvl_json *messages, const char *role,
                       struct medvl_error *err)
{
    const struct medvl_json *turn = medvl_json_first(messages);

    for (; turn; turn = medvl_json_next(turn)) {
        const char *is = medvl_json_string(medvl_json_get(turn, "role"));

        if (is && strcmp(is, role) == 0)
            return append_content(out, medvl_json_get(turn, "content"), err);
    }
    return MEDVL_OK;
}

/* A member's text; of an array its texts with commas, of choices' letter
 * the choice too.  Nothing where it is absent or no text. */
static int append_member(struct medvl_text *out,
                         const struct medvl_record *record, const char *name,
                         struct medvl_error *err)
{
    struct medvl_json *tree = NULL;
    const struct medvl_json *item;
    const char *text;
    int rc = medvl_record_read(&tree, record, name, err);

    text = medvl_json_string(tree);
    if (rc == MEDVL_OK && text)
        rc = medvl_text_puts(out, text, err);
    item = medvl_json_first(tree);
    for (; rc == MEDVL_OK && item; item = medvl_json_next(item)) {
        text = medvl_json_string(item);
        if (text)
            rc = medvl_text_printf(out, err, "%s%s", out->size ? ", " : "",
                                   text);
    }
    medvl_json_free(tree);
    return rc;
}

/* The choice behind the letter in `out`, as ": text". */
static int append_choice(struct medvl_text *out,
                         const struct medvl_record *record,
                         struct medvl_error *err)
{
    struct medvl_json *choices = NULL;
    const char *text;
    int rc;

    if (!out->size)
        return MEDVL_OK;
    rc = medvl_record_read(&choices, record, "choices", err);
    text = medvl_json_string(medvl_json_get(choices, out->data));
    if (rc == MEDVL_OK && text)
        rc = medvl_text_printf(out, err, ": %s", text);
    medvl_json_free(choices);
    return rc;
}

/* What is asked, and what is right. */
static int read_pair(struct medvl_text *question, struct medvl_text *answer,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    static const char *const ELSE[] = {"caption", "text", "prompt"};
    struct medvl_json *messages = NULL;
    int rc = append_member(question, record, "question", err);

    if (rc == MEDVL_OK)
        rc = append_member(answer, record, "answer", err);
    if (rc == MEDVL_OK)
        rc = append_choice(answer, record, err);
    if (rc == MEDVL_OK && !question->size)
        rc = medvl_record_read(&messages, record, "messages", err);
    if (rc == MEDVL_OK && messages)
        rc = append_turn(question, messages, "user", err);
    if (rc == MEDVL_OK && messages && !answer->size)
        rc = append_turn(answer, messages, "assistant", err);
    medvl_json_free(messages);
    for (size_t i = 0; i < sizeof(ELSE) / sizeof(*ELSE); i++)
        if (rc == MEDVL_OK && !question->size)
            rc = append_member(question, record, ELSE[i], err);
    return rc;
}

/* One part of the caption, with a few characters in front. */
static int put_part(struct medvl_sheet_cell *cell, const char *before,
                    const struct medvl_text *text, const uint8_t *color,
                    int most, int64_t side, struct medvl_error *err)
{
    struct medvl_text whole = {0};
    int rc;

    if (!text->size)
        return MEDVL_OK;
    rc = medvl_text_printf(&whole, err, "%s%s", before, text->data);
    if (rc == MEDVL_OK)
        rc = medvl_sheet_text(cell, medvl_text_span(&whole), color, most,
                              side, err);
    medvl_text_release(&whole);
    return rc;
}

int medvl_sheet_caption(struct medvl_sheet_cell *cell,
                        const struct medvl_record *record, size_t number,
                        size_t count, int64_t side, struct medvl_error *err)
{
    struct medvl_text id = {0}, question = {0}, answer = {0}, said = {0};
    char place[64] = "";
    int rc;

    if (count > 1)
        snprintf(place, sizeof(place), "%zu/%zu ", number, count);
    rc = append_member(&id, record, "id", err);
    if (rc == MEDVL_OK && !id.size)
        rc = medvl_text_puts(&id, "no id", err);
    if (rc == MEDVL_OK)
        rc = put_part(cell, place, &id, ID, 1, side, err);
    if (rc == MEDVL_OK)
        rc = read_pair(&question, &answer, record, err);
    if (rc == MEDVL_OK)
        rc = append_member(&said, record, "prediction", err);
    if (rc == MEDVL_OK)
        rc = append_choice(&said, record, err);
    if (rc == MEDVL_OK)
        rc = put_part(cell, "", &question, QUESTION, answer.size ? 3 : 4,
                      side, err);
    if (rc == MEDVL_OK)
        rc = put_part(cell, "-> ", &answer, ANSWER, 2, side, err);
    if (rc == MEDVL_OK)
        rc = put_part(cell, "predicted: ", &said, PREDICTION, 2, side, err);
    medvl_text_release(&id);
    medvl_text_release(&question);
    medvl_text_release(&answer);
    medvl_text_release(&said);
    return rc;
}

int medvl_sheet_failure(struct medvl_sheet_cell *cell, const char *why,
                        int64_t side, struct medvl_error *err)
{
    cell->failed = true;
    return medvl_sheet_text(cell, medvl_span(why), ERROR, 4, side, err);
}
