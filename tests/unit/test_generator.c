/*
 * The generating engine on a tiny random model, and the whole command on a
 * published one (stories260K, beside its reference; skipped without it).
 */
#include "tests/unit/passes.h"

#include "lib/base/text.h"
#include "lib/model/generator.h"
#include "lib/model/pass.h"
#include "lib/run/generate.h"
#include "lib/tensor/safetensors.h"

#define TINY    "tests/golden/models/llama" /* 71 tokens, 64 positions */
#define PROMPTS 20
#define VOCAB   71
#define LONGEST 64

struct subject {
    struct medvl_device *dev;
    struct medvl_model *model;
    struct medvl_generator *generator;
    struct medvl_error err;
};

static int subject_try(struct subject *s, const char *folder, int64_t slots,
                       struct medvl_error *err)
{
    const struct medvl_generator_options options = {.slots = slots};
    int rc;

    memset(s, 0, sizeof(*s));
    rc = medvl_device_open_cpu(&s->dev, NULL, MEDVL_ISA_AVX2, err);
    if (rc == MEDVL_OK)
        rc = medvl_model_open(&s->model, folder, 0, err);
    if (rc == MEDVL_OK)
        rc = medvl_generator_open(&s->generator, s->model, s->dev, &options,
                                  err);
    return rc;
}

static void subject_open(struct subject *s, int64_t slots)
{
    struct medvl_error err = {0};

    CHECK_OK(subject_try(s, TINY, slots, &err), &err);
}

static void subject_release(struct subject *s)
{
    medvl_generator_free(s->generator);
    medvl_model_free(s->model);
    medvl_device_free(s->dev);
}

/* Prompts of 1 to 23 tokens, answers of up to 11. */
static void make_prompts(struct medvl_prompt *prompts, int32_t (*ids)[LONGEST])
{
    for (int p = 0; p < PROMPTS; p++) {
        const int count = 1 + p * 7 % 23;

        for (int i = 0; i < count; i++)
            ids[p][i] = (p * 31 + i * 17 + 3) % VOCAB;
        prompts[p] = (struct medvl_prompt){
            .ids = ids[p],
            .count = count,
            .max_tokens = 1 + p * 5 % 11,
            .sampler = {.temperature = p % 3 ? 0.8f : 0, .repetition = 1.2f},
            .seed = 7,
            .item = (uint64_t)p,
        };
    }
}

static void same_completion(const struct medvl_completion *a,
                            const struct medvl_completion *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->finish, b->finish);
    assert_memory_equal(&a->logprob, &b->logprob, sizeof(a->logprob));
    if (!a->count)
        return;
    assert_memory_equal(a->tokens, b->tokens,
                        (size_t)a->count * sizeof(*a->tokens));
    assert_memory_equal(a->logprobs, b->logprobs,
                        (size_t)a->count * sizeof(*a->logprobs));
}

static void release_all(struct medvl_completion *done, int count)
{
    for (int i = 0; i < count; i++)
        medvl_completion_release(&done[i]);
}

static void check_alone_and_among_others(const char *folder)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion alone[PROMPTS], among[PROMPTS];
    int32_t ids[PROMPTS][LONGEST];
    struct subject s;

    make_prompts(prompts, ids);
    CHECK_OK(subject_try(&s, folder, 1, &s.err), &s.err);
    for (int i = 0; i < PROMPTS; i++)
        CHECK_OK(medvl_generate(&alone[i], s.generator, &prompts[i], 1,
                                &s.err),
                 &s.err);
    subject_release(&s);
    for (int64_t slots = 3; slots <= 16; slots += 13) {
        CHECK_OK(subject_try(&s, folder, slots, &s.err), &s.err);
        CHECK_OK(medvl_generate(among, s.generator, prompts, PROMPTS, &s.err),
                 &s.err);
        for (int i = 0; i < PROMPTS; i++)
            same_completion(&alone[i], &among[i]);
        release_all(among, PROMPTS);
        subject_release(&s);
    }
    release_all(alone, PROMPTS);
}

