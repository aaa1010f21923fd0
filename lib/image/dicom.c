/*
 * DICOM values to pictures.
 *
 * Grey of 8 and 16 stored bits goes through a table of all stored values,
 * made once a frame; wider values are mapped one by one.
 *
 * Read next: dicom_tags.c.
 */
#include "lib/image/dicom.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/image/dicom_part.h"

#define MAGIC_AT 128

bool medvl_dicom_is(const void *data, size_t size)
{
    return size >= MAGIC_AT + 4 &&
           memcmp((const char *)data + MAGIC_AT, "DICM", 4) == 0;
}

bool medvl_dicom_is_name(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcasecmp(dot, ".dcm") == 0 ||
                   strcasecmp(dot, ".dicom") == 0);
}

static int read_tags(struct medvl_dicom *out, struct medvl_error *err)
{
    struct medvl_text json = {0};
    int rc = medvl_dicom_write_tags(&json, out->file.tags, err);

    if (rc == MEDVL_OK)
        rc = medvl_json_parse(&out->tags, medvl_text_span(&json), err);
    medvl_text_release(&json);
    return rc < 0 ? medvl_context(err, "tags") : rc;
}

int medvl_dicom_file(struct medvl_dicom *out, struct medvl_decoder *decoder,
                     const char *path, struct medvl_error *err)
{
    int rc;

    out->tags = NULL;
    rc = medvl_decoder_file(&out->file, decoder, MEDVL_FORMAT_DICOM, path,
                            err);
    return rc < 0 ? rc : read_tags(out, err);
}

int medvl_dicom_bytes(struct medvl_dicom *out, struct medvl_decoder *decoder,
                      struct medvl_span bytes, struct medvl_error *err)
{
    int rc;

    out->tags = NULL;
    rc = medvl_decoder_bytes(&out->file, decoder, MEDVL_FORMAT_DICOM, bytes,
                             err);
    return rc < 0 ? rc : read_tags(out, err);
}

void medvl_dicom_release(struct medvl_dicom *dicom)
{
    medvl_json_free(dicom->tags);
    dicom->tags = NULL;
}

/* ---- tags --------------------------------------------------------------- */

const struct medvl_json *medvl_dicom_tag(const struct medvl_dicom *dicom,
                                         int64_t frame, const char *keyword)
{
    const struct medvl_json *frames = medvl_json_get(dicom->tags, "frames");
    const struct medvl_json *found = NULL;

    if (frames && frame >= 0)
        found = medvl_json_get(medvl_json_at(frames, (size_t)frame), keyword);
    if (!found)
        found = medvl_json_get(medvl_json_get(dicom->tags, "shared"),
                               keyword);
    return found ? found : medvl_json_get(dicom->tags, keyword);
}

static bool identifies(const char *keyword)
{
    static const char *const NAMES[] = {
        "PatientID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "FrameOfReferenceUID",
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (strcmp(keyword, NAMES[i]) == 0)
            return true;
    return false;
}

/* Of the classes only those of the standard are printed as they are. */
static bool is_foreign_class(const char *keyword,
                             const struct medvl_json *value)
{
    const char *uid = medvl_json_string(value);

    return strcmp(keyword, "SOPClassUID") == 0 &&
           (!uid || strncmp(uid, "1.2.840.10008.", 14) != 0);
}

static bool is_bulk(const char *keyword, const struct medvl_json *value)
{
    return medvl_json_type(value) == MEDVL_JSON_OBJECT ||
           strstr(keyword, "LookupTable") || strstr(keyword, "LUTSequence") ||
           strcmp(keyword, "frames") == 0;
}

void medvl_dicom_put_tags(struct medvl_json_writer *w,
                          const struct medvl_dicom *dicom)
{
    struct medvl_text text = {0};

    for (const struct medvl_json *tag = medvl_json_first(dicom->tags); tag;
         tag = medvl_json_next(tag)) {
        const char *keyword = medvl_json_name(tag);

        if (identifies(keyword) || is_foreign_class(keyword, tag))
            continue;
        medvl_text_clear(&text);
        if (is_bulk(keyword, tag))
            medvl_json_put_bool(w, keyword, true);
        else if (medvl_json_print(&text, tag, &w->err) == MEDVL_OK)
            medvl_json_put_raw(w, keyword, medvl_text_span(&text));
    }
    medvl_text_release(&text);
}

/* The tag's first number. */
static double number(const struct medvl_dicom *dicom, int64_t frame,
                     const char *keyword, double otherwise)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, frame, keyword);

    if (medvl_json_type(tag) == MEDVL_JSON_ARRAY)
        tag = medvl_json_first(tag);
    return medvl_json_number(tag, otherwise);
}

