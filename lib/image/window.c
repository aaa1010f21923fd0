/*
 * Windows: their names and numbers, and percentiles by counting.
 *
 * Read next: picture.c.
 */
#include "lib/image/window.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/text.h"

static bool find_window(struct medvl_window *out, const char *name)
{
    static const struct {
        const char *name;
        double centre, width;
    } NAMED[] = {
        {"brain", 40, 80},
        {"subdural", 75, 215},
        {"bone", 400, 1800},
        {"lung", -600, 1500},
        {"mediastinum", 50, 350},
        {"abdomen", 50, 400},
        {"liver", 30, 150},
    };

    *out = (struct medvl_window){.given = true};
    out->file = strcmp(name, "file") == 0;
    for (size_t i = 0; i < sizeof(NAMED) / sizeof(*NAMED); i++)
        if (strcmp(name, NAMED[i].name) == 0) {
            out->a = NAMED[i].centre;
            out->b = NAMED[i].width;
        }
    return out->file || out->b > 0;
}

int medvl_window_parse(struct medvl_window *out, const char *text,
                       struct medvl_error *err)
{
    const bool percentile = text[0] == 'p';
    const char *comma = strchr(text, ',');
    struct medvl_span a, b;
    double low = percentile ? 0 : -1e12, high = percentile ? 100 : 1e12;
    double x = 0, y = 0;

    if (find_window(out, text))
        return MEDVL_OK;
    if (!comma || (percentile && comma[1] != 'p'))
        return medvl_fail(err, MEDVL_EARG,
                          "window '%s': want C,W or pLO,pHI, file, or brain, "
                          "subdural, bone, lung, mediastinum, abdomen, liver",
                          text);
    a = (struct medvl_span){text + percentile,
                            (size_t)(comma - text) - percentile};
    b = medvl_span(comma + 1 + percentile);
    if (medvl_parse_real(&x, a, low, high, NULL) < 0 ||
        medvl_parse_real(&y, b, low, high, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "window '%s': want C,W or pLO,pHI, with numbers%s",
                          text, percentile ? " of 0..100" : "");
    if (percentile ? x >= y : y <= 0)
        return medvl_fail(err, MEDVL_EARG, "window '%s': %s", text,
                          percentile ? "the percentiles must rise"
                                     : "the width must be above 0");
    *out = (struct medvl_window){true, percentile, false, x, y};
    return MEDVL_OK;
}

/*
 * Percentiles by counting, not sorting: doubles as whole numbers in the same
 * order are counted by their upper 16 bits; then, in the two classes where
 * the wanted ranks fall, by the next 16, and so on until no value has bits
 * that are left.
 */
struct counts {
    int64_t of[2][65536];
};

/* Rising with the value. */
static uint64_t order_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The value of an order whose lower `left` bits of the value are 0. */
static double value_of(uint64_t order, int left)
{
    uint64_t bits = order >> 63 ? order & ~((uint64_t)1 << 63) : ~order;
    double value;

    bits &= ~(((uint64_t)1 << left) - 1);
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The class of the `*rank`-th (from 1), which becomes its rank in there. */
static uint64_t find_class(const int64_t counts[65536], int64_t *rank)
{
    uint64_t k = 0;

    while (*rank > counts[k])
        *rank -= counts[k++];
    return k;
}

/*
 * Count by the 16 bits above the lower `left` those that have class[e]
 * above these.  Returns all bits that are set in a value.
 */
static uint64_t count_values(struct counts *counts, int64_t *kept,
                             const uint64_t class[2], int left,
                             double (*value)(const void *, size_t),
                             const void *from, size_t count)
{
    uint64_t all = 0;

    memset(counts, 0, sizeof(*counts));
    *kept = 0;
    for (size_t i = 0; i < count; i++) {
        const double v = value(from, i);
        const uint64_t order = order_of(v);
        const uint64_t above = left < 48 ? order >> (left + 16) : 0;

        if (v == 0 || !isfinite(v))
            continue;
        all |= order >> 63 ? order : ~order;
        for (int e = 0; e < 2; e++)
            if (above == class[e])
                counts->of[e][order >> left & 0xffff]++;
        (*kept)++;
    }
    return all;
}

static void find_percentiles(double *ends[2], struct counts *counts,
                             const struct medvl_window *window,
                             double (*value)(const void *, size_t),
                             const void *from, size_t count)
{
    const double share[2] = {window->a / 100, window->b / 100};
    uint64_t class[2] = {0, 0}, all;
    int64_t rank[2] = {0, 0}, kept;
    int left = 64;

    do {
        left -= 16;
        all = count_values(counts, &kept, class, left, value, from, count);
        if (!kept)
            return;
        for (int e = 0; e < 2; e++) {
            const double r = ceil(share[e] * (double)kept);

            if (left == 48)
                rank[e] = r < 1 ? 1 : r > (double)kept ? kept
                                                       : (int64_t)r;
            class[e] = class[e] << 16 | find_class(counts->of[e], &rank[e]);
        }
    } while (all & (((uint64_t)1 << left) - 1));
    for (int e = 0; e < 2; e++)
        *ends[e] = value_of(class[e] << left, left);
}

int medvl_window_range(double *low, double *high,
                       const struct medvl_window *window,
                       double (*value)(const void *from, size_t index),
                       const void *from, size_t count,
                       struct medvl_error *err)
{
    struct counts *counts;

    if (!window->percentile) {
        *low = window->a - window->b / 2;
        *high = window->a + window->b / 2;
        return MEDVL_OK;
    }
    *low = 0;
    *high = 1;
    counts = medvl_alloc(1, sizeof(*counts));
    if (!counts)
        return medvl_no_memory(err);
    find_percentiles((double *[2]){low, high}, counts, window, value, from,
                     count);
    medvl_free(counts);
    return MEDVL_OK;
}

uint8_t medvl_window_apply(double value, double low, double high)
{
    if (value >= high)
        return 255;
    if (!(value > low))
        return 0;
    return (uint8_t)((value - low) / (high - low) * 255 + 0.5);
}
