/*
 * medvl-decode - the helper that reads file formats which are parsed by
 * libraries we do not want inside the other commands.
 *
 * It runs with limits on memory and time, set by itself before it touches
 * the file, and writes struct medvl_decode_header and the voxels to
 * standard output (lib/image/volume.h).  It is started by the library.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nifti1_io.h>
#include <zlib.h>
#include <znzlib.h>

#include "lib/image/volume.h"

#define MEMORY_LIMIT ((rlim_t)1 << 30)
#define TIME_LIMIT   600 /* seconds of the processor; the caller has a clock */
#define CHUNK        65536
#define SKIP_LIMIT   (1 << 26) /* bytes of extensions before the voxels */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_MEMORY 0
#else
#define LIMIT_MEMORY 1
#endif

static void set_limits(void)
{
    const struct rlimit memory = {MEMORY_LIMIT, MEMORY_LIMIT};
    const struct rlimit time = {TIME_LIMIT, TIME_LIMIT};
    const struct rlimit none = {0, 0};

    if (LIMIT_MEMORY)
        (void)setrlimit(RLIMIT_AS, &memory);
    (void)setrlimit(RLIMIT_CPU, &time);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
}

/* The library's medvl_voxel_bytes; this program is linked without it. */
static size_t type_bytes(int type)
{
    return type == MEDVL_VOXEL_U8                               ? 1
           : type == MEDVL_VOXEL_I16 || type == MEDVL_VOXEL_U16 ? 2
                                                                : 4;
}

static int put(const void *data, size_t size)
{
    return fwrite(data, 1, size, stdout) == size;
}

/* Answer with an error; the caller reads it, so this process succeeded. */
static int answer_error(enum medvl_status status, const char *text)
{
    struct medvl_decode_header h = {.magic = MEDVL_DECODE_MAGIC,
                                    .status = status,
                                    .bytes = strlen(text)};

    return put(&h, sizeof(h)) && put(text, h.bytes) && fflush(stdout) == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

/* Which type the voxels travel as; -1 for those that are not read. */
static int travel_type(int datatype)
{
    switch (datatype) {
    case DT_UINT8: return MEDVL_VOXEL_U8;
    case DT_INT8:
    case DT_INT16: return MEDVL_VOXEL_I16;
    case DT_UINT16: return MEDVL_VOXEL_U16;
    case DT_INT32:
    case DT_UINT32:
    case DT_INT64: return MEDVL_VOXEL_I32;
    case DT_FLOAT32:
    case DT_FLOAT64: return MEDVL_VOXEL_F32;
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

    if (stat(nim->iname, &info) != 0)
        return false;
    if (nifti_is_gzfile(nim->iname))
        return bytes / 1032 <= info.st_size;
    return bytes + nim->iname_offset <= info.st_size;
}

static const char *check_sizes(const nifti_image *nim,
                               enum medvl_status *status)
{
    const int type = travel_type(nim->datatype);
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
        all * (int64_t)type_bytes(type) > MEDVL_VOLUME_BYTES)
        return "over the limit of 384 MiB of voxels";
    *status = MEDVL_EUNSUPPORTED;
    if (nim->nt > 1 || nim->nu > 1 || nim->nv > 1 || nim->nw > 1)
        return "more than three dimensions (several volumes in one file)";
    if (nim->qform_code <= 0 && nim->sform_code <= 0)
        return "the header does not say how the patient lies (no qform, no "
               "sform)";
    *status = MEDVL_EFORMAT;
    if (!is_plausible(nim, all * nim->nbyper))
        return "cut short: the file cannot hold its voxels";
    *status = MEDVL_OK;
    return NULL;
}

/* ---- the answer ------------------------------------------------------- */

/* Voxel `at` of those in memory. */
static double voxel(int datatype, const void *data, size_t at)
{
    switch (datatype) {
    case DT_INT8: return ((const int8_t *)data)[at];
    case DT_UINT32: return ((const uint32_t *)data)[at];
    case DT_INT64: return (double)((const int64_t *)data)[at];
    default: return ((const double *)data)[at];
    }
}

/* True where the voxels travel as they are stored. */
static bool travels_bare(int datatype)
{
    return datatype == DT_UINT8 || datatype == DT_INT16 ||
           datatype == DT_UINT16 || datatype == DT_INT32 ||
           datatype == DT_FLOAT32;
}

/* Write `n` voxels in the type they travel as. */
static bool put_some(const nifti_image *nim, const void *data, size_t n)
{
    static union {
        int16_t i16[CHUNK];
        int32_t i32[CHUNK];
        float f32[CHUNK];
    } chunk;
    const int type = travel_type(nim->datatype);

    if (travels_bare(nim->datatype))
        return put(data, n * type_bytes(type));
    for (size_t i = 0; i < n; i++) {
        const double v = voxel(nim->datatype, data, i);

        if (type == MEDVL_VOXEL_I16)
            chunk.i16[i] = (int16_t)v;
        else if (type == MEDVL_VOXEL_I32)
            chunk.i32[i] = (int32_t)v;
        else
            chunk.f32[i] = (float)v;
    }
    return put(&chunk, n * type_bytes(type));
}

static bool fit_some(const nifti_image *nim, const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabs(voxel(nim->datatype, data, i)) > INT32_MAX)
            return false;
    return true;
}

