/*
 * Stored values of grey to what they mean, and through a window.
 *
 * Grey of 8 and 16 bits goes through a table of all stored values, made once
 * a frame; wider values are mapped one by one.
 *
 * Read next: dicom_colour.c.
 */
#include "lib/image/dicom_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

enum shape {
    LINEAR,
    LINEAR_EXACT,
    SIGMOID,
};

/* All that stands between a stored value and its grey. */
struct grey {
    struct medvl_dicom_bits bits;
    struct medvl_dicom_table modality, voi;
    double slope, offset;
    bool window; /* else the values are greys already */
    enum shape shape;
    double centre, width;
    bool inverse;
    double padding[2]; /* stored values that are none; low above high: none */
};

static double modality_value(const struct grey *g, double stored)
{
    if (g->modality.items)
        return medvl_dicom_table_at(&g->modality, stored);
    return stored * g->slope + g->offset;
}

/* 0..1 of a modality's value, PS3.3 C.11.2.1.2 and .3. */
static double windowed(const struct grey *g, double value)
{
    if (g->shape == SIGMOID)
        return 1 / (1 + exp(-4 * (value - g->centre) / g->width));
    if (g->shape == LINEAR_EXACT)
        return (value - g->centre) / g->width + 0.5;
    if (g->width <= 1)
        return value > g->centre - 0.5;
    return (value - (g->centre - 0.5)) / (g->width - 1) + 0.5;
}

static uint8_t grey_of(const struct grey *g, double stored)
{
    double v = modality_value(g, medvl_dicom_stored(&g->bits, stored));

    if (g->voi.items)
        v = medvl_dicom_table_at(&g->voi, v) / (double)((1 << g->voi.bits) - 1);
    else if (g->window)
        v = windowed(g, v);
    else
        v /= (1 << (g->bits.bits ? g->bits.bits : 8)) - 1;
    if (!(v > 0))
        v = 0;
    if (v > 1)
        v = 1;
    if (g->inverse)
        v = 1 - v;
    return (uint8_t)(v * 255 + 0.5);
}

static void read_padding(struct grey *g, const struct medvl_dicom *d)
{
    const double a = medvl_dicom_number(d, -1, "PixelPaddingValue", NAN);
    const double b = medvl_dicom_number(d, -1, "PixelPaddingRangeLimit", a);

    g->padding[0] = isnan(a) ? 1 : fmin(a, b);
    g->padding[1] = isnan(a) ? 0 : fmax(a, b);
}

static int read_grey(struct grey *g, const struct medvl_dicom *d,
                     int64_t frame, struct medvl_error *err)
{
    int rc;

    g->bits = medvl_dicom_bits(d);
    read_padding(g, d);
    g->slope = medvl_dicom_number(d, frame, "RescaleSlope", 1);
    g->offset = medvl_dicom_number(d, frame, "RescaleIntercept", 0);
    if (g->slope == 0)
        return medvl_fail(err, MEDVL_EFORMAT, "RescaleSlope is 0");
    g->inverse = medvl_dicom_says(d, "PhotometricInterpretation",
                                  "MONOCHROME1") ||
                 medvl_dicom_says(d, "PresentationLUTShape", "INVERSE");
    rc = medvl_dicom_table_of(&g->modality, d, "ModalityLUTSequence", err);
    return rc;
}

struct values {
    const struct grey *grey;
    const struct medvl_decoded *file;
    const void *data;
};

/* The modality's value of a pixel; padding is no number. */
static double value_of(const void *from, size_t index)
{
    const struct values *v = from;
    const double stored = medvl_dicom_stored(
        &v->grey->bits, medvl_voxel_value(v->data, v->file->type, index));

    if (stored >= v->grey->padding[0] && stored <= v->grey->padding[1])
        return NAN;
    return modality_value(v->grey, stored);
}

static int window_by_percentile(struct grey *g, const struct medvl_dicom *d,
                                const void *data,
                                const struct medvl_window *window,
                                struct medvl_error *err)
{
    const struct values values = {g, &d->file, data};
    double low, high;
    int rc = medvl_window_range(&low, &high, window, value_of, &values,
                                (size_t)(d->file.size[1] * d->file.size[2]),
                                err);

    if (rc < 0)
        return rc;
    g->shape = LINEAR_EXACT;
    g->centre = (low + high) / 2;
    g->width = high > low ? high - low : 1;
    return MEDVL_OK;
}

