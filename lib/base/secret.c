/*
 * Pseudonyms by libsodium's keyed BLAKE2b.
 *
 * Read next: stream.c.
 */
#include "lib/base/secret.h"

#include <sodium.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"

#define KEY_LEAST 16
#define KEY_MOST  65536
#define NAME      16 /* bytes */

struct medvl_secret {
    unsigned char key[crypto_generichash_KEYBYTES_MAX];
};

/* A key file of any length becomes a key of one. */
int medvl_secret_read(struct medvl_secret **out, const char *path,
                      struct medvl_error *err)
{
    struct medvl_text file = {0};
    struct medvl_secret *secret = medvl_alloc(1, sizeof(*secret));
    int rc = secret ? medvl_file_read(&file, path, KEY_MOST, err)
                    : medvl_no_memory(err);

    *out = NULL;
    if (rc == MEDVL_OK && file.size < KEY_LEAST)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s: a key of %zu bytes is too short; make one with "
                        "head -c 32 /dev/urandom >FILE",
                        path, file.size);
    if (rc == MEDVL_OK && sodium_init() < 0)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "libsodium does not start");
    if (rc == MEDVL_OK) {
        crypto_generichash(secret->key, sizeof(secret->key),
                           (const unsigned char *)file.data, file.size, NULL,
                           0);
        *out = secret;
        secret = NULL;
    }
    if (file.data)
        sodium_memzero(file.data, file.size);
    medvl_text_release(&file);
    medvl_free(secret);
    return rc;
}

void medvl_secret_free(struct medvl_secret *secret)
{
    if (secret)
        sodium_memzero(secret, sizeof(*secret));
    medvl_free(secret);
}

void medvl_secret_name(char out[33], const struct medvl_secret *secret,
                       const char *purpose, struct medvl_span identifier)
{
    crypto_generichash_state state;
    unsigned char name[NAME];

    crypto_generichash_init(&state, secret->key, sizeof(secret->key), NAME);
    crypto_generichash_update(&state, (const unsigned char *)purpose,
                              strlen(purpose) + 1);
    crypto_generichash_update(&state,
                              (const unsigned char *)identifier.data,
                              identifier.size);
    crypto_generichash_final(&state, name, NAME);
    sodium_bin2hex(out, 2 * NAME + 1, name, NAME);
}
