/*
 * A NIfTI file of strangers, plain or packed, in the reader that
 * medvl-decode has for it, which wants a path.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/fuzz/fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bool packed = size >= 2 && memcmp(data, "\x1f\x8b", 2) == 0;
    const char *folder = getenv("MEDVL_TEMP");
    struct medvl_text path = {0};
    FILE *file;

    must(medvl_text_printf(&path, NULL, "%s/fuzz-%ld.nii%s",
                           folder ? folder : "/tmp", (long)getpid(),
                           packed ? ".gz" : "") == MEDVL_OK);
    file = fopen(path.data, "wb");
    must(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    read_all(&decode_nifti, path.data, NULL, 0);
    must(unlink(path.data) == 0);
    medvl_text_release(&path);
    return 0;
}
