/*
 * Records to requests, requests through the generator or the scorer, what
 * comes out back into records.  A record that cannot be asked is set aside
 * by itself; the rest of its window goes on.
 *
 * Read next: generate_request.c.
 */
#include "lib/run/generate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/model/generator.h"
#include "lib/model/scorer.h"
#include "lib/run/generate_answer.h"
#include "lib/run/generate_author.h"
#include "lib/run/generate_choices.h"
#include "lib/run/generate_request.h"
#include "lib/tensor/safetensors.h"

/* Bytes of patch rows that are read before what was read is answered. */
#define ROWS_LIMIT ((size_t)256 << 20)

struct stage {
    struct medvl_generate_options o; /* defaults filled in */
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_request_reader reader;
    struct medvl_generator *generator; /* one of the two */
    struct medvl_scorer *scorer;
    struct medvl_safetensors_writer *logits;
    struct medvl_author author;
    const char *field; /* the one that it is the author of */
    struct medvl_want *pictures;

    /* For progress: records answered; answers of those that run. */
    int64_t records, answers, begun, tokens;
};

/* A record on its way. */
struct job {
    struct stage *stage;
    struct medvl_record *record;
    struct medvl_text id;
    uint64_t item; /* hash of the id, or of the ids */
    struct medvl_request request;
    struct medvl_request_choices choices; /* with --choices */
    float *logits;                        /* rows so far, with --logits */
    size_t logits_room, logits_count;
    struct medvl_text decoded; /* scratch of the stop check */
    struct medvl_error fault;  /* of the stop check, or of a row */
};

/* ---- opening --------------------------------------------------------- */

static void fill_defaults(struct medvl_generate_options *o)
{
    if (!o->device)
        o->device = "cpu";
    if (!o->samples)
        o->samples = 1;
    if (!o->batch)
        o->batch = 16;
}

/* What is told by texts needs a tokenizer. */
static int check_text(const struct stage *s, struct medvl_error *err)
{
    for (int64_t i = 0; i < s->o.stop_count; i++)
        if (!*s->o.stop[i])
            return medvl_fail(err, MEDVL_EARG, "a stop text is empty");
    if (s->reader.tok || (!s->o.stop_count && s->o.samples == 1))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "%s: no tokenizer.json, so no stop texts and one "
                      "answer a record",
                      s->o.model);
}

static int open_model(struct stage *s, struct medvl_pool *pool,
                      struct medvl_error *err)
{
    const struct medvl_generator_options options = {.slots = s->o.batch};
    int rc = medvl_device_open(&s->dev, s->o.device, pool, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&s->model, s->o.model, 0, err);
    if (rc < 0)
        return rc;
    medvl_model_load(s->model);
    rc = medvl_author_of(&s->author, &s->o, s->model, err);
    if (rc < 0)
        return rc;
    if (s->o.choices)
        return medvl_scorer_open(&s->scorer, s->model, s->dev, s->o.batch,
                                 err);
    return medvl_generator_open(&s->generator, s->model, s->dev, &options,
                                err);
}

static void stage_free(void *stage)
{
    struct stage *s = stage;

    if (!s)
        return;
    medvl_safetensors_writer_free(s->logits);
    medvl_request_reader_release(&s->reader);
    medvl_generator_free(s->generator);
    medvl_scorer_free(s->scorer);
    medvl_model_free(s->model);
    medvl_device_free(s->dev);
    medvl_free(s);
}

static bool says_texts(const struct stage *s)
{
    return s->reader.tok && s->o.max_tokens > 0;
}

static int stage_open(void **stage, const void *options,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    struct stage *s = medvl_alloc(1, sizeof(*s));
    int rc;

    *stage = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->o = *(const struct medvl_generate_options *)options;
    fill_defaults(&s->o);
    rc = open_model(s, pool, err);
    if (rc == MEDVL_OK)
        rc = medvl_request_reader_open(&s->reader, s->o.model, s->o.chat,
                                       s->o.root, &s->model->config, err);
    if (rc == MEDVL_OK)
        rc = check_text(s, err);
    if (rc == MEDVL_OK && s->reader.frontend)
        rc = medvl_wants_add(&s->pictures, s->o.wants, err,
                             "the model reads pictures: \"images\" is");
    s->field = s->o.choices || says_texts(s) ? "prediction"
                                             : "prediction_tokens";
    if (rc == MEDVL_OK && s->o.logits)
        rc = medvl_safetensors_writer_open(&s->logits, s->o.logits, err);
    if (rc < 0) {
        stage_free(s);
        return rc;
    }
    *stage = s;
    return MEDVL_OK;
}

