/*
 * First-fit placement of tensors in a few blocks of memory.  The same calls
 * give the same offsets, with memory or without (a plan), so a plan's
 * high-water mark is what the run needs.
 *
 * Read next: tape_op.h.
 */
#ifndef MEDVL_TENSOR_ARENA_H
#define MEDVL_TENSOR_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/status.h"

struct medvl_arena_block {
    char *data;
    size_t base, size; /* offsets [base, base + size) */
};

struct medvl_arena_hole {
    size_t offset, size;
};

/* Valid when zeroed. */
struct medvl_arena {
    bool dry; /* places without memory */
    struct medvl_arena_block *blocks;
    size_t block_count, block_capacity;
    struct medvl_arena_hole *holes; /* by offset; no two touch */
    size_t hole_count, hole_capacity;
    size_t live; /* placements */
    size_t high; /* highest end of anything placed since begin */
};

/*
 * Forget all placements.  Without `dry` one block of at least `reserve`
 * bytes (and of all that the last run used) is there afterwards.
 */
int medvl_arena_begin(struct medvl_arena *arena, bool dry, size_t reserve,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Place `size` bytes (at least 1), 64-byte aligned, not zeroed.  *data is
 * NULL when dry.  Debug builds poison what is not placed and a gap after
 * each placement.
 */
int medvl_arena_take(size_t *offset, void **data, struct medvl_arena *arena,
                     size_t size, struct medvl_error *err) MEDVL_MUST_CHECK;

/* Give back what was taken with the same size. */
void medvl_arena_give(struct medvl_arena *arena, size_t offset, size_t size);

/* Does every byte of every block lie in a hole?  For tests. */
bool medvl_arena_empty(const struct medvl_arena *arena);
void medvl_arena_release(struct medvl_arena *arena);

#endif
