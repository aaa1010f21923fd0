/*
 * Cross entropy over head_logprob: with smoothing e a token's loss is
 * -(1 - e) logp - e mean_logp, so the gradients that are seeded are
 * constants known before the backward pass.
 */
#include "lib/train/sft.h"

#include <math.h>

#include "lib/base/mem.h"

/* Rows of logits made at once when answers are checked. */
enum { CHECK_ROWS = 256 };

static struct medvl_tensor indices(const int32_t *data, int64_t count)
{
    return medvl_tensor_1d((void *)(uintptr_t)data, MEDVL_DTYPE_I32, count);
}

/* Loss of the tokens, in order; logp and mean_logp may be shorter-lived. */
static double token_losses(const struct medvl_microbatch *micro,
                           const float *logp, const float *mean_logp,
                           double smoothing)
{
    double loss = 0;

    for (int64_t i = 0; i < micro->batch.tokens.tokens; i++) {
        double one;

        if (micro->target[i] < 0)
            continue;
        one = -(1 - smoothing) * logp[i];
        if (mean_logp)
            one -= smoothing * mean_logp[i];
        loss += micro->weight[i] * one;
    }
    return loss;
}

static void count_targets(struct medvl_sft_result *sum,
                          const struct medvl_microbatch *micro)
{
    for (int64_t i = 0; i < micro->batch.tokens.tokens; i++)
        if (micro->target[i] >= 0) {
            sum->tokens++;
            sum->weight += micro->weight[i];
        }
}

int medvl_sft_seed(struct medvl_tape *tape, struct medvl_var *logp,
                   const struct medvl_tensor *target, const float *weight,
                   double factor, double share, struct medvl_error *err)
{
    const int32_t *class = target->data;
    const int64_t rows = target->size[0];
    float *d = medvl_alloc((size_t)rows, sizeof(*d));
    struct medvl_tensor t = medvl_tensor_1d(d, MEDVL_DTYPE_F32, rows);

    if (!d)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < rows; i++)
        if (class[i] >= 0)
            d[i] = (float)(-(weight ? weight[i] : 1) * factor / share);
    medvl_tape_seed(tape, logp, &t);
    medvl_free(d);
    return MEDVL_OK;
}

static int backward(struct medvl_tape *tape, struct medvl_var *logp,
                    struct medvl_var *mean_logp,
                    const struct medvl_microbatch *micro, double smoothing,
                    double share, struct medvl_error *err)
{
    const struct medvl_tensor target =
        indices(micro->target, micro->batch.tokens.tokens);
    int rc = medvl_sft_seed(tape, logp, &target, micro->weight,
                            1 - smoothing, share, err);

    if (rc == MEDVL_OK && mean_logp)
        rc = medvl_sft_seed(tape, mean_logp, &target, micro->weight,
                            smoothing, share, err);
    if (rc == MEDVL_OK) {
        medvl_tape_backward(tape);
        rc = medvl_tape_check(tape, err);
    }
    return rc;
}

int medvl_sft_run(struct medvl_sft_result *sum, struct medvl_tape *tape,
                  const struct medvl_model *model,
                  const struct medvl_microbatch *micro,
                  double smoothing, double share, struct medvl_error *err)
{
    const struct medvl_tensor target =
        indices(micro->target, micro->batch.tokens.tokens);
    struct medvl_var *hidden, *logp, *mean_logp = NULL;
    struct medvl_decoder_run *run = NULL;
    double loss;
    int rc = medvl_decoder_run_open(&run, &model->config.decoder,
                                    &micro->batch.tokens, err);

    if (rc < 0)
        return rc;
    hidden = medvl_vlm_forward(tape, model, &micro->batch, run);
    logp = medvl_tape_head_logprob(tape, NULL,
                                   smoothing > 0 ? &mean_logp : NULL, hidden,
                                   medvl_decoder_head(model),
                                   medvl_decoder_head_bias(model), &target);
    rc = medvl_tape_check(tape, err);
    if (rc < 0)
        goto done;
    if (medvl_tape_mode(tape) != MEDVL_TAPE_PLAN) {
        loss = token_losses(micro, logp->value.data,
                            mean_logp ? mean_logp->value.data : NULL,
                            smoothing);
        if (!isfinite(loss))
            rc = medvl_fail(err, MEDVL_EFORMAT, "the loss is not finite");
        sum->loss += loss;
        count_targets(sum, micro);
    }
    if (rc == MEDVL_OK && medvl_tape_trains(tape))
        rc = backward(tape, logp, mean_logp, micro, smoothing, share, err);
done:
    medvl_decoder_run_free(run);
    return rc;
}

