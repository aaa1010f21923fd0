/*
 * Vocabularies of the makers' own formats, turned into the tokenizer.json
 * that says the same: a tiktoken file (one "base64 rank" a line; Llama 3's
 * tokenizer.model, Qwen's qwen.tiktoken) and CLIP's list of merges
 * (bpe_simple_vocab_16e6.txt).  tokenizer.h opens what comes out.
 *
 * Such a file does not say how text is split nor what its special tokens
 * are; that is known of these families and found by the number of entries.
 *
 * Read next: tokenizer.h.
 */
#ifndef MEDVL_TEXT_TIKTOKEN_H
#define MEDVL_TEXT_TIKTOKEN_H

#include <stdbool.h>

#include "lib/base/text.h"

/* Do the first bytes look like such a file? */
bool medvl_is_tiktoken(struct medvl_span file);
bool medvl_is_clip_merges(struct medvl_span file);

/*
 * Append the tokenizer.json to `json`.
 *
 *   Llama 3   128000 ranks; 256 special tokens by the names of Llama 3 (of
 *             which 3.1 calls some reserved ones otherwise, as <|eom_id|>);
 *             TemplateProcessing puts <|begin_of_text|> in front
 *   Qwen      151643 ranks; NFC; <|endoftext|>, <|im_start|>, <|im_end|>
 *             and 205 <|extra_N|>
 *
 * MEDVL_EFORMAT       a line that is none, a token twice, a rank that is not
 *                     the one after the line before's, a byte missing
 * MEDVL_EUNSUPPORTED  another number of ranks, named
 */
int medvl_tiktoken_to_json(struct medvl_text *json, struct medvl_span file,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The same of CLIP's merges (the text, not the .gz): lower case, white space
 * run together, "</w>" behind a word, <|startoftext|> and <|endoftext|>
 * around.  Of OpenAI's cleaning the entities &amp; &lt; &gt; &quot; &#39;
 * &apos; and &nbsp; are undone, twice; others and the repair of broken text
 * (ftfy) are not.
 *
 * MEDVL_EFORMAT: a line that is none, or fewer than 48894 merges.
 */
int medvl_clip_to_json(struct medvl_text *json, struct medvl_span file,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
