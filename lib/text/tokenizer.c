/*
 * Encoding and decoding.  A text is cut at the added tokens that it may
 * hold, what lies between is normalised, cut at the added tokens that are
 * looked for in normalised text, split into pieces and given to the model.
 *
 * Read next: tokenizer_model.c.
 */
#include "lib/text/tokenizer.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

/* ---- what a tokenizer knows -------------------------------------------- */

int32_t medvl_tokenizer_size(const struct medvl_tokenizer *tok)
{
    return tok->size;
}

struct medvl_span medvl_tokenizer_bytes(const struct medvl_tokenizer *tok,
                                        int32_t id)
{
    const struct added *added = medvl_tokenizer_added(tok, id);

    return added ? added->content : medvl_model_bytes(&tok->model, id);
}

int32_t medvl_tokenizer_id(const struct medvl_tokenizer *tok,
                           struct medvl_span bytes)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        if (medvl_span_equal(tok->added[i].content, bytes))
            return tok->added[i].id;
    }
    return medvl_model_id(&tok->model, bytes);
}

bool medvl_tokenizer_is_added(const struct medvl_tokenizer *tok, int32_t id)
{
    return medvl_tokenizer_added(tok, id) != NULL;
}

bool medvl_tokenizer_is_special(const struct medvl_tokenizer *tok,
                                int32_t id)
{
    const struct added *added = medvl_tokenizer_added(tok, id);

    return added && added->special;
}

int32_t medvl_tokenizer_begin(const struct medvl_tokenizer *tok)
{
    return tok->begin;
}

int32_t medvl_tokenizer_end(const struct medvl_tokenizer *tok)
{
    return tok->end;
}

int32_t medvl_tokenizer_pad(const struct medvl_tokenizer *tok)
{
    return tok->pad;
}

/* ---- the encoder ------------------------------------------------------- */

#define PIECES 256

struct medvl_encoder {
    const struct medvl_tokenizer *tok;
    struct model_cache cache;
    struct medvl_splitter *splitter;  /* of byte-level BPE */
    struct medvl_words_cutter *words; /* of CLIP, BERT, or NULL */
    struct medvl_regex_scratch *scratch;
    struct medvl_rewrite normal, plain; /* a segment, and a part of it */
    struct medvl_pieces pieces;
    size_t ends[PIECES];
    struct runs runs; /* of the call */
    struct medvl_guard guard;
    bool guarded; /* in the call */
    int32_t placeholder;
};

static bool holds(const void *self, int32_t id)
{
    const struct medvl_encoder *encoder = self;
    const struct added *added = medvl_tokenizer_added(encoder->tok, id);

    return added && medvl_added_is_guarded(encoder->tok,
                                           encoder->placeholder, added);
}

/* Guard what the model might make of a record's text. */
static void set_guard(struct medvl_encoder *encoder)
{
    const struct medvl_tokenizer *tok = encoder->tok;
    struct medvl_guard *guard = &encoder->guard;

    guard->holds = holds;
    guard->self = encoder;
    guard->low = guard->high = 0;
    for (size_t i = 0; i < tok->added_count; i++) { /* by id */
        const int32_t id = tok->added[i].id;

        if (!holds(encoder, id) ||
            medvl_model_bytes(&tok->model, id).size == 0)
            continue;
        if (guard->high == 0)
            guard->low = id;
        guard->high = id + 1;
    }
}

int medvl_encoder_new(struct medvl_encoder **out,
                      const struct medvl_tokenizer *tok,
                      struct medvl_error *err)
{
    struct medvl_encoder *encoder = medvl_alloc(1, sizeof(*encoder));
    int rc;

    *out = NULL;
    if (!encoder)
        return medvl_no_memory(err);
    encoder->tok = tok;
    encoder->placeholder = -1;
    set_guard(encoder);
    rc = medvl_model_cache_init(&encoder->cache, &tok->model, err);
    if (rc == MEDVL_OK && tok->pre)
        rc = medvl_splitter_new(&encoder->splitter, tok->pre, err);
    if (rc == MEDVL_OK)
        rc = medvl_words_cutter_new(&encoder->words, tok, err);
    if (rc == MEDVL_OK)
        rc = medvl_regex_scratch_new(&encoder->scratch, err);
    if (rc < 0) {
        medvl_encoder_free(encoder);
        return rc;
    }
    *out = encoder;
    return MEDVL_OK;
}

void medvl_encoder_free(struct medvl_encoder *encoder)
{
    if (!encoder)
        return;
    medvl_model_cache_release(&encoder->cache);
    medvl_splitter_free(encoder->splitter);
    medvl_words_cutter_free(encoder->words);
    medvl_regex_scratch_free(encoder->scratch);
    medvl_rewrite_release(&encoder->normal);
    medvl_rewrite_release(&encoder->plain);
    medvl_pieces_release(&encoder->pieces);
    medvl_guard_release(&encoder->guard);
    medvl_free(encoder);
}

