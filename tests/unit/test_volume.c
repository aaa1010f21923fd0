/*
 * Slices of volumes that are made here, and what the helper says of files
 * that are damaged or lie.
 */
#include "tests/unit/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/pool.h"
#include "lib/image/volume.h"

static struct medvl_error err;

enum { NX = 3,
       NY = 4,
       NZ = 5 };

/* Voxel (x, y, z) in the patient's axes holds 100 x + 10 y + z. */
static void fill(struct medvl_volume *volume, const int order[3],
                 const bool flip[3])
{
    const int64_t size[3] = {NX, NY, NZ};
    int64_t at[3];
    int16_t *data;

    *volume = (struct medvl_volume){.type = MEDVL_VOXEL_I16, .slope = 1};
    for (int i = 0; i < 3; i++) {
        const int p = order[i]; /* volume axis i runs along patient's p */

        volume->size[i] = size[p];
        volume->spacing[i] = 1 + p;
        volume->affine[p][i] = flip[i] ? -(1.0 + p) : 1.0 + p;
        volume->affine[p][3] = flip[i] ? (1.0 + p) * (double)(size[p] - 1)
                                       : 0;
    }
    data = medvl_alloc(NX * NY * NZ, sizeof(*data));
    assert_non_null(data);
    volume->data = data;
    for (at[2] = 0; at[2] < volume->size[2]; at[2]++)
        for (at[1] = 0; at[1] < volume->size[1]; at[1]++)
            for (at[0] = 0; at[0] < volume->size[0]; at[0]++) {
                int64_t place[3];

                for (int i = 0; i < 3; i++)
                    place[order[i]] =
                        flip[i] ? volume->size[i] - 1 - at[i] : at[i];
                *data++ = (int16_t)(100 * place[0] + 10 * place[1] +
                                    place[2]);
            }
}

/* Whatever way the volume is stored, the slices are the same. */
static void slices_do_not_depend_on_how_the_volume_is_stored(void **state)
{
    static const int ORDERS[6][3] = {
        {0, 1, 2},
        {0, 2, 1},
        {1, 0, 2},
        {1, 2, 0},
        {2, 0, 1},
        {2, 1, 0},
    };
    struct medvl_slicing s;
    double v[20];

    (void)state;
    for (int o = 0; o < 6; o++)
        for (int f = 0; f < 8; f++) {
            const bool flip[3] = {f & 1, f & 2, f & 4};
            struct medvl_volume volume;

            fill(&volume, ORDERS[o], flip);
            medvl_slicing_init(&s, &volume, MEDVL_AXIS_AXIAL);
            assert_true(s.count == NZ && s.width == NX && s.height == NY);
            assert_true(s.spacing[0] == 1 && s.spacing[1] == 2 &&
                        s.spacing[2] == 3);
            medvl_slice_values(v, &volume, &s, 4);
            /* patient's left on the left, the front up */
            assert_true(v[0] == 34 && v[2] == 234 && v[9] == 4 &&
                        v[11] == 204);
            CHECK_CLOSE(medvl_slicing_position(&s, &volume, 4), 12, 1e-9);
            medvl_slicing_init(&s, &volume, MEDVL_AXIS_CORONAL);
            assert_true(s.count == NY && s.width == NX && s.height == NZ);
            medvl_slice_values(v, &volume, &s, 1);
            assert_true(v[0] == 14 && v[2] == 214 && v[14] == 210);
            medvl_slicing_init(&s, &volume, MEDVL_AXIS_SAGITTAL);
            assert_true(s.count == NX && s.width == NY && s.height == NZ);
            medvl_slice_values(v, &volume, &s, 2);
            /* the front on the right */
            assert_true(v[0] == 204 && v[3] == 234 && v[19] == 230);
            CHECK_CLOSE(medvl_slicing_position(&s, &volume, 2), 2, 1e-9);
            medvl_volume_release(&volume);
        }
}

