/*
 * PNG in and out through libpng.
 *
 * libpng reports errors by longjmp.  What must survive the jump stands in a
 * struct of the function that calls setjmp, never in a local variable that
 * changes in between.
 *
 * Read next: picture_jpeg.c.
 */
#include "lib/image/picture_part.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "lib/base/mem.h"

/* Deflate cannot make more than this of one byte. */
#define DEFLATE_RATIO 1032

/* zlib's level: 6 takes several times as long for 2 % less. */
#define PNG_LEVEL 2

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

struct png_job {
    png_structp png;
    png_infop info;
    png_bytep *rows;
    struct medvl_picture picture;
    const unsigned char *data;
    size_t size, at;
    int64_t pixels;
    struct medvl_text *text; /* of the encoder */
    struct medvl_error *err;
};

static void on_png_error(png_structp png, png_const_charp message)
{
    struct png_job *job = png_get_error_ptr(png);

    (void)medvl_fail(job->err, MEDVL_EFORMAT, "PNG: %s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_png_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_png_read(png_structp png, png_bytep out, size_t size)
{
    struct png_job *job = png_get_io_ptr(png);

    if (size > job->size - job->at)
        png_error(png, "the file is cut short");
    memcpy(out, job->data + job->at, size);
    job->at += size;
}

/* Can the file hold that many rows at all?  Asked before any allocation. */
static int check_png(struct png_job *job)
{
    const int64_t width = png_get_image_width(job->png, job->info);
    const int64_t height = png_get_image_height(job->png, job->info);
    const int64_t bits = (int64_t)png_get_bit_depth(job->png, job->info) *
                         png_get_channels(job->png, job->info);
    const int64_t raw = ((width * bits + 7) / 8 + 1) * height;
    const int rc =
        medvl_picture_check_size(width, height, job->pixels, job->err);

    if (rc < 0)
        return rc;
    if (raw / DEFLATE_RATIO > (int64_t)job->size)
        return medvl_fail(job->err, MEDVL_EFORMAT,
                          "PNG: %zu bytes cannot hold %lld x %lld pixels",
                          job->size, (long long)width, (long long)height);
    return MEDVL_OK;
}

static int read_png(struct png_job *job)
{
    png_structp png = job->png;
    int color, depth, rc;
    size_t row;

    png_set_read_fn(png, job, on_png_read);
    png_set_user_limits(png, MEDVL_PICTURE_SIDE, MEDVL_PICTURE_SIDE);
    png_read_info(png, job->info);
    rc = check_png(job);
    if (rc < 0)
        return rc;
    color = png_get_color_type(png, job->info);
    depth = png_get_bit_depth(png, job->info);
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (color == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (color & PNG_COLOR_MASK_COLOR)
        png_set_strip_16(png);
    else if (depth == 16)
        png_set_swap(png);
    png_set_strip_alpha(png);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    rc = medvl_picture_room(&job->picture,
                            png_get_image_width(png, job->info),
                            png_get_image_height(png, job->info),
                            color & PNG_COLOR_MASK_COLOR ? 3 : 1,
                            png_get_bit_depth(png, job->info), job->err);
    if (rc < 0)
        return rc;
    row = medvl_picture_bytes(&job->picture) / (size_t)job->picture.height;
    if (png_get_rowbytes(png, job->info) != row)
        return medvl_fail(job->err, MEDVL_EUNSUPPORTED,
                          "PNG: colour type %d with %d bits", color, depth);
    job->rows = medvl_alloc((size_t)job->picture.height,
                            sizeof(*job->rows));
    if (!job->rows)
        return medvl_no_memory(job->err);
    for (int64_t y = 0; y < job->picture.height; y++)
        job->rows[y] = (png_bytep)job->picture.data + (size_t)y * row;
    png_read_image(png, job->rows);
    png_read_end(png, NULL);
    return MEDVL_OK;
}

int medvl_picture_decode_png(struct medvl_picture *out,
                             struct medvl_picture_file *file,
                             const unsigned char *data, size_t size,
                             const struct medvl_picture_options *options,
                             struct medvl_error *err)
{
    struct medvl_error fallback = {0};
    struct png_job job = {
        .data = data, .size = size, .pixels = options->pixels};
    volatile int rc = MEDVL_EFORMAT;

    job.err = err ? err : &fallback;
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job,
                                     on_png_error, on_png_warning);
    if (!job.png)
        return medvl_no_memory(err);
    job.info = png_create_info_struct(job.png);
    if (!job.info)
        rc = medvl_no_memory(err);
    else if (!setjmp(png_jmpbuf(job.png)))
        rc = read_png(&job);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    medvl_free(job.rows);
    if (rc == MEDVL_OK)
        rc = medvl_picture_turn(&job.picture, png_orientation(data, size), err);
    file->width = job.picture.width;
    file->height = job.picture.height;
    if (rc == MEDVL_OK)
        *out = job.picture;
    else
        medvl_picture_release(&job.picture);
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

/* ---- PNG out ---------------------------------------------------------- */

static void on_png_write(png_structp png, png_bytep data, size_t size)
{
    struct png_job *job = png_get_io_ptr(png);

    if (medvl_text_append(job->text, data, size, job->err) < 0)
        png_error(png, "out of memory");
}

static void on_png_flush(png_structp png)
{
    (void)png;
}

static void write_png(struct png_job *job,
                      const struct medvl_picture *picture)
{
    png_structp png = job->png;
    const size_t row = medvl_picture_row(picture);

    png_set_write_fn(png, job, on_png_write, on_png_flush);
    png_set_compression_level(png, PNG_LEVEL);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
    png_set_IHDR(png, job->info, (png_uint_32)picture->width,
                 (png_uint_32)picture->height, 8,
                 picture->channels == 1 ? PNG_COLOR_TYPE_GRAY
                                        : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, job->info);
    for (int64_t y = 0; y < picture->height; y++)
        png_write_row(png, (png_const_bytep)picture->data +
                               (size_t)y * row);
    png_write_end(png, NULL);
}

int medvl_picture_encode(struct medvl_text *out,
                         const struct medvl_picture *picture,
                         struct medvl_error *err)
{
    struct medvl_error fallback = {0};
    struct png_job job = {.text = out};
    volatile int rc = MEDVL_ENOMEM;

    if (picture->depth != 8)
        return medvl_fail(err, MEDVL_EARG, "%d bits a sample; PNG files are "
                                           "written with 8",
                          picture->depth);
    job.err = err ? err : &fallback;
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job,
                                      on_png_error, on_png_warning);
    if (!job.png)
        return medvl_no_memory(err);
    job.info = png_create_info_struct(job.png);
    if (!job.info) {
        rc = medvl_no_memory(err);
    } else if (!setjmp(png_jmpbuf(job.png))) {
        write_png(&job, picture);
        rc = MEDVL_OK;
    } else {
        /* A picture in memory is well formed: only memory can be short. */
        rc = medvl_no_memory(err);
    }
    png_destroy_write_struct(&job.png, &job.info);
    return rc;
}
