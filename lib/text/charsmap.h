/*
 * SentencePiece's precompiled_charsmap: a table of what characters are
 * replaced by, as bytes (a double-array trie, then the replacements).
 *
 * Every place in it is checked when it is read, so a hostile table gives an
 * error or other text, never a read outside of it.
 *
 * Read next: sentencepiece.h.
 */
#ifndef MEDVL_TEXT_CHARSMAP_H
#define MEDVL_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/unicode.h"

struct medvl_charsmap;

/*
 * `bytes` is copied.  MEDVL_EFORMAT: cut, or replacements that are no
 * UTF-8.  Empty bytes are an empty table, which replaces nothing.
 */
int medvl_charsmap_new(struct medvl_charsmap **out, struct medvl_span bytes,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_charsmap_free(struct medvl_charsmap *map);

/*
 * What the longest (SentencePiece), or the shortest (Hugging Face), key at
 * the front of `text` is replaced by: true, its length in *size and the
 * replacement, which may be empty; false when no key is there.  Keys are
 * looked for up to 1024 bytes (a table can hold endless ones).
 */
bool medvl_charsmap_longest(const struct medvl_charsmap *map, size_t *size,
                            struct medvl_span *to, struct medvl_span text);
bool medvl_charsmap_shortest(const struct medvl_charsmap *map, size_t *size,
                             struct medvl_span *to, struct medvl_span text);

/*
 * The normalizer Precompiled of Hugging Face's tokenizers: a character with
 * its marks (a grapheme) of up to 5 bytes is replaced as a whole if any key
 * is at its front, else each character for itself.  Interface and limits
 * are those of medvl_unicode_nfc: nothing changed, `out` is not touched.
 */
int medvl_charsmap_normalize(const struct medvl_charsmap *map,
                             struct medvl_text *out,
                             struct medvl_nfc_changes *changes,
                             struct medvl_span text,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
