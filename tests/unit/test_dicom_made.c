/*
 * DICOM files that are made here: what few files have, as PS3.3 says it.
 * Expected values are those of pydicom 3.0.1, where it reads such files.
 */
#include "lib/image/dicom.h"
#include "lib/image/load.h"
#include "tests/unit/check.h"
#include "tests/unit/dicom_file.h"

static struct medvl_error err;
static struct medvl_load *loader;
static const char *syntax = SYNTAX_EXPLICIT; /* of files that are made */

static int start(void **state)
{
    const struct medvl_load_options options = {
        .window = {.given = true, .file = true}};

    (void)state;
    return medvl_load_open(&loader, &options, &err);
}

static int stop(void **state)
{
    (void)state;
    medvl_load_free(loader);
    return 0;
}

/* What a file says of its pixels. */
struct says {
    int samples;
    const char *space, *frames;
    int rows, columns, allocated, stored;
};

static void begin(struct medvl_text *out, const struct says *s)
{
    medvl_text_clear(out);
    dicom_begin(out, "", syntax, NULL);
    dicom_text(out, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
    dicom_word(out, 0x00280002, "US", s->samples);
    dicom_text(out, 0x00280004, "CS", s->space);
    if (s->samples > 1)
        dicom_word(out, 0x00280006, "US", 0);
    if (s->frames)
        dicom_text(out, 0x00280008, "IS", s->frames);
    dicom_word(out, 0x00280010, "US", s->rows);
    dicom_word(out, 0x00280011, "US", s->columns);
    dicom_word(out, 0x00280100, "US", s->allocated);
    dicom_word(out, 0x00280101, "US", s->stored);
    dicom_word(out, 0x00280102, "US", s->stored - 1);
    dicom_word(out, 0x00280103, "US", 0);
}

static int load(struct medvl_loaded *out, const struct medvl_text *file,
                int64_t frame, const char *hash)
{
    const struct medvl_load_what what = {.frame = frame, .hash = hash};

    return medvl_load_bytes(out, loader, medvl_text_span(file), &what, &err);
}

/* The frame is these bytes. */
static void check_frame(const struct medvl_text *file, int64_t frame,
                        const uint8_t *want, size_t size)
{
    struct medvl_loaded got;

    CHECK_OK(load(&got, file, frame, NULL), &err);
    assert_int_equal(medvl_picture_bytes(&got.picture), size);
    assert_memory_equal(got.picture.data, want, size);
    medvl_picture_release(&got.picture);
}

static void a_window_of_width_1_is_a_step(void **state)
{
    static const struct says SAYS = {1, "MONOCHROME2", NULL, 1, 6, 16, 12};
    static const uint16_t PIXELS[6] = {0, 30, 31, 32, 33, 4095};
    static const char *const WIDTHS[] = {"1", "0.5"};
    struct medvl_text file = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(&file, &SAYS);
        dicom_text(&file, 0x00281050, "DS", "32");
        dicom_text(&file, 0x00281051, "DS", WIDTHS[i]);
        dicom_bytes(&file, 0x7fe00010, "OW", PIXELS, sizeof(PIXELS));
        check_frame(&file, 0, (const uint8_t *)"\0\0\0\377\377\377", 6);
    }
    medvl_text_release(&file);
}

static void colours_of_few_bits_are_scaled(void **state)
{
    static const struct says SAYS = {3, "RGB", NULL, 1, 2, 8, 5};
    static const uint8_t WANT[6] = {0, 8, 82, 132, 247, 255};
    struct medvl_text file = {0};

    (void)state;
    begin(&file, &SAYS);
    dicom_bytes(&file, 0x7fe00010, "OB", "\0\1\12\20\36\37", 6);
    check_frame(&file, 0, WANT, 6);
    medvl_text_release(&file);
}

/* Two pixels share their colours: Y Y Cb Cr. */
static void colours_of_half_the_width_are_doubled(void **state)
{
    static const struct says SAYS = {3, "YBR_FULL_422", "2", 1, 4, 8, 8};
    static const uint8_t PIXELS[16] = {
        10, 200, 128, 128, 0, 255, 128, 128, /* greys */
        100, 120, 128, 178, 76, 76, 85, 255, /* reds */
    };
    static const uint8_t GREYS[12] = {10, 10, 10, 200, 200, 200,
                                      0, 0, 0, 255, 255, 255};
    static const uint8_t REDS[12] = {170, 64, 100, 190, 84, 120,
                                     254, 0, 0, 254, 0, 0};
    struct says odd = SAYS;
    struct medvl_text file = {0};
    struct medvl_loaded got;

    (void)state;
    begin(&file, &SAYS);
    dicom_bytes(&file, 0x7fe00010, "OB", PIXELS, sizeof(PIXELS));
    check_frame(&file, 0, GREYS, 12);
    check_frame(&file, 1, REDS, 12);
    begin(&file, &SAYS);
    dicom_bytes(&file, 0x7fe00010, "OB", PIXELS, 14);
    check_frame(&file, 0, GREYS, 12);
    CHECK_FAILS(load(&got, &file, 1, NULL), MEDVL_EFORMAT, &err, "cut short");
    odd.columns = 3;
    begin(&file, &odd);
    dicom_bytes(&file, 0x7fe00010, "OB", PIXELS, 12);
    CHECK_FAILS(load(&got, &file, 0, NULL), MEDVL_EFORMAT, &err, "not even");
    medvl_text_release(&file);
}

