/*
 * What the parts of the image preprocessor share: a stage's options as they
 * were understood, and the picture on its way.  Only lib/stage/image*.c
 * and sheet*.c include this.
 *
 * All that happens to a picture's geometry is kept as steps, an affine map
 * and a size each; regions and spacing are computed from them alone.
 *
 * Read next: sheet.h.
 */
#ifndef MEDVL_STAGE_IMAGE_PART_H
#define MEDVL_STAGE_IMAGE_PART_H

#include "lib/base/json.h"
#include "lib/data/source.h"
#include "lib/image/anomaly.h"
#include "lib/image/augment.h"
#include "lib/image/resize.h"
#include "lib/image/shape.h"
#include "lib/stage/fetch.h"
#include "lib/stage/image.h"
#include "lib/text/side.h"

struct medvl_image_stage {
    struct medvl_image_options options;
    struct medvl_load_options load;
    struct medvl_augment augment;
    struct medvl_anomaly anomaly;
    bool swap;   /* words, rather than leave pictures */
    bool random; /* copies differ */
    struct medvl_box crop;
    bool crop_box; /* numbers, not a region's field */
    int64_t width, height;
    enum medvl_fit fit;
    enum medvl_filter filter;
    uint8_t background[3], color[3];
    int64_t scale; /* of coordinates that come in; 0: pixels */
    char *folder;  /* root and out */
    struct medvl_want *pictures, *drawn, *left;
};

/* A picture on its way; `loaded` stays for the next copy. */
struct medvl_image_worker {
    const struct medvl_image_stage *stage;
    struct medvl_fetch *fetch;
    struct medvl_source *source; /* of masks that are files */
    struct medvl_loaded loaded;
    struct medvl_picture picture;
    struct medvl_steps steps; /* of the picture since it was loaded */
    char source_hash[33];     /* of the bytes, and the frame */
    double window[2];         /* applied; width 0: none */
    struct medvl_draw draw;
    struct medvl_rng noise; /* where its stream was before the noise */
    bool chose;             /* a region of the record, to draw */
    uint64_t item;          /* of the random stream */

    /* Of the record: which flips its text is against, once looked at. */
    struct medvl_sides sides;
    bool knows_sides;

    /* Of the copy. */
    struct medvl_flip flip;
    unsigned swapped; /* flips whose words are swapped in the record */
    bool anomalous;
    struct medvl_rng anomaly;
    struct medvl_text name, buffer, regions, images;
};

/* Understand stage->options. */
int medvl_image_parse(struct medvl_image_stage *stage,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* The image's member, or {NULL, 0} where it is absent or null. */
struct medvl_span medvl_image_get(const struct medvl_json_view *image,
                                  const char *name);

/* Is every pixel where it was? */
bool medvl_image_is_still(const struct medvl_image_worker *worker);

/* Is the region chosen by --draw or --crop?  "all" chooses every one. */
bool medvl_image_is_chosen(const struct medvl_json *region,
                           const char *field);

/*
 * The box around what marks a region, before the steps.  Returns 1; or 0
 * where nothing marks it.
 */
int medvl_image_extent(struct medvl_box *box,
                       const struct medvl_image_worker *worker,
                       const struct medvl_json *region,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Draw the copy's flips and pass over those that the record's text is
 * against; with sides swap, put the text's opposite into the record.
 *
 *   rng   of the copy; stays as it is
 */
int medvl_image_flip(struct medvl_image_worker *worker,
                     struct medvl_record *record,
                     const struct medvl_rng *rng,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* Append the JSON with the words of the flips swapped in its strings. */
int medvl_image_swap(struct medvl_text *out, struct medvl_span json,
                     unsigned flips,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Crop worker->picture, put an anomaly on it, augment and resize it, and
 * note the steps; an anomaly's region is added to the image's.
 */
int medvl_image_geometry(struct medvl_image_worker *worker,
                         struct medvl_json_view *image,
                         struct medvl_rng *rng,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Take the regions along, draw the chosen ones, and set "regions". */
int medvl_image_regions(struct medvl_image_worker *worker,
                        struct medvl_json_view *image,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
