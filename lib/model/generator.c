/*
 * Slots that run prompts.  A prompt is run whole when it takes a slot; from
 * then on the running slots take one token each a step.  The device's
 * row_invariant is on meanwhile, so a slot's logits are the same bits
 * whoever runs beside it.
 */
#include "lib/model/generator.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"

/* Rows of logits made at once. */
enum { LOGIT_ROWS = 64 };

struct slot {
    bool busy;
    bool done; /* its last token runs for the logits alone */
    const struct medvl_prompt *prompt;
    struct medvl_completion *out;
    struct medvl_rng rng;
    int32_t *seen; /* ids so far, pictures left out */
    size_t seen_count, seen_room;
    size_t token_room, logprob_room; /* of the completion's arrays */
    int32_t last;                    /* the token to run next */
};

struct medvl_generator {
    const struct medvl_model *model;
    struct medvl_device *dev;
    struct medvl_tape *tape;
    struct medvl_kvcache *cache;
    int64_t cache_longest;
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
    int rc = MEDVL_ENOMEM;

    *out = NULL;
    if (!g)
        return medvl_no_memory(err);
    g->model = model;
    g->dev = dev;
    g->vocab = model->config.decoder.vocab_size;
    g->slot_count = options->slots ? options->slots : 16;
    g->longest = options->longest ? options->longest
                                  : model->config.decoder.max_positions;
    g->slots = medvl_alloc((size_t)g->slot_count, sizeof(*g->slots));
    g->logits = medvl_alloc((size_t)g->vocab, sizeof(*g->logits));
    g->scratch = medvl_alloc(medvl_sample_scratch(g->vocab), 1);
    if (!g->slots || !g->logits || !g->scratch)
        rc = medvl_no_memory(err);
    else
        rc = medvl_tape_open(&g->tape, dev, err);
    if (rc == MEDVL_OK) {
        *out = g;
        g = NULL;
    }
    medvl_generator_free(g);
    return rc;
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
    medvl_kvcache_free(generator->cache);
    medvl_tape_free(generator->tape);
    medvl_free(generator);
}

void medvl_completion_release(struct medvl_completion *completion)
{
    medvl_free(completion->tokens);
    medvl_free(completion->logprobs);
    memset(completion, 0, sizeof(*completion));
}

/* A cache in which the longest of these sequences fits, one slot more than
 * run: the shared prompt of a score. */
static int open_cache(struct medvl_generator *g, int64_t longest,
                      struct medvl_error *err)
{
    if (g->cache && g->cache_longest >= longest)
        return MEDVL_OK;
    medvl_kvcache_free(g->cache);
    g->cache = NULL;
    g->cache_longest = longest;
    return medvl_kvcache_open(&g->cache, &g->model->config.decoder,
                              g->slot_count + 1, longest,
                              (g->slot_count + 1) *
                                  ((longest + MEDVL_KV_PAGE - 1) /
                                   MEDVL_KV_PAGE * MEDVL_KV_PAGE),
                              err);
}

/* ---- a forward run --------------------------------------------------- */

/* Gets the logits of each row that was asked for, in order. */
typedef int row_fn(void *arg, int64_t i, const float *logits,
                   struct medvl_error *err);

static int read_logits(struct medvl_generator *g, struct medvl_var *hidden,
                       const int32_t *rows, int64_t count, row_fn *each,
                       void *arg, struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (int64_t first = 0; first < count && rc == MEDVL_OK;
         first += LOGIT_ROWS) {
        const int64_t n =
            count - first < LOGIT_ROWS ? count - first : LOGIT_ROWS;
        const struct medvl_tensor index = medvl_tensor_1d(
            (void *)(uintptr_t)(rows + first), MEDVL_DTYPE_I32, n);
        struct medvl_var *logits;

        medvl_tape_enter(g->tape, "logits");
        logits = medvl_tape_linear(
            g->tape, medvl_tape_gather_rows(g->tape, hidden, &index),
            medvl_decoder_head(g->model), NULL);
        rc = medvl_tape_check(g->tape, err);
        for (int64_t i = 0; i < n && rc == MEDVL_OK; i++)
            rc = each(arg, first + i,
                      (const float *)logits->value.data + i * g->vocab, err);
        medvl_tape_leave(g->tape, NULL, 0);
    }
    return rc;
}

