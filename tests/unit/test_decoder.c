/*
 * The decoder: stories260K, a real trained model, against logits and losses
 * in float64 and greedy texts of another program; and a tiny Llama written
 * by transformers, with the logits it gives.
 */
#include "tests/unit/model.h"

#include "lib/base/json.h"
#include "lib/model/sampler.h"
#include "lib/tensor/safetensors.h"

#define STORIES "models/stories260k"
enum { VOCAB = 512,
       MOST = 256 };

static struct medvl_json *expected(const char *folder)
{
    struct medvl_json *root = NULL;
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, "expected.json", &err), &err);
    CHECK_OK(medvl_json_read(&root, path, &err), &err);
    medvl_free(path);
    return root;
}

static int64_t read_ids(int32_t *out, const struct medvl_json *array)
{
    int64_t n = 0;

    for (array = medvl_json_first(array); array;
         array = medvl_json_next(array)) {
        assert_true(n < MOST);
        out[n++] = (int32_t)medvl_json_number(array, -1);
    }
    return n;
}

static double mean_loss(const float *logits, const int32_t *ids,
                        int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i + 1 < count; i++)
        sum -= medvl_logprob(logits + i * VOCAB, VOCAB, ids[i + 1]);
    return sum / (double)(count - 1);
}

static void stories_gives_the_logits_and_losses_of_float64(void **state)
{
    char *folder = check_data(STORIES);
    struct medvl_json *root = expected(folder);
    const struct medvl_json *forced = medvl_json_get(root, "teacher_forced");
    const struct medvl_json *nll = medvl_json_get(forced, "nll_per_token");
    const struct medvl_json *at = medvl_json_get(forced, "logits");
    static float logits[MOST * VOCAB];
    struct subject s;
    int32_t ids[MOST];
    int64_t n;

    (void)state;
    subject_open(&s, folder, 0);
    n = read_ids(ids, medvl_json_get(forced, "ids"));
    subject_text_logits(logits, &s, ids, n, NULL);
    at = medvl_json_first(at);
    for (int64_t i = 0; i < n; i++, at = medvl_json_next(at)) {
        const float *row = logits + i * VOCAB;
        const struct medvl_json *top = medvl_json_get(at, "top5");
        const double sum = medvl_json_number(
            medvl_json_get(at, "logsumexp"), NAN);
        const double largest = medvl_json_number(
            medvl_json_at(medvl_json_at(top, 0), 1), NAN);

        for (top = medvl_json_first(top); top; top = medvl_json_next(top)) {
            const int id = (int)medvl_json_number(medvl_json_at(top, 0), -1);

            CHECK_CLOSE(row[id],
                        medvl_json_number(medvl_json_at(top, 1), NAN),
                        1e-4 * largest);
        }
        CHECK_CLOSE((double)row[0] - medvl_logprob(row, VOCAB, 0), sum,
                    1e-4 * largest);
        if (i + 1 < n)
            CHECK_CLOSE(-medvl_logprob(row, VOCAB, ids[i + 1]),
                        medvl_json_number(
                            medvl_json_at(nll, (size_t)i), NAN),
                        1e-4);
    }
    CHECK_CLOSE(mean_loss(logits, ids, n),
                medvl_json_number(medvl_json_get(forced, "mean_nll"), NAN),
                1e-5);
    subject_release(&s);
    medvl_json_free(root);
    medvl_free(folder);
}

/* The first `n` ids are given, the rest must follow by the cache. */
static void check_greedy(struct subject *s, const int32_t *ids, int64_t n,
                         int64_t count)
{
    static float logits[MOST * VOCAB];
    struct medvl_kvcache *cache;
    int64_t have = 0;

    CHECK_OK(medvl_kvcache_open(&cache, &s->model->config.decoder, 1, MOST,
                                MOST, &s->err),
             &s->err);
    while (n < count) {
        int32_t best = 0;

        subject_text_logits(logits, s, ids + have, n - have, cache);
        for (int32_t i = 1; i < VOCAB; i++) {
            const float *row = logits + (n - have - 1) * VOCAB;

            if (row[i] > row[best])
                best = i;
        }
        have = n;
        assert_int_equal(best, ids[n]);
        n++;
    }
    medvl_kvcache_free(cache);
}

