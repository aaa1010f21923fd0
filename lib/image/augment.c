/*
 * Random geometry and intensities.
 *
 * Read next: shape.c.
 */
#include "lib/image/augment.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/blur.h"

/* ---- options ----------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
    double high;
} NAMES[] = {
    {"shift", offsetof(struct medvl_augment, shift), 1},
    {"scale", offsetof(struct medvl_augment, scale), 0.95},
    {"rotate", offsetof(struct medvl_augment, rotate), 180},
    {"contrast", offsetof(struct medvl_augment, contrast), 2},
    {"brightness", offsetof(struct medvl_augment, brightness), 1},
    {"gamma", offsetof(struct medvl_augment, gamma), 2},
    {"noise", offsetof(struct medvl_augment, noise), 1},
    {"hflip", offsetof(struct medvl_augment, hflip), 1},
    {"vflip", offsetof(struct medvl_augment, vflip), 1},
    {"blur", offsetof(struct medvl_augment, blur), MEDVL_BLUR_SIGMA},
};
#define NAME_COUNT (sizeof(NAMES) / sizeof(*NAMES))

/* "S" is 1-S..1+S; "LO..HI" is that range. */
static int parse_scale(double scale[2], struct medvl_span text,
                       struct medvl_error *err)
{
    const char *dots = memmem(text.data, text.size, "..", 2);
    double low = 0, high = 0;
    int rc;

    if (!dots) {
        rc = medvl_parse_real(&low, text, 0, 0.95, err);
        scale[0] = 1 - low;
        scale[1] = 1 + low;
        return rc;
    }
    rc = medvl_parse_real(&low,
                          (struct medvl_span){text.data,
                                              (size_t)(dots - text.data)},
                          0.05, 20, err);
    if (rc == MEDVL_OK)
        rc = medvl_parse_real(
            &high,
            (struct medvl_span){dots + 2, (size_t)(text.data + text.size -
                                                   dots - 2)},
            low, 20, err);
    scale[0] = low;
    scale[1] = high;
    return rc;
}

static int parse_one(struct medvl_augment *out, unsigned *seen,
                     struct medvl_span item, struct medvl_error *err)
{
    const char *equal = memchr(item.data, '=', item.size);
    struct medvl_span name = item, value;
    size_t i = 0;

    if (!equal)
        return medvl_fail(err, MEDVL_EARG, "want NAME=NUMBER");
    name.size = (size_t)(equal - item.data);
    value = (struct medvl_span){equal + 1, item.size - name.size - 1};
    while (i < NAME_COUNT && !medvl_span_is(name, NAMES[i].name))
        i++;
    if (i == NAME_COUNT)
        return medvl_fail(err, MEDVL_EARG,
                          "'%.*s' is none of shift, scale, rotate, contrast, "
                          "brightness, gamma, noise, hflip, vflip, blur",
                          (int)name.size, name.data);
    if (*seen & 1u << i)
        return medvl_fail(err, MEDVL_EARG, "%s twice", NAMES[i].name);
    *seen |= 1u << i;
    if (i == 1)
        return parse_scale(out->scale, value, err);
    return medvl_parse_real((double *)((char *)out + NAMES[i].offset), value,
                            0, NAMES[i].high, err);
}

int medvl_augment_parse(struct medvl_augment *out, const char *text,
                        struct medvl_error *err)
{
    struct medvl_augment parsed = {0};
    const char *at = text;
    unsigned seen = 0;

    for (;;) {
        const size_t size = strcspn(at, ",");

        if (parse_one(&parsed, &seen, (struct medvl_span){at, size}, err) < 0)
            return medvl_context(err, "augmentation '%s'", text);
        if (!at[size])
            break;
        at += size + 1;
    }
    *out = parsed;
    return MEDVL_OK;
}

/* ---- maps -------------------------------------------------------------- */

