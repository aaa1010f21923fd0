/*
 * Opening goes model, data, objective, optimiser: each needs those before
 * it.  A step is a function of (options, data, model, step), so a session
 * that is put back to a step goes on as if it had never stopped.
 */
#include "lib/train/session.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/rope.h"
#include "lib/text/tokenizer.h"
#include "lib/train/schedule.h"

/* Records that an error names. */
enum { NAMED_RECORDS = 5 };

/* ---- opening --------------------------------------------------------- */

static bool is_dense(const struct medvl_session *s)
{
    return !strcmp(s->options.objective, "dense");
}

/* A part that --train names must be there to be trained. */
static int check_parts(const struct medvl_session *s, int mask,
                       struct medvl_error *err)
{
    int trained = 0;

    for (int64_t i = 0; i < s->model->count; i++)
        if (s->model->params[i].trained)
            trained |= (int)medvl_model_part(s->model, &s->model->params[i]);
    for (int p = 0; s->options.train && p < MEDVL_TRAIN_PARTS; p++)
        if (mask & ~trained & (int)medvl_train_parts[p].part)
            return medvl_fail(err, MEDVL_EARG,
                              "--train: the model has no %s part",
                              medvl_train_parts[p].name);
    return MEDVL_OK;
}

static int open_model(struct medvl_session *s, const char *folder, int mask,
                      struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;
    int rc = medvl_device_open(&s->dev, o->device, o->pool, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&s->model, folder, mask, err);
    if (rc == MEDVL_OK)
        rc = check_parts(s, mask, err);
    if (rc == MEDVL_OK && s->model->config.family != MEDVL_FAMILY_TEXT)
        rc = medvl_frontend_open(&s->frontend, folder, &s->model->config, err);
    if (rc == MEDVL_OK)
        rc = medvl_tape_open(&s->tape, s->dev, err);
    return rc;
}

static int open_loader(struct medvl_loader **out,
                       const struct medvl_session *s, bool eval,
                       struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;
    const struct medvl_config *config = &s->model->config;
    struct medvl_loader_options options = {
        .data = {.data = eval ? o->eval : o->data,
                 .data_count = eval ? o->eval_count : o->data_count,
                 .root = o->root,
                 .dense = is_dense(s),
                 .limit = o->max_tokens,
                 .positions = medvl_rope_longest(&config->decoder),
                 .config = config,
                 .balance = eval ? NULL : o->balance},
        .seed = (uint64_t)o->seed,
        .batch_tokens = o->batch_tokens,
        .accumulate = eval ? 1 : o->accumulate,
        .in_order = eval};

    if (is_dense(s))
        options.data.limit = 0;
    return medvl_loader_open(out, &options, s->frontend, o->pool, err);
}

/* Sample answers are text. */
static int check_samples(const struct medvl_session *s,
                         struct medvl_error *err)
{
    char *path = NULL;
    int rc;

    if (!s->eval || is_dense(s) || s->options.samples <= 0)
        return MEDVL_OK;
    rc = medvl_tokenizer_find(&path, s->model->folder, err);
    if (rc == MEDVL_OK && !path)
        rc = medvl_fail(err, MEDVL_EARG,
                        "%s has no tokenizer.json, so no sample answers can "
                        "be written: put the tokenizer there, or leave them "
                        "out with --samples -1",
                        s->model->folder);
    medvl_free(path);
    return rc;
}

static int open_data(struct medvl_session *s, struct medvl_error *err)
{
    int rc = open_loader(&s->data, s, false, err);

    if (rc == MEDVL_OK && s->options.eval_count)
        rc = open_loader(&s->eval, s, true, err);
    if (rc == MEDVL_OK)
        rc = check_samples(s, err);
    return rc;
}

static int open_dense(struct medvl_session *s, struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;
    const struct medvl_dense_options options = {
        .label = o->dense_label,
        .drawn = o->dense_drawn,
        .field = o->dense_field,
        .classes = o->classes};

    if (!is_dense(s))
        return MEDVL_OK;
    return medvl_dense_open(&s->dense, &options, medvl_loader_data(s->data),
                            s->frontend, s->model, err);
}

/* A matrix decays; norms, biases and other vectors do not. */
static void add_item(struct medvl_session *s, struct medvl_param *param,
                     double rate)
{
    struct medvl_optim_item *item = &s->items[s->item_count++];

    item->param = param;
    item->rate = rate;
    item->decay = param->value.rank > 1;
}

static double part_rate(const struct medvl_session *s,
                        const struct medvl_param *param,
                        const double rates[MEDVL_TRAIN_PARTS])
{
    const enum medvl_part part = medvl_model_part(s->model, param);
    int p = 0;

    while (p < MEDVL_TRAIN_PARTS - 1 && medvl_train_parts[p].part != part)
        p++;
    return rates[p];
}

