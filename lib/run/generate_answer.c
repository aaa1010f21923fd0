/*
 * Texts, numbers and the reason why an answer ended.
 *
 * Read next: generate.c.
 */
#include "lib/run/generate_answer.h"

#include <string.h>

#include "lib/base/mem.h"

/* Where the first of the stop texts begins, or the text's size. */
static size_t find_stop(const struct medvl_generate_options *o,
                        const struct medvl_text *text)
{
    size_t first = text->size;

    for (int64_t i = 0; i < o->stop_count && text->size; i++) {
        const char *at = memmem(text->data, text->size, o->stop[i],
                                strlen(o->stop[i]));

        if (at && (size_t)(at - text->data) < first)
            first = (size_t)(at - text->data);
    }
    return first;
}

int medvl_answer_text(struct medvl_text *out,
                      const struct medvl_generate_options *options,
                      const struct medvl_tokenizer *tok,
                      const int32_t *tokens, int64_t count,
                      struct medvl_error *err)
{
    int rc;

    medvl_text_clear(out);
    rc = medvl_tokenizer_decode(
        tok, out, tokens, (size_t)count,
        MEDVL_DECODE_SKIP_SPECIAL | MEDVL_DECODE_SKIP_UNKNOWN, err);
    if (rc == MEDVL_OK && find_stop(options, out) < out->size) {
        out->size = find_stop(options, out);
        out->data[out->size] = '\0';
        return 1;
    }
    return rc;
}

int medvl_answer_set_texts(struct medvl_record *record,
                           const struct medvl_generate_options *options,
                           const struct medvl_tokenizer *tok,
                           const struct medvl_completion *done,
                           struct medvl_error *err)
{
    const struct medvl_generate_options *o = options;
    struct medvl_text text = {0}, all = {0};
    struct medvl_json_writer w = {.out = &all};
    int rc = MEDVL_OK;

    medvl_json_begin(&w, NULL, '[');
    for (int64_t i = 0; i < o->samples && rc >= 0; i++) {
        rc = medvl_answer_text(&text, o, tok, done[i].tokens, done[i].count,
                               err);
        medvl_json_put_string(&w, NULL, medvl_text_span(&text));
        if (rc >= 0 && i == 0)
            rc = medvl_record_set_text(record, "prediction",
                                       medvl_text_span(&text), err);
    }
    medvl_json_end(&w);
    if (rc >= 0)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK && o->samples > 1)
        rc = medvl_record_set(record, "predictions", medvl_text_span(&all),
                              err);
    medvl_text_release(&text);
    medvl_text_release(&all);
    return rc;
}

static int set_logprobs(struct medvl_record *record, struct medvl_text *text,
                        const struct medvl_completion *done,
                        struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = text};
    int rc;

    medvl_text_clear(text);
    medvl_json_begin(&w, NULL, '[');
    for (int64_t i = 0; i < done->count; i++)
        medvl_json_put_number(&w, NULL, done->logprobs[i]);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    return rc < 0 ? rc
                  : medvl_record_set(record, "logprobs",
                                     medvl_text_span(text), err);
}

int medvl_answer_set_numbers(struct medvl_record *record,
                             const struct medvl_generate_options *options,
                             const struct medvl_completion *done,
                             struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    int rc = medvl_json_write_ints(&text, done->tokens, (size_t)done->count,
                                   err);

    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "prediction_tokens",
                              medvl_text_span(&text), err);
    medvl_text_clear(&text);
    medvl_json_put_number(&w, NULL, done->logprob);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "logprob", medvl_text_span(&text), err);
    if (rc == MEDVL_OK && options->logprobs)
        rc = set_logprobs(record, &text, done, err);
    medvl_text_release(&text);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(
            record, "finish_reason",
            medvl_span(done->finish == MEDVL_FINISH_STOP ? "stop" : "length"),
            err);
    return rc;
}
