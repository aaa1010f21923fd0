/*
 * Byte strings to numbers, found from the front byte by byte: all keys that
 * a text begins with in one walk.
 *
 * Read next: unigram.h.
 */
#ifndef MEDVL_TEXT_TRIE_H
#define MEDVL_TEXT_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/text.h"

struct medvl_trie;

/*
 * The trie of `keys`; a key's value is its index, that of the last one among
 * equal keys.  Empty keys are left out.  Keys are borrowed during the call.
 *
 * MEDVL_EUNSUPPORTED: 2^31 keys or bytes of keys.  Time is n log n in the
 * bytes, memory 8 bytes a node and a byte.
 */
int medvl_trie_new(struct medvl_trie **out, const struct medvl_span *keys,
                   size_t count, struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_trie_free(struct medvl_trie *trie);

/* Where a walk begins. */
#define MEDVL_TRIE_ROOT 0

/*
 * Go from *node along `byte`.  Returns the value of the key that ends there,
 * -1 when none does, -2 when no key goes on so (and *node stays).
 */
int32_t medvl_trie_step(const struct medvl_trie *trie, uint32_t *node,
                        unsigned char byte);

/*
 * The longest key that `data` begins with; -1: none.  *size is its length.
 */
int32_t medvl_trie_longest(const struct medvl_trie *trie, size_t *size,
                           const char *data, size_t room);

#endif
