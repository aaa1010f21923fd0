/*
 * Prompt and choice are encoded together, because tokens may join where
 * they meet; what all have in common in front is the prompt.
 *
 * Read next: generate_answer.c.
 */
#include "lib/run/generate_choices.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/* ---- ids ------------------------------------------------------------- */

/* The messages with the choice as the last, assistant's, turn. */
static int put_turn(struct medvl_text *out, struct medvl_span messages,
                    const char *text, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    struct medvl_json_view view = {0}, last = {0};
    int rc = medvl_json_view_array(&view, messages, err);

    medvl_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < view.count && rc == MEDVL_OK; i++) {
        rc = medvl_json_view_object(&last, view.members[i].value, err);
        if (rc == MEDVL_OK &&
            (i + 1 < view.count ||
             !medvl_span_is(medvl_json_view_get(&last, "role"),
                            "\"assistant\"")))
            medvl_json_put_raw(&w, NULL, view.members[i].value);
    }
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "role", medvl_span("assistant"));
    medvl_json_put_string(&w, "content", medvl_span(text));
    medvl_json_end(&w);
    medvl_json_end(&w);
    medvl_json_view_release(&view);
    medvl_json_view_release(&last);
    return rc < 0 ? rc : medvl_json_write_end(&w, err);
}

/* Prompt and choice; the choice's own tokens begin at `first`. */
struct together {
    struct medvl_tokens ids;
    size_t first;
};

static int set_ids(struct medvl_tokens *out, const int32_t *ids,
                   size_t count, struct medvl_error *err)
{
    const int rc = medvl_tokens_reserve(out, count, err);

    if (rc == MEDVL_OK && count)
        memcpy(out->ids, ids, count * sizeof(*ids));
    out->count = rc == MEDVL_OK ? count : 0;
    return rc;
}

/* As the template would write it as the answer, without the turn's end. */
static int encode_turn(struct together *out, struct medvl_request_reader *r,
                       const struct medvl_record *record, const char *text,
                       struct medvl_error *err)
{
    const struct medvl_chat_tokens *chat = &r->messages;
    struct medvl_chat_input input = medvl_chat_input_of(&record->view);
    struct medvl_text json = {0};
    size_t first, end;
    int rc = put_turn(&json, medvl_record_get(record, "messages"), text, err);

    input.messages = medvl_text_span(&json);
    if (rc == MEDVL_OK)
        rc = medvl_chat_encode(r->worker, &r->messages, r->encoder, &input, 0,
                               err);
    medvl_text_release(&json);
    if (rc < 0)
        return rc;
    end = chat->tokens.count;
    while (end > 0 && !chat->loss_mask[end - 1])
        end--;
    first = end;
    while (first > 0 && chat->loss_mask[first - 1])
        first--;
    while (end > first && chat->tokens.ends[end - 1] > chat->content_end &&
           medvl_tokenizer_is_added(r->tok, chat->tokens.ids[end - 1]))
        end--;
    out->first = first;
    return set_ids(&out->ids, chat->tokens.ids, end, err);
}

/* After a raw prompt or ids: the text's own tokens. */
static int encode_plain(struct together *out, struct medvl_request_reader *r,
                        const struct medvl_request *request, const char *text,
                        struct medvl_error *err)
{
    int rc = medvl_request_need_tokenizer(r, "choices", err);

    if (rc == MEDVL_OK)
        rc = set_ids(&out->ids, request->ids.ids, request->ids.count, err);
    out->first = out->ids.count;
    if (rc < 0)
        return rc;
    return medvl_encoder_encode(r->encoder, &out->ids, medvl_span(text), NULL,
                                0, 0, err);
}

/* ---- reading --------------------------------------------------------- */

/* The prompt that all choices share: as far as their ids agree, and no
 * further than the first of their own tokens. */
static size_t shared_prompt(const struct together *all, int64_t count)
{
    size_t shared = all[0].first;

    for (int64_t i = 1; i < count; i++) {
        size_t n = 0;

        if (all[i].first < shared)
            shared = all[i].first;
        while (n < shared && all[i].ids.ids[n] == all[0].ids.ids[n])
            n++;
        shared = n;
    }
    return shared;
}

/* The prompt becomes the request's, what is behind it the choices'. */
static int divide(struct medvl_request_choices *out,
                  struct medvl_request *request, const struct together *all,
                  struct medvl_error *err)
{
    const size_t shared = shared_prompt(all, out->count);

