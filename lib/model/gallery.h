/*
 * Pictures that the tower has seen: each is encoded once, whoever asks for
 * it, and kept while there is room.
 *
 * What a picture gives does not depend on the pictures beside it when the
 * device is row_invariant, so a kept one is what a new one would be, to the
 * bit.
 *
 * Read next: prefix.h.
 */
#ifndef MEDVL_MODEL_GALLERY_H
#define MEDVL_MODEL_GALLERY_H

#include "lib/model/vlm.h"

/* What a picture is: the hash of its rows, and its grid. */
struct medvl_picture_key {
    char hash[33];
    struct medvl_grid grid;
};

/* The keys of all pictures, into keys (count). */
void medvl_picture_keys(struct medvl_picture_key *keys,
                        const struct medvl_pictures *pictures);
bool medvl_picture_same(const struct medvl_picture_key *a,
                        const struct medvl_picture_key *b);

struct medvl_gallery;

/* The model is borrowed.  `limit`: bytes to keep; 0: 256 MiB. */
int medvl_gallery_open(struct medvl_gallery **out,
                       const struct medvl_model *model, size_t limit,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_gallery_free(struct medvl_gallery *gallery);

/* The weights have changed: keep nothing. */
void medvl_gallery_forget(struct medvl_gallery *gallery);

/* Ask for no pictures, then for these behind those asked for; the rows of
 * new ones are copied. */
void medvl_gallery_begin(struct medvl_gallery *gallery);
int medvl_gallery_add(struct medvl_gallery *gallery,
                      const struct medvl_pictures *pictures,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Encode what is new of the pictures asked for, in a run of the tape.
 *
 *   out   (all their tokens, C) f32, in the order asked for; the gallery's,
 *         until the next begin
 */
int medvl_gallery_features(struct medvl_tensor *out,
                           struct medvl_gallery *gallery,
                           struct medvl_tape *tape,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* Pictures that went through the tower so far; for tests. */
int64_t medvl_gallery_encoded(const struct medvl_gallery *gallery);

#endif
