/*
 * Text to ids: normalised as SentencePiece's Normalizer does it, cut at user
 * pieces, and given to the model; then what is in no piece is spelled in
 * byte pieces or becomes unknown, and ends are taken back through the
 * normalisation.
 *
 * Read next: tiktoken.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/sentencepiece_part.h"

#define CUTS         256
#define GROWTH       32         /* times a text may grow when normalised */
#define NORMAL_BYTES (64 << 20) /* and how long it may be then */
#define CHANGES_KEPT (1 << 16)

struct medvl_sentencepiece_encoder {
    const struct medvl_sentencepiece *model;
    struct medvl_bpe_cache *bpe;
    struct medvl_unigram_cache *unigram;
    struct medvl_text normal;
    struct medvl_nfc_changes changes; /* where ends are kept */
    bool keep_ends;
    struct medvl_guard *guard; /* of the call, or NULL */
    size_t cuts[CUTS];
};

int medvl_sentencepiece_encoder_new(
    struct medvl_sentencepiece_encoder **out,
    const struct medvl_sentencepiece *model, struct medvl_error *err)
{
    struct medvl_sentencepiece_encoder *encoder =
        medvl_alloc(1, sizeof(*encoder));
    int rc;

    *out = NULL;
    if (!encoder)
        return medvl_no_memory(err);
    encoder->model = model;
    rc = model->unigram ? medvl_unigram_cache_new(&encoder->unigram, err)
                        : medvl_bpe_cache_new(&encoder->bpe, err);
    if (rc < 0) {
        medvl_sentencepiece_encoder_free(encoder);
        return rc;
    }
    *out = encoder;
    return MEDVL_OK;
}

void medvl_sentencepiece_encoder_free(
    struct medvl_sentencepiece_encoder *encoder)
{
    if (!encoder)
        return;
    medvl_bpe_cache_free(encoder->bpe);
    medvl_unigram_cache_free(encoder->unigram);
    medvl_text_release(&encoder->normal);
    medvl_nfc_changes_release(&encoder->changes);
    medvl_free(encoder);
}

/* ---- normalisation ------------------------------------------------------ */

/* What is at the front of a text, and what it becomes. */
struct unit {
    size_t size; /* bytes of the text */
    struct medvl_span to;
};

static struct unit next_unit(const struct medvl_sentencepiece *model,
                             struct medvl_span text)
{
    struct unit unit = {0, {text.data, 0}};
    uint32_t rune;

    if (model->users_typed &&
        medvl_trie_longest(model->users_typed, &unit.size, text.data,
                           text.size) >= 0) {
        unit.to.size = unit.size;
        return unit;
    }
    if (model->map &&
        medvl_charsmap_longest(model->map, &unit.size, &unit.to, text))
        return unit;
    unit.size = (size_t)medvl_utf8_decode(&rune, text.data, text.size);
    unit.to.size = unit.size;
    return unit;
}

/*
 * Where ends are kept, note that bytes [from, from + size) of the text
 * became what stands in `normal` from `to` on.
 */
static int note(struct medvl_sentencepiece_encoder *encoder, size_t from,
                size_t size, size_t to, struct medvl_error *err)
{
    const struct medvl_nfc_change change = {
        (uint32_t)from, (uint32_t)size, (uint32_t)to,
        (uint32_t)(encoder->normal.size - to)};

    return encoder->keep_ends
               ? medvl_nfc_changes_add(&encoder->changes, change, err)
               : MEDVL_OK;
}

/*
 * Append `text`, where spaces are escaped with each U+2581 as a space, which
 * is noted if `text` is the whole one.
 */
static int put(struct medvl_sentencepiece_encoder *encoder,
               struct medvl_span text, bool whole, struct medvl_error *err)
{
    struct medvl_text *normal = &encoder->normal;
    size_t at = 0;
    int rc = MEDVL_OK;

    while (encoder->model->info.escape_whitespaces && rc == MEDVL_OK) {
        const char *space = memmem(text.data + at, text.size - at,
                                   VISIBLE_SPACE, 3);
        const size_t end = space ? (size_t)(space - text.data) : 0;

        if (!space)
            break;
        rc = medvl_text_append(normal, text.data + at, end - at, err);
        if (rc == MEDVL_OK)
            rc = medvl_text_putc(normal, ' ', err);
        if (rc == MEDVL_OK && whole)
            rc = note(encoder, end, 3, normal->size - 1, err);
        at = end + 3;
    }
    if (rc < 0)
        return rc;
    return medvl_text_append(normal, text.data + at, text.size - at, err);
}

