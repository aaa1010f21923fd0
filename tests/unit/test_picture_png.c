/*
 * The two PNG readers: what the quick one takes, libpng takes too, with the
 * same samples.  Files are built here, of every kind and filter, and then
 * damaged in every way that a chunk can be.
 */
#include "tests/unit/check.h"

#include "lib/base/hash.h"
#include "lib/image/picture_part.h"

static struct medvl_error err;

/* What a file is built from; a zeroed member is the usual. */
struct recipe {
    int width, height, depth, color;
    int filter;     /* of all rows; -1: each row another */
    int pieces;     /* of the data; 0: one */
    int laced;      /* IHDR says so, the data do not */
    int palette;    /* entries */
    const char *at; /* name of a chunk with 4 bytes, put before... */
    const char *before;
    int extra;  /* bytes behind the compressed data */
    int excess; /* rows too many, or (negative) too few */
    int cinfo;  /* 0: 7 */
};

static uint32_t state_of_noise = 1;

static uint8_t noise(void)
{
    state_of_noise = state_of_noise * 1664525 + 1013904223;
    return (uint8_t)(state_of_noise >> 24);
}

static void put(struct medvl_text *out, const void *data, size_t size)
{
    CHECK_OK(medvl_text_append(out, data, size, &err), &err);
}

static void put_number(struct medvl_text *out, uint32_t value)
{
    for (int i = 3; i >= 0; i--)
        CHECK_OK(medvl_text_putc(out, (char)(value >> (8 * i)), &err), &err);
}

static void put_chunk(struct medvl_text *out, const struct recipe *r,
                      const char *name, const void *data, size_t size)
{
    size_t start;

    if (r->before && strcmp(r->before, name) == 0) {
        struct recipe none = *r;

        none.before = NULL;
        put_chunk(out, &none, r->at, "\1\2\3\4", 4);
    }
    put_number(out, (uint32_t)size);
    start = out->size;
    put(out, name, 4);
    put(out, data, size);
    put_number(out, medvl_crc32(0, out->data + start, size + 4));
}

