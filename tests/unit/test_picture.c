/*
 * Pictures: what each kind of file decodes to (tests/golden/pictures.py),
 * damaged and hostile files, PNG out, and the real inputs.
 */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/image/resize.h"

#define FOLDER "tests/golden/pictures/"

static struct medvl_error err;

static void load(struct medvl_text *out, const char *path)
{
    medvl_text_clear(out);
    CHECK_OK(medvl_file_read(out, path, (size_t)1 << 28, &err), &err);
}

static uint64_t fnv(const struct medvl_picture *picture)
{
    const uint8_t *data = picture->data;
    uint64_t value = 0xcbf29ce484222325u;

    for (size_t i = 0; i < medvl_picture_bytes(picture); i++)
        value = (value ^ data[i]) * 0x100000001b3u;
    return value;
}

/* One line of pictures.txt. */
struct golden {
    char path[64];
    long width, height;
    int channels, depth;
    unsigned long long hash;
};

static bool next_golden(struct golden *out, FILE *list)
{
    char name[32];
    const int n =
        fscanf(list, "%31s %ld %ld %d %d %llx", name, &out->width,
               &out->height, &out->channels, &out->depth, &out->hash);

    snprintf(out->path, sizeof(out->path), FOLDER "%s", name);
    return n == 6;
}

static void every_kind_of_file_decodes_to_what_it_holds(void **state)
{
    FILE *list = fopen(FOLDER "pictures.txt", "r");
    struct golden want;
    int count = 0;

    (void)state;
    assert_non_null(list);
    while (next_golden(&want, list)) {
        struct medvl_picture got = {0};
        struct medvl_text bytes = {0};
        int64_t w, h;

        CHECK_OK(medvl_picture_read(&got, want.path, 0, &err), &err);
        if (got.width != want.width || got.height != want.height ||
            got.channels != want.channels || got.depth != want.depth ||
            fnv(&got) != want.hash)
            fail_msg("%s: %lld x %lld, %d channels, %d bits, %016llx",
                     want.path, (long long)got.width, (long long)got.height,
                     got.channels, got.depth, (unsigned long long)fnv(&got));
        load(&bytes, want.path);
        CHECK_OK(medvl_picture_probe(&w, &h, bytes.data, bytes.size, 0, &err),
                 &err);
        assert_true(w == want.width && h == want.height);
        medvl_text_release(&bytes);
        medvl_picture_release(&got);
        count++;
    }
    fclose(list);
    assert_true(count >= 32);
}

/* The bytes are copied so that reading past them is seen. */
static int decode_copy(const char *data, size_t size)
{
    struct medvl_picture got = {0};
    char *copy = malloc(size ? size : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, data, size);
    rc = medvl_picture_decode(&got, copy, size, 0, &err);
    assert_true(rc == MEDVL_OK || !got.data);
    medvl_picture_release(&got);
    free(copy);
    return rc;
}

static void a_file_cut_anywhere_is_an_error(void **state)
{
    FILE *list = fopen(FOLDER "pictures.txt", "r");
    struct medvl_text bytes = {0};
    struct golden want;

    (void)state;
    assert_non_null(list);
    while (next_golden(&want, list)) {
        load(&bytes, want.path);
        for (size_t size = 0; size < bytes.size; size++)
            if (decode_copy(bytes.data, size) != MEDVL_EFORMAT)
                fail_msg("%s cut to %zu of %zu bytes is read", want.path,
                         size, bytes.size);
    }
    fclose(list);
    medvl_text_release(&bytes);
}

static void a_changed_byte_never_crashes(void **state)
{
    FILE *list = fopen(FOLDER "pictures.txt", "r");
    struct medvl_text bytes = {0};
    struct golden want;
    int refused = 0;

    (void)state;
    assert_non_null(list);
    while (next_golden(&want, list)) {
        load(&bytes, want.path);
        for (size_t i = 0; i < bytes.size; i += 3) {
            bytes.data[i] ^= (char)(1 << i % 8);
            refused += decode_copy(bytes.data, bytes.size) < 0;
            bytes.data[i] ^= (char)(1 << i % 8);
        }
    }
    fclose(list);
    medvl_text_release(&bytes);
    assert_true(refused > 100);
}

