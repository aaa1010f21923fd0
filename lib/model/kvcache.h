/*
 * Keys and values of running sequences, in pages of 64 tokens.
 *
 * One pool of pages for all sequences and layers; a sequence holds a table
 * of page numbers and its length.  Pages are handed out as a sequence grows
 * and come back when it ends, so memory follows the tokens that exist.
 *
 * Read next: decoder.h.
 */
#ifndef MEDVL_MODEL_KVCACHE_H
#define MEDVL_MODEL_KVCACHE_H

#include "kernels/tensor.h"
#include "lib/model/config.h"

#define MEDVL_KV_PAGE 64

struct medvl_kvcache;

/* How many pages so many tokens of a sequence take. */
int64_t medvl_kvcache_pages_for(int64_t tokens);

/*
 * Room for `tokens` over at most `sequences` sequences at once, each at
 * most `longest` tokens; f32 pages.
 */
int medvl_kvcache_open(struct medvl_kvcache **out,
                       const struct medvl_decoder_config *config,
                       int64_t sequences, int64_t longest, int64_t tokens,
                       struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_kvcache_free(struct medvl_kvcache *cache);

/* Start an empty sequence in `slot` (0..sequences-1), ending an old one. */
void medvl_kvcache_clear(struct medvl_kvcache *cache, int64_t slot);
int64_t medvl_kvcache_length(const struct medvl_kvcache *cache,
                             int64_t slot);
int64_t medvl_kvcache_free_tokens(const struct medvl_kvcache *cache);

/* Make room for `more` tokens in the slot and count them as there.
 * MEDVL_ENOMEM when the pool has no page left, MEDVL_EARG past longest. */
int medvl_kvcache_extend(struct medvl_kvcache *cache, int64_t slot,
                         int64_t more,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Let `slot` see the first `length` tokens of `from` (a shared prefix):
 * whole pages are shared and counted, a part page is copied.  Its next
 * position is `next`.
 */
int medvl_kvcache_share(struct medvl_kvcache *cache, int64_t slot,
                        int64_t from, int64_t length, int64_t next,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * Keep the first `length` tokens of the slot alone; the next position is
 * `next`.  A part page that others see is copied: MEDVL_ENOMEM when no page
 * is left for that.
 */
int medvl_kvcache_truncate(struct medvl_kvcache *cache, int64_t slot,
                           int64_t length, int64_t next,
                           struct medvl_error *err) MEDVL_MUST_CHECK;

/* The position of the slot's next token, which is its length unless
 * pictures take other positions than tokens: grid.h; 0 when empty. */
int64_t medvl_kvcache_next(const struct medvl_kvcache *cache, int64_t slot);
void medvl_kvcache_set_next(struct medvl_kvcache *cache, int64_t slot,
                            int64_t next);

/* Row in the layer's tensors of token `position` of the slot. */
int32_t medvl_kvcache_row(const struct medvl_kvcache *cache, int64_t slot,
                          int64_t position);

/* The slot's page numbers (longest / 64 rounded up; unused ones 0). */
const int32_t *medvl_kvcache_pages(const struct medvl_kvcache *cache,
                                   int64_t slot);
int64_t medvl_kvcache_pages_each(const struct medvl_kvcache *cache);

/* (pool rows, G*D) of one layer. */
struct medvl_tensor medvl_kvcache_keys(const struct medvl_kvcache *cache,
                                       int64_t layer);
struct medvl_tensor medvl_kvcache_values(const struct medvl_kvcache *cache,
                                         int64_t layer);

#endif
