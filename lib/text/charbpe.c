/*
 * A piece becomes symbols, one a character (or byte, by fallback), and the
 * pair of least rank joins until none is left: of equal ranks the first.
 * The vocabulary and the pairs are those of bpe.h.
 *
 * Words of up to KEY_BYTES bytes and few tokens are kept: a word is looked
 * up by its bytes in a table of one place each.
 *
 * What SentencePiece's vocabularies become in tokenizer.json runs on the
 * byte-level encoder, as bpe.h says of characters.
 *
 * Read next: decode.c.
 */
#include "lib/text/charbpe.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/wordbpe.h"

#define NO_PAIR    UINT64_MAX
#define CUTS       256
#define KEPT       (1 << 16) /* symbols for which the room stays */
#define KEY_BYTES  28
#define WORDS      (1 << 16)
#define WORD_IDS   8
#define TOKEN_MOST 4096 /* bytes of a prefix or suffix */

struct medvl_charbpe {
    struct medvl_bpe *bpe;
    struct medvl_text prefix, suffix;
    int32_t unk;        /* -1: none */
    int32_t bytes[256]; /* of the fallback */
    int32_t empty;      /* the token without bytes, or -1 */
    bool unk_missing;   /* named, and no token */
    bool fuse_unk, byte_fallback, whole_words;

    /* Where no token hangs on its place and each byte has one: the same on
     * the byte-level encoder, which is faster; else NULL. */
    struct medvl_bpe *fast;
    struct medvl_bpe *words; /* as wordbpe.h has it, or NULL */
    int32_t next;            /* id for what is no token there */
    uint32_t merges;         /* so far */
};

/* A token in a piece; `size` 0: joined to the one before. */
struct symbol {
    int32_t id;
    uint32_t size;
    int32_t before, next; /* -1: none */
};

/* A pair that may join: rank << 32 | place of the left one. */
struct candidate {
    uint64_t key;
    int32_t made;
};

struct word {
    unsigned char size, count;
    char key[KEY_BYTES];
    int32_t ids[WORD_IDS];
    uint16_t sizes[WORD_IDS];
};

struct medvl_charbpe_cache {
    struct symbol *symbols;
    size_t count, capacity;
    struct candidate *heap;
    size_t heap_count, heap_capacity;
    struct medvl_text scratch;
    struct word *words;
    struct medvl_bpe_cache *fast; /* and no words */
    size_t cuts[CUTS];
};

/* ---- the model ---------------------------------------------------------- */

int medvl_charbpe_new(struct medvl_charbpe **out, size_t tokens,
                      size_t merges, struct medvl_error *err)
{
    struct medvl_charbpe *m = medvl_alloc(1, sizeof(*m));
    int rc;

    *out = NULL;
    if (!m)
        return medvl_no_memory(err);
    m->unk = m->empty = -1;
    rc = medvl_bpe_new(&m->bpe, tokens, merges, false, err);
    if (rc < 0) {
        medvl_free(m);
        return rc;
    }
    *out = m;
    return MEDVL_OK;
}

void medvl_charbpe_free(struct medvl_charbpe *model)
{
    if (!model)
        return;
    medvl_bpe_free(model->bpe);
    medvl_bpe_free(model->fast);
    medvl_bpe_free(model->words);
    medvl_text_release(&model->prefix);
    medvl_text_release(&model->suffix);
    medvl_free(model);
}

int medvl_charbpe_add_token(struct medvl_charbpe *model, int32_t id,
                            struct medvl_span bytes, struct medvl_error *err)
{
    if (bytes.size > 0 || model->empty >= 0)
        return medvl_bpe_add_token(model->bpe, id, bytes, err);
    if (id < 0 || id >= MEDVL_BPE_IDS)
        return medvl_fail(err, MEDVL_EFORMAT, "token id %d is out of range",
                          id);
    model->empty = id;
    return MEDVL_OK;
}

