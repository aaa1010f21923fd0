/*
 * Viterbi over a piece.  For each place in it the best token that ends there
 * is kept in the room of the ids that the piece can give; sums of scores
 * only matter as far as a token can reach, and stand in a ring.
 * The way back from the end then writes the ids into the same room.
 *
 * Read next: wordpiece.c.
 */
#include "lib/text/unigram.h"

#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/text/trie.h"

#define UNK_PENALTY 10.0
#define WORDS       (1 << 15)
#define WORD_BYTES  31
#define WORD_IDS    7
#define RING        (2 * MEDVL_UNIGRAM_BYTES)
#define FAR         100000.0 /* where SentencePiece begins sums anew */

struct place {
    uint32_t offset, size;
    bool hidden;
};

struct medvl_unigram {
    struct medvl_text blob; /* all tokens' bytes */
    struct place *places;   /* by id */
    double *scores;
    size_t count, places_capacity, scores_capacity;
    struct medvl_trie *trie;
    struct medvl_unigram_options options;
    double unk_score;
    int32_t bytes[256]; /* ids of "<0x00>" and so on, or -1 */
};

int medvl_unigram_new(struct medvl_unigram **out, struct medvl_error *err)
{
    *out = medvl_alloc(1, sizeof(**out));
    return *out ? MEDVL_OK : medvl_no_memory(err);
}

void medvl_unigram_free(struct medvl_unigram *unigram)
{
    if (!unigram)
        return;
    medvl_text_release(&unigram->blob);
    medvl_free(unigram->places);
    medvl_free(unigram->scores);
    medvl_trie_free(unigram->trie);
    medvl_free(unigram);
}

static int add(struct medvl_unigram *unigram, struct medvl_span bytes,
               double score, bool hidden, struct medvl_error *err)
{
    const size_t id = unigram->count;
    const size_t offset = unigram->blob.size;
    int rc;

    if (id >= MEDVL_BPE_IDS || bytes.size > (size_t)INT32_MAX - offset)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "a vocabulary of over %d tokens or 2 GiB",
                          MEDVL_BPE_IDS);
    if (!hidden && bytes.size > MEDVL_UNIGRAM_BYTES)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "token %zu is of %zu bytes; at most %d are matched",
                          id, bytes.size, MEDVL_UNIGRAM_BYTES);
    if (!isfinite(score) ||
        medvl_utf8_valid(bytes.data, bytes.size) != bytes.size)
        return medvl_fail(err, MEDVL_EFORMAT, "token %zu %s", id,
                          isfinite(score) ? "is not UTF-8"
                                          : "has no finite score");
    rc = medvl_grow(&unigram->places, &unigram->places_capacity, id + 1,
                    sizeof(*unigram->places), err);
    if (rc == MEDVL_OK)
        rc = medvl_grow(&unigram->scores, &unigram->scores_capacity, id + 1,
                        sizeof(*unigram->scores), err);
    if (rc == MEDVL_OK)
        rc = medvl_text_append(&unigram->blob, bytes.data, bytes.size, err);
    if (rc < 0)
        return rc;
    unigram->places[id] = (struct place){(uint32_t)offset,
                                         (uint32_t)bytes.size, hidden};
    unigram->scores[id] = score;
    unigram->count++;
    return MEDVL_OK;
}

int medvl_unigram_add_token(struct medvl_unigram *unigram,
                            struct medvl_span bytes, double score,
                            struct medvl_error *err)
{
    return add(unigram, bytes, score, false, err);
}

int medvl_unigram_add_hidden(struct medvl_unigram *unigram,
                             struct medvl_span bytes,
                             struct medvl_error *err)
{
    return add(unigram, bytes, 0, true, err);
}

/* The byte that a token of byte fallback stands for, or -1. */
static int fallback_byte(struct medvl_span bytes)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    const char *high, *low;

    if (bytes.size != 6 || memcmp(bytes.data, "<0x", 3) != 0 ||
        bytes.data[5] != '>')
        return -1;
    high = memchr(DIGITS, bytes.data[3], 16);
    low = memchr(DIGITS, bytes.data[4], 16);
    return high && low ? (int)((high - DIGITS) << 4 | (low - DIGITS)) : -1;
}