void medvl_encoder_set_placeholder(struct medvl_encoder *encoder, int32_t id)
{
    if (encoder->placeholder == id)
        return; /* as for most records: the guard looks through all tokens */
    encoder->placeholder = id;
    set_guard(encoder);
}

/* ---- encoding ---------------------------------------------------------- */

static struct medvl_guard *guard_of(struct medvl_encoder *encoder)
{
    return encoder->guarded ? &encoder->guard : NULL;
}

/* A text that holds no added token, by byte-level BPE. */
static int encode_bytes(struct medvl_encoder *encoder,
                        struct medvl_tokens *out, struct medvl_span text,
                        size_t base, struct medvl_error *err)
{
    size_t start = 0;

    medvl_splitter_begin(encoder->splitter, text);
    for (;;) {
        const int count = medvl_splitter_next(encoder->splitter,
                                              encoder->ends, PIECES, err);
        int rc;

        if (count <= 0)
            return count;
        rc = medvl_model_encode(&encoder->tok->model, &encoder->cache,
                                guard_of(encoder), out, text, start,
                                encoder->ends, (size_t)count, base, err);
        if (rc < 0)
            return rc;
        start = encoder->ends[count - 1];
    }
}

/* The same by the other models: pieces without a gap go together. */
static int encode_pieces(struct medvl_encoder *encoder,
                         struct medvl_tokens *out, struct medvl_span text,
                         size_t base, struct medvl_error *err)
{
    const struct medvl_pieces *p = &encoder->pieces;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < p->count && rc == MEDVL_OK;) {
        const size_t first = i++;

        while (i < p->count && p->starts[i] == p->ends[i - 1])
            i++;
        rc = medvl_model_encode(&encoder->tok->model, &encoder->cache,
                                guard_of(encoder), out, text,
                                p->starts[first], p->ends + first, i - first,
                                base, err);
    }
    return rc;
}