static int stage_resume(void *stage, const struct medvl_record *done,
                        struct medvl_error *err)
{
    struct stage *s = stage;

    return medvl_author_check(&s->author, done, s->field, err);
}

static int64_t stage_window(void *stage)
{
    const struct stage *s = stage;

    /* Rows of logits wait in memory for their record. */
    return s->o.logits ? 1 : 4 * s->o.batch;
}

/* ---- what a job asks for --------------------------------------------- */

static void tell(struct stage *s, const char *format,
                 ...) MEDVL_PRINTF(2, 3);
static void tell(struct stage *s, const char *format, ...)
{
    char text[160];
    va_list args;

    if (!s->o.progress)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    s->o.progress(s->o.arg, text);
}

/* Of jobs that are about to run. */
static void tell_jobs(struct stage *s, const struct job *jobs, int64_t count)
{
    int64_t tokens = 0;

    for (int64_t i = 0; i < count; i++)
        tokens += jobs[i].request.count;
    s->answers = count * s->o.samples;
    s->begun = 0;
    s->tokens = 0;
    tell(s, "%lld records done, prompts of the next %lld: %lld tokens",
         (long long)s->records, (long long)count, (long long)tokens);
}

/* Does a stop text stand in the answer so far?  A failure ends it too. */
static bool stop_text(void *arg, const int32_t *tokens, int64_t count)
{
    struct job *job = arg;
    struct stage *s = job->stage;

    s->tokens++;
    s->begun += count == 1;
    tell(s, "%lld records done, %lld of the next %lld answers begun, "
            "%lld tokens",
         (long long)s->records, (long long)s->begun, (long long)s->answers,
         (long long)s->tokens);
    if (!s->o.stop_count)
        return false;
    return medvl_answer_text(&job->decoded, &job->stage->o,
                             job->stage->reader.tok, tokens, count,
                             &job->fault) != 0;
}

static int keep_logits(void *arg, int64_t row, const float *logits,
                       int64_t vocab, struct medvl_error *err)
{
    struct job *job = arg;
    const size_t at = (size_t)(row * vocab);
    int rc = medvl_grow(&job->logits, &job->logits_room, at + (size_t)vocab,
                        sizeof(*job->logits), err);

    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < vocab && job->fault.code == MEDVL_OK; i++)
        if (!isfinite(logits[i]))
            medvl_fail(&job->fault, MEDVL_EFORMAT,
                       "row %lld of the logits is not finite",
                       (long long)row);
    memcpy(job->logits + at, logits, (size_t)vocab * sizeof(*logits));
    job->logits_count = (size_t)row + 1;
    return MEDVL_OK;
}

static struct medvl_prompt prompt_of(struct job *job, int64_t sample)
{
    const struct stage *s = job->stage;
    const struct medvl_generate_options *o = &s->o;

    return (struct medvl_prompt){
        .ids = job->request.expanded,
        .count = job->request.count,
        .pictures = job->request.pictures,
        .max_tokens = o->max_tokens,
        .sampler = {.temperature = (float)o->temperature,
                    .top_k = o->top_k,
                    .top_p = (float)o->top_p,
                    .repetition = (float)o->repetition},
        .seed = (uint64_t)o->seed,
        .item = job->item + (uint64_t)sample,
        .stop = stop_text,
        .logits = s->logits && sample == 0 ? keep_logits : NULL,
        .all_logits = s->logits && sample == 0,
        .arg = job};
}

static struct medvl_question question_of(const struct job *job)
{
    return (struct medvl_question){
        .ids = job->request.expanded,
        .count = job->request.count,
        .pictures = job->request.pictures,
        .choices = (const int32_t *const *)job->choices.ids,
        .choice_counts = job->choices.counts,
        .choice_count = job->choices.count,
        .sums = job->choices.sums};
}

/* ---- a job ----------------------------------------------------------- */

static void job_release(struct job *job)
{
    medvl_text_release(&job->id);
    medvl_request_release(&job->request);
    medvl_request_choices_release(&job->choices);
    medvl_free(job->logits);
    medvl_text_release(&job->decoded);
    memset(job, 0, sizeof(*job));
}

/* The id where there is one; what the random numbers hang on. */
static int name_job(struct job *job, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (medvl_record_has(job->record, "id"))
        rc = medvl_record_id(&job->id, job->record, err);
    else if (job->stage->logits)
        rc = medvl_fail(err, MEDVL_EFORMAT, "--logits needs an \"id\"");
    return rc;
}

