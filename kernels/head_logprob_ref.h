/*
 * Log-probabilities from a row of logits: the specification.
 *
 * Read next: head_logprob.c.
 */
#ifndef MEDVL_KERNELS_HEAD_LOGPROB_REF_H
#define MEDVL_KERNELS_HEAD_LOGPROB_REF_H

#include "kernels/real.h"

#define HEAD_RUN 256 /* items summed in float before they go to double */

/*
 * out: log p(target), entropy, mean log p, log-sum-exp.  With z = logit -
 * most and S = sum of e^z: log p = z - log S, and the entropy is
 * log S - sum(z e^z) / S.
 */
static inline void head_forward(real out[4], const real *logits, int64_t V,
                                int64_t target)
{
    real most = logits[0], spread;
    double sum = 0, dot = 0, total = 0;

#pragma omp simd reduction(max \
                           : most)
    for (int64_t v = 0; v < V; v++)
        most = logits[v] > most ? logits[v] : most;
    for (int64_t first = 0; first < V; first += HEAD_RUN) {
        const int64_t last = first + HEAD_RUN < V ? first + HEAD_RUN : V;
        real s = 0, d = 0, t = 0;

#pragma omp simd reduction(+ \
                           : s, d, t)
        for (int64_t v = first; v < last; v++) {
            const real z = logits[v] - most, e = real_exp(z);

            s += e;
            d += e > 0 ? z * e : 0 * e; /* -inf costs nothing; NaN stays */
            t += z;
        }
        sum += s;
        dot += d;
        total += t;
    }
    spread = (real)log(sum);
    out[0] = logits[target] - most - spread;
    out[1] = spread - (real)(dot / sum);
    out[2] = (real)(total / (double)V) - spread;
    out[3] = most + spread;
}

/*
 * d: gradients of log p(target), entropy and mean log p.  Logits become
 * d[0] (target - p) + d[1] p (-entropy - log p) + d[2] (1/V - p).
 */
static inline void head_backward(real *logits, int64_t V, int64_t target,
                                 real lse, real entropy, const real d[3])
{
    const real share = d[2] / (real)V, both = d[0] + d[2];

    if (d[1] != 0) {
#pragma omp simd
        for (int64_t v = 0; v < V; v++) {
            const real z = logits[v] - lse, p = real_exp(z);
            const real h = p > 0 ? p * (-entropy - z) : 0 * p;

            logits[v] = share - both * p + d[1] * h;
        }
    } else {
#pragma omp simd
        for (int64_t v = 0; v < V; v++)
            logits[v] = share - both * real_exp(logits[v] - lse);
    }
    logits[target] += d[0];
}

/* One row of hidden (C) against head (V,C) and bias (V) or NULL; logits (V)
 * is room. */
static inline void head_logits(real *logits, const real *hidden,
                               const real *head, const real *bias, int64_t V,
                               int64_t C)
{
    for (int64_t v = 0; v < V; v++) {
        logits[v] = bias ? bias[v] : 0;
        for (int64_t c = 0; c < C; c++)
            logits[v] += hidden[c] * head[v * C + c];
    }
}

static inline void head_logprob_forward(real out[4], real *logits,
                                        const real *hidden,
                                        const real *head,
                                        const real *bias, int64_t V,
                                        int64_t C, int64_t target)
{
    head_logits(logits, hidden, head, bias, V, C);
    head_forward(out, logits, V, target);
}

static inline void head_logprob_backward(real *dhidden, real *dhead,
                                         real *dbias, real *logits,
                                         const real *hidden,
                                         const real *head, const real *bias,
                                         int64_t V, int64_t C,
                                         int64_t target, real lse,
                                         real entropy, const real d[3])
{
    head_logits(logits, hidden, head, bias, V, C);
    head_backward(logits, V, target, lse, entropy, d);
    for (int64_t v = 0; dbias && v < V; v++)
        dbias[v] += logits[v];
    for (int64_t v = 0; v < V; v++)
        for (int64_t c = 0; c < C; c++) {
            if (dhidden)
                dhidden[c] += logits[v] * head[v * C + c];
            if (dhead)
                dhead[v * C + c] += logits[v] * hidden[c];
        }
}

#endif
