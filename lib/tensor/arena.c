/*
 * First-fit placement with coalescing: a sorted list of holes.  Runs place
 * a few thousand tensors and have a few dozen holes, so a linear scan is
 * enough.
 *
 * Read next: tape_op.h.
 */
#include "lib/tensor/arena.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/mem.h"

#define ALIGN      ((size_t)64)
#define BLOCK      ((size_t)16 << 20) /* what an unplanned run grows by */
#define DRY_EXTENT ((size_t)1 << 62)

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define GAP                  ((size_t)64)
#define POISON(data, size)   __asan_poison_memory_region(data, size)
#define UNPOISON(data, size) __asan_unpoison_memory_region(data, size)
#else
#define GAP                  ((size_t)0)
#define POISON(data, size)   ((void)(data), (void)(size))
#define UNPOISON(data, size) ((void)(data), (void)(size))
#endif

static size_t padded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN + GAP;
}

static char *at(const struct medvl_arena *arena, size_t offset)
{
    if (arena->dry)
        return NULL;
    for (size_t i = 0; i < arena->block_count; i++) {
        const struct medvl_arena_block *b = &arena->blocks[i];

        if (offset >= b->base && offset - b->base < b->size)
            return b->data + (offset - b->base);
    }
    assert(!"an offset that the arena gave");
    return NULL;
}

static void free_blocks(struct medvl_arena *arena)
{
    for (size_t i = 0; i < arena->block_count; i++) {
        UNPOISON(arena->blocks[i].data, arena->blocks[i].size);
        medvl_block_free(arena->blocks[i].data, arena->blocks[i].size);
    }
    arena->block_count = 0;
}

/* A hole at place i of the list; there is room already. */
static void insert_hole(struct medvl_arena *arena, size_t i, size_t offset,
                        size_t size)
{
    memmove(&arena->holes[i + 1], &arena->holes[i],
            (arena->hole_count - i) * sizeof(*arena->holes));
    arena->holes[i].offset = offset;
    arena->holes[i].size = size;
    arena->hole_count++;
}

/*
 * Room for as many holes as there can be once everything placed now and one
 * thing more has been given back, so that giving back never fails.
 */
static int reserve_holes(struct medvl_arena *arena, struct medvl_error *err)
{
    return medvl_grow(&arena->holes, &arena->hole_capacity,
                      2 * (arena->live + arena->block_count + 2),
                      sizeof(*arena->holes), err);
}

/* Blocks are a gap apart in offsets, so that holes never join over one. */
static int add_block(struct medvl_arena *arena, size_t size,
                     struct medvl_error *err)
{
    struct medvl_arena_block *last = NULL, *block;
    char *data;
    int rc;

    rc = medvl_grow(&arena->blocks, &arena->block_capacity,
                    arena->block_count + 1, sizeof(*arena->blocks), err);
    if (rc < 0)
        return rc;
    data = medvl_block_alloc(size);
    if (!data)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "no memory for %zu bytes of activations", size);
    POISON(data, size);
    if (arena->block_count > 0)
        last = &arena->blocks[arena->block_count - 1];
    block = &arena->blocks[arena->block_count++];
    block->data = data;
    block->size = size;
    block->base = last ? last->base + last->size + ALIGN : 0;
    insert_hole(arena, arena->hole_count, block->base, size);
    return MEDVL_OK;
}

int medvl_arena_begin(struct medvl_arena *arena, bool dry, size_t reserve,
                      struct medvl_error *err)
{
    size_t had = 0;
    int rc;

    arena->dry = dry;
    arena->high = 0;
    arena->live = 0;
    arena->hole_count = 0;
    rc = reserve_holes(arena, err);
    if (rc < 0)
        return rc;
    if (dry) {
        insert_hole(arena, 0, 0, DRY_EXTENT);
        return MEDVL_OK;
    }
    for (size_t i = 0; i < arena->block_count; i++)
        had += arena->blocks[i].size;
    if (arena->block_count == 1 && had >= reserve) {
        POISON(arena->blocks[0].data, had);
        insert_hole(arena, 0, 0, had);
        return MEDVL_OK;
    }
    free_blocks(arena);
    if (reserve < had)
        reserve = had;
    return reserve > 0 ? add_block(arena, padded(reserve), err) : MEDVL_OK;
}

/* The first hole with room, after adding a block when there is none. */
static int find_hole(size_t *out, struct medvl_arena *arena, size_t size,
                     struct medvl_error *err)
{
    size_t more = size > BLOCK ? size : BLOCK;
    int rc;

    for (size_t i = 0; i < arena->hole_count; i++)
        if (arena->holes[i].size >= size) {
            *out = i;
            return MEDVL_OK;
        }
    if (arena->dry)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "activations do not fit any memory");
    rc = add_block(arena, more, err);
    *out = arena->hole_count - 1;
    return rc;
}

int medvl_arena_take(size_t *offset, void **data, struct medvl_arena *arena,
                     size_t size, struct medvl_error *err)
{
    struct medvl_arena_hole *hole;
    size_t i = 0;
    int rc;

    *data = NULL;
    if (size > DRY_EXTENT / 2)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "no memory for a tensor of %zu bytes", size);
    rc = reserve_holes(arena, err);
    if (rc < 0)
        return rc;
    rc = find_hole(&i, arena, padded(size), err);
    if (rc < 0)
        return rc;
    hole = &arena->holes[i];
    *offset = hole->offset;
    hole->offset += padded(size);
    hole->size -= padded(size);
    if (hole->size == 0) {
        arena->hole_count--;
        memmove(hole, hole + 1, (arena->hole_count - i) * sizeof(*hole));
    }
    if (arena->high < *offset + padded(size))
        arena->high = *offset + padded(size);
    arena->live++;
    *data = at(arena, *offset);
    if (*data)
        UNPOISON(*data, size);
    return MEDVL_OK;
}

void medvl_arena_give(struct medvl_arena *arena, size_t offset, size_t size)
{
    struct medvl_arena_hole *h = arena->holes;
    size_t i = 0;

    size = padded(size);
    arena->live--;
    if (!arena->dry)
        POISON(at(arena, offset), size);
    while (i < arena->hole_count && h[i].offset < offset)
        i++;
    /* i is the hole after; it may touch, and so may the one before. */
    if (i < arena->hole_count && offset + size == h[i].offset) {
        h[i].offset = offset;
        h[i].size += size;
    } else {
        insert_hole(arena, i, offset, size);
    }
    if (i > 0 && h[i - 1].offset + h[i - 1].size == h[i].offset) {
        h[i - 1].size += h[i].size;
        arena->hole_count--;
        memmove(&h[i], &h[i + 1], (arena->hole_count - i) * sizeof(*h));
    }
}

bool medvl_arena_empty(const struct medvl_arena *arena)
{
    size_t size = 0, free = 0;

    for (size_t i = 0; i < arena->hole_count; i++)
        free += arena->holes[i].size;
    for (size_t i = 0; i < arena->block_count; i++)
        size += arena->blocks[i].size;
    return free == (arena->dry ? DRY_EXTENT : size);
}

void medvl_arena_release(struct medvl_arena *arena)
{
    free_blocks(arena);
    medvl_free(arena->blocks);
    medvl_free(arena->holes);
    memset(arena, 0, sizeof(*arena));
}