static void set_png_size(struct medvl_text *bytes, uint32_t w, uint32_t h)
{
    for (int i = 0; i < 4; i++) {
        bytes->data[16 + i] = (char)(w >> (24 - 8 * i));
        bytes->data[20 + i] = (char)(h >> (24 - 8 * i));
    }
    const uint32_t crc = medvl_crc32(0, bytes->data + 12, 17);

    for (int i = 0; i < 4; i++)
        bytes->data[29 + i] = (char)(crc >> (24 - 8 * i));
}

static void headers_that_lie_are_refused_before_memory_is_taken(void **state)
{
    struct medvl_text bytes = {0};
    struct medvl_picture got = {0};
    int64_t w, h;

    (void)state;
    load(&bytes, FOLDER "grey8.png");
    set_png_size(&bytes, 65535, 32768);
    CHECK_FAILS(medvl_picture_decode(&got, bytes.data, bytes.size, 0, &err),
                MEDVL_EARG, &err, "over the limit");
    CHECK_FAILS(medvl_picture_probe(&w, &h, bytes.data, bytes.size, 0, &err),
                MEDVL_EARG, &err, "over the limit");
    set_png_size(&bytes, 0x7fffffff, 1);
    assert_true(decode_copy(bytes.data, bytes.size) < 0);
    set_png_size(&bytes, 8193, 8192);
    CHECK_FAILS(medvl_picture_decode(&got, bytes.data, bytes.size, 0, &err),
                MEDVL_EARG, &err, "over the limit");
    set_png_size(&bytes, 8192, 8192);
    CHECK_FAILS(medvl_picture_decode(&got, bytes.data, bytes.size, 0, &err),
                MEDVL_EFORMAT, &err, "cannot hold");
    assert_null(got.data);
    medvl_text_release(&bytes);
}

static void the_limit_on_pixels_is_the_callers(void **state)
{
    struct medvl_text bytes = {0};
    struct medvl_picture got = {0};

    (void)state;
    load(&bytes, FOLDER "rgb444.jpg");
    CHECK_FAILS(medvl_picture_decode(&got, bytes.data, bytes.size,
                                     40 * 29 - 1, &err),
                MEDVL_EARG, &err, "over the limit");
    CHECK_OK(medvl_picture_decode(&got, bytes.data, bytes.size, 40 * 29, &err),
             &err);
    medvl_picture_release(&got);
    medvl_text_release(&bytes);
}

/* The mean of what a pixel of the shrunk picture covers. */
static double covered(const struct medvl_picture *whole, int64_t x, int64_t y,
                      int c, int shrink)
{
    double sum = 0, count = 0;

    for (int64_t v = y * shrink; v < (y + 1) * shrink && v < whole->height;
         v++)
        for (int64_t u = x * shrink; u < (x + 1) * shrink && u < whole->width;
             u++, count++)
            sum += ((uint8_t *)whole->data)[(v * whole->width + u) *
                                                whole->channels +
                                            c];
    return sum / count;
}

static const struct {
    const char *path;
    int64_t cover[2];
    int shrink;
} SHRINKS[] = {
    {"rgb444.jpg", {21, 1}, 1},
    {"rgb444.jpg", {20, 14}, 2},
    {"rgb444.jpg", {20, 15}, 1},
    {"rgb420.jpg", {10, 7}, 4},
    {"rgb420.jpg", {0, 3}, 8},
    {"rgb420.jpg", {0, 0}, 1},
    {"progressive.jpg", {1, 1}, 8},
    {"cmyk.jpg", {5, 5}, 4},
    {"exif1.jpg", {10, 7}, 4},
    {"exif6.jpg", {2, 2}, 1}, /* 29 is odd */
    {"exif6_even.jpg", {3, 4}, 8},
    {"exif6_even.jpg", {4, 3}, 4},
    {"grey.jpg", {2, 2}, 8},
    {"grey8.png", {2, 2}, 1},
};

