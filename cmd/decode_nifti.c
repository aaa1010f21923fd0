/*
 * NIfTI for medvl-decode: the header through niftilib, with every number of
 * it that is used checked first; the voxels slice by slice, so a volume
 * never stands in this process whole.
 *
 * Read next: decode_dicom.cc.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <nifti1_io.h>
#include <zlib.h>
#include <znzlib.h>

#include "cmd/decode.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"
#include "lib/image/volume.h"

#define CHUNK      65536
#define SKIP_LIMIT (1 << 26) /* bytes of extensions before the voxels */

/* Which type the voxels travel as; -1 for those that are not read. */
static int travel_type(int datatype)
{
    switch (datatype) {
    case DT_UINT8: return MEDVL_VOXEL_U8;
    case DT_INT8: return MEDVL_VOXEL_I8;
    case DT_UINT16: return MEDVL_VOXEL_U16;
    case DT_INT16: return MEDVL_VOXEL_I16;
    case DT_UINT32: return MEDVL_VOXEL_U32;
    case DT_INT32:
    case DT_INT64: return MEDVL_VOXEL_I32;
    case DT_FLOAT32: return MEDVL_VOXEL_F32;
    case DT_FLOAT64: return MEDVL_VOXEL_F64;
    default: return -1;
    }
}

/* ---- checks before the voxels are read -------------------------------- */

/*
 * The floats of the header that are used, checked before niftilib makes
 * whole numbers of them or puts something else in the place of NaN.
 * Returns the name of the bad one, whose value goes to *value.
 */
static const char *find_bad_float(double *value, const nifti_1_header *h)
{
    const bool sform = h->sform_code > 0;
    const bool qform = !sform && h->qform_code > 0;
    const bool scaled = h->scl_slope != 0;
    const struct {
        const char *name;
        float value;
        bool used;
        double low, high;
    } fields[] = {
        {"vox_offset", h->vox_offset, true,
         NIFTI_ONEFILE(*h) ? 352 : 0, SKIP_LIMIT},
        {"scl_slope", h->scl_slope, true, -INFINITY, INFINITY},
        {"scl_inter", h->scl_inter, scaled, -INFINITY, INFINITY},
        {"pixdim[0]", h->pixdim[0], qform, -INFINITY, INFINITY},
        {"pixdim[1]", h->pixdim[1], qform, 1e-6, 1e6},
        {"pixdim[2]", h->pixdim[2], qform, 1e-6, 1e6},
        {"pixdim[3]", h->pixdim[3], qform, 1e-6, 1e6},
        {"quatern_b", h->quatern_b, qform, -1.01, 1.01},
        {"quatern_c", h->quatern_c, qform, -1.01, 1.01},
        {"quatern_d", h->quatern_d, qform, -1.01, 1.01},
        {"qoffset_x", h->qoffset_x, qform, -1e9, 1e9},
        {"qoffset_y", h->qoffset_y, qform, -1e9, 1e9},
        {"qoffset_z", h->qoffset_z, qform, -1e9, 1e9},
        {"srow_x[0]", h->srow_x[0], sform, -1e6, 1e6},
        {"srow_x[1]", h->srow_x[1], sform, -1e6, 1e6},
        {"srow_x[2]", h->srow_x[2], sform, -1e6, 1e6},
        {"srow_x[3]", h->srow_x[3], sform, -1e9, 1e9},
        {"srow_y[0]", h->srow_y[0], sform, -1e6, 1e6},
        {"srow_y[1]", h->srow_y[1], sform, -1e6, 1e6},
        {"srow_y[2]", h->srow_y[2], sform, -1e6, 1e6},
        {"srow_y[3]", h->srow_y[3], sform, -1e9, 1e9},
        {"srow_z[0]", h->srow_z[0], sform, -1e6, 1e6},
        {"srow_z[1]", h->srow_z[1], sform, -1e6, 1e6},
        {"srow_z[2]", h->srow_z[2], sform, -1e6, 1e6},
        {"srow_z[3]", h->srow_z[3], sform, -1e9, 1e9},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        *value = fields[i].value;
        if (fields[i].used &&
            !(isfinite(*value) && *value >= fields[i].low &&
              *value <= fields[i].high))
            return fields[i].name;
    }
    return NULL;
}

/*
 * A file's `want` bytes, and then to its end, so that the check sum of gzip
 * speaks; NULL when all is well.
 */