static int run_inputs(struct medvl_generator *g,
                      const struct medvl_inputs *inputs, const int32_t *rows,
                      int64_t count, row_fn *each, void *arg,
                      struct medvl_error *err)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_decoder_run *run = NULL;
    struct medvl_var *hidden;
    int end, rc = medvl_decoder_run_open(&run, &g->model->config.decoder,
                                         &inputs->tokens, err);

    if (rc < 0)
        return rc;
    medvl_tape_begin(g->tape, &options, NULL);
    hidden = medvl_vlm_forward(g->tape, g->model, inputs, run);
    rc = medvl_tape_check(g->tape, err);
    if (rc == MEDVL_OK)
        rc = read_logits(g, hidden, rows, count, each, arg, err);
    end = medvl_tape_end(g->tape, rc < 0 ? NULL : err);
    medvl_decoder_run_free(run);
    return rc < 0 ? rc : end;
}

/* ---- a prompt -------------------------------------------------------- */

/* Arrays of a whole prompt as inputs: one sequence in `slot`. */
struct whole {
    struct medvl_inputs inputs;
    int32_t *positions, *places, *rows;
    int32_t cu[2];
    int64_t slot;
};

static void release_whole(struct whole *w)
{
    medvl_free(w->positions);
    medvl_free(w->places);
    medvl_free(w->rows);
}

static int make_whole(struct whole *w, struct medvl_generator *g,
                      const struct medvl_prompt *p, int64_t slot,
                      struct medvl_error *err)
{
    struct medvl_inputs *in = &w->inputs;
    const size_t count = (size_t)p->count;

    memset(w, 0, sizeof(*w));
    w->positions = medvl_alloc(count, sizeof(*w->positions));
    w->places = medvl_alloc(count, sizeof(*w->places));
    w->rows = medvl_alloc(count, sizeof(*w->rows));
    if (!w->positions || !w->places || !w->rows)
        return medvl_no_memory(err);
    for (int64_t i = 0; i < p->count; i++) {
        w->positions[i] = (int32_t)i;
        if (p->ids[i] < 0)
            w->places[in->picture_tokens++] = (int32_t)i;
    }
    w->cu[1] = (int32_t)p->count;
    w->slot = slot;
    in->tokens.tokens = p->count;
    in->tokens.sequences = 1;
    in->tokens.ids = p->ids;
    in->tokens.positions = w->positions;
    in->tokens.cu = w->cu;
    in->tokens.cache = g->cache;
    in->tokens.slots = &w->slot;
    in->pictures = p->pictures;
    in->rows = p->rows;
    in->picture_token = w->places;
    return MEDVL_OK;
}

/* Run a prompt into an empty slot; `each` gets its last row, or all. */
static int run_prompt(struct medvl_generator *g, const struct medvl_prompt *p,
                      int64_t slot, bool all, row_fn *each, void *arg,
                      struct medvl_error *err)
{
    struct whole w;
    int rc = make_whole(&w, g, p, slot, err);