static void the_content_is_what_is_not_zero(void **state)
{
    const int order[3] = {0, 1, 2};
    const bool flip[3] = {true, false, false};
    struct medvl_volume volume;
    struct medvl_slicing s;
    int64_t low[3], high[3];
    int16_t *data;

    (void)state;
    fill(&volume, order, flip);
    data = volume.data;
    memset(data, 0, NX * NY * NZ * sizeof(*data));
    medvl_slicing_init(&s, &volume, MEDVL_AXIS_AXIAL);
    assert_false(medvl_slicing_content(low, high, &volume, &s));
    data[0 + NX * (1 + NY * 2)] = 7; /* patient x 2, y 1, z 2 */
    data[1 + NX * (2 + NY * 3)] = 7; /* patient x 1, y 2, z 3 */
    assert_true(medvl_slicing_content(low, high, &volume, &s));
    assert_true(low[0] == 1 && high[0] == 3); /* columns: x */
    assert_true(low[1] == 1 && high[1] == 3); /* rows: 3 - y */
    assert_true(low[2] == 2 && high[2] == 4);
    medvl_volume_release(&volume);
}

static void grids_are_the_same_to_a_hundredth_of_a_voxel(void **state)
{
    const int order[3] = {0, 1, 2};
    const bool flip[3] = {false, false, false};
    struct medvl_volume a, b;

    (void)state;
    fill(&a, order, flip);
    fill(&b, order, flip);
    assert_true(medvl_volume_same_grid(&a, &b));
    b.affine[0][3] += 0.005;
    assert_true(medvl_volume_same_grid(&a, &b));
    b.affine[0][3] += 0.01;
    assert_false(medvl_volume_same_grid(&a, &b));
    b.affine[0][3] = 0;
    b.affine[2][2] += 0.01;
    assert_false(medvl_volume_same_grid(&a, &b));
    medvl_volume_release(&a);
    medvl_volume_release(&b);
}

/* ---- other grids --------------------------------------------------------- */

static void read_numbers(double *out, size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fscanf(file, "%lf", &out[i]), 1);
}

static struct medvl_volume read_grid(const int64_t size[3], FILE *file)
{
    struct medvl_volume out = {.slope = 1, .type = MEDVL_VOXEL_F64};

    memcpy(out.size, size, sizeof(out.size));
    read_numbers(&out.affine[0][0], 12, file);
    return out;
}

/* tests/golden/volume.py: SciPy's values on odd affines, one or two threads,
 * as doubles and as labels of two bytes. */
static void other_grids_have_the_values_of_scipy(void **state)
{
    FILE *file = fopen("tests/golden/volume.txt", "r");
    struct medvl_pool *pool;
    int cases = 0;
    char how[8];
    int64_t a[3], b[3];

    (void)state;
    assert_non_null(file);
    CHECK_OK(medvl_pool_open(&pool, 2, &err), &err);
    while (fscanf(file, "%7s %ld %ld %ld %ld %ld %ld", how, &a[0], &a[1],
                  &a[2], &b[0], &b[1], &b[2]) == 7) {
        const bool linear = strcmp(how, "linear") == 0;
        struct medvl_volume v = read_grid(a, file), grid = read_grid(b, file);
        double values[200], want[300];
        uint16_t labels[200];
        struct medvl_volume out;
        int64_t count = b[0] * b[1] * b[2], inside = 0, filled = 0;

        v.data = values;
        read_numbers(values, (size_t)(a[0] * a[1] * a[2]), file);
        read_numbers(want, (size_t)count, file);
        CHECK_OK(medvl_volume_resample(&out, &v, &grid,
                                       linear ? MEDVL_SAMPLING_LINEAR
                                              : MEDVL_SAMPLING_NEAREST,
                                       &inside, cases % 3 ? pool : NULL,
                                       &err),
                 &err);
        for (int64_t i = 0; i < count; i++) {
            CHECK_CLOSE(((double *)out.data)[i], want[i], 1e-5);
            filled += want[i] != 0;
        }
        assert_true(inside >= filled && inside <= filled + 3);
        medvl_volume_release(&out);
        for (int64_t i = 0; i < a[0] * a[1] * a[2]; i++)
            labels[i] = (uint16_t)values[i];
        v.data = labels;
        v.type = MEDVL_VOXEL_U16;
        CHECK_OK(medvl_volume_resample(&out, &v, &grid,
                                       linear ? MEDVL_SAMPLING_LINEAR
                                              : MEDVL_SAMPLING_NEAREST,
                                       NULL, NULL, &err),
                 &err);
        for (int64_t i = 0; i < count; i++)
            CHECK_CLOSE(((uint16_t *)out.data)[i], want[i],
                        linear ? 0.5 + 1e-5 : 0);
        medvl_volume_release(&out);
        cases++;
    }
    assert_int_equal(cases, 36);
    medvl_pool_free(pool);
    assert_int_equal(fclose(file), 0);
}

