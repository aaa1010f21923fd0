/*
 * Records to prompts, prompts through the generator, completions back into
 * records.  A record that cannot become a prompt is set aside by itself;
 * the rest of its window goes on.
 */
#include "lib/run/generate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/data/source.h"
#include "lib/model/frontend.h"
#include "lib/model/generator.h"
#include "lib/tensor/safetensors.h"
#include "lib/text/chat.h"
#include "lib/text/tokenizer.h"

struct stage {
    struct medvl_generate_options o; /* defaults filled in */
    struct medvl_pool *pool;
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_frontend *frontend; /* NULL: reads no pictures */
    struct medvl_tokenizer *tok;     /* NULL: the folder has none */
    struct medvl_encoder *encoder;
    struct medvl_chat *chat; /* NULL: the folder has no template */
    struct medvl_chat_worker *worker;
    struct medvl_chat_tokens messages; /* of the record in hand */
    struct medvl_generator *generator;
    struct medvl_source *source;
    struct medvl_safetensors_writer *logits;
    char author[256]; /* the model's name */
    char hash[33];    /* of the options that shape an answer */
};

/* A record on its way: what its prompts point into. */
struct job {
    struct medvl_record *record;
    struct medvl_text id;
    uint64_t item;           /* hash of the id, or of the ids */
    struct medvl_tokens ids; /* before expansion */
    int32_t *order;          /* picture of each placeholder; NULL: all */
    size_t order_count;
    int32_t *expanded, *from; /* after */
    int64_t count;
    float *rows;
    struct medvl_tensor rows_tensor;
    int64_t pictures;
    int64_t *picture_tokens;
    struct stage *stage;
    float *logits; /* rows so far, with --logits */
    size_t logits_room, logits_count;
    struct medvl_text decoded; /* scratch of the stop check */
    struct medvl_error fault;  /* of the stop check */
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

/* The last part of the folder's path: the author of what it says. */
static void name_author(struct stage *s)
{
    size_t size = strlen(s->o.model), first;

    while (size > 1 && s->o.model[size - 1] == '/')
        size--;
    first = size;
    while (first > 0 && s->o.model[first - 1] != '/')
        first--;
    snprintf(s->author, sizeof(s->author), "%.*s", (int)(size - first),
             s->o.model + first);
}

static int hash_options(struct stage *s, struct medvl_error *err)
{
    const struct medvl_generate_options *o = &s->o;
    const double numbers[] = {o->temperature, (double)o->top_k, o->top_p,
                              o->repetition, (double)o->max_tokens,
                              (double)o->samples, o->choices,
                              (double)o->seed};
    struct medvl_hash *hash;
    int rc = medvl_hash_new(&hash, err);

    if (rc < 0)
        return rc;
    medvl_hash_add(hash, numbers, sizeof(numbers));
    if (o->normalize)
        medvl_hash_add(hash, o->normalize, strlen(o->normalize) + 1);
    for (int64_t i = 0; i < o->stop_count; i++)
        medvl_hash_add(hash, o->stop[i], strlen(o->stop[i]) + 1);
    medvl_hash_hex(s->hash, hash);
    medvl_hash_free(hash);
    return MEDVL_OK;
}

/* The tokenizer and template are optional: a model may be fed by tokens. */
static int open_text(struct stage *s, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_path_join(&path, s->o.model, "tokenizer.json", err);

    if (rc == MEDVL_OK && medvl_file_exists(path)) {
        rc = medvl_tokenizer_open(&s->tok, s->o.model, err);
        if (rc == MEDVL_OK)
            rc = medvl_encoder_new(&s->encoder, s->tok, err);
        if (rc == MEDVL_OK)
            rc = medvl_chat_open(&s->chat, s->o.model, s->tok, err);
        if (rc == MEDVL_OK)
            rc = medvl_chat_worker_new(&s->worker, s->chat, err);
        else if (rc == MEDVL_EARG)
            rc = MEDVL_OK; /* no template: "messages" are refused */
    }
    medvl_free(path);
    return rc;
}

/* What is told by texts needs a tokenizer. */
static int check_text(const struct stage *s, struct medvl_error *err)
{
    for (int64_t i = 0; i < s->o.stop_count; i++)
        if (!*s->o.stop[i])
            return medvl_fail(err, MEDVL_EARG, "a stop text is empty");
    if (s->tok || (!s->o.stop_count && s->o.samples == 1))
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "%s: no tokenizer.json, so no stop texts and one "
                      "answer a record",
                      s->o.model);
}

