/*
 * Pictures in memory, and which decoder reads a file.
 *
 * Read next: picture_window.c.
 */
#include "lib/image/picture.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/image/picture_part.h"

/* The largest picture file that is read from a path. */
#define FILE_MAX ((size_t)256 << 20)

static int make(struct medvl_picture *out, int64_t width, int64_t height,
                int channels, int depth, bool zero, struct medvl_error *err)
{
    const size_t bytes = (size_t)(channels * depth / 8);

    if (width < 1 || height < 1 || width > MEDVL_PICTURE_SIDE ||
        height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lld x %lld pixels; a side has 1..%d",
                          (long long)width, (long long)height,
                          MEDVL_PICTURE_SIDE);
    out->data = zero ? medvl_alloc((size_t)(width * height), bytes)
                     : medvl_resize(NULL, (size_t)(width * height), bytes);
    if (!out->data)
        return medvl_no_memory(err);
    out->width = width;
    out->height = height;
    out->channels = channels;
    out->depth = depth;
    return MEDVL_OK;
}

int medvl_picture_make(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err)
{
    return make(out, width, height, channels, depth, true, err);
}

int medvl_picture_room(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err)
{
    return make(out, width, height, channels, depth, false, err);
}

void medvl_picture_release(struct medvl_picture *picture)
{
    medvl_free(picture->data);
    *picture = (struct medvl_picture){0};
}

size_t medvl_picture_row(const struct medvl_picture *picture)
{
    return (size_t)picture->width * (size_t)picture->channels;
}

size_t medvl_picture_bytes(const struct medvl_picture *picture)
{
    return medvl_picture_row(picture) * (size_t)picture->height *
           (size_t)(picture->depth / 8);
}

int medvl_picture_check_size(int64_t width, int64_t height, int64_t pixels,
                             struct medvl_error *err)
{
    if (!pixels)
        pixels = MEDVL_PICTURE_PIXELS;
    if (width < 1 || height < 1)
        return medvl_fail(err, MEDVL_EFORMAT, "a picture without pixels");
    if (width > MEDVL_PICTURE_SIDE || height > MEDVL_PICTURE_SIDE ||
        width * height > pixels)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld x %lld pixels are over the limit of %lld, "
                          "or of %d a side",
                          (long long)width, (long long)height,
                          (long long)pixels, MEDVL_PICTURE_SIDE);
    return MEDVL_OK;
}

enum medvl_picture_kind medvl_picture_kind(const void *data, size_t size)
{
    static const struct {
        enum medvl_picture_kind kind;
        size_t at, size;
        const char *mark;
    } MARKS[] = {
        {MEDVL_PICTURE_PNG, 0, 8, "\x89PNG\r\n\x1a\n"},
        {MEDVL_PICTURE_JPEG, 0, 3, "\xff\xd8\xff"},
        {MEDVL_PICTURE_DICOM, 128, 4, "DICM"},
        {MEDVL_PICTURE_TIFF, 0, 4, "II*\0"},
        {MEDVL_PICTURE_TIFF, 0, 4, "MM\0*"},
        {MEDVL_PICTURE_TIFF, 0, 4, "II+\0"},
        {MEDVL_PICTURE_TIFF, 0, 4, "MM\0+"},
        {MEDVL_PICTURE_WEBP, 8, 4, "WEBP"},
        {MEDVL_PICTURE_BMP, 0, 2, "BM"},
    };

    for (size_t i = 0; i < sizeof(MARKS) / sizeof(*MARKS); i++)
        if (size >= MARKS[i].at + MARKS[i].size &&
            memcmp((const char *)data + MARKS[i].at, MARKS[i].mark,
                   MARKS[i].size) == 0)
            return MARKS[i].kind;
    return MEDVL_PICTURE_OTHER;
}

static int neither(const void *data, size_t size, struct medvl_error *err)
{
    static const char *const NAMES[] = {
        [MEDVL_PICTURE_DICOM] = "DICOM",
        [MEDVL_PICTURE_TIFF] = "TIFF",
        [MEDVL_PICTURE_WEBP] = "WebP",
        [MEDVL_PICTURE_BMP] = "BMP",
    };
    const enum medvl_picture_kind kind = medvl_picture_kind(data, size);

    if (kind == MEDVL_PICTURE_OTHER)
        return medvl_fail(err, MEDVL_EFORMAT, "neither PNG nor JPEG");
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "a %s file, not PNG or JPEG: run it through "
                      "medvl-image first",
                      NAMES[kind]);
}

int medvl_picture_decode_with(struct medvl_picture *out,
                              struct medvl_picture_file *file,
                              const void *data, size_t size,
                              const struct medvl_picture_options *options,
                              struct medvl_error *err)
{
    const struct medvl_picture_options none = {0};
    struct medvl_picture_file unused;

    file = file ? file : &unused;
    options = options ? options : &none;
    *file = (struct medvl_picture_file){.shrink = 1};
    switch (medvl_picture_kind(data, size)) {
    case MEDVL_PICTURE_PNG:
        return medvl_picture_decode_png(out, file, data, size, options, err);
    case MEDVL_PICTURE_JPEG:
        return medvl_picture_decode_jpeg(out, file, data, size, options, err);
    default: return neither(data, size, err);
    }
}

int medvl_picture_decode(struct medvl_picture *out, const void *data,
                         size_t size, int64_t pixels,
                         struct medvl_error *err)
{
    const struct medvl_picture_options options = {.pixels = pixels};

    return medvl_picture_decode_with(out, NULL, data, size, &options, err);
}

int medvl_picture_probe(int64_t *width, int64_t *height, const void *data,
                        size_t size, int64_t pixels,
                        struct medvl_error *err)
{
    switch (medvl_picture_kind(data, size)) {
    case MEDVL_PICTURE_PNG:
        return medvl_picture_probe_png(width, height, data, size, pixels, err);
    case MEDVL_PICTURE_JPEG:
        return medvl_picture_probe_jpeg(width, height, data, size, pixels,
                                        err);
    default: return neither(data, size, err);
    }
}

int medvl_picture_read(struct medvl_picture *out, const char *path,
                       int64_t pixels, struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    int rc = medvl_file_read_regular(&bytes, path, FILE_MAX, err);

    if (rc == MEDVL_OK) {
        rc = medvl_picture_decode(out, bytes.data ? bytes.data : "",
                                  bytes.size, pixels, err);
        if (rc < 0)
            rc = medvl_context(err, "%s", path);
    }
    medvl_text_release(&bytes);
    return rc;
}

int medvl_picture_to_rgb(struct medvl_picture *picture,
                         struct medvl_error *err)
{
    struct medvl_picture out = {0};
    const uint8_t *from = picture->data;
    const size_t count = (size_t)(picture->width * picture->height);
    uint8_t *to;
    int rc;

    if (picture->depth != 8)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window: --window C,W or "
                          "--window pLO,pHI",
                          picture->depth);
    if (picture->channels == 3)
        return MEDVL_OK;
    rc = medvl_picture_room(&out, picture->width, picture->height, 3, 8,
                            err);
    if (rc < 0)
        return rc;
    to = out.data;
    for (size_t i = 0; i < count; i++, to += 3)
        to[0] = to[1] = to[2] = from[i];
    medvl_picture_release(picture);
    *picture = out;
    return MEDVL_OK;
}
