/*
 * Pages of 64 tokens.  A page number means the same rows in every layer's
 * keys and values; a page may be in several sequences' tables (a shared
 * prefix) and is free again when the last of them lets it go.
 *
 * Read next: decoder.h.
 */
#include "lib/model/kvcache.h"

#include <assert.h>
#include <string.h>

#include "lib/base/mem.h"

#define PAGE MEDVL_KV_PAGE

struct medvl_kvcache {
    int64_t layers, channels; /* channels: G*D */
    int64_t sequences, longest, each;
    int64_t pages;
    int32_t *tables;  /* (sequences, each) */
    int64_t *lengths; /* (sequences) */
    int64_t *nexts;   /* (sequences): position of the next token */
    int32_t *users;   /* (pages): sequences that have it */
    int32_t *free;    /* stack of free pages */
    int64_t free_count;
    float *block; /* (layers, 2, pages * PAGE, channels) */
    size_t block_size;
};

int64_t medvl_kvcache_pages_for(int64_t tokens)
{
    return (tokens + PAGE - 1) / PAGE;
}

static int alloc_parts(struct medvl_kvcache *c, struct medvl_error *err)
{
    size_t size = sizeof(float);

    if (!medvl_size_mul(&size, size, (size_t)c->layers * 2) ||
        !medvl_size_mul(&size, size, (size_t)c->pages * PAGE) ||
        !medvl_size_mul(&size, size, (size_t)c->channels))
        return medvl_fail(err, MEDVL_ENOMEM, "the cache is too large");
    c->tables = medvl_alloc((size_t)(c->sequences * c->each),
                            sizeof(*c->tables));
    c->lengths = medvl_alloc((size_t)c->sequences, sizeof(*c->lengths));
    c->nexts = medvl_alloc((size_t)c->sequences, sizeof(*c->nexts));
    c->users = medvl_alloc((size_t)c->pages, sizeof(*c->users));
    c->free = medvl_alloc((size_t)c->pages, sizeof(*c->free));
    if (!c->tables || !c->lengths || !c->nexts || !c->users || !c->free)
        return medvl_no_memory(err);
    c->block = medvl_block_alloc(size);
    if (!c->block)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "no memory for %zu bytes of keys and values",
                          size);
    c->block_size = size;
    /* The lowest page is handed out first. */
    for (int64_t i = 0; i < c->pages; i++)
        c->free[i] = (int32_t)(c->pages - 1 - i);
    c->free_count = c->pages;
    return MEDVL_OK;
}

int medvl_kvcache_open(struct medvl_kvcache **out,
                       const struct medvl_decoder_config *config,
                       int64_t sequences, int64_t longest, int64_t tokens,
                       struct medvl_error *err)
{
    const int64_t limit = (int64_t)1 << 30;
    struct medvl_kvcache *c;
    int rc;

    *out = NULL;
    if (sequences < 1 || longest < 1 || tokens < 1 || sequences > limit ||
        longest > limit || tokens > limit ||
        sequences * medvl_kvcache_pages_for(longest) > limit)
        return medvl_fail(err, MEDVL_EARG,
                          "a cache of %lld tokens for %lld sequences of "
                          "%lld",
                          (long long)tokens, (long long)sequences,
                          (long long)longest);
    c = medvl_alloc(1, sizeof(*c));
    if (!c)
        return medvl_no_memory(err);
    c->layers = config->layers;
    c->channels = config->groups * config->head_size;
    c->sequences = sequences;
    c->longest = longest;
    c->each = medvl_kvcache_pages_for(longest);
    c->pages = medvl_kvcache_pages_for(tokens);
    rc = alloc_parts(c, err);
    if (rc < 0) {
        medvl_kvcache_free(c);
        return rc;
    }
    *out = c;
    return MEDVL_OK;
}

void medvl_kvcache_free(struct medvl_kvcache *cache)
{
    if (!cache)
        return;
    medvl_free(cache->tables);
    medvl_free(cache->lengths);
    medvl_free(cache->nexts);
    medvl_free(cache->users);
    medvl_free(cache->free);
    medvl_block_free(cache->block, cache->block_size);
    medvl_free(cache);
}

static int32_t *table(const struct medvl_kvcache *cache, int64_t slot)
{
    assert(slot >= 0 && slot < cache->sequences);
    return cache->tables + slot * cache->each;
}

static void drop_page(struct medvl_kvcache *cache, int32_t *page)
{
    if (--cache->users[*page] == 0)
        cache->free[cache->free_count++] = *page;
    *page = 0;
}

void medvl_kvcache_clear(struct medvl_kvcache *cache, int64_t slot)
{
    int32_t *pages = table(cache, slot);

    for (int64_t i = medvl_kvcache_pages_for(cache->lengths[slot]); i-- > 0;)
        drop_page(cache, &pages[i]);
    cache->lengths[slot] = cache->nexts[slot] = 0;
}

int64_t medvl_kvcache_next(const struct medvl_kvcache *cache, int64_t slot)
{
    assert(slot >= 0 && slot < cache->sequences);
    return cache->nexts[slot];
}

void medvl_kvcache_set_next(struct medvl_kvcache *cache, int64_t slot,
                            int64_t next)
{
    assert(slot >= 0 && slot < cache->sequences);
    cache->nexts[slot] = next;
}

