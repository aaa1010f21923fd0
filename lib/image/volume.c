/*
 * Volumes from the helper, and slices of them.
 *
 * Read next: resize.c.
 */
#include "lib/image/volume.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

void medvl_volume_release(struct medvl_volume *volume)
{
    medvl_free(volume->data);
    *volume = (struct medvl_volume){0};
}

/* ---- reading ------------------------------------------------------------ */

static int read_slices(struct medvl_volume *out, struct medvl_decoder *d,
                       const struct medvl_decoded *file,
                       struct medvl_error *err)
{
    const size_t all = (size_t)file->frames * file->bytes;
    int rc = MEDVL_OK;

    if (all > (size_t)MEDVL_VOLUME_BYTES ||
        file->frames * file->size[0] * file->size[1] > MEDVL_VOLUME_VOXELS)
        return medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    out->data = medvl_alloc(all, 1);
    if (!out->data)
        return medvl_no_memory(err);
    out->size[0] = file->size[0];
    out->size[1] = file->size[1];
    out->size[2] = file->frames;
    memcpy(out->spacing, file->spacing, sizeof(out->spacing));
    memcpy(out->affine, file->affine, sizeof(out->affine));
    out->slope = file->slope;
    out->offset = file->offset;
    out->type = file->type;
    for (int64_t i = 0; i < file->frames && rc == MEDVL_OK; i++)
        rc = medvl_decoder_frame((char *)out->data +
                                     (size_t)i * file->bytes,
                                 d, i, err);
    return rc;
}

int medvl_volume_read(struct medvl_volume *out, const char *path,
                      const char *program, int seconds,
                      struct medvl_error *err)
{
    struct medvl_decoder *decoder = NULL;
    struct medvl_decoded file;
    int rc = medvl_decoder_open(&decoder, program, seconds, err);

    *out = (struct medvl_volume){0};
    if (rc < 0)
        return rc;
    rc = medvl_decoder_file(&file, decoder, MEDVL_FORMAT_NIFTI, path, err);
    if (rc == MEDVL_OK) {
        rc = read_slices(out, decoder, &file, err);
        if (rc < 0)
            medvl_context(err, "%s", path);
    }
    if (rc < 0)
        medvl_volume_release(out);
    medvl_decoder_free(decoder);
    return rc;
}

/* ---- values ------------------------------------------------------------- */

static double stored(const struct medvl_volume *volume, size_t at)
{
    return medvl_voxel_value(volume->data, volume->type, at);
}

static double shown(const void *from, size_t index)
{
    const struct medvl_volume *volume = from;

    return stored(volume, index) * volume->slope + volume->offset;
}

/* Padding and what is no number are passed over. */
static double measured(const void *from, size_t index)
{
    const struct medvl_volume *volume = from;
    const double value = shown(volume, index);

    return volume->padded && stored(volume, index) == volume->padding
               ? NAN
               : value;
}

void medvl_voxel_range(double *low, double *high, enum medvl_voxel type)
{
    const int bits = (int)medvl_voxel_bytes(type) * 8;
    const bool sign = type == MEDVL_VOXEL_I8 || type == MEDVL_VOXEL_I16 ||
                      type == MEDVL_VOXEL_I32;

    *low = sign ? -ldexp(1, bits - 1) : 0;
    *high = ldexp(1, sign ? bits - 1 : bits) - 1;
    if (type == MEDVL_VOXEL_F32 || type == MEDVL_VOXEL_F64) {
        *high = type == MEDVL_VOXEL_F32 ? (double)FLT_MAX : DBL_MAX;
        *low = -*high;
    }
}

double medvl_volume_value(const struct medvl_volume *volume, int64_t i,
                          int64_t j, int64_t k)
{
    const size_t at = (size_t)(i + volume->size[0] *
                                       (j + volume->size[1] * k));

    return shown(volume, at);
}

bool medvl_volume_is_grey8(const struct medvl_volume *volume)
{
    return volume->type == MEDVL_VOXEL_U8 && volume->slope == 1 &&
           volume->offset == 0;
}

int medvl_volume_range(double *low, double *high,
                       const struct medvl_volume *volume,
                       const struct medvl_window *window,
                       struct medvl_error *err)
{
    const size_t count =
        (size_t)(volume->size[0] * volume->size[1] * volume->size[2]);
    size_t i = 0;
    int rc;

    while (window->percentile && i < count &&
           (shown(volume, i) == 0 || !isfinite(measured(volume, i))))
        i++;
    if (i == count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "percentiles of nothing: all values are 0 or not "
                          "finite");
    rc = medvl_window_range(low, high, window, measured, volume, count, err);
    if (rc == MEDVL_OK && !isfinite(*high - *low))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "values of %g to %g are too far apart to be shown",
                        *low, *high);
    return rc;
}

bool medvl_volume_same_grid(const struct medvl_volume *a,
                            const struct medvl_volume *b)
{
    for (int i = 0; i < 3; i++)
        if (a->size[i] != b->size[i])
            return false;
    /* Eight corners; a shift of a hundredth of the smallest voxel. */
    for (int corner = 0; corner < 8; corner++)
        for (int r = 0; r < 3; r++) {
            double d = a->affine[r][3] - b->affine[r][3];

            for (int i = 0; i < 3; i++)
                if (corner & 1 << i)
                    d += (a->affine[r][i] - b->affine[r][i]) *
                         (double)a->size[i];
            if (!(fabs(d) <= 0.01 * fmin(a->spacing[0],
                                         fmin(a->spacing[1],
                                              a->spacing[2]))))
                return false;
        }
    return true;
}

/* ---- slices ------------------------------------------------------------- */