static int open_model(struct stage *s, struct medvl_error *err)
{
    const struct medvl_generator_options options = {.slots = s->o.batch};
    int rc = medvl_device_open(&s->dev, s->o.device, s->pool, err);

    if (rc == MEDVL_OK)
        rc = medvl_model_open(&s->model, s->o.model, 0, err);
    if (rc == MEDVL_OK)
        medvl_model_load(s->model);
    if (rc == MEDVL_OK && s->model->config.arch == MEDVL_ARCH_LLAVA)
        rc = medvl_frontend_open(&s->frontend, s->o.model, &s->model->config,
                                 err);
    if (rc == MEDVL_OK)
        rc = medvl_generator_open(&s->generator, s->model, s->dev, &options,
                                  err);
    return rc;
}

static void stage_free(void *stage)
{
    struct stage *s = stage;

    if (!s)
        return;
    medvl_safetensors_writer_free(s->logits);
    medvl_generator_free(s->generator);
    medvl_frontend_free(s->frontend);
    medvl_model_free(s->model);
    medvl_device_free(s->dev);
    medvl_chat_tokens_release(&s->messages);
    medvl_chat_worker_free(s->worker);
    medvl_chat_free(s->chat);
    medvl_encoder_free(s->encoder);
    medvl_tokenizer_free(s->tok);
    medvl_source_free(s->source);
    medvl_free(s);
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
    s->pool = pool;
    fill_defaults(&s->o);
    name_author(s);
    rc = hash_options(s, err);
    if (rc == MEDVL_OK)
        rc = open_model(s, err);
    if (rc == MEDVL_OK)
        rc = open_text(s, err);
    if (rc == MEDVL_OK)
        rc = check_text(s, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_open(&s->source, s->o.root, 0, err);
    if (rc == MEDVL_OK && s->o.logits)
        rc = medvl_safetensors_writer_open(&s->logits, s->o.logits, err);
    if (rc < 0) {
        stage_free(s);
        return rc;
    }
    *stage = s;
    return MEDVL_OK;
}

static int64_t stage_window(void *stage)
{
    const struct stage *s = stage;

    /* Rows of logits wait in memory for their record. */
    return s->o.logits ? 1 : 4 * s->o.batch;
}

/* ---- a record's prompt ------------------------------------------------ */

static void job_release(struct job *job)
{
    medvl_text_release(&job->id);
    medvl_tokens_release(&job->ids);
    medvl_free(job->order);
    medvl_free(job->expanded);
    medvl_free(job->from);
    medvl_free(job->rows);
    medvl_free(job->picture_tokens);
    medvl_free(job->logits);
    medvl_text_release(&job->decoded);
    memset(job, 0, sizeof(*job));
}

/* One picture's patch rows, appended to the job's. */
static int add_picture(struct job *job, const struct medvl_json *image,
                       size_t *room, struct medvl_error *err)
{
    struct stage *s = job->stage;
    struct medvl_picture picture = {0};
    struct medvl_frontend_size size;
    struct medvl_span bytes;
    const int64_t before = job->rows_tensor.size[0];
    int rc = medvl_source_read(&bytes, s->source, image, err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_decode(&picture, bytes.data, bytes.size, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&size, s->frontend, picture.width,
                                 picture.height, err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&job->rows, room,
                        (size_t)((before + size.patches) * size.row),
                        sizeof(*job->rows), err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_rows(job->rows + before * size.row, s->frontend,
                                 &picture, err);
    if (rc == MEDVL_OK) {
        job->rows_tensor = medvl_tensor_2d(job->rows, MEDVL_DTYPE_F32,
                                           before + size.patches, size.row);
        job->picture_tokens[job->pictures++] = size.tokens;
    }
    medvl_picture_release(&picture);
    return rc;
}

/* Pictures in the order of their placeholders. */
static int read_pictures(struct job *job, struct medvl_error *err)
{
    struct medvl_json *images = NULL;
    size_t room = 0, count;
    int rc = medvl_record_read(&images, job->record, "images", err);

    count = job->order ? job->order_count : medvl_json_count(images);
    if (rc < 0 || !count)
        goto done;
    if (!job->stage->frontend) {
        rc = medvl_fail(err, MEDVL_EARG, "the model reads no pictures");
        goto done;
    }
    job->picture_tokens = medvl_alloc(count, sizeof(*job->picture_tokens));
    if (!job->picture_tokens)
        rc = medvl_no_memory(err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const size_t n = job->order ? (size_t)job->order[i] : i;
        const struct medvl_json *image = medvl_json_at(images, n);

        if (image)
            rc = add_picture(job, image, &room, err);
        else
            rc = medvl_fail(err, MEDVL_EFORMAT, "not in \"images\"");
        if (rc < 0)
            medvl_context(err, "picture %zu", n + 1);
    }
done:
    medvl_json_free(images);
    return rc;
}

static int need_tokenizer(const struct stage *s, const char *field,
                          struct medvl_error *err)
{
    if (s->tok)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "\"%s\" needs a tokenizer.json in the model's folder",
                      field);
}

static int read_prompt_text(struct job *job, struct medvl_error *err)
{
    struct stage *s = job->stage;
    struct medvl_text text = {0};
    int rc = need_tokenizer(s, "prompt", err);

    if (rc == MEDVL_OK)
        rc = medvl_record_read_text(&text, job->record, "prompt", err);
    if (rc == MEDVL_OK)
        rc = medvl_encoder_encode(s->encoder, &job->ids,
                                  medvl_text_span(&text), NULL, 0,
                                  MEDVL_ENCODE_PARSE_SPECIAL, err);
    medvl_text_release(&text);
    return rc;
}

static int read_prompt_tokens(struct job *job, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (medvl_record_has(job->record, "loss_mask"))
        return medvl_fail(err, MEDVL_EARG,
                          "\"tokens\" stand beside a \"loss_mask\": a "
                          "training record, with its answer in it");
    rc = medvl_json_read_ints(&job->ids.ids, &job->ids.count,
                              &job->ids.capacity,
                              medvl_record_get(job->record, "tokens"), 0,
                              INT32_MAX, err);
    return rc < 0 ? medvl_context(err, "\"tokens\"") : rc;
}

static int need_chat(const struct stage *s, struct medvl_error *err)
{
    const int rc = need_tokenizer(s, "messages", err);

    if (rc < 0 || s->worker)
        return rc;
    return medvl_fail(err, MEDVL_EARG,
                      "\"messages\" need a chat template in the model's "
                      "folder (chat_template.jinja)");
}

/* Which picture each placeholder shows. */
static int keep_order(struct job *job, const struct medvl_chat_tokens *chat,
                      struct medvl_error *err)
{
    job->order = medvl_alloc(chat->image_count + 1, sizeof(*job->order));
    if (!job->order)
        return medvl_no_memory(err);
    job->order_count = chat->image_count;
    if (chat->image_count)
        memcpy(job->order, chat->images,
               chat->image_count * sizeof(*job->order));
    return MEDVL_OK;
}

static int keep_ids(struct job *job, const int32_t *ids, size_t count,
                    struct medvl_error *err)
{
    const int rc = medvl_tokens_reserve(&job->ids, count, err);

    if (rc == MEDVL_OK && count)
        memcpy(job->ids.ids, ids, count * sizeof(*ids));
    job->ids.count = rc == MEDVL_OK ? count : 0;
    return rc;
}

static int read_messages(struct job *job, struct medvl_error *err)
{
    struct stage *s = job->stage;
    int rc = need_chat(s, err);

    if (rc == MEDVL_OK)
        rc = medvl_chat_encode(s->worker, &s->messages, s->encoder,
                               medvl_record_get(job->record, "messages"),
                               MEDVL_CHAT_PROMPT, err);
    if (rc == MEDVL_OK)
        rc = keep_ids(job, s->messages.tokens.ids, s->messages.tokens.count,
                      err);
    if (rc == MEDVL_OK)
        rc = keep_order(job, &s->messages, err);
    return rc < 0 ? medvl_context(err, "\"messages\"") : rc;
}

static int read_ids(struct job *job, struct medvl_error *err)
{
    if (medvl_record_has(job->record, "messages"))
        return read_messages(job, err);
    if (medvl_record_has(job->record, "prompt"))
        return read_prompt_text(job, err);
    if (medvl_record_has(job->record, "tokens"))
        return read_prompt_tokens(job, err);
    return medvl_fail(err, MEDVL_EFORMAT,
                      "no \"messages\", \"prompt\" or \"tokens\"");
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

static int expand(struct job *job, struct medvl_error *err)
{
    const struct medvl_generate_options *o = &job->stage->o;
    const struct medvl_config *config = &job->stage->model->config;
    const int rc = medvl_vlm_expand(
        &job->expanded, &job->from, &job->count, job->ids.ids,
        (int64_t)job->ids.count, job->picture_tokens, job->pictures,
        config->image_token, err);

    if (rc < 0)
        return rc;
    if (job->count < 1)
        return medvl_fail(err, MEDVL_EFORMAT, "the prompt is empty");
    if (job->count + (o->max_tokens > 0) > config->decoder.max_positions)
        return medvl_fail(err, MEDVL_EARG,
                          "a prompt of %lld tokens; the model has room for "
                          "%lld%s",
                          (long long)job->count,
                          (long long)config->decoder.max_positions,
                          o->max_tokens > 0 ? ", the answer too" : "");
    for (int64_t i = 0; i < job->count; i++)
        if (job->expanded[i] >= config->decoder.vocab_size)
            return medvl_fail(err, MEDVL_EARG,
                              "token %d is outside the model's vocabulary",
                              (int)job->expanded[i]);
    return MEDVL_OK;
}

static int job_read(struct job *job, struct stage *s,
                    struct medvl_record *record, struct medvl_error *err)
{
    int rc;

    memset(job, 0, sizeof(*job));
    job->stage = s;
    job->record = record;
    rc = name_job(job, err);
    if (rc == MEDVL_OK)
        rc = read_ids(job, err);
    if (rc == MEDVL_OK)
        rc = read_pictures(job, err);
    if (rc == MEDVL_OK)
        rc = expand(job, err);
    if (rc < 0)
        return rc;
    job->item = job->id.size
                    ? medvl_hash64(job->id.data, job->id.size)
                    : medvl_hash64(job->ids.ids,
                                   job->ids.count * sizeof(*job->ids.ids));
    return MEDVL_OK;
}

/* ---- generating ------------------------------------------------------ */

/* Where the first of the stop texts begins, or the text's size. */
static size_t find_stop(const struct stage *s, const struct medvl_text *text)
{
    size_t first = text->size;

    for (int64_t i = 0; i < s->o.stop_count && text->size; i++) {
        const char *at = memmem(text->data, text->size, s->o.stop[i],
                                strlen(s->o.stop[i]));

        if (at && (size_t)(at - text->data) < first)
            first = (size_t)(at - text->data);
    }
    return first;
}

/* Does a stop text stand in the answer so far?  A failure ends it too. */
static bool stop_text(void *arg, const int32_t *tokens, int64_t count)
{
    struct job *job = arg;
    const struct stage *s = job->stage;

    medvl_text_clear(&job->decoded);
    if (medvl_tokenizer_decode(s->tok, &job->decoded, tokens, (size_t)count,
                               MEDVL_DECODE_SKIP_SPECIAL, &job->fault) < 0)
        return true;
    return find_stop(s, &job->decoded) < job->decoded.size;
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
    memcpy(job->logits + at, logits, (size_t)vocab * sizeof(*logits));
    job->logits_count = (size_t)row + 1;
    return MEDVL_OK;
}

static struct medvl_prompt prompt_of(struct job *job, int64_t sample)
{
    const struct stage *s = job->stage;
    const struct medvl_generate_options *o = &s->o;

    return (struct medvl_prompt){
        .ids = job->expanded,
        .count = job->count,
        .rows = job->rows_tensor,
        .pictures = job->pictures,
        .max_tokens = o->max_tokens,
        .sampler = {.temperature = (float)o->temperature,
                    .top_k = o->top_k,
                    .top_p = (float)o->top_p,
                    .repetition = (float)o->repetition},
        .seed = (uint64_t)o->seed,
        .item = job->item + (uint64_t)sample,
        .stop = o->stop_count ? stop_text : NULL,
        .logits = s->logits && sample == 0 ? keep_logits : NULL,
        .all_logits = s->logits && sample == 0,
        .arg = job};
}

/* The answer's text, cut before the first stop text. */
static int answer_text(struct medvl_text *out, const struct stage *s,
                       const struct medvl_completion *done,
                       struct medvl_error *err)
{
    int rc = medvl_tokenizer_decode(s->tok, out, done->tokens,
                                    (size_t)done->count,
                                    MEDVL_DECODE_SKIP_SPECIAL, err);

    if (rc == MEDVL_OK && out->size) {
        out->size = find_stop(s, out);
        out->data[out->size] = '\0';
    }
    return rc;
}

static int set_numbers(struct medvl_record *record,
                       const struct stage *s,
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
    if (rc == MEDVL_OK && s->o.logprobs) {
        medvl_text_clear(&text);
        w = (struct medvl_json_writer){.out = &text};
        medvl_json_begin(&w, NULL, '[');
        for (int64_t i = 0; i < done->count; i++)
            medvl_json_put_number(&w, NULL, done->logprobs[i]);
        medvl_json_end(&w);
        rc = medvl_json_write_end(&w, err);
        if (rc == MEDVL_OK)
            rc = medvl_record_set(record, "logprobs", medvl_text_span(&text),
                                  err);
    }
    medvl_text_release(&text);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(
            record, "finish_reason",
            medvl_span(done->finish == MEDVL_FINISH_STOP ? "stop" : "length"),
            err);
    return rc;
}

static int set_texts(struct medvl_record *record, const struct stage *s,
                     const struct medvl_completion *done,
                     struct medvl_error *err)
{
    struct medvl_text text = {0}, all = {0};
    struct medvl_json_writer w = {.out = &all};
    int rc = MEDVL_OK;

    medvl_json_begin(&w, NULL, '[');
    for (int64_t i = 0; i < s->o.samples && rc == MEDVL_OK; i++) {
        medvl_text_clear(&text);
        rc = answer_text(&text, s, &done[i], err);
        medvl_json_put_string(&w, NULL, medvl_text_span(&text));
        if (rc == MEDVL_OK && i == 0)
            rc = medvl_record_set_text(record, "prediction",
                                       medvl_text_span(&text), err);
    }
    medvl_json_end(&w);
    if (rc == MEDVL_OK)
        rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK && s->o.samples > 1)
        rc = medvl_record_set(record, "predictions", medvl_text_span(&all),
                              err);
    medvl_text_release(&text);
    medvl_text_release(&all);
    if (rc == MEDVL_OK)
        rc = medvl_record_author(record, "prediction", s->author,
                                 "medvl-generate", s->hash, err);
    return rc;
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

static int write_job(struct job *job, const struct medvl_completion *done,
                     struct medvl_out *out, struct medvl_error *err)
{
    const struct stage *s = job->stage;
    int rc = put_logits(job, err);

    if (rc == MEDVL_OK && job->fault.code < 0) {
        *err = job->fault;
        rc = err->code;
    }
    if (rc == MEDVL_OK && s->tok && s->o.max_tokens > 0)
        rc = set_texts(job->record, s, done, err);
    if (rc == MEDVL_OK)
        rc = set_numbers(job->record, s, done, err);
    return rc < 0 ? rc : medvl_out_write(out, job->record, err);
}

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
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = write_job(&jobs[i], &done[i * n], out, err);
    for (int64_t i = 0; done && i < count * n; i++)
        medvl_completion_release(&done[i]);
    medvl_free(prompts);
    medvl_free(done);
    return rc;
}

/* ---- choices --------------------------------------------------------- */

/* One choice: its letter, its text, the ids of its tokens after the
 * prompt. */
struct choice {
    const char *letter, *text;
    int32_t *ids; /* prompt and choice */
    size_t count;
    size_t first; /* of the choice's own tokens */
    double sum;
};

static int keep_choice(struct choice *c, const int32_t *ids, size_t count,
                       size_t first, struct medvl_error *err)
{
    c->ids = medvl_alloc(count, sizeof(*c->ids));
    if (!c->ids)
        return medvl_no_memory(err);
    memcpy(c->ids, ids, count * sizeof(*ids));
    c->count = count;
    c->first = first;
    return MEDVL_OK;
}

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

/* As the template would write it as the answer, without the turn's end. */
static int encode_turn(struct choice *c, struct job *job,
                       struct medvl_error *err)
{
    struct stage *s = job->stage;
    const struct medvl_tokens *tokens = &s->messages.tokens;
    struct medvl_text json = {0};
    size_t first, end;
    int rc = put_turn(&json, medvl_record_get(job->record, "messages"),
                      c->text, err);

    if (rc == MEDVL_OK)
        rc = medvl_chat_encode(s->worker, &s->messages, s->encoder,
                               medvl_text_span(&json), 0, err);
    medvl_text_release(&json);
    if (rc < 0)
        return rc;
    end = tokens->count;
    while (end > 0 && !s->messages.loss_mask[end - 1])
        end--;
    first = end;
    while (first > 0 && s->messages.loss_mask[first - 1])
        first--;
    while (end > first &&
           medvl_tokenizer_is_added(s->tok, tokens->ids[end - 1]))
        end--;
    return keep_choice(c, tokens->ids, end, first, err);
}

/* After a raw prompt or ids: the text's own tokens. */
static int encode_plain(struct choice *c, struct job *job,
                        struct medvl_error *err)
{
    struct medvl_tokens all = {0};
    int rc = need_tokenizer(job->stage, "choices", err);

    if (rc == MEDVL_OK)
        rc = medvl_tokens_reserve(&all, job->ids.count, err);
    if (rc == MEDVL_OK) {
        memcpy(all.ids, job->ids.ids,
               job->ids.count * sizeof(*job->ids.ids));
        all.count = job->ids.count;
        rc = medvl_encoder_encode(job->stage->encoder, &all,
                                  medvl_span(c->text), NULL, 0, 0, err);
    }
    if (rc == MEDVL_OK)
        rc = keep_choice(c, all.ids, all.count, job->ids.count, err);
    medvl_tokens_release(&all);
    return rc;
}

/* The prompt that all choices share: as far as their ids agree, and no
 * further than the first of their own tokens. */
static size_t shared_prompt(const struct choice *choices, size_t count)
{
    size_t shared = choices[0].first;

    for (size_t i = 1; i < count; i++) {
        size_t n = 0;

        if (choices[i].first < shared)
            shared = choices[i].first;
        while (n < shared && choices[i].ids[n] == choices[0].ids[n])
            n++;
        shared = n;
    }
    return shared;
}

static int score(struct job *job, struct choice *choices, size_t count,
                 struct medvl_error *err)
{
    const int32_t **ids = medvl_alloc(count, sizeof(*ids));
    int64_t *counts = medvl_alloc(count, sizeof(*counts));
    double *sums = medvl_alloc(count, sizeof(*sums));
    const size_t shared = shared_prompt(choices, count);
    struct medvl_prompt prompt;
    int rc = ids && counts && sums ? MEDVL_OK : medvl_no_memory(err);

    if (rc == MEDVL_OK)
        rc = keep_ids(job, choices[0].ids, shared, err);
    if (rc == MEDVL_OK) {
        medvl_free(job->expanded);
        medvl_free(job->from);
        job->expanded = job->from = NULL;
        rc = expand(job, err);
    }
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        ids[i] = choices[i].ids + shared;
        counts[i] = (int64_t)(choices[i].count - shared);
        if (!counts[i])
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"choices\": \"%s\" has no tokens of its own",
                            choices[i].letter);
    }
    if (rc == MEDVL_OK) {
        prompt = prompt_of(job, 0);
        rc = medvl_generator_score(sums, job->stage->generator, &prompt, ids,
                                   counts, (int64_t)count, err);
    }
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const char *normalize = job->stage->o.normalize;

        choices[i].sum = sums[i];
        if (normalize && !strcmp(normalize, "tokens"))
            choices[i].sum /= (double)counts[i];
        if (normalize && !strcmp(normalize, "bytes"))
            choices[i].sum /= fmax(1, (double)strlen(choices[i].text));
    }
    medvl_free(ids);
    medvl_free(counts);
    medvl_free(sums);
    return rc;
}