/* Cubes of a volume's own size are the volume, however it is stored. */
static void cubes_straighten_what_is_stored_askew(void **state)
{
    const int order[3] = {2, 0, 1};
    const bool flip[3] = {true, false, true};
    struct medvl_volume v, grid, out;

    (void)state;
    fill(&v, order, flip);
    CHECK_OK(medvl_volume_cubes(&grid, &v, 1, &err), &err);
    assert_true(grid.size[0] == NX && grid.size[1] == 2 * NY &&
                grid.size[2] == 3 * NZ && !grid.data);
    CHECK_CLOSE(grid.affine[1][3], -0.5, 1e-12);
    CHECK_CLOSE(grid.affine[2][3], -1, 1e-12);
    CHECK_OK(medvl_volume_resample(&out, &v, &grid, MEDVL_SAMPLING_LINEAR,
                                   NULL, NULL, &err),
             &err);
    for (int64_t z = 0; z < 3 * NZ; z++)
        for (int64_t y = 0; y < 2 * NY; y++)
            for (int64_t x = 0; x < NX; x++) {
                const double py = fmin(fmax(((double)y - 0.5) / 2, 0), NY - 1);
                const double pz = fmin(fmax(((double)z - 1) / 3, 0), NZ - 1);

                CHECK_CLOSE(medvl_volume_value(&out, x, y, z),
                            (double)(100 * x) + 10 * py + pz, 0.5 + 1e-9);
            }
    medvl_volume_release(&out);
    CHECK_FAILS(medvl_volume_cubes(&grid, &v, 1e-4, &err), MEDVL_EARG, &err,
                "cubes of 0.0001 mm");
    CHECK_FAILS(medvl_volume_cubes(&grid, &v, 0.01, &err), MEDVL_EARG, &err,
                "limit");
    CHECK_OK(medvl_volume_cubes(&grid, &v, 1e6, &err), &err);
    assert_true(grid.size[0] == 1 && grid.size[1] == 1 && grid.size[2] == 1);
    memset(v.affine[1], 0, sizeof(v.affine[1]));
    CHECK_FAILS(medvl_volume_resample(&out, &v, &grid, MEDVL_SAMPLING_LINEAR,
                                      NULL, NULL, &err),
                MEDVL_EFORMAT, &err, "one plane");
    medvl_volume_release(&v);
}

