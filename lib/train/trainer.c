/*
 * The run: what is open while it goes, one step, evaluation, checkpoints,
 * and the loop over them.
 */
#include "lib/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/model/generator.h"
#include "lib/text/tokenizer.h"
#include "lib/train/dense.h"
#include "lib/train/rundir.h"
#include "lib/train/schedule.h"
#include "lib/train/sft.h"

struct run {
    struct medvl_train_options o; /* defaults filled in */
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_frontend *frontend;
    struct medvl_loader *data, *eval;
    struct medvl_dense *dense;
    struct medvl_optim *optim;
    struct medvl_optim_item *items;
    int64_t item_count;
    struct medvl_tape *tape;
    struct medvl_rundir dir;

    int64_t step, steps;     /* done, in all */
    int64_t epoch, position; /* of the next step */
    int64_t epoch_steps;     /* of that epoch */
    double best;             /* metric of the best step so far */
    int64_t best_step;       /* 0: none */
    double peak;             /* FLOP/s of a large product */
};

/* Sums over one step or one evaluation. */
struct sums {
    struct medvl_sft_result sft;
    struct medvl_dense_result dense;
    double flops;
};

static bool is_dense(const struct run *r)
{
    return !strcmp(r->o.objective, "dense");
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- opening --------------------------------------------------------- */

static const char *const PART_NAMES[] = {"vision", "projector", "decoder"};
static const enum medvl_part PARTS[] = {
    MEDVL_PART_VISION, MEDVL_PART_PROJECTOR, MEDVL_PART_DECODER};
enum { PART_COUNT = 3 };

/* "vision=2e-4,projector": which parts, and the rate of each. */
static int parse_parts(int *mask, double rates[PART_COUNT],
                       const struct medvl_train_options *o,
                       struct medvl_error *err)
{
    const char *at = o->train;

    *mask = 0;
    while (at && *at) {
        const size_t size = strcspn(at, ","), name = strcspn(at, "=,");
        struct medvl_span word = {at, name};
        int p = 0;

        while (p < PART_COUNT && !medvl_span_is(word, PART_NAMES[p]))
            p++;
        if (p == PART_COUNT)
            return medvl_fail(err, MEDVL_EARG,
                              "--train: \"%.*s\" is not vision, projector or "
                              "decoder",
                              (int)name, at);
        *mask |= PARTS[p];
        rates[p] = o->rate;
        if (name < size) {
            const struct medvl_span rate = {at + name + 1, size - name - 1};

            if (medvl_parse_real(&rates[p], rate, 0, 1e3, err) < 0)
                return medvl_context(err, "--train: rate of %s",
                                     PART_NAMES[p]);
        }
        at += size + (at[size] == ',');
    }
    return MEDVL_OK;
}

static int open_model(struct run *r, const char *folder, int mask,
                      struct medvl_error *err)
{
    int rc = medvl_device_open(&r->dev, r->o.device, r->o.pool, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&r->model, folder, mask, err);
    if (rc == MEDVL_OK && r->model->config.arch == MEDVL_ARCH_LLAVA)
        rc = medvl_frontend_open(&r->frontend, folder, &r->model->config, err);
    if (rc == MEDVL_OK)
        rc = medvl_tape_open(&r->tape, r->dev, err);
    return rc;
}

static int open_loader(struct medvl_loader **out, const struct run *r,
                       bool eval, struct medvl_error *err)
{
    const struct medvl_train_options *o = &r->o;
    const struct medvl_config *config = &r->model->config;
    struct medvl_loader_options options = {
        .data = {.data = eval ? o->eval : o->data,
                 .data_count = eval ? o->eval_count : o->data_count,
                 .dense = is_dense(r),
                 .limit = o->max_tokens ? o->max_tokens
                                        : config->decoder.max_positions,
                 .vocab = (int32_t)config->decoder.vocab_size,
                 .image_token = config->image_token,
                 .balance = eval ? NULL : o->balance},
        .seed = (uint64_t)o->seed,
        .batch_tokens = o->batch_tokens,
        .accumulate = eval ? 1 : o->accumulate,
        .in_order = eval};

    if (is_dense(r))
        options.data.limit = 0;
    return medvl_loader_open(out, &options, r->frontend, o->pool, err);
}

/* A matrix decays; norms, biases and other vectors do not. */
static void add_item(struct run *r, struct medvl_param *param, double rate)
{
    struct medvl_optim_item *item = &r->items[r->item_count++];

    item->param = param;
    item->rate = (float)(rate / r->o.rate);
    item->decay = param->value.rank > 1;
}

static double part_rate(const struct run *r, const struct medvl_param *param,
                        const double rates[PART_COUNT])
{
    const enum medvl_part part = medvl_model_part(r->model, param);

    for (int p = 0; p < PART_COUNT; p++)
        if (PARTS[p] == part)
            return rates[p];
    return r->o.rate;
}

static int open_optim(struct run *r, const double rates[PART_COUNT],
                      struct medvl_error *err)
{
    const struct medvl_train_options *o = &r->o;
    const struct medvl_optim_options options = {
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .eps = (float)o->eps,
        .decay = (float)o->decay,
        .clip = o->clip < 0 ? 0 : (float)o->clip,
        .average = (float)o->average};
    struct medvl_param *heads = NULL;
    int64_t head_count = 0;

    if (r->dense)
        heads = medvl_dense_params(r->dense, &head_count);
    r->items = medvl_alloc((size_t)(r->model->count + head_count),
                           sizeof(*r->items));
    if (!r->items)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < r->model->count; i++)
        if (r->model->params[i].trained)
            add_item(r, &r->model->params[i],
                     part_rate(r, &r->model->params[i], rates));
    for (int64_t i = 0; i < head_count; i++)
        add_item(r, &heads[i], rates[0]);
    if (!r->item_count)
        return medvl_fail(err, MEDVL_EARG, "--train leaves nothing to train");
    return medvl_optim_open(&r->optim, r->dev, r->items, r->item_count,
                            &options, err);
}

