/*
 * Sampling.  Only as many candidates are sorted as top-k and top-p keep: a
 * heap gives them best first, equals by rising id.
 *
 * Read next: pass.c.
 */
#include "lib/model/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

double medvl_logprob(const float *logits, int64_t vocab, int32_t token)
{
    float top = logits[0];
    double sum = 0;

    for (int64_t i = 1; i < vocab; i++)
        if (logits[i] > top)
            top = logits[i];
    for (int64_t i = 0; i < vocab; i++)
        sum += exp((double)logits[i] - (double)top);
    return (double)logits[token] - (double)top - log(sum);
}

size_t medvl_sample_scratch(int64_t vocab)
{
    return (size_t)vocab * (2 * sizeof(float) + sizeof(int32_t));
}

static int32_t first_best(const float *logits, int64_t vocab)
{
    int32_t best = 0;

    for (int64_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best])
            best = (int32_t)i;
    return best;
}

/* Each token once, however often it was seen: `mark` says which. */
static void penalize(float *logits, int64_t vocab, float penalty,
                     const int32_t *seen, int64_t count, unsigned char *mark)
{
    memset(mark, 0, (size_t)vocab);
    for (int64_t i = 0; i < count; i++) {
        const int32_t t = seen[i];

        if (t < 0 || t >= vocab || mark[t])
            continue;
        mark[t] = 1;
        logits[t] = logits[t] > 0 ? logits[t] / penalty
                                  : logits[t] * penalty;
    }
}

static bool before(const float *x, int32_t a, int32_t b)
{
    return x[a] > x[b] || (x[a] == x[b] && a < b);
}

/* Let id[at] sink in the heap whose root comes before all others. */
static void sink(int32_t *id, int64_t count, int64_t at, const float *x)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        int32_t swap;

        if (child >= count)
            return;
        if (child + 1 < count && before(x, id[child + 1], id[child]))
            child++;
        if (!before(x, id[child], id[at]))
            return;
        swap = id[at];
        id[at] = id[child];
        id[child] = swap;
        at = child;
    }
}

/*
 * Take candidates out of a heap of all tokens, best first, until there are
 * `limit` of them or their weight reaches `enough`.  The i-th is left at
 * id[vocab - 1 - i], its weight in p[i]; returns how many, *sum their weight.
 */
static int64_t take(int32_t *id, float *p, double *sum, int64_t vocab,
                    const float *x, double temperature, int64_t limit,
                    double enough)
{
    int64_t count = 0;
    float top;

    for (int64_t i = 0; i < vocab; i++)
        id[i] = (int32_t)i;
    for (int64_t i = vocab / 2; i-- > 0;)
        sink(id, vocab, i, x);
    top = x[id[0]];
    *sum = 0;
    while (count < limit && *sum < enough) {
        const int64_t left = vocab - 1 - count;
        const int32_t best = id[0];

        id[0] = id[left];
        id[left] = best;
        sink(id, left, 0, x);
        p[count] = (float)exp(((double)x[best] - (double)top) / temperature);
        *sum += (double)p[count++];
    }
    return count;
}

/* Index of the first of p whose running sum passes a random part of all. */
static int64_t draw(const float *p, int64_t count, double sum,
                    struct medvl_rng *rng)
{
    const double want = medvl_rng_unit(rng) * sum;
    double have = 0;

    for (int64_t i = 0; i < count; i++) {
        have += (double)p[i];
        if (want < have)
            return i;
    }
    return count - 1; /* rounding */
}

/* Temperature, top-k, top-p. */
static int32_t choose(const float *x, int64_t vocab,
                      const struct medvl_sampler_options *o,
                      struct medvl_rng *rng, float *p, int32_t *id)
{
    const double temperature = (double)o->temperature;
    const bool nucleus = o->top_p > 0 && o->top_p < 1;
    const bool top_k = o->top_k > 0 && o->top_k < vocab;
    const float top = x[first_best(x, vocab)];
    double sum = 0;
    int64_t count;

    for (int64_t i = 0; !top_k && i < vocab; i++) {
        p[i] = (float)exp(((double)x[i] - (double)top) / temperature);
        sum += (double)p[i];
    }
    if (!top_k && !nucleus)
        return (int32_t)draw(p, vocab, sum, rng);
    count = take(id, p, &sum, vocab, x, temperature,
                 top_k ? o->top_k : vocab,
                 top_k ? HUGE_VAL : (double)o->top_p * sum);
    if (top_k && nucleus) {
        const double enough = (double)o->top_p * sum;
        int64_t kept = 0;

        for (sum = 0; kept < count && sum < enough; kept++)
            sum += (double)p[kept];
        count = kept;
    }
    return id[vocab - 1 - draw(p, count, sum, rng)];
}

int32_t medvl_sample(float *logprob, float *logits, int64_t vocab,
                     const struct medvl_sampler_options *options,
                     const int32_t *seen, int64_t seen_count,
                     struct medvl_rng *rng, void *scratch)
{
    float *before_penalty = scratch, *p = before_penalty + vocab;
    int32_t *id = (int32_t *)(void *)(p + vocab);
    const bool penalty = options->repetition > 0 && options->repetition != 1;
    const float *original = logits;
    int32_t token;

    if (penalty) {
        memcpy(before_penalty, logits, (size_t)vocab * sizeof(*logits));
        original = before_penalty;
        penalize(logits, vocab, options->repetition, seen, seen_count,
                 (unsigned char *)p);
    }
    token = options->temperature > 0
                ? choose(logits, vocab, options, rng, p, id)
                : first_best(logits, vocab);
    if (logprob)
        *logprob = (float)medvl_logprob(original, vocab, token);
    return token;
}