/* ---- palettes ----------------------------------------------------------- */

static void make_palette(struct medvl_text *out, int count, int bits,
                         const void *segments, size_t size)
{
    static const struct says SAYS = {1, "PALETTE COLOR", NULL, 4, 4, 8, 8};
    const uint16_t descriptor[3] = {(uint16_t)count, 0, (uint16_t)bits};

    begin(out, &SAYS);
    for (uint32_t c = 1; c <= 3; c++)
        dicom_bytes(out, 0x00281100 | c, "US", descriptor, 6);
    for (uint32_t c = 1; c <= 3; c++)
        dicom_bytes(out, 0x00281220 | c, "OW", segments, size);
    dicom_bytes(out, 0x7fe00010, "OB",
                "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16);
}

/* As they are, a line, the first again, a line. */
static void palettes_of_segments_are_expanded(void **state)
{
    static const uint16_t WIDE[] = {0, 3, 0, 2560, 5120, 1, 5, 51200,
                                    2, 1, 0, 0, 1, 5, 1792};
    static const uint8_t WANT_WIDE[16] = {0, 10, 20, 56, 92, 128, 164, 200,
                                          0, 10, 20, 17, 14, 12, 9, 7};
    static const uint8_t NARROW[] = {0, 2, 7, 9, 1, 6, 100, 2, 2,
                                     0, 0, 0, 0};
    static const uint8_t WANT_NARROW[16] = {7, 9, 24, 39, 54, 70, 85, 100,
                                            7, 9, 24, 39, 54, 70, 85, 100};
    struct medvl_text file = {0};
    uint8_t want[48];

    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        for (int i = 0; i < 48; i++)
            want[i] = (wide ? WANT_WIDE : WANT_NARROW)[i / 3];
        make_palette(&file, 16, wide ? 16 : 8, wide ? WIDE : (void *)NARROW,
                     wide ? sizeof(WIDE) : sizeof(NARROW));
        check_frame(&file, 0, want, 48);
    }
    medvl_text_release(&file);
}

static void segments_that_lie_are_damage(void **state)
{
    static const uint16_t LIES[][6] = {
        {1, 16, 5},             /* a line from nowhere */
        {2, 1, 0, 0},           /* a copy of nothing */
        {0, 1, 5, 2, 1, 65535}, /* a copy of what is not there */
        {0, 1, 5, 2, 9, 6},     /* a copy of itself */
        {0, 17, 5, 6},          /* longer than it is */
        {0, 0, 0, 0},           /* for ever nothing */
        {0, 1, 5, 1, 16, 9},    /* more than the table */
        {3, 1, 5, 1, 14, 9},    /* of no kind */
        {0, 1, 5, 1, 14, 9},    /* too few */
    };
    struct medvl_text file = {0};
    struct medvl_loaded got;

    (void)state;
    for (size_t i = 0; i < sizeof(LIES) / sizeof(*LIES); i++) {
        make_palette(&file, 16, 16, LIES[i], sizeof(LIES[i]));
        CHECK_FAILS(load(&got, &file, 0, NULL), MEDVL_EFORMAT, &err,
                    "segments");
    }
    medvl_text_release(&file);
}

/* ---- frames ------------------------------------------------------------- */

static void bits_of_a_frame_begin_in_the_middle_of_a_byte(void **state)
{
    static const struct says SAYS = {1, "MONOCHROME2", "6", 1, 5, 1, 1};
    /* 10001 01010 11111 00000 11011 00100, the lowest bit first */
    static const uint8_t BITS[4] = {0x51, 0x7d, 0xb0, 0x09};
    static const char *const WANT[6] = {"10001", "01010", "11111",
                                        "00000", "11011", "00100"};
    struct medvl_text file = {0};
    uint8_t want[5];

    (void)state;
    begin(&file, &SAYS);
    dicom_text(&file, 0x00281050, "DS", "0.5");
    dicom_text(&file, 0x00281051, "DS", "1");
    dicom_bytes(&file, 0x7fe00010, "OB", BITS, 4);
    for (int64_t f = 5; f >= 0; f--) {
        for (int i = 0; i < 5; i++)
            want[i] = WANT[f][i] == '1' ? 255 : 0;
        check_frame(&file, f, want, 5);
    }
    medvl_text_release(&file);
}