static void set_bytes(struct medvl_charbpe *m)
{
    for (int i = 0; i < 256; i++) {
        char name[8];

        snprintf(name, sizeof(name), "<0x%02X>", (unsigned)i);
        m->bytes[i] = medvl_bpe_id(m->bpe, medvl_span(name));
    }
}

/* Does the token stand for other bytes than its own? */
static bool stands_for_others(const struct medvl_charbpe *m, int32_t id)
{
    const struct medvl_span bytes = medvl_bpe_bytes(m->bpe, id);

    return id == m->unk ||
           (bytes.size == 6 && memcmp(bytes.data, "<0x", 3) == 0);
}

static int add_fast(struct medvl_charbpe *m, struct medvl_error *err)
{
    const int32_t size = medvl_bpe_size(m->bpe);
    int rc = MEDVL_OK;

    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++) {
        const struct medvl_span bytes = medvl_bpe_bytes(m->bpe, id);

        if (bytes.size > 0 && !stands_for_others(m, id))
            rc = medvl_bpe_add_token(m->fast, id, bytes, err);
    }
    for (int i = 0; i < 256 && rc == MEDVL_OK; i++) {
        const char byte = (char)i;
        const struct medvl_span bytes = {&byte, 1};

        if (medvl_bpe_id(m->fast, bytes) < 0)
            rc = medvl_bpe_add_token(m->fast, m->bytes[i], bytes, err);
    }
    for (int32_t id = 0; id < size && rc == MEDVL_OK; id++) {
        const struct medvl_span bytes = medvl_bpe_bytes(m->bpe, id);
        uint32_t rune;

        if (bytes.size > 1 && bytes.size <= 4 &&
            (size_t)medvl_utf8_decode(&rune, bytes.data, bytes.size) ==
                bytes.size)
            rc = medvl_bpe_add_characters(m->fast, &m->next, bytes, err);
    }
    return rc;
}

static int make_fast(struct medvl_charbpe *m, struct medvl_error *err)
{
    const size_t size = (size_t)medvl_bpe_size(m->bpe);
    int rc;

    if (m->prefix.size == 0 && !m->whole_words &&
        medvl_span_is(medvl_text_span(&m->suffix), MEDVL_WORD_END))
        return medvl_wordbpe_new(&m->words, m->bpe, err);
    if (!m->byte_fallback || m->prefix.size > 0 || m->suffix.size > 0 ||
        size > MEDVL_BPE_IDS / 2)
        return MEDVL_OK;
    for (int i = 0; i < 256; i++) {
        if (m->bytes[i] < 0)
            return MEDVL_OK;
    }
    m->next = (int32_t)size;
    rc = medvl_bpe_new(&m->fast, size + size / 2, size * 2, false, err);
    return rc < 0 ? rc : add_fast(m, err);
}

static void drop_fast(struct medvl_charbpe *m)
{
    medvl_bpe_free(m->fast);
    medvl_bpe_free(m->words);
    m->fast = m->words = NULL;
}

/* The merge there too, or nothing is left of it. */
static int add_fast_merge(struct medvl_charbpe *m, struct medvl_span left,
                          struct medvl_span right, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (m->fast || m->words)
        m->merges++;
    if (m->fast)
        rc = medvl_bpe_add_ranked(m->fast, m->merges, left, right, err);
    else if (m->words)
        rc = medvl_wordbpe_add_merge(m->words, m->merges, left, right, err);
    if (rc == MEDVL_ENOMEM)
        return rc;
    if (rc < 0) /* it makes one that stands for others */
        drop_fast(m);
    return MEDVL_OK;
}

const struct medvl_bpe *
medvl_charbpe_words(const struct medvl_charbpe *model)
{
    return model->words;
}

int medvl_charbpe_set(struct medvl_charbpe *model,
                      const struct medvl_charbpe_options *options,
                      struct medvl_error *err)
{
    int rc;

