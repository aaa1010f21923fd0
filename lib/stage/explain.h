/*
 * Tokens as a table for people: the work of medvl-tokenize --explain.
 *
 * Read next: tokenize.h.
 */
#ifndef MEDVL_STAGE_EXPLAIN_H
#define MEDVL_STAGE_EXPLAIN_H

#include <stdint.h>

#include "lib/text/tokenizer.h"

/*
 * Append the table, without its last newline:
 *
 *     a: 3 tokens, 1 learned (*)
 *         id       bytes  piece
 *       3957         0-2  Is
 *       1070         2-8  ␣there
 *     128009        8-18 *<|eot_id|>  special
 *
 *   tokens   with ends
 *   image    a picture's placeholder that is no token, or -1
 *   id       of the record; {NULL, 0}: none
 *   mask     1 for a token that is learned (a star); NULL: not said
 *
 * Bytes are where the token stands in the text that was encoded.  In a
 * piece a space is U+2423, a backslash is doubled, control characters are
 * \n or \u200b and bytes that are no character \xe2.  A placeholder that is
 * no token is "<image>  picture".
 */
int medvl_explain_tokens(struct medvl_text *out,
                         const struct medvl_tokenizer *tok,
                         const struct medvl_tokens *tokens, int32_t image,
                         struct medvl_span id, const uint8_t *mask,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
