/*
 * An evaluation is one pass in order without gradients.  Answers are sampled
 * from the first micro-batches on the way, while their pictures are there.
 */
#include "lib/train/evaluate.h"

#include <math.h>
#include <string.h>

#include "lib/model/generator.h"
#include "lib/text/tokenizer.h"

/* ---- sample answers -------------------------------------------------- */

/* What writes sample answers, and how many are still wanted. */
struct sampler {
    struct medvl_generator *generator;
    struct medvl_tokenizer *tok;
    struct medvl_json_writer *out;
    int64_t left;
};

static int open_sampler(struct sampler *sampler,
                        const struct medvl_session *s,
                        struct medvl_json_writer *out,
                        struct medvl_error *err)
{
    const struct medvl_generator_options options = {.slots = 1};
    int rc = MEDVL_OK;

    memset(sampler, 0, sizeof(*sampler));
    sampler->out = out;
    sampler->left = s->dense ? 0 : s->options.samples;
    if (sampler->left > 0)
        rc = medvl_tokenizer_open(&sampler->tok, s->model->folder, err);
    if (rc == MEDVL_OK && sampler->left > 0)
        rc = medvl_generator_open(&sampler->generator, s->model, s->dev,
                                  &options, err);
    return rc;
}

static void release_sampler(struct sampler *sampler)
{
    medvl_generator_free(sampler->generator);
    medvl_tokenizer_free(sampler->tok);
}

/* The prompt of an evaluation record: its tokens up to the first answer
 * token. */
static bool prompt_of(struct medvl_prompt *prompt,
                      const struct medvl_microbatch *micro,
                      const struct medvl_sample *sample)
{
    const struct medvl_inputs *batch = &micro->batch;
    const int32_t *target = micro->target + sample->first_token;
    int64_t count = 0, answer = 0;

    memset(prompt, 0, sizeof(*prompt));
    while (count < sample->token_count && target[count] < 0)
        count++;
    if (count == sample->token_count)
        return false;
    while (count + answer < sample->token_count && target[count + answer] >= 0)
        answer++;
    prompt->ids = batch->tokens.ids + sample->first_token;
    prompt->count = count + 1;
    prompt->max_tokens = answer + 16;
    if (sample->picture_count) {
        struct medvl_tensor *rows = &prompt->pictures.rows;

        prompt->pictures = batch->pictures;
        prompt->pictures.count = sample->picture_count;
        prompt->pictures.grids += sample->first_picture;
        rows->data = (float *)rows->data +
                     sample->first_patch * rows->stride;
        rows->size[0] = sample->patch_count;
    }
    return true;
}

static int put_sample(struct medvl_json_writer *w,
                      const struct medvl_tokenizer *tok,
                      const struct medvl_sample *sample,
                      const struct medvl_completion *done,
                      struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    struct medvl_text text = {0};
    struct medvl_span answer;
    int rc = medvl_json_view_object(&view, sample->record, err);

    if (rc == MEDVL_OK)
        rc = medvl_tokenizer_decode(
            tok, &text, done->tokens, (size_t)done->count,
            MEDVL_DECODE_SKIP_SPECIAL | MEDVL_DECODE_SKIP_UNKNOWN, err);
    if (rc < 0)
        goto done;
    answer = medvl_json_view_get(&view, "answer");
    medvl_json_begin(w, NULL, '{');
    medvl_json_put_string(w, "id", medvl_span(sample->id));
    if (answer.data)
        medvl_json_put_raw(w, "answer", answer);
    medvl_json_put_string(w, "prediction", medvl_text_span(&text));
    medvl_json_end(w);
done:
    medvl_json_view_release(&view);
    medvl_text_release(&text);
    return rc;
}

