/*
 * Series that are made here as volumes: where their voxels lie, what they
 * hold, and why some are none.
 */
#include "tests/unit/check.h"

#include <sys/stat.h>

#include "lib/image/stack.h"
#include "tests/unit/dicom_file.h"

static struct medvl_error err;
static struct medvl_decoder *decoder;
static char *folder;

enum { W = 4,
       H = 3,
       MOST = 8 };

/* A slice; NULL texts are absent. */
struct made {
    const char *position, *orientation, *spacing;
    const char *slope, *intercept, *photometric;
    const int16_t *padding;
    const char *centre, *width;
    int rows;
};

#define AXIAL "1\\0\\0\\0\\1\\0"
#define SLICE(position)                                                  \
    {                                                                    \
        position, AXIAL, "2\\0.5", NULL, NULL, NULL, NULL, NULL, NULL, H \
    }

static char paths[MOST][600];
static const char *const PATHS[MOST] = {paths[0], paths[1], paths[2],
                                        paths[3], paths[4], paths[5],
                                        paths[6], paths[7]};

static void put_text(struct medvl_text *out, uint32_t tag, const char *vr,
                     const char *text)
{
    if (text)
        dicom_text(out, tag, vr, text);
}

static void put_frame(struct medvl_text *out, int number, int rows)
{
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < W; x++) {
            const int16_t v = (int16_t)(100 * number + 10 * y + x - 150);

            CHECK_OK(medvl_text_append(out, &v, 2, &err), &err);
        }
}

static void put_image(struct medvl_text *out, const struct made *m)
{
    dicom_word(out, 0x00280002, "US", 1);
    put_text(out, 0x00280004, "CS",
             m->photometric ? m->photometric : "MONOCHROME2");
}

/* Twelve bits with a sign, in 16. */
static void put_bits(struct medvl_text *out, const struct made *m)
{
    dicom_word(out, 0x00280010, "US", m->rows);
    dicom_word(out, 0x00280011, "US", W);
    put_text(out, 0x00280030, "DS", m->spacing);
    dicom_word(out, 0x00280100, "US", 16);
    dicom_word(out, 0x00280101, "US", 12);
    dicom_word(out, 0x00280102, "US", 11);
    dicom_word(out, 0x00280103, "US", 1);
    if (m->padding)
        dicom_bytes(out, 0x00280120, "SS", m->padding, 2);
    put_text(out, 0x00281050, "DS", m->centre);
    put_text(out, 0x00281051, "DS", m->width);
    put_text(out, 0x00281052, "DS", m->intercept);
    put_text(out, 0x00281053, "DS", m->slope);
}