static const char *check_gzip(const char *path, int64_t want)
{
    static char buffer[CHUNK];
    gzFile file = gzopen(path, "rb");
    int64_t all = 0;
    int n, state = Z_OK;

    if (!file)
        return "cannot be opened";
    do {
        n = gzread(file, buffer, sizeof(buffer));
        all += n > 0 ? n : 0;
    } while (n > 0 && all <= want + SKIP_LIMIT);
    (void)gzerror(file, &state);
    if (gzclose(file) != Z_OK && n == 0)
        n = -1;
    if (n > 0)
        return "unpacks to far more than its voxels";
    return n == 0 && state == Z_OK && all >= want ? NULL
                                                  : "damaged or cut short";
}

/* Can the file hold the voxels that its header promises? */
static bool is_plausible(const nifti_image *nim, int64_t bytes)
{
    struct stat info;

    if (stat(nim->iname, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    if (nifti_is_gzfile(nim->iname))
        return bytes / 1032 <= info.st_size;
    return bytes + nim->iname_offset <= info.st_size;
}

static const char *check_sizes(const nifti_image *nim,
                               enum medvl_status *status)
{
    const int type = travel_type(nim->datatype);
    const int64_t travels =
        type < 0 ? 0 : (int64_t)medvl_voxel_bytes((enum medvl_voxel)type);
    const int64_t size[3] = {nim->nx, nim->ny, nim->nz};
    int64_t all = 1;

    *status = MEDVL_EFORMAT;
    for (int i = 0; i < 3; i++) {
        if (size[i] < 1)
            return "a side without voxels";
        *status = MEDVL_EARG;
        if (size[i] > MEDVL_PICTURE_SIDE)
            return "over 65535 voxels a side";
        all *= size[i];
        if (all > MEDVL_VOLUME_VOXELS)
            return "over the limit of 2^28 voxels";
        *status = MEDVL_EFORMAT;
    }
    *status = MEDVL_EUNSUPPORTED;
    if (type < 0)
        return "colour, complex or 128-bit voxels";
    *status = MEDVL_EARG;
    if (all * nim->nbyper > MEDVL_VOLUME_BYTES ||
        all * travels > MEDVL_VOLUME_BYTES)
        return "over the limit of 384 MiB of voxels";
    *status = MEDVL_EUNSUPPORTED;
    if (nim->nt > 1 || nim->nu > 1 || nim->nv > 1 || nim->nw > 1)
        return "more than three dimensions (several volumes in one file)";
    if (nim->qform_code <= 0 && nim->sform_code <= 0)
        return "the header does not say how the patient lies (no qform, no "
               "sform)";
    *status = MEDVL_EFORMAT;
    if (nim->xyz_units < NIFTI_UNITS_UNKNOWN ||
        nim->xyz_units > NIFTI_UNITS_MICRON)
        return "the header's unit of length is none (xyzt_units)";
    if (!is_plausible(nim, all * nim->nbyper))
        return "cut short: the file cannot hold its voxels";
    *status = MEDVL_OK;
    return NULL;
}

/* A float of the header in mm; one that names no unit has them already.
 * Still a float, so that 0.001 m are 1 mm. */
static float to_mm(float length, int units)
{
    if (units == NIFTI_UNITS_METER)
        return length * 1000;
    return units == NIFTI_UNITS_MICRON ? length / 1000 : length;
}

/* False when the header's placement is no proper one. */
static bool fill_place(struct medvl_decode_answer *a, const nifti_image *nim)
{
    const mat44 *m = nim->sform_code > 0 ? &nim->sto_xyz : &nim->qto_xyz;
    const bool scaled = nim->scl_slope != 0;

    a->slope = scaled ? nim->scl_slope : 1;
    a->offset = scaled ? nim->scl_inter : 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++) {
            a->affine[r][c] = to_mm(m->m[r][c], nim->xyz_units);
            if (!isfinite(a->affine[r][c]))
                return false;
        }
    for (int c = 0; c < 3; c++) {
        a->spacing[c] = sqrt(a->affine[0][c] * a->affine[0][c] +
                             a->affine[1][c] * a->affine[1][c] +
                             a->affine[2][c] * a->affine[2][c]);
        if (!(a->spacing[c] > 1e-6 && a->spacing[c] < 1e6))
            return false;
    }
    return true;
}

/* ---- a file ------------------------------------------------------------ */

struct nifti {
    nifti_image *nim;
    znzFile file; /* stands at slice `next` */
    int64_t next;
    void *slice; /* as it is stored; where it is converted */
};

static void nifti_close(void *at)
{
    struct nifti *n = at;

    if (!znz_isnull(n->file))
        znzclose(n->file);
    nifti_image_free(n->nim);
    medvl_free(n->slice);
    medvl_free(n);
}

static int read_header(struct nifti *n, const char *path,
                       struct medvl_error *err)
{
    nifti_1_header *header;
    const char *bad = NULL;
    struct stat info;
    double value;
    int rc = MEDVL_OK;

    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return medvl_fail(err, MEDVL_EIO, "not a regular file");
    header = nifti_read_header(path, NULL, 1);
    if (header)
        bad = find_bad_float(&value, header);
    if (bad)
        rc = medvl_fail(err, MEDVL_EFORMAT, "the header's %s is %g", bad,
                        value);
    else if (header)
        n->nim = nifti_image_read(path, 0);
    if (rc == MEDVL_OK && (!n->nim || !n->nim->iname))
        rc = medvl_fail(err, MEDVL_EFORMAT, "not NIfTI, or damaged");
    free(header);
    return rc;
}

static int check_voxels(const nifti_image *nim, struct medvl_error *err)
{
    enum medvl_status status;
    const char *problem = check_sizes(nim, &status);

    if (problem)
        return medvl_fail(err, status, "%s", problem);
    if (nifti_is_gzfile(nim->iname))
        problem = check_gzip(nim->iname, nim->iname_offset +
                                             (int64_t)nim->nvox * nim->nbyper);
    if (problem)
        return medvl_fail(err, MEDVL_EFORMAT, "%s", problem);
    return MEDVL_OK;
}

static int nifti_open(void **out, struct medvl_decode_answer *answer,
                      struct medvl_text *tags, const char *path,
                      const void *contents, size_t size,
                      struct medvl_error *err)
{
    struct nifti *n;
    int rc;

    (void)tags;
    (void)contents;
    (void)size;
    if (!path)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "NIfTI without a path");
    n = medvl_alloc(1, sizeof(*n));
    if (!n)
        return medvl_no_memory(err);
    nifti_set_debug_level(0);
    rc = read_header(n, path, err);
    if (rc == MEDVL_OK)
        rc = check_voxels(n->nim, err);
    if (rc == MEDVL_OK && !fill_place(answer, n->nim))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "the header's placement is damaged");
    if (rc < 0) {
        nifti_close(n);
        return rc;
    }
    answer->type = travel_type(n->nim->datatype);
    answer->frames = n->nim->nz;
    answer->size[0] = n->nim->nx;
    answer->size[1] = n->nim->ny;
    answer->size[2] = 1;
    *out = n;
    return MEDVL_OK;
}