/* Greedy answers to a micro-batch's records, as long as any are wanted. */
static int sample_answers(struct sampler *sampler,
                          const struct medvl_microbatch *micro,
                          struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < micro->sample_count && sampler->left > 0 &&
                        rc == MEDVL_OK;
         i++) {
        const struct medvl_sample *sample = &micro->samples[i];
        struct medvl_completion done = {0};
        struct medvl_prompt prompt;

        if (!prompt_of(&prompt, micro, sample))
            continue;
        sampler->left--;
        rc = medvl_generate(&done, sampler->generator, &prompt, 1, err);
        if (rc == MEDVL_OK)
            rc = medvl_completion_check(&done, &prompt, err);
        if (rc == MEDVL_OK)
            rc = put_sample(sampler->out, sampler->tok, sample, &done, err);
        if (rc < 0)
            medvl_context(err, "sample answer to %s", sample->id);
        medvl_completion_release(&done);
    }
    return rc;
}

/* ---- results --------------------------------------------------------- */

/* Part of the records whose answer is right; dense: of labelled patches. */
static double accuracy(const struct medvl_session *s,
                       const struct medvl_session_sums *sums)
{
    if (s->dense)
        return (double)sums->dense.patches_right /
               (double)sums->dense.patches;
    return (double)sums->sft.whole / (double)sums->sft.records;
}

/* Ratios over nothing are NaN, which is written as null. */
static void put_results(struct medvl_json_writer *w,
                        const struct medvl_session *s,
                        const struct medvl_session_sums *sums)
{
    const struct medvl_dense_result *d = &sums->dense;

    medvl_json_put_number(w, "eval_loss", medvl_session_loss(s, sums));
    medvl_json_put_number(w, "eval_accuracy", accuracy(s, sums));
    if (!s->dense) {
        medvl_json_put_int(w, "eval_records", sums->sft.records);
        return;
    }
    medvl_json_put_number(w, "eval_field_accuracy",
                          (double)d->fields_right / (double)d->fields);
    medvl_json_put_int(w, "eval_pictures", d->pictures);
}

static int compare_best(bool *improved, struct medvl_session *s,
                        const struct medvl_session_sums *sums,
                        struct medvl_error *err)
{
    double metric;

    *improved = false;
    if (!s->options.best)
        return MEDVL_OK;
    metric = !strcmp(s->options.best, "eval_loss")
                 ? -medvl_session_loss(s, sums)
                 : accuracy(s, sums);
    if (!isfinite(metric))
        return medvl_fail(err, MEDVL_EARG,
                          "--best %s: the evaluation data has nothing to "
                          "measure it by",
                          s->options.best);
    *improved = !s->best_step || metric > s->best;
    if (*improved) {
        s->best = metric;
        s->best_step = s->step;
    }
    return MEDVL_OK;
}

static int run_all(struct medvl_session_sums *sums, struct sampler *sampler,
                   struct medvl_session *s, struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    int64_t steps;
    int rc = medvl_loader_steps(&steps, s->eval, 0, err);

    for (int64_t i = 0; rc == MEDVL_OK && i < steps; i++) {
        struct medvl_step step;

        rc = medvl_loader_read(&step, s->eval, 0, i, err);
        if (rc == MEDVL_OK)
            rc = medvl_session_run(sums, s, &step.micro[0], 1, &options, err);
        if (rc == MEDVL_OK)
            rc = sample_answers(sampler, &step.micro[0], err);
    }
    return rc;
}

int medvl_evaluate(bool *improved, struct medvl_json_writer *out,
                   struct medvl_session *session, struct medvl_error *err)
{
    struct medvl_session_sums sums = {0};
    struct sampler sampler;
    bool samples;
    int rc;

    medvl_optim_swap(session->optim);
    rc = open_sampler(&sampler, session, out, err);
    samples = sampler.left > 0;
    if (samples)
        medvl_json_begin(out, "samples", '[');
    if (rc == MEDVL_OK)
        rc = run_all(&sums, &sampler, session, err);
    if (samples)
        medvl_json_end(out);
    release_sampler(&sampler);
    medvl_optim_swap(session->optim);
    if (rc == MEDVL_OK) {
        put_results(out, session, &sums);
        rc = compare_best(improved, session, &sums, err);
    }
    return rc < 0 ? medvl_context(err, "evaluation after step %lld",
                                  (long long)session->step)
                  : rc;
}
