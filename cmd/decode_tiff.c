/*
 * TIFF through libtiff, from memory.  A page is read strip by strip or tile
 * by tile (row by row where a strip is very large), so no second copy of it
 * stands here.
 *
 * What libtiff warns of while it decodes is damage: it fills what is
 * missing with grey and goes on.
 *
 * Read next: decode_tiff_page.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/decode_tiff.h"
#include "lib/base/mem.h"

#define ALLOC_MOST ((tmsize_t)256 << 20) /* of libtiff at once */

/* ---- libtiff's ends ---------------------------------------------------- */

/* Said of pictures that are whole all the same. */
static bool is_harmless(const struct tiff *t, const char *text)
{
    return strstr(text, "extraneous bytes") || strstr(text, "EOI code") ||
           (t->block != TIFF_ROW && strstr(text, "Discarding"));
}

static void keep_message(struct tiff *t, const char *format, va_list args)
{
    if (!t->failed)
        vsnprintf(t->message, sizeof(t->message), format, args);
}

static int on_error(TIFF *tif, void *user, const char *module,
                    const char *format, va_list args)
{
    struct tiff *t = user;

    (void)tif;
    (void)module;
    keep_message(t, format, args);
    t->failed = true;
    return 1;
}

static int on_warning(TIFF *tif, void *user, const char *module,
                      const char *format, va_list args)
{
    struct tiff *t = user;

    (void)tif;
    (void)module;
    if (t->strict && !t->failed) {
        keep_message(t, format, args);
        t->failed = !is_harmless(t, t->message);
    }
    return 1;
}

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t size)
{
    struct tiff *t = handle;
    const uint64_t left = t->at < t->size ? t->size - t->at : 0;

    if (size < 0)
        return 0;
    if ((uint64_t)size > left)
        size = (tmsize_t)left;
    memcpy(out, t->data + t->at, (size_t)size);
    t->at += (uint64_t)size;
    return size;
}

static tmsize_t on_write(thandle_t handle, void *data, tmsize_t size)
{
    (void)handle;
    (void)data;
    (void)size;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t to, int whence)
{
    struct tiff *t = handle;

    t->at = whence == SEEK_SET   ? to
            : whence == SEEK_CUR ? t->at + to
                                 : t->size + to;
    return t->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((struct tiff *)handle)->size;
}

static int on_map(thandle_t handle, void **base, toff_t *size)
{
    const struct tiff *t = handle;

    *base = (void *)(uintptr_t)t->data;
    *size = t->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

/* ---- a file ------------------------------------------------------------ */

static void tiff_close(void *file)
{
    struct tiff *t = file;

    if (t->tif)
        TIFFClose(t->tif);
    medvl_free(t);
}

static int open_memory(struct tiff *t, struct medvl_error *err)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    if (!options)
        return medvl_no_memory(err);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, ALLOC_MOST);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, t);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, t);
    t->tif = TIFFClientOpenExt("", "r", t, on_read, on_write, on_seek,
                               on_close, on_size, on_map, on_unmap, options);
    TIFFOpenOptionsFree(options);
    if (!t->tif)
        return tiff_fail(t, err);
    t->pages = TIFFNumberOfDirectories(t->tif);
    return t->pages > 0 && !t->failed ? MEDVL_OK : tiff_fail(t, err);
}

static int tiff_open(void **out, struct medvl_decode_answer *answer,
                     struct medvl_text *tags, const char *path,
                     const void *contents, size_t size,
                     struct medvl_error *err)
{
    struct tiff *t;
    int rc;

    (void)tags;
    if (path)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "TIFF by its path");
    t = medvl_alloc(1, sizeof(*t));
    if (!t)
        return medvl_no_memory(err);
    t->data = contents;
    t->size = size;
    rc = open_memory(t, err);
    if (rc == MEDVL_OK)
        rc = tiff_read_page(t, answer, err);
    if (rc < 0)
        tiff_close(t);
    else
        *out = t;
    return rc;
}

static int tiff_turn(void *file, struct medvl_decode_answer *answer,
                     int64_t index, struct medvl_error *err)
{
    struct tiff *t = file;

    t->message[0] = '\0';
    t->failed = false;
    if (index != t->page &&
        !(index == t->page + 1 ? TIFFReadDirectory(t->tif)
                               : TIFFSetDirectory(t->tif, (tdir_t)index)))
        return tiff_fail(t, err);
    t->page = index;
    return tiff_read_page(t, answer, err);
}

/* ---- a page's pixels --------------------------------------------------- */

