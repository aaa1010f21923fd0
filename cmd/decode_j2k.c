/*
 * JPEG 2000 frames through OpenJPEG, which reads from memory here and says
 * nothing.
 *
 * Read next: decode_jpegls.c.
 */
#include "cmd/decode_codec.h"

#include <openjpeg.h>
#include <string.h>

struct memory {
    const unsigned char *data;
    size_t size, at;
};

static OPJ_SIZE_T memory_read(void *out, OPJ_SIZE_T size, void *arg)
{
    struct memory *m = arg;
    const size_t left = m->size - m->at;

    if (left == 0)
        return (OPJ_SIZE_T)-1;
    if (size > left)
        size = left;
    memcpy(out, m->data + m->at, size);
    m->at += size;
    return size;
}

static OPJ_OFF_T memory_skip(OPJ_OFF_T size, void *arg)
{
    struct memory *m = arg;
    const OPJ_OFF_T left = (OPJ_OFF_T)(m->size - m->at);

    if (size < 0)
        return -1;
    if (size > left)
        size = left;
    m->at += (size_t)size;
    return size;
}

static OPJ_BOOL memory_seek(OPJ_OFF_T at, void *arg)
{
    struct memory *m = arg;

    if (at < 0 || (size_t)at > m->size)
        return OPJ_FALSE;
    m->at = (size_t)at;
    return OPJ_TRUE;
}

static void quiet(const char *message, void *arg)
{
    (void)message;
    (void)arg;
}

static int check(const opj_image_t *image, const struct decode_shape *shape,
                 struct medvl_error *err)
{
    if ((int64_t)image->numcomps != shape->samples)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "JPEG 2000 of %u components, the header says %d",
                          image->numcomps, (int)shape->samples);
    for (OPJ_UINT32 c = 0; c < image->numcomps; c++)
        if ((int64_t)image->comps[c].w != shape->columns ||
            (int64_t)image->comps[c].h != shape->rows)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "JPEG 2000 of %u x %u, the header says "
                              "%lld x %lld",
                              image->comps[c].w, image->comps[c].h,
                              (long long)shape->columns,
                              (long long)shape->rows);
    return MEDVL_OK;
}

/* Values of `bytes` bytes; wider ones lose what does not fit. */
static void interleave(void *out, const opj_image_t *image, int64_t pixels,
                       size_t bytes)
{
    const OPJ_UINT32 samples = image->numcomps;

    for (OPJ_UINT32 c = 0; c < samples; c++) {
        const OPJ_INT32 *from = image->comps[c].data;

        for (int64_t i = 0; i < pixels; i++) {
            const int64_t at = i * samples + c;

            if (bytes == 1)
                ((uint8_t *)out)[at] = (uint8_t)from[i];
            else if (bytes == 2)
                ((uint16_t *)out)[at] = (uint16_t)from[i];
            else
                ((uint32_t *)out)[at] = (uint32_t)from[i];
        }
    }
}

static int decode(void *out, opj_image_t **image, opj_codec_t *codec,
                  opj_stream_t *stream, const struct decode_shape *shape,
                  struct medvl_error *err)
{
    opj_dparameters_t parameters;
    int rc;

    opj_set_error_handler(codec, quiet, NULL);
    opj_set_warning_handler(codec, quiet, NULL);
    opj_set_info_handler(codec, quiet, NULL);
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters) ||
        !opj_read_header(stream, codec, image))
        return medvl_fail(err, MEDVL_EFORMAT, "JPEG 2000: damaged header");
    rc = check(*image, shape, err);
    if (rc < 0)
        return rc;
    if (!opj_decode(codec, stream, *image) ||
        !opj_end_decompress(codec, stream))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "JPEG 2000: damaged or cut short");
    rc = check(*image, shape, err);
    for (OPJ_UINT32 c = 0; rc == MEDVL_OK && c < (*image)->numcomps; c++)
        if (!(*image)->comps[c].data)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "JPEG 2000: component %u is missing", c + 1);
    if (rc == MEDVL_OK)
        interleave(out, *image, shape->rows * shape->columns,
                   medvl_voxel_bytes(shape->type));
    return rc;
}

int decode_j2k(void *out, const void *data, size_t size,
               const struct decode_shape *shape, struct medvl_error *err)
{
    struct memory source = {data, size, 0};
    const bool jp2 = size > 4 && source.data[0] == 0;
    opj_codec_t *codec =
        opj_create_decompress(jp2 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_TRUE);
    opj_image_t *image = NULL;
    int rc;

    if (codec && stream) {
        opj_stream_set_user_data(stream, &source, NULL);
        opj_stream_set_user_data_length(stream, size);
        opj_stream_set_read_function(stream, memory_read);
        opj_stream_set_skip_function(stream, memory_skip);
        opj_stream_set_seek_function(stream, memory_seek);
        rc = decode(out, &image, codec, stream, shape, err);
    } else {
        rc = medvl_fail(err, MEDVL_ENOMEM, "out of memory");
    }
    opj_destroy_codec(codec);
    opj_stream_destroy(stream);
    opj_image_destroy(image);
    return rc;
}
