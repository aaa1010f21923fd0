/*
 * Overlay planes, PS3.3 C.9.2: groups 6000 to 601E, each a plane of bits
 * with a place of its own, or (retired) a bit of every pixel.
 *
 * Read next: deidentify.c.
 */
#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/dataset.h"
#include "lib/image/dicom.h"

#define FIRST 0x6000
#define LAST  0x601e

struct plane {
    unsigned group;
    int64_t rows, columns, top, left; /* of the picture; from 0 */
    struct medvl_span bits;           /* a bit a pixel, the lowest first */
    int bit;                          /* of every pixel; -1: `bits` */
    bool many;                        /* has a place among the frames */
    int64_t first, frames;
};

/* A whole number of the group's element, or `otherwise`. */
static int64_t whole(const struct plane *p, struct medvl_span set,
                     unsigned number, const char *vr, size_t index,
                     int64_t otherwise)
{
    struct medvl_element e;
    double value;

    if (!medvl_dataset_find(&e, set, p->group << 16 | number))
        return otherwise;
    if (strcmp(e.vr, "UN") == 0)
        memcpy(e.vr, vr, 2);
    value = medvl_element_number(&e, index);
    return fabs(value) < 1e9 ? (int64_t)value : otherwise;
}

static int bad(const struct plane *p, const char *what,
               struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "overlay %04x: %s", p->group, what);
}

/* The bit must be none of the picture's. */
static int read_bit(struct plane *p, const struct medvl_dicom *d,
                    struct medvl_span set, struct medvl_error *err)
{
    const struct medvl_dicom_bits b = medvl_dicom_bits(d);
    const int64_t bit = whole(p, set, 0x0102, "US", 0, -1);
    const int all = (int)medvl_voxel_bytes(d->file.type) * 8;

    if (d->file.size[0] != 1 || !b.bits || bit < 0 || bit >= all ||
        (bit >= b.shift && bit < b.shift + b.bits))
        return bad(p, "its bit is not beside the picture's", err);
    p->bit = (int)bit;
    p->rows = d->file.size[2];
    p->columns = d->file.size[1];
    return 1;
}

static int read_place(struct plane *p, struct medvl_span set,
                      struct medvl_error *err)
{
    int64_t plane;

    p->rows = whole(p, set, 0x0010, "US", 0, 0);
    p->columns = whole(p, set, 0x0011, "US", 0, 0);
    p->top = whole(p, set, 0x0050, "SS", 0, 1) - 1;
    p->left = whole(p, set, 0x0050, "SS", 1, 1) - 1;
    if (p->rows < 1 || p->rows > 65535 || p->columns < 1 ||
        p->columns > 65535)
        return bad(p, "no rows or columns", err);
    plane = p->rows * p->columns;
    if (p->frames < 1 || p->first < 1 ||
        p->frames > (int64_t)p->bits.size * 8 / plane)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "overlay %04x: %zu bytes are too few for %lld "
                          "frames of %lld x %lld",
                          p->group, p->bits.size, (long long)p->frames,
                          (long long)p->columns, (long long)p->rows);
    return 1;
}

/* 1, or 0 where the file has no such plane. */
static int read_plane(struct plane *p, unsigned group,
                      const struct medvl_dicom *d, struct medvl_error *err)
{
    const struct medvl_span set = d->file.tags;
    struct medvl_element e;

    *p = (struct plane){.group = group, .bit = -1};
    p->frames = whole(p, set, 0x0015, "IS", 0, 0);
    p->first = whole(p, set, 0x0051, "US", 0, 0);
    p->many = p->frames || p->first;
    p->frames = p->frames ? p->frames : 1;
    p->first = p->first ? p->first : 1;
    if (medvl_dataset_find(&e, set, group << 16 | 0x3000)) {
        p->bits = e.value;
        return read_place(p, set, err);
    }
    if (whole(p, set, 0x0100, "US", 0, 1) > 1)
        return read_bit(p, d, set, err);
    return 0;
}

static bool is_set(const struct plane *p, const void *pixels,
                   enum medvl_voxel type, int64_t at)
{
    if (p->bit < 0)
        return (unsigned char)p->bits.data[at / 8] >> at % 8 & 1;
    return (int64_t)medvl_voxel_value(pixels, type, (size_t)at) >> p->bit & 1;
}

/* `pixels` are those of the frame where the plane is in them. */
static void burn(struct medvl_picture *picture, const struct plane *p,
                 const void *pixels, enum medvl_voxel type, int64_t frame)
{
    const int64_t start = p->many ? (frame + 1 - p->first) * p->rows *
                                        p->columns
                                  : 0;
    uint8_t *out = picture->data;

    for (int64_t r = 0; r < p->rows; r++) {
        const int64_t y = r + p->top;

        if (y < 0 || y >= picture->height)
            continue;
        for (int64_t c = 0; c < p->columns; c++) {
            const int64_t x = c + p->left;

            if (x >= 0 && x < picture->width &&
                is_set(p, pixels, type, start + r * p->columns + c))
                memset(out + (y * picture->width + x) * picture->channels,
                       255, (size_t)picture->channels);
        }
    }
}

int medvl_dicom_overlays(struct medvl_picture *picture,
                         const struct medvl_dicom *dicom,
                         struct medvl_decoder *decoder, int64_t frame,
                         struct medvl_error *err)
{
    void *pixels = NULL;
    int rc = MEDVL_OK;

    for (unsigned group = FIRST; group <= LAST && rc >= 0; group += 2) {
        struct plane p;

        rc = read_plane(&p, group, dicom, err);
        if (rc <= 0 || (p.many && (frame + 1 < p.first ||
                                   frame + 1 - p.first >= p.frames)))
            continue;
        if (p.bit >= 0 && !pixels) {
            pixels = medvl_alloc(dicom->file.bytes, 1);
            rc = pixels ? medvl_decoder_frame(pixels, decoder, frame, err)
                        : medvl_no_memory(err);
        }
        if (rc >= 0)
            burn(picture, &p, pixels, dicom->file.type, frame);
    }
    medvl_free(pixels);
    return rc < 0 ? rc : MEDVL_OK;
}