/* A window, learned positions, and ropes that ask how long the text is:
 * prompts begin and grow on both sides of those lengths. */
static void a_prompt_gets_the_same_alone_and_among_others(void **state)
{
    (void)state;
    check_alone_and_among_others(TINY);
    check_alone_and_among_others("tests/golden/models/mistral");
    check_alone_and_among_others("tests/golden/models/gpt2");
    check_alone_and_among_others("tests/golden/models/llama_dynamic_long");
    check_alone_and_among_others("tests/golden/models/phi3_longrope");
}

/* Phi-3 past its first length of 24: keys that ran anew are no beginning of
 * a short prompt. */
static void what_ran_anew_is_shared_with_no_short_prompt(void **state)
{
    static const char *const folder = "tests/golden/models/phi3_longrope";
    struct medvl_prompt prompts[2] = {{.count = 20, .max_tokens = 12},
                                      {.count = 22, .max_tokens = 2}};
    struct medvl_completion alone, first, second;
    int32_t ids[LONGEST];
    struct subject s;

    (void)state;
    for (int i = 0; i < LONGEST; i++)
        ids[i] = (i * 17 + 3) % VOCAB;
    prompts[0].ids = prompts[1].ids = ids;
    CHECK_OK(subject_try(&s, folder, 2, &s.err), &s.err);
    CHECK_OK(medvl_generate(&alone, s.generator, &prompts[1], 1, &s.err),
             &s.err);
    subject_release(&s);
    CHECK_OK(subject_try(&s, folder, 2, &s.err), &s.err);
    CHECK_OK(medvl_generate(&first, s.generator, &prompts[0], 1, &s.err),
             &s.err);
    CHECK_OK(medvl_generate(&second, s.generator, &prompts[1], 1, &s.err),
             &s.err);
    same_completion(&alone, &second);
    medvl_completion_release(&alone);
    medvl_completion_release(&first);
    medvl_completion_release(&second);
    subject_release(&s);
}

static void another_seed_gives_another_answer(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion a, b;
    int32_t ids[PROMPTS][LONGEST];
    struct subject s;

    (void)state;
    make_prompts(prompts, ids);
    prompts[1].max_tokens = 20;
    subject_open(&s, 2);
    CHECK_OK(medvl_generate(&a, s.generator, &prompts[1], 1, &s.err), &s.err);
    prompts[1].seed++;
    CHECK_OK(medvl_generate(&b, s.generator, &prompts[1], 1, &s.err), &s.err);
    assert_true(a.count != b.count ||
                memcmp(a.tokens, b.tokens,
                       (size_t)a.count * sizeof(*a.tokens)));
    medvl_completion_release(&a);
    medvl_completion_release(&b);
    subject_release(&s);
}

/* ---- rows of logits -------------------------------------------------- */

struct rows {
    float logits[LONGEST][VOCAB];
    int64_t first, count;
};

static int keep_row(void *arg, int64_t row, const float *logits,
                    int64_t vocab, struct medvl_error *err)
{
    struct rows *rows = arg;

    (void)err;
    assert_true(vocab <= VOCAB);
    assert_int_equal(row, rows->first + rows->count);
    assert_true(row < LONGEST);
    memcpy(rows->logits[row], logits, (size_t)vocab * sizeof(*logits));
    rows->count++;
    return MEDVL_OK;
}

static void every_token_has_its_row_and_the_cache_changes_none(void **state)
{
    static struct rows steps, whole;
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion done, again;
    int32_t ids[PROMPTS][LONGEST];
    struct medvl_prompt *p = &prompts[5];
    struct subject s;

    (void)state;
    memset(&steps, 0, sizeof(steps));
    memset(&whole, 0, sizeof(whole));
    make_prompts(prompts, ids);
    p->max_tokens = 9;
    p->logits = keep_row;
    p->all_logits = true;
    p->arg = &steps;
    subject_open(&s, 2);
    CHECK_OK(medvl_generate(&done, s.generator, p, 1, &s.err), &s.err);
    assert_int_equal(steps.count, p->count + done.count);

    memcpy(ids[5] + p->count, done.tokens,
           (size_t)done.count * sizeof(*done.tokens));
    p->count += done.count;
    p->max_tokens = 0;
    p->arg = &whole;
    CHECK_OK(medvl_generate(&again, s.generator, p, 1, &s.err), &s.err);
    assert_int_equal(again.count, 0);
    assert_int_equal(whole.count, steps.count);
    for (int64_t r = 0; r < whole.count; r++)
        for (int i = 0; i < VOCAB; i++)
            CHECK_CLOSE(steps.logits[r][i], whole.logits[r][i], 1e-5);
    medvl_completion_release(&done);
    medvl_completion_release(&again);
    subject_release(&s);
}

