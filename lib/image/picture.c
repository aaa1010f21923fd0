/*
 * Pictures in memory, PNG and JPEG through libpng and libjpeg-turbo.
 *
 * Both libraries report errors by longjmp.  What must survive the jump
 * stands in a struct of the function that calls setjmp, never in a local
 * variable that changes in between.
 *
 * Read next: resize.c.
 */
#include "lib/image/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After <stdio.h>, in this order: they do not include what they need. */
#include <jpeglib.h>

#include <jerror.h>
#include <png.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

/* The largest picture file that is read from a path. */
#define FILE_MAX ((size_t)256 << 20)

/* Deflate cannot make more than this of one byte. */
#define DEFLATE_RATIO 1032

/* Memory of a progressive JPEG's coefficients, and its scans. */
#define JPEG_MEMORY ((long)256 << 20)
#define JPEG_SCANS  500

/* zlib's level: 6 takes several times as long for 2 % less. */
#define PNG_LEVEL 2

int medvl_picture_make(struct medvl_picture *out, int64_t width,
                       int64_t height, int channels, int depth,
                       struct medvl_error *err)
{
    const size_t bytes = (size_t)(channels * depth / 8);

    if (width < 1 || height < 1 || width > MEDVL_PICTURE_SIDE ||
        height > MEDVL_PICTURE_SIDE)
        return medvl_fail(err, MEDVL_EARG,
                          "a picture of %lld x %lld pixels; a side has 1..%d",
                          (long long)width, (long long)height,
                          MEDVL_PICTURE_SIDE);
    out->data = medvl_alloc((size_t)width * (size_t)height, bytes);
    if (!out->data)
        return medvl_no_memory(err);
    out->width = width;
    out->height = height;
    out->channels = channels;
    out->depth = depth;
    return MEDVL_OK;
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

static int check_size(int64_t width, int64_t height, int64_t pixels,
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

/* ---- orientation ------------------------------------------------------ */

static uint32_t read_number(const unsigned char *at, int bytes, bool little)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[little ? bytes - 1 - i : i];
    return value;
}

/* Tag 0x0112 of the first directory of a TIFF header; 1 when absent. */
static int tiff_orientation(const unsigned char *data, size_t size)
{
    uint32_t at, count;
    bool little;

    if (size < 8)
        return 1;
    if (memcmp(data, "II*\0", 4) == 0)
        little = true;
    else if (memcmp(data, "MM\0*", 4) == 0)
        little = false;
    else
        return 1;
    at = read_number(data + 4, 4, little);
    if (at > size - 2)
        return 1;
    count = read_number(data + at, 2, little);
    for (uint32_t i = 0; i < count; i++) {
        const size_t entry = (size_t)at + 2 + 12 * (size_t)i;
        uint32_t value;

        if (entry + 12 > size)
            return 1;
        if (read_number(data + entry, 2, little) != 0x0112)
            continue;
        if (read_number(data + entry + 2, 2, little) != 3)
            return 1;
        value = read_number(data + entry + 8, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* The eXIf chunk, wherever it stands. */
static int png_orientation(const unsigned char *data, size_t size)
{
    size_t at = 8;

    while (at + 12 <= size) {
        const uint32_t length = read_number(data + at, 4, false);

        if (length > size - at - 12)
            return 1;
        if (memcmp(data + at + 4, "eXIf", 4) == 0)
            return tiff_orientation(data + at + 8, length);
        at += 12 + (size_t)length;
    }
    return 1;
}

static int jpeg_orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 &&
            memcmp(m->data, "Exif\0", 6) == 0)
            return tiff_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

/*
 * The new picture is read off the old one with a start and a step for
 * each direction: EXIF's eight cases differ only in these.
 */
static int turn(struct medvl_picture *picture, int orientation,
                struct medvl_error *err)
{
    const ptrdiff_t w = picture->width, h = picture->height;
    const size_t bytes = (size_t)(picture->channels * picture->depth / 8);
    const bool swap = orientation >= 5;
    const bool back_x = orientation == 2 || orientation == 3 ||
                        orientation == 7 || orientation == 8;
    const bool back_y = orientation == 3 || orientation == 4 ||
                        orientation == 6 || orientation == 7;
    const ptrdiff_t sx = back_x ? -1 : 1, sy = back_y ? -w : w;
    const ptrdiff_t step_x = swap ? sy : sx, step_y = swap ? sx : sy;
    const unsigned char *from = picture->data;
    struct medvl_picture out = {0};
    unsigned char *to;
    int rc;

    if (orientation == 1)
        return MEDVL_OK;
    rc = medvl_picture_make(&out, swap ? h : w, swap ? w : h,
                            picture->channels, picture->depth, err);
    if (rc < 0)
        return rc;
    to = out.data;
    from += (size_t)((back_x ? w - 1 : 0) + (back_y ? (h - 1) * w : 0)) *
            bytes;
    for (ptrdiff_t y = 0; y < out.height; y++)
        for (ptrdiff_t x = 0; x < out.width; x++, to += bytes)
            memcpy(to, from + (x * step_x + y * step_y) * (ptrdiff_t)bytes,
                   bytes);
    medvl_picture_release(picture);
    *picture = out;
    return MEDVL_OK;
}

/* ---- PNG in ----------------------------------------------------------- */

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
    const int rc = check_size(width, height, job->pixels, job->err);

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
    rc = medvl_picture_make(&job->picture,
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

static int decode_png(struct medvl_picture *out, const unsigned char *data,
                      size_t size, int64_t pixels, struct medvl_error *err)
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
        rc = turn(&job.picture, png_orientation(data, size), err);
    if (rc == MEDVL_OK)
        *out = job.picture;
    else
        medvl_picture_release(&job.picture);
    return rc;
}

static int probe_png(int64_t *width, int64_t *height,
                     const unsigned char *data, size_t size,
                     int64_t pixels, struct medvl_error *err)
{
    int rc;

    if (size < 33 || memcmp(data + 12, "IHDR", 4) != 0)
        return medvl_fail(err, MEDVL_EFORMAT, "PNG: no header");
    *width = read_number(data + 16, 4, false);
    *height = read_number(data + 20, 4, false);
    rc = check_size(*width, *height, pixels, err);
    if (rc == MEDVL_OK && png_orientation(data, size) >= 5) {
        const int64_t swap = *width;

        *width = *height;
        *height = swap;
    }
    return rc;
}

/* ---- JPEG in ---------------------------------------------------------- */

struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    struct medvl_picture picture;
    const unsigned char *data;
    size_t size;
    int64_t pixels;
    int orientation;
    int64_t width, height;
    bool probe;
    struct medvl_error *err;
};

static enum medvl_status jpeg_status(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY: return MEDVL_ENOMEM;
    case JERR_NO_BACKING_STORE: return MEDVL_EARG;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_SOF_UNSUPPORTED: return MEDVL_EUNSUPPORTED;
    default: return MEDVL_EFORMAT;
    }
}

static void on_jpeg_error(j_common_ptr common)
{
    struct jpeg_job *job = common->client_data;
    char message[JMSG_LENGTH_MAX];

    common->err->format_message(common, message);
    (void)medvl_fail(job->err, jpeg_status(common->err->msg_code),
                     "JPEG: %s", message);
    longjmp(job->jump, 1);
}

/* Warnings are damage, except these: the picture itself is whole. */
static void on_jpeg_message(j_common_ptr common, int level)
{
    const int code = common->err->msg_code;

    if (level < 0 && code != JWRN_EXTRANEOUS_DATA &&
        code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        on_jpeg_error(common);
}

static void on_jpeg_output(j_common_ptr common)
{
    (void)common;
}

/* A progressive file may ask for any number of passes over the picture. */
static void on_jpeg_progress(j_common_ptr common)
{
    struct jpeg_job *job = common->client_data;

    if (job->jpeg.input_scan_number <= JPEG_SCANS)
        return;
    (void)medvl_fail(job->err, MEDVL_EFORMAT, "JPEG: more than %d scans",
                     JPEG_SCANS);
    longjmp(job->jump, 1);
}

static int read_jpeg_header(struct jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;

    jpeg_create_decompress(jpeg);
    jpeg->client_data = job;
    jpeg->mem->max_memory_to_use = JPEG_MEMORY;
    jpeg_mem_src(jpeg, job->data, job->size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    (void)jpeg_read_header(jpeg, TRUE);
    job->orientation = jpeg_orientation(jpeg);
    job->width = jpeg->image_width;
    job->height = jpeg->image_height;
    if (jpeg->num_components != 1 && jpeg->num_components != 3)
        return medvl_fail(job->err, MEDVL_EUNSUPPORTED,
                          "JPEG: %d components (CMYK?); grey and RGB are "
                          "read",
                          jpeg->num_components);
    return check_size(job->width, job->height, job->pixels, job->err);
}

static int read_jpeg(struct jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    int rc = read_jpeg_header(job);
    size_t row;

    if (rc < 0 || job->probe)
        return rc;
    job->progress.progress_monitor = on_jpeg_progress;
    jpeg->progress = &job->progress;
    jpeg->out_color_space =
        jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    (void)jpeg_start_decompress(jpeg);
    rc = medvl_picture_make(&job->picture, job->width, job->height,
                            jpeg->num_components, 8, job->err);
    if (rc < 0)
        return rc;
    row = medvl_picture_row(&job->picture);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW out = (JSAMPROW)job->picture.data +
                       jpeg->output_scanline * row;

        (void)jpeg_read_scanlines(jpeg, &out, 1);
    }
    (void)jpeg_finish_decompress(jpeg);
    return MEDVL_OK;
}

static int run_jpeg(struct jpeg_job *job)
{
    struct medvl_error fallback = {0};
    volatile int rc = MEDVL_EFORMAT;

    if (!job->err)
        job->err = &fallback;
    job->jpeg.err = jpeg_std_error(&job->manager);
    job->jpeg.client_data = job;
    job->manager.error_exit = on_jpeg_error;
    job->manager.emit_message = on_jpeg_message;
    job->manager.output_message = on_jpeg_output;
    if (!setjmp(job->jump))
        rc = read_jpeg(job);
    else if (job->err->code < 0)
        rc = job->err->code;
    jpeg_destroy_decompress(&job->jpeg);
    if (job->err == &fallback)
        job->err = NULL;
    return rc;
}

static int decode_jpeg(struct medvl_picture *out, const unsigned char *data,
                       size_t size, int64_t pixels, struct medvl_error *err)
{
    struct jpeg_job job = {
        .data = data, .size = size, .pixels = pixels, .err = err};
    int rc = run_jpeg(&job);

    if (rc == MEDVL_OK)
        rc = turn(&job.picture, job.orientation, err);
    if (rc == MEDVL_OK)
        *out = job.picture;
    else
        medvl_picture_release(&job.picture);
    return rc;
}

static int probe_jpeg(int64_t *width, int64_t *height,
                      const unsigned char *data, size_t size,
                      int64_t pixels, struct medvl_error *err)
{
    struct jpeg_job job = {.data = data,
                           .size = size,
                           .pixels = pixels,
                           .probe = true,
                           .err = err};
    const int rc = run_jpeg(&job);

    if (rc == MEDVL_OK) {
        *width = job.orientation >= 5 ? job.height : job.width;
        *height = job.orientation >= 5 ? job.width : job.height;
    }
    return rc;
}

/* ---- either ----------------------------------------------------------- */

static bool is_png(const unsigned char *data, size_t size)
{
    return size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static bool is_jpeg(const unsigned char *data, size_t size)
{
    return size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
}

static int neither(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "neither PNG nor JPEG");
}

int medvl_picture_decode(struct medvl_picture *out, const void *data,
                         size_t size, int64_t pixels,
                         struct medvl_error *err)
{
    if (is_png(data, size))
        return decode_png(out, data, size, pixels, err);
    if (is_jpeg(data, size))
        return decode_jpeg(out, data, size, pixels, err);
    return neither(err);
}

int medvl_picture_probe(int64_t *width, int64_t *height, const void *data,
                        size_t size, int64_t pixels,
                        struct medvl_error *err)
{
    if (is_png(data, size))
        return probe_png(width, height, data, size, pixels, err);
    if (is_jpeg(data, size))
        return probe_jpeg(width, height, data, size, pixels, err);
    return neither(err);
}

int medvl_picture_read(struct medvl_picture *out, const char *path,
                       int64_t pixels, struct medvl_error *err)
{
    struct medvl_text bytes = {0};
    int rc = medvl_file_read(&bytes, path, FILE_MAX, err);

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
    rc = medvl_picture_make(&out, picture->width, picture->height, 3, 8,
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

static int write_all(const char *path, const struct medvl_text *bytes,
                     struct medvl_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t done = 0;
    int problem = 0;

    if (fd < 0)
        return medvl_fail_output(err, path);
    while (done < bytes->size && !problem) {
        const ssize_t n = write(fd, bytes->data + done, bytes->size - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            problem = n == 0 ? ENOSPC : errno;
    }
    if (close(fd) != 0 && !problem)
        problem = errno;
    if (problem)
        return medvl_fail(err, MEDVL_EOUTPUT, "%s: %s", path,
                          strerror(problem));
    return MEDVL_OK;
}

/* Does the file hold exactly these bytes already? */
static bool holds(const char *path, const struct medvl_text *bytes)
{
    struct medvl_mapping map = {0};
    const bool same = medvl_mapping_open(&map, path, NULL) == MEDVL_OK &&
                      map.size == bytes->size &&
                      memcmp(map.data, bytes->data, map.size) == 0;

    medvl_mapping_release(&map);
    return same;
}

int medvl_picture_write(const struct medvl_picture *picture, const char *path,
                        char hash[33], struct medvl_error *err)
{
    struct medvl_text bytes = {0}, name = {0};
    int rc = medvl_picture_encode(&bytes, picture, err);

    if (rc < 0)
        goto done;
    if (hash)
        medvl_hash128_hex(hash, bytes.data, bytes.size);
    if (holds(path, &bytes))
        goto done;
    /* Two threads, or two processes, may be writing the same picture. */
    rc = medvl_text_printf(&name, err, "%s.tmp-%ld", path,
                           syscall(SYS_gettid));
    if (rc < 0)
        goto done;
    rc = write_all(name.data, &bytes, err);
    if (rc == MEDVL_OK && rename(name.data, path) != 0)
        rc = medvl_fail_output(err, path);
    if (rc < 0)
        (void)unlink(name.data);
done:
    medvl_text_release(&bytes);
    medvl_text_release(&name);
    return rc;
}

/* ---- windows ---------------------------------------------------------- */

static bool find_window(struct medvl_window *out, const char *name)
{
    static const struct {
        const char *name;
        double centre, width;
    } NAMED[] = {
        {"brain", 40, 80},
        {"subdural", 75, 215},
        {"bone", 400, 1800},
        {"lung", -600, 1500},
        {"mediastinum", 50, 350},
        {"abdomen", 50, 400},
        {"liver", 30, 150},
    };

    *out = (struct medvl_window){.given = true};
    out->file = strcmp(name, "file") == 0;
    for (size_t i = 0; i < sizeof(NAMED) / sizeof(*NAMED); i++)
        if (strcmp(name, NAMED[i].name) == 0) {
            out->a = NAMED[i].centre;
            out->b = NAMED[i].width;
        }
    return out->file || out->b > 0;
}

int medvl_window_parse(struct medvl_window *out, const char *text,
                       struct medvl_error *err)
{
    const bool percentile = text[0] == 'p';
    const char *comma = strchr(text, ',');
    struct medvl_span a, b;
    double low = percentile ? 0 : -1e12, high = percentile ? 100 : 1e12;
    double x = 0, y = 0;

    if (find_window(out, text))
        return MEDVL_OK;
    if (!comma || (percentile && comma[1] != 'p'))
        return medvl_fail(err, MEDVL_EARG,
                          "window '%s': want C,W or pLO,pHI, file, or brain, "
                          "subdural, bone, lung, mediastinum, abdomen, liver",
                          text);
    a = (struct medvl_span){text + percentile,
                            (size_t)(comma - text) - percentile};
    b = medvl_span(comma + 1 + percentile);
    if (medvl_parse_real(&x, a, low, high, NULL) < 0 ||
        medvl_parse_real(&y, b, low, high, NULL) < 0)
        return medvl_fail(err, MEDVL_EARG,
                          "window '%s': want C,W or pLO,pHI, with numbers%s",
                          text, percentile ? " of 0..100" : "");
    if (percentile ? x >= y : y <= 0)
        return medvl_fail(err, MEDVL_EARG, "window '%s': %s", text,
                          percentile ? "the percentiles must rise"
                                     : "the width must be above 0");
    *out = (struct medvl_window){true, percentile, false, x, y};
    return MEDVL_OK;
}

/*
 * Percentiles by counting, not sorting: doubles as whole numbers in the same
 * order are counted by their upper 16 bits; then, in the two classes where
 * the wanted ranks fall, by the next 16, and so on until no value has bits
 * that are left.
 */
struct counts {
    int64_t of[2][65536];
};

/* Rising with the value. */
static uint64_t order_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The value of an order whose lower `left` bits of the value are 0. */
static double value_of(uint64_t order, int left)
{
    uint64_t bits = order >> 63 ? order & ~((uint64_t)1 << 63) : ~order;
    double value;

    bits &= ~(((uint64_t)1 << left) - 1);
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The class of the `*rank`-th (from 1), which becomes its rank in there. */
static uint64_t find_class(const int64_t counts[65536], int64_t *rank)
{
    uint64_t k = 0;

    while (*rank > counts[k])
        *rank -= counts[k++];
    return k;
}

/*
 * Count by the 16 bits above the lower `left` those that have class[e]
 * above these.  Returns all bits that are set in a value.
 */
static uint64_t count_values(struct counts *counts, int64_t *kept,
                             const uint64_t class[2], int left,
                             double (*value)(const void *, size_t),
                             const void *from, size_t count)
{
    uint64_t all = 0;

    memset(counts, 0, sizeof(*counts));
    *kept = 0;
    for (size_t i = 0; i < count; i++) {
        const double v = value(from, i);
        const uint64_t order = order_of(v);
        const uint64_t above = left < 48 ? order >> (left + 16) : 0;

        if (v == 0 || !isfinite(v))
            continue;
        all |= order >> 63 ? order : ~order;
        for (int e = 0; e < 2; e++)
            if (above == class[e])
                counts->of[e][order >> left & 0xffff]++;
        (*kept)++;
    }
    return all;
}

static void find_percentiles(double *ends[2], struct counts *counts,
                             const struct medvl_window *window,
                             double (*value)(const void *, size_t),
                             const void *from, size_t count)
{
    const double share[2] = {window->a / 100, window->b / 100};
    uint64_t class[2] = {0, 0}, all;
    int64_t rank[2] = {0, 0}, kept;
    int left = 64;

    do {
        left -= 16;
        all = count_values(counts, &kept, class, left, value, from, count);
        if (!kept)
            return;
        for (int e = 0; e < 2; e++) {
            const double r = ceil(share[e] * (double)kept);

            if (left == 48)
                rank[e] = r < 1 ? 1 : r > (double)kept ? kept
                                                       : (int64_t)r;
            class[e] = class[e] << 16 | find_class(counts->of[e], &rank[e]);
        }
    } while (all & (((uint64_t)1 << left) - 1));
    for (int e = 0; e < 2; e++)
        *ends[e] = value_of(class[e] << left, left);
}

int medvl_window_range(double *low, double *high,
                       const struct medvl_window *window,
                       double (*value)(const void *from, size_t index),
                       const void *from, size_t count,
                       struct medvl_error *err)
{
    struct counts *counts;

    if (!window->percentile) {
        *low = window->a - window->b / 2;
        *high = window->a + window->b / 2;
        return MEDVL_OK;
    }
    *low = 0;
    *high = 1;
    counts = medvl_alloc(1, sizeof(*counts));
    if (!counts)
        return medvl_no_memory(err);
    find_percentiles((double *[2]){low, high}, counts, window, value, from,
                     count);
    medvl_free(counts);
    return MEDVL_OK;
}

uint8_t medvl_window_apply(double value, double low, double high)
{
    if (value >= high)
        return 255;
    if (!(value > low))
        return 0;
    return (uint8_t)((value - low) / (high - low) * 255 + 0.5);
}

static double sample(const void *from, size_t index)
{
    const struct medvl_picture *picture = from;

    return picture->depth == 16 ? ((const uint16_t *)picture->data)[index]
                                : ((const uint8_t *)picture->data)[index];
}

int medvl_picture_window(struct medvl_picture *picture,
                         const struct medvl_window *window, double used[2],
                         struct medvl_error *err)
{
    const size_t count = (size_t)(picture->width * picture->height);
    struct medvl_picture out = {0};
    double low, high;
    int rc;

    if ((!window->given || window->file) && picture->depth == 8)
        return MEDVL_OK;
    if (window->file)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits has no window of its own "
                          "(--window C,W)",
                          picture->depth);
    if (!window->given)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits needs a window: --window C,W or "
                          "--window pLO,pHI",
                          picture->depth);
    if (picture->channels != 1)
        return medvl_fail(err, MEDVL_EARG,
                          "a window applies to grey, not to colour");
    rc = medvl_window_range(&low, &high, window, sample, picture, count, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_make(&out, picture->width, picture->height, 1, 8,
                                err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)out.data)[i] =
            medvl_window_apply(sample(picture, i), low, high);
    if (used) {
        used[0] = (low + high) / 2;
        used[1] = high - low;
    }
    medvl_picture_release(picture);
    *picture = out;
    return MEDVL_OK;
}
