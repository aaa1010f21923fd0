/*
 * A preprocessor_config.json of strangers, for a model of each family that
 * reads pictures: when it is taken, pictures of odd sizes are cut into
 * exactly as many patch rows as were promised.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/model/frontend.h"

#define PIXELS ((int64_t)1 << 18) /* more take too long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE = 20,
       PATCH = 4 };

static const struct medvl_config CONFIGS[] = {
    {.family = MEDVL_FAMILY_LLAVA,
     .vision = {.image_size = SIDE, .patch_size = PATCH, .merge = 1}},
    {.family = MEDVL_FAMILY_LLAVA,
     .vision = {.tower = MEDVL_TOWER_DINOV2,
                .image_size = SIDE,
                .patch_size = PATCH,
                .merge = 1,
                .interpolate = true}},
    {.family = MEDVL_FAMILY_LLAVA_NEXT,
     .vision = {.image_size = SIDE, .patch_size = PATCH, .merge = 1},
     .merge = MEDVL_MERGE_SPATIAL_UNPAD,
     .pinpoints = {{20, 40}, {40, 20}, {40, 40}, {60, 20}, {20, 60}},
     .pinpoint_count = 5},
    {.family = MEDVL_FAMILY_QWEN2_VL,
     .naming = MEDVL_NAMING_QWEN_VL,
     .vision = {.patch_size = PATCH, .merge = 2, .temporal = 2}},
};

static const int64_t SIZES[][2] = {{1, 1}, {37, 61}, {640, 3}};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Rows and centres of a picture, when they are few. */
static void look(const struct medvl_frontend *f, int64_t width,
                 int64_t height)
{
    struct medvl_picture picture = {0};
    struct medvl_frontend_size size;
    struct medvl_error err = {0};
    float *rows, *centres;

    if (medvl_frontend_size(&size, f, width, height, &err) < 0) {
        must(err.code < 0 && err.text[0]);
        return;
    }
    must(size.tokens > 0 && size.patches > 0 && size.row > 0);
    if (size.patches * size.row > 3 * PIXELS)
        return;
    must(medvl_picture_make(&picture, width, height, 1, 8, NULL) ==
         MEDVL_OK);
    rows = medvl_alloc((size_t)(size.patches * size.row), sizeof(*rows));
    centres = medvl_alloc((size_t)size.patches, 2 * sizeof(*centres));
    must(rows && centres);
    if (medvl_frontend_rows(rows, f, &picture, &err) < 0 ||
        medvl_frontend_centres(centres, f, width, height, &err) < 0)
        must(err.code < 0 && err.text[0]);
    medvl_free(centres);
    medvl_free(rows);
    medvl_picture_release(&picture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/medvl-fuzz-XXXXXX";
    struct medvl_frontend *f;
    struct medvl_error err = {0};
    char path[sizeof(folder) + 32];
    FILE *file;

    must(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/preprocessor_config.json", folder);
    file = fopen(path, "wb"); /* medvl_file_write would wait for the disk */
    must(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    for (size_t i = 0; i < sizeof(CONFIGS) / sizeof(CONFIGS[0]); i++) {
        if (medvl_frontend_open(&f, folder, &CONFIGS[i], &err) < 0) {
            must(err.code < 0 && err.text[0]);
            continue;
        }
        for (size_t k = 0; k < sizeof(SIZES) / sizeof(SIZES[0]); k++)
            look(f, SIZES[k][0], SIZES[k][1]);
        medvl_frontend_free(f);
    }
    must(unlink(path) == 0 && rmdir(folder) == 0);
    return 0;
}