    if (options->prefix.size > TOKEN_MOST ||
        options->suffix.size > TOKEN_MOST)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a prefix or suffix of more than %d bytes",
                          TOKEN_MOST);
    model->fuse_unk = options->fuse_unk;
    model->byte_fallback = options->byte_fallback;
    model->whole_words = options->whole_words;
    if (options->unk.size > 0) {
        model->unk = medvl_bpe_id(model->bpe, options->unk);
        model->unk_missing = model->unk < 0;
    }
    set_bytes(model);
    rc = medvl_text_append(&model->prefix, options->prefix.data,
                           options->prefix.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&model->suffix, options->suffix.data,
                               options->suffix.size, err);
    return rc < 0 ? rc : make_fast(model, err);
}

int medvl_charbpe_add_merge(struct medvl_charbpe *model,
                            struct medvl_span left, struct medvl_span right,
                            struct medvl_error *err)
{
    const int32_t a = medvl_bpe_id(model->bpe, left);
    const int32_t b = medvl_bpe_id(model->bpe, right);
    struct medvl_text made = {0};
    const size_t cut = model->prefix.size;
    int32_t id = -1;
    int rc;

    if (a < 0 || b < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a merge joins what is no token");
    if (stands_for_others(model, a) || stands_for_others(model, b) ||
        model->merges == UINT32_MAX - 2)
        drop_fast(model);
    rc = add_fast_merge(model, left, right, err);
    if (rc < 0)
        return rc;
    if (cut == 0)
        return medvl_bpe_add_merge(model->bpe, left, right, err);
    if (right.size < cut)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a merge's second part is shorter than the prefix");
    rc = medvl_text_append(&made, left.data, left.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&made, right.data + cut, right.size - cut,
                               err);
    if (rc == MEDVL_OK)
        id = medvl_bpe_id(model->bpe, medvl_text_span(&made));
    medvl_text_release(&made);
    if (rc < 0)
        return rc;
    if (id < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "a merge gives no token of the vocabulary");
    return medvl_bpe_add_pair(model->bpe, a, b, id, err);
}

int32_t medvl_charbpe_size(const struct medvl_charbpe *model)
{
    const int32_t size = medvl_bpe_size(model->bpe);

    return model->empty >= size ? model->empty + 1 : size;
}

struct medvl_span medvl_charbpe_bytes(const struct medvl_charbpe *model,
                                      int32_t id)
{
    if (id >= 0 && id == model->empty)
        return (struct medvl_span){"", 0};
    return medvl_bpe_bytes(model->bpe, id);
}

int32_t medvl_charbpe_id(const struct medvl_charbpe *model,
                         struct medvl_span bytes)
{
    return bytes.size == 0 ? model->empty : medvl_bpe_id(model->bpe, bytes);
}

/* ---- a worker's memory -------------------------------------------------- */

int medvl_charbpe_cache_new(struct medvl_charbpe_cache **out,
                            struct medvl_error *err)
{
    struct medvl_charbpe_cache *cache = medvl_alloc(1, sizeof(*cache));

    *out = NULL;
    if (!cache)
        return medvl_no_memory(err);
    cache->words = medvl_alloc(WORDS, sizeof(*cache->words));
    if (!cache->words) {
        medvl_free(cache);
        return medvl_no_memory(err);
    }
    *out = cache;
    return MEDVL_OK;
}

static void drop_scratch(struct medvl_charbpe_cache *cache)
{
    medvl_free(cache->symbols);
    medvl_free(cache->heap);
    cache->symbols = NULL;
    cache->heap = NULL;
    cache->capacity = cache->heap_capacity = 0;
}

void medvl_charbpe_cache_free(struct medvl_charbpe_cache *cache)
{
    if (!cache)
        return;
    drop_scratch(cache);
    medvl_text_release(&cache->scratch);
    medvl_bpe_cache_free(cache->fast);
    medvl_free(cache->words);
    medvl_free(cache);
}

/* ---- characters to symbols ---------------------------------------------- */

static int add_symbol(struct medvl_charbpe_cache *cache, int32_t id,
                      size_t size, struct medvl_error *err)
{
    const int32_t at = (int32_t)cache->count;
    const int rc = medvl_grow(&cache->symbols, &cache->capacity,
                              cache->count + 1, sizeof(*cache->symbols),
                              err);

    if (rc < 0)
        return rc;
    cache->symbols[cache->count++] = (struct symbol){id, (uint32_t)size,
                                                     at - 1, -1};
    if (at > 0)
        cache->symbols[at - 1].next = at;
    return MEDVL_OK;
}

/* A character with its prefix and suffix. */
static int spell(const struct medvl_charbpe *m,
                 struct medvl_charbpe_cache *cache, struct medvl_span *out,
                 struct medvl_span c, bool first, bool last,
                 struct medvl_error *err)
{
    const bool prefix = !first && m->prefix.size > 0;
    const bool suffix = last && m->suffix.size > 0;
    int rc = MEDVL_OK;