/* ---- who shares a pass ------------------------------------------------ */

#define MANY 70

/* Every kind of prompt: unequal, with pictures, all rows, nothing new. */
struct crowd {
    struct medvl_prompt prompts[MANY];
    struct rows rows[MANY];
    int32_t ids[MANY][LONGEST];
    float pictures[3][2 * PICTURE_TOKENS * PICTURE_ROW];
    int count;
};

static struct crowd *crowd_new(int count)
{
    struct crowd *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->count = count;
    for (int p = 0; p < count; p++) {
        const int pictures = p % 4 == 3 ? 0 : p % 3;
        const int before = p * 5 % 9, after = 1 + p * 7 % 12;
        int32_t *id = c->ids[p];

        for (int i = 0; i < before; i++)
            *id++ = (p * 13 + i * 29 + 1) % 60;
        for (int i = 0; i < pictures * PICTURE_TOKENS; i++)
            *id++ = -1;
        for (int i = 0; i < after; i++)
            *id++ = (p * 41 + i * 11 + 2) % 60;
        c->prompts[p] = (struct medvl_prompt){
            .ids = c->ids[p],
            .count = id - c->ids[p],
            .max_tokens = p * 3 % 7,
            .sampler = {.temperature = p % 2 ? 0.9f : 0},
            .seed = 3,
            .item = (uint64_t)p,
            .logits = p % 5 ? keep_row : NULL,
            .all_logits = p % 5 > 2,
            .arg = &c->rows[p],
        };
        c->rows[p].first = c->prompts[p].all_logits ? 0
                                                    : c->prompts[p].count - 1;
        if (pictures)
            c->prompts[p].pictures = passes_pictures(c->pictures[p % 3],
                                                     pictures, p % 3);
    }
    return c;
}

static void every_kind_of_prompt_gets_the_same_in_any_company(void **state)
{
    enum { KINDS = 31 };
    struct medvl_completion alone[KINDS], among[KINDS];
    struct crowd *a = crowd_new(KINDS), *b = crowd_new(KINDS);
    struct subject s;
    int64_t rows = 0;

    (void)state;
    CHECK_OK(subject_try(&s, LLAVA, 1, &s.err), &s.err);
    for (int i = 0; i < KINDS; i++)
        CHECK_OK(medvl_generate(&alone[i], s.generator, &a->prompts[i], 1,
                                &s.err),
                 &s.err);
    subject_release(&s);
    for (int64_t slots = 1; slots <= 31; slots += 15) {
        CHECK_OK(subject_try(&s, LLAVA, slots, &s.err), &s.err);
        for (int i = 0; i < KINDS; i++)
            b->rows[i].count = 0;
        CHECK_OK(medvl_generate(among, s.generator, b->prompts, KINDS,
                                &s.err),
                 &s.err);
        for (int i = 0; i < KINDS; i++) {
            same_completion(&alone[i], &among[i]);
            assert_int_equal(a->rows[i].count, b->rows[i].count);
            assert_memory_equal(a->rows[i].logits, b->rows[i].logits,
                                sizeof(a->rows[i].logits));
            rows += b->rows[i].count;
        }
        release_all(among, KINDS);
        subject_release(&s);
    }
    assert_true(rows > 300);
    release_all(alone, KINDS);
    free(a);
    free(b);
}

