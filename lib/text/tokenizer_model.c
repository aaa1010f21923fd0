/*
 * The models behind one interface.
 *
 * Read next: tokenizer_added.c.
 */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/tokenizer_parts.h"

void medvl_model_release(struct model *model)
{
    medvl_bpe_free(model->bpe);
    medvl_charbpe_free(model->charbpe);
    medvl_unigram_free(model->unigram);
    medvl_wordpiece_free(model->wordpiece);
    medvl_sentencepiece_free(model->sentencepiece);
    *model = (struct model){0};
}

int32_t medvl_model_size(const struct model *model)
{
    if (model->bpe)
        return medvl_bpe_size(model->bpe);
    if (model->charbpe)
        return medvl_charbpe_size(model->charbpe);
    if (model->unigram)
        return medvl_unigram_size(model->unigram);
    if (model->wordpiece)
        return medvl_wordpiece_size(model->wordpiece);
    return medvl_sentencepiece_info(model->sentencepiece)->size;
}

struct medvl_span medvl_model_bytes(const struct model *model, int32_t id)
{
    if (model->bpe)
        return medvl_bpe_bytes(model->bpe, id);
    if (model->charbpe)
        return medvl_charbpe_bytes(model->charbpe, id);
    if (model->unigram)
        return medvl_unigram_bytes(model->unigram, id);
    if (model->wordpiece)
        return medvl_wordpiece_bytes(model->wordpiece, id);
    return medvl_sentencepiece_piece(model->sentencepiece, id);
}

int32_t medvl_model_id(const struct model *model, struct medvl_span bytes)
{
    if (model->bpe)
        return medvl_bpe_id(model->bpe, bytes);
    if (model->charbpe)
        return medvl_charbpe_id(model->charbpe, bytes);
    if (model->unigram)
        return medvl_unigram_id(model->unigram, bytes);
    if (model->wordpiece)
        return medvl_wordpiece_id(model->wordpiece, bytes);
    return medvl_sentencepiece_id(model->sentencepiece, bytes);
}

bool medvl_is_spelled_alike(struct medvl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] <= ' ' || bytes.data[i] > '~')
            return false;
    }
    return true;
}

int32_t medvl_model_spelled(const struct model *model,
                            struct medvl_span spelling)
{
    if (model->bpe && !medvl_is_spelled_alike(spelling))
        return -1;
    return medvl_model_id(model, spelling);
}

int medvl_model_cache_init(struct model_cache *cache,
                           const struct model *model,
                           struct medvl_error *err)
{
    if (model->bpe)
        return medvl_bpe_cache_new(&cache->bpe, err);
    if (model->charbpe)
        return medvl_charbpe_cache_new(&cache->charbpe, err);
    if (model->unigram)
        return medvl_unigram_cache_new(&cache->unigram, err);
    if (model->sentencepiece)
        return medvl_sentencepiece_encoder_new(&cache->sentencepiece,
                                               model->sentencepiece, err);
    return MEDVL_OK;
}

void medvl_model_cache_release(struct model_cache *cache)
{
    medvl_bpe_cache_free(cache->bpe);
    medvl_charbpe_cache_free(cache->charbpe);
    medvl_unigram_cache_free(cache->unigram);
    medvl_sentencepiece_encoder_free(cache->sentencepiece);
    *cache = (struct model_cache){0};
}

static int encode(const struct model *model, struct model_cache *cache,
                  struct medvl_tokens *out, struct medvl_span data,
                  size_t start, const size_t *ends, size_t count,
                  size_t base, struct medvl_error *err)
{
    if (model->bpe)
        return medvl_bpe_encode(model->bpe, cache->bpe, out, data, start,
                                ends, count, base, err);
    if (model->charbpe)
        return medvl_charbpe_encode(model->charbpe, cache->charbpe, out,
                                    data, start, ends, count, base, err);
    if (model->unigram)
        return medvl_unigram_encode(model->unigram, cache->unigram, out,
                                    data, start, ends, count, base, err);
    return medvl_wordpiece_encode(model->wordpiece, out, data, start, ends,
                                  count, base, err);
}

static int encode_any(const void *model, void *cache,
                      struct medvl_tokens *out, struct medvl_span data,
                      size_t start, const size_t *ends, size_t count,
                      size_t base, struct medvl_error *err)
{
    return encode(model, cache, out, data, start, ends, count, base, err);
}

static struct medvl_span spelling(const void *model, int32_t id)
{
    return medvl_model_bytes(model, id);
}

int medvl_model_encode(const struct model *model, struct model_cache *cache,
                       struct medvl_guard *guard, struct medvl_tokens *out,
                       struct medvl_span data, size_t start,
                       const size_t *ends, size_t count, size_t base,
                       struct medvl_error *err)
{
    const struct medvl_guard_model guarded = {encode_any, spelling, model,
                                              cache};

    if (!guard)
        return encode(model, cache, out, data, start, ends, count, base,
                      err);
    return medvl_guard_encode(guard, &guarded, out, data, start, ends, count,
                              base, err);
}