/* Spaces at the front of a text, where extra ones are taken away. */
static size_t leading_spaces(const struct medvl_sentencepiece *model,
                             struct medvl_span text)
{
    size_t at = 0;

    while (model->info.remove_extra_whitespaces && at < text.size) {
        const struct unit unit = next_unit(
            model, (struct medvl_span){text.data + at, text.size - at});

        if (!medvl_span_is(unit.to, " "))
            break;
        at += unit.size;
    }
    return at;
}

/* Unit by unit from `at` on. */
static int put_units(struct medvl_sentencepiece_encoder *encoder,
                     struct medvl_span text, size_t at,
                     struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = encoder->model;
    const bool remove = model->info.remove_extra_whitespaces;
    struct medvl_text *normal = &encoder->normal;
    bool after_space = remove;
    int rc = MEDVL_OK;

    while (at < text.size && rc == MEDVL_OK) {
        const struct medvl_span rest = {text.data + at, text.size - at};
        struct unit unit = next_unit(model, rest);
        const size_t before = normal->size;

        while (after_space && unit.to.size > 0 && *unit.to.data == ' ') {
            unit.to.data++;
            unit.to.size--;
        }
        rc = put(encoder, unit.to, false, err);
        if (unit.to.size > 0)
            after_space = remove && unit.to.data[unit.to.size - 1] == ' ';
        if (rc == MEDVL_OK &&
            (normal->size - before != unit.size ||
             memcmp(normal->data + before, rest.data, unit.size) != 0))
            rc = note(encoder, at, unit.size, before, err);
        if (rc == MEDVL_OK && (normal->size > GROWTH * (text.size + 2) ||
                               normal->size > NORMAL_BYTES))
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED,
                            "normalisation makes the text over %d times as "
                            "long, or over %d bytes",
                            GROWTH, NORMAL_BYTES);
        at += unit.size;
    }
    return rc;
}

/* Where offset `at` of the normal text comes from; `*next` is its change. */
static size_t before_changes(const struct medvl_nfc_changes *changes,
                             size_t *next, size_t at)
{
    const struct medvl_nfc_change *change;

    while (*next < changes->count &&
           changes->items[*next].to + changes->items[*next].to_size <= at)
        (*next)++;
    if (*next < changes->count && changes->items[*next].to < at)
        return changes->items[*next].from;
    if (*next == 0)
        return at;
    change = &changes->items[*next - 1];
    return at - (change->to + change->to_size) + change->from +
           change->from_size;
}

/* Take the spaces at the end away, and what was noted of them. */
static void cut_trailing(struct medvl_sentencepiece_encoder *encoder)
{
    struct medvl_text *normal = &encoder->normal;
    struct medvl_nfc_changes *changes = &encoder->changes;
    const struct medvl_nfc_change *last;

    while (normal->size > 0 && normal->data[normal->size - 1] == ' ')
        normal->size--;
    for (; changes->count > 0; changes->count--) {
        last = &changes->items[changes->count - 1];
        if (last->to < normal->size ||
            (last->to == normal->size && last->to_size == 0))
            break;
    }
}

/* The space that SentencePiece puts in front of, or behind, a text. */
static int put_dummy(struct medvl_sentencepiece_encoder *encoder,
                     size_t from, struct medvl_error *err)
{
    const size_t to = encoder->normal.size;
    const int rc = medvl_text_putc(&encoder->normal, ' ', err);

    return rc < 0 ? rc : note(encoder, from, 0, to, err);
}