/* A space in front of a text that has none. */
static int put_space(struct medvl_rewrite *r, struct medvl_error *err)
{
    int rc;

    if (r->text.data[0] == ' ')
        return MEDVL_OK;
    rc = medvl_rewrite_start(r, err);
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_put(r, medvl_span(" "), 0, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_rewrite_keep(r, 0, r->text.size, err);
    if (rc == MEDVL_OK)
        medvl_rewrite_done(r);
    return rc;
}

/*
 * The bytes [from, to) of a segment, which hold no added token; the segment
 * begins at `base`.
 */
static int encode_plain(struct medvl_encoder *encoder,
                        struct medvl_tokens *out,
                        const struct medvl_rewrite *segment, size_t from,
                        size_t to, size_t base, struct medvl_error *err)
{
    const struct medvl_tokenizer *tok = encoder->tok;
    struct medvl_rewrite *r = &encoder->plain;
    const size_t first = out->count;
    bool moved;
    int rc = MEDVL_OK;

    if (from == to)
        return MEDVL_OK;
    medvl_rewrite_begin_part(r, segment, from, to);
    if (tok->model.sentencepiece)
        return medvl_sentencepiece_encode(
            encoder->cache.sentencepiece, guard_of(encoder), out, r->text,
            tok->prefix_once && base + from > 0
                ? MEDVL_SENTENCEPIECE_NO_PREFIX
                : 0,
            base + from, err);
    if (!tok->pre)
        rc = medvl_cutter_run(tok->cutter, encoder->scratch, r,
                              &encoder->pieces, base == 0, err);
    else if (tok->prefix_space)
        rc = put_space(r, err);
    if (rc < 0)
        return rc;
    moved = r->moved || segment->moved;
    if (tok->pre)
        rc = encode_bytes(encoder, out, r->text, moved ? 0 : base + from,
                          err);
    else
        rc = encode_pieces(encoder, out, r->text, moved ? 0 : base + from,
                           err);
    if (rc == MEDVL_OK && moved && out->keep_ends) {
        for (size_t i = first; i < out->count; i++)
            out->ends[i] = base + medvl_rewrite_end(r, out->ends[i]);
    }
    return rc;
}

/*
 * Text between added tokens of the first kind by all the steps; it begins
 * at `base`.
 */
static int encode_by_steps(struct medvl_encoder *encoder,
                           struct medvl_tokens *out, struct medvl_span text,
                           size_t base, struct medvl_error *err)
{
    struct medvl_rewrite *r = &encoder->normal;
    const struct part part = {r, base, 1};
    struct match match = {0};
    size_t at = 0;
    int rc = MEDVL_OK;

    medvl_rewrite_begin(r, text);
    if (encoder->tok->normalizer && text.size > 0)
        rc = medvl_normalizer_run(encoder->tok->normalizer, encoder->scratch,
                                  r, err);
    while (rc == MEDVL_OK && medvl_added_find(encoder->tok, &encoder->runs,
                                              &part, &match)) {
        rc = encode_plain(encoder, out, r, at, match.start, base, err);
        if (rc == MEDVL_OK)
            rc = medvl_tokens_add(out, match.added->id,
                                  base + medvl_rewrite_end(r, match.end),
                                  err);
        at = match.end;
    }
    if (rc == MEDVL_OK)
        rc = encode_plain(encoder, out, r, at, r->text.size, base, err);
    return rc;
}

/* The same; plain words of CLIP and BERT take the short way. */
static int encode_segment(struct medvl_encoder *encoder,
                          struct medvl_tokens *out, struct medvl_span text,
                          size_t base, struct medvl_error *err)
{
    size_t at = 0;
    int rc = MEDVL_OK;

    if (!encoder->words || encoder->guarded)
        return encode_by_steps(encoder, out, text, base, err);
    while (at < text.size && rc == MEDVL_OK) {
        size_t end;

        rc = medvl_words_encode(encoder->words, out, text, &at, base, err);
        end = medvl_words_held_end(encoder->words, text, at);
        if (rc == MEDVL_OK && end > at)
            rc = encode_by_steps(
                encoder, out,
                (struct medvl_span){text.data + at, end - at}, base + at,
                err);
        at = end;
    }
    return rc;
}

/*
 * The mark that the slow LlamaTokenizer, when it is not legacy, puts in front
 * of a text that begins with an added token, which keeps it unless it is
 * named.
 */
static int encode_mark(struct medvl_encoder *encoder,
                       struct medvl_tokens *out, struct medvl_error *err)
{
    const size_t first = out->count;
    const int rc = medvl_sentencepiece_encode(
        encoder->cache.sentencepiece, NULL, out, medvl_span(" "),
        MEDVL_SENTENCEPIECE_NO_PREFIX, 0, err);

    for (size_t i = first; i < out->count && out->keep_ends; i++)
        out->ends[i] = 0;
    return rc;
}

static int encode_text(struct medvl_encoder *encoder,
                       struct medvl_tokens *out, struct medvl_span text,
                       struct medvl_error *err)
{
    const struct medvl_rewrite whole = {.text = text};
    const struct part part = {&whole, 0, 0};
    struct match match = {0};
    size_t at = 0;
    int rc = MEDVL_OK;

    while (medvl_added_find(encoder->tok, &encoder->runs, &part, &match)) {
        if (encoder->tok->prefix_once && match.start == 0 &&
            !match.added->named)
            rc = encode_mark(encoder, out, err);
        if (rc == MEDVL_OK)
            rc = encode_segment(
                encoder, out,
                (struct medvl_span){text.data + at, match.start - at}, at,
                err);
        if (rc == MEDVL_OK)
            rc = medvl_tokens_add(out, match.added->id, match.end, err);
        if (rc < 0)
            return rc;
        at = match.end;
    }
    return encode_segment(
        encoder, out, (struct medvl_span){text.data + at, text.size - at},
        at, err);
}

static int add_ids(struct medvl_tokens *out, const struct ids *ids,
                   size_t end, struct medvl_error *err)
{
    for (size_t i = 0; i < ids->count; i++) {
        const int rc = medvl_tokens_add(out, ids->items[i], end, err);

        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static bool has_record(const struct runs *runs)
{
    for (size_t i = 0; runs->items && i < runs->count; i++) {
        if (runs->items[i].from_record && runs->items[i].size > 0)
            return true;
    }
    return false;
}

int medvl_encoder_encode(struct medvl_encoder *encoder,
                         struct medvl_tokens *out, struct medvl_span text,
                         const struct medvl_run *runs, size_t run_count,
                         unsigned flags, struct medvl_error *err)
{
    const size_t before = out->count;
    const size_t valid = medvl_utf8_valid(text.data, text.size);
    size_t total = 0;
    int rc = MEDVL_OK;

    if (valid < text.size)
        return medvl_fail(err, MEDVL_EFORMAT, "byte %zu is not UTF-8",
                          valid + 1);
    for (size_t i = 0; runs && i < run_count; i++) {
        if (!medvl_size_add(&total, total, runs[i].size) ||
            total > text.size)
            break;
    }
    if (runs && total != text.size)
        return medvl_fail(err, MEDVL_EARG,
                          "the runs do not add up to the text's %zu bytes",
                          text.size);
    encoder->runs = (struct runs){.count = run_count,
                                  .placeholder = encoder->placeholder};
    if (!(flags & MEDVL_ENCODE_PARSE_SPECIAL))
        encoder->runs.items = runs;
    encoder->guarded = encoder->guard.high > 0 &&
                       has_record(&encoder->runs);
    if (flags & MEDVL_ENCODE_SPECIAL)
        rc = add_ids(out, &encoder->tok->before, 0, err);
    if (rc == MEDVL_OK && text.size > 0)
        rc = encode_text(encoder, out, text, err);
    if (rc == MEDVL_OK && (flags & MEDVL_ENCODE_SPECIAL))
        rc = add_ids(out, &encoder->tok->after, text.size, err);
    medvl_rewrite_shrink(&encoder->normal);
    medvl_rewrite_shrink(&encoder->plain);
    medvl_pieces_shrink(&encoder->pieces);
    if (rc < 0)
        out->count = before;
    return rc;
}

/* ---- decoding ---------------------------------------------------------- */

/* Append a token as the file spells it. */
static int append_spelling(const struct medvl_tokenizer *tok,
                           struct medvl_text *out, struct medvl_span token,
                           bool added, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (added || !tok->model.bpe)
        return medvl_text_append(out, token.data, token.size, err);
    for (size_t i = 0; i < token.size && rc == MEDVL_OK; i++) {
        char bytes[4];
        const int size = medvl_utf8_encode(
            bytes, medvl_byte_rune((unsigned char)token.data[i]));

        rc = medvl_text_append(out, bytes, (size_t)size, err);
    }
    return rc;
}

/* Append a token to what is decoded: its bytes, or one string more. */
static int decode_one(const struct medvl_tokenizer *tok, bool bytes,
                      struct medvl_strings *out, int32_t id, unsigned flags,
                      struct medvl_error *err)
{
    const struct added *added = medvl_tokenizer_added(tok, id);
    struct medvl_span token;
    int rc;

    token = added ? added->content : medvl_model_bytes(&tok->model, id);
    if (!token.data && (flags & MEDVL_DECODE_SKIP_UNKNOWN))
        return MEDVL_OK;
    if (!token.data)
        return medvl_fail(err, MEDVL_EARG,
                          "id %d is not one of the tokenizer's", id);
    if (added && added->special && (flags & MEDVL_DECODE_SKIP_SPECIAL))
        return MEDVL_OK;
    if (tok->model.sentencepiece && !added)
        token = medvl_sentencepiece_bytes(tok->model.sentencepiece, id);
    if (bytes)
        return medvl_text_append(&out->text, token.data, token.size, err);
    rc = append_spelling(tok, &out->text, token, added != NULL, err);
    return rc == MEDVL_OK
               ? medvl_strings_add(out, (struct medvl_span){"", 0}, err)
               : rc;
}

/*
 * Take from the text, which is the bytes of one piece, the space that
 * SentencePiece put in front: of one piece, of each so far that is no more
 * than it where extra spaces are taken away.
 */
static void drop_space(const struct medvl_tokenizer *tok,
                       struct medvl_text *text, int32_t id, bool *dropped)
{
    const struct medvl_sentencepiece_info *info;
    struct medvl_span piece;

    if (*dropped || medvl_tokenizer_added(tok, id))
        return;
    info = medvl_sentencepiece_info(tok->model.sentencepiece);
    piece = medvl_sentencepiece_piece(tok->model.sentencepiece, id);
    if ((!info->add_dummy_prefix && !info->remove_extra_whitespaces) ||
        text->data[0] != ' ' || piece.size < 3 ||
        memcmp(piece.data, "\xE2\x96\x81", 3) != 0)
        return;
    text->size--;
    memmove(text->data, text->data + 1, text->size);
    *dropped = !info->remove_extra_whitespaces;
}

int medvl_tokenizer_decode(const struct medvl_tokenizer *tok,
                           struct medvl_text *out, const int32_t *ids,
                           size_t count, unsigned flags,
                           struct medvl_error *err)
{
    const bool bytes = tok->model.sentencepiece ||
                       (tok->model.bpe &&
                        medvl_decoder_steps_are_bytes(tok->decoder));
    struct medvl_strings strings = {0};
    bool dropped = !tok->model.sentencepiece;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const bool first = strings.text.size == 0;

        rc = decode_one(tok, bytes, &strings, ids[i], flags, err);
        if (rc == MEDVL_OK && first && strings.text.size > 0)
            drop_space(tok, &strings.text, ids[i], &dropped);
    }
    if (rc == MEDVL_OK && bytes)
        rc = medvl_append_lossy(out, medvl_text_span(&strings.text), err);
    else if (rc == MEDVL_OK)
        rc = medvl_decoder_steps_run(tok->decoder, out, &strings, err);
    medvl_strings_release(&strings);
    return rc;
}
