/*
 * Byte-pair encoding.  A piece seen before comes from the cache; else its
 * bytes are merged, lowest rank first and leftmost among equals: short
 * pieces by looking for the least rank each time, long ones by a heap, in
 * the room of their ids and without a list: 20 bytes a byte at the most.
 *
 * The cache keeps words of up to 15 bytes in entries of 32 (a key that
 * holds bytes and length, and up to four ids), two to a line of memory, and
 * words of up to 31 bytes, common in medicine, in entries of 64.  The keys
 * of a batch are made first and their lines asked for, then looked up.
 *
 * Read next: tokenizer.c.
 */
#include "lib/text/bpe.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

/* ---- lists of tokens -------------------------------------------------- */

int medvl_tokens_reserve(struct medvl_tokens *tokens, size_t more,
                         struct medvl_error *err)
{
    size_t need;
    int rc;

    if (!medvl_size_add(&need, tokens->count, more))
        return medvl_no_memory(err);
    if (need <= tokens->capacity &&
        (!tokens->keep_ends || need <= tokens->ends_capacity))
        return MEDVL_OK;
    rc = medvl_grow(&tokens->ids, &tokens->capacity, need,
                    sizeof(*tokens->ids), err);
    if (rc == MEDVL_OK && tokens->keep_ends)
        rc = medvl_grow(&tokens->ends, &tokens->ends_capacity, need,
                        sizeof(*tokens->ends), err);
    return rc;
}

int medvl_tokens_add(struct medvl_tokens *tokens, int32_t id, size_t end,
                     struct medvl_error *err)
{
    const int rc = medvl_tokens_reserve(tokens, 1, err);

    if (rc < 0)
        return rc;
    tokens->ids[tokens->count] = id;
    if (tokens->keep_ends)
        tokens->ends[tokens->count] = end;
    tokens->count++;
    return MEDVL_OK;
}

void medvl_tokens_clear(struct medvl_tokens *tokens)
{
    tokens->count = 0;
}

void medvl_tokens_release(struct medvl_tokens *tokens)
{
    medvl_free(tokens->ids);
    medvl_free(tokens->ends);
    *tokens = (struct medvl_tokens){0};
}

/* ---- the model --------------------------------------------------------- */

#define NO_PAIR UINT64_MAX

/* Two tokens that join: rank << 32 | the token they give. */
struct pair {
    uint64_t key; /* left << 32 | right; NO_PAIR: free */
    uint64_t value;
};

/* Where a token's bytes are; size 0: no such token. */
struct place {
    uint32_t offset, size;
};

struct medvl_bpe {
    struct medvl_text blob; /* all tokens' bytes */
    struct place *places;   /* by id */
    size_t capacity;
    int32_t size;
    size_t count;
    int32_t *table; /* id + 1 by hash of bytes; 0: free */
    size_t table_size;
    struct pair *pairs; /* by key */
    size_t pairs_size, pairs_count;
    uint32_t merges;
    uint64_t *byte_pairs; /* values of pairs of byte tokens, by the bytes */
    bool *joins;          /* do merges bring these two bytes together? */
    int32_t bytes[256];   /* the token of each byte, or -1 */
    bool whole_words;
};

/* Slots for `count` entries: at most two thirds become full. */
static size_t table_for(size_t count)
{
    size_t size = 64;

    while (size / 3 * 2 < count && size < SIZE_MAX / 4)
        size *= 2;
    return size;
}

static bool is_full(size_t count, size_t size)
{
    return count >= size / 3 * 2;
}

