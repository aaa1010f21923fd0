/*
 * TIFF through libtiff, from memory.  A page is read strip by strip or tile
 * by tile (row by row where a strip is very large), so no second copy of it
 * stands here.
 *
 * What libtiff warns of while it decodes is damage: it fills what is
 * missing with grey and goes on.
 *
 * Read next: decode_tiff_pixel.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#include "cmd/decode_tiff.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"

#define BLOCK_MOST ((tmsize_t)32 << 20)  /* of a strip read at once */
#define TILE_MOST  ((tmsize_t)128 << 20) /* of a tile or a plane's strip */
#define ALLOC_MOST ((tmsize_t)256 << 20) /* of libtiff */
#define YCC_MOST   ((int64_t)1 << 24)    /* pixels of YCbCr without JPEG */

enum block {
    STRIP,
    TILE,
    ROW,
};

struct tiff {
    TIFF *tif;
    const uint8_t *data;
    uint64_t size, at;
    int64_t pages, page;
    bool strict; /* what is said now is damage */
    bool failed;
    char message[200];

    /* Of the page: */
    int64_t width, height;
    uint16_t samples, bits, format, photometric, planar, compression;
    bool convert; /* by libtiff, to RGB */
    struct tiff_pixels pixels;
    enum block block;
    int64_t block_width, block_height;
    tmsize_t block_bytes, block_row;
};

/* ---- libtiff's ends ---------------------------------------------------- */

/* Said of pictures that are whole all the same. */
static bool is_harmless(const struct tiff *t, const char *text)
{
    return strstr(text, "extraneous bytes") || strstr(text, "EOI code") ||
           (t->block != ROW && strstr(text, "Discarding"));
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

static int fail(const struct tiff *t, struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "TIFF: %s",
                      t->message[0] ? t->message : "damaged or cut short");
}

static int refuse(struct medvl_error *err, const char *what, int number)
{
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "TIFF: %s %d is not read",
                      what, number);
}

/* ---- what a page is ---------------------------------------------------- */

static uint16_t get(const struct tiff *t, uint32_t tag, uint16_t absent)
{
    uint16_t value = absent;

    if (!TIFFGetFieldDefaulted(t->tif, tag, &value))
        value = absent;
    return value;
}