/* Stand at slice `index`. */
static bool find_slice(struct nifti *n, int64_t index)
{
    const int64_t bytes = n->nim->nx * n->nim->ny * n->nim->nbyper;

    if (!znz_isnull(n->file) && n->next == index)
        return true;
    if (!znz_isnull(n->file))
        znzclose(n->file);
    n->file = znzopen(n->nim->iname, "rb", nifti_is_gzfile(n->nim->iname));
    n->next = index;
    return !znz_isnull(n->file) &&
           znzseek(n->file, n->nim->iname_offset + index * bytes,
                   SEEK_SET) >= 0;
}

/* The one type that does not travel; false when a voxel does not fit. */
static bool convert(int32_t *out, const int64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (from[i] < INT32_MIN || from[i] > INT32_MAX)
            return false;
        out[i] = (int32_t)from[i];
    }
    return true;
}

static int nifti_frame(void *file, void *out, size_t bytes, int64_t index,
                       struct medvl_error *err)
{
    struct nifti *n = file;
    const size_t count = (size_t)n->nim->nx * (size_t)n->nim->ny;
    const size_t stored = count * (size_t)n->nim->nbyper;
    const bool bare = stored == bytes;

    if (!bare && !n->slice) {
        n->slice = medvl_alloc(stored, 1);
        if (!n->slice)
            return medvl_no_memory(err);
    }
    if (!find_slice(n, index) ||
        nifti_read_buffer(n->file, bare ? out : n->slice, stored, n->nim) !=
            stored)
        return medvl_fail(err, MEDVL_EFORMAT, "damaged or cut short");
    n->next++;
    if (!bare && !convert(out, n->slice, count))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "whole numbers beyond 32 bits");
    return MEDVL_OK;
}

const struct decode_reader decode_nifti = {nifti_open, nifti_frame,
                                           nifti_close, NULL};
