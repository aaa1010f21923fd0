/*
 * Records to ids and back.  A worker has its own encoder, whose cache of
 * words is where the speed is.
 *
 * Read next: shard.c.
 */
#include "lib/stage/tokenize.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/stage/explain.h"
#include "lib/text/chat.h"
#include "lib/text/tokenizer.h"

#define TOKENS_KEPT (1 << 18) /* room that stays for the next record */

struct stage {
    const struct medvl_tokenize_options *options;
    struct medvl_tokenizer *tok;
    struct medvl_chat *chat; /* NULL: no_chat says why */
    struct medvl_error no_chat;
    int32_t image; /* a placeholder that is no token, or -1 */
    struct medvl_want *ended;
};

struct worker {
    const struct stage *stage;
    struct medvl_encoder *encoder;
    struct medvl_chat_worker *chat; /* made for the first messages */
    struct medvl_chat_tokens turns;
    struct medvl_tokens tokens;
    struct medvl_text text;
    struct medvl_text json;
};

static void stage_free(void *arg)
{
    struct stage *stage = arg;

    if (!stage)
        return;
    medvl_chat_free(stage->chat);
    medvl_tokenizer_free(stage->tok);
    medvl_free(stage);
}

/*
 * The chat template of the model's folder.  That there is none, or that it
 * is no good, matters only to a record with messages.
 */
static int open_chat(struct stage *stage, const char *folder,
                     struct medvl_error *err)
{
    const int rc = medvl_chat_open(&stage->chat, folder, stage->options->chat,
                                   stage->tok, &stage->no_chat);

    return rc == MEDVL_ENOMEM ? medvl_no_memory(err) : MEDVL_OK;
}

/* What the folder of the tokenizer says besides it. */
static int open_folder(struct stage *stage, struct medvl_error *err)
{
    const char *path = stage->options->model;
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    int rc = MEDVL_OK;

    if (medvl_folder_exists(path))
        folder = medvl_copy_string(path, strlen(path));
    else if (slash)
        folder = medvl_copy_string(path, (size_t)(slash + 1 - path));
    else
        folder = medvl_copy_string(".", 1);
    if (!folder)
        return medvl_no_memory(err);
    if (stage->options->decode || stage->options->explain)
        rc = medvl_chat_image_id(&stage->image, folder, stage->tok, err);
    if (rc == MEDVL_OK && !stage->options->decode && !stage->options->field)
        rc = open_chat(stage, folder, err);
    medvl_free(folder);
    return rc;
}

static int stage_open(void **out, const void *options,
                      struct medvl_error *err)
{
    struct stage *stage = medvl_alloc(1, sizeof(*stage));
    int rc;

    *out = stage;
    if (!stage)
        return medvl_no_memory(err);
    stage->options = options;
    stage->image = -1;
    rc = medvl_tokenizer_open(&stage->tok, stage->options->model, err);
    /* Some of the layouts end answers with a text. */
    if (rc == MEDVL_OK && !stage->options->chat)
        rc = medvl_wants_add(&stage->ended, stage->options->wants, err,
                             "an end token was learned");
    return rc < 0 ? rc : open_folder(stage, err);
}

static void worker_free(void *arg)
{
    struct worker *worker = arg;

    if (!worker)
        return;
    medvl_encoder_free(worker->encoder);
    medvl_chat_worker_free(worker->chat);
    medvl_chat_tokens_release(&worker->turns);
    medvl_tokens_release(&worker->tokens);
    medvl_text_release(&worker->text);
    medvl_text_release(&worker->json);
    medvl_free(worker);
}

static int worker_new(void **out, void *stage, struct medvl_error *err)
{
    struct worker *worker = medvl_alloc(1, sizeof(*worker));

    *out = worker;
    if (!worker)
        return medvl_no_memory(err);
    worker->stage = stage;
    worker->tokens.keep_ends = worker->stage->options->explain;
    if (worker->stage->options->decode)
        return MEDVL_OK;
    return medvl_encoder_new(&worker->encoder, worker->stage->tok, err);
}