    *out = c;
    if (!prefix && !suffix)
        return MEDVL_OK;
    medvl_text_clear(&cache->scratch);
    if (prefix)
        rc = medvl_text_append(&cache->scratch, m->prefix.data,
                               m->prefix.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&cache->scratch, c.data, c.size, err);
    if (rc == MEDVL_OK && suffix)
        rc = medvl_text_append(&cache->scratch, m->suffix.data,
                               m->suffix.size, err);
    *out = medvl_text_span(&cache->scratch);
    return rc;
}

/* The bytes of what has no token, if each has one: 1; else 0. */
static int fall_back(const struct medvl_charbpe *m,
                     struct medvl_charbpe_cache *cache,
                     struct medvl_span spelled, struct medvl_error *err)
{
    if (!m->byte_fallback)
        return 0;
    for (size_t i = 0; i < spelled.size; i++) {
        if (m->bytes[(unsigned char)spelled.data[i]] < 0)
            return 0;
    }
    for (size_t i = 0; i < spelled.size; i++) {
        const int rc = add_symbol(
            cache, m->bytes[(unsigned char)spelled.data[i]], 1, err);

        if (rc < 0)
            return rc;
    }
    return 1;
}

/* Without a token: the unknown one, which `held` bytes wait for. */
static int unknown(const struct medvl_charbpe *m,
                   struct medvl_charbpe_cache *cache, size_t *held,
                   struct medvl_span c, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    if (m->unk < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "character \"%.*s\" has no token%s", (int)c.size,
                          c.data,
                          m->unk_missing ? ", and unk_token is none" : "");
    if (*held > 0 && !m->fuse_unk) {
        rc = add_symbol(cache, m->unk, *held, err);
        *held = 0;
    }
    *held += c.size;
    return rc;
}

static int make_symbols(const struct medvl_charbpe *m,
                        struct medvl_charbpe_cache *cache,
                        struct medvl_span piece, struct medvl_error *err)
{
    size_t held = 0;
    int rc = MEDVL_OK;

    cache->count = 0;
    for (size_t at = 0; at < piece.size && rc == MEDVL_OK;) {
        uint32_t rune = 0;
        const struct medvl_span c = {
            piece.data + at,
            (size_t)medvl_utf8_decode(&rune, piece.data + at,
                                      piece.size - at)};
        struct medvl_span spelled;
        int32_t id;

        rc = spell(m, cache, &spelled, c, at == 0, at + c.size == piece.size,
                   err);
        if (rc < 0)
            return rc;
        at += c.size;
        id = medvl_bpe_id(m->bpe, spelled);
        if (id < 0) {
            /* Bytes stand before an unknown token that still waits. */
            rc = fall_back(m, cache, spelled, err);
            if (rc == 0)
                rc = unknown(m, cache, &held, c, err);
            else if (rc > 0)
                rc = MEDVL_OK;
            continue;
        }
        if (held > 0)
            rc = add_symbol(cache, m->unk, held, err);
        held = 0;
        if (rc == MEDVL_OK)
            rc = add_symbol(cache, id, c.size, err);
    }
    if (rc == MEDVL_OK && held > 0)
        rc = add_symbol(cache, m->unk, held, err);
    return rc;
}

/* ---- merging ------------------------------------------------------------ */

static int push(struct medvl_charbpe_cache *cache, struct candidate c,
                struct medvl_error *err)
{
    size_t i = cache->heap_count;
    const int rc = medvl_grow(&cache->heap, &cache->heap_capacity, i + 1,
                              sizeof(*cache->heap), err);