static void a_jpeg_shrinks_as_far_as_it_still_covers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(SHRINKS) / sizeof(*SHRINKS); i++) {
        const struct medvl_picture_options options = {
            .cover = {SHRINKS[i].cover[0], SHRINKS[i].cover[1]}};
        struct medvl_picture whole = {0}, got = {0};
        struct medvl_picture_file file;
        struct medvl_text bytes = {0};
        char path[64];
        double off = 0;

        snprintf(path, sizeof(path), FOLDER "%s", SHRINKS[i].path);
        load(&bytes, path);
        CHECK_OK(medvl_picture_decode(&whole, bytes.data, bytes.size, 0,
                                      &err),
                 &err);
        CHECK_OK(medvl_picture_decode_with(&got, &file, bytes.data,
                                           bytes.size, &options, &err),
                 &err);
        assert_int_equal(file.shrink, SHRINKS[i].shrink);
        assert_true(file.width == whole.width);
        assert_true(file.height == whole.height);
        assert_int_equal(got.width,
                         (whole.width + file.shrink - 1) / file.shrink);
        assert_int_equal(got.height,
                         (whole.height + file.shrink - 1) / file.shrink);
        assert_int_equal(got.channels, whole.channels);
        for (int64_t y = 0; y < whole.height / file.shrink; y++)
            for (int64_t x = 0; x < whole.width / file.shrink; x++)
                for (int c = 0; c < got.channels; c++)
                    off += fabs(covered(&whole, x, y, c, file.shrink) -
                                ((uint8_t *)got.data)[(y * got.width + x) *
                                                          got.channels +
                                                      c]);
        off /= (double)medvl_picture_bytes(&got);
        if (off > 4)
            fail_msg("%s: %g off", path, off);
        medvl_picture_release(&whole);
        medvl_picture_release(&got);
        medvl_text_release(&bytes);
    }
}

static void what_is_no_picture_is_named(void **state)
{
    struct medvl_picture got = {0};

    (void)state;
    CHECK_FAILS(medvl_picture_read(&got, FOLDER "pictures.txt", 0, &err),
                MEDVL_EFORMAT, &err, "neither PNG nor JPEG");
}

static void a_picture_written_reads_back_the_same(void **state)
{
    const struct {
        const char *from;
        int channels;
    } cases[] = {{FOLDER "grey8.png", 1}, {FOLDER "rgb.png", 3}};
    char folder[] = "/tmp/medvl-picture-XXXXXX", path[64], hash[33], want[33];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/a.png", folder);
    for (size_t i = 0; i < 2; i++) {
        struct medvl_picture a = {0}, b = {0};
        struct medvl_names names = {0};
        struct medvl_text bytes = {0};

        CHECK_OK(medvl_picture_read(&a, cases[i].from, 0, &err), &err);
        CHECK_OK(medvl_picture_write(&a, path, hash, &err), &err);
        CHECK_OK(medvl_picture_read(&b, path, 0, &err), &err);
        assert_int_equal(b.channels, cases[i].channels);
        assert_memory_equal(a.data, b.data, medvl_picture_bytes(&a));
        load(&bytes, path);
        medvl_hash128_hex(want, bytes.data, bytes.size);
        assert_string_equal(hash, want);
        CHECK_OK(medvl_folder_list(&names, folder, &err), &err);
        assert_int_equal(names.count, 1);
        medvl_names_release(&names);
        medvl_text_release(&bytes);
        medvl_picture_release(&a);
        medvl_picture_release(&b);
    }
    CHECK_OK(medvl_path_remove(folder, &err), &err);
}

static void a_picture_that_cannot_be_written_leaves_nothing(void **state)
{
    struct medvl_picture a = {0};

    (void)state;
    CHECK_OK(medvl_picture_make(&a, 2, 2, 1, 8, &err), &err);
    CHECK_FAILS(medvl_picture_write(&a, "/nowhere/a.png", NULL, &err),
                MEDVL_EOUTPUT, &err, "/nowhere/a.png");
    medvl_picture_release(&a);
    CHECK_OK(medvl_picture_make(&a, 2, 2, 1, 16, &err), &err);
    CHECK_FAILS(medvl_picture_write(&a, "a.png", NULL, &err), MEDVL_EARG,
                &err, "16 bits");
    assert_int_equal(access("a.png", F_OK), -1);
    medvl_picture_release(&a);
}

static void sixteen_bits_without_a_window_are_an_error(void **state)
{
    struct medvl_window window = {0};
    struct medvl_picture a = {0};

    (void)state;
    CHECK_OK(medvl_picture_read(&a, FOLDER "grey16.png", 0, &err), &err);
    CHECK_FAILS(medvl_picture_window(&a, &window, NULL, &err), MEDVL_EARG,
                &err, "--window");
    CHECK_FAILS(medvl_picture_to_rgb(&a, &err), MEDVL_EARG, &err,
                "--window");
    medvl_picture_release(&a);
}

