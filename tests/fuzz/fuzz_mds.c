/*
 * A folder of shards of strangers: up to a zero byte index.json, after it
 * the file "x".  If it opens, every sample is read as a record's.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/data/shard_mds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const char *folder, const char *name, const uint8_t *data,
                size_t size)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void use(struct medvl_mds *mds, const struct medvl_span *values)
{
    struct medvl_error err = {0};
    uint8_t *mask = NULL;
    int32_t *tokens = NULL;
    size_t token_room = 0, mask_room = 0, count = 0;
    struct medvl_span picture;
    int64_t pictures;
    unsigned sum = 0;

    if (medvl_mds_column_count(mds) != MEDVL_MDS_FIELDS)
        return;
    if (medvl_mds_tokens(&tokens, &token_room, &mask, &mask_room, &count,
                         values, &err) < 0 &&
        !err.text[0])
        abort();
    if (medvl_mds_picture_count(&pictures, values[MEDVL_MDS_IMAGES], &err) ==
        MEDVL_OK)
        for (int64_t i = 0; i < pictures && i < 100; i++) {
            if (medvl_mds_picture(&picture, values[MEDVL_MDS_IMAGES], i,
                                  &err) < 0)
                abort();
            for (size_t k = 0; k < picture.size; k++)
                sum += (unsigned char)picture.data[k];
        }
    if (sum == 0xFFFFFFFF)
        abort(); /* so that the bytes are read */
    medvl_free(tokens);
    medvl_free(mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct medvl_span values[MEDVL_MDS_COLUMNS_MAX];
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t index = zero ? (size_t)(zero - data) : size;
    const char *temp = getenv("MEDVL_TEMP");
    struct medvl_error err = {0};
    struct medvl_mds *mds;
    char folder[200];

    snprintf(folder, sizeof(folder), "%s/fuzz-mds-%ld", temp ? temp : "/tmp",
             (long)getpid());
    mkdir(folder, 0700);
    put(folder, "index.json", data, index);
    put(folder, "x", data + index + !!zero, size - index - !!zero);
    if (medvl_mds_open(&mds, folder, 0, &err) < 0) {
        if (mds || !err.text[0])
            abort();
    } else {
        for (int64_t i = 0; i < medvl_mds_count(mds) && i < 100; i++)
            if (medvl_mds_read(values, mds, i, &err) == MEDVL_OK)
                use(mds, values);
        medvl_mds_free(mds);
    }
    if (medvl_path_remove(folder, &err) < 0)
        abort();
    return 0;
}
