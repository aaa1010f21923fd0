/*
 * The import stage as a whole: with memory running out at any place.  What
 * it does is tested in tests/cli/import.bats.
 */
#include "tests/unit/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/image/picture.h"
#include "lib/stage/import.h"
#include "tests/unit/dicom_file.h"

static char *set_path, *out_path, *picture_path, *folder;

static int setup(void **state)
{
    static const char SET[] =
        "{\"id\":\"a\",\"image\":\"import_in.png\",\"boxes\":"
        "[[\"RBC\",0,0,3,2]],\"counts\":{\"RBC\":1}}\n"
        "{\"id\":\"b\",\"image\":\"import_in.png\"}\n";
    struct medvl_error err = {0};
    struct medvl_picture p = {0};

    (void)state;
    set_path = check_temp("import_in.jsonl");
    out_path = check_temp("import_out.jsonl");
    picture_path = check_temp("import_in.png");
    folder = check_temp("import_px");
    CHECK_OK(medvl_picture_make(&p, 4, 3, 1, 8, &err), &err);
    CHECK_OK(medvl_picture_write(&p, picture_path, NULL, &err), &err);
    medvl_picture_release(&p);
    CHECK_OK(medvl_file_write(set_path, SET, sizeof(SET) - 1, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    char *const paths[] = {set_path, out_path, picture_path, folder};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)!medvl_path_remove(paths[i], NULL);
        medvl_free(paths[i]);
    }
    return 0;
}

static int run_import(void *arg, struct medvl_error *err)
{
    const char *const paths[] = {set_path}, *const set[] = {"species=human"};
    const struct medvl_import_options options = {
        .layout = "bccd",
        .paths = paths,
        .path_count = 1,
        .set = set,
        .set_count = 1,
        .output = out_path,
    };

    (void)arg;
    return medvl_import(&options, err);
}

static void an_import_is_whole_or_there_is_no_memory(void **state)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};

    (void)state;
    check_no_memory(run_import, NULL, 2000);
    CHECK_OK(medvl_file_read(&text, out_path, 1 << 20, &err), &err);
    assert_non_null(strstr(text.data, "{\"label\":\"RBC\",\"box\":[0,0,3,2]"));
    assert_non_null(strstr(text.data, "\"species\":\"human\""));
    medvl_text_release(&text);
}

/* A NIfTI-1 file of 2 x 3 x 2 voxels of int16, an mm apart. */
static void make_volume(const char *path)
{
    static const struct {
        int at;
        int16_t value;
    } SHORTS[] = {
        {40, 3},
        {42, 2},
        {44, 3},
        {46, 2},
        {48, 1},
        {50, 1},
        {52, 1},
        {54, 1},
        {70, 4},
        {72, 16},
        {254, 1},
    };
    static const int ONES[] = {76, 80, 84, 88, 280, 300, 320};
    const int32_t size = 348;
    const float one = 1, offset = 352;
    unsigned char bytes[352 + 24] = {0};
    struct medvl_error err = {0};

    memcpy(bytes, &size, 4);
    for (size_t i = 0; i < sizeof(SHORTS) / sizeof(*SHORTS); i++)
        memcpy(bytes + SHORTS[i].at, &SHORTS[i].value, 2);
    for (size_t i = 0; i < sizeof(ONES) / sizeof(*ONES); i++)
        memcpy(bytes + ONES[i], &one, 4);
    memcpy(bytes + 108, &offset, 4);
    memcpy(bytes + 344, "n+1", 4);
    for (int i = 0; i < 12; i++)
        bytes[352 + 2 * i] = (unsigned char)(i / 3);
    CHECK_OK(medvl_file_write(path, bytes, sizeof(bytes), &err), &err);
}

static struct medvl_import_options volume_options(const char *const *path)
{
    return (struct medvl_import_options){
        .layout = "nifti",
        .paths = path,
        .path_count = 1,
        .labels = *path,
        .window = "p1,p99",
        .out = folder,
        .output = out_path,
    };
}

static int run_volume(void *arg, struct medvl_error *err)
{
    const char *const paths[] = {arg};
    struct medvl_import_options options = volume_options(paths);

    options.canvas = 4;
    options.slices = "0-0";
    return medvl_import(&options, err);
}

/* The same, on cubes, where its labels show. */
static int run_cubes(void *arg, struct medvl_error *err)
{
    const char *const paths[] = {arg};
    struct medvl_import_options options = volume_options(paths);

    options.resample = 0.7;
    options.slices = "largest";
    return medvl_import(&options, err);
}

