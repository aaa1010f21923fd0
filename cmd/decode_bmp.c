/*
 * BMP: OS/2's and Windows's headers, 1 to 32 bits a pixel, palettes, runs
 * (RLE4, RLE8) and bit fields.  Read here: the libraries that know all of
 * these come with a desktop or a dozen other formats.
 *
 * Where the file's bytes are used, their place was checked first; a picture
 * that is not whole is an error.
 *
 * Read next: medvl-decode.c.
 */
#include <string.h>

#include "cmd/decode.h"
#include "lib/base/mem.h"

enum {
    PLAIN,
    RUNS_8,
    RUNS_4,
    FIELDS,
    FIELDS_ALPHA = 6,
};

struct bmp {
    const uint8_t *data;
    size_t size;
    int64_t width, height;
    bool down; /* the first row is the top */
    int bits;
    uint32_t compression;
    size_t pixels;     /* where they begin */
    uint32_t masks[3]; /* red, green, blue; of 16 and 32 bits */
    int samples;       /* 1: the palette is grey */
    unsigned colours;  /* in the palette */
    uint8_t palette[256][3];
};

static uint32_t number(const uint8_t *at, int bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static int fail(struct medvl_error *err, const char *what)
{
    return medvl_fail(err, MEDVL_EFORMAT, "BMP: %s", what);
}

/* ---- the header -------------------------------------------------------- */

static int check_kind(const struct bmp *b, struct medvl_error *err)
{
    bool known;

    switch (b->compression) {
    case PLAIN:
        known = b->bits == 1 || b->bits == 2 || b->bits == 4 ||
                b->bits == 8 || b->bits == 16 || b->bits == 24 ||
                b->bits == 32;
        break;
    case RUNS_8: known = b->bits == 8 && !b->down; break;
    case RUNS_4: known = b->bits == 4 && !b->down; break;
    case FIELDS:
    case FIELDS_ALPHA: known = b->bits == 16 || b->bits == 32; break;
    default: known = false;
    }
    if (known)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EUNSUPPORTED,
                      "BMP: %d bits a pixel with compression %lu are not "
                      "read",
                      b->bits, (unsigned long)b->compression);
}

/* The masks of FIELDS stand after the short header, or in a longer one. */
static int read_masks(struct bmp *b, size_t at, struct medvl_error *err)
{
    static const uint32_t PLAIN_16[3] = {0x7c00, 0x3e0, 0x1f};
    static const uint32_t PLAIN_32[3] = {0xff0000, 0xff00, 0xff};

    memcpy(b->masks, b->bits == 16 ? PLAIN_16 : PLAIN_32, sizeof(b->masks));
    if (b->compression == PLAIN || b->bits <= 8)
        return MEDVL_OK;
    if (b->size < at + 12)
        return fail(err, "cut short");
    for (int c = 0; c < 3; c++) {
        b->masks[c] = number(b->data + at + c * 4, 4);
        if (!b->masks[c])
            return fail(err, "a colour without bits");
    }
    return MEDVL_OK;
}

static int read_palette(struct bmp *b, size_t at, size_t entry,
                        uint32_t count, struct medvl_error *err)
{
    const uint32_t most = 1u << b->bits;

    b->colours = count && count < most ? count : most;
    if (b->size < at || (b->size - at) / entry < b->colours)
        return fail(err, "cut short");
    b->samples = 1;
    for (unsigned i = 0; i < b->colours; i++, at += entry)
        for (int c = 0; c < 3; c++) {
            b->palette[i][c] = b->data[at + 2 - c];
            if (b->palette[i][c] != b->palette[i][0])
                b->samples = 3;
        }
    return MEDVL_OK;
}

static int read_header(struct bmp *b, struct medvl_error *err)
{
    const uint8_t *at = b->data;
    uint32_t header = b->size < 26 ? 0 : number(at + 14, 4), colours = 0;
    size_t end = 14 + (size_t)header;
    int rc;

    if (header != 12 && header != 40 && header != 52 && header != 56 &&
        header != 64 && header != 108 && header != 124)
        return fail(err, "no header");
    if (b->size < end)
        return fail(err, "cut short");
    b->pixels = number(at + 10, 4);
    if (header == 12) {
        b->width = number(at + 18, 2);
        b->height = number(at + 20, 2);
        b->bits = (int)number(at + 24, 2);
    } else {
        b->width = (int32_t)number(at + 18, 4);
        b->height = (int32_t)number(at + 22, 4);
        b->down = b->height < 0;
        b->height = b->down ? -b->height : b->height;
        b->bits = (int)number(at + 28, 2);
        b->compression = number(at + 30, 4);
        colours = number(at + 46, 4);
        /* OS/2 has other things at these numbers. */
        if (header == 64 && b->compression > RUNS_4)
            b->compression = UINT32_MAX;
    }
    rc = check_kind(b, err);
    if (rc == MEDVL_OK)
        rc = read_masks(b, 54, err);
    b->samples = 3;
    if (rc == MEDVL_OK && b->bits <= 8)
        rc = read_palette(b, end, header == 12 ? 3 : 4, colours, err);
    return rc;
}

/* ---- pixels ------------------------------------------------------------ */

/* Where pixel x of the row that is stored as number y goes. */
static uint8_t *place(const struct bmp *b, uint8_t *out, int64_t x, int64_t y)
{
    const int64_t row = b->down ? y : b->height - 1 - y;

    return out + (row * b->width + x) * b->samples;
}

static bool put_index(const struct bmp *b, uint8_t *to, unsigned index)
{
    if (index >= b->colours)
        return false;
    memcpy(to, b->palette[index], (size_t)b->samples);
    return true;
}