static int make_trie(struct medvl_unigram *unigram, struct medvl_error *err)
{
    struct medvl_span *keys = medvl_alloc(unigram->count, sizeof(*keys));
    int rc;

    if (!keys)
        return medvl_no_memory(err);
    for (size_t id = 0; id < unigram->count; id++) {
        if (!unigram->places[id].hidden)
            keys[id] = medvl_unigram_bytes(unigram, (int32_t)id);
    }
    rc = medvl_trie_new(&unigram->trie, keys, unigram->count, err);
    medvl_free(keys);
    return rc;
}

int medvl_unigram_finish(struct medvl_unigram *unigram,
                         const struct medvl_unigram_options *options,
                         struct medvl_error *err)
{
    double least = INFINITY;

    if (options->unk < -1 || options->unk >= (int64_t)unigram->count)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "unk is %d, of a vocabulary of %zu", options->unk,
                          unigram->count);
    unigram->options = *options;
    for (int i = 0; i < 256; i++)
        unigram->bytes[i] = -1;
    for (size_t id = 0; id < unigram->count; id++) {
        const int byte = fallback_byte(
            medvl_unigram_bytes(unigram, (int32_t)id));

        if (byte >= 0)
            unigram->bytes[byte] = (int32_t)id;
        least = fmin(least, unigram->scores[id]);
    }
    unigram->unk_score = least - UNK_PENALTY;
    if (options->single)
        unigram->unk_score = options->unk_score;
    return make_trie(unigram, err);
}

int32_t medvl_unigram_size(const struct medvl_unigram *unigram)
{
    return (int32_t)unigram->count;
}

struct medvl_span medvl_unigram_bytes(const struct medvl_unigram *unigram,
                                      int32_t id)
{
    struct medvl_span span = {0};

    if (id >= 0 && (size_t)id < unigram->count) {
        span.size = unigram->places[id].size;
        span.data = span.size ? unigram->blob.data +
                                    unigram->places[id].offset
                              : "";
    }
    return span;
}

int32_t medvl_unigram_id(const struct medvl_unigram *unigram,
                         struct medvl_span bytes)
{
    uint32_t node = MEDVL_TRIE_ROOT;
    int32_t id = -1;

    for (size_t i = 0; i < bytes.size; i++) {
        id = medvl_trie_step(unigram->trie, &node,
                             (unsigned char)bytes.data[i]);
        if (id == -2)
            return -1;
    }
    return id;
}

/* ---- the best way through a piece -------------------------------------- */

/* A word seen, whose ids are tokens that spell it. */
struct word {
    char key[32]; /* bytes, zeros, length */
    int32_t count;
    int32_t ids[WORD_IDS];
};

struct medvl_unigram_cache {
    struct word *words;
    double ring[RING]; /* sums, by place */
};

int medvl_unigram_cache_new(struct medvl_unigram_cache **out,
                            struct medvl_error *err)
{
    struct medvl_unigram_cache *cache = medvl_alloc(1, sizeof(*cache));

    *out = NULL;
    if (!cache)
        return medvl_no_memory(err);
    cache->words = medvl_block_alloc(WORDS * sizeof(*cache->words));
    if (!cache->words) {
        medvl_free(cache);
        return medvl_no_memory(err);
    }
    *out = cache;
    return MEDVL_OK;
}

void medvl_unigram_cache_free(struct medvl_unigram_cache *cache)
{
    if (!cache)
        return;
    medvl_block_free(cache->words, WORDS * sizeof(*cache->words));
    medvl_free(cache);
}

/* Not a token: nothing ends here yet; a character that none covers. */
#define NOTHING -1
#define UNKNOWN -2

/* A piece under work. */
struct way {
    const struct medvl_unigram *unigram;
    const char *data;
    size_t size;
    int32_t *ids; /* [i]: what ends behind byte i */
    double *ring;
    size_t last; /* how far something ends */
};

