/*
 * Any picture file from its bytes: what each kind of TIFF, WebP and BMP
 * decodes to (tests/golden/formats.py), windows of values that no picture
 * holds, frames, limits, files cut short, and a helper that lies.
 */
#include "tests/unit/check.h"

#include "lib/base/rng.h"
#include "lib/image/load.h"

#define FOLDER "tests/golden/formats/"

static struct medvl_error err;
static struct medvl_decoder *decoder;

static int open_decoder(void **state)
{
    (void)state;
    return medvl_decoder_open(&decoder, NULL, 60, &err);
}

static int close_decoder(void **state)
{
    (void)state;
    medvl_decoder_free(decoder);
    return 0;
}

static void read_golden(struct medvl_text *out, const char *name)
{
    char path[100];

    medvl_text_clear(out);
    snprintf(path, sizeof(path), FOLDER "%s", name);
    CHECK_OK(medvl_file_read(out, path, (size_t)1 << 20, &err), &err);
}

static enum medvl_format format_of(const char *name)
{
    return strstr(name, ".tif")    ? MEDVL_FORMAT_TIFF
           : strstr(name, ".webp") ? MEDVL_FORMAT_WEBP
                                   : MEDVL_FORMAT_BMP;
}

/* One line of formats.txt. */
struct golden {
    char name[40], type[12];
    long frame, frames, width, height;
    int channels, inverse;
    unsigned long long hash;
};

static bool next_golden(struct golden *g, FILE *list)
{
    return fscanf(list, "%39s %ld %ld %ld %ld %d %11s %d %llx", g->name,
                  &g->frame, &g->frames, &g->width, &g->height,
                  &g->channels, g->type, &g->inverse, &g->hash) == 9;
}

static unsigned long long fnv(const uint8_t *data, size_t size)
{
    uint64_t value = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        value = (value ^ data[i]) * 0x100000001b3u;
    return value;
}

/* ---- what files hold ---------------------------------------------------- */

static void check_golden(const struct golden *want)
{
    static const char *const TYPES[] = {"uint8", "int8", "uint16", "int16",
                                        "uint32", "int32", "float32",
                                        "float64"};
    struct medvl_text bytes = {0};
    struct medvl_decoded file = {0};
    struct medvl_picture p = {0};
    unsigned long long hash;

    read_golden(&bytes, want->name);
    CHECK_OK(medvl_decoder_bytes(&file, decoder, format_of(want->name),
                                 medvl_text_span(&bytes), &err),
             &err);
    CHECK_OK(medvl_decoder_turn(&file, decoder, want->frame, &err), &err);
    p = (struct medvl_picture){file.size[1], file.size[2],
                               (int)file.size[0],
                               (int)medvl_voxel_bytes(file.type) * 8,
                               medvl_alloc(file.bytes, 1)};
    assert_non_null(p.data);
    CHECK_OK(medvl_decoder_frame(p.data, decoder, want->frame, &err), &err);
    CHECK_OK(medvl_picture_turn(&p, file.orientation, &err), &err);
    hash = fnv(p.data, file.bytes);
    if (file.frames != want->frames || p.width != want->width ||
        p.height != want->height || p.channels != want->channels ||
        strcmp(TYPES[file.type], want->type) != 0 ||
        file.inverse != want->inverse || hash != want->hash)
        fail_msg("%s: %lld frames, %lld x %lld, %d channels, %s, %d, %016llx",
                 want->name, (long long)file.frames, (long long)p.width,
                 (long long)p.height, p.channels, TYPES[file.type],
                 file.inverse, hash);
    medvl_picture_release(&p);
    medvl_text_release(&bytes);
}

static void every_kind_of_file_decodes_to_what_it_holds(void **state)
{
    FILE *list = fopen(FOLDER "formats.txt", "r");
    struct golden want;
    int count = 0;

    (void)state;
    assert_non_null(list);
    for (; next_golden(&want, list); count++)
        check_golden(&want);
    fclose(list);
    assert_true(count >= 89);
}

/* ---- windows ------------------------------------------------------------ */