    medvl_kvcache_clear(g->cache, slot);
    if (rc == MEDVL_OK)
        rc = medvl_kvcache_extend(g->cache, slot, p->count, err);
    if (rc < 0)
        goto done;
    for (int64_t i = 0; i < p->count; i++)
        w.rows[i] = (int32_t)i;
    rc = run_inputs(g, &w.inputs, all ? w.rows : w.rows + p->count - 1,
                    all ? p->count : 1, each, arg, err);
done:
    release_whole(&w);
    return rc;
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
    if (!isfinite(logprob))
        return medvl_fail(err, MEDVL_EFORMAT,
                          "the logits after %lld tokens are not finite",
                          (long long)(p->count + c->count));
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

struct taking {
    struct medvl_generator *g;
    struct slot *slot;     /* of a prompt's rows */
    struct slot **running; /* of a step's rows */
    int64_t rows;          /* of the prompt that are made */
};

static int give_logits(const struct slot *s, int64_t row, const float *logits,
                       int64_t vocab, struct medvl_error *err)
{
    if (!s->prompt->logits)
        return MEDVL_OK;
    return s->prompt->logits(s->prompt->arg, row, logits, vocab, err);
}

static int prompt_row(void *arg, int64_t i, const float *logits,
                      struct medvl_error *err)
{
    struct taking *t = arg;
    struct slot *s = t->slot;
    const int64_t row = s->prompt->count - t->rows + i;
    const int rc = give_logits(s, row, logits, t->g->vocab, err);

    if (rc < 0 || i + 1 < t->rows || s->prompt->max_tokens == 0)
        return rc;
    return take_token(t->g, s, logits, err);
}

static int step_row(void *arg, int64_t i, const float *logits,
                    struct medvl_error *err)
{
    struct taking *t = arg;
    struct slot *s = t->running[i];
    int rc = give_logits(s, s->prompt->count + s->out->count - 1, logits,
                         t->g->vocab, err);

    if (rc == MEDVL_OK && s->done)
        s->busy = false;
    else if (rc == MEDVL_OK)
        rc = take_token(t->g, s, logits, err);
    return rc;
}

/* ---- many at once ---------------------------------------------------- */

static int start(struct medvl_generator *g, struct medvl_completion *out,
                 const struct medvl_prompt *prompt, int64_t number,
                 struct medvl_error *err)
{
    struct slot *s = &g->slots[number];
    struct taking t = {.g = g, .slot = s};
    int rc = MEDVL_OK;

    s->prompt = prompt;
    s->out = out;
    s->seen_count = s->token_room = s->logprob_room = 0;
    s->busy = false;
    out->finish = MEDVL_FINISH_LENGTH;
    medvl_rng_init(&s->rng, prompt->seed, MEDVL_PURPOSE_SAMPLE, prompt->item);
    for (int64_t i = 0; i < prompt->count && rc == MEDVL_OK; i++)
        if (prompt->ids[i] >= 0)
            rc = keep_seen(s, prompt->ids[i], err);
    t.rows = prompt->all_logits ? prompt->count : 1;
    if (rc == MEDVL_OK)
        rc = run_prompt(g, prompt, number, prompt->all_logits, prompt_row, &t,
                        err);
    return rc;
}

/* Arrays of a step, one token a running slot. */
struct step {
    int32_t *ids, *positions, *cu, *rows;
    int64_t *slots;
    struct slot **running;
};

static void release_step(struct step *s)
{
    medvl_free(s->ids);
    medvl_free(s->positions);
    medvl_free(s->cu);
    medvl_free(s->rows);
    medvl_free(s->slots);
    medvl_free(s->running);
}

static int make_step(struct step *s, int64_t slots, struct medvl_error *err)
{
    const size_t n = (size_t)slots + 1;

    s->ids = medvl_alloc(n, sizeof(*s->ids));
    s->positions = medvl_alloc(n, sizeof(*s->positions));
    s->cu = medvl_alloc(n, sizeof(*s->cu));
    s->rows = medvl_alloc(n, sizeof(*s->rows));
    s->slots = medvl_alloc(n, sizeof(*s->slots));
    s->running = medvl_alloc(n, sizeof(struct slot *));
    if (!s->ids || !s->positions || !s->cu || !s->rows || !s->slots ||
        !s->running)
        return medvl_no_memory(err);
    return MEDVL_OK;
}

/* One token for each running slot.  Returns how many ran, or an error. */
static int64_t run_step(struct medvl_generator *g, struct step *step,
                        struct medvl_error *err)
{
    struct taking t = {.g = g, .running = step->running};
    struct medvl_inputs in = {0};
    int64_t n = 0;
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < g->slot_count && rc == MEDVL_OK; i++) {
        if (!g->slots[i].busy)
            continue;
        step->ids[n] = g->slots[i].last;
        step->positions[n] = (int32_t)medvl_kvcache_length(g->cache, i);
        step->rows[n] = (int32_t)n;
        step->slots[n] = i;
        step->running[n++] = &g->slots[i];
        step->cu[n] = (int32_t)n;
        rc = medvl_kvcache_extend(g->cache, i, 1, err);
    }
    if (rc < 0 || n == 0)
        return rc;
    in.tokens.tokens = in.tokens.sequences = n;
    in.tokens.ids = step->ids;
    in.tokens.positions = step->positions;
    in.tokens.cu = step->cu;
    in.tokens.cache = g->cache;
    in.tokens.slots = step->slots;
    rc = run_inputs(g, &in, step->rows, n, step_row, &t, err);
    return rc < 0 ? rc : n;
}

