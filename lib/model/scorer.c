/*
 * Some questions at a time: one pass over their prompts, whose last rows
 * give each choice's first token, then passes over the choices' other
 * tokens.  The first slots are the prompts', the others the choices'.
 *
 * Read next: ../train/loader.c.
 */
#include "lib/model/scorer.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/model/pass.h"
#include "lib/model/rope.h"
#include "lib/model/sampler.h"

/*
 * Choices in a pass at most.  A slot is a table of pages, no memory for
 * keys: that is the pool's, from which a choice takes what it needs, so
 * many pages a prompt at most unless one choice alone needs more.
 */
enum { CHOICE_SLOTS = 256,
       CHOICE_PAGES = 4 };

/* What a slot's rows of logits are for. */
struct place {
    const struct medvl_question *question;
    int64_t choice; /* -1: the prompt */
    int64_t token;  /* of the choice: the one that the next row predicts */
};

struct medvl_scorer {
    struct medvl_pass *pass;
    const struct medvl_decoder_config *config;
    int64_t prompts, positions, vocab;
    struct place *places; /* (prompts + CHOICE_SLOTS) */
};

int medvl_scorer_open(struct medvl_scorer **out,
                      const struct medvl_model *model,
                      struct medvl_device *dev, int64_t prompts,
                      struct medvl_error *err)
{
    struct medvl_scorer *s = medvl_alloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (!s)
        return medvl_no_memory(err);
    s->prompts = prompts ? prompts : 16;
    s->positions = medvl_rope_longest(&model->config.decoder);
    s->config = &model->config.decoder;
    s->vocab = s->config->vocab_size;
    s->places = medvl_alloc((size_t)(s->prompts + CHOICE_SLOTS),
                            sizeof(*s->places));
    rc = s->places ? medvl_pass_open(&s->pass, model, dev, err)
                   : medvl_no_memory(err);
    if (rc < 0) {
        medvl_scorer_free(s);
        return rc;
    }
    *out = s;
    return MEDVL_OK;
}

void medvl_scorer_free(struct medvl_scorer *scorer)
{
    if (!scorer)
        return;
    medvl_pass_free(scorer->pass);
    medvl_free(scorer->places);
    medvl_free(scorer);
}

/* ---- what is asked --------------------------------------------------- */

/* Tokens of prompt and longest choice that run: all but the last. */
static int64_t room_of(const struct medvl_question *q)
{
    int64_t most = 1;

    for (int64_t c = 0; c < q->choice_count; c++)
        if (q->choice_counts[c] > most)
            most = q->choice_counts[c];
    return q->count + most - 1;
}

/* Does the choice make the text so long that the prompt's keys no longer
 * hold (rope.h)?  Then prompt and choice run together. */
static bool runs_anew(const struct medvl_scorer *s,
                      const struct medvl_question *q, int64_t c)
{
    return medvl_rope_restarts(s->config, q->count,
                               q->count + q->choice_counts[c] - 1);
}

/* Tokens of a choice that run. */
static int64_t tokens_of(const struct medvl_scorer *s,
                         const struct medvl_question *q, int64_t c)
{
    return q->choice_counts[c] - 1 + (runs_anew(s, q, c) ? q->count : 0);
}

/* Pages of its own that a choice takes: the prompt's whole pages are shared,
 * what is on a part page is copied. */
static int64_t own_pages(const struct medvl_scorer *s,
                         const struct medvl_question *q, int64_t c)
{
    const int64_t copied = runs_anew(s, q, c) ? 0 : q->count % MEDVL_KV_PAGE;

    return medvl_kvcache_pages_for(copied + tokens_of(s, q, c));
}

int medvl_scorer_check(const struct medvl_scorer *scorer,
                       const struct medvl_question *question,
                       struct medvl_error *err)
{
    const struct medvl_question *q = question;
    int rc;

