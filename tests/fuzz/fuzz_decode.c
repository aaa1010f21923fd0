/*
 * A helper that answers whatever it likes: the library believes none of it.
 * The first byte of the input chooses what is asked for; the rest is all
 * that the helper ever says.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/image/dicom.h"
#include "lib/image/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void write_file(const char *path, const void *data, size_t size,
                       mode_t mode)
{
    FILE *file = fopen(path, "wb");

    must(file && fwrite(data, 1, size, file) == size && fclose(file) == 0 &&
         chmod(path, mode) == 0);
}

/* A program that says the bytes and waits for no question. */
static void make_helper(char program[200], char answer[200],
                        const uint8_t *data, size_t size)
{
    const char *folder = getenv("MEDVL_TEMP");
    char script[500];
    int length;

    folder = folder ? folder : "/tmp";
    snprintf(answer, 200, "%s/answer-%ld", folder, (long)getpid());
    snprintf(program, 200, "%s/helper-%ld", folder, (long)getpid());
    length = snprintf(script, sizeof(script), "#!/bin/sh\nexec cat '%s'\n",
                      answer);
    write_file(answer, data, size, 0600);
    if (!medvl_file_exists(program))
        write_file(program, script, (size_t)length, 0700);
}

static void check_picture(const struct medvl_picture *p)
{
    must(p->width >= 1 && p->height >= 1 && p->depth == 8 &&
         (p->channels == 1 || p->channels == 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct medvl_span TIFF = {"II*\0", 4};
    struct medvl_load_options options = {.pixels = 1 << 16};
    const struct medvl_load_what what = {.frame = size > 1 && data[0] & 4};
    struct medvl_load *load = NULL;
    struct medvl_load_shape shape;
    struct medvl_loaded out = {0};
    struct medvl_error err = {0};
    char program[200], answer[200];
    char dicom[132] = {[128] = 'D', 'I', 'C', 'M'};
    int rc;

    if (!size)
        return 0;
    make_helper(program, answer, data + 1, size - 1);
    options.helper = program;
    options.window = (struct medvl_window){true, data[0] & 8, false, 1, 99};
    must(medvl_load_open(&load, &options, &err) == MEDVL_OK);
    switch (data[0] & 3) {
    case 0: rc = medvl_load_check(&shape, load, TIFF, &err); break;
    case 1:
        rc = medvl_load_bytes(&out, load,
                              (struct medvl_span){dicom, sizeof(dicom)},
                              &what, &err);
        break;
    default: rc = medvl_load_bytes(&out, load, TIFF, &what, &err);
    }
    must(rc == MEDVL_OK || (err.code < 0 && err.text[0]));
    if (out.picture.data)
        check_picture(&out.picture);
    must(rc == MEDVL_OK || !out.picture.data);
    medvl_picture_release(&out.picture);
    medvl_load_free(load);
    must(unlink(answer) == 0);
    return 0;
}
