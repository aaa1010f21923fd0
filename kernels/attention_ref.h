/*
 * Attention of one query, forward and backward: the specification.
 *
 * Read next: attention.c.
 */
#ifndef MEDVL_KERNELS_ATTENTION_REF_H
#define MEDVL_KERNELS_ATTENTION_REF_H

#include "kernels/real.h"

/* Keys [first, last) that query i of sequence s sees, before key_mask. */
static inline void attention_range(const struct medvl_attention *at,
                                   int64_t s, int64_t i, int64_t *first,
                                   int64_t *last)
{
    const int64_t queries = at->cu_q[s + 1] - at->cu_q[s];
    const int64_t keys = at->cu_k[s + 1] - at->cu_k[s];
    const int64_t here = i + keys - queries;

    *first = 0;
    *last = keys;
    if (at->causal && here + 1 < *last)
        *last = here + 1 > 0 ? here + 1 : 0;
    if (at->window > 0 && here + 1 - at->window > 0)
        *first = here + 1 - at->window;
}

static inline bool attention_hides(const struct medvl_attention *at,
                                   int64_t s, int64_t j)
{
    return at->key_mask && !at->key_mask[at->cu_k[s] + j];
}

/* Row of k and v where key j of sequence s stands. */
static inline int64_t attention_row(const struct medvl_attention *at,
                                    int64_t s, int64_t j)
{
    if (!at->pages)
        return at->cu_k[s] + j;
    return (int64_t)at->pages[s * at->pages_each + j / at->page] *
               at->page +
           j % at->page;
}

/* Item i of keys or values, `real` or bf16. */
static inline real attention_item(const void *p, int64_t i, bool bf16)
{
    return bf16 ? (real)medvl_bf16_to_float(((const uint16_t *)p)[i])
                : ((const real *)p)[i];
}

/*
 * Query i of sequence s, one head: out and q (D); k and v point at the
 * head's first value in row 0, rows ldk and ldv apart.  The streaming
 * softmax: `most` is the largest score yet, sum and out are relative to it.
 */
static inline void attention_forward(real *out, real *lse, const real *q,
                                     const void *k, const void *v, bool bf16,
                                     int64_t ldk, int64_t ldv,
                                     const struct medvl_attention *at,
                                     int64_t s, int64_t i)
{
    const int64_t D = at->head_size;
    real most = -INFINITY, sum = 0;
    int64_t first, last;

    attention_range(at, s, i, &first, &last);
    for (int64_t d = 0; d < D; d++)
        out[d] = 0;
    for (int64_t j = first; j < last; j++) {
        const int64_t row = attention_row(at, s, j);
        real score = 0, grown, weight;

        if (attention_hides(at, s, j))
            continue;
        for (int64_t d = 0; d < D; d++)
            score += q[d] * attention_item(k, row * ldk + d, bf16);
        score *= (real)at->scale;
        grown = score > most ? real_exp(most - score) : 1;
        most = score > most ? score : most;
        weight = real_exp(score - most);
        sum = sum * grown + weight;
        for (int64_t d = 0; d < D; d++)
            out[d] = out[d] * grown +
                     weight * attention_item(v, row * ldv + d, bf16);
    }
    for (int64_t d = 0; sum > 0 && d < D; d++)
        out[d] /= sum;
    if (lse)
        *lse = sum == 0 ? -INFINITY : most + real_log(sum);
}

/*
 * With p = exp(score - lse) and g = p (dout v - sum(dout out)) scale:
 * dv += p dout, dq += g k, dk += g q.  Dense keys.
 */
static inline void attention_backward(real *dq, real *dk, real *dv,
                                      const real *dout, const real *out,
                                      real lse, const real *q,
                                      const real *k, const real *v,
                                      int64_t ldk, int64_t ldv,
                                      int64_t lddk, int64_t lddv,
                                      const struct medvl_attention *at,
                                      int64_t s, int64_t i)
{
    const int64_t D = at->head_size;
    int64_t first, last;
    real delta = 0;

    attention_range(at, s, i, &first, &last);
    for (int64_t d = 0; d < D; d++)
        delta += dout[d] * out[d];
    for (int64_t j = first; j < last; j++) {
        const int64_t row = at->cu_k[s] + j;
        real score = 0, dp = 0, p, g;

        if (attention_hides(at, s, j))
            continue;
        for (int64_t d = 0; d < D; d++) {
            score += q[d] * k[row * ldk + d];
            dp += dout[d] * v[row * ldv + d];
        }
        p = real_exp(score * (real)at->scale - lse);
        g = p * (dp - delta) * (real)at->scale;
        for (int64_t d = 0; d < D; d++) {
            if (dv)
                dv[row * lddv + d] += p * dout[d];
            if (dk)
                dk[row * lddk + d] += g * q[d];
            if (dq)
                dq[d] += g * k[row * ldk + d];
        }
    }
}

#endif
