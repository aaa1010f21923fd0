/*
 * What a model said, as a record's fields.  Inside of generate.h.
 *
 * Read next: generate.c.
 */
#ifndef MEDVL_RUN_GENERATE_ANSWER_H
#define MEDVL_RUN_GENERATE_ANSWER_H

#include "lib/data/record.h"
#include "lib/model/generator.h"
#include "lib/run/generate.h"
#include "lib/text/tokenizer.h"

/*
 * The text of an answer up to the first stop text of the options; what
 * `out` held is replaced.  Returns 1 when there was a stop text, 0, or an
 * error.
 */
int medvl_answer_text(struct medvl_text *out,
                      const struct medvl_generate_options *options,
                      const struct medvl_tokenizer *tok,
                      const int32_t *tokens, int64_t count,
                      struct medvl_error *err) MEDVL_MUST_CHECK;

/* "prediction", and with several samples "predictions"; done (samples). */
int medvl_answer_set_texts(struct medvl_record *record,
                           const struct medvl_generate_options *options,
                           const struct medvl_tokenizer *tok,
                           const struct medvl_completion *done,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* "prediction_tokens", "logprob", "finish_reason", perhaps "logprobs". */
int medvl_answer_set_numbers(struct medvl_record *record,
                             const struct medvl_generate_options *options,
                             const struct medvl_completion *done,
                             struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
