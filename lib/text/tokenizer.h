/*
 * Text to ids and back, with every kind of tokenizer.json: BPE (byte-level,
 * SentencePiece's, with prefix and suffix), Unigram, WordPiece, WordLevel;
 * all normalizers, pre-tokenizers, post-processors and decoders; added
 * tokens with all their flags.  And the training of a byte-level BPE.
 *
 * The ids are those of Hugging Face's tokenizers 0.22, compared on real
 * files and by a fuzzer (tests/peers/tokenizer_fuzz.py).  Not taken are a
 * model with dropout, and regular expressions as said in regex.h, each
 * named (MEDVL_EUNSUPPORTED).  Padding and truncation of the file say
 * nothing here.  In three places the result is another on purpose:
 *
 *   a character for which a BPE has nothing is an error; it is dropped there
 *   bytes of added tokens are text when decoded; ByteLevel takes characters
 *   from U+00A1 up for bytes there
 *   the space that an added token takes is never given out twice
 *
 * Read next: template.h.
 */
#ifndef MEDVL_TEXT_TOKENIZER_H
#define MEDVL_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/bpe.h"

/*
 * Where bytes of a text come from: consecutive runs whose sizes add up to
 * the text's.  In what a record brought no special token is recognised, nor
 * the begin, end or padding token; added tokens that are not special are
 * (Qwen 3's <think>).  Nor does the model make one of its spelling there:
 * where it would, the text is cut behind the spelling's first character, and
 * both parts are encoded on their own (guard.h).
 */
struct medvl_run {
    size_t size;
    bool from_record;
};

/* ---- a tokenizer: read-only, shared between threads ------------------- */

struct medvl_tokenizer;

/*
 * Open a file, or the first of these in the folder `path`:
 *
 *   tokenizer.json
 *   tokenizer.model              of SentencePiece or tiktoken, by its bytes
 *   vocab.json with merges.txt   GPT-2, RoBERTa, Qwen2 (by tokenizer_class
 *                                of tokenizer_config.json), CLIP (by "</w>")
 *   vocab.txt                    BERT
 *   qwen.tiktoken
 *   bpe_simple_vocab_16e6.txt    CLIP's merges, unpacked
 *
 * tokenizer_config.json beside it (else special_tokens_map.json) names the
 * begin, end and padding tokens.  Beside a tokenizer.json both say, as
 * transformers has it, which added tokens are special and how they are
 * looked for, and one that is not there is added.  Where it is no
 * tokenizer.json, added_tokens.json adds its tokens too, and the ids are
 * those of the slow tokenizers of transformers: of LlamaTokenizer ("legacy"
 * as the configuration says) for SentencePiece, of BertTokenizerFast for
 * vocab.txt, of CLIPTokenizerFast for CLIP.
 *
 * MEDVL_EIO, MEDVL_EFORMAT, MEDVL_EUNSUPPORTED, MEDVL_ENOMEM.
 */
