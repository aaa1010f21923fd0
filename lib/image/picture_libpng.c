/*
 * PNG in through libpng: every file that picture_png.c does not vouch for.
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

struct png_job {
    png_structp png;
    png_infop info;
    png_bytep *rows;
    struct medvl_picture picture;
    const unsigned char *data;
    size_t size, at;
    int64_t pixels;
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
    if (raw / MEDVL_DEFLATE_RATIO > (int64_t)job->size)
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
    /* The rest is passed over: it gets memory for what it says it has. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
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

int medvl_picture_decode_libpng(struct medvl_picture *out,
                                const unsigned char *data, size_t size,
                                int64_t pixels, struct medvl_error *err)
{
    struct medvl_error fallback = {0};
    struct png_job job = {.data = data, .size = size, .pixels = pixels};
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
        *out = job.picture;
    else
        medvl_picture_release(&job.picture);
    return rc;
}