    if (q->count < 1)
        return medvl_fail(err, MEDVL_EARG, "the prompt is empty");
    if (room_of(q) > scorer->positions)
        return medvl_fail(err, MEDVL_EARG,
                          "a prompt of %lld tokens leaves no room for its "
                          "choices: the model has %lld",
                          (long long)q->count, (long long)scorer->positions);
    rc = medvl_pass_check_ids(scorer->pass, q->ids, q->count, -1, err);
    for (int64_t c = 0; c < q->choice_count && rc == MEDVL_OK; c++)
        rc = medvl_pass_check_ids(scorer->pass, q->choices[c],
                                  q->choice_counts[c], 0, err);
    return rc;
}

/* ---- rows ------------------------------------------------------------ */

/* The prompt's last row is the first token's of every choice. */
static int take_row(void *arg, void *owner, const float *logits,
                    struct medvl_error *err)
{
    const struct medvl_scorer *s = arg;
    struct place *p = owner;
    const struct medvl_question *q = p->question;

    (void)err;
    if (p->choice >= 0)
        q->sums[p->choice] += medvl_logprob(
            logits, s->vocab, q->choices[p->choice][p->token++]);
    for (int64_t c = 0; p->choice < 0 && c < q->choice_count; c++)
        q->sums[c] = q->choice_counts[c] ? medvl_logprob(logits, s->vocab,
                                                         q->choices[c][0])
                                         : 0;
    return MEDVL_OK;
}

/* ---- prompts --------------------------------------------------------- */

/* One pass over the first prompts.  Returns how many, or an error. */
static int64_t run_prompts(struct medvl_scorer *s,
                           const struct medvl_question *questions,
                           int64_t count, struct medvl_error *err)
{
    int64_t n = 0;
    int rc = MEDVL_OK;

    medvl_pass_begin(s->pass);
    while (n < count && n < s->prompts && rc >= 0) {
        const struct medvl_question *q = &questions[n];
        const struct medvl_piece piece = {.slot = n,
                                          .ids = q->ids,
                                          .count = q->count,
                                          .pictures = q->pictures,
                                          .wanted = 1,
                                          .owner = &s->places[n]};

        s->places[n] = (struct place){q, -1, 0};
        rc = medvl_pass_start(
            s->pass, &piece,
            MEDVL_PASS_TOKENS - medvl_pass_tokens(s->pass), err);
        if (rc == 0)
            break;
        n++;
    }
    if (rc >= 0)
        rc = medvl_pass_run(s->pass, take_row, s, err);
    return rc < 0 ? rc : n;
}

/* ---- choices --------------------------------------------------------- */

/* Choices of a group of prompts that share a pass. */
struct choices {
    struct medvl_scorer *s;
    int64_t count; /* in the pass so far */
};

static void begin_choices(struct choices *all)
{
    struct medvl_kvcache *cache = medvl_pass_cache(all->s->pass);

    for (int64_t i = 0; i < CHOICE_SLOTS; i++)
        medvl_kvcache_clear(cache, all->s->prompts + i);
    all->count = 0;
    medvl_pass_begin(all->s->pass);
}

static int run_choices(struct choices *all, struct medvl_error *err)
{
    return all->count ? medvl_pass_run(all->s->pass, take_row, all->s, err)
                      : MEDVL_OK;
}

/* May the choice be in this pass too? */
static bool choice_fits(const struct choices *all,
                        const struct medvl_question *q, int64_t c)
{
    const struct medvl_pass *pass = all->s->pass;

    return all->count < CHOICE_SLOTS &&
           tokens_of(all->s, q, c) <=
               MEDVL_PASS_TOKENS - medvl_pass_tokens(pass) &&
           own_pages(all->s, q, c) * MEDVL_KV_PAGE <=
               medvl_kvcache_free_tokens(medvl_pass_cache(pass));
}