static int set_tokens(struct worker *worker, struct medvl_record *record,
                      const struct medvl_tokens *tokens,
                      struct medvl_error *err)
{
    int rc;

    medvl_text_clear(&worker->json);
    rc = medvl_json_write_ints(&worker->json, tokens->ids, tokens->count,
                               err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "tokens",
                              medvl_text_span(&worker->json), err);
    medvl_text_shrink(&worker->json);
    return rc;
}

static int set_mask(struct worker *worker, struct medvl_record *record,
                    const uint8_t *mask, size_t count,
                    struct medvl_error *err)
{
    struct medvl_text *json = &worker->json;
    int rc;

    medvl_text_clear(json);
    rc = medvl_text_reserve(json, 2 * count + 2, err);
    if (rc < 0)
        return rc;
    json->data[json->size++] = '[';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            json->data[json->size++] = ',';
        json->data[json->size++] = mask[i] ? '1' : '0';
    }
    json->data[json->size++] = ']';
    rc = medvl_record_set(record, "loss_mask", medvl_text_span(json), err);
    medvl_text_shrink(json);
    return rc;
}

/*
 * What a record's tokens become: its fields, and the record goes out, or the
 * table that explains them does.
 */
static int put_tokens(struct worker *worker, struct medvl_record *record,
                      const struct medvl_tokens *tokens, const uint8_t *mask,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct medvl_text *text = &worker->text;
    struct medvl_span id = {0};
    int rc;

    if (!worker->stage->options->explain) {
        rc = set_tokens(worker, record, tokens, err);
        if (rc == MEDVL_OK && mask)
            rc = set_mask(worker, record, mask, tokens->count, err);
        return rc < 0 ? rc : medvl_out_write(out, record, err);
    }
    medvl_text_clear(text);
    medvl_text_clear(&worker->json);
    if (medvl_record_has(record, "id")) {
        rc = medvl_record_id(&worker->json, record, err);
        if (rc < 0)
            return rc;
        id = medvl_text_span(&worker->json);
    }
    rc = medvl_explain_tokens(text, worker->stage->tok, tokens,
                              worker->stage->image, id, mask, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(text, '\n', err);
    if (rc == MEDVL_OK)
        rc = medvl_out_line(out, medvl_text_span(text), err);
    medvl_text_shrink(text);
    return rc;
}

/* Of a record with answers: does one of them end? */
static void count_ended(const struct stage *stage,
                        const struct medvl_chat_tokens *turns)
{
    const int32_t end = medvl_tokenizer_end(stage->tok);
    const size_t count = turns->tokens.count;
    bool learned = false, ended = false;

    for (size_t i = 0; i < count; i++) {
        const int32_t id = turns->tokens.ids[i];

        if (!turns->loss_mask[i])
            continue;
        learned = true;
        if (i + 1 < count && turns->loss_mask[i + 1])
            continue;
        ended = ended || id == end ||
                medvl_tokenizer_is_added(stage->tok, id) ||
                medvl_tokenizer_is_special(stage->tok, id);
    }
    if (learned)
        medvl_want_count(stage->ended, ended,
                         "the chat template ends no turn with a token, so "
                         "answers will not stop; --chat names a layout that "
                         "does (v1 is LLaVA-1.5's), and medvl-generate then "
                         "needs the same --chat");
}

static int encode_messages(struct worker *worker,
                           struct medvl_record *record,
                           struct medvl_out *out,
                           struct medvl_error *err)
{
    const struct medvl_chat_input input = medvl_chat_input_of(&record->view);
    const struct stage *stage = worker->stage;
    const bool parse = stage->options->parse_special;
    struct medvl_chat_tokens *turns = &worker->turns;
    int rc = MEDVL_OK;

    if (!stage->chat) {
        *err = stage->no_chat;
        return medvl_context(err, "\"messages\"");
    }
    if (!worker->chat)
        rc = medvl_chat_worker_new(&worker->chat, stage->chat, err);
    if (rc == MEDVL_OK)
        rc = medvl_chat_encode(worker->chat, turns, worker->encoder, &input,
                               parse ? MEDVL_CHAT_PARSE_SPECIAL : 0, err);
    if (rc < 0)
        return medvl_context(err, "\"messages\"");
    count_ended(stage, turns);
    if (turns->tokens.ends_capacity > TOKENS_KEPT &&
        !stage->options->explain) {
        medvl_free(turns->tokens.ends);
        turns->tokens.ends = NULL;
        turns->tokens.ends_capacity = 0;
    }
    rc = put_tokens(worker, record, &turns->tokens, turns->loss_mask, out,
                    err);
    if (turns->tokens.capacity > TOKENS_KEPT)
        medvl_chat_tokens_release(turns);
    return rc;
}

static int no_text(struct medvl_error *err)
{
    return medvl_fail(err, MEDVL_EFORMAT,
                      "neither \"messages\" nor \"text\" (medvl-prompt sets "
                      "messages, -f names another field)");
}

static int encode_text(struct worker *worker, struct medvl_record *record,
                       const char *field, struct medvl_out *out,
                       struct medvl_error *err)
{
    const bool special = worker->stage->options->special;
    int rc;

    if (!medvl_record_has(record, field) && !worker->stage->options->field)
        return no_text(err);
    rc = medvl_record_read_text(&worker->text, record, field, err);
    if (rc < 0)
        return rc;
    rc = medvl_encoder_encode(worker->encoder, &worker->tokens,
                              medvl_text_span(&worker->text), NULL, 0,
                              special ? MEDVL_ENCODE_SPECIAL : 0, err);
    medvl_text_shrink(&worker->text);
    if (rc < 0)
        return medvl_context(err, "\"%s\"", field);
    rc = put_tokens(worker, record, &worker->tokens, NULL, out, err);
    if (worker->tokens.capacity > TOKENS_KEPT) {
        medvl_tokens_release(&worker->tokens);
        worker->tokens.keep_ends = worker->stage->options->explain;
    }
    return rc;
}

/* Text of ids; a placeholder that the tokenizer does not have is "<image>". */
static int decode_ids(struct worker *worker, const struct medvl_tokens *tokens,
                      struct medvl_error *err)
{
    const struct stage *stage = worker->stage;
    size_t to;
    int rc = MEDVL_OK;

    for (size_t at = 0; at < tokens->count && rc == MEDVL_OK; at = to + 1) {
        for (to = at; to < tokens->count && tokens->ids[to] != stage->image;)
            to++;
        rc = medvl_tokenizer_decode(stage->tok, &worker->text,
                                    tokens->ids + at, to - at, 0, err);
        if (rc == MEDVL_OK && to < tokens->count)
            rc = medvl_text_puts(&worker->text, MEDVL_CHAT_IMAGE, err);
    }
    return rc;
}

static int decode(struct worker *worker, struct medvl_record *record,
                  const char *field, struct medvl_error *err)
{
    const int32_t last = medvl_tokenizer_size(worker->stage->tok) - 1;
    const int32_t image = worker->stage->image;
    const struct medvl_span span = medvl_record_get(record, "tokens");
    struct medvl_tokens *tokens = &worker->tokens;
    int rc;

    if (!span.data)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"tokens\": missing (medvl-tokenize without "
                          "--decode sets them)");
    rc = medvl_json_read_ints(&tokens->ids, &tokens->count,
                              &tokens->capacity, span, 0,
                              image > last ? image : last, err);
    if (rc == MEDVL_OK)
        rc = decode_ids(worker, tokens, err);
    if (rc < 0)
        return medvl_context(err, "\"tokens\"");
    return medvl_record_set_text(record, field,
                                 medvl_text_span(&worker->text), err);
}

