/*
 * Synthetic anomalies: where content is, a shape on it, and four ways to
 * change what is inside.
 *
 * Read next: ../text/unicode.c.
 */
#include "lib/image/anomaly.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/blur.h"
#include "lib/image/content.h"

enum kind {
    CUTPASTE,
    GAUSSIAN,
    SOURCE,
    SINK
};

static const char *const NAMES[MEDVL_ANOMALY_KINDS] = {"cutpaste", "gaussian",
                                                       "source", "sink"};

const char *medvl_anomaly_name(int kind)
{
    return NAMES[kind];
}

int medvl_anomaly_parse(struct medvl_anomaly *out, const char *text,
                        struct medvl_error *err)
{
    struct medvl_anomaly parsed = {0, 1};
    const char *at = text;

    for (;;) {
        const size_t size = strcspn(at, ",:");
        unsigned kind = 0;

        while (kind < MEDVL_ANOMALY_KINDS &&
               !medvl_span_is((struct medvl_span){at, size}, NAMES[kind]))
            kind++;
        if (kind == MEDVL_ANOMALY_KINDS || parsed.kinds & 1u << kind)
            return medvl_fail(err, MEDVL_EARG,
                              "anomaly '%s': want each once of cutpaste, "
                              "gaussian, source, sink, joined by commas",
                              text);
        parsed.kinds |= 1u << kind;
        at += size;
        if (*at != ',')
            break;
        at++;
    }
    if (*at == ':' && medvl_parse_real(&parsed.share, medvl_span(at + 1), 0,
                                       1, err) < 0)
        return medvl_context(err, "anomaly '%s': share", text);
    *out = parsed;
    return MEDVL_OK;
}

/* ---- the shape ----------------------------------------------------------- */

/* The centre of a pixel on content. */
static void draw_place(double place[2], const struct medvl_content *c,
                       const struct medvl_picture *p, struct medvl_rng *rng)
{
    const int64_t at = c->cells[medvl_rng_below(rng, c->count)];
    const uint64_t side = (uint64_t)c->cell;
    int64_t x = at % c->columns * c->cell, y = at / c->columns * c->cell;

    x += (int64_t)medvl_rng_below(rng, side);
    y += (int64_t)medvl_rng_below(rng, side);
    place[0] = (double)(x < p->width ? x : p->width - 1) + 0.5;
    place[1] = (double)(y < p->height ? y : p->height - 1) + 0.5;
}

#define ANGLES 256

struct shape {
    double middle[2];
    double radius[ANGLES + 1];   /* at the angle i / ANGLES of a turn */
    int64_t x, y, width, height; /* the part of the picture it is in */
};

static double between(struct medvl_rng *rng, double low, double high)
{
    return low + (high - low) * medvl_rng_unit(rng);
}

static void draw_shape(struct shape *s, const struct medvl_content *c,
                       const struct medvl_picture *p, struct medvl_rng *rng)
{
    const double a = c->width * between(rng, 0.05, 0.2);
    const double b = c->height * between(rng, 0.05, 0.2);
    const double turn = 2 * acos(-1), tilt = between(rng, 0, turn);
    double wave[3], phase[3], most = 0;
    int64_t x1, y1;

    draw_place(s->middle, c, p, rng);
    for (int k = 0; k < 3; k++) {
        wave[k] = between(rng, 0, 0.15);
        phase[k] = between(rng, 0, turn);
    }
    for (int i = 0; i <= ANGLES; i++) {
        const double angle = i % ANGLES * turn / ANGLES;
        double r = 1;

        for (int k = 0; k < 3; k++)
            r += wave[k] * cos((k + 2) * angle + phase[k]);
        r *= a * b / hypot(b * cos(angle - tilt), a * sin(angle - tilt));
        s->radius[i] = fmax(r, 1);
        most = fmax(most, s->radius[i]);
    }
    s->x = (int64_t)fmax(floor(s->middle[0] - most), 0);
    s->y = (int64_t)fmax(floor(s->middle[1] - most), 0);
    x1 = (int64_t)fmin(ceil(s->middle[0] + most), (double)p->width);
    y1 = (int64_t)fmin(ceil(s->middle[1] + most), (double)p->height);
    s->width = x1 - s->x;
    s->height = y1 - s->y;
}