/* Air around a CT, nothing around what has no values below 0. */
static void outside_is_black(void **state)
{
    int16_t data[2] = {24, 1024};
    struct medvl_volume v = {.size = {2, 1, 1},
                             .affine = {{1}, {0, 1}, {0, 0, 1}},
                             .slope = 1,
                             .offset = -1024,
                             .type = MEDVL_VOXEL_I16,
                             .data = data};
    struct medvl_volume grid = {.size = {4, 1, 1},
                                .affine = {{1, 0, 0, -1}, {0, 1}, {0, 0, 1}}};
    struct medvl_volume out;
    int64_t inside = 0;

    (void)state;
    CHECK_OK(medvl_volume_resample(&out, &v, &grid, MEDVL_SAMPLING_LINEAR,
                                   &inside, NULL, &err),
             &err);
    assert_true(medvl_volume_value(&out, 0, 0, 0) == -1000 &&
                medvl_volume_value(&out, 1, 0, 0) == -1000 &&
                medvl_volume_value(&out, 2, 0, 0) == 0 && inside == 2);
    medvl_volume_release(&out);
    data[0] = 1025;
    CHECK_OK(medvl_volume_resample(&out, &v, &grid, MEDVL_SAMPLING_LINEAR,
                                   NULL, NULL, &err),
             &err);
    assert_true(medvl_volume_value(&out, 3, 0, 0) == 0);
    medvl_volume_release(&out);
    v.offset = -0.5;
    CHECK_FAILS(medvl_volume_resample(&out, &v, &grid, MEDVL_SAMPLING_NEAREST,
                                      NULL, NULL, &err),
                MEDVL_EUNSUPPORTED, &err, "no 0");
}

/* ---- files --------------------------------------------------------------- */

struct header {
    unsigned char bytes[352];
};

static void put16(struct header *h, int at, int16_t v)
{
    memcpy(h->bytes + at, &v, 2);
}

static void put32(struct header *h, int at, float v)
{
    memcpy(h->bytes + at, &v, 4);
}

/* A NIfTI-1 header of 2 x 3 x 4 voxels of int16, a metre apart. */
static struct header make_header(void)
{
    const int32_t size = 348;
    struct header h = {{0}};

    memcpy(h.bytes, &size, 4);
    put16(&h, 40, 3);
    put16(&h, 42, 2);
    put16(&h, 44, 3);
    put16(&h, 46, 4);
    for (int i = 48; i < 56; i += 2)
        put16(&h, i, 1);
    put16(&h, 70, 4);
    put16(&h, 72, 16);
    for (int i = 76; i < 108; i += 4)
        put32(&h, i, 1);
    put32(&h, 108, 352);
    put32(&h, 112, 2);
    put32(&h, 116, -10);
    put16(&h, 254, 1);
    put32(&h, 280, 1);
    put32(&h, 300, 1);
    put32(&h, 320, 1);
    memcpy(h.bytes + 344, "n+1", 4);
    return h;
}

static int read_file(struct medvl_volume *volume, const struct header *h,
                     size_t voxels)
{
    char *path = check_temp("volume.nii");
    unsigned char bytes[352 + 48] = {0};
    int rc;

    memcpy(bytes, h->bytes, 352);
    for (int i = 0; i < 24; i++)
        bytes[352 + 2 * i] = (unsigned char)i;
    CHECK_OK(medvl_file_write(path, bytes, 352 + 2 * voxels, &err), &err);
    rc = medvl_volume_read(volume, path, NULL, 20, &err);
    medvl_free(path);
    return rc;
}

static void a_volume_comes_from_the_helper_with_its_scale(void **state)
{
    struct header h = make_header();
    struct medvl_volume v;

    (void)state;
    CHECK_OK(read_file(&v, &h, 24), &err);
    assert_true(v.size[0] == 2 && v.size[1] == 3 && v.size[2] == 4);
    assert_int_equal(v.type, MEDVL_VOXEL_I16);
    CHECK_CLOSE(medvl_volume_value(&v, 1, 2, 3), 23 * 2 - 10, 0);
    assert_false(medvl_volume_is_grey8(&v));
    medvl_volume_release(&v);
}