static int map_record(void *arg, struct medvl_record *record,
                      struct medvl_out *out, struct medvl_error *err)
{
    struct worker *worker = arg;
    const struct medvl_tokenize_options *options = worker->stage->options;
    const char *field = options->field ? options->field : "text";
    int rc;

    medvl_text_clear(&worker->text);
    medvl_tokens_clear(&worker->tokens);
    if (!options->field && !options->decode &&
        medvl_record_has(record, "messages"))
        return encode_messages(worker, record, out, err);
    if (!options->decode)
        return encode_text(worker, record, field, out, err);
    rc = decode(worker, record, field, err);
    return rc < 0 ? rc : medvl_out_write(out, record, err);
}

const struct medvl_map medvl_tokenize_map = {
    .open = stage_open,
    .worker = worker_new,
    .record = map_record,
    .worker_free = worker_free,
    .free = stage_free,
};

/* ---- training ----------------------------------------------------------- */

struct train {
    const struct medvl_tokenize_train_options *options;
    struct medvl_tokenizer_trainer *trainer;
    struct medvl_text text;
};

static void train_free(void *arg)
{
    struct train *train = arg;

    if (!train)
        return;
    medvl_tokenizer_trainer_free(train->trainer);
    medvl_text_release(&train->text);
    medvl_free(train);
}