static uint64_t mix(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static uint64_t find_pair(const struct medvl_bpe *bpe, int32_t left,
                          int32_t right)
{
    const uint64_t key = pair_key(left, right);
    const size_t mask = bpe->pairs_size - 1;
    size_t i = mix(key) & mask;

    for (; bpe->pairs[i].key != NO_PAIR; i = (i + 1) & mask) {
        if (bpe->pairs[i].key == key)
            return bpe->pairs[i].value;
    }
    return NO_PAIR;
}

static int tables_new(struct medvl_bpe *bpe, size_t tokens, size_t merges,
                      struct medvl_error *err)
{
    bpe->table_size = table_for(tokens);
    bpe->table = medvl_alloc(bpe->table_size, sizeof(*bpe->table));
    bpe->pairs_size = table_for(merges);
    bpe->pairs = medvl_block_alloc(bpe->pairs_size * sizeof(*bpe->pairs));
    bpe->byte_pairs = medvl_alloc(1 << 16, sizeof(*bpe->byte_pairs));
    bpe->joins = medvl_alloc(1 << 16, sizeof(*bpe->joins));
    if (!bpe->table || !bpe->pairs || !bpe->byte_pairs || !bpe->joins)
        return medvl_no_memory(err);
    memset(bpe->pairs, 0xFF, bpe->pairs_size * sizeof(*bpe->pairs));
    memset(bpe->byte_pairs, 0xFF, sizeof(*bpe->byte_pairs) << 16);
    return MEDVL_OK;
}

int medvl_bpe_new(struct medvl_bpe **out, size_t tokens, size_t merges,
                  bool whole_words, struct medvl_error *err)
{
    struct medvl_bpe *bpe = medvl_alloc(1, sizeof(*bpe));
    int rc;

    *out = NULL;
    if (!bpe)
        return medvl_no_memory(err);
    bpe->whole_words = whole_words;
    for (int i = 0; i < 256; i++)
        bpe->bytes[i] = -1;
    rc = tables_new(bpe, tokens, merges, err);
    if (rc < 0) {
        medvl_bpe_free(bpe);
        return rc;
    }
    *out = bpe;
    return MEDVL_OK;
}

void medvl_bpe_free(struct medvl_bpe *bpe)
{
    if (!bpe)
        return;
    medvl_text_release(&bpe->blob);
    medvl_free(bpe->places);
    medvl_free(bpe->table);
    medvl_block_free(bpe->pairs, bpe->pairs_size * sizeof(*bpe->pairs));
    medvl_free(bpe->byte_pairs);
    medvl_free(bpe->joins);
    medvl_free(bpe);
}

int32_t medvl_bpe_size(const struct medvl_bpe *bpe)
{
    return bpe->size;
}

struct medvl_span medvl_bpe_bytes(const struct medvl_bpe *bpe, int32_t id)
{
    struct medvl_span span = {0};

    if (id >= 0 && id < bpe->size && bpe->places[id].size > 0) {
        span.data = bpe->blob.data + bpe->places[id].offset;
        span.size = bpe->places[id].size;
    }
    return span;
}

/* The slot of these bytes, or the free one where they belong. */
static size_t find_slot(const struct medvl_bpe *bpe, struct medvl_span bytes)
{
    const size_t mask = bpe->table_size - 1;
    size_t i = medvl_hash64(bytes.data, bytes.size) & mask;

    for (; bpe->table[i]; i = (i + 1) & mask) {
        const struct place *place = &bpe->places[bpe->table[i] - 1];

        if (place->size == bytes.size &&
            memcmp(bpe->blob.data + place->offset, bytes.data,
                   bytes.size) == 0)
            break;
    }
    return i;
}

int32_t medvl_bpe_id(const struct medvl_bpe *bpe, struct medvl_span bytes)
{
    return bpe->table[find_slot(bpe, bytes)] - 1;
}

static int table_grow(struct medvl_bpe *bpe, struct medvl_error *err)
{
    const size_t size = table_for(bpe->count * 2 + 64);
    int32_t *table = medvl_alloc(size, sizeof(*table));

    if (!table)
        return medvl_no_memory(err);
    medvl_free(bpe->table);
    bpe->table = table;
    bpe->table_size = size;
    for (int32_t id = 0; id < bpe->size; id++) {
        const struct medvl_span bytes = medvl_bpe_bytes(bpe, id);

        if (bytes.size > 0)
            table[find_slot(bpe, bytes)] = id + 1;
    }
    return MEDVL_OK;
}

/* Make ids below `size` possible; the new ones are no tokens yet. */
static int places_grow(struct medvl_bpe *bpe, int32_t size,
                       struct medvl_error *err)
{
    int rc;

    if (size <= bpe->size)
        return MEDVL_OK;
    rc = medvl_grow(&bpe->places, &bpe->capacity, (size_t)size,
                    sizeof(*bpe->places), err);
    if (rc < 0)
        return rc;
    memset(bpe->places + bpe->size, 0,
           (size_t)(size - bpe->size) * sizeof(*bpe->places));
    bpe->size = size;
    return MEDVL_OK;
}

int medvl_bpe_add_token(struct medvl_bpe *bpe, int32_t id,
                        struct medvl_span bytes, struct medvl_error *err)
{
    size_t slot;
    int rc;

    if (id < 0 || id >= MEDVL_BPE_IDS)
        return medvl_fail(err, MEDVL_EFORMAT, "token id %d is out of range",
                          id);
    if (bytes.size == 0 || bpe->blob.size + bytes.size > UINT32_MAX)
        return medvl_fail(err, MEDVL_EFORMAT, "token %d is %s", id,
                          bytes.size == 0 ? "empty" : "too large");
    if (medvl_bpe_bytes(bpe, id).data)
        return medvl_fail(err, MEDVL_EFORMAT, "id %d is given twice", id);
    if (is_full(bpe->count, bpe->table_size)) {
        rc = table_grow(bpe, err);
        if (rc < 0)
            return rc;
    }
    slot = find_slot(bpe, bytes);
    if (bpe->table[slot])
        return medvl_fail(err, MEDVL_EFORMAT,
                          "tokens %d and %d have the same bytes",
                          bpe->table[slot] - 1, id);
    rc = places_grow(bpe, id + 1, err);
    if (rc < 0)
        return rc;
    const uint32_t offset = (uint32_t)bpe->blob.size;

    rc = medvl_text_append(&bpe->blob, bytes.data, bytes.size, err);
    if (rc < 0)
        return rc;
    bpe->places[id] = (struct place){offset, (uint32_t)bytes.size};
    bpe->table[slot] = id + 1;
    bpe->count++;
    if (bytes.size == 1)
        bpe->bytes[(unsigned char)bytes.data[0]] = id;
    return MEDVL_OK;
}

static int pairs_grow(struct medvl_bpe *bpe, struct medvl_error *err)
{
    const size_t size = table_for(bpe->pairs_count * 2 + 64);
    struct pair *old = bpe->pairs;
    struct pair *pairs = medvl_block_alloc(size * sizeof(*pairs));

    if (!pairs)
        return medvl_no_memory(err);
    memset(pairs, 0xFF, size * sizeof(*pairs));
    for (size_t i = 0; i < bpe->pairs_size; i++) {
        size_t to = mix(old[i].key) & (size - 1);

        if (old[i].key == NO_PAIR)
            continue;
        while (pairs[to].key != NO_PAIR)
            to = (to + 1) & (size - 1);
        pairs[to] = old[i];
    }
    medvl_block_free(old, bpe->pairs_size * sizeof(*old));
    bpe->pairs = pairs;
    bpe->pairs_size = size;
    return MEDVL_OK;
}

/* The token of left's bytes, then right's; -1. */
static int32_t joined_id(struct medvl_bpe *bpe, struct medvl_span left,
                         struct medvl_span right, struct medvl_error *err)
{
    char small[256];
    char *bytes = small;
    const size_t size = left.size + right.size;
    int32_t id;

    if (size > sizeof(small)) {
        bytes = medvl_alloc(size, 1);
        if (!bytes)
            return medvl_no_memory(err);
    }
    memcpy(bytes, left.data, left.size);
    memcpy(bytes + left.size, right.data, right.size);
    id = medvl_bpe_id(bpe, (struct medvl_span){bytes, size});
    if (bytes != small)
        medvl_free(bytes);
    if (id < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "merge %u gives no token of the vocabulary",
                          bpe->merges + 1);
    return id;
}

/* Put the pair into the table; one that is there is replaced. */
static int add_pair(struct medvl_bpe *bpe, uint64_t key, uint64_t value,
                    struct medvl_error *err)
{
    size_t i;

    if (is_full(bpe->pairs_count, bpe->pairs_size)) {
        const int rc = pairs_grow(bpe, err);

        if (rc < 0)
            return rc;
    }
    i = mix(key) & (bpe->pairs_size - 1);
    while (bpe->pairs[i].key != NO_PAIR && bpe->pairs[i].key != key)
        i = (i + 1) & (bpe->pairs_size - 1);
    bpe->pairs_count += bpe->pairs[i].key == NO_PAIR;
    bpe->pairs[i] = (struct pair){key, value};
    return MEDVL_OK;
}

int medvl_bpe_add_ranked(struct medvl_bpe *bpe, uint32_t rank,
                         struct medvl_span left, struct medvl_span right,
                         struct medvl_error *err)
{
    const int32_t a = medvl_bpe_id(bpe, left);
    const int32_t b = medvl_bpe_id(bpe, right);
    unsigned last, first;
    uint64_t value;
    int32_t made;
    int rc;

    if (a < 0 || b < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "merge %u joins what is no token",
                          bpe->merges + 1);
    made = joined_id(bpe, left, right, err);
    if (made < 0)
        return made;
    value = (uint64_t)rank << 32 | (uint32_t)made;
    rc = add_pair(bpe, pair_key(a, b), value, err);
    if (rc < 0)
        return rc;
    last = (unsigned char)left.data[left.size - 1];
    first = (unsigned char)right.data[0];
    bpe->joins[last << 8 | first] = true;
    if (left.size == 1 && right.size == 1)
        bpe->byte_pairs[last << 8 | first] = value;
    bpe->merges++;
    return MEDVL_OK;
}

int medvl_bpe_add_merge(struct medvl_bpe *bpe, struct medvl_span left,
                        struct medvl_span right, struct medvl_error *err)
{
    if (bpe->merges == UINT32_MAX - 1)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "too many merges");
    return medvl_bpe_add_ranked(bpe, bpe->merges, left, right, err);
}

