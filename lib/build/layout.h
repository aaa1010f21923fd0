/*
 * Known layouts of data sets: each reads files as they are distributed and
 * gives records.
 *
 *   vqa-rad    FILE   records as JSON Lines, or the original JSON array
 *   medmnist   FOLDER {train,val,test}_{images,labels}.npy
 *   bccd       FILE   JSON Lines with "boxes" [label, x0, y0, x1, y1]
 *   captions   FILE   JSON Lines with "image" and "caption"
 *   images     PATH   pictures, or a folder of them
 *
 * Read next: series.h.
 */
#ifndef MEDVL_BUILD_LAYOUT_H
#define MEDVL_BUILD_LAYOUT_H

#include "lib/base/json.h"
#include "lib/image/load.h"

struct medvl_layout_job {
    const char *path;          /* operand: file or folder */
    const char *images;        /* folder of pictures; NULL: as the layout has */
    const char *out;           /* folder for pictures that are made, or NULL */
    const char *root;          /* paths in records are below it, or NULL */
    const char *split;         /* for sets that do not say; or NULL */
    const char *source;        /* instead of the layout's name, or NULL */
    const char *license;       /* instead of the layout's, or NULL */
    struct medvl_load *load;   /* NULL: pictures are PNG and JPEG alone */
    const char *const *labels; /* of medmnist; NULL: known sets only */
    size_t label_count;

    /*
     * Called for each record: `json` is its object, `human` the names of
     * the fields that people made, separated by spaces.
     */
    int (*put)(void *arg, struct medvl_span json, const char *human,
               struct medvl_error *err);

    /*
     * Called where an item cannot be read, with the place in err: MEDVL_OK
     * goes on with the next.
     */
    int (*bad)(void *arg, struct medvl_error *err);
    void *arg;
};

struct medvl_layout {
    const char *name;
    int (*read)(const struct medvl_layout_job *job, struct medvl_error *err);
};

/* NULL when there is no layout of that name. */
const struct medvl_layout *medvl_layout_find(const char *name);

/*
 * A NumPy array file, version 1 to 3, of uint8 in C order, up to 4
 * dimensions.  `data` points into `bytes`.  MEDVL_EFORMAT unless the size
 * is exactly what the header says.
 */
struct medvl_npy {
    int rank;
    int64_t size[4];
    const unsigned char *data;
};
int medvl_npy_parse(struct medvl_npy *out, struct medvl_span bytes,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* `path` as records have it: without the folder `root` (or NULL). */
const char *medvl_layout_below(const char *path, const char *root);

#endif