int64_t medvl_kvcache_length(const struct medvl_kvcache *cache, int64_t slot)
{
    assert(slot >= 0 && slot < cache->sequences);
    return cache->lengths[slot];
}

int64_t medvl_kvcache_free_tokens(const struct medvl_kvcache *cache)
{
    return cache->free_count * PAGE;
}

int medvl_kvcache_extend(struct medvl_kvcache *cache, int64_t slot,
                         int64_t more, struct medvl_error *err)
{
    int32_t *pages = table(cache, slot);
    const int64_t had = cache->lengths[slot];
    int64_t i = medvl_kvcache_pages_for(had);

    if (more < 0 || more > cache->longest - had)
        return medvl_fail(err, MEDVL_EARG,
                          "%lld tokens after %lld, a sequence has at most "
                          "%lld",
                          (long long)more, (long long)had,
                          (long long)cache->longest);
    if (medvl_kvcache_pages_for(had + more) - i > cache->free_count)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "no page of keys and values is left");
    for (; i < medvl_kvcache_pages_for(had + more); i++) {
        pages[i] = cache->free[--cache->free_count];
        cache->users[pages[i]] = 1;
    }
    cache->lengths[slot] = had + more;
    return MEDVL_OK;
}

static float *page_rows(const struct medvl_kvcache *cache, int64_t layer,
                        int kind, int64_t page)
{
    return cache->block +
           ((layer * 2 + kind) * cache->pages + page) * PAGE *
               cache->channels;
}

/* The first `rest` rows of a page into another, in every layer. */
static void copy_rows(const struct medvl_kvcache *cache, int64_t to,
                      int64_t from, int64_t rest)
{
    for (int64_t l = 0; rest > 0 && l < cache->layers; l++)
        for (int kind = 0; kind < 2; kind++)
            memcpy(page_rows(cache, l, kind, to),
                   page_rows(cache, l, kind, from),
                   (size_t)(rest * cache->channels) * sizeof(float));
}

int medvl_kvcache_share(struct medvl_kvcache *cache, int64_t slot,
                        int64_t from, int64_t length, int64_t next,
                        struct medvl_error *err)
{
    const int64_t whole = length / PAGE, rest = length % PAGE;
    int32_t *pages = table(cache, slot);
    const int32_t *source = table(cache, from);
    int rc;

    if (slot == from || length < 0 || length > cache->lengths[from])
        return medvl_fail(err, MEDVL_EARG,
                          "cannot share %lld of %lld tokens",
                          (long long)length,
                          (long long)cache->lengths[from]);
    medvl_kvcache_clear(cache, slot);
    for (int64_t i = 0; i < whole; i++) {
        pages[i] = source[i];
        cache->users[pages[i]]++;
    }
    cache->lengths[slot] = whole * PAGE;
    rc = medvl_kvcache_extend(cache, slot, rest, err);
    if (rc < 0) {
        medvl_kvcache_clear(cache, slot);
        return rc;
    }
    if (rest)
        copy_rows(cache, pages[whole], source[whole], rest);
    cache->nexts[slot] = next;
    return MEDVL_OK;
}

int medvl_kvcache_truncate(struct medvl_kvcache *cache, int64_t slot,
                           int64_t length, int64_t next,
                           struct medvl_error *err)
{
    const int64_t keep = medvl_kvcache_pages_for(length), rest = length % PAGE;
    int32_t *pages = table(cache, slot);
    int32_t shared;

    assert(length <= cache->lengths[slot]);
    for (int64_t i = medvl_kvcache_pages_for(cache->lengths[slot]);
         i-- > keep;)
        drop_page(cache, &pages[i]);
    cache->lengths[slot] = length;
    cache->nexts[slot] = next;
    if (!rest || cache->users[pages[keep - 1]] == 1)
        return MEDVL_OK;
    if (cache->free_count == 0)
        return medvl_fail(err, MEDVL_ENOMEM,
                          "no page of keys and values is left");
    shared = pages[keep - 1];
    cache->users[shared]--;
    pages[keep - 1] = cache->free[--cache->free_count];
    cache->users[pages[keep - 1]] = 1;
    copy_rows(cache, pages[keep - 1], shared, rest);
    return MEDVL_OK;
}

int32_t medvl_kvcache_row(const struct medvl_kvcache *cache, int64_t slot,
                          int64_t position)
{
    assert(position >= 0 && position < cache->lengths[slot]);
    return (int32_t)(table(cache, slot)[position / PAGE] * PAGE +
                     position % PAGE);
}

const int32_t *medvl_kvcache_pages(const struct medvl_kvcache *cache,
                                   int64_t slot)
{
    return table(cache, slot);
}

int64_t medvl_kvcache_pages_each(const struct medvl_kvcache *cache)
{
    return cache->each;
}

static struct medvl_tensor layer_rows(const struct medvl_kvcache *cache,
                                      int64_t layer, int kind)
{
    return medvl_tensor_2d(page_rows(cache, layer, kind, 0), MEDVL_DTYPE_F32,
                           cache->pages * PAGE, cache->channels);
}

struct medvl_tensor medvl_kvcache_keys(const struct medvl_kvcache *cache,
                                       int64_t layer)
{
    return layer_rows(cache, layer, 0);
}

struct medvl_tensor medvl_kvcache_values(const struct medvl_kvcache *cache,
                                         int64_t layer)
{
    return layer_rows(cache, layer, 1);
}
