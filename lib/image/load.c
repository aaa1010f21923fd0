/*
 * Any picture file from its bytes.
 *
 * Read next: volume.c.
 */
#include "lib/image/load.h"

#include "lib/base/mem.h"
#include "lib/image/decode.h"
#include "lib/image/dicom.h"

struct medvl_loader {
    struct medvl_load_options options;
    struct medvl_decoder *decoder; /* from the first file that needs it */
};

int medvl_loader_open(struct medvl_loader **out,
                      const struct medvl_load_options *options,
                      struct medvl_error *err)
{
    struct medvl_loader *loader = medvl_alloc(1, sizeof(*loader));

    *out = loader;
    if (!loader)
        return medvl_no_memory(err);
    loader->options = *options;
    return MEDVL_OK;
}

void medvl_loader_free(struct medvl_loader *loader)
{
    if (loader)
        medvl_decoder_free(loader->decoder);
    medvl_free(loader);
}

static int need_decoder(struct medvl_loader *loader, struct medvl_error *err)
{
    if (loader->decoder)
        return MEDVL_OK;
    return medvl_decoder_open(&loader->decoder, loader->options.helper, 0,
                              err);
}

static int load_dicom(struct medvl_loaded *out, struct medvl_loader *loader,
                      struct medvl_span bytes, int64_t frame,
                      struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    struct medvl_dicom dicom = {0};
    int rc = need_decoder(loader, err);

    if (rc == MEDVL_OK)
        rc = medvl_dicom_bytes(&dicom, loader->decoder, bytes, err);
    if (rc == MEDVL_OK)
        rc = medvl_dicom_picture(&out->picture, &dicom, loader->decoder,
                                 frame, &o->window, o->pixels, out->window,
                                 err);
    medvl_dicom_release(&dicom);
    out->file.width = out->picture.width;
    out->file.height = out->picture.height;
    out->file.shrink = 1;
    return rc;
}

/* The window in stored values, and what was used back in real ones. */
static int load_here(struct medvl_loaded *out, struct medvl_loader *loader,
                     struct medvl_span bytes, double slope, double intercept,
                     struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    struct medvl_window window = o->window;
    int rc;

    if (!window.percentile && !window.file && slope != 0) {
        window.a = (window.a - intercept) / slope;
        window.b /= slope;
    }
    rc = medvl_picture_decode_with(
        &out->picture, &out->file, bytes.data, bytes.size,
        &(struct medvl_picture_options){o->pixels,
                                        {o->cover[0], o->cover[1]}},
        err);
    if (rc == MEDVL_OK)
        rc = medvl_picture_window(&out->picture, &window, out->window, err);
    if (slope != 0) {
        out->window[0] = out->window[0] * slope + intercept;
        out->window[1] *= slope;
    }
    return rc;
}

int medvl_loader_bytes(struct medvl_loaded *out, struct medvl_loader *loader,
                       struct medvl_span bytes,
                       const struct medvl_load_what *what,
                       struct medvl_error *err)
{
    const struct medvl_load_options *o = &loader->options;
    const struct medvl_load_what first = {0};
    int rc;

    *out = (struct medvl_loaded){0};
    what = what ? what : &first;
    if (medvl_dicom_is(bytes.data, bytes.size))
        rc = load_dicom(out, loader, bytes, what->frame, err);
    else if (what->frame != 0)
        rc = medvl_fail(err, MEDVL_EARG,
                        "frame %lld of a file with one picture",
                        (long long)what->frame);
    else if (what->slope != 0)
        rc = load_here(out, loader, bytes, what->slope, what->intercept, err);
    else
        rc = load_here(out, loader, bytes, o->slope, o->intercept, err);
    if (rc < 0)
        medvl_picture_release(&out->picture);
    return rc;
}