/* What the decoder gives for frame 0, item by item. */
static double *read_values(const char *name, size_t *count)
{
    struct medvl_text bytes = {0};
    struct medvl_decoded file = {0};
    double *values;
    void *data;

    read_golden(&bytes, name);
    CHECK_OK(medvl_decoder_bytes(&file, decoder, format_of(name),
                                 medvl_text_span(&bytes), &err),
             &err);
    data = medvl_alloc(file.bytes, 1);
    *count = file.bytes / medvl_voxel_bytes(file.type);
    values = medvl_alloc(*count, sizeof(*values));
    assert_true(data && values);
    CHECK_OK(medvl_decoder_frame(data, decoder, 0, &err), &err);
    for (size_t i = 0; i < *count; i++)
        values[i] = medvl_voxel_value(data, file.type, i);
    medvl_free(data);
    medvl_text_release(&bytes);
    return values;
}

static int load(struct medvl_loaded *out, const char *name,
                const char *window, const struct medvl_load_what *what)
{
    struct medvl_load_options options = {0};
    struct medvl_load *loader;
    struct medvl_text bytes = {0};
    int rc;

    if (window)
        CHECK_OK(medvl_window_parse(&options.window, window, &err), &err);
    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    if (strchr(name, '/'))
        CHECK_OK(medvl_file_read(&bytes, name, (size_t)1 << 20, &err), &err);
    else
        read_golden(&bytes, name);
    rc = medvl_load_bytes(out, loader, medvl_text_span(&bytes), what, &err);
    assert_true(rc == MEDVL_OK || !out->picture.data);
    medvl_load_free(loader);
    medvl_text_release(&bytes);
    return rc;
}

/* 0..255 for low..high, in between to the nearest. */
static int grey_of(double value, double low, double high)
{
    const double share = (value - low) / (high - low);

    return (int)(fmin(fmax(share, 0), 1) * 255 + 0.5);
}

static void values_of_any_type_go_through_the_window(void **state)
{
    static const struct {
        const char *name, *window;
        double low, high;
        bool inverse;
    } CASES[] = {
        {"grey16.tif", "20000,10000", 15000, 25000, false},
        {"grey12.tif", "2000,1000", 1500, 2500, false},
        {"white16.tif", "20000,10000", 15000, 25000, true},
        {"float32.tif", "5,4", 3, 7, false},
        {"float64.tif", "5,4", 3, 7, false},
        {"float16.tif", "2,3", 0.5, 3.5, false},
        {"int8.tif", "-20,60", -50, 10, false},
        {"int16.tif", "-1000,20000", -11000, 9000, false},
        {"int32.tif", "0,200000", -100000, 100000, false},
        {"uint32.tif", "2e9,1e9", 1.5e9, 2.5e9, false},
        {"grey_raw.tif", "100,50", 75, 125, false},
        {"grey.bmp", "100,50", 75, 125, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        struct medvl_loaded got;
        size_t count;
        double *values = read_values(CASES[i].name, &count);

        CHECK_OK(load(&got, CASES[i].name, CASES[i].window, NULL), &err);
        assert_int_equal(got.picture.depth, 8);
        assert_int_equal(medvl_picture_bytes(&got.picture), count);
        CHECK_CLOSE(got.window[0], (CASES[i].low + CASES[i].high) / 2, 1e-9);
        CHECK_CLOSE(got.window[1], CASES[i].high - CASES[i].low, 1e-9);
        for (size_t k = 0; k < count; k++) {
            const int grey =
                grey_of(values[k], CASES[i].low, CASES[i].high);
            const int is = ((uint8_t *)got.picture.data)[k];

            if (is != (CASES[i].inverse ? 255 - grey : grey))
                fail_msg("%s: %d for %g", CASES[i].name, is, values[k]);
        }
        medvl_picture_release(&got.picture);
        medvl_free(values);
    }
}

static void percentiles_are_of_the_values(void **state)
{
    static const char *const NAMES[] = {"float32.tif", "int16.tif",
                                        "grey16.tif"};

    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        struct medvl_loaded got;
        size_t count;
        double *values = read_values(NAMES[i], &count);
        double low = INFINITY, high = -INFINITY;

        for (size_t k = 0; k < count; k++) {
            low = values[k] != 0 ? fmin(low, values[k]) : low;
            high = values[k] != 0 ? fmax(high, values[k]) : high;
        }
        CHECK_OK(load(&got, NAMES[i], "p0,p100", NULL), &err);
        CHECK_CLOSE(got.window[0], (low + high) / 2, 1e-9);
        CHECK_CLOSE(got.window[1], high - low, 1e-9);
        medvl_picture_release(&got.picture);
        medvl_free(values);
    }
}