static int run_all(struct medvl_completion *out, struct medvl_generator *g,
                   const struct medvl_prompt *prompts, int64_t count,
                   struct medvl_error *err)
{
    struct step step = {0};
    int64_t next = 0, ran = 1;
    int rc = make_step(&step, g->slot_count, err);

    while (rc == MEDVL_OK && (next < count || ran > 0)) {
        for (int64_t i = 0; i < g->slot_count && rc == MEDVL_OK; i++)
            while (!g->slots[i].busy && next < count && rc == MEDVL_OK) {
                rc = start(g, &out[next], &prompts[next], i, err);
                next++;
            }
        if (rc == MEDVL_OK)
            ran = run_step(g, &step, err);
        if (ran < 0)
            rc = (int)ran;
    }
    release_step(&step);
    return rc;
}

static int check_prompt(const struct medvl_generator *g,
                        const struct medvl_prompt *p, struct medvl_error *err)
{
    if (p->count < 1)
        return medvl_fail(err, MEDVL_EARG, "the prompt is empty");
    if (p->count + (p->max_tokens > 0) > g->longest)
        return medvl_fail(err, MEDVL_EARG,
                          "a prompt of %lld tokens; the model has room for "
                          "%lld",
                          (long long)p->count, (long long)g->longest);
    for (int64_t i = 0; i < p->count; i++)
        if (p->ids[i] < -1 || p->ids[i] >= g->vocab)
            return medvl_fail(err, MEDVL_EARG,
                              "token %d is outside the vocabulary of %lld",
                              (int)p->ids[i], (long long)g->vocab);
    return MEDVL_OK;
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
    const bool before = g->dev->row_invariant;
    int64_t longest = 1;
    int rc = MEDVL_OK;

    memset(out, 0, (size_t)count * sizeof(*out));
    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++) {
        rc = check_prompt(g, &prompts[i], err);
        if (room_of(g, &prompts[i]) > longest)
            longest = room_of(g, &prompts[i]);
    }
    if (rc == MEDVL_OK)
        rc = open_cache(g, longest, err);
    g->dev->row_invariant = true;
    if (rc == MEDVL_OK)
        rc = run_all(out, g, prompts, count, err);
    g->dev->row_invariant = before;
    for (int64_t i = 0; i < g->slot_count; i++)
        g->slots[i].busy = false;
    for (int64_t i = 0; i < count && rc < 0; i++)
        medvl_completion_release(&out[i]);
    return rc;
}

/* ---- scoring continuations ------------------------------------------- */

struct scoring {
    double *sums;
    const int32_t *const *continuations;
    const int64_t *counts;
    int64_t count, vocab;
    const int64_t *row_of; /* of a row: continuation and place in it */
};

/* The prompt's last row: every continuation's first token. */
static int first_row(void *arg, int64_t i, const float *logits,
                     struct medvl_error *err)
{
    const struct scoring *s = arg;