bool medvl_affine_is_identity(const struct medvl_affine *map)
{
    const double *m = map->m;

    return m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[4] == 1 &&
           m[5] == 0;
}

struct medvl_affine medvl_affine_after(const struct medvl_affine *a,
                                       const struct medvl_affine *b)
{
    const double *p = a->m, *q = b->m;
    struct medvl_affine out = {
        {p[0] * q[0] + p[1] * q[3], p[0] * q[1] + p[1] * q[4],
         p[0] * q[2] + p[1] * q[5] + p[2], p[3] * q[0] + p[4] * q[3],
         p[3] * q[1] + p[4] * q[4], p[3] * q[2] + p[4] * q[5] + p[5]}};

    return out;
}

static struct medvl_affine inverse(const struct medvl_affine *map)
{
    const double *m = map->m, d = 1 / (m[0] * m[4] - m[1] * m[3]);
    struct medvl_affine out = {{m[4] * d, -m[1] * d,
                                (m[1] * m[5] - m[4] * m[2]) * d, -m[3] * d,
                                m[0] * d, (m[3] * m[2] - m[0] * m[5]) * d}};

    return out;
}

struct medvl_box medvl_affine_box(const struct medvl_affine *map,
                                  struct medvl_box box)
{
    const double *m = map->m;
    struct medvl_box out = {INFINITY, INFINITY, -INFINITY, -INFINITY};

    for (int corner = 0; corner < 4; corner++) {
        const double x = corner & 1 ? box.x1 : box.x0;
        const double y = corner & 2 ? box.y1 : box.y0;
        const double u = m[0] * x + m[1] * y + m[2];
        const double v = m[3] * x + m[4] * y + m[5];

        out.x0 = fmin(out.x0, u);
        out.x1 = fmax(out.x1, u);
        out.y0 = fmin(out.y0, v);
        out.y1 = fmax(out.y1, v);
    }
    return out;
}

/* ---- drawing lots ------------------------------------------------------ */

static double around(struct medvl_rng *rng, double reach)
{
    const double at = 2 * medvl_rng_unit(rng) - 1;

    return reach > 0 ? at * reach : 0; /* without the sign of -0 */
}

/* Blocks of the stream from here on are asked for by their number. */
#define ASIDE ((uint64_t)1 << 48)

static struct medvl_rng aside(const struct medvl_rng *rng, uint64_t block)
{
    struct medvl_rng out;

    medvl_rng_init(&out, rng->seed, (enum medvl_purpose)rng->purpose,
                   rng->item);
    out.index = ASIDE + block;
    return out;
}

void medvl_augment_draw(struct medvl_draw *out, struct medvl_rng *rng,
                        const struct medvl_augment *augment,
                        int64_t width, int64_t height)
{
    struct medvl_rng own = aside(rng, 1 + rng->index);
    const double cx = (double)width / 2, cy = (double)height / 2;
    const double dx = around(rng, augment->shift) * (double)width;
    const double dy = around(rng, augment->shift) * (double)height;
    const double at = medvl_rng_unit(rng);
    const double angle = around(rng, augment->rotate) * (acos(-1) / 180);
    const double low = augment->scale[0], high = augment->scale[1];
    const double scale = high > 0 ? low * pow(high / low, at) : 1;
    const double c = cos(angle) * scale, s = sin(angle) * scale;

    out->contrast = exp(around(rng, augment->contrast));
    out->brightness = around(rng, augment->brightness);
    out->gamma = exp(around(rng, augment->gamma));
    out->noise = augment->noise;
    out->blur = medvl_rng_unit(&own) * augment->blur;
    out->map = (struct medvl_affine){{c, -s, cx + dx - c * cx + s * cy, s, c,
                                      cy + dy - s * cx - c * cy}};
    if (augment->shift == 0 && augment->rotate == 0 && scale == 1)
        out->map = (struct medvl_affine){{1, 0, 0, 0, 1, 0}};
}

