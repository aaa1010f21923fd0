/*
 * lib/train/sft: the loss by the model's own logits, its gradients by
 * finite differences, and what must not change them: how a step is cut
 * into micro-batches, and recomputation.
 */
#include "tests/unit/model.h"

#include "lib/train/sft.h"

#define TINY "tests/golden/models/llava"

enum { TOKENS = 9,
       FIRST = 5, /* of the first sequence */
       VOCAB = 67 };

static const int32_t IDS[TOKENS] = {3, 14, 15, 9, 2, 6, 53, 58, 9};
static const int32_t POSITIONS[TOKENS] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
static const int32_t CU[3] = {0, FIRST, TOKENS};
static const int32_t TARGET[TOKENS] = {-1, 15, 9, 2, -1, 53, 58, 9, -1};
static const float WEIGHT[TOKENS] = {0, 1, 1, 0.5f, 0, 2, 1, 1, 0};
static const double SHARE = 6.5; /* the weights' sum */

static const struct medvl_sample SAMPLES[2] = {
    {.id = "a", .token_count = FIRST},
    {.id = "b", .first_token = FIRST, .token_count = TOKENS - FIRST}};

/* Both sequences, or (which = 0, 1) one of them alone. */
static struct medvl_microbatch batch(int which)
{
    static const int32_t alone[2][2] = {{0, FIRST}, {0, TOKENS - FIRST}};
    const int from = which == 1 ? FIRST : 0;
    struct medvl_microbatch micro = {0};

    micro.batch.tokens.tokens =
        which < 0 ? TOKENS : alone[which][1];
    micro.batch.tokens.sequences = which < 0 ? 2 : 1;
    micro.batch.tokens.cu = which < 0 ? CU : alone[which];
    micro.batch.tokens.ids = IDS + from;
    micro.batch.tokens.positions = POSITIONS + from;
    micro.target = TARGET + from;
    micro.weight = WEIGHT + from;
    micro.samples = SAMPLES + (which == 1);
    micro.sample_count = which < 0 ? 2 : 1;
    return micro;
}

static struct medvl_sft_result run(struct subject *s, int which,
                                   double smoothing, bool recompute)
{
    const struct medvl_microbatch micro = batch(which);
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_TRAIN,
                                               .recompute = recompute};
    struct medvl_sft_result sum = {0};

    medvl_tape_begin(s->tape, &options, NULL);
    CHECK_OK(medvl_sft_run(&sum, s->tape, s->model, &micro, smoothing, SHARE,
                           &s->err),
             &s->err);
    CHECK_OK(medvl_tape_end(s->tape, &s->err), &s->err);
    return sum;
}

static int64_t items_of(const struct medvl_param *param)
{
    return medvl_tensor_rows(&param->value) *
           medvl_tensor_columns(&param->value);
}

static void clear_gradients(struct subject *s)
{
    for (int64_t i = 0; i < s->model->count; i++)
        if (s->model->params[i].trained)
            memset(s->model->params[i].grad.data, 0,
                   (size_t)items_of(&s->model->params[i]) * sizeof(float));
}

/* The gradients of all trained parameters, one after another. */
static float *copy_gradients(const struct subject *s, int64_t *count)
{
    float *all = NULL;

    *count = 0;
    for (int64_t i = 0; i < s->model->count; i++) {
        const struct medvl_param *p = &s->model->params[i];

        if (!p->trained)
            continue;
        all = realloc(all, (size_t)(*count + items_of(p)) * sizeof(*all));
        assert_non_null(all);
        memcpy(all + *count, p->grad.data,
               (size_t)items_of(p) * sizeof(*all));
        *count += items_of(p);
    }
    return all;
}

/* Cross entropy with smoothing, from the logits, in double. */
static double expected_loss(struct subject *s, double smoothing)
{
    double loss = 0;

    for (int q = 0; q < 2; q++) {
        const int from = CU[q], count = CU[q + 1] - CU[q];
        float logits[TOKENS * VOCAB];

        subject_text_logits(logits, s, IDS + from, count, NULL);
        for (int i = 0; i < count; i++) {
            const float *row = logits + i * VOCAB;
            double sum = 0, mean = 0;

            if (TARGET[from + i] < 0)
                continue;
            for (int v = 0; v < VOCAB; v++)
                sum += exp((double)row[v]);
            for (int v = 0; v < VOCAB; v++)
                mean += ((double)row[v] - log(sum)) / VOCAB;
            loss -= (double)WEIGHT[from + i] *
                    ((1 - smoothing) *
                         ((double)row[TARGET[from + i]] - log(sum)) +
                     smoothing * mean);
        }
    }
    return loss;
}

static void the_loss_is_the_cross_entropy_of_the_learned_tokens(void **state)
{
    struct medvl_sft_result sum;
    struct subject s;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    for (int smooth = 0; smooth < 2; smooth++) {
        sum = run(&s, -1, 0.2 * smooth, false);
        CHECK_CLOSE(sum.loss, expected_loss(&s, 0.2 * smooth), 1e-5);
        CHECK_CLOSE(sum.weight, SHARE, 1e-9);
        assert_int_equal(sum.tokens, 6);
    }
    subject_release(&s);
}