static bool is_text(const struct medvl_dicom *dicom, const char *keyword,
                    const char *text)
{
    const char *value =
        medvl_json_string(medvl_dicom_tag(dicom, -1, keyword));

    return value && strcmp(value, text) == 0;
}

/* ---- tables ------------------------------------------------------------- */

/* A table over whole numbers from `first` on; what lies outside is the end
 * that is nearer. */
struct table {
    uint16_t *items;
    size_t count;
    double first;
    int bits; /* of an item */
};

static void table_release(struct table *table)
{
    medvl_free(table->items);
    table->items = NULL;
}

/* From a descriptor [count, first, bits] and its data. */
static int table_read(struct table *out, const struct medvl_json *descriptor,
                      const struct medvl_json *data, struct medvl_error *err)
{
    const double count = medvl_json_number(medvl_json_at(descriptor, 0), -1);
    const double first = medvl_json_number(medvl_json_at(descriptor, 1), NAN);
    const double bits = medvl_json_number(medvl_json_at(descriptor, 2), -1);
    const size_t words = medvl_json_count(data);
    const struct medvl_json *item = medvl_json_first(data);

    /* A count is 16 bits that may have been read with a sign; 0 is 65536. */
    out->count = count == 0  ? 65536
                 : count < 0 ? (size_t)(count + 65536)
                             : (size_t)count;
    out->first = first;
    out->bits = (int)bits;
    if (!isfinite(first) || !(bits >= 8 && bits <= 16) ||
        (words != out->count && words != (out->count + 1) / 2))
        return medvl_fail(err, MEDVL_EFORMAT, "the table is damaged");
    out->items = medvl_alloc(out->count, sizeof(*out->items));
    if (!out->items)
        return medvl_no_memory(err);
    for (size_t i = 0; i < out->count; item = medvl_json_next(item)) {
        const unsigned word = (unsigned)medvl_json_number(item, 0);

        if (words == out->count) {
            out->items[i++] = (uint16_t)word;
            continue;
        }
        out->items[i++] = (uint16_t)(word & 255);
        if (i < out->count)
            out->items[i++] = (uint16_t)(word >> 8 & 255);
    }
    if (words != out->count && out->bits > 8)
        out->bits = 8;
    return MEDVL_OK;
}

static unsigned table_at(const struct table *table, double value)
{
    const double at = floor(value - table->first);

    if (!(at > 0))
        return table->items[0];
    return table->items[at < (double)table->count ? (size_t)at
                                                  : table->count - 1];
}

/* The first item of a sequence of tables; items NULL where it is absent. */
static int table_of(struct table *out, const struct medvl_dicom *dicom,
                    const char *sequence, struct medvl_error *err)
{
    const struct medvl_json *item =
        medvl_json_first(medvl_json_get(dicom->tags, sequence));
    int rc;

    *out = (struct table){0};
    if (!item)
        return MEDVL_OK;
    rc = table_read(out, medvl_json_get(item, "LUTDescriptor"),
                    medvl_json_get(item, "LUTData"), err);
    return rc < 0 ? medvl_context(err, "%s", sequence) : rc;
}

/* ---- grey --------------------------------------------------------------- */

enum shape {
    LINEAR,
    LINEAR_EXACT,
    SIGMOID,
};

/* All that stands between a stored value and its grey. */
struct grey {
    int shift, bits; /* of the stored bits; bits 0: as it is */
    bool sign;
    struct table modality, voi;
    double slope, offset;
    bool window; /* else the values are greys already */
    enum shape shape;
    double centre, width;
    bool inverse;
    double padding[2]; /* stored values that are none; low above high: none */
};

static double stored_bits(const struct grey *g, double value)
{
    int64_t v;

    if (!g->bits)
        return value;
    v = (int64_t)((uint64_t)(int64_t)value >> g->shift &
                  (((uint64_t)1 << g->bits) - 1));
    if (g->sign && v >> (g->bits - 1))
        v -= (int64_t)1 << g->bits;
    return (double)v;
}

static double modality_value(const struct grey *g, double stored)
{
    if (g->modality.items)
        return table_at(&g->modality, stored);
    return stored * g->slope + g->offset;
}

/* 0..1 of a modality's value, PS3.3 C.11.2.1.2 and .3. */
static double windowed(const struct grey *g, double value)
{
    if (g->shape == SIGMOID)
        return 1 / (1 + exp(-4 * (value - g->centre) / g->width));
    if (g->shape == LINEAR_EXACT || g->width <= 1)
        return (value - g->centre) / g->width + 0.5;
    return (value - (g->centre - 0.5)) / (g->width - 1) + 0.5;
}

static uint8_t grey_of(const struct grey *g, double stored)
{
    double v = modality_value(g, stored_bits(g, stored));

    if (g->voi.items)
        v = table_at(&g->voi, v) / (double)((1 << g->voi.bits) - 1);
    else if (g->window)
        v = windowed(g, v);
    else
        v /= (1 << (g->bits ? g->bits : 8)) - 1;
    if (!(v > 0))
        v = 0;
    if (v > 1)
        v = 1;
    if (g->inverse)
        v = 1 - v;
    return (uint8_t)(v * 255 + 0.5);
}

