/* DICOM files through the helper: values, tags, pictures, damage. */
#include <dirent.h>
#include <signal.h>

#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/image/dicom.h"
#include "tests/unit/check.h"

static struct medvl_error err;
static struct medvl_decoder *decoder;

static int start(void **state)
{
    (void)state;
    return medvl_decoder_open(&decoder, NULL, 60, &err);
}

static int stop(void **state)
{
    (void)state;
    medvl_decoder_free(decoder);
    return 0;
}

/* Values read through both decoders that expected.json was made with. */
struct found {
    double min, max, sum;
    int64_t count;
    uint32_t crc;
};

static void add(struct found *f, const struct medvl_decoded *file,
                const void *data)
{
    const size_t count = file->bytes / medvl_voxel_bytes(file->type);

    for (size_t i = 0; i < count; i++) {
        const double v = medvl_voxel_value(data, file->type, i);

        f->min = f->count && f->min < v ? f->min : v;
        f->max = f->count && f->max > v ? f->max : v;
        f->sum += v;
        f->count++;
    }
    f->crc = medvl_crc32(f->crc, data, file->bytes);
}

static void check_pixels(const struct medvl_dicom *dicom,
                         const struct medvl_json *want, const char *name)
{
    const char *crc = medvl_json_string(medvl_json_get(want, "crc32_le"));
    void *data = medvl_alloc(dicom->file.bytes, 1);
    struct found f = {0};
    char got[9];

    assert_non_null(data);
    for (int64_t i = 0; i < dicom->file.frames; i++) {
        CHECK_OK(medvl_decoder_frame(data, decoder, i, &err), &err);
        add(&f, &dicom->file, data);
    }
    snprintf(got, sizeof(got), "%08x", f.crc);
    if (strcmp(got, crc) != 0)
        fail_msg("%s: CRC %s, not %s", name, got, crc);
    CHECK_CLOSE(f.min, medvl_json_number(medvl_json_get(want, "min"), NAN),
                1e-9);
    CHECK_CLOSE(f.max, medvl_json_number(medvl_json_get(want, "max"), NAN),
                1e-9);
    CHECK_CLOSE(f.sum / (double)f.count,
                medvl_json_number(medvl_json_get(want, "mean"), NAN), 1e-5);
    medvl_free(data);
}

/* A tag that expected.json has with a value, has it here. */
static void check_tag(const struct medvl_dicom *dicom,
                      const struct medvl_json *want, const char *name)
{
    static const char *const SAME[] = {
        "Modality", "PhotometricInterpretation", "BodyPartExamined", "Rows",
        "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored",
        "HighBit", "PixelRepresentation", "PlanarConfiguration",
        "WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"};

    for (size_t i = 0; i < sizeof(SAME) / sizeof(*SAME); i++) {
        const struct medvl_json *a = medvl_json_get(want, SAME[i]);
        const struct medvl_json *b = medvl_json_get(dicom->tags, SAME[i]);

        if (medvl_json_type(a) == MEDVL_JSON_NUMBER) {
            CHECK_CLOSE(medvl_json_number(b, NAN), medvl_json_number(a, NAN),
                        0);
        } else if (medvl_json_string(a) && *medvl_json_string(a)) {
            if (!medvl_json_string(b))
                fail_msg("%s: no %s", name, SAME[i]);
            assert_string_equal(medvl_json_string(b), medvl_json_string(a));
        }
    }
    assert_string_equal(
        medvl_json_string(medvl_json_get(dicom->tags, "TransferSyntaxUID")),
        medvl_json_string(medvl_json_get(want, "transfer_syntax")));
}

static void every_file_decodes_to_the_bytes_two_decoders_give(void **state)
{
    char *folder = check_data("dicom"), *list = NULL;
    struct medvl_json *all = NULL;
    int count = 0;

    (void)state;
    assert_int_equal(medvl_path_join(&list, folder, "expected.json", NULL),
                     MEDVL_OK);
    CHECK_OK(medvl_json_read(&all, list, &err), &err);
    for (const struct medvl_json *one = medvl_json_first(all); one;
         one = medvl_json_next(one), count++) {
        const char *name = medvl_json_string(medvl_json_get(one, "file"));
        struct medvl_dicom dicom;
        char *path = NULL;

        assert_int_equal(medvl_path_join(&path, folder, name, NULL),
                         MEDVL_OK);
        CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
        check_tag(&dicom, one, name);
        check_pixels(&dicom, medvl_json_get(one, "pixels"), name);
        medvl_dicom_release(&dicom);
        medvl_free(path);
    }
    assert_int_equal(count, 49);
    medvl_json_free(all);
    medvl_free(list);
    medvl_free(folder);
}

