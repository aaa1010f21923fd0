/*
 * What each slot of a cache holds, so that a prompt which begins as another
 * did need not be computed from its start: few-shot headers, many questions
 * about one picture, one prompt many times.
 *
 * Keys and values of a token depend on the tokens before it alone, and a
 * row's bits not on the rows beside it, so what is shared is what would be
 * computed.  Where rope changes with the length of the text, only prompts of
 * one stage (rope.h) share.
 *
 * Read next: sampler.h.
 */
#ifndef MEDVL_MODEL_PREFIX_H
#define MEDVL_MODEL_PREFIX_H

#include "lib/model/gallery.h"
#include "lib/model/rope.h"

struct medvl_prefix;

/* Nothing is held at first.  The config is borrowed. */
int medvl_prefix_open(struct medvl_prefix **out,
                      const struct medvl_config *config, int64_t slots,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_prefix_free(struct medvl_prefix *prefix);

/* The slot, or every slot with -1, holds nothing any more. */
void medvl_prefix_forget(struct medvl_prefix *prefix, int64_t slot);

/* The beginning of a prompt. */
struct medvl_beginning {
    int64_t tokens, pictures; /* whole pictures only */
    int64_t patches;          /* of those pictures */
    int64_t next;             /* position of the token behind it */
    int64_t slot;             /* that holds it; -1: none */
};

/*
 * The longest beginning of a prompt that some slot holds: `ready` of those
 * that have been computed; `coming` of those too that are computed by the
 * pass to come.
 *
 *   count  tokens of the prompt
 *   most   tokens of the beginning
 *   keys   of its pictures
 */
int medvl_prefix_find(struct medvl_beginning *ready,
                      struct medvl_beginning *coming,
                      const struct medvl_prefix *prefix, const int32_t *ids,
                      int64_t count, int64_t most,
                      const struct medvl_picture_key *keys,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The slot will hold this prompt, of which the first `ready` tokens are
 * there already, once the pass to come has run: medvl_prefix_ran.
 */
int medvl_prefix_hold(struct medvl_prefix *prefix, int64_t slot,
                      const int32_t *ids, int64_t count, int64_t ready,
                      const struct medvl_picture_key *keys, int64_t pictures,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_prefix_ran(struct medvl_prefix *prefix);

/* The pass to come will not run: what it was to compute is not held. */
void medvl_prefix_drop(struct medvl_prefix *prefix);

/* When the slot was last used: larger is later; 0: it holds nothing. */
int64_t medvl_prefix_used(const struct medvl_prefix *prefix, int64_t slot);

#endif