/* File `at`, whose values say that it is slice `number`. */
static void make(int at, int number, const struct made *m)
{
    struct medvl_text out = {0}, pixels = {0};

    snprintf(paths[at], sizeof(paths[at]), "%s/%d", folder, at);
    dicom_begin(&out, "", SYNTAX_EXPLICIT, NULL);
    put_text(&out, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    put_text(&out, 0x00080060, "CS", "CT");
    put_text(&out, 0x00100010, "PN", "Mustermann^Erika");
    put_text(&out, 0x00200032, "DS", m->position);
    put_text(&out, 0x00200037, "DS", m->orientation);
    put_image(&out, m);
    put_bits(&out, m);
    put_frame(&pixels, number, m->rows);
    dicom_bytes(&out, 0x7fe00010, "OW", pixels.data, pixels.size);
    medvl_text_release(&pixels);
    CHECK_OK(medvl_file_write(paths[at], out.data, out.size, &err), &err);
    medvl_text_release(&out);
}

static int start(void **state)
{
    (void)state;
    folder = check_temp("stack");
    return mkdir(folder, 0777) ||
           medvl_decoder_open(&decoder, NULL, 60, &err) < 0;
}

static int stop(void **state)
{
    (void)state;
    medvl_decoder_free(decoder);
    medvl_free(folder);
    return 0;
}

static void read_ok(struct medvl_stack *out, size_t count)
{
    CHECK_OK(medvl_stack_read(out, decoder, PATHS, count, &err), &err);
}

static void check_fails(size_t count, int want, const char *text)
{
    struct medvl_stack stack;

    CHECK_FAILS(medvl_stack_read(&stack, decoder, PATHS, count, &err), want,
                &err, text);
    assert_null(stack.volume.data);
    assert_null(strstr(err.text, "Muster"));
}

/* Where a voxel lies, in the patient's axes. */
static void check_place(const struct medvl_volume *v, int64_t i, int64_t j,
                        int64_t k, double x, double y, double z)
{
    const double want[3] = {x, y, z};

    for (int r = 0; r < 3; r++)
        CHECK_CLOSE(v->affine[r][0] * (double)i + v->affine[r][1] * (double)j +
                        v->affine[r][2] * (double)k + v->affine[r][3],
                    want[r], 1e-9);
}

static void a_series_is_a_volume_in_the_axes_of_nifti(void **state)
{
    static const struct made FILES[] = {
        SLICE("-10\\20\\7.5"),
        SLICE("-10\\20\\-2.5"),
        SLICE("-10\\20\\2.5"),
    };
    static const int NUMBER[] = {2, 0, 1};
    struct medvl_stack s;

    (void)state;
    for (int i = 0; i < 3; i++)
        make(i, NUMBER[i], &FILES[i]);
    read_ok(&s, 3);
    assert_true(s.volume.size[0] == W && s.volume.size[1] == H &&
                s.volume.size[2] == 3);
    assert_int_equal(s.volume.type, MEDVL_VOXEL_I16);
    assert_true(s.volume.spacing[0] == 0.5 && s.volume.spacing[1] == 2);
    CHECK_CLOSE(s.volume.spacing[2], 5, 1e-12);
    /* DICOM's x is to the left, its y to the back. */
    check_place(&s.volume, 0, 0, 0, 10, -20, -2.5);
    check_place(&s.volume, 3, 2, 1, 10 - 1.5, -20 - 4, 2.5);
    for (int64_t k = 0; k < 3; k++)
        for (int64_t j = 0; j < H; j++)
            for (int64_t i = 0; i < W; i++)
                assert_true(medvl_volume_value(&s.volume, i, j, k) ==
                            (double)(100 * k + 10 * j + i - 150));
    assert_non_null(s.no_window);
    medvl_stack_release(&s);
}

/* Sagittal slices from right to left, head up. */
static void other_planes_lie_where_their_tags_say(void **state)
{
    static const struct made FILES[] = {
        {"-3\\-7\\90", "0\\1\\0\\0\\0\\-1", "1.5\\0.75", NULL, NULL, NULL,
         NULL, "40", "400", H},
        {"1\\-7\\90", "0\\1\\0\\0\\0\\-1", "1.5\\0.75", NULL, NULL, NULL,
         NULL, "40", "400", H},
    };
    struct medvl_slicing slicing;
    struct medvl_stack s;
    double v[W * H];

    (void)state;
    make(0, 0, &FILES[0]);
    make(1, 1, &FILES[1]);
    read_ok(&s, 2);
    check_place(&s.volume, 0, 0, 1, 3, 7, 90);
    check_place(&s.volume, 0, 0, 0, -1, 7, 90);
    check_place(&s.volume, 2, 1, 0, -1, 7 - 1.5, 88.5);
    medvl_slicing_init(&slicing, &s.volume, MEDVL_AXIS_SAGITTAL);
    assert_true(slicing.count == 2 && slicing.width == W &&
                slicing.height == H);
    medvl_slice_values(v, &s.volume, &slicing, 0);
    /* The left one, whose front is on the right. */
    assert_true(v[0] == 100 + 3 - 150 && v[W - 1] == 100 - 150);
    assert_true(!s.no_window && s.low == -160 && s.high == 239);
    medvl_stack_release(&s);
}

static void a_tilted_gantry_is_a_sheared_volume(void **state)
{
    static const struct made FILES[] = {
        SLICE("0\\0\\0"),
        SLICE("0\\1\\3"),
        SLICE("0\\2.05\\6"), /* as tags are rounded */
        SLICE("0\\3\\9"),
    };
    struct medvl_stack s;

    (void)state;
    for (int i = 0; i < 4; i++)
        make(i, i, &FILES[i]);
    read_ok(&s, 4);
    check_place(&s.volume, 0, 0, 3, 0, -3, 9);
    check_place(&s.volume, 1, 0, 2, -0.5, -2, 6);
    CHECK_CLOSE(s.volume.spacing[2], sqrt(10), 1e-8);
    medvl_stack_release(&s);
}

static void what_is_no_stack_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text;
        struct made last;
    } CASES[] = {
        {"1 missing between ", SLICE("0\\0\\12")},
        {"distances of slices from 3 to 4.5 mm", SLICE("0\\0\\10.5")},
        {"lie at one place", SLICE("0\\0\\6")},
        {"lie at one place", SLICE("0\\0\\6.01")},
        {"mm out of line", SLICE("1\\0\\9")},
        {"does not lie parallel",
         {"0\\0\\9", "1\\0\\0\\0\\0\\-1", "2\\0.5", NULL, NULL, NULL, NULL,
          NULL, NULL, H}},
        {"another size",
         {"0\\0\\9", AXIAL, "2\\0.6", NULL, NULL, NULL, NULL, NULL, NULL,
          H}},
        {"4 x 2 pixels, the first of the series has 4 x 3",
         {"0\\0\\9", AXIAL, "2\\0.5", NULL, NULL, NULL, NULL, NULL, NULL,
          2}},
        {"another kind",
         {"0\\0\\9", AXIAL, "2\\0.5", NULL, NULL, "MONOCHROME1", NULL, NULL,
          NULL, H}},
        {"does not say where it lies",
         {NULL, AXIAL, "2\\0.5", NULL, NULL, NULL, NULL, NULL, NULL, H}},
        {"does not say where it lies",
         {"0\\0\\9", "1\\0\\0\\1\\0\\0", "2\\0.5", NULL, NULL, NULL, NULL,
          NULL, NULL, H}},
        {"does not say where it lies",
         {"0\\0\\9", AXIAL, "0\\0.5", NULL, NULL, NULL, NULL, NULL, NULL,
          H}},
        {"does not say where it lies",
         {"0\\0\\1e300", AXIAL, "2\\0.5", NULL, NULL, NULL, NULL, NULL, NULL,
          H}},
    };
    static const struct made FIRST[] = {
        SLICE("0\\0\\0"), SLICE("0\\0\\3"), SLICE("0\\0\\6")};

    (void)state;
    for (int i = 0; i < 3; i++)
        make(i, i, &FIRST[i]);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        make(3, 3, &CASES[i].last);
        check_fails(4, MEDVL_EARG, CASES[i].text);
    }
    check_fails(1, MEDVL_EARG, "only picture");
    CHECK_OK(medvl_file_write(paths[3], "no DICOM", 8, &err), &err);
    check_fails(4, MEDVL_EFORMAT, paths[3]);
}

