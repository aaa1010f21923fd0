/*
 * Any picture file from its bytes.
 *
 * Read next: load_decode.c.
 */
#include "lib/image/load.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/image/dicom.h"
#include "lib/image/load_part.h"

/* Bytes of a file that is better not held twice. */
#define LARGE ((size_t)1 << 24)

int medvl_load_open(struct medvl_load **out,
                    const struct medvl_load_options *options,
                    struct medvl_error *err)
{
    struct medvl_load *loader = medvl_alloc(1, sizeof(*loader));

    *out = loader;
    if (!loader)
        return medvl_no_memory(err);
    loader->options = *options;
    return MEDVL_OK;
}

void medvl_load_free(struct medvl_load *loader)
{
    if (!loader)
        return;
    medvl_load_forget(loader);
    medvl_decoder_free(loader->decoder);
    medvl_free(loader);
}

void medvl_load_forget(struct medvl_load *loader)
{
    loader->hash[0] = 0;
    medvl_dicom_release(&loader->file);
}

static int open_dicom(struct medvl_load *loader, struct medvl_span bytes,
                      const char *path, struct medvl_error *err)
{
    if (path && bytes.size >= LARGE)
        return medvl_dicom_file(&loader->file, loader->decoder, path, err);
    return medvl_dicom_bytes(&loader->file, loader->decoder, bytes, err);
}

int medvl_load_file(struct medvl_load *loader, enum medvl_format format,
                    struct medvl_span bytes,
                    const struct medvl_load_what *what,
                    struct medvl_error *err)
{
    const char *hash = what->hash ? what->hash : "";
    int rc = MEDVL_OK;

    if (*hash && strcmp(hash, loader->hash) == 0)
        return 1;
    medvl_load_forget(loader);
    if (!loader->decoder)
        rc = medvl_decoder_open(&loader->decoder, loader->options.helper, 0,
                                err);
    if (rc == MEDVL_OK)
        rc = format == MEDVL_FORMAT_DICOM
                 ? open_dicom(loader, bytes, what->path, err)
                 : medvl_decoder_bytes(&loader->file.file, loader->decoder,
                                       format, bytes, err);
    if (rc == MEDVL_OK && strlen(hash) < sizeof(loader->hash))
        memcpy(loader->hash, hash, strlen(hash) + 1);
    return rc;
}

static int load_dicom(struct medvl_loaded *out, struct medvl_load *loader,
                      struct medvl_span bytes,
                      const struct medvl_load_what *what,
                      struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    int rc = medvl_load_file(loader, MEDVL_FORMAT_DICOM, bytes, what, err);

    if (rc < 0)
        return rc;
    rc = medvl_dicom_picture(&out->picture, &loader->file, loader->decoder,
                             what->frame, &o->window, o->pixels, out->window,
                             err);
    if (rc == MEDVL_OK && o->overlays)
        rc = medvl_dicom_overlays(&out->picture, &loader->file,
                                  loader->decoder, what->frame, err);
    return rc;
}

static int load_here(struct medvl_loaded *out,
                     const struct medvl_load *loader,
                     struct medvl_span bytes,
                     const struct medvl_window *window,
                     struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    const struct medvl_picture_options how = {
        .pixels = o->pixels,
        .cover = {o->cover[0], o->cover[1]},
    };
    int rc = medvl_picture_decode_with(&out->picture, &out->file, bytes.data,
                                       bytes.size, &how, err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_window(&out->picture, window, out->window, err);
    return rc;
}

/* The window in stored values, and what was used back in real ones. */
static int load_scaled(struct medvl_loaded *out, struct medvl_load *loader,
                       struct medvl_span bytes,
                       const struct medvl_load_what *what,
                       struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    const double slope = what->slope != 0 ? what->slope : o->slope;
    const double intercept =
        what->slope != 0 ? what->intercept : o->intercept;
    struct medvl_window window = o->window;
    enum medvl_format format;
    int rc;

    if (!window.percentile && !window.file && slope != 0) {
        window.a = (window.a - intercept) / slope;
        window.b /= slope;
    }
    rc = medvl_load_format(&format, bytes, err);
    if (rc < 0)
        return rc;
    if (rc)
        rc = medvl_load_decoded(out, loader, format, bytes, what,
                                &window, err);
    else if (what->frame != 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "frame %lld of a file with one picture",
                        (long long)what->frame);
    else
        rc = load_here(out, loader, bytes, &window, err);
    if (slope != 0 && out->window[1] > 0) {
        out->window[0] = out->window[0] * slope + intercept;
        out->window[1] *= slope;
    }
    return rc;
}

int medvl_load_bytes(struct medvl_loaded *out, struct medvl_load *loader,
                     struct medvl_span bytes,
                     const struct medvl_load_what *what,
                     struct medvl_error *err)
{
    const struct medvl_load_what first = {0};
    int rc;

    *out = (struct medvl_loaded){0};
    what = what ? what : &first;
    if (medvl_dicom_is(bytes.data, bytes.size))
        rc = load_dicom(out, loader, bytes, what, err);
    else
        rc = load_scaled(out, loader, bytes, what, err);
    if (!out->file.shrink) {
        out->file.width = out->picture.width;
        out->file.height = out->picture.height;
        out->file.shrink = 1;
    }
    if (rc < 0) {
        medvl_load_forget(loader); /* an error may have closed it */
        medvl_picture_release(&out->picture);
    }
    return rc;
}
