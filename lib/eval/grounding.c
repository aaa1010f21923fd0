/*
 * Boxes: see grounding.h.
 *
 * Read next: stats.c.
 */
#include "lib/eval/grounding.h"

static size_t skip_space(struct medvl_span text, size_t at)
{
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t' ||
                              text.data[at] == '\n'))
        at++;
    return at;
}

/* Four numbers from `at`, which is past the '['. */
static bool parse_at(double *numbers, struct medvl_span text, size_t at)
{
    for (int i = 0; i < 4; i++) {
        size_t start, end;

        start = end = skip_space(text, at);
        while (end < text.size &&
               ((text.data[end] >= '0' && text.data[end] <= '9') ||
                text.data[end] == '.' || text.data[end] == '-'))
            end++;
        if (medvl_parse_real(&numbers[i],
                             (struct medvl_span){text.data + start,
                                                 end - start},
                             -1e9, 1e9, NULL) < 0)
            return false;
        at = skip_space(text, end);
        if (at >= text.size || text.data[at] != (i < 3 ? ',' : ']'))
            return false;
        at++;
    }
    return true;
}

bool medvl_box_parse(struct medvl_box *out, struct medvl_span text)
{
    double n[4];

    for (size_t at = 0; at < text.size; at++)
        if (text.data[at] == '[' && parse_at(n, text, at + 1)) {
            *out = (struct medvl_box){n[0], n[1], n[2], n[3]};
            return true;
        }
    return false;
}

bool medvl_box_within(const struct medvl_box *box, double scale)
{
    return box->x0 >= 0 && box->y0 >= 0 && box->x0 <= box->x1 &&
           box->y0 <= box->y1 && box->x1 <= scale && box->y1 <= scale;
}

static double area(const struct medvl_box *box)
{
    const double width = box->x1 - box->x0, height = box->y1 - box->y0;

    return width > 0 && height > 0 ? width * height : 0;
}

double medvl_box_iou(const struct medvl_box *a, const struct medvl_box *b)
{
    const struct medvl_box both = {
        a->x0 > b->x0 ? a->x0 : b->x0,
        a->y0 > b->y0 ? a->y0 : b->y0,
        a->x1 < b->x1 ? a->x1 : b->x1,
        a->y1 < b->y1 ? a->y1 : b->y1,
    };
    const double all = area(a) + area(b) - area(&both);

    if (all > 0)
        return area(&both) / all;
    return a->x0 == b->x0 && a->y0 == b->y0 && a->x1 == b->x1 &&
           a->y1 == b->y1;
}