static void prompts_that_start_together_read_the_weights_once(void **state)
{
    struct medvl_prompt prompts[MANY];
    struct medvl_completion done[MANY];
    int32_t ids[MANY + 3] = {0};
    struct subject s;

    (void)state;
    subject_open(&s, 16);
    passes_watch(s.dev);
    s.model->config.eos_count = 0;
    for (int i = 0; i < MANY; i++)
        prompts[i] = (struct medvl_prompt){
            .ids = &ids[i], .count = 1 + i % 3, .max_tokens = 3};
    CHECK_OK(medvl_generate(done, s.generator, prompts, 16, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 3);
    release_all(done, 16);

    /* The next ones start beside the tokens of those that run. */
    for (int i = 0; i < 40; i++)
        prompts[i].max_tokens = i ? 1 : 5;
    CHECK_OK(medvl_generate(done, s.generator, prompts, 40, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 5);
    release_all(done, 40);
    subject_release(&s);
}

static void a_pass_has_a_bounded_number_of_prompt_tokens(void **state)
{
    struct medvl_prompt prompts[MANY];
    struct medvl_completion alone[MANY], among[MANY];
    static int32_t ids[MEDVL_PASS_TOKENS + MANY];
    const int64_t fit = MEDVL_PASS_TOKENS / 40;
    struct subject s;

    (void)state;
    subject_open(&s, MANY);
    passes_watch(s.dev);
    s.model->config.eos_count = 0;
    for (int i = 0; i < VOCAB; i++)
        ids[i] = i;
    for (int i = 0; i < MANY; i++) {
        prompts[i] = (struct medvl_prompt){
            .ids = &ids[i], .count = 40, .max_tokens = 1 + i % 2};
        CHECK_OK(medvl_generate(&alone[i], s.generator, &prompts[i], 1,
                                &s.err),
                 &s.err);
    }
    /* One that holds none of them. */
    medvl_generator_free(s.generator);
    CHECK_OK(medvl_generator_open(
                 &s.generator, s.model, s.dev,
                 &(struct medvl_generator_options){.slots = MANY}, &s.err),
             &s.err);
    passes_taken(s.model);
    assert_true(fit < MANY && 2 * fit > MANY);
    CHECK_OK(medvl_generate(among, s.generator, prompts, MANY, &s.err),
             &s.err);
    assert_int_equal(passes_taken(s.model), 3);
    for (int i = 0; i < MANY; i++)
        same_completion(&alone[i], &among[i]);
    release_all(alone, MANY);
    release_all(among, MANY);
    medvl_generator_free(s.generator);

    /* A longer one has a pass to itself. */
    s.model->config.decoder.max_positions = MEDVL_PASS_TOKENS + 1;
    CHECK_OK(medvl_generator_open(&s.generator, s.model, s.dev,
                                  &(struct medvl_generator_options){0},
                                  &s.err),
             &s.err);
    for (int i = 0; i < 3; i++)
        prompts[i].max_tokens = 0;
    prompts[1].count = MEDVL_PASS_TOKENS + 1;
    CHECK_OK(medvl_generate(among, s.generator, prompts, 3, &s.err), &s.err);
    assert_int_equal(passes_taken(s.model), 3);
    release_all(among, 3);
    subject_release(&s);
}

/* ---- ends ------------------------------------------------------------ */

static bool stop_at_four(void *arg, const int32_t *tokens, int64_t count)
{
    (void)arg;
    (void)tokens;
    return count == 4;
}

static void an_answer_ends_where_it_is_told_to(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion done;
    int32_t ids[PROMPTS][LONGEST] = {0};
    struct subject s;

    (void)state;
    make_prompts(prompts, ids);
    subject_open(&s, 2);
    s.model->config.eos_count = 0;
    prompts[1].max_tokens = 1000;
    prompts[1].stop = stop_at_four;
    CHECK_OK(medvl_generate(&done, s.generator, &prompts[1], 1, &s.err),
             &s.err);
    assert_int_equal(done.count, 4);
    assert_int_equal(done.finish, MEDVL_FINISH_STOP);
    medvl_completion_release(&done);

    /* The model's positions are an end too. */
    prompts[1].stop = NULL;
    prompts[1].count = LONGEST - 3;
    CHECK_OK(medvl_generate(&done, s.generator, &prompts[1], 1, &s.err),
             &s.err);
    assert_int_equal(done.count, 3);
    assert_int_equal(done.finish, MEDVL_FINISH_LENGTH);
    medvl_completion_release(&done);

    /* Whatever it says next is now the end token. */
    prompts[2].max_tokens = 5;
    prompts[2].sampler.temperature = 0;
    CHECK_OK(medvl_generate(&done, s.generator, &prompts[2], 1, &s.err),
             &s.err);
    assert_true(done.count > 0);
    s.model->config.eos[0] = done.tokens[0];
    s.model->config.eos_count = 1;
    medvl_completion_release(&done);
    CHECK_OK(medvl_generate(&done, s.generator, &prompts[2], 1, &s.err),
             &s.err);
    assert_int_equal(done.count, 0);
    assert_int_equal(done.finish, MEDVL_FINISH_STOP);
    assert_true(done.logprob < 0);
    medvl_completion_release(&done);
    subject_release(&s);
}

static void a_bad_prompt_is_an_error_that_says_why(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion done[2];
    int32_t ids[PROMPTS][LONGEST] = {0};
    struct subject s;

    (void)state;
    make_prompts(prompts, ids);
    subject_open(&s, 2);
    prompts[1].count = LONGEST;
    CHECK_FAILS(medvl_generate(done, s.generator, prompts, 2, &s.err),
                MEDVL_EARG, &s.err, "64 tokens");
    CHECK_OK(medvl_generator_check(s.generator, &prompts[0], &s.err), &s.err);
    CHECK_FAILS(medvl_generator_check(s.generator, &prompts[1], &s.err),
                MEDVL_EARG, &s.err, "room for 64, the answer too");
    prompts[1].count = 0;
    CHECK_FAILS(medvl_generate(done, s.generator, prompts, 2, &s.err),
                MEDVL_EARG, &s.err, "empty");
    prompts[1].count = 3;
    ids[1][2] = VOCAB;
    CHECK_FAILS(medvl_generate(done, s.generator, prompts, 2, &s.err),
                MEDVL_EARG, &s.err, "vocabulary");
    subject_release(&s);
}

static void a_model_that_is_not_finite_says_so(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion done;
    int32_t ids[PROMPTS][LONGEST];
    struct subject s;
    float *norm;

    (void)state;
    make_prompts(prompts, ids);
    subject_open(&s, 2);
    medvl_model_load(s.model);
    norm = medvl_model_param(s.model, "decoder.norm.weight")->value.data;
    norm[0] = NAN;
    CHECK_OK(medvl_generate(&done, s.generator, prompts, 1, &s.err), &s.err);
    assert_int_equal(done.count, 0);
    CHECK_FAILS(medvl_completion_check(&done, prompts, &s.err),
                MEDVL_EFORMAT, &s.err, "finite");
    medvl_completion_release(&done);
    norm[0] = 1;
    CHECK_OK(medvl_generate(&done, s.generator, prompts, 1, &s.err), &s.err);
    CHECK_OK(medvl_completion_check(&done, prompts, &s.err), &s.err);
    medvl_completion_release(&done);
    subject_release(&s);
}

static int generate(void *arg, struct medvl_error *err)
{
    struct medvl_completion done[3] = {0};
    struct subject s;
    int rc = subject_try(&s, TINY, 2, err);

    if (rc == MEDVL_OK)
        rc = medvl_generate(done, s.generator, arg, 3, err);
    release_all(done, 3);
    subject_release(&s);
    return rc;
}

static void there_is_an_answer_or_no_memory(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    int32_t ids[PROMPTS][LONGEST];

    (void)state;
    make_prompts(prompts, ids);
    check_no_memory(generate, prompts, 3000);
}

static void a_loaded_model_says_the_same_as_a_mapped_one(void **state)
{
    struct medvl_prompt prompts[PROMPTS];
    struct medvl_completion mapped, loaded;
    int32_t ids[PROMPTS][LONGEST];
    struct medvl_model *model;
    struct subject s;

    (void)state;
    make_prompts(prompts, ids);
    subject_open(&s, 2);
    CHECK_OK(medvl_generate(&mapped, s.generator, prompts, 1, &s.err),
             &s.err);
    CHECK_OK(medvl_model_open(&model, TINY, 0, &s.err), &s.err);
    medvl_generator_free(s.generator);
    medvl_model_free(s.model);
    s.model = model;
    medvl_model_load(s.model);
    CHECK_OK(medvl_generator_open(&s.generator, s.model, s.dev,
                                  &(struct medvl_generator_options){0},
                                  &s.err),
             &s.err);
    CHECK_OK(medvl_generate(&loaded, s.generator, prompts, 1, &s.err),
             &s.err);
    same_completion(&mapped, &loaded);
    medvl_completion_release(&mapped);
    medvl_completion_release(&loaded);
    subject_release(&s);
}

/* ---- stories260K ----------------------------------------------------- */

struct stories {
    char *model, *folder, *in, *out, *logits;
    struct medvl_json *expected;
};

static bool stories_open(struct stories *s)
{
    const char *data = getenv("MEDVL_DATA");
    char folder[] = "/tmp/test_generator_XXXXXX";
    struct medvl_text path = {0};
    struct medvl_error err = {0};

    memset(s, 0, sizeof(*s));
    CHECK_OK(medvl_text_printf(&path, &err, "%s/models/stories260k",
                               data ? data : ""),
             &err);
    s->model = path.data;
    if (!data || !medvl_folder_exists(s->model)) {
        print_message("MEDVL_DATA/models/stories260k is not there\n");
        medvl_text_release(&path);
        return false;
    }
    assert_non_null(mkdtemp(folder));
    s->folder = strdup(folder);
    CHECK_OK(medvl_path_join(&s->in, folder, "in.jsonl", &err), &err);
    CHECK_OK(medvl_path_join(&s->out, folder, "out.jsonl", &err), &err);
    CHECK_OK(medvl_path_join(&s->logits, folder, "logits", &err), &err);
    memset(&path, 0, sizeof(path));
    CHECK_OK(medvl_path_join(&path.data, s->model, "expected.json", &err),
             &err);
    CHECK_OK(medvl_json_read(&s->expected, path.data, &err), &err);
    medvl_free(path.data);
    return true;
}

static void stories_release(struct stories *s)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_path_remove(s->folder, &err), &err);
    medvl_json_free(s->expected);
    medvl_free(s->model);
    free(s->folder);
    medvl_free(s->in);
    medvl_free(s->out);
    medvl_free(s->logits);
}