int medvl_bpe_add_pair(struct medvl_bpe *bpe, int32_t left, int32_t right,
                       int32_t made, struct medvl_error *err)
{
    if (bpe->merges == UINT32_MAX - 1)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "too many merges");
    return add_pair(bpe, pair_key(left, right),
                    (uint64_t)bpe->merges++ << 32 | (uint32_t)made, err);
}

uint64_t medvl_bpe_join(const struct medvl_bpe *bpe, int32_t left,
                        int32_t right)
{
    return find_pair(bpe, left, right);
}

/* ---- merging ------------------------------------------------------------ */

#define SHORT_PIECE 48
#define HEAP_KEPT   (1 << 18) /* room that stays for the next piece */
#define LINES       (1 << 16) /* of two short words */
#define LONGS       (1 << 15)

struct short_word {
    uint64_t key[2]; /* bytes, zeros, length in the last */
    int32_t ids[4];  /* count << 28 in the first; that 0: a long_word */
};

struct long_word {
    uint64_t key[4];
    int32_t count;
    int32_t ids[7];
};

struct medvl_bpe_cache {
    struct short_word (*lines)[2];
    struct long_word *longs;
    uint64_t *heap; /* rank << 32 | offset of the left token */
    size_t heap_count, heap_capacity;
};

int medvl_bpe_cache_new(struct medvl_bpe_cache **out,
                        struct medvl_error *err)
{
    struct medvl_bpe_cache *cache = medvl_alloc(1, sizeof(*cache));

