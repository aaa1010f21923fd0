/*
 * zstd frames of strangers, unpacked into at most a megabyte.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/base/stream.h"

#define MOST ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    const int rc = medvl_zstd_decompress(&text, data, size, MOST, &err);

    if (rc == MEDVL_OK ? text.size > MOST : text.size || !err.text[0])
        abort();
    medvl_text_release(&text);
    return 0;
}