struct medvl_dicom_bits medvl_dicom_bits(const struct medvl_dicom *dicom)
{
    const enum medvl_voxel type = dicom->file.type;
    const int all = (int)medvl_voxel_bytes(type) * 8;
    const double bits = number(dicom, -1, "BitsStored", all);
    const double high = number(dicom, -1, "HighBit", bits - 1);
    struct medvl_dicom_bits out = {0};

    out.sign = number(dicom, -1, "PixelRepresentation", 0) == 1;
    if (type == MEDVL_VOXEL_F32 || type == MEDVL_VOXEL_F64)
        return out;
    out.bits = all;
    if (bits >= 1 && bits <= all && high >= bits - 1 && high < all) {
        out.bits = (int)bits;
        out.shift = (int)(high - bits + 1);
    }
    return out;
}

static void read_bits(struct grey *g, const struct medvl_dicom *d)
{
    const struct medvl_dicom_bits b = medvl_dicom_bits(d);

    g->bits = b.bits;
    g->shift = b.shift;
    g->sign = b.sign;
}

static void read_padding(struct grey *g, const struct medvl_dicom *d)
{
    const double a = number(d, -1, "PixelPaddingValue", NAN);
    const double b = number(d, -1, "PixelPaddingRangeLimit", a);

    g->padding[0] = isnan(a) ? 1 : fmin(a, b);
    g->padding[1] = isnan(a) ? 0 : fmax(a, b);
}

static int read_grey(struct grey *g, const struct medvl_dicom *d,
                     int64_t frame, struct medvl_error *err)
{
    int rc;

    read_bits(g, d);
    read_padding(g, d);
    g->slope = number(d, frame, "RescaleSlope", 1);
    g->offset = number(d, frame, "RescaleIntercept", 0);
    if (g->slope == 0)
        return medvl_fail(err, MEDVL_EFORMAT, "RescaleSlope is 0");
    g->inverse = is_text(d, "PhotometricInterpretation", "MONOCHROME1") ||
                 is_text(d, "PresentationLUTShape", "INVERSE");
    rc = table_of(&g->modality, d, "ModalityLUTSequence", err);
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
    const double stored = stored_bits(
        v->grey, medvl_voxel_value(v->data, v->file->type, index));

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

    g->centre = number(d, frame, "WindowCenter", NAN);
    g->width = number(d, frame, "WindowWidth", NAN);
    if (isfinite(g->centre) && g->width > 0) {
        g->shape = name && strcmp(name, "SIGMOID") == 0 ? SIGMOID
                   : name && strcmp(name, "LINEAR_EXACT") == 0
                       ? LINEAR_EXACT
                       : LINEAR;
        return MEDVL_OK;
    }
    rc = table_of(&g->voi, d, "VOILUTSequence", err);
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
    const bool plain = !g->modality.items && g->slope == 1 && g->offset == 0;

    g->window = window->given;
    if (!window->given && plain && g->bits && g->bits <= 8 && !g->sign)
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

static int grey_picture(struct medvl_picture *out,
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
    table_release(&g.modality);
    table_release(&g.voi);
    return rc;
}

/* ---- colours ------------------------------------------------------------ */

/* One of the colours of all pixels. */
static void look_up(uint8_t *to, const struct table *table,
                    const struct medvl_dicom *d, const void *data,
                    size_t count)
{
    struct grey g = {0};

    read_bits(&g, d);
    for (size_t i = 0; i < count; i++) {
        const double v =
            stored_bits(&g, medvl_voxel_value(data, d->file.type, i));

        to[i * 3] = (uint8_t)(table_at(table, v) >> (table->bits - 8));
    }
}

static int palette_picture(struct medvl_picture *out,
                           const struct medvl_dicom *d, const void *data,
                           struct medvl_error *err)
{
    static const char *const NAMES[3][2] = {
        {"RedPaletteColorLookupTableDescriptor",
         "RedPaletteColorLookupTableData"},
        {"GreenPaletteColorLookupTableDescriptor",
         "GreenPaletteColorLookupTableData"},
        {"BluePaletteColorLookupTableDescriptor",
         "BluePaletteColorLookupTableData"},
    };
    const size_t count = (size_t)(out->width * out->height);
    int rc = MEDVL_OK;

    for (int c = 0; c < 3 && rc == MEDVL_OK; c++) {
        struct table table = {0};

        rc = table_read(&table, medvl_json_get(d->tags, NAMES[c][0]),
                        medvl_json_get(d->tags, NAMES[c][1]), err);
        if (rc < 0)
            medvl_context(err, "%s", NAMES[c][0]);
        else
            look_up((uint8_t *)out->data + c, &table, d, data, count);
        table_release(&table);
    }
    return rc;
}

static uint8_t clamp_byte(double v)
{
    return v < 0 ? 0 : v > 255 ? 255
                               : (uint8_t)(v + 0.5);
}

/* Full-range YCbCr of JPEG, in place. */
static void ybr_to_rgb(uint8_t *pixel, size_t count)
{
    for (size_t i = 0; i < count; i++, pixel += 3) {
        const double y = pixel[0], b = pixel[1] - 128.0, r = pixel[2] - 128.0;

        pixel[0] = clamp_byte(y + 1.402 * r);
        pixel[1] = clamp_byte(y - 0.344136 * b - 0.714136 * r);
        pixel[2] = clamp_byte(y + 1.772 * b);
    }
}

static int colour_picture(struct medvl_picture *out,
                          const struct medvl_dicom *d, const void *data,
                          struct medvl_error *err)
{
    const size_t count = (size_t)(out->width * out->height);
    const char *space = medvl_json_string(
        medvl_dicom_tag(d, -1, "PhotometricInterpretation"));
    uint8_t *to = out->data;
    struct grey g = {0};

    if (!space || d->file.size[0] != 3 ||
        (strcmp(space, "RGB") != 0 && strncmp(space, "YBR_", 4) != 0) ||
        strcmp(space, "YBR_PARTIAL_420") == 0 ||
        strcmp(space, "YBR_PARTIAL_422") == 0)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "colour space %s of %d samples",
                          space ? space : "without a name",
                          (int)d->file.size[0]);
    read_bits(&g, d);
    if (!g.bits)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "colours as fractions");
    for (size_t i = 0; i < count * 3; i++) {
        const double v =
            stored_bits(&g, medvl_voxel_value(data, d->file.type, i));

        to[i] = g.bits > 8 ? (uint8_t)((int64_t)v >> (g.bits - 8))
                           : (uint8_t)v;
    }
    /* JPEG 2000 undoes its own transformations. */
    if (strncmp(space, "YBR_FULL", 8) == 0)
        ybr_to_rgb(to, count);
    return MEDVL_OK;
}