static int set_choice(struct job *job, const struct choice *choices,
                      size_t count, struct medvl_error *err)
{
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    struct medvl_record *record = job->record;
    size_t best = 0;
    int rc;

    medvl_json_begin(&w, NULL, '{');
    for (size_t i = 0; i < count; i++) {
        medvl_json_put_number(&w, choices[i].letter, choices[i].sum);
        if (choices[i].sum > choices[best].sum)
            best = i;
    }
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "choice_logprobs",
                              medvl_text_span(&text), err);
    medvl_text_release(&text);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(record, "prediction",
                                   medvl_span(choices[best].letter), err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set_text(record, "prediction_text",
                                   medvl_span(choices[best].text), err);
    if (rc == MEDVL_OK)
        rc = medvl_record_author(record, "prediction", job->stage->author,
                                 "medvl-generate", job->stage->hash, err);
    return rc;
}

static int read_choices(struct choice **out, size_t *count, struct job *job,
                        const struct medvl_json *json,
                        struct medvl_error *err)
{
    const bool chat = medvl_record_has(job->record, "messages");
    struct choice *c = medvl_alloc(medvl_json_count(json), sizeof(*c));
    int rc = c ? MEDVL_OK : medvl_no_memory(err);

    *out = c;
    *count = 0;
    if (medvl_json_type(json) != MEDVL_JSON_OBJECT || !medvl_json_count(json))
        rc = medvl_fail(err, MEDVL_EFORMAT,
                        "\"choices\" is no object of letters and texts");
    for (json = medvl_json_first(json); json && rc == MEDVL_OK;
         json = medvl_json_next(json), c++) {
        c->letter = medvl_json_name(json);
        c->text = medvl_json_string(json);
        ++*count;
        if (!c->text)
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "\"choices\": \"%s\" is no text", c->letter);
        else
            rc = chat ? encode_turn(c, job, err) : encode_plain(c, job, err);
    }
    return rc;
}

