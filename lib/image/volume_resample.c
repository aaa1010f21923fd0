/*
 * Volumes on other grids of the same patient.
 *
 * A row of the new grid is a line through the old one: a place, and a step
 * to the next voxel.  Slices of the new grid are the pool's tasks.
 *
 * Read next: resize.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/volume.h"

#define NOISE 1e-6 /* of a voxel: what arithmetic may add or take */

/* ---- affines ------------------------------------------------------------ */

/* Millimetres to voxel indices; false where the axes lie in one plane. */
static bool invert(double out[3][4], const double m[3][4])
{
    double det = 0, size = 1;

    for (int c = 0; c < 3; c++) {
        const int a = (c + 1) % 3, b = (c + 2) % 3;

        for (int r = 0; r < 3; r++) {
            const int i = (r + 1) % 3, j = (r + 2) % 3;

            /* The cofactor of m[r][c], at its transposed place. */
            out[c][r] = m[i][a] * m[j][b] - m[i][b] * m[j][a];
        }
        det += m[0][c] * out[c][0];
        size *= sqrt(m[0][c] * m[0][c] + m[1][c] * m[1][c] +
                     m[2][c] * m[2][c]);
    }
    if (!isfinite(det) || !(fabs(det) > 1e-6 * size))
        return false;
    for (int r = 0; r < 3; r++) {
        out[r][3] = 0;
        for (int c = 0; c < 3; c++) {
            out[r][c] /= det;
            out[r][3] -= out[r][c] * m[c][3];
        }
    }
    return true;
}

/* a after b. */
static void compose(double out[3][4], const double a[3][4],
                    const double b[3][4])
{
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++) {
            out[r][c] = c == 3 ? a[r][3] : 0;
            for (int k = 0; k < 3; k++)
                out[r][c] += a[r][k] * b[k][c];
        }
}

/* ---- values ------------------------------------------------------------- */

struct walk {
    const struct medvl_volume *from;
    struct medvl_volume *to;
    double map[3][4]; /* indices of `to` to those of `from` */
    enum medvl_sampling sampling;
    double outside;  /* stored */
    int64_t *inside; /* of each slice */
};

/*
 * The voxel around a place, and where the place is in it; false where there
 * is none.  A voxel reaches half a step to each side.
 */
static bool find_voxel(int64_t index[3], double at[3], const struct walk *w,
                       const double start[3], int64_t x)
{
    for (int i = 0; i < 3; i++) {
        double edge;

        at[i] = start[i] + w->map[i][0] * (double)x;
        edge = at[i] + 0.5 + NOISE;
        if (!(edge >= 0 && edge < (double)w->from->size[i]))
            return false;
        index[i] = (int64_t)edge;
    }
    return true;
}

/* One of the eight voxels around a place, the offsets of their sides, and
 * the share of the higher one on each axis. */
static size_t find_cell(size_t side[3], double share[3],
                        const struct medvl_volume *v, const double at[3])
{
    const size_t step[3] = {1, (size_t)v->size[0],
                            (size_t)(v->size[0] * v->size[1])};
    size_t first = 0;

    for (int i = 0; i < 3; i++) {
        const double last = (double)(v->size[i] - 1);
        const double p = at[i] < 0 ? 0 : at[i] > last ? last
                                                      : at[i];
        const size_t low = (size_t)p;

        share[i] = p - (double)low;
        side[i] = share[i] > 0 ? step[i] : 0;
        first += low * step[i];
    }
    return first;
}

#define ALONG_X(v, i, side, share) \
    ((double)(v)[i] + (share)[0] * \
                          ((double)(v)[(i) + (side)[0]] - (double)(v)[i]))

/*
 * Rows between the voxels, and copied ones, for a type.  Whole numbers are
 * rounded, halves up.
 */