    for (int64_t i = 0; i < out->count; i++) {
        const size_t own = all[i].ids.count - shared;

        if (!own)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"choices\": \"%s\" has no tokens of its own",
                              out->letters[i]);
        out->ids[i] = medvl_alloc(own, sizeof(*out->ids[i]));
        if (!out->ids[i])
            return medvl_no_memory(err);
        memcpy(out->ids[i], all[i].ids.ids + shared,
               own * sizeof(*out->ids[i]));
        out->counts[i] = (int64_t)own;
    }
    request->ids.count = 0;
    return set_ids(&request->ids, all[0].ids.ids, shared, err);
}

static int alloc_choices(struct medvl_request_choices *out, size_t count,
                         struct medvl_error *err)
{
    out->letters = medvl_alloc(count, sizeof(*out->letters));
    out->texts = medvl_alloc(count, sizeof(*out->texts));
    out->ids = medvl_alloc(count, sizeof(*out->ids));
    out->counts = medvl_alloc(count, sizeof(*out->counts));
    out->sums = medvl_alloc(count, sizeof(*out->sums));
    if (!out->letters || !out->texts || !out->ids || !out->counts ||
        !out->sums)
        return medvl_no_memory(err);
    out->count = (int64_t)count;
    return MEDVL_OK;
}

static int read_object(struct medvl_request_choices *out,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    const struct medvl_json *member;
    int rc = medvl_record_read(&out->json, record, "choices", err);

    if (rc < 0)
        return rc;
    if (!out->json)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "no \"choices\" (an object of letters and "
                          "texts): medvl-import adds them where a data set "
                          "has them; without, leave out --choices");
    if (medvl_json_type(out->json) != MEDVL_JSON_OBJECT ||
        !medvl_json_count(out->json))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"choices\" is no object of letters and texts");
    rc = alloc_choices(out, medvl_json_count(out->json), err);
    member = medvl_json_first(out->json);
    for (int64_t i = 0; rc == MEDVL_OK && i < out->count; i++) {
        out->letters[i] = medvl_json_name(member);
        out->texts[i] = medvl_json_string(member);
        if (!out->texts[i])
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"choices\": \"%s\" is no text",
                            out->letters[i]);
        member = medvl_json_next(member);
    }
    return rc;
}

int medvl_request_choices_read(struct medvl_request_choices *out,
                               struct medvl_request *request,
                               struct medvl_request_reader *reader,
                               const struct medvl_record *record,
                               struct medvl_error *err)
{
    const bool chat = medvl_record_has(record, "messages");
    struct together *all = NULL;
    int rc = read_object(out, record, err);

    if (rc < 0)
        return rc;
    all = medvl_alloc((size_t)out->count, sizeof(*all));
    if (!all)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < out->count && rc == MEDVL_OK; i++)
        rc = chat ? encode_turn(&all[i], reader, record, out->texts[i], err)
                  : encode_plain(&all[i], reader, request, out->texts[i],
                                 err);
    if (rc == MEDVL_OK)
        rc = divide(out, request, all, err);
    for (int64_t i = 0; i < out->count; i++)
        medvl_tokens_release(&all[i].ids);
    medvl_free(all);
    return rc;
}

void medvl_request_choices_release(struct medvl_request_choices *choices)
{
    for (int64_t i = 0; i < choices->count; i++)
        medvl_free(choices->ids[i]);
    medvl_free(choices->letters);
    medvl_free(choices->texts);
    medvl_free(choices->ids);
    medvl_free(choices->counts);
    medvl_free(choices->sums);
    medvl_json_free(choices->json);
    memset(choices, 0, sizeof(*choices));
}

/* ---- scores ---------------------------------------------------------- */

static double score_of(const struct medvl_request_choices *c, int64_t i,
                       const char *normalize)
{
    if (normalize && !strcmp(normalize, "tokens"))
        return c->sums[i] / (double)c->counts[i];
    if (normalize && !strcmp(normalize, "bytes"))
        return c->sums[i] / fmax(1, (double)strlen(c->texts[i]));
    return c->sums[i];
}

int medvl_request_choices_set(struct medvl_record *record,
                              const struct medvl_request_choices *choices,
                              const char *normalize, struct medvl_error *err)
{
    const struct medvl_request_choices *c = choices;
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    int64_t best = 0;
    int rc = MEDVL_OK;

    medvl_json_begin(&w, NULL, '{');
    for (int64_t i = 0; i < c->count; i++) {
        if (!isfinite(c->sums[i]) && rc == MEDVL_OK)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "the logits are not finite");
        medvl_json_put_number(&w, c->letters[i], score_of(c, i, normalize));
        if (score_of(c, i, normalize) > score_of(c, best, normalize))
            best = i;
    }
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "choice_logprobs",
                              medvl_text_span(&text), err);
    medvl_text_release(&text);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(record, "prediction",
                                   medvl_span(c->letters[best]), err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(record, "prediction_text",
                                   medvl_span(c->texts[best]), err);
    return rc;
}
