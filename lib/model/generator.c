/*
 * Slots that run prompts.  Every pass carries the prompts that take a free
 * slot and one token of each slot that runs already: the weights are read
 * once for all of them.
 *
 * Read next: scorer.c.
 */
#include "lib/model/generator.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/pass.h"
#include "lib/model/rope.h"

struct slot {
    bool busy;
    bool done; /* what runs now runs for its logits alone */
    const struct medvl_prompt *prompt;
    struct medvl_completion *out;
    int64_t row; /* of its logits: the next */
    struct medvl_rng rng;
    int32_t *seen; /* ids so far, pictures left out */
    size_t seen_count, seen_room;
    size_t token_room, logprob_room; /* of the completion's arrays */
    int32_t last;                    /* the token to run next */
};

struct medvl_generator {
    const struct medvl_model *model;
    struct medvl_pass *pass;
    int64_t slot_count, longest, vocab;
    struct slot *slots;
    float *logits; /* one row, the sampler's */
    void *scratch; /* the sampler's */
};

int medvl_generator_open(struct medvl_generator **out,
                         const struct medvl_model *model,
                         struct medvl_device *dev,
                         const struct medvl_generator_options *options,
                         struct medvl_error *err)
{
    struct medvl_generator *g = medvl_alloc(1, sizeof(*g));
    int rc;

    *out = NULL;
    if (!g)
        return medvl_no_memory(err);
    g->model = model;
    g->vocab = model->config.decoder.vocab_size;
    g->slot_count = options->slots ? options->slots : 16;
    g->longest = options->longest
                     ? options->longest
                     : medvl_rope_longest(&model->config.decoder);
    g->slots = medvl_alloc((size_t)g->slot_count, sizeof(*g->slots));
    g->logits = medvl_alloc((size_t)g->vocab, sizeof(*g->logits));
    g->scratch = medvl_alloc(medvl_sample_scratch(g->vocab), 1);
    if (!g->slots || !g->logits || !g->scratch)
        rc = medvl_no_memory(err);
    else
        rc = medvl_pass_open(&g->pass, model, dev, err);
    if (rc < 0) {
        medvl_generator_free(g);
        return rc;
    }
    *out = g;
    return MEDVL_OK;
}

void medvl_generator_free(struct medvl_generator *generator)
{
    if (!generator)
        return;
    for (int64_t i = 0; generator->slots && i < generator->slot_count; i++)
        medvl_free(generator->slots[i].seen);
    medvl_free(generator->slots);
    medvl_free(generator->logits);
    medvl_free(generator->scratch);
    medvl_pass_free(generator->pass);
    medvl_free(generator);
}

void medvl_completion_release(struct medvl_completion *completion)
{
    medvl_free(completion->tokens);
    medvl_free(completion->logprobs);
    memset(completion, 0, sizeof(*completion));
}

int medvl_completion_check(const struct medvl_completion *completion,
                           const struct medvl_prompt *prompt,
                           struct medvl_error *err)
{
    if (completion->finish != MEDVL_FINISH_BROKEN)
        return MEDVL_OK;
    return medvl_fail(err, MEDVL_EFORMAT,
                      "the logits after %lld tokens are not finite",
                      (long long)(prompt->count + completion->count));
}

/* ---- tokens ---------------------------------------------------------- */

static bool is_end(const struct medvl_config *config, int32_t token)
{
    for (int i = 0; i < config->eos_count; i++)
        if (config->eos[i] == token)
            return true;
    return false;
}

static int keep_seen(struct slot *s, int32_t token, struct medvl_error *err)
{
    const int rc = medvl_grow(&s->seen, &s->seen_room, s->seen_count + 1,
                              sizeof(*s->seen), err);

    if (rc == MEDVL_OK)
        s->seen[s->seen_count++] = token;
    return rc;
}

static int keep_token(struct slot *s, int32_t token, float logprob, bool end,
                      struct medvl_error *err)
{
    struct medvl_completion *c = s->out;
    int rc = medvl_grow(&c->tokens, &s->token_room, (size_t)c->count + 1,
                        sizeof(*c->tokens), err);

    if (rc == MEDVL_OK)
        rc = medvl_grow(&c->logprobs, &s->logprob_room, (size_t)c->count + 1,
                        sizeof(*c->logprobs), err);
    if (rc == MEDVL_OK)
        rc = keep_seen(s, token, err);
    if (rc < 0)
        return rc;
    c->logprobs[c->count] = logprob;
    c->logprob += logprob;
    if (!end)
        c->tokens[c->count++] = token;
    return MEDVL_OK;
}

/* Choose the slot's next token from a row of logits; free the slot when
 * the prompt is done. */