    *out = NULL;
    if (!cache)
        return medvl_no_memory(err);
    cache->lines = medvl_block_alloc(LINES * sizeof(*cache->lines));
    cache->longs = medvl_block_alloc(LONGS * sizeof(*cache->longs));
    if (!cache->lines || !cache->longs) {
        medvl_bpe_cache_free(cache);
        return medvl_no_memory(err);
    }
    *out = cache;
    return MEDVL_OK;
}

void medvl_bpe_cache_free(struct medvl_bpe_cache *cache)
{
    if (!cache)
        return;
    if (cache->lines)
        medvl_block_free(cache->lines, LINES * sizeof(*cache->lines));
    if (cache->longs)
        medvl_block_free(cache->longs, LONGS * sizeof(*cache->longs));
    medvl_free(cache->heap);
    medvl_free(cache);
}

/* The tokens of a short piece's bytes, or the error. */
static int byte_tokens(const struct medvl_bpe *bpe, int32_t *ids,
                       const unsigned char *p, size_t size,
                       struct medvl_error *err)
{
    for (size_t i = 0; i < size; i++) {
        ids[i] = bpe->bytes[p[i]];
        if (ids[i] < 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "byte 0x%02x is not in the vocabulary", p[i]);
    }
    return MEDVL_OK;
}