    if (rc < 0)
        return rc;
    cache->heap_count++;
    while (i > 0 && cache->heap[(i - 1) / 2].key > c.key) {
        cache->heap[i] = cache->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    cache->heap[i] = c;
    return MEDVL_OK;
}

static struct candidate pop(struct medvl_charbpe_cache *cache)
{
    struct candidate *heap = cache->heap;
    const struct candidate top = heap[0];
    const size_t count = --cache->heap_count;
    const struct candidate last = heap[count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1].key < heap[child].key)
            child++;
        if (heap[child].key >= last.key)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* Queue the pair of a symbol and the next, when they join. */
static int queue(const struct medvl_charbpe *m,
                 struct medvl_charbpe_cache *cache, int32_t at,
                 struct medvl_error *err)
{
    const struct symbol *s = &cache->symbols[at];
    uint64_t value;

    if (s->next < 0)
        return MEDVL_OK;
    value = medvl_bpe_join(m->bpe, s->id, cache->symbols[s->next].id);
    if (value == NO_PAIR)
        return MEDVL_OK;
    return push(cache,
                (struct candidate){(value >> 32) << 32 | (uint32_t)at,
                                   (int32_t)(uint32_t)value},
                err);
}

static int merge(const struct medvl_charbpe *m,
                 struct medvl_charbpe_cache *cache, struct medvl_error *err)
{
    struct symbol *s = cache->symbols;
    int rc = MEDVL_OK;

    cache->heap_count = 0;
    for (size_t i = 0; i + 1 < cache->count && rc == MEDVL_OK; i++)
        rc = queue(m, cache, (int32_t)i, err);
    while (rc == MEDVL_OK && cache->heap_count > 0) {
        const struct candidate c = pop(cache);
        const int32_t at = (int32_t)(uint32_t)c.key;
        const int32_t next = s[at].next;
        uint64_t value;

        if (s[at].size == 0 || next < 0)
            continue;
        /* It may have changed since: then it gives another token. */
        value = medvl_bpe_join(m->bpe, s[at].id, s[next].id);
        if (value == NO_PAIR || (int32_t)(uint32_t)value != c.made)
            continue;
        s[at].id = c.made;
        s[at].size += s[next].size;
        s[at].next = s[next].next;
        s[next].size = 0;
        if (s[at].next >= 0)
            s[s[at].next].before = at;
        if (s[at].before >= 0)
            rc = queue(m, cache, s[at].before, err);
        if (rc == MEDVL_OK)
            rc = queue(m, cache, at, err);
    }
    return rc;
}

/* ---- pieces ------------------------------------------------------------- */

/* Where a piece stands in the text: how far it is given out. */
struct span {
    size_t at, end;
};

/*
 * Append a token of `size` bytes.  Bytes that stand for a suffix too are
 * more than the piece has.
 */
static int give(struct medvl_tokens *out, int32_t id, size_t size,
                struct span *span, struct medvl_error *err)
{
    span->at += size;
    if (span->at > span->end)
        span->at = span->end;
    return medvl_tokens_add(out, id, span->at, err);
}

static int encode_piece(const struct medvl_charbpe *m,
                        struct medvl_charbpe_cache *cache,
                        struct medvl_tokens *out, struct medvl_span piece,
                        struct span span, struct word *keep,
                        struct medvl_error *err)
{
    size_t count = 0;
    int rc;

