/*
 * The decoders of tokenizer.json: the spellings of tokens to text.
 *
 * The texts are those of Hugging Face's tokenizers 0.22.
 *
 * Read next: tokenizer.h.
 */
#ifndef MEDVL_TEXT_DECODE_H
#define MEDVL_TEXT_DECODE_H

#include "lib/text/normalize.h"

/* Texts end to end; number i ends at ends[i].  Valid when zeroed. */
struct medvl_strings {
    struct medvl_text text;
    size_t *ends;
    size_t count, capacity;
};
int medvl_strings_add(struct medvl_strings *strings, struct medvl_span text,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_strings_release(struct medvl_strings *strings);

struct medvl_decoder_steps; /* read-only, shared between threads */

/*
 * Make the steps of "decoder" in a tokenizer.json; NULL or null: none, and
 * tokens are put together with a space between.  Errors are those of
 * medvl_normalizer_new.
 */
int medvl_decoder_steps_new(struct medvl_decoder_steps **out,
                            const struct medvl_json *json,
                            struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_decoder_steps_free(struct medvl_decoder_steps *steps);

/* Is it ByteLevel and nothing else? */
bool medvl_decoder_steps_are_bytes(const struct medvl_decoder_steps *steps);

/*
 * Append the text of the tokens, whose strings change.
 * MEDVL_EUNSUPPORTED: a text past MEDVL_REWRITE_BYTES.
 */
int medvl_decoder_steps_run(const struct medvl_decoder_steps *steps,
                            struct medvl_text *out,
                            struct medvl_strings *strings,
                            struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append bytes as UTF-8: what is none becomes U+FFFD, one for each longest
 * beginning of a character.
 */
int medvl_append_lossy(struct medvl_text *out, struct medvl_span bytes,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