static void stories_tells_all_five_texts_whole(void **state)
{
    char *folder = check_data(STORIES);
    struct medvl_json *root = expected(folder);
    const struct medvl_json *text = medvl_json_get(root, "greedy");
    struct subject s;
    int texts = 0;

    (void)state;
    subject_open(&s, folder, 0);
    for (text = medvl_json_first(text); text; text = medvl_json_next(text)) {
        int32_t prompt[MOST], ids[MOST];
        const int64_t n = read_ids(prompt,
                                   medvl_json_get(text, "prompt_ids"));
        const int64_t count = read_ids(ids,
                                       medvl_json_get(text, "greedy_ids"));

        assert_memory_equal(prompt, ids, (size_t)n * sizeof(*ids));
        check_greedy(&s, ids, n, count);
        texts++;
    }
    assert_int_equal(texts, 5);
    subject_release(&s);
    medvl_json_free(root);
    medvl_free(folder);
}

static void the_long_text_has_its_loss(void **state)
{
    char *folder = check_data(STORIES);
    struct medvl_json *root = expected(folder);
    const struct medvl_json *text = medvl_json_get(root, "long_text");
    static float logits[MOST * VOCAB];
    struct subject s;
    int32_t ids[MOST];
    int64_t n = (int64_t)medvl_json_number(
        medvl_json_get(text, "ids_first"), 0);

    (void)state;
    subject_open(&s, folder, 0);
    assert_int_equal(
        read_ids(ids, medvl_json_get(
                          medvl_json_at(medvl_json_get(root, "greedy"), 0),
                          "greedy_ids")),
        n);
    subject_text_logits(logits, &s, ids, n, NULL);
    CHECK_CLOSE(mean_loss(logits, ids, n),
                medvl_json_number(medvl_json_get(text, "mean_nll"), NAN),
                1e-5);
    subject_release(&s);
    medvl_json_free(root);
    medvl_free(folder);
}

/* ---- a Llama written by transformers ---------------------------------- */

#define TINY "tests/golden/models/llama"

static void check_tiny(struct subject *s, const int64_t *steps, int count)
{
    struct medvl_safetensors *want = NULL;
    struct medvl_kvcache *cache = NULL;
    struct medvl_json *root = expected(TINY);
    int32_t ids[MOST];
    const float *logits;
    float *got;
    int64_t n, vocab, at = 0;

    CHECK_OK(medvl_safetensors_open(&want, TINY "/expected.safetensors",
                                    &s->err),
             &s->err);
    logits = medvl_safetensors_find(want, "logits")->data;
    n = read_ids(ids, medvl_json_get(root, "expanded"));
    assert_int_equal(n, medvl_safetensors_find(want, "logits")->size[0]);
    vocab = medvl_safetensors_find(want, "logits")->size[1];
    got = calloc((size_t)(n * vocab), sizeof(*got));
    assert_non_null(got);
    if (count > 0)
        CHECK_OK(medvl_kvcache_open(&cache, &s->model->config.decoder, 1, n,
                                    n, &s->err),
                 &s->err);
    for (int i = 0; i < count; i++) {
        subject_text_logits(got + at * vocab, s, ids + at, steps[i], cache);
        at += steps[i];
    }
    if (count == 0)
        subject_text_logits(got, s, ids, n, NULL);
    assert_true(relative_difference(got, logits, n * vocab) <= 1e-5);
    free(got);
    medvl_kvcache_free(cache);
    medvl_safetensors_free(want);
    medvl_json_free(root);
}

static void grouped_heads_and_stretched_rope_are_those_of_transformers(
    void **state)
{
    static const int64_t STEPS[] = {7, 1, 1, 30, 1};
    struct subject s;

    (void)state;
    subject_open(&s, TINY, 0);
    assert_int_equal(s.model->config.decoder.groups, 2);
    assert_int_equal(s.model->config.decoder.head_size, 20);
    check_tiny(&s, NULL, 0);
    check_tiny(&s, STEPS, 5);
    subject_release(&s);
}

static void ids_outside_the_vocabulary_are_refused(void **state)
{
    const int32_t ids[] = {1, 71}, positions[] = {0, 1}, cu[] = {0, 2};
    struct medvl_sequences tokens = {.tokens = 2, .sequences = 1};
    struct medvl_decoder_run *run;
    struct subject s;

    (void)state;
    subject_open(&s, TINY, 0);
    tokens.ids = ids;
    tokens.positions = positions;
    tokens.cu = cu;
    CHECK_FAILS(medvl_decoder_run_open(&run, &s.model->config.decoder,
                                       &tokens, &s.err),
                MEDVL_EARG, &s.err, "71");
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories_gives_the_logits_and_losses_of_float64),
        cmocka_unit_test(stories_tells_all_five_texts_whole),
        cmocka_unit_test(the_long_text_has_its_loss),
        cmocka_unit_test(
            grouped_heads_and_stretched_rope_are_those_of_transformers),
        cmocka_unit_test(ids_outside_the_vocabulary_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
