/*
 * A picture file of strangers: decoding it ends well or in an error, whole
 * or shrunk, and the header alone says the same size.  What the quick PNG
 * reader takes, libpng takes with the same samples; as no fuzzer guesses
 * check sums, that is asked again with those put right.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/image/picture_part.h"

#define PIXELS ((int64_t)1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_decode(const uint8_t *data, size_t size, int64_t cover)
{
    const struct medvl_picture_options options = {.pixels = PIXELS,
                                                  .cover = {cover, cover}};
    struct medvl_picture picture = {0};
    struct medvl_picture_file file;
    struct medvl_error err = {0};
    int64_t width = 0, height = 0;
    const int probed =
        medvl_picture_probe(&width, &height, data, size, PIXELS, NULL);
    const int rc = medvl_picture_decode_with(&picture, &file, data, size,
                                             &options, &err);
    const int s = file.shrink;

    if (rc < 0) {
        must(err.code == rc && err.text[0] && !picture.data);
        return;
    }
    must(probed == MEDVL_OK);
    must(file.width == width && file.height == height);
    must(s == 1 || (cover && (s == 2 || s == 4 || s == 8)));
    must(picture.width == (width + s - 1) / s);
    must(picture.height == (height + s - 1) / s);
    must(s == 1 || (picture.width >= cover && picture.height >= cover));
    must(picture.channels == 1 || picture.channels == 3);
    must(picture.depth == 8 || picture.channels == 1);
    medvl_picture_release(&picture);
}

static void check_png(const uint8_t *data, size_t size)
{
    struct medvl_picture a = {0}, b = {0};
    const int quick =
        medvl_picture_decode_quick(&a, data, size, PIXELS, NULL);

    must(quick == 0 || quick == 1);
    if (quick) {
        must(medvl_picture_decode_libpng(&b, data, size, PIXELS, NULL) ==
             MEDVL_OK);
        must(a.width == b.width && a.height == b.height);
        must(a.channels == b.channels && a.depth == b.depth);
        must(memcmp(a.data, b.data, medvl_picture_bytes(&a)) == 0);
    }
    medvl_picture_release(&a);
    medvl_picture_release(&b);
}

/* All check sums of chunks, as far as these can be told apart. */
static void mend(uint8_t *data, size_t size)
{
    size_t at = 8;

    while (at + 12 <= size) {
        uint8_t *d = data + at;
        const uint32_t length = medvl_picture_number(d, 4, false);
        uint32_t crc;

        if (length > size - at - 12)
            return;
        crc = medvl_crc32(0, d + 4, 4 + (size_t)length);
        for (int i = 0; i < 4; i++)
            d[8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + (size_t)length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended = malloc(size ? size : 1);

    must(mended);
    if (size)
        memcpy(mended, data, size);
    check_decode(data, size, 0);
    check_decode(data, size, 3);
    check_png(data, size);
    mend(mended, size);
    check_decode(mended, size, 0);
    check_png(mended, size);
    free(mended);
    return 0;
}