static void a_volume_is_whole_or_there_is_no_memory(void **state)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    char *path = check_temp("import_volume.nii");

    (void)state;
    make_volume(path);
    check_no_memory(run_volume, path, 2000);
    check_no_memory(run_cubes, path, 2000);
    CHECK_OK(medvl_file_read(&text, out_path, 1 << 20, &err), &err);
    assert_non_null(strstr(text.data, "\"spacing\":[0.7,0.7,0.7]"));
    assert_non_null(strstr(text.data, "\"regions\":[{\"label\":\"2\""));
    medvl_text_release(&text);
    assert_int_equal(unlink(path), 0);
    medvl_free(path);
}

/* Two slices of one series in `where`, and a key beside them. */
static void make_series(const char *where)
{
    static const char *const PLACES[] = {"0\\0\\0", "0\\0\\2"};
    static const uint16_t PIXELS[6] = {0, 100, 200, 300, 400, 500};
    struct medvl_error err = {0};
    char path[600];

    assert_int_equal(mkdir(where, 0777), 0);
    snprintf(path, sizeof(path), "%s.key", where);
    CHECK_OK(medvl_file_write(path, "sixteen bytes...", 16, &err), &err);
    for (int i = 0; i < 2; i++) {
        struct medvl_text out = {0};

        dicom_begin(&out, "", SYNTAX_EXPLICIT, NULL);
        dicom_text(&out, 0x00080060, "CS", "CT");
        dicom_text(&out, 0x00100020, "LO", "4711");
        dicom_text(&out, 0x0020000d, "UI", "1.2.3");
        dicom_text(&out, 0x0020000e, "UI", "1.2.3.4");
        dicom_text(&out, 0x00200032, "DS", PLACES[i]);
        dicom_text(&out, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
        dicom_text(&out, 0x00280030, "DS", "1\\1");
        dicom_shape(&out, 2, 3, NULL, 16, 12);
        dicom_bytes(&out, 0x7fe00010, "OW", PIXELS, sizeof(PIXELS));
        snprintf(path, sizeof(path), "%s/%d", where, i);
        CHECK_OK(medvl_file_write(path, out.data, out.size, &err), &err);
        medvl_text_release(&out);
    }
}

static void a_series_is_cut_under_pseudonyms(void **state)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};
    char *path = check_temp("import_series");
    const char *const paths[] = {path};
    char key[600];
    const struct medvl_import_options options = {
        .layout = "dicom-volumes",
        .paths = paths,
        .path_count = 1,
        .key = key,
        .window = "250,500",
        .out = folder,
        .output = out_path,
    };

    (void)state;
    make_series(path);
    snprintf(key, sizeof(key), "%s.key", path);
    CHECK_OK(medvl_import(&options, &err), &err);
    CHECK_OK(medvl_file_read(&text, out_path, 1 << 20, &err), &err);
    assert_non_null(strstr(text.data, ":axial:1\",\"images\":[{\"path\""));
    assert_null(strstr(text.data, "4711"));
    assert_null(strstr(text.data, "1.2.3"));
    medvl_text_release(&text);
    assert_int_equal(unlink(key), 0);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void wrong_options_are_named(void **state)
{
    static const struct {
        struct medvl_import_options options;
        const char *text;
    } CASES[] = {
        {{.layout = "cxr"}, "'cxr' is no layout"},
        {{.layout = "bccd"}, "nothing to import"},
        {{.layout = "nifti", .path_count = 1}, "(--out)"},
        {{.layout = "bccd", .path_count = 1, .names = "n"}, "--names"},
        {{.layout = "nifti", .path_count = 1, .names = "n", .out = "o"},
         "--labels"},
        {{.layout = "bccd", .path_count = 1, .labels = "l"}, "one volume"},
        {{.layout = "nifti", .path_count = 1, .out = "x", .slices = "4-"},
         "FIRST-LAST"},
        {{.layout = "nifti", .path_count = 1, .out = "x", .slices = "labelled"},
         "--slices labelled wants"},
        {{.layout = "dicom-volumes", .path_count = 1, .out = "x"},
         "wants a key"},
        {{.layout = "dicom-volumes", .path_count = 1, .key = "k"}, "(--out)"},
        {{.layout = "nifti", .path_count = 1, .out = "x", .window = "file"},
         "no window"},
        {{.layout = "nifti", .path_count = 1, .out = "x", .window = "4"},
         "window"},
    };
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(medvl_import_check(&CASES[i].options, &err), MEDVL_EARG,
                    &err, CASES[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_import_is_whole_or_there_is_no_memory),
        cmocka_unit_test(a_volume_is_whole_or_there_is_no_memory),
        cmocka_unit_test(a_series_is_cut_under_pseudonyms),
        cmocka_unit_test(wrong_options_are_named),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