/* Merge a piece of at most SHORT_PIECE bytes; returns how many ids. */
static int merge_short(const struct medvl_bpe *bpe, int32_t *ids,
                       const unsigned char *p, size_t size,
                       struct medvl_error *err)
{
    uint64_t values[SHORT_PIECE];
    int count = (int)size;
    const int rc = byte_tokens(bpe, ids, p, size, err);

    if (rc < 0)
        return rc;
    for (int i = 0; i + 1 < count; i++)
        values[i] = bpe->byte_pairs[p[i] << 8 | p[i + 1]];
    while (count > 1) {
        uint64_t least = NO_PAIR;
        int at = 0;

        /* By rank alone: of equal ones the leftmost. */
        for (int i = 0; i + 1 < count; i++) {
            if (values[i] >> 32 < least >> 32) {
                least = values[i];
                at = i;
            }
        }
        if (least == NO_PAIR)
            break;
        count--;
        ids[at] = (int32_t)(uint32_t)least;
        memmove(ids + at + 1, ids + at + 2,
                (size_t)(count - at - 1) * sizeof(*ids));
        if (count - at - 1 > 0)
            memmove(values + at, values + at + 1,
                    (size_t)(count - at - 1) * sizeof(*values));
        if (at + 1 < count)
            values[at] = find_pair(bpe, ids[at], ids[at + 1]);
        if (at > 0)
            values[at - 1] = find_pair(bpe, ids[at - 1], ids[at]);
    }
    return count;
}

static int heap_push(struct medvl_bpe_cache *cache, uint64_t key,
                     struct medvl_error *err)
{
    size_t i = cache->heap_count;
    const int rc = medvl_grow(&cache->heap, &cache->heap_capacity, i + 1,
                              sizeof(*cache->heap), err);