static int normalise(struct medvl_sentencepiece_encoder *encoder,
                     struct medvl_span text, bool dummy,
                     struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = encoder->model;
    const struct medvl_sentencepiece_info *info = &model->info;
    const size_t start = leading_spaces(model, text);
    size_t next = 0;
    int rc = MEDVL_OK;

    medvl_text_clear(&encoder->normal);
    encoder->changes.count = 0;
    if (start == text.size)
        return MEDVL_OK;
    if (start > 0)
        rc = note(encoder, 0, start, 0, err);
    if (rc == MEDVL_OK && dummy && !info->whitespace_as_suffix)
        rc = put_dummy(encoder, start, err);
    if (rc < 0)
        return rc;
    rc = model->map || info->remove_extra_whitespaces
             ? put_units(encoder, text, start, err)
             : put(encoder, text, true, err);
    if (rc < 0)
        return rc;
    if (info->remove_extra_whitespaces)
        cut_trailing(encoder);
    if (dummy && info->whitespace_as_suffix)
        rc = put_dummy(encoder,
                       before_changes(&encoder->changes, &next,
                                      encoder->normal.size),
                       err);
    return rc;
}

/* ---- the model ---------------------------------------------------------- */

static int encode_cut(const void *model, void *cache,
                      struct medvl_tokens *out, struct medvl_span data,
                      size_t start, const size_t *ends, size_t count,
                      size_t base, struct medvl_error *err)
{
    const struct medvl_sentencepiece *m = model;
    struct medvl_sentencepiece_encoder *encoder = cache;

    if (m->unigram)
        return medvl_unigram_encode(m->unigram, encoder->unigram, out, data,
                                    start, ends, count, base, err);
    return medvl_bpe_encode(m->bpe, encoder->bpe, out, data, start, ends,
                            count, base, err);
}

static struct medvl_span spelling(const void *model, int32_t id)
{
    const struct medvl_sentencepiece *m = model;

    return id < m->info.size ? medvl_sentencepiece_plain(m, id)
                             : (struct medvl_span){0};
}

/* Pieces of `data`, which is in the normal text. */
static int encode_pieces(struct medvl_sentencepiece_encoder *encoder,
                         struct medvl_tokens *out, struct medvl_span data,
                         size_t start, const size_t *ends, size_t count,
                         struct medvl_error *err)
{
    const struct medvl_guard_model guarded = {encode_cut, spelling,
                                              encoder->model, encoder};

    if (!encoder->guard)
        return encode_cut(encoder->model, encoder, out, data, start, ends,
                          count, 0, err);
    return medvl_guard_encode(encoder->guard, &guarded, out, data, start,
                              ends, count, 0, err);
}

/* ---- BPE ---------------------------------------------------------------- */

/* What lies between user pieces: [start, end) of the normal text. */
static int encode_stretch(struct medvl_sentencepiece_encoder *encoder,
                          struct medvl_tokens *out, size_t start, size_t end,
                          struct medvl_error *err)
{
    const struct medvl_bpe *bpe = encoder->model->bpe;
    const struct medvl_span data = {encoder->normal.data, end};

    while (start < end) {
        const size_t count = medvl_bpe_split(bpe, encoder->cuts, CUTS, data,
                                             start);
        const int rc = encode_pieces(encoder, out, data, start,
                                     encoder->cuts, count, err);

        if (rc < 0)
            return rc;
        start = encoder->cuts[count - 1];
    }
    return MEDVL_OK;
}

/* The next character's first byte, from behind one. */
static size_t next_character(struct medvl_span text, size_t at)
{
    do {
        at++;
    } while (at < text.size && (text.data[at] & 0xC0) == 0x80);
    return at;
}

/* The longest user piece that `text` begins with and that is not guarded. */
static int32_t longest_user(const struct medvl_sentencepiece_encoder *encoder,
                            size_t *size, struct medvl_span text)
{
    const struct medvl_sentencepiece *model = encoder->model;
    uint32_t node = MEDVL_TRIE_ROOT;
    int32_t longest = -1;

    for (size_t i = 0; i < text.size; i++) {
        const int32_t user = medvl_trie_step(model->users, &node,
                                             (unsigned char)text.data[i]);

        if (user == -2)
            break;
        if (user < 0 || (encoder->guard &&
                         medvl_guard_holds(encoder->guard,
                                           model->user_ids[user])))
            continue;
        longest = model->user_ids[user];
        *size = i + 1;
    }
    return longest;
}