    if (piece.size > MEDVL_BPE_PIECE)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%zu bytes without a place to split them; at most "
                          "%d are taken",
                          piece.size, MEDVL_BPE_PIECE);
    rc = make_symbols(m, cache, piece, err);
    if (rc == MEDVL_OK)
        rc = merge(m, cache, err);
    for (int32_t i = 0; rc == MEDVL_OK && i >= 0 && cache->count > 0;
         i = cache->symbols[i].next) {
        const struct symbol *s = &cache->symbols[i];

        if (keep && count < WORD_IDS) {
            keep->ids[count] = s->id;
            keep->sizes[count] = (uint16_t)s->size;
        }
        count++;
        rc = give(out, s->id, s->size, &span, err);
    }
    if (rc == MEDVL_OK && keep && count <= WORD_IDS) {
        memcpy(keep->key, piece.data, piece.size);
        keep->size = (unsigned char)piece.size;
        keep->count = (unsigned char)count;
    }
    if (cache->capacity > KEPT || cache->heap_capacity > KEPT)
        drop_scratch(cache);
    return rc;
}

static int encode_one(const struct medvl_charbpe *m,
                      struct medvl_charbpe_cache *cache,
                      struct medvl_tokens *out, struct medvl_span piece,
                      size_t at, struct medvl_error *err)
{
    struct span span = {at, at + piece.size};
    struct word *word = NULL;
    int rc = MEDVL_OK;

    if (piece.size <= KEY_BYTES) {
        word = &cache->words[medvl_hash64(piece.data, piece.size) % WORDS];
        if (word->size == piece.size &&
            memcmp(word->key, piece.data, piece.size) == 0) {
            for (int i = 0; i < word->count && rc == MEDVL_OK; i++)
                rc = give(out, word->ids[i], word->sizes[i], &span, err);
            return rc;
        }
        word->size = 0;
    }
    return encode_piece(m, cache, out, piece, span, word, err);
}

/* A piece [start, end) by the byte-level encoder. */
static int encode_fast(const struct medvl_charbpe *m,
                       struct medvl_charbpe_cache *cache,
                       struct medvl_tokens *out, const char *data,
                       size_t start, size_t end, size_t base,
                       struct medvl_error *err)
{
    const struct medvl_span text = {data, end};
    const size_t first = out->count;
    int32_t largest = -1;
    int rc = MEDVL_OK;

    if (!cache->fast)
        rc = medvl_bpe_cache_new(&cache->fast, err);
    while (start < end && rc == MEDVL_OK) {
        const size_t count = medvl_bpe_split(m->fast, cache->cuts, CUTS,
                                             text, start);

        rc = medvl_bpe_encode(m->fast, cache->fast, out, text, start,
                              cache->cuts, count, base, err);
        start = cache->cuts[count - 1];
    }
    for (size_t i = first; i < out->count; i++)
        largest = out->ids[i] > largest ? out->ids[i] : largest;
    if (rc < 0 || largest < medvl_bpe_size(m->bpe))
        return rc;
    return medvl_bpe_spell(m->fast, out, first, medvl_bpe_size(m->bpe),
                           m->bytes, false, err);
}

int medvl_charbpe_encode(const struct medvl_charbpe *model,
                         struct medvl_charbpe_cache *cache,
                         struct medvl_tokens *out, struct medvl_span data,
                         size_t start, const size_t *ends, size_t count,
                         size_t base, struct medvl_error *err)
{
    const size_t before = out->count;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        const struct medvl_span piece = {data.data + start, ends[i] - start};
        struct span span = {base + start, base + ends[i]};
        const int32_t id = model->whole_words
                               ? medvl_bpe_id(model->bpe, piece)
                               : -1;

        if (id >= 0)
            rc = give(out, id, piece.size, &span, err);
        else if (model->fast)
            rc = encode_fast(model, cache, out, data.data, start, ends[i],
                             base, err);
        else
            rc = encode_one(model, cache, out, piece, base + start, err);
        start = ends[i];
        if (rc == MEDVL_OK && out->count > MEDVL_BPE_TOKENS)
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d tokens",
                            MEDVL_BPE_TOKENS);
    }
    if (rc < 0)
        out->count = before;
    return rc;
}