#define ROWS(NAME, TYPE, ROUND)                                       \
    static int64_t NAME(const struct walk *w, size_t to,              \
                        const double start[3])                        \
    {                                                                 \
        const struct medvl_volume *from = w->from;                    \
        const TYPE *v = from->data;                                   \
        TYPE *out = (TYPE *)w->to->data + to;                         \
        int64_t inside = 0, index[3];                                 \
        size_t i, side[3];                                            \
        double at[3], share[3];                                       \
                                                                      \
        for (int64_t x = 0; x < w->to->size[0]; x++) {                \
            double low, high, near, far;                              \
                                                                      \
            if (!find_voxel(index, at, w, start, x)) {                \
                out[x] = (TYPE)w->outside;                            \
                continue;                                             \
            }                                                         \
            inside++;                                                 \
            if (w->sampling == MEDVL_SAMPLING_NEAREST) {              \
                out[x] = v[index[0] + from->size[0] *                 \
                                          (index[1] + from->size[1] * \
                                                          index[2])]; \
                continue;                                             \
            }                                                         \
            i = find_cell(side, share, from, at);                     \
            low = ALONG_X(v, i, side, share);                         \
            high = ALONG_X(v, i + side[1], side, share);              \
            near = low + share[1] * (high - low);                     \
            i += side[2];                                             \
            low = ALONG_X(v, i, side, share);                         \
            high = ALONG_X(v, i + side[1], side, share);              \
            far = low + share[1] * (high - low);                      \
            out[x] = (TYPE)ROUND(near + share[2] * (far - near));     \
        }                                                             \
        return inside;                                                \
    }

#define AS_IT_IS(v) (v)
#define WHOLE(v)    floor((v) + 0.5)

ROWS(row_u8, uint8_t, WHOLE)
ROWS(row_i8, int8_t, WHOLE)
ROWS(row_u16, uint16_t, WHOLE)
ROWS(row_i16, int16_t, WHOLE)
ROWS(row_u32, uint32_t, WHOLE)
ROWS(row_i32, int32_t, WHOLE)
ROWS(row_f32, float, AS_IT_IS)
ROWS(row_f64, double, AS_IT_IS)

static int64_t row(const struct walk *w, size_t to, const double start[3])
{
    switch (w->from->type) {
    case MEDVL_VOXEL_U8: return row_u8(w, to, start);
    case MEDVL_VOXEL_I8: return row_i8(w, to, start);
    case MEDVL_VOXEL_U16: return row_u16(w, to, start);
    case MEDVL_VOXEL_I16: return row_i16(w, to, start);
    case MEDVL_VOXEL_U32: return row_u32(w, to, start);
    case MEDVL_VOXEL_I32: return row_i32(w, to, start);
    case MEDVL_VOXEL_F32: return row_f32(w, to, start);
    case MEDVL_VOXEL_F64: return row_f64(w, to, start);
    }
    return 0;
}

static void slice(void *arg, int64_t z, int thread)
{
    struct walk *w = arg;
    const struct medvl_volume *to = w->to;

    (void)thread;
    for (int64_t y = 0; y < to->size[1]; y++) {
        double start[3];

        for (int i = 0; i < 3; i++)
            start[i] = w->map[i][1] * (double)y + w->map[i][2] * (double)z +
                       w->map[i][3];
        w->inside[z] +=
            row(w, (size_t)(to->size[0] * (y + to->size[1] * z)), start);
    }
}

/* ---- outside ------------------------------------------------------------ */

/* The stored value that stands for 0, or the nearest that the type has. */
static double stored_zero(const struct medvl_volume *v)
{
    double low, high, zero = -v->offset / v->slope;

    medvl_voxel_range(&low, &high, v->type);
    if (v->type != MEDVL_VOXEL_F32 && v->type != MEDVL_VOXEL_F64)
        zero = floor(zero + 0.5);
    return !(zero > low) ? low : zero > high ? high
                                             : zero;
}

/* The stored value of what is black: 0, or the least where it is below. */
static double stored_black(const struct medvl_volume *v)
{
    const size_t count = (size_t)(v->size[0] * v->size[1] * v->size[2]);
    double least = 0, black = stored_zero(v);

    for (size_t i = 0; i < count; i++) {
        const double voxel = medvl_voxel_value(v->data, v->type, i);
        const double value = voxel * v->slope + v->offset;

        if (value < least && isfinite(value)) {
            least = value;
            black = voxel;
        }
    }
    return black;
}

