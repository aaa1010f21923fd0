/* Overlays of DICOM: where they lie, on which frames, and lies about them. */
#include "lib/image/dicom.h"
#include "lib/image/load.h"
#include "tests/unit/check.h"
#include "tests/unit/dicom_file.h"

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

/* A file of 3 rows and 4 columns of 16 bits, of which 12 are stored. */
struct made {
    const char *frames;
    int rows, columns, top, left;
    const char *overlay_frames;
    int first;
    int bit; /* of the pixels; 0: data of its own */
    const char *data;
    size_t size;
};

static void make(struct medvl_text *out, const struct made *m)
{
    static const uint16_t pixels[24] = {0x0000, 0x1001, 0, 0, 0, 0, 0, 0x1fff,
                                        0, 0, 0, 0, 0x1000};
    const int16_t origin[2] = {(int16_t)m->top, (int16_t)m->left};
    const unsigned group = 0x6002u << 16;

    dicom_begin(out, "", SYNTAX_EXPLICIT, NULL);
    dicom_text(out, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
    dicom_shape(out, 3, 4, m->frames, 16, 12);
    dicom_word(out, group | 0x10, "US", m->rows);
    dicom_word(out, group | 0x11, "US", m->columns);
    if (m->overlay_frames)
        dicom_text(out, group | 0x15, "IS", m->overlay_frames);
    dicom_text(out, group | 0x40, "CS", "G");
    dicom_bytes(out, group | 0x50, "SS", origin, 4);
    if (m->first)
        dicom_word(out, group | 0x51, "US", m->first);
    dicom_word(out, group | 0x100, "US", m->bit ? 16 : 1);
    dicom_word(out, group | 0x102, "US", m->bit);
    if (m->size)
        dicom_bytes(out, group | 0x3000, "OW", m->data, m->size);
    dicom_bytes(out, 0x7fe00010, "OW", pixels, m->frames ? 48 : 24);
}

/* The picture's frame as text, '#' where it is white. */
static int draw(char out[13], const struct made *m, int64_t frame)
{
    const struct medvl_window window = {.given = true, .a = 32768, .b = 1000};
    struct medvl_text file = {0};
    struct medvl_picture picture = {0};
    struct medvl_dicom dicom;
    int rc;

    make(&file, m);
    CHECK_OK(medvl_dicom_bytes(&dicom, decoder, medvl_text_span(&file), &err),
             &err);
    CHECK_OK(medvl_dicom_picture(&picture, &dicom, decoder, frame, &window, 0,
                                 NULL, &err),
             &err);
    rc = medvl_dicom_overlays(&picture, &dicom, decoder, frame, &err);
    for (int i = 0; i < 12; i++)
        out[i] = ((uint8_t *)picture.data)[i] == 255 ? '#' : '.';
    out[12] = 0;
    medvl_picture_release(&picture);
    medvl_dicom_release(&dicom);
    medvl_text_release(&file);
    return rc;
}

static void a_plane_lies_where_its_origin_says(void **state)
{
    static const struct {
        struct made made;
        const char *want;
    } CASES[] = {
        /* 2 x 2: 10 01 */
        {{NULL, 2, 2, 1, 1, NULL, 0, 0, "\x09\0", 2}, "#....#......"},
        {{NULL, 2, 2, 2, 3, NULL, 0, 0, "\x09\0", 2}, "......#....#"},
        {{NULL, 2, 2, 0, 0, NULL, 0, 0, "\x09\0", 2}, "#..........."},
        {{NULL, 2, 2, 3, 4, NULL, 0, 0, "\x09\0", 2}, "...........#"},
        {{NULL, 2, 2, -9, 1, NULL, 0, 0, "\x09\0", 2}, "............"},
        {{NULL, 2, 2, 32767, 32767, NULL, 0, 0, "\x09\0", 2}, "............"},
        /* larger than the picture: 4 x 5 bits, the diagonal */
        {{NULL, 4, 5, 1, 1, NULL, 0, 0, "\x41\x10\x04\0", 4}, "#....#....#."},
    };
    char got[13];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        CHECK_OK(draw(got, &CASES[i].made, 0), &err);
        assert_string_equal(got, CASES[i].want);
    }
}

