/*
 * Memory: counted allocation with checked products, growing arrays, and
 * the hook by which tests make the n-th allocation fail.
 *
 * Read next: text.h.
 */
#ifndef MEDVL_BASE_MEM_H
#define MEDVL_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

/*
 * `count` items of `size` bytes, all zero; freed by medvl_free.  NULL when
 * memory is out or count * size does not fit size_t.  A zero product still
 * gives a pointer that can be freed.
 */
void *medvl_alloc(size_t count, size_t size) MEDVL_MUST_CHECK;

/*
 * Resize what medvl_alloc gave to `count` items.  New bytes are not zeroed.
 * On failure returns NULL and leaves `old` as it was.
 */
void *medvl_resize(void *old, size_t count, size_t size) MEDVL_MUST_CHECK;

/*
 * One block of `size` bytes, zero, aligned to 64 bytes (2 MiB and advised
 * for huge pages from 4 MiB up).  Freed by medvl_block_free with the same
 * size.  NULL when memory is out.
 */
void *medvl_block_alloc(size_t size) MEDVL_MUST_CHECK;
void medvl_block_free(void *block, size_t size);

void medvl_free(void *pointer);

/*
 * Make room for `need` items in a growing array, at least doubling.
 *
 *   items      address of the array pointer, NULL at first
 *   capacity   items there is room for; updated
 *
 * Returns MEDVL_OK or MEDVL_ENOMEM; on failure the array is unchanged.
 * New room is not zeroed.
 */
int medvl_grow(void *items, size_t *capacity, size_t need, size_t size,
               struct medvl_error *err) MEDVL_MUST_CHECK;

/* A copy of `size` bytes with a zero byte after them, or NULL. */
char *medvl_copy_string(const char *data, size_t size) MEDVL_MUST_CHECK;

/* Checked products and sums: false, with *out untouched, on overflow. */
bool medvl_size_mul(size_t *out, size_t a, size_t b) MEDVL_MUST_CHECK;
bool medvl_size_add(size_t *out, size_t a, size_t b) MEDVL_MUST_CHECK;
bool medvl_int64_mul(int64_t *out, int64_t a, int64_t b) MEDVL_MUST_CHECK;

/*
 * The standard failure of an allocation:
 * `if (!p) return medvl_no_memory(err);`
 */
int medvl_no_memory(struct medvl_error *err);

/*
 * For tests: the allocation after `n` more fails, once; negative switches
 * off (the start).  medvl_mem_failed says whether one has failed so since
 * the last call of medvl_mem_fail_after.
 */
void medvl_mem_fail_after(long n);
bool medvl_mem_failed(void);

/* Peak resident memory of this process in bytes, from the kernel. */
size_t medvl_mem_peak(void);

/*
 * Bytes that this process could take without pushing others out: what the
 * kernel calls available, or the least limit of its control groups where
 * that is lower.  0 when nothing is known.
 */
size_t medvl_mem_available(void);

#endif