static int open_dense(struct run *r, struct medvl_error *err)
{
    const struct medvl_train_options *o = &r->o;
    const struct medvl_dense_options options = {
        .label = o->dense_label,
        .drawn = o->dense_drawn,
        .field = o->dense_field,
        .classes = o->classes};

    if (!is_dense(r))
        return MEDVL_OK;
    return medvl_dense_open(&r->dense, &options, medvl_loader_data(r->data),
                            r->frontend, r->model, err);
}

/* Steps of all epochs, bounded by --steps. */
static int count_steps(struct run *r, struct medvl_error *err)
{
    int64_t steps;
    int rc = MEDVL_OK;

    r->steps = 0;
    for (int64_t e = 0; e < r->o.epochs && rc == MEDVL_OK; e++) {
        rc = medvl_loader_steps(&steps, r->data, e, err);
        r->steps += steps;
        if (r->o.steps && r->steps >= r->o.steps)
            break;
    }
    if (r->o.steps && r->steps > r->o.steps)
        r->steps = r->o.steps;
    if (rc == MEDVL_OK)
        rc = medvl_loader_steps(&r->epoch_steps, r->data, r->epoch, err);
    return rc;
}

/* FLOP/s of a 768 x 1024 x 1024 product, the best of four. */
static int measure_peak(struct run *r, struct medvl_error *err)
{
    enum { N = 768,
           K = 1024,
           M = 1024 };
    const size_t size = (size_t)(N * K + K * M + N * M) * sizeof(float);
    float *block = medvl_block_alloc(size);
    double best = INFINITY;
    struct medvl_tensor inp, w, out;
    int rc = medvl_device_reserve(
        r->dev, medvl_linear_scratch(N, K, M, MEDVL_DTYPE_F32, 0), err);

    if (!block)
        return medvl_no_memory(err);
    inp = medvl_tensor_2d(block, MEDVL_DTYPE_F32, N, K);
    w = medvl_tensor_2d(block + N * K, MEDVL_DTYPE_F32, M, K);
    out = medvl_tensor_2d(block + N * K + M * K, MEDVL_DTYPE_F32, N, M);
    for (int i = 0; i < 4 && rc == MEDVL_OK; i++) {
        const double start = seconds();

        r->dev->ops->linear_forward(r->dev, &out, &inp, &w, NULL, NULL, 0);
        rc = medvl_device_sync(r->dev, err);
        best = fmin(best, seconds() - start);
    }
    r->peak = 2.0 * N * K * M / best;
    medvl_block_free(block, size);
    return rc;
}