/* zlib's form without compression: blocks of up to 65535 bytes. */
static void put_stored(struct medvl_text *out, const struct recipe *r,
                       const struct medvl_text *raw)
{
    const int cmf = (r->cinfo ? r->cinfo : 7) << 4 | 8;
    uint32_t a = 1, b = 0;
    size_t at = 0;

    put(out, (char[]){(char)cmf, (char)(31 - cmf * 256 % 31)}, 2);
    do {
        const size_t left = raw->size - at;
        const uint32_t n = left < 65535 ? (uint32_t)left : 65535;

        const char block[5] = {n == left, (char)n, (char)(n >> 8), (char)~n,
                               (char)(~n >> 8)};

        put(out, block, 5);
        put(out, raw->data + at, n);
        at += n;
    } while (at < raw->size);
    for (size_t i = 0; i < raw->size; i++) {
        a = (a + (unsigned char)raw->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_number(out, b << 16 | a);
    for (int i = 0; i < r->extra; i++)
        put(out, "x", 1);
}

static void build(struct medvl_text *out, const struct recipe *r)
{
    static const int CHANNELS[7] = {1, 0, 3, 1, 2, 0, 4};
    const size_t row =
        ((size_t)(r->width * r->depth * CHANNELS[r->color]) + 7) / 8;
    struct medvl_text raw = {0}, packed = {0}, header = {0};
    const size_t pieces = r->pieces ? (size_t)r->pieces : 1;
    uint8_t palette[768];

    medvl_text_clear(out);
    for (int y = 0; y < r->height + r->excess; y++) {
        const char filter = (char)(r->filter < 0 ? y % 5 : r->filter);

        put(&raw, &filter, 1);
        for (size_t i = 0; i < row; i++)
            put(&raw, (char[]){(char)noise()}, 1);
    }
    put_stored(&packed, r, &raw);
    put(out, "\x89PNG\r\n\x1a\n", 8);
    put_number(&header, (uint32_t)r->width);
    put_number(&header, (uint32_t)r->height);
    put(&header, (char[]){(char)r->depth, (char)r->color, 0, 0, (char)r->laced},
        5);
    put_chunk(out, r, "IHDR", header.data, header.size);
    for (size_t i = 0; i < sizeof(palette); i++)
        palette[i] = noise();
    if (r->palette)
        put_chunk(out, r, "PLTE", palette, (size_t)r->palette * 3);
    for (size_t i = 0; i < pieces; i++) {
        const size_t from = packed.size * i / pieces;

        put_chunk(out, r, "IDAT", packed.data + from,
                  packed.size * (i + 1) / pieces - from);
    }
    put_chunk(out, r, "IEND", "", 0);
    medvl_text_release(&raw);
    medvl_text_release(&packed);
    medvl_text_release(&header);
}

/*
 * Read by both, from memory that ends where the file does.  Returns what the
 * quick reader said.
 */
static int compare(const char *data, size_t size, int *libpng)
{
    struct medvl_picture a = {0}, b = {0};
    unsigned char *copy = malloc(size ? size : 1);
    int quick;

    assert_non_null(copy);
    memcpy(copy, data, size);
    quick = medvl_picture_decode_quick(&a, copy, size, 0, &err);
    *libpng = medvl_picture_decode_libpng(&b, copy, size, 0, &err);
    assert_true(quick == 0 || quick == 1);
    if (quick == 1) {
        CHECK_OK(*libpng, &err);
        assert_true(a.width == b.width && a.height == b.height);
        assert_true(a.channels == b.channels && a.depth == b.depth);
        assert_memory_equal(a.data, b.data, medvl_picture_bytes(&a));
    }
    medvl_picture_release(&a);
    medvl_picture_release(&b);
    free(copy);
    return quick;
}

static const struct {
    int color, depth;
} KINDS[] = {
    {0, 1},
    {0, 2},
    {0, 4},
    {0, 8},
    {0, 16},
    {2, 8},
    {2, 16},
    {3, 1},
    {3, 2},
    {3, 4},
    {3, 8},
    {4, 8},
    {4, 16},
    {6, 8},
    {6, 16},
};

#define KIND_COUNT (sizeof(KINDS) / sizeof(*KINDS))

static struct recipe usual(size_t kind)
{
    return (struct recipe){.width = 9,
                           .height = 6,
                           .depth = KINDS[kind].depth,
                           .color = KINDS[kind].color,
                           .palette = KINDS[kind].color == 3
                                          ? 1 << KINDS[kind].depth
                                          : 0,
                           .filter = -1};
}

static void both_readers_agree_on_every_kind_filter_and_width(void **state)
{
    struct medvl_text file = {0};
    int libpng;

    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++)
        for (int width = 1; width <= 70; width++)
            for (int filter = -1; filter < 5; filter++) {
                struct recipe r = usual(k);

                r.width = width;
                r.filter = filter;
                r.height = 1 + width % 6;
                r.pieces = 1 + width % 3;
                build(&file, &r);
                if (compare(file.data, file.size, &libpng) != 1)
                    fail_msg("colour %d, %d bits, width %d, filter %d",
                             r.color, r.depth, width, filter);
            }
    medvl_text_release(&file);
}

/* One thing odd at a time, for every kind; want: the quick reader's word. */
static void what_is_odd_is_left_to_libpng(void **state)
{
    static const struct {
        const char *what;
        struct recipe r;
        int quick;
        bool accepted;
    } CASES[] = {
        {"text", {.at = "tEXt", .before = "IDAT"}, 1, true},
        {"text at the end", {.at = "tEXt", .before = "IEND"}, 1, true},
        {"an unknown chunk", {.at = "abCd", .before = "IDAT"}, 0, true},
        {"a critical one", {.at = "ABCD", .before = "IDAT"}, 0, false},
        {"no name", {.at = "a1Cd", .before = "IDAT"}, 0, false},
        {"a second header", {.at = "IHDR", .before = "IDAT"}, 0, false},
        {"bytes behind the data", {.extra = 3}, 0, true},
        {"a row too many", {.excess = 1}, 0, true},
        {"a row too few", {.excess = -1}, 0, false},
        {"a filter that is none", {.filter = 5}, 0, false},
        {"a small window", {.cinfo = 1}, 0, true},
    };
    struct medvl_text file = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        for (size_t k = 0; k < KIND_COUNT; k++) {
            struct recipe r = CASES[i].r;
            const struct recipe u = usual(k);
            int libpng, quick;

            r.width = u.width * 64; /* above the small window */
            r.height = u.height * 6;
            r.depth = u.depth;
            r.color = u.color;
            r.palette = u.palette;
            build(&file, &r);
            quick = compare(file.data, file.size, &libpng);
            if (quick != CASES[i].quick ||
                (libpng == MEDVL_OK) != CASES[i].accepted)
                fail_msg("%s, colour %d, %d bits: %d, libpng %d %s",
                         CASES[i].what, r.color, r.depth, quick, libpng,
                         err.text);
        }
    medvl_text_release(&file);
}

static void palettes_and_lacing(void **state)
{
    struct recipe r = usual(10);
    struct medvl_text file = {0};
    int libpng;

    (void)state;
    r.palette = 3; /* most samples name no entry */
    build(&file, &r);
    assert_int_equal(compare(file.data, file.size, &libpng), 1);
    r.palette = 0;
    build(&file, &r);
    assert_int_equal(compare(file.data, file.size, &libpng), 0);
    assert_true(libpng < 0);
    r = usual(7);
    r.palette = 3; /* one bit names two */
    build(&file, &r);
    assert_int_equal(compare(file.data, file.size, &libpng), 0);
    r = usual(5);
    r.palette = 200; /* only a proposal */
    build(&file, &r);
    assert_int_equal(compare(file.data, file.size, &libpng), 1);
    r = usual(3);
    r.laced = 1;
    build(&file, &r);
    assert_int_equal(compare(file.data, file.size, &libpng), 0);
    medvl_text_release(&file);
}

/* Write all check sums anew, as far as chunks can be told apart. */
static void mend(struct medvl_text *file)
{
    size_t at = 8;

    while (at + 12 <= file->size) {
        char *d = file->data + at;
        const uint32_t length =
            medvl_picture_number((unsigned char *)d, 4, false);
        uint32_t crc;

        if (length > file->size - at - 12)
            return;
        crc = medvl_crc32(0, d + 4, 4 + (size_t)length);
        for (int i = 0; i < 4; i++)
            d[8 + length + (size_t)i] = (char)(crc >> (24 - 8 * i));
        at += 12 + (size_t)length;
    }
}

static void damage_is_judged_alike(void **state)
{
    struct medvl_text file = {0}, bad = {0};
    int libpng, taken = 0;

    (void)state;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        const struct recipe r = usual(k);

        build(&file, &r);
        for (size_t i = 0; i < file.size; i++)
            assert_int_equal(compare(file.data, i, &libpng), 0);
        put(&file, "behind the end", 14);
        assert_int_equal(compare(file.data, file.size, &libpng), 1);
        for (size_t i = 8; i < file.size; i++)
            for (int mended = 0; mended < 2; mended++) {
                medvl_text_clear(&bad);
                put(&bad, file.data, file.size);
                bad.data[i] ^= (char)(1 << i % 8);
                if (mended)
                    mend(&bad);
                taken += compare(bad.data, bad.size, &libpng);
            }
    }
    assert_true(taken > 100);
    medvl_text_release(&file);
    medvl_text_release(&bad);
}

