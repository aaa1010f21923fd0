/*
 * Pre-tokenization: text to the pieces within which bytes are merged.  The
 * patterns of GPT-2, Llama 3 (cl100k) and Qwen 2 are written by hand; any
 * other is a regular expression (regex.h).
 *
 * Read next: cutter.h.
 */
#ifndef MEDVL_TEXT_PRETOKENIZE_H
#define MEDVL_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/text.h"

/* The regular expressions of "gpt2", "llama3", "qwen2"; NULL: no such. */
const char *medvl_pretokenizer_pattern(const char *name);

/* Steps in order, each cutting the pieces of the one before. */
struct medvl_pretokenizer;

int medvl_pretokenizer_new(struct medvl_pretokenizer **out,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_pretokenizer_free(struct medvl_pretokenizer *pre);

/*
 * Cut out the matches of a regular expression; what lies between two
 * matches is a piece of its own (tokenizer.json: Split, Isolated).
 *
 * MEDVL_EFORMAT: not a regular expression.  MEDVL_EUNSUPPORTED: one that
 * regex.h does not take, or that may match nothing at all.
 */
int medvl_pretokenizer_add_regex(struct medvl_pretokenizer *pre,
                                 struct medvl_span regex,
                                 struct medvl_error *err) MEDVL_MUST_CHECK;

/* Does the last step cover the text with matches, leaving no gaps? */
bool medvl_pretokenizer_covers(const struct medvl_pretokenizer *pre);

/*
 * A walk over the pieces of one text, and its scratch memory; one a
 * worker, borrows the pre-tokenizer, used for one text after another.
 */
struct medvl_splitter;

int medvl_splitter_new(struct medvl_splitter **out,
                       const struct medvl_pretokenizer *pre,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_splitter_free(struct medvl_splitter *splitter);

/* Begin with `text` (UTF-8, checked by the caller), which must stay. */
void medvl_splitter_begin(struct medvl_splitter *splitter,
                          struct medvl_span text);

/*
 * Put the ends of the next pieces, at most `max` (at least 1), into `ends`.
 * Returns how many, 0 behind the last, or MEDVL_EFORMAT when PCRE2 gives
 * up on the text.
 */
int medvl_splitter_next(struct medvl_splitter *splitter, size_t *ends,
                        int max, struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