/* Hounsfield units with 32768 on top, as DeepLesion has them. */
static void a_window_is_in_rescaled_units(void **state)
{
    static const char *const NAMES[] = {"grey16.tif", "big_endian.tif"};
    const struct medvl_load_what what = {.slope = 1, .intercept = -32768};
    const struct medvl_load_what twice = {.slope = 2, .intercept = 100};
    struct medvl_loaded got, png;

    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        size_t count;
        double *values = read_values(NAMES[i], &count);

        CHECK_OK(load(&got, NAMES[i], "lung", &what), &err);
        CHECK_CLOSE(got.window[0], -600, 1e-9);
        CHECK_CLOSE(got.window[1], 1500, 1e-9);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(((uint8_t *)got.picture.data)[k],
                             grey_of(values[k] - 32768, -1350, 150));
        medvl_picture_release(&got.picture);
        medvl_free(values);
    }
    CHECK_OK(load(&got, "int16.tif", "5000,20000", &twice), &err);
    CHECK_OK(load(&png, "int16.tif", "2450,10000", NULL), &err);
    assert_memory_equal(got.picture.data, png.picture.data,
                        medvl_picture_bytes(&png.picture));
    CHECK_CLOSE(got.window[0], 5000, 1e-9);
    medvl_picture_release(&got.picture);
    medvl_picture_release(&png.picture);
    CHECK_OK(load(&png, "tests/golden/pictures/grey16.png", "lung", &what),
             &err);
    CHECK_CLOSE(png.window[0], -600, 1e-9);
    medvl_picture_release(&png.picture);
}

static void what_is_wide_needs_a_window(void **state)
{
    static const struct {
        const char *name, *window, *text;
    } CASES[] = {
        {"grey16.tif", NULL, "grey of 16 bits needs a window: --window"},
        {"int8.tif", NULL, "grey of 8 bits (int) needs a window"},
        {"int16.tif", NULL, "grey of 16 bits (int) needs a window"},
        {"float32.tif", NULL, "grey of 32 bits (float) needs a window"},
        {"float32.tif", "file", "no window of its own"},
        {"grey16.tif", "file", "no window of its own"},
        {"rgb_raw.tif", "5,10", "a window applies to grey"},
    };
    struct medvl_loaded got;

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        CHECK_FAILS(load(&got, CASES[i].name, CASES[i].window, NULL),
                    MEDVL_EARG, &err, CASES[i].text);
}

/* ---- frames and shapes -------------------------------------------------- */

static void frames_differ_in_size_and_type(void **state)
{
    struct medvl_load_what what = {.frame = 1};
    struct medvl_loaded got, first;

    (void)state;
    CHECK_OK(load(&got, "pages.tif", NULL, NULL), &err);
    assert_true(got.picture.width == 11 && got.picture.height == 9);
    medvl_picture_release(&got.picture);
    CHECK_OK(load(&got, "pages.tif", NULL, &what), &err);
    assert_true(got.picture.width == 5 && got.picture.height == 7);
    assert_int_equal(got.picture.channels, 3);
    medvl_picture_release(&got.picture);
    what.frame = 2;
    CHECK_FAILS(load(&got, "pages.tif", NULL, &what), MEDVL_EARG, &err,
                "needs a window");
    CHECK_OK(load(&got, "pages.tif", "0,10", &what), &err);
    assert_true(got.picture.width == 6 && got.picture.height == 5);
    medvl_picture_release(&got.picture);
    what.frame = 3;
    CHECK_FAILS(load(&got, "pages.tif", NULL, &what), MEDVL_EARG, &err,
                "frame 4 of 3");
    CHECK_FAILS(load(&got, "moving.webp", NULL, &what), MEDVL_EARG, &err,
                "frame 4 of 3");
    CHECK_FAILS(load(&got, "grey.bmp", NULL, &what), MEDVL_EARG, &err,
                "frame 4 of 1");
    what.frame = 2;
    CHECK_OK(load(&got, "moving.webp", NULL, &what), &err);
    CHECK_OK(load(&first, "moving.webp", NULL, NULL), &err);
    assert_memory_not_equal(got.picture.data, first.picture.data,
                            medvl_picture_bytes(&first.picture));
    medvl_picture_release(&got.picture);
    medvl_picture_release(&first.picture);
}