/*
 * Hand the voxels, in the machine's byte order, piece by piece to `take`.
 * False when the file ends before they do, or take says so.
 */
static bool each_piece(nifti_image *nim,
                       bool (*take)(const nifti_image *nim, const void *data,
                                    size_t n))
{
    static double chunk[CHUNK]; /* of the widest type */
    znzFile file = znzopen(nim->iname, "rb", nifti_is_gzfile(nim->iname));
    size_t left = nim->nvox;
    bool good = !znz_isnull(file) &&
                znzseek(file, nim->iname_offset, SEEK_SET) >= 0;

    while (good && left) {
        const size_t n = left < CHUNK ? left : CHUNK;
        const size_t bytes = n * (size_t)nim->nbyper;

        good = nifti_read_buffer(file, chunk, bytes, nim) == bytes &&
               take(nim, chunk, n);
        left -= n;
    }
    if (!znz_isnull(file))
        znzclose(file);
    return good;
}

/* False when the header's placement is no proper one. */
static bool fill_place(struct medvl_decode_header *h, const nifti_image *nim)
{
    const mat44 *m = nim->sform_code > 0 ? &nim->sto_xyz : &nim->qto_xyz;
    const bool scaled = nim->scl_slope != 0;

    h->size[0] = nim->nx;
    h->size[1] = nim->ny;
    h->size[2] = nim->nz;
    h->slope = scaled ? nim->scl_slope : 1;
    h->offset = scaled ? nim->scl_inter : 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++) {
            h->affine[r][c] = m->m[r][c];
            if (!isfinite(h->affine[r][c]))
                return false;
        }
    for (int c = 0; c < 3; c++) {
        h->spacing[c] = sqrt(h->affine[0][c] * h->affine[0][c] +
                             h->affine[1][c] * h->affine[1][c] +
                             h->affine[2][c] * h->affine[2][c]);
        if (!(h->spacing[c] > 1e-6 && h->spacing[c] < 1e6))
            return false;
    }
    return true;
}

static int answer(nifti_image *nim)
{
    struct medvl_decode_header h = {.magic = MEDVL_DECODE_MAGIC};
    enum medvl_status status;
    const char *problem = check_sizes(nim, &status);

    if (problem)
        return answer_error(status, problem);
    if (!fill_place(&h, nim))
        return answer_error(MEDVL_EFORMAT,
                            "the header's placement is damaged");
    h.type = travel_type(nim->datatype);
    h.bytes = nim->nvox * type_bytes(h.type);
    if (nifti_is_gzfile(nim->iname))
        problem = check_gzip(nim->iname, nim->iname_offset +
                                             (int64_t)nim->nvox * nim->nbyper);
    if (problem)
        return answer_error(MEDVL_EFORMAT, problem);
    if ((nim->datatype == DT_UINT32 || nim->datatype == DT_INT64) &&
        !each_piece(nim, fit_some))
        return answer_error(MEDVL_EUNSUPPORTED,
                            "whole numbers beyond 32 bits");
    return put(&h, sizeof(h)) && each_piece(nim, put_some) &&
                   fflush(stdout) == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

/* What niftilib makes of the file, or NULL and the answer in *rc. */
static nifti_image *open_image(int *rc, const char *path)
{
    nifti_1_header *header = nifti_read_header(path, NULL, 1);
    nifti_image *nim = NULL;
    const char *bad = NULL;
    double value;
    char text[100];

    if (header)
        bad = find_bad_float(&value, header);
    if (bad) {
        (void)snprintf(text, sizeof(text), "the header's %s is %g", bad,
                       value);
        *rc = answer_error(MEDVL_EFORMAT, text);
    } else {
        if (header)
            nim = nifti_image_read(path, 0);
        if (!nim || !nim->iname)
            *rc = answer_error(MEDVL_EFORMAT, "not NIfTI, or damaged");
    }
    free(header);
    if (nim && !nim->iname) {
        nifti_image_free(nim);
        nim = NULL;
    }
    return nim;
}

int main(int argc, char **argv)
{
    nifti_image *nim;
    int rc = EXIT_FAILURE;

    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("medvl-decode (medvl) " MEDVL_VERSION) < 0 ||
               fflush(stdout) != 0;
    if (argc != 3 || strcmp(argv[1], "nifti") != 0 ||
        isatty(STDOUT_FILENO)) {
        fputs("medvl-decode: started by other commands; "
              "medvl-decode nifti FILE >voxels\n",
              stderr);
        return 2;
    }
    set_limits();
    nifti_set_debug_level(0);
    nim = open_image(&rc, argv[2]);
    if (nim)
        rc = answer(nim);
    nifti_image_free(nim);
    return rc;
}
