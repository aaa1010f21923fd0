/*
 * A record's prompt: messages by the folder's template, text, or ids; then
 * its pictures, each where its placeholder is.
 *
 * Read next: generate_choices.c.
 */
#include "lib/run/generate_request.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/model/rope.h"
#include "lib/model/vlm.h"

/* ---- the reader ------------------------------------------------------ */

/* Where there is no template, "messages" are refused by what is kept. */
static int open_chat(struct medvl_request_reader *r, const char *folder,
                     const char *layout, struct medvl_error *err)
{
    int rc = medvl_chat_open(&r->chat, folder, layout, r->tok, &r->no_chat);

    if (rc == MEDVL_OK)
        return medvl_chat_worker_new(&r->worker, r->chat, err);
    if (rc == MEDVL_EARG)
        return MEDVL_OK;
    return medvl_fail(err, rc, "%s", r->no_chat.text);
}

/* A tokenizer whose own entries go past the model's is another model's. */
static int check_fit(const struct medvl_request_reader *r, const char *folder,
                     struct medvl_error *err)
{
    const int32_t size = medvl_tokenizer_size(r->tok);
    const int64_t most = r->config->decoder.vocab_size;

    for (int64_t id = most; id < size; id++)
        if (medvl_tokenizer_bytes(r->tok, (int32_t)id).size &&
            !medvl_tokenizer_is_added(r->tok, (int32_t)id))
            return medvl_fail(err, MEDVL_EARG,
                              "%s: the tokenizer has %d entries, the model "
                              "%lld: put the model's own tokenizer there",
                              folder, (int)size, (long long)most);
    return MEDVL_OK;
}

/* The tokenizer and template are optional: a model may be fed by tokens. */
static int open_text(struct medvl_request_reader *r, const char *folder,
                     const char *layout, struct medvl_error *err)
{
    char *path = NULL;
    int rc = medvl_tokenizer_find(&path, folder, err);

    if (rc == MEDVL_OK && path) {
        rc = medvl_tokenizer_open(&r->tok, folder, err);
        if (rc == MEDVL_OK)
            rc = check_fit(r, folder, err);
        if (rc == MEDVL_OK)
            rc = medvl_encoder_new(&r->encoder, r->tok, err);
        if (rc == MEDVL_OK)
            rc = medvl_chat_image_id(&r->image_id, folder, r->tok, err);
        if (rc == MEDVL_OK)
            rc = open_chat(r, folder, layout, err);
    }
    medvl_free(path);
    return rc;
}

int medvl_request_reader_open(struct medvl_request_reader *out,
                              const char *folder, const char *layout,
                              const char *root,
                              const struct medvl_config *config,
                              struct medvl_error *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    out->config = config;
    out->image_id = -1;
    rc = open_text(out, folder, layout, err);
    if (rc == MEDVL_OK && config->family != MEDVL_FAMILY_TEXT)
        rc = medvl_frontend_open(&out->frontend, folder, config, err);
    if (rc == MEDVL_OK)
        rc = medvl_source_open(&out->source, root, 0, err);
    if (rc < 0)
        medvl_request_reader_release(out);
    return rc;
}

void medvl_request_reader_release(struct medvl_request_reader *reader)
{
    medvl_source_free(reader->source);
    medvl_frontend_free(reader->frontend);
    medvl_chat_tokens_release(&reader->messages);
    medvl_chat_worker_free(reader->worker);
    medvl_chat_free(reader->chat);
    medvl_encoder_free(reader->encoder);
    medvl_tokenizer_free(reader->tok);
    memset(reader, 0, sizeof(*reader));
}

int medvl_request_need_tokenizer(const struct medvl_request_reader *reader,
                                 const char *field, struct medvl_error *err)
{
    if (reader->tok)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "\"%s\" needs a tokenizer.json in the model's folder: "
                      "put the model's own there, or give \"tokens\"",
                      field);
}

/* ---- pictures -------------------------------------------------------- */

/* Before rows are made: do the pictures' tokens fit into any text? */
static int check_room(const struct medvl_request *q,
                      const struct medvl_config *config, int64_t tokens,
                      struct medvl_error *err)
{
    const int64_t most = medvl_rope_longest(&config->decoder);

    for (int64_t i = 0; i < q->pictures.count; i++)
        tokens += medvl_grid_tokens(config, &q->grids[i]);
    if (tokens <= most)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EARG,
                      "%lld tokens of pictures; the model has room for %lld",
                      (long long)tokens, (long long)most);
}

