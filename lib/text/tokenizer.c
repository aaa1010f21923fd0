/*
 * Encoding and decoding.  A text is cut at the added tokens that it may
 * hold, what lies between is normalised, cut at the added tokens that are
 * looked for in normalised text, split into pieces and merged.
 *
 * Read next: tokenizer_read.c, then tokenizer_write.c.
 */
#include "lib/text/tokenizer.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"
#include "lib/text/unicode.h"

/* ---- what a tokenizer knows -------------------------------------------- */

const struct added *medvl_tokenizer_added(const struct medvl_tokenizer *tok,
                                          int32_t id)
{
    size_t low = 0;
    size_t high = tok->added_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (tok->added[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < tok->added_count && tok->added[low].id == id)
        return &tok->added[low];
    return NULL;
}

int32_t medvl_tokenizer_size(const struct medvl_tokenizer *tok)
{
    return tok->size;
}

struct medvl_span medvl_tokenizer_bytes(const struct medvl_tokenizer *tok,
                                        int32_t id)
{
    const struct added *added = medvl_tokenizer_added(tok, id);

    return added ? added->content : medvl_bpe_bytes(tok->bpe, id);
}

int32_t medvl_tokenizer_id(const struct medvl_tokenizer *tok,
                           struct medvl_span bytes)
{
    for (size_t i = 0; i < tok->added_count; i++) {
        if (medvl_span_equal(tok->added[i].content, bytes))
            return tok->added[i].id;
    }
    return medvl_bpe_id(tok->bpe, bytes);
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

#define PIECES       256
#define CHANGES_KEPT (1 << 16) /* room that stays for the next text */

/* The run that holds a rising offset. */
struct run_cursor {
    size_t at, start;
};

struct medvl_encoder {
    const struct medvl_tokenizer *tok;
    struct medvl_bpe_cache *cache;
    struct medvl_splitter *splitter;
    struct medvl_text normal;
    struct medvl_nfc_changes changes;
    size_t ends[PIECES];

    /* Of the call. */
    const struct medvl_run *runs;
    size_t run_count;
    struct run_cursor cursors[2];
};

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
    rc = medvl_bpe_cache_new(&encoder->cache, err);
    if (rc == MEDVL_OK)
        rc = medvl_splitter_new(&encoder->splitter, tok->pre, err);
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
    medvl_bpe_cache_free(encoder->cache);
    medvl_splitter_free(encoder->splitter);
    medvl_text_release(&encoder->normal);
    medvl_nfc_changes_release(&encoder->changes);
    medvl_free(encoder);
}

/* Did no byte of [start, end) come from the record?  `start` only rises. */
static bool may_be_added(struct medvl_encoder *encoder, int level,
                         size_t start, size_t end)
{
    struct run_cursor *cursor = &encoder->cursors[level];
    const struct medvl_run *runs = encoder->runs;
    size_t at, run_end;

    if (!runs)
        return true;
    while (cursor->at < encoder->run_count &&
           cursor->start + runs[cursor->at].size <= start) {
        cursor->start += runs[cursor->at].size;
        cursor->at++;
    }
    run_end = cursor->start;
    for (at = cursor->at; at < encoder->run_count && run_end < end; at++) {
        run_end += runs[at].size;
        if (runs[at].from_record && runs[at].size > 0)
            return false;
    }
    return true;
}

/* ---- offsets through normalisation ------------------------------------- */

/*
 * The offset in the text before normalisation that belongs to `at` behind
 * it; inside of what was replaced: its start, or with `up` its end.
 */
static size_t before_change(const struct medvl_nfc_changes *changes,
                            size_t at, bool up)
{
    const struct medvl_nfc_change *last = NULL;
    size_t low = 0;
    size_t high = changes->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (changes->items[middle].to < at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return at;
    last = &changes->items[low - 1];
    if (at < last->to + last->to_size)
        return up ? last->from + last->from_size : last->from;
    return at - (last->to + last->to_size) + last->from + last->from_size;
}

/* ---- added tokens in a text -------------------------------------------- */

/* A part of the text: before normalisation, or one segment behind it. */
struct part {
    struct medvl_span text;
    size_t base;                             /* of the segment, in all */
    int level;                               /* which matcher */
    const struct medvl_nfc_changes *changes; /* NULL: none */
};

struct match {
    const struct added *added;
    size_t start, end;
};

static bool is_space_at(struct medvl_span text, size_t at, size_t *size)
{
    uint32_t rune = 0;

    *size = (size_t)medvl_utf8_decode(&rune, text.data + at, text.size - at);
    return *size > 0 && (medvl_unicode_class(rune) & MEDVL_RUNE_SPACE);
}

/* Start of the character that ends at `at` (above 0). */
static size_t character_before(struct medvl_span text, size_t at)
{
    do {
        at--;
    } while (at > 0 && (text.data[at] & 0xC0) == 0x80);
    return at;
}

static bool is_word_at(struct medvl_span text, size_t at)
{
    uint32_t rune = 0;

    return medvl_utf8_decode(&rune, text.data + at, text.size - at) > 0 &&
           (medvl_unicode_class(rune) & MEDVL_RUNE_WORD);
}

/* The longest token at `at` that may stand there, or NULL. */
static const struct added *longest_at(struct medvl_encoder *encoder,
                                      const struct part *part, size_t at)
{
    const struct matcher *m = &encoder->tok->matchers[part->level];
    const struct added *found = NULL;
    size_t low = 0;
    size_t high = m->count;

    /* All of sorted[low, high) begin with the `depth` bytes at `at`. */
    for (size_t depth = 0; at + depth < part->text.size; depth++) {
        const unsigned char c = (unsigned char)part->text.data[at + depth];
        size_t start, end;

        while (low < high && m->sorted[low]->match.size <= depth)
            low++;
        for (start = low, end = high; start < end;) {
            const size_t middle = start + (end - start) / 2;

            if ((unsigned char)m->sorted[middle]->match.data[depth] < c)
                start = middle + 1;
            else
                end = middle;
        }
        low = start;
        for (end = high; start < end;) {
            const size_t middle = start + (end - start) / 2;

            if ((unsigned char)m->sorted[middle]->match.data[depth] <= c)
                start = middle + 1;
            else
                end = middle;
        }
        high = start;
        if (low >= high)
            break;
        if (m->sorted[low]->match.size == depth + 1) {
            size_t from = at;
            size_t to = at + depth + 1;

            if (part->changes) {
                from = before_change(part->changes, from, false);
                to = before_change(part->changes, to, true);
            }
            if (may_be_added(encoder, part->level, part->base + from,
                             part->base + to))
                found = m->sorted[low];
        }
    }
    return found;
}

/* Where a token may begin, from `at` on, or the end. */
static size_t next_candidate(const struct matcher *m, struct medvl_span text,
                             size_t at)
{
    if (m->only >= 0) {
        const char *found = memchr(text.data + at, m->only, text.size - at);

        return found ? (size_t)(found - text.data) : text.size;
    }
    while (at < text.size && !m->first[(unsigned char)text.data[at]])
        at++;
    return at;
}

/*
 * The first added token in text[from, ...), with the white space that it
 * takes; false when there is none.
 */
static bool find_added(struct medvl_encoder *encoder,
                       const struct part *part, size_t from,
                       struct match *match)
{
    const struct medvl_span text = part->text;
    const struct matcher *m = &encoder->tok->matchers[part->level];
    size_t at = from;
    size_t size;

    if (m->count == 0)
        return false;
    for (;;) {
        const struct added *added;
        size_t end;

        at = next_candidate(m, text, at);
        if (at >= text.size)
            return false;
        added = longest_at(encoder, part, at);
        if (!added) {
            at++;
            continue;
        }
        end = at + added->match.size;
        if (added->single_word &&
            ((at > 0 && is_word_at(text, character_before(text, at))) ||
             (end < text.size && is_word_at(text, end)))) {
            at = end;
            continue;
        }
        *match = (struct match){added, at, end};
        while (added->lstrip && match->start > from &&
               is_space_at(text, character_before(text, match->start),
                           &size))
            match->start -= size;
        while (added->rstrip && match->end < text.size &&
               is_space_at(text, match->end, &size))
            match->end += size;
        return true;
    }
}

/* ---- encoding ---------------------------------------------------------- */

/* Pieces of text that holds no added token. */
static int encode_plain(struct medvl_encoder *encoder,
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
        rc = medvl_bpe_encode(encoder->tok->bpe, encoder->cache, out, text,
                              start, encoder->ends, (size_t)count, base,
                              err);
        if (rc < 0)
            return rc;
        start = encoder->ends[count - 1];
    }
}

/* Text between added tokens of the first kind; it begins at `base`. */
static int encode_segment(struct medvl_encoder *encoder,
                          struct medvl_tokens *out, struct medvl_span text,
                          size_t base, struct medvl_error *err)
{
    struct part part = {text, base, 1, NULL};
    const size_t first = out->count;
    struct match match;
    size_t at = 0;
    int rc = MEDVL_OK;

    if (encoder->tok->nfc) {
        rc = medvl_unicode_nfc(&encoder->normal, &encoder->changes, text,
                               err);
        if (rc < 0)
            return rc;
        if (encoder->changes.count > 0) {
            part.text = medvl_text_span(&encoder->normal);
            part.changes = &encoder->changes;
            base = 0;
        }
    }
    while (rc == MEDVL_OK && find_added(encoder, &part, at, &match)) {
        const struct medvl_span plain = {part.text.data + at,
                                         match.start - at};

        rc = encode_plain(encoder, out, plain, base + at, err);
        if (rc == MEDVL_OK)
            rc = medvl_tokens_add(out, match.added->id, base + match.end,
                                  err);
        at = match.end;
    }
    if (rc == MEDVL_OK) {
        const struct medvl_span plain = {part.text.data + at,
                                         part.text.size - at};

        rc = encode_plain(encoder, out, plain, base + at, err);
    }
    if (rc == MEDVL_OK && part.changes && out->keep_ends) {
        for (size_t i = first; i < out->count; i++)
            out->ends[i] = part.base + before_change(part.changes,
                                                     out->ends[i], true);
    }
    return rc;
}

static int encode_text(struct medvl_encoder *encoder,
                       struct medvl_tokens *out, struct medvl_span text,
                       struct medvl_error *err)
{
    const struct part part = {text, 0, 0, NULL};
    struct match match;
    size_t at = 0;
    int rc;

    while (find_added(encoder, &part, at, &match)) {
        rc = encode_segment(
            encoder, out,
            (struct medvl_span){text.data + at, match.start - at}, at, err);
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
    encoder->runs = flags & MEDVL_ENCODE_PARSE_SPECIAL ? NULL : runs;
    encoder->run_count = run_count;
    memset(encoder->cursors, 0, sizeof(encoder->cursors));
    if (flags & MEDVL_ENCODE_SPECIAL)
        rc = add_ids(out, &encoder->tok->before, 0, err);
    if (rc == MEDVL_OK && text.size > 0)
        rc = encode_text(encoder, out, text, err);
    if (rc == MEDVL_OK && (flags & MEDVL_ENCODE_SPECIAL))
        rc = add_ids(out, &encoder->tok->after, text.size, err);
    medvl_text_shrink(&encoder->normal);
    if (encoder->changes.capacity > CHANGES_KEPT)
        medvl_nfc_changes_release(&encoder->changes);
    if (rc < 0)
        out->count = before;
    return rc;
}

/* ---- decoding ---------------------------------------------------------- */

#define REPLACEMENT "\xEF\xBF\xBD"

/*
 * Are `count` bytes (1 to 3) the beginning of a character?  The second byte
 * of E0, ED, F0 and F4 is bounded: no overlong form, no surrogate, nothing
 * above U+10FFFF.
 */
static bool is_beginning(const unsigned char *b, int count)
{
    int size;

    if (b[0] >= 0xC2 && b[0] <= 0xDF)
        size = 2;
    else if (b[0] >= 0xE0 && b[0] <= 0xEF)
        size = 3;
    else if (b[0] >= 0xF0 && b[0] <= 0xF4)
        size = 4;
    else
        return false;
    if (count >= size)
        return false;
    if (count > 1) {
        if ((b[1] & 0xC0) != 0x80 || (b[0] == 0xE0 && b[1] < 0xA0) ||
            (b[0] == 0xED && b[1] > 0x9F) ||
            (b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F))
            return false;
    }
    return count < 3 || (b[2] & 0xC0) == 0x80;
}

/* Take one byte more. */
static int decode_byte(struct medvl_decode_stream *s, struct medvl_text *out,
                       unsigned char byte, struct medvl_error *err)
{
    uint32_t rune;
    int rc = MEDVL_OK;

    s->held[s->held_count++] = byte;
    if (medvl_utf8_decode(&rune, (const char *)s->held,
                          (size_t)s->held_count) == s->held_count) {
        rc = medvl_text_append(out, s->held, (size_t)s->held_count, err);
        s->held_count = 0;
        return rc;
    }
    if (s->held_count < 4 && is_beginning(s->held, s->held_count))
        return MEDVL_OK;
    /* It does not go on what is held; that, or it alone, is replaced. */
    rc = medvl_text_puts(out, REPLACEMENT, err);
    if (rc < 0)
        return rc;
    if (s->held_count == 1) {
        s->held_count = 0;
        return MEDVL_OK;
    }
    s->held_count = 0;
    if (byte < 0x80)
        return medvl_text_append(out, &byte, 1, err);
    s->held[0] = byte;
    if (is_beginning(s->held, 1)) {
        s->held_count = 1;
        return MEDVL_OK;
    }
    return medvl_text_puts(out, REPLACEMENT, err);
}

int medvl_tokenizer_decode_next(const struct medvl_tokenizer *tok,
                                struct medvl_decode_stream *stream,
                                struct medvl_text *out, int32_t id,
                                unsigned flags, struct medvl_error *err)
{
    const struct added *added = medvl_tokenizer_added(tok, id);
    const struct medvl_span bytes = added ? added->content
                                          : medvl_bpe_bytes(tok->bpe, id);
    size_t whole = 0;

    if (!bytes.data)
        return medvl_fail(err, MEDVL_EARG,
                          "id %d is not one of the tokenizer's", id);
    if (added && added->special && (flags & MEDVL_DECODE_SKIP_SPECIAL))
        return MEDVL_OK;
    if (stream->held_count == 0) {
        whole = medvl_utf8_valid(bytes.data, bytes.size);
        const int rc = medvl_text_append(out, bytes.data, whole, err);

        if (rc < 0)
            return rc;
    }
    for (size_t i = whole; i < bytes.size; i++) {
        const int rc = decode_byte(stream, out,
                                   (unsigned char)bytes.data[i], err);

        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

int medvl_tokenizer_decode_end(struct medvl_decode_stream *stream,
                               struct medvl_text *out,
                               struct medvl_error *err)
{
    const bool held = stream->held_count > 0;

    stream->held_count = 0;
    return held ? medvl_text_puts(out, REPLACEMENT, err) : MEDVL_OK;
}

int medvl_tokenizer_decode(const struct medvl_tokenizer *tok,
                           struct medvl_text *out, const int32_t *ids,
                           size_t count, unsigned flags,
                           struct medvl_error *err)
{
    struct medvl_decode_stream stream = {0};

    for (size_t i = 0; i < count; i++) {
        const int rc = medvl_tokenizer_decode_next(tok, &stream, out, ids[i],
                                                   flags, err);

        if (rc < 0)
            return rc;
    }
    return medvl_tokenizer_decode_end(&stream, out, err);
}