    if (rc < 0)
        return rc;
    cache->heap_count++;
    while (i > 0 && cache->heap[(i - 1) / 2] > key) {
        cache->heap[i] = cache->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    cache->heap[i] = key;
    return MEDVL_OK;
}

/* Put `key` at `i`, whose children are heaps. */
static void heap_sink(struct medvl_bpe_cache *cache, size_t i, uint64_t key)
{
    uint64_t *heap = cache->heap;
    const size_t count = cache->heap_count;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = key;
}

static uint64_t heap_pop(struct medvl_bpe_cache *cache)
{
    const uint64_t top = cache->heap[0];

    cache->heap_count--;
    heap_sink(cache, 0, cache->heap[cache->heap_count]);
    return top;
}

/*
 * The tokens of a long piece, in the room of the ids that it can give: a
 * token's id stands at its first byte, and at its last one, if that is
 * another, -2 - its first; bytes between hold what is below 0.  So the next
 * token and the one before are found without a list.
 */
static uint32_t token_end(const struct medvl_bpe *bpe, const int32_t *ids,
                          uint32_t at)
{
    return at + bpe->places[ids[at]].size;
}

static uint32_t token_before(const int32_t *ids, uint32_t at)
{
    return ids[at - 1] < 0 ? (uint32_t)(-2 - ids[at - 1]) : at - 1;
}

/* The value of the pair at `at`, which ends at `middle`. */
static uint64_t pair_at(const struct medvl_bpe *bpe, const int32_t *ids,
                        uint32_t at, uint32_t middle, uint32_t size)
{
    return middle < size ? find_pair(bpe, ids[at], ids[middle]) : NO_PAIR;
}

/* Queue the pair of a token and the next one, when they join. */
static int queue_pair(const struct medvl_bpe *bpe,
                      struct medvl_bpe_cache *cache, const int32_t *ids,
                      uint32_t at, uint32_t size, struct medvl_error *err)
{
    const uint64_t value = pair_at(bpe, ids, at, token_end(bpe, ids, at),
                                   size);

    if (value == NO_PAIR)
        return MEDVL_OK;
    return heap_push(cache, (value >> 32) << 32 | at, err);
}

/* Join the least pair; one that has changed since is passed over. */
static int join_least(const struct medvl_bpe *bpe,
                      struct medvl_bpe_cache *cache, int32_t *ids,
                      uint32_t size, struct medvl_error *err)
{
    const uint64_t key = heap_pop(cache);
    const uint32_t at = (uint32_t)key;
    uint32_t middle, end;
    uint64_t value;
    int rc;

    if (ids[at] < 0)
        return MEDVL_OK;
    middle = token_end(bpe, ids, at);
    value = pair_at(bpe, ids, at, middle, size);
    if (value == NO_PAIR || value >> 32 != key >> 32)
        return MEDVL_OK;
    end = token_end(bpe, ids, middle);
    ids[middle] = -1;
    ids[at] = (int32_t)(uint32_t)value;
    ids[end - 1] = -2 - (int32_t)at;
    rc = queue_pair(bpe, cache, ids, at, size, err);
    if (rc == MEDVL_OK && at > 0)
        rc = queue_pair(bpe, cache, ids, token_before(ids, at), size, err);
    return rc;
}

static int check_count(const struct medvl_tokens *tokens,
                       struct medvl_error *err)
{
    if (tokens->count > MEDVL_BPE_TOKENS)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d tokens",
                          MEDVL_BPE_TOKENS);
    return MEDVL_OK;
}

/* Merge a long piece, appending to `out`, which has the room. */
static int merge_long(const struct medvl_bpe *bpe,
                      struct medvl_bpe_cache *cache,
                      struct medvl_tokens *out, const unsigned char *p,
                      size_t bytes, struct medvl_error *err)
{
    int32_t *ids = out->ids + out->count;
    const uint32_t size = (uint32_t)bytes;
    int rc;

    if (bytes > MEDVL_BPE_PIECE)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%zu bytes without a place to split them; at most "
                          "%d are taken",
                          bytes, MEDVL_BPE_PIECE);
    rc = byte_tokens(bpe, ids, p, bytes, err);
    cache->heap_count = 0;
    for (uint32_t i = 0; i < size && rc == MEDVL_OK; i++)
        rc = queue_pair(bpe, cache, ids, i, size, err);
    while (rc == MEDVL_OK && cache->heap_count > 0)
        rc = join_least(bpe, cache, ids, size, err);
    if (cache->heap_capacity > HEAP_KEPT) {
        medvl_free(cache->heap);
        cache->heap = NULL;
        cache->heap_capacity = 0;
    }
    for (uint32_t i = 0, end; i < size && rc == MEDVL_OK; i = end) {
        end = token_end(bpe, ids, i);
        out->ids[out->count++] = ids[i];
    }
    return rc < 0 ? rc : check_count(out, err);
}

