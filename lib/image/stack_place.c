/*
 * The first reading of a series: where its slices lie, and whether that is
 * a stack.
 *
 * Read next: resize.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/stack_part.h"

#define PARALLEL 1e-3 /* of directions of length 1, and of spacings */

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
static void find_window(struct medvl_slot *p, const struct medvl_dicom *dicom,
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
static bool find_place(struct medvl_slot *p, const struct medvl_dicom *dicom,
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

static int add_frame(struct medvl_stacking *r, const struct medvl_dicom *dicom,
                     const struct medvl_json *own, size_t file, int64_t frame,
                     struct medvl_error *err)
{
    struct medvl_slot *p;
    int rc = medvl_grow(&r->parts, &r->room, r->part_count + 1, sizeof(*p),
                        err);

    if (rc < 0)
        return rc;
    p = &r->parts[r->part_count];
    *p = (struct medvl_slot){.file = file, .frame = frame};
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
static int check_kind(struct medvl_stacking *r, const struct medvl_dicom *d,
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
    if (d->file.size[1] * d->file.size[2] > MEDVL_STACK_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld pixels: over the limit of 2^24 of a "
                          "slice",
                          (long long)d->file.size[1],
                          (long long)d->file.size[2]);
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

int medvl_stack_places(struct medvl_stacking *r, size_t file,
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
    const struct medvl_slot *a = left, *b = right;

    if (a->along != b->along)
        return a->along < b->along ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static int check_parallel(struct medvl_stacking *r, struct medvl_error *err)
{
    const struct medvl_slot *first = r->parts;
    const double *o = first->axes;

    for (size_t i = 0; i < r->part_count; i++) {
        struct medvl_slot *p = &r->parts[i];
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
static int refuse_distances(const struct medvl_stacking *r, size_t least,
                            size_t most, struct medvl_error *err)
{
    const struct medvl_slot *p = r->parts;
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
static int check_even(double step[3], const struct medvl_stacking *r,
                      struct medvl_error *err)
{
    const struct medvl_slot *p = r->parts;
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
        if (!(sqrt(all) <= bound))
            return medvl_fail(err, MEDVL_EARG,
                              "no volume: %s frame %lld is %g mm out of line",
                              r->paths[p[i].file], (long long)p[i].frame + 1,
                              sqrt(all));
    }
    return MEDVL_OK;
}

int medvl_stack_order(struct medvl_volume *out, struct medvl_stacking *r,
                      struct medvl_error *err)
{
    const struct medvl_slot *first = r->parts;
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