    (void)i;
    (void)err;
    for (int64_t c = 0; c < s->count; c++)
        s->sums[c] = s->counts[c] ? medvl_logprob(logits, s->vocab,
                                                  s->continuations[c][0])
                                  : 0;
    return MEDVL_OK;
}

static int later_row(void *arg, int64_t i, const float *logits,
                     struct medvl_error *err)
{
    const struct scoring *s = arg;
    const int64_t c = s->row_of[2 * i], at = s->row_of[2 * i + 1];

    (void)err;
    s->sums[c] += medvl_logprob(logits, s->vocab, s->continuations[c][at]);
    return MEDVL_OK;
}

/* One continuation after the prompt that stands in `from`. */
static int score_one(struct medvl_generator *g, struct scoring *s, int64_t c,
                     int64_t from, int64_t length, struct medvl_error *err)
{
    const int64_t n = s->counts[c] - 1;
    int64_t slot = 0, *row_of = medvl_alloc((size_t)n, 2 * sizeof(*row_of));
    int32_t *arrays = medvl_alloc((size_t)n, 2 * sizeof(*arrays));
    int32_t cu[2] = {0, (int32_t)n};
    struct medvl_inputs in = {0};
    int rc = row_of && arrays ? MEDVL_OK : medvl_no_memory(err);

    medvl_kvcache_clear(g->cache, slot);
    if (rc == MEDVL_OK)
        rc = medvl_kvcache_share(g->cache, slot, from, length, err);
    if (rc == MEDVL_OK)
        rc = medvl_kvcache_extend(g->cache, slot, n, err);
    for (int64_t i = 0; i < n && rc == MEDVL_OK; i++) {
        arrays[i] = (int32_t)(length + i);
        arrays[n + i] = (int32_t)i;
        row_of[2 * i] = c;
        row_of[2 * i + 1] = i + 1;
    }
    in.tokens.tokens = n;
    in.tokens.sequences = 1;
    in.tokens.ids = s->continuations[c];
    in.tokens.positions = arrays;
    in.tokens.cu = cu;
    in.tokens.cache = g->cache;
    in.tokens.slots = &slot;
    s->row_of = row_of;
    if (rc == MEDVL_OK)
        rc = run_inputs(g, &in, arrays + n, n, later_row, s, err);
    medvl_free(row_of);
    medvl_free(arrays);
    return rc;
}

int medvl_generator_score(double *sums, struct medvl_generator *generator,
                          const struct medvl_prompt *prompt,
                          const int32_t *const *continuations,
                          const int64_t *counts, int64_t count,
                          struct medvl_error *err)
{
    struct medvl_generator *g = generator;
    struct scoring s = {sums, continuations, counts, count, g->vocab, NULL};
    const bool before = g->dev->row_invariant;
    const int64_t from = g->slot_count;
    int64_t longest = prompt->count;
    int rc = check_prompt(g, prompt, err);

    for (int64_t c = 0; c < count; c++)
        if (prompt->count + counts[c] > longest)
            longest = prompt->count + counts[c];
    if (rc == MEDVL_OK && longest > g->longest + 1)
        rc = medvl_fail(err, MEDVL_EARG,
                        "a prompt of %lld tokens leaves no room for its "
                        "choices: the model has %lld",
                        (long long)prompt->count, (long long)g->longest);
    if (rc == MEDVL_OK)
        rc = open_cache(g, longest, err);
    g->dev->row_invariant = true;
    if (rc == MEDVL_OK)
        rc = run_prompt(g, prompt, from, false, first_row, &s, err);
    for (int64_t c = 0; c < count && rc == MEDVL_OK; c++)
        if (counts[c] > 1)
            rc = score_one(g, &s, c, from, prompt->count, err);
    g->dev->row_invariant = before;
    for (int64_t c = 0; c < count && rc == MEDVL_OK; c++)
        if (!isfinite(sums[c]))
            rc = medvl_fail(err, MEDVL_EFORMAT,
                            "the logits are not finite");
    return rc;
}
