/*
 * WebP through libwebp, from memory.  A frame of an animation is the whole
 * canvas at that moment, as libwebp's own composer shows it: over nothing,
 * whatever background the file proposes.  Alpha is dropped.
 *
 * Read next: decode_bmp.c.
 */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "cmd/decode.h"
#include "lib/base/mem.h"
#include "lib/image/picture.h"

/* Pixels of an animation's canvas: libwebp holds it twice, with alpha. */
#define CANVAS_MOST ((int64_t)1 << 24)

struct webp {
    WebPData file;
    WebPDemuxer *demux;
    WebPAnimDecoder *movie; /* NULL: one picture */
    int64_t next;           /* the frame that the movie gives next */
    int64_t width, height;
};

static int damaged(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT, "WebP: damaged or cut short");
}

static void webp_close(void *file)
{
    struct webp *w = file;

    if (w->movie)
        WebPAnimDecoderDelete(w->movie);
    if (w->demux)
        WebPDemuxDelete(w->demux);
    medvl_free(w);
}

/* Some writers put JPEG's mark before the TIFF header. */
static int find_orientation(const struct webp *w)
{
    WebPChunkIterator chunk;
    const uint8_t *exif;
    size_t size;
    int orientation;

    if (!WebPDemuxGetChunk(w->demux, "EXIF", 1, &chunk))
        return 1;
    exif = chunk.chunk.bytes;
    size = chunk.chunk.size;
    if (size >= 6 && memcmp(exif, "Exif\0", 6) == 0) {
        exif += 6;
        size -= 6;
    }
    orientation = medvl_picture_orientation(exif, size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

static int open_movie(struct webp *w, struct medvl_error *err)
{
    WebPAnimDecoderOptions options;

    if (w->width * w->height > CANVAS_MOST)
        return medvl_fail(err, MEDVL_EARG,
                          "WebP: an animation of %lld x %lld pixels is over "
                          "the limit of %lld",
                          (long long)w->width, (long long)w->height,
                          (long long)CANVAS_MOST);
    if (!WebPAnimDecoderOptionsInit(&options))
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "WebP: libwebpdemux is of another version");
    options.color_mode = MODE_RGBA;
    w->movie = WebPAnimDecoderNew(&w->file, &options);
    return w->movie ? MEDVL_OK : damaged(err);
}

static int read_header(struct webp *w, struct medvl_decode_answer *answer,
                       struct medvl_error *err)
{
    bool moves;
    int rc;

    if (!w->demux)
        return damaged(err);
    moves = WebPDemuxGetI(w->demux, WEBP_FF_FORMAT_FLAGS) & ANIMATION_FLAG;
    w->width = WebPDemuxGetI(w->demux, WEBP_FF_CANVAS_WIDTH);
    w->height = WebPDemuxGetI(w->demux, WEBP_FF_CANVAS_HEIGHT);
    rc = decode_picture_shape(
        answer, moves ? WebPDemuxGetI(w->demux, WEBP_FF_FRAME_COUNT) : 1,
        w->width, w->height, 3, MEDVL_VOXEL_U8, err);
    if (rc == MEDVL_OK && answer->frames < 1)
        rc = damaged(err);
    if (rc == MEDVL_OK && moves)
        rc = open_movie(w, err);
    if (rc == MEDVL_OK)
        answer->orientation = find_orientation(w);
    return rc;
}

static int webp_open(void **out, struct medvl_decode_answer *answer,
                     struct medvl_text *tags, const char *path,
                     const void *contents, size_t size,
                     struct medvl_error *err)
{
    struct webp *w;
    int rc;

    (void)tags;
    if (path)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "WebP by its path");
    w = medvl_alloc(1, sizeof(*w));
    if (!w)
        return medvl_no_memory(err);
    w->file.bytes = contents;
    w->file.size = size;
    w->demux = WebPDemux(&w->file);
    rc = read_header(w, answer, err);
    if (rc < 0)
        webp_close(w);
    else
        *out = w;
    return rc;
}

/* Frames stand on those before them. */
static int read_movie(struct webp *w, uint8_t *out, int64_t index,
                      struct medvl_error *err)
{
    const int64_t count = w->width * w->height;
    uint8_t *canvas = NULL;
    int time;

    if (index < w->next) {
        WebPAnimDecoderReset(w->movie);
        w->next = 0;
    }
    for (; w->next <= index; w->next++)
        if (!WebPAnimDecoderGetNext(w->movie, &canvas, &time)) {
            WebPAnimDecoderReset(w->movie);
            w->next = 0;
            return damaged(err);
        }
    for (int64_t i = 0; i < count; i++)
        memcpy(out + i * 3, canvas + i * 4, 3);
    return MEDVL_OK;
}

static int webp_frame(void *file, void *out, size_t bytes, int64_t index,
                      struct medvl_error *err)
{
    struct webp *w = file;

    if (w->movie)
        return read_movie(w, out, index, err);
    if (!WebPDecodeRGBInto(w->file.bytes, w->file.size, out, bytes,
                           (int)w->width * 3))
        return damaged(err);
    return MEDVL_OK;
}

const struct decode_reader decode_webp = {webp_open, webp_frame, webp_close,
                                          NULL};