static void headers_that_lie_are_errors_of_their_file(void **state)
{
    struct medvl_volume v;
    struct header h;

    (void)state;
    h = make_header();
    CHECK_FAILS(read_file(&v, &h, 23), MEDVL_EFORMAT, &err, "cut short");
    put16(&h, 42, 30000);
    put16(&h, 44, 30000);
    put16(&h, 46, 30000);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EARG, &err, "limit");
    h = make_header();
    put16(&h, 40, 4);
    put16(&h, 48, 2);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EUNSUPPORTED, &err,
                "three dimensions");
    h = make_header();
    put16(&h, 254, 0);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EUNSUPPORTED, &err,
                "how the patient lies");
    h = make_header();
    put32(&h, 280, NAN);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EFORMAT, &err,
                "the header's srow_x[0] is nan");
    h = make_header();
    for (int i = 280; i < 328; i += 4)
        put32(&h, i, 0);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EFORMAT, &err, "placement");
    h = make_header();
    put16(&h, 46, 2);
    put16(&h, 70, 128);
    put16(&h, 72, 24);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EUNSUPPORTED, &err, "colour");
    memset(h.bytes, 0, 352);
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EFORMAT, &err, "NIfTI");
    assert_null(v.data);
}

static void floats_of_the_header_that_are_none_are_named(void **state)
{
    static const struct {
        int at;
        float value;
        const char *says;
        bool qform;
    } CASES[] = {
        {108, 1e30F, "vox_offset is 1e+30", false},
        {108, NAN, "vox_offset is nan", false},
        {108, -352, "vox_offset is -352", false},
        {108, 0, "vox_offset is 0", false},
        {108, 1e8F, "vox_offset is 1e+08", false},
        {112, INFINITY, "scl_slope is inf", false},
        {112, NAN, "scl_slope is nan", false},
        {116, -INFINITY, "scl_inter is -inf", false},
        {116, NAN, "scl_inter is nan", false},
        {308, INFINITY, "srow_y[3] is inf", false},
        {320, 1e30F, "srow_z[2] is 1e+30", false},
        {80, NAN, "pixdim[1] is nan", true},
        {84, -1, "pixdim[2] is -1", true},
        {76, NAN, "pixdim[0] is nan", true},
        {256, INFINITY, "quatern_b is inf", true},
        {268, 1e30F, "qoffset_x is 1e+30", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct header h = make_header();
        struct medvl_volume v;

        if (CASES[i].qform) {
            put16(&h, 252, 1);
            put16(&h, 254, 0);
        }
        CHECK_OK(read_file(&v, &h, 24), &err);
        medvl_volume_release(&v);
        put32(&h, CASES[i].at, CASES[i].value);
        CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EFORMAT, &err,
                    CASES[i].says);
        assert_non_null(strstr(err.text, "volume.nii: "));
    }
}

/* More voxels than the helper takes at a time, in each type. */
static void every_type_arrives_in_pieces(void **state)
{
    static const struct {
        int16_t type, bits;
        int size;
    } TYPES[] = {
        {256, 8, 1},
        {4, 16, 2},
        {512, 16, 2},
        {8, 32, 4},
        {768, 32, 4},
        {1024, 64, 8},
        {16, 32, 4},
        {64, 64, 8},
    };
    enum { SIDE = 70,
           COUNT = SIDE * SIDE * SIDE };
    char *path = check_temp("pieces.nii");

    (void)state;
    for (size_t t = 0; t < sizeof(TYPES) / sizeof(*TYPES); t++) {
        struct header h = make_header();
        struct medvl_text bytes = {0};
        struct medvl_volume v;

        for (int i = 42; i < 48; i += 2)
            put16(&h, i, SIDE);
        put16(&h, 70, TYPES[t].type);
        put16(&h, 72, TYPES[t].bits);
        put32(&h, 112, 0);
        CHECK_OK(medvl_text_append(&bytes, h.bytes, 352, &err), &err);
        for (int64_t i = 0; i < COUNT; i++) {
            const int64_t n = i % 101;
            const float f = (float)n;
            const double d = (double)n + 0.1;
            const void *from = TYPES[t].type == 16   ? (const void *)&f
                               : TYPES[t].type == 64 ? (const void *)&d
                                                     : (const void *)&n;

            CHECK_OK(medvl_text_append(&bytes, from, (size_t)TYPES[t].size,
                                       &err),
                     &err);
        }
        CHECK_OK(medvl_file_write(path, bytes.data, bytes.size, &err), &err);
        CHECK_OK(medvl_volume_read(&v, path, NULL, 20, &err), &err);
        for (int64_t i = 0; i < COUNT; i += 997)
            CHECK_CLOSE(medvl_volume_value(&v, i % SIDE, i / SIDE % SIDE,
                                           i / SIDE / SIDE),
                        (double)(i % 101) +
                            (TYPES[t].type == 64 ? 0.1 : 0),
                        0);
        medvl_volume_release(&v);
        medvl_text_release(&bytes);
    }
    medvl_free(path);
}