static void renderings_are_within_one_grey_of_dcmtk(void **state)
{
    static const struct {
        const char *file, *window, *picture;
    } CASES[] = {
        {"modalities/MR_small.dcm", "600,1600",
         "MR_small_window_600_1600.png"},
        {"modalities/MR_small_RLE.dcm", "file",
         "MR_small_window_600_1600.png"},
        {"modalities/OBXXXX1A_rle.dcm", NULL, "OBXXXX1A_palette_rgb.png"},
        {"modalities/RG3_rle.dcm", "file", "RG3_window_550_1024.png"},
        {"modalities/RG3_J2KR.dcm", "550,1024", "RG3_window_550_1024.png"},
        {"ct_all_syntaxes/ct_rle.dcm", "p0,p100", "ct_minmax.png"},
        {"ct_all_syntaxes/ct_deflated.dcm", "lung",
         "ct_window_-600_1500.png"},
        {"ct_all_syntaxes/ct_jpegls_lossless.dcm", "file",
         "ct_window_40_400.png"},
        {"modalities/mlut_18.dcm", "p0,p100", "mlut_18_minmax.png"},
        {"modalities/vlut_04.dcm", "file", "vlut_04_voilut.png"},
    };
    char *folder = check_data("dicom");

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_picture got = {0}, want = {0};
        struct medvl_window window = {0};
        struct medvl_dicom dicom;
        char path[600];
        const uint8_t *a, *b;

        snprintf(path, sizeof(path), "%s/%s", folder, CASES[i].file);
        CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
        if (CASES[i].window)
            CHECK_OK(medvl_window_parse(&window, CASES[i].window, &err),
                     &err);
        CHECK_OK(medvl_dicom_picture(&got, &dicom, decoder, 0, &window, 0,
                                     NULL, &err),
                 &err);
        snprintf(path, sizeof(path), "%s/rendered/%s", folder,
                 CASES[i].picture);
        CHECK_OK(medvl_picture_read(&want, path, 0, &err), &err);
        if (want.channels == 3)
            CHECK_OK(medvl_picture_to_rgb(&got, &err), &err);
        assert_int_equal(medvl_picture_bytes(&got),
                         medvl_picture_bytes(&want));
        a = got.data;
        b = want.data;
        for (size_t k = 0; k < medvl_picture_bytes(&got); k++)
            if (abs(a[k] - b[k]) > 1)
                fail_msg("%s %s: %d, not %d at %zu", CASES[i].file,
                         CASES[i].window ? CASES[i].window : "", a[k], b[k],
                         k);
        medvl_picture_release(&got);
        medvl_picture_release(&want);
        medvl_dicom_release(&dicom);
    }
    medvl_free(folder);
}

