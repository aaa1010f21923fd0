/*
 * What a page of TIFF is: which samples are used and how, and what is read
 * at once.
 *
 * Read next: decode_tiff_pixel.c.
 */
#include <stdio.h>

#include "cmd/decode_tiff.h"

#define BLOCK_MOST ((tmsize_t)32 << 20)  /* of a strip read at once */
#define TILE_MOST  ((tmsize_t)128 << 20) /* of a tile or a plane's strip */
#define YCC_MOST   ((int64_t)1 << 24)    /* pixels of YCbCr without JPEG */

int tiff_fail(const struct tiff *t, struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "TIFF: %s",
                      t->message[0] ? t->message : "damaged or cut short");
}

/* `what` holds one number, such as "compression %d". */
static int refuse(struct medvl_error *err, const char *what, int number)
{
    char text[80];

    snprintf(text, sizeof(text), what, number);
    return medvl_fail(err, MEDVL_EUNSUPPORTED, "TIFF: %s: not read", text);
}

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
            return refuse(err, "fractions of %d bits", t->bits);
    } else if (t->bits == 8) {
        p->type = MEDVL_VOXEL_I8;
    } else if (t->bits == 16 || (t->bits < 16 && !is_signed)) {
        p->type = is_signed ? MEDVL_VOXEL_I16 : MEDVL_VOXEL_U16;
    } else if (t->bits == 32) {
        p->type = is_signed ? MEDVL_VOXEL_I32 : MEDVL_VOXEL_U32;
    } else {
        return refuse(err, "grey of %d bits", t->bits);
    }
    return MEDVL_OK;
}

static int choose_grey(struct tiff *t, struct medvl_error *err)
{
    struct tiff_pixels *p = &t->pixels;

    p->used = 1;
    if (t->samples > 2)
        return refuse(err, "grey with %d samples a pixel", t->samples);
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
        return refuse(err, "a palette for %d bits", t->bits);
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
        return refuse(err, "ink set %d",
                      get(t, TIFFTAG_INKSET, INKSET_CMYK));
    if (t->samples < p->used || t->samples > p->used + 3)
        return refuse(err, "colours with %d samples a pixel", t->samples);
    if (t->format != SAMPLEFORMAT_UINT || t->bits > 16 ||
        (t->bits > 8 && t->bits < 16))
        return refuse(err,
                      t->format == SAMPLEFORMAT_UINT
                          ? "colours of %d bits"
                          : "colours of %d bits with a sign or fractions",
                      t->bits);
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
        return refuse(err, "YCbCr of %d bits", t->bits);
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
        return refuse(err, "sample format %d", t->format);
    if (!TIFFIsCODECConfigured(t->compression))
        return refuse(err, "compression %d", t->compression);
    switch (t->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK: return choose_grey(t, err);
    case PHOTOMETRIC_PALETTE: return choose_palette(t, err);
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_SEPARATED: return choose_colour(t, err);
    case PHOTOMETRIC_YCBCR: return choose_ycc(t, err);
    default: return refuse(err, "colour space %d", t->photometric);
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
        t->block = TIFF_TILE;
        TIFFGetField(t->tif, TIFFTAG_TILEWIDTH, &width);
        TIFFGetField(t->tif, TIFFTAG_TILELENGTH, &height);
        t->block_row = TIFFTileRowSize(t->tif);
        t->block_bytes = TIFFTileSize(t->tif);
    } else {
        t->block = TIFF_STRIP;
        TIFFGetFieldDefaulted(t->tif, TIFFTAG_ROWSPERSTRIP, &height);
        height = height < t->height ? height : (uint32_t)t->height;
        t->block_row = TIFFScanlineSize(t->tif);
        t->block_bytes = TIFFStripSize(t->tif);
        if (!apart && t->block_bytes > BLOCK_MOST) {
            t->block = TIFF_ROW;
            height = 1;
            t->block_bytes = t->block_row;
        }
    }
    t->block_width = width;
    t->block_height = height;
    if (width < 1 || height < 1 || t->block_row < 1 || t->block_bytes < 1)
        return tiff_fail(t, err);
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
        return tiff_fail(t, err);
    return MEDVL_OK;
}

int tiff_read_page(struct tiff *t, struct medvl_decode_answer *answer,
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