static int open_optim(struct medvl_session *s,
                      const double rates[MEDVL_TRAIN_PARTS],
                      struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;
    const struct medvl_optim_options options = {
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .eps = (float)o->eps,
        .decay = (float)o->decay,
        .clip = o->clip < 0 ? 0 : (float)o->clip,
        .average = (float)o->average};
    struct medvl_param *heads = NULL;
    int64_t head_count = 0;

    if (s->dense)
        heads = medvl_dense_params(s->dense, &head_count);
    s->items = medvl_alloc((size_t)(s->model->count + head_count),
                           sizeof(*s->items));
    if (!s->items)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < s->model->count; i++)
        if (s->model->params[i].trained)
            add_item(s, &s->model->params[i],
                     part_rate(s, &s->model->params[i], rates));
    for (int64_t i = 0; i < head_count; i++)
        add_item(s, &heads[i], rates[0]);
    return medvl_optim_open(&s->optim, s->dev, s->items, s->item_count,
                            &options, err);
}

/* Steps of all epochs, bounded by --steps. */
static int count_steps(struct medvl_session *s, struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;

    for (int64_t e = 0; e < o->epochs; e++) {
        int64_t steps;
        const int rc = medvl_loader_steps(&steps, s->data, e, err);

        if (rc < 0)
            return rc;
        s->steps += steps;
        if (o->steps && s->steps >= o->steps)
            break;
    }
    if (o->steps && s->steps > o->steps)
        s->steps = o->steps;
    if (!s->steps)
        return medvl_fail(err, MEDVL_EARG,
                          "--data: the weights leave no record to train on");
    return MEDVL_OK;
}

/* Of all records that are taken. */
static int64_t count_learned(const struct medvl_loader *loader)
{
    const struct medvl_dataset *data = medvl_loader_data(loader);
    int64_t learned = 0;

    for (int64_t i = 0; i < medvl_dataset_count(data); i++)
        if (medvl_dataset_entry(data, i)->repeat > 0)
            learned += medvl_dataset_entry(data, i)->learned;
    return learned;
}

/* Is there what the objective learns, and --best measures? */
static int check_targets(const struct medvl_session *s,
                         struct medvl_error *err)
{
    const char *best = s->options.best;
    bool labels = true;
    int rc = MEDVL_OK;

    if (s->dense && best && !strcmp(best, "eval_accuracy"))
        rc = medvl_dense_labels(&labels, s->dense, medvl_loader_data(s->eval),
                                err);
    if (rc < 0)
        return rc;
    if (!labels)
        return medvl_fail(err, MEDVL_EARG,
                          "--best %s: the evaluation data has no labelled "
                          "regions to measure it by",
                          best);
    if (!s->dense && !count_learned(s->data))
        return medvl_fail(err, MEDVL_EARG,
                          "--data: no record has a token to learn: a 1 in "
                          "\"loss_mask\" marks one, and medvl-tokenize "
                          "marks the turns of the assistant");
    if (!s->dense && best && !count_learned(s->eval))
        return medvl_fail(err, MEDVL_EARG,
                          "--best %s: the evaluation data has no token to "
                          "measure it by: a 1 in \"loss_mask\" marks one",
                          best);
    return MEDVL_OK;
}

int medvl_session_open(struct medvl_session *session, const char *folder,
                       struct medvl_error *err)
{
    struct medvl_session *s = session;
    double rates[MEDVL_TRAIN_PARTS];
    int mask = 0;
    int rc = medvl_train_options_check(&s->options, err);

    if (rc == MEDVL_OK)
        rc = medvl_train_options_parts(&mask, rates, &s->options, err);
    if (rc == MEDVL_OK)
        rc = open_model(s, folder, mask, err);
    if (rc == MEDVL_OK)
        rc = open_data(s, err);
    if (rc == MEDVL_OK)
        rc = open_dense(s, err);
    if (rc == MEDVL_OK)
        rc = open_optim(s, rates, err);
    if (rc == MEDVL_OK)
        rc = count_steps(s, err);
    if (rc == MEDVL_OK)
        rc = check_targets(s, err);
    if (rc == MEDVL_OK)
        rc = medvl_session_settle(s, err);
    return rc;
}

void medvl_session_release(struct medvl_session *session)
{
    medvl_text_release(&session->card);
    medvl_tape_free(session->tape);
    medvl_optim_free(session->optim);
    medvl_dense_free(session->dense);
    medvl_loader_free(session->data);
    medvl_loader_free(session->eval);
    medvl_frontend_free(session->frontend);
    medvl_model_free(session->model);
    medvl_device_free(session->dev);
    medvl_free(session->items);
    memset(session, 0, sizeof(*session));
}

int medvl_session_settle(struct medvl_session *session,
                         struct medvl_error *err)
{
    struct medvl_session *s = session;
    int rc = medvl_loader_steps(&s->epoch_steps, s->data, s->epoch, err);

    while (rc == MEDVL_OK && s->position >= s->epoch_steps &&
           s->epoch < s->options.epochs) {
        s->position = 0;
        s->epoch++;
        rc = medvl_loader_steps(&s->epoch_steps, s->data, s->epoch, err);
    }
    return rc;
}

/* ---- a micro-batch --------------------------------------------------- */