/* From the middle to the edge in the direction of (dx, dy). */
static double edge(const struct shape *s, double dx, double dy)
{
    const double at =
        (atan2(dy, dx) / (2 * acos(-1)) + 1) * ANGLES; /* 0.5..1.5 turns */
    const int i = (int)at % ANGLES;

    return s->radius[i] +
           (s->radius[i + 1] - s->radius[i]) * (at - floor(at));
}

/* ---- a try --------------------------------------------------------------- */

/* The part of the picture that the shape is in, as it would become. */
struct patch {
    struct shape shape;
    uint8_t *mask, *data; /* 0 or 1; samples */
    uint8_t *texture, *soft;
    size_t pixels; /* there is room for */
    double share;  /* of the shape that is on content */
    double change; /* in the mean, levels */
};

static int make_room(struct patch *t, const struct medvl_picture *p,
                     struct medvl_error *err)
{
    const size_t pixels = (size_t)(t->shape.width * t->shape.height);
    uint8_t *all;

    if (pixels <= t->pixels)
        return MEDVL_OK;
    all = medvl_alloc(pixels, 3 + (size_t)p->channels);
    if (!all)
        return medvl_no_memory(err);
    medvl_free(t->mask);
    t->mask = all;
    t->texture = all + pixels;
    t->soft = all + 2 * pixels;
    t->data = all + 3 * pixels;
    t->pixels = pixels;
    return MEDVL_OK;
}

/* Which pixels are in the shape and on content. */
static void fill(struct patch *t, const struct medvl_content *c)
{
    const struct shape *s = &t->shape;
    const double pi = acos(-1);
    double area = 0;
    int64_t set = 0;

    for (int i = 0; i < ANGLES; i++)
        area += s->radius[i] * s->radius[i] * pi / ANGLES;
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const double dx = (double)(s->x + x) + 0.5 - s->middle[0];
            const double dy = (double)(s->y + y) + 0.5 - s->middle[1];
            const int64_t cell = (s->y + y) / c->cell * c->columns +
                                 (s->x + x) / c->cell;
            const bool in =
                c->on[cell] && hypot(dx, dy) < edge(s, dx, dy);

            t->mask[y * s->width + x] = in;
            set += in;
        }
    t->share = fmin((double)set / area, 1);
}

/* The picture at a place, bilinear; the edge goes on. */
static void sample(uint8_t *out, const struct medvl_picture *p, double x,
                   double y)
{
    const double u = fmin(fmax(x - 0.5, 0), (double)(p->width - 1));
    const double v = fmin(fmax(y - 0.5, 0), (double)(p->height - 1));
    const int64_t i = (int64_t)u, j = (int64_t)v, n = p->channels;
    const int64_t right = i + 1 < p->width ? n : 0;
    const int64_t below = j + 1 < p->height ? n * p->width : 0;
    const uint8_t *at = (const uint8_t *)p->data + (j * p->width + i) * n;
    const double a = u - (double)i, b = v - (double)j;

    for (int64_t k = 0; k < n; k++) {
        const double top = at[k] * (1 - a) + at[k + right] * a;
        const double low =
            at[k + below] * (1 - a) + at[k + below + right] * a;

        out[k] = (uint8_t)(top * (1 - b) + low * b + 0.5);
    }
}

/* Do eight places on the piece's edge lie on content? */
static bool is_whole(const struct shape *s, const struct medvl_picture *p,
                     const struct medvl_content *c, const double from[2],
                     double angle)
{
    for (int i = 0; i < ANGLES; i += ANGLES / 8) {
        const double a = angle + i * 2 * acos(-1) / ANGLES;
        const double x = from[0] + s->radius[i] * cos(a);
        const double y = from[1] + s->radius[i] * sin(a);

        if (x < 0 || y < 0 || x >= (double)p->width ||
            y >= (double)p->height ||
            !c->on[(int64_t)y / c->cell * c->columns + (int64_t)x / c->cell])
            return false;
    }
    return true;
}