static int choose(struct job *job, struct medvl_error *err)
{
    struct medvl_json *json = NULL;
    struct choice *choices = NULL;
    size_t count = 0;
    int rc = medvl_record_read(&json, job->record, "choices", err);

    if (rc == MEDVL_OK)
        rc = read_choices(&choices, &count, job, json, err);
    if (rc == MEDVL_OK)
        rc = score(job, choices, count, err);
    if (rc == MEDVL_OK)
        rc = set_choice(job, choices, count, err);
    for (size_t i = 0; i < count; i++)
        medvl_free(choices[i].ids);
    medvl_free(choices);
    medvl_json_free(json);
    return rc;
}

/* ---- the window ------------------------------------------------------ */

static int stage_choices(struct stage *s, struct medvl_record *records,
                         int64_t count, struct medvl_out *out,
                         struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        struct job job;

        rc = job_read(&job, s, &records[i], err);
        if (rc == MEDVL_OK)
            rc = choose(&job, err);
        job_release(&job);
        rc = rc < 0 ? medvl_out_reject(out, &records[i], err)
                    : medvl_out_write(out, &records[i], err);
    }
    return rc;
}

static int stage_records(void *stage, struct medvl_record *records,
                         int64_t count, struct medvl_out *out,
                         struct medvl_error *err)
{
    struct stage *s = stage;
    struct job *jobs;
    int64_t n = 0;
    int rc = MEDVL_OK;

    if (s->o.choices)
        return stage_choices(s, records, count, out, err);
    jobs = medvl_alloc((size_t)count, sizeof(*jobs));
    if (!jobs)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = job_read(&jobs[n], s, &records[i], err);
        if (rc == MEDVL_OK) {
            n++;
            continue;
        }
        job_release(&jobs[n]);
        rc = medvl_out_reject(out, &records[i], err);
    }
    if (rc == MEDVL_OK && n)
        rc = generate(s, jobs, n, out, err);
    for (int64_t i = 0; i < n; i++)
        job_release(&jobs[i]);
    medvl_free(jobs);
    return rc;
}

static int stage_finish(void *stage, struct medvl_out *out,
                        struct medvl_error *err)
{
    struct stage *s = stage;
    int rc = MEDVL_OK;

    (void)out;
    if (s->logits) {
        rc = medvl_safetensors_writer_close(s->logits, err);
        s->logits = NULL;
    }
    return rc;
}

const struct medvl_batch medvl_generate_batch = {
    .open = stage_open,
    .window = stage_window,
    .records = stage_records,
    .finish = stage_finish,
    .free = stage_free,
    .keeps_part = true,
};