int medvl_axis_parse(enum medvl_axis *out, const char *name,
                     struct medvl_error *err)
{
    static const char *const NAMES[] = {"sagittal", "coronal", "axial"};

    for (int i = 0; i < 3; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (enum medvl_axis)i;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EARG,
                      "'%s' is none of axial, coronal, sagittal", name);
}

/* Cosine between a patient's axis and a volume's, with its sign. */
static double cosine(const struct medvl_volume *volume, int patient, int axis)
{
    double norm = 0;

    for (int r = 0; r < 3; r++)
        norm += volume->affine[r][axis] * volume->affine[r][axis];
    return norm > 0 ? volume->affine[patient][axis] / sqrt(norm) : 0;
}

/* For each of the patient's axes the volume's, all different, so that the
 * sum of their cosines is the largest. */
static void match_axes(int match[3], const struct medvl_volume *volume)
{
    static const int ORDERS[6][3] = {
        {0, 1, 2},
        {0, 2, 1},
        {1, 0, 2},
        {1, 2, 0},
        {2, 0, 1},
        {2, 1, 0},
    };
    double best = -1;

    for (int o = 0; o < 6; o++) {
        double sum = 0;

        for (int p = 0; p < 3; p++)
            sum += fabs(cosine(volume, p, ORDERS[o][p]));
        if (sum > best + 1e-9) {
            best = sum;
            memcpy(match, ORDERS[o], sizeof(ORDERS[o]));
        }
    }
}

void medvl_slicing_init(struct medvl_slicing *out,
                        const struct medvl_volume *volume,
                        enum medvl_axis axis)
{
    const int across = (int)axis;
    const int column = axis == MEDVL_AXIS_SAGITTAL ? 1 : 0;
    const int row = axis == MEDVL_AXIS_AXIAL ? 1 : 2;
    int match[3];

    match_axes(match, volume);
    out->axis = match[across];
    out->column = match[column];
    out->row = match[row];
    out->axis_flip = cosine(volume, across, out->axis) < 0;
    out->column_flip = cosine(volume, column, out->column) < 0;
    out->row_flip = cosine(volume, row, out->row) > 0;
    out->count = volume->size[out->axis];
    out->width = volume->size[out->column];
    out->height = volume->size[out->row];
    out->spacing[0] = volume->spacing[out->column];
    out->spacing[1] = volume->spacing[out->row];
    out->spacing[2] = volume->spacing[out->axis];
    out->orientation[0] = column == 0 ? 'R' : 'A';
    out->orientation[1] = row == 1 ? 'P' : 'F';
    out->orientation[2] = 0;
}

void medvl_slicing_mirror(struct medvl_slicing *slicing)
{
    char *runs = &slicing->orientation[0];

    slicing->column_flip = !slicing->column_flip;
    *runs = *runs == 'R' ? 'L' : *runs == 'L' ? 'R'
                             : *runs == 'A'   ? 'P'
                                              : 'A';
}

static int64_t flipped(int64_t index, int64_t count, bool flip)
{
    return flip ? count - 1 - index : index;
}

double medvl_slicing_position(const struct medvl_slicing *slicing,
                              const struct medvl_volume *volume,
                              int64_t index)
{
    double at[3], sum;
    int match[3], patient = 0;

    match_axes(match, volume);
    while (match[patient] != slicing->axis)
        patient++;
    for (int i = 0; i < 3; i++)
        at[i] = (double)(volume->size[i] - 1) / 2;
    at[slicing->axis] =
        (double)flipped(index, slicing->count, slicing->axis_flip);
    sum = volume->affine[patient][3];
    for (int i = 0; i < 3; i++)
        sum += volume->affine[patient][i] * at[i];
    return sum;
}

void medvl_slice_values(double *out, const struct medvl_volume *volume,
                        const struct medvl_slicing *slicing, int64_t index)
{
    const int64_t step[3] = {1, volume->size[0],
                             volume->size[0] * volume->size[1]};
    const int64_t base =
        step[slicing->axis] *
        flipped(index, slicing->count, slicing->axis_flip);

    for (int64_t y = 0; y < slicing->height; y++) {
        const int64_t row =
            base + step[slicing->row] *
                       flipped(y, slicing->height, slicing->row_flip);

        for (int64_t x = 0; x < slicing->width; x++) {
            const int64_t at =
                row + step[slicing->column] *
                          flipped(x, slicing->width, slicing->column_flip);

            *out++ = shown(volume, (size_t)at);
        }
    }
}

bool medvl_slicing_content(int64_t low[3], int64_t high[3],
                           const struct medvl_volume *volume,
                           const struct medvl_slicing *slicing)
{
    const int axes[3] = {slicing->column, slicing->row, slicing->axis};
    const bool flips[3] = {slicing->column_flip, slicing->row_flip,
                           slicing->axis_flip};
    int64_t first[3], last[3] = {-1, -1, -1}, at[3];
    size_t i = 0;

    memcpy(first, volume->size, sizeof(first));
    for (at[2] = 0; at[2] < volume->size[2]; at[2]++)
        for (at[1] = 0; at[1] < volume->size[1]; at[1]++)
            for (at[0] = 0; at[0] < volume->size[0]; at[0]++, i++) {
                if (shown(volume, i) == 0)
                    continue;
                for (int a = 0; a < 3; a++) {
                    first[a] = at[a] < first[a] ? at[a] : first[a];
                    last[a] = at[a] > last[a] ? at[a] : last[a];
                }
            }
    for (int a = 0; a < 3; a++) {
        const int64_t size = volume->size[axes[a]];
        const int64_t f = first[axes[a]], l = last[axes[a]];

        low[a] = flips[a] ? size - 1 - l : f;
        high[a] = (flips[a] ? size - 1 - f : l) + 1;
    }
    return last[0] >= 0;
}