/* Another place than the shape's, and all of it content, if there is one. */
static void cut_paste(struct patch *t, const struct medvl_picture *p,
                      const struct medvl_content *c, struct medvl_rng *rng)
{
    const struct shape *s = &t->shape;
    const double angle = between(rng, -0.25, 0.25) * acos(-1);
    const double cosine = cos(angle), sine = sin(angle);
    double from[2];

    for (int k = 0; k < 16; k++) {
        draw_place(from, c, p, rng);
        if (hypot(from[0] - s->middle[0], from[1] - s->middle[1]) >
                (double)(s->width + s->height) / 4 &&
            is_whole(s, p, c, from, angle))
            break;
    }
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const double dx = (double)(s->x + x) + 0.5 - s->middle[0];
            const double dy = (double)(s->y + y) + 0.5 - s->middle[1];
            const int64_t at = y * s->width + x;

            if (t->mask[at])
                sample(t->data + at * p->channels, p,
                       from[0] + cosine * dx - sine * dy,
                       from[1] + sine * dx + cosine * dy);
        }
}

/* Blur bytes in place as a grey picture. */
static int blur(uint8_t *data, const struct shape *s, double sigma,
                struct medvl_error *err)
{
    struct medvl_picture p = {s->width, s->height, 1, 8, data};

    return medvl_picture_blur(&p, fmin(sigma, MEDVL_BLUR_SIGMA), err);
}

static int change_levels(struct patch *t, const struct medvl_picture *p,
                         const struct medvl_content *c, struct medvl_rng *rng,
                         struct medvl_error *err)
{
    const struct shape *s = &t->shape;
    const size_t pixels = (size_t)(s->width * s->height);
    const size_t n = (size_t)p->channels;
    const double side = fmin(c->width, c->height);
    const double most = 255 * between(rng, 0.4, 0.6) *
                        (medvl_rng_below(rng, 2) ? 1 : -1);
    const double softness = side * between(rng, 1, 4) / 256;
    int low = 255, high = 0, rc;

    for (size_t i = 0; i < pixels; i++) {
        t->texture[i] = medvl_rng_u32(rng) & 1 ? 255 : 0;
        t->soft[i] = t->mask[i] ? 255 : 0;
    }
    rc = blur(t->texture, s, fmax(side / 50, 0.5), err);
    if (rc == MEDVL_OK)
        rc = blur(t->soft, s, fmax(softness, 0.5), err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < pixels; i++)
        if (t->mask[i]) {
            low = t->texture[i] < low ? t->texture[i] : low;
            high = t->texture[i] > high ? t->texture[i] : high;
        }
    for (size_t i = 0; i < pixels; i++) {
        const double level =
            high > low ? (double)(t->texture[i] - low) / (high - low) : 1;
        const double change = most * level * t->soft[i] / 255;
        const uint8_t *from =
            (const uint8_t *)p->data +
            (size_t)((s->y + (int64_t)i / s->width) * p->width + s->x +
                     (int64_t)i % s->width) *
                n;

        for (size_t k = 0; t->mask[i] && k < n; k++) {
            const double v = from[k] + change;

            t->data[i * n + k] = (uint8_t)fmin(fmax(v + 0.5, 0), 255);
        }
    }
    return MEDVL_OK;
}

static void deform(struct patch *t, const struct medvl_picture *p, bool sink,
                   struct medvl_rng *rng)
{
    const struct shape *s = &t->shape;
    const double factor = pow(2, between(rng, 0.5, 2));

    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const double dx = (double)(s->x + x) + 0.5 - s->middle[0];
            const double dy = (double)(s->y + y) + 0.5 - s->middle[1];
            const double way = hypot(dx, dy) / edge(s, dx, dy);
            const int64_t at = y * s->width + x;
            double to;

            if (!t->mask[at])
                continue;
            to = sink ? 1 - pow(1 - way, factor) : pow(way, factor);
            to = way > 0 ? to / way : 0;
            sample(t->data + at * p->channels, p,
                   s->middle[0] + dx * to,
                   s->middle[1] + dy * to);
        }
}