static void both_readers_agree_on_the_real_pictures(void **state)
{
    static const char *const FOLDERS[] = {
        "images/cxr_ccby/images", "images/cxr_hannover/png",
        "images/histology"};
    const char *data = getenv("MEDVL_DATA");
    int libpng, quick = 0, all = 0;

    (void)state;
    if (!data)
        skip();
    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(*FOLDERS); i++) {
        struct medvl_names names = {0};
        char path[1024];

        snprintf(path, sizeof(path), "%s/%s", data, FOLDERS[i]);
        CHECK_OK(medvl_folder_list(&names, path, &err), &err);
        for (size_t k = 0; k < names.count; k++) {
            struct medvl_text file = {0};

            if (!strstr(names.items[k], ".png"))
                continue;
            snprintf(path, sizeof(path), "%s/%s/%s", data, FOLDERS[i],
                     names.items[k]);
            CHECK_OK(medvl_file_read(&file, path, (size_t)1 << 28, &err),
                     &err);
            quick += compare(file.data, file.size, &libpng);
            all++;
            medvl_text_release(&file);
        }
        medvl_names_release(&names);
    }
    print_message("%d of %d are ordinary\n", quick, all);
    assert_true(all > 20 && quick > all / 2);
}

static void unfiltering_is_the_same_with_avx2(void **state)
{
    enum { MOST = 72 };
    static const size_t PIXELS[] = {1, 2, 3, 4, 6, 8};
    uint8_t in[MEDVL_PNG_ROWS * (MOST + 1)], above[MOST];
    uint8_t a[sizeof(in)], b[sizeof(in)];

    (void)state;
    if (!__builtin_cpu_supports("avx2"))
        skip();
    for (size_t p = 0; p < 6; p++)
        for (size_t size = PIXELS[p]; size <= MOST; size += PIXELS[p])
            for (int64_t count = 1; count <= MEDVL_PNG_ROWS; count++) {
                const size_t row = size + 1;

                for (size_t i = 0; i < sizeof(in); i++) {
                    in[i] = i % row ? noise() : noise() % 5;
                    a[i] = b[i] = 77;
                }
                for (size_t i = 0; i < MOST; i++)
                    above[i] = noise();
                medvl_png_unfilter_ref(a, row, in, above, size, PIXELS[p],
                                       count);
                medvl_png_unfilter_avx2(b, row, in, above, size, PIXELS[p],
                                        count);
                assert_memory_equal(a, b, sizeof(a));
                medvl_png_unfilter_avx2(in + 1, row, in, above, size,
                                        PIXELS[p], count);
                for (size_t y = 0; y < (size_t)count; y++)
                    assert_memory_equal(a + y * row, in + y * row + 1, size);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_readers_agree_on_every_kind_filter_and_width),
        cmocka_unit_test(what_is_odd_is_left_to_libpng),
        cmocka_unit_test(palettes_and_lacing),
        cmocka_unit_test(damage_is_judged_alike),
        cmocka_unit_test(both_readers_agree_on_the_real_pictures),
        cmocka_unit_test(unfiltering_is_the_same_with_avx2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