static int window_of_file(struct grey *g, const struct medvl_dicom *d,
                          int64_t frame, struct medvl_error *err)
{
    const struct medvl_json *function =
        medvl_dicom_tag(d, frame, "VOILUTFunction");
    const char *name = medvl_json_string(function);
    int rc;

    g->centre = medvl_dicom_number(d, frame, "WindowCenter", NAN);
    g->width = medvl_dicom_number(d, frame, "WindowWidth", NAN);
    if (isfinite(g->centre) && g->width > 0) {
        g->shape = name && strcmp(name, "SIGMOID") == 0 ? SIGMOID
                   : name && strcmp(name, "LINEAR_EXACT") == 0
                       ? LINEAR_EXACT
                       : LINEAR;
        return MEDVL_OK;
    }
    rc = medvl_dicom_table_of(&g->voi, d, "VOILUTSequence", err);
    if (rc == MEDVL_OK && !g->voi.items)
        rc = medvl_fail(err, MEDVL_EARG,
                        "the file has no window: give one with --window");
    return rc;
}

static int choose_window(struct grey *g, const struct medvl_dicom *d,
                         int64_t frame, const void *data,
                         const struct medvl_window *window,
                         struct medvl_error *err)
{
    const bool narrow = g->bits.bits && g->bits.bits <= 8 && !g->bits.sign;
    const bool plain = !g->modality.items && g->slope == 1 && g->offset == 0;

    g->window = window->given;
    if (!window->given && plain && narrow)
        return MEDVL_OK;
    if (!window->given)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of more than 8 bits: give --window, for "
                          "example --window file");
    if (window->file)
        return window_of_file(g, d, frame, err);
    if (window->percentile)
        return window_by_percentile(g, d, data, window, err);
    g->centre = window->a;
    g->width = window->b;
    return MEDVL_OK;
}

static void map_wide(uint8_t *out, const struct grey *g,
                     const struct medvl_decoded *file, const void *data)
{
    const size_t count = (size_t)(file->size[1] * file->size[2]);

    for (size_t i = 0; i < count; i++)
        out[i] = grey_of(g, medvl_voxel_value(data, file->type, i));
}

static int map_grey(uint8_t *out, const struct grey *g,
                    const struct medvl_decoded *file, const void *data,
                    struct medvl_error *err)
{
    const size_t count = (size_t)(file->size[1] * file->size[2]);
    const size_t bytes = medvl_voxel_bytes(file->type);
    const size_t values = bytes == 1 ? 256 : 65536;
    uint8_t *table;

    if (bytes > 2) {
        map_wide(out, g, file, data);
        return MEDVL_OK;
    }
    table = medvl_alloc(values, 1);
    if (!table)
        return medvl_no_memory(err);
    for (size_t v = 0; v < values; v++)
        table[v] = grey_of(g, (double)v);
    for (size_t i = 0; i < count; i++)
        out[i] = table[bytes == 1 ? ((const uint8_t *)data)[i]
                                  : ((const uint16_t *)data)[i]];
    medvl_free(table);
    return MEDVL_OK;
}

int medvl_dicom_grey(struct medvl_picture *out,
                     const struct medvl_dicom *d, int64_t frame,
                     const void *data, const struct medvl_window *window,
                     double used[2], struct medvl_error *err)
{
    struct grey g = {0};
    int rc = read_grey(&g, d, frame, err);

    if (rc == MEDVL_OK)
        rc = choose_window(&g, d, frame, data, window, err);
    if (rc == MEDVL_OK)
        rc = map_grey(out->data, &g, &d->file, data, err);
    if (used && rc == MEDVL_OK && g.window && !g.voi.items) {
        used[0] = g.centre;
        used[1] = g.width;
    }
    medvl_dicom_table_release(&g.modality);
    medvl_dicom_table_release(&g.voi);
    return rc;
}

/* ---- values ------------------------------------------------------------- */

int medvl_dicom_values(const struct medvl_dicom *dicom,
                       struct medvl_decoder *decoder, int64_t frame,
                       void (*put)(void *arg, size_t pixel, double value),
                       void *arg, struct medvl_error *err)
{
    const size_t count = (size_t)(dicom->file.size[1] * dicom->file.size[2]);
    struct grey g = {.slope = 1};
    struct values values = {&g, &dicom->file, NULL};
    void *data;
    int rc;

    if (medvl_dicom_is_colour(dicom))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "colours");
    data = medvl_alloc(dicom->file.bytes, 1);
    if (!data)
        return medvl_no_memory(err);
    values.data = data;
    g.bits = medvl_dicom_bits(dicom);
    read_padding(&g, dicom);
    rc = medvl_dicom_table_of(&g.modality, dicom, "ModalityLUTSequence", err);
    if (rc == MEDVL_OK)
        rc = medvl_decoder_frame(data, decoder, frame, err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        put(arg, i, value_of(&values, i));
    medvl_dicom_table_release(&g.modality);
    medvl_free(data);
    return rc;
}
