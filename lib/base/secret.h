/*
 * Pseudonyms: what stands for an identifier once the identifier must not be
 * seen.  The same key gives the same pseudonym, so records of one patient
 * stay together; without the key nobody finds the way back, not even by
 * trying all identifiers.
 *
 * Read next: stream.h.
 */
#ifndef MEDVL_BASE_SECRET_H
#define MEDVL_BASE_SECRET_H

#include "lib/base/text.h"

struct medvl_secret;

/*
 * Read a key: a file of 16 to 65,536 bytes, such as
 * `head -c 32 /dev/urandom >key` makes.  The key is wiped when freed.
 */
int medvl_secret_read(struct medvl_secret **out, const char *path,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_secret_free(struct medvl_secret *secret);

/*
 * BLAKE2b of purpose and identifier under the key, 128 bits as 32 lower-case
 * hex digits.  Another purpose ("patient", "study") gives another pseudonym.
 */
void medvl_secret_name(char out[33], const struct medvl_secret *secret,
                       const char *purpose, struct medvl_span identifier);

#endif