/* Metres and micrometres become mm; units of time do not matter. */
static void lengths_become_millimetres(void **state)
{
    static const struct {
        unsigned char units;
        double mm;
    } CASES[] = {{0, 1}, {2, 1}, {10, 1}, {1, 1000}, {9, 1000}, {3, 0.001}};
    struct header h = make_header();
    struct medvl_volume v;

    (void)state;
    put32(&h, 292, -90); /* srow_x[3] */
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        const double mm = CASES[i].mm;

        h.bytes[123] = CASES[i].units;
        CHECK_OK(read_file(&v, &h, 24), &err);
        CHECK_CLOSE(v.spacing[0], mm, 1e-9);
        CHECK_CLOSE(v.affine[2][2], mm, 1e-9);
        CHECK_CLOSE(v.affine[0][3], -90 * mm, 1e-6);
        medvl_volume_release(&v);
    }
    for (int i = 280; i < 328; i += 20)
        put32(&h, i, 0.001F);
    h.bytes[123] = 1;
    CHECK_OK(read_file(&v, &h, 24), &err);
    assert_true(v.spacing[0] == 1 && v.spacing[1] == 1 && v.spacing[2] == 1);
    medvl_volume_release(&v);
    h.bytes[123] = 4;
    CHECK_FAILS(read_file(&v, &h, 24), MEDVL_EFORMAT, &err, "unit of length");
}

/* What a float cannot hold: large whole numbers, and doubles. */
static void values_are_shown_as_they_are(void **state)
{
    static const double WANT[6] = {16777217, 16777216, -16777219,
                                   1e300, 0.1, 2147483647};
    const struct medvl_window window = {
        .given = true, .percentile = true, .a = 50, .b = 75};
    struct medvl_slicing s;
    double data[6], v[6], low, high;
    struct medvl_volume volume = {.size = {2, 3, 1},
                                  .spacing = {1, 1, 1},
                                  .affine = {{1}, {0, -1}, {0, 0, 1}},
                                  .slope = 1,
                                  .type = MEDVL_VOXEL_F64,
                                  .data = data};

    (void)state;
    memcpy(data, WANT, sizeof(data));
    medvl_slicing_init(&s, &volume, MEDVL_AXIS_AXIAL);
    medvl_slice_values(v, &volume, &s, 0);
    assert_memory_equal(v, WANT, sizeof(v));
    CHECK_OK(medvl_volume_range(&low, &high, &volume, &window, &err), &err);
    assert_true(low == 16777216 && high == 2147483647);
    data[0] = data[1] = data[2] = -1e308;
    data[3] = data[4] = data[5] = 1e308;
    CHECK_FAILS(medvl_volume_range(&low, &high, &volume, &window, &err),
                MEDVL_EFORMAT, &err, "too far apart");
    for (int i = 0; i < 6; i++)
        data[i] = i < 3 ? NAN : i < 5 ? 0
                                      : INFINITY;
    CHECK_FAILS(medvl_volume_range(&low, &high, &volume, &window, &err),
                MEDVL_EFORMAT, &err, "percentiles of nothing");
}

