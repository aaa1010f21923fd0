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

#endif