int medvl_tokenizer_open(struct medvl_tokenizer **out, const char *path,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* The file that would be opened of a folder, freed by the caller; NULL where
 * there is none. */
int medvl_tokenizer_find(char **out, const char *folder,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* The same from the file's bytes, without a configuration beside it. */
int medvl_tokenizer_new(struct medvl_tokenizer **out, struct medvl_span json,
                        struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_tokenizer_free(struct medvl_tokenizer *tok);

/* Largest id plus one: the least vocab_size a model needs. */
int32_t medvl_tokenizer_size(const struct medvl_tokenizer *tok);

/*
 * The token's bytes: of a byte-level BPE not the spelling in the file, of
 * other models just that.  {NULL, 0}: no such.
 */
struct medvl_span medvl_tokenizer_bytes(const struct medvl_tokenizer *tok,
                                        int32_t id);

/* The token with these bytes, added tokens first; -1 when there is none. */
int32_t medvl_tokenizer_id(const struct medvl_tokenizer *tok,
                           struct medvl_span bytes);

/* An added token; one that is marked special. */
bool medvl_tokenizer_is_added(const struct medvl_tokenizer *tok, int32_t id);
bool medvl_tokenizer_is_special(const struct medvl_tokenizer *tok,
                                int32_t id);

/* bos_token, eos_token, pad_token of tokenizer_config.json; -1: none. */
int32_t medvl_tokenizer_begin(const struct medvl_tokenizer *tok);
int32_t medvl_tokenizer_end(const struct medvl_tokenizer *tok);
int32_t medvl_tokenizer_pad(const struct medvl_tokenizer *tok);

/* ---- encoding --------------------------------------------------------- */

/* A worker's word cache and scratch; borrows the tokenizer. */
struct medvl_encoder;

int medvl_encoder_new(struct medvl_encoder **out,
                      const struct medvl_tokenizer *tok,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_encoder_free(struct medvl_encoder *encoder);

/*
 * An added token that is not recognised in what a record brought, special or
 * not: a picture's placeholder.  -1: none, as at first.
 */
void medvl_encoder_set_placeholder(struct medvl_encoder *encoder, int32_t id);

/*
 * Wanted of medvl_encoder_encode:
 *
 *   MEDVL_ENCODE_SPECIAL         put the begin and end tokens around the
 *                                text: those of the post_processor, or of
 *                                add_bos_token and add_eos_token in
 *                                tokenizer_config.json, which come first
 *                                where transformers' tokenizer_class makes
 *                                the former of them; there may be none
 *   MEDVL_ENCODE_PARSE_SPECIAL   recognise all added tokens in bytes from
 *                                the record
 */
#define MEDVL_ENCODE_SPECIAL       1
#define MEDVL_ENCODE_PARSE_SPECIAL 2

/*
 * Append the ids of `text` to `out` (bpe.h: ids, and where keep_ends is set
 * the offset in `text` behind each token's last byte).
 *
 *   text    UTF-8
 *   runs    which bytes came from a record; NULL, 0: none did
 *
 * A token that came of normalisation ends where the characters that it was
 * made of end.  On failure `out` holds what it held.
 *
 * MEDVL_EFORMAT       not UTF-8; or what the vocabulary has no token for
 * MEDVL_EARG          the runs do not add up to the text
 * MEDVL_EUNSUPPORTED  a piece or ids past the limits of bpe.h, or changes
 *                     past those of unicode.h and rewrite.h
 */
int medvl_encoder_encode(struct medvl_encoder *encoder,
                         struct medvl_tokens *out, struct medvl_span text,
                         const struct medvl_run *runs, size_t run_count,
                         unsigned flags,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- decoding --------------------------------------------------------- */

/*
 * Wanted of medvl_tokenizer_decode: leave out special tokens; leave out ids
 * that the tokenizer does not have, as a model whose vocabulary is padded
 * may say one.
 */
#define MEDVL_DECODE_SKIP_SPECIAL 1
#define MEDVL_DECODE_SKIP_UNKNOWN 2

/*
 * Append the text of the ids.  It is always UTF-8: bytes that are not
 * become U+FFFD, one for each longest beginning of a character.
 * MEDVL_EARG: an id that the tokenizer does not have.
 */
int medvl_tokenizer_decode(const struct medvl_tokenizer *tok,
                           struct medvl_text *out, const int32_t *ids,
                           size_t count, unsigned flags,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- making a tokenizer.json ------------------------------------------ */

/* A token to add. */
struct medvl_added_token {
    const char *content;
    bool special; /* left out by SKIP_SPECIAL */
};

/*
 * Write the tokenizer.json `from` to the file `to` (which may be the same)
 * with these added tokens.  One that is there already keeps its id and its
 * flags; one that the vocabulary spells as it is keeps that id; others get
 * the next free ids in the order given.  Nothing else in the file changes.
 */
int medvl_tokenizer_extend(const char *from, const char *to,
                           const struct medvl_added_token *tokens,
                           size_t count,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Train a vocabulary: feed texts, then write.  `pattern` is "llama3",
 * "qwen2" or "gpt2": how texts are split into words.
 *
 *   size   entries, at least 256 (every byte is one)
 *
 * Merges are chosen by count, equal counts by the smaller pair of ids, as
 * Hugging Face's trainer does.  Texts that give fewer entries than asked
 * are MEDVL_EARG, naming how many, and nothing is written.
 */
struct medvl_tokenizer_trainer;
int medvl_tokenizer_trainer_new(struct medvl_tokenizer_trainer **out,
                                const char *pattern,
                                struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_tokenizer_trainer_add(struct medvl_tokenizer_trainer *trainer,
                                struct medvl_span text,
                                struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_tokenizer_trainer_write(struct medvl_tokenizer_trainer *trainer,
                                  const char *path, int32_t size,
                                  struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_tokenizer_trainer_free(struct medvl_tokenizer_trainer *trainer);

#endif
