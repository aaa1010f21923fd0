/*
 * What the two readings of a series share.  Only lib/image/stack*.c include
 * this.
 *
 * Read next: stack.c.
 */
#ifndef MEDVL_IMAGE_STACK_PART_H
#define MEDVL_IMAGE_STACK_PART_H

#include "lib/image/stack.h"

/* One frame. */
struct medvl_slot {
    size_t file;
    int64_t frame;
    size_t slot; /* in the volume */
    double at[3], along;
    double axes[6], spacing[2];
    double slope, offset;
    double low, high; /* of the window; NAN: none */
};

struct medvl_stacking {
    struct medvl_decoder *decoder;
    const char *const *paths;

    struct medvl_slot *parts;
    size_t part_count, room;

    /* What all files have as the first has it. */
    int64_t width, height;
    enum medvl_voxel type;
    bool table, inverse;
    double padding; /* NAN: none */
    double bits;    /* the most that are stored */

    bool mixed; /* files do not agree on the padding */
    bool plain; /* one scale holds for all stored values */
};

/* ---- stack_place.c ------------------------------------------------------ */

/* Add the frames of a file. */
int medvl_stack_places(struct medvl_stacking *r, size_t file,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Put the slices in order, and fill the volume without its values. */
int medvl_stack_order(struct medvl_volume *out, struct medvl_stacking *r,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