struct medvl_flip medvl_augment_flip(const struct medvl_rng *rng,
                                     const struct medvl_augment *augment)
{
    struct medvl_rng own = aside(rng, 0);
    const bool across = medvl_rng_unit(&own) < augment->hflip;
    const bool down = medvl_rng_unit(&own) < augment->vflip;

    return (struct medvl_flip){across, down};
}

void medvl_draw_flip(struct medvl_draw *draw, struct medvl_flip flip,
                     int64_t width, int64_t height)
{
    struct medvl_affine mirror = {{1, 0, 0, 0, 1, 0}};

    if (flip.across) {
        mirror.m[0] = -1;
        mirror.m[2] = (double)width;
    }
    if (flip.down) {
        mirror.m[4] = -1;
        mirror.m[5] = (double)height;
    }
    draw->map = medvl_affine_after(&draw->map, &mirror);
}

/* ---- applying ---------------------------------------------------------- */

/* Places as whole numbers of 2^-32 pixels, so that steps add up exactly. */
static int64_t to_fixed(double v)
{
    return (int64_t)floor(v * 4294967296.0 + 0.5);
}

/* Mix four samples with weights of 1/256 each way. */
static uint8_t mix(const uint8_t *const from[4], int64_t c, unsigned a,
                   unsigned b)
{
    const unsigned top = from[0][c] * (256 - a) + from[1][c] * a;
    const unsigned low = from[2][c] * (256 - a) + from[3][c] * a;

    return (uint8_t)((top * (256 - b) + low * b + 32768) >> 16);
}

/*
 * One row of the moved picture, from the place (u, v) of its first pixel
 * on, in steps of (du, dv).
 */
static void move_row(uint8_t *to, const struct medvl_picture *in, int64_t u,
                     int64_t v, int64_t du, int64_t dv,
                     const uint8_t color[3])
{
    const int64_t w = in->width, h = in->height, n = in->channels;
    const uint8_t *data = in->data;

    for (int64_t x = 0; x < w; x++, u += du, v += dv, to += n) {
        const int64_t iu = u >> 32, iv = v >> 32;
        const unsigned a = (unsigned)(u >> 24) & 255;
        const unsigned b = (unsigned)(v >> 24) & 255;
        const uint8_t *from[4] = {color, color, color, color};

        if (iu >= 0 && iv >= 0 && iu + 1 < w && iv + 1 < h) {
            from[0] = data + n * (iv * w + iu);
            from[1] = from[0] + n;
            from[2] = from[0] + n * w;
            from[3] = from[2] + n;
        } else if (iu >= -1 && iv >= -1 && iu < w && iv < h) {
            for (int corner = 0; corner < 4; corner++) {
                const int64_t cu = iu + (corner & 1), cv = iv + corner / 2;

                if (cu >= 0 && cv >= 0 && cu < w && cv < h)
                    from[corner] = data + n * (cv * w + cu);
            }
        }
        for (int64_t c = 0; c < n; c++)
            to[c] = mix(from, c, a, b);
    }
}

/* The picture moved by the map, bilinear between pixel centres. */
static void move_picture(struct medvl_picture *out,
                         const struct medvl_picture *in,
                         const struct medvl_affine *map,
                         const uint8_t color[3])
{
    const struct medvl_affine back = inverse(map);
    const double *m = back.m;
    const size_t row = medvl_picture_row(in);

    for (int64_t y = 0; y < in->height; y++) {
        const double py = (double)y + 0.5;

        move_row((uint8_t *)out->data + (size_t)y * row, in,
                 to_fixed(m[0] * 0.5 + m[1] * py + m[2] - 0.5),
                 to_fixed(m[3] * 0.5 + m[4] * py + m[5] - 0.5),
                 to_fixed(m[0]), to_fixed(m[3]), color);
    }
}