/* The block at (x, y) of a plane; false where it is not whole. */
static bool read_block(struct tiff *t, uint8_t *out, int64_t x, int64_t y,
                       uint16_t plane)
{
    const int64_t left = t->height - y;
    const int64_t rows = left < t->block_height ? left : t->block_height;
    tmsize_t got = t->block_bytes, want = t->block_bytes;

    if (t->block == TIFF_TILE) {
        got = TIFFReadTile(t->tif, out, (uint32_t)x, (uint32_t)y, 0, plane);
    } else if (t->block == TIFF_STRIP) {
        want = rows * t->block_row;
        got = TIFFReadEncodedStrip(
            t->tif, TIFFComputeStrip(t->tif, (uint32_t)y, plane), out, want);
    } else if (TIFFReadScanline(t->tif, out, (uint32_t)y, plane) < 0) {
        got = -1;
    }
    return got >= want && !t->failed;
}

/* The block at (x, y) of all planes that are used, into the page. */
static bool read_blocks(struct tiff *t, uint8_t *out, size_t pixel,
                        uint8_t *blocks, uint8_t *scratch, int64_t x,
                        int64_t y)
{
    const int planes = t->pixels.stride > 1 ? 1 : t->pixels.used;
    const int64_t w = t->width - x < t->block_width ? t->width - x
                                                    : t->block_width;
    const int64_t h = t->height - y < t->block_height ? t->height - y
                                                      : t->block_height;

    for (int i = 0; i < planes; i++)
        if (!read_block(t, blocks + i * t->block_bytes, x, y, (uint16_t)i))
            return false;
    for (int64_t r = 0; r < h; r++) {
        const uint8_t *rows[4] = {0};

        for (int i = 0; i < planes; i++)
            rows[i] = blocks + i * t->block_bytes + r * t->block_row;
        tiff_make_row(out + (size_t)((y + r) * t->width + x) * pixel, scratch,
                      rows, w, &t->pixels);
    }
    return true;
}

static int read_pixels(struct tiff *t, uint8_t *out, size_t bytes,
                       struct medvl_error *err)
{
    const size_t pixel = bytes / (size_t)(t->width * t->height);
    const size_t planes = t->pixels.stride > 1 ? 1 : (size_t)t->pixels.used;
    uint8_t *blocks = medvl_alloc((size_t)t->block_bytes, planes);
    uint8_t *scratch = medvl_alloc((size_t)t->width, 4);
    bool good = true;
    int rc = blocks && scratch ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK) {
        for (int64_t y = 0; good && y < t->height; y += t->block_height)
            for (int64_t x = 0; good && x < t->width; x += t->block_width)
                good = read_blocks(t, out, pixel, blocks, scratch, x, y);
        if (!good)
            rc = tiff_fail(t, err);
    }
    medvl_free(blocks);
    medvl_free(scratch);
    return rc;
}

/* A page that libtiff itself turns into RGB, rows from the top. */
static int convert_pixels(struct tiff *t, uint8_t *out,
                          struct medvl_error *err)
{
    const size_t count = (size_t)(t->width * t->height);
    uint32_t *raster = medvl_alloc(count, sizeof(*raster));
    TIFFRGBAImage image;
    char text[1024] = "";
    bool good = false;

    if (!raster)
        return medvl_no_memory(err);
    if (TIFFRGBAImageOK(t->tif, text) &&
        TIFFRGBAImageBegin(&image, t->tif, 1, text)) {
        image.req_orientation = image.orientation;
        good = TIFFRGBAImageGet(&image, raster, image.width, image.height);
        TIFFRGBAImageEnd(&image);
    }
    for (size_t i = 0; i < count; i++) {
        *out++ = (uint8_t)TIFFGetR(raster[i]);
        *out++ = (uint8_t)TIFFGetG(raster[i]);
        *out++ = (uint8_t)TIFFGetB(raster[i]);
    }
    medvl_free(raster);
    if (text[0])
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "TIFF: %s", text);
    return good && !t->failed ? MEDVL_OK : tiff_fail(t, err);
}

static int tiff_frame(void *file, void *out, size_t bytes, int64_t index,
                      struct medvl_error *err)
{
    struct tiff *t = file;
    int rc;

    (void)index;
    t->failed = false;
    t->message[0] = '\0';
    t->strict = true;
    rc = t->convert ? convert_pixels(t, out, err)
                    : read_pixels(t, out, bytes, err);
    t->strict = false;
    return rc;
}

const struct decode_reader decode_tiff = {tiff_open, tiff_frame, tiff_close,
                                          tiff_turn};