/* {"id":"ID","tokens":[the first `count`]} */
static void add_record(struct medvl_text *out, int id,
                       const struct medvl_json *ids, size_t count)
{
    struct medvl_error err = {0};
    size_t i = 0;

    CHECK_OK(medvl_text_printf(out, &err, "{\"id\":\"%d\",\"tokens\":[", id),
             &err);
    for (const struct medvl_json *t = medvl_json_first(ids); t && i < count;
         t = medvl_json_next(t), i++)
        CHECK_OK(medvl_text_printf(out, &err, "%s%d", i ? "," : "",
                                   (int)medvl_json_number(t, -1)),
                 &err);
    CHECK_OK(medvl_text_append(out, "]}\n", 3, &err), &err);
}

static void stories_run(struct stories *s, struct medvl_text *in,
                        int64_t max_tokens, const char *logits)
{
    const struct medvl_generate_options options = {
        .model = s->model,
        .max_tokens = max_tokens,
        .logits = logits,
    };
    const struct medvl_loop_options loop = {
        .files = (const char *const *)&s->in,
        .file_count = 1,
        .output = s->out,
    };
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_write(s->in, in->data, in->size, &err), &err);
    CHECK_OK(medvl_loop_batch(&medvl_generate_batch, &options, &loop, NULL,
                              &err),
             &err);
    medvl_text_clear(in);
}

