/*
 * Any picture file from its bytes: what each kind of TIFF, WebP and BMP
 * decodes to (tests/golden/formats.py), windows of values that no picture
 * holds, frames, limits, files cut short, and a helper that lies.
 */
#include "tests/unit/check.h"

#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_decodes_to_what_it_holds),
    };

    return cmocka_run_group_tests(tests, open_decoder, close_decoder);
}
