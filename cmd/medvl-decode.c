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

#include "lib/image/volume.h"

/* The volume as it is stored, twice where it is unpacked, and some room. */
#define MEMORY_LIMIT ((rlim_t)5 << 30)
#define TIME_LIMIT   600 /* seconds of the processor; the caller has a clock */
#define CHUNK        65536

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

/* ---- checks before the voxels are read -------------------------------- */

/*
 * A gzip file read to its end, so that its own check sum speaks; false when
 * it is damaged.  A file that is not packed passes.
 */
static bool is_whole_gzip(const char *path)
{
    static char buffer[CHUNK];
    gzFile file = gzopen(path, "rb");
    int n, state = Z_OK;

    if (!file)
        return false;
    if (gzdirect(file)) {
        gzclose(file);
        return true;
    }
    do
        n = gzread(file, buffer, sizeof(buffer));
    while (n > 0);
    (void)gzerror(file, &state);
    return (gzclose(file) == Z_OK) && n == 0 && state == Z_OK;
}

/* Can the file hold the voxels that its header promises? */
static bool is_plausible(const nifti_image *nim, int64_t bytes)
{
    const char *name = nim->iname ? nim->iname : nim->fname;
    struct stat info;

    if (!name || stat(name, &info) != 0)
        return false;
    if (nifti_is_gzfile(name))
        return bytes / 1032 <= info.st_size;
    return bytes + nim->iname_offset <= info.st_size;
}

static const char *check_header(const nifti_image *nim,
                                enum medvl_status *status)
{
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
    *status = MEDVL_EARG;
    if (all * nim->nbyper > MEDVL_VOLUME_BYTES)
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

static double voxel(const nifti_image *nim, size_t at)
{
    switch (nim->datatype) {
    case DT_INT8: return ((const int8_t *)nim->data)[at];
    case DT_UINT32: return ((const uint32_t *)nim->data)[at];
    case DT_INT64: return (double)((const int64_t *)nim->data)[at];
    default: return ((const double *)nim->data)[at];
    }
}

/* True where the voxels travel as they are stored. */
static bool travels_bare(int datatype)
{
    return datatype == DT_UINT8 || datatype == DT_INT16 ||
           datatype == DT_UINT16 || datatype == DT_INT32 ||
           datatype == DT_FLOAT32;
}

static int put_voxels(const nifti_image *nim, int type)
{
    static union {
        int16_t i16[CHUNK];
        int32_t i32[CHUNK];
        float f32[CHUNK];
    } chunk;
    const size_t bytes = type_bytes(type);

    if (travels_bare(nim->datatype))
        return put(nim->data, nim->nvox * bytes);
    for (size_t at = 0; at < nim->nvox; at += CHUNK) {
        const size_t left = nim->nvox - at;
        const size_t n = left < CHUNK ? left : CHUNK;

        for (size_t i = 0; i < n; i++) {
            const double v = voxel(nim, at + i);

            if (type == MEDVL_VOXEL_I16)
                chunk.i16[i] = (int16_t)v;
            else if (type == MEDVL_VOXEL_I32)
                chunk.i32[i] = (int32_t)v;
            else
                chunk.f32[i] = (float)v;
        }
        if (!put(&chunk, n * bytes))
            return 0;
    }
    return 1;
}

static bool fits_int32(const nifti_image *nim)
{
    if (nim->datatype != DT_UINT32 && nim->datatype != DT_INT64)
        return true;
    for (size_t i = 0; i < nim->nvox; i++)
        if (fabs(voxel(nim, i)) > INT32_MAX)
            return false;
    return true;
}

/* False when the header's placement is no proper one. */
static bool fill_place(struct medvl_decode_header *h, const nifti_image *nim)
{
    const mat44 *m = nim->sform_code > 0 ? &nim->sto_xyz : &nim->qto_xyz;
    const bool scaled = nim->scl_slope != 0 && isfinite(nim->scl_slope) &&
                        isfinite(nim->scl_inter);

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

static int answer(nifti_image *nim, const char *path)
{
    struct medvl_decode_header h = {.magic = MEDVL_DECODE_MAGIC};
    enum medvl_status status;
    const char *problem = check_header(nim, &status);

    if (problem)
        return answer_error(status, problem);
    h.type = travel_type(nim->datatype);
    if (h.type < 0)
        return answer_error(MEDVL_EUNSUPPORTED,
                            "colour, complex or 128-bit voxels");
    if (!fill_place(&h, nim))
        return answer_error(MEDVL_EFORMAT,
                            "the header's placement is damaged");
    if (!is_whole_gzip(nim->iname ? nim->iname : path) ||
        nifti_image_load(nim) != 0)
        return answer_error(MEDVL_EFORMAT, "damaged or cut short");
    if (!fits_int32(nim))
        return answer_error(MEDVL_EUNSUPPORTED,
                            "whole numbers beyond 32 bits");
    h.bytes = nim->nvox * type_bytes(h.type);
    return put(&h, sizeof(h)) && put_voxels(nim, h.type) &&
                   fflush(stdout) == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    nifti_image *nim;
    int rc;

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
    nim = nifti_image_read(argv[2], 0);
    if (!nim)
        return answer_error(MEDVL_EFORMAT, "not NIfTI, or damaged");
    rc = answer(nim, argv[2]);
    nifti_image_free(nim);
    return rc;
}