static double measure_change(const struct patch *t,
                             const struct medvl_picture *p)
{
    const struct shape *s = &t->shape;
    const int64_t n = p->channels;
    int64_t sum = 0, count = 0;

    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const int64_t at = y * s->width + x;
            const uint8_t *old =
                (const uint8_t *)p->data +
                ((s->y + y) * p->width + s->x + x) * n;

            for (int64_t k = 0; t->mask[at] && k < n; k++, count++)
                sum += abs(t->data[at * n + k] - old[k]);
        }
    return (double)sum / (double)count;
}

static int attempt(struct patch *t, const struct medvl_picture *p,
                   const struct medvl_content *c, enum kind kind,
                   struct medvl_rng *rng, struct medvl_error *err)
{
    int rc;

    draw_shape(&t->shape, c, p, rng);
    rc = make_room(t, p, err);
    if (rc < 0)
        return rc;
    fill(t, c);
    if (kind == CUTPASTE)
        cut_paste(t, p, c, rng);
    else if (kind == GAUSSIAN)
        rc = change_levels(t, p, c, rng, err);
    else
        deform(t, p, kind == SINK, rng);
    t->change = measure_change(t, p);
    return rc;
}

/* ---- the best of some tries ---------------------------------------------- */

#define TRIES  16
#define SHARE  0.9
#define CHANGE 4.0

static int choose(struct patch *t, const struct medvl_picture *p,
                  const struct medvl_content *c, enum kind kind,
                  struct medvl_rng *rng, struct medvl_error *err)
{
    struct medvl_rng best = *rng;
    double most = 0;

    for (int k = 0; k < TRIES; k++) {
        const struct medvl_rng before = *rng;
        const int rc = attempt(t, p, c, kind, rng, err);
        const double score =
            fmin(t->share / SHARE, 1) * fmin(t->change / CHANGE, 1);

        if (rc < 0 || score == 1)
            return rc;
        if (score > most) {
            most = score;
            best = before;
        }
    }
    if (most == 0)
        return medvl_fail(err, MEDVL_EARG,
                          "so even that no anomaly (%s) is seen",
                          NAMES[kind]);
    *rng = best;
    return attempt(t, p, c, kind, rng, err);
}

static void put(struct medvl_picture *p, struct medvl_mask *mask,
                const struct patch *t)
{
    const struct shape *s = &t->shape;
    const size_t n = (size_t)p->channels;

    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            const int64_t at = y * s->width + x;
            const int64_t to = (s->y + y) * p->width + s->x + x;

            if (!t->mask[at])
                continue;
            mask->data[to] = 1;
            memcpy((uint8_t *)p->data + (size_t)to * n,
                   t->data + (size_t)at * n, n);
        }
}

static enum kind draw_kind(unsigned kinds, struct medvl_rng *rng)
{
    unsigned left =
        (unsigned)medvl_rng_below(rng, (uint64_t)__builtin_popcount(kinds));
    int kind = 0;

    while (!(kinds >> kind & 1) || left-- > 0)
        kind++;
    return (enum kind)kind;
}

int medvl_anomaly_make(struct medvl_picture *picture,
                       struct medvl_mask *mask, int *kind, unsigned kinds,
                       struct medvl_rng *rng, struct medvl_error *err)
{
    struct medvl_content *c;
    struct patch t = {0};
    int rc;

    if (picture->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window (--window)",
                          picture->depth);
    rc = medvl_content_find(&c, picture, err);
    if (rc < 0)
        return rc;
    *kind = draw_kind(kinds, rng);
    if (!c->count)
        rc = medvl_fail(err, MEDVL_EARG,
                        "nothing but background: no place for an anomaly");
    if (rc == MEDVL_OK)
        rc = choose(&t, picture, c, (enum kind) * kind, rng, err);
    if (rc == MEDVL_OK)
        rc = medvl_mask_make(mask, picture->width, picture->height, err);
    if (rc == MEDVL_OK)
        put(picture, mask, &t);
    medvl_free(t.mask);
    medvl_free(c);
    return rc;
}
