/*
 * For tests of chat: a small tokenizer in a folder of its own, and what a
 * chat there makes of messages.
 */
#ifndef MEDVL_TESTS_CHAT_H
#define MEDVL_TESTS_CHAT_H

#include "lib/text/chat.h"

#include "tests/unit/check.h"

/* A small tokenizer with a layout's tokens, in a folder of its own. */
struct fixture {
    char *folder;
    struct medvl_tokenizer *tok;
    struct medvl_encoder *encoder;
    struct medvl_chat *chat;
    struct medvl_chat_worker *worker;
    struct medvl_marked text;
    struct medvl_chat_tokens out;
    struct medvl_text shown;
    struct medvl_error err;
};

/* What a record with these messages gives. */
#define MESSAGES(json) \
    (&(struct medvl_chat_input){.messages = medvl_span(json)})

static inline char *in_folder(struct fixture *f, const char *name)
{
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, f->folder, name, &f->err), &f->err);
    return path;
}

static inline void write_file(struct fixture *f, const char *name,
                              const char *text)
{
    char *path = in_folder(f, name);

    CHECK_OK(medvl_file_write(path, text, strlen(text), &f->err), &f->err);
    medvl_free(path);
}

/* A tokenizer of bytes and these tokens; `config` is behind end and begin. */
static inline void make_folder(struct fixture *f, const char *name,
                               const struct medvl_chat_layout *layout,
                               const char *config)
{
    struct medvl_tokenizer_trainer *trainer;
    struct medvl_text text = {0};
    char *path;

    *f = (struct fixture){0};
    f->folder = check_temp(name);
    CHECK_OK(medvl_path_remove(f->folder, &f->err), &f->err);
    CHECK_OK(medvl_folder_make(f->folder, &f->err), &f->err);
    path = in_folder(f, "tokenizer.json");
    CHECK_OK(medvl_tokenizer_trainer_new(&trainer, "gpt2", &f->err), &f->err);
    CHECK_OK(medvl_tokenizer_trainer_write(trainer, path, 256, &f->err),
             &f->err);
    medvl_tokenizer_trainer_free(trainer);
    CHECK_OK(medvl_tokenizer_extend(path, path, layout->tokens,
                                    layout->token_count, &f->err),
             &f->err);
    medvl_free(path);
    CHECK_OK(medvl_text_printf(&text, &f->err, "{\"eos_token\": \"%s\"",
                               layout->end),
             &f->err);
    if (layout->begin)
        CHECK_OK(medvl_text_printf(&text, &f->err, ", \"bos_token\": \"%s\"",
                                   layout->begin),
                 &f->err);
    CHECK_OK(medvl_text_printf(&text, &f->err, "%s}", config), &f->err);
    write_file(f, "tokenizer_config.json", text.data);
    medvl_text_release(&text);
    CHECK_OK(medvl_tokenizer_open(&f->tok, f->folder, &f->err), &f->err);
    CHECK_OK(medvl_encoder_new(&f->encoder, f->tok, &f->err), &f->err);
}

/* (Re)open the folder's chat, or this layout. */
static inline void open_chat(struct fixture *f, const char *layout)
{
    medvl_chat_worker_free(f->worker);
    medvl_chat_free(f->chat);
    f->worker = NULL;
    CHECK_OK(medvl_chat_open(&f->chat, f->folder, layout, f->tok, &f->err),
             &f->err);
    CHECK_OK(medvl_chat_worker_new(&f->worker, f->chat, &f->err), &f->err);
}

static inline void teardown(struct fixture *f)
{
    medvl_chat_tokens_release(&f->out);
    medvl_marked_release(&f->text);
    medvl_text_release(&f->shown);
    medvl_chat_worker_free(f->worker);
    medvl_chat_free(f->chat);
    medvl_encoder_free(f->encoder);
    medvl_tokenizer_free(f->tok);
    medvl_free(f->folder);
}

/* The whole text, and with `prompt` the text to answer. */
static inline void check_text(struct fixture *f, const char *messages,
                              unsigned flags, const char *want)
{
    medvl_marked_clear(&f->text);
    CHECK_OK(medvl_chat_render(f->worker, &f->text, MESSAGES(messages),
                               flags, &f->err),
             &f->err);
    assert_string_equal(f->text.text.size ? f->text.text.data : "", want);
}

/* The tokens' text, what is learned between [ and ]. */
static inline void check_learned(struct fixture *f, const char *messages,
                                 unsigned flags, const char *want)
{
    bool open = false;

    CHECK_OK(medvl_chat_encode(f->worker, &f->out, f->encoder,
                               MESSAGES(messages), flags, &f->err),
             &f->err);
    medvl_text_clear(&f->shown);
    for (size_t i = 0; i <= f->out.tokens.count; i++) {
        const bool learned = i < f->out.tokens.count && f->out.loss_mask[i];
        struct medvl_span bytes = {0};

        if (learned != open)
            CHECK_OK(medvl_text_putc(&f->shown, learned ? '[' : ']', &f->err),
                     &f->err);
        open = learned;
        if (i < f->out.tokens.count)
            bytes = medvl_tokenizer_bytes(f->tok, f->out.tokens.ids[i]);
        CHECK_OK(medvl_text_append(&f->shown, bytes.data, bytes.size,
                                   &f->err),
                 &f->err);
    }
    assert_string_equal(f->shown.data, want);
}

static inline size_t count_token(const struct fixture *f, const char *token)
{
    const int32_t id = medvl_tokenizer_id(f->tok, medvl_span(token));
    size_t count = 0;

    assert_true(id >= 0);
    for (size_t i = 0; i < f->out.tokens.count; i++)
        count += f->out.tokens.ids[i] == id;
    return count;
}

#endif
