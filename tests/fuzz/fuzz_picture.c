/*
 * A picture file of strangers: decoding it ends well or in an error, and
 * the header alone says the same size.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/image/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct medvl_picture picture = {0};
    struct medvl_error err = {0};
    int64_t width = 0, height = 0;
    const int probed =
        medvl_picture_probe(&width, &height, data, size, 1 << 22, NULL);

    if (medvl_picture_decode(&picture, data, size, 1 << 22, &err) ==
        MEDVL_OK) {
        must(probed == MEDVL_OK);
        must(picture.width == width && picture.height == height);
        must(picture.channels == 1 || picture.channels == 3);
        must(picture.depth == 8 || picture.channels == 1);
    } else {
        must(err.code < 0 && err.text[0] && !picture.data);
    }
    medvl_picture_release(&picture);
    return 0;
}
