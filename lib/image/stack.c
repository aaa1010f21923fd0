/*
 * A series is read twice: for where its slices lie, and, when that is a
 * stack, for their values.
 *
 * Read next: resize.c.
 */
#include "lib/image/stack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

#define PARALLEL 1e-3 /* of directions of length 1, and of spacings */

/* One frame. */
struct part {
    size_t file;
    int64_t frame;
    size_t slot; /* in the volume */
    double at[3], along;
    double axes[6], spacing[2];
    double slope, offset;
    double low, high; /* of the window; NAN: none */
};

struct reading {
    struct medvl_decoder *decoder;
    const char *const *paths;

    struct part *parts;
    size_t part_count, room;

    /* What all files have as the first has it. */
    int64_t width, height;
    enum medvl_voxel type;
    bool table, inverse;
    double padding; /* NAN: none */
    double bits;    /* the most that are stored */

    bool mixed; /* files do not agree on the padding */
    bool plain; /* one scale holds for all stored values */
};

/* ---- tags --------------------------------------------------------------- */

/* `count` finite numbers of a frame's tag; false when it has others. */
static bool numbers_of(double *out, const struct medvl_dicom *dicom,
                       const struct medvl_json *frame, const char *keyword,
                       size_t count)
{
    const struct medvl_json *own = medvl_json_get(frame, keyword);
    const struct medvl_json *tag =
        own ? own : medvl_dicom_tag(dicom, -1, keyword);

    if (medvl_json_type(tag) == MEDVL_JSON_ARRAY) {
        if (medvl_json_count(tag) < count || (count > 1 &&
                                              medvl_json_count(tag) != count))
            return false;
        tag = medvl_json_first(tag);
    } else if (count > 1) {
        return false;
    }
    for (size_t i = 0; i < count; i++, tag = medvl_json_next(tag)) {
        out[i] = medvl_json_number(tag, NAN);
        if (!isfinite(out[i]))
            return false;
    }
    return count > 0;
}

static double number_of(const struct medvl_dicom *dicom,
                        const struct medvl_json *frame, const char *keyword,
                        double otherwise)
{
    double value;

    return numbers_of(&value, dicom, frame, keyword, 1) ? value : otherwise;
}

static bool is_text(const struct medvl_dicom *dicom, const char *keyword,
                    const char *text)
{
    const char *value =
        medvl_json_string(medvl_dicom_tag(dicom, -1, keyword));

    return value && strcmp(value, text) == 0;
}

/* PS3.3 C.11.2.1.2: LINEAR is black up to centre - 0.5 - (width - 1) / 2. */
static void find_window(struct part *p, const struct medvl_dicom *dicom,
                        const struct medvl_json *frame)
{
    const double centre = number_of(dicom, frame, "WindowCenter", NAN);
    const double width = number_of(dicom, frame, "WindowWidth", NAN);
    const struct medvl_json *own = medvl_json_get(frame, "VOILUTFunction");
    const char *name = medvl_json_string(
        own ? own : medvl_dicom_tag(dicom, -1, "VOILUTFunction"));
    const bool exact = name && strcmp(name, "LINEAR_EXACT") == 0;

    p->low = p->high = NAN;
    if (!(width > (exact ? 0 : 1)) ||
        (name && !exact && strcmp(name, "LINEAR") != 0))
        return;
    p->low = exact ? centre - width / 2 : centre - 0.5 - (width - 1) / 2;
    p->high = p->low + (exact ? width : width - 1);
}

/* Where a frame lies; false when the file does not say, or nonsense. */
static bool find_place(struct part *p, const struct medvl_dicom *dicom,
                       const struct medvl_json *frame)
{
    const double *o = p->axes;

    if (!numbers_of(p->axes, dicom, frame, "ImageOrientationPatient", 6) ||
        !numbers_of(p->at, dicom, frame, "ImagePositionPatient", 3) ||
        !numbers_of(p->spacing, dicom, frame, "PixelSpacing", 2))
        return false;
    for (int i = 0; i < 3; i++)
        if (!(fabs(p->at[i]) < 1e6))
            return false;
    for (int i = 0; i < 2; i++)
        if (!(p->spacing[i] > 1e-6 && p->spacing[i] < 1e6) ||
            !(fabs(o[3 * i] * o[3 * i] + o[3 * i + 1] * o[3 * i + 1] +
                   o[3 * i + 2] * o[3 * i + 2] - 1) < 0.01))
            return false;
    return fabs(o[0] * o[3] + o[1] * o[4] + o[2] * o[5]) < 0.01;
}