/* Would the engine take it?  Else one record would fail its window. */
static int check_job(struct job *job, struct medvl_error *err)
{
    struct medvl_question question;
    struct medvl_prompt prompt;

    if (job->stage->o.choices) {
        question = question_of(job);
        return medvl_scorer_check(job->stage->scorer, &question, err);
    }
    prompt = prompt_of(job, 0);
    return medvl_generator_check(job->stage->generator, &prompt, err);
}

static void count_pictures(const struct job *job)
{
    medvl_want_count(job->stage->pictures, job->request.pictures.count > 0,
                     medvl_record_has(job->record, "image")
                         ? "\"image\" is not read, and "
                           "\"images\":[{\"path\":\"a.png\"}] is, shown by "
                           "medvl-prompt"
                         : NULL);
}

static int job_read(struct job *job, struct stage *s,
                    struct medvl_record *record, struct medvl_error *err)
{
    const struct medvl_tokens *ids = &job->request.ids;
    int rc;

    memset(job, 0, sizeof(*job));
    job->stage = s;
    job->record = record;
    rc = name_job(job, err);
    if (rc == MEDVL_OK)
        rc = medvl_request_read(&job->request, &s->reader, record, err);
    if (rc < 0)
        return rc;
    count_pictures(job);
    job->item = job->id.size ? medvl_hash64(job->id.data, job->id.size)
                             : medvl_hash64(ids->ids,
                                            ids->count * sizeof(*ids->ids));
    if (s->o.choices)
        rc = medvl_request_choices_read(&job->choices, &job->request,
                                        &s->reader, record, err);
    if (rc == MEDVL_OK)
        rc = medvl_request_expand(&job->request, &s->reader, err);
    return rc == MEDVL_OK ? check_job(job, err) : rc;
}

static int name_who(struct job *job, struct medvl_error *err)
{
    const struct stage *s = job->stage;

    return medvl_author_sign(&s->author, job->record, s->field, err);
}

static int put_logits(struct job *job, struct medvl_error *err)
{
    const struct stage *s = job->stage;
    const struct medvl_tensor t = medvl_tensor_2d(
        job->logits, MEDVL_DTYPE_F32, (int64_t)job->logits_count,
        s->model->config.decoder.vocab_size);

    if (!s->logits)
        return MEDVL_OK;
    return medvl_safetensors_writer_put(s->logits, job->id.data, &t, err);
}

/* May the answers be kept?  The first fault of all samples. */
static int check_answer(const struct job *job,
                        const struct medvl_prompt *prompts,
                        const struct medvl_completion *done,
                        struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < job->stage->o.samples && rc == MEDVL_OK; i++)
        rc = medvl_completion_check(&done[i], &prompts[i], err);
    if (rc < 0 || job->fault.code == MEDVL_OK)
        return rc;
    return medvl_fail(err, job->fault.code, "%s", job->fault.text);
}

static int set_answer(struct job *job, const struct medvl_prompt *prompts,
                      const struct medvl_completion *done,
                      struct medvl_error *err)
{
    const struct stage *s = job->stage;
    const bool texts = says_texts(s);
    int rc = check_answer(job, prompts, done, err);

    if (rc == MEDVL_OK)
        rc = put_logits(job, err);
    if (rc == MEDVL_OK && texts)
        rc = medvl_answer_set_texts(job->record, &s->o, s->reader.tok, done,
                                    err);
    if (rc == MEDVL_OK)
        rc = name_who(job, err);
    if (rc == MEDVL_OK)
        rc = medvl_answer_set_numbers(job->record, &s->o, done, err);
    return rc;
}

/* A record's own fault sets it aside; no memory or no disk ends the run. */
static int write_or_reject(struct job *job, int rc, struct medvl_out *out,
                           struct medvl_error *err)
{
    if (rc == MEDVL_ENOMEM || rc == MEDVL_EIO)
        return rc;
    return rc < 0 ? medvl_out_reject(out, job->record, err)
                  : medvl_out_write(out, job->record, err);
}

static int write_choice(struct job *job, struct medvl_out *out,
                        struct medvl_error *err)
{
    int rc = medvl_request_choices_set(job->record, &job->choices,
                                       job->stage->o.normalize, err);

    if (rc == MEDVL_OK)
        rc = name_who(job, err);
    return write_or_reject(job, rc, out, err);
}

/* ---- the window ------------------------------------------------------ */