static void a_file_is_measured_without_its_pixels(void **state)
{
    static const struct {
        const char *name;
        int64_t frame, width, height;
    } CASES[] = {
        {"rgb_jpeg.tif", 0, 23, 17},
        {"turned6.tif", 0, 17, 23},
        {"turned3.tif", 0, 23, 17},
        {"pages.tif", 2, 6, 5},
        {"turned6.webp", 0, 17, 23},
        {"moving.webp", 2, 11, 9},
        {"down.bmp", 0, 23, 17},
    };
    const struct medvl_load_options small = {.pixels = 390};
    const struct medvl_load_options options = {0};
    struct medvl_load *loader, *narrow;
    struct medvl_load_shape shape;
    struct medvl_text bytes = {0};

    (void)state;
    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    CHECK_OK(medvl_load_open(&narrow, &small, &err), &err);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        read_golden(&bytes, CASES[i].name);
        CHECK_OK(medvl_load_probe(&shape, loader, medvl_text_span(&bytes),
                                  &err),
                 &err);
        if (CASES[i].frame)
            CHECK_OK(medvl_load_probe_frame(&shape, loader, CASES[i].frame,
                                            &err),
                     &err);
        assert_true(shape.width == CASES[i].width &&
                    shape.height == CASES[i].height &&
                    shape.frames == (CASES[i].frame ? 3 : 1));
    }
    CHECK_FAILS(medvl_load_probe(&shape, narrow, medvl_text_span(&bytes),
                                 &err),
                MEDVL_EARG, &err, "over the limit of 390");
    CHECK_FAILS(medvl_load_check(&shape, narrow, medvl_text_span(&bytes),
                                 &err),
                MEDVL_EARG, &err, "over the limit of 390");
    read_golden(&bytes, "pages.tif");
    CHECK_OK(medvl_load_check(&shape, loader, medvl_text_span(&bytes), &err),
             &err);
    assert_true(shape.frames == 3 && shape.width == 11 &&
                shape.height == 9 && shape.channels == 1 &&
                shape.type == MEDVL_VOXEL_U8);
    CHECK_FAILS(medvl_load_probe_frame(&shape, loader, 3, &err), MEDVL_EARG,
                &err, "frame 4 of 3");
    medvl_load_free(loader);
    medvl_load_free(narrow);
    medvl_text_release(&bytes);
}

/* ---- damage ------------------------------------------------------------- */

/* Error of checking these bytes; the helper survives. */
static int check_bytes(struct medvl_load *loader, const char *data,
                       size_t size)
{
    const struct medvl_span bytes = {data, size};
    struct medvl_load_shape shape;
    const int rc = medvl_load_check(&shape, loader, bytes, &err);

    if (rc < 0 && (err.code == MEDVL_EIO || !err.text[0]))
        fail_msg("%d: %s", rc, err.text);
    return rc;
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
    /* How many bytes at the end say nothing of the pixels. */
    static const struct {
        const char *name;
        size_t spare;
    } CASES[] = {
        {"grey_tiff_lzw.tif", 0},
        {"tiled.tif", 0},
        {"bits_group4.tif", 0},
        {"rgb_jpeg.tif", 0},
        {"planes.tif", 0},
        {"pages.tif", 0},
        {"lossy.webp", 0},
        {"lossless_alpha.webp", 0},
        {"moving.webp", 0},
        {"turned6.webp", 0},
        {"palette8.bmp", 1},
        {"runs4.bmp", 2},
        {"fields32.bmp", 0},
    };
    const struct medvl_load_options options = {0};
    struct medvl_load *loader;
    struct medvl_text bytes = {0};

    (void)state;
    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        read_golden(&bytes, CASES[i].name);
        for (size_t size = 0; size < bytes.size; size++)
            if (check_bytes(loader, bytes.data, size) == MEDVL_OK &&
                size + CASES[i].spare < bytes.size)
                fail_msg("%s: whole with %zu of %zu bytes",
                         CASES[i].name, size, bytes.size);
    }
    medvl_load_free(loader);
    medvl_text_release(&bytes);
}

static void a_file_changed_anywhere_ends_well(void **state)
{
    const struct medvl_load_options options = {.pixels = 1 << 22};
    FILE *list = fopen(FOLDER "formats.txt", "r");
    struct medvl_load *loader;
    struct medvl_text bytes = {0};
    struct golden at;
    struct medvl_rng rng;
    int good = 0, bad = 0;

    (void)state;
    assert_non_null(list);
    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, 0);
    while (next_golden(&at, list))
        for (int i = 0; i < 15; i++) {
            read_golden(&bytes, at.name);
            for (int k = 0; k <= i / 5; k++)
                bytes.data[medvl_rng_below(&rng, bytes.size)] =
                    (char)medvl_rng_u32(&rng);
            if (check_bytes(loader, bytes.data, bytes.size) < 0)
                bad++;
            else
                good++;
        }
    assert_true(good > 100 && bad > 100);
    fclose(list);
    medvl_load_free(loader);
    medvl_text_release(&bytes);
}

