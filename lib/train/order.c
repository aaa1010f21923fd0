/*
 * A place i of the permutation is a moment i / count of the epoch.  A record
 * of window [begin, end) is moved to begin + moment * (end - begin); sorted
 * by that, records keep the permutation's order within their window.
 */
#include "lib/train/order.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"

/* Part of the epoch, from 0 to 1. */
struct window {
    int64_t set, records;
    double begin, end;
};

struct windows {
    struct window *items;
    int64_t count, sets;
    int64_t *of; /* each chunk's */
};

struct place {
    double moment;
    size_t at;
    int64_t record;
};

/* ---- which records --------------------------------------------------- */

static int push(struct medvl_order *order, int64_t record,
                struct medvl_error *err)
{
    const int rc = medvl_grow(&order->records, &order->room, order->count + 1,
                              sizeof(*order->records), err);

    if (rc == MEDVL_OK)
        order->records[order->count++] = record;
    return rc;
}

int medvl_order_list(struct medvl_order *order,
                     const struct medvl_dataset *data, uint64_t seed,
                     int64_t epoch, struct medvl_error *err)
{
    struct medvl_rng rng;
    int rc = MEDVL_OK;

    medvl_rng_init(&rng, seed, MEDVL_PURPOSE_MIX, (uint64_t)epoch);
    order->count = 0;
    for (int64_t i = 0; i < medvl_dataset_count(data) && rc == MEDVL_OK;
         i++) {
        const double weight = medvl_dataset_entry(data, i)->repeat;
        int64_t times = (int64_t)weight;

        if (weight > (double)times &&
            medvl_rng_unit(&rng) < weight - (double)times)
            times++;
        while (times-- > 0 && rc == MEDVL_OK)
            rc = push(order, i, err);
    }
    return rc;
}

void medvl_order_release(struct medvl_order *order)
{
    medvl_free(order->records);
    *order = (struct medvl_order){0};
}

/* ---- windows --------------------------------------------------------- */

/* Chunks [first, last) of one set into windows, in an order by chance
 * unless one window holds them. */
static int fill_set(struct windows *w, struct medvl_rng *rng,
                    const struct medvl_dataset_chunk *chunks, int64_t first,
                    int64_t last, size_t window, struct medvl_error *err)
{
    const int64_t count = last - first;
    int64_t *order = medvl_alloc((size_t)count, sizeof(*order));
    size_t all = 0, filled = 0;

    if (!order)
        return medvl_no_memory(err);
    for (int64_t c = 0; c < count; c++) {
        order[c] = c;
        all += chunks[first + c].bytes;
    }
    if (all > window)
        medvl_rng_permutation(order, count, rng);
    for (int64_t c = 0; c < count; c++) {
        const size_t bytes = chunks[first + order[c]].bytes;

        if (c == 0 || filled + bytes > window) {
            w->items[w->count++].set = chunks[first].set;
            filled = 0;
        }
        filled += bytes;
        w->of[first + order[c]] = w->count - 1;
    }
    medvl_free(order);
    return MEDVL_OK;
}

static int fill(struct windows *w, const struct medvl_dataset *data,
                struct medvl_rng *rng, struct medvl_error *err)
{
    const size_t window = medvl_dataset_window(data);
    int64_t count, last;
    const struct medvl_dataset_chunk *chunks =
        medvl_dataset_chunks(&count, data);
    int rc = MEDVL_OK;

    w->items = medvl_alloc((size_t)count, sizeof(*w->items));
    w->of = medvl_alloc((size_t)count, sizeof(*w->of));
    if (!w->items || !w->of)
        return medvl_no_memory(err);
    for (int64_t c = 0; c < count && rc == MEDVL_OK; c = last) {
        for (last = c + 1; last < count; last++)
            if (chunks[last].set != chunks[c].set)
                break;
        rc = fill_set(w, rng, chunks, c, last, window, err);
        w->sets++;
    }
    return rc;
}

static struct window *window_of(const struct windows *w,
                                const struct medvl_dataset *data,
                                int64_t record)
{
    return &w->items[w->of[medvl_dataset_entry(data, record)->chunk]];
}

/* When each window of a set begins and ends: by its share of records. */
static void set_moments(struct windows *w, const struct medvl_order *order,
                        const struct medvl_dataset *data)
{
    int64_t first = 0;

    for (size_t i = 0; i < order->count; i++)
        window_of(w, data, order->records[i])->records++;
    while (first < w->count) {
        int64_t last = first, all = 0, done = 0;

        for (; last < w->count && w->items[last].set == w->items[first].set;
             last++)
            all += w->items[last].records;
        for (; first < last; first++) {
            struct window *one = &w->items[first];

            one->begin = (double)done / (double)(all ? all : 1);
            done += one->records;
            one->end = (double)done / (double)(all ? all : 1);
        }
    }
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->moment != y->moment)
        return x->moment < y->moment ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int arrange(struct medvl_order *order, struct windows *w,
                   const struct medvl_dataset *data, struct medvl_error *err)
{
    struct place *places = medvl_alloc(order->count, sizeof(*places));

    if (!places)
        return medvl_no_memory(err);
    set_moments(w, order, data);
    for (size_t i = 0; i < order->count; i++) {
        const int64_t record = order->records[i];
        const struct window *one = window_of(w, data, record);
        const double moment = (double)i / (double)order->count;

        places[i].moment = one->begin + moment * (one->end - one->begin);
        places[i].at = i;
        places[i].record = record;
    }
    qsort(places, order->count, sizeof(*places), compare_places);
    for (size_t i = 0; i < order->count; i++)
        order->records[i] = places[i].record;
    medvl_free(places);
    return MEDVL_OK;
}

int medvl_order_shuffle(struct medvl_order *order,
                        const struct medvl_dataset *data, uint64_t seed,
                        int64_t epoch, struct medvl_error *err)
{
    struct windows w = {0};
    struct medvl_rng rng;
    int rc;

    medvl_rng_init(&rng, seed, MEDVL_PURPOSE_SHUFFLE, (uint64_t)epoch);
    for (size_t i = order->count; i > 1; i--) {
        const size_t k = (size_t)medvl_rng_below(&rng, i);
        const int64_t other = order->records[k];

        order->records[k] = order->records[i - 1];
        order->records[i - 1] = other;
    }
    rc = fill(&w, data, &rng, err);
    if (rc == MEDVL_OK && w.count > w.sets)
        rc = arrange(order, &w, data, err);
    medvl_free(w.items);
    medvl_free(w.of);
    return rc;
}
