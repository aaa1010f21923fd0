/*
 * The image preprocessor: decodes each picture of a record, works on it,
 * writes it as PNG into a folder and points the record at the new file.
 * medvl-image(1) is its command.
 *
 * The order is fixed: window, crop, anomaly, augmentation, resize, drawing.
 * What marks "regions", and "spacing", follow the geometry.
 *
 * Read next: image_part.h.
 */
#ifndef MEDVL_STAGE_IMAGE_H
#define MEDVL_STAGE_IMAGE_H

#include "lib/stage/loop.h"
#include "lib/stage/want.h"

/* Text options are NULL, and numbers 0, for what the page calls default. */
struct medvl_image_options {
    const char *out;        /* folder for the pictures; needed */
    const char *sheet;      /* in its place: see sheet.h */
    const char *root;       /* paths in records are below it */
    const char *window;     /* see medvl_window_parse */
    const char *rescale;    /* "SLOPE,INTERCEPT" of wide grey without it */
    bool overlays;          /* of DICOM burned in */
    const char *crop;       /* "X0,Y0,X1,Y1", or a region's true field */
    double margin;          /* around a cropped region, of its longer side */
    const char *augment;    /* see medvl_augment_parse */
    const char *sides;      /* of flips: leave (default), swap */
    const char *anomaly;    /* see medvl_anomaly_parse */
    int64_t copies;         /* records made of one, with these */
    uint64_t seed;          /* of what is drawn at random */
    const char *resize;     /* "N" or "WxH" */
    const char *fit;        /* pad (default), crop, stretch */
    const char *filter;     /* bicubic (default), bilinear */
    bool draft;             /* JPEG may shrink while it is decoded */
    const char *background; /* a colour (black) */
    const char *draw;       /* regions whose field is true; "all" */
    const char *shape;      /* box (default), outline, blur */
    double blur;            /* deviation, of the shorter side (0.03) */
    bool numbers;           /* beside what is drawn */
    const char *color;      /* of drawing (red) */
    int64_t thick;          /* pixels of a frame (1) */
    bool boxes;             /* for regions with a mask or polygons alone */
    const char *scale;      /* of regions that come in: pixel, 1, 100, 999 */
    int64_t pixels;         /* limit; 0: MEDVL_PICTURE_PIXELS */

    const char *hash;          /* of the options, for provenance; or NULL */
    struct medvl_wants *wants; /* of pictures, draw, sides; or NULL */
};

/* Are the options right?  MEDVL_EARG or MEDVL_EFORMAT says what is not. */
int medvl_image_check(const struct medvl_image_options *options,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The map's functions; options are struct medvl_image_options.
 *
 * Reads "images" and, when something is drawn at random, "id"; and where it
 * flips pictures, all text, to find left and right in it.  Sets in each image
 * "path", "width", "height", "hash", and where they apply "window", "spacing"
 * and "regions"; takes out "data", "shard", "index", "frame" and "rescale".
 * With sides swap it sets what holds such words of "messages", "question",
 * "answer", "choices", "caption", "text", "prompt", "view", "laterality",
 * "body_part" and the images.  A record without "images" passes through.
 *
 * MEDVL_EARG besides what decoding says: grey of more than 8 bits without a
 * window; a change of geometry on a record whose texts hold boxes; a
 * region marked "drawn" that leaves the picture.
 */
extern const struct medvl_map medvl_image_map;

#endif