/* ---- the first reading -------------------------------------------------- */

static int add_frame(struct reading *r, const struct medvl_dicom *dicom,
                     const struct medvl_json *own, size_t file, int64_t frame,
                     struct medvl_error *err)
{
    struct part *p;
    int rc = medvl_grow(&r->parts, &r->room, r->part_count + 1, sizeof(*p),
                        err);

    if (rc < 0)
        return rc;
    p = &r->parts[r->part_count];
    *p = (struct part){.file = file, .frame = frame};
    if (!find_place(p, dicom, own))
        return medvl_fail(err, MEDVL_EARG,
                          "frame %lld does not say where it lies, or no "
                          "proper place",
                          (long long)frame + 1);
    p->slope = number_of(dicom, own, "RescaleSlope", 1);
    p->offset = number_of(dicom, own, "RescaleIntercept", 0);
    if (p->slope == 0)
        return medvl_fail(err, MEDVL_EFORMAT, "RescaleSlope is 0");
    find_window(p, dicom, own);
    r->part_count++;
    return MEDVL_OK;
}

/* What must be the same in all files; the first one's is kept. */
static int check_kind(struct reading *r, const struct medvl_dicom *d,
                      struct medvl_error *err)
{
    const bool inverse =
        is_text(d, "PhotometricInterpretation", "MONOCHROME1") ||
        is_text(d, "PresentationLUTShape", "INVERSE");
    const bool table = medvl_json_get(d->tags, "ModalityLUTSequence") != NULL;
    const double bits = number_of(d, NULL, "BitsStored", 0);
    const double value = number_of(d, NULL, "PixelPaddingValue", NAN);
    const double padding =
        fmin(value, number_of(d, NULL, "PixelPaddingRangeLimit", value));

    if (!d->file.frames)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "no picture in it");
    if (d->file.size[0] > 1 ||
        is_text(d, "PhotometricInterpretation", "PALETTE COLOR"))
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "colours");
    if (!r->part_count) {
        r->width = d->file.size[1];
        r->height = d->file.size[2];
        r->type = d->file.type;
        r->table = table;
        r->inverse = inverse;
        r->padding = padding;
        r->bits = bits;
        return MEDVL_OK;
    }
    r->bits = fmax(r->bits, bits);
    r->mixed |= padding != r->padding && !(isnan(padding) && isnan(r->padding));
    if (d->file.size[1] != r->width || d->file.size[2] != r->height)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld pixels, the first of the series has "
                          "%lld x %lld",
                          (long long)d->file.size[1],
                          (long long)d->file.size[2], (long long)r->width,
                          (long long)r->height);
    if (d->file.type != r->type || table != r->table || inverse != r->inverse)
        return medvl_fail(err, MEDVL_EARG,
                          "values of another kind (bits, sign, table, "
                          "inversion) than the first of the series");
    return MEDVL_OK;
}

static int read_places(struct reading *r, size_t file,
                       struct medvl_error *err)
{
    struct medvl_dicom dicom;
    const struct medvl_json *own;
    int rc = medvl_dicom_file(&dicom, r->decoder, r->paths[file], err);

    if (rc < 0) {
        medvl_dicom_release(&dicom);
        return rc;
    }
    rc = check_kind(r, &dicom, err);
    own = medvl_json_first(medvl_json_get(dicom.tags, "frames"));
    for (int64_t f = 0; f < dicom.file.frames && rc == MEDVL_OK; f++) {
        rc = add_frame(r, &dicom, own, file, f, err);
        own = own ? medvl_json_next(own) : NULL;
        if (rc == MEDVL_OK && r->part_count > MEDVL_PICTURE_SIDE)
            rc = medvl_fail(err, MEDVL_EARG, "over 65535 slices");
    }
    medvl_dicom_release(&dicom);
    return rc < 0 ? medvl_context(err, "%s", r->paths[file]) : rc;
}