/* ---- limits ------------------------------------------------------------- */

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value & 0xffff);
    put16(at + 2, value >> 16);
}

/* A directory of entries {tag, type, value}. */
static size_t make_tiff(uint8_t *out, const uint32_t (*entries)[3],
                        size_t count, uint32_t next)
{
    memcpy(out, "II*\0\10\0\0\0", 8);
    put16(out + 8, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        put16(out + 10 + 12 * i, entries[i][0]);
        put16(out + 12 + 12 * i, entries[i][1]);
        put32(out + 14 + 12 * i, 1);
        put32(out + 18 + 12 * i, entries[i][2]);
    }
    put32(out + 10 + 12 * count, next);
    return 14 + 12 * count;
}

static void check_refused(const uint8_t *data, size_t size, int code,
                          const char *text)
{
    const struct medvl_load_options options = {0};
    struct medvl_load *loader;

    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    CHECK_FAILS(check_bytes(loader, (const char *)data, size), code, &err,
                text);
    medvl_load_free(loader);
}

static void a_size_without_bytes_behind_it_is_refused(void **state)
{
    uint32_t entries[8][3] = {
        {256, 4, 60000},
        {257, 4, 60000},
        {258, 3, 8},
        {259, 3, 1},
        {262, 3, 1},
        {273, 4, 8},
        {278, 4, 60000},
        {279, 4, 50},
    };
    uint8_t bytes[300] = {0};
    uint8_t webp[] = "RIFF\x12\0\0\0WEBP"
                     "VP8L\5\0\0\0\x2f\xfe\xbf\xff\x0f";
    uint8_t bmp[60] = "BM";
    size_t size = make_tiff(bytes, (const uint32_t(*)[3])entries, 8, 0);

    (void)state;
    check_refused(bytes, size, MEDVL_EARG, "60000 x 60000 pixels are over");
    entries[0][2] = entries[1][2] = entries[6][2] = 8000;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 8, 0);
    check_refused(bytes, size, MEDVL_EFORMAT, "TIFF: ");
    entries[6][2] = 1;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 8, 0);
    check_refused(bytes, size, MEDVL_EFORMAT, "TIFF: ");
    entries[0][2] = 0;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 8, 0);
    check_refused(bytes, size, MEDVL_EFORMAT, "");
    check_refused(webp, sizeof(webp), MEDVL_EARG,
                  "16383 x 16383 pixels are over");
    put32(bmp + 10, 54);
    put32(bmp + 14, 40);
    put32(bmp + 18, 50000);
    put32(bmp + 22, 50000);
    put16(bmp + 28, 24);
    check_refused(bmp, sizeof(bmp), MEDVL_EARG,
                  "50000 x 50000 pixels are over");
    put32(bmp + 22, 0x80000000u);
    check_refused(bmp, sizeof(bmp), MEDVL_EARG, "2147483648");
    put32(bmp + 18, 8000);
    put32(bmp + 22, 8000);
    check_refused(bmp, sizeof(bmp), MEDVL_EFORMAT, "cut short");
}

/* The next directory is the first again: one page, found once. */
static void a_chain_of_pages_that_is_a_loop_ends(void **state)
{
    const uint32_t entries[8][3] = {
        {256, 4, 4},
        {257, 4, 4},
        {258, 3, 8},
        {259, 3, 1},
        {262, 3, 1},
        {273, 4, 8},
        {278, 4, 4},
        {279, 4, 16},
    };
    const struct medvl_load_options options = {0};
    struct medvl_load *loader;
    struct medvl_load_shape shape;
    uint8_t bytes[200];
    const size_t size = make_tiff(bytes, entries, 8, 8);

    (void)state;
    CHECK_OK(medvl_load_open(&loader, &options, &err), &err);
    CHECK_OK(medvl_load_check(
                 &shape, loader,
                 (struct medvl_span){(const char *)bytes, size}, &err),
             &err);
    assert_int_equal(shape.frames, 1);
    medvl_load_free(loader);
}

