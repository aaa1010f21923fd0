/*
 * Pictures that the helper decodes: TIFF, WebP and BMP.
 *
 * Read next: volume.c.
 */
#include "lib/image/load_part.h"

#include "lib/base/mem.h"

/* All frames of a file that is checked: seconds, not hours. */
#define CHECK_PIXELS ((int64_t)1 << 32)

int medvl_load_format(enum medvl_format *out, struct medvl_span bytes,
                      struct medvl_error *err)
{
    switch (medvl_picture_kind(bytes.data, bytes.size)) {
    case MEDVL_PICTURE_DICOM: *out = MEDVL_FORMAT_DICOM; return 1;
    case MEDVL_PICTURE_TIFF: *out = MEDVL_FORMAT_TIFF; return 1;
    case MEDVL_PICTURE_WEBP: *out = MEDVL_FORMAT_WEBP; return 1;
    case MEDVL_PICTURE_BMP: *out = MEDVL_FORMAT_BMP; return 1;
    case MEDVL_PICTURE_PNG:
    case MEDVL_PICTURE_JPEG: return 0;
    case MEDVL_PICTURE_OTHER: break;
    }
    return medvl_fail(err, MEDVL_EFORMAT,
                      "neither PNG, JPEG, TIFF, WebP, BMP nor DICOM");
}