static int take_token(struct medvl_generator *g, struct slot *s,
                      const float *logits, struct medvl_error *err)
{
    const struct medvl_prompt *p = s->prompt;
    struct medvl_completion *c = s->out;
    float logprob;
    bool end;
    int rc;

    memcpy(g->logits, logits, (size_t)g->vocab * sizeof(*logits));
    s->last = medvl_sample(&logprob, g->logits, g->vocab, &p->sampler,
                           s->seen, (int64_t)s->seen_count, &s->rng,
                           g->scratch);
    if (!isfinite(logprob)) {
        c->finish = MEDVL_FINISH_BROKEN;
        s->busy = false;
        return MEDVL_OK;
    }
    end = is_end(&g->model->config, s->last);
    rc = keep_token(s, s->last, logprob, end, err);
    if (rc < 0)
        return rc;
    s->busy = !end;
    s->done = true;
    c->finish = MEDVL_FINISH_STOP;
    if (!end && !(p->stop && p->stop(p->arg, c->tokens, c->count))) {
        c->finish = MEDVL_FINISH_LENGTH;
        s->done = c->count == p->max_tokens ||
                  p->count + c->count == g->longest;
    }
    if (s->done && !p->logits)
        s->busy = false;
    return MEDVL_OK;
}

/* A row of a slot's logits: the caller's, and after the prompt's last also
 * the next token's. */
static int take_row(void *arg, void *owner, const float *logits,
                    struct medvl_error *err)
{
    struct medvl_generator *g = arg;
    struct slot *s = owner;
    const struct medvl_prompt *p = s->prompt;
    const int64_t row = s->row++;
    int rc = MEDVL_OK;

    if (p->logits)
        rc = p->logits(p->arg, row, logits, g->vocab, err);
    if (rc < 0 || row + 1 < p->count)
        return rc;
    if (!s->done)
        return take_token(g, s, logits, err);
    s->busy = false;
    return MEDVL_OK;
}

/* ---- many at once ---------------------------------------------------- */

static int64_t length_of(const struct slot *s)
{
    return s->prompt->count + s->out->count;
}

/* Run the slot's whole text anew: its keys have been turned otherwise than
 * a text of this length wants (rope.h). */
static int add_anew(struct medvl_generator *g, int64_t number,
                    struct medvl_error *err)
{
    struct slot *s = &g->slots[number];
    const struct medvl_prompt *p = s->prompt;
    int32_t *ids = medvl_alloc((size_t)length_of(s), sizeof(*ids));
    const struct medvl_piece piece = {.slot = number,
                                      .ids = ids,
                                      .count = length_of(s),
                                      .pictures = p->pictures,
                                      .wanted = 1,
                                      .owner = s};
    int rc;

    if (!ids)
        return medvl_no_memory(err);
    memcpy(ids, p->ids, (size_t)p->count * sizeof(*ids));
    memcpy(ids + p->count, s->out->tokens,
           (size_t)s->out->count * sizeof(*ids));
    medvl_pass_clear(g->pass, number);
    rc = medvl_pass_add(g->pass, &piece, err);
    medvl_free(ids);
    return rc;
}

/* Put the token of each running slot into the pass.  Texts that run anew
 * wait for the next pass when they are too many for one. */
static int add_tokens(struct medvl_generator *g, struct medvl_error *err)
{
    int64_t anew = 0;
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < g->slot_count && rc == MEDVL_OK; i++) {
        struct slot *s = &g->slots[i];
        const struct medvl_piece piece = {
            .slot = i, .ids = &s->last, .count = 1, .wanted = 1, .owner = s};

        if (!s->busy)
            continue;
        if (!medvl_rope_restarts(&g->model->config.decoder, length_of(s) - 1,
                                 length_of(s))) {
            rc = medvl_pass_add(g->pass, &piece, err);
        } else if (!anew || anew + length_of(s) <= MEDVL_PASS_TOKENS) {
            anew += length_of(s);
            rc = add_anew(g, i, err);
        }
    }
    return rc;
}

/* The idle slot that was begun the longest time ago; NULL: none. */
static struct slot *idle_slot(struct medvl_generator *g)
{
    struct slot *oldest = NULL;
    int64_t used = 0;

    for (int64_t i = 0; i < g->slot_count; i++) {
        const int64_t at = medvl_pass_used(g->pass, i);

        if (g->slots[i].busy || (oldest && at >= used))
            continue;
        oldest = &g->slots[i];
        used = at;
    }
    return oldest;
}

/* Put the prompt into the pass, in this slot.  Returns 1, or 0 when it is
 * to wait, or an error. */
