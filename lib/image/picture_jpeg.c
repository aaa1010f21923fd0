/*
 * JPEG in, through libjpeg-turbo.
 *
 * The library reports errors by longjmp.  What must survive the jump stands
 * in a struct of the function that calls setjmp, never in a local variable
 * that changes in between.
 *
 * Read next: picture_write.c.
 */
#include "lib/image/picture_part.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* After <stdio.h>, in this order: they do not include what they need. */
#include <jpeglib.h>

#include <jerror.h>

#include "lib/base/mem.h"

/* Memory of a progressive JPEG's coefficients, and its scans. */
#define JPEG_MEMORY ((long)256 << 20)
#define JPEG_SCANS  500

static int jpeg_orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 &&
            memcmp(m->data, "Exif\0", 6) == 0)
            return medvl_picture_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    struct medvl_picture picture;
    uint8_t *inks; /* a row of CMYK */
    const unsigned char *data;
    size_t size;
    const struct medvl_picture_options *options;
    int orientation, shrink;
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

/*
 * The largest power of two (those have SIMD) that leaves what is to be
 * covered.  A side is rounded up, as the decoder does; where that would
 * come to stand first, because the picture is turned, it is not done.
 */
static int find_shrink(const struct jpeg_job *job)
{
    const int64_t *cover = job->options->cover;
    const bool swap = job->orientation >= 5;
    const int64_t w = cover[swap], h = cover[!swap];
    int shrink = 1;

    if (w < 1 && h < 1)
        return 1;
    while (shrink < 8 && job->width >= w * 2 * shrink &&
           job->height >= h * 2 * shrink &&
           (job->orientation == 1 || (job->width % (2 * shrink) == 0 &&
                                      job->height % (2 * shrink) == 0)))
        shrink *= 2;
    return shrink;
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
    job->shrink = find_shrink(job);
    if (jpeg->num_components != 1 && jpeg->num_components != 3 &&
        jpeg->num_components != 4)
        return medvl_fail(job->err, MEDVL_EUNSUPPORTED,
                          "JPEG: %d components; grey, RGB and CMYK are read",
                          jpeg->num_components);
    return medvl_picture_check_size(job->width, job->height,
                                    job->options->pixels, job->err);
}

/*
 * CMYK as Pillow takes it: always stored inverted, as Adobe does, so that
 * `inks` says how much white is left; and its way to divide by 255.
 */
static void inks_to_rgb(uint8_t *out, const uint8_t *inks, int64_t width)
{
    for (int64_t x = 0; x < width; x++, out += 3, inks += 4)
        for (int c = 0; c < 3; c++) {
            const int shade = (255 - inks[c]) * inks[3] + 128;

            out[c] = (uint8_t)(inks[3] - (((shade >> 8) + shade) >> 8));
        }
}

static void read_rows(struct jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    const size_t row = medvl_picture_row(&job->picture);

    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *out = (uint8_t *)job->picture.data +
                       jpeg->output_scanline * row;
        JSAMPROW to = job->inks ? job->inks : out;

        (void)jpeg_read_scanlines(jpeg, &to, 1);
        if (job->inks)
            inks_to_rgb(out, job->inks, job->picture.width);
    }
}

static int read_jpeg(struct jpeg_job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    int rc = read_jpeg_header(job);
    const int components = jpeg->num_components;

    if (rc < 0 || job->probe)
        return rc;
    job->progress.progress_monitor = on_jpeg_progress;
    jpeg->progress = &job->progress;
    jpeg->out_color_space = components == 1   ? JCS_GRAYSCALE
                            : components == 3 ? JCS_RGB
                                              : JCS_CMYK;
    jpeg->scale_num = 1;
    jpeg->scale_denom = (unsigned int)job->shrink;
    (void)jpeg_start_decompress(jpeg);
    rc = medvl_picture_room(&job->picture, jpeg->output_width,
                            jpeg->output_height, components == 1 ? 1 : 3, 8,
                            job->err);
    if (rc < 0)
        return rc;
    if (components == 4) {
        job->inks = medvl_alloc(jpeg->output_width, 4);
        if (!job->inks)
            return medvl_no_memory(job->err);
    }
    read_rows(job);
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
    medvl_free(job->inks);
    if (job->err == &fallback)
        job->err = NULL;
    return rc;
}

int medvl_picture_decode_jpeg(struct medvl_picture *out,
                              struct medvl_picture_file *file,
                              const unsigned char *data, size_t size,
                              const struct medvl_picture_options *options,
                              struct medvl_error *err)
{
    struct jpeg_job job = {
        .data = data, .size = size, .options = options, .err = err};
    int rc = run_jpeg(&job);
    const bool swap = job.orientation >= 5;

    file->width = swap ? job.height : job.width;
    file->height = swap ? job.width : job.height;
    file->shrink = job.shrink;

    if (rc == MEDVL_OK)
        rc = medvl_picture_turn(&job.picture, job.orientation, err);
    if (rc == MEDVL_OK)
        *out = job.picture;
    else
        medvl_picture_release(&job.picture);
    return rc;
}

int medvl_picture_probe_jpeg(int64_t *width, int64_t *height,
                             const unsigned char *data, size_t size,
                             int64_t pixels, struct medvl_error *err)
{
    const struct medvl_picture_options options = {.pixels = pixels};
    struct jpeg_job job = {.data = data,
                           .size = size,
                           .options = &options,
                           .probe = true,
                           .err = err};
    const int rc = run_jpeg(&job);

    if (rc == MEDVL_OK) {
        *width = job.orientation >= 5 ? job.height : job.width;
        *height = job.orientation >= 5 ? job.width : job.height;
    }
    return rc;
}