/* ---- the grids ---------------------------------------------------------- */

static int check_size(const double size[3], size_t bytes,
                      struct medvl_error *err)
{
    const double voxels = size[0] * size[1] * size[2];

    for (int i = 0; i < 3; i++)
        if (!(size[i] <= MEDVL_PICTURE_SIDE))
            return medvl_fail(err, MEDVL_EARG,
                              "%.0f x %.0f x %.0f voxels: over 65535 a side",
                              size[0], size[1], size[2]);
    if (voxels > (double)MEDVL_VOLUME_VOXELS ||
        voxels * (double)bytes > (double)MEDVL_VOLUME_BYTES)
        return medvl_fail(err, MEDVL_EARG,
                          "%.0f x %.0f x %.0f voxels: over the limit of 2^28 "
                          "voxels or 384 MiB",
                          size[0], size[1], size[2]);
    return MEDVL_OK;
}

int medvl_volume_cubes(struct medvl_volume *out,
                       const struct medvl_volume *volume, double mm,
                       struct medvl_error *err)
{
    double size[3];

    *out = (struct medvl_volume){.type = volume->type};
    for (int r = 0; r < 3; r++) {
        double reach = 0, middle = volume->affine[r][3];

        for (int i = 0; i < 3; i++) {
            const double along = volume->affine[r][i];

            reach += fabs(along) * (double)volume->size[i];
            middle += along * (double)(volume->size[i] - 1) / 2;
        }
        size[r] = fmax(1, floor(reach / mm + 0.5));
        out->spacing[r] = mm;
        out->affine[r][r] = mm;
        out->affine[r][3] = middle - (size[r] - 1) / 2 * mm;
    }
    if (check_size(size, medvl_voxel_bytes(volume->type), err) < 0)
        return medvl_context(err, "cubes of %g mm", mm);
    for (int r = 0; r < 3; r++)
        out->size[r] = (int64_t)size[r];
    return MEDVL_OK;
}

int medvl_volume_resample(struct medvl_volume *out,
                          const struct medvl_volume *volume,
                          const struct medvl_volume *grid,
                          enum medvl_sampling sampling, int64_t *inside,
                          struct medvl_pool *pool, struct medvl_error *err)
{
    const double size[3] = {(double)grid->size[0], (double)grid->size[1],
                            (double)grid->size[2]};
    const size_t bytes = medvl_voxel_bytes(volume->type);
    struct walk w = {.from = volume, .to = out, .sampling = sampling};
    double back[3][4];
    int rc = check_size(size, bytes, err);

    *out = *volume;
    out->data = NULL;
    memcpy(out->size, grid->size, sizeof(out->size));
    memcpy(out->spacing, grid->spacing, sizeof(out->spacing));
    memcpy(out->affine, grid->affine, sizeof(out->affine));
    if (rc == MEDVL_OK && !invert(back, volume->affine))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "the volume's axes lie in one plane");
    w.outside = stored_zero(volume);
    if (rc == MEDVL_OK && sampling == MEDVL_SAMPLING_NEAREST &&
        w.outside * volume->slope + volume->offset != 0)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                        "the voxels' scale has no 0 for what is outside");
    if (rc < 0)
        return rc;
    compose(w.map, back, grid->affine);
    out->data = medvl_alloc(
        (size_t)(grid->size[0] * grid->size[1] * grid->size[2]), bytes);
    w.inside = medvl_alloc((size_t)grid->size[2], sizeof(*w.inside));
    if (!out->data || !w.inside) {
        medvl_volume_release(out);
        medvl_free(w.inside);
        return medvl_no_memory(err);
    }
    if (sampling == MEDVL_SAMPLING_LINEAR)
        w.outside = stored_black(volume);
    medvl_pool_run(pool, grid->size[2], slice, &w);
    for (int64_t z = 0; inside && z < grid->size[2]; z++)
        *inside += w.inside[z];
    medvl_free(w.inside);
    return MEDVL_OK;
}
