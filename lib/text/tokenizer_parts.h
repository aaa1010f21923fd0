/*
 * What the files of the tokenizer share: tokenizer.c encodes and decodes,
 * tokenizer_model.c has the one model of many kinds, tokenizer_added.c the
 * added tokens, tokenizer_read.c and tokenizer_vocab.c read tokenizer.json,
 * tokenizer_words.c is quick with CLIP's and BERT's,
 * tokenizer_open.c finds files, tokenizer_write.c extends and trains.
 * Internal to them.
 */
#ifndef MEDVL_TEXT_TOKENIZER_PARTS_H
#define MEDVL_TEXT_TOKENIZER_PARTS_H

#include "lib/text/charbpe.h"
#include "lib/text/cutter.h"
#include "lib/text/decode.h"
#include "lib/text/guard.h"
#include "lib/text/part.h"
#include "lib/text/pretokenize.h"
#include "lib/text/sentencepiece.h"
#include "lib/text/spell.h"
#include "lib/text/tokenizer.h"
#include "lib/text/unigram.h"
#include "lib/text/wordpiece.h"

/* Bytes in an added token at most: bounds the search for one. */
#define ADDED_BYTES 4096

/* ---- the model ---------------------------------------------------------- */

/* One of these is there. */
struct model {
    struct medvl_bpe *bpe; /* byte-level: tokens are bytes */
    struct medvl_charbpe *charbpe;
    struct medvl_unigram *unigram;
    struct medvl_wordpiece *wordpiece; /* WordLevel too */
    struct medvl_sentencepiece *sentencepiece;
};

void medvl_model_release(struct model *model);

/* As in bpe.h: bytes of a byte-level token, spellings of all others. */
int32_t medvl_model_size(const struct model *model);
struct medvl_span medvl_model_bytes(const struct model *model, int32_t id);
int32_t medvl_model_id(const struct model *model, struct medvl_span bytes);

/* The token that the file spells so, or -1. */
int32_t medvl_model_spelled(const struct model *model,
                            struct medvl_span spelling);

/* One worker's words and scratch. */
struct model_cache {
    struct medvl_bpe_cache *bpe;
    struct medvl_charbpe_cache *charbpe;
    struct medvl_unigram_cache *unigram;
    struct medvl_sentencepiece_encoder *sentencepiece;
};