static int train_open(void **out, const void *options,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    const struct medvl_tokenize_train_options *opt = options;
    struct train *train = medvl_alloc(1, sizeof(*train));

    (void)pool;
    *out = train;
    if (!train)
        return medvl_no_memory(err);
    train->options = opt;
    return medvl_tokenizer_trainer_new(
        &train->trainer, opt->pattern ? opt->pattern : "llama3", err);
}

static int train_text(struct train *train, const char *text,
                      struct medvl_error *err)
{
    return medvl_tokenizer_trainer_add(train->trainer, medvl_span(text),
                                       err);
}

/* The text of all messages: a string, or the parts that are text. */
static int train_messages(struct train *train,
                          const struct medvl_record *record,
                          struct medvl_error *err)
{
    const struct medvl_json *message;
    struct medvl_json *list = NULL;
    int rc = medvl_record_read(&list, record, "messages", err);

    for (message = medvl_json_first(list); message && rc == MEDVL_OK;
         message = medvl_json_next(message)) {
        const struct medvl_json *content = medvl_json_get(message,
                                                          "content");
        const char *text = medvl_json_string(content);

        if (text)
            rc = train_text(train, text, err);
        for (content = medvl_json_first(content);
             content && rc == MEDVL_OK;
             content = medvl_json_next(content)) {
            text = medvl_json_string(medvl_json_get(content, "text"));
            if (text)
                rc = train_text(train, text, err);
        }
    }
    medvl_json_free(list);
    return rc;
}

static int train_record(void *stage, struct medvl_record *record,
                        struct medvl_out *out, struct medvl_error *err)
{
    struct train *train = stage;
    const char *field = train->options->field;
    int rc;

    (void)out;
    if (!field && !medvl_record_has(record, "text")) {
        if (medvl_record_has(record, "messages"))
            return train_messages(train, record, err);
        return no_text(err);
    }
    medvl_text_clear(&train->text);
    rc = medvl_record_read_text(&train->text, record, field ? field : "text",
                                err);
    if (rc < 0)
        return rc;
    return medvl_tokenizer_trainer_add(train->trainer,
                                       medvl_text_span(&train->text), err);
}

static int train_publish(void *stage, struct medvl_error *err)
{
    struct train *train = stage;
    const struct medvl_tokenize_train_options *opt = train->options;

    return medvl_tokenizer_trainer_write(train->trainer, opt->output,
                                         (int32_t)opt->size, err);
}

const struct medvl_sink medvl_tokenize_train_sink = {
    .open = train_open,
    .record = train_record,
    .publish = train_publish,
    .free = train_free,
    .refuse_empty = true,
};
