/*
 * Text that spells a token out and is not to become it.  Models may know
 * such a token as any other; what they are given is then cut once more,
 * behind the first character of each spelling.
 *
 * Read next: trie.h.
 */
#ifndef MEDVL_TEXT_GUARD_H
#define MEDVL_TEXT_GUARD_H

#include "lib/text/bpe.h"

/* Which tokens these are, and scratch.  Valid when zeroed: none. */
struct medvl_guard {
    bool (*holds)(const void *self, int32_t id);
    const void *self;
    int32_t low, high; /* all are in [low, high) */

    struct medvl_tokens tokens;
    struct medvl_guard_ends {
        size_t *items, count, capacity;
    } first, last; /* of pieces, once cut and when done */
};

void medvl_guard_release(struct medvl_guard *guard);

/* Is it one of them? */
bool medvl_guard_holds(const struct medvl_guard *guard, int32_t id);

/* A model: what encodes, as medvl_bpe_encode, and what a token spells. */
struct medvl_guard_model {
    int (*encode)(const void *model, void *cache, struct medvl_tokens *out,
                  struct medvl_span data, size_t start, const size_t *ends,
                  size_t count, size_t base, struct medvl_error *err);
    struct medvl_span (*spelling)(const void *model, int32_t id);
    const void *model;
    void *cache;
};

/*
 * Encode so that none of them stands where the text spells it; one of a
 * single character does, which nothing else can spell.  Pieces that spell
 * none are encoded as ever.  `data` is UTF-8; time as the model's.
 */
int medvl_guard_encode(struct medvl_guard *guard,
                       const struct medvl_guard_model *model,
                       struct medvl_tokens *out, struct medvl_span data,
                       size_t start, const size_t *ends, size_t count,
                       size_t base, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
