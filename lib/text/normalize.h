/*
 * The normalizers of tokenizer.json: steps that rewrite a text.
 *
 * The texts are those of Hugging Face's tokenizers 0.22, down to the
 * Unicode tables that it was built with (unicode.h).
 *
 * Read next: pretokenize.h.
 */
#ifndef MEDVL_TEXT_NORMALIZE_H
#define MEDVL_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/json.h"
#include "lib/text/regex.h"
#include "lib/text/rewrite.h"

struct medvl_normalizer; /* read-only, shared between threads */

/*
 * Make the steps of "normalizer" in a tokenizer.json; NULL or null: none.
 *
 * MEDVL_EFORMAT       a member that is missing or of another type
 * MEDVL_EUNSUPPORTED  a type that is unknown, named; more than 64 steps
 */
int medvl_normalizer_new(struct medvl_normalizer **out,
                         const struct medvl_json *json,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_normalizer_free(struct medvl_normalizer *normalizer);

/* Are there none? */
bool medvl_normalizer_is_empty(const struct medvl_normalizer *normalizer);

/* Rewrite the text that `r` has begun with. */
int medvl_normalizer_run(const struct medvl_normalizer *normalizer,
                         struct medvl_regex_scratch *scratch,
                         struct medvl_rewrite *r,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Each byte of text[from, to) as the visible character that spells it. */
int medvl_normalize_bytes(struct medvl_rewrite *r, size_t from, size_t to,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

/* The character that spells a byte, and the byte that one spells, or -1. */
uint32_t medvl_byte_rune(unsigned char byte);
int medvl_rune_byte(uint32_t rune);

/*
 * {"String": text} or {"Regex": text} of a Split or Replace.  What matches
 * an empty string is a literal that is found everywhere.
 */
int medvl_pattern_read(struct medvl_regex **out,
                       const struct medvl_json *pattern,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* "type" of a part of tokenizer.json, or "(no type)". */
const char *medvl_part_type(const struct medvl_json *part);

/*
 * Give `json`, or if it is a Sequence the parts that `list` names in it and
 * in the Sequences there, to `read` in order, until it fails.  JSON null or
 * NULL has no parts.  MEDVL_EUNSUPPORTED: more than 64 within each other.
 */
typedef int medvl_part_fn(void *self, const struct medvl_json *part,
                          struct medvl_error *err);
int medvl_parts_read(const struct medvl_json *json, const char *list,
                     medvl_part_fn *read, void *self,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