static int encode_bpe(struct medvl_sentencepiece_encoder *encoder,
                      struct medvl_tokens *out, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = encoder->model;
    const struct medvl_span text = medvl_text_span(&encoder->normal);
    size_t start = 0;
    size_t at = model->users ? 0 : text.size;

    while (at < text.size) {
        size_t size = 0;
        const int32_t user = longest_user(
            encoder, &size,
            (struct medvl_span){text.data + at, text.size - at});
        int rc;

        if (user < 0) {
            at = next_character(text, at);
            continue;
        }
        rc = encode_stretch(encoder, out, start, at, err);
        at += size;
        start = at;
        if (rc == MEDVL_OK)
            rc = medvl_tokens_add(out, user, at, err);
        if (rc < 0)
            return rc;
    }
    return encode_stretch(encoder, out, start, text.size, err);
}

/* ---- what is in no piece ------------------------------------------------ */

/* Neighbours that are no pieces become one unknown together. */
static void fuse_all(const struct medvl_sentencepiece *model,
                     struct medvl_tokens *out, size_t first)
{
    size_t to = first;
    bool after = false;

    for (size_t i = first; i < out->count; i++) {
        const bool unknown = out->ids[i] >= model->info.size;

        to -= unknown && after;
        out->ids[to] = unknown ? model->info.unk : out->ids[i];
        if (out->keep_ends)
            out->ends[to] = out->ends[i];
        to++;
        after = unknown;
    }
    out->count = to;
}

static int settle_unknown(const struct medvl_sentencepiece *model,
                          struct medvl_tokens *out, size_t first,
                          struct medvl_error *err)
{
    int32_t largest = -1;

    for (size_t i = first; i < out->count; i++)
        largest = out->ids[i] > largest ? out->ids[i] : largest;
    if (largest < model->info.size)
        return MEDVL_OK;
    if (model->info.byte_fallback)
        return medvl_bpe_spell(model->bpe, out, first, model->info.size,
                               model->byte_ids,
                               model->info.escape_whitespaces, err);
    fuse_all(model, out, first);
    return MEDVL_OK;
}

/* ---- a text ------------------------------------------------------------- */

static int encode(struct medvl_sentencepiece_encoder *encoder,
                  struct medvl_tokens *out, struct medvl_span text,
                  bool dummy, struct medvl_error *err)
{
    const struct medvl_sentencepiece *model = encoder->model;
    const size_t first = out->count;
    size_t end;
    int rc = normalise(encoder, text, dummy, err);

    end = encoder->normal.size;
    if (rc == MEDVL_OK && model->unigram && end > 0)
        rc = encode_pieces(encoder, out, medvl_text_span(&encoder->normal),
                           0, &end, 1, err);
    else if (rc == MEDVL_OK && end > 0)
        rc = encode_bpe(encoder, out, err);
    if (rc == MEDVL_OK && !model->unigram)
        rc = settle_unknown(model, out, first, err);
    if (rc == MEDVL_OK && out->count > MEDVL_BPE_TOKENS)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d tokens",
                        MEDVL_BPE_TOKENS);
    return rc;
}

int medvl_sentencepiece_encode(struct medvl_sentencepiece_encoder *encoder,
                               struct medvl_guard *guard,
                               struct medvl_tokens *out,
                               struct medvl_span text, unsigned flags,
                               size_t base, struct medvl_error *err)
{
    const bool dummy = encoder->model->info.add_dummy_prefix &&
                       !(flags & MEDVL_SENTENCEPIECE_NO_PREFIX);
    const size_t first = out->count;
    const size_t valid = medvl_utf8_valid(text.data, text.size);
    size_t next = 0;
    int rc;

    if (valid < text.size)
        return medvl_fail(err, MEDVL_EFORMAT, "byte %zu is not UTF-8",
                          valid + 1);
    if (text.size > UINT32_MAX / GROWTH / 2)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "a text of %zu bytes",
                          text.size);
    encoder->keep_ends = out->keep_ends;
    encoder->guard = guard;
    rc = encode(encoder, out, text, dummy, err);
    if (rc < 0)
        out->count = first;
    for (size_t i = first; i < out->count && out->keep_ends; i++)
        out->ends[i] = base + before_changes(&encoder->changes, &next,
                                             out->ends[i]);
    medvl_text_shrink(&encoder->normal);
    if (encoder->changes.capacity > CHANGES_KEPT)
        medvl_nfc_changes_release(&encoder->changes);
    return rc;
}