/* ---- is it a stack? ----------------------------------------------------- */

static int by_place(const void *left, const void *right)
{
    const struct part *a = left, *b = right;

    if (a->along != b->along)
        return a->along < b->along ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int by_file(const void *left, const void *right)
{
    const struct part *a = left, *b = right;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int check_parallel(struct reading *r, struct medvl_error *err)
{
    const struct part *first = r->parts;
    const double *o = first->axes;

    for (size_t i = 0; i < r->part_count; i++) {
        struct part *p = &r->parts[i];
        bool same = true;

        for (int k = 0; k < 6; k++)
            same &= fabs(p->axes[k] - o[k]) <= PARALLEL;
        if (!same)
            return medvl_fail(err, MEDVL_EARG,
                              "no volume: %s does not lie parallel to %s",
                              r->paths[p->file], r->paths[first->file]);
        for (int k = 0; k < 2; k++)
            same &= fabs(p->spacing[k] / first->spacing[k] - 1) <= PARALLEL;
        if (!same)
            return medvl_fail(err, MEDVL_EARG,
                              "no volume: pixels of %s have another size "
                              "than those of %s",
                              r->paths[p->file], r->paths[first->file]);
        p->along = 0;
        for (int k = 0; k < 3; k++) {
            const int a = (k + 1) % 3, b = (k + 2) % 3;

            p->along += p->at[k] * (o[a] * o[3 + b] - o[b] * o[3 + a]);
        }
    }
    return MEDVL_OK;
}

/* Say what is wrong with distances that are not even. */
static int refuse_distances(const struct reading *r, size_t least,
                            size_t most, struct medvl_error *err)
{
    const struct part *p = r->parts;
    const double near = p[least + 1].along - p[least].along;
    const double far = p[most + 1].along - p[most].along;
    const double missing = floor(far / near + 0.5) - 1;

    if (near < 1e-3 || near < 0.01 * far)
        return medvl_fail(err, MEDVL_EARG,
                          "no volume: %s frame %lld and %s frame %lld lie "
                          "at one place",
                          r->paths[p[least].file],
                          (long long)p[least].frame + 1,
                          r->paths[p[least + 1].file],
                          (long long)p[least + 1].frame + 1);
    if (missing >= 1 && fabs(far / near - missing - 1) < 0.1)
        return medvl_fail(err, MEDVL_EARG,
                          "no volume: %.0f missing between %s and %s, %g mm "
                          "apart, others %g",
                          missing, r->paths[p[most].file],
                          r->paths[p[most + 1].file], far, near);
    return medvl_fail(err, MEDVL_EARG,
                      "no volume: distances of slices from %g to %g mm, the "
                      "latter between %s and %s",
                      near, far, r->paths[p[most].file],
                      r->paths[p[most + 1].file]);
}

/* Of parts in order: the step from slice to slice. */
static int check_even(double step[3], const struct reading *r,
                      struct medvl_error *err)
{
    const struct part *p = r->parts;
    const size_t last = r->part_count - 1;
    const double distance = (p[last].along - p[0].along) / (double)last;
    const double bound = fmin(MEDVL_STACK_MM, MEDVL_STACK_SHARE * distance);
    size_t least = 0, most = 0;

    for (size_t i = 0; i < last; i++) {
        const double gap = p[i + 1].along - p[i].along;

        least = gap < p[least + 1].along - p[least].along ? i : least;
        most = gap > p[most + 1].along - p[most].along ? i : most;
    }
    for (int k = 0; k < 3; k++)
        step[k] = (p[last].at[k] - p[0].at[k]) / (double)last;
    for (size_t i = 0; i <= last; i++) {
        double off[3], all = 0;

        if (!(distance > 1e-3) ||
            fabs(p[i].along - p[0].along - (double)i * distance) > bound)
            return refuse_distances(r, least, most, err);
        for (int k = 0; k < 3; k++) {
            off[k] = p[i].at[k] - p[0].at[k] - (double)i * step[k];
            all += off[k] * off[k];
        }
        if (!(sqrt(all) <= 2 * bound))
            return medvl_fail(err, MEDVL_EARG,
                              "no volume: %s frame %lld is %g mm out of line",
                              r->paths[p[i].file], (long long)p[i].frame + 1,
                              sqrt(all));
    }
    return MEDVL_OK;
}

/* Slices in order, and the volume without its values. */
static int find_stack(struct medvl_volume *out, struct reading *r,
                      struct medvl_error *err)
{
    const struct part *first = r->parts;
    double step[3];
    int rc = MEDVL_OK;

    if (r->part_count < 2)
        return medvl_fail(err, MEDVL_EARG,
                          "no volume: %s is the only picture of its series",
                          r->paths[0]);
    rc = check_parallel(r, err);
    if (rc == MEDVL_OK) {
        qsort(r->parts, r->part_count, sizeof(*r->parts), by_place);
        rc = check_even(step, r, err);
    }
    if (rc < 0)
        return rc;
    out->size[0] = r->width;
    out->size[1] = r->height;
    out->size[2] = (int64_t)r->part_count;
    for (int i = 0; i < 3; i++) {
        const double sign = i < 2 ? -1 : 1; /* left, back to right, front */

        out->affine[i][0] = sign * first->axes[i] * first->spacing[1];
        out->affine[i][1] = sign * first->axes[3 + i] * first->spacing[0];
        out->affine[i][2] = sign * step[i];
        out->affine[i][3] = sign * first->at[i];
    }
    out->spacing[0] = first->spacing[1];
    out->spacing[1] = first->spacing[0];
    /* To a picometre: places are decimals, their differences are not. */
    out->spacing[2] = round(1e9 * sqrt(step[0] * step[0] + step[1] * step[1] +
                                       step[2] * step[2])) /
                      1e9;
    return MEDVL_OK;
}

/* ---- values ------------------------------------------------------------- */

static void choose_type(struct medvl_volume *out, struct reading *r)
{
    const struct part *p = r->parts;
    double low, high;

    r->plain = !r->table && !r->mixed;
    for (size_t i = 1; i < r->part_count; i++)
        r->plain &= p[i].slope == p->slope && p[i].offset == p->offset;
    out->type = r->type;
    out->slope = 1;
    out->inverse = r->inverse;
    if (!r->plain) {
        const bool wide =
            medvl_voxel_bytes(r->type) > 2 && r->type != MEDVL_VOXEL_F32;

        out->type = wide ? MEDVL_VOXEL_F64 : MEDVL_VOXEL_F32;
        return;
    }
    /* Fewer bits than a byte are no greys of 0 to 255. */
    if (r->type == MEDVL_VOXEL_U8 && r->bits < 8)
        out->type = MEDVL_VOXEL_U16;
    out->slope = p->slope;
    out->offset = p->offset;
    out->padded = !isnan(r->padding);
    medvl_voxel_range(&low, &high, out->type);
    if (out->padded)
        out->padding = fmin(fmax(r->padding, low), high);
}

static void put_value(void *data, enum medvl_voxel type, size_t at, double v)
{
    switch (type) {
    case MEDVL_VOXEL_U8: ((uint8_t *)data)[at] = (uint8_t)v; break;
    case MEDVL_VOXEL_I8: ((int8_t *)data)[at] = (int8_t)v; break;
    case MEDVL_VOXEL_U16: ((uint16_t *)data)[at] = (uint16_t)v; break;
    case MEDVL_VOXEL_I16: ((int16_t *)data)[at] = (int16_t)v; break;
    case MEDVL_VOXEL_U32: ((uint32_t *)data)[at] = (uint32_t)v; break;
    case MEDVL_VOXEL_I32: ((int32_t *)data)[at] = (int32_t)v; break;
    case MEDVL_VOXEL_F32: ((float *)data)[at] = (float)v; break;
    case MEDVL_VOXEL_F64: ((double *)data)[at] = v; break;
    }
}

static void put_slice(struct medvl_volume *out, const struct reading *r,
                      const struct part *p, const double *values)
{
    const size_t pixels = (size_t)(r->width * r->height);

    for (size_t i = 0; i < pixels; i++) {
        double v = values[i];

        if (!r->plain && !r->table)
            v = v * p->slope + p->offset;
        if (isnan(v) && out->padded)
            v = out->padding;
        put_value(out->data, out->type, p->slot * pixels + i, v);
    }
}

/* The slices of one file, which stand one after another from `p` on. */
static int read_values(struct medvl_volume *out, const struct reading *r,
                       const struct part *p, const struct part *end,
                       double *values, struct medvl_error *err)
{
    const size_t file = p->file;
    struct medvl_dicom dicom;
    int rc = medvl_dicom_file(&dicom, r->decoder, r->paths[file], err);

    if (rc < 0) {
        medvl_dicom_release(&dicom);
        return rc;
    }
    if (dicom.file.size[0] != 1 || dicom.file.size[1] != r->width ||
        dicom.file.size[2] != r->height || dicom.file.type != r->type)
        rc = medvl_fail(err, MEDVL_EIO, "changed while it was read");
    for (; p < end && p->file == file && rc == MEDVL_OK; p++) {
        rc = medvl_dicom_values(values, &dicom, r->decoder, p->frame, err);
        if (rc == MEDVL_OK)
            put_slice(out, r, p, values);
    }
    medvl_dicom_release(&dicom);
    return rc < 0 ? medvl_context(err, "%s", r->paths[file]) : rc;
}

static int read_stack(struct medvl_volume *out, struct reading *r,
                      struct medvl_error *err)
{
    const struct part *end = r->parts + r->part_count;
    const int64_t voxels = r->width * r->height * (int64_t)r->part_count;
    double *values;
    int rc = MEDVL_OK;

    choose_type(out, r);
    if (voxels > MEDVL_VOLUME_VOXELS ||
        voxels * (int64_t)medvl_voxel_bytes(out->type) > MEDVL_VOLUME_BYTES)
        return medvl_fail(err, MEDVL_EARG,
                          "the series of %s: %lld x %lld x %zu voxels: over "
                          "the limit of 2^28 voxels or 384 MiB",
                          r->paths[0], (long long)r->width,
                          (long long)r->height, r->part_count);
    for (size_t i = 0; i < r->part_count; i++)
        r->parts[i].slot = i;
    qsort(r->parts, r->part_count, sizeof(*r->parts), by_file);
    out->data = medvl_alloc((size_t)voxels, medvl_voxel_bytes(out->type));
    values = medvl_alloc((size_t)(r->width * r->height), sizeof(*values));
    if (!out->data || !values)
        rc = medvl_no_memory(err);
    for (const struct part *p = r->parts; p < end && rc == MEDVL_OK;) {
        const struct part *next = p;

        while (next < end && next->file == p->file)
            next++;
        rc = read_values(out, r, p, next, values, err);
        p = next;
    }
    medvl_free(values);
    return rc;
}

/* The window that all slices have. */
static void common_window(struct medvl_stack *out, const struct reading *r)
{
    const struct part *p = r->parts;

    out->low = p->low;
    out->high = p->high;
    if (isnan(p->low) || isnan(p->high))
        out->no_window = "the files have no window, or none that is linear";
    for (size_t i = 1; i < r->part_count && !out->no_window; i++)
        if (p[i].low != p->low || p[i].high != p->high)
            out->no_window = "the slices have different windows";
}

int medvl_stack_read(struct medvl_stack *out, struct medvl_decoder *decoder,
                     const char *const *paths, size_t count,
                     struct medvl_error *err)
{
    struct reading r = {.decoder = decoder, .paths = paths};
    int rc = MEDVL_OK;

    *out = (struct medvl_stack){0};
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = read_places(&r, i, err);
    if (rc == MEDVL_OK)
        rc = find_stack(&out->volume, &r, err);
    if (rc == MEDVL_OK)
        common_window(out, &r);
    if (rc == MEDVL_OK)
        rc = read_stack(&out->volume, &r, err);
    medvl_free(r.parts);
    if (rc < 0)
        medvl_stack_release(out);
    return rc;
}

void medvl_stack_release(struct medvl_stack *stack)
{
    medvl_volume_release(&stack->volume);
}
