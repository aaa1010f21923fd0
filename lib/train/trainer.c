/*
 * The loop over steps: the log line, evaluation and checkpoint when they are
 * due; dry runs; starting and resuming.
 */
#include "lib/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/train/card.h"
#include "lib/train/evaluate.h"
#include "lib/train/snapshot.h"

struct run {
    struct medvl_session session;
    struct medvl_rundir dir;
    double peak; /* FLOP/s of a large product */
};

static void release_run(struct run *r)
{
    medvl_session_release(&r->session);
    medvl_rundir_release(&r->dir);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FLOP/s of a 768 x 1024 x 1024 product, the best of four. */
static int measure_peak(double *peak, const struct medvl_session *s,
                        struct medvl_error *err)
{
    enum { N = 768,
           K = 1024,
           M = 1024 };
    const size_t size = (size_t)(N * K + K * M + N * M) * sizeof(float);
    float *block = medvl_block_alloc(size);
    double best = INFINITY;
    struct medvl_tensor inp, w, out;
    int rc = block ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        rc = medvl_device_reserve(
            s->dev, medvl_linear_scratch(N, K, M, MEDVL_DTYPE_F32, 0), err);
    inp = medvl_tensor_2d(block, MEDVL_DTYPE_F32, N, K);
    w = medvl_tensor_2d(block + N * K, MEDVL_DTYPE_F32, M, K);
    out = medvl_tensor_2d(block + N * K + M * K, MEDVL_DTYPE_F32, N, M);
    for (int i = 0; i < 4 && rc == MEDVL_OK; i++) {
        const double start = seconds();

        s->dev->ops->linear_forward(s->dev, &out, &inp, &w, NULL, NULL, 0);
        rc = medvl_device_sync(s->dev, err);
        best = fmin(best, seconds() - start);
    }
    *peak = 2.0 * N * K * M / best;
    medvl_block_free(block, size);
    return rc;
}

/* ---- what is said of a step ------------------------------------------- */

static void progress(const struct medvl_session *s, double loss,
                     double began, int64_t first)
{
    const struct medvl_train_options *o = &s->options;
    const double each = (seconds() - began) / (double)(s->step - first);
    const int64_t left = (int64_t)(each * (double)(s->steps - s->step));
    char text[160];

    if (!o->progress)
        return;
    snprintf(text, sizeof(text),
             "step %lld/%lld  loss %.4f  %.2f s a step  %lld:%02lld left",
             (long long)s->step, (long long)s->steps, loss, each,
             (long long)(left / 60), (long long)(left % 60));
    o->progress(o->arg, text);
}

static void put_dense(struct medvl_json_writer *w,
                      const struct medvl_dense_result *d)
{
    const double pictures = (double)d->pictures;

    medvl_json_put_number(w, "label_loss", d->label / (double)d->labelled);
    medvl_json_put_number(w, "drawn_loss", d->drawn / pictures);
    medvl_json_put_number(w, "field_loss", d->field / pictures);
}

/* Members of the step's line; ratios over nothing are written as null. */
static void put_step(struct medvl_json_writer *w, const struct run *r,
                     const struct medvl_session_report *report, double took)
{
    const struct medvl_session *s = &r->session;
    const int64_t units = s->dense ? report->pictures : report->tokens;

    medvl_json_put_int(w, "step", s->step);
    medvl_json_put_int(w, "epoch", report->epoch);
    medvl_json_put_number(w, "loss", medvl_session_loss(s, &report->sums));
    if (s->dense)
        put_dense(w, &report->sums.dense);
    medvl_json_put_number(w, "lr", report->rate);
    medvl_json_put_number(w, "grad_norm", report->norm);
    medvl_json_put_int(w, s->dense ? "pictures" : "tokens", units);
    medvl_json_put_number(w, s->dense ? "pictures_per_s" : "tokens_per_s",
                          round((double)units / took));
    medvl_json_put_int(w, "memory", (int64_t)medvl_mem_peak());
    medvl_json_put_number(
        w, "peak_share",
        round(1000 * report->sums.flops / took / r->peak) / 1000);
}

/* ---- the loop -------------------------------------------------------- */

/* Every so many steps, or (0) at the end of an epoch; and at the end. */
static bool due(int64_t every, const struct medvl_session *s)
{
    if (s->step == s->steps)
        return true;
    return every > 0 ? s->step % every == 0 : s->position == 0;
}

static int write_line(struct run *r, struct medvl_span line,
                      struct medvl_error *err)
{
    const struct medvl_train_options *o = &r->session.options;
    const int rc = medvl_rundir_log(&r->dir, line, err);

    return rc == MEDVL_OK && o->log ? o->log(o->arg, line, err) : rc;
}

/* A step, evaluation if it is due, the log line, the checkpoint if it is
 * due; *stopped when the caller asked for an end before its start or in
 * it, and the checkpoint is made. */
static int one_step(double *loss, bool *stopped, struct run *r,
                    struct medvl_text *line, struct medvl_error *err)
{
    struct medvl_session *s = &r->session;
    const struct medvl_train_options *o = &s->options;
    struct medvl_json_writer w = {.out = line};
    struct medvl_session_report report;
    const double start = seconds();
    bool improved = false;
    int rc = medvl_session_step(&report, s, err);

    if (rc < 0)
        return rc;
    *loss = medvl_session_loss(s, &report.sums);
    medvl_text_clear(line);
    medvl_json_begin(&w, NULL, '{');
    put_step(&w, r, &report, seconds() - start);
    if (s->eval && due(o->eval_every, s))
        rc = medvl_evaluate(&improved, &w, s, err);
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = write_line(r, medvl_text_span(line), err);
    /* Looked at once: a signal later than this ends the next step. */
    *stopped = o->stop && *o->stop && s->step < s->steps;
    if (rc == MEDVL_OK && (improved || *stopped || due(o->save_every, s)))
        rc = medvl_snapshot_write(s, &r->dir, err);
    return rc;
}

/* Where the run stands, and how it goes on. */
static void say_stopped(const struct medvl_session *s)
{
    const struct medvl_train_options *o = &s->options;
    char text[512];

    if (!o->note)
        return;
    snprintf(text, sizeof(text),
             "stopped at step %lld of %lld, which is saved; "
             "medvl-train --resume %s goes on",
             (long long)s->step, (long long)s->steps, o->output);
    o->note(o->arg, text);
}

static int loop(struct run *r, struct medvl_error *err)
{
    struct medvl_session *s = &r->session;
    struct medvl_text line = {0};
    const double began = seconds();
    const int64_t first = s->step;
    bool stopped = false;
    double loss = 0;
    int rc = measure_peak(&r->peak, s, err);

    while (rc == MEDVL_OK && s->step < s->steps && !stopped) {
        rc = one_step(&loss, &stopped, r, &line, err);
        if (rc == MEDVL_OK)
            progress(s, loss, began, first);
    }
    medvl_text_release(&line);
    if (rc < 0)
        return rc;
    if (stopped) {
        say_stopped(s);
        return MEDVL_TRAIN_STOPPED;
    }
    return medvl_rundir_finish(&r->dir, s->best_step ? s->best_step : s->step,
                               err);
}

/* ---- dry run --------------------------------------------------------- */

static int plan_step(struct medvl_tape_plan *plan, struct medvl_session *s,
                     struct medvl_error *err)
{
    const struct medvl_tape_options options = {
        .mode = MEDVL_TAPE_PLAN,
        .train = true,
        .recompute = s->options.recompute,
        .dropout = (float)s->options.dropout};
    struct medvl_session_sums sums = {0};
    struct medvl_step step;
    int rc = medvl_loader_read(&step, s->data, s->epoch, 0, err);

    if (rc == MEDVL_OK)
        rc = medvl_session_run(&sums, s, &step.micro[0], 1, &options, err);
    if (rc == MEDVL_OK)
        *plan = *medvl_tape_plan(s->tape);
    return rc;
}

static int64_t size_of(const struct medvl_param *param)
{
    return medvl_tensor_rows(&param->value) *
           medvl_tensor_columns(&param->value);
}

/* What a run keeps in memory; dense ones read no decoder. */
static int64_t weight_bytes(const struct medvl_session *s)
{
    const struct medvl_param *heads;
    int64_t count, bytes;

    if (!s->dense)
        return (int64_t)medvl_model_memory(s->model, ~0);
    bytes = (int64_t)medvl_model_memory(s->model, MEDVL_PART_VISION);
    heads = medvl_dense_params(s->dense, &count);
    for (int64_t i = 0; i < count; i++)
        bytes += 4 * size_of(&heads[i]);
    return bytes;
}

static int put_plan(struct medvl_text *line, const struct run *r,
                    const struct medvl_tape_plan *plan,
                    struct medvl_error *err)
{
    const struct medvl_session *s = &r->session;
    const struct medvl_train_options *o = &s->options;
    struct medvl_json_writer w = {.out = line};
    int64_t trained = 0, all = 0, weights, gradients, moments;

    for (int64_t i = 0; i < s->model->count; i++)
        all += size_of(&s->model->params[i]);
    for (int64_t i = 0; i < s->item_count; i++)
        trained += size_of(s->items[i].param);
    weights = weight_bytes(s);
    gradients = 4 * trained;
    moments = (o->average > 0 ? 12 : 8) * trained;
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_int(&w, "records",
                       medvl_dataset_count(medvl_loader_data(s->data)));
    medvl_json_put_int(&w, "steps", s->steps);
    medvl_json_put_int(&w, "parameters", all);
    medvl_json_put_int(&w, "trained", trained);
    medvl_json_put_int(&w, "weight_bytes", weights);
    medvl_json_put_int(&w, "gradient_bytes", gradients);
    medvl_json_put_int(&w, "optimizer_bytes", moments);
    medvl_json_put_int(&w, "activation_bytes", (int64_t)plan->arena);
    medvl_json_put_int(&w, "scratch_bytes", (int64_t)plan->scratch);
    medvl_json_put_int(&w, "total_bytes",
                       weights + gradients + moments +
                           (int64_t)(plan->arena + plan->scratch));
    medvl_json_put_number(&w, "seconds_at_peak",
                          (double)s->steps * (double)o->accumulate *
                              plan->flops / r->peak);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

/* One line: what there is to do, and what the first step needs. */
static int dry_run(struct run *r, struct medvl_error *err)
{
    const struct medvl_train_options *o = &r->session.options;
    struct medvl_tape_plan plan = {0};
    struct medvl_text line = {0};
    int rc = plan_step(&plan, &r->session, err);

    if (rc == MEDVL_OK)
        rc = measure_peak(&r->peak, &r->session, err);
    if (rc == MEDVL_OK)
        rc = put_plan(&line, r, &plan, err);
    if (rc == MEDVL_OK && o->log)
        rc = o->log(o->arg, medvl_text_span(&line), err);
    medvl_text_release(&line);
    return rc;
}

/* ---- starting and resuming -------------------------------------------- */

static const char *data_hash(const struct medvl_loader *loader)
{
    return loader ? medvl_dataset_hash(medvl_loader_data(loader)) : NULL;
}

static int write_options(const struct run *r, struct medvl_error *err)
{
    const struct medvl_session *s = &r->session;
    struct medvl_text text = {0};
    char *path = NULL;
    int rc = medvl_path_join(&path, r->dir.path, "options.json", err);

    if (rc == MEDVL_OK)
        rc = medvl_train_options_write(&text, &s->options,
                                       data_hash(s->data), data_hash(s->eval),
                                       err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(path, text.data, text.size, err);
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

int medvl_train(const struct medvl_train_options *options,
                struct medvl_error *err)
{
    struct run r = {.session.options = *options};
    int rc = medvl_session_open(&r.session, options->model, err);

    if (rc == MEDVL_OK && options->dry_run) {
        rc = dry_run(&r, err);
        goto done;
    }
    if (rc == MEDVL_OK)
        rc = medvl_card_write(&r.session.card, &r.session, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_open(&r.dir, options->output, false, err);
    if (rc == MEDVL_OK)
        rc = write_options(&r, err);
    if (rc == MEDVL_OK)
        rc = medvl_rundir_log_open(&r.dir, 0, err);
    if (rc == MEDVL_OK)
        rc = loop(&r, err);
done:
    release_run(&r);
    return rc;
}

static int check_hash(const struct medvl_loader *loader, const char *saved,
                      const char *what, struct medvl_error *err)
{
    const char *hash = data_hash(loader);

    if (!hash || (saved && !strcmp(hash, saved)))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "the %s data has changed since the run began", what);
}

/* Options as saved, with what belongs to this process from the caller. */
static void join_options(struct medvl_train_options *out,
                         const struct medvl_train_saved *saved,
                         const char *folder,
                         const struct medvl_train_options *options)
{
    *out = saved->options;
    out->output = folder;
    out->pool = options->pool;
    out->log = options->log;
    out->progress = options->progress;
    out->note = options->note;
    out->arg = options->arg;
    out->stop = options->stop;
    if (options->device)
        out->device = options->device;
}

/*
 * Open the session from the newest checkpoint.  The model's folder is the
 * link to it: it is read again when later checkpoints copy its other
 * files, and by then the one that it points at now may be removed.
 */
static int open_newest(struct run *r, const struct medvl_train_saved *saved,
                       struct medvl_error *err)
{
    struct medvl_session *s = &r->session;
    char *latest = NULL;
    int64_t step;
    int rc = medvl_rundir_newest(&step, &r->dir, err);

    if (rc == MEDVL_OK && step)
        rc = medvl_rundir_latest(&latest, &r->dir, step, err);
    if (rc == MEDVL_OK)
        rc = medvl_session_open(s, latest ? latest : s->options.model, err);
    if (rc == MEDVL_OK)
        rc = check_hash(s->data, saved->data_hash, "training", err);
    if (rc == MEDVL_OK)
        rc = check_hash(s->eval, saved->eval_hash, "evaluation", err);
    if (rc == MEDVL_OK && step)
        rc = medvl_snapshot_read(s, &r->dir, step, err);
    else if (rc == MEDVL_OK)
        rc = medvl_card_write(&s->card, s, err);
    medvl_free(latest);
    return rc;
}

static int go_on(struct run *r, const struct medvl_train_saved *saved,
                 struct medvl_error *err)
{
    struct medvl_session *s = &r->session;
    char text[128];
    int rc = open_newest(r, saved, err);

    if (rc < 0)
        return rc;
    snprintf(text, sizeof(text), "resuming at step %lld of %lld",
             (long long)s->step, (long long)s->steps);
    if (s->options.note)
        s->options.note(s->options.arg, text);
    rc = medvl_rundir_log_open(&r->dir, s->step, err);
    return rc < 0 ? rc : loop(r, err);
}

int medvl_train_resume(const char *folder,
                       const struct medvl_train_options *options,
                       struct medvl_error *err)
{
    struct medvl_train_saved saved = {0};
    struct run r = {0};
    char *path = NULL;
    int rc = medvl_rundir_open(&r.dir, folder, true, err);

    if (rc == MEDVL_OK)
        rc = medvl_path_join(&path, folder, "options.json", err);
    if (rc == MEDVL_OK)
        rc = medvl_train_saved_read(&saved, path, err);
    if (rc == MEDVL_OK) {
        join_options(&r.session.options, &saved, folder, options);
        rc = go_on(&r, &saved, err);
    }
    release_run(&r);
    medvl_train_saved_release(&saved);
    medvl_free(path);
    return rc;
}
