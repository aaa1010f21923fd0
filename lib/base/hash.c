/*
 * Hashes, by the xxHash library.
 *
 * Read next: file.c.
 */
#include "lib/base/hash.h"

#include <stdio.h>
#include <xxhash.h>

#include "lib/base/mem.h"

struct medvl_hash {
    XXH3_state_t *state;
};

uint64_t medvl_hash64(const void *data, size_t size)
{
    return XXH64(data, size, 0);
}

uint32_t medvl_crc32(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *byte = data;
    uint32_t table[256];

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ byte[i]) & 255];
    return ~crc;
}

void medvl_hash64_hex(char out[17], uint64_t hash)
{
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

static void hash128_hex(char out[33], XXH128_hash_t hash)
{
    medvl_hash64_hex(out, hash.high64);
    medvl_hash64_hex(out + 16, hash.low64);
}

int medvl_hash_new(struct medvl_hash **out, struct medvl_error *err)
{
    struct medvl_hash *hash;

    *out = NULL;
    hash = medvl_alloc(1, sizeof(*hash));
    if (!hash)
        return medvl_no_memory(err);
    hash->state = XXH3_createState();
    if (!hash->state) {
        medvl_free(hash);
        return medvl_no_memory(err);
    }
    XXH3_128bits_reset(hash->state);
    *out = hash;
    return MEDVL_OK;
}

void medvl_hash_add(struct medvl_hash *hash, const void *data, size_t size)
{
    if (size)
        XXH3_128bits_update(hash->state, data, size);
}

void medvl_hash_hex(char out[33], const struct medvl_hash *hash)
{
    hash128_hex(out, XXH3_128bits_digest(hash->state));
}

void medvl_hash_free(struct medvl_hash *hash)
{
    if (!hash)
        return;
    XXH3_freeState(hash->state);
    medvl_free(hash);
}

void medvl_hash128_hex(char out[33], const void *data, size_t size)
{
    hash128_hex(out, XXH3_128bits(data, size));
}