static void slices_of_different_scales_become_floats(void **state)
{
    static const struct made FILES[] = {
        {"0\\0\\0", AXIAL, "2\\2", "0.5", "0", NULL, NULL, NULL, NULL, H},
        {"0\\0\\4", AXIAL, "2\\2", "0.25", "10", NULL, NULL, NULL, NULL, H},
    };
    struct medvl_stack s;

    (void)state;
    make(0, 0, &FILES[0]);
    make(1, 1, &FILES[1]);
    read_ok(&s, 2);
    assert_int_equal(s.volume.type, MEDVL_VOXEL_F32);
    assert_true(s.volume.slope == 1 && s.volume.offset == 0);
    assert_true(medvl_volume_value(&s.volume, 3, 2, 0) == -127 * 0.5);
    assert_true(medvl_volume_value(&s.volume, 3, 2, 1) == -27 * 0.25 + 10);
    medvl_stack_release(&s);
}

static void padding_is_no_value_and_inversion_is_kept(void **state)
{
    static const struct medvl_window ALL = {
        .given = true, .percentile = true, .a = 0, .b = 100};
    static const int16_t P[] = {-150, -149};
    struct made files[] = {
        {"0\\0\\0", AXIAL, "2\\2", "2", "-1", "MONOCHROME1", P, "40",
         "80", H},
        {"0\\0\\4", AXIAL, "2\\2", "2", "-1", "MONOCHROME1", P, "50",
         "80", H},
    };
    struct medvl_stack s;
    double low, high;

    (void)state;
    make(0, 0, &files[0]);
    make(1, 1, &files[1]);
    read_ok(&s, 2);
    assert_true(s.volume.inverse && s.volume.padded);
    assert_int_equal(s.volume.type, MEDVL_VOXEL_I16);
    assert_true(medvl_volume_value(&s.volume, 0, 0, 0) == -301);
    CHECK_OK(medvl_volume_range(&low, &high, &s.volume, &ALL, &err), &err);
    CHECK_CLOSE(low, -299, 0);
    CHECK_CLOSE(high, -27 * 2 - 1, 0);
    assert_non_null(strstr(s.no_window, "different windows"));
    medvl_stack_release(&s);
    files[1].padding = P + 1;
    make(1, 1, &files[1]);
    read_ok(&s, 2);
    assert_int_equal(s.volume.type, MEDVL_VOXEL_F32);
    assert_true(isnan(medvl_volume_value(&s.volume, 0, 0, 0)));
    medvl_stack_release(&s);
}