/* One picture's patch rows, behind those that are there. */
static int add_picture(struct medvl_request *q,
                       struct medvl_request_reader *r,
                       const struct medvl_json *image, size_t *room,
                       struct medvl_error *err)
{
    struct medvl_pictures *all = &q->pictures;
    struct medvl_picture picture = {0};
    struct medvl_frontend_size size;
    struct medvl_span bytes;
    const int64_t before = all->rows.size[0];
    float *rows = all->rows.data;
    int rc = medvl_source_read(&bytes, r->source, image, err);

    if (rc == MEDVL_OK)
        rc = medvl_picture_decode(&picture, bytes.data, bytes.size, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_frontend_size(&size, r->frontend, picture.width,
                                 picture.height, err);
    if (rc == MEDVL_OK)
        rc = check_room(q, r->config, size.tokens, err);
    if (rc == MEDVL_OK) {
        rc = medvl_grow(&rows, room,
                        (size_t)((before + size.patches) * size.row),
                        sizeof(*rows), err);
        all->rows.data = rows;
    }
    if (rc == MEDVL_OK)
        rc = medvl_frontend_rows(rows + before * size.row, r->frontend,
                                 &picture, err);
    if (rc == MEDVL_OK) {
        all->rows = medvl_tensor_2d(rows, MEDVL_DTYPE_F32,
                                    before + size.patches, size.row);
        q->grids[all->count++] = size.grid;
    }
    medvl_picture_release(&picture);
    return rc;
}

/* What is no picture at all is not to be searched for in messages. */
static int check_forms(const struct medvl_json *images,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < medvl_json_count(images); i++)
        if (medvl_json_type(medvl_json_at(images, i)) != MEDVL_JSON_OBJECT)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"images\": picture %zu is no object, such "
                              "as {\"path\":\"a.png\"}",
                              i + 1);
    return MEDVL_OK;
}

/* Every picture is asked about: none is left out without a word. */
static int check_shown(const struct medvl_json *images, const int32_t *order,
                       size_t count, struct medvl_error *err)
{
    const size_t size = medvl_json_count(images);
    bool *shown = medvl_alloc(size + 1, sizeof(*shown));
    size_t n = 0;

    if (!shown)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count; i++)
        if ((size_t)order[i] < size)
            shown[order[i]] = true;
    while (n < size && shown[n])
        n++;
    medvl_free(shown);
    if (n == size)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "picture %zu: the messages do not show it: a part "
                      "{\"type\":\"image\"} does (\"" MEDVL_CHAT_IMAGE
                      "\" in their text is text), and medvl-prompt writes "
                      "one for each picture",
                      n + 1);
}

/*
 * Pictures in the order of their placeholders.
 *
 *   chat   which picture each shows; NULL: all, one after another
 */
static int read_pictures(struct medvl_request *q,
                         struct medvl_request_reader *r,
                         const struct medvl_json *images,
                         const struct medvl_chat_tokens *chat,
                         struct medvl_error *err)
{
    const size_t count = chat ? chat->image_count : medvl_json_count(images);
    size_t room = 0;
    int rc = chat ? check_shown(images, chat->images, count, err) : MEDVL_OK;

    if (rc < 0 || !count)
        return rc;
    if (!r->frontend)
        return medvl_fail(err, MEDVL_EARG, "the model reads no pictures");
    q->pictures.grids = q->grids = medvl_alloc(count, sizeof(*q->grids));
    if (!q->grids)
        return medvl_no_memory(err);
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const size_t n = chat ? (size_t)chat->images[i] : i;
        const struct medvl_json *image = medvl_json_at(images, n);

        if (image)
            rc = add_picture(q, r, image, &room, err);
        else
            rc = medvl_fail(err, MEDVL_EFORMAT, "not in \"images\"");
        if (rc < 0)
            medvl_context(err, "picture %zu", n + 1);
    }
    return rc;
}

/* ---- ids ------------------------------------------------------------- */

/*
 * Where the tokenizer has no placeholder, what stands on each side of a
 * picture is a text of its own, as in messages.
 */
static int encode_prompt(struct medvl_request *q,
                         struct medvl_request_reader *r,
                         struct medvl_span text, struct medvl_error *err)
{
    const size_t size = strlen(MEDVL_CHAT_IMAGE);
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const char *found = r->image_id < 0 || !text.size
                                ? NULL
                                : memmem(text.data, text.size,
                                         MEDVL_CHAT_IMAGE, size);
        const size_t here = found ? (size_t)(found - text.data) : text.size;

        rc = medvl_encoder_encode(r->encoder, &q->ids,
                                  (struct medvl_span){text.data, here}, NULL,
                                  0, MEDVL_ENCODE_PARSE_SPECIAL, err);
        if (rc < 0 || !found)
            break;
        rc = medvl_tokens_add(&q->ids, r->image_id, 0, err);
        text.data += here + size;
        text.size -= here + size;
    }
    return rc;
}

