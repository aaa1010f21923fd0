/*
 * Hashes of bytes (xxHash): XXH64 for MDS files and random streams,
 * XXH3-128 for the identity of contents.  Not for secrets.
 *
 * Read next: file.h.
 */
#ifndef MEDVL_BASE_HASH_H
#define MEDVL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

uint64_t medvl_hash64(const void *data, size_t size);

/* hash64 as 16 lower-case hex digits and a zero byte, as MDS prints it. */
void medvl_hash64_hex(char out[17], uint64_t hash);

/*
 * A hash fed in pieces: names, options, contents.  Feed a separator or a
 * length between parts that could run together.
 */
struct medvl_hash;
int medvl_hash_new(struct medvl_hash **out,
                   struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_hash_add(struct medvl_hash *hash, const void *data, size_t size);

/* XXH3-128 of all that was added, as 32 lower-case hex digits. */
void medvl_hash_hex(char out[33], const struct medvl_hash *hash);
void medvl_hash_free(struct medvl_hash *hash);

/* The same over one block, in one call. */
void medvl_hash128_hex(char out[33], const void *data, size_t size);

/* The CRC-32 of PNG and zip, going on from `crc`; 0 begins. */
uint32_t medvl_crc32(uint32_t crc, const void *data, size_t size);

#endif
