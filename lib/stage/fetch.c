/*
 * A picture of a record: see fetch.h.
 *
 * Read next: import.c.
 */
#include "lib/stage/fetch.h"

#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

/* Loaders for one picture: the second where the first wants a window. */
enum { ASKED,
       RANGE,
       LOADERS };

struct medvl_fetch {
    struct medvl_source *source;
    struct medvl_load *loaders[LOADERS];
    char hash[33]; /* of the last file */
};

void medvl_fetch_free(struct medvl_fetch *fetch)
{
    if (!fetch)
        return;
    medvl_source_free(fetch->source);
    for (int i = 0; i < LOADERS; i++)
        medvl_load_free(fetch->loaders[i]);
    medvl_free(fetch);
}

int medvl_fetch_open(struct medvl_fetch **out,
                     const struct medvl_fetch_options *options,
                     struct medvl_error *err)
{
    const bool show = options->show && !options->load.window.given;
    struct medvl_fetch *fetch = medvl_alloc(1, sizeof(*fetch));
    struct medvl_load_options load = options->load;
    int rc;

    *out = NULL;
    if (!fetch)
        return medvl_no_memory(err);
    rc = medvl_source_open(&fetch->source, options->root, 0, err);
    if (show)
        load.window = (struct medvl_window){.given = true, .file = true};
    if (rc == MEDVL_OK)
        rc = medvl_load_open(&fetch->loaders[ASKED], &load, err);
    load.window = (struct medvl_window){
        .given = true, .percentile = true, .a = 0, .b = 100};
    if (rc == MEDVL_OK && show)
        rc = medvl_load_open(&fetch->loaders[RANGE], &load, err);
    if (rc == MEDVL_OK)
        *out = fetch;
    else
        medvl_fetch_free(fetch);
    return rc;
}

/* Frame "frame" of the file, from 0, values through "rescale". */
static int read_what(struct medvl_load_what *what,
                     const struct medvl_json *image, struct medvl_error *err)
{
    const struct medvl_json *rescale = medvl_json_get(image, "rescale");
    int rc = MEDVL_OK;

    if (medvl_json_get(image, "frame"))
        rc = medvl_json_get_int(&what->frame, image, "frame", 0, INT32_MAX,
                                err);
    if (rc < 0 || !rescale)
        return rc;
    what->slope = medvl_json_number(medvl_json_at(rescale, 0), NAN);
    what->intercept = medvl_json_number(medvl_json_at(rescale, 1), NAN);
    if (medvl_json_count(rescale) != 2 || !(what->slope > 0) ||
        !isfinite(what->slope) || !isfinite(what->intercept))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"rescale\" is not [slope, intercept] with a "
                          "slope above 0");
    return MEDVL_OK;
}

static int decode(struct medvl_fetched *out, struct medvl_fetch *fetch,
                  struct medvl_span bytes, struct medvl_error *err)
{
    struct medvl_load_what what = out->what;
    struct medvl_error first = {0};
    int rc;

    what.hash = out->hash;
    what.path = medvl_source_path(fetch->source);
    rc = medvl_load_bytes(&out->loaded, fetch->loaders[ASKED], bytes, &what,
                          &first);

    if (rc == MEDVL_EARG && fetch->loaders[RANGE])
        return medvl_load_bytes(&out->loaded, fetch->loaders[RANGE], bytes,
                                &what, err);
    if (rc < 0)
        *err = first;
    return rc;
}

int medvl_fetch_picture(struct medvl_fetched *out, struct medvl_fetch *fetch,
                        const struct medvl_json *image,
                        struct medvl_error *err)
{
    const char *path = medvl_json_string(medvl_json_get(image, "path"));
    struct medvl_span bytes = {0};
    int rc;

    *out = (struct medvl_fetched){0};
    rc = read_what(&out->what, image, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_read(&bytes, fetch->source, image, err);
    if (rc < 0)
        return rc;
    if (!medvl_source_again(fetch->source) || !*fetch->hash)
        medvl_hash128_hex(fetch->hash, bytes.data, bytes.size);
    memcpy(out->hash, fetch->hash, sizeof(out->hash));
    rc = decode(out, fetch, bytes, err);
    return rc < 0 && path && !strstr(err->text, path)
               ? medvl_context(err, "%s", path)
               : rc;
}
