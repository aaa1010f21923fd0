/*
 * PNG in: ordinary files, all at once.
 *
 * A file is ordinary when it is not interlaced, every chunk up to IEND is
 * whole, known, in its place and has the right check sum, and the data
 * unpack to exactly the rows of the picture.  Such a file is inflated by
 * libdeflate in one go.  Every other file is read by libpng, which alone
 * says what is an error and which; it also reads pictures so large that
 * their rows should not stand in memory twice, so that none takes 512 MB.
 *
 * One difference is known: libdeflate takes some Huffman codes that zlib
 * refuses (a code of lengths with one symbol; names of symbols that cannot
 * occur), where the data that they give, and their check sum, are right.
 *
 * Read next: picture_unfilter.c.
 */
#include "lib/image/picture_part.h"

#include <string.h>

#include <libdeflate.h>

#include "lib/base/mem.h"

/* Unpacked rows of more bytes, and ancillary chunks of more, are libpng's. */
#define ROWS_MAX  ((int64_t)72 << 20)
#define CHUNK_MAX ((uint32_t)1 << 20)

enum { GREY = 0,
       RGB = 2,
       PALETTE = 3,
       GREY_ALPHA = 4,
       RGBA = 6 };

struct png {
    const unsigned char *data;
    size_t size;
    int64_t width, height;
    int depth, color, channels;
    size_t row;   /* bytes, without the filter's */
    size_t pixel; /* bytes of one, at least 1 */
    uint8_t palette[256][3];
    bool has_palette;
    /* The compressed data: in the file, or put together. */
    const unsigned char *packed;
    size_t packed_size;
    struct medvl_text joined;
    uint8_t *rows; /* unpacked */
    struct medvl_picture picture;
};

/* The eXIf chunk, wherever it stands. */
static int png_orientation(const unsigned char *data, size_t size)
{
    size_t at = 8;

    while (at + 12 <= size) {
        const uint32_t length = medvl_picture_number(data + at, 4, false);

        if (length > size - at - 12)
            return 1;
        if (memcmp(data + at + 4, "eXIf", 4) == 0)
            return medvl_picture_orientation(data + at + 8, length);
        at += 12 + (size_t)length;
    }
    return 1;
}

/* ---- chunks -------------------------------------------------------------- */

struct chunk {
    const unsigned char *name, *data;
    uint32_t length;
};

/* The chunk at *at, whole and with the right check sum. */
static bool next_chunk(struct chunk *chunk, const struct png *png,
                       size_t *at)
{
    const unsigned char *from = png->data + *at;
    size_t left = png->size - *at;

    if (left < 12)
        return false;
    chunk->length = medvl_picture_number(from, 4, false);
    if (chunk->length > left - 12)
        return false;
    chunk->name = from + 4;
    chunk->data = from + 8;
    *at += 12 + (size_t)chunk->length;
    return libdeflate_crc32(0, chunk->name, 4 + (size_t)chunk->length) ==
           medvl_picture_number(chunk->data + chunk->length, 4, false);
}

static bool is_chunk(const struct chunk *chunk, const char *name)
{
    return memcmp(chunk->name, name, 4) == 0;
}

/* Chunks that change nothing of the samples, whatever they hold. */
static bool is_idle(const struct chunk *chunk)
{
    static const char *const NAMES[] = {
        "bKGD", "cHRM", "eXIf", "gAMA", "iCCP", "iTXt", "pHYs", "sBIT",
        "sRGB", "tEXt", "tIME", "tRNS", "zTXt"};

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (is_chunk(chunk, NAMES[i]))
            return chunk->length <= CHUNK_MAX;
    return false;
}

static bool read_header(struct png *png, const struct chunk *chunk,
                        int64_t pixels)
{
    static const int CHANNELS[7] = {1, 0, 3, 1, 2, 0, 4};
    const unsigned char *d = chunk->data;
    const int depth = chunk->length == 13 ? d[8] : 0;
    size_t bits;

    if (!is_chunk(chunk, "IHDR") || !depth || d[9] > RGBA ||
        !CHANNELS[d[9]] || d[10] || d[11] || d[12])
        return false;
    png->width = medvl_picture_number(d, 4, false);
    png->height = medvl_picture_number(d + 4, 4, false);
    png->depth = depth;
    png->color = d[9];
    png->channels = CHANNELS[d[9]];
    if (depth != 8 && (depth != 16 || png->color == PALETTE) &&
        ((depth != 1 && depth != 2 && depth != 4) ||
         (png->color != GREY && png->color != PALETTE)))
        return false;
    if (medvl_picture_check_size(png->width, png->height, pixels, NULL) < 0)
        return false;
    bits = (size_t)(depth * png->channels);
    png->row = ((size_t)png->width * bits + 7) / 8;
    png->pixel = bits < 8 ? 1 : bits / 8;
    return (int64_t)(png->row + 1) * png->height <= ROWS_MAX;
}

