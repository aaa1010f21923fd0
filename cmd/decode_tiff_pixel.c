/*
 * TIFF's samples to pixels: bits to bytes, palettes, CMYK, and colours that
 * were multiplied by their alpha.  Colours follow Pillow to the bit.
 *
 * Read next: decode_webp.c.
 */
#include <string.h>

#include "cmd/decode_tiff.h"

/* Sample `at` of a row whose samples have so many bits, at most 15. */
static unsigned bits_at(const uint8_t *row, size_t at, int bits)
{
    const size_t first = at * (size_t)bits;
    const size_t last = first + (size_t)bits - 1;
    uint32_t word = 0;

    for (size_t i = first / 8; i <= last / 8; i++)
        word = word << 8 | row[i];
    return word >> (7 - last % 8) & ((1u << bits) - 1);
}

static uint16_t word_at(const uint8_t *row, size_t at)
{
    uint16_t word;

    memcpy(&word, row + at * sizeof(word), sizeof(word));
    return word;
}

/* A sample as 8 bits: the upper ones of 16, fewer stretched to 0..255. */
static uint8_t byte_at(const uint8_t *row, size_t at,
                       const struct tiff_pixels *p)
{
    unsigned value, most;

    if (p->bits == 8)
        return row[at];
    if (p->bits == 16)
        return (uint8_t)(word_at(row, at) >> 8);
    value = bits_at(row, at, p->bits);
    if (p->colour == TIFF_PALETTE)
        return (uint8_t)value;
    most = (1u << p->bits) - 1;
    return (uint8_t)((value * 255 + most / 2) / most);
}

static float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits;
    float value;

    if (exponent == 0) {
        value = (float)fraction / 16777216.0f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 |
           fraction << 13;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Grey as it is stored; 9 to 15 bits become 16, a float of 16 bits 32. */
static void make_values(void *out, const uint8_t *row, int64_t width,
                        const struct tiff_pixels *p)
{
    const size_t bytes = medvl_voxel_bytes(p->type);
    uint16_t *words = out;
    float *floats = out;
    char *to = out;

    for (int64_t x = 0; x < width; x++) {
        const size_t at = (size_t)(x * p->stride);

        if (p->half)
            floats[x] = half_to_float(word_at(row, at));
        else if (p->bits > 8 && p->bits < 16)
            words[x] = (uint16_t)bits_at(row, at, p->bits);
        else
            memcpy(to + (size_t)x * bytes, row + at * bytes, bytes);
    }
}

/* ---- colours ----------------------------------------------------------- */

static void look_up(uint8_t *out, const uint8_t *from, int64_t width,
                    const struct tiff_pixels *p)
{
    for (int64_t x = 0; x < width; x++)
        memcpy(out + x * 3, p->palette[from[x]], 3);
}

/* Undo the multiplication by alpha; then alpha is dropped. */
static void divide(uint8_t *out, const uint8_t *from, int64_t width)
{
    for (int64_t x = 0; x < width; x++, from += 4)
        for (int c = 0; c < 3; c++) {
            const int value = from[3] ? from[c] * 255 / from[3] : 0;

            *out++ = (uint8_t)(value > 255 ? 255 : value);
        }
}

/* No ink is white; the products are rounded as Pillow rounds them. */
static void mix_inks(uint8_t *out, const uint8_t *from, int64_t width)
{
    for (int64_t x = 0; x < width; x++, from += 4)
        for (int c = 0; c < 3; c++) {
            const int light = 255 - from[3];
            const int product = from[c] * light + 128;

            *out++ = (uint8_t)(light - ((product >> 8) + product) / 256);
        }
}

/* Is a row as it stands what travels? */
static bool is_whole(const struct tiff_pixels *p)
{
    const bool plain = p->colour == TIFF_GREY || p->colour == TIFF_RGB ||
                       p->colour == TIFF_VALUE;

    return plain && !p->half && !p->invert && p->stride == p->used &&
           p->bits == (int)medvl_voxel_bytes(p->type) * 8;
}

void tiff_make_row(void *out, uint8_t *scratch,
                   const uint8_t *const rows[4], int64_t width,
                   const struct tiff_pixels *p)
{
    const bool plain = p->colour == TIFF_GREY || p->colour == TIFF_RGB;
    uint8_t *bytes = plain ? out : scratch;

    if (is_whole(p)) {
        memcpy(out, rows[0],
               (size_t)(width * p->used) * medvl_voxel_bytes(p->type));
        return;
    }
    if (p->colour == TIFF_VALUE) {
        make_values(out, rows[0], width, p);
        return;
    }
    for (int64_t x = 0; x < width; x++)
        for (int c = 0; c < p->used; c++)
            *bytes++ = p->stride > 1
                           ? byte_at(rows[0], (size_t)(x * p->stride + c), p)
                           : byte_at(rows[c], (size_t)x, p);
    if (p->colour == TIFF_PALETTE)
        look_up(out, scratch, width, p);
    else if (p->colour == TIFF_RGBA)
        divide(out, scratch, width);
    else if (p->colour == TIFF_CMYK)
        mix_inks(out, scratch, width);
    for (int64_t x = 0; p->invert && x < width; x++)
        ((uint8_t *)out)[x] ^= 255;
}
