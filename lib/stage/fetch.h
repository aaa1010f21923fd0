/*
 * The picture of an entry of a record's "images", from wherever its bytes
 * are, decoded: "path", "data" or "shard" with "index", and of a file with
 * several pictures the "frame".
 *
 * Read next: import.h.
 */
#ifndef MEDVL_STAGE_FETCH_H
#define MEDVL_STAGE_FETCH_H

#include "lib/data/source.h"
#include "lib/image/load.h"

struct medvl_fetch_options {
    const char *root; /* paths in records are below it; NULL: none */
    struct medvl_load_options load;

    /*
     * For looking at: grey that needs a window and gets none is shown by
     * the file's own, and where there is none from its least value that is
     * not zero to its largest.
     */
    bool show;
};

/* One thread at a time uses it. */
struct medvl_fetch;
int medvl_fetch_open(struct medvl_fetch **out,
                     const struct medvl_fetch_options *options,
                     struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_fetch_free(struct medvl_fetch *fetch);

/* Filled by a call; the caller releases loaded.picture. */
struct medvl_fetched {
    struct medvl_loaded loaded;
    struct medvl_load_what what; /* which picture of the file */
    char hash[33];               /* of the file's bytes; "": none were read */
};

/*
 * Read and decode.  Errors of decoding name the path, where there is one;
 * `hash` and `what` are then filled all the same.
 *
 *   image   the entry
 */
int medvl_fetch_picture(struct medvl_fetched *out, struct medvl_fetch *fetch,
                        const struct medvl_json *image,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