/* ---- a frame ------------------------------------------------------------ */

static bool is_colour(const struct medvl_dicom *d)
{
    return d->file.size[0] > 1 ||
           is_text(d, "PhotometricInterpretation", "PALETTE COLOR");
}

static int fill(struct medvl_picture *out, const struct medvl_dicom *d,
                int64_t frame, const void *data,
                const struct medvl_window *window, double used[2],
                struct medvl_error *err)
{
    if (is_text(d, "PhotometricInterpretation", "PALETTE COLOR"))
        return palette_picture(out, d, data, err);
    if (d->file.size[0] > 1)
        return colour_picture(out, d, data, err);
    return grey_picture(out, d, frame, data, window, used, err);
}

int medvl_dicom_picture(struct medvl_picture *out,
                        const struct medvl_dicom *dicom,
                        struct medvl_decoder *decoder, int64_t frame,
                        const struct medvl_window *window, int64_t pixels,
                        double used[2], struct medvl_error *err)
{
    const int64_t width = dicom->file.size[1], height = dicom->file.size[2];
    const bool colour = is_colour(dicom);
    void *data;
    int rc;

    if (used)
        used[0] = used[1] = 0;
    if (!dicom->file.frames)
        return medvl_fail(err, MEDVL_EFORMAT, "no pixels");
    if (width * height > (pixels ? pixels : MEDVL_PICTURE_PIXELS))
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld: over the limit of %lld pixels",
                          (long long)width, (long long)height,
                          (long long)(pixels ? pixels
                                             : MEDVL_PICTURE_PIXELS));
    data = medvl_alloc(dicom->file.bytes, 1);
    if (!data)
        return medvl_no_memory(err);
    rc = medvl_decoder_frame(data, decoder, frame, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_make(out, width, height, colour ? 3 : 1, 8, err);
    if (rc == MEDVL_OK)
        rc = fill(out, dicom, frame, data, window, used, err);
    if (rc < 0)
        medvl_picture_release(out);
    medvl_free(data);
    return rc;
}

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

    if (is_colour(dicom))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "colours");
    data = medvl_alloc(dicom->file.bytes, 1);
    if (!data)
        return medvl_no_memory(err);
    values.data = data;
    read_bits(&g, dicom);
    read_padding(&g, dicom);
    rc = table_of(&g.modality, dicom, "ModalityLUTSequence", err);
    if (rc == MEDVL_OK)
        rc = medvl_decoder_frame(data, decoder, frame, err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        put(arg, i, value_of(&values, i));
    table_release(&g.modality);
    medvl_free(data);
    return rc;
}