static double value_of(const void *from, size_t index)
{
    return ((const uint16_t *)from)[index];
}

static void a_windowed_picture_is_its_values_windowed(void **state)
{
    static const char *const WINDOWS[] = {
        "40,400", "1000.5,0.25", "32768,65536", "-600,1500", "70000,3",
        "-9,3", "p1,p99", "p0,p100", "p33.3,p66.7"};

    (void)state;
    for (size_t i = 0; i < sizeof(WINDOWS) / sizeof(*WINDOWS); i++) {
        struct medvl_picture wide = {0}, got = {0};
        struct medvl_window window;
        double low, high, used[2];
        uint16_t *values;

        CHECK_OK(medvl_picture_make(&wide, 256, 300, 1, 16, &err), &err);
        values = wide.data;
        for (uint32_t k = 0; k < 256 * 300; k++)
            values[k] = (uint16_t)(k < 65536 ? k : k * k >> 9);
        CHECK_OK(medvl_picture_crop(&got, &wide, 0, 0, 256, 300, &err), &err);
        CHECK_OK(medvl_window_parse(&window, WINDOWS[i], &err), &err);
        CHECK_OK(medvl_picture_window(&got, &window, used, &err), &err);
        CHECK_OK(medvl_window_range(&low, &high, &window, value_of, values,
                                    256 * 300, &err),
                 &err);
        assert_true(used[0] == (low + high) / 2 && used[1] == high - low);
        assert_int_equal(got.depth, 8);
        for (size_t k = 0; k < 256 * 300; k++)
            if (((uint8_t *)got.data)[k] !=
                medvl_window_apply(values[k], low, high))
                fail_msg("%s: value %u became %u", WINDOWS[i], values[k],
                         ((uint8_t *)got.data)[k]);
        /* 8 bits, and no value but zero */
        memset(got.data, 0, medvl_picture_bytes(&got));
        CHECK_OK(medvl_picture_window(&got, &window, used, &err), &err);
        if (window.percentile)
            assert_true(used[0] == 0.5 && used[1] == 1);
        medvl_picture_release(&wide);
        medvl_picture_release(&got);
    }
}