struct greedy {
    const struct medvl_json *next; /* of the reference's list */
    int64_t most;                  /* new tokens at most */
    int count;
};

static int check_greedy(void *arg, struct medvl_record *record,
                        struct medvl_error *err)
{
    struct greedy *g = arg;
    const struct medvl_json *want =
        medvl_json_first(medvl_json_get(g->next, "greedy_ids"));
    const size_t prompt =
        medvl_json_count(medvl_json_get(g->next, "prompt_ids"));
    int32_t *got = NULL;
    size_t count = 0, capacity = 0;

    (void)err;
    CHECK_OK(medvl_json_read_ints(&got, &count, &capacity,
                                  medvl_record_get(record,
                                                   "prediction_tokens"),
                                  0, INT32_MAX, err),
             err);
    for (size_t i = 0; i < prompt; i++)
        want = medvl_json_next(want);
    for (size_t i = 0; i < count && want; i++, want = medvl_json_next(want))
        assert_int_equal(got[i], (int)medvl_json_number(want, -1));
    assert_true((int64_t)count == g->most);
    assert_true(!want || g->most < 200);
    medvl_free(got);
    g->next = medvl_json_next(g->next);
    g->count++;
    return MEDVL_OK;
}

static void the_five_greedy_texts_are_exact(void **state)
{
    struct medvl_text in = {0};
    struct medvl_error err = {0};
    const struct medvl_json *texts, *text;
    struct stories s;
    struct greedy all;
    int id = 0;

    (void)state;
    if (!stories_open(&s))
        skip();
    texts = medvl_json_get(s.expected, "greedy");
    assert_int_equal(medvl_json_count(texts), 5);

    /* Each to its end, alone; then all at once as far as the shortest. */
    for (text = medvl_json_first(texts); text; text = medvl_json_next(text)) {
        const struct medvl_json *ids = medvl_json_get(text, "greedy_ids");
        const struct medvl_json *prompt = medvl_json_get(text, "prompt_ids");
        struct greedy one = {text, 0, 0};

        one.most = (int64_t)(medvl_json_count(ids) -
                             medvl_json_count(prompt));
        add_record(&in, id++, prompt, SIZE_MAX);
        stories_run(&s, &in, one.most, NULL);
        CHECK_OK(medvl_loop_each(s.out, 0, check_greedy, &one, &err), &err);
        assert_int_equal(one.count, 1);
    }
    all = (struct greedy){medvl_json_first(texts), 90, 0};
    for (text = medvl_json_first(texts); text; text = medvl_json_next(text))
        add_record(&in, id++, medvl_json_get(text, "prompt_ids"), SIZE_MAX);
    stories_run(&s, &in, all.most, NULL);
    CHECK_OK(medvl_loop_each(s.out, 0, check_greedy, &all, &err), &err);
    assert_int_equal(all.count, 5);
    medvl_text_release(&in);
    stories_release(&s);
}