/* The prompt, and behind it the piece of a choice, in an empty slot. */
static int add_anew(struct medvl_scorer *s, const struct medvl_piece *choice,
                    const struct medvl_question *q, struct medvl_error *err)
{
    struct medvl_piece piece = *choice;
    int32_t *ids;
    int rc;

    piece.count += q->count;
    piece.pictures = q->pictures;
    ids = medvl_alloc((size_t)piece.count, sizeof(*ids));
    if (!ids)
        return medvl_no_memory(err);
    memcpy(ids, q->ids, (size_t)q->count * sizeof(*ids));
    memcpy(ids + q->count, choice->ids,
           (size_t)choice->count * sizeof(*ids));
    piece.ids = ids;
    rc = medvl_pass_add(s->pass, &piece, err);
    medvl_free(ids);
    return rc;
}

/* All but the last token of choice c behind the prompt in slot `from`. */
static int add_choice(struct choices *all, const struct medvl_question *q,
                      int64_t from, int64_t c, struct medvl_error *err)
{
    struct medvl_scorer *s = all->s;
    struct medvl_kvcache *cache = medvl_pass_cache(s->pass);
    const int64_t slot = s->prompts + all->count;
    const struct medvl_piece piece = {.slot = slot,
                                      .ids = q->choices[c],
                                      .count = q->choice_counts[c] - 1,
                                      .wanted = q->choice_counts[c] - 1,
                                      .owner = &s->places[slot]};
    int rc;

    s->places[slot] = (struct place){q, c, 1};
    all->count++;
    if (runs_anew(s, q, c))
        return add_anew(s, &piece, q, err);
    rc = medvl_kvcache_share(cache, slot, from, q->count,
                             medvl_kvcache_next(cache, from), err);
    return rc < 0 ? rc : medvl_pass_add(s->pass, &piece, err);
}

/* Every choice of more than one token of the prompts in slots 0.. */
static int score_choices(struct medvl_scorer *s,
                         const struct medvl_question *questions,
                         int64_t count, struct medvl_error *err)
{
    struct choices all = {.s = s};
    int rc = MEDVL_OK;

    begin_choices(&all);
    for (int64_t i = 0; i < count; i++) {
        const struct medvl_question *q = &questions[i];

        for (int64_t c = 0; c < q->choice_count && rc == MEDVL_OK; c++) {
            if (q->choice_counts[c] < 2)
                continue;
            if (all.count && !choice_fits(&all, q, c)) {
                rc = run_choices(&all, err);
                begin_choices(&all);
            }
            if (rc == MEDVL_OK)
                rc = add_choice(&all, q, i, c, err);
        }
    }
    if (rc == MEDVL_OK)
        rc = run_choices(&all, err);
    begin_choices(&all);
    return rc;
}

/* Room for the prompts, and beside them for the choices: of the longest
 * question always one. */
static int reserve(struct medvl_scorer *s,
                   const struct medvl_question *questions, int64_t count,
                   struct medvl_error *err)
{
    int64_t longest = 1, own = 0, pages;

    for (int64_t i = 0; i < count; i++) {
        const struct medvl_question *q = &questions[i];

        if (room_of(q) > longest)
            longest = room_of(q);
        for (int64_t c = 0; c < q->choice_count; c++)
            if (q->choice_counts[c] > 1)
                own += own_pages(s, q, c);
    }
    pages = medvl_kvcache_pages_for(longest);
    if (own > CHOICE_PAGES * s->prompts)
        own = CHOICE_PAGES * s->prompts;
    if (own < pages)
        own = pages;
    return medvl_pass_reserve(s->pass, s->prompts + CHOICE_SLOTS, longest,
                              s->prompts * pages + own, err);
}

int medvl_scorer_run(struct medvl_scorer *scorer,
                     const struct medvl_question *questions, int64_t count,
                     struct medvl_error *err)
{
    int64_t done = 0;
    int rc = MEDVL_OK;

    for (int64_t i = 0; i < count && rc == MEDVL_OK; i++)
        rc = medvl_scorer_check(scorer, &questions[i], err);
    if (rc == MEDVL_OK)
        rc = reserve(scorer, questions, count, err);
    while (rc == MEDVL_OK && done < count) {
        const int64_t n = run_prompts(scorer, questions + done, count - done,
                                      err);

        rc = n < 0 ? (int)n
                   : score_choices(scorer, questions + done, n, err);
        done += n;
    }
    return rc;
}