static int read_text(struct medvl_request *q, struct medvl_request_reader *r,
                     const struct medvl_record *record,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = medvl_request_need_tokenizer(r, "prompt", err);

    if (rc == MEDVL_OK)
        rc = medvl_record_read_text(&text, record, "prompt", err);
    if (rc == MEDVL_OK)
        rc = encode_prompt(q, r, medvl_text_span(&text), err);
    medvl_text_release(&text);
    return rc;
}

static int read_tokens(struct medvl_request *q,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    int rc;

    if (medvl_record_has(record, "loss_mask"))
        return medvl_fail(err, MEDVL_EARG,
                          "\"tokens\" stand beside a \"loss_mask\": a "
                          "training record, with its answer in it");
    rc = medvl_json_read_ints(&q->ids.ids, &q->ids.count, &q->ids.capacity,
                              medvl_record_get(record, "tokens"), 0,
                              INT32_MAX, err);
    return rc < 0 ? medvl_context(err, "\"tokens\"") : rc;
}

static int need_chat(const struct medvl_request_reader *r,
                     struct medvl_error *err)
{
    const int rc = medvl_request_need_tokenizer(r, "messages", err);

    if (rc < 0 || r->worker)
        return rc;
    return medvl_fail(err, r->no_chat.code, "%s; or give \"prompt\"",
                      r->no_chat.text);
}

/* Leaves the order of the pictures in reader->messages. */
static int read_messages(struct medvl_request *q,
                         struct medvl_request_reader *r,
                         const struct medvl_record *record,
                         struct medvl_error *err)
{
    const struct medvl_chat_input input = medvl_chat_input_of(&record->view);
    const struct medvl_tokens *tokens = &r->messages.tokens;
    int rc = need_chat(r, err);

    if (rc == MEDVL_OK)
        rc = medvl_chat_encode(r->worker, &r->messages, r->encoder, &input,
                               MEDVL_CHAT_PROMPT, err);
    if (rc == MEDVL_OK)
        rc = medvl_tokens_reserve(&q->ids, tokens->count, err);
    if (rc < 0)
        return medvl_context(err, "\"messages\"");
    if (tokens->count)
        memcpy(q->ids.ids, tokens->ids, tokens->count * sizeof(*tokens->ids));
    q->ids.count = tokens->count;
    return MEDVL_OK;
}

/* The ids; *chat is set where they are of messages. */
static int read_ids(struct medvl_request *q, struct medvl_request_reader *r,
                    const struct medvl_record *record,
                    const struct medvl_chat_tokens **chat,
                    struct medvl_error *err)
{
    *chat = NULL;
    if (medvl_record_has(record, "messages")) {
        *chat = &r->messages;
        return read_messages(q, r, record, err);
    }
    if (medvl_record_has(record, "prompt"))
        return read_text(q, r, record, err);
    if (medvl_record_has(record, "tokens"))
        return read_tokens(q, record, err);
    return medvl_fail(err, MEDVL_EFORMAT,
                      "no \"messages\", \"prompt\" or \"tokens\": "
                      "medvl-prompt -e TEMPLATE adds \"messages\"");
}

int medvl_request_read(struct medvl_request *out,
                       struct medvl_request_reader *reader,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    const struct medvl_chat_tokens *chat;
    struct medvl_json *images = NULL;
    int rc = medvl_record_read(&images, record, "images", err);

    if (rc == MEDVL_OK && medvl_json_count(images) && !reader->frontend)
        rc = medvl_fail(err, MEDVL_EARG, "the model reads no pictures");
    if (rc == MEDVL_OK)
        rc = check_forms(images, err);
    if (rc == MEDVL_OK)
        rc = read_ids(out, reader, record, &chat, err);
    if (rc == MEDVL_OK)
        rc = read_pictures(out, reader, images, chat, err);
    medvl_json_free(images);
    return rc;
}

int medvl_request_expand(struct medvl_request *request,
                         const struct medvl_request_reader *reader,
                         struct medvl_error *err)
{
    int32_t *from = NULL;
    const int rc = medvl_vlm_expand(
        &request->expanded, &from, &request->count, reader->config,
        request->ids.ids, (int64_t)request->ids.count, request->grids,
        request->pictures.count, err);

    medvl_free(from);
    return rc;
}

void medvl_request_release(struct medvl_request *request)
{
    medvl_tokens_release(&request->ids);
    medvl_free(request->pictures.rows.data);
    medvl_free(request->grids);
    medvl_free(request->expanded);
    memset(request, 0, sizeof(*request));
}