/* Loss a share with one value moved by `by`. */
static double moved(struct subject *s, struct medvl_param *p, int64_t at,
                    float by)
{
    float *value = (float *)p->value.data + at;
    const float kept = *value;
    double loss;

    *value = kept + by;
    p->version++;
    loss = run(s, -1, 0.1, false).loss / SHARE;
    *value = kept;
    p->version++;
    return loss;
}

static void gradients_are_those_of_finite_differences(void **state)
{
    static const char *const names[] = {
        "decoder.embed_tokens.weight",
        "decoder.layers.0.self_attn.q_proj.weight",
        "decoder.layers.1.mlp.down_proj.weight",
        "decoder.norm.weight",
        "decoder.lm_head.weight"};
    struct subject s;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
        struct medvl_param *p = medvl_model_param(s.model, "%s", names[n]);
        const float *grad;
        int64_t at = 0;

        assert_non_null(p);
        clear_gradients(&s);
        run(&s, -1, 0.1, false);
        grad = p->grad.data;
        for (int64_t i = 0; i < items_of(p); i++)
            if (fabsf(grad[i]) > fabsf(grad[at]))
                at = i;
        {
            const float got = grad[at], h = 1e-2f;
            const double want =
                (moved(&s, p, at, h) - moved(&s, p, at, -h)) / (2 * h);

            assert_true(fabs(want) > 1e-3);
            CHECK_CLOSE(got / want, 1, 5e-3);
        }
    }
    subject_release(&s);
}

static void two_micro_batches_are_one_large_one(void **state)
{
    struct subject s;
    struct medvl_sft_result whole, parts[2];
    float *one, *two;
    int64_t count;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    whole = run(&s, -1, 0.1, false);
    one = copy_gradients(&s, &count);
    clear_gradients(&s);
    parts[0] = run(&s, 0, 0.1, false);
    parts[1] = run(&s, 1, 0.1, false);
    two = copy_gradients(&s, &count);
    CHECK_CLOSE(whole.loss, parts[0].loss + parts[1].loss, 1e-5);
    assert_true(relative_difference(two, one, count) < 1e-5);
    free(one);
    free(two);
    subject_release(&s);
}

static void recomputation_changes_no_bit(void **state)
{
    struct subject s;
    float *one, *two;
    int64_t count;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    run(&s, -1, 0.1, false);
    one = copy_gradients(&s, &count);
    clear_gradients(&s);
    run(&s, -1, 0.1, true);
    two = copy_gradients(&s, &count);
    assert_memory_equal(one, two, (size_t)count * sizeof(*one));
    free(one);
    free(two);
    subject_release(&s);
}

static struct medvl_sft_result evaluate(struct subject *s,
                                        const int32_t *target, int *code)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    struct medvl_microbatch micro = batch(-1);
    struct medvl_sft_result sum = {0};
    struct medvl_error ignored;

    micro.target = target;
    medvl_tape_begin(s->tape, &options, NULL);
    *code = medvl_sft_evaluate(&sum, s->tape, s->model, &micro, &s->err);
    if (medvl_tape_end(s->tape, &ignored) < 0)
        *code = ignored.code;
    return sum;
}

static void an_answer_is_whole_when_greedy_generation_would_give_it(
    void **state)
{
    float logits[FIRST * VOCAB];
    int32_t target[TOKENS];
    struct medvl_sft_result sum;
    struct subject s;
    int code;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    memcpy(target, TARGET, sizeof(target));
    sum = evaluate(&s, target, &code);
    assert_int_equal(code, MEDVL_OK);
    assert_int_equal(sum.records, 2);
    assert_int_equal(sum.whole, 0);
    CHECK_CLOSE(sum.loss, expected_loss(&s, 0), 1e-5);

    subject_text_logits(logits, &s, IDS, FIRST, NULL);
    for (int i = 1; i < 4; i++) {
        target[i] = 0;
        for (int v = 1; v < VOCAB; v++)
            if (logits[i * VOCAB + v] > logits[i * VOCAB + target[i]])
                target[i] = v;
    }
    sum = evaluate(&s, target, &code);
    assert_int_equal(sum.whole, 1);
    for (int i = FIRST; i < TOKENS; i++)
        target[i] = -1;
    sum = evaluate(&s, target, &code);
    assert_int_equal(sum.records, 1);
    subject_release(&s);
}

static void a_value_that_is_not_finite_is_no_loss(void **state)
{
    struct subject s;
    int code;

    (void)state;
    subject_open(&s, TINY, MEDVL_PART_DECODER);
    ((float *)medvl_decoder_head(s.model)->value.data)[3] = NAN;
    medvl_decoder_head(s.model)->version++;
    evaluate(&s, TARGET, &code);
    assert_int_equal(code, MEDVL_EFORMAT);
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_the_cross_entropy_of_the_learned_tokens),
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(two_micro_batches_are_one_large_one),
        cmocka_unit_test(recomputation_changes_no_bit),
        cmocka_unit_test(
            an_answer_is_whole_when_greedy_generation_would_give_it),
        cmocka_unit_test(a_value_that_is_not_finite_is_no_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