static int start(struct medvl_generator *g, struct slot *s,
                 struct medvl_completion *out,
                 const struct medvl_prompt *prompt, int64_t room,
                 struct medvl_error *err)
{
    const struct medvl_piece piece = {
        .slot = s - g->slots,
        .ids = prompt->ids,
        .count = prompt->count,
        .pictures = prompt->pictures,
        .wanted = prompt->all_logits ? prompt->count : 1,
        .owner = s};
    int rc = medvl_pass_start(g->pass, &piece, room, err);

    if (rc < 1)
        return rc;
    s->prompt = prompt;
    s->out = out;
    s->row = piece.count - piece.wanted;
    s->seen_count = s->token_room = s->logprob_room = 0;
    s->busy = true;
    s->done = prompt->max_tokens == 0;
    out->finish = MEDVL_FINISH_LENGTH;
    medvl_rng_init(&s->rng, prompt->seed, MEDVL_PURPOSE_SAMPLE, prompt->item);
    for (int64_t i = 0; i < prompt->count && rc >= 0; i++)
        if (prompt->ids[i] >= 0)
            rc = keep_seen(s, prompt->ids[i], err);
    return rc < 0 ? rc : 1;
}

/* Start prompts in the idle slots, as many as may share a pass.  Returns
 * how many, or an error. */
static int64_t start_some(struct medvl_completion *out,
                          struct medvl_generator *g,
                          const struct medvl_prompt *prompts, int64_t count,
                          struct medvl_error *err)
{
    const int64_t before = medvl_pass_tokens(g->pass);
    int64_t n = 0;

    while (n < count) {
        const int64_t tokens = medvl_pass_tokens(g->pass) - before;
        struct slot *s = idle_slot(g);
        int rc;

        if (!s)
            break;
        rc = start(g, s, &out[n], &prompts[n],
                   n > 0 ? MEDVL_PASS_TOKENS - tokens : INT64_MAX, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        n++;
    }
    return n;
}

static int run_all(struct medvl_completion *out, struct medvl_generator *g,
                   const struct medvl_prompt *prompts, int64_t count,
                   struct medvl_error *err)
{
    int64_t next = 0;
    int rc;

    for (;;) {
        int64_t started;

        medvl_pass_begin(g->pass);
        rc = add_tokens(g, err);
        if (rc < 0)
            return rc;
        started = start_some(out + next, g, prompts + next, count - next,
                             err);
        if (started < 0)
            return (int)started;
        next += started;
        if (medvl_pass_tokens(g->pass) == 0)
            return MEDVL_OK;
        rc = medvl_pass_run(g->pass, take_row, g, err);
        if (rc < 0)
            return rc;
    }
}

int medvl_generator_check(const struct medvl_generator *generator,
                          const struct medvl_prompt *prompt,
                          struct medvl_error *err)
{
    const bool more = prompt->max_tokens > 0;

    if (prompt->count < 1)
        return medvl_fail(err, MEDVL_EARG, "the prompt is empty");
    if (prompt->count + more > generator->longest)
        return medvl_fail(err, MEDVL_EARG,
                          "a prompt of %lld tokens; the model has room for "
                          "%lld%s",
                          (long long)prompt->count,
                          (long long)generator->longest,
                          more ? ", the answer too" : "");
    return medvl_pass_check_ids(generator->pass, prompt->ids, prompt->count,
                                -1, err);
}

static int64_t room_of(const struct medvl_generator *g,
                       const struct medvl_prompt *p)
{
    return p->max_tokens > g->longest - p->count ? g->longest
                                                 : p->count + p->max_tokens;
}

int medvl_generate(struct medvl_completion *out,
                   struct medvl_generator *generator,
                   const struct medvl_prompt *prompts, int64_t count,
                   struct medvl_error *err)
{
    struct medvl_generator *g = generator;
    int64_t longest = 1;
    int rc = MEDVL_OK;

    memset(out, 0, (size_t)count * sizeof(*out));
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = medvl_generator_check(g, &prompts[i], err);
        if (room_of(g, &prompts[i]) > longest)
            longest = room_of(g, &prompts[i]);
    }
    if (rc == MEDVL_OK)
        rc = medvl_pass_reserve(
            g->pass, g->slot_count, longest,
            g->slot_count * medvl_kvcache_pages_for(longest), err);
    if (rc == MEDVL_OK)
        rc = run_all(out, g, prompts, count, err);
    for (int64_t i = 0; i < g->slot_count; i++)
        g->slots[i].busy = false;
    for (int64_t i = 0; i < count && rc < 0; i++)
        medvl_completion_release(&out[i]);
    return rc;
}