/* Is this sum, with `id` at its end, the best one to `end` so far? */
static void offer(struct way *way, size_t end, int32_t id, double sum)
{
    double *best = &way->ring[end % RING];

    if (way->unigram->options.single)
        sum = (float)sum;
    if (way->ids[end - 1] != NOTHING && !(sum > *best))
        return;
    *best = sum;
    way->ids[end - 1] = id;
    if (end > way->last)
        way->last = end;
}

/* Take the sum at `start` from all sums from there on, as floats. */
static void begin_anew(struct way *way, size_t start)
{
    const double sum = way->ring[start % RING];

    for (size_t end = start; end <= way->last; end++) {
        if (way->ids[end - 1] != NOTHING)
            way->ring[end % RING] = (float)(way->ring[end % RING] - sum);
    }
}

static size_t character_size(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xE0 ? 2
                          : first < 0xF0   ? 3
                                           : 4;
}

/* Offer all tokens that begin at `start`; returns the next character. */
static size_t go_on(struct way *way, size_t start)
{
    const struct medvl_unigram *unigram = way->unigram;
    const double sum = start ? way->ring[start % RING] : 0;
    const size_t next = start +
                        character_size((unsigned char)way->data[start]);
    uint32_t node = MEDVL_TRIE_ROOT;
    bool covered = false;

    for (size_t i = start; i < way->size; i++) {
        const int32_t id = medvl_trie_step(unigram->trie, &node,
                                           (unsigned char)way->data[i]);

        if (id == -2)
            break;
        if (id < 0)
            continue;
        offer(way, i + 1, id, unigram->scores[id] + sum);
        covered = covered || i + 1 == next;
    }
    if (!covered)
        offer(way, next, UNKNOWN, unigram->unk_score + sum);
    return next;
}

/* Where the token that ends at `end` begins. */
static size_t way_back(const struct way *way, size_t end)
{
    const int32_t id = way->ids[end - 1];

    if (id != UNKNOWN)
        return end - way->unigram->places[id].size;
    do {
        end--;
    } while ((way->data[end] & 0xC0) == 0x80);
    return end;
}

static bool is_unknown(const struct way *way, size_t end)
{
    const int32_t id = way->ids[end - 1];

    return id == UNKNOWN || id == way->unigram->options.unk;
}

/*
 * Write what [start, end), which is unknown, becomes, ending before place
 * `to` of the ids; returns the place of the first.
 */
static size_t write_unknown(struct way *way, size_t start, size_t end,
                            size_t to)
{
    const struct medvl_unigram *unigram = way->unigram;
    const struct medvl_span bytes = {way->data + start, end - start};
    const int32_t id = unigram->options.single
                           ? -1
                           : medvl_unigram_id(unigram, bytes);
    bool fallback = unigram->options.byte_fallback && id < 0;

    for (size_t i = start; i < end && fallback; i++)
        fallback = unigram->bytes[(unsigned char)way->data[i]] >= 0;
    if (!fallback) {
        way->ids[--to] = id >= 0 ? id : unigram->options.unk;
        return to;
    }
    for (size_t i = end; i-- > start;)
        way->ids[--to] = unigram->bytes[(unsigned char)way->data[i]];
    return to;
}

/*
 * From the end of the piece to its start: the ids, put at the end of their
 * room, and where wanted their ends.  Returns the place of the first id.
 * A place that is written lies behind all that is still to be read.
 */
static size_t write_back(struct way *way, size_t *ends, size_t base,
                         bool *plain)
{
    size_t to = way->size;
    size_t end = way->size;

    *plain = true;
    while (end > 0) {
        const size_t last = to;
        size_t start = way_back(way, end);

        if (is_unknown(way, end)) {
            while (start > 0 && is_unknown(way, start))
                start = way_back(way, start);
            to = write_unknown(way, start, end, to);
            *plain = false;
        } else {
            const int32_t id = way->ids[end - 1];

            way->ids[--to] = id;
        }
        for (size_t i = to; ends && i < last; i++)
            ends[i] = base + end;
        end = start;
    }
    return to;
}