static void read_tags(struct tiff *t)
{
    uint32_t width = 0, height = 0;
    uint16_t likely;

    TIFFGetField(t->tif, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(t->tif, TIFFTAG_IMAGELENGTH, &height);
    t->width = width;
    t->height = height;
    t->samples = get(t, TIFFTAG_SAMPLESPERPIXEL, 1);
    t->bits = get(t, TIFFTAG_BITSPERSAMPLE, 1);
    t->format = get(t, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
    t->planar = get(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    t->compression = get(t, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    likely = t->samples >= 3 ? PHOTOMETRIC_RGB
             : t->compression == COMPRESSION_CCITTRLE ||
                     t->compression == COMPRESSION_CCITTFAX3 ||
                     t->compression == COMPRESSION_CCITTFAX4
                 ? PHOTOMETRIC_MINISWHITE
                 : PHOTOMETRIC_MINISBLACK;
    t->photometric = get(t, TIFFTAG_PHOTOMETRIC, likely);
}

/* Grey that is no picture yet: its values need a window. */
static int choose_value(struct tiff *t, struct medvl_error *err)
{
    struct tiff_pixels *p = &t->pixels;
    const bool is_signed = t->format == SAMPLEFORMAT_INT;

    p->colour = TIFF_VALUE;
    if (t->format == SAMPLEFORMAT_IEEEFP) {
        p->half = t->bits == 16;
        p->type = t->bits == 64 ? MEDVL_VOXEL_F64 : MEDVL_VOXEL_F32;
        if (t->bits != 16 && t->bits != 32 && t->bits != 64)
            return refuse(err, "a float's number of bits", t->bits);
    } else if (t->bits == 8) {
        p->type = MEDVL_VOXEL_I8;
    } else if (t->bits == 16 || (t->bits < 16 && !is_signed)) {
        p->type = is_signed ? MEDVL_VOXEL_I16 : MEDVL_VOXEL_U16;
    } else if (t->bits == 32) {
        p->type = is_signed ? MEDVL_VOXEL_I32 : MEDVL_VOXEL_U32;
    } else {
        return refuse(err, "a number of bits of", t->bits);
    }
    return MEDVL_OK;
}

static int choose_grey(struct tiff *t, struct medvl_error *err)
{
    struct tiff_pixels *p = &t->pixels;

    p->used = 1;
    if (t->samples > 2)
        return refuse(err, "a number of samples of grey of", t->samples);
    if (t->bits > 8 || t->format != SAMPLEFORMAT_UINT)
        return choose_value(t, err);
    p->colour = TIFF_GREY;
    p->invert = t->photometric == PHOTOMETRIC_MINISWHITE;
    return MEDVL_OK;
}

static int choose_palette(struct tiff *t, struct medvl_error *err)
{
    uint16_t *map[3];
    unsigned most = 0;

    t->pixels.colour = TIFF_PALETTE;
    t->pixels.used = 1;
    if (t->samples > 2 || t->bits > 8)
        return refuse(err, "a palette's number of bits", t->bits);
    if (!TIFFGetField(t->tif, TIFFTAG_COLORMAP, map, map + 1, map + 2))
        return medvl_fail(err, MEDVL_EFORMAT, "TIFF: no palette");
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 1 << t->bits; i++)
            most = map[c][i] > most ? map[c][i] : most;
    /* Some old writers put 8 bits where 16 belong. */
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 1 << t->bits; i++)
            t->pixels.palette[i][c] =
                (uint8_t)(most < 256 ? map[c][i] : map[c][i] >> 8);
    return MEDVL_OK;
}

static int choose_colour(struct tiff *t, struct medvl_error *err)
{
    struct tiff_pixels *p = &t->pixels;
    uint16_t count = 0, *extra = NULL;
    const bool inks = t->photometric == PHOTOMETRIC_SEPARATED;

    p->colour = inks ? TIFF_CMYK : TIFF_RGB;
    p->used = inks ? 4 : 3;
    if (inks && get(t, TIFFTAG_INKSET, INKSET_CMYK) != INKSET_CMYK)
        return refuse(err, "a set of inks other than CMYK,",
                      get(t, TIFFTAG_INKSET, INKSET_CMYK));
    if (t->samples < p->used || t->samples > p->used + 3)
        return refuse(err, "a number of samples of colours of", t->samples);
    if (t->format != SAMPLEFORMAT_UINT || t->bits > 16 ||
        (t->bits > 8 && t->bits < 16))
        return refuse(err, "colours of a number of bits of", t->bits);
    TIFFGetField(t->tif, TIFFTAG_EXTRASAMPLES, &count, &extra);
    if (!inks && count && t->samples > 3 &&
        extra[0] == EXTRASAMPLE_ASSOCALPHA) {
        p->colour = TIFF_RGBA;
        p->used = 4;
    }
    return MEDVL_OK;
}

static int choose_ycc(struct tiff *t, struct medvl_error *err)
{
    t->pixels.used = 3;
    t->pixels.colour = TIFF_RGB;
    if (t->bits != 8 || t->samples != 3)
        return refuse(err, "YCbCr of a number of bits of", t->bits);
    if (t->compression == COMPRESSION_JPEG &&
        t->planar == PLANARCONFIG_CONTIG) {
        TIFFSetField(t->tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        return MEDVL_OK;
    }
    t->convert = true;
    if (t->width * t->height > YCC_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "TIFF: YCbCr is read up to 2^24 pixels unless "
                          "JPEG holds it");
    return MEDVL_OK;
}

static int choose(struct tiff *t, struct medvl_error *err)
{
    if (t->format == SAMPLEFORMAT_VOID)
        t->format = SAMPLEFORMAT_UINT;
    if (t->format > SAMPLEFORMAT_IEEEFP || t->bits < 1)
        return refuse(err, "a kind of samples of number", t->format);
    if (!TIFFIsCODECConfigured(t->compression))
        return refuse(err, "compression", t->compression);
    switch (t->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK: return choose_grey(t, err);
    case PHOTOMETRIC_PALETTE: return choose_palette(t, err);
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_SEPARATED: return choose_colour(t, err);
    case PHOTOMETRIC_YCBCR: return choose_ycc(t, err);
    default: return refuse(err, "a colour space of number", t->photometric);
    }
}

/* What is read at once, and how large that is. */
static int choose_block(struct tiff *t, struct medvl_error *err)
{
    const bool apart =
        t->planar == PLANARCONFIG_SEPARATE && t->samples > 1;
    uint32_t width = (uint32_t)t->width, height = (uint32_t)t->height;
    tmsize_t most = TILE_MOST;

    t->pixels.stride = apart ? 1 : t->samples;
    if (TIFFIsTiled(t->tif)) {
        t->block = TILE;
        TIFFGetField(t->tif, TIFFTAG_TILEWIDTH, &width);
        TIFFGetField(t->tif, TIFFTAG_TILELENGTH, &height);
        t->block_row = TIFFTileRowSize(t->tif);
        t->block_bytes = TIFFTileSize(t->tif);
    } else {
        t->block = STRIP;
        TIFFGetFieldDefaulted(t->tif, TIFFTAG_ROWSPERSTRIP, &height);
        height = height < t->height ? height : (uint32_t)t->height;
        t->block_row = TIFFScanlineSize(t->tif);
        t->block_bytes = TIFFStripSize(t->tif);
        if (!apart && t->block_bytes > BLOCK_MOST) {
            t->block = ROW;
            height = 1;
            t->block_bytes = t->block_row;
        }
    }
    t->block_width = width;
    t->block_height = height;
    if (width < 1 || height < 1 || t->block_row < 1 || t->block_bytes < 1)
        return fail(t, err);
    if (apart)
        most /= t->pixels.used;
    if (t->block_bytes > most)
        return medvl_fail(err, MEDVL_EARG,
                          "TIFF: a tile or strip of %lld bytes is over the "
                          "limit of %lld",
                          (long long)t->block_bytes, (long long)most);
    /* Every row that is read lies inside its block. */
    if (t->block_row < ((int64_t)width * t->pixels.stride * t->bits + 7) / 8 ||
        t->block_bytes < t->block_row * (tmsize_t)height)
        return fail(t, err);
    return MEDVL_OK;
}

static int read_page(struct tiff *t, struct medvl_decode_answer *answer,
                     struct medvl_error *err)
{
    int orientation, rc;

    t->convert = false;
    t->pixels = (struct tiff_pixels){0};
    t->message[0] = '\0';
    t->failed = false;
    read_tags(t);
    t->pixels.bits = t->bits;
    rc = choose(t, err);
    if (rc == MEDVL_OK)
        rc = decode_picture_shape(
            answer, t->pages, t->width, t->height,
            t->pixels.colour == TIFF_GREY || t->pixels.colour == TIFF_VALUE
                ? 1
                : 3,
            t->pixels.type, err);
    if (rc == MEDVL_OK && !t->convert)
        rc = choose_block(t, err);
    if (rc < 0)
        return rc;
    orientation = get(t, TIFFTAG_ORIENTATION, 1);
    answer->orientation =
        orientation >= 1 && orientation <= 8 ? orientation : 1;
    answer->inverse = t->pixels.colour == TIFF_VALUE &&
                      t->photometric == PHOTOMETRIC_MINISWHITE;
    return MEDVL_OK;
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
        return fail(t, err);
    t->pages = TIFFNumberOfDirectories(t->tif);
    return t->pages > 0 && !t->failed ? MEDVL_OK : fail(t, err);
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
        rc = read_page(t, answer, err);
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
        return fail(t, err);
    t->page = index;
    return read_page(t, answer, err);
}

/* ---- a page's pixels --------------------------------------------------- */

/* The block at (x, y) of a plane; false where it is not whole. */
static bool read_block(struct tiff *t, uint8_t *out, int64_t x, int64_t y,
                       uint16_t plane)
{
    const int64_t left = t->height - y;
    const int64_t rows = left < t->block_height ? left : t->block_height;
    tmsize_t got = t->block_bytes, want = t->block_bytes;

    if (t->block == TILE) {
        got = TIFFReadTile(t->tif, out, (uint32_t)x, (uint32_t)y, 0, plane);
    } else if (t->block == STRIP) {
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
            rc = fail(t, err);
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
    return good && !t->failed ? MEDVL_OK : fail(t, err);
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