static bool read_palette(struct png *png, const struct chunk *chunk)
{
    if (png->has_palette || png->color == GREY || png->color == GREY_ALPHA ||
        !chunk->length || chunk->length % 3 || chunk->length > 768 ||
        (png->color == PALETTE && chunk->length > (3u << png->depth)))
        return false;
    memcpy(png->palette, chunk->data, chunk->length);
    png->has_palette = true;
    return true;
}

static size_t raw_size(const struct png *png)
{
    return (png->row + 1) * (size_t)png->height;
}

/*
 * The data as one piece; one chunk of them is used where it stands.  1, or 0
 * where they are more than such rows are ever packed into.
 */
static int add_data(struct png *png, const struct chunk *chunk,
                    struct medvl_error *err)
{
    const size_t raw = raw_size(png);
    int rc = MEDVL_OK;

    if (png->packed_size + chunk->length > raw + raw / 8 + 65536)
        return 0;
    if (!png->packed) {
        png->packed = chunk->data;
        png->packed_size = chunk->length;
        return 1;
    }
    if (!png->joined.size) {
        rc = medvl_text_reserve(&png->joined, png->size, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_append(&png->joined, png->packed,
                                   png->packed_size, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&png->joined, chunk->data, chunk->length, err);
    png->packed = (const unsigned char *)png->joined.data;
    png->packed_size = png->joined.size;
    return rc < 0 ? rc : 1;
}

/* All chunks.  Returns 1, or 0 where libpng shall decide. */
static int read_chunks(struct png *png, int64_t pixels,
                       struct medvl_error *err)
{
    struct chunk chunk;
    bool in_data = false, after = false;
    size_t at = 8;

    if (!next_chunk(&chunk, png, &at) || !read_header(png, &chunk, pixels))
        return 0;
    for (;;) {
        if (!next_chunk(&chunk, png, &at))
            return 0;
        if (is_chunk(&chunk, "IEND"))
            return in_data && chunk.length == 0;
        if (is_chunk(&chunk, "IDAT")) {
            const int rc = after ? 0 : add_data(png, &chunk, err);

            if (rc != 1)
                return rc;
            in_data = true;
            continue;
        }
        after = in_data;
        if (is_chunk(&chunk, "PLTE") ? in_data || !read_palette(png, &chunk)
                                     : !is_idle(&chunk))
            return 0;
    }
}

/* ---- rows ---------------------------------------------------------------- */

/*
 * zlib's window may be declared smaller than 32 KiB; zlib then refuses what
 * refers further back, libdeflate does not.
 */
static bool window_covers(const struct png *png, size_t raw)
{
    const int bits = png->packed_size ? (png->packed[0] >> 4) + 8 : 0;

    return bits == 15 || raw <= (size_t)1 << bits;
}

static int inflate_rows(struct png *png, struct medvl_error *err)
{
    const size_t raw = raw_size(png);
    struct libdeflate_decompressor *inflater;
    size_t used = 0;
    bool good;

    if (raw / MEDVL_DEFLATE_RATIO > png->packed_size ||
        !window_covers(png, raw))
        return 0;
    inflater = libdeflate_alloc_decompressor();
    png->rows = medvl_resize(NULL, raw, 1);
    if (!inflater || !png->rows) {
        libdeflate_free_decompressor(inflater);
        return medvl_no_memory(err);
    }
    good = libdeflate_zlib_decompress_ex(inflater, png->packed,
                                         png->packed_size, png->rows, raw,
                                         &used, NULL) == LIBDEFLATE_SUCCESS;
    libdeflate_free_decompressor(inflater);
    for (size_t at = 0; good && at < raw; at += png->row + 1)
        good = png->rows[at] <= 4;
    return good && used == png->packed_size;
}

/* Samples of less than 8 bits; grey is stretched to 0..255. */
static uint8_t small_sample(const struct png *png, const uint8_t *row,
                            int64_t x)
{
    const int64_t bit = x * png->depth;
    const int top = (1 << png->depth) - 1;
    const int value = row[bit / 8] >> (8 - png->depth - (int)(bit % 8)) & top;

    return (uint8_t)(png->color == GREY ? value * 255 / top : value);
}

/* Unfiltered samples as a picture has them: see medvl_picture_decode. */
static void keep_row(void *to, const struct png *png, const uint8_t *row)
{
    const int64_t width = png->width;
    uint8_t *out = to;

    if (png->color == PALETTE) {
        for (int64_t x = 0; x < width; x++)
            memcpy(out + 3 * x,
                   png->palette[png->depth == 8 ? row[x]
                                                : small_sample(png, row, x)],
                   3);
    } else if (png->depth < 8) {
        for (int64_t x = 0; x < width; x++)
            out[x] = small_sample(png, row, x);
    } else if (png->depth == 16 && png->channels < 3) {
        uint16_t *wide = to;

        for (int64_t x = 0; x < width; x++, row += png->pixel)
            wide[x] = (uint16_t)(row[0] << 8 | row[1]);
    } else if (png->color == GREY_ALPHA) {
        for (int64_t x = 0; x < width; x++)
            out[x] = row[2 * x];
    } else {
        const size_t step = png->pixel / (size_t)png->channels;

        for (int64_t x = 0; x < width; x++, out += 3, row += png->pixel) {
            out[0] = row[0];
            out[1] = row[step];
            out[2] = row[2 * step];
        }
    }
}

static int unfilter_rows(struct png *png, struct medvl_error *err)
{
    const bool grey = png->color == GREY || png->color == GREY_ALPHA;
    const bool plain = png->depth == 8 && (png->color == GREY ||
                                           png->color == RGB);
    const size_t row = png->row, out_stride = plain ? row : row + 1;
    uint8_t *above = medvl_alloc(row, 1), *zero = above, *to;
    size_t to_row;
    int rc;

    if (!above)
        return medvl_no_memory(err);
    rc = medvl_picture_room(&png->picture, png->width, png->height,
                            grey ? 1 : 3,
                            grey && png->depth == 16 ? 16 : 8, err);
    to = png->picture.data;
    to_row = rc < 0 ? 0
                    : medvl_picture_bytes(&png->picture) /
                          (size_t)png->height;
    for (int64_t y = 0; rc == MEDVL_OK && y < png->height;
         y += MEDVL_PNG_ROWS) {
        const int64_t left = png->height - y;
        const int64_t count = left < MEDVL_PNG_ROWS ? left : MEDVL_PNG_ROWS;
        uint8_t *in = png->rows + (size_t)y * (row + 1);
        uint8_t *out = plain ? to : in + 1;

        medvl_png_unfilter(out, out_stride, in, above, row, png->pixel,
                           count);
        above = out + (size_t)(count - 1) * out_stride;
        for (int64_t i = 0; i < count; i++, to += to_row)
            if (!plain)
                keep_row(to, png, out + (size_t)i * out_stride);
    }
    medvl_free(zero);
    return rc < 0 ? rc : 1;
}

int medvl_picture_decode_quick(struct medvl_picture *out,
                               const unsigned char *data, size_t size,
                               int64_t pixels, struct medvl_error *err)
{
    struct png png = {.data = data, .size = size};
    const bool mine = medvl_picture_kind(data, size) == MEDVL_PICTURE_PNG;
    int rc = mine ? read_chunks(&png, pixels, err) : 0;

    if (rc == 1 && png.color == PALETTE && !png.has_palette)
        rc = 0;
    if (rc == 1)
        rc = inflate_rows(&png, err);
    if (rc == 1)
        rc = unfilter_rows(&png, err);
    medvl_free(png.rows);
    medvl_text_release(&png.joined);
    if (rc == 1)
        *out = png.picture;
    else
        medvl_picture_release(&png.picture);
    return rc;
}

int medvl_picture_decode_png(struct medvl_picture *out,
                             struct medvl_picture_file *file,
                             const unsigned char *data, size_t size,
                             const struct medvl_picture_options *options,
                             struct medvl_error *err)
{
    int rc = medvl_picture_decode_quick(out, data, size, options->pixels,
                                        err);

    if (rc == 0)
        rc = medvl_picture_decode_libpng(out, data, size, options->pixels,
                                         err);
    if (rc < 0)
        return rc;
    rc = medvl_picture_turn(out, png_orientation(data, size), err);
    if (rc < 0)
        medvl_picture_release(out);
    file->width = out->width;
    file->height = out->height;
    return rc;
}

int medvl_picture_probe_png(int64_t *width, int64_t *height,
                            const unsigned char *data, size_t size,
                            int64_t pixels, struct medvl_error *err)
{
    int rc;

    if (size < 33 || memcmp(data + 12, "IHDR", 4) != 0)
        return medvl_fail(err, MEDVL_EFORMAT, "PNG: no header");
    *width = medvl_picture_number(data + 16, 4, false);
    *height = medvl_picture_number(data + 20, 4, false);
    rc = medvl_picture_check_size(*width, *height, pixels, err);
    if (rc == MEDVL_OK && png_orientation(data, size) >= 5) {
        const int64_t swap = *width;

        *width = *height;
        *height = swap;
    }
    return rc;
}