static void planes_of_several_frames_lie_on_theirs(void **state)
{
    /* Frames of 1 x 4: the first pixel, the last. */
    static const struct made SECOND = {"2", 1, 4, 1, 1, "1",
                                       2, 0, "\x01\0", 2};
    static const struct made BOTH = {"2", 1, 4, 1, 1, "2",
                                     1, 0, "\x81\0", 2};
    static const struct made ALL = {"2", 1, 4, 1, 1, NULL,
                                    0, 0, "\x01\0", 2};
    char got[13];

    (void)state;
    CHECK_OK(draw(got, &SECOND, 0), &err);
    assert_string_equal(got, "............");
    CHECK_OK(draw(got, &SECOND, 1), &err);
    assert_string_equal(got, "#...........");
    CHECK_OK(draw(got, &BOTH, 0), &err);
    assert_string_equal(got, "#...........");
    CHECK_OK(draw(got, &BOTH, 1), &err);
    assert_string_equal(got, "...#........");
    CHECK_OK(draw(got, &ALL, 0), &err);
    assert_string_equal(got, "#...........");
    CHECK_OK(draw(got, &ALL, 1), &err);
    assert_string_equal(got, "#...........");
}

static void a_plane_may_be_a_bit_of_every_pixel(void **state)
{
    static const struct made BIT = {"2", 3, 4, 1, 1, NULL, 0, 12, "", 0};
    static const struct made INSIDE = {NULL, 3, 4, 1, 1, NULL, 0, 11, "", 0};
    static const struct made BEYOND = {NULL, 3, 4, 1, 1, NULL, 0, 16, "", 0};
    char got[13];

    (void)state;
    CHECK_OK(draw(got, &BIT, 0), &err);
    assert_string_equal(got, ".#.....#....");
    CHECK_OK(draw(got, &BIT, 1), &err);
    assert_string_equal(got, "#...........");
    CHECK_FAILS(draw(got, &INSIDE, 0), MEDVL_EFORMAT, &err, "6002");
    CHECK_FAILS(draw(got, &BEYOND, 0), MEDVL_EFORMAT, &err, "6002");
}

static void lies_about_planes_are_refused(void **state)
{
    static const struct made CASES[] = {
        {NULL, 2, 9, 1, 1, NULL, 0, 0, "\x09\0", 2},
        {NULL, 65535, 65535, 1, 1, NULL, 0, 0, "\x09\0", 2},
        {NULL, 65535, 65535, 1, 1, "999999999", 1, 0, "\x09\0", 2},
        {NULL, 2, 2, 1, 1, "5", 1, 0, "\x09\0", 2},
        {NULL, 2, 2, 1, 1, "-3", 1, 0, "\x09\0", 2},
        {NULL, 0, 2, 1, 1, NULL, 0, 0, "\x09\0", 2},
    };
    char got[13];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(draw(got, &CASES[i], 0), MEDVL_EFORMAT, &err,
                    "overlay 6002");
}

static void a_loader_burns_them_in_when_told(void **state)
{
    static const struct made ONE = {NULL, 2, 2, 1, 1, NULL,
                                    0, 0, "\x09\0", 2};
    struct medvl_load_options options = {
        .window = {.given = true, .a = 32768, .b = 1000}};
    struct medvl_text file = {0};

    (void)state;
    make(&file, &ONE);
    for (int burned = 0; burned < 2; burned++) {
        struct medvl_load *loader;
        struct medvl_loaded loaded = {0};

        options.overlays = burned;
        CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
        CHECK_OK(medvl_load_bytes(&loaded, loader, medvl_text_span(&file),
                                  NULL, &err),
                 &err);
        assert_int_equal(((uint8_t *)loaded.picture.data)[0],
                         burned ? 255 : 0);
        medvl_picture_release(&loaded.picture);
        medvl_load_free(loader);
    }
    medvl_text_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plane_lies_where_its_origin_says),
        cmocka_unit_test(planes_of_several_frames_lie_on_theirs),
        cmocka_unit_test(a_plane_may_be_a_bit_of_every_pixel),
        cmocka_unit_test(lies_about_planes_are_refused),
        cmocka_unit_test(a_loader_burns_them_in_when_told),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