static void mirror_row(uint8_t *to, const uint8_t *from, size_t width,
                       size_t channels)
{
    size_t left = width;

    if (channels == 3) {
        for (const uint8_t *p = from + 3 * width; left > 0; left--, to += 3) {
            p -= 3;
            to[0] = p[0];
            to[1] = p[1];
            to[2] = p[2];
        }
        return;
    }
    for (; left >= 8; left -= 8, to += 8) {
        uint64_t eight;

        memcpy(&eight, from + left - 8, 8);
        eight = __builtin_bswap64(eight);
        memcpy(to, &eight, 8);
    }
    while (left > 0)
        *to++ = from[--left];
}

/* Copy the picture, flipped as the map does; false when it does more. */
static bool flip_picture(struct medvl_picture *out,
                         const struct medvl_picture *in,
                         const struct medvl_affine *map)
{
    const double *m = map->m, w = (double)in->width, h = (double)in->height;
    const bool across = m[0] == -1 && m[2] == w;
    const bool down = m[4] == -1 && m[5] == h;
    const size_t row = medvl_picture_row(in), rows = (size_t)in->height;

    if (m[1] != 0 || m[3] != 0 || (!across && (m[0] != 1 || m[2] != 0)) ||
        (!down && (m[4] != 1 || m[5] != 0)))
        return false;
    for (size_t y = 0; y < rows; y++) {
        const uint8_t *from = (const uint8_t *)in->data + y * row;
        uint8_t *to = (uint8_t *)out->data + (down ? rows - 1 - y : y) * row;

        if (across)
            mirror_row(to, from, (size_t)in->width, (size_t)in->channels);
        else
            memcpy(to, from, row);
    }
    return true;
}

static uint8_t to_byte(double v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 1 ? 255
                                         : v * 255 + 0.5);
}

/*
 * Nearly normal, mean 0 and deviation 1: the sum of four bytes, each of
 * variance (256^2 - 1) / 12.  Enough for samples of 8 bits, and a tenth of
 * the time of the exact one.
 */
static double cheap_normal(struct medvl_rng *rng)
{
    const uint32_t bits = medvl_rng_u32(rng);
    const uint32_t pairs = (bits & 0xff00ff) + (bits >> 8 & 0xff00ff);
    const double sum = (double)((pairs & 0xffff) + (pairs >> 16));

    return (sum - 510) * (1 / 147.80054127099805);
}

static void change_levels(struct medvl_picture *picture,
                          const struct medvl_draw *draw,
                          struct medvl_rng *rng)
{
    const size_t count = (size_t)(picture->width * picture->height);
    const size_t n = (size_t)picture->channels;
    uint8_t *data = picture->data;
    double level[256];

    for (int i = 0; i < 256; i++)
        level[i] = (pow(i / 255.0, draw->gamma) - 0.5) * draw->contrast +
                   0.5 + draw->brightness;
    for (size_t i = 0; i < count; i++) {
        const double noise =
            draw->noise > 0 ? draw->noise * cheap_normal(rng) : 0;

        for (size_t c = 0; c < n; c++)
            data[i * n + c] = to_byte(level[data[i * n + c]] + noise);
    }
}

int medvl_augment_apply(struct medvl_picture *out,
                        const struct medvl_picture *in,
                        const struct medvl_draw *draw, struct medvl_rng *rng,
                        const uint8_t color[3], struct medvl_error *err)
{
    int rc;

    if (in->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window (--window)",
                          in->depth);
    rc = medvl_picture_make(out, in->width, in->height, in->channels, 8, err);
    if (rc < 0)
        return rc;
    if (!flip_picture(out, in, &draw->map))
        move_picture(out, in, &draw->map, color);
    rc = medvl_picture_blur(out, draw->blur, err);
    if (rc < 0) {
        medvl_picture_release(out);
        return rc;
    }
    if (draw->contrast != 1 || draw->brightness != 0 || draw->gamma != 1 ||
        draw->noise > 0)
        change_levels(out, draw, rng);
    return MEDVL_OK;
}
