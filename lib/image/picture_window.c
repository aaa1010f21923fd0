/*
 * A picture through a window.  There are few values, so percentiles come
 * from counts of them, and bytes from a table.
 *
 * Read next: picture_turn.c.
 */
#include "lib/image/picture.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/* What a call needs besides the picture. */
struct tables {
    int64_t counts[65536];
    uint8_t bytes[65536];
};

static size_t value_count(const struct medvl_picture *picture)
{
    return (size_t)1 << picture->depth;
}

static void count_values(int64_t *counts, const struct medvl_picture *picture)
{
    const size_t count = (size_t)(picture->width * picture->height);
    const uint8_t *narrow = picture->data;
    const uint16_t *wide = picture->data;

    for (size_t i = 0; i < count; i++)
        counts[picture->depth == 16 ? wide[i] : narrow[i]]++;
}

/* As medvl_window_range does it: zeros do not count. */
static void find_percentiles(double *low, double *high,
                             const struct medvl_window *window,
                             const int64_t *counts, size_t values)
{
    const double share[2] = {window->a / 100, window->b / 100};
    double *const ends[2] = {low, high};
    int64_t kept = 0;

    *low = 0;
    *high = 1;
    for (size_t v = 1; v < values; v++)
        kept += counts[v];
    for (int e = 0; kept && e < 2; e++) {
        const double r = ceil(share[e] * (double)kept);
        int64_t rank = r < 1 ? 1 : r > (double)kept ? kept
                                                    : (int64_t)r;
        size_t v = 1;

        while (rank > counts[v])
            rank -= counts[v++];
        *ends[e] = (double)v;
    }
}

/* Bytes rise with values: each is looked up where it changes alone. */
static void fill_bytes(uint8_t *bytes, size_t values, double low, double high)
{
    for (size_t from = 0; from < values;) {
        const uint8_t byte = medvl_window_apply((double)from, low, high);
        size_t end = values, same = from;

        while (end - same > 1) {
            const size_t middle = same + (end - same) / 2;

            if (medvl_window_apply((double)middle, low, high) == byte)
                same = middle;
            else
                end = middle;
        }
        memset(bytes + from, byte, end - from);
        from = end;
    }
}

/* In place: a byte is never written behind where it is read. */
static void apply_bytes(struct medvl_picture *picture, const uint8_t *bytes)
{
    const size_t count = (size_t)(picture->width * picture->height);
    const uint16_t *wide = picture->data;
    uint8_t *narrow = picture->data;

    if (picture->depth == 16)
        for (size_t i = 0; i < count; i++)
            narrow[i] = bytes[wide[i]];
    else
        for (size_t i = 0; i < count; i++)
            narrow[i] = bytes[narrow[i]];
    picture->depth = 8;
}

int medvl_picture_window(struct medvl_picture *picture,
                         const struct medvl_window *window, double used[2],
                         struct medvl_error *err)
{
    struct tables *tables;
    double low = 0, high = 0;
    int rc = MEDVL_OK;

    if ((!window->given || window->file) && picture->depth == 8)
        return MEDVL_OK;
    if (window->file)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits has no window of its own "
                          "(--window C,W)",
                          picture->depth);
    if (!window->given)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window: --window C,W or "
                          "--window pLO,pHI",
                          picture->depth);
    if (picture->channels != 1)
        return medvl_fail(err, MEDVL_EARG,
                          "a window applies to grey, not to colour");
    tables = medvl_alloc(1, sizeof(*tables));
    if (!tables)
        return medvl_no_memory(err);
    if (window->percentile) {
        count_values(tables->counts, picture);
        find_percentiles(&low, &high, window, tables->counts,
                         value_count(picture));
    } else {
        rc = medvl_window_range(&low, &high, window, NULL, NULL, 0, err);
    }
    if (rc == MEDVL_OK) {
        fill_bytes(tables->bytes, value_count(picture), low, high);
        apply_bytes(picture, tables->bytes);
    }
    medvl_free(tables);
    if (rc == MEDVL_OK && used) {
        used[0] = (low + high) / 2;
        used[1] = high - low;
    }
    return rc;
}