static int open_run(struct run *r, const char *folder,
                    struct medvl_error *err)
{
    double rates[PART_COUNT] = {r->o.rate, r->o.rate, r->o.rate};
    int mask = 0;
    int rc = parse_parts(&mask, rates, &r->o, err);

    if (strcmp(r->o.objective, "language") && !is_dense(r))
        return medvl_fail(err, MEDVL_EARG,
                          "--objective is language or dense, not \"%s\"",
                          r->o.objective);
    if (!mask)
        mask = is_dense(r) ? MEDVL_PART_VISION
                           : MEDVL_PART_VISION | MEDVL_PART_PROJECTOR |
                                 MEDVL_PART_DECODER;
    if (is_dense(r) && mask != MEDVL_PART_VISION)
        return medvl_fail(err, MEDVL_EARG,
                          "--objective dense trains the vision part alone");
    if (rc == MEDVL_OK)
        rc = open_model(r, folder, mask, err);
    if (rc == MEDVL_OK)
        rc = open_loader(&r->data, r, false, err);
    if (rc == MEDVL_OK && r->o.eval_count)
        rc = open_loader(&r->eval, r, true, err);
    if (rc == MEDVL_OK)
        rc = open_dense(r, err);
    if (rc == MEDVL_OK)
        rc = open_optim(r, rates, err);
    if (rc == MEDVL_OK)
        rc = count_steps(r, err);
    return rc;
}

static void close_run(struct run *r)
{
    medvl_tape_free(r->tape);
    medvl_optim_free(r->optim);
    medvl_dense_free(r->dense);
    medvl_loader_free(r->data);
    medvl_loader_free(r->eval);
    medvl_frontend_free(r->frontend);
    medvl_model_free(r->model);
    medvl_device_free(r->dev);
    medvl_free(r->items);
    medvl_rundir_release(&r->dir);
}

/* ---- one step -------------------------------------------------------- */

static int run_micro(struct sums *sum, struct run *r,
                     const struct medvl_microbatch *micro, double share,
                     const struct medvl_tape_options *options,
                     struct medvl_error *err)
{
    struct medvl_error ignored;
    int rc, end;

    medvl_tape_begin(r->tape, options, NULL);
    if (r->dense)
        rc = medvl_dense_run(&sum->dense, r->dense, r->tape, micro, share,
                             err);
    else if (options->mode == MEDVL_TAPE_INFER)
        rc = medvl_sft_evaluate(&sum->sft, r->tape, r->model, micro, err);
    else
        rc = medvl_sft_run(&sum->sft, r->tape, r->model, micro,
                           r->o.smoothing, share, err);
    end = medvl_tape_end(r->tape, rc < 0 ? &ignored : err);
    sum->flops += medvl_tape_plan(r->tape)->flops;
    return rc < 0 ? rc : end;
}

/*
 * A step failed: run the micro-batch again with every result checked, so
 * that the error names the first tensor that went wrong, and name the
 * records.
 */
static int explain(struct run *r, const struct medvl_microbatch *micro,
                   struct medvl_tape_options *options,
                   struct medvl_error *err)
{
    struct medvl_text ids = {0};
    struct sums sum = {0};
    struct medvl_error found = {0};
    int rc = MEDVL_OK;

    if (options->mode != MEDVL_TAPE_PLAN) {
        options->check_finite = true;
        if (run_micro(&sum, r, micro, 1, options, &found) < 0)
            *err = found;
    }
    for (int64_t i = 0; i < micro->sample_count && rc == MEDVL_OK; i++) {
        if (i == 5) {
            rc = medvl_text_printf(&ids, NULL, ", and %lld more",
                                   (long long)(micro->sample_count - 5));
            break;
        }
        rc = medvl_text_printf(&ids, NULL, "%s%s", i ? ", " : "",
                               micro->samples[i].id);
    }
    medvl_context(err, "step %lld: records %s", (long long)r->step + 1,
                  ids.data ? ids.data : "");
    medvl_text_release(&ids);
    return err ? err->code : MEDVL_EFORMAT;
}

static double share_of(const struct run *r, const struct medvl_step *step)
{
    const double share = r->dense ? (double)step->pictures : step->weight;

    return share > 0 ? share : 1;
}

