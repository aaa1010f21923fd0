/*
 * What the targets of medvl-decode's readers share: a file is opened, and
 * its first frames are read into exactly as many bytes as were promised.
 *
 * Read next: fuzz_tiff.c.
 */
#ifndef MEDVL_TESTS_FUZZ_READER_H
#define MEDVL_TESTS_FUZZ_READER_H

#include <stdlib.h>

#include "cmd/decode.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"

#define FRAMES      4
#define FRAME_BYTES ((int64_t)1 << 20) /* a larger one takes too long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* Bytes of a frame, after what the library asks of an answer. */
static inline int64_t frame_bytes(const struct medvl_decode_answer *a)
{
    int64_t bytes;

    must(a->type >= MEDVL_VOXEL_U8 && a->type <= MEDVL_VOXEL_F64);
    bytes = (int64_t)medvl_voxel_bytes((enum medvl_voxel)a->type);
    for (int i = 0; i < 3; i++) {
        must(a->size[i] >= 1 && a->size[i] <= MEDVL_PICTURE_SIDE);
        bytes *= a->size[i];
    }
    must(bytes <= MEDVL_DECODE_BYTES);
    return bytes;
}

static inline void read_frame(const struct decode_reader *reader, void *file,
                              const struct medvl_decode_answer *a,
                              int64_t index)
{
    const int64_t bytes = frame_bytes(a);
    struct medvl_error err = {0};
    void *out;

    if (bytes > FRAME_BYTES)
        return;
    out = medvl_alloc((size_t)bytes, 1);
    must(out);
    if (reader->frame(file, out, (size_t)bytes, index, &err) < 0)
        must(err.code < 0 && err.text[0]);
    medvl_free(out);
}

static inline void read_all(const struct decode_reader *reader,
                            const char *path, const uint8_t *data,
                            size_t size)
{
    struct medvl_decode_answer a = {0};
    struct medvl_error err = {0};
    struct medvl_text tags = {0};
    void *file = NULL;

    if (reader->open(&file, &a, &tags, path, path ? NULL : data, size, &err) <
        0) {
        must(err.code < 0 && err.text[0]);
        medvl_text_release(&tags);
        return;
    }
    for (int64_t i = 0; i < a.frames && i < FRAMES; i++) {
        if (i && reader->turn && reader->turn(file, &a, i, &err) < 0)
            break;
        read_frame(reader, file, &a, i);
    }
    reader->close(file);
    medvl_text_release(&tags);
}

#endif