static void any_changed_header_byte_is_survived(void **state)
{
    int refused = 0;

    (void)state;
    for (size_t at = 0; at < 352; at += 5) {
        struct header h = make_header();
        struct medvl_volume v;

        h.bytes[at] ^= 0xff;
        refused += read_file(&v, &h, 24) < 0;
        medvl_volume_release(&v);
    }
    assert_true(refused > 3);
}

static void whole_numbers_beyond_32_bits_are_refused(void **state)
{
    static const int64_t WIDE[] = {(int64_t)INT32_MAX + 1,
                                   (int64_t)INT32_MIN - 1,
                                   INT64_MIN};
    char *path = check_temp("wide.nii");

    (void)state;
    for (size_t i = 0; i < sizeof(WIDE) / sizeof(*WIDE); i++) {
        struct header h = make_header();
        struct medvl_text bytes = {0};
        int64_t voxels[24] = {0};
        struct medvl_volume v;

        voxels[23] = WIDE[i];
        put16(&h, 70, 1024);
        put16(&h, 72, 64);
        put32(&h, 112, 0);
        CHECK_OK(medvl_text_append(&bytes, h.bytes, 352, &err), &err);
        CHECK_OK(medvl_text_append(&bytes, voxels, sizeof(voxels), &err),
                 &err);
        CHECK_OK(medvl_file_write(path, bytes.data, bytes.size, &err), &err);
        CHECK_FAILS(medvl_volume_read(&v, path, NULL, 20, &err),
                    MEDVL_EUNSUPPORTED, &err, "beyond 32 bits");
        medvl_text_release(&bytes);
    }
    medvl_free(path);
}

static void a_helper_that_fails_or_hangs_is_an_error(void **state)
{
    char *path = check_temp("any.nii");
    struct medvl_volume v;

    (void)state;
    CHECK_OK(medvl_file_write(path, "x", 1, &err), &err);
    CHECK_FAILS(medvl_volume_read(&v, path, "/bin/false", 5, &err),
                MEDVL_EIO, &err, "stopped before the end");
    CHECK_FAILS(medvl_volume_read(&v, path, "/nowhere/helper", 5, &err),
                MEDVL_EIO, &err, "/nowhere/helper");
    CHECK_FAILS(medvl_volume_read(&v, "/nowhere.nii", NULL, 5, &err),
                MEDVL_EIO, &err, "/nowhere.nii");
    medvl_free(path);
    path = check_temp("hang");
    CHECK_OK(medvl_file_write(path, "#!/bin/sh\nexec sleep 60\n", 24, &err),
             &err);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(chmod(path, 0700), 0);
    CHECK_FAILS(medvl_volume_read(&v, path, path, 1, &err), MEDVL_EIO, &err,
                "too long");
    medvl_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_do_not_depend_on_how_the_volume_is_stored),
        cmocka_unit_test(the_content_is_what_is_not_zero),
        cmocka_unit_test(grids_are_the_same_to_a_hundredth_of_a_voxel),
        cmocka_unit_test(other_grids_have_the_values_of_scipy),
        cmocka_unit_test(cubes_straighten_what_is_stored_askew),
        cmocka_unit_test(outside_is_black),
        cmocka_unit_test(a_volume_comes_from_the_helper_with_its_scale),
        cmocka_unit_test(headers_that_lie_are_errors_of_their_file),
        cmocka_unit_test(floats_of_the_header_that_are_none_are_named),
        cmocka_unit_test(every_type_arrives_in_pieces),
        cmocka_unit_test(lengths_become_millimetres),
        cmocka_unit_test(values_are_shown_as_they_are),
        cmocka_unit_test(any_changed_header_byte_is_survived),
        cmocka_unit_test(whole_numbers_beyond_32_bits_are_refused),
        cmocka_unit_test(a_helper_that_fails_or_hangs_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
