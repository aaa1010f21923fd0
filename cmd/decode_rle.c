/*
 * RLE Lossless frames of DICOM (PS3.5 annex G): a segment for each byte of
 * each sample, the highest byte first, packed as PackBits is.
 *
 * DCMTK's own decoder steps outside its memory on files that lie.
 *
 * Read next: decode_j2k.c.
 */
#include "cmd/decode_codec.h"

#define HEADER 64 /* the number of segments, and where 15 of them begin */

static uint32_t number(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

/* `count` bytes, each `step` after the one before; false when cut short. */
static bool unpack(uint8_t *out, size_t step, size_t count,
                   const uint8_t *at, const uint8_t *end)
{
    while (count) {
        const int code = at < end ? (int8_t)*at++ : -128;
        size_t run = code >= 0 ? (size_t)code + 1 : (size_t)(1 - code);

        if (code == -128) { /* says nothing */
            if (at >= end)
                return false;
            continue;
        }
        if ((size_t)(end - at) < (code >= 0 ? run : 1))
            return false;
        for (size_t i = 0; i < run && count; i++, count--, out += step)
            *out = at[code >= 0 ? i : 0];
        at += code >= 0 ? run : 1;
    }
    return true;
}

int decode_rle(void *out, const void *data, size_t size,
               const struct decode_shape *shape, struct medvl_error *err)
{
    const size_t bytes = medvl_voxel_bytes(shape->type);
    const size_t samples = (size_t)shape->samples;
    const size_t pixels = (size_t)(shape->rows * shape->columns);
    const uint8_t *from = data;
    uint8_t *to = out;

    if (size < HEADER || number(from) != samples * bytes)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "RLE: not %zu segments, as the header says",
                          samples * bytes);
    for (size_t i = 0; i < samples * bytes; i++) {
        const size_t first = number(from + 4 + 4 * i);
        const size_t at = i / bytes * bytes + (bytes - 1 - i % bytes);

        if (first < HEADER || first > size ||
            !unpack(to + at, samples * bytes, pixels, from + first,
                    from + size))
            return medvl_fail(err, MEDVL_EFORMAT, "RLE: cut short");
    }
    return MEDVL_OK;
}