/* Mean of -log p of ids 1.. under the rows; one by one where given. */
static double mean_nll(const struct medvl_tensor *rows,
                       const struct medvl_json *ids, size_t count,
                       const struct medvl_json *each)
{
    const int64_t vocab = rows->size[1];
    const struct medvl_json *id = medvl_json_next(medvl_json_first(ids));
    double sum = 0;

    for (size_t i = 0; i + 1 < count; i++, id = medvl_json_next(id)) {
        const double nll =
            -medvl_logprob((const float *)rows->data + (int64_t)i * vocab,
                           vocab, (int32_t)medvl_json_number(id, -1));

        if (each)
            CHECK_CLOSE(nll, medvl_json_number(medvl_json_at(each, i), -1),
                        1e-5);
        sum += nll;
    }
    return sum / (double)(count - 1);
}

/* The five largest of each row and its log-sum-exp. */
static void check_rows(const struct medvl_tensor *rows,
                       const struct medvl_json *want)
{
    double largest = 0, worst = 0;

    for (const struct medvl_json *row = medvl_json_first(want); row;
         row = medvl_json_next(row)) {
        const int64_t at = (int64_t)medvl_json_number(
            medvl_json_get(row, "position"), -1);
        const float *logits = (const float *)rows->data + at * rows->size[1];
        const struct medvl_json *top =
            medvl_json_first(medvl_json_get(row, "top5"));

        assert_true(at >= 0 && at < rows->size[0]);
        for (; top; top = medvl_json_next(top)) {
            const int id = (int)medvl_json_number(medvl_json_at(top, 0), -1);
            const double value = medvl_json_number(medvl_json_at(top, 1), 0);

            largest = fmax(largest, fabs(value));
            worst = fmax(worst, fabs(value - (double)logits[id]));
        }
        CHECK_CLOSE((double)logits[3] - medvl_logprob(logits, rows->size[1],
                                                      3),
                    medvl_json_number(medvl_json_get(row, "logsumexp"), 0),
                    1e-4);
    }
    assert_true(largest > 10);
    CHECK_CLOSE(worst, 0, 1e-4 * largest);
}

