/*
 * From a picture to what the tower reads and to places among the tokens:
 * the one interface in which the families differ.
 *
 * Read next: frontend_part.h, vit.h.
 */
#ifndef MEDVL_MODEL_FRONTEND_H
#define MEDVL_MODEL_FRONTEND_H

#include "lib/image/picture.h"
#include "lib/model/grid.h"

struct medvl_frontend;

/*
 * From config.json and preprocessor_config.json of a folder.  LLaVA: the
 * processor that is named there (CLIP's: resize the shorter side, centre
 * crop, rescale, normalise; each step as the file says).  Qwen2-VL: sides to
 * multiples of a merged patch, between min_pixels and max_pixels, which
 * older and newer files also have in "size".  Results are those of the
 * processors on Pillow.  A step that is not built is MEDVL_EUNSUPPORTED.
 * The config is borrowed.
 */
int medvl_frontend_open(struct medvl_frontend **out, const char *folder,
                        const struct medvl_config *config,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_frontend_free(struct medvl_frontend *frontend);

/*
 * Sizes to count: how many tokens a picture of this size takes among the
 * ids, how many patch rows it gives, how long a row is, and its grid.
 */
struct medvl_frontend_size {
    int64_t tokens, patches, row;
    struct medvl_grid grid;
};
int medvl_frontend_size(struct medvl_frontend_size *out,
                        const struct medvl_frontend *frontend,
                        int64_t width, int64_t height,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The picture's patch rows.
 *
 *   out   (patches, row) f32: patches in raster order, each (channel, y, x),
 *         normalised; the caller's memory.  Qwen2-VL: merged patches in
 *         raster order, the patches of each, too; a patch is (channel,
 *         frame, y, x), the picture in every frame
 */
int medvl_frontend_rows(float *out, const struct medvl_frontend *frontend,
                        const struct medvl_picture *picture,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Where a stored-picture pixel box falls after the geometry above, for
 * dense objectives: patch (row, column) centres to stored-picture pixels.
 * Writes x, y of each patch centre (patches, 2), in pixels of which the
 * first spans 0..1.
 */
int medvl_frontend_centres(float *out, const struct medvl_frontend *frontend,
                           int64_t width, int64_t height,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
