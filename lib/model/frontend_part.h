/*
 * What stands behind frontend.h: one file a processor, each with its table.
 *
 * frontend.c opens and dispatches; frontend_NAME.c reads its own fields of
 * preprocessor_config.json and does the work.
 *
 * Read next: frontend_clip.c.
 */
#ifndef MEDVL_MODEL_FRONTEND_PART_H
#define MEDVL_MODEL_FRONTEND_PART_H

#include "lib/base/json.h"
#include "lib/image/resize.h"
#include "lib/model/frontend.h"

/* As the functions of frontend.h, for one processor. */
struct medvl_frontend_kind {
    /* The processor's own fields; `root` is its object; NULL: none. */
    int (*read)(struct medvl_frontend *frontend,
                const struct medvl_json *root, struct medvl_error *err);
    /* All but the tokens. */
    int (*size)(struct medvl_frontend_size *out,
                const struct medvl_frontend *frontend, int64_t width,
                int64_t height, struct medvl_error *err);
    /* `picture` has 8 bits and a size that `size` took. */
    int (*rows)(float *out, const struct medvl_frontend *frontend,
                const struct medvl_picture *picture,
                struct medvl_error *err);
    int (*centres)(float *out, const struct medvl_frontend *frontend,
                   int64_t width, int64_t height, struct medvl_error *err);
};

extern const struct medvl_frontend_kind medvl_frontend_clip;
extern const struct medvl_frontend_kind medvl_frontend_qwen;
extern const struct medvl_frontend_kind medvl_frontend_anyres;

struct medvl_frontend {
    const struct medvl_frontend_kind *kind;
    const struct medvl_config *config;
    int64_t side, patch; /* of the tower, pixels */
    enum medvl_filter filter;
    float value[3][256]; /* what a sample of each channel becomes */

    /* CLIP and its kin. */
    bool siglip; /* the defaults are SigLIP's, which cuts nothing */
    bool pads;   /* "do_pad" is read: LLaVA's own processor */
    bool pad;    /* to a square first */
    uint8_t color[3];
    bool any; /* the tower takes every size */
    bool resize, crop;
    int64_t crop_width, crop_height;
    int64_t shortest;      /* of the resized picture; 0: ... */
    int64_t width, height; /* ... or exactly this */

    /* Qwen2-VL: patches a side that are merged, frames, limits on pixels. */
    int64_t merge, frames, least, most;
};

/* ---- fields that processors share ------------------------------------ */

bool medvl_frontend_bool(const struct medvl_json *root, const char *name,
                         bool otherwise);

/* {"height", "width"}, {"shortest_edge"} or a number. */
int medvl_frontend_sides(int64_t *shortest, int64_t *width, int64_t *height,
                         const struct medvl_json *root, const char *name,
                         int64_t otherwise, struct medvl_error *err);

/* "resample": 2 or 3. */
int medvl_frontend_filter(struct medvl_frontend *frontend,
                          const struct medvl_json *root,
                          struct medvl_error *err);

/* "rescale_factor", "image_mean", "image_std" as value and color. */
int medvl_frontend_values(struct medvl_frontend *frontend,
                          const struct medvl_json *root,
                          struct medvl_error *err);

/* ---- what processors share ------------------------------------------- */

/*
 * Rows and columns of patches, their corner at (x, y) of the picture: in
 * raster order, each (channel, y, x).  Outside of the picture is black.
 */
void medvl_frontend_fill(float *out, const struct medvl_frontend *frontend,
                         const struct medvl_picture *picture, int64_t x,
                         int64_t y, int64_t rows, int64_t columns);

/*
 * The picture as width x height: itself where it has that size, else made
 * in `room`, which the caller releases.
 */
int medvl_frontend_resized(struct medvl_picture *room,
                           const struct medvl_picture **out,
                           const struct medvl_picture *picture,
                           int64_t width, int64_t height,
                           enum medvl_filter filter, struct medvl_error *err);

#endif