/* Decode, window, resize and write; the n-th allocation fails. */
static int whole_way(const struct medvl_text *bytes, const char *window)
{
    const uint8_t mean[3] = {122, 116, 104};
    struct medvl_picture a = {0}, b = {0};
    struct medvl_window w = {0};
    struct medvl_text file = {0};
    int rc = medvl_window_parse(&w, window, &err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_decode(&a, bytes->data, bytes->size, 0, &err);
    if (rc == MEDVL_OK && a.depth == 16)
        rc = medvl_picture_window(&a, &w, NULL, &err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_fit(&b, &a, 20, 18, MEDVL_FIT_PAD,
                               MEDVL_FILTER_BICUBIC, mean, 0, NULL, &err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_to_rgb(&b, &err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_encode(&file, &b, &err);
    medvl_picture_release(&a);
    medvl_picture_release(&b);
    medvl_text_release(&file);
    return rc;
}

static void memory_may_end_anywhere(void **state)
{
    static const char *const FILES[] = {
        "grey8.png", "grey16.png", "palette4.png", "rgb_laced.png",
        "grey_exif6.png", "rgb420.jpg", "cmyk.jpg", "exif6.jpg"};

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES); i++) {
        struct medvl_text bytes = {0};
        char path[64];
        long n = 0;

        snprintf(path, sizeof(path), FOLDER "%s", FILES[i]);
        load(&bytes, path);
        for (;; n++) {
            int rc;

            medvl_mem_fail_after(n);
            rc = whole_way(&bytes, "p1,p99");
            if (!medvl_mem_failed()) {
                assert_int_equal(rc, MEDVL_OK);
                break;
            }
            if (rc != MEDVL_ENOMEM)
                fail_msg("%s, allocation %ld: %d", path, n, rc);
        }
        medvl_mem_fail_after(-1);
        assert_true(n > 5);
        medvl_text_release(&bytes);
    }
}

/* ---- the real inputs --------------------------------------------------- */

/* The picture as `kind` of index.json asks. */
static void prepare(struct medvl_picture *out, const struct medvl_picture *in,
                    const char *kind)
{
    const uint8_t mean[3] = {122, 116, 104};
    const int64_t side = strcmp(kind, "clip224") == 0        ? 224
                         : strcmp(kind, "llava_pad336") == 0 ? 336
                                                             : 384;
    const enum medvl_fit fit = side == 224   ? MEDVL_FIT_CROP
                               : side == 336 ? MEDVL_FIT_PAD
                                             : MEDVL_FIT_STRETCH;

    CHECK_OK(medvl_picture_fit(out, in, side, side, fit, MEDVL_FILTER_BICUBIC,
                               mean, 0, NULL, &err),
             &err);
}

static void real_pictures_come_out_as_from_pillow(void **state)
{
    const char *data = getenv("MEDVL_DATA");
    struct medvl_json *index = NULL;
    char path[4200];
    size_t samples = 0, equal = 0;

    (void)state;
    snprintf(path, sizeof(path), "%s/images/preprocess_reference/index.json",
             data ? data : "");
    if (!data || !medvl_file_exists(path)) {
        print_message("skipped: no preprocess_reference below MEDVL_DATA\n");
        skip();
    }
    CHECK_OK(medvl_json_read(&index, path, &err), &err);
    for (const struct medvl_json *image =
             medvl_json_first(medvl_json_get(index, "images"));
         image; image = medvl_json_next(image)) {
        struct medvl_picture in = {0};

        snprintf(path, sizeof(path), "%s/images/%s", data,
                 medvl_json_string(medvl_json_get(image, "image")));
        CHECK_OK(medvl_picture_read(&in, path, 0, &err), &err);
        CHECK_OK(medvl_picture_to_rgb(&in, &err), &err);
        snprintf(path, sizeof(path), "%08x",
                 medvl_crc32(0, in.data, medvl_picture_bytes(&in)));
        assert_string_equal(
            path, medvl_json_string(medvl_json_get(image, "rgb_crc32")));
        for (const struct medvl_json *o =
                 medvl_json_first(medvl_json_get(image, "outputs"));
             o; o = medvl_json_next(o)) {
            struct medvl_picture got = {0}, want = {0};

            prepare(&got, &in, medvl_json_string(medvl_json_get(o, "kind")));
            snprintf(path, sizeof(path), "%s/images/preprocess_reference/%s",
                     data, medvl_json_string(medvl_json_get(o, "file")));
            CHECK_OK(medvl_picture_read(&want, path, 0, &err), &err);
            CHECK_OK(medvl_picture_to_rgb(&want, &err), &err);
            assert_int_equal(medvl_picture_bytes(&got),
                             medvl_picture_bytes(&want));
            for (size_t i = 0; i < medvl_picture_bytes(&got); i++) {
                const int d =
                    ((uint8_t *)got.data)[i] - ((uint8_t *)want.data)[i];

                assert_true(d >= -1 && d <= 1);
                equal += d == 0;
                samples++;
            }
            medvl_picture_release(&got);
            medvl_picture_release(&want);
        }
        medvl_picture_release(&in);
    }
    medvl_json_free(index);
    print_message("%zu of %zu samples equal\n", equal, samples);
    assert_true(samples > 0 && (double)equal >= 0.999 * (double)samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_decodes_to_what_it_holds),
        cmocka_unit_test(a_file_cut_anywhere_is_an_error),
        cmocka_unit_test(a_changed_byte_never_crashes),
        cmocka_unit_test(headers_that_lie_are_refused_before_memory_is_taken),
        cmocka_unit_test(the_limit_on_pixels_is_the_callers),
        cmocka_unit_test(a_jpeg_shrinks_as_far_as_it_still_covers),
        cmocka_unit_test(what_is_no_picture_is_named),
        cmocka_unit_test(a_picture_written_reads_back_the_same),
        cmocka_unit_test(a_picture_that_cannot_be_written_leaves_nothing),
        cmocka_unit_test(sixteen_bits_without_a_window_are_an_error),
        cmocka_unit_test(a_windowed_picture_is_its_values_windowed),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(real_pictures_come_out_as_from_pillow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