/* Opened or refused, frames read or refused; and the next file is fine. */
static void damaged_files_are_refused_with_a_reason(void **state)
{
    char *folder = check_data("dicom/malformed");
    char *good = check_data("dicom/modalities/MR_small.dcm");
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int refused = 0, read = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        struct medvl_dicom dicom = {0};
        char path[600];
        int rc;

        if (!strstr(entry->d_name, ".dcm"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        err = (struct medvl_error){0};
        rc = medvl_dicom_file(&dicom, decoder, path, &err);
        for (int64_t i = 0; rc == MEDVL_OK && i < dicom.file.frames; i++) {
            struct medvl_picture picture = {0};
            const struct medvl_window window = {.given = true, .b = 1};

            rc = medvl_dicom_picture(&picture, &dicom, decoder, i, &window,
                                     0, NULL, &err);
            medvl_picture_release(&picture);
        }
        if (rc < 0 && (!err.text[0] || rc == MEDVL_EIO))
            fail_msg("%s: %d %s", entry->d_name, rc, err.text);
        refused += rc < 0;
        read += rc == MEDVL_OK;
        medvl_dicom_release(&dicom);
        CHECK_OK(medvl_dicom_file(&dicom, decoder, good, &err), &err);
        medvl_dicom_release(&dicom);
    }
    assert_int_equal(read + refused, 15);
    assert_true(refused >= 7);
    closedir(dir);
    medvl_free(good);
    medvl_free(folder);
}

/* A file cut anywhere is an error or shorter, never the end of the run. */
static void files_cut_short_or_changed_end_in_an_error(void **state)
{
    static const char *const FILES[] = {
        "dicom/modalities/MR_small.dcm",
        "dicom/modalities/MR_small_RLE.dcm",
        "dicom/modalities/MR_small_jp2klossless.dcm",
        "dicom/modalities/MR_small_jpeg_ls_lossless.dcm",
        "dicom/modalities/SC_rgb_small_odd_jpeg.dcm",
    };
    const struct medvl_window window = {.given = true, .a = 0, .b = 100};

    (void)state;
    for (size_t f = 0; f < sizeof(FILES) / sizeof(*FILES); f++) {
        char *path = check_data(FILES[f]);
        struct medvl_text file = {0};
        uint64_t seed = f + 1;

        CHECK_OK(medvl_file_read(&file, path, 1 << 20, &err), &err);
        for (int i = 0; i < 60; i++) {
            struct medvl_span part = medvl_text_span(&file);
            struct medvl_picture picture = {0};
            struct medvl_dicom dicom = {0};
            int rc;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (i % 2)
                part.size = (size_t)(seed >> 33) % file.size;
            else
                file.data[(seed >> 33) % file.size] ^= (char)(seed >> 20);
            rc = medvl_dicom_bytes(&dicom, decoder, part, &err);
            if (rc == MEDVL_OK)
                rc = medvl_dicom_picture(&picture, &dicom, decoder, 0,
                                         &window, 0, NULL, &err);
            assert_true(rc == MEDVL_OK || err.text[0]);
            medvl_picture_release(&picture);
            medvl_dicom_release(&dicom);
        }
        medvl_text_release(&file);
        medvl_free(path);
    }
}

static void bytes_and_path_give_the_same_picture(void **state)
{
    char *path = check_data("dicom/modalities/emri_small_RLE.dcm");
    const struct medvl_window window = {.given = true, .a = 300, .b = 600};
    struct medvl_text file = {0};

    (void)state;
    CHECK_OK(medvl_file_read(&file, path, 1 << 20, &err), &err);
    for (int64_t frame = 9; frame >= 0; frame -= 3) {
        struct medvl_picture a = {0}, b = {0};
        struct medvl_dicom dicom;

        CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
        CHECK_OK(medvl_dicom_picture(&a, &dicom, decoder, frame, &window, 0,
                                     NULL, &err),
                 &err);
        medvl_dicom_release(&dicom);
        CHECK_OK(medvl_dicom_bytes(&dicom, decoder, medvl_text_span(&file),
                                   &err),
                 &err);
        CHECK_OK(medvl_dicom_picture(&b, &dicom, decoder, frame, &window, 0,
                                     NULL, &err),
                 &err);
        medvl_dicom_release(&dicom);
        assert_memory_equal(a.data, b.data, medvl_picture_bytes(&a));
        medvl_picture_release(&a);
        medvl_picture_release(&b);
    }
    medvl_text_release(&file);
    medvl_free(path);
}

static void what_is_wide_needs_a_window(void **state)
{
    char *ct = check_data("dicom/ct_all_syntaxes/ct_rle.dcm");
    char *wide = check_data("dicom/modalities/rtdose_1frame.dcm");
    const struct medvl_window file = {.given = true, .file = true};
    const struct medvl_window none = {0};
    struct medvl_picture picture = {0};
    struct medvl_dicom dicom;

    (void)state;
    CHECK_OK(medvl_dicom_file(&dicom, decoder, ct, &err), &err);
    CHECK_FAILS(medvl_dicom_picture(&picture, &dicom, decoder, 0, &none, 0,
                                    NULL, &err),
                MEDVL_EARG, &err, "--window");
    CHECK_FAILS(medvl_dicom_picture(&picture, &dicom, decoder, 1, &none, 0,
                                    NULL, &err),
                MEDVL_EARG, &err, "frame 2 of 1");
    CHECK_FAILS(medvl_dicom_picture(&picture, &dicom, decoder, 0, &file, 1000,
                                    NULL, &err),
                MEDVL_EARG, &err, "1000 pixels");
    medvl_dicom_release(&dicom);
    CHECK_OK(medvl_dicom_file(&dicom, decoder, wide, &err), &err);
    CHECK_FAILS(medvl_dicom_picture(&picture, &dicom, decoder, 0, &file, 0,
                                    NULL, &err),
                MEDVL_EARG, &err, "no window");
    medvl_dicom_release(&dicom);
    medvl_free(ct);
    medvl_free(wide);
}

static void a_helper_that_dies_is_started_again(void **state)
{
    char *path = check_data("dicom/modalities/MR_small.dcm");
    struct medvl_dicom dicom;
    FILE *children;
    int pid;

    (void)state;
    CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
    medvl_dicom_release(&dicom);
    children = fopen("/proc/thread-self/children", "r");
    assert_non_null(children);
    assert_int_equal(fscanf(children, "%d", &pid), 1);
    fclose(children);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    CHECK_FAILS(medvl_dicom_file(&dicom, decoder, path, &err), MEDVL_EIO,
                &err, "MR_small.dcm");
    CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
    medvl_dicom_release(&dicom);
    medvl_free(path);
}

/* A word of the list before it, and none after it. */
static void a_zero_byte_is_no_part_of_a_code(void **state)
{
    (void)state;
    assert_true(medvl_dicom_is_code(medvl_span("ORIGINAL")));
    assert_false(
        medvl_dicom_is_code((struct medvl_span){"PA\0SECRETSECRET", 15}));
    assert_false(medvl_dicom_is_code((struct medvl_span){"AP\0", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zero_byte_is_no_part_of_a_code),
        cmocka_unit_test(every_file_decodes_to_the_bytes_two_decoders_give),
        cmocka_unit_test(renderings_are_within_one_grey_of_dcmtk),
        cmocka_unit_test(damaged_files_are_refused_with_a_reason),
        cmocka_unit_test(files_cut_short_or_changed_end_in_an_error),
        cmocka_unit_test(bytes_and_path_give_the_same_picture),
        cmocka_unit_test(what_is_wide_needs_a_window),
        cmocka_unit_test(a_helper_that_dies_is_started_again),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
