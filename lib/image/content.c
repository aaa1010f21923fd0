/*
 * What of a picture is content, on a grid.
 *
 * Read next: anomaly.c.
 */
#include "lib/image/content.h"

#include <math.h>

#include "lib/base/mem.h"

#define GRID MEDVL_CONTENT_GRID
#define NEAR 8 /* levels */

static int grey(const struct medvl_picture *p, int64_t x, int64_t y)
{
    const uint8_t *at =
        (const uint8_t *)p->data + (y * p->width + x) * p->channels;

    return p->channels == 1 ? at[0]
                            : (299 * at[0] + 587 * at[1] + 114 * at[2]) / 1000;
}

/* The background's level, or -1 where there is none. */
static int find_background(const struct medvl_picture *p)
{
    int64_t count[256] = {0}, all = 0, near = 0;
    int most = 0;

    for (int64_t y = 0; y < p->height; y++) {
        const bool whole = y == 0 || y == p->height - 1;
        const int64_t step = whole || p->width == 1 ? 1 : p->width - 1;

        for (int64_t x = 0; x < p->width; x += step, all++)
            count[grey(p, x, y)]++;
    }
    for (int v = 1; v < 256; v++)
        most = count[v] > count[most] ? v : most;
    for (int v = 0; v < 256; v++)
        near += v >= most - NEAR && v <= most + NEAR ? count[v] : 0;
    return 2 * near > all ? most : -1;
}

/* Is the cell's picture background? */
static bool is_empty(const struct medvl_picture *p,
                     const struct medvl_content *c, int64_t column,
                     int64_t row, int level)
{
    const int64_t x0 = column * c->cell, y0 = row * c->cell;
    const int64_t x1 = x0 + c->cell < p->width ? x0 + c->cell : p->width;
    const int64_t y1 = y0 + c->cell < p->height ? y0 + c->cell : p->height;
    int64_t near = 0;

    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++) {
            const int v = grey(p, x, y);

            near += v >= level - NEAR && v <= level + NEAR;
        }
    return 10 * near >= 9 * (x1 - x0) * (y1 - y0);
}

/* Take what is empty (2) and connected with the edge out (0). */
static void flood(struct medvl_content *c)
{
    int32_t *stack = c->cells; /* each cell comes in once at most */
    size_t size = 0;

    for (int64_t i = 0; i < c->columns * c->rows; i++) {
        const int64_t x = i % c->columns, y = i / c->columns;
        const bool edge = x == 0 || y == 0 || x == c->columns - 1 ||
                          y == c->rows - 1;

        if (!edge || c->on[i] != 2)
            continue;
        c->on[i] = 0;
        stack[size++] = (int32_t)i;
        while (size > 0) {
            const int64_t at = stack[--size], column = at % c->columns;
            const int64_t beside[4] = {column > 0 ? at - 1 : -1,
                                       column < c->columns - 1 ? at + 1 : -1,
                                       at - c->columns, at + c->columns};

            for (int k = 0; k < 4; k++)
                if (beside[k] >= 0 && beside[k] < c->columns * c->rows &&
                    c->on[beside[k]] == 2) {
                    c->on[beside[k]] = 0;
                    stack[size++] = (int32_t)beside[k];
                }
        }
    }
}

int medvl_content_find(struct medvl_content **out,
                       const struct medvl_picture *p,
                       struct medvl_error *err)
{
    const int64_t side = p->width > p->height ? p->width : p->height;
    const int level = find_background(p);
    struct medvl_content *c = medvl_alloc(1, sizeof(*c));
    int64_t x0 = GRID, y0 = GRID, x1 = -1, y1 = -1;

    *out = c;
    if (!c)
        return medvl_no_memory(err);
    c->cell = (side + GRID - 1) / GRID;
    c->columns = (p->width + c->cell - 1) / c->cell;
    c->rows = (p->height + c->cell - 1) / c->cell;
    for (int64_t y = 0; y < c->rows; y++)
        for (int64_t x = 0; x < c->columns; x++)
            c->on[y * c->columns + x] =
                level >= 0 && is_empty(p, c, x, y, level) ? 2 : 1;
    flood(c);
    c->count = 0;
    for (int64_t i = 0; i < c->columns * c->rows; i++) {
        const int64_t x = i % c->columns, y = i / c->columns;

        if (!c->on[i])
            continue;
        c->cells[c->count++] = (int32_t)i;
        x0 = x < x0 ? x : x0;
        x1 = x > x1 ? x : x1;
        y0 = y < y0 ? y : y0;
        y1 = y > y1 ? y : y1;
    }
    c->width = fmin((double)((x1 + 1 - x0) * c->cell), (double)p->width);
    c->height = fmin((double)((y1 + 1 - y0) * c->cell), (double)p->height);
    return MEDVL_OK;
}