/* Turn to a frame, within the limits. */
static int turn_to(struct medvl_decoded *file, struct medvl_load *load,
                   int64_t frame, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (frame || !file->bytes)
        rc = medvl_decoder_turn(file, load->decoder, frame, err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_check_size(file->size[1], file->size[2],
                                      load->options.pixels, err);
    return rc;
}

static int open_at(struct medvl_decoded *file, struct medvl_load *load,
                   enum medvl_format format, struct medvl_span bytes,
                   const struct medvl_load_what *what,
                   struct medvl_error *err)
{
    const int rc = medvl_load_file(load, format, bytes, what, err);

    if (rc < 0)
        return rc;
    *file = load->file.file;
    if (!file->frames)
        return medvl_fail(err, MEDVL_EFORMAT, "no picture in it");
    if (rc)
        file->bytes = 0; /* it may be turned to any frame */
    return turn_to(file, load, what->frame, err);
}

/* ---- a picture --------------------------------------------------------- */

struct values {
    const void *data;
    enum medvl_voxel type;
};

static double value_at(const void *from, size_t index)
{
    const struct values *v = from;

    return medvl_voxel_value(v->data, v->type, index);
}

/* Values that no picture holds as they are: through the window at once. */
static int map_values(struct medvl_loaded *out,
                      const struct medvl_decoded *file, const void *data,
                      const struct medvl_window *window,
                      struct medvl_error *err)
{
    const struct values values = {data, file->type};
    const size_t count = (size_t)(file->size[1] * file->size[2]);
    uint8_t *to;
    double low, high;
    int rc = medvl_window_range(&low, &high, window, value_at, &values, count,
                                err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_make(&out->picture, file->size[1], file->size[2],
                                1, 8, err);
    if (rc < 0)
        return rc;
    to = out->picture.data;
    for (size_t i = 0; i < count; i++)
        to[i] = medvl_window_apply(value_at(&values, i), low, high);
    out->window[0] = (low + high) / 2;
    out->window[1] = high - low;
    return MEDVL_OK;
}

static int load_values(struct medvl_loaded *out, struct medvl_load *load,
                       const struct medvl_decoded *file, int64_t frame,
                       const struct medvl_window *window,
                       struct medvl_error *err)
{
    const char *kind = file->type == MEDVL_VOXEL_U32  ? ""
                       : file->type < MEDVL_VOXEL_F32 ? " (int)"
                                                      : " (float)";
    void *data = NULL;
    int rc = MEDVL_OK;

    if (!window->given || window->file)
        return medvl_fail(err, MEDVL_EARG,
                          "grey of %d bits%s %s",
                          (int)medvl_voxel_bytes(file->type) * 8,
                          kind,
                          window->file ? "has no window of its own (--window "
                                         "C,W)"
                                       : "needs a window: --window C,W or "
                                         "--window pLO,pHI");
    data = medvl_alloc(file->bytes, 1);
    if (!data)
        return medvl_no_memory(err);
    rc = medvl_decoder_frame(data, load->decoder, frame, err);
    if (rc == MEDVL_OK)
        rc = map_values(out, file, data, window, err);
    medvl_free(data);
    return rc;
}

static void invert(struct medvl_picture *picture)
{
    const size_t count = medvl_picture_bytes(picture);
    uint8_t *at = picture->data;

    for (size_t i = 0; i < count; i++)
        at[i] ^= 255;
}

int medvl_load_decoded(struct medvl_loaded *out, struct medvl_load *load,
                       enum medvl_format format, struct medvl_span bytes,
                       const struct medvl_load_what *what,
                       const struct medvl_window *window,
                       struct medvl_error *err)
{
    struct medvl_picture *picture = &out->picture;
    struct medvl_decoded file = {0};
    int rc = open_at(&file, load, format, bytes, what, err);
    const bool grey = file.size[0] == 1;
    const bool stays =
        file.type == MEDVL_VOXEL_U8 || (grey && file.type == MEDVL_VOXEL_U16);

    if (rc < 0)
        return rc;
    if (!grey && (file.size[0] != 3 || !stays))
        return medvl_fail(err, MEDVL_EIO, "the decoder answers nonsense");
    if (!stays) {
        rc = load_values(out, load, &file, what->frame, window, err);
    } else {
        rc = medvl_picture_make(picture, file.size[1], file.size[2],
                                (int)file.size[0],
                                file.type == MEDVL_VOXEL_U8 ? 8 : 16, err);
        if (rc == MEDVL_OK)
            rc = medvl_decoder_frame(picture->data, load->decoder,
                                     what->frame, err);
        if (rc == MEDVL_OK)
            rc = medvl_picture_window(picture, window, out->window, err);
    }
    if (rc == MEDVL_OK && file.inverse)
        invert(picture);
    if (rc == MEDVL_OK)
        rc = medvl_picture_turn(picture, file.orientation, err);
    return rc;
}

/* ---- shapes ------------------------------------------------------------ */

static void fill_shape(struct medvl_load_shape *out,
                       const struct medvl_decoded *file)
{
    const bool lies = file->orientation >= 5;

    out->frames = file->frames;
    out->width = file->size[lies ? 2 : 1];
    out->height = file->size[lies ? 1 : 2];
    out->channels = (int)file->size[0];
    out->type = file->type;
}

/*
 * Open the helper's file at its first frame.  Returns 1 then, 0 for a format
 * that is decoded here.
 */
static int open_first(struct medvl_decoded *file, struct medvl_load *load,
                      struct medvl_span bytes, struct medvl_error *err)
{
    const struct medvl_load_what first = {0};
    enum medvl_format format;
    int rc = medvl_load_format(&format, bytes, err);

    if (rc <= 0)
        return rc;
    rc = open_at(file, load, format, bytes, &first, err);
    return rc < 0 ? rc : 1;
}

int medvl_load_probe(struct medvl_load_shape *out, struct medvl_load *load,
                     struct medvl_span bytes, struct medvl_error *err)
{
    struct medvl_decoded file = {0};
    const int rc = open_first(&file, load, bytes, err);

    *out = (struct medvl_load_shape){.frames = 1};
    if (rc < 0)
        return rc;
    if (!rc)
        return medvl_picture_probe(&out->width, &out->height, bytes.data,
                                   bytes.size, load->options.pixels, err);
    fill_shape(out, &file);
    return MEDVL_OK;
}

int medvl_load_probe_frame(struct medvl_load_shape *out,
                           struct medvl_load *load, int64_t frame,
                           struct medvl_error *err)
{
    struct medvl_decoded file = {.frames = out->frames};
    const int rc = turn_to(&file, load, frame, err);

    if (rc == MEDVL_OK)
        fill_shape(out, &file);
    return rc;
}

/* One frame of the open file, decoded and forgotten. */
static int check_frame(struct medvl_decoded *file, struct medvl_load *load,
                       int64_t frame, struct medvl_error *err)
{
    void *data = NULL;
    int rc = turn_to(file, load, frame, err);

    if (rc == MEDVL_OK) {
        data = medvl_alloc(file->bytes, 1);
        rc = data ? medvl_decoder_frame(data, load->decoder, frame, err)
                  : medvl_no_memory(err);
    }
    medvl_free(data);
    return rc;
}

/* Are all frames of the open file within a limit, and whole? */
static int check_frames(struct medvl_decoded *file, struct medvl_load *load,
                        struct medvl_error *err)
{
    const int64_t frames = file->frames;
    int64_t pixels = 0, i = 0;
    int rc = MEDVL_OK;

    for (; i < frames && rc == MEDVL_OK; i++) {
        rc = turn_to(file, load, i, err);
        pixels += file->size[1] * file->size[2];
    }
    if (rc == MEDVL_OK && pixels > CHECK_PIXELS)
        return medvl_fail(err, MEDVL_EARG,
                          "more than 2^32 pixels in %lld frames",
                          (long long)frames);
    if (rc == MEDVL_OK && frames > 1)
        rc = medvl_decoder_turn(file, load->decoder, 0, err);
    for (i = rc < 0 ? i : 0; i < frames && rc == MEDVL_OK; i++)
        rc = check_frame(file, load, i, err);
    if (rc < 0 && frames > 1)
        medvl_context(err, "frame %lld", (long long)i);
    return rc;
}

static int check_here(struct medvl_load_shape *out,
                      const struct medvl_load *load,
                      struct medvl_span bytes, struct medvl_error *err)
{
    struct medvl_picture picture = {0};
    const int rc = medvl_picture_decode(&picture, bytes.data, bytes.size,
                                        load->options.pixels, err);

    out->frames = 1;
    out->width = picture.width;
    out->height = picture.height;
    out->channels = picture.channels;
    out->type = picture.depth == 16 ? MEDVL_VOXEL_U16 : MEDVL_VOXEL_U8;
    medvl_picture_release(&picture);
    return rc;
}

int medvl_load_check(struct medvl_load_shape *out,
                     struct medvl_load *load, struct medvl_span bytes,
                     struct medvl_error *err)
{
    struct medvl_decoded file = {0};
    const int rc = open_first(&file, load, bytes, err);

    *out = (struct medvl_load_shape){0};
    if (rc < 0)
        return rc;
    if (!rc)
        return check_here(out, load, bytes, err);
    fill_shape(out, &file);
    return check_frames(&file, load, err);
}
