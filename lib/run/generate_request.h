/*
 * What a record asks: the ids of its prompt and the patch rows of its
 * pictures.  Inside of generate.h.
 *
 * Read next: generate_choices.h.
 */
#ifndef MEDVL_RUN_GENERATE_REQUEST_H
#define MEDVL_RUN_GENERATE_REQUEST_H

#include "kernels/tensor.h"
#include "lib/data/record.h"
#include "lib/data/source.h"
#include "lib/model/frontend.h"
#include "lib/text/chat.h"

/* What records are read with: that of a model folder; of one thread. */
struct medvl_request_reader {
    const struct medvl_config *config; /* borrowed */
    struct medvl_frontend *frontend;   /* NULL: reads no pictures */
    struct medvl_tokenizer *tok;       /* NULL: the folder has none */
    struct medvl_encoder *encoder;
    int32_t image_id;        /* a placeholder that is no token, or -1 */
    struct medvl_chat *chat; /* NULL: the folder has no template */
    struct medvl_error no_chat;
    struct medvl_chat_worker *worker;
    struct medvl_chat_tokens messages; /* scratch */
    struct medvl_source *source;
};

/*
 *   layout   of messages, by name (chat.h); NULL: the folder's template
 *   root     pictures are below it, or NULL
 *
 * A zeroed reader may be released.  MEDVL_EARG when the folder's tokenizer
 * is another model's.
 */
int medvl_request_reader_open(struct medvl_request_reader *out,
                              const char *folder, const char *layout,
                              const char *root,
                              const struct medvl_config *config,
                              struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_request_reader_release(struct medvl_request_reader *reader);

/* "FIELD" needs a tokenizer: MEDVL_EARG when the folder has none. */
int medvl_request_need_tokenizer(const struct medvl_request_reader *reader,
                                 const char *field,
                                 struct medvl_error *err) MEDVL_MUST_CHECK;

/* Valid when zeroed. */
struct medvl_request {
    struct medvl_tokens ids; /* placeholders of pictures among them */

    struct medvl_pictures pictures; /* in the placeholders' order */
    struct medvl_grid *grids;       /* theirs */

    int32_t *expanded; /* by medvl_request_expand: -1 at picture tokens */
    int64_t count;
};

/*
 * Read the first present of "messages" (up to a last turn that is the
 * answer), "prompt" and "tokens", and the pictures.
 *
 * MEDVL_EFORMAT when there is none, or the messages leave out a picture of
 * "images"; MEDVL_EARG when the model's folder has not what it needs; the
 * errors of decoding otherwise.
 */
int medvl_request_read(struct medvl_request *out,
                       struct medvl_request_reader *reader,
                       const struct medvl_record *record,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Let each placeholder take its picture's tokens: fills `expanded`. */
int medvl_request_expand(struct medvl_request *request,
                         const struct medvl_request_reader *reader,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_request_release(struct medvl_request *request);

#endif
