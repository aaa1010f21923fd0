/*
 * Regions of records: shapes from any JSON, moved through a crop, a pad, a
 * turn and a resize.  What is left lies in the picture, is written, and
 * reads back.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/data/shape_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct medvl_steps STEPS = {
    .width = 13,
    .height = 9,
    .count = 4,
    .at = {{{{1, 0, -2, 0, 1, -1}}, 10, 7},
           {{{1, 0, 3, 0, 1, 4}}, 15, 15},
           {{{0.8, -0.6, 3, 0.6, 0.8, -3}}, 15, 15},
           {{{1.5, 0, 0, 0, 0.4, 0}}, 22, 6}},
};

static void check_box(const struct medvl_box *box)
{
    if (!(box->x0 >= 0 && box->y0 >= 0 && box->x1 <= 22 && box->y1 <= 6))
        abort();
}

/* What was written reads back on the new picture. */
static void check_again(const struct medvl_shape *shape)
{
    const struct medvl_shape_on on = {.width = 22, .height = 6};
    struct medvl_json_view view = {0};
    struct medvl_shape again = {0};
    struct medvl_json *json = NULL;
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    if (medvl_json_view_object(&view, medvl_span("{}"), &err) < 0 ||
        medvl_shape_write(&view, shape, &err) < 0 ||
        medvl_json_view_write(&text, &view, &err) < 0 ||
        medvl_json_parse(&json, medvl_text_span(&text), &err) < 0 ||
        medvl_shape_read(&again, json, &on, &err) < 0 ||
        again.polygons.count != shape->polygons.count ||
        again.points.count != shape->points.count)
        abort();
    medvl_shape_release(&again);
    medvl_json_free(json);
    medvl_json_view_release(&view);
    medvl_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span text = {(const char *)data, size};
    struct medvl_json *json = NULL;
    struct medvl_error err = {0};

    if (medvl_json_parse(&json, text, &err) < 0)
        return 0;
    for (int64_t scale = 0; scale < 1000; scale += 999) {
        const struct medvl_shape_on on = {
            .width = 13, .height = 9, .scale = scale};
        struct medvl_shape shape = {0};
        struct medvl_mask mask = {0};
        struct medvl_box box;

        if (medvl_shape_read(&shape, json, &on, &err) < 0)
            continue;
        if (medvl_shape_move(&shape, &STEPS, &err) == 1) {
            if (medvl_shape_box(&box, &shape))
                check_box(&box);
            if (medvl_mask_make(&mask, 22, 6, &err) < 0)
                abort();
            (void)!medvl_shape_fill(&mask, &shape, &err);
            check_again(&shape);
            medvl_mask_release(&mask);
        }
        medvl_shape_release(&shape);
    }
    medvl_json_free(json);
    return 0;
}