/* ---- enhanced files ----------------------------------------------------- */

/* A file of many frames, whose places stand in functional groups. */
static void make_enhanced(int at, const char *const *positions,
                          const char *const *slopes, int count)
{
    const struct made m = {.rows = H};
    struct medvl_text out = {0}, pixels = {0};
    size_t start, group;
    char number[8];

    snprintf(paths[at], sizeof(paths[at]), "%s/%d", folder, at);
    dicom_begin(&out, "", SYNTAX_EXPLICIT, NULL);
    put_text(&out, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.4.1");
    put_text(&out, 0x00080060, "CS", "MR");
    put_image(&out, &m);
    snprintf(number, sizeof(number), "%d", count);
    put_text(&out, 0x00280008, "IS", number);
    put_bits(&out, &m);
    start = out.size;
    put_text(&out, 0x00200037, "DS", AXIAL);
    dicom_wrap(&out, start, 0x00209116);
    group = out.size;
    put_text(&out, 0x00280030, "DS", "2\\0.5");
    dicom_wrap(&out, group, 0x00289110);
    dicom_wrap(&out, start, 0x52009229);
    start = out.size;
    for (int i = 0; i < count; i++) {
        const size_t frame = out.size;

        put_text(&out, 0x00200032, "DS", positions[i]);
        dicom_wrap(&out, frame, 0x00209113);
        group = out.size;
        put_text(&out, 0x00281052, "DS", "0");
        put_text(&out, 0x00281053, "DS", slopes[i]);
        dicom_wrap(&out, group, 0x00289145);
        CHECK_OK(medvl_dataset_wrap(&out, frame, MEDVL_DATASET_ITEM, NULL,
                                    &err),
                 &err);
        put_frame(&pixels, i, H);
    }
    CHECK_OK(medvl_dataset_wrap(&out, start, 0x52009230, "SQ", &err), &err);
    dicom_bytes(&out, 0x7fe00010, "OW", pixels.data, pixels.size);
    medvl_text_release(&pixels);
    CHECK_OK(medvl_file_write(paths[at], out.data, out.size, &err), &err);
    medvl_text_release(&out);
}

static void frames_of_one_file_are_slices(void **state)
{
    static const char *const PLACES[] = {"0\\0\\6", "0\\0\\0", "0\\0\\3"};
    static const char *const TWICE[] = {"0\\0\\6", "0\\0\\0", "0\\0\\6"};
    static const char *const ONES[] = {"1", "1", "1"};
    static const char *const SLOPES[] = {"1", "2", "3"};
    struct medvl_stack s;

    (void)state;
    make_enhanced(0, PLACES, ONES, 3);
    read_ok(&s, 1);
    assert_true(s.volume.size[2] == 3 && s.volume.type == MEDVL_VOXEL_I16);
    check_place(&s.volume, 1, 1, 2, -0.5, -2, 6);
    assert_true(medvl_volume_value(&s.volume, 0, 0, 0) == 100 - 150 &&
                medvl_volume_value(&s.volume, 0, 0, 1) == 200 - 150 &&
                medvl_volume_value(&s.volume, 0, 0, 2) == -150);
    medvl_stack_release(&s);
    make_enhanced(0, PLACES, SLOPES, 3);
    read_ok(&s, 1);
    assert_int_equal(s.volume.type, MEDVL_VOXEL_F32);
    assert_true(medvl_volume_value(&s.volume, 0, 0, 1) == 50 * 3);
    medvl_stack_release(&s);
    make_enhanced(0, TWICE, ONES, 3);
    check_fails(1, MEDVL_EARG, "0 frame 1 and ");
}

/* Two files of frames, one between the other's. */
static void frames_of_many_files_are_slices_too(void **state)
{
    static const char *const EVEN[] = {"0\\0\\0", "0\\0\\4", "0\\0\\8"};
    static const char *const ODD[] = {"0\\0\\6", "0\\0\\2"};
    static const char *const ONES[] = {"1", "1", "1"};
    static const double WANT[] = {-150, -50, -50, -150, 50};
    struct medvl_stack s;

    (void)state;
    make_enhanced(0, EVEN, ONES, 3);
    make_enhanced(1, ODD, ONES, 2);
    read_ok(&s, 2);
    for (int k = 0; k < 5; k++)
        assert_true(medvl_volume_value(&s.volume, 0, 0, k) == WANT[k]);
    medvl_stack_release(&s);
}

/* A real one that does not say where its frames lie. */
static void a_file_without_places_is_refused(void **state)
{
    char *path = check_data("dicom/modalities/emri_small.dcm");
    struct medvl_stack s;

    (void)state;
    CHECK_FAILS(medvl_stack_read(&s, decoder, (const char *const *)&path, 1,
                                 &err),
                MEDVL_EARG, &err,
                "emri_small.dcm: frame 1 does not say where it lies");
    medvl_free(path);
}

static int read_two(void *arg, struct medvl_error *e)
{
    struct medvl_stack s;
    const int rc = medvl_stack_read(&s, decoder, PATHS, 2, e);

    (void)arg;
    medvl_stack_release(&s);
    return rc;
}

static void a_stack_is_whole_or_there_is_no_memory(void **state)
{
    static const struct made FILES[] = {SLICE("0\\0\\0"), SLICE("0\\0\\4")};

    (void)state;
    make(0, 0, &FILES[0]);
    make(1, 1, &FILES[1]);
    check_no_memory(read_two, NULL, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_is_a_volume_in_the_axes_of_nifti),
        cmocka_unit_test(other_planes_lie_where_their_tags_say),
        cmocka_unit_test(a_tilted_gantry_is_a_sheared_volume),
        cmocka_unit_test(what_is_no_stack_is_refused_with_the_reason),
        cmocka_unit_test(slices_of_different_scales_become_floats),
        cmocka_unit_test(padding_is_no_value_and_inversion_is_kept),
        cmocka_unit_test(frames_of_one_file_are_slices),
        cmocka_unit_test(frames_of_many_files_are_slices_too),
        cmocka_unit_test(a_file_without_places_is_refused),
        cmocka_unit_test(a_stack_is_whole_or_there_is_no_memory),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