/* As many pixels as are taken, a thousand times: refused by the headers. */
static void frames_are_counted_before_they_are_decoded(void **state)
{
    const uint32_t entries[8][3] = {
        {256, 4, 8192},
        {257, 4, 8192},
        {258, 3, 8},
        {259, 3, 1},
        {262, 3, 1},
        {273, 4, 8},
        {278, 4, 8192},
        {279, 4, 50},
    };
    static uint8_t bytes[8 + 1000 * 102];
    uint8_t one[200];

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        const size_t at = 8 + 102 * i;

        (void)make_tiff(one, entries, 8, i < 999 ? (uint32_t)at + 102 : 0);
        memcpy(bytes + at, one + 8, 102);
    }
    memcpy(bytes, one, 8);
    check_refused(bytes, sizeof(bytes), MEDVL_EARG,
                  "more than 2^32 pixels in 1000 frames");
}

static void what_is_not_read_is_said(void **state)
{
    uint32_t entries[9][3] = {
        {256, 4, 4},
        {257, 4, 4},
        {258, 3, 8},
        {259, 3, 1},
        {262, 3, 8},
        {273, 4, 8},
        {277, 3, 1},
        {278, 4, 4},
        {279, 4, 16},
    };
    uint8_t bytes[300] = {0};
    uint8_t bmp[60] = "BM";
    size_t size;

    (void)state;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 9, 0);
    check_refused(bytes, size, MEDVL_EUNSUPPORTED,
                  "TIFF: colour space 8: not read");
    entries[4][2] = 1;
    entries[3][2] = 34712;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 9, 0);
    check_refused(bytes, size, MEDVL_EUNSUPPORTED,
                  "TIFF: compression 34712: not read");
    entries[3][2] = 1;
    entries[6][2] = 5;
    size = make_tiff(bytes, (const uint32_t(*)[3])entries, 9, 0);
    check_refused(bytes, size, MEDVL_EUNSUPPORTED,
                  "TIFF: grey with 5 samples a pixel");
    put32(bmp + 10, 54);
    put32(bmp + 14, 40);
    put32(bmp + 18, 4);
    put32(bmp + 22, 4);
    put16(bmp + 28, 24);
    put32(bmp + 30, 4);
    check_refused(bmp, sizeof(bmp), MEDVL_EUNSUPPORTED,
                  "24 bits a pixel with compression 4");
    check_refused((const uint8_t *)"no picture", 10, MEDVL_EFORMAT,
                  "neither PNG, JPEG, TIFF");
}

/* Readers of PNG and JPEG alone say where to go with the others. */
static void another_format_is_named(void **state)
{
    static const struct {
        const char *name, *text;
    } CASES[] = {
        {"grey16.tif", "a TIFF file"},
        {"bigtiff.tif", "a TIFF file"},
        {"lossy.webp", "a WebP file"},
        {"grey.bmp", "a BMP file"},
    };
    struct medvl_picture picture = {0};
    struct medvl_text bytes = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        read_golden(&bytes, CASES[i].name);
        CHECK_FAILS(medvl_picture_decode(&picture, bytes.data, bytes.size, 0,
                                         &err),
                    MEDVL_EUNSUPPORTED, &err, CASES[i].text);
        assert_non_null(strstr(err.text, "through medvl-image first"));
    }
    medvl_text_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_decodes_to_what_it_holds),
        cmocka_unit_test(values_of_any_type_go_through_the_window),
        cmocka_unit_test(percentiles_are_of_the_values),
        cmocka_unit_test(a_window_is_in_rescaled_units),
        cmocka_unit_test(what_is_wide_needs_a_window),
        cmocka_unit_test(frames_differ_in_size_and_type),
        cmocka_unit_test(a_file_is_measured_without_its_pixels),
        cmocka_unit_test(a_file_cut_anywhere_is_an_error),
        cmocka_unit_test(a_file_changed_anywhere_ends_well),
        cmocka_unit_test(a_size_without_bytes_behind_it_is_refused),
        cmocka_unit_test(a_chain_of_pages_that_is_a_loop_ends),
        cmocka_unit_test(frames_are_counted_before_they_are_decoded),
        cmocka_unit_test(what_is_not_read_is_said),
        cmocka_unit_test(another_format_is_named),
    };

    return cmocka_run_group_tests(tests, open_decoder, close_decoder);
}