static void fractions_are_read_frame_by_frame(void **state)
{
    static const struct says SAYS = {1, "MONOCHROME2", "3", 1, 2, 32, 32};
    static const float PIXELS[6] = {0, 0.5f, 1, -1, 0.25f, 2};
    static const uint8_t WANT[3][2] = {{128, 191}, {255, 0}, {159, 255}};
    struct medvl_text file = {0};

    (void)state;
    begin(&file, &SAYS);
    dicom_text(&file, 0x00281050, "DS", "0");
    dicom_text(&file, 0x00281051, "DS", "2");
    dicom_text(&file, 0x00281056, "CS", "LINEAR_EXACT");
    dicom_bytes(&file, 0x7fe00008, "OF", PIXELS, sizeof(PIXELS));
    for (int64_t f = 2; f >= 0; f--)
        check_frame(&file, f, WANT[f], 2);
    medvl_text_release(&file);
}

/* Bytes that are no file at all are never looked at again. */
static void frames_of_one_file_cost_one_opening(void **state)
{
    static const struct says SAYS = {1, "MONOCHROME2", "2", 1, 4, 8, 8};
    static const char *const HASH = "00112233445566778899aabbccddeeff";
    struct medvl_text file = {0};
    struct medvl_loaded got;

    (void)state;
    begin(&file, &SAYS);
    dicom_text(&file, 0x00281050, "DS", "128");
    dicom_text(&file, 0x00281051, "DS", "256");
    dicom_bytes(&file, 0x7fe00010, "OB", "abcdABCD", 8);
    CHECK_OK(load(&got, &file, 0, HASH), &err);
    assert_memory_equal(got.picture.data, "abcd", 4);
    medvl_picture_release(&got.picture);
    memset(file.data + 140, 0xff, file.size - 140);
    CHECK_OK(load(&got, &file, 1, HASH), &err);
    assert_memory_equal(got.picture.data, "ABCD", 4);
    medvl_picture_release(&got.picture);
    assert_true(load(&got, &file, 1, NULL) < 0);
    assert_true(load(&got, &file, 1, HASH) < 0);
    medvl_text_release(&file);
}

/* Of JPEG 2000 with 16 bits: 48 and 60 million samples. */
static void a_frame_of_much_work_is_over_the_limit(void **state)
{
    static const uint8_t FRAME[] = {
        0xe0, 0x7f, 0x10, 0, 'O', 'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
        /* no offsets */
        0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0,
        0xfe, 0xff, 0, 0xe0, 4, 0, 0, 0,
        0xff, 0x4f, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0};
    static const char *const WHY[] = {"damaged header", "limit"};
    struct says says = {1, "MONOCHROME2", NULL, 6000, 8000, 16, 16};
    struct medvl_text file = {0};
    struct medvl_loaded got;

    (void)state;
    syntax = "1.2.840.10008.1.2.4.90";
    for (size_t i = 0; i < 2; i++) {
        begin(&file, &says);
        CHECK_OK(medvl_text_append(&file, FRAME, sizeof(FRAME), &err), &err);
        CHECK_FAILS(load(&got, &file, 0, NULL),
                    i ? MEDVL_EARG : MEDVL_EFORMAT, &err, WHY[i]);
        says.columns = 10000;
    }
    syntax = SYNTAX_EXPLICIT;
    medvl_text_release(&file);
}

static void ages_above_89_are_not_told(void **state)
{
    static const struct {
        const char *age;
        bool told;
    } CASES[] = {
        {"089Y", true},
        {"090Y", false},
        {"102Y", false},
        {"999M", true},
        {"090Y\\001Y", false},
    };
    struct medvl_decoder *decoder = NULL;

    (void)state;
    CHECK_OK(medvl_decoder_open(&decoder, NULL, 0, &err), &err);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_text file = {0}, text = {0};
        struct medvl_json_writer w = {.out = &text};
        struct medvl_dicom dicom;

        dicom_begin(&file, "", SYNTAX_EXPLICIT, NULL);
        dicom_text(&file, 0x00080060, "CS", "CT");
        dicom_text(&file, 0x00101010, "AS", CASES[i].age);
        CHECK_OK(medvl_dicom_bytes(&dicom, decoder, medvl_text_span(&file),
                                   &err),
                 &err);
        medvl_json_begin(&w, NULL, '{');
        medvl_dicom_put_tags(&w, &dicom);
        medvl_json_end(&w);
        CHECK_OK(medvl_json_write_end(&w, &err), &err);
        assert_int_equal(strstr(text.data, "PatientAge") != NULL,
                         CASES[i].told);
        medvl_dicom_release(&dicom);
        medvl_text_release(&file);
        medvl_text_release(&text);
    }
    medvl_decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_of_width_1_is_a_step),
        cmocka_unit_test(colours_of_few_bits_are_scaled),
        cmocka_unit_test(colours_of_half_the_width_are_doubled),
        cmocka_unit_test(palettes_of_segments_are_expanded),
        cmocka_unit_test(segments_that_lie_are_damage),
        cmocka_unit_test(bits_of_a_frame_begin_in_the_middle_of_a_byte),
        cmocka_unit_test(fractions_are_read_frame_by_frame),
        cmocka_unit_test(frames_of_one_file_cost_one_opening),
        cmocka_unit_test(a_frame_of_much_work_is_over_the_limit),
        cmocka_unit_test(ages_above_89_are_not_told),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
