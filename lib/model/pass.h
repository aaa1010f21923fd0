/*
 * One forward pass over pieces of many sequences, packed end to end, so
 * that the weights are read once for all of them.
 *
 * Each sequence has a slot of a cache of keys and values, and a piece
 * continues what its slot holds: a prompt begins an empty one, a new token
 * follows the ones before, a text follows a prompt that other slots share.
 * The device's row_invariant is on while a pass runs, so what a piece gets
 * does not depend on the pieces beside it, to the bit.
 *
 *     medvl_pass_reserve(pass, slots, longest, pages);
 *     medvl_pass_begin(pass);
 *     medvl_kvcache_clear(medvl_pass_cache(pass), 0);
 *     medvl_pass_add(pass, &(struct medvl_piece){.slot = 0, ...});
 *     medvl_pass_run(pass, row, arg);
 *
 * Read next: generator.h.
 */
#ifndef MEDVL_MODEL_PASS_H
#define MEDVL_MODEL_PASS_H

#include "lib/model/prefix.h"

/*
 * Tokens of prompts that callers put into one pass at most, so that what
 * a pass has in memory stays bounded; a longer prompt has a pass to itself.
 * A picture counts by the tokens that it takes.
 */
#define MEDVL_PASS_TOKENS 2048

struct medvl_pass;

/* Model and device are borrowed. */
int medvl_pass_open(struct medvl_pass **out, const struct medvl_model *model,
                    struct medvl_device *dev,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_pass_free(struct medvl_pass *pass);

/*
 * A cache of `slots` sequences of up to `longest` tokens, with memory for
 * `pages` of keys and values.  One that has room enough stays as it is, with
 * what its slots hold, unless weights have changed; else it is made anew, and
 * all slots are empty.
 */
int medvl_pass_reserve(struct medvl_pass *pass, int64_t slots,
                       int64_t longest, int64_t pages,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
struct medvl_kvcache *medvl_pass_cache(const struct medvl_pass *pass);

/* Begin an empty pass, after a reserve; one that was begun and did not run
 * leaves nothing. */
void medvl_pass_begin(struct medvl_pass *pass);

struct medvl_piece {
    int64_t slot;       /* at most one piece of a slot in a pass */
    const int32_t *ids; /* (count); -1 at picture tokens */
    int64_t count;      /* at least 1 */

    struct medvl_pictures pictures;

    int64_t wanted; /* rows of logits: those of its last tokens, 0..count */
    void *owner;    /* goes with each of them */
};

/*
 * Begin a prompt in the piece's slot, whatever that held.  What some slot
 * holds of its beginning is shared, and only the rest is run.
 *
 *   room   tokens that it may add to a pass that has some already
 *
 * Returns 1 when it did, and 0 when it should wait for the next pass: there
 * is no room, or a prompt of this pass begins as it does.  An empty pass
 * takes every prompt.
 */
int medvl_pass_start(struct medvl_pass *pass,
                     const struct medvl_piece *prompt, int64_t room,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* The slot holds nothing any more. */
void medvl_pass_clear(struct medvl_pass *pass, int64_t slot);

/* When the slot was last begun: larger is later, 0 is never. */
int64_t medvl_pass_used(const struct medvl_pass *pass, int64_t slot);

/* Pictures that went through the tower so far; for tests. */
int64_t medvl_pass_encoded(const struct medvl_pass *pass);

/*
 * Put a piece behind those that are there; its arrays are copied.  The slot
 * has its length from now on.  MEDVL_EARG past the slot's longest,
 * MEDVL_ENOMEM when the cache has no page left.
 */
int medvl_pass_add(struct medvl_pass *pass, const struct medvl_piece *piece,
                   struct medvl_error *err) MEDVL_MUST_CHECK;

/* Tokens of the pieces so far. */
int64_t medvl_pass_tokens(const struct medvl_pass *pass);

/*
 * Run a pass of at least one piece.  `row` gets the wanted logits (vocab)
 * in the order of pieces and tokens, borrowed for the call; its first
 * failure ends the run and is returned.
 */
int medvl_pass_run(struct medvl_pass *pass,
                   int (*row)(void *arg, void *owner, const float *logits,
                              struct medvl_error *err),
                   void *arg, struct medvl_error *err) MEDVL_MUST_CHECK;

/* MEDVL_EARG when an id is not in lowest..vocab-1. */
int medvl_pass_check_ids(const struct medvl_pass *pass, const int32_t *ids,
                         int64_t count, int32_t lowest,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
