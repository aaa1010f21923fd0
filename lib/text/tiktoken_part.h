/*
 * What the files of tiktoken share: tiktoken.c reads tiktoken files,
 * tiktoken_clip.c CLIP's merges, tiktoken_json.c writes.  Internal to them.
 */
#ifndef MEDVL_TEXT_TIKTOKEN_PART_H
#define MEDVL_TEXT_TIKTOKEN_PART_H

#include "lib/base/json.h"
#include "lib/text/tiktoken.h"

/*
 * A tokenizer.json being written, and the string in hand.  Failures stay in
 * the writer, so that none of these needs a check but the last.
 */
struct medvl_vocab_writer {
    struct medvl_json_writer json;
    struct medvl_text string;
};

/* Is a byte spelled as itself? */
bool medvl_vocab_is_visible(unsigned byte);

/* Add to the string in hand: as it stands, or bytes as they are spelled. */
void medvl_vocab_add(struct medvl_vocab_writer *writer,
                     struct medvl_span span);
void medvl_vocab_add_bytes(struct medvl_vocab_writer *writer,
                           struct medvl_span bytes);

/* The string in hand as an entry of the vocabulary, or of the merges. */
void medvl_vocab_put_token(struct medvl_vocab_writer *writer, int32_t id);
void medvl_vocab_put_merge(struct medvl_vocab_writer *writer);

/* Up to the added tokens; one of them; from there on, as JSON. */
void medvl_vocab_begin(struct medvl_vocab_writer *writer);
void medvl_vocab_put_added(struct medvl_vocab_writer *writer, int32_t id,
                           const char *content, bool normalized);
void medvl_vocab_put_raw(struct medvl_vocab_writer *writer, const char *name,
                         const char *value);

/* The decoder and the model up to its vocabulary; then to its merges. */
void medvl_vocab_begin_model(struct medvl_vocab_writer *writer,
                             const char *unk, const char *suffix,
                             bool ignore_merges);
void medvl_vocab_begin_merges(struct medvl_vocab_writer *writer);

/*
 * Close what is open; with rc below 0, or on failure, take back what was
 * appended from `before` on.
 */
int medvl_vocab_end(struct medvl_vocab_writer *writer, size_t before, int rc,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* The next line of `file`, without its end; false behind the last. */
bool medvl_vocab_line(struct medvl_span *file, struct medvl_span *line);

#endif
