/*
 * Where a picture's bytes come from: an entry of a record's "images" holds
 * a file's "path", or "data" (the file in base64), or "shard" and "index"
 * (a picture inside a folder of shards).
 *
 * Read next: ../eval/answer.h.
 */
#ifndef MEDVL_DATA_SOURCE_H
#define MEDVL_DATA_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/json.h"

/* Bytes of the largest picture file that is read unless told otherwise. */
#define MEDVL_SOURCE_MAX ((size_t)256 << 20)

/*
 * Reads pictures one after another and keeps the shard folder that it used
 * last open.  One thread at a time uses it; open one for each worker.
 */
struct medvl_source;

/*
 *   root   relative "path" and "shard" are below it; NULL: below the
 *          current directory; copied
 *   max    bytes of one picture file; 0: MEDVL_SOURCE_MAX
 */
int medvl_source_open(struct medvl_source **out, const char *root, size_t max,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_source_free(struct medvl_source *source);

/*
 * The bytes of the picture's file, undecoded.
 *
 *   out     stays until the next call
 *   image   the entry as JSON: exactly one of
 *             "path": string
 *             "data": string, base64 with or without "data:...;base64,"
 *             "shard": string, the folder, with
 *             "index": [sample in the folder, picture in the sample], both
 *                      from 0
 *
 * MEDVL_EFORMAT when none or several are there or one is not of its type;
 * MEDVL_EARG when the file is larger than `max` or `index` is outside.
 */
int medvl_source_read(struct medvl_span *out, struct medvl_source *source,
                      const struct medvl_json *image,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Is the picture's file, or the folder of shards with it, there?  1; or 0,
 * and the path, joined to the root, is appended to `missing`.  "data" is
 * there as it stands.  Nothing is read; MEDVL_EFORMAT as above.
 */
int medvl_source_has(struct medvl_text *missing,
                     const struct medvl_source *source,
                     const struct medvl_json *image,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Of the last read: the path of the file that was read (NULL: none was),
 * and is it the very file of the call before?  A large file that has not
 * changed since is not read again.
 */
const char *medvl_source_path(const struct medvl_source *source);
bool medvl_source_again(const struct medvl_source *source);

#endif