/* ---- pieces through the cache ------------------------------------------ */

#define BATCH 64

/* Up to four words of a key: the bytes, zeros, and the length behind. */
static void make_key(uint64_t *key, size_t words, const char *data,
                     size_t size, bool room)
{
    const size_t whole = size / 8;
    const unsigned rest = (unsigned)(size % 8) * 8;

    memset(key, 0, words * sizeof(*key));
    if (room) {
        memcpy(key, data, words * sizeof(*key));
        key[whole] &= (UINT64_C(1) << rest) - 1;
        for (size_t i = whole + 1; i < words; i++)
            key[i] = 0;
    } else {
        memcpy(key, data, size);
    }
    key[words - 1] |= (uint64_t)size << 56;
}

/*
 * Encode a piece that the cache lacks; its ids are appended to `out`, which
 * has room.
 */
static int encode_piece(const struct medvl_bpe *bpe,
                        struct medvl_bpe_cache *cache,
                        struct medvl_tokens *out, struct medvl_span piece,
                        struct medvl_error *err)
{
    const unsigned char *p = (const unsigned char *)piece.data;
    int count;

    if (bpe->whole_words) {
        const int32_t id = medvl_bpe_id(bpe, piece);

        if (id >= 0) {
            out->ids[out->count++] = id;
            return MEDVL_OK;
        }
    }
    if (piece.size > SHORT_PIECE)
        return merge_long(bpe, cache, out, p, piece.size, err);
    count = merge_short(bpe, out->ids + out->count, p, piece.size, err);
    if (count < 0)
        return count;
    out->count += (size_t)count;
    return MEDVL_OK;
}

/* A word of 16 to 31 bytes, or a short one of more than four ids. */
static int encode_longer(const struct medvl_bpe *bpe,
                         struct medvl_bpe_cache *cache,
                         struct medvl_tokens *out, struct medvl_span piece,
                         bool room, struct medvl_error *err)
{
    const size_t before = out->count;
    struct long_word *word;
    uint64_t key[4];
    size_t count;
    int rc;

    make_key(key, 4, piece.data, piece.size, room);
    word = &cache->longs[mix(key[0] ^ mix(key[1] ^ mix(key[2] ^
                                                       mix(key[3])))) %
                         LONGS];
    if (memcmp(word->key, key, sizeof(key)) == 0) {
        memcpy(out->ids + before, word->ids, sizeof(word->ids));
        out->count += (size_t)word->count;
        return MEDVL_OK;
    }
    rc = encode_piece(bpe, cache, out, piece, err);
    if (rc < 0)
        return rc;
    count = out->count - before;
    if (count <= 7) {
        memcpy(word->key, key, sizeof(key));
        memcpy(word->ids, out->ids + before, count * sizeof(int32_t));
        word->count = (int32_t)count;
    }
    return MEDVL_OK;
}

/* A word of up to 15 bytes, by its key: kept short if it has few ids. */
static int encode_short(const struct medvl_bpe *bpe,
                        struct medvl_bpe_cache *cache,
                        struct medvl_tokens *out, struct medvl_span piece,
                        const uint64_t key[2], struct short_word *line,
                        bool room, struct medvl_error *err)
{
    int32_t *ids = out->ids + out->count;
    const size_t before = out->count;

    for (int i = 0; i < 2; i++) {
        if (line[i].key[0] == key[0] && line[i].key[1] == key[1]) {
            memcpy(ids, line[i].ids, sizeof(line[i].ids));
            if (ids[0] == 0) /* kept among the longer ones */
                return encode_longer(bpe, cache, out, piece, room, err);
            out->count += (uint32_t)ids[0] >> 28;
            ids[0] &= (1 << 28) - 1;
            return MEDVL_OK;
        }
    }
    const int rc = encode_piece(bpe, cache, out, piece, err);

    if (rc < 0)
        return rc;
    const size_t count = out->count - before;

    line[1] = line[0];
    line[0].key[0] = key[0];
    line[0].key[1] = key[1];
    line[0].ids[0] = 0;
    if (count <= 4) {
        memcpy(line[0].ids, ids, count * sizeof(*ids));
        line[0].ids[0] |= (int32_t)(count << 28);
    }
    return MEDVL_OK;
}

