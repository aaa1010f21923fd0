/*
 * JPEG-LS frames through CharLS; planes to pixels.
 *
 * Read next: decode_dicom.cc.
 */
#include "cmd/decode_codec.h"

#include <charls/charls.h>
#include <string.h>

#include "lib/base/mem.h"

int decode_planes(void *frame, const struct decode_shape *shape,
                  struct medvl_error *err)
{
    const size_t bytes = medvl_voxel_bytes(shape->type);
    const size_t pixels = (size_t)(shape->rows * shape->columns);
    const size_t samples = (size_t)shape->samples;
    unsigned char *copy = medvl_alloc(shape->bytes, 1), *to = frame;

    if (!copy)
        return medvl_no_memory(err);
    memcpy(copy, frame, shape->bytes);
    for (size_t i = 0; i < pixels; i++)
        for (size_t s = 0; s < samples; s++)
            memcpy(to + (i * samples + s) * bytes,
                   copy + (s * pixels + i) * bytes, bytes);
    medvl_free(copy);
    return MEDVL_OK;
}

static int failed(charls_jpegls_errc code, struct medvl_error *err)
{
    return medvl_fail(err,
                      code == CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY
                          ? MEDVL_ENOMEM
                          : MEDVL_EFORMAT,
                      "JPEG-LS: %s", charls_get_error_message(code));
}

static int decode(void *out, charls_jpegls_decoder *decoder, const void *data,
                  size_t size, const struct decode_shape *shape,
                  struct medvl_error *err)
{
    charls_frame_info info = {0};
    charls_interleave_mode mode = CHARLS_INTERLEAVE_MODE_NONE;
    size_t needed = 0;
    charls_jpegls_errc code =
        charls_jpegls_decoder_set_source_buffer(decoder, data, size);

    if (!code)
        code = charls_jpegls_decoder_read_header(decoder);
    if (!code)
        code = charls_jpegls_decoder_get_frame_info(decoder, &info);
    if (!code)
        code = charls_jpegls_decoder_get_interleave_mode(decoder, &mode);
    if (!code)
        code = charls_jpegls_decoder_get_destination_size(decoder, 0,
                                                          &needed);
    if (code)
        return failed(code, err);
    if (info.width != (uint64_t)shape->columns ||
        info.height != (uint64_t)shape->rows ||
        info.component_count != shape->samples || needed != shape->bytes)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "JPEG-LS of %u x %u x %d in %zu bytes, the header "
                          "says %lld x %lld x %d in %zu",
                          info.width, info.height, info.component_count,
                          needed, (long long)shape->columns,
                          (long long)shape->rows, (int)shape->samples,
                          shape->bytes);
    code = charls_jpegls_decoder_decode_to_buffer(decoder, out, shape->bytes,
                                                  0);
    if (code)
        return failed(code, err);
    if (shape->samples > 1 && mode == CHARLS_INTERLEAVE_MODE_NONE)
        return decode_planes(out, shape, err);
    return MEDVL_OK;
}

int decode_jpegls(void *out, const void *data, size_t size,
                  const struct decode_shape *shape, struct medvl_error *err)
{
    charls_jpegls_decoder *decoder = charls_jpegls_decoder_create();
    int rc;

    if (!decoder)
        return medvl_no_memory(err);
    rc = decode(out, decoder, data, size, shape, err);
    charls_jpegls_decoder_destroy(decoder);
    return rc;
}