static int run_tape(struct medvl_session_sums *sums, struct medvl_session *s,
                    const struct medvl_microbatch *micro, double share,
                    const struct medvl_tape_options *options,
                    struct medvl_error *err)
{
    struct medvl_error ignored;
    int rc, end;

    medvl_tape_begin(s->tape, options, NULL);
    if (s->dense)
        rc = medvl_dense_run(&sums->dense, s->dense, s->tape, micro, share,
                             err);
    else if (options->mode == MEDVL_TAPE_INFER)
        rc = medvl_sft_evaluate(&sums->sft, s->tape, s->model, micro, err);
    else
        rc = medvl_sft_run(&sums->sft, s->tape, s->model, micro,
                           s->options.smoothing, share, err);
    end = medvl_tape_end(s->tape, rc < 0 ? &ignored : err);
    sums->flops += medvl_tape_plan(s->tape)->flops;
    return rc < 0 ? rc : end;
}

/* "records a, b" in front of an error. */
static int name_records(const struct medvl_microbatch *micro, int64_t count,
                        struct medvl_error *err)
{
    struct medvl_text ids = {0};
    int64_t named = 0, all = 0;
    int rc = MEDVL_OK;

    for (int64_t m = 0; m < count; m++)
        for (int64_t i = 0; i < micro[m].sample_count; i++, all++)
            if (rc == MEDVL_OK && named < NAMED_RECORDS) {
                rc = medvl_text_printf(&ids, NULL, "%s%.80s", named ? ", " : "",
                                       micro[m].samples[i].id);
                named++;
            }
    if (rc == MEDVL_OK && all > named)
        rc = medvl_text_printf(&ids, NULL, " and %lld more",
                               (long long)(all - named));
    rc = medvl_context(err, "records %s", ids.data ? ids.data : "");
    medvl_text_release(&ids);
    return rc;
}

/*
 * Run again what failed with every result checked, so that the error names
 * the first tensor that went wrong; and name the records.
 */
static int explain(struct medvl_session *s,
                   const struct medvl_microbatch *micro,
                   const struct medvl_tape_options *options,
                   struct medvl_error *err)
{
    struct medvl_tape_options checked = *options;
    struct medvl_session_sums sums = {0};
    struct medvl_error found = {0};

    checked.check_finite = true;
    if (err && run_tape(&sums, s, micro, 1, &checked, &found) < 0)
        *err = found;
    return name_records(micro, 1, err);
}

int medvl_session_run(struct medvl_session_sums *sums,
                      struct medvl_session *session,
                      const struct medvl_microbatch *micro, double share,
                      const struct medvl_tape_options *options,
                      struct medvl_error *err)
{
    int rc = run_tape(sums, session, micro, share, options, err);

    if (rc == MEDVL_EFORMAT && options->mode != MEDVL_TAPE_PLAN)
        rc = explain(session, micro, options, err);
    return rc;
}

double medvl_session_loss(const struct medvl_session *session,
                          const struct medvl_session_sums *sums)
{
    if (session->dense)
        return sums->dense.loss / (double)sums->dense.pictures;
    return sums->sft.loss / sums->sft.weight;
}

/* ---- a step ---------------------------------------------------------- */

/* Without a target: 1, and a gradient of zeros. */
static double share_of(const struct medvl_session *s,
                       const struct medvl_step *step)
{
    const double share = s->dense ? (double)step->pictures : step->weight;

    return share > 0 ? share : 1;
}

static int run_step(struct medvl_session_report *report,
                    struct medvl_session *s, const struct medvl_step *step,
                    struct medvl_error *err)
{
    const struct medvl_train_options *o = &s->options;
    const double scale =
        medvl_schedule(s->step, s->steps, o->warmup, o->floor);
    int rc = MEDVL_OK;

    for (int64_t m = 0; m < step->micro_count && rc == MEDVL_OK; m++) {
        const struct medvl_tape_options options = {
            .mode = MEDVL_TAPE_TRAIN,
            .recompute = o->recompute,
            .dropout = (float)o->dropout,
            .seed = (uint64_t)o->seed,
            .step = (uint64_t)(s->step * o->accumulate + m)};

        rc = medvl_session_run(&report->sums, s, &step->micro[m],
                               share_of(s, step), &options, err);
    }
    if (rc < 0)
        return rc;
    report->rate = scale * o->rate;
    rc = medvl_optim_step(&report->norm, s->optim, scale, err);
    return rc == MEDVL_EFORMAT ? name_records(step->micro, step->micro_count,
                                              err)
                               : rc;
}

int medvl_session_step(struct medvl_session_report *report,
                       struct medvl_session *session, struct medvl_error *err)
{
    struct medvl_session *s = session;
    struct medvl_step step;
    int rc = medvl_loader_read(&step, s->data, s->epoch, s->position, err);

    memset(report, 0, sizeof(*report));
    if (rc == MEDVL_OK)
        rc = run_step(report, s, &step, err);
    if (rc < 0)
        return medvl_context(err, "step %lld", (long long)s->step + 1);
    report->epoch = step.epoch;
    report->tokens = step.tokens;
    report->pictures = step.pictures;
    s->step++;
    s->position++;
    return medvl_session_settle(s, err);
}