static unsigned index_at(const uint8_t *row, int64_t x, int bits)
{
    const int64_t at = x * bits;

    return row[at / 8] >> (8 - bits - at % 8) & ((1u << bits) - 1);
}

static uint8_t field(uint32_t pixel, uint32_t mask)
{
    const int shift = __builtin_ctz(mask);

    return (uint8_t)((uint64_t)((pixel & mask) >> shift) * 255 /
                     (mask >> shift));
}

static bool put_row(const struct bmp *b, uint8_t *to, const uint8_t *row)
{
    const int bytes = b->bits / 8;

    for (int64_t x = 0; x < b->width; x++, to += b->samples) {
        if (b->bits <= 8) {
            if (!put_index(b, to, index_at(row, x, b->bits)))
                return false;
            continue;
        }
        for (int c = 0; c < 3; c++)
            to[c] = b->bits == 24 ? row[x * 3 + 2 - c]
                                  : field(number(row + x * bytes, bytes),
                                          b->masks[c]);
    }
    return true;
}

static int read_rows(const struct bmp *b, uint8_t *out,
                     struct medvl_error *err)
{
    const size_t bits = (size_t)b->width * (size_t)b->bits;
    const size_t row = (bits + 31) / 32 * 4;
    const size_t need = row * (size_t)(b->height - 1) + (bits + 7) / 8;

    if (b->pixels > b->size || b->size - b->pixels < need)
        return fail(err, "cut short");
    for (int64_t y = 0; y < b->height; y++)
        if (!put_row(b, place(b, out, 0, y),
                     b->data + b->pixels + (size_t)y * row))
            return fail(err, "a pixel's colour is not in the palette");
    return MEDVL_OK;
}

/* ---- runs -------------------------------------------------------------- */

/* Where the next pixel goes, and where its byte stands. */
struct runs {
    const uint8_t *at, *end;
    int64_t x, y;
};

/*
 * `count` pixels: of the bytes at `from`, or all of the one byte there.
 * What reaches over the right edge is no pixel.
 */
static bool put_run(const struct bmp *b, uint8_t *out, struct runs *r,
                    const uint8_t *from, unsigned count, bool same)
{
    for (unsigned i = 0; i < count && r->x < b->width; i++, r->x++) {
        const unsigned at = same && b->bits == 4 ? i % 2 : same ? 0
                                                                : i;

        if (!put_index(b, place(b, out, r->x, r->y),
                       index_at(from, at, b->bits)))
            return false;
    }
    return true;
}

/* Some pixels, or a step to others; *done at the end. */
static const char *put_piece(const struct bmp *b, uint8_t *out,
                             struct runs *r, bool *done)
{
    static const char CUT[] = "cut short";
    const unsigned count = r->at[0], code = r->at[1];
    size_t bytes;

    r->at += 2;
    if (count)
        return put_run(b, out, r, r->at - 1, count, true)
                   ? NULL
                   : "a pixel's colour is not in the palette";
    if (code == 0) {
        r->x = 0;
        r->y++;
    } else if (code == 1) {
        *done = true;
    } else if (code == 2) {
        if (r->end - r->at < 2)
            return CUT;
        r->x += r->at[0];
        r->y += r->at[1];
        r->at += 2;
    } else {
        bytes = ((size_t)code * (size_t)b->bits + 7) / 8;
        if ((size_t)(r->end - r->at) < bytes)
            return CUT;
        if (!put_run(b, out, r, r->at, code, false))
            return "a pixel's colour is not in the palette";
        bytes += bytes % 2; /* the last may be without its filling */
        r->at += (size_t)(r->end - r->at) < bytes
                     ? (size_t)(r->end - r->at)
                     : bytes;
    }
    return NULL;
}

/* Pixels that no run names have colour 0. */
static int read_runs(const struct bmp *b, uint8_t *out,
                     struct medvl_error *err)
{
    struct runs r = {.end = b->data + b->size};
    const char *problem = NULL;
    bool done = false;

    if (b->pixels > b->size)
        return fail(err, "cut short");
    r.at = b->data + b->pixels;
    for (int64_t i = 0; i < b->width * b->height; i++)
        memcpy(out + i * b->samples, b->palette[0], (size_t)b->samples);
    while (!done && !problem && r.y < b->height && r.end - r.at >= 2)
        problem = put_piece(b, out, &r, &done);
    if (!problem && !done && r.y < b->height &&
        (r.y < b->height - 1 || r.x < b->width))
        problem = "cut short";
    return problem ? fail(err, problem) : MEDVL_OK;
}

/* ---- a file ------------------------------------------------------------ */

static int bmp_open(void **out, struct medvl_decode_answer *answer,
                    struct medvl_text *tags, const char *path,
                    const void *contents, size_t size,
                    struct medvl_error *err)
{
    struct bmp *b;
    int rc;

    (void)tags;
    if (path)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "BMP by its path");
    b = medvl_alloc(1, sizeof(*b));
    if (!b)
        return medvl_no_memory(err);
    b->data = contents;
    b->size = size;
    rc = read_header(b, err);
    if (rc == MEDVL_OK)
        rc = decode_picture_shape(answer, 1, b->width, b->height, b->samples,
                                  MEDVL_VOXEL_U8, err);
    if (rc < 0)
        medvl_free(b);
    else
        *out = b;
    return rc;
}

static int bmp_frame(void *file, void *out, size_t bytes, int64_t index,
                     struct medvl_error *err)
{
    const struct bmp *b = file;

    (void)bytes;
    (void)index;
    return b->compression == RUNS_8 || b->compression == RUNS_4
               ? read_runs(b, out, err)
               : read_rows(b, out, err);
}

static void bmp_close(void *file)
{
    medvl_free(file);
}

const struct decode_reader decode_bmp = {bmp_open, bmp_frame, bmp_close,
                                         NULL};
