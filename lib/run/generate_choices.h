/*
 * A record's "choices" as ids after its prompt, and their scores as fields.
 * Inside of generate.h.
 *
 * Read next: generate_answer.h.
 */
#ifndef MEDVL_RUN_GENERATE_CHOICES_H
#define MEDVL_RUN_GENERATE_CHOICES_H

#include "lib/run/generate_request.h"

/* Valid when zeroed. */
struct medvl_request_choices {
    int64_t count;
    const char **letters, **texts; /* of `json` */
    int32_t **ids;                 /* each choice's, after the prompt */
    int64_t *counts;               /* at least 1 each */
    double *sums;                  /* log-probabilities, by the scorer */
    struct medvl_json *json;
};

/*
 * Read "choices" ({letter: text}) and shorten the request's ids to the
 * prompt that all of them share: as far as the ids of prompt and choice
 * agree, and no further than a choice's own tokens.  Of "messages" a choice
 * is the assistant's turn as the template writes it, without the turn's
 * end; else it is text behind the prompt.
 *
 * MEDVL_EFORMAT when there are none, or they are not as above, or one has
 * no tokens of its own.
 */
int medvl_request_choices_read(struct medvl_request_choices *out,
                               struct medvl_request *request,
                               struct medvl_request_reader *reader,
                               const struct medvl_record *record,
                               struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Set "choice_logprobs", "prediction" (the letter of the best, the first
 * of equals) and "prediction_text".
 *
 *   normalize   divide a sum by the number of its "tokens" or "bytes"; NULL
 *
 * MEDVL_EFORMAT when a sum is not finite.
 */
int medvl_request_choices_set(struct medvl_record *record,
                              const struct medvl_request_choices *choices,
                              const char *normalize,
                              struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_request_choices_release(struct medvl_request_choices *choices);

#endif
