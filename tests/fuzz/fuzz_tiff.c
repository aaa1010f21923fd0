/*
 * A TIFF file of strangers, in the reader that medvl-decode has for it.
 *
 * Read next: driver.c.
 */
#include "tests/fuzz/fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(&decode_tiff, NULL, data, size);
    return 0;
}
