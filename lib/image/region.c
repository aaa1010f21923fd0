/*
 * Boxes, masks and COCO's run lengths.
 *
 * Read next: region_draw.c.
 */
#include "lib/image/region.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

static double between(double v, double low, double high)
{
    return v < low ? low : v > high ? high
                                    : v;
}

bool medvl_box_clip(struct medvl_box *box, int64_t width, int64_t height)
{
    const bool left = box->x0 < (double)width && box->x1 > 0 &&
                      box->y0 < (double)height && box->y1 > 0;

    box->x0 = between(box->x0, 0, (double)width);
    box->x1 = between(box->x1, 0, (double)width);
    box->y0 = between(box->y0, 0, (double)height);
    box->y1 = between(box->y1, 0, (double)height);
    return left;
}

void medvl_box_pixels(int64_t out[4], const struct medvl_box *box,
                      int64_t width, int64_t height)
{
    const double w = (double)width, h = (double)height;

    out[0] = (int64_t)between(floor(box->x0 + 0.5), 0, w - 1);
    out[1] = (int64_t)between(floor(box->y0 + 0.5), 0, h - 1);
    out[2] = (int64_t)between(floor(box->x1 + 0.5), 1, w);
    out[3] = (int64_t)between(floor(box->y1 + 0.5), 1, h);
    out[2] = out[2] <= out[0] ? out[0] + 1 : out[2];
    out[3] = out[3] <= out[1] ? out[1] + 1 : out[3];
}

int medvl_mask_fits(int64_t width, int64_t height, int64_t picture_width,
                    int64_t picture_height, struct medvl_error *err)
{
    if (width == picture_width && height == picture_height)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "a mask of %lld x %lld on a picture of %lld x %lld",
                      (long long)width, (long long)height,
                      (long long)picture_width, (long long)picture_height);
}

int medvl_mask_make(struct medvl_mask *out, int64_t width, int64_t height,
                    struct medvl_error *err)
{
    if (width < 1 || height < 1 || width > MEDVL_PICTURE_SIDE ||
        height > MEDVL_PICTURE_SIDE || width * height > MEDVL_PICTURE_PIXELS)
        return medvl_fail(err, MEDVL_EARG, "a mask of %lld x %lld pixels",
                          (long long)width, (long long)height);
    out->data = medvl_alloc((size_t)width, (size_t)height);
    if (!out->data)
        return medvl_no_memory(err);
    out->width = width;
    out->height = height;
    return MEDVL_OK;
}

void medvl_mask_release(struct medvl_mask *mask)
{
    medvl_free(mask->data);
    *mask = (struct medvl_mask){0};
}

int64_t medvl_mask_area(const struct medvl_mask *mask)
{
    const int64_t count = mask->width * mask->height;
    int64_t area = 0;

    for (int64_t i = 0; i < count; i++)
        area += mask->data[i];
    return area;
}

bool medvl_mask_box(struct medvl_box *box, const struct medvl_mask *mask)
{
    const size_t width = (size_t)mask->width;
    int64_t x0 = mask->width, x1 = 0, y0 = mask->height, y1 = 0;

    for (int64_t y = 0; y < mask->height; y++) {
        const uint8_t *row = mask->data + (size_t)y * width;
        const uint8_t *first = memchr(row, 1, width);
        const uint8_t *last;

        if (!first)
            continue;
        last = memrchr(row, 1, width);
        x0 = first - row < x0 ? first - row : x0;
        x1 = last - row >= x1 ? last - row + 1 : x1;
        y0 = y < y0 ? y : y0;
        y1 = y + 1;
    }
    *box = (struct medvl_box){(double)x0, (double)y0, (double)x1, (double)y1};
    return x1 > x0;
}

/* ---- COCO run lengths -------------------------------------------------- */

/*
 * A count as 5 bits a character, low ones first, the sixth bit for "more",
 * plus 48.  From the fourth run on it is the difference to the run two
 * before, so it has a sign.
 */
static int put_count(struct medvl_text *out, int64_t value,
                     struct medvl_error *err)
{
    bool more = true;