/* Cut one piece; *plain: tokens alone, so that they spell it. */
static int cut(const struct medvl_unigram *unigram,
               struct medvl_unigram_cache *cache, struct medvl_tokens *out,
               struct medvl_span piece, size_t base, bool *plain,
               struct medvl_error *err)
{
    struct way way = {.unigram = unigram,
                      .data = piece.data,
                      .size = piece.size,
                      .ids = out->ids + out->count,
                      .ring = cache->ring};
    size_t *ends = out->keep_ends ? out->ends + out->count : NULL;
    size_t first, count;

    for (size_t i = 0; i < piece.size; i++)
        way.ids[i] = NOTHING;
    for (size_t at = 0; at < piece.size;) {
        size_t next;

        if (unigram->options.single && at &&
            fabs(way.ring[at % RING]) > FAR)
            begin_anew(&way, at);
        next = go_on(&way, at);
        if (way.ids[next - 1] == UNKNOWN && unigram->options.unk < 0)
            return medvl_fail(err, MEDVL_EFORMAT,
                              "\"%.*s\" is in no token, and there is no "
                              "unk",
                              (int)(next - at), piece.data + at);
        at = next;
    }
    first = write_back(&way, ends, base, plain);
    count = piece.size - first;
    memmove(way.ids, way.ids + first, count * sizeof(*way.ids));
    if (ends)
        memmove(ends, ends + first, count * sizeof(*ends));
    out->count += count;
    return MEDVL_OK;
}

/* ---- pieces ------------------------------------------------------------- */

static struct word *word_of(struct medvl_unigram_cache *cache, char key[32],
                            struct medvl_span piece)
{
    memset(key, 0, 32);
    memcpy(key, piece.data, piece.size);
    key[31] = (char)piece.size;
    return &cache->words[medvl_hash64(key, 32) % WORDS];
}

static void take_word(const struct medvl_unigram *unigram,
                      struct medvl_tokens *out, const struct word *word,
                      size_t base)
{
    size_t end = base;

    for (int32_t i = 0; i < word->count; i++) {
        end += unigram->places[word->ids[i]].size;
        out->ids[out->count] = word->ids[i];
        if (out->keep_ends)
            out->ends[out->count] = end;
        out->count++;
    }
}

static int encode_piece(const struct medvl_unigram *unigram,
                        struct medvl_unigram_cache *cache,
                        struct medvl_tokens *out, struct medvl_span piece,
                        size_t base, struct medvl_error *err)
{
    const size_t before = out->count;
    struct word *word = NULL;
    char key[32];
    bool plain = false;
    int rc;

    if (piece.size > MEDVL_BPE_PIECE)
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "%zu bytes without a place to split them; at most "
                          "%d are taken",
                          piece.size, MEDVL_BPE_PIECE);
    rc = medvl_tokens_reserve(out, piece.size + WORD_IDS, err);
    if (rc < 0)
        return rc;
    if (piece.size <= WORD_BYTES) {
        word = word_of(cache, key, piece);
        if (memcmp(word->key, key, sizeof(key)) == 0) {
            take_word(unigram, out, word, base);
            return MEDVL_OK;
        }
    }
    rc = cut(unigram, cache, out, piece, base, &plain, err);
    if (rc == MEDVL_OK && out->count > MEDVL_BPE_TOKENS)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "more than %d tokens",
                        MEDVL_BPE_TOKENS);
    if (rc == MEDVL_OK && word && plain &&
        out->count - before <= WORD_IDS) {
        memcpy(word->key, key, sizeof(key));
        word->count = (int32_t)(out->count - before);
        memcpy(word->ids, out->ids + before,
               (out->count - before) * sizeof(*word->ids));
    }
    return rc;
}

int medvl_unigram_encode(const struct medvl_unigram *unigram,
                         struct medvl_unigram_cache *cache,
                         struct medvl_tokens *out, struct medvl_span data,
                         size_t start, const size_t *ends, size_t count,
                         size_t base, struct medvl_error *err)
{
    const size_t before = out->count;

    for (size_t i = 0; i < count; start = ends[i++]) {
        const struct medvl_span piece = {data.data + start,
                                         ends[i] - start};
        const int rc = piece.size ? encode_piece(unigram, cache, out, piece,
                                                 base + start, err)
                                  : MEDVL_OK;

        if (rc < 0) {
            out->count = before;
            return rc;
        }
    }
    return MEDVL_OK;
}