static int run_step(struct sums *sum, struct run *r,
                    const struct medvl_step *step, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t m = 0; m < step->micro_count && rc == MEDVL_OK; m++) {
        struct medvl_tape_options options = {
            .mode = MEDVL_TAPE_TRAIN,
            .recompute = r->o.recompute,
            .dropout = (float)r->o.dropout,
            .seed = (uint64_t)r->o.seed,
            .step = (uint64_t)(r->step * r->o.accumulate + m)};

        rc = run_micro(sum, r, &step->micro[m], share_of(r, step), &options,
                       err);
        if (rc == MEDVL_EFORMAT)
            rc = explain(r, &step->micro[m], &options, err);
    }
    return rc;
}

/* ---- evaluation ------------------------------------------------------ */

/* The prompt of an evaluation record: its tokens up to the first answer
 * token. */
static bool prompt_of(struct medvl_prompt *prompt,
                      const struct medvl_microbatch *micro,
                      const struct medvl_sample *sample)
{
    const struct medvl_inputs *batch = &micro->batch;
    const int32_t *target = micro->target + sample->first_token;
    int64_t count = 0, answer = 0, each;

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
    prompt->pictures = sample->picture_count;
    if (prompt->pictures) {
        prompt->rows = batch->rows;
        each = batch->rows.size[0] / batch->pictures;
        prompt->rows.data = (float *)batch->rows.data +
                            sample->first_picture * each * batch->rows.stride;
        prompt->rows.size[0] = each * prompt->pictures;
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
        rc = medvl_tokenizer_decode(tok, &text, done->tokens,
                                    (size_t)done->count,
                                    MEDVL_DECODE_SKIP_SPECIAL, err);
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

/* Greedy answers to the first records of the evaluation data. */
static int sample_answers(struct medvl_json_writer *w, struct run *r,
                          const struct medvl_microbatch *micro,
                          struct medvl_error *err)
{
    const struct medvl_generator_options options = {.slots = 1};
    struct medvl_generator *generator = NULL;
    struct medvl_tokenizer *tok = NULL;
    int rc = medvl_tokenizer_open(&tok, r->model->folder, err);

    if (rc == MEDVL_OK)
        rc = medvl_generator_open(&generator, r->model, r->dev, &options, err);
    medvl_json_begin(w, "samples", '[');
    for (int64_t i = 0; i < r->o.samples && i < micro->sample_count &&
                        rc == MEDVL_OK;
         i++) {
        struct medvl_completion done = {0};
        struct medvl_prompt prompt;

        if (!prompt_of(&prompt, micro, &micro->samples[i]))
            continue;
        rc = medvl_generate(&done, generator, &prompt, 1, err);
        if (rc == MEDVL_OK)
            rc = put_sample(w, tok, &micro->samples[i], &done, err);
        medvl_completion_release(&done);
    }
    medvl_json_end(w);
    medvl_generator_free(generator);
    medvl_tokenizer_free(tok);
    return rc;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static void put_results(struct medvl_json_writer *w, const struct run *r,
                        const struct sums *sum)
{
    const struct medvl_dense_result *d = &sum->dense;

    if (!r->dense) {
        medvl_json_put_number(w, "eval_loss",
                              ratio(sum->sft.loss, sum->sft.weight));
        medvl_json_put_number(
            w, "eval_accuracy",
            ratio((double)sum->sft.whole, (double)sum->sft.records));
        medvl_json_put_int(w, "eval_records", sum->sft.records);
        return;
    }
    medvl_json_put_number(w, "eval_loss",
                          ratio(d->loss, (double)d->pictures));
    medvl_json_put_number(
        w, "eval_accuracy",
        ratio((double)d->patches_right, (double)d->patches));
    medvl_json_put_number(
        w, "eval_field_accuracy",
        ratio((double)d->fields_right, (double)d->fields));
    medvl_json_put_int(w, "eval_pictures", d->pictures);
}

/* The metric of --best, so that more is better; NAN without one. */
static double best_metric(const struct run *r, const struct sums *sum)
{
    const struct medvl_dense_result *d = &sum->dense;

    if (!r->o.best)
        return NAN;
    if (!strcmp(r->o.best, "eval_loss"))
        return r->dense ? -ratio(d->loss, (double)d->pictures)
                        : -ratio(sum->sft.loss, sum->sft.weight);
    return r->dense
               ? ratio((double)d->patches_right, (double)d->patches)
               : ratio((double)sum->sft.whole, (double)sum->sft.records);
}

/* Over all of --eval with the averaged weights; true in *improved when
 * this step is the best so far. */
static int evaluate(bool *improved, struct medvl_json_writer *w,
                    struct run *r, struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_step step;
    struct sums sum = {0};
    int64_t steps;
    double metric;
    int rc = medvl_loader_steps(&steps, r->eval, 0, err);

    *improved = false;
    for (int64_t i = 0; i < steps && rc == MEDVL_OK; i++) {
        rc = medvl_loader_read(&step, r->eval, 0, i, err);
        if (rc == MEDVL_OK)
            rc = run_micro(&sum, r, &step.micro[0], 1, &options, err);
        if (rc == MEDVL_OK && i == 0 && !r->dense && r->o.samples > 0)
            rc = sample_answers(w, r, &step.micro[0], err);
    }
    if (rc < 0)
        return medvl_context(err, "evaluation");
    put_results(w, r, &sum);
    metric = best_metric(r, &sum);
    if (!isnan(metric) && (!r->best_step || metric > r->best)) {
        r->best = metric;
        r->best_step = r->step;
        *improved = true;
    }
    return MEDVL_OK;
}

/* ---- checkpoints ----------------------------------------------------- */

static int write_state(struct run *r, const char *folder,
                       struct medvl_error *err)
{
    struct medvl_safetensors_entry *entries;
    const int64_t count = medvl_optim_state(&entries, r->optim);
    char numbers[5][32], *path = NULL;
    const char *const metadata[] = {
        "step", numbers[0], "epoch", numbers[1], "position", numbers[2],
        "best_step", numbers[3], "best", numbers[4], NULL};
    int rc = medvl_path_join(&path, folder, "trainer.safetensors", err);

    snprintf(numbers[0], sizeof(numbers[0]), "%lld", (long long)r->step);
    snprintf(numbers[1], sizeof(numbers[1]), "%lld", (long long)r->epoch);
    snprintf(numbers[2], sizeof(numbers[2]), "%lld", (long long)r->position);
    snprintf(numbers[3], sizeof(numbers[3]), "%lld", (long long)r->best_step);
    snprintf(numbers[4], sizeof(numbers[4]), "%.17g", r->best);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_write(path, entries, count, metadata, err);
    medvl_free(path);
    return rc;
}

static int write_heads(const struct run *r, const char *folder,
                       struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    if (!r->dense)
        return MEDVL_OK;
    rc = medvl_path_join(&path, folder, "heads.safetensors", err);
    if (rc == MEDVL_OK)
        rc = medvl_dense_write(r->dense, path, err);
    medvl_free(path);
    return rc;
}

/* With an average, the model's files hold it; trainer.safetensors holds
 * both. */
static int save(struct run *r, struct medvl_error *err)
{
    char *folder = NULL;
    int rc = medvl_rundir_step_path(&folder, &r->dir, r->step, ".tmp", err);

    if (rc == MEDVL_OK)
        rc = medvl_path_remove(folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_folder_make(folder, err);
    if (rc < 0)
        goto done;
    medvl_optim_swap(r->optim);
    rc = medvl_model_write(r->model, folder, NULL, err);
    if (rc == MEDVL_OK)
        rc = write_heads(r, folder, err);
    medvl_optim_swap(r->optim);
    if (rc == MEDVL_OK)
        rc = write_state(r, folder, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_publish(&r->dir, r->step, r->best_step, r->o.keep,
                                  err);
done:
    medvl_free(folder);
    return rc;
}

static int read_number(double *out, const struct medvl_safetensors *file,
                       const char *key, struct medvl_error *err)
{
    const char *text = medvl_safetensors_metadata(file, key);

    if (!text)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\" is missing", key);
    return medvl_parse_real(out, medvl_span(text), -1e300, 1e300, err);
}

/* State of the newest whole checkpoint; none: from the start. */
static int restore(struct run *r, int64_t step, struct medvl_error *err)
{
    static const char *const KEYS[] = {"step", "epoch", "position",
                                       "best_step", "best"};
    struct medvl_safetensors *file = NULL;
    double values[5];
    char *folder = NULL, *path = NULL;
    int rc = medvl_rundir_step_path(&folder, &r->dir, step, "", err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "trainer.safetensors", err);
    if (rc == MEDVL_OK)
        rc = medvl_safetensors_open(&file, path, err);
    for (int i = 0; i < 5 && rc == MEDVL_OK; i++)
        rc = read_number(&values[i], file, KEYS[i], err);
    if (rc == MEDVL_OK)
        rc = medvl_optim_restore(r->optim, file, (int64_t)values[0], err);
    if (rc < 0) {
        medvl_context(err, "%s", path ? path : folder);
    } else {
        r->step = (int64_t)values[0];
        r->epoch = (int64_t)values[1];
        r->position = (int64_t)values[2];
        r->best_step = (int64_t)values[3];
        r->best = values[4];
        rc = medvl_loader_steps(&r->epoch_steps, r->data, r->epoch, err);
    }
    medvl_safetensors_free(file);
    medvl_free(folder);
    medvl_free(path);
    return rc;
}

/* ---- the loop -------------------------------------------------------- */

static void note(const struct run *r, const char *text)
{
    if (r->o.note)
        r->o.note(r->o.arg, text);
}

static void progress(const struct run *r, double loss, double began,
                     int64_t first)
{
    const double per_step =
        (seconds() - began) / (double)(r->step - first ? r->step - first : 1);
    const int64_t left = (int64_t)(per_step * (double)(r->steps - r->step));
    char text[160];

    if (!r->o.progress)
        return;
    snprintf(text, sizeof(text),
             "step %lld/%lld  loss %.4f  %.2f s a step  %lld:%02lld left",
             (long long)r->step, (long long)r->steps, loss, per_step,
             (long long)(left / 60), (long long)(left % 60));
    r->o.progress(r->o.arg, text);
}

static double loss_of(const struct run *r, const struct sums *sum)
{
    if (r->dense)
        return ratio(sum->dense.loss, (double)sum->dense.pictures);
    return ratio(sum->sft.loss, sum->sft.weight);
}

static void put_step(struct medvl_json_writer *w, const struct run *r,
                     const struct medvl_step *step, const struct sums *sum,
                     double rate, double norm, double took)
{
    medvl_json_begin(w, NULL, '{');
    medvl_json_put_int(w, "step", r->step);
    medvl_json_put_int(w, "epoch", step->epoch);
    medvl_json_put_number(w, "loss", loss_of(r, sum));
    if (r->dense) {
        const struct medvl_dense_result *d = &sum->dense;

        medvl_json_put_number(w, "label_loss",
                              ratio(d->label, (double)d->labelled));
        medvl_json_put_number(w, "drawn_loss",
                              ratio(d->drawn, (double)d->pictures));
        medvl_json_put_number(w, "field_loss",
                              ratio(d->field, (double)d->pictures));
    }
    medvl_json_put_number(w, "lr", rate);
    medvl_json_put_number(w, "grad_norm", norm);
    if (r->dense)
        medvl_json_put_int(w, "pictures", step->pictures);
    else
        medvl_json_put_int(w, "tokens", step->tokens);
    medvl_json_put_number(w, r->dense ? "pictures_per_s" : "tokens_per_s",
                          round((double)(r->dense ? step->pictures
                                                  : step->tokens) /
                                took));
    medvl_json_put_int(w, "memory", (int64_t)medvl_mem_peak());
    medvl_json_put_number(w, "peak_share",
                          round(1000 * sum->flops / took / r->peak) / 1000);
}

static bool due(int64_t every, const struct run *r)
{
    if (r->step == r->steps)
        return true;
    return every > 0 ? r->step % every == 0 : r->position == 0;
}

/* Evaluation if it is due, the log line, the checkpoint if it is due. */
static int after_step(struct run *r, struct medvl_json_writer *w,
                      struct medvl_text *line, bool stopping,
                      struct medvl_error *err)
{
    bool improved = false;
    int rc = MEDVL_OK;

    if (r->eval && due(r->o.eval_every, r)) {
        medvl_optim_swap(r->optim);
        rc = evaluate(&improved, w, r, err);
        medvl_optim_swap(r->optim);
    }
    medvl_json_end(w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(w, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_log(&r->dir, medvl_text_span(line), err);
    if (rc == MEDVL_OK && r->o.log)
        rc = r->o.log(r->o.arg, medvl_text_span(line), err);
    if (rc == MEDVL_OK && (improved || stopping || due(r->o.save_every, r)))
        rc = save(r, err);
    return rc;
}

static int advance(struct run *r, struct medvl_error *err)
{
    r->step++;
    r->position++;
    if (r->position < r->epoch_steps)
        return MEDVL_OK;
    r->position = 0;
    r->epoch++;
    return medvl_loader_steps(&r->epoch_steps, r->data, r->epoch, err);
}

static int one_step(double *loss, struct run *r, struct medvl_text *line,
                    struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = line};
    const double start = seconds();
    const double rate = r->o.rate * medvl_schedule(r->step, r->steps,
                                                   r->o.warmup, r->o.floor);
    struct medvl_step step;
    struct sums sum = {0};
    double norm = 0;
    int rc = medvl_loader_read(&step, r->data, r->epoch, r->position, err);

    if (rc == MEDVL_OK)
        rc = run_step(&sum, r, &step, err);
    if (rc == MEDVL_OK) {
        rc = medvl_optim_step(&norm, r->optim, rate, err);
        if (rc < 0)
            medvl_context(err, "step %lld", (long long)r->step + 1);
    }
    if (rc < 0)
        return rc;
    *loss = loss_of(r, &sum);
    rc = advance(r, err);
    medvl_text_clear(line);
    if (rc == MEDVL_OK) {
        put_step(&w, r, &step, &sum, rate, norm, seconds() - start);
        rc = after_step(r, &w, line, r->o.stop && *r->o.stop, err);
    }
    return rc;
}

static int loop(struct run *r, struct medvl_error *err)
{
    struct medvl_text line = {0};
    const double began = seconds();
    const int64_t first = r->step;
    double loss = 0;
    int rc = measure_peak(r, err);

    while (rc == MEDVL_OK && r->step < r->steps) {
        rc = one_step(&loss, r, &line, err);
        if (rc == MEDVL_OK)
            progress(r, loss, began, first);
        if (rc == MEDVL_OK && r->o.stop && *r->o.stop && r->step < r->steps)
            rc = MEDVL_TRAIN_STOPPED;
    }
    medvl_text_release(&line);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_finish(&r->dir, r->best_step ? r->best_step : r->step,
                                 err);
    return rc;
}

/* ---- dry run --------------------------------------------------------- */

static int plan_step(struct medvl_tape_plan *plan, struct run *r,
                     struct medvl_error *err)
{
    const struct medvl_tape_options options = {
        .mode = MEDVL_TAPE_PLAN,
        .train = true,
        .recompute = r->o.recompute,
        .dropout = (float)r->o.dropout};
    struct medvl_step step;
    struct sums sum = {0};
    int rc = medvl_loader_read(&step, r->data, 0, 0, err);

    if (rc == MEDVL_OK)
        rc = run_micro(&sum, r, &step.micro[0], 1, &options, err);
    if (rc == MEDVL_OK)
        *plan = *medvl_tape_plan(r->tape);
    return rc;
}

/* One line: what there is to do, and what the first step needs. */
static int dry_run(struct run *r, struct medvl_error *err)
{
    struct medvl_text line = {0};
    struct medvl_json_writer w = {.out = &line};
    struct medvl_tape_plan plan = {0};
    int64_t trained = 0, all = 0;
    int rc = plan_step(&plan, r, err);

    if (rc == MEDVL_OK)
        rc = measure_peak(r, err);
    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < r->model->count; i++) {
        const struct medvl_tensor *t = &r->model->params[i].value;

        all += medvl_tensor_rows(t) * medvl_tensor_columns(t);
    }
    for (int64_t i = 0; i < r->item_count; i++) {
        const struct medvl_tensor *t = &r->items[i].param->value;

        trained += medvl_tensor_rows(t) * medvl_tensor_columns(t);
    }
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_int(&w, "records",
                       medvl_dataset_count(medvl_loader_data(r->data)));
    medvl_json_put_int(&w, "steps", r->steps);
    medvl_json_put_int(&w, "parameters", all);
    medvl_json_put_int(&w, "trained", trained);
    medvl_json_put_int(&w, "weight_bytes", 4 * all);
    medvl_json_put_int(&w, "gradient_bytes", 4 * trained);
    medvl_json_put_int(&w, "optimizer_bytes",
                       (r->o.average > 0 ? 12 : 8) * trained);
    medvl_json_put_int(&w, "activation_bytes", (int64_t)plan.arena);
    medvl_json_put_int(&w, "scratch_bytes", (int64_t)plan.scratch);
    medvl_json_put_number(&w, "seconds_at_peak",
                          (double)r->steps * (double)r->o.accumulate *
                              plan.flops / r->peak);
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK && r->o.log)
        rc = r->o.log(r->o.arg, medvl_text_span(&line), err);
    medvl_text_release(&line);
    return rc;
}

/* ---- starting and resuming -------------------------------------------- */

static const char *eval_hash(const struct run *r)
{
    return r->eval ? medvl_dataset_hash(medvl_loader_data(r->eval)) : NULL;
}

static int write_options(const struct run *r, struct medvl_error *err)
{
    struct medvl_text text = {0};
    char *path = NULL;
    int rc = medvl_path_join(&path, r->dir.path, "options.json", err);

    if (rc == MEDVL_OK)
        rc = medvl_train_options_write(
            &text, &r->o, medvl_dataset_hash(medvl_loader_data(r->data)),
            eval_hash(r), err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, text.data, text.size, err);
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

int medvl_train(const struct medvl_train_options *options,
                struct medvl_error *err)
{
    struct run r = {.o = *options};
    int rc;

    medvl_train_options_default(&r.o);
    if (!r.o.model || (!r.o.output && !r.o.dry_run) || !r.o.data_count)
        return medvl_fail(err, MEDVL_EARG,
                          "a run needs a model, data and a folder");
    rc = open_run(&r, r.o.model, err);
    if (rc == MEDVL_OK && r.o.dry_run) {
        rc = dry_run(&r, err);
        goto done;
    }
    if (rc == MEDVL_OK)
        rc = medvl_rundir_open(&r.dir, r.o.output, false, err);
    if (rc == MEDVL_OK)
        rc = write_options(&r, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_log_open(&r.dir, 0, err);
    if (rc == MEDVL_OK)
        rc = loop(&r, err);
done:
    close_run(&r);
    return rc;
}

static int check_hashes(const struct run *r,
                        const struct medvl_train_saved *saved,
                        struct medvl_error *err)
{
    const char *data = medvl_dataset_hash(medvl_loader_data(r->data));

    if (strcmp(data, saved->data_hash))
        return medvl_fail(err, MEDVL_EARG,
                          "the training data has changed since the run began");
    if (r->eval &&
        (!saved->eval_hash || strcmp(eval_hash(r), saved->eval_hash)))
        return medvl_fail(err, MEDVL_EARG,
                          "the evaluation data has changed since the run "
                          "began");
    return MEDVL_OK;
}

/* Options as saved, with what belongs to this process from the caller. */
static void join_options(struct run *r, const struct medvl_train_saved *saved,
                         const struct medvl_train_options *options)
{
    r->o = saved->options;
    r->o.pool = options->pool;
    r->o.log = options->log;
    r->o.progress = options->progress;
    r->o.note = options->note;
    r->o.arg = options->arg;
    r->o.stop = options->stop;
    if (options->device)
        r->o.device = options->device;
}

static int resume_at(struct run *r, int64_t step, struct medvl_error *err)
{
    char text[128];
    int rc = MEDVL_OK;

    if (step)
        rc = restore(r, step, err);
    snprintf(text, sizeof(text), "resuming at step %lld of %lld",
             (long long)r->step, (long long)r->steps);
    if (rc == MEDVL_OK)
        note(r, text);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_log_open(&r->dir, r->step, err);
    return rc < 0 ? rc : loop(r, err);
}

int medvl_train_resume(const char *folder,
                       const struct medvl_train_options *options,
                       struct medvl_error *err)
{
    struct medvl_train_saved saved = {0};
    struct run r = {0};
    char *path = NULL, *model = NULL;
    int64_t step = 0;
    int rc = medvl_rundir_open(&r.dir, folder, true, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "options.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_train_saved_read(&saved, path, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_newest(&step, &r.dir, err);
    if (rc == MEDVL_OK && step)
        rc = medvl_rundir_step_path(&model, &r.dir, step, "", err);
    if (rc == MEDVL_OK) {
        join_options(&r, &saved, options);
        rc = open_run(&r, model ? model : r.o.model, err);
    }
    if (rc == MEDVL_OK)
        rc = check_hashes(&r, &saved, err);
    if (rc == MEDVL_OK)
        rc = resume_at(&r, step, err);
    close_run(&r);
    medvl_train_saved_release(&saved);
    medvl_free(path);
    medvl_free(model);
    return rc;
}
