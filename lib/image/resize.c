/*
 * Pillow's resize: for each output pixel the filter's weights over the
 * input pixels it covers, in fixed point, along the rows and then down the
 * columns.
 *
 * The bytes depend on how the weights are rounded and on the order of the
 * passes, so both are Pillow's: weights in double, normalised by their sum,
 * rounded away from zero at 22 bits; a sum starts at one half and is
 * shifted and cut to 0..255 after each pass.
 *
 * Read next: resize_avx2.c.
 */
#include "lib/image/resize.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

#define BITS 22

static double bicubic(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * -0.5;
    return 0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

void medvl_taps_release(struct medvl_taps *taps)
{
    medvl_free(taps->first);
    medvl_free(taps->count);
    medvl_free(taps->weight);
    *taps = (struct medvl_taps){0};
}

/* The weights of output i, in `weight` as double first. */
static void fill_taps(struct medvl_taps *taps, double *weight, int64_t i,
                      int64_t from, int64_t to, enum medvl_filter filter)
{
    const double scale = (double)from / (double)to;
    const double wide = scale < 1 ? 1 : scale;
    const double support =
        (filter == MEDVL_FILTER_BICUBIC ? 2.0 : 1.0) * wide;
    const double center = ((double)i + 0.5) * scale, step = 1.0 / wide;
    int32_t first = (int32_t)(center - support + 0.5);
    int32_t last = (int32_t)(center + support + 0.5);
    int32_t *fixed = taps->weight + i * taps->taps;
    double sum = 0;

    first = first < 0 ? 0 : first;
    last = last > from ? (int32_t)from : last;
    for (int32_t t = first; t < last; t++) {
        const double x = (t - center + 0.5) * step;

        weight[t - first] =
            filter == MEDVL_FILTER_BICUBIC ? bicubic(x) : bilinear(x);
        sum += weight[t - first];
    }
    for (int32_t t = 0; t < last - first; t++) {
        double w = weight[t];

        if (sum != 0)
            w /= sum;
        w *= 1 << BITS;
        fixed[t] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    taps->first[i] = first;
    taps->count[i] = last - first;
}

int medvl_taps_make(struct medvl_taps *taps, int64_t from, int64_t to,
                    enum medvl_filter filter, struct medvl_error *err)
{
    const double scale = (double)from / (double)to;
    const double support = (filter == MEDVL_FILTER_BICUBIC ? 2.0 : 1.0) *
                           (scale < 1 ? 1 : scale);
    double *weight;

    *taps = (struct medvl_taps){.size = to};
    taps->taps = (int64_t)ceil(support) * 2 + 1;
    weight = medvl_alloc((size_t)taps->taps, sizeof(*weight));
    taps->first = medvl_alloc((size_t)to, sizeof(*taps->first));
    taps->count = medvl_alloc((size_t)to, sizeof(*taps->count));
    taps->weight = medvl_alloc((size_t)(to * taps->taps),
                               sizeof(*taps->weight));
    if (!weight || !taps->first || !taps->count || !taps->weight) {
        medvl_free(weight);
        medvl_taps_release(taps);
        return medvl_no_memory(err);
    }
    for (int64_t i = 0; i < to; i++)
        fill_taps(taps, weight, i, from, to, filter);
    medvl_free(weight);
    return MEDVL_OK;
}

static uint8_t to_byte(int32_t sum)
{
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255
                                             : sum);
}

void medvl_resize_row_ref(uint8_t *out, const uint8_t *in, int channels,
                          const struct medvl_taps *taps)
{
    for (int64_t i = 0; i < taps->size; i++) {
        const int32_t *weight = taps->weight + i * taps->taps;
        const uint8_t *from = in + (size_t)taps->first[i] * (size_t)channels;

        for (int c = 0; c < channels; c++) {
            int32_t sum = 1 << (BITS - 1);

            for (int32_t t = 0; t < taps->count[i]; t++)
                sum += weight[t] * from[t * channels + c];
            *out++ = to_byte(sum);
        }
    }
}

void medvl_resize_column_ref(uint8_t *out, const uint8_t *in, size_t stride,
                             size_t bytes, int64_t index,
                             const struct medvl_taps *taps)
{
    const int32_t *weight = taps->weight + index * taps->taps;

    for (size_t x = 0; x < bytes; x++) {
        int32_t sum = 1 << (BITS - 1);

        for (int32_t t = 0; t < taps->count[index]; t++)
            sum += weight[t] * in[(size_t)t * stride + x];
        out[x] = to_byte(sum);
    }
}

/* Weights for AVX2, or NULL where the plain form is to be used. */
static int pack(uint32_t **packed, const struct medvl_taps *taps, bool fast,
                struct medvl_error *err)
{
    *packed = NULL;
    if (!fast)
        return MEDVL_OK;
    *packed = medvl_alloc(medvl_resize_packed_avx2(taps), sizeof(**packed));
    if (!*packed)
        return medvl_no_memory(err);
    if (!medvl_resize_pack_avx2(*packed, taps)) {
        medvl_free(*packed);
        *packed = NULL;
    }
    return MEDVL_OK;
}

/* Along the rows: rows [skip, skip + out->height) of `in`, at any width. */
static int pass_rows(struct medvl_picture *out,
                     const struct medvl_picture *in, int64_t skip,
                     const struct medvl_taps *taps, bool fast,
                     struct medvl_error *err)
{
    const size_t row = medvl_picture_row(in), to = medvl_picture_row(out);
    const size_t size = 32 * (row + to);
    const uint8_t *from = (const uint8_t *)in->data + (size_t)skip * row;
    uint8_t *dst = out->data, *scratch = NULL;
    uint32_t *packed;
    int rc;

    fast = fast && row >= MEDVL_RESIZE_ROW && to >= MEDVL_RESIZE_ROW;
    rc = pack(&packed, taps, fast, err);
    if (packed) {
        scratch = medvl_block_alloc(size);
        if (!scratch)
            rc = medvl_no_memory(err);
    }
    for (int64_t y = 0; rc == MEDVL_OK && scratch && y < out->height; y += 32)
        medvl_resize_rows_avx2(
            dst + (size_t)y * to, to, from + (size_t)y * row, row,
            out->height - y < 32 ? out->height - y : 32, in->channels,
            in->width, taps, packed, scratch);
    for (int64_t y = 0; rc == MEDVL_OK && !scratch && y < out->height; y++)
        medvl_resize_row_ref(dst + (size_t)y * to, from + (size_t)y * row,
                             in->channels, taps);
    medvl_block_free(scratch, size);
    medvl_free(packed);
    return rc;
}

/* Down the columns of the rows at `from`, the first of them row `skip`. */
static int pass_columns(struct medvl_picture *out, const uint8_t *from,
                        size_t stride, int64_t skip,
                        const struct medvl_taps *taps, bool fast,
                        struct medvl_error *err)
{
    const size_t row = medvl_picture_row(out);
    uint8_t *to = out->data;
    uint32_t *packed;
    const int rc =
        pack(&packed, taps, fast && row >= MEDVL_RESIZE_COLUMN, err);

    for (int64_t y = 0; rc == MEDVL_OK && y < out->height; y++, to += row) {
        const uint8_t *first = from + (size_t)(taps->first[y] - skip) * stride;

        if (packed)
            medvl_resize_column_avx2(to, first, stride, row, y, taps, packed);
        else
            medvl_resize_column_ref(to, first, stride, row, y, taps);
    }
    medvl_free(packed);
    return rc;
}

/* Which part of the resized picture is wanted. */
struct part {
    int64_t width, height; /* of the whole */
    int64_t x, y;          /* out's size from here */
};

/* The taps of outputs [from, from + size) alone. */
static struct medvl_taps some_taps(const struct medvl_taps *taps,
                                   int64_t from, int64_t size)
{
    return (struct medvl_taps){.size = size,
                               .taps = taps->taps,
                               .first = taps->first + from,
                               .count = taps->count + from,
                               .weight = taps->weight + from * taps->taps};
}

/* Both sides change: the rows that are needed, then the columns. */
static int both_passes(struct medvl_picture *out,
                       const struct medvl_picture *in,
                       const struct medvl_taps *across,
                       const struct medvl_taps *down, bool fast,
                       struct medvl_error *err)
{
    const int64_t last = down->size - 1, skip = down->first[0];
    struct medvl_picture middle = {0};
    int rc = medvl_picture_room(&middle, across->size,
                                down->first[last] + down->count[last] - skip,
                                in->channels, 8, err);

    if (rc == MEDVL_OK)
        rc = pass_rows(&middle, in, skip, across, fast, err);
    if (rc == MEDVL_OK)
        rc = pass_columns(out, middle.data, medvl_picture_row(&middle), skip,
                          down, fast, err);
    medvl_picture_release(&middle);
    return rc;
}

/* `out` is made; at least one side changes. */
static int resize_part(struct medvl_picture *out,
                       const struct medvl_picture *in,
                       const struct part *part, enum medvl_filter filter,
                       bool fast, struct medvl_error *err)
{
    struct medvl_taps across = {0}, down = {0}, some_across, some_down;
    int rc = MEDVL_OK;

    if (part->width != in->width)
        rc = medvl_taps_make(&across, in->width, part->width, filter, err);
    if (rc == MEDVL_OK && part->height != in->height)
        rc = medvl_taps_make(&down, in->height, part->height, filter, err);
    if (rc < 0)
        goto done;
    some_across = some_taps(&across, part->x, out->width);
    some_down = some_taps(&down, part->y, out->height);
    if (across.size && down.size)
        rc = both_passes(out, in, &some_across, &some_down, fast, err);
    else if (across.size)
        rc = pass_rows(out, in, part->y, &some_across, fast, err);
    else
        rc = pass_columns(out,
                          (const uint8_t *)in->data + part->x * in->channels,
                          medvl_picture_row(in), 0, &some_down, fast, err);
done:
    medvl_taps_release(&across);
    medvl_taps_release(&down);
    return rc;
}

static int resize_and_crop(struct medvl_picture *out,
                           const struct medvl_picture *in,
                           const struct part *part, int64_t width,
                           int64_t height, enum medvl_filter filter,
                           bool fast, struct medvl_error *err)
{
    int rc;

    if (in->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "pictures of %d bits are not resized", in->depth);
    if (part->width > MEDVL_PICTURE_SIDE || part->height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lld x %lld pixels; a side has 1..%d",
                          (long long)part->width, (long long)part->height,
                          MEDVL_PICTURE_SIDE);
    if (part->width == in->width && part->height == in->height)
        return medvl_picture_crop(out, in, part->x, part->y, width, height,
                                  err);
    rc = medvl_picture_room(out, width, height, in->channels, 8, err);
    if (rc == MEDVL_OK)
        rc = resize_part(out, in, part, filter, fast, err);
    if (rc < 0)
        medvl_picture_release(out);
    return rc;
}

int medvl_picture_resize_with(struct medvl_picture *out,
                              const struct medvl_picture *in, int64_t width,
                              int64_t height, enum medvl_filter filter,
                              bool fast, struct medvl_error *err)
{
    const struct part whole = {width, height, 0, 0};

    return resize_and_crop(out, in, &whole, width, height, filter, fast, err);
}

static bool has_avx2(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

int medvl_picture_resize(struct medvl_picture *out,
                         const struct medvl_picture *in,
                         int64_t width, int64_t height,
                         enum medvl_filter filter, struct medvl_error *err)
{
    return medvl_picture_resize_with(out, in, width, height, filter,
                                     has_avx2(), err);
}

/* ---- crop, pad, fit --------------------------------------------------- */

int medvl_picture_crop(struct medvl_picture *out,
                       const struct medvl_picture *in,
                       int64_t x, int64_t y, int64_t width, int64_t height,
                       struct medvl_error *err)
{
    const size_t pixel = (size_t)(in->channels * in->depth / 8);
    const size_t from = (size_t)in->width * pixel;
    const size_t to = (size_t)width * pixel;
    int rc;

    if (x < 0 || y < 0 || width < 1 || height < 1 || x > in->width - width ||
        y > in->height - height)
        return medvl_fail(err, MEDVL_EARG,
                          "crop of %lld x %lld at (%lld, %lld) is not inside "
                          "%lld x %lld",
                          (long long)width, (long long)height, (long long)x,
                          (long long)y, (long long)in->width,
                          (long long)in->height);
    rc = medvl_picture_room(out, width, height, in->channels, in->depth, err);
    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < height; i++)
        memcpy((uint8_t *)out->data + (size_t)i * to,
               (const uint8_t *)in->data + (size_t)(y + i) * from +
                   (size_t)x * pixel,
               to);
    return MEDVL_OK;
}

static bool is_grey(const uint8_t color[3])
{
    return color[0] == color[1] && color[1] == color[2];
}

static void paint(struct medvl_picture *picture, const uint8_t color[3])
{
    uint8_t *data = picture->data;
    const size_t count = (size_t)picture->width * (size_t)picture->height;

    if (is_grey(color)) {
        memset(data, color[0], medvl_picture_bytes(picture));
        return;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(data + 3 * i, color, 3);
}

int medvl_picture_pad(struct medvl_picture *out, const struct medvl_picture *in,
                      int64_t x, int64_t y, int64_t width, int64_t height,
                      const uint8_t color[3], struct medvl_error *err)
{
    const int channels = in->channels == 1 && is_grey(color) ? 1 : 3;
    int rc;

    if (in->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "pictures of %d bits are not padded", in->depth);
    if (x < 0 || y < 0 || x > width - in->width || y > height - in->height)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld at (%lld, %lld) is not inside %lld x "
                          "%lld",
                          (long long)in->width, (long long)in->height,
                          (long long)x, (long long)y, (long long)width,
                          (long long)height);
    rc = medvl_picture_room(out, width, height, channels, 8, err);
    if (rc < 0)
        return rc;
    paint(out, color);
    for (int64_t i = 0; i < in->height; i++) {
        const uint8_t *from = (const uint8_t *)in->data +
                              (size_t)i * medvl_picture_row(in);
        uint8_t *to = (uint8_t *)out->data +
                      (size_t)(y + i) * medvl_picture_row(out) +
                      (size_t)(x * channels);

        if (channels == in->channels) {
            memcpy(to, from, medvl_picture_row(in));
            continue;
        }
        for (int64_t j = 0; j < in->width; j++, to += 3)
            to[0] = to[1] = to[2] = from[j];
    }
    return MEDVL_OK;
}

static int fit_crop(struct medvl_picture *out, const struct medvl_picture *in,
                    int64_t width, int64_t height,
                    enum medvl_filter filter,
                    struct medvl_placement *placed, struct medvl_error *err)
{
    const bool narrow = in->width * height <= in->height * width;
    const int64_t w = narrow ? width : in->width * height / in->height;
    const int64_t h = narrow ? in->height * width / in->width : height;
    const struct part part = {w, h, (w - width) / 2, (h - height) / 2};

    *placed = (struct medvl_placement){(double)w / (double)in->width,
                                       (double)h / (double)in->height,
                                       (double)-part.x, (double)-part.y};
    return resize_and_crop(out, in, &part, width, height, filter, has_avx2(),
                           err);
}

static int fit_pad(struct medvl_picture *out, const struct medvl_picture *in,
                   int64_t width, int64_t height,
                   enum medvl_filter filter,
                   const uint8_t color[3], int64_t pixels,
                   struct medvl_placement *placed, struct medvl_error *err)
{
    struct medvl_picture whole = {0};
    const bool narrow = in->width * height <= in->height * width;
    const int64_t w =
        narrow ? (in->height * width + height - 1) / height : in->width;
    const int64_t h =
        narrow ? in->height : (in->width * height + width - 1) / width;
    const int64_t x = (w - in->width) / 2, y = (h - in->height) / 2;
    int rc;

    if (w > MEDVL_PICTURE_SIDE || h > MEDVL_PICTURE_SIDE || w * h > pixels)
        return medvl_fail(err, MEDVL_EARG,
                          "padding makes %lld x %lld pixels, over the limit "
                          "of %lld",
                          (long long)w, (long long)h, (long long)pixels);
    if (w == in->width && h == in->height) {
        rc = medvl_picture_resize(out, in, width, height, filter, err);
    } else {
        rc = medvl_picture_pad(&whole, in, x, y, w, h, color, err);
        if (rc == MEDVL_OK)
            rc = medvl_picture_resize(out, &whole, width, height, filter,
                                      err);
        medvl_picture_release(&whole);
    }
    placed->scale_x = (double)width / (double)w;
    placed->scale_y = (double)height / (double)h;
    placed->x0 = (double)x * placed->scale_x;
    placed->y0 = (double)y * placed->scale_y;
    return rc;
}

int medvl_picture_fit(struct medvl_picture *out, const struct medvl_picture *in,
                      int64_t width, int64_t height, enum medvl_fit fit,
                      enum medvl_filter filter, const uint8_t color[3],
                      int64_t pixels, struct medvl_placement *placed,
                      struct medvl_error *err)
{
    struct medvl_placement unused;

    if (!placed)
        placed = &unused;
    if (!pixels)
        pixels = MEDVL_PICTURE_PIXELS;
    if (fit == MEDVL_FIT_CROP)
        return fit_crop(out, in, width, height, filter, placed, err);
    if (fit == MEDVL_FIT_PAD)
        return fit_pad(out, in, width, height, filter, color, pixels, placed,
                       err);
    *placed = (struct medvl_placement){(double)width / (double)in->width,
                                       (double)height / (double)in->height,
                                       0, 0};
    return medvl_picture_resize(out, in, width, height, filter, err);
}

/* ---- colours ---------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t rgb[3];
} COLORS[] = {
    {"mean", {122, 116, 104}},
    {"black", {0, 0, 0}},
    {"white", {255, 255, 255}},
    {"grey", {128, 128, 128}},
    {"red", {255, 0, 0}},
    {"green", {0, 255, 0}},
    {"blue", {0, 0, 255}},
    {"yellow", {255, 255, 0}},
    {"cyan", {0, 255, 255}},
    {"magenta", {255, 0, 255}},
    {"orange", {255, 165, 0}},
};

int medvl_color_parse(uint8_t out[3], const char *text,
                      struct medvl_error *err)
{
    const char *at = text;

    for (size_t i = 0; i < sizeof(COLORS) / sizeof(*COLORS); i++)
        if (strcmp(text, COLORS[i].name) == 0) {
            memcpy(out, COLORS[i].rgb, 3);
            return MEDVL_OK;
        }
    for (int i = 0; i < 3; i++) {
        const size_t size = strcspn(at, ",");
        int64_t value = 0;

        if (medvl_parse_int(&value, (struct medvl_span){at, size}, 0, 255,
                            NULL) < 0 ||
            (at[size] == ',') != (i < 2))
            return medvl_fail(err, MEDVL_EARG,
                              "colour '%s': want R,G,B of 0..255, or a name",
                              text);
        out[i] = (uint8_t)value;
        at += size + 1;
    }
    return MEDVL_OK;
}