static int generate(struct stage *s, struct job *jobs, int64_t count,
                    struct medvl_out *out, struct medvl_error *err)
{
    const int64_t n = s->o.samples;
    struct medvl_prompt *prompts =
        medvl_alloc((size_t)(count * n), sizeof(*prompts));
    struct medvl_completion *done =
        medvl_alloc((size_t)(count * n), sizeof(*done));
    int rc = prompts && done ? MEDVL_OK : medvl_no_memory(err);

    for (int64_t i = 0; i < count * n && rc == MEDVL_OK; i++)
        prompts[i] = prompt_of(&jobs[i / n], i % n);
    if (rc == MEDVL_OK)
        rc = medvl_generate(done, s->generator, prompts, count * n, err);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = set_answer(&jobs[i], &prompts[i * n], &done[i * n], err);
        rc = write_or_reject(&jobs[i], rc, out, err);
    }
    for (int64_t i = 0; done && i < count * n; i++)
        medvl_completion_release(&done[i]);
    medvl_free(prompts);
    medvl_free(done);
    return rc;
}

static int choose(struct stage *s, struct job *jobs, int64_t count,
                  struct medvl_out *out, struct medvl_error *err)
{
    struct medvl_question *questions =
        medvl_alloc((size_t)count, sizeof(*questions));
    int rc = questions ? MEDVL_OK : medvl_no_memory(err);

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++)
        questions[i] = question_of(&jobs[i]);
    if (rc == MEDVL_OK)
        rc = medvl_scorer_run(s->scorer, questions, count, err);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = write_choice(&jobs[i], out, err);
    medvl_free(questions);
    return rc;
}

/* Answer the jobs, and let go of them. */
static int run_jobs(struct stage *s, struct job *jobs, int64_t count,
                    struct medvl_out *out, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (count)
        tell_jobs(s, jobs, count);
    if (count)
        rc = s->o.choices ? choose(s, jobs, count, out, err)
                          : generate(s, jobs, count, out, err);
    s->records += count;
    for (int64_t i = 0; i < count; i++)
        job_release(&jobs[i]);
    return rc;
}

static size_t rows_size(const struct job *job)
{
    const struct medvl_tensor *rows = &job->request.pictures.rows;

    return (size_t)(rows->size[0] * rows->stride) * sizeof(float);
}

/*
 * Read jobs up to one that ends the run, or up to as many pictures as memory
 * is for; *from goes on behind them.
 */
static int read_jobs(struct stage *s, struct job *jobs, int64_t *n,
                     struct medvl_record *records, int64_t *from,
                     int64_t count, struct medvl_out *out,
                     struct medvl_error *err)
{
    size_t rows = 0;
    int rc = MEDVL_OK;

    *n = 0;
    while (rc == MEDVL_OK && *from < count && rows < ROWS_LIMIT) {
        struct medvl_record *record = &records[(*from)++];

        rc = job_read(&jobs[*n], s, record, err);
        if (rc == MEDVL_OK) {
            rows += rows_size(&jobs[(*n)++]);
        } else {
            job_release(&jobs[*n]);
            rc = medvl_out_reject(out, record, err);
        }
    }
    return rc;
}

/* The window in parts; what stands before a record that ends the run is
 * answered, and its own failure, if there is one, told first. */
static int stage_records(void *stage, struct medvl_record *records,
                         int64_t count, struct medvl_out *out,
                         struct medvl_error *err)
{
    struct stage *s = stage;
    struct job *jobs = medvl_alloc((size_t)count, sizeof(*jobs));
    struct medvl_error bad = {0};
    int64_t from = 0, n;
    int rc = jobs ? MEDVL_OK : medvl_no_memory(err);

    while (rc == MEDVL_OK && from < count) {
        const int later =
            read_jobs(s, jobs, &n, records, &from, count, out, &bad);

        rc = run_jobs(s, jobs, n, out, err);
        if (rc == MEDVL_OK && later < 0) {
            rc = later;
            *err = bad;
        }
    }
    medvl_free(jobs);
    return rc;
}

static int stage_publish(void *stage, struct medvl_error *err)
{
    struct stage *s = stage;
    int rc = MEDVL_OK;

    if (s->logits) {
        rc = medvl_safetensors_writer_close(s->logits, err);
        s->logits = NULL;
    }
    return rc;
}

const struct medvl_batch medvl_generate_batch = {
    .open = stage_open,
    .resume = stage_resume,
    .window = stage_window,
    .records = stage_records,
    .publish = stage_publish,
    .free = stage_free,
    .keeps_part = true,
};
