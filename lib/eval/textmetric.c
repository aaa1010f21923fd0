/*
 * Overlap of words: both sides are cut into words, sorted and merged.
 *
 * Read next: grounding.c.
 */
#include "lib/eval/textmetric.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/unicode.h"

struct words {
    struct medvl_span *items;
    size_t count, capacity;
};

static int split(struct words *words, struct medvl_span text,
                 struct medvl_error *err)
{
    size_t start = 0, at = 0;

    while (at <= text.size) {
        uint32_t rune = ' ';
        int size = 1, rc;

        if (at < text.size)
            size = medvl_utf8_decode(&rune, text.data + at, text.size - at);
        if (size < 1) /* not UTF-8: a byte of a word */
            size = 1;
        else if (medvl_unicode_class(rune) & MEDVL_RUNE_SPACE) {
            if (at > start) {
                rc = medvl_grow(&words->items, &words->capacity,
                                words->count + 1, sizeof(*words->items), err);
                if (rc < 0)
                    return rc;
                words->items[words->count++] =
                    (struct medvl_span){text.data + start, at - start};
            }
            start = at + (size_t)size;
        }
        at += (size_t)size;
    }
    return MEDVL_OK;
}

static int compare(const void *a, const void *b)
{
    const struct medvl_span *x = a, *y = b;
    const size_t size = x->size < y->size ? x->size : y->size;
    const int order = memcmp(x->data, y->data, size);

    if (order)
        return order;
    return (x->size > y->size) - (x->size < y->size);
}

/* How many of the next words, from `at` on, are the same. */
static size_t run(const struct words *words, size_t at)
{
    size_t end = at + 1;

    while (end < words->count &&
           compare(&words->items[at], &words->items[end]) == 0)
        end++;
    return end - at;
}

struct counts {
    double shared;   /* sum of min(p, r) */
    double hits;     /* p of shared words */
    double misses;   /* r of words that only the reference has */
    double distinct; /* shared words */
};

static struct counts merge(const struct words *p, const struct words *r)
{
    struct counts c = {0};
    size_t i = 0, k = 0;

    while (k < r->count) {
        const size_t in_r = run(r, k);
        size_t in_p = 0;

        while (i < p->count && compare(&p->items[i], &r->items[k]) < 0)
            i++;
        if (i < p->count && compare(&p->items[i], &r->items[k]) == 0)
            in_p = run(p, i);
        c.shared += (double)(in_p < in_r ? in_p : in_r);
        c.hits += (double)in_p;
        c.misses += in_p ? 0 : (double)in_r;
        c.distinct += in_p > 0;
        i += in_p;
        k += in_r;
    }
    return c;
}

static double harmonic(double a, double b)
{
    return a + b > 0 ? 2 * a * b / (a + b) : 0;
}

int medvl_overlap(struct medvl_overlap *out, struct medvl_span prediction,
                  struct medvl_span reference, struct medvl_error *err)
{
    struct words p = {0}, r = {0};
    struct counts c;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = split(&p, prediction, err);
    if (rc == MEDVL_OK)
        rc = split(&r, reference, err);
    if (rc == MEDVL_OK && p.count && r.count) {
        qsort(p.items, p.count, sizeof(*p.items), compare);
        qsort(r.items, r.count, sizeof(*r.items), compare);
        c = merge(&p, &r);
        out->precision = c.shared / (double)p.count;
        out->recall = c.shared / (double)r.count;
        out->f1 = harmonic(out->precision, out->recall);
        out->llava_precision = c.hits / (double)p.count;
        if (c.hits > 0)
            out->llava_recall = c.hits / (c.hits + c.misses);
        out->llava_f1 = harmonic(out->llava_precision, out->llava_recall);
        out->llava_match = c.distinct / (double)p.count;
    }
    medvl_free(p.items);
    medvl_free(r.items);
    return rc;
}