    while (more) {
        int bits = (int)(value & 31);
        int rc;

        value = (value - bits) / 32;
        more = bits & 16 ? value != -1 : value != 0;
        rc = medvl_text_putc(out, (char)((more ? bits | 32 : bits) + 48),
                             err);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

/* The run that is going on, and the two before it. */
struct encoding {
    struct medvl_text *out;
    int64_t before[2], run, runs;
    uint8_t value;
};

static int end_run(struct encoding *e, struct medvl_error *err)
{
    const int64_t run = e->runs > 2 ? e->run - e->before[1] : e->run;

    e->before[1] = e->before[0];
    e->before[0] = e->run;
    e->runs++;
    e->run = 0;
    e->value = !e->value;
    return put_count(e->out, run, err);
}

/* `count` pixels more, at least one, all alike. */
static int add_pixels(struct encoding *e, uint8_t value, int64_t count,
                      struct medvl_error *err)
{
    const int rc = value == e->value ? MEDVL_OK : end_run(e, err);

    e->run += count;
    return rc;
}

/* The pixels of the box down its columns, and what is off around them. */
static int add_columns(struct encoding *e, const struct medvl_mask *mask,
                       const struct medvl_box *box, struct medvl_error *err)
{
    const int64_t x0 = (int64_t)box->x0, x1 = (int64_t)box->x1;
    const int64_t y0 = (int64_t)box->y0, y1 = (int64_t)box->y1;
    const int64_t between_columns = mask->height - (y1 - y0);
    int rc = MEDVL_OK;

    e->run = x0 * mask->height + y0;
    for (int64_t x = x0; x < x1 && rc == MEDVL_OK; x++) {
        for (int64_t y = y0; y < y1 && rc == MEDVL_OK; y++)
            rc = add_pixels(e, mask->data[y * mask->width + x], 1, err);
        if (rc == MEDVL_OK && x + 1 < x1 && between_columns)
            rc = add_pixels(e, 0, between_columns, err);
    }
    if (rc == MEDVL_OK && (x1 < mask->width || y1 < mask->height))
        rc = add_pixels(e, 0, (mask->width - x1 + 1) * mask->height - y1,
                        err);
    return rc;
}

int medvl_mask_encode(struct medvl_text *out, const struct medvl_mask *mask,
                      struct medvl_error *err)
{
    const size_t start = out->size;
    struct encoding e = {.out = out};
    struct medvl_box box;
    int rc = MEDVL_OK;

    if (medvl_mask_box(&box, mask))
        rc = add_columns(&e, mask, &box, err);
    else
        e.run = mask->width * mask->height;
    if (rc == MEDVL_OK)
        rc = end_run(&e, err);
    if (rc < 0 && out->data) {
        out->size = start;
        out->data[start] = 0;
    }
    return rc;
}

/* One count off the string; 1, or 0 when it is malformed. */
static int get_count(int64_t *out, struct medvl_span *counts)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 40 && counts->size; shift += 5) {
        const int c = (unsigned char)*counts->data - 48;

        if (c < 0 || c > 63)
            return 0;
        counts->data++;
        counts->size--;
        value |= (uint64_t)(c & 31) << shift;
        if (c & 32)
            continue;
        if (c & 16)
            value |= ~(uint64_t)0 << (shift + 5);
        *out = (int64_t)value;
        return 1;
    }
    return 0;
}

/* Set `run` pixels from place `at` on, counted down the columns. */
static void fill_run(struct medvl_mask *mask, int64_t at, int64_t run)
{
    int64_t x = at / mask->height, y = at % mask->height;

    for (; run > 0; run--) {
        mask->data[y * mask->width + x] = 1;
        if (++y == mask->height) {
            y = 0;
            x++;
        }
    }
}

/* Where the next run goes. */
struct filling {
    struct medvl_mask *mask;
    int64_t done, runs; /* pixels, and runs, so far */
};

static int next_run(struct filling *f, int64_t run, struct medvl_error *err)
{
    const int64_t all = f->mask->width * f->mask->height;

    if (run < 0 || run > all - f->done)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "run %lld does not fit a mask of %lld x %lld",
                          (long long)f->runs + 1, (long long)f->mask->width,
                          (long long)f->mask->height);
    if (f->runs & 1)
        fill_run(f->mask, f->done, run);
    f->done += run;
    f->runs++;
    return MEDVL_OK;
}

static int last_run(const struct filling *f, struct medvl_error *err)
{
    const int64_t all = f->mask->width * f->mask->height;

    if (f->done != all)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the runs cover %lld of the mask's %lld pixels",
                          (long long)f->done, (long long)all);
    return MEDVL_OK;
}

static int fill_runs(struct filling *f, struct medvl_span counts,
                     struct medvl_error *err)
{
    int64_t before[2] = {0, 0};

    while (counts.size) {
        int64_t run = 0;
        int rc;

        if (!get_count(&run, &counts))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "run %lld of the mask is no number",
                              (long long)f->runs + 1);
        run += f->runs > 2 ? before[1] : 0;
        before[1] = before[0];
        before[0] = run;
        rc = next_run(f, run, err);
        if (rc < 0)
            return rc;
    }
    return last_run(f, err);
}

int medvl_mask_decode(struct medvl_mask *out, struct medvl_span counts,
                      int64_t width, int64_t height, struct medvl_error *err)
{
    struct filling f = {.mask = out};
    int rc = medvl_mask_make(out, width, height, err);

    if (rc < 0)
        return rc;
    rc = fill_runs(&f, counts, err);
    if (rc < 0)
        medvl_mask_release(out);
    return rc;
}

int medvl_mask_from_runs(struct medvl_mask *out, const int64_t *runs,
                         size_t count, int64_t width, int64_t height,
                         struct medvl_error *err)
{
    struct filling f = {.mask = out};
    int rc = medvl_mask_make(out, width, height, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = next_run(&f, runs[i], err);
    if (rc == MEDVL_OK)
        rc = last_run(&f, err);
    if (rc < 0)
        medvl_mask_release(out);
    return rc;
}