/* Mark rows whose target is not the likeliest token; of equals the first
 * is, as greedy generation takes it. */
static int check_rows(uint8_t *wrong, struct medvl_tape *tape,
                      const struct medvl_model *model,
                      struct medvl_var *hidden,
                      const struct medvl_microbatch *micro,
                      const int32_t *rows, int64_t count,
                      struct medvl_error *err)
{
    const struct medvl_tensor index = indices(rows, count);
    const int64_t vocab = model->config.decoder.vocab_size;
    struct medvl_var *logits;
    int rc;

    medvl_tape_enter(tape, "answers");
    logits = medvl_tape_linear(tape,
                               medvl_tape_gather_rows(tape, hidden, &index),
                               medvl_decoder_head(model),
                               medvl_decoder_head_bias(model));
    rc = medvl_tape_check(tape, err);
    for (int64_t i = 0; rc == MEDVL_OK && i < count; i++) {
        const float *row = (const float *)logits->value.data + i * vocab;
        const int32_t target = micro->target[rows[i]];

        for (int64_t v = 0; v < vocab; v++)
            if (row[v] > row[target] || (row[v] == row[target] && v < target))
                wrong[rows[i]] = 1;
    }
    medvl_tape_leave(tape, NULL, 0);
    return rc;
}

static void count_whole(struct medvl_sft_result *sum, const uint8_t *wrong,
                        const struct medvl_microbatch *micro)
{
    for (int64_t s = 0; s < micro->sample_count; s++) {
        const struct medvl_sample *sample = &micro->samples[s];
        int64_t targets = 0, missed = 0;

        for (int64_t i = 0; i < sample->token_count; i++) {
            targets += micro->target[sample->first_token + i] >= 0;
            missed += wrong[sample->first_token + i];
        }
        sum->records += targets > 0;
        sum->whole += targets > 0 && !missed;
    }
}

static int check_answers(struct medvl_sft_result *sum,
                         struct medvl_tape *tape,
                         const struct medvl_model *model,
                         struct medvl_var *hidden,
                         const struct medvl_microbatch *micro,
                         struct medvl_error *err)
{
    const int64_t tokens = micro->batch.tokens.tokens;
    uint8_t *wrong = medvl_alloc((size_t)tokens, 1);
    int32_t rows[CHECK_ROWS];
    int64_t count = 0;
    int rc = MEDVL_OK;

    if (!wrong)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < tokens && rc == MEDVL_OK; i++) {
        if (micro->target[i] >= 0)
            rows[count++] = (int32_t)i;
        if (count == CHECK_ROWS || (count && i + 1 == tokens)) {
            rc = check_rows(wrong, tape, model, hidden, micro, rows, count,
                            err);
            count = 0;
        }
    }
    if (rc == MEDVL_OK)
        count_whole(sum, wrong, micro);
    medvl_free(wrong);
    return rc;
}

int medvl_sft_evaluate(struct medvl_sft_result *sum, struct medvl_tape *tape,
                       const struct medvl_model *model,
                       const struct medvl_microbatch *micro,
                       struct medvl_error *err)
{
    const struct medvl_tensor target =
        indices(micro->target, micro->batch.tokens.tokens);
    struct medvl_var *hidden, *logp;
    struct medvl_decoder_run *run = NULL;
    int rc = medvl_decoder_run_open(&run, &model->config.decoder,
                                    &micro->batch.tokens, err);

    if (rc < 0)
        return rc;
    hidden = medvl_vlm_forward(tape, model, &micro->batch, run);
    logp = medvl_tape_head_logprob(tape, NULL, NULL, hidden,
                                   medvl_decoder_head(model),
                                   medvl_decoder_head_bias(model), &target);
    rc = medvl_tape_check(tape, err);
    if (rc == MEDVL_OK) {
        const double loss = token_losses(micro, logp->value.data, NULL, 0);

        sum->loss += loss;
        count_targets(sum, micro);
        rc = isfinite(loss)
                 ? check_answers(sum, tape, model, hidden, micro, err)
                 : medvl_fail(err, MEDVL_EFORMAT, "the loss is not finite");
    }
    medvl_decoder_run_free(run);
    return rc;
}