static void logits_and_losses_are_the_references(void **state)
{
    const struct medvl_json *forced, *ids, *text, *texts;
    struct medvl_safetensors *file;
    const struct medvl_tensor *rows;
    struct medvl_text in = {0};
    struct medvl_error err = {0};
    struct stories s;
    size_t first;

    (void)state;
    if (!stories_open(&s))
        skip();
    forced = medvl_json_get(s.expected, "teacher_forced");
    ids = medvl_json_get(forced, "ids");
    text = medvl_json_get(s.expected, "long_text");
    texts = medvl_json_get(medvl_json_first(medvl_json_get(s.expected,
                                                           "greedy")),
                           "greedy_ids");
    first = (size_t)medvl_json_number(medvl_json_get(text, "ids_first"), 0);
    add_record(&in, 1, ids, SIZE_MAX);
    add_record(&in, 2, texts, first);
    stories_run(&s, &in, 0, s.logits);
    CHECK_OK(medvl_safetensors_open(&file, s.logits, &err), &err);

    rows = medvl_safetensors_find(file, "1");
    assert_non_null(rows);
    assert_int_equal(rows->size[0], medvl_json_count(ids));
    check_rows(rows, medvl_json_get(forced, "logits"));
    CHECK_CLOSE(mean_nll(rows, ids, medvl_json_count(ids),
                         medvl_json_get(forced, "nll_per_token")),
                medvl_json_number(medvl_json_get(forced, "mean_nll"), 0),
                2e-6);
    rows = medvl_safetensors_find(file, "2");
    assert_non_null(rows);
    assert_int_equal(rows->size[0], first);
    CHECK_CLOSE(mean_nll(rows, texts, first, NULL),
                medvl_json_number(medvl_json_get(text, "mean_nll"), 0), 2e-6);
    medvl_safetensors_free(file);
    medvl_text_release(&in);
    stories_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_gets_the_same_alone_and_among_others),
        cmocka_unit_test(what_ran_anew_is_shared_with_no_short_prompt),
        cmocka_unit_test(another_seed_gives_another_answer),
        cmocka_unit_test(every_token_has_its_row_and_the_cache_changes_none),
        cmocka_unit_test(every_kind_of_prompt_gets_the_same_in_any_company),
        cmocka_unit_test(prompts_that_start_together_read_the_weights_once),
        cmocka_unit_test(a_pass_has_a_bounded_number_of_prompt_tokens),
        cmocka_unit_test(an_answer_ends_where_it_is_told_to),
        cmocka_unit_test(a_bad_prompt_is_an_error_that_says_why),
        cmocka_unit_test(a_model_that_is_not_finite_says_so),
        cmocka_unit_test(there_is_an_answer_or_no_memory),
        cmocka_unit_test(a_loaded_model_says_the_same_as_a_mapped_one),
        cmocka_unit_test(the_five_greedy_texts_are_exact),
        cmocka_unit_test(logits_and_losses_are_the_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
