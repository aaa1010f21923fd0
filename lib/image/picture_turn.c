/*
 * EXIF orientation: read from a TIFF header, and undone.
 *
 * Read next: picture_png.c.
 */
#include "lib/image/picture_part.h"

#include <string.h>

uint32_t medvl_picture_number(const unsigned char *at, int bytes, bool little)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[little ? bytes - 1 - i : i];
    return value;
}

/* Tag 0x0112 of the first directory of a TIFF header; 1 when absent. */
int medvl_picture_orientation(const unsigned char *data, size_t size)
{
    uint32_t at, count;
    bool little;

    if (size < 8)
        return 1;
    if (memcmp(data, "II*\0", 4) == 0)
        little = true;
    else if (memcmp(data, "MM\0*", 4) == 0)
        little = false;
    else
        return 1;
    at = medvl_picture_number(data + 4, 4, little);
    if (at > size - 2)
        return 1;
    count = medvl_picture_number(data + at, 2, little);
    for (uint32_t i = 0; i < count; i++) {
        const size_t entry = (size_t)at + 2 + 12 * (size_t)i;
        uint32_t value;

        if (entry + 12 > size)
            return 1;
        if (medvl_picture_number(data + entry, 2, little) != 0x0112)
            continue;
        if (medvl_picture_number(data + entry + 2, 2, little) != 3)
            return 1;
        value = medvl_picture_number(data + entry + 8, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/*
 * The new picture is read off the old one with a start and a step for
 * each direction: EXIF's eight cases differ only in these.
 */
int medvl_picture_turn(struct medvl_picture *picture, int orientation,
                       struct medvl_error *err)
{
    const ptrdiff_t w = picture->width, h = picture->height;
    const size_t bytes = (size_t)(picture->channels * picture->depth / 8);
    const bool swap = orientation >= 5;
    const bool back_x = orientation == 2 || orientation == 3 ||
                        orientation == 7 || orientation == 8;
    const bool back_y = orientation == 3 || orientation == 4 ||
                        orientation == 6 || orientation == 7;
    const ptrdiff_t sx = back_x ? -1 : 1, sy = back_y ? -w : w;
    const ptrdiff_t step_x = swap ? sy : sx, step_y = swap ? sx : sy;
    const unsigned char *from = picture->data;
    struct medvl_picture out = {0};
    unsigned char *to;
    int rc;

    if (orientation == 1)
        return MEDVL_OK;
    rc = medvl_picture_room(&out, swap ? h : w, swap ? w : h,
                            picture->channels, picture->depth, err);
    if (rc < 0)
        return rc;
    to = out.data;
    from += (size_t)((back_x ? w - 1 : 0) + (back_y ? (h - 1) * w : 0)) *
            bytes;
    for (ptrdiff_t y = 0; y < out.height; y++)
        for (ptrdiff_t x = 0; x < out.width; x++, to += bytes)
            memcpy(to, from + (x * step_x + y * step_y) * (ptrdiff_t)bytes,
                   bytes);
    medvl_picture_release(picture);
    *picture = out;
    return MEDVL_OK;
}
