/*
 * A DICOM file of strangers, in the reader that medvl-decode has for it.
 *
 * Read next: driver.c.
 */
#include "tests/fuzz/fuzz_reader.h"

/* DCMTK asks for as much memory as a length says, and lives without. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=64";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(&decode_dicom, NULL, data, size);
    return 0;
}