int medvl_model_cache_init(struct model_cache *cache,
                           const struct model *model,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_model_cache_release(struct model_cache *cache);

/*
 * Arguments as of medvl_bpe_encode; not of a sentencepiece model.
 *
 *   guard   of ids that are not to come of text; or NULL
 */
int medvl_model_encode(const struct model *model, struct model_cache *cache,
                       struct medvl_guard *guard, struct medvl_tokens *out,
                       struct medvl_span data,
                       size_t start, const size_t *ends, size_t count,
                       size_t base, struct medvl_error *err) MEDVL_MUST_CHECK;

/* ---- added tokens ------------------------------------------------------- */

struct added {
    struct medvl_span content; /* in the tokenizer's memory */
    struct medvl_span match;   /* what is looked for: normalised or not */
    int32_t id;
    size_t order; /* of equal ones the first is found */
    bool special, lstrip, rstrip, single_word, normalized;
    bool named; /* begin, end and the like, by the files beside it */
};

/*
 * The added tokens that are looked for before (0) and after (1)
 * normalisation, sorted by their bytes.
 */
struct matcher {
    const struct added **sorted;
    size_t count;
    bool first[256]; /* bytes that one begins with */
    int only;        /* the one such byte, or below 0 */
};

/* The run that holds a rising offset. */
struct run_cursor {
    size_t at, start;
};

/* Which bytes came from the record. */
struct runs {
    const struct medvl_run *items; /* NULL: none did */
    size_t count;
    int32_t placeholder; /* never one of theirs; or -1 */
    struct run_cursor cursors[2];
};

/* A part of the text in which added tokens are looked for. */
struct part {
    const struct medvl_rewrite *rewrite;
    size_t base; /* of what was rewritten, in all */
    int level;   /* which matcher */
};

/* Where it stands with the white space that it takes.  Valid when zeroed. */
struct match {
    const struct added *added;
    size_t start, end;
    size_t next; /* where the search goes on: within that space */
};

struct ids {
    int32_t *items;
    size_t count, capacity;
};

/* Are the steps CLIP's, BERT's?  Bytes that a word needs them all for. */
struct words {
    bool known, keeps_case;
    bool held[256];
};

struct medvl_tokenizer {
    struct model model;
    struct medvl_normalizer *normalizer;
    struct medvl_pretokenizer *pre; /* of byte-level BPE, else NULL */
    bool prefix_space;              /* before it */
    struct medvl_cutter *cutter;    /* of the other models */
    struct words words;             /* of a CLIP or BERT */
    struct medvl_decoder_steps *decoder;
    struct added *added; /* sorted by id */
    size_t added_count, added_capacity;
    struct matcher matchers[2];
    int32_t size;
    int32_t begin, end, pad;
    struct ids before, after; /* what SPECIAL puts around */
    bool prefix_once;         /* SentencePiece: not behind added tokens */
};

/* The added token with this id, or NULL. */
const struct added *medvl_tokenizer_added(const struct medvl_tokenizer *tok,
                                          int32_t id);

/*
 * Take over a new added token, whose contents are copied.  Index makes those
 * so far be found by id; finish, behind the last, in a text.
 */
int medvl_added_add(struct medvl_tokenizer *tok, const struct added *added,
                    struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_added_index(struct medvl_tokenizer *tok,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_added_finish(struct medvl_tokenizer *tok,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Tokens of files beside the vocabulary, before medvl_added_finish.
 *
 *   replace   beside a tokenizer.json: one that is there gets these flags,
 *             and becomes special where it is named; new ones get the
 *             vocabulary's id, else the next free one.  Without it one that
 *             is there stays as it is, and that holds of ids below 0
 */
struct extras {
    struct added *items;
    size_t count, capacity;
    bool replace;
};
int medvl_added_extras(struct medvl_tokenizer *tok,
                       const struct extras *extras,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_added_release(struct medvl_tokenizer *tok);

/* Is it text where a record spells it? */
bool medvl_added_is_guarded(const struct medvl_tokenizer *tok,
                            int32_t placeholder, const struct added *added);

/*
 * The first added token in the part's text behind `match`, which is then
 * that; false when there is none.
 */
bool medvl_added_find(const struct medvl_tokenizer *tok, struct runs *runs,
                      const struct part *part, struct match *match);

/* ---- words of CLIP and BERT --------------------------------------------- */

/* Behind the model: sets tok->words. */
int medvl_words_read(struct medvl_tokenizer *tok,
                     const struct medvl_json_view *root,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/* One worker's; *out is NULL when each text needs all the steps. */
struct medvl_words_cutter;

int medvl_words_cutter_new(struct medvl_words_cutter **out,
                           const struct medvl_tokenizer *tok,
                           struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_words_cutter_free(struct medvl_words_cutter *cutter);

/*
 * Encode the words from *at on up to one that needs all steps, or the end,
 * where *at is then.  The text, without added tokens of the first kind,
 * begins at `base`.
 */
int medvl_words_encode(struct medvl_words_cutter *cutter,
                       struct medvl_tokens *out, struct medvl_span text,
                       size_t *at, size_t base,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* End of the words from `at` on that need all steps. */
size_t medvl_words_held_end(const struct medvl_words_cutter *cutter,
                            struct medvl_span text, size_t at);

/* ---- reading ------------------------------------------------------------ */

/* "model" of a tokenizer.json, and "pre_tokenizer" with it. */
int medvl_tokenizer_read_model(struct medvl_tokenizer *tok,
                               const struct medvl_json_view *root,
                               struct medvl_error *err) MEDVL_MUST_CHECK;

/* A part of the file as a tree, *out NULL when it is not there. */
int medvl_tokenizer_part(struct medvl_json **out,
                         const struct medvl_json_view *view,
                         const char *name, size_t most,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
#define PART_BYTES ((size_t)4 << 20) /* of such a part at most */

/* The whole of a tokenizer.json; `extras` may be NULL. */
int medvl_tokenizer_read(struct medvl_tokenizer **out, struct medvl_span json,
                         const struct extras *extras, bool *has_template,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Append the tokenizer.json that says the same as vocab.json and merges.txt,
 * or the lines of a vocab.txt.
 *
 *   config   tokenizer_config.json, or NULL
 *
 * MEDVL_EFORMAT: not UTF-8, or vocab.json is no object.
 */
int medvl_merges_to_json(struct medvl_text *json, struct medvl_span vocab,
                         struct medvl_span merges,
                         const struct medvl_json *config,
                         struct medvl_error *err) MEDVL_MUST_CHECK;
int medvl_lines_to_json(struct medvl_text *json, struct medvl_span lines,
                        const struct medvl_json *config,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Is each byte spelled as itself?  Only then does Hugging Face, which looks
 * an added token up as it stands, find it in a byte-level vocabulary.
 */
bool medvl_is_spelled_alike(struct medvl_span bytes);

#endif
