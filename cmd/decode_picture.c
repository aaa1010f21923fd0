/*
 * What the readers of pictures share: the limits on a frame.
 *
 * Read next: decode_tiff.c.
 */
#include "cmd/decode.h"
#include "lib/image/picture.h"

int decode_picture_shape(struct medvl_decode_answer *answer, int64_t frames,
                         int64_t width, int64_t height, int samples,
                         enum medvl_voxel type, struct medvl_error *err)
{
    const int64_t bytes = samples * (int64_t)medvl_voxel_bytes(type);
    const int rc = medvl_picture_check_size(
        width, height, MEDVL_DECODE_BYTES / bytes, err);

    if (rc < 0)
        return rc;
    answer->frames = frames;
    answer->size[0] = samples;
    answer->size[1] = width;
    answer->size[2] = height;
    answer->type = type;
    answer->orientation = 1;
    answer->inverse = false;
    return MEDVL_OK;
}
