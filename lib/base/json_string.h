/*
 * What stands between a string's quotes: escapes read, checked, compared.
 * The bytes are ones that the scan has passed.
 *
 * Read next: json_string.c, then json_view.c.
 */
#ifndef MEDVL_BASE_JSON_STRING_H
#define MEDVL_BASE_JSON_STRING_H

#include <stdbool.h>
#include <string.h>

#include "lib/base/text.h"

/*
 * Append what `inside` says.  Without `text` it is a name to be compared,
 * and \u0000 and lone surrogates pass; a text cannot hold them:
 * MEDVL_EFORMAT.  The result is never longer than `inside`.
 */
int medvl_json_decode(struct medvl_text *out, struct medvl_span inside,
                      bool text, struct medvl_error *err) MEDVL_MUST_CHECK;

/* At an escape: move past it, or refuse it as medvl_json_decode does. */
int medvl_json_escape_check(const char **at, const char *end,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/* Does `inside` say the `size` bytes of `name`? */
bool medvl_json_says(struct medvl_span inside, const char *name, size_t size);

/* Append where there is room; the caller puts the zero byte at the end. */
static inline void medvl_json_append(struct medvl_text *out, const char *data,
                                     size_t size)
{
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

#endif