/* Ends of the tokens from `first` on, which end together at `end`. */
static void note_ends(const struct medvl_bpe *bpe, struct medvl_tokens *out,
                      size_t first, size_t start, size_t end)
{
    size_t at = start;

    for (size_t i = first; i + 1 < out->count; i++) {
        at += bpe->places[out->ids[i]].size;
        out->ends[i] = at;
    }
    out->ends[out->count - 1] = end;
}

/* At most BATCH pieces: keys and lines of the short ones first. */
static int encode_batch(const struct medvl_bpe *bpe,
                        struct medvl_bpe_cache *cache,
                        struct medvl_tokens *out, struct medvl_span data,
                        size_t start, const size_t *ends, size_t count,
                        size_t base, struct medvl_error *err)
{
    uint64_t keys[BATCH][2];
    struct short_word *lines[BATCH];
    size_t at = start;
    int rc = MEDVL_OK;

    for (size_t i = 0; i < count; at = ends[i++]) {
        if (ends[i] - at > 15)
            continue;
        make_key(keys[i], 2, data.data + at, ends[i] - at,
                 at + 16 <= data.size);
        lines[i] = cache->lines[mix(keys[i][0] ^ mix(keys[i][1])) % LINES];
        __builtin_prefetch(lines[i]);
    }
    at = start;
    for (size_t i = 0; i < count && rc == MEDVL_OK; at = ends[i++]) {
        const struct medvl_span piece = {data.data + at, ends[i] - at};
        const size_t first = out->count;

        /* Copies from the cache write up to seven ids. */
        if (out->capacity - out->count < piece.size + 8 ||
            (out->keep_ends &&
             out->ends_capacity - out->count < piece.size + 8)) {
            rc = medvl_tokens_reserve(out, piece.size + 8, err);
            if (rc < 0)
                break;
        }
        if (piece.size <= 15)
            rc = encode_short(bpe, cache, out, piece, keys[i], lines[i],
                              at + 32 <= data.size, err);
        else if (piece.size <= 31)
            rc = encode_longer(bpe, cache, out, piece,
                               at + 32 <= data.size, err);
        else
            rc = encode_piece(bpe, cache, out, piece, err);
        if (rc == MEDVL_OK && out->keep_ends)
            note_ends(bpe, out, first, base + at, base + ends[i]);
    }
    return rc;
}

int medvl_bpe_encode(const struct medvl_bpe *bpe,
                     struct medvl_bpe_cache *cache,
                     struct medvl_tokens *out, struct medvl_span data,
                     size_t start, const size_t *ends, size_t count,
                     size_t base, struct medvl_error *err)
{
    const size_t before = out->count;

    for (size_t i = 0; i < count; i += BATCH) {
        const size_t some = count - i < BATCH ? count - i : BATCH;
        int rc = encode_batch(bpe, cache, out, data, start, ends + i, some,
                              base, err);

        if (rc == MEDVL_OK)
            rc = check_count(out, err);
        if (rc < 0) {
            out->count = before;
            return rc;
        }
        start = ends[i + some - 1];
    }
    return MEDVL_OK;
}

size_t medvl_bpe_split(const struct medvl_bpe *bpe, size_t *ends, size_t max,
                       struct medvl_span data, size_t start)
{
    const unsigned char *p = (const unsigned char *)data.data;
    size_t count = 0;

    for (size_t i = start + 1; i < data.size && count < max; i++) {
        ends[count] = i;
        count += !bpe->joins[p[i - 1] << 8 | p[i]];
    }
    if (count < max && start < data.size)
        ends[count++] = data.size;
    return count;
}
